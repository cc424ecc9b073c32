//! Registration of an MR to a CT of the same patient, lying differently: every vertebra by a rigid motion of its own.
//!
//! 1. The bones of the CT's label map are looked for in the MR as one rigid body: from the headers' positions, from the labels'
//!    middles where the MR is labelled too, and over all shifts and some turns.
//! 2. From each likely pose the bones are followed one by one, each from its neighbour's pose with several starts; the same is done
//!    with all bones one level higher and lower. What fits best must fit clearly better than what lies a level off, or the
//!    registration counts as unverified: an MR on the wrong level is the error that must never pass.
//! 3. The bones are fitted again at full resolution, each held loosely by its neighbours, with an uncertainty from the fit's own
//!    curvature.
//! 4. From there every bone is fitted to the most mutual information on the images' own voxels. Where that would move it farther than its
//!    uncertainty it stays, and this is said.
//! 5. [`Warp`] blends the motions between the bones.
//!
//! Up to step 3 CT and MR are compared by descriptors that do not depend on contrast (MIND-SSC). The result does not depend on the
//! number of threads.

mod bones;
mod chain;
mod coarse;
mod fit;
mod judge;
mod labels;
mod lattice;
mod mind;
mod native;
#[cfg(test)]
mod refusals;
pub(crate) mod rigid;
#[cfg(test)]
mod tests;
mod warp;

use rayon::prelude::*;
use spinor_volume::Label;
use thiserror::Error;

pub use rigid::Rigid;
pub use warp::Warp;

use crate::volume3d::{GeometryError, Image};
use bones::{Bone, Point};
use chain::Chain;
use lattice::Box3;
use mind::Descriptors;
use rigid::{Pose, V3, best_rigid, length, rotation, sub};

/// Lattices from coarse to fine, mm, and how many places of a bone are looked at on each.
const COARSE_MM: f64 = 5.0;
const MEDIUM_MM: f64 = 2.5;
const FINE_MM: f64 = 1.25;
const COARSE_POINTS: usize = 250;
const MEDIUM_POINTS: usize = 900;
const FINE_POINTS: usize = 5000;
/// What of the CT is looked at around the bones, mm.
const AROUND_MM: f64 = 14.0;
/// Gaussian that a slice of some thickness amounts to, over the thickness.
const SIGMA_PER_SLICE: f64 = 0.42;
/// Bones' middles that come to lie this far apart on average belong to another level, mm.
const OTHER_LEVEL_MM: f64 = 12.0;
/// By how much of the way to no likeness at all the next best level must be worse.
const CLEAR: f64 = 0.15;

/// Why two images cannot be registered.
#[derive(Debug, Error, PartialEq)]
pub enum RegisterError {
    /// No bone to look for.
    #[error("the CT's label map holds no vertebra, so there is nothing to look for in the MR")]
    NoBone,
    /// The label map's names do not run from head to foot.
    #[error(
        "the CT's label map names {upper} above {lower}, but it lies below: the map is turned over or its levels are mixed up"
    )]
    Order {
        /// The bone that should lie above.
        upper: String,
        /// The bone that should lie below.
        lower: String,
    },
    /// The label map's left is right.
    #[error("the CT's label map has {structure} on the right: it is mirrored")]
    Mirrored {
        /// A structure on the wrong side.
        structure: String,
    },
    /// The labels lie beside the bones.
    #[error(
        "the CT's labels do not lie on its bones (of 100 pairs of places their rim is denser than what surrounds it in {percent:.0}):          are they mirrored, shifted, or of another scan?"
    )]
    OffBone {
        /// How often a place in the rim is denser than one around, percent; 50 by chance.
        percent: f64,
    },
    /// The images cannot be laid on a common lattice.
    #[error("laying CT and MR on one lattice: {0}")]
    Lattice(#[from] GeometryError),
    /// Nothing in the MR looks like the CT's bones.
    #[error(
        "no vertebra of the CT was found in the MR (the best place is {percent:.0} % as unlike as chance): \
         is it the same patient and region?"
    )]
    NotFound {
        /// Cost of the best place against that of chance, percent.
        percent: f64,
    },
}

