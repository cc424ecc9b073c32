//! Cuts: integer geometry that carves the fields of what surgery has removed.
//!
//! A cut field holds, per tissue class, the signed distance to everything that was taken from that class. Tissue that is left is
//! the greater of `sdf` and the negated `cut` ([`sample::carve`]). An operation sets `cut = min(cut, op)`, so operations commute and repeat without effect: a duplicated or reordered
//! cut converges. All arithmetic is in integers of 1/64 voxel, but for one square root whose input is an exact `f32`.

mod kernel;

use thiserror::Error;

use crate::digest;
use crate::field::{BrickSamples, BrickState, SparseField};
use crate::grid::{BRICK, BRICK_VOXELS, BrickIndex, Grid, SUBVOXEL};
use crate::label::{ClassMask, Label, TissueClass};
use crate::patient::Patient;
use crate::sample::{self, occupancy};
use kernel::{BAND, Row, box_row, capsule_row};

/// Longest squared length of a capsule in 1/64 voxel: 8 voxels. Longer sweeps are several operations.
pub const MAX_LENGTH_SQUARED: i32 = 1 << 18;
/// Largest radius, half extent or rounding, 1/64 voxel: 15 voxels.
pub const MAX_EXTENT: i32 = 960;
/// Occupancy of a whole voxel in [`CutOutcome::removed`].
pub const OCCUPANCY_PER_VOXEL: i64 = sample::OCCUPANCY_PER_VOXEL as i64;

/// Geometry of a cut in 1/64 voxel of the grid's index space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutShape {
    /// All points within `radius` of the segment from `a` to `b`.
    Capsule {
        /// One end.
        a: [i32; 3],
        /// The other end.
        b: [i32; 3],
        /// Radius.
        radius: i32,
    },
    /// A box with rounded edges.
    Box {
        /// Centre.
        centre: [i32; 3],
        /// Half extents along the box's own axes, without the rounding.
        half: [i32; 3],
        /// Rows of `box_from_index`, Q14: row k dotted with an offset from the centre is the coordinate along the box's axis k.
        rows_q14: [[i32; 3]; 3],
        /// Added to all sides as a radius.
        rounding: i32,
    },
}

/// One cut: the classes it may take, and its geometry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutOp {
    /// Classes it takes. Other tissue inside the geometry is spared.
    pub classes: ClassMask,
    /// Geometry.
    pub shape: CutShape,
}

/// Why an operation or a brick is refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CutError {
    /// A coordinate lies farther outside the grid than any tool reaches.
    #[error("a cut at {0:?} (1/64 voxel) lies outside the grid")]
    Outside([i32; 3]),
    /// A sweep longer than 8 voxels.
    #[error("a sweep of squared length {0} is longer than 8 voxels: split it")]
    Long(i64),
    /// A radius or extent that is negative or above 15 voxels.
    #[error("an extent of {0}/64 voxel is outside 0-15 voxels")]
    Extent(i32),
    /// Rows that are not a rotation.
    #[error("the box's axes are not orthogonal unit vectors")]
    Axes,
    /// No class to take.
    #[error("a cut that may take no tissue")]
    Nothing,
    /// A position that is not a number.
    #[error("a position is not a finite number")]
    NotFinite,
    /// A brick that the grid lacks, or in which no structure of the class lives.
    #[error("brick {0:?} has no {1:?} to cut")]
    Brick(BrickIndex, TissueClass),
}

/// A brick of a structure whose surface changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dirty {
    /// Place of the structure in [`Patient::structures`].
    pub structure: u16,
    /// The brick to mesh again.
    pub brick: BrickIndex,
}

/// What an operation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CutOutcome {
    /// Bricks of the cut fields that changed, in rising order of class and brick.
    pub touched: Vec<(TissueClass, BrickIndex)>,
    /// Occupancy removed from each structure in 1/32 voxel, structures with nothing removed left out; in the order of the labels.
    pub removed: Vec<(Label, i64)>,
    /// Bricks to mesh again, each once, in rising order.
    pub dirty: Vec<Dirty>,
}

