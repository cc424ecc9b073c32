//! Reading and writing images as NIfTI (`.nii`, `.nii.gz`).
//!
//! Files are in RAS, images here in LPS: the first two world axes change sign on the way, the voxels stay in their order.
//! Reading prefers the sform, then the qform, then the bare pixel sizes. What a header claims is checked before memory is
//! taken for it, and memory grows with the bytes that are really there.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use thiserror::Error;

use crate::files::write_with;
use crate::nifti_header::{Header, LONGEST_HEADER, Stored, compose, parse};
use crate::volume3d::{GeometryError, Image};

/// Why a NIfTI file could not be read or written.
#[derive(Debug, Error)]
pub enum NiftiError {
    /// The file could not be opened, read or written.
    #[error("NIfTI file could not be read or written: {0}")]
    Io(#[from] std::io::Error),
    /// A name to write to by which nobody would find an image.
    #[error("{} is no name of a NIfTI file: let it end in .nii or .nii.gz", .0.display())]
    Name(PathBuf),
    /// The bytes are no NIfTI image.
    #[error("not a NIfTI-1 or NIfTI-2 image")]
    NotNifti,
    /// A header whose voxels stand in another file.
    #[error("a NIfTI header with a separate .img file; convert it to one .nii or .nii.gz file")]
    Pair,
    /// The file ends before what its header promises.
    #[error("NIfTI file is truncated: it ends within its {what}")]
    Truncated {
        /// Part that is not complete.
        what: &'static str,
    },
    /// The compressed data is damaged.
    #[error("NIfTI file is damaged: {0}")]
    Damaged(std::io::Error),
    /// A voxel type that is not a real number.
    #[error("NIfTI voxels of type {code} ({what}) are not intensities or labels")]
    Kind {
        /// The data type code.
        code: i16,
        /// What it is.
        what: &'static str,
    },
    /// Bits per voxel that contradict the type.
    #[error("NIfTI header says {bits} bits for voxel type {code}")]
    Bits {
        /// The data type code.
        code: i16,
        /// Bits claimed.
        bits: i16,
    },
    /// More than one volume.
    #[error("NIfTI file holds {0} volumes (time points or directions); extract one")]
    Frames(i64),
    /// The voxels cannot start there.
    #[error("NIfTI header places the voxels at byte {0}")]
    Offset(f64),
    /// The qform's quaternion is longer than one.
    #[error("NIfTI qform is not a rotation")]
    Quaternion,
    /// The lattice cannot exist.
    #[error("NIfTI geometry: {0}")]
    Geometry(#[from] GeometryError),
    /// A voxel is not a number that the image can hold.
    #[error("NIfTI voxel {at:?} is {value}: {why}")]
    Value {
        /// Voxel coordinates.
        at: [usize; 3],
        /// Its value after slope and intercept.
        value: f64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An axis that NIfTI-1 cannot store.
    #[error("an image of {0:?} voxels is too long for NIfTI-1")]
    Long([usize; 3]),
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for i16 {}
    impl Sealed for f32 {}
    impl Sealed for u16 {}
    impl Sealed for u8 {}
}

/// A voxel type that images are read and written with: `i16`, `f32`, `u16`, `u8`.
pub trait NiftiVoxel: sealed::Sealed + Copy {
    /// NIfTI data type code and bits.
    const CODE: (i16, i16);
    /// The voxel of a value after slope and intercept, or what is wrong with it.
    ///
    /// # Errors
    /// A word on why the value cannot be held.
    fn from_value(value: f64) -> Result<Self, &'static str>;
    /// Appends the little-endian bytes.
    fn put(self, out: &mut Vec<u8>);
}

impl NiftiVoxel for i16 {
    const CODE: (i16, i16) = (4, 16);
    /// Rounds to the nearest integer; values beyond the type end at its limits, as CT paddings do.
    fn from_value(value: f64) -> Result<Self, &'static str> {
        if value.is_nan() { Err("not a number") } else { Ok(value.round() as i16) }
    }
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}

impl NiftiVoxel for f32 {
    const CODE: (i16, i16) = (16, 32);
    fn from_value(value: f64) -> Result<Self, &'static str> {
        let value = value as f32;
        if value.is_finite() { Ok(value) } else { Err("not a finite number") }
    }
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}

fn label(value: f64, limit: f64) -> Result<f64, &'static str> {
    let rounded = value.round();
    if value.is_nan() || (value - rounded).abs() > 1e-3 {
        return Err("a label must be a whole number (is this an intensity image?)");
    }
    if (0.0..=limit).contains(&rounded) { Ok(rounded) } else { Err("outside the range of labels") }
}

impl NiftiVoxel for u16 {
    const CODE: (i16, i16) = (512, 16);
    /// Labels: anything but a whole number in range is refused.
    fn from_value(value: f64) -> Result<Self, &'static str> {
        label(value, f64::from(Self::MAX)).map(|v| v as Self)
    }
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}

