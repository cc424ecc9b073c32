//! Distances to several structures at once, before any cut and after: what the measures of one place sample over and over.

use crate::cut::CutState;
use crate::field::{BrickState, SparseField};
use crate::grid::{BRICK, Grid, VoxelIndex};
use crate::patient::Patient;
use crate::query::{cell, clamp_mm, trilinear};
use crate::sample::carve;

/// Some of a patient's structures, with what was cut from them.
pub(super) struct Tissue<'a> {
    patient: &'a Patient,
    cut: &'a CutState,
    structures: Vec<usize>,
    step_mm: f64,
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

/// A field's samples at a cell's corners.
#[derive(Clone, Copy)]
enum Corners {
    Uniform(i8),
    Each([i8; 8]),
}

impl Corners {
    fn at(self, k: usize) -> i8 {
        match self {
            Self::Uniform(v) => v,
            Self::Each(values) => values[k],
        }
    }
}

impl<'a> Tissue<'a> {
    /// The structures at some places of the patient's list; places that it lacks are left out.
    pub(super) fn new(patient: &'a Patient, cut: &'a CutState, structures: impl IntoIterator<Item = usize>) -> Self {
        let structures = structures.into_iter().filter(|k| *k < patient.structures().len()).collect();
        let grid = patient.grid();
        Self { patient, cut, structures, step_mm: grid.spacing_mm() / 32.0, clamp_mm: clamp_mm(grid) }
    }

    /// Distances to the nearest of the structures.
    pub(super) fn distances(&self, at_mm: [f64; 3]) -> Distances {
        let grid = self.patient.grid();
        let (low, part) = cell(grid, at_mm);
        let mut nearest = Distances { before: self.clamp_mm, after: self.clamp_mm };
        for k in &self.structures {
            let s = &self.patient.structures()[*k];
            let tissue = corners(grid, &s.sdf, low);
            if matches!(tissue, Corners::Uniform(127)) {
                continue;
            }
            let before = self.mix(|k| tissue.at(k), part);
            let cut = corners(grid, self.cut.field(s.class), low);
            let after = match cut {
                Corners::Uniform(127) => before,
                _ => self.mix(|k| carve(tissue.at(k), cut.at(k)), part),
            };
            nearest.before = nearest.before.min(before);
            nearest.after = nearest.after.min(after);
        }
        nearest
    }

    /// Distance to what is left of the nearest of the structures.
    pub(super) fn after(&self, at_mm: [f64; 3]) -> f64 {
        self.distances(at_mm).after
    }

    fn mix(&self, sample: impl Fn(usize) -> i8, part: [f64; 3]) -> f64 {
        let corner: [f64; 8] = std::array::from_fn(|k| (f64::from(sample(k)) + 0.5) * self.step_mm);
        trilinear(&corner, part)
    }
}

/// The samples at the corners of a cell, looked up once where all lie in one brick.
fn corners(grid: &Grid, field: &SparseField, low: [i32; 3]) -> Corners {
    let edge = BRICK as i32;
    if low.iter().all(|v| v.rem_euclid(edge) < edge - 1) {
        let Some((brick, at)) = grid.locate(VoxelIndex(low)) else { return Corners::Uniform(127) };
        return match field.brick(brick) {
            BrickState::Outside => Corners::Uniform(127),
            BrickState::Inside => Corners::Uniform(-127),
            BrickState::Samples(samples) => {
                Corners::Each(std::array::from_fn(|k| samples[at + (k & 1) + BRICK * (k >> 1 & 1) + BRICK * BRICK * (k >> 2)]))
            }
        };
    }
    let corner = |k: usize| {
        let k = k as i32;
        field.sample(grid, VoxelIndex([low[0] + (k & 1), low[1] + (k >> 1 & 1), low[2] + (k >> 2)]))
    };
    let values: [i8; 8] = std::array::from_fn(corner);
    if values == [127; 8] { Corners::Uniform(127) } else { Corners::Each(values) }
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
