//! A position's place among the samples of fields: found once, read from as many fields as are asked for.
//!
//! Nearly all reading of distances goes through here, so it is short: in five of six places all eight samples around a position lie in
//! one brick, and a brick that holds nothing of a structure is not read at all.

use crate::cut::CutState;
use crate::far::is_far;
use crate::field::{BrickSamples, BrickState, SparseField};
use crate::grid::{BRICK, BrickIndex, Grid, SDF_PER_VOXEL, floor};
use crate::patient::Patient;
use crate::sample::carve;

/// Eight stored samples around a position, x fastest, then y, then z.
pub type Around = [i8; 8];

/// Offsets of a cell's corners in a brick's samples, x fastest.
const CORNERS: [usize; 8] = {
    let (y, z) = (BRICK, BRICK * BRICK);
    [0, 1, y, y + 1, z, z + 1, z + y, z + y + 1]
};
/// Samples from a cell's first corner to its last.
const SPAN: usize = CORNERS[7] + 1;
/// The sample of a place outside the grid.
const FAR: i8 = 127;
/// No brick: a corner outside the grid.
const NOWHERE: u32 = u32::MAX;

/// Where the eight samples around a position lie, and the position's place between them.
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    home: Home,
    /// Place between the samples, 0-1 along each axis.
    part: [f64; 3],
}

#[derive(Clone, Copy, Debug)]
enum Home {
    /// All in one brick: the first one's place in it.
    One(BrickIndex, usize),
    /// In several, or some outside the grid: brick and place in it of each, and a bit for each axis along which the brick changes.
    Several([(u32, u16); 8], usize),
}

impl Spot {
    /// The spot of a position in patient LPS, mm. A position that is not a number counts as the first voxel's.
    #[inline]
    pub fn new(grid: &Grid, at_mm: [f64; 3]) -> Self {
        let (low, part) = cell(grid, at_mm);
        Self { home: Home::of(grid, low), part }
    }

    /// As [`Spot::new`]; none where what is left of some structures is surely at the clamp in all samples around, for less than reading
    /// them.
    #[inline]
    pub fn unless_far(patient: &Patient, structures: &[usize], at_mm: [f64; 3]) -> Option<Self> {
        let (low, part) = cell(patient.grid(), at_mm);
        (!is_far(patient, structures, low)).then(|| Self { home: Home::of(patient.grid(), low), part })
    }

    /// The samples of a field; none where the field comes nowhere near.
    #[inline]
    pub fn samples(&self, field: &SparseField) -> Option<Around> {
        self.gather(|brick| field.brick(brick))
    }

