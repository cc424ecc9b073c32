//! From a recording to what happened in it: events with names, and distances and tips by tick.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::sync::Arc;

use spinor_shared::session::{Control, Keyframe, Part, Record, Replay, ReplayError, ReplayState, SessionError, Tail};
use spinor_shared::wire::WireError;
use spinor_sim::procedure::Target;
use spinor_sim::{Event, Standing, TissueModels, UserId};
use spinor_volume::cut::CutState;
use spinor_volume::measure::{LiveMeasures, Reference};
use spinor_volume::{Label, Patient};
use thiserror::Error;

use crate::again::Again;
pub use crate::again::{Followed, Proximity, Sample};
use crate::clock;
pub use crate::clock::Stall;

/// Longest session that is measured, ticks: a day at 60 Hz. A longer one is a damaged number.
const MOST_TICKS: u32 = 24 * 3_600 * 60;
/// Within so many ticks of the end of a pause or of a new epoch, time that is missing belongs to that.
const RESUMED_TICKS: u32 = 3;

/// Why a recording cannot be measured.
#[derive(Debug, Error)]
pub enum AssessError {
    /// The recording cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The recording cannot be read.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// An input or event that the core refuses.
    #[error("tick {tick}: {source}")]
    Wire {
        /// The tick.
        tick: u32,
        /// What is wrong.
        source: WireError,
    },
    /// A tick number that no session reaches.
    #[error("the recording claims tick {0}, more than a day: it is damaged")]
    TooLong(u32),
}

/// A person in a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name on the invitation.
    pub name: String,
    /// The role on the invitation.
    pub role: String,
}

/// What somebody who directs the room did, or the room itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directed {
    /// At which tick.
    pub tick: u32,
    /// Who; none where the room went back without a name.
    pub user: Option<UserId>,
    /// What.
    pub what: Direction,
}

/// What was directed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Direction {
    /// As recorded.
    Control(Control),
    /// The session went back to the end of another tick; work after it no longer counts.
    Rewind {
        /// The tick it went back to.
        to: u32,
    },
}

/// All that is measured from.
#[derive(Debug)]
pub struct Session {
    /// Hash of the case, hexadecimal.
    pub case: String,
    /// The room's name.
    pub room: String,
    /// The program that recorded.
    pub software: String,
    /// When it began, seconds since 1970.
    pub started_unix_s: u64,
    /// Ticks per second.
    pub tick_hz: u32,
    /// First and last tick in which a hand held a tool, the last excluded: the session begins with the first hand and ends with the last.
    /// Those of any record where nobody held anything.
    pub ticks: [u32; 2],
    /// First and last tick of any record, the last excluded: with the time in which the room stood empty before and after.
    pub recorded: [u32; 2],
    /// The patient.
    pub patient: Arc<Patient>,
    /// The cut fields at the end, by the recorded operations.
    pub cut: CutState,
    /// People by number.
    pub people: BTreeMap<u32, Person>,
    /// Recorded events by tick.
    pub events: Vec<(u32, Event)>,
    /// What was directed, by tick.
    pub directed: Vec<Directed>,
    /// Tools by tick.
    pub samples: Vec<Sample>,
    /// Neural structures.
    pub proximity: BTreeMap<Label, Proximity>,
    /// Thresholds in force at the end, mm: caution, danger.
    pub thresholds_mm: [f64; 2],
    /// The room's thresholds from a tick on, mm: caution, danger; before each structure's own widening.
    pub thresholds: Vec<(u32, [f64; 2])>,
    /// By how much each neural structure's uncertainty widens them, mm.
    pub widened_mm: BTreeMap<Label, f64>,
    /// Version of the recording's format; those before 2 know five tools, no heat and no retraction.
    pub version: u16,
    /// Canal, facets, pars and foramina at the end; none where they were not asked for, why not where the anatomy was not found.
    pub measured: Option<Result<LiveMeasures, String>>,
    /// The procedure that a note in the recording names, followed through it; why not, where its patient has no such place.
    pub procedure: Option<Result<Followed, String>>,
    /// Which models the tissues followed at the end.
    pub tissues: TissueModels,
    /// Fragments, tears and veil at the end, by what was recorded of tissues.
    pub standing: Standing,
    /// Names of the kinds of events that the simulation, run again, made.
    pub simulated_kinds: BTreeSet<String>,
    /// When the server stood still, by the hands' own count of their inputs; pauses and rewinds are none.
    pub stalls: Vec<Stall>,
    /// Ticks simulated again.
    pub simulated: u32,
    /// Ticks in which that gave other operations than the recorded ones.
    pub differing: u32,
    /// Digests of the patient's state in the recording.
    pub digests: u32,
    /// How many of them the recorded operations do not lead to.
    pub digests_differing: u32,
    /// Whether the recording's writer died in the middle of a record.
    pub torn: bool,
}

