//! The outer surface of the bone that is left, seen from behind: one height a square millimetre.

use std::collections::BTreeMap;

use crate::scene::Scene;
use crate::vector::V3;

/// Where looking begins, mm behind the canal: no vertebra reaches farther back.
const HIGHEST_MM: f64 = 60.0;
/// Where it ends: what lies farther in front is no roof of the canal.
const LOWEST_MM: f64 = -4.0;
/// Shortest step of a look, mm.
const STEP_MM: f64 = 0.25;

/// A place of the map: left + ½ and up, mm.
pub(super) type Place = (i32, i32);

/// Heights of the bone, by place.
#[derive(Clone, Debug)]
pub(super) struct Terrain {
    tops: BTreeMap<Place, f64>,
}

impl Terrain {
    /// A map of some places and of what lies up to some millimetres around them, not yet looked at.
    pub(super) fn around<'a>(places: impl Iterator<Item = &'a Place>, reach: i32) -> Self {
        let each = |(l, u): Place| (-reach..=reach).flat_map(move |dl| (-reach..=reach).map(move |du| (l + dl, u + du)));
        Self { tops: places.flat_map(|place| each(*place)).map(|place| (place, HIGHEST_MM)).collect() }
    }

    /// Looks at what is left. Bone only ever goes, so each look begins where the one before found bone.
    pub(super) fn look(&mut self, scene: &Scene<'_>) {
        for ((l, u), top) in &mut self.tops {
            let (left, up) = (f64::from(*l) + 0.5, f64::from(*u));
            while *top > LOWEST_MM {
                let room = scene.distance(&scene.parts.all_bones, [left, *top, up]);
                if room < 0.0 {
                    break;
                }
                *top = (*top - room.max(STEP_MM)).max(LOWEST_MM);
            }
        }
    }

    /// The height of a place, mm back; that of no bone for a place that is not on the map.
    pub(super) fn top(&self, place: Place) -> f64 {
        self.tops.get(&place).copied().unwrap_or(LOWEST_MM)
    }

    /// The greatest height within a distance of the straight way from one position to another.
    pub(super) fn highest(&self, from: V3, to: V3, aside_mm: f64) -> f64 {
        let way = [to[0] - from[0], to[2] - from[2]];
        let long2 = way[0] * way[0] + way[1] * way[1];
        let mut highest = LOWEST_MM;
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
