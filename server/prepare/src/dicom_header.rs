//! What of a DICOM file's header a volume needs, and nothing that says whose it is.
//!
//! Only the attributes named here are ever read: no name, identifier, date, institution or private element passes this module.
//! Free text (series description, kernel) passes as words of a fixed vocabulary.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use crate::dicom_series::SeriesError;
use crate::dicom_words::{description, kernel};

/// Most frames in one file.
const MAX_FRAMES: usize = 65_536;

/// Header of one file.
#[derive(Clone, Debug)]
pub(crate) struct FileFacts {
    pub(crate) series: String,
    pub(crate) instance: String,
    /// Frame of reference, to compare with another's and not for storing.
    pub(crate) frame_of_reference: Option<String>,
    pub(crate) modality: String,
    pub(crate) description: String,
    pub(crate) kernel: Option<String>,
    pub(crate) localizer: bool,
    pub(crate) tilt_degrees: Option<f64>,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) samples: i64,
    pub(crate) photometric: String,
    pub(crate) lookup_table: bool,
    /// Whether the text is in characters that the parser does not know.
    pub(crate) unknown_characters: bool,
    pub(crate) pixels: PixelFacts,
    pub(crate) frames: Vec<Frame>,
}

/// How a stored pixel becomes a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PixelFacts {
    pub(crate) bits_allocated: u16,
    pub(crate) bits_stored: u16,
    pub(crate) high_bit: u16,
    pub(crate) signed: bool,
    /// First and last pattern that stands for "no pixel here".
    pub(crate) padding: Option<[i64; 2]>,
}

impl PixelFacts {
    /// Whether the bits fit each other and a pixel of one or two bytes.
    pub(crate) fn supported(&self) -> bool {
        matches!(self.bits_allocated, 8 | 16)
            && (1..=self.bits_allocated).contains(&self.bits_stored)
            && self.high_bit < self.bits_allocated
            && self.high_bit + 1 >= self.bits_stored
    }
}

/// One image plane.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Its number in the file, from 0.
    pub(crate) index: u32,
    /// Centre of its first pixel, LPS, mm.
    pub(crate) position_mm: Option<[f64; 3]>,
    /// Unit vectors along a row (column index rises) and along a column.
    pub(crate) orientation: Option<[f64; 6]>,
    /// Distance of rows, distance of columns, mm.
    pub(crate) pixel_spacing_mm: Option<[f64; 2]>,
    pub(crate) slope: Option<f64>,
    pub(crate) intercept: Option<f64>,
    pub(crate) rescale_type: Option<String>,
    /// What tells apart the volumes of a series that has several at one place: image type, acquisition, echo, time point.
    pub(crate) part: [String; 4],
}

