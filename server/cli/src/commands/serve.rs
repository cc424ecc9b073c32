//! `spinor serve`: a room, or several, on one case.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use spinor_prepare::files::{spare, write_whole};
use spinor_server::room_file::{Place, RoomFile};
use spinor_server::state::State;
use spinor_server::{BULK_BYTES_PER_SECOND, CaseData, Config, ROOMS, ServeError, Server};
use spinor_shared::net::congestion::Congestion;
use spinor_shared::net::endpoint::EndpointError;
use spinor_shared::room::{MAX_ROOM, is_room_name};
use spinor_sim::procedure::Procedure;

use super::script::{PlaceArgs, procedure};
use super::tissues;
use crate::{input, output};

/// Port that is tried first when none is asked for.
const PORT: u16 = 47_600;
/// Rates that can be asked for, Mbit/s: below, a room's deltas do not pass; above, no network is.
const RATES_MBIT: RangeInclusive<f64> = 1.0..=100_000.0;

/// Serve a room around a case until stopped.
#[derive(clap::Args)]
#[command(after_help = "Example: spinor serve --case patient.spinor --record sessions --room theatre.json\n\
    Then:    spinor invite --room theatre.json --role attending --name \"Dr. Osler\"\n\n\
    For education and rehearsal. Not a medical device.")]
pub(crate) struct Args {
    /// The case that `spinor prepare` made.
    #[arg(long, value_name = "F.spinor")]
    case: PathBuf,
    /// Address to listen on; port 0 takes the port of last time if it is free, or any. Without it: the same on all addresses.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Address that invitations name, where people cannot reach the one listened on (HOST:PORT).
    #[arg(long, value_name = "HOST:PORT")]
    public: Option<String>,
    /// Record sessions into this directory.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Go on with this recording.
    #[arg(long, value_name = "F.spinrec")]
    resume: Option<PathBuf>,
    /// Room file to write once the server listens (mode 600): it lets its reader invite people.
    #[arg(long, value_name = "FILE")]
    room: Option<PathBuf>,
    /// Directory of the room's keys. Without it: FILE.state beside the room file, or DIR/state beside the recordings.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// The room's name.
    #[arg(long, default_value = "theatre")]
    name: String,
    /// Most rooms; the others are called NAME.2, NAME.3 ... and open when an invited person comes.
    #[arg(long, default_value_t = ROOMS)]
    rooms: usize,
    /// On a managed network: its rate for one person, instead of finding it out (cubic).
    #[arg(long, value_name = "MBIT", value_parser = mbit)]
    rate: Option<f64>,
    /// Most that a newcomer is sent, Mbit/s.
    #[arg(long, default_value_t = BULK_BYTES_PER_SECOND * 8.0 / 1e6, value_parser = mbit)]
    bulk_mbit: f64,
    /// Let dura and roots give way under tools: they dent, and hold against the tool. Costs the tick about a millisecond where tools press on
    /// them. A recording that was begun so goes on so.
    #[arg(long)]
    yielding: bool,
    /// Follow a procedure from the beginning: laminectomy, ulbd, foraminotomy or microdiscectomy. Everybody is told its steps and which are
    /// done; an attending can choose another one. A recording goes on with its own.
    #[arg(long, value_parser = procedure)]
    procedure: Option<Procedure>,
    #[command(flatten)]
    place: PlaceArgs,
    /// Print one JSON object once the server listens: where, which room, and its recording.
    #[arg(long)]
    json: bool,
}

