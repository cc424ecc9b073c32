//! The last step: a bone's motion by the mutual information of CT and MR on their own voxels (Mattes et al. 2003,
//! doi:10.1109/TMI.2003.809072), from the pose that descriptors found.
//!
//! The MR, whose slices are thick, is not interpolated: each of its voxels in the bone's rim is looked up in the CT, which is smoothed by
//! what the MR's voxels reach over. All voxels are taken rather than some at random, so that the cost is smooth and the same each time, and
//! steps are those of maximum likelihood (curvature from the scatter of the places' scores, Berndt et al. 1974), of which a few suffice.

use rayon::prelude::*;
use spinor_volume::{Label, TissueClass};

use super::bones::{Bone, Point};
use super::chain::neighbours;
use super::fit::{Neighbour, Terms, descend, hold};
use super::lattice::{self, Box3};
use super::rigid::{Pose, V3, add, cross, dot, length, scale, sub, transposed, turn};
use super::{AROUND_MM, HU, SIGMA_PER_SLICE, bounded};
use crate::edt::nearest_features;
use crate::volume3d::{Geometry, GeometryError, Image};

/// How far beyond a bone's surface, and how deep below it, the MR's voxels are taken, mm.
const OUTSIDE_MM: f64 = 2.0;
const INSIDE_MM: f64 = 5.0;
/// By how much a place must be nearer to its bone than to any other, mm.
const APART_MM: f64 = 1.5;
/// The lattice on which this is told, mm.
const RIM_MM: f64 = 1.0;
/// Bins of the joint histogram: the CT's over its bounded range, by cubic B-splines, and the MR's between its percentiles.
const CT_BINS: usize = 64;
const MR_BINS: usize = 32;
const MR_CLIPPED: f64 = 0.005;
/// Fewest voxels that say anything, and most that are asked.
const LEAST_VOXELS: usize = 1000;
const MOST_VOXELS: usize = 40_000;
/// How often the voxels are chosen anew, and steps each time.
const ROUNDS: usize = 2;
const STEPS: usize = 12;
/// Voxels that are taken to err together: what a joint's stiffness is weighed against. From none to ten times as many made no
/// difference to bones that are seen whole.
const ALIKE: f64 = 30.0;

/// Where mutual information puts a bone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closer {
    pub pose: Pose,
    /// By how much the mutual information of the same voxels is more than at the start, nats.
    pub gain: f64,
    /// Root mean square over the bone's places of how far they moved, mm.
    pub moved_mm: f64,
}

/// The CT around the bones, as smooth as the MR.
pub(super) struct Smooth(Image<f32>);

impl Smooth {
    /// `around` is what of the CT is needed.
    pub(super) fn of(ct: &Image<i16>, around: &Box3, mr: &Geometry) -> Result<Self, GeometryError> {
        let mut image = lattice::cut(ct, around, bounded)?;
        let g = image.geometry;
        for k in 0..3 {
            let along = |j: usize| dot(g.axis(k), mr.axis(j)) * mr.spacing_mm[j];
            let wanted = SIGMA_PER_SLICE * (0..3).map(|j| along(j).powi(2)).sum::<f64>().sqrt();
            // The spline that looks places up smooths by itself.
            let own = g.spacing_mm[k] / 3.0_f64.sqrt();
            let more = (wanted * wanted - own * own).max(0.0).sqrt();
            lattice::smooth(&mut image.voxels, g.size, k, more / g.spacing_mm[k]);
        }
        Ok(Self(image))
    }

    /// Value at a place among the voxels by cubic B-splines, with its slopes by the indices. Beyond the edge it goes on unchanged.
    fn at(&self, index: V3) -> (f32, [f32; 3]) {
        let [nx, ny, _] = self.0.geometry.size;
        let (mut low, mut part, mut held) = ([0_usize; 3], [0.0_f32; 3], [1.0_f32; 3]);
        for k in 0..3 {
            let last = self.0.geometry.size[k] as f64 - 2.0;
            if !(index[k] >= 1.0 && index[k] < last) {
                held[k] = 0.0;
            }
            let inside = index[k].clamp(1.0, last);
            low[k] = (inside as usize).min(self.0.geometry.size[k] - 3);
            part[k] = (inside - low[k] as f64) as f32;
        }
        let [(wx, dx), (wy, dy), (wz, dz)] = part.map(spline);
        let (mut value, mut slope) = (0.0_f32, [0.0_f32; 3]);
        for k in 0..4 {
            let (mut v, mut by_x, mut by_y) = (0.0_f32, 0.0_f32, 0.0_f32);
            for j in 0..4 {
                let first = low[0] - 1 + nx * (low[1] + j - 1 + ny * (low[2] + k - 1));
                let row = &self.0.voxels[first..first + 4];
                let along = |w: &[f32; 4]| row[0] * w[0] + row[1] * w[1] + row[2] * w[2] + row[3] * w[3];
                let a = along(&wx);
                v += wy[j] * a;
                by_x += wy[j] * along(&dx);
                by_y += dy[j] * a;
            }
            value += wz[k] * v;
            slope[0] += wz[k] * by_x;
            slope[1] += wz[k] * by_y;
            slope[2] += dz[k] * v;
        }
        (value, [0, 1, 2].map(|k| held[k] * slope[k]))
    }
}

