//! Density of bone from the CT, on the bricks where bone is.

use rayon::prelude::*;
use spinor_volume::patient::HU_PER_STEP;
use spinor_volume::{BRICK, BRICK_VOXELS, BrickIndex, BrickState, DensityField, Grid, Structure, TissueClass};

use super::block::Block;
use super::quantise::lattice_origin;
use crate::volume3d::Image;

/// How far outside bone density is still stored, 1/32 voxel: what a trilinear look-up on the surface needs.
const REACH: i8 = 64;

/// Samples HU at every voxel in bone or within two voxels of it; nothing is stored elsewhere.
pub(crate) fn density(grid: &Grid, structures: &[Structure], ct: &Image<i16>) -> DensityField {
    let bones: Vec<&Structure> = structures.iter().filter(|s| s.class == TissueClass::Bone).collect();
    let origin = lattice_origin(grid);
    let bricks: Vec<(BrickIndex, Box<[u8; BRICK_VOXELS]>)> = (0..grid.brick_count() as u32)
        .into_par_iter()
        .filter_map(|n| {
            let brick = BrickIndex(n);
            let near = near_bone(&bones, brick)?;
            let coords = grid.brick_coords(brick);
            let first = [0, 1, 2].map(|k| origin[k] + coords[k] * BRICK as i32);
            let mut hu = Block { h: grid.spacing_mm(), first, size: [BRICK; 3], values: vec![0.0; BRICK_VOXELS] };
            hu.resample(&ct.geometry, &ct.voxels);
            let mut bytes = Box::new([0; BRICK_VOXELS]);
            for at in 0..BRICK_VOXELS {
                if near[at] {
                    bytes[at] = (hu.values[at] / HU_PER_STEP as f32).round().clamp(0.0, 255.0) as u8;
                }
            }
            Some((brick, bytes))
        })
        .collect();
    let mut field = DensityField::default();
    bricks.into_iter().for_each(|(brick, bytes)| field.insert(brick, bytes));
    field
}

/// Which voxels of a brick are in bone or near it; none when no voxel is.
fn near_bone(bones: &[&Structure], brick: BrickIndex) -> Option<Box<[bool; BRICK_VOXELS]>> {
    let mut near = Box::new([false; BRICK_VOXELS]);
    let mut any = false;
    for bone in bones {
        match bone.sdf.brick(brick) {
            BrickState::Outside => {}
            BrickState::Inside => {
                near.fill(true);
                any = true;
            }
            BrickState::Samples(samples) => {
                for (near, sample) in near.iter_mut().zip(samples) {
                    *near |= *sample < REACH;
                    any |= *near;
                }
            }
        }
    }
    any.then_some(near)
}
