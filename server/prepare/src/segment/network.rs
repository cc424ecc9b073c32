//! A network that gives logits for a patch, and the one that ONNX Runtime runs.

use super::array::{Shape, count};
use crate::runtime::{RuntimeError, environment};
use ort::{
    session::{Session, builder::GraphOptimizationLevel},
    value::{TensorElementType, TensorRef, ValueType},
};
use std::path::{Path, PathBuf};

/// Why a network cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// ONNX Runtime is missing.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The file is no network that ONNX Runtime takes.
    #[error("{} is not a network that ONNX Runtime can load: {message}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// What ONNX Runtime said.
        message: String,
    },
    /// The network does not fit its plans and dataset files.
    #[error("{} does not fit the plans: {message}", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What differs.
        message: String,
    },
    /// Running it failed.
    #[error("running {} failed: {message}", path.display())]
    Run {
        /// The file.
        path: PathBuf,
        /// What ONNX Runtime said.
        message: String,
    },
    /// The network gave infinity or no number at all.
    #[error("{} gave logits that are not finite numbers; the result would be meaningless", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
    },
}

/// What gives logits for a patch.
pub(super) trait Network {
    /// Runs one patch (channels, then the three axes) and appends its logits (heads, then the axes) to `out`, which is empty.
    fn run(&mut self, patch: &[f32], out: &mut Vec<f32>) -> Result<(), NetworkError>;

    /// The error that says that the logits are not finite.
    fn not_finite(&self) -> NetworkError;
}

/// A network in an ONNX file.
pub(super) struct OnnxNetwork {
    path: PathBuf,
    session: Session,
    shape: [usize; 5],
    heads: usize,
}

impl OnnxNetwork {
    /// Loads a network and checks that it takes `channels` patches and gives `heads` logits.
    pub(super) fn load(path: &Path, channels: usize, patch: Shape, heads: usize, threads: usize) -> Result<Self, NetworkError> {
        Self::commit(path, None, channels, patch, heads, threads)
    }

    /// As [`Self::load`], from a file's bytes; `path` is the name used in messages.
    pub(super) fn from_bytes(
        path: &Path,
        bytes: &[u8],
        channels: usize,
        patch: Shape,
        heads: usize,
        threads: usize,
    ) -> Result<Self, NetworkError> {
        Self::commit(path, Some(bytes), channels, patch, heads, threads)
    }

    fn commit(
        path: &Path,
        bytes: Option<&[u8]>,
        channels: usize,
        patch: Shape,
        heads: usize,
        threads: usize,
    ) -> Result<Self, NetworkError> {
        let environment = environment()?;
        let load = |message: String| NetworkError::Load { path: path.to_owned(), message };
        let mut builder = Session::builder(&environment).map_err(|e| load(e.to_string()))?;
        builder = builder.with_intra_threads(threads.max(1)).map_err(|e| load(e.to_string()))?;
        // Waiting threads give the core to others instead of spinning.
        builder = builder.with_intra_op_spinning(false).map_err(|e| load(e.to_string()))?;
        builder = builder.with_optimization_level(GraphOptimizationLevel::All).map_err(|e| load(e.to_string()))?;
        let session = match bytes {
            Some(bytes) => builder.commit_from_memory(bytes),
            None => builder.commit_from_file(path),
        };
        let session = session.map_err(|e| load(e.to_string()))?;
        let network = Self { path: path.to_owned(), session, shape: [1, channels, patch[0], patch[1], patch[2]], heads };
        network.check()?;
        Ok(network)
    }

    fn mismatch(&self, message: String) -> NetworkError {
        NetworkError::Mismatch { path: self.path.clone(), message }
    }

    fn check(&self) -> Result<(), NetworkError> {
        let [_, channels, a, b, c] = self.shape;
        let expected_in = [None, Some(channels), Some(a), Some(b), Some(c)];
        let expected_out = [None, Some(self.heads), Some(a), Some(b), Some(c)];
        let sides = [("input", self.session.inputs(), expected_in), ("output", self.session.outputs(), expected_out)];
        for (what, outlets, expected) in sides {
            // Deep supervision gives further outputs; the first one is the full resolution.
            let outlet = match outlets {
                [one] => one,
                [first, ..] if what == "output" => first,
                _ => return Err(self.mismatch(format!("it has {} {what}s instead of one", outlets.len()))),
            };
            let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
                return Err(self.mismatch(format!("its {what} is no tensor")));
            };
            if *ty != TensorElementType::Float32 {
                return Err(self.mismatch(format!("its {what} holds {ty} instead of 32-bit floats")));
            }
            let fits = shape.len() == 5
                && shape.iter().zip(expected).all(|(n, want)| *n < 0 || want.is_none_or(|want| *n == want as i64));
            if !fits {
                let want = [1, expected[1].unwrap_or(0), a, b, c];
                return Err(self.mismatch(format!("its {what} has the shape {:?}, plans and dataset say {want:?}", &shape[..])));
            }
        }
        Ok(())
    }
}

impl Network for OnnxNetwork {
    fn run(&mut self, patch: &[f32], out: &mut Vec<f32>) -> Result<(), NetworkError> {
        let path = &self.path;
        let failed = |message: String| NetworkError::Run { path: path.clone(), message };
        let input = TensorRef::from_array_view((self.shape, patch)).map_err(|e| failed(e.to_string()))?;
        let outputs = self.session.run(ort::inputs![input]).map_err(|e| failed(e.to_string()))?;
        let first = outputs.values().next().ok_or_else(|| failed("it gave no output".to_owned()))?;
        let (shape, logits) = first.try_extract_tensor::<f32>().map_err(|e| failed(e.to_string()))?;
        let wanted = self.heads * count([self.shape[2], self.shape[3], self.shape[4]]);
        if logits.len() != wanted {
            return Err(failed(format!(
                "it gave logits of the shape {:?}, {} heads on the patch are expected",
                &shape[..],
                self.heads
            )));
        }
        out.extend_from_slice(logits);
        Ok(())
    }

    fn not_finite(&self) -> NetworkError {
        NetworkError::NotFinite { path: self.path.clone() }
    }
}
