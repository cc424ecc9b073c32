//! A recording, played like a film: forward at any speed, and to any place at once.
//!
//! The cuts come from the recording; tools, loads and alarms are not in it and are computed again from the recorded inputs, beginning a
//! little before the place that is sought. To go to a place, the nearest keyframe before it is loaded and the operations since are
//! applied: only `spinor replay --verify` plays from the first operation on.

mod index;
mod seats;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spinor_shared::case::Case;
use spinor_shared::session::{Part, Record, Replay, ReplayError, ReplayState, SessionError, SessionReader, restore_keyframe};
use spinor_sim::{
    Hand, NeuralFields, PatchNodes, Settings, Simulation, Standing, Tick, TissueModels, ToolInput, ToolState, UserId,
};
use spinor_volume::{CutOp, CutState, Dirty};
use thiserror::Error;

pub use index::Moment;
use index::{Index, Stop};
pub use seats::{Drawing, MOST_LINES, Seat, Seats};

/// Ticks before the place sought from which the simulation runs, so that tools and alarms are as they were.
const WARM_UP: u32 = 90;
/// Ticks that are rather played than jumped over.
const RATHER_PLAYED: u32 = 240;

/// Why a film cannot be shown.
#[derive(Debug, Error)]
pub enum FilmError {
    /// The file cannot be opened or read.
    #[error("cannot read {0}: {1}")]
    File(PathBuf, std::io::Error),
    /// What is in it cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A record is damaged.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// What [`Film::go_to`] changed in the cut fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These bricks, perhaps some of them more than once.
    Bricks(Vec<Dirty>),
    /// Anything: the film went to another place.
    Anything,
}

/// A recording being played.
pub struct Film {
    path: PathBuf,
    case: Arc<Case>,
    index: Index,
    reader: SessionReader<BufReader<File>>,
    /// The next record, read already, and the offset at which it starts.
    next: Option<(u64, Record)>,
    cut: CutState,
    /// Fragments, tears and veil, from the recording.
    standing: Standing,
    simulation: Simulation,
    seats: Seats,
    /// The last tick that has been played; none before the first.
    tick: Option<u32>,
    /// The newest tick with an operation that counts.
    last_op: Option<u32>,
    notes: Vec<(u32, String)>,
    /// The widest caution threshold so far, mm, and the distances that were built for it.
    widest: (f64, Arc<NeuralFields>),
}

fn open(path: &Path) -> Result<BufReader<File>, FilmError> {
    Ok(BufReader::new(File::open(path).map_err(|e| FilmError::File(path.to_owned(), e))?))
}

impl Film {
    /// Opens a recording and looks through it once. It stands before its first tick.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged before its end. A torn tail is not an error.
    pub fn open(path: &Path) -> Result<Self, FilmError> {
        let case = Arc::clone(Replay::open(open(path)?)?.case());
        let index = Index::build(&mut SessionReader::open(open(path)?)?)?;
        let simulation = Simulation::new(Arc::new(case.patient.clone()), Settings::with_tissues(TissueModels::STILL));
        let widest = (simulation.settings().caution_mm, Arc::clone(simulation.fields()));
        let mut film = Self {
            path: path.to_owned(),
            cut: CutState::new(case.patient.grid()),
            standing: Standing::default(),
            case,
            reader: SessionReader::open(open(path)?)?,
            next: None,
            simulation,
            seats: Seats::default(),
            tick: None,
            last_op: None,
            notes: Vec::new(),
            widest,
            index,
        };
        film.read_next()?;
        Ok(film)
    }

    /// The case it was recorded on.
    pub fn case(&self) -> &Arc<Case> {
        &self.case
    }

    /// The last tick of the recording.
    pub fn end(&self) -> u32 {
        self.index.end
    }

    /// The cut fields where the film stands.
    pub fn cut(&self) -> &CutState {
        &self.cut
    }

