//! DICOM segmentations: binary, fractional and label map (PS3.3, C.8.20), on whatever lattice their frames form.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, InMemDicomObject};
use dicom_pixeldata::PixelDecoder;
use spinor_volume::Label;
use std::borrow::Cow;

use super::codes::label_of_code;
use super::names::{Names, shown, structure_of_name};
use super::paint::{Canvas, Found, Named, understand};
use super::stack::stack;
use super::{Contours, ContoursError, Target, UNCHECKED};
use crate::dicom_header::{FileFacts, Frame, facts, int, items, real, text};
use crate::dicom_pixels::check_streams;
use crate::dicom_series::axes;
use crate::foreign::foreign;
use crate::vector::{V3, dot};
use crate::volume3d::{Geometry, check_size};

/// How far frames may be shifted against each other within their planes, mm.
const DRIFT_MM: f64 = 0.05;
/// Lattices up to this many voxels are made however few of their planes have frames.
const SMALL: usize = 1 << 26;
/// Planes for each plane with a frame, in larger lattices.
const SPARSE: usize = 8;

/// How a frame's pixels say where segments are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// One bit a pixel; a frame is of one segment.
    Binary,
    /// A share of the given maximum; a frame is of one segment.
    Fractional(f64),
    /// The pixel is the segment's number.
    LabelMap,
}

pub(super) fn read(object: &DefaultDicomObject, target: Target<'_>, names: &Names) -> Result<Contours, ContoursError> {
    let malformed = |why: &str| ContoursError::Malformed(why.to_owned());
    let facts = facts(object).map_err(|error| ContoursError::Dicom(error.to_string()))?;
    let kind = match text(object, tags::SEGMENTATION_TYPE).as_deref() {
        Some("BINARY") if facts.pixels.bits_allocated == 1 => Kind::Binary,
        Some("FRACTIONAL") if facts.pixels.bits_allocated == 8 => {
            let most = real(object, tags::MAXIMUM_FRACTIONAL_VALUE).filter(|v| (1.0..=255.0).contains(v));
            Kind::Fractional(most.ok_or_else(|| malformed("a fractional segmentation without its maximum value"))?)
        }
        Some("LABELMAP") if matches!(facts.pixels.bits_allocated, 8 | 16) => Kind::LabelMap,
        _ => {
            return Err(malformed("neither a binary (1 bit), a fractional (8 bits) nor a label map (8 or 16 bits) segmentation"));
        }
    };
    let (same, compared) = target.same_frame(text(object, tags::FRAME_OF_REFERENCE_UID).as_deref());
    if !same {
        return Err(ContoursError::Frame { what: "the segmentation".to_owned() });
    }
    let found = segments(object, names, kind)?;
    let mut warnings: Vec<String> = found.left_out().into_iter().collect();
    if !compared {
        warnings.push(UNCHECKED.to_owned());
    }
    let named =
        |item: &&InMemDicomObject| text(item, tags::SEGMENT_LABEL).is_some_and(|name| name.to_lowercase().contains("(proposed)"));
    let proposed = items(object, tags::SEGMENT_SEQUENCE).filter(named).count();
    if proposed > 0 {
        warnings.push(format!(
            "{proposed} segments are named as proposed: no image showed them, and here they pass for drawn by hand. Delete those that nobody \
             corrected; they are proposed anew."
        ));
    }

    let numbers =
        if kind == Kind::LabelMap { vec![None; facts.frames.len()] } else { frame_segments(object, facts.frames.len())? };
    let used: Vec<usize> = (0..facts.frames.len())
        .filter(|n| kind == Kind::LabelMap || numbers[*n].is_some_and(|number| found.labels.contains_key(&number)))
        .collect();
    let (geometry, planes) = lattice(object, &facts, &used)?;
    let pixels = Pixels::new(object, &facts, kind)?;
    let mut canvas = Canvas::new(geometry);
    let plane = facts.rows * facts.columns;
    for (n, k) in used.iter().zip(planes) {
        let start = k * plane;
        let label = numbers[*n].and_then(|number| found.labels.get(&number)).copied();
        match (kind, label) {
            (Kind::LabelMap, _) => pixels.each(*n, &mut |at, value| {
                if let Some(label) = found.labels.get(&u32::from(value)) {
                    canvas.paint(start + at, *label);
                }
            })?,
            (Kind::Fractional(most), Some(label)) => pixels.each(*n, &mut |at, value| {
                if 2.0 * f64::from(value) >= most {
                    canvas.paint(start + at, label);
                }
            })?,
            (Kind::Binary, Some(label)) => pixels.each(*n, &mut |at, _| canvas.paint(start + at, label))?,
            (_, None) => {}
        }
    }
    let made = canvas.finish(warnings);
    let present = made.present();
    for label in found.labels.values() {
        if !present.contains(label) {
            let why = "nothing is drawn, or all of it lies under other structures; draw it, or delete its segment".to_owned();
            return Err(ContoursError::Structure { what: label.name(), why });
        }
    }
    Ok(made)
}

