//! `spinor bots`: clients without heads that measure a room.

mod operator;

use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use spinor_client_core::testing::{Conditions, Relay, Stroke};
use spinor_client_core::{BodyPose, Bot, Happening, JoinOptions, Request, Stats, Status};
use spinor_server::room_file::RoomFile;
use spinor_shared::room::Role;
use spinor_shared::wire::{WireEvent, WirePose};
use spinor_sim::pose::um_from_mm;
use spinor_sim::procedure::{Procedure, Target};
use spinor_sim::{AlarmLevel, Event, Hand, ToolKind};
use spinor_surgeon::Skill;
use spinor_volume::mesh::{BrickMesh, Mesher};

use self::operator::Operator;
use super::invite::numbered;
use super::script::{ScriptArgs, procedure};
use crate::output;

/// Diameter of the bots' burr, 1/10 mm.
const BURR: u8 = 30;
/// Poses and inputs a second.
const HZ: f64 = 60.0;
/// How long everybody may take to get in.
const JOIN_PATIENCE: Duration = Duration::from_secs(60);
/// How long mirrors may take to become equal once nobody cuts.
const QUIET_PATIENCE: Duration = Duration::from_secs(15);

/// Let headless clients join, move, cut and measure.
#[derive(clap::Args)]
#[command(after_help = "Example: spinor bots --room theatre.json --clients 4 --cutting 2 --seconds 30 --join-late 1 --json\n\
    Every client is a real one: its own QUIC connection, engine and mirror. With --delay-ms, --loss, --mtu or --reorder all go\n\
    through a UDP relay in this process. Latencies are between threads of this process, by its monotonic clock.\n\n\
    Example: spinor bots --room theatre.json --clients 3 --cutting 1 --procedure laminectomy --skill hurried --seconds 600\n\
    A scripted surgeon in the room: what it finishes where is in docs/PROCEDURES.md. Assess the server's recording for what was done.")]
