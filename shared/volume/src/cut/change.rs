//! What a change of a cut brick does to one structure.

use super::kernel::Row;
use super::state::Dirty;
use crate::bits;
use crate::field::{BrickSamples, BrickState};
use crate::grid::{BRICK, Grid};
use crate::sample::{carve, occupancy};

/// Samples beyond this on both sides of a change do not bound the surface: a cell that the surface crosses is √3 voxels long, so its
/// samples are within 56 steps where the field's slope is at most 1, as a distance's is; the rest is for rounding.
const NEAR: u8 = 64;

/// A brick's samples as rows `y + 16 z`.
pub(super) fn rows(samples: &BrickSamples) -> &[Row] {
    samples.as_chunks::<BRICK>().0
}

/// The box around the samples of a brick that moved and bound a surface before or after: first and last on each axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) low: [i32; 3],
    pub(super) high: [i32; 3],
}

impl Moved {
    /// All of a brick.
    pub(super) const ALL: Self = Self { low: [0; 3], high: [BRICK as i32 - 1; 3] };

    /// The box around both.
    pub(super) fn join(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        let (Some(a), Some(b)) = (a, b) else { return a.or(b) };
        let of = |pick: fn(i32, i32) -> i32, a: [i32; 3], b: [i32; 3]| [0, 1, 2].map(|k| pick(a[k], b[k]));
        Some(Self { low: of(i32::min, a.low, b.low), high: of(i32::max, a.high, b.high) })
    }
}

/// A change of one structure in one brick.
#[derive(Default)]
pub(super) struct Change {
    /// Occupancy removed, 1/32 voxel; negative when tissue came back.
    pub(super) removed: i64,
    /// A bit for the brick (13) and each neighbour (x + 3 y + 9 z, 0-2 each) whose mesh a moved sample bounds.
    meshes: u32,
    /// The samples that moved.
    pub(super) moved: Option<Moved>,
}

impl Change {
    /// Compares what is left of a structure before and after, in the rows that differ.
    pub(super) fn of(patient: BrickState<'_>, before: &BrickSamples, after: &BrickSamples) -> Self {
        let mut change = Self::default();
        let tissue = match patient {
            BrickState::Outside => return change,
            BrickState::Inside => None,
            BrickState::Samples(samples) => Some(rows(samples)),
        };
        for (row, (before, after)) in rows(before).iter().zip(rows(after)).enumerate() {
            if before != after {
                change.add(row, tissue.map_or(&[-127; BRICK], |tissue| &tissue[row]), before, after);
            }
        }
        change
    }

    fn add(&mut self, row: usize, tissue: &Row, before: &Row, after: &Row) {
        let mut moved = [0_i8; BRICK];
        let mut removed = 0_i16;
        for x in 0..BRICK {
            let (old, new) = (carve(tissue[x], before[x]), carve(tissue[x], after[x]));
            let near = old.unsigned_abs().min(new.unsigned_abs()) <= NEAR || (old < 0) != (new < 0);
            moved[x] = -i8::from(old != new && near);
            removed += (occupancy(old) - occupancy(new)) as i16;
        }
        self.removed += i64::from(removed);
        let (low, high) = (moved.as_chunks::<8>().0[0], moved.as_chunks::<8>().0[1]);
        let bits = bits::negative(&low) | bits::negative(&high) << 8;
        if bits != 0 {
            let (first, last) = (bits.trailing_zeros() as i32, bits.ilog2() as i32);
            let (y, z) = ((row % BRICK) as i32, (row / BRICK) as i32);
            self.moved = Moved::join(self.moved, Some(Moved { low: [first, y, z], high: [last, y, z] }));
            // Along x, a neighbour's mesh reads the first and the last sample of the row; along y and z the first and last rows.
            let along_x = 2 | bits & 1 | (bits >> (BRICK - 1)) << 2;
            let reach = |at: usize| usize::from(at != 0)..=1 + usize::from(at == BRICK - 1);
            for z in reach(row / BRICK) {
                for y in reach(row % BRICK) {
                    self.meshes |= along_x << (3 * y + 9 * z);
                }
            }
        }
    }

    /// Lists the brick and the neighbours whose meshes a moved sample bounds.
    pub(super) fn mark(&self, grid: &Grid, structure: usize, at: [i32; 3], dirty: &mut Vec<Dirty>) {
        for n in (0..27).filter(|n| self.meshes >> n & 1 == 1) {
            let d = [n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1];
            if let Some(brick) = grid.brick_at([at[0] + d[0], at[1] + d[1], at[2] + d[2]]) {
                dirty.push(Dirty { structure: structure as u16, brick });
            }
        }
    }
}
