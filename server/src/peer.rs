//! One connected client as its room sees it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bevy_ecs::entity::Entity;
use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream};
use serde::Serialize;
use spinor_shared::codec;
use spinor_shared::delta::{Cause, lane_of};
use spinor_shared::net::control::{Notice, Request};
use spinor_shared::net::frame::{frame, kind, read_frame};
use spinor_shared::net::handshake::{Answer, Refusal};
use spinor_shared::net::link::Waker;
use spinor_shared::net::rate::Rate;
use spinor_shared::net::{LANES, limit, priority};
use spinor_shared::tissue_view::Untold;
use spinor_sim::Simulation;
use tokio::sync::mpsc::Sender;

use crate::delta::{BrickKey, LaneShare, Sender as DeltaSender};
use crate::lane::Lane;

/// Bytes in a lane's queue past which changes are no longer queued but merged.
const LANE_FULL: usize = 48 * 1024;
/// Bytes in a lane's queue below which merged bricks go out.
const LANE_LOW: usize = 8 * 1024;
/// Bricks in one frame of merged or repeated bricks: at most 1 MiB.
const BRICKS_AT_ONCE: usize = 256;
/// Bytes in the control queue past which a client is too slow to be in a room.
const CONTROL_FULL: usize = 1 << 20;

/// Bytes in the control queue past which tissues wait.
const TISSUES_FULL: usize = 32 * 1024;

/// What a client's control stream brought.
pub(crate) struct Heard {
    pub(crate) room: Arc<str>,
    pub(crate) user: u32,
    /// Tells this connection from an earlier one of the same person.
    pub(crate) link: u64,
    pub(crate) what: Utterance,
}

pub(crate) enum Utterance {
    Asked(Request),
    /// A request, by its name, that came too fast.
    Hurried(&'static str),
    /// Bytes that are no request: the connection is to be closed.
    Garbage(String),
    /// The stream or the connection ended.
    Gone,
}

/// What a slow client has to be sent once its lane has drained.
#[derive(Debug, Default)]
struct Behind {
    bricks: BTreeSet<BrickKey>,
    causes: Vec<Cause>,
}

/// A connection of somebody in a room.
pub(crate) struct Peer {
    pub(crate) connection: Connection,
    pub(crate) entity: Entity,
    pub(crate) link: u64,
    /// Set once the client asked for the room's state: from then on it gets deltas.
    pub(crate) ready: bool,
    pub(crate) wants_digest: bool,
    /// What of the tissues this client has not been told; none before it asked for the room's state.
    pub(crate) untold: Option<Untold>,
    control: Arc<Lane>,
    lanes: [Arc<Lane>; LANES],
    behind: [Behind; LANES],
}

impl Peer {
    /// Answers the hello and starts the connection's tasks.
    pub(crate) fn start(
        runtime: &tokio::runtime::Handle,
        (connection, send, receive): (Connection, SendStream, RecvStream),
        (room, user, link): (Arc<str>, u32, u64),
        entity: Entity,
        answer: &Answer,
        (heard, waker): (Sender<Heard>, Waker),
    ) -> Self {
        let control = Arc::new(Lane::default());
        control.push(framed(kind::ANSWER, answer));
        let lanes: [Arc<Lane>; LANES] = Default::default();
        runtime.spawn(write_control(control.clone(), send));
        for lane in &lanes {
            runtime.spawn(lane.clone().write(connection.clone(), priority::LANE));
        }
        runtime.spawn(listen(receive, room, user, link, heard, waker));
        let (ready, wants_digest, untold, behind) = (false, false, None, Default::default());
        Self { connection, entity, link, ready, wants_digest, untold, control, lanes, behind }
    }

    /// Sends a notice; closes the connection when the client has let too many pile up.
    pub(crate) fn tell(&self, notice: &Notice) {
        self.tell_bytes(notice_bytes(notice));
    }

    /// Sends an encoded notice.
    pub(crate) fn tell_bytes(&self, notice: Bytes) {
        if self.control.queued() < CONTROL_FULL {
            self.control.push(notice);
        } else {
            self.connection.close(Refusal::Slow.close_code(), b"this client does not keep up");
        }
    }

    /// The queue of notices, for an answer that comes later from another thread.
    pub(crate) fn control_lane(&self) -> Arc<Lane> {
        self.control.clone()
    }

    /// Sends a tick's changes: as they are where the client keeps up, merged where it does not. Returns how often changes were merged.
    pub(crate) fn send_changes(
        &mut self,
        shares: &[Option<LaneShare>; LANES],
        causes: &[Cause],
        sender: &mut DeltaSender,
        stamp: (u32, u32),
    ) -> u64 {
        let mut merged = 0;
        for ((lane, behind), share) in self.lanes.iter().zip(&mut self.behind).zip(shares) {
            let Some(share) = share else { continue };
            if behind.bricks.is_empty() && lane.queued() < LANE_FULL {
                lane.push(share.frame.clone());
            } else {
                behind.bricks.extend(&share.bricks);
                causes.iter().for_each(|cause| Cause::merge(&mut behind.causes, *cause));
                merged += 1;
            }
        }
        self.catch_up(sender, stamp);
        merged
    }

