//! Segmentation for a case: one image, the model's labels turned into ours.

use super::spine::{Guide, Part, spine_from_parts};
use super::{Modality, Model, ModelFolder, Options, Progress, SegmentError};
use crate::volume3d::Image;
use spinor_volume::Label;
use std::collections::BTreeMap;

/// What a model made of a scan.
#[derive(Clone, Debug, PartialEq)]
pub struct Segmented {
    /// In our label numbers, on the scan's voxels.
    pub labels: Image<u16>,
    /// Confidence by label number, 0-1, where there is a measure of it: in a CT how well the network's border of a bone and the CT's edge
    /// agree, in an MR how well a structure agrees with what is found in the mirrored image (Dice). It says nothing about a level's name.
    pub confidence: BTreeMap<u16, f64>,
    /// How far surfaces may be off by what was measured, mm; 0 when nobody measured it.
    pub uncertainty_mm: f64,
    /// What a reader must know, most important first.
    pub notes: Vec<String>,
}

/// The image that is to be segmented.
#[derive(Clone, Copy, Debug)]
pub enum Scan<'a> {
    /// A CT, in HU.
    Ct(&'a Image<i16>),
    /// An MR, in whatever its scanner counts in.
    Mr(&'a Image<f32>),
}

impl Scan<'_> {
    fn modality(self) -> Modality {
        match self {
            Self::Ct(_) => Modality::Ct,
            Self::Mr(_) => Modality::Mr,
        }
    }

    fn values(self) -> Image<f32> {
        match self {
            Self::Ct(ct) => ct.map(f32::from),
            Self::Mr(mr) => mr.clone(),
        }
    }
}

/// The label map of a scan in our label numbers, by a model that takes a single channel.
///
/// Labels are known by their names in `dataset.json`, or by the scheme that the folder's `spinor.json` names; what is no
/// structure of the spine becomes background. A model of parts has no levels: [`super::spine`] counts them, from `lowest` if it is given. In an
/// MR it is run on the mirrored image as well, and a structure's confidence is how well the two agree.
///
/// # Errors
/// As [`Model::load`] and [`Model::segment`], when the model is for the other kind of image, when none of its labels is known, or when its
/// parts make no spine.
pub fn segment_for_case(
    folder: ModelFolder,
    scan: Scan<'_>,
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
    match (scan.modality(), folder.settings.modality, folder.modality()) {
        (Modality::Ct, Some(Modality::Mr), _) => return Err(SegmentError::ForMr { folder: folder.path }),
        (Modality::Mr, _, Modality::Ct) => return Err(SegmentError::ForCt { folder: folder.path }),
        (Modality::Ct, None, Modality::Mr) => notes.push(format!(
            "The model in {} names its input {}, not CT, and was run on the CT: if it is for CT, say so in its spinor.json, {{\"modality\": \"ct\"}}.",
            folder.path.display(),
            folder.dataset.channels.first().map_or("nothing", String::as_str)
        )),
        _ => {}
    }
    let mut model = Model::from_folder(folder, threads)?;
    let values = scan.values();
    let Some(parts) = parts else {
        let mut labels = model.segment(&[values], &Options::default(), progress)?;
        relabel_for_case(model.folder(), &mut labels)?;
        return Ok(Segmented { labels, confidence: BTreeMap::new(), uncertainty_mm, notes });
    };
    let mut find = |image: &Image<f32>, progress: &mut dyn FnMut(Progress)| {
        let mut found = model.segment(std::slice::from_ref(image), &Options::default(), progress)?;
        for voxel in &mut found.voxels {
            *voxel = parts.get(voxel).copied().unwrap_or(Part::Background) as u16;
        }
        Ok::<_, SegmentError>(found)
    };
    let found = find(&values, progress)?;
    let mirrored = match scan {
        Scan::Ct(_) => None,
        Scan::Mr(_) => Some(mirrored(&find(&mirrored(&values), progress)?)),
    };
    let guide = match scan {
        Scan::Ct(ct) => Guide::Ct(ct),
        Scan::Mr(_) => Guide::Mr,
    };
    let mut spine = model.pool.install(|| spine_from_parts(&found, guide, lowest))?;
    if let Some(other) = mirrored {
        // A mirrored image in which no spine is found agrees in nothing.
        let other = model.pool.install(|| spine_from_parts(&other, guide, lowest)).ok();
        spine.confidence = agreement(&spine.labels, other.as_ref().map(|o| &o.labels));
        spine.notes.extend(doubtful(&spine.confidence));
    }
    notes.splice(0..0, spine.notes);
    Ok(Segmented { labels: spine.labels, confidence: spine.confidence, uncertainty_mm, notes })
}

/// Below this agreement a structure is pointed out.
const POOR_AGREEMENT: f64 = 0.8;

