//! Crops CT and MR to the case's region and packs them for slices.

use spinor_shared::case::{CaseError, IDENTITY, ImageBricks, ImageGeometry};
use spinor_volume::Grid;

use crate::register::Rigid;
use crate::volume3d::{Geometry, Image};

/// What is kept around the structures, mm: skin is not needed, the muscles beside the spine are.
const MARGIN_MM: f64 = 20.0;

/// The CT in the case's region, in HU.
pub(super) fn pack_ct(ct: &Image<i16>, grid: &Grid) -> Result<ImageBricks, CaseError> {
    let (first, size) = region(&ct.geometry, grid, &IDENTITY).unwrap_or(([0; 3], ct.geometry.size));
    ImageBricks::pack(geometry(&ct.geometry, first, size, 1.0, IDENTITY), |v| {
        ct.voxels[ct.geometry.offset([0, 1, 2].map(|k| first[k] + v[k] as usize))]
    })
}

/// The MR in the case's region, on its own lattice that `ct_from_image` moves, its values scaled to 16 bits. All of it where it lies
/// elsewhere.
pub(super) fn pack_mr(
    mr: &Image<f32>,
    grid: &Grid,
    ct_from_image: Rigid,
    warnings: &mut Vec<String>,
) -> Result<ImageBricks, CaseError> {
    let (first, size) = region(&mr.geometry, grid, &ct_from_image).unwrap_or_else(|| {
        warnings.push("By its headers the MR lies outside the structures: it has another frame than they have.".to_owned());
        ([0; 3], mr.geometry.size)
    });
    let largest = mr.voxels.iter().filter(|v| v.is_finite()).fold(0.0_f32, |most, v| most.max(v.abs()));
    let slope = if largest > 0.0 { f64::from(largest) / 32_000.0 } else { 1.0 };
    ImageBricks::pack(geometry(&mr.geometry, first, size, slope, ct_from_image), |v| {
        let value = mr.voxels[mr.geometry.offset([0, 1, 2].map(|k| first[k] + v[k] as usize))];
        if value.is_finite() { (f64::from(value) / slope).round() as i16 } else { 0 }
    })
}

/// First voxel and size of the part of an image that the case's region and its margin touch; none where they do not meet.
fn region(image: &Geometry, grid: &Grid, ct_from_image: &Rigid) -> Option<([usize; 3], [usize; 3])> {
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    let last = grid.voxels().map(|n| f64::from(n) - 1.0);
    for corner in 0..8 {
        let mut at = grid.patient_from_index([0, 1, 2].map(|k| if corner >> k & 1 == 1 { last[k] } else { 0.0 }));
        for (k, v) in at.iter_mut().enumerate() {
            *v += if corner >> k & 1 == 1 { MARGIN_MM } else { -MARGIN_MM };
        }
        let d = [0, 1, 2].map(|row| at[row] - ct_from_image[row][3]);
        let own = [0, 1, 2].map(|k| (0..3).map(|row| ct_from_image[row][k] * d[row]).sum());
        let index = image.index_from_patient(own);
        for k in 0..3 {
            low[k] = low[k].min(index[k]);
            high[k] = high[k].max(index[k]);
        }
    }
    let (mut first, mut size) = ([0; 3], [0; 3]);
    for k in 0..3 {
        let end = image.size[k] as f64 - 1.0;
        if high[k] < 0.0 || low[k] > end {
            return None;
        }
        first[k] = low[k].floor().clamp(0.0, end) as usize;
        size[k] = high[k].ceil().clamp(0.0, end) as usize + 1 - first[k];
    }
    Some((first, size))
}

fn geometry(image: &Geometry, first: [usize; 3], size: [usize; 3], slope: f64, patient_from_image: Rigid) -> ImageGeometry {
    ImageGeometry {
        size: size.map(|n| n as u32),
        spacing_mm: image.spacing_mm,
        origin_mm: image.patient_from_index(first.map(|v| v as f64)),
        direction: image.direction,
        patient_from_image,
        slope,
        intercept: 0.0,
    }
}
