//! One bone's rigid motion by Gauss-Newton steps on the difference of descriptors, held loosely by its neighbours.

use std::collections::BTreeMap;

use super::bones::Point;
use super::mind::{CHANNELS, Descriptors};
use super::rigid::{M3, Pose, V3, add, cross, inverted, length, product, rotation_vector, scale, solve, sub, transposed, turn};

/// Mean squared difference of descriptors (of numbers 0-1) at which a place counts half.
const HALF: f64 = 0.1;
/// Cost of a place that the MR does not reach: what places have on average that do not match.
pub(super) const UNSEEN: f64 = 0.62;
/// How far a joint gives before its stiffness weighs one part: shift in mm, turn in radians (5°).
const JOINT_MM: f64 = 3.0;
const JOINT_RAD: f64 = 0.087;
/// Weight of a joint that gives that far, in units of the mean cost of a place.
const STIFFNESS: f64 = 0.0006;
/// Edge of the blocks whose places are taken to err together, mm.
const BLOCK_MM: f64 = 8.0;

/// What a neighbouring bone says about where this one should be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neighbour {
    /// The joint, in the CT.
    pub joint: V3,
    /// Where the neighbour puts the joint in the MR, and how it is turned.
    pub target: V3,
    pub turn: M3,
}

/// A fitted pose.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    pub pose: Pose,
    /// Mean cost of the bone's places without what the neighbours say, 0 alike to 1.
    pub cost: f64,
    /// Share of the places (by weight) that the MR reaches.
    pub coverage: f64,
}

/// Cost and its first and second derivatives by turn (radians) and shift (mm).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Terms {
    pub cost: f64,
    pub coverage: f64,
    pub h: [[f64; 6]; 6],
    pub g: [f64; 6],
}

/// Cost of a pose by the nearest voxels alone: for choosing where to start.
pub(super) fn rough_cost(points: &[Point], mr: &Descriptors, pose: &Pose) -> f64 {
    let (mut sum, mut weights) = (0.0, 0.0);
    for p in points {
        let weight = f64::from(p.weight);
        weights += weight;
        sum += weight
            * mr.nearest(pose.mr(p.at)).map_or(UNSEEN, |found| {
                let square: i32 = found.iter().zip(&p.values).map(|(a, b)| (i32::from(*a) - i32::from(*b)).pow(2)).sum();
                blunt(f64::from(square) / (255.0 * 255.0 * CHANNELS as f64))
            });
    }
    if weights > 0.0 { sum / weights } else { UNSEEN }
}

/// Geman and McClure's bounded cost: a place that cannot match pulls no harder than one that nearly does.
fn blunt(e: f64) -> f64 {
    e / (e + HALF)
}

fn blunt_slope(e: f64) -> f64 {
    HALF / ((e + HALF) * (e + HALF))
}

