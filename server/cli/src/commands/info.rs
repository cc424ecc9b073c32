//! `spinor info`: what is in a case or a recording, at once.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::json;
use spinor_prepare::pipeline::CaseSummary;
use spinor_shared::case::{self, Case};
use spinor_shared::session::{self, Replay};

use crate::output;

/// Show what is in a case or a recording.
#[derive(clap::Args)]
#[command(after_help = "Example: spinor info patient.spinor --json")]
pub(crate) struct Args {
    /// A case (.spinor) or a recording (.spinrec).
    file: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    match kind(&args.file)? {
        Kind::Case => {
            let bytes = std::fs::read(&args.file).with_context(|| args.file.display().to_string())?;
            let hash = case::case_hash(&bytes).with_context(|| args.file.display().to_string())?;
            let summary = CaseSummary::of(&Case::decode(&bytes).with_context(|| args.file.display().to_string())?, hash);
            if args.json {
                output::json(&serde_json::to_value(&summary)?);
            } else {
                print!("{summary}");
            }
        }
        Kind::Recording => {
            let input = BufReader::new(File::open(&args.file).with_context(|| args.file.display().to_string())?);
            let replay = Replay::open(input).with_context(|| args.file.display().to_string())?;
            let head = replay.head();
            let summary = CaseSummary::of(replay.case(), case::CaseHash(head.case_hash));
            if args.json {
                output::json(&json!({ "recording": { "tick_hz": head.tick_hz }, "case": summary }));
            } else {
                println!("a recording at {} ticks a second, of", head.tick_hz);
                print!("{summary}");
            }
        }
    }
    Ok(())
}

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A case.
    Case,
    /// A recording.
    Recording,
}

/// Looks at a file's first bytes.
pub(crate) fn kind(path: &Path) -> anyhow::Result<Kind> {
    let mut magic = [0; 8];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut magic))
        .with_context(|| format!("{} cannot be read", path.display()))?;
    match magic {
        case::MAGIC => Ok(Kind::Case),
        session::MAGIC => Ok(Kind::Recording),
        _ => bail!("{} is neither a case (.spinor) nor a recording (.spinrec)", path.display()),
    }
}