    /// The samples of what bricks hold; none where they are all outside.
    #[inline]
    fn gather<'a>(&self, state: impl Fn(BrickIndex) -> BrickState<'a>) -> Option<Around> {
        match &self.home {
            Home::One(brick, first) => match state(*brick) {
                BrickState::Outside => None,
                BrickState::Inside => Some([-127; 8]),
                BrickState::Samples(samples) => Some(read(samples, *first)),
            },
            Home::Several(corners, changes) => {
                let mut around = [FAR; 8];
                let mut states = [BrickState::Outside; 8];
                let mut near = false;
                for (k, (brick, at)) in corners.iter().enumerate() {
                    // A corner's brick is that of the first corner on its side along each axis.
                    states[k] = if k & !changes == 0 { state(BrickIndex(*brick)) } else { states[k & changes] };
                    match states[k] {
                        BrickState::Outside => {}
                        BrickState::Inside => (around[k], near) = (-127, true),
                        BrickState::Samples(samples) => {
                            (around[k], near) = (samples.get(usize::from(*at)).copied().unwrap_or(FAR), true);
                        }
                    }
                }
                near.then_some(around)
            }
        }
    }

    /// The structures that can have samples here, by their places in the patient, rising; none of them where all are to be asked.
    pub(crate) fn residents<'a>(&self, patient: &'a Patient) -> Option<&'a [u16]> {
        match &self.home {
            Home::One(brick, _) => Some(patient.residents(*brick)),
            Home::Several(..) => None,
        }
    }

    /// The samples of what is left of a structure; none where the structure comes nowhere near, or the patient lacks it.
    pub fn left(&self, patient: &Patient, cut: &CutState, structure: usize) -> Option<Around> {
        let structure = patient.structures().get(structure)?;
        let mut around = self.samples(&structure.sdf)?;
        if let Some(cut) = self.samples(cut.field(structure.class)) {
            around.iter_mut().zip(cut).for_each(|(v, cut)| *v = carve(*v, cut));
        }
        Some(around)
    }

    /// As [`Spot::left`], with all the room that there is where cuts met: a cut's samples are about nothing along the border of two cuts,
    /// though the place is empty all round. The surface is the same.
    #[inline]
    pub fn room(&self, patient: &Patient, cut: &CutState, structure: usize) -> Option<Around> {
        let class = patient.structures().get(structure)?.class;
        self.gather(|brick| cut.room(patient, class, structure, brick))
    }

    /// As [`Spot::left_mm`], from [`Spot::room`].
    #[inline]
    pub fn room_mm(&self, patient: &Patient, cut: &CutState, structure: usize) -> Option<f64> {
        let around = self.room(patient, cut, structure)?;
        Some(self.mm(patient.grid(), &around))
    }

    /// As [`Spot::left_slope`], from [`Spot::room`].
    pub fn room_slope(&self, patient: &Patient, cut: &CutState, structure: usize) -> Option<(f64, [f64; 3])> {
        let around = self.room(patient, cut, structure)?;
        Some(self.slope(patient.grid(), &around))
    }

    /// Signed distance to what is left of a structure, mm, negative inside; none where the structure comes nowhere near.
    pub fn left_mm(&self, patient: &Patient, cut: &CutState, structure: usize) -> Option<f64> {
        let around = self.left(patient, cut, structure)?;
        Some(self.mm(patient.grid(), &around))
    }

    /// Whether the position lies in what is left of a structure: whether [`Spot::left_mm`] is negative.
    pub(crate) fn in_left(&self, patient: &Patient, cut: &CutState, structure: usize) -> bool {
        let Some(around) = self.left(patient, cut, structure) else { return false };
        // What lies between corners of one sign has that sign.
        match around.iter().filter(|v| **v < 0).count() {
            0 => false,
            8 => true,
            _ => self.mm(patient.grid(), &around) < 0.0,
        }
    }

    /// As [`Spot::left_mm`], with the gradient there: mm per mm, pointing out of the tissue.
    pub fn left_slope(&self, patient: &Patient, cut: &CutState, structure: usize) -> Option<(f64, [f64; 3])> {
        let around = self.left(patient, cut, structure)?;
        Some(self.slope(patient.grid(), &around))
    }

    /// The distance that samples stand for at the position, mm.
    #[inline]
    fn mm(&self, grid: &Grid, around: &Around) -> f64 {
        // Between equal corners there is nothing to weigh.
        if *around == [FAR; 8] {
            return (f64::from(FAR) + 0.5) * (grid.spacing_mm() / f64::from(SDF_PER_VOXEL));
        }
        trilinear(&self.corners_mm(grid, around), self.part)
    }

    /// The distance that samples stand for at the position, mm, and its gradient.
    fn slope(&self, grid: &Grid, around: &Around) -> (f64, [f64; 3]) {
        let corner = self.corners_mm(grid, around);
        let gradient = trilinear_gradient(&corner, self.part).map(|g| g / grid.spacing_mm());
        (trilinear(&corner, self.part), gradient)
    }

    /// The distances that samples stand for, mm.
    #[inline]
    pub(crate) fn corners_mm(&self, grid: &Grid, around: &Around) -> [f64; 8] {
        let step_mm = grid.spacing_mm() / f64::from(SDF_PER_VOXEL);
        let mut corner = [0.0; 8];
        for (mm, sample) in corner.iter_mut().zip(around) {
            *mm = (f64::from(*sample) + 0.5) * step_mm;
        }
        corner
    }

    /// Place between the samples, 0-1 along each axis.
    pub(crate) fn part(&self) -> [f64; 3] {
        self.part
    }
}

/// The first of the eight samples around a position, and the position's place between them.
#[inline]
fn cell(grid: &Grid, at_mm: [f64; 3]) -> ([i32; 3], [f64; 3]) {
    let index = grid.index_from_patient(at_mm);
    let (mut low, mut part) = ([0_i32; 3], [0.0; 3]);
    for k in 0..3 {
        // The floor saturates: positions far outside read as outside.
        let floor = floor(index[k]);
        low[k] = floor.clamp(i32::MIN / 2, i32::MAX / 2);
        part[k] = (index[k] - f64::from(floor)).clamp(0.0, 1.0);
    }
    (low, part)
}

impl Home {
    #[inline]
    fn of(grid: &Grid, low: [i32; 3]) -> Self {
        let edge = BRICK as i32;
        let (brick, first) = (low.map(|v| v >> BRICK.trailing_zeros()), low.map(|v| v & (edge - 1)));
        let bricks = grid.bricks();
        let strides = [1, bricks[0], bricks[0] * bricks[1]];
        // Along one axis: what a brick adds to the number of a brick, if the grid has it.
        let along = |axis: usize, at: i32| (0..bricks[axis] as i32).contains(&at).then(|| at as u32 * strides[axis]);
        if first.iter().all(|v| *v < edge - 1) {
            let place = first[0] as usize + BRICK * (first[1] as usize + BRICK * first[2] as usize);
            if let (Some(x), Some(y), Some(z)) = (along(0, brick[0]), along(1, brick[1]), along(2, brick[2])) {
                return Self::One(BrickIndex(x + y + z), place);
            }
        }
        Self::across(grid, brick, first)
    }

