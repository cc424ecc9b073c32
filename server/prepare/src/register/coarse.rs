//! Where the whole spine may lie in the MR: every shift of it, a few turns, and the likeliest places of each height.

use rayon::prelude::*;

use super::bones::{Bone, Point};
use super::fit::{UNSEEN, fit, rough_cost};
use super::mind::Descriptors;
use super::rigid::{Pose, V3, best_rigid, length, rotation, sub, turn};

/// Turns about the left-right axis that are tried, degrees: how differently a patient lies in the two scanners.
const FLEXION_DEG: [f64; 5] = [-14.0, -7.0, 0.0, 7.0, 14.0];
/// Most places of all bones together that the search looks at.
const MOST_POINTS: usize = 700;
/// Candidates lie at least this far apart along the spine, mm: a third of a level.
const APART_MM: f64 = 11.0;
/// Most candidates handed on.
const CANDIDATES: usize = 8;

/// The likeliest poses of the whole spine, best first.
///
/// `around` are starts that are known already (the headers' own position, the labels' middles): they are refined like the others.
pub(super) fn candidates(bones: &[Bone], points: &[Vec<Point>], mr: &Descriptors, around: &[Pose]) -> Vec<Pose> {
    let centre = middle(bones);
    let all: Vec<Point> = points.iter().flatten().copied().collect();
    let step = all.len().div_ceil(MOST_POINTS).max(1);
    let some: Vec<Point> = all.iter().step_by(step).copied().collect();
    let mut found = search(centre, &some, mr);
    found.extend(around.iter().map(|pose| (rough_cost(&some, mr, pose), pose.about(centre))));
    let mut refined: Vec<(f64, Pose)> = found
        .par_iter()
        .map(|(_, pose)| {
            let fitted = fit(&all, mr, pose, &[], 25);
            (fitted.cost, fitted.pose)
        })
        .collect();
    refined.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out: Vec<Pose> = Vec::new();
    for (_, pose) in refined {
        if out.len() < CANDIDATES && out.iter().all(|other| length(sub(other.shift, pose.shift)) > 0.5 * APART_MM) {
            out.push(pose);
        }
    }
    out
}

/// Middle of all bones.
pub(super) fn middle(bones: &[Bone]) -> V3 {
    let count = bones.len().max(1) as f64;
    [0, 1, 2].map(|k| bones.iter().map(|b| b.centre[k]).sum::<f64>() / count)
}

/// The pose that carries bones onto these places of their middles.
pub(super) fn through(bones: &[Bone], places: &[(usize, V3)]) -> Option<Pose> {
    let pairs: Vec<(V3, V3)> = places.iter().map(|(n, at)| (bones[*n].centre, *at)).collect();
    best_rigid(&pairs, &rotation([0.0; 3]))
}

/// Tries every shift by whole voxels that leaves the spine's middle in the MR; keeps the best of each height.
fn search(centre: V3, points: &[Point], mr: &Descriptors) -> Vec<(f64, Pose)> {
    let g = &mr.geometry;
    let turns = FLEXION_DEG.map(|deg| rotation([deg.to_radians(), 0.0, 0.0]));
    let turned: Vec<Vec<Point>> = turns
        .iter()
        .map(|t| {
            let arm = |p: &Point| Point { at: turn(t, sub(p.at, centre)), ..*p };
            points.iter().map(arm).collect()
        })
        .collect();
    let mut best: Vec<(f64, Pose)> = (0..g.size[2])
        .into_par_iter()
        .map(|z| {
            let mut least = (f64::INFINITY, Pose::shifted(centre, [0.0; 3]));
            for y in 0..g.size[1] {
                for x in 0..g.size[0] {
                    let target = g.patient_from_index([x as f64, y as f64, z as f64]);
                    for (n, arms) in turned.iter().enumerate() {
                        let cost = shifted_cost(arms, mr, target);
                        if cost < least.0 {
                            least = (cost, Pose { centre, turn: turns[n], shift: sub(target, centre) });
                        }
                    }
                }
            }
            least
        })
        .collect();
    best.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out: Vec<(f64, Pose)> = Vec::new();
    for (cost, pose) in best {
        if out.len() < 2 * CANDIDATES && out.iter().all(|(_, other)| (other.shift[2] - pose.shift[2]).abs() > APART_MM) {
            out.push((cost, pose));
        }
    }
    out
}

/// As [`rough_cost`] for places given from the spine's middle, which comes to lie at `target`; gives up once it must be bad.
fn shifted_cost(arms: &[Point], mr: &Descriptors, target: V3) -> f64 {
    let (mut sum, mut weights, mut unseen) = (0.0_f64, 0.0_f64, 0_usize);
    for p in arms {
        let weight = f64::from(p.weight);
        weights += weight;
        let at = [p.at[0] + target[0], p.at[1] + target[1], p.at[2] + target[2]];
        match mr.nearest(at) {
            None => {
                sum += weight * UNSEEN;
                unseen += 1;
                if unseen > 3 * arms.len() / 4 {
                    return f64::INFINITY;
                }
            }
            Some(found) => {
                let square: i32 = found.iter().zip(&p.values).map(|(a, b)| (i32::from(*a) - i32::from(*b)).pow(2)).sum();
                let e = f64::from(square) / (255.0 * 255.0 * super::mind::CHANNELS as f64);
                sum += weight * (e / (e + 0.1));
            }
        }
    }
    if weights > 0.0 { sum / weights } else { f64::INFINITY }
}
