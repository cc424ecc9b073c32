//! A walk over the bytes of a DICOM file that proves its lengths before a parser believes them.
//!
//! The parser takes memory for the length an element claims and recurses into nested sequences. This walk reads headers only,
//! and refuses elements longer than the rest of the file, sequences nested deeper than any image's, and files that end early.
//! It can be taken over a file that is not in memory: nothing but headers of elements is read then.

use std::io::{BufReader, ErrorKind, Read, Seek};

use dicom_core::VR::{AE, AS, AT, CS, DA, DS, DT, FD, FL, IS, LO, LT, PN, SH, SL, SS, ST, TM, UI, UL, US};
use dicom_core::dictionary::DataDictionary;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;
use thiserror::Error;

/// Deepest nesting of sequences in an image.
const MAX_DEPTH: usize = 24;
/// Most elements in one file: an enhanced image of 10,000 frames has about a million.
const MAX_ELEMENTS: usize = 8_000_000;
/// A length that is not stated.
const UNDEFINED: u32 = u32::MAX;

/// Why the bytes cannot be a DICOM file.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub(crate) enum GuardError {
    #[error("not a DICOM file")]
    NotDicom,
    #[error("DICOM file is truncated or damaged: element {0} claims {1} bytes, {2} are left")]
    Length(Tag, u32, u64),
    #[error("DICOM file is truncated: it ends within an element")]
    Truncated,
    #[error("DICOM file cannot be read: {0}")]
    Unreadable(String),
    #[error("DICOM sequences are nested deeper than {MAX_DEPTH}")]
    Depth,
    #[error("DICOM file has more than {MAX_ELEMENTS} elements")]
    Elements,
    #[error("DICOM structure is damaged: {0} stands where an item must be")]
    Item(Tag),
    #[error("DICOM file states no transfer syntax")]
    NoSyntax,
    #[error("DICOM transfer syntax deflated is not supported; convert the file to explicit VR little endian")]
    Deflated,
}

/// Whether bytes start as a DICOM file does.
pub(crate) fn is_dicom(start: &[u8]) -> bool {
    start.get(128..132) == Some(b"DICM")
}

/// Walks a whole file.
pub(crate) fn check(bytes: &[u8]) -> Result<(), GuardError> {
    Walk::over(bytes).map(|_| ())
}

/// Walks a whole file of `length` bytes without reading its values, and returns where its pixel data begin: at the first element of the
/// data set from (7FE0,0010) on, or at the end.
pub(crate) fn pixels_at(file: impl Read + Seek, length: u64) -> Result<u64, GuardError> {
    Walk::over(Seeking { input: BufReader::new(file), at: 0, length })
}

/// Bytes that are walked over.
trait Bytes {
    fn length(&self) -> u64;
    /// Fills `buffer` with what stands at `at`; all of it is there.
    fn fill(&mut self, at: u64, buffer: &mut [u8]) -> Result<(), GuardError>;
}

impl Bytes for &[u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn fill(&mut self, at: u64, buffer: &mut [u8]) -> Result<(), GuardError> {
        let found = usize::try_from(at).ok().and_then(|at| self.get(at..)?.get(..buffer.len())).ok_or(GuardError::Truncated)?;
        buffer.copy_from_slice(found);
        Ok(())
    }
}

struct Seeking<R> {
    input: BufReader<R>,
    at: u64,
    length: u64,
}

impl<R: Read + Seek> Bytes for Seeking<R> {
    fn length(&self) -> u64 {
        self.length
    }

    fn fill(&mut self, at: u64, buffer: &mut [u8]) -> Result<(), GuardError> {
        let wrong = |error: std::io::Error| match error.kind() {
            ErrorKind::UnexpectedEof => GuardError::Truncated,
            _ => GuardError::Unreadable(error.to_string()),
        };
        // Both are below the length of a file.
        self.input.seek_relative(at as i64 - self.at as i64).map_err(wrong)?;
        self.at = at;
        self.input.read_exact(buffer).map_err(wrong)?;
        self.at += buffer.len() as u64;
        Ok(())
    }
}

struct Walk<B> {
    bytes: B,
    at: u64,
    explicit: bool,
    big: bool,
    elements: usize,
    pixels_at: Option<u64>,
}

