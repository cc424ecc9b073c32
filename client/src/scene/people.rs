//! Everybody else in the theatre: a head with cap and mask, a name above it, hands at the tools. None of them throws a shadow: a theatre's
//! lamps shine past heads and hands from many sides.

use std::collections::BTreeMap;

use bevy::light::NotShadowCaster;
use bevy::prelude::*;
use spinor_shared::room::Role;
use spinor_sim::{Hand, UserId};

use crate::Draw;
use crate::room::Room;

/// How far along the shaft a hand holds a tool, m.
const GRIP_M: f32 = 0.105;
/// A head nearer to the eye than this is not drawn: a free viewpoint may be within it, m.
const HEAD_AWAY_M: f32 = 0.25;
/// The same for a hand, which would hide the wound from a camera close above it, m.
const HAND_AWAY_M: f32 = 0.16;

/// Draws the people of [`Room`] but oneself.
pub(crate) struct PeoplePlugin;

impl Plugin for PeoplePlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Bodies>()
            .add_systems(Startup, make_parts)
            .add_systems(Update, (show_heads, show_hands, clear_the_view).chain().in_set(Draw));
    }
}

/// A person's head and hands in the scene.
#[derive(Resource, Default)]
struct Bodies {
    heads: BTreeMap<UserId, Entity>,
    hands: BTreeMap<(UserId, Hand), Entity>,
}

#[derive(Resource)]
struct Parts {
    face: Handle<Mesh>,
    cap: Handle<Mesh>,
    mask: Handle<Mesh>,
    eye: Handle<Mesh>,
    shoulders: Handle<Mesh>,
    glove: Handle<Mesh>,
    finger: Handle<Mesh>,
    skin: Handle<StandardMaterial>,
    white: Handle<StandardMaterial>,
    dark: Handle<StandardMaterial>,
    nitrile: Handle<StandardMaterial>,
    gowns: BTreeMap<Role, Handle<StandardMaterial>>,
}

/// The colour that stands for a role, in the scene and in the list of people.
pub(crate) const fn role_colour(role: Role) -> Color {
    match role {
        Role::Attending => Color::srgb(0.16, 0.55, 0.62),
        Role::Resident => Color::srgb(0.25, 0.45, 0.78),
        Role::Mentor => Color::srgb(0.62, 0.42, 0.72),
        Role::Observer => Color::srgb(0.45, 0.50, 0.52),
    }
}

fn make_parts(mut commands: Commands, mut meshes: ResMut<Assets<Mesh>>, mut materials: ResMut<Assets<StandardMaterial>>) {
    let mut matt = |color: Color, perceptual_roughness: f32| {
        materials.add(StandardMaterial { base_color: color, perceptual_roughness, reflectance: 0.3, ..default() })
    };
    commands.insert_resource(Parts {
        skin: matt(Color::srgb(0.72, 0.55, 0.45), 0.6),
        white: matt(Color::srgb(0.62, 0.72, 0.75), 0.9),
        dark: matt(Color::srgb(0.05, 0.05, 0.06), 0.3),
        nitrile: matt(Color::srgb(0.36, 0.44, 0.66), 0.45),
        gowns: Role::ALL.map(|role| (role, matt(role_colour(role), 0.9))).into(),
        face: meshes.add(Sphere::new(0.098).mesh().uv(32, 20)),
        cap: meshes.add(Sphere::new(0.106).mesh().uv(32, 20)),
        mask: meshes.add(Sphere::new(0.062).mesh().uv(24, 16)),
        eye: meshes.add(Sphere::new(0.013).mesh().uv(12, 8)),
        shoulders: meshes.add(Capsule3d::new(0.085, 0.26)),
        glove: meshes.add(Sphere::new(0.036).mesh().uv(24, 16)),
        finger: meshes.add(Capsule3d::new(0.0085, 0.042)),
    });
}

