//! A structure's whole surface as one mesh.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use spinor_volume::cut::CutState;
use spinor_volume::mesh::{BrickMesh, MESH_PER_VOXEL, Mesher, surface_bricks};
use spinor_volume::{BRICK, Patient};

/// A closed triangle mesh in patient LPS, mm; triangles counter-clockwise seen from outside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surface {
    /// Vertices, each once.
    pub positions_mm: Vec<[f32; 3]>,
    /// Unit normals out of the tissue, one per vertex.
    pub normals: Vec<[f32; 3]>,
    /// Corners of the triangles.
    pub triangles: Vec<[u32; 3]>,
}

/// The surface of what `cut` left of a structure, by its place in the patient. Vertices that bricks share are joined.
pub fn surface(patient: &Patient, cut: Option<&CutState>, structure: usize) -> Surface {
    let (mut mesher, mut mesh) = (Mesher::new(), BrickMesh::default());
    let mut out = Surface::default();
    let mut known: HashMap<[i32; 3], u32> = HashMap::new();
    let mut numbers: Vec<u32> = Vec::new();
    let grid = patient.grid();
    for brick in surface_bricks(patient, cut, structure) {
        mesher.mesh(patient, cut, structure, brick, &mut mesh);
        let first = grid.brick_coords(brick).map(|v| v * BRICK as i32 * MESH_PER_VOXEL);
        numbers.clear();
        for (position, normal) in mesh.positions.iter().zip(&mesh.normals) {
            let at = [0, 1, 2].map(|k| first[k] + i32::from(position[k]));
            numbers.push(match known.entry(at) {
                Entry::Occupied(entry) => *entry.get(),
                Entry::Vacant(entry) => {
                    let mm = grid.patient_from_index(at.map(|v| f64::from(v) / f64::from(MESH_PER_VOXEL)));
                    out.positions_mm.push(mm.map(|v| v as f32));
                    out.normals.push(*normal);
                    *entry.insert(out.positions_mm.len() as u32 - 1)
                }
            });
        }
        for corners in &mesh.triangles {
            let [a, b, c] = corners.map(|n| numbers.get(usize::from(n)).copied().unwrap_or(0));
            if a != b && b != c && c != a {
                out.triangles.push([a, b, c]);
            }
        }
    }
    out
}
