//! The alarm: the four faults seen elsewhere, every tool, brute force, sound.

use std::sync::Arc;

use spinor_volume::{Grid, Label, Patient, SparseField, TissueClass, VoxelIndex};

use super::{Driver, input, room};
use crate::fixture::{PLATE_TOP_MM, SAC_RADIUS_MM, cylinder_mm, grid, plate_over_sac, structure};
use crate::pose::{place, um_from_mm};
use crate::tool::Shape;
use crate::vector::{add, scale, segment_distance, unit};
use crate::{AlarmLevel, Event, Hand, NeuralFields, Pose, Settings, Simulation, Tick, ToolInput, ToolKind, UserId, Warning};

/// A sac and a root beside it, no bone in the way.
pub(super) fn nerves(uncertainty_mm: f32) -> Patient {
    let grid = grid(0.4);
    let sac = structure(&grid, Label::DURAL_SAC, uncertainty_mm, |at| cylinder_mm(at, 0.0, 0.0, SAC_RADIUS_MM));
    let root = structure(&grid, Label::root(4, true), 0.0, |at| cylinder_mm(at, 11.0, 2.0, 2.2));
    Patient::new(grid, vec![sac, root], Default::default()).unwrap()
}

/// Fault 1: an approach without cutting is silent. Here a probe and a burr at rest, over intact bone, get their levels.
#[test]
fn fault_1_approach_without_cutting_alarms() {
    for tool in [ToolKind::Probe, ToolKind::FlutedBurr] {
        let mut driver = Driver::new(nerves(0.0), tool);
        let mut seen = Vec::new();
        for k in 0..100 {
            let output = driver.go([0.0, SAC_RADIUS_MM + 1.5 + 6.0 - 0.1 * f64::from(k), 0.0], 0);
            assert!(output.ops.is_empty());
            seen.extend(output.events.into_iter().filter_map(|e| match e {
                Event::Alarm { was, warning, .. } if warning.structure == Label::DURAL_SAC => Some((was, warning.level)),
                _ => None,
            }));
        }
        assert_eq!(seen, [(AlarmLevel::Clear, AlarmLevel::Caution), (AlarmLevel::Caution, AlarmLevel::Danger)], "{tool:?}");
    }
}

/// Fault 2: a negative distance maps to "safe". Here every place inside the sac is danger, its very middle too.
#[test]
fn fault_2_negative_distance_is_danger() {
    let mut driver = Driver::new(nerves(0.0), ToolKind::Probe);
    for k in 0..=12 {
        driver.go([0.0, SAC_RADIUS_MM - 0.5 * f64::from(k), 0.0], 0);
        let state = driver.state();
        assert_eq!(state.level, AlarmLevel::Danger, "{:?}", driver.at());
        let warning = state.warning.unwrap();
        assert!(warning.distance_um < 0 && warning.structure == Label::DURAL_SAC, "{warning:?}");
    }
    // The ball of 3 mm at the axis: 6 mm to the wall and 1.5 mm of radius.
    assert!((driver.state().nearest.unwrap().distance_um + 7_500).abs() < 400, "{:?}", driver.state().nearest);
}

/// Fault 3: the running minimum depends on the order of visits. Here structures given in any order, and tools in any order, give the
/// same distances, levels and warnings.
#[test]
fn fault_3_result_does_not_depend_on_any_order() {
    let sides = |reverse: bool| {
        let patient = nerves(0.5);
        let mut structures = patient.structures().to_vec();
        if reverse {
            structures.reverse();
        }
        room(Patient::new(*patient.grid(), structures, Default::default()).unwrap())
    };
    let tool = |user: u32, at: [f64; 3]| ToolInput { user: UserId(user), ..input(1, ToolKind::Probe, at, 0) };
    let inputs = [tool(1, [8.0, 6.0, 0.0]), tool(2, [0.0, 9.0, 0.0]), tool(3, [12.0, 6.0, 3.0])];
    let turned: Vec<ToolInput> = inputs.iter().rev().copied().collect();
    let (mut one, mut two) = (sides(false), sides(true));
    assert_eq!(one.step(Tick(1), &inputs), two.step(Tick(1), &turned));
    assert!(one.tools().eq(two.tools()));
    // Every one of them is near something, and the tool between both structures names the one that it is deeper in the band of.
    assert!(one.tools().all(|t| t.warning.is_some()));
}

