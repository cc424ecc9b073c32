//! Measures what a tick costs: four people with two tools each at work on one lamina at 0.4 mm, pressing, cutting, sliding and turning;
//! every tool by itself; and eight tools of which four press on dura and root through a window in the lamina, with tissues that answer
//! and without, tick by tick in turn.
//!
//! ```text
//! cargo run --release -p spinor-sim --example ticking
//! cargo run --release -p spinor-sim --example ticking -- "Leksell rongeur"
//! ```
//! With words only the runs whose names hold them, for a profiler.
//! Times are the thread's own CPU time (`CLOCK_THREAD_CPUTIME_ID`, so Unix), so other work on the machine counts little.
#![expect(clippy::unwrap_used, reason = "a measurement stops at the first error")]
#![expect(unsafe_code, reason = "the thread's CPU time has no safe call")]

use std::sync::Arc;

use spinor_sim::{Hand, Pose, ResolvedOp, Settings, Simulation, StepOutput, Tick, TissueModels, ToolInput, ToolKind, UserId};
use spinor_volume::sample::encode;
use spinor_volume::{
    BRICK_VOXELS, BrickIndex, BrickMesh, ClassMask, CutOp, DensityField, Grid, Label, Mesher, Patient, Source, SparseField,
    Structure, TissueClass, query::volume_mm3,
};

/// Upper face of the lamina, mm.
const TOP_MM: f64 = 16.0;
const TICKS: u32 = 600;

fn cpu_secs() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one timespec to a pointer that is valid for it.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn structure(grid: &Grid, label: Label, sdf_mm: impl Fn([f64; 3]) -> f64) -> Structure {
    let mut sdf = SparseField::outside(grid);
    for brick in (0..grid.brick_count() as u32).map(BrickIndex) {
        let first = grid.brick_coords(brick).map(|v| v * 16);
        let at = |n: i32| [first[0] + n % 16, first[1] + n / 16 % 16, first[2] + n / 256].map(f64::from);
        let sample = |n| encode(sdf_mm(grid.patient_from_index(at(n))) / grid.spacing_mm());
        let samples: Vec<i8> = (0..BRICK_VOXELS as i32).map(sample).collect();
        if samples.iter().all(|v| *v == -127) {
            sdf.set_inside(brick);
        } else if samples.iter().any(|v| *v != 127) {
            sdf.brick_mut(brick).unwrap().copy_from_slice(&samples);
        }
    }
    let volume_mm3 = volume_mm3(grid, &sdf);
    Structure { label, class: label.class().unwrap(), source: Source::Phantom, uncertainty_mm: 0.5, volume_mm3, sdf }
}

fn plate(p: [f64; 3], centre: [f64; 3], half: [f64; 3]) -> f64 {
    let q: [f64; 3] = std::array::from_fn(|k| (p[k] - centre[k]).abs() - half[k]);
    let m = q.map(|v| v.max(0.0));
    (m[0] * m[0] + m[1] * m[1] + m[2] * m[2]).sqrt() + q[0].max(q[1]).max(q[2]).min(0.0)
}

/// A lamina with a spinous process, one vertebra above and one below, flavum, sac and a root.
fn patient() -> Patient {
    let grid = Grid::covering([-30.0, -20.0, -40.0], [30.0, 50.0, 40.0], 0.4).unwrap();
    let vertebra = |z: f64| {
        move |p: [f64; 3]| {
            let lamina = plate(p, [0.0, TOP_MM - 3.0, z], [20.0, 3.0, 10.0]);
            lamina.min(plate(p, [0.0, TOP_MM + 10.0, z], [3.0, 12.0, 8.0]))
        }
    };
    let round = |p: [f64; 3], x: f64, y: f64| ((p[0] - x) * (p[0] - x) + (p[1] - y) * (p[1] - y)).sqrt();
    let structures = vec![
        structure(&grid, Label::lumbar(3), vertebra(25.0)),
        structure(&grid, Label::lumbar(4), vertebra(0.0)),
        structure(&grid, Label::lumbar(5), vertebra(-25.0)),
        structure(&grid, Label::flavum_below(4), |p| plate(p, [0.0, TOP_MM - 7.0, -12.0], [10.0, 1.5, 6.0])),
        structure(&grid, Label::DURAL_SAC, |p| round(p, 0.0, 0.0) - 7.0),
        structure(&grid, Label::root(4, true), |p| round(p, 11.0, -2.0) - 2.2),
    ];
    let mut density = DensityField::default();
    for structure in &structures[..3] {
        for (brick, _) in structure.sdf.stored() {
            density.insert(brick, Box::new([150; BRICK_VOXELS]));
        }
    }
    Patient::new(grid, structures, density).unwrap()
}