impl Session {
    /// Length of the session, s: from the first hand with a tool to the last.
    pub fn duration_s(&self) -> f64 {
        f64::from(self.ticks[1].saturating_sub(self.ticks[0])) / f64::from(self.tick_hz.max(1))
    }

    /// Seconds from the session's start to a tick; 0 before it.
    pub fn seconds(&self, tick: u32) -> f64 {
        f64::from(tick.saturating_sub(self.ticks[0])) / f64::from(self.tick_hz.max(1))
    }

    /// How long the recording had run before the first hand held a tool, and went on after the last had, s.
    pub fn empty_s(&self) -> [f64; 2] {
        let ticks = [self.ticks[0].saturating_sub(self.recorded[0]), self.recorded[1].saturating_sub(self.ticks[1])];
        ticks.map(|n| f64::from(n) / f64::from(self.tick_hz.max(1)))
    }

    /// Thresholds in force for a structure at a tick, mm: caution, danger.
    pub fn thresholds_of(&self, structure: Label, tick: u32) -> [f64; 2] {
        let before = self.thresholds.partition_point(|(from, _)| *from <= tick);
        let base = before.checked_sub(1).and_then(|k| self.thresholds.get(k)).map_or(self.thresholds_mm, |(_, mm)| *mm);
        base.map(|mm| mm + self.widened_mm.get(&structure).copied().unwrap_or(0.0))
    }

    /// A person's name with the number, which tells two of one name apart.
    pub fn name(&self, user: UserId) -> String {
        self.people.get(&user.0).map_or_else(|| format!("user {}", user.0), |p| format!("{} (#{})", p.name, user.0))
    }
}

/// Reads a recording, runs its inputs again, and measures canal, facets, pars and foramina at its end.
///
/// # Errors
/// When it is no recording, is damaged before its end, or holds what the core refuses. A torn tail is not an error.
pub fn gather<R: Read>(input: R) -> Result<Session, AssessError> {
    gather_with(input, &Options::default())
}

/// How a recording is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether canal, facets, pars and foramina are measured, which takes seconds; else their figures are absent.
    pub anatomy: bool,
    /// The procedure that is followed; none: the one that a note in the recording names.
    pub target: Option<Target>,
}

impl Default for Options {
    fn default() -> Self {
        Self { anatomy: true, target: None }
    }
}

/// Reads the version of the format, and gives the bytes back to the reader.
fn peek<R: Read>(mut input: R) -> std::io::Result<(u16, impl Read)> {
    let mut start = Vec::new();
    input.by_ref().take(12).read_to_end(&mut start)?;
    let version = start.get(8..10).map_or(0, |v| u16::from_le_bytes([v[0], v[1]]));
    Ok((version, Cursor::new(start).chain(input)))
}

