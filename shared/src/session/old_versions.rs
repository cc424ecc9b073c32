//! Recordings of earlier programs stay readable. `tests/recordings/` holds one a version, written once and never again: every kind of
//! record, input, cut and event of its time. Whoever adds a kind adds it behind the last, and these tests go on passing.

use super::*;
use crate::case::{Case, CaseMeta};
use crate::room::Role;
use crate::tissue::{TissueRecord, WireFragment, WirePatch, WireTear, WireVeil};
use crate::wire::{WireCut, WireEvent, WireEventKind, WireInput, WirePose, WireShape};
use spinor_sim::{Event, TissueOutput};
use spinor_volume::{BRICK_VOXELS, BrickIndex, DensityField, Grid, Label, Patient, Source, SparseField, Structure, TissueClass};

/// Version 1, as it was before loose pieces and tissue that gives way.
const V1: &[u8] = include_bytes!("../../../tests/recordings/v1.spinrec");
/// Version 2: loose pieces, tissue that gives way, tools handed over.
const V2: &[u8] = include_bytes!("../../../tests/recordings/v2.spinrec");

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
fn version_1() -> Vec<Record> {
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
        Record::Digest { tick: 1, digest: V1_DIGESTS[0] },
        Record::Tick(TickRecord { tick: 2, ops: vec![op(2, bite)], ..TickRecord::default() }),
        control(Control::Freeze(true)),
        control(Control::Pause(false)),
        control(Control::Tool { user: 8, given: false }),
        control(Control::Alarm { caution_um: 5_000, danger_um: 2_500 }),
        control(Control::Note("a note".to_owned())),
        Record::Refused { tick: 3, user: 9, reason: "input: role".to_owned() },
        Record::Epoch { tick: 3, epoch: 1, from_tick: 1, reason: "rewind".to_owned() },
        Record::Digest { tick: 3, digest: V1_DIGESTS[0] },
        Record::Left { tick: 4, user: 7 },
        Record::Closed { tick: 4 },
    ]
}

/// Digests after the first cut and after both, as version 1 recorded them.
const V1_DIGESTS: [u64; 2] = [0x607d_1f87_a0bc_8407, 0x845a_6f49_1c27_88e4];

/// What the recording of version 2 holds behind its case, but for the keyframe: what version 1 did not know.
fn version_2() -> Vec<Record> {
    let input = |tool: u8| {
        let pose = WirePose { tip_um: [4_000, -70_000, 4_100], turn: [0, -16_384, 0, 28_377] };
        (7, WireInput { hand: tool % 2, seq: 300 + u32::from(tool), tool, size_tenth_mm: 30, pose, trigger: 255 })
    };
    let ball = WireShape::Capsule { a: [500, 300, 500], b: [540, 300, 500], radius: 100 };
    let op = OpRecord { user: 7, hand: 1, tool: 0, input_seq: 300, cut: WireCut { classes: 0b0011, shape: ball } };
    let event = |kind| WireEvent { user: 7, hand: 1, tool: 0, kind };
    let events = vec![
        event(WireEventKind::Kick { structure: 128, way_um: 900 }),
        event(WireEventKind::Overheated { tenth_celsius: 512, ticks: 70 }),
        event(WireEventKind::DryDrilling { ticks: 600, tenth_celsius: 488 }),
        event(WireEventKind::Blow { advance_um: 1_500 }),
        event(WireEventKind::DepthMark { structure: 44, depth_um: 12_000 }),
        event(WireEventKind::DiscBreached { structure: 44, depth_um: 31_000 }),
        event(WireEventKind::Retraction {
            structure: 128,
            ticks: 240,
            peak_millinewton: 1_300,
            impulse_millinewton_seconds: 4_400,
        }),
        event(WireEventKind::RetractionHigh { structure: 128, load_millinewton: 2_100 }),
        event(WireEventKind::Passage { structure: 128, diameter_tenth_mm: 35, way_um: 9_000 }),
        event(WireEventKind::ThinBone { structure: 128, left_um: 1_200, distance_um: 1_900 }),
        event(WireEventKind::Detached { structure: 44, fragment: 2, occupancy: 4_000 }),
        event(WireEventKind::FragmentTaken { structure: 44, fragment: 2 }),
        event(WireEventKind::ParsFracture { structure: 44, left: true, area_centi_mm2: 3_900 }),
        event(WireEventKind::NeuralTear { structure: 128, length_um: 900, size: 1 }),
        event(WireEventKind::CsfLeak { structure: 128 }),
        event(WireEventKind::AnnulusClosed { structure: 44 }),
        event(WireEventKind::FieldVeiled),
        event(WireEventKind::FieldCleared { ticks: 300 }),
    ];
    let tissue = TissueRecord {
        tick: 2,
        detached: vec![],
        fragments: vec![WireFragment {
            id: 2,
            structure: 44,
            occupancy: 4_000,
            rest_um: [1, 2, 3],
            at_um: [4, 5, -6],
            turn: [0, 0, 0, 32_767],
            held: Some((7, 1)),
            taken: true,
        }],
        nodes: vec![WirePatch { structure: 128, patch: 3, offsets_um: vec![[1, -200, 300]; 64] }],
        tears: vec![WireTear { number: 1, structure: 128, at_um: [5, -6, 7], length_um: 900, leaks: true }],
        veil: vec![WireVeil { brick: 0, dust: 16, blood: 3 }],
    };
    let pass = Control::Pass { from_hand: 1, to: 9, hand: 0, tool: 2, size_tenth_mm: 30 };
    vec![
        Record::Joined { tick: 0, user: 7, name: "Ådne".to_owned(), role: Role::Attending },
        Record::Tick(TickRecord { tick: 1, inputs: (0..13).map(input).collect(), ops: vec![op], events }),
        Record::Digest { tick: 1, digest: V2_DIGESTS[0] },
        Record::Tick(TickRecord { tick: 2, inputs: vec![input(0)], ..TickRecord::default() }),
        Record::Tissue(tissue),
        Record::Control { tick: 3, user: 7, control: pass },
        Record::Digest { tick: 3, digest: V2_DIGESTS[1] },
        Record::Closed { tick: 4 },
    ]
}

