//! Distances to surfaces that have given way.
//!
//! What is at a position now was somewhere else at rest, and the distance is taken there. Away from where anything is displaced the two are
//! the same, so only what of a tool reaches in there is measured in that dearer way.

use spinor_volume::{Grid, Label};

use super::span::Known;
use super::{NeuralField, NeuralFields, shape_distance_mm};
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
            let reaches_in = shape
                .parts
                .iter()
                .any(|part| inside(place(rotation, tip, part.a_mm), place(rotation, tip, part.b_mm), now.within_mm).is_some());
            if reaches_in {
                let least = |a: Vec3, b: Vec3, limit: f64| self.least_as_it_stands(field, grid, &now, a, b, limit);
                *distance = shape_distance_mm(self.reach, shape, rotation, tip, &least).map(um);
            }
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
        let distance = |at: Vec3| field.distance_mm(grid, (now.rest)(at));
        // Nothing moved out of the box around the structure at rest by more than the longest displacement.
        let around = field.box_mm.map(|[low, high]| [low.map(|v| v - now.most_mm), high.map(|v| v + now.most_mm)]);
        Known { distance: &distance, reach_mm: self.reach.fields_mm, yields: true, box_mm: around }.least(first, last, least)
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
