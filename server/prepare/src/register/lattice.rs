//! Images on even lattices along LPS, smoothed alike, so that CT and MR can be compared voxel by voxel.

use rayon::prelude::*;

use super::rigid::V3;
use crate::volume3d::{Geometry, GeometryError, Image};

/// A box in LPS, mm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Box3 {
    pub low: V3,
    pub high: V3,
}

impl Box3 {
    pub(super) const NONE: Self = Self { low: [f64::INFINITY; 3], high: [f64::NEG_INFINITY; 3] };

    pub(super) fn add(&mut self, p: V3) {
        for k in 0..3 {
            self.low[k] = self.low[k].min(p[k]);
            self.high[k] = self.high[k].max(p[k]);
        }
    }

    pub(super) fn grown(&self, mm: f64) -> Self {
        Self { low: self.low.map(|v| v - mm), high: self.high.map(|v| v + mm) }
    }

    /// What both boxes cover; empty where they do not meet.
    pub(super) fn meet(&self, other: &Self) -> Self {
        Self { low: [0, 1, 2].map(|k| self.low[k].max(other.low[k])), high: [0, 1, 2].map(|k| self.high[k].min(other.high[k])) }
    }

    pub(super) fn is_empty(&self) -> bool {
        !(0..3).all(|k| self.low[k] < self.high[k])
    }

    pub(super) fn holds(&self, p: V3) -> bool {
        (0..3).all(|k| (self.low[k]..=self.high[k]).contains(&p[k]))
    }

    pub(super) fn around<T>(image: &Image<T>) -> Self {
        let (low, high) = image.geometry.bounds_mm();
        Self { low, high }
    }
}

/// How far along each axis of LPS an image's own voxels reach, mm: its slice thickness counts along the axis that it mostly lies on.
pub(super) fn blur_of(geometry: &Geometry) -> V3 {
    [0, 1, 2].map(|axis| {
        let squares = (0..3).map(|k| (geometry.direction[axis][k] * geometry.spacing_mm[k]).powi(2));
        squares.sum::<f64>().sqrt()
    })
}

/// Samples an image on a lattice of `spacing_mm` along LPS over `region` and smooths it by Gaussians of `sigma_mm` along each axis.
/// Where the image ends its nearest voxels go on; [`Even::inside`] says where that is.
pub(super) fn even<T: Copy + Into<f64> + Sync>(
    image: &Image<T>,
    region: &Box3,
    spacing_mm: f64,
    sigma_mm: V3,
) -> Result<Even, GeometryError> {
    let size = [0, 1, 2].map(|k| ((region.high[k] - region.low[k]) / spacing_mm).floor().max(0.0) as usize + 1);
    let geometry = Geometry::axis_aligned(size, [spacing_mm; 3], region.low)?;
    let [nx, ny, _] = size;
    let mut values = vec![0.0_f32; geometry.voxel_count()];
    let mut inside = vec![false; values.len()];
    let last = image.geometry.size.map(|n| n as f64 - 1.0);
    values.par_chunks_mut(nx * ny).zip(inside.par_chunks_mut(nx * ny)).enumerate().for_each(|(z, (values, inside))| {
        for (at, (value, inside)) in values.iter_mut().zip(inside).enumerate() {
            let p = geometry.patient_from_index([(at % nx) as f64, (at / nx) as f64, z as f64]);
            let index = image.geometry.index_from_patient(p);
            *inside = (0..3).all(|k| (-0.5..=last[k] + 0.5).contains(&index[k]));
            let held = [0, 1, 2].map(|k| index[k].clamp(0.0, last[k]));
            let sampled = image.trilinear(held).unwrap_or(0.0);
            *value = if sampled.is_finite() { sampled as f32 } else { 0.0 };
        }
    });
    for axis in 0..3 {
        smooth(&mut values, size, axis, sigma_mm[axis] / spacing_mm);
    }
    Ok(Even { geometry, values, inside })
}

/// What of an image lies in a box, on the image's own voxels; at least one voxel of it.
pub(super) fn cut<T: Copy, U: Copy>(
    image: &Image<T>,
    region: &Box3,
    convert: impl Fn(T) -> U,
) -> Result<Image<U>, GeometryError> {
    let g = &image.geometry;
    let mut reach = Box3::NONE;
    for corner in 0..8 {
        let p = [0, 1, 2].map(|k| if corner >> k & 1 == 1 { region.high[k] } else { region.low[k] });
        reach.add(g.index_from_patient(p));
    }
    let held = |v: f64, k: usize| v.clamp(0.0, g.size[k] as f64 - 1.0) as usize;
    let first = [0, 1, 2].map(|k| held(reach.low[k].floor(), k));
    let size = [0, 1, 2].map(|k| held(reach.high[k].ceil(), k) + 1 - first[k]);
    let geometry = Geometry::new(size, g.spacing_mm, g.patient_from_index(first.map(|v| v as f64)), g.direction)?;
    let from = |n: usize| {
        let index = geometry.index_of(n);
        convert(image.voxels[g.offset([0, 1, 2].map(|k| first[k] + index[k]))])
    };
    Image::new(geometry, (0..geometry.voxel_count()).map(from).collect())
}

