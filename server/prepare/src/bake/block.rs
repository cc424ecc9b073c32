//! A box of samples on the lattice of whole multiples of the spacing, around one structure.

use crate::volume3d::Geometry;

/// Samples at positions `h * (first + (i, j, k))`, x fastest. All blocks of a case share the lattice, so that samples coincide.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) h: f64,
    pub(crate) first: [i32; 3],
    pub(crate) size: [usize; 3],
    pub(crate) values: Vec<f32>,
}

impl Block {
    /// The smallest block that covers a box in LPS mm.
    pub(crate) fn covering(low_mm: [f64; 3], high_mm: [f64; 3], h: f64) -> Self {
        let first = low_mm.map(|v| (v / h).floor() as i32);
        let last = high_mm.map(|v| (v / h).ceil() as i32);
        let size = [0, 1, 2].map(|k| (last[k] - first[k]).max(0) as usize + 1);
        Self { h, first, size, values: vec![0.0; size.iter().product()] }
    }

    /// An empty copy of the same shape.
    pub(crate) fn like(&self) -> Self {
        Self { h: self.h, first: self.first, size: self.size, values: vec![0.0; self.values.len()] }
    }

    /// One past the last lattice point.
    pub(crate) fn end(&self) -> [i32; 3] {
        [0, 1, 2].map(|k| self.first[k] + self.size[k] as i32)
    }

    /// Place in `values` of the lattice point nearest to a position in LPS mm; none beyond the block.
    pub(crate) fn place(&self, p: [f64; 3]) -> Option<usize> {
        let strides = self.strides();
        let mut place = 0;
        for k in 0..3 {
            let at = (p[k] / self.h).round() as i64 - i64::from(self.first[k]);
            place += usize::try_from(at).ok().filter(|at| *at < self.size[k])? * strides[k];
        }
        Some(place)
    }

    /// Distance in `values` between neighbours along x, y, z.
    pub(crate) fn strides(&self) -> [usize; 3] {
        [1, self.size[0], self.size[0] * self.size[1]]
    }

    /// Fills the block with `source` on the lattice `from`, trilinear, the border repeated beyond it.
    pub(crate) fn resample<T: Copy + Into<f32>>(&mut self, from: &Geometry, source: &[T]) {
        let [nx, ny, nz] = from.size;
        let [mx, my, _] = self.size;
        let step = [0, 1, 2].map(|k| from.direction[0][k] * self.h / from.spacing_mm[k]);
        let last = [nx, ny, nz].map(|n| n as f64 - 1.0);
        for (row, out) in self.values.chunks_exact_mut(mx).enumerate() {
            let lattice = [0, (row % my) as i32, (row / my) as i32];
            let start = from.index_from_patient([0, 1, 2].map(|k| f64::from(self.first[k] + lattice[k]) * self.h));
            for (i, value) in out.iter_mut().enumerate() {
                let (mut low, mut next, mut t) = ([0; 3], [0; 3], [0.0; 3]);
                for k in 0..3 {
                    let at = (start[k] + step[k] * i as f64).clamp(0.0, last[k]);
                    low[k] = at as usize;
                    next[k] = usize::from(at < last[k]);
                    t[k] = (at - low[k] as f64) as f32;
                }
                let base = low[0] + nx * (low[1] + ny * low[2]);
                let (dx, dy, dz) = (next[0], next[1] * nx, next[2] * nx * ny);
                let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
                let line = |at: usize| mix(source[at].into(), source[at + dx].into(), t[0]);
                let plane = |at: usize| mix(line(at), line(at + dy), t[1]);
                *value = mix(plane(base), plane(base + dz), t[2]);
            }
        }
    }

    /// Trilinear value at a position in block coordinates (voxels from `first`), the border repeated beyond it.
    pub(crate) fn sample(&self, at: [f32; 3]) -> f32 {
        let (mut low, mut next, mut t) = ([0; 3], [0; 3], [0.0; 3]);
        for k in 0..3 {
            let last = self.size[k] as f32 - 1.0;
            let inside = at[k].clamp(0.0, last);
            low[k] = inside as usize;
            next[k] = usize::from(inside < last);
            t[k] = inside - low[k] as f32;
        }
        let [sx, sy, sz] = self.strides();
        let base = low[0] * sx + low[1] * sy + low[2] * sz;
        let (dx, dy, dz) = (next[0] * sx, next[1] * sy, next[2] * sz);
        let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
        let line = |at: usize| mix(self.values[at], self.values[at + dx], t[0]);
        let plane = |at: usize| mix(line(at), line(at + dy), t[1]);
        mix(plane(base), plane(base + dz), t[2])
    }

    /// Gradient at lattice place `at` in units per mm: central differences, one-sided at the border.
    pub(crate) fn gradient(&self, at: usize) -> [f32; 3] {
        let strides = self.strides();
        let index = [at % self.size[0], at / strides[1] % self.size[1], at / strides[2]];
        let h = self.h as f32;
        let mut slope = [0.0; 3];
        for k in 0..3 {
            let (below, above) = (usize::from(index[k] > 0), usize::from(index[k] + 1 < self.size[k]));
            let span = (below + above).max(1) as f32;
            slope[k] = (self.values[at + above * strides[k]] - self.values[at - below * strides[k]]) / (span * h);
        }
        slope
    }

    /// Divides every sample by the length of its gradient (at least 0.2), so that it is nearly a distance in mm near the surface.
    pub(crate) fn normalised(&self) -> Self {
        let mut out = self.like();
        for (at, value) in out.values.iter_mut().enumerate() {
            *value = self.values[at] / length(self.gradient(at)).max(0.2);
        }
        out
    }

    /// Tissue of the block in mm³: the sum of sub-voxel occupancy, from signed distances in mm.
    pub(crate) fn volume_mm3(&self) -> f64 {
        let h = self.h as f32;
        self.values.iter().map(|v| f64::from((0.5 - v / h).clamp(0.0, 1.0))).sum::<f64>() * self.h.powi(3)
    }
}

/// Euclidean length.
pub(crate) fn length(v: [f32; 3]) -> f32 {
    (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt()
}
