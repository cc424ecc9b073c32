//! Tools in everybody's hands.

use std::collections::BTreeMap;

use bevy::prelude::*;
use spinor_sim::{AlarmLevel, Hand, ToolKind, UserId};

use super::toolmesh::{self, Finish, Motion};
use crate::Draw;
use crate::room::{Room, ShownTool};

/// Turns per second at which a spinning head still reads as spinning on a screen.
const SHOWN_TURNS_PER_SECOND: f32 = 11.0;

/// Draws the tools of [`Room`].
pub(crate) struct ToolsPlugin;

impl Plugin for ToolsPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Shapes>()
            .init_resource::<Held>()
            .add_systems(Startup, make_finishes)
            .add_systems(Update, (show_tools, move_parts).chain().in_set(Draw));
    }
}

/// Colours of the finishes and of the glow at a tool's tip.
#[derive(Resource)]
struct Finishes {
    by_finish: BTreeMap<Finish, Handle<StandardMaterial>>,
    caution: Handle<StandardMaterial>,
    danger: Handle<StandardMaterial>,
}

/// A part's mesh, what it is made of, and how it moves.
type Shape = (Handle<Mesh>, Finish, Motion);

/// Meshes by kind and size, made once.
#[derive(Resource, Default)]
struct Shapes(BTreeMap<(ToolKind, u8), Vec<Shape>>);

/// The entities of a held tool.
struct HeldTool {
    root: Entity,
    kind: ToolKind,
    size_tenth_mm: u8,
    level: AlarmLevel,
    head: Option<Entity>,
    head_finish: Finish,
}

#[derive(Resource, Default)]
struct Held(BTreeMap<(UserId, Hand), HeldTool>);

/// A part that moves with the trigger of a hand's tool.
#[derive(Component)]
struct Moving(UserId, Hand, Motion);

fn make_finishes(mut commands: Commands, mut materials: ResMut<Assets<StandardMaterial>>) {
    let mut metal = |r, g, b, metallic, perceptual_roughness| {
        materials.add(StandardMaterial { base_color: Color::srgb(r, g, b), metallic, perceptual_roughness, ..default() })
    };
    let by_finish = BTreeMap::from([
        // Half metal: there is no room to reflect, and pure metal would be black.
        (Finish::Steel, metal(0.78, 0.80, 0.83, 0.45, 0.28)),
        (Finish::Head, metal(0.70, 0.71, 0.74, 0.5, 0.35)),
        (Finish::Grip, metal(0.10, 0.12, 0.15, 0.1, 0.5)),
        (Finish::Plastic, metal(0.55, 0.65, 0.68, 0.0, 0.35)),
    ]);
    let mut glow = |r: f32, g: f32, b: f32| {
        materials.add(StandardMaterial {
            base_color: Color::srgb(r, g, b),
            emissive: LinearRgba::rgb(r, g, b) * 400.0,
            perceptual_roughness: 0.6,
            ..default()
        })
    };
    commands.insert_resource(Finishes { by_finish, caution: glow(1.0, 0.62, 0.05), danger: glow(1.0, 0.08, 0.04) });
}

fn show_tools(
    mut commands: Commands,
    room: Res<Room>,
    finishes: Res<Finishes>,
    mut shapes: ResMut<Shapes>,
    mut held: ResMut<Held>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut transforms: Query<&mut Transform>,
) {
    held.0.retain(|key, tool| {
        let kept = room.tools.get(key).is_some_and(|t| (t.kind, t.size_tenth_mm) == (tool.kind, tool.size_tenth_mm));
        if !kept {
            commands.entity(tool.root).despawn();
        }
        kept
    });
    for (key, tool) in &room.tools {
        match held.0.get_mut(key) {
            None => {
                let shape = shapes.0.entry((tool.kind, tool.size_tenth_mm)).or_insert_with(|| {
                    let parts = toolmesh::parts(tool.kind, tool.size_tenth_mm);
                    parts.into_iter().map(|part| (meshes.add(part.mesh), part.finish, part.motion)).collect()
                });
                held.0.insert(*key, spawn(&mut commands, *key, tool, shape, &finishes));
            }
            Some(held) => {
                if let Ok(mut transform) = transforms.get_mut(held.root) {
                    *transform = tool.at;
                }
                if held.level != tool.level {
                    held.level = tool.level;
                    if let (Some(head), Some(material)) = (held.head, head_material(&finishes, held.head_finish, tool.level)) {
                        commands.entity(head).insert(MeshMaterial3d(material));
                    }
                }
            }
        }
    }
}

fn head_material(finishes: &Finishes, finish: Finish, level: AlarmLevel) -> Option<Handle<StandardMaterial>> {
    match level {
        AlarmLevel::Clear => finishes.by_finish.get(&finish).cloned(),
        AlarmLevel::Caution => Some(finishes.caution.clone()),
        _ => Some(finishes.danger.clone()),
    }
}

fn spawn(commands: &mut Commands, key: (UserId, Hand), tool: &ShownTool, shape: &[Shape], finishes: &Finishes) -> HeldTool {
    let root = commands.spawn((tool.at, Visibility::default())).id();
    let mut head = None;
    for (mesh, finish, motion) in shape {
        let material = match head {
            None => head_material(finishes, *finish, tool.level),
            Some(_) => finishes.by_finish.get(finish).cloned(),
        };
        let Some(material) = material else { continue };
        let part = commands.spawn((Mesh3d(mesh.clone()), MeshMaterial3d(material), ChildOf(root))).id();
        if *motion != Motion::Still {
            commands.entity(part).insert((Moving(key.0, key.1, *motion), motion.at(tool.trigger)));
        }
        head.get_or_insert(part);
    }
    let head_finish = shape.first().map_or(Finish::Steel, |(_, finish, _)| *finish);
    HeldTool { root, kind: tool.kind, size_tenth_mm: tool.size_tenth_mm, level: tool.level, head, head_finish }
}

fn move_parts(time: Res<Time>, room: Res<Room>, mut parts: Query<(&Moving, &mut Transform)>) {
    for (Moving(user, hand, motion), mut transform) in &mut parts {
        let Some(tool) = room.tools.get(&(*user, *hand)) else { continue };
        if *motion != Motion::Spins {
            transform.set_if_neq(motion.at(tool.trigger));
        } else if tool.trigger > 0.02 {
            let angle = std::f32::consts::TAU * SHOWN_TURNS_PER_SECOND * tool.trigger * time.delta_secs();
            transform.rotate_local_z(angle);
        }
    }
}
