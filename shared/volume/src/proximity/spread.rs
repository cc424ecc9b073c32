//! The nearest surface vertex of every node, passed on from neighbour to neighbour.
//!
//! A brick takes over its neighbours' vertices in two raster sweeps through 26-neighbourhoods (the vector distance transform of
//! Danielsson 1980 and Ragnemalm 1993, on feet between the nodes), and bricks are visited in rising order until none changes.

use std::collections::BTreeSet;

use super::surface::Surface;
use super::{NODES, STEP};
use crate::grid::{BrickIndex, Grid, floor};

/// No vertex within the limit.
pub(super) const NONE: u32 = u32::MAX;
/// A brick's nodes and one around them.
const PAD: usize = NODES + 2;
type Block = [u32; NODES * NODES * NODES];

/// The nearest vertex of each node, in the bricks that the limit reaches.
#[derive(Clone, Debug)]
pub(super) struct Nodes {
    /// Per brick of the grid: its block's number, or `NONE`.
    slots: Vec<u32>,
    blocks: Vec<Block>,
}

impl Nodes {
    /// Finds the nearest vertex of every node within `limit` voxels of the surface.
    pub(super) fn spread(grid: &Grid, surface: &Surface, limit: f32) -> Self {
        let mut nodes = Self { slots: vec![NONE; grid.brick_count()], blocks: Vec::new() };
        let mut waiting = nodes.seed(grid, surface);
        let mut work = Work::new();
        while !waiting.is_empty() {
            for brick in std::mem::take(&mut waiting) {
                let changed = work.visit(grid, surface.vertices(), limit * limit, &nodes, brick);
                if changed == 0 {
                    continue;
                }
                *nodes.block_mut(brick) = *work.result;
                let at = grid.brick_coords(brick);
                for (n, d) in neighbours().enumerate() {
                    if n != MIDDLE && changed >> n & 1 == 1 {
                        waiting.extend(grid.brick_at([at[0] + d[0], at[1] + d[1], at[2] + d[2]]));
                    }
                }
            }
        }
        nodes
    }

    /// Gives the nodes around each vertex that vertex, when it is nearer than another; all bricks concerned and their neighbours.
    fn seed(&mut self, grid: &Grid, surface: &Surface) -> BTreeSet<BrickIndex> {
        let mut seeded = BTreeSet::new();
        for (n, vertex) in surface.vertices().iter().enumerate() {
            let low = vertex.map(|v| (v / STEP as f32).floor() as i32);
            for corner in 0..8 {
                let node = [low[0] + (corner & 1), low[1] + (corner >> 1 & 1), low[2] + (corner >> 2)];
                let Some((brick, place)) = locate(grid, node) else { continue };
                let entry = &mut self.block_mut(brick)[place];
                if *entry == NONE || squared(node, *vertex) < squared(node, surface.vertices()[*entry as usize]) {
                    *entry = n as u32;
                }
                seeded.insert(brick);
            }
        }
        let beside = |brick: &BrickIndex| {
            let at = grid.brick_coords(*brick);
            neighbours().filter_map(move |d| grid.brick_at([at[0] + d[0], at[1] + d[1], at[2] + d[2]]))
        };
        seeded.iter().flat_map(beside).collect()
    }

    fn block(&self, brick: BrickIndex) -> Option<&Block> {
        self.blocks.get(self.slots[brick.0 as usize] as usize)
    }

    fn block_mut(&mut self, brick: BrickIndex) -> &mut Block {
        let slot = &mut self.slots[brick.0 as usize];
        if *slot == NONE {
            *slot = self.blocks.len() as u32;
            self.blocks.push([NONE; NODES * NODES * NODES]);
        }
        &mut self.blocks[*slot as usize]
    }

