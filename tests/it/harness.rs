//! What network tests share: a small spine, a server on a thread, clients that join it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use spinor_client_core::testing::Stroke;
use spinor_client_core::{Bot, Happening, JoinOptions, Request, Session};
use spinor_server::room_file::RoomFile;
use spinor_server::state::State;
use spinor_server::{CaseData, Config, Server, Stop};
use spinor_shared::case::{Case, CaseMeta};
use spinor_shared::net::congestion::Congestion;
use spinor_shared::room::Role;
use spinor_sim::procedure::Target;
use spinor_sim::{Hand, ToolKind};
use spinor_volume::{BrickIndex, DensityField, Grid, Label, Patient, Source, SparseField, Structure, VoxelIndex};

/// How long anything may take before a test fails. Generous: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A field that is inside where `distance_mm` is negative.
fn field(grid: &Grid, distance_mm: impl Fn([f64; 3]) -> f64) -> SparseField {
    let mut sdf = SparseField::outside(grid);
    for n in 0..grid.brick_count() as u32 {
        let brick = BrickIndex(n);
        let first = grid.brick_coords(brick).map(|v| v * 16);
        let sample = |at: usize| {
            let voxel = [at % 16, at / 16 % 16, at / 256];
            let index = [0, 1, 2].map(|k| f64::from(first[k]) + voxel[k] as f64);
            (distance_mm(grid.patient_from_index(index)) / grid.spacing_mm() * 32.0).round().clamp(-127.0, 127.0) as i8
        };
        let samples: Vec<i8> = (0..4096).map(sample).collect();
        if samples.iter().all(|v| *v == -127) {
            sdf.set_inside(brick);
        } else if samples.iter().any(|v| *v != 127) {
            sdf.brick_mut(brick).unwrap().copy_from_slice(&samples);
        }
    }
    sdf
}

/// A plate of bone behind a dural sac: what a lamina is to a burr.
pub(crate) fn patient() -> Patient {
    let grid = Grid::new([0.0; 3], 0.5, [6, 6, 6]).unwrap();
    let plate = |p: [f64; 3]| {
        [(p[0] - 24.0).abs() - 20.0, (p[1] - 31.0).abs() - 3.0, (p[2] - 24.0).abs() - 16.0].into_iter().fold(f64::MIN, f64::max)
    };
    let sac = |p: [f64; 3]| ((p[0] - 24.0).powi(2) + (p[1] - 16.0).powi(2)).sqrt() - 6.0;
    let structure = |label: Label, sdf| Structure {
        label,
        class: label.class().unwrap(),
        source: Source::Phantom,
        uncertainty_mm: 0.0,
        volume_mm3: 1000.0,
        sdf,
    };
    let mut density = DensityField::default();
    for n in 0..grid.brick_count() as u32 {
        assert!(grid.locate(VoxelIndex(grid.brick_coords(BrickIndex(n)).map(|v| v * 16))).is_some());
        density.insert(BrickIndex(n), Box::new([40; 4096]));
    }
    let structures = vec![structure(Label::lumbar(4), field(&grid, plate)), structure(Label::DURAL_SAC, field(&grid, sac))];
    Patient::new(grid, structures, density).unwrap()
}

/// The bytes of a case file with that patient.
pub(crate) fn case_file() -> Vec<u8> {
    case_of(patient())
}

/// The bytes of a case file with a patient.
pub(crate) fn case_of(patient: Patient) -> Vec<u8> {
    let meta = CaseMeta { created_with: "test".to_owned(), ..CaseMeta::default() };
    Case { patient, ct: None, mr: None, meta }.encode()
}

/// A server on a thread of this process.
pub(crate) struct Running {
    pub(crate) file: RoomFile,
    pub(crate) address: SocketAddr,
    pub(crate) recording: Option<PathBuf>,
    stop: Stop,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(record: Option<PathBuf>) -> Self {
        Self::of(case_file(), record, None)
    }

