//! Dura and roots that give way: an alarm that measures to surfaces as they stand.

use std::sync::Arc;

use spinor_volume::mesh::{BrickMesh, Mesher, surface_bricks};
use spinor_volume::{Label, Patient};

use super::alarm::nerves;
use super::input;
use crate::fixture::SAC_RADIUS_MM;
use crate::pose::place;
use crate::tool::Shape;
use crate::vector::{add, scale, segment_distance};
use crate::{AlarmLevel, Event, Hand, Pose, Settings, Simulation, Tick, TissueModels, ToolInput, ToolKind, UserId};

fn yielding(patient: Patient) -> Simulation {
    Simulation::new(Arc::new(patient), Settings::with_tissues(TissueModels::ALL))
}

/// A structure's surface as it stands, as points 0.2 mm apart: its triangles at rest, each vertex displaced, divided.
fn cloud(sim: &Simulation, structure: Label) -> Vec<[f64; 3]> {
    let patient = sim.patient();
    let place = patient.structures().iter().position(|s| s.label == structure).unwrap();
    let (mut mesher, mut mesh, mut points) = (Mesher::new(), BrickMesh::default(), Vec::new());
    for brick in surface_bricks(patient, None, place) {
        mesher.mesh(patient, None, place, brick, &mut mesh);
        let at = |n: u16| {
            let rest = BrickMesh::position_mm(patient.grid(), brick, mesh.positions[usize::from(n)]);
            add(rest, sim.displacement_at(structure, rest))
        };
        for [a, b, c] in mesh.triangles.iter().map(|corners| corners.map(at)) {
            for (k, j) in (0..=2).flat_map(|k| (0..=2 - k).map(move |j| (f64::from(k) / 2.0, f64::from(j) / 2.0))) {
                points.push(add(add(scale(a, 1.0 - k - j), scale(b, k)), scale(c, j)));
            }
        }
    }
    points
}

/// With the sac dented by one hand and the root drawn aside by another, the alarm's distance of every tool in any pose is that to the
/// surfaces as they stand, to 0.2 mm, and what is told is never more than that. To the surfaces at rest it would be off by millimetres.
#[test]
fn the_alarm_measures_to_surfaces_as_they_stand() {
    let mut sim = yielding(nerves(0.0));
    let press = |tick: u32| {
        let t = f64::from(tick);
        let probe = input(tick, ToolKind::Probe, [0.0, SAC_RADIUS_MM + 3.0 - (0.1 * t).min(4.5), 0.0], 0);
        let aside = input(tick, ToolKind::Retractor, [16.7 - (0.1 * t).min(6.0), 2.8, 0.0], 0);
        [probe, ToolInput { hand: Hand::Left, ..aside }]
    };
    for tick in 1..=90 {
        sim.step(Tick(tick), &press(tick));
    }
    assert!(sim.awake_patches().count() >= 2);
    let clouds = [Label::DURAL_SAC, Label::root(4, true)].map(|structure| (structure, cloud(&sim, structure)));
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |span: f64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f64 / f64::from(1 << 24) - 0.5) * span
    };
    let (mut near, mut moved) = (0, 0);
    for (n, tool) in (0..20).flat_map(|n| ToolKind::ALL.into_iter().map(move |tool| (n, tool))) {
        // Above the sac, between it and the root, or beside the root; a little turned.
        let from = [[1.0, SAC_RADIUS_MM + 2.5, 0.0], [7.0, 5.0, 0.0], [13.0, 5.0, 0.0]][n as usize % 3];
        let tip_um = from.map(|v| ((v + random(6.0)) * 1_000.0) as i32);
        let turn = [-23_170, random(12_000.0) as i16, random(12_000.0) as i16, 23_170];
        let tool = ToolInput { pose: Pose { tip_um, turn }, ..input(n, tool, [0.0; 3], 0) };
        let shape = Shape::new(tool.tool, tool.size_tenth_mm, sim.settings());
        let rotation = tool.pose.rotation().unwrap();
        let tip = tool.pose.tip_mm();
        let at_rest = sim.fields().distances_um(sim.patient().grid(), &shape, &rotation, tip);
        let stand = |structure| sim.tissues().stand(structure);
        let told = sim.fields().yielding_um(&shape, &rotation, tip, at_rest.clone(), &stand);
        for ((structure, cloud), ((label, distance), (_, rest))) in clouds.iter().zip(told.into_iter().zip(at_rest)) {
            assert_eq!(*structure, label);
            let mut truth = f64::INFINITY;
            for part in &shape.parts {
                let (a, b) = (place(&rotation, tip, part.a_mm), place(&rotation, tip, part.b_mm));
                let axis = cloud.iter().map(|at| segment_distance(*at, a, b)).fold(f64::INFINITY, f64::min);
                truth = truth.min(axis - part.radius_mm);
            }
            let Some(um) = distance else {
                assert!(truth > sim.fields().look_mm() - 0.1, "{tool:?} is {truth} mm from {structure:?}");
                continue;
            };
            let mm = f64::from(um) / 1_000.0;
            if truth < 0.0 {
                // The cloud does not tell how deep an axis is that crosses the surface.
                assert!(mm < 0.1, "{tool:?}: {mm} mm to {structure:?}, in it");
                continue;
            }
            near += 1;
            moved += u32::from(rest.is_none_or(|rest| (rest - um).abs() > 1_000));
            let told = f64::from(crate::NeuralFields::told_um(um)) / 1_000.0;
            assert!((mm - truth).abs() <= 0.2 && told <= truth + 0.02, "{tool:?}: {mm} mm to {structure:?}, not {truth}");
        }
    }
    assert!(near > 200 && moved > 30, "{near} distances, {moved} of them to surfaces that moved");
}

