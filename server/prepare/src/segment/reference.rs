//! Proves that the engine gives nnU-Net's own label maps, voxel for voxel: the references were written by nnunetv2 2.8.1's
//! predictor. They cover CT and z-score normalisation, cubic and slice-wise resampling, a transpose, the non-zero crop, regions
//! and mirroring. Also that broken model folders are explained and not run.

use super::{Model, ModelFolder, Options, Progress, Scan, SegmentError, Segmented, segment_for_case};
use crate::nifti_io::{read_nifti_f32, read_nifti_u16};
use crate::volume3d::{Geometry, Image};
use std::path::{Path, PathBuf};

/// The references, or none (with a line that says why) where data or ONNX Runtime are missing.
fn references(test: &str) -> Option<PathBuf> {
    crate::test_data::folder_for_models(test, "nnunet_reference")
}

/// Runs one case and returns how many voxels differ from the reference.
fn differing(test: &str, dataset: &str, case: &str, channels: usize, mirror: bool) -> Option<usize> {
    let folder = references(test)?.join(dataset);
    let path = |k: usize| folder.join("images").join(format!("{case}_{k:04}.nii.gz"));
    let images: Vec<Image<f32>> = (0..channels).map(|k| read_nifti_f32(&path(k)).expect("an image")).collect();
    let mut model = Model::load(&folder, 2).expect("the model loads");
    let (mut calls, mut last) = (0, None);
    let mut progress = |p: Progress| {
        calls += 1;
        assert!(p.done <= p.total);
        last = Some(p);
    };
    let options = Options { mirror, tile_step: None };
    let labels = model.segment(&images, &options, &mut progress).expect("it runs");
    assert!(calls > 4 && last.is_some_and(|p| p.done == p.total));
    let name = format!("{case}_{}.nii.gz", if mirror { "tta" } else { "no" });
    let reference = read_nifti_u16(&folder.join("reference").join(name)).expect("a reference");
    assert_eq!(labels.geometry.size, reference.geometry.size);
    assert!(reference.voxels.iter().any(|v| *v != 0), "an empty reference proves nothing");
    let differing = labels.voxels.iter().zip(&reference.voxels).filter(|(a, b)| a != b).count();
    println!("{dataset} {case} mirror {mirror}: {differing} of {} voxels differ", labels.voxels.len());
    Some(differing)
}

#[test]
fn ct_with_cubic_resampling_is_identical() {
    let Some(n) = differing("ct_with_cubic_resampling_is_identical", "Dataset500_toyct", "t0", 1, false) else { return };
    assert_eq!(n, 0);
}

#[test]
fn ct_with_thick_slices_is_identical() {
    let Some(n) = differing("ct_with_thick_slices_is_identical", "Dataset500_toyct", "t1", 1, false) else { return };
    assert_eq!(n, 0);
}

#[test]
fn ct_mirrored_is_identical() {
    let Some(n) = differing("ct_mirrored_is_identical", "Dataset500_toyct", "t1", 1, true) else { return };
    assert_eq!(n, 0);
}

#[test]
fn mr_with_two_channels_and_regions_is_identical() {
    let Some(n) = differing("mr_with_two_channels_and_regions_is_identical", "Dataset501_toymr", "t0", 2, false) else { return };
    assert_eq!(n, 0);
}

/// A copy of the toy CT model in which single files can be broken.
fn copy(test: &str) -> Option<(tempfile::TempDir, PathBuf)> {
    let source = references(test)?.join("Dataset500_toyct");
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["plans.json", "dataset.json", "model.onnx"] {
        std::fs::write(folder.path().join(name), std::fs::read(source.join(name)).expect("a file")).expect("written");
    }
    let path = folder.path().to_owned();
    Some((folder, path))
}

fn small() -> Image<f32> {
    let geometry = Geometry::axis_aligned([20, 24, 22], [1.0, 1.0, 2.0], [0.0; 3]).expect("a lattice");
    let voxels = (0..geometry.voxel_count()).map(|k| (k * 37 % 400) as f32).collect();
    Image { geometry, voxels }
}