    /// Fragments, tears and veil where the film stands.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The patches of dura and roots that are away from their rest where the film stands: computed again, as tools are.
    pub fn awake_patches(&self) -> impl Iterator<Item = PatchNodes> + '_ {
        self.simulation.awake_patches()
    }

    /// The tools where the film stands.
    pub fn tools(&self) -> impl Iterator<Item = &ToolState> {
        self.simulation.tools()
    }

    /// Who is in the room, and how it is set, where the film stands.
    pub fn seats(&self) -> &Seats {
        &self.seats
    }

    /// Everybody who is in the room at any time: number and name.
    pub fn cast(&self) -> &std::collections::BTreeMap<u32, String> {
        &self.index.cast
    }

    /// What was written down or said while it was played since this was asked last: who, and the words.
    pub fn take_notes(&mut self) -> Vec<(u32, String)> {
        std::mem::take(&mut self.notes)
    }

    /// The next moment after `tick` (or the last one before it) at which an alarm rose or tissue was hurt.
    pub fn moment(&self, tick: u32, forward: bool) -> Option<&Moment> {
        self.index.moment(tick, forward)
    }

    /// Plays on to the end of a tick, or goes there. Goes no farther than the recording.
    ///
    /// # Errors
    /// When the recording is damaged there. The film stands before the damage then.
    pub fn go_to(&mut self, tick: u32) -> Result<Change, FilmError> {
        let to = tick.min(self.index.end);
        let at = self.tick;
        if at.is_some_and(|at| at == to) {
            return Ok(Change::Bricks(Vec::new()));
        }
        let ahead = at.is_none_or(|at| at < to);
        let far = to.saturating_sub(at.unwrap_or(0)) > RATHER_PLAYED;
        let warm_from = to.saturating_sub(WARM_UP);
        let stop = self.index.stop_before(warm_from);
        // Ahead, a jump is worth while only where a keyframe lies between here and there.
        let jumps = !ahead || (far && stop.is_some_and(|stop| at.is_none_or(|at| stop.tick > at)));
        let mut change = Change::Bricks(Vec::new());
        if jumps {
            let stop = stop.cloned();
            self.jump(stop.as_ref())?;
            change = Change::Anything;
        }
        let quick_until = if jumps || far { warm_from } else { 0 };
        self.play(to, quick_until, &mut change)?;
        Ok(change)
    }

    /// Goes to the end of a keyframe's tick, or before the first record.
    fn jump(&mut self, stop: Option<&Stop>) -> Result<(), FilmError> {
        let mut input = open(&self.path)?;
        self.put_tools_down();
        match stop {
            None => {
                self.reader = SessionReader::open(input)?;
                (self.cut, self.standing) = (CutState::new(self.case.patient.grid()), Standing::default());
                (self.seats, self.tick, self.last_op) = (Seats::default(), None, None);
                self.seats.tell_alarm_again();
            }
            Some(stop) => {
                input.seek(SeekFrom::Start(stop.at)).map_err(|e| FilmError::File(self.path.clone(), e))?;
                let mut reader = SessionReader::resume(input, stop.at);
                let Some(Record::Keyframe(keyframe)) = reader.next_record()? else {
                    return Err(SessionError::Incomplete("keyframe").into());
                };
                self.cut = restore_keyframe(&self.case.patient, &keyframe)?;
                (self.reader, self.standing) = (reader, stop.standing.clone());
                (self.seats, self.tick, self.last_op) = (stop.seats.clone(), Some(stop.tick), Some(stop.tick));
            }
        }
        self.simulation.restore_with(self.cut.clone(), &self.standing);
        self.simulation.set_tissues(self.seats.tissues);
        self.set_alarm();
        self.read_next()
    }

    fn set_alarm(&mut self) {
        if let Some([caution_um, danger_um]) = self.seats.alarm_changed() {
            let (caution_mm, danger_mm) = (f64::from(caution_um) / 1e3, f64::from(danger_um) / 1e3);
            // Distances take seconds to build: those of the widest thresholds so far serve all narrower ones.
            if caution_mm > self.widest.0 {
                self.simulation.set_thresholds(caution_mm, danger_mm);
                self.widest = (caution_mm, Arc::clone(self.simulation.fields()));
            } else {
                self.simulation.set_thresholds_with(caution_mm, danger_mm, Arc::clone(&self.widest.1));
            }
        }
    }

    fn put_tools_down(&mut self) {
        let hands: Vec<(UserId, Hand)> = self.simulation.tools().map(|t| (t.input.user, t.input.hand)).collect();
        for (user, hand) in hands {
            self.simulation.remove_tool(user, hand);
        }
    }

    fn read_next(&mut self) -> Result<(), FilmError> {
        let at = self.reader.at();
        self.next = self.reader.next_record()?.map(|record| (at, record));
        Ok(())
    }

    /// Plays up to and with a tick; before `quick_until` without tools.
    fn play(&mut self, to: u32, quick_until: u32, change: &mut Change) -> Result<(), FilmError> {
        let mut quick = self.tick.unwrap_or(0) < quick_until;
        while let Some((at, record)) = self.next.take() {
            let tick = record.tick().unwrap_or(0);
            if tick > to {
                self.next = Some((at, record));
                break;
            }
            if quick && tick >= quick_until {
                quick = false;
                self.simulation.restore_with(self.cut.clone(), &self.standing);
                self.tick = Some(quick_until);
            }
            if !quick {
                self.idle_until(tick, to);
            }
            self.take(at, &record, quick, change)?;
            if tick > 0 || self.tick.is_some() || matches!(record, Record::Tick(_)) {
                self.tick = Some(self.tick.unwrap_or(0).max(tick));
            }
            self.read_next()?;
        }
        if quick {
            self.simulation.restore_with(self.cut.clone(), &self.standing);
        }
        self.idle_until(to.saturating_add(1), to);
        self.tick = Some(to);
        Ok(())
    }

    /// Takes in one record.
    fn take(&mut self, at: u64, record: &Record, quick: bool, change: &mut Change) -> Result<(), FilmError> {
        match record {
            Record::Tick(tick) => {
                for (n, op) in tick.ops.iter().enumerate() {
                    let n = n as u64;
                    let op = CutOp::try_from(op.cut).map_err(|source| ReplayError::Wire { tick: tick.tick, op: n, source })?;
                    op.check(self.case.patient.grid()).map_err(|source| ReplayError::Cut { tick: tick.tick, op: n, source })?;
                    let outcome = self.cut.apply(&self.case.patient, &op);
                    if let Change::Bricks(bricks) = change {
                        bricks.extend(outcome.dirty);
                    }
                    self.last_op = Some(tick.tick);
                }
                if !quick {
                    let inputs: Vec<ToolInput> =
                        tick.inputs.iter().filter_map(|(user, input)| input.of(UserId(*user)).ok()).collect();
                    self.simulation.step(Tick(tick.tick), &inputs);
                }
            }
            Record::Tissue(tissue) => {
                let tick = tissue.tick;
                for (n, detached) in tissue.detached.iter().enumerate() {
                    let op = n as u64;
                    let stamp = detached.stamp().map_err(|source| ReplayError::Wire { tick, op, source })?;
                    stamp.check(&self.case.patient).map_err(|source| ReplayError::Cut { tick, op, source })?;
                    let outcome = self.cut.stamp(&self.case.patient, &stamp);
                    if let Change::Bricks(bricks) = change {
                        bricks.extend(outcome.dirty);
                    }
                }
                let mut output = tissue.open().map_err(|source| ReplayError::Wire { tick, op: 0, source })?;
                output.nodes.clear();
                if !output.is_empty() {
                    self.standing.take(&output);
                    self.last_op = Some(tick);
                }
            }
            Record::Epoch { from_tick, .. } if self.last_op.is_some_and(|last| last > *from_tick) => {
                // Somebody rewound the room. Which operations count from here on only the whole recording tells.
                (self.cut, self.standing) = self.rebuilt(at)?;
                self.simulation.restore_with(self.cut.clone(), &self.standing);
                self.last_op = Some(*from_tick);
                *change = Change::Anything;
            }
            _ => {}
        }
        // Hands are empty in a new epoch, as on the server; people who go on number their inputs anew.
        if matches!(record, Record::Epoch { .. }) {
            self.put_tools_down();
        }
        for (user, hand) in record.emptied_hands() {
            self.simulation.remove_tool(user, hand);
        }
        if let Some(words) = self.seats.take(record) {
            self.notes.push(words);
        }
        self.simulation.set_tissues(self.seats.tissues);
        self.set_alarm();
        Ok(())
    }

    /// The cut fields, fragments, tears and veil after all records up to and with the one that starts at an offset, from the first one on.
    fn rebuilt(&self, until: u64) -> Result<(CutState, Standing), FilmError> {
        let mut reader = SessionReader::open(open(&self.path)?)?;
        let mut state = ReplayState::new(Arc::clone(&self.case), Part::WHOLE);
        while reader.at() <= until {
            let Some(record) = reader.next_record()? else { break };
            state.advance(&record)?;
        }
        Ok((state.cut().clone(), state.standing().clone()))
    }

    /// Lets the simulation live through ticks without a record, before `tick`.
    fn idle_until(&mut self, tick: u32, to: u32) {
        let from = self.tick.map_or(0, |at| at.saturating_add(1)).max(to.saturating_sub(WARM_UP));
        for n in from..tick.min(to.saturating_add(1)) {
            self.simulation.step(Tick(n), &[]);
        }
    }
}
