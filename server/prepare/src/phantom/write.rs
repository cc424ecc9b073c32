//! A phantom's files.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Phantom;
use super::options::OptionError;
use super::series::write_series;
use crate::files::write_whole;
use crate::nifti_io::{NiftiError, write_nifti};
use crate::volume3d::GeometryError;

/// Why a phantom could not be made or written.
#[derive(Debug, Error)]
pub enum PhantomError {
    /// An option is out of range.
    #[error(transparent)]
    Options(#[from] OptionError),
    /// The images' lattice cannot exist.
    #[error("laying out the images: {0}")]
    Geometry(#[from] GeometryError),
    /// More rows or columns than a DICOM image can have.
    #[error("an image of {0:?} voxels is too large for a DICOM series")]
    Large([usize; 3]),
    /// A folder or file could not be written.
    #[error("writing {path}: {source}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A NIfTI file could not be written.
    #[error("writing {path}: {source}")]
    Nifti {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: NiftiError,
    },
    /// A slice could not be encoded or written.
    #[error("writing {path}: {reason}")]
    Dicom {
        /// Which one.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Writes `ct/` (a DICOM series), `ct.nii.gz`, `labels.nii.gz`, `mr.nii.gz`, `mr_labels.nii.gz` and `landmarks.json` into `dir`.
///
/// # Errors
/// When the folder cannot be made or a file cannot be written.
pub fn write(phantom: &Phantom, dir: &Path) -> Result<(), PhantomError> {
    std::fs::create_dir_all(dir).map_err(|source| PhantomError::Io { path: dir.to_owned(), source })?;
    let nifti = |name: &str, result: &dyn Fn(&Path) -> Result<(), NiftiError>| {
        let path = dir.join(name);
        result(&path).map_err(|source| PhantomError::Nifti { path, source })
    };
    let series = || write_series(&dir.join("ct"), &phantom.ct, phantom.seed, phantom.key());
    let images = || {
        let ct = || nifti("ct.nii.gz", &|p| write_nifti(p, &phantom.ct));
        let rest = || {
            nifti("labels.nii.gz", &|p| write_nifti(p, &phantom.labels))?;
            nifti("mr.nii.gz", &|p| write_nifti(p, &phantom.mr))?;
            nifti("mr_labels.nii.gz", &|p| write_nifti(p, &phantom.mr_labels))
        };
        let (a, b) = rayon::join(ct, rest);
        a.and(b)
    };
    let (a, b) = rayon::join(series, images);
    a.and(b)?;
    let path = dir.join("landmarks.json");
    let text = serde_json::to_string(&phantom.landmarks).unwrap_or_default();
    write_whole(&path, (text + "\n").as_bytes()).map_err(|source| PhantomError::Io { path, source })
}
