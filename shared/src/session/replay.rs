//! Replaying a recording's operations, and checking the digests on the way.
//!
//! Replay applies operations and never loads a keyframe: a recording proves itself from its first cut to its last. Bricks do not
//! influence each other, so the bricks may be divided among any number of replays ([`Part`]) whose digests add up to the whole.

use std::io::Read;
use std::sync::Arc;

use spinor_sim::input::TICKS_PER_SECOND;
use spinor_sim::{Standing, TissueOutput};
use spinor_volume::BrickIndex;
use spinor_volume::cut::Dirty;
use spinor_volume::cut::{CutError, CutOp, CutState};
use thiserror::Error;

use super::{Record, SessionError, SessionHead, SessionReader, Tail};
use crate::case::{Case, CaseError, CaseHash, case_hash};
use crate::wire::WireError;

/// Which bricks a replay applies operations to: those whose number leaves `index` when divided by `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// This part.
    pub index: u32,
    /// Number of parts, at least 1.
    pub of: u32,
}

impl Part {
    /// All bricks.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    fn holds(self, brick: BrickIndex) -> bool {
        brick.0 % self.of.max(1) == self.index
    }
}

/// Why a replay stopped.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The recording cannot be read.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The case inside it cannot be read.
    #[error("the recording's case: {0}")]
    Case(#[from] CaseError),
    /// The case inside is not the one the recording names.
    #[error("the recording names case {named} but holds {held}")]
    OtherCase {
        /// As the head says.
        named: String,
        /// Of the bytes.
        held: String,
    },
    /// A tick that comes a second time, or after a later one: nobody writes that.
    #[error("the record of tick {tick} follows that of tick {after}: the recording was altered")]
    Order {
        /// The tick.
        tick: u32,
        /// The one before it in the recording.
        after: u32,
    },
    /// An operation that no patient admits.
    #[error("operation {op} at tick {tick}: {source}")]
    Cut {
        /// The tick.
        tick: u32,
        /// Counted from the recording's start.
        op: u64,
        /// What is wrong with it.
        source: CutError,
    },
    /// An operation that does not decode.
    #[error("operation {op} at tick {tick}: {source}")]
    Wire {
        /// The tick.
        tick: u32,
        /// Counted from the recording's start.
        op: u64,
        /// What is wrong with it.
        source: WireError,
    },
}

/// A recording opened for replay: its head, its case, and the records after them.
#[derive(Debug)]
pub struct Replay<R: Read> {
    head: SessionHead,
    case: Arc<Case>,
    reader: SessionReader<R>,
}

impl<R: Read> Replay<R> {
    /// Opens a recording and its case.
    ///
    /// # Errors
    /// When either cannot be read, or they do not belong together.
    pub fn open(input: R) -> Result<Self, ReplayError> {
        let mut reader = SessionReader::open(input)?;
        let Some(Record::Head(head)) = reader.next_record()? else {
            return Err(SessionError::Incomplete("head").into());
        };
        if head.tick_hz != TICKS_PER_SECOND {
            return Err(SessionError::TickRate(head.tick_hz).into());
        }
        let Some(Record::Case(bytes)) = reader.next_record()? else {
            return Err(SessionError::Incomplete("case").into());
        };
        let held = case_hash(&bytes)?;
        if held.0 != head.case_hash {
            return Err(ReplayError::OtherCase { named: CaseHash(head.case_hash).to_string(), held: held.to_string() });
        }
        let case = Case::decode(&bytes)?;
        Ok(Self { head, case: Arc::new(case), reader })
    }

    /// What was recorded.
    pub fn head(&self) -> &SessionHead {
        &self.head
    }

    /// The case it was recorded on.
    pub fn case(&self) -> &Arc<Case> {
        &self.case
    }

    /// The next record after head and case.
    ///
    /// # Errors
    /// As [`SessionReader::next_record`].
    pub fn next_record(&mut self) -> Result<Option<Record>, SessionError> {
        self.reader.next_record()
    }

    /// How the recording ends, once all is read.
    pub fn tail(&self) -> Tail {
        self.reader.tail()
    }
}

/// A digest that the recording holds beside the one that the replay reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// After which tick.
    pub tick: u32,
    /// As recorded.
    pub recorded: u64,
    /// As replayed, of the replay's part of the bricks.
    pub replayed: u64,
}

/// What a replay found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplaySummary {
    /// The last tick that any record names, plus one.
    pub ticks: u32,
    /// Operations applied.
    pub ops: u64,
    /// Digests in the order of the recording.
    pub checks: Vec<Check>,
    /// Digest of the part at the end.
    pub digest: u64,
}

impl ReplaySummary {
    /// Adds the digests of another part of the same recording.
    pub fn add(&mut self, other: &Self) {
        for (check, more) in self.checks.iter_mut().zip(&other.checks) {
            check.replayed = check.replayed.wrapping_add(more.replayed);
        }
        self.digest = self.digest.wrapping_add(other.digest);
    }

    /// Number of digests that differ. Meaningful once all parts are added.
    pub fn mismatches(&self) -> usize {
        self.checks.iter().filter(|check| check.recorded != check.replayed).count()
    }
}

