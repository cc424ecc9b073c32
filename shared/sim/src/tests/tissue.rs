//! What tissues do: pieces come loose and are taken out, a thin pars breaks, dura yields, is loaded and tears, the disc's nucleus is
//! guarded by its annulus, the field is veiled; and all of it the same in every run.

use spinor_volume::{ClassMask, CutOp, Label, Patient, TissueClass};

use super::{Driver, FROM_BEHIND, input};
use crate::fixture::{PLATE_TOP_MM, SAC_RADIUS_MM, plate_of, plate_over_sac};
use crate::tissue::{DiscShape, DiscZone};
use crate::{
    Event, Hand, Pose, ResolvedOp, Settings, Simulation, Standing, StepOutput, TearSize, Tick, ToolInput, ToolKind, UserId,
    small_spine,
};

const AXES: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// A room in which tissues answer, and dura and roots stand still.
fn answering(patient: Patient, tool: ToolKind) -> Driver {
    let mut settings = Settings::default();
    (settings.tissue.answers, settings.tissue.yields) = (true, false);
    Driver { sim: Simulation::new(std::sync::Arc::new(patient), settings), tick: 0, tool }
}

fn spine() -> Patient {
    small_spine::patient(0.4).unwrap()
}

/// Takes boxes out of some class as an osteotome would, without a tool's model.
fn saw(driver: &mut Driver, class: TissueClass, boxes: &[([f64; 3], [f64; 3])]) -> Vec<ResolvedOp> {
    let grid = *driver.sim.patient().grid();
    let mut ops = Vec::new();
    for (low, high) in boxes {
        // An operation's box is at most 64 voxels long: larger ones are cut up.
        let parts = [0, 1, 2].map(|k| ((high[k] - low[k]) / 20.0).ceil() as i32);
        for n in 0..parts.iter().product::<i32>() {
            let part = [n % parts[0], n / parts[0] % parts[1], n / (parts[0] * parts[1])];
            // Parts overlap, or a ghost of their joint would stop tools: the distances in a cut are those to the nearest of its strokes.
            let end = |k: usize, n: i32| low[k] + (high[k] - low[k]) * f64::from(n) / f64::from(parts[k]);
            let from = [0, 1, 2].map(|k| end(k, part[k]) - if part[k] > 0 { 2.3 } else { 0.1 });
            let to = [0, 1, 2].map(|k| end(k, part[k] + 1) + if part[k] + 1 < parts[k] { 2.3 } else { 0.1 });
            let centre = [0, 1, 2].map(|k| (from[k] + to[k]) / 2.0);
            let half = [0, 1, 2].map(|k| (to[k] - from[k]) / 2.0);
            let op = CutOp::box_mm(&grid, centre, half, AXES, 0.0, ClassMask::of(&[class])).unwrap();
            ops.push(ResolvedOp { user: UserId(1), hand: Hand::Right, tool: ToolKind::Osteotome, input_seq: 0, op });
        }
    }
    driver.sim.apply_ops(&ops).unwrap();
    ops
}