/// Fault 4: the banner names another threshold than the one in force. Here its text has the threshold that made the level, widened by
/// the structure's own uncertainty, before and after the thresholds are changed.
#[test]
fn fault_4_banner_names_the_threshold_in_force() {
    let mut driver = Driver::new(nerves(0.7), ToolKind::Probe);
    let check = |warning: Warning, base_mm: f64, widened: f64| {
        let threshold = f64::from(warning.threshold_um) / 1_000.0;
        assert!((threshold - base_mm - widened).abs() < 1e-3, "{warning:?}");
        assert!(warning.distance_um < warning.threshold_um);
        let text = warning.to_string();
        assert!(text.contains(&format!("threshold {threshold:.1} mm")) && text.contains(&warning.structure.name()), "{text}");
        assert!(text.starts_with(warning.level.word()), "{text}");
    };
    // 4.5 mm is beyond 4 mm, but not beyond 4 mm and the uncertainty.
    driver.go([-0.5, SAC_RADIUS_MM + 1.5 + 4.5, 0.0], 0);
    check(driver.state().warning.unwrap(), 4.0, 0.7);
    driver.go([-0.5, SAC_RADIUS_MM + 1.5 + 2.5, 0.0], 0);
    assert_eq!(driver.state().level, AlarmLevel::Danger);
    check(driver.state().warning.unwrap(), 2.0, 0.7);
    driver.sim.set_thresholds(6.0, 1.0);
    driver.go([-0.5, SAC_RADIUS_MM + 1.5 + 2.5, 0.0], 0);
    check(driver.state().warning.unwrap(), 6.0, 0.7);
    // The root has no uncertainty: its own threshold counts for it.
    driver.go([11.0 + 2.2 + 1.5 + 0.5, 2.0, 0.0], 0);
    assert_eq!(driver.state().warning.unwrap().structure, Label::root(4, true));
    check(driver.state().warning.unwrap(), 1.0, 0.0);
}

/// A server builds wider distances beside the tick, which stood still for seconds: what it then sets is what would have been built within.
#[test]
fn distances_built_elsewhere_are_those_built_within() {
    let (mut within, mut beside) = (Driver::new(nerves(0.7), ToolKind::Probe), Driver::new(nerves(0.7), ToolKind::Probe));
    assert!(beside.sim.widened(3.0, 1.0).is_none(), "narrower thresholds need no new distances");
    let settings = beside.sim.widened(7.0, 3.0).unwrap();
    let fields = NeuralFields::build(beside.sim.patient(), &settings);
    within.sim.set_thresholds(7.0, 3.0);
    beside.sim.set_thresholds_with(7.0, 3.0, fields);
    assert!(beside.sim.widened(7.0, 3.0).is_none());
    for driver in [&mut within, &mut beside] {
        driver.go([-0.5, SAC_RADIUS_MM + 1.5 + 6.5, 0.0], 0);
        assert!(driver.state().warning.is_some(), "an alarm at 6.5 mm needs distances that reach there");
    }
    assert_eq!(within.state(), beside.state());
}

/// Every tool alarms, by its tip and by its shaft, also when nothing was sent in the tick.
#[test]
fn every_tool_alarms_by_tip_and_shaft() {
    for tool in ToolKind::ALL {
        let mut driver = Driver::new(nerves(0.0), tool);
        driver.go([0.0, SAC_RADIUS_MM + 1.9, 0.0], 0);
        assert_eq!(driver.state().level, AlarmLevel::Danger, "{tool:?} tip");
        // The tip is far beyond the sac, the shaft lies along its side.
        driver.go([-7.9, -13.0, 0.0], 0);
        assert_eq!(driver.state().level, AlarmLevel::Danger, "{tool:?} shaft");
        driver.sim.step(Tick(99), &[]);
        assert_eq!(driver.state().level, AlarmLevel::Danger, "{tool:?} at rest");
    }
}

/// Points where the stored field crosses zero on the lattice's edges: the vertices of a surface mesh, found without any query code.
fn vertices(grid: &Grid, field: &SparseField) -> Vec<[f64; 3]> {
    let mut points = Vec::new();
    for voxel in crate::fixture::voxels_of(grid) {
        let here = f64::from(field.sample(grid, voxel)) + 0.5;
        for k in 0..3 {
            let mut next = voxel.0;
            next[k] += 1;
            let there = f64::from(field.sample(grid, VoxelIndex(next))) + 0.5;
            if (here < 0.0) != (there < 0.0) && next[k] < grid.voxels()[k] {
                let mut index = voxel.0.map(f64::from);
                index[k] += here / (here - there);
                points.push(grid.patient_from_index(index));
            }
        }
    }
    points
}

