//! What no place of a row or a sheet is nearer than to a structure, from the distances at its corners.
//!
//! Three bounds hold, and the best counts. A signed distance falls no faster than the way is long (it is 1-Lipschitz). Outside, the squared
//! distance less the square of the place is an infimum of affine functions, one for each place of the surface, so it is concave (Cannarsa
//! and Sinestrari 2004, section 2.2): between two places that are L apart, at shares s and 1 - s of the way, the squared distance is at least
//! what lies on the line between theirs less s (1 - s) L². And a place is no deeper inside than it is far from any place of the surface.

use crate::vector::{Vec3, dot, sub};

/// A place of a tool's axes that was looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) at: Vec3,
    /// The signed distance, or what it is at least, mm.
    pub(super) far: f64,
    /// A place of the surface, about the nearest.
    pub(super) on: Option<Vec3>,
}

/// Rounds by which the mean of squared distances to places of the surface is evened out.
const ROUNDS: u32 = 4;
fn squared_between(a: Vec3, b: Vec3) -> f64 {
    let way = sub(a, b);
    dot(way, way)
}

/// The least of `rise * s - s * (1 - s) * square` for s from 0 to 1, and where it is.
fn least_of(rise: f64, square: f64) -> (f64, f64) {
    let s = if square > 0.0 { ((square - rise) / (2.0 * square)).clamp(0.0, 1.0) } else { f64::from(u8::from(rise < 0.0)) };
    (rise * s - s * (1.0 - s) * square, s)
}

/// What no place between two is nearer than, mm, and at which share of the way the nearest would be.
pub(super) fn of_row(a: &Sample, b: &Sample) -> (f64, f64) {
    let squared = squared_between(a.at, b.at);
    let long = squared.sqrt();
    let mut bound = (a.far + b.far - long) / 2.0;
    let mut share = if long > 0.0 { (a.far - b.far + long) / (2.0 * long) } else { 0.5 };
    if a.far >= 0.0 && b.far >= 0.0 {
        let (least, s) = least_of(b.far * b.far - a.far * a.far, squared);
        let other = a.far * a.far + least;
        if other > 0.0 && other.sqrt() > bound {
            (bound, share) = (other.sqrt(), s);
        }
    }
    if bound < 0.0
        && let (Some(p), Some(q)) = (a.on, b.on)
    {
        let [from_p, to_p, from_q, to_q] = [(p, a), (p, b), (q, a), (q, b)].map(|(on, end)| squared_between(on, end.at));
        // The lesser of both is the greatest at an end, or where both are the same.
        let (from, to) = (from_p.min(from_q), to_p.min(to_q));
        let (mut most, mut s) = if from > to { (from, 0.0) } else { (to, 1.0) };
        let (more, less) = (from_p - from_q, to_p - to_q);
        // Either of both may be the nearer at the first end: what an end knows of the surface need not be its nearest place.
        if more * less < 0.0 {
            let even = more / (more - less);
            let here = from_p + even * (to_p - from_p) - even * (1.0 - even) * squared;
            if here > most {
                (most, s) = (here, even);
            }
        }
        if -most.sqrt() > bound {
            (bound, share) = (-most.sqrt(), s);
        }
    }
    (bound, share)
}

/// What no place of a sheet is nearer than, mm; whether its rows are farther apart than they are long, and at which share of that greater
/// extent the nearest would be. The corners are the first row's ends and the last row's.
pub(super) fn of_sheet(corners: [&Sample; 4], enough: f64) -> (f64, bool, f64) {
    let [a, b, c, d] = corners;
    let wide = squared_between(a.at, b.at).max(squared_between(c.at, d.at));
    let high = squared_between(a.at, c.at).max(squared_between(b.at, d.at));
    let (across, mut share) = (high > wide, 0.5);
    let least = a.far.min(b.far).min(c.far.min(d.far));
    let pairs = (a.far + d.far).max(b.far + c.far);
    // Nothing is farther than half the diagonal from all corners, nor than both edges together from two that face each other.
    let mut bound = (least - (wide + high).sqrt() / 2.0).max((pairs - wide.sqrt() - high.sqrt()) / 2.0);
    if least >= 0.0 {
        let [of_a, of_b, of_c, of_d] = corners.map(|corner| corner.far * corner.far);
        let (down, along, twist) = (of_c - of_a, of_b - of_a, of_d - of_b - of_c + of_a);
        // Between four corners the line becomes a bilinear function, which has these planes under it.
        let planes = if twist >= 0.0 { [[0.0; 3], [twist, twist, -twist]] } else { [[twist, 0.0, 0.0], [0.0, twist, 0.0]] };
        for [more_down, more_along, more] in planes {
            let ((x, s), (y, t)) = (least_of(down + more_down, high), least_of(along + more_along, wide));
            let other = of_a + x + y + more;
            if other > 0.0 && other.sqrt() > bound {
                (bound, share) = (other.sqrt(), if across { s } else { t });
            }
        }
    }
    if bound < 0.0 && bound < enough {
        bound = bound.max(-deepest(corners, enough));
    }
    (bound, across, share)
}

