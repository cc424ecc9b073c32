//! How much of a structure there was in a region, and how much is left: exact sums of whole steps.

use super::frame::{LocalFrame, Side};
use crate::cut::CutState;
use crate::field::BrickState;
use crate::grid::{BRICK, BRICK_VOXELS};
use crate::patient::Patient;
use crate::sample::{carve, occupancy};

/// An amount of tissue in steps of 1/32 voxel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Before any cut.
    pub before: i64,
    /// What is left.
    pub left: i64,
}

impl Amount {
    /// What was removed.
    pub const fn removed(self) -> i64 {
        self.before - self.left
    }

    /// What is left in thousandths of what there was; 1,000 where there was nothing.
    pub const fn left_per_mille(self) -> i64 {
        if self.before > 0 { self.left * 1_000 / self.before } else { 1_000 }
    }

    /// Both together.
    pub const fn plus(self, other: Self) -> Self {
        Self { before: self.before + other.before, left: self.left + other.left }
    }
}

/// Sums a structure's occupancy over the voxels whose centres `sort` puts into one of `N` bins, within the box between two corners of
/// `frame`. A structure that the patient lacks has none.
pub(super) fn sum<const N: usize>(
    patient: &Patient,
    cut: &CutState,
    structure: usize,
    frame: &LocalFrame,
    corners_mm: [[f64; 3]; 2],
    sort: impl Fn([f64; 3]) -> Option<usize>,
) -> [Amount; N] {
    let mut amounts = [Amount::default(); N];
    let (grid, Some(s)) = (patient.grid(), patient.structures().get(structure)) else { return amounts };
    let corner = |n: usize| frame.patient([0, 1, 2].map(|k| corners_mm[n >> k & 1][k]));
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for n in 0..8 {
        let index = grid.index_from_patient(corner(n));
        for k in 0..3 {
            low[k] = low[k].min(index[k]);
            high[k] = high[k].max(index[k]);
        }
    }
    let edge = BRICK as f64;
    let bricks = grid.bricks();
    let range =
        |k: usize| (low[k] / edge).floor().max(0.0) as i32..=(high[k] / edge).floor().min(f64::from(bricks[k]) - 1.0) as i32;
    for bz in range(2) {
        for by in range(1) {
            for bx in range(0) {
                let Some(brick) = grid.brick_at([bx, by, bz]) else { continue };
                let tissue = s.sdf.brick(brick);
                if tissue == BrickState::Outside {
                    continue;
                }
                let taken = cut.field(s.class).brick(brick);
                for at in 0..BRICK_VOXELS {
                    let value = match tissue {
                        BrickState::Samples(samples) => samples[at],
                        _ => -127,
                    };
                    let before = i64::from(occupancy(value));
                    if before == 0 {
                        continue;
                    }
                    let place = [at % BRICK, at / BRICK % BRICK, at / (BRICK * BRICK)];
                    let voxel = [0, 1, 2].map(|k| f64::from([bx, by, bz][k]) * edge + place[k] as f64);
                    let local = frame.local(grid.patient_from_index(voxel));
                    let Some(amount) = sort(local).and_then(|bin| amounts.get_mut(bin)) else { continue };
                    amount.before += before;
                    amount.left += match taken {
                        BrickState::Outside => before,
                        BrickState::Inside => 0,
                        BrickState::Samples(cut) => i64::from(occupancy(carve(value, cut[at]))),
                    };
                }
            }
        }
    }
    amounts
}

/// The bin of a side.
pub(super) fn side(local_mm: [f64; 3]) -> usize {
    Side::of_x(local_mm[0]) as usize
}
