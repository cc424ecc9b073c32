//! All rooms of a server, and the engine systems that bring the network to them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bevy_app::{App, FixedUpdate, Plugin, PostUpdate, PreUpdate};
use bevy_ecs::prelude::*;
use lightyear::connection::client_of::ClientOf;
use lightyear::prelude::server::Started;
use lightyear::prelude::*;
use lightyear_link::{LinkReceiveSystems, Linked};
use spinor_shared::net::control::{Notice, Stats};
use spinor_shared::net::handshake::{Answer, Refusal};
use spinor_shared::net::limit;
use spinor_shared::net::link::{QuicLink, Waker, link_bundle};
use spinor_shared::net::protocol::{Avatar, DownChannel, InputMsg, PeerPoseMsg, PoseMsg, ToolsMsg};
use spinor_shared::session::SessionHead;
use spinor_sim::TissueModels;
use spinor_sim::procedure::Target;
use tokio::sync::mpsc::{Receiver, Sender};

use crate::bulk::CaseData;
use crate::gate::{Arrival, Refusals, refuse, unix_seconds};
use crate::meter::{TickTimes, cpu_seconds, peak_rss_mb};
use crate::opening::{Opened, Openings};
use crate::peer::{Heard, Peer, Utterance};
use crate::recorder::Recorder;
use crate::requests::Outcome;
use crate::room::{Room, is_possible_body};

/// Datagrams dropped for coming too fast after which a client is sent away.
const TOO_MANY: u64 = 4_000;

/// Everything that the systems work on.
#[derive(Resource)]
pub(crate) struct Hall {
    pub(crate) rooms: BTreeMap<Arc<str>, Room>,
    pub(crate) openings: Openings<Arrival>,
    pub(crate) case: Arc<CaseData>,
    pub(crate) record: Option<PathBuf>,
    pub(crate) tissues: TissueModels,
    pub(crate) procedure: Option<Target>,
    pub(crate) server: Entity,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) waker: Waker,
    pub(crate) arrivals: Receiver<Arrival>,
    pub(crate) heard: (Sender<Heard>, Receiver<Heard>),
    pub(crate) door: Refusals,
    pub(crate) bulk_bytes_per_second: f64,
    pub(crate) times: TickTimes,
    pub(crate) links: u64,
    pub(crate) tools: Vec<(Arc<str>, ToolsMsg)>,
    pub(crate) interest: BTreeMap<Arc<str>, RoomId>,
    pub(crate) avatars: BTreeMap<(Arc<str>, u32), Entity>,
}

/// Whose link an entity is.
#[derive(Component)]
pub(crate) struct Guest {
    room: Arc<str>,
    user: u32,
    link: u64,
}

/// Runs rooms inside an engine that has lightyear's server and the link plugin.
pub(crate) struct HallPlugin;

impl Plugin for HallPlugin {
    fn build(&self, app: &mut App) {
        app.add_systems(PreUpdate, (admit, listen, part).chain().before(LinkReceiveSystems::BufferToLink))
            .add_systems(PreUpdate, gather.after(MessageSystems::Receive))
            .add_systems(FixedUpdate, tick)
            .add_systems(PostUpdate, send_tools.before(MessageSystems::Send));
    }
}

/// Marks the server's entity as open: lightyear's servers expect it.
pub(crate) fn server_bundle() -> impl Bundle {
    (Server::default(), Linked, Started)
}

impl Hall {
    /// Whoever may enter a room now or has to be told why not: it is open, or cannot be. A recorded room that is neither is begun, and
    /// its guests wait.
    fn guests(&mut self) -> Vec<(Arrival, Result<(), Refusal>)> {
        let mut guests = Vec::new();
        for Opened { name, recorder, waiting } in self.openings.take_ready() {
            let opened = recorder.and_then(|recorder| self.open(&name, Some(recorder)));
            guests.extend(waiting.into_iter().map(|arrival| (arrival, opened.clone())));
        }
        while let Ok(arrival) = self.arrivals.try_recv() {
            let name: Arc<str> = arrival.claims.room.as_str().into();
            if self.rooms.contains_key(&name) {
                guests.push((arrival, Ok(())));
            } else if let Some(directory) = &self.record {
                let (with, on) = ((&self.case, directory.as_path()), (&self.runtime, &self.waker));
                let turned_away = self.openings.wait_for(&name, arrival, with, on);
                guests.extend(turned_away.map(|arrival| (arrival, Err(Refusal::Full))));
            } else {
                let opened = self.open(&name, None);
                guests.push((arrival, opened));
            }
        }
        guests
    }

    fn open(&mut self, name: &Arc<str>, recorder: Option<Recorder>) -> Result<(), Refusal> {
        let (models, case, runtime) = ((self.tissues, self.procedure), self.case.clone(), self.runtime.clone());
        let room = Room::new(name, case, recorder, None, Refusals::default(), models, runtime);
        let room = room.map_err(|error| {
            tracing::error!(room = %name, %error, "the room cannot be opened");
            Refusal::Closing
        })?;
        tracing::info!(room = %name, "room opened");
        self.rooms.insert(name.clone(), room);
        Ok(())
    }

