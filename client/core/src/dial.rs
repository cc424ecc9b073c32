//! Connecting, entering, and connecting again: everything about the connection that waits for the network.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use spinor_shared::codec;
use spinor_shared::net::congestion::Congestion;
use spinor_shared::net::control::{Notice, Request};
use spinor_shared::net::endpoint::client_endpoint;
use spinor_shared::net::frame::{frame, kind, read_frame, read_message};
use spinor_shared::net::handshake::{Accept, Answer, Hello, Refusal};
use spinor_shared::net::invite::{Invite, InviteError, new_key};
use spinor_shared::net::link::Waker;
use spinor_shared::net::tls::is_wrong_certificate;
use spinor_shared::net::{limit, priority};
use thiserror::Error;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver};
use tokio::time::timeout;

/// How long one attempt to connect may take.
const PATIENCE: Duration = Duration::from_secs(8);
/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// How to join.
#[derive(Clone)]
pub struct JoinOptions {
    /// The invitation.
    pub invite: Invite,
    /// The device's key: the same one for the same invitation, always.
    pub device: SigningKey,
    /// Congestion control of what the client sends.
    pub congestion: Congestion,
    /// Goes there instead of the invitation's address: a relay.
    pub via: Option<SocketAddr>,
    /// Whether to be sent CT and MR.
    pub want_images: bool,
}

impl JoinOptions {
    /// Usual options.
    pub fn new(invite: Invite, device: SigningKey) -> Self {
        Self { invite, device, congestion: Congestion::Cubic, via: None, want_images: true }
    }

    /// Options for a device that was never there before: a new key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new_device(invite: Invite) -> Result<Self, InviteError> {
        Ok(Self::new(invite, new_key()?))
    }
}

/// Why an attempt to connect failed.
#[derive(Clone, Debug, Error)]
pub enum JoinError {
    /// The name in the invitation leads nowhere.
    #[error("cannot find {0}: {1}")]
    Resolve(String, String),
    /// No socket or no TLS.
    #[error("cannot open a connection: {0}")]
    Local(String),
    /// The other end has another certificate.
    #[error("the server at {0} is not the one of the invitation: its certificate has another digest")]
    OtherServer(SocketAddr),
    /// Nobody answers, or the connection broke.
    #[error("no connection to {0}: {1}")]
    Network(SocketAddr, String),
    /// The server said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl JoinError {
    /// Whether trying again by itself can help.
    fn is_passing(&self) -> bool {
        match self {
            Self::Resolve(..) | Self::Network(..) => true,
            Self::Local(_) | Self::OtherServer(_) => false,
            Self::Refused(refusal) => refusal.is_passing(),
        }
    }
}

/// What the network tells the session.
pub(crate) enum Heard {
    /// An attempt begins; what ended the last one.
    Connecting(u32, Option<String>),
    /// In.
    Joined(Connection, Box<Accept>),
    /// A frame of any of the server's streams but control.
    Frame(u8, Vec<u8>),
    /// From the control stream.
    Notice(Notice),
    /// Out, and trying again makes no sense.
    Over(JoinError),
}

/// Runs until the session is dropped, left, or refused for good.
pub(crate) async fn run(options: JoinOptions, mut asked: UnboundedReceiver<Request>, out: Out) {
    let (mut attempt, mut last) = (0, None);
    loop {
        if !out.send(Heard::Connecting(attempt, last.take())).await {
            return;
        }
        match connect(&options).await {
            Ok((endpoint, connection, accept, send, receive)) => {
                attempt = 0;
                // What was asked for during the absence was asked of a room that may be another one now.
                while asked.try_recv().is_ok() {}
                if !out.send(Heard::Joined(connection.clone(), Box::new(accept))).await {
                    return;
                }
                let end = stay(&connection, send, receive, &mut asked, &out).await;
                connection.close(0u32.into(), b"left");
                let _ = timeout(Duration::from_millis(300), endpoint.wait_idle()).await;
                match end {
                    End::Left => return,
                    End::Refused(refusal) if !refusal.is_passing() => {
                        out.send(Heard::Over(refusal.into())).await;
                        return;
                    }
                    End::Refused(refusal) => last = Some(refusal.to_string()),
                    End::Lost(reason) => last = Some(reason),
                }
            }
            Err(error) if error.is_passing() => last = Some(error.to_string()),
            Err(error) => {
                out.send(Heard::Over(error)).await;
                return;
            }
        }
        attempt += 1;
        let pause = (Duration::from_millis(100) * 2u32.pow(attempt.min(6))).min(LONGEST_PAUSE);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            request = asked.recv() => if matches!(request, None | Some(Request::Leave)) { return },
        }
    }
}

/// Where the network's news go.
#[derive(Clone)]
pub(crate) struct Out {
    pub(crate) sender: Sender<Heard>,
    pub(crate) waker: Waker,
}

impl Out {
    async fn send(&self, heard: Heard) -> bool {
        let sent = self.sender.send(heard).await.is_ok();
        (self.waker)();
        sent
    }
}

type Entered = (Endpoint, Connection, Accept, SendStream, RecvStream);

