//! Distances to surfaces that have given way.
//!
//! Where nothing is displaced they are those at rest, so only tools that reach to where something is are measured to the surface's facets
//! as they stand.

use std::cell::Cell;

use spinor_volume::Label;

use super::{NeuralFields, shape_distance_mm};
use crate::pose::{Rotation, place, um};
use crate::tissue::Stand;
use crate::tool::Shape;
use crate::vector::{Vec3, norm, sub};

/// By how much two distances may differ by more than the way between their places is long, mm: what measuring them is off.
const UNEVEN_MM: f64 = 0.25;

impl NeuralFields {
    /// As [`Self::distances_um`] to surfaces as they stand: `stand` tells it of those that have given way, with the box outside of which
    /// nothing is displaced; `at_rest` is the distance to all of them at rest.
    pub(crate) fn yielding_um<'a>(
        &self,
        shape: &Shape,
        rotation: &Rotation,
        tip: Vec3,
        at_rest: Vec<(Label, Option<i32>)>,
        stand: &dyn Fn(Label) -> Option<(Stand<'a>, [Vec3; 2])>,
    ) -> Vec<(Label, Option<i32>)> {
        let mut distances = at_rest;
        for (structure, distance) in &mut distances {
            let Some((stand, box_mm)) = stand(*structure) else { continue };
            // What lies farther from the box than tools are looked at from is nearer to what is at rest than to what moved.
            let look = self.reach.look_mm;
            let reaches_in = shape.parts.iter().any(|part| {
                meets(place(rotation, tip, part.a_mm), place(rotation, tip, part.b_mm), box_mm, look + part.radius_mm)
            });
            if reaches_in {
                // The part before, where it is outside: the next is no nearer than that less what its ends are aside.
                let before: Cell<Option<(Vec3, Vec3, f64)>> = Cell::new(None);
                let least = |a: Vec3, b: Vec3, limit: f64| {
                    let known = before.get().map_or(0.0, |(c, d, far)| far - norm(sub(a, c)).max(norm(sub(b, d))) - UNEVEN_MM);
                    if known > 0.0 && known >= limit {
                        return limit;
                    }
                    let distance = stand.distance_mm(a, b, limit);
                    before.set(distance.map(|far| (a, b, far)));
                    distance.map_or(limit, |d| d.min(limit))
                };
                *distance = shape_distance_mm(self.reach, shape, rotation, tip, &least).map(um);
            }
        }
        distances
    }
}

/// Whether a segment comes within a margin of a box.
fn meets(a: Vec3, b: Vec3, [low, high]: [Vec3; 2], margin: f64) -> bool {
    let (mut from, mut to) = (0.0_f64, 1.0_f64);
    for k in 0..3 {
        let (low, high, way) = (low[k] - margin, high[k] + margin, b[k] - a[k]);
        if way == 0.0 {
            if a[k] < low || a[k] > high {
                return false;
            }
            continue;
        }
        let (s, t) = ((low - a[k]) / way, (high - a[k]) / way);
        from = from.max(s.min(t));
        to = to.min(s.max(t));
    }
    from <= to
}
