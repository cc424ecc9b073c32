//! A series that carries identity in every text attribute of the standard, in nested sequences and in private groups leaves none of it in
//! the case, the report, or anything that is printed.

use std::path::{Path, PathBuf};

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::smallvec::SmallVec;
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, Length, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::InMemDicomObject;

use super::*;
use crate::dicom_pixels::parse;
use crate::report::write_report;

/// Text that is nowhere else, in capitals as code strings are.
const MARK: &str = "ZQXMARKERXQZ";
/// A date, a time, an age, a weight and an identifier that are nowhere else.
const DATE: &str = "19470311";
const TIME: &str = "113355.775";
const AGE: &str = "078Y";
const UID: &str = "1.2.826.0.1.919191.7355";

/// What a volume is made from and cannot be filled with other words.
const NEEDED: [Tag; 24] = [
    tags::SPECIFIC_CHARACTER_SET,
    tags::SOP_CLASS_UID,
    tags::MODALITY,
    tags::IMAGE_TYPE,
    tags::IMAGE_POSITION_PATIENT,
    tags::IMAGE_ORIENTATION_PATIENT,
    tags::PIXEL_SPACING,
    tags::SLICE_THICKNESS,
    tags::RESCALE_SLOPE,
    tags::RESCALE_INTERCEPT,
    tags::RESCALE_TYPE,
    tags::PHOTOMETRIC_INTERPRETATION,
    tags::NUMBER_OF_FRAMES,
    tags::ACQUISITION_NUMBER,
    tags::ECHO_TIME,
    tags::TEMPORAL_POSITION_IDENTIFIER,
    tags::GANTRY_DETECTOR_TILT,
    tags::SOP_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
    tags::ROWS,
    tags::COLUMNS,
    tags::PIXEL_DATA,
    tags::PIXEL_PADDING_VALUE,
    tags::PIXEL_PADDING_RANGE_LIMIT,
];

/// Identity for an attribute of a representation; none for numbers and bytes.
fn identity(vr: VR) -> Option<String> {
    Some(match vr {
        VR::AE | VR::CS | VR::LO | VR::LT | VR::SH | VR::ST | VR::UC | VR::UT | VR::UR => format!("{MARK} {DATE}"),
        VR::PN => format!("{MARK}^JÖRG"),
        VR::DA => DATE.to_owned(),
        VR::DT => format!("{DATE}{TIME}"),
        VR::TM => TIME.to_owned(),
        VR::AS => AGE.to_owned(),
        VR::UI => UID.to_owned(),
        _ => return None,
    })
}

/// Fills one image with identity and returns its bytes and how many attributes were filled.
fn marked(path: &Path, slice: u32) -> (Vec<u8>, usize) {
    let mut object = parse(&std::fs::read(path).unwrap(), false).unwrap();
    let mut filled = 0;
    for group in (0x0008..=0x0054).step_by(2).chain([0x0070, 0x0072, 0x0088, 0x0100, 0x0400, 0x2050, 0x3006, 0x4008, 0x4010]) {
        for element in 0x0001..=0xFFFF_u16 {
            let tag = Tag(group, element);
            let Some(entry) = StandardDataDictionary.by_tag(tag) else { continue };
            let vr = entry.vr().relaxed();
            if let Some(value) = identity(vr).filter(|_| !NEEDED.contains(&tag)) {
                object.put(DataElement::new(tag, vr, PrimitiveValue::from(value.as_str())));
                filled += 1;
            }
        }
    }
    object.put(DataElement::new(tags::SPECIFIC_CHARACTER_SET, VR::CS, PrimitiveValue::from("ISO_IR 192")));
    object.put(DataElement::new(tags::SERIES_INSTANCE_UID, VR::UI, PrimitiveValue::from(UID)));
    object.put(DataElement::new(tags::SOP_INSTANCE_UID, VR::UI, PrimitiveValue::from(format!("{UID}.{}", slice + 1).as_str())));
    object.put(DataElement::new(tags::RESCALE_TYPE, VR::LO, PrimitiveValue::from(MARK)));
    object.put(DataElement::new(
        tags::IMAGE_TYPE,
        VR::CS,
        PrimitiveValue::Strs(vec!["ORIGINAL".to_owned(), "PRIMARY".to_owned(), MARK.to_owned()].into()),
    ));
    let nested = |value: &str| {
        let inner = InMemDicomObject::from_element_iter([
            DataElement::new(tags::PATIENT_ID, VR::LO, PrimitiveValue::from(value)),
            DataElement::new(tags::PATIENT_NAME, VR::PN, PrimitiveValue::from(value)),
        ]);
        DataSetSequence::new(SmallVec::from_vec(vec![inner]), Length::UNDEFINED)
    };
    object.put(DataElement::new(tags::OTHER_PATIENT_I_DS_SEQUENCE, VR::SQ, nested(MARK)));
    object.put(DataElement::new(tags::REQUEST_ATTRIBUTES_SEQUENCE, VR::SQ, nested(MARK)));
    for group in [0x0009_u16, 0x0011, 0x0019, 0x0021, 0x0029, 0x00E1, 0x7FDF] {
        object.put(DataElement::new(Tag(group, 0x0010), VR::LO, PrimitiveValue::from(format!("{MARK} PRIVATE").as_str())));
        object.put(DataElement::new(Tag(group, 0x1001), VR::LT, PrimitiveValue::from(format!("{MARK} {DATE}").as_str())));
        object.put(DataElement::new(Tag(group, 0x1002), VR::UN, PrimitiveValue::U8(MARK.as_bytes().to_vec().into())));
        object.put(DataElement::new(Tag(group, 0x1003), VR::SQ, nested(MARK)));
        filled += 3;
    }
    let mut bytes = Vec::new();
    object.write_all(&mut bytes).unwrap();
    (bytes, filled)
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { out.extend(files_below(&path)) } else { out.push(path) }
    }
    out
}

