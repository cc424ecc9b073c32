//! Rehearses a procedure on a case without the command line of Spinor: for working on the surgeons themselves.
//!
//! `cargo run -p spinor-surgeon --features record --example rehearse -- CASE.spinor|small:MM|stenosed:MM laminectomy steady 1 OUT.spinrec [LEVEL]
//! [left|right] [MOST_SECONDS]`; `small:0.8` is the small analytic spine at voxels of 0.8 mm, `stenosed:0.8` the same with a
//! stenosis. After MOST_SECONDS of the patient's time the
//! surgeon is stopped, and the recording says so. With the variable `YIELDING` set, dura and roots give way.

use std::fs::File;
use std::io::BufWriter;
use std::time::Instant;

use spinor_shared::case::{Case, CaseMeta};
use spinor_sim::procedure::{Procedure, Side, Target, Zone};
use spinor_sim::{Settings, TissueModels, small_spine};
use spinor_surgeon::Skill;
use spinor_surgeon::rehearsal::{MOST_TICKS, Progress, Rehearsal};
use spinor_volume::measure::Reference;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let arg = |k: usize| {
        args.get(k).map(String::as_str).ok_or("usage: rehearse CASE PROCEDURE SKILL SEED OUT [LEVEL] [SIDE] [SECONDS]")
    };
    let own = |patient| Case { patient, ct: None, mr: None, meta: CaseMeta::default() }.encode();
    let bytes = match arg(1)?.split_once(':') {
        Some(("small", mm)) => own(small_spine::patient(mm.parse()?)?),
        Some(("stenosed", mm)) => own(small_spine::stenosed(mm.parse()?)?),
        _ => std::fs::read(arg(1)?)?,
    };
    let start = Instant::now();
    let case = Case::decode(&bytes)?;
    let hash = spinor_shared::case::case_hash(&bytes)?;
    let target = Target {
        procedure: Procedure::from_name(arg(2)?).ok_or("no such procedure")?,
        level: args.get(6).map_or(Ok(4), |level| level.parse())?,
        side: if args.get(7).is_some_and(|s| s == "right") { Side::Right } else { Side::Left },
    };
    let skill = Skill::from_name(arg(3)?).ok_or("no such skill")?;
    let tissues = TissueModels { yields: std::env::var_os("YIELDING").is_some(), ..Settings::default().tissues() };
    let rehearsal = Rehearsal { target, skill, seed: arg(4)?.parse()?, started_unix_s: 0, tissues };
    let out = BufWriter::new(File::create(arg(5)?)?);
    println!("case read in {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let most: u32 = args.get(8).map_or(Ok(MOST_TICKS), |s| s.parse::<u32>().map(|s| s.saturating_mul(60)))?;
    let mut goes_on = |at: Progress| {
        if at.tick.is_multiple_of(3_600) {
            eprintln!("{} min: {} of {} steps, {}", at.tick / 3_600, at.steps_done, at.steps, at.phase);
        }
        at.tick < most
    };
    let outcome = rehearsal.perform_watched(&case, bytes, hash, out, &mut goes_on)?;
    if let Some(phase) = outcome.stopped {
        println!("stopped at \"{phase}\"");
    }
    println!(
        "{} ticks ({:.0} s), {} operations, {} bytes, {} scares, {} alarms answered, in {:.2} s",
        outcome.ticks,
        f64::from(outcome.ticks) / 60.0,
        outcome.ops,
        outcome.bytes,
        outcome.scares,
        outcome.answers,
        start.elapsed().as_secs_f64()
    );
    let mm3 = case.patient.grid().voxel_mm3() / 32.0;
    for p in &outcome.phases {
        println!(
            "  {:>6.1} s  {:40} {:3} plans, {:3} bites, {:3} refused, {:7.1} mm3",
            f64::from(p.from_tick) / 60.0,
            p.name,
            p.plans,
            p.bites,
            p.refused,
            p.occupancy as f64 * mm3
        );
    }
    for (step, status) in outcome.tracker.steps().iter().zip(outcome.tracker.status()) {
        let rules: Vec<String> = step
            .rules
            .iter()
            .map(|rule| match rule {
                spinor_sim::procedure::Rule::Taken { zone, left_pct } => {
                    format!("{}: {:?} % left, {left_pct} allowed", zone.words(), outcome.tracker.left_pct(*zone))
                }
                other => format!("{other:?}"),
            })
            .collect();
        println!("  {:16} {status:?}  {}", step.id, rules.join("; "));
    }
    let kept = [Zone::SpinousProcess, Zone::Lamina(Side::Left), Zone::Lamina(Side::Right)];
    let kept = kept.map(|zone| format!("{} {:?} %", zone.words(), outcome.tracker.left_pct(zone)));
    println!("  left: {}", kept.join(", "));
    println!("  before {:?}", outcome.before);
    println!("  after  {:?}", outcome.after);
    if let Ok(reference) = Reference::build(&case.patient) {
        let measured = reference.measure(&case.patient, outcome.simulation.cut());
        let level = measured.levels.iter().find(|level| level.upper == target.upper());
        let narrow = level.into_iter().flat_map(|level| &level.canal).filter(|slice| slice.free_um2 < 115_000_000);
        let each = narrow.map(|slice| format!("{:.0} mm: {:.1}", f64::from(slice.along_um) / 1e3, slice.free_um2 as f64 / 1e6));
        println!("  slices under 115 mm2: {}", each.collect::<Vec<_>>().join(", "));
    }
    for s in outcome.tracker.sentinels() {
        println!("  sentinel at {:.1} s: {} ({} times) {:?}", f64::from(s.tick) / 60.0, s.sentinel.words(), s.times, s.structure);
    }
    Ok(())
}
