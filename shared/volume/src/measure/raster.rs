//! A lattice in one plane: areas below zero, and what is connected.

use super::frame::LocalFrame;

/// Distance between two nodes, mm.
pub(super) const STEP_MM: f64 = 0.25;

/// A lattice in the plane z = 0 of a frame, over a rectangle of x and y.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raster {
    low: [f64; 2],
    pub(super) counts: [usize; 2],
}

impl Raster {
    pub(super) fn new(low: [f64; 2], high: [f64; 2]) -> Self {
        Self { low, counts: [0, 1].map(|k| ((high[k] - low[k]) / STEP_MM).ceil().max(1.0) as usize + 1) }
    }

    pub(super) fn len(&self) -> usize {
        self.counts[0] * self.counts[1]
    }

    /// x and y of a node, mm.
    pub(super) fn at(&self, node: usize) -> [f64; 2] {
        let [nx, _] = self.counts;
        [self.low[0] + (node % nx) as f64 * STEP_MM, self.low[1] + (node / nx) as f64 * STEP_MM]
    }

    /// A node's position in patient LPS.
    pub(super) fn patient(&self, frame: &LocalFrame, node: usize) -> [f64; 3] {
        let [x, y] = self.at(node);
        frame.patient([x, y, 0.0])
    }

    /// Area where `value` is negative, mm², its border found on the lattice's edges by linear interpolation (marching squares; where two
    /// opposite corners are inside, they are joined when the mean of the four is).
    pub(super) fn area_mm2(&self, value: &[f64]) -> f64 {
        let [nx, ny] = self.counts;
        let mut sum = 0.0;
        for y in 0..ny.saturating_sub(1) {
            for x in 0..nx.saturating_sub(1) {
                let k = x + nx * y;
                sum += square([value[k], value[k + 1], value[k + nx + 1], value[k + nx]]);
            }
        }
        sum * STEP_MM * STEP_MM
    }

    /// The nodes of `open` that are joined along the lattice's edges to one of `seeds`.
    pub(super) fn connected(&self, open: &[bool], seeds: &[bool]) -> Vec<bool> {
        let [nx, ny] = self.counts;
        let mut reached = vec![false; self.len()];
        let mut waiting: Vec<usize> = (0..self.len()).filter(|k| open[*k] && seeds[*k]).collect();
        for k in &waiting {
            reached[*k] = true;
        }
        while let Some(k) = waiting.pop() {
            let (x, y) = (k % nx, k / nx);
            let beside =
                [(x > 0).then(|| k - 1), (x + 1 < nx).then(|| k + 1), (y > 0).then(|| k - nx), (y + 1 < ny).then(|| k + nx)];
            for other in beside.into_iter().flatten() {
                if open[other] && !reached[other] {
                    reached[other] = true;
                    waiting.push(other);
                }
            }
        }
        reached
    }

    /// All nodes within `radius_mm` of one of `set`.
    pub(super) fn grown(&self, set: &[bool], radius_mm: f64) -> Vec<bool> {
        let [nx, ny] = self.counts.map(|n| n as i32);
        let reach = (radius_mm / STEP_MM).floor() as i32;
        let limit = radius_mm / STEP_MM * (radius_mm / STEP_MM);
        // Half the width of the disc in each row.
        let half: Vec<i32> = (-reach..=reach).map(|dy| (limit - f64::from(dy * dy)).max(0.0).sqrt().floor() as i32).collect();
        let mut out = vec![false; self.len()];
        for k in (0..self.len()).filter(|k| set[*k]) {
            let (x, y) = (k as i32 % nx, k as i32 / nx);
            // Only a border's discs reach new nodes.
            let inner = x > 0
                && x + 1 < nx
                && y > 0
                && y + 1 < ny
                && [k - 1, k + 1, k - nx as usize, k + nx as usize].iter().all(|n| set[*n]);
            if inner {
                out[k] = true;
                continue;
            }
            for (row, half) in (y - reach..=y + reach).zip(&half) {
                if (0..ny).contains(&row) {
                    let from = row * nx;
                    out[(from + (x - half).max(0)) as usize..=(from + (x + half).min(nx - 1)) as usize].fill(true);
                }
            }
        }
        out
    }
}

