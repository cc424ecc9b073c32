//! Surfaces of a patient in chunks: what changed is meshed brick by brick and drawn chunk by chunk.
//!
//! A chunk joins the meshes of 4 × 4 × 4 bricks of one structure. A delta dirties single bricks; only these are meshed again, and only
//! the chunks they belong to are handed to the renderer again.

use std::collections::{BTreeMap, BTreeSet};

use bevy::asset::RenderAssetUsages;
use bevy::mesh::{Indices, PrimitiveTopology};
use bevy::prelude::*;
use spinor_volume::mesh::{BrickMesh, Mesher, surface_bricks};
use spinor_volume::{BRICK, BrickIndex, CutState, Dirty, Patient, SDF_PER_VOXEL, Source, TissueClass, VoxelIndex};

use super::overlay::Overlay;
use super::palette;
use crate::frames::{WorldFrame, world_from_patient_direction};

/// Edge of a chunk in bricks.
const CHUNK: i32 = 4;
/// Steps of a mesh vertex per voxel.
const MESH_PER_VOXEL: f64 = 256.0;

/// A chunk of one structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChunkKey {
    /// The structure's place in the patient.
    pub(crate) structure: u16,
    at: [i32; 3],
}

/// One brick's surface, ready to be drawn.
#[derive(Clone, Debug, Default, PartialEq)]
struct Piece {
    positions: Vec<[f32; 3]>,
    normals: Vec<[f32; 3]>,
    colours: Vec<[f32; 4]>,
    triangles: Vec<[u16; 3]>,
}

/// The surfaces of one patient as they are after the cuts so far.
pub(crate) struct Surfaces {
    frame: WorldFrame,
    mesher: Mesher,
    scratch: BrickMesh,
    pieces: BTreeMap<ChunkKey, BTreeMap<BrickIndex, Piece>>,
    changed: BTreeSet<ChunkKey>,
    /// Dents and veil over the surfaces; whoever changes it meshes again the bricks that it names.
    pub(crate) overlay: Overlay,
}

impl Surfaces {
    /// Meshes everything, on all cores.
    pub(crate) fn new(patient: &Patient, cut: &CutState, frame: WorldFrame) -> Self {
        let structures = patient.structures().len();
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(structures.max(1));
        let next = std::sync::atomic::AtomicUsize::new(0);
        let work = || {
            let mut part = Self {
                frame,
                mesher: Mesher::new(),
                scratch: BrickMesh::default(),
                pieces: BTreeMap::new(),
                changed: BTreeSet::new(),
                overlay: Overlay::default(),
            };
            loop {
                let structure = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if structure >= structures {
                    break part;
                }
                for brick in surface_bricks(patient, Some(cut), structure) {
                    part.remesh(patient, cut, structure as u16, brick);
                }
            }
        };
        let mut parts: Vec<Self> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        let mut all = parts.pop().unwrap_or_else(work);
        for part in parts {
            all.pieces.extend(part.pieces);
            all.changed.extend(part.changed);
        }
        all
    }

    /// Meshes bricks again after a cut.
    pub(crate) fn update(&mut self, patient: &Patient, cut: &CutState, dirty: impl IntoIterator<Item = Dirty>) {
        let once: BTreeSet<(u16, BrickIndex)> = dirty.into_iter().map(|d| (d.structure, d.brick)).collect();
        for (structure, brick) in once {
            self.remesh(patient, cut, structure, brick);
        }
    }

    /// Takes over the veil: dust and blood by brick, sixteenths. Only what is there to be veiled is meshed again.
    pub(crate) fn veil(&mut self, patient: &Patient, cut: &CutState, veil: BTreeMap<BrickIndex, [u8; 2]>) {
        for brick in self.overlay.veil(patient.grid(), veil) {
            for structure in 0..patient.structures().len() as u16 {
                let piece = self.pieces.get(&Self::key(patient, structure, brick)).and_then(|bricks| bricks.get(&brick));
                if piece.is_some() {
                    self.remesh(patient, cut, structure, brick);
                }
            }
        }
    }