impl NiftiVoxel for u8 {
    const CODE: (i16, i16) = (2, 8);
    /// Labels: anything but a whole number in range is refused.
    fn from_value(value: f64) -> Result<Self, &'static str> {
        label(value, f64::from(Self::MAX)).map(|v| v as Self)
    }
    fn put(self, out: &mut Vec<u8>) {
        out.push(self);
    }
}

/// Reads a CT in HU: rounded, saturated to the range of `i16`.
///
/// # Errors
/// See [`NiftiError`].
pub fn read_nifti_i16(path: &Path) -> Result<Image<i16>, NiftiError> {
    read_nifti(path)
}

/// Reads an image of real intensities.
///
/// # Errors
/// See [`NiftiError`]; a voxel that is not finite is one.
pub fn read_nifti_f32(path: &Path) -> Result<Image<f32>, NiftiError> {
    read_nifti(path)
}

/// Reads a label map.
///
/// # Errors
/// See [`NiftiError`]; a voxel that is not a whole number in 0-65,535 is one.
pub fn read_nifti_u16(path: &Path) -> Result<Image<u16>, NiftiError> {
    read_nifti(path)
}

/// Reads an image of any voxel type.
///
/// # Errors
/// See [`NiftiError`].
pub fn read_nifti<T: NiftiVoxel>(path: &Path) -> Result<Image<T>, NiftiError> {
    decode_nifti(BufReader::with_capacity(1 << 18, File::open(path)?))
}

/// Whether a NIfTI file says which way its axes run (an sform or a qform with a code). Where it does not, they are taken for right, front and up.
///
/// # Errors
/// See [`NiftiError`].
pub fn is_oriented(path: &Path) -> Result<bool, NiftiError> {
    let mut input = unpacked(BufReader::new(File::open(path)?))?;
    Ok(parse(&head(&mut input)?)?.is_oriented)
}

/// Whether a file starts as a NIfTI image does, compressed or not.
pub fn looks_like_nifti(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let Ok(mut input) = unpacked(BufReader::new(file)) else { return false };
    let mut size = [0; 4];
    input.read_exact(&mut size).is_ok() && [348, 540].iter().any(|n: &i32| size == n.to_le_bytes() || size == n.to_be_bytes())
}

/// Decodes an image from bytes, compressed or not.
///
/// # Errors
/// See [`NiftiError`].
pub fn decode_nifti<T: NiftiVoxel>(input: impl std::io::BufRead) -> Result<Image<T>, NiftiError> {
    let mut input = unpacked(input)?;
    let start = head(&mut input)?;
    let header = parse(&start)?;
    let mut input = std::io::Cursor::new(start).chain(input);
    skip(&mut input, header.offset)?;
    let voxels = voxels(&mut input, &header)?;
    // Read to the end, within reason, so that the checksum of the compressed stream is verified.
    let mut rest = [0; 4096];
    for _ in 0..4096 {
        match input.read(&mut rest) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return Err(broken(error, "end")),
        }
    }
    Ok(Image { geometry: header.geometry, voxels })
}

fn unpacked<'a>(mut input: impl std::io::BufRead + 'a) -> Result<Box<dyn Read + 'a>, NiftiError> {
    let packed = input.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if packed { Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(input))) } else { Box::new(input) })
}

fn head(input: &mut impl Read) -> Result<Vec<u8>, NiftiError> {
    let mut start = Vec::with_capacity(LONGEST_HEADER);
    input.by_ref().take(LONGEST_HEADER as u64).read_to_end(&mut start).map_err(|e| broken(e, "header"))?;
    Ok(start)
}

fn skip(input: &mut impl Read, bytes: u64) -> Result<(), NiftiError> {
    let skipped = std::io::copy(&mut input.take(bytes), &mut std::io::sink()).map_err(|e| broken(e, "header extension"))?;
    if skipped < bytes { Err(NiftiError::Truncated { what: "header extension" }) } else { Ok(()) }
}

fn broken(error: std::io::Error, what: &'static str) -> NiftiError {
    match error.kind() {
        ErrorKind::UnexpectedEof => NiftiError::Truncated { what },
        ErrorKind::InvalidData | ErrorKind::InvalidInput => NiftiError::Damaged(error),
        _ => NiftiError::Io(error),
    }
}

/// Voxels decoded at a time.
const CHUNK: usize = 1 << 16;

