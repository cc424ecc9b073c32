//! What stands at each place: the tissue of a structure, or muscle, fat, vessels and skin around the spine.

use spinor_volume::Label;

use super::anatomy::Anatomy;
use super::math::{V3, smoothstep};
use super::random::Random;
use super::sample::{BONE, CORD, DISC, FLAVUM, KINDS, ROOT, SAC, STEPS_PER_MM, Voxel};
use crate::volume3d::Geometry;

/// A tissue that an image shows with a value of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tissue {
    Cortex,
    Marrow,
    Nucleus,
    Annulus,
    Flavum,
    Fluid,
    Cord,
    Root,
    Muscle,
    Fat,
    Ligament,
    Vessel,
    Skin,
    Air,
}

/// Thickness of the cortical shell, mm.
const SHELL_MM: f64 = 1.0;

/// The tissue of a place with these distances (mm), `around` where it lies in no structure.
pub(super) fn of(distances: &[f64; KINDS], inner_disc: bool, around: Tissue) -> Tissue {
    if distances[BONE] < 0.0 {
        if distances[BONE] > -SHELL_MM { Tissue::Cortex } else { Tissue::Marrow }
    } else if distances[DISC] < 0.0 {
        if inner_disc { Tissue::Nucleus } else { Tissue::Annulus }
    } else if distances[FLAVUM] < 0.0 {
        Tissue::Flavum
    } else if distances[CORD] < 0.0 {
        Tissue::Cord
    } else if distances[SAC] < 0.0 {
        Tissue::Fluid
    } else if distances[ROOT] < 0.0 {
        Tissue::Root
    } else {
        around
    }
}

/// What surrounds the spine at `p`: by the distance to the left of and behind the middle of the dural sac.
pub(super) fn around(anatomy: &Anatomy, texture: &Random, p: V3, bone_mm: f64) -> Tissue {
    let ([u, v], _) = anatomy.across(p);
    let side = u.abs();
    let inside = |x: f64, y: f64, a: f64, b: f64| ((side - x) / a).powi(2) + ((v - y) / b).powi(2) < 1.0;
    let streak = texture.smooth([u * 0.28, v * 0.28, p[2] * 0.07]);
    let wave = 2.0 * texture.smooth([u * 0.06, 3.0, p[2] * 0.05]);
    let skin = 74.0 + wave - side * side * 0.004;
    let fascia = 56.0 + wave - side * side * 0.006;
    let meat = |tissue| if streak > 0.5 { Tissue::Fat } else { tissue };
    if v > skin {
        Tissue::Air
    } else if v > skin - 2.0 {
        Tissue::Skin
    } else if v > fascia {
        Tissue::Fat
    } else if side < 11.5 && (-9.0..11.0).contains(&v) || side < 21.0 && (-9.0..5.0).contains(&v) {
        // The joints' gaps hold cartilage and capsule, the rest of the canal and the foramina fat.
        if bone_mm < 0.9 && v > 2.0 && side > 8.0 { Tissue::Ligament } else { Tissue::Fat }
    } else if bone_mm < 1.1 && v > 0.0 && side < 32.0 || side < 2.2 && v > 12.0 {
        Tissue::Ligament
    } else if v > 8.0 && side < 13.0 && v < fascia - 2.0 || inside(22.0, 29.0, 24.0, 25.0) {
        meat(Tissue::Muscle)
    } else if inside(38.0, -17.0, 15.5, 20.0) || inside(52.0, 4.0, 13.0, 9.0) {
        if streak > 0.75 { Tissue::Fat } else { Tissue::Muscle }
    } else if (u - 8.0).powi(2) + (v + 55.0).powi(2) < 81.0 || ((u + 13.0) / 1.2).powi(2) + (v + 53.0).powi(2) < 81.0 {
        Tissue::Vessel
    } else {
        Tissue::Fat
    }
}

