//! The cut fields of a patient and how operations and mirrors change them.

use std::collections::BTreeMap;

use super::change::{Change, Moved, rows};
use super::kernel::{Kernel, Reach, Row};
use super::op::{CutError, CutOp};
use super::room::Rooms;
use crate::digest;
use crate::field::{BrickSamples, BrickState, SparseField};
use crate::grid::{BRICK, BRICK_VOXELS, BrickIndex, Grid};
use crate::label::{ClassMask, Label, TissueClass};
use crate::patient::Patient;

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

/// The cut fields of all tissue classes, with a version per brick. States are equal when their cut bricks and versions are.
#[derive(Clone, Debug)]
pub struct CutState {
    fields: [SparseField; 4],
    versions: [BTreeMap<BrickIndex, u32>; 4],
    /// Follow from the fields.
    rooms: [Rooms; 4],
}

impl PartialEq for CutState {
    fn eq(&self, other: &Self) -> bool {
        self.fields[0].brick_count() == other.fields[0].brick_count() && self.cut_bricks().eq(other.cut_bricks())
    }
}

impl Eq for CutState {}

impl CutState {
    /// Nothing cut yet.
    pub fn new(grid: &Grid) -> Self {
        let rooms = std::array::from_fn(|_| Rooms::new(grid));
        Self { fields: std::array::from_fn(|_| SparseField::outside(grid)), versions: Default::default(), rooms }
    }

    /// The cut field of a class: distance to what was removed, 1/32 voxel, negative inside the removed part. It is +127 wherever nothing
    /// of the class's structures was taken, in air too.
    pub fn field(&self, class: TissueClass) -> &SparseField {
        &self.fields[class as usize]
    }

