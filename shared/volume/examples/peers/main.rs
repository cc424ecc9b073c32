//! Measures cutting and meshing beside a peer.
//!
//! ```text
//! cargo run --release -p spinor-volume --example peers tick          against a plain dense implementation, in one process
//! cargo run --release -p spinor-volume --example peers dump FILE     the field as dense i8 for scripts/bench_vtk.py
//! cargo run --release -p spinor-volume --example peers mesh ROUNDS   times of meshing that field, one line a round
//! cargo run --release -p spinor-volume --example peers blocks FILE   the blocks that each tick of the stroke changes, for the same script,
//!                                                                    and the times of meshing them, one line a tick
//! ```
//! The dense implementation is what one writes first: one `f32` array for the bone, a cut that visits every voxel of the operation's
//! box, naive surface nets with normals on each block of 16³ cells that changed. Both do the same strokes and mesh the same blocks in
//! turn, so the ratio holds on a noisy machine; in the end what is left must be the same in both. Times are the thread's own processor time.
#![expect(clippy::unwrap_used, reason = "a measurement stops at the first error")]
#![expect(unsafe_code, reason = "the thread's CPU time has no safe call")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a measurement makes its shapes with sines and writes a file"
)]

mod dense;

use std::io::Write;

use dense::{Dense, DenseMesh};
use spinor_volume::sample::{carve, encode};
use spinor_volume::{
    BRICK, BrickMesh, ClassMask, CutOp, CutState, DensityField, Grid, Label, Mesher, Patient, Source, SparseField, Structure,
    TissueClass, VoxelIndex, surface_bricks,
};

const SPACING_MM: f64 = 0.4;
const RADIUS_MM: f64 = 1.5;
const TICKS: i32 = 1_800;

fn cpu_secs() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one timespec to a pointer that is valid for it.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Five rough plates with a body in front of each, the work site on the third.
fn bone(p: [f64; 3]) -> f64 {
    let level = (p[2] / 32.0).round().clamp(-2.0, 2.0) * 32.0;
    let plate = |centre: [f64; 3], half: [f64; 3]| {
        let q: [f64; 3] = std::array::from_fn(|k| (p[k] - centre[k]).abs() - half[k]);
        let m = q.map(|v| v.max(0.0));
        (m[0] * m[0] + m[1] * m[1] + m[2] * m[2]).sqrt() + q[0].max(q[1]).max(q[2]).min(0.0)
    };
    let rough = ((p[0] * 2.1).sin() + (p[2] * 1.7).sin() + (p[1] * 1.3).sin()) * 0.15;
    let lamina = plate([0.0, 20.0, level], [14.0, 3.0, 10.0]) - 1.0;
    let body = plate([0.0, -15.0, level], [18.0, 10.0, 11.0]) - 2.0;
    lamina.min(body) + rough
}

fn patient() -> Patient {
    let grid = Grid::new([-25.6, -32.0, -86.4], SPACING_MM, [8, 10, 27]).unwrap();
    let sdf = SparseField::sampled(&grid, bone);
    let label = Label::lumbar(3);
    let structure =
        Structure { label, class: TissueClass::Bone, source: Source::Phantom, uncertainty_mm: 0.0, volume_mm3: 0.0, sdf };
    Patient::new(grid, vec![structure], DensityField::default()).unwrap()
}

/// The burr's centre at a tick: a zigzag of 16 mm at 20 mm/s, deeper by half a millimetre after every ten lanes.
fn tip(n: i32) -> [f64; 3] {
    let along = f64::from(n) / 3.0;
    let lane = (along / 16.0).floor();
    let x = along - lane * 16.0;
    let turn = lane % 20.0;
    [if lane % 2.0 == 0.0 { x - 8.0 } else { 8.0 - x }, 24.5 - (lane / 10.0).floor() * 0.5, turn.min(19.0 - turn) * 0.8 - 4.0]
}

fn quantile(times: &mut [f64], q: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * q) as usize] * 1e6
}

