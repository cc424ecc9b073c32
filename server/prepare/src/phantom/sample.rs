//! Labels and distances at every voxel of an image.

use rayon::prelude::*;
use spinor_volume::{Label, TissueClass};

use super::anatomy::Anatomy;
use crate::volume3d::Geometry;

/// What a voxel needs to know of the anatomy: its label, and the distances to the nearest bone, disc, flavum, sac, cord and root.
#[derive(Clone, Copy)]
pub(super) struct Voxel {
    pub label: Label,
    /// 1/32 mm, clamped to ±127, negative inside; in the order of [`BONE`] to [`ROOT`].
    pub distances: [i8; KINDS],
}

pub(super) const KINDS: usize = 6;
pub(super) const BONE: usize = 0;
pub(super) const DISC: usize = 1;
pub(super) const FLAVUM: usize = 2;
pub(super) const SAC: usize = 3;
pub(super) const CORD: usize = 4;
pub(super) const ROOT: usize = 5;
/// Steps of a distance per mm.
pub(super) const STEPS_PER_MM: f64 = 32.0;

/// How far from a surface distances are known, mm.
const REACH_MM: f64 = 2.2;
/// Voxels along the edges of a cell in which the same structures are near.
const CELL: usize = 4;
/// Cells along the edges of a block.
const BLOCK: usize = 4;

fn kind(label: Label) -> usize {
    match label.class() {
        Some(TissueClass::Bone) => BONE,
        Some(TissueClass::Disc) => DISC,
        Some(TissueClass::Flavum) => FLAVUM,
        _ if label == Label::SPINAL_CORD => CORD,
        _ if label == Label::DURAL_SAC => SAC,
        _ => ROOT,
    }
}

/// The anatomy at every voxel, x fastest.
pub(super) fn sample(anatomy: &Anatomy, geometry: &Geometry) -> Vec<Voxel> {
    let [nx, ny, _] = geometry.size;
    let blank = Voxel { label: Label::BACKGROUND, distances: [127; KINDS] };
    let mut voxels = vec![blank; geometry.voxel_count()];
    let radius =
        |cells: usize| (0..3).map(|k| (geometry.spacing_mm[k] * (cells * CELL - 1) as f64 / 2.0).powi(2)).sum::<f64>().sqrt();
    let (wide, close) = (radius(BLOCK), radius(1));
    voxels.par_chunks_mut(nx * ny * CELL).enumerate().for_each(|(slab, voxels)| {
        let z = slab * CELL;
        let deep = voxels.len() / (nx * ny);
        let half = CELL as f64 / 2.0 - 0.5;
        let middle = |x: usize, y: usize, cells: usize| {
            let half_wide = (cells * CELL) as f64 / 2.0 - 0.5;
            geometry.patient_from_index([x as f64 + half_wide, y as f64 + half_wide, z as f64 + half])
        };
        for by in (0..ny).step_by(CELL * BLOCK) {
            for bx in (0..nx).step_by(CELL * BLOCK) {
                let block = anatomy.near(middle(bx, by, BLOCK), wide, REACH_MM);
                if block.is_empty() {
                    continue;
                }
                for cy in (by..(by + CELL * BLOCK).min(ny)).step_by(CELL) {
                    for cx in (bx..(bx + CELL * BLOCK).min(nx)).step_by(CELL) {
                        let centre = middle(cx, cy, 1);
                        let near = anatomy.nearer(&block, centre, close, REACH_MM);
                        if near.is_empty() {
                            continue;
                        }
                        let inside = anatomy.deep(&near, centre, close, REACH_MM);
                        for k in 0..deep {
                            for y in cy..(cy + CELL).min(ny) {
                                for x in cx..(cx + CELL).min(nx) {
                                    let voxel = &mut voxels[x + nx * (y + ny * k)];
                                    let mut put = |label: Label, d: f64| {
                                        let own = &mut voxel.distances[kind(label)];
                                        *own = (*own).min((d * STEPS_PER_MM).round().clamp(-127.0, 127.0) as i8);
                                        if d < 0.0 {
                                            voxel.label = label;
                                        }
                                    };
                                    match inside {
                                        Some(label) => put(label, -1e3),
                                        None => {
                                            let p = geometry.patient_from_index([x as f64, y as f64, (z + k) as f64]);
                                            anatomy.distances(p, &near, put);
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    });
    voxels
}
