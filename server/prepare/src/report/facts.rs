//! The numbers of a report, and where its slices lie.

use std::collections::BTreeMap;

use serde::Serialize;
use spinor_shared::case::{Case, RegistrationMeta};
use spinor_volume::{BRICK, BRICK_VOXELS, BrickSamples, BrickState, Label, Patient, Source, Structure, TissueClass};

use super::canal::{CanalFacts, areas};
use crate::vector::sub;
use crate::volume3d::Image;

/// What every report says of itself.
pub(super) const PURPOSE: &str = "For education and rehearsal; not a medical device.";

/// One structure of the report.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StructureFacts {
    pub label: u16,
    #[serde(skip)]
    pub colour: [u8; 3],
    /// Level it belongs to.
    pub level: String,
    pub volume_mm3: f64,
    /// Mean of the CT inside; none without a CT there.
    pub mean_hu: Option<f64>,
    pub source: &'static str,
    /// For a structure drawn by hand, the source of what it took the place of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrects: Option<String>,
    /// `mr` for what was seen in the MR of a case that lies in the CT's frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    pub confidence: Option<f64>,
    pub uncertainty_mm: f64,
}

/// Where a slice across the spine is taken.
#[derive(Clone, Debug)]
pub(super) struct Cross {
    pub caption: String,
    pub centre: [f64; 3],
    pub up: [f64; 3],
}

/// Geometry of an image, for the record.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ImageFacts {
    pub size: [usize; 3],
    pub spacing_mm: [f64; 3],
    pub direction: [[f64; 3]; 3],
}

/// All numbers of a report.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Facts {
    pub purpose: &'static str,
    pub case: String,
    pub created_with: String,
    pub warnings: Vec<String>,
    pub levels: Vec<String>,
    pub structures: BTreeMap<String, StructureFacts>,
    /// How many structures are of which source.
    pub sources: BTreeMap<&'static str, usize>,
    /// Areas of the canal from head to foot.
    pub canal: Vec<CanalFacts>,
    pub voxel_mm: f64,
    pub extent_mm: [f64; 3],
    pub ct: Option<ImageFacts>,
    pub mr_registration: Option<String>,
    #[serde(skip)]
    pub low_mm: [f64; 3],
    #[serde(skip)]
    pub high_mm: [f64; 3],
    /// Middle of the spinal canal, or of the bone where there is none.
    #[serde(skip)]
    pub middle_mm: [f64; 3],
    #[serde(skip)]
    pub planes: Vec<Cross>,
}

/// Middle, box and spread of a structure, from its voxels inside.
struct Body {
    label: Label,
    middle: [f64; 3],
    low: [f64; 3],
    high: [f64; 3],
    /// Unit vector along which it is thinnest, upwards.
    thin: [f64; 3],
}

impl Facts {
    pub(super) fn of(case: &Case, ct: Option<&Image<i16>>, hash: &str) -> Self {
        let patient = &case.patient;
        let grid = patient.grid();
        let bodies: Vec<Body> = patient.structures().iter().filter_map(|s| body(patient, s)).collect();
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        let bone = |b: &&Body| b.label.class() == Some(TissueClass::Bone);
        for b in bodies.iter().filter(bone) {
            for k in 0..3 {
                low[k] = low[k].min(b.low[k]);
                high[k] = high[k].max(b.high[k]);
            }
        }
        if low[0] > high[0] {
            (low, high) = (grid.origin_mm(), grid.patient_from_index(grid.voxels().map(f64::from)));
        }
        let bones: Vec<[f64; 3]> = bodies.iter().filter(bone).map(|b| b.middle).collect();
        let mean = |of: &[[f64; 3]]| [0, 1, 2].map(|k| of.iter().map(|p| p[k]).sum::<f64>() / of.len().max(1) as f64);
        let middle_mm = bodies.iter().find(|b| b.label == Label::DURAL_SAC).map_or_else(
            || if bones.is_empty() { [0, 1, 2].map(|k| (low[k] + high[k]) / 2.0) } else { mean(&bones) },
            |b| b.middle,
        );
        let structures = patient.structures().iter().map(|s| (s.label.name(), structure(case, ct, s))).collect();
        let mut warnings = case.meta.warnings.clone();
        let proposed: Vec<String> =
            patient.structures().iter().filter(|s| s.source == Source::Proposed).map(|s| s.label.name()).collect();
        if !proposed.is_empty() && !warnings.iter().any(|w| w.contains("proposed")) {
            warnings.push(format!("Proposed from the anatomy around, seen in no image: {}.", proposed.join(", ")));
        }
        let mut sources: BTreeMap<&'static str, usize> = BTreeMap::new();
        patient.structures().iter().for_each(|s| *sources.entry(s.source.word()).or_insert(0) += 1);
        let planes = planes(&bodies);
        Self {
            purpose: PURPOSE,
            case: hash.to_owned(),
            created_with: case.meta.created_with.clone(),
            warnings,
            levels: patient
                .structures()
                .iter()
                .filter(|s| s.class == TissueClass::Bone)
                .filter_map(|s| s.label.level())
                .collect(),
            structures,
            sources,
            canal: areas(patient, &planes, seen_in_mr(case)),
            voxel_mm: grid.spacing_mm(),
            extent_mm: grid.voxels().map(|n| (f64::from(n) * grid.spacing_mm() * 10.0).round() / 10.0),
            ct: ct.map(|ct| ImageFacts {
                size: ct.geometry.size,
                spacing_mm: ct.geometry.spacing_mm,
                direction: ct.geometry.direction,
            }),
            mr_registration: case.meta.registration.as_ref().map(registration),
            low_mm: low,
            high_mm: high,
            middle_mm,
            planes,
        }
    }
}