pub(crate) struct Args {
    /// The room file that `spinor serve` wrote.
    #[arg(long, value_name = "FILE")]
    room: PathBuf,
    /// Clients in each room.
    #[arg(long)]
    clients: usize,
    /// How many of them cut.
    #[arg(long, default_value_t = 0)]
    cutting: usize,
    /// How long they do; with --procedure at most, for the run ends when the surgeons have come to their end.
    #[arg(long, value_parser = within::<604_800>)]
    seconds: f64,
    /// One-way delay on every link, milliseconds.
    #[arg(long, default_value_t = 0.0, value_parser = within::<10_000>)]
    delay_ms: f64,
    /// Packets lost each way, per cent.
    #[arg(long, default_value_t = 0.0, value_parser = within::<100>)]
    loss: f64,
    /// Path MTU in bytes: larger packets are dropped. 0 for no limit.
    #[arg(long, default_value_t = 0)]
    mtu: usize,
    /// Packets held back 3 ms, per cent. Without it: 1 % where anything else is impaired.
    #[arg(long, value_parser = within::<100>)]
    reorder: Option<f64>,
    /// Clients of each room that join halfway.
    #[arg(long, default_value_t = 0)]
    join_late: usize,
    /// Rooms; the server opens the others when the bots come.
    #[arg(long, default_value_t = 1)]
    rooms: usize,
    /// Mesh nothing: for load runs where the clients' work would disturb the server's.
    #[arg(long)]
    still: bool,
    /// Let the first cutting client of each room perform a procedure: laminectomy, ulbd, foraminotomy or microdiscectomy.
    #[arg(long, value_parser = procedure)]
    procedure: Option<Procedure>,
    #[command(flatten)]
    script: ScriptArgs,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// When inputs and poses were enqueued: (user, sequence) → instant.
type Sent = Mutex<HashMap<(u32, u32), Instant>>;

#[derive(Default)]
struct Shared {
    inputs: Sent,
    poses: Sent,
    quiet: AtomicBool,
    /// Surgeons who have not come to their end.
    at_work: AtomicUsize,
}

/// What one bot saw.
#[derive(Default)]
struct Report {
    user: u32,
    name: String,
    room: usize,
    join_ms: f64,
    late: bool,
    /// Since when it was inside with everything loaded: what was sent before is no measure of the network.
    since: Option<Instant>,
    /// Sender, first and last input, tick, when meshed.
    shown: Vec<(u32, u32, u32, u32, Instant)>,
    poses: Vec<(u32, u32, Instant)>,
    down_bytes: u64,
    up_bytes: u64,
    seconds: f64,
    snapshot_bytes: u64,
    repairs: u64,
    equal: bool,
    digests: (Option<u64>, Option<u64>),
    stats: Option<Stats>,
    told_refusals: u64,
    /// Changes of alarm levels that the server told, with their ticks.
    alarms: Vec<(u32, Event)>,
    /// What a scripted surgeon did.
    performed: Option<Value>,
}

/// What a cutting client does.
#[derive(Clone, Copy)]
enum Cuts {
    /// Burrs back and forth over the n-th lamina.
    Stroke(usize),
    /// Performs a procedure.
    Procedure(Target, Skill, u64),
}

/// A cutting client at it.
enum Work {
    Stroke(Stroke),
    Procedure(Box<Operator>),
}

struct Plan {
    name: String,
    role: Role,
    room: usize,
    cuts: Option<Cuts>,
    late: bool,
    asks_stats: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let in_all = args.clients.checked_mul(args.rooms).filter(|n| (1..=1024).contains(n));
    if in_all.is_none() {
        bail!("between 1 and 1024 clients in all rooms, not {} in each of {}", args.clients, args.rooms);
    }
    if args.join_late >= args.clients || args.cutting > args.clients - args.join_late {
        bail!("of {} clients, {} cannot cut while {} join late", args.clients, args.cutting, args.join_late);
    }
    match (args.procedure, args.script.given()) {
        (Some(_), _) if args.cutting == 0 => bail!("--procedure needs a client that cuts: --cutting 1"),
        (None, Some(option)) => bail!("{option} is for a scripted surgeon: give --procedure as well"),
        _ => {}
    }
    let file = RoomFile::read(&args.room)?;
    let address = resolve(&file.address)?;
    let impaired = args.delay_ms > 0.0 || args.loss > 0.0 || args.mtu > 0;
    let conditions = Conditions {
        delay: Duration::from_secs_f64(args.delay_ms.max(0.0) / 1000.0),
        loss: args.loss.clamp(0.0, 100.0) / 100.0,
        mtu: args.mtu,
        reorder: args.reorder.unwrap_or(if impaired { 1.0 } else { 0.0 }).clamp(0.0, 100.0) / 100.0,
    };
    let network = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let via =
        if conditions.is_clean() { None } else { Some(network.block_on(Relay::start(address, conditions, 0x5EED))?.address) };
    let plans: Vec<Plan> = (0..args.rooms).flat_map(|room| plans(&args, room)).collect();
    let early = plans.iter().filter(|plan| !plan.late).count();
    let surgeons = plans.iter().filter(|plan| matches!(plan.cuts, Some(Cuts::Procedure(..)))).count();
    let shared = Arc::new(Shared { at_work: AtomicUsize::new(surgeons), ..Shared::default() });
    let (inside, begin) = (Arc::new(Barrier::new(early + 1)), Arc::new(Barrier::new(early + 1)));
    let mut threads = Vec::new();
    let mut late = Vec::new();
    for plan in plans {
        let options = options(&file, &plan, via)?;
        if plan.late {
            late.push((plan, options));
            continue;
        }
        let gates = Some((inside.clone(), begin.clone()));
        threads.push(start(plan, options, shared.clone(), gates, args.still)?);
    }
    inside.wait();
    begin.wait();
    let half = Duration::from_secs_f64(args.seconds.max(0.1) / 2.0);
    let until = |end: Instant| {
        while Instant::now() < end && !shared.quiet.load(Ordering::Relaxed) {
            if surgeons > 0 && shared.at_work.load(Ordering::Relaxed) == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(20).min(end - Instant::now().min(end)));
        }
    };
    let start_of_work = Instant::now();
    until(start_of_work + half);
    for (plan, options) in late {
        threads.push(start(plan, options, shared.clone(), None, args.still)?);
    }
    until(start_of_work + 2 * half);
    shared.quiet.store(true, Ordering::Relaxed);
    let reports: Vec<Report> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a bot panicked"))))
        .collect::<anyhow::Result<_>>()?;
    drop(network);
    let value = summary(&args, &reports, &shared);
    if args.json {
        output::json(&value);
    } else {
        print_alarms(&reports);
        print_plain(&value);
    }
    verdict(&args, &reports, &value)
}

