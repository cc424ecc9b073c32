//! Exact Euclidean distance transform with the nearest feature of every voxel, for anisotropic spacing.
//!
//! Three passes of lower envelopes of parabolas (Felzenszwalb and Huttenlocher 2012, doi:10.4086/toc.2012.v008a019), one an
//! axis. Only the feature's number is carried from pass to pass, so that distances come from whole differences of indices.

use rayon::prelude::*;

/// Marks voxels from which no feature can be reached: there is none.
const NONE: u32 = u32::MAX;

/// The nearest feature voxel of every voxel of a lattice.
#[derive(Clone, Debug)]
pub struct NearestFeatures {
    size: [usize; 3],
    spacing_mm: [f64; 3],
    nearest: Vec<u32>,
}

/// Finds the nearest feature of every voxel; `is_feature` is asked with a voxel's place (x fastest).
///
/// Takes linear time and 8 bytes a voxel, on all threads of the current rayon pool; the result does not depend on their number.
/// Of several features at the same distance the one at the lowest index along the last axis that distinguishes them wins.
///
/// ```
/// # use spinor_prepare::edt::nearest_features;
/// // One feature at voxel (0, 1, 0) of a lattice of 4 x 3 x 1 with 2 mm x 1 mm pixels.
/// let map = nearest_features([4, 3, 1], [2.0, 1.0, 5.0], |at| at == 4);
/// assert_eq!(map.nearest(3), Some(4));
/// assert_eq!(map.distance_mm(3), 37_f64.sqrt());
/// ```
///
/// # Panics
/// When the lattice has 2³² voxels or more; images are bounded far below.
pub fn nearest_features(size: [usize; 3], spacing_mm: [f64; 3], is_feature: impl Fn(usize) -> bool + Sync) -> NearestFeatures {
    let [nx, ny, nz] = size;
    let count = nx * ny * nz;
    assert!(count < NONE as usize, "a lattice of {size:?} voxels is beyond the transform's 32-bit indices");
    let mut nearest = vec![NONE; count];
    if count == 0 {
        return NearestFeatures { size, spacing_mm, nearest };
    }
    along_x(&mut nearest, nx, &is_feature);
    if ny > 1 {
        along_y(&mut nearest, size, spacing_mm);
    }
    if nz > 1 {
        nearest = along_z(&nearest, size, spacing_mm);
    }
    NearestFeatures { size, spacing_mm, nearest }
}

impl NearestFeatures {
    /// Place of the feature nearest to the voxel at `offset`, or none when the lattice has no feature.
    pub fn nearest(&self, offset: usize) -> Option<usize> {
        self.nearest.get(offset).copied().filter(|n| *n != NONE).map(|n| n as usize)
    }

    /// Distance from the centre of the voxel at `offset` to the centre of its nearest feature, mm; infinite when there is none.
    pub fn distance_mm(&self, offset: usize) -> f64 {
        match self.nearest(offset) {
            Some(feature) => self.between_mm(offset, feature),
            None => f64::INFINITY,
        }
    }

    /// All distances, mm, x fastest.
    pub fn distances_mm(&self) -> Vec<f32> {
        (0..self.nearest.len()).into_par_iter().with_min_len(1 << 14).map(|offset| self.distance_mm(offset) as f32).collect()
    }

    fn between_mm(&self, a: usize, b: usize) -> f64 {
        let [nx, ny, _] = self.size;
        let place = |o: usize| [o % nx, o / nx % ny, o / (nx * ny)];
        let (a, b) = (place(a), place(b));
        (0..3).map(|k| (a[k].abs_diff(b[k]) as f64 * self.spacing_mm[k]).powi(2)).sum::<f64>().sqrt()
    }
}

fn along_x(nearest: &mut [u32], nx: usize, is_feature: &(impl Fn(usize) -> bool + Sync)) {
    nearest.par_chunks_mut(nx).with_min_len(64).enumerate().for_each(|(row, line)| {
        let start = row * nx;
        let mut last = NONE;
        for (i, slot) in line.iter_mut().enumerate() {
            if is_feature(start + i) {
                last = (start + i) as u32;
            }
            *slot = last;
        }
        let mut next = NONE;
        for i in (0..nx).rev() {
            let here = (start + i) as u32;
            if line[i] == here {
                next = here;
            } else if next != NONE && (line[i] == NONE || next - here < here - line[i]) {
                line[i] = next;
            }
        }
    });
}

fn along_y(nearest: &mut [u32], [nx, ny, _]: [usize; 3], spacing_mm: [f64; 3]) {
    nearest.par_chunks_mut(nx * ny).for_each(|slice| {
        let mut line = Line::new(ny, spacing_mm[1]);
        for i in 0..nx {
            for j in 0..ny {
                let feature = slice[i + nx * j];
                line.feature[j] = feature;
                line.height[j] = if feature == NONE {
                    f64::INFINITY
                } else {
                    ((feature as usize % nx).abs_diff(i) as f64 * spacing_mm[0]).powi(2)
                };
            }
            line.solve();
            for j in 0..ny {
                slice[i + nx * j] = line.result[j];
            }
        }
    });
}

