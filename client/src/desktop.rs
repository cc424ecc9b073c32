//! A tool in six degrees of freedom with mouse and keys.

use bevy::input::mouse::{AccumulatedMouseMotion, AccumulatedMouseScroll, MouseScrollUnit};
use bevy::prelude::*;
use bevy::window::PrimaryWindow;
use spinor_sim::{Hand, ToolKind};
use spinor_volume::TissueClass;
use spinor_volume::query::class_sdf_mm;

use crate::Steer;
use crate::camera::{Eye, ScreenCamera, View};
use crate::frames::ISOCENTRE_M;
use crate::hud::Help;
use crate::marks::Marks;
use crate::room::{OwnBody, OwnHand, Room};
use crate::scene::anatomy::Anatomy;
use crate::slices::Slices;

/// Lines of the help.
pub(crate) const HELP: &str = "\
mouse            move the tool's tip across the view
wheel            push it away or pull it back (Shift: finer)
left button      trigger: spindle, punch
Ctrl + mouse     tilt the tool       Q / E   roll it
right drag       turn the camera     middle drag  move it
Ctrl + wheel     nearer, farther
1-5              fluted burr, diamond burr, Kerrison, probe, suction
- / =            smaller, larger
0                put the tool away
C   CT slices    V   next person's eyes    H   this help
M   point at the tissue under the mouse, for everybody
Space  freeze    P   pause    (attending)";

/// Tools on the keys 1-5 with the size they start with, 1/10 mm.
const TOOLS: [(KeyCode, ToolKind, u8); 5] = [
    (KeyCode::Digit1, ToolKind::FlutedBurr, 40),
    (KeyCode::Digit2, ToolKind::DiamondBurr, 30),
    (KeyCode::Digit3, ToolKind::Kerrison, 30),
    (KeyCode::Digit4, ToolKind::Probe, 20),
    (KeyCode::Digit5, ToolKind::Suction, 30),
];
/// Smallest and largest size, 1/10 mm.
const SIZES: (u8, u8) = (10, 60);
/// A wheel's step along the view, m.
const DEPTH_STEP_M: f32 = 0.0015;
/// Seconds that the trigger needs to be pressed and let go: a pedal, not a switch.
const PEDAL_SECONDS: f32 = 0.12;

/// What the keys ask of the room; answered by whoever drives the session.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Stop all tools, or let them go again.
    Freeze,
    /// Stop the room's time, or let it go on.
    Pause,
}

/// The hand on the mouse.
#[derive(Resource, Debug)]
struct MouseHand {
    kind: Option<ToolKind>,
    size_tenth_mm: u8,
    /// Where the hand wants the tip, in the theatre.
    tip: Vec3,
    /// Tilt about the view's axes and roll about the shaft, radians.
    tilt: Vec2,
    roll: f32,
    trigger: f32,
}

impl Default for MouseHand {
    fn default() -> Self {
        let tip = ISOCENTRE_M + Vec3::new(0.0, 0.05, 0.02);
        Self { kind: Some(ToolKind::FlutedBurr), size_tenth_mm: 40, tip, tilt: Vec2::new(0.25, -0.45), roll: 0.0, trigger: 0.0 }
    }
}

impl MouseHand {
    /// `world_from_tool`: the shaft leans towards the viewer and out of the line of sight.
    fn at(&self, view: Quat) -> Transform {
        let turn =
            view * Quat::from_rotation_y(self.tilt.x) * Quat::from_rotation_x(self.tilt.y) * Quat::from_rotation_z(self.roll);
        Transform::from_translation(self.tip).with_rotation(turn)
    }
}

/// Reads mouse and keys.
pub(crate) struct DesktopPlugin;

impl Plugin for DesktopPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<MouseHand>()
            .insert_resource(Help { open: true, lines: HELP })
            .add_systems(Update, (keys, mouse, hold, point).chain().in_set(Steer));
    }
}

