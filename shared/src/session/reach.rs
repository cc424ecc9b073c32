//! The cut fields at a moment of a recording, taken from its keyframes: for going on, and for going back.
//!
//! Unlike [`super::replay`], which proves a recording by applying all of it, this trusts the last keyframe before the moment and applies
//! only what follows it.

use std::collections::BTreeSet;
use std::io::Read;

use spinor_sim::procedure::Target;
use spinor_sim::{Standing, TissueModels};
use spinor_volume::Patient;
use spinor_volume::cut::{CutOp, CutState};

use super::{Control, Keyframe, Record, ReplayError, SessionReader, restore_keyframe};
use crate::tissue::TissueRecord;
use crate::wire::WireCut;

/// Most notes of a procedure that are kept: it has some steps and some kinds of errors, and each may come again after going back.
const MOST_NOTES: usize = 4096;

/// Where a recording stands at a moment.
#[derive(Debug)]
pub struct Reached {
    /// The cut fields.
    pub cut: CutState,
    /// Fragments, tears and veil.
    pub standing: Standing,
    /// The last tick in the recording, whichever moment was asked for.
    pub tick: u32,
    /// The highest epoch in the recording.
    pub epoch: u32,
    /// Operations in the recording, those that a rewind took back included.
    pub ops: u64,
    /// The count of operations at the last keyframe in the recording.
    pub keyframe_ops: u64,
    /// Alarm thresholds that somebody set last, micrometres: caution, danger.
    pub alarm_um: Option<[u32; 2]>,
    /// Whether all tools are frozen.
    pub frozen: bool,
    /// People from whom the right to operate was taken.
    pub withdrawn: BTreeSet<u32>,
    /// The procedure that was followed last, and what was noted of it, by tick.
    pub procedure: Option<(Target, Vec<(u32, String)>)>,
    /// The models that tissues followed last; none in recordings that name none.
    pub models: Option<TissueModels>,
}

/// Something that changes the cut fields, or holds them.
enum Entry {
    Op(u32, WireCut),
    Tissue(TissueRecord),
    Frame(Keyframe),
}

impl Entry {
    fn tick(&self) -> u32 {
        match self {
            Self::Op(tick, _) => *tick,
            Self::Tissue(record) => record.tick,
            Self::Frame(keyframe) => keyframe.tick,
        }
    }
}

/// Reads a recording from where the reader stands to its end, and returns the cut fields at the end of tick `to`, or of the recording where none is given. What a
/// rewind took back does not count. The case's record is skipped: `patient` has to be the recording's.
///
/// # Errors
/// When the recording is damaged before its end, or belongs to another patient. A torn tail is not an error.
pub fn reach<R: Read>(reader: &mut SessionReader<R>, patient: &Patient, to: Option<u32>) -> Result<Reached, ReplayError> {
    let mut line: Vec<Entry> = Vec::new();
    let (mut last, mut epoch, mut ops, mut keyframe_ops) = (0, 0, 0, 0);
    let (mut alarm_um, mut frozen, mut withdrawn) = (None, false, BTreeSet::new());
    let mut procedure: Option<(Target, Vec<(u32, String)>)> = None;
    let (mut last_tick, mut models): (Option<u32>, Option<TissueModels>) = (None, None);
    while let Some(record) = reader.next_record()? {
        models = record.models().or(models);
        last = last.max(record.tick().unwrap_or(0));
        match record {
            Record::Tick(tick) => {
                if let Some(after) = last_tick.replace(tick.tick).filter(|last| tick.tick <= *last) {
                    return Err(ReplayError::Order { tick: tick.tick, after });
                }
                ops += tick.ops.len() as u64;
                line.extend(tick.ops.into_iter().map(|op| Entry::Op(tick.tick, op.cut)));
            }
            Record::Tissue(tissue) => {
                // Where dura and roots were in every tick is much, and nothing that stands is made of it.
                line.push(Entry::Tissue(TissueRecord { nodes: Vec::new(), ..tissue }));
            }
            Record::Keyframe(keyframe) => {
                epoch = epoch.max(keyframe.epoch);
                keyframe_ops = ops;
                line.push(Entry::Frame(keyframe));
            }
            Record::Epoch { epoch: begun, from_tick, .. } => {
                epoch = epoch.max(begun);
                line.retain(|entry| entry.tick() <= from_tick);
            }
            Record::Control { tick, control, .. } => match control {
                Control::Alarm { caution_um, danger_um } => alarm_um = Some([caution_um, danger_um]),
                Control::Freeze(on) => frozen = on,
                Control::Tool { user, given: false } => {
                    withdrawn.insert(user);
                }
                Control::Tool { user, given: true } | Control::Pass { to: user, .. } => {
                    withdrawn.remove(&user);
                }
                Control::Note(words) if words.contains("procedure=") => {
                    procedure = Target::from_words(&words).map(|target| (target, Vec::new()));
                }
                Control::Note(words) => {
                    if let Some((_, noted)) = procedure.as_mut().filter(|(_, noted)| noted.len() < MOST_NOTES) {
                        noted.push((tick, words));
                    }
                }
                Control::Pause(_) => {}
            },
            _ => {}
        }
    }
    line.retain(|entry| to.is_none_or(|to| entry.tick() <= to));
    let from = line.iter().rposition(|entry| matches!(entry, Entry::Frame(_))).unwrap_or(0);
    let mut cut = CutState::new(patient.grid());
    // A keyframe holds the cut fields alone.
    let mut standing = Standing::default();
    for (n, entry) in line.into_iter().enumerate() {
        if let Entry::Tissue(record) = &entry {
            let tick = record.tick;
            let output = record.open().map_err(|source| ReplayError::Wire { tick, op: n as u64, source })?;
            for detached in output.detached.iter().filter(|_| n >= from) {
                detached.stamp.check(patient).map_err(|source| ReplayError::Cut { tick, op: n as u64, source })?;
                cut.stamp(patient, &detached.stamp);
            }
            standing.take(&output);
        }
        if n < from {
            continue;
        }
        match entry {
            Entry::Frame(keyframe) => cut = restore_keyframe(patient, &keyframe)?,
            Entry::Op(tick, wire) => {
                let op = CutOp::try_from(wire).map_err(|source| ReplayError::Wire { tick, op: n as u64, source })?;
                op.check(patient.grid()).map_err(|source| ReplayError::Cut { tick, op: n as u64, source })?;
                cut.apply(patient, &op);
            }
            Entry::Tissue(_) => {}
        }
    }
    Ok(Reached { cut, standing, tick: last, epoch, ops, keyframe_ops, alarm_um, frozen, withdrawn, procedure, models })
}
