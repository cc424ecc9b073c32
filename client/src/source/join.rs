//! A room on a server.

use std::collections::BTreeMap;
use std::time::Instant;

use bevy::app::AppExit;
use bevy::prelude::*;
use bevy::state::app::StatesPlugin;
use spinor_client_core::{
    BodyPose, Happening, JoinOptions, Mark, Request, Session, SpinorClientPlugin, Status, ToolView, Which, no_waker,
};
use spinor_shared::wire::{WirePose, hand_from_number, tool_from_number};
use spinor_sim::{AlarmLevel, Hand, OwnTool, Settings, UserId};
use spinor_volume::Label;

use super::{empty_hands, input_of, now};
use crate::Gather;
use crate::desktop::Wish;
use crate::frames::WorldFrame;
use crate::hud;
use crate::marks::Marks;
use crate::room::{OwnBody, Person, Room, ShownTool};
use crate::scene::anatomy::Anatomy;

/// Follows a room.
pub(crate) struct JoinPlugin(pub(crate) JoinOptions);

/// One's own tools as they are expected to be, ahead of the server's word.
#[derive(Resource, Default)]
struct Predicted {
    tools: BTreeMap<Hand, OwnTool>,
    shown: BTreeMap<Hand, (spinor_sim::Pose, spinor_sim::OwnPose)>,
    seen: BTreeMap<Hand, u32>,
}

impl Plugin for JoinPlugin {
    fn build(&self, app: &mut App) {
        if !app.is_plugin_added::<StatesPlugin>() {
            app.add_plugins(StatesPlugin);
        }
        app.add_plugins(SpinorClientPlugin);
        match Session::join(self.0.clone(), no_waker()) {
            Ok(session) => app.insert_resource(session),
            Err(wrong) => {
                eprintln!("cannot join: {wrong}");
                std::process::exit(1);
            }
        };
        app.init_resource::<Predicted>()
            .insert_resource(Room { message: Some((hud::NOT_A_DEVICE.to_owned(), 0.0)), ..default() })
            .add_systems(FixedUpdate, act)
            .add_systems(Update, (follow_patient, follow_room, follow_tools, hear, ask).chain().in_set(Gather))
            .add_systems(Last, leave);
    }
}

/// Hands and head leave, and one's own tool is predicted.
fn act(mut session: ResMut<Session>, anatomy: Option<Res<Anatomy>>, body: Res<OwnBody>, mut predicted: ResMut<Predicted>) {
    let (Some(anatomy), Some(me)) = (anatomy, session.me().map(|me| UserId(me.user))) else { return };
    let wire = |at: &Transform| WirePose::from(anatomy.frame.pose_from_world(at));
    if let Some(head) = &body.head {
        let hand = |hand| body.hands.get(&hand).map(|held| wire(&held.at));
        session.send_pose(BodyPose { head: wire(head), hands: [hand(Hand::Left), hand(Hand::Right)] });
    }
    for hand in empty_hands(&body) {
        predicted.tools.remove(&hand);
        predicted.shown.remove(&hand);
    }
    if !session.has_tool() {
        return;
    }
    for (hand, held) in &body.hands {
        let mut input = input_of(me, *hand, held, 0, &anatomy.frame);
        input.seq = session.send_input(*hand, held.kind, held.size_tenth_mm, input.pose, input.trigger);
        let tool = predicted.tools.entry(*hand).or_insert_with(|| OwnTool::new(Settings::default()));
        let pose = tool.advance(&anatomy.patient, &anatomy.cut, &input);
        predicted.shown.insert(*hand, (input.pose, pose));
    }
}

/// Patient, cuts and CT as they arrive.
fn follow_patient(
    mut commands: Commands,
    mut session: ResMut<Session>,
    anatomy: Option<ResMut<Anatomy>>,
    mut shown_at: Local<Option<[u8; 32]>>,
) {
    if !session.mirror().is_complete() {
        return;
    }
    let hash = session.me().map(|me| me.patient_hash);
    let images_changed = session.mirror_mut().take_images_changed();
    match anatomy {
        Some(mut anatomy) if *shown_at == hash => {
            let dirty = session.mirror_mut().take_dirty();
            if let Some(cut) = session.mirror().cut().filter(|_| !dirty.is_empty()) {
                anatomy.follow(cut, dirty);
            }
            if images_changed {
                anatomy.ct = session.mirror().image(Which::Ct).cloned();
            }
        }
        _ => {
            session.mirror_mut().take_dirty();
            let mirror = session.mirror();
            if let (Some(patient), Some(cut)) = (mirror.patient(), mirror.cut()) {
                commands.insert_resource(Anatomy::new(patient.clone(), cut.clone(), mirror.image(Which::Ct).cloned()));
                *shown_at = hash;
            }
        }
    }
}

/// What the status line says.
fn status_text(status: &Status, room: Option<&str>) -> String {
    match status {
        Status::Connecting { attempt: 0, .. } => "connecting".to_owned(),
        Status::Connecting { attempt, reason } => match reason {
            Some(reason) => format!("connecting again ({attempt}): {reason}"),
            None => format!("connecting again ({attempt})"),
        },
        Status::Loading => "loading the patient".to_owned(),
        Status::Joined => room.map_or("joined".to_owned(), |room| format!("room {room}")),
        Status::Refused(why) => format!("not let in: {why}"),
    }
}

