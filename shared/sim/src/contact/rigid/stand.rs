//! Where a body stands and how it is turned.

use crate::vector::{Vec3, add, norm, scale, sub};

/// A unit quaternion x, y, z, w: `patient_from_tool`.
pub(crate) type Turn = [f64; 4];

/// How far from the tip a hand's turning counts as its moving, mm: a hand that cannot turn its tool feels it there.
pub(crate) const LEVER_MM: f64 = 40.0;

/// Where a body is: its tip ball's centre and its turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stand {
    pub(crate) centre: Vec3,
    pub(crate) turn: Turn,
}

impl Stand {
    /// Some share of the way to another stand.
    pub(super) fn towards(&self, goal: &Self, share: f64) -> Self {
        let centre = add(self.centre, scale(sub(goal.centre, self.centre), share));
        let sign = if dot4(&self.turn, &goal.turn) < 0.0 { -1.0 } else { 1.0 };
        let mixed: Turn = std::array::from_fn(|k| self.turn[k] + (sign * goal.turn[k] - self.turn[k]) * share);
        let length = dot4(&mixed, &mixed).sqrt();
        let turn = if share >= 1.0 || length < 1e-9 { goal.turn } else { mixed.map(|v| v / length) };
        Self { centre, turn }
    }

    /// How far it is from where the hand wants it, turning counted at the lever, mm.
    pub(crate) fn lag_mm(&self, goal: &Self) -> f64 {
        norm(sub(goal.centre, self.centre)) + LEVER_MM * angle(&self.turn, &goal.turn)
    }
}

fn dot4(a: &Turn, b: &Turn) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]
}

/// Distance of two turns as quaternions, whichever their signs.
pub(crate) fn chord(a: &Turn, b: &Turn) -> f64 {
    let sign = if dot4(a, b) < 0.0 { -1.0 } else { 1.0 };
    let off: Turn = std::array::from_fn(|k| sign * b[k] - a[k]);
    dot4(&off, &off).sqrt()
}

/// Angle between two turns, radians, at most a tenth too large (exact for small ones).
pub(super) fn angle(a: &Turn, b: &Turn) -> f64 {
    let chord = chord(a, b);
    chord * (2.0 + 0.11 * chord * chord)
}

/// A turn from the integers of a pose, of length 1.
pub(crate) fn turn_from(turn: [i16; 4]) -> Option<Turn> {
    let turn = turn.map(f64::from);
    let length = dot4(&turn, &turn).sqrt();
    (length > 0.0).then(|| turn.map(|v| v / length))
}

/// The integers of a pose nearest to a turn.
pub(crate) fn integers_from(turn: &Turn) -> [i16; 4] {
    turn.map(|v| (v * f64::from(i16::MAX) + 0.5).floor() as i16)
}