/// A slab of the plate sawn off is one fragment of its volume; a pituitary rongeur closes on it, carries it and takes it out. Whatever
/// is smaller than dust vanishes without a fragment.
#[test]
fn a_sawn_block_is_taken_out() {
    let mut driver = answering(plate_over_sac(0.4, 4.0), ToolKind::Pituitary);
    driver.go([12.0, PLATE_TOP_MM + 3.0, 0.0], 0);
    saw(&mut driver, TissueClass::Bone, &[([9.0, 5.0, -20.0], [10.0, 25.0, 20.0]), ([-17.5, 5.0, -20.0], [-17.0, 25.0, 20.0])]);
    let out = driver.go([12.0, PLATE_TOP_MM + 3.0, 0.0], 0);
    let detached: Vec<(u32, i64)> = out
        .events
        .iter()
        .filter_map(|e| if let Event::Detached { fragment, occupancy, .. } = e { Some((*fragment, *occupancy)) } else { None })
        .collect();
    assert_eq!(detached.len(), 2, "{:?}", out.events);
    assert_eq!(out.tissue.detached.len(), 2);
    let block = driver.sim.fragments().find(|f| f.state.at_um[0] > 12_000).unwrap().state;
    let mm3 = block.occupancy as f64 / 32.0 * 0.064;
    // The plate is as long as the grid: five bricks, 32 mm.
    assert!((mm3 / (7.9 * 4.0 * 32.0) - 1.0).abs() < 0.06, "{mm3} mm3");
    let at = block.at_um.map(|v| f64::from(v) / 1_000.0);
    assert_eq!(driver.sim.grasp_at(at), Some(block.id));
    assert_eq!(driver.sim.grasp_at([0.0, 30.0, 0.0]), None);
    // The jaw's middle lies up the shaft, so the tip goes a little deeper: closing there holds the block.
    driver.go([at[0], at[1] - 2.0, at[2]], 0);
    driver.go([at[0], at[1] - 2.0, at[2]], 255);
    assert!(driver.sim.fragments().any(|f| f.state.id == block.id && f.state.held.is_some()));
    let mut taken = Vec::new();
    for k in 1..40 {
        let out = driver.go([at[0], at[1] - 2.0 + f64::from(k), at[2]], 255);
        taken.extend(out.events.into_iter().filter(|e| matches!(e, Event::FragmentTaken { .. })));
    }
    assert!(
        matches!(taken[..], [Event::FragmentTaken { fragment, structure: Label(44), .. }] if fragment == block.id.0),
        "{taken:?}"
    );
    assert!(driver.sim.fragments().all(|f| f.state.id != block.id));
    // A corner of less than 2 mm³ is dust.
    saw(&mut driver, TissueClass::Bone, &[([7.0, 15.0, -1.0], [7.6, 17.0, 1.0]), ([7.6, 15.0, -1.0], [9.1, 17.0, -0.4])]);
    saw(&mut driver, TissueClass::Bone, &[([7.6, 15.0, 0.4], [9.1, 17.0, 1.0]), ([7.6, 14.4, -1.0], [9.1, 15.0, 1.0])]);
    let out = driver.go([0.0, PLATE_TOP_MM + 30.0, 0.0], 0);
    assert!(out.tissue.detached.iter().all(|d| d.fragment.is_none()) && out.tissue.detached.len() == 1, "{:?}", out.events);
}

/// What a jaw holds falls when its hand takes another tool, with jaws or without; who comes back with a closed jaw holds nothing.
#[test]
fn an_exchanged_tool_lets_go() {
    for other in [ToolKind::FlutedBurr, ToolKind::Leksell] {
        let mut driver = answering(plate_over_sac(0.4, 4.0), ToolKind::Pituitary);
        driver.go([12.0, PLATE_TOP_MM + 3.0, 0.0], 0);
        saw(&mut driver, TissueClass::Bone, &[([9.0, 5.0, -20.0], [10.0, 25.0, 20.0])]);
        driver.go([12.0, PLATE_TOP_MM + 3.0, 0.0], 0);
        let at = driver.sim.fragments().next().unwrap().state.at_um.map(|v| f64::from(v) / 1_000.0);
        for (up, trigger) in [(0.0, 0), (0.0, 255), (5.0, 255)] {
            driver.go([at[0], at[1] - 2.0 + up, at[2]], trigger);
        }
        let piece = |driver: &Driver| driver.sim.fragments().next().unwrap().state;
        let carried = piece(&driver);
        assert!(carried.held.is_some());
        driver.tool = other;
        let told = driver.go([at[0] + 20.0, at[1] + 20.0, at[2]], 255).tissue.fragments;
        assert!(told.iter().any(|state| state.id == carried.id && state.held.is_none()), "{other:?}: {told:?}");
        driver.tool = ToolKind::Pituitary;
        (0..3).for_each(|_| _ = driver.go([at[0] + 20.0, at[1] + 20.0, at[2]], 255));
        assert_eq!((piece(&driver).at_um, piece(&driver).held), (carried.at_um, None), "{other:?}");
    }
}

