//! The user's own contours in preparation: read, checked against the image, and given the place of what was there.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;

use rayon::prelude::*;
use spinor_volume::{Label, TissueClass};

use super::input::{Base, check_labels};
use super::{PrepareError, PrepareOptions};
use crate::contours::{ContourFileError, Target, read_contours};
use crate::volume3d::{Geometry, Image};

/// The structures of one file.
pub(super) struct Drawn {
    path: PathBuf,
    pub(super) labels: Image<u16>,
    present: BTreeSet<Label>,
}

impl Drawn {
    pub(super) fn holds_bone(&self) -> bool {
        self.present.iter().any(|label| label.class() == Some(TissueClass::Bone))
    }
}

/// Reads all files of contours.
pub(super) fn read(
    options: &PrepareOptions,
    base: Base<'_>,
    frame: Option<&str>,
    warnings: &mut Vec<String>,
) -> Result<Vec<Drawn>, PrepareError> {
    let mut all: Vec<Drawn> = Vec::new();
    for path in &options.contours {
        let target = Target { geometry: base.geometry, frame };
        let made = read_contours(path, target, &options.contour_options)
            .map_err(|source| ContourFileError { path: path.clone(), source })?;
        check_labels(&made.labels, base, warnings)?;
        let present = made.present();
        for other in &all {
            if let Some(label) = other.present.intersection(&present).next() {
                let (first, second) = (other.path.clone(), path.clone());
                return Err(PrepareError::DrawnTwice { structure: label.name(), first, second });
            }
        }
        warnings.extend(made.warnings);
        all.push(Drawn { path: path.clone(), labels: made.labels, present });
    }
    Ok(all)
}

/// Takes the drawn structures, and whatever lies where they are, out of `labels`, and returns those that were there before.
pub(super) fn make_room(labels: &mut Image<u16>, drawn: &[Drawn], warnings: &mut Vec<String>) -> BTreeSet<Label> {
    let mut corrected = BTreeSet::new();
    if drawn.is_empty() {
        return corrected;
    }
    let all: BTreeSet<u16> = drawn.iter().flat_map(|d| &d.present).map(|label| label.0).collect();
    let geometry = labels.geometry;
    let plane = (geometry.size[0] * geometry.size[1]).max(1);
    let had: BTreeSet<u16> = labels.voxels.iter().copied().filter(|n| all.contains(n)).collect();
    let taken: Vec<(u16, u64)> = labels
        .voxels
        .par_chunks_mut(plane)
        .enumerate()
        .map(|(k, voxels)| {
            let mut taken: Vec<(u16, u64)> = Vec::new();
            for (at, voxel) in voxels.iter_mut().enumerate().filter(|(_, voxel)| **voxel != 0) {
                if all.contains(voxel) {
                    *voxel = 0;
                    continue;
                }
                let at_mm = geometry.patient_from_index(geometry.index_of(k * plane + at).map(|v| v as f64));
                if drawn.iter().any(|d| d.labels.nearest(at_mm).is_some_and(|n| n != 0)) {
                    match taken.iter_mut().find(|(number, _)| number == voxel) {
                        Some((_, count)) => *count += 1,
                        None => taken.push((*voxel, 1)),
                    }
                    *voxel = 0;
                }
            }
            taken
        })
        .flatten()
        .collect();
    corrected.extend(had.into_iter().map(Label));
    let numbers: BTreeSet<u16> = taken.iter().map(|(number, _)| *number).collect();
    for number in numbers {
        let count: u64 = taken.iter().filter(|(n, _)| *n == number).map(|(_, count)| count).sum();
        let volume = count as f64 * geometry.voxel_mm3();
        if volume > TOLD_MM3 {
            warnings.push(format!("Contours took {volume:.0} mm³ from {}.", Label(number).name()));
        }
    }
    corrected
}

/// The label map with the bones that were drawn, as registration looks for them: on its own lattice where that reaches them all, else on
/// the CT's.
pub(super) fn with_bones<'a>(labels: &'a Image<u16>, drawn: &[Drawn], ct: &Geometry) -> Cow<'a, Image<u16>> {
    let bones: Vec<&Drawn> = drawn.iter().filter(|d| d.holds_bone()).collect();
    if bones.is_empty() {
        return Cow::Borrowed(labels);
    }
    let bone = |number: u16| Label(number).class() == Some(TissueClass::Bone);
    let reached = bones.iter().all(|d| {
        let geometry = &d.labels.geometry;
        let place = |at: usize| geometry.patient_from_index(geometry.index_of(at).map(|v| v as f64));
        d.labels.voxels.iter().enumerate().filter(|(_, n)| bone(**n)).all(|(at, _)| labels.nearest(place(at)).is_some())
    });
    let geometry = if reached { labels.geometry } else { *ct };
    let plane = (geometry.size[0] * geometry.size[1]).max(1);
    let mut all = Image::filled(geometry, 0_u16);
    all.voxels.par_chunks_mut(plane).enumerate().for_each(|(k, voxels)| {
        for (at, voxel) in voxels.iter_mut().enumerate() {
            let at_mm = geometry.patient_from_index(geometry.index_of(k * plane + at).map(|v| v as f64));
            let own = bones.iter().find_map(|d| d.labels.nearest(at_mm).filter(|n| bone(*n)));
            *voxel = own.or_else(|| labels.nearest(at_mm)).unwrap_or(0);
        }
    });
    Cow::Owned(all)
}

/// What contours take from their neighbours is told from this volume on, mm³: a rim where they touch is not.
const TOLD_MM3: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn map(geometry: Geometry, number: u16) -> Image<u16> {
        let mut labels = Image::filled(geometry, 0);
        labels.voxels[geometry.offset([2, 2, 2])] = number;
        labels
    }

    /// Bones that only contours hold are there for registration, beside those of the label map, wherever they lie in the CT.
    #[test]
    fn drawn_bones_are_registered_too() {
        let ct = Geometry::axis_aligned([40, 40, 40], [0.5; 3], [0.0; 3]).unwrap();
        let small = Geometry::axis_aligned([6, 6, 6], [1.0; 3], [0.0; 3]).unwrap();
        let labels = map(small, 44);
        let drawn = |geometry, number| {
            let labels = map(geometry, number);
            let present = [Label(number)].into();
            [Drawn { path: PathBuf::new(), labels, present }]
        };
        // A sac is no bone.
        assert!(matches!(with_bones(&labels, &drawn(small, 2), &ct), Cow::Borrowed(_)));
        let near = Geometry { origin_mm: [2.0, 0.0, 0.0], ..small };
        let near = with_bones(&labels, &drawn(Geometry { size: [4, 6, 6], ..near }, 43), &ct).into_owned();
        assert_eq!((near.geometry, near.nearest([4.0, 2.0, 2.0]), near.nearest([2.0; 3])), (small, Some(43), Some(44)));
        let far = Geometry { origin_mm: [10.0, 0.0, 0.0], ..small };
        let far = with_bones(&labels, &drawn(far, 43), &ct).into_owned();
        assert_eq!((far.geometry, far.nearest([12.0, 2.0, 2.0]), far.nearest([2.0; 3])), (ct, Some(43), Some(44)));
    }
}
