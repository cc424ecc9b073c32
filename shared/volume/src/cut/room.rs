//! The room in what was cut away: how far off the tissue that is left is, where cuts met.
//!
//! Where two cuts meet, the distance to what they took together is stored as about nothing along their common border, though the place is
//! empty all round: the lesser of two distances is no distance inside a union. What stops a tool must not stop at such a seam, so the
//! room is measured again here, from signs alone: a sample that has no tissue next to it is as far off as the nearest of those that have,
//! and these keep their own value. The room is never more than the true distance but for rounding, up to a seventh less, and never touches
//! a cell that the surface crosses.
//!
//! It is derived: an integer function of the patient and the cut fields, whichever way these came about. Nothing of it is stored, sent or
//! digested. It is worked out brick by brick when it is first read, and again only in the rows that cuts came near.

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
struct Room {
    known: OnceLock<Box<BrickSamples>>,
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
            let (Some(moved), Some(room)) = (moved, self.rooms.get_mut(*slot as usize - 1)) else { continue };
            // What moved as this brick counts it, and as far as it is felt.
            let edge = BRICK as i32;
            let spans = [0, 1, 2].map(|k| [moved.low[k] - near[k] * edge - AROUND, moved.high[k] - near[k] * edge + AROUND]);
            if spans.iter().all(|[low, high]| *low < edge && *high >= 0) {
                room.spoil([spans[1], spans[2]].map(|[low, high]| [low.max(0), high.min(edge - 1)]));
            }
        }
    }

    /// The room in a brick, 1/32 voxel; none where no cut is next to the brick.
    pub(super) fn room(
        &self,
        patient: &Patient,
        cut: &SparseField,
        class: TissueClass,
        brick: BrickIndex,
    ) -> Option<&BrickSamples> {
        let slot = self.slots.get(brick.0 as usize)?.checked_sub(1)?;
        let room = self.rooms.get(slot as usize)?;
        Some(room.known.get_or_init(|| {
            let (mut samples, stale) = match &room.before {
                Some((samples, stale)) => (samples.clone(), *stale),
                None => (Box::new([TISSUE; BRICK_VOXELS]), [[0, BRICK as i32 - 1]; 2]),
            };
            Surroundings::new(patient, cut, class, brick).measure(stale, &mut samples);
            samples
        }))
    }
}

