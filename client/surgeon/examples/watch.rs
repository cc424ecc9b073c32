//! Watches a surgeon at work, phase by phase, without a recording: for working on the surgeons themselves.
//!
//! `cargo run --release -p spinor-surgeon --features record --example watch -- CASE.spinor|small:MM|stenosed:MM laminectomy steady 1 [LEVEL] [left|right]
//! [MOST_SECONDS]`; with the variable `YIELDING` set, dura and roots give way.
//!
//! Every contact with a nerve deeper than a millimetre is told where it is deepest: which part of the tool, how far the tool lags behind the
//! hand there, how fast the hand is, and the trigger. At the end each tool's deepest is told, with the trigger let go and pressed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use spinor_shared::case::Case;
use spinor_sim::procedure::{Procedure, Rule, Side, Site, Target, Tracker};
use spinor_sim::tool::Shape;
use spinor_sim::{
    Event, Hand, NeuralFields, Settings, Simulation, StepOutput, Tick, TissueModels, ToolKind, ToolState, small_spine,
};
use spinor_surgeon::{Skill, Surgeon, View};
use spinor_volume::measure::Reference;
use spinor_volume::{Label, Patient};

/// Contacts that go deeper are told, µm.
const DEEP_UM: i32 = 1_000;

/// A contact of a hand with nerves that goes on, at its deepest so far.
struct Contact {
    from: u32,
    at: u32,
    deepest_um: i32,
    words: String,
}

/// The contacts of both hands.
#[derive(Default)]
struct Contacts {
    open: BTreeMap<Hand, Contact>,
    hands: BTreeMap<Hand, [f64; 3]>,
    /// By tool and whether its trigger is pressed.
    deepest_um: BTreeMap<(ToolKind, bool), i32>,
}

impl Contacts {
    /// Takes in a tool after a tick.
    fn see(&mut self, patient: &Patient, fields: &NeuralFields, site: &Site, phase: &str, tick: u32, state: &ToolState) {
        let hand = state.input.pose.tip_mm();
        let before = self.hands.insert(state.input.hand, hand).unwrap_or(hand);
        let um = state.nearest.map_or(i32::MAX, |n| n.distance_um);
        if um >= 0 {
            if let Some(contact) = self.open.remove(&state.input.hand).filter(|contact| contact.deepest_um <= -DEEP_UM) {
                let [from, at, to] = [contact.from, contact.at, tick].map(|tick| f64::from(tick) / 60.0);
                println!("  {from:7.1} s, deepest at {at:.2} s, for {:.2} s: {}", to - from, contact.words);
            }
            return;
        }
        let deepest = self.deepest_um.entry((state.input.tool, state.input.trigger > 0)).or_insert(0);
        *deepest = (*deepest).min(um);
        let new = || Contact { from: tick, at: tick, deepest_um: 0, words: String::new() };
        let contact = self.open.entry(state.input.hand).or_insert_with(new);
        if um >= contact.deepest_um {
            return;
        }
        (contact.at, contact.deepest_um) = (tick, um);
        if um <= -DEEP_UM {
            let apart = |a: [f64; 3], b: [f64; 3]| (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt();
            let structure = state.nearest.map_or(Label::DURAL_SAC, |n| n.structure);
            let shape = Shape::new(state.input.tool, state.input.size_tenth_mm, &Settings::default());
            let rotation = state.proxy.rotation().unwrap_or([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
            let of = |parts: &[spinor_sim::tool::Part]| {
                let shape = Shape::plain(parts.to_vec());
                let each = fields.distances_um(patient.grid(), &shape, &rotation, state.proxy.tip_mm());
                each.into_iter()
                    .find(|(label, _)| *label == structure)
                    .and_then(|(_, um)| um)
                    .map_or(f64::NAN, |um| f64::from(um) / 1e3)
            };
            let (shaft, head) =
                shape.parts.split_last().map_or((&[][..], &[][..]), |(last, head)| (std::slice::from_ref(last), head));
            contact.words = format!(
                "{structure:?} by {} {:.1}, {:.2} mm, head {:.2} shaft {:.2}; tip {:.1?}, tool lags {:.2} mm turned {}, hand at {:.0} mm/s, trigger {}, {phase}",
                state.input.tool.word(),
                f64::from(state.input.size_tenth_mm) / 10.0,
                f64::from(-um) / 1e3,
                of(head),
                of(shaft),
                site.site_from_patient(state.proxy.tip_mm()),
                apart(state.proxy.tip_mm(), hand),
                state.proxy.turn != state.input.pose.turn,
                apart(hand, before) * 60.0,
                state.input.trigger,
            );
        }
    }
}

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
    let tissues = TissueModels { yields: std::env::var_os("YIELDING").is_some(), ..Settings::default().tissues() };
    let settings = Settings::with_tissues(tissues);
    let fields = NeuralFields::build(&patient, &settings);
    let mut simulation = Simulation::with_fields(Arc::clone(&patient), Arc::clone(&fields), settings);
    let mut contacts = Contacts::default();
    let mut surgeon = Surgeon::at(&patient, target, site.clone(), skill, arg(4)?.parse()?);
    let mut tracker = Tracker::at(&patient, target, site.clone());
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
        for state in &tools {
            let phase = surgeon.reports().last().map_or("", |report| report.name);
            contacts.see(&patient, &fields, &site, phase, tick, state);
        }
        for note in tracker.update(&patient, simulation.cut(), tick, &tools, &last.events, None) {
            println!("  {:7.1} s  {note:?}", f64::from(tick) / 60.0);
        }
        for event in &last.events {
            let key = match event {
                Event::BiteRefused { reason, .. } => format!("refused {reason:?}"),
                Event::Breakthrough { .. } => "breakthrough".to_owned(),
                Event::NeuralTouch { active, .. } => format!("touch active {active}"),
                Event::NeuralPinch { .. } => "pinch".to_owned(),
                Event::NeuralTear { .. } => "tear".to_owned(),
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
    for ((tool, pressed), um) in &contacts.deepest_um {
        let trigger = if *pressed { "pressed" } else { "let go" };
        println!("  deepest {} with the trigger {trigger}: {:.2} mm", tool.word(), f64::from(-um) / 1e3);
    }
    if let Ok(reference) = Reference::build(&patient) {
        for (when, cut) in [("before", &spinor_volume::CutState::new(patient.grid())), ("after", simulation.cut())] {
            let measured = reference.measure(&patient, cut);
            let level = measured.levels.iter().find(|level| level.upper == target.upper());
            if let Some(um2) = level.and_then(|level| level.least_free_um2()) {
                println!("  canal {when}: {:.1} mm2", um2 as f64 / 1e6);
            }
        }
    }
    println!("{tick} ticks in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}