fn keys(
    keys: Res<ButtonInput<KeyCode>>,
    room: Res<Room>,
    mut hand: ResMut<MouseHand>,
    mut eye: ResMut<Eye>,
    mut help: ResMut<Help>,
    mut slices: ResMut<Slices>,
    mut wishes: MessageWriter<Wish>,
    time: Res<Time>,
) {
    for (key, kind, size) in TOOLS {
        if keys.just_pressed(key) {
            (hand.kind, hand.size_tenth_mm) = (Some(kind), size);
        }
    }
    if keys.just_pressed(KeyCode::Digit0) {
        hand.kind = None;
    }
    if keys.just_pressed(KeyCode::Minus) {
        hand.size_tenth_mm = hand.size_tenth_mm.saturating_sub(5).max(SIZES.0);
    }
    if keys.just_pressed(KeyCode::Equal) {
        hand.size_tenth_mm = (hand.size_tenth_mm + 5).min(SIZES.1);
    }
    let turn = f32::from(u8::from(keys.pressed(KeyCode::KeyE))) - f32::from(u8::from(keys.pressed(KeyCode::KeyQ)));
    hand.roll += turn * 1.8 * time.delta_secs();
    if keys.just_pressed(KeyCode::KeyH) {
        help.open = !help.open;
    }
    if keys.just_pressed(KeyCode::KeyC) {
        slices.shown = !slices.shown;
    }
    if keys.just_pressed(KeyCode::KeyV) {
        eye.next_view(&room);
    }
    if keys.just_pressed(KeyCode::Space) {
        wishes.write(Wish::Freeze);
    }
    if keys.just_pressed(KeyCode::KeyP) {
        wishes.write(Wish::Pause);
    }
}

