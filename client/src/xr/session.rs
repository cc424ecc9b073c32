//! The session's life: eyes set up for near work, loss survived, refusal survived.

use bevy::app::AppExit;
use bevy::prelude::*;
use bevy::render::view::NoIndirectDrawing;
use bevy::render::{Render, RenderApp};
use bevy_mod_openxr::resources::{OxrFrameStream, OxrSessionStarted};
use bevy_mod_openxr::session::OxrSession;
use bevy_mod_xr::camera::{XrCamera, XrProjection};
use bevy_mod_xr::session::{
    XrCreateSessionMessage, XrPreDestroySession, XrRenderSystems, XrSessionCreatedMessage, XrSessionDestroyedMessage, XrState,
    XrStateChanged,
};

use crate::Gather;
use crate::camera::ScreenCamera;
use crate::room::{OwnBody, Room};
use crate::scene::theatre;

/// Nearest thing that is drawn, m: a head leans over the wound.
const NEAR_M: f32 = 0.02;

/// Whether the session that ended is to be made anew: it was lost, not ended.
#[derive(Resource, Default)]
struct Lost(bool);

/// Watches the session.
pub(super) struct SessionPlugin;

impl Plugin for SessionPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Lost>()
            // A runtime that refuses a session leaves systems without their resources: skip these and go on at the desktop.
            .set_error_handler(bevy::ecs::error::warn)
            .add_systems(XrPreDestroySession, stop_frame_loop)
            .add_systems(Update, (report, note_loss, create_again, set_up_eyes, one_view, head).chain().in_set(Gather));
        if let Some(render) = app.get_sub_app_mut(RenderApp) {
            let between = rest_without_session.after(XrRenderSystems::HandleEvents).before(XrRenderSystems::PreRender);
            render.add_systems(Render, between);
        }
    }
}

/// Without this the crate waits for a frame of the session that is gone.
fn stop_frame_loop(started: Option<ResMut<OxrSessionStarted>>) {
    if let Some(mut started) = started {
        started.0 = false;
    }
}

/// The renderer runs a frame behind: a session that is lost takes its frame stream away while the copy of the flag still says that
/// frames run, and ending a frame without a stream panics in the crate.
fn rest_without_session(stream: Option<Res<OxrFrameStream>>, started: Option<ResMut<OxrSessionStarted>>) {
    if let (None, Some(mut started)) = (stream, started) {
        started.0 = false;
    }
}

fn report(
    mut created: MessageReader<XrSessionCreatedMessage>,
    session: Option<Res<OxrSession>>,
    state: Option<Res<XrState>>,
    mut told: Local<bool>,
) {
    if state.is_some_and(|state| *state == XrState::Unavailable) && !std::mem::replace(&mut *told, true) {
        eprintln!("no headset: no OpenXR runtime answers. Going on at the desktop; start the runtime and this program again.");
    }
    for _ in created.read() {
        match &session {
            Some(_) => println!("headset session created"),
            None => eprintln!("no headset: the runtime refuses a session. Going on at the desktop."),
        }
    }
}

fn note_loss(mut changes: MessageReader<XrStateChanged>, mut lost: ResMut<Lost>) {
    for change in changes.read() {
        if let XrState::Exiting { should_restart } = change.0 {
            lost.0 = should_restart;
        }
    }
}

/// The crate tells that the session is gone, but never makes another.
fn create_again(
    mut destroyed: MessageReader<XrSessionDestroyedMessage>,
    mut create: MessageWriter<XrCreateSessionMessage>,
    mut lost: ResMut<Lost>,
    screens: Query<(), With<ScreenCamera>>,
    mut exit: MessageWriter<AppExit>,
) {
    for _ in destroyed.read() {
        if std::mem::take(&mut lost.0) {
            println!("headset session lost: making another");
            create.write_default();
        } else if screens.is_empty() {
            // The runtime ended the session, and there is no window to go on in.
            exit.write(AppExit::Success);
        }
    }
}

fn set_up_eyes(mut commands: Commands, mut eyes: Query<(Entity, &mut Projection), Added<XrCamera>>) {
    for (eye, mut projection) in &mut eyes {
        // Some headsets flicker with indirect drawing (bevy_oxr issue 198).
        commands.entity(eye).insert((theatre::camera_look(), NoIndirectDrawing));
        *projection = Projection::custom(XrProjection { near: NEAR_M, ..default() });
    }
}

/// The screen's own picture costs a third eye: it rests while the headset shows one.
fn one_view(
    state: Option<Res<XrState>>,
    shot: Option<Res<crate::shot::Shot>>,
    mut cameras: Query<&mut Camera, With<ScreenCamera>>,
) {
    let running = state.is_some_and(|state| *state == XrState::Running);
    for mut camera in &mut cameras {
        let active = !running || shot.is_some();
        if camera.is_active != active {
            camera.is_active = active;
        }
    }
}

/// One's head, from the two eyes.
fn head(eyes: Query<&GlobalTransform, With<XrCamera>>, mut body: ResMut<OwnBody>, room: Res<Room>) {
    let count = eyes.iter().count();
    if count == 0 || room.me.is_none() {
        return;
    }
    let middle = eyes.iter().map(GlobalTransform::translation).sum::<Vec3>() / count as f32;
    let turn = eyes.iter().next().map_or(Quat::IDENTITY, GlobalTransform::rotation);
    body.head = Some(Transform::from_translation(middle).with_rotation(turn));
}