/// How deep no place between four corners is: any mean of the squared distances to places of the surface is convex, so that it is the greatest
/// at a corner, and the least of these distances is no more than it.
fn deepest(corners: [&Sample; 4], enough: f64) -> f64 {
    let enough = if enough < 0.0 { enough * enough } else { 0.0 };
    let (mut squared, mut count) = ([[0.0; 4]; 4], 0);
    for on in corners.iter().filter_map(|corner| corner.on) {
        squared[count] = corners.map(|corner| squared_between(on, corner.at));
        count += 1;
    }
    let squared = &squared[..count];
    let mut mean = [0.0; 4];
    for from in squared {
        for (mean, from) in mean.iter_mut().zip(from) {
            *mean += from / count as f64;
        }
    }
    let mut most = f64::INFINITY;
    for _ in 0..ROUNDS {
        // More of the place that is the nearest to the corner where the mean is the greatest, until another corner is as far.
        let far = (1..4).fold(0, |far, k| if mean[k] > mean[far] { k } else { far });
        let Some(near) = squared.iter().reduce(|near, other| if other[far] < near[far] { other } else { near }) else { break };
        most = most.min(mean[far]);
        if most <= enough {
            break;
        }
        let mut step = 1.0_f64;
        for k in 0..4 {
            let gain = (mean[far] - near[far]) - (mean[k] - near[k]);
            if gain > 0.0 {
                step = step.min((mean[far] - mean[k]) / gain);
            }
        }
        let step = step.max(0.02);
        for (mean, near) in mean.iter_mut().zip(near) {
            *mean += step * (near - *mean);
        }
    }
    most.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::mix;

    /// Proves that a place is never told less deep than the nearer of both ends' places of the surface lets it be, whichever of these is the nearer
    /// at which end: that is how deep it is where these two are all of the surface.
    #[test]
    fn a_row_is_as_deep_as_its_surface_lets_it_be() {
        let number = |k: u32, n: u32| f64::from(k.wrapping_mul(n) % 1009) / 1009.0 * 6.0;
        let (mut as_expected, mut the_other) = (0, 0);
        for k in 1..2_000_u32 {
            let place = |n: [u32; 3]| n.map(|n| number(k, n));
            let (a, b) = (place([7, 13, 29]), place([41, 97, 11]));
            let (p, q) = (place([83, 31, 59]), place([19, 61, 43]));
            let squared = |at: Vec3| squared_between(at, p).min(squared_between(at, q));
            let deep = |at: Vec3, on: Vec3| Sample { at, far: -squared(at).sqrt(), on: Some(on) };
            let (bound, share) = of_row(&deep(a, p), &deep(b, q));
            let deepest = (0..=200).map(|n| squared(mix(a, b, f64::from(n) / 200.0))).fold(0.0, f64::max).sqrt();
            assert!(bound <= -deepest + 1e-9, "{k}: {bound}, yet {deepest} deep");
            assert!((0.0..=1.0).contains(&share), "{k}: {share}");
            let nearer = [a, b].map(|end| squared_between(end, p) < squared_between(end, q));
            as_expected += u32::from(nearer == [true, false]);
            the_other += u32::from(nearer == [false, true]);
        }
        assert!(as_expected > 100 && the_other > 100, "{as_expected} and {the_other}");
    }
}
