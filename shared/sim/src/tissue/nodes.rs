//! The control nodes of one neural structure: where they rest, which are neighbours, which patch each belongs to.
//!
//! Nodes are the means of the structure's surface voxels in the cells of a coarse lattice, so they follow from the case alone and every
//! machine has the same ones. A displacement between nodes is their weighted mean, by a weight that ends a cell and a half away.

use spinor_volume::grid::floor;
use spinor_volume::{BRICK, Grid, Structure};

use super::MAX_NODES;
use crate::vector::{Vec3, add, dot, scale, sub};

/// How far a node's weight reaches, cells.
const REACH_CELLS: f64 = 1.5;
/// Samples within this many steps of 1/32 voxel are surface.
pub(super) const SURFACE_STEPS: u8 = 16;
/// Total weight below which a displacement fades out instead of going on unweakened.
const FADE: f64 = 0.2;
/// Cells around the lattice in which nodes still have weight.
const MARGIN: i32 = 2;
/// Marks a cell without a node.
const NONE: u32 = u32::MAX;

/// The control nodes of one structure.
#[derive(Clone, Debug)]
pub struct Nodes {
    rest: Vec<Vec3>,
    patch: Vec<u16>,
    /// Neighbouring nodes, the lower number first, each pair once: in layers of pairs that share no node.
    edges: Vec<(u32, u32)>,
    /// The pairs that each patch has with others, as places in `edges`, rising.
    seams: Vec<Vec<u32>>,
    cell_mm: f64,
    /// Voxels along a cell.
    voxels: i32,
    /// The first cell's corner in patient LPS, mm, and the number of cells along each axis.
    low_mm: Vec3,
    size: [i32; 3],
    /// The node of each cell.
    cells: Vec<u32>,
    /// For each cell of the lattice with [`MARGIN`] more on every side, where its nodes begin in `reaching`; and the nodes, rising, whose
    /// weight reaches into it.
    starts: Vec<u32>,
    reaching: Vec<u32>,
    patches: u16,
}

impl Nodes {
    /// The nodes of a structure's surface in cells of about `cell_mm`, at most [`MAX_NODES`] a patch.
    pub fn of(grid: &Grid, structure: &Structure, cell_mm: f64) -> Self {
        let voxels = ((cell_mm / grid.spacing_mm()).round() as i32).max(1);
        let counts = grid.voxels().map(|n| n.div_euclid(voxels) + 1);
        let number = |at: [i32; 3]| (at[0] + counts[0] * (at[1] + counts[1] * at[2])) as usize;
        let mut sums = vec![([0_i64; 3], 0_i64); counts.iter().map(|n| *n as usize).product()];
        for (brick, samples) in structure.sdf.stored() {
            let first = grid.brick_coords(brick).map(|v| v * BRICK as i32);
            for (n, _) in samples.iter().enumerate().filter(|(_, v)| v.unsigned_abs() <= SURFACE_STEPS) {
                let n = n as i32;
                let at = [first[0] + n % 16, first[1] + n / 16 % 16, first[2] + n / 256];
                let (sum, count) = &mut sums[number(at.map(|v| v.div_euclid(voxels)))];
                for k in 0..3 {
                    sum[k] += i64::from(at[k]);
                }
                *count += 1;
            }
        }
        let low = grid.patient_from_index([0.0; 3]);
        let mut nodes = Self {
            rest: Vec::new(),
            patch: Vec::new(),
            edges: Vec::new(),
            seams: Vec::new(),
            cell_mm: f64::from(voxels) * grid.spacing_mm(),
            voxels,
            low_mm: low,
            size: counts,
            cells: vec![NONE; sums.len()],
            starts: Vec::new(),
            reaching: Vec::new(),
            patches: 0,
        };
        for (cell, (sum, count)) in sums.iter().enumerate().filter(|(_, (_, count))| *count > 0) {
            nodes.cells[cell] = nodes.rest.len() as u32;
            nodes.rest.push(grid.patient_from_index(sum.map(|v| v as f64 / *count as f64)));
        }
        nodes.divide();
        nodes.join();
        nodes.layer();
        nodes.sew();
        nodes.reach();
        nodes
    }

    /// Cuts the nodes into patches of whole layers along z, as many layers as fit.
    fn divide(&mut self) {
        let layer = (self.size[0] * self.size[1]) as usize;
        let (mut patch, mut filled) = (0_u16, 0);
        for cells in self.cells.chunks(layer.max(1)) {
            let count = cells.iter().filter(|n| **n != NONE).count();
            if filled > 0 && filled + count > MAX_NODES {
                (patch, filled) = (patch.saturating_add(1), 0);
            }
            for _ in 0..count {
                if filled == MAX_NODES {
                    (patch, filled) = (patch.saturating_add(1), 0);
                }
                self.patch.push(patch);
                filled += 1;
            }
        }
        self.patches = self.patch.last().map_or(0, |last| last + 1);
    }

