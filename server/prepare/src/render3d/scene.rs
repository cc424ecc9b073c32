//! The visible structures joined into one field, with the means to walk through it quickly.

use spinor_volume::{
    BRICK, BRICK_VOXELS, BrickIndex, BrickSamples, BrickState, Grid, Label, Patient, SDF_PER_VOXEL, SparseField, VoxelIndex,
};

use super::Style;
use super::camera::Ray;

const EMPTY: u32 = u32::MAX;
/// Voxels along an edge of a cell of the coarse grid that darkens hollows.
const CELL: usize = 4;

pub(super) struct Scene<'a> {
    pub patient: &'a Patient,
    grid: Grid,
    bricks: [i32; 3],
    shown: Vec<usize>,
    slots: Vec<u32>,
    samples: Vec<BrickSamples>,
    /// Per brick: bricks (Chebyshev) to the nearest one that is not empty, less one.
    free: Vec<u8>,
    cells: [usize; 3],
    /// Share of each cell that is tissue, blurred over about 4 and 10 mm.
    filled: [Vec<f32>; 2],
    clip: Option<([f64; 3], [f64; 3])>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(patient: &'a Patient, style: &Style<'_>) -> Self {
        let grid = *patient.grid();
        let shown: Vec<usize> =
            (0..patient.structures().len()).filter(|k| !(style.hide)(patient.structures()[*k].label)).collect();
        let mut slots = vec![EMPTY; grid.brick_count()];
        let mut samples: Vec<BrickSamples> = Vec::new();
        for k in &shown {
            let sdf = &patient.structures()[*k].sdf;
            for n in 0..grid.brick_count() as u32 {
                let brick = BrickIndex(n);
                let state = sdf.brick(brick);
                if state == BrickState::Outside {
                    continue;
                }
                let slot = &mut slots[n as usize];
                if *slot == EMPTY {
                    *slot = samples.len() as u32;
                    samples.push([127; BRICK_VOXELS]);
                }
                let joined = &mut samples[*slot as usize];
                match state {
                    BrickState::Samples(own) => joined.iter_mut().zip(own).for_each(|(j, s)| *j = (*j).min(*s)),
                    _ => joined.fill(-127),
                }
            }
        }
        let free = free_bricks(&grid, &slots);
        let (cells, filled) = fill(&grid, &slots, &samples);
        let bricks = grid.bricks().map(|n| n as i32);
        Self { patient, grid, bricks, shown, slots, samples, free, cells, filled, clip: style.clip }
    }

    /// The joined brick that holds a voxel, or [`EMPTY`].
    #[inline]
    fn slot(&self, v: [i32; 3]) -> u32 {
        let [nx, ny, nz] = self.bricks;
        let [x, y, z] = v.map(|c| c >> 4);
        if x < 0 || y < 0 || z < 0 || x >= nx || y >= ny || z >= nz {
            EMPTY
        } else {
            self.slots[(x + nx * (y + ny * z)) as usize]
        }
    }

    #[inline]
    fn sample(&self, v: [i32; 3]) -> i8 {
        match self.slot(v) {
            EMPTY => 127,
            slot => {
                let [x, y, z] = v.map(|c| (c & 15) as usize);
                self.samples[slot as usize][x + BRICK * (y + BRICK * z)]
            }
        }
    }

    /// Distance to the nearest shown surface in voxels at continuous voxel coordinates, at most about 4 either way.
    pub(super) fn distance(&self, at: [f64; 3]) -> f64 {
        let base = at.map(f64::floor);
        let v = base.map(|b| b as i32);
        let t = [at[0] - base[0], at[1] - base[1], at[2] - base[2]];
        let edge = BRICK as i32;
        let local = v.map(|c| c & (edge - 1));
        let mut corners = [127.0; 8];
        if local.iter().all(|c| *c < edge - 1) {
            let slot = self.slot(v);
            if slot != EMPTY {
                let brick = &self.samples[slot as usize];
                let first = (local[0] + edge * (local[1] + edge * local[2])) as usize;
                for (k, corner) in corners.iter_mut().enumerate() {
                    *corner = f64::from(brick[first + (k & 1) + BRICK * (k >> 1 & 1) + BRICK * BRICK * (k >> 2)]);
                }
            }
        } else {
            for (k, corner) in corners.iter_mut().enumerate() {
                let k = k as i32;
                *corner = f64::from(self.sample([v[0] + (k & 1), v[1] + (k >> 1 & 1), v[2] + (k >> 2)]));
            }
        }
        let line = |k: usize| corners[k] + (corners[k + 1] - corners[k]) * t[0];
        let plane = |k: usize| line(k) + (line(k + 2) - line(k)) * t[1];
        let d = (plane(0) + (plane(4) - plane(0)) * t[2]) / f64::from(SDF_PER_VOXEL);
        match self.clip {
            None => d,
            Some((point, normal)) => {
                let p = self.grid.patient_from_index(at);
                let over = (0..3).map(|k| (p[k] - point[k]) * normal[k]).sum::<f64>() / self.grid.spacing_mm();
                d.max(over.clamp(-4.0, 4.0))
            }
        }
    }

    /// How many voxels a ray may go from here without meeting a brick that holds anything; 0 inside such a brick.
    fn leap(&self, at: [f64; 3]) -> Option<f64> {
        let [nx, ny, nz] = self.bricks;
        let [x, y, z] = at.map(|v| (v.floor() as i32) >> 4);
        let inside = x >= 0 && y >= 0 && z >= 0 && x < nx && y < ny && z < nz;
        inside.then(|| f64::from(self.free[(x + nx * (y + ny * z)) as usize]) * BRICK as f64)
    }

    /// Where a ray meets a shown surface: continuous voxel coordinates and the way in voxels.
    pub(super) fn hit(&self, ray: &Ray, from: f64) -> Option<([f64; 3], f64)> {
        let h = self.grid.spacing_mm();
        let origin = self.grid.index_from_patient(ray.origin);
        let size = self.grid.voxels().map(f64::from);
        let (mut near, mut far) = (from / h, f64::INFINITY);
        for k in 0..3 {
            let d = ray.direction[k];
            if d.abs() < 1e-9 {
                if origin[k] < 0.0 || origin[k] > size[k] - 1.0 {
                    return None;
                }
                continue;
            }
            let (a, b) = ((0.0 - origin[k]) / d, (size[k] - 1.0 - origin[k]) / d);
            near = near.max(a.min(b));
            far = far.min(a.max(b));
        }
        let mut t = near + 1e-6;
        let place = |t: f64| [0, 1, 2].map(|k| origin[k] + ray.direction[k] * t);
        for _ in 0..4_000 {
            if t >= far {
                return None;
            }
            let at = place(t);
            let leap = self.leap(at).unwrap_or(0.0);
            if leap > 0.0 {
                // From anywhere in a brick, this many voxels stay within the empty neighbourhood.
                t += (leap - BRICK as f64).max(0.0) + self.to_brick_end(at, ray.direction);
                continue;
            }
            let d = self.distance(at);
            if d < 0.02 {
                return Some((at, t * h));
            }
            t += (d * 0.85).max(0.06);
        }
        None
    }

    fn to_brick_end(&self, at: [f64; 3], direction: [f64; 3]) -> f64 {
        let mut way = f64::INFINITY;
        for k in 0..3 {
            let d = direction[k];
            if d.abs() > 1e-9 {
                let first = (at[k] / BRICK as f64).floor() * BRICK as f64;
                let end = if d > 0.0 { first + BRICK as f64 } else { first };
                way = way.min((end - at[k]) / d);
            }
        }
        way.max(0.0) + 1e-3
    }

    /// Unit normal of the joined surface, out of the tissue.
    pub(super) fn normal(&self, at: [f64; 3]) -> [f64; 3] {
        let e = 0.9;
        let mut n = [0.0; 3];
        for (k, v) in n.iter_mut().enumerate() {
            let (mut a, mut b) = (at, at);
            a[k] += e;
            b[k] -= e;
            *v = self.distance(a) - self.distance(b);
        }
        let long = (n[0] * n[0] + n[1] * n[1] + n[2] * n[2]).sqrt().max(1e-9);
        n.map(|v| v / long)
    }

    /// The structure whose surface lies at `at`.
    pub(super) fn structure(&self, at: [f64; 3]) -> Label {
        let base = at.map(|v| v.floor() as i32);
        let t = [0, 1, 2].map(|k| at[k] - f64::from(base[k]));
        let distance = |sdf: &SparseField| -> f64 {
            (0..8)
                .map(|k: usize| {
                    let corner = [0, 1, 2].map(|a| base[a] + (k >> a & 1) as i32);
                    let weight: f64 = (0..3).map(|a| if k >> a & 1 == 1 { t[a] } else { 1.0 - t[a] }).product();
                    weight * f64::from(sdf.sample(&self.grid, VoxelIndex(corner)))
                })
                .sum()
        };
        let mut nearest = (f64::INFINITY, Label::BACKGROUND);
        for k in &self.shown {
            let s = &self.patient.structures()[*k];
            let here = self.grid.locate(VoxelIndex(base)).map_or(BrickState::Outside, |(brick, _)| s.sdf.brick(brick));
            // A surface at this place leaves samples in the brick, or in the next one where the cell reaches across.
            if here == BrickState::Outside && base.iter().all(|c| c & 15 != 15) {
                continue;
            }
            let d = distance(&s.sdf);
            if d < nearest.0 {
                nearest = (d, s.label);
            }
        }
        nearest.1
    }

    /// Whether anything lies on the way from `at` (voxel coordinates) along `direction` (mm); 1 = free, 0 = dark, soft between.
    pub(super) fn light(&self, at: [f64; 3], direction: [f64; 3]) -> f64 {
        let mut open: f64 = 1.0;
        let mut t = 2.0;
        for _ in 0..64 {
            let p = [0, 1, 2].map(|k| at[k] + direction[k] * t);
            let Some(leap) = self.leap(p) else { break };
            if leap > 0.0 {
                t += (leap - BRICK as f64).max(0.0) + self.to_brick_end(p, direction);
                continue;
            }
            let d = self.distance(p);
            if d < 0.0 {
                return 0.0;
            }
            open = open.min(6.0 * d / t + if d > 3.5 { 1.0 } else { 0.0 });
            t += d.max(0.8);
        }
        open.clamp(0.0, 1.0)
    }

    /// How open the surroundings are over `at` along `normal`: 1 on a hill, near 0 in a hole.
    pub(super) fn openness(&self, at: [f64; 3], normal: [f64; 3]) -> f64 {
        let mm = 1.0 / self.grid.spacing_mm();
        let blocked = |level: usize, way_mm: f64| {
            let p = [0, 1, 2].map(|k| at[k] + normal[k] * way_mm * mm);
            self.fill_at(level, p)
        };
        let close = blocked(0, 2.5).mul_add(0.5, blocked(0, 5.0) * 0.5);
        let wide = blocked(1, 6.0) * 0.5 + blocked(1, 13.0) * 0.5;
        (1.0 - 0.75 * close - 0.95 * wide).clamp(0.0, 1.0)
    }

    fn fill_at(&self, level: usize, at: [f64; 3]) -> f64 {
        let c = at.map(|v| (v + 0.5) / CELL as f64 - 0.5);
        let base = c.map(f64::floor);
        let mut sum = 0.0;
        for k in 0..8 {
            let corner = [0, 1, 2].map(|a| base[a] as i64 + (k >> a & 1) as i64);
            let weight: f64 = (0..3).map(|a| if k >> a & 1 == 1 { c[a] - base[a] } else { 1.0 - (c[a] - base[a]) }).product();
            if (0..3).all(|a| corner[a] >= 0 && (corner[a] as usize) < self.cells[a]) {
                let [x, y, z] = corner.map(|v| v as usize);
                sum += weight * f64::from(self.filled[level][x + self.cells[0] * (y + self.cells[1] * z)]);
            }
        }
        sum
    }

    pub(super) fn patient_from_index(&self, at: [f64; 3]) -> [f64; 3] {
        self.grid.patient_from_index(at)
    }
}

