//! Structures that the user drew: label maps, DICOM RTSTRUCT and DICOM SEG, read onto a lattice in the CT's frame.
//!
//! What a file's numbers, names and codes mean stands in docs/CONTOURS.md. Names in such files are free text that may hold anything, so
//! no name leaves this module: structures are called by their number, with those words of their name that are anatomy.
//!
//! Nothing is guessed. Contours of another frame of reference, on planes that are not the CT's, or whose code and name disagree about a
//! level are refused; structures that a case has no place for are left out with a warning.

mod codes;
mod fill;
mod names;
mod paint;
mod plane;
mod rtstruct;
mod seg;
mod stack;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dicom_dictionary_std::tags;
use spinor_volume::Label;
use thiserror::Error;

pub use codes::{code_of_label, label_of_code};
pub use names::{Names, NamesError, structure_of_name};

use crate::dicom_guard::is_dicom;
use crate::dicom_header::text;
use crate::dicom_pixels::parse;
use crate::dicom_scan::read_file;
use crate::nifti_io::{NiftiError, looks_like_nifti, read_nifti_u16};
use crate::schemes::Scheme;
use crate::volume3d::{Geometry, GeometryError, Image};

/// How files of contours are to be read.
#[derive(Clone, Debug, Default)]
pub struct ContourOptions {
    /// Whose numbers a label map uses.
    pub scheme: Option<Scheme>,
    /// What numbers and names mean; goes before everything else.
    pub names: Names,
}

/// The structures of one file.
#[derive(Clone, Debug)]
pub struct Contours {
    /// Their voxels in the case's numbers, on the file's own lattice (a label map, SEG) or one of the CT's pixels (RTSTRUCT).
    pub labels: Image<u16>,
    /// What a reader must know, without any name from the file.
    pub warnings: Vec<String>,
}

impl Contours {
    /// The structures that are there.
    pub fn present(&self) -> BTreeSet<Label> {
        let numbers: BTreeSet<u16> = self.labels.voxels.iter().copied().filter(|n| *n != 0).collect();
        numbers.into_iter().map(Label).collect()
    }
}

/// Why a file gives no contours.
#[derive(Debug, Error)]
pub enum ContoursError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// Another format.
    #[error(
        "it is neither NIfTI nor DICOM; contours are a label map (.nii, .nii.gz), DICOM RTSTRUCT or DICOM SEG. 3D Slicer exports its \
         segmentations as any of the three"
    )]
    Format,
    /// A label map that cannot be read.
    #[error(transparent)]
    Nifti(#[from] NiftiError),
    /// Bytes that are no sound DICOM.
    #[error("{0}")]
    Dicom(String),
    /// An object that holds no contours.
    #[error("it is a DICOM object of modality {0}; contours are RTSTRUCT or SEG")]
    Modality(String),
    /// A label map whose numbers nobody explained.
    #[error(
        "the numbers of a label map mean nothing by themselves: say whose they are with --contours-scheme (totalspineseg for a map that \
         `spinor export` wrote), or name them in a file with --contours-names"
    )]
    NoScheme,
    /// Drawn on another scan.
    #[error(
        "{what} was drawn in another frame of reference than the CT's: it belongs to another scan. Register it to the CT first, or give the \
         CT it was drawn on"
    )]
    Frame {
        /// Which structure, or the whole file.
        what: String,
    },
    /// No structure of a case in it.
    #[error(
        "none of its {count} structures is one of a case: {}. Rename them (docs/CONTOURS.md lists the names), or give --contours-names FILE",
        listed(.shown)
    )]
    NoStructure {
        /// Structures in the file.
        count: usize,
        /// The first of them: number and anatomical words.
        shown: Vec<String>,
    },
    /// One structure is wrong.
    #[error("{what}: {why}")]
    Structure {
        /// Which.
        what: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// Something that all structures share is wrong.
    #[error("{0}")]
    Malformed(String),
    /// The lattice cannot exist.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
}

use listed as shown_list;

/// The first of many, in one line.
fn listed(shown: &[String]) -> String {
    let first: Vec<&str> = shown.iter().take(12).map(String::as_str).collect();
    let more = if shown.len() > 12 { " ..." } else { "" };
    if first.is_empty() { "there is none".to_owned() } else { first.join(", ") + more }
}

