//! Distances to several structures at once, before any cut and after: what the measures of one place sample over and over.

use crate::cut::CutState;
use crate::patient::Patient;
use crate::query::clamp_mm;
use crate::sample::carve;
use crate::spot::{Around, Spot, trilinear};

/// Some of a patient's structures, with what was cut from them.
pub(super) struct Tissue<'a> {
    patient: &'a Patient,
    cut: &'a CutState,
    structures: Vec<usize>,
    clamp_mm: f64,
}

/// Signed distances at a position, mm, negative inside; the clamp where nothing is near.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Distances {
    /// To the uncut structures.
    pub(super) before: f64,
    /// To what is left of them.
    pub(super) after: f64,
}

impl<'a> Tissue<'a> {
    /// The structures at some places of the patient's list; places that it lacks are left out.
    pub(super) fn new(patient: &'a Patient, cut: &'a CutState, structures: impl IntoIterator<Item = usize>) -> Self {
        let structures = structures.into_iter().filter(|k| *k < patient.structures().len()).collect();
        Self { patient, cut, structures, clamp_mm: clamp_mm(patient.grid()) }
    }

    /// Distances to the nearest of the structures.
    pub(super) fn distances(&self, at_mm: [f64; 3]) -> Distances {
        let grid = self.patient.grid();
        let spot = Spot::new(grid, at_mm);
        let distance = |around: &Around| trilinear(&spot.corners_mm(grid, around), spot.part());
        let mut nearest = Distances { before: self.clamp_mm, after: self.clamp_mm };
        for k in &self.structures {
            let s = &self.patient.structures()[*k];
            let Some(mut around) = spot.samples(&s.sdf) else { continue };
            let before = distance(&around);
            let mut after = before;
            if let Some(cut) = spot.samples(self.cut.field(s.class)) {
                around.iter_mut().zip(cut).for_each(|(v, cut)| *v = carve(*v, cut));
                after = distance(&around);
            }
            nearest.before = nearest.before.min(before);
            nearest.after = nearest.after.min(after);
        }
        nearest
    }

    /// Distance to what is left of the nearest of the structures.
    pub(super) fn after(&self, at_mm: [f64; 3]) -> f64 {
        self.distances(at_mm).after
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{UPRIGHT, boxes};
    use super::*;
    use crate::query::{effective_sdf_mm, sdf_mm};
    use crate::{ClassMask, CutOp, TissueClass};

    /// Proves that the shared look-ups give the same distances as asking each structure by itself.
    #[test]
    fn distances_equal_the_single_queries() {
        let patient = boxes(0.5, UPRIGHT);
        let mut cut = CutState::new(patient.grid());
        let bone = ClassMask::of(&[TissueClass::Bone]);
        cut.apply(&patient, &CutOp::capsule_mm(patient.grid(), [3.0, 12.0, 8.0], [3.0, 14.0, 9.0], 2.0, bone).unwrap());
        let tissue = Tissue::new(&patient, &cut, [1, 2, 99]);
        for n in 0..4_000_u32 {
            let spread = |k: u32, span: f64| (f64::from(n * k % 997) / 997.0 - 0.5) * span;
            let at = [spread(31, 50.0), 4.0 + spread(57, 50.0), spread(113, 90.0)];
            let d = tissue.distances(at);
            let whole = [1, 2].map(|k| sdf_mm(patient.grid(), &patient.structures()[k].sdf, at));
            let left = [1, 2].map(|k| effective_sdf_mm(&patient, &cut, k, at));
            assert_eq!((d.before, d.after), (whole[0].min(whole[1]), left[0].min(left[1])), "{at:?}");
        }
    }
}
