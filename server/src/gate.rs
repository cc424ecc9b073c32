//! The door: accepts connections, checks invitations, and hands over who may enter.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quinn::{Connection, Endpoint, RecvStream, SendStream};
use spinor_shared::codec;
use spinor_shared::net::frame::{FrameError, frame, kind, read_message};
use spinor_shared::net::handshake::{Answer, Hello, Refusal};
use spinor_shared::net::invite::{Claims, InviteError};
use spinor_shared::net::link::Waker;
use spinor_shared::net::{PROTOCOL_VERSION, limit, priority};
use tokio::sync::mpsc::Sender;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::state::State;

/// Handshakes at a time. Who comes when all are taken gets no answer, and its QUIC asks again by itself.
const HANDSHAKES: usize = 384;
/// Handshakes at a time from one address: a hospital's whole theatre behind one router, and a third of all.
const HANDSHAKES_FROM_ONE: usize = 128;
/// Handshakes under way from which on an address has to prove itself first, which costs it a round trip and us no memory. Otherwise a
/// few packets a second from addresses that do not exist would keep the door shut.
const BUSY: usize = 32;

/// Somebody whose invitation is good.
pub(crate) struct Arrival {
    pub(crate) connection: Connection,
    pub(crate) send: SendStream,
    pub(crate) receive: RecvStream,
    pub(crate) claims: Claims,
}

/// Refusals by reason, counted from several threads.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Refusals {
    /// Counts one.
    pub fn count(&self, refusal: &Refusal) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(refusal.word()).or_default() += 1;
    }

    /// All counts.
    pub fn all(&self) -> Vec<(String, u64)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(word, n)| ((*word).to_owned(), *n)).collect()
    }
}

/// What the door needs to know.
pub(crate) struct Gate {
    pub(crate) state: Arc<Mutex<State>>,
    /// Name of the first room; others are called `NAME.2`, `NAME.3` ...
    pub(crate) room: String,
    pub(crate) rooms: usize,
    pub(crate) refusals: Refusals,
    pub(crate) arrivals: Sender<Arrival>,
    pub(crate) waker: Waker,
}

impl Gate {
    /// Accepts until the endpoint closes.
    pub(crate) async fn run(self: Arc<Self>, endpoint: Endpoint) {
        let slots = Slots::default();
        while let Some(incoming) = endpoint.accept().await {
            let from = incoming.remote_address();
            if slots.taken() >= BUSY && incoming.may_retry() {
                let _ = incoming.retry();
                continue;
            }
            let Some(slot) = slots.take(from.ip()) else {
                incoming.ignore();
                continue;
            };
            let gate = self.clone();
            tokio::spawn(async move {
                match timeout(Duration::from_secs(limit::HELLO_SECONDS), incoming).await {
                    Ok(Ok(connection)) => gate.meet(connection, from).await,
                    Ok(Err(error)) => tracing::info!(%from, %error, "a connection failed"),
                    Err(_) => tracing::info!(%from, "a connection took too long"),
                }
                drop(slot);
            });
        }
    }

    async fn meet(self: Arc<Self>, connection: Connection, from: SocketAddr) {
        let hello = timeout(Duration::from_secs(limit::HELLO_SECONDS), hear(&connection)).await;
        let (mut send, receive, hello) = match hello {
            Ok(Ok(heard)) => heard,
            Ok(Err(error)) => {
                self.refusals.count(&Refusal::Garbage);
                tracing::warn!(%from, %error, reason = Refusal::Garbage.word(), "refused at the door");
                connection.close(Refusal::Garbage.close_code(), b"not a hello");
                return;
            }
            Err(_) => {
                tracing::info!(%from, "no hello in time");
                connection.close(Refusal::Garbage.close_code(), b"no hello in time");
                return;
            }
        };
        // A device's first visit is on disk before it is let in: the threads that carry everybody's packets do not wait for that.
        let (gate, at) = (self.clone(), connection.clone());
        let checked = spawn_blocking(move || gate.check(&hello, &at)).await;
        match checked.unwrap_or(Err(Refusal::Closing)) {
            Ok(claims) => {
                tracing::info!(%from, user = claims.user, name = claims.name, role = %claims.role, room = claims.room, "at the door");
                if self.arrivals.send(Arrival { connection, send, receive, claims }).await.is_ok() {
                    (self.waker)();
                }
            }
            Err(refusal) => {
                self.refusals.count(&refusal);
                tracing::warn!(%from, reason = refusal.word(), "refused at the door");
                refuse(&connection, &mut send, refusal).await;
            }
        }
    }