impl CutOp {
    /// Whether the operation is within the bounds that the arithmetic is exact in.
    ///
    /// # Errors
    /// When it lies outside the grid, is too long or too thick, has no rotation, or may take nothing.
    pub fn check(&self, grid: &Grid) -> Result<(), CutError> {
        if self.classes == ClassMask::NONE || self.classes.0 >> TissueClass::ALL.len() != 0 {
            return Err(CutError::Nothing);
        }
        let near = |at: [i32; 3]| {
            let last = grid.voxels().map(|n| n * SUBVOXEL);
            let inside = (0..3).all(|k| (-4 * MAX_EXTENT..last[k] + 4 * MAX_EXTENT).contains(&at[k]));
            if inside { Ok(()) } else { Err(CutError::Outside(at)) }
        };
        let extent = |v: i32| if (0..=MAX_EXTENT).contains(&v) { Ok(()) } else { Err(CutError::Extent(v)) };
        match self.shape {
            CutShape::Capsule { a, b, radius } => {
                near(a)?;
                near(b)?;
                extent(radius)?;
                let length = (0..3).map(|k| i64::from(b[k] - a[k]).pow(2)).sum();
                if length > i64::from(MAX_LENGTH_SQUARED) { Err(CutError::Long(length)) } else { Ok(()) }
            }
            CutShape::Box { centre, half, rows_q14, rounding } => {
                near(centre)?;
                half.into_iter().chain([rounding]).try_for_each(extent)?;
                if is_rotation_q14(&rows_q14) { Ok(()) } else { Err(CutError::Axes) }
            }
        }
    }

    /// A capsule from positions in patient LPS, mm, rounded to 1/64 voxel and checked.
    ///
    /// # Errors
    /// As [`CutOp::check`], and when a number is not finite.
    pub fn capsule_mm(grid: &Grid, a_mm: [f64; 3], b_mm: [f64; 3], radius_mm: f64, classes: ClassMask) -> Result<Self, CutError> {
        let radius = subvoxels(radius_mm / grid.spacing_mm())?;
        let op = Self { classes, shape: CutShape::Capsule { a: point(grid, a_mm)?, b: point(grid, b_mm)?, radius } };
        op.check(grid).map(|()| op)
    }

    /// A box from its centre and half extents in patient LPS, mm. `axes` are the box's axes as unit vectors in LPS.
    ///
    /// # Errors
    /// As [`CutOp::check`], and when a number is not finite.
    pub fn box_mm(
        grid: &Grid,
        centre_mm: [f64; 3],
        half_mm: [f64; 3],
        axes: [[f64; 3]; 3],
        rounding_mm: f64,
        classes: ClassMask,
    ) -> Result<Self, CutError> {
        let mut half = [0; 3];
        let mut rows_q14 = [[0; 3]; 3];
        for k in 0..3 {
            half[k] = subvoxels(half_mm[k] / grid.spacing_mm())?;
            for j in 0..3 {
                let v = axes[k][j] * 16_384.0;
                if !v.is_finite() {
                    return Err(CutError::NotFinite);
                }
                rows_q14[k][j] = v.round() as i32;
            }
        }
        let rounding = subvoxels(rounding_mm / grid.spacing_mm())?;
        let op = Self { classes, shape: CutShape::Box { centre: point(grid, centre_mm)?, half, rows_q14, rounding } };
        op.check(grid).map(|()| op)
    }
}

/// A length in voxels as 1/64 voxel.
fn subvoxels(voxels: f64) -> Result<i32, CutError> {
    if voxels.is_finite() { Ok((voxels * f64::from(SUBVOXEL)).round() as i32) } else { Err(CutError::NotFinite) }
}

/// A position in patient LPS as 1/64 voxel of the grid's index space.
fn point(grid: &Grid, at_mm: [f64; 3]) -> Result<[i32; 3], CutError> {
    let [x, y, z] = grid.index_from_patient(at_mm);
    Ok([subvoxels(x)?, subvoxels(y)?, subvoxels(z)?])
}

/// Whether Q14 rows are orthogonal unit vectors, to about one part in a thousand.
fn is_rotation_q14(rows: &[[i32; 3]; 3]) -> bool {
    let dot = |a: &[i32; 3], b: &[i32; 3]| (0..3).map(|k| i64::from(a[k]) * i64::from(b[k])).sum::<i64>();
    let unit = 1_i64 << 28;
    let slack = unit / 500;
    (0..3).all(|i| (0..=i).all(|j| (dot(&rows[i], &rows[j]) - if i == j { unit } else { 0 }).abs() <= slack))
}

