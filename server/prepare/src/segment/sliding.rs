//! Runs a network over an image tile by tile and sums what it says, in the half precision that nnU-Net sums in.

use super::array::{Array, Bounds, Shape, count, strides};
use super::network::{Network, NetworkError};
use super::tiles::{gaussian, tiles};
use half::{f16, slice::HalfFloatSliceExt};

/// Sums of one network's logits.
pub(super) struct Logits {
    /// Channels of the network's output.
    pub(super) heads: usize,
    /// Axes of the image.
    pub(super) shape: Shape,
    /// All heads, one after the other.
    pub(super) data: Vec<f16>,
}

/// How the window slides.
pub(super) struct Window<'a> {
    pub(super) patch: Shape,
    /// Step as a fraction of the patch.
    pub(super) step: f64,
    /// Every set of axes the patch is mirrored along besides itself.
    pub(super) mirrors: &'a [Vec<usize>],
}

impl Window<'_> {
    /// Runs of the network that an image needs.
    pub(super) fn runs(&self, shape: Shape) -> usize {
        tiles(shape, self.patch, self.step).len() * (self.mirrors.len() + 1)
    }

    /// Logits of a whole image, whose channels are all at least as large as the patch; `done` is called after every run.
    pub(super) fn logits(
        &self,
        network: &mut dyn Network,
        heads: usize,
        image: &[Array<f32>],
        done: &mut dyn FnMut(),
    ) -> Result<Logits, NetworkError> {
        let shape = image.first().map_or([0; 3], |c| c.shape);
        let (voxels, patch_voxels) = (count(shape), count(self.patch));
        let weights = gaussian(self.patch).iter().map(|w| w.to_f32()).collect::<Vec<f32>>();
        let mut sums = vec![f16::ZERO; heads * voxels];
        let mut weight_sums = vec![f16::ZERO; voxels];
        let (mut patch, mut output, mut flipped) = (Vec::new(), Vec::new(), Vec::new());
        for low in tiles(shape, self.patch, self.step) {
            let bounds = Bounds { low, high: [0, 1, 2].map(|k| low[k] + self.patch[k]) };
            patch.clear();
            for channel in image {
                patch.extend(channel.crop(&bounds).data);
            }
            output.clear();
            network.run(&patch, &mut output)?;
            done();
            for axes in self.mirrors {
                let mut mirrored = patch.clone();
                mirrored.chunks_exact_mut(patch_voxels).for_each(|c| flip(c, self.patch, axes));
                flipped.clear();
                network.run(&mirrored, &mut flipped)?;
                flipped.chunks_exact_mut(patch_voxels).for_each(|c| flip(c, self.patch, axes));
                output.iter_mut().zip(&flipped).for_each(|(sum, v)| *sum += v);
                done();
            }
            if !self.mirrors.is_empty() {
                let runs = (self.mirrors.len() + 1) as f32;
                output.iter_mut().for_each(|v| *v /= runs);
            }
            for (head, logits) in output.chunks_exact(patch_voxels).enumerate() {
                let target = &mut sums[head * voxels..][..voxels];
                self.add(target, shape, low, |row, k| logits[row + k] * weights[row + k]);
            }
            self.add(&mut weight_sums, shape, low, |row, k| weights[row + k]);
        }
        let divisors: Vec<f32> = weight_sums.to_f32_vec();
        let mut row = vec![0.0; voxels.min(1 << 16)];
        for head in sums.chunks_exact_mut(voxels.max(1)) {
            for (part, divisors) in head.chunks_mut(row.len().max(1)).zip(divisors.chunks(row.len().max(1))) {
                let row = &mut row[..part.len()];
                part.convert_to_f32_slice(row);
                row.iter_mut().zip(divisors).for_each(|(v, d)| *v /= d);
                part.convert_from_f32_slice(row);
                if row.iter().any(|v| !v.is_finite()) || part.iter().any(|v| !v.is_finite()) {
                    return Err(network.not_finite());
                }
            }
        }
        Ok(Logits { heads, shape, data: sums })
    }

    /// Adds a patch at `low`: each sum is made in single precision and rounded to half.
    fn add(&self, target: &mut [f16], shape: Shape, low: Shape, value: impl Fn(usize, usize) -> f32) {
        let [sa, sb, _] = strides(shape);
        let mut line = vec![0.0_f32; self.patch[2]];
        for a in 0..self.patch[0] {
            for b in 0..self.patch[1] {
                let row = (a * self.patch[1] + b) * self.patch[2];
                let sums = &mut target[(low[0] + a) * sa + (low[1] + b) * sb + low[2]..][..self.patch[2]];
                sums.convert_to_f32_slice(&mut line);
                line.iter_mut().enumerate().for_each(|(k, v)| *v += value(row, k));
                sums.convert_from_f32_slice(&line);
            }
        }
    }
}