    /// The vertices that the eight nodes around a position in voxels know, `NONE` among them; for one outside the grid, around the
    /// nearest position in it.
    pub(super) fn around(&self, grid: &Grid, at: [f64; 3]) -> [u32; 8] {
        let (voxels, edge) = (grid.voxels(), NODES as i32);
        let (mut low, mut last, mut within) = ([0; 3], [0; 3], true);
        for k in 0..3 {
            last[k] = voxels[k] / STEP as i32 - 1;
            low[k] = floor(at[k] / STEP as f64).clamp(0, last[k]);
            within &= low[k] % edge < edge - 1;
        }
        if within {
            // All eight in one brick, as mostly.
            let block = locate(grid, low).and_then(|(brick, place)| self.block(brick).map(|block| (block, place)));
            let mut ids = [NONE; 8];
            if let Some((block, place)) = block {
                for (n, id) in ids.iter_mut().enumerate() {
                    *id = block[place + (n & 1) + NODES * (n >> 1 & 1) + NODES * NODES * (n >> 2)];
                }
            }
            return ids;
        }
        // Along each axis the low and the high side: the brick's part of its number, and the node's part of its place.
        let sides = |k: usize| {
            let bricks = grid.bricks();
            let stride = [1, bricks[0], bricks[0] * bricks[1]][k];
            [low[k], (low[k] + 1).min(last[k])]
                .map(|node| ((node / edge) as u32 * stride, (node % edge) as usize * NODES.pow(k as u32)))
        };
        let [xs, ys, zs] = [sides(0), sides(1), sides(2)];
        let mut ids = [NONE; 8];
        for (n, id) in ids.iter_mut().enumerate() {
            let [x, y, z] = [xs[n & 1], ys[n >> 1 & 1], zs[n >> 2]];
            if let Some(block) = self.block(BrickIndex(x.0 + y.0 + z.0)) {
                *id = block[x.1 + y.1 + z.1];
            }
        }
        ids
    }
}

/// The brick and place of a node.
fn locate(grid: &Grid, node: [i32; 3]) -> Option<(BrickIndex, usize)> {
    let [x, y, z] = node;
    // Shifts and masks are the division and its rest, also of what is negative.
    let (bits, last) = (NODES.trailing_zeros(), NODES as i32 - 1);
    let brick = grid.brick_at([x >> bits, y >> bits, z >> bits])?;
    let [x, y, z] = [(x & last) as usize, (y & last) as usize, (z & last) as usize];
    Some((brick, x + NODES * (y + NODES * z)))
}

/// Squared distance between a node and a vertex, voxels.
#[inline(always)]
fn squared(node: [i32; 3], vertex: [f32; 3]) -> f32 {
    let d: [f32; 3] = std::array::from_fn(|k| (node[k] * STEP as i32) as f32 - vertex[k]);
    d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
}

/// The brick itself among [`neighbours`].
const MIDDLE: usize = 13;

/// The 26 neighbours and the middle itself.
fn neighbours() -> impl Iterator<Item = [i32; 3]> {
    (0..27).map(|n| [n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1])
}

/// Memory for visiting bricks.
struct Work {
    ids: Vec<u32>,
    squared: Vec<f32>,
    result: Box<Block>,
}

impl Work {
    fn new() -> Self {
        let size = PAD * PAD * PAD;
        Self { ids: vec![NONE; size], squared: vec![f32::INFINITY; size], result: Box::new([NONE; NODES * NODES * NODES]) }
    }

    /// Improves a brick's nodes from one another and from its neighbours' until nothing changes. Returns 0 for no
    /// change, else a bit for the brick itself and for each of its 26 neighbours that borders on a change.
    fn visit(&mut self, grid: &Grid, vertices: &[[f32; 3]], limit: f32, nodes: &Nodes, brick: BrickIndex) -> u32 {
        let at = grid.brick_coords(brick);
        self.load(grid, vertices, nodes, at);
        let first = at.map(|v| v * NODES as i32 - 1);
        // A sweep repeated at once finds nothing, so one without a change after both directions ran is the end.
        self.sweep(vertices, limit, first, false);
        let mut backward = true;
        while self.sweep(vertices, limit, first, backward) {
            backward = !backward;
        }
        let before = nodes.block(brick);
        let mut changed = 0;
        for (place, result) in self.result.iter_mut().enumerate() {
            let [x, y, z] = [place % NODES, place / NODES % NODES, place / (NODES * NODES)];
            *result = self.ids[x + 1 + PAD * (y + 1 + PAD * (z + 1))];
            if *result != NONE && before.is_none_or(|block| block[place] != *result) {
                changed |= borders([x, y, z]);
            }
        }
        changed
    }

