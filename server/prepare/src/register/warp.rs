//! The way from CT to MR at every place: exactly rigid in each bone, blended by the distance to the bones between them.
//!
//! Shepard's weights, as Little, Hill and Hawkes (1997, doi:10.1006/cviu.1997.0608) blend rigid bodies: a bone's motion counts with
//! one over the square of its distance, so that on its surface nothing else counts.

use rayon::prelude::*;
use spinor_volume::query::{clamp_mm, sdf_mm};
use spinor_volume::{BRICK, BRICK_VOXELS, BrickSamples, Grid, Patient, Structure};

use super::rigid::{Rigid, V3, inverse, moved};
use crate::edt::nearest_features;
use crate::volume3d::{Geometry, Image};

/// Voxel of the lattice that distances are kept on, mm.
const SPACING_MM: f64 = 2.0;
/// How far around the bones distances are kept, mm; beyond, those of the edge hold.
const MARGIN_MM: f64 = 30.0;
/// Least distance outside a bone, mm: keeps weights finite.
const LEAST_MM: f64 = 0.05;
/// Rounds that undoing the blend takes at most, and the step at which it is done, mm.
const ROUNDS: usize = 40;
const STILL_MM: f64 = 1e-3;

struct Body<'a> {
    structure: &'a Structure,
    mr_from_ct: Rigid,
    distances: Image<f32>,
}

/// Where a place of the CT lies in the MR.
pub struct Warp<'a> {
    grid: &'a Grid,
    bodies: Vec<Body<'a>>,
    whole: Rigid,
}

impl<'a> Warp<'a> {
    /// Blends the motions of the bones of `motions` that `patient` has; where it has none of them, `whole` moves everything.
    pub fn new(patient: &'a Patient, motions: &[(String, Rigid)], whole: Rigid) -> Self {
        Self::of(patient.grid(), patient.structures(), motions, whole)
    }

    /// As [`Self::new`], of structures on a grid that are no patient yet.
    pub fn of(grid: &'a Grid, structures: &'a [Structure], motions: &[(String, Rigid)], whole: Rigid) -> Self {
        let bones = structures.iter().filter_map(|s| {
            let (_, motion) = motions.iter().find(|(name, _)| *name == s.label.name())?;
            Some((s, *motion))
        });
        let bodies = bones
            .filter_map(|(structure, mr_from_ct)| {
                let distances = distances(grid, structure)?;
                Some(Body { structure, mr_from_ct, distances })
            })
            .collect();
        Self { grid, bodies, whole }
    }

    /// `mr_from_ct` at a place of the CT, LPS mm.
    pub fn mr_from_ct(&self, p: [f64; 3]) -> [f64; 3] {
        let (mut sum, mut weights) = ([0.0; 3], 0.0);
        for body in &self.bodies {
            let near = sdf_mm(self.grid, &body.structure.sdf, p);
            if near < 0.0 {
                return moved(&body.mr_from_ct, p);
            }
            let g = &body.distances.geometry;
            let index = g.index_from_patient(p);
            let held = [0, 1, 2].map(|k| index[k].clamp(0.0, g.size[k] as f64 - 1.0));
            // Beyond the lattice a bone is as much farther as the place is from it.
            let beyond: f64 = (0..3).map(|k| ((index[k] - held[k]) * g.spacing_mm[k]).powi(2)).sum();
            let far = body.distances.trilinear(held).unwrap_or(1e3) + beyond.sqrt();
            // The lattice is too coarse for the gap of a facet joint: there the field itself counts, and hands over before it ends.
            let handed_over = (2.0 * near / clamp_mm(self.grid) - 1.0).clamp(0.0, 1.0);
            let distance = (near + handed_over * (far - near).max(0.0)).max(LEAST_MM);
            let weight = 1.0 / (distance * distance);
            let there = moved(&body.mr_from_ct, p);
            weights += weight;
            for k in 0..3 {
                sum[k] += weight * there[k];
            }
        }
        if weights > 0.0 { sum.map(|v| v / weights) } else { moved(&self.whole, p) }
    }

