//! A CT or MR volume from a folder of DICOM files, a single file or a NIfTI image: chosen, checked, in HU or MR intensities.
//!
//! Nothing that identifies the patient leaves this module: see [`SeriesSummary`] for all that is known of a series.
//!
//! ```no_run
//! use std::path::Path;
//! use spinor_prepare::ingest::{Modality, Request, ingest};
//!
//! let request = Request { modality: Some(Modality::Ct), series: None };
//! let found = ingest(Path::new("study"), &request)?;
//! for warning in &found.warnings {
//!     eprintln!("{warning}");
//! }
//! let ct = found.volume.into_ct().expect("asked for CT");
//! println!("{:?} voxels", ct.geometry.size);
//! # Ok::<(), spinor_prepare::ingest::IngestError>(())
//! ```

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use crate::dicom_header::{FileFacts, Frame, facts};
use crate::dicom_pixels::{decode, parse};
pub use crate::dicom_scan::Problem;
use crate::dicom_scan::{Found, Group, find};
pub use crate::dicom_series::SeriesError;
use crate::dicom_volume::{self, Built};
use crate::nifti_io::{NiftiError, is_oriented, looks_like_nifti, read_nifti_f32, write_nifti};
use crate::volume3d::{Geometry, Image};

/// What took the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Modality {
    /// Computed tomography, in HU.
    #[serde(rename = "CT")]
    Ct,
    /// Magnetic resonance, in arbitrary units.
    #[serde(rename = "MR")]
    Mr,
}

impl Modality {
    /// The modality of DICOM's code.
    pub fn from_code(code: &str) -> Option<Self> {
        match code {
            "CT" => Some(Self::Ct),
            "MR" => Some(Self::Mr),
            _ => None,
        }
    }
}

impl fmt::Display for Modality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ct => "CT",
            Self::Mr => "MR",
        })
    }
}

/// Which volume is wanted.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The modality; a NIfTI file, which does not know its own, is read as this one.
    pub modality: Option<Modality>,
    /// The series, as [`SeriesSummary::id`] names it.
    pub series: Option<String>,
}

/// A volume's voxels.
#[derive(Clone, Debug)]
pub enum Volume {
    /// HU.
    Ct(Image<i16>),
    /// Intensities after the scanner's own rescale.
    Mr(Image<f32>),
}

impl Volume {
    /// Where the voxels lie.
    pub fn geometry(&self) -> &Geometry {
        match self {
            Self::Ct(image) => &image.geometry,
            Self::Mr(image) => &image.geometry,
        }
    }

    /// What took the image.
    pub fn modality(&self) -> Modality {
        match self {
            Self::Ct(_) => Modality::Ct,
            Self::Mr(_) => Modality::Mr,
        }
    }

    /// The CT, when it is one.
    pub fn into_ct(self) -> Option<Image<i16>> {
        if let Self::Ct(image) = self { Some(image) } else { None }
    }

    /// The MR, when it is one.
    pub fn into_mr(self) -> Option<Image<f32>> {
        if let Self::Mr(image) = self { Some(image) } else { None }
    }

    /// Writes the volume as NIfTI.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_nifti(&self, path: &Path) -> Result<(), NiftiError> {
        match self {
            Self::Ct(image) => write_nifti(path, image),
            Self::Mr(image) => write_nifti(path, image),
        }
    }
}

/// All that is known of a series: nothing in it says whose it is.
///
/// The identifier serves to choose a series and is not for storing. Description and kernel hold words of a fixed vocabulary only.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeriesSummary {
    /// SeriesInstanceUID in full; with `#n` when the series holds several volumes.
    pub id: String,
    /// DICOM's modality code.
    pub modality: String,
    /// Known words of the series description.
    pub description: String,
    /// Reconstruction kernel.
    pub kernel: Option<String>,
    /// Images (frames) in it.
    pub images: usize,
    /// Columns, rows, slices; slices is the number of images where they form no volume.
    pub size: [usize; 3],
    /// Distance of columns, rows, slices, mm, where they form a volume.
    pub spacing_mm: Option<[f64; 3]>,
    /// Main plane: axial, coronal, sagittal or oblique.
    pub plane: Option<&'static str>,
    /// What divided the series into several volumes.
    pub divided_by: Option<&'static str>,
    /// Why it cannot be used, or nothing.
    pub problem: Option<String>,
}