    /// A server of a case that goes on with a recording, if one is given.
    pub(crate) fn of(case: Vec<u8>, record: Option<PathBuf>, resume: Option<PathBuf>) -> Self {
        Self::following(case, record, resume, None)
    }

    /// The same, started with a procedure that the room follows.
    pub(crate) fn following(case: Vec<u8>, record: Option<PathBuf>, resume: Option<PathBuf>, procedure: Option<Target>) -> Self {
        let config = Config {
            case: CaseData::new(case).unwrap(),
            listen: "127.0.0.1:0".parse().unwrap(),
            room: "theatre".to_owned(),
            rooms: 4,
            state: State::in_memory().unwrap(),
            record,
            resume,
            congestion: Congestion::Cubic,
            bulk_bytes_per_second: 25e6,
            tissues: spinor_sim::Settings::default().tissues(),
            procedure,
        };
        let (sender, receiver) = std::sync::mpsc::channel();
        // The engine is made where it runs.
        let thread = std::thread::spawn(move || {
            let server = Server::open(config).unwrap();
            let file = RoomFile::new(server.address().to_string(), server.digest(), server.room(), server.owner_key());
            let recording = server.recording().map(|p| p.to_owned());
            sender.send((file, server.address(), recording, server.stopper())).unwrap();
            server.run();
        });
        let (file, address, recording, stop) = receiver.recv_timeout(PATIENCE).expect("the server starts");
        Self { file, address, recording, stop, thread: Some(thread) }
    }

    pub(crate) fn options(&self, name: &str, role: Role) -> JoinOptions {
        self.options_in("theatre", name, role)
    }

    pub(crate) fn options_in(&self, room: &str, name: &str, role: Role) -> JoinOptions {
        JoinOptions::new_device(self.file.invite(room, name, role, now() + 600).unwrap()).unwrap()
    }

    /// A client that is inside.
    pub(crate) fn join(&self, name: &str, role: Role) -> Bot {
        join(self.options(name, role))
    }

    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A client that is inside.
pub(crate) fn join(options: JoinOptions) -> Bot {
    let mut bot = Bot::join(options).unwrap();
    assert!(bot.run_until(PATIENCE, |session| session.is_joined()), "not in: {:?}", bot.session().status());
    bot
}

/// Runs several clients in turn for a while; `act` is called for each at every turn, 60 times a second.
pub(crate) fn together(bots: &mut [&mut Bot], time: Duration, mut act: impl FnMut(usize, &mut Session, f64)) {
    let start = std::time::Instant::now();
    while start.elapsed() < time {
        let t = start.elapsed().as_secs_f64();
        for (n, bot) in bots.iter_mut().enumerate() {
            act(n, bot.session_mut(), t);
            bot.step();
        }
        std::thread::sleep(Duration::from_millis(16));
    }
}

/// Presses a burr along a stroke.
pub(crate) fn burr(session: &mut Session, stroke: &Stroke, t: f64) {
    session.send_input(Hand::Right, ToolKind::FlutedBurr, 30, stroke.pose(t), 255);
}

/// Waits until a client's copy has the server's digest, and returns it with the number of operations.
pub(crate) fn agree(bot: &mut Bot) -> (u64, u64) {
    let mut told = None;
    let mut asked = std::time::Instant::now() - PATIENCE;
    let agreed = bot.run_until(PATIENCE, |session| {
        if asked.elapsed() > Duration::from_secs(1) {
            asked = std::time::Instant::now();
            session.request(Request::Digest);
        }
        for happening in session.take_happenings() {
            if let Happening::Digest { digest, ops, .. } = happening {
                told = Some((digest, ops));
            }
        }
        told.is_some_and(|(digest, _)| session.mirror().digest() == Some(digest))
    });
    assert!(agreed, "server {told:?}, mirror {:?}", bot.session().mirror().digest());
    told.unwrap()
}
