//! CT and MRI of an anatomy.

use rayon::prelude::*;
use spinor_volume::Label;

use super::anatomy::Anatomy;
use super::math::V3;
use super::options::Levels;
use super::random::Random;
use super::sample::{Voxel, sample};
use super::tissue::{Tissue, blur, paint, wear};
use crate::volume3d::{Geometry, GeometryError, IDENTITY, Image};

/// Standard deviation of the CT's noise, HU.
pub(super) const NOISE_HU: f64 = 26.0;
/// Width at half height of the CT's point spread in the slice and along the table, mm.
const SPREAD_MM: [f64; 3] = [0.9, 0.9, 0.8];
/// Width at half height over standard deviation of a bell curve.
const WIDTH_PER_SIGMA: f64 = 2.354_820_045;

/// A CT with its label map.
pub(super) fn ct(anatomy: &Anatomy, levels: Levels, seed: u64, spacing: V3) -> Result<(Image<i16>, Image<u16>), GeometryError> {
    let (low, high) = anatomy.region(levels);
    let (low, high) = (
        [low[0].max((low[0] + high[0]) / 2.0 - 55.0), low[1] - 10.0, low[2]],
        [high[0].min((low[0] + high[0]) / 2.0 + 55.0), high[1] + 12.0, high[2]],
    );
    let size = [0, 1, 2].map(|k| ((high[k] - low[k]) / spacing[k]).floor() as usize + 1);
    // Positions are tenths of a micrometre, as the text in a DICOM file can hold them.
    let origin = low.map(|v| (v * 1e4).round() / 1e4);
    let geometry = Geometry::new(size, spacing, origin, IDENTITY)?;
    let voxels = sample(anatomy, &geometry);
    let (texture, trabeculae) = (Random::new(seed, 10), Random::new(seed, 11));
    let mut hu = paint(anatomy, &geometry, &voxels, &texture, |tissue, p| match tissue {
        Tissue::Cortex => 1200.0,
        Tissue::Marrow => {
            let coarse = trabeculae.smooth(p.map(|v| v * 0.09));
            let fine = trabeculae.smooth([p[0] * 0.8, p[1] * 0.8, p[2] * 0.5]);
            185.0 + 35.0 * coarse + 110.0 * fine
        }
        Tissue::Nucleus => 72.0,
        Tissue::Annulus => 92.0,
        Tissue::Flavum => 75.0,
        Tissue::Fluid => 15.0,
        Tissue::Cord => 38.0,
        Tissue::Root => 32.0,
        Tissue::Muscle => 55.0 + 12.0 * texture.smooth(p.map(|v| v * 0.25)),
        Tissue::Fat => -92.0 + 10.0 * texture.smooth(p.map(|v| v * 0.2)),
        Tissue::Ligament => 70.0,
        Tissue::Vessel => 42.0,
        Tissue::Skin => 40.0,
        Tissue::Air => -1000.0,
    });
    let sigma = [0, 1, 2].map(|k| SPREAD_MM[k] / WIDTH_PER_SIGMA / spacing[k]);
    blur(&mut hu, size, sigma);
    let noise = grain(&Random::new(seed, 12), size);
    let values =
        hu.par_iter().zip(noise).map(|(v, n)| (f64::from(*v) + NOISE_HU * n).round().clamp(-1024.0, 3071.0) as i16).collect();
    Ok((Image::new(geometry, values)?, labels(geometry, &voxels)?))
}

