//! `spinor prepare`: from a CT, and an MR, to a case.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use spinor_prepare::contours::{ContourOptions, Names};
use spinor_prepare::files::{can_write, spare, write_whole};
use spinor_prepare::pipeline::{CaseSummary, PrepareOptions, Stage, peak_rss_mb, prepare};
use spinor_prepare::schemes::Scheme;
use spinor_prepare::segment::spine::vertebra;
use spinor_prepare::stages::Stages;
use spinor_volume::Label;

use crate::{input, output};

/// The files of a report.
const REPORT: [&str; 4] = ["report.html", "report.json", "case.json", "case.txt"];

/// Prepare a case: reads CT and MR, labels or segments them, makes surfaces and writes one file without identity.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  spinor prepare --ct study/ --labels spine.nii.gz --scheme totalspineseg --out patient.spinor
  spinor prepare --ct study/ --lowest L5 --out patient.spinor
  spinor prepare --ct ct.nii.gz --model models/vertebrae --out patient.spinor --report report/ --json
  spinor prepare --ct study/ --model vertebrae --contours roots-and-sac.dcm --out patient.spinor
  spinor prepare --mr t2.nii.gz --out patient.spinor --report report/
  spinor prepare --mr t2.nii.gz --labels t2-labels.nii.gz --scheme spineps --out patient.spinor")]
pub(crate) struct Args {
    /// The CT: a folder of DICOM files, one DICOM file, or NIfTI in HU.
    #[arg(long, value_name = "PATH", required_unless_present = "mr")]
    ct: Option<PathBuf>,
    /// The MR, likewise. It is registered to the CT vertebra by vertebra, and the dural sac is taken from it where nobody gave one: found by a
    /// model for MR, or of --mr-labels.
    /// Without a CT the case is made from it: a model for MR finds the structures, or --labels or --contours in its frame say where they are.
    #[arg(long, value_name = "PATH")]
    mr: Option<PathBuf>,
    /// A label map in the MR's frame: tells where to look for the vertebrae and checks their levels. Not needed.
    #[arg(long, value_name = "NII", requires = "ct", requires = "mr", requires = "mr_scheme")]
    mr_labels: Option<PathBuf>,
    /// Whose numbers the MR's label map uses.
    #[arg(long, value_name = "S", requires = "mr_labels")]
    mr_scheme: Option<Scheme>,
    /// A label map in the CT's frame, without a CT in the MR's; its voxels may differ from the image's.
    #[arg(long, value_name = "NII", requires = "scheme", conflicts_with = "model")]
    labels: Option<PathBuf>,
    /// Whose numbers the label map uses: verse, totalspineseg, totalsegmentator, spineps ...
    #[arg(long, value_name = "S", requires = "labels")]
    scheme: Option<Scheme>,
    /// The case that the label map was exported from before you corrected it: what you did not change keeps its source.
    #[arg(long, value_name = "F.spinor", requires = "labels")]
    corrects: Option<PathBuf>,
    /// Contours of your own, in place of what is labelled, segmented or proposed: a label map, DICOM RTSTRUCT or DICOM SEG. Several times.
    #[arg(long, value_name = "NII|RTSTRUCT|SEG")]
    contours: Vec<PathBuf>,
    /// Whose numbers the label maps among the contours use; `totalspineseg` for what `spinor export` wrote.
    #[arg(long, value_name = "S", requires = "contours")]
    contours_scheme: Option<Scheme>,
    /// What numbers and names in the contours mean: a JSON object like {"3": "vertebrae_L4", "Wurzel L5 li": "nerve_root_L5_left"}.
    #[arg(long, value_name = "FILE", requires = "contours")]
    contours_names: Option<PathBuf>,
    /// A segmentation model (nnU-Net export), used without a label map. Several: later ones fill what earlier ones left empty.
    /// Without model and label map: the best one that was added, or else the built-in `spine-ct`; for an
    /// MR without a CT `spine-mr`.
    #[arg(long, value_name = "DIR")]
    model: Vec<PathBuf>,
    /// Name of the lowest vertebra in view, as in L5 or T12, for a model that knows no levels; otherwise the one above the sacrum is L5.
    #[arg(long, value_name = "LEVEL", conflicts_with = "labels", value_parser = vertebra)]
    lowest: Option<Label>,
    /// The case file to write.
    #[arg(long, value_name = "F.spinor")]
    out: PathBuf,
    /// Write a report for a clinician into this folder.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Threads; all cores without.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Move bone to where the CT falls to this fraction of its edge's contrast (0.5 is soft, 0.65 the cortex). Off by default: it made
    /// expert labels a tenth smaller.
    #[arg(long, value_name = "FRACTION", num_args = 0..=1, default_missing_value = "0.65")]
    follow_ct: Option<f64>,
    /// Do not propose what is not labelled, segmented or drawn: sac, roots, flava, discs.
    #[arg(long)]
    no_proposals: bool,
    /// Segment anew, and keep nothing for another run. Otherwise the label map that a model makes is kept in the user's cache folder and taken
    /// where scan, model and program are the same.
    #[arg(long)]
    no_cache: bool,
    /// The CT series (without a CT the MR series), where the folder holds several (`spinor ingest PATH --list` shows them).
    #[arg(long, value_name = "UID")]
    series: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    if args.follow_ct.is_some_and(|f| !(0.2..=0.9).contains(&f)) {
        bail!("--follow-ct takes a fraction of the edge's contrast, 0.2-0.9");
    }
    spare_inputs(&args)?;
    let names = match &args.contours_names {
        Some(path) => Names::read(path).with_context(|| format!("the names in {}", path.display()))?,
        None => Names::default(),
    };
    let folder = args.out.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {} for --out", folder.display()))?;
    }
    // All that follows takes a minute; what it cannot be written to is told now.
    can_write(&args.out).with_context(|| format!("{} cannot be written", args.out.display()))?;
    if let Some(dir) = &args.report {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make the folder {} for --report", dir.display()))?;
        can_write(&dir.join(REPORT[0])).with_context(|| format!("the report in {}", dir.display()))?;
    }
    let options = PrepareOptions {
        ct: args.ct,
        mr: args.mr,
        labels: args.labels.zip(args.scheme),
        corrects: args.corrects,
        contours: args.contours,
        contour_options: ContourOptions { scheme: args.contours_scheme, names },
        mr_labels: args.mr_labels.zip(args.mr_scheme),
        models: args.model,
        lowest: args.lowest,
        registry: None,
        series: args.series,
        threads: args.threads.map(usize::from),
        follow_ct_fraction: args.follow_ct,
        no_proposals: args.no_proposals,
        stages: if args.no_cache { None } else { Stages::folder() },
    };
    let bar = bar()?;
    let mut last = None;
    let prepared = prepare(&options, &mut |stage: Stage, share| {
        if last != Some(stage) {
            bar.reset_eta();
        }
        bar.set_message(stage.words());
        bar.set_position((share * 100.0) as u64);
        if last != Some(stage) && bar.is_hidden() {
            eprintln!("{} ...", stage.words());
        }
        last = Some(stage);
    });
    bar.finish_and_clear();
    let prepared = prepared?;
    write_whole(&args.out, &prepared.bytes).with_context(|| format!("{} cannot be written", args.out.display()))?;
    if let Some(dir) = &args.report {
        write_report(&prepared, dir).with_context(|| format!("the report in {}", dir.display()))?;
    }
    if args.json {
        output::json(&prepared.json(&args.out.display().to_string()));
    } else {
        print!("{}", CaseSummary::of(&prepared.case, prepared.hash));
        if prepared.reused {
            println!("the label map is that of an earlier run of the same program on the same scan (--no-cache makes it anew)");
        }
        let s = &prepared.seconds;
        println!(
            "{:.1} s (reading {:.1}, segmenting {:.1}, surfaces {:.1}, proposals {:.1}, registering {:.1}, packing {:.1}), {:.0} MB at most",
            s.total,
            s.ingest,
            s.segment,
            s.bake,
            s.fuse,
            s.register,
            s.pack,
            peak_rss_mb().unwrap_or(0.0)
        );
        println!("{}: {:.1} MB", args.out.display(), prepared.bytes.len() as f64 / 1e6);
    }
    Ok(())
}

