//! The same inputs give the same bytes: in every build, in every order of arrival, and by replay of the operations.

use proptest::prelude::*;

use super::{FROM_BEHIND, input, room};
use crate::fixture::{PLATE_TOP_MM, plate_over_sac, plate_with_flavum};
use crate::{Hand, Pose, ResolvedOp, Simulation, StepOutput, Tick, ToolInput, ToolKind, UserId};
use spinor_volume::CutShape;

/// FNV-1a over integers.
struct Digest(u64);

impl Digest {
    fn add(&mut self, value: i64) {
        for byte in value.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn op(&mut self, op: &ResolvedOp) {
        self.add(i64::from(op.user.0) << 8 | op.hand as i64);
        self.add(i64::from(op.input_seq));
        match op.op.shape {
            CutShape::Capsule { a, b, radius } => a.into_iter().chain(b).chain([radius]).for_each(|v| self.add(v.into())),
            CutShape::Box { centre, half, rows_q14, rounding } => {
                let all = centre.into_iter().chain(half).chain(rows_q14.into_iter().flatten()).chain([rounding]);
                all.for_each(|v| self.add(v.into()));
            }
        }
    }
}

/// Three hands of two people at work for 300 ticks: a burr in strokes, a diamond burr that follows, a probe that looks, a tool change.
fn script(tick: u32) -> Vec<ToolInput> {
    let t = f64::from(tick);
    let saw = |period: f64| ((t / period).fract() * 2.0 - 1.0).abs() * 2.0 - 1.0;
    let burr = input(tick, ToolKind::FlutedBurr, [6.0 * saw(90.0), PLATE_TOP_MM + 1.0 - t * 0.02, 4.0 * saw(40.0)], 230);
    let second = ToolInput {
        user: UserId(2),
        hand: Hand::Left,
        size_tenth_mm: 40,
        ..input(
            tick,
            ToolKind::DiamondBurr,
            [8.0 + 2.0 * saw(50.0), PLATE_TOP_MM - 0.03 * t, 2.0 * saw(35.0)],
            (tick % 256) as u8,
        )
    };
    let tool = if tick < 150 { ToolKind::Probe } else { ToolKind::Kerrison };
    let trigger = if tick % 40 < 20 { 0 } else { 255 };
    let third =
        ToolInput { user: UserId(2), ..input(tick, tool, [-18.2 + 0.01 * t, PLATE_TOP_MM - 3.1 - 0.02 * t, 1.0], trigger) };
    let bent = Pose { turn: [-20_000, 3_000, (tick % 100) as i16 * 50, 23_170], ..third.pose };
    vec![burr, second, ToolInput { pose: bent, ..third }]
}

fn run(sim: &mut Simulation, ticks: u32) -> (u64, Vec<ResolvedOp>) {
    let mut digest = Digest(0xcbf2_9ce4_8422_2325);
    let mut ops = Vec::new();
    for tick in 1..=ticks {
        let output = sim.step(Tick(tick), &script(tick));
        output.ops.iter().for_each(|op| digest.op(op));
        for event in &output.events {
            // The derived text names every field, in integers.
            format!("{event:?}").bytes().for_each(|byte| digest.add(byte.into()));
        }
        for tool in sim.tools() {
            tool.proxy.tip_um.into_iter().for_each(|v| digest.add(v.into()));
            digest.add(i64::from(tool.load_millinewton) << 32 | i64::from(tool.spindle_rpm));
            digest.add(tool.nearest.map_or(i64::MAX, |n| n.distance_um.into()));
        }
        ops.extend(output.ops);
    }
    digest.add(sim.cut().digest() as i64);
    (digest.0, ops)
}

/// A room in which tools cut and tissues do not answer: what loose pieces take is not in the operations.
fn bare(patient: spinor_volume::Patient) -> Simulation {
    let mut settings = crate::Settings::default();
    settings.tissue.answers = false;
    Simulation::new(std::sync::Arc::new(patient), settings)
}

/// Tissues answer the same in every run: events, operations and everything that they decide.
#[test]
fn tissues_answer_alike_twice() {
    let once = |ticks| {
        let mut settings = crate::Settings::default();
        (settings.tissue.answers, settings.tissue.yields) = (true, true);
        let mut sim = Simulation::new(std::sync::Arc::new(plate_with_flavum(2.0)), settings);
        let digest = run(&mut sim, ticks).0;
        (digest, sim.digest())
    };
    assert_eq!(once(120), once(120));
}

/// The committed digest of the scripted work: it holds in debug and release builds and on every machine. A change of the models
/// changes it: then commit the new one together with the change.
#[test]
fn scripted_work_has_its_committed_digest() {
    let (digest, ops) = run(&mut bare(plate_with_flavum(5.0)), 300);
    assert!(ops.len() > 200, "{} operations", ops.len());
    assert_eq!(format!("{digest:016x}"), "a39448b8e3fd685a");
}

/// The same for a room as rooms are by default, with tissues that answer: the second number is of the room in the end, tissues included.
#[test]
fn scripted_work_with_tissues_has_its_committed_digest() {
    let mut sim = Simulation::new(std::sync::Arc::new(plate_with_flavum(2.0)), crate::Settings::default());
    let (digest, ops) = run(&mut sim, 300);
    assert!(ops.len() > 200, "{} operations", ops.len());
    assert_ne!(digest, run(&mut bare(plate_with_flavum(2.0)), 300).0, "no tissue answered");
    assert_eq!(format!("{digest:016x} {:016x}", sim.digest()), "fd7f54e7f9f91295 9da389a4a528eda8");
}

/// Operations applied again give the same cut fields, twice over too; and none is out of bounds.
#[test]
fn replayed_operations_give_the_same_digest() {
    let mut sim = bare(plate_over_sac(0.4, 5.0));
    let (_, ops) = run(&mut sim, 120);
    let mut replay = bare(plate_over_sac(0.4, 5.0));
    replay.apply_ops(&ops).unwrap();
    assert_eq!(replay.cut().digest(), sim.cut().digest());
    assert!(replay.apply_ops(&ops).unwrap().touched.is_empty());
    let mut restored = bare(plate_over_sac(0.4, 5.0));
    restored.restore(sim.cut().clone());
    assert_eq!(restored.cut().digest(), sim.cut().digest());
}

/// Inputs of one tick, as a network may deliver them: duplicated, outdated ones beside the newest.
fn arrivals() -> impl Strategy<Value = Vec<ToolInput>> {
    let one = (0..3_u32, 0..2_u8, 1..4_u32, 0..14_u8, -80..80_i32, -20..30_i32, any::<u8>()).prop_map(
        |(user, hand, seq, tool, x, y, trigger)| {
            let tip_um = [x * 100, (PLATE_TOP_MM * 1_000.0) as i32 + y * 100, 300];
            let hand = if hand == 0 { Hand::Left } else { Hand::Right };
            let tool = ToolKind::from_number(tool).unwrap();
            ToolInput {
                user: UserId(user),
                hand,
                seq,
                tool,
                size_tenth_mm: 30,
                pose: Pose { tip_um, turn: FROM_BEHIND },
                trigger,
            }
        },
    );
    proptest::collection::vec(one, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// In whatever order the inputs of a tick arrive, operations, events and tools are the same.
    #[test]
    fn arrival_order_does_not_matter(ticks in proptest::collection::vec(arrivals(), 3..5), seed in any::<u64>()) {
        let base = room(plate_over_sac(0.8, 3.0));
        let (mut one, mut two) = (base.clone(), base);
        let mut state = seed;
        for (tick, inputs) in ticks.iter().enumerate() {
            let later: Vec<ToolInput> = inputs.iter().map(|i| ToolInput { seq: i.seq + 3 * tick as u32, ..*i }).collect();
            let mut shuffled = later.clone();
            for k in (1..shuffled.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                shuffled.swap(k, (state >> 33) as usize % (k + 1));
            }
            let (a, b): (StepOutput, StepOutput) = (one.step(Tick(tick as u32), &later), two.step(Tick(tick as u32), &shuffled));
            prop_assert_eq!(a, b);
            prop_assert!(one.tools().eq(two.tools()));
        }
        prop_assert_eq!(one.cut().digest(), two.cut().digest());
    }
}

/// An input that comes late, after a newer one was taken, changes nothing.
#[test]
fn late_inputs_are_ignored() {
    let mut sim = room(plate_over_sac(0.4, 4.0));
    sim.step(Tick(1), &[input(7, ToolKind::Probe, [0.0, 30.0, 0.0], 0)]);
    sim.step(Tick(2), &[input(6, ToolKind::Probe, [5.0, 30.0, 0.0], 0)]);
    assert_eq!(sim.tool(UserId(1), Hand::Right).unwrap().proxy.tip_um, [0, 30_000, 0]);
    sim.step(Tick(3), &[input(8, ToolKind::Probe, [5.0, 30.0, 0.0], 0)]);
    assert_eq!(sim.tool(UserId(1), Hand::Right).unwrap().proxy.tip_um, [5_000, 30_000, 0]);
}
