//! The plain dense implementation: what one writes first.

use spinor_volume::{CutState, Grid, Patient, SparseField, VoxelIndex, sample};

use crate::{RADIUS_MM, SPACING_MM, bone};

/// The plain dense implementation.
pub(crate) struct Dense {
    grid: Grid,
    size: [usize; 3],
    /// Distance in mm, x fastest.
    sdf_mm: Vec<f32>,
}

/// What it meshes into, kept from block to block.
#[derive(Default)]
pub(crate) struct DenseMesh {
    vertex_of_cell: Vec<u32>,
    positions: Vec<[f32; 3]>,
    normals: Vec<[f32; 3]>,
    pub(crate) triangles: Vec<[u32; 3]>,
}

impl Dense {
    pub(crate) fn new(patient: &Patient) -> Self {
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
    pub(crate) fn cut(&mut self, a: [f64; 3], b: [f64; 3]) -> Vec<[usize; 3]> {
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
    pub(crate) fn mesh(&self, block: [usize; 3], mesh: &mut DenseMesh) {
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

    /// Stops where what is left here and there is not the same, but for the rounding of operations and samples: a sixteenth of a voxel. The
    /// number of voxels that were compared.
    pub(crate) fn assert_same(&self, patient: &Patient, cut: &CutState) -> usize {
        let bone: &SparseField = &patient.structures()[0].sdf;
        let taken = cut.field(patient.structures()[0].class);
        let mut compared = 0;
        for (n, mm) in self.sdf_mm.iter().enumerate() {
            let voxels = f64::from(*mm) / SPACING_MM;
            if voxels.abs() > 3.5 {
                continue;
            }
            let [nx, ny, _] = self.size;
            let at = VoxelIndex([n % nx, n / nx % ny, n / (nx * ny)].map(|v| v as i32));
            let left = sample::decode(sample::carve(bone.sample(&self.grid, at), taken.sample(&self.grid, at)));
            assert!((left - voxels).abs() <= 1.0 / 16.0, "{at:?}: {left} and {voxels} voxels");
            compared += 1;
        }
        compared
    }
}
