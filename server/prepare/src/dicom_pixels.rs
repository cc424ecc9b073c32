//! Pixels of DICOM images as numbers: decoded, sign extended, rescaled, padding replaced.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, InMemDicomObject, OpenFileOptions};
use dicom_pixeldata::PixelDecoder;
use thiserror::Error;

use crate::dicom_guard::{GuardError, check, pixels_at};
use crate::dicom_header::{FileFacts, Frame, PixelFacts};
use crate::foreign::foreign;
use crate::volume3d::{MAX_AXIS, MAX_VOXELS};

/// Most bytes before the pixel data: an enhanced image of 10,000 frames has about half of that.
pub(crate) const MAX_HEADER_BYTES: u64 = 128 << 20;
/// Bytes of the pixel data that the parser looks at to see that the header has ended.
const START_OF_PIXELS: usize = 64;

/// Why a file's pixels cannot be read.
#[derive(Debug, Error)]
pub(crate) enum PixelError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("the header has {0} bytes, more than any image's")]
    Header(u64),
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error("DICOM file cannot be parsed: {0}")]
    Parse(String),
    #[error("pixel data cannot be decoded (transfer syntax {syntax}): {why}")]
    Decode { syntax: String, why: String },
    #[error("pixel data of {0} frames of {1}×{2} is larger than any image")]
    Size(usize, usize, usize),
    #[error("the compressed image is {found:?} pixels (rows, columns), the header says {stated:?}")]
    Stream { found: [usize; 2], stated: [usize; 2] },
    #[error("bits of the pixels are not supported: {0:?}")]
    Bits(PixelFacts),
    #[error("pixel data holds {found} bytes, {needed} are needed")]
    Short { found: usize, needed: usize },
}

/// Parses a whole file, or its header only, after its lengths are proved.
pub(crate) fn parse(bytes: &[u8], header_only: bool) -> Result<DefaultDicomObject, PixelError> {
    check(bytes)?;
    parse_proved(bytes, header_only)
}

/// Reads and parses a file up to its pixel data, after the lengths in all of it are proved: memory follows the header, not the file.
pub(crate) fn read_header(path: &Path) -> Result<DefaultDicomObject, PixelError> {
    let mut file = File::open(path)?;
    let pixels_at = pixels_at(&file, file.metadata()?.len())?;
    if pixels_at > MAX_HEADER_BYTES {
        return Err(PixelError::Header(pixels_at));
    }
    let mut bytes = Vec::with_capacity(pixels_at as usize + START_OF_PIXELS);
    file.rewind()?;
    file.take(pixels_at + START_OF_PIXELS as u64).read_to_end(&mut bytes)?;
    parse_proved(&bytes, true)
}

fn parse_proved(bytes: &[u8], header_only: bool) -> Result<DefaultDicomObject, PixelError> {
    let options = OpenFileOptions::new();
    let options = if header_only { options.read_until(tags::PIXEL_DATA) } else { options };
    // The parser is not ours: should it panic on damaged input, that is an error of the file like any other.
    match foreign(|| options.from_reader(bytes.get(128..).unwrap_or_default())) {
        Some(Ok(object)) => Ok(object),
        Some(Err(error)) => Err(PixelError::Parse(chain(&error))),
        None => Err(PixelError::Parse("the parser failed on damaged data".to_owned())),
    }
}

/// An error with what caused it, without anything it quotes from the file's values.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text.truncate(text.char_indices().nth(300).map_or(text.len(), |(at, _)| at));
    text
}

