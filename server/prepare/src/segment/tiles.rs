//! The sliding window: where the tiles lie, how their voxels are weighted, and half-precision numbers as numpy rounds them.

use super::array::{Shape, count};
use half::f16;

/// First voxels of the tiles along one axis, with steps of at most `fraction` of the patch.
pub(super) fn starts(size: usize, patch: usize, fraction: f64) -> Vec<usize> {
    let room = size.saturating_sub(patch);
    let steps = (room as f64 / (patch as f64 * fraction)).ceil() as usize + 1;
    let step = if steps > 1 { room as f64 / (steps - 1) as f64 } else { 0.0 };
    (0..steps).map(|k| (step * k as f64).round_ties_even() as usize).collect()
}

/// First voxels of all tiles, last axis fastest.
pub(super) fn tiles(shape: Shape, patch: Shape, fraction: f64) -> Vec<Shape> {
    let [a, b, c] = [0, 1, 2].map(|k| starts(shape[k], patch[k], fraction));
    let mut out = Vec::with_capacity(a.len() * b.len() * c.len());
    for &a in &a {
        for &b in &b {
            out.extend(c.iter().map(|&c| [a, b, c]));
        }
    }
    out
}

/// Weights of a tile's voxels: a Gaussian of an eighth of the patch around its middle, highest 10, in half precision.
pub(super) fn gaussian(patch: Shape) -> Vec<f16> {
    let lines = patch.map(|n| gaussian_line(n, n as f64 / 8.0));
    let mut weights = Vec::with_capacity(count(patch));
    for a in &lines[0] {
        for b in &lines[1] {
            weights.extend(lines[2].iter().map(|c| a * b * c));
        }
    }
    let top = weights.iter().copied().fold(0.0, f64::max) / 10.0;
    let mut out: Vec<f16> = weights.iter().map(|w| f16::from_f32((w / top) as f32)).collect();
    let least = out.iter().copied().filter(|w| *w > f16::ZERO).fold(f16::MAX, f16::min);
    out.iter_mut().filter(|w| **w == f16::ZERO).for_each(|w| *w = least);
    out
}

/// scipy's `gaussian_filter` of a single one in the middle of `n` zeros: cut off at four deviations.
fn gaussian_line(n: usize, sigma: f64) -> Vec<f64> {
    let radius = (4.0 * sigma + 0.5) as usize;
    let value = |distance: usize| (-0.5 / (sigma * sigma) * (distance * distance) as f64).exp();
    let total: f64 = value(0) + 2.0 * (1..=radius).map(value).sum::<f64>();
    (0..n).map(|i| i.abs_diff(n / 2)).map(|d| if d <= radius { value(d) / total } else { 0.0 }).collect()
}

/// The nearest half-precision number, halves to even, without the second rounding of a way through single precision.
pub(super) fn half_from_f64(value: f64) -> f16 {
    // Single precision rounded to odd keeps what the second rounding needs to know.
    let near = value as f32;
    if f64::from(near) == value || !near.is_finite() {
        return f16::from_f32(near);
    }
    let mut bits = near.to_bits();
    if f64::from(near).abs() > value.abs() {
        bits -= 1;
    }
    f16::from_f32(f32::from_bits(bits | 1))
}

#[cfg(test)]
mod tests {
    //! Tiles cover everything, weights and roundings are numpy's.

    use super::*;

    #[test]
    fn tiles_cover_everything() {
        assert_eq!(starts(40, 40, 0.5), [0]);
        assert_eq!(starts(41, 40, 0.5), [0, 1]);
        assert_eq!(starts(97, 32, 0.5), [0, 13, 26, 39, 52, 65]);
        assert_eq!(starts(105, 32, 0.5), [0, 15, 29, 44, 58, 73]); // steps of 14.6
        assert_eq!(starts(10, 40, 0.5), [0]);
        for size in 32..200 {
            let starts = starts(size, 32, 0.5);
            assert!(starts.windows(2).all(|w| w[1] > w[0] && w[1] - w[0] <= 16) && starts.last() == Some(&(size - 32)));
        }
        assert_eq!(tiles([40, 41, 40], [40; 3], 0.5), [[0, 0, 0], [0, 1, 0]]);
    }

    #[test]
    fn weights_are_highest_in_the_middle_and_never_zero() {
        let weights = gaussian([8, 16, 16]);
        assert_eq!(weights[(4 * 16 + 8) * 16 + 8], f16::from_f32(10.0));
        let least = weights.iter().copied().fold(f16::MAX, f16::min);
        assert!(least > f16::ZERO && weights[0] == least);
        // One step off the middle along the first axis, sigma 1: 10 exp(-1/2).
        assert_eq!(weights[(5 * 16 + 8) * 16 + 8], f16::from_f64(10.0 * (-0.5_f64).exp()));
    }

    #[test]
    fn rounding_to_half_is_done_once() {
        // 1 + 2^-11 is halfway between two numbers and goes to the even one; a trace more goes up, a trace less down.
        let tie = 1.0 + 2.0_f64.powi(-11);
        let trace = 2.0_f64.powi(-45);
        assert_eq!(half_from_f64(tie), f16::ONE);
        assert_eq!(half_from_f64(tie + trace), f16::from_bits(f16::ONE.to_bits() + 1));
        assert_eq!(half_from_f64(tie - trace), f16::ONE);
        assert_eq!(half_from_f64(-(tie + trace)), -f16::from_bits(f16::ONE.to_bits() + 1));
        assert_eq!(half_from_f64(1e9), f16::INFINITY);
        assert_eq!(half_from_f64(0.0), f16::ZERO);
        assert_eq!(half_from_f64(-3.25).to_f64(), -3.25);
        assert!(half_from_f64(f64::NAN).is_nan());
    }
}
