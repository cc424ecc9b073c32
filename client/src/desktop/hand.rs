//! Tools in six degrees of freedom with a mouse: one hand moves, the other stays where it was left.

use bevy::input::mouse::{AccumulatedMouseMotion, AccumulatedMouseScroll};
use bevy::prelude::*;
use bevy::window::PrimaryWindow;
use spinor_sim::Hand;

use super::wheel;
use crate::camera::{Eye, ScreenCamera, View};
use crate::frames::ISOCENTRE_M;
use crate::hud::Typing;
use crate::may;
use crate::menu::Menu;
use crate::rack::Rack;
use crate::room::{Grasp, OwnBody, Room};
use crate::source::now;
use crate::wish::{Granted, Wish};

/// A wheel's step along the view, m.
const DEPTH_STEP_M: f32 = 0.0015;
/// Seconds that the trigger needs to be pressed and let go: a pedal, not a switch.
const PEDAL_SECONDS: f32 = 0.12;
/// Turn about the shaft while its key is down, radians per second.
const ROLL: f32 = 1.8;

/// Somebody who presses in vain is told again after this long.
const SAID_AGAIN_SECONDS: f64 = 3.0;

/// A hand that the mouse moves or has left somewhere.
#[derive(Clone, Copy, Debug)]
struct MouseHand {
    /// Where the hand wants the tip, in the theatre.
    tip: Vec3,
    /// Tilt about the view's axes and roll about the shaft, radians.
    tilt: Vec2,
    roll: f32,
    /// The view that the tilt was last seen in.
    view: Quat,
    trigger: f32,
    /// The pedal is held down.
    latched: bool,
}

impl MouseHand {
    fn new(side: f32) -> Self {
        let tip = ISOCENTRE_M + Vec3::new(0.02 * side, 0.05, 0.02);
        let tilt = Vec2::new(0.25 * side, -0.45);
        Self { tip, tilt, roll: 0.0, view: Eye::default().transform().rotation, trigger: 0.0, latched: false }
    }

    /// `world_from_tool`: the shaft leans towards the viewer and out of the line of sight.
    fn at(&self) -> Transform {
        let turn = self.view
            * Quat::from_rotation_y(self.tilt.x)
            * Quat::from_rotation_x(self.tilt.y)
            * Quat::from_rotation_z(self.roll);
        Transform::from_translation(self.tip).with_rotation(turn)
    }
}

/// Both hands, left and right.
#[derive(Resource, Debug)]
pub(super) struct MouseHands([MouseHand; 2]);

impl Default for MouseHands {
    fn default() -> Self {
        Self([MouseHand::new(-1.0), MouseHand::new(1.0)])
    }
}

pub(super) fn mouse(
    buttons: Res<ButtonInput<MouseButton>>,
    keys: Res<ButtonInput<KeyCode>>,
    motion: Res<AccumulatedMouseMotion>,
    scroll: Res<AccumulatedMouseScroll>,
    windows: Query<&Window, With<PrimaryWindow>>,
    cameras: Query<(&Camera, &GlobalTransform), With<ScreenCamera>>,
    time: Res<Time>,
    (rack, menu, typing): (Res<Rack>, Res<Menu>, Res<Typing>),
    mut granted: MessageReader<Granted>,
    mut hands: ResMut<MouseHands>,
    mut eye: ResMut<Eye>,
) {
    let hand = &mut hands.0[rack.active as usize];
    for Granted(wish) in granted.read() {
        if *wish == Wish::Pedal {
            hand.latched = !hand.latched;
        }
    }
    let free = typing.0.is_none();
    let either = |a, b| keys.pressed(a) || keys.pressed(b);
    let (ctrl, shift) = (either(KeyCode::ControlLeft, KeyCode::ControlRight), either(KeyCode::ShiftLeft, KeyCode::ShiftRight));
    let turn = f32::from(i8::from(free && keys.pressed(KeyCode::KeyE)) - i8::from(free && keys.pressed(KeyCode::KeyQ)));
    hand.roll += turn * ROLL * time.delta_secs();
    let pressed = (buttons.pressed(MouseButton::Left) && !menu.hovered) || hand.latched;
    let toward = if pressed { 1.0 } else { -1.0 };
    hand.trigger = (hand.trigger + toward * time.delta_secs() / PEDAL_SECONDS).clamp(0.0, 1.0);
    let steps = wheel(&scroll);
    if buttons.pressed(MouseButton::Right) {
        eye.orbit(motion.delta);
    } else if buttons.pressed(MouseButton::Middle) {
        eye.pan(motion.delta);
    }
    if ctrl {
        eye.zoom(steps);
    }
    let Ok((camera, view)) = cameras.single() else { return };
    hand.view = view.rotation();
    if menu.hovered {
        return;
    }
    if ctrl {
        hand.tilt += motion.delta * 0.005;
    } else if !buttons.any_pressed([MouseButton::Right, MouseButton::Middle]) {
        let forward = *view.forward();
        hand.tip += forward * steps * DEPTH_STEP_M * if shift { 0.2 } else { 1.0 };
        // The tip stays on the plane through itself that faces the camera, under the pointer.
        let pointer = windows.single().ok().and_then(Window::cursor_position);
        let ray = pointer.and_then(|pointer| camera.viewport_to_world(view, pointer).ok());
        if let Some(ray) = ray.filter(|_| motion.delta != Vec2::ZERO || steps != 0.0) {
            let along = ray.direction.dot(forward);
            let depth = (hand.tip - ray.origin).dot(forward);
            if along > 0.1 && depth > 0.0 {
                hand.tip = ray.origin + *ray.direction * (depth / along);
            }
        }
    }
    hand.tip = ISOCENTRE_M + (hand.tip - ISOCENTRE_M).clamp_length_max(0.4);
}

/// Hands the wish of hands and head over to whoever drives the session.
pub(super) fn hold(
    hands: Res<MouseHands>,
    rack: Res<Rack>,
    mut room: ResMut<Room>,
    eye: Res<Eye>,
    time: Res<Time<Real>>,
    mut body: ResMut<OwnBody>,
) {
    body.head = Some(eye.transform());
    let may = may::operating(&room).is_none() && eye.view == View::Free;
    let refused = room.trigger_refusal();
    for hand in [Hand::Left, Hand::Right] {
        let mouse = &hands.0[hand as usize];
        let Some((kind, size_tenth_mm)) = rack.held(hand).filter(|_| may) else {
            body.hands.remove(&hand);
            continue;
        };
        let mut trigger = mouse.trigger;
        if let Some(reason) = refused.filter(|_| trigger > 0.0) {
            trigger = 0.0;
            let at = now(&time);
            if room.message.as_ref().is_none_or(|(words, said)| words != reason || at - said > SAID_AGAIN_SECONDS) {
                room.message = Some((reason.to_owned(), at));
            }
        }
        body.hands.insert(hand, Grasp { kind, size_tenth_mm, at: mouse.at(), trigger });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shaft points towards whoever holds the tool, tilting does not move the tip, and rolling does not move the shaft.
    #[test]
    fn tilting_turns_about_the_tip() {
        let mut hand = MouseHand::new(1.0);
        let shaft = |hand: &MouseHand| hand.at().rotation * Vec3::Z;
        assert!(shaft(&hand).dot(hand.view * Vec3::Z) > 0.7);
        let before = hand.at();
        hand.tilt += Vec2::new(0.3, -0.2);
        assert_eq!(hand.at().translation, before.translation);
        let tilted = shaft(&hand);
        hand.roll += 1.0;
        assert!((shaft(&hand) - tilted).length() < 1e-6);
    }
}