/// A hand at work: pressed on the lamina, moving at up to 80 mm/s and turning by up to 1.5 rad/s.
fn hand(n: u32, tool: ToolKind, tick: u32) -> ToolInput {
    let t = f64::from(tick);
    let saw = |period: f64, phase: f64| (((t + phase) / period).fract() * 2.0 - 1.0).abs() * 2.0 - 1.0;
    let phase = f64::from(n) * 17.0;
    let x = 5.0 + f64::from(n % 4) * 3.5 + 2.0 * saw(24.0, phase);
    let y = TOP_MM + 1.0 + 1.2 * saw(70.0, phase) - 0.004 * t;
    let z = f64::from(n / 4) * 5.0 - 3.0 + 3.0 * saw(31.0, phase);
    let tip_um = [x, y, z].map(|v| (v * 1_000.0) as i32);
    let turn = [-23_170, (3_000.0 * saw(80.0, phase)) as i16, (2_500.0 * saw(55.0, phase)) as i16, 23_170];
    let trigger = if tick % 60 < 45 { 230 } else { 0 };
    let hand = if n.is_multiple_of(2) { Hand::Left } else { Hand::Right };
    ToolInput { user: UserId(n / 2), hand, seq: tick, tool, size_tenth_mm: 35, pose: Pose { tip_um, turn }, trigger }
}

fn report(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |q: f64| times[((times.len() - 1) as f64 * q) as usize] * 1e6;
    let mean = times.iter().sum::<f64>() / times.len() as f64 * 1e6;
    println!("{what:24} mean {mean:8.1} us  p50 {:8.1}  p99 {:8.1}  max {:8.1}", at(0.5), at(0.99), at(1.0));
}

