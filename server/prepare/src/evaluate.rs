//! How well a case agrees with a reference: overlap and surface distance per structure, target registration error.
//!
//! Overlap is measured on the reference's own voxels: every structure of the case is sampled at their centres.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use spinor_shared::case::{Case, IDENTITY};
use spinor_volume::{BrickState, Grid, Label, Structure, TissueClass, VoxelIndex};
use thiserror::Error;

use crate::register::{Rigid, Warp};
use crate::schemes::Scheme;
use crate::surface::{Mask, surface_distances};
use crate::volume3d::{Geometry, Image};

/// Tolerance of the surface Dice, mm.
pub const SURFACE_DICE_TOLERANCE_MM: f64 = 1.0;

/// Whose frame a reference lies in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Frame {
    /// The CT's, which is the case's.
    #[default]
    Ct,
    /// The MR's own, as its scanner wrote it.
    Mr,
}

/// Why nothing could be evaluated.
#[derive(Debug, Error, PartialEq)]
pub enum EvaluateError {
    /// The reference lies in the MR's frame and the case has no MR.
    #[error("the case holds no MR, so nothing can be placed from the MR's frame")]
    NoMr,
    /// No structure to compare with.
    #[error("the reference holds no structure that the scheme {scheme} gives a name to (numbers found: {numbers:?})")]
    Nothing {
        /// The scheme.
        scheme: Scheme,
        /// Numbers in the reference.
        numbers: Vec<u16>,
    },
    /// Landmarks that do not belong together.
    #[error("landmarks: {ct} in CT, {mr} in MR and {names} names are not as many of each, or none")]
    Landmarks {
        /// Points in CT.
        ct: usize,
        /// Points in MR.
        mr: usize,
        /// Names.
        names: usize,
    },
    /// A landmark that is no position.
    #[error("landmark {0} is not a finite position")]
    NotFinite(usize),
}

/// Agreement of one structure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Dice similarity coefficient, 0-1; NaN when both masks are empty.
    pub dsc: f64,
    /// 95th percentile of the surface distance, mm; infinite when one mask is empty.
    pub hd95_mm: f64,
    /// Average symmetric surface distance, mm; infinite when one mask is empty.
    pub assd_mm: f64,
    /// Volume found divided by the reference's.
    pub volume_ratio: f64,
    /// Share of both surfaces within [`SURFACE_DICE_TOLERANCE_MM`] of each other.
    pub surface_dice: f64,
}

/// Compares two masks on the same box of voxels.
pub fn score(found: &Mask, reference: &Mask) -> Score {
    let (a, b) = (found.count(), reference.count());
    let both = found.inside.iter().zip(&reference.inside).filter(|(x, y)| **x && **y).count();
    let distances = surface_distances(found, reference);
    Score {
        dsc: 2.0 * both as f64 / (a + b) as f64,
        hd95_mm: distances.hausdorff_mm(95.0),
        assd_mm: distances.average_mm(),
        volume_ratio: a as f64 / b as f64,
        surface_dice: distances.dice(SURFACE_DICE_TOLERANCE_MM),
    }
}

/// Agreement of a whole case.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Every structure of the reference; one that the case lacks has a Dice of 0.
    pub structures: BTreeMap<String, (Label, Score)>,
    /// Dural sac and cord as one, where the reference holds one of them: what the dura encloses. A reference that has a cord has it in place of
    /// the sac's voxels there, a case whose sac was segmented has no cord apart.
    pub sac_with_cord: Option<Score>,
    /// Structures of the case that the reference does not hold.
    pub not_scored: Vec<String>,
    /// Numbers of the reference that the scheme gives no structure to, with their voxels.
    pub unmapped: BTreeMap<u16, u64>,
}

