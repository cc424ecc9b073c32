//! Looks for the spinal canal in the bones: places where they close around a hole.
//!
//! Planes across the spine, a millimetre apart, cut the vertebrae; in a plane where their bone closes around a hole of a canal's size,
//! the hole's widest place is a point of the canal. Between such planes (at the discs, where the foramina open it) the points are joined.

use spinor_volume::{BRICK, BRICK_VOXELS, BrickState, Grid, Label, SDF_PER_VOXEL, SparseField, Structure, VoxelIndex};

use super::block::Block;
use crate::complete::{V3, add, distance, dot, sub, unit};
use crate::edt::nearest_features;

/// Narrowest hole that counts as a canal, mm of radius.
const LEAST_RADIUS_MM: f64 = 3.0;
/// Gaps in the bony ring up to twice this are closed when holes are looked for: joint spaces, mm.
const CLOSING_MM: f64 = 1.5;
/// Step along the spine and in the planes, mm; half the width of a plane.
pub(crate) const STEP_MM: f64 = 1.0;
const PIXEL_MM: f64 = 0.8;
const HALF_PIXELS: i32 = 45;
/// Longest stretch without a closed ring that is bridged, mm.
const MAX_BRIDGE_MM: f64 = 45.0;
/// How far along the spine holes are compared, mm: one level's height.
const LEVEL_MM: f64 = 36.0;
/// A hole narrower than this share of the widest one within a level's height is no canal: between the laminae the ring is open, and what
/// closes there is a space beside it.
const LEAST_SHARE: f64 = 0.75;
/// How far off the line of its neighbours a point of the canal may lie, mm: the spine's bend over a level's height, and a little more.
const STRAY_MM: f64 = 5.0;

/// Points a step apart along the vertebrae's centroids from foot to head, each with the direction there, and 25 mm beyond both ends.
pub(crate) fn spine_curve(grid: &Grid, bones: &[&Structure]) -> Option<Vec<(V3, V3)>> {
    let mut centres: Vec<V3> =
        bones.iter().filter(|s| s.label != Label::SACRUM).rev().filter_map(|s| centroid(grid, &s.sdf)).collect();
    let (first, last) = (*centres.first()?, *centres.last()?);
    let direction = |from: V3, to: V3| {
        let d = sub(to, from);
        let length = dot(d, d).sqrt();
        if length > 1.0 { d.map(|v| v / length) } else { [0.0, 0.0, 1.0] }
    };
    let (up_first, up_last) = match centres[..] {
        [_] => ([0.0, 0.0, 1.0], [0.0, 0.0, 1.0]),
        [.., before, _] => (direction(first, centres[1]), direction(before, last)),
        [] => return None,
    };
    centres.insert(0, add(first, up_first, -25.0));
    centres.push(add(last, up_last, 25.0));
    let mut points: Vec<V3> = Vec::new();
    for pair in centres.windows(2) {
        let steps = (distance(pair[0], pair[1]) / STEP_MM).ceil().max(1.0);
        points.extend((0..steps as usize).map(|n| add(pair[0], sub(pair[1], pair[0]), n as f64 / steps)));
    }
    // Directions over 20 mm, so that planes turn slowly and do not cross each other near the spine.
    let around = (10.0 / STEP_MM) as usize;
    let up = |n: usize| direction(points[n.saturating_sub(around)], points[(n + around).min(points.len() - 1)]);
    Some((0..points.len()).map(|n| (points[n], up(n))).collect())
}

fn centroid(grid: &Grid, sdf: &SparseField) -> Option<V3> {
    let (mut sum, mut weight) = ([0.0; 3], 0.0);
    let mut add_brick = |brick, w: &dyn Fn(usize) -> f64| {
        let first = grid.brick_coords(brick).map(|v| f64::from(v) * BRICK as f64);
        for at in 0..BRICK_VOXELS {
            let w = w(at);
            let place = [at % BRICK, at / BRICK % BRICK, at / (BRICK * BRICK)];
            for k in 0..3 {
                sum[k] += w * (first[k] + place[k] as f64);
            }
            weight += w;
        }
    };
    sdf.inside().for_each(|brick| add_brick(brick, &|_| 1.0));
    sdf.stored().for_each(|(brick, samples)| add_brick(brick, &|at| if samples[at] < 0 { 1.0 } else { 0.0 }));
    (weight > 0.0).then(|| grid.patient_from_index(sum.map(|v| v / weight)))
}

