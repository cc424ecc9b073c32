//! A case's structures as DICOM SEG on the grid of the series it came from, under that series' patient and study (PS3.3, A.51 and C.8.20).
//!
//! The case does not know whose it is: identity is read from the source series and goes into the SEG only.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use dicom_core::smallvec::SmallVec;
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, Length, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use spinor_shared::case::{Case, ImageBricks};
use spinor_volume::cut::CutState;
use spinor_volume::{Source, Structure};

use super::{ExportError, labels::labels_on_geometry, shown_name};
use crate::contours::code_of_label;
use crate::dicom_pixels::read_header;
use crate::ingest::{Modality, Request, scan};
use crate::volume3d::Image;

/// Most frames, which are one per structure and slice.
const MAX_FRAMES: usize = 65_535;
/// Voxels of the case's CT that are compared with the series, along each axis.
const COMPARED: u32 = 24;

/// What the SEG takes over from the source as it stands: patient, study and frame of reference.
const IDENTITY: [Tag; 15] = [
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID,
    tags::PATIENT_BIRTH_DATE,
    tags::PATIENT_SEX,
    tags::PATIENT_AGE,
    tags::STUDY_INSTANCE_UID,
    tags::STUDY_DATE,
    tags::STUDY_TIME,
    tags::STUDY_ID,
    tags::STUDY_DESCRIPTION,
    tags::ACCESSION_NUMBER,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::FRAME_OF_REFERENCE_UID,
    tags::POSITION_REFERENCE_INDICATOR,
];
/// Of those, what a SEG must have even when it is empty.
const REQUIRED: [(Tag, VR); 10] = [
    (tags::PATIENT_NAME, VR::PN),
    (tags::PATIENT_ID, VR::LO),
    (tags::PATIENT_BIRTH_DATE, VR::DA),
    (tags::PATIENT_SEX, VR::CS),
    (tags::STUDY_DATE, VR::DA),
    (tags::STUDY_TIME, VR::TM),
    (tags::STUDY_ID, VR::SH),
    (tags::ACCESSION_NUMBER, VR::SH),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
    (tags::POSITION_REFERENCE_INDICATOR, VR::LO),
];

/// The image a frame was drawn on: SOP instance, and frame of a multi-frame image.
struct Origin {
    instance: String,
    frame: Option<u32>,
}

/// The series a SEG belongs to.
struct Series {
    ct: Image<i16>,
    header: InMemDicomObject,
    class: String,
    uid: String,
    /// One per slice; none where slices were resampled (a tilted gantry).
    origins: Vec<Option<Origin>>,
}

/// Writes what `cut` left of a case as a binary DICOM SEG on the grid of the CT series in `source`.
///
/// # Errors
/// When the source makes no CT volume, is not the CT of this case, or the file cannot be written.
pub(super) fn export_dicom_seg(
    case: &Case,
    cut: Option<&CutState>,
    source: &Path,
    series: Option<&str>,
    out: &Path,
) -> Result<PathBuf, ExportError> {
    let found = read_series(source, series)?;
    check_same(case.ct.as_ref().ok_or(ExportError::NoCt)?, &found.ct)?;
    let labels = labels_on_geometry(&case.patient, cut, found.ct.geometry);
    let object = encode(case.patient.structures(), &labels, &found)?;
    let written = |why: String| ExportError::Dicom(why);
    let instance =
        object.get(tags::SOP_INSTANCE_UID).and_then(|e| e.to_str().ok()).map(|uid| uid.into_owned()).unwrap_or_default();
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
        .media_storage_sop_class_uid(uids::SEGMENTATION_STORAGE)
        .media_storage_sop_instance_uid(&instance);
    let file = object.with_meta(meta).map_err(|e| written(e.to_string()))?;
    let mut bytes = Vec::new();
    file.write_all(&mut bytes).map_err(|e| written(e.to_string()))?;
    super::write(out, &bytes)
}

