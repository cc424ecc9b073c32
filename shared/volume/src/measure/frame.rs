//! A bone's or joint's own right-handed frame in patient LPS, and its two sides.

use super::vector::{Vec3, add, cross, dot, scale, sub, unit};

/// A side of the patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Side {
    /// The patient's left: +x of a [`LocalFrame`].
    Left = 0,
    /// The patient's right.
    Right = 1,
}

impl Side {
    /// Left, then right.
    pub const BOTH: [Self; 2] = [Self::Left, Self::Right];

    /// +1 for left, −1 for right: the sign of x on this side.
    pub const fn sign(self) -> f64 {
        match self {
            Self::Left => 1.0,
            Self::Right => -1.0,
        }
    }

    /// The other side.
    pub const fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    /// The side of a position by the sign of its x in a frame; the midline counts as left.
    pub fn of_x(x: f64) -> Self {
        if x < 0.0 { Self::Right } else { Self::Left }
    }

    /// One word for reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }
}

/// A frame whose axes are the patient's left, back and up as one bone or joint has them: right-handed, unit vectors in patient LPS. Its
/// midline plane is x = 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalFrame {
    /// Where local (0, 0, 0) lies in patient LPS, mm.
    pub origin_mm: [f64; 3],
    /// Local x.
    pub left: [f64; 3],
    /// Local y.
    pub back: [f64; 3],
    /// Local z.
    pub up: [f64; 3],
}

impl LocalFrame {
    /// The frame at `origin_mm` with `up` exactly, and x as near to `left` as that allows; none when the two are parallel or no numbers.
    pub fn with_up(origin_mm: [f64; 3], up: [f64; 3], left: [f64; 3]) -> Option<Self> {
        let up = unit(up)?;
        let left = unit(sub(left, scale(up, dot(left, up))))?;
        Some(Self { origin_mm, left, back: cross(up, left), up })
    }

    /// Local coordinates (to the left, to the back, up) of a position in patient LPS, mm.
    pub fn local(&self, at_mm: [f64; 3]) -> [f64; 3] {
        let d = sub(at_mm, self.origin_mm);
        [dot(d, self.left), dot(d, self.back), dot(d, self.up)]
    }

    /// Position in patient LPS of local coordinates, mm.
    pub fn patient(&self, local_mm: [f64; 3]) -> [f64; 3] {
        add(self.origin_mm, self.direction(local_mm))
    }

    /// Direction in patient LPS of a local direction.
    pub fn direction(&self, local: [f64; 3]) -> [f64; 3] {
        let parts: [Vec3; 3] = [scale(self.left, local[0]), scale(self.back, local[1]), scale(self.up, local[2])];
        add(parts[0], add(parts[1], parts[2]))
    }

    /// The same axes elsewhere.
    pub fn moved(&self, local_mm: [f64; 3]) -> Self {
        Self { origin_mm: self.patient(local_mm), ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a frame is right-handed, takes positions there and back, and is refused where it has no direction.
    #[test]
    fn frames_are_right_handed() {
        let frame = LocalFrame::with_up([1.0, 2.0, 3.0], [0.1, -0.3, 2.0], [5.0, 0.2, 0.0]).unwrap();
        let c = cross(frame.left, frame.back);
        assert!((0..3).all(|k| (c[k] - frame.up[k]).abs() < 1e-12));
        let p = frame.patient([4.0, -7.0, 2.5]);
        let q = frame.local(p);
        assert!((q[0] - 4.0).abs() < 1e-9 && (q[1] + 7.0).abs() < 1e-9 && (q[2] - 2.5).abs() < 1e-9);
        assert!(LocalFrame::with_up([0.0; 3], [0.0, 0.0, 1.0], [0.0, 0.0, -3.0]).is_none());
        assert!(LocalFrame::with_up([0.0; 3], [f64::NAN; 3], [1.0, 0.0, 0.0]).is_none());
    }
}
