//! A sparse field of signed distances on a grid's bricks.

use crate::grid::{BRICK, BRICK_VOXELS, BrickIndex, Grid, VoxelIndex};
use crate::sample::encode;

/// The samples of one brick, x fastest: signed distance in 1/32 voxel, negative inside, clamped to ±127.
pub type BrickSamples = [i8; BRICK_VOXELS];

/// Marks a brick that lies wholly outside the tissue: all samples are +127.
const OUTSIDE: u32 = u32::MAX;
/// Marks a brick that lies wholly inside the tissue: all samples are −127.
const INSIDE: u32 = u32::MAX - 1;
/// A brick whose middle is farther than this from the surface, voxels, is uniform: its corners lie 13.0 from there and samples end at 4.0
/// from the surface, where the distance grows by no more than 1.5 a voxel.
const UNIFORM_VOXELS: f64 = 24.0;

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

    /// A field sampled at the grid's voxel centres from a signed distance, mm, negative inside, of positions in patient LPS, mm. The
    /// distance may change by up to 1.5 mm a millimetre; where it changes faster, a surface may be missed.
    ///
    /// ```
    /// # use spinor_volume::{Grid, SparseField, VoxelIndex};
    /// let grid = Grid::new([0.0; 3], 0.5, [2, 2, 2])?;
    /// let plate = SparseField::sampled(&grid, |at_mm| at_mm[1] - 5.0);
    /// // Voxel 8 lies at 4 mm: 2 voxels deep, in 1/32 voxel.
    /// assert_eq!(plate.sample(&grid, VoxelIndex([0, 8, 0])), -64);
    /// # Ok::<(), spinor_volume::GridError>(())
    /// ```
    pub fn sampled(grid: &Grid, sdf_mm: impl Fn([f64; 3]) -> f64) -> Self {
        let mut field = Self::outside(grid);
        let voxels = |index: [f64; 3]| sdf_mm(grid.patient_from_index(index)) / grid.spacing_mm();
        for (n, slot) in field.slots.iter_mut().enumerate() {
            let first = grid.brick_coords(BrickIndex(n as u32)).map(|v| f64::from(v) * BRICK as f64);
            let middle = voxels(first.map(|v| v + (BRICK - 1) as f64 / 2.0));
            if middle.abs() > UNIFORM_VOXELS {
                *slot = if middle < 0.0 { INSIDE } else { OUTSIDE };
                continue;
            }
            let at = |k: usize| {
                [first[0] + (k % BRICK) as f64, first[1] + (k / BRICK % BRICK) as f64, first[2] + (k / (BRICK * BRICK)) as f64]
            };
            let samples: BrickSamples = std::array::from_fn(|k| encode(voxels(at(k))));
            if samples == [-127; BRICK_VOXELS] {
                *slot = INSIDE;
            } else if samples != [127; BRICK_VOXELS] {
                *slot = field.samples.len() as u32;
                field.samples.push(samples);
            }
        }
        field
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

    /// Proves that no brick with a surface in or beside it is passed over, of a distance that changes by up to 1.5 mm a millimetre.
    #[test]
    fn a_sampled_field_is_the_distance_at_every_voxel() {
        let grid = Grid::new([-9.0, 4.0, 1.0], 0.5, [5, 5, 5]).unwrap();
        let length = |p: [f64; 3]| (p[0] * p[0] + p[1] * p[1] + p[2] * p[2]).sqrt();
        for steep in [0.5, 1.0, 1.5] {
            for radius in [0.6, 6.0, 17.0] {
                let ball = |p: [f64; 3]| steep * (length([p[0] - 10.9, p[1] - 24.1, p[2] - 20.6]) - radius);
                let field = SparseField::sampled(&grid, ball);
                for n in 0..80 * 80 * 80 {
                    let at = [n % 80, n / 80 % 80, n / 6_400];
                    let wanted = encode(ball(grid.patient_from_index(at.map(f64::from))) / 0.5);
                    assert_eq!(field.sample(&grid, VoxelIndex(at)), wanted, "{steep} {radius} {at:?}");
                }
                assert!(field.stored().count() < 125 && (radius < 15.0 || field.inside().count() > 0), "{steep} {radius}");
            }
        }
    }

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