fn mouse(
    buttons: Res<ButtonInput<MouseButton>>,
    keys: Res<ButtonInput<KeyCode>>,
    motion: Res<AccumulatedMouseMotion>,
    scroll: Res<AccumulatedMouseScroll>,
    windows: Query<&Window, With<PrimaryWindow>>,
    cameras: Query<(&Camera, &GlobalTransform), With<ScreenCamera>>,
    time: Res<Time>,
    mut hand: ResMut<MouseHand>,
    mut eye: ResMut<Eye>,
) {
    let either = |a, b| keys.pressed(a) || keys.pressed(b);
    let (ctrl, shift) = (either(KeyCode::ControlLeft, KeyCode::ControlRight), either(KeyCode::ShiftLeft, KeyCode::ShiftRight));
    let steps = match scroll.unit {
        MouseScrollUnit::Line => scroll.delta.y,
        MouseScrollUnit::Pixel => scroll.delta.y / 40.0,
    };
    let pressed = if buttons.pressed(MouseButton::Left) { 1.0 } else { -1.0 };
    hand.trigger = (hand.trigger + pressed * time.delta_secs() / PEDAL_SECONDS).clamp(0.0, 1.0);
    if buttons.pressed(MouseButton::Right) {
        eye.orbit(motion.delta);
    } else if buttons.pressed(MouseButton::Middle) {
        eye.pan(motion.delta);
    }
    if ctrl {
        eye.zoom(steps);
    }
    let Ok((camera, view)) = cameras.single() else { return };
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

/// Where a ray from the eye first meets tissue, in the theatre.
fn first_tissue(anatomy: &Anatomy, from: Vec3, direction: Vec3) -> Option<Vec3> {
    const FARTHEST_M: f32 = 3.0;
    let mut along = 0.0;
    while along < FARTHEST_M {
        let at = from + direction * along;
        let at_mm = anatomy.frame.patient_from_world(at);
        let distance = |class| class_sdf_mm(&anatomy.patient, &anatomy.cut, class, at_mm);
        let nearest_mm = TissueClass::ALL.into_iter().map(distance).fold(f64::INFINITY, f64::min);
        if nearest_mm < 0.1 {
            return Some(at);
        }
        // Distances are clamped to a few voxels: far away that is the step.
        along += (nearest_mm as f32 * 1e-3 * 0.9).clamp(0.0001, 0.01);
    }
    None
}

fn point(
    keys: Res<ButtonInput<KeyCode>>,
    windows: Query<&Window, With<PrimaryWindow>>,
    cameras: Query<(&Camera, &GlobalTransform), With<ScreenCamera>>,
    anatomy: Option<Res<Anatomy>>,
    mut marks: ResMut<Marks>,
) {
    if !keys.just_pressed(KeyCode::KeyM) {
        return;
    }
    let pointer = windows.single().ok().and_then(Window::cursor_position);
    let (Some(anatomy), Ok((camera, view)), Some(pointer)) = (anatomy, cameras.single(), pointer) else { return };
    let ray = camera.viewport_to_world(view, pointer).ok();
    if let Some(at) = ray.and_then(|ray| first_tissue(&anatomy, ray.origin, *ray.direction)) {
        marks.point(at);
    }
}

/// Turning the camera where no hand holds a tool.
pub(crate) fn watch(
    buttons: Res<ButtonInput<MouseButton>>,
    motion: Res<AccumulatedMouseMotion>,
    scroll: Res<AccumulatedMouseScroll>,
    mut eye: ResMut<Eye>,
) {
    if buttons.pressed(MouseButton::Middle) {
        eye.pan(motion.delta);
    } else if buttons.any_pressed([MouseButton::Left, MouseButton::Right]) {
        eye.orbit(motion.delta);
    }
    eye.zoom(scroll.delta.y * if scroll.unit == MouseScrollUnit::Line { 1.0 } else { 0.025 });
}

/// Hands the wish of hand and head over to whoever drives the session.
fn hold(hand: Res<MouseHand>, room: Res<Room>, eye: Res<Eye>, mut body: ResMut<OwnBody>) {
    let view = eye.transform();
    body.head = Some(view);
    let may = room.myself().is_none_or(|me| me.role.may_operate());
    match hand.kind.filter(|_| may && eye.view == View::Free) {
        Some(kind) => {
            let held = OwnHand { kind, size_tenth_mm: hand.size_tenth_mm, at: hand.at(view.rotation), trigger: hand.trigger };
            body.hands.insert(Hand::Right, held);
        }
        None => {
            body.hands.remove(&Hand::Right);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pointer from above meets the ball where its surface is, and one that misses meets nothing.
    #[test]
    fn pointing_finds_the_surface() {
        let patient = std::sync::Arc::new(crate::testing::two_balls());
        let cut = spinor_volume::CutState::new(patient.grid());
        let anatomy = Anatomy::new(patient, cut, None);
        let above = anatomy.frame.world_from_patient([-2.0, 60.0, 0.0]);
        let met = first_tissue(&anatomy, above, Vec3::NEG_Y).unwrap();
        let met_mm = anatomy.frame.patient_from_world(met);
        assert!((met_mm[1] - 9.0).abs() < 0.3, "{met_mm:?}");
        assert_eq!(first_tissue(&anatomy, above, Vec3::Y), None);
    }

    /// The shaft points towards whoever holds the tool, tilting does not move the tip, and rolling does not move the shaft.
    #[test]
    fn tilting_turns_about_the_tip() {
        let view = Eye::default().transform();
        let mut hand = MouseHand::default();
        let shaft = |hand: &MouseHand| hand.at(view.rotation).rotation * Vec3::Z;
        assert!(shaft(&hand).dot(view.rotation * Vec3::Z) > 0.7);
        let before = hand.at(view.rotation);
        hand.tilt += Vec2::new(0.3, -0.2);
        assert_eq!(hand.at(view.rotation).translation, before.translation);
        let tilted = shaft(&hand);
        hand.roll += 1.0;
        assert!((shaft(&hand) - tilted).length() < 1e-6);
    }
}
