//! Surface nets: the triangles of one structure in one brick.
//!
//! A vertex lies in every cell (eight voxels) whose samples differ in sign, at the mean of the crossings on the cell's edges; a quad
//! joins the four cells around every edge that the surface crosses. Vertices are whole 1/256 voxel and depend on their own cell
//! alone, so the two bricks of a seam compute the same vertex and their meshes join without a crack. A brick owns the edges that
//! start at its own voxels, so that every quad belongs to one brick. The grid's border counts as outside: surfaces are closed there.
//!
//! Source of the method: Gibson 1998, "Constrained elastic surface nets"; the mean of crossings is the "naive" variant (Lysenko 2012).

mod nets;
mod pad;

use crate::cut::CutState;
use crate::field::{BrickState, SparseField};
use crate::grid::{BrickIndex, Grid};
use crate::patient::Patient;
use pad::{PAD, Padded, PaddedSigns, gather};

/// Steps of a vertex position per voxel.
pub const MESH_PER_VOXEL: i32 = 256;

/// The part of a structure's surface that one brick owns. All lists of vertices have the same length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BrickMesh {
    /// Vertex positions from the brick's first voxel, 1/256 voxel, −256 to 4,096.
    pub positions: Vec<[i16; 3]>,
    /// Unit normals out of the tissue (patient axes): the field's gradient, not the triangles' mean.
    pub normals: Vec<[f32; 3]>,
    /// Whether the vertex lies on a face that a cut made, rather than on the patient's own surface.
    pub cut: Vec<bool>,
    /// Corners of the triangles, counter-clockwise seen from outside the tissue.
    pub triangles: Vec<[u16; 3]>,
}

impl BrickMesh {
    /// Empties the mesh but keeps its memory.
    pub fn clear(&mut self) {
        self.positions.clear();
        self.normals.clear();
        self.cut.clear();
        self.triangles.clear();
    }

    /// Whether the brick has no surface.
    pub fn is_empty(&self) -> bool {
        self.triangles.is_empty()
    }

    /// Position of a vertex of `brick` in patient LPS, mm.
    pub fn position_mm(grid: &Grid, brick: BrickIndex, position: [i16; 3]) -> [f64; 3] {
        let first = grid.brick_coords(brick).map(|v| v * crate::grid::BRICK as i32 * MESH_PER_VOXEL);
        let at: [f64; 3] = std::array::from_fn(|k| f64::from(first[k] + i32::from(position[k])) / f64::from(MESH_PER_VOXEL));
        grid.patient_from_index(at)
    }
}

/// Meshes bricks one after another in memory of its own (about 30 kB). It holds no state between bricks.
pub struct Mesher {
    patient: Box<Padded>,
    cut: Box<Padded>,
    effective: Box<Padded>,
    signs: Box<PaddedSigns>,
    carved: Box<PaddedSigns>,
    ids: Box<[u16; PAD * PAD * PAD]>,
}

impl Default for Mesher {
    fn default() -> Self {
        Self::new()
    }
}

impl Mesher {
    /// A mesher for any patient.
    pub fn new() -> Self {
        Self {
            patient: Box::new([[0; PAD]; PAD * PAD]),
            cut: Box::new([[0; PAD]; PAD * PAD]),
            effective: Box::new([[0; PAD]; PAD * PAD]),
            signs: Box::new([0; PAD * PAD]),
            carved: Box::new([0; PAD * PAD]),
            ids: Box::new([0; PAD * PAD * PAD]),
        }
    }

    /// Puts the surface that `brick` owns of what `cut` left of a structure into `out`, replacing what was there.
    ///
    /// The same samples give the same bytes on every machine. A structure or brick that the patient lacks has no surface.
    /// Cost: tens of microseconds for a brick with a surface; docs/PERFORMANCE.md has what was measured and how.
    pub fn mesh(&mut self, patient: &Patient, cut: Option<&CutState>, structure: usize, brick: BrickIndex, out: &mut BrickMesh) {
        match patient.structures().get(structure) {
            Some(s) => self.mesh_field(patient.grid(), &s.sdf, cut.map(|cut| cut.field(s.class)), brick, out),
            None => out.clear(),
        }
    }