/// Compares a case with a label map.
///
/// # Errors
/// When the reference holds nothing to compare, or lies in the frame of an MR that the case lacks.
pub fn evaluate(case: &Case, mut reference: Image<u16>, scheme: Scheme, frame: Frame) -> Result<Evaluation, EvaluateError> {
    let way = Way::of(case, frame)?;
    let mut seen = vec![false; usize::from(u16::MAX) + 1];
    reference.voxels.iter().for_each(|v| seen[usize::from(*v)] = true);
    let numbers: Vec<u16> = (1..=u16::MAX).filter(|number| seen[usize::from(*number)]).collect();
    let unmapped = scheme.relabel(&mut reference.voxels);
    let boxes = boxes(&reference);
    if boxes.is_empty() {
        return Err(EvaluateError::Nothing { scheme, numbers });
    }
    // Several structures as one.
    let compare = |labels: &[Label]| {
        let own: Vec<&Structure> = labels.iter().filter_map(|label| case.patient.structure(*label)).collect();
        let wanted = labels.iter().filter_map(|label| boxes.get(label)).fold(Box3::NONE, |all, b| b.union(&all));
        let around = own.iter().fold(wanted, |all, s| all.union(&extent(case.patient.grid(), s, &reference.geometry, &way)));
        let wanted = around.mask(&reference.geometry, |at| reference.at(at).is_some_and(|n| labels.contains(&Label(n))));
        let found = around.mask(&reference.geometry, |at| {
            let at_mm = way.to_patient(reference.geometry.patient_from_index(at.map(|v| v as f64)));
            own.iter().any(|s| spinor_volume::query::sdf_mm(case.patient.grid(), &s.sdf, at_mm) < 0.0)
        });
        score(&found, &wanted)
    };
    let structures = boxes.keys().map(|label| (label.name(), (*label, compare(&[*label])))).collect();
    let central = [Label::DURAL_SAC, Label::SPINAL_CORD];
    let sac_with_cord = central.iter().any(|label| boxes.contains_key(label)).then(|| compare(&central));
    let not_scored = case.patient.structures().iter().filter(|s| !boxes.contains_key(&s.label)).map(|s| s.label.name()).collect();
    Ok(Evaluation { structures, sac_with_cord, not_scored, unmapped })
}

impl Evaluation {
    /// Mean Dice over the reference's structures of a kind: `vertebra` (without the sacrum), `disc` or `neural` (sac, cord and
    /// roots, each counting as much; one that the case lacks counts 0); none without one.
    pub fn mean_dsc(&self, kind: &str) -> Option<f64> {
        let of_kind = |label: &Label| match (kind, label.class()) {
            ("vertebra", Some(TissueClass::Bone)) => *label != Label::SACRUM,
            ("disc", Some(TissueClass::Disc)) | ("neural", Some(TissueClass::Neural)) => true,
            _ => false,
        };
        let values: Vec<f64> = self.structures.values().filter(|(label, _)| of_kind(label)).map(|(_, s)| s.dsc).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }

