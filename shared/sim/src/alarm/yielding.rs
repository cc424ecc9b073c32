//! Distances to surfaces that have given way.
//!
//! What is at a position now was somewhere else at rest, and the distance is taken there. Away from where anything is displaced the two are
//! the same, so only what of a tool reaches in there is measured in that dearer way.

use spinor_volume::{Grid, Label};

use super::span::{AtRest, Known, SPAN_ERROR_MM};
use super::{NeuralField, NeuralFields};
use crate::pose::{Rotation, place, um};
use crate::tool::Shape;
use crate::vector::{Vec3, mix};

/// How a structure stands that has given way.
pub(crate) struct Yielding<'a> {
    /// Takes a position to where what is there now is at rest, mm.
    pub(crate) rest: Box<dyn Fn(Vec3) -> Vec3 + 'a>,
    /// The box outside of which nothing is displaced, patient LPS, mm.
    pub(crate) within_mm: [Vec3; 2],
    /// The longest displacement, mm.
    pub(crate) most_mm: f64,
}

impl NeuralFields {
    /// As [`Self::distances_um`] to surfaces as they stand: `yielding` tells it of those that have given way, `at_rest` is the distance to
    /// all of them at rest.
    pub(crate) fn yielding_um<'a>(
        &self,
        grid: &Grid,
        shape: &Shape,
        rotation: &Rotation,
        tip: Vec3,
        at_rest: Vec<(Label, Option<i32>)>,
        yielding: &dyn Fn(Label) -> Option<Yielding<'a>>,
    ) -> Vec<(Label, Option<i32>)> {
        let mut distances = at_rest;
        for (field, (_, distance)) in self.iter().zip(&mut distances) {
            let Some(now) = yielding(field.label) else { continue };
            // Each part's distance at rest tells how near it can be now.
            let mut parts: Vec<(f64, f64, [Vec3; 2])> = Vec::with_capacity(shape.parts.len());
            let mut reaches_in = false;
            for part in &shape.parts {
                let ends = [place(rotation, tip, part.a_mm), place(rotation, tip, part.b_mm)];
                reaches_in |= inside(ends[0], ends[1], now.within_mm).is_some();
                parts.push((0.0, part.radius_mm, ends));
            }
            if !reaches_in {
                continue;
            }
            for (nearest, radius_mm, [a, b]) in &mut parts {
                *nearest = self.known(field, grid, *a, *b, self.reach.look_mm + now.most_mm + *radius_mm) - *radius_mm;
            }
            parts.sort_by(|a, b| a.0.total_cmp(&b.0));
            let mut least = self.reach.look_mm;
            for (nearest, radius_mm, [a, b]) in parts {
                if nearest - now.most_mm - SPAN_ERROR_MM >= least {
                    break;
                }
                least = least.min(self.least_as_it_stands(field, grid, &now, a, b, least + radius_mm) - radius_mm);
            }
            *distance = (least < self.reach.look_mm).then(|| um(least));
        }
        distances
    }

    /// The least distance between two places to a structure as it stands that is under a limit, or the limit.
    fn least_as_it_stands(&self, field: &NeuralField, grid: &Grid, now: &Yielding<'_>, a: Vec3, b: Vec3, limit: f64) -> f64 {
        let Some([from, to]) = inside(a, b, now.within_mm) else { return self.known(field, grid, a, b, limit) };
        let (first, last) = (mix(a, b, from), mix(a, b, to));
        let mut least = limit;
        if from > 0.0 {
            least = self.known(field, grid, a, first, least);
        }
        if to < 1.0 {
            least = self.known(field, grid, last, b, least);
        }
        let at_rest = |at: Vec3| field.distance_mm(grid, at);
        let distance = |at: Vec3| field.distance_mm(grid, (now.rest)(at));
        // Nothing moved out of the box around the structure at rest by more than the longest displacement.
        let around = field.box_mm.map(|[low, high]| [low.map(|v| v - now.most_mm), high.map(|v| v + now.most_mm)]);
        let yields = Some(AtRest { distance: &at_rest, most_mm: now.most_mm });
        Known { distance: &distance, reach_mm: self.reach.fields_mm, yields, box_mm: around }.least(first, last, least)
    }
}

/// The part of a segment that lies in a box, as shares of its length; none when it does not meet it.
fn inside(a: Vec3, b: Vec3, [low, high]: [Vec3; 2]) -> Option<[f64; 2]> {
    let (mut from, mut to) = (0.0_f64, 1.0_f64);
    for k in 0..3 {
        let way = b[k] - a[k];
        if way == 0.0 {
            if a[k] < low[k] || a[k] > high[k] {
                return None;
            }
            continue;
        }
        let (s, t) = ((low[k] - a[k]) / way, (high[k] - a[k]) / way);
        from = from.max(s.min(t));
        to = to.min(s.max(t));
    }
    (from <= to).then_some([from, to])
}
