//! Polygons to pixels by the even-odd rule: a contour within another is a hole. Which contours belong together says `plane`.
//!
//! A pixel belongs to the structure when its centre is inside, or on an edge. Programs that turn masks into contours often draw through
//! the centres of the outermost pixels (OpenCV's `findContours`, and with it rt-utils); without their edges such structures would lose
//! half a pixel all around. For contours drawn by hand or between the pixels the edge has no area and changes nothing.

/// How far a centre may lie off an edge to be on it, pixels: coordinates are written with few digits.
const ON_EDGE: f64 = 0.01;
/// Most steps of an edge over a row in one plane: drawn contours have thousands.
const MAX_STEPS: f64 = 3e8;

/// Which pixels of a plane of `size` (columns, rows) lie in `polygons`, whose points are continuous pixel coordinates; the last point of
/// each is joined to its first. None when the polygons are more work than any drawing.
pub(super) fn fill(polygons: &[Vec<[f64; 2]>], [columns, rows]: [usize; 2]) -> Option<Vec<bool>> {
    let mut out = vec![false; columns * rows];
    let mut crossings: Vec<Vec<f64>> = vec![Vec::new(); rows];
    let mut steps = 0.0;
    for polygon in polygons {
        for (n, a) in polygon.iter().enumerate() {
            let b = polygon[(n + 1) % polygon.len()];
            let (low, high) = if a[1] <= b[1] { (*a, b) } else { (b, *a) };
            let rows_of = |from: f64, to: f64| {
                let first = from.ceil().max(0.0);
                let last = to.floor().min(rows as f64 - 1.0);
                (first <= last).then_some(first as usize..=last as usize)
            };
            steps += (high[1].min(rows as f64) - low[1].max(0.0)).max(0.0) + 1.0;
            if steps > MAX_STEPS {
                return None;
            }
            let x_at =
                |y: f64| if high[1] > low[1] { low[0] + (high[0] - low[0]) * (y - low[1]) / (high[1] - low[1]) } else { low[0] };
            // A row crosses the edge where one end lies strictly below it: corners count once.
            for row in rows_of(low[1], high[1]).into_iter().flatten() {
                let y = row as f64;
                if low[1] <= y && y < high[1] {
                    crossings[row].push(x_at(y));
                }
            }
            for row in rows_of(low[1] - ON_EDGE, high[1] + ON_EDGE).into_iter().flatten() {
                let y = row as f64;
                let (from, to) = ((y - ON_EDGE).max(low[1]), (y + ON_EDGE).min(high[1]));
                let ends = if high[1] - low[1] <= 2.0 * ON_EDGE { [low[0], high[0]] } else { [x_at(from), x_at(to)] };
                let (left, right) = (ends[0].min(ends[1]) - ON_EDGE, ends[0].max(ends[1]) + ON_EDGE);
                let (first, last) = (left.ceil().max(0.0), right.floor().min(columns as f64 - 1.0));
                if first <= last {
                    out[row * columns + first as usize..=row * columns + last as usize].fill(true);
                }
            }
        }
    }
    for (row, mut xs) in crossings.into_iter().enumerate() {
        xs.sort_by(f64::total_cmp);
        for pair in xs.chunks_exact(2) {
            let (first, last) = (pair[0].ceil().max(0.0), pair[1].floor().min(columns as f64 - 1.0));
            if first <= last {
                out[row * columns + first as usize..=row * columns + last as usize].fill(true);
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    //! Areas are right, holes are holes, and outlines through pixel centres give their mask back.

    use super::*;

    fn circle(centre: [f64; 2], radius: f64) -> Vec<[f64; 2]> {
        (0..720)
            .map(|n| f64::from(n).to_radians() / 2.0)
            .map(|t| [centre[0] + radius * t.cos(), centre[1] + radius * t.sin()])
            .collect()
    }

    fn count(mask: &[bool]) -> f64 {
        mask.iter().filter(|v| **v).count() as f64
    }

    #[test]
    fn a_ring_has_its_area() {
        let ring = fill(&[circle([50.3, 49.6], 40.0), circle([50.3, 49.6], 25.0)], [100, 100]).unwrap();
        let exact = std::f64::consts::PI * (40.0 * 40.0 - 25.0 * 25.0);
        assert!((count(&ring) / exact - 1.0).abs() < 0.005, "{} of {exact}", count(&ring));
        assert!(!ring[50 * 100 + 50] && ring[50 * 100 + 80]);
        // An island in the hole.
        let island =
            fill(&[circle([50.3, 49.6], 40.0), circle([50.3, 49.6], 25.0), circle([50.3, 49.6], 9.0)], [100, 100]).unwrap();
        assert!(island[50 * 100 + 50]);
    }

    /// A square drawn through the centres of its outermost pixels is that many pixels wide; its hole, drawn through the centres of the
    /// pixels around it, keeps them.
    #[test]
    fn outlines_through_centres_give_the_mask_back() {
        let square = |from: f64, to: f64| vec![[from, from], [to, from], [to, to], [from, to]];
        let mask = fill(&[square(2.0, 9.0), square(4.0, 7.0)], [12, 12]).unwrap();
        for row in 0..12 {
            for column in 0..12 {
                let ring = (2..=9).contains(&row) && (2..=9).contains(&column);
                let hole = (5..=6).contains(&row) && (5..=6).contains(&column);
                assert_eq!(mask[row * 12 + column], ring && !hole, "{row} {column}");
            }
        }
        // A single pixel, and a line of three.
        assert_eq!(count(&fill(&[vec![[3.0, 3.0]]], [8, 8]).unwrap()), 1.0);
        assert_eq!(count(&fill(&[vec![[2.0, 5.0], [4.0, 5.0]]], [8, 8]).unwrap()), 3.0);
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let mask = fill(&[vec![[-50.0, -50.0], [1e7, -50.0], [1e7, 1e7], [-50.0, 1e7]]], [6, 5]).unwrap();
        assert_eq!(count(&mask), 30.0);
        assert_eq!(count(&fill(&[vec![[90.0, 90.0], [95.0, 90.0], [95.0, 99.0]]], [6, 5]).unwrap()), 0.0);
    }
}
