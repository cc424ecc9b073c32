//! Procedures on the small spine: where a site is found, what a zone holds, and how a tracker judges what happened.

use std::sync::OnceLock;

use spinor_volume::{ClassMask, CutOp, CutState, Label, Patient, TissueClass};

use super::*;
use crate::input::{Hand, Pose, ToolInput, ToolKind, UserId};
use crate::small_spine;
use crate::state::{Nearest, ToolState};
use crate::{Event, Holder, TearSize};

fn spine() -> &'static Patient {
    static SPINE: OnceLock<Patient> = OnceLock::new();
    SPINE.get_or_init(|| small_spine::patient(0.6).unwrap())
}

fn site() -> &'static Site {
    static SITE: OnceLock<Site> = OnceLock::new();
    SITE.get_or_init(|| Site::find(spine(), 4).unwrap())
}

fn target(procedure: Procedure) -> Target {
    Target { procedure, level: 4, side: Side::Left }
}

fn state(tool: ToolKind, tip_mm: [f64; 3]) -> ToolState {
    let pose = Pose { tip_um: tip_mm.map(|v| (v * 1_000.0) as i32), turn: [-23_170, 0, 0, 23_170] };
    let input = ToolInput { user: UserId(1), hand: Hand::Right, seq: 1, tool, size_tenth_mm: 20, pose, trigger: 0 };
    ToolState::new(input, pose)
}

/// Cuts a ball of bone, flavum and disc out of the spine.
fn gouge(cut: &mut CutState, at_mm: [f64; 3], radius_mm: f64) {
    let all = ClassMask::of(&[TissueClass::Bone, TissueClass::Flavum, TissueClass::Disc]);
    let op = CutOp::capsule_mm(spine().grid(), at_mm, at_mm, radius_mm, all).unwrap();
    cut.apply(spine(), &op);
}

/// Gouges a zone out, point by point.
fn clear(cut: &mut CutState, zone: Zone) {
    for (k, (_, at)) in ZonePoints::new(spine(), site(), zone).remaining(spine(), &CutState::new(spine().grid())).enumerate() {
        if k % 3 == 0 {
            gouge(cut, at, 1.6);
        }
    }
}

/// A probe's touch on the bone below a tip.
fn probe_touch(tip_mm: [f64; 3]) -> (ToolState, Event) {
    let tool = state(ToolKind::Probe, tip_mm);
    (tool, Event::BoneTouch { by: tool.holder(), load_millinewton: 300 })
}

const ON_L4: [f64; 3] = [6.0, 37.4, 12.0];
const ON_L5: [f64; 3] = [6.0, 37.4, -20.0];

/// The site's frame and landmarks are where the spine was built.
#[test]
fn a_site_is_found_where_the_spine_was_built() {
    let site = site();
    let origin = site.patient_from_site([0.0; 3]);
    assert!(origin[0].abs() < 0.4 && (origin[1] - small_spine::CANAL_Y_MM).abs() < 0.4 && origin[2].abs() < 0.7, "{origin:?}");
    let left = site.turn_out([1.0, 0.0, 0.0]);
    let up = site.turn_out([0.0, 0.0, 1.0]);
    assert!(left[0] > 0.99 && up[2] > 0.99, "{left:?} {up:?}");
    let back = site.site_from_patient(site.patient_from_site([3.0, -2.0, 7.0]));
    assert!((back[0] - 3.0).abs() < 1e-9 && (back[1] + 2.0).abs() < 1e-9 && (back[2] - 7.0).abs() < 1e-9);
    assert_eq!((site.upper, site.lower), (Label::lumbar(4), Label::lumbar(5)));
    for side in Side::BOTH {
        let l = 7.0 * side.sign();
        let wall = site.roof.upper(l, 12.0).unwrap();
        assert!((wall.inner_mm - 8.5).abs() <= 0.5 && (wall.outer_mm - 14.0).abs() <= 0.6, "{wall:?}");
        assert!((site.roof.upper_edge_mm(l).unwrap() - 4.0).abs() <= 1.0);
        assert!((site.half_canal_mm[side as usize] - 13.0).abs() <= 1.0, "{:?}", site.half_canal_mm);
    }
    assert!((site.sac_mm[0] - 5.0).abs() < 0.5 && (site.attach_mm - 12.0).abs() < 1.0, "{} {}", site.sac_mm[0], site.attach_mm);
    assert!((site.disc_front_mm - 6.6).abs() < 0.7 && (site.disc_depth_mm - 30.0).abs() < 1.5, "{site:?}");
    assert_eq!(Site::find(spine(), 3).unwrap_err(), SiteError::Upper(Label::lumbar(3)));
}

