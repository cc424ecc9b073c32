//! Watches a surgeon at work, phase by phase, without a recording: for working on the surgeons themselves.
//!
//! `cargo run --release -p spinor-surgeon --features record --example watch -- CASE.spinor|small:MM|stenosed:MM laminectomy steady 1 [LEVEL] [left|right]
//! [MOST_SECONDS]`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use spinor_shared::case::Case;
use spinor_sim::procedure::{Procedure, Rule, Side, Site, Target, Tracker};
use spinor_sim::{Event, NeuralFields, Settings, Simulation, StepOutput, Tick, small_spine};
use spinor_surgeon::{Skill, Surgeon, View};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let arg = |k: usize| args.get(k).map(String::as_str).ok_or("usage: watch CASE PROCEDURE SKILL SEED [LEVEL] [SIDE] [SECONDS]");
    let patient = Arc::new(match arg(1)?.split_once(':') {
        Some(("small", mm)) => small_spine::patient(mm.parse()?)?,
        Some(("stenosed", mm)) => small_spine::stenosed(mm.parse()?)?,
        _ => Case::decode(&std::fs::read(arg(1)?)?)?.patient,
    });
    let target = Target {
        procedure: Procedure::from_name(arg(2)?).ok_or("no such procedure")?,
        level: args.get(5).map_or(Ok(4), |level| level.parse())?,
        side: if args.get(6).is_some_and(|s| s == "right") { Side::Right } else { Side::Left },
    };
    let most: u32 = args.get(7).map_or(Ok(1_800), |s| s.parse())?;
    let skill = Skill::from_name(arg(3)?).ok_or("no such skill")?;
    let site = Site::find(&patient, target.level)?;
    let mut simulation =
        Simulation::with_fields(Arc::clone(&patient), NeuralFields::build(&patient, &Settings::default()), Settings::default());
    let mut surgeon = Surgeon::at(&patient, target, site.clone(), skill, arg(4)?.parse()?);
    let mut tracker = Tracker::at(&patient, target, site);
    let (mut last, mut tick, mut phases, start) = (StepOutput::default(), 0, 0, Instant::now());
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let mm3 = patient.grid().voxel_mm3() / 32.0;
    while !surgeon.done() && tick < most * 60 {
        tick += 1;
        let tools: Vec<_> = simulation.tools().copied().collect();
        let view = View { tools: &tools, events: &last.events, cut: simulation.cut(), tick };
        let inputs = surgeon.next(&patient, &view);
        last = simulation.step(Tick(tick), &inputs);
        let tools: Vec<_> = simulation.tools().copied().collect();
        for note in tracker.update(&patient, simulation.cut(), tick, &tools, &last.events, None) {
            println!("  {:7.1} s  {note:?}", f64::from(tick) / 60.0);
        }
        for event in &last.events {
            let key = match event {
                Event::BiteRefused { reason, .. } => format!("refused {reason:?}"),
                Event::Breakthrough { .. } => "breakthrough".to_owned(),
                Event::NeuralTouch { active, .. } => format!("touch active {active}"),
                Event::NeuralPinch { .. } => "pinch".to_owned(),
                Event::Kick { .. } => "kick".to_owned(),
                _ => continue,
            };
            *counts.entry(key).or_insert(0) += 1;
        }
        if surgeon.reports().len() != phases || surgeon.done() {
            let left = tracker.steps().iter().flat_map(|step| &step.rules).filter_map(|rule| match rule {
                Rule::Taken { zone, .. } => Some(format!("{} {} %", zone.words(), tracker.left_pct(*zone).unwrap_or(0))),
                _ => None,
            });
            println!("  {:7.1} s  left: {}; {counts:?}", f64::from(tick) / 60.0, left.collect::<Vec<_>>().join(", "));
            counts.clear();
            for p in surgeon.reports().iter().skip(phases.saturating_sub(1)) {
                let volume = p.occupancy as f64 * mm3;
                println!(
                    "{:7.1} s (after {:.1} s)  {}: {} plans, {} bites, {} refused, {volume:.0} mm3",
                    f64::from(p.from_tick) / 60.0,
                    start.elapsed().as_secs_f64(),
                    p.name,
                    p.plans,
                    p.bites,
                    p.refused,
                );
            }
            phases = surgeon.reports().len();
        }
    }
    tracker.finish(&patient, simulation.cut());
    for (step, status) in tracker.steps().iter().zip(tracker.status()) {
        println!("  {:16} {status:?}", step.id);
    }
    for s in tracker.sentinels() {
        println!("  sentinel at {:.1} s: {} ({} times) {:?}", f64::from(s.tick) / 60.0, s.sentinel.words(), s.times, s.structure);
    }
    println!("{tick} ticks in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}
