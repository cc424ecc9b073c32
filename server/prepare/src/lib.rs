//! Preparation: DICOM and NIfTI, segmentation, baking, quality report and case files.

pub mod bake;
pub mod edt;
pub mod export;
pub mod models;
pub mod nifti_io;
pub mod palette;
pub mod phantom;
pub mod render3d;
pub mod runtime;
pub mod schemes;
pub mod segment;
pub mod volume3d;

mod nifti_header;
