//! `spinor evaluate`: how well a case agrees with a reference segmentation or with landmarks.

use std::path::PathBuf;

use anyhow::{Context, bail};
use serde_json::json;
use spinor_prepare::evaluate::{Evaluation, Frame, Landmarks, evaluate, target_error};
use spinor_prepare::nifti_io::read_nifti_u16;
use spinor_prepare::schemes::Scheme;
use spinor_shared::case::Case;

use crate::{input, output};

/// Largest landmark file that is read.
const MAX_LANDMARK_BYTES: u64 = 64 << 20;

/// Compare a case with a reference segmentation (overlap, surface distance) or with landmarks (registration error).
#[derive(clap::Args)]
#[command(after_help = "Example: spinor evaluate --case case.spinor --reference expert.nii.gz --scheme verse --json")]
pub(crate) struct Args {
    /// The case.
    #[arg(long, value_name = "F.spinor")]
    case: PathBuf,
    /// The reference label map; the case is sampled on its voxels.
    #[arg(long, value_name = "NII", requires = "scheme")]
    reference: Option<PathBuf>,
    /// The reference's numbers: totalspineseg, verse, totalsegmentator or spineps.
    #[arg(long)]
    scheme: Option<Scheme>,
    /// Whose frame the reference lies in.
    #[arg(long, value_enum, default_value = "ct")]
    frame: FrameArg,
    /// Corresponding points in CT and MR.
    #[arg(long, value_name = "JSON", conflicts_with = "reference")]
    landmarks: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum FrameArg {
    Ct,
    Mr,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let case = Case::decode(&input::case(&args.case)?).with_context(|| format!("cannot read {}", args.case.display()))?;
    match (&args.reference, args.scheme, &args.landmarks) {
        (Some(reference), Some(scheme), _) => {
            let labels = read_nifti_u16(reference).with_context(|| format!("cannot read {}", reference.display()))?;
            let frame = match args.frame {
                FrameArg::Ct => Frame::Ct,
                FrameArg::Mr => Frame::Mr,
            };
            if !args.json {
                eprintln!("comparing ...");
            }
            let found = evaluate(&case, labels, scheme, frame)?;
            if args.json {
                output::json(&found.json());
            }
            if found.structures.values().all(|(_, score)| score.dsc == 0.0) {
                bail!(
                    "no structure of {} lies where the case has it: is it another scan's, or in another scheme than {scheme} (--scheme)?",
                    reference.display()
                );
            }
            if !args.json {
                print(&found);
            }
        }
        (_, _, Some(landmarks)) => {
            let text = input::file(landmarks, MAX_LANDMARK_BYTES)?;
            let points: Landmarks =
                serde_json::from_slice(&text).with_context(|| format!("{} is no landmark file", landmarks.display()))?;
            let found = target_error(&case, &points)?;
            if args.json {
                output::json(&json!({"tre_mm": found.tre_mm, "before_mm": found.before_mm}));
            } else {
                for (when, d) in [("registered", &found.tre_mm), ("before", &found.before_mm)] {
                    println!("{when}: mean {:.2} mm, sd {:.2}, 95 % {:.2}, max {:.2}", d.mean, d.sd, d.p95, d.max);
                }
            }
        }
        _ => bail!("give --reference with --scheme, or --landmarks"),
    }
    Ok(())
}

fn print(found: &Evaluation) {
    println!("{:<36}{:>8}{:>12}{:>12}{:>10}", "structure", "DSC", "HD95 mm", "ASSD mm", "volume");
    let together = found.sac_with_cord.iter().map(|s| ("dural_sac with spinal_cord", s));
    for (name, s) in found.structures.iter().map(|(name, (_, s))| (name.as_str(), s)).chain(together) {
        println!("{name:<36}{:>8.3}{:>12.2}{:>12.2}{:>10.3}", s.dsc, s.hd95_mm, s.assd_mm, s.volume_ratio);
    }
    for kind in ["vertebra", "disc", "neural"] {
        if let Some(mean) = found.mean_dsc(kind) {
            println!("mean DSC of {kind}: {mean:.3}");
        }
    }
    if !found.not_scored.is_empty() {
        println!("not scored, the reference does not hold them: {}", found.not_scored.join(", "));
    }
    for (number, voxels) in &found.unmapped {
        eprintln!("warning: the scheme has no structure for number {number} ({voxels} voxels)");
    }
}
