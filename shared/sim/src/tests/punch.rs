//! The Kerrison punch: it bites thinned edges, once per closing, and says why when it does not.

use super::Driver;
use crate::fixture::{PLATE_TOP_MM, SAC_RADIUS_MM, cylinder_mm, grid, plate_over_sac, structure};
use crate::{BiteRefusal, Event, Hand, Pose, StepOutput, Tick, ToolInput, ToolKind, UserId};
use spinor_volume::{CutShape, Label, Patient};

/// Shaft to the back (+y), footplate to the right (−x): under the plate's edge at x = 18.
pub(super) const UNDER_EDGE: [i16; 4] = [-16_383, 16_383, 16_383, 16_383];

fn squeeze(driver: &mut Driver, tip_mm: [f64; 3], trigger: u8) -> StepOutput {
    driver.tick += 1;
    let base = super::input(driver.tick, ToolKind::Kerrison, tip_mm, trigger);
    driver.sim.step(Tick(driver.tick), &[ToolInput { pose: Pose { turn: UNDER_EDGE, ..base.pose }, ..base }])
}

fn refusals(output: &StepOutput) -> Vec<BiteRefusal> {
    output.events.iter().filter_map(|e| if let Event::BiteRefused { reason, .. } = e { Some(*reason) } else { None }).collect()
}

/// A plate of 3 mm fits the jaw: one closing takes what lies in it, and it takes no more until the jaw has opened again.
#[test]
fn a_bite_takes_what_lies_in_the_jaw_once() {
    let mut driver = Driver::new(plate_over_sac(0.4, 3.0), ToolKind::Kerrison);
    let tip = [18.8, PLATE_TOP_MM - 3.1, 0.0];
    assert!(squeeze(&mut driver, tip, 0).ops.is_empty());
    let output = squeeze(&mut driver, tip, 255);
    assert_eq!((output.ops.len(), refusals(&output)), (1, vec![]));
    assert!(matches!(output.ops[0].op.shape, CutShape::Box { .. }));
    // 3 mm wide, 3 mm thick, from x = 14.8 to the edge at 18.
    let taken: i64 = output.events.iter().map(|e| if let Event::Removed { occupancy, .. } = e { *occupancy } else { 0 }).sum();
    let mm3 = taken as f64 / 32.0 * 0.064;
    assert!((mm3 / 28.8 - 1.0).abs() < 0.06, "{mm3} mm3");
    for trigger in [255, 120, 255] {
        assert!(squeeze(&mut driver, tip, trigger).ops.is_empty());
    }
    squeeze(&mut driver, tip, 0);
    let again = squeeze(&mut driver, tip, 255);
    assert_eq!(refusals(&again), [BiteRefusal::Empty]);
}

/// Thick bone does not fit the jaw, an empty jaw takes nothing, a footplate buried in bone has no room.
#[test]
fn a_bite_needs_thin_bone_and_room() {
    let attempt = |thick: f64, tip: [f64; 3]| {
        let mut driver = Driver::new(plate_over_sac(0.4, thick), ToolKind::Kerrison);
        squeeze(&mut driver, tip, 0);
        let output = squeeze(&mut driver, tip, 255);
        assert!(output.ops.is_empty());
        refusals(&output)
    };
    assert_eq!(attempt(6.0, [18.8, PLATE_TOP_MM - 6.1, 0.0]), [BiteRefusal::TooThick]);
    assert_eq!(attempt(3.0, [24.0, PLATE_TOP_MM - 3.1, 0.0]), [BiteRefusal::Empty]);
    // Where the footplate has no room it does not go: the tool is drawn back along its shaft until it does, and has nothing in its jaw.
    assert_eq!(attempt(6.0, [18.9, PLATE_TOP_MM - 3.0, 0.0]), [BiteRefusal::Empty]);
}

/// Dura between the jaws is reported as pinched, and is not taken.
#[test]
fn dura_in_the_jaw_is_reported() {
    let grid = grid(0.4);
    let sac = structure(&grid, Label::DURAL_SAC, 0.0, |at| cylinder_mm(at, 0.0, 0.0, SAC_RADIUS_MM));
    let mut driver = Driver::new(Patient::new(grid, vec![sac], Default::default()).unwrap(), ToolKind::Kerrison);
    let tip = [2.0, 4.5, 0.0];
    squeeze(&mut driver, tip, 0);
    let output = squeeze(&mut driver, tip, 255);
    let pinch = output.events.iter().any(|e| matches!(e, Event::NeuralPinch { depth_um, .. } if *depth_um > 500));
    assert!(pinch && output.ops.is_empty(), "{:?}", output.events);
    assert!(driver.sim.tool(UserId(1), Hand::Right).unwrap().sounding);
}
