//! What tissues add to a patient's surfaces: dents of dura and roots, and the veil of blood and dust.

use std::collections::{BTreeMap, BTreeSet};

use spinor_sim::Settings;
use spinor_sim::tissue::Nodes;
use spinor_volume::{BRICK, BrickIndex, Dirty, Grid, Label, Patient};

use super::palette::Linear;

/// What a field that nobody sees through looks like: blood, and the paste of blood and bone dust that a burr leaves (linear).
const BLOOD: Linear = [0.16, 0.004, 0.006];
const DUST: Linear = [0.33, 0.20, 0.16];
/// Sixteenths in a full veil.
const FULL: f32 = 16.0;
/// How much of a surface the thickest veil hides.
const HIDES: f32 = 0.92;
/// Half a step for a dent's slope, mm.
const SLOPE_MM: f64 = 0.4;

/// The control nodes of one structure, and where they are.
#[derive(Clone, Debug)]
struct Dents {
    nodes: Nodes,
    offsets_um: Vec<[i32; 3]>,
    patches: BTreeSet<u16>,
}

/// Dents and veil over one patient.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlay {
    dents: BTreeMap<u16, Dents>,
    veil: BTreeMap<BrickIndex, [u8; 2]>,
}

impl Overlay {
    /// Takes over where a structure's patches are (number and offsets, µm; those that are not named are at rest), and returns the bricks
    /// to mesh again.
    pub(crate) fn dent<'a>(
        &mut self,
        patient: &Patient,
        label: Label,
        patches: impl Iterator<Item = (u16, &'a [[i32; 3]])>,
    ) -> Vec<Dirty> {
        let grid = patient.grid();
        let Some(place) = patient.structures().iter().position(|s| s.label == label) else { return Vec::new() };
        let Some(structure) = patient.structures().get(place) else { return Vec::new() };
        let mut patches = patches.peekable();
        if patches.peek().is_none() && !self.dents.contains_key(&(place as u16)) {
            return Vec::new();
        }
        let dents = self.dents.entry(place as u16).or_insert_with(|| {
            let nodes = Nodes::of(grid, structure, Settings::default().tissue.node_cell_mm);
            let offsets_um = vec![[0; 3]; nodes.count()];
            Dents { nodes, offsets_um, patches: BTreeSet::new() }
        });
        let before = std::mem::take(&mut dents.patches);
        let was = std::mem::replace(&mut dents.offsets_um, vec![[0; 3]; dents.nodes.count()]);
        for (patch, offsets) in patches {
            let range = dents.nodes.of_patch(patch);
            if range.len() == offsets.len()
                && let Some(own) = dents.offsets_um.get_mut(range)
            {
                own.copy_from_slice(offsets);
                dents.patches.insert(patch);
            }
        }
        let mut bricks = BTreeSet::new();
        for patch in before.union(&dents.patches) {
            for node in dents.nodes.of_patch(*patch).filter(|n| was.get(*n) != dents.offsets_um.get(*n)) {
                if let Some(at) = dents.nodes.rest_mm(node) {
                    bricks.extend(around(grid, at, dents.nodes.reach_mm()));
                }
            }
        }
        bricks.into_iter().map(|brick| Dirty { structure: place as u16, brick }).collect()
    }

    /// Takes over the veil (dust and blood by brick, sixteenths), and returns the bricks that look different: those where it changed and
    /// their neighbours, because between the middles of bricks it passes over from one to the next.
    pub(crate) fn veil(&mut self, grid: &Grid, veil: BTreeMap<BrickIndex, [u8; 2]>) -> BTreeSet<BrickIndex> {
        let both = self.veil.keys().chain(veil.keys());
        let changed = both.filter(|brick| self.veil.get(brick) != veil.get(brick)).copied();
        let neighbours = |brick: BrickIndex| {
            let at = grid.brick_coords(brick);
            (0..27).filter_map(move |n| grid.brick_at([at[0] + n % 3 - 1, at[1] + n / 3 % 3 - 1, at[2] + n / 9 - 1]))
        };
        let differ = changed.flat_map(neighbours).collect();
        self.veil = veil;
        differ
    }

