//! A ball moved along a segment: what a burr takes, as a real number before it becomes an operation.

use crate::vector::{Vec3, segment_distance};

/// All points within `radius_mm` of the segment from `a` to `b`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sweep {
    /// Where the ball's centre came from, mm.
    pub a_mm: [f64; 3],
    /// Where it went, mm.
    pub b_mm: [f64; 3],
    /// Its radius, mm.
    pub radius_mm: f64,
}

impl Sweep {
    /// Signed distance to the swept volume, mm, negative inside.
    pub(crate) fn distance_mm(&self, at: Vec3) -> f64 {
        segment_distance(at, self.a_mm, self.b_mm) - self.radius_mm
    }
}
