//! The procedure that a room follows, in the form in which it is sent, with explicit conversions.
//!
//! Titles and guidance of the steps are not sent: they follow from the target.

use serde::{Deserialize, Serialize};
use spinor_sim::procedure::{Procedure, Sentinel, SentinelRecord, Side, StepStatus, Target};
use spinor_volume::Label;

/// A procedure at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireTarget {
    /// Number of the procedure.
    pub procedure: u8,
    /// The lumbar vertebra above the disc, 1 to 5.
    pub level: u16,
    /// Whether it is done from the right.
    pub right: bool,
}

impl From<Target> for WireTarget {
    fn from(target: Target) -> Self {
        Self { procedure: target.procedure as u8, level: target.level, right: target.side == Side::Right }
    }
}

impl WireTarget {
    /// The target; none where a number names nothing.
    pub fn target(&self) -> Option<Target> {
        let side = if self.right { Side::Right } else { Side::Left };
        Target::new(Procedure::from_number(self.procedure)?, self.level, side)
    }
}

/// Where a room stands in its procedure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Following {
    /// What is done where.
    pub target: WireTarget,
    /// How far it is.
    pub stand: Stand,
}

/// How far a procedure is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stand {
    /// Its place is being looked for in the patient.
    Looking,
    /// The patient has no such place, in words.
    Impossible(String),
    /// It is followed.
    Steps {
        /// Where each step stands, in the order of [`spinor_sim::procedure::steps`].
        status: Vec<WireStatus>,
        /// Sentinel errors in the order in which they first happened.
        errors: Vec<WireSentinel>,
    },
}

/// Where a step stands, as a [`StepStatus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "every variant and field has the name and meaning of that of StepStatus")]
pub enum WireStatus {
    Open,
    Lacking,
    Done { tick: u32 },
    OutOfOrder { tick: u32, before: u8 },
}

impl From<StepStatus> for WireStatus {
    fn from(status: StepStatus) -> Self {
        match status {
            StepStatus::Open => Self::Open,
            StepStatus::Lacking => Self::Lacking,
            StepStatus::Done { tick } => Self::Done { tick },
            StepStatus::OutOfOrder { tick, before } => Self::OutOfOrder { tick, before: u8::try_from(before).unwrap_or(u8::MAX) },
        }
    }
}

impl From<WireStatus> for StepStatus {
    fn from(status: WireStatus) -> Self {
        match status {
            WireStatus::Open => Self::Open,
            WireStatus::Lacking => Self::Lacking,
            WireStatus::Done { tick } => Self::Done { tick },
            WireStatus::OutOfOrder { tick, before } => Self::OutOfOrder { tick, before: before.into() },
        }
    }
}

/// A sentinel error that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireSentinel {
    /// Number of the error.
    pub sentinel: u8,
    /// Label of the structure that it happened to; none where there is none.
    pub structure: Option<u16>,
    /// The first tick.
    pub tick: u32,
    /// How often.
    pub times: u32,
}

impl From<&SentinelRecord> for WireSentinel {
    fn from(record: &SentinelRecord) -> Self {
        let structure = record.structure.map(|label| label.0);
        Self { sentinel: record.sentinel as u8, structure, tick: record.tick, times: record.times }
    }
}

impl WireSentinel {
    /// The error; none where the number names nothing.
    pub fn record(&self) -> Option<SentinelRecord> {
        let sentinel = *Sentinel::ALL.get(usize::from(self.sentinel))?;
        Some(SentinelRecord { sentinel, structure: self.structure.map(Label), tick: self.tick, times: self.times })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every target, status and error comes back as it was sent; numbers that name nothing give nothing.
    #[test]
    fn what_is_sent_comes_back() {
        for procedure in Procedure::ALL {
            for side in Side::BOTH {
                let target = Target { procedure, level: 3, side };
                assert_eq!(WireTarget::from(target).target(), Some(target));
            }
        }
        for wrong in [(4, 3), (0, 0), (0, 6)] {
            assert_eq!(WireTarget { procedure: wrong.0, level: wrong.1, right: false }.target(), None, "{wrong:?}");
        }
        let early = StepStatus::OutOfOrder { tick: 9, before: 2 };
        for status in [StepStatus::Open, StepStatus::Lacking, StepStatus::Done { tick: 7 }, early] {
            assert_eq!(StepStatus::from(WireStatus::from(status)), status);
        }
        for sentinel in Sentinel::ALL {
            let record = SentinelRecord { sentinel, structure: Some(Label::DURAL_SAC), tick: 5, times: 2 };
            assert_eq!(WireSentinel::from(&record).record(), Some(record));
        }
        assert_eq!(WireSentinel { sentinel: 200, structure: None, tick: 0, times: 1 }.record(), None);
    }
}
