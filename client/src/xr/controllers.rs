//! Controllers as hands that hold tools.

use bevy::math::Isometry3d;
use bevy::prelude::*;
use bevy_mod_openxr::action_binding::{OxrSendActionBindings, OxrSuggestActionBinding};
use bevy_mod_openxr::action_set_attaching::OxrAttachActionSet;
use bevy_mod_openxr::action_set_syncing::{OxrActionSetSyncSet, OxrSyncActionSet};
use bevy_mod_openxr::openxr_session_running;
use bevy_mod_openxr::resources::OxrInstance;
use bevy_mod_openxr::session::OxrSession;
use bevy_mod_xr::session::{XrSessionCreated, session_available};
use bevy_mod_xr::spaces::XrSpaceLocationFlags;
use spinor_sim::Hand;

use crate::Steer;
use crate::marks::Marks;
use crate::may;
use crate::menu::{Menu, Page};
use crate::pointer::{Sketch, first_tissue};
use crate::rack::Rack;
use crate::room::{Grasp, OwnBody, Room};
use crate::scene::anatomy::Anatomy;
use crate::scene::looks::Looks;
use crate::wish::Wish;

/// From the controller's grip to the tool's tip: ahead of the fist by this, m.
const REACH_M: f32 = 0.10;
/// A pen-held tool points down from the fist by this, radians.
const DROOP: f32 = 0.55;
/// A stick counts as pushed beyond this, and as back in the middle below the other.
const STICK: (f32, f32) = (0.6, 0.35);
/// A squeeze and a trigger count as pressed beyond this.
const PRESSED: f32 = 0.55;
/// A squeeze that has drawn no more than so many points was meant to point.
const POINTING: usize = 3;

/// The actions of both hands.
#[derive(Resource)]
pub(super) struct Actions {
    set: openxr::ActionSet,
    grip: openxr::Action<openxr::Posef>,
    trigger: openxr::Action<f32>,
    squeeze: openxr::Action<f32>,
    stick: [openxr::Action<f32>; 2],
    first: openxr::Action<bool>,
    second: openxr::Action<bool>,
    /// Vibration.
    pub(super) haptic: openxr::Action<openxr::Haptic>,
    left: openxr::Path,
    right: openxr::Path,
}

impl Actions {
    /// The path of a hand.
    pub(super) fn path(&self, hand: Hand) -> openxr::Path {
        match hand {
            Hand::Left => self.left,
            Hand::Right => self.right,
        }
    }
}

/// A tracked controller.
#[derive(Component)]
struct Controller {
    hand: Hand,
    /// Where the stick was last seen: −1, 0 or 1 along each axis.
    stick: [i8; 2],
    /// Whether the trigger was pressed in a menu, and must be let go before it runs a tool.
    picking: bool,
    sketch: Sketch,
}

/// Which way a stick is pushed now, from which way it was: with play, so that it does not flutter.
fn pushed(value: f32, was: i8) -> i8 {
    let limit = if was == 0 { STICK.0 } else { STICK.1 };
    match value {
        v if v > limit => 1,
        v if v < -limit => -1,
        _ => 0,
    }
}

/// What a push of the stick asks for: in the menu another row or page, else another tool or size.
fn push_wish(axis: usize, way: i8, hand: Hand, menu: bool) -> Wish {
    match (axis, menu) {
        (0, true) => Wish::MenuPage(way),
        (0, false) => Wish::NextTool(hand, way),
        (_, true) => Wish::MenuMove(-way),
        (_, false) => Wish::Resize(hand, way),
    }
}

/// Reads the controllers.
pub(super) struct ControllersPlugin;

impl Plugin for ControllersPlugin {
    fn build(&self, app: &mut App) {
        app.add_systems(Startup, create.run_if(session_available))
            .add_systems(OxrSendActionBindings, suggest.run_if(resource_exists::<Actions>))
            .add_systems(
                XrSessionCreated,
                (attach, track).run_if(resource_exists::<Actions>).run_if(resource_exists::<OxrSession>),
            )
            .add_systems(
                PreUpdate,
                sync.before(OxrActionSetSyncSet).run_if(openxr_session_running).run_if(resource_exists::<Actions>),
            )
            .add_systems(Update, hold.in_set(Steer).run_if(openxr_session_running).run_if(resource_exists::<Actions>));
    }
}

fn create(instance: Res<OxrInstance>, mut commands: Commands) {
    match actions(&instance) {
        Ok(actions) => commands.insert_resource(actions),
        Err(wrong) => eprintln!("the controllers stay unused: {wrong}"),
    }
}

