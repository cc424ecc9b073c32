//! Walks along straight lines through fields: where a line enters and leaves tissue.

use super::vector::{Vec3, add, scale};

/// Step of a walk before the place is refined, mm.
const STEP_MM: f64 = 0.25;

/// Way in mm along `direction` (a unit vector) from `from` (mm, in the frame of `distance`) to the first place where `distance` (mm) is
/// negative; none within `reach_mm` (at most 1,000), 0 when the walk starts inside. Steps are of a quarter of a millimetre, and the place
/// between two of them is found by linear interpolation: what is thinner may be missed.
pub fn enter(distance: impl Fn([f64; 3]) -> f64, from: [f64; 3], direction: [f64; 3], reach_mm: f64) -> Option<f64> {
    walk(distance, from, direction, reach_mm)
}

/// As [`enter`], for the first place where `distance` is not negative.
pub fn leave(distance: impl Fn([f64; 3]) -> f64, from: [f64; 3], direction: [f64; 3], reach_mm: f64) -> Option<f64> {
    walk(|p| -distance(p), from, direction, reach_mm)
}

fn walk(value: impl Fn(Vec3) -> f64, from: Vec3, direction: Vec3, reach_mm: f64) -> Option<f64> {
    let mut before = value(from);
    if before < 0.0 {
        return Some(0.0);
    }
    let steps = (reach_mm.clamp(0.0, 1_000.0) / STEP_MM).ceil() as u32;
    for k in 1..=steps {
        let along = f64::from(k) * STEP_MM;
        let here = value(add(from, scale(direction, along)));
        if here < 0.0 {
            return Some(along - STEP_MM * (here / (here - before)));
        }
        before = here;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the place is the surface's, that a start inside is 0, and that nothing ahead is none.
    #[test]
    fn a_line_enters_and_leaves_a_ball() {
        let ball = |p: Vec3| (p[0] * p[0] + p[1] * p[1] + p[2] * p[2]).sqrt() - 3.0;
        let way = enter(ball, [-10.0, 0.0, 0.0], [1.0, 0.0, 0.0], 30.0).unwrap();
        assert!((way - 7.0).abs() < 1e-9, "{way}");
        assert_eq!(enter(ball, [0.0; 3], [1.0, 0.0, 0.0], 30.0), Some(0.0));
        assert!((leave(ball, [0.0; 3], [0.0, 1.0, 0.0], 30.0).unwrap() - 3.0).abs() < 1e-9);
        assert_eq!(enter(ball, [-10.0, 0.0, 0.0], [-1.0, 0.0, 0.0], 30.0), None);
    }
}
