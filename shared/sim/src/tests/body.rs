//! The whole tool against bone: thrown tip first, sideways and swung, no part of it goes through a thin lamina, and none is stuck.

use super::{FROM_BEHIND, input, room};
use crate::fixture::{PLATE_TOP_MM, box_mm, plate_over_sac};
use crate::pose::place;
use crate::tool::{AXES, Shape};
use crate::vector::mix;
use crate::{Hand, Pose, ResolvedOp, Simulation, Tick, ToolInput, ToolKind, ToolState, UserId, taken_by};
use spinor_volume::CutOp;

/// Shaft pointing to the left (+x), along the plate.
const ALONG: [i16; 4] = [0, 23_170, 0, 23_170];
/// Thickness of the plate, mm: a lamina drilled thin.
const THIN_MM: f64 = 1.0;

/// How deep the deepest point of a tool's parts is in the plate, mm, by the plate's formula and not by any field.
fn deepest_mm(state: &ToolState, shape: &Shape) -> f64 {
    let rotation = state.proxy.rotation().unwrap();
    let mut deepest = f64::NEG_INFINITY;
    for part in &shape.parts {
        for k in 0..=400 {
            let at = place(&rotation, state.proxy.tip_mm(), mix(part.a_mm, part.b_mm, f64::from(k) / 400.0));
            // The plate ends with the grid.
            if at[2].abs() < 11.5 {
                let plate = box_mm(at, [0.0, PLATE_TOP_MM - THIN_MM / 2.0, 0.0], [18.0, THIN_MM / 2.0, 40.0]);
                deepest = deepest.max(part.radius_mm - plate);
            }
        }
    }
    deepest
}

struct Thrown {
    sim: Simulation,
    tool: ToolKind,
    shape: Shape,
    seq: u32,
}

impl Thrown {
    fn new(tool: ToolKind) -> Self {
        let sim = room(plate_over_sac(0.4, THIN_MM));
        let shape = Shape::new(tool, 30, sim.settings());
        Self { sim, tool, shape, seq: 0 }
    }

    /// One tick with the hand somewhere; how deep the tool is in the plate then.
    fn hand(&mut self, tip_mm: [f64; 3], turn: [i16; 4]) -> (ToolState, f64) {
        self.seq += 1;
        let base = input(self.seq, self.tool, tip_mm, 0);
        self.sim.step(Tick(self.seq), &[ToolInput { pose: Pose { turn, ..base.pose }, ..base }]);
        let state = *self.sim.tool(UserId(1), Hand::Right).unwrap();
        (state, deepest_mm(&state, &self.shape))
    }
}

/// At 1 m/s a hand moves 16.7 mm a tick. Tip first, whichever the tool, the plate stops it on the near side.
#[test]
fn every_tool_thrown_tip_first_stops() {
    for tool in ToolKind::ALL {
        for x in [1.0, -9.7] {
            let mut thrown = Thrown::new(tool);
            for k in 0..6 {
                let (state, deep) = thrown.hand([x, PLATE_TOP_MM + 21.0 - 16.7 * f64::from(k), 2.0], FROM_BEHIND);
                assert!(deep < 0.3, "{tool:?} is {deep} mm deep at {:?}", state.proxy);
                assert!(state.proxy.tip_mm()[1] > PLATE_TOP_MM - 0.3, "{tool:?} at {:?}", state.proxy);
            }
        }
    }
}

/// Sideways: the shaft lies along the plate and comes down on it at 1 m/s. It stops, and the load is felt.
#[test]
fn every_shaft_thrown_sideways_stops() {
    for tool in ToolKind::ALL {
        // The tip is beside the plate, so that only the shaft can be stopped by it.
        let mut thrown = Thrown::new(tool);
        for k in 0..6 {
            let (state, deep) = thrown.hand([-24.0, PLATE_TOP_MM + 25.0 - 16.7 * f64::from(k), 1.0], ALONG);
            assert!(deep < 0.3, "{tool:?} is {deep} mm deep at {:?}", state.proxy);
            if k == 5 {
                assert!(state.proxy.tip_mm()[1] > PLATE_TOP_MM, "{tool:?} at {:?}", state.proxy);
                assert!(state.in_bone && state.load_millinewton == 2_400, "{tool:?}: {state:?}");
                assert!(state.feel.force_millinewton[1] > 1_500, "{tool:?} pushes back: {:?}", state.feel);
            }
        }
    }
}