impl<B: Bytes> Walk<B> {
    fn over(mut bytes: B) -> Result<u64, GuardError> {
        let mut start = [0; 132];
        if bytes.length() < 132 || bytes.fill(0, &mut start).map(|()| !is_dicom(&start))? {
            return Err(GuardError::NotDicom);
        }
        let mut walk = Self { bytes, at: 132, explicit: true, big: false, elements: 0, pixels_at: None };
        let mut syntax = None;
        while walk.peek_group()? == Some(2) {
            let (tag, _, length) = walk.header()?;
            let value_at = walk.at;
            walk.skip(tag, length)?;
            if tag == Tag(0x0002, 0x0010) {
                // No identifier is longer than 64 characters.
                let mut value = vec![0; length.min(80) as usize];
                walk.bytes.fill(value_at, &mut value)?;
                syntax = Some(String::from_utf8_lossy(&value).trim_end_matches(['\0', ' ']).to_owned());
            }
        }
        match syntax.as_deref() {
            None => return Err(GuardError::NoSyntax),
            Some("1.2.840.10008.1.2") => walk.explicit = false,
            Some("1.2.840.10008.1.2.2") => walk.big = true,
            Some("1.2.840.10008.1.2.1.99") => return Err(GuardError::Deflated),
            Some(_) => {}
        }
        walk.dataset(None, 0)?;
        Ok(walk.pixels_at.unwrap_or(walk.bytes.length()))
    }

    fn left(&self) -> u64 {
        self.bytes.length().saturating_sub(self.at)
    }

    /// Steps over a value, which has to be there.
    fn skip(&mut self, tag: Tag, length: u32) -> Result<(), GuardError> {
        if u64::from(length) > self.left() {
            return Err(GuardError::Length(tag, length, self.left()));
        }
        self.at += u64::from(length);
        Ok(())
    }