fn actions(instance: &OxrInstance) -> openxr::Result<Actions> {
    let (left, right) = (instance.string_to_path("/user/hand/left")?, instance.string_to_path("/user/hand/right")?);
    let both = [left, right];
    let set = instance.create_action_set("surgeon", "Surgeon", 0)?;
    Ok(Actions {
        grip: set.create_action("grip", "Hand", &both)?,
        trigger: set.create_action("trigger", "Run the tool", &both)?,
        squeeze: set.create_action("squeeze", "Point and draw", &both)?,
        stick: [set.create_action("stick_x", "Next tool", &both)?, set.create_action("stick_y", "Size", &both)?],
        first: set.create_action("first", "Menu, pick", &both)?,
        second: set.create_action("second", "Slices, close", &both)?,
        haptic: set.create_action("haptic", "Vibration", &both)?,
        set,
        left,
        right,
    })
}

fn suggest(actions: Res<Actions>, mut suggestions: MessageWriter<OxrSuggestActionBinding>) {
    let profile = |name: &str| format!("/interaction_profiles/{name}");
    let mut bind = |action: openxr::sys::Action, name: &str, paths: &[&str]| {
        let bindings = paths.iter().map(|path| format!("/user/hand/{path}").into()).collect();
        suggestions.write(OxrSuggestActionBinding { action, interaction_profile: profile(name).into(), bindings });
    };
    const TOUCH: &str = "oculus/touch_controller";
    const INDEX: &str = "valve/index_controller";
    const SIMPLE: &str = "khr/simple_controller";
    for name in [TOUCH, INDEX, SIMPLE] {
        bind(actions.grip.as_raw(), name, &["left/input/grip/pose", "right/input/grip/pose"]);
        bind(actions.haptic.as_raw(), name, &["left/output/haptic", "right/output/haptic"]);
    }
    for name in [TOUCH, INDEX] {
        bind(actions.trigger.as_raw(), name, &["left/input/trigger/value", "right/input/trigger/value"]);
    }
    // A button as a trigger: OpenXR turns a click into 0 or 1.
    bind(actions.trigger.as_raw(), SIMPLE, &["left/input/select/click", "right/input/select/click"]);
    for name in [TOUCH, INDEX] {
        bind(actions.squeeze.as_raw(), name, &["left/input/squeeze/value", "right/input/squeeze/value"]);
        for (action, axis) in actions.stick.iter().zip(["x", "y"]) {
            let path = |side: &str| format!("{side}/input/thumbstick/{axis}");
            bind(action.as_raw(), name, &[&path("left"), &path("right")]);
        }
    }
    bind(actions.first.as_raw(), TOUCH, &["left/input/x/click", "right/input/a/click"]);
    bind(actions.second.as_raw(), TOUCH, &["left/input/y/click", "right/input/b/click"]);
    bind(actions.first.as_raw(), INDEX, &["left/input/a/click", "right/input/a/click"]);
    bind(actions.second.as_raw(), INDEX, &["left/input/b/click", "right/input/b/click"]);
    bind(actions.first.as_raw(), SIMPLE, &["left/input/menu/click", "right/input/menu/click"]);
}

fn attach(actions: Res<Actions>, mut attach: MessageWriter<OxrAttachActionSet>) {
    attach.write(OxrAttachActionSet(actions.set.clone()));
}

fn sync(actions: Res<Actions>, mut sync: MessageWriter<OxrSyncActionSet>) {
    sync.write(OxrSyncActionSet(actions.set.clone()));
}

/// A space for each hand; those of a session that is gone go with it.
fn track(mut commands: Commands, actions: Res<Actions>, session: Res<OxrSession>, before: Query<Entity, With<Controller>>) {
    before.iter().for_each(|controller| commands.entity(controller).despawn());
    for hand in [Hand::Left, Hand::Right] {
        match session.create_action_space(&actions.grip, actions.path(hand), Isometry3d::IDENTITY) {
            Ok(space) => {
                commands.spawn((space, Controller { hand, stick: [0; 2], picking: false, sketch: Sketch::default() }));
            }
            Err(wrong) => eprintln!("the {hand:?} controller stays unused: {wrong}"),
        }
    }
}

/// `world_from_tool` of a controller's grip.
pub(super) fn tool_in_grip(grip: &Transform) -> Transform {
    *grip * Transform::from_rotation(Quat::from_rotation_x(-DROOP)) * Transform::from_xyz(0.0, 0.0, -REACH_M)
}

