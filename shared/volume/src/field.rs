//! A sparse field of signed distances on a grid's bricks.

use crate::grid::{BRICK_VOXELS, BrickIndex, Grid, VoxelIndex};

/// The samples of one brick, x fastest: signed distance in 1/32 voxel, negative inside, clamped to ±127.
pub type BrickSamples = [i8; BRICK_VOXELS];

/// Marks a brick that lies wholly outside the tissue: all samples are +127.
const OUTSIDE: u32 = u32::MAX;
/// Marks a brick that lies wholly inside the tissue: all samples are −127.
const INSIDE: u32 = u32::MAX - 1;

/// What a brick of a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrickState<'a> {
    /// No surface near: all samples are +127.
    Outside,
    /// No surface near: all samples are −127.
    Inside,
    /// Stored samples.
    Samples(&'a BrickSamples),
}

/// Signed distance in 1/32 voxel, stored only in the bricks that a surface comes near.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparseField {
    /// Per brick of the grid: the number of its samples in `samples`, or `OUTSIDE`, or `INSIDE`.
    slots: Vec<u32>,
    samples: Vec<BrickSamples>,
}

impl SparseField {
    /// A field that is outside everywhere.
    pub fn outside(grid: &Grid) -> Self {
        Self { slots: vec![OUTSIDE; grid.brick_count()], samples: Vec::new() }
    }

    /// What `brick` holds; outside for a brick that the grid lacks.
    #[inline]
    pub fn brick(&self, brick: BrickIndex) -> BrickState<'_> {
        match self.slots.get(brick.0 as usize).copied().unwrap_or(OUTSIDE) {
            OUTSIDE => BrickState::Outside,
            INSIDE => BrickState::Inside,
            slot => BrickState::Samples(&self.samples[slot as usize]),
        }
    }

    /// The samples of `brick` for writing, made from its uniform state on first use; none for a brick that the grid lacks.
    pub fn brick_mut(&mut self, brick: BrickIndex) -> Option<&mut BrickSamples> {
        let slot = self.slots.get_mut(brick.0 as usize)?;
        if *slot >= INSIDE {
            let uniform = if *slot == OUTSIDE { 127 } else { -127 };
            *slot = self.samples.len() as u32;
            self.samples.push([uniform; BRICK_VOXELS]);
        }
        Some(&mut self.samples[*slot as usize])
    }

    /// Marks a brick as wholly inside. Samples it had stay allocated but unused. Nothing happens for a brick that the grid lacks.
    pub fn set_inside(&mut self, brick: BrickIndex) {
        if let Some(slot) = self.slots.get_mut(brick.0 as usize) {
            *slot = INSIDE;
        }
    }

    /// Bricks with stored samples, in rising order.
    pub fn stored(&self) -> impl Iterator<Item = (BrickIndex, &BrickSamples)> {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| **slot < INSIDE)
            .map(|(n, slot)| (BrickIndex(n as u32), &self.samples[*slot as usize]))
    }

    /// Bricks that are wholly inside, in rising order.
    pub fn inside(&self) -> impl Iterator<Item = BrickIndex> {
        self.slots.iter().enumerate().filter(|(_, slot)| **slot == INSIDE).map(|(n, _)| BrickIndex(n as u32))
    }

    /// Number of bricks in the grid this field belongs to.
    pub fn brick_count(&self) -> usize {
        self.slots.len()
    }

    /// Whether nothing is inside and no surface is stored.
    pub fn is_outside(&self) -> bool {
        self.slots.iter().all(|slot| *slot == OUTSIDE)
    }

    /// The sample at a voxel, +127 outside the grid.
    pub fn sample(&self, grid: &Grid, voxel: VoxelIndex) -> i8 {
        match grid.locate(voxel) {
            None => 127,
            Some((brick, at)) => match self.brick(brick) {
                BrickState::Outside => 127,
                BrickState::Inside => -127,
                BrickState::Samples(samples) => samples[at],
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_bricks_cost_nothing_until_written() {
        let grid = Grid::new([0.0; 3], 0.4, [2, 2, 2]).unwrap();
        let mut field = SparseField::outside(&grid);
        assert!(field.is_outside());
        field.set_inside(BrickIndex(3));
        assert_eq!(field.sample(&grid, VoxelIndex([20, 20, 3])), -127);
        field.brick_mut(BrickIndex(3)).unwrap()[0] = 5;
        assert_eq!(field.sample(&grid, VoxelIndex([16, 16, 0])), 5);
        assert_eq!(field.sample(&grid, VoxelIndex([17, 16, 0])), -127);
        assert_eq!(field.stored().count(), 1);
        assert!(field.brick_mut(BrickIndex(8)).is_none());
    }
}