    /// The JSON object that `spinor evaluate --reference` prints. What is not a finite number is null.
    pub fn json(&self) -> serde_json::Value {
        let one = |s: &Score| {
            serde_json::json!({
                "dsc": finite(s.dsc), "hd95_mm": finite(s.hd95_mm), "assd_mm": finite(s.assd_mm),
                "volume_ratio": finite(s.volume_ratio), "surface_dice_1mm": finite(s.surface_dice),
            })
        };
        let structures: serde_json::Map<String, serde_json::Value> =
            self.structures.iter().map(|(name, (_, s))| (name.clone(), one(s))).collect();
        serde_json::json!({
            "structures": structures,
            "mean": {"vertebra": self.mean_dsc("vertebra"), "disc": self.mean_dsc("disc"), "neural": self.mean_dsc("neural")},
            "dural_sac_with_cord": self.sac_with_cord.as_ref().map(one),
            "not_scored": self.not_scored,
            "unmapped": self.unmapped,
        })
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// The way between a frame and the patient's.
enum Way<'a> {
    Rigid(Rigid),
    /// Registered bone by bone.
    Warped(Warp<'a>),
}

impl<'a> Way<'a> {
    fn of(case: &'a Case, frame: Frame) -> Result<Self, EvaluateError> {
        if frame == Frame::Ct {
            return Ok(Self::Rigid(IDENTITY));
        }
        let patient_from_mr = case.mr.as_ref().map(|mr| mr.geometry().patient_from_image).ok_or(EvaluateError::NoMr)?;
        let motions = case.meta.registration.as_ref().map_or(&[][..], |r| &r.mr_from_ct);
        if motions.is_empty() {
            return Ok(Self::Rigid(patient_from_mr));
        }
        let mut whole = IDENTITY;
        for row in 0..3 {
            for k in 0..3 {
                whole[row][k] = patient_from_mr[k][row];
            }
        }
        let origin = moved_back(&patient_from_mr, [0.0; 3]);
        for row in 0..3 {
            whole[row][3] = origin[row];
        }
        Ok(Self::Warped(Warp::new(&case.patient, motions, whole)))
    }

    fn to_patient(&self, own: [f64; 3]) -> [f64; 3] {
        match self {
            Self::Rigid(m) => moved(m, own),
            Self::Warped(warp) => warp.ct_from_mr(own),
        }
    }

    fn to_frame(&self, at: [f64; 3]) -> [f64; 3] {
        match self {
            Self::Rigid(m) => moved_back(m, at),
            Self::Warped(warp) => warp.mr_from_ct(at),
        }
    }
}

fn moved(m: &Rigid, p: [f64; 3]) -> [f64; 3] {
    m.map(|[a, b, c, t]| a * p[0] + b * p[1] + c * p[2] + t)
}

/// The inverse of a rigid transform at a position.
fn moved_back(m: &Rigid, p: [f64; 3]) -> [f64; 3] {
    let d = [0, 1, 2].map(|row| p[row] - m[row][3]);
    [0, 1, 2].map(|k| m[0][k] * d[0] + m[1][k] * d[1] + m[2][k] * d[2])
}

/// A box of voxels, first and last inclusive.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Box3 {
    low: [i64; 3],
    high: [i64; 3],
}

impl Box3 {
    const NONE: Self = Self { low: [i64::MAX; 3], high: [i64::MIN; 3] };

    fn add(&mut self, at: [i64; 3]) {
        for k in 0..3 {
            self.low[k] = self.low[k].min(at[k]);
            self.high[k] = self.high[k].max(at[k]);
        }
    }

    fn union(&self, other: &Self) -> Self {
        let mut out = *self;
        if (0..3).all(|k| other.low[k] <= other.high[k]) {
            out.add(other.low);
            out.add(other.high);
        }
        out
    }

    fn mask(&self, geometry: &Geometry, inside: impl Fn([i64; 3]) -> bool + Sync) -> Mask {
        let size = [0, 1, 2].map(|k| (self.high[k] - self.low[k] + 1) as usize);
        let [nx, ny, _] = size;
        let count = size.iter().product();
        let at = |n: usize| [n % nx, n / nx % ny, n / (nx * ny)];
        let inside = (0..count)
            .into_par_iter()
            .with_min_len(4096)
            .map(|n| {
                let at = at(n);
                inside([0, 1, 2].map(|k| self.low[k] + at[k] as i64))
            })
            .collect();
        Mask { size, spacing_mm: geometry.spacing_mm, inside }
    }
}

/// Where every label of an image lies.
fn boxes(image: &Image<u16>) -> BTreeMap<Label, Box3> {
    let mut out: BTreeMap<Label, Box3> = BTreeMap::new();
    for (offset, label) in image.voxels.iter().enumerate().filter(|(_, label)| **label != 0) {
        let at = image.geometry.index_of(offset).map(|v| v as i64);
        out.entry(Label(*label)).or_insert(Box3::NONE).add(at);
    }
    out
}

/// The voxels of a lattice that a structure's bricks can reach, within the lattice.
fn extent(grid: &Grid, structure: &Structure, geometry: &Geometry, way: &Way<'_>) -> Box3 {
    let mut out = Box3::NONE;
    let bricks = structure.sdf.stored().map(|(brick, _)| brick).chain(structure.sdf.inside());
    for brick in bricks.filter(|brick| reaches_inside(structure, *brick)) {
        let first = grid.brick_coords(brick).map(|v| v * spinor_volume::BRICK as i32);
        for corner in 0..8 {
            // One voxel beyond the brick on every side, as far as interpolation reaches.
            let at = [0, 1, 2].map(|k| if corner >> k & 1 == 1 { first[k] + spinor_volume::BRICK as i32 } else { first[k] - 1 });
            let own = way.to_frame(grid.patient_from_index(VoxelIndex(at).0.map(f64::from)));
            let index = geometry.index_from_patient(own);
            for round in [f64::floor, f64::ceil] {
                let index = index.map(round);
                out.add([0, 1, 2].map(|k| (index[k] as i64).clamp(0, geometry.size[k] as i64 - 1)));
            }
        }
    }
    out
}

/// Whether a brick holds tissue, not only distance to tissue next door.
fn reaches_inside(structure: &Structure, brick: spinor_volume::BrickIndex) -> bool {
    match structure.sdf.brick(brick) {
        BrickState::Outside => false,
        BrickState::Inside => true,
        BrickState::Samples(samples) => samples.iter().any(|s| *s <= 0),
    }
}

/// Corresponding points in CT and MR, LPS mm, each in its own frame, and the structure each lies on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Landmarks {
    /// Points in the CT.
    pub ct: Vec<[f64; 3]>,
    /// The same points in the MR.
    pub mr: Vec<[f64; 3]>,
    /// Names of the structures.
    pub structure: Vec<String>,
}

