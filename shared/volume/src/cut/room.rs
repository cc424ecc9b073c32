//! The room in what was cut away: how far off the tissue that is left is, where cuts met.
//!
//! Where two cuts meet, the distance to what they took together is stored as about nothing along their common border, though the place is
//! empty all round: the lesser of two distances is no distance inside a union. What stops a tool must not stop at such a seam, so the
//! room is measured again here, from signs alone: a sample that has no tissue next to it is as far off as the nearest of those that have,
//! and these keep their own value. The room is never more than the true distance but for rounding, up to a seventh less, and never touches
//! a cell that the surface crosses.
//!
//! It is derived: an integer function of the patient and the cut fields, whichever way these came about. Nothing of it is stored, sent or
//! digested. It is worked out brick by brick when it is first read, and again only in the rows that cuts came near. Beside it lies, for each
//! structure, what a reader wants in the end: the greater of what is left of the structure and the room.

use std::sync::OnceLock;

use super::change::{Moved, rows};
use super::kernel::Row;
use crate::bits;
use crate::field::{BrickSamples, BrickState, SparseField};
use crate::grid::{BRICK, BRICK_VOXELS, BrickIndex, Grid};
use crate::label::TissueClass;
use crate::patient::Patient;
use crate::sample::carve;

/// Lengths of a step to the neighbours across a face, an edge and a corner, 1/32 voxel: the longest whose sums no straight line undercuts,
/// which holds as (29, 39 − 29, 48 − 39) is no longer than 32.
const STEPS: [u8; 3] = [29, 39, 48];
/// Steps after which the room is at the clamp.
const REACH: i32 = 4;
/// Beyond its reach a sample's own neighbours count.
const AROUND: i32 = REACH + 1;
/// Samples next to tissue are no farther off than the diagonal of a voxel, 1/32 voxel.
const NEXT: i8 = 56;
/// The room inside tissue: none, and deeper than any sample, so that the greater of the two is the sample.
const TISSUE: i8 = i8::MIN;

/// The rooms of one class.
#[derive(Clone, Debug)]
pub(super) struct Rooms {
    grid: Grid,
    /// Per brick of the grid: one more than the number of its room; 0 where no cut brick is next to it. Empty before the first cut.
    slots: Vec<u32>,
    rooms: Vec<Room>,
}

/// The room in one brick.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    known: OnceLock<Box<BrickSamples>>,
    /// What is left of each structure of the class that lives in the brick, by its place in the patient, or the room where that is more.
    left: OnceLock<Vec<(u16, Box<BrickSamples>)>>,
    /// What was known before cuts came near, and the rows that they came near: first and last along y and z.
    before: Option<(Box<BrickSamples>, [[i32; 2]; 2])>,
}

impl Rooms {
    /// Nothing cut yet.
    pub(super) fn new(grid: &Grid) -> Self {
        Self { grid: *grid, slots: Vec::new(), rooms: Vec::new() }
    }

    /// Notes that samples of a brick that is now stored have moved.
    pub(super) fn moved(&mut self, brick: BrickIndex, moved: Option<Moved>) {
        let own = brick;
        if self.slots.is_empty() {
            self.slots = vec![0; self.grid.brick_count()];
        }
        let at = self.grid.brick_coords(brick);
        for near in neighbours() {
            let Some(brick) = self.grid.brick_at([at[0] + near[0], at[1] + near[1], at[2] + near[2]]) else { continue };
            let Some(slot) = self.slots.get_mut(brick.0 as usize) else { continue };
            if *slot == 0 {
                self.rooms.push(Room::default());
                *slot = self.rooms.len() as u32;
            }
            let Some(room) = self.rooms.get_mut(*slot as usize - 1) else { continue };
            if brick == own {
                // Samples that bound no surface are read too.
                room.left.take();
            }
            let Some(moved) = moved else { continue };
            // What moved as this brick counts it, and as far as it is felt.
            let edge = BRICK as i32;
            let spans = [0, 1, 2].map(|k| [moved.low[k] - near[k] * edge - AROUND, moved.high[k] - near[k] * edge + AROUND]);
            if spans.iter().all(|[low, high]| *low < edge && *high >= 0) {
                room.spoil([spans[1], spans[2]].map(|[low, high]| [low.max(0), high.min(edge - 1)]));
            }
        }
    }

    /// The room in a brick; none where no cut is next to the brick.
    #[inline]
    pub(super) fn near(&self, brick: BrickIndex) -> Option<&Room> {
        let slot = self.slots.get(brick.0 as usize)?.checked_sub(1)?;
        self.rooms.get(slot as usize)
    }

