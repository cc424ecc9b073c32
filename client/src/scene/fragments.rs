//! Loose fragments in the scene, each with its own form, where a tool carried it.

use std::collections::BTreeMap;

use bevy::asset::RenderAssetUsages;
use bevy::mesh::{Indices, PrimitiveTopology};
use bevy::prelude::*;
use spinor_sim::FragmentState;
use spinor_sim::tissue::Shape;
use spinor_volume::mesh::{BrickMesh, Mesher};
use spinor_volume::{Grid, Label, SparseField, TissueClass};

use super::anatomy::Anatomy;
use super::palette;
use crate::Draw;
use crate::frames::{WorldFrame, quat_from_turn, world_from_patient_direction, world_turn};

/// Density that a fragment's bone is drawn with, HU: its own is not sent.
const DRAWN_HU: f32 = 500.0;

/// The fragments to be shown, by number, with the form of each where it came loose. Whoever follows a room fills it.
#[derive(Resource, Default)]
pub(crate) struct Fragments(pub(crate) BTreeMap<u32, (FragmentState, Shape)>);

/// Fragments on show.
#[derive(Resource, Default)]
struct Shown {
    entities: BTreeMap<u32, Entity>,
    material: Handle<StandardMaterial>,
}

/// Draws [`Fragments`].
pub(crate) struct FragmentsPlugin;

impl Plugin for FragmentsPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Fragments>()
            .init_resource::<Shown>()
            .add_systems(Startup, make_material)
            .add_systems(Update, show.in_set(Draw).run_if(resource_exists::<Anatomy>));
    }
}

fn make_material(mut shown: ResMut<Shown>, mut materials: ResMut<Assets<StandardMaterial>>) {
    let (perceptual_roughness, reflectance) = palette::gloss(TissueClass::Bone);
    shown.material = materials.add(StandardMaterial { base_color: Color::WHITE, perceptual_roughness, reflectance, ..default() });
}

fn show(
    mut commands: Commands,
    mut shown: ResMut<Shown>,
    mut meshes: ResMut<Assets<Mesh>>,
    fragments: Res<Fragments>,
    anatomy: Res<Anatomy>,
) {
    if !fragments.is_changed() {
        return;
    }
    let shown = &mut *shown;
    shown.entities.retain(|id, entity| {
        let stays = fragments.0.contains_key(id);
        if !stays {
            commands.entity(*entity).despawn();
        }
        stays
    });
    for (id, (state, shape)) in &fragments.0 {
        let place = place(&anatomy.frame, state);
        if let Some(entity) = shown.entities.get(id) {
            commands.entity(*entity).insert(place);
            continue;
        }
        let mesh = mesh(anatomy.patient.grid(), &anatomy.frame, state, shape);
        let entity = commands.spawn((Mesh3d(meshes.add(mesh)), MeshMaterial3d(shown.material.clone()), place)).id();
        shown.entities.insert(*id, entity);
    }
}

/// Where a fragment is: its mesh lies about its own middle, turned as it was when it came loose.
fn place(frame: &WorldFrame, state: &FragmentState) -> Transform {
    let at = frame.world_from_patient(state.at_um.map(|um| f64::from(um) * 1e-3));
    let turn = world_turn() * quat_from_turn(state.turn) * world_turn().inverse();
    Transform::from_translation(at).with_rotation(turn)
}

/// A fragment's surface about its middle, in the theatre's directions.
fn mesh(grid: &Grid, frame: &WorldFrame, state: &FragmentState, shape: &Shape) -> Mesh {
    let mut sdf = SparseField::outside(grid);
    for (brick, samples) in shape.iter() {
        if let Some(own) = sdf.brick_mut(*brick) {
            own.copy_from_slice(&samples[..]);
        }
    }
    let middle = frame.world_from_patient(state.rest_um.map(|um| f64::from(um) * 1e-3));
    let class = state.structure.class().unwrap_or(TissueClass::Bone);
    let (mut mesher, mut brick_mesh) = (Mesher::new(), BrickMesh::default());
    let (mut positions, mut normals, mut colours, mut indices) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for brick in with_lower_neighbours(grid, shape) {
        mesher.mesh_field(grid, &sdf, None, brick, &mut brick_mesh);
        let first = positions.len() as u32;
        for (position, normal) in brick_mesh.positions.iter().zip(&brick_mesh.normals) {
            let at_mm = BrickMesh::position_mm(grid, brick, *position);
            positions.push((frame.world_from_patient(at_mm) - middle).to_array());
            normals.push(world_from_patient_direction(*normal).to_array());
            let [r, g, b] = colour(grid, state.structure, class, at_mm);
            colours.push([r, g, b, 1.0]);
        }
        indices.extend(brick_mesh.triangles.iter().flatten().map(|corner| first + u32::from(*corner)));
    }
    Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::RENDER_WORLD)
        .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, positions)
        .with_inserted_attribute(Mesh::ATTRIBUTE_NORMAL, normals)
        .with_inserted_attribute(Mesh::ATTRIBUTE_COLOR, colours)
        .with_inserted_indices(Indices::U32(indices))
}

fn colour(grid: &Grid, label: Label, class: TissueClass, at_mm: [f64; 3]) -> palette::Linear {
    let nearest = grid.index_from_patient(at_mm).map(|v| v.round() as i32);
    palette::colour(label, class, true, DRAWN_HU, palette::grain(nearest))
}

/// The bricks of a form and those before them along each axis: a brick owns the edges that start at its own voxels, so that a surface on a
/// brick's first voxels belongs to the one before.
fn with_lower_neighbours(grid: &Grid, shape: &Shape) -> std::collections::BTreeSet<spinor_volume::BrickIndex> {
    let neighbours = |brick: spinor_volume::BrickIndex| {
        let at = grid.brick_coords(brick);
        (0..8).filter_map(move |n| grid.brick_at([at[0] - (n & 1), at[1] - (n >> 1 & 1), at[2] - (n >> 2)]))
    };
    shape.iter().flat_map(|(brick, _)| neighbours(*brick)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinor_client_core::testing::two_balls;
    use spinor_sim::FragmentId;
    use std::sync::Arc;

    /// A fragment's mesh lies about its middle, and a fragment that was turned about an axis and carried stands where its state says.
    #[test]
    fn a_fragment_stands_where_it_was_carried() {
        let patient = two_balls();
        let (grid, frame) = (patient.grid(), WorldFrame::of(patient.grid()));
        let bone = patient.structure(Label::lumbar(4)).unwrap();
        let shape: Shape = Arc::new(bone.sdf.stored().map(|(brick, samples)| (brick, Box::new(*samples))).collect());
        let rest_um = [-2_000, 0, 0];
        let state = FragmentState {
            id: FragmentId(1),
            structure: Label::lumbar(4),
            occupancy: 1,
            rest_um,
            at_um: [-2_000, 5_000, 0],
            turn: [0, 0, 23_170, 23_170],
            held: None,
            taken: false,
        };
        let place = place(&frame, &state);
        for rest in [[-2.0, 9.0, 0.0], [7.0, 0.0, 0.0], [-2.0, 0.0, 9.0]] {
            let about = frame.world_from_patient(rest) - frame.world_from_patient(rest_um.map(|um| f64::from(um) * 1e-3));
            let expected = frame.world_from_patient(state.place_mm(rest));
            assert!((place.transform_point(about) - expected).length() < 1e-5, "{rest:?}");
        }
        let mesh = mesh(grid, &frame, &state, &shape);
        assert!(mesh.count_vertices() > 500 && mesh.indices().is_some_and(|i| i.len() > 1_000));
    }
}
