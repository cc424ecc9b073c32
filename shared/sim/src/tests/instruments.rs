//! The hand instruments, heat and grip: what each model promises.

use spinor_volume::{Grid, Label, Patient};

use super::punch::UNDER_EDGE;
use super::{Driver, FROM_BEHIND, input, room};
use crate::fixture::{PLATE_TOP_MM, SAC_RADIUS_MM, box_mm, cylinder_mm, grid, plate_of, plate_over_sac, structure};
use crate::{AlarmLevel, BiteRefusal, Event, Hand, Pose, StepOutput, Tick, ToolInput, ToolKind, UserId};

fn at(driver: &mut Driver, size_tenth_mm: u8, tip_mm: [f64; 3], turn: [i16; 4], trigger: u8) -> StepOutput {
    driver.tick += 1;
    let base = input(driver.tick, driver.tool, tip_mm, trigger);
    driver.sim.step(Tick(driver.tick), &[ToolInput { size_tenth_mm, pose: Pose { turn, ..base.pose }, ..base }])
}

fn removed_mm3(output: &StepOutput) -> f64 {
    let occupancy: i64 =
        output.events.iter().map(|e| if let Event::Removed { occupancy, .. } = e { *occupancy } else { 0 }).sum();
    occupancy as f64 / 32.0 * 0.064
}

fn refusal(output: &StepOutput) -> Option<BiteRefusal> {
    output.events.iter().find_map(|e| if let Event::BiteRefused { reason, .. } = e { Some(*reason) } else { None })
}

/// A dural sac alone.
fn sac() -> Patient {
    let grid = grid(0.4);
    let sac = structure(&grid, Label::DURAL_SAC, 0.0, |at| cylinder_mm(at, 0.0, 0.0, SAC_RADIUS_MM));
    Patient::new(grid, vec![sac], Default::default()).unwrap()
}

/// A disc of 30 mm along y, 9 mm high along x, its back at y = 16.
fn disc() -> Patient {
    let grid = grid(0.4);
    let disc = structure(&grid, Label::disc_below(4), 0.0, |at| box_mm(at, [0.0, 2.0, 0.0], [4.5, 14.0, 10.0]));
    Patient::new(grid, vec![disc], Default::default()).unwrap()
}

/// A footplate's upright direction leaned back by 40°: with it a leaning Kerrison's footplate lies flat under the edge.
const LEANING_UNDER_EDGE: [i16; 4] = [-9_792, 20_998, 9_792, 20_998];

/// A punch whose jaw is in the middle of a plate, bone where its shaft would stand, has no edge to bite.
#[test]
fn a_kerrison_needs_a_free_edge() {
    let grid = grid(0.4);
    let plate = structure(&grid, Label::lumbar(4), 0.0, |at| box_mm(at, [0.0, PLATE_TOP_MM - 1.5, 0.0], [18.0, 1.5, 40.0]));
    let sac = structure(&grid, Label::DURAL_SAC, 0.0, |at| cylinder_mm(at, 0.0, 0.0, SAC_RADIUS_MM));
    let patient = Patient::new(grid, vec![plate, sac], Default::default()).unwrap();
    let mut driver = Driver::new(patient, ToolKind::Kerrison);
    // Taken up under the middle of the plate, where no shaft could come from.
    at(&mut driver, 30, [0.0, PLATE_TOP_MM - 3.4, 0.0], UNDER_EDGE, 0);
    let output = at(&mut driver, 30, [0.0, PLATE_TOP_MM - 3.4, 0.0], UNDER_EDGE, 255);
    assert!(output.ops.is_empty(), "{:?}", output.events);
    assert!(refusal(&output).is_some());
}

/// Without room under the edge a 90° Kerrison takes nothing: with bone right under the plate, its footplate is kept out.
#[test]
fn a_kerrison_without_room_under_the_edge_takes_nothing() {
    let grid = grid(0.4);
    for gap in [0.0, 0.8, 2.6] {
        let plate = structure(&grid, Label::lumbar(4), 0.0, |at| box_mm(at, [0.0, PLATE_TOP_MM - 1.5, 0.0], [18.0, 1.5, 40.0]));
        let below = PLATE_TOP_MM - 3.0 - gap - 3.0;
        let floor = structure(&grid, Label::lumbar(5), 0.0, |at| box_mm(at, [0.0, below, 0.0], [24.0, 3.0, 40.0]));
        let patient = Patient::new(grid, vec![plate, floor], Default::default()).unwrap();
        let mut driver = Driver::new(patient, ToolKind::Kerrison);
        // From beside the plate, just over the floor, towards the edge.
        for k in 0..40 {
            at(&mut driver, 30, [22.0 - 0.1 * f64::from(k), PLATE_TOP_MM - 3.1, 0.0], UNDER_EDGE, 0);
        }
        let output = at(&mut driver, 30, [18.0, PLATE_TOP_MM - 3.1, 0.0], UNDER_EDGE, 255);
        let taken = removed_mm3(&output);
        assert_eq!(taken > 0.0, gap > 2.0, "a gap of {gap} mm: {taken} mm3, {:?}", output.events);
    }
}