fn read_series(source: &Path, series: Option<&str>) -> Result<Series, ExportError> {
    let scan = scan(source).map_err(ExportError::Source)?;
    let request = Request { modality: Some(Modality::Ct), series: series.map(str::to_owned) };
    let chosen = scan.choose(&request).map_err(ExportError::Source)?.clone();
    let ct = scan.load(&chosen).map_err(ExportError::Source)?.volume.into_ct();
    let ct = ct.ok_or_else(|| ExportError::Dicom("the source series is no CT".to_owned()))?;
    let planes = scan.planes(&chosen);
    let mut origins: Vec<Option<Origin>> = (0..ct.geometry.size[2]).map(|_| None).collect();
    for (_, facts, frame) in &planes {
        let Some(at) = frame.position_mm.map(|p| ct.geometry.index_from_patient(p)) else { continue };
        // A slice that was moved within its plane shows other pixels than the image it came from.
        let own = at[0].abs() < 0.01 && at[1].abs() < 0.01 && (at[2] - at[2].round()).abs() < 0.1;
        if let Some(place) = origins.get_mut(at[2].round().max(0.0) as usize).filter(|_| own) {
            let frame = (facts.frames.len() > 1).then_some(frame.index + 1);
            *place = Some(Origin { instance: facts.instance.clone(), frame });
        }
    }
    let (path, facts, _) = planes.first().ok_or_else(|| ExportError::Dicom("the source series is empty".to_owned()))?;
    let header = read_header(path).map_err(|e| ExportError::Dicom(e.to_string()))?;
    let class = header.get(tags::SOP_CLASS_UID).and_then(|e| e.to_str().ok()).map(|uid| uid.trim_end_matches('\0').to_owned());
    let (class, uid) = (class.unwrap_or_else(|| uids::CT_IMAGE_STORAGE.to_owned()), facts.series.clone());
    Ok(Series { ct, header: header.into_inner(), class, uid, origins })
}

/// Whether the series is the CT in the case: the same values at the same places.
fn check_same(own: &ImageBricks, ct: &Image<i16>) -> Result<(), ExportError> {
    let geometry = own.geometry();
    let (mut count, mut other) = (0_u32, 0_u32);
    let step = geometry.size.map(|n| n.div_ceil(COMPARED).max(1));
    for k in (0..geometry.size[2]).step_by(step[2] as usize) {
        for j in (0..geometry.size[1]).step_by(step[1] as usize) {
            for i in (0..geometry.size[0]).step_by(step[0] as usize) {
                let at_mm = geometry.patient_from_index([i, j, k].map(f64::from));
                let same = own.sample_hu(at_mm).zip(ct.nearest(at_mm)).is_some_and(|(a, b)| (a - f32::from(b)).abs() < 0.51);
                count += 1;
                other += u32::from(!same);
            }
        }
    }
    // Values are compared after both were rounded; a scan of the same patient on another day differs nearly everywhere.
    if count == 0 || f64::from(other) > 0.02 * f64::from(count) {
        return Err(ExportError::OtherSeries { percent: 100.0 * f64::from(other) / f64::from(count.max(1)) });
    }
    Ok(())
}

fn text(tag: Tag, vr: VR, value: &str) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, vr, PrimitiveValue::from(value))
}

fn number(tag: Tag, value: u16) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::US, PrimitiveValue::from(value))
}

fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::SQ, DataSetSequence::new(SmallVec::from_vec(items), Length::UNDEFINED))
}

fn item<const N: usize>(elements: [DataElement<InMemDicomObject>; N]) -> InMemDicomObject {
    InMemDicomObject::from_element_iter(elements)
}

fn one<const N: usize>(tag: Tag, elements: [DataElement<InMemDicomObject>; N]) -> DataElement<InMemDicomObject> {
    sequence(tag, vec![item(elements)])
}

