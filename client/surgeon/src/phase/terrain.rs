//! The outer surface of the bone that is left, seen along a shaft from behind: one height a square millimetre.

use std::collections::BTreeMap;

use crate::scene::Scene;
use crate::task::Grip;
use crate::vector::V3;

/// Where looking begins, mm behind the canal: no vertebra reaches farther back.
const HIGHEST_MM: f64 = 60.0;
/// Where it ends: what lies farther in front is no roof of the canal. A shaft that leans sees that as far from its own zero as half the
/// breadth of a vertebra's arch leads it.
const LOWEST_MM: f64 = -4.0;
const BREADTH_MM: f64 = 24.0;
/// Shortest step of a look, mm.
const STEP_MM: f64 = 0.25;

/// A place of the map: left + ½ and up, mm.
pub(super) type Place = (i32, i32);

/// A frame whose back axis is a shaft that leans to a side: the site's frame turned about its up axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turned {
    /// Cosine and sine of the angle by which the shaft leans to the right.
    cos: f64,
    sin: f64,
}

impl Turned {
    /// For a shaft that leans to the left by some parts of its length to the back.
    pub(super) fn leaning(left: f64) -> Self {
        let length = (1.0 + left * left).sqrt();
        Self { cos: 1.0 / length, sin: -left / length }
    }

    /// A place of the site's frame.
    pub(super) fn turn_in(self, [left, back, up]: V3) -> V3 {
        [self.cos * left + self.sin * back, self.cos * back - self.sin * left, up]
    }

    /// A place in the site's frame.
    pub(super) fn turn_out(self, [left, back, up]: V3) -> V3 {
        [self.cos * left - self.sin * back, self.cos * back + self.sin * left, up]
    }

    /// A tool held along the shaft.
    pub(super) fn grip(self) -> Grip {
        Grip { shaft: self.turn_out([0.0, 1.0, 0.0]), ..Grip::STRAIGHT }
    }
}

/// Heights of the bone, by place.
#[derive(Clone, Debug)]
pub(super) struct Terrain {
    turned: Turned,
    /// Where looking ends.
    lowest: f64,
    tops: BTreeMap<Place, f64>,
}

impl Terrain {
    /// A map of some places and of what lies up to some millimetres around them, not yet looked at.
    pub(super) fn around<'a>(places: impl Iterator<Item = &'a Place>, reach: i32, turned: Turned) -> Self {
        let each = |(l, u): Place| (-reach..=reach).flat_map(move |dl| (-reach..=reach).map(move |du| (l + dl, u + du)));
        let lowest = LOWEST_MM - BREADTH_MM * turned.sin.abs();
        Self { turned, lowest, tops: places.flat_map(|place| each(*place)).map(|place| (place, HIGHEST_MM)).collect() }
    }

    /// Looks at what is left. Bone only ever goes, so each look begins where the one before found bone.
    pub(super) fn look(&mut self, scene: &Scene<'_>) {
        for ((l, u), top) in &mut self.tops {
            let (left, up) = (f64::from(*l) + 0.5, f64::from(*u));
            while *top > self.lowest {
                let room = scene.distance(&scene.parts.all_bones, self.turned.turn_out([left, *top, up]));
                if room < 0.0 {
                    break;
                }
                *top = (*top - room.max(STEP_MM)).max(self.lowest);
            }
        }
    }

    /// The height of a place, mm back; that of no bone for a place that is not on the map.
    pub(super) fn top(&self, place: Place) -> f64 {
        self.tops.get(&place).copied().unwrap_or(self.lowest)
    }

    /// The greatest height within a distance of the straight way from one position to another.
    pub(super) fn highest(&self, from: V3, to: V3, aside_mm: f64) -> f64 {
        let way = [to[0] - from[0], to[2] - from[2]];
        let long2 = way[0] * way[0] + way[1] * way[1];
        let mut highest = self.lowest;
        for ((l, u), top) in &self.tops {
            let d = [f64::from(*l) + 0.5 - from[0], f64::from(*u) - from[2]];
            let share = if long2 > 1e-9 { ((d[0] * way[0] + d[1] * way[1]) / long2).clamp(0.0, 1.0) } else { 0.0 };
            let off = [d[0] - share * way[0], d[1] - share * way[1]];
            if off[0] * off[0] + off[1] * off[1] <= aside_mm * aside_mm {
                highest = highest.max(*top);
            }
        }
        highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A place goes into the turned frame and comes out of it where it was, a straight shaft turns nothing, and along a leaning shaft only
    /// the height changes.
    #[test]
    fn a_turned_frame_follows_its_shaft() {
        let at = [17.0, -3.0, 4.0];
        assert_eq!(Turned::leaning(0.0).turn_in(at), at);
        let turned = Turned::leaning(-0.8);
        let (there, again) = (turned.turn_in(at), turned.turn_out(turned.turn_in(at)));
        assert!((0..3).all(|k| (again[k] - at[k]).abs() < 1e-12), "{again:?}");
        // From the left of the canal the shaft comes from the right: 8 mm to the right on 10 mm back.
        let shaft = turned.grip().shaft;
        assert!((shaft[0] / shaft[1] + 0.8).abs() < 1e-12 && shaft[1] > 0.0, "{shaft:?}");
        let along = turned.turn_in([at[0] + 5.0 * shaft[0], at[1] + 5.0 * shaft[1], at[2]]);
        assert!((along[0] - there[0]).abs() < 1e-9 && (along[1] - there[1] - 5.0).abs() < 1e-9);
    }
}
