//! Errors that must never happen, whatever else was done well.

use spinor_volume::Label;

/// A sentinel error: one that would hurt a patient or belong in an incident report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Sentinel {
    /// Bone was cut before the level had been checked.
    NoLevelCheck = 0,
    /// Bone of a vertebra that has no part in the operation was taken.
    WrongLevel = 1,
    /// Bone of the side that was to stay was taken.
    WrongSide = 2,
    /// A spinning burr touched dura or a root.
    BurrOnNerve = 3,
    /// A punch or rongeur closed on dura or a root.
    PinchedNerve = 4,
    /// Dura or a root tore, or a tear grew to the next size class.
    Tear = 5,
    /// A loaded burr broke through and went on.
    Plunge = 6,
    /// The burr worked on the lamina where the flavum no longer shielded the dura.
    DrilledUnshielded = 7,
    /// The root was held with more than its limit.
    RootOverload = 8,
    /// A tool came out of a disc on its far side: vessels lie before it.
    AnteriorAnnulus = 9,
    /// Less than half of a facet is left.
    FacetLost = 10,
    /// The pars broke, or less of it is left than holds.
    ParsLost = 11,
    /// The spinous process was taken in a procedure that keeps it.
    SpinousProcessLost = 12,
    /// CSF leaked from a tear of the sac.
    Leak = 13,
}

impl Sentinel {
    /// All of them in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::NoLevelCheck,
        Self::WrongLevel,
        Self::WrongSide,
        Self::BurrOnNerve,
        Self::PinchedNerve,
        Self::Tear,
        Self::Plunge,
        Self::DrilledUnshielded,
        Self::RootOverload,
        Self::AnteriorAnnulus,
        Self::FacetLost,
        Self::ParsLost,
        Self::SpinousProcessLost,
        Self::Leak,
    ];

    /// What went wrong, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoLevelCheck => "bone was cut before the level had been checked",
            Self::WrongLevel => "bone of another level was taken",
            Self::WrongSide => "bone of the side that was to stay was taken",
            Self::BurrOnNerve => "a spinning burr touched dura or a root",
            Self::PinchedNerve => "a punch closed on dura or a root",
            Self::Tear => "dura or a root tore",
            Self::Plunge => "the burr plunged when it came through bone",
            Self::DrilledUnshielded => "the burr worked over dura that the flavum no longer shielded",
            Self::RootOverload => "the root was held too hard",
            Self::AnteriorAnnulus => "a tool came out of the disc on its far side",
            Self::FacetLost => "less than half of a facet is left",
            Self::ParsLost => "the pars broke, or too little of it is left",
            Self::SpinousProcessLost => "the spinous process was taken",
            Self::Leak => "CSF leaked from a tear",
        }
    }
}

/// A sentinel error that happened: when first, how often, and to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentinelRecord {
    /// Which.
    pub sentinel: Sentinel,
    /// The structure that it happened to, where there is one.
    pub structure: Option<Label>,
    /// The first tick.
    pub tick: u32,
    /// How often it happened.
    pub times: u32,
}
