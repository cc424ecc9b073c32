//! What a registration says of itself: which bones were found, how sure their places are, and whether the levels are beyond doubt.

use rayon::prelude::*;

use super::bones::{Bone, bones as labelled};
use super::chain::{self, Chain};
use super::fit::Fit;
use super::native::Closer;
use super::rigid::{Pose, V3, add, best_rigid, length, product, rotation_vector, scale, sub, transposed};
use super::{BoneMotion, CLEAR, Registration, Scene, fit};
use crate::volume3d::Image;

/// A bone's mean cost above which it is not found.
const FOUND: f64 = 0.55;
/// Least share of a bone that the MR must show.
const SHOWN: f64 = 0.35;
/// Uncertainty of a bone that the MR does not show, mm.
const UNSEEN_MM: f64 = 8.0;
/// What the spread of the fit to descriptors is multiplied by, to hold 95 % of the mean errors that it leaves: on ten phantoms it held 58 of
/// 60 bones. By itself it is a quarter of those errors on average: it does not know of what shifts all of a bone alike.
const SPREAD_FACTOR: f64 = 7.0;
/// What no uncertainty goes below, as a share of the MR's largest voxel edge. On phantoms errors (mean over a bone) stayed below 0.21 of it;
/// scanners' distortions and labels that are not the truth, which phantoms lack, are what the rest is for.
const LEAST_PER_SLICE: f64 = 0.4;
/// By how much the last step must raise the mutual information, nats; bones that were 0.1 mm off and more gained 0.005 and more.
const LEAST_GAIN: f64 = 1e-4;
/// How far a joint may gape, and turn, from one posture to another: well beyond what a living joint does.
const JOINT_GAP_MM: f64 = 8.0;
const JOINT_TURN_DEG: f64 = 18.0;

/// Whether the MR shows enough of a bone and what it shows is like it.
pub(super) fn found(fit: &Fit) -> bool {
    fit.coverage >= SHOWN && fit.cost <= FOUND
}

/// The pose that counts of two, with how far apart they are if that is farther than the bone's uncertainty allows.
fn chosen(placed: &Pose, closer: Option<&Closer>, uncertainty_mm: f64) -> (Pose, Option<f64>) {
    match closer.filter(|c| c.gain > LEAST_GAIN) {
        Some(c) if c.moved_mm > uncertainty_mm => (*placed, Some(c.moved_mm)),
        Some(c) => (c.pose, None),
        None => (*placed, None),
    }
}

/// Says of the fitted bones what may be believed of them; `closer` is what the last step makes of the chain's poses, `edge_mm` the MR's
/// largest voxel edge, `doubts` what the CT's labels left in doubt.
pub(super) fn report(
    bones: &[Bone],
    fine: &Scene,
    (chain, closer): (&Chain, &[Option<Closer>]),
    margin: f64,
    edge_mm: f64,
    mr_labels: Option<&Image<u16>>,
    doubts: Vec<String>,
) -> Registration {
    let found: Vec<bool> = chain.fits.iter().map(found).collect();
    // A bone that was not found goes with the nearest that was.
    let nearest = |n: usize| (0..bones.len()).filter(|k| found[*k]).min_by_key(|k| k.abs_diff(n)).unwrap_or(n);
    let poses: Vec<Pose> = (0..bones.len()).map(|n| chain.fits[nearest(n)].pose.about(bones[n].centre)).collect();
    let spreads: Vec<f64> = (0..bones.len())
        .into_par_iter()
        .map(|n| fit::spread_mm(&fine.points[n], &fine.mr, &poses[n], &chain::neighbours(bones, &poses, n)))
        .collect();
    let uncertainty = |n: usize| (SPREAD_FACTOR * spreads[n]).max(LEAST_PER_SLICE * edge_mm).min(UNSEEN_MM);
    let last: Vec<(Pose, Option<f64>)> =
        (0..bones.len()).map(|n| chosen(&chain.fits[n].pose, closer[n].as_ref(), uncertainty(n))).collect();
    let poses: Vec<Pose> = (0..bones.len()).map(|n| last[nearest(n)].0.about(bones[n].centre)).collect();
    let motions: Vec<BoneMotion> = (0..bones.len())
        .map(|n| BoneMotion {
            label: bones[n].label,
            mr_from_ct: poses[n].rigid(),
            uncertainty_mm: if found[n] { uncertainty(n).max(last[n].1.unwrap_or(0.0)).min(UNSEEN_MM) } else { UNSEEN_MM },
            spread_mm: spreads[n],
            found: found[n],
            cost: chain.fits[n].cost,
            coverage: chain.fits[n].coverage,
        })
        .collect();
    let pairs: Vec<(V3, V3)> = bones
        .iter()
        .zip(&poses)
        .flat_map(|(bone, pose)| {
            let beside = [[0.0; 3], [20.0, 0.0, 0.0], [0.0, 20.0, 0.0], [0.0, 0.0, 20.0]];
            beside.map(|d| add(bone.centre, d)).map(|p| (p, pose.mr(p)))
        })
        .collect();
    let whole = best_rigid(&pairs, &poses[0].turn).unwrap_or(poses[0]);
    let mut warnings = Vec::new();
    if margin < CLEAR {
        warnings.push(format!(
            "The MR fits nearly as well with the vertebrae one level off ({:.0} % of the way to chance): its levels are in doubt. Check \
             them by counting from the sacrum before anything is planned on it.",
            100.0 * margin
        ));
    }
    let doubted = !doubts.is_empty();
    warnings.extend(doubts);
    let missing: Vec<String> = motions.iter().filter(|b| !b.found).map(|b| b.label.name()).collect();
    if !missing.is_empty() {
        warnings
            .push(format!("In the MR these bones were not found, they are placed by their neighbours: {}.", missing.join(", ")));
    }
    let disputed =
        bones.iter().zip(&last).filter_map(|(bone, (_, apart))| Some(format!("{} by {:.1} mm", bone.label.name(), (*apart)?)));
    let disputed: Vec<String> = disputed.collect();
    if !disputed.is_empty() {
        warnings.push(format!(
            "Descriptors and mutual information put these bones in different places ({}): they lie where descriptors put them, check them.",
            disputed.join(", ")
        ));
    }
    let torn = torn(bones, &poses);
    if !torn.is_empty() {
        warnings.push(format!(
            "Neighbouring vertebrae came to lie as no posture puts them ({}): one of them is likely to be found in the wrong place.",
            torn.join(", ")
        ));
    }
    let misnamed = mr_labels.map(|l| misnamed(bones, &poses, l)).unwrap_or_default();
    if !misnamed.is_empty() {
        warnings.push(format!(
            "The MR's labels name other levels than the CT's where the images agree ({}): one of the two is misnamed.",
            misnamed.join(", ")
        ));
    }
    let mirrored = mr_labels.is_some_and(|l| super::labels::sides(l).is_err());
    if mirrored {
        warnings.push("The MR's labels have left structures on the right: they are mirrored.".to_owned());
    }
    // Two measures that put a bone as far apart as one that is not seen leave nobody knowing where it is.
    let lost = last.iter().any(|(_, apart)| apart.is_some_and(|mm| mm >= UNSEEN_MM));
    let verified =
        margin >= CLEAR && !doubted && !mirrored && !lost && missing.is_empty() && torn.is_empty() && misnamed.is_empty();
    let method = "rigid per vertebra, MIND-SSC and mutual information, blended between".to_owned();
    Registration { method, bones: motions, mr_from_ct: whole.rigid(), verified, level_margin: margin, warnings }
}