    fn stats(&self, room: &Room) -> Stats {
        Stats {
            ticks: self.times.ticks(),
            tick_ms: self.times.summary_ms(),
            cpu_s: cpu_seconds(),
            rss_mb: peak_rss_mb(),
            ops: room.ops,
            snapshot_bytes: room.snapshot_size.load(std::sync::atomic::Ordering::Relaxed),
            refused: room.refusals.all(),
            repairs: room.repairs,
            coalesced: room.coalesced,
            rooms: self.rooms.len() as u32,
            people: self.rooms.values().map(|r| r.members.values().filter(|m| m.peer.is_some()).count() as u32).sum(),
            refused_at_door: self.door.all(),
        }
    }

    /// Ends a person's connection to a room for a reason.
    fn send_away(&mut self, room: &Arc<str>, user: u32, refusal: Refusal, commands: &mut Commands) {
        if let Some(peer) = self.rooms.get_mut(room).and_then(|r| r.leave(user)) {
            peer.close(&self.runtime, refusal);
            forget_link(peer.entity, commands);
        }
        if let Some(avatar) = self.avatars.remove(&(room.clone(), user)) {
            commands.entity(avatar).try_despawn();
        }
    }
}

/// The head of a new recording.
pub(crate) fn session_head(room: &str, case: &CaseData) -> SessionHead {
    SessionHead {
        case_hash: case.hash,
        room: room.to_owned(),
        software: format!("spinor {}", env!("CARGO_PKG_VERSION")),
        started_unix_s: unix_seconds(),
        tick_hz: spinor_sim::input::TICKS_PER_SECOND,
    }
}

/// Takes a link's entity away. lightyear maps people to entities when `Connected` comes and unmaps them when `Disconnected` does, by the
/// person and not by the entity: so this has to happen before the same person's next link appears.
fn forget_link(entity: Entity, commands: &mut Commands) {
    if let Ok(mut entity) = commands.get_entity(entity) {
        entity.try_insert(Disconnected::default());
        entity.try_despawn();
    }
}

/// Lets in whoever waits at the door.
fn admit(mut hall: ResMut<Hall>, mut allocator: ResMut<RoomAllocator>, mut commands: Commands) {
    let hall = &mut *hall;
    for (arrival, opened) in hall.guests() {
        let Arrival { connection, mut send, receive, claims } = arrival;
        let room = opened.and_then(|()| hall.rooms.get_mut(claims.room.as_str()).ok_or(Refusal::NoRoom));
        let accept = room.and_then(|room| room.admit(&claims));
        let accept = match accept {
            Ok(accept) => accept,
            Err(refusal) => {
                hall.door.count(&refusal);
                hall.runtime.spawn(async move { refuse(&connection, &mut send, refusal).await });
                continue;
            }
        };
        let name: Arc<str> = claims.room.as_str().into();
        hall.send_away(&name, claims.user, Refusal::Replaced, &mut commands);
        hall.links += 1;
        let link = hall.links;
        let interest = *hall.interest.entry(name.clone()).or_insert_with(|| allocator.allocate());
        let quic = QuicLink::new(connection.clone(), &hall.runtime, hall.waker.clone(), false);
        let guest = Guest { room: name.clone(), user: claims.user, link };
        let address = PeerAddr(connection.remote_address());
        let entity = commands.spawn((LinkOf { server: hall.server }, link_bundle(quic), address, guest)).id();
        commands.entity(entity).insert(Linked);
        commands.entity(entity).insert((
            LocalId(PeerId::Server),
            RemoteId(PeerId::Netcode(u64::from(claims.user))),
            Connected,
            ClientOf,
            ReplicationSender,
            Rooms::single(interest),
        ));
        let avatar = Avatar { user: claims.user, name: claims.name.clone(), role: claims.role };
        let avatar = commands.spawn((avatar, Replicate::to_clients(NetworkTarget::All), Rooms::single(interest))).id();
        hall.avatars.insert((name.clone(), claims.user), avatar);
        let streams = (connection, send, receive);
        let who = (name.clone(), claims.user, link);
        let hearing = (hall.heard.0.clone(), hall.waker.clone());
        let peer = Peer::start(&hall.runtime, streams, who, entity, &Answer::Accept(Box::new(accept)), hearing);
        if let Some(room) = hall.rooms.get_mut(&name) {
            room.enter(&claims, peer);
        }
    }
}

