//! What happened in a tick, in integers only: micrometres, millinewtons, 1/32 voxel of occupancy, labels, users and hands.
//!
//! Events are written to the recording and shown to people. Their order within a tick is fixed: by user and hand; of one tool first
//! what it did, then its contacts, then its alarms by label.

use std::fmt;

use spinor_volume::Label;

use crate::input::{Hand, ToolKind, UserId};

/// How near a tool is to a neural structure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum AlarmLevel {
    /// Farther than the caution threshold.
    #[default]
    Clear = 0,
    /// Within the caution threshold.
    Caution = 1,
    /// Within the danger threshold, touching or inside.
    Danger = 2,
}

impl AlarmLevel {
    /// The level of a number, as stored and sent.
    pub fn from_number(n: u8) -> Option<Self> {
        [Self::Clear, Self::Caution, Self::Danger].get(n as usize).copied()
    }

    /// One word for banners and reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Caution => "caution",
            Self::Danger => "danger",
        }
    }
}

/// Which tool in whose hand an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder {
    /// Whose hand.
    pub user: UserId,
    /// Which hand.
    pub hand: Hand,
    /// The tool in it.
    pub tool: ToolKind,
}

/// What an alarm says about one structure. Its `Display` is the banner: level, structure, distance and the threshold in force.
///
/// ```
/// # use spinor_sim::{AlarmLevel, Warning};
/// # use spinor_volume::Label;
/// let warning = Warning { structure: Label::DURAL_SAC, level: AlarmLevel::Danger, distance_um: 1_840, threshold_um: 2_700, widened_um: 700 };
/// assert_eq!(warning.to_string(), "danger: dural_sac at 1.8 mm (threshold 2.7 mm, of which 0.7 mm uncertainty)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Warning {
    /// The structure.
    pub structure: Label,
    /// The level in force.
    pub level: AlarmLevel,
    /// Distance from the tool's surface to the structure's, micrometres; negative inside it.
    pub distance_um: i32,
    /// The threshold in force: that of the level, or of caution where the level is clear; widened by the structure's uncertainty, µm.
    pub threshold_um: i32,
    /// By how much the structure's uncertainty widens the threshold, µm.
    pub widened_um: i32,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mm = |um: i32| f64::from(um) / 1_000.0;
        let (level, at, threshold) = (self.level.word(), mm(self.distance_um), mm(self.threshold_um));
        write!(f, "{level}: {} at {at:.1} mm (threshold {threshold:.1} mm", self.structure)?;
        match self.widened_um {
            0 => f.write_str(")"),
            widened => write!(f, ", of which {:.1} mm uncertainty)", mm(widened)),
        }
    }
}

/// Why a punch did not bite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BiteRefusal {
    /// Nothing that the tool takes lies within the jaw.
    Empty = 0,
    /// The bone is thicker than the jaw opens: it must be thinned first.
    TooThick = 1,
    /// The footplate has no room under the edge.
    NoRoom = 2,
    /// There is no free edge: bone lies beside the jaw, where the shaft stands.
    NoEdge = 3,
    /// A large rongeur is not on an outer surface: bone lies above its jaws, or flavum or neural tissue between them.
    NotOuter = 4,
}

impl BiteRefusal {
    /// The refusal of a number, as stored and sent.
    pub fn from_number(n: u8) -> Option<Self> {
        [Self::Empty, Self::TooThick, Self::NoRoom, Self::NoEdge, Self::NotOuter].get(n as usize).copied()
    }
}

/// How long a tear of dura or root is: the classes of surgical reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TearSize {
    /// Shorter than 1 mm.
    Pinhole = 0,
    /// 1 to 10 mm.
    Short = 1,
    /// Longer than 10 mm.
    Long = 2,
}

impl TearSize {
    /// The class of a number, as stored and sent.
    pub fn from_number(n: u8) -> Option<Self> {
        [Self::Pinhole, Self::Short, Self::Long].get(n as usize).copied()
    }

    /// The class of a length.
    pub const fn of_um(length_um: u32) -> Self {
        match length_um {
            0..1_000 => Self::Pinhole,
            1_000..=10_000 => Self::Short,
            _ => Self::Long,
        }
    }
}

