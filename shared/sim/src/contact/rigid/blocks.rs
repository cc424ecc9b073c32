//! A tool's grains in blocks of neighbours, so that where a block goes in a tick is worked out for all of its grains at once.

use super::grain::Grain;
use super::lanes::BLOCK;
use super::stand::Stand;
use super::{ROUNDING_MM, WATCH_MM};
use crate::contact::Tissue;
use crate::pose::{Rotation, place, rotation_from};
use crate::vector::{Vec3, add, norm, scale, sub};
use spinor_volume::ClassMask;

/// How many blocks are passed over together where there is no bone.
const BLOCKS: usize = 8;

/// Some blocks in a ball that holds their grains.
#[derive(Clone, Debug)]
pub(super) struct Span {
    /// The ball's centre, from the tip ball's centre, and its radius, mm.
    middle: Vec3,
    radius_mm: f64,
    pub(super) blocks: Vec<Block>,
}

/// Neighbouring grains; arrays end in copies of the last one.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) grains: Vec<Grain>,
    /// Their centres in the tool's frame, from the tip ball's centre, mm, by axis; and their radii.
    from_ball: [[f64; BLOCK]; 3],
    radius_mm: [f64; BLOCK],
}

/// A body's way in a tick: where it stands and where it is to be.
pub(super) struct Way {
    pub(super) from: (Rotation, Vec3),
    to: (Rotation, Vec3),
}

/// Where a block's grains go on a body's way.
pub(super) struct Course {
    /// Where each is at first, by axis, and how far it goes.
    at: [[f64; BLOCK]; 3],
    way: [f64; BLOCK],
    /// A box around all of their places first and last, and how far around it bone counts, mm.
    pub(super) low: Vec3,
    pub(super) high: Vec3,
    pub(super) around_mm: f64,
}

impl Course {
    /// Where a grain is at first, and how far it goes.
    pub(super) fn of(&self, grain: usize) -> (Vec3, f64) {
        ([0, 1, 2].map(|k| self.at[k][grain]), self.way[grain])
    }
}

impl Way {
    /// None for a turn that has no direction.
    pub(super) fn of(from: &Stand, to: &Stand) -> Option<Self> {
        Some(Self { from: (rotation_from(from.turn)?, from.centre), to: (rotation_from(to.turn)?, to.centre) })
    }
}

impl Span {
    /// All of a body's grains.
    pub(super) fn all(grains: &[Grain]) -> Vec<Self> {
        grains.chunks(BLOCKS * BLOCK).map(Self::of).collect()
    }

    fn of(grains: &[Grain]) -> Self {
        let middle = scale(grains.iter().fold([0.0; 3], |sum, grain| add(sum, grain.from_ball)), 1.0 / grains.len() as f64);
        let radius_mm = grains.iter().map(|grain| norm(sub(grain.from_ball, middle)) + grain.radius_mm).fold(0.0, f64::max);
        Self { middle, radius_mm, blocks: grains.chunks(BLOCK).map(Block::of).collect() }
    }

    /// Whether bone may be near any of its grains on a way.
    pub(super) fn is_near(&self, tissue: &Tissue<'_>, classes: ClassMask, way: &Way) -> bool {
        let [a, b] = [&way.from, &way.to].map(|(rotation, centre)| place(rotation, *centre, self.middle));
        // As for a block, with the longest way that any of its grains can have.
        let long = norm(sub(b, a)) + 2.0 * self.radius_mm;
        tissue.is_near(classes, a, b, self.radius_mm + WATCH_MM + 0.25 * long + ROUNDING_MM)
    }
}

impl Block {
    fn of(grains: &[Grain]) -> Self {
        let mut block = Self { grains: grains.to_vec(), from_ball: [[0.0; BLOCK]; 3], radius_mm: [0.0; BLOCK] };
        for n in 0..BLOCK {
            let Some(grain) = grains.get(n).or(grains.last()) else { break };
            (0..3).for_each(|k| block.from_ball[k][n] = grain.from_ball[k]);
            block.radius_mm[n] = grain.radius_mm;
        }
        block
    }

    /// Where all grains are for a body that stands somewhere, by axis: [`place`] of each.
    fn places(&self, (rotation, centre): &(Rotation, Vec3)) -> [[f64; BLOCK]; 3] {
        let [x, y, z] = &self.from_ball;
        let mut at = [[0.0; BLOCK]; 3];
        for ((at, row), centre) in at.iter_mut().zip(rotation).zip(centre) {
            for n in 0..BLOCK {
                at[n] = centre + (row[0] * x[n] + row[1] * y[n] + row[2] * z[n]);
            }
        }
        at
    }

    pub(super) fn course(&self, way: &Way) -> Course {
        let (at, end) = (self.places(&way.from), self.places(&way.to));
        let (mut long, mut around) = ([0.0; BLOCK], [0.0; BLOCK]);
        for n in 0..BLOCK {
            let d = [end[0][n] - at[0][n], end[1][n] - at[1][n], end[2][n] - at[2][n]];
            long[n] = norm(d);
            // A turning point's way is an arc: for every turn up to a right angle it leaves its chord by less than a quarter of it.
            around[n] = self.radius_mm[n] + WATCH_MM + 0.25 * long[n];
        }
        let (mut low, mut high) = ([0.0; 3], [0.0; 3]);
        for k in 0..3 {
            low[k] = least(&at[k]).min(least(&end[k]));
            high[k] = greatest(&at[k]).max(greatest(&end[k]));
        }
        Course { at, way: long, low, high, around_mm: greatest(&around) }
    }
}

fn least(values: &[f64; BLOCK]) -> f64 {
    fold(values, |a, b| if a < b { a } else { b })
}

fn greatest(values: &[f64; BLOCK]) -> f64 {
    fold(values, |a, b| if a > b { a } else { b })
}

/// The least or the greatest of all, by halves.
fn fold(values: &[f64; BLOCK], pick: impl Fn(f64, f64) -> f64) -> f64 {
    let mut half = [0.0; BLOCK / 2];
    for n in 0..BLOCK / 2 {
        half[n] = pick(values[n], values[n + BLOCK / 2]);
    }
    let mut quarter = [0.0; BLOCK / 4];
    for n in 0..BLOCK / 4 {
        quarter[n] = pick(half[n], half[n + BLOCK / 4]);
    }
    quarter.into_iter().skip(1).fold(quarter[0], &pick)
}