    /// Sends what lanes are behind with, where they have drained. A frame holds so many bricks that it stays far below what a client
    /// takes; the rest waits, as state and not as bytes.
    pub(crate) fn catch_up(&mut self, sender: &mut DeltaSender, stamp: (u32, u32)) {
        for (lane, behind) in self.lanes.iter().zip(&mut self.behind) {
            if behind.bricks.is_empty() || lane.queued() >= LANE_LOW {
                continue;
            }
            let mut bricks = std::mem::take(&mut behind.bricks);
            if let Some(rest) = bricks.iter().nth(BRICKS_AT_ONCE).copied() {
                behind.bricks = bricks.split_off(&rest);
            }
            // An input's effect is shown once all of its bricks are there.
            let causes = if behind.bricks.is_empty() { std::mem::take(&mut behind.causes) } else { Vec::new() };
            match sender.whole(bricks.into_iter(), stamp, causes) {
                Ok(frame) => lane.push(frame),
                Err(error) => tracing::error!(%error, "cannot pack bricks"),
            }
        }
    }

    /// Stops sending changes until the client asks for the room's state again.
    pub(crate) fn start_again(&mut self) {
        self.ready = false;
        self.untold = None;
        self.behind = Default::default();
    }

    /// Tells what of the tissues has not been told, if the client keeps up; otherwise it waits, as state and not as bytes.
    pub(crate) fn tell_tissues(&mut self, simulation: &Simulation, (epoch, tick): (u32, u32)) {
        if self.control.queued() > TISSUES_FULL {
            return;
        }
        let Some(untold) = &mut self.untold else { return };
        match untold.take(simulation, epoch, tick) {
            Ok(Some(view)) => self.tell(&Notice::Tissues(Box::new(view))),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "what tissues did cannot be packed"),
        }
    }

    /// Whether a lane still has merged bricks to send.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind.iter().any(|behind| !behind.bricks.is_empty())
    }

    /// Sends whole bricks again, on their lanes: each once, and when its lane has room. A client that asks and does not read makes
    /// the list of bricks grow, at most to the number of bricks there are, and not the queue.
    pub(crate) fn repair(&mut self, keys: &[BrickKey], sender: &mut DeltaSender, stamp: (u32, u32)) {
        for key @ (class, brick) in keys {
            if let Some(behind) = self.behind.get_mut(lane_of(*class as u8, brick.0, LANES)) {
                behind.bricks.insert(*key);
            }
        }
        self.catch_up(sender, stamp);
    }

    /// Says why, and closes the connection once that has been sent.
    pub(crate) fn close(&self, runtime: &tokio::runtime::Handle, refusal: Refusal) {
        self.tell(&Notice::Closing(refusal.clone()));
        self.control.close();
        self.lanes.iter().for_each(|lane| lane.close());
        let (connection, control) = (self.connection.clone(), self.control.clone());
        runtime.spawn(async move {
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                if control.queued() == 0 {
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
            connection.close(refusal.close_code(), refusal.to_string().as_bytes());
        });
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.control.close();
        self.lanes.iter().for_each(|lane| lane.close());
    }
}

/// A notice's frame.
pub(crate) fn notice_bytes(notice: &Notice) -> Bytes {
    framed(kind::NOTICE, notice)
}

/// A value's frame. One that has no encoding, which no type of the protocol can hold, is told in the log and sends nothing.
pub(crate) fn framed<T: Serialize>(kind: u8, value: &T) -> Bytes {
    match codec::encode(value) {
        Ok(payload) => frame(kind, &payload),
        Err(error) => {
            tracing::error!(%error, "cannot be sent");
            Bytes::new()
        }
    }
}

async fn write_control(control: Arc<Lane>, mut send: SendStream) {
    control.drain(&mut send).await;
    let _ = send.finish();
    let _ = send.stopped().await;
}

async fn listen(mut receive: RecvStream, room: Arc<str>, user: u32, link: u64, heard: Sender<Heard>, waker: Waker) {
    let mut rate = Rate::new(limit::CONTROL_PER_SECOND, 2 * limit::CONTROL_PER_SECOND);
    loop {
        let what = match read_frame(&mut receive, limit::CLIENT_CONTROL).await {
            Ok(Some((kind::REQUEST, payload))) => match codec::decode::<Request>(&payload) {
                Ok(request) if rate.take(Instant::now()) => Utterance::Asked(request),
                Ok(request) => {
                    // The refusal itself costs the room something: a flood waits here, in its sender's own window.
                    tokio::time::sleep(Duration::from_millis(limit::HURRY_MS)).await;
                    Utterance::Hurried(request.word())
                }
                Err(error) => Utterance::Garbage(error.to_string()),
            },
            Ok(Some((other, _))) => Utterance::Garbage(format!("a frame of kind {other}")),
            Ok(None) => Utterance::Gone,
            Err(spinor_shared::net::frame::FrameError::Broken(_)) => Utterance::Gone,
            Err(error) => Utterance::Garbage(error.to_string()),
        };
        let last = !matches!(what, Utterance::Asked(_) | Utterance::Hurried(_));
        // A full queue holds this client's stream up, and with it the client: that is the flow control.
        if heard.send(Heard { room: room.clone(), user, link, what }).await.is_err() {
            return;
        }
        waker();
        if last {
            return;
        }
    }
}