fn voxels<T: NiftiVoxel>(input: &mut impl Read, header: &Header) -> Result<Vec<T>, NiftiError> {
    let count = header.geometry.voxel_count();
    let width = header.stored.bytes();
    // Memory follows the bytes that arrive, so that a header alone cannot claim it.
    let mut voxels: Vec<T> = Vec::with_capacity(count.min(CHUNK));
    let mut bytes = vec![0; CHUNK * width];
    while voxels.len() < count {
        let n = CHUNK.min(count - voxels.len());
        let chunk = &mut bytes[..n * width];
        input.read_exact(chunk).map_err(|e| broken(e, "voxels"))?;
        if voxels.capacity() < voxels.len() + n {
            voxels.reserve_exact(voxels.len().max(n).min(count - voxels.len()));
        }
        numbers(header.stored, header.little_endian, chunk, |value| {
            let value = value * header.slope + header.inter;
            match T::from_value(value) {
                Ok(voxel) => {
                    voxels.push(voxel);
                    Ok(())
                }
                Err(why) => Err(NiftiError::Value { at: header.geometry.index_of(voxels.len()), value, why }),
            }
        })?;
    }
    Ok(voxels)
}

/// Hands on every number of a chunk.
fn numbers<E>(stored: Stored, little: bool, bytes: &[u8], each: impl FnMut(f64) -> Result<(), E>) -> Result<(), E> {
    fn all<const N: usize, E>(
        bytes: &[u8],
        little: bool,
        value: impl Fn([u8; N]) -> f64,
        mut each: impl FnMut(f64) -> Result<(), E>,
    ) -> Result<(), E> {
        for chunk in bytes.chunks_exact(N) {
            let mut b = [0; N];
            b.copy_from_slice(chunk);
            if !little {
                b.reverse();
            }
            each(value(b))?;
        }
        Ok(())
    }
    match stored {
        Stored::U8 => all(bytes, little, |b| f64::from(u8::from_le_bytes(b)), each),
        Stored::I8 => all(bytes, little, |b| f64::from(i8::from_le_bytes(b)), each),
        Stored::U16 => all(bytes, little, |b| f64::from(u16::from_le_bytes(b)), each),
        Stored::I16 => all(bytes, little, |b| f64::from(i16::from_le_bytes(b)), each),
        Stored::U32 => all(bytes, little, |b| f64::from(u32::from_le_bytes(b)), each),
        Stored::I32 => all(bytes, little, |b| f64::from(i32::from_le_bytes(b)), each),
        Stored::U64 => all(bytes, little, |b| u64::from_le_bytes(b) as f64, each),
        Stored::I64 => all(bytes, little, |b| i64::from_le_bytes(b) as f64, each),
        Stored::F32 => all(bytes, little, |b| f64::from(f32::from_le_bytes(b)), each),
        Stored::F64 => all(bytes, little, f64::from_le_bytes, each),
    }
}

/// Whether a path can name a NIfTI file to be written; what is there and no file (a terminal, a pipe) needs no such name.
///
/// # Errors
/// [`NiftiError::Name`] when it ends neither in `.nii` nor in `.nii.gz`.
pub fn check_name(path: &Path) -> Result<(), NiftiError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let named = [".nii", ".nii.gz"].iter().any(|end| name.ends_with(end));
    let is_no_file = || std::fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir());
    if named || is_no_file() { Ok(()) } else { Err(NiftiError::Name(path.to_owned())) }
}

/// Writes an image as NIfTI-1, with the same orientation in sform and qform; compressed when the name ends in `.gz`. A file that is there
/// already stays until the new one is whole.
///
/// # Errors
/// When the name is none of a NIfTI file, the file cannot be written, or an axis is too long for NIfTI-1.
pub fn write_nifti<T: NiftiVoxel>(path: &Path, image: &Image<T>) -> Result<(), NiftiError> {
    check_name(path)?;
    let packed = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"));
    write_with(path, |out| {
        if packed {
            let mut gz = GzEncoder::new(out, Compression::new(4));
            encode_nifti(&mut gz, image)?;
            gz.finish()?;
            Ok(())
        } else {
            encode_nifti(out, image)
        }
    })
}

/// Encodes an image as an uncompressed NIfTI-1 file.
///
/// # Errors
/// When `out` cannot be written, an axis is too long, or the voxels do not fill the lattice.
pub fn encode_nifti<T: NiftiVoxel>(mut out: impl Write, image: &Image<T>) -> Result<(), NiftiError> {
    let (size, voxels) = (image.geometry.size, image.voxels.len());
    if voxels != image.geometry.voxel_count() {
        return Err(GeometryError::Count { size, voxels }.into());
    }
    let (code, bits) = T::CODE;
    out.write_all(&compose(&image.geometry, code, bits)?)?;
    let mut bytes = Vec::with_capacity(CHUNK * 4);
    for chunk in image.voxels.chunks(CHUNK) {
        bytes.clear();
        chunk.iter().for_each(|v| v.put(&mut bytes));
        out.write_all(&bytes)?;
    }
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests;
