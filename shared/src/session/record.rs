//! What a recording holds.

use std::io::Read;

use serde::{Deserialize, Serialize};
use spinor_sim::{Hand, ResolvedOp, StepOutput, TissueModels, ToolInput, UserId};
use spinor_volume::cut::CutState;
use spinor_volume::{BrickIndex, Patient};

use super::SessionError;
use crate::codec;
use crate::mark::Mark;
use crate::room::Role;
use crate::tissue::TissueRecord;
use crate::wire::{WireBrick, WireCut, WireEvent, WireInput, hand_from_number};

/// Largest window that a keyframe may ask the decompressor for: 2²⁵ bytes.
const WINDOW_LOG: u32 = 25;

/// First record: what was recorded, and with what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionHead {
    /// Hash of the case, as `spinor info` prints it.
    pub case_hash: [u8; 32],
    /// The room's name.
    pub room: String,
    /// Version of the program that recorded.
    pub software: String,
    /// When the recording began, seconds since 1970 (UTC).
    pub started_unix_s: u64,
    /// Ticks per second.
    pub tick_hz: u32,
}

/// A person's head at a tick, for replay from a participant's view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadPose {
    /// Whose head.
    pub user: u32,
    /// Position in patient LPS, micrometres.
    pub at_um: [i32; 3],
    /// Orientation `patient_from_head` as a quaternion x, y, z, w in 1/32,767; the head looks along its −z, its +y is up.
    pub turn: [i16; 4],
}

/// An operation: who did it with what, and the cut it became.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpRecord {
    /// Who.
    pub user: u32,
    /// With which hand.
    pub hand: u8,
    /// With which tool.
    pub tool: u8,
    /// The input it came from.
    pub input_seq: u32,
    /// What it cut.
    pub cut: WireCut,
}

impl From<&ResolvedOp> for OpRecord {
    fn from(op: &ResolvedOp) -> Self {
        let ResolvedOp { user, hand, tool, input_seq, op } = op;
        Self { user: user.0, hand: *hand as u8, tool: *tool as u8, input_seq: *input_seq, cut: WireCut::from(op) }
    }
}

/// All that one tick took in and brought about. Ticks without inputs, operations and events have no record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickRecord {
    /// The tick.
    pub tick: u32,
    /// Inputs that the simulation took, by user, in its order.
    pub inputs: Vec<(u32, WireInput)>,
    /// What they became.
    pub ops: Vec<OpRecord>,
    /// What happened.
    pub events: Vec<WireEvent>,
}

impl TickRecord {
    /// The record of a tick that took `inputs` and brought about `output`.
    pub fn new(tick: u32, inputs: &[ToolInput], output: &StepOutput) -> Self {
        Self {
            tick,
            inputs: inputs.iter().map(|input| (input.user.0, WireInput::from(*input))).collect(),
            ops: output.ops.iter().map(OpRecord::from).collect(),
            events: output.events.iter().map(WireEvent::from).collect(),
        }
    }
}

/// The cut fields at the end of a tick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyframe {
    /// The tick after which this holds.
    pub tick: u32,
    /// The epoch: a rewind or a resumption opens a new one.
    pub epoch: u32,
    /// Operations applied since the recording's start.
    pub ops: u64,
    /// [`CutState::digest`].
    pub digest: u64,
    /// The cut bricks: zstd of the codec's bytes of `Vec<WireBrick>`.
    #[serde(with = "serde_bytes")]
    pub bricks: Vec<u8>,
}

/// What somebody who directs the room did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Control {
    /// All tools stop cutting, or may cut again.
    Freeze(bool),
    /// The room's time stands still, or goes on.
    Pause(bool),
    /// `user` got or lost the right to operate.
    Tool {
        /// Whose right.
        user: u32,
        /// Whether it was given.
        given: bool,
    },
    /// Alarm thresholds changed, micrometres.
    Alarm {
        /// Caution.
        caution_um: u32,
        /// Danger.
        danger_um: u32,
    },
    /// Anything a later program knows how to name, in words.
    Note(String),
    /// A tool went from the person's hand into another's.
    Pass {
        /// Out of which hand.
        from_hand: u8,
        /// To whom.
        to: u32,
        /// Into which hand.
        hand: u8,
        /// The tool.
        tool: u8,
        /// Size of its head, 1/10 mm.
        size_tenth_mm: u8,
    },
}

