//! Straight ways in from behind that meet neither bone nor nerve.

use crate::scene::Scene;
use crate::vector::{V3, add, scale, unit};

/// How far out a way is looked along, mm.
const OUT_MM: f64 = 34.0;

/// The direction, of those given, along which a rod of a radius comes best to a place: the least room along the way is largest. The room
/// ends at the fields' clamp, and is counted from the rod's surface, mm.
pub(super) fn lane(scene: &Scene<'_>, at: V3, ways: &[V3], radius_mm: f64) -> Option<(V3, f64)> {
    let mut best: Option<(V3, f64)> = None;
    for way in ways {
        let way = unit(*way);
        let mut room = f64::INFINITY;
        let mut along = 0.5;
        while along < OUT_MM {
            let p = add(at, scale(way, along));
            // Close to the tip only nerves count: the tip is meant to be in tissue.
            let nerve = scene.nerve(p);
            let bone = if along > 2.0 { scene.room(&scene.parts.bones, p) } else { nerve };
            room = room.min(nerve.min(bone) - radius_mm);
            along += 1.0;
        }
        if best.is_none_or(|(_, r)| room > r + 0.05) {
            best = Some((way, room));
        }
    }
    best
}