/// Neighbours whose joint gapes or that are turned against each other beyond what a joint allows.
fn torn(bones: &[Bone], poses: &[Pose]) -> Vec<String> {
    (1..bones.len())
        .filter(|n| {
            let (a, b) = (&poses[n - 1], &poses[*n]);
            let joint = scale(add(bones[n - 1].centre, bones[*n].centre), 0.5);
            let twist = rotation_vector(&product(&a.turn, &transposed(&b.turn)));
            length(sub(a.mr(joint), b.mr(joint))) > JOINT_GAP_MM || length(twist) > JOINT_TURN_DEG.to_radians()
        })
        .map(|n| format!("{} and {}", bones[n - 1].label.name(), bones[n].label.name()))
        .collect()
}

/// Bones whose middle, carried into the MR, lies nearest to a bone with another name there.
fn misnamed(bones: &[Bone], poses: &[Pose], mr_labels: &Image<u16>) -> Vec<String> {
    let there = labelled(mr_labels);
    let nearest = |p: V3| there.iter().min_by(|a, b| length(sub(a.centre, p)).total_cmp(&length(sub(b.centre, p))));
    bones
        .iter()
        .zip(poses)
        .filter_map(|(bone, pose)| {
            let p = pose.mr(bone.centre);
            let found = nearest(p).filter(|b| length(sub(b.centre, p)) < 20.0)?;
            (found.label != bone.label).then(|| format!("{} lies on {}", bone.label.name(), found.label.name()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::rigid::rotation;
    use super::*;

    /// The last step counts where it found more in common and stayed within the uncertainty; farther off it is said and not followed.
    #[test]
    fn the_last_step_may_not_go_far() {
        let placed = Pose { centre: [0.0; 3], turn: rotation([0.0; 3]), shift: [5.0, 0.0, 0.0] };
        let to = |mm: f64, gain: f64| Closer { pose: placed.moved([0.0; 3], [mm, 0.0, 0.0]), gain, moved_mm: mm };
        let (pose, apart) = chosen(&placed, Some(&to(0.4, 0.01)), 1.0);
        assert_eq!((pose.shift[0], apart), (5.4, None));
        assert_eq!(chosen(&placed, Some(&to(1.2, 0.01)), 1.0), (placed, Some(1.2)));
        assert_eq!(chosen(&placed, Some(&to(0.4, 1e-9)), 1.0), (placed, None));
        assert_eq!(chosen(&placed, Some(&to(1.2, 1e-9)), 1.0), (placed, None));
        assert_eq!(chosen(&placed, None, 1.0), (placed, None));
    }
}
