//! Vectors of three `f64` with scalar `+ - * / sqrt` only, so that every machine gets the same bits.

/// A position or direction, mm.
pub(crate) type Vec3 = [f64; 3];

pub(crate) fn add(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(crate) fn sub(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(crate) fn scale(a: Vec3, s: f64) -> Vec3 {
    [a[0] * s, a[1] * s, a[2] * s]
}

pub(crate) fn dot(a: Vec3, b: Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub(crate) fn norm(a: Vec3) -> f64 {
    dot(a, a).sqrt()
}

/// The direction of `a`, or none when it is too short to have one.
pub(crate) fn unit(a: Vec3) -> Option<Vec3> {
    let length = norm(a);
    (length > 1e-9).then(|| scale(a, 1.0 / length))
}

/// `a` at 0, `b` at 1.
pub(crate) fn mix(a: Vec3, b: Vec3, t: f64) -> Vec3 {
    add(a, scale(sub(b, a), t))
}

/// Distance from `at` to the segment from `a` to `b`.
pub(crate) fn segment_distance(at: Vec3, a: Vec3, b: Vec3) -> f64 {
    let (ab, ap) = (sub(b, a), sub(at, a));
    let len2 = dot(ab, ab);
    let t = if len2 > 1e-18 { (dot(ap, ab) / len2).clamp(0.0, 1.0) } else { 0.0 };
    norm(sub(ap, scale(ab, t)))
}
