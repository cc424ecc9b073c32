//! `spinor info`: what is in a case or a recording, at once.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::json;
use spinor_prepare::pipeline::CaseSummary;
use spinor_shared::case::{self, Case};
use spinor_shared::room::Role;
use spinor_shared::session::{self, Record, Replay, Tail};
use spinor_sim::TissueModels;

use crate::input::{self, Recording};
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
            let bytes = input::case(&args.file)?;
            let hash = case::case_hash(&bytes).with_context(|| args.file.display().to_string())?;
            let summary = CaseSummary::of(&Case::decode(&bytes).with_context(|| args.file.display().to_string())?, hash);
            if args.json {
                output::json(&serde_json::to_value(&summary)?);
            } else {
                print!("{summary}");
            }
        }
        Kind::Recording => {
            let mut replay = Replay::open(input::recording(&args.file)?).with_context(|| args.file.display().to_string())?;
            let found = look_through(&mut replay).with_context(|| args.file.display().to_string())?;
            let summary = CaseSummary::of(replay.case(), case::CaseHash(replay.head().case_hash));
            if args.json {
                output::json(&json!({ "recording": found.json(&replay), "case": summary }));
            } else {
                found.print(&replay);
                print!("{summary}");
            }
        }
    }
    Ok(())
}

/// What a recording holds, counted.
#[derive(Default)]
struct Contents {
    ticks: u32,
    ops: usize,
    events: usize,
    keyframes: usize,
    digests: usize,
    epochs: u32,
    closed: bool,
    /// The models that tissues followed last; none in recordings that name none.
    tissues: Option<TissueModels>,
    /// Name and role by number.
    people: BTreeMap<u32, (String, Role)>,
}

fn look_through(replay: &mut Replay<Recording>) -> anyhow::Result<Contents> {
    let mut found = Contents { epochs: 1, ..Contents::default() };
    while let Some(record) = replay.next_record()? {
        found.tissues = record.models().or(found.tissues);
        found.ticks = found.ticks.max(record.tick().map_or(0, |tick| tick.saturating_add(1)));
        match record {
            Record::Tick(tick) => {
                found.ops += tick.ops.len();
                found.events += tick.events.len();
            }
            Record::Joined { user, name, role, .. } => {
                found.people.insert(user, (name, role));
            }
            Record::Keyframe(_) => found.keyframes += 1,
            Record::Digest { .. } => found.digests += 1,
            Record::Epoch { .. } => found.epochs += 1,
            Record::Closed { .. } => found.closed = true,
            _ => {}
        }
    }
    Ok(found)
}

impl Contents {
    fn seconds(&self, replay: &Replay<Recording>) -> f64 {
        f64::from(self.ticks) / f64::from(replay.head().tick_hz.max(1))
    }

    fn json(&self, replay: &Replay<Recording>) -> serde_json::Value {
        let head = replay.head();
        let people: Vec<_> = self.people.values().map(|(name, role)| json!({ "name": name, "role": role.to_string() })).collect();
        json!({
            "tick_hz": head.tick_hz, "room": head.room, "software": head.software, "started_unix_s": head.started_unix_s,
            "ticks": self.ticks, "seconds": self.seconds(replay), "ops": self.ops, "events": self.events,
            "keyframes": self.keyframes, "digests": self.digests, "epochs": self.epochs, "people": people,
            "tissues": self.tissues.map(|models| json!({"answer": models.answers, "yield": models.yields})),
            "closed": self.closed, "torn_tail": matches!(replay.tail(), Tail::Torn { .. }),
        })
    }

    fn print(&self, replay: &Replay<Recording>) {
        let head = replay.head();
        let line = |text: &str| text.replace(char::is_control, " ");
        println!("recording of room {}, {}, by {}", line(&head.room), output::moment(self.seconds(replay)), line(&head.software));
        for (name, role) in self.people.values() {
            println!("  {}, {role}", line(name));
        }
        println!(
            "  {} operations, {} events, {} keyframes and {} digests in {} epoch(s)",
            self.ops, self.events, self.keyframes, self.digests, self.epochs
        );
        println!("  {}", tissues(self.tissues));
        match replay.tail() {
            Tail::Torn { bytes } => {
                println!("  torn after byte {bytes}: its writer was killed; spinor serve --resume goes on with it")
            }
            _ if !self.closed => println!("  not closed: the room still runs, or its server was killed after a whole record"),
            _ => {}
        }
        println!("of the case:");
    }
}

/// What a recording's tissues did.
fn tissues(models: Option<TissueModels>) -> &'static str {
    match models {
        Some(TissueModels { answers: true, yields: true }) => "tissues answered, dura and roots gave way",
        Some(TissueModels { answers: true, yields: false }) => "tissues answered, dura and roots stood still",
        _ => "all tissues stood still: tools and cuts alone",
    }
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
    let read = File::open(path).and_then(|mut file| match file.read_exact(&mut magic) {
        // What is shorter than the first word of a case is no case.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
        read => read,
    });
    read.with_context(|| format!("{} cannot be read", path.display()))?;
    match magic {
        case::MAGIC => Ok(Kind::Case),
        session::MAGIC => Ok(Kind::Recording),
        _ => bail!("{} is neither a case (.spinor) nor a recording (.spinrec)", path.display()),
    }
}
