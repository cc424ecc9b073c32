//! Exports hold what the case holds: closed meshes of the right volume, readable containers, labels where the labels were.

use spinor_volume::cut::CutOp;
use spinor_volume::{ClassMask, Patient};

use super::*;
use crate::bake::{BakeOptions, bake};
use crate::nifti_io::read_nifti_u16;
use crate::volume3d::{Geometry, Image};
use spinor_shared::case::{CaseMeta, IDENTITY, ImageBricks, ImageGeometry};

/// A ball of 8 mm as L4 beside one of 5 mm as L3, and a CT on the labels' lattice.
fn case() -> (Case, Image<u16>) {
    let geometry = Geometry::axis_aligned([40, 30, 24], [1.0; 3], [-20.0, -15.0, 88.0]).unwrap();
    let voxels = (0..geometry.voxel_count()).map(|at| {
        let p = geometry.patient_from_index(geometry.index_of(at).map(|v| v as f64));
        let from = |c: [f64; 3]| ((p[0] - c[0]).powi(2) + (p[1] - c[1]).powi(2) + (p[2] - c[2]).powi(2)).sqrt();
        if from([-8.0, 0.0, 100.0]) < 8.0 {
            44
        } else if from([10.0, 0.0, 100.0]) < 5.0 {
            43
        } else {
            0
        }
    });
    let labels = Image::new(geometry, voxels.collect()).unwrap();
    let baked = bake(&labels, None, &BakeOptions::default()).unwrap();
    let patient = Patient::new(baked.grid, baked.structures, baked.density).unwrap();
    let image = ImageGeometry {
        size: geometry.size.map(|n| n as u32),
        spacing_mm: geometry.spacing_mm,
        origin_mm: geometry.origin_mm,
        direction: geometry.direction,
        patient_from_image: IDENTITY,
        slope: 1.0,
        intercept: 0.0,
    };
    let ct = ImageBricks::pack(image, |_| 0).unwrap();
    (Case { patient, ct: Some(ct), mr: None, meta: CaseMeta::default() }, labels)
}

fn volume(surface: &Surface) -> f64 {
    let point = |n: u32| surface.positions_mm[n as usize].map(f64::from);
    let six = |t: &[u32; 3]| {
        let [a, b, c] = t.map(point);
        a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) + a[2] * (b[0] * c[1] - b[1] * c[0])
    };
    surface.triangles.iter().map(six).sum::<f64>() / 6.0
}

/// Each surface is closed (every edge is walked once in each direction) and holds the structure's volume, outward.
#[test]
fn surfaces_are_closed_and_hold_the_volume() {
    let (case, _) = case();
    for (n, structure) in case.patient.structures().iter().enumerate() {
        let surface = surface(&case.patient, None, n);
        let mut edges = std::collections::BTreeMap::new();
        for [a, b, c] in surface.triangles.iter().copied() {
            for (p, q) in [(a, b), (b, c), (c, a)] {
                *edges.entry((p.min(q), p.max(q))).or_insert(0) += if p < q { 1 } else { -1 };
            }
        }
        assert!(edges.values().all(|sum| *sum == 0));
        let ratio = volume(&surface) / structure.volume_mm3;
        assert!((ratio - 1.0).abs() < 0.02, "{}: {ratio}", structure.label);
    }
}

/// STL: a folder with one file per structure, each as long as its count says, in LPS mm.
#[test]
fn stl_files_are_as_long_as_they_say() {
    let (case, _) = case();
    let dir = tempfile::tempdir().unwrap();
    let files = export(&case, None, &Format::Stl, &dir.path().join("meshes")).unwrap();
    assert_eq!(files.len(), 2);
    assert!(files[1].ends_with("vertebrae_L4.stl"));
    let bytes = std::fs::read(&files[1]).unwrap();
    let count = u32::from_le_bytes(bytes[80..84].try_into().unwrap());
    assert!(count > 1_000 && bytes.len() == 84 + 50 * count as usize);
    assert!(!bytes.starts_with(b"solid") && bytes[..80].windows(9).any(|w| w == b"SPACE=LPS"));
    let x = f32::from_le_bytes(bytes[96..100].try_into().unwrap());
    assert!((-17.0..=1.0).contains(&x), "{x}");
}