/// Numbers as a decimal string has room for: 16 characters each.
fn decimals(tag: Tag, values: &[f64]) -> DataElement<InMemDicomObject> {
    let digits = |value: f64| {
        (0..=12).rev().map(|n| format!("{value:.n$}")).find(|text| text.len() <= 16).unwrap_or_else(|| format!("{value:.8e}"))
    };
    let strings: Vec<String> = values.iter().map(|v| digits(if *v == 0.0 { 0.0 } else { *v })).collect();
    DataElement::new(tag, VR::DS, PrimitiveValue::Strs(strings.into()))
}

fn code(tag: Tag, scheme: &str, value: &str, meaning: &str) -> DataElement<InMemDicomObject> {
    let meaning: String = meaning.chars().take(64).collect();
    one(
        tag,
        [
            text(tags::CODE_VALUE, VR::SH, value),
            text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme),
            text(tags::CODE_MEANING, VR::LO, &meaning),
        ],
    )
}

/// An identifier of 128 bits of a hash (PS3.5, B.2: 2.25 and a number).
fn uid(parts: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let number = hasher.finalize().as_bytes()[..16].iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
    format!("2.25.{number}")
}

/// Date and time, UTC, as DICOM writes them.
fn now() -> (String, String) {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    date_and_time(seconds)
}