/// A tool gets its level from where the sac is: over a dent that another presses, at a place that was danger at rest, it is not, and when
/// the sac comes back it is danger again without the tool moving.
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
    assert_eq!((levels[1], levels[299]), (AlarmLevel::Danger, AlarmLevel::Danger));
    assert!(levels[118] < AlarmLevel::Danger, "{:?}", levels[118]);
}

/// A retractor of 3 mm whose foot lies along a root of 4.4 mm draws it aside at 10 mm/s and holds it for a second and a half. The loads of
/// the holds are those that the settings promise, under the limit; nothing tears; and put down, it lets the root go back to where it was.
#[test]
fn a_root_is_drawn_aside_under_the_limit() {
    let root = Label::root(4, true);
    let mut sim = yielding(nerves(0.0));
    let (mut tick, mut loads, mut events) = (0, Vec::new(), Vec::new());
    let touch = 11.0 + 2.2 + 1.5;
    let mut at: f64 = touch + 1.0;
    for way in [3.0, 5.0] {
        for _ in 0..(((at - touch + way) * 6.0) as u32 + 90) {
            tick += 1;
            at = (at - 1.0 / 6.0).max(touch - way);
            events.extend(sim.step(Tick(tick), &[input(tick, ToolKind::Retractor, [at, 2.8, 0.0], 0)]).events);
        }
        loads.push(sim.tool(UserId(1), Hand::Right).unwrap().neural_millinewton);
    }
    assert!((800..1_100).contains(&loads[0]) && (1_250..1_700).contains(&loads[1]), "{loads:?} mN");
    let moved = sim.displacement_at(root, [11.0 + 2.2, 2.0, -4.0]);
    assert!((-6.0..-3.0).contains(&moved[0]), "{moved:?}");
    sim.remove_tool(UserId(1), Hand::Right);
    for _ in 0..240 {
        tick += 1;
        events.extend(sim.step(Tick(tick), &[]).events);
    }
    assert_eq!(sim.awake_patches().count(), 0);
    let kinds = |of: fn(&Event) -> bool| events.iter().filter(|e| of(e)).count();
    assert_eq!(kinds(|e| matches!(e, Event::RetractionHigh { .. } | Event::NeuralTear { .. })), 0);
    assert_eq!(
        kinds(|e| matches!(e, Event::Retraction { impulse_millinewton_seconds, .. } if *impulse_millinewton_seconds > 1_000)),
        1
    );
}
