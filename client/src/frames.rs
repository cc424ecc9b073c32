//! The one place where patient coordinates become the theatre's and back.
//!
//! Inside Spinor everything is patient LPS in millimetres. The theatre (bevy, OpenXR) is in metres, right-handed, Y up. The patient
//! lies prone: the back faces up, the head to the left of a surgeon who stands at the patient's left side and looks along −Z.
//!
//! | theatre | patient |
//! | --- | --- |
//! | +X | inferior (−z) |
//! | +Y | posterior (+y) |
//! | +Z | left (+x) |

use bevy::prelude::*;
use spinor_sim::Pose;

/// Where the middle of the patient's volume lies in the theatre, m: at the height a standing surgeon operates at, within reach.
pub(crate) const ISOCENTRE_M: Vec3 = Vec3::new(0.0, 1.08, -0.38);
/// Steps of a stored quaternion's component.
const TURN_STEPS: f64 = 32_767.0;

/// The place of one patient in the theatre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct WorldFrame {
    /// The point of the patient, LPS mm, that lies at [`ISOCENTRE_M`].
    pub(crate) centre_mm: [f64; 3],
}

impl WorldFrame {
    /// Places the middle of a grid at the isocentre.
    pub(crate) fn of(grid: &spinor_volume::Grid) -> Self {
        Self { centre_mm: grid.patient_from_index(grid.voxels().map(|n| f64::from(n - 1) * 0.5)) }
    }

    /// A position of the patient (LPS mm) in the theatre (m).
    pub(crate) fn world_from_patient(&self, at_mm: [f64; 3]) -> Vec3 {
        let [x, y, z] = [0, 1, 2].map(|k| (at_mm[k] - self.centre_mm[k]) * 1e-3);
        ISOCENTRE_M + Vec3::new(-z as f32, y as f32, x as f32)
    }

    /// A position in the theatre (m) in patient LPS (mm).
    pub(crate) fn patient_from_world(&self, at_m: Vec3) -> [f64; 3] {
        let at = (at_m - ISOCENTRE_M).as_dvec3() * 1e3;
        [self.centre_mm[0] + at.z, self.centre_mm[1] + at.y, self.centre_mm[2] - at.x]
    }

    /// A tool's or head's pose in the theatre.
    pub(crate) fn world_from_pose(&self, pose: &Pose) -> Transform {
        let at_mm = pose.tip_um.map(|v| f64::from(v) * 1e-3);
        Transform::from_translation(self.world_from_patient(at_mm)).with_rotation(world_turn() * quat_from_turn(pose.turn))
    }

    /// A pose in the theatre as it is sent: integers in patient LPS.
    pub(crate) fn pose_from_world(&self, transform: &Transform) -> Pose {
        let at_mm = self.patient_from_world(transform.translation);
        Pose {
            tip_um: at_mm.map(|v| (v * 1e3).round() as i32),
            turn: turn_from_quat(world_turn().inverse() * transform.rotation),
        }
    }
}

/// A direction of the patient in the theatre, without its length.
pub(crate) fn world_from_patient_direction([x, y, z]: [f32; 3]) -> Vec3 {
    Vec3::new(-z, y, x)
}

/// The rotation `world_from_patient`.
pub(crate) fn world_turn() -> Quat {
    // Columns are the images of LPS's axes: left is +Z, posterior +Y, superior −X.
    Quat::from_mat3(&Mat3::from_cols(Vec3::Z, Vec3::Y, Vec3::NEG_X))
}

/// A stored quaternion; the identity when it has no length.
pub(crate) fn quat_from_turn(turn: [i16; 4]) -> Quat {
    let [x, y, z, w] = turn.map(|v| f32::from(v) / TURN_STEPS as f32);
    let quat = Quat::from_xyzw(x, y, z, w);
    if quat.length_squared() > 0.25 { quat.normalize() } else { Quat::IDENTITY }
}

/// A quaternion as it is stored.
pub(crate) fn turn_from_quat(quat: Quat) -> [i16; 4] {
    quat.normalize().to_array().map(|v| (f64::from(v) * TURN_STEPS).round().clamp(-TURN_STEPS, TURN_STEPS) as i16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: WorldFrame = WorldFrame { centre_mm: [3.0, -40.0, -611.5] };

    /// A prone patient's back faces up, the head lies to the left of a surgeon who looks along −Z, at true scale.
    #[test]
    fn the_patient_lies_prone() {
        let at = |mm: [f64; 3]| FRAME.world_from_patient(mm) - ISOCENTRE_M;
        assert!(at(FRAME.centre_mm).length() < 1e-6);
        assert!((at([3.0, -30.0, -611.5]) - Vec3::new(0.0, 0.01, 0.0)).length() < 1e-6, "posterior is up");
        assert!((at([3.0, -40.0, -601.5]) - Vec3::new(-0.01, 0.0, 0.0)).length() < 1e-6, "the head is to the left");
        assert!((at([13.0, -40.0, -611.5]) - Vec3::new(0.0, 0.0, 0.01)).length() < 1e-6, "the patient's left faces the surgeon");
    }

    #[test]
    fn positions_and_poses_come_back() {
        let mm = [12.345, -3.21, -650.0];
        let back = FRAME.patient_from_world(FRAME.world_from_patient(mm));
        assert!((0..3).all(|k| (back[k] - mm[k]).abs() < 2e-4), "{back:?}");
        let turn = turn_from_quat(Quat::from_euler(EulerRot::XYZ, 0.3, -1.1, 2.0));
        let pose = Pose { tip_um: [12_345, -3_210, -650_000], turn };
        let again = FRAME.pose_from_world(&FRAME.world_from_pose(&pose));
        assert!((0..3).all(|k| (again.tip_um[k] - pose.tip_um[k]).abs() <= 1));
        assert!(quat_from_turn(again.turn).angle_between(quat_from_turn(turn)) < 1e-3);
    }

    #[test]
    fn turning_keeps_handedness_and_agrees_with_directions() {
        let matrix = Mat3::from_quat(world_turn());
        assert!((matrix.determinant() - 1.0).abs() < 1e-5);
        for v in [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]] {
            assert!((world_turn() * Vec3::from(v) - world_from_patient_direction(v)).length() < 1e-6);
        }
        assert_eq!(quat_from_turn([0; 4]), Quat::IDENTITY);
    }
}
