//! Shrinking an image by means: every new voxel is the mean of what it covers.
//!
//! nnU-Net interpolates between the nearest voxels when it makes them larger, which takes a few of them and leaves out the rest: of a scan
//! of 0.4 mm, two in five along each axis at 2 mm. Noise then arrives whole and thin cortex may fall between the samples. A model that
//! was trained on voxels that cover what they stand for (`"shrink": "mean"` in `spinor.json`) is given such ones.

use super::array::{Array, Shape, count};
use rayon::prelude::*;

/// Voxels that a new voxel covers: the first, and the share of each.
struct Cover {
    first: usize,
    shares: Vec<f32>,
}

/// Shrinks every axis that is longer than in `shape` to its length there; the others stay as they are.
pub(super) fn shrink(mut image: Array<f32>, shape: Shape) -> Array<f32> {
    // The fastest axis first: its rows lie together, and the others then have less to read.
    for axis in [2, 1, 0] {
        if image.shape[axis] > shape[axis] && shape[axis] > 0 {
            image = shrink_axis(&image, axis, shape[axis]);
        }
    }
    image
}

fn shrink_axis(image: &Array<f32>, axis: usize, length: usize) -> Array<f32> {
    let old = image.shape[axis];
    let covers = covers(old, length);
    let mut shape = image.shape;
    shape[axis] = length;
    let inner: usize = shape[axis + 1..].iter().product();
    let mut data = vec![0.0_f32; count(shape)];
    if inner == 1 {
        let rows = data.par_chunks_mut(length).zip(image.data.par_chunks(old)).with_min_len(64);
        rows.for_each(|(to, from)| {
            for (slot, cover) in to.iter_mut().zip(&covers) {
                *slot = from[cover.first..].iter().zip(&cover.shares).map(|(v, share)| v * share).sum();
            }
        });
    } else {
        data.par_chunks_mut(inner).enumerate().for_each(|(row, to)| {
            let (outer, cover) = (row / length, &covers[row % length]);
            for (k, share) in cover.shares.iter().enumerate() {
                let from = &image.data[(outer * old + cover.first + k) * inner..][..inner];
                to.iter_mut().zip(from).for_each(|(slot, v)| *slot += v * share);
            }
        });
    }
    Array { shape, data }
}

/// New voxel n covers from n to n + 1 times `old / length`; the shares of each sum to 1.
fn covers(old: usize, length: usize) -> Vec<Cover> {
    let ratio = old as f64 / length as f64;
    (0..length)
        .map(|n| {
            let (from, to) = (n as f64 * ratio, (n + 1) as f64 * ratio);
            let first = (from as usize).min(old - 1);
            // Rounding must not make a voxel of which nothing is covered.
            let end = ((to - 1e-9).ceil() as usize).clamp(first + 1, old);
            let part = |k: usize| ((to.min((k + 1) as f64) - from.max(k as f64)) / ratio).max(0.0);
            Cover { first, shares: (first..end).map(|k| part(k) as f32).collect() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    //! Means are exact where they are whole, keep what is constant and what is linear, and leave the other axes alone.

    use super::*;

    fn image(shape: Shape, value: impl Fn([usize; 3]) -> f32) -> Array<f32> {
        let mut data = Vec::new();
        for a in 0..shape[0] {
            for b in 0..shape[1] {
                data.extend((0..shape[2]).map(|c| value([a, b, c])));
            }
        }
        Array { shape, data }
    }

    #[test]
    fn halves_are_means_of_two() {
        let random = |[a, b, c]: [usize; 3]| ((a * 31 + b * 17 + c * 7) % 23) as f32;
        let whole = image([4, 6, 8], random);
        for axis in 0..3 {
            let mut shape = whole.shape;
            shape[axis] /= 2;
            let expected = image(shape, |at| {
                let (mut low, mut high) = (at, at);
                (low[axis], high[axis]) = (2 * at[axis], 2 * at[axis] + 1);
                0.5 * (random(low) + random(high))
            });
            assert_eq!(shrink(whole.clone(), shape), expected);
        }
        assert_eq!(shrink(whole.clone(), [4, 9, 8]), whole, "an axis that grows is not touched");
    }

    /// A ramp stays the ramp that lies at the middles of the new voxels, whatever the ratio.
    #[test]
    fn ramps_stay_ramps() {
        for (old, length) in [(512, 103), (7, 5), (200, 100), (9, 1), (5, 4)] {
            let out = shrink(image([3, old, 2], |at| at[1] as f32), [3, length, 2]);
            assert_eq!(out.shape, [3, length, 2]);
            for (n, v) in out.data.chunks_exact(2).take(length).enumerate() {
                let middle = (n as f64 + 0.5) * old as f64 / length as f64 - 0.5;
                assert!((f64::from(v[0]) - middle).abs() < 0.3, "{n} of {length}: {} is not {middle}", v[0]);
            }
            let sum: f32 = covers(old, length).iter().flat_map(|c| c.shares.iter()).sum();
            assert!((sum - length as f32).abs() < 1e-3);
        }
    }
}