    /// As [`Mesher::mesh`] for a field on its own, less what `cut` took.
    pub fn mesh_field(
        &mut self,
        grid: &Grid,
        sdf: &SparseField,
        cut: Option<&SparseField>,
        brick: BrickIndex,
        out: &mut BrickMesh,
    ) {
        out.clear();
        let Some(low) = self.load(grid, sdf, cut, brick) else { return };
        nets::emit(self, low, out);
    }

    /// Gathers a brick and its surroundings; on which axes it is the grid's first brick, or none when no sign changes.
    fn load(&mut self, grid: &Grid, sdf: &SparseField, cut: Option<&SparseField>, brick: BrickIndex) -> Option<[bool; 3]> {
        if brick.0 as usize >= grid.brick_count() {
            return None;
        }
        let at = grid.brick_coords(brick);
        gather(grid, sdf, at, &mut self.patient);
        match cut.filter(|field| near(grid, field, at)) {
            Some(field) => {
                gather(grid, field, at, &mut self.cut);
                pad::carve(&self.patient, &self.cut, &mut self.effective, &mut self.carved);
            }
            None => {
                self.effective.copy_from_slice(&*self.patient);
                self.carved.fill(0);
            }
        }
        pad::signs(&self.effective, &mut self.signs).then(|| at.map(|v| v == 0))
    }
}

/// Whether a field holds samples in the brick at `at` or beside it.
fn near(grid: &Grid, field: &SparseField, at: [i32; 3]) -> bool {
    pad::around().any(|d| {
        grid.brick_at([at[0] + d[0], at[1] + d[1], at[2] + d[2]]).is_some_and(|brick| field.brick(brick) != BrickState::Outside)
    })
}

/// All bricks in which [`Mesher::mesh`] finds a surface of the structure, in rising order.
pub fn surface_bricks(patient: &Patient, cut: Option<&CutState>, structure: usize) -> Vec<BrickIndex> {
    match patient.structures().get(structure) {
        Some(s) => field_bricks(patient.grid(), &s.sdf, cut.map(|cut| cut.field(s.class))),
        None => Vec::new(),
    }
}

/// All bricks in which [`Mesher::mesh_field`] finds a surface, in rising order.
pub fn field_bricks(grid: &Grid, sdf: &SparseField, cut: Option<&SparseField>) -> Vec<BrickIndex> {
    // Whether a brick is inside, outside, or has samples that may differ.
    let uniform = |at: [i32; 3]| -> Option<bool> {
        let Some(brick) = grid.brick_at(at) else { return Some(false) };
        match sdf.brick(brick) {
            BrickState::Outside => Some(false),
            BrickState::Inside if cut.is_none_or(|field| field.brick(brick) == BrickState::Outside) => Some(true),
            BrickState::Inside | BrickState::Samples(_) => None,
        }
    };
    let mut mesher = Mesher::new();
    (0..grid.brick_count() as u32)
        .map(BrickIndex)
        .filter(|brick| {
            let at = grid.brick_coords(*brick);
            let own = uniform(at);
            let beside = (0..3).flat_map(|k| {
                let (mut next, mut last) = (at, at);
                next[k] += 1;
                last[k] -= 1;
                // Towards lower coordinates a brick owns edges at the grid's border only.
                [Some(next), (last[k] < 0).then_some(last)].into_iter().flatten()
            });
            let candidate = own.is_none() || beside.into_iter().any(|at| uniform(at) != own);
            candidate && mesher.load(grid, sdf, cut, *brick).is_some_and(|low| nets::crosses(&mesher.signs, low))
        })
        .collect()
}