/// A sagittal T2-like MRI with its label map, in the frame that `anatomy` has.
pub(super) fn mr(anatomy: &Anatomy, levels: Levels, seed: u64, spacing: V3) -> Result<(Image<f32>, Image<u16>), GeometryError> {
    let (low, high) = anatomy.region(levels);
    let middle = (low[0] + high[0]) / 2.0;
    let (left, right) = (high[0].min(middle + 40.0), low[0].max(middle - 40.0));
    let (front, back) = (low[1] - 14.0, high[1] + 10.0);
    let extent = [back - front, high[2] - low[2], left - right];
    let size = [0, 1, 2].map(|k| (extent[k] / spacing[k]).floor() as usize + 1);
    let direction = [[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]];
    let geometry = Geometry::new(size, spacing, [left, front, high[2]].map(|v| (v * 1e4).round() / 1e4), direction)?;
    let voxels = sample(anatomy, &geometry);
    let (texture, strands) = (Random::new(seed, 20), Random::new(seed, 21));
    let worn: Vec<(Label, f64)> = anatomy.labels().map(|l| (l, wear(anatomy, l))).filter(|(_, w)| *w > 0.0).collect();
    let mut signal = paint(anatomy, &geometry, &voxels, &texture, |tissue, p| match tissue {
        Tissue::Cortex => 35.0,
        Tissue::Marrow => 300.0 + 40.0 * texture.smooth(p.map(|v| v * 0.12)) + 25.0 * texture.smooth(p.map(|v| v * 0.5)),
        Tissue::Nucleus => {
            let dark = worn.iter().filter(|(l, _)| anatomy.distance_mm(*l, p) < 0.0).map(|(_, w)| *w).fold(0.0, f64::max);
            560.0 - 380.0 * dark
        }
        Tissue::Annulus => 130.0,
        Tissue::Flavum => 85.0,
        Tissue::Fluid => {
            // The cauda equina: strands along the sac, most of them towards its back.
            let ([u, v], [a, b]) = anatomy.across(p);
            let strand = strands.smooth([u * 0.85 + 50.0, v * 0.85 + 50.0, p[2] * 0.035]);
            if strand > 0.38 - 0.45 * v / b - 0.15 * (u / a).abs() { 460.0 } else { 880.0 }
        }
        Tissue::Cord => 340.0,
        Tissue::Root => 360.0,
        Tissue::Muscle => 130.0 + 25.0 * texture.smooth(p.map(|v| v * 0.3)),
        Tissue::Fat => 610.0 + 40.0 * texture.smooth(p.map(|v| v * 0.15)),
        Tissue::Ligament => 90.0,
        Tissue::Vessel => 30.0,
        Tissue::Skin => 220.0,
        Tissue::Air => 4.0,
    });
    blur(&mut signal, size, [0.55, 0.55, 0.25]);
    let (real, imaginary) = (Random::new(seed, 22), Random::new(seed, 23));
    let coil = Random::new(seed, 24);
    let values = signal
        .par_iter()
        .enumerate()
        .map(|(n, v)| {
            let p = geometry.patient_from_index(geometry.index_of(n).map(|c| c as f64));
            // The coil lies behind the back: brighter there, with a slow drift.
            let bias = 1.0 + 0.16 * (p[1] - (front + back) / 2.0) / (back - front) + 0.08 * coil.smooth(p.map(|v| v * 0.012));
            let (a, b) = (f64::from(*v) * bias + 11.0 * real.normal(n as u64), 11.0 * imaginary.normal(n as u64));
            (a * a + b * b).sqrt() as f32
        })
        .collect();
    Ok((Image::new(geometry, values)?, labels(geometry, &voxels)?))
}

fn labels(geometry: Geometry, voxels: &[Voxel]) -> Result<Image<u16>, GeometryError> {
    Image::new(geometry, voxels.iter().map(|v| v.label.0).collect())
}

/// Noise of sd 1 with the grain of a reconstruction: each voxel shares with its neighbours in the slice.
fn grain(random: &Random, [nx, ny, nz]: [usize; 3]) -> Vec<f64> {
    let white: Vec<f32> = (0..(nx * ny * nz) as u64).into_par_iter().map(|n| random.normal(n) as f32).collect();
    let mut out = vec![0.0; white.len()];
    out.par_chunks_mut(nx * ny).enumerate().for_each(|(z, out)| {
        let slice = &white[nx * ny * z..nx * ny * (z + 1)];
        for (at, out) in out.iter_mut().enumerate() {
            let (x, y) = (at % nx, at / nx);
            let (x0, x1) = (x.saturating_sub(1), (x + 1).min(nx - 1));
            let (y0, y1) = (y.saturating_sub(1), (y + 1).min(ny - 1));
            let row =
                |y: usize| f64::from(slice[x0 + nx * y]) + 3.0 * f64::from(slice[x + nx * y]) + f64::from(slice[x1 + nx * y]);
            // Weights 1, 3, 1 both ways: sd of the sum is 11.
            *out = (row(y0) + 3.0 * row(y) + row(y1)) / 11.0;
        }
    });
    out
}
