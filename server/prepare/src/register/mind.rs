//! What the surroundings of a voxel look like, whatever the modality: MIND-SSC, the modality independent neighbourhood descriptor
//! with self-similarity context (Heinrich et al. 2013, doi:10.1007/978-3-642-40811-3_24).
//!
//! Twelve numbers say how alike the patches at pairs of neighbours are, against how alike they are on the whole. An edge gives
//! the same pattern in CT and MR, whichever side of it is brighter.

use rayon::prelude::*;

use super::lattice::Even;
use super::rigid::V3;
use crate::volume3d::Geometry;

/// Pairs of neighbours compared.
pub(super) const CHANNELS: usize = 12;
/// Slices that one task works on.
const SLAB: usize = 8;
/// Share of the image's mean dissimilarity below which a place counts as flat, and above which as an edge.
const FLOOR: f32 = 0.05;

/// Descriptors on an even lattice.
#[derive(Clone, Debug)]
pub(super) struct Descriptors {
    pub geometry: Geometry,
    /// 255 where two patches are as alike as any around, towards 0 where they differ.
    pub values: Vec<[u8; CHANNELS]>,
    /// Mean dissimilarity around each voxel against the image's own mean: near 0 where the image is flat.
    pub strength: Vec<f32>,
    /// Whether the image reaches there.
    pub inside: Vec<bool>,
}

const NEIGHBOURS: [[isize; 3]; 6] = [[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]];

/// Pairs of neighbours that stand at a right angle to each other.
fn pairs() -> [([isize; 3], [isize; 3]); CHANNELS] {
    let mut out = [([0; 3], [0; 3]); CHANNELS];
    let mut n = 0;
    for a in 0..6 {
        for b in a + 1..6 {
            if a / 2 != b / 2 {
                out[n] = (NEIGHBOURS[a], NEIGHBOURS[b]);
                n += 1;
            }
        }
    }
    out
}

/// The descriptors of an image; neighbours stand `reach` voxels off, patches are 3 × 3 × 3 voxels.
pub(super) fn describe(image: &Even, reach: usize) -> Descriptors {
    let [nx, ny, nz] = image.geometry.size;
    let border = reach + 1;
    let padded = padded(&image.values, image.geometry.size, border);
    let [px, py] = [nx + 2 * border, ny + 2 * border];
    let count = nx * ny;
    let mut raw = vec![[0.0_f32; CHANNELS]; count * nz];
    raw.par_chunks_mut(count * SLAB).enumerate().for_each(|(slab, out)| {
        let first = slab * SLAB;
        let slices = out.len() / count;
        // Squared differences on the slab and one voxel around it.
        let (wx, wy, wz) = (nx + 2, ny + 2, slices + 2);
        let mut square = vec![0.0_f32; wx * wy * wz];
        for (channel, (a, b)) in pairs().into_iter().enumerate() {
            let place = |[x, y, z]: [usize; 3], d: [isize; 3]| {
                let at = [x, y, z].map(|v| v + border - 1);
                let at = [0, 1, 2].map(|k| at[k].wrapping_add_signed(d[k] * reach as isize));
                at[0] + px * (at[1] + py * at[2])
            };
            for z in 0..wz {
                for y in 0..wy {
                    let (from_a, from_b) = (place([0, y, first + z], a), place([0, y, first + z], b));
                    let (a, b) = (&padded[from_a..from_a + wx], &padded[from_b..from_b + wx]);
                    let row = &mut square[wx * (y + wy * z)..][..wx];
                    for ((out, a), b) in row.iter_mut().zip(a).zip(b) {
                        *out = (a - b) * (a - b);
                    }
                }
            }
            patch(&mut square, [wx, wy, wz]);
            for z in 0..slices {
                for y in 0..ny {
                    let row = &square[1 + wx * (y + 1 + wy * (z + 1))..][..nx];
                    for (out, d) in out[nx * (y + ny * z)..][..nx].iter_mut().zip(row) {
                        out[channel] = *d;
                    }
                }
            }
        }
    });
    finish(image, raw)
}

