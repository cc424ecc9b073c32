//! The lattice that all fields of one case share.

use thiserror::Error;

/// Edge length of a brick in voxels.
pub const BRICK: usize = 16;
/// Samples in a brick, x fastest, then y, then z.
pub const BRICK_VOXELS: usize = BRICK * BRICK * BRICK;
/// Steps of a stored signed distance per voxel: a sample of 32 is one voxel outside the tissue.
pub const SDF_PER_VOXEL: i32 = 32;
/// Steps of a cut's coordinates per voxel.
pub const SUBVOXEL: i32 = 64;
/// Most bricks along one axis (64 × 16 voxels × 0.25 mm = 256 mm at the finest spacing, 1 m at 1 mm).
pub const MAX_BRICKS_PER_AXIS: u32 = 96;

/// A voxel by its integer coordinates in the grid (x, y, z), which may lie outside the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VoxelIndex(pub [i32; 3]);

/// A brick by its linear number in the grid: `x + nx * (y + ny * z)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrickIndex(pub u32);

/// Why a grid cannot exist.
#[derive(Debug, Error, PartialEq)]
pub enum GridError {
    /// The spacing is not a finite number in 0.1-4 mm.
    #[error("voxel spacing of {0} mm is outside 0.1-4 mm")]
    Spacing(f64),
    /// An axis has no brick or too many.
    #[error("a grid of {0:?} bricks is outside 1-{MAX_BRICKS_PER_AXIS} on an axis")]
    Size([u32; 3]),
    /// The origin is not finite or farther than 10 m from the scanner's centre.
    #[error("grid origin {0:?} mm is not a position in a scanner")]
    Origin([f64; 3]),
}

/// An isotropic lattice aligned with the axes of patient LPS; made of whole bricks of 16³ voxels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    origin_mm: [f64; 3],
    spacing_mm: f64,
    bricks: [u32; 3],
}

impl Grid {
    /// A grid whose voxel (0, 0, 0) has its centre at `origin_mm`, with `bricks` bricks along x, y, z.
    ///
    /// # Errors
    /// When spacing, size or origin are outside what a scan of a spine can have.
    pub fn new(origin_mm: [f64; 3], spacing_mm: f64, bricks: [u32; 3]) -> Result<Self, GridError> {
        if !(0.1..=4.0).contains(&spacing_mm) {
            return Err(GridError::Spacing(spacing_mm));
        }
        if bricks.iter().any(|n| !(1..=MAX_BRICKS_PER_AXIS).contains(n)) {
            return Err(GridError::Size(bricks));
        }
        if origin_mm.iter().any(|v| !v.is_finite() || v.abs() > 10_000.0) {
            return Err(GridError::Origin(origin_mm));
        }
        Ok(Self { origin_mm, spacing_mm, bricks })
    }

    /// The smallest grid on the lattice of whole multiples of `spacing_mm` that covers the box from `low_mm` to `high_mm`.
    ///
    /// # Errors
    /// As [`Grid::new`].
    pub fn covering(low_mm: [f64; 3], high_mm: [f64; 3], spacing_mm: f64) -> Result<Self, GridError> {
        if !(0.1..=4.0).contains(&spacing_mm) {
            return Err(GridError::Spacing(spacing_mm));
        }
        let mut origin_mm = [0.0; 3];
        let mut bricks = [0; 3];
        for k in 0..3 {
            if !low_mm[k].is_finite() || !high_mm[k].is_finite() {
                return Err(GridError::Origin(low_mm));
            }
            let first = (low_mm[k] / spacing_mm).floor();
            let last = (high_mm[k] / spacing_mm).ceil();
            origin_mm[k] = first * spacing_mm;
            let voxels = (last - first).max(0.0) + 1.0;
            bricks[k] = (voxels / BRICK as f64).ceil().min(f64::from(u32::MAX)) as u32;
        }
        Self::new(origin_mm, spacing_mm, bricks)
    }

    /// Position of the centre of voxel (0, 0, 0) in patient LPS, mm.
    pub fn origin_mm(&self) -> [f64; 3] {
        self.origin_mm
    }

    /// Distance between neighbouring voxel centres, mm.
    #[inline]
    pub fn spacing_mm(&self) -> f64 {
        self.spacing_mm
    }

    /// Bricks along x, y, z.
    #[inline]
    pub fn bricks(&self) -> [u32; 3] {
        self.bricks
    }

    /// Voxels along x, y, z.
    #[inline]
    pub fn voxels(&self) -> [i32; 3] {
        self.bricks.map(|n| n as i32 * BRICK as i32)
    }

    /// Number of bricks in the grid.
    #[inline]
    pub fn brick_count(&self) -> usize {
        self.bricks.iter().map(|n| *n as usize).product()
    }

    /// Volume of one voxel, mm³.
    pub fn voxel_mm3(&self) -> f64 {
        self.spacing_mm * self.spacing_mm * self.spacing_mm
    }

