//! nnU-Net's choice of how to resample: in space, or slice by slice where slices are thick.

use super::array::{Array, Shape};
use super::plans::Resampling;
use super::spline::{resample_axis, resize, resize_slices};

/// Resamples to `shape`, given the spacings before and after.
pub(super) fn resample(array: Array<f64>, shape: Shape, from_mm: [f64; 3], to_mm: [f64; 3], how: &Resampling) -> Array<f64> {
    if array.shape == shape {
        return array;
    }
    match separate_axis(from_mm, to_mm, how) {
        None => resize(array, shape, how.order),
        Some(axis) => {
            let planes = resize_slices(array, axis, shape, how.order);
            resample_axis(planes, axis, shape[axis], how.order_z)
        }
    }
}

/// The axis that is treated apart: the one of lowest resolution when its voxels are much longer than the others and it is alone.
pub(super) fn separate_axis(from_mm: [f64; 3], to_mm: [f64; 3], how: &Resampling) -> Option<usize> {
    let longest = |s: [f64; 3]| s.into_iter().fold(0.0, f64::max);
    let uneven = |s: [f64; 3]| longest(s) / s.into_iter().fold(f64::INFINITY, f64::min) > how.threshold;
    let decisive = match how.force_separate_z {
        Some(false) => return None,
        Some(true) => from_mm,
        None if uneven(from_mm) => from_mm,
        None if uneven(to_mm) => to_mm,
        None => return None,
    };
    let mut coarse = (0..3).filter(|k| longest(decisive) / decisive[*k] == 1.0);
    match (coarse.next(), coarse.next()) {
        (Some(axis), None) => Some(axis),
        _ => None,
    }
}

/// The shape an image gets at another spacing; halves are rounded to even numbers, as Python does.
pub(super) fn new_shape(shape: Shape, from_mm: [f64; 3], to_mm: [f64; 3]) -> [f64; 3] {
    [0, 1, 2].map(|k| (from_mm[k] / to_mm[k] * shape[k] as f64).round_ties_even())
}

#[cfg(test)]
mod tests {
    //! When an axis is treated apart, and that it then takes the nearest slice.

    use super::*;

    const AUTO: Resampling = Resampling { order: 3, order_z: 0, force_separate_z: None, threshold: 3.0 };

    #[test]
    fn thick_slices_are_treated_apart() {
        assert_eq!(separate_axis([5.0, 0.9, 0.8], [2.0, 1.0, 1.0], &AUTO), Some(0));
        assert_eq!(separate_axis([0.9, 0.8, 0.8], [1.0, 1.0, 3.5], &AUTO), Some(2));
        assert_eq!(separate_axis([2.0, 1.0, 1.0], [2.0, 1.0, 1.0], &AUTO), None);
        assert_eq!(separate_axis([5.0, 5.0, 1.0], [1.0, 1.0, 9.0], &AUTO), None); // two coarse axes: none is taken
        let forced = |force| Resampling { force_separate_z: Some(force), ..AUTO };
        assert_eq!(separate_axis([5.0, 1.0, 1.0], [1.0; 3], &forced(false)), None);
        assert_eq!(separate_axis([1.0, 1.2, 1.0], [1.0; 3], &forced(true)), Some(1));
    }

    #[test]
    fn the_nearest_slice_is_taken() {
        let array = Array { shape: [2, 1, 1], data: vec![1.0, 9.0] };
        let out = resample(array, [5, 1, 1], [10.0, 1.0, 1.0], [4.0, 1.0, 1.0], &AUTO);
        assert_eq!(out.data, [1.0, 1.0, 9.0, 9.0, 9.0]); // sample 2 lies at 0.5, which counts as the next one
    }

    #[test]
    fn halves_round_to_even() {
        assert_eq!(new_shape([5, 3, 7], [1.0, 1.0, 1.0], [2.0, 2.0, 1.0]), [2.0, 2.0, 7.0]);
    }
}