/// For each brick, how many bricks away (Chebyshev) the nearest one is that holds samples; 0 for that one itself, at most 8.
fn free_bricks(grid: &Grid, slots: &[u32]) -> Vec<u8> {
    let mut free: Vec<u8> = slots.iter().map(|s| if *s == EMPTY { 8 } else { 0 }).collect();
    for _ in 0..8 {
        let last = free.clone();
        for n in 0..free.len() {
            if last[n] == 0 {
                continue;
            }
            let c = grid.brick_coords(BrickIndex(n as u32));
            let mut least = last[n];
            for k in 0..27 {
                let d = [k % 3 - 1, k / 3 % 3 - 1, k / 9 - 1];
                if let Some(near) = grid.brick_at([c[0] + d[0], c[1] + d[1], c[2] + d[2]]) {
                    least = least.min(last[near.0 as usize] + 1);
                }
            }
            free[n] = least;
        }
    }
    free
}

fn fill(grid: &Grid, slots: &[u32], samples: &[BrickSamples]) -> ([usize; 3], [Vec<f32>; 2]) {
    let cells = grid.bricks().map(|b| b as usize * BRICK / CELL);
    let mut filled = vec![0.0f32; cells[0] * cells[1] * cells[2]];
    for (n, slot) in slots.iter().enumerate().filter(|(_, s)| **s != EMPTY) {
        let first = grid.brick_coords(BrickIndex(n as u32)).map(|c| c as usize * BRICK / CELL);
        for (at, s) in samples[*slot as usize].iter().enumerate() {
            if *s < 0 {
                let c = [at % BRICK / CELL, at / BRICK % BRICK / CELL, at / (BRICK * BRICK) / CELL];
                filled[first[0] + c[0] + cells[0] * (first[1] + c[1] + cells[1] * (first[2] + c[2]))] +=
                    1.0 / (CELL * CELL * CELL) as f32;
            }
        }
    }
    let cell_mm = grid.spacing_mm() * CELL as f64;
    let close = blur(&filled, cells, (2.5 / cell_mm).round().max(1.0) as usize);
    let wide = blur(&close, cells, (7.0 / cell_mm).round().max(1.0) as usize);
    (cells, [close, wide])
}

/// Box blur of `radius` cells along each axis.
fn blur(field: &[f32], cells: [usize; 3], radius: usize) -> Vec<f32> {
    let mut now = field.to_vec();
    let strides = [1, cells[0], cells[0] * cells[1]];
    for axis in 0..3 {
        let mut next = vec![0.0; now.len()];
        let (n, stride) = (cells[axis], strides[axis]);
        let scale = 1.0 / (2 * radius + 1) as f32;
        for start in (0..now.len()).filter(|k| k / stride % n == 0) {
            let mut sum = 0.0;
            for k in 0..n + radius {
                if k < n {
                    sum += now[start + k * stride];
                }
                if k > 2 * radius {
                    sum -= now[start + (k - 2 * radius - 1) * stride];
                }
                if k >= radius {
                    next[start + (k - radius) * stride] = sum * scale;
                }
            }
        }
        now = next;
    }
    now
}