fn follow_room(session: Res<Session>, anatomy: Option<Res<Anatomy>>, mut room: ResMut<Room>, mut exit: MessageWriter<AppExit>) {
    let me = session.me();
    room.me = me.map(|me| UserId(me.user));
    room.status = status_text(session.status(), me.map(|me| me.room.as_str()));
    if let Status::Refused(why) = session.status() {
        eprintln!("not let in: {why}");
        exit.write(AppExit::error());
    }
    let Some(view) = session.view() else { return };
    (room.frozen, room.paused) = (view.frozen, view.paused);
    room.thresholds_mm = view.alarm_um.map(|um| um as f32 * 1e-3);
    room.clock_secs = Some(f64::from(session.mirror().tick()) / f64::from(spinor_sim::input::TICKS_PER_SECOND));
    let now = Instant::now();
    room.people = view
        .people
        .iter()
        .map(|person| {
            let user = UserId(person.user);
            let head = anatomy.as_ref().and_then(|anatomy| {
                let pose = session.pose_of(person.user, now)?;
                Some(anatomy.frame.world_from_pose(&pose.head.into()))
            });
            let (name, role) = (person.name.clone(), person.role);
            (user, Person { user, name, role, has_tool: person.has_tool, online: person.online, head })
        })
        .collect();
}

/// A tool as the server sent it.
fn shown(view: &ToolView, frame: &WorldFrame) -> Option<((UserId, Hand), ShownTool)> {
    let hand = hand_from_number(view.hand).ok()?;
    let tool = ShownTool {
        kind: tool_from_number(view.tool).ok()?,
        size_tenth_mm: view.size_tenth_mm,
        at: frame.world_from_pose(&view.proxy.into()),
        trigger: f32::from(view.trigger) / 255.0,
        load_newton: view.load_millinewton as f32 * 1e-3,
        nearest: view.nearest.map(|(um, label)| (um as f32 * 1e-3, Label(label))),
        level: AlarmLevel::from_number(view.alarm).unwrap_or(AlarmLevel::Danger),
        warning: view.warning.map(|(label, um)| (Label(label), um as f32 * 1e-3)),
        sounding: view.sounding,
        spindle_rpm: view.spindle_rpm as f32,
        in_bone: view.in_bone,
        cutting: view.removed > 0,
    };
    Some(((UserId(view.user), hand), tool))
}

fn follow_tools(
    session: Res<Session>,
    anatomy: Option<Res<Anatomy>>,
    mut predicted: ResMut<Predicted>,
    mut room: ResMut<Room>,
    body: Res<OwnBody>,
) {
    let (Some(anatomy), Some(me)) = (anatomy, room.me) else { return };
    room.tools = session.tools().filter_map(|view| shown(view, &anatomy.frame)).collect();
    let Predicted { tools, shown, seen } = &mut *predicted;
    for (hand, tool) in tools {
        let Some(view) = session.tool(me.0, *hand) else { continue };
        if seen.insert(*hand, view.input_seq) != Some(view.input_seq) {
            tool.acknowledge(&anatomy.patient, &anatomy.cut, view.input_seq, view.proxy.into());
        }
        // The picture of one's own tool does not wait for the server; distance and alarm are the server's.
        if let (Some(mine), Some((_, own))) = (room.tools.get_mut(&(me, *hand)), shown.get(hand)) {
            mine.at = anatomy.frame.world_from_pose(&own.proxy);
            mine.load_newton = own.load_millinewton as f32 * 1e-3;
            mine.spindle_rpm = own.spindle_rpm as f32;
            mine.in_bone = own.in_bone;
        }
    }
    // A hand whose tool the server has put down is no longer drawn, unless it holds one again.
    room.tools.retain(|(user, hand), _| *user != me || body.hands.contains_key(hand));
}

fn hear(
    mut session: ResMut<Session>,
    anatomy: Option<Res<Anatomy>>,
    mut room: ResMut<Room>,
    mut marks: ResMut<Marks>,
    time: Res<Time<Real>>,
) {
    let at = now(&time);
    for happening in session.take_happenings() {
        match happening {
            Happening::Refused { request, reason } => room.message = Some((format!("{request}: {reason}"), at)),
            Happening::Lost(why) => room.message = Some((format!("connection lost: {why}"), at)),
            Happening::Said { user, mark } => {
                let name = room.people.get(&UserId(user)).map_or("somebody".to_owned(), |p| p.name.clone());
                match mark {
                    Mark::Text(words) => room.message = Some((format!("{name}: {words}"), at)),
                    Mark::Clear => marks.clear(UserId(user)),
                    Mark::Line(points) => {
                        if let Some(anatomy) = &anatomy {
                            let line = points.iter().map(|um| anatomy.frame.world_from_patient(um.map(|v| f64::from(v) * 1e-3)));
                            marks.draw(UserId(user), line.collect(), at);
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

fn ask(
    session: Res<Session>,
    anatomy: Option<Res<Anatomy>>,
    mut wishes: MessageReader<Wish>,
    room: Res<Room>,
    mut marks: ResMut<Marks>,
) {
    for wish in wishes.read() {
        session.request(match wish {
            Wish::Freeze => Request::Freeze(!room.frozen),
            Wish::Pause => Request::Pause(!room.paused),
        });
    }
    if let Some(anatomy) = anatomy {
        for line in marks.take_own() {
            let um = |at: &Vec3| anatomy.frame.patient_from_world(*at).map(|mm| (mm * 1e3).round() as i32);
            session.request(Request::Say(Mark::Line(line.iter().map(um).collect())));
        }
    }
}

/// Says goodbye instead of falling silent.
fn leave(mut exits: MessageReader<AppExit>, session: Res<Session>) {
    if exits.read().next().is_some() {
        session.leave();
    }
}
