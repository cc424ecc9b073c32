//! The least of a distance along a straight part of a tool, with few questions to the field.
//!
//! A span between two places can be left alone when no place in it can be nearer than the nearest found so far. Two bounds say so. A
//! distance falls no faster than the way is long (it is 1-Lipschitz). And away from its surface it bends upwards no more than the distance
//! to a point does, by one over the distance (it is semiconcave: Cannarsa and Sinestrari 2004, section 2.2), so that over a span of length
//! L it lies at most L²/(8 d) under the line between its ends. The second makes spans beside a surface about as long as √(8 d ε) instead of
//! 2 ε: a shaft that lies along a root costs tens of questions instead of a thousand.

use std::cell::Cell;

use crate::vector::{Vec3, mix, norm, sub};

/// By how much the least found may exceed the true one, mm.
pub(super) const SPAN_ERROR_MM: f64 = 0.05;
/// By how much two distances may differ by more than the way between their places is long, mm: what measuring them is off.
pub(super) const UNEVEN_MM: f64 = 0.25;

/// A distance that is known exactly up to a reach, and beyond it only to be at least that.
pub(super) struct Known<'a> {
    /// The distance at a place, mm; none farther than the reach.
    pub(super) distance: &'a dyn Fn(Vec3) -> Option<f64>,
    /// How far distances are known, mm.
    pub(super) reach_mm: f64,
    /// Corners of a box that holds everything inside the surface; none where there is no such box, and nothing is known without asking.
    pub(super) box_mm: Option<[Vec3; 2]>,
    /// The part that was looked at last: one beside it needs no look where that is far.
    pub(super) seen: Cell<Option<Seen>>,
}

/// What a look at a part showed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Its middle, and the distance there.
    middle: (Vec3, f64),
    /// Its ends, and what no place between them is nearer than.
    ends: [Vec3; 2],
    bound: f64,
}

impl Seen {
    /// Whether no place between two others can be nearer than `limit`.
    fn spares(&self, [a, b]: [Vec3; 2], limit: f64) -> bool {
        let [c, d] = self.ends;
        let ((middle, distance), half) = (self.middle, norm(sub(b, a)) / 2.0);
        self.bound - norm(sub(a, c)).max(norm(sub(b, d))) - UNEVEN_MM >= limit
            || distance - norm(sub(mix(a, b, 0.5), middle)) - half - UNEVEN_MM >= limit
    }
}