/// Why a run is no measurement, or showed that something is wrong.
fn verdict(args: &Args, reports: &[Report], value: &Value) -> anyhow::Result<()> {
    if let Some(room) = (0..args.rooms).find(|room| stats_of(reports, *room).is_none()) {
        bail!("the server told no figures of room {}: those that count it are null", room + 1);
    }
    if args.cutting > 0 {
        if let Some(room) = (0..args.rooms).find(|room| stats_of(reports, *room).is_none_or(|stats| stats.ops == 0)) {
            bail!("nothing was cut in room {}: equal mirrors prove nothing", room + 1);
        }
        if args.clients > 1 && value["cuts_seen"] == json!(0) {
            bail!("no client saw what another one cut: equal mirrors prove nothing");
        }
    }
    if value["mirrors_equal"] == json!(true) { Ok(()) } else { bail!("mirrors differ from the server, or a bot saw no digest") }
}

/// The server's figures of a room, if one of its bots was told them.
fn stats_of(reports: &[Report], room: usize) -> Option<&Stats> {
    reports.iter().filter(|report| report.room == room).find_map(|report| report.stats.as_ref())
}

/// The first address of `HOST:PORT`; a host name is looked up.
fn resolve(address: &str) -> anyhow::Result<SocketAddr> {
    let mut found = address.to_socket_addrs().with_context(|| format!("cannot find {address}"))?;
    found.next().with_context(|| format!("{address} has no address"))
}

fn plans(args: &Args, room: usize) -> Vec<Plan> {
    (0..args.clients)
        .map(|n| {
            let late = n >= args.clients - args.join_late;
            let cuts = (n < args.cutting).then(|| match args.procedure.filter(|_| n == 0) {
                Some(procedure) => Cuts::Procedure(args.script.target(procedure), args.script.skill(), args.script.seed()),
                None => Cuts::Stroke(n),
            });
            // Two make a resident at work and a mentor; a larger room is led by an attending.
            let role = match n {
                0 if args.clients > 2 => Role::Attending,
                _ if cuts.is_some() => Role::Resident,
                n if n % 3 == 2 || args.clients == 2 => Role::Mentor,
                _ => Role::Resident,
            };
            Plan { name: format!("Bot {}.{}", room + 1, n + 1), role, room, cuts, late, asks_stats: n == 0 }
        })
        .collect()
}

fn options(file: &RoomFile, plan: &Plan, via: Option<SocketAddr>) -> anyhow::Result<JoinOptions> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let invite = file.invite(&numbered(&file.room, plan.room + 1), &plan.name, plan.role, now + 3600)?;
    let mut options = JoinOptions::new_device(invite)?;
    options.via = via;
    options.want_images = false;
    Ok(options)
}

type Gates = Option<(Arc<Barrier>, Arc<Barrier>)>;

fn start(
    plan: Plan,
    options: JoinOptions,
    shared: Arc<Shared>,
    gates: Gates,
    still: bool,
) -> anyhow::Result<std::thread::JoinHandle<anyhow::Result<Report>>> {
    let name = plan.name.clone();
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        let joined = join(&plan, options);
        // Everybody has to come to the gates, or nobody would get through.
        if let Some((inside, begin)) = &gates {
            inside.wait();
            begin.wait();
        }
        // Without one of them there is nothing to measure.
        let found = joined.and_then(|joined| live(joined, &plan, &shared, still));
        if found.is_err() {
            shared.quiet.store(true, Ordering::Relaxed);
        }
        found
    });
    Ok(thread?)
}

