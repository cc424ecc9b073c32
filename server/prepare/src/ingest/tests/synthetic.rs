//! What real series do not show: per-slice rescale, doubles, several series, tilt against a known field, identity.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::super::*;
use super::writer::{SIZE, Slice, write};

fn ingested(slices: &[Slice], request: &Request) -> Result<Ingested, IngestError> {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), slices);
    std::fs::write(folder.path().join("notes.txt"), "not an image").unwrap();
    ingest(folder.path(), request)
}

fn ct(slices: &[Slice]) -> Result<Image<i16>, IngestError> {
    ingested(slices, &Request::default()).map(|found| found.volume.into_ct().unwrap())
}

fn stack(n: u32) -> Vec<Slice> {
    (0..n).map(|k| Slice::at(k, 2.0 * f64::from(k))).collect()
}

#[test]
fn slices_in_any_order_become_hu_in_place() {
    let mut slices = stack(4);
    slices.swap(0, 2);
    slices[1].implicit = true;
    let image = ct(&slices).unwrap();
    assert_eq!(image.geometry.size, [6, 5, 4]);
    assert_eq!(image.geometry.spacing_mm, [0.25, 0.5, 2.0]);
    assert_eq!(image.geometry.origin_mm, [-50.0, -60.0, 0.0]);
    for k in 0..4 {
        assert_eq!(image.at([2, 1, k]), Some((10 * 8 + k) as i16));
    }
}

#[test]
fn slope_and_intercept_of_each_slice_are_its_own() {
    let mut slices = stack(3);
    slices[1].slope = 2.0;
    slices[2].intercept = -1000.0;
    let image = ct(&slices).unwrap();
    assert_eq!([0, 1, 2].map(|k| image.at([0, 0, k]).unwrap()), [0, 1025 * 2 - 1024, 26]);
}

/// A character set that the parser does not know is said, and the words that stand in its place are not; those it knows are nothing to say.
#[test]
fn unknown_characters_are_told_without_their_words() {
    for (set, told) in
        [("ZQX^MARKER", true), ("ISO_IR 999", true), ("ISO_IR 100", false), ("ISO 2022 IR 13", false), ("GB18030", false)]
    {
        let mut slices = stack(4);
        slices.iter_mut().for_each(|slice| slice.more.push((tags::SPECIFIC_CHARACTER_SET, VR::CS, set.to_owned())));
        let warnings = ingested(&slices, &Request::default()).unwrap().warnings.join(" ");
        assert_eq!(warnings.contains("4 images name a character set that is not known"), told, "{set}: {warnings}");
        assert!(!warnings.contains(set), "{warnings}");
    }
}

/// Looking at a file, or reading an image of it, takes the memory of its header and its pixels, however long it is.
#[test]
fn a_long_file_is_not_read_whole() {
    use std::io::{Seek, SeekFrom, Write};
    let folder = tempfile::tempdir().unwrap();
    let (path, slice) = (folder.path().join("long"), Slice::at(0, 0.0).bytes());
    let pixels = SIZE.iter().map(|n| usize::from(*n)).product::<usize>() * 2;
    let (header, pixels) = slice.split_at(slice.len() - pixels);
    let mut file = std::fs::File::create(&path).unwrap();
    // The pixel data's length is the last thing in the header; the rest of the file is a hole.
    let claimed: u32 = 1_900_000_000;
    file.write_all(&header[..header.len() - 4]).unwrap();
    file.write_all(&claimed.to_le_bytes()).unwrap();
    file.write_all(pixels).unwrap();
    file.seek(SeekFrom::Start(header.len() as u64 + u64::from(claimed) - 1)).unwrap();
    file.write_all(&[0]).unwrap();
    let found = find(&path).unwrap();
    assert_eq!((found.files.len(), found.problems.len()), (1, 0));
    let facts = &found.files[0].1;
    let refused = crate::dicom_scan::read_image(&path, facts).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::FileTooLarge);
    // A header that goes on for longer than any is refused by its length.
    file.seek(SeekFrom::Start(header.len() as u64 - 12)).unwrap();
    file.write_all(&[0x60, 0x00]).unwrap();
    let found = find(&path).unwrap();
    assert!(found.files.is_empty() && found.problems[0].why.contains("more than any image's"), "{:?}", found.problems);
}

#[test]
fn padding_becomes_air() {
    let mut slices = stack(3);
    slices[0].pixels[3] = 77;
    slices[0].more.push((tags::PIXEL_PADDING_VALUE, VR::IS, "77".to_owned()));
    let image = ct(&slices).unwrap();
    assert_eq!(image.at([3, 0, 0]), Some(-1024));
    assert_eq!(image.at([4, 0, 0]), Some(40));
}

