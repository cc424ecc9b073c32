//! What is left of a class in a brick and in those around it: what the room in the brick is measured from.

use super::spread::{BESIDE, SIDE, WIDE, Work, at};
use super::{AROUND, Rooms, TISSUE, neighbours};
use crate::bits;
use crate::cut::change::rows;
use crate::cut::kernel::Row;
use crate::field::{BrickSamples, BrickState, SparseField};
use crate::grid::{BRICK, BRICK_VOXELS, BrickIndex};
use crate::label::TissueClass;
use crate::patient::Patient;
use crate::sample::carve;

/// What is left of a class in one brick: the least of what is left of each of its structures.
#[derive(Clone, Debug)]
pub(super) struct Left {
    samples: BrickSamples,
    /// For each row a bit for each sample in tissue.
    inside: [u16; BRICK * BRICK],
}

impl Left {
    pub(super) fn of(patient: &Patient, cut: BrickState<'_>, class: TissueClass, brick: BrickIndex) -> Self {
        let mut left = Self { samples: [127; BRICK_VOXELS], inside: [0; BRICK * BRICK] };
        let cut = whole(cut);
        for tissue in living(patient, class, brick) {
            for ((left, tissue), cut) in left.samples.iter_mut().zip(whole(tissue)).zip(cut) {
                *left = (*left).min(carve(*tissue, *cut));
            }
        }
        for (bits, row) in left.inside.iter_mut().zip(left.samples.as_chunks::<BRICK>().0) {
            *bits = inside(row);
        }
        left
    }
}

/// What a class's structures that live in a brick have there.
fn living(patient: &Patient, class: TissueClass, brick: BrickIndex) -> impl Iterator<Item = BrickState<'_>> {
    let structures = patient.residents(brick).iter().filter_map(|k| patient.structures().get(usize::from(*k)));
    structures.filter(move |s| s.class == class).map(move |s| s.sdf.brick(brick))
}

/// All samples of a brick.
fn whole(state: BrickState<'_>) -> &BrickSamples {
    match state {
        BrickState::Outside => &[127; BRICK_VOXELS],
        BrickState::Inside => &[-127; BRICK_VOXELS],
        BrickState::Samples(samples) => samples,
    }
}

/// A bit for each sample of a row that is in tissue.
fn inside(row: &Row) -> u16 {
    let eights = row.as_chunks::<8>().0.iter().enumerate();
    eights.fold(0, |mask, (n, eight)| mask | (bits::negative(eight) << (8 * n)) as u16)
}

/// What is left of a class in one of the bricks around.
enum Near<'a> {
    /// No brick, or one that no cut is next to and that one of the class's structures lives in, or none.
    Whole(BrickState<'a>),
    /// One that a cut is next to.
    Known(&'a Left),
    /// One that several structures live in.
    Made(Box<Left>),
}

impl Near<'_> {
    fn row(&self, number: usize) -> &Row {
        match self {
            Self::Whole(BrickState::Outside) => &[127; BRICK],
            Self::Whole(BrickState::Inside) => &[-127; BRICK],
            Self::Whole(BrickState::Samples(samples)) => &rows(samples)[number],
            Self::Known(left) => &rows(&left.samples)[number],
            Self::Made(left) => &rows(&left.samples)[number],
        }
    }

    fn inside(&self, number: usize) -> u32 {
        u32::from(match self {
            Self::Whole(BrickState::Outside) => 0,
            Self::Whole(BrickState::Inside) => u16::MAX,
            Self::Whole(BrickState::Samples(samples)) => inside(&rows(samples)[number]),
            Self::Known(left) => left.inside[number],
            Self::Made(left) => left.inside[number],
        })
    }
}

/// A brick and those around it.
pub(super) struct Surroundings<'a> {
    /// What is left in each, by [`neighbours`].
    near: [Near<'a>; 27],
}

impl<'a> Surroundings<'a> {
    pub(super) fn new(
        rooms: &'a Rooms,
        patient: &'a Patient,
        cut: &'a SparseField,
        class: TissueClass,
        brick: BrickIndex,
    ) -> Self {
        let grid = patient.grid();
        let at = grid.brick_coords(brick);
        let mut near = [const { Near::Whole(BrickState::Outside) }; 27];
        for (near, d) in near.iter_mut().zip(neighbours()) {
            let Some(brick) = grid.brick_at([at[0] + d[0], at[1] + d[1], at[2] + d[2]]) else { continue };
            let (mut all, state) = (living(patient, class, brick), cut.brick(brick));
            *near = match (rooms.near(brick), all.next(), all.next()) {
                (_, None, _) => continue,
                (Some(room), ..) => Near::Known(room.class_left(patient, cut, class, brick)),
                (None, Some(whole), None) if state == BrickState::Outside => Near::Whole(whole),
                _ => Near::Made(Box::new(Left::of(patient, state, class, brick))),
            };
        }
        Self { near }
    }

    /// The three bricks along the row (y, z) from the brick's first, and the row's number in them.
    fn along(&self, y: i32, z: i32) -> (&[Near<'a>], usize) {
        let edge = BRICK as i32;
        let first = (3 * (y.div_euclid(edge) + 1) + 9 * (z.div_euclid(edge) + 1)) as usize;
        (&self.near[first..first + 3], (y.rem_euclid(edge) + edge * z.rem_euclid(edge)) as usize)
    }

    /// A bit for each sample in tissue of the row (y, z), eight samples before the brick's first to eight after its last.
    fn inside(&self, y: i32, z: i32) -> u32 {
        let (near, number) = self.along(y, z);
        let [before, own, after] = [0, 1, 2].map(|k| near[k].inside(number));
        before >> (BRICK - SIDE) | own << SIDE | after << (SIDE + BRICK)
    }

    /// What is left of the class in that row.
    fn left(&self, y: i32, z: i32) -> [i8; WIDE] {
        let (near, number) = self.along(y, z);
        let mut wide = [127_i8; WIDE];
        wide[..SIDE].copy_from_slice(&near[0].row(number)[BRICK - SIDE..]);
        wide[SIDE..SIDE + BRICK].copy_from_slice(near[1].row(number));
        wide[SIDE + BRICK..].copy_from_slice(&near[2].row(number)[..SIDE]);
        wide
    }

    /// Measures the room in some of the brick's rows.
    pub(super) fn measure(&self, [ys, zs]: [[i32; 2]; 2], out: &mut BrickSamples) {
        let mut work = Work::new();
        for z in zs[0] - AROUND..=zs[1] + AROUND {
            for y in ys[0] - AROUND..=ys[1] + AROUND {
                work.inside[at(y, z)] = self.inside(y, z);
            }
        }
        work.spread(ys, zs, |y, z| self.left(y, z));
        let out = out.as_chunks_mut::<BRICK>().0;
        for z in zs[0]..=zs[1] {
            for y in ys[0]..=ys[1] {
                let (rooms, inside) = (&work.rooms[at(y, z)], work.inside[at(y, z)]);
                let tissue: [u8; BRICK] = bits::bytes(inside >> SIDE);
                for (x, out) in out[y as usize + BRICK * z as usize].iter_mut().enumerate() {
                    *out = (rooms[x + SIDE + BESIDE] & !tissue[x]) as i8 | TISSUE & tissue[x] as i8;
                }
            }
        }
    }
}
