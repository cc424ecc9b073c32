//! Segmentation for a case: one image, the model's labels turned into ours.

use super::{Model, ModelFolder, Options, Progress, SegmentError};
use crate::volume3d::Image;
use std::path::Path;

/// The label map of one image in our label numbers, by the model in `model_dir`, which must take a single channel.
///
/// Labels are known by their names in `dataset.json`, or by the scheme that the folder's `spinor.json` names; what is no
/// structure of the spine becomes background.
///
/// # Errors
/// As [`Model::load`] and [`Model::segment`], and when none of the model's labels is known.
pub fn segment_for_case<T: Copy + Into<f32>>(
    model_dir: &Path,
    image: &Image<T>,
    threads: usize,
    progress: &mut dyn FnMut(Progress),
) -> Result<Image<u16>, SegmentError> {
    let folder = ModelFolder::open(model_dir)?;
    if folder.labels().is_empty() {
        return Err(no_known_label(&folder));
    }
    let mut model = Model::from_folder(folder, threads)?;
    let mut labels = model.segment(&[image.map(Into::into)], &Options::default(), progress)?;
    relabel_for_case(model.folder(), &mut labels)?;
    Ok(labels)
}

/// Turns a label map that the model wrote into our label numbers, in place.
///
/// # Errors
/// When none of the model's labels is known.
pub fn relabel_for_case(folder: &ModelFolder, labels: &mut Image<u16>) -> Result<(), SegmentError> {
    if let Some(scheme) = folder.settings.scheme {
        scheme.relabel(&mut labels.voxels);
        return Ok(());
    }
    let table = folder.labels();
    if table.is_empty() {
        return Err(no_known_label(folder));
    }
    for voxel in &mut labels.voxels {
        *voxel = table.get(voxel).map_or(0, |label| label.0);
    }
    Ok(())
}

fn no_known_label(folder: &ModelFolder) -> SegmentError {
    let names: Vec<&str> = folder.dataset.names.values().map(String::as_str).take(20).collect();
    SegmentError::NoKnownLabel { folder: folder.path.clone(), labels: names.join(", ") }
}
