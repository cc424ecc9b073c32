//! `spinor rehearse`: a scripted surgeon performs a procedure on a case, into a recording.

use std::io::{BufWriter, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use spinor_shared::case::{self, Case};
use spinor_sim::procedure::{Plan, Procedure, StepStatus};
use spinor_surgeon::rehearsal::{Outcome, Progress, Rehearsal};

use super::script::{ScriptArgs, procedure};
use super::tissues;
use crate::{input, output};

/// Let a scripted surgeon try a procedure on a case, without a network, into a recording as a server writes it. Which ones finish where
/// stands in docs/PROCEDURES.md; where steps stay open the command fails and names them, and the recording stays. Ctrl-C closes it as it
/// stands.
#[derive(clap::Args)]
#[command(
    after_help = "Example: spinor rehearse --case case.spinor --procedure laminectomy --skill steady --seed 1 --out steady1.spinrec --json"
)]
pub(crate) struct Args {
    /// The case.
    #[arg(long, value_name = "F.spinor")]
    case: PathBuf,
    /// What is done: laminectomy, ulbd, foraminotomy or microdiscectomy.
    #[arg(long, value_parser = procedure)]
    procedure: Procedure,
    #[command(flatten)]
    script: ScriptArgs,
    /// Let dura and roots give way under tools.
    #[arg(long)]
    yielding: bool,
    /// The recording to write, which must not exist yet.
    #[arg(long, value_name = "F.spinrec")]
    out: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let bytes = input::case(&args.case)?;
    let hash = case::case_hash(&bytes).with_context(|| args.case.display().to_string())?;
    let case = Case::decode(&bytes).with_context(|| args.case.display().to_string())?;
    let target = args.script.target(args.procedure);
    let started_unix_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let rehearsal = Rehearsal {
        target,
        skill: args.script.skill(),
        seed: args.script.seed(),
        started_unix_s,
        tissues: tissues(args.yielding),
    };
    let out = output::new_recording(&args.out)?;
    let start = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed)).context("cannot catch Ctrl-C")?;
    let bar = bar()?;
    let mut phase = String::new();
    let mut goes_on = |at: Progress| {
        let hz = spinor_sim::input::TICKS_PER_SECOND;
        if bar.is_hidden() && phase != at.phase {
            phase.clear();
            phase.push_str(at.phase);
            eprintln!("{phase} ...");
        }
        if at.tick.is_multiple_of(hz) {
            let hz = f64::from(hz);
            bar.set_length(at.steps as u64);
            bar.set_position(at.steps_done as u64);
            bar.set_message(format!("{} {}", output::moment(f64::from(at.tick) / hz), at.phase));
        }
        !stop.load(Ordering::Relaxed)
    };
    let outcome = rehearsal.perform_watched(&case, bytes, hash, BufWriter::new(out), &mut goes_on);
    bar.finish_and_clear();
    if outcome.is_err() {
        // What the attempt left would stand in the way of the next one.
        let _ = std::fs::remove_file(&args.out);
    }
    let outcome = outcome.with_context(|| args.case.display().to_string())?;
    let seconds = start.elapsed().as_secs_f64();
    if args.json {
        output::json(&summary(&rehearsal, &case, &outcome, seconds));
    } else {
        print(&rehearsal, &outcome, seconds);
    }
    if outcome.tracker.is_complete() {
        return Ok(());
    }
    let tracker = &outcome.tracker;
    let open: Vec<String> = steps(&outcome)
        .enumerate()
        .filter(|(_, (_, status))| status.is_open())
        .map(|(k, (id, _))| format!("{id} ({})", tracker.lacks(k).join("; ")))
        .collect();
    let stopped = outcome.stopped.map_or_else(String::new, |phase| format!("; stopped at \"{phase}\""));
    bail!("the procedure was not completed: {} left open{stopped}", open.join(", "))
}

