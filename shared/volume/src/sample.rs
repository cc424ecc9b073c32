//! What one stored byte of a field means.
//!
//! A sample `v` stands for the signed distance `(v + 1/2) / 32` voxel: the middle of the step that [`encode`] floors to. So no
//! sample is ever exactly on the surface (a mesher never divides by zero nor makes an edge of no length), negating a field is the
//! bitwise complement, and carving a surface out of tissue is as unbiased as storing one.

use crate::grid::{SDF_PER_VOXEL, floor};

/// Steps of an occupancy per voxel: volumes are counted exactly, in whole steps.
pub const OCCUPANCY_PER_VOXEL: i32 = 32;

/// The sample that stores a signed distance in voxels (negative inside). Distances beyond ±127/32 voxel saturate; NaN reads as 0.
///
/// ```
/// # use spinor_volume::sample::{decode, encode};
/// assert_eq!(encode(0.0), 0);
/// assert_eq!(encode(-0.01), -1);
/// assert_eq!(encode(1000.0), 127);
/// assert_eq!(decode(0), 0.5 / 32.0);
/// ```
#[inline]
pub fn encode(distance_voxels: f64) -> i8 {
    floor(distance_voxels * f64::from(SDF_PER_VOXEL)).clamp(-127, 127) as i8
}

/// The signed distance in voxels that a sample stands for.
pub fn decode(sample: i8) -> f64 {
    (f64::from(sample) + 0.5) / f64::from(SDF_PER_VOXEL)
}

/// The sample of tissue `patient` after `cut` took from it: the greater of the tissue's distance and the cut's negated one.
#[inline(always)]
pub const fn carve(patient: i8, cut: i8) -> i8 {
    if patient > !cut { patient } else { !cut }
}

/// How much of its voxel the tissue of a sample fills, 0-32: half at the surface, none or all half a voxel away.
///
/// What a sample fills and what its complement fills add up to the whole voxel.
#[inline(always)]
pub const fn occupancy(sample: i8) -> i32 {
    let filled = 15 - sample as i32 + (sample < 0) as i32;
    if filled < 0 {
        0
    } else if filled > OCCUPANCY_PER_VOXEL {
        OCCUPANCY_PER_VOXEL
    } else {
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that storing and negating are unbiased: a sample and its complement are the same distance on opposite sides.
    #[test]
    fn a_sample_and_its_complement_mirror_each_other() {
        for v in -127..=126_i8 {
            assert_eq!(decode(v), -decode(!v));
            assert_eq!(occupancy(v) + occupancy(!v), OCCUPANCY_PER_VOXEL);
            assert_eq!(encode(decode(v)), v);
        }
        assert_eq!([f64::NAN, 1e300, -1e300, f64::INFINITY, f64::NEG_INFINITY].map(encode), [0, 127, -127, 127, -127]);
        assert_eq!(carve(-127, 127), -127);
        assert_eq!(carve(-127, -20), 19);
    }
}