    /// A vertex and its normal (patient LPS, mm) as the structure stands now.
    pub(crate) fn bent(&self, structure: u16, at_mm: [f64; 3], normal: [f32; 3]) -> ([f64; 3], [f32; 3]) {
        let Some(dents) = self.dents.get(&structure).filter(|dents| !dents.patches.is_empty()) else { return (at_mm, normal) };
        let at = |at: [f64; 3]| dents.nodes.displacement_mm(&dents.offsets_um, at);
        let moved = at(at_mm);
        if moved == [0.0; 3] {
            return (at_mm, normal);
        }
        // Columns of the deformation's gradient; a normal goes with its cofactors.
        let column = |k: usize| {
            let (mut low, mut high) = (at_mm, at_mm);
            low[k] -= SLOPE_MM;
            high[k] += SLOPE_MM;
            let (low, high) = (at(low), at(high));
            let mut column = [0, 1, 2].map(|n| (high[n] - low[n]) / (2.0 * SLOPE_MM));
            column[k] += 1.0;
            column
        };
        let [a, b, c] = [column(0), column(1), column(2)];
        let cross = |a: [f64; 3], b: [f64; 3]| [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
        let cofactors = [cross(b, c), cross(c, a), cross(a, b)];
        let n = normal.map(f64::from);
        let turned = [0, 1, 2].map(|k| cofactors[0][k] * n[0] + cofactors[1][k] * n[1] + cofactors[2][k] * n[2]);
        let long = turned.iter().map(|v| v * v).sum::<f64>().sqrt();
        let turned = if long > 1e-6 { turned.map(|v| (v / long) as f32) } else { normal };
        ([0, 1, 2].map(|k| at_mm[k] + moved[k]), turned)
    }

    /// A surface's colour under the veil, at a place in voxels.
    pub(crate) fn veiled(&self, grid: &Grid, index: [f64; 3], colour: Linear) -> Linear {
        if self.veil.is_empty() {
            return colour;
        }
        let bricks = index.map(|v| (v + 0.5) / BRICK as f64 - 0.5);
        let [mut dust, mut blood] = [0.0, 0.0];
        for corner in 0..8 {
            let step = [corner & 1, corner >> 1 & 1, corner >> 2];
            let at = [0, 1, 2].map(|k| bricks[k].floor() as i32 + step[k]);
            let share = |k: usize| {
                let part = bricks[k] - bricks[k].floor();
                if step[k] == 1 { part } else { 1.0 - part }
            };
            let Some([d, b]) = grid.brick_at(at).and_then(|brick| self.veil.get(&brick)) else { continue };
            let share = (share(0) * share(1) * share(2)) as f32 / FULL;
            dust += share * f32::from(*d);
            blood += share * f32::from(*b);
        }
        let mix = |colour: Linear, over: Linear, share: f32| {
            let share = share.clamp(0.0, HIDES);
            [0, 1, 2].map(|k| colour[k] * (1.0 - share) + over[k] * share)
        };
        mix(mix(colour, DUST, dust), BLOOD, blood)
    }
}

/// The bricks that a ball about a position reaches.
fn around(grid: &Grid, at_mm: [f64; 3], reach_mm: f64) -> impl Iterator<Item = BrickIndex> {
    let brick = |mm: [f64; 3]| grid.index_from_patient(mm).map(|v| (v / BRICK as f64).floor() as i32);
    let (low, high) = (brick(at_mm.map(|v| v - reach_mm)), brick(at_mm.map(|v| v + reach_mm)));
    let grid = *grid;
    let all =
        (low[2]..=high[2]).flat_map(move |z| (low[1]..=high[1]).flat_map(move |y| (low[0]..=high[0]).map(move |x| [x, y, z])));
    all.filter_map(move |at| grid.brick_at(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinor_client_core::testing::two_balls;
    use spinor_volume::TissueClass;

    /// A patch whose nodes moved as one moves the surface there, leaves normals as they are, and names the bricks about it; told to be at
    /// rest again nothing is displaced, and the same bricks are named.
    #[test]
    fn dents_move_vertices_and_go_back() {
        let patient = two_balls();
        let neural = patient.structures().iter().position(|s| s.class == TissueClass::Neural).unwrap();
        let structure = &patient.structures()[neural];
        let nodes = Nodes::of(patient.grid(), structure, Settings::default().tissue.node_cell_mm);
        let mut overlay = Overlay::default();
        let at = nodes.rest_mm(nodes.of_patch(0).start).unwrap();
        assert_eq!(overlay.bent(neural as u16, at, [0.0, 1.0, 0.0]), (at, [0.0, 1.0, 0.0]));
        let offsets: Vec<Vec<[i32; 3]>> =
            (0..nodes.patches()).map(|patch| vec![[0, -2_000, 0]; nodes.of_patch(patch).len()]).collect();
        let told = || offsets.iter().enumerate().map(|(n, offsets)| (n as u16, offsets.as_slice()));
        let dirty = overlay.dent(&patient, structure.label, told());
        assert!(!dirty.is_empty() && dirty.iter().all(|d| usize::from(d.structure) == neural));
        let (moved, normal) = overlay.bent(neural as u16, at, [0.0, 1.0, 0.0]);
        assert!((moved[1] - at[1] + 2.0).abs() < 1e-6 && (normal[1] - 1.0).abs() < 1e-3, "{moved:?} {normal:?}");
        assert!(overlay.dent(&patient, structure.label, told()).is_empty(), "nothing moved");
        assert_eq!(overlay.dent(&patient, structure.label, std::iter::empty()), dirty);
        assert_eq!(overlay.bent(neural as u16, at, [0.0, 1.0, 0.0]).0, at);
    }

    /// Blood and dust take a surface's colour away step by step, without an edge where a brick ends, and give it back; what looks
    /// different is named.
    #[test]
    fn the_veil_hides_and_clears() {
        let patient = two_balls();
        let grid = patient.grid();
        let (brick, white) = (grid.brick_at([1, 1, 1]).unwrap(), [1.0; 3]);
        let green = |overlay: &Overlay, x: f64| overlay.veiled(grid, [x, 23.5, 23.5], white)[1];
        let mut overlay = Overlay::default();
        assert_eq!(green(&overlay, 23.5), 1.0);
        let differ = overlay.veil(grid, [(brick, [0, 16])].into());
        assert!(differ.len() == 27 && differ.contains(&brick));
        assert!(green(&overlay, 23.5) < 0.1, "in the middle of the brick it is full");
        let along: Vec<f32> = (0..=64).map(|n| green(&overlay, 23.5 + f64::from(n) * 0.25)).collect();
        assert!(along.windows(2).all(|two| two[1] >= two[0] && two[1] - two[0] < 0.05), "{along:?}");
        assert_eq!(along[64], 1.0, "in the middle of the next brick there is none");
        overlay.veil(grid, [(brick, [0, 8])].into());
        assert!((0.4..0.6).contains(&green(&overlay, 23.5)));
        assert_eq!(overlay.veil(grid, BTreeMap::new()), differ);
        assert_eq!(green(&overlay, 23.5), 1.0);
    }
}
