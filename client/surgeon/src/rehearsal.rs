//! Performing a procedure in process, without a network, and writing the recording that a server would write.
//!
//! The simulation is the server's and the records are the server's: the case, every tick's inputs, operations and events, a digest every
//! second, keyframes. What replays and assesses a session from a room does so with a rehearsal too. It stands here and not in the server
//! because it needs neither engine nor network; it is behind the feature `record` because a surgeon alone needs no file.

use std::io::Write;
use std::sync::Arc;

use spinor_shared::case::{Case, CaseHash};
use spinor_shared::room::Role;
use spinor_shared::session::{Control, Record, SessionError, SessionHead, SessionWriter, TickRecord, keyframe_of};
use spinor_shared::tissue::TissueRecord;
use spinor_shared::wire::WireError;
use spinor_sim::procedure::{Measured, Note, SiteError, Target, Tracker};
use spinor_sim::{NeuralFields, Settings, Simulation, StepOutput, Tick, TissueModels};
use spinor_volume::measure::Reference;
use spinor_volume::{CutState, Label, Patient};
use thiserror::Error;

use crate::{PhaseReport, Skill, Surgeon, View};

/// Ticks between two digests with operations between, as the server writes them.
const DIGEST_EVERY: u32 = 60;
/// Ticks between two measurements of the canal for a step that waits for them.
const MEASURE_EVERY: u32 = 300;
/// Operations between two keyframes, as the server writes them.
const KEYFRAME_OPS: u64 = 2_000;
/// Ticks after which a surgeon who has not come to an end is stopped: half an hour. The recording is closed there, and says so.
pub const MOST_TICKS: u32 = 30 * 60 * 60;
/// Ticks after the last input, so that contacts end in the recording.
const AFTER_TICKS: u32 = 30;

/// Why a rehearsal failed.
#[derive(Debug, Error)]
pub enum RehearsalError {
    /// The patient has no place for the procedure.
    #[error("finding the place of the operation: {0}")]
    Site(#[from] SiteError),
    /// The recording cannot be written.
    #[error("writing the recording: {0}")]
    Session(#[from] SessionError),
    /// What tissues did cannot be recorded.
    #[error("recording the tissues: {0}")]
    Wire(#[from] WireError),
}

/// What is rehearsed, and by whom.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// The procedure, its level and side.
    pub target: Target,
    /// The surgeon's skill.
    pub skill: Skill,
    /// Seed of tremor; another seed is another day.
    pub seed: u64,
    /// When the recording says that it began, seconds since 1970.
    pub started_unix_s: u64,
    /// Which models tissues follow.
    pub tissues: TissueModels,
}

/// How far a rehearsal has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Ticks performed.
    pub tick: u32,
    /// What the surgeon is at.
    pub phase: &'static str,
    /// Steps of the procedure that are done.
    pub steps_done: usize,
    /// Steps of the procedure.
    pub steps: usize,
}

/// What a rehearsal came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Ticks performed.
    pub ticks: u32,
    /// Operations that were applied.
    pub ops: u64,
    /// [`spinor_volume::CutState::digest`] at the end.
    pub digest: u64,
    /// Bytes of the recording.
    pub bytes: u64,
    /// The phase in which the surgeon was stopped, by who watched or after [`MOST_TICKS`]; none where the surgeon came to an end, whether or
    /// not all steps were done.
    pub stopped: Option<&'static str>,
    /// How often the surgeon drew back from a nerve.
    pub scares: u32,
    /// How often the surgeon answered an alarm.
    pub answers: u32,
    /// The surgeon's phases.
    pub phases: Vec<PhaseReport>,
    /// Measures of the site before the first cut.
    pub before: Measured,
    /// Measures of the site at the end.
    pub after: Measured,
    /// The steps of the procedure and which sentinel errors happened, as the tracker judged.
    pub tracker: Tracker,
    /// The simulation as it was left.
    pub simulation: Simulation,
}

impl Rehearsal {
    /// Performs the procedure on a case and writes the recording. `case_bytes` is the case file as it is, `hash` its hash.
    ///
    /// # Errors
    /// When the patient has no such place, or the recording cannot be written.
    pub fn perform<W: Write>(&self, case: &Case, case_bytes: Vec<u8>, hash: CaseHash, out: W) -> Result<Outcome, RehearsalError> {
        self.perform_watched(case, case_bytes, hash, out, &mut |_| true)
    }