    fn load(&mut self, grid: &Grid, vertices: &[[f32; 3]], nodes: &Nodes, at: [i32; 3]) {
        let part = |d: i32| match d {
            -1 => (0, 1, NODES - 1),
            0 => (1, NODES, 0),
            _ => (NODES + 1, 1, 0),
        };
        for d in neighbours() {
            let block = grid.brick_at([at[0] + d[0], at[1] + d[1], at[2] + d[2]]).and_then(|brick| nodes.block(brick));
            let [(x, width, from_x), (y, height, from_y), (z, depth, from_z)] = d.map(part);
            for dz in 0..depth {
                for dy in 0..height {
                    let to = x + PAD * (y + dy + PAD * (z + dz));
                    let from = from_x + NODES * (from_y + dy + NODES * (from_z + dz));
                    match block {
                        Some(block) => self.ids[to..to + width].copy_from_slice(&block[from..from + width]),
                        None => self.ids[to..to + width].fill(NONE),
                    }
                }
            }
        }
        for (place, (id, squared_to)) in self.ids.iter().zip(&mut self.squared).enumerate() {
            let node: [i32; 3] = std::array::from_fn(|k| {
                let inside = [place % PAD, place / PAD % PAD, place / (PAD * PAD)][k] as i32;
                at[k] * NODES as i32 - 1 + inside
            });
            *squared_to = vertices.get(*id as usize).map_or(f32::INFINITY, |vertex| squared(node, *vertex));
        }
    }

    /// One raster sweep; whether anything came nearer.
    fn sweep(&mut self, vertices: &[[f32; 3]], limit: f32, first: [i32; 3], backward: bool) -> bool {
        // The 13 neighbours that a raster reaches before a node.
        const BEFORE: [usize; 13] = {
            let mut back = [0; 13];
            let mut n = 0;
            while n < 13 {
                let (x, y, z) = (n % 3, n / 3 % 3, n / 9);
                back[n] = (PAD * PAD + PAD + 1) - (x + PAD * (y + PAD * z));
                n += 1;
            }
            back
        };
        let mut any = false;
        for n in 0..NODES * NODES * NODES {
            let n = if backward { NODES * NODES * NODES - 1 - n } else { n };
            let [x, y, z] = [n % NODES + 1, n / NODES % NODES + 1, n / (NODES * NODES) + 1];
            let place = x + PAD * (y + PAD * z);
            let node = [first[0] + x as i32, first[1] + y as i32, first[2] + z as i32];
            let (mut id, mut best) = (self.ids[place], self.squared[place].min(limit));
            let start = id;
            for back in BEFORE {
                let other = self.ids[if backward { place + back } else { place - back }];
                if other != id
                    && let Some(vertex) = vertices.get(other as usize)
                {
                    let d = squared(node, *vertex);
                    if d < best {
                        (id, best) = (other, d);
                    }
                }
            }
            if id != start {
                self.ids[place] = id;
                self.squared[place] = best;
                any = true;
            }
        }
        any
    }
}

/// A bit for the brick itself and each of its 26 neighbours that a node borders on.
fn borders(node: [usize; 3]) -> u32 {
    neighbours().enumerate().fold(0, |bits, (n, d)| {
        let touches = (0..3).all(|k| match d[k] {
            -1 => node[k] == 0,
            1 => node[k] == NODES - 1,
            _ => true,
        });
        bits | u32::from(touches) << n
    })
}
