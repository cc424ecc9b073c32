//! `spinor replay`: apply a recording's operations again and check its digests.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use serde_json::json;
use spinor_shared::session::{self, Part, Replay, ReplaySummary, Tail};

use crate::input::{self, Recording};
use crate::output;

/// Replay a recording: applies its operations from the first to the last.
#[derive(clap::Args)]
#[command(after_help = "Example: spinor replay session.spinrec --verify --threads 2 --json")]
pub(crate) struct Args {
    /// The recording.
    file: PathBuf,
    /// Compare every digest in the recording with the one reached, and fail when one differs.
    #[arg(long)]
    verify: bool,
    /// Run the simulation again from the recorded inputs, and compare the operations it makes with the recorded ones.
    #[arg(long)]
    physics: bool,
    /// Stop after this moment, HH:MM:SS.
    #[arg(long, value_name = "HH:MM:SS")]
    to: Option<String>,
    /// Divide the bricks among this many threads.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: u32,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    // Every thread reads the recording and holds its patient for itself.
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let threads = args.threads.min(cores.max(16));
    let probe = open(&args.file)?;
    let hz = f64::from(probe.head().tick_hz.max(1));
    let to = args.to.as_deref().map(output::seconds).transpose()?.map(|s| (s * hz) as u32);
    let start = Instant::now();
    let (summary, tail) = parts(&args.file, threads, to)?;
    let physics = if args.physics { Some(crate::physics::replay(&args.file, to)?) } else { None };
    let replayed = start.elapsed().as_secs_f64();
    let recorded = f64::from(summary.ticks) / hz;
    if let Some(moment) = args.to.as_ref().filter(|_| tail != Tail::Unread) {
        bail!("{}: the recording ends at {}, before {moment}", args.file.display(), output::moment(recorded));
    }
    let mismatches = summary.mismatches() + physics.as_ref().map_or(0, |p| p.differing_ticks);
    let digest = format!("{:016x}", summary.digest);
    if args.json {
        output::json(&json!({
            "ticks": summary.ticks, "ops": summary.ops, "seconds_recorded": recorded, "seconds_replayed": replayed,
            "digest": digest, "digests_checked": summary.checks.len(), "mismatches": mismatches,
            "torn_tail": matches!(tail, Tail::Torn { .. }), "threads": threads,
            "physics_ticks": physics.as_ref().map(|p| p.ticks),
        }));
    } else {
        println!(
            "{} ticks, {} operations, {} of recording in {replayed:.2} s",
            summary.ticks,
            summary.ops,
            output::moment(recorded)
        );
        println!("digest {digest}, {} digests checked, {} mismatches", summary.checks.len(), summary.mismatches());
        if let Some(physics) = &physics {
            println!(
                "simulated again from the inputs: {} ticks, those without a record included, {} differ",
                physics.ticks, physics.differing_ticks
            );
        }
        if let Tail::Torn { bytes } = tail {
            println!("the recording ends in a torn record after byte {bytes}: its writer was killed; nothing before is missing");
        }
    }
    if (args.verify || args.physics) && mismatches > 0 {
        let Some(first) = summary.checks.iter().find(|c| c.recorded != c.replayed) else {
            bail!("the digests agree, but the simulation, run again, differs in {mismatches} ticks");
        };
        bail!("{} of {} digests differ, the first at tick {}", summary.mismatches(), summary.checks.len(), first.tick);
    }
    if args.verify && summary.ops > 0 && summary.checks.is_empty() {
        bail!("the recording holds operations but no digest to verify them with");
    }
    Ok(())
}

/// Opens a recording for replay.
pub(crate) fn open(path: &Path) -> anyhow::Result<Replay<Recording>> {
    Replay::open(input::recording(path)?).with_context(|| format!("cannot replay {}", path.display()))
}

/// Replays the parts of a recording side by side and adds their digests up.
fn parts(path: &Path, threads: u32, to: Option<u32>) -> anyhow::Result<(ReplaySummary, Tail)> {
    let one = |index| {
        let mut replay = open(path)?;
        let (_, summary) = session::replay(&mut replay, Part { index, of: threads }, to)
            .with_context(|| format!("cannot replay {}", path.display()))?;
        Ok::<_, anyhow::Error>((summary, replay.tail()))
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|index| scope.spawn(move || one(index))).collect();
        let (mut summary, tail) = one(0)?;
        for other in others {
            let (more, _) = other.join().map_err(|_| anyhow::anyhow!("a replay thread panicked"))??;
            summary.add(&more);
        }
        Ok((summary, tail))
    })
}