/// An image with its left and right exchanged, on the same voxels: along the axis that runs most from side to side.
fn mirrored<T: Copy>(image: &Image<T>) -> Image<T> {
    let geometry = image.geometry;
    let sideways = |k: usize| {
        let mut index = [0.0; 3];
        let from = geometry.patient_from_index(index)[0];
        index[k] = 1.0;
        (geometry.patient_from_index(index)[0] - from).abs() / geometry.spacing_mm[k]
    };
    let axis = (0..3).max_by(|a, b| sideways(*a).total_cmp(&sideways(*b))).unwrap_or(0);
    let voxels = (0..image.voxels.len()).map(|at| {
        let mut index = geometry.index_of(at);
        index[axis] = geometry.size[axis] - 1 - index[axis];
        image.voxels[geometry.offset(index)]
    });
    Image { geometry, voxels: voxels.collect() }
}

/// Dice of every structure as found in two label maps, to hundredths.
fn agreement(labels: &Image<u16>, other: Option<&Image<u16>>) -> BTreeMap<u16, f64> {
    let mut counts: BTreeMap<u16, [usize; 3]> = BTreeMap::new();
    for (at, label) in labels.voxels.iter().enumerate() {
        let second = other.map_or(0, |o| o.voxels[at]);
        for (n, found) in [*label, second].into_iter().enumerate().filter(|(_, found)| *found != 0) {
            counts.entry(found).or_default()[n] += 1;
        }
        if *label != 0 && *label == second {
            counts.entry(*label).or_default()[2] += 1;
        }
    }
    let own = counts.into_iter().filter(|(_, [a, _, _])| *a > 0);
    own.map(|(label, [a, b, both])| (label, (200.0 * both as f64 / (a + b) as f64).round() / 100.0)).collect()
}

fn doubtful(confidence: &BTreeMap<u16, f64>) -> Option<String> {
    let poor: Vec<String> = confidence
        .iter()
        .filter(|(_, share)| **share < POOR_AGREEMENT)
        .map(|(label, share)| format!("{} {share:.2}", Label(*label).name()))
        .collect();
    (!poor.is_empty()).then(|| {
        format!(
            "In the mirrored image the model finds these otherwise (Dice of the two): {}. Look at them first, or draw them by hand.",
            poor.join(", ")
        )
    })
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

    fn geometry(size: [usize; 3]) -> Geometry {
        Geometry { size, spacing_mm: [1.0; 3], origin_mm: [0.0; 3], direction: IDENTITY }
    }

    /// A model that says that it is for MR is not run on a CT, nor one for CT on an MR.
    #[test]
    fn a_model_for_the_other_kind_of_image_is_refused() {
        let ct = Image { geometry: geometry([1; 3]), voxels: vec![0] };
        let error = segment_for_case(built_in(Modality::Mr).unwrap(), Scan::Ct(&ct), None, 1, &mut |_| {}).unwrap_err();
        assert!(matches!(error, SegmentError::ForMr { .. }), "{error}");
        let mr = ct.map(f32::from);
        let error = segment_for_case(built_in(Modality::Ct).unwrap(), Scan::Mr(&mr), None, 1, &mut |_| {}).unwrap_err();
        assert!(matches!(error, SegmentError::ForCt { .. }), "{error}");
    }

    /// Sides are exchanged along the axis that runs from side to side, wherever it is stored.
    #[test]
    fn an_image_is_mirrored_from_side_to_side() {
        let mut sagittal = geometry([2, 3, 4]);
        // Stored front to back, downwards, left to right.
        sagittal.direction = [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]];
        let image = Image { geometry: sagittal, voxels: (0..24).collect::<Vec<u16>>() };
        let other = mirrored(&image);
        for at in 0..24 {
            let [x, y, z] = sagittal.index_of(at);
            assert_eq!(other.voxels[at], image.voxels[sagittal.offset([x, y, 3 - z])]);
        }
        assert_eq!(mirrored(&other), image);
    }

    /// Agreement is the Dice of the same label; one that the other map lacks has none, one that only the other has is left out.
    #[test]
    fn agreement_is_by_label() {
        let of = |voxels: &[u16]| Image { geometry: geometry([6, 1, 1]), voxels: voxels.to_vec() };
        let (a, b) = (of(&[45, 45, 45, 44, 2, 0]), of(&[45, 45, 0, 43, 2, 2]));
        let found = agreement(&a, Some(&b));
        assert_eq!(found, BTreeMap::from([(2, 0.67), (44, 0.0), (45, 0.8)]));
        let note = doubtful(&found).unwrap();
        assert!(note.contains("vertebrae_L4 0.00") && note.contains("dural_sac 0.67") && !note.contains("L5"), "{note}");
        assert_eq!(agreement(&a, None)[&45], 0.0);
        assert_eq!(doubtful(&agreement(&a, Some(&a))), None);
    }
}