fn along_z(nearest: &[u32], [nx, ny, nz]: [usize; 3], spacing_mm: [f64; 3]) -> Vec<u32> {
    // Every task owns the plane of one j, stored as [i][k]; the planes are put back in order afterwards.
    let mut planes = vec![NONE; nearest.len()];
    planes.par_chunks_mut(nx * nz).enumerate().for_each(|(j, plane)| {
        for k in 0..nz {
            let row = &nearest[nx * (j + ny * k)..][..nx];
            for (i, feature) in row.iter().enumerate() {
                plane[i * nz + k] = *feature;
            }
        }
        let mut line = Line::new(nz, spacing_mm[2]);
        for (i, column) in plane.chunks_exact_mut(nz).enumerate() {
            line.feature.copy_from_slice(column);
            for k in 0..nz {
                line.height[k] = if column[k] == NONE {
                    f64::INFINITY
                } else {
                    let feature = column[k] as usize;
                    let dx = (feature % nx).abs_diff(i) as f64 * spacing_mm[0];
                    let dy = (feature / nx % ny).abs_diff(j) as f64 * spacing_mm[1];
                    dx * dx + dy * dy
                };
            }
            line.solve();
            column.copy_from_slice(&line.result);
        }
    });
    let mut out = vec![NONE; nearest.len()];
    out.par_chunks_mut(nx * ny).enumerate().for_each(|(k, slice)| {
        for (j, row) in slice.chunks_exact_mut(nx).enumerate() {
            let plane = &planes[j * nx * nz..][..nx * nz];
            for (i, slot) in row.iter_mut().enumerate() {
                *slot = plane[i * nz + k];
            }
        }
    });
    out
}

/// One line of the transform: parabolas of equal width at equal steps, and where the lowest changes.
struct Line {
    step: f64,
    /// Squared distance, mm², of position n to its feature across the axes done so far.
    height: Vec<f64>,
    feature: Vec<u32>,
    result: Vec<u32>,
    /// Positions whose parabolas form the envelope, and from where each one does.
    stack: Vec<usize>,
    from: Vec<f64>,
}

impl Line {
    fn new(n: usize, step: f64) -> Self {
        Self {
            step,
            height: vec![0.0; n],
            feature: vec![NONE; n],
            result: vec![NONE; n],
            stack: Vec::with_capacity(n),
            from: Vec::with_capacity(n),
        }
    }

    fn solve(&mut self) {
        self.stack.clear();
        self.from.clear();
        let scale = self.step * self.step;
        for q in 0..self.height.len() {
            if self.height[q] == f64::INFINITY {
                continue;
            }
            let mut start = f64::NEG_INFINITY;
            while let (Some(p), Some(p_start)) = (self.stack.last(), self.from.last()) {
                // Where parabola q falls below parabola p, in steps.
                start = ((self.height[q] - self.height[*p]) / scale / (q - p) as f64 + (q + p) as f64) / 2.0;
                if start > *p_start {
                    break;
                }
                self.stack.pop();
                self.from.pop();
                start = f64::NEG_INFINITY;
            }
            self.stack.push(q);
            self.from.push(start);
        }
        let mut n = 0;
        for at in 0..self.result.len() {
            while n + 1 < self.stack.len() && self.from[n + 1] < at as f64 {
                n += 1;
            }
            self.result[at] = self.stack.get(n).map_or(NONE, |p| self.feature[*p]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Every distance equals the smallest one found by asking all features, whatever the spacing.
        #[test]
        fn distances_are_exact(
            size in [1..7_usize, 1..7_usize, 1..7_usize],
            spacing in [0.2..3.0_f64, 0.2..3.0_f64, 0.2..3.0_f64],
            seed in prop::collection::vec(0..6_u8, 216),
        ) {
            let count: usize = size.iter().product();
            let map = nearest_features(size, spacing, |at| seed[at] == 0);
            let features: Vec<usize> = (0..count).filter(|at| seed[*at] == 0).collect();
            for at in 0..count {
                let best = features.iter().map(|f| map.between_mm(at, *f)).fold(f64::INFINITY, f64::min);
                let found = map.distance_mm(at);
                prop_assert!(found == best || (found - best).abs() < 1e-9, "{} {} {}", at, found, best);
                if let Some(f) = map.nearest(at) {
                    prop_assert_eq!(seed[f], 0);
                }
            }
        }
    }

    #[test]
    fn no_feature_is_infinitely_far() {
        let map = nearest_features([3, 3, 3], [1.0; 3], |_| false);
        assert_eq!(map.nearest(5), None);
        assert!(map.distances_mm().iter().all(|d| d.is_infinite()));
    }

    #[test]
    fn threads_do_not_change_the_result() {
        let feature = |at: usize| at.wrapping_mul(2_654_435_761).is_multiple_of(97);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| nearest_features([31, 17, 23], [0.7, 0.7, 2.5], feature).nearest)
        };
        assert_eq!(run(1), run(3));
    }
}