    /// What is left of a structure in a brick whose room this is, and the room where that is more: samples within tissue and next to it are
    /// as they are.
    #[inline]
    pub(super) fn left<'a>(
        &self,
        room: &'a Room,
        patient: &Patient,
        cut: &SparseField,
        class: TissueClass,
        (structure, brick): (usize, BrickIndex),
    ) -> BrickState<'a> {
        let left = match room.left.get() {
            Some(left) => left,
            None => room.left.get_or_init(|| room.carved(patient, cut, class, brick)),
        };
        let found = left.iter().find(|(resident, _)| usize::from(*resident) == structure);
        found.map_or(BrickState::Outside, |(_, samples)| BrickState::Samples(samples))
    }
}

impl Room {
    /// The room, 1/32 voxel; [`TISSUE`] in tissue.
    fn samples(&self, patient: &Patient, cut: &SparseField, class: TissueClass, brick: BrickIndex) -> &BrickSamples {
        self.known.get_or_init(|| {
            let (mut samples, stale) = match &self.before {
                Some((samples, stale)) => (samples.clone(), *stale),
                None => (Box::new([TISSUE; BRICK_VOXELS]), [[0, BRICK as i32 - 1]; 2]),
            };
            Surroundings::new(patient, cut, class, brick).measure(stale, &mut samples);
            samples
        })
    }

    /// What is left of each structure of a class that lives in the brick, or the room where that is more. Next to tissue, and within a
    /// structure, it never is: there the room is what is left, or less.
    fn carved(
        &self,
        patient: &Patient,
        cut: &SparseField,
        class: TissueClass,
        brick: BrickIndex,
    ) -> Vec<(u16, Box<BrickSamples>)> {
        let residents = patient.residents(brick).iter().filter_map(|k| Some((*k, patient.structures().get(usize::from(*k))?)));
        let cut_here = match cut.brick(brick) {
            BrickState::Outside => &[127; BRICK_VOXELS],
            BrickState::Inside => &[-127; BRICK_VOXELS],
            BrickState::Samples(samples) => samples,
        };
        let mut all = Vec::new();
        for (resident, structure) in residents.filter(|(_, s)| s.class == class) {
            let mut left = Box::new(*self.samples(patient, cut, class, brick));
            let tissue = match structure.sdf.brick(brick) {
                BrickState::Outside => continue,
                BrickState::Inside => &[-127; BRICK_VOXELS],
                BrickState::Samples(samples) => samples,
            };
            for ((left, tissue), cut) in left.iter_mut().zip(tissue).zip(cut_here) {
                *left = (*left).max(carve(*tissue, *cut));
            }
            all.push((resident, left));
        }
        all
    }

    /// Notes that cuts came near some rows.
    fn spoil(&mut self, spans: [[i32; 2]; 2]) {
        self.left.take();
        if let Some(samples) = self.known.take() {
            self.before = Some((samples, spans));
        } else if let Some((_, stale)) = &mut self.before {
            for (stale, span) in stale.iter_mut().zip(spans) {
                *stale = [stale[0].min(span[0]), stale[1].max(span[1])];
            }
        }
    }
}

/// Offsets of a brick's neighbours and itself, x fastest.
fn neighbours() -> impl Iterator<Item = [i32; 3]> {
    (0..27).map(|n| [n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1])
}

/// Samples in a row of the working space: a brick's and eight to each side.
const WIDE: usize = 2 * BRICK;
/// Where the brick begins in it.
const SIDE: usize = BRICK / 2;
/// Rows of the working space along y and along z: the brick's and [`AROUND`] to each side.
const SPAN: usize = BRICK + 2 * AROUND as usize;
/// All of these rows.
const ROWS: usize = SPAN * SPAN;