/// Something that happened in a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A tool's alarm level for one structure changed, to that of the warning.
    Alarm {
        /// The tool.
        by: Holder,
        /// The level before.
        was: AlarmLevel,
        /// What holds now.
        warning: Warning,
        /// Whether the tool is heard, and not only shown.
        sounding: bool,
    },
    /// A tool touched a neural structure, or became active (spinning, closing) while touching it.
    NeuralTouch {
        /// The tool.
        by: Holder,
        /// What it touches.
        structure: Label,
        /// Whether a burr spins or a punch closes.
        active: bool,
        /// How deep the tool's surface is inside the structure, µm.
        depth_um: i32,
    },
    /// A contact with a neural structure ended.
    NeuralLeave {
        /// The tool.
        by: Holder,
        /// What it touched.
        structure: Label,
        /// How long, ticks.
        ticks: u32,
        /// Greatest depth, µm.
        deepest_um: i32,
        /// For how many of these ticks the tool was active.
        active_ticks: u32,
    },
    /// A punch closed on a neural structure.
    NeuralPinch {
        /// The tool.
        by: Holder,
        /// What lay in its jaw.
        structure: Label,
        /// How deep the structure reaches into the jaw, µm.
        depth_um: i32,
    },
    /// A tool was stopped by bone.
    BoneTouch {
        /// The tool.
        by: Holder,
        /// Load on it.
        load_millinewton: u32,
    },
    /// A tool no longer touches bone.
    BoneLeave {
        /// The tool.
        by: Holder,
        /// How long it did, ticks.
        ticks: u32,
        /// Greatest load.
        peak_millinewton: u32,
    },
    /// A tool took tissue in this tick.
    Removed {
        /// The tool.
        by: Holder,
        /// From which structure.
        structure: Label,
        /// How much, 1/32 voxel of occupancy.
        occupancy: i64,
    },
    /// A loaded burr came through bone and went on.
    Breakthrough {
        /// The tool.
        by: Holder,
        /// How far it went on freely in that tick, µm.
        plunge_um: i32,
    },
    /// A punch closed without taking anything.
    BiteRefused {
        /// The tool.
        by: Holder,
        /// Why.
        reason: BiteRefusal,
    },
    /// A spinning burr grabbed soft tissue and jumped.
    Kick {
        /// The tool.
        by: Holder,
        /// What it grabbed.
        structure: Label,
        /// How far it jumped, µm.
        way_um: i32,
    },
    /// Bone under a burr was above the harmful temperature for as long as harms it; told again after as long again.
    Overheated {
        /// The tool.
        by: Holder,
        /// The bone's temperature, 1/10 °C.
        tenth_celsius: i32,
        /// How long it has been above the limit, ticks.
        ticks: u32,
    },
    /// A spell of drilling without irrigation ended.
    DryDrilling {
        /// The tool.
        by: Holder,
        /// For how many ticks it cut dry.
        ticks: u32,
        /// The bone's highest temperature in the spell, 1/10 °C.
        tenth_celsius: i32,
    },
    /// A mallet's blow drove an osteotome.
    Blow {
        /// The tool.
        by: Holder,
        /// How far, µm.
        advance_um: i32,
    },
    /// A rongeur's tip reached the depth mark in a disc.
    DepthMark {
        /// The tool.
        by: Holder,
        /// The disc.
        structure: Label,
        /// How far the tip is beyond the disc's outline along the shaft, µm.
        depth_um: i32,
    },
    /// A tool's tip came out of a disc on its far side.
    DiscBreached {
        /// The tool.
        by: Holder,
        /// The disc.
        structure: Label,
        /// How far the tip is from where the shaft enters the disc, µm.
        depth_um: i32,
    },
    /// A retractor held a nerve, and let it go.
    Retraction {
        /// The tool.
        by: Holder,
        /// What it held.
        structure: Label,
        /// For how long, ticks.
        ticks: u32,
        /// Greatest load.
        peak_millinewton: u32,
        /// Load summed over the time, mN·s.
        impulse_millinewton_seconds: u32,
    },
    /// A retractor began to load a nerve beyond the limit.
    RetractionHigh {
        /// The tool.
        by: Holder,
        /// What it holds.
        structure: Label,
        /// The load.
        load_millinewton: u32,
    },
    /// A ball probe was led through a passage with its trigger pressed.
    Passage {
        /// The tool.
        by: Holder,
        /// The neural structure nearest to the narrowest place; background when none is near.
        structure: Label,
        /// The largest ball, in the settings' steps, that passes where the probe went, 1/10 mm; 0 when not even the smallest does.
        diameter_tenth_mm: u32,
        /// Length of the probe's way, µm.
        way_um: i32,
    },
    /// The bone between an active tool and a neural structure became thin: the pre-alarm.
    ThinBone {
        /// The tool.
        by: Holder,
        /// What lies behind the bone.
        structure: Label,
        /// Bone left on the straight way to it, µm.
        left_um: i32,
        /// Distance from the tool's surface to the structure's, µm.
        distance_um: i32,
    },
    /// A piece came loose and is a fragment now.
    Detached {
        /// The tool whose cut it was.
        by: Holder,
        /// What it was part of.
        structure: Label,
        /// The fragment's number.
        fragment: u32,
        /// Its volume, 1/32 voxel of occupancy.
        occupancy: i64,
    },
    /// A fragment was carried out of the wound.
    FragmentTaken {
        /// The tool that held it.
        by: Holder,
        /// What it was part of.
        structure: Label,
        /// Its number.
        fragment: u32,
    },
    /// Too little was left of a pars: it broke under the tool's load.
    ParsFracture {
        /// The tool.
        by: Holder,
        /// The vertebra.
        structure: Label,
        /// Whether it was the patient's left one.
        left: bool,
        /// Cross-section that was left, 1/100 mm².
        area_centi_mm2: u32,
    },
    /// Dura or root tore, or a tear grew into the next class.
    NeuralTear {
        /// The tool.
        by: Holder,
        /// What tore.
        structure: Label,
        /// Length of the tear so far, µm.
        length_um: u32,
        /// Its class.
        size: TearSize,
    },
    /// A tear of the dural sac is long enough to let CSF out.
    CsfLeak {
        /// The tool that tore it.
        by: Holder,
        /// What leaks.
        structure: Label,
    },
    /// A tool made for discs met a nucleus behind annulus that is still closed, and took nothing of it.
    AnnulusClosed {
        /// The tool.
        by: Holder,
        /// The disc.
        structure: Label,
    },
    /// The place where a tool works can no longer be seen for dust and blood.
    FieldVeiled {
        /// The tool.
        by: Holder,
    },
    /// It can be seen again, or the tool left it.
    FieldCleared {
        /// The tool.
        by: Holder,
        /// How long it could not be seen, ticks.
        ticks: u32,
    },
}