/// Statistics of distances, mm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distances {
    /// Mean.
    pub mean: f64,
    /// Standard deviation of the sample.
    pub sd: f64,
    /// 95th percentile (nearest rank).
    pub p95: f64,
    /// Largest.
    pub max: f64,
    /// Mean of every structure.
    pub per_structure: BTreeMap<String, f64>,
}

/// Target registration error of a case, and the distance before registration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetError {
    /// With the case's registration.
    pub tre_mm: Distances,
    /// With the positions as the scanners wrote them.
    pub before_mm: Distances,
}

/// Measures how far from the MR's landmarks the case's registration puts the CT's: with every bone's own motion and the blend between
/// them, or, where the case has none, with the one rigid transform that it knows.
///
/// # Errors
/// When the case has no MR or the landmarks do not pair up.
pub fn target_error(case: &Case, landmarks: &Landmarks) -> Result<TargetError, EvaluateError> {
    let (ct, mr, names) = (landmarks.ct.len(), landmarks.mr.len(), landmarks.structure.len());
    if ct == 0 || ct != mr || ct != names {
        return Err(EvaluateError::Landmarks { ct, mr, names });
    }
    if let Some(n) = (0..ct).find(|n| landmarks.ct[*n].iter().chain(&landmarks.mr[*n]).any(|v| !v.is_finite())) {
        return Err(EvaluateError::NotFinite(n));
    }
    let registered = Way::of(case, Frame::Mr)?;
    Ok(TargetError { tre_mm: distances(landmarks, |p| registered.to_frame(p)), before_mm: distances(landmarks, |p| p) })
}

fn distances(landmarks: &Landmarks, mr_from_ct: impl Fn([f64; 3]) -> [f64; 3]) -> Distances {
    let pairs = landmarks.ct.iter().zip(&landmarks.mr);
    let all: Vec<f64> = pairs
        .map(|(ct, mr)| {
            let ct = mr_from_ct(*ct);
            (0..3).map(|k| (ct[k] - mr[k]).powi(2)).sum::<f64>().sqrt()
        })
        .collect();
    let mean_of = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let mean = mean_of(&all);
    let mut sorted = all.clone();
    sorted.sort_by(f64::total_cmp);
    let rank = (0.95 * sorted.len() as f64).ceil() as usize;
    let mut groups: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, value) in landmarks.structure.iter().zip(&all) {
        groups.entry(name.clone()).or_default().push(*value);
    }
    let spread = all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (all.len().max(2) - 1) as f64;
    Distances {
        mean,
        sd: spread.sqrt(),
        p95: sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN),
        max: sorted.last().copied().unwrap_or(f64::NAN),
        per_structure: groups.into_iter().map(|(name, values)| (name, mean_of(&values))).collect(),
    }
}

#[cfg(test)]
mod tests;
