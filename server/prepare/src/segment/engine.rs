//! The steps of nnU-Net's inference, one after the other.

use super::array::{Array, Bounds, bounds_of, count, fill_holes};
use super::dataset::Outputs;
use super::mean::shrink;
use super::network::Network;
use super::normalise::normalise;
use super::plans::Plan;
use super::resample::{new_shape, resample};
use super::sliding::{Logits, Window, mirror_sets};
use super::tiles::half_from_f64;
use super::{Progress, SegmentError, Stage};
use half::f16;

/// Most voxels an image may have at the plan's spacing.
const MOST_VOXELS: f64 = (1_u64 << 30) as f64;
/// Most logits, which take two bytes each.
const MOST_LOGITS: f64 = (1_u64 << 34) as f64;

/// Everything one run needs.
pub(super) struct Run<'a, 'n> {
    pub(super) plan: &'a Plan,
    pub(super) outputs: &'a Outputs,
    pub(super) networks: &'a mut [&'n mut dyn Network],
    pub(super) tile_step: f64,
    /// Whether the image is shrunk by means, not as nnU-Net does it.
    pub(super) shrink_by_mean: bool,
    pub(super) mirror_axes: &'a [usize],
    pub(super) pool: &'a rayon::ThreadPool,
    pub(super) progress: &'a mut dyn FnMut(Progress),
}

impl Run<'_, '_> {
    /// Labels of an image given as channels of `size` voxels, x fastest, in the same order.
    pub(super) fn segment(
        &mut self,
        channels: &[&[f32]],
        size: [usize; 3],
        spacing_mm: [f64; 3],
    ) -> Result<Vec<u16>, SegmentError> {
        let plan = self.plan;
        // nnU-Net sees the axes as (z, y, x), and the spacing in the single precision of a NIfTI header.
        let shape = [size[2], size[1], size[0]];
        let spacing = [spacing_mm[2], spacing_mm[1], spacing_mm[0]].map(|s| f64::from(s as f32));
        let spacing = plan.transpose_forward.map(|k| spacing[k]);
        let heads = self.outputs.heads();

        let mut mask = Array { shape, data: vec![false; count(shape)] };
        for channel in channels {
            mask.data.iter_mut().zip(*channel).for_each(|(m, v)| *m |= *v != 0.0);
        }
        let bounds = bounds_of(&mask).ok_or(SegmentError::Empty)?;
        let filled = plan.channels.iter().any(|c| c.masked).then(|| {
            let mut filled = mask.crop(&bounds);
            fill_holes(&mut filled);
            filled.transpose(plan.transpose_forward)
        });
        drop(mask);

        let cropped = bounds.transposed(plan.transpose_forward).shape();
        let target = new_shape(cropped, spacing, plan.spacing_mm);
        let fine = self.check_size(target, heads)?;
        let mut prepared = Vec::with_capacity(channels.len());
        for (k, (voxels, channel)) in channels.iter().zip(&plan.channels).enumerate() {
            self.report(Stage::Prepare, k, channels.len());
            let mut image = crop(voxels, shape, &bounds);
            if channel.masked {
                image = image.transpose(plan.transpose_forward);
                normalise(&mut image, channel, filled.as_ref(), shape, &bounds);
            } else {
                normalise(&mut image, channel, None, shape, &bounds);
                image = image.transpose(plan.transpose_forward);
            }
            prepared.push(self.at_plan_spacing(image, fine, spacing));
        }
        self.report(Stage::Prepare, channels.len(), channels.len());

        let (padded, low) = pad(&prepared, plan.patch);
        drop(prepared);
        let logits = self.logits(&padded, heads)?;
        drop(padded);

        let inside = Bounds { low, high: [0, 1, 2].map(|k| low[k] + fine[k]) };
        let labels = self.decide(&logits, &inside, cropped, spacing);
        let mut whole = Array::zeros(plan.transpose_forward.map(|k| shape[k]));
        whole.paste(&labels, bounds.transposed(plan.transpose_forward).low);
        Ok(whole.transpose(plan.transpose_backward).data)
    }

    fn report(&mut self, stage: Stage, done: usize, total: usize) {
        (self.progress)(Progress { stage, done, total });
    }

    /// The shape as whole numbers, if image and logits of it can exist.
    fn check_size(&self, shape: [f64; 3], heads: usize) -> Result<[usize; 3], SegmentError> {
        let padded: f64 = [0, 1, 2].map(|k| shape[k].max(self.plan.patch[k] as f64)).iter().product();
        let why = if shape.iter().any(|n| *n < 1.0) {
            "too thin for it"
        } else if padded > MOST_VOXELS || padded * heads as f64 > MOST_LOGITS {
            "more than fits in memory; crop it to the spine first"
        } else {
            return Ok(shape.map(|n| n as usize));
        };
        Err(SegmentError::Size { spacing_mm: self.plan.spacing_mm, shape, heads, why })
    }