/// A bent spine's canal is as wide as the straight one's: its width is measured at the pedicles, not at the back of the body that lies
/// straight below the disc's level.
#[test]
fn a_lordotic_canal_is_measured_at_its_pedicles() {
    let spine = small_spine::lordotic(0.8).unwrap();
    let site = Site::find(&spine, 4).unwrap();
    for side in Side::BOTH {
        assert!((site.half_canal_mm[side as usize] - 13.0).abs() <= 1.0, "{:?}", site.half_canal_mm);
        assert!((site.unroofed_mm(side) - 11.5).abs() <= 1.0);
        // The pedicle's own place is beyond: what roofs the foramen begins there, not under the lamina's middle.
        let tip = Zone::SuperiorTip(side);
        assert!(site.in_zone(tip, [14.0 * side.sign(), 3.0, 3.0]) && !site.in_zone(tip, [8.0 * side.sign(), 3.0, 3.0]));
    }
}

/// Every zone that the procedures name has tissue, lies on its side, and empties when it is gouged out.
#[test]
fn zones_hold_tissue_and_empty() {
    let uncut = CutState::new(spine().grid());
    for procedure in Procedure::ALL {
        for rule in steps(&target(procedure)).iter().flat_map(|s| s.rules.clone()) {
            let Rule::Taken { zone, left_pct } = rule else { continue };
            let points = ZonePoints::new(spine(), site(), zone);
            assert!(points.len() >= 30, "{zone:?} has {} mm3", points.len());
            assert_eq!(points.left_pct(spine(), &uncut), 100);
            let mut cut = uncut.clone();
            clear(&mut cut, zone);
            assert!(points.left_pct(spine(), &cut) <= left_pct, "{zone:?}");
        }
    }
}

/// A laminectomy in its order is done step by step and completes; nothing is reported that did not happen.
#[test]
fn steps_are_done_in_their_order() {
    let mut tracker = Tracker::at(spine(), target(Procedure::Laminectomy), site().clone());
    let mut cut = CutState::new(spine().grid());
    let (probe, touch) = probe_touch(ON_L4);
    assert_eq!(tracker.update(spine(), &cut, 1, &[probe], &[touch], None), [Note::StepDone(0)]);
    let by = Holder { user: UserId(1), hand: Hand::Right, tool: ToolKind::FlutedBurr };
    let removed = Event::Removed { by, structure: Label::lumbar(4), occupancy: 64 };
    let zones: [&[Zone]; 4] = [
        &[Zone::SpinousProcess],
        &[Zone::Lamina(Side::Left), Zone::Lamina(Side::Right)],
        &[Zone::Flavum(Side::Left), Zone::Flavum(Side::Right)],
        &[Zone::Recess(Side::Left), Zone::Recess(Side::Right)],
    ];
    for (k, zones) in zones.into_iter().enumerate() {
        for zone in zones {
            clear(&mut cut, *zone);
        }
        let notes = tracker.update(spine(), &cut, 15 * (k as u32 + 1), &[], &[removed], None);
        assert_eq!(notes, [Note::StepDone(k + 1)]);
    }
    // The roots are probed in their turn only, and the canal has to be free. A probe that is 1.6 mm off, or nearer to the sac, found none.
    let root = |left: bool, off_um: i32, label: Label| {
        let tip_mm = [if left { 9.0 } else { -9.0 }, 23.0, -6.0];
        ToolState { nearest: Some(Nearest { structure: label, distance_um: off_um }), ..state(ToolKind::Probe, tip_mm) }
    };
    let far = [root(true, 1_600, Label::root(5, true)), root(false, 200, Label::DURAL_SAC)];
    assert_eq!(tracker.update(spine(), &cut, 89, &far, &[], None), []);
    assert!(!tracker.awaits_measures());
    let roots = [root(true, 1_400, Label::root(5, true)), root(false, 100, Label::root(4, false))];
    assert_eq!(tracker.update(spine(), &cut, 90, &roots, &[], None), []);
    assert!(tracker.awaits_measures());
    let narrow = Measured { canal_mm2_100: Some(9_000), ..Measured::default() };
    assert_eq!(tracker.update(spine(), &cut, 91, &[], &[], Some(&narrow)), []);
    let free = Measured { canal_mm2_100: Some(10_400), ..Measured::default() };
    assert_eq!(tracker.update(spine(), &cut, 92, &[], &[], Some(&free)), [Note::StepDone(5), Note::Completed]);
    assert!(tracker.is_complete() && tracker.sentinels().is_empty(), "{:?}", tracker.sentinels());
}