/// The 40° Kerrison, its footplate laid flat, takes as much from an edge as the upright one, but its jaw opens less across the plate.
#[test]
fn a_leaning_kerrison_bites_too() {
    let bite = |tool: ToolKind| {
        let turn = if tool == ToolKind::Kerrison { UNDER_EDGE } else { LEANING_UNDER_EDGE };
        let tip = |thick: f64| [18.8, PLATE_TOP_MM - thick - 0.1, 0.0];
        [2.4, 3.5].map(|thick| {
            let mut driver = Driver::new(plate_over_sac(0.4, thick), tool);
            at(&mut driver, 30, tip(thick), turn, 0);
            removed_mm3(&at(&mut driver, 30, tip(thick), turn, 255))
        })
    };
    // 3.5 mm fits the upright jaw, which opens by 4 mm; the leaning one opens by 4 mm along the shaft, 3.1 across its plate.
    let (upright, leaning) = (bite(ToolKind::Kerrison), bite(ToolKind::Kerrison40));
    assert!(upright[0] > 15.0 && upright[1] > 20.0, "{upright:?}");
    assert!((leaning[0] / upright[0] - 1.0).abs() < 0.25 && leaning[1] == 0.0, "{leaning:?} against {upright:?}");
}

/// A Leksell takes a large bite from an outer surface, more than a Kerrison; from inside the bone, and with something deep between its
/// jaws, it takes nothing.
#[test]
fn a_leksell_bites_outer_surfaces_only() {
    let mut driver = Driver::new(plate_of(0.4, 9.0, 800, 0.0), ToolKind::Leksell);
    at(&mut driver, 60, [0.0, PLATE_TOP_MM + 3.0, 0.0], FROM_BEHIND, 0);
    at(&mut driver, 60, [0.0, PLATE_TOP_MM - 1.0, 0.0], FROM_BEHIND, 0);
    let taken = removed_mm3(&at(&mut driver, 60, [0.0, PLATE_TOP_MM - 1.0, 0.0], FROM_BEHIND, 255));
    assert!((30.0..120.0).contains(&taken), "{taken} mm3");
    // The sac between the jaws.
    let mut driver = Driver::new(plate_over_sac(0.4, 3.0), ToolKind::Leksell);
    at(&mut driver, 60, [0.0, SAC_RADIUS_MM, 0.0], [23_170, 0, 0, 23_170], 0);
    let output = at(&mut driver, 60, [0.0, SAC_RADIUS_MM, 0.0], [23_170, 0, 0, 23_170], 255);
    assert!(output.ops.is_empty());
    assert!(output.events.iter().any(|e| matches!(e, Event::NeuralPinch { .. })), "{:?}", output.events);
}

/// A pituitary rongeur works its way into a disc bite by bite; its mark tells the depth, and coming out in front is told.
#[test]
fn a_pituitary_goes_into_a_disc_bite_by_bite() {
    let mut driver = Driver::new(disc(), ToolKind::Pituitary);
    at(&mut driver, 30, [0.0, 18.5, 0.0], FROM_BEHIND, 0);
    at(&mut driver, 30, [0.0, 10.0, 0.0], FROM_BEHIND, 0);
    // The intact disc stops it.
    assert!(driver.at()[1] > 16.5, "{:?}", driver.at());
    let (mut depths, mut told) = (Vec::new(), Vec::new());
    for _ in 0..24 {
        for trigger in [255, 0] {
            told.extend(at(&mut driver, 30, [0.0, -16.0, 0.0], FROM_BEHIND, trigger).events);
        }
        depths.push(driver.at()[1]);
    }
    // No bite goes deeper than the jaws sink, so the first ones are of the annulus.
    assert!(depths.windows(2).all(|w| w[1] < -11.0 || w[0] - w[1] < 3.2), "{depths:?}");
    assert!(depths[3] > 4.0 && depths[23] < -11.0, "{depths:?}");
    let mark = told.iter().position(|e| matches!(e, Event::DepthMark { depth_um, .. } if (25_000..28_000).contains(depth_um)));
    let breach =
        told.iter().position(|e| matches!(e, Event::DiscBreached { structure, .. } if *structure == Label::disc_below(4)));
    assert!(mark.is_some() && breach.is_some() && mark < breach, "{mark:?} {breach:?}");
}

