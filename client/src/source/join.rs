//! A room on a server.

use std::collections::BTreeMap;
use std::time::Instant;

use bevy::app::AppExit;
use bevy::prelude::*;
use bevy::state::app::StatesPlugin;
use spinor_client_core::{
    BodyPose, Happening, JoinOptions, Mark, OwnHand, Request, Session, SpinorClientPlugin, Status, ToolView, Which, no_waker,
};
use spinor_shared::wire::{WirePose, hand_from_number, tool_from_number};
use spinor_sim::input::TICKS_PER_SECOND;
use spinor_sim::procedure::Target;
use spinor_sim::{AlarmLevel, Event, Hand, OwnPose, Settings, UserId};
use spinor_volume::Label;

use super::{empty_hands, now, trigger_of};
use crate::Gather;
use crate::frames::WorldFrame;
use crate::guide::{Followed, Guide};
use crate::hud;
use crate::hud::words::event_words;
use crate::marks::Marks;
use crate::may;
use crate::menu::Page;
use crate::rack::Rack;
use crate::room::{OwnBody, Person, Room, ShownTool};
use crate::scene::anatomy::Anatomy;
use crate::scene::fragments::Fragments;
use crate::wish::{Granted, Wish};

/// Follows a room.
pub(crate) struct JoinPlugin(pub(crate) JoinOptions);

/// One's own tools, ahead of the server's word, and where they are expected to be.
#[derive(Resource, Default)]
struct Predicted(BTreeMap<Hand, (OwnHand, Option<OwnPose>)>);

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
            .add_systems(Update, (follow_patient, follow_tissues, follow_room, follow_tools, hear, ask).chain().in_set(Gather))
            .add_systems(Last, leave);
    }
}

/// Hands and head leave, and one's own tool is predicted.
fn act(
    mut session: ResMut<Session>,
    anatomy: Option<Res<Anatomy>>,
    body: Res<OwnBody>,
    room: Res<Room>,
    mut predicted: ResMut<Predicted>,
) {
    let Some(anatomy) = anatomy.filter(|_| session.is_joined()) else { return };
    let wire = |at: &Transform| WirePose::from(anatomy.frame.pose_from_world(at));
    if let Some(head) = &body.head {
        let hand = |hand| body.hands.get(&hand).map(|held| wire(&held.at));
        session.send_pose(BodyPose { head: wire(head), hands: [hand(Hand::Left), hand(Hand::Right)] });
    }
    for hand in empty_hands(&body) {
        predicted.0.remove(&hand);
    }
    if may::operating(&room).is_some() {
        return;
    }
    for (hand, held) in &body.hands {
        // Without the right to operate a tool can still be shown; its trigger rests.
        let trigger = if room.trigger_refusal().is_some() { 0 } else { trigger_of(held) };
        let pose = anatomy.frame.pose_from_world(&held.at);
        let own = predicted.0.entry(*hand).or_insert_with(|| (OwnHand::new(*hand, Settings::default()), None));
        own.1 = own.0.drive(&mut session, held.kind, held.size_tenth_mm, pose, trigger);
    }
}

/// Patient, cuts and CT as they arrive.
fn follow_patient(
    mut commands: Commands,
    mut session: ResMut<Session>,
    anatomy: Option<ResMut<Anatomy>>,
    mut room: ResMut<Room>,
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
                anatomy.mr = session.mirror().image(Which::Mr).cloned();
            }
        }
        _ => {
            session.mirror_mut().take_dirty();
            let mirror = session.mirror();
            if let (Some(patient), Some(cut)) = (mirror.patient(), mirror.cut()) {
                let images = [Which::Ct, Which::Mr].map(|which| mirror.image(which).cloned());
                commands.insert_resource(Anatomy::new(patient.clone(), cut.clone(), images));
                room.know(patient, mirror.meta().map_or(&[], |meta| meta.warnings.as_slice()));
                *shown_at = hash;
            }
        }
    }
}