/// Reads a header; an error means that the file is no image.
pub(crate) fn facts(object: &InMemDicomObject) -> Result<FileFacts, SeriesError> {
    let rows = int(object, tags::ROWS).ok_or(SeriesError::NoPixels)?;
    let columns = int(object, tags::COLUMNS).ok_or(SeriesError::NoPixels)?;
    let modality = text(object, tags::MODALITY).unwrap_or_default().to_ascii_uppercase();
    let image_type = strings(object, tags::IMAGE_TYPE);
    let frames = frames(object, &image_type)?;
    let bits_allocated = int(object, tags::BITS_ALLOCATED).and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
    let bits_stored = int(object, tags::BITS_STORED).and_then(|n| u16::try_from(n).ok()).unwrap_or(bits_allocated);
    let padding = int(object, tags::PIXEL_PADDING_VALUE).map(|first| {
        let last = int(object, tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(first);
        [first, last]
    });
    Ok(FileFacts {
        // Some de-identified files have lost their series: all of them together are tried as one.
        series: text(object, tags::SERIES_INSTANCE_UID).filter(|uid| is_uid(uid)).unwrap_or_else(|| "unnamed".to_owned()),
        instance: text(object, tags::SOP_INSTANCE_UID).unwrap_or_default(),
        frame_of_reference: text(object, tags::FRAME_OF_REFERENCE_UID).filter(|uid| is_uid(uid)),
        modality: if is_code(&modality) { modality } else { "?".to_owned() },
        description: description(&text(object, tags::SERIES_DESCRIPTION).unwrap_or_default()),
        kernel: kernel(&strings(object, tags::CONVOLUTION_KERNEL)),
        localizer: image_type.iter().any(|word| word.eq_ignore_ascii_case("LOCALIZER")),
        tilt_degrees: real(object, tags::GANTRY_DETECTOR_TILT),
        rows: usize::try_from(rows).unwrap_or(0),
        columns: usize::try_from(columns).unwrap_or(0),
        samples: int(object, tags::SAMPLES_PER_PIXEL).unwrap_or(1),
        photometric: photometric(&text(object, tags::PHOTOMETRIC_INTERPRETATION).unwrap_or_default()).to_owned(),
        unknown_characters: strings(object, tags::SPECIFIC_CHARACTER_SET).first().is_some_and(|set| !is_known_set(set)),
        lookup_table: items(object, tags::MODALITY_LUT_SEQUENCE).next().is_some(),
        pixels: PixelFacts {
            bits_allocated,
            bits_stored,
            high_bit: int(object, tags::HIGH_BIT).and_then(|n| u16::try_from(n).ok()).unwrap_or(bits_stored.saturating_sub(1)),
            signed: int(object, tags::PIXEL_REPRESENTATION) == Some(1),
            padding,
        },
        frames,
    })
}

fn frames(object: &InMemDicomObject, image_type: &[String]) -> Result<Vec<Frame>, SeriesError> {
    let count = int(object, tags::NUMBER_OF_FRAMES).unwrap_or(1);
    let count = usize::try_from(count).ok().filter(|n| (1..=MAX_FRAMES).contains(n)).ok_or(SeriesError::FrameCount(count))?;
    let groups: Vec<&InMemDicomObject> = items(object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).collect();
    if groups.is_empty() {
        if count > 1 {
            return Err(SeriesError::FramesWithoutPlace(count));
        }
        return Ok(vec![Frame {
            index: 0,
            position_mm: reals(object, tags::IMAGE_POSITION_PATIENT),
            orientation: reals(object, tags::IMAGE_ORIENTATION_PATIENT),
            pixel_spacing_mm: reals(object, tags::PIXEL_SPACING),
            slope: real(object, tags::RESCALE_SLOPE),
            intercept: real(object, tags::RESCALE_INTERCEPT),
            rescale_type: text(object, tags::RESCALE_TYPE),
            part: [
                image_type.join("\\"),
                text(object, tags::ACQUISITION_NUMBER).unwrap_or_default(),
                text(object, tags::ECHO_TIME).unwrap_or_default(),
                text(object, tags::TEMPORAL_POSITION_IDENTIFIER).unwrap_or_default(),
            ],
        }]);
    }
    if groups.len() != count {
        return Err(SeriesError::FrameGroups { frames: count, groups: groups.len() });
    }
    let shared = items(object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).next();
    let frame = |(index, own): (usize, &&InMemDicomObject)| {
        // A group stands with the frame or, when it is the same for all, with the shared ones (PS3.3, C.7.6.16).
        let group = |sequence| items(own, sequence).next().or_else(|| shared.and_then(|s| items(s, sequence).next()));
        let rescale = group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE);
        let content = group(tags::FRAME_CONTENT_SEQUENCE);
        let kind = group(tags::MR_IMAGE_FRAME_TYPE_SEQUENCE).or_else(|| group(tags::CT_IMAGE_FRAME_TYPE_SEQUENCE));
        Frame {
            index: index as u32,
            position_mm: group(tags::PLANE_POSITION_SEQUENCE).and_then(|g| reals(g, tags::IMAGE_POSITION_PATIENT)),
            orientation: group(tags::PLANE_ORIENTATION_SEQUENCE).and_then(|g| reals(g, tags::IMAGE_ORIENTATION_PATIENT)),
            pixel_spacing_mm: group(tags::PIXEL_MEASURES_SEQUENCE).and_then(|g| reals(g, tags::PIXEL_SPACING)),
            slope: rescale.and_then(|g| real(g, tags::RESCALE_SLOPE)),
            intercept: rescale.and_then(|g| real(g, tags::RESCALE_INTERCEPT)),
            rescale_type: rescale.and_then(|g| text(g, tags::RESCALE_TYPE)),
            part: [
                kind.map(|g| strings(g, tags::FRAME_TYPE).join("\\")).unwrap_or_default(),
                content.and_then(|g| text(g, tags::FRAME_ACQUISITION_NUMBER)).unwrap_or_default(),
                group(tags::MR_ECHO_SEQUENCE).and_then(|g| text(g, tags::EFFECTIVE_ECHO_TIME)).unwrap_or_default(),
                content.and_then(|g| text(g, tags::TEMPORAL_POSITION_INDEX)).unwrap_or_default(),
            ],
        }
    };
    Ok(groups.iter().enumerate().map(frame).collect())
}

