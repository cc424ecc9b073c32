//! The least of a signed distance over a tool's whole surface, with few questions to the field.
//!
//! All parts of a tool are searched at once: of the stretches of its parts and sheets the one that may be nearest is divided first, until
//! nothing can be nearer than the nearest found by more than the error that is allowed.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::bounds::{self, Sample};
use crate::pose::{Rotation, place};
use crate::tool::{Shape, Sheet};
use crate::vector::{Vec3, mix, norm, sub};

/// By how much the least found may exceed the true one outside a structure, mm.
pub(super) const SEARCH_ERROR_MM: f64 = 0.05;
/// The same inside, where no threshold lies, mm.
const DEPTH_ERROR_MM: f64 = 0.15;
/// Shorter stretches are not divided, mm.
const SHORT_MM: f64 = 1e-3;
/// A row is not divided nearer to an end than this share of it, nor a sheet than that.
const LEAST_OF_ROW: f64 = 0.02;
const LEAST_OF_SHEET: f64 = 0.1;

/// What is known of the distance to a structure.
pub(super) struct Known<'a> {
    /// The signed distance at a place, mm, where it may be less than a limit; else no less than that and no more than the distance. And a place
    /// of the surface, about the nearest. None farther outside than the reach.
    pub(super) nearest: &'a dyn Fn(Vec3, f64) -> Option<(f64, Option<Vec3>)>,
    /// How far distances are known, mm.
    pub(super) reach_mm: f64,
    /// Corners of a box that holds everything inside the surface; none where there is no such box, and nothing is known without asking.
    pub(super) box_mm: Option<[Vec3; 2]>,
}

impl Known<'_> {
    /// Distance to the box, 0 in it.
    fn around_mm(&self, at: Vec3) -> f64 {
        let Some([low, high]) = self.box_mm else { return 0.0 };
        let out = |k: usize| (low[k] - at[k]).max(at[k] - high[k]).max(0.0);
        norm([out(0), out(1), out(2)])
    }

    fn sample(&self, at: Vec3, limit: f64) -> Sample {
        let around = self.around_mm(at);
        if around >= self.reach_mm {
            return Sample { at, far: around, on: None };
        }
        let (far, on) = (self.nearest)(at, limit).unwrap_or((self.reach_mm, None));
        Sample { at, far, on }
    }

    /// From which share of a segment to which it is within a margin of the box; none when it is not.
    fn clipped(&self, a: Vec3, b: Vec3, margin: f64) -> Option<[f64; 2]> {
        let (mut from, mut to) = (0.0_f64, 1.0_f64);
        let Some([low, high]) = self.box_mm else { return Some([from, to]) };
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
        (from <= to).then_some([from, to])
    }
}

/// A sheet of parts where the tool is; a part alone is a sheet of one row.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlacedSheet {
    /// The first row's ends and the last one's.
    ends: [[Vec3; 2]; 2],
    radius_mm: [f64; 2],
    /// The number of the last row; that of the first is 0.
    last: u32,
}

impl PlacedSheet {
    /// All sheets of a tool.
    pub(super) fn all(shape: &Shape, rotation: &Rotation, tip: Vec3) -> Vec<Self> {
        let sheet = |sheet: &Sheet| {
            let parts = [sheet.first, sheet.last].map(|n| &shape.parts[n as usize]);
            Self {
                ends: parts.map(|part| [part.a_mm, part.b_mm].map(|end| place(rotation, tip, end))),
                radius_mm: parts.map(|part| part.radius_mm),
                last: sheet.last - sheet.first,
            }
        };
        shape.sheets.iter().map(sheet).collect()
    }

    fn share(&self, row: u32) -> f64 {
        if self.last == 0 { 0.0 } else { f64::from(row) / f64::from(self.last) }
    }

    fn radius_mm(&self, row: u32) -> f64 {
        self.radius_mm[0] + (self.radius_mm[1] - self.radius_mm[0]) * self.share(row)
    }

