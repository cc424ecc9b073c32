//! Rigid poses: as little of it as a runtime needs.

use openxr_sys::{Posef, Quaternionf, Vector3f};

pub(crate) const IDENTITY: Posef =
    Posef { orientation: Quaternionf { x: 0.0, y: 0.0, z: 0.0, w: 1.0 }, position: Vector3f { x: 0.0, y: 0.0, z: 0.0 } };

/// The pose that only moves.
pub(crate) fn at(x: f32, y: f32, z: f32) -> Posef {
    Posef { position: Vector3f { x, y, z }, ..IDENTITY }
}

/// Turn about the x axis.
pub(crate) fn pitch(radians: f32) -> Quaternionf {
    let (sin, cos) = (radians * 0.5).sin_cos();
    Quaternionf { x: sin, y: 0.0, z: 0.0, w: cos }
}

fn turn(a: Quaternionf, b: Quaternionf) -> Quaternionf {
    Quaternionf {
        x: a.w * b.x + a.x * b.w + a.y * b.z - a.z * b.y,
        y: a.w * b.y - a.x * b.z + a.y * b.w + a.z * b.x,
        z: a.w * b.z + a.x * b.y - a.y * b.x + a.z * b.w,
        w: a.w * b.w - a.x * b.x - a.y * b.y - a.z * b.z,
    }
}

fn conjugate(q: Quaternionf) -> Quaternionf {
    Quaternionf { x: -q.x, y: -q.y, z: -q.z, w: q.w }
}

fn rotate(q: Quaternionf, v: Vector3f) -> Vector3f {
    let r = turn(turn(q, Quaternionf { x: v.x, y: v.y, z: v.z, w: 0.0 }), conjugate(q));
    Vector3f { x: r.x, y: r.y, z: r.z }
}

/// `a_from_b * b_from_c`.
pub(crate) fn compose(a: Posef, b: Posef) -> Posef {
    let p = rotate(a.orientation, b.position);
    Posef {
        orientation: turn(a.orientation, b.orientation),
        position: Vector3f { x: p.x + a.position.x, y: p.y + a.position.y, z: p.z + a.position.z },
    }
}

/// `b_from_a` of `a_from_b`.
pub(crate) fn inverse(a: Posef) -> Posef {
    let orientation = conjugate(a.orientation);
    let p = rotate(orientation, a.position);
    Posef { orientation, position: Vector3f { x: -p.x, y: -p.y, z: -p.z } }
}

/// Between two poses: positions linearly, orientations by the shorter arc, normalised.
pub(crate) fn between(a: Posef, b: Posef, share: f32) -> Posef {
    let mix = |x: f32, y: f32| x + (y - x) * share;
    let (p, q) = (a.orientation, b.orientation);
    let sign = if p.x * q.x + p.y * q.y + p.z * q.z + p.w * q.w < 0.0 { -1.0 } else { 1.0 };
    let (x, y, z, w) = (mix(p.x, sign * q.x), mix(p.y, sign * q.y), mix(p.z, sign * q.z), mix(p.w, sign * q.w));
    let length = (x * x + y * y + z * z + w * w).sqrt().max(1e-9);
    Posef {
        orientation: Quaternionf { x: x / length, y: y / length, z: z / length, w: w / length },
        position: Vector3f {
            x: mix(a.position.x, b.position.x),
            y: mix(a.position.y, b.position.y),
            z: mix(a.position.z, b.position.z),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pose_and_its_inverse_cancel() {
        let pose = Posef { orientation: pitch(0.7), position: Vector3f { x: 1.0, y: -2.0, z: 3.0 } };
        let same = compose(pose, inverse(pose));
        assert!(same.position.x.abs() + same.position.y.abs() + same.position.z.abs() < 1e-5);
        assert!((same.orientation.w - 1.0).abs() < 1e-6);
        let moved = compose(Posef { orientation: pitch(std::f32::consts::FRAC_PI_2), ..IDENTITY }, at(0.0, 1.0, 0.0));
        assert!((moved.position.z - 1.0).abs() < 1e-6, "a quarter turn about x takes y to z");
    }
}
