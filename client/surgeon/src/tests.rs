//! Surgeons at work on the small spine.

use std::sync::{Arc, OnceLock};

use spinor_sim::procedure::{Procedure, Sentinel, Side, Site, Target, Tracker};
use spinor_sim::{NeuralFields, Settings, Simulation, StepOutput, Tick, ToolInput, small_spine};
use spinor_volume::Patient;

use crate::{Skill, Surgeon, View};

struct Room {
    patient: Arc<Patient>,
    fields: Arc<NeuralFields>,
    site: Site,
}

fn room() -> &'static Room {
    static ROOM: OnceLock<Room> = OnceLock::new();
    ROOM.get_or_init(|| {
        let patient = Arc::new(small_spine::patient(0.8).unwrap());
        let fields = NeuralFields::build(&patient, &Settings::default());
        let site = Site::find(&patient, 4).unwrap();
        Room { patient, fields, site }
    })
}

/// Performs a procedure; the tracker, the inputs' digest, and the ticks that it took.
fn perform(procedure: Procedure, skill: Skill, seed: u64, most: u32) -> (Tracker, Vec<ToolInput>, Surgeon, u32) {
    let room = room();
    let target = Target { procedure, level: 4, side: Side::Left };
    let mut simulation = Simulation::with_fields(Arc::clone(&room.patient), Arc::clone(&room.fields), Settings::default());
    let mut surgeon = Surgeon::at(&room.patient, target, room.site.clone(), skill, seed);
    let mut tracker = Tracker::at(&room.patient, target, room.site.clone());
    let (mut last, mut all, mut tick) = (StepOutput::default(), Vec::new(), 0);
    while !surgeon.done() && tick < most {
        tick += 1;
        let tools: Vec<_> = simulation.tools().copied().collect();
        let view = View { tools: &tools, events: &last.events, cut: simulation.cut(), tick };
        let inputs = surgeon.next(&room.patient, &view);
        last = simulation.step(Tick(tick), &inputs);
        let tools: Vec<_> = simulation.tools().copied().collect();
        tracker.update(&room.patient, simulation.cut(), tick, &tools, &last.events, None);
        all.extend(inputs);
    }
    tracker.finish(&room.patient, simulation.cut());
    (tracker, all, surgeon, tick)
}

/// Every step but the one that needs the live measure of the canal is done.
fn assert_done(tracker: &Tracker, surgeon: &Surgeon) {
    let open: Vec<&str> =
        tracker.steps().iter().zip(tracker.status()).filter(|(_, status)| !status.is_done()).map(|(step, _)| step.id).collect();
    let expected: &[&str] = if tracker.steps().iter().any(needs_measure) { &["probe"] } else { &[] };
    assert_eq!(open, expected, "{:#?} {:?}", surgeon.reports(), tracker.status());
    assert!(surgeon.done());
    for grave in [Sentinel::NoLevelCheck, Sentinel::WrongLevel, Sentinel::BurrOnNerve] {
        assert!(tracker.sentinels().iter().all(|s| s.sentinel != grave), "{grave:?}: {:?}", tracker.sentinels());
    }
}

fn needs_measure(step: &spinor_sim::procedure::Step) -> bool {
    step.rules.contains(&spinor_sim::procedure::Rule::CanalFree)
}

/// A steady surgeon does a laminectomy from the first to the last step.
#[test]
fn a_steady_surgeon_does_a_laminectomy() {
    let (tracker, _, surgeon, ticks) = perform(Procedure::Laminectomy, Skill::Steady, 1, 60_000);
    assert!(ticks < 60_000, "{:?}", surgeon.reports());
    assert_done(&tracker, &surgeon);
}

/// A steady surgeon does a foraminotomy from the first to the last step.
#[test]
fn a_steady_surgeon_does_a_foraminotomy() {
    let (tracker, _, surgeon, _) = perform(Procedure::Foraminotomy, Skill::Steady, 1, 60_000);
    assert_done(&tracker, &surgeon);
}

/// A steady surgeon does a microdiscectomy from the first to the last step.
#[test]
fn a_steady_surgeon_does_a_microdiscectomy() {
    let (tracker, _, surgeon, _) = perform(Procedure::Microdiscectomy, Skill::Steady, 1, 60_000);
    assert_done(&tracker, &surgeon);
}

/// The same seed gives the same inputs, another seed another tremor around the same aims.
#[test]
fn a_seed_decides_the_tremor_alone() {
    let (_, first, _, _) = perform(Procedure::Foraminotomy, Skill::Steady, 3, 600);
    let (_, again, _, _) = perform(Procedure::Foraminotomy, Skill::Steady, 3, 600);
    assert_eq!(first, again);
    let (_, other, _, _) = perform(Procedure::Foraminotomy, Skill::Steady, 4, 600);
    assert_ne!(first, other);
    // Up to the level check nothing answers: what differs is tremor.
    let quiet = first.iter().zip(&other).take(160);
    let far = quiet.map(|(a, b)| (0..3).map(|k| (a.pose.tip_um[k] - b.pose.tip_um[k]).abs()).max().unwrap());
    assert!(far.max().unwrap() < 1_500, "the aims differ");
}