/// Averages every 3 × 3 × 3 voxels with weights 1, 2, 1, in place; the border is left as it comes.
fn patch(values: &mut [f32], [nx, ny, nz]: [usize; 3]) {
    for row in values.chunks_exact_mut(nx) {
        let mut before = row[0];
        for x in 1..nx - 1 {
            let own = row[x];
            row[x] = 0.25 * (before + row[x + 1]) + 0.5 * own;
            before = own;
        }
    }
    let mut lines = vec![0.0; nx * ny];
    for z in 0..nz {
        let slice = &mut values[nx * ny * z..][..nx * ny];
        lines.copy_from_slice(slice);
        for y in 1..ny - 1 {
            for x in 0..nx {
                slice[x + nx * y] = 0.25 * (lines[x + nx * (y - 1)] + lines[x + nx * (y + 1)]) + 0.5 * lines[x + nx * y];
            }
        }
    }
    let step = nx * ny;
    let mut before = values[..step].to_vec();
    for z in 1..nz - 1 {
        for at in 0..step {
            let own = values[at + step * z];
            values[at + step * z] = 0.25 * (before[at] + values[at + step * (z + 1)]) + 0.5 * own;
            before[at] = own;
        }
    }
}

/// Dissimilarities relative to the least of each place, scaled by their mean there.
fn finish(image: &Even, mut raw: Vec<[f32; CHANNELS]>) -> Descriptors {
    let means: Vec<f32> = raw
        .par_iter_mut()
        .map(|d| {
            let least = d.iter().copied().fold(f32::INFINITY, f32::min);
            d.iter_mut().for_each(|v| *v -= least);
            d.iter().sum::<f32>() / CHANNELS as f32
        })
        .collect();
    let (sum, count) = means
        .iter()
        .zip(&image.inside)
        .filter(|(_, inside)| **inside)
        .fold((0.0, 0_usize), |(sum, n), (m, _)| (sum + f64::from(*m), n + 1));
    let mean = ((sum / count.max(1) as f64) as f32).max(f32::MIN_POSITIVE);
    let values = raw
        .par_iter()
        .zip(&means)
        .map(|(d, own)| {
            let scale = -1.0 / own.max(FLOOR * mean);
            d.map(|v| (255.0 * (v * scale).exp()).round() as u8)
        })
        .collect();
    let strength = means.iter().map(|m| m / mean).collect();
    Descriptors { geometry: image.geometry, values, strength, inside: image.inside.clone() }
}

/// A copy with `border` voxels more on every side, which repeat the edge.
fn padded(values: &[f32], [nx, ny, nz]: [usize; 3], border: usize) -> Vec<f32> {
    let size = [nx + 2 * border, ny + 2 * border, nz + 2 * border];
    let mut out = vec![0.0; size.iter().product()];
    out.par_chunks_mut(size[0] * size[1]).enumerate().for_each(|(z, slice)| {
        let z = z.saturating_sub(border).min(nz - 1);
        for (y, row) in slice.chunks_exact_mut(size[0]).enumerate() {
            let y = y.saturating_sub(border).min(ny - 1);
            let source = &values[nx * (y + ny * z)..][..nx];
            for (x, out) in row.iter_mut().enumerate() {
                *out = source[x.saturating_sub(border).min(nx - 1)];
            }
        }
    });
    out
}

/// Descriptor and its change per mm at a place between voxels.
pub(super) struct Between {
    pub value: [f32; CHANNELS],
    pub slope: [[f32; CHANNELS]; 3],
}

impl Descriptors {
    /// Place among the voxels and share towards the next along each axis; none outside the image.
    fn cell(&self, at_mm: V3) -> Option<(usize, [f32; 3])> {
        let g = &self.geometry;
        let (mut low, mut part) = ([0; 3], [0.0; 3]);
        for k in 0..3 {
            let index = (at_mm[k] - g.origin_mm[k]) / g.spacing_mm[k];
            if !(index >= 0.0 && index < g.size[k] as f64 - 1.0) {
                return None;
            }
            low[k] = index as usize;
            part[k] = (index - low[k] as f64) as f32;
        }
        let at = g.offset(low);
        self.inside.get(at).copied().unwrap_or(false).then_some((at, part))
    }

