//! Small vectors, frames and signed-distance blends, built from `+ - * / sqrt` alone so that a phantom has the same bytes on
//! every machine.

pub(super) use crate::vector::{V3, add, cross, dot, length, scale, sub};

pub(super) fn unit(a: V3) -> V3 {
    scale(a, 1.0 / length(a).max(1e-12))
}

pub(super) fn mix(a: V3, b: V3, t: f64) -> V3 {
    add(scale(a, 1.0 - t), scale(b, t))
}

pub(super) fn lerp(a: f64, b: f64, t: f64) -> f64 {
    a + (b - a) * t
}

/// `|x|` rounded off within about `soft` of zero.
pub(super) fn soft_abs(x: f64, soft: f64) -> f64 {
    (x * x + soft * soft).sqrt()
}

/// 0 below `low`, 1 above `high`, smooth between.
pub(super) fn smoothstep(low: f64, high: f64, x: f64) -> f64 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Union of two bodies whose seam is filled over a width of `k` mm.
pub(super) fn smooth_min(a: f64, b: f64, k: f64) -> f64 {
    let h = (k - (a - b).abs()).max(0.0);
    a.min(b) - h * h / (4.0 * k)
}

/// Intersection of two bodies whose edge is rounded over a width of `k` mm.
pub(super) fn smooth_max(a: f64, b: f64, k: f64) -> f64 {
    -smooth_min(-a, -b, k)
}

/// Sine and cosine of an angle of at most a turn, in degrees, by their series (error below 1e-12).
pub(super) fn sin_cos_deg(degrees: f64) -> (f64, f64) {
    let quarter = (degrees / 90.0).round();
    let x = (degrees - quarter * 90.0) * (std::f64::consts::PI / 180.0);
    let q = x * x;
    let (mut sin, mut cos) = (0.0, 0.0);
    let (mut s, mut c) = (x, 1.0);
    for n in 0..9 {
        sin += s;
        cos += c;
        let k = f64::from(2 * n);
        c *= -q / ((k + 1.0) * (k + 2.0));
        s *= -q / ((k + 2.0) * (k + 3.0));
    }
    match (quarter as i64).rem_euclid(4) {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// A rigid frame: `outer = rows * local + origin`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Rotation `outer_from_local`, by rows.
    pub rows: [[f64; 3]; 3],
    /// Where the local origin lies, mm.
    pub origin: [f64; 3],
}

impl Frame {
    /// The frame that changes nothing.
    pub const IDENTITY: Self = Self { rows: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], origin: [0.0; 3] };

    /// Turns about x (flexion: positive takes z forwards, to −y), then y (to the patient's side), then z, in degrees.
    pub fn turned(flexion_deg: f64, side_deg: f64, axial_deg: f64, origin: [f64; 3]) -> Self {
        let (sx, cx) = sin_cos_deg(flexion_deg);
        let (sy, cy) = sin_cos_deg(side_deg);
        let (sz, cz) = sin_cos_deg(axial_deg);
        let x = [[1.0, 0.0, 0.0], [0.0, cx, -sx], [0.0, sx, cx]];
        let y = [[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]];
        let z = [[cz, -sz, 0.0], [sz, cz, 0.0], [0.0, 0.0, 1.0]];
        Self { rows: product(&z, &product(&y, &x)), origin }
    }

    /// `outer_from_local` for a position.
    pub fn outer(&self, local: [f64; 3]) -> [f64; 3] {
        add(self.turn(local), self.origin)
    }

    /// `outer_from_local` for a direction.
    pub fn turn(&self, local: [f64; 3]) -> [f64; 3] {
        [dot(self.rows[0], local), dot(self.rows[1], local), dot(self.rows[2], local)]
    }

    /// `local_from_outer` for a position.
    pub fn local(&self, outer: [f64; 3]) -> [f64; 3] {
        self.turn_back(sub(outer, self.origin))
    }

    /// `local_from_outer` for a direction.
    pub fn turn_back(&self, d: [f64; 3]) -> [f64; 3] {
        let r = &self.rows;
        [
            r[0][0] * d[0] + r[1][0] * d[1] + r[2][0] * d[2],
            r[0][1] * d[0] + r[1][1] * d[1] + r[2][1] * d[2],
            r[0][2] * d[0] + r[1][2] * d[1] + r[2][2] * d[2],
        ]
    }

    /// This frame seen through `outer`: `outer ∘ self`.
    pub fn within(&self, outer: &Self) -> Self {
        Self { rows: product(&outer.rows, &self.rows), origin: outer.outer(self.origin) }
    }
}

fn product(a: &[V3; 3], b: &[V3; 3]) -> [V3; 3] {
    let mut c = [[0.0; 3]; 3];
    for (row, out) in c.iter_mut().enumerate() {
        for (col, v) in out.iter_mut().enumerate() {
            *v = a[row][0] * b[0][col] + a[row][1] * b[1][col] + a[row][2] * b[2][col];
        }
    }
    c
}

