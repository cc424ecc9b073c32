//! A cut without a formula: samples, brick by brick, as they were resolved once.

use super::change::{Change, Moved};
use super::op::CutError;
use super::state::{CutOutcome, CutState, live_in};
use crate::field::{BrickSamples, BrickState};
use crate::grid::{BRICK_VOXELS, BrickIndex};
use crate::label::{ClassMask, TissueClass};
use crate::patient::Patient;

/// Lowers one class's cut field to given samples wherever that takes something: what a loose piece leaves when it is lifted out.
///
/// Like an operation it commutes, repeats without effect and treats every brick by itself, so a recording that holds it replays without
/// any search, on any part of the bricks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The class it takes from.
    pub class: TissueClass,
    /// Distance to what it takes, 1/32 voxel, negative inside, +127 where it takes nothing; bricks in rising order.
    pub bricks: Vec<(BrickIndex, Box<BrickSamples>)>,
}

impl Stamp {
    /// Checks that the patient has all its bricks, in rising order, and that no sample is −128.
    ///
    /// # Errors
    /// Names the first brick that cannot be.
    pub fn check(&self, patient: &Patient) -> Result<(), CutError> {
        let mut before = None;
        for (brick, samples) in &self.bricks {
            let lives = patient.structures().iter().any(|s| s.class == self.class && s.sdf.brick(*brick) != BrickState::Outside);
            if !lives || before.is_some_and(|before| before >= *brick) {
                return Err(CutError::Brick(self.class, *brick));
            }
            if samples.contains(&i8::MIN) {
                return Err(CutError::Sample(*brick));
            }
            before = Some(*brick);
        }
        Ok(())
    }
}

impl CutState {
    /// Applies a stamp, as [`Self::apply`] does an operation; one that [`Stamp::check`] refuses changes nothing.
    pub fn stamp(&mut self, patient: &Patient, stamp: &Stamp) -> CutOutcome {
        self.stamp_where(patient, stamp, &|_| true)
    }

    /// As [`Self::stamp`], on the bricks that `keep` holds.
    pub fn stamp_where(&mut self, patient: &Patient, stamp: &Stamp, keep: &dyn Fn(BrickIndex) -> bool) -> CutOutcome {
        let mut outcome = CutOutcome::default();
        let grid = patient.grid();
        if stamp.check(patient).is_err() || grid.brick_count() != self.field(stamp.class).brick_count() {
            return outcome;
        }
        let mut removed = vec![0_i64; patient.structures().len()];
        let mut living = Vec::new();
        for (brick, samples) in stamp.bricks.iter().filter(|(brick, _)| keep(*brick)) {
            live_in(patient, ClassMask::of(&[stamp.class]), *brick, &mut living);
            let at = grid.brick_coords(*brick);
            let before = match self.field(stamp.class).brick(*brick) {
                BrickState::Samples(samples) => *samples,
                BrickState::Outside => [127; BRICK_VOXELS],
                BrickState::Inside => continue,
            };
            // As an operation, a stamp lowers the cut only where it takes something from a structure.
            let takes = |at: usize, sample: i8| {
                living.iter().any(|lives| match lives.state {
                    BrickState::Outside => false,
                    BrickState::Inside => true,
                    BrickState::Samples(tissue) => !sample > tissue[at],
                })
            };
            let mut after = before;
            for (n, (cut, sample)) in after.iter_mut().zip(samples.iter()).enumerate() {
                if sample < cut && takes(n, *sample) {
                    *cut = *sample;
                }
            }
            if before == after {
                continue;
            }
            let Some(stored) = self.brick_mut(stamp.class, *brick) else { continue };
            *stored = after;
            self.touch(stamp.class, *brick);
            outcome.touched.push((stamp.class, *brick));
            let mut moved = None;
            for lives in &living {
                let change = Change::of(lives.state, &before, &after);
                removed[lives.structure] += change.removed;
                moved = Moved::join(moved, change.moved);
                change.mark(grid, lives.structure, at, &mut outcome.dirty);
            }
            self.moved(stamp.class, *brick, moved);
        }
        outcome.dirty.sort_unstable();
        outcome.dirty.dedup();
        let taken = removed.iter().zip(patient.structures()).filter(|(n, _)| **n != 0);
        outcome.removed = taken.map(|(n, s)| (s.label, *n)).collect();
        outcome
    }
}
