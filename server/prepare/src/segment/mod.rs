//! Segmentation with any nnU-Net v2 export, giving what nnU-Net itself gives, voxel for voxel.
//!
//! A model is a folder with `plans.json` and `dataset.json` as nnU-Net writes them and the network as `model.onnx` (or
//! `model_fold0.onnx`, `model_fold1.onnx` ..., whose logits are averaged). Two files may stand beside them: `mirroring.json` with
//! the axes the network was trained to be mirrored along, and `spinor.json` with what a plan does not say ([`Settings`]).
//!
//! The steps are those of nnU-Net (Isensee et al., doi:10.1038/s41592-020-01008-z; compared with version 2.8.1): transpose, crop
//! to what is not zero, normalise, resample, slide a window with Gaussian weights and half-precision sums, resample the logits
//! back, take the best label, paste and transpose back. A plan that asks for anything else is refused.

mod array;
mod builtin;
mod case;
mod dataset;
mod engine;
mod folder;
mod json;
mod mean;
mod network;
mod normalise;
mod orientation;
mod plans;
#[cfg(test)]
mod reference;
mod resample;
mod sliding;
pub mod spine;
mod spline;
mod tiles;

pub use builtin::{BUILT_IN, BUILT_IN_MR, built_in, built_in_named};
pub use case::{Scan, Segmented, relabel_for_case, segment_for_case};
pub use dataset::{Dataset, Outputs};
pub use folder::{Modality, ModelFolder, Settings};
pub use json::JsonError;
pub use network::NetworkError;
pub use plans::{Channel, Normalisation, Plan, Resampling};

use crate::volume3d::{Geometry, GeometryError, Image};
use network::{Network, OnnxNetwork};
use std::path::{Path, PathBuf};

/// Why an image could not be segmented.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The model's files are missing, wrong or describe a model that is not run here.
    #[error(transparent)]
    Model(#[from] JsonError),
    /// The folder holds no network.
    #[error("{} holds no network: model.onnx (or model_fold0.onnx and so on) is missing; `spinor models add` converts a trained nnU-Net", folder.display())]
    NoNetwork {
        /// The model's folder.
        folder: PathBuf,
    },
    /// The network cannot be loaded or run.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Plans and dataset disagree.
    #[error("{}: plans.json normalises {plans} channels, dataset.json names {dataset}", folder.display())]
    ChannelsDisagree {
        /// The model's folder.
        folder: PathBuf,
        /// Channels of the plan.
        plans: usize,
        /// Channels of the dataset.
        dataset: usize,
    },
    /// As many images as the model does not take.
    #[error("the model takes {} input image(s) ({}), {given} were given", names.len(), names.join(", "))]
    Channels {
        /// Names of the channels it takes.
        names: Vec<String>,
        /// Images given.
        given: usize,
    },
    /// Images of several lattices.
    #[error("input {channel} does not lie on the same voxels as input 0 ({other:?} instead of {first:?}); resample it first")]
    Lattice {
        /// Place of the image among the inputs.
        channel: usize,
        /// Lattice of the first one.
        first: Box<Geometry>,
        /// Its own.
        other: Box<Geometry>,
    },
    /// Values that are no numbers.
    #[error("input {channel} holds {voxels} voxels that are not finite numbers")]
    NotFinite {
        /// Place of the image among the inputs.
        channel: usize,
        /// How many.
        voxels: usize,
    },
    /// Nothing to segment.
    #[error("the image is zero everywhere")]
    Empty,
    /// At the plan's spacing the image would vanish or not fit in memory.
    #[error("at the model's spacing of {spacing_mm:?} mm the image would have {shape:?} voxels, with {heads} classes {why}")]
    Size {
        /// The plan's spacing.
        spacing_mm: [f64; 3],
        /// The shape it would get.
        shape: [f64; 3],
        /// Channels of the network's output.
        heads: usize,
        /// What is wrong with that.
        why: &'static str,
    },
    /// A step that does not cover the image.
    #[error("the tile step must be above 0 and at most 1, not {0}")]
    Step(f64),
    /// No worker threads.
    #[error("{threads} worker threads could not be started: {message}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system said.
        message: String,
    },
    /// No label of the model is a structure of ours.
    #[error(
        "none of the labels of {} is a structure of the spine known here (its labels: {labels}); \
         a file spinor.json beside it may name a scheme: {{\"scheme\": \"verse\"}}",
        folder.display()
    )]
    NoKnownLabel {
        /// The model's folder.
        folder: PathBuf,
        /// Its labels.
        labels: String,
    },
    /// A model for MR, to be run on a CT.
    #[error("the model in {} is for MR (its spinor.json says so), and what is to be segmented is the CT", folder.display())]
    ForMr {
        /// The model's folder.
        folder: PathBuf,
    },
    /// A model for CT, to be run on an MR.
    #[error("the model in {} is for CT, and what is to be segmented is an MR", folder.display())]
    ForCt {
        /// The model's folder.
        folder: PathBuf,
    },
    /// What a model of parts found makes no spine.
    #[error(transparent)]
    Spine(#[from] spine::SpineError),
    /// The result does not fit its lattice, which cannot happen with a lattice that was checked.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
}