/// Folds all that a tick brought about into a digest (FNV-1a over the derived text, which names every field in integers): two builds
/// that do the same print the same.
fn fold(digest: &mut u64, sim: &Simulation, output: &StepOutput) {
    let tools: Vec<_> =
        sim.tools().map(|t| (t.proxy, t.load_millinewton, t.spindle_rpm, t.nearest, t.neural_millinewton)).collect();
    for byte in format!("{tools:?} {:?} {:?} {:?}", output.ops, output.events, output.tissue.nodes).bytes() {
        *digest = (*digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

/// Runs some tools; times of the steps, and of the steps with the meshes of all bricks that they name.
fn run(base: &Simulation, tools: &[ToolKind]) -> (Vec<f64>, Vec<f64>) {
    let mut sim = base.clone();
    let (mut mesher, mut mesh) = (Mesher::new(), BrickMesh::default());
    let (mut steps, mut meshed) = (Vec::new(), Vec::new());
    let mut digest = 0xcbf2_9ce4_8422_2325;
    for tick in 1..=TICKS {
        let inputs: Vec<ToolInput> = tools.iter().enumerate().map(|(n, tool)| hand(n as u32, *tool, tick)).collect();
        let start = cpu_secs();
        let output = sim.step(Tick(tick), &inputs);
        let stepped = cpu_secs();
        for dirty in &output.dirty {
            mesher.mesh(sim.patient(), Some(sim.cut()), dirty.structure.into(), dirty.brick, &mut mesh);
        }
        steps.push(stepped - start);
        meshed.push(cpu_secs() - start);
        fold(&mut digest, &sim, &output);
    }
    println!("{digest:016x}, cut {:016x}", sim.cut().digest());
    (steps, meshed)
}

/// Takes a box out of bone and flavum.
fn open_window(sim: &mut Simulation, low: [f64; 3], high: [f64; 3]) {
    const AXES: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let grid = *sim.patient().grid();
    let classes = ClassMask::of(&[TissueClass::Bone, TissueClass::Flavum]);
    let parts = [0, 1, 2].map(|k| ((high[k] - low[k]) / 16.0).ceil());
    for n in 0..parts.iter().product::<f64>() as i32 {
        let count = parts.map(|v| v as i32);
        let part = [n % count[0], n / count[0] % count[1], n / (count[0] * count[1])].map(f64::from);
        let step: [f64; 3] = std::array::from_fn(|k| (high[k] - low[k]) / parts[k]);
        let centre = std::array::from_fn(|k| low[k] + step[k] * (part[k] + 0.5));
        let op = CutOp::box_mm(&grid, centre, step.map(|v| v / 2.0 + 1.5), AXES, 0.0, classes).unwrap();
        let op = ResolvedOp { user: UserId(0), hand: Hand::Left, tool: ToolKind::Osteotome, input_seq: 0, op };
        sim.apply_ops(&[op]).unwrap();
    }
}

/// A hand that presses on the sac, or draws the root aside, through a window: up to 3 mm deep, moving at up to 20 mm/s.
fn pressing(n: u32, tool: ToolKind, tick: u32) -> ToolInput {
    let t = f64::from(tick);
    let saw = |period: f64, phase: f64| (((t + phase) / period).fract() * 2.0 - 1.0).abs() * 2.0 - 1.0;
    let phase = f64::from(n) * 17.0;
    let (x, y) = if tool == ToolKind::Retractor { (10.0 - 1.5 * saw(240.0, phase), -1.0) } else { (1.0, 6.0) };
    let z = f64::from(n) * 2.0 - 16.0 + 2.0 * saw(131.0, phase);
    let tip_um = [x + saw(97.0, phase), y + 1.5 * saw(200.0, phase), z].map(|v| (v * 1_000.0) as i32);
    let pose = Pose { tip_um, turn: [-23_170, 0, 0, 23_170] };
    ToolInput { pose, size_tenth_mm: 30, ..hand(n, tool, tick) }
}

/// Runs the same eight tools in several rooms, tick by tick in turn: times of each, and by how much each tick takes longer than the first's.
fn beside(mut rooms: Vec<Simulation>, tools: &[ToolKind]) -> Vec<[Vec<f64>; 2]> {
    let mut times: Vec<[Vec<f64>; 2]> = rooms.iter().map(|_| Default::default()).collect();
    let mut digests = vec![0xcbf2_9ce4_8422_2325; rooms.len()];
    if rooms.is_empty() {
        return times;
    }
    for tick in 1..=TICKS {
        let input = |(n, tool): (usize, &ToolKind)| {
            if n % 2 == 1 { pressing(n as u32, *tool, tick) } else { hand(n as u32, *tool, tick) }
        };
        let inputs: Vec<ToolInput> = tools.iter().enumerate().map(input).collect();
        let mut took = vec![0.0; rooms.len()];
        // Another one goes first every tick.
        for n in 0..rooms.len() {
            let k = (n + tick as usize) % rooms.len();
            let start = cpu_secs();
            let output = rooms[k].step(Tick(tick), &inputs);
            took[k] = cpu_secs() - start;
            fold(&mut digests[k], &rooms[k], &output);
        }
        for (times, took_here) in times.iter_mut().zip(&took) {
            times[0].push(*took_here);
            times[1].push(took_here - took[0]);
        }
    }
    for (room, digest) in rooms.iter().zip(digests) {
        let nodes: usize = room.awake_patches().map(|patch| patch.offsets_um.len()).sum();
        let (pieces, tears) = (room.fragments().count(), room.tears().len());
        println!("{digest:016x}: {nodes} nodes awake at the end, {pieces} pieces, {tears} tears");
    }
    times
}

fn main() {
    let base = Simulation::new(Arc::new(patient()), Settings::default());
    let words = std::env::args().nth(1).unwrap_or_default();
    let is_wanted = |run: &str| run.contains(words.as_str());
    for tool in ToolKind::ALL.into_iter().filter(|tool| is_wanted(tool.word())) {
        let (steps, meshed) = run(&base, &[tool]);
        report(tool.word(), steps);
        if tool.is_burr() {
            report("  with meshes", meshed);
        }
    }
    use ToolKind::{Curette, DiamondBurr, FlutedBurr, Kerrison, Penfield, Probe, Retractor, Suction};
    if is_wanted("8 tools of 4 people") {
        let (steps, meshed) = run(&base, &[FlutedBurr, Suction, DiamondBurr, Probe, Kerrison, Retractor, Curette, Penfield]);
        report("8 tools of 4 people", steps);
        report("  with meshes", meshed);
    }
    let room = |models: TissueModels| {
        let settings = Settings::with_tissues(models);
        let mut sim = Simulation::with_fields(base.patient().clone(), base.fields().clone(), settings);
        open_window(&mut sim, [-6.0, 3.0, -18.0], [16.0, 42.0, 0.0]);
        sim
    };
    let tools = [FlutedBurr, Probe, DiamondBurr, Suction, Kerrison, Retractor, Curette, Penfield];
    let all = [
        ("4 press, still tissue", TissueModels::STILL),
        ("4 press, tissues answer", TissueModels { answers: true, yields: false }),
        ("4 press, dura yields", TissueModels::ALL),
    ];
    let all: Vec<(&str, TissueModels)> = all.into_iter().filter(|(what, _)| is_wanted(what)).collect();
    let times = beside(all.iter().map(|(_, models)| room(*models)).collect(), &tools);
    for ((what, models), [whole, more]) in all.into_iter().zip(times) {
        report(what, whole);
        if models != TissueModels::STILL && words.is_empty() {
            report("  more", more);
        }
    }
}
