//! Segmentation for a case: one image, the model's labels turned into ours.

use super::spine::{Part, spine_from_parts};
use super::{Modality, Model, ModelFolder, Options, Progress, SegmentError};
use crate::volume3d::Image;
use spinor_volume::Label;
use std::collections::BTreeMap;

/// What a model made of a CT.
#[derive(Clone, Debug, PartialEq)]
pub struct Segmented {
    /// In our label numbers, on the CT's voxels.
    pub labels: Image<u16>,
    /// Confidence by label number, 0-1, where the model gives one.
    pub confidence: BTreeMap<u16, f64>,
    /// How far surfaces may be off by what was measured, mm; 0 when nobody measured it.
    pub uncertainty_mm: f64,
    /// What a reader must know, most important first.
    pub notes: Vec<String>,
}

/// The label map of a CT in our label numbers, by a model that takes a single channel.
///
/// Labels are known by their names in `dataset.json`, or by the scheme that the folder's `spinor.json` names; what is no
/// structure of the spine becomes background. A model of parts has no levels: [`super::spine`] counts them, from `lowest` if it is given.
///
/// # Errors
/// As [`Model::load`] and [`Model::segment`], when the model is for MR, when none of its labels is known, or when its parts make no spine.
pub fn segment_for_case(
    folder: ModelFolder,
    ct: &Image<i16>,
    lowest: Option<Label>,
    threads: usize,
    progress: &mut dyn FnMut(Progress),
) -> Result<Segmented, SegmentError> {
    let parts = folder.parts();
    if parts.is_none() && folder.labels().is_empty() {
        return Err(no_known_label(&folder));
    }
    let uncertainty_mm = folder.settings.uncertainty_mm.unwrap_or(0.0);
    let mut notes: Vec<String> = folder.settings.quality.iter().cloned().collect();
    match (folder.settings.modality, folder.modality()) {
        (Some(Modality::Mr), _) => return Err(SegmentError::ForMr { folder: folder.path }),
        (None, Modality::Mr) => notes.push(format!(
            "The model in {} names its input {}, not CT, and was run on the CT: if it is for CT, say so in its spinor.json, {{\"modality\": \"ct\"}}.",
            folder.path.display(),
            folder.dataset.channels.first().map_or("nothing", String::as_str)
        )),
        _ => {}
    }
    let mut model = Model::from_folder(folder, threads)?;
    let mut labels = model.segment(&[ct.map(f32::from)], &Options::default(), progress)?;
    let Some(parts) = parts else {
        relabel_for_case(model.folder(), &mut labels)?;
        return Ok(Segmented { labels, confidence: BTreeMap::new(), uncertainty_mm, notes });
    };
    for voxel in &mut labels.voxels {
        *voxel = parts.get(voxel).copied().unwrap_or(Part::Background) as u16;
    }
    let spine = model.pool.install(|| spine_from_parts(&labels, ct, lowest))?;
    notes.splice(0..0, spine.notes);
    Ok(Segmented { labels: spine.labels, confidence: spine.confidence, uncertainty_mm, notes })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::built_in;
    use crate::volume3d::{Geometry, IDENTITY};

    /// A model that says that it is for MR is not run on a CT.
    #[test]
    fn a_model_for_mr_is_refused() {
        let mut folder = built_in().unwrap();
        folder.settings.modality = Some(Modality::Mr);
        let geometry = Geometry { size: [1; 3], spacing_mm: [1.0; 3], origin_mm: [0.0; 3], direction: IDENTITY };
        let ct = Image { geometry, voxels: vec![0] };
        let error = segment_for_case(folder, &ct, None, 1, &mut |_| {}).unwrap_err();
        assert!(matches!(error, SegmentError::ForMr { .. }), "{error}");
    }
}