/// Replaying operations and stamps alone gives the digest of the simulation.
#[test]
fn stamps_replay_without_the_simulation() {
    let mut driver = answering(plate_of(0.4, 1.2, 100, 0.0), ToolKind::FlutedBurr);
    let mut replayed = spinor_volume::CutState::new(driver.sim.patient().grid());
    let patient = driver.sim.patient().clone();
    driver.go([12.0, PLATE_TOP_MM + 3.0, 2.0], 0);
    // A kerf along z and a burr's groove across, both right through: the corner falls off.
    for op in saw(&mut driver, TissueClass::Bone, &[([11.0, 10.0, -20.0], [13.0, 20.0, 2.0])]) {
        replayed.apply(&patient, &op.op);
    }
    let mut stamps = 0;
    for k in 0..900 {
        // A hand that goes no faster than the burr cuts.
        let out = driver.go([(driver.at()[0] + 0.2).min(21.0), PLATE_TOP_MM - 0.2, 2.0], 255);
        for op in &out.ops {
            replayed.apply(&patient, &op.op);
        }
        for detached in &out.tissue.detached {
            stamps += 1;
            replayed.stamp(&patient, &detached.stamp);
        }
        assert_eq!(replayed.digest(), driver.sim.cut().digest(), "tick {k}");
        if stamps > 0 {
            break;
        }
    }
    assert!(stamps > 0, "the burr ended at {:?}", driver.at());
}

/// What stands after a rewind is folded from the outputs: fragments where they lay, let go, numbered on; and two rooms that go on from it
/// go on alike.
#[test]
fn fragments_outlast_a_rewind() {
    let mut driver = answering(plate_over_sac(0.4, 4.0), ToolKind::Pituitary);
    let mut standing = Standing::default();
    driver.go([12.0, PLATE_TOP_MM + 3.0, 0.0], 0);
    saw(&mut driver, TissueClass::Bone, &[([9.0, 5.0, -20.0], [10.0, 25.0, 20.0])]);
    standing.take(&driver.go([12.0, PLATE_TOP_MM + 3.0, 0.0], 0).tissue);
    let at = driver.sim.fragments().next().unwrap().state.at_um.map(|v| f64::from(v) / 1_000.0);
    for (k, trigger) in [(0, 0), (0, 255), (5, 255)] {
        standing.take(&driver.go([at[0], at[1] - 2.0 + f64::from(k), at[2]], trigger).tissue);
    }
    let held = driver.sim.fragments().next().unwrap().clone();
    assert!(held.state.held.is_some() && held.state.at_um != held.state.rest_um);
    assert!(standing.fragments().eq(driver.sim.fragments()));
    let go_on = || {
        let mut sim = Simulation::with_fields(driver.sim.patient().clone(), driver.sim.fields().clone(), *driver.sim.settings());
        sim.restore_with(driver.sim.cut().clone(), &standing);
        Driver { sim, tick: 0, tool: ToolKind::Pituitary }
    };
    let (mut one, mut two) = (go_on(), go_on());
    let lies: Vec<_> = one.sim.fragments().cloned().collect();
    assert_eq!(lies.len(), 1);
    assert_eq!((lies[0].state.at_um, lies[0].state.held), (held.state.at_um, None));
    assert_eq!(lies[0].shape, held.shape);
    // Another piece gets the next number.
    for driver in [&mut one, &mut two] {
        driver.go([0.0, PLATE_TOP_MM + 9.0, 0.0], 0);
        saw(driver, TissueClass::Bone, &[([-10.0, 5.0, -20.0], [-9.0, 25.0, 20.0])]);
        driver.go([0.0, PLATE_TOP_MM + 9.0, 0.0], 0);
        assert_eq!(driver.sim.fragments().map(|f| f.state.id.0).collect::<Vec<_>>(), [1, 2]);
    }
    assert_eq!(one.sim.digest(), two.sim.digest());
    assert_ne!(one.sim.digest(), one.sim.cut().digest());
}

/// Bone of 7 mm² and a loaded burr beside it: the pars of that side breaks, and the process below it is a fragment; an untouched side
/// does not, and neither does an unloaded one.
#[test]
fn a_thin_pars_breaks_under_load() {
    let mut driver = answering(spine(), ToolKind::Probe);
    let upper = Label::lumbar(4);
    driver.go([16.0, 60.0, 10.0], 0);
    // Lamina gone in the middle, and of the left isthmus all but 2 × 3.5 mm.
    saw(&mut driver, TissueClass::Bone, &[([-12.5, 25.0, -12.0], [13.0, 65.0, 26.0]), ([10.0, 25.0, 8.0], [17.0, 40.0, 12.0])]);
    saw(&mut driver, TissueClass::Bone, &[([16.0, 33.0, 8.0], [24.0, 42.0, 12.0])]);
    let out = driver.go([16.0, 60.0, 10.0], 0);
    let whole = driver.sim.pars_mm2(upper, false).unwrap();
    let thin = driver.sim.pars_mm2(upper, true).unwrap();
    assert!(whole > 25.0 && (2.0..12.0).contains(&thin), "{whole} and {thin} mm2");
    assert!(!out.events.iter().any(|e| matches!(e, Event::ParsFracture { .. })), "nothing loads it");
    // The probe presses on the bone behind the pars.
    let mut events = Vec::new();
    for k in 0..40 {
        events.extend(driver.go([16.0, 42.0 - f64::from(k) * 0.3, 18.0], 0).events);
    }
    let fractures: Vec<&Event> = events.iter().filter(|e| matches!(e, Event::ParsFracture { .. })).collect();
    assert!(matches!(fractures[..], [Event::ParsFracture { structure, left: true, .. }] if *structure == upper), "{fractures:?}");
    let process = events.iter().find_map(|e| if let Event::Detached { fragment, .. } = e { Some(*fragment) } else { None });
    let fragment = driver.sim.fragments().find(|f| Some(f.state.id.0) == process).expect("the process is loose");
    let at = fragment.state.at_um;
    assert!(at[0] > 12_000 && at[2] < 10_000, "{at:?}");
}

