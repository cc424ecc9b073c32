//! Inputs that no hand makes: nothing panics, nothing is not-a-number, nothing far away is cut.

use proptest::prelude::*;

use super::{FROM_BEHIND, input, room};
use crate::fixture::{PLATE_TOP_MM, plate_over_sac};
use crate::{Hand, Pose, Tick, ToolInput, ToolKind, UserId};

/// A zero quaternion keeps the tool's last turn; one of any other length is normalised.
#[test]
fn quaternions_of_any_length_do() {
    let mut sim = room(plate_over_sac(0.4, 4.0));
    let with = |seq: u32, turn: [i16; 4]| {
        let base = input(seq, ToolKind::Kerrison, [0.0, PLATE_TOP_MM + 2.0, 0.0], 255);
        ToolInput { pose: Pose { turn, ..base.pose }, ..base }
    };
    // Such turns take a body beside bone more than one tick.
    let turns = [[0; 4], [1, 0, 0, 0], [i16::MIN; 4]].into_iter().chain([FROM_BEHIND; 8]).chain([[0; 4]]);
    for (seq, turn) in turns.enumerate() {
        sim.step(Tick(seq as u32), &[with(seq as u32 + 1, turn)]);
    }
    let state = sim.tool(UserId(1), Hand::Right).unwrap();
    assert_eq!(state.proxy.turn, FROM_BEHIND, "the zero turn is refused");
    assert!((f64::from(state.proxy.tip_um[1]) / 1_000.0 - PLATE_TOP_MM - 2.0).abs() < 0.5, "{:?}", state.proxy);
}

/// Hands at the ends of the number range, and jumps between them, cut nothing and overflow nowhere.
#[test]
fn absurd_positions_are_far_away() {
    for tool in ToolKind::ALL {
        let mut sim = room(plate_over_sac(0.4, 4.0));
        let ends = [[i32::MAX; 3], [i32::MIN; 3], [i32::MAX, i32::MIN, 0], [0, i32::MAX, 0], [0, i32::MIN, 0]];
        for (k, tip_um) in ends.into_iter().enumerate() {
            let base = input(k as u32 + 1, tool, [0.0; 3], 255);
            let output =
                sim.step(Tick(k as u32), &[ToolInput { pose: Pose { tip_um, ..base.pose }, size_tenth_mm: 255, ..base }]);
            assert!(output.ops.is_empty(), "{tool:?} at {tip_um:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any bytes for an input: no panic, and every operation passes its own check.
    #[test]
    fn any_input_is_survived(
        inputs in proptest::collection::vec((any::<[i32; 3]>(), any::<[i16; 4]>(), any::<(u8, u8)>(), 0..14_u8, any::<u32>(), any::<bool>()), 1..8)
    ) {
        let mut sim = room(plate_over_sac(0.8, 4.0));
        for (k, (tip, turn, (size, trigger), tool, seq, near)) in inputs.into_iter().enumerate() {
            let tip_um = if near { tip.map(|v| v % 30_000) } else { tip };
            let tool = ToolKind::from_number(tool).unwrap();
            let one = ToolInput { user: UserId(1), hand: Hand::Left, seq, tool, size_tenth_mm: size, pose: Pose { tip_um, turn }, trigger };
            let output = sim.step(Tick(k as u32), &[one]);
            for op in &output.ops {
                prop_assert!(op.op.check(sim.patient().grid()).is_ok());
            }
        }
    }
}