/// Carries out what came over control streams.
fn listen(mut hall: ResMut<Hall>, mut commands: Commands) {
    let hall = &mut *hall;
    let bytes_per_second = hall.bulk_bytes_per_second;
    while let Ok(Heard { room: name, user, link, what }) = hall.heard.1.try_recv() {
        let Some(room) = hall.rooms.get_mut(&name) else { continue };
        if room.members.get(&user).and_then(|m| m.peer.as_ref()).is_none_or(|peer| peer.link != link) {
            continue;
        }
        match what {
            Utterance::Asked(request) => match room.request(user, request, bytes_per_second) {
                Outcome::Done => {}
                Outcome::Stats => {
                    let Some(room) = hall.rooms.get(&name) else { continue };
                    let stats = hall.stats(room);
                    if let Some(peer) = room.members.get(&user).and_then(|m| m.peer.as_ref()) {
                        peer.tell(&Notice::Stats(Box::new(stats)));
                    }
                }
                Outcome::Close(refusal) => {
                    if refusal == Refusal::Garbage {
                        room.refuse(user, "request", refusal.clone());
                    }
                    hall.send_away(&name, user, refusal, &mut commands);
                }
            },
            Utterance::Hurried(word) => room.refuse(user, word, Refusal::Rate),
            Utterance::Garbage(error) => {
                tracing::warn!(room = %name, user, error, "garbage on the control stream");
                room.refuse(user, "request", Refusal::Garbage);
                hall.send_away(&name, user, Refusal::Garbage, &mut commands);
            }
            Utterance::Gone => hall.send_away(&name, user, Refusal::Closing, &mut commands),
        }
    }
}

/// Parts with connections that died and with clients that send what they may not.
fn part(mut hall: ResMut<Hall>, guests: Query<(&Guest, &QuicLink)>, mut commands: Commands) {
    for (guest, quic) in &guests {
        let closed = quic.closed();
        let (many, bad) = quic.refused();
        if closed.is_none() && many < TOO_MANY && bad == 0 {
            continue;
        }
        let Some(room) = hall.rooms.get_mut(&guest.room) else { continue };
        if room.members.get(&guest.user).and_then(|m| m.peer.as_ref()).is_none_or(|peer| peer.link != guest.link) {
            continue;
        }
        let refusal = match closed {
            Some(reason) => {
                tracing::info!(room = %guest.room, user = guest.user, %reason, "connection ended");
                Refusal::Closing
            }
            None => {
                let refusal = if bad > 0 { Refusal::Garbage } else { Refusal::Rate };
                room.refuse(guest.user, "datagram", refusal.clone());
                refusal
            }
        };
        hall.send_away(&guest.room, guest.user, refusal, &mut commands);
    }
}

/// Takes inputs, and forwards poses at once. lightyear makes a link's receiver of a message when the first one comes, so that each kind
/// has a query of its own.
fn gather(
    mut hall: ResMut<Hall>,
    mut poses_from: Query<(&Guest, &mut MessageReceiver<PoseMsg>)>,
    mut inputs_from: Query<(&Guest, &mut MessageReceiver<InputMsg>)>,
    mut to: Query<(&Guest, &mut MessageSender<PeerPoseMsg>), With<Connected>>,
    mut commands: Commands,
) {
    let hall = &mut *hall;
    let mut poses: Vec<(Arc<str>, PeerPoseMsg)> = Vec::new();
    let mut bad: Vec<(Arc<str>, u32)> = Vec::new();
    for (guest, mut received) in &mut poses_from {
        // A packet may hold many poses; only the newest is worth anything to the others, who each are sent a copy.
        let Some(pose) = received.receive().last() else { continue };
        let Some(room) = hall.rooms.get_mut(&guest.room) else { continue };
        if !is_possible_body(&pose.body) {
            room.refuse(guest.user, "datagram", Refusal::Garbage);
            bad.push((guest.room.clone(), guest.user));
        } else if let Some(member) = room.members.get_mut(&guest.user) {
            if member.budgets.poses.take(Instant::now()) {
                member.body = Some(pose.body);
                poses.push((guest.room.clone(), PeerPoseMsg { user: guest.user, pose }));
            } else {
                room.refusals.count(&Refusal::Rate);
            }
        }
    }
    for (guest, mut received) in &mut inputs_from {
        for message in received.receive() {
            let Some(room) = hall.rooms.get_mut(&guest.room) else { continue };
            let fine = message.inputs.len() <= limit::INPUTS
                && message.inputs.into_iter().all(|input| room.input(guest.user, input).is_ok());
            if !fine {
                room.refuse(guest.user, "datagram", Refusal::Garbage);
                bad.push((guest.room.clone(), guest.user));
            }
        }
    }
    for (guest, mut sender) in &mut to {
        for (room, pose) in &poses {
            if *room == guest.room && pose.user != guest.user {
                sender.send::<DownChannel>(pose.clone());
            }
        }
    }
    for (room, user) in bad {
        hall.send_away(&room, user, Refusal::Garbage, &mut commands);
    }
}

/// One tick of every room.
fn tick(mut hall: ResMut<Hall>) {
    let hall = &mut *hall;
    let start = Instant::now();
    for (name, room) in &mut hall.rooms {
        hall.tools.extend(room.tick().into_iter().map(|tools| (name.clone(), tools)));
    }
    hall.times.add(start.elapsed());
}

/// Sends the tools' states of the ticks that just ran.
fn send_tools(mut hall: ResMut<Hall>, mut to: Query<(&Guest, &mut MessageSender<ToolsMsg>), With<Connected>>) {
    let tools = std::mem::take(&mut hall.tools);
    if tools.is_empty() {
        return;
    }
    for (guest, mut sender) in &mut to {
        for (_, message) in tools.iter().filter(|(room, _)| *room == guest.room) {
            sender.send::<DownChannel>(message.clone());
        }
    }
}
