//! `spinor segment`: run an nnU-Net export on an image, as nnU-Net itself would.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use spinor_prepare::files::{can_write, spare};
use spinor_prepare::nifti_io::{check_name, read_nifti_f32, write_nifti};
use spinor_prepare::segment::{BUILT_IN, BUILT_IN_MR, Model, ModelFolder, Options, Progress, Stage, built_in_named};

use crate::{input, output};

/// Segment an image with any nnU-Net v2 export; the label map is nnU-Net's own, in the model's numbers.
#[derive(clap::Args)]
#[command(after_help = "Example: spinor segment --model models/vertebrae --input ct.nii.gz --out labels.nii.gz --threads 4")]
pub(crate) struct Args {
    /// Folder with model.onnx, plans.json and dataset.json, the name of a model that was added, or `spine-ct` or `spine-mr`,
    /// which are built in.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Image, NIfTI; once for each channel of the model, in the order of dataset.json.
    #[arg(long, value_name = "NII", required = true)]
    input: Vec<PathBuf>,
    /// Label map to write, NIfTI, on the voxels of the first input.
    #[arg(long, value_name = "NII")]
    out: PathBuf,
    /// Average over the mirrored image as well: up to eight times the work.
    #[arg(long)]
    mirror: bool,
    /// Step between tiles as a fraction of the patch; the model's own (0.5) when not given.
    #[arg(long, value_name = "FRACTION")]
    tile_step: Option<f64>,
    /// Threads; all cores when not given.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    ensure!((1..=1024).contains(&threads), "--threads must be 1-1024, not {threads}");
    let start = Instant::now();
    let mut folder = args.model.clone();
    if !folder.is_dir() && folder.components().count() == 1 {
        folder = spinor_prepare::models::registry().map(|registry| registry.join(&folder)).unwrap_or(folder);
    }
    let files = input::below(std::slice::from_ref(&folder));
    spare(&args.out, &args.input.iter().chain(&files).map(PathBuf::as_path).collect::<Vec<_>>())?;
    check_name(&args.out)?;
    can_write(&args.out).with_context(|| format!("{} cannot be written", args.out.display()))?;
    let own = args.model.to_str().filter(|_| !folder.is_dir()).and_then(built_in_named);
    ensure!(
        own.is_some() || folder.is_dir(),
        "there is no model {}: it is no folder, no name that `spinor models list` shows, and neither `{BUILT_IN}` nor `{BUILT_IN_MR}`",
        args.model.display()
    );
    let opened = own.unwrap_or_else(|| ModelFolder::open(&folder));
    let model = opened.and_then(|folder| Model::from_folder(folder, threads));
    let mut model = model.with_context(|| format!("cannot use the model {}", args.model.display()))?;
    if args.mirror && model.folder().mirroring.is_none() {
        eprintln!(
            "note: {} has no mirroring.json; mirroring along all three axes, as nnU-Net trains by default",
            folder.display()
        );
    }
    let mut channels = Vec::with_capacity(args.input.len());
    for path in &args.input {
        channels.push(read_nifti_f32(path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    let mut bar = Bar::new();
    let options = Options { mirror: args.mirror, tile_step: args.tile_step };
    let labels = model.segment(&channels, &options, &mut |progress| bar.show(progress))?;
    bar.finish();
    write_nifti(&args.out, &labels).with_context(|| format!("cannot write {}", args.out.display()))?;

    let voxel_mm3 = labels.geometry.voxel_mm3();
    let mut counts = std::collections::BTreeMap::new();
    for label in labels.voxels.iter().filter(|l| **l != 0) {
        *counts.entry(*label).or_insert(0_u64) += 1;
    }
    let name = |label: &u16| model.folder().dataset.names.get(label).cloned().unwrap_or_else(|| label.to_string());
    let seconds = start.elapsed().as_secs_f64();
    if args.json {
        let found = |(label, n): (&u16, &u64)| (name(label), json!({"label": label, "volume_mm3": *n as f64 * voxel_mm3}));
        let structures: serde_json::Map<String, serde_json::Value> = counts.iter().map(found).collect();
        output::json(&json!({
            "out": args.out, "model": folder, "configuration": model.folder().plan.configuration, "mirror": args.mirror,
            "threads": threads, "seconds": seconds, "structures": structures,
        }));
    } else {
        for (label, n) in &counts {
            println!("{label:4}  {:<32} {:10.1} cm³", name(label), *n as f64 * voxel_mm3 / 1000.0);
        }
        println!("{} written in {seconds:.1} s", args.out.display());
    }
    Ok(())
}

/// A bar on a terminal, a line for each tenth otherwise.
struct Bar {
    bar: Option<ProgressBar>,
    last: (Option<Stage>, usize),
}

impl Bar {
    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg:12} [{bar:40}] {pos}/{len} {eta}");
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, last: (None, 0) }
    }

    fn show(&mut self, progress: Progress) {
        let name = match progress.stage {
            Stage::Prepare => "preparing",
            Stage::Network => "network",
            Stage::Finish => "finishing",
        };
        let Some(bar) = &self.bar else {
            let tenth = progress.done * 10 / progress.total.max(1);
            if self.last != (Some(progress.stage), tenth) {
                self.last = (Some(progress.stage), tenth);
                eprintln!("{name} {}/{}", progress.done, progress.total);
            }
            return;
        };
        bar.set_message(name);
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
