//! The authoritative server of Spinor: rooms, authority, sending, recording.
//!
//! [`Server::open`] listens; [`Server::run`] runs the engine's loop until it is told to stop. The loop sleeps until something arrives
//! or the next tick is due, so that poses are forwarded when they come and an idle server costs next to nothing.
//!
//! Only a room writes cut fields. Clients send what hands do; whether that cuts anything is decided here, by role, right and tissue.

mod bulk;
mod delta;
mod following;
mod gate;
mod hall;
mod lane;
mod measuring;
pub mod meter;
mod opening;
mod pass;
mod peer;
mod recorder;
mod requests;
mod rewind;
mod room;
pub mod room_file;
pub mod state;
mod syncing;
#[cfg(test)]
mod testing;
mod thresholds;
mod tick;
mod view;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bevy_app::{App, TaskPoolPlugin};
use bevy_ecs::schedule::{Schedules, SingleThreadedExecutor};
use bevy_time::{Fixed, Time, Virtual};
use lightyear::prelude::RoomPlugin;
use lightyear::prelude::server::ServerPlugins;
use quinn::Endpoint;
use spinor_shared::case::{CaseError, CaseHash};
use spinor_shared::delta::DeltaError;
use spinor_shared::net::bell::Bell;
use spinor_shared::net::congestion::Congestion;
use spinor_shared::net::endpoint::{EndpointError, server_endpoint};
use spinor_shared::net::link::QuicLinkPlugin;
use spinor_shared::net::protocol::ProtocolPlugin;
use spinor_shared::net::tls::CertDigest;
use spinor_sim::TissueModels;
use spinor_sim::procedure::Target;
use thiserror::Error;
use tokio::sync::mpsc::channel;

pub use bulk::CaseData;
pub use gate::Refusals;
pub use recorder::RecordError;

use gate::Gate;
use hall::{Hall, HallPlugin, server_bundle, session_head};
use recorder::Recorder;
use room::Room;
use state::{State, StateError};

/// Most rooms of one process unless configured otherwise.
pub const ROOMS: usize = 64;
/// What newcomers are sent at most unless configured otherwise, bytes a second and person.
pub const BULK_BYTES_PER_SECOND: f64 = 25e6;
/// Shortest pause between two rounds of the loop: datagrams that arrive within it are handled together.
const BREATH: Duration = Duration::from_micros(700);

/// What a server needs to know.
pub struct Config {
    /// The case.
    pub case: CaseData,
    /// Where to listen; port 0 for any.
    pub listen: SocketAddr,
    /// Name of the first room.
    pub room: String,
    /// Most rooms of that case: `NAME`, `NAME.2` ...
    pub rooms: usize,
    /// Keys and bindings.
    pub state: State,
    /// Directory for recordings; none to record nothing.
    pub record: Option<PathBuf>,
    /// A recording to go on with in the first room.
    pub resume: Option<PathBuf>,
    /// Congestion control.
    pub congestion: Congestion,
    /// Most bytes a second of snapshots and images for one person.
    pub bulk_bytes_per_second: f64,
    /// Which models tissues follow; every recording names them.
    pub tissues: TissueModels,
    /// The procedure that every room begins with; a session that goes on keeps its own where none is given.
    pub procedure: Option<Target>,
}