/// One bone's way from CT to MR.
#[derive(Clone, Debug, PartialEq)]
pub struct BoneMotion {
    /// Which bone.
    pub label: Label,
    /// `mr_from_ct`, LPS mm.
    pub mr_from_ct: Rigid,
    /// How far the MR may be off there, mm: nearly all bones of phantoms lie well within; on patients nobody measured it.
    pub uncertainty_mm: f64,
    /// Standard deviation of where the fit alone puts the bone, mm: what the uncertainty is made from.
    pub spread_mm: f64,
    /// Whether the MR shows enough of the bone and what it shows fits.
    pub found: bool,
    /// Mean unlikeness, 0-1; chance gives about 0.6.
    pub cost: f64,
    /// Share of the bone that the MR reaches.
    pub coverage: f64,
}

/// How an MR lies to a CT.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// In one line: what was done.
    pub method: String,
    /// All bones of the CT from head to foot.
    pub bones: Vec<BoneMotion>,
    /// `mr_from_ct` of all bones together as one rigid body.
    pub mr_from_ct: Rigid,
    /// Whether the levels are beyond doubt and every bone was found.
    pub verified: bool,
    /// By how much of the way to chance the next best level is worse: 0 a tie, 1 as bad as chance.
    pub level_margin: f64,
    /// What a reader must know, in full sentences.
    pub warnings: Vec<String>,
}

impl Registration {
    /// Names and motions of the bones, as [`Warp::new`] takes them.
    pub fn motions(&self) -> Vec<(String, Rigid)> {
        self.bones.iter().map(|b| (b.label.name(), b.mr_from_ct)).collect()
    }
}

/// Points and descriptors of one resolution.
struct Scene {
    points: Vec<Vec<Point>>,
    mr: Descriptors,
}

fn scene(
    bones: &[Bone],
    ct: &Image<i16>,
    labels: &Image<u16>,
    mr: &Image<f32>,
    region: &Box3,
    (spacing, most): (f64, usize),
) -> Result<Scene, GeometryError> {
    let mut around = bones.iter().fold(Box3::NONE, |mut all, b| {
        all.add(b.reach.low);
        all.add(b.reach.high);
        all
    });
    around = around.grown(AROUND_MM.max(3.0 * spacing)).meet(&Box3::around(ct));
    let own = 0.5 * spacing;
    let both = |thickness: V3| thickness.map(|t| own.max(SIGMA_PER_SLICE * t));
    let sigma = both(lattice::blur_of(&mr.geometry));
    let even_ct = lattice::even(&ct.map(bounded), &around, spacing, sigma)?;
    let even_mr = lattice::even(mr, region, spacing, [own; 3])?;
    let points = bones::points(bones, labels, &mind::describe(&even_ct, 1), most);
    Ok(Scene { points, mr: mind::describe(&even_mr, 1) })
}

/// Between fat and cortex: metal and air would drown everything else.
const HU: [i16; 2] = [-250, 1400];

fn bounded(hu: i16) -> f32 {
    f32::from(hu.clamp(HU[0], HU[1]))
}

