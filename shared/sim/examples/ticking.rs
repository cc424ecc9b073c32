//! Measures what a tick costs: four people with two tools each at work on one lamina at 0.4 mm, pressing, cutting, sliding and turning;
//! and every tool by itself.
//!
//! ```text
//! cargo run --release -p spinor-sim --example ticking
//! ```
//! Times are the thread's own CPU time (`CLOCK_THREAD_CPUTIME_ID`, so Unix), so other work on the machine counts little.
#![expect(clippy::unwrap_used, reason = "a measurement stops at the first error")]
#![expect(unsafe_code, reason = "the thread's CPU time has no safe call")]

use std::sync::Arc;

use spinor_sim::{Hand, Pose, Settings, Simulation, Tick, ToolInput, ToolKind, UserId};
use spinor_volume::sample::encode;
use spinor_volume::{
    BRICK_VOXELS, BrickIndex, BrickMesh, DensityField, Grid, Label, Mesher, Patient, Source, SparseField, Structure,
    query::volume_mm3,
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

/// Runs some tools; times of the steps, and of the steps with the meshes of all bricks that they name.
fn run(base: &Simulation, tools: &[ToolKind]) -> (Vec<f64>, Vec<f64>) {
    let mut sim = base.clone();
    let (mut mesher, mut mesh) = (Mesher::new(), BrickMesh::default());
    let (mut steps, mut meshed) = (Vec::new(), Vec::new());
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
    }
    (steps, meshed)
}

fn main() {
    let base = Simulation::new(Arc::new(patient()), Settings::default());
    for tool in ToolKind::ALL {
        let (steps, meshed) = run(&base, &[tool]);
        report(tool.word(), steps);
        if tool.is_burr() {
            report("  with meshes", meshed);
        }
    }
    use ToolKind::{Curette, DiamondBurr, FlutedBurr, Kerrison, Penfield, Probe, Retractor, Suction};
    let (steps, meshed) = run(&base, &[FlutedBurr, Suction, DiamondBurr, Probe, Kerrison, Retractor, Curette, Penfield]);
    report("8 tools of 4 people", steps);
    report("  with meshes", meshed);
}