/// Removing before the level check is a sentinel error, and the step done early is out of order.
#[test]
fn cutting_first_is_reported() {
    let mut tracker = Tracker::at(spine(), target(Procedure::Laminectomy), site().clone());
    let mut cut = CutState::new(spine().grid());
    clear(&mut cut, Zone::SpinousProcess);
    let by = Holder { user: UserId(1), hand: Hand::Right, tool: ToolKind::Leksell };
    let event = Event::Removed { by, structure: Label::lumbar(4), occupancy: 32 * 40 };
    let notes = tracker.update(spine(), &cut, 15, &[], &[event], None);
    assert!(matches!(notes[0], Note::Sentinel(SentinelRecord { sentinel: Sentinel::NoLevelCheck, tick: 15, .. })), "{notes:?}");
    assert_eq!(notes[1], Note::StepOutOfOrder { step: 1, before: 0 });
    assert_eq!(tracker.current(), Some(0));
}

/// A step whose tissue the patient lacks is neither done nor open, and does not keep the procedure from its end.
#[test]
fn what_the_patient_lacks_is_no_step_done() {
    let bare: Vec<_> = spine().structures().iter().filter(|s| s.class != TissueClass::Flavum).cloned().collect();
    let bare = Patient::new(*spine().grid(), bare, spine().density().clone()).unwrap();
    let mut tracker = Tracker::new(&bare, target(Procedure::Laminectomy)).unwrap();
    let cut = CutState::new(bare.grid());
    let lacking: Vec<&str> = tracker
        .steps()
        .iter()
        .zip(tracker.status())
        .filter(|(_, status)| **status == StepStatus::Lacking)
        .map(|(step, _)| step.id)
        .collect();
    assert_eq!(lacking, ["flavum"]);
    assert_eq!(tracker.update(&bare, &cut, 15, &[], &[], None), [], "nothing was done");
    assert!(!tracker.is_complete());
}

/// A probe on the neighbour's lamina checks nothing; bone taken from there is a wrong level.
#[test]
fn the_wrong_level_is_noticed() {
    let mut tracker = Tracker::at(spine(), Target { level: 4, ..target(Procedure::Laminectomy) }, site().clone());
    let cut = CutState::new(spine().grid());
    let (probe, touch) = probe_touch(ON_L5);
    assert_eq!(tracker.update(spine(), &cut, 1, &[probe], &[touch], None), []);
    let (probe, touch) = probe_touch(ON_L4);
    tracker.update(spine(), &cut, 2, &[probe], &[touch], None);
    let by = Holder { user: UserId(1), hand: Hand::Right, tool: ToolKind::FlutedBurr };
    let occupancy = (25.0 / spine().grid().voxel_mm3() * 32.0) as i64;
    let notes = tracker.update(spine(), &cut, 3, &[], &[Event::Removed { by, structure: Label::lumbar(3), occupancy }], None);
    assert!(matches!(notes[..], [Note::Sentinel(SentinelRecord { sentinel: Sentinel::WrongLevel, .. })]), "{notes:?}");
}

