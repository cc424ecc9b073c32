//! Dura and roots that give way: what it takes to draw a root aside, and an alarm that measures to surfaces as they stand.

use std::sync::Arc;

use spinor_volume::{Label, Patient};

use super::alarm::nerves;
use super::{FROM_BEHIND, input};
use crate::fixture::SAC_RADIUS_MM;
use crate::pose::place;
use crate::tool::Shape;
use crate::vector::{mix, norm, sub};
use crate::{AlarmLevel, Event, Hand, Pose, Settings, Simulation, Tick, TissueModels, ToolInput, ToolKind, UserId};

fn yielding(patient: Patient) -> Simulation {
    Simulation::new(Arc::new(patient), Settings::with_tissues(TissueModels::ALL))
}

/// The root of [`nerves`] is a rod along z at x = 11, y = 2, of radius 2.2 mm.
const ROOT: Label = Label::root(4, true);

/// A retractor's foot beside the root, on its outer side, which draws it to the middle by some millimetres at 10 mm/s and holds it there
/// for two seconds. The load at the end of each millimetre's hold, mN, and all events.
fn draw_aside(ways_mm: &[f64]) -> (Vec<u32>, Vec<Event>) {
    let mut sim = yielding(nerves(0.0));
    let (mut tick, mut loads, mut events) = (0, Vec::new(), Vec::new());
    // The foot's rods are 1.6 mm thick: it touches the root from outside.
    let touch = 11.0 + 2.2 + 1.5;
    let mut at = touch + 2.0;
    for way in ways_mm {
        let to = touch - way;
        for _ in 0..(((at - to) * 6.0) as u32 + 120) {
            tick += 1;
            at = (at - 1.0 / 6.0).max(to);
            // The foot lies along the root.
            let output = sim.step(Tick(tick), &[input(tick, ToolKind::Retractor, [at, 2.0, 0.0], 0)]);
            events.extend(output.events);
        }
        loads.push(sim.tool(UserId(1), Hand::Right).unwrap().neural_millinewton);
    }
    (loads, events)
}

/// Drawing a root aside takes about a third of a newton a millimetre, so that 3-5 mm, which a discectomy needs, stay well under the limit
/// of 3.5 N, and 12 mm do not.
#[test]
fn a_root_is_drawn_aside_by_a_third_of_a_newton_a_millimetre() {
    let (loads, events) = draw_aside(&[3.0, 5.0, 12.0]);
    assert!((700..1_300).contains(&loads[0]), "{loads:?}");
    assert!((1_200..2_100).contains(&loads[1]), "{loads:?}");
    assert!(loads[2] > 3_500, "{loads:?}");
    let high = events.iter().filter(|e| matches!(e, Event::RetractionHigh { structure, .. } if *structure == ROOT)).count();
    assert_eq!(high, 1, "{events:?}");
    assert!(!events.iter().any(|e| matches!(e, Event::NeuralTear { .. })), "a retractor's foot is broad");
}

/// The least distance of a tool's surface to a structure as it stands: a walk along every part in steps of 0.02 mm.
fn walked_mm(sim: &Simulation, structure: Label, tool: &ToolInput) -> f64 {
    let field = sim.fields().iter().find(|field| field.label == structure).unwrap();
    let now = sim.tissues().yielding(structure);
    let shape = Shape::new(tool.tool, tool.size_tenth_mm, sim.settings());
    let rotation = tool.pose.rotation().unwrap();
    let mut least = f64::INFINITY;
    for part in &shape.parts {
        let (a, b) = (place(&rotation, tool.pose.tip_mm(), part.a_mm), place(&rotation, tool.pose.tip_mm(), part.b_mm));
        let steps = (norm(sub(b, a)) / 0.02).ceil().max(1.0) as u32;
        for k in 0..=steps {
            let at = mix(a, b, f64::from(k) / f64::from(steps));
            let rest = now.as_ref().map_or(at, |now| (now.rest)(at));
            if let Some(distance) = field.distance_mm(sim.patient().grid(), rest) {
                least = least.min(distance - part.radius_mm);
            }
        }
    }
    least
}

