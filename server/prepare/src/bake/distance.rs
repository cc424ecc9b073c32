//! Signed distance of voxel centres to the surface of a voxelised mask, on an anisotropic lattice.

use crate::edt::nearest_features;

/// Signed distance in mm of every voxel centre to the boxes of the voxels on the other side of the mask, negative inside; x fastest.
///
/// For each voxel the nearest centre of the opposite kind is found exactly, then the distance to that voxel's box is taken. It is
/// infinite (of the right sign) where the other kind does not occur.
pub(crate) fn signed_box_distance(inside: &[bool], size: [usize; 3], spacing_mm: [f64; 3]) -> Vec<f32> {
    let mut out = vec![f32::INFINITY; inside.len()];
    let [nx, ny, _] = size;
    let place = |at: usize| [at % nx, at / nx % ny, at / (nx * ny)];
    for kind in [false, true] {
        let nearest = nearest_features(size, spacing_mm, |at| inside[at] != kind);
        for (at, value) in out.iter_mut().enumerate().filter(|(at, _)| inside[*at] == kind) {
            let distance = nearest.nearest(at).map_or(f64::INFINITY, |other| {
                let (here, there) = (place(at), place(other));
                let gap = [0, 1, 2].map(|k| ((here[k].abs_diff(there[k]) as f64 - 0.5) * spacing_mm[k]).max(0.0));
                (gap[0] * gap[0] + gap[1] * gap[1] + gap[2] * gap[2]).sqrt()
            });
            *value = if kind { -distance } else { distance } as f32;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The surface of one voxel lies half a spacing from its centre, and an empty mask is infinitely far.
    #[test]
    fn the_surface_is_that_of_boxes() {
        let mut mask = vec![false; 125];
        mask[62] = true;
        let d = signed_box_distance(&mask, [5, 5, 5], [1.0, 1.0, 2.0]);
        assert_eq!((d[62], d[63], d[64]), (-0.5, 0.5, 1.5));
        assert_eq!(d[62 + 25], 1.0);
        assert!((f64::from(d[62 + 1 + 5]) - 0.5_f64.hypot(0.5)).abs() < 1e-6);
        assert!(signed_box_distance(&[false; 8], [2, 2, 2], [1.0; 3]).iter().all(|d| *d == f32::INFINITY));
    }
}
