//! A brick's samples with those of the voxels around it.

use crate::bits;
use crate::field::{BrickState, SparseField};
use crate::grid::{BRICK, Grid};
use crate::sample;

/// Edge length of a padded brick: one voxel more on each side.
pub(super) const PAD: usize = BRICK + 2;
/// Samples of voxels −1 to 16 along each axis; row `y + PAD * z`.
pub(super) type Padded = [[i8; PAD]; PAD * PAD];
/// A bit per sample of each row.
pub(super) type PaddedSigns = [u32; PAD * PAD];

/// The brick and its 26 neighbours, as offsets.
pub(super) fn around() -> impl Iterator<Item = [i32; 3]> {
    (0..27).map(|n| [n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1])
}

/// Where a neighbour's samples go: first padded place, how many, and the first place in the neighbour.
const fn part(offset: i32) -> (usize, usize, usize) {
    match offset {
        -1 => (0, 1, BRICK - 1),
        0 => (1, BRICK, 0),
        _ => (BRICK + 1, 1, 0),
    }
}

/// Collects a field's samples in the brick at `at` and one voxel around it; +127 outside the grid.
pub(super) fn gather(grid: &Grid, field: &SparseField, at: [i32; 3], out: &mut Padded) {
    for d in around() {
        let state =
            grid.brick_at([at[0] + d[0], at[1] + d[1], at[2] + d[2]]).map_or(BrickState::Outside, |brick| field.brick(brick));
        let [(x, width, from_x), (y, height, from_y), (z, depth, from_z)] = d.map(part);
        for dz in 0..depth {
            for dy in 0..height {
                let row = &mut out[(z + dz) * PAD + y + dy];
                match state {
                    BrickState::Outside => row[x..x + width].fill(127),
                    BrickState::Inside => row[x..x + width].fill(-127),
                    BrickState::Samples(samples) => {
                        let from = from_x + BRICK * (from_y + dy + BRICK * (from_z + dz));
                        if width == BRICK {
                            row[1..=BRICK].copy_from_slice(&samples[from..from + BRICK]);
                        } else {
                            row[x] = samples[from];
                        }
                    }
                }
            }
        }
    }
}

/// What the cut left, and a bit for every sample that the cut changed.
pub(super) fn carve(patient: &Padded, cut: &Padded, effective: &mut Padded, carved: &mut PaddedSigns) {
    for (row, bits) in carved.iter_mut().enumerate() {
        let (p, c, e) = (&patient[row], &cut[row], &mut effective[row]);
        let mut changed = [0_i8; PAD];
        for x in 0..PAD {
            e[x] = sample::carve(p[x], c[x]);
            changed[x] = -i8::from(e[x] != p[x]);
        }
        *bits = negative(&changed);
    }
}

/// Fills in a bit for every sample inside the tissue; whether there are both inside and outside samples.
pub(super) fn signs(samples: &Padded, out: &mut PaddedSigns) -> bool {
    let (mut any, mut all) = (0, u32::MAX);
    for (row, bits) in samples.iter().zip(out.iter_mut()) {
        *bits = negative(row);
        any |= *bits;
        all &= *bits;
    }
    any != 0 && all != (1 << PAD) - 1
}

/// A bit for every negative sample of a row.
#[inline(always)]
fn negative(row: &[i8; PAD]) -> u32 {
    let mut found = u32::from(row[PAD - 2] < 0) << (PAD - 2) | u32::from(row[PAD - 1] < 0) << (PAD - 1);
    for (part, eight) in row.as_chunks::<8>().0.iter().enumerate() {
        found |= bits::negative(eight) << (8 * part);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_bits_are_the_samples_signs() {
        for seed in 0..200_u32 {
            let row: [i8; PAD] = std::array::from_fn(|x| (seed.wrapping_mul(2_654_435_761).rotate_left(x as u32 * 5) >> 9) as i8);
            let wanted = (0..PAD).fold(0, |bits, x| bits | u32::from(row[x] < 0) << x);
            assert_eq!(negative(&row), wanted);
        }
    }
}