    /// What is left of a structure of a class in a brick, with all the room that there is where cuts met: see [`super::room`]. The patient
    /// is the one that was cut.
    #[inline]
    pub(crate) fn room<'a>(
        &'a self,
        patient: &'a Patient,
        class: TissueClass,
        structure: usize,
        brick: BrickIndex,
    ) -> BrickState<'a> {
        let rooms = &self.rooms[class as usize];
        match rooms.near(brick) {
            Some(room) => rooms.left(room, patient, self.field(class), class, (structure, brick)),
            None => patient.structures().get(structure).map_or(BrickState::Outside, |s| s.sdf.brick(brick)),
        }
    }

    /// How often a brick of a class has changed; 0 for one that never did, or that the grid lacks.
    pub fn version(&self, class: TissueClass, brick: BrickIndex) -> u32 {
        self.versions[class as usize].get(&brick).copied().unwrap_or(0)
    }

    /// Applies an operation on the patient's grid. Only bricks in which it changes what is left of a structure are touched; one that
    /// [`CutOp::check`] refuses changes nothing. Cost grows with the volume of the operation's surroundings: about 40 µs for a burr of
    /// 3 mm at 0.4 mm.
    pub fn apply(&mut self, patient: &Patient, op: &CutOp) -> CutOutcome {
        self.apply_where(patient, op, &|_| true)
    }

    /// As [`Self::apply`], on the bricks that `keep` holds. Bricks do not influence each other, so that the states of a partition of the
    /// bricks together equal the whole: digests add up, and [`Self::absorb`] joins them.
    pub fn apply_where(&mut self, patient: &Patient, op: &CutOp, keep: &dyn Fn(BrickIndex) -> bool) -> CutOutcome {
        let mut outcome = CutOutcome::default();
        let grid = patient.grid();
        if op.check(grid).is_err() || grid.brick_count() != self.fields[0].brick_count() {
            return outcome;
        }
        let kernel = Kernel::new(&op.shape);
        let reach = kernel.reach();
        let mut removed = vec![0_i64; patient.structures().len()];
        let mut living = Vec::new();
        let edge = BRICK as i32;
        let range = |k: usize| reach.low[k].max(0) / edge..=reach.high[k].min(grid.voxels()[k] - 1).div_euclid(edge);
        for bz in range(2) {
            for by in range(1) {
                for bx in range(0) {
                    let at = [bx, by, bz];
                    let Some(brick) = grid.brick_at(at).filter(|brick| keep(*brick)) else { continue };
                    live_in(patient, op.classes, brick, &mut living);
                    if living.is_empty() {
                        continue;
                    }
                    let mut distances = Distances::new(&kernel, &reach, at);
                    for part in living.chunk_by(|a, b| a.class == b.class) {
                        let Some(before) = self.lower(brick, part, &mut distances) else { continue };
                        let class = part[0].class;
                        outcome.touched.push((class, brick));
                        let BrickState::Samples(after) = self.fields[class as usize].brick(brick) else { continue };
                        let mut moved = None;
                        for lives in part {
                            let change = Change::of(lives.state, &before, after);
                            removed[lives.structure] += change.removed;
                            moved = Moved::join(moved, change.moved);
                            change.mark(grid, lives.structure, at, &mut outcome.dirty);
                        }
                        self.moved(class, brick, moved);
                    }
                }
            }
        }
        outcome.touched.sort_unstable();
        outcome.dirty.sort_unstable();
        outcome.dirty.dedup();
        let taken = removed.iter().zip(patient.structures()).filter(|(n, _)| **n != 0);
        outcome.removed = taken.map(|(n, s)| (s.label, *n)).collect();
        outcome
    }

    /// Lowers one class's brick to an operation's distances where that takes something from one of the structures that live in it. The
    /// samples before, or none when nothing changed.
    fn lower(&mut self, brick: BrickIndex, living: &[Lives<'_>], distances: &mut Distances<'_>) -> Option<BrickSamples> {
        let class = living.first()?.class as usize;
        let before = match self.fields[class].brick(brick) {
            BrickState::Samples(samples) => *samples,
            BrickState::Outside => [127; BRICK_VOXELS],
            BrickState::Inside => return None,
        };
        let mut after = before;
        let mut changed = false;
        let after_rows = after.as_chunks_mut::<BRICK>().0;
        for number in distances.rows() {
            // The complement of the deepest tissue: an operation takes something exactly where its distance is below this.
            let mut below = [-128_i8; BRICK];
            for lives in living {
                match lives.state {
                    BrickState::Samples(samples) => {
                        for (below, tissue) in below.iter_mut().zip(&rows(samples)[number]) {
                            *below = (*below).max(!*tissue);
                        }
                    }
                    BrickState::Inside => below = [126; BRICK],
                    BrickState::Outside => {}
                }
            }
            if below == [-128; BRICK] {
                continue;
            }
            let Some(distance) = distances.row(number) else { continue };
            let old = after_rows[number];
            let mut new = old;
            for x in 0..BRICK {
                let taken = if distance[x] < below[x] { distance[x] } else { 127 };
                new[x] = new[x].min(taken);
            }
            if new != old {
                after_rows[number] = new;
                changed = true;
            }
        }
        if !changed {
            return None;
        }
        *self.fields[class].brick_mut(brick)? = after;
        self.touch(living.first()?.class, brick);
        Some(before)
    }

    /// Takes a brick's new state from the server: a mirror's way to follow. Returns the bricks to mesh again.
    ///
    /// # Errors
    /// When the grid has no such brick, no structure of the class lives there, or a sample is one that no cut makes. Nothing has changed
    /// then.
    pub fn replace(
        &mut self,
        patient: &Patient,
        class: TissueClass,
        brick: BrickIndex,
        version: u32,
        samples: &BrickSamples,
    ) -> Result<Vec<Dirty>, CutError> {
        let grid = patient.grid();
        let mut living = Vec::new();
        live_in(patient, ClassMask::of(&[class]), brick, &mut living);
        if brick.0 as usize >= grid.brick_count() || living.is_empty() {
            return Err(CutError::Brick(class, brick));
        }
        if samples.contains(&i8::MIN) {
            return Err(CutError::Sample(brick));
        }
        let stored = self.fields[class as usize].brick_mut(brick).ok_or(CutError::Brick(class, brick))?;
        let before = std::mem::replace(stored, *samples);
        self.versions[class as usize].insert(brick, version);
        let (mut dirty, mut moved) = (Vec::new(), None);
        for lives in living {
            let change = Change::of(lives.state, &before, samples);
            moved = Moved::join(moved, change.moved);
            change.mark(grid, lives.structure, grid.brick_coords(brick), &mut dirty);
        }
        self.moved(class, brick, moved);
        dirty.sort_unstable();
        Ok(dirty)
    }

    /// Takes over everything that another state of the same grid cut: the parts of a replay that was split by bricks become the whole.
    /// Where both cut, the deeper cut stays, with the higher version. A state of another grid changes nothing.
    pub fn absorb(&mut self, other: &Self) {
        if other.fields[0].brick_count() != self.fields[0].brick_count() {
            return;
        }
        for (class, brick, version, samples) in other.cut_bricks() {
            let Some(own) = self.fields[class as usize].brick_mut(brick) else { continue };
            for (own, other) in own.iter_mut().zip(samples) {
                *own = (*own).min(*other);
            }
            self.moved(class, brick, Some(Moved::ALL));
            let own = self.versions[class as usize].entry(brick).or_insert(0);
            *own = version.max(*own);
        }
    }

    /// A brick's samples for writing.
    pub(super) fn brick_mut(&mut self, class: TissueClass, brick: BrickIndex) -> Option<&mut BrickSamples> {
        self.fields[class as usize].brick_mut(brick)
    }

    /// Counts a change of a brick.
    pub(super) fn touch(&mut self, class: TissueClass, brick: BrickIndex) {
        let version = self.versions[class as usize].entry(brick).or_insert(0);
        *version = version.saturating_add(1);
    }

    /// Notes that samples of a stored brick moved: the room around them is another.
    pub(super) fn moved(&mut self, class: TissueClass, brick: BrickIndex, moved: Option<Moved>) {
        self.rooms[class as usize].moved(brick, moved);
    }

    /// All bricks that were ever cut: class, brick, version, samples; in rising order of class and brick.
    pub fn cut_bricks(&self) -> impl Iterator<Item = (TissueClass, BrickIndex, u32, &BrickSamples)> {
        TissueClass::ALL.into_iter().flat_map(move |class| {
            self.field(class).stored().map(move |(brick, samples)| (class, brick, self.version(class, brick), samples))
        })
    }

    /// Digest of one cut brick; 0 for one in which nothing is cut.
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

/// A structure that lives in a brick.
pub(super) struct Lives<'a> {
    class: TissueClass,
    pub(super) structure: usize,
    pub(super) state: BrickState<'a>,
}

