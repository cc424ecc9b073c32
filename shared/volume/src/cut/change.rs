//! What a change of a cut brick does to one structure.

use super::kernel::Row;
use super::state::Dirty;
use crate::bits;
use crate::field::{BrickSamples, BrickState};
use crate::grid::{BRICK, Grid};
use crate::sample::{carve, occupancy};

/// Samples beyond this on both sides of a change do not bound the surface: a cell that the surface crosses is √3 voxels long, so its
/// samples are within 56 steps where the field's slope is 1; the rest is for fields that are steeper, up to 1.7.
const NEAR: u8 = 96;

/// A brick's samples as rows `y + 16 z`.
pub(super) fn rows(samples: &BrickSamples) -> &[Row] {
    samples.as_chunks::<BRICK>().0
}

/// A change of one structure in one brick.
#[derive(Default)]
pub(super) struct Change {
    /// Occupancy removed, 1/32 voxel; negative when tissue came back.
    pub(super) removed: i64,
    /// Planes along x, y, z in which the surface moved, a bit each.
    planes: [u32; 3],
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
            self.planes[0] |= bits;
            self.planes[1] |= 1 << (row % BRICK);
            self.planes[2] |= 1 << (row / BRICK);
        }
    }

    /// Lists the brick, and the neighbours whose meshes reach into the planes that moved.
    pub(super) fn mark(&self, grid: &Grid, structure: usize, at: [i32; 3], dirty: &mut Vec<Dirty>) {
        if self.planes[0] == 0 {
            return;
        }
        let range = |planes: u32| -i32::from(planes & 1 == 1)..=i32::from(planes >> (BRICK - 1) & 1 == 1);
        for dz in range(self.planes[2]) {
            for dy in range(self.planes[1]) {
                for dx in range(self.planes[0]) {
                    if let Some(brick) = grid.brick_at([at[0] + dx, at[1] + dy, at[2] + dz]) {
                        dirty.push(Dirty { structure: structure as u16, brick });
                    }
                }
            }
        }
    }
}