/// One record of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// The first record.
    Head(SessionHead),
    /// The second record: the whole case file.
    Case(#[serde(with = "serde_bytes")] Vec<u8>),
    /// Somebody entered, or came back.
    Joined {
        /// At which tick.
        tick: u32,
        /// Who.
        user: u32,
        /// The name on the invitation.
        name: String,
        /// The role on the invitation.
        role: Role,
    },
    /// Somebody left, or their connection died.
    Left {
        /// At which tick.
        tick: u32,
        /// Who.
        user: u32,
    },
    /// A tick in which something happened.
    Tick(TickRecord),
    /// Where the heads were.
    Heads {
        /// At which tick.
        tick: u32,
        /// The heads.
        heads: Vec<HeadPose>,
    },
    /// Somebody directed the room.
    Control {
        /// At which tick.
        tick: u32,
        /// Who.
        user: u32,
        /// What.
        control: Control,
    },
    /// A request was refused.
    Refused {
        /// At which tick.
        tick: u32,
        /// Who asked.
        user: u32,
        /// Why not.
        reason: String,
    },
    /// The digest of the cut fields after a tick, for verification between keyframes.
    Digest {
        /// The tick.
        tick: u32,
        /// [`CutState::digest`].
        digest: u64,
    },
    /// The cut fields after a tick.
    Keyframe(Keyframe),
    /// A new epoch begins, with the cut fields as they were after `from_tick`: ticks go on counting, versions start anew.
    /// A resumption goes on from where the recording ended, a rewind from an earlier tick.
    Epoch {
        /// The last tick of the epoch before.
        tick: u32,
        /// Its number.
        epoch: u32,
        /// The tick whose end the epoch starts from; operations after it no longer count.
        from_tick: u32,
        /// Why.
        reason: String,
    },
    /// The room closed in order.
    Closed {
        /// The last tick.
        tick: u32,
    },
    /// What tissues did in a tick; follows that tick's [`Record::Tick`] directly.
    Tissue(TissueRecord),
    /// Which models tissues follow from here on: behind the case, and behind an epoch that a resumption opened. Where a recording names
    /// none, tissues stood still. See [`spinor_sim::TissueModels`].
    TissueModels {
        /// The first tick that they hold for.
        tick: u32,
        /// Whether tissues answer.
        answers: bool,
        /// Whether dura and roots give way.
        yields: bool,
    },
    /// Somebody pointed at something, drew or wrote.
    Said {
        /// At which tick.
        tick: u32,
        /// Who.
        user: u32,
        /// What.
        mark: Mark,
    },
}