/// Every non-empty set of the given axes, in the order of Python's `itertools.combinations`, shorter ones first.
pub(super) fn mirror_sets(axes: &[usize]) -> Vec<Vec<usize>> {
    let mut sets: Vec<Vec<usize>> = (1..1_usize << axes.len().min(3))
        .map(|bits| axes.iter().enumerate().filter(|(k, _)| bits >> k & 1 == 1).map(|(_, axis)| *axis).collect())
        .collect();
    sets.sort_by(|a: &Vec<usize>, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    sets
}

/// Mirrors one channel along axes, in place.
fn flip(data: &mut [f32], shape: Shape, axes: &[usize]) {
    for &axis in axes {
        let inner: usize = shape[axis + 1..].iter().product();
        let n = shape[axis];
        for block in data.chunks_exact_mut(n * inner) {
            if inner == 1 {
                block.reverse();
            } else {
                for k in 0..n / 2 {
                    let (front, back) = block.split_at_mut((n - 1 - k) * inner);
                    front[k * inner..(k + 1) * inner].swap_with_slice(&mut back[..inner]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! With a network whose answer is known, the window gives that answer back, mirrored or not.

    use super::*;
    use std::path::PathBuf;

    /// Gives the first channel, its negative, and a ramp along the last axis of the patch.
    struct Known {
        patch: Shape,
        broken: bool,
    }

    impl Network for Known {
        fn run(&mut self, patch: &[f32], out: &mut Vec<f32>) -> Result<(), NetworkError> {
            let first = &patch[..count(self.patch)];
            out.extend(first);
            out.extend(first.iter().map(|v| -v));
            out.extend((0..first.len()).map(|k| if self.broken { f32::NAN } else { (k % self.patch[2]) as f32 }));
            Ok(())
        }
        fn not_finite(&self) -> NetworkError {
            NetworkError::NotFinite { path: PathBuf::from("known") }
        }
    }

    fn image(shape: Shape) -> Array<f32> {
        Array { shape, data: (0..count(shape)).map(|k| (k * 31 % 64) as f32).collect() }
    }

    #[test]
    fn tiles_give_the_image_back() {
        let (shape, patch) = ([9, 17, 12], [8, 8, 8]);
        for mirrors in [vec![], mirror_sets(&[0, 1, 2])] {
            let window = Window { patch, step: 0.5, mirrors: &mirrors };
            let mut calls = 0;
            let image = image(shape);
            let mut network = Known { patch, broken: false };
            let out = window.logits(&mut network, 3, std::slice::from_ref(&image), &mut || calls += 1).expect("it runs");
            assert_eq!(calls, window.runs(shape));
            for (k, v) in image.data.iter().enumerate() {
                let tolerance = 0.02 * v + 0.05; // half precision sums
                assert!((out.data[k].to_f32() - v).abs() <= tolerance, "{k}: {} is not {v}", out.data[k]);
                assert!((out.data[image.data.len() + k].to_f32() + v).abs() <= tolerance);
            }
            // Mirrored along the last axis and back, a ramp of 0-7 becomes flat: 3.5, or 3 or 4 times the least weight in corners.
            let ramp = &out.data[2 * image.data.len()..];
            let spread = ramp.iter().map(|v| (v.to_f32() - 3.5).abs()).fold(0.0, f32::max);
            assert!(if mirrors.is_empty() { spread > 3.0 } else { spread < 0.6 }, "{spread}");
        }
    }

    #[test]
    fn no_number_is_an_error() {
        let window = Window { patch: [4; 3], step: 0.5, mirrors: &[] };
        let result = window.logits(&mut Known { patch: [4; 3], broken: true }, 3, &[image([4; 3])], &mut || {});
        assert!(matches!(result, Err(NetworkError::NotFinite { .. })));
    }

    #[test]
    fn mirror_sets_are_pythons_combinations() {
        assert_eq!(mirror_sets(&[0, 2]), [vec![0], vec![2], vec![0, 2]]);
        assert_eq!(mirror_sets(&[0, 1, 2])[3..], [vec![0, 1], vec![0, 2], vec![1, 2], vec![0, 1, 2]]);
        assert!(mirror_sets(&[]).is_empty());
    }

    #[test]
    fn flipping_twice_changes_nothing() {
        let before = image([3, 4, 5]);
        let mut data = before.data.clone();
        flip(&mut data, before.shape, &[0, 2]);
        assert_eq!(data[0], before.data[2 * 20 + 4]);
        flip(&mut data, before.shape, &[0, 2]);
        assert_eq!(data, before.data);
    }
}
