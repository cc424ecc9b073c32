//! A film that jumps shows what playing from the first record shows: the same cuts, tools, people and settings, in any order of places.

use super::*;
use crate::testing::two_balls;
use spinor_shared::case::CaseMeta;
use spinor_shared::mark::Mark;
use spinor_shared::room::Role;
use spinor_shared::session::{Control, HeadPose, SessionHead, SessionWriter, TickRecord, keyframe_of};
use spinor_shared::tissue::TissueRecord;
use spinor_sim::{Pose, StepOutput, ToolKind};

/// A session of `ticks` ticks that a server would record: a burr goes into the ball of bone, over and over, and a probe comes near the
/// sac from the other side, with a keyframe every 100 ticks; the head of the one person moves; thresholds change at tick 150; `rewound` goes back to tick 120 at tick 260.
fn record(path: &Path, ticks: u32, rewound: bool) {
    let case = Case { patient: two_balls(), ct: None, mr: None, meta: CaseMeta::default() };
    // Dura goes on moving for longer than a film warms up: after a jump, tools against it would not be told to the micrometre.
    let settings = Settings::with_tissues(TissueModels { answers: true, yields: false });
    let mut sim = Simulation::new(Arc::new(case.patient.clone()), settings);
    let mut out = SessionWriter::create(File::create(path).unwrap()).unwrap();
    let head =
        SessionHead { case_hash: case.hash().0, room: "theatre".into(), software: "test".into(), started_unix_s: 0, tick_hz: 60 };
    let mut ops = 0;
    let mut kept = sim.cut().clone();
    out.append(&Record::Head(head)).unwrap();
    out.append(&Record::Case(case.encode())).unwrap();
    out.append(&Record::of_models(0, settings.tissues())).unwrap();
    out.append(&Record::Joined { tick: 0, user: 7, name: "Ada".into(), role: Role::Attending }).unwrap();
    for tick in 0..ticks {
        let down = f64::from(tick % 200);
        let tip_um = [-2_000 + (down * 20.0) as i32, 14_000 - (down * 45.0) as i32, (down * 10.0) as i32];
        let pose = Pose { tip_um, turn: [-23_170, 0, 0, 23_170] };
        let input = ToolInput {
            user: UserId(7),
            hand: Hand::Right,
            seq: tick + 1,
            tool: ToolKind::FlutedBurr,
            size_tenth_mm: 40,
            pose,
            trigger: 255,
        };
        let near = Pose { tip_um: [0, -26_000 + (down * 60.0) as i32, 0], turn: [23_170, 0, 0, 23_170] };
        let probe = ToolInput { hand: Hand::Left, tool: ToolKind::Probe, size_tenth_mm: 20, pose: near, trigger: 0, ..input };
        let step = sim.step(Tick(tick), &[input, probe]);
        ops += step.ops.len() as u64;
        let record = TickRecord::new(tick, &[probe, input], &step);
        out.append(&Record::Tick(record)).unwrap();
        if !step.tissue.is_empty() {
            out.append(&Record::Tissue(TissueRecord::new(tick, &step.tissue).unwrap())).unwrap();
        }
        if tick % 6 == 0 {
            let head = HeadPose { user: 7, at_um: [tick as i32 * 1_000, 0, 0], turn: [0, 0, 0, 32_767] };
            out.append(&Record::Heads { tick, heads: vec![head] }).unwrap();
        }
        if tick % 100 == 99 {
            out.append(&Record::Keyframe(keyframe_of(sim.cut(), tick, 0, ops).unwrap())).unwrap();
        }
        if tick == 120 {
            kept = sim.cut().clone();
        }
        let said = match tick {
            40 => Some(Mark::Line(vec![[0, 0, 0], [5_000, 0, 0]])),
            110 => Some(Mark::Line(vec![[7, 8, 9]])),
            210 => Some(Mark::Text("undercut here".into())),
            230 => Some(Mark::Clear),
            _ => None,
        };
        if let Some(mark) = said {
            out.append(&Record::Said { tick, user: 7, mark }).unwrap();
        }
        if tick == 150 {
            sim.set_thresholds(5.0, 3.0);
            let control = Control::Alarm { caution_um: 5_000, danger_um: 3_000 };
            out.append(&Record::Control { tick, user: 7, control }).unwrap();
        }
        if rewound && tick == 260 {
            for hand in [Hand::Left, Hand::Right] {
                sim.remove_tool(UserId(7), hand);
            }
            sim.restore(kept.clone());
            out.append(&Record::Epoch { tick, epoch: 1, from_tick: 120, reason: "rewind".into() }).unwrap();
        }
    }
    out.append(&Record::Closed { tick: ticks }).unwrap();
}