/// A place's cost, its gradient by the motion of the place, and its curvature likewise; none where the MR does not reach.
fn place(p: &Point, mr: &Descriptors, at: V3) -> Option<(f64, V3, M3)> {
    let b = mr.between(at)?;
    let (mut e, mut g, mut h) = (0.0_f32, [0.0_f32; 3], [0.0_f32; 6]);
    for n in 0..CHANNELS {
        let r = b.value[n] - f32::from(p.values[n]);
        let [x, y, z] = [b.slope[0][n], b.slope[1][n], b.slope[2][n]];
        e += r * r;
        g = [g[0] + r * x, g[1] + r * y, g[2] + r * z];
        h = [h[0] + x * x, h[1] + x * y, h[2] + x * z, h[3] + y * y, h[4] + y * z, h[5] + z * z];
    }
    let unit = 1.0 / (255.0 * 255.0 * CHANNELS as f64);
    let e = f64::from(e) * unit;
    let k = 2.0 * unit * blunt_slope(e);
    let [xx, xy, xz, yy, yz, zz] = h.map(|v| f64::from(v) * k);
    Some((blunt(e), g.map(|v| f64::from(v) * k), [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))
}

/// What a place says when a bone lies somewhere: its arm from the bone's own point, turned as the bone is, its weight, and [`place`].
struct Said {
    arm: V3,
    weight: f64,
    terms: Option<(f64, V3, M3)>,
}

/// Asks every place in turn; returns the sum of their weights, which is never zero.
fn ask(points: &[Point], mr: &Descriptors, pose: &Pose, mut each: impl FnMut(&Point, Said)) -> f64 {
    let mut weights = 0.0;
    for p in points {
        let weight = f64::from(p.weight);
        weights += weight;
        let arm = turn(&pose.turn, sub(p.at, pose.centre));
        let at = add(add(arm, pose.centre), pose.shift);
        each(p, Said { arm, weight, terms: place(p, mr, at) });
    }
    weights.max(1e-9)
}

fn terms(points: &[Point], mr: &Descriptors, pose: &Pose, neighbours: &[Neighbour]) -> Terms {
    let mut t = Terms::default();
    let weights = ask(points, mr, pose, |_, said| {
        let weight = said.weight;
        let Some((cost, g, h)) = said.terms else {
            t.cost += weight * UNSEEN;
            return;
        };
        t.cost += weight * cost;
        t.coverage += weight;
        accumulate(&mut t, said.arm, &scale(g, weight), &h.map(|row| scale(row, weight)));
    });
    let per = 1.0 / weights;
    t.cost *= per;
    t.coverage *= per;
    t.g.iter_mut().for_each(|v| *v *= per);
    t.h.iter_mut().flatten().for_each(|v| *v *= per);
    hold(&mut t, pose, neighbours, STIFFNESS);
    t
}

/// Adds what the neighbours say, by a joint's stiffness in units of the mean cost of a place.
pub(super) fn hold(t: &mut Terms, pose: &Pose, neighbours: &[Neighbour], stiffness: f64) {
    for n in neighbours {
        let arm = turn(&pose.turn, sub(n.joint, pose.centre));
        let off = sub(add(add(arm, pose.centre), pose.shift), n.target);
        let k = 2.0 * stiffness / (JOINT_MM * JOINT_MM);
        t.cost += 0.5 * k * length(off).powi(2);
        accumulate(t, arm, &scale(off, k), &[[k, 0.0, 0.0], [0.0, k, 0.0], [0.0, 0.0, k]]);
        let twist = rotation_vector(&product(&pose.turn, &transposed(&n.turn)));
        let k = 2.0 * stiffness / (JOINT_RAD * JOINT_RAD);
        t.cost += 0.5 * k * length(twist).powi(2);
        for r in 0..3 {
            t.g[r] += k * twist[r];
            t.h[r][r] += k;
        }
    }
}

/// Adds the gradient by a place's motion to that by the bone's turn and shift.
fn add_pull(sum: &mut [f64; 6], arm: V3, g: &V3) {
    let moment = cross(arm, *g);
    for r in 0..3 {
        sum[r] += moment[r];
        sum[r + 3] += g[r];
    }
}

/// The motion of the end of `arm` by a small turn: `lever · w = w × arm`.
fn lever(arm: V3) -> M3 {
    [[0.0, arm[2], -arm[1]], [-arm[2], 0.0, arm[0]], [arm[1], -arm[0], 0.0]]
}

/// Adds what a place at the end of `arm` says: gradient and curvature by its motion, turned into those by the bone's.
fn accumulate(t: &mut Terms, arm: V3, g: &V3, h: &M3) {
    // The place moves by w × arm + t: its derivative by w is the matrix −[arm]ₓ.
    add_pull(&mut t.g, arm, g);
    let lever = lever(arm);
    let across = product(h, &lever);
    let around = product(&transposed(&lever), &across);
    for r in 0..3 {
        for c in 0..3 {
            t.h[r][c] += around[r][c];
            t.h[r + 3][c] += across[r][c];
            t.h[c][r + 3] += across[r][c];
            t.h[r + 3][c + 3] += h[r][c];
        }
    }
}

/// Moves a pose to the least cost near it.
pub(super) fn fit(points: &[Point], mr: &Descriptors, start: &Pose, neighbours: &[Neighbour], steps: usize) -> Fit {
    let (pose, now) = descend(start, steps, |pose| terms(points, mr, pose, neighbours));
    let bare = if neighbours.is_empty() { now } else { terms(points, mr, &pose, &[]) };
    Fit { pose, cost: bare.cost, coverage: bare.coverage }
}

/// Steps towards the least of a cost (Levenberg and Marquardt).
pub(super) fn descend(start: &Pose, steps: usize, terms: impl Fn(&Pose) -> Terms) -> (Pose, Terms) {
    let mut pose = *start;
    let mut now = terms(&pose);
    let mut damping = 1e-3;
    for _ in 0..steps {
        let mut h = now.h;
        for k in 0..6 {
            // The floor keeps directions that nothing determines (a bone outside the MR) where they are.
            h[k][k] += damping * h[k][k] + if k < 3 { 1e-4 } else { 1e-8 };
        }
        let Some(step) = solve(&h, &now.g.map(|v| -v)) else { break };
        let (w, s) = ([step[0], step[1], step[2]], [step[3], step[4], step[5]]);
        // No step turns by more than about 6° or shifts by more than 4 mm.
        let held = (0.1 / length(w).max(1e-12)).min(4.0 / length(s).max(1e-12)).min(1.0);
        let (w, s) = (scale(w, held), scale(s, held));
        let next = pose.moved(w, s);
        let then = terms(&next);
        if then.cost < now.cost {
            let still = now.cost - then.cost < 1e-6 && length(s) < 0.01 && length(w) < 2e-4;
            (pose, now, damping) = (next, then, (damping * 0.3).max(1e-5));
            if still {
                break;
            }
        } else {
            damping *= 8.0;
            if damping > 1e4 {
                break;
            }
        }
    }
    (pose, now)
}

/// Standard deviation of where the fit puts the bone's places, mm, root mean square over them: by the cost's curvature and by how
/// much blocks of places pull in different ways (the sandwich estimate with clusters). Infinite where nothing holds the bone.
pub(super) fn spread_mm(points: &[Point], mr: &Descriptors, pose: &Pose, neighbours: &[Neighbour]) -> f64 {
    let whole = terms(points, mr, pose, neighbours);
    let Some(inverse) = inverted(&whole.h) else { return f64::INFINITY };
    let mut blocks: BTreeMap<[i64; 3], [f64; 6]> = BTreeMap::new();
    let weights = ask(points, mr, pose, |p, said| {
        if let Some((_, g, _)) = said.terms {
            let sum = blocks.entry(p.at.map(|v| (v / BLOCK_MM).floor() as i64)).or_insert([0.0; 6]);
            add_pull(sum, said.arm, &scale(g, said.weight));
        }
    });
    let per = 1.0 / weights;
    let mut meat = [[0.0; 6]; 6];
    for sum in blocks.values() {
        for r in 0..6 {
            for c in 0..6 {
                meat[r][c] += sum[r] * sum[c] * per * per;
            }
        }
    }
    let times = |a: &[[f64; 6]; 6], b: &[[f64; 6]; 6]| {
        let mut out = [[0.0; 6]; 6];
        for r in 0..6 {
            for c in 0..6 {
                out[r][c] = (0..6).map(|k| a[r][k] * b[k][c]).sum();
            }
        }
        out
    };
    let covariance = times(&times(&inverse, &meat), &inverse);
    let mut sum = 0.0;
    for p in points {
        let lever = lever(turn(&pose.turn, sub(p.at, pose.centre)));
        for axis in 0..3 {
            let mut row = [0.0; 6];
            row[..3].copy_from_slice(&lever[axis]);
            row[axis + 3] = 1.0;
            for r in 0..6 {
                for c in 0..6 {
                    sum += row[r] * covariance[r][c] * row[c];
                }
            }
        }
    }
    (sum / points.len().max(1) as f64).max(0.0).sqrt()
}