/// A room in which dura and roots give way.
fn yielding(patient: Patient, tool: ToolKind) -> Driver {
    let mut settings = Settings::default();
    (settings.tissue.answers, settings.tissue.yields) = (true, true);
    Driver { sim: Simulation::new(std::sync::Arc::new(patient), settings), tick: 0, tool }
}

/// A probe that presses the sac dents it: the surface stays at the ball, the load grows with the depth to a few tenths of a newton, and
/// when the probe leaves the sac goes back and sleeps, with the digest of a room that nobody touched.
#[test]
fn the_sac_yields_and_comes_back() {
    let mut driver = yielding(plate_over_sac(0.4, 1.0), ToolKind::Probe);
    driver.go([0.0, PLATE_TOP_MM + 6.0, 0.0], 0);
    saw(&mut driver, TissueClass::Bone, &[([-20.0, 5.0, -20.0], [20.0, 25.0, 20.0])]);
    for k in 0..20 {
        driver.go([0.0, PLATE_TOP_MM + 6.0 - f64::from(k) * 0.65, 0.0], 0);
    }
    // A room with the same cuts in which nobody touches the sac.
    let mut twin = driver.sim.clone();
    let begun = driver.tick;
    let mut loads = Vec::new();
    for k in 0..60 {
        // 2 mm deep at last: the ball's radius is 1.5 mm.
        let depth = (f64::from(k) * 0.1).min(2.0 + 1.5);
        let out = driver.go([0.0, SAC_RADIUS_MM + 3.0 - depth, 0.0], 0);
        loads.push(driver.state().neural_millinewton);
        assert!(out.tissue.nodes.iter().all(|p| p.offsets_um.len() <= 64));
    }
    let distance = driver.state().nearest.unwrap().distance_um;
    assert!((-250..100).contains(&distance), "the ball stands {distance} µm from the dented surface");
    let dent = driver.sim.displacement_at(Label::DURAL_SAC, [0.0, SAC_RADIUS_MM, 0.0]);
    assert!((-2.6..-1.4).contains(&dent[1]), "{dent:?}");
    let held = *loads.last().unwrap();
    assert!((150..1_500).contains(&held), "{held} mN");
    assert!(loads[40] > loads[25], "{loads:?}");
    for k in 0..400 {
        driver.go([0.0, SAC_RADIUS_MM + 6.0 + f64::from(k.min(20)), 0.0], 0);
    }
    assert_eq!(driver.state().neural_millinewton, 0);
    assert_eq!(driver.sim.awake_patches().count(), 0);
    assert_eq!(driver.sim.displacement_at(Label::DURAL_SAC, [0.0, SAC_RADIUS_MM, 0.0]), [0.0; 3]);
    for tick in begun + 1..=driver.tick {
        twin.step(Tick(tick), &[]);
    }
    assert_eq!(driver.sim.digest(), twin.digest());
}