/// A rate in Mbit/s that a network can have; `NaN` is none.
fn mbit(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|mbit| RATES_MBIT.contains(mbit));
    rate.ok_or_else(|| format!("'{text}' is no rate from {} to {} Mbit/s", RATES_MBIT.start(), RATES_MBIT.end()))
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    anyhow::ensure!(is_room_name(&args.name), "{:?} cannot name a room: use up to {MAX_ROOM} letters and digits", args.name);
    if let (None, Some(option)) = (args.procedure, args.place.given()) {
        anyhow::bail!("{option} says where a procedure is done: give --procedure as well");
    }
    if let Some(room) = &args.room {
        let inputs: Vec<&Path> = [Some(args.case.as_path()), args.resume.as_deref()].into_iter().flatten().collect();
        spare(room, &inputs)?;
    }
    // Before anything is loaded or recorded.
    let mut place = args.room.as_deref().map(Place::take).transpose()?;
    eprintln!("loading {}", args.case.display());
    let file = input::case(&args.case)?;
    let case = CaseData::new(file).with_context(|| format!("{} is no usable case", args.case.display()))?;
    let directory = state_directory(&args);
    let open = || -> anyhow::Result<State> {
        Ok(match &directory {
            Some(directory) => State::open(directory)?,
            None => State::in_memory()?,
        })
    };
    let last = directory.as_deref().and_then(last_address);
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let candidates = match args.listen {
        Some(listen) if listen.port() == 0 => last.filter(|last| last.ip() == listen.ip()).into_iter().chain([listen]).collect(),
        Some(listen) => vec![listen],
        None => vec![last.unwrap_or(SocketAddr::new(any.ip(), PORT)), any],
    };
    let congestion = match args.rate {
        Some(mbit) => Congestion::Rate { mbit, rtt: Duration::from_millis(60) },
        None => Congestion::Cubic,
    };
    let mut case = Some(case);
    let mut server = None;
    for (n, listen) in candidates.iter().enumerate() {
        if !is_free(*listen) && n + 1 < candidates.len() {
            continue;
        }
        let config = Config {
            case: case.take().context("no address to listen on")?,
            listen: *listen,
            room: args.name.clone(),
            rooms: args.rooms,
            state: open()?,
            record: args.record.clone().or_else(|| args.resume.as_deref().and_then(Path::parent).map(Path::to_owned)),
            resume: args.resume.clone(),
            congestion,
            bulk_bytes_per_second: args.bulk_mbit * 1e6 / 8.0,
            tissues: tissues(args.yielding),
            procedure: args.procedure.map(|procedure| args.place.target(procedure)),
        };
        server = Some(Server::open(config).map_err(|e| match e {
            ServeError::Endpoint(EndpointError::Bind(_, ref why)) => {
                let hint = match why.kind() {
                    ErrorKind::AddrNotAvailable => {
                        "this machine has no such address: choose one of its own with --listen, or 0.0.0.0 for all"
                    }
                    ErrorKind::PermissionDenied => "this port needs more rights: choose one from 1024 on with --listen",
                    _ => "is another server running there? Choose another address with --listen",
                };
                anyhow::Error::from(e).context(hint)
            }
            ServeError::Record(why) => match &args.resume {
                Some(path) => anyhow::Error::from(why).context(format!("cannot go on with {}", path.display())),
                None => why.into(),
            },
            e => e.into(),
        })?);
        break;
    }
    let server = server.context("no address to listen on")?;
    let address = server.address();
    if let Some(directory) = &directory {
        let _ = write_whole(&directory.join("address"), address.to_string().as_bytes());
    }
    let public = args.public.clone().unwrap_or_else(|| reachable(address).to_string());
    eprintln!("For education and rehearsal. Not a medical device.");
    eprintln!("room {} listens on {address}; invitations name {public}", server.room());
    match server.recording() {
        Some(path) => eprintln!("recording to {}", path.display()),
        None => eprintln!("not recording (use --record DIR)"),
    }
    close_on_signals(&server)?;
    if let (Some(path), Some(place)) = (&args.room, &mut place) {
        let file = RoomFile::new(public.clone(), server.digest(), server.room(), server.owner_key());
        place.write(&file.with_rooms(args.rooms))?;
        eprintln!("invite people with: spinor invite --room {} --role attending --name NAME", path.display());
    }
    if args.json {
        output::json(&json!({
            "address": address.to_string(), "public": public, "room": server.room(), "rooms": args.rooms.max(1),
            "recording": server.recording(), "room_file": args.room,
        }));
    }
    server.run();
    drop(place);
    eprintln!("the room has closed");
    Ok(())
}

/// Lets Ctrl-C, and on Unix a service manager's SIGTERM or a closed terminal, close the rooms in order.
fn close_on_signals(server: &Server) -> anyhow::Result<()> {
    let stop = server.stopper();
    ctrlc::set_handler(move || stop.stop()).context("cannot catch Ctrl-C")?;
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGHUP, SIGTERM};
        let stop = server.stopper();
        let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGHUP]).context("cannot catch signals")?;
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for _ in signals.forever() {
                stop.stop();
            }
        })?;
    }
    Ok(())
}

fn state_directory(args: &Args) -> Option<PathBuf> {
    let beside = |path: &Path| {
        let mut name = path.as_os_str().to_owned();
        name.push(".state");
        PathBuf::from(name)
    };
    let recordings = args.record.as_deref().or_else(|| args.resume.as_deref().and_then(Path::parent));
    args.state.clone().or_else(|| args.room.as_deref().map(beside)).or_else(|| recordings.map(|d| d.join("state")))
}

/// Where the room listened last time, so that its old invitations lead to it again.
fn last_address(directory: &Path) -> Option<SocketAddr> {
    std::fs::read_to_string(directory.join("address")).ok()?.trim().parse().ok()
}

fn is_free(listen: SocketAddr) -> bool {
    UdpSocket::bind(listen).is_ok()
}

/// An address under which other machines find this one. Asks the routing table; nothing is sent.
fn reachable(listening: SocketAddr) -> SocketAddr {
    if !listening.ip().is_unspecified() {
        return listening;
    }
    let routed = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
    };
    SocketAddr::new(routed().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), listening.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rate that no network has is refused, not taken for the nearest one.
    #[test]
    fn no_rate_is_no_rate() {
        assert_eq!((mbit("1"), mbit("54.5")), (Ok(1.0), Ok(54.5)));
        for wrong in ["0", "-5", "nan", "inf", "0.2", "1e9", "fast"] {
            assert!(mbit(wrong).is_err(), "{wrong}");
        }
    }
}