fn hold(
    actions: Res<Actions>,
    session: Res<OxrSession>,
    (menu, looks): (Res<Menu>, Res<Looks>),
    room: Res<Room>,
    anatomy: Option<Res<Anatomy>>,
    mut rack: ResMut<Rack>,
    mut controllers: Query<(&mut Controller, &GlobalTransform, &XrSpaceLocationFlags)>,
    mut body: ResMut<OwnBody>,
    mut marks: ResMut<Marks>,
    mut wishes: MessageWriter<Wish>,
) {
    let may = may::operating(&room).is_none();
    for (mut controller, at, tracked) in &mut controllers {
        let (hand, path) = (controller.hand, actions.path(controller.hand));
        let clicked = |action: &openxr::Action<bool>| {
            action
                .state(&session, path)
                .is_ok_and(|state| state.is_active && state.changed_since_last_sync && state.current_state)
        };
        let value = |action: &openxr::Action<f32>| {
            action.state(&session, path).ok().filter(|state| state.is_active).map(|state| state.current_state)
        };
        for axis in 0..2 {
            let stick = value(&actions.stick[axis]);
            let way = pushed(stick.unwrap_or(0.0), controller.stick[axis]);
            if way != 0 && controller.stick[axis] == 0 {
                wishes.write(push_wish(axis, way, hand, menu.open));
            }
            controller.stick[axis] = way;
        }
        if clicked(&actions.first) {
            // A controller without a stick goes down the rows with its button, and picks with the trigger.
            let has_stick = value(&actions.stick[1]).is_some();
            rack.active = hand;
            wishes.write(match (menu.open, has_stick) {
                (false, _) => Wish::Menu(Page::Tools),
                (true, true) => Wish::MenuPick,
                (true, false) => Wish::MenuMove(1),
            });
        }
        if clicked(&actions.second) {
            wishes.write(if menu.open { Wish::Close } else { Wish::Slices });
        }
        if !tracked.position_tracked || !tracked.rotation_tracked {
            body.hands.remove(&hand);
            continue;
        }
        let at = tool_in_grip(&at.compute_transform());
        let squeezed = value(&actions.squeeze).is_some_and(|v| v > PRESSED);
        draw(&mut controller, &at, squeezed, (anatomy.as_deref(), &looks), &mut marks, &mut wishes);
        let mut trigger = value(&actions.trigger).unwrap_or(0.0);
        let pressed = trigger > PRESSED;
        if menu.open && pressed && !controller.picking {
            wishes.write(Wish::MenuPick);
        }
        controller.picking = pressed && (menu.open || controller.picking);
        if menu.open || controller.picking || room.trigger_refusal().is_some() {
            trigger = 0.0;
        }
        match rack.held(hand).filter(|_| may) {
            Some((kind, size_tenth_mm)) => {
                body.hands.insert(hand, Grasp { kind, size_tenth_mm, at, trigger });
            }
            None => {
                body.hands.remove(&hand);
            }
        }
    }
}

/// While squeezed, what the hand aims at is drawn on; a squeeze that stays in one place points.
fn draw(
    controller: &mut Controller,
    at: &Transform,
    squeezed: bool,
    (anatomy, looks): (Option<&Anatomy>, &Looks),
    marks: &mut Marks,
    wishes: &mut MessageWriter<Wish>,
) {
    if squeezed {
        let ahead = at.rotation * Vec3::NEG_Z;
        if let Some(place) = anatomy.and_then(|anatomy| first_tissue(anatomy, looks, at.translation, ahead)) {
            controller.sketch.add(place);
        }
        marks.sketch(controller.sketch.line());
    } else if let Some(line) = controller.sketch.finish() {
        marks.sketch(&[]);
        wishes.write(match line.last() {
            Some(last) if line.len() <= POINTING => Wish::Point(*last),
            _ => Wish::Draw(line),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A push counts once however the stick trembles, and a new one after it was in the middle.
    #[test]
    fn a_stick_is_pushed_once() {
        let mut way = 0;
        let mut pushes = 0;
        for value in [0.1, 0.7, 0.55, 0.65, 0.5, 0.2, 0.5, 0.62, 0.0, -0.9] {
            let now = pushed(value, way);
            pushes += i32::from(now != 0 && way == 0);
            way = now;
        }
        assert_eq!((pushes, way), (3, -1));
        assert_eq!(push_wish(1, 1, Hand::Left, true), Wish::MenuMove(-1), "up is up");
        assert_eq!(push_wish(0, -1, Hand::Left, false), Wish::NextTool(Hand::Left, -1));
    }

    /// The tip lies ahead of and below the fist, and the shaft comes back to it.
    #[test]
    fn a_tool_points_out_of_the_fist() {
        let tool = tool_in_grip(&Transform::from_xyz(0.1, 1.2, -0.3));
        let ahead = tool.translation - Vec3::new(0.1, 1.2, -0.3);
        assert!((ahead.length() - REACH_M).abs() < 1e-6 && ahead.z < 0.0 && ahead.y < 0.0, "{ahead}");
        let back = tool.rotation * Vec3::Z * REACH_M;
        assert!((back + ahead).length() < 1e-6);
    }
}
