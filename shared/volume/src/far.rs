//! Where structures are too far away for any of their samples to tell more than that.
//!
//! A brick is divided into 4³ blocks of 4³ samples. Of each structure that lives in a brick a bit a block says whether any sample there is
//! below the clamp. Cuts only raise what is left, so where no bit is set nothing has to be read, whatever was cut since.

use crate::field::BrickState;
use crate::grid::{BRICK, BrickIndex};
use crate::patient::Patient;

/// Samples along a block's edge.
const BLOCK: usize = 4;
const LAST: i32 = BRICK as i32 - 1;

/// A bit for each block of a brick, x fastest, in which a sample is below the clamp.
pub(crate) fn near_blocks(state: BrickState<'_>) -> u64 {
    let samples = match state {
        BrickState::Outside => return 0,
        BrickState::Inside => return u64::MAX,
        BrickState::Samples(samples) => samples,
    };
    let mut blocks = 0;
    for (row, samples) in samples.as_chunks::<BRICK>().0.iter().enumerate() {
        let (y, z) = (row % BRICK / BLOCK, row / BRICK / BLOCK);
        for (x, four) in samples.as_chunks::<BLOCK>().0.iter().enumerate() {
            blocks |= u64::from(*four != [i8::MAX; BLOCK]) << (x + BLOCK * (y + BLOCK * z));
        }
    }
    blocks
}

/// For each place of a cell's first sample along an axis a bit for each block that its samples in the same brick lie in.
const ALONG: [u64; BRICK] = {
    let mut along = [0; BRICK];
    let mut first = 0;
    while first < BRICK {
        let last = if first + 1 < BRICK { first + 1 } else { first };
        along[first] = 1 << (first / BLOCK) | 1 << (last / BLOCK);
        first += 1;
    }
    along
};
/// The same for rows and for layers of blocks.
const ROWS: [u64; BRICK] = spread(BLOCK);
const LAYERS: [u64; BRICK] = spread(BLOCK * BLOCK);

/// [`ALONG`] with its bits so far apart.
const fn spread(apart: usize) -> [u64; BRICK] {
    let mut all = [0; BRICK];
    let mut first = 0;
    while first < BRICK {
        let mut block = 0;
        while block < BRICK / BLOCK {
            all[first] |= (ALONG[first] >> block & 1) << (block * apart);
            block += 1;
        }
        first += 1;
    }
    all
}

/// Whether all eight samples of some structures are at the clamp in the cell whose first sample is `low`.
#[inline]
pub(crate) fn is_far(patient: &Patient, structures: &[usize], low: [i32; 3]) -> bool {
    let [x, y, z] = low;
    let bits = BRICK.trailing_zeros();
    let brick = [x >> bits, y >> bits, z >> bits];
    let [i, j, k] = [x & LAST, y & LAST, z & LAST];
    is_far_in(patient, structures, brick, [i, j, k])
        && (i < LAST && j < LAST && k < LAST || is_far_beyond(patient, structures, brick, [i, j, k]))
}

/// The same in every other brick that a cell reaches into.
#[inline(never)]
fn is_far_beyond(patient: &Patient, structures: &[usize], brick: [i32; 3], first: [i32; 3]) -> bool {
    let over: u32 = (0..3).filter(|k| first[*k] == LAST).map(|k| 1 << k).sum();
    // By the axes along which the brick lies beyond the first: there its first samples count.
    (1..=over).filter(|n| n & !over == 0).all(|n| {
        let (mut brick, mut first) = (brick, first);
        for k in (0..3).filter(|k| n >> k & 1 == 1) {
            (brick[k], first[k]) = (brick[k] + 1, 0);
        }
        is_far_in(patient, structures, brick, first)
    })
}

/// Whether structures are far in the blocks of a brick that a cell's samples there lie in.
#[inline]
fn is_far_in(patient: &Patient, structures: &[usize], [x, y, z]: [i32; 3], [i, j, k]: [i32; 3]) -> bool {
    let [nx, ny, nz] = patient.grid().bricks();
    // What lies before the first is far beyond the last.
    let [x, y, z] = [x as u32, y as u32, z as u32];
    if x >= nx || y >= ny || z >= nz {
        return true;
    }
    let blocks = ALONG[i as usize & 15] * ROWS[j as usize & 15] * LAYERS[k as usize & 15];
    let mut residents = patient.residents_near(BrickIndex(x + nx * (y + ny * z)));
    residents.all(|(k, near)| near & blocks == 0 || !structures.contains(&usize::from(k)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::SparseField;
    use crate::grid::{Grid, VoxelIndex};
    use crate::label::{Label, TissueClass};
    use crate::patient::{DensityField, Source, Structure};

    /// Proves that where a cell is said to be far all its samples are at the clamp, within bricks, across them and at the grid's rim, and
    /// that most cells that are far are said to be.
    #[test]
    fn nothing_near_is_said_to_be_far() {
        let grid = Grid::new([0.0; 3], 0.5, [3, 3, 3]).unwrap();
        let ball =
            |c: [f64; 3]| move |p: [f64; 3]| ((p[0] - c[0]).powi(2) + (p[1] - c[1]).powi(2) + (p[2] - c[2]).powi(2)).sqrt() - 2.5;
        let structure = |level, centre| {
            let (sdf, source) = (SparseField::sampled(&grid, ball(centre)), Source::Phantom);
            let label = Label::lumbar(level);
            Structure { label, class: TissueClass::Bone, source, uncertainty_mm: 0.0, volume_mm3: 65.0, sdf }
        };
        let structures = vec![structure(4, [7.0, 8.0, 9.0]), structure(5, [16.0, 14.5, 15.0])];
        let patient = Patient::new(grid, structures, DensityField::default()).unwrap();
        let (mut said, mut are) = (0, 0);
        for n in 0..50 * 50 * 50 {
            let low = [n % 50 - 1, n / 50 % 50 - 1, n / 2_500 - 1];
            for asked in [&[0_usize][..], &[1], &[0, 1]] {
                let far = asked.iter().all(|k| {
                    (0..8).all(|c| {
                        let at = VoxelIndex([low[0] + (c & 1), low[1] + (c >> 1 & 1), low[2] + (c >> 2)]);
                        patient.structures()[*k].sdf.sample(&grid, at) == 127
                    })
                });
                let is = is_far(&patient, asked, low);
                assert!(far || !is, "{asked:?} {low:?}");
                said += u32::from(is);
                are += u32::from(far);
            }
        }
        assert!(said > are / 10 * 9 && said > 100_000, "{said} of {are}");
        assert_eq!(near_blocks(patient.structures()[0].sdf.brick(BrickIndex(26))), 0);
    }
}
