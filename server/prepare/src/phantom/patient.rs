//! A phantom's anatomy as a patient: the fields that cutting, meshing and rendering use, without any image between.

use rayon::prelude::*;
use spinor_volume::{
    BRICK, BRICK_VOXELS, BrickIndex, BrickSamples, DensityField, Grid, GridError, Label, Patient, PatientError, SDF_PER_VOXEL,
    Source, SparseField, Structure,
};
use thiserror::Error;

use super::anatomy::{Anatomy, class};
use super::options::Levels;

/// Why an anatomy cannot be made a patient.
#[derive(Debug, Error)]
pub enum PhantomPatientError {
    /// The grid that the spacing asks for cannot exist.
    #[error("laying the grid")]
    Grid(#[from] GridError),
    /// The structures do not make a patient.
    #[error("putting the structures together")]
    Patient(#[from] PatientError),
}

/// Voxels along an edge of a cell in which the same structures are near, and such cells along a brick's edge.
const CELL: usize = 4;
const CELLS: usize = BRICK / CELL;

struct Brick {
    index: BrickIndex,
    parts: Vec<(Label, Box<BrickSamples>)>,
}

/// Samples the exact surfaces of an anatomy on a grid of `spacing_mm`; structures are marked as a phantom's, with no uncertainty.
///
/// Bone gets a density of 400 HU inside and 1,200 HU in a shell of 1 mm. Sac and roots that leave the region stay open there.
///
/// # Errors
/// When the grid cannot exist or no structure lies in it.
pub fn patient(anatomy: &Anatomy, levels: Levels, spacing_mm: f64) -> Result<Patient, PhantomPatientError> {
    let (mut low, mut high) = anatomy.region(levels);
    for k in 0..3 {
        low[k] -= 2.0;
        high[k] += 2.0;
    }
    let grid = Grid::covering(low, high, spacing_mm)?;
    let step = f64::from(SDF_PER_VOXEL) / spacing_mm;
    let half = spacing_mm * (BRICK as f64 - 1.0) / 2.0;
    let bricks: Vec<Brick> = (0..grid.brick_count() as u32)
        .into_par_iter()
        .filter_map(|n| {
            let index = BrickIndex(n);
            let first = grid.brick_coords(index).map(|c| f64::from(c) * BRICK as f64);
            let corner = grid.patient_from_index(first);
            let near = anatomy.near(corner.map(|v| v + half), half * 1.7321, 4.2 * spacing_mm);
            if near.is_empty() {
                return None;
            }
            let mut parts: Vec<(Label, Box<BrickSamples>)> = Vec::new();
            for cell in 0..CELLS * CELLS * CELLS {
                let first = [cell % CELLS, cell / CELLS % CELLS, cell / (CELLS * CELLS)].map(|c| c * CELL);
                let centre = [0, 1, 2].map(|k| corner[k] + (first[k] as f64 + 1.5) * spacing_mm);
                let near = anatomy.nearer(&near, centre, 1.5 * spacing_mm * 1.7321, 4.2 * spacing_mm);
                if near.is_empty() {
                    continue;
                }
                let deep = anatomy.deep(&near, centre, 1.5 * spacing_mm * 1.7321, 4.2 * spacing_mm);
                for voxel in 0..CELL * CELL * CELL {
                    let local = [first[0] + voxel % CELL, first[1] + voxel / CELL % CELL, first[2] + voxel / (CELL * CELL)];
                    let at = local[0] + BRICK * (local[1] + BRICK * local[2]);
                    let p = [0, 1, 2].map(|k| corner[k] + local[k] as f64 * spacing_mm);
                    let mut put = |label, d: f64| {
                        let sample = (d * step).round().clamp(-127.0, 127.0) as i8;
                        if let Some((_, samples)) = parts.iter_mut().find(|(l, _)| *l == label) {
                            samples[at] = sample;
                        } else {
                            let mut samples = Box::new([127; BRICK_VOXELS]);
                            samples[at] = sample;
                            parts.push((label, samples));
                        }
                    };
                    match deep {
                        Some(label) => put(label, -1e3),
                        None => anatomy.distances(p, &near, put),
                    }
                }
            }
            parts.retain(|(_, samples)| samples.iter().any(|s| *s < 127));
            (!parts.is_empty()).then_some(Brick { index, parts })
        })
        .collect();
    let mut density = DensityField::default();
    let mut structures: Vec<Structure> = anatomy
        .labels()
        .map(|label| Structure {
            label,
            class: class(label),
            source: Source::Phantom,
            uncertainty_mm: 0.0,
            volume_mm3: 0.0,
            sdf: SparseField::outside(&grid),
        })
        .collect();
    for brick in &bricks {
        let mut bone = [127i8; BRICK_VOXELS];
        for (label, samples) in &brick.parts {
            let Some(structure) = structures.iter_mut().find(|s| s.label == *label) else { continue };
            // Half a voxel either side of the surface counts in part, as everywhere in the patient's volumes.
            let sixteenth = samples.iter().map(|s| i64::from((16 - i32::from(*s)).clamp(0, 32))).sum::<i64>();
            structure.volume_mm3 += sixteenth as f64 / 32.0 * grid.voxel_mm3();
            if samples.iter().all(|s| *s == -127) {
                structure.sdf.set_inside(brick.index);
            } else if let Some(stored) = structure.sdf.brick_mut(brick.index) {
                *stored = **samples;
            }
            if structure.class == spinor_volume::TissueClass::Bone {
                for (b, s) in bone.iter_mut().zip(samples.iter()) {
                    *b = (*b).min(*s);
                }
            }
        }
        if bone.iter().any(|s| *s < 64) {
            let shell = (-step).round() as i32;
            density.insert(
                brick.index,
                Box::new(bone.map(|s| {
                    if i32::from(s) < shell {
                        50
                    } else if s < 64 {
                        150
                    } else {
                        0
                    }
                })),
            );
        }
    }
    structures.retain(|s| s.volume_mm3 > 0.0);
    Ok(Patient::new(grid, structures, density)?)
}
