//! A phantom's CT as a DICOM series, as a scanner would send it (PS3.3 A.3, CT Image IOD).

use std::path::Path;

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use rayon::prelude::*;

use super::random::Random;
use super::write::PhantomError;
use crate::files::write_whole;
use crate::volume3d::Image;

/// Offset of the stored values: raw = HU + 1024.
const INTERCEPT: i32 = -1024;

/// A UID of the form `2.25.<number>` (PS3.5 B.2) at place `n` of a seed's stream.
fn uid(random: &Random, n: u64) -> String {
    format!("2.25.{}", u128::from(random.at(2 * n) | 1 << 63) << 64 | u128::from(random.at(2 * n + 1)))
}

/// Numbers separated by backslashes, each at most 16 characters long (a decimal string).
fn decimals(values: &[f64]) -> String {
    let short = |v: &f64| {
        let text = format!("{v:.4}");
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
        if text == "-0" { "0".to_owned() } else { text }
    };
    values.iter().map(short).collect::<Vec<_>>().join("\\")
}

/// Writes one file per slice, `IM0001.dcm` at the feet, into `dir`: explicit VR little endian, 16 bits signed.
///
/// The image must lie along the axes of LPS, as a phantom's CT does.
pub(super) fn write_series(dir: &Path, image: &Image<i16>, seed: u64, key: u64) -> Result<(), PhantomError> {
    std::fs::create_dir_all(dir).map_err(|source| PhantomError::Io { path: dir.to_owned(), source })?;
    let random = Random::new(seed, 40 ^ key << 8);
    let g = &image.geometry;
    let [nx, ny, nz] = g.size;
    let (rows, columns) = (u16::try_from(ny), u16::try_from(nx));
    let (Ok(rows), Ok(columns)) = (rows, columns) else { return Err(PhantomError::Large(g.size)) };
    (0..nz).into_par_iter().try_for_each(|k| {
        let position = g.patient_from_index([0.0, 0.0, k as f64]);
        let instance = uid(&random, 100 + k as u64);
        let slice = &image.voxels[nx * ny * k..nx * ny * (k + 1)];
        let mut bytes = Vec::with_capacity(slice.len() * 2);
        for v in slice {
            bytes.extend_from_slice(&((i32::from(*v) - INTERCEPT) as i16).to_le_bytes());
        }
        let mut o = InMemDicomObject::new_empty();
        let mut text = |tag, vr, value: &str| {
            o.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
        };
        text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 100");
        text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY\\AXIAL");
        text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE);
        text(tags::SOP_INSTANCE_UID, VR::UI, &instance);
        text(tags::STUDY_DATE, VR::DA, "20260101");
        text(tags::STUDY_TIME, VR::TM, "120000");
        text(tags::ACCESSION_NUMBER, VR::SH, "");
        text(tags::MODALITY, VR::CS, "CT");
        text(tags::MANUFACTURER, VR::LO, "Spinor phantom");
        text(tags::REFERRING_PHYSICIAN_NAME, VR::PN, "");
        text(tags::STUDY_DESCRIPTION, VR::LO, "Lumbar spine phantom");
        text(tags::SERIES_DESCRIPTION, VR::LO, &format!("Synthetic CT, seed {seed}"));
        text(tags::PATIENT_NAME, VR::PN, "PHANTOM");
        text(tags::PATIENT_ID, VR::LO, &format!("PHANTOM-{seed}"));
        text(tags::PATIENT_BIRTH_DATE, VR::DA, "");
        text(tags::PATIENT_SEX, VR::CS, "");
        text(tags::BODY_PART_EXAMINED, VR::CS, "LSPINE");
        text(tags::SLICE_THICKNESS, VR::DS, &decimals(&[g.spacing_mm[2]]));
        text(tags::KVP, VR::DS, "120");
        text(tags::CONVOLUTION_KERNEL, VR::SH, "PHANTOM");
        text(tags::PATIENT_POSITION, VR::CS, "HFS");
        text(tags::STUDY_INSTANCE_UID, VR::UI, &uid(&random, 0));
        text(tags::SERIES_INSTANCE_UID, VR::UI, &uid(&random, 1));
        text(tags::STUDY_ID, VR::SH, "1");
        text(tags::SERIES_NUMBER, VR::IS, "1");
        text(tags::ACQUISITION_NUMBER, VR::IS, "1");
        text(tags::INSTANCE_NUMBER, VR::IS, &(k + 1).to_string());
        text(tags::IMAGE_POSITION_PATIENT, VR::DS, &decimals(&position));
        text(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0");
        text(tags::FRAME_OF_REFERENCE_UID, VR::UI, &uid(&random, 2));
        text(tags::POSITION_REFERENCE_INDICATOR, VR::LO, "");
        text(tags::SLICE_LOCATION, VR::DS, &decimals(&[position[2]]));
        text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
        text(tags::PIXEL_SPACING, VR::DS, &decimals(&[g.spacing_mm[1], g.spacing_mm[0]]));
        text(tags::WINDOW_CENTER, VR::DS, "300");
        text(tags::WINDOW_WIDTH, VR::DS, "1800");
        text(tags::RESCALE_INTERCEPT, VR::DS, &INTERCEPT.to_string());
        text(tags::RESCALE_SLOPE, VR::DS, "1");
        text(tags::RESCALE_TYPE, VR::LO, "HU");
        let numbers = [
            (tags::SAMPLES_PER_PIXEL, 1u16),
            (tags::ROWS, rows),
            (tags::COLUMNS, columns),
            (tags::BITS_ALLOCATED, 16),
            (tags::BITS_STORED, 16),
            (tags::HIGH_BIT, 15),
            (tags::PIXEL_REPRESENTATION, 1),
        ];
        for (tag, n) in numbers {
            o.put(DataElement::new(tag, VR::US, PrimitiveValue::from(n)));
        }
        let words: Vec<u16> = bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
        o.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words.into())));
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
            .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
            .media_storage_sop_instance_uid(instance.as_str());
        let path = dir.join(format!("IM{:04}.dcm", k + 1));
        let file = o.with_meta(meta).map_err(|e| PhantomError::Dicom { path: path.clone(), reason: e.to_string() })?;
        let mut bytes = Vec::new();
        file.write_all(&mut bytes).map_err(|e| PhantomError::Dicom { path: path.clone(), reason: e.to_string() })?;
        write_whole(&path, &bytes).map_err(|source| PhantomError::Io { path, source })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// UIDs are valid (digits, at most 64 characters, no leading zero) and decimal strings fit their 16 bytes.
    #[test]
    fn text_values_are_valid() {
        let random = Random::new(3, 4);
        for n in 0..50 {
            let u = uid(&random, n);
            assert!(u.len() <= 64 && u[5..].chars().all(|c| c.is_ascii_digit()) && !u[5..].starts_with('0'), "{u}");
        }
        assert_eq!(decimals(&[0.6, -12.3456, -0.000_01, 100.0]), "0.6\\-12.3456\\0\\100");
        assert!(decimals(&[-9_999.123_456]).len() <= 16);
    }
}
