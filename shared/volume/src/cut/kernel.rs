//! The integer kernels: signed distance of a row of voxels to a cut's shape.
//!
//! Units are 1/64 voxel in `i32`. The one floating-point step is the square root of an integer below 2²⁴, which IEEE 754 rounds
//! correctly and whose floor is the exact integer root; nothing else can differ between machines. The bounds that
//! [`CutOp::check`](super::CutOp::check) enforces keep every product below 2³¹.

use super::op::CutShape;
use crate::grid::{BRICK, SUBVOXEL};

/// One x row of a brick.
pub(super) type Row = [i8; BRICK];

/// How far from the surface a sample still differs from the clamp, 1/64 voxel.
pub(super) const BAND: i32 = 254;
/// Where a component of the distance saturates: beyond any radius plus the band, and 3 · 1,100² · 4 < 2²⁴.
const FAR: i32 = 1100;

/// A shape with what its rows share.
pub(super) enum Kernel {
    Capsule { a: [i32; 3], ab: [i32; 3], length_squared: i32, inverse: i32, radius: i32 },
    Box { centre: [i32; 3], half: [i32; 3], rows: [[i32; 3]; 3], rounding: i32 },
}

/// Where a shape's samples differ from the clamp: a box in voxels and a ball in 1/64 voxel.
pub(super) struct Reach {
    /// First and last voxel on each axis.
    pub(super) low: [i32; 3],
    pub(super) high: [i32; 3],
    /// Twice the ball's centre, and its squared diameter.
    centre2: [i64; 3],
    diameter_squared: i64,
}

impl Reach {
    /// Whether the row of 16 voxels that starts at voxel (x, y, z) comes into the ball.
    pub(super) fn meets_row(&self, [x, y, z]: [i32; 3]) -> bool {
        let twice = |v: i32| i64::from(v) * 2 * i64::from(SUBVOXEL);
        let nearest_x = self.centre2[0].clamp(twice(x), twice(x + BRICK as i32 - 1));
        let d = [nearest_x - self.centre2[0], twice(y) - self.centre2[1], twice(z) - self.centre2[2]];
        d[0] * d[0] + d[1] * d[1] + d[2] * d[2] <= self.diameter_squared
    }
}

impl Kernel {
    pub(super) fn new(shape: &CutShape) -> Self {
        match *shape {
            CutShape::Capsule { a, b, radius } => {
                let ab = [b[0] - a[0], b[1] - a[1], b[2] - a[2]];
                let length_squared = ab[0] * ab[0] + ab[1] * ab[1] + ab[2] * ab[2];
                let inverse = if length_squared == 0 { 0 } else { (1 << 30) / length_squared };
                Self::Capsule { a, ab, length_squared, inverse, radius }
            }
            CutShape::Box { centre, half, rows_q14, rounding } => Self::Box { centre, half, rows: rows_q14, rounding },
        }
    }

    pub(super) fn reach(&self) -> Reach {
        // `around` is how far the shape extends from the middle of its points along each axis, in 1/64 voxel.
        let (first, second, extent, radius, half_diagonal) = match *self {
            Self::Capsule { a, ab, radius, .. } => {
                (a, [a[0] + ab[0], a[1] + ab[1], a[2] + ab[2]], [0; 3], radius, norm_above(ab) / 2 + 1)
            }
            Self::Box { centre, half, rows, rounding } => {
                let along = |k: usize| (0..3).map(|j| rows[j][k].abs() * half[j]).sum::<i32>();
                (centre, centre, [0, 1, 2].map(|k| (along(k) >> 14) + 2), rounding, norm_above(half) + 8)
            }
        };
        let mut reach = Reach { low: [0; 3], high: [0; 3], centre2: [0; 3], diameter_squared: 0 };
        for k in 0..3 {
            let around = radius + BAND + extent[k];
            reach.low[k] = (first[k].min(second[k]) - around) >> 6;
            reach.high[k] = (first[k].max(second[k]) + around + SUBVOXEL - 1) >> 6;
            reach.centre2[k] = i64::from(first[k]) + i64::from(second[k]);
        }
        let diameter = 2 * i64::from(radius + BAND + half_diagonal + 8);
        reach.diameter_squared = diameter * diameter;
        reach
    }

