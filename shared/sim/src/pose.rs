//! From a quantised pose to a rotation and back to micrometres, with `+ - * /` only.

use spinor_volume::grid::floor;

use crate::input::Pose;
use crate::vector::{Vec3, add};

/// A rotation matrix by rows; `patient_from_tool` wherever it stands in this crate.
pub type Rotation = [[f64; 3]; 3];

/// Neither turned nor mirrored.
pub const IDENTITY: Rotation = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

impl Pose {
    /// The rotation `patient_from_tool`. A quaternion of any length but zero is normalised; zero has no direction and gives none.
    ///
    /// ```
    /// # use spinor_sim::Pose;
    /// let upright = Pose { tip_um: [0; 3], turn: [0, 0, 0, 32_767] };
    /// assert_eq!(upright.rotation().unwrap()[2], [0.0, 0.0, 1.0]);
    /// assert!(Pose::default().rotation().is_none());
    /// ```
    pub fn rotation(&self) -> Option<Rotation> {
        rotation_from(self.turn.map(f64::from))
    }

    /// The tip in patient LPS, mm.
    pub fn tip_mm(&self) -> [f64; 3] {
        self.tip_um.map(|um| f64::from(um) / 1_000.0)
    }
}

/// The rotation of a quaternion x, y, z, w of any length but zero.
pub(crate) fn rotation_from([x, y, z, w]: [f64; 4]) -> Option<Rotation> {
    let norm2 = x * x + y * y + z * z + w * w;
    if norm2 == 0.0 {
        return None;
    }
    let s = 2.0 / norm2;
    Some([
        [1.0 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)],
        [s * (x * y + z * w), 1.0 - s * (x * x + z * z), s * (y * z - x * w)],
        [s * (x * z - y * w), s * (y * z + x * w), 1.0 - s * (x * x + y * y)],
    ])
}

/// Micrometres nearest to a position in mm; what an `i32` cannot hold goes to its end, not-a-number to 0.
pub fn um_from_mm(at_mm: [f64; 3]) -> [i32; 3] {
    at_mm.map(um)
}

/// Micrometres nearest to a length in mm.
pub(crate) fn um(mm: f64) -> i32 {
    floor(mm * 1_000.0 + 0.5)
}

/// A direction of the tool's frame in the patient's.
pub(crate) fn turn(rotation: &Rotation, v: Vec3) -> Vec3 {
    let row = |k: usize| rotation[k][0] * v[0] + rotation[k][1] * v[1] + rotation[k][2] * v[2];
    [row(0), row(1), row(2)]
}

/// A position of the tool's frame in the patient's.
pub(crate) fn place(rotation: &Rotation, tip: Vec3, v: Vec3) -> Vec3 {
    add(tip, turn(rotation, v))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A quarter turn about x takes the shaft (+z) to −y, whatever the quaternion's length; nothing is not-a-number.
    #[test]
    fn rotations_are_normalised_and_zero_is_refused() {
        for length in [1_i16, 100, 23_170] {
            let pose = Pose { tip_um: [0; 3], turn: [length, 0, 0, length] };
            let shaft = turn(&pose.rotation().unwrap(), [0.0, 0.0, 1.0]);
            assert!((shaft[1] + 1.0).abs() < 1e-12 && shaft[2].abs() < 1e-12, "{shaft:?}");
        }
        assert!(Pose::default().rotation().is_none());
        let extreme = Pose { tip_um: [i32::MIN; 3], turn: [i16::MIN; 4] };
        assert!(extreme.rotation().unwrap().iter().flatten().all(|v| v.is_finite()));
    }

    #[test]
    fn micrometres_round_and_saturate() {
        assert_eq!(um_from_mm([0.0004, 0.0006, -0.0006]), [0, 1, -1]);
        assert_eq!(um_from_mm([f64::INFINITY, f64::NEG_INFINITY, f64::NAN]), [i32::MAX, i32::MIN, 0]);
        assert_eq!(um_from_mm(Pose { tip_um: [i32::MAX, i32::MIN, -1], turn: [0; 4] }.tip_mm()), [i32::MAX, i32::MIN, -1]);
    }
}
