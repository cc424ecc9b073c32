//! Turns any field with the right zero surface into signed distances near it (fast sweeping, Zhao 2005, doi:10.1090/S0025-5718-04-01678-3).

use super::block::{Block, length};

/// How far from the surface distances are made, voxels; beyond it the field is this far, with its sign.
const BAND_VOXELS: f32 = 5.0;
/// Rows and places so far from the surface, voxels, cannot come into the band.
const REACH: usize = 6;

/// Replaces samples by signed distances in mm up to five voxels from the zero surface, which stays where it is (to about 0.01 mm).
pub(crate) fn redistance(block: &mut Block) {
    let h = block.h as f32;
    let band = BAND_VOXELS * h;
    let [nx, ny, nz] = block.size;
    let strides = block.strides();
    let mut distance = vec![band; block.values.len()];
    let mut frozen = vec![false; block.values.len()];
    // Where the surface crosses a row, as a range of x.
    let mut crossed = vec![(usize::MAX, 0); ny * nz];
    for (row, range) in crossed.iter_mut().enumerate() {
        let (y, z) = (row % ny, row / ny);
        for x in 0..nx {
            let at = row * nx + x;
            let value = block.values[at];
            let differs = |possible: bool, other: usize| possible && (block.values[other] < 0.0) != (value < 0.0);
            let crossing = differs(x > 0, at.wrapping_sub(1))
                || differs(x + 1 < nx, at + 1)
                || differs(y > 0, at.wrapping_sub(strides[1]))
                || differs(y + 1 < ny, at + strides[1])
                || differs(z > 0, at.wrapping_sub(strides[2]))
                || differs(z + 1 < nz, at + strides[2]);
            if crossing {
                *range = (range.0.min(x), x + 1);
                frozen[at] = true;
                distance[at] = (value.abs() / length(block.gradient(at)).max(0.2)).min(1.2 * h);
            }
        }
    }
    let ranges = around(&crossed, nx, ny, nz);
    for sweep in 0..8 {
        let order = |n: usize, count: usize, bit: usize| if sweep >> bit & 1 == 0 { n } else { count - 1 - n };
        for n in 0..nz {
            let z = order(n, nz, 2);
            for n in 0..ny {
                let y = order(n, ny, 1);
                let row = y + ny * z;
                let (from, to) = ranges[row];
                if from >= to {
                    continue;
                }
                let (y_low, y_high) = (usize::from(y > 0) * nx, usize::from(y + 1 < ny) * nx);
                let (z_low, z_high) = (usize::from(z > 0) * nx * ny, usize::from(z + 1 < nz) * nx * ny);
                for n in 0..to - from {
                    let x = if sweep & 1 == 0 { from + n } else { to - 1 - n };
                    let at = row * nx + x;
                    if frozen[at] {
                        continue;
                    }
                    let a = distance[at - usize::from(x > 0)].min(distance[at + usize::from(x + 1 < nx)]);
                    let b = distance[at - y_low].min(distance[at + y_high]);
                    let c = distance[at - z_low].min(distance[at + z_high]);
                    if a.min(b).min(c) < band {
                        let u = godunov(a, b, c, h);
                        if u < distance[at] {
                            distance[at] = u;
                        }
                    }
                }
            }
        }
    }
    for (value, distance) in block.values.iter_mut().zip(distance) {
        *value = if *value < 0.0 { -distance } else { distance };
    }
}

/// Ranges of x in rows, each as wide as the crossed ranges of all rows within reach, and the reach on both sides.
fn around(crossed: &[(usize, usize)], nx: usize, ny: usize, nz: usize) -> Vec<(usize, usize)> {
    let none = (usize::MAX, 0);
    let join = |a: (usize, usize), b: (usize, usize)| (a.0.min(b.0), a.1.max(b.1));
    let near = |n: usize, count: usize| n.saturating_sub(REACH)..(n + REACH + 1).min(count);
    let row = |n: usize| (n % ny, n / ny);
    let along_y: Vec<(usize, usize)> = (0..crossed.len())
        .map(|n| {
            let (y, z) = row(n);
            near(y, ny).fold(none, |all, y| join(all, crossed[y + ny * z]))
        })
        .collect();
    (0..crossed.len())
        .map(|n| {
            let (y, z) = row(n);
            let (from, to) = near(z, nz).fold(none, |all, z| join(all, along_y[y + ny * z]));
            if from >= to { none } else { (from.saturating_sub(REACH), (to + REACH).min(nx)) }
        })
        .collect()
}

/// The distance that solves |∇u| = 1 from the nearest neighbours along three axes.
fn godunov(a: f32, b: f32, c: f32, h: f32) -> f32 {
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    let (b, c) = if b <= c { (b, c) } else { (c, b) };
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    let mut u = a + h;
    if u > b {
        u = 0.5 * (a + b + (2.0 * h * h - (a - b) * (a - b)).max(0.0).sqrt());
        if u > c {
            let sum = a + b + c;
            u = (sum + (sum * sum - 3.0 * (a * a + b * b + c * c - h * h)).max(0.0).sqrt()) / 3.0;
        }
    }
    u
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stretched ball field becomes the ball's distances to a hundredth of a millimetre or two, and keeps its surface.
    #[test]
    fn distances_of_a_ball() {
        let mut block = Block::covering([-8.0; 3], [8.0; 3], 0.4);
        let [nx, ny, _] = block.size;
        let exact: Vec<f32> = (0..block.values.len())
            .map(|at| {
                let place = [at % nx, at / nx % ny, at / (nx * ny)];
                let mm = [0, 1, 2].map(|k| f64::from(block.first[k] + place[k] as i32) * 0.4);
                ((mm[0] * mm[0] + mm[1] * mm[1] + mm[2] * mm[2]).sqrt() - 5.0) as f32
            })
            .collect();
        block.values = exact.iter().map(|d| d * (1.5 + 0.1 * d)).collect();
        redistance(&mut block);
        let near: Vec<f32> = exact.iter().zip(&block.values).filter(|(d, _)| d.abs() < 1.6).map(|(d, v)| (d - v).abs()).collect();
        let mean = near.iter().sum::<f32>() / near.len() as f32;
        assert!(mean < 0.02, "mean error {mean}");
        assert!(near.iter().all(|e| *e < 0.12), "{:?}", near.iter().copied().fold(0.0, f32::max));
        assert!(exact.iter().zip(&block.values).all(|(d, v)| d.abs() < 2.1 || (v.abs() - 2.0).abs() < 0.2));
    }
}
