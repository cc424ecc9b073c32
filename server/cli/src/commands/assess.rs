//! `spinor assess`: metrics and a report from a recording.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use spinor_assess::{Metrics, Options, Session, csv, gather_with, html, measure, osats, xapi};
use spinor_prepare::files::{spare, write_whole};
use spinor_sim::procedure::Target;

use crate::{input, output};

/// What is written into the folder, and the form, which stays where somebody filled it in.
const FILES: [&str; 4] = ["report.html", "metrics.json", "events.csv", "statements.json"];
const FORM: &str = "osats-template.json";

/// Measure a recording: writes report.html, metrics.json, events.csv, statements.json (xAPI) and an empty form for a mentor's rating. For
/// education; not a medical device.
#[derive(clap::Args)]
#[command(after_help = "Example: spinor assess session.spinrec --against attending.spinrec --out report/")]
pub(crate) struct Args {
    /// The recording.
    file: PathBuf,
    /// Another recording to compare with; may be given several times.
    #[arg(long, value_name = "F.spinrec")]
    against: Vec<PathBuf>,
    /// A mentor's rating to merge in: osats-template.json of an earlier report, filled in.
    #[arg(long, value_name = "FILE.json")]
    osats: Option<PathBuf>,
    /// The procedure to judge by, in place of what notes in the recording name: `procedure=laminectomy level=L4 side=left` (laminectomy, ulbd,
    /// foraminotomy or microdiscectomy; the vertebra above the disc).
    #[arg(long, value_name = "WORDS")]
    procedure: Option<String>,
    /// Folder for the files; made when missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print the metrics as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let mut inputs = vec![args.file.as_path()];
    inputs.extend(args.against.iter().map(PathBuf::as_path));
    spare(&args.out.join(FORM), &inputs)?;
    inputs.extend(args.osats.as_deref());
    for name in FILES {
        spare(&args.out.join(name), &inputs)?;
    }
    // A form that cannot be read is refused before the recording is measured, which takes longer.
    let rating = args.osats.as_deref().map(read_rating).transpose()?;
    let target = match &args.procedure {
        Some(words) => Some(Target::from_words(words).with_context(|| {
            format!("'{words}' names no procedure: write procedure=laminectomy level=L4 side=left (levels L1 to L5)")
        })?),
        None => None,
    };
    let options = Options { target, ..Options::default() };
    let (session, mut metrics) = read(&args.file, &options)?;
    if let Some(rating) = rating {
        if let Some(user) = rating.rated_user.filter(|user| !session.people.contains_key(user)) {
            let there: Vec<String> =
                session.people.iter().map(|(number, person)| format!("{number} ({})", person.name)).collect();
            bail!("the form rates user {user}, who is not in the recording; there were: {}", there.join(", "));
        }
        metrics.rate(rating);
    }
    let mut against = Vec::new();
    for path in &args.against {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        against.push((name, read(path, &options)?.1));
    }
    fs::create_dir_all(&args.out).with_context(|| format!("cannot create {}", args.out.display()))?;
    let json = serde_json::to_value(&metrics)?;
    write(&args.out, "report.html", &html(&session, &metrics, &against))?;
    write(&args.out, "metrics.json", &format!("{json:#}\n"))?;
    write(&args.out, "events.csv", &csv::events(&session))?;
    write(&args.out, "statements.json", &format!("{:#}\n", xapi::statements(&session, &metrics)))?;
    let form = args.out.join(FORM);
    if is_filled_in(&form) {
        eprintln!("{} was written into: it stays as it is", form.display());
    } else {
        write(&args.out, FORM, &osats::template())?;
    }
    if args.json {
        output::json(&json);
        return Ok(());
    }
    let removed: f64 = metrics.removed_mm3.values().sum();
    let score = metrics.score.safety.map_or_else(|| "none".to_owned(), |s| format!("{s:.0} of 100"));
    let contacts = &metrics.safety.contacts;
    let with_proposed = match contacts.iter().filter(|c| metrics.is_proposed(&c.structure)).count() {
        0 => String::new(),
        n => format!(" ({n} with proposed anatomy, which is not judged)"),
    };
    println!(
        "{} of session, {removed:.1} mm3 removed, {} neural contacts{with_proposed}, safety score {score}",
        output::moment(metrics.duration_s),
        contacts.len()
    );
    let proposed: Vec<&str> = metrics.sources.keys().map(String::as_str).filter(|name| metrics.is_proposed(name)).collect();
    if !proposed.is_empty() {
        let named = proposed.len().min(4);
        let more = if named < proposed.len() { ", ..." } else { "" };
        println!(
            "{} structures are proposed from the bones, in no image, and judged by nothing: {}{more}",
            proposed.len(),
            proposed[..named].join(", ")
        );
    }
    println!("report.html, metrics.json, events.csv, statements.json and osats-template.json are in {}", args.out.display());
    Ok(())
}

fn read(path: &Path, options: &Options) -> anyhow::Result<(Session, Metrics)> {
    let session = gather_with(input::recording(path)?, options).with_context(|| format!("cannot assess {}", path.display()))?;
    if session.torn {
        output::tell_torn(path);
    }
    if session.digests_differing > 0 {
        eprintln!(
            "warning: {} is damaged: at {} of {} moments its operations do not lead to the state that the room had; no figure of it can be trusted",
            path.display(),
            session.digests_differing,
            session.digests
        );
    }
    let metrics = measure(&session);
    Ok((session, metrics))
}

fn read_rating(path: &Path) -> anyhow::Result<spinor_assess::Osats> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut bytes = Vec::new();
    file.take(osats::MAX_BYTES as u64 + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {}", path.display()))?;
    osats::parse(&bytes).with_context(|| format!("{} is no filled-in form", path.display()))
}

/// Whether a mentor wrote into a form of an earlier report: a rating is nothing that can be made again. One that cannot be read, as where a
/// comma is too many, was written into.
fn is_filled_in(form: &Path) -> bool {
    let mut bytes = Vec::new();
    match File::open(form).and_then(|file| file.take(osats::MAX_BYTES as u64).read_to_end(&mut bytes)) {
        Ok(0) => false,
        Ok(_) => !osats::is_empty(&bytes),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

fn write(dir: &Path, name: &str, content: &str) -> anyhow::Result<()> {
    let path = dir.join(name);
    write_whole(&path, content.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}
