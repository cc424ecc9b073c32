//! `spinor assess`: metrics and a report from a recording.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::Context;
use spinor_assess::{Metrics, Session, csv, gather, html, measure};

use crate::output;

/// Measure a recording: writes report.html, metrics.json and events.csv. For education; not a medical device.
#[derive(clap::Args)]
#[command(after_help = "Example: spinor assess session.spinrec --against attending.spinrec --out report/")]
pub(crate) struct Args {
    /// The recording.
    file: PathBuf,
    /// Another recording to compare with; may be given several times.
    #[arg(long, value_name = "F.spinrec")]
    against: Vec<PathBuf>,
    /// Folder for the three files; made when missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print the metrics as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let (session, metrics) = read(&args.file)?;
    let mut against = Vec::new();
    for path in &args.against {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        against.push((name, read(path)?.1));
    }
    fs::create_dir_all(&args.out).with_context(|| format!("cannot create {}", args.out.display()))?;
    let json = serde_json::to_value(&metrics)?;
    write(&args.out, "report.html", &html(&session, &metrics, &against))?;
    write(&args.out, "metrics.json", &format!("{json:#}\n"))?;
    write(&args.out, "events.csv", &csv::events(&session))?;
    if args.json {
        output::json(&json);
        return Ok(());
    }
    let removed: f64 = metrics.removed_mm3.values().sum();
    println!(
        "{} of session, {removed:.1} mm3 removed, {} neural contacts",
        output::moment(metrics.duration_s),
        metrics.safety.contacts.len()
    );
    println!("report.html, metrics.json and events.csv are in {}", args.out.display());
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<(Session, Metrics)> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let session = gather(BufReader::with_capacity(1 << 20, file)).with_context(|| format!("cannot assess {}", path.display()))?;
    let metrics = measure(&session);
    Ok((session, metrics))
}

fn write(dir: &Path, name: &str, content: &str) -> anyhow::Result<()> {
    let path = dir.join(name);
    fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
}