    /// Interpolated between the eight voxels around, with the slope along the axes; none outside the image.
    pub(super) fn between(&self, at_mm: V3) -> Option<Between> {
        let (first, [u, v, w]) = self.cell(at_mm)?;
        let [nx, ny, _] = self.geometry.size;
        let mut out = Between { value: [0.0; CHANNELS], slope: [[0.0; CHANNELS]; 3] };
        for corner in 0..8_usize {
            let [i, j, k] = [corner & 1, corner >> 1 & 1, corner >> 2];
            let side = |one: usize, share: f32| if one == 1 { (share, 1.0) } else { (1.0 - share, -1.0) };
            let ((a, da), (b, db), (c, dc)) = (side(i, u), side(j, v), side(k, w));
            let voxel = self.values.get(first + i + nx * (j + ny * k))?;
            let (weight, dx, dy, dz) = (a * b * c, da * b * c, a * db * c, a * b * dc);
            for n in 0..CHANNELS {
                let value = f32::from(voxel[n]);
                out.value[n] += weight * value;
                out.slope[0][n] += dx * value;
                out.slope[1][n] += dy * value;
                out.slope[2][n] += dz * value;
            }
        }
        let per_mm = 1.0 / self.geometry.spacing_mm[0] as f32;
        out.slope.iter_mut().flatten().for_each(|s| *s *= per_mm);
        Some(out)
    }

    /// The descriptor of the nearest voxel; none outside the image.
    pub(super) fn nearest(&self, at_mm: V3) -> Option<&[u8; CHANNELS]> {
        let g = &self.geometry;
        let mut index = [0; 3];
        for k in 0..3 {
            let v = (at_mm[k] - g.origin_mm[k]) / g.spacing_mm[k] + 0.5;
            if !(v >= 0.0 && v < g.size[k] as f64) {
                return None;
            }
            index[k] = v as usize;
        }
        let at = g.offset(index);
        if *self.inside.get(at)? { self.values.get(at) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(invert: bool) -> Even {
        let geometry = Geometry::axis_aligned([24, 20, 18], [1.0; 3], [0.0; 3]).unwrap();
        let values = (0..geometry.voxel_count())
            .map(|n| {
                let [x, y, z] = geometry.index_of(n).map(|v| v as f32);
                let v = (x * 0.7).sin() + (y * 0.5 + x * 0.2).cos() + (z * 0.6).sin();
                if invert { 300.0 - 40.0 * v } else { v }
            })
            .collect();
        Even { geometry, values, inside: vec![true; geometry.voxel_count()] }
    }

    /// Turning the contrast over and scaling it changes nothing; twelve pairs stand at right angles.
    #[test]
    fn contrast_does_not_matter() {
        assert!(pairs().iter().all(|(a, b)| (0..3).map(|k| a[k] * b[k]).sum::<isize>() == 0));
        let (a, b) = (describe(&wave(false), 1), describe(&wave(true), 1));
        let differing = a.values.iter().flatten().zip(b.values.iter().flatten()).filter(|(a, b)| a.abs_diff(**b) > 1).count();
        assert_eq!(differing, 0);
        assert!(a.values.iter().flatten().any(|v| *v < 100) && a.values.iter().any(|v| v.contains(&255)));
    }

    /// The slope is the difference between neighbours, and a place outside has no descriptor.
    #[test]
    fn slopes_are_differences() {
        let d = describe(&wave(false), 1);
        let (a, b) = (d.between([5.25, 6.0, 7.0]).unwrap(), d.between([5.75, 6.0, 7.0]).unwrap());
        for n in 0..CHANNELS {
            assert!((a.value[n] + 0.5 * a.slope[0][n] - b.value[n]).abs() < 1e-2);
        }
        assert!(d.between([-0.1, 6.0, 7.0]).is_none() && d.nearest([5.0, 60.0, 7.0]).is_none());
    }

    /// One thread and three give the same descriptors.
    #[test]
    fn threads_do_not_matter() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| describe(&wave(false), 2).values)
        };
        assert_eq!(run(1), run(3));
    }
}
