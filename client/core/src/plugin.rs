//! The session inside an engine: lightyear's client, our link, and the systems between.

use std::time::{Duration, Instant};

use bevy_app::{App, Plugin, PostUpdate, PreUpdate};
use bevy_ecs::prelude::*;
use lightyear::prelude::client::ClientPlugins;
use lightyear::prelude::*;
use lightyear_link::{LinkReceiveSystems, Linked};
use spinor_shared::net::link::{QuicLink, QuicLinkPlugin, link_bundle};
use spinor_shared::net::protocol::{InputMsg, PeerPoseMsg, PoseMsg, ProtocolPlugin, ToolsMsg, UpChannel, UpPoseChannel};

use crate::session::Session;

/// Feeds the resource [`Session`], whenever there is one. Needs `StatesPlugin`, which an engine with windows has already.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpinorClientPlugin;

/// The system sets of [`SpinorClientPlugin`], to order one's own systems by.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpinorClientSystems {
    /// In `PreUpdate`: what arrived has been taken into the session.
    Receive,
    /// In `PostUpdate`: poses and inputs leave.
    Send,
}

impl Plugin for SpinorClientPlugin {
    fn build(&self, app: &mut App) {
        let tick = Duration::from_secs(1) / spinor_sim::input::TICKS_PER_SECOND;
        app.add_plugins(ClientPlugins { tick_duration: tick }).add_plugins((ProtocolPlugin, QuicLinkPlugin));
        app.add_systems(PreUpdate, poll.run_if(resource_exists::<Session>).before(LinkReceiveSystems::BufferToLink));
        app.add_systems(
            PreUpdate,
            receive.run_if(resource_exists::<Session>).after(MessageSystems::Receive).in_set(SpinorClientSystems::Receive),
        );
        app.add_systems(
            PostUpdate,
            send.run_if(resource_exists::<Session>).before(MessageSystems::Send).in_set(SpinorClientSystems::Send),
        );
    }
}

/// Takes in what came over streams, and keeps one link entity for the connection there is.
fn poll(mut session: ResMut<Session>, links: Query<(Entity, &QuicLink)>, mut commands: Commands) {
    session.poll();
    let fresh = session.take_fresh_connection();
    for (entity, link) in &links {
        if fresh.is_some() || session.connection().is_none() || link.closed().is_some() {
            commands.entity(entity).try_insert(Disconnected::default());
            commands.entity(entity).try_despawn();
        }
    }
    if let Some((connection, user)) = fresh {
        let (runtime, waker) = session.network();
        let link = QuicLink::new(connection, runtime, waker, true);
        let entity = commands.spawn((Client, link_bundle(link), ReplicationReceiver)).id();
        commands.entity(entity).insert(Linked);
        commands.entity(entity).insert((LocalId(PeerId::Netcode(u64::from(user))), RemoteId(PeerId::Server), Connected));
    }
}

/// lightyear makes a link's receiver of a message when the first one comes: a query for each kind.
fn receive(
    mut session: ResMut<Session>,
    mut poses: Query<&mut MessageReceiver<PeerPoseMsg>>,
    mut tools: Query<&mut MessageReceiver<ToolsMsg>>,
) {
    let now = Instant::now();
    for mut receiver in &mut poses {
        receiver.receive().for_each(|pose| session.hear_pose(pose, now));
    }
    for mut receiver in &mut tools {
        receiver.receive().for_each(|message| session.hear_tools(message, now));
    }
}

fn send(
    mut session: ResMut<Session>,
    mut links: Query<(&mut MessageSender<PoseMsg>, &mut MessageSender<InputMsg>), With<Connected>>,
) {
    for (mut poses, mut inputs) in &mut links {
        if let Some(pose) = session.take_pose() {
            poses.send::<UpPoseChannel>(pose);
        }
        if let Some(message) = session.take_inputs() {
            inputs.send::<UpChannel>(message);
        }
    }
}