/// The union of bones as one field.
pub(crate) fn union(grid: &Grid, bones: &[&Structure]) -> SparseField {
    let mut all = SparseField::outside(grid);
    for bone in bones {
        for (brick, samples) in bone.sdf.stored() {
            if let Some(stored) = all.brick_mut(brick) {
                stored.iter_mut().zip(samples).for_each(|(a, b)| *a = (*a).min(*b));
            }
        }
    }
    for bone in bones {
        bone.sdf.inside().for_each(|brick| all.set_inside(brick));
    }
    all
}

/// The widest place of the canal in the plane through `at` across `up`, and its radius there; none where the bone does not close.
pub(crate) fn canal_at(grid: &Grid, bone: &SparseField, at: V3, up: V3) -> Option<(V3, f64)> {
    // Left and back in the plane: the left-right axis of the patient made perpendicular to the spine, and what completes it.
    let left = unit(add([1.0, 0.0, 0.0], up, -up[0]))?;
    let back = [up[1] * left[2] - up[2] * left[1], up[2] * left[0] - up[0] * left[2], up[0] * left[1] - up[1] * left[0]];
    let n = (2 * HALF_PIXELS + 1) as usize;
    let point = |pixel: usize| {
        let u = f64::from((pixel % n) as i32 - HALF_PIXELS) * PIXEL_MM;
        let v = f64::from((pixel / n) as i32 - HALF_PIXELS) * PIXEL_MM;
        add(add(at, left, u), back, v)
    };
    let is_bone: Vec<bool> = (0..n * n)
        .map(|pixel| bone.sample(grid, VoxelIndex(grid.index_from_patient(point(pixel)).map(|v| v.round() as i32))) < 0)
        .collect();
    if !is_bone.contains(&true) {
        return None;
    }
    let to_bone = nearest_features([n, n, 1], [PIXEL_MM, PIXEL_MM, 1.0], |pixel| is_bone[pixel]);
    // What can be reached from the plane's border without squeezing through a joint space is outside.
    let open: Vec<bool> = (0..n * n).map(|pixel| to_bone.distance_mm(pixel) > CLOSING_MM).collect();
    let mut outside = vec![false; n * n];
    let mut queue: Vec<usize> =
        (0..n * n).filter(|p| p % n == 0 || p % n == n - 1 || p / n == 0 || p / n == n - 1).filter(|p| open[*p]).collect();
    queue.iter().for_each(|p| outside[*p] = true);
    while let Some(p) = queue.pop() {
        let (x, y) = (p % n, p / n);
        let next = [(x > 0).then(|| p - 1), (x + 1 < n).then(|| p + 1), (y > 0).then(|| p - n), (y + 1 < n).then(|| p + n)];
        for q in next.into_iter().flatten() {
            if open[q] && !outside[q] {
                outside[q] = true;
                queue.push(q);
            }
        }
    }
    let enclosed = (0..n * n).filter(|p| open[*p] && !outside[*p]);
    let widest = enclosed.max_by(|a, b| to_bone.distance_mm(*a).total_cmp(&to_bone.distance_mm(*b)).then(b.cmp(a)))?;
    let radius = to_bone.distance_mm(widest);
    // The vessel's entry behind a body, or a cyst, is no canal; nor is a hole far from the midline.
    let off_midline = (f64::from((widest % n) as i32 - HALF_PIXELS) * PIXEL_MM).abs();
    (radius >= LEAST_RADIUS_MM && off_midline < 20.0).then(|| (point(widest), radius))
}

