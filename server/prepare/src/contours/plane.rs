//! The contours of one structure on one plane, as DICOM means them (PS3.3, C.8.8.6.3).
//!
//! `CLOSEDPLANAR_XOR` contours are combined by exclusive disjunction. A hole in `CLOSED_PLANAR` ones is, by the letter, a keyhole within a
//! single contour; most programs write it as a contour within another all the same and read it as a hole (3D Slicer, platipy, rt-utils), so
//! that is done here too. But two contours of which neither lies within the other are two parts of one structure: together they are their
//! union. Exclusive disjunction would cut their overlap out of the solid, where a drawing continued over its own edge.

use super::fill::fill;

/// One closed contour in continuous pixel coordinates.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    /// Whether it is a `CLOSEDPLANAR_XOR`.
    pub(super) xor: bool,
    pub(super) points: Vec<[f64; 2]>,
}

/// What a plane's contours cover.
#[derive(Debug)]
pub(super) struct Covered {
    pub(super) mask: Vec<bool>,
    /// Whether contours overlap in part, or one is there twice, so that holes and parts had to be told apart.
    pub(super) joined: bool,
}

/// Most contours of one structure on one plane.
const MAX_CONTOURS: usize = 1000;
/// Most pixels held and looked at while contours of a plane are compared.
const MAX_PIXELS: usize = 100_000_000;
/// A contour lies within another when no larger share of it lies outside: holes that touch the rim are drawn a little over it.
const OUTSIDE: f64 = 0.1;
/// Contours that share this much of the larger one are the same.
const SAME: f64 = 0.99;
/// Overlap from which on two parts count as overlapping: the rim that neighbours share is none.
const OVERLAP: f64 = 0.03;

/// Which pixels of a plane of `size` (columns, rows) the contours cover; none when they are more work than any drawing.
pub(super) fn cover(contours: &[Closed], size: [usize; 2]) -> Option<Covered> {
    let (xor, closed): (Vec<&Closed>, Vec<&Closed>) = contours.iter().partition(|c| c.xor);
    let points = |some: &[&Closed]| some.iter().map(|c| c.points.clone()).collect::<Vec<_>>();
    let mut made = together(&points(&closed), size)?;
    if !xor.is_empty() {
        let other = fill(&points(&xor), size)?;
        made.mask.iter_mut().zip(other).for_each(|(a, b)| *a |= b);
    }
    Some(made)
}

/// One contour's own pixels, in the window that holds it.
struct Window {
    low: [usize; 2],
    size: [usize; 2],
    mask: Vec<bool>,
    count: usize,
    /// Without the pixels on its edge, which neighbours share.
    within: Vec<bool>,
    within_count: usize,
}

impl Window {
    /// None when the windows of a plane hold more pixels than are left.
    fn of(points: &[[f64; 2]], size: [usize; 2], left: &mut usize) -> Option<Self> {
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for p in points {
            for k in 0..2 {
                low[k] = low[k].min(p[k]);
                high[k] = high[k].max(p[k]);
            }
        }
        let first = [0, 1].map(|k| (low[k].floor().max(0.0) as usize).min(size[k].saturating_sub(1)));
        let own = [0, 1].map(|k| (high[k].ceil().max(0.0) as usize + 1).min(size[k]).saturating_sub(first[k]).max(1));
        *left = left.checked_sub(own[0].checked_mul(own[1])?)?;
        let moved: Vec<[f64; 2]> = points.iter().map(|p| [p[0] - first[0] as f64, p[1] - first[1] as f64]).collect();
        let mask = fill(std::slice::from_ref(&moved), own)?;
        // Twice the same contour has no inside: its edge is left.
        let edge = fill(&[moved.clone(), moved], own)?;
        let within: Vec<bool> = mask.iter().zip(&edge).map(|(inside, edge)| *inside && !*edge).collect();
        let count = |mask: &[bool]| mask.iter().filter(|v| **v).count();
        Some(Self { low: first, size: own, count: count(&mask), within_count: count(&within), mask, within })
    }