    fn remesh(&mut self, patient: &Patient, cut: &CutState, structure: u16, brick: BrickIndex) {
        self.mesher.mesh(patient, Some(cut), usize::from(structure), brick, &mut self.scratch);
        let key = Self::key(patient, structure, brick);
        if self.scratch.triangles.is_empty() {
            if self.pieces.get_mut(&key).is_some_and(|bricks| bricks.remove(&brick).is_some()) {
                self.changed.insert(key);
            }
            return;
        }
        let piece = piece((patient, cut), &self.overlay, &self.frame, structure, brick, &self.scratch);
        self.pieces.entry(key).or_default().insert(brick, piece);
        self.changed.insert(key);
    }

    /// The chunk that a brick of a structure belongs to.
    fn key(patient: &Patient, structure: u16, brick: BrickIndex) -> ChunkKey {
        ChunkKey { structure, at: patient.grid().brick_coords(brick).map(|v| v.div_euclid(CHUNK)) }
    }

    /// Takes the chunks that changed since the last call.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<ChunkKey> {
        std::mem::take(&mut self.changed)
    }

    /// A chunk's mesh in the theatre's frame; none when nothing is left of it.
    pub(crate) fn chunk(&self, key: ChunkKey) -> Option<Mesh> {
        let bricks = self.pieces.get(&key).filter(|bricks| !bricks.is_empty())?;
        let count = bricks.values().map(|piece| piece.positions.len()).sum();
        let (mut positions, mut normals, mut colours) =
            (Vec::with_capacity(count), Vec::with_capacity(count), Vec::with_capacity(count));
        let mut indices = Vec::with_capacity(bricks.values().map(|piece| piece.triangles.len() * 3).sum());
        for piece in bricks.values() {
            let first = positions.len() as u32;
            positions.extend_from_slice(&piece.positions);
            normals.extend_from_slice(&piece.normals);
            colours.extend_from_slice(&piece.colours);
            indices.extend(piece.triangles.iter().flatten().map(|corner| first + u32::from(*corner)));
        }
        Some(
            Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::RENDER_WORLD)
                .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, positions)
                .with_inserted_attribute(Mesh::ATTRIBUTE_NORMAL, normals)
                .with_inserted_attribute(Mesh::ATTRIBUTE_COLOR, colours)
                .with_inserted_indices(Indices::U32(indices)),
        )
    }

    /// Triangles of all chunks.
    #[cfg(test)]
    fn triangles(&self) -> usize {
        self.pieces.values().flat_map(BTreeMap::values).map(|piece| piece.triangles.len()).sum()
    }

    #[cfg(test)]
    fn all_pieces(&self) -> BTreeMap<(u16, BrickIndex), Piece> {
        let bricks = |(key, bricks): (&ChunkKey, &BTreeMap<BrickIndex, Piece>)| {
            bricks.iter().map(|(brick, piece)| ((key.structure, *brick), piece.clone())).collect::<Vec<_>>()
        };
        self.pieces.iter().flat_map(bricks).collect()
    }
}

/// Colours a brick's mesh, dents it, and moves it into the theatre.
fn piece(
    (patient, cut): (&Patient, &CutState),
    overlay: &Overlay,
    frame: &WorldFrame,
    structure: u16,
    brick: BrickIndex,
    mesh: &BrickMesh,
) -> Piece {
    let grid = patient.grid();
    let Some(of) = patient.structures().get(usize::from(structure)) else { return Piece::default() };
    let first = grid.brick_coords(brick).map(|v| v * BRICK as i32);
    let mut piece = Piece { triangles: mesh.triangles.clone(), ..Piece::default() };
    for ((position, normal), is_cut) in mesh.positions.iter().zip(&mesh.normals).zip(&mesh.cut) {
        let index = [0, 1, 2].map(|k| f64::from(first[k]) + f64::from(position[k]) / MESH_PER_VOXEL);
        let nearest = index.map(|v| v.round() as i32);
        let hu = match of.class {
            TissueClass::Bone => density(patient, index, *normal),
            _ => 0.0,
        };
        let shade = openness(patient, cut, structure, index, *normal);
        let at_mm = grid.patient_from_index(index);
        let mut colour = palette::colour(of.label, of.class, *is_cut, hu, palette::grain(nearest));
        if of.source == Source::Proposed {
            colour = palette::proposed(colour, at_mm);
        }
        let colour = overlay.veiled(grid, index, colour.map(|c| c * shade));
        let (at_mm, normal) = overlay.bent(structure, at_mm, *normal);
        piece.positions.push(frame.world_from_patient(at_mm).to_array());
        piece.normals.push(world_from_patient_direction(normal).to_array());
        piece.colours.push([colour[0], colour[1], colour[2], 1.0]);
    }
    piece
}