/// Takes out the points that are too narrow beside their neighbours: a sac that were drawn into them would be pinched between the laminae,
/// where one decompresses, and the alarm would come too late.
pub(crate) fn without_side_spaces(found: &[Option<(V3, f64)>]) -> Vec<Option<(V3, f64)>> {
    let reach = (LEVEL_MM / 2.0 / STEP_MM) as usize;
    let widest = |n: usize| {
        let near = &found[n.saturating_sub(reach)..(n + reach + 1).min(found.len())];
        near.iter().flatten().map(|(_, radius)| *radius).fold(0.0, f64::max)
    };
    found.iter().enumerate().map(|(n, point)| point.filter(|(_, radius)| *radius >= LEAST_SHARE * widest(n))).collect()
}

/// Takes out the points that lie off the line of the others within a level's height: a hole in the disc's space, or beside a joint.
pub(crate) fn without_strays(found: &[Option<(V3, f64)>]) -> Vec<Option<(V3, f64)>> {
    let reach = (LEVEL_MM / 2.0 / STEP_MM) as usize;
    let off = |n: usize, at: V3| {
        let from = n.saturating_sub(reach);
        let near: Vec<(f64, V3)> =
            (from..(n + reach + 1).min(found.len())).filter_map(|m| found[m].map(|(p, _)| (m as f64 - n as f64, p))).collect();
        // A line through all, then one through those that lie near it: a few strays do not bend the second.
        let Some(line) = fit(&near) else { return 0.0 };
        let close: Vec<(f64, V3)> = near.iter().copied().filter(|(t, p)| distance(*p, at_line(line, *t)) <= STRAY_MM).collect();
        let line = fit(&close).unwrap_or(line);
        distance(at, at_line(line, 0.0))
    };
    found.iter().enumerate().map(|(n, point)| point.filter(|(at, _)| off(n, *at) <= STRAY_MM)).collect()
}

/// The straight line nearest to places at parameters: its place at 0 and its slope; none of fewer than two parameters.
fn fit(points: &[(f64, V3)]) -> Option<(V3, V3)> {
    let n = points.len() as f64;
    let mean_t = points.iter().map(|(t, _)| t).sum::<f64>() / n;
    let mean = points.iter().fold([0.0; 3], |sum, (_, p)| add(sum, *p, 1.0 / n));
    let spread: f64 = points.iter().map(|(t, _)| (t - mean_t).powi(2)).sum();
    if spread <= 0.0 || !spread.is_finite() {
        return None;
    }
    let slope = points.iter().fold([0.0; 3], |sum, (t, p)| add(sum, sub(*p, mean), (t - mean_t) / spread));
    Some((add(mean, slope, -mean_t), slope))
}

fn at_line((place, slope): (V3, V3), t: f64) -> V3 {
    add(place, slope, t)
}

/// Joins the measures on either side of a short stretch without any.
pub(crate) fn bridge<const N: usize>(found: &[Option<[f64; N]>]) -> Vec<Option<[f64; N]>> {
    let mut out = found.to_vec();
    let mut last: Option<usize> = None;
    for n in 0..found.len() {
        let Some(to) = found[n] else { continue };
        if let Some(from_n) = last.filter(|m| n - m > 1 && (n - m) as f64 * STEP_MM <= MAX_BRIDGE_MM)
            && let Some(from) = found[from_n]
        {
            for (m, point) in out.iter_mut().enumerate().take(n).skip(from_n + 1) {
                let t = (m - from_n) as f64 / (n - from_n) as f64;
                *point = Some(std::array::from_fn(|k| from[k] + t * (to[k] - from[k])));
            }
        }
        last = Some(n);
    }
    out
}

/// The longest stretch without a gap, as places in the list.
pub(crate) fn longest_run<T>(points: &[Option<T>]) -> std::ops::Range<usize> {
    let (mut best, mut start) = (0..0, 0);
    for n in 0..=points.len() {
        if points.get(n).is_none_or(Option::is_none) {
            if n - start > best.len() {
                best = start..n;
            }
            start = n + 1;
        }
    }
    best
}

/// Averages measures over 11 mm; as far on one side as on the other, so that the ends do not move inwards.
pub(crate) fn smooth<const N: usize>(points: &[[f64; N]]) -> Vec<[f64; N]> {
    let reach = (5.0 / STEP_MM) as usize;
    (0..points.len())
        .map(|n| {
            let reach = reach.min(n).min(points.len() - 1 - n);
            let near = &points[n - reach..=n + reach];
            std::array::from_fn(|k| near.iter().map(|p| p[k]).sum::<f64>() / near.len() as f64)
        })
        .collect()
}

