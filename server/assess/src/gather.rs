//! From a recording to what happened in it: events with names, and distances and tips by tick.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use spinor_shared::session::{Control, OpRecord, Part, Record, Replay, ReplayError, ReplayState, SessionError, Tail, TickRecord};
use spinor_shared::wire::{WireCut, WireError};
use spinor_sim::tool::Shape;
use spinor_sim::{Event, Hand, Holder, Settings, Simulation, Tick, ToolInput, UserId};
use spinor_volume::cut::CutState;
use spinor_volume::{Label, Patient};
use thiserror::Error;

/// Longest session that is measured, ticks: a day at 60 Hz. A longer one is a damaged number.
const MOST_TICKS: u32 = 24 * 3_600 * 60;

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

/// One tool at one tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The tick.
    pub tick: u32,
    /// The tool and its holder.
    pub by: Holder,
    /// Its tip where bone let it be, patient LPS, mm.
    pub tip_mm: [f64; 3],
    /// Distance to the nearest neural structure, mm.
    pub nearest_mm: Option<f64>,
}

/// A neural structure through the session.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Proximity {
    /// Least distance of any tool, mm.
    pub least_mm: Option<f64>,
    /// Ticks with a tool within caution, none within danger.
    pub caution_ticks: u32,
    /// Ticks with a tool within danger.
    pub danger_ticks: u32,
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
    /// First and last tick of any record, the last excluded.
    pub ticks: [u32; 2],
    /// The patient.
    pub patient: Arc<Patient>,
    /// The cut fields at the end, by the recorded operations.
    pub cut: CutState,
    /// People by number.
    pub people: BTreeMap<u32, Person>,
    /// Recorded events by tick.
    pub events: Vec<(u32, Event)>,
    /// Tools by tick.
    pub samples: Vec<Sample>,
    /// Neural structures.
    pub proximity: BTreeMap<Label, Proximity>,
    /// Thresholds in force at the end, mm: caution, danger.
    pub thresholds_mm: [f64; 2],
    /// Ticks simulated again.
    pub simulated: u32,
    /// Ticks in which that gave other operations than the recorded ones.
    pub differing: u32,
    /// Whether the recording's writer died in the middle of a record.
    pub torn: bool,
}

impl Session {
    /// Length of the session, s.
    pub fn duration_s(&self) -> f64 {
        f64::from(self.ticks[1].saturating_sub(self.ticks[0])) / f64::from(self.tick_hz.max(1))
    }

    /// Seconds from the session's start to a tick.
    pub fn seconds(&self, tick: u32) -> f64 {
        f64::from(tick.saturating_sub(self.ticks[0])) / f64::from(self.tick_hz.max(1))
    }

    /// A person's name with the number, which tells two of one name apart.
    pub fn name(&self, user: UserId) -> String {
        self.people.get(&user.0).map_or_else(|| format!("user {}", user.0), |p| format!("{} (#{})", p.name, user.0))
    }
}

/// Reads a recording and runs its inputs again.
///
/// # Errors
/// When it is no recording, is damaged before its end, or holds what the core refuses. A torn tail is not an error.
pub fn gather<R: Read>(input: R) -> Result<Session, AssessError> {
    let mut replay = Replay::open(input)?;
    let patient = Arc::new(replay.case().patient.clone());
    let head = replay.head().clone();
    let mut state = ReplayState::new(Arc::clone(replay.case()), Part::WHOLE);
    let mut again = Again::new(Arc::clone(&patient));
    let mut people = BTreeMap::new();
    let mut events = Vec::new();
    let mut ticks: Option<[u32; 2]> = None;
    while let Some(record) = replay.next_record()? {
        if let Some(tick) = record.tick() {
            let base = ticks.map_or(tick, |t| t[0]);
            if tick.saturating_sub(base) > MOST_TICKS {
                return Err(AssessError::TooLong(tick));
            }
            ticks = Some(ticks.map_or([tick, tick + 1], |[first, last]| [first.min(tick), last.max(tick + 1)]));
        }
        state.advance(&record)?;
        match &record {
            Record::Joined { user, name, role, .. } => {
                people.insert(*user, Person { name: name.clone(), role: role.word().to_owned() });
            }
            Record::Tick(tick) => {
                for event in &tick.events {
                    let event = Event::try_from(*event).map_err(|source| AssessError::Wire { tick: tick.tick, source })?;
                    events.push((tick.tick, event));
                }
                again.tick(tick)?;
            }
            Record::Left { user, .. } | Record::Control { control: Control::Tool { user, given: false }, .. } => {
                again.put_down(UserId(*user));
            }
            Record::Control { control: Control::Alarm { caution_um, danger_um }, .. } => {
                again.simulation.set_thresholds(f64::from(*caution_um) / 1_000.0, f64::from(*danger_um) / 1_000.0);
            }
            Record::Epoch { .. } => again.restart(state.cut().clone()),
            _ => {}
        }
    }
    let settings = again.simulation.settings();
    Ok(Session {
        case: head.case_hash.iter().map(|b| format!("{b:02x}")).collect(),
        room: head.room,
        software: head.software,
        started_unix_s: head.started_unix_s,
        tick_hz: head.tick_hz,
        ticks: ticks.unwrap_or([0, 0]),
        cut: state.cut().clone(),
        people,
        events,
        thresholds_mm: [settings.caution_mm, settings.danger_mm],
        samples: again.samples,
        proximity: again.proximity,
        simulated: again.simulated,
        differing: again.differing,
        torn: matches!(replay.tail(), Tail::Torn { .. }),
        patient,
    })
}