    fn at_plan_spacing(&self, image: Array<f32>, shape: [usize; 3], spacing: [f64; 3]) -> Array<f32> {
        if image.shape == shape {
            return image;
        }
        let (image, spacing) = if self.shrink_by_mean {
            let shrunk = self.pool.install(|| shrink(image, shape));
            let done = [0, 1, 2].map(|k| if shrunk.shape[k] == shape[k] { self.plan.spacing_mm[k] } else { spacing[k] });
            (shrunk, done)
        } else {
            (image, spacing)
        };
        let wide = Array { shape: image.shape, data: image.data.into_iter().map(f64::from).collect() };
        let out = self.pool.install(|| resample(wide, shape, spacing, self.plan.spacing_mm, &self.plan.data));
        Array { shape, data: out.data.into_iter().map(|v| v as f32).collect() }
    }

    /// Mean of the networks' logits, in half precision.
    fn logits(&mut self, image: &[Array<f32>], heads: usize) -> Result<Logits, SegmentError> {
        let mirrors = mirror_sets(self.mirror_axes);
        let window = Window { patch: self.plan.patch, step: self.tile_step, mirrors: &mirrors };
        let shape = image.first().map_or([0; 3], |c| c.shape);
        let total = window.runs(shape) * self.networks.len();
        let mut done = 0;
        let progress = &mut *self.progress;
        let mut count_run = || {
            done += 1;
            progress(Progress { stage: Stage::Network, done, total });
        };
        let mut sum = Logits { heads, shape, data: Vec::new() };
        let folds = self.networks.len();
        for network in self.networks.iter_mut() {
            let one = window.logits(&mut **network, heads, image, &mut count_run)?;
            if sum.data.is_empty() {
                sum = one;
            } else {
                sum.data.iter_mut().zip(&one.data).for_each(|(a, b)| *a = f16::from_f32(a.to_f32() + b.to_f32()));
            }
        }
        if folds > 1 {
            sum.data.iter_mut().for_each(|v| *v = f16::from_f32(v.to_f32() / folds as f32));
        }
        Ok(sum)
    }

    /// Brings the logits back to the cropped image's voxels and decides; one head after the other, so that memory stays small.
    fn decide(&mut self, logits: &Logits, inside: &Bounds, shape: [usize; 3], spacing: [f64; 3]) -> Array<u16> {
        let voxels = count(logits.shape);
        let mut labels: Array<u16> = Array::zeros(shape);
        let mut best = vec![f32::NEG_INFINITY; labels.data.len()];
        for head in 0..logits.heads {
            self.report(Stage::Finish, head, logits.heads);
            let padded = Array { shape: logits.shape, data: logits.data[head * voxels..][..voxels].to_vec() };
            let part = padded.crop(inside);
            let back: Vec<f32> = if part.shape == shape {
                part.data.into_iter().map(f16::to_f32).collect()
            } else {
                let wide = Array { shape: part.shape, data: part.data.into_iter().map(f16::to_f64).collect() };
                let out = self.pool.install(|| resample(wide, shape, self.plan.spacing_mm, spacing, &self.plan.logits));
                out.data.into_iter().map(|v| half_from_f64(v).to_f32()).collect()
            };
            match self.outputs {
                Outputs::Labels(_) => {
                    for ((label, best), v) in labels.data.iter_mut().zip(&mut best).zip(back) {
                        if v > *best {
                            (*label, *best) = (head as u16, v);
                        }
                    }
                }
                Outputs::Regions(values) => {
                    let value = values.get(head).copied().unwrap_or(0);
                    let chosen = |v: f32| 1.0 / (1.0 + (-v).exp()) > 0.5;
                    labels.data.iter_mut().zip(back).filter(|(_, v)| chosen(*v)).for_each(|(label, _)| *label = value);
                }
            }
        }
        self.report(Stage::Finish, logits.heads, logits.heads);
        labels
    }
}

/// Part of a channel that is not yet an array.
fn crop(voxels: &[f32], shape: [usize; 3], bounds: &Bounds) -> Array<f32> {
    let part = bounds.shape();
    let mut data = Vec::with_capacity(count(part));
    for a in bounds.low[0]..bounds.high[0] {
        for b in bounds.low[1]..bounds.high[1] {
            let row = (a * shape[1] + b) * shape[2];
            data.extend_from_slice(&voxels[row + bounds.low[2]..row + bounds.high[2]]);
        }
    }
    Array { shape: part, data }
}