/// What each segment is, by its codes and its label.
fn segments(object: &InMemDicomObject, names: &Names, kind: Kind) -> Result<Found, ContoursError> {
    let mut all: Vec<Named> = Vec::new();
    for item in items(object, tags::SEGMENT_SEQUENCE) {
        let number = int(item, tags::SEGMENT_NUMBER).and_then(|n| u32::try_from(n).ok());
        let Some(number) = number else { return Err(ContoursError::Malformed("a segment has no number".to_owned())) };
        if all.iter().any(|other| other.number == number) {
            return Err(ContoursError::Malformed(format!("two segments have number {number}")));
        }
        if number == 0 && kind == Kind::LabelMap {
            continue;
        }
        let name = text(item, tags::SEGMENT_LABEL).unwrap_or_default();
        let shown = shown("segment", number, &name);
        all.push(Named {
            number,
            shown,
            given: names.find(number, &name),
            name: structure_of_name(&name),
            code: code(item, tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE)
                .or_else(|| code(item, tags::PRIMARY_ANATOMIC_STRUCTURE_SEQUENCE)),
        });
    }
    understand(all)
}

fn code(item: &InMemDicomObject, sequence: Tag) -> Option<Label> {
    let code = items(item, sequence).next()?;
    label_of_code(&text(code, tags::CODING_SCHEME_DESIGNATOR)?, &text(code, tags::CODE_VALUE)?)
}

/// The segment that each frame is of.
fn frame_segments(object: &InMemDicomObject, frames: usize) -> Result<Vec<Option<u32>>, ContoursError> {
    let of = |group: &InMemDicomObject| {
        let item = items(group, tags::SEGMENT_IDENTIFICATION_SEQUENCE).next()?;
        int(item, tags::REFERENCED_SEGMENT_NUMBER).and_then(|n| u32::try_from(n).ok())
    };
    let shared = items(object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).next().and_then(of);
    let own: Vec<Option<u32>> =
        items(object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).map(|group| of(group).or(shared)).collect();
    if own.len() == frames && own.iter().all(Option::is_some) {
        return Ok(own);
    }
    Err(ContoursError::Malformed("some frames do not say which segment they are of".to_owned()))
}

/// The lattice of all frames that are used, and the plane of each.
fn lattice(object: &InMemDicomObject, facts: &FileFacts, used: &[usize]) -> Result<(Geometry, Vec<usize>), ContoursError> {
    let malformed = |why: String| ContoursError::Malformed(why);
    let mut placed: Vec<(V3, [f64; 6], [f64; 2])> = Vec::with_capacity(used.len());
    for frame in used.iter().filter_map(|n| facts.frames.get(*n)) {
        let Frame { position_mm: Some(position), orientation: Some(orientation), pixel_spacing_mm: Some(spacing), .. } = frame
        else {
            return Err(malformed("some frames have no position, orientation or pixel spacing".to_owned()));
        };
        placed.push((*position, *orientation, *spacing));
    }
    let Some((first, orientation, spacing)) = placed.first().copied() else {
        return Err(malformed("no frame holds one of the structures: nothing is drawn".to_owned()));
    };
    let [row, column, normal] = axes(orientation).map_err(|error| malformed(error.to_string()))?;
    let mut along = Vec::with_capacity(placed.len());
    for (position, own, own_spacing) in &placed {
        let [r, c, _] = axes(*own).map_err(|error| malformed(error.to_string()))?;
        let same = dot(r, row) > 1.0 - 1e-6 && dot(c, column) > 1.0 - 1e-6;
        let near = (0..2).all(|k| (own_spacing[k] - spacing[k]).abs() < 1e-3 * spacing[k].abs());
        if !same || !near {
            return Err(malformed("the frames differ in orientation or pixel spacing: they form no volume".to_owned()));
        }
        let d = [0, 1, 2].map(|k| position[k] - first[k]);
        if dot(d, row).abs() > DRIFT_MM || dot(d, column).abs() > DRIFT_MM {
            return Err(malformed(
                "the frames are shifted against each other (a tilted stack): they form no rectangular volume".to_owned(),
            ));
        }
        along.push(dot(d, normal));
    }
    let planes = stack(&along, thickness(object)).map_err(|why| malformed(format!("the frames form no volume: {why}")))?;
    let size = [facts.columns, facts.rows, planes.count];
    let count = check_size(size)?;
    let mut drawn: Vec<usize> = along.iter().map(|at| planes.plane(*at)).collect();
    let at = drawn.clone();
    drawn.sort_unstable();
    drawn.dedup();
    if count > SMALL && planes.count > SPARSE * drawn.len() {
        return Err(malformed(format!(
            "{} frames claim places on {} planes: the positions are damaged",
            drawn.len(),
            planes.count
        )));
    }
    let origin = [0, 1, 2].map(|k| first[k] + normal[k] * planes.first_mm);
    let direction = [0, 1, 2].map(|k| [row[k], column[k], normal[k]]);
    Ok((Geometry::new(size, [spacing[1], spacing[0], planes.step_mm], origin, direction)?, at))
}

