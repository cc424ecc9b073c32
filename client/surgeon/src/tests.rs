//! Surgeons at work on the small spine.

use std::sync::{Arc, OnceLock};

use spinor_sim::procedure::{Procedure, Sentinel, Side, Site, Target, Tracker};
use spinor_sim::{NeuralFields, Settings, Simulation, StepOutput, Tick, ToolInput, ToolKind, small_spine};
use spinor_volume::{Label, Patient};

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
        tracker.steps().iter().zip(tracker.status()).filter(|(_, status)| status.is_open()).map(|(step, _)| step.id).collect();
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

/// The nearest that a tool's tip was led to some structures at rest, mm, and how many inputs there were of it.
fn nearest_mm(inputs: &[ToolInput], tool: ToolKind, labels: &[Label]) -> (f64, usize) {
    let patient = &room().patient;
    let of_it = || inputs.iter().filter(|input| input.tool == tool);
    let tips = of_it().map(|input| input.pose.tip_um.map(|um| f64::from(um) / 1_000.0));
    let near = |at: [f64; 3]| {
        let known = labels.iter().filter_map(|label| patient.structure(*label));
        known.map(|s| spinor_volume::query::sdf_mm(patient.grid(), &s.sdf, at)).fold(f64::INFINITY, f64::min)
    };
    (tips.map(near).fold(f64::INFINITY, f64::min), of_it().count())
}

/// A steady surgeon does a foraminotomy from the first to the last step, and leads the probe, a ball of 1 mm, past roots and sac and not
/// through them.
#[test]
fn a_steady_surgeon_does_a_foraminotomy() {
    let (tracker, inputs, surgeon, _) = perform(Procedure::Foraminotomy, Skill::Steady, 1, 60_000);
    assert_done(&tracker, &surgeon);
    let roots = [4, 5].map(|level| Label::root(level, true));
    let (nearest, count) = nearest_mm(&inputs, ToolKind::Probe, &[roots[0], roots[1], Label::DURAL_SAC]);
    assert!(count > 100 && nearest > 0.8, "{nearest} mm in {count} inputs");
}

/// A steady surgeon does a microdiscectomy from the first to the last step, and the retractor's foot, 3 mm wide, lies beside the root and
/// not in the sac.
#[test]
fn a_steady_surgeon_does_a_microdiscectomy() {
    let (tracker, inputs, surgeon, _) = perform(Procedure::Microdiscectomy, Skill::Steady, 1, 60_000);
    assert_done(&tracker, &surgeon);
    let (nearest, count) = nearest_mm(&inputs, ToolKind::Retractor, &[Label::DURAL_SAC]);
    assert!(count > 100 && nearest > 1.5, "{nearest} mm in {count} inputs");
    let (nearest, _) = nearest_mm(&inputs, ToolKind::Retractor, &[Label::root(5, true)]);
    assert!((-1.0..0.5).contains(&nearest), "{nearest} mm");
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
