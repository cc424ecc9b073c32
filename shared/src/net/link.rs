//! lightyear's link over the datagrams of one quinn connection.
//!
//! lightyear moves bytes through a `Link` component; this plugin moves them on through QUIC datagrams. It neither connects nor decides
//! who may enter: whoever does, spawns the link's entity with [`link_bundle`] and the ids, and despawns it when [`QuicLink::closed`]
//! says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bevy_app::{App, Plugin, PostUpdate, PreUpdate};
use bevy_ecs::prelude::*;
use bytes::Bytes;
use lightyear_link::{Link, LinkMtu, LinkReceiveSystems, LinkSystems, Linked, UnlinkReason, Unlinked, recv_payload_from_bytes};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::limit;

/// Largest lightyear packet whatever the path: QUIC's smallest datagram of 1200 bytes holds it. Both sides derive the size of
/// fragments from it, so it is part of the protocol.
pub const MIN_MTU: usize = 1100;
/// Datagrams waiting between the network and the next frame; more are dropped, as a full socket would.
const WAITING: usize = 2048;
/// A lightyear packet's header.
const HEADER: usize = 13;

/// Wakes the loop that runs the engine when something arrived.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// One quinn connection as lightyear's link.
#[derive(Component)]
pub struct QuicLink {
    connection: quinn::Connection,
    arrived: Receiver<Bytes>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    refused: AtomicU64,
    bad: AtomicU64,
}

impl QuicLink {
    /// Starts reading datagrams of `connection`; `waker` is called at every arrival. `fragments` says whether the peer may send messages
    /// in pieces: lightyear takes memory by what a piece claims, so a server says no to its clients.
    pub fn new(connection: quinn::Connection, runtime: &tokio::runtime::Handle, waker: Waker, fragments: bool) -> Self {
        let (sender, arrived) = channel(WAITING);
        let counts = Arc::new(Counts::default());
        runtime.spawn(read_datagrams(connection.clone(), sender, waker, counts.clone(), fragments));
        Self { connection, arrived, counts }
    }

    /// The connection.
    pub fn connection(&self) -> &quinn::Connection {
        &self.connection
    }

    /// Why the connection ended, if it did.
    pub fn closed(&self) -> Option<quinn::ConnectionError> {
        self.connection.close_reason()
    }

    /// Datagrams dropped because they came too fast, and datagrams that were no packets, since the connection began.
    pub fn refused(&self) -> (u64, u64) {
        (self.counts.refused.load(Ordering::Relaxed), self.counts.bad.load(Ordering::Relaxed))
    }
}

/// Whether bytes can be a packet of the peer: a known kind, at least a header.
fn is_packet(packet: &[u8], fragments: bool) -> bool {
    // Kinds of lightyear 0.30: 0 data, 1 fragment, 4 acknowledgement; 2 and 3 are compressed, which we never switch on.
    packet.len() >= HEADER && packet.len() <= 1500 && matches!((packet[0], fragments), (0 | 4, _) | (1, true))
}

async fn read_datagrams(
    connection: quinn::Connection,
    sender: Sender<Bytes>,
    waker: Waker,
    counts: Arc<Counts>,
    fragments: bool,
) {
    let mut rate = super::rate::Rate::new(limit::DATAGRAMS_PER_SECOND, 2 * limit::DATAGRAMS_PER_SECOND);
    while let Ok(datagram) = connection.read_datagram().await {
        if !fragments && !rate.take(std::time::Instant::now()) {
            counts.refused.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        if !is_packet(&datagram, fragments) {
            counts.bad.fetch_add(1, Ordering::Relaxed);
        } else if sender.try_send(datagram).is_err() {
            counts.refused.fetch_add(1, Ordering::Relaxed);
        }
        waker();
    }
    waker();
}

/// What a link's entity starts with.
pub fn link_bundle(link: QuicLink) -> impl Bundle {
    (Link::default().with_mtu(LinkMtu::new(MIN_MTU)), link)
}

/// Moves packets between lightyear's links and QUIC.
#[derive(Clone, Copy, Debug, Default)]
pub struct QuicLinkPlugin;

impl Plugin for QuicLinkPlugin {
    fn build(&self, app: &mut App) {
        // What a connection layer of lightyear's own would configure; we bring none.
        use lightyear::transport::plugin::TransportSystems;
        app.configure_sets(PreUpdate, (LinkSystems::Receive, TransportSystems::Receive).chain())
            .configure_sets(PostUpdate, (TransportSystems::Send, LinkSystems::Send).chain())
            .add_systems(PreUpdate, receive.in_set(LinkReceiveSystems::BufferToLink))
            .add_systems(PostUpdate, send.in_set(LinkSystems::Send));
    }
}

fn receive(mut links: Query<(Entity, &mut Link, &mut QuicLink), With<Linked>>, mut commands: Commands) {
    for (entity, mut link, mut quic) in &mut links {
        while let Ok(packet) = quic.arrived.try_recv() {
            link.recv.push(recv_payload_from_bytes(packet), lightyear::core::time::Instant::now());
        }
        if let Some(mtu) = quic.connection.max_datagram_size().map(|mtu| mtu.max(MIN_MTU))
            && mtu != link.mtu()
        {
            let _ = link.set_mtu(mtu);
        }
        if let Some(reason) = quic.closed() {
            commands.entity(entity).insert(Unlinked { reason: UnlinkReason::TransportError(reason.to_string()) });
        }
    }
}

fn send(mut links: Query<(&mut Link, &QuicLink), With<Linked>>) {
    for (mut link, quic) in &mut links {
        for packet in link.send.drain() {
            // Fails only when the connection is gone, which `receive` notices, or for a packet above the path's limit, which MIN_MTU rules out.
            let _ = quic.connection.send_datagram(packet);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's packets are data or acknowledgements; fragments, which claim memory, and noise are not let through.
    #[test]
    fn only_packets_pass() {
        let packet = |kind: u8| [&[kind][..], &[0; 20]].concat();
        assert!(is_packet(&packet(0), false) && is_packet(&packet(4), false) && is_packet(&packet(1), true));
        assert!(!is_packet(&packet(1), false) && !is_packet(&packet(2), true) && !is_packet(&packet(255), true));
        assert!(!is_packet(&[0; 12], true) && !is_packet(&[], true) && !is_packet(&[0; 1501], true));
    }
}