/// As [`gather`], with options.
///
/// # Errors
/// As [`gather`].
pub fn gather_with<R: Read>(input: R, options: &Options) -> Result<Session, AssessError> {
    let peeked = peek(input).map_err(|source| SessionError::Io { what: "cannot read the recording", source })?;
    let (version, input) = peeked;
    let mut replay = Replay::open(input)?;
    let patient = Arc::new(replay.case().patient.clone());
    let head = replay.head().clone();
    let mut state = ReplayState::new(Arc::clone(replay.case()), Part::WHOLE);
    let mut again = Again::new(Arc::clone(&patient));
    if let Some(target) = options.target {
        again.follow(target);
    }
    let mut thresholds = vec![(0, again.thresholds_mm())];
    let mut people = BTreeMap::new();
    let mut events = Vec::new();
    let mut directed = Vec::new();
    let (mut digests, mut digests_differing) = (0, 0);
    // Ticks at which the room's time had been let stand still, or hands were emptied.
    let mut ended: Vec<u32> = Vec::new();
    let mut ticks: Option<[u32; 2]> = None;
    while let Some(record) = replay.next_record()? {
        if let Some(tick) = record.tick() {
            let base = ticks.map_or(tick, |t| t[0]);
            if tick.saturating_sub(base) > MOST_TICKS {
                return Err(AssessError::TooLong(tick));
            }
            let after = tick.saturating_add(1);
            ticks = Some(ticks.map_or([tick, after], |[first, last]| [first.min(tick), last.max(after)]));
        }
        state.advance(&record)?;
        if let Record::Digest { digest, .. } | Record::Keyframe(Keyframe { digest, .. }) = &record {
            digests += 1;
            digests_differing += u32::from(*digest != state.cut().digest());
        }
        if let Record::Control { control: Control::Note(words), .. } = &record
            && options.target.is_none()
            && words.contains("procedure=")
        {
            match Target::from_words(words) {
                Some(target) => again.follow(target),
                None => again.follow_none(),
            }
        }
        if let Record::Control { tick, user, control } = &record {
            let what = Direction::Control(control.clone());
            directed.push(Directed { tick: *tick, user: Some(UserId(*user)), what });
        }
        let emptied = record.emptied_hands();
        if !emptied.is_empty() {
            again.put_down(record.tick().unwrap_or(0), &emptied);
        }
        if let Some(models) = record.models() {
            again.set_tissues(models);
        }
        match &record {
            Record::Joined { user, name, role, .. } => {
                people.insert(*user, Person { name: name.clone(), role: role.word().to_owned() });
            }
            Record::Tick(tick) => {
                let from = events.len();
                for event in &tick.events {
                    let event = Event::try_from(*event).map_err(|source| AssessError::Wire { tick: tick.tick, source })?;
                    events.push((tick.tick, event));
                }
                again
                    .tick(tick, events.get(from..).unwrap_or_default())
                    .map_err(|source| AssessError::Wire { tick: tick.tick, source })?;
            }
            Record::Control { tick, control: Control::Alarm { caution_um, danger_um }, .. } => {
                again.set_thresholds(*tick, f64::from(*caution_um) / 1_000.0, f64::from(*danger_um) / 1_000.0);
                thresholds.push((*tick, again.thresholds_mm()));
            }
            Record::Control { tick, control: Control::Pause(false), .. } => ended.push(*tick),
            Record::Epoch { tick, from_tick, .. } => {
                ended.push(*tick);
                let back = (from_tick < tick).then_some(*from_tick);
                if back.is_some() {
                    directed.push(Directed { tick: *tick, user: None, what: Direction::Rewind { to: *from_tick } });
                }
                again.restart(state.cut().clone(), state.standing(), back);
            }
            _ => {}
        }
    }
    let stalls = clock::mark(&mut again.samples, &|tick| ended.iter().any(|end| end.abs_diff(tick) <= RESUMED_TICKS));
    let recorded = ticks.unwrap_or([0, 0]);
    // A room stands open before anybody has come and after all have gone: that is nobody's time.
    let held = || again.samples.iter().map(|s| s.tick);
    let ticks = held().min().zip(held().max()).map_or(recorded, |(first, last)| [first, last.saturating_add(1)]);
    let thresholds_mm = again.thresholds_mm();
    let widened_mm = again.widened_mm();
    let measured = options.anatomy.then(|| measured(&patient, state.cut()));
    let procedure = again.finish(state.cut(), measured.as_ref().and_then(|m| m.as_ref().ok()));
    Ok(Session {
        case: head.case_hash.iter().map(|b| format!("{b:02x}")).collect(),
        room: head.room,
        software: head.software,
        started_unix_s: head.started_unix_s,
        tick_hz: head.tick_hz,
        ticks,
        recorded,
        cut: state.cut().clone(),
        tissues: again.tissues(),
        standing: state.standing().clone(),
        people,
        events,
        directed,
        thresholds_mm,
        thresholds,
        widened_mm,
        procedure,
        measured,
        version,
        simulated_kinds: again.kinds,
        samples: again.samples,
        proximity: again.proximity,
        stalls,
        simulated: again.simulated,
        differing: again.differing,
        digests,
        digests_differing,
        torn: matches!(replay.tail(), Tail::Torn { .. }),
        patient,
    })
}

fn measured(patient: &Patient, cut: &CutState) -> Result<LiveMeasures, String> {
    let reference = Reference::build(patient).map_err(|e| format!("the anatomy was not found: {e}"))?;
    Ok(reference.measure(patient, cut))
}
