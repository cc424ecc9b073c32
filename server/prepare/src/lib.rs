//! Preparation: DICOM and NIfTI, segmentation, baking, quality report and case files.

pub mod bake;
pub mod complete;
pub mod contours;
pub mod edt;
pub mod evaluate;
pub mod export;
pub mod files;
pub mod ingest;
pub mod models;
pub mod nifti_io;
pub mod palette;
pub mod phantom;
pub mod pipeline;
pub mod register;
pub mod render3d;
pub mod report;
pub mod runtime;
pub mod schemes;
pub mod segment;
pub mod stages;
pub mod surface;
pub mod volume3d;

mod dicom_guard;
mod dicom_header;
mod dicom_pixels;
mod dicom_scan;
mod dicom_series;
mod dicom_volume;
mod dicom_words;
mod foreign;
mod nifti_header;
#[cfg(test)]
mod test_data;
mod vector;