    /// A place of a row, by its share of the way from one end to the other.
    fn at(&self, row: u32, along: f64) -> Vec3 {
        let (share, [[a, b], [c, d]]) = (self.share(row), self.ends);
        mix(mix(a, c, share), mix(b, d, share), along)
    }
}

/// Some rows of a sheet, or one, over a stretch of their length.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// What nothing of it is nearer than, mm.
    bound_mm: f64,
    /// The order in which stretches were met: of two that may be as near the earlier is divided first.
    number: u32,
    sheet: u32,
    rows: [u32; 2],
    along: [f64; 2],
    /// The samples at the first row's ends and the last one's; none before the first look.
    corners: Option<[u32; 4]>,
    /// Whether to divide it between rows, and at which share.
    across: bool,
    share: f64,
}

impl PartialEq for Stretch {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Stretch {}

impl PartialOrd for Stretch {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Stretch {
    /// The greatest is the one that may be nearest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.bound_mm.total_cmp(&self.bound_mm).then(other.number.cmp(&self.number))
    }
}

/// A search, and the memory that the next one uses again.
pub(super) struct Search<'a> {
    sheets: &'a [PlacedSheet],
    samples: Vec<Sample>,
    waiting: BinaryHeap<Stretch>,
    met: u32,
    /// The nearest found, mm.
    best: f64,
}

impl<'a> Search<'a> {
    pub(super) fn of(sheets: &'a [PlacedSheet]) -> Self {
        let (samples, waiting) = (Vec::with_capacity(64), BinaryHeap::with_capacity(64));
        Self { sheets, samples, waiting, met: 0, best: f64::INFINITY }
    }

    /// Least distance from the surface of all sheets to a structure, none when that is `look_mm` or more. It is too large by
    /// [`SEARCH_ERROR_MM`] at most, inside the structure by twice that.
    pub(super) fn least_mm(&mut self, known: &Known<'_>, look_mm: f64) -> Option<f64> {
        self.samples.clear();
        self.waiting.clear();
        (self.met, self.best) = (0, look_mm);
        for (n, sheet) in self.sheets.iter().enumerate() {
            let radius = sheet.radius_mm[0].max(sheet.radius_mm[1]);
            let [a, b] = sheet.ends[0];
            let whole = Some([0.0, 1.0]);
            let Some(along) = (if sheet.last == 0 { known.clipped(a, b, look_mm + radius) } else { whole }) else { continue };
            let rows = [0, sheet.last];
            let (middle, half) = middle(sheet, along);
            let clear = known.around_mm(sheet.at(middle.0, middle.1)) - half;
            if clear < look_mm + radius {
                // In the box it may be inside the structure.
                let bound_mm = if clear > 0.0 { clear - radius } else { f64::NEG_INFINITY };
                let (number, sheet) = (0, n as u32);
                self.keep(Stretch { bound_mm, number, sheet, rows, along, corners: None, across: false, share: 0.5 });
            }
        }
        while let Some(stretch) = self.waiting.pop() {
            if stretch.bound_mm >= self.enough() {
                break;
            }
            match stretch.corners {
                None => self.look_first(known, stretch),
                Some(corners) => self.divide(known, stretch, corners),
            }
        }
        (self.best < look_mm).then_some(self.best)
    }

    /// What bound makes a stretch as good as the nearest found.
    fn enough(&self) -> f64 {
        self.best - if self.best < 0.0 { DEPTH_ERROR_MM } else { SEARCH_ERROR_MM }
    }

    fn keep(&mut self, mut stretch: Stretch) {
        stretch.number = self.met;
        self.met += 1;
        self.waiting.push(stretch);
    }

    /// Asks for the distance at a place of a row.
    fn look(&mut self, known: &Known<'_>, sheet: &PlacedSheet, row: u32, along: f64) -> u32 {
        let radius = sheet.radius_mm(row);
        let sample = known.sample(sheet.at(row, along), self.best + radius);
        self.best = self.best.min(sample.far - radius);
        self.samples.push(sample);
        self.samples.len() as u32 - 1
    }

