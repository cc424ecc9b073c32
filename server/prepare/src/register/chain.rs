//! The bones of a spine one after the other, each starting from where its neighbour came to lie.

use rayon::prelude::*;

use super::bones::{Bone, Point};
use super::fit::{Fit, Neighbour, fit, rough_cost};
use super::mind::Descriptors;
use super::rigid::{Pose, V3, add, scale};

/// Turns (degrees) and shifts (mm) around a neighbour's pose from which a bone starts.
const FLEXION_DEG: [f64; 5] = [-8.0, -4.0, 0.0, 4.0, 8.0];
const SIDE_DEG: [f64; 3] = [-4.0, 0.0, 4.0];
const SHIFT_MM: [f64; 3] = [-4.0, 0.0, 4.0];
/// Starts that are followed to their end.
const FOLLOWED: usize = 4;
/// Least share of a bone that the MR must show for the bone to be followed from.
const ANCHOR_COVERAGE: f64 = 0.6;

/// Poses of all bones, and their mean cost: what one guess at the levels comes to.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub fits: Vec<Fit>,
    pub cost: f64,
}

impl Chain {
    fn of(fits: Vec<Fit>) -> Self {
        let cost = fits.iter().map(|f| f.cost).sum::<f64>() / fits.len().max(1) as f64;
        Self { fits, cost }
    }
}

/// The joint between two bones: midway between their middles.
fn joint(a: &Bone, b: &Bone) -> V3 {
    scale(add(a.centre, b.centre), 0.5)
}

fn neighbour(bone: &Bone, other: &Bone, pose: &Pose) -> Neighbour {
    let joint = joint(bone, other);
    Neighbour { joint, target: pose.mr(joint), turn: pose.turn }
}

/// What the bones above and below say about bone `n`.
pub(super) fn neighbours(bones: &[Bone], poses: &[Pose], n: usize) -> Vec<Neighbour> {
    let beside = [n.checked_sub(1), (n + 1 < bones.len()).then_some(n + 1)];
    beside.into_iter().flatten().map(|k| neighbour(&bones[n], &bones[k], &poses[k])).collect()
}

/// Finds all bones from one pose of the whole spine: the bone that fits best first, then outwards from it.
pub(super) fn follow(bones: &[Bone], points: &[Vec<Point>], mr: &Descriptors, start: &Pose) -> Chain {
    let alone: Vec<Fit> = (0..bones.len()).map(|n| fit(&points[n], mr, &start.about(bones[n].centre), &[], 12)).collect();
    let seen = |n: &usize| alone[*n].coverage >= ANCHOR_COVERAGE;
    let least = |a: &usize, b: &usize| alone[*a].cost.total_cmp(&alone[*b].cost);
    let anchor = (0..bones.len()).filter(seen).min_by(least).or_else(|| (0..bones.len()).min_by(least)).unwrap_or(0);
    let mut fits = alone;
    for n in (0..anchor).rev() {
        fits[n] = from_neighbour(bones, points, mr, n, n + 1, &fits[n + 1].pose);
    }
    for n in anchor + 1..bones.len() {
        fits[n] = from_neighbour(bones, points, mr, n, n - 1, &fits[n - 1].pose);
    }
    settle(bones, points, mr, fits.iter().map(|f| f.pose).collect(), 1, 12)
}

/// The best of several starts about a neighbour's pose.
fn from_neighbour(bones: &[Bone], points: &[Vec<Point>], mr: &Descriptors, n: usize, from: usize, pose: &Pose) -> Fit {
    let start = pose.about(bones[n].centre);
    let held = [neighbour(&bones[n], &bones[from], pose)];
    let at = joint(&bones[n], &bones[from]);
    let mut starts = Vec::new();
    for flexion in FLEXION_DEG {
        for side in SIDE_DEG {
            for up in SHIFT_MM {
                for back in SHIFT_MM {
                    // Turned about the joint, as the bone really is, not about its own middle.
                    let turned = start.about(at).moved([flexion.to_radians(), side.to_radians(), 0.0], [0.0, back, up]);
                    starts.push(turned.about(bones[n].centre));
                }
            }
        }
    }
    let step = points[n].len().div_ceil(400).max(1);
    let some: Vec<Point> = points[n].iter().step_by(step).copied().collect();
    let mut rated: Vec<(f64, Pose)> = starts.into_iter().map(|pose| (rough_cost(&some, mr, &pose), pose)).collect();
    rated.sort_by(|a, b| a.0.total_cmp(&b.0));
    let followed = rated.iter().take(FOLLOWED).map(|(_, pose)| pose).chain([&start]);
    let fitted = followed.map(|pose| fit(&points[n], mr, pose, &held, 20));
    fitted.min_by(|a, b| a.cost.total_cmp(&b.cost)).unwrap_or(Fit { pose: start, cost: 1.0, coverage: 0.0 })
}

/// Fits every bone again between its neighbours, some times over. All bones of a round look at the round before, so that threads
/// do not matter.
pub(super) fn settle(
    bones: &[Bone],
    points: &[Vec<Point>],
    mr: &Descriptors,
    poses: Vec<Pose>,
    rounds: usize,
    steps: usize,
) -> Chain {
    let mut poses = poses;
    let mut fits = Vec::new();
    for _ in 0..rounds.max(1) {
        fits = (0..bones.len())
            .into_par_iter()
            .map(|n| fit(&points[n], mr, &poses[n].about(bones[n].centre), &neighbours(bones, &poses, n), steps))
            .collect();
        poses = fits.iter().map(|f: &Fit| f.pose).collect();
    }
    Chain::of(fits)
}