    fn join(&mut self) {
        let [nx, ny, nz] = self.size;
        for n in 0..self.cells.len() {
            let own = self.cells[n];
            if own == NONE {
                continue;
            }
            let at = [n as i32 % nx, n as i32 / nx % ny, n as i32 / (nx * ny)];
            // Half of the 26 neighbours: the other half finds this one.
            for k in 14..27 {
                let next = [at[0] + k % 3 - 1, at[1] + k / 3 % 3 - 1, at[2] + k / 9 - 1];
                let within = (0..nx).contains(&next[0]) && (0..ny).contains(&next[1]) && (0..nz).contains(&next[2]);
                if within {
                    let other = self.cells[(next[0] + nx * (next[1] + ny * next[2])) as usize];
                    if other != NONE {
                        self.edges.push((own, other));
                    }
                }
            }
        }
    }

    /// Puts the pairs, which stand in rising order of the first, in layers of pairs that share no node. Pairs that share one stay in
    /// turn, so that working through them gives the same to the bit; but most no longer wait for the one before.
    fn layer(&mut self) {
        let mut next = vec![0_u32; self.rest.len()];
        let mut layers: Vec<(u32, (u32, u32))> = Vec::with_capacity(self.edges.len());
        for (a, b) in &self.edges {
            let layer = next[*a as usize].max(next[*b as usize]);
            (next[*a as usize], next[*b as usize]) = (layer + 1, layer + 1);
            layers.push((layer, (*a, *b)));
        }
        layers.sort_by_key(|(layer, _)| *layer);
        self.edges = layers.into_iter().map(|(_, edge)| edge).collect();
    }

    /// Finds the pairs that lie across two patches.
    fn sew(&mut self) {
        self.seams = vec![Vec::new(); usize::from(self.patches)];
        for (n, (a, b)) in self.edges.iter().enumerate() {
            let (a, b) = (self.patch[*a as usize], self.patch[*b as usize]);
            if a != b {
                self.seams[usize::from(a)].push(n as u32);
                self.seams[usize::from(b)].push(n as u32);
            }
        }
    }

    /// The place in `starts` of the cell that is `at` cells from the first.
    fn slot(&self, at: [i32; 3]) -> Option<usize> {
        let place = [0, 1, 2].map(|k| at[k] + MARGIN);
        let size = self.size.map(|n| n + 2 * MARGIN);
        let within = (0..3).all(|k| (0..size[k]).contains(&place[k]));
        within.then(|| (place[0] + size[0] * (place[1] + size[1] * place[2])) as usize)
    }

    /// Finds the cells that each node's weight reaches into.
    fn reach(&mut self) {
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        for (node, rest) in self.rest.iter().enumerate() {
            let place = scale(sub(*rest, self.low_mm), 1.0 / self.cell_mm);
            let own = place.map(|v| v.floor() as i32);
            for n in 0..125 {
                let cell = [own[0] + n % 5 - 2, own[1] + n / 5 % 5 - 2, own[2] + n / 25 - 2];
                // From the node to the cell's box.
                let way = [0, 1, 2].map(|k| (f64::from(cell[k]) - place[k]).max(place[k] - f64::from(cell[k] + 1)).max(0.0));
                if let Some(slot) = self.slot(cell).filter(|_| dot(way, way) < REACH_CELLS * REACH_CELLS) {
                    pairs.push((slot as u32, node as u32));
                }
            }
        }
        pairs.sort_unstable();
        let slots = self.size.iter().map(|n| (n + 2 * MARGIN) as usize).product::<usize>() as u32;
        self.starts = (0..=slots).map(|slot| pairs.partition_point(|(s, _)| *s < slot) as u32).collect();
        self.reaching = pairs.into_iter().map(|(_, node)| node).collect();
    }

    /// How many nodes there are.
    pub fn count(&self) -> usize {
        self.rest.len()
    }

    /// How many patches they are in.
    pub fn patches(&self) -> u16 {
        self.patches
    }

    /// Where a node rests, patient LPS, mm.
    pub fn rest_mm(&self, node: usize) -> Option<[f64; 3]> {
        self.rest.get(node).copied()
    }

    pub(super) fn edges(&self) -> &[(u32, u32)] {
        &self.edges
    }

