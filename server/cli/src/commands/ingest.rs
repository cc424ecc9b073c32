//! `spinor ingest`: what is in a DICOM folder or NIfTI file, and the chosen series as NIfTI.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;
use spinor_prepare::files::spare;
use spinor_prepare::ingest::{Modality, Problem, Request, ingest, scan, table};
use spinor_prepare::nifti_io::looks_like_nifti;

use crate::output;

/// Look into a DICOM folder or NIfTI file, check it as preparation would, and write the chosen series as NIfTI.
#[derive(clap::Args)]
#[command(after_help = "Example: spinor ingest study/ --list\n         spinor ingest study/ --series 1.2.840.1 --out ct.nii.gz")]
pub(crate) struct Args {
    /// A folder of DICOM files, one DICOM file, or a NIfTI file.
    path: PathBuf,
    /// List the series found and what is wrong with those that cannot be used.
    #[arg(long)]
    list: bool,
    /// Take this series, as the list names it.
    #[arg(long, value_name = "UID")]
    series: Option<String>,
    /// Take only this modality; a NIfTI file is read as this one.
    #[arg(long, value_enum)]
    modality: Option<ModalityArg>,
    /// Write the volume here (.nii or .nii.gz).
    #[arg(long, value_name = "NII")]
    out: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum ModalityArg {
    Ct,
    Mr,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    if let Some(out) = &args.out {
        spare(out, &[&args.path])?;
    }
    if args.list && !(args.path.is_file() && looks_like_nifti(&args.path)) {
        return list(&args);
    }
    let modality = args.modality.map(|m| match m {
        ModalityArg::Ct => Modality::Ct,
        ModalityArg::Mr => Modality::Mr,
    });
    let found = ingest(&args.path, &Request { modality, series: args.series.clone() })?;
    if let Some(out) = &args.out {
        found.volume.write_nifti(out).with_context(|| format!("cannot write {}", out.display()))?;
    }
    let warnings: Vec<&String> = found.doubts.iter().chain(&found.warnings).collect();
    let geometry = found.volume.geometry();
    if args.json {
        output::json(&json!({
            "modality": found.volume.modality(), "series": found.summary, "warnings": warnings,
            "size": geometry.size, "spacing_mm": geometry.spacing_mm, "origin_mm": geometry.origin_mm,
            "direction": geometry.direction, "out": args.out,
        }));
        return Ok(());
    }
    let [nx, ny, nz] = geometry.size;
    let [sx, sy, sz] = geometry.spacing_mm;
    println!("{} of {nx}×{ny}×{nz} voxels, {sx:.4}×{sy:.4}×{sz:.4} mm", found.volume.modality());
    let (low, high) = geometry.bounds_mm();
    println!("from {low:.1?} to {high:.1?} mm in LPS (left, posterior, superior)");
    if let Some(summary) = &found.summary {
        println!("{}", table(std::slice::from_ref(summary)));
    }
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    if let Some(out) = &args.out {
        println!("written to {}", out.display());
    }
    Ok(())
}

fn list(args: &Args) -> anyhow::Result<()> {
    let scan = scan(&args.path)?;
    let show = |p: &Problem| json!({"file": p.file, "why": p.why});
    if args.json {
        let problems: Vec<_> = scan.problems().iter().map(show).collect();
        output::json(&json!({"series": scan.series(), "problems": problems}));
        return Ok(());
    }
    println!("{}", table(scan.series()));
    for problem in scan.problems() {
        eprintln!("not readable: {}: {}", problem.file.display(), problem.why);
    }
    Ok(())
}
