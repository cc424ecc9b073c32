//! Measures cutting and meshing beside a peer.
//!
//! ```text
//! cargo run --release -p spinor-volume --example peers tick          against a plain dense implementation, in one process
//! cargo run --release -p spinor-volume --example peers dump FILE     the field as dense i8 for scripts/bench_vtk.py
//! cargo run --release -p spinor-volume --example peers mesh ROUNDS   times of meshing that field, one line a round
//! ```
//! The dense implementation is what one writes first: one `f32` array for the bone, a cut that visits every voxel of the operation's
//! box, naive surface nets with normals on each block of 16³ cells that changed. Both do the same strokes and mesh the same blocks in
//! turn, so the ratio holds on a noisy machine. Times are the thread's own processor time.
#![expect(clippy::unwrap_used, reason = "a measurement stops at the first error")]
#![expect(unsafe_code, reason = "the thread's CPU time has no safe call")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a measurement makes its shapes with sines and writes a file"
)]

use std::io::Write;

use spinor_volume::sample::encode;
use spinor_volume::{
    BrickMesh, ClassMask, CutOp, CutState, DensityField, Grid, Label, Mesher, Patient, Source, SparseField, Structure,
    TissueClass, surface_bricks,
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

/// The plain dense implementation.
struct Dense {
    grid: Grid,
    size: [usize; 3],
    /// Distance in mm, x fastest.
    sdf_mm: Vec<f32>,
}

/// What it meshes into, kept from block to block.
#[derive(Default)]
struct DenseMesh {
    vertex_of_cell: Vec<u32>,
    positions: Vec<[f32; 3]>,
    normals: Vec<[f32; 3]>,
    triangles: Vec<[u32; 3]>,
}

impl Dense {
    fn new(patient: &Patient) -> Self {
        let grid = *patient.grid();
        let size = grid.voxels().map(|n| n as usize);
        let mut sdf_mm = Vec::with_capacity(size[0] * size[1] * size[2]);
        for z in 0..size[2] {
            for y in 0..size[1] {
                for x in 0..size[0] {
                    sdf_mm.push(bone(grid.patient_from_index([x, y, z].map(|v| v as f64))) as f32);
                }
            }
        }
        Self { grid, size, sdf_mm }
    }

    fn index(&self, [x, y, z]: [usize; 3]) -> usize {
        x + self.size[0] * (y + self.size[1] * z)
    }

    /// Cuts a capsule and returns the blocks whose mesh may change.
    fn cut(&mut self, a: [f64; 3], b: [f64; 3]) -> Vec<[usize; 3]> {
        let (ia, ib) = (self.grid.index_from_patient(a), self.grid.index_from_patient(b));
        let reach = RADIUS_MM / SPACING_MM + 4.0;
        let low: [usize; 3] = std::array::from_fn(|k| (ia[k].min(ib[k]) - reach).floor().max(0.0) as usize);
        let high: [usize; 3] = std::array::from_fn(|k| ((ia[k].max(ib[k]) + reach).ceil() as usize).min(self.size[k] - 1));
        let (pa, ab) = (a.map(|v| v as f32), std::array::from_fn::<f32, 3, _>(|k| (b[k] - a[k]) as f32));
        let length2 = ab.iter().map(|v| v * v).sum::<f32>().max(1e-12);
        let mut changed = std::collections::BTreeSet::new();
        for z in low[2]..=high[2] {
            for y in low[1]..=high[1] {
                for x in low[0]..=high[0] {
                    let at = self.grid.patient_from_index([x, y, z].map(|v| v as f64)).map(|v| v as f32);
                    let d: [f32; 3] = std::array::from_fn(|k| at[k] - pa[k]);
                    let t = ((d[0] * ab[0] + d[1] * ab[1] + d[2] * ab[2]) / length2).clamp(0.0, 1.0);
                    let e: [f32; 3] = std::array::from_fn(|k| d[k] - ab[k] * t);
                    let away = RADIUS_MM as f32 - (e[0] * e[0] + e[1] * e[1] + e[2] * e[2]).sqrt();
                    let n = self.index([x, y, z]);
                    if away > self.sdf_mm[n] {
                        // A change far from the surface moves no vertex.
                        if away > -SPACING_MM as f32 && self.sdf_mm[n] < 2.0 * SPACING_MM as f32 {
                            for (dx, dy, dz) in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)] {
                                changed.insert([x.saturating_sub(dx) / 16, y.saturating_sub(dy) / 16, z.saturating_sub(dz) / 16]);
                            }
                        }
                        self.sdf_mm[n] = away;
                    }
                }
            }
        }
        changed.into_iter().collect()
    }

    /// Naive surface nets with normals on one block of 16³ cells and the row of cells before it.
    fn mesh(&self, block: [usize; 3], mesh: &mut DenseMesh) {
        mesh.vertex_of_cell.clear();
        mesh.vertex_of_cell.resize(17 * 17 * 17, u32::MAX);
        mesh.positions.clear();
        mesh.normals.clear();
        mesh.triangles.clear();
        let from: [usize; 3] = block.map(|b| (b * 16).saturating_sub(1));
        let to: [usize; 3] = std::array::from_fn(|k| (block[k] * 16 + 16).min(self.size[k] - 1));
        let cell_slot = |c: [usize; 3]| (c[0] - from[0]) + 17 * ((c[1] - from[1]) + 17 * (c[2] - from[2]));
        for z in from[2]..to[2] {
            for y in from[1]..to[1] {
                for x in from[0]..to[0] {
                    let corner = |n: usize| self.sdf_mm[self.index([x + (n & 1), y + (n >> 1 & 1), z + (n >> 2)])];
                    let values: [f32; 8] = std::array::from_fn(corner);
                    let inside = values.iter().filter(|v| **v < 0.0).count();
                    if inside == 0 || inside == 8 {
                        continue;
                    }
                    let (mut sum, mut count) = ([0.0_f32; 3], 0.0_f32);
                    for axis in 0..3 {
                        for n in (0..8).filter(|n| n >> axis & 1 == 0) {
                            let (v, w) = (values[n], values[n | 1 << axis]);
                            if (v < 0.0) != (w < 0.0) {
                                for (k, s) in sum.iter_mut().enumerate() {
                                    *s += (n >> k & 1) as f32;
                                }
                                sum[axis] += v / (v - w);
                                count += 1.0;
                            }
                        }
                    }
                    let inner = sum.map(|s| s / count);
                    let slope: [f32; 3] =
                        std::array::from_fn(|axis| (0..8).map(|n| if n >> axis & 1 == 1 { values[n] } else { -values[n] }).sum());
                    let norm = slope.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
                    mesh.vertex_of_cell[cell_slot([x, y, z])] = mesh.positions.len() as u32;
                    mesh.positions.push([x as f32 + inner[0], y as f32 + inner[1], z as f32 + inner[2]]);
                    mesh.normals.push(slope.map(|v| v / norm));
                }
            }
        }
        let first: [usize; 3] = block.map(|b| b * 16);
        for z in first[2]..to[2] {
            for y in first[1]..to[1] {
                for x in first[0]..to[0] {
                    let here = self.sdf_mm[self.index([x, y, z])];
                    for axis in 0..3 {
                        let mut end = [x, y, z];
                        end[axis] += 1;
                        let there = self.sdf_mm[self.index(end)];
                        let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
                        if (here < 0.0) == (there < 0.0) || [x, y, z][u] == from[u] || [x, y, z][v] == from[v] {
                            continue;
                        }
                        let cell = |du: usize, dv: usize| {
                            let mut c = [x, y, z];
                            c[u] -= du;
                            c[v] -= dv;
                            mesh.vertex_of_cell[cell_slot(c)]
                        };
                        let quad = [cell(0, 0), cell(1, 0), cell(1, 1), cell(0, 1)];
                        let [a, b, c, d] = if here < 0.0 { quad } else { [quad[3], quad[2], quad[1], quad[0]] };
                        mesh.triangles.extend([[a, b, c], [a, c, d]]);
                    }
                }
            }
        }
    }
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
        ["mesh", rounds] => mesh(&patient, rounds.parse().unwrap()),
        _ => {
            eprintln!("one of: tick, dump FILE, mesh ROUNDS");
            std::process::exit(2);
        }
    }
}
