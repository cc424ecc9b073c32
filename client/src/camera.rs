//! The camera on a screen: free around the wound, or through a surgeon's eyes.

use bevy::camera::{RenderTarget, ShadowLodOrigin};
use bevy::prelude::*;
use spinor_sim::UserId;

use crate::frames::ISOCENTRE_M;
use crate::hud::ViewName;
use crate::room::Room;
use crate::scene::theatre;
use crate::wish::{Granted, Wish};
use crate::{Allow, Draw};

/// Vertical field of view on a screen.
const FIELD: f32 = 0.62;
/// As near as the eye may come to the wound, m.
const NEAREST_M: f32 = 0.05;
/// As far as it may go.
const FARTHEST_M: f32 = 2.5;

/// Whose view is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum View {
    /// One's own camera.
    #[default]
    Free,
    /// Through somebody's eyes.
    Through(UserId),
}

/// The camera's state.
#[derive(Resource, Debug)]
pub(crate) struct Eye {
    /// Whose view.
    pub(crate) view: View,
    /// What the free camera looks at, in the theatre.
    pub(crate) target: Vec3,
    /// Around the vertical, radians: 0 looks along −Z as a surgeon at the patient's left side does.
    pub(crate) yaw: f32,
    /// Above the horizon, radians.
    pub(crate) pitch: f32,
    /// Distance from the target, m.
    pub(crate) distance: f32,
}

impl Default for Eye {
    fn default() -> Self {
        Self { view: View::Free, target: ISOCENTRE_M + Vec3::new(0.0, 0.005, 0.0), yaw: 0.35, pitch: 0.72, distance: 0.46 }
    }
}

impl Eye {
    /// The free camera's place.
    pub(crate) fn transform(&self) -> Transform {
        let turn = Quat::from_rotation_y(self.yaw) * Quat::from_rotation_x(-self.pitch);
        Transform::from_translation(self.target + turn * (Vec3::Z * self.distance)).with_rotation(turn)
    }

    /// Turns the free camera by pixels of a drag.
    pub(crate) fn orbit(&mut self, pixels: Vec2) {
        self.yaw -= pixels.x * 0.006;
        self.pitch = (self.pitch + pixels.y * 0.006).clamp(-0.2, 1.54);
    }

    /// Moves the free camera's target by pixels of a drag.
    pub(crate) fn pan(&mut self, pixels: Vec2) {
        let turn = self.transform().rotation;
        let per_pixel = self.distance * 0.0011;
        self.target += turn * Vec3::new(-pixels.x * per_pixel, pixels.y * per_pixel, 0.0);
        self.target = ISOCENTRE_M + (self.target - ISOCENTRE_M).clamp_length_max(0.5);
    }

    /// Comes nearer (positive) or goes away by steps of a wheel.
    pub(crate) fn zoom(&mut self, steps: f32) {
        self.distance = (self.distance * 0.9_f32.powf(steps)).clamp(NEAREST_M, FARTHEST_M);
    }

    /// The next view in the order free, then everybody whose head is known but oneself.
    fn next_view(&mut self, room: &Room) {
        let seen: Vec<UserId> =
            room.people.values().filter(|p| p.head.is_some() && Some(p.user) != room.me).map(|p| p.user).collect();
        let place = match self.view {
            View::Free => Some(0),
            View::Through(user) => seen.iter().position(|u| *u == user).map(|k| k + 1),
        };
        self.view = place.and_then(|k| seen.get(k)).map_or(View::Free, |user| View::Through(*user));
    }
}

/// The camera of a screen or a picture.
#[derive(Component)]
pub(crate) struct ScreenCamera;

/// Moves [`ScreenCamera`].
pub(crate) struct CameraPlugin;

impl Plugin for CameraPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Eye>().add_systems(Update, serve.in_set(Allow)).add_systems(Update, follow.in_set(Draw));
    }
}

/// Spawns the camera, onto the window or an image.
pub(crate) fn spawn(commands: &mut Commands, target: Option<RenderTarget>) -> Entity {
    let camera = commands
        .spawn((
            ScreenCamera,
            Camera3d::default(),
            Projection::Perspective(PerspectiveProjection { fov: FIELD, near: 0.01, far: 30.0, ..default() }),
            Eye::default().transform(),
            theatre::camera_look(),
            IsDefaultUiCamera,
            ShadowLodOrigin,
        ))
        .id();
    if let Some(target) = target {
        commands.entity(camera).insert(target);
    }
    camera
}

fn serve(mut granted: MessageReader<Granted>, mut eye: ResMut<Eye>, room: Res<Room>) {
    for Granted(wish) in granted.read() {
        match wish {
            Wish::NextView => eye.next_view(&room),
            Wish::FreeView => eye.view = View::Free,
            _ => {}
        }
    }
}

fn follow(
    mut eye: ResMut<Eye>,
    room: Res<Room>,
    mut name: ResMut<ViewName>,
    mut cameras: Query<&mut Transform, With<ScreenCamera>>,
) {
    let through = match eye.view {
        View::Free => None,
        View::Through(user) => room.people.get(&user).and_then(|p| Some((p, p.head?))),
    };
    let (at, shown) = match through {
        Some((person, head)) => (head, format!("through {}'s eyes", person.name)),
        None => {
            if eye.view != View::Free {
                eye.view = View::Free;
            }
            (eye.transform(), String::new())
        }
    };
    for mut transform in &mut cameras {
        transform.set_if_neq(at);
    }
    if name.0 != shown {
        name.0 = shown;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::Person;
    use spinor_shared::room::Role;

    /// The free camera looks at its target from its distance, wherever it has been turned.
    #[test]
    fn the_free_camera_looks_at_its_target() {
        let mut eye = Eye::default();
        for step in 0..20 {
            eye.orbit(Vec2::new(37.0, if step % 2 == 0 { 50.0 } else { -35.0 }));
            eye.zoom(if step < 10 { 3.0 } else { -2.0 });
            let at = eye.transform();
            assert!((at.translation.distance(eye.target) - eye.distance).abs() < 1e-4);
            assert!(at.forward().dot((eye.target - at.translation).normalize()) > 0.9999);
            assert!((NEAREST_M..=FARTHEST_M).contains(&eye.distance));
        }
    }

    /// Views go round: free, everybody who can be seen, free again; a person without a head is left out.
    #[test]
    fn views_go_round() {
        let person = |n: u32, head: Option<Transform>| {
            let user = UserId(n);
            (user, Person { user, name: n.to_string(), role: Role::Resident, has_tool: true, online: true, head })
        };
        let head = Some(Transform::IDENTITY);
        let room = Room {
            people: [person(1, head), person(2, head), person(3, None), person(4, head)].into(),
            me: Some(UserId(1)),
            ..default()
        };
        let mut eye = Eye::default();
        let views: Vec<View> = (0..3)
            .map(|_| {
                eye.next_view(&room);
                eye.view
            })
            .collect();
        assert_eq!(views, [View::Through(UserId(2)), View::Through(UserId(4)), View::Free]);
    }
}