/// The cut fields of all tissue classes, with a version per brick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutState {
    fields: [SparseField; 4],
    versions: [Vec<u32>; 4],
}

impl CutState {
    /// Nothing cut yet.
    pub fn new(grid: &Grid) -> Self {
        let versions = || vec![0; grid.brick_count()];
        Self {
            fields: std::array::from_fn(|_| SparseField::outside(grid)),
            versions: [versions(), versions(), versions(), versions()],
        }
    }

    /// The cut field of a class: distance to what was removed, 1/32 voxel, negative inside the removed part.
    pub fn field(&self, class: TissueClass) -> &SparseField {
        &self.fields[class as usize]
    }

    /// How often a brick of a class has changed; 0 for one that never did, or that the grid lacks.
    pub fn version(&self, class: TissueClass, brick: BrickIndex) -> u32 {
        self.versions[class as usize].get(brick.0 as usize).copied().unwrap_or(0)
    }

    /// Applies an operation that passed [`CutOp::check`] on the patient's grid. Only bricks in which a structure of a class lives are
    /// touched. Cost grows with the volume of the operation's surroundings: about 40 µs for a burr of 3 mm at 0.4 mm.
    pub fn apply(&mut self, patient: &Patient, op: &CutOp) -> CutOutcome {
        self.apply_where(patient, op, &|_| true)
    }

    /// As [`Self::apply`], on the bricks that `keep` holds. Bricks do not influence each other, so that the states of a partition of the
    /// bricks together equal the whole.
    pub fn apply_where(&mut self, patient: &Patient, op: &CutOp, keep: &dyn Fn(BrickIndex) -> bool) -> CutOutcome {
        let grid = patient.grid();
        let mut outcome = CutOutcome::default();
        let mut removed = vec![0_i64; patient.structures().len()];
        let Some((low, high)) = reach(op, grid) else { return outcome };
        let edge = BRICK as i32;
        let mut rows = Box::new([[127_i8; BRICK]; BRICK * BRICK]);
        for bz in low[2] / edge..=high[2] / edge {
            for by in low[1] / edge..=high[1] / edge {
                for bx in low[0] / edge..=high[0] / edge {
                    let at = [bx, by, bz];
                    let Some(brick) = grid.brick_at(at).filter(|brick| keep(*brick)) else { continue };
                    let living = Living::of(patient, op.classes, brick);
                    if living.0.is_empty() {
                        continue;
                    }
                    let span = Span::of(at, low, high);
                    if !span.fill(op, at, &mut rows) {
                        continue;
                    }
                    for class in op.classes.iter() {
                        self.carve(patient, class, brick, at, &living, &span, &rows, &mut removed, &mut outcome);
                    }
                }
            }
        }
        outcome.touched.sort_unstable();
        outcome.dirty.sort_unstable();
        outcome.dirty.dedup();
        outcome.removed =
            removed.iter().zip(patient.structures()).filter(|(n, _)| **n != 0).map(|(n, s)| (s.label, *n)).collect();
        outcome
    }

    /// Lowers one brick of one class to an operation's values.
    #[expect(clippy::too_many_arguments, reason = "one brick's loop, split from apply_where for reading")]
    fn carve(
        &mut self,
        patient: &Patient,
        class: TissueClass,
        brick: BrickIndex,
        at: [i32; 3],
        living: &Living,
        span: &Span,
        rows: &[Row; BRICK * BRICK],
        removed: &mut [i64],
        outcome: &mut CutOutcome,
    ) {
        let structures: Vec<usize> = living.0.iter().copied().filter(|s| patient.structures()[*s].class == class).collect();
        let before: Option<BrickSamples> = match self.fields[class as usize].brick(brick) {
            BrickState::Samples(samples) => Some(*samples),
            BrickState::Outside => None,
            BrickState::Inside => return,
        };
        let changes = span.rows().any(|row| match &before {
            Some(samples) => rows[row].iter().zip(&samples[row * BRICK..]).any(|(new, old)| new < old),
            None => rows[row].iter().any(|new| *new < 127),
        });
        if structures.is_empty() || !changes {
            return;
        }
        let Some(samples) = self.fields[class as usize].brick_mut(brick) else { return };
        for row in span.rows() {
            for (sample, new) in samples[row * BRICK..(row + 1) * BRICK].iter_mut().zip(&rows[row]) {
                *sample = (*sample).min(*new);
            }
        }
        let after = *samples;
        self.versions[class as usize][brick.0 as usize] += 1;
        outcome.touched.push((class, brick));
        let before = before.unwrap_or([127; BRICK_VOXELS]);
        for structure in structures {
            let change = Change::of(patient.structures()[structure].sdf.brick(brick), &before, &after);
            removed[structure] += change.removed;
            change.mark(patient.grid(), structure, at, &mut outcome.dirty);
        }
    }

