//! One cut: a swept sphere or an oriented box, and the classes it may take.

use thiserror::Error;

use crate::grid::{BrickIndex, Grid, SUBVOXEL};
use crate::label::{ClassMask, TissueClass};

/// Greatest radius of a capsule and rounding of a box, 1/64 voxel (13.2 voxels): keeps the squared distance below 2²⁴.
pub const MAX_RADIUS: i32 = 846;
/// Greatest squared length of a capsule's axis, (1/64 voxel)² (8 voxels): keeps the projection below 2³¹. Longer sweeps are split.
pub const MAX_LENGTH_SQUARED: i64 = 1 << 18;
/// Greatest half edge of a box, 1/64 voxel (32 voxels).
pub const MAX_HALF: i32 = 2048;
/// How far outside the grid a shape's points may lie, 1/64 voxel (64 voxels).
pub const MAX_MARGIN: i32 = 4096;
/// Most pieces [`CutOp::sweep_mm`] splits a motion into.
const MAX_PIECES: i64 = 256;
/// One in Q14.
const ONE_Q14: i32 = 1 << 14;
/// How far a row's squared length and two rows' product may be off, Q28: 1/1024.
const ROTATION_TOLERANCE: i64 = 1 << 18;

/// The region a cut takes, in the grid's index space, 1/64 voxel: voxel (i, j, k) has its centre at (64 i, 64 j, 64 k).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CutShape {
    /// All points within `radius` of the segment from `a` to `b`: a burr's head moved in a tick.
    Capsule {
        /// Where the sphere's centre starts.
        a: [i32; 3],
        /// Where it ends; may be `a`.
        b: [i32; 3],
        /// Its radius.
        radius: i32,
    },
    /// All points within `rounding` of an oriented box: a punch's bite.
    Box {
        /// The box's middle.
        centre: [i32; 3],
        /// Half its edges along its own axes.
        half: [i32; 3],
        /// The unit vectors of its axes as rows of `box_from_index`, in Q14 (16,384 = 1).
        rows_q14: [[i32; 3]; 3],
        /// Radius that rounds edges and corners, added to `half`.
        rounding: i32,
    },
}

impl CutShape {
    /// The shape's middle in patient LPS, mm.
    pub fn middle_mm(&self, grid: &Grid) -> [f64; 3] {
        let middle = match *self {
            Self::Capsule { a, b, .. } => [0, 1, 2].map(|k| (f64::from(a[k]) + f64::from(b[k])) / 2.0),
            Self::Box { centre, .. } => centre.map(f64::from),
        };
        grid.patient_from_index(middle.map(|v| v / f64::from(SUBVOXEL)))
    }
}

/// One cut: every class in `classes` loses what lies inside `shape`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CutOp {
    /// Classes it takes from; structures of other classes are spared.
    pub classes: ClassMask,
    /// What it takes.
    pub shape: CutShape,
}

/// Why a cut, or a brick of cuts from elsewhere, is refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CutError {
    /// The mask is empty or names classes that do not exist.
    #[error("class mask {0:#010b} is empty or names an unknown class")]
    Classes(u8),
    /// A coordinate or size is not a finite number.
    #[error("the cut's {0} is not a finite number")]
    NotFinite(&'static str),
    /// A point lies farther than [`MAX_MARGIN`] outside the grid.
    #[error("point {0:?} (1/64 voxel) is too far outside the grid")]
    Outside([i64; 3]),
    /// A radius or rounding is negative, zero for a capsule, or above [`MAX_RADIUS`].
    #[error("a radius of {0} (1/64 voxel) is outside the range up to {MAX_RADIUS}")]
    Radius(i64),
    /// A capsule is longer than [`MAX_LENGTH_SQUARED`] allows.
    #[error("a squared length of {0} is above {MAX_LENGTH_SQUARED}; split the motion")]
    Length(i64),
    /// A half edge is negative or above [`MAX_HALF`].
    #[error("half edges {0:?} (1/64 voxel) are outside 0-{MAX_HALF}")]
    Half([i64; 3]),
    /// The rows are not three unit vectors at right angles.
    #[error("rows {0:?} (Q14) are no rotation")]
    Rotation([[i32; 3]; 3]),
    /// The grid lacks the brick, or no structure of the class lives there.
    #[error("{0:?} has no tissue in brick {1:?}")]
    Brick(TissueClass, BrickIndex),
    /// A sample of −128, which no cut makes.
    #[error("brick {0:?} holds a sample that no cut makes")]
    Sample(BrickIndex),
}