/// Takes off what is nearer to bone than the clearance.
pub(crate) fn keep_off_bone(grid: &Grid, bone: &SparseField, block: &mut Block, clearance_mm: f64) {
    let origin = super::quantise::lattice_origin(grid);
    let mm = grid.spacing_mm() / f64::from(SDF_PER_VOXEL);
    let [nx, ny, _] = block.size;
    let h = block.h as f32;
    let shift = [0, 1, 2].map(|k| block.first[k] - origin[k]);
    let voxels = grid.voxels();
    // What lies farther out than this is so far out whatever the bone.
    let most = (clearance_mm + 127.0 * mm) as f32;
    for (row, values) in block.values.chunks_exact_mut(nx).enumerate() {
        let (y, z) = (shift[1] + (row % ny) as i32, shift[2] + (row / ny) as i32);
        // The field ends at the grid's border, and so does the tube.
        if !(0..voxels[1]).contains(&y) || !(0..voxels[2]).contains(&z) {
            values.iter_mut().for_each(|value| *value = value.max(h));
            continue;
        }
        let mut x = 0;
        while x < nx {
            let at = shift[0] + x as i32;
            let edge = BRICK as i32;
            let end = (x + (edge - at.rem_euclid(edge)) as usize).min(nx);
            let run = &mut values[x..end];
            x = end;
            match grid.locate(VoxelIndex([at, y, z])) {
                None => run.iter_mut().for_each(|value| *value = value.max(h)),
                Some((brick, first)) => match bone.brick(brick) {
                    BrickState::Outside => {}
                    BrickState::Inside => run.iter_mut().for_each(|value| *value = value.max(most)),
                    BrickState::Samples(samples) => {
                        for (value, sample) in run.iter_mut().zip(&samples[first..]).filter(|(value, _)| **value < most) {
                            *value = value.max((clearance_mm - f64::from(*sample) * mm) as f32);
                        }
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tube(found: &[Option<(V3, f64)>]) -> Vec<[f64; 4]> {
        let flat: Vec<Option<[f64; 4]>> = found.iter().map(|p| p.map(|(at, r)| [at[0], at[1], at[2], r])).collect();
        let joined = bridge(&flat);
        let run: Vec<[f64; 4]> = joined[longest_run(&joined)].iter().copied().flatten().collect();
        smooth(&run)
    }

    /// Closed rings of 8 mm at the pedicles with spaces of 3.3 mm beside the open canal between them: the tube stays as wide as the rings.
    #[test]
    fn a_tube_is_not_pinched_between_the_laminae() {
        let found: Vec<Option<(V3, f64)>> = (0..140)
            .map(|n| {
                let at = f64::from(n);
                match n % 35 {
                    0..=11 => Some(([0.0, 0.0, at], 8.0)),
                    20..=26 => Some(([9.0, 4.0, at], 3.3)),
                    _ => None,
                }
            })
            .collect();
        let tube = tube(&without_side_spaces(&found));
        assert!(tube.len() > 110, "{} points", tube.len());
        assert!(tube.iter().all(|[x, .., radius]| *radius > 7.4 && x.abs() < 0.1), "{tube:?}");
    }

    /// Holes in the disc's space, 15 mm in front of the canal, do not lead the tube there; the bend of a lordosis stays.
    #[test]
    fn a_tube_does_not_go_through_the_disc() {
        let bend = |n: i32| 0.004 * f64::from(n - 70).powi(2);
        let found: Vec<Option<(V3, f64)>> = (0..140)
            .map(|n| {
                let stray = if (60..66).contains(&n) { -15.0 } else { 0.0 };
                Some(([0.0, bend(n) + stray, f64::from(n)], 8.0))
            })
            .collect();
        let tube = tube(&without_strays(&found));
        assert_eq!(tube.len(), 140);
        for (n, at) in (0..).zip(&tube) {
            assert!((at[1] - bend(n)).abs() < 1.0, "{n}: {at:?} beside {}", bend(n));
        }
    }
}