fn join(plan: &Plan, options: JoinOptions) -> anyhow::Result<(Bot, Report)> {
    let mut bot = Bot::join(options)?;
    bot.session_mut().log_poses();
    let mut refused = None;
    let inside = bot.run_until(JOIN_PATIENCE, |session| {
        if let Status::Refused(error) = session.status() {
            refused = Some(error.to_string());
        }
        session.is_joined() || refused.is_some()
    });
    if let Some(reason) = refused {
        bail!("{} was refused: {reason}", plan.name);
    }
    if !inside {
        let why = match bot.session().status() {
            Status::Connecting { reason: Some(reason), .. } => reason.clone(),
            Status::Connecting { .. } => "nobody answered".to_owned(),
            _ => "the patient had not come by then".to_owned(),
        };
        bail!(
            "{} did not get in within {} s ({why}): does the server of this room file still run?",
            plan.name,
            JOIN_PATIENCE.as_secs()
        );
    }
    let session = bot.session();
    let report = Report {
        user: session.me().map_or(0, |me| me.user),
        name: plan.name.clone(),
        room: plan.room,
        join_ms: session.loaded_after().unwrap_or_default().as_secs_f64() * 1e3,
        late: plan.late,
        ..Report::default()
    };
    Ok((bot, report))
}

fn live((mut bot, mut report): (Bot, Report), plan: &Plan, shared: &Shared, still: bool) -> anyhow::Result<Report> {
    let patient = bot.session().mirror().patient().context("no patient")?.clone();
    let mut work = match plan.cuts {
        Some(Cuts::Stroke(n)) => {
            Some(Work::Stroke(Stroke::over_lamina(&patient, n, f64::from(BURR) / 20.0).context("the case has no bone to cut")?))
        }
        Some(Cuts::Procedure(target, skill, seed)) => {
            let operator = Operator::new(&patient, target, skill, seed, report.user);
            let operator = operator
                .with_context(|| format!("this case has no place for a {} at L{}", target.procedure.name(), target.level))?;
            let followed = bot.session().following().and_then(|following| following.target.target());
            if plan.role.may_direct() && followed != Some(target) {
                bot.session().request(Request::Procedure(Some(target.into())));
            }
            Some(Work::Procedure(Box::new(operator)))
        }
        None => None,
    };
    let start = Instant::now();
    report.since = Some(start);
    bot.session_mut().mirror_mut().take_shown();
    bot.session_mut().take_pose_log();
    let mut counted = Counted::since(traffic(&bot));
    let (mut mesher, mut mesh) = (Mesher::new(), BrickMesh::default());
    let period = Duration::from_secs_f64(1.0 / HZ);
    let mut due = start;
    while !shared.quiet.load(Ordering::Relaxed) {
        let now = Instant::now();
        if now >= due {
            due = (due + period).max(now);
            let t = (now - start).as_secs_f64();
            act(&mut bot, &report, work.as_mut(), t, shared);
        }
        bot.step();
        look(&mut bot, &mut report, work.as_mut(), (&mut mesher, &mut mesh), still);
        bot.wait(due);
        counted.now(traffic(&bot));
    }
    report.seconds = start.elapsed().as_secs_f64();
    (report.down_bytes, report.up_bytes) = (counted.down, counted.up);
    settle(&mut bot, &mut report, work.as_mut(), plan, (&mut mesher, &mut mesh), still);
    if let Some(Work::Procedure(operator)) = &work {
        report.performed = Some(operator.report(&plan.name, bot.session()));
    }
    report.snapshot_bytes = bot.session().mirror().snapshot_bytes();
    report.repairs = bot.session().mirror().repairs();
    bot.leave();
    Ok(report)
}

/// Sends a pose, and what a cutting hand does.
fn act(bot: &mut Bot, report: &Report, work: Option<&mut Work>, t: f64, shared: &Shared) {
    let middle = bot.session().mirror().patient().map_or([0.0; 3], |patient| {
        let grid = patient.grid();
        grid.patient_from_index(grid.voxels().map(|n| f64::from(n) / 2.0))
    });
    let body = body(middle, 40.0 * (t * 2.0).sin());
    let now = Instant::now();
    let session = bot.session_mut();
    let seq = session.send_pose(body);
    note(&shared.poses, (report.user, seq), now);
    let seq = match work {
        Some(Work::Stroke(stroke)) => Some(session.send_input(Hand::Right, ToolKind::FlutedBurr, BURR, stroke.pose(t), 255)),
        Some(Work::Procedure(operator)) => {
            let was_done = operator.is_done();
            let seq = operator.act(session);
            if operator.is_done() && !was_done {
                shared.at_work.fetch_sub(1, Ordering::Relaxed);
            }
            seq
        }
        None => None,
    };
    if let Some(seq) = seq {
        note(&shared.inputs, (report.user, seq), now);
    }
}