/// Values of all voxels: `value` of the tissue, averaged over 2 × 2 × 2 places in voxels that a surface crosses.
///
/// `value` gets the tissue, the voxel's position and its place across the sac.
pub(super) fn paint(
    anatomy: &Anatomy,
    geometry: &Geometry,
    voxels: &[Voxel],
    texture: &Random,
    value: impl Fn(Tissue, V3) -> f64 + Sync,
) -> Vec<f32> {
    use rayon::prelude::*;
    let [nx, ny, nz] = geometry.size;
    let mut out = vec![0.0f32; voxels.len()];
    let mm = |d: i8| f64::from(d) / STEPS_PER_MM;
    out.par_chunks_mut(nx * ny).enumerate().for_each(|(z, out)| {
        for (at, out) in out.iter_mut().enumerate() {
            let (x, y) = (at % nx, at / nx);
            let here = x + nx * (y + ny * z);
            let voxel = &voxels[here];
            let p = geometry.patient_from_index([x as f64, y as f64, z as f64]);
            let d = voxel.distances.map(mm);
            // A surface, or the inner face of the cortex, passes near.
            let mixed = d.iter().any(|d| d.abs() < 1.3) || (d[BONE] + SHELL_MM).abs() < 1.3;
            let inner_disc = voxel.label.class() == Some(spinor_volume::TissueClass::Disc) && {
                let edge = 0.62 + 0.05 * texture.smooth(p.map(|v| v * 0.2));
                anatomy.out_in_disc(voxel.label, p) < edge
            };
            let surroundings = if d.iter().any(|d| *d < -1.3) { Tissue::Fat } else { around(anatomy, texture, p, d[BONE]) };
            if !mixed {
                *out = value(of(&d, inner_disc, surroundings), p) as f32;
                continue;
            }
            let mut sum = 0.0;
            for sub in 0..8_usize {
                let step = |c: usize, n: usize, up: bool| if up { (c + 1).min(n - 1) } else { c.saturating_sub(1) };
                let (x2, y2, z2) = (step(x, nx, sub & 1 == 1), step(y, ny, sub >> 1 & 1 == 1), step(z, nz, sub >> 2 == 1));
                let mut mixed = [0.0; KINDS];
                for (corner, weight) in [
                    (0, 0.421_875),
                    (1, 0.140_625),
                    (2, 0.140_625),
                    (3, 0.046_875),
                    (4, 0.140_625),
                    (5, 0.046_875),
                    (6, 0.046_875),
                    (7, 0.015_625),
                ] {
                    let cx = if corner & 1 == 1 { x2 } else { x };
                    let cy = if corner >> 1 & 1 == 1 { y2 } else { y };
                    let cz = if corner >> 2 == 1 { z2 } else { z };
                    let other = &voxels[cx + nx * (cy + ny * cz)].distances;
                    for (m, d) in mixed.iter_mut().zip(other) {
                        *m += weight * mm(*d);
                    }
                }
                sum += value(of(&mixed, inner_disc, surroundings), p);
            }
            *out = (sum / 8.0) as f32;
        }
    });
    out
}

/// Gaussian blur with these standard deviations in voxels, edges repeated.
pub(super) fn blur(values: &mut Vec<f32>, size: [usize; 3], sigma: [f64; 3]) {
    use rayon::prelude::*;
    let [nx, ny, nz] = size;
    let strides = [1, nx, nx * ny];
    for axis in 0..3 {
        if sigma[axis] < 0.05 {
            continue;
        }
        let kernel = kernel(sigma[axis]);
        let reach = kernel.len() - 1;
        let n = size[axis];
        let source = &*values;
        let mut next = vec![0.0f32; source.len()];
        next.par_chunks_mut(nx * ny).enumerate().for_each(|(z, out)| {
            for (at, out) in out.iter_mut().enumerate() {
                let c = [at % nx, at / nx, z][axis];
                let here = at + nx * ny * z;
                let mut sum = kernel[0] * source[here];
                for (r, weight) in kernel.iter().enumerate().take(reach + 1).skip(1) {
                    let low = here - r.min(c) * strides[axis];
                    let high = here + r.min(n - 1 - c) * strides[axis];
                    sum += weight * (source[low] + source[high]);
                }
                *out = sum;
            }
        });
        *values = next;
    }
    debug_assert_eq!(values.len(), nx * ny * nz);
}

/// Half of a normalised bell curve: binomial weights of the nearest variance mixed to fit, without an exponential.
fn kernel(sigma: f64) -> Vec<f32> {
    // n convolutions with [a, 1 - 2a, a], each of variance 2a, a <= 1/4.
    let n = (sigma * sigma / 0.5).ceil().max(1.0);
    let a = sigma * sigma / n / 2.0;
    let mut full = vec![1.0];
    for _ in 0..n as usize {
        let mut next = vec![0.0; full.len() + 2];
        for (k, v) in full.iter().enumerate() {
            next[k] += a * v;
            next[k + 1] += (1.0 - 2.0 * a) * v;
            next[k + 2] += a * v;
        }
        full = next;
    }
    let middle = full.len() / 2;
    full[middle..].iter().map(|v| *v as f32).collect()
}

/// How worn the discs are is told by how far they bulge: 0 sound, 1 dark in an MRI.
pub(super) fn wear(anatomy: &Anatomy, label: Label) -> f64 {
    let shapes = anatomy.shapes();
    (0..5).find(|k| Label::disc_below(*k as u16 + 1) == label).map_or(0.0, |k| smoothstep(0.5, 2.5, shapes.discs[k].bulge_mm))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel sums to one and has the variance asked for.
    #[test]
    fn kernel_is_a_bell() {
        for sigma in [0.3, 0.8, 1.7] {
            let half = kernel(sigma);
            let sum: f32 = half[0] + 2.0 * half[1..].iter().sum::<f32>();
            let variance: f32 = 2.0 * half.iter().enumerate().map(|(k, w)| w * (k * k) as f32).sum::<f32>();
            assert!((sum - 1.0).abs() < 1e-5 && (f64::from(variance) - sigma * sigma).abs() < 1e-4, "{sigma}");
        }
    }
}