/// GLB: chunks add up, and the scene names every structure, in metres with Y up.
#[test]
fn glb_names_every_structure() {
    let (case, _) = case();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("case.glb");
    export(&case, None, &Format::Glb, &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!((&bytes[..4], word(4), word(8)), (&b"glTF"[..], 2, bytes.len()));
    let json: serde_json::Value = serde_json::from_slice(&bytes[20..20 + word(12)]).unwrap();
    assert_eq!(20 + word(12) + 8 + word(20 + word(12)), bytes.len());
    let names: Vec<&str> = json["nodes"].as_array().unwrap().iter().map(|n| n["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["vertebrae_L3", "vertebrae_L4"]);
    // L4 lies between x −16 and 0, y −8 and 8, z 92 and 108 mm in LPS.
    let low = json["accessors"][3]["min"].as_array().unwrap();
    let high = json["accessors"][3]["max"].as_array().unwrap();
    for (k, (from, to)) in [(-0.016, 0.0), (0.092, 0.108), (-0.008, 0.008)].into_iter().enumerate() {
        assert!((low[k].as_f64().unwrap() - from).abs() < 5e-4 && (high[k].as_f64().unwrap() - to).abs() < 5e-4, "axis {k}");
    }
}

/// Every file for other programs says which structure no image shows: names of files and nodes, headers, and the names beside a label map.
#[test]
fn proposed_structures_are_named_so_in_every_export() {
    let (case, _) = case();
    let mut structures = case.patient.structures().to_vec();
    structures[0].source = Source::Proposed;
    let patient = Patient::new(*case.patient.grid(), structures, spinor_volume::DensityField::default()).unwrap();
    let case = Case { patient, ..case };
    let dir = tempfile::tempdir().unwrap();
    let files = export(&case, None, &Format::Stl, &dir.path().join("meshes")).unwrap();
    assert!(files[0].ends_with("vertebrae_L3_proposed.stl") && files[1].ends_with("vertebrae_L4.stl"), "{files:?}");
    let header = |path: &Path| String::from_utf8(std::fs::read(path).unwrap()[..80].to_vec()).unwrap();
    assert!(header(&files[0]).starts_with("Spinor vertebrae_L3 (proposed) SPACE=LPS UNIT=mm"));
    assert!(!header(&files[1]).contains("proposed"));

    let path = dir.path().join("case.glb");
    export(&case, None, &Format::Glb, &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let length = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let json: serde_json::Value = serde_json::from_slice(&bytes[20..20 + length]).unwrap();
    let nodes = &json["nodes"];
    assert_eq!((&nodes[0]["name"], &nodes[1]["name"]), (&"vertebrae_L3 (proposed)".into(), &"vertebrae_L4".into()));
    assert_eq!((&nodes[0]["extras"]["proposed"], &nodes[1]["extras"]["proposed"]), (&true.into(), &false.into()));
    assert_eq!(nodes[1]["extras"]["source"], case.patient.structures()[1].source.word());

    let path = dir.path().join("labels.nii.gz");
    let files = export(&case, None, &Format::Nifti(LabelGrid::Ct), &path).unwrap();
    assert!(files[0] == path && files[1].ends_with("labels.names.json"), "{files:?}");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&files[1]).unwrap()).unwrap();
    assert_eq!((&json["labels"]["43"]["proposed"], &json["labels"]["44"]["proposed"]), (&true.into(), &false.into()));
    assert_eq!(json["labels"]["43"]["shown"], "vertebrae_L3 (proposed)");
}

/// A label map on the CT's grid gives the labels back; one after a cut lacks what was cut, and only that class.
#[test]
fn label_maps_give_labels_back() {
    let (case, labels) = case();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("labels.nii.gz");
    export(&case, None, &Format::Nifti(LabelGrid::Ct), &path).unwrap();
    let again = read_nifti_u16(&path).unwrap();
    assert!(again.geometry.same_lattice(&labels.geometry, 1e-3));
    let same = again.voxels.iter().zip(&labels.voxels).filter(|(a, b)| a == b && **b != 0).count();
    let all = labels.voxels.iter().filter(|v| **v != 0).count();
    assert!(same * 100 >= all * 97, "{same} of {all}");

    let fine = labels_on_case_grid(&case.patient, None);
    let l4 = fine.voxels.iter().filter(|v| **v == 44).count() as f64 * 0.4_f64.powi(3);
    assert!((l4 / case.patient.structures()[1].volume_mm3 - 1.0).abs() < 0.02, "{l4}");

    let mut cut = CutState::new(case.patient.grid());
    let bone = ClassMask::of(&[TissueClass::Bone]);
    let op = CutOp::capsule_mm(case.patient.grid(), [-8.0, 0.0, 100.0], [-8.0, 0.0, 100.0], 3.0, bone).unwrap();
    cut.apply(&case.patient, &op);
    let left = labels_on_case_grid(&case.patient, Some(&cut));
    assert_eq!(left.nearest([-8.0, 0.0, 100.0]), Some(0));
    assert_eq!(left.nearest([-8.0, 5.0, 100.0]), Some(44));
    let on_ct = labels_on_image(&case.patient, Some(&cut), case.ct.as_ref().unwrap().geometry()).unwrap();
    assert_eq!(on_ct.nearest([-8.0, 0.0, 100.0]), Some(0));
}