#[test]
fn equal_doubles_are_dropped_and_different_ones_refused() {
    let mut slices = stack(4);
    let mut double = slices[2].clone();
    double.more.push((tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.99".to_owned()));
    slices.push(double);
    let found = ingested(&slices, &Request::default()).unwrap();
    assert!(found.warnings.iter().any(|w| w.contains("stand twice")), "{:?}", found.warnings);
    slices[4].pixels[0] += 1;
    let error = ingested(&slices, &Request::default()).unwrap_err().to_string();
    assert!(error.contains("1 positions hold more than one image"), "{error}");
}

#[test]
fn a_copy_of_a_file_is_the_same_image() {
    let mut slices = stack(4);
    slices.push(slices[1].clone());
    assert_eq!(ct(&slices).unwrap().geometry.size, [6, 5, 4]);
}

#[test]
fn several_series_are_listed_until_one_is_named() {
    let mut slices = stack(4);
    slices.extend(stack(3).into_iter().map(|mut s| {
        s.series = "1.2.3.5";
        s.modality = "MR";
        s
    }));
    slices.extend(stack(3).into_iter().map(|mut s| {
        s.series = "1.2.3.6";
        s
    }));
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &slices);
    let error = ingest(folder.path(), &Request::default()).unwrap_err().to_string();
    assert!(error.contains("--series") && ["1.2.3.4", "1.2.3.5", "1.2.3.6"].iter().all(|id| error.contains(id)), "{error}");
    let mr = ingest(folder.path(), &Request { modality: Some(Modality::Mr), series: None }).unwrap();
    assert!(mr.volume.into_mr().is_some());
    let named = |id: &str, modality| ingest(folder.path(), &Request { modality, series: Some(id.to_owned()) });
    assert_eq!(named("1.2.3.6", None).unwrap().volume.geometry().size, [6, 5, 3]);
    assert!(matches!(named("1.2.3.6", Some(Modality::Mr)), Err(IngestError::OtherModality { .. })));
    assert!(matches!(named("9.9", None), Err(IngestError::NotThere { .. })));
}

#[test]
fn acquisitions_at_the_same_places_are_told_apart() {
    let mut slices = Vec::new();
    for acquisition in 1..=2_u32 {
        for mut s in stack(3) {
            s.number += 10 * acquisition;
            s.pixels.iter_mut().for_each(|p| *p += 10 * acquisition as u16);
            s.more.push((tags::ACQUISITION_NUMBER, VR::IS, acquisition.to_string()));
            slices.push(s);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &slices);
    let scan = scan(folder.path()).unwrap();
    assert_eq!(scan.series().iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), ["1.2.3.4#1", "1.2.3.4#2"]);
    let second = ingest(folder.path(), &Request { modality: None, series: Some("1.2.3.4#2".to_owned()) }).unwrap();
    assert_eq!(second.volume.into_ct().unwrap().at([0, 0, 0]), Some(20));
}

#[test]
fn what_is_no_volume_is_named() {
    let text = |slices: &[Slice]| ingested(slices, &Request::default()).unwrap_err().to_string();
    let with = |tag: Tag, vr, value: &str| {
        let mut slices = stack(4);
        slices.iter_mut().for_each(|s| s.more.push((tag, vr, value.to_owned())));
        text(&slices)
    };
    assert!(with(tags::MODALITY, VR::CS, "US").contains("neither CT nor MR"));
    assert!(with(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\LOCALIZER").contains("localizer"));
    assert!(with(tags::IMAGE_POSITION_PATIENT, VR::DS, "").contains("position"));
    assert!(with(tags::PIXEL_SPACING, VR::DS, "").contains("pixel spacing"));
    assert!(with(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "PALETTE COLOR").contains("colour"));
    let mut gap = stack(6);
    gap.remove(3);
    assert!(text(&gap).contains("slices are missing: 1 between 4.000 and 8.000"));
    assert!(matches!(ingested(&[], &Request::default()), Err(IngestError::Nothing { .. })));
    assert!(matches!(ingest(Path::new("no such folder"), &Request::default()), Err(IngestError::Io { .. })));
}

#[test]
fn values_that_are_no_hu_raise_a_doubt() {
    let found = ingested(&stack(4), &Request::default()).unwrap();
    assert!(matches!(&found.doubts[..], [doubt] if doubt.contains("A CT IN HU")), "{:?}", found.doubts);
}

/// One slice whose pixels are cut off is named; the volume is refused rather than given with a hole.
#[test]
fn one_bad_slice_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut slices = stack(4);
    slices[2].pixels.truncate(7);
    write(folder.path(), &slices);
    let error = ingest(folder.path(), &Request::default()).unwrap_err();
    let IngestError::Images { problems, .. } = &error else { panic!("{error}") };
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].file, Path::new("image2"));
    assert!(error.to_string().contains("image2"), "{error}");
}