    /// The brick at brick coordinates (x, y, z), or none outside the grid.
    #[inline]
    pub fn brick_at(&self, at: [i32; 3]) -> Option<BrickIndex> {
        let [nx, ny, nz] = [self.bricks[0] as i32, self.bricks[1] as i32, self.bricks[2] as i32];
        let inside = (0..nx).contains(&at[0]) && (0..ny).contains(&at[1]) && (0..nz).contains(&at[2]);
        inside.then(|| BrickIndex((at[0] + nx * (at[1] + ny * at[2])) as u32))
    }

    /// Brick coordinates (x, y, z) of a brick of this grid.
    #[inline]
    pub fn brick_coords(&self, brick: BrickIndex) -> [i32; 3] {
        let [nx, ny, _] = self.bricks;
        [(brick.0 % nx) as i32, (brick.0 / nx % ny) as i32, (brick.0 / (nx * ny)) as i32]
    }

    /// The brick that holds a voxel, and the voxel's place among its samples; none outside the grid.
    #[inline]
    pub fn locate(&self, voxel: VoxelIndex) -> Option<(BrickIndex, usize)> {
        let [x, y, z] = voxel.0;
        // Shifts and masks are the division and its rest, also of what is negative.
        let (bits, last) = (BRICK.trailing_zeros(), BRICK as i32 - 1);
        let brick = self.brick_at([x >> bits, y >> bits, z >> bits])?;
        let [x, y, z] = [(x & last) as usize, (y & last) as usize, (z & last) as usize];
        Some((brick, x + BRICK * (y + BRICK * z)))
    }

    /// Continuous voxel coordinates of a position in patient LPS (`index_from_patient`).
    #[inline]
    pub fn index_from_patient(&self, at_mm: [f64; 3]) -> [f64; 3] {
        let mut index = [0.0; 3];
        for k in 0..3 {
            index[k] = (at_mm[k] - self.origin_mm[k]) / self.spacing_mm;
        }
        index
    }

    /// Position in patient LPS, mm, of continuous voxel coordinates (`patient_from_index`).
    #[inline]
    pub fn patient_from_index(&self, index: [f64; 3]) -> [f64; 3] {
        let mut at_mm = [0.0; 3];
        for k in 0..3 {
            at_mm[k] = self.origin_mm[k] + index[k] * self.spacing_mm;
        }
        at_mm
    }
}

/// The greatest whole number that is not above a value, as [`f64::floor`] and a cast give it, by casts alone: what an `i32` cannot hold
/// saturates, not-a-number gives 0.
#[inline]
pub fn floor(value: f64) -> i32 {
    let cut = value as i32;
    if f64::from(cut) > value { cut.saturating_sub(1) } else { cut }
}

/// The least whole number that is not below a value; as [`floor`].
#[inline]
pub fn ceil(value: f64) -> i32 {
    let cut = value as i32;
    if f64::from(cut) < value { cut.saturating_add(1) } else { cut }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_indices_are_inverse() {
        let grid = Grid::covering([-30.1, 4.0, -700.3], [25.0, 80.0, -560.0], 0.4).unwrap();
        let index = grid.index_from_patient([3.0, 40.0, -600.0]);
        let back = grid.patient_from_index(index);
        assert!((back[2] + 600.0).abs() < 1e-9);
        assert!(grid.origin_mm()[0] <= -30.1 && grid.patient_from_index(grid.voxels().map(f64::from))[2] > -560.0);
    }

    #[test]
    fn every_brick_has_one_number() {
        let grid = Grid::new([0.0; 3], 0.4, [3, 4, 5]).unwrap();
        for n in 0..grid.brick_count() as u32 {
            assert_eq!(grid.brick_at(grid.brick_coords(BrickIndex(n))), Some(BrickIndex(n)));
        }
        assert_eq!(grid.brick_at([3, 0, 0]), None);
        assert_eq!(grid.locate(VoxelIndex([-1, 0, 0])), None);
        assert_eq!(grid.locate(VoxelIndex([17, 1, 0])), Some((BrickIndex(1), 17)));
    }

    /// Proves that the casts are the roundings that they stand for, whole, negative, huge and absurd numbers included.
    #[test]
    fn casts_round_as_floor_and_ceil_do() {
        let absurd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, 2_147_483_647.5, -2_147_483_648.5];
        for value in [0.0, -0.0, 0.3, -0.3, 1.0, -1.0, 7.999, -7.001, 123_456.75, -123_456.75].into_iter().chain(absurd) {
            assert_eq!((floor(value), ceil(value)), (value.floor() as i32, value.ceil() as i32), "{value}");
        }
    }

    #[test]
    fn impossible_grids_are_refused() {
        assert!(Grid::new([0.0; 3], f64::NAN, [1; 3]).is_err());
        assert!(Grid::new([0.0; 3], 0.4, [0, 1, 1]).is_err());
        assert!(Grid::covering([0.0; 3], [1e30; 3], 0.4).is_err());
        assert!(Grid::new([f64::INFINITY, 0.0, 0.0], 0.4, [1; 3]).is_err());
    }
}
