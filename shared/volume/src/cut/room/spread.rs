//! The working space in which the room in a brick is measured: rows of samples, and sweeps that carry distances from row to row.

use super::{AROUND, NEXT, REACH, STEPS};
use crate::bits;
use crate::grid::BRICK;

/// Samples in a row of the working space: a brick's and eight to each side.
pub(super) const WIDE: usize = 2 * BRICK;
/// Where the brick begins in it.
pub(super) const SIDE: usize = BRICK / 2;
/// Rows of the working space along y and along z: the brick's and [`AROUND`] to each side.
const SPAN: usize = BRICK + 2 * AROUND as usize;
/// All of these rows.
const ROWS: usize = SPAN * SPAN;

/// Place of the row (y, z) from the brick's first in the working space.
pub(super) fn at(y: i32, z: i32) -> usize {
    (y + AROUND) as usize + SPAN * (z + AROUND) as usize
}

/// Samples on either side of a row that are never in reach of anything: what lies there is read and never written.
pub(super) const BESIDE: usize = REACH as usize;
/// A row of rooms with what lies beside it.
type Line = [u8; WIDE + 2 * BESIDE];
/// A row where nothing is near.
const BARE: Line = [127; WIDE + 2 * BESIDE];

/// A working space.
pub(super) struct Work {
    /// Room, 1/32 voxel, up to the clamp.
    pub(super) rooms: [Line; ROWS],
    /// A bit for each sample in tissue.
    pub(super) inside: [u32; ROWS],
    /// Rows that are all at the clamp.
    bare: [bool; ROWS],
    /// Rows in which no sample is farther off than by the steps to another.
    settled: [bool; ROWS],
}

impl Work {
    pub(super) const fn new() -> Self {
        Self { rooms: [BARE; ROWS], inside: [0; ROWS], bare: [true; ROWS], settled: [true; ROWS] }
    }

    /// Carries distances through some of the brick's rows and those in their reach, once it is known what lies in tissue: `left` tells
    /// what is left in the row (y, z).
    pub(super) fn spread(&mut self, ys: [i32; 2], zs: [i32; 2], left: impl Fn(i32, i32) -> [i8; WIDE]) {
        let reached = |[first, last]: [i32; 2]| [first - REACH, last + REACH];
        let (ys, zs) = (reached(ys), reached(zs));
        for z in zs[0]..=zs[1] {
            for y in ys[0]..=ys[1] {
                self.start(y, z, &left);
            }
        }
        // There and back: whichever way a straight run of steps goes, its rows come one after the other in one of the two. Rows of one
        // front have passed none of each other, so that none has to wait for another.
        let fronts = || ys[0] + 2 * zs[0]..=ys[1] + 2 * zs[1];
        let front = |n: i32| (zs[0]..=zs[1]).map(move |z| (n - 2 * z, z)).filter(|(y, _)| (ys[0]..=ys[1]).contains(y));
        fronts().for_each(|n| self.sweep(front(n), -1));
        fronts().rev().for_each(|n| self.sweep(front(n), 1));
    }

    /// Sets a row's samples next to tissue.
    fn start(&mut self, y: i32, z: i32, left: impl Fn(i32, i32) -> [i8; WIDE]) {
        let tissue = (0..9).fold(0, |mask, n| mask | self.inside[at(y + n % 3 - 1, z + n / 3 - 1)]);
        let next = (tissue | tissue << 1 | tissue >> 1) & !self.inside[at(y, z)];
        if next == 0 {
            return;
        }
        (self.bare[at(y, z)], self.settled[at(y, z)]) = (false, false);
        let (next, left): ([u8; WIDE], [i8; WIDE]) = (bits::bytes(next), left(y, z));
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