async fn connect(options: &JoinOptions) -> Result<Entered, JoinError> {
    let to = match options.via {
        Some(to) => to,
        None => resolve(&options.invite.address).await?,
    };
    let endpoint = client_endpoint(to, options.invite.digest, options.congestion).map_err(|e| JoinError::Local(e.to_string()))?;
    let network = |e: &dyn std::fmt::Display| JoinError::Network(to, e.to_string());
    let connecting = endpoint.connect(to, "spinor.invalid").map_err(|e| JoinError::Local(e.to_string()))?;
    let connection = match timeout(PATIENCE, connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(e)) if is_wrong_certificate(&e) => return Err(JoinError::OtherServer(to)),
        Ok(Err(e)) => return Err(network(&e)),
        Err(_) => return Err(network(&"no answer")),
    };
    let entering = async {
        let (mut send, mut receive) = connection.open_bi().await.map_err(|e| network(&e))?;
        let _ = send.set_priority(priority::CONTROL);
        let hello = Hello::new(&connection, &options.invite.token, &options.device)
            .ok_or_else(|| JoinError::Local("TLS has no exporter".to_owned()))?;
        let hello = codec::encode(&hello).map_err(|e| JoinError::Local(e.to_string()))?;
        send.write_all(&frame(kind::HELLO, &hello)).await.map_err(|e| network(&e))?;
        let answer: Answer = read_message(&mut receive, kind::ANSWER, limit::SERVER_CONTROL).await.map_err(|e| network(&e))?;
        match answer {
            Answer::Accept(accept) => Ok((*accept, send, receive)),
            Answer::Refused(refusal) => Err(refusal.into()),
        }
    };
    match timeout(PATIENCE, entering).await {
        Ok(Ok((accept, send, receive))) => Ok((endpoint, connection, accept, send, receive)),
        Ok(Err(error)) => {
            connection.close(0u32.into(), b"refused");
            Err(error)
        }
        Err(_) => Err(network(&"the server does not answer the hello")),
    }
}

async fn resolve(address: &str) -> Result<SocketAddr, JoinError> {
    let failed = |reason: String| JoinError::Resolve(address.to_owned(), reason);
    let mut found = tokio::net::lookup_host(address).await.map_err(|e| failed(e.to_string()))?;
    found.next().ok_or_else(|| failed("no address".to_owned()))
}

enum End {
    Left,
    Refused(Refusal),
    Lost(String),
}

async fn stay(
    connection: &Connection,
    mut send: SendStream,
    mut receive: RecvStream,
    asked: &mut UnboundedReceiver<Request>,
    out: &Out,
) -> End {
    let streams = tokio::spawn(accept_streams(connection.clone(), out.clone()));
    let guard = AbortOnDrop(streams);
    let (said, mut hearing) = tokio::sync::mpsc::channel(1);
    let control_out = out.clone();
    let control = AbortOnDrop(tokio::spawn(async move {
        let end = listen(&mut receive, &control_out).await;
        let _ = said.send(end).await;
    }));
    let end = loop {
        tokio::select! {
            end = hearing.recv() => break end.unwrap_or(End::Lost("the control stream ended".to_owned())),
            reason = connection.closed() => {
                // The notice that says why may still be on its way to us.
                let told = timeout(Duration::from_millis(200), hearing.recv()).await;
                break match told {
                    Ok(Some(End::Refused(refusal))) => End::Refused(refusal),
                    _ => End::Lost(reason.to_string()),
                };
            }
            request = asked.recv() => {
                let Some(request) = request else { break End::Left };
                let leaves = request == Request::Leave;
                let Ok(bytes) = codec::encode(&request) else { continue };
                if let Err(error) = send.write_all(&frame(kind::REQUEST, &bytes)).await {
                    break End::Lost(error.to_string());
                }
                if leaves {
                    let _ = send.finish();
                    let _ = timeout(Duration::from_millis(300), send.stopped()).await;
                    break End::Left;
                }
            }
        }
    };
    drop((guard, control));
    end
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn listen(receive: &mut RecvStream, out: &Out) -> End {
    loop {
        match read_message(receive, kind::NOTICE, limit::SERVER_CONTROL).await {
            Ok(Notice::Closing(refusal)) => return End::Refused(refusal),
            Ok(notice) => {
                if !out.send(Heard::Notice(notice)).await {
                    return End::Left;
                }
            }
            Err(error) => return End::Lost(error.to_string()),
        }
    }
}

async fn accept_streams(connection: Connection, out: Out) {
    let mut readers = Vec::new();
    while let Ok(mut stream) = connection.accept_uni().await {
        let out = out.clone();
        let closing = connection.clone();
        readers.push(AbortOnDrop(tokio::spawn(async move {
            loop {
                match read_frame(&mut stream, limit::LANE.max(limit::BULK)).await {
                    Ok(Some((frame_kind, payload))) => {
                        if !out.send(Heard::Frame(frame_kind, payload)).await {
                            return;
                        }
                    }
                    Ok(None) => return,
                    Err(error) => {
                        tracing::debug!(%error, "a stream ended");
                        if !matches!(error, spinor_shared::net::frame::FrameError::Broken(_)) {
                            closing.close(Refusal::Garbage.close_code(), b"a frame that cannot be");
                        }
                        return;
                    }
                }
            }
        })));
    }
}

/// The runtime that sessions of this process share.
pub(crate) fn runtime() -> Result<tokio::runtime::Handle, JoinError> {
    use std::sync::OnceLock;
    static RUNTIME: OnceLock<Result<Arc<tokio::runtime::Runtime>, String>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let built = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("spinor-net").enable_all().build();
        built.map(Arc::new).map_err(|e| e.to_string())
    });
    match runtime {
        Ok(runtime) => Ok(runtime.handle().clone()),
        Err(error) => Err(JoinError::Local(error.clone())),
    }
}

/// Where news are queued: enough that a slow frame does not stop the network, bounded so that it cannot eat the memory.
pub(crate) fn queue() -> (Sender<Heard>, Receiver<Heard>) {
    tokio::sync::mpsc::channel(4096)
}