/// The distance of slices that the file states, or else their thickness.
fn thickness(object: &InMemDicomObject) -> Option<f64> {
    let groups = items(object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE)
        .chain(items(object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).take(1));
    let measures: Vec<&InMemDicomObject> = groups.filter_map(|g| items(g, tags::PIXEL_MEASURES_SEQUENCE).next()).collect();
    let of = |tag| measures.iter().find_map(|m| real(m, tag));
    of(tags::SPACING_BETWEEN_SLICES).or_else(|| of(tags::SLICE_THICKNESS)).map(f64::abs)
}

/// The pixels of all frames, packed or not.
struct Pixels<'a> {
    object: &'a DefaultDicomObject,
    /// None where the frames are compressed.
    bytes: Option<Cow<'a, [u8]>>,
    /// Bits a pixel: 1, 8 or 16.
    bits: usize,
    plane: usize,
}

impl<'a> Pixels<'a> {
    fn new(object: &'a DefaultDicomObject, facts: &FileFacts, kind: Kind) -> Result<Self, ContoursError> {
        let damaged = |why: &str| ContoursError::Dicom(why.to_owned());
        let syntax = object.meta().transfer_syntax().trim_end_matches(['\0', ' ']);
        let (bits, plane) = (usize::from(facts.pixels.bits_allocated), facts.rows * facts.columns);
        check_size([facts.columns, facts.rows, 1])?;
        if !matches!(syntax, "1.2.840.10008.1.2" | "1.2.840.10008.1.2.1") {
            if syntax == "1.2.840.10008.1.2.2" || kind == Kind::Binary {
                return Err(damaged(
                    "its pixels are compressed bits or big endian; save it as explicit VR little endian (dcmconv +te, or 3D Slicer)",
                ));
            }
            check_streams(object, facts).map_err(|error| ContoursError::Dicom(error.to_string()))?;
            return Ok(Self { object, bytes: None, bits, plane });
        }
        let element = object.get(tags::PIXEL_DATA).ok_or_else(|| damaged("it holds no pixels"))?;
        let bytes = element.to_bytes().map_err(|_| damaged("its pixels cannot be read"))?;
        let needed = (facts.frames.len() as u64 * plane as u64 * bits as u64).div_ceil(8);
        if (bytes.len() as u64) < needed {
            return Err(ContoursError::Dicom(format!("its pixels are cut off: {} bytes of {needed}", bytes.len())));
        }
        Ok(Self { object, bytes: Some(bytes), bits, plane })
    }

    /// Calls `put` with place and value of each pixel of a frame that is not zero.
    fn each(&self, frame: usize, put: &mut dyn FnMut(usize, u16)) -> Result<(), ContoursError> {
        let decoded;
        let (bytes, first) = match &self.bytes {
            Some(bytes) => (bytes.as_ref(), frame * self.plane),
            None => {
                decoded = self.decode(frame)?;
                (decoded.as_slice(), 0)
            }
        };
        match self.bits {
            1 => {
                // Bits run on from frame to frame, the lowest bit first (PS3.5, 8.1.1 and D.1).
                let mut at = 0;
                while at < self.plane {
                    let bit = first + at;
                    let byte = bytes.get(bit / 8).copied().unwrap_or(0);
                    if byte >> (bit % 8) == 0 {
                        at += 8 - bit % 8;
                        continue;
                    }
                    if byte >> (bit % 8) & 1 == 1 {
                        put(at, 1);
                    }
                    at += 1;
                }
            }
            8 => {
                let pixels = bytes.get(first..first + self.plane).unwrap_or_default();
                pixels.iter().enumerate().filter(|(_, v)| **v != 0).for_each(|(at, v)| put(at, u16::from(*v)));
            }
            _ => {
                let pixels = bytes.get(2 * first..2 * (first + self.plane)).unwrap_or_default().chunks_exact(2);
                let values = pixels.map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
                values.enumerate().filter(|(_, v)| *v != 0).for_each(|(at, v)| put(at, v));
            }
        }
        Ok(())
    }

    /// A compressed frame's pixels. The codecs are not ours: what they fail on is an error of the file.
    fn decode(&self, frame: usize) -> Result<Vec<u8>, ContoursError> {
        let number = u32::try_from(frame).unwrap_or(u32::MAX);
        let decoded =
            foreign(|| self.object.decode_pixel_data_frame(number).ok().map(|d| (d.bits_allocated(), d.data().to_vec())));
        match decoded.flatten() {
            Some((bits, data)) if usize::from(bits) == self.bits && data.len() * 8 >= self.plane * self.bits => Ok(data),
            _ => Err(ContoursError::Dicom(format!("the pixels of frame {} cannot be decoded", frame + 1))),
        }
    }
}