/// Swung: the tip stays over the plate while the hand turns the shaft down into it, a quarter turn in four ticks. No part goes through.
#[test]
fn a_shaft_swung_into_a_plate_stops() {
    for tool in [ToolKind::FlutedBurr, ToolKind::Probe, ToolKind::Kerrison, ToolKind::Penfield, ToolKind::Leksell] {
        let mut thrown = Thrown::new(tool);
        // From straight up to straight down about z, by 22.5° a tick: quaternions of the half angles.
        let turns = [[0.0, 1.0], [0.195, 0.981], [0.383, 0.924], [0.556, 0.831], [0.707, 0.707], [0.831, 0.556], [0.924, 0.383]];
        for [s, c] in turns {
            // FROM_BEHIND first, then the turn about z in the patient's frame.
            let (h, w) = (-23_170.0, 23_170.0);
            let turn = [c * h, s * h, s * w, c * w].map(|v: f64| v as i16);
            let (state, deep) = thrown.hand([0.0, PLATE_TOP_MM + 9.0, 0.0], turn);
            assert!(deep < 0.35, "{tool:?} is {deep} mm deep at {:?}", state.proxy);
        }
        let (state, _) = thrown.hand([0.0, PLATE_TOP_MM + 9.0, 0.0], FROM_BEHIND);
        for _ in 0..20 {
            thrown.hand([0.0, PLATE_TOP_MM + 9.0, 0.0], FROM_BEHIND);
        }
        let (back, _) = thrown.hand([0.0, PLATE_TOP_MM + 9.0, 0.0], FROM_BEHIND);
        assert_eq!(back.proxy.turn, FROM_BEHIND, "{tool:?} turns back, after {:?}", state.proxy);
        assert!((back.proxy.tip_um[1] - 25_000).abs() < 50, "{tool:?} comes back to the hand: {:?}", back.proxy);
    }
}

/// A stopped tool slides: pressed on the plate and drawn along it, its tip and its lying shaft keep up with the hand.
#[test]
fn tools_slide_along_the_plate() {
    for tool in ToolKind::ALL {
        for turn in [FROM_BEHIND, ALONG] {
            let mut thrown = Thrown::new(tool);
            let start = if turn == ALONG { -6.0 } else { 0.0 };
            thrown.hand([start, PLATE_TOP_MM + 9.0, -3.0], turn);
            for k in 0..30 {
                let (state, deep) = thrown.hand([start, PLATE_TOP_MM - 1.0, 0.1 * f64::from(k) - 3.0], turn);
                assert!(deep < 0.35, "{tool:?} is {deep} mm deep at {:?}", state.proxy);
            }
            let state = *thrown.sim.tool(UserId(1), Hand::Right).unwrap();
            assert!((state.proxy.tip_um[2] + 100).abs() < 1_200, "{tool:?} {turn:?} lags behind: {:?}", state.proxy);
        }
    }
}

/// Where one bite ends and the next begins no tissue is left, though the distance to each ends there: a tool goes down into the hole of four
/// bites over their common borders, and stops at the hole's floor.
#[test]
fn the_seams_of_bites_are_no_walls() {
    for tool in [ToolKind::Kerrison, ToolKind::Leksell, ToolKind::Probe, ToolKind::Curette] {
        let mut sim = room(plate_over_sac(0.4, 8.0));
        let ops: Vec<ResolvedOp> = [[-5.0, -4.95], [5.0, -4.95], [-5.0, 4.95], [5.0, 4.95]]
            .into_iter()
            .map(|[x, z]| {
                let grid = sim.patient().grid();
                let middle = [x + 0.1, PLATE_TOP_MM - 2.0, z + 0.3];
                let op = CutOp::box_mm(grid, middle, [4.8, 2.8, 4.8], AXES, 0.2, taken_by(ToolKind::Kerrison)).unwrap();
                ResolvedOp { user: UserId(9), hand: Hand::Left, tool: ToolKind::Kerrison, input_seq: 0, op }
            })
            .collect();
        sim.apply_ops(&ops).unwrap();
        for k in 0..90 {
            let tip = [0.1, PLATE_TOP_MM + 3.0 - 0.1 * f64::from(k), 0.3];
            sim.step(Tick(k + 1), &[input(k + 1, tool, tip, 0)]);
        }
        let state = *sim.tool(UserId(1), Hand::Right).unwrap();
        let shape = Shape::new(tool, 30, sim.settings());
        let lowest = shape.parts.iter().map(|p| p.a_mm[2].min(p.b_mm[2]) - p.radius_mm).fold(f64::INFINITY, f64::min);
        let over = state.proxy.tip_mm()[1] + lowest - (PLATE_TOP_MM - 5.0);
        assert!((-0.3..0.5).contains(&over), "{tool:?} stands {over} mm over the floor");
    }
}