/// The alarm's distance equals the least distance from the tool's parts to all vertices of the structures' surfaces, to 0.2 mm, for all
/// tools in many poses.
#[test]
fn alarm_distance_equals_brute_force_on_mesh_vertices() {
    let patient = Arc::new(nerves(0.0));
    let meshes: Vec<Vec<[f64; 3]>> = patient.structures().iter().map(|s| vertices(patient.grid(), &s.sdf)).collect();
    // The meshes are those of surfaces at rest.
    let mut settings = Settings::default();
    settings.tissue.yields = false;
    let mut sim = Simulation::new(Arc::clone(&patient), settings);
    let (mut worst, mut seen) = (0.0_f64, 0);
    for k in 0..120_u32 {
        let tool = ToolKind::ALL[k as usize % ToolKind::ALL.len()];
        // A spread of places around the nerves and of turns, shafts pointing in and out.
        let spread = |n: u32, span: f64| (f64::from(k * n % 97) / 96.0 - 0.5) * span;
        let tip = [5.0 + spread(31, 24.0), 2.0 + spread(57, 24.0), spread(13, 10.0)];
        let turn = [spread(11, 60_000.0), spread(23, 60_000.0), spread(41, 60_000.0), 15_000.0].map(|v| v as i16);
        let one = ToolInput { pose: Pose { tip_um: um_from_mm(tip), turn }, ..input(k + 1, tool, tip, 0) };
        sim.step(Tick(k), &[one]);
        let state = *sim.tool(UserId(1), Hand::Right).unwrap();
        let rotation = one.pose.rotation().unwrap();
        let shape = Shape::new(tool, 30, sim.settings());
        let brute = meshes.iter().flatten().map(|vertex| {
            let distance = |p: &crate::tool::Part| {
                let ends = [place(&rotation, state.proxy.tip_mm(), p.a_mm), place(&rotation, state.proxy.tip_mm(), p.b_mm)];
                segment_distance(*vertex, ends[0], ends[1]) - p.radius_mm
            };
            shape.parts.iter().map(distance).fold(f64::INFINITY, f64::min)
        });
        let brute = brute.fold(f64::INFINITY, f64::min);
        // Outside only: inside a structure the distance to vertices has no sign, and the surface ends with the grid.
        let Some(nearest) = state.nearest.filter(|n| n.distance_um > 0 && n.distance_um < 6_000) else { continue };
        worst = worst.max((f64::from(nearest.distance_um) / 1_000.0 - brute).abs());
        seen += 1;
    }
    assert!(seen > 30 && worst <= 0.2, "{seen} poses, worst {worst} mm");
}

/// A blunt tool at rest is shown, not heard; a spinning burr is heard, and so is a blunt tool that comes fast.
#[test]
fn sound_is_for_powered_and_fast_tools() {
    let mut driver = Driver::new(nerves(0.0), ToolKind::Probe);
    for k in 0..58 {
        driver.go([0.0, SAC_RADIUS_MM + 6.5 - 0.05 * f64::from(k), 0.0], 0);
        assert!(!driver.state().sounding);
    }
    assert_eq!(driver.state().level, AlarmLevel::Caution);
    // 0.8 mm in a tick is 48 mm/s.
    driver.go([0.0, SAC_RADIUS_MM + 2.7, 0.0], 0);
    assert!(driver.state().sounding);
    for _ in 0..20 {
        driver.go([0.0, SAC_RADIUS_MM + 2.7, 0.0], 0);
    }
    assert!(!driver.state().sounding);
    let mut driver = Driver::new(nerves(0.0), ToolKind::DiamondBurr);
    for trigger in [0, 200] {
        driver.go([0.0, SAC_RADIUS_MM + 4.5, 0.0], trigger);
    }
    assert!(driver.state().sounding);
    let mut driver = Driver::new(nerves(0.0), ToolKind::DiamondBurr);
    driver.go([0.0, 30.0, 0.0], 200);
    assert!(!driver.state().sounding, "a burr that spins far away is not heard");
}