/// Share of a unit square where the interpolation of its corners (in order around it) is negative.
fn square(v: [f64; 4]) -> f64 {
    let inside = v.map(|v| v < 0.0);
    match inside.iter().filter(|i| **i).count() {
        0 => 0.0,
        4 => 1.0,
        2 if inside[0] == inside[2] => {
            // Two opposite corners.
            let centre = v.iter().sum::<f64>() < 0.0;
            let corner = |k: usize| cut(v[k], v[(k + 1) % 4]) * cut(v[k], v[(k + 3) % 4]) / 2.0;
            let wanted = |k: &usize| inside[*k] != centre;
            let corners: f64 = (0..4).filter(wanted).map(corner).sum();
            if centre { 1.0 - corners } else { corners }
        }
        _ => {
            // A polygon: walk around the square, adding corners inside and crossings.
            let at = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
            let (mut points, mut count) = ([[0.0; 2]; 6], 0);
            for k in 0..4 {
                let next = (k + 1) % 4;
                if inside[k] {
                    points[count] = at[k];
                    count += 1;
                }
                if inside[k] != inside[next] {
                    let t = v[k] / (v[k] - v[next]);
                    points[count] = [at[k][0] + (at[next][0] - at[k][0]) * t, at[k][1] + (at[next][1] - at[k][1]) * t];
                    count += 1;
                }
            }
            let twice: f64 = (0..count)
                .map(|k| {
                    let (a, b) = (points[k], points[(k + 1) % count]);
                    a[0] * b[1] - b[0] * a[1]
                })
                .sum();
            twice / 2.0
        }
    }
}

/// Where between two values of different sign zero lies, from the first.
fn cut(from: f64, to: f64) -> f64 {
    from / (from - to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disc(raster: &Raster, x: f64, radius: f64) -> Vec<f64> {
        (0..raster.len())
            .map(|k| {
                let [u, v] = raster.at(k);
                ((u - x) * (u - x) + v * v).sqrt() - radius
            })
            .collect()
    }

    /// Proves that areas of discs and of their complements are those of geometry.
    #[test]
    fn areas_are_those_of_discs() {
        let raster = Raster::new([-10.0, -10.0], [10.0, 10.0]);
        for (x, radius) in [(0.0, 5.0), (0.113, 2.0), (-1.37, 6.41)] {
            let value = disc(&raster, x, radius);
            let wanted = std::f64::consts::PI * radius * radius;
            assert!((raster.area_mm2(&value) / wanted - 1.0).abs() < 0.006, "{radius}: {}", raster.area_mm2(&value));
            let other: Vec<f64> = value.iter().map(|v| -v).collect();
            assert!((raster.area_mm2(&other) + raster.area_mm2(&value) - 400.0).abs() < 1e-6);
        }
        // Opposite corners, apart and joined.
        assert_eq!(square([-1.0, 1.0, -1.0, 1.0]), 0.25);
        assert!(square([-3.0, 1.0, -3.0, 1.0]) > 0.9);
    }

    /// Proves that a set grows by its radius and that only what touches a seed is connected.
    #[test]
    fn sets_grow_and_are_told_apart() {
        let raster = Raster::new([-10.0, -10.0], [10.0, 10.0]);
        let set: Vec<bool> =
            disc(&raster, -4.0, 2.0).iter().zip(disc(&raster, 4.0, 2.0)).map(|(a, b)| *a < 0.0 || b < 0.0).collect();
        let seeds: Vec<bool> = disc(&raster, -4.0, 0.5).iter().map(|v| *v < 0.0).collect();
        let one = raster.connected(&set, &seeds);
        assert!(one.iter().zip(disc(&raster, -4.0, 2.0)).all(|(reached, d)| *reached == (d < 0.0)));
        let grown = raster.grown(&one, 1.5);
        for (reached, d) in grown.iter().zip(disc(&raster, -4.0, 3.5)) {
            assert!(*reached == (d < 0.0) || d.abs() < 0.3);
        }
    }
}
