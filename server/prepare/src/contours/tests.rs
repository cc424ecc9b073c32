//! One mask in four formats, written by other programs (`scripts/make_contour_fixtures.py`), gives one set of surfaces; what does not
//! belong to the CT, is damaged or unclear is refused by name.

use std::path::{Path, PathBuf};

use dicom_core::smallvec::SmallVec;
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, Length, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::uids;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use spinor_volume::Patient;
use spinor_volume::cut::CutState;
use spinor_volume::query::effective_sdf_mm;

use super::*;
use crate::bake::{BakeOptions, bake};
use crate::export::surface;
use crate::ingest::{Request, ingest};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/contours")
}

/// The lattice and frame of reference of the fixtures' CT.
fn ct() -> (Geometry, String) {
    let found = ingest(&fixtures().join("ct"), &Request::default()).unwrap();
    (*found.volume.geometry(), found.frame_of_reference.unwrap())
}

fn read(name: &str) -> Result<Contours, ContoursError> {
    let (geometry, frame) = ct();
    let options = ContourOptions { scheme: Some(Scheme::TotalSpineSeg), ..ContourOptions::default() };
    read_contours(&fixtures().join(name), Target { geometry: &geometry, frame: Some(&frame) }, &options)
}

fn patient(contours: &Contours) -> Patient {
    let baked = bake(&contours.labels, None, &BakeOptions::default()).unwrap();
    Patient::new(baked.grid, baked.structures, baked.density).unwrap()
}

/// The largest distance, mm, of any vertex of `a`'s surfaces from the same structure's surface in `b`.
fn farthest_mm(a: &Patient, b: &Patient) -> f64 {
    let none = CutState::new(b.grid());
    let mut most = 0.0_f64;
    for (n, structure) in a.structures().iter().enumerate() {
        let other = b.structures().iter().position(|s| s.label == structure.label).unwrap();
        for vertex in surface(a, None, n).positions_mm {
            most = most.max(effective_sdf_mm(b, &none, other, vertex.map(f64::from)).abs());
        }
    }
    most
}

/// The mask that was drawn comes back voxel by voxel, holes and ragged rims included, and so the surfaces agree to a hundredth of a voxel
/// of the mask (0.9 mm), where half a voxel is asked for.
#[test]
fn one_mask_in_four_formats_gives_the_same_surfaces() {
    let truth = read("labels.nii.gz").unwrap();
    let reference = patient(&truth);
    assert_eq!(truth.present().iter().map(|l| l.0).collect::<Vec<_>>(), [2, 43, 44, 128]);
    for name in ["rtstruct.dcm", "seg_binary.dcm", "seg_fractional.dcm", "seg_labelmap.dcm"] {
        let made = read(name).unwrap();
        assert!(made.warnings.is_empty(), "{name}: {:?}", made.warnings);
        let mut drawn = 0;
        for (at, number) in truth.labels.voxels.iter().enumerate() {
            let at_mm = truth.labels.geometry.patient_from_index(truth.labels.geometry.index_of(at).map(|v| v as f64));
            assert_eq!(made.labels.nearest(at_mm).unwrap_or(0), *number, "{name} at {at_mm:?}");
            drawn += usize::from(*number != 0);
        }
        assert!(drawn > 3_000 && drawn == made.labels.voxels.iter().filter(|n| **n != 0).count(), "{name}: {drawn}");
        let other = patient(&made);
        let off = farthest_mm(&reference, &other).max(farthest_mm(&other, &reference));
        println!("{name}: surfaces within {off:.4} mm");
        assert!(off < 0.05, "{name}: {off} mm");
    }
}

/// A test that cannot fail would pass a shifted mask: one voxel to the side is found.
#[test]
fn a_shifted_mask_is_another_surface() {
    let mut moved = read("labels.nii.gz").unwrap();
    let reference = patient(&moved);
    moved.labels.geometry.origin_mm[0] += 0.9;
    assert!(farthest_mm(&reference, &patient(&moved)) > 0.7);
}