impl Event {
    /// The tool that the event is about.
    pub fn by(&self) -> Holder {
        match *self {
            Self::Alarm { by, .. }
            | Self::NeuralTouch { by, .. }
            | Self::NeuralLeave { by, .. }
            | Self::NeuralPinch { by, .. }
            | Self::BoneTouch { by, .. }
            | Self::BoneLeave { by, .. }
            | Self::Removed { by, .. }
            | Self::Breakthrough { by, .. }
            | Self::BiteRefused { by, .. }
            | Self::Kick { by, .. }
            | Self::Overheated { by, .. }
            | Self::DryDrilling { by, .. }
            | Self::Blow { by, .. }
            | Self::DepthMark { by, .. }
            | Self::DiscBreached { by, .. }
            | Self::Retraction { by, .. }
            | Self::RetractionHigh { by, .. }
            | Self::Passage { by, .. }
            | Self::ThinBone { by, .. }
            | Self::Detached { by, .. }
            | Self::FragmentTaken { by, .. }
            | Self::ParsFracture { by, .. }
            | Self::NeuralTear { by, .. }
            | Self::CsfLeak { by, .. }
            | Self::AnnulusClosed { by, .. }
            | Self::FieldVeiled { by }
            | Self::FieldCleared { by, .. } => by,
        }
    }

    /// The structure that the event is about, if any.
    pub fn structure(&self) -> Option<Label> {
        match *self {
            Self::Alarm { warning, .. } => Some(warning.structure),
            Self::NeuralTouch { structure, .. }
            | Self::NeuralLeave { structure, .. }
            | Self::NeuralPinch { structure, .. }
            | Self::Removed { structure, .. }
            | Self::Kick { structure, .. }
            | Self::DepthMark { structure, .. }
            | Self::DiscBreached { structure, .. }
            | Self::Retraction { structure, .. }
            | Self::RetractionHigh { structure, .. }
            | Self::Passage { structure, .. }
            | Self::ThinBone { structure, .. }
            | Self::Detached { structure, .. }
            | Self::FragmentTaken { structure, .. }
            | Self::ParsFracture { structure, .. }
            | Self::NeuralTear { structure, .. }
            | Self::CsfLeak { structure, .. }
            | Self::AnnulusClosed { structure, .. } => Some(structure),
            _ => None,
        }
    }
}