/// Somebody who stands at a patient's left side and looks at a place, mm, with both hands before it, swayed along the spine.
fn body([x, y, z]: [f64; 3], sway_mm: f64) -> BodyPose {
    let at = |by: [f64; 3]| um_from_mm([x + by[0], y + by[1], z + by[2] + sway_mm]);
    let hand = |up: f64| WirePose { tip_um: at([100.0, 100.0, up]), turn: [0, 0, 0, 32_767] };
    let away = [350.0, 400.0];
    let long = f64::hypot(away[0], away[1]);
    // The head's z axis points away from the place, its x axis to the feet, its y axis up and over the patient.
    let (a, b) = (away[0] / long, away[1] / long);
    let w = (1.0 + a).sqrt() / 2.0;
    let turn = [-b / (4.0 * w), (1.0 + a) / (4.0 * w), b / (4.0 * w), w].map(|part| (part * 32_767.0).round() as i16);
    let head = WirePose { tip_um: at([away[0], away[1], 0.0]), turn };
    BodyPose { head, hands: [Some(hand(-80.0)), Some(hand(80.0))] }
}

/// A number from 0 to `MOST`; `NaN`, which would never be over, is none.
fn within<const MOST: u32>(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|n| (0.0..=f64::from(MOST)).contains(n));
    number.ok_or_else(|| format!("'{text}' is no number from 0 to {MOST}"))
}

fn note(sent: &Sent, key: (u32, u32), now: Instant) {
    sent.lock().unwrap_or_else(PoisonError::into_inner).insert(key, now);
}

/// Meshes what changed, then notes what can be seen now.
fn look(
    bot: &mut Bot,
    report: &mut Report,
    mut work: Option<&mut Work>,
    (mesher, mesh): (&mut Mesher, &mut BrickMesh),
    still: bool,
) {
    let session = bot.session_mut();
    let dirty = session.mirror_mut().take_dirty();
    let shown = session.mirror_mut().take_shown();
    if !still && let (Some(patient), Some(cut)) = (session.mirror().patient(), session.mirror().cut()) {
        for dirty in dirty {
            mesher.mesh(patient, Some(cut), usize::from(dirty.structure), dirty.brick, mesh);
        }
    }
    let now = Instant::now();
    // Only right hands' inputs are timed.
    for (tick, cause) in shown.into_iter().filter(|(_, cause)| cause.hand == Hand::Right as u8) {
        report.shown.push((cause.user, cause.first, cause.last, tick, now));
    }
    report.poses.extend(session.take_pose_log());
    for happening in session.take_happenings() {
        match happening {
            Happening::Digest { digest, .. } => report.digests.1 = Some(digest),
            Happening::Stats(stats) => report.stats = Some(*stats),
            Happening::Refused { .. } => report.told_refusals += 1,
            Happening::Events { tick, events } => {
                if let Some(Work::Procedure(operator)) = &mut work {
                    operator.hear(&events);
                }
                report.alarms.extend(events.iter().filter_map(|event| alarm(tick, event)));
            }
            _ => {}
        }
    }
}

/// A change of an alarm's level, none where the event is something else.
fn alarm(tick: u32, event: &WireEvent) -> Option<(u32, Event)> {
    let event = Event::try_from(*event).ok()?;
    matches!(event, Event::Alarm { .. }).then_some((tick, event))
}

/// Lets go of the trigger, waits until the server says what it has, and compares.
fn settle(
    bot: &mut Bot,
    report: &mut Report,
    mut work: Option<&mut Work>,
    plan: &Plan,
    (mesher, mesh): (&mut Mesher, &mut BrickMesh),
    still: bool,
) {
    let end = Instant::now() + QUIET_PATIENCE;
    let mut asked: Option<Instant> = None;
    while Instant::now() < end {
        match &mut work {
            Some(Work::Stroke(stroke)) => {
                bot.session_mut().send_input(Hand::Right, ToolKind::FlutedBurr, BURR, stroke.rest(), 0);
            }
            Some(Work::Procedure(operator)) => operator.rest(bot.session_mut()),
            None => {}
        }
        bot.step();
        look(bot, report, work.as_deref_mut(), (mesher, mesh), still);
        report.digests.0 = bot.session().mirror().digest();
        report.equal = report.digests.1.is_some() && report.digests.0 == report.digests.1;
        if report.equal && (report.stats.is_some() || !plan.asks_stats) {
            return;
        }
        // Asked again now and then: the first answer may be from before another hand's last cut.
        if asked.is_none_or(|at| at.elapsed() > Duration::from_secs(1)) && bot.session().is_joined() {
            asked = Some(Instant::now());
            bot.session().request(Request::Digest);
            if plan.asks_stats {
                bot.session().request(Request::Stats);
            }
        }
        bot.wait(Instant::now() + Duration::from_millis(16));
    }
}