/// A curette strips flavum along bone, and nothing in the middle of the flavum; let loose it strips nothing.
#[test]
fn a_curette_strips_along_a_boundary() {
    let grid = grid(0.4);
    let plate = structure(&grid, Label::lumbar(4), 0.0, |at| box_mm(at, [0.0, 6.0, 0.0], [18.0, 3.0, 40.0]));
    let flavum = structure(&grid, Label::flavum_below(4), 0.0, |at| box_mm(at, [0.0, 12.0, 0.0], [10.0, 3.0, 40.0]));
    let patient = Patient::new(grid, vec![plate, flavum], Default::default()).unwrap();
    let stroke = |tool: ToolKind, y: f64, trigger: u8| {
        let mut driver = Driver::new(patient.clone(), tool);
        let mut taken = 0.0;
        for k in 0..20 {
            taken += removed_mm3(&at(&mut driver, 30, [0.2 * f64::from(k) - 2.0, y, 0.0], FROM_BEHIND, trigger));
        }
        taken
    };
    for tool in [ToolKind::Curette, ToolKind::AngledCurette] {
        assert!(stroke(tool, 9.0 + 1.5, 255) > 5.0, "{tool:?}");
        assert_eq!(stroke(tool, 9.0 + 1.5, 0), 0.0);
        assert_eq!(stroke(tool, 13.0, 255), 0.0);
    }
}

/// Each blow drives an osteotome by its energy: less far in denser bone and with a broader edge; the kerf is a plane as thick as the
/// blade; when the bone ends the blade goes on, and that is a breakthrough.
#[test]
fn an_osteotome_advances_blow_by_blow() {
    let blows = |hu: i32, size: u8, thick: f64, n: u32| {
        let mut driver = Driver::new(plate_of(0.4, thick, hu, 0.0), ToolKind::Osteotome);
        at(&mut driver, size, [0.0, PLATE_TOP_MM + 0.4, 0.0], FROM_BEHIND, 0);
        let mut outputs = Vec::new();
        for _ in 0..n {
            let tip = driver.at();
            for trigger in [0, 255] {
                outputs.push(at(&mut driver, size, [tip[0], tip[1] - 0.2, tip[2]], FROM_BEHIND, trigger));
            }
        }
        (driver, outputs)
    };
    let advance = |outputs: &[StepOutput]| -> i32 {
        let events = outputs.iter().flat_map(|o| &o.events);
        events.filter_map(|e| if let Event::Blow { advance_um, .. } = e { Some(*advance_um) } else { None }).sum()
    };
    let (_, soft) = blows(300, 100, 9.0, 1);
    let (_, hard) = blows(1_500, 100, 9.0, 1);
    let (_, broad) = blows(300, 200, 9.0, 1);
    assert!(advance(&soft) > advance(&hard) && advance(&hard) > 0, "{} {}", advance(&soft), advance(&hard));
    assert!(advance(&broad) < advance(&soft));
    // A second blow goes deeper.
    let (driver, two) = blows(1_500, 100, 9.0, 2);
    assert!(advance(&two) > advance(&hard), "{} {:?}", advance(&two), driver.at());
    let kerf: f64 = two.iter().map(removed_mm3).sum();
    let planar = 10.0 * driver.sim.settings().osteotome_thick_mm * (PLATE_TOP_MM - driver.at()[1] + 0.3);
    assert!((kerf / planar - 1.0).abs() < 0.3, "{kerf} for {planar} mm3");
    let (_, through) = blows(300, 60, 2.0, 2);
    assert!(through.iter().flat_map(|o| &o.events).any(|e| matches!(e, Event::Breakthrough { .. })));
}

/// A probe led through a hole with its trigger pressed says the largest ball that passes, in half millimetres.
#[test]
fn a_probe_gauges_a_passage() {
    let grid = grid(0.4);
    // A tunnel of 4.2 mm along y through a block.
    let block = structure(&grid, Label::lumbar(4), 0.0, |at| {
        let along_y = 2.1 - (at[0] * at[0] + at[2] * at[2]).sqrt();
        box_mm(at, [0.0, 8.0, 0.0], [10.0, 4.0, 10.0]).max(along_y)
    });
    let root = structure(&grid, Label::root(4, true), 0.0, |at| cylinder_mm(at, 10.5, 8.0, 1.5));
    let patient = Patient::new(grid, vec![block, root], Default::default()).unwrap();
    let mut driver = Driver::new(patient, ToolKind::Probe);
    let mut events = Vec::new();
    for k in 0..60 {
        let trigger = if (5..50).contains(&k) { 255 } else { 0 };
        events.extend(at(&mut driver, 15, [0.0, 18.0 - 0.4 * f64::from(k), 0.3], FROM_BEHIND, trigger).events);
    }
    let passage: Vec<&Event> = events.iter().filter(|e| matches!(e, Event::Passage { .. })).collect();
    assert!(
        matches!(passage[..], [Event::Passage { structure, diameter_tenth_mm: 40, .. }] if *structure == Label::root(4, true)),
        "{passage:?}"
    );
}

