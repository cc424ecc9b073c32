//! The operating theatre: lamps, table, drapes, dark surroundings.

use bevy::core_pipeline::tonemapping::Tonemapping;
use bevy::light::GlobalAmbientLight;
use bevy::prelude::*;
use bevy::render::renderer::RenderAdapterInfo;

use crate::frames::ISOCENTRE_M;

/// Height of the draped table's top below the isocentre, m: an adult's trunk lies between.
const TABLE_BELOW_M: f32 = 0.085;
/// Diffuse light from everywhere: the walls, cd/m².
const AMBIENT: f32 = 210.0;

/// How every camera of the theatre renders: no lookup table, four samples a pixel.
pub(crate) fn camera_look() -> impl Bundle {
    (Tonemapping::AcesFitted, Msaa::Sample4)
}

/// Builds the theatre.
pub(crate) struct TheatrePlugin;

impl Plugin for TheatrePlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(ClearColor(Color::srgb(0.012, 0.018, 0.024)))
            .insert_resource(GlobalAmbientLight { color: Color::srgb(0.72, 0.82, 1.0), brightness: AMBIENT, ..default() })
            .add_systems(Startup, (lamps, furniture));
    }
}

/// Whether pictures are computed without a graphics card.
fn is_software(adapter: &RenderAdapterInfo) -> bool {
    // The type's own name lies in a crate that is nothing else to us.
    format!("{:?}", adapter.device_type) == "Cpu"
}

/// Two warm lamps above that throw shadows, one cool light from the side that does not. Without a graphics card only the main lamp
/// throws shadows: each shadow draws the whole anatomy once more.
fn lamps(mut commands: Commands, adapter: Option<Res<RenderAdapterInfo>>) {
    let software = adapter.is_some_and(|adapter| is_software(&adapter));
    let lamp = |intensity: f32, outer_angle: f32, shadow_maps_enabled: bool| SpotLight {
        color: Color::srgb(1.0, 0.93, 0.82),
        intensity,
        range: 6.0,
        radius: 0.02,
        shadow_maps_enabled,
        shadow_depth_bias: 0.0025,
        shadow_normal_bias: 0.6,
        shadow_map_near_z: 0.4,
        outer_angle,
        inner_angle: outer_angle * 0.55,
        ..default()
    };
    // A narrow cone spends the shadow map's texels on the wound.
    commands.spawn((
        lamp(150_000.0, 0.24, true),
        Transform::from_translation(ISOCENTRE_M + Vec3::new(-0.42, 1.35, 0.30)).looking_at(ISOCENTRE_M, Vec3::X),
    ));
    commands.spawn((
        lamp(55_000.0, 0.42, !software),
        Transform::from_translation(ISOCENTRE_M + Vec3::new(0.75, 1.05, -0.35)).looking_at(ISOCENTRE_M, Vec3::X),
    ));
    commands.spawn((
        DirectionalLight { color: Color::srgb(0.62, 0.76, 1.0), illuminance: 380.0, shadow_maps_enabled: false, ..default() },
        Transform::from_xyz(0.3, 0.5, 1.0).looking_at(Vec3::ZERO, Vec3::Y),
    ));
}

fn furniture(mut commands: Commands, mut meshes: ResMut<Assets<Mesh>>, mut materials: ResMut<Assets<StandardMaterial>>) {
    let mut matt = |r, g, b, perceptual_roughness| {
        materials.add(StandardMaterial { base_color: Color::srgb(r, g, b), perceptual_roughness, reflectance: 0.2, ..default() })
    };
    let (drape, base, floor) = (matt(0.07, 0.30, 0.33, 0.95), matt(0.20, 0.22, 0.24, 0.5), matt(0.07, 0.09, 0.10, 0.7));
    let top = ISOCENTRE_M.y - TABLE_BELOW_M;
    let at = |x: f32, y: f32, z: f32| Transform::from_xyz(ISOCENTRE_M.x + x, y, ISOCENTRE_M.z + z);
    commands.spawn((Mesh3d(meshes.add(drape_mesh())), MeshMaterial3d(drape.clone()), at(0.0, top, 0.0)));
    commands.spawn((Mesh3d(meshes.add(Cuboid::new(1.9, 0.10, 0.54))), MeshMaterial3d(drape), at(0.0, top - 0.062, 0.0)));
    commands.spawn((
        Mesh3d(meshes.add(Cuboid::new(0.45, top - 0.12, 0.32))),
        MeshMaterial3d(base),
        at(0.0, (top - 0.12) * 0.5, 0.0),
    ));
    commands.spawn((Mesh3d(meshes.add(Plane3d::default().mesh().size(9.0, 9.0))), MeshMaterial3d(floor), at(0.0, 0.0, 0.0)));
}

/// Height of the drape's folds at a place on the table, m.
fn fold(x: f32, z: f32) -> f32 {
    // Folds run across the table and die out towards the wound.
    let away = ((x * x + 2.0 * z * z).sqrt() / 0.35).clamp(0.0, 1.0);
    away * away * (0.006 * (17.0 * x + 3.0 * (4.0 * z).sin()).sin() + 0.004 * (31.0 * z + 5.0 * x).sin()) - 0.004
}

/// A cloth over the table, hanging down on both sides.
fn drape_mesh() -> Mesh {
    use bevy::asset::RenderAssetUsages;
    use bevy::mesh::{Indices, PrimitiveTopology};
    const ACROSS: u32 = 72;
    const ALONG: u32 = 120;
    let (half_length, half_width, hang) = (1.0, 0.29, 0.55);
    let point = |i: u32, j: u32| {
        let x = (i as f32 / ALONG as f32 * 2.0 - 1.0) * half_length;
        let s = (j as f32 / ACROSS as f32 * 2.0 - 1.0) * (half_width + hang);
        let over = (s.abs() - half_width).max(0.0);
        let z = s.clamp(-half_width, half_width) + s.signum() * (over * 0.10 + 0.012 * (9.0 * x).sin() * (over / hang));
        Vec3::new(x, fold(x, s) - over, z)
    };
    let mut positions = Vec::new();
    let mut normals = Vec::new();
    for i in 0..=ALONG {
        for j in 0..=ACROSS {
            let along = point((i + 1).min(ALONG), j) - point(i.saturating_sub(1), j);
            let across = point(i, (j + 1).min(ACROSS)) - point(i, j.saturating_sub(1));
            positions.push(point(i, j).to_array());
            normals.push(across.cross(along).normalize_or(Vec3::Y).to_array());
        }
    }
    let row = ACROSS + 1;
    let corner = |i: u32, j: u32| i * row + j;
    let quads = (0..ALONG).flat_map(|i| (0..ACROSS).map(move |j| (i, j)));
    let indices = quads
        .flat_map(|(i, j)| {
            let [a, b, c, d] = [corner(i, j), corner(i + 1, j), corner(i, j + 1), corner(i + 1, j + 1)];
            [a, c, b, b, c, d]
        })
        .collect();
    Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::RENDER_WORLD)
        .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, positions)
        .with_inserted_attribute(Mesh::ATTRIBUTE_NORMAL, normals)
        .with_inserted_indices(Indices::U32(indices))
}