/// Weights of the four samples around a place, and their slopes: the cubic B-spline.
fn spline(t: f32) -> ([f32; 4], [f32; 4]) {
    let (t2, t3, rest) = (t * t, t * t * t, 1.0 - t);
    let weights =
        [rest * rest * rest / 6.0, (3.0 * t3 - 6.0 * t2 + 4.0) / 6.0, (-3.0 * t3 + 3.0 * t2 + 3.0 * t + 1.0) / 6.0, t3 / 6.0];
    (weights, [-0.5 * rest * rest, 1.5 * t2 - 2.0 * t, -1.5 * t2 + t + 0.5, 0.5 * t2])
}

/// Which places of the CT are looked at for a bone: its rim, as far as no other bone is near.
fn rim(labels: &Image<u16>, ct: &Box3, bone: &Bone) -> Result<Image<bool>, GeometryError> {
    let around = bone.reach.grown(OUTSIDE_MM + 4.0);
    let size = [0, 1, 2].map(|k| ((around.high[k] - around.low[k]) / RIM_MM).ceil() as usize + 1);
    let geometry = Geometry::axis_aligned(size, [RIM_MM; 3], around.low)?;
    let place = |at: usize| geometry.patient_from_index(geometry.index_of(at).map(|v| v as f64));
    let number: Vec<u16> = (0..geometry.voxel_count()).map(|at| labels.nearest(place(at)).unwrap_or(0)).collect();
    let to = |test: &(dyn Fn(u16) -> bool + Sync)| nearest_features(size, [RIM_MM; 3], |at| test(number[at]));
    let to_bone = to(&|n| n == bone.label.0);
    let to_rest = to(&|n| n != bone.label.0);
    let to_other = to(&|n| n != bone.label.0 && Label(n).class() == Some(TissueClass::Bone));
    let taken = (0..number.len()).map(|at| {
        let outside = to_bone.distance_mm(at);
        let near = outside <= OUTSIDE_MM && (outside > 0.0 || to_rest.distance_mm(at) <= INSIDE_MM);
        near && to_other.distance_mm(at) > outside + APART_MM && ct.holds(place(at))
    });
    Image::new(geometry, taken.collect())
}

/// A voxel of the MR: where it lies, and its bin.
struct Sample {
    at: V3,
    bin: usize,
}

/// The voxels of the MR that lie in a bone's rim by this pose; at most [`MOST_VOXELS`] of them, spread evenly.
fn samples(rim: &Image<bool>, mr: &Image<f32>, pose: &Pose) -> Vec<Sample> {
    let (low, high) = rim.geometry.bounds_mm();
    let mut reached = Box3::NONE;
    for corner in 0..8 {
        reached
            .add(mr.geometry.index_from_patient(pose.mr([0, 1, 2].map(|k| if corner >> k & 1 == 1 { high[k] } else { low[k] }))));
    }
    let last = mr.geometry.size.map(|n| n as f64);
    let range = |k: usize| {
        reached.low[k].floor().clamp(0.0, last[k]) as usize..(reached.high[k].ceil() + 1.0).clamp(0.0, last[k]) as usize
    };
    let back = transposed(&pose.turn);
    let mut found: Vec<(V3, f32)> = Vec::new();
    for k in range(2) {
        for j in range(1) {
            for i in range(0) {
                let at = mr.geometry.patient_from_index([i as f64, j as f64, k as f64]);
                let value = mr.voxels[mr.geometry.offset([i, j, k])];
                let ct = add(turn(&back, sub(sub(at, pose.centre), pose.shift)), pose.centre);
                if value.is_finite() && rim.nearest(ct) == Some(true) {
                    found.push((at, value));
                }
            }
        }
    }
    let count = found.len().min(MOST_VOXELS);
    let taken: Vec<(V3, f32)> = (0..count).map(|n| found[n * found.len() / count]).collect();
    let mut sorted: Vec<f32> = taken.iter().map(|(_, v)| *v).collect();
    sorted.sort_by(f32::total_cmp);
    let percentile = |share: f64| sorted.get((share * count.saturating_sub(1) as f64).round() as usize).copied().unwrap_or(0.0);
    let (low, high) = (percentile(MR_CLIPPED), percentile(1.0 - MR_CLIPPED));
    let per_bin = MR_BINS as f32 / (high - low).max(f32::MIN_POSITIVE);
    let bin = |v: f32| (((v - low) * per_bin) as usize).min(MR_BINS - 1);
    taken.into_iter().map(|(at, v)| Sample { at, bin: bin(v) }).collect()
}