/// The CT that contours belong to.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Where its voxels lie.
    pub geometry: &'a Geometry,
    /// Its frame of reference; none where nothing states it (NIfTI).
    pub frame: Option<&'a str>,
}

impl Target<'_> {
    /// Whether `frame` is the CT's; unknown frames pass, and the second value says that nothing was compared.
    fn same_frame(&self, frame: Option<&str>) -> (bool, bool) {
        match (self.frame, frame) {
            (Some(own), Some(other)) => (own == other, true),
            _ => (true, false),
        }
    }
}

/// Words for contours whose frame could not be compared.
const UNCHECKED: &str = "Nothing states that contours and CT share a frame of reference: their positions were believed.";

/// Reads the structures of one file: NIfTI by its header, DICOM by its modality.
///
/// # Errors
/// When the file is none of these, is damaged, belongs to another scan, or holds no structure of a case.
pub fn read_contours(path: &Path, target: Target<'_>, options: &ContourOptions) -> Result<Contours, ContoursError> {
    if looks_like_nifti(path) {
        return label_map(path, options);
    }
    let bytes = read_file(path)?;
    read_dicom(&bytes, target, options)
}

/// Structures of a DICOM RTSTRUCT or SEG from a file's bytes, whoever wrote them.
///
/// # Errors
/// As [`read_contours`].
pub fn read_dicom(bytes: &[u8], target: Target<'_>, options: &ContourOptions) -> Result<Contours, ContoursError> {
    if !is_dicom(bytes) {
        return Err(ContoursError::Format);
    }
    let object = parse(bytes, false).map_err(|error| ContoursError::Dicom(error.to_string()))?;
    let modality = text(&object, tags::MODALITY).unwrap_or_default();
    match modality.as_str() {
        "RTSTRUCT" => rtstruct::read(&object, target, &options.names),
        "SEG" => seg::read(&object, target, &options.names),
        other => {
            let code = (1..=16).contains(&other.len()) && other.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
            let known = ["CT", "MR", "PT", "US", "SR", "RTPLAN", "RTDOSE", "PR", "KO", "REG", "XA", "CR", "DX"];
            Err(ContoursError::Modality(if code && known.contains(&other) { other.to_owned() } else { "unknown".to_owned() }))
        }
    }
}

fn label_map(path: &Path, options: &ContourOptions) -> Result<Contours, ContoursError> {
    if options.scheme.is_none() && options.names.is_empty() {
        return Err(ContoursError::NoScheme);
    }
    let mut labels = read_nifti_u16(path)?;
    let numbers: BTreeSet<u16> = labels.voxels.iter().copied().filter(|n| *n > 0).collect();
    // Numbers that the file of names explains first; the scheme has the rest.
    let named: Vec<(u16, Label)> =
        numbers.iter().filter_map(|n| options.names.find(u32::from(*n), "").map(|label| (*n, label))).collect();
    let mut rest = labels.voxels.clone();
    for voxel in &mut rest {
        if named.iter().any(|(number, _)| number == voxel) {
            *voxel = 0;
        }
    }
    let unknown = match options.scheme {
        Some(scheme) => scheme.relabel(&mut rest),
        None => {
            let mut counts = std::collections::BTreeMap::new();
            for voxel in rest.iter_mut().filter(|v| **v != 0) {
                *counts.entry(*voxel).or_insert(0_u64) += 1;
                *voxel = 0;
            }
            counts
        }
    };
    let table: std::collections::BTreeMap<u16, u16> = named.iter().map(|(number, label)| (*number, label.0)).collect();
    for (voxel, other) in labels.voxels.iter_mut().zip(rest) {
        *voxel = table.get(voxel).copied().unwrap_or(other);
    }
    let warnings = unknown
        .iter()
        .map(|(number, count)| {
            format!("Contours: {count} voxels carry number {number}, which names no structure and was left out.")
        })
        .collect();
    let made = Contours { labels, warnings };
    if made.present().is_empty() {
        let shown = numbers.iter().map(|n| format!("number {n}")).collect();
        return Err(ContoursError::NoStructure { count: numbers.len(), shown });
    }
    Ok(made)
}

/// A file of contours and what went wrong with it.
#[derive(Debug, Error)]
#[error("the contours in {path}: {source}")]
pub struct ContourFileError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: ContoursError,
}

#[cfg(test)]
mod tests;