/// What ingestion gives.
#[derive(Clone, Debug)]
pub struct Ingested {
    /// The volume.
    pub volume: Volume,
    /// Its series; none for NIfTI.
    pub summary: Option<SeriesSummary>,
    /// DICOM's frame of reference, to compare with that of contours and not for storing; none for NIfTI.
    pub frame_of_reference: Option<String>,
    /// What a clinician should know about it: corrected tilt, files left out.
    pub warnings: Vec<String>,
    /// What speaks against using it at all until somebody has looked: left and right, or its units, may not be what they are taken for.
    pub doubts: Vec<String>,
}

/// Why there is no volume.
#[derive(Debug, Error)]
pub enum IngestError {
    /// The path cannot be read.
    #[error("{path} cannot be read: {error}")]
    Io {
        /// The path.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// No image below the path.
    #[error("no CT or MR image found in {path}{}", listed(.problems))]
    Nothing {
        /// The path.
        path: PathBuf,
        /// Files that could not be read.
        problems: Vec<Problem>,
    },
    /// None of the series makes a volume.
    #[error("none of the series makes a {wanted} volume:\n{}{}", table(.series), listed(.problems))]
    NoVolume {
        /// What was wanted.
        wanted: &'static str,
        /// What is there.
        series: Vec<SeriesSummary>,
        /// Files that could not be read.
        problems: Vec<Problem>,
    },
    /// More than one volume could be meant.
    #[error("{} series could be meant; choose one with --series:\n{}", .0.len(), table(.0))]
    Ambiguous(Vec<SeriesSummary>),
    /// The series asked for is not there.
    #[error("series {id} is not there; these are:\n{}", table(.series))]
    NotThere {
        /// Series asked for.
        id: String,
        /// What is there.
        series: Vec<SeriesSummary>,
    },
    /// The chosen series is not of the modality asked for.
    #[error("series {id} is {found}, not {wanted}")]
    OtherModality {
        /// The series.
        id: String,
        /// Its modality.
        found: String,
        /// The modality asked for.
        wanted: Modality,
    },
    /// The chosen series makes no volume.
    #[error("series {id} cannot be used: {error}{}", listed(.problems))]
    Series {
        /// The series.
        id: String,
        /// Why.
        error: SeriesError,
        /// Files that could not be read.
        problems: Vec<Problem>,
    },
    /// Images of the chosen series could not be decoded.
    #[error("{} images of series {id} cannot be decoded{}", .problems.len(), listed(.problems))]
    Images {
        /// The series.
        id: String,
        /// What is wrong with which.
        problems: Vec<Problem>,
    },
    /// The NIfTI file cannot be read.
    #[error(transparent)]
    Nifti(#[from] NiftiError),
}

fn listed(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems.iter().take(10) {
        text.push_str(&format!("\n  {}: {}", problem.file.display(), problem.why));
    }
    if problems.len() > 10 {
        text.push_str(&format!("\n  and {} more", problems.len() - 10));
    }
    text
}

/// A table of series, a line each.
pub fn table(series: &[SeriesSummary]) -> String {
    let mut lines = vec![format!("  {:<9}{:<18}{:<24}{:<10}{:<10}series", "modality", "size", "spacing mm", "plane", "kernel")];
    for s in series {
        let size = format!("{}×{}×{}", s.size[0], s.size[1], s.size[2]);
        let spacing = s.spacing_mm.map_or("-".to_owned(), |m| format!("{:.3}×{:.3}×{:.3}", m[0], m[1], m[2]));
        let kernel = s.kernel.as_deref().unwrap_or("-");
        let description = if s.description.is_empty() { String::new() } else { format!(" [{}]", s.description) };
        let problem = s.problem.as_ref().map(|p| format!("\n      {p}")).unwrap_or_default();
        let plane = s.plane.unwrap_or("-");
        lines.push(format!("  {:<9}{size:<18}{spacing:<24}{plane:<10}{kernel:<10}{}{description}{problem}", s.modality, s.id));
    }
    lines.join("\n")
}

/// What a folder holds.
#[derive(Debug)]
pub struct Scan {
    path: PathBuf,
    found: Found,
    series: Vec<SeriesSummary>,
}

/// Looks at a DICOM file or at all files below a folder, without decoding pixels.
///
/// # Errors
/// When the path cannot be read or holds no image.
pub fn scan(path: &Path) -> Result<Scan, IngestError> {
    let found = find(path).map_err(|error| IngestError::Io { path: path.to_path_buf(), error })?;
    if found.groups.is_empty() {
        return Err(IngestError::Nothing { path: path.to_path_buf(), problems: found.problems });
    }
    let series = summaries(&found);
    Ok(Scan { path: path.to_path_buf(), found, series })
}

fn summaries(found: &Found) -> Vec<SeriesSummary> {
    let number = |n: usize, group: &Group| {
        let same: Vec<usize> = (0..found.groups.len()).filter(|k| found.groups[*k].series == group.series).collect();
        let place = same.iter().position(|k| *k == n).unwrap_or(0);
        if same.len() > 1 { format!("{}#{}", group.series, place + 1) } else { group.series.clone() }
    };
    found.groups.iter().enumerate().map(|(n, group)| dicom_volume::summary(found, group, number(n, group))).collect()
}

impl Scan {
    /// The series found, the usable and the others.
    pub fn series(&self) -> &[SeriesSummary] {
        &self.series
    }

    /// Files that could not be read.
    pub fn problems(&self) -> &[Problem] {
        &self.found.problems
    }

    /// The one series that is meant.
    ///
    /// # Errors
    /// When none or more than one fits; the error lists what is there.
    pub fn choose(&self, request: &Request) -> Result<&SeriesSummary, IngestError> {
        let all = || self.series.clone();
        if let Some(id) = &request.series {
            let named: Vec<&SeriesSummary> =
                self.series.iter().filter(|s| s.id == *id || s.id.split('#').next() == Some(id)).collect();
            return match named[..] {
                [] => Err(IngestError::NotThere { id: id.clone(), series: all() }),
                [one] => match request.modality {
                    Some(wanted) if Modality::from_code(&one.modality).is_some_and(|found| found != wanted) => {
                        Err(IngestError::OtherModality { id: id.clone(), found: one.modality.clone(), wanted })
                    }
                    _ => Ok(one),
                },
                _ => {
                    let usable: Vec<&SeriesSummary> = named.iter().copied().filter(|s| s.problem.is_none()).collect();
                    match usable[..] {
                        [one] => Ok(one),
                        _ => Err(IngestError::Ambiguous(named.into_iter().cloned().collect())),
                    }
                }
            };
        }
        let fits = |s: &&SeriesSummary| request.modality.is_none_or(|m| Modality::from_code(&s.modality) == Some(m));
        let usable: Vec<&SeriesSummary> = self.series.iter().filter(fits).filter(|s| s.problem.is_none()).collect();
        match (&usable[..], &self.series[..]) {
            ([one], _) => Ok(one),
            // A single series is taken, so that what is wrong with it is said in full.
            ([], [one]) if fits(&one) => Ok(one),
            ([], _) => Err(IngestError::NoVolume {
                wanted: match request.modality {
                    Some(Modality::Ct) => "CT",
                    Some(Modality::Mr) => "MR",
                    None => "CT or MR",
                },
                series: all(),
                problems: self.found.problems.clone(),
            }),
            _ => Err(IngestError::Ambiguous(usable.into_iter().cloned().collect())),
        }
    }

    /// File, header and frame of every plane of a series of this scan.
    pub(crate) fn planes(&self, series: &SeriesSummary) -> Vec<(&Path, &FileFacts, &Frame)> {
        let group = self.series.iter().position(|s| s.id == series.id).and_then(|n| self.found.groups.get(n));
        let planes = group.map(|group| group.planes.as_slice()).unwrap_or_default();
        let plane = |(file, frame): &(usize, usize)| {
            let (path, facts) = self.found.files.get(*file)?;
            Some((path.as_path(), facts, facts.frames.get(*frame)?))
        };
        planes.iter().filter_map(plane).collect()
    }

    /// Decodes a series of this scan into a volume.
    ///
    /// # Errors
    /// When it makes no volume or its images cannot be decoded.
    pub fn load(&self, series: &SeriesSummary) -> Result<Ingested, IngestError> {
        let id = series.id.clone();
        let group = self.series.iter().position(|s| s.id == id).and_then(|n| self.found.groups.get(n));
        let Some(group) = group else { return Err(IngestError::NotThere { id, series: self.series.clone() }) };
        let Built { volume, mut warnings, doubts } = dicom_volume::build(&self.found, group).map_err(|error| match error {
            dicom_volume::BuildError::Series(error) => {
                IngestError::Series { id: id.clone(), error, problems: self.found.problems.clone() }
            }
            dicom_volume::BuildError::Images(problems) => {
                let root = &self.path;
                let relative =
                    |p: Problem| Problem { file: p.file.strip_prefix(root).unwrap_or(&p.file).to_path_buf(), why: p.why };
                IngestError::Images { id: id.clone(), problems: problems.into_iter().map(relative).collect() }
            }
        })?;
        if !self.found.problems.is_empty() {
            warnings.push(format!("{} files could not be read and were left out", self.found.problems.len()));
        }
        if series.divided_by.is_some() {
            warnings.push(format!("the series holds several volumes, divided by {}", series.divided_by.unwrap_or_default()));
        }
        let mut frames =
            group.planes.iter().filter_map(|plane| self.found.files.get(plane.0)).map(|(_, f)| &f.frame_of_reference);
        let first = frames.next().cloned().flatten();
        // Images of one volume share a frame; where they do not say so, none is known.
        let frame_of_reference = if frames.all(|other| *other == first) { first } else { None };
        Ok(Ingested { volume, summary: Some(series.clone()), frame_of_reference, warnings, doubts })
    }
}

/// Reads the volume that is meant by a path (a NIfTI file, a DICOM file, a folder) and a request.
///
/// # Errors
/// When there is none, it is not clear which, or it cannot be trusted; see [`IngestError`] and [`SeriesError`].
pub fn ingest(path: &Path, request: &Request) -> Result<Ingested, IngestError> {
    if path.is_file() && looks_like_nifti(path) {
        return from_nifti(path, request.modality);
    }
    let scan = scan(path)?;
    let chosen = scan.choose(request)?;
    scan.load(chosen)
}

/// Takes the bytes of one DICOM file through everything that reads them, down to the codecs, and returns how many frames it has.
///
/// # Errors
/// What is wrong with the file. No bytes make it panic or take more memory than an image may have.
pub fn probe_dicom(bytes: &[u8]) -> Result<usize, String> {
    let object = parse(bytes, true).map_err(|e| e.to_string())?;
    let facts = facts(&object).map_err(|e| e.to_string())?;
    let frames: Vec<_> = facts.frames.iter().collect();
    decode(bytes, &facts, &frames, 0.0).map(|frames| frames.len()).map_err(|e| e.to_string())
}

/// What is said of a NIfTI file that does not say which way its axes run.
pub(crate) const UNORIENTED: &str = "WHICH SIDE IS LEFT? A NIfTI file has neither sform nor qform: its axes were taken for right, front and up, and \
     nothing in it says so. Write it again with its orientation.";

fn from_nifti(path: &Path, modality: Option<Modality>) -> Result<Ingested, IngestError> {
    let image = read_nifti_f32(path)?;
    let (mut warnings, mut doubts) = (Vec::new(), Vec::new());
    if !is_oriented(path)? {
        doubts.push(UNORIENTED.to_owned());
    }
    let low = image.voxels.iter().copied().fold(f32::INFINITY, f32::min);
    let modality = modality.unwrap_or_else(|| {
        let guess = if low <= -500.0 { Modality::Ct } else { Modality::Mr };
        warnings.push(format!("a NIfTI file does not name its modality; taken for {guess} because its lowest value is {low}"));
        guess
    });
    let volume = match modality {
        Modality::Mr => Volume::Mr(image),
        Modality::Ct => {
            let ct = image.map(|v| v.round() as i16);
            doubts.extend(dicom_volume::doubt_units(&ct));
            Volume::Ct(ct)
        }
    };
    Ok(Ingested { volume, summary: None, frame_of_reference: None, warnings, doubts })
}

#[cfg(test)]
mod tests;