fn show_heads(
    mut commands: Commands,
    room: Res<Room>,
    parts: Res<Parts>,
    mut bodies: ResMut<Bodies>,
    mut transforms: Query<&mut Transform>,
) {
    let seen = |user: &UserId| room.people.get(user).filter(|p| p.online && room.me != Some(p.user)).and_then(|p| p.head);
    bodies.heads.retain(|user, head| {
        let kept = seen(user).is_some();
        if !kept {
            commands.entity(*head).despawn();
        }
        kept
    });
    for (user, person) in &room.people {
        let Some(at) = seen(user) else { continue };
        if let Some(head) = bodies.heads.get(user) {
            if let Ok(mut transform) = transforms.get_mut(*head) {
                *transform = at;
            }
            continue;
        }
        let gown = parts.gowns.get(&person.role).unwrap_or(&parts.white);
        let head = commands.spawn((at, Visibility::default())).id();
        let mut part = |mesh: &Handle<Mesh>, material: &Handle<StandardMaterial>, at: Transform| {
            commands.spawn((Mesh3d(mesh.clone()), MeshMaterial3d(material.clone()), at, NotShadowCaster, ChildOf(head)));
        };
        part(&parts.face, &parts.skin, Transform::from_xyz(0.0, 0.0, 0.03).with_scale(Vec3::new(0.86, 1.12, 0.98)));
        part(&parts.cap, gown, Transform::from_xyz(0.0, 0.042, 0.042).with_scale(Vec3::new(0.88, 0.88, 0.98)));
        part(&parts.mask, &parts.white, Transform::from_xyz(0.0, -0.052, -0.022).with_scale(Vec3::new(1.0, 0.9, 0.8)));
        for side in [-1.0, 1.0] {
            part(&parts.eye, &parts.dark, Transform::from_xyz(side * 0.033, 0.004, -0.058));
        }
        let across = Quat::from_rotation_z(std::f32::consts::FRAC_PI_2);
        part(&parts.shoulders, gown, Transform::from_xyz(0.0, -0.235, 0.075).with_rotation(across));
        bodies.heads.insert(*user, head);
    }
}

/// A gloved hand around the handle of every tool.
fn show_hands(
    mut commands: Commands,
    room: Res<Room>,
    parts: Res<Parts>,
    mut bodies: ResMut<Bodies>,
    mut transforms: Query<&mut Transform>,
) {
    bodies.hands.retain(|key, hand| {
        let kept = room.tools.contains_key(key) && room.me != Some(key.0);
        if !kept {
            commands.entity(*hand).despawn();
        }
        kept
    });
    // One's own hands would only hide the wound.
    for (key, tool) in room.tools.iter().filter(|((user, _), _)| room.me != Some(*user)) {
        let at = tool.at * Transform::from_xyz(0.0, 0.0, GRIP_M);
        if let Some(hand) = bodies.hands.get(key) {
            if let Ok(mut transform) = transforms.get_mut(*hand) {
                *transform = at;
            }
            continue;
        }
        let side = if key.1 == Hand::Left { -1.0 } else { 1.0 };
        let hand = commands.spawn((at, Visibility::default())).id();
        let mut part = |mesh: &Handle<Mesh>, at: Transform| {
            commands.spawn((Mesh3d(mesh.clone()), MeshMaterial3d(parts.nitrile.clone()), at, NotShadowCaster, ChildOf(hand)));
        };
        part(&parts.glove, Transform::from_xyz(side * 0.03, 0.012, 0.045).with_scale(Vec3::new(0.75, 1.0, 1.25)));
        // Three fingers and the thumb meet at the handle, as one holds a pen.
        for (k, angle) in [-0.6_f32, 0.0, 0.6, 2.6].into_iter().enumerate() {
            let out = Vec3::new(side * angle.cos(), angle.sin(), 0.0) * 0.0155;
            let tilt = Quat::from_rotation_arc(Vec3::Y, Vec3::new(out.x * 10.0, out.y * 10.0, 1.0).normalize());
            part(&parts.finger, Transform::from_translation(out + Vec3::Z * (0.004 * k as f32)).with_rotation(tilt));
        }
        bodies.hands.insert(*key, hand);
    }
}

/// Heads and hands right before an eye are not drawn, so that a viewpoint that one chose shows what it looks at.
fn clear_the_view(
    bodies: Res<Bodies>,
    eyes: Query<&GlobalTransform, With<Camera3d>>,
    mut bodily: Query<(&Transform, &mut Visibility), Without<Camera3d>>,
) {
    let parts =
        bodies.heads.values().map(|head| (head, HEAD_AWAY_M)).chain(bodies.hands.values().map(|hand| (hand, HAND_AWAY_M)));
    for (entity, away_m) in parts {
        let Ok((at, mut visibility)) = bodily.get_mut(*entity) else { continue };
        let near = eyes.iter().any(|eye| eye.translation().distance(at.translation) < away_m);
        visibility.set_if_neq(if near { Visibility::Hidden } else { Visibility::Inherited });
    }
}