    /// Looks at a sheet's middle, since most are far from most structures and one look shows it; and then at its corners.
    fn look_first(&mut self, known: &Known<'_>, stretch: Stretch) {
        let (sheet, [s, t]) = (&self.sheets[stretch.sheet as usize], stretch.along);
        let ((row, m), half) = middle(sheet, stretch.along);
        let middle = self.look(known, sheet, row, m);
        let radius = sheet.radius_mm[0].max(sheet.radius_mm[1]);
        if half == 0.0 || self.samples[middle as usize].far - half - radius >= self.enough() {
            return;
        }
        let (a, b) = (self.look(known, sheet, 0, s), self.look(known, sheet, 0, t));
        if sheet.last == 0 {
            self.add(sheet, Stretch { along: [s, m], corners: Some([a, middle, a, middle]), ..stretch });
            self.add(sheet, Stretch { along: [m, t], corners: Some([middle, b, middle, b]), ..stretch });
        } else {
            let (c, d) = (self.look(known, sheet, sheet.last, s), self.look(known, sheet, sheet.last, t));
            self.add(sheet, Stretch { corners: Some([a, b, c, d]), ..stretch });
        }
    }

    /// Bounds a stretch whose corners were looked at, and keeps it when something in it may be nearer.
    fn add(&mut self, sheet: &PlacedSheet, mut stretch: Stretch) {
        let Some(corners) = stretch.corners else { return };
        let ([first, last], [a, b, c, d]) = (stretch.rows, corners.map(|n| &self.samples[n as usize]));
        let bound_mm;
        if first == last {
            let (bound, share) = bounds::of_row(a, b);
            bound_mm = bound - sheet.radius_mm(first);
            (stretch.across, stretch.share) = (false, share.clamp(LEAST_OF_ROW, 1.0 - LEAST_OF_ROW));
            if norm(sub(b.at, a.at)) < SHORT_MM {
                return;
            }
        } else {
            let radius = sheet.radius_mm(first).max(sheet.radius_mm(last));
            let (bound, across, share) = bounds::of_sheet([a, b, c, d], self.enough() + radius);
            bound_mm = bound - radius;
            (stretch.across, stretch.share) = (across, share.clamp(LEAST_OF_SHEET, 1.0 - LEAST_OF_SHEET));
        }
        stretch.bound_mm = stretch.bound_mm.max(bound_mm);
        if stretch.bound_mm < self.enough() {
            self.keep(stretch);
        }
    }

    /// Divides a stretch in two, of rows that are side by side into these.
    fn divide(&mut self, known: &Known<'_>, stretch: Stretch, [a, b, c, d]: [u32; 4]) {
        let (sheet, [first, last], [s, t]) = (&self.sheets[stretch.sheet as usize], stretch.rows, stretch.along);
        let between = last - first;
        if between == 1 {
            self.add(sheet, Stretch { rows: [first; 2], corners: Some([a, b, a, b]), ..stretch });
            // The last row of all belongs to this stretch alone; another is the first of the next stretch.
            if last == sheet.last {
                self.add(sheet, Stretch { rows: [last; 2], corners: Some([c, d, c, d]), ..stretch });
            }
        } else if between > 1 && stretch.across {
            let row = first + ((stretch.share * f64::from(between) + 0.5) as u32).clamp(1, between - 1);
            let (e, f) = (self.look(known, sheet, row, s), self.look(known, sheet, row, t));
            self.add(sheet, Stretch { rows: [first, row], corners: Some([a, b, e, f]), ..stretch });
            self.add(sheet, Stretch { rows: [row, last], corners: Some([e, f, c, d]), ..stretch });
        } else {
            let m = s + (t - s) * stretch.share;
            let e = self.look(known, sheet, first, m);
            let f = if between == 0 { e } else { self.look(known, sheet, last, m) };
            self.add(sheet, Stretch { along: [s, m], corners: Some([a, e, c, f]), ..stretch });
            self.add(sheet, Stretch { along: [m, t], corners: Some([e, b, f, d]), ..stretch });
        }
    }
}