/// The lower vertebra's upper edge belongs to the level; its lower lamina to the next one, which whoever miscounts by one opens.
#[test]
fn the_next_level_is_noticed() {
    let occupancy = (25.0 / spine().grid().voxel_mm3() * 32.0) as i64;
    for (up, wrong) in [(-14.0, false), (-26.0, true)] {
        let mut tracker = Tracker::at(spine(), target(Procedure::Laminectomy), site().clone());
        let cut = CutState::new(spine().grid());
        let (probe, touch) = probe_touch(ON_L4);
        tracker.update(spine(), &cut, 1, &[probe], &[touch], None);
        let burr = state(ToolKind::FlutedBurr, site().patient_from_site([6.0, 18.0, up]));
        let removed = Event::Removed { by: burr.holder(), structure: Label::lumbar(5), occupancy };
        tracker.update(spine(), &cut, 2, &[burr], &[removed], None);
        assert_eq!(tracker.sentinels().iter().any(|s| s.sentinel == Sentinel::WrongLevel), wrong, "{up}");
    }
}

/// Each error that an event shows is reported once and counted; measures bring those of facet and pars.
#[test]
fn sentinel_errors_are_counted() {
    let mut tracker = Tracker::at(spine(), target(Procedure::Microdiscectomy), site().clone());
    let cut = CutState::new(spine().grid());
    let burr = Holder { user: UserId(1), hand: Hand::Right, tool: ToolKind::FlutedBurr };
    let punch = Holder { tool: ToolKind::Kerrison, ..burr };
    let touch = Event::NeuralTouch { by: burr, structure: Label::DURAL_SAC, active: true, depth_um: 80 };
    let blunt = Event::NeuralTouch { by: burr, structure: Label::DURAL_SAC, active: false, depth_um: 80 };
    let pinch = Event::NeuralPinch { by: punch, structure: Label::root(5, true), depth_um: 400 };
    let plunge = Event::Breakthrough { by: burr, plunge_um: 2_400 };
    let small = Event::Breakthrough { by: burr, plunge_um: 700 };
    tracker.update(spine(), &cut, 7, &[], &[touch, touch, blunt, pinch, plunge, small], None);
    let lost = Measured { facet_kept_pct: [Some(45), Some(90)], pars_um: [None, Some(2_500)], ..Measured::default() };
    tracker.update(spine(), &cut, 8, &[], &[], Some(&lost));
    tracker.update(spine(), &cut, 9, &[], &[], Some(&lost));
    let grasper = Holder { tool: ToolKind::Pituitary, ..burr };
    let retractor = Holder { tool: ToolKind::Retractor, ..burr };
    let breached = Event::DiscBreached { by: grasper, structure: Label::disc_below(4), depth_um: 31_000 };
    let held = Event::RetractionHigh { by: retractor, structure: Label::root(5, true), load_millinewton: 4_000 };
    tracker.update(spine(), &cut, 10, &[], &[breached, held], None);
    let tear = Event::NeuralTear { by: punch, structure: Label::DURAL_SAC, length_um: 1_200, size: TearSize::Short };
    let leak = Event::CsfLeak { by: punch, structure: Label::DURAL_SAC };
    let broken = Event::ParsFracture { by: burr, structure: site().upper, left: true, area_centi_mm2: 900 };
    tracker.update(spine(), &cut, 11, &[], &[tear, leak, broken], None);
    let found: Vec<(Sentinel, u32)> = tracker.sentinels().iter().map(|s| (s.sentinel, s.times)).collect();
    let expected = [
        (Sentinel::BurrOnNerve, 2),
        (Sentinel::PinchedNerve, 1),
        (Sentinel::Plunge, 1),
        (Sentinel::FacetLost, 1),
        (Sentinel::ParsLost, 2),
        (Sentinel::AnteriorAnnulus, 1),
        (Sentinel::RootOverload, 1),
        (Sentinel::Tear, 1),
        (Sentinel::Leak, 1),
    ];
    assert_eq!(found, expected);
}