    /// The pairs that a patch has with others, as places in [`Self::edges`].
    pub(super) fn seams(&self, patch: u16) -> &[u32] {
        self.seams.get(usize::from(patch)).map_or(&[], Vec::as_slice)
    }

    /// The pairs of which one node at least is in one of some patches, as places in [`Self::edges`], rising.
    pub(super) fn edges_of(&self, patches: impl Iterator<Item = u16>) -> Vec<u32> {
        let mut some = vec![false; usize::from(self.patches)];
        patches.for_each(|patch| some[usize::from(patch)] = true);
        let is_in = |node: u32| some[usize::from(self.patch[node as usize])];
        (0..).zip(&self.edges).filter(|(_, (a, b))| is_in(*a) || is_in(*b)).map(|(n, _)| n).collect()
    }

    /// How far from a node its weight reaches, mm.
    pub fn reach_mm(&self) -> f64 {
        REACH_CELLS * self.cell_mm
    }

    /// The node of the cell that holds a voxel.
    pub(super) fn node_at(&self, voxel: [i32; 3]) -> Option<u32> {
        let at = voxel.map(|v| v.div_euclid(self.voxels));
        let within = (0..3).all(|k| (0..self.size[k]).contains(&at[k]));
        let cell = within.then(|| (at[0] + self.size[0] * (at[1] + self.size[1] * at[2])) as usize)?;
        self.cells.get(cell).copied().filter(|node| *node != NONE)
    }

    pub(super) fn patch_of(&self, node: usize) -> u16 {
        self.patch[node]
    }

    /// The nodes of a patch, which follow each other.
    pub fn of_patch(&self, patch: u16) -> std::ops::Range<usize> {
        self.patch.partition_point(|p| *p < patch)..self.patch.partition_point(|p| *p <= patch)
    }

    /// Shows every node near a position with its weight, before division by what is returned: the whole weight, or what stands
    /// for it where that is little.
    fn near(&self, at_mm: Vec3, mut show: impl FnMut(u32, f64)) -> f64 {
        let cell = scale(sub(at_mm, self.low_mm), 1.0 / self.cell_mm).map(|v| floor(v).clamp(-1_000_000, 1_000_000));
        let slot = self.slot(cell);
        let nodes = slot.and_then(|slot| self.reaching.get(self.starts[slot] as usize..self.starts[slot + 1] as usize));
        let reach = self.reach_mm();
        let per_reach = 1.0 / (reach * reach);
        let mut total = 0.0;
        for node in nodes.unwrap_or_default() {
            let way = sub(at_mm, self.rest[*node as usize]);
            let near = 1.0 - dot(way, way) * per_reach;
            if near > 0.0 {
                show(*node, near * near);
                total += near * near;
            }
        }
        if total > FADE { total } else { FADE }
    }

    /// Nodes near a position with their weights, which add up to at most 1.
    pub(super) fn weights(&self, at_mm: Vec3) -> Vec<(u32, f64)> {
        let mut weights = Vec::new();
        let whole = self.near(at_mm, |node, weight| weights.push((node, weight)));
        weights.iter_mut().for_each(|(_, w)| *w /= whole);
        weights
    }

    /// The weights of all nodes near some positions, in their order: what [`Self::displacement_mm`] finds out anew each time.
    pub(super) fn weights_at(&self, positions: impl IntoIterator<Item = Vec3>) -> Weights {
        let mut all = Weights { starts: vec![0], nodes: Vec::new(), weights: Vec::new(), per_whole: Vec::new() };
        for at in positions {
            let whole = self.near(at, |node, weight| {
                all.nodes.push(node);
                all.weights.push(weight);
            });
            all.starts.push(all.nodes.len() as u32);
            all.per_whole.push(1.0 / (1_000.0 * whole));
        }
        all
    }

    /// The displacement at a position, mm, of nodes that are `offset` micrometres from their rest.
    pub fn displacement_mm(&self, offsets_um: &[[i32; 3]], at_mm: [f64; 3]) -> [f64; 3] {
        let mut sum = [0.0; 3];
        let whole = self.near(at_mm, |node, weight| {
            if let Some(offset) = offsets_um.get(node as usize) {
                sum = add(sum, scale(offset.map(f64::from), weight));
            }
        });
        scale(sum, 1.0 / (1_000.0 * whole))
    }

    /// As [`Self::displacement_mm`], to the bit.
    pub(super) fn moved_mm(&self, offsets: &[Offset], at_mm: Vec3) -> Vec3 {
        let mut sum = [0.0; 4];
        let whole = self.near(at_mm, |node, weight| {
            if let Some(offset) = offsets.get(node as usize) {
                add_to(&mut sum, offset, weight);
            }
        });
        scale([sum[0], sum[1], sum[2]], 1.0 / (1_000.0 * whole))
    }
}