/// Whether the dural sac was seen in the MR.
fn seen_in_mr(case: &Case) -> bool {
    case.ct.is_none() || case.meta.structures.iter().any(|m| m.label == Label::DURAL_SAC.0 && m.image.is_some())
}

fn registration(meta: &RegistrationMeta) -> String {
    let checked = if meta.verified { "checked" } else { "not checked by anything" };
    let worst = meta.per_vertebra.iter().map(|(_, mm)| *mm).fold(0.0, f64::max);
    let worst = if worst > 0.0 { format!(", largest uncertainty {worst:.1} mm") } else { String::new() };
    format!("{}, {checked}{worst}", meta.method)
}

fn structure(case: &Case, ct: Option<&Image<i16>>, s: &Structure) -> StructureFacts {
    let known = case.meta.structures.iter().find(|m| m.label == s.label.0);
    let (mut sum, mut count) = (0.0, 0_u64);
    if let Some(ct) = ct {
        // Every third voxel along each axis, at least a step inside.
        inside(&case.patient, s, 3, |at| {
            if let Some(hu) = ct.trilinear_at_mm(at) {
                sum += hu;
                count += 1;
            }
        });
    }
    StructureFacts {
        label: s.label.0,
        colour: crate::palette::outline(s.label),
        level: s.label.level().unwrap_or_default(),
        volume_mm3: (s.volume_mm3 * 10.0).round() / 10.0,
        mean_hu: (count > 0).then(|| (sum / count as f64).round()),
        source: s.source.word(),
        corrects: known.and_then(|m| m.corrects.clone()),
        image: known.and_then(|m| m.image.clone()),
        confidence: known.and_then(|m| m.confidence),
        uncertainty_mm: f64::from(s.uncertainty_mm),
    }
}

/// Calls `each` with the positions of a structure's voxels inside, every `step`-th along each axis.
fn inside(patient: &Patient, s: &Structure, step: usize, mut each: impl FnMut([f64; 3])) {
    let grid = patient.grid();
    let mut visit = |brick, samples: Option<&BrickSamples>| {
        let first = grid.brick_coords(brick).map(|c| c as usize * BRICK);
        for at in 0..BRICK_VOXELS {
            let v = [first[0] + at % BRICK, first[1] + at / BRICK % BRICK, first[2] + at / (BRICK * BRICK)];
            if v.iter().all(|c| c.is_multiple_of(step)) && samples.is_none_or(|s| s[at] < 0) {
                each(grid.patient_from_index(v.map(|c| c as f64)));
            }
        }
    };
    for (brick, samples) in s.sdf.stored() {
        visit(brick, Some(samples));
    }
    for brick in s.sdf.inside().filter(|b| s.sdf.brick(*b) == BrickState::Inside) {
        visit(brick, None);
    }
}

fn body(patient: &Patient, s: &Structure) -> Option<Body> {
    let (mut low, mut high, mut n) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3], 0.0);
    let (mut sum, mut square) = ([0.0; 3], [[0.0; 3]; 3]);
    inside(patient, s, 2, |p| {
        n += 1.0;
        for a in 0..3 {
            low[a] = low[a].min(p[a]);
            high[a] = high[a].max(p[a]);
            sum[a] += p[a];
            for b in 0..3 {
                square[a][b] += p[a] * p[b];
            }
        }
    });
    if n < 1.0 {
        return None;
    }
    let middle = sum.map(|v| v / n);
    let mut spread = [[0.0; 3]; 3];
    for a in 0..3 {
        for b in 0..3 {
            spread[a][b] = square[a][b] / n - middle[a] * middle[b];
        }
    }
    Some(Body { label: s.label, middle, low, high, thin: thinnest(&spread) })
}