/// A root is retracted when the retractor touches it, and a foramen probed when a ball of 2 mm passes at its entrance: neither from a few
/// millimetres off, nor at the other side, nor by a tool that only lies there.
#[test]
fn exploring_asks_for_what_it_says() {
    let mut tracker = Tracker::at(spine(), target(Procedure::Microdiscectomy), site().clone());
    let mut cut = CutState::new(spine().grid());
    let (probe, touch) = probe_touch(ON_L4);
    tracker.update(spine(), &cut, 1, &[probe], &[touch], None);
    let free = steps(&target(Procedure::Foraminotomy)).pop().unwrap().rules;
    assert_eq!(free, [Rule::ForamenProbed { side: Side::Left, least_tenth_mm: 20 }]);
    for zone in [Zone::Lamina(Side::Left), Zone::Flavum(Side::Left), Zone::Annulus(Side::Left), Zone::Nucleus(Side::Left)] {
        clear(&mut cut, zone);
    }
    tracker.finish(spine(), &cut);
    let near = |tool, label, distance_um| {
        let tip_mm = site().patient_from_site([6.0, 1.0, -2.0]);
        ToolState { nearest: Some(Nearest { structure: label, distance_um }), ..state(tool, tip_mm) }
    };
    let root = Label::root(5, true);
    let done = |tracker: &Tracker, id: &str| {
        let place = tracker.steps().iter().position(|step| step.id == id).unwrap();
        tracker.status()[place].is_done()
    };
    tracker.update(spine(), &cut, 20, &[near(ToolKind::Probe, root, 900)], &[], None);
    assert!(done(&tracker, "root") && !done(&tracker, "retract"));
    let retractor = Holder { user: UserId(1), hand: Hand::Left, tool: ToolKind::Retractor };
    let touches = |structure| Event::NeuralTouch { by: retractor, structure, active: false, depth_um: 20 };
    let beside = [near(ToolKind::Retractor, root, 400)];
    tracker.update(spine(), &cut, 21, &beside, &[touches(Label::DURAL_SAC), touches(Label::root(5, false))], None);
    assert!(!done(&tracker, "retract"));
    tracker.update(spine(), &cut, 22, &beside, &[touches(root)], None);
    assert!(done(&tracker, "retract"));

    let passage = |left: f64, diameter_tenth_mm: u32| {
        let tool = state(ToolKind::Probe, site().patient_from_site([left, -2.0, 6.0]));
        (tool, Event::Passage { by: tool.holder(), structure: root, diameter_tenth_mm, way_um: 6_000 })
    };
    let wall = site().half_canal_mm[0];
    for (tool, event) in [passage(-wall - 2.0, 40), passage(wall - 1.0, 40)] {
        tracker.update(spine(), &cut, 23, &[tool], &[event], None);
        assert!(!done(&tracker, "probe"), "{event:?}");
    }
    tracker.update(spine(), &cut, 24, &[passage(wall + 2.0, 40).0], &[], None);
    assert!(!done(&tracker, "probe"), "it only lies there");
    let (tool, event) = passage(wall + 2.0, 20);
    tracker.update(spine(), &cut, 25, &[tool], &[event], None);
    for (widest, wanted) in [(15, false), (20, true)] {
        let mut judge = Tracker::at(spine(), target(Procedure::Foraminotomy), site().clone());
        let (tool, event) = passage(wall + 2.0, widest);
        judge.update(spine(), &cut, 1, &[tool], &[event], None);
        assert_eq!(judge.holds(free[0]), wanted);
        let last = judge.steps().len() - 1;
        assert_eq!(judge.lacks(last).concat(), if wanted { "" } else { "a ball of 1.5 mm passes the left foramen, not 2.0" });
        assert_eq!(judge.lacks(4), ["tip of the left superior articular process: 100 % left, 75 at most"]);
    }
    assert!(tracker.is_complete(), "{:?}", tracker.status());
}