/// What a record took from the cut fields' solid.
#[derive(Clone, Debug)]
enum Taken {
    Op(CutOp),
    Tissue(Arc<TissueOutput>),
}

/// The cut fields of a recording, advanced record by record. Keeps the operations that count, so that a rewind can be followed.
#[derive(Debug)]
pub struct ReplayState {
    case: Arc<Case>,
    part: Part,
    cut: CutState,
    standing: Standing,
    ops: Vec<(u32, Taken)>,
    total: u64,
    last_tick: Option<u32>,
}

impl ReplayState {
    /// The state before the first record.
    pub fn new(case: Arc<Case>, part: Part) -> Self {
        let cut = CutState::new(case.patient.grid());
        Self { case, part, cut, standing: Standing::default(), ops: Vec::new(), total: 0, last_tick: None }
    }

    /// The cut fields after the records so far.
    pub fn cut(&self) -> &CutState {
        &self.cut
    }

    /// Fragments, tears and veil after the records so far.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Operations applied so far, those that a rewind took back included.
    pub fn ops(&self) -> u64 {
        self.total
    }

    /// Takes in one record, and returns what changed: the bricks to mesh again, or none where all has to be.
    ///
    /// # Errors
    /// When an operation is not one, or ticks do not follow each other. The cut fields hold what came before it.
    pub fn advance(&mut self, record: &Record) -> Result<Option<Vec<Dirty>>, ReplayError> {
        match record {
            Record::Tick(record) => {
                if let Some(after) = self.last_tick.filter(|last| record.tick <= *last) {
                    return Err(ReplayError::Order { tick: record.tick, after });
                }
                self.last_tick = Some(record.tick);
                let mut dirty = Vec::new();
                for op in &record.ops {
                    let (tick, n) = (record.tick, self.total);
                    let op = CutOp::try_from(op.cut).map_err(|source| ReplayError::Wire { tick, op: n, source })?;
                    op.check(self.case.patient.grid()).map_err(|source| ReplayError::Cut { tick, op: n, source })?;
                    let taken = Taken::Op(op);
                    dirty.extend(self.apply(&taken));
                    self.ops.push((tick, taken));
                    self.total += 1;
                }
                Ok(Some(dirty))
            }
            Record::Tissue(record) => {
                let (tick, op) = (record.tick, self.total);
                let mut output = record.open().map_err(|source| ReplayError::Wire { tick, op, source })?;
                for detached in &output.detached {
                    detached.stamp.check(&self.case.patient).map_err(|source| ReplayError::Cut { tick, op, source })?;
                }
                // Where dura and roots were in every tick is much, and nothing that stands is made of it.
                output.nodes.clear();
                if output.is_empty() {
                    return Ok(Some(Vec::new()));
                }
                let taken = Taken::Tissue(Arc::new(output));
                let dirty = self.apply(&taken);
                self.ops.push((tick, taken));
                Ok(Some(dirty))
            }
            Record::Epoch { from_tick, .. } if self.ops.last().is_some_and(|(tick, _)| tick > from_tick) => {
                self.ops.retain(|(tick, _)| tick <= from_tick);
                (self.cut, self.standing) = (CutState::new(self.case.patient.grid()), Standing::default());
                let ops = std::mem::take(&mut self.ops);
                for (_, op) in &ops {
                    self.apply(op);
                }
                self.ops = ops;
                Ok(None)
            }
            _ => Ok(Some(Vec::new())),
        }
    }

    fn apply(&mut self, taken: &Taken) -> Vec<Dirty> {
        let part = self.part;
        let (patient, keep) = (&self.case.patient, |brick| part.holds(brick));
        match taken {
            Taken::Op(op) => self.cut.apply_where(patient, op, &keep).dirty,
            Taken::Tissue(output) => {
                self.standing.take(output);
                let stamps = output.detached.iter();
                stamps.flat_map(|detached| self.cut.stamp_where(patient, &detached.stamp, &keep).dirty).collect()
            }
        }
    }
}

/// Replays a recording up to and with tick `to` (or to its end) on one part of the bricks.
///
/// # Errors
/// When the recording is damaged before its end. A torn tail is not an error.
pub fn replay<R: Read>(replay: &mut Replay<R>, part: Part, to: Option<u32>) -> Result<(CutState, ReplaySummary), ReplayError> {
    let mut state = ReplayState::new(Arc::clone(&replay.case), part);
    let mut summary = ReplaySummary::default();
    while let Some(record) = replay.next_record()? {
        let tick = record.tick().unwrap_or(0);
        if to.is_some_and(|to| tick > to) {
            break;
        }
        summary.ticks = summary.ticks.max(tick.saturating_add(1));
        state.advance(&record)?;
        let recorded = match &record {
            Record::Digest { digest, .. } => *digest,
            Record::Keyframe(keyframe) => keyframe.digest,
            _ => continue,
        };
        summary.checks.push(Check { tick, recorded, replayed: state.cut.digest() });
    }
    summary.ops = state.total;
    summary.digest = state.cut.digest();
    Ok((state.cut, summary))
}