/// Surrounds images with zeros to at least the patch's size; the odd voxel goes to the high side. Also where the image begins.
fn pad(images: &[Array<f32>], patch: [usize; 3]) -> (Vec<Array<f32>>, [usize; 3]) {
    let shape = images.first().map_or([0; 3], |i| i.shape);
    let target = [0, 1, 2].map(|k| shape[k].max(patch[k]));
    let low = [0, 1, 2].map(|k| (target[k] - shape[k]) / 2);
    let padded = images.iter().map(|image| {
        let mut out = Array::zeros(target);
        out.paste(image, low);
        out
    });
    (padded.collect(), low)
}

#[cfg(test)]
mod tests {
    //! With a network whose answer is known the whole way there and back is checked, on odd sizes, axes and empty borders.

    use super::super::plans::{Channel, Normalisation, Resampling};
    use super::*;
    use crate::segment::NetworkError;
    use std::path::PathBuf;

    /// Head 0 is 50, head 1 the image itself.
    struct Threshold;

    impl Network for Threshold {
        fn run(&mut self, patch: &[f32], out: &mut Vec<f32>) -> Result<(), NetworkError> {
            out.extend(std::iter::repeat_n(50.0, patch.len()));
            out.extend(patch);
            Ok(())
        }
        fn not_finite(&self) -> NetworkError {
            NetworkError::NotFinite { path: PathBuf::from("threshold") }
        }
    }

    fn plan(spacing_mm: [f64; 3]) -> Plan {
        let linear = Resampling { order: 1, order_z: 0, force_separate_z: None, threshold: 3.0 };
        Plan {
            dataset: String::new(),
            configuration: "3d_fullres".to_owned(),
            transpose_forward: [2, 0, 1],
            transpose_backward: [1, 2, 0],
            spacing_mm,
            patch: [8, 10, 12],
            channels: vec![Channel { scheme: Normalisation::None, masked: false }],
            data: linear,
            logits: linear,
            reorient: false,
        }
    }

    fn run(plan: &Plan, outputs: &Outputs, image: &[f32], size: [usize; 3]) -> Result<Vec<u16>, SegmentError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("threads");
        let mut network = Threshold;
        let mut networks: [&mut dyn Network; 1] = [&mut network];
        let mut progress = |_: Progress| {};
        let networks = &mut networks;
        let mut run = Run {
            plan,
            outputs,
            networks,
            tile_step: 0.5,
            shrink_by_mean: false,
            mirror_axes: &[],
            pool: &pool,
            progress: &mut progress,
        };
        run.segment(&[image], size, [1.0, 1.0, 2.0])
    }

    /// A bright block in a dim one in an empty border.
    fn blocks(size: [usize; 3]) -> Vec<f32> {
        let inside = |at: usize, margin: usize| {
            let index = [at % size[0], at / size[0] % size[1], at / (size[0] * size[1])];
            (0..3).all(|k| index[k] >= margin && index[k] + margin < size[k])
        };
        (0..count(size))
            .map(|at| {
                if inside(at, 4) {
                    100.0
                } else if inside(at, 2) {
                    10.0
                } else {
                    0.0
                }
            })
            .collect()
    }

    #[test]
    fn without_resampling_the_labels_are_exact() {
        let size = [13, 21, 17];
        let image = blocks(size);
        let labels = run(&plan([1.0, 2.0, 1.0]), &Outputs::Labels(2), &image, size).expect("it runs");
        assert!(image.iter().zip(&labels).all(|(v, label)| *label == u16::from(*v > 50.0)));
        let regions = run(&plan([1.0, 2.0, 1.0]), &Outputs::Regions(vec![7, 9]), &image, size).expect("it runs");
        assert!(image.iter().zip(&regions).all(|(v, label)| match *v {
            v if v > 0.0 => *label == 9,
            _ => *label == 0 || *label == 7, // inside the crop the first region is everywhere
        }));
    }

    #[test]
    fn resampled_there_and_back_the_block_keeps_its_place() {
        let size = [40, 44, 36];
        let image = blocks(size);
        let labels = run(&plan([1.5, 1.5, 1.5]), &Outputs::Labels(2), &image, size).expect("it runs");
        let both = image.iter().zip(&labels).filter(|(v, l)| **v > 50.0 && **l == 1).count() as f64;
        let all = image.iter().filter(|v| **v > 50.0).count() + labels.iter().filter(|l| **l == 1).count();
        assert!(2.0 * both / all as f64 > 0.97);
    }

    #[test]
    fn impossible_sizes_are_errors() {
        let size = [13, 21, 17];
        let image = blocks(size);
        let outputs = Outputs::Labels(2);
        assert!(matches!(run(&plan([0.01; 3]), &outputs, &image, size), Err(SegmentError::Size { .. })));
        assert!(matches!(run(&plan([900.0; 3]), &outputs, &image, size), Err(SegmentError::Size { .. })));
        assert!(matches!(run(&plan([1.0; 3]), &outputs, &vec![0.0; count(size)], size), Err(SegmentError::Empty)));
    }
}
