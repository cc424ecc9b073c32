//! `spinor export`: a case, or what a session left of it, for other programs.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use serde_json::json;
use spinor_prepare::export::{Format, LabelGrid, export};
use spinor_prepare::files::spare;
use spinor_shared::case::Case;
use spinor_shared::session::{self, Part, Replay, Tail};
use spinor_volume::CutState;

use super::info::{Kind, kind};
use crate::{input, output};

/// Export meshes, a label map or DICOM SEG.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  spinor export patient.spinor --format stl --out meshes/
  spinor export patient.spinor --format glb --out patient.glb
  spinor export patient.spinor --format dicom-seg --source study/ --out structures.dcm
  spinor export session.spinrec --at 00:12:30 --format nifti --grid ct --out left.nii.gz")]
pub(crate) struct Args {
    /// A case (.spinor) or a recording (.spinrec).
    file: PathBuf,
    /// What to write: stl (a folder with one file per structure, LPS mm), glb (one scene, metres), nifti (a label map) or dicom-seg.
    #[arg(long)]
    format: Kinds,
    /// The file, or for STL the folder.
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// The grid of a label map: the case's own, or that of the CT in it.
    #[arg(long, default_value = "case")]
    grid: Grids,
    /// For dicom-seg, the CT series the case came from: the file gets its patient and study, which the case does not hold.
    #[arg(long, value_name = "DIR", required_if_eq("format", "dicom-seg"))]
    source: Option<PathBuf>,
    /// The series, where the source holds several (`spinor ingest DIR --list` shows them).
    #[arg(long, value_name = "UID", requires = "source")]
    series: Option<String>,
    /// The moment of a recording, HH:MM:SS; its end without.
    #[arg(long, value_name = "HH:MM:SS")]
    at: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kinds {
    Stl,
    Glb,
    Nifti,
    DicomSeg,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Grids {
    Case,
    Ct,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let grid = match args.grid {
        Grids::Case => LabelGrid::Case,
        Grids::Ct => LabelGrid::Ct,
    };
    let format = match args.format {
        Kinds::Stl => Format::Stl,
        Kinds::Glb => Format::Glb,
        Kinds::Nifti => Format::Nifti(grid),
        Kinds::DicomSeg => {
            let source = args.source.clone().context("--format dicom-seg needs --source DIR, the series the case came from")?;
            Format::DicomSeg { source, series: args.series.clone() }
        }
    };
    let mut inputs = vec![args.file.as_path()];
    inputs.extend(args.source.as_deref());
    spare(&args.out, &inputs)?;
    let (case, cut, torn) = open(&args)?;
    if matches!(format, Format::Stl) {
        for structure in case.patient.structures() {
            spare(&args.out.join(format!("{}.stl", structure.label.name())), &inputs)?;
        }
    }
    let files = export(&case, cut.as_ref(), &format, &args.out)?;
    if torn {
        output::tell_torn(&args.file);
    }
    if args.json {
        output::json(&json!({ "torn_tail": torn, "files": files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>() }));
    } else {
        files.iter().for_each(|file| println!("{}", file.display()));
    }
    Ok(())
}

/// The case, what a session left of it, and whether the recording was read to an end that is torn.
fn open(args: &Args) -> anyhow::Result<(Arc<Case>, Option<CutState>, bool)> {
    let name = || args.file.display().to_string();
    match kind(&args.file)? {
        Kind::Case => {
            if args.at.is_some() {
                bail!("--at names a moment of a recording; {} is a case", name());
            }
            let bytes = input::case(&args.file)?;
            Ok((Arc::new(Case::decode(&bytes).with_context(name)?), None, false))
        }
        Kind::Recording => {
            let mut replay = Replay::open(input::recording(&args.file)?).with_context(name)?;
            let hz = f64::from(replay.head().tick_hz.max(1));
            let until = args.at.as_deref().map(output::seconds).transpose()?.map(|s| (s * hz) as u32);
            let case = Arc::clone(replay.case());
            let (cut, reached) = session::replay(&mut replay, Part::WHOLE, until).with_context(name)?;
            if let Some(moment) = &args.at
                && replay.tail() != Tail::Unread
            {
                bail!("{}: the recording ends at {}, before {moment}", name(), output::moment(f64::from(reached.ticks) / hz));
            }
            Ok((case, Some(cut), matches!(replay.tail(), Tail::Torn { .. })))
        }
    }
}
