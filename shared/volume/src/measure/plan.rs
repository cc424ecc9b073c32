//! What was removed outside a plan, and what a plan asked for and was not.

use thiserror::Error;

use crate::cut::{CutError, CutOp, CutState};
use crate::field::BrickState;
use crate::grid::{BRICK_VOXELS, BrickIndex};
use crate::label::Label;
use crate::patient::Patient;
use crate::sample::{carve, occupancy};

/// Why a plan cannot be used with a patient.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PlanError {
    /// One of its cuts is out of bounds for this patient.
    #[error("cut {index} of the plan")]
    Cut {
        /// Its place in the plan.
        index: usize,
        /// What is wrong with it.
        source: CutError,
    },
}

/// A planned removal: what the patient would be after exactly the planned cuts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    cut: CutState,
}

/// A structure's part of the difference between a plan and what was done, in 1/32 voxel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// The structure.
    pub structure: Label,
    /// Removed though not planned.
    pub outside: i64,
    /// Planned and not removed.
    pub missing: i64,
    /// Planned and removed.
    pub done: i64,
}

impl Plan {
    /// A plan from its cuts, in any order.
    ///
    /// # Errors
    /// When a cut is out of bounds.
    pub fn from_ops(patient: &Patient, ops: &[CutOp]) -> Result<Self, PlanError> {
        let mut cut = CutState::new(patient.grid());
        for (index, op) in ops.iter().enumerate() {
            op.check(patient.grid()).map_err(|source| PlanError::Cut { index, source })?;
            cut.apply(patient, op);
        }
        Ok(Self { cut })
    }

    /// The state after the planned cuts.
    pub fn cut(&self) -> &CutState {
        &self.cut
    }

    /// How what was done differs, per structure that either changed, in the order of the labels. Exact: whole steps of occupancy.
    pub fn deviations(&self, patient: &Patient, cut: &CutState) -> Vec<Deviation> {
        let mut all = Vec::new();
        for s in patient.structures() {
            let mut d = Deviation { structure: s.label, outside: 0, missing: 0, done: 0 };
            for brick in (0..patient.grid().brick_count() as u32).map(BrickIndex) {
                let states = (s.sdf.brick(brick), self.cut.field(s.class).brick(brick), cut.field(s.class).brick(brick));
                let (tissue, planned, taken) = states;
                if tissue == BrickState::Outside || (planned, taken) == (BrickState::Outside, BrickState::Outside) {
                    continue;
                }
                for at in 0..BRICK_VOXELS {
                    let value = sample(tissue, at);
                    let left = |state| i64::from(occupancy(carve(value, sample(state, at))));
                    let (whole, planned, now) = (i64::from(occupancy(value)), left(planned), left(taken));
                    d.outside += (planned - now).max(0);
                    d.missing += (now - planned).max(0);
                    d.done += whole - planned.max(now);
                }
            }
            if (d.outside, d.missing, d.done) != (0, 0, 0) {
                all.push(d);
            }
        }
        all
    }
}

fn sample(state: BrickState<'_>, at: usize) -> i8 {
    match state {
        BrickState::Outside => 127,
        BrickState::Inside => -127,
        BrickState::Samples(samples) => samples[at],
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{UPRIGHT, boxes};
    use super::*;
    use crate::query::remaining_volume_mm3;
    use crate::{ClassMask, TissueClass};

    /// Proves that what is outside, missing and done adds up to the volumes that the single states give, and that a plan done exactly has
    /// neither.
    #[test]
    fn deviations_add_up() {
        let patient = boxes(0.5, UPRIGHT);
        let ball = |x: f64| {
            CutOp::capsule_mm(patient.grid(), [x, 12.0, 10.0], [x, 13.0, 10.0], 2.5, ClassMask::of(&[TissueClass::Bone])).unwrap()
        };
        let plan = Plan::from_ops(&patient, &[ball(0.0), ball(2.0)]).unwrap();
        assert_eq!(plan.deviations(&patient, plan.cut()).iter().map(|d| (d.outside, d.missing)).collect::<Vec<_>>(), [(0, 0)]);
        let mut done = CutState::new(patient.grid());
        done.apply(&patient, &ball(2.0));
        done.apply(&patient, &ball(5.0));
        let d = plan.deviations(&patient, &done);
        assert_eq!(d.len(), 1);
        assert!(d[0].structure == Label::lumbar(4) && d[0].outside > 0 && d[0].missing > 0 && d[0].done > 0);
        let place = patient.structures().iter().position(|s| s.label == Label::lumbar(4)).unwrap();
        let gone = |cut: &CutState| {
            let none = CutState::new(patient.grid());
            remaining_volume_mm3(&patient, &none, place) - remaining_volume_mm3(&patient, cut, place)
        };
        let mm3 = |steps: i64| steps as f64 / 32.0 * patient.grid().voxel_mm3();
        assert!((mm3(d[0].outside + d[0].done) - gone(&done)).abs() < 1e-6);
        assert!((mm3(d[0].missing + d[0].done) - gone(plan.cut())).abs() < 1e-6);
        let wrong = CutOp { classes: ClassMask(0), ..ball(0.0) };
        assert!(matches!(Plan::from_ops(&patient, &[ball(0.0), wrong]), Err(PlanError::Cut { index: 1, .. })));
    }
}
