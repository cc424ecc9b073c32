//! The door: accepts connections, checks invitations, and hands over who may enter.

use std::collections::BTreeMap;
use std::net::SocketAddr;
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
use tokio::time::timeout;

use crate::state::State;

/// Handshakes at a time; more have to wait at the socket.
const HANDSHAKES: usize = 64;

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
        let slots = Arc::new(tokio::sync::Semaphore::new(HANDSHAKES));
        while let Some(incoming) = endpoint.accept().await {
            let Ok(slot) = slots.clone().acquire_owned().await else { return };
            let gate = self.clone();
            tokio::spawn(async move {
                let from = incoming.remote_address();
                match timeout(Duration::from_secs(limit::HELLO_SECONDS), incoming).await {
                    Ok(Ok(connection)) => gate.meet(connection, from).await,
                    Ok(Err(error)) => tracing::info!(%from, %error, "a connection failed"),
                    Err(_) => tracing::info!(%from, "a connection took too long"),
                }
                drop(slot);
            });
        }
    }

    async fn meet(&self, connection: Connection, from: SocketAddr) {
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
        match self.check(&hello, &connection) {
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

    #[test]
    fn rooms_are_counted_from_two() {
        assert!(is_room("theatre", "theatre", 1) && is_room("theatre.2", "theatre", 2));
        for name in ["theatre.1", "theatre.3", "theatre.02", "theatre.+2", "theatre2", "other", "theatre."] {
            assert!(!is_room(name, "theatre", 2), "{name}");
        }
    }
}