impl CutOp {
    /// Checks that the cut's arithmetic cannot overflow and that it is near the grid. A cut that passes can be applied.
    ///
    /// # Errors
    /// Names the first bound that does not hold.
    pub fn check(&self, grid: &Grid) -> Result<(), CutError> {
        if self.classes.0 == 0 || self.classes.0 >= 1 << TissueClass::ALL.len() {
            return Err(CutError::Classes(self.classes.0));
        }
        match self.shape {
            CutShape::Capsule { a, b, radius } => {
                if !(1..=MAX_RADIUS).contains(&radius) {
                    return Err(CutError::Radius(radius.into()));
                }
                check_near(grid, a)?;
                check_near(grid, b)?;
                let length_squared: i64 = (0..3).map(|k| i64::from(b[k]) - i64::from(a[k])).map(|d| d * d).sum();
                if length_squared > MAX_LENGTH_SQUARED {
                    return Err(CutError::Length(length_squared));
                }
            }
            CutShape::Box { centre, half, rows_q14, rounding } => {
                if !(0..=MAX_RADIUS).contains(&rounding) {
                    return Err(CutError::Radius(rounding.into()));
                }
                if half.iter().any(|v| !(0..=MAX_HALF).contains(v)) {
                    return Err(CutError::Half(half.map(i64::from)));
                }
                check_near(grid, centre)?;
                if !is_rotation(&rows_q14) {
                    return Err(CutError::Rotation(rows_q14));
                }
            }
        }
        Ok(())
    }

    /// The capsule of a sphere of `radius_mm` moved from `a_mm` to `b_mm` (patient LPS), rounded to 1/64 voxel.
    ///
    /// # Errors
    /// As [`CutOp::check`]; a motion of more than 8 voxels is refused, see [`CutOp::sweep_mm`].
    pub fn capsule_mm(grid: &Grid, a_mm: [f64; 3], b_mm: [f64; 3], radius_mm: f64, classes: ClassMask) -> Result<Self, CutError> {
        let shape = CutShape::Capsule {
            a: point(grid, a_mm)?,
            b: point(grid, b_mm)?,
            radius: length(grid, radius_mm, "radius", CutError::Radius)?,
        };
        let op = Self { classes, shape };
        op.check(grid)?;
        Ok(op)
    }

    /// As [`CutOp::capsule_mm`] for a motion of any length, split into equal capsules that each pass the check.
    ///
    /// # Errors
    /// As [`CutOp::check`]; [`CutError::Length`] for a motion of more than 2,000 voxels.
    pub fn sweep_mm(
        grid: &Grid,
        a_mm: [f64; 3],
        b_mm: [f64; 3],
        radius_mm: f64,
        classes: ClassMask,
    ) -> Result<Vec<Self>, CutError> {
        let (a, b) = (point(grid, a_mm)?, point(grid, b_mm)?);
        let radius = length(grid, radius_mm, "radius", CutError::Radius)?;
        check_near(grid, a)?;
        check_near(grid, b)?;
        let whole: [i64; 3] = std::array::from_fn(|k| i64::from(b[k]) - i64::from(a[k]));
        let length_squared: i64 = whole.iter().map(|d| d * d).sum();
        // Rounding a joint moves it by half a unit an axis, hence the slack of one unit an axis below the bound.
        let mut pieces = 1;
        while length_squared > pieces * pieces * (512 - 2) * (512 - 2) {
            pieces += 1;
            if pieces > MAX_PIECES {
                return Err(CutError::Length(length_squared));
            }
        }
        let joint = |n: i64| -> [i32; 3] {
            std::array::from_fn(|k| (i64::from(a[k]) + (whole[k] * n * 2 + pieces).div_euclid(pieces * 2)) as i32)
        };
        (0..pieces)
            .map(|n| {
                let op = Self { classes, shape: CutShape::Capsule { a: joint(n), b: joint(n + 1), radius } };
                op.check(grid).map(|()| op)
            })
            .collect()
    }