    /// As [`Self::perform`], telling how far it has come after every tick; where that is answered with false, the surgeon puts down the
    /// tools, and the recording is closed as it stands.
    ///
    /// # Errors
    /// As [`Self::perform`].
    pub fn perform_watched<W: Write>(
        &self,
        case: &Case,
        case_bytes: Vec<u8>,
        hash: CaseHash,
        out: W,
        goes_on: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Outcome, RehearsalError> {
        let patient = Arc::new(case.patient.clone());
        let settings = Settings::with_tissues(self.tissues);
        let fields = NeuralFields::build(&patient, &settings);
        let mut simulation = Simulation::with_fields(Arc::clone(&patient), fields, settings);
        let mut surgeon = Surgeon::new(&patient, self.target, self.skill, self.seed)?;
        let mut tracker = Tracker::at(&patient, self.target, surgeon.site().clone());
        let meter = Meter::new(&patient, self.target.level);
        let before = meter.measure(&patient, simulation.cut());
        let user = surgeon.user().0;
        let mut writer = SessionWriter::create(out)?;
        writer.append(&Record::Head(SessionHead {
            case_hash: hash.0,
            room: "rehearsal".to_owned(),
            software: format!("spinor {}", env!("CARGO_PKG_VERSION")),
            started_unix_s: self.started_unix_s,
            tick_hz: spinor_sim::input::TICKS_PER_SECOND,
        }))?;
        writer.append(&Record::Case(case_bytes))?;
        writer.append(&Record::of_models(0, settings.tissues()))?;
        writer.append(&Record::Joined {
            tick: 0,
            user,
            name: format!("Scripted, {}", self.skill.name()),
            role: Role::Attending,
        })?;
        writer.append(&Record::Control { tick: 0, user, control: Control::Note(self.words()) })?;
        let (mut ops, mut keyframe_ops, mut digested, mut op_tick) = (0_u64, 0_u64, 0_u32, 0_u32);
        let mut last = StepOutput::default();
        let (mut tick, mut measured) = (0, 0);
        let mut idle = AFTER_TICKS;
        let mut stopped = None;
        while idle > 0 {
            tick += 1;
            let tools: Vec<_> = simulation.tools().copied().collect();
            let view = View { tools: &tools, events: &last.events, cut: simulation.cut(), tick };
            let inputs = if stopped.is_some() { Vec::new() } else { surgeon.next(&patient, &view) };
            idle -= u32::from(surgeon.done() || stopped.is_some());
            last = simulation.step(Tick(tick), &inputs);
            ops += last.ops.len() as u64;
            if !last.touched.is_empty() {
                op_tick = tick;
            }
            if !inputs.is_empty() || !last.ops.is_empty() || !last.events.is_empty() || !last.tissue.is_empty() {
                writer.append(&Record::Tick(TickRecord::new(tick, &inputs, &last)))?;
            }
            if !last.tissue.is_empty() {
                writer.append(&Record::Tissue(TissueRecord::new(tick, &last.tissue)?))?;
            }
            let tools: Vec<_> = simulation.tools().copied().collect();
            let mut notes = tracker.update(&patient, simulation.cut(), tick, &tools, &last.events, None);
            if tracker.awaits_measures() && tick >= measured + MEASURE_EVERY {
                measured = tick;
                let now = meter.measure(&patient, simulation.cut());
                notes.extend(tracker.update(&patient, simulation.cut(), tick, &[], &[], Some(&now)));
            }
            self.note(&tracker, &notes, tick, user, &mut writer)?;
            if ops >= keyframe_ops + KEYFRAME_OPS {
                writer.append(&Record::Keyframe(keyframe_of(simulation.cut(), tick, 0, ops)?))?;
                (keyframe_ops, digested) = (ops, tick);
            } else if tick >= digested + DIGEST_EVERY && op_tick >= digested {
                writer.append(&Record::Digest { tick, digest: simulation.cut().digest() })?;
                digested = tick;
            }
            if surgeon.done() || stopped.is_some() {
                continue;
            }
            let phase = surgeon.reports().last().map_or("start", |p| p.name);
            let steps_done = tracker.status().iter().filter(|s| s.is_done()).count();
            let asked = !goes_on(Progress { tick, phase, steps_done, steps: tracker.steps().len() });
            if asked || tick >= MOST_TICKS {
                let why = if asked { "when asked to" } else { "at the limit of half an hour" };
                let words = format!("stopped {why}, at \"{phase}\"");
                writer.append(&Record::Control { tick, user, control: Control::Note(words) })?;
                stopped = Some(phase);
            }
        }
        let after = meter.measure(&patient, simulation.cut());
        let mut notes = tracker.finish(&patient, simulation.cut());
        notes.extend(tracker.update(&patient, simulation.cut(), tick, &[], &[], Some(&after)));
        self.note(&tracker, &notes, tick, user, &mut writer)?;
        writer.append(&Record::Keyframe(keyframe_of(simulation.cut(), tick, 0, ops)?))?;
        writer.append(&Record::Left { tick, user })?;
        writer.append(&Record::Closed { tick })?;
        Ok(Outcome {
            ticks: tick,
            ops,
            digest: simulation.cut().digest(),
            bytes: writer.bytes(),
            stopped,
            scares: surgeon.scares(),
            answers: surgeon.answers(),
            phases: surgeon.reports().to_vec(),
            before,
            after,
            tracker,
            simulation,
        })
    }

    /// What is rehearsed, as the recording's first note says it.
    pub fn words(&self) -> String {
        format!("rehearsal: {} skill={} seed={}", self.target.words(), self.skill.name(), self.seed)
    }

    fn note<W: Write>(
        &self,
        tracker: &Tracker,
        notes: &[Note],
        tick: u32,
        user: u32,
        writer: &mut SessionWriter<W>,
    ) -> Result<(), SessionError> {
        for note in notes {
            let words = tracker.words(note);
            writer.append(&Record::Control { tick, user, control: Control::Note(words) })?;
        }
        Ok(())
    }
}

/// The live measures of one level, as far as the patient shows them.
struct Meter {
    reference: Option<Reference>,
    level: Option<usize>,
}

impl Meter {
    fn new(patient: &Patient, level: u16) -> Self {
        let reference = Reference::build(patient).ok();
        let level = reference
            .as_ref()
            .and_then(|r| r.anatomy().levels().iter().position(|l| r.anatomy().upper(l).label == Label::lumbar(level)));
        Self { reference, level }
    }

    fn measure(&self, patient: &Patient, cut: &CutState) -> Measured {
        let level = self.reference.as_ref().zip(self.level).and_then(|(r, level)| r.measure_level(patient, cut, level));
        level.as_ref().map_or_else(Measured::default, Measured::of)
    }
}