    fn raw<const N: usize>(&mut self) -> Result<[u8; N], GuardError> {
        if self.left() < N as u64 {
            return Err(GuardError::Truncated);
        }
        let mut bytes = [0; N];
        self.bytes.fill(self.at, &mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    fn u16(&mut self) -> Result<u16, GuardError> {
        let b = self.raw()?;
        Ok(if self.big { u16::from_be_bytes(b) } else { u16::from_le_bytes(b) })
    }

    fn u32(&mut self) -> Result<u32, GuardError> {
        let b = self.raw()?;
        Ok(if self.big { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) })
    }

    /// Group of the next element; the meta group is always little endian.
    fn peek_group(&mut self) -> Result<Option<u16>, GuardError> {
        let mut group = [0; 2];
        if self.left() < 2 {
            return Ok(None);
        }
        self.bytes.fill(self.at, &mut group)?;
        Ok(Some(u16::from_le_bytes(group)))
    }

    /// Tag, representation and length of the next element or item.
    fn header(&mut self) -> Result<(Tag, VR, u32), GuardError> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(GuardError::Elements);
        }
        let tag = Tag(self.u16()?, self.u16()?);
        if tag.0 == 0xFFFE {
            return Ok((tag, VR::UN, self.u32()?));
        }
        if !self.explicit {
            let vr = StandardDataDictionary.by_tag(tag).map_or(VR::UN, |entry| entry.vr.relaxed());
            return Ok((tag, vr, self.u32()?));
        }
        let vr = VR::from_binary(self.raw()?).unwrap_or(VR::UN);
        let short =
            matches!(vr, AE | AS | AT | CS | DA | DS | DT | FL | FD | IS | LO | LT | PN | SH | SL | SS | ST | TM | UI | UL | US);
        if short {
            let length = self.u16()?;
            Ok((tag, vr, u32::from(length)))
        } else {
            self.u16()?;
            Ok((tag, vr, self.u32()?))
        }
    }

    /// Elements up to `end`, or to the delimiter of an item of undefined length, or to the end of the file.
    fn dataset(&mut self, end: Option<u64>, depth: usize) -> Result<(), GuardError> {
        if depth > MAX_DEPTH {
            return Err(GuardError::Depth);
        }
        loop {
            if self.at >= end.unwrap_or(self.bytes.length()) {
                // An item of undefined length must be closed; only the data set itself may end with the file.
                return if end.is_none() && depth > 0 { Err(GuardError::Truncated) } else { Ok(()) };
            }
            let start = self.at;
            let (tag, vr, length) = self.header()?;
            if depth == 0 && self.pixels_at.is_none() && tag >= Tag(0x7FE0, 0x0010) {
                self.pixels_at = Some(start);
            }
            if tag == Tag(0xFFFE, 0xE00D) && depth > 0 {
                return Ok(());
            }
            if length == UNDEFINED && (tag == Tag(0x7FE0, 0x0010) || matches!(vr, VR::OB | VR::OW)) {
                self.fragments()?;
            } else if length == UNDEFINED {
                self.items(None, depth + 1, vr == VR::UN)?;
            } else if vr == VR::SQ {
                if u64::from(length) > self.left() {
                    return Err(GuardError::Length(tag, length, self.left()));
                }
                self.items(Some(self.at + u64::from(length)), depth + 1, false)?;
            } else {
                self.skip(tag, length)?;
            }
        }
    }

    /// Items of a sequence up to `end` or the delimiter.
    fn items(&mut self, end: Option<u64>, depth: usize, unknown: bool) -> Result<(), GuardError> {
        if depth > MAX_DEPTH {
            return Err(GuardError::Depth);
        }
        // A sequence of unknown representation is encoded implicitly (PS3.5, 6.2.2).
        let explicit = self.explicit;
        while self.at < end.unwrap_or(u64::MAX) {
            let (tag, _, length) = self.header()?;
            match tag {
                Tag(0xFFFE, 0xE0DD) => break,
                Tag(0xFFFE, 0xE000) => {
                    let close = (length != UNDEFINED).then(|| self.at + u64::from(length));
                    if close.is_some_and(|close| close > self.bytes.length()) {
                        return Err(GuardError::Length(tag, length, self.left()));
                    }
                    self.explicit = explicit && !unknown;
                    self.dataset(close, depth + 1)?;
                    self.explicit = explicit;
                }
                tag => return Err(GuardError::Item(tag)),
            }
        }
        Ok(())
    }

    /// Fragments of compressed pixel data up to the delimiter.
    fn fragments(&mut self) -> Result<(), GuardError> {
        loop {
            match self.header()? {
                (Tag(0xFFFE, 0xE0DD), _, _) => return Ok(()),
                (tag @ Tag(0xFFFE, 0xE000), _, length) => self.skip(tag, length)?,
                (tag, _, _) => return Err(GuardError::Item(tag)),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one element after its meta group, explicit VR little endian.
    fn file(element: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 128];
        bytes.extend_from_slice(b"DICM");
        bytes.extend_from_slice(&[2, 0, 0x10, 0, b'U', b'I', 20, 0]);
        bytes.extend_from_slice(b"1.2.840.10008.1.2.1\0");
        bytes.extend_from_slice(element);
        bytes
    }

    #[test]
    fn a_length_beyond_the_file_is_refused() {
        let lying = [0x08, 0, 0x20, 0x22, b'O', b'B', 0, 0, 0xF0, 0xFF, 0xFF, 0xFF, 1, 2];
        assert_eq!(check(&file(&lying)), Err(GuardError::Length(Tag(0x0008, 0x2220), 0xFFFF_FFF0, 2)));
        let honest = [0x08, 0, 0x20, 0x22, b'O', b'B', 0, 0, 2, 0, 0, 0, 1, 2];
        assert_eq!(check(&file(&honest)), Ok(()));
    }

    #[test]
    fn bottomless_nesting_is_refused() {
        let mut nested = Vec::new();
        for _ in 0..100_000 {
            nested.extend_from_slice(&[0x08, 0, 0x40, 0x11, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
            nested.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
        }
        assert_eq!(check(&file(&nested)), Err(GuardError::Depth));
    }

    #[test]
    fn no_syntax_and_no_dicom_are_told_apart() {
        assert_eq!(check(b"hello"), Err(GuardError::NotDicom));
        let mut bytes = vec![0; 128];
        bytes.extend_from_slice(b"DICM");
        assert_eq!(check(&bytes), Err(GuardError::NoSyntax));
    }

    /// A walk over a file finds what a walk over its bytes finds, at whatever place it ends, and where the pixel data begin.
    #[test]
    fn files_are_walked_as_bytes_are() {
        let nested = [0x08, 0, 0x40, 0x11, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0];
        let pixels = [0xE0, 0x7F, 0x10, 0, b'O', b'W', 0, 0, 4, 0, 0, 0, 1, 2, 3, 4];
        let bytes = file(&[&nested[..], &pixels].concat());
        let over = |bytes: &[u8]| pixels_at(std::io::Cursor::new(bytes), bytes.len() as u64);
        assert_eq!(over(&bytes), Ok((bytes.len() - pixels.len()) as u64));
        assert_eq!(over(&file(&nested)), Ok(file(&nested).len() as u64));
        for end in 0..bytes.len() {
            assert_eq!(over(&bytes[..end]).map(|_| ()), check(&bytes[..end]), "{end} bytes");
        }
    }
}