/// Signed distance to a capsule whose radius goes from `ra` at `a` to `rb` at `b` (first order).
pub(super) fn taper(p: V3, a: V3, b: V3, ra: f64, rb: f64) -> f64 {
    let (pa, ba) = (sub(p, a), sub(b, a));
    let t = (dot(pa, ba) / dot(ba, ba).max(1e-12)).clamp(0.0, 1.0);
    length(sub(pa, scale(ba, t))) - lerp(ra, rb, t)
}

/// Signed distance to a tapered limb with elliptic section: axis `a` to `b`, half-width `u` along `across` and `v` along the third
/// direction, both given at `a` and at `b` (first order; rounded ends as long as the half-width).
pub(super) fn limb(p: V3, a: V3, b: V3, across: V3, u: [f64; 2], v: [f64; 2]) -> f64 {
    let (pa, ba) = (sub(p, a), sub(b, a));
    let long = length(ba).max(1e-12);
    let axis = scale(ba, 1.0 / long);
    let along = dot(pa, axis);
    let t = (along / long).clamp(0.0, 1.0);
    let across = unit(sub(across, scale(axis, dot(across, axis))));
    let third = cross(axis, across);
    let rest = sub(pa, scale(axis, t * long));
    let (ru, rv) = (lerp(u[0], u[1], t), lerp(v[0], v[1], t));
    let rw = ru.min(rv);
    ellipsoid([dot(rest, across), dot(rest, third), dot(rest, axis)], [ru, rv, rw])
}

/// Signed distance to an ellipsoid about the origin (first order).
pub(super) fn ellipsoid(p: V3, r: V3) -> f64 {
    let q = [p[0] / r[0], p[1] / r[1], p[2] / r[2]];
    let k0 = length(q);
    if k0 < 1e-6 {
        return -r[0].min(r[1]).min(r[2]);
    }
    let k1 = length([q[0] / r[0], q[1] / r[1], q[2] / r[2]]);
    k0 * (k0 - 1.0) / k1
}

/// Signed distance to a polygon in the plane, corners in order.
pub(super) fn polygon(p: [f64; 2], corners: &[[f64; 2]]) -> f64 {
    let mut nearest = f64::INFINITY;
    let mut inside = false;
    for (k, a) in corners.iter().enumerate() {
        let b = corners[(k + corners.len() - 1) % corners.len()];
        let e = [b[0] - a[0], b[1] - a[1]];
        let w = [p[0] - a[0], p[1] - a[1]];
        let t = ((w[0] * e[0] + w[1] * e[1]) / (e[0] * e[0] + e[1] * e[1])).clamp(0.0, 1.0);
        let d = [w[0] - e[0] * t, w[1] - e[1] * t];
        nearest = nearest.min(d[0] * d[0] + d[1] * d[1]);
        if (a[1] > p[1]) != (b[1] > p[1]) && p[0] < e[0] * (p[1] - a[1]) / e[1] + a[0] {
            inside = !inside;
        }
    }
    let d = nearest.sqrt();
    if inside { -d } else { d }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The series agree with the library's sine and cosine, and frames are inverse to themselves.
    #[test]
    fn angles_and_frames() {
        for k in -36..=36 {
            let deg = f64::from(k) * 10.0 + 0.3;
            let (s, c) = sin_cos_deg(deg);
            assert!((s - deg.to_radians().sin()).abs() < 1e-12 && (c - deg.to_radians().cos()).abs() < 1e-12, "{deg}");
        }
        let frame = Frame::turned(31.0, -12.0, 7.0, [3.0, 4.0, 5.0]);
        let p = [1.0, -2.0, 9.0];
        assert!(length(sub(frame.local(frame.outer(p)), p)) < 1e-12);
        let up = frame.turn([0.0, 0.0, 1.0]);
        assert!(up[1] < 0.0, "flexion takes the head end forwards");
    }

    /// Distances are those of the plain bodies where no blend acts.
    #[test]
    fn bodies_are_exact_on_their_axes() {
        assert!((taper([5.0, 0.0, 0.0], [0.0; 3], [0.0, 0.0, 9.0], 2.0, 2.0) - 3.0).abs() < 1e-12);
        assert!((ellipsoid([0.0, 9.0, 0.0], [2.0, 4.0, 3.0]) - 5.0).abs() < 1e-12);
        let square = [[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]];
        assert_eq!(polygon([2.0, 1.0], &square), -1.0);
        assert_eq!(polygon([7.0, 8.0], &square), 5.0);
        assert!((smooth_min(1.0, 9.0, 2.0) - 1.0).abs() < 1e-12);
    }
}