/// Fragments, dents and veil as they are told.
fn follow_tissues(mut session: ResMut<Session>, anatomy: Option<ResMut<Anatomy>>, mut fragments: ResMut<Fragments>) {
    let Some(mut anatomy) = anatomy else { return };
    if !session.tissues_mut().take_changed() {
        return;
    }
    for label in session.tissues_mut().take_moved() {
        anatomy.dent(label, session.tissues().dents(label));
    }
    anatomy.veil(session.tissues().veil().collect());
    let known = session.tissues().fragments();
    fragments.0 = known.filter_map(|f| Some((f.state.id.0, (f.state, f.shape.clone()?)))).collect();
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
    (room.recorded, room.disk_full) = (view.recorded, view.disk_full);
    room.thresholds_mm = view.alarm_um.map(|um| um as f32 * 1e-3);
    room.clock_secs = Some(f64::from(session.mirror().tick()) / f64::from(TICKS_PER_SECOND));
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
        contact_s: view.contact_ms.map(|ms| f32::from(ms) * 1e-3),
        bone_left_mm: view.bone_left_um.map(|um| um as f32 * 1e-3),
        spindle_rpm: view.spindle_rpm as f32,
        in_bone: view.in_bone,
        cutting: view.removed > 0,
    };
    Some(((UserId(view.user), hand), tool))
}