    /// As [`Home::of`], for samples that lie in more than one brick, or outside the grid: the first one's brick, and its place there.
    fn across(grid: &Grid, brick: [i32; 3], first: [i32; 3]) -> Self {
        let edge = BRICK as i32;
        let bricks = grid.bricks();
        let strides = [1, bricks[0], bricks[0] * bricks[1]];
        let along = |axis: usize, at: i32| (0..bricks[axis] as i32).contains(&at).then(|| at as u32 * strides[axis]);
        let ends = |axis: usize| {
            let next = first[axis] + 1;
            [(along(axis, brick[axis]), first[axis]), (along(axis, brick[axis] + (next >> 4)), next & (edge - 1))]
        };
        let (xs, ys, zs) = (ends(0), ends(1), ends(2));
        let mut corners = [(NOWHERE, 0); 8];
        for (k, corner) in corners.iter_mut().enumerate() {
            let ((x, i), (y, j), (z, l)) = (xs[k & 1], ys[k >> 1 & 1], zs[k >> 2]);
            if let (Some(x), Some(y), Some(z)) = (x, y, z) {
                *corner = (x + y + z, (i + edge * (j + edge * l)) as u16);
            }
        }
        let changes = (0..3).filter(|axis| first[*axis] == edge - 1).fold(0, |bits, axis| bits | 1 << axis);
        Self::Several(corners, changes)
    }
}

/// Trilinear interpolation of eight corner values, x fastest.
#[inline]
pub(crate) fn trilinear(corner: &[f64; 8], part: [f64; 3]) -> f64 {
    let mix = |a: f64, b: f64, t: f64| a + (b - a) * t;
    let [c0, c1, c2, c3, c4, c5, c6, c7] = *corner;
    let [u, v, w] = part;
    mix(mix(mix(c0, c1, u), mix(c2, c3, u), v), mix(mix(c4, c5, u), mix(c6, c7, u), v), w)
}

/// Gradient of the trilinear interpolation, per voxel.
pub(crate) fn trilinear_gradient(corner: &[f64; 8], part: [f64; 3]) -> [f64; 3] {
    let mix = |a: f64, b: f64, t: f64| a + (b - a) * t;
    let c = corner;
    let [u, v, w] = part;
    [
        mix(mix(c[1] - c[0], c[3] - c[2], v), mix(c[5] - c[4], c[7] - c[6], v), w),
        mix(mix(c[2] - c[0], c[3] - c[1], u), mix(c[6] - c[4], c[7] - c[5], u), w),
        mix(mix(c[4] - c[0], c[5] - c[1], u), mix(c[6] - c[2], c[7] - c[3], u), v),
    ]
}

/// The eight samples of a cell whose first lies at `first` in a brick and that lies wholly in it.
#[inline]
fn read(samples: &BrickSamples, first: usize) -> Around {
    let Some(span) = samples.get(first..).and_then(|rest| rest.first_chunk::<SPAN>()) else { return [FAR; 8] };
    let [a, b, c, d, e, f, g, h] = CORNERS;
    [span[a], span[b], span[c], span[d], span[e], span[f], span[g], span[h]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::VoxelIndex;

    /// Proves that the short way reads the very samples that lie around a position: in one brick, across bricks, at and beyond the rim.
    #[test]
    fn a_spot_reads_what_is_stored_around_it() {
        let grid = Grid::new([-3.0, 1.0, 2.0], 0.5, [3, 2, 2]).unwrap();
        let mut field = SparseField::outside(&grid);
        for brick in [0, 1, 5, 7] {
            let samples = field.brick_mut(BrickIndex(brick)).unwrap();
            samples.iter_mut().enumerate().for_each(|(n, v)| *v = ((n as u32 * 37 + brick * 11) % 251) as i8);
        }
        field.set_inside(BrickIndex(9));
        let (mut across, mut rim) = (0, 0);
        for n in 0..60_000_u32 {
            let spread = |k: u32, span: f64| f64::from(n.wrapping_mul(k) % 9_973) / 9_973.0 * span;
            let at = [spread(7_919, 28.0) - 5.0, spread(6_101, 20.0) - 1.0, spread(3_571, 20.0) + 0.0];
            let low = grid.index_from_patient(at).map(|v| v.floor() as i32);
            let wanted: Around = std::array::from_fn(|k| {
                let k = k as i32;
                field.sample(&grid, VoxelIndex([low[0] + (k & 1), low[1] + (k >> 1 & 1), low[2] + (k >> 2)]))
            });
            let spot = Spot::new(&grid, at);
            across += u32::from(matches!(spot.home, Home::Several(..)));
            rim += u32::from(low.contains(&-1));
            match spot.samples(&field) {
                Some(around) => assert_eq!(around, wanted, "{at:?}"),
                None => assert_eq!(wanted, [127; 8], "{at:?}"),
            }
        }
        assert!(across > 5_000 && rim > 1_000, "{across} {rim}");
    }

    /// Proves that positions far away, or none at all, read as outside.
    #[test]
    fn absurd_positions_are_outside() {
        let grid = Grid::new([0.0; 3], 0.4, [1, 1, 1]).unwrap();
        let mut field = SparseField::outside(&grid);
        field.set_inside(BrickIndex(0));
        for at in [[1e300, 0.0, 0.0], [0.0, f64::NEG_INFINITY, 0.0], [3.0, 3.0, -1e12]] {
            assert!(Spot::new(&grid, at).samples(&field).is_none(), "{at:?}");
        }
    }
}
