//! `spinor phantom`: a made-up lumbar spine whose truth is known.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use serde_json::json;
use spinor_prepare::phantom::{Levels, Motion, Options, Stenosis, generate, write};

use crate::output;

/// Make an anatomical phantom: CT (DICOM and NIfTI), MRI in another frame and posture, label maps and landmarks.
#[derive(clap::Args)]
#[command(after_help = "Example: spinor phantom --seed 7 --out phantom7 --stenosis severe")]
pub(crate) struct Args {
    /// Everything random follows from this number; the same seed gives the same bytes.
    #[arg(long)]
    seed: u64,
    /// Folder to write into; made if missing.
    #[arg(long)]
    out: PathBuf,
    /// Vertebrae to make.
    #[arg(long, default_value = "L1-S1")]
    levels: Levels,
    /// Cobb angle between L1 and L4, degrees.
    #[arg(long, value_name = "DEG", default_value_t = 0.0, allow_negative_numbers = true)]
    scoliosis: f64,
    /// Narrow the canal, most at L4/L5: mild or severe.
    #[arg(long, value_name = "GRADE")]
    stenosis: Option<Stenosis>,
    /// How differently the patient lies in the MRI: slight, or bent (every vertebra by 2 to 15 degrees against the sacrum).
    #[arg(long, value_name = "HOW", default_value = "slight")]
    motion: Motion,
    /// Voxel of the CT in mm: one number, or three for left-right, front-back and along the table.
    #[arg(long, value_name = "MM", num_args = 1..=3, default_values_t = [0.6, 0.6, 1.0])]
    spacing: Vec<f64>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let start = Instant::now();
    let spacing_mm = match args.spacing[..] {
        [all] => [all; 3],
        [x, y, z] => [x, y, z],
        _ => anyhow::bail!("--spacing takes one number or three, as in --spacing 0.6 0.6 1.0"),
    };
    let options = Options {
        seed: args.seed,
        levels: args.levels,
        scoliosis_deg: args.scoliosis,
        stenosis: args.stenosis,
        motion: args.motion,
        spacing_mm,
        ..Options::default()
    };
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    if !args.json {
        eprintln!("making images ...");
    }
    let phantom = generate(&options)?;
    if !args.json {
        eprintln!("writing {} ...", args.out.display());
    }
    write(&phantom, &args.out).with_context(|| format!("the phantom in {} is not complete", args.out.display()))?;
    let seconds = start.elapsed().as_secs_f64();
    if args.json {
        output::json(&json!({
            "out": args.out.display().to_string(),
            "seed": args.seed,
            "ct_voxels": phantom.ct.geometry.size,
            "mr_voxels": phantom.mr.geometry.size,
            "landmarks": phantom.landmarks.ct.len(),
            "seconds": seconds,
        }));
    } else {
        let [x, y, z] = phantom.ct.geometry.size;
        println!("{}: CT {x} x {y} x {z}, {} landmarks, in {seconds:.1} s", args.out.display(), phantom.landmarks.ct.len());
    }
    Ok(())
}