/// A hand that trembles on a threshold does not make the level flicker.
#[test]
fn levels_have_hysteresis() {
    let mut driver = Driver::new(nerves(0.0), ToolKind::Probe);
    let mut changes = 0;
    for k in 0..100 {
        let tremor = if k % 2 == 0 { 0.1 } else { -0.1 };
        let output = driver.go([0.0, SAC_RADIUS_MM + 1.5 + 2.0 + tremor, 0.0], 0);
        changes += output
            .events
            .iter()
            .filter(|e| matches!(e, Event::Alarm { warning, .. } if warning.structure == Label::DURAL_SAC))
            .count();
    }
    assert!(changes <= 2, "{changes}");
}

/// The distance is measured from where the tool is, not from where the hand is: under intact bone a hand sets off nothing.
#[test]
fn distance_is_measured_from_the_stopped_tool() {
    let mut driver = Driver::new(plate_over_sac(0.4, 4.0), ToolKind::Probe);
    for k in 0..80 {
        driver.go([0.0, PLATE_TOP_MM + 4.0 - 0.2 * f64::from(k), 0.0], 0);
    }
    let expected = PLATE_TOP_MM - SAC_RADIUS_MM;
    assert_eq!(driver.state().level, AlarmLevel::Clear);
    assert!(driver.state().nearest.is_none_or(|n| (f64::from(n.distance_um) / 1_000.0 - expected).abs() < 0.3));
}

/// A contact with the sac begins and ends once, with its depth and time; a tool put down ends its contacts.
#[test]
fn contacts_have_start_depth_and_end() {
    let grid = grid(0.4);
    let sac = structure(&grid, Label::DURAL_SAC, 0.0, |at| cylinder_mm(at, 0.0, 0.0, SAC_RADIUS_MM));
    let mut driver = Driver::new(Patient::new(grid, vec![sac], Default::default()).unwrap(), ToolKind::Probe);
    let mut events = Vec::new();
    let beside = |depth: f64| [SAC_RADIUS_MM + 1.5 - depth, 0.0, 0.0];
    for depth in [-3.0, -1.0, 0.4, 1.2, 0.4, -1.0, 0.3] {
        events.extend(driver.go(beside(depth), 0).events);
    }
    driver.sim.remove_tool(UserId(1), Hand::Right);
    events.extend(driver.sim.step(Tick(50), &[]).events);
    let touches = events.iter().filter(|e| matches!(e, Event::NeuralTouch { .. })).count();
    let leaves: Vec<(u32, i32)> = events
        .iter()
        .filter_map(|e| match e {
            Event::NeuralLeave { ticks, deepest_um, .. } => Some((*ticks, *deepest_um)),
            _ => None,
        })
        .collect();
    assert_eq!((touches, leaves.len()), (2, 2), "{events:?}");
    assert_eq!(leaves[0].0, 3);
    assert!(driver.sim.tools().next().is_none());
    let neural = driver.sim.patient().structures().iter().filter(|s| s.class == TissueClass::Neural).count();
    assert_eq!(neural, 1);
}

/// Proves that nowhere within a distance is in a nerve that is said not to reach so far: near it, far off, and beyond what the fields know.
#[test]
fn what_a_nerve_does_not_reach_is_outside_it() {
    let patient = nerves(0.0);
    let (grid, fields) = (patient.grid(), NeuralFields::build(&patient, &Settings::default()));
    let spread = |n: u32, k: u32, span: f64| (f64::from(n.wrapping_mul(k) % 9_973) / 9_973.0 - 0.5) * span;
    let (mut told, mut beyond) = (0, 0);
    for n in 0..900 {
        let centre = [spread(n, 7_919, 60.0), spread(n, 6_101, 50.0), spread(n, 3_571, 60.0)];
        for (around_mm, neural) in [0.4, 3.0, 6.0, 30.0].into_iter().flat_map(|mm| fields.iter().map(move |neural| (mm, neural)))
        {
            if neural.may_reach(grid, centre, around_mm) {
                beyond += u32::from(neural.distance_mm(grid, centre).is_none());
                continue;
            }
            told += 1;
            for m in 0..60 {
                let way = [spread(m, 4_409, 2.0), spread(m, 8_081, 2.0), spread(m, 5_923, 2.0)];
                let Some(way) = unit(way) else { continue };
                let at = add(centre, scale(way, around_mm * if m % 3 == 0 { 0.5 } else { 1.0 }));
                let distance_mm = neural.distance_mm(grid, at);
                assert!(distance_mm.is_none_or(|mm| mm >= 0.0), "{centre:?}, {around_mm} mm around: {distance_mm:?} at {at:?}");
            }
        }
    }
    assert!(told > 1_000 && beyond > 100, "{told} {beyond}");
}
