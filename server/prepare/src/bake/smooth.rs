//! Gaussian smoothing of a block, and twicing: smoothing that does not shrink.

use super::block::Block;

/// Kernel weights from the centre outwards, cut off at three sigma.
fn kernel(sigma_voxels: f64) -> Vec<f32> {
    let radius = (3.0 * sigma_voxels + 0.5).floor().max(1.0) as usize;
    let weights: Vec<f64> = (0..=radius).map(|n| (-0.5 * (n as f64 / sigma_voxels).powi(2)).exp()).collect();
    let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    weights.iter().map(|w| (w / sum) as f32).collect()
}

/// Convolves in place with a Gaussian of `sigma_mm`, the border repeated.
pub(crate) fn gaussian(block: &mut Block, sigma_mm: f64) {
    if sigma_mm <= 0.05 * block.h {
        return;
    }
    let kernel = kernel(sigma_mm / block.h);
    let [nx, ny, nz] = block.size;
    let mut padded = vec![0.0; nx + 2 * (kernel.len() - 1)];
    for row in block.values.chunks_exact_mut(nx) {
        along_row(row, &mut padded, &kernel);
    }
    // Along y every z plane is a stack of rows; along z every y is.
    let mut lines = vec![0.0; nx * ny.max(nz)];
    for z in 0..nz {
        along_stack(&mut block.values, z * nx * ny, nx, ny, nx, &mut lines, &kernel);
    }
    for y in 0..ny {
        along_stack(&mut block.values, y * nx, nx * ny, nz, nx, &mut lines, &kernel);
    }
}

fn along_row(row: &mut [f32], padded: &mut [f32], kernel: &[f32]) {
    let (n, radius) = (row.len(), kernel.len() - 1);
    padded[..radius].fill(row[0]);
    padded[radius..radius + n].copy_from_slice(row);
    padded[radius + n..].fill(row[n - 1]);
    for (out, centre) in row.iter_mut().zip(&padded[radius..radius + n]) {
        *out = kernel[0] * centre;
    }
    for (d, w) in kernel.iter().enumerate().skip(1) {
        let (below, above) = (&padded[radius - d..radius - d + n], &padded[radius + d..radius + d + n]);
        for ((out, a), b) in row.iter_mut().zip(below).zip(above) {
            *out += w * (a + b);
        }
    }
}

/// Convolves across `count` rows of `nx` values that begin at `first` and lie `step` apart.
fn along_stack(values: &mut [f32], first: usize, step: usize, count: usize, nx: usize, lines: &mut [f32], kernel: &[f32]) {
    for n in 0..count {
        lines[n * nx..(n + 1) * nx].copy_from_slice(&values[first + n * step..][..nx]);
    }
    let line = |n: usize| &lines[n * nx..(n + 1) * nx];
    for n in 0..count {
        let out = &mut values[first + n * step..][..nx];
        for (out, centre) in out.iter_mut().zip(line(n)) {
            *out = kernel[0] * centre;
        }
        for (d, w) in kernel.iter().enumerate().skip(1) {
            let (below, above) = (line(n.saturating_sub(d)), line((n + d).min(count - 1)));
            for ((out, a), b) in out.iter_mut().zip(below).zip(above) {
                *out += w * (a + b);
            }
        }
    }
}

/// Smooths with the kernel 2G − G∗G (Tukey's twicing): flat to fourth order, so that stairs vanish and thin plates stay.
pub(crate) fn twice(block: &mut Block, sigma_mm: f64) {
    let mut rest = block.clone();
    gaussian(block, sigma_mm);
    for (rest, smooth) in rest.values.iter_mut().zip(&block.values) {
        *rest -= smooth;
    }
    gaussian(&mut rest, sigma_mm);
    for (smooth, rest) in block.values.iter_mut().zip(&rest.values) {
        *smooth += rest;
    }
}

/// The shift in mm that gives the block the wanted volume when added to its samples, within ±1.5 mm.
pub(crate) fn volume_offset(block: &Block, wanted_mm3: f64) -> f32 {
    let h = block.h as f32;
    let reach = 1.5 + 0.5 * h;
    let near: Vec<f32> = block.values.iter().copied().filter(|v| v.abs() <= reach).collect();
    let deep = block.values.iter().filter(|v| **v < -reach).count() as f64;
    let wanted = wanted_mm3 / block.h.powi(3) - deep;
    let (mut low, mut high) = (-1.5_f32, 1.5_f32);
    for _ in 0..22 {
        let middle = 0.5 * (low + high);
        let volume: f64 =
            near.chunks(4096).map(|part| f64::from(part.iter().map(|v| occupancy(v + middle, h)).sum::<f32>())).sum();
        if volume > wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// The share of a voxel that is tissue, from the signed distance of its centre.
fn occupancy(distance_mm: f32, h: f32) -> f32 {
    (0.5 - distance_mm / h).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ball(radius: f64) -> Block {
        let mut block = Block::covering([-9.0; 3], [9.0; 3], 0.4);
        let [nx, ny, _] = block.size;
        for at in 0..block.values.len() {
            let place = [at % nx, at / nx % ny, at / (nx * ny)];
            let mm = [0, 1, 2].map(|k| f64::from(block.first[k] + place[k] as i32) * 0.4);
            block.values[at] = ((mm[0] * mm[0] + mm[1] * mm[1] + mm[2] * mm[2]).sqrt() - radius) as f32;
        }
        block
    }

    /// A constant stays, a linear ramp stays away from the border, and the weights sum to one.
    #[test]
    fn ramps_are_untouched() {
        let mut block = ball(5.0);
        let [nx, ny, _] = block.size;
        block.values.iter_mut().enumerate().for_each(|(at, v)| *v = (at % nx) as f32 + 2.0 * (at / nx % ny) as f32);
        let before = block.clone();
        gaussian(&mut block, 1.2);
        let middle = 22 + nx * (22 + ny * 22);
        assert!((block.values[middle] - before.values[middle]).abs() < 1e-3);
    }

    /// Twicing keeps a ball's radius better than one smoothing does; the offset gives its volume back exactly.
    #[test]
    fn twicing_does_not_shrink() {
        let (exact, mut once, mut twiced) = (ball(4.0), ball(4.0), ball(4.0));
        gaussian(&mut once, 1.6);
        twice(&mut twiced, 1.6);
        let wanted = exact.volume_mm3();
        assert!((wanted - 268.08).abs() < 1.0, "{wanted}");
        assert!((twiced.volume_mm3() - wanted).abs() < 0.25 * (once.volume_mm3() - wanted).abs());
        let shift = volume_offset(&once, wanted);
        once.values.iter_mut().for_each(|v| *v += shift);
        assert!((once.volume_mm3() / wanted - 1.0).abs() < 1e-3);
    }
}