fn follow_tools(
    session: Res<Session>,
    anatomy: Option<Res<Anatomy>>,
    predicted: Res<Predicted>,
    mut room: ResMut<Room>,
    body: Res<OwnBody>,
) {
    let (Some(anatomy), Some(me)) = (anatomy, room.me) else { return };
    room.tools = session.tools().filter_map(|view| shown(view, &anatomy.frame)).collect();
    for (hand, (_, expected)) in &predicted.0 {
        // The picture of one's own tool does not wait for the server; distance and alarm are the server's.
        if let (Some(mine), Some(own)) = (room.tools.get_mut(&(me, *hand)), expected) {
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
    mut rack: ResMut<Rack>,
    guide: Res<Guide>,
    time: Res<Time<Real>>,
) {
    let at = now(&time);
    for happening in session.take_happenings() {
        match happening {
            Happening::Refused { request, reason } => room.message = Some((format!("{request}: {reason}"), at)),
            Happening::Events { events, .. } => {
                for event in events.iter().filter_map(|event| Event::try_from(*event).ok()) {
                    let Some(words) = event_words(&event) else { continue };
                    let by = event.by().user;
                    let whose = room.people.get(&by).filter(|_| Some(by) != room.me);
                    let words = whose.map_or(words.clone(), |person| format!("{}: {words}", person.name));
                    room.message = Some((words, at));
                }
            }
            Happening::Passed { from, from_hand, to, hand, tool, size_tenth_mm } => {
                let hands = (hand_from_number(from_hand), hand_from_number(hand), tool_from_number(tool));
                let (Ok(from_hand), Ok(hand), Ok(kind)) = hands else { continue };
                if room.me == Some(UserId(from)) {
                    rack.put_away(from_hand);
                }
                if room.me == Some(UserId(to)) {
                    rack.receive(hand, kind, size_tenth_mm);
                }
                let name = |user| room.people.get(&UserId(user)).map_or("somebody", |p| p.name.as_str());
                room.message = Some((format!("{} hands {} the {}", name(from), name(to), kind.word()), at));
            }
            Happening::Procedure => {
                let now = session.following().and_then(Followed::of);
                if let Some(words) = now.as_ref().filter(|_| guide.shown).and_then(|now| now.news(room.procedure.as_ref())) {
                    room.message = Some((words, at));
                }
                room.procedure = now;
            }
            Happening::Measures { measures, .. } => room.measures = Some(measures),
            Happening::Rewound { .. } => {
                room.message = Some(("the room went back to an earlier moment".to_owned(), at));
            }
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

/// What a wish asks the server for; none where it is nothing to it.
fn request(wish: &Wish, room: &Room, guide: &Guide, frame: Option<&WorldFrame>) -> Option<Request> {
    let um = |at: &Vec3| Some(frame?.patient_from_world(*at).map(|mm| (mm * 1e3).round() as i32));
    Some(match wish {
        Wish::Freeze => Request::Freeze(!room.frozen),
        Wish::Pause => Request::Pause(!room.paused),
        Wish::Right { user, give } => Request::Tool { user: user.0, give: *give },
        Wish::Pass { hand, to } => Request::Pass { hand: *hand as u8, to: to.0 },
        Wish::GoBack(seconds) => {
            let ticks = (room.clock_secs.unwrap_or(0.0) * f64::from(TICKS_PER_SECOND)).round() as u32;
            Request::Rewind { to_tick: ticks.saturating_sub(seconds * TICKS_PER_SECOND) }
        }
        Wish::Alarm(mm) => {
            let [caution_um, danger_um] = mm.map(|mm| (mm * 1e3).round() as u32);
            Request::Alarm { caution_um, danger_um }
        }
        Wish::Follow(procedure) => {
            let place = |procedure| Target { procedure, level: guide.level, side: guide.side };
            Request::Procedure(procedure.map(|procedure| place(procedure).into()))
        }
        Wish::Measure | Wish::Menu(Page::Measures) => Request::Measures,
        Wish::Point(at) => Request::Say(Mark::Line(vec![um(at)?])),
        Wish::Draw(line) => Request::Say(Mark::Line(line.iter().map(um).collect::<Option<_>>()?)),
        Wish::ClearMarks => Request::Say(Mark::Clear),
        Wish::Say(words) => Request::Say(Mark::Text(words.clone())),
        _ => return None,
    })
}

fn ask(
    session: Res<Session>,
    anatomy: Option<Res<Anatomy>>,
    mut granted: MessageReader<Granted>,
    room: Res<Room>,
    guide: Res<Guide>,
) {
    let frame = anatomy.as_ref().map(|anatomy| &anatomy.frame);
    for Granted(wish) in granted.read() {
        if let Some(request) = request(wish, &room, &guide, frame) {
            session.request(request);
        }
    }
}

/// Says goodbye instead of falling silent.
fn leave(mut exits: MessageReader<AppExit>, session: Res<Session>) {
    if exits.read().next().is_some() {
        session.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinor_sim::procedure::{Procedure, Side};

    /// Every wish that concerns others becomes the request that means it, in patient micrometres; a line without a frame is not sent.
    #[test]
    fn wishes_become_requests() {
        let frame = WorldFrame { centre_mm: [1.0, 2.0, 3.0] };
        let room = Room { frozen: true, ..default() };
        let at = frame.world_from_patient([10.0, 20.5, -30.0]);
        let guide = Guide { level: 3, side: Side::Right, ..Guide::default() };
        let asked = |wish: &Wish| request(wish, &room, &guide, Some(&frame));
        let target = Target { procedure: Procedure::Ulbd, level: 3, side: Side::Right };
        assert_eq!(asked(&Wish::Follow(Some(Procedure::Ulbd))), Some(Request::Procedure(Some(target.into()))));
        assert_eq!(asked(&Wish::Follow(None)), Some(Request::Procedure(None)));
        assert_eq!(asked(&Wish::Freeze), Some(Request::Freeze(false)));
        assert_eq!(asked(&Wish::Pause), Some(Request::Pause(true)));
        assert_eq!(asked(&Wish::Alarm([4.5, 2.5])), Some(Request::Alarm { caution_um: 4_500, danger_um: 2_500 }));
        let right = Wish::Right { user: UserId(3), give: false };
        assert_eq!(asked(&right), Some(Request::Tool { user: 3, give: false }));
        let Some(Request::Say(Mark::Line(points))) = asked(&Wish::Draw(vec![at, at])) else { panic!() };
        assert!(points.len() == 2 && (0..3).all(|k| (points[0][k] - [10_000, 20_500, -30_000][k]).abs() <= 1), "{points:?}");
        assert_eq!(request(&Wish::Point(at), &room, &guide, None), None);
        assert_eq!(asked(&Wish::Slices), None);
        let pass = Wish::Pass { hand: Hand::Left, to: UserId(4) };
        assert_eq!(asked(&pass), Some(Request::Pass { hand: 0, to: 4 }));
        let late = Room { clock_secs: Some(100.0), ..default() };
        assert_eq!(request(&Wish::GoBack(10), &late, &guide, None), Some(Request::Rewind { to_tick: 5_400 }));
        assert_eq!(request(&Wish::GoBack(10), &room, &guide, None), Some(Request::Rewind { to_tick: 0 }));
    }
}