/// Mutual information, less than nothing as a cost, with what the neighbours say, and its derivatives.
fn terms(samples: &[Sample], ct: &Smooth, pose: &Pose, neighbours: &[Neighbour]) -> Terms {
    // A value's four bins: [first, first + 4).
    const BINS: usize = CT_BINS + 3;
    let g = &ct.0.geometry;
    let (least, most) = (f32::from(HU[0]), f32::from(HU[1]));
    let per_bin = CT_BINS as f32 / (most - least);
    let back = transposed(&pose.turn);
    let index_per_mm = [0, 1, 2].map(|k| scale(g.axis(k), 1.0 / g.spacing_mm[k]));
    let seen: Vec<(usize, f32, [f32; 3])> = samples
        .iter()
        .map(|s| {
            let place = add(turn(&back, sub(sub(s.at, pose.centre), pose.shift)), pose.centre);
            let from = sub(place, g.origin_mm);
            let (value, slope) = ct.at(index_per_mm.map(|row| dot(row, from)));
            let u = (value - least).max(0.0) * per_bin;
            let first = (u as usize).min(CT_BINS - 1);
            (first, (u - first as f32).min(1.0), slope)
        })
        .collect();
    let mut joint = vec![0.0_f64; MR_BINS * BINS];
    for (s, (first, part, _)) in samples.iter().zip(&seen) {
        for (sum, weight) in joint[s.bin * BINS + first..][..4].iter_mut().zip(spline(*part).0) {
            *sum += f64::from(weight);
        }
    }
    let per = 1.0 / (samples.len() as f64).max(1.0);
    let of_mr: Vec<f64> = joint.chunks_exact(BINS).map(|row| row.iter().sum()).collect();
    let of_ct: Vec<f64> = (0..BINS).map(|b| joint.iter().skip(b).step_by(BINS).sum()).collect();
    let mut t = Terms { coverage: 1.0, ..Terms::default() };
    // How much likelier an MR value is where the CT's is this, as a logarithm.
    let mut likelier = vec![0.0_f32; joint.len()];
    for (at, p) in joint.iter().enumerate().filter(|(_, p)| **p > 0.0) {
        let log = (p / (of_mr[at / BINS] * of_ct[at % BINS] * per)).ln();
        t.cost -= p * per * log;
        likelier[at] = log as f32;
    }
    for (s, (first, part, slope)) in samples.iter().zip(&seen) {
        let row = &likelier[s.bin * BINS + first..][..4];
        let score = per_bin * row.iter().zip(spline(*part).1).map(|(l, d)| l * d).sum::<f32>();
        let by_ct = (0..3).fold([0.0; 3], |sum, k| add(sum, scale(index_per_mm[k], f64::from(score * slope[k]))));
        // What the bone's motion adds the CT's place loses, so that this is the cost's gradient.
        let by = turn(&pose.turn, by_ct);
        let moment = cross(sub(sub(s.at, pose.centre), pose.shift), by);
        let by = [moment[0], moment[1], moment[2], by[0], by[1], by[2]];
        for r in 0..6 {
            t.g[r] += by[r] * per;
            for c in 0..6 {
                t.h[r][c] += by[r] * by[c] * per;
            }
        }
    }
    hold(&mut t, pose, neighbours, 0.5 * ALIKE * per);
    t
}