/// A retractor that draws a root tells time, peak and impulse of the hold, and when it is held harder than the limit.
#[test]
fn a_retractor_tells_what_it_holds() {
    let grid = grid(0.4);
    let root = structure(&grid, Label::root(5, true), 0.0, |at| cylinder_mm(at, 0.0, 0.0, 8.0));
    let mut driver = Driver::new(Patient::new(grid, vec![root], Default::default()).unwrap(), ToolKind::Retractor);
    let mut events = Vec::new();
    for k in 0..60 {
        let y = if k < 30 { 9.9 - 0.1 * f64::from(k) } else { 12.0 };
        events.extend(at(&mut driver, 60, [0.0, y, 0.0], FROM_BEHIND, 0).events);
    }
    let hold = events.iter().find_map(|e| match e {
        Event::Retraction { ticks, peak_millinewton, impulse_millinewton_seconds, .. } => {
            Some((*ticks, *peak_millinewton, *impulse_millinewton_seconds))
        }
        _ => None,
    });
    let (ticks, peak, impulse) = hold.expect("a hold");
    // 0.5 N/mm: at 1.2 mm under the surface with a foot 1.6 mm thick.
    assert!((20..30).contains(&ticks) && (900..1_700).contains(&peak), "{ticks} ticks, {peak} mN");
    assert!(impulse > 100 && impulse < peak * ticks / 60, "{impulse} mN s");
    assert!(!events.iter().any(|e| matches!(e, Event::RetractionHigh { .. })));
    let output = at(&mut driver, 60, [0.0, 0.5, 0.0], FROM_BEHIND, 0);
    assert!(
        output.events.iter().any(|e| matches!(e, Event::RetractionHigh { load_millinewton, .. } if *load_millinewton > 3_500))
    );
}

/// Drilling dry is told in seconds and heats the bone; irrigation by another hand cools it and ends the spell.
#[test]
fn dry_drilling_is_told_and_irrigation_cools() {
    let drill = |wet: bool| {
        let mut sim = room(plate_of(0.4, 9.0, 1_800, 0.0));
        let (mut events, mut hottest) = (Vec::new(), 0);
        for seq in 1..=300 {
            let t = f64::from(seq);
            let burr = input(seq, ToolKind::DiamondBurr, [(t * 0.02) - 3.0, PLATE_TOP_MM - 1.5, 0.0], 255);
            let flow = ToolInput { hand: Hand::Left, ..input(seq, ToolKind::Irrigation, [0.0, PLATE_TOP_MM + 12.0, 8.0], 200) };
            let inputs = if wet { vec![burr, flow] } else { vec![burr] };
            events.extend(sim.step(Tick(seq), &inputs).events);
            hottest = hottest.max(sim.tool(UserId(1), Hand::Right).unwrap().tenth_celsius);
        }
        sim.remove_tool(UserId(1), Hand::Right);
        events.extend(sim.step(Tick(301), &[]).events);
        let dry: u32 = events.iter().map(|e| if let Event::DryDrilling { ticks, .. } = e { *ticks } else { 0 }).sum();
        (dry, hottest)
    };
    let (dry, hot) = drill(false);
    assert!(dry > 80 && hot > 400, "{dry} ticks, {hot}");
    let (dry, cool) = drill(true);
    assert!(dry <= 2 && cool < 410, "{dry} ticks, {cool}");
}

/// A spinning fluted burr that touches dura jumps, and a diamond burr jumps much less; a burr at rest does not.
#[test]
fn a_burr_grabs_soft_tissue() {
    let kick = |tool: ToolKind, trigger: u8| {
        let mut driver = Driver::new(sac(), tool);
        let mut longest = 0;
        for k in 0..60 {
            let output = at(&mut driver, 30, [22.0, 8.0, 0.0], FROM_BEHIND, 0);
            assert!(output.ops.is_empty() && k < 60);
            let output = at(&mut driver, 30, [9.0 - 0.05 * f64::from(k), 0.0, 0.0], FROM_BEHIND, trigger);
            for event in output.events {
                if let Event::Kick { structure, way_um, .. } = event {
                    assert_eq!(structure, Label::DURAL_SAC);
                    longest = longest.max(way_um);
                }
            }
        }
        longest
    };
    let (fluted, diamond) = (kick(ToolKind::FlutedBurr, 255), kick(ToolKind::DiamondBurr, 255));
    assert!(fluted > 1_000 && diamond > 0 && diamond * 3 < fluted, "{fluted} {diamond}");
    assert_eq!(kick(ToolKind::FlutedBurr, 0), 0);
}