#[test]
fn another_frame_or_place_is_refused() {
    let (geometry, frame) = ct();
    let options = ContourOptions::default();
    for name in ["rtstruct.dcm", "seg_binary.dcm"] {
        let path = fixtures().join(name);
        let target = |frame| Target { geometry: &geometry, frame };
        let error = read_contours(&path, target(Some("1.2.3")), &options).unwrap_err();
        assert!(matches!(error, ContoursError::Frame { .. }) && error.to_string().contains("another scan"), "{error}");
        // A CT that does not say (NIfTI) is believed, and that is told.
        let made = read_contours(&path, target(None), &options).unwrap();
        assert!(made.warnings.iter().any(|w| w == UNCHECKED), "{:?}", made.warnings);
    }
    let elsewhere = Geometry { origin_mm: [500.0, 0.0, 0.0], ..geometry };
    let error = read_contours(&fixtures().join("rtstruct.dcm"), Target { geometry: &elsewhere, frame: Some(&frame) }, &options);
    assert!(error.unwrap_err().to_string().contains("outside the CT"));
}

#[test]
fn what_is_no_contour_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "L4").unwrap();
    let (geometry, _) = ct();
    let target = Target { geometry: &geometry, frame: None };
    let say = |path: &Path| read_contours(path, target, &ContourOptions::default()).unwrap_err().to_string();
    assert!(say(&text).contains("neither NIfTI nor DICOM"));
    assert!(say(&folder.path().join("none")).contains("cannot be read"));
    assert!(say(&fixtures().join("ct/00.dcm")).contains("modality CT"));
    // A label map needs somebody to say what its numbers are.
    assert!(say(&fixtures().join("labels.nii.gz")).contains("--contours-scheme"));
}

/// Numbers named by the user, without a scheme: what is not named is left out and told.
#[test]
fn numbers_of_a_label_map_may_be_named() {
    let (geometry, _) = ct();
    let names = Names::from_json(br#"{"2": "vertebrae_L1", "44": "nerve root L5 right"}"#).unwrap();
    let options = ContourOptions { names, scheme: None };
    let path = fixtures().join("labels.nii.gz");
    let made = read_contours(&path, Target { geometry: &geometry, frame: None }, &options).unwrap();
    assert_eq!(made.present().iter().map(|l| l.0).collect::<Vec<_>>(), [41, 131]);
    assert_eq!(made.warnings.len(), 2, "{:?}", made.warnings);
    let other = ContourOptions { scheme: Some(Scheme::TotalSegmentatorMr), ..ContourOptions::default() };
    let error = read_contours(&path, Target { geometry: &geometry, frame: None }, &other).unwrap_err().to_string();
    assert!(error.contains("none of its 4 structures") && error.contains("number 43"), "{error}");
}

fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::SQ, DataSetSequence::new(SmallVec::from_vec(items), Length::UNDEFINED))
}

fn text_element(tag: Tag, vr: VR, value: &str) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, vr, PrimitiveValue::from(value))
}