/// Gregorian date of seconds since 1970 (days in eras of 400 years that begin in March).
fn date_and_time(seconds: u64) -> (String, String) {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (of_month, month) = (of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    (format!("{year:04}{month:02}{of_month:02}"), format!("{:02}{:02}{:02}", rest / 3_600, rest / 60 % 60, rest % 60))
}

/// Segment number and slice of each frame, and the bits of all.
type Frames = (Vec<(u16, usize)>, Vec<u8>);

/// Frames of all structures that have voxels: segment number and slice, and their bits, one after the other, the lowest first.
fn frames(present: &[&Structure], labels: &Image<u16>) -> Result<Frames, ExportError> {
    let plane = labels.geometry.size[0] * labels.geometry.size[1];
    let mut frames = Vec::new();
    for (n, structure) in present.iter().enumerate() {
        let slices = labels.voxels.chunks_exact(plane).enumerate();
        frames.extend(slices.filter(|(_, v)| v.contains(&structure.label.0)).map(|(k, _)| (n as u16 + 1, k)));
    }
    if frames.len() > MAX_FRAMES {
        return Err(ExportError::TooLarge(format!("a segmentation of {} frames", frames.len())));
    }
    // Pixel data have an even length.
    let mut bits = vec![0_u8; (frames.len() * plane).div_ceil(16) * 2];
    for (frame, (segment, k)) in frames.iter().enumerate() {
        let Some(structure) = present.get(usize::from(*segment) - 1) else { continue };
        let slice = &labels.voxels[k * plane..(k + 1) * plane];
        for (at, _) in slice.iter().enumerate().filter(|(_, v)| **v == structure.label.0) {
            let bit = frame * plane + at;
            bits[bit / 8] |= 1 << (bit % 8);
        }
    }
    Ok((frames, bits))
}

fn encode(structures: &[Structure], labels: &Image<u16>, series: &Series) -> Result<InMemDicomObject, ExportError> {
    let mut here = vec![false; usize::from(u16::MAX) + 1];
    labels.voxels.iter().for_each(|n| here[usize::from(*n)] = true);
    let present: Vec<&Structure> = structures.iter().filter(|s| here[usize::from(s.label.0)]).collect();
    if present.is_empty() {
        return Err(ExportError::Dicom("none of the structures has a voxel on the series' grid".to_owned()));
    }
    let (frames, bits) = frames(&present, labels)?;
    let geometry = &labels.geometry;
    let (date, time) = now();
    let series_uid = uid(&[b"series", series.uid.as_bytes(), &bits]);
    let dimension = uid(&[b"dimensions", series.uid.as_bytes(), &bits]);

    let mut object = InMemDicomObject::new_empty();
    for (tag, vr) in REQUIRED {
        object.put(DataElement::new(tag, vr, PrimitiveValue::Empty));
    }
    for tag in IDENTITY {
        if let Some(element) = series.header.get(tag) {
            object.put(element.clone());
        }
    }
    for element in [
        text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
        text(tags::SOP_CLASS_UID, VR::UI, uids::SEGMENTATION_STORAGE),
        text(tags::SOP_INSTANCE_UID, VR::UI, &uid(&[b"instance", series.uid.as_bytes(), &bits])),
        text(tags::SERIES_INSTANCE_UID, VR::UI, &series_uid),
        text(tags::SERIES_NUMBER, VR::IS, "300"),
        text(tags::SERIES_DESCRIPTION, VR::LO, "Spinor structures"),
        text(tags::SERIES_DATE, VR::DA, &date),
        text(tags::SERIES_TIME, VR::TM, &time),
        text(tags::INSTANCE_NUMBER, VR::IS, "1"),
        text(tags::MODALITY, VR::CS, "SEG"),
        DataElement::new(tags::IMAGE_TYPE, VR::CS, PrimitiveValue::Strs(vec!["DERIVED".to_owned(), "PRIMARY".to_owned()].into())),
        text(tags::CONTENT_DATE, VR::DA, &date),
        text(tags::CONTENT_TIME, VR::TM, &time),
        text(tags::CONTENT_LABEL, VR::CS, "SPINOR"),
        text(tags::CONTENT_DESCRIPTION, VR::LO, "For education and rehearsal; not a medical device"),
        DataElement::new(tags::CONTENT_CREATOR_NAME, VR::PN, PrimitiveValue::Empty),
        text(tags::MANUFACTURER, VR::LO, "Spinor"),
        text(tags::MANUFACTURER_MODEL_NAME, VR::LO, "Spinor"),
        text(tags::DEVICE_SERIAL_NUMBER, VR::LO, "0"),
        text(tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION")),
        text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00"),
        text(tags::SEGMENTATION_TYPE, VR::CS, "BINARY"),
        text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        text(tags::NUMBER_OF_FRAMES, VR::IS, &frames.len().to_string()),
        number(tags::SAMPLES_PER_PIXEL, 1),
        number(tags::ROWS, geometry.size[1] as u16),
        number(tags::COLUMNS, geometry.size[0] as u16),
        number(tags::BITS_ALLOCATED, 1),
        number(tags::BITS_STORED, 1),
        number(tags::HIGH_BIT, 0),
        number(tags::PIXEL_REPRESENTATION, 0),
        one(tags::DIMENSION_ORGANIZATION_SEQUENCE, [text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, &dimension)]),
        sequence(
            tags::DIMENSION_INDEX_SEQUENCE,
            vec![
                index(&dimension, tags::REFERENCED_SEGMENT_NUMBER, tags::SEGMENT_IDENTIFICATION_SEQUENCE, "Segment"),
                index(&dimension, tags::IMAGE_POSITION_PATIENT, tags::PLANE_POSITION_SEQUENCE, "Position"),
            ],
        ),
        sequence(tags::SEGMENT_SEQUENCE, present.iter().enumerate().map(|(n, s)| segment(n as u16 + 1, s)).collect()),
        one(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, shared(geometry)),
        sequence(
            tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
            frames.iter().map(|(segment, k)| frame(*segment, *k, geometry, series)).collect(),
        ),
        DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(bits.into())),
    ] {
        object.put(element);
    }
    let used: std::collections::BTreeSet<usize> = frames.iter().map(|(_, k)| *k).collect();
    let mut instances: Vec<&str> =
        used.iter().filter_map(|k| series.origins.get(*k)?.as_ref()).map(|o| o.instance.as_str()).collect();
    instances.dedup();
    if !instances.is_empty() {
        let reference = |instance: &&str| {
            item([
                text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, &series.class),
                text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, instance),
            ])
        };
        object.put(one(
            tags::REFERENCED_SERIES_SEQUENCE,
            [
                text(tags::SERIES_INSTANCE_UID, VR::UI, &series.uid),
                sequence(tags::REFERENCED_INSTANCE_SEQUENCE, instances.iter().map(reference).collect()),
            ],
        ));
    }
    Ok(object)
}

