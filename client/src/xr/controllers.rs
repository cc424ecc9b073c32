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
use spinor_sim::{Hand, ToolKind};

use crate::Steer;
use crate::room::{OwnBody, OwnHand, Room};
use crate::slices::Slices;

/// From the controller's grip to the tool's tip: ahead of the fist by this, m.
const REACH_M: f32 = 0.10;
/// A pen-held tool points down from the fist by this, radians.
const DROOP: f32 = 0.55;
/// Tools that a button goes through, right and left hand, with the size they start with, 1/10 mm.
const RIGHT: [(ToolKind, u8); 3] = [(ToolKind::FlutedBurr, 40), (ToolKind::DiamondBurr, 30), (ToolKind::Kerrison, 30)];
const LEFT: [(ToolKind, u8); 2] = [(ToolKind::Suction, 30), (ToolKind::Probe, 20)];

/// The actions of both hands.
#[derive(Resource)]
pub(super) struct Actions {
    set: openxr::ActionSet,
    grip: openxr::Action<openxr::Posef>,
    trigger: openxr::Action<f32>,
    next_tool: openxr::Action<bool>,
    slices: openxr::Action<bool>,
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
    tool: usize,
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
        next_tool: set.create_action("next_tool", "Next tool", &both)?,
        slices: set.create_action("slices", "CT slices", &both)?,
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
    bind(actions.next_tool.as_raw(), TOUCH, &["left/input/x/click", "right/input/a/click"]);
    bind(actions.slices.as_raw(), TOUCH, &["left/input/y/click", "right/input/b/click"]);
    bind(actions.next_tool.as_raw(), INDEX, &["left/input/a/click", "right/input/a/click"]);
    bind(actions.slices.as_raw(), INDEX, &["left/input/b/click", "right/input/b/click"]);
    bind(actions.next_tool.as_raw(), SIMPLE, &["left/input/menu/click", "right/input/menu/click"]);
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
                commands.spawn((space, Controller { hand, tool: 0 }));
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
    room: Res<Room>,
    mut controllers: Query<(&mut Controller, &GlobalTransform, &XrSpaceLocationFlags)>,
    mut body: ResMut<OwnBody>,
    mut slices: ResMut<Slices>,
) {
    let may = room.myself().is_none_or(|me| me.role.may_operate());
    for (mut controller, at, tracked) in &mut controllers {
        let (hand, path) = (controller.hand, actions.path(controller.hand));
        let pressed = |action: &openxr::Action<bool>| {
            action
                .state(&session, path)
                .is_ok_and(|state| state.is_active && state.changed_since_last_sync && state.current_state)
        };
        if pressed(&actions.next_tool) {
            controller.tool += 1;
        }
        if pressed(&actions.slices) {
            slices.shown = !slices.shown;
        }
        if !may || !tracked.position_tracked || !tracked.rotation_tracked {
            body.hands.remove(&hand);
            continue;
        }
        let (kind, size_tenth_mm) = match hand {
            Hand::Left => LEFT[controller.tool % LEFT.len()],
            Hand::Right => RIGHT[controller.tool % RIGHT.len()],
        };
        let trigger =
            actions.trigger.state(&session, path).map_or(0.0, |state| if state.is_active { state.current_state } else { 0.0 });
        let at = tool_in_grip(&at.compute_transform());
        body.hands.insert(hand, OwnHand { kind, size_tenth_mm, at, trigger });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