    /// Takes a brick's new state from the server: a mirror's way to follow. Returns the bricks to mesh again.
    ///
    /// # Errors
    /// When the grid has no such brick or no structure of the class lives there. Nothing has changed then.
    pub fn replace(
        &mut self,
        patient: &Patient,
        class: TissueClass,
        brick: BrickIndex,
        version: u32,
        samples: &BrickSamples,
    ) -> Result<Vec<Dirty>, CutError> {
        let living = Living::of(patient, ClassMask::of(&[class]), brick);
        if brick.0 as usize >= patient.grid().brick_count() || living.0.is_empty() {
            return Err(CutError::Brick(brick, class));
        }
        let field = &mut self.fields[class as usize];
        let stored = field.brick_mut(brick).ok_or(CutError::Brick(brick, class))?;
        let before = std::mem::replace(stored, *samples);
        self.versions[class as usize][brick.0 as usize] = version;
        let mut dirty = Vec::new();
        for structure in living.0 {
            let change = Change::of(patient.structures()[structure].sdf.brick(brick), &before, samples);
            change.mark(patient.grid(), structure, patient.grid().brick_coords(brick), &mut dirty);
        }
        Ok(dirty)
    }

    /// All bricks that were ever cut: class, brick, version, samples; in rising order of class and brick.
    pub fn cut_bricks(&self) -> impl Iterator<Item = (TissueClass, BrickIndex, u32, &BrickSamples)> {
        TissueClass::ALL.into_iter().flat_map(move |class| {
            self.field(class).stored().map(move |(brick, samples)| (class, brick, self.version(class, brick), samples))
        })
    }

    /// Digest of one cut brick; 0 for one that was never cut.
    pub fn brick_digest(&self, class: TissueClass, brick: BrickIndex) -> u64 {
        match self.field(class).brick(brick) {
            BrickState::Samples(samples) => digest::brick(class, brick, samples),
            BrickState::Outside | BrickState::Inside => 0,
        }
    }

    /// Digest of everything cut: the wrapping sum of the bricks' digests. It depends on classes, bricks and samples, not on versions or on
    /// the order of cuts; digests of a partition of the bricks add up to the whole's.
    pub fn digest(&self) -> u64 {
        self.cut_bricks().map(|(class, brick, _, samples)| digest::brick(class, brick, samples)).fold(0, u64::wrapping_add)
    }
}

/// Voxels that an operation can change, first and last along each axis; none when it misses the grid.
fn reach(op: &CutOp, grid: &Grid) -> Option<([i32; 3], [i32; 3])> {
    let mut low = [0; 3];
    let mut high = [0; 3];
    for k in 0..3 {
        let (first, last, around) = match op.shape {
            CutShape::Capsule { a, b, radius } => (a[k].min(b[k]), a[k].max(b[k]), radius),
            CutShape::Box { centre, half, rows_q14, rounding } => {
                let extent: i32 = (0..3).map(|j| (rows_q14[j][k].abs() * half[j]) >> 14).sum();
                (centre[k], centre[k], extent + 3 + rounding)
            }
        };
        low[k] = ((first - around - BAND) >> 6).max(0);
        high[k] = ((last + around + BAND + 63) >> 6).min(grid.voxels()[k] - 1);
        if low[k] > high[k] {
            return None;
        }
    }
    Some((low, high))
}

/// Structures of some classes that live in a brick, by their place in the patient.
struct Living(Vec<usize>);