/// A progress bar where stderr is a terminal, hidden elsewhere.
fn bar() -> anyhow::Result<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{spinner} {msg:<52} {pos}/{len} steps {wide_bar} {elapsed}")?;
    let bar = ProgressBar::new(1).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(120));
    Ok(bar)
}

fn steps(outcome: &Outcome) -> impl Iterator<Item = (&'static str, StepStatus)> {
    outcome.tracker.steps().iter().zip(outcome.tracker.status()).map(|(step, status)| (step.id, *status))
}

fn status(status: StepStatus) -> Value {
    let hz = f64::from(spinor_sim::input::TICKS_PER_SECOND);
    match status {
        StepStatus::Open => json!({"done": false}),
        StepStatus::Lacking => json!({"done": false, "lacking": true}),
        StepStatus::Done { tick } => json!({"done": true, "seconds": f64::from(tick) / hz}),
        StepStatus::OutOfOrder { tick, .. } => json!({"done": true, "seconds": f64::from(tick) / hz, "out_of_order": true}),
    }
}

fn summary(rehearsal: &Rehearsal, case: &Case, outcome: &Outcome, seconds: f64) -> Value {
    let plan = Plan::of(&rehearsal.target).compare(&case.patient, outcome.tracker.site(), outcome.simulation.cut());
    let hundredths = |area: Option<u32>| area.map(|a| f64::from(a) / 100.0);
    let steps: serde_json::Map<String, Value> = steps(outcome).map(|(id, s)| (id.to_owned(), status(s))).collect();
    let sentinels: Vec<Value> = outcome
        .tracker
        .sentinels()
        .iter()
        .map(
            |s| json!({"what": s.sentinel.words(), "structure": s.structure.map(|l| l.name()), "tick": s.tick, "times": s.times}),
        )
        .collect();
    json!({
        "procedure": rehearsal.target.procedure.name(),
        "level": format!("L{}", rehearsal.target.level),
        "side": rehearsal.target.side.word(),
        "skill": rehearsal.skill.name(),
        "seed": rehearsal.seed,
        "completed": outcome.tracker.is_complete(),
        "stopped_at": outcome.stopped,
        "steps": steps,
        "sentinel_errors": sentinels,
        "canal_mm2": {"before": hundredths(outcome.before.canal_mm2_100), "after": hundredths(outcome.after.canal_mm2_100)},
        "plan_mm3": {"planned": plan.planned_mm3, "within": plan.within_mm3, "outside": plan.outside_mm3},
        "ticks": outcome.ticks,
        "ops": outcome.ops,
        "digest": format!("{:016x}", outcome.digest),
        "recording_bytes": outcome.bytes,
        "seconds": seconds,
    })
}

fn print(rehearsal: &Rehearsal, outcome: &Outcome, seconds: f64) {
    let hz = f64::from(spinor_sim::input::TICKS_PER_SECOND);
    println!("{}", rehearsal.words());
    println!(
        "{} of operating, {} operations, performed in {seconds:.1} s",
        output::moment(f64::from(outcome.ticks) / hz),
        outcome.ops
    );
    for (id, status) in steps(outcome) {
        match status {
            StepStatus::Open => println!("  {id:18} open"),
            StepStatus::Lacking => println!("  {id:18} nothing to do: the case has no such tissue"),
            StepStatus::Done { tick } => println!("  {id:18} done at {}", output::moment(f64::from(tick) / hz)),
            StepStatus::OutOfOrder { tick, .. } => {
                println!("  {id:18} done out of order at {}", output::moment(f64::from(tick) / hz));
            }
        }
    }
    for s in outcome.tracker.sentinels() {
        println!("  sentinel error at {}: {}", output::moment(f64::from(s.tick) / hz), s.sentinel.words());
    }
    let mm2 = |area: Option<u32>| area.map_or("unknown".to_owned(), |a| format!("{:.1} mm2", f64::from(a) / 100.0));
    println!("free canal area {} before, {} after", mm2(outcome.before.canal_mm2_100), mm2(outcome.after.canal_mm2_100));
}
