//! Distances at positions: trilinear samples of the fields in patient LPS.
//!
//! Stored distances are clamped at about four voxels, so values near ±[`clamp_mm`] mean "at least that far". A stored value v is read as
//! v + ½ step, as the mesher reads it, so that no sample is exactly zero.

use crate::cut::CutState;
use crate::field::{BrickState, SparseField};
use crate::grid::{Grid, SDF_PER_VOXEL};
use crate::label::TissueClass;
use crate::patient::Patient;
use crate::sample::{carve, occupancy};
use crate::spot::{Spot, trilinear, trilinear_gradient};

/// Distance at which stored values are clamped, mm.
pub fn clamp_mm(grid: &Grid) -> f64 {
    127.5 / f64::from(SDF_PER_VOXEL) * grid.spacing_mm()
}

/// Signed distance of a field at a position in patient LPS, mm, negative inside. Outside the grid: the clamp.
pub fn sdf_mm(grid: &Grid, field: &SparseField, at_mm: [f64; 3]) -> f64 {
    let spot = Spot::new(grid, at_mm);
    spot.samples(field).map_or_else(|| clamp_mm(grid), |around| trilinear(&spot.corners_mm(grid, &around), spot.part()))
}

/// Gradient of a field at a position, mm per mm (about 1 near the surface), pointing out of the tissue.
pub fn sdf_gradient(grid: &Grid, field: &SparseField, at_mm: [f64; 3]) -> [f64; 3] {
    let spot = Spot::new(grid, at_mm);
    let Some(around) = spot.samples(field) else { return [0.0; 3] };
    trilinear_gradient(&spot.corners_mm(grid, &around), spot.part()).map(|g| g / grid.spacing_mm())
}

/// Signed distance to what is left of a structure, mm, by its place in the patient. A structure that the patient lacks is far away.
pub fn effective_sdf_mm(patient: &Patient, cut: &CutState, structure: usize, at_mm: [f64; 3]) -> f64 {
    Spot::new(patient.grid(), at_mm).left_mm(patient, cut, structure).unwrap_or_else(|| clamp_mm(patient.grid()))
}

/// As [`effective_sdf_mm`], with all the room that there is where cuts met: what keeps a thing of some size out, see [`Spot::room`].
pub fn room_mm(patient: &Patient, cut: &CutState, structure: usize, at_mm: [f64; 3]) -> f64 {
    Spot::new(patient.grid(), at_mm).room_mm(patient, cut, structure).unwrap_or_else(|| clamp_mm(patient.grid()))
}

/// Signed distance and gradient of what is left of the nearest structure of a class, and that structure's place; none where no
/// structure of the class is within the clamp.
///
/// The structures' distances are compared as interpolated values, so that each keeps its own surface.
pub fn class_sdf(patient: &Patient, cut: &CutState, class: TissueClass, at_mm: [f64; 3]) -> Option<ClassDistance> {
    let grid = patient.grid();
    let spot = Spot::new(grid, at_mm);
    let mut best: Option<ClassDistance> = None;
    of_class(patient, &spot, class, |structure| {
        let Some((distance_mm, gradient)) = spot.left_slope(patient, cut, structure) else { return };
        if best.is_none_or(|b| distance_mm < b.distance_mm) {
            best = Some(ClassDistance { structure, distance_mm, gradient });
        }
    });
    best
}

/// Shows the structures of a class that can have samples at a spot, rising.
#[inline]
fn of_class(patient: &Patient, spot: &Spot, class: TissueClass, mut show: impl FnMut(usize)) {
    let is = |structure: usize| patient.structures().get(structure).is_some_and(|s| s.class == class);
    match spot.residents(patient) {
        Some(residents) => residents.iter().map(|k| usize::from(*k)).filter(|k| is(*k)).for_each(show),
        None => (0..patient.structures().len()).filter(|k| is(*k)).for_each(&mut show),
    }
}

/// Whether a position lies in what is left of a structure of a class: whether [`class_sdf_mm`] is negative there, for less.
pub fn in_class(patient: &Patient, cut: &CutState, class: TissueClass, at_mm: [f64; 3]) -> bool {
    let spot = Spot::new(patient.grid(), at_mm);
    let mut inside = false;
    of_class(patient, &spot, class, |structure| inside |= spot.in_left(patient, cut, structure));
    inside
}

/// Signed distance to the nearest structure of a class, mm; the clamp where none is near.
pub fn class_sdf_mm(patient: &Patient, cut: &CutState, class: TissueClass, at_mm: [f64; 3]) -> f64 {
    let spot = Spot::new(patient.grid(), at_mm);
    let mut least: Option<f64> = None;
    of_class(patient, &spot, class, |structure| {
        let distance_mm = spot.left_mm(patient, cut, structure);
        least = match (least, distance_mm) {
            (Some(least), Some(here)) => Some(if here < least { here } else { least }),
            (least, here) => least.or(here),
        };
    });
    least.unwrap_or_else(|| clamp_mm(patient.grid()))
}

/// The nearest structure of a class at a position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassDistance {
    /// Place of the structure in the patient.
    pub structure: usize,
    /// Signed distance to what is left of it, mm.
    pub distance_mm: f64,
    /// Gradient there, mm per mm, pointing out of the tissue.
    pub gradient: [f64; 3],
}

/// Volume of a field, mm³, by sub-voxel occupancy (a linear step one voxel wide).
pub fn volume_mm3(grid: &Grid, field: &SparseField) -> f64 {
    let whole = field.inside().count() as i64 * (crate::grid::BRICK_VOXELS as i64) * 32;
    let stored: i64 = field.stored().map(|(_, samples)| samples.iter().map(|s| i64::from(occupancy(*s))).sum::<i64>()).sum();
    (whole + stored) as f64 / 32.0 * grid.voxel_mm3()
}

/// Volume left of a structure, mm³, by its place in the patient; 0 for one that the patient lacks.
pub fn remaining_volume_mm3(patient: &Patient, cut: &CutState, structure: usize) -> f64 {
    let Some(s) = patient.structures().get(structure) else { return 0.0 };
    let mut removed = 0_i64;
    for (brick, cut_samples) in cut.field(s.class).stored() {
        let count = |at: usize| {
            let sdf = match s.sdf.brick(brick) {
                BrickState::Outside => return 0,
                BrickState::Inside => -127,
                BrickState::Samples(samples) => samples[at],
            };
            i64::from(occupancy(sdf) - occupancy(carve(sdf, cut_samples[at])))
        };
        removed += (0..cut_samples.len()).map(count).sum::<i64>();
    }
    volume_mm3(patient.grid(), &s.sdf) - removed as f64 / 32.0 * patient.grid().voxel_mm3()
}