pub(crate) fn items(object: &InMemDicomObject, tag: Tag) -> impl Iterator<Item = &InMemDicomObject> {
    object.get(tag).and_then(|element| element.items()).unwrap_or_default().iter()
}

pub(crate) fn text(object: &InMemDicomObject, tag: Tag) -> Option<String> {
    let value = object.get(tag)?.to_str().ok()?;
    let value = value.trim_matches(['\0', ' ']);
    (!value.is_empty() && value.len() <= 1024).then(|| value.to_owned())
}

fn strings(object: &InMemDicomObject, tag: Tag) -> Vec<String> {
    let values = object.get(tag).and_then(|element| element.to_multi_str().ok());
    values.map(|v| v.iter().take(16).map(|s| s.trim_matches(['\0', ' ']).to_owned()).collect()).unwrap_or_default()
}

pub(crate) fn int(object: &InMemDicomObject, tag: Tag) -> Option<i64> {
    object.get(tag)?.to_int::<i64>().ok()
}

pub(crate) fn real(object: &InMemDicomObject, tag: Tag) -> Option<f64> {
    object.get(tag)?.to_float64().ok().filter(|v| v.is_finite())
}

fn reals<const N: usize>(object: &InMemDicomObject, tag: Tag) -> Option<[f64; N]> {
    let values = object.get(tag)?.to_multi_float64().ok()?;
    let values: [f64; N] = values.try_into().ok()?;
    values.iter().all(|v| v.is_finite()).then_some(values)
}

/// The interpretation, when it is one of the standard's (PS3.3, C.7.6.3.1.2): errors quote it.
fn photometric(value: &str) -> &'static str {
    const KNOWN: [&str; 9] = [
        "MONOCHROME1",
        "MONOCHROME2",
        "PALETTE COLOR",
        "RGB",
        "YBR_FULL",
        "YBR_FULL_422",
        "YBR_PARTIAL_420",
        "YBR_ICT",
        "YBR_RCT",
    ];
    KNOWN.into_iter().find(|known| *known == value).unwrap_or("unknown")
}

/// Whether the parser knows a character set by this name (PS3.3, C.12.1.1.2); none is the default one.
fn is_known_set(name: &str) -> bool {
    const NUMBERS: [&str; 14] = ["6", "13", "87", "100", "101", "109", "110", "126", "127", "138", "144", "149", "166", "192"];
    let number = ["ISO_IR ", "ISO_IR_", "ISO 2022 IR "].into_iter().find_map(|start| name.strip_prefix(start));
    matches!(name, "" | "Default" | "GB18030" | "GBK" | "GB2312" | "ISO 2022 IR 58")
        || number.is_some_and(|n| NUMBERS.contains(&n) && name != "ISO 2022 IR 192")
}

fn is_uid(uid: &str) -> bool {
    (1..=64).contains(&uid.len()) && uid.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

fn is_code(code: &str) -> bool {
    (1..=8).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}