/// A page without the pictures that it embeds: in so much base64 any four letters stand by chance.
fn without_pictures(page: &[u8]) -> Vec<u8> {
    const START: &[u8] = b";base64,";
    let (mut out, mut rest) = (Vec::new(), page);
    while let Some(at) = rest.windows(START.len()).position(|w| w == START) {
        let (before, picture) = rest.split_at(at + START.len());
        out.extend_from_slice(before);
        let length = picture.iter().take_while(|b| b.is_ascii_alphanumeric() || b"+/=".contains(b)).count();
        rest = picture.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// Asserts that no mark of identity stands in some bytes, whatever the case of its letters.
fn clean(what: &str, bytes: &[u8]) {
    let upper = without_pictures(bytes).to_ascii_uppercase();
    for mark in [MARK, DATE, "113355", AGE, "919191.7355", "JÖRG"] {
        assert!(!upper.windows(mark.len()).any(|w| w == mark.as_bytes()), "{what} holds {mark}");
    }
}

#[test]
fn no_identity_of_a_series_is_kept() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/contours");
    let dir = tempfile::tempdir().unwrap();
    let ct = dir.path().join("ct");
    std::fs::create_dir(&ct).unwrap();
    for slice in 0..16 {
        let (bytes, filled) = marked(&fixtures.join(format!("ct/{slice:02}.dcm")), slice);
        assert!(filled > 1_000, "{filled} attributes");
        // The test would prove nothing if the marks were not in the files.
        assert!(bytes.windows(MARK.len()).filter(|w| *w == MARK.as_bytes()).count() > 500);
        std::fs::write(ct.join(format!("{slice}.dcm")), bytes).unwrap();
    }
    let options = PrepareOptions {
        ct: Some(ct.clone()),
        labels: Some((fixtures.join("labels.nii.gz"), Scheme::TotalSpineSeg)),
        ..PrepareOptions::default()
    };
    let mut printed = String::new();
    let made = prepare(&options, &mut |stage, _| printed.push_str(stage.words())).unwrap();
    clean("the case file", &made.bytes);
    clean("the case's own words", &serde_json::to_vec(&made.case.meta).unwrap());
    // The other sections are packed; they hold numbers only, and their types have no place for a text.
    let summary = CaseSummary::of(&made.case, made.hash);
    let lines = [printed, summary.to_string(), made.json("case.spinor").to_string(), serde_json::to_string(&summary).unwrap()];
    lines.iter().for_each(|line| clean("what is printed", line.as_bytes()));

    let report = dir.path().join("report");
    write_report(&report, &made.case, made.ct.as_ref(), made.mr.as_ref(), &made.hash.to_string()).unwrap();
    let files = files_below(&report);
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        clean(&file.display().to_string(), &std::fs::read(&file).unwrap());
    }

    // Errors do not tell either: a gap, another modality, and contours of another frame.
    std::fs::remove_file(ct.join("7.dcm")).unwrap();
    let gap = prepare(&options, &mut |_, _| {}).unwrap_err();
    assert!(gap.to_string().contains("slices are missing"), "{gap}");
    clean("an error", gap.to_string().replace(UID, "").as_bytes());
    let contours = vec![fixtures.join("rtstruct.dcm")];
    let (bytes, _) = marked(&fixtures.join("ct/07.dcm"), 7);
    std::fs::write(ct.join("7.dcm"), bytes).unwrap();
    let other = prepare(&PrepareOptions { contours, ..options }, &mut |_, _| {}).unwrap_err();
    assert!(other.to_string().contains("another frame of reference"), "{other}");
    clean("an error", other.to_string().as_bytes());
}
