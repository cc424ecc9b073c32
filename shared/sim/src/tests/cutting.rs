//! What burrs take, and what stops them.

use super::{Driver, input};
use crate::fixture::{PLATE_TOP_MM, plate_of, plate_over_sac, plate_with_flavum, voxels_of};
use crate::{Event, Pose, StepOutput, Tick, ToolInput, ToolKind};
use spinor_volume::{Label, TissueClass};

/// Volume taken in half a second with the hand kept at a constant way under the tool, mm³.
fn removed_mm3(tool: ToolKind, hu: i32, press_mm: f64, trigger: u8) -> f64 {
    let mut driver = Driver::new(plate_of(0.4, 9.0, hu, 0.0), tool);
    driver.go([0.2, PLATE_TOP_MM + 1.5, 0.1], 0);
    let mut occupancy = 0;
    for _ in 0..30 {
        let at = driver.at();
        driver.go([0.2, at[1] - press_mm, 0.1], trigger);
        occupancy += driver.state().removed;
    }
    occupancy as f64 / 32.0 * 0.064
}

/// With the spindle off, pressing takes nothing and the burr stays on the surface under a growing load.
#[test]
fn burr_is_stopped_by_bone_when_the_spindle_is_off() {
    let mut driver = Driver::new(plate_over_sac(0.4, 6.0), ToolKind::FlutedBurr);
    for k in 0..60 {
        let output = driver.go([0.0, PLATE_TOP_MM + 5.0 - 0.2 * f64::from(k), 0.0], 0);
        assert!(output.ops.is_empty());
    }
    assert!((driver.at()[1] - PLATE_TOP_MM - 1.5).abs() < 0.2, "{:?}", driver.at());
    assert_eq!(driver.state().load_millinewton, 2_400);
    assert!(driver.state().in_bone && driver.sim.cut().cut_bricks().next().is_none());
}

/// More load and more trigger take more, denser bone gives less, a diamond burr takes about 2.6 times less; and the rate at 2 N and full
/// speed in cortical bone lies where drilling studies have it.
#[test]
fn removal_grows_with_load_and_trigger_and_falls_with_hu() {
    let base = removed_mm3(ToolKind::FlutedBurr, 1_200, 2.0, 255);
    assert!(removed_mm3(ToolKind::FlutedBurr, 1_200, 3.3, 255) > 1.3 * base);
    assert!(removed_mm3(ToolKind::FlutedBurr, 1_200, 2.0, 128) < 0.7 * base);
    assert!(removed_mm3(ToolKind::FlutedBurr, 300, 2.0, 255) > 1.5 * base);
    let ratio = base / removed_mm3(ToolKind::DiamondBurr, 1_200, 2.0, 255);
    assert!((2.0..3.2).contains(&ratio), "diamond: {ratio} times slower");
    let rate = removed_mm3(ToolKind::FlutedBurr, 1_200, 3.33, 255) / 0.5;
    assert!((9.0..22.0).contains(&rate), "{rate} mm3/s");
}

/// A tip thrown at 1 m/s at a lamina of 1 mm stops at it, whichever tool it is; a still burr too.
#[test]
fn a_tip_thrown_at_a_thin_lamina_stops() {
    for tool in ToolKind::ALL {
        let mut driver = Driver::new(plate_over_sac(0.4, 1.0), tool);
        for k in 0..4 {
            driver.go([1.0, PLATE_TOP_MM + 15.0 - 16.7 * f64::from(k), 2.0], 0);
            assert!(driver.at()[1] > PLATE_TOP_MM - 0.2, "{tool:?} at {:?}", driver.at());
        }
    }
}

/// A burr that goes through bone, flavum and into the sac takes bone and flavum, and not one voxel of the sac; the contact is an event.
#[test]
fn the_burr_never_takes_neural_tissue() {
    let mut driver = Driver::new(plate_with_flavum(2.0), ToolKind::FlutedBurr);
    let mut events = Vec::new();
    for k in 0..400 {
        events.extend(driver.go([0.0, PLATE_TOP_MM + 2.0 - 0.05 * f64::from(k), 0.0], 255).events);
    }
    let cut = driver.sim.cut();
    let grid = *driver.sim.patient().grid();
    assert!(voxels_of(&grid).all(|voxel| cut.field(TissueClass::Neural).sample(&grid, voxel) == 127));
    let taken = |label: Label| {
        events.iter().any(|e| matches!(e, Event::Removed { structure, occupancy, .. } if *structure == label && *occupancy > 0))
    };
    assert!(taken(Label::lumbar(4)) && taken(Label::flavum_below(4)) && !taken(Label::DURAL_SAC));
    let touch = events.iter().find(|e| matches!(e, Event::NeuralTouch { .. }));
    assert!(
        matches!(touch, Some(Event::NeuralTouch { structure: Label::DURAL_SAC, active: true, depth_um, .. }) if *depth_um > 0),
        "{touch:?}"
    );
}

