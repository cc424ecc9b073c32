//! The connected pieces of one structure within one brick, as runs of voxels along x.

use crate::bits;
use crate::field::{BrickSamples, BrickState};
use crate::grid::BRICK;

/// Rows of a brick: `y + 16 z`.
const ROWS: usize = BRICK * BRICK;

/// A bit per voxel: bit x of row `y + 16 z`.
pub(super) type Bits = [u16; ROWS];

/// Some voxels of one brick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrickMask(pub(super) Box<Bits>);

impl Default for BrickMask {
    fn default() -> Self {
        Self(Box::new([0; ROWS]))
    }
}

impl BrickMask {
    /// Adds the voxel at a place among the brick's samples.
    pub(super) fn insert(&mut self, at: usize) {
        self.0[at / BRICK] |= 1 << (at % BRICK);
    }

    /// The voxels' places in the brick (x, y, z), x fastest.
    pub fn voxels(&self) -> impl Iterator<Item = [i32; 3]> {
        self.0.iter().enumerate().filter(|(_, bits)| **bits != 0).flat_map(|(row, bits)| {
            let bits = *bits;
            (0..BRICK as i32).filter(move |x| bits >> x & 1 == 1).map(move |x| [x, (row % BRICK) as i32, (row / BRICK) as i32])
        })
    }

    /// Bits of the row of voxels at (y, z), bit x for the voxel at x. Rows beyond the brick are empty.
    pub fn row(&self, y: usize, z: usize) -> u16 {
        if y < BRICK && z < BRICK { self.0[y + BRICK * z] } else { 0 }
    }

    /// How many voxels it holds.
    pub fn count(&self) -> u32 {
        self.0.iter().map(|bits| bits.count_ones()).sum()
    }
}

/// The voxels of a brick that are left of a structure.
pub(super) fn inside(patient: BrickState<'_>, cut: BrickState<'_>) -> Bits {
    let sign = |samples: &BrickSamples, row: usize| {
        let (low, high) = (&samples.as_chunks::<8>().0[2 * row], &samples.as_chunks::<8>().0[2 * row + 1]);
        (bits::negative(low) | bits::negative(high) << 8) as u16
    };
    let mut out = [0; ROWS];
    for (row, bits) in out.iter_mut().enumerate() {
        let tissue = match patient {
            BrickState::Outside => 0,
            BrickState::Inside => u16::MAX,
            BrickState::Samples(samples) => sign(samples, row),
        };
        // Carved tissue is negative where the tissue is and the complement of the cut is too.
        let spared = match cut {
            BrickState::Outside => u16::MAX,
            BrickState::Inside => 0,
            BrickState::Samples(samples) => !sign(samples, row),
        };
        *bits = tissue & spared;
    }
    out
}

/// Voxels of one row, one after another, of one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: u8,
    last: u8,
    piece: u16,
}

impl Run {
    fn meets(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// The pieces of a brick, numbered in the order of their first voxels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BrickPieces {
    runs: Vec<Run>,
    /// Where each row's runs start.
    starts: Vec<u16>,
    /// Voxels of each piece.
    voxels: Vec<u16>,
}

impl BrickPieces {
    pub(super) fn of(bits: &Bits) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        let mut starts = Vec::with_capacity(ROWS + 1);
        let mut parents: Vec<u16> = Vec::new();
        for (row, bits) in bits.iter().enumerate() {
            starts.push(runs.len() as u16);
            let mut left = u32::from(*bits);
            while left != 0 {
                let first = left.trailing_zeros();
                let length = (left >> first).trailing_ones();
                left &= !(((1 << length) - 1) << first);
                parents.push(runs.len() as u16);
                runs.push(Run { first: first as u8, last: (first + length - 1) as u8, piece: 0 });
            }
            let own = usize::from(starts[row])..runs.len();
            let below = [(row % BRICK != 0).then(|| row - 1), row.checked_sub(BRICK)];
            for other in below.into_iter().flatten() {
                for a in own.clone() {
                    for b in usize::from(starts[other])..usize::from(starts[other + 1]).min(runs.len()) {
                        if runs[a].meets(runs[b]) {
                            join(&mut parents, a as u16, b as u16);
                        }
                    }
                }
            }
        }
        starts.push(runs.len() as u16);
        let mut pieces = Self { runs, starts, voxels: Vec::new() };
        // A root is the first run of its piece, so that it has its number before the others ask for it.
        let mut numbers = vec![0_u16; parents.len()];
        for n in 0..parents.len() {
            let root = find(&mut parents, n as u16);
            if usize::from(root) == n {
                numbers[n] = pieces.voxels.len() as u16;
                pieces.voxels.push(0);
            }
            let piece = numbers[usize::from(root)];
            let run = &mut pieces.runs[n];
            run.piece = piece;
            pieces.voxels[usize::from(piece)] += u16::from(run.last - run.first) + 1;
        }
        pieces
    }

