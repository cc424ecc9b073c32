//! Small DICOM files made for tests.

use std::path::Path;

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

/// Columns and rows of the small images.
pub(crate) const SIZE: [u16; 2] = [6, 5];

/// What differs between the slices of a test.
#[derive(Clone)]
pub(crate) struct Slice {
    pub(crate) number: u32,
    pub(crate) series: &'static str,
    pub(crate) modality: &'static str,
    pub(crate) position: [f64; 3],
    pub(crate) orientation: [f64; 6],
    pub(crate) slope: f64,
    pub(crate) intercept: f64,
    pub(crate) pixels: Vec<u16>,
    pub(crate) implicit: bool,
    /// Further elements, which replace what stands already.
    pub(crate) more: Vec<(Tag, VR, String)>,
}

impl Slice {
    /// A CT slice at `z` whose pixel n is 1024 + 10 n + its number.
    pub(crate) fn at(number: u32, z: f64) -> Self {
        let count = u32::from(SIZE[0]) * u32::from(SIZE[1]);
        Self {
            number,
            series: "1.2.3.4",
            modality: "CT",
            position: [-50.0, -60.0, z],
            orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            slope: 1.0,
            intercept: -1024.0,
            pixels: (0..count).map(|n| (1024 + 10 * n + number) as u16).collect(),
            implicit: false,
            more: Vec::new(),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let text = |values: &[f64]| {
            values.iter().map(|v| format!("{v}")).map(|v| v[..v.len().min(16)].to_owned()).collect::<Vec<_>>().join("\\")
        };
        let mut object = InMemDicomObject::new_empty();
        let mut put = |tag, vr, value: &str| {
            object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
        };
        put(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE);
        put(tags::SOP_INSTANCE_UID, VR::UI, &format!("1.2.3.{}", self.number));
        put(tags::SERIES_INSTANCE_UID, VR::UI, self.series);
        put(tags::MODALITY, VR::CS, self.modality);
        put(tags::INSTANCE_NUMBER, VR::IS, &format!("{}", 1000 - self.number));
        put(tags::IMAGE_POSITION_PATIENT, VR::DS, &text(&self.position));
        put(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, &text(&self.orientation));
        put(tags::PIXEL_SPACING, VR::DS, "0.5\\0.25");
        put(tags::RESCALE_SLOPE, VR::DS, &text(&[self.slope]));
        put(tags::RESCALE_INTERCEPT, VR::DS, &text(&[self.intercept]));
        put(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
        for (tag, vr, value) in &self.more {
            put(*tag, *vr, value);
        }
        for (tag, value) in [
            (tags::ROWS, SIZE[1]),
            (tags::COLUMNS, SIZE[0]),
            (tags::SAMPLES_PER_PIXEL, 1),
            (tags::BITS_ALLOCATED, 16),
            (tags::BITS_STORED, 12),
            (tags::HIGH_BIT, 11),
            (tags::PIXEL_REPRESENTATION, 0),
        ] {
            object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
        }
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(self.pixels.clone().into())));
        let syntax = if self.implicit { uids::IMPLICIT_VR_LITTLE_ENDIAN } else { uids::EXPLICIT_VR_LITTLE_ENDIAN };
        let file = object.with_meta(FileMetaTableBuilder::new().transfer_syntax(syntax)).unwrap();
        let mut bytes = Vec::new();
        file.write_all(&mut bytes).unwrap();
        bytes
    }
}

/// Writes slices into a folder, one file each, without extension.
pub(crate) fn write(folder: &Path, slices: &[Slice]) {
    for (n, slice) in slices.iter().enumerate() {
        std::fs::write(folder.join(format!("image{n}")), slice.bytes()).unwrap();
    }
}