/// Flavum holds a spinning burr back, so that it is a shield while drilling goes on; a light touch takes little of it.
#[test]
fn flavum_is_grazed() {
    let mut driver = Driver::new(plate_with_flavum(2.0), ToolKind::FlutedBurr);
    // Start in the gap beside the bone, over nothing: put the still burr down to the flavum's rim from the side.
    let side = [0.0, PLATE_TOP_MM - 2.0 + 0.2 - 3.0 - 1.45, 0.0];
    // The shaft points away from the bone.
    let mut go = |tip: [f64; 3], trigger: u8| {
        driver.tick += 1;
        let base = input(driver.tick, driver.tool, tip, trigger);
        let turned = ToolInput { pose: Pose { turn: [23_170, 0, 0, 23_170], ..base.pose }, ..base };
        driver.sim.step(Tick(driver.tick), &[turned])
    };
    go(side, 0);
    let out = go([0.0, side[1] + 0.05, 0.0], 255);
    let taken: i64 = out.events.iter().map(|e| if let Event::Removed { occupancy, .. } = e { *occupancy } else { 0 }).sum();
    assert!((0..32 * 4).contains(&taken), "{taken}");
    assert!(driver.state().spindle_rpm > 40_000);
}

/// How far the burr plunged each time it came through, µm.
fn plunges(out: &StepOutput) -> Vec<i32> {
    let plunge = |e: &Event| if let Event::Breakthrough { plunge_um, .. } = e { Some(*plunge_um) } else { None };
    out.events.iter().filter_map(plunge).collect()
}

/// A burr loaded on a thin lamina plunges once when it comes through, and says by how much.
#[test]
fn breaking_through_is_an_event() {
    let mut driver = Driver::new(plate_over_sac(0.4, 1.0), ToolKind::FlutedBurr);
    driver.go([0.0, PLATE_TOP_MM + 1.6, 0.0], 0);
    let all: Vec<i32> = (0..240).flat_map(|_| plunges(&driver.go([0.0, PLATE_TOP_MM - 5.0, 0.0], 255))).collect();
    assert!(all.len() == 1 && (600..6_600).contains(&all[0]), "{all:?} µm");
}

/// What is not a breakthrough: a burr that is lifted off, however fast; one that runs along a surface and off it under load; one that falls
/// from a ridge into the hollow beside it; one that is pressed into thick bone and wanders.
#[test]
fn leaving_bone_is_not_breaking_through() {
    let mut driver = Driver::new(plate_over_sac(0.4, 6.0), ToolKind::FlutedBurr);
    let mut all = Vec::new();
    let mut go = |tip: [f64; 3], times: u32| (0..times).for_each(|_| all.extend(plunges(&driver.go(tip, 200))));
    for side in [1.0, -1.0] {
        go([0.0, PLATE_TOP_MM + 1.6, 0.0], 1);
        go([0.0, PLATE_TOP_MM - 2.0, 0.0], 3);
        go([0.0, PLATE_TOP_MM + 12.0, 0.0], 4);
        // A stroke that ends in the air beside the place, twice over a groove with a ridge between.
        for lane in [-1.8, 1.8, 0.0] {
            for k in 0..60 {
                go([side * lane, PLATE_TOP_MM + 0.8, 0.15 * f64::from(k) - 4.5], 1);
            }
            go([side * 4.0, PLATE_TOP_MM + 8.0, 6.0], 3);
        }
        for k in 0..80 {
            let across = if k % 2 == 0 { 2.2 } else { -2.2 };
            go([across, PLATE_TOP_MM - 0.2, side], 1);
        }
        go([side * 9.0, PLATE_TOP_MM + 6.0, 0.0], 6);
    }
    assert_eq!(all, Vec::<i32>::new());
}

/// A hand that falls silent lets its trigger go: the burr does not drill on by itself.
#[test]
fn a_silent_hand_lets_the_trigger_go() {
    let mut driver = Driver::new(plate_of(0.4, 9.0, 1_800, 0.0), ToolKind::DiamondBurr);
    driver.go([0.0, PLATE_TOP_MM + 1.5, 0.0], 0);
    driver.go([0.0, PLATE_TOP_MM - 6.0, 0.0], 255);
    let ops: Vec<usize> = (10..60).map(|tick| driver.sim.step(Tick(tick), &[]).ops.len()).collect();
    assert!(ops[..10].iter().sum::<usize>() >= 5 && ops[20..].iter().all(|n| *n == 0), "{ops:?}");
    assert_eq!(driver.state().spindle_rpm, 0);
}