/// The row and share in the middle of a sheet, and how far its corners are from there at most, mm.
fn middle(sheet: &PlacedSheet, along: [f64; 2]) -> ((u32, f64), f64) {
    let (row, m) = (sheet.last / 2, (along[0] + along[1]) / 2.0);
    let at = sheet.at(row, m);
    let corner = |row: u32, along: f64| norm(sub(sheet.at(row, along), at));
    let [s, t] = along;
    let mut half = corner(0, s).max(corner(0, t));
    if sheet.last > 0 {
        half = half.max(corner(sheet.last, s)).max(corner(sheet.last, t));
    }
    ((row, m), half)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::vector::{add, dot, scale};

    const REACH_MM: f64 = 9.0;
    const CENTRE: Vec3 = [1.0, 2.0, -1.0];

    /// The signed distance to something, and the place of its surface that is the nearest.
    type Truth = fn(Vec3) -> (f64, Vec3);

    fn ball(p: Vec3) -> (f64, Vec3) {
        let way = sub(p, CENTRE);
        let far = norm(way);
        (far - 3.5, add(CENTRE, if far > 0.0 { scale(way, 3.5 / far) } else { [3.5, 0.0, 0.0] }))
    }

    /// A rod along x.
    fn rod(p: Vec3) -> (f64, Vec3) {
        let far = (p[1] * p[1] + p[2] * p[2]).sqrt();
        let on = if far > 0.0 { [p[0], p[1] * 2.0 / far, p[2] * 2.0 / far] } else { [p[0], 2.0, 0.0] };
        (far - 2.0, on)
    }

    /// Outside of two balls, between which it is concave.
    fn two_balls(p: Vec3) -> (f64, Vec3) {
        let (one, two) = (ball(p), ball(add(p, [9.0, 0.0, 0.0])));
        if one.0 < two.0 { one } else { (two.0, sub(two.1, [9.0, 0.0, 0.0])) }
    }

    fn least_mm(of: Truth, sheets: &[PlacedSheet], look_mm: f64, box_mm: Option<[Vec3; 2]>, asked: &Cell<u32>) -> f64 {
        let nearest = |p, limit: f64| {
            asked.set(asked.get() + 1);
            let (far, on) = of(p);
            // As little as may be told where it is not asked for.
            let told = if far > limit + 0.05 { limit.max(far - 0.05) } else { far };
            (far <= REACH_MM).then_some((told, Some(on)))
        };
        let known = Known { nearest: &nearest, reach_mm: REACH_MM, box_mm };
        Search::of(sheets).least_mm(&known, look_mm).unwrap_or(look_mm)
    }

    fn spread(k: u32, n: u32, span: f64) -> f64 {
        (f64::from(k.wrapping_mul(n) % 1009) / 1009.0 - 0.5) * span
    }

    fn row(a: Vec3, b: Vec3) -> PlacedSheet {
        PlacedSheet { ends: [[a, b]; 2], radius_mm: [0.5; 2], last: 0 }
    }

    /// A blade of rods whose width or radius may change from the first to the last.
    fn blade(k: u32, last: u32) -> PlacedSheet {
        let a = [spread(k, 7, 24.0), spread(k, 13, 24.0), spread(k, 29, 24.0)];
        let way = [spread(k, 41, 24.0), spread(k, 97, 24.0), spread(k, 11, 24.0)];
        let aside = [spread(k, 83, 20.0), spread(k, 31, 20.0), spread(k, 59, 20.0)];
        let aside = sub(aside, scale(way, dot(aside, way) / dot(way, way).max(1e-3)));
        let (b, c) = (add(a, way), add(a, aside));
        PlacedSheet { ends: [[a, b], [c, add(c, scale(way, 0.9))]], radius_mm: [0.7, 0.3 + f64::from(k % 5) * 0.1], last }
    }

    /// Every part walked over in steps.
    fn walked(of: Truth, sheet: &PlacedSheet, steps: u32, most: f64) -> f64 {
        let places = (0..=sheet.last).flat_map(|row| (0..=steps).map(move |n| (row, f64::from(n) / f64::from(steps))));
        places.fold(most, |least, (row, along)| least.min(of(sheet.at(row, along)).0 - sheet.radius_mm(row)))
    }

    /// Proves that the least is a dense walk's over every part to the error that is allowed, outside, through and inside, also where distances
    /// end at a reach and where they are told less exactly than they are.
    #[test]
    fn the_least_is_a_dense_walks() {
        let (mut inside, mut outside) = (0, 0);
        for k in 1..600_u32 {
            let sheets = [blade(k, 2 + k % 23), row([0.0, spread(k, 17, 30.0), 8.0], [spread(k, 19, 90.0), 9.0, 40.0])];
            for of in [ball as Truth, rod, two_balls] {
                let dense = sheets.iter().fold(6.0, |least, sheet| walked(of, sheet, 400, least));
                let got = least_mm(of, &sheets, 6.0, None, &Cell::new(0));
                let error = if dense < 0.0 { DEPTH_ERROR_MM } else { SEARCH_ERROR_MM };
                assert!(got >= dense - 0.06 && got <= dense + error + 2e-3, "{k}: {got}, not {dense}");
                inside += u32::from(dense < -1.0);
                outside += u32::from(dense > 0.0 && dense < 6.0);
            }
        }
        assert!(inside > 200 && outside > 200, "{inside} inside, {outside} outside");
    }

    /// Proves that a box changes nothing but the number of questions.
    #[test]
    fn a_box_spares_questions_and_changes_nothing() {
        let around = Some([sub(CENTRE, [4.0; 3]), add(CENTRE, [4.0; 3])]);
        let asked = [Cell::new(0), Cell::new(0)];
        for k in 1..2_000_u32 {
            let a = [spread(k, 7, 30.0), spread(k, 13, 30.0), spread(k, 29, 30.0)];
            let sheets = [row(a, [spread(k, 41, 90.0), spread(k, 97, 90.0), spread(k, 11, 90.0)]), blade(k, 9)];
            let [open, boxed] = [(None, &asked[0]), (around, &asked[1])].map(|(b, n)| least_mm(ball, &sheets, 6.0, b, n));
            assert!((open - boxed).abs() <= DEPTH_ERROR_MM, "{k}: {open}, {boxed}");
        }
        assert!(asked[1].get() * 3 < asked[0].get() * 2, "{asked:?}");
    }

    /// Proves that a shaft beside a surface, one square to it, a part that is nowhere near, and a blade cost few questions: the blade a fraction
    /// of what its rods cost one by one.
    #[test]
    fn few_questions_are_asked() {
        let asked = Cell::new(0);
        least_mm(rod, &[row([0.0, 5.0, 0.0], [100.0, 5.0, 0.0])], 6.0, None, &asked);
        assert!(asked.replace(0) < 200, "along");
        least_mm(rod, &[row([0.0, 5.0, 0.0], [0.0, 105.0, 0.0])], 6.0, None, &asked);
        assert!(asked.replace(0) < 12, "square");
        least_mm(rod, &[row([0.0, 50.0, 0.0], [2.0, 50.0, 0.0])], 6.0, None, &asked);
        assert_eq!(asked.replace(0), 1);
        let (mut at_once, mut one_by_one) = (0, 0);
        for k in 1..300_u32 {
            let sheet = blade(k, 20);
            let rows = |n: u32| PlacedSheet {
                ends: [[sheet.at(n, 0.0), sheet.at(n, 1.0)]; 2],
                radius_mm: [sheet.radius_mm(n); 2],
                last: 0,
            };
            least_mm(ball, &[sheet], 6.0, None, &asked);
            at_once += asked.replace(0);
            (0..=20).for_each(|n| {
                least_mm(ball, &[rows(n)], 6.0, None, &asked);
            });
            one_by_one += asked.replace(0);
        }
        assert!(at_once * 3 < one_by_one, "{at_once} against {one_by_one}");
    }
}