/// A name, and contours as their kind and points in LPS mm.
type Roi<'a> = (&'a str, Vec<(&'a str, Vec<[f64; 3]>)>);

/// A structure set of ROIs (name, contours as their kind and points in LPS mm).
fn structure_set(rois: &[Roi<'_>]) -> Vec<u8> {
    let (mut named, mut drawn) = (Vec::new(), Vec::new());
    for (n, (name, contours)) in rois.iter().enumerate() {
        let number = (n + 1).to_string();
        named.push(InMemDicomObject::from_element_iter([
            text_element(tags::ROI_NUMBER, VR::IS, &number),
            text_element(tags::ROI_NAME, VR::LO, name),
            text_element(tags::REFERENCED_FRAME_OF_REFERENCE_UID, VR::UI, "1.2.3"),
        ]));
        let items = contours.iter().map(|(kind, points)| {
            let data: Vec<String> = points.iter().flatten().map(|v| format!("{v:.4}")).collect();
            InMemDicomObject::from_element_iter([
                text_element(tags::CONTOUR_GEOMETRIC_TYPE, VR::CS, kind),
                text_element(tags::NUMBER_OF_CONTOUR_POINTS, VR::IS, &points.len().to_string()),
                text_element(tags::CONTOUR_DATA, VR::DS, &data.join("\\")),
            ])
        });
        drawn.push(InMemDicomObject::from_element_iter([
            text_element(tags::REFERENCED_ROI_NUMBER, VR::IS, &number),
            sequence(tags::CONTOUR_SEQUENCE, items.collect()),
        ]));
    }
    let object = InMemDicomObject::from_element_iter([
        text_element(tags::SOP_CLASS_UID, VR::UI, uids::RT_STRUCTURE_SET_STORAGE),
        text_element(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.9"),
        text_element(tags::MODALITY, VR::CS, "RTSTRUCT"),
        sequence(tags::STRUCTURE_SET_ROI_SEQUENCE, named),
        sequence(tags::ROI_CONTOUR_SEQUENCE, drawn),
    ]);
    let meta = FileMetaTableBuilder::new().transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
    let mut bytes = Vec::new();
    object.with_meta(meta).unwrap().write_all(&mut bytes).unwrap();
    bytes
}

fn circle(radius: f64, z: f64) -> Vec<[f64; 3]> {
    (0..90).map(|n| f64::from(4 * n).to_radians()).map(|t| [radius * t.cos(), radius * t.sin(), z]).collect()
}

/// Slices of 1 mm around the origin.
fn axial() -> Geometry {
    Geometry::axis_aligned([60, 60, 40], [1.0; 3], [-30.0, -30.0, 0.0]).unwrap()
}

fn drawn(rois: &[Roi<'_>]) -> Result<Contours, ContoursError> {
    let geometry = axial();
    read_dicom(&structure_set(rois), Target { geometry: &geometry, frame: Some("1.2.3") }, &ContourOptions::default())
}

const CLOSED: &str = "CLOSED_PLANAR";

/// Contours on every third slice of a cone: the slices between are blended, with the right volume; a wide gap stays open; both are told.
#[test]
fn slices_between_drawn_ones_are_blended() {
    let cone = |z: f64| 20.0 - 0.5 * z;
    let contours = (0..=6).map(|n| 3.0 * f64::from(n)).map(|z| (CLOSED, circle(cone(z), z))).collect();
    let made = drawn(&[("L4", contours)]).unwrap();
    let volume = made.labels.voxels.iter().filter(|n| **n == 44).count() as f64;
    let exact: f64 = (0..=18).map(|z| std::f64::consts::PI * cone(f64::from(z)).powi(2)).sum();
    assert!((volume / exact - 1.0).abs() < 0.02, "{volume} of {exact}");
    assert!(made.warnings.iter().any(|w| w.contains("12 slices of vertebrae_L4")), "{:?}", made.warnings);

    let apart = drawn(&[("L4", vec![(CLOSED, circle(9.0, 2.0)), (CLOSED, circle(9.0, 20.0))])]).unwrap();
    assert_eq!(apart.labels.nearest([0.0, 0.0, 10.0]), Some(0));
    assert!(apart.warnings.iter().any(|w| w.contains("not drawn on for 18 mm")), "{:?}", apart.warnings);
}

/// Planes half-way between the CT's slices, as of a planning CT in the same frame, make a lattice of their own.
#[test]
fn contours_between_slices_keep_their_planes() {
    let contours = (0..8).map(|n| 2.5 * f64::from(n) + 0.4).map(|z| (CLOSED, circle(10.0, z))).collect();
    let made = drawn(&[("Sacrum", contours)]).unwrap();
    assert_eq!(made.labels.geometry.size[2], 8);
    assert!((made.labels.geometry.spacing_mm[2] - 2.5).abs() < 1e-6 && (made.labels.geometry.origin_mm[2] - 0.4).abs() < 1e-6);
    let volume = made.labels.voxels.iter().filter(|n| **n == 50).count() as f64 * 2.5;
    assert!((volume / (std::f64::consts::PI * 100.0 * 20.0) - 1.0).abs() < 0.02, "{volume}");
}

/// Every refusal names the ROI by number and anatomy, never by what else its name holds.
#[test]
fn structures_that_cannot_be_used_are_named() {
    let disc = |z: f64| (CLOSED, circle(10.0, z));
    let good = ("L3", vec![disc(3.0), disc(4.0)]);
    let say = |roi: Roi<'static>| drawn(&[good.clone(), roi]).unwrap_err().to_string();
    let tilted = circle(10.0, 5.0).into_iter().map(|[x, y, z]| [x, y, z + 0.2 * y]).collect();
    assert!(say(("L4", vec![(CLOSED, tilted)])).contains("ROI 2 (l4): a contour leaves its slice of the CT by 4.0 mm"));
    assert!(say(("L4", vec![(CLOSED, circle(80.0, 5.0))])).contains("ROI 2 (l4): a contour lies outside the CT"));
    assert!(say(("L4", vec![disc(400.0)])).contains("outside the CT"));
    assert!(say(("L4", vec![("POINT", vec![[0.0; 3]])])).contains("ROI 2 (l4): nothing closed is drawn"));
    assert!(say(("vertebra L3", vec![disc(7.0)])).contains("ROI 1 (l3) and ROI 2 (vertebra l3): both are vertebrae_L3"));

    let made = drawn(&[good, ("Miller^John 19470311 L4 screw", vec![disc(9.0)])]).unwrap();
    let text = made.warnings.join(" ");
    assert!(text.contains("ROI 2 (l4)") && !text.contains("Miller") && !text.contains("1947"), "{text}");
    let none = drawn(&[("Miller^John PTV", vec![disc(9.0)])]).unwrap_err();
    assert!(!format!("{none} {none:?}").contains("Miller") && none.to_string().contains("--contours-names"), "{none}");
}

/// A contour with coordinates missing is damage, not another contour.
#[test]
fn damaged_contours_are_refused() {
    let mut bytes = structure_set(&[("L4", vec![(CLOSED, circle(10.0, 5.0))])]);
    let at = bytes
        .windows(4)
        .position(|w| w == b"90  " || w == b"90\x06\x30")
        .unwrap_or_else(|| bytes.windows(2).position(|w| w == b"90").unwrap());
    bytes[at] = b'8';
    let geometry = axial();
    let error = read_dicom(&bytes, Target { geometry: &geometry, frame: None }, &ContourOptions::default()).unwrap_err();
    assert!(error.to_string().contains("states another number"), "{error}");
}

/// Files cut short or with flipped bits give an error or contours, never a panic, and not before long.
#[test]
fn damaged_files_never_panic() {
    let (geometry, frame) = ct();
    let target = Target { geometry: &geometry, frame: Some(&frame) };
    for name in ["rtstruct.dcm", "seg_binary.dcm", "seg_fractional.dcm", "seg_labelmap.dcm"] {
        let bytes = std::fs::read(fixtures().join(name)).unwrap();
        let read = |bytes: &[u8]| read_dicom(bytes, target, &ContourOptions::default());
        assert!(read(&bytes).is_ok());
        for n in 1..60 {
            assert!(read(&bytes[..bytes.len() * n / 60]).is_err(), "{name} cut to {n}/60");
        }
        for n in 0..400_usize {
            let mut damaged = bytes.clone();
            let at = n * 7919 % damaged.len();
            damaged[at] ^= 1 << (n % 8);
            let _ = read(&damaged);
        }
    }
}