/// With the sac dented by one hand and the root drawn aside by another, the alarm of every other tool in any pose is never less than what a
/// dense walk over the surfaces as they stand gives, and its distance is right to 0.2 mm. Against the surfaces at rest it would not be.
#[test]
fn the_alarm_measures_to_surfaces_as_they_stand() {
    let mut sim = yielding(nerves(0.0));
    let press = |tick: u32| {
        let t = f64::from(tick);
        let probe = input(tick, ToolKind::Probe, [0.0, SAC_RADIUS_MM + 3.0 - (0.1 * t).min(4.5), 0.0], 0);
        let aside = input(tick, ToolKind::Retractor, [16.7 - (0.1 * t).min(6.0), 2.0, 0.0], 0);
        [probe, ToolInput { hand: Hand::Left, ..aside }]
    };
    for tick in 1..=90 {
        sim.step(Tick(tick), &press(tick));
    }
    assert!(sim.awake_patches().count() >= 2);
    let settings = *sim.settings();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |span: f64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f64 / f64::from(1 << 24) - 0.5) * span
    };
    let (mut near, mut moved) = (0, 0);
    for (n, tool) in (0..40).flat_map(|n| ToolKind::ALL.into_iter().map(move |tool| (n, tool))) {
        // Above the sac or beside the root, a little turned.
        let from = if n % 2 == 0 { [2.0, SAC_RADIUS_MM + 1.5, 0.0] } else { [15.0, 4.0, 0.0] };
        let tip_um = from.map(|v| ((v + random(8.0)) * 1_000.0) as i32);
        let turn = [-23_170, random(12_000.0) as i16, random(12_000.0) as i16, 23_170];
        let tool = ToolInput { pose: Pose { tip_um, turn }, ..input(n, tool, [0.0; 3], 0) };
        let shape = Shape::new(tool.tool, tool.size_tenth_mm, &settings);
        let rotation = tool.pose.rotation().unwrap();
        let at_rest = sim.fields().distances_um(sim.patient().grid(), &shape, &rotation, tool.pose.tip_mm());
        let yielding = |structure| sim.tissues().yielding(structure);
        let grid = sim.patient().grid();
        let told = sim.fields().yielding_um(grid, &shape, &rotation, tool.pose.tip_mm(), at_rest.clone(), &yielding);
        for ((structure, distance), (_, rest)) in told.into_iter().zip(at_rest) {
            let walked = walked_mm(&sim, structure, &tool);
            let Some(um) = distance else {
                assert!(walked > sim.fields().look_mm() - 0.1, "{tool:?} is {walked} mm from {structure:?}");
                continue;
            };
            near += 1;
            moved += u32::from(rest.is_some_and(|rest| (rest - um).abs() > 500));
            let mm = f64::from(um) / 1_000.0;
            assert!((mm - walked).abs() <= 0.15, "{tool:?}: {mm} mm to {structure:?}, walked {walked}");
            let told = f64::from(crate::NeuralFields::told_um(um)) / 1_000.0;
            assert!(told <= walked + 0.01 || walked < -0.9, "{tool:?}: told {told} mm to {structure:?}, walked {walked}");
        }
    }
    assert!(near > 500 && moved > 50, "{near} distances, {moved} of them to surfaces that moved");
}

/// A tool that follows the sac as it is dented by another gets its level from where the sac is: over the dent, at a place that was caution at
/// rest, it is clear of danger, and when the sac comes back it is danger without the tool moving.
#[test]
fn levels_follow_the_surface() {
    let mut sim = yielding(nerves(0.0));
    let watch = SAC_RADIUS_MM + 1.5 + 1.2;
    let mut levels = Vec::new();
    for tick in 1..=300_u32 {
        // A broad dissector presses 4 mm beside the place, and lets go.
        let depth = if tick < 120 { (f64::from(tick) * 0.05).min(5.0) } else { -8.0 };
        let pressing = input(tick, ToolKind::Penfield, [0.0, SAC_RADIUS_MM + 0.6 - depth, 3.5], 0);
        let watching = ToolInput { hand: Hand::Left, ..input(tick, ToolKind::Probe, [0.0, watch, -1.0], 0) };
        sim.step(Tick(tick), &[pressing, watching]);
        levels.push(sim.tool(UserId(1), Hand::Left).unwrap().level);
    }
    assert_eq!(FROM_BEHIND, input(1, ToolKind::Probe, [0.0; 3], 0).pose.turn);
    assert_eq!((levels[1], levels[118], levels[299]), (AlarmLevel::Danger, AlarmLevel::Caution, AlarmLevel::Danger));
}