/// Pixel values of the wanted frames, in their order; `background` stands where the image has padding.
pub(crate) fn decode(bytes: &[u8], facts: &FileFacts, wanted: &[&Frame], background: f32) -> Result<Vec<Vec<f32>>, PixelError> {
    if !facts.pixels.supported() {
        return Err(PixelError::Bits(facts.pixels));
    }
    let object = parse(bytes, false)?;
    let frames = facts.frames.len();
    let count = facts.rows.checked_mul(facts.columns).and_then(|n| n.checked_mul(frames));
    let in_bounds = facts.rows <= MAX_AXIS && facts.columns <= MAX_AXIS && count.is_some_and(|n| (1..=MAX_VOXELS).contains(&n));
    if !in_bounds {
        return Err(PixelError::Size(frames, facts.rows, facts.columns));
    }
    check_streams(&object, facts)?;
    let syntax: String = object.meta().transfer_syntax().chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    let failed = |why: String| PixelError::Decode { syntax: syntax.clone(), why };
    // The codecs are not ours either.
    let decoded = foreign(|| {
        let decoded = object.decode_pixel_data().map_err(|error| chain(&error))?;
        Ok((decoded.bits_allocated(), decoded.into_data()))
    });
    let (bits_allocated, data) = match decoded {
        Some(Ok(found)) => found,
        Some(Err(why)) => return Err(failed(why)),
        None => return Err(failed("the codec failed on damaged data".to_owned())),
    };
    let width = usize::from(bits_allocated / 8);
    if width == 0 || width > 2 {
        return Err(failed(format!("{bits_allocated} bits a pixel")));
    }
    let frame_bytes = facts.rows * facts.columns * width;
    if data.len() < frame_bytes * frames {
        return Err(PixelError::Short { found: data.len(), needed: frame_bytes * frames });
    }
    Ok(wanted
        .iter()
        .map(|frame| {
            let start = frame_bytes * frame.index as usize;
            let pixels = data.get(start..start + frame_bytes).unwrap_or_default();
            let number = Number::new(&facts.pixels, frame, background);
            match width {
                1 => pixels.iter().map(|b| number.value(u16::from(*b))).collect(),
                _ => pixels.chunks_exact(2).map(|b| number.value(u16::from_le_bytes([b[0], b[1]]))).collect(),
            }
        })
        .collect())
}

/// Turns stored patterns into values.
struct Number {
    shift: u32,
    bits: u32,
    signed: bool,
    padding: Option<[i32; 2]>,
    slope: f64,
    intercept: f64,
    background: f32,
}

impl Number {
    fn new(pixels: &PixelFacts, frame: &Frame, background: f32) -> Self {
        let bits = u32::from(pixels.bits_stored).clamp(1, 16);
        let shift = (u32::from(pixels.high_bit) + 1).saturating_sub(bits).min(16 - bits);
        let mut number = Self {
            shift,
            bits,
            signed: pixels.signed,
            padding: None,
            slope: frame.slope.unwrap_or(1.0),
            intercept: frame.intercept.unwrap_or(0.0),
            background,
        };
        // Padding may be written signed or unsigned, whatever the pixels are: its 16-bit pattern counts.
        number.padding = pixels.padding.map(|[a, b]| {
            let pattern = |v: i64| number.extend((v & 0xFFFF) as u16 & number.mask());
            let (a, b) = (pattern(a), pattern(b));
            [a.min(b), a.max(b)]
        });
        number
    }

    fn mask(&self) -> u16 {
        (0xFFFF_u32 >> (16 - self.bits)) as u16
    }

    fn extend(&self, pattern: u16) -> i32 {
        let value = i32::from(pattern);
        if self.signed && value >> (self.bits - 1) & 1 == 1 { value - (1 << self.bits) } else { value }
    }

    fn value(&self, stored: u16) -> f32 {
        let raw = self.extend(stored >> self.shift & self.mask());
        match self.padding {
            Some([first, last]) if (first..=last).contains(&raw) => self.background,
            _ => (f64::from(raw) * self.slope + self.intercept) as f32,
        }
    }
}

/// Compares the size that compressed frames claim with the header's, before a codec takes memory for it.
pub(crate) fn check_streams(object: &InMemDicomObject, facts: &FileFacts) -> Result<(), PixelError> {
    let Some(fragments) = object.get(tags::PIXEL_DATA).and_then(|element| element.fragments()) else { return Ok(()) };
    for fragment in fragments {
        if let Some(found) = stream_size(fragment)
            && found != [facts.rows, facts.columns]
        {
            return Err(PixelError::Stream { found, stated: [facts.rows, facts.columns] });
        }
    }
    Ok(())
}