impl Record {
    /// The hands that a record takes the tools from: those of somebody who left, or the one that handed its tool over. Who loses the right to
    /// operate keeps the tool: its trigger is let go by the inputs that are recorded.
    pub fn emptied_hands(&self) -> Vec<(UserId, Hand)> {
        match self {
            Self::Left { user, .. } => [Hand::Left, Hand::Right].map(|hand| (UserId(*user), hand)).to_vec(),
            Self::Control { user, control: Control::Pass { from_hand, .. }, .. } => {
                hand_from_number(*from_hand).map(|hand| (UserId(*user), hand)).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// The tick a record belongs to, none for the first two.
    pub fn tick(&self) -> Option<u32> {
        match self {
            Self::Head(_) | Self::Case(_) => None,
            Self::Tick(record) => Some(record.tick),
            Self::Keyframe(keyframe) => Some(keyframe.tick),
            Self::Tissue(record) => Some(record.tick),
            Self::Joined { tick, .. }
            | Self::Left { tick, .. }
            | Self::Heads { tick, .. }
            | Self::Control { tick, .. }
            | Self::Refused { tick, .. }
            | Self::Digest { tick, .. }
            | Self::Epoch { tick, .. }
            | Self::TissueModels { tick, .. }
            | Self::Said { tick, .. }
            | Self::Closed { tick } => Some(*tick),
        }
    }

    /// The record of the models that tissues follow from a tick on.
    pub fn of_models(tick: u32, models: TissueModels) -> Self {
        Self::TissueModels { tick, answers: models.answers, yields: models.yields }
    }

    /// The models that this record names, if it is one that does.
    pub fn models(&self) -> Option<TissueModels> {
        match *self {
            Self::TissueModels { answers, yields, .. } => Some(TissueModels { answers, yields }),
            _ => None,
        }
    }
}

/// The keyframe of a cut state.
///
/// # Errors
/// When it does not encode.
pub fn keyframe_of(cut: &CutState, tick: u32, epoch: u32, ops: u64) -> Result<Keyframe, SessionError> {
    let bricks: Vec<WireBrick> =
        cut.cut_bricks().map(|(class, brick, version, samples)| WireBrick::new(class, brick, version, samples)).collect();
    let raw = codec::encode(&bricks)?;
    let bricks =
        zstd::bulk::compress(&raw, 3).map_err(|source| SessionError::Io { what: "cannot compress a keyframe", source })?;
    Ok(Keyframe { tick, epoch, ops, digest: cut.digest(), bricks })
}

/// The cut state that a keyframe holds, its digest checked.
///
/// # Errors
/// When the bytes are damaged, or belong to another patient.
pub fn restore_keyframe(patient: &Patient, keyframe: &Keyframe) -> Result<CutState, SessionError> {
    let damaged =
        |reason: String| SessionError::Damaged { at: 0, reason: format!("keyframe of tick {}: {reason}", keyframe.tick) };
    let raw = decompress(&keyframe.bricks, keyframe_limit(patient.grid().brick_count())).map_err(|e| damaged(e.to_string()))?;
    let bricks: Vec<WireBrick> = codec::decode(&raw)?;
    let mut cut = CutState::new(patient.grid());
    for brick in &bricks {
        let (class, samples) = brick.open()?;
        cut.replace(patient, class, BrickIndex(brick.brick), brick.version, &samples).map_err(|e| damaged(e.to_string()))?;
    }
    if cut.digest() == keyframe.digest { Ok(cut) } else { Err(damaged("its digest is wrong".to_owned())) }
}

/// Most bytes that the cut bricks of a patient of so many bricks unpack to: no more than the codec decodes afterwards.
fn keyframe_limit(bricks: usize) -> u64 {
    bricks.saturating_mul(4 * 4_200).saturating_add(1_024).min(codec::LIMIT) as u64
}

/// Unpacks at most `most` bytes. Memory grows with what comes out, not with what the bytes or the patient's size would allow.
fn decompress(packed: &[u8], most: u64) -> std::io::Result<Vec<u8>> {
    let mut stream = zstd::stream::read::Decoder::with_buffer(packed)?;
    stream.window_log_max(WINDOW_LOG)?;
    let mut raw = Vec::new();
    stream.take(most + 1).read_to_end(&mut raw)?;
    if raw.len() as u64 > most {
        return Err(std::io::Error::other("it holds more bricks than the patient has"));
    }
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However large a patient claims to be, a keyframe unpacks to no more than can be decoded then.
    #[test]
    fn a_keyframe_unpacks_to_no_more_than_is_decoded() {
        assert_eq!(keyframe_limit(1), 17_824);
        for bricks in [1 << 20, usize::MAX] {
            assert_eq!(keyframe_limit(bricks), codec::LIMIT as u64);
        }
        let packed = zstd::bulk::compress(&[0; 20_000], 1).unwrap();
        assert!(decompress(&packed, keyframe_limit(1)).is_err() && decompress(&packed, keyframe_limit(2)).is_ok());
    }
}
