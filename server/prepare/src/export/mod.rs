//! A case, or what a session left of it, for other programs: meshes (STL, GLB) and label maps (NIfTI, DICOM SEG).

mod dicom_seg;
mod glb;
mod labels;
mod stl;
mod surface;

use std::path::{Path, PathBuf};

use serde_json::json;
use spinor_volume::cut::CutState;
use spinor_volume::{Label, Patient, Source, Structure, TissueClass};
use thiserror::Error;

pub use glb::encode_glb;
pub(crate) use labels::labels_on_geometry;
pub use labels::{labels_on_case_grid, labels_on_image};
pub use stl::encode_stl;
pub use surface::{Surface, surface};

use crate::files::write_whole;
use crate::ingest::IngestError;
use crate::nifti_io::{NiftiError, write_nifti};
use spinor_shared::case::Case;

/// A file format to export to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// Binary STL, LPS mm: one file for a single structure, else a folder with one file per structure; `_proposed` ends the name of one that
    /// no image shows.
    Stl,
    /// One binary glTF 2.0 with a node per structure, metres, Y up.
    Glb,
    /// A label map in the case's numbers, with a file of names beside it that says where each structure comes from.
    Nifti(LabelGrid),
    /// A binary DICOM SEG on the grid of the CT series the case came from, under its patient and study.
    DicomSeg {
        /// Folder (or file) of that series: its identity is never in the case.
        source: PathBuf,
        /// The series, where the folder holds several.
        series: Option<String>,
    },
}

/// The lattice of an exported label map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelGrid {
    /// The case's own, 0.4 mm.
    Case,
    /// That of the CT in the case.
    Ct,
}

/// Why nothing was exported.
#[derive(Debug, Error)]
pub enum ExportError {
    /// A file cannot be written.
    #[error("{path} cannot be written: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The label map cannot be written.
    #[error(transparent)]
    Nifti(#[from] NiftiError),
    /// The CT's lattice was asked for, and the case has no CT.
    #[error("the case holds no CT whose grid the label map could take; use the case's grid")]
    NoCt,
    /// The source series cannot be had.
    #[error("the source series: {0}")]
    Source(IngestError),
    /// The source series is not what the case was made from.
    #[error(
        "the source series is not the CT of this case: {percent:.0} % of the compared voxels differ. Give the series the case was prepared \
         from (--series chooses one of several)"
    )]
    OtherSeries {
        /// Share of compared voxels that differ.
        percent: f64,
    },
    /// The DICOM object cannot be made.
    #[error("DICOM SEG: {0}")]
    Dicom(String),
    /// More than the format can count.
    #[error("{0} is too large for one file of this format")]
    TooLarge(String),
}

/// Writes what `cut` left of a case (all of it without) to `out`, and returns the files written.
///
/// # Errors
/// When a file cannot be written or the format does not fit.
pub fn export(case: &Case, cut: Option<&CutState>, format: &Format, out: &Path) -> Result<Vec<PathBuf>, ExportError> {
    let patient = &case.patient;
    match format {
        Format::Stl => export_stl(patient, cut, out),
        Format::Glb => {
            let surfaces: Vec<(Label, Source, Surface)> =
                patient.structures().iter().enumerate().map(|(n, s)| (s.label, s.source, surface(patient, cut, n))).collect();
            write(out, &encode_glb(&surfaces)?).map(|file| vec![file])
        }
        Format::Nifti(LabelGrid::Case) => {
            write_nifti(out, &labels_on_case_grid(patient, cut))?;
            Ok(vec![out.to_owned(), write_names(patient, out)?])
        }
        Format::Nifti(LabelGrid::Ct) => {
            let ct = case.ct.as_ref().ok_or(ExportError::NoCt)?;
            write_nifti(out, &labels_on_image(patient, cut, ct.geometry())?)?;
            Ok(vec![out.to_owned(), write_names(patient, out)?])
        }
        Format::DicomSeg { source, series } => {
            dicom_seg::export_dicom_seg(case, cut, source, series.as_deref(), out).map(|file| vec![file])
        }
    }
}

fn export_stl(patient: &Patient, cut: Option<&CutState>, out: &Path) -> Result<Vec<PathBuf>, ExportError> {
    let single = patient.structures().len() == 1 && out.extension().is_some_and(|e| e.eq_ignore_ascii_case("stl"));
    if !single {
        std::fs::create_dir_all(out).map_err(|source| ExportError::Io { path: out.to_owned(), source })?;
    }
    let mut files = Vec::new();
    for (n, structure) in patient.structures().iter().enumerate() {
        let surface = surface(patient, cut, n);
        if surface.triangles.is_empty() {
            continue;
        }
        let suffix = if structure.source == Source::Proposed { "_proposed" } else { "" };
        let path = if single { out.to_owned() } else { out.join(format!("{}{suffix}.stl", structure.label.name())) };
        files.push(write(&path, &encode_stl(&shown_name(structure.label, structure.source), &surface)?)?);
    }
    Ok(files)
}

/// A structure's name in files for other programs, which says where no image shows it.
fn shown_name(label: Label, source: Source) -> String {
    if source == Source::Proposed { format!("{} (proposed)", label.name()) } else { label.name() }
}

/// Writes what the numbers of a label map stand for beside it, `labels.nii.gz` as `labels.names.json`: a NIfTI has no room for it.
fn write_names(patient: &Patient, out: &Path) -> Result<PathBuf, ExportError> {
    let entry = |s: &Structure| {
        let about = json!({
            "name": s.label.name(),
            "shown": shown_name(s.label, s.source),
            "source": s.source.word(),
            "proposed": s.source == Source::Proposed,
        });
        (s.label.0.to_string(), about)
    };
    let labels: serde_json::Map<String, serde_json::Value> = patient.structures().iter().map(entry).collect();
    let about = json!({
        "purpose": "For education and rehearsal; not a medical device.",
        "proposed": "made from the anatomy around and seen in no image: no segmentation of this patient",
        "labels": labels,
    });
    let file = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = file.strip_suffix(".gz").unwrap_or(&file);
    let stem = stem.strip_suffix(".nii").unwrap_or(stem);
    write(&out.with_file_name(format!("{stem}.names.json")), format!("{about:#}\n").as_bytes())
}

fn write(path: &Path, bytes: &[u8]) -> Result<PathBuf, ExportError> {
    write_whole(path, bytes).map_err(|source| ExportError::Io { path: path.to_owned(), source })?;
    Ok(path.to_owned())
}

/// Colour of a structure in exported files (sRGB).
fn colour(label: Label) -> [u8; 3] {
    match label.class() {
        Some(TissueClass::Bone) if label.0.is_multiple_of(2) => [222, 206, 176],
        Some(TissueClass::Bone) => [233, 220, 194],
        Some(TissueClass::Flavum) => [214, 140, 52],
        Some(TissueClass::Disc) => [110, 166, 160],
        Some(TissueClass::Neural) if label == Label::DURAL_SAC => [122, 164, 214],
        Some(TissueClass::Neural) => [246, 216, 84],
        None => [160, 160, 160],
    }
}

#[cfg(test)]
mod tests;