    /// An oriented box: `axes` are the unit vectors of its own axes in patient LPS, `half_mm` half its edges along them.
    ///
    /// # Errors
    /// As [`CutOp::check`].
    pub fn box_mm(
        grid: &Grid,
        centre_mm: [f64; 3],
        half_mm: [f64; 3],
        axes: [[f64; 3]; 3],
        rounding_mm: f64,
        classes: ClassMask,
    ) -> Result<Self, CutError> {
        if axes.as_flattened().iter().any(|v| !v.is_finite()) {
            return Err(CutError::NotFinite("orientation"));
        }
        let mut half = [0; 3];
        for k in 0..3 {
            half[k] = length(grid, half_mm[k], "half edge", |v| CutError::Half([v; 3]))?;
        }
        let shape = CutShape::Box {
            centre: point(grid, centre_mm)?,
            half,
            rows_q14: axes.map(|row| row.map(|v| (v * f64::from(ONE_Q14)).round() as i32)),
            rounding: length(grid, rounding_mm, "rounding", CutError::Radius)?,
        };
        let op = Self { classes, shape };
        op.check(grid)?;
        Ok(op)
    }
}

fn check_near(grid: &Grid, point: [i32; 3]) -> Result<(), CutError> {
    let voxels = grid.voxels();
    let near = (0..3).all(|k| (-MAX_MARGIN..=voxels[k] * SUBVOXEL + MAX_MARGIN).contains(&point[k]));
    if near { Ok(()) } else { Err(CutError::Outside(point.map(i64::from))) }
}

fn is_rotation(rows: &[[i32; 3]; 3]) -> bool {
    let dot = |a: &[i32; 3], b: &[i32; 3]| -> i64 { (0..3).map(|k| i64::from(a[k]) * i64::from(b[k])).sum() };
    rows.as_flattened().iter().all(|v| (-ONE_Q14..=ONE_Q14).contains(v))
        && (0..3).all(|i| {
            (0..3).all(|j| {
                let wanted = if i == j { i64::from(ONE_Q14) * i64::from(ONE_Q14) } else { 0 };
                (dot(&rows[i], &rows[j]) - wanted).abs() <= ROTATION_TOLERANCE
            })
        })
}

/// A position in 1/64 voxel.
fn point(grid: &Grid, at_mm: [f64; 3]) -> Result<[i32; 3], CutError> {
    if at_mm.iter().any(|v| !v.is_finite()) {
        return Err(CutError::NotFinite("position"));
    }
    let at = grid.index_from_patient(at_mm).map(|v| (v * f64::from(SUBVOXEL)).round());
    if at.iter().any(|v| v.abs() > 1e9) {
        return Err(CutError::Outside(at.map(|v| v as i64)));
    }
    Ok(at.map(|v| v as i32))
}