/// A spinning burr that stands in the sac tears it: from a pinhole to a tear that leaks; a still one tears nothing.
#[test]
fn a_spinning_burr_tears_the_sac() {
    let run = |trigger: u8| {
        let mut driver = yielding(plate_over_sac(0.4, 1.0), ToolKind::FlutedBurr);
        saw(&mut driver, TissueClass::Bone, &[([-20.0, 5.0, -20.0], [20.0, 25.0, 20.0])]);
        let mut events = Vec::new();
        for k in 0..60 {
            events.extend(driver.go([0.0, SAC_RADIUS_MM + 4.0 - (f64::from(k) * 0.1).min(3.0), 0.0], trigger).events);
        }
        let sizes: Vec<TearSize> =
            events.iter().filter_map(|e| if let Event::NeuralTear { size, .. } = e { Some(*size) } else { None }).collect();
        let leaks = events.iter().filter(|e| matches!(e, Event::CsfLeak { .. })).count();
        (sizes, leaks, driver.sim.tears().len())
    };
    assert_eq!(run(0), (vec![], 0, 0));
    let (sizes, leaks, tears) = run(255);
    assert_eq!(sizes[..2], [TearSize::Pinhole, TearSize::Short]);
    assert_eq!((leaks, tears), (1, 1));
}

/// The nucleus lies 15.6 % of the AP length before the posterior rim and 20.5 % behind the anterior one, and a rongeur reaches it only
/// through annulus that has been opened on its way.
#[test]
fn the_annulus_guards_the_nucleus() {
    let patient = spine();
    let disc = patient.structures().iter().position(|s| s.class == TissueClass::Disc).unwrap();
    let shape = DiscShape::of(&patient, disc).unwrap();
    let settings = Settings::default();
    let length = shape.high_mm[1] - shape.low_mm[1];
    let (x, z) = ((shape.low_mm[0] + shape.high_mm[0]) / 2.0, (shape.low_mm[2] + shape.high_mm[2]) / 2.0);
    let zone = |share: f64| shape.zone(&settings.tissue, [x, shape.high_mm[1] - share * length, z]);
    assert_eq!(
        [0.15, 0.16, 0.79, 0.80].map(zone),
        [DiscZone::Posterior, DiscZone::Nucleus, DiscZone::Nucleus, DiscZone::Anterior]
    );
    assert_eq!(
        shape.zone(&settings.tissue, [shape.low_mm[0] + 0.5, (shape.low_mm[1] + shape.high_mm[1]) / 2.0, z]),
        DiscZone::Lateral
    );
    let mut driver = answering(patient, ToolKind::Pituitary);
    let inside = [x, shape.high_mm[1] - 0.3 * length, z];
    let from_behind = Pose { tip_um: [0; 3], turn: FROM_BEHIND }.rotation().unwrap();
    assert!(driver.sim.nucleus_is_closed(inside, &from_behind).is_some());
    let way = [([x - 1.5, inside[1], z - 6.0], [x + 1.5, shape.high_mm[1] + 1.0, z + 6.0])];
    saw(&mut driver, TissueClass::Disc, &way);
    assert_eq!(driver.sim.nucleus_is_closed(inside, &from_behind), None);
    let from_the_side = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]];
    assert!(driver.sim.nucleus_is_closed(inside, &from_the_side).is_some(), "open behind is not open at the side");
}

/// Burring veils the field until it cannot be seen, which is told; suction beside it clears it.
#[test]
fn suction_clears_what_burring_veils() {
    let mut driver = answering(plate_over_sac(0.4, 9.0), ToolKind::FlutedBurr);
    let at = |k: f64| [1.5 * ((k * 0.05) % 2.0 - 1.0), PLATE_TOP_MM - k * 0.012, 0.0];
    let mut events = Vec::new();
    for k in 0..500 {
        events.extend(driver.go(at(f64::from(k)), 255).events);
    }
    let veiled = driver.sim.veil_permille(driver.at());
    assert!(veiled >= 600, "{veiled}");
    assert!(events.iter().any(|e| matches!(e, Event::FieldVeiled { .. })));
    let mut cleared = false;
    for k in 0..180 {
        driver.tick += 1;
        let suction =
            ToolInput { hand: Hand::Left, ..input(driver.tick, ToolKind::Suction, [3.0, PLATE_TOP_MM + 2.0, 2.0], 255) };
        let out: StepOutput =
            driver.sim.step(Tick(driver.tick), &[input(driver.tick, ToolKind::FlutedBurr, at(500.0), 0), suction]);
        cleared |= out.events.iter().any(|e| matches!(e, Event::FieldCleared { ticks, .. } if *ticks > 0));
        assert!(k < 5 || driver.sim.veil_permille(driver.at()) <= veiled);
    }
    assert!(cleared && driver.sim.veil_permille(driver.at()) < 300, "{}", driver.sim.veil_permille(driver.at()));
}