/// The simulation run again.
struct Again {
    simulation: Simulation,
    next: Option<u32>,
    samples: Vec<Sample>,
    proximity: BTreeMap<Label, Proximity>,
    simulated: u32,
    differing: u32,
}

impl Again {
    fn new(patient: Arc<Patient>) -> Self {
        let simulation = Simulation::new(patient, Settings::default());
        Self { simulation, next: None, samples: Vec::new(), proximity: BTreeMap::new(), simulated: 0, differing: 0 }
    }

    /// A new epoch starts with empty hands, as the server starts it.
    fn restart(&mut self, cut: CutState) {
        let (patient, fields) = (Arc::clone(self.simulation.patient()), Arc::clone(self.simulation.fields()));
        self.simulation = Simulation::with_fields(patient, fields, *self.simulation.settings());
        self.simulation.restore(cut);
        self.next = None;
    }

    fn put_down(&mut self, user: UserId) {
        for hand in [Hand::Left, Hand::Right] {
            self.simulation.remove_tool(user, hand);
        }
    }

    /// A recorded tick, after the ticks before it in which nothing was recorded.
    fn tick(&mut self, record: &TickRecord) -> Result<(), AssessError> {
        for idle in self.next.unwrap_or(record.tick)..record.tick {
            self.step(idle, &[], &[]);
        }
        let inputs = record.inputs.iter().map(|(user, input)| input.of(UserId(*user))).collect::<Result<Vec<_>, _>>();
        let inputs = inputs.map_err(|source| AssessError::Wire { tick: record.tick, source })?;
        self.step(record.tick, &inputs, &record.ops);
        self.next = Some(record.tick.saturating_add(1));
        Ok(())
    }

    fn step(&mut self, tick: u32, inputs: &[ToolInput], recorded: &[OpRecord]) {
        let output = self.simulation.step(Tick(tick), inputs);
        let same =
            output.ops.len() == recorded.len() && output.ops.iter().zip(recorded).all(|(a, b)| WireCut::from(&a.op) == b.cut);
        self.simulated += 1;
        self.differing += u32::from(!same);
        let simulation = &self.simulation;
        let settings = simulation.settings();
        let mut least: BTreeMap<Label, i32> = BTreeMap::new();
        for state in simulation.tools() {
            let nearest_mm = state.nearest.map(|n| mm(n.distance_um));
            self.samples.push(Sample { tick, by: state.holder(), tip_mm: state.proxy.tip_mm(), nearest_mm });
            let Some(rotation) = state.proxy.rotation() else { continue };
            let shape = Shape::new(state.input.tool, state.input.size_tenth_mm, settings);
            let grid = simulation.patient().grid();
            for (label, distance) in simulation.fields().distances_um(grid, &shape, &rotation, state.proxy.tip_mm()) {
                if let Some(um) = distance {
                    least.entry(label).and_modify(|l| *l = (*l).min(um)).or_insert(um);
                }
            }
        }
        for (label, um) in least {
            let distance = mm(um);
            let uncertainty = simulation.patient().structure(label).map_or(0.0, |s| f64::from(s.uncertainty_mm));
            let widened = uncertainty.clamp(0.0, settings.widening_limit_mm);
            let entry = self.proximity.entry(label).or_default();
            entry.least_mm = Some(entry.least_mm.map_or(distance, |l| l.min(distance)));
            entry.danger_ticks += u32::from(distance < settings.danger_mm + widened);
            entry.caution_ticks += u32::from((settings.danger_mm + widened..settings.caution_mm + widened).contains(&distance));
        }
    }
}

fn mm(um: i32) -> f64 {
    f64::from(um) / 1_000.0
}
