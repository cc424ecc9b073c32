//! The graph of one structure's pieces over its bricks.

use std::sync::Arc;

use super::brick::BrickPieces;
use super::{Bits, BrickMask, inside};
use crate::cut::CutState;
use crate::field::BrickState;
use crate::grid::{BrickIndex, Grid};
use crate::patient::Patient;

/// One structure's pieces by brick, in the box of bricks that it lives in.
#[derive(Clone, Debug)]
pub(super) struct Body {
    grid: Grid,
    /// First brick of the box, and its size.
    low: [i32; 3],
    size: [i32; 3],
    /// Pieces of each brick of the box, none where no tissue is left.
    bricks: Vec<Option<Arc<BrickPieces>>>,
    /// Which pieces meet those of the next brick along x, y, z.
    links: Vec<[Vec<(u16, u16)>; 3]>,
    /// The pieces of a brick that is all tissue.
    whole: Arc<BrickPieces>,
}

/// The connected pieces of a whole structure, numbered by their first brick.
#[derive(Clone, Debug)]
pub(super) struct Pieces {
    /// The number of the first of each brick's pieces in `of`.
    base: Vec<u32>,
    /// The whole piece that a brick's piece belongs to.
    of: Vec<u32>,
    voxels: Vec<u64>,
}

impl Pieces {
    pub(super) fn count(&self) -> u32 {
        self.voxels.len() as u32
    }

    pub(super) fn voxels(&self, piece: u32) -> u64 {
        self.voxels[piece as usize]
    }

    /// The piece with most voxels; of several the first.
    pub(super) fn largest(&self) -> Option<u32> {
        let most = self.voxels.iter().max()?;
        self.voxels.iter().position(|v| v == most).map(|n| n as u32)
    }
}

impl Body {
    /// A structure's pieces before any cut.
    pub(super) fn of(patient: &Patient, structure: usize) -> Self {
        let grid = *patient.grid();
        let sdf = &patient.structures()[structure].sdf;
        let living = || sdf.stored().map(|(brick, _)| brick).chain(sdf.inside()).map(|brick| grid.brick_coords(brick));
        let (mut low, mut high) = ([i32::MAX; 3], [i32::MIN; 3]);
        for at in living() {
            for k in 0..3 {
                low[k] = low[k].min(at[k]);
                high[k] = high[k].max(at[k]);
            }
        }
        let size: [i32; 3] = std::array::from_fn(|k| if low[k] > high[k] { 0 } else { high[k] - low[k] + 1 });
        let count = size.iter().map(|n| *n as usize).product();
        let whole = Arc::new(BrickPieces::of(&[u16::MAX; 256]));
        let (bricks, links) = (vec![None; count], vec![Default::default(); count]);
        let mut body = Self { grid, low, size, bricks, links, whole };
        for n in 0..count {
            let Some(brick) = body.index(n) else { continue };
            body.bricks[n] = look(patient, None, structure, brick, &body.whole);
        }
        for n in 0..count {
            for axis in 0..3 {
                body.links[n][axis] = body.links_of(n, axis);
            }
        }
        body
    }

    /// Looks at a touched brick again; whether pieces may have joined or parted.
    pub(super) fn refresh(&mut self, patient: &Patient, cut: &CutState, structure: usize, brick: BrickIndex) -> bool {
        let Some(n) = self.slot(self.grid.brick_coords(brick)) else { return false };
        let now = look(patient, Some(cut), structure, brick, &self.whole);
        let count = |pieces: &Option<Arc<BrickPieces>>| pieces.as_ref().map_or(0, |p| p.voxels().len());
        let mut changed = count(&now) != count(&self.bricks[n]);
        self.bricks[n] = now;
        let at = self.grid.brick_coords(brick);
        for axis in 0..3 {
            let mut last = at;
            last[axis] -= 1;
            for slot in [Some(n), self.slot(last)].into_iter().flatten() {
                let links = self.links_of(slot, axis);
                changed |= links != self.links[slot][axis];
                self.links[slot][axis] = links;
            }
        }
        changed
    }

    /// The pieces of a brick.
    pub(super) fn brick(&self, brick: BrickIndex) -> Option<&BrickPieces> {
        self.bricks[self.slot(self.grid.brick_coords(brick))?].as_deref()
    }