/// A tilted stack sampled from a field that is linear in space gives that field on the rectangular lattice.
#[test]
fn a_tilted_stack_is_resampled_without_moving_anatomy() {
    let (s, c) = 20_f64.to_radians().sin_cos();
    let field = |p: [f64; 3]| 3.0 * p[0] + 5.0 * p[1] - 4.0 * p[2] + 1500.0;
    let slices: Vec<Slice> = (0..4)
        .map(|k| {
            let mut slice = Slice::at(k, 0.0);
            slice.position = [-50.0, -60.0 + 0.3 * f64::from(k), 4.0 * f64::from(k)];
            slice.orientation = [1.0, 0.0, 0.0, 0.0, c, -s];
            // Sixteenths of a HU, so that rounding stays small.
            slice.slope = 0.0625;
            slice.intercept = 900.0;
            slice.pixels = (0..30)
                .map(|n| {
                    let (x, y) = (f64::from(n % 6) * 0.25, f64::from(n / 6) * 0.5);
                    let p = [slice.position[0] + x, slice.position[1] + c * y, slice.position[2] - s * y];
                    ((field(p) - 900.0) / 0.0625).round() as u16
                })
                .collect();
            slice
        })
        .collect();
    assert!(slices.iter().flat_map(|s| &s.pixels).all(|p| *p < 4096), "the values must fit 12 bits");
    let found = ingested(&slices, &Request::default()).unwrap();
    assert!(found.warnings.iter().any(|w| w.contains("gantry tilt")), "{:?}", found.warnings);
    let image = found.volume.into_ct().unwrap();
    let mut inside = 0;
    for (offset, value) in image.voxels.iter().enumerate().filter(|(_, v)| **v != -1024) {
        let at = image.geometry.patient_from_index(image.geometry.index_of(offset).map(|v| v as f64));
        assert!((f64::from(*value) - field(at)).abs() < 0.6, "{value} at {at:?}, {}", field(at));
        inside += 1;
    }
    // Every slice loses at most one row to interpolation.
    assert!(inside >= 4 * usize::from(SIZE[0]) * (usize::from(SIZE[1]) - 1), "{inside}");
}

/// Nothing that was written into the tags of identity, free text or private groups can be found in what ingestion gives.
#[test]
fn no_identity_leaves() {
    const MARK: &str = "ZQMARKERQZ";
    let marked: Vec<(Tag, VR)> = vec![
        (tags::PATIENT_NAME, VR::PN),
        (tags::PATIENT_ID, VR::LO),
        (Tag(0x0010, 0x1000), VR::LO),
        (tags::PATIENT_COMMENTS, VR::LT),
        (tags::PATIENT_ADDRESS, VR::LO),
        (tags::INSTITUTION_NAME, VR::LO),
        (tags::INSTITUTION_ADDRESS, VR::ST),
        (tags::INSTITUTIONAL_DEPARTMENT_NAME, VR::LO),
        (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
        (tags::PERFORMING_PHYSICIAN_NAME, VR::PN),
        (tags::OPERATORS_NAME, VR::PN),
        (tags::ACCESSION_NUMBER, VR::SH),
        (tags::STUDY_ID, VR::SH),
        (tags::STUDY_DESCRIPTION, VR::LO),
        (tags::SERIES_DESCRIPTION, VR::LO),
        (tags::PROTOCOL_NAME, VR::LO),
        (tags::STATION_NAME, VR::SH),
        (tags::DEVICE_SERIAL_NUMBER, VR::LO),
        (tags::CONVOLUTION_KERNEL, VR::SH),
        (tags::BODY_PART_EXAMINED, VR::CS),
        (tags::IMAGE_COMMENTS, VR::LT),
        (tags::IMAGE_TYPE, VR::CS),
        (tags::RESCALE_TYPE, VR::LO),
        (tags::REQUESTED_PROCEDURE_DESCRIPTION, VR::LO),
        (Tag(0x0009, 0x0010), VR::LO),
        (Tag(0x0009, 0x1001), VR::LO),
        (Tag(0x0029, 0x0010), VR::LO),
        (Tag(0x0029, 0x1008), VR::LT),
    ];
    let dates = [
        (tags::PATIENT_BIRTH_DATE, VR::DA),
        (tags::STUDY_DATE, VR::DA),
        (tags::SERIES_DATE, VR::DA),
        (tags::CONTENT_DATE, VR::DA),
    ];
    let mut slices = stack(4);
    for slice in &mut slices {
        slice.more.extend(marked.iter().map(|(tag, vr)| (*tag, *vr, format!("{MARK} 19470311"))));
        slice.more.extend(dates.iter().map(|(tag, vr)| (*tag, *vr, "19470311".to_owned())));
    }
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &slices);
    let scan = scan(folder.path()).unwrap();
    let found = ingest(folder.path(), &Request::default()).unwrap();
    let nifti = folder.path().join("out.nii");
    found.volume.write_nifti(&nifti).unwrap();
    let written = String::from_utf8_lossy(&std::fs::read(&nifti).unwrap()).into_owned();
    // Errors must not tell either.
    let refused = ingested(&slices[..2], &Request::default()).unwrap_err();
    let mut colour = slices.clone();
    colour.iter_mut().for_each(|s| s.more.push((tags::MODALITY, VR::CS, format!("X{MARK}"))));
    let refused_too = ingested(&colour, &Request::default()).unwrap_err();
    let everything = [
        format!("{:?}", scan.series()),
        table(scan.series()),
        format!("{:?} {:?}", found.summary, found.warnings),
        serde_json::to_string(&found.summary).unwrap(),
        format!("{refused} {refused:?} {refused_too} {refused_too:?}"),
        written,
    ];
    for text in everything {
        assert!(!text.to_uppercase().contains(MARK) && !text.contains("19470311"), "{text}");
    }
}
