//! Mouse and keys.

mod hand;
mod keys;
mod point;
mod typing;

use bevy::input::keyboard::KeyboardInput;
use bevy::input::mouse::{AccumulatedMouseMotion, AccumulatedMouseScroll, MouseScrollUnit};
use bevy::prelude::*;

use crate::Steer;
use crate::camera::Eye;
use crate::menu::Menu;

/// Reads mouse and keys and holds tools with them.
pub(crate) struct DesktopPlugin;

impl Plugin for DesktopPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<hand::MouseHands>()
            .add_systems(Update, (typing::write, keys::keys, hand::mouse, hand::hold, point::point).chain().in_set(Steer));
    }
}

/// Reads mouse and keys where nobody holds a tool: a recording.
pub(crate) struct WatchPlugin;

impl Plugin for WatchPlugin {
    fn build(&self, app: &mut App) {
        app.add_systems(Update, (keys::keys, watch).chain().in_set(Steer).run_if(resource_exists::<Messages<KeyboardInput>>));
    }
}

/// Steps of a wheel, whatever it counts in.
fn wheel(scroll: &AccumulatedMouseScroll) -> f32 {
    match scroll.unit {
        MouseScrollUnit::Line => scroll.delta.y,
        MouseScrollUnit::Pixel => scroll.delta.y / 40.0,
    }
}

/// Turning the camera where no hand holds a tool.
fn watch(
    buttons: Res<ButtonInput<MouseButton>>,
    motion: Res<AccumulatedMouseMotion>,
    scroll: Res<AccumulatedMouseScroll>,
    menu: Res<Menu>,
    mut eye: ResMut<Eye>,
) {
    if menu.hovered {
        return;
    }
    if buttons.pressed(MouseButton::Middle) {
        eye.pan(motion.delta);
    } else if buttons.any_pressed([MouseButton::Left, MouseButton::Right]) {
        eye.orbit(motion.delta);
    }
    eye.zoom(wheel(&scroll));
}