    fn check(&self, hello: &Hello, connection: &Connection) -> Result<Claims, Refusal> {
        if hello.protocol != PROTOCOL_VERSION {
            return Err(Refusal::Version { server: PROTOCOL_VERSION, client: hello.protocol });
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let claims = Claims::verify(&hello.token, &state.owner.verifying_key()).map_err(|e| match e {
            InviteError::Claims => Refusal::Garbage,
            _ => Refusal::BadToken,
        })?;
        if !hello.is_proven(connection) {
            return Err(Refusal::BadProof);
        }
        if !is_room(&claims.room, &self.room, self.rooms) {
            return Err(Refusal::NoRoom);
        }
        state.admit(&claims, hello.device, unix_seconds())?;
        Ok(claims)
    }
}

/// The handshakes under way, by address.
#[derive(Clone, Debug, Default)]
struct Slots(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// A handshake under way.
#[derive(Debug)]
struct Slot {
    slots: Slots,
    of: IpAddr,
}

impl Slots {
    fn taken(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// A slot for a handshake, unless there are too many, here or from that address.
    fn take(&self, from: IpAddr) -> Option<Slot> {
        let of = network(from);
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.values().sum::<usize>() >= HANDSHAKES || slots.get(&of).is_some_and(|n| *n >= HANDSHAKES_FROM_ONE) {
            return None;
        }
        *slots.entry(of).or_default() += 1;
        Some(Slot { slots: self.clone(), of })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut slots = self.slots.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(n) = slots.get_mut(&self.of) {
            *n -= 1;
            if *n == 0 {
                slots.remove(&self.of);
            }
        }
    }
}

/// What counts as one address: with IPv6 everybody has 2⁶⁴ of them.
fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => std::net::Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
    }
}

/// Whether `name` is the first room or `FIRST.N` with N in 2..=rooms.
fn is_room(name: &str, first: &str, rooms: usize) -> bool {
    match name.strip_prefix(first) {
        Some("") => true,
        Some(rest) => rest
            .strip_prefix('.')
            .and_then(|n| n.parse::<usize>().ok().filter(|_| !n.starts_with(['0', '+'])))
            .is_some_and(|n| (2..=rooms).contains(&n)),
        None => false,
    }
}

/// Seconds since 1970 (UTC).
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

async fn hear(connection: &Connection) -> Result<(SendStream, RecvStream, Hello), FrameError> {
    let (send, mut receive) = connection.accept_bi().await.map_err(|e| FrameError::Broken(e.to_string()))?;
    let _ = send.set_priority(priority::CONTROL);
    let hello = read_message(&mut receive, kind::HELLO, limit::HELLO).await?;
    Ok((send, receive, hello))
}

/// Tells a client why, and closes once it has heard.
pub(crate) async fn refuse(connection: &Connection, send: &mut SendStream, refusal: Refusal) {
    let reason = refusal.to_string();
    let code = refusal.close_code();
    if let Ok(bytes) = codec::encode(&Answer::Refused(refusal)) {
        let _ = send.write_all(&frame(kind::ANSWER, &bytes)).await;
        let _ = send.finish();
        let _ = timeout(Duration::from_secs(2), send.stopped()).await;
    }
    connection.close(code, reason.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One address cannot take all slots, however many of its IPv6 network it uses, and what ends gives its slot back.
    #[test]
    fn one_address_does_not_shut_the_door() {
        let slots = Slots::default();
        let address = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, n]);
        let mut held: Vec<Slot> = (0..2_000).filter_map(|n| slots.take(address(n))).collect();
        assert_eq!(held.len(), HANDSHAKES_FROM_ONE);
        let other = slots.take(IpAddr::from([192, 0, 2, 1]));
        assert!(other.is_some() && slots.take(address(9)).is_none());
        held.pop();
        assert!(slots.take(address(9)).is_some());
        held.clear();
        drop(other);
        assert_eq!(slots.taken(), 0);
        let all: Vec<Slot> = (0..900).filter_map(|n: u16| slots.take(IpAddr::from([10, 0, 0, (n % 9) as u8]))).collect();
        assert_eq!(all.len(), HANDSHAKES);
    }

    #[test]
    fn rooms_are_counted_from_two() {
        assert!(is_room("theatre", "theatre", 1) && is_room("theatre.2", "theatre", 2));
        for name in ["theatre.1", "theatre.3", "theatre.02", "theatre.+2", "theatre2", "other", "theatre."] {
            assert!(!is_room(name, "theatre", 2), "{name}");
        }
    }
}