/// A tool that is put down, or exchanged, ends its alarms: levels that were up are told as clear, once, and a new tool starts clean.
#[test]
fn putting_a_tool_down_clears_its_alarms() {
    let mut sim = room(sac());
    let near = |seq: u32, tool: ToolKind| input(seq, tool, [0.0, SAC_RADIUS_MM + 2.0, 0.0], 0);
    let cleared = |output: &StepOutput, by: ToolKind| {
        let clear = |e: &&Event| {
            matches!(e, Event::Alarm { by: b, was: AlarmLevel::Danger, warning, sounding: false }
            if b.tool == by && warning.level == AlarmLevel::Clear)
        };
        output.events.iter().filter(clear).count()
    };
    sim.step(Tick(1), &[near(1, ToolKind::Probe)]);
    assert_eq!(sim.tool(UserId(1), Hand::Right).unwrap().level, AlarmLevel::Danger);
    let exchanged = sim.step(Tick(2), &[near(2, ToolKind::Penfield)]);
    assert_eq!(cleared(&exchanged, ToolKind::Probe), 1);
    sim.remove_tool(UserId(1), Hand::Right);
    assert!(sim.tool(UserId(1), Hand::Right).is_none());
    let put_down = sim.step(Tick(3), &[]);
    assert_eq!(cleared(&put_down, ToolKind::Penfield), 1);
    assert!(sim.step(Tick(4), &[]).events.is_empty());
    // Handed to somebody else, far from everything: no trace of what was.
    let other = ToolInput { user: UserId(2), ..input(1, ToolKind::Penfield, [0.0, 34.0, 0.0], 0) };
    assert!(sim.step(Tick(5), &[other]).events.is_empty());
    assert_eq!(sim.tool(UserId(2), Hand::Right).unwrap().level, AlarmLevel::Clear);
}

/// A block of bone at a voxel size, 10 mm a side.
fn block(spacing_mm: f64) -> Patient {
    let grid = Grid::covering([-6.0; 3], [6.0; 3], spacing_mm).unwrap();
    let block = structure(&grid, Label::lumbar(4), 0.0, |at| box_mm(at, [0.0; 3], [5.0; 3]));
    Patient::new(grid, vec![block], Default::default()).unwrap()
}

/// What a ball and a capsule take converges to the analytic volume as voxels get smaller: the error at 0.2 mm is below 1 %, and smaller
/// than at 0.8 mm.
#[test]
fn sphere_and_capsule_volumes_converge() {
    use crate::ResolvedOp;
    use spinor_volume::{ClassMask, CutOp, TissueClass};
    let bone = ClassMask::of(&[TissueClass::Bone]);
    let pi = std::f64::consts::PI;
    for (length, name) in [(0.0, "sphere"), (3.0, "capsule")] {
        for radius in [1.5, 2.0] {
            let analytic = 4.0 / 3.0 * pi * radius * radius * radius + pi * radius * radius * length;
            let errors = [0.8, 0.4, 0.2].map(|spacing| {
                let mut sim = room(block(spacing));
                let (a, b) = ([-length / 2.0 + 0.03, 0.11, -0.07], [length / 2.0 + 0.03, 0.11, -0.07]);
                let ops = CutOp::sweep_mm(sim.patient().grid(), a, b, radius, bone).unwrap();
                let op = |op| ResolvedOp { user: UserId(1), hand: Hand::Right, tool: ToolKind::FlutedBurr, input_seq: 1, op };
                let output = sim.apply_ops(&ops.into_iter().map(op).collect::<Vec<_>>()).unwrap();
                let taken: i64 =
                    output.events.iter().map(|e| if let Event::Removed { occupancy, .. } = e { *occupancy } else { 0 }).sum();
                (taken as f64 / 32.0 * spacing * spacing * spacing / analytic - 1.0).abs()
            });
            assert!(errors[2] < 0.01 && errors[2] < errors[0], "{name} of {radius} mm: {errors:?}");
            assert!(errors[1] < 0.03, "{name} of {radius} mm: {errors:?}");
        }
    }
}