    /// Pixels that both have, those of them that lie on neither's edge, and how many were looked at.
    fn shared(&self, other: &Self) -> (usize, usize, usize) {
        let low = [0, 1].map(|k| self.low[k].max(other.low[k]));
        let high = [0, 1].map(|k| (self.low[k] + self.size[k]).min(other.low[k] + other.size[k]));
        if low[0] >= high[0] || low[1] >= high[1] {
            return (0, 0, 1);
        }
        let place = |w: &Self, x: usize, y: usize| x - w.low[0] + w.size[0] * (y - w.low[1]);
        let has = |mask: &[bool], at: usize| mask.get(at).copied().unwrap_or(false);
        let (mut both, mut within) = (0, 0);
        for y in low[1]..high[1] {
            for x in low[0]..high[0] {
                let (a, b) = (place(self, x, y), place(other, x, y));
                both += usize::from(has(&self.mask, a) && has(&other.mask, b));
                within += usize::from(has(&self.within, a) && has(&other.within, b));
            }
        }
        (both, within, (high[0] - low[0]) * (high[1] - low[1]))
    }
}

/// Area of a polygon, square pixels.
fn area(points: &[[f64; 2]]) -> f64 {
    let next = points.iter().cycle().skip(1);
    let twice: f64 = points.iter().zip(next).map(|(a, b)| a[0] * b[1] - a[1] * b[0]).sum();
    0.5 * twice.abs()
}

fn together(polygons: &[Vec<[f64; 2]>], size: [usize; 2]) -> Option<Covered> {
    if polygons.len() < 2 {
        return Some(Covered { mask: fill(polygons, size)?, joined: false });
    }
    if polygons.len() > MAX_CONTOURS {
        return None;
    }
    let mut left = MAX_PIXELS;
    let windows: Vec<Window> = polygons.iter().map(|p| Window::of(p, size, &mut left)).collect::<Option<_>>()?;
    let areas: Vec<f64> = polygons.iter().map(|p| area(p)).collect();
    // within[a] holds the contours that a lies within.
    let mut within: Vec<Vec<usize>> = vec![Vec::new(); polygons.len()];
    let (mut twice, mut joined) = (vec![false; polygons.len()], false);
    for a in 0..polygons.len() {
        for b in a + 1..polygons.len() {
            let (shared, within_both, looked) = windows[a].shared(&windows[b]);
            left = left.checked_sub(looked)?;
            let (large, small) = if areas[a] >= areas[b] { (a, b) } else { (b, a) };
            let share = |of: usize| shared as f64 / windows[of].count.max(1) as f64;
            if shared == 0 {
                continue;
            }
            // By their areas: the hole of a ring one pixel thin covers the same pixels as its rim.
            if share(large) >= SAME && areas[small] >= SAME * areas[large] {
                twice[small] = true;
                joined = true;
            } else if share(small) >= 1.0 - OUTSIDE {
                within[small].push(large);
            } else if within_both as f64 > OVERLAP * windows[small].within_count.max(1) as f64 {
                joined = true;
            }
        }
    }
    if !joined {
        return Some(Covered { mask: fill(polygons, size)?, joined });
    }
    // Each part with its own holes, one part after the other.
    let depth = |n: usize| within[n].iter().filter(|m| !twice[**m]).count();
    let mut mask = vec![false; size[0] * size[1]];
    for part in (0..polygons.len()).filter(|n| !twice[*n] && depth(*n).is_multiple_of(2)) {
        let holes = (0..polygons.len()).filter(|n| !twice[*n] && within[*n].contains(&part) && depth(*n) == depth(part) + 1);
        let own: Vec<Vec<[f64; 2]>> = std::iter::once(part).chain(holes).map(|n| polygons[n].clone()).collect();
        left = left.checked_sub(mask.len())?;
        mask.iter_mut().zip(fill(&own, size)?).for_each(|(a, b)| *a |= b);
    }
    Some(Covered { mask, joined })
}

#[cfg(test)]
mod tests {
    //! Holes are holes, parts are joined, and what is exclusive by its type stays so.

