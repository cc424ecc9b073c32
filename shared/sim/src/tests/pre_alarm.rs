//! The pre-alarm through thin bone, the time to contact, and the share of a time that the alarm is heard.

use super::Driver;
use super::alarm::nerves;
use crate::fixture::{PLATE_TOP_MM, SAC_RADIUS_MM, plate_of, plate_over_sac};
use crate::{AlarmShare, Event, ToolKind};
use spinor_volume::Label;

/// Proves that a burr sunk into a plate over the sac is told once, when the bone left has become thinner than the limit and before it is
/// through; that the bone told is what geometry leaves; and that nothing is told of bone that is gone.
#[test]
fn a_burr_is_told_of_thin_bone_before_it_is_through() {
    // 3 mm of room between plate and sac.
    let thick = 7.0;
    let mut driver = Driver::new(plate_over_sac(0.4, thick), ToolKind::FlutedBurr);
    let (mut told, mut through) = (Vec::new(), None);
    for k in 0..1_200 {
        let output = driver.go([0.0, PLATE_TOP_MM + 1.6 - 0.01 * f64::from(k), 0.0], 255);
        for event in &output.events {
            match *event {
                Event::ThinBone { structure, left_um, distance_um, .. } => told.push((k, structure, left_um, distance_um)),
                Event::Breakthrough { .. } => through = through.or(Some(k)),
                _ => {}
            }
        }
        let state = driver.state();
        if let Some(bone) = state.bone_left {
            let under = driver.at()[1] - 1.5 - (PLATE_TOP_MM - thick);
            let (left, whole) = (f64::from(bone.left_um) / 1_000.0, under.min(thick));
            assert!((left - whole).abs() < 0.25, "tick {k}: {left} mm told, {whole:.2} mm left");
        }
        if driver.at()[1] < PLATE_TOP_MM - thick {
            break;
        }
    }
    assert_eq!(told.len(), 1, "{told:?}");
    let (tick, structure, left_um, distance_um) = told[0];
    assert_eq!(structure, Label::DURAL_SAC);
    assert!((1_700..2_000).contains(&left_um), "{left_um}");
    let gap = PLATE_TOP_MM - thick - SAC_RADIUS_MM;
    assert!((f64::from(distance_um) / 1_000.0 - gap - 2.0).abs() < 0.5, "{distance_um}");
    assert!(through.is_none_or(|through| through > tick));
    assert!(driver.at()[1] < PLATE_TOP_MM - thick, "the burr never came through");
    assert!(driver.state().bone_left.is_none());
}

/// Proves that a blunt tool that leans on thin bone is shown what is left and sets off no event.
#[test]
fn a_probe_on_thin_bone_is_shown_and_not_told() {
    let mut driver = Driver::new(plate_of(0.4, 1.0, 1_200, 0.0), ToolKind::Probe);
    let mut events = Vec::new();
    for k in 0..60 {
        events.extend(driver.go([0.0, PLATE_TOP_MM + 3.0 - 0.06 * f64::from(k), 0.0], 0).events);
    }
    assert!(!events.iter().any(|e| matches!(e, Event::ThinBone { .. })), "{events:?}");
    // The sac's nearest surface is 9 mm under the plate: too far to look at.
    assert!(driver.state().in_bone && driver.state().bone_left.is_none());
}

/// Proves that the time to contact is distance over approach, and that a tool that rests or withdraws has none.
#[test]
fn time_to_contact_is_distance_over_approach() {
    let mut driver = Driver::new(nerves(0.0), ToolKind::Probe);
    // Beside the sac, from the right, where no root lies.
    let beside = |distance: f64| [-(SAC_RADIUS_MM + 1.5 + distance), 0.0, 0.0];
    // Down to the slowest approach that is told.
    for mm_per_s in [1.2, 1.7, 6.0, 25.0] {
        let (mut seen, mut left) = (0, if mm_per_s < 2.0 { 1.6 } else { 5.0 });
        driver.go(beside(left), 0);
        while left > 0.6 {
            left -= mm_per_s / 60.0;
            driver.go(beside(left), 0);
            let Some(ms) = driver.state().contact_ms.filter(|_| left < 1.1) else { continue };
            let wanted = f64::from(driver.state().nearest.unwrap().distance_um) / mm_per_s;
            assert!((f64::from(ms) / wanted - 1.0).abs() < 0.15, "{mm_per_s} mm/s: {ms} ms, not {wanted:.0}");
            seen += 1;
        }
        assert!(seen > 0, "{mm_per_s} mm/s was never told");
        (0..30).for_each(|_| _ = driver.go(beside(30.0), 0));
    }
    for _ in 0..30 {
        driver.go(beside(1.1), 0);
    }
    assert_eq!(driver.state().contact_ms, None);
    for k in 0..10 {
        driver.go(beside(1.1 + 0.1 * f64::from(k)), 0);
        assert_eq!(driver.state().contact_ms, None);
    }
    for k in 0..10 {
        driver.go(beside(2.0 - 0.3 * f64::from(k)), 0);
    }
    assert_eq!(driver.state().contact_ms, Some(0), "inside the sac");
}

/// Proves that the share counts ticks as the states say, and none of none.
#[test]
fn the_share_of_sounding_ticks_is_counted() {
    let mut share = AlarmShare::default();
    assert_eq!(share.sounding_per_mille(), 0);
    let mut driver = Driver::new(nerves(0.0), ToolKind::DiamondBurr);
    for k in 0..50 {
        // Half of the time beyond the caution threshold, half within it, spinning.
        let x = if k < 25 { -14.0 } else { -(SAC_RADIUS_MM + 1.5 + 3.0) };
        driver.go([x, 0.0, 0.0], 200);
        share.count(driver.sim.tools());
    }
    assert_eq!((share.ticks, share.working), (50, 50));
    assert_eq!((share.caution, share.sounding, share.danger), (25, 25, 0));
    assert_eq!(share.sounding_per_mille(), 500);
}