fn index(organization: &str, pointer: Tag, group: Tag, label: &str) -> InMemDicomObject {
    item([
        text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, organization),
        DataElement::new(tags::DIMENSION_INDEX_POINTER, VR::AT, PrimitiveValue::from(pointer)),
        DataElement::new(tags::FUNCTIONAL_GROUP_POINTER, VR::AT, PrimitiveValue::from(group)),
        text(tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, label),
    ])
}

/// A segment, with its code where its structure has one, and how it was made.
fn segment(n: u16, structure: &Structure) -> InMemDicomObject {
    let Structure { label, source, .. } = structure;
    let (value, meaning) = code_of_label(*label).unwrap_or(("91723000", "Anatomical structure"));
    let (algorithm, words) = match source {
        Source::Contoured => ("MANUAL", "drawn by hand"),
        Source::Labelled => ("SEMIAUTOMATIC", "from a label map"),
        Source::Segmented => ("AUTOMATIC", "segmented by a model"),
        Source::Proposed => ("AUTOMATIC", "Proposed from the anatomy around, seen in no image: no segmentation"),
        Source::Phantom => ("AUTOMATIC", "a phantom's own definition"),
    };
    let mut made = item([
        number(tags::SEGMENT_NUMBER, n),
        text(tags::SEGMENT_LABEL, VR::LO, &shown_name(*label, *source)),
        text(tags::SEGMENT_DESCRIPTION, VR::ST, words),
        text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, algorithm),
        code(tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, "SCT", "123037004", "Anatomical Structure"),
        code(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, "SCT", value, meaning),
    ]);
    if algorithm != "MANUAL" {
        // A proposal is no segmentation; the type knows no word for it.
        let name = if *source == Source::Proposed { "Spinor, proposed from the anatomy around" } else { "Spinor" };
        made.put(text(tags::SEGMENT_ALGORITHM_NAME, VR::LO, name));
    }
    made
}

fn shared(geometry: &crate::volume3d::Geometry) -> [DataElement<InMemDicomObject>; 2] {
    let [column_step, row_step, slice_step] = geometry.spacing_mm;
    let (row, column) = (geometry.axis(0), geometry.axis(1));
    [
        one(
            tags::PIXEL_MEASURES_SEQUENCE,
            [
                decimals(tags::PIXEL_SPACING, &[row_step, column_step]),
                decimals(tags::SLICE_THICKNESS, &[slice_step]),
                decimals(tags::SPACING_BETWEEN_SLICES, &[slice_step]),
            ],
        ),
        one(
            tags::PLANE_ORIENTATION_SEQUENCE,
            [decimals(tags::IMAGE_ORIENTATION_PATIENT, &[row[0], row[1], row[2], column[0], column[1], column[2]])],
        ),
    ]
}

fn frame(segment: u16, k: usize, geometry: &crate::volume3d::Geometry, series: &Series) -> InMemDicomObject {
    let position = geometry.patient_from_index([0.0, 0.0, k as f64]);
    let mut made = item([
        one(
            tags::FRAME_CONTENT_SEQUENCE,
            [DataElement::new(
                tags::DIMENSION_INDEX_VALUES,
                VR::UL,
                PrimitiveValue::U32(vec![u32::from(segment), k as u32 + 1].into()),
            )],
        ),
        one(tags::PLANE_POSITION_SEQUENCE, [decimals(tags::IMAGE_POSITION_PATIENT, &position)]),
        one(tags::SEGMENT_IDENTIFICATION_SEQUENCE, [number(tags::REFERENCED_SEGMENT_NUMBER, segment)]),
    ]);
    if let Some(origin) = series.origins.get(k).and_then(Option::as_ref) {
        let mut source = item([
            text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, &series.class),
            text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, &origin.instance),
            code(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, "DCM", "121322", "Source image for image processing operation"),
        ]);
        if let Some(frame) = origin.frame {
            source.put(text(tags::REFERENCED_FRAME_NUMBER, VR::IS, &frame.to_string()));
        }
        made.put(one(
            tags::DERIVATION_IMAGE_SEQUENCE,
            [
                code(tags::DERIVATION_CODE_SEQUENCE, "DCM", "113076", "Segmentation"),
                sequence(tags::SOURCE_IMAGE_SEQUENCE, vec![source]),
            ],
        ));
    }
    made
}

