//! A label map that was exported from a case, corrected by hand and given back: which structures were changed, and what the others are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use spinor_shared::case::Case;
use spinor_shared::file::{MAX_CASE_BYTES, read_bounded};
use spinor_volume::cut::CutState;
use spinor_volume::query::effective_sdf_mm;
use spinor_volume::{Label, Patient, Source};

use super::PrepareError;
use crate::bake::Baked;
use crate::export::labels_on_geometry;
use crate::volume3d::Image;

/// A voxel this near to a surface may change sides when positions are rounded in a file, mm.
const ROUNDING_MM: f64 = 0.02;

/// Whether a number is one of Spinor's own (flavum, roots), which no other program's map holds.
pub(super) fn is_own(number: u16) -> bool {
    number > 110 && Label(number).class().is_some()
}

/// What an earlier case says of the structures of a label map.
pub(super) struct Since {
    /// Source, uncertainty and what was corrected, by label.
    known: BTreeMap<u16, (Source, f32, Option<&'static str>)>,
}

/// Compares a label map in the case's numbers with what the case in `path` gives on the same lattice.
pub(super) fn since(path: &Path, labels: &Image<u16>, warnings: &mut Vec<String>) -> Result<Since, PrepareError> {
    let unreadable = |why: String| PrepareError::Corrects { path: path.to_owned(), why };
    let file = File::open(path).map_err(|e| unreadable(e.to_string()))?;
    let length = file.metadata().map_err(|e| unreadable(e.to_string()))?.len();
    let bytes = read_bounded(file, length, MAX_CASE_BYTES).map_err(|e| unreadable(e.to_string()))?;
    let earlier = Case::decode(&bytes).map_err(|e| unreadable(e.to_string()))?.patient;
    let edited = edited(&earlier, labels);
    let present: BTreeSet<u16> = labels.voxels.iter().copied().filter(|n| *n != 0).collect();
    let mut known = BTreeMap::new();
    for number in &present {
        let before = earlier.structure(Label(*number));
        known.insert(
            *number,
            match before {
                Some(s) if !edited.contains(number) => (s.source, s.uncertainty_mm, None),
                Some(s) => (Source::Contoured, 0.0, Some(s.source.word())),
                None => (Source::Contoured, 0.0, None),
            },
        );
    }
    let gone: Vec<String> =
        earlier.structures().iter().filter(|s| !present.contains(&s.label.0)).map(|s| s.label.name()).collect();
    if !gone.is_empty() {
        warnings.push(format!("Of the case that was corrected, the label map no longer holds {}.", gone.join(", ")));
    }
    Ok(Since { known })
}

/// Labels of structures whose voxels differ by more than rounding.
fn edited(earlier: &Patient, labels: &Image<u16>) -> BTreeSet<u16> {
    let expected = labels_on_geometry(earlier, None, labels.geometry);
    let none = CutState::new(earlier.grid());
    let mut edited = BTreeSet::new();
    for (at, (now, before)) in labels.voxels.iter().zip(&expected.voxels).enumerate().filter(|(_, (now, before))| now != before) {
        let at_mm = labels.geometry.patient_from_index(labels.geometry.index_of(at).map(|v| v as f64));
        for number in [now, before] {
            if *number != 0 && !edited.contains(number) {
                let structure = earlier.structures().iter().position(|s| s.label.0 == *number);
                if structure.is_none_or(|n| effective_sdf_mm(earlier, &none, n, at_mm).abs() > ROUNDING_MM) {
                    edited.insert(*number);
                }
            }
        }
    }
    edited
}

impl Since {
    /// Marks baked structures as what they are: unchanged ones keep their source and at least their uncertainty.
    pub(super) fn mark(&self, baked: &mut Baked) {
        for structure in baked.structures.iter_mut().filter(|s| s.source == Source::Labelled) {
            if let Some((source, uncertainty_mm, _)) = self.known.get(&structure.label.0) {
                structure.source = *source;
                structure.uncertainty_mm = structure.uncertainty_mm.max(*uncertainty_mm);
            }
        }
    }

    /// The source of what a structure took the place of.
    pub(super) fn corrects(&self, label: u16) -> Option<&'static str> {
        self.known.get(&label).and_then(|known| known.2)
    }
}
