//! A walk over the bytes of a DICOM file that proves its lengths before a parser believes them.
//!
//! The parser takes memory for the length an element claims and recurses into nested sequences. This walk reads headers only,
//! and refuses elements longer than the rest of the file, sequences nested deeper than any image's, and files that end early.

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
    Length(Tag, u32, usize),
    #[error("DICOM file is truncated: it ends within an element")]
    Truncated,
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
    if !is_dicom(bytes) {
        return Err(GuardError::NotDicom);
    }
    let mut walk = Walk { bytes, at: 132, explicit: true, big: false, elements: 0 };
    let mut syntax = None;
    while walk.peek_group() == Some(2) {
        let (tag, _, length) = walk.header()?;
        let value = walk.take(tag, length)?;
        if tag == Tag(0x0002, 0x0010) {
            syntax = Some(String::from_utf8_lossy(value).trim_end_matches(['\0', ' ']).to_owned());
        }
    }
    match syntax.as_deref() {
        None => return Err(GuardError::NoSyntax),
        Some("1.2.840.10008.1.2") => walk.explicit = false,
        Some("1.2.840.10008.1.2.2") => walk.big = true,
        Some("1.2.840.10008.1.2.1.99") => return Err(GuardError::Deflated),
        Some(_) => {}
    }
    walk.dataset(None, 0)
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    explicit: bool,
    big: bool,
    elements: usize,
}

impl<'a> Walk<'a> {
    fn take(&mut self, tag: Tag, length: u32) -> Result<&'a [u8], GuardError> {
        let left = self.bytes.len() - self.at;
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..length as usize));
        let taken = taken.ok_or(GuardError::Length(tag, length, left))?;
        self.at += taken.len();
        Ok(taken)
    }

    fn raw<const N: usize>(&mut self) -> Result<[u8; N], GuardError> {
        let bytes = self.bytes.get(self.at..self.at + N).and_then(|b| b.try_into().ok()).ok_or(GuardError::Truncated)?;
        self.at += N;
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
    fn peek_group(&self) -> Option<u16> {
        self.bytes.get(self.at..self.at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]))
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
    fn dataset(&mut self, end: Option<usize>, depth: usize) -> Result<(), GuardError> {
        if depth > MAX_DEPTH {
            return Err(GuardError::Depth);
        }
        loop {
            if self.at >= end.unwrap_or(self.bytes.len()) {
                // An item of undefined length must be closed; only the data set itself may end with the file.
                return if end.is_none() && depth > 0 { Err(GuardError::Truncated) } else { Ok(()) };
            }
            let (tag, vr, length) = self.header()?;
            if tag == Tag(0xFFFE, 0xE00D) && depth > 0 {
                return Ok(());
            }
            if length == UNDEFINED && (tag == Tag(0x7FE0, 0x0010) || matches!(vr, VR::OB | VR::OW)) {
                self.fragments()?;
            } else if length == UNDEFINED {
                self.items(None, depth + 1, vr == VR::UN)?;
            } else if vr == VR::SQ {
                if length as usize > self.bytes.len() - self.at {
                    return Err(GuardError::Length(tag, length, self.bytes.len() - self.at));
                }
                self.items(Some(self.at + length as usize), depth + 1, false)?;
            } else {
                self.take(tag, length)?;
            }
        }
    }

    /// Items of a sequence up to `end` or the delimiter.
    fn items(&mut self, end: Option<usize>, depth: usize, unknown: bool) -> Result<(), GuardError> {
        if depth > MAX_DEPTH {
            return Err(GuardError::Depth);
        }
        // A sequence of unknown representation is encoded implicitly (PS3.5, 6.2.2).
        let explicit = self.explicit;
        while self.at < end.unwrap_or(usize::MAX) {
            let (tag, _, length) = self.header()?;
            match tag {
                Tag(0xFFFE, 0xE0DD) => break,
                Tag(0xFFFE, 0xE000) => {
                    let left = self.bytes.len() - self.at;
                    let close = (length != UNDEFINED).then(|| self.at.saturating_add(length as usize));
                    if close.is_some_and(|close| close > self.bytes.len()) {
                        return Err(GuardError::Length(tag, length, left));
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
                (tag @ Tag(0xFFFE, 0xE000), _, length) => self.take(tag, length)?,
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
}