impl Known<'_> {
    fn at(&self, place: Vec3) -> f64 {
        (self.distance)(place).unwrap_or(self.reach_mm)
    }

    /// The least distance between two places that is under `best`, or `best`: at most [`SPAN_ERROR_MM`] above the true least where that is
    /// under `best` by more.
    pub(super) fn least(&self, a: Vec3, b: Vec3, best: f64) -> f64 {
        let (ends, length) = ([a, b], norm(sub(b, a)));
        if !length.is_finite() || self.seen.get().is_some_and(|seen| seen.spares(ends, best)) {
            return best;
        }
        let Some([a, b]) = self.clipped(a, b, best) else { return best };
        let length = norm(sub(b, a));
        // What was clipped is farther than this.
        let is_whole = norm(sub(a, ends[0])) + norm(sub(b, ends[1])) < 1e-9;
        let beyond = if is_whole { f64::INFINITY } else { best };
        // The middle first: most parts are far from most structures, and one look shows it.
        let place = mix(a, b, 0.5);
        let middle = self.at(place);
        let seen = |bound: f64| self.seen.set(Some(Seen { middle: (place, middle), ends, bound: bound.min(beyond) }));
        let mut best = best.min(middle);
        if length == 0.0 || middle - length / 2.0 >= best {
            seen(middle - length / 2.0);
            return best;
        }
        let (first, last) = (self.at(a), self.at(b));
        best = best.min(first).min(last);
        let mut waiting = vec![(0.0, first, 0.5, middle), (0.5, middle, 1.0, last)];
        let mut least = f64::INFINITY;
        while let Some((s, at_s, t, at_t)) = waiting.pop() {
            let long = (t - s) * length;
            let bound = self.bound(at_s, at_t, long);
            if bound >= best - SPAN_ERROR_MM || long < 1e-3 {
                least = least.min(bound);
                continue;
            }
            let m = (s + t) / 2.0;
            let here = self.at(mix(a, b, m));
            best = best.min(here);
            // The nearer half last, so that it is looked at first.
            let (low, high) = ((s, at_s, m, here), (m, here, t, at_t));
            if at_s < at_t {
                waiting.extend([high, low]);
            } else {
                waiting.extend([low, high]);
            }
        }
        seen(least);
        best
    }

    /// The part of a segment that is within `best` of the box, none when it has none.
    fn clipped(&self, a: Vec3, b: Vec3, best: f64) -> Option<[Vec3; 2]> {
        let Some([low, high]) = self.box_mm else { return Some([a, b]) };
        let margin = best.max(0.0);
        let (mut from, mut to) = (0.0_f64, 1.0_f64);
        for k in 0..3 {
            let (low, high, way) = (low[k] - margin, high[k] + margin, b[k] - a[k]);
            if way == 0.0 {
                if a[k] < low || a[k] > high {
                    return None;
                }
                continue;
            }
            let (s, t) = ((low - a[k]) / way, (high - a[k]) / way);
            from = from.max(s.min(t));
            to = to.min(s.max(t));
        }
        (from <= to).then(|| [mix(a, b, from), mix(a, b, to)])
    }

    /// What no place of a span can be nearer than.
    fn bound(&self, at_s: f64, at_t: f64, long: f64) -> f64 {
        let lipschitz = (at_s + at_t - long) / 2.0;
        let exact = at_s < self.reach_mm && at_t < self.reach_mm;
        if !exact || lipschitz <= 0.0 {
            return lipschitz;
        }
        // The distance is everywhere at least `lipschitz`, so its bend is at most one over that.
        lipschitz.max(at_s.min(at_t) - long * long / (8.0 * lipschitz))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::{add, scale};

    fn ball(p: Vec3) -> f64 {
        norm(sub(p, [1.0, 2.0, -1.0])) - 1.5
    }

    /// A rod along x.
    fn rod(p: Vec3) -> f64 {
        (p[1] * p[1] + p[2] * p[2]).sqrt() - 2.0
    }

    /// Proves that the least along a segment is a dense walk's, outside, through and inside, also where distances end at a reach.
    #[test]
    fn least_equals_a_dense_walk() {
        for k in 0..4_000_u32 {
            let spread = |n: u32, span: f64| (f64::from(k * n % 1009) / 1009.0 - 0.5) * span;
            let (a, b) =
                ([spread(7, 20.0), spread(13, 20.0), spread(29, 20.0)], [spread(41, 60.0), spread(97, 60.0), spread(11, 60.0)]);
            for of in [ball, rod] {
                let known = Known {
                    distance: &|p| Some(of(p)).filter(|d| *d <= 9.0),
                    reach_mm: 9.0,
                    box_mm: None,
                    seen: Cell::new(None),
                };
                let dense = (0..=20_000).map(|n| of(mix(a, b, f64::from(n) / 20_000.0))).fold(6.0, f64::min);
                let got = known.least(a, b, 6.0);
                assert!(got >= dense - 1e-9 && got <= dense + SPAN_ERROR_MM + 2e-3, "{k}: {got}, not {dense}");
            }
        }
    }

    /// Proves that a box changes nothing but the number of questions.
    #[test]
    fn a_box_spares_questions_and_changes_nothing() {
        let asked = Cell::new(0_u32);
        let distance = |p| {
            asked.set(asked.get() + 1);
            Some(ball(p)).filter(|d| *d <= 9.0)
        };
        let known = |box_mm| Known { distance: &distance, reach_mm: 9.0, box_mm, seen: Cell::new(None) };
        let around = Some([[-0.5, 0.5, -2.5], [2.5, 3.5, 0.5]]);
        let mut counts = [0, 0];
        for k in 0..2_000_u32 {
            let spread = |n: u32, span: f64| (f64::from(k * n % 1009) / 1009.0 - 0.5) * span;
            let (a, b) =
                ([spread(7, 30.0), spread(13, 30.0), spread(29, 30.0)], [spread(41, 90.0), spread(97, 90.0), spread(11, 90.0)]);
            let least = [None, around].map(|box_mm| known(box_mm).least(a, b, 6.0));
            assert!((least[0] - least[1]).abs() <= SPAN_ERROR_MM, "{k}: {least:?}");
            for (count, box_mm) in counts.iter_mut().zip([None, around]) {
                asked.set(0);
                known(box_mm).least(a, b, 6.0);
                *count += asked.get();
            }
        }
        assert!(counts[1] * 3 < counts[0], "{counts:?}");
    }

    /// Proves that what one part saw changes nothing for the parts beside it but the number of questions: blades of rods side by side.
    #[test]
    fn a_part_spares_the_next_a_look_and_changes_nothing() {
        let asked = Cell::new(0_u32);
        let distance = |p| {
            asked.set(asked.get() + 1);
            Some(ball(p)).filter(|d| *d <= 9.0)
        };
        let mut counts = [0, 0];
        for k in 0..1_000_u32 {
            let spread = |n: u32, span: f64| (f64::from(k * n % 1009) / 1009.0 - 0.5) * span;
            let (a, aside) = ([spread(7, 24.0), spread(13, 24.0), spread(29, 24.0)], [0.3, spread(83, 0.8), 0.2]);
            let way = [spread(41, 12.0), spread(97, 12.0), spread(11, 12.0)];
            let blade = |keeps: bool| {
                let known = Known { distance: &distance, reach_mm: 9.0, box_mm: None, seen: Cell::new(None) };
                (0..20).fold(6.0, |best, n| {
                    if !keeps {
                        known.seen.set(None);
                    }
                    let a = add(a, scale(aside, f64::from(n)));
                    known.least(a, add(a, way), best)
                })
            };
            for (count, keeps) in counts.iter_mut().zip([false, true]) {
                asked.set(0);
                blade(keeps);
                *count += asked.get();
            }
            assert_eq!(blade(false), blade(true), "{k}");
        }
        assert!(counts[1] * 4 < counts[0] * 3, "{counts:?}");
    }

    /// Proves that a shaft beside a surface, and one that is nowhere near, cost few questions.
    #[test]
    fn few_questions_are_asked() {
        let asked = Cell::new(0);
        let distance = |p| {
            asked.set(asked.get() + 1);
            Some(rod(p)).filter(|d| *d <= 9.0)
        };
        let known = Known { distance: &distance, reach_mm: 9.0, box_mm: None, seen: Cell::new(None) };
        known.least([0.0, 5.0, 0.0], [100.0, 5.0, 0.0], 6.0);
        assert!(asked.replace(0) < 300, "along: {}", asked.get());
        known.least([0.0, 5.0, 0.0], [0.0, 105.0, 0.0], 6.0);
        assert!(asked.replace(0) < 40, "square");
        known.least([0.0, 50.0, 0.0], [2.0, 50.0, 0.0], 6.0);
        assert_eq!(asked.get(), 1);
    }
}