/// Bricks and samples of the piece that came loose in version 2: a corner of the brick, as deep as a sample can be.
fn piece() -> [i8; BRICK_VOXELS] {
    std::array::from_fn(|at| if [at % 16, at / 16 % 16, at / 256].iter().all(|c| *c < 4) { 127 } else { -127 })
}

/// Digests after the cut and after the piece came loose, as version 2 recorded them.
const V2_DIGESTS: [u64; 2] = [0x607d_1f87_a0bc_8407, 0x8575_0050_0204_28fd];

/// What a recording holds behind its case, after checking its head, its case and that its keyframe restores to `digest`.
fn read(bytes: &[u8], digest: u64) -> Vec<Record> {
    let mut reader = SessionReader::open(bytes).unwrap();
    let read: Vec<Record> = reader.by_ref().map(|record| record.unwrap()).collect();
    assert_eq!(reader.tail(), Tail::Whole { bytes: bytes.len() as u64 });
    let [Record::Head(head), Record::Case(case_file), rest @ ..] = read.as_slice() else { panic!("no head or no case") };
    assert_eq!((head.room.as_str(), head.started_unix_s, head.tick_hz), ("theatre", 1_700_000_000, 60));
    assert_eq!(Case::decode(case_file).unwrap(), case());
    let (keyframes, others): (Vec<Record>, Vec<Record>) = rest.iter().cloned().partition(|r| matches!(r, Record::Keyframe(_)));
    let [Record::Keyframe(keyframe)] = keyframes.as_slice() else { panic!("{} keyframes", keyframes.len()) };
    assert_eq!(restore_keyframe(&case().patient, keyframe).unwrap().digest(), digest);
    for record in &others {
        if let Record::Tick(tick) = record {
            assert!(tick.events.iter().all(|event| Event::try_from(*event).is_ok()));
        }
    }
    others
}

/// Every record of version 1 is read as what was written, its case too, and its events are those of today's simulation.
#[test]
fn version_1_is_read() {
    assert_eq!(read(V1, V1_DIGESTS[1]), version_1());
}

/// The cuts of version 1 give the digests that it recorded, before and after a rewind.
#[test]
fn version_1_replays_to_its_digests() {
    assert!(V1_DIGESTS[0] != V1_DIGESTS[1] && !V1_DIGESTS.contains(&0));
    let (_, summary) = replay(&mut Replay::open(V1).unwrap(), Part::WHOLE, None).unwrap();
    assert_eq!((summary.mismatches(), summary.checks.len(), summary.ops), (0, 3, 2));
    assert_eq!(summary.digest, V1_DIGESTS[0]);
}

/// Every record of version 2 is read as what was written, and what tissues did opens as today's simulation knows it. The piece that
/// came loose is compared by its samples: how they are packed may change.
#[test]
fn version_2_is_read() {
    let mut records = read(V2, V2_DIGESTS[1]);
    let tissue = records.iter_mut().find_map(|record| if let Record::Tissue(tissue) = record { Some(tissue) } else { None });
    let tissue = tissue.unwrap();
    let TissueOutput { detached, .. } = tissue.open().unwrap();
    let [detached] = detached.as_slice() else { panic!("{} pieces", detached.len()) };
    assert_eq!((detached.fragment.map(|id| id.0), detached.structure.0, detached.centre_um), (Some(2), 44, [-7, 8, 9]));
    assert_eq!(detached.stamp.bricks, [(BrickIndex(0), Box::new(piece()))]);
    assert_eq!(*detached.shape, [(BrickIndex(0), Box::new(piece()))]);
    tissue.detached.clear();
    assert_eq!(records, version_2());
}

/// The cut and the loose piece of version 2 give the digests that it recorded.
#[test]
fn version_2_replays_to_its_digests() {
    assert!(V2_DIGESTS[0] != V2_DIGESTS[1] && !V2_DIGESTS.contains(&0));
    let (_, summary) = replay(&mut Replay::open(V2).unwrap(), Part::WHOLE, None).unwrap();
    assert_eq!((summary.mismatches(), summary.checks.len(), summary.ops), (0, 3, 1));
    assert_eq!(summary.digest, V2_DIGESTS[1]);
}