    /// Joins the bricks' pieces into whole ones.
    pub(super) fn pieces(&self) -> Pieces {
        let mut base = Vec::with_capacity(self.bricks.len());
        let mut count = 0_u32;
        for brick in &self.bricks {
            base.push(count);
            count += brick.as_ref().map_or(0, |p| p.voxels().len() as u32);
        }
        let mut parents: Vec<u32> = (0..count).collect();
        let steps = [1, self.size[0] as usize, (self.size[0] * self.size[1]) as usize];
        for (n, links) in self.links.iter().enumerate() {
            for (axis, step) in steps.iter().enumerate() {
                for (a, b) in &links[axis] {
                    let (a, b) = (base[n] + u32::from(*a), base[n + step] + u32::from(*b));
                    let (a, b) = (find(&mut parents, a), find(&mut parents, b));
                    parents[a.max(b) as usize] = a.min(b);
                }
            }
        }
        let mut of = vec![0; count as usize];
        let mut voxels: Vec<u64> = Vec::new();
        for (n, brick) in self.bricks.iter().enumerate() {
            let Some(brick) = brick else { continue };
            for (k, size) in brick.voxels().iter().enumerate() {
                let node = base[n] + k as u32;
                let root = find(&mut parents, node);
                if root == node {
                    of[node as usize] = voxels.len() as u32;
                    voxels.push(0);
                }
                let piece = of[root as usize];
                of[node as usize] = piece;
                voxels[piece as usize] += u64::from(*size);
            }
        }
        Pieces { base, of, voxels }
    }

    /// The voxels of a whole piece by brick, in rising order.
    pub(super) fn masks(&self, pieces: &Pieces, piece: u32) -> Vec<(BrickIndex, BrickMask)> {
        let mut masks = Vec::new();
        for (n, brick) in self.bricks.iter().enumerate() {
            let Some(brick) = brick else { continue };
            let belongs = |k: u16| pieces.of[pieces.base[n] as usize + usize::from(k)] == piece;
            if (0..brick.voxels().len() as u16).any(belongs)
                && let Some(index) = self.index(n)
            {
                masks.push((index, brick.mask(belongs)));
            }
        }
        masks.sort_unstable_by_key(|(brick, _)| *brick);
        masks
    }

    /// The whole piece that holds a voxel of a brick.
    pub(super) fn piece_at(&self, pieces: &Pieces, brick: BrickIndex, at: [i32; 3]) -> Option<u32> {
        let n = self.slot(self.grid.brick_coords(brick))?;
        let piece = self.bricks[n].as_ref()?.piece_at(at)?;
        pieces.of.get(pieces.base[n] as usize + usize::from(piece)).copied()
    }

    fn slot(&self, at: [i32; 3]) -> Option<usize> {
        let [x, y, z] = [0, 1, 2].map(|k| at[k] - self.low[k]);
        let within = (0..self.size[0]).contains(&x) && (0..self.size[1]).contains(&y) && (0..self.size[2]).contains(&z);
        within.then(|| (x + self.size[0] * (y + self.size[1] * z)) as usize)
    }

    fn index(&self, n: usize) -> Option<BrickIndex> {
        let n = n as i32;
        let at = [n % self.size[0], n / self.size[0] % self.size[1], n / (self.size[0] * self.size[1])];
        self.grid.brick_at([0, 1, 2].map(|k| at[k] + self.low[k]))
    }

    fn links_of(&self, n: usize, axis: usize) -> Vec<(u16, u16)> {
        let mut next = n as i32;
        next = [next % self.size[0], next / self.size[0] % self.size[1], next / (self.size[0] * self.size[1])][axis];
        if next + 1 >= self.size[axis] {
            return Vec::new();
        }
        let step = [1, self.size[0] as usize, (self.size[0] * self.size[1]) as usize][axis];
        match (&self.bricks[n], &self.bricks[n + step]) {
            (Some(own), Some(other)) => own.links(other, axis),
            _ => Vec::new(),
        }
    }
}

/// The pieces that are left of a structure in a brick.
fn look(
    patient: &Patient,
    cut: Option<&CutState>,
    structure: usize,
    brick: BrickIndex,
    whole: &Arc<BrickPieces>,
) -> Option<Arc<BrickPieces>> {
    let s = &patient.structures()[structure];
    let taken = cut.map_or(BrickState::Outside, |cut| cut.field(s.class).brick(brick));
    let bits: Bits = match (s.sdf.brick(brick), taken) {
        (BrickState::Outside, _) => return None,
        (BrickState::Inside, BrickState::Outside) => return Some(Arc::clone(whole)),
        (tissue, taken) => inside(tissue, taken),
    };
    bits.iter().any(|row| *row != 0).then(|| Arc::new(BrickPieces::of(&bits)))
}

fn find(parents: &mut [u32], mut n: u32) -> u32 {
    while parents[n as usize] != n {
        let up = parents[parents[n as usize] as usize];
        parents[n as usize] = up;
        n = up;
    }
    n
}