    /// `ct_from_mr` at a place of the MR, LPS mm: the blend undone step by step, to a hundredth of a mm where bones do not collide.
    pub fn ct_from_mr(&self, p: [f64; 3]) -> [f64; 3] {
        let back = inverse(&self.whole);
        let mut at = moved(&back, p);
        for _ in 0..ROUNDS {
            let there = self.mr_from_ct(at);
            // What is missing in the MR, turned into the CT.
            let missing = [p[0] - there[0], p[1] - there[1], p[2] - there[2]];
            let step: V3 = [0, 1, 2].map(|r| (0..3).map(|c| back[r][c] * missing[c]).sum());
            for k in 0..3 {
                at[k] += step[k];
            }
            if step.iter().map(|v| v * v).sum::<f64>() < STILL_MM * STILL_MM {
                break;
            }
        }
        at
    }

    /// An image of the MR as it would look had the patient lain as in the CT: on its own lattice, moved as a whole into the CT's
    /// frame by the returned `ct_from_image`. Zero where the MR does not reach.
    pub fn straightened(&self, mr: &Image<f32>) -> (Image<f32>, Rigid) {
        let ct_from_image = inverse(&self.whole);
        let g = mr.geometry;
        let voxels = (0..g.voxel_count())
            .into_par_iter()
            .with_min_len(4096)
            .map(|n| {
                let own = g.patient_from_index(g.index_of(n).map(|v| v as f64));
                let there = self.mr_from_ct(moved(&ct_from_image, own));
                let index = g.index_from_patient(there);
                let inside = (0..3).all(|k| (-0.5..=g.size[k] as f64 - 0.5).contains(&index[k]));
                let held = [0, 1, 2].map(|k| index[k].clamp(0.0, g.size[k] as f64 - 1.0));
                if inside { mr.trilinear(held).unwrap_or(0.0) as f32 } else { 0.0 }
            })
            .collect();
        (Image { geometry: g, voxels }, ct_from_image)
    }
}

/// Distance to a structure's voxels around the case, mm; none for a structure without any.
fn distances(grid: &Grid, structure: &Structure) -> Option<Image<f32>> {
    let low = grid.patient_from_index([0.0; 3]).map(|v| v - MARGIN_MM);
    let high = grid.patient_from_index(grid.voxels().map(f64::from)).map(|v| v + MARGIN_MM);
    let size = [0, 1, 2].map(|k| ((high[k] - low[k]) / SPACING_MM).ceil() as usize + 1);
    let geometry = Geometry::axis_aligned(size, [SPACING_MM; 3], low).ok()?;
    let mut inside = vec![false; geometry.voxel_count()];
    let mut mark = |p: V3| {
        let index = geometry.index_from_patient(p).map(|v| v.round().max(0.0) as usize);
        if let Some(slot) = inside.get_mut(geometry.offset(index)) {
            *slot = true;
        }
    };
    let mut visit = |brick, samples: Option<&BrickSamples>| {
        let first = grid.brick_coords(brick).map(|v| v as usize * BRICK);
        for at in 0..BRICK_VOXELS {
            if samples.is_none_or(|s| s[at] < 0) {
                let v = [first[0] + at % BRICK, first[1] + at / BRICK % BRICK, first[2] + at / (BRICK * BRICK)];
                mark(grid.patient_from_index(v.map(|c| c as f64)));
            }
        }
    };
    for (brick, samples) in structure.sdf.stored() {
        visit(brick, Some(samples));
    }
    for brick in structure.sdf.inside() {
        visit(brick, None);
    }
    if !inside.contains(&true) {
        return None;
    }
    let map = nearest_features(geometry.size, geometry.spacing_mm, |at| inside[at]);
    Some(Image { geometry, voxels: map.distances_mm() })
}