fn write_report(prepared: &spinor_prepare::pipeline::Prepared, dir: &Path) -> anyhow::Result<()> {
    spinor_prepare::report::write_report(
        dir,
        &prepared.case,
        prepared.ct.as_ref(),
        prepared.mr.as_ref(),
        &prepared.hash.to_string(),
    )?;
    let summary = CaseSummary::of(&prepared.case, prepared.hash);
    write_whole(&dir.join("case.json"), &serde_json::to_vec_pretty(&summary)?).context("case.json cannot be written")?;
    write_whole(&dir.join("case.txt"), summary.to_string().as_bytes()).context("case.txt cannot be written")
}

/// Refuses a case or report that would be written over what it is made from, or over one another.
fn spare_inputs(args: &Args) -> anyhow::Result<()> {
    let mut inputs: Vec<&Path> = Vec::new();
    inputs.extend(
        [&args.ct, &args.mr, &args.labels, &args.mr_labels, &args.corrects, &args.contours_names]
            .into_iter()
            .flatten()
            .map(PathBuf::as_path),
    );
    inputs.extend(args.contours.iter().map(PathBuf::as_path));
    let models = input::below(&args.model);
    inputs.extend(models.iter().map(PathBuf::as_path));
    spare(&args.out, &inputs)?;
    inputs.push(&args.out);
    for (dir, name) in args.report.iter().flat_map(|dir| REPORT.map(|name| (dir, name))) {
        spare(&dir.join(name), &inputs)?;
    }
    Ok(())
}

/// A progress bar where stderr is a terminal, hidden elsewhere.
fn bar() -> anyhow::Result<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let bar = ProgressBar::new(100)
        .with_style(ProgressStyle::with_template("{spinner} {msg:<24} {wide_bar} {elapsed}, this step {eta} more")?);
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    Ok(bar)
}
