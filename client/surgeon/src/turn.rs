//! From a tool's directions to the quaternion that a pose holds.

use crate::vector::{V3, cross, dot, scale, sub, unit};

/// The quaternion `patient_from_tool`, in 1/32,767, of a tool whose shaft (+z) points along `shaft` and whose +y (footplate, cup) points
/// as near to `ahead` as a right angle allows. Both in patient LPS, of any length.
pub(crate) fn turn(shaft: V3, ahead: V3) -> [i16; 4] {
    let z = unit(shaft);
    let mut y = sub(ahead, scale(z, dot(ahead, z)));
    if dot(y, y) < 1e-6 {
        // Any right angle will do.
        let other = if z[0].abs() < 0.9 { [1.0, 0.0, 0.0] } else { [0.0, 1.0, 0.0] };
        y = sub(other, scale(z, dot(other, z)));
    }
    let y = unit(y);
    let x = cross(y, z);
    // Columns x, y, z; the largest of the four components is computed first.
    let m = [[x[0], y[0], z[0]], [x[1], y[1], z[1]], [x[2], y[2], z[2]]];
    let trace = m[0][0] + m[1][1] + m[2][2];
    let q = if trace > 0.0 {
        let s = (trace + 1.0).sqrt() * 2.0;
        [(m[2][1] - m[1][2]) / s, (m[0][2] - m[2][0]) / s, (m[1][0] - m[0][1]) / s, 0.25 * s]
    } else if m[0][0] > m[1][1] && m[0][0] > m[2][2] {
        let s = (1.0 + m[0][0] - m[1][1] - m[2][2]).sqrt() * 2.0;
        [0.25 * s, (m[0][1] + m[1][0]) / s, (m[0][2] + m[2][0]) / s, (m[2][1] - m[1][2]) / s]
    } else if m[1][1] > m[2][2] {
        let s = (1.0 + m[1][1] - m[0][0] - m[2][2]).sqrt() * 2.0;
        [(m[0][1] + m[1][0]) / s, 0.25 * s, (m[1][2] + m[2][1]) / s, (m[0][2] - m[2][0]) / s]
    } else {
        let s = (1.0 + m[2][2] - m[0][0] - m[1][1]).sqrt() * 2.0;
        [(m[0][2] + m[2][0]) / s, (m[1][2] + m[2][1]) / s, 0.25 * s, (m[1][0] - m[0][1]) / s]
    };
    q.map(|v| (v * 32_767.0).round().clamp(-32_767.0, 32_767.0) as i16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinor_sim::Pose;

    /// The pose turns the tool's axes to where they were asked to point, whichever component is the largest.
    #[test]
    fn a_turn_points_where_it_was_asked_to() {
        let ways = [[0.0, 1.0, 0.0], [0.0, -1.0, 0.1], [1.0, 0.2, -0.3], [-1.0, 0.0, 0.0], [0.1, 0.0, -1.0], [0.0, 0.0, 1.0]];
        for shaft in ways {
            for ahead in ways {
                if dot(unit(shaft), unit(ahead)).abs() > 0.95 {
                    continue;
                }
                let m = Pose { tip_um: [0; 3], turn: turn(shaft, ahead) }.rotation().unwrap();
                let column = |k: usize| [m[0][k], m[1][k], m[2][k]];
                assert!(dot(column(2), unit(shaft)) > 0.999_99, "{shaft:?} {ahead:?}");
                assert!(dot(column(1), ahead) > 0.0 && dot(column(1), unit(shaft)).abs() < 1e-3);
                assert!(dot(cross(column(0), column(1)), column(2)) > 0.999);
            }
        }
    }
}