/// UDP bytes received and sent so far.
/// Bytes down and up over all connections that a bot had: each counts from nothing.
struct Counted {
    down: u64,
    up: u64,
    last: (u64, u64),
}

impl Counted {
    fn since(last: (u64, u64)) -> Self {
        Self { down: 0, up: 0, last }
    }

    fn now(&mut self, now: (u64, u64)) {
        let grown = |now: u64, last: u64| if now >= last { now - last } else { now };
        self.down += grown(now.0, self.last.0);
        self.up += grown(now.1, self.last.1);
        self.last = now;
    }
}

fn traffic(bot: &Bot) -> (u64, u64) {
    bot.session().connection().map_or((0, 0), |c| {
        let stats = c.stats();
        (stats.udp_rx.bytes, stats.udp_tx.bytes)
    })
}

fn summary(args: &Args, reports: &[Report], shared: &Shared) -> Value {
    let inputs = shared.inputs.lock().unwrap_or_else(PoisonError::into_inner);
    let poses = shared.poses.lock().unwrap_or_else(PoisonError::into_inner);
    let mut cuts = Vec::new();
    let mut pose_ms = Vec::new();
    for report in reports {
        // An input's effect is there once all frames of the first tick that shows it are meshed.
        let mut seen: HashMap<(u32, u32), (u32, Instant)> = HashMap::new();
        for (user, first, last, tick, at) in &report.shown {
            if *user == report.user {
                continue;
            }
            for seq in *first..=(*last).min(first.saturating_add(100_000)) {
                let slot = seen.entry((*user, seq)).or_insert((*tick, *at));
                if *tick < slot.0 {
                    *slot = (*tick, *at);
                } else if *tick == slot.0 {
                    slot.1 = slot.1.max(*at);
                }
            }
        }
        let ms = |sent: &Instant, at: &Instant| {
            report.since.filter(|since| sent >= since).map(|_| at.saturating_duration_since(*sent).as_secs_f64() * 1e3)
        };
        cuts.extend(seen.iter().filter_map(|(key, (_, at))| inputs.get(key).and_then(|sent| ms(sent, at))));
        pose_ms.extend(report.poses.iter().filter_map(|(user, seq, at)| poses.get(&(*user, *seq)).and_then(|sent| ms(sent, at))));
    }
    let mut join_ms: Vec<f64> = reports.iter().map(|r| r.join_ms).collect();
    let steady: Vec<&Report> = reports.iter().filter(|r| !r.late && r.seconds > 0.0).collect();
    let mean = |f: fn(&Report) -> f64| steady.iter().map(|r| f(r)).sum::<f64>() / steady.len().max(1) as f64;
    // What the process counts, as whoever asked last was told; null where nobody was.
    let process = reports.iter().filter_map(|r| r.stats.as_ref()).max_by_key(|stats| stats.ticks);
    // What each room counts: a sum that lacks a room would be none.
    let rooms: Option<Vec<&Stats>> = (0..args.rooms).map(|room| stats_of(reports, room)).collect();
    let sum = |of: fn(&Stats) -> u64| rooms.as_ref().map(|rooms| rooms.iter().map(|stats| of(stats)).sum::<u64>());
    let snapshot = reports.iter().map(|r| r.snapshot_bytes).max().unwrap_or(0);
    json!({
        "clients": reports.len(),
        "rooms": args.rooms,
        "cutting": args.cutting * args.rooms,
        "mirrors_equal": reports.iter().all(|r| r.equal),
        "cut_to_visible_ms": percentiles(&mut cuts, &[("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)]),
        "cuts_seen": cuts.len(),
        "pose_ms": percentiles(&mut pose_ms, &[("p50", 0.5), ("p99", 0.99), ("max", 1.0)]),
        "poses_seen": pose_ms.len(),
        "join_ms": percentiles(&mut join_ms, &[("p50", 0.5), ("max", 1.0)]),
        "join_late_ms": reports.iter().filter(|r| r.late).map(|r| round(r.join_ms)).collect::<Vec<_>>(),
        "down_kBps_per_client": round(mean(|r| r.down_bytes as f64 / r.seconds / 1e3)),
        "up_kBps_per_client": round(mean(|r| r.up_bytes as f64 / r.seconds / 1e3)),
        "snapshot_bytes": snapshot,
        "server_tick_ms": process.map(|s| json!({"p50": s.tick_ms[0], "p99": s.tick_ms[1], "max": s.tick_ms[2]})),
        "server_cpu_s": process.map(|stats| round(stats.cpu_s)),
        "server_rss_mb": process.map(|stats| round(stats.rss_mb)),
        "ops": sum(|stats| stats.ops),
        "coalesced": sum(|stats| stats.coalesced),
        "alarm_events": alarms_of(reports).count(),
        "alarm_events_heard": alarms_of(reports).filter(|(_, event)| matches!(event, Event::Alarm { sounding: true, .. })).count(),
        "refused": rooms.as_ref().zip(process).map(|(rooms, process)| refused(rooms, process)),
        "repairs": reports.iter().map(|r| r.repairs).sum::<u64>(),
        "procedures": reports.iter().filter_map(|r| r.performed.as_ref()).collect::<Vec<_>>(),
    })
}

/// Refusals by reason: of every room, and of the door, which all of them share and so is counted once.
fn refused(rooms: &[&Stats], process: &Stats) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (word, n) in rooms.iter().flat_map(|stats| &stats.refused).chain(&process.refused_at_door) {
        *counts.entry(word.clone()).or_default() += n;
    }
    counts
}

/// The changes of alarm levels, of each room as the bot saw them that was there longest: everybody in a room is told the same.
fn alarms_of(reports: &[Report]) -> impl Iterator<Item = &(u32, Event)> {
    let mut longest: BTreeMap<usize, &[(u32, Event)]> = BTreeMap::new();
    for report in reports {
        let alarms = longest.entry(report.room).or_default();
        if report.alarms.len() > alarms.len() {
            *alarms = &report.alarms;
        }
    }
    longest.into_values().flatten()
}

/// One line for each level that rose.
fn print_alarms(reports: &[Report]) {
    for (tick, event) in alarms_of(reports) {
        let Event::Alarm { by, was, warning, sounding } = event else { continue };
        if warning.level == AlarmLevel::Clear || warning.level <= *was {
            continue;
        }
        let seconds = f64::from(*tick) / f64::from(spinor_sim::input::TICKS_PER_SECOND);
        let heard = if *sounding { "heard" } else { "shown" };
        let name = reports.iter().find(|report| report.user == by.user.0).map_or("somebody", |report| report.name.as_str());
        println!("alarm at {seconds:6.1} s       {name}, {}: {warning}, {heard}", by.tool.word());
    }
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn percentiles(values: &mut [f64], wanted: &[(&str, f64)]) -> Value {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let rank = (values.len() as f64 * share).ceil() as usize;
        values.get(rank.saturating_sub(1).min(values.len().saturating_sub(1))).map(|v| round(*v))
    };
    wanted.iter().map(|(name, share)| ((*name).to_owned(), json!(at(*share)))).collect::<serde_json::Map<_, _>>().into()
}

fn print_plain(value: &Value) {
    if let Some(object) = value.as_object() {
        for (key, value) in object.iter().filter(|(key, _)| *key != "procedures") {
            println!("{key:22} {value}");
        }
    }
    for procedure in value["procedures"].as_array().into_iter().flatten() {
        operator::print(procedure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bot looks at the place it is given, upright: along its own -z, with the patient's back up.
    #[test]
    fn a_bot_looks_at_the_patient() {
        let place = [-40.0, 12.0, 700.0];
        let head = spinor_sim::Pose::from(body(place, 0.0).head);
        let turn = head.rotation().unwrap();
        let way: [f64; 3] = std::array::from_fn(|k| place[k] - head.tip_mm()[k]);
        let long = way.iter().map(|v| v * v).sum::<f64>().sqrt();
        let along: f64 = (0..3).map(|k| -turn[k][2] * way[k] / long).sum();
        assert!(along > 0.999 && turn[1][1] > 0.5 && (400.0..700.0).contains(&long), "{along} {turn:?}");
    }

    fn args(clients: usize, cutting: usize, rooms: usize) -> Args {
        Args {
            room: PathBuf::new(),
            clients,
            cutting,
            seconds: 1.0,
            delay_ms: 0.0,
            loss: 0.0,
            mtu: 0,
            reorder: None,
            join_late: 0,
            rooms,
            still: true,
            procedure: None,
            script: ScriptArgs::default(),
            json: true,
        }
    }

    fn report(room: usize, ops: Option<u64>) -> Report {
        let refused = vec![("role".to_owned(), 2)];
        let refused_at_door = vec![("role".to_owned(), 1), ("expired".to_owned(), 5)];
        let stats = ops.map(|ops| Stats { ops, coalesced: 3, ticks: ops, refused, refused_at_door, ..Stats::default() });
        Report { room, equal: true, stats, ..Report::default() }
    }

    /// What every room counts is summed over all of them, the door that they share counts once; without a room's figures there is no
    /// sum, and without any there are none of the process either.
    #[test]
    fn rooms_are_summed_and_what_nobody_told_is_null() {
        let shared = Shared::default();
        let value = summary(&args(1, 0, 2), &[report(0, Some(10)), report(0, None), report(1, Some(7))], &shared);
        assert_eq!((&value["ops"], &value["coalesced"]), (&json!(17), &json!(6)));
        assert_eq!(value["refused"], json!({"role": 5, "expired": 5}));
        let value = summary(&args(1, 0, 2), &[report(0, Some(10)), report(1, None)], &shared);
        assert!(value["ops"].is_null() && value["refused"].is_null() && value["server_cpu_s"].is_number());
        let value = summary(&args(1, 0, 1), &[report(0, None)], &shared);
        for name in ["ops", "coalesced", "refused", "server_tick_ms", "server_cpu_s", "server_rss_mb"] {
            assert!(value[name].is_null(), "{name}");
        }
    }

    /// Equal mirrors of a patient whom nobody cut are no success, nor are they where a room told nothing.
    #[test]
    fn a_run_without_cuts_proves_nothing() {
        let reports = [report(0, Some(4)), report(1, Some(0))];
        let judge = |args: &Args, reports: &[Report], seen: usize, equal: bool| {
            verdict(args, reports, &json!({"cuts_seen": seen, "mirrors_equal": equal})).map_err(|error| error.to_string())
        };
        assert_eq!(judge(&args(2, 1, 1), &reports, 3, true), Ok(()));
        assert_eq!(judge(&args(2, 0, 2), &reports, 0, true), Ok(()));
        assert_eq!(judge(&args(1, 1, 1), &reports, 0, true), Ok(()), "nobody else is there to see it");
        assert!(judge(&args(2, 1, 1), &reports, 0, true).unwrap_err().contains("no client saw"));
        assert!(judge(&args(2, 1, 2), &reports, 3, true).unwrap_err().contains("cut in room 2"));
        assert!(judge(&args(2, 1, 3), &reports, 3, true).unwrap_err().contains("figures of room 3"));
        assert!(judge(&args(2, 1, 1), &reports, 3, false).unwrap_err().contains("mirrors differ"));
    }

    /// An invitation may name a host, which is looked up; what is no address is named.
    #[test]
    fn hosts_are_looked_up() {
        assert_eq!(resolve("127.0.0.1:5").unwrap().to_string(), "127.0.0.1:5");
        assert!(resolve("localhost:5").unwrap().ip().is_loopback());
        assert!(resolve("nowhere").unwrap_err().to_string().contains("nowhere"));
    }

    /// A run of `NaN` seconds would never end.
    #[test]
    fn no_number_is_no_duration() {
        assert_eq!((within::<100>("0"), within::<100>("99.5")), (Ok(0.0), Ok(99.5)));
        for wrong in ["NaN", "inf", "-1", "101", "", "x"] {
            assert!(within::<100>(wrong).is_err(), "{wrong}");
        }
    }
}