    use super::*;

    fn square(x: f64, y: f64, edge: f64, xor: bool) -> Closed {
        let (a, b) = (0.25, edge - 0.25);
        Closed { xor, points: vec![[x + a, y + a], [x + b, y + a], [x + b, y + b], [x + a, y + b]] }
    }

    fn count(contours: &[Closed]) -> (usize, bool) {
        let made = cover(contours, [60, 60]).unwrap();
        (made.mask.iter().filter(|v| **v).count(), made.joined)
    }

    #[test]
    fn nested_contours_are_holes_and_islands() {
        let (outer, hole, island) =
            (square(5.0, 5.0, 31.0, false), square(10.0, 10.0, 21.0, false), square(15.0, 15.0, 11.0, false));
        assert_eq!(count(&[outer.clone(), hole.clone()]), (30 * 30 - 20 * 20, false));
        assert_eq!(count(&[island.clone(), hole.clone(), outer.clone()]), (30 * 30 - 20 * 20 + 10 * 10, false));
        let xor = |c: Closed| Closed { xor: true, ..c };
        assert_eq!(count(&[xor(outer), xor(hole), xor(island)]), (30 * 30 - 20 * 20 + 10 * 10, false));
    }

    /// Two parts that overlap are one solid, and a contour that is there twice does not delete itself; exclusive contours do both.
    #[test]
    fn overlapping_parts_are_joined_unless_they_are_exclusive() {
        let (a, b) = (square(5.0, 5.0, 21.0, false), square(15.0, 5.0, 21.0, false));
        let union = 20 * 20 + 20 * 20 - 10 * 20;
        assert_eq!(count(&[a.clone(), b.clone()]), (union, true));
        assert_eq!(count(&[a.clone(), a.clone()]), (400, true));
        let xor = |c: &Closed| Closed { xor: true, ..c.clone() };
        assert_eq!(count(&[xor(&a), xor(&b)]), (2 * 10 * 20, false));
        assert_eq!(count(&[xor(&a), xor(&a)]).0, 0);
        // The hole of one part stays a hole beside the other part.
        let hole = square(7.0, 10.0, 7.0, false);
        assert_eq!(count(&[a, hole, b]), (union - 36, true));
    }

    /// A keyhole is one contour: its channel has no area.
    #[test]
    fn a_keyhole_is_a_ring() {
        let points = vec![
            [5.3, 5.3],
            [35.3, 5.3],
            [35.3, 35.3],
            [5.3, 35.3],
            [5.3, 5.3],
            [15.3, 15.3],
            [15.3, 25.3],
            [25.3, 25.3],
            [25.3, 15.3],
            [15.3, 15.3],
        ];
        assert_eq!(count(&[Closed { xor: false, points }]).0, 30 * 30 - 10 * 10);
    }

    /// Outlines through pixel centres: a ring one pixel thin, whose hole covers as many pixels as its rim, beside a part that touches it.
    #[test]
    fn a_thin_ring_keeps_its_hole() {
        let closed = |points: &[[f64; 2]]| Closed { xor: false, points: points.to_vec() };
        let rim = closed(&[[10.0, 10.0], [13.0, 10.0], [13.0, 13.0], [10.0, 13.0]]);
        let hole = closed(&[
            [10.0, 11.0],
            [11.0, 10.0],
            [12.0, 10.0],
            [13.0, 11.0],
            [13.0, 12.0],
            [12.0, 13.0],
            [11.0, 13.0],
            [10.0, 12.0],
        ]);
        let part = closed(&[[13.0, 10.0], [15.0, 10.0], [15.0, 11.0], [13.0, 11.0]]);
        assert_eq!(count(&[rim.clone(), hole.clone()]).0, 12);
        assert_eq!(count(&[rim, hole, part]).0, 12 + 4);
    }

    #[test]
    fn too_many_contours_are_refused() {
        let many: Vec<Closed> = (0..1001).map(|_| square(5.0, 5.0, 5.0, false)).collect();
        assert!(cover(&many, [60, 60]).is_none());
    }
}