/// A brick and those around it.
struct Surroundings<'a> {
    /// What was cut in each, by [`neighbours`].
    cut: [BrickState<'a>; 27],
    /// What each of the class's structures that live near has in each.
    tissue: Vec<[BrickState<'a>; 27]>,
}

impl<'a> Surroundings<'a> {
    fn new(patient: &'a Patient, cut: &'a SparseField, class: TissueClass, brick: BrickIndex) -> Self {
        let grid = patient.grid();
        let at = grid.brick_coords(brick);
        let mut bricks = [None; 27];
        for (brick, near) in bricks.iter_mut().zip(neighbours()) {
            *brick = grid.brick_at([at[0] + near[0], at[1] + near[1], at[2] + near[2]]);
        }
        let states = |field: &'a SparseField| bricks.map(|brick| brick.map_or(BrickState::Outside, |brick| field.brick(brick)));
        let mut living: Vec<u16> = bricks.iter().flatten().flat_map(|brick| patient.residents(*brick)).copied().collect();
        living.sort_unstable();
        living.dedup();
        let structures = living.iter().filter_map(|k| patient.structures().get(usize::from(*k)));
        let tissue = structures.filter(|s| s.class == class).map(|s| states(&s.sdf)).collect();
        Self { cut: states(cut), tissue }
    }

    /// What is left of the class in the row (y, z) from the brick's first, eight samples before it to eight after it.
    fn left(&self, y: i32, z: i32) -> [i8; WIDE] {
        let edge = BRICK as i32;
        let number = (y.rem_euclid(edge) + edge * z.rem_euclid(edge)) as usize;
        let mut wide = [127_i8; WIDE];
        for along in 0..3 {
            let near = (along + 3 * (y.div_euclid(edge) + 1) + 9 * (z.div_euclid(edge) + 1)) as usize;
            let cut = match self.cut[near] {
                BrickState::Outside => &[127; BRICK],
                BrickState::Inside => &[-127; BRICK],
                BrickState::Samples(samples) => &rows(samples)[number],
            };
            let mut left: Row = [127; BRICK];
            for states in &self.tissue {
                let tissue = match states[near] {
                    BrickState::Outside => continue,
                    BrickState::Inside => &[-127; BRICK],
                    BrickState::Samples(samples) => &rows(samples)[number],
                };
                for x in 0..BRICK {
                    left[x] = left[x].min(carve(tissue[x], cut[x]));
                }
            }
            match along {
                0 => wide[..SIDE].copy_from_slice(&left[BRICK - SIDE..]),
                1 => wide[SIDE..SIDE + BRICK].copy_from_slice(&left),
                _ => wide[SIDE + BRICK..].copy_from_slice(&left[..SIDE]),
            }
        }
        wide
    }

    /// Measures the room in some of the brick's rows.
    fn measure(&self, [ys, zs]: [[i32; 2]; 2], out: &mut BrickSamples) {
        let mut field = Field::new();
        let mut left = [[127_i8; WIDE]; ROWS];
        for z in zs[0] - AROUND..=zs[1] + AROUND {
            for y in ys[0] - AROUND..=ys[1] + AROUND {
                let row = self.left(y, z);
                let eights = row.as_chunks::<8>().0.iter().enumerate();
                field.inside[at(y, z)] = eights.fold(0, |mask, (n, eight)| mask | bits::negative(eight) << (8 * n));
                left[at(y, z)] = row;
            }
        }
        let reached = |[first, last]: [i32; 2]| [first - REACH, last + REACH];
        let (ys_reached, zs_reached) = (reached(ys), reached(zs));
        for z in zs_reached[0]..=zs_reached[1] {
            for y in ys_reached[0]..=ys_reached[1] {
                field.start(y, z, &left[at(y, z)]);
            }
        }
        // There and back: whichever way a straight run of steps goes, its rows come one after the other in one of the two. Rows of one
        // front have passed none of each other, so that none has to wait for another.
        let fronts = || ys_reached[0] + 2 * zs_reached[0]..=ys_reached[1] + 2 * zs_reached[1];
        let front = |n: i32| (zs_reached[0]..=zs_reached[1]).map(move |z| (n - 2 * z, z)).filter(|(y, _)| within(*y, ys_reached));
        fronts().for_each(|n| field.sweep(front(n), -1));
        fronts().rev().for_each(|n| field.sweep(front(n), 1));
        let out = out.as_chunks_mut::<BRICK>().0;
        for z in zs[0]..=zs[1] {
            for y in ys[0]..=ys[1] {
                let (rooms, inside) = (&field.rooms[at(y, z)], field.inside[at(y, z)]);
                let tissue: [u8; BRICK] = bits::bytes(inside >> SIDE);
                for (x, out) in out[y as usize + BRICK * z as usize].iter_mut().enumerate() {
                    *out = (rooms[x + SIDE + BESIDE] & !tissue[x]) as i8 | TISSUE & tissue[x] as i8;
                }
            }
        }
    }
}

fn within(value: i32, [first, last]: [i32; 2]) -> bool {
    (first..=last).contains(&value)
}

/// Place of the row (y, z) from the brick's first in the working space.
fn at(y: i32, z: i32) -> usize {
    (y + AROUND) as usize + SPAN * (z + AROUND) as usize
}

/// Samples on either side of a row that are never in reach of anything: what lies there is read and never written.
const BESIDE: usize = REACH as usize;
/// A row of rooms with what lies beside it.
type Line = [u8; WIDE + 2 * BESIDE];
/// A row where nothing is near.
const BARE: Line = [127; WIDE + 2 * BESIDE];

/// A working space.
struct Field {
    /// Room, 1/32 voxel, up to the clamp.
    rooms: [Line; ROWS],
    /// A bit for each sample in tissue.
    inside: [u32; ROWS],
    /// Rows that are all at the clamp.
    bare: [bool; ROWS],
    /// Rows in which no sample is farther off than by the steps to another.
    settled: [bool; ROWS],
}

impl Field {
    const fn new() -> Self {
        Self { rooms: [BARE; ROWS], inside: [0; ROWS], bare: [true; ROWS], settled: [true; ROWS] }
    }

    /// Sets a row's samples next to tissue.
    fn start(&mut self, y: i32, z: i32, left: &[i8; WIDE]) {
        let tissue = (0..9).fold(0, |mask, n| mask | self.inside[at(y + n % 3 - 1, z + n / 3 - 1)]);
        let next = (tissue | tissue << 1 | tissue >> 1) & !self.inside[at(y, z)];
        if next == 0 {
            return;
        }
        (self.bare[at(y, z)], self.settled[at(y, z)]) = (false, false);
        let next: [u8; WIDE] = bits::bytes(next);
        let rooms = &mut self.rooms[at(y, z)];
        for x in 0..WIDE {
            rooms[x + BESIDE] = left[x].clamp(0, NEXT) as u8 & next[x] | 127 & !next[x];
        }
    }

    /// Lets the samples of some rows, of which none has passed another, be no farther off than by a step to a neighbour in the rows that a
    /// sweep has passed, and than by steps along their own.
    fn sweep(&mut self, rows: impl Iterator<Item = (i32, i32)> + Clone, passed: i32) {
        rows.clone().for_each(|(y, z)| self.take_over(y, z, passed));
        rows.for_each(|(y, z)| self.settle(at(y, z)));
    }

    /// Takes over what is nearer from the rows that a sweep has passed.
    fn take_over(&mut self, y: i32, z: i32, passed: i32) {
        let here = at(y, z);
        let edges = [at(y, z + passed), at(y + passed, z)];
        let corners = [at(y - 1, z + passed), at(y + 1, z + passed)];
        let old = part(&self.rooms[here], 0);
        let mut new = old;
        for (rows, [along, aside]) in [(edges, [STEPS[0], STEPS[1]]), (corners, [STEPS[1], STEPS[2]])] {
            if rows.iter().all(|row| self.bare[*row]) {
                continue;
            }
            let [a, b] = rows.map(|row| &self.rooms[row]);
            let level = nearer(part(a, 0), part(b, 0));
            let before = nearer(part(a, -1), part(b, -1));
            let after = nearer(part(a, 1), part(b, 1));
            new = nearer(new, nearer(farther(level, along), farther(nearer(before, after), aside)));
        }
        if new != old {
            self.rooms[here][BESIDE..BESIDE + WIDE].copy_from_slice(&new);
            (self.bare[here], self.settled[here]) = (false, false);
        }
    }

    /// Lets no sample of a row be farther off than by the steps to another. More steps than reach need no look: no sum of them is below the
    /// clamp.
    fn settle(&mut self, here: usize) {
        if std::mem::replace(&mut self.settled[here], true) {
            return;
        }
        let old = &self.rooms[here];
        let mut new = part(old, 0);
        for steps in 1..=BESIDE as isize {
            let far = STEPS[0] * steps as u8;
            new = nearer(new, farther(nearer(part(old, -steps), part(old, steps)), far));
        }
        self.rooms[here][BESIDE..BESIDE + WIDE].copy_from_slice(&new);
    }
}

/// The samples of a row, each the one that lies `by` places on from it.
#[inline(always)]
fn part(line: &Line, by: isize) -> [u8; WIDE] {
    let mut part = [0; WIDE];
    let first = BESIDE.wrapping_add_signed(by);
    part.copy_from_slice(&line[first..first + WIDE]);
    part
}

/// The lesser of two rows' rooms.
#[inline(always)]
fn nearer(mut a: [u8; WIDE], b: [u8; WIDE]) -> [u8; WIDE] {
    for (a, b) in a.iter_mut().zip(b) {
        *a = (*a).min(b);
    }
    a
}

/// A row's rooms and a step.
#[inline(always)]
fn farther(mut a: [u8; WIDE], step: u8) -> [u8; WIDE] {
    for a in &mut a {
        *a = a.saturating_add(step);
    }
    a
}