/// A node's micrometres from its rest, and nothing: four numbers are as quick as three.
pub(super) type Offset = [f64; 4];

/// The offsets of all nodes as numbers to reckon with.
pub(super) fn offsets_of(offsets_um: &[[i32; 3]]) -> Vec<Offset> {
    offsets_um.iter().map(|[x, y, z]| [f64::from(*x), f64::from(*y), f64::from(*z), 0.0]).collect()
}

#[inline]
fn add_to(sum: &mut Offset, offset: &Offset, weight: f64) {
    for (sum, offset) in sum.iter_mut().zip(offset) {
        *sum += offset * weight;
    }
}

/// The nodes near positions that do not change, with their weights.
#[derive(Clone, Debug, Default)]
pub(super) struct Weights {
    /// Where each position's begin in `nodes` and `weights`, and where the last one's end.
    starts: Vec<u32>,
    nodes: Vec<u32>,
    weights: Vec<f64>,
    /// For each position, what their sum is multiplied by.
    per_whole: Vec<f64>,
}

impl Weights {
    /// As [`Nodes::displacement_mm`] at the position of a number, to the bit; nothing for one that is not there.
    pub(super) fn displacement_mm(&self, position: usize, offsets: &[Offset]) -> Vec3 {
        let (Some(from), Some(to)) = (self.starts.get(position), self.starts.get(position + 1)) else { return [0.0; 3] };
        let range = *from as usize..*to as usize;
        let mut sum = [0.0; 4];
        for (node, weight) in self.nodes[range.clone()].iter().zip(&self.weights[range]) {
            if let Some(offset) = offsets.get(*node as usize) {
                add_to(&mut sum, offset, *weight);
            }
        }
        scale([sum[0], sum[1], sum[2]], self.per_whole[position])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::plate_over_sac;
    use spinor_volume::Label;

    /// Nodes lie on the surface, no patch has more than 64, every node has neighbours, and equal offsets displace everything equally.
    #[test]
    fn nodes_cover_the_sac() {
        let patient = plate_over_sac(0.4, 3.0);
        let sac = patient.structure(Label::DURAL_SAC).unwrap();
        let nodes = Nodes::of(patient.grid(), sac, 4.0);
        assert!((40..200).contains(&nodes.count()), "{}", nodes.count());
        assert!(nodes.patches() >= 1);
        let sizes: Vec<usize> = (0..nodes.patches()).map(|p| nodes.of_patch(p).len()).collect();
        assert!(sizes.iter().all(|n| (1..=MAX_NODES).contains(n)) && sizes.iter().sum::<usize>() == nodes.count(), "{sizes:?}");
        for node in 0..nodes.count() {
            let at = nodes.rest_mm(node).unwrap();
            let off = (at[0] * at[0] + at[1] * at[1]).sqrt() - 6.0;
            assert!((-1.2..0.3).contains(&off), "node {node} is {off} mm off");
            assert!(nodes.edges().iter().filter(|(a, b)| *a as usize == node || *b as usize == node).count() >= 3);
        }
        let offsets = vec![[1_000, -500, 250]; nodes.count()];
        for at in [[6.0, 0.0, 0.0], [0.0, 6.0, 3.3], [-4.2, -4.2, -5.0]] {
            let u = nodes.displacement_mm(&offsets, at);
            assert!((u[0] - 1.0).abs() < 1e-9 && (u[1] + 0.5).abs() < 1e-9 && (u[2] - 0.25).abs() < 1e-9, "{u:?}");
        }
        assert_eq!(nodes.displacement_mm(&offsets, [20.0, 20.0, 0.0]), [0.0; 3]);
        // Weights that are kept give the same to the bit.
        let uneven: Vec<[i32; 3]> = (0..nodes.count() as i32).map(|n| [n * 37 % 2_001 - 1_000, n * 11 % 601, -n]).collect();
        let places: Vec<Vec3> = (0..200).map(|n| f64::from(n) * 0.07).map(|t| [7.0 - t, t, 1.3 * t - 8.0]).collect();
        let (weights, numbers) = (nodes.weights_at(places.iter().copied()), offsets_of(&uneven));
        for (n, at) in places.iter().enumerate() {
            assert_eq!(weights.displacement_mm(n, &numbers), nodes.displacement_mm(&uneven, *at), "{at:?}");
            assert_eq!(nodes.moved_mm(&numbers, *at), nodes.displacement_mm(&uneven, *at), "{at:?}");
        }
        assert_eq!(weights.displacement_mm(200, &numbers), [0.0; 3]);
    }
}