impl Room {
    /// Notes that cuts came near some rows.
    fn spoil(&mut self, spans: [[i32; 2]; 2]) {
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
        let living = patient.structures().iter().filter(|s| s.class == class).map(|s| states(&s.sdf));
        let tissue = living.filter(|states| states.iter().any(|state| *state != BrickState::Outside)).collect();
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
                BrickState::Outside => [127; BRICK],
                BrickState::Inside => [-127; BRICK],
                BrickState::Samples(samples) => rows(samples)[number],
            };
            let mut left: Row = [127; BRICK];
            for states in &self.tissue {
                let tissue = match states[near] {
                    BrickState::Outside => continue,
                    BrickState::Inside => [-127; BRICK],
                    BrickState::Samples(samples) => rows(samples)[number],
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
        let mut field = Field { rooms: [[127; WIDE]; SPAN * SPAN], inside: [0; SPAN * SPAN], bare: [true; SPAN * SPAN] };
        let mut left = [[127_i8; WIDE]; SPAN * SPAN];
        for z in zs[0] - AROUND..=zs[1] + AROUND {
            for y in ys[0] - AROUND..=ys[1] + AROUND {
                let row = self.left(y, z);
                let eights = row.as_chunks::<8>().0.iter().enumerate();
                field.inside[at(y, z)] = eights.fold(0, |mask, (n, eight)| mask | bits::negative(eight) << (8 * n));
                left[at(y, z)] = row;
            }
        }
        for z in zs[0] - REACH..=zs[1] + REACH {
            for y in ys[0] - REACH..=ys[1] + REACH {
                field.start(y, z, &left[at(y, z)]);
            }
        }
        // There and back: whichever way a straight run of steps goes, its rows come one after the other in one of the two.
        let rows = || (zs[0] - REACH..=zs[1] + REACH).flat_map(|z| (ys[0] - REACH..=ys[1] + REACH).map(move |y| (y, z)));
        rows().for_each(|(y, z)| field.sweep(y, z, -1));
        rows().rev().for_each(|(y, z)| field.sweep(y, z, 1));
        let out = out.as_chunks_mut::<BRICK>().0;
        for z in zs[0]..=zs[1] {
            for y in ys[0]..=ys[1] {
                let (rooms, inside) = (&field.rooms[at(y, z)], field.inside[at(y, z)]);
                for (x, out) in out[y as usize + BRICK * z as usize].iter_mut().enumerate() {
                    let tissue = inside >> (x + SIDE) & 1 == 1;
                    *out = if tissue { TISSUE } else { rooms[x + SIDE].min(127) as i8 };
                }
            }
        }
    }
}

/// Place of the row (y, z) from the brick's first in the working space.
fn at(y: i32, z: i32) -> usize {
    (y + AROUND) as usize + SPAN * (z + AROUND) as usize
}

/// A working space.
struct Field {
    /// Room, 1/32 voxel; more than the clamp counts as the clamp.
    rooms: [[u8; WIDE]; SPAN * SPAN],
    /// A bit for each sample in tissue.
    inside: [u32; SPAN * SPAN],
    /// Rows that are all at the clamp.
    bare: [bool; SPAN * SPAN],
}

impl Field {
    /// Sets a row's samples next to tissue.
    fn start(&mut self, y: i32, z: i32, left: &[i8; WIDE]) {
        let tissue = (0..9).fold(0, |mask, n| mask | self.inside[at(y + n % 3 - 1, z + n / 3 - 1)]);
        let next = (tissue | tissue << 1 | tissue >> 1) & !self.inside[at(y, z)];
        if next == 0 {
            return;
        }
        self.bare[at(y, z)] = false;
        for (x, (room, left)) in self.rooms[at(y, z)].iter_mut().zip(left).enumerate() {
            if next >> x & 1 == 1 {
                *room = (*left).clamp(0, NEXT) as u8;
            }
        }
    }

    /// Lets a row's samples be no farther off than by a step to a neighbour, in the row itself and in those that a sweep has passed.
    fn sweep(&mut self, y: i32, z: i32, passed: i32) {
        let here = at(y, z);
        let beside_it = [at(y, z + passed), at(y + passed, z)];
        let across = [at(y - 1, z + passed), at(y + 1, z + passed)];
        if self.bare[here] && beside_it.iter().chain(&across).all(|row| self.bare[*row]) {
            return;
        }
        let least = |[a, b]: [usize; 2]| {
            let [a, b] = [a, b].map(|row| &self.rooms[row]);
            std::array::from_fn(|x| a[x].min(b[x]))
        };
        let (edges, corners) = (least(beside_it), least(across));
        let mut new = self.rooms[here];
        relax(&mut new, &edges, STEPS[0]);
        relax(&mut new, &beside(&edges), STEPS[1]);
        relax(&mut new, &corners, STEPS[1]);
        relax(&mut new, &beside(&corners), STEPS[2]);
        for _ in 0..REACH {
            let others = beside(&new);
            relax(&mut new, &others, STEPS[0]);
        }
        self.bare[here] = new == [127; WIDE];
        self.rooms[here] = new;
    }
}

/// The lesser of the neighbours along a row.
fn beside(row: &[u8; WIDE]) -> [u8; WIDE] {
    let mut padded = [127_u8; WIDE + 2];
    padded[1..=WIDE].copy_from_slice(row);
    std::array::from_fn(|x| padded[x].min(padded[x + 2]))
}

/// Lets each be no more than another and a step.
fn relax(rooms: &mut [u8; WIDE], others: &[u8; WIDE], step: u8) {
    for (room, other) in rooms.iter_mut().zip(others) {
        *room = (*room).min(other.saturating_add(step));
    }
}