/// Density just below a surface point, HU: the largest of two looks, because half the voxels at a surface are air's share.
fn density(patient: &Patient, index: [f64; 3], normal: [f32; 3]) -> f32 {
    let look = |depth: f64| {
        let at = [0, 1, 2].map(|k| (index[k] - depth * f64::from(normal[k])).round() as i32);
        patient.density().hu(patient.grid(), VoxelIndex(at))
    };
    look(0.4).max(look(1.2)) as f32
}

/// How open a surface point is to the light around, 0.45-1: a look along the normal into the structure's own distances and its
/// neighbours' of the same class darkens grooves and the feet of walls.
fn openness(patient: &Patient, cut: &CutState, structure: u16, index: [f64; 3], normal: [f32; 3]) -> f32 {
    let grid = patient.grid();
    let Some(of) = patient.structures().get(usize::from(structure)) else { return 1.0 };
    let mut open = 1.0;
    for voxels in [1.5, 3.0] {
        let at = VoxelIndex([0, 1, 2].map(|k| (index[k] + voxels * f64::from(normal[k])).round() as i32));
        let tissue = i32::from(of.sdf.sample(grid, at)).max(-i32::from(cut.field(of.class).sample(grid, at)));
        let expected = voxels as f32 * SDF_PER_VOXEL as f32;
        open -= 0.28 * (1.0 - tissue as f32 / expected).clamp(0.0, 1.0);
    }
    open.max(0.45)
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinor_client_core::testing::two_balls;
    use spinor_volume::{ClassMask, CutOp};

    /// After cuts, meshing only what the cuts dirtied gives exactly what meshing everything gives.
    #[test]
    fn remeshing_dirty_bricks_equals_meshing_everything() {
        let patient = two_balls();
        let frame = WorldFrame::of(patient.grid());
        let mut cut = CutState::new(patient.grid());
        let mut surfaces = Surfaces::new(&patient, &cut, frame);
        let before = surfaces.triangles();
        assert!(before > 1_000 && !surfaces.take_changed().is_empty());
        for step in 0..5 {
            let x = -12.0 + 5.0 * f64::from(step);
            let bone = ClassMask::of(&[TissueClass::Bone]);
            for op in CutOp::sweep_mm(patient.grid(), [x, 0.0, 8.0], [x + 4.0, 1.0, 7.0], 2.5, bone).unwrap() {
                let outcome = cut.apply(&patient, &op);
                surfaces.update(&patient, &cut, outcome.dirty);
            }
        }
        let fresh = Surfaces::new(&patient, &cut, frame);
        assert!(surfaces.all_pieces() == fresh.all_pieces(), "a delta and a rebuild differ");
        assert_ne!(surfaces.triangles(), before);
        let changed = surfaces.take_changed();
        assert!(!changed.is_empty() && changed.iter().all(|key| key.structure == 1), "only bone was cut");
    }

    /// A chunk of which nothing is left has no mesh, and says so once.
    #[test]
    fn a_chunk_that_is_cut_away_disappears() {
        let patient = two_balls();
        let mut cut = CutState::new(patient.grid());
        let mut surfaces = Surfaces::new(&patient, &cut, WorldFrame::of(patient.grid()));
        let keys = surfaces.take_changed();
        let all = ClassMask::of(&TissueClass::ALL);
        for k in -4..=4 {
            for j in -4..=4 {
                let at = [0.0, f64::from(j) * 4.0, f64::from(k) * 4.0];
                for op in CutOp::sweep_mm(patient.grid(), [-16.0, at[1], at[2]], [16.0, at[1], at[2]], 6.0, all).unwrap() {
                    let outcome = cut.apply(&patient, &op);
                    surfaces.update(&patient, &cut, outcome.dirty);
                }
            }
        }
        assert_eq!(surfaces.triangles(), 0);
        assert_eq!(surfaces.take_changed(), keys);
        assert!(keys.into_iter().all(|key| surfaces.chunk(key).is_none()));
    }
}