#[test]
fn broken_folders_are_explained() {
    let Some((_folder, path)) = copy("broken_folders_are_explained") else { return };
    let replace = |name: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(path.join(name)).expect("text");
        assert!(text.contains(from), "{from}");
        std::fs::write(path.join(name), text.replace(from, to)).expect("written");
        text
    };
    let refused = |expected: &str| {
        let error = Model::load(&path, 1).err().expect("it is broken").to_string();
        assert!(error.contains(expected), "{error}");
    };
    Model::load(&path, 1).expect("unbroken");

    let dataset = replace("dataset.json", "\"canal\": 3", "\"canal\": 3, \"more\": 4");
    refused("shape"); // five labels, four heads
    std::fs::write(path.join("dataset.json"), dataset.replace("\"0\": \"CT\"", "\"0\": \"CT\", \"1\": \"CT\"")).expect("written");
    refused("2"); // two channels, one normalised
    std::fs::write(path.join("dataset.json"), &dataset[..40]).expect("written");
    refused("not valid JSON");
    std::fs::write(path.join("dataset.json"), dataset).expect("written");

    let onnx = std::fs::read(path.join("model.onnx")).expect("bytes");
    for broken in [&b""[..], b"no network at all", &onnx[..onnx.len() / 2]] {
        std::fs::write(path.join("model.onnx"), broken).expect("written");
        refused("model.onnx is not a network");
    }
    std::fs::remove_file(path.join("model.onnx")).expect("removed");
    refused("model.onnx");
}

/// The small image in whole HU.
fn hu() -> Image<i16> {
    small().map(|v| v as i16)
}

fn case(path: &Path) -> Result<Segmented, SegmentError> {
    segment_for_case(ModelFolder::open(path)?, Scan::Ct(&hu()), None, 1, &mut |_| {})
}

#[test]
fn wrong_inputs_are_explained() {
    let Some((_folder, path)) = copy("wrong_inputs_are_explained") else { return };
    let mut model = Model::load(&path, 1).expect("the model loads");
    let mut run = |images: &[Image<f32>], step: f64| {
        let options = Options { mirror: false, tile_step: Some(step) };
        model.segment(images, &options, &mut |_| {}).expect_err("it cannot run")
    };
    let image = small();
    assert!(matches!(run(&[], 0.5), SegmentError::Channels { given: 0, .. }));
    assert!(matches!(run(&[image.clone(), image.clone()], 0.5), SegmentError::Channels { given: 2, .. }));
    assert!(matches!(run(std::slice::from_ref(&image), 0.0), SegmentError::Step(_)));
    assert!(matches!(run(&[image.map(|_| 0.0)], 0.5), SegmentError::Empty));
    let mut broken = image.clone();
    broken.voxels[7] = f32::NAN;
    assert!(matches!(run(&[broken], 0.5), SegmentError::NotFinite { channel: 0, voxels: 1 }));
    let error = case(&path).err();
    // "canal" is a structure we know, "vertebra" and "disc" name no level.
    assert!(error.is_none(), "{error:?}");
}

#[test]
fn labels_reach_our_numbers() {
    let Some((_folder, path)) = copy("labels_reach_our_numbers") else { return };
    let by_name = case(&path).expect("it runs");
    std::fs::write(path.join("spinor.json"), r#"{"scheme": "verse"}"#).expect("written");
    let by_scheme = case(&path).expect("it runs");
    let own =
        Model::load(&path, 1).expect("loads").segment(&[hu().map(f32::from)], &Options::default(), &mut |_| {}).expect("it runs");
    for ((own, name), scheme) in own.voxels.iter().zip(&by_name.labels.voxels).zip(&by_scheme.labels.voxels) {
        assert_eq!(*name, if *own == 3 { 2 } else { 0 });
        assert_eq!(*scheme, if *own == 0 { 0 } else { 10 + own });
    }
    assert!(own.voxels.iter().any(|v| *v != 0), "an empty map proves nothing");

    // Two copies of a network are averaged to the same result.
    std::fs::copy(path.join("model.onnx"), path.join("model_fold0.onnx")).expect("copied");
    std::fs::rename(path.join("model.onnx"), path.join("model_fold1.onnx")).expect("renamed");
    let folds = case(&path).expect("it runs");
    assert_eq!(folds.labels.voxels, by_scheme.labels.voxels);
}