/// An image on an even lattice.
#[derive(Clone, Debug)]
pub(super) struct Even {
    pub geometry: Geometry,
    pub values: Vec<f32>,
    /// Whether the image itself reached there.
    pub inside: Vec<bool>,
}

/// Gaussian smoothing along one axis with a standard deviation in voxels, edges repeated.
pub(super) fn smooth(values: &mut Vec<f32>, size: [usize; 3], axis: usize, sigma: f64) {
    if sigma < 0.2 {
        return;
    }
    let reach = (3.0 * sigma).ceil() as usize;
    let weights: Vec<f64> = (0..=reach).map(|r| (-0.5 * (r as f64 / sigma).powi(2)).exp()).collect();
    let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    let weights: Vec<f32> = weights.iter().map(|w| (w / sum) as f32).collect();
    let [nx, ny, _] = size;
    let stride = [1, nx, nx * ny][axis];
    let n = size[axis];
    let source = &*values;
    let mut out = vec![0.0_f32; source.len()];
    out.par_chunks_mut(nx * ny).enumerate().for_each(|(z, out)| {
        for (at, out) in out.iter_mut().enumerate() {
            let c = [at % nx, at / nx, z][axis];
            let here = at + nx * ny * z;
            let mut sum = weights[0] * source[here];
            for (r, weight) in weights.iter().enumerate().skip(1) {
                sum += weight * (source[here - r.min(c) * stride] + source[here + r.min(n - 1 - c) * stride]);
            }
            *out = sum;
        }
    });
    *values = out;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A linear image stays linear inside, and the part beyond its edge is marked.
    #[test]
    fn linear_images_stay_linear() {
        let (s, c) = 0.2_f64.sin_cos();
        let direction = [[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]];
        let geometry = Geometry::new([30, 30, 30], [0.8, 1.0, 1.2], [-10.0, -15.0, -20.0], direction).unwrap();
        let f = |p: V3| 3.0 * p[0] - 2.0 * p[1] + p[2];
        let voxels =
            (0..geometry.voxel_count()).map(|n| f(geometry.patient_from_index(geometry.index_of(n).map(|v| v as f64))) as f32);
        let image = Image::new(geometry, voxels.collect()).unwrap();
        let region = Box3 { low: [-20.0, -10.0, -5.0], high: [5.0, 10.0, 5.0] };
        let even = even(&image, &region, 1.0, [0.7; 3]).unwrap();
        let at = |p: V3| even.geometry.offset(even.geometry.index_from_patient(p).map(|v| v.round() as usize));
        let p = [0.0, 0.0, 0.0];
        assert!((f64::from(even.values[at(p)]) - f(p)).abs() < 1e-3);
        assert!(even.inside[at(p)] && !even.inside[at([-20.0, -10.0, -5.0])]);
    }

    /// What is cut out of an oblique image has the same values at the same places, and reaches as far as the box.
    #[test]
    fn what_is_cut_out_stays_in_place() {
        let (s, c) = 0.2_f64.sin_cos();
        let direction = [[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]];
        let geometry = Geometry::new([20, 22, 24], [0.8, 1.0, 1.2], [-10.0, -15.0, -20.0], direction).unwrap();
        let image = Image::new(geometry, (0..geometry.voxel_count() as u32).collect()).unwrap();
        let region = Box3 { low: [-6.0, -10.0, -15.0], high: [0.0, -5.0, -8.0] };
        let part = cut(&image, &region, u64::from).unwrap();
        assert!(part.voxels.len() < image.voxels.len() / 3);
        for p in [[-5.5, -9.5, -14.5], [-0.5, -5.5, -8.5], [-3.0, -7.0, -11.0]] {
            assert_eq!(part.nearest(p), image.nearest(p).map(u64::from));
            assert!(part.nearest(p).is_some());
        }
    }

    /// An oblique image's slice thickness shows on the axis that its slices are stacked along.
    #[test]
    fn slices_blur_across() {
        let sagittal = [[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]];
        let geometry = Geometry::new([4; 3], [0.8, 0.8, 2.5], [0.0; 3], sagittal).unwrap();
        assert_eq!(blur_of(&geometry), [2.5, 0.8, 0.8]);
    }
}