/// Registers an MR to a CT with labelled bones. `mr_labels` is the MR's own label map, in its own frame, where there is one.
///
/// Takes some seconds on two cores and about 300 MB for a lumbar spine. The label maps use the case's numbers.
///
/// # Errors
/// When there is no bone, the labels cannot be this CT's (turned over, mirrored, beside its bones), the images cannot be laid out, or
/// nothing in the MR looks like the CT's bones.
pub fn register(
    ct: &Image<i16>,
    labels: &Image<u16>,
    mr: &Image<f32>,
    mr_labels: Option<&Image<u16>>,
) -> Result<Registration, RegisterError> {
    let bones = bones::bones(labels);
    if bones.is_empty() {
        return Err(RegisterError::NoBone);
    }
    let doubts = labels::check(&bones, labels, ct)?;
    let whole_mr = Box3::around(mr);
    let coarse = scene(&bones, ct, labels, mr, &whole_mr, (COARSE_MM, COARSE_POINTS))?;
    let known = starts(&bones, mr_labels);
    let likely = coarse::candidates(&bones, &coarse.points, &coarse.mr, &known);

    let medium = scene(&bones, ct, labels, mr, &whole_mr, (MEDIUM_MM, MEDIUM_POINTS))?;
    let follow = |start: &Pose| chain::follow(&bones, &medium.points, &medium.mr, start);
    let mut chains: Vec<Chain> = likely.par_iter().map(follow).collect();
    chains.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    let shifted: Vec<Pose> = chains.first().map(|best| levels_off(&bones, best)).unwrap_or_default();
    chains.extend(shifted.par_iter().map(follow).collect::<Vec<_>>());
    chains.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    let Some(best) = chains.first() else { return Err(RegisterError::NoBone) };
    if !best.fits.iter().any(judge::found) {
        let least = best.fits.iter().map(|f| f.cost).fold(f64::INFINITY, f64::min);
        return Err(RegisterError::NotFound { percent: 100.0 * least / fit::UNSEEN });
    }
    let margin = margin(&bones, &chains);

    // Only what the bones reach in the MR is needed at full resolution.
    let reached = bones.iter().zip(&best.fits).fold(Box3::NONE, |mut all, (bone, fit)| {
        for corner in 0..8 {
            let p = [0, 1, 2].map(|k| if corner >> k & 1 == 1 { bone.reach.high[k] } else { bone.reach.low[k] });
            all.add(fit.pose.mr(p));
        }
        all
    });
    let region = reached.grown(AROUND_MM).meet(&whole_mr);
    let region = if region.is_empty() { whole_mr } else { region };
    let fine = scene(&bones, ct, labels, mr, &region, (FINE_MM, FINE_POINTS))?;
    let poses = best.fits.iter().map(|f| f.pose).collect();
    let settled = chain::settle(&bones, &fine.points, &fine.mr, poses, 3, 15);
    let placed: Vec<Pose> = settled.fits.iter().map(|f| f.pose).collect();
    let found: Vec<bool> = settled.fits.iter().map(judge::found).collect();
    let closer = native::all((ct, labels, mr), &bones, &fine.points, &placed, &found)?;
    let edge = mr.geometry.spacing_mm.iter().copied().fold(0.0, f64::max);
    Ok(judge::report(&bones, &fine, (&settled, &closer), margin, edge, mr_labels, doubts))
}

/// Starts that are known without a search: both images' own positions, and the bones' middles in both label maps.
fn starts(bones: &[Bone], mr_labels: Option<&Image<u16>>) -> Vec<Pose> {
    let mut out = vec![Pose::shifted(coarse::middle(bones), [0.0; 3])];
    if let Some(mr_labels) = mr_labels {
        let there = bones::bones(mr_labels);
        let places: Vec<(usize, V3)> = bones
            .iter()
            .enumerate()
            .filter_map(|(n, bone)| Some((n, there.iter().find(|b| b.label == bone.label)?.centre)))
            .collect();
        out.extend(coarse::through(bones, &places));
    }
    out
}

/// The best chain's poses with every bone where its neighbour above, or below, was found.
fn levels_off(bones: &[Bone], best: &Chain) -> Vec<Pose> {
    let at: Vec<V3> = bones.iter().zip(&best.fits).map(|(b, f)| f.pose.mr(b.centre)).collect();
    let up: Vec<(V3, V3)> = (1..bones.len()).map(|n| (bones[n].centre, at[n - 1])).collect();
    let down: Vec<(V3, V3)> = (1..bones.len()).map(|n| (bones[n - 1].centre, at[n])).collect();
    let turn = best.fits.first().map_or_else(|| rotation([0.0; 3]), |f| f.pose.turn);
    [up, down].iter().filter_map(|pairs| best_rigid(pairs, &turn)).collect()
}

/// By how much the best chain that puts the bones a level off is worse than the best, against what chance costs.
fn margin(bones: &[Bone], chains: &[Chain]) -> f64 {
    let Some(best) = chains.first() else { return 0.0 };
    let apart = |chain: &Chain| {
        let each = bones.iter().zip(&chain.fits).zip(&best.fits);
        each.map(|((bone, a), b)| length(sub(a.pose.mr(bone.centre), b.pose.mr(bone.centre)))).sum::<f64>() / bones.len() as f64
    };
    let rival = chains.iter().find(|chain| apart(chain) > OTHER_LEVEL_MM);
    rival.map_or(1.0, |rival| (rival.cost - best.cost) / (fit::UNSEEN - best.cost).max(1e-6))
}
