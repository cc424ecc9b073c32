//! Frames, bricks, signed distance fields, cuts, meshes, digests and queries of Spinor's patient volume.
//!
//! This crate does no IO, reads no clock, spawns no thread and owns no random number. The same inputs give the same bytes on
//! every machine: what enters a digest is integer arithmetic or scalar IEEE `+ - * / sqrt` without fused operations.
//!
//! Frame: everything is **patient LPS in millimetres** (x to the patient's left, y to the back, z to the head). A voxel's centre
//! lies at its integer index.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests compare with analytic truth"))]

mod bits;
pub mod cut;
pub mod detach;
pub mod digest;
mod far;
pub mod field;
pub mod grid;
pub mod label;
pub mod measure;
pub mod mesh;
pub mod patient;
pub mod proximity;
pub mod query;
pub mod sample;
pub mod spot;

pub use cut::{CutError, CutOp, CutOutcome, CutShape, CutState, Dirty, Stamp};
pub use detach::{Connectivity, Loose, UncutPieces};
pub use field::{BrickSamples, BrickState, SparseField};
pub use grid::{BRICK, BRICK_VOXELS, BrickIndex, Grid, GridError, SDF_PER_VOXEL, SUBVOXEL, VoxelIndex};
pub use label::{ClassMask, Label, TissueClass};
pub use mesh::{BrickMesh, Mesher, surface_bricks};
pub use patient::{DensityField, HU_PER_STEP, Patient, PatientError, Source, Structure};
pub use proximity::ProximityField;
