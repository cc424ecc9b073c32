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

mod around;
mod spread;

use std::sync::OnceLock;

use super::change::Moved;
use crate::field::{BrickSamples, BrickState, SparseField};
use crate::grid::{BRICK, BRICK_VOXELS, BrickIndex, Grid};
use crate::label::TissueClass;
use crate::patient::Patient;
use crate::sample::carve;
use around::{Left, Surroundings};

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
    /// What is left of the class in the brick.
    class: OnceLock<Box<Left>>,
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
                room.class.take();
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
            None => room.left.get_or_init(|| room.carved(self, patient, cut, class, brick)),
        };
        let found = left.iter().find(|(resident, _)| usize::from(*resident) == structure);
        found.map_or(BrickState::Outside, |(_, samples)| BrickState::Samples(samples))
    }
}

impl Room {
    /// The room, 1/32 voxel; [`TISSUE`] in tissue.
    fn samples(
        &self,
        rooms: &Rooms,
        patient: &Patient,
        cut: &SparseField,
        class: TissueClass,
        brick: BrickIndex,
    ) -> &BrickSamples {
        self.known.get_or_init(|| {
            let (mut samples, stale) = match &self.before {
                Some((samples, stale)) => (samples.clone(), *stale),
                None => (Box::new([TISSUE; BRICK_VOXELS]), [[0, BRICK as i32 - 1]; 2]),
            };
            Surroundings::new(rooms, patient, cut, class, brick).measure(stale, &mut samples);
            samples
        })
    }

    /// What is left of each structure of a class that lives in the brick, or the room where that is more. Next to tissue, and within a
    /// structure, it never is: there the room is what is left, or less.
    fn carved(
        &self,
        rooms: &Rooms,
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
            let mut left = Box::new(*self.samples(rooms, patient, cut, class, brick));
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

    /// What is left of the class in the brick.
    fn class_left(&self, patient: &Patient, cut: &SparseField, class: TissueClass, brick: BrickIndex) -> &Left {
        self.class.get_or_init(|| Box::new(Left::of(patient, cut.brick(brick), class, brick)))
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