/// What the recording's own replay has after a tick.
fn digest_at(path: &Path, tick: u32) -> u64 {
    let mut opened = Replay::open(BufReader::new(File::open(path).unwrap())).unwrap();
    spinor_shared::session::replay(&mut opened, Part::WHOLE, Some(tick)).unwrap().0.digest()
}

/// Fragments, tears and veil that the recording's own replay has after a tick.
fn standing_at(path: &Path, tick: u32) -> Standing {
    let mut opened = Replay::open(BufReader::new(File::open(path).unwrap())).unwrap();
    let mut state = ReplayState::new(Arc::clone(opened.case()), Part::WHOLE);
    while let Some(record) = opened.next_record().unwrap().filter(|record| record.tick().unwrap_or(0) <= tick) {
        state.advance(&record).unwrap();
    }
    state.standing().clone()
}

fn burr(film: &Film) -> ToolState {
    *film.tools().find(|tool| tool.input.hand == Hand::Right).unwrap()
}

/// Any order of places: the cuts are those of a replay from the start, and the tool is where playing on brings it.
#[test]
fn every_place_is_as_if_it_had_been_played_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.spinrec");
    record(&path, 700, false);
    let mut played = Film::open(&path).unwrap();
    let mut tools = Vec::new();
    for tick in 0..700 {
        played.go_to(tick).unwrap();
        tools.push(burr(&played));
    }
    assert_ne!(played.cut().digest(), CutState::new(played.case().patient.grid()).digest(), "nothing was cut");
    let mut film = Film::open(&path).unwrap();
    for tick in [650, 0, 99, 100, 420, 419, 421, 699, 30, 205, 698] {
        film.go_to(tick).unwrap();
        assert_eq!(film.standing(), &standing_at(&path, tick), "tick {tick}");
        assert_eq!(film.cut().digest(), digest_at(&path, tick), "tick {tick}");
        let tool = burr(&film);
        assert_eq!(tool.input, tools[tick as usize].input, "tick {tick}");
        let off = |k: usize| (tool.proxy.tip_um[k] - tools[tick as usize].proxy.tip_um[k]).abs();
        assert!((0..3).all(|k| off(k) <= 500), "tick {tick}: {:?} {:?}", tool.proxy, tools[tick as usize].proxy);
        let set = if tick >= 150 { [5_000, 3_000] } else { [4_000, 2_000] };
        assert_eq!((film.seats().alarm_um, film.seats().people.len()), (set, 1), "tick {tick}");
    }
}

/// What people drew is there at every place, gone to in any order, until they took it away; words come when they are passed.
#[test]
fn what_was_drawn_is_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.spinrec");
    record(&path, 700, false);
    let mut film = Film::open(&path).unwrap();
    for (tick, lines, pointer) in
        [(650, 0, None), (200, 1, Some((110, [7, 8, 9]))), (60, 1, None), (39, 0, None), (229, 1, Some((110, [7, 8, 9])))]
    {
        film.go_to(tick).unwrap();
        let drawing = film.seats().drawings().get(&7);
        assert_eq!(drawing.map_or(0, |drawing| drawing.lines.len()), lines, "tick {tick}");
        assert_eq!(drawing.and_then(|drawing| drawing.pointer), pointer, "tick {tick}");
    }
    assert_eq!(film.take_notes(), [(7, "undercut here".to_owned())]);
}

