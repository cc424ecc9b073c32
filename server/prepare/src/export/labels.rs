//! Label maps from fields.

use rayon::prelude::*;
use spinor_shared::case::ImageGeometry;
use spinor_volume::cut::CutState;
use spinor_volume::query::effective_sdf_mm;
use spinor_volume::{Label, Patient, VoxelIndex};

use super::ExportError;
use crate::volume3d::{Geometry, IDENTITY, Image};

/// Two voxels: a point whose nearest sample is farther outside cannot be inside.
const FAR: i8 = 64;

/// A label map of what `cut` left, on the case's own lattice: each voxel belongs to the structure it lies deepest in.
pub fn labels_on_case_grid(patient: &Patient, cut: Option<&CutState>) -> Image<u16> {
    let grid = patient.grid();
    let size = grid.voxels().map(|n| n as usize);
    let geometry = Geometry { size, spacing_mm: [grid.spacing_mm(); 3], origin_mm: grid.origin_mm(), direction: IDENTITY };
    let mut image = Image::filled(geometry, 0);
    image.voxels.par_chunks_mut(size[0] * size[1]).enumerate().for_each(|(z, plane)| {
        for (at, voxel) in plane.iter_mut().enumerate() {
            let index = VoxelIndex([(at % size[0]) as i32, (at / size[0]) as i32, z as i32]);
            let mut deepest = 0;
            for structure in patient.structures() {
                let intact = i32::from(structure.sdf.sample(grid, index));
                let value = match cut {
                    Some(cut) if intact < deepest => intact.max(-i32::from(cut.field(structure.class).sample(grid, index))),
                    _ => intact,
                };
                if value < deepest {
                    (deepest, *voxel) = (value, structure.label.0);
                }
            }
        }
    });
    image
}

/// A label map of what `cut` left, on the lattice of an image of the case: a voxel counts where its centre is inside a structure.
///
/// # Errors
/// When the image lies on no rectangular lattice in the patient's frame.
pub fn labels_on_image(patient: &Patient, cut: Option<&CutState>, image: &ImageGeometry) -> Result<Image<u16>, ExportError> {
    let origin = image.patient_from_index([0.0; 3]);
    let mut direction = [[0.0; 3]; 3];
    for k in 0..3 {
        let mut index = [0.0; 3];
        index[k] = 1.0;
        let next = image.patient_from_index(index);
        for (row, out) in direction.iter_mut().enumerate() {
            out[k] = (next[row] - origin[row]) / image.spacing_mm[k];
        }
    }
    let geometry = Geometry::new(image.size.map(|n| n as usize), image.spacing_mm, origin, direction)
        .map_err(|_| ExportError::TooLarge("the image's grid".to_owned()))?;
    Ok(labels_on_geometry(patient, cut, geometry))
}

/// A label map of what `cut` left on any lattice in the patient's frame: a voxel counts where its centre is inside a structure.
pub(crate) fn labels_on_geometry(patient: &Patient, cut: Option<&CutState>, geometry: Geometry) -> Image<u16> {
    let none = CutState::new(patient.grid());
    let cut = cut.unwrap_or(&none);
    let plane = geometry.size[0] * geometry.size[1];
    let mut out = Image::filled(geometry, 0);
    out.voxels.par_chunks_mut(plane).enumerate().for_each(|(z, voxels)| {
        for (at, voxel) in voxels.iter_mut().enumerate() {
            let at_mm = geometry.patient_from_index(geometry.index_of(z * plane + at).map(|v| v as f64));
            *voxel = label_at(patient, cut, at_mm).0;
        }
    });
    out
}

fn label_at(patient: &Patient, cut: &CutState, at_mm: [f64; 3]) -> Label {
    let mut best = (0.0, Label::BACKGROUND);
    let nearest = VoxelIndex(patient.grid().index_from_patient(at_mm).map(|v| v.round() as i32));
    for (n, structure) in patient.structures().iter().enumerate() {
        if structure.sdf.sample(patient.grid(), nearest) > FAR {
            continue;
        }
        let sdf = effective_sdf_mm(patient, cut, n, at_mm);
        if sdf < best.0 {
            best = (sdf, structure.label);
        }
    }
    best.1
}
