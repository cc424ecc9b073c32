//! Moves a surface to the edge that the CT shows, where it shows one. Off unless asked for: it makes generous labels smaller.

use super::block::{Block, length};
use super::smooth::gaussian;

/// How far from the surface an edge is looked for, mm.
const SEARCH_MM: f32 = 1.25;
/// Length of a profile on either side, mm, and the step along it.
const PROFILE_MM: f32 = 2.4;
const STEP_MM: f32 = 0.2;
const STEPS: usize = 25;
/// Least slope and least contrast of an edge.
const LEAST_HU_PER_MM: f32 = 75.0;
const LEAST_CONTRAST_HU: f32 = 150.0;
/// How far inward the bright and outward the dark side of an edge is looked for, mm.
const SIDE_STEPS: usize = 7;
/// Smoothing of the shift over the surface, mm.
const SHIFT_SIGMA_MM: f64 = 1.5;

/// Shifts the surface of `block` to the CT's edge: the place where HU falls to `fraction` of the contrast. `others` is the distance to
/// the nearest neighbour, where a profile ends. Returns the mean shift, mm, outward positive.
///
/// Places without an edge take over the shift of their surroundings, and none where those have none either.
pub(crate) fn follow_ct(block: &mut Block, hu: &Block, others: &Block, fraction: f32) -> f32 {
    let h = block.h as f32;
    let mut smooth = block.clone();
    gaussian(&mut smooth, 0.6);
    let near: Vec<usize> = (0..block.values.len()).filter(|at| block.values[*at].abs() < 0.75 * h).collect();
    let [nx, ny, _] = block.size;
    let (mut weights, mut shifts) = (block.like(), block.like());
    let (mut sum, mut weight_sum) = (0.0_f64, 0.0_f64);
    for at in near.iter().copied() {
        let gradient = smooth.gradient(at);
        let steepness = length(gradient) + 1e-6;
        let normal = gradient.map(|g| g / steepness);
        let place = [at % nx, at / nx % ny, at / (nx * ny)].map(|v| v as f32);
        let foot = [0, 1, 2].map(|k| place[k] - normal[k] * block.values[at] / h);
        let (mut profile, mut end) = ([0.0; STEPS], STEPS);
        for (n, value) in profile.iter_mut().enumerate() {
            let t = n as f32 * STEP_MM - PROFILE_MM;
            let point = [0, 1, 2].map(|k| foot[k] + normal[k] * t / h);
            *value = hu.sample(point);
            if n >= STEPS / 2 && end == STEPS && others.sample(point) < 0.3 {
                end = n;
            }
        }
        if let Some((shift, weight)) = edge(&profile, end, fraction) {
            weights.values[at] = weight;
            shifts.values[at] = weight * shift;
            sum += f64::from(weight * shift);
            weight_sum += f64::from(weight);
        }
    }
    if weight_sum == 0.0 {
        return 0.0;
    }
    gaussian(&mut weights, SHIFT_SIGMA_MM);
    gaussian(&mut shifts, SHIFT_SIGMA_MM);
    let mut on_surface: Vec<f32> = near.iter().map(|at| weights.values[*at]).collect();
    let tenth = on_surface.len() * 9 / 10;
    let typical = *on_surface.select_nth_unstable_by(tenth.min(near.len() - 1), f32::total_cmp).1;
    for at in 0..block.values.len() {
        if shifts.values[at] != 0.0 {
            let shift = shifts.values[at] / (weights.values[at] + 0.02 * typical + 1e-6);
            block.values[at] -= shift * length(smooth.gradient(at)).clamp(0.3, 1.2);
        }
    }
    (sum / weight_sum) as f32
}

/// The place of the edge along a profile that ends before sample `end`, mm outward, and how much it is to be believed.
fn edge(profile: &[f32; STEPS], end: usize, fraction: f32) -> Option<(f32, f32)> {
    let t = |n: usize| n as f32 * STEP_MM - PROFILE_MM;
    let (mut best, mut best_score) = (0, 0.0);
    for n in 1..end.saturating_sub(1).min(STEPS - 1) {
        let slope = (profile[n - 1] - profile[n + 1]) / (2.0 * STEP_MM);
        let score = slope * (-0.5 * (t(n) / 0.8).powi(2)).exp();
        if t(n).abs() <= SEARCH_MM && score > best_score {
            (best, best_score) = (n, score);
        }
    }
    if best_score < LEAST_HU_PER_MM {
        return None;
    }
    let bright = profile[best.saturating_sub(SIDE_STEPS)..=best].iter().copied().fold(f32::MIN, f32::max);
    let dark = profile[best..(best + SIDE_STEPS + 1).min(end)].iter().copied().fold(f32::MAX, f32::min);
    let contrast = bright - dark;
    if contrast < LEAST_CONTRAST_HU {
        return None;
    }
    let threshold = dark + fraction * contrast;
    let crossings = (best.saturating_sub(6)..(best + 6).min(end.saturating_sub(1)))
        .filter(|n| profile[*n] >= threshold && profile[n + 1] < threshold)
        .map(|n| t(n) + (profile[n] - threshold) / (profile[n] - profile[n + 1]) * STEP_MM);
    let at = crossings.min_by(|a, b| (a - t(best)).abs().total_cmp(&(b - t(best)).abs()))?;
    let weight = (contrast / 600.0).min(1.0) * (-0.5 * (at / 0.9).powi(2)).exp();
    (at.abs() <= SEARCH_MM).then_some((at, weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ball labelled half a millimetre too large comes back to the CT's edge.
    #[test]
    fn a_generous_surface_moves_to_the_edge() {
        let mut block = Block::covering([-9.0; 3], [9.0; 3], 0.4);
        let [nx, ny, _] = block.size;
        let radius = |at: usize| {
            let place = [at % nx, at / nx % ny, at / (nx * ny)];
            let mm = place.map(|v| v as f32 * 0.4);
            let first = block.first.map(|v| v as f32 * 0.4);
            length([mm[0] + first[0], mm[1] + first[1], mm[2] + first[2]])
        };
        let radii: Vec<f32> = (0..block.values.len()).map(radius).collect();
        let mut hu = block.like();
        hu.values = radii.iter().map(|r| 40.0 + 900.0 * (0.5 - (r - 5.0) / 1.2).clamp(0.0, 1.0)).collect();
        block.values = radii.iter().map(|r| r - 5.5).collect();
        let mut far = block.like();
        far.values.fill(4.0);
        let mean = follow_ct(&mut block, &hu, &far, 0.5);
        assert!((mean + 0.5).abs() < 0.06, "mean shift {mean}");
        let on_axis = 22 + nx * (22 + ny * 22);
        let at_edge = on_axis + 12;
        assert!((block.values[at_edge] - (radii[at_edge] - 5.0)).abs() < 0.12, "{} {}", block.values[at_edge], radii[at_edge]);
    }
}