/// One bone from where descriptors put it; none where too little of it is seen.
fn closer(ct: &Smooth, rim: &Image<bool>, mr: &Image<f32>, points: &[Point], start: &Pose, held: &[Neighbour]) -> Option<Closer> {
    let mut pose = *start;
    let mut gain = 0.0;
    for _ in 0..ROUNDS {
        let samples = samples(rim, mr, &pose);
        if samples.len() < LEAST_VOXELS {
            return None;
        }
        let at = |pose: &Pose, held: &[Neighbour]| terms(&samples, ct, pose, held);
        pose = descend(&pose, STEPS, |pose| at(pose, held)).0;
        gain = at(start, &[]).cost - at(&pose, &[]).cost;
    }
    let square = |p: &Point| length(sub(pose.mr(p.at), start.mr(p.at))).powi(2);
    let moved_mm = (points.iter().map(square).sum::<f64>() / points.len().max(1) as f64).sqrt();
    Some(Closer { pose, gain, moved_mm })
}

/// All bones, each held by where descriptors put its neighbours; none for what is not `wanted` and what is seen too little of.
pub(super) fn all(
    (ct, labels, mr): (&Image<i16>, &Image<u16>, &Image<f32>),
    bones: &[Bone],
    points: &[Vec<Point>],
    poses: &[Pose],
    wanted: &[bool],
) -> Result<Vec<Option<Closer>>, GeometryError> {
    let reach = bones.iter().fold(Box3::NONE, |mut all, b| {
        all.add(b.reach.low);
        all.add(b.reach.high);
        all
    });
    let smooth = Smooth::of(ct, &reach.grown(AROUND_MM), &mr.geometry)?;
    if smooth.0.geometry.size.iter().any(|n| *n < 4) {
        return Ok(vec![None; bones.len()]);
    }
    let whole = Box3::around(ct);
    let one = |n: usize| {
        if !wanted[n] {
            return Ok(None);
        }
        let rim = rim(labels, &whole, &bones[n])?;
        Ok(closer(&smooth, &rim, mr, &points[n], &poses[n], &neighbours(bones, poses, n)))
    };
    (0..bones.len()).into_par_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{distance, phantom};
    use super::super::{bones, rigid};
    use super::*;

    fn reach(bones: &[Bone]) -> Box3 {
        bones.iter().fold(Box3::NONE, |mut all, b| {
            all.add(b.reach.low);
            all.add(b.reach.high);
            all
        })
    }

    /// Where each bone really went.
    fn truths(bones: &[Bone]) -> Vec<Pose> {
        let l = &phantom().landmarks;
        let of = |bone: &Bone| {
            let own = l.ct.iter().zip(&l.mr).zip(&l.structure).filter(|(_, name)| bone.label.name() == **name);
            rigid::best_rigid(&own.map(|((ct, mr), _)| (*ct, *mr)).collect::<Vec<_>>(), &rigid::rotation([0.0; 3])).unwrap()
        };
        bones.iter().map(|bone| of(bone).about(bone.centre)).collect()
    }

    /// Mean distance of a bone's landmarks from where they really lie, mm.
    fn error(bone: &Bone, pose: &Pose) -> f64 {
        let l = &phantom().landmarks;
        let own = l.ct.iter().zip(&l.mr).zip(&l.structure).filter(|(_, name)| bone.label.name() == **name);
        let all: Vec<f64> = own.map(|((ct, mr), _)| distance(pose.mr(*ct), *mr)).collect();
        all.iter().sum::<f64>() / all.len() as f64
    }

    /// Mean errors of all bones that start 0.7 mm and more off, before and after the last step.
    fn tried(mr: &Image<f32>) -> Vec<(f64, f64)> {
        let made = phantom();
        let bones = bones::bones(&made.labels);
        let starts: Vec<Pose> = truths(&bones).iter().map(|t| t.moved([0.012, -0.01, 0.008], [0.4, -0.3, 0.4])).collect();
        let points: Vec<Vec<Point>> = vec![Vec::new(); bones.len()];
        let found = all((&made.ct, &made.labels, mr), &bones, &points, &starts, &vec![true; bones.len()]).unwrap();
        let each = bones.iter().zip(&starts).zip(found);
        each.map(|((bone, start), found)| (error(bone, start), error(bone, &found.unwrap().pose))).collect()
    }

    /// What bones share most with their own images is where they are: to a tenth of a voxel and less.
    #[test]
    fn bones_are_found_to_a_tenth_of_a_voxel() {
        for (before, after) in tried(&phantom().mr) {
            assert!(before > 0.5 && after < 0.15, "{before:.2} mm, then {after:.2} mm");
        }
    }

    /// Neither a coil's shading, nor another contrast, nor slices twice as thick pull a bone off; fat that a scanner draws a voxel away
    /// pulls it by less than that.
    #[test]
    fn scanners_faults_pull_little() {
        let made = phantom();
        let g = made.mr.geometry;
        let mean = |tried: Vec<(f64, f64)>| tried.iter().map(|(_, after)| after).sum::<f64>() / tried.len() as f64;
        let made_of = |value: &dyn Fn(usize) -> f32| Image::new(g, (0..g.voxel_count()).map(value).collect()).unwrap();
        let place = |n: usize| g.patient_from_index(g.index_of(n).map(|v| v as f64));
        let shaded = made_of(&|n| made.mr.voxels[n] * (1.0 + 0.5 * (place(n)[1] * 0.04).sin() as f32));
        let inverted = made_of(&|n| 1200.0 - made.mr.voxels[n]);
        for (what, image, most) in [("shaded", shaded, 0.25), ("inverted", inverted, 0.15)] {
            let off = mean(tried(&image));
            assert!(off < most, "{what}: {off:.2} mm");
        }
        // Sagittal slices are stacked along the last axis.
        assert!(g.spacing_mm[2] > 2.0);
        let size = [g.size[0], g.size[1], g.size[2] / 2];
        let between = g.patient_from_index([0.0, 0.0, 0.5]);
        let thick = Geometry::new(size, [g.spacing_mm[0], g.spacing_mm[1], 2.0 * g.spacing_mm[2]], between, g.direction).unwrap();
        let half = |n: usize, k: usize| {
            let [x, y, z] = thick.index_of(n);
            0.5 * made.mr.voxels[g.offset([x, y, 2 * z + k])]
        };
        let thick = Image::new(thick, (0..thick.voxel_count()).map(|n| half(n, 0) + half(n, 1)).collect()).unwrap();
        let off = mean(tried(&thick));
        assert!(off < 0.3, "thick: {off:.2} mm");
        let fat = |n: usize| {
            let marrow = Label(made.mr_labels.voxels[n]).class() == Some(TissueClass::Bone);
            if marrow { 0.6 * made.mr.voxels[n] } else { 0.0 }
        };
        let drawn = made_of(&|n| made.mr.voxels[n] - fat(n) + fat(n.saturating_sub(1)));
        let off = mean(tried(&drawn));
        assert!(off < g.spacing_mm[0], "drawn: {off:.2} mm");
    }

    /// Nothing is gained from an MR that says nothing, and what is not asked for is not looked for.
    #[test]
    fn nothing_is_gained_from_an_empty_mr() {
        let made = phantom();
        let bones = bones::bones(&made.labels);
        let starts = truths(&bones);
        let flat = Image::filled(made.mr.geometry, 100.0_f32);
        let points: Vec<Vec<Point>> = vec![Vec::new(); bones.len()];
        let found = all((&made.ct, &made.labels, &flat), &bones, &points, &starts, &vec![true; bones.len()]).unwrap();
        assert!(found.iter().all(|found| found.unwrap().gain.abs() < 1e-9), "{found:?}");
        let wanted: Vec<bool> = (0..bones.len()).map(|n| n > 0).collect();
        assert!(all((&made.ct, &made.labels, &flat), &bones, &points, &starts, &wanted).unwrap()[0].is_none());
    }

    /// The cost's gradient is what the cost changes by.
    #[test]
    fn the_gradient_is_the_change() {
        let made = phantom();
        let bones = bones::bones(&made.labels);
        let bone = &bones[1];
        let ct = Smooth::of(&made.ct, &reach(&bones).grown(AROUND_MM), &made.mr.geometry).unwrap();
        let pose = truths(&bones)[1].moved([0.01, -0.02, 0.01], [0.3, 0.5, -0.4]);
        let samples = samples(&rim(&made.labels, &Box3::around(&made.ct), bone).unwrap(), &made.mr, &pose);
        let at = terms(&samples, &ct, &pose, &[]);
        for k in 0..6 {
            let step = if k < 3 { 2e-4 } else { 5e-3 };
            let moved = |by: f64| {
                let v: [f64; 6] = std::array::from_fn(|n| if n == k { by } else { 0.0 });
                terms(&samples, &ct, &pose.moved([v[0], v[1], v[2]], [v[3], v[4], v[5]]), &[]).cost
            };
            let change = (moved(step) - moved(-step)) / (2.0 * step);
            assert!((change - at.g[k]).abs() < 0.03 * at.g[k].abs() + 2e-3, "{k}: {change} {}", at.g[k]);
        }
    }
}