/// The level is told by the bone that the ball of a thick probe lies on, farther from its middle than distances are stored.
#[test]
fn a_thick_probe_checks_the_level() {
    for (top, wanted) in [(ON_L4, true), (ON_L5, false)] {
        let mut tracker = Tracker::at(spine(), target(Procedure::Laminectomy), site().clone());
        let (mut probe, touch) = probe_touch([top[0], top[1] - 1.0 + 4.0, top[2]]);
        probe.input.size_tenth_mm = 80;
        tracker.update(spine(), &CutState::new(spine().grid()), 1, &[probe], &[touch], None);
        assert_eq!(tracker.status()[0].is_done(), wanted);
    }
}

/// A one-sided procedure that takes the other side's lamina or the spinous process is told so.
#[test]
fn the_other_side_has_to_stay() {
    let mut tracker = Tracker::at(spine(), target(Procedure::Microdiscectomy), site().clone());
    let mut cut = CutState::new(spine().grid());
    clear(&mut cut, Zone::Lamina(Side::Right));
    clear(&mut cut, Zone::SpinousProcess);
    let notes = tracker.finish(spine(), &cut);
    let sentinels: Vec<Sentinel> =
        notes.iter().filter_map(|n| if let Note::Sentinel(s) = n { Some(s.sentinel) } else { None }).collect();
    assert_eq!(sentinels, [Sentinel::WrongSide, Sentinel::SpinousProcessLost]);
}

/// What is removed in the planned zones is within the plan, what is removed from the upper half of the lamina is not.
#[test]
fn a_plan_tells_inside_from_outside() {
    let plan = Plan::of(&target(Procedure::Laminectomy));
    let mut cut = CutState::new(spine().grid());
    gouge(&mut cut, [6.0, 33.5, 8.0], 1.5);
    let inside = plan.compare(spine(), site(), &cut);
    assert!((inside.within_mm3 - 14.1).abs() < 1.0 && inside.outside_mm3 < 0.1, "{inside:?}");
    gouge(&mut cut, [6.0, 33.5, 19.0], 1.5);
    let both = plan.compare(spine(), site(), &cut);
    assert!((both.outside_mm3 - 14.1).abs() < 1.0 && both.within_mm3 == inside.within_mm3, "{both:?}");
    assert!(both.planned_mm3 > 1_500.0, "{both:?}");
}

/// Numbers and names come back, and no step lacks words.
#[test]
fn names_and_numbers_are_stable() {
    for procedure in Procedure::ALL {
        assert_eq!(Procedure::from_name(procedure.name()), Some(procedure));
        assert_eq!(Procedure::from_number(procedure as u8), Some(procedure));
        let steps = steps(&target(procedure));
        assert!(steps.len() >= 6 && steps[0].id == "level_check");
        assert!(steps.iter().all(|s| !s.title.is_empty() && s.guidance.len() > 20 && !s.rules.is_empty()));
    }
    assert_eq!(Procedure::from_name("vertebroplasty"), None);
    assert!(Sentinel::ALL.iter().enumerate().all(|(k, s)| *s as usize == k && !s.words().is_empty()));
}

