//! Which tool takes what: every cell of the table, by what the tools do to slabs of each class.

use spinor_volume::{ClassMask, Label, Patient, TissueClass};

use super::punch::UNDER_EDGE;
use super::{FROM_BEHIND, input, room};
use crate::fixture::{PLATE_TOP_MM, box_mm, grid, structure};
use crate::{Pose, Rule, Simulation, Tick, ToolInput, ToolKind, rule, taken_by};

/// How thick the slabs are, mm: every jaw gets them in.
const THICK_MM: f64 = 2.4;
/// A footplate that leans by 40° laid flat under the edge.
const LEANING_UNDER_EDGE: [i16; 4] = [-9_792, 20_998, 9_792, 20_998];

/// A slab of one class, with bone right under its left half: an edge to bite, a surface to press on, a boundary to strip.
fn slab(class: TissueClass) -> (Patient, Label) {
    let grid = grid(0.4);
    let label = match class {
        TissueClass::Bone => Label::lumbar(3),
        TissueClass::Flavum => Label::flavum_below(3),
        TissueClass::Disc => Label::disc_below(3),
        TissueClass::Neural => Label::DURAL_SAC,
    };
    let of_class =
        structure(&grid, label, 0.0, |at| box_mm(at, [0.0, PLATE_TOP_MM - THICK_MM / 2.0, 0.0], [18.0, THICK_MM / 2.0, 40.0]));
    let under =
        structure(&grid, Label::lumbar(4), 0.0, |at| box_mm(at, [-12.0, PLATE_TOP_MM - THICK_MM - 3.0, 0.0], [6.0, 3.0, 40.0]));
    (Patient::new(grid, vec![of_class, under], Default::default()).unwrap(), label)
}

/// Everything that one can do with a tool: press from outside, work along the boundary, bite the edge. What it takes of a label.
fn taken(tool: ToolKind, class: TissueClass) -> i64 {
    let (patient, label) = slab(class);
    let mut sim = room(patient);
    let mut seq = 0;
    let mut taken = 0;
    let mut go = |sim: &mut Simulation, at: [f64; 3], turn: [i16; 4], trigger: u8| {
        seq += 1;
        let base = input(seq, tool, at, trigger);
        let output = sim.step(Tick(seq), &[ToolInput { pose: Pose { turn, ..base.pose }, ..base }]);
        for op in &output.ops {
            assert_eq!(op.op.classes, taken_by(tool), "{tool:?} works by the table");
        }
        for event in &output.events {
            if let crate::Event::Removed { structure, occupancy, .. } = event {
                taken += if *structure == label { *occupancy } else { 0 };
            }
        }
    };
    for k in 0..32 {
        let trigger = if k % 8 < 4 { 0 } else { 255 };
        go(&mut sim, [6.0, PLATE_TOP_MM + 1.6 - 0.1 * f64::from(k), 0.0], FROM_BEHIND, trigger);
    }
    sim.remove_tool(crate::UserId(1), crate::Hand::Right);
    for k in 0..12 {
        go(&mut sim, [-12.0 + 0.2 * f64::from(k), PLATE_TOP_MM - THICK_MM + 1.6, 0.0], FROM_BEHIND, 255);
    }
    sim.remove_tool(crate::UserId(1), crate::Hand::Right);
    let turn = if tool == ToolKind::Kerrison40 { LEANING_UNDER_EDGE } else { UNDER_EDGE };
    for trigger in [0, 255] {
        go(&mut sim, [18.8, PLATE_TOP_MM - THICK_MM - 0.1, 0.0], turn, trigger);
    }
    taken
}

/// Every tool on every class: what the table says it takes it does take, what it never takes stays whole.
#[test]
fn every_cell_of_the_table_holds() {
    for tool in ToolKind::ALL {
        for class in TissueClass::ALL {
            let taken = taken(tool, class);
            assert_eq!(taken > 0, rule(tool, class) != Rule::Never, "{tool:?} on {class:?} took {taken}");
        }
    }
}

/// No tool takes neural tissue, by the table and by every operation's mask.
#[test]
fn no_tool_takes_neural_tissue() {
    for tool in ToolKind::ALL {
        assert_eq!(rule(tool, TissueClass::Neural), Rule::Never);
        assert!(!taken_by(tool).contains(TissueClass::Neural));
    }
    assert_eq!(taken_by(ToolKind::Penfield), ClassMask::NONE);
}