#[cfg(test)]
mod tests {
    //! What is written is read back, under the source's identity; another scan is refused.

    use super::*;
    use crate::contours::{ContourOptions, Target, read_contours};
    use crate::dicom_pixels::parse;
    use crate::export::{Format, export};
    use crate::pipeline::{PrepareOptions, Prepared, prepare};
    use crate::schemes::Scheme;
    use spinor_volume::Label;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/contours").join(name)
    }

    /// Without proposals: sheets and roots a voxel or two thick lose more than the rest when they are rounded to voxels twice.
    fn prepared(labels: Option<PathBuf>, contours: Vec<PathBuf>) -> Prepared {
        let registry = Some(PathBuf::from("no such folder"));
        let labels = labels.map(|path| (path, Scheme::TotalSpineSeg));
        let options = PrepareOptions {
            ct: Some(fixture("ct")),
            labels,
            contours,
            registry,
            no_proposals: true,
            ..PrepareOptions::default()
        };
        prepare(&options, &mut |_, _| {}).unwrap()
    }

    /// Case to SEG to contours to case: the SEG has the voxels of the case on the CT's grid, and the second case the same surfaces but for
    /// a second rounding to voxels.
    #[test]
    fn a_case_goes_round() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("seg.dcm");
        let made = prepared(Some(fixture("labels.nii.gz")), Vec::new());
        let format = Format::DicomSeg { source: fixture("ct"), series: None };
        assert_eq!(export(&made.case, None, &format, &out).unwrap(), std::slice::from_ref(&out));

        let geometry = made.ct.unwrap().geometry;
        let frame = crate::ingest::ingest(&fixture("ct"), &Request::default()).unwrap().frame_of_reference.unwrap();
        let target = Target { geometry: &geometry, frame: Some(&frame) };
        let read = read_contours(&out, target, &ContourOptions::default()).unwrap();
        assert!(read.warnings.is_empty(), "{:?}", read.warnings);
        let expected = labels_on_geometry(&made.case.patient, None, geometry);
        let mut drawn = 0;
        for (at, number) in expected.voxels.iter().enumerate() {
            let at_mm = geometry.patient_from_index(geometry.index_of(at).map(|v| v as f64));
            assert_eq!(read.labels.nearest(at_mm).unwrap_or(0), *number, "{at_mm:?}");
            drawn += usize::from(*number != 0);
        }
        assert!(drawn > 3_000, "{drawn}");

        let again = prepared(None, vec![out.clone()]);
        for structure in made.case.patient.structures() {
            let other = again.case.patient.structure(structure.label).unwrap();
            assert_eq!(other.source, Source::Contoured);
            let ratio = other.volume_mm3 / structure.volume_mm3;
            assert!((ratio - 1.0).abs() < 0.06, "{}: {ratio}", structure.label);
        }

        // The patient and the study are the source's.
        let object = parse(&std::fs::read(&out).unwrap(), false).unwrap();
        let source = parse(&std::fs::read(fixture("ct/00.dcm")).unwrap(), true).unwrap();
        for tag in [tags::PATIENT_NAME, tags::PATIENT_ID, tags::STUDY_INSTANCE_UID, tags::FRAME_OF_REFERENCE_UID] {
            assert_eq!(object.get(tag).unwrap().to_str().unwrap(), source.get(tag).unwrap().to_str().unwrap());
        }
        if let Some(kept) = std::env::var_os("SPINOR_KEEP_SEG") {
            std::fs::copy(&out, kept).unwrap();
        }
    }

    /// A series that is not the case's CT is refused: its patient would get another's structures.
    #[test]
    fn another_series_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let made = prepared(Some(fixture("labels.nii.gz")), Vec::new());
        let other = dir.path().join("other");
        std::fs::create_dir(&other).unwrap();
        for n in 0..16 {
            let mut bytes = std::fs::read(fixture(&format!("ct/{n:02}.dcm"))).unwrap();
            // Another scan: every pixel 3 HU off, none of them overflowing.
            let first = bytes.len() - 48 * 44 * 2;
            bytes[first..].chunks_exact_mut(2).for_each(|p| p[0] = p[0].wrapping_add(3));
            std::fs::write(other.join(format!("{n:02}.dcm")), bytes).unwrap();
        }
        let format = Format::DicomSeg { source: other, series: None };
        let error = export(&made.case, None, &format, &dir.path().join("seg.dcm")).unwrap_err();
        assert!(matches!(error, ExportError::OtherSeries { percent } if percent > 90.0), "{error}");
        assert!(!dir.path().join("seg.dcm").exists());
        let format = Format::DicomSeg { source: dir.path().join("none"), series: None };
        assert!(matches!(export(&made.case, None, &format, &dir.path().join("x")), Err(ExportError::Source(_))));
    }

    /// A segment that nobody saw says so in its label, its description and its algorithm's name; one that was seen does not. Its label is
    /// understood when it comes back.
    #[test]
    fn proposed_segments_say_so() {
        let grid = spinor_volume::Grid::new([0.0; 3], 1.0, [1, 1, 1]).unwrap();
        let label = Label::root(5, true);
        for (source, proposed) in [(Source::Proposed, true), (Source::Segmented, false)] {
            let sdf = spinor_volume::SparseField::outside(&grid);
            let structure = Structure { label, class: label.class().unwrap(), source, uncertainty_mm: 2.0, volume_mm3: 1.0, sdf };
            let item = segment(1, &structure);
            let read = |tag: Tag| item.get(tag).unwrap().to_str().unwrap().trim().to_owned();
            assert_eq!(read(tags::SEGMENT_LABEL) == "nerve_root_L5_left (proposed)", proposed);
            assert_eq!(read(tags::SEGMENT_DESCRIPTION).contains("seen in no image"), proposed);
            assert_eq!(read(tags::SEGMENT_ALGORITHM_NAME).contains("proposed"), proposed);
            assert_eq!(read(tags::SEGMENT_ALGORITHM_TYPE), "AUTOMATIC");
            assert_eq!(crate::contours::structure_of_name(&read(tags::SEGMENT_LABEL)), Some(label));
            assert!(read(tags::SEGMENT_LABEL).len() <= 64);
        }
    }

    #[test]
    fn dates_are_gregorian() {
        assert_eq!(date_and_time(0), ("19700101".to_owned(), "000000".to_owned()));
        assert_eq!(date_and_time(951_827_696), ("20000229".to_owned(), "123456".to_owned()));
        assert_eq!(date_and_time(4_107_542_399), ("21000228".to_owned(), "235959".to_owned()));
        assert_eq!(date_and_time(4_107_542_400).0, "21000301");
    }

    #[test]
    fn identifiers_and_numbers_fit_their_fields() {
        let made = uid(&[b"a", b"b"]);
        assert!(made.len() <= 64 && made != uid(&[b"ab", b""]) && !made[5..].starts_with('0'));
        let element = decimals(tags::IMAGE_POSITION_PATIENT, &[-123.456_789_012_345, 1e-9, -0.0]);
        let values = element.to_multi_float64().unwrap();
        assert!((values[0] + 123.456_789).abs() < 1e-6 && values[1].abs() < 1e-8);
        assert!(element.to_multi_str().unwrap().iter().all(|v| v.trim().len() <= 16));
        assert_eq!(Label::DURAL_SAC.name(), "dural_sac");
    }
}
