//! Recordings of earlier programs stay readable. `tests/recordings/` holds one a version, written once and never again: every kind of
//! record, input, cut and event of its time. Whoever adds a kind adds it behind the last, and these tests go on passing.

use super::*;
use crate::case::{Case, CaseMeta};
use crate::room::Role;
use crate::wire::{WireCut, WireEvent, WireEventKind, WireInput, WirePose, WireShape};
use spinor_sim::Event;
use spinor_volume::{BrickIndex, DensityField, Grid, Label, Patient, Source, SparseField, Structure, TissueClass};

/// Version 1, as it was before loose pieces and tissue that gives way.
const V1: &[u8] = include_bytes!("../../../tests/recordings/v1.spinrec");

/// Bone below x = 4 mm in a single brick of 0.5 mm.
fn case() -> Case {
    let grid = Grid::new([0.0; 3], 0.5, [1; 3]).unwrap();
    let mut sdf = SparseField::outside(&grid);
    for (at, sample) in sdf.brick_mut(BrickIndex(0)).unwrap().iter_mut().enumerate() {
        *sample = (32 * (at as i32 % 16 - 8)).clamp(-127, 127) as i8;
    }
    let bone = Structure {
        label: Label::lumbar(4),
        class: TissueClass::Bone,
        source: Source::Phantom,
        uncertainty_mm: 0.5,
        volume_mm3: 256.0,
        sdf,
    };
    let patient = Patient::new(grid, vec![bone], DensityField::default()).unwrap();
    Case { patient, ct: None, mr: None, meta: CaseMeta { created_with: "spinor 0.1.0".to_owned(), ..CaseMeta::default() } }
}

/// What the recording of version 1 holds behind its case, but for the keyframe.
fn records() -> Vec<Record> {
    let input = |tool: u8| {
        let pose = WirePose { tip_um: [4_000, -70_000, 4_100], turn: [0, -16_384, 0, 28_377] };
        (7, WireInput { hand: tool % 2, seq: 300 + u32::from(tool), tool, size_tenth_mm: 30, pose, trigger: 255 })
    };
    let ball = WireShape::Capsule { a: [500, 300, 500], b: [540, 300, 500], radius: 100 };
    let bite = WireShape::Box {
        centre: [400, 700, 500],
        half: [60, 50, 40],
        rows_q14: [[16_384, 0, 0], [0, 16_384, 0], [0, 0, 16_384]],
        rounding: 8,
    };
    let op = |tool: u8, shape| OpRecord { user: 7, hand: 1, tool, input_seq: 300, cut: WireCut { classes: 0b0011, shape } };
    let event = |kind| WireEvent { user: 7, hand: 1, tool: 0, kind };
    let events = vec![
        event(WireEventKind::Alarm {
            was: 0,
            structure: 2,
            level: 2,
            distance_um: -120,
            threshold_um: 2_700,
            widened_um: 700,
            sounding: true,
        }),
        event(WireEventKind::NeuralTouch { structure: 2, active: true, depth_um: 120 }),
        event(WireEventKind::NeuralLeave { structure: 2, ticks: 9, deepest_um: 400, active_ticks: 3 }),
        event(WireEventKind::NeuralPinch { structure: 128, depth_um: 50 }),
        event(WireEventKind::BoneTouch { load_millinewton: 1_200 }),
        event(WireEventKind::BoneLeave { ticks: 60, peak_millinewton: 2_400 }),
        event(WireEventKind::Removed { structure: 44, occupancy: 5_000_000_000 }),
        event(WireEventKind::Breakthrough { plunge_um: 900 }),
        event(WireEventKind::BiteRefused { reason: 2 }),
    ];
    let heads = vec![HeadPose { user: 7, at_um: [0, 600_000, -300], turn: [0, 0, 0, 32_767] }];
    let control = |control| Record::Control { tick: 3, user: 7, control };
    vec![
        Record::Joined { tick: 0, user: 7, name: "Ådne".to_owned(), role: Role::Attending },
        Record::Joined { tick: 0, user: 4_000_000_000, name: "Bo".to_owned(), role: Role::Observer },
        Record::Tick(TickRecord { tick: 1, inputs: (0..5).map(input).collect(), ops: vec![op(0, ball)], events }),
        Record::Heads { tick: 1, heads },
        Record::Digest { tick: 1, digest: DIGESTS[0] },
        Record::Tick(TickRecord { tick: 2, ops: vec![op(2, bite)], ..TickRecord::default() }),
        control(Control::Freeze(true)),
        control(Control::Pause(false)),
        control(Control::Tool { user: 8, given: false }),
        control(Control::Alarm { caution_um: 5_000, danger_um: 2_500 }),
        control(Control::Note("a note".to_owned())),
        Record::Refused { tick: 3, user: 9, reason: "input: role".to_owned() },
        Record::Epoch { tick: 3, epoch: 1, from_tick: 1, reason: "rewind".to_owned() },
        Record::Digest { tick: 3, digest: DIGESTS[0] },
        Record::Left { tick: 4, user: 7 },
        Record::Closed { tick: 4 },
    ]
}

/// Digests after the first cut and after both, as version 1 recorded them.
const DIGESTS: [u64; 2] = [0x607d_1f87_a0bc_8407, 0x845a_6f49_1c27_88e4];

/// Every record of version 1 is read as what was written, its case too, and its events are those of today's simulation.
#[test]
fn version_1_is_read() {
    let mut reader = SessionReader::open(V1).unwrap();
    let read: Vec<Record> = reader.by_ref().map(|record| record.unwrap()).collect();
    assert_eq!(reader.tail(), Tail::Whole { bytes: V1.len() as u64 });
    let [Record::Head(head), Record::Case(case_file), rest @ ..] = read.as_slice() else { panic!("no head or no case") };
    assert_eq!((head.room.as_str(), head.started_unix_s, head.tick_hz), ("theatre", 1_700_000_000, 60));
    assert_eq!(Case::decode(case_file).unwrap(), case());
    let (keyframes, others): (Vec<&Record>, Vec<&Record>) = rest.iter().partition(|r| matches!(r, Record::Keyframe(_)));
    assert_eq!(others, records().iter().collect::<Vec<_>>());
    let [Record::Keyframe(keyframe)] = keyframes.as_slice() else { panic!("{} keyframes", keyframes.len()) };
    assert_eq!(restore_keyframe(&case().patient, keyframe).unwrap().digest(), DIGESTS[1]);
    for record in &others {
        if let Record::Tick(tick) = record {
            assert!(tick.events.iter().all(|event| Event::try_from(*event).is_ok()));
        }
    }
}

/// The cuts of version 1 give the digests that it recorded, before and after a rewind.
#[test]
fn version_1_replays_to_its_digests() {
    assert!(DIGESTS[0] != DIGESTS[1] && !DIGESTS.contains(&0));
    let (_, summary) = replay(&mut Replay::open(V1).unwrap(), Part::WHOLE, None).unwrap();
    assert_eq!((summary.mismatches(), summary.checks.len(), summary.ops), (0, 3, 2));
    assert_eq!(summary.digest, DIGESTS[0]);
}
