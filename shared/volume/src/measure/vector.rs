//! Vectors of three `f64` with scalar `+ - * / sqrt` only.

/// A position or direction, mm.
pub(super) type Vec3 = [f64; 3];

pub(super) fn add(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(super) fn sub(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(super) fn scale(a: Vec3, s: f64) -> Vec3 {
    [a[0] * s, a[1] * s, a[2] * s]
}

pub(super) fn dot(a: Vec3, b: Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(super) fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub(super) fn norm(a: Vec3) -> f64 {
    dot(a, a).sqrt()
}

/// The direction of `a`, or none when it is too short to have one.
pub(super) fn unit(a: Vec3) -> Option<Vec3> {
    let length = norm(a);
    (length > 1e-9).then(|| scale(a, 1.0 / length))
}

/// `a` at 0, `b` at 1.
pub(super) fn mix(a: Vec3, b: Vec3, t: f64) -> Vec3 {
    add(a, scale(sub(b, a), t))
}

/// The mean of positions; none of none.
pub(super) fn mean(points: impl Iterator<Item = Vec3>) -> Option<Vec3> {
    let (mut sum, mut count) = ([0.0; 3], 0_u32);
    for p in points {
        sum = add(sum, p);
        count += 1;
    }
    (count > 0).then(|| scale(sum, 1.0 / f64::from(count)))
}

/// The value below which `share` of the values lie; none of none.
pub(super) fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    values.get(((last as f64 * share).round() as usize).min(last)).copied()
}