/// A length in 1/64 voxel.
fn length(grid: &Grid, mm: f64, what: &'static str, too_long: impl Fn(i64) -> CutError) -> Result<i32, CutError> {
    if !mm.is_finite() {
        return Err(CutError::NotFinite(what));
    }
    let units = (mm / grid.spacing_mm() * f64::from(SUBVOXEL)).round();
    if units.abs() > 1e9 { Err(too_long(units as i64)) } else { Ok(units as i32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BONE: ClassMask = ClassMask::of(&[TissueClass::Bone]);
    const ROWS: [[i32; 3]; 3] = [[ONE_Q14, 0, 0], [0, ONE_Q14, 0], [0, 0, ONE_Q14]];

    fn grid() -> Grid {
        Grid::new([-10.0, 5.0, 0.0], 0.4, [3, 3, 3]).unwrap()
    }

    fn capsule(a: [i32; 3], b: [i32; 3], radius: i32) -> Result<(), CutError> {
        CutOp { classes: BONE, shape: CutShape::Capsule { a, b, radius } }.check(&grid())
    }

    fn oriented(centre: [i32; 3], half: [i32; 3], rows_q14: [[i32; 3]; 3], rounding: i32) -> Result<(), CutError> {
        CutOp { classes: BONE, shape: CutShape::Box { centre, half, rows_q14, rounding } }.check(&grid())
    }

    /// Proves that numbers which would overflow the kernel, or make no shape, never reach it.
    #[test]
    fn hostile_cuts_are_refused() {
        assert_eq!(capsule([0; 3], [0; 3], 300), Ok(()));
        assert_eq!(capsule([0; 3], [512, 0, 0], 1), Ok(()));
        assert_eq!(capsule([0; 3], [513, 0, 0], 300), Err(CutError::Length(513 * 513)));
        for radius in [i32::MIN, -1, 0, MAX_RADIUS + 1, i32::MAX] {
            assert_eq!(capsule([0; 3], [0; 3], radius), Err(CutError::Radius(radius.into())));
        }
        assert!(matches!(capsule([i32::MIN; 3], [i32::MAX; 3], 300), Err(CutError::Outside(_))));
        assert!(matches!(capsule([0; 3], [0, 0, 48 * 64 + MAX_MARGIN + 1], 3), Err(CutError::Outside(_))));
        assert_eq!(oriented([0; 3], [MAX_HALF, 0, 7], ROWS, 0), Ok(()));
        assert!(matches!(oriented([0; 3], [MAX_HALF + 1, 0, 7], ROWS, 0), Err(CutError::Half(_))));
        assert!(matches!(oriented([0; 3], [i32::MIN, 0, 7], ROWS, 0), Err(CutError::Half(_))));
        assert!(matches!(oriented([0; 3], [9; 3], ROWS, -1), Err(CutError::Radius(-1))));
        assert!(matches!(oriented([0; 3], [9; 3], [[i32::MAX; 3]; 3], 5), Err(CutError::Rotation(_))));
        assert!(matches!(oriented([0; 3], [9; 3], [[0; 3]; 3], 5), Err(CutError::Rotation(_))));
        assert!(matches!(oriented([0; 3], [9; 3], [ROWS[0]; 3], 5), Err(CutError::Rotation(_))));
        assert!(matches!(oriented([0, i32::MAX, 0], [9; 3], ROWS, 5), Err(CutError::Outside(_))));
        for mask in [0, 16, 255] {
            let op = CutOp { classes: ClassMask(mask), shape: CutShape::Capsule { a: [0; 3], b: [0; 3], radius: 9 } };
            assert_eq!(op.check(&grid()), Err(CutError::Classes(mask)));
        }
    }

    /// Proves that millimetres that are no numbers or astronomically far become errors, not wrapped integers.
    #[test]
    fn impossible_millimetres_are_refused() {
        let g = grid();
        let at = [-5.0, 8.0, 3.0];
        assert!(CutOp::capsule_mm(&g, at, at, 1.5, BONE).is_ok());
        assert!(matches!(CutOp::capsule_mm(&g, [f64::NAN; 3], at, 1.5, BONE), Err(CutError::NotFinite(_))));
        assert!(matches!(CutOp::capsule_mm(&g, at, [1e300; 3], 1.5, BONE), Err(CutError::Outside(_))));
        assert!(matches!(CutOp::capsule_mm(&g, at, at, 1e300, BONE), Err(CutError::Radius(_))));
        assert!(matches!(CutOp::capsule_mm(&g, at, at, f64::INFINITY, BONE), Err(CutError::NotFinite(_))));
        let axes = [[1.0, 0.0, 0.0], [0.0, 0.6, 0.8], [0.0, -0.8, 0.6]];
        assert!(CutOp::box_mm(&g, at, [1.0, 2.0, 0.5], axes, 0.1, BONE).is_ok());
        assert!(CutOp::box_mm(&g, at, [1.0, 2.0, 0.5], [[f64::NAN; 3]; 3], 0.1, BONE).is_err());
        assert!(CutOp::box_mm(&g, at, [1.0, 2.0, 0.5], [[0.9, 0.0, 0.0]; 3], 0.1, BONE).is_err());
    }

    /// Proves that a long motion becomes pieces that pass, touch end to end and keep both ends.
    #[test]
    fn long_sweeps_are_split_without_gaps() {
        let g = grid();
        let ops = CutOp::sweep_mm(&g, [-9.0, 6.0, 1.0], [8.0, 20.0, 15.0], 1.5, BONE).unwrap();
        assert!(ops.len() > 5);
        let ends: Vec<_> = ops
            .iter()
            .map(|op| match op.shape {
                CutShape::Capsule { a, b, .. } => (a, b),
                CutShape::Box { .. } => unreachable!(),
            })
            .collect();
        assert!(ends.windows(2).all(|w| w[0].1 == w[1].0));
        assert_eq!(ends[0].0, point(&g, [-9.0, 6.0, 1.0]).unwrap());
        assert_eq!(ends[ends.len() - 1].1, point(&g, [8.0, 20.0, 15.0]).unwrap());
        assert_eq!(CutOp::sweep_mm(&g, [-9.0, 6.0, 1.0], [-9.0, 6.0, 1.0], 1.5, BONE).unwrap().len(), 1);
    }
}
