//! nnU-Net's intensity normalisation, in single precision as numpy does it.

use super::array::{Array, Bounds, count};
use super::plans::{Channel, Normalisation};

/// Normalises one channel, which is already cropped; `mask` is the filled non-zero region on the same voxels.
///
/// `full` and `bounds` describe the uncropped image: numpy sums a cropped view line by line as the file holds them, and its
/// rounding depends on how long those lines are. So an unmasked channel comes in the file's axes, and a masked one, whose values
/// numpy gathers first, in the transposed ones.
pub(super) fn normalise(
    image: &mut Array<f32>,
    channel: &Channel,
    mask: Option<&Array<bool>>,
    full: [usize; 3],
    bounds: &Bounds,
) {
    match channel.scheme {
        Normalisation::None => {}
        Normalisation::Ct { low, high, mean, std } => {
            let (low, high, mean, std) = (low as f32, high as f32, mean as f32, std.max(1e-8) as f32);
            for v in &mut image.data {
                *v = (v.max(low).min(high) - mean) / std;
            }
        }
        Normalisation::ZScore => match mask.filter(|_| channel.masked) {
            Some(mask) => {
                let inside: Vec<f32> = image.data.iter().zip(&mask.data).filter(|(_, m)| **m).map(|(v, _)| *v).collect();
                let (mean, std) = mean_and_deviation(&inside, inside.len());
                for (v, _) in image.data.iter_mut().zip(&mask.data).filter(|(_, m)| **m) {
                    *v = (*v - mean) / std;
                }
            }
            None => {
                let (mean, std) = mean_and_deviation(&image.data, line_length(full, bounds));
                for v in &mut image.data {
                    *v = (*v - mean) / std;
                }
            }
        },
        Normalisation::ZeroToOne => {
            let low = image.data.iter().copied().fold(f32::INFINITY, f32::min);
            image.data.iter_mut().for_each(|v| *v -= low);
            let high = image.data.iter().copied().fold(0.0, f32::max).max(1e-8);
            image.data.iter_mut().for_each(|v| *v /= high);
        }
        Normalisation::Rgb => image.data.iter_mut().for_each(|v| *v /= 255.0),
    }
}

/// How many neighbouring values of a cropped view lie next to each other in memory.
fn line_length(full: [usize; 3], bounds: &Bounds) -> usize {
    let shape = bounds.shape();
    if shape[2] < full[2] {
        shape[2]
    } else if shape[1] < full[1] {
        shape[1] * shape[2]
    } else {
        count(shape)
    }
}

/// Mean and population standard deviation (at least 1e-8) with numpy's rounding.
fn mean_and_deviation(values: &[f32], line: usize) -> (f32, f32) {
    if values.is_empty() {
        return (0.0, 1.0);
    }
    let n = values.len() as f32;
    let mean = values.chunks(line.max(1)).fold(0.0, |sum, line| sum + pairwise(line)) / n;
    let squares: Vec<f32> = values.iter().map(|v| (v - mean) * (v - mean)).collect();
    (mean, (pairwise(&squares) / n).sqrt().max(1e-8))
}

/// numpy's pairwise sum: blocks of at most 128 values in eight lanes, halves added.
fn pairwise(values: &[f32]) -> f32 {
    let n = values.len();
    if n < 8 {
        return values.iter().fold(0.0, |sum, v| sum + v);
    }
    if n <= 128 {
        let mut lanes = [0.0_f32; 8];
        let blocks = values.chunks_exact(8);
        let rest = blocks.remainder();
        for (k, block) in blocks.enumerate() {
            for (lane, v) in lanes.iter_mut().zip(block) {
                *lane = if k == 0 { *v } else { *lane + v };
            }
        }
        let [a, b, c, d, e, f, g, h] = lanes;
        return rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, v| sum + v);
    }
    let half = n / 2 - n / 2 % 8;
    let (low, high) = values.split_at(half);
    pairwise(low) + pairwise(high)
}

#[cfg(test)]
mod tests {
    //! Every scheme against values computed by hand, and the sum against its exact value.

    use super::*;

    const WHOLE: Bounds = Bounds { low: [0; 3], high: [1, 2, 2] };

    fn run(scheme: Normalisation, masked: bool, mask: Option<&Array<bool>>) -> Vec<f32> {
        let mut image = Array { shape: [1, 2, 2], data: vec![1.0, 2.0, 3.0, 6.0] };
        normalise(&mut image, &Channel { scheme, masked }, mask, [1, 2, 2], &WHOLE);
        image.data
    }

    #[test]
    fn every_scheme_does_what_it_says() {
        assert_eq!(run(Normalisation::None, false, None), [1.0, 2.0, 3.0, 6.0]);
        assert_eq!(run(Normalisation::Ct { low: 2.0, high: 4.0, mean: 3.0, std: 0.5 }, false, None), [-2.0, -2.0, 0.0, 2.0]);
        assert_eq!(run(Normalisation::ZeroToOne, false, None), [0.0, 0.2, 0.4, 1.0]);
        assert_eq!(run(Normalisation::Rgb, false, None)[3], 6.0 / 255.0);
        let deviation = 3.5_f32.sqrt(); // mean 3, squares 4 + 1 + 0 + 9 over 4
        assert_eq!(run(Normalisation::ZScore, false, None), [-2.0, -1.0, 0.0, 3.0].map(|v: f32| v / deviation));
        let mask = Array { shape: [1, 2, 2], data: vec![false, true, false, true] };
        assert_eq!(run(Normalisation::ZScore, true, Some(&mask)), [1.0, -1.0, 3.0, 1.0]); // mean 4, deviation 2
    }

    #[test]
    fn a_flat_image_is_no_division_by_zero() {
        let mut image = Array { shape: [1, 2, 2], data: vec![5.0; 4] };
        normalise(&mut image, &Channel { scheme: Normalisation::ZScore, masked: false }, None, [1, 2, 2], &WHOLE);
        assert_eq!(image.data, [0.0; 4]);
    }

    #[test]
    fn sums_are_exact_where_single_precision_is() {
        let values: Vec<f32> = (0..1999).map(|n| n as f32).collect();
        assert_eq!(pairwise(&values), 1_997_001.0);
        assert_eq!(line_length([5, 6, 7], &Bounds { low: [0; 3], high: [5, 5, 7] }), 35);
    }
}