/// The same stroke through both, tick by tick in turn.
fn tick(patient: &Patient) {
    let classes = ClassMask::of(&[TissueClass::Bone]);
    let mut dense = Dense::new(patient);
    let (mut cut, mut mesher, mut mesh) = (CutState::new(patient.grid()), Mesher::new(), BrickMesh::default());
    let mut plain = DenseMesh::default();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut triangles, mut blocks) = ([0_usize; 2], [0_usize; 2]);
    for n in 0..TICKS {
        let start = cpu_secs();
        let op = CutOp::capsule_mm(patient.grid(), tip(n), tip(n + 1), RADIUS_MM, classes).unwrap();
        let outcome = cut.apply(patient, &op);
        for dirty in &outcome.dirty {
            mesher.mesh(patient, Some(&cut), dirty.structure.into(), dirty.brick, &mut mesh);
            triangles[0] += mesh.triangles.len();
        }
        ours.push(cpu_secs() - start);
        blocks[0] += outcome.dirty.len();
        let start = cpu_secs();
        let changed = dense.cut(tip(n), tip(n + 1));
        for block in &changed {
            dense.mesh(*block, &mut plain);
            triangles[1] += plain.triangles.len();
        }
        theirs.push(cpu_secs() - start);
        blocks[1] += changed.len();
    }
    for (name, times, k) in [("sparse i8", &mut ours, 0), ("plain dense f32", &mut theirs, 1)] {
        let mean = times.iter().sum::<f64>() / times.len() as f64 * 1e6;
        let (p50, p99) = (quantile(times, 0.5), quantile(times, 0.99));
        let (n, t) = (blocks[k] as f64 / f64::from(TICKS), triangles[k] as f64 / f64::from(TICKS));
        println!("{name:16} tick mean {mean:7.1} us, p50 {p50:7.1}, p99 {p99:7.1}; {n:.2} blocks and {t:.0} triangles a tick");
    }
    let ratio = |q| quantile(&mut ours.clone(), q) / quantile(&mut theirs.clone(), q);
    println!("what is left is the same in {} voxels beside the surface", dense.assert_same(patient, &cut));
    println!("ratio sparse / dense: p50 {:.2}, p99 {:.2}", ratio(0.5), ratio(0.99));
}

fn dump(patient: &Patient, path: &str) {
    let grid = patient.grid();
    let size = grid.voxels();
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    for n in size {
        out.write_all(&(n as u32).to_le_bytes()).unwrap();
    }
    for z in 0..size[2] {
        for y in 0..size[1] {
            for x in 0..size[0] {
                let sample = encode(bone(grid.patient_from_index([x, y, z].map(f64::from))) / SPACING_MM);
                out.write_all(&[sample.cast_unsigned()]).unwrap();
            }
        }
    }
}

/// Samples along an edge of a written block: the brick's, and one before and behind.
const WRITTEN: i32 = BRICK as i32 + 2;

/// The same stroke as in [`tick`]: writes what is left in the blocks of each tick, tells how long meshing them took and the triangles.
fn blocks(patient: &Patient, path: &str) {
    let classes = ClassMask::of(&[TissueClass::Bone]);
    let (grid, bone) = (patient.grid(), &patient.structures()[0].sdf);
    let (mut cut, mut mesher, mut mesh) = (CutState::new(grid), Mesher::new(), BrickMesh::default());
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    for n in 0..TICKS {
        let op = CutOp::capsule_mm(grid, tip(n), tip(n + 1), RADIUS_MM, classes).unwrap();
        let outcome = cut.apply(patient, &op);
        let (start, mut triangles) = (cpu_secs(), 0);
        for dirty in &outcome.dirty {
            mesher.mesh(patient, Some(&cut), dirty.structure.into(), dirty.brick, &mut mesh);
            triangles += mesh.triangles.len();
        }
        println!("{:.3} us {triangles} triangles", (cpu_secs() - start) * 1e6);
        out.write_all(&(outcome.dirty.len() as u32).to_le_bytes()).unwrap();
        for dirty in &outcome.dirty {
            let first = grid.brick_coords(dirty.brick).map(|v| v * BRICK as i32 - 1);
            for k in 0..WRITTEN * WRITTEN * WRITTEN {
                let at = [k % WRITTEN, k / WRITTEN % WRITTEN, k / (WRITTEN * WRITTEN)];
                let at = VoxelIndex([first[0] + at[0], first[1] + at[1], first[2] + at[2]]);
                let left = carve(bone.sample(grid, at), cut.field(TissueClass::Bone).sample(grid, at));
                out.write_all(&[left.cast_unsigned()]).unwrap();
            }
        }
    }
}

fn mesh(patient: &Patient, rounds: usize) {
    let (mut mesher, mut mesh) = (Mesher::new(), BrickMesh::default());
    for _ in 0..rounds {
        let start = cpu_secs();
        let mut triangles = 0;
        for brick in surface_bricks(patient, None, 0) {
            mesher.mesh(patient, None, 0, brick, &mut mesh);
            triangles += mesh.triangles.len();
        }
        println!("{:.3} ms {triangles} triangles", (cpu_secs() - start) * 1e3);
    }
}

fn main() {
    let patient = patient();
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tick"] => tick(&patient),
        ["dump", path] => dump(&patient, path),
        ["blocks", path] => blocks(&patient, path),
        ["mesh", rounds] => mesh(&patient, rounds.parse().unwrap()),
        _ => {
            eprintln!("one of: tick, dump FILE, mesh ROUNDS, blocks FILE");
            std::process::exit(2);
        }
    }
}