/// Collects the structures of some classes that live in a brick, by class.
pub(super) fn live_in<'a>(patient: &'a Patient, classes: ClassMask, brick: BrickIndex, out: &mut Vec<Lives<'a>>) {
    out.clear();
    for structure in patient.residents(brick).iter().map(|k| usize::from(*k)) {
        let s = &patient.structures()[structure];
        if classes.contains(s.class) {
            out.push(Lives { class: s.class, structure, state: s.sdf.brick(brick) });
        }
    }
    out.sort_by_key(|lives| (lives.class, lives.structure));
}

/// An operation's distances in one brick, each row computed when it is first asked for.
struct Distances<'a> {
    kernel: &'a Kernel,
    reach: &'a Reach,
    /// The brick's first voxel.
    first: [i32; 3],
    rows: [Row; BRICK * BRICK],
    known: [u16; BRICK],
}

impl<'a> Distances<'a> {
    fn new(kernel: &'a Kernel, reach: &'a Reach, at: [i32; 3]) -> Self {
        let first = at.map(|v| v * BRICK as i32);
        Self { kernel, reach, first, rows: [[127; BRICK]; BRICK * BRICK], known: [0; BRICK] }
    }

    /// Numbers of the rows within the operation's reach: `y + 16 z`.
    fn rows(&self) -> impl Iterator<Item = usize> + use<> {
        let last = BRICK as i32 - 1;
        let range = |k: usize| {
            let (low, high) = (self.reach.low[k] - self.first[k], self.reach.high[k] - self.first[k]);
            low.clamp(0, last + 1) as usize..(high + 1).clamp(0, last + 1) as usize
        };
        let (y, z) = (range(1), range(2));
        z.flat_map(move |z| y.clone().map(move |y| y + BRICK * z))
    }

    /// A row's distances; none where all are clamped.
    fn row(&mut self, number: usize) -> Option<&Row> {
        let (y, z) = (number % BRICK, number / BRICK);
        let from = [self.first[0], self.first[1] + y as i32, self.first[2] + z as i32];
        if self.known[z] >> y & 1 == 0 {
            self.known[z] |= 1 << y;
            if self.reach.meets_row(from) {
                self.kernel.row(from, &mut self.rows[number]);
            }
        }
        let row = &self.rows[number];
        (*row != [127; BRICK]).then_some(row)
    }
}