/// What was noted before a session was broken off is taken up: the step stays done, the error happened, and what comes next is in its turn.
#[test]
fn notes_are_recalled() {
    let target = target(Procedure::Laminectomy);
    let mut before = Tracker::at(spine(), target, site().clone());
    let cut = CutState::new(spine().grid());
    let (tool, event) = probe_touch(ON_L4);
    let by = Holder { user: UserId(1), hand: Hand::Right, tool: ToolKind::FlutedBurr };
    let plunge = Event::Breakthrough { by, plunge_um: 5_000 };
    let tear = |structure| Event::CsfLeak { by, structure };
    let mut words = Vec::new();
    for (tick, event) in [(7, event), (9, plunge), (10, tear(Label::DURAL_SAC)), (11, tear(Label::root(5, true)))] {
        let notes = before.update(spine(), &cut, tick, &[tool], &[event], None);
        words.extend(notes.iter().map(|note| (tick, before.words(note))));
    }
    assert_eq!(words.len(), 4, "{words:?}");
    let mut after = Tracker::at(spine(), target, site().clone());
    for (tick, words) in &words {
        after.recall(*tick, words);
    }
    for nonsense in ["", "step done: nothing", "step out of order: lamina", "sentinel error: none", "procedure completed"] {
        after.recall(11, nonsense);
    }
    assert_eq!(after.status(), before.status());
    assert_eq!((after.current(), after.sentinels().len()), (Some(1), 3));
    assert_eq!(after.sentinels(), before.sentinels());
    // What happens again to the same structure is counted, not noted anew.
    assert!(after.update(spine(), &cut, 15, &[], &[tear(Label::root(5, true))], None).is_empty());
    assert_eq!(after.sentinels()[2].times, 2);
    // The level was checked: bone that goes now is no error.
    let removed = Event::Removed { by, structure: Label::lumbar(4), occupancy: 1_000_000 };
    assert!(after.update(spine(), &cut, 20, &[], &[removed], None).is_empty());
}

/// Going back opens what was done after that moment, in a tracker that saw it and in one that is told; errors stay.
#[test]
fn going_back_opens_steps() {
    let target = Target::new(Procedure::Laminectomy, 4, Side::Left).unwrap();
    let cut = CutState::new(spine().grid());
    let (tool, event) = probe_touch(ON_L4);
    let by = Holder { user: UserId(1), hand: Hand::Right, tool: ToolKind::FlutedBurr };
    let plunge = Event::Breakthrough { by, plunge_um: 5_000 };
    for (back, open) in [(6, true), (7, false)] {
        let (mut saw, mut hears) = (Tracker::at(spine(), target, site().clone()), Tracker::at(spine(), target, site().clone()));
        let mut told = saw.update(spine(), &cut, 7, &[tool], &[event, plunge], None);
        assert_eq!(saw.current(), Some(1));
        told.extend(saw.go_back(spine(), &cut, back));
        told.iter().for_each(|note| hears.recall(7, &saw.words(note)));
        assert_eq!(saw.status()[0].is_open(), open, "back to {back}");
        assert_eq!((hears.status(), hears.sentinels()), (saw.status(), saw.sentinels()));
        // Where the level counts no longer as checked, bone that goes is an error.
        let removed = Event::Removed { by, structure: Label::lumbar(4), occupancy: 1_000_000 };
        let noted = saw.update(spine(), &cut, 20, &[], &[removed], None);
        assert_eq!((saw.sentinels().len(), noted.len()), if open { (2, 1) } else { (1, 0) });
    }
}

/// Points two a millimetre are eight times as many as those that steps are judged by, and among them are all of those.
#[test]
fn a_zone_can_be_looked_at_more_closely() {
    let zone = Zone::Lamina(Side::Left);
    let uncut = CutState::new(spine().grid());
    let of = |points: ZonePoints| points.remaining(spine(), &uncut).map(|(_, at)| at).collect::<Vec<_>>();
    let [coarse, fine] = [ZonePoints::new(spine(), site(), zone), ZonePoints::every(spine(), site(), zone, 2)].map(of);
    assert!(coarse.iter().all(|at| fine.contains(at)));
    let times = fine.len() as f64 / coarse.len() as f64;
    assert!((7.0..9.0).contains(&times), "{times}");
}
