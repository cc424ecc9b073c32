//! Grains side by side: what they can tell without looking, for all of them at once, and for a whole group without asking any.

use super::grain::Grain;
use super::stand::{Stand, angle};
use crate::pose::{Rotation, turn};
use crate::vector::{Vec3, norm, sub};

/// How many grains are looked for bone near them at once.
pub(super) const BLOCK: usize = 12;

/// Some grains side by side, so that what they can tell without looking is worked out for all of them at once.
pub(super) struct Lanes<const N: usize> {
    /// Their centres in the tool's frame, from the tip ball's centre, mm, by axis.
    from_ball: [[f64; N]; 3],
    /// Where each looked last, by axis, and the room that it saw there.
    looked: [[f64; N]; 3],
    pub(super) saw: [f64; N],
}

impl<const N: usize> Lanes<N> {
    /// Grains at the tip ball's centre that have not looked yet.
    pub(super) const fn new() -> Self {
        Self { from_ball: [[0.0; N]; 3], looked: [[0.0; N]; 3], saw: [f64::NEG_INFINITY; N] }
    }

    pub(super) fn set(&mut self, n: usize, from_ball: Vec3) {
        (0..3).for_each(|k| self.from_ball[k][n] = from_ball[k]);
    }

    pub(super) fn note(&mut self, n: usize, at: Vec3, room: f64) {
        (0..3).for_each(|k| self.looked[k][n] = at[k]);
        self.saw[n] = room;
    }

    /// Where all of them are, by axis, for a body that is turned like this or (none) not at all; and the room that is left of what they saw:
    /// it shrinks by no more than the way that they went since.
    pub(super) fn left(&self, rotation: Option<&Rotation>, centre: Vec3) -> ([[f64; N]; 3], [f64; N]) {
        let mut at = self.from_ball;
        if let Some(rotation) = rotation {
            for n in 0..N {
                let v = [0, 1, 2].map(|k| self.from_ball[k][n]);
                let v = turn(rotation, v);
                (0..3).for_each(|k| at[k][n] = v[k]);
            }
        }
        let mut left = [0.0; N];
        for n in 0..N {
            let mut way = [0.0; 3];
            for k in 0..3 {
                at[k][n] += centre[k];
                way[k] = at[k][n] - self.looked[k][n];
            }
            left[n] = self.saw[n] - norm(way);
        }
        (at, left)
    }
}

/// Neighbouring grains that are watched together: those of a block that are near bone in this tick.
pub(super) struct Group {
    /// Structures that can come near them.
    pub(super) structures: Vec<usize>,
    pub(super) grains: Vec<Grain>,
    pub(super) lanes: Lanes<BLOCK>,
    /// Their distances from the tip ball's centre, mm, and the greatest of these.
    pub(super) arms: [f64; BLOCK],
    pub(super) arm: f64,
    /// How near each may come: it need be no better off than it was.
    pub(super) least: [f64; BLOCK],
    /// Where the body was when they were looked through last; and of them all the least room, and the least beyond what each must have.
    pub(super) seen: (Stand, f64, f64),
}

impl Group {
    pub(super) fn new(structures: Vec<usize>, stand: &Stand) -> Self {
        let seen = (*stand, f64::INFINITY, f64::INFINITY);
        let (lanes, arms, least) = (Lanes::new(), [0.0; BLOCK], [0.0; BLOCK]);
        Self { structures, grains: Vec::new(), lanes, arms, arm: 0.0, least, seen }
    }

    /// Adds a grain that sees some room where it is; a group has place for [`BLOCK`].
    pub(super) fn watch(&mut self, grain: &Grain, at: Vec3, room: f64, least: f64) {
        let n = self.grains.len();
        self.grains.push(*grain);
        self.lanes.set(n, grain.from_ball);
        self.lanes.note(n, at, room);
        (self.arms[n], self.least[n]) = (norm(grain.from_ball), least);
        self.arm = self.arm.max(self.arms[n]);
        (self.seen.1, self.seen.2) = (self.seen.1.min(room), self.seen.2.min(room - least));
    }

    /// No less room than this is around any of them, and beyond what each must have, when the body is somewhere: room shrinks by no more
    /// than the way that they went.
    pub(super) fn at_least(&self, stand: &Stand) -> (f64, f64) {
        let (last, room, beyond) = &self.seen;
        let way = norm(sub(stand.centre, last.centre)) + self.arm * angle(&last.turn, &stand.turn);
        (room - way, beyond - way)
    }
}