/// What a run may choose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Average over all mirrorings the model allows (up to eight runs a tile).
    pub mirror: bool,
    /// Step between tiles as a fraction of the patch; the model's own (usually nnU-Net's 0.5) when none.
    pub tile_step: Option<f64>,
}

/// Which part of the work is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Cropping, normalising and resampling the image.
    Prepare,
    /// Running the network.
    Network,
    /// Resampling the result.
    Finish,
}

/// How far the work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The part.
    pub stage: Stage,
    /// Units done of that part.
    pub done: usize,
    /// Units in that part.
    pub total: usize,
}

/// A model that is ready to run.
pub struct Model {
    folder: ModelFolder,
    networks: Vec<OnnxNetwork>,
    pool: rayon::ThreadPool,
}

impl Model {
    /// Loads a model folder; its networks and resampling use `threads` threads.
    ///
    /// # Errors
    /// When a file is missing or wrong, the model is one that cannot be run faithfully, or ONNX Runtime is missing.
    pub fn load(folder: &Path, threads: usize) -> Result<Self, SegmentError> {
        Self::from_folder(ModelFolder::open(folder)?, threads)
    }

    /// As [`Self::load`], for a folder that was already read.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_folder(folder: ModelFolder, threads: usize) -> Result<Self, SegmentError> {
        let threads = threads.max(1);
        let (channels, heads) = (folder.dataset.channels.len(), folder.dataset.outputs.heads());
        let mut networks = Vec::with_capacity(folder.networks.len());
        for path in &folder.networks {
            networks.push(OnnxNetwork::load(path, channels, folder.plan.patch, heads, threads)?);
        }
        if let Some(bytes) = folder.embedded {
            networks.push(OnnxNetwork::from_bytes(&folder.path, bytes, channels, folder.plan.patch, heads, threads)?);
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|e| SegmentError::Threads { threads, message: e.to_string() })?;
        Ok(Self { folder, networks, pool })
    }

    /// What the folder says.
    pub fn folder(&self) -> &ModelFolder {
        &self.folder
    }

    /// The label map of an image, in the model's own numbers and on the image's voxels.
    ///
    /// `channels` are the model's inputs in the order of `dataset.json`, all on the same voxels. `progress` is called now and then.
    ///
    /// # Errors
    /// When the images do not fit the model, hold nothing or no numbers, or the network fails.
    pub fn segment(
        &mut self,
        channels: &[Image<f32>],
        options: &Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Image<u16>, SegmentError> {
        let names = &self.folder.dataset.channels;
        let first = match channels.first() {
            Some(first) if channels.len() == names.len() => first.geometry,
            _ => return Err(SegmentError::Channels { names: names.clone(), given: channels.len() }),
        };
        let tolerance_mm = first.spacing_mm.iter().copied().fold(f64::INFINITY, f64::min) * 0.01;
        for (channel, image) in channels.iter().enumerate() {
            if !image.geometry.same_lattice(&first, tolerance_mm) {
                let other = Box::new(image.geometry);
                return Err(SegmentError::Lattice { channel, first: Box::new(first), other });
            }
            let voxels = image.voxels.iter().filter(|v| !v.is_finite()).count();
            if voxels > 0 {
                return Err(SegmentError::NotFinite { channel, voxels });
            }
        }
        let tile_step = options.tile_step.or(self.folder.settings.tile_step).unwrap_or(0.5);
        if !(tile_step > 0.0 && tile_step <= 1.0) {
            return Err(SegmentError::Step(tile_step));
        }
        let mirror_axes: &[usize] = if options.mirror { self.folder.mirror_axes() } else { &[] };
        let mut networks: Vec<&mut dyn Network> = self.networks.iter_mut().map(|n| n as &mut dyn Network).collect();
        let mut run = engine::Run {
            plan: &self.folder.plan,
            outputs: &self.folder.dataset.outputs,
            networks: &mut networks,
            tile_step,
            shrink_by_mean: self.folder.settings.shrink_by_mean,
            mirror_axes,
            pool: &self.pool,
            progress,
        };
        if !self.folder.reorients() {
            let images: Vec<&[f32]> = channels.iter().map(|c| c.voxels.as_slice()).collect();
            return Ok(Image::new(first, run.segment(&images, first.size, first.spacing_mm)?)?);
        }
        let turn = orientation::Turn::to_ras(&first);
        let turned: Vec<Vec<f32>> = channels.iter().map(|c| turn.apply(&c.voxels)).collect();
        let images: Vec<&[f32]> = turned.iter().map(Vec::as_slice).collect();
        let labels = run.segment(&images, turn.size(), turn.axes().map(|k| first.spacing_mm[k]))?;
        Ok(Image::new(first, turn.undo(&labels))?)
    }
}