/// A tool that was handed over leaves its hand for whom it was given to; a session that was resumed begins with empty hands and with nobody
/// connected until they come back.
#[test]
fn hands_are_emptied_as_on_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.spinrec");
    let case = Case { patient: two_balls(), ct: None, mr: None, meta: CaseMeta::default() };
    let mut out = SessionWriter::create(File::create(&path).unwrap()).unwrap();
    let head =
        SessionHead { case_hash: case.hash().0, room: "theatre".into(), software: "test".into(), started_unix_s: 0, tick_hz: 60 };
    out.append(&Record::Head(head)).unwrap();
    out.append(&Record::Case(case.encode())).unwrap();
    for (user, name, role) in [(7, "Ada", Role::Attending), (8, "Ben", Role::Observer)] {
        out.append(&Record::Joined { tick: 0, user, name: name.into(), role }).unwrap();
    }
    let pose = Pose { tip_um: [0, 40_000, 0], turn: [-23_170, 0, 0, 23_170] };
    let right =
        ToolInput { user: UserId(7), hand: Hand::Right, seq: 900, tool: ToolKind::Probe, size_tenth_mm: 20, pose, trigger: 0 };
    let left = ToolInput { hand: Hand::Left, ..right };
    out.append(&Record::Tick(TickRecord::new(10, &[left, right], &StepOutput::default()))).unwrap();
    let pass = Control::Pass { from_hand: Hand::Right as u8, to: 8, hand: 1, tool: ToolKind::Probe as u8, size_tenth_mm: 20 };
    out.append(&Record::Control { tick: 20, user: 7, control: pass }).unwrap();
    out.append(&Record::Epoch { tick: 30, epoch: 1, from_tick: 30, reason: "resumed".into() }).unwrap();
    out.append(&Record::Joined { tick: 35, user: 7, name: "Ada".into(), role: Role::Attending }).unwrap();
    // The client that comes back numbers its inputs from 1.
    out.append(&Record::Tick(TickRecord::new(40, &[ToolInput { seq: 1, ..left }], &StepOutput::default()))).unwrap();
    out.append(&Record::Closed { tick: 50 }).unwrap();
    drop(out);
    let mut film = Film::open(&path).unwrap();
    let hands = |film: &Film| film.tools().map(|tool| (tool.input.hand, tool.input.seq)).collect::<Vec<_>>();
    let online = |film: &Film| film.seats().people.values().map(|seat| seat.online).collect::<Vec<_>>();
    film.go_to(19).unwrap();
    assert_eq!(hands(&film), [(Hand::Left, 900), (Hand::Right, 900)]);
    assert!(!film.seats().people[&8].has_tool);
    film.go_to(25).unwrap();
    assert_eq!(hands(&film), [(Hand::Left, 900)]);
    assert!(film.seats().people[&8].has_tool);
    film.go_to(32).unwrap();
    assert_eq!((hands(&film), online(&film)), (vec![], vec![false, false]));
    film.go_to(45).unwrap();
    assert_eq!((hands(&film), online(&film)), (vec![(Hand::Left, 1)], vec![true, false]));
}

/// A room that was rewound: places before, between and after, from keyframes of the old epoch too.
#[test]
fn a_rewind_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.spinrec");
    record(&path, 330, true);
    let mut film = Film::open(&path).unwrap();
    for tick in [329, 259, 261, 310, 121, 300, 200] {
        film.go_to(tick).unwrap();
        assert_eq!(film.cut().digest(), digest_at(&path, tick), "tick {tick}");
    }
}

/// Between two records a head moves on a line; beyond the end the film stays at its end, and moments are found both ways.
#[test]
fn heads_move_smoothly_and_moments_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.spinrec");
    record(&path, 240, false);
    let mut film = Film::open(&path).unwrap();
    film.go_to(123).unwrap();
    let head = |film: &Film, at| film.seats().people[&7].head(at).unwrap().tip_um[0];
    assert_eq!(head(&film, 123.0), 117_000, "half way from 114 to 120");
    film.go_to(100_000).unwrap();
    assert_eq!(film.end(), 240);
    assert_eq!(film.cast()[&7], "Ada");
    let first = film.moment(0, true).expect("the burr comes near the sac").clone();
    assert_eq!(film.moment(first.tick + 1, false).map(|m| m.tick), Some(first.tick));
}