    /// Voxels of each piece.
    pub(super) fn voxels(&self) -> &[u16] {
        &self.voxels
    }

    fn row(&self, row: usize) -> &[Run] {
        &self.runs[usize::from(self.starts[row])..usize::from(self.starts[row + 1])]
    }

    /// The piece that holds a voxel (x, y, z).
    pub(super) fn piece_at(&self, [x, y, z]: [i32; 3]) -> Option<u16> {
        let row = self.row((y + BRICK as i32 * z) as usize);
        row.iter().find(|run| (i32::from(run.first)..=i32::from(run.last)).contains(&x)).map(|run| run.piece)
    }

    /// The voxels of some pieces.
    pub(super) fn mask(&self, of: impl Fn(u16) -> bool) -> BrickMask {
        let mut bits = Box::new([0_u16; ROWS]);
        for row in 0..ROWS {
            for run in self.row(row).iter().filter(|run| of(run.piece)) {
                bits[row] |= (u16::MAX >> (15 - (run.last - run.first))) << run.first;
            }
        }
        BrickMask(bits)
    }

    /// Which of this brick's pieces meet which of the next brick's along an axis; sorted, each pair once.
    pub(super) fn links(&self, next: &Self, axis: usize) -> Vec<(u16, u16)> {
        let mut links = Vec::new();
        let edge = BRICK - 1;
        for k in 0..ROWS {
            let (own, other) = match axis {
                0 => (k, k),
                1 if k % BRICK == 0 => (k + edge, k),
                2 if k < BRICK => (k + BRICK * edge, k),
                _ => continue,
            };
            for a in self.row(own) {
                for b in next.row(other) {
                    let meet = if axis == 0 { usize::from(a.last) == edge && b.first == 0 } else { a.meets(*b) };
                    if meet && links.last() != Some(&(a.piece, b.piece)) {
                        links.push((a.piece, b.piece));
                    }
                }
            }
        }
        links.sort_unstable();
        links.dedup();
        links
    }
}

fn find(parents: &mut [u16], mut n: u16) -> u16 {
    while parents[usize::from(n)] != n {
        let up = parents[usize::from(parents[usize::from(n)])];
        parents[usize::from(n)] = up;
        n = up;
    }
    n
}

/// Joins two runs' pieces; the root is the first run of both.
fn join(parents: &mut [u16], a: u16, b: u16) {
    let (a, b) = (find(parents, a), find(parents, b));
    parents[usize::from(a.max(b))] = a.min(b);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A comb is one piece where its back joins it and as many as it has teeth where the back is gone.
    #[test]
    fn a_comb_falls_into_its_teeth() {
        let mut bits = [0_u16; ROWS];
        for y in 0..16 {
            bits[y + 16 * 3] = 0b0101_0101_0101_0101;
        }
        let teeth = BrickPieces::of(&bits);
        assert_eq!(teeth.voxels(), [16; 8]);
        assert_eq!(teeth.piece_at([4, 9, 3]), Some(2));
        assert_eq!(teeth.piece_at([5, 9, 3]), None);
        bits[15 + 16 * 3] = u16::MAX;
        let comb = BrickPieces::of(&bits);
        assert_eq!(comb.voxels(), [8 * 15 + 16]);
        assert_eq!(comb.mask(|_| true).0[..], bits[..]);
        // The comb's back is the last row along y: it meets every tooth of a brick behind it.
        assert_eq!(comb.links(&teeth, 1), (0..8).map(|tooth| (0, tooth)).collect::<Vec<_>>());
        let mut back = [0; ROWS];
        back[16 * 3] = 0b11;
        assert_eq!(comb.links(&BrickPieces::of(&back), 1), [(0, 0)]);
        assert_eq!(teeth.links(&BrickPieces::of(&back), 1), [(0, 0)]);
        back[16 * 3] = 0b111;
        assert_eq!(teeth.links(&BrickPieces::of(&back), 1), [(0, 0), (1, 0)]);
    }
}
