//! From a block of distances to the sparse field of a case.

use spinor_volume::{BRICK, BRICK_VOXELS, BrickSamples, Grid, SDF_PER_VOXEL, SparseField};

use super::block::Block;

/// Stores a block of distances in mm as a field on `grid`, whose lattice the block shares; outside where the block ends.
pub(crate) fn sparse_field(grid: &Grid, block: &Block) -> SparseField {
    let mut field = SparseField::outside(grid);
    let steps_per_mm = SDF_PER_VOXEL as f32 / block.h as f32;
    let origin = lattice_origin(grid);
    // Place of the grid's voxel (0, 0, 0) in the block, which is where the block begins or before it.
    let shift = [0, 1, 2].map(|k| origin[k] - block.first[k]);
    let edge = BRICK as i32;
    let low = [0, 1, 2].map(|k| (-shift[k]).div_euclid(edge).max(0));
    let high = [0, 1, 2].map(|k| ((block.size[k] as i32 - shift[k] - 1).div_euclid(edge) + 1).min(grid.bricks()[k] as i32));
    let [nx, ny, nz] = block.size.map(|n| n as i32);
    for bz in low[2]..high[2] {
        for by in low[1]..high[1] {
            for bx in low[0]..high[0] {
                let Some(brick) = grid.brick_at([bx, by, bz]) else { continue };
                let mut samples: BrickSamples = [127; BRICK_VOXELS];
                for (at, sample) in samples.iter_mut().enumerate() {
                    let x = bx * edge + (at % BRICK) as i32 + shift[0];
                    let y = by * edge + (at / BRICK % BRICK) as i32 + shift[1];
                    let z = bz * edge + (at / (BRICK * BRICK)) as i32 + shift[2];
                    if (0..nx).contains(&x) && (0..ny).contains(&y) && (0..nz).contains(&z) {
                        let value = block.values[(x + nx * (y + ny * z)) as usize];
                        *sample = (value * steps_per_mm).round().clamp(-127.0, 127.0) as i8;
                    }
                }
                if samples.iter().all(|v| *v == -127) {
                    field.set_inside(brick);
                } else if samples.iter().any(|v| *v != 127)
                    && let Some(stored) = field.brick_mut(brick)
                {
                    *stored = samples;
                }
            }
        }
    }
    field
}

/// The lattice place of the grid's voxel (0, 0, 0): how many spacings it lies from the scanner's centre.
pub(crate) fn lattice_origin(grid: &Grid) -> [i32; 3] {
    grid.origin_mm().map(|v| (v / grid.spacing_mm()).round() as i32)
}