/// Why a server cannot start.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The socket or TLS.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The case.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// The recording.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Keys and bindings.
    #[error(transparent)]
    State(#[from] StateError),
    /// No memory for zstd.
    #[error(transparent)]
    Delta(#[from] DeltaError),
    /// No threads.
    #[error("cannot start the network's threads: {0}")]
    Runtime(std::io::Error),
}

/// Stops a running server from another thread.
#[derive(Clone, Debug)]
pub struct Stop {
    bell: Arc<Bell>,
    asked: Arc<AtomicBool>,
}

impl Stop {
    /// Asks the server to close its rooms and end.
    pub fn stop(&self) {
        self.asked.store(true, Ordering::Relaxed);
        self.bell.ring();
    }
}

/// A server that listens.
pub struct Server {
    app: App,
    stop: Stop,
    endpoint: Endpoint,
    address: SocketAddr,
    digest: CertDigest,
    room: String,
    owner: [u8; 32],
    recording: Option<PathBuf>,
    // Last, so that its tasks outlive what uses them.
    runtime: tokio::runtime::Runtime,
}

impl Server {
    /// Listens, and opens the first room.
    ///
    /// # Errors
    /// When the address is taken, or the recording cannot be written or resumed.
    pub fn open(config: Config) -> Result<Self, ServeError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("spinor-net")
            .enable_all()
            .build()
            .map_err(ServeError::Runtime)?;
        let handle = runtime.handle().clone();
        let bell = Arc::new(Bell::default());
        let waker = bell.waker();
        let case = Arc::new(config.case);

        // Bound before any recording is touched: an address that is taken must leave nothing behind.
        let endpoint = {
            let _inside = handle.enter();
            server_endpoint(config.listen, &config.state.identity, config.congestion)?
        };
        let mut name = config.room;
        let mut resumed = None;
        let recorder = match (&config.resume, &config.record) {
            (Some(path), _) => {
                let (recorder, at) = Recorder::resume(path, &case.patient, CaseHash(case.hash))?;
                name.clone_from(&at.room);
                resumed = Some(at);
                Some(recorder)
            }
            (None, Some(directory)) => Some(Recorder::create(directory, session_head(&name, &case), case.file.clone())?),
            (None, None) => None,
        };
        let recording = recorder.as_ref().map(|r| r.path().to_owned());
        let models = (config.tissues, config.procedure);
        let first = Room::new(&name, case.clone(), recorder, resumed, Refusals::default(), models, handle.clone())?;

        let address = endpoint.local_addr().map_err(|e| EndpointError::Bind(config.listen, e))?;
        let (digest, owner) = (config.state.identity.digest(), config.state.owner.to_bytes());
        let door = Refusals::default();
        let (arriving, arrivals) = channel(64);
        let gate = Gate {
            state: Arc::new(Mutex::new(config.state)),
            room: name.clone(),
            rooms: config.rooms.max(1),
            refusals: door.clone(),
            arrivals: arriving,
            waker: waker.clone(),
        };
        runtime.spawn(Arc::new(gate).run(endpoint.clone()));

        let mut app = engine();
        let server = app.world_mut().spawn(server_bundle()).id();
        app.insert_resource(Hall {
            rooms: [(first.name.clone(), first)].into(),
            openings: Default::default(),
            case,
            record: config.record,
            tissues: config.tissues,
            procedure: config.procedure,
            server,
            runtime: handle,
            waker,
            arrivals,
            heard: channel(1024),
            door,
            bulk_bytes_per_second: config.bulk_bytes_per_second,
            times: Default::default(),
            links: 0,
            tools: Vec::new(),
            interest: Default::default(),
            avatars: Default::default(),
        });
        let stop = Stop { bell, asked: Arc::default() };
        Ok(Self { app, stop, endpoint, address, digest, room: name, owner, recording, runtime })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Digest of its certificate.
    pub fn digest(&self) -> CertDigest {
        self.digest
    }

    /// The first room's name.
    pub fn room(&self) -> &str {
        &self.room
    }

    /// The secret that signs invitations.
    pub fn owner_key(&self) -> [u8; 32] {
        self.owner
    }

    /// The first room's recording.
    pub fn recording(&self) -> Option<&std::path::Path> {
        self.recording.as_deref()
    }

    /// What stops it.
    pub fn stopper(&self) -> Stop {
        self.stop.clone()
    }

    /// Runs until stopped.
    pub fn run(mut self) {
        self.app.finish();
        self.app.cleanup();
        while !self.stop.asked.load(Ordering::Relaxed) {
            let start = Instant::now();
            self.app.update();
            let fixed = self.app.world().resource::<Time<Fixed>>();
            let due = start + fixed.timestep().saturating_sub(fixed.overstep());
            let breath = Instant::now() + BREATH;
            std::thread::sleep(breath.min(due).saturating_duration_since(Instant::now()));
            self.stop.bell.wait(due);
        }
        for room in self.app.world_mut().resource_mut::<Hall>().rooms.values_mut() {
            room.close();
        }
        std::thread::sleep(Duration::from_millis(150));
        self.endpoint.close(0u32.into(), b"the room has closed");
        let endpoint = self.endpoint.clone();
        let _ = self.runtime.block_on(async { tokio::time::timeout(Duration::from_millis(500), endpoint.wait_idle()).await });
        drop(self.app);
        self.runtime.shutdown_timeout(Duration::from_millis(500));
    }
}

/// The engine without anything to see: lightyear's server, our link, the rooms' systems.
fn engine() -> App {
    let mut app = App::new();
    let tick = Duration::from_secs(1) / spinor_sim::input::TICKS_PER_SECOND;
    app.add_plugins(TaskPoolPlugin::default())
        .add_plugins(bevy_state::app::StatesPlugin)
        .add_plugins(ServerPlugins { tick_duration: tick })
        .add_plugins(RoomPlugin)
        .add_plugins((ProtocolPlugin, QuicLinkPlugin, HallPlugin));
    // A pause of the machine is caught up with a few ticks at a time; what is beyond is lost time, not a burst of ticks.
    app.world_mut().resource_mut::<Time<Virtual>>().set_max_delta(Duration::from_millis(100));
    // A round has little to do: handing systems to threads costs more than running them.
    for (_, schedule) in app.world_mut().resource_mut::<Schedules>().iter_mut() {
        schedule.set_executor(SingleThreadedExecutor::new());
    }
    app
}