impl Living {
    fn of(patient: &Patient, classes: ClassMask, brick: BrickIndex) -> Self {
        let lives = |s: &crate::patient::Structure| classes.contains(s.class) && s.sdf.brick(brick) != BrickState::Outside;
        Self(patient.structures().iter().enumerate().filter(|(_, s)| lives(s)).map(|(k, _)| k).collect())
    }
}

/// The rows of a brick that an operation reaches.
struct Span {
    y: [i32; 2],
    z: [i32; 2],
}

impl Span {
    fn of(at: [i32; 3], low: [i32; 3], high: [i32; 3]) -> Self {
        let edge = BRICK as i32;
        let part = |k: usize| [(low[k] - at[k] * edge).max(0), (high[k] - at[k] * edge).min(edge - 1)];
        Self { y: part(1), z: part(2) }
    }

    /// Numbers of the rows: `y + 16 z`.
    fn rows(&self) -> impl Iterator<Item = usize> {
        let [y0, y1] = self.y;
        let [z0, z1] = self.z;
        (z0..=z1).flat_map(move |z| (y0..=y1).map(move |y| (z * BRICK as i32 + y) as usize))
    }

    /// Evaluates the operation on the rows; whether any value is below the clamp.
    fn fill(&self, op: &CutOp, at: [i32; 3], rows: &mut [Row; BRICK * BRICK]) -> bool {
        let edge = BRICK as i32;
        let x = (at[0] * edge) << 6;
        let mut any = false;
        for z in self.z[0]..=self.z[1] {
            for y in self.y[0]..=self.y[1] {
                let row = &mut rows[(z * edge + y) as usize];
                let from = [x, (at[1] * edge + y) << 6, (at[2] * edge + z) << 6];
                match op.shape {
                    CutShape::Capsule { a, b, radius } => capsule_row(row, from, a, b, radius),
                    CutShape::Box { centre, half, rows_q14, rounding } => box_row(row, from, centre, half, &rows_q14, rounding),
                }
                any |= row.iter().any(|v| *v < 127);
            }
        }
        any
    }
}

/// What a change of a cut brick does to one structure.
struct Change {
    /// Occupancy removed, 1/32 voxel.
    removed: i64,
    /// Planes along x, y, z in which the surface moved, a bit each.
    planes: [u32; 3],
}

/// Samples beyond this on both sides of a change do not bound the surface: a cell that the surface crosses is √3 voxels long, so its
/// samples are within 56 steps where the field's slope is 1; the rest is for fields that are steeper, up to 1.7.
const NEAR: u8 = 96;

impl Change {
    fn of(patient: BrickState<'_>, before: &BrickSamples, after: &BrickSamples) -> Self {
        let mut change = Self { removed: 0, planes: [0; 3] };
        if patient == BrickState::Outside {
            return change;
        }
        for row in 0..BRICK * BRICK {
            let part = row * BRICK..(row + 1) * BRICK;
            if before[part.clone()] == after[part.clone()] {
                continue;
            }
            let (mut moved, mut sum) = (0_u32, 0_i32);
            for (x, at) in part.enumerate() {
                let sdf = match patient {
                    BrickState::Samples(samples) => samples[at],
                    BrickState::Inside | BrickState::Outside => -127,
                };
                let old = sample::carve(sdf, before[at]);
                let new = sample::carve(sdf, after[at]);
                // Samples far from the surface on both sides move no vertex.
                let near = old.unsigned_abs().min(new.unsigned_abs()) <= NEAR || (old < 0) != (new < 0);
                moved |= u32::from(old != new && near) << x;
                sum += occupancy(old) - occupancy(new);
            }
            change.removed += i64::from(sum);
            if moved != 0 {
                change.planes[0] |= moved;
                change.planes[1] |= 1 << (row % BRICK);
                change.planes[2] |= 1 << (row / BRICK);
            }
        }
        change
    }

    /// Lists the brick, and the neighbours whose meshes reach into the planes that moved.
    fn mark(&self, grid: &Grid, structure: usize, at: [i32; 3], dirty: &mut Vec<Dirty>) {
        if self.planes[0] == 0 {
            return;
        }
        let range = |planes: u32| -(i32::from(planes & 1 == 1))..=i32::from(planes >> (BRICK - 1) & 1 == 1);
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
