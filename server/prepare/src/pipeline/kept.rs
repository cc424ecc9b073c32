//! Segmenting what a run before this one segmented: its result is taken, where the scan, the model and the program are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use spinor_volume::Label;

use crate::runtime;
use crate::segment::{ModelFolder, Progress, Scan, SegmentError, Segmented, segment_for_case};
use crate::stages::{Key, Stages};
use crate::volume3d::{Geometry, Image};

/// A [`Segmented`] on the scan's own voxels.
#[derive(Serialize, Deserialize)]
struct Kept {
    voxels: Vec<u16>,
    confidence: BTreeMap<u16, f64>,
    uncertainty_mm: f64,
    notes: Vec<String>,
}

/// As [`segment_for_case`], or what it gave before; whether that is so.
///
/// # Errors
/// As [`segment_for_case`].
pub(super) fn segment_once(
    stages: Option<&Stages>,
    folder: ModelFolder,
    scan: Scan<'_>,
    lowest: Option<Label>,
    threads: usize,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Segmented, bool), SegmentError> {
    let geometry = match scan {
        Scan::Ct(ct) => ct.geometry,
        Scan::Mr(mr) => mr.geometry,
    };
    let place = stages.and_then(|stages| Some((stages, key(stages, &folder, scan, &geometry, lowest)?)));
    if let Some(before) = place.as_ref().and_then(|(stages, key)| stages.take(key)) {
        let Kept { voxels, confidence, uncertainty_mm, notes } = before;
        if let Ok(labels) = Image::new(geometry, voxels) {
            return Ok((Segmented { labels, confidence, uncertainty_mm, notes }, true));
        }
    }
    let made = segment_for_case(folder, scan, lowest, threads, progress)?;
    if let Some((stages, key)) = &place {
        let (voxels, confidence, notes) = (made.labels.voxels.clone(), made.confidence.clone(), made.notes.clone());
        stages.keep(key, &Kept { voxels, confidence, uncertainty_mm: made.uncertainty_mm, notes });
    }
    Ok((made, false))
}

/// All that a segmentation is made from; none where a part of it cannot be read.
fn key(stages: &Stages, folder: &ModelFolder, scan: Scan<'_>, geometry: &Geometry, lowest: Option<Label>) -> Option<Key> {
    let mut key = stages.key("segment");
    key.add_all(geometry.size.map(|n| n as f64)).add_all(geometry.spacing_mm).add_all(geometry.origin_mm);
    key.add_all(geometry.direction.into_iter().flatten());
    let voxels: Vec<u8> = match scan {
        Scan::Ct(ct) => ct.voxels.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Scan::Mr(mr) => mr.voxels.iter().flat_map(|v| v.to_bits().to_le_bytes()).collect(),
    };
    key.add(&[matches!(scan, Scan::Mr(_)) as u8]).add(&voxels);
    key.add(&lowest.map_or(0, |label| label.0).to_le_bytes());
    // What reads and steers the network: every setting that was understood, and the network itself.
    let settings = ModelFolder { path: "".into(), networks: Vec::new(), embedded: None, ..folder.clone() };
    key.add(format!("{settings:?}").as_bytes());
    match folder.embedded {
        Some(network) => _ = key.add(network),
        None => {
            // Weights may lie beside the network, in files of their own.
            let is_part = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains(".onnx"));
            let places: BTreeSet<&Path> = folder.networks.iter().filter_map(|network| network.parent()).collect();
            let mut files: BTreeSet<PathBuf> = folder.networks.iter().cloned().collect();
            for place in places {
                files.extend(std::fs::read_dir(place).ok()?.filter_map(|entry| Some(entry.ok()?.path())).filter(is_part));
            }
            for file in files {
                let mut hasher = blake3::Hasher::new();
                hasher.update_reader(File::open(&file).ok()?).ok()?;
                key.add(file.file_name()?.as_encoded_bytes()).add(hasher.finalize().as_bytes());
            }
        }
    }
    // Another ONNX Runtime may round otherwise.
    let library = runtime::library().ok()?;
    let size = std::fs::metadata(&library).ok()?.len();
    key.add(library.as_os_str().as_encoded_bytes()).add(&size.to_le_bytes());
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::{Modality, built_in};

    /// Whatever a segmentation is made from changes its key: a voxel, where it lies, the kind of image, the lowest level, the model.
    #[test]
    fn keys_tell_everything_apart() {
        if runtime::library().is_err() {
            eprintln!("skipped: no ONNX Runtime");
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let stages = Stages::open(directory.path()).unwrap();
        let geometry = Geometry::new([2, 3, 4], [1.0; 3], [0.0; 3], crate::volume3d::IDENTITY).unwrap();
        let moved = Geometry::new([2, 3, 4], [1.0; 3], [0.0, 0.0, 1e-9], crate::volume3d::IDENTITY).unwrap();
        let ct = Image::filled(geometry, 40_i16);
        let mut other = ct.clone();
        other.voxels[5] += 1;
        let mr = Image::filled(geometry, 40.0_f32);
        let (model, of_mr) = (built_in(Modality::Ct).unwrap(), built_in(Modality::Mr).unwrap());
        let mut stepped = model.clone();
        stepped.settings.tile_step = Some(0.7);
        let name = |model: &ModelFolder, scan: Scan<'_>, geometry: &Geometry, lowest| {
            key(&stages, model, scan, geometry, lowest).unwrap().name()
        };
        let all = [
            name(&model, Scan::Ct(&ct), &geometry, None),
            name(&model, Scan::Ct(&other), &geometry, None),
            name(&model, Scan::Ct(&ct), &moved, None),
            name(&model, Scan::Mr(&mr), &geometry, None),
            name(&model, Scan::Ct(&ct), &geometry, Some(Label::lumbar(4))),
            name(&of_mr, Scan::Ct(&ct), &geometry, None),
            name(&stepped, Scan::Ct(&ct), &geometry, None),
        ];
        let different: BTreeSet<&String> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(all[0], name(&model, Scan::Ct(&ct.clone()), &geometry, None));
    }
    /// A network in files is known by what all of them hold: weights beside it count as it does, and what is no part of it does not.
    #[test]
    fn weights_beside_a_network_count() {
        if runtime::library().is_err() {
            eprintln!("skipped: no ONNX Runtime");
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let stages = Stages::open(&directory.path().join("stages")).unwrap();
        let geometry = Geometry::new([2, 3, 4], [1.0; 3], [0.0; 3], crate::volume3d::IDENTITY).unwrap();
        let ct = Image::filled(geometry, 40_i16);
        let file = |name: &str| directory.path().join(name);
        let write = |name: &str, bytes: &[u8]| std::fs::write(file(name), bytes).unwrap();
        let model = ModelFolder { networks: vec![file("model.onnx")], embedded: None, ..built_in(Modality::Ct).unwrap() };
        let name = || Some(key(&stages, &model, Scan::Ct(&ct), &geometry, None)?.name());
        assert_eq!(name(), None, "a network that cannot be read");
        write("model.onnx", b"network");
        let alone = name().unwrap();
        write("notes.txt", b"of somebody");
        assert_eq!(name().unwrap(), alone);
        write("model.onnx.data", b"weights");
        let beside = name().unwrap();
        write("model.onnx.data", b"Weights");
        let all = BTreeSet::from([alone, beside, name().unwrap()]);
        assert_eq!(all.len(), 3);
    }
}
