//! Pointing and drawing with the mouse.

use bevy::prelude::*;
use bevy::window::PrimaryWindow;

use crate::camera::ScreenCamera;
use crate::hud::Typing;
use crate::marks::Marks;
use crate::pointer::{Sketch, first_tissue};
use crate::scene::anatomy::Anatomy;
use crate::scene::looks::Looks;
use crate::wish::Wish;

/// M points at the tissue under the mouse; N, held, draws on it.
pub(super) fn point(
    keys: Res<ButtonInput<KeyCode>>,
    windows: Query<&Window, With<PrimaryWindow>>,
    cameras: Query<(&Camera, &GlobalTransform), With<ScreenCamera>>,
    anatomy: Option<Res<Anatomy>>,
    looks: Res<Looks>,
    typing: Res<Typing>,
    mut sketch: Local<Sketch>,
    mut marks: ResMut<Marks>,
    mut wishes: MessageWriter<Wish>,
) {
    let free = typing.0.is_none();
    let (points, draws) = (free && keys.just_pressed(KeyCode::KeyM), free && keys.pressed(KeyCode::KeyN));
    if points || draws {
        let pointer = windows.single().ok().and_then(Window::cursor_position);
        let (Some(anatomy), Ok((camera, view)), Some(pointer)) = (anatomy, cameras.single(), pointer) else { return };
        let ray = camera.viewport_to_world(view, pointer).ok();
        if let Some(at) = ray.and_then(|ray| first_tissue(&anatomy, &looks, ray.origin, *ray.direction)) {
            if points {
                wishes.write(Wish::Point(at));
            }
            if draws {
                sketch.add(at);
            }
        }
    }
    marks.sketch(sketch.line());
    if !draws && let Some(line) = sketch.finish() {
        wishes.write(Wish::Draw(line));
    }
}