    /// Signed distances (samples) of the 16 voxels that start at voxel (x, y, z).
    pub(super) fn row(&self, [x, y, z]: [i32; 3], out: &mut Row) {
        let [x, y, z] = [x << 6, y << 6, z << 6];
        match *self {
            Self::Capsule { a, ab, length_squared, inverse, radius } => {
                let (dy, dz) = (y - a[1], z - a[2]);
                let base = dy * ab[1] + dz * ab[2];
                for (i, sample) in out.iter_mut().enumerate() {
                    let dx = x + ((i as i32) << 6) - a[0];
                    let dot = (dx * ab[0] + base).clamp(0, length_squared);
                    let t = (dot * inverse) >> 18; // Q12, 0-4096
                    let ex = (dx - ((ab[0] * t) >> 12)).clamp(-FAR, FAR);
                    let ey = (dy - ((ab[1] * t) >> 12)).clamp(-FAR, FAR);
                    let ez = (dz - ((ab[2] * t) >> 12)).clamp(-FAR, FAR);
                    let distance = root((ex * ex + ey * ey + ez * ez) << 2); // 1/128 voxel
                    *sample = ((distance - (radius << 1)) >> 2).clamp(-127, 127) as i8;
                }
            }
            Self::Box { centre, half, rows, rounding } => {
                let (dy, dz) = (y - centre[1], z - centre[2]);
                let base = rows.map(|row| row[1] * dy + row[2] * dz);
                for (i, sample) in out.iter_mut().enumerate() {
                    let dx = x + ((i as i32) << 6) - centre[0];
                    let q0 = ((rows[0][0] * dx + base[0]) >> 14).abs() - half[0];
                    let q1 = ((rows[1][0] * dx + base[1]) >> 14).abs() - half[1];
                    let q2 = ((rows[2][0] * dx + base[2]) >> 14).abs() - half[2];
                    let (m0, m1, m2) = (q0.clamp(0, FAR), q1.clamp(0, FAR), q2.clamp(0, FAR));
                    let outside = root((m0 * m0 + m1 * m1 + m2 * m2) << 2); // 1/128 voxel
                    let inside = q0.max(q1).max(q2).min(0) << 1;
                    *sample = ((outside + inside - (rounding << 1)) >> 2).clamp(-127, 127) as i8;
                }
            }
        }
    }
}

/// Floor of the square root of an integer in 0..2²⁴.
#[inline(always)]
fn root(square: i32) -> i32 {
    (square as f32).sqrt() as i32
}

/// An integer not below the length of a vector with components up to [`super::MAX_HALF`].
fn norm_above(v: [i32; 3]) -> i32 {
    (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).isqrt() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the float square root is the exact integer root over its whole domain's critical values.
    #[test]
    fn roots_are_exact_around_every_square() {
        for n in 1..4096 {
            assert_eq!(root(n * n), n);
            assert_eq!(root(n * n - 1), n - 1);
        }
        assert_eq!(root((1 << 24) - 1), 4095);
    }

    /// Proves the kernels against plain floating-point distances, and that rows outside the reach hold nothing but the clamp.
    #[test]
    fn distances_match_the_formula_and_the_reach_is_complete() {
        let turned = [[13_107, 9_830, 0], [-7_864, 10_486, 9_830], [5_898, -7_864, 13_107]];
        let shapes = [
            CutShape::Capsule { a: [520, 700, 650], b: [700, 690, 910], radius: 240 },
            CutShape::Capsule { a: [520, 700, 650], b: [520, 700, 650], radius: 846 },
            CutShape::Box { centre: [600, 700, 800], half: [150, 90, 300], rows_q14: turned, rounding: 20 },
        ];
        for shape in shapes {
            let kernel = Kernel::new(&shape);
            let reach = kernel.reach();
            for z in -8..40 {
                for y in -8..40 {
                    for x in [-16, 0, 16, 32] {
                        let mut row = [0; BRICK];
                        kernel.row([x, y, z], &mut row);
                        for (i, v) in row.iter().enumerate() {
                            let at = [x + i as i32, y, z];
                            let wanted = exact(&shape, at.map(|v| f64::from(v) * 64.0)) / 2.0;
                            let clamped = wanted.clamp(-127.0, 127.0);
                            assert!((f64::from(*v) + 0.5 - clamped).abs() < 1.6, "{shape:?} {at:?}: {v} for {wanted}");
                            let within = (0..3).all(|k| (reach.low[k]..=reach.high[k]).contains(&at[k]));
                            assert!(*v == 127 || within && reach.meets_row([x, y, z]), "{shape:?} {at:?} is beyond the reach");
                        }
                    }
                }
            }
        }
    }

    fn exact(shape: &CutShape, p: [f64; 3]) -> f64 {
        let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
        let minus = |a: [f64; 3], b: [f64; 3]| [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
        match *shape {
            CutShape::Capsule { a, b, radius } => {
                let (a, b) = (a.map(f64::from), b.map(f64::from));
                let ab = minus(b, a);
                let t = if dot(ab, ab) == 0.0 { 0.0 } else { (dot(minus(p, a), ab) / dot(ab, ab)).clamp(0.0, 1.0) };
                let e = minus(p, [a[0] + ab[0] * t, a[1] + ab[1] * t, a[2] + ab[2] * t]);
                dot(e, e).sqrt() - f64::from(radius)
            }
            CutShape::Box { centre, half, rows_q14, rounding } => {
                let d = minus(p, centre.map(f64::from));
                let q: [f64; 3] =
                    std::array::from_fn(|k| (dot(rows_q14[k].map(f64::from), d) / 16_384.0).abs() - f64::from(half[k]));
                let m = q.map(|v| v.max(0.0));
                dot(m, m).sqrt() + q[0].max(q[1]).max(q[2]).min(0.0) - f64::from(rounding)
            }
        }
    }
}