/// The direction of least spread, by power iteration on `trace − spread`, turned upwards.
fn thinnest(spread: &[[f64; 3]; 3]) -> [f64; 3] {
    let trace = spread[0][0] + spread[1][1] + spread[2][2];
    let mut v = [0.05, 0.1, 1.0];
    for _ in 0..60 {
        let next = [0, 1, 2].map(|a| trace * v[a] - (0..3).map(|b| spread[a][b] * v[b]).sum::<f64>());
        v = unit(next);
    }
    if v[2] < 0.0 { v.map(|c| -c) } else { v }
}

fn unit(a: [f64; 3]) -> [f64; 3] {
    let n = (a[0] * a[0] + a[1] * a[1] + a[2] * a[2]).sqrt();
    if n > 1e-9 { a.map(|v| v / n) } else { [0.0, 0.0, 1.0] }
}

/// One slice through the pedicles of each vertebra and one through each disc, from head to foot.
fn planes(bodies: &[Body]) -> Vec<Cross> {
    let mut bones: Vec<&Body> =
        bodies.iter().filter(|b| b.label.class() == Some(TissueClass::Bone) && b.label != Label::SACRUM).collect();
    bones.sort_by(|a, b| b.middle[2].total_cmp(&a.middle[2]));
    let discs: Vec<&Body> = bodies.iter().filter(|b| b.label.class() == Some(TissueClass::Disc)).collect();
    let disc_of = |level: &Option<String>| discs.iter().find(|d| d.label.level() == *level);
    let mut out = Vec::new();
    for (k, bone) in bones.iter().enumerate() {
        let name = bone.label.level().unwrap_or_default();
        let above = k.checked_sub(1).and_then(|k| bones.get(k));
        let below = bones.get(k + 1);
        let column = match (above, below) {
            (Some(a), Some(b)) => unit(sub(a.middle, b.middle)),
            (Some(a), None) => unit(sub(a.middle, bone.middle)),
            (None, Some(b)) => unit(sub(bone.middle, b.middle)),
            (None, None) => [0.0, 0.0, 1.0],
        };
        let disc_below = disc_of(&bone.label.level());
        let disc_above = above.and_then(|a| disc_of(&a.label.level()));
        let up = match (disc_above, disc_below) {
            (Some(a), Some(b)) => unit([0, 1, 2].map(|k| a.thin[k] + b.thin[k])),
            (Some(d), None) | (None, Some(d)) => unit([0, 1, 2].map(|k| d.thin[k] + column[k])),
            (None, None) => column,
        };
        // The pedicles leave from the upper half of the body, some mm above the middle of the whole bone.
        let centre = [0, 1, 2].map(|k| bone.middle[k] + 8.0 * up[k]);
        out.push(Cross { caption: format!("{name}, through the pedicles"), centre, up });
        match (disc_below, below) {
            (Some(d), _) => {
                let behind = [d.middle[0], d.middle[1] + 14.0 * d.thin[2], d.middle[2] - 14.0 * d.thin[1]];
                out.push(Cross {
                    caption: format!(
                        "{}, through the disc",
                        d.label.name().trim_start_matches("intervertebral_disc_").replace('_', "/")
                    ),
                    centre: behind,
                    up: d.thin,
                });
            }
            (None, Some(b)) => {
                let centre = [0, 1, 2].map(|k| (bone.middle[k] + b.middle[k]) / 2.0 + 4.0 * column[k]);
                out.push(Cross {
                    caption: format!("{name}/{}, between the vertebrae", b.label.level().unwrap_or_default()),
                    centre,
                    up: column,
                });
            }
            (None, None) => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The thin direction of a flat body is its axis, upwards.
    #[test]
    fn a_discs_axis_is_found() {
        let (s, c) = 0.4_f64.sin_cos();
        // Spread 100 across, 60 along (0, c, s), 4 along (0, -s, c).
        let spread =
            [[100.0, 0.0, 0.0], [0.0, 60.0 * c * c + 4.0 * s * s, 56.0 * c * s], [0.0, 56.0 * c * s, 60.0 * s * s + 4.0 * c * c]];
        let v = thinnest(&spread);
        assert!((v[1] + s).abs() < 1e-6 && (v[2] - c).abs() < 1e-6, "{v:?}");
    }
}