/// Rows and columns of a JPEG, JPEG-LS or JPEG 2000 stream; none when the bytes do not start one.
fn stream_size(bytes: &[u8]) -> Option<[usize; 2]> {
    let short = |at: usize| Some(usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?])));
    let long = |at: usize| Some(short(at)? << 16 | short(at + 2)?);
    if bytes.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]) {
        // SIZ: width and height of the reference grid, less the image's offset in it.
        let (columns, rows) = (long(8)?.checked_sub(long(16)?)?, long(12)?.checked_sub(long(20)?)?);
        return Some([rows, columns]);
    }
    if !bytes.starts_with(&[0xFF, 0xD8]) {
        return None;
    }
    let mut at = 2;
    loop {
        while *bytes.get(at)? == 0xFF && *bytes.get(at + 1)? == 0xFF {
            at += 1;
        }
        let marker = short(at)?;
        match marker {
            // Frame headers: all SOFn (without DHT, JPG, DAC) and JPEG-LS' SOF55.
            0xFFC0..=0xFFC3 | 0xFFC5..=0xFFC7 | 0xFFC9..=0xFFCB | 0xFFCD..=0xFFCF | 0xFFF7 => {
                return Some([short(at + 5)?, short(at + 7)?]);
            }
            0xFF01 | 0xFFD0..=0xFFD8 => at += 2,
            0xFF02..=0xFFFF => at += 2 + short(at + 2)?.max(2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(pixels: PixelFacts, slope: f64, intercept: f64) -> Number {
        let frame = Frame {
            index: 0,
            position_mm: None,
            orientation: None,
            pixel_spacing_mm: None,
            slope: Some(slope),
            intercept: Some(intercept),
            rescale_type: None,
            part: Default::default(),
        };
        Number::new(&pixels, &frame, -1024.0)
    }

    #[test]
    fn stored_patterns_become_values() {
        let unsigned = PixelFacts { bits_allocated: 16, bits_stored: 12, high_bit: 11, signed: false, padding: None };
        assert_eq!(number(unsigned, 1.0, -1024.0).value(0xF000 | 1024), 0.0);
        let signed = PixelFacts { signed: true, ..unsigned };
        assert_eq!(number(signed, 1.0, 0.0).value(0x0FFF), -1.0);
        assert_eq!(number(signed, 2.0, 5.0).value(0x0800), -4091.0);
        let high = PixelFacts { high_bit: 15, ..unsigned };
        assert_eq!(number(high, 1.0, 0.0).value(0x1230), 291.0);
    }

    /// Padding written as unsigned for signed pixels, as many scanners do: 63536 is -2000.
    #[test]
    fn padding_is_recognised_by_its_pattern() {
        let pixels =
            PixelFacts { bits_allocated: 16, bits_stored: 16, high_bit: 15, signed: true, padding: Some([63536, 63536]) };
        let n = number(pixels, 1.0, -1024.0);
        assert_eq!(n.value((-2000_i16) as u16), -1024.0);
        assert_eq!(n.value((-1999_i16) as u16), -3023.0);
        let range = number(PixelFacts { padding: Some([-2000, -1500]), ..pixels }, 1.0, -1000.0);
        assert_eq!(range.value((-1700_i16) as u16), -1024.0);
        assert_eq!(range.value(10), -990.0);
    }

    #[test]
    fn compressed_sizes_are_found() {
        let jpeg = [0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xC3, 0, 11, 16, 1, 0, 2, 0];
        assert_eq!(stream_size(&jpeg), Some([256, 512]));
        let mut j2k = vec![0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0];
        for v in [600_u32, 300, 88, 44] {
            j2k.extend_from_slice(&v.to_be_bytes());
        }
        assert_eq!(stream_size(&j2k), Some([256, 512]));
        assert_eq!(stream_size(&[0xFF, 0xD8, 0xFF]), None);
        assert_eq!(stream_size(&[1, 2, 3]), None);
    }
}
