//! The form in which the core's values are sent and stored, with explicit conversions.
//!
//! These types are part of the protocol and of the session format: changing one raises the version of both. Bytes from outside
//! become core values only through the `TryFrom`s here, which refuse what the core's types cannot hold.

use serde::{Deserialize, Serialize};
use spinor_sim::{AlarmLevel, BiteRefusal, Event, Hand, Holder, Pose, TearSize, ToolInput, ToolKind, UserId, Warning};
use spinor_volume::cut::{CutOp, CutShape};
use spinor_volume::{BRICK_VOXELS, BrickIndex, BrickSamples, ClassMask, Label, TissueClass};
use thiserror::Error;

/// A value from outside that no core type can hold.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum WireError {
    /// A number that names no hand.
    #[error("{0} is no hand")]
    Hand(u8),
    /// A number that names no tool.
    #[error("{0} is no tool")]
    Tool(u8),
    /// A number that names no tissue class.
    #[error("{0} is no tissue class")]
    Class(u8),
    /// Bits beyond the four tissue classes.
    #[error("{0:#010b} is no set of tissue classes")]
    Mask(u8),
    /// A number that names no alarm level.
    #[error("{0} is no alarm level")]
    Level(u8),
    /// A number that names no reason for a refused bite.
    #[error("{0} is no reason for a refused bite")]
    Bite(u8),
    /// A number that names no class of tears.
    #[error("{0} is no class of tears")]
    Tear(u8),
    /// Loose pieces of more bricks than a patient has.
    #[error("loose pieces in {0} bricks")]
    Bricks(usize),
    /// A patch of more control nodes than there may be.
    #[error("a patch of {0} control nodes")]
    Nodes(usize),
    /// A brick with another number of samples.
    #[error("a brick of {0} samples instead of {BRICK_VOXELS}")]
    Samples(usize),
    /// Samples of bricks that cannot be packed or unpacked: how many bytes there were.
    #[error("{0} bytes of samples cannot be packed or unpacked")]
    Packing(usize),
}

/// A tool's pose: micrometres in patient LPS and a quaternion x, y, z, w in 1/32,767.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WirePose {
    /// Tip, micrometres.
    pub tip_um: [i32; 3],
    /// Orientation `patient_from_tool`.
    pub turn: [i16; 4],
}

impl From<Pose> for WirePose {
    fn from(pose: Pose) -> Self {
        Self { tip_um: pose.tip_um, turn: pose.turn }
    }
}

impl From<WirePose> for Pose {
    fn from(pose: WirePose) -> Self {
        Self { tip_um: pose.tip_um, turn: pose.turn }
    }
}

/// The hand with a number.
///
/// # Errors
/// When no hand has it.
pub fn hand_from_number(n: u8) -> Result<Hand, WireError> {
    match n {
        0 => Ok(Hand::Left),
        1 => Ok(Hand::Right),
        _ => Err(WireError::Hand(n)),
    }
}

/// The tool with a number.
///
/// # Errors
/// When no tool has it.
pub fn tool_from_number(n: u8) -> Result<ToolKind, WireError> {
    ToolKind::from_number(n).ok_or(WireError::Tool(n))
}

/// The tissue class with a number.
///
/// # Errors
/// When no class has it.
pub fn class_from_number(n: u8) -> Result<TissueClass, WireError> {
    TissueClass::from_number(n).ok_or(WireError::Class(n))
}

/// What one hand does at a tick, as sent by a client (who it is the connection says, so the user is not part of it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireInput {
    /// Which hand.
    pub hand: u8,
    /// Counts this hand's inputs.
    pub seq: u32,
    /// The tool held.
    pub tool: u8,
    /// Size of the tool's head, 1/10 mm.
    pub size_tenth_mm: u8,
    /// Where the hand wants the tool.
    pub pose: WirePose,
    /// Trigger or pedal, 0-255.
    pub trigger: u8,
}

impl From<ToolInput> for WireInput {
    fn from(input: ToolInput) -> Self {
        Self {
            hand: input.hand as u8,
            seq: input.seq,
            tool: input.tool as u8,
            size_tenth_mm: input.size_tenth_mm,
            pose: input.pose.into(),
            trigger: input.trigger,
        }
    }
}

impl WireInput {
    /// The input of `user` that this is.
    ///
    /// # Errors
    /// When hand or tool do not exist.
    pub fn of(self, user: UserId) -> Result<ToolInput, WireError> {
        Ok(ToolInput {
            user,
            hand: hand_from_number(self.hand)?,
            seq: self.seq,
            tool: tool_from_number(self.tool)?,
            size_tenth_mm: self.size_tenth_mm,
            pose: self.pose.into(),
            trigger: self.trigger,
        })
    }
}

/// A cut's geometry in 1/64 voxel of the case's grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WireShape {
    /// A capsule.
    Capsule {
        /// First end.
        a: [i32; 3],
        /// Second end.
        b: [i32; 3],
        /// Radius.
        radius: i32,
    },
    /// An oriented box.
    Box {
        /// Centre.
        centre: [i32; 3],
        /// Half extents.
        half: [i32; 3],
        /// Rows of `box_from_index`, Q14.
        rows_q14: [[i32; 3]; 3],
        /// Radius of its edges.
        rounding: i32,
    },
}

/// A cut: which classes it may take, and its geometry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireCut {
    /// Bits of the tissue classes.
    pub classes: u8,
    /// Geometry.
    pub shape: WireShape,
}

impl From<&CutOp> for WireCut {
    fn from(op: &CutOp) -> Self {
        let shape = match op.shape {
            CutShape::Capsule { a, b, radius } => WireShape::Capsule { a, b, radius },
            CutShape::Box { centre, half, rows_q14, rounding } => WireShape::Box { centre, half, rows_q14, rounding },
        };
        Self { classes: op.classes.0, shape }
    }
}

impl TryFrom<WireCut> for CutOp {
    type Error = WireError;

    fn try_from(cut: WireCut) -> Result<Self, WireError> {
        if cut.classes >> TissueClass::ALL.len() != 0 {
            return Err(WireError::Mask(cut.classes));
        }
        let shape = match cut.shape {
            WireShape::Capsule { a, b, radius } => CutShape::Capsule { a, b, radius },
            WireShape::Box { centre, half, rows_q14, rounding } => CutShape::Box { centre, half, rows_q14, rounding },
        };
        Ok(Self { classes: ClassMask(cut.classes), shape })
    }
}

/// What happened to which tool, as stored and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireEvent {
    /// Whose hand.
    pub user: u32,
    /// Which hand.
    pub hand: u8,
    /// The tool in it.
    pub tool: u8,
    /// What happened.
    pub kind: WireEventKind,
}

/// The kinds of events, field by field those of [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "every field has the name, meaning and unit of the field of spinor_sim::Event")]
pub enum WireEventKind {
    /// [`Event::Alarm`].
    Alarm { was: u8, structure: u16, level: u8, distance_um: i32, threshold_um: i32, widened_um: i32, sounding: bool },
    /// [`Event::NeuralTouch`].
    NeuralTouch { structure: u16, active: bool, depth_um: i32 },
    /// [`Event::NeuralLeave`].
    NeuralLeave { structure: u16, ticks: u32, deepest_um: i32, active_ticks: u32 },
    /// [`Event::NeuralPinch`].
    NeuralPinch { structure: u16, depth_um: i32 },
    /// [`Event::BoneTouch`].
    BoneTouch { load_millinewton: u32 },
    /// [`Event::BoneLeave`].
    BoneLeave { ticks: u32, peak_millinewton: u32 },
    /// [`Event::Removed`].
    Removed { structure: u16, occupancy: i64 },
    /// [`Event::Breakthrough`].
    Breakthrough { plunge_um: i32 },
    /// [`Event::BiteRefused`].
    BiteRefused { reason: u8 },
    /// [`Event::Kick`].
    Kick { structure: u16, way_um: i32 },
    /// [`Event::Overheated`].
    Overheated { tenth_celsius: i32, ticks: u32 },
    /// [`Event::DryDrilling`].
    DryDrilling { ticks: u32, tenth_celsius: i32 },
    /// [`Event::Blow`].
    Blow { advance_um: i32 },
    /// [`Event::DepthMark`].
    DepthMark { structure: u16, depth_um: i32 },
    /// [`Event::DiscBreached`].
    DiscBreached { structure: u16, depth_um: i32 },
    /// [`Event::Retraction`].
    Retraction { structure: u16, ticks: u32, peak_millinewton: u32, impulse_millinewton_seconds: u32 },
    /// [`Event::RetractionHigh`].
    RetractionHigh { structure: u16, load_millinewton: u32 },
    /// [`Event::Passage`].
    Passage { structure: u16, diameter_tenth_mm: u32, way_um: i32 },
    /// [`Event::ThinBone`].
    ThinBone { structure: u16, left_um: i32, distance_um: i32 },
    /// [`Event::Detached`].
    Detached { structure: u16, fragment: u32, occupancy: i64 },
    /// [`Event::FragmentTaken`].
    FragmentTaken { structure: u16, fragment: u32 },
    /// [`Event::ParsFracture`].
    ParsFracture { structure: u16, left: bool, area_centi_mm2: u32 },
    /// [`Event::NeuralTear`].
    NeuralTear { structure: u16, length_um: u32, size: u8 },
    /// [`Event::CsfLeak`].
    CsfLeak { structure: u16 },
    /// [`Event::AnnulusClosed`].
    AnnulusClosed { structure: u16 },
    /// [`Event::FieldVeiled`].
    FieldVeiled,
    /// [`Event::FieldCleared`].
    FieldCleared { ticks: u32 },
}

impl From<&Event> for WireEvent {
    fn from(event: &Event) -> Self {
        use WireEventKind as Kind;
        let by = event.by();
        let kind = match *event {
            Event::Alarm { was, warning, sounding, .. } => Kind::Alarm {
                was: was as u8,
                structure: warning.structure.0,
                level: warning.level as u8,
                distance_um: warning.distance_um,
                threshold_um: warning.threshold_um,
                widened_um: warning.widened_um,
                sounding,
            },
            Event::NeuralTouch { structure, active, depth_um, .. } => {
                Kind::NeuralTouch { structure: structure.0, active, depth_um }
            }
            Event::NeuralLeave { structure, ticks, deepest_um, active_ticks, .. } => {
                Kind::NeuralLeave { structure: structure.0, ticks, deepest_um, active_ticks }
            }
            Event::NeuralPinch { structure, depth_um, .. } => Kind::NeuralPinch { structure: structure.0, depth_um },
            Event::BoneTouch { load_millinewton, .. } => Kind::BoneTouch { load_millinewton },
            Event::BoneLeave { ticks, peak_millinewton, .. } => Kind::BoneLeave { ticks, peak_millinewton },
            Event::Removed { structure, occupancy, .. } => Kind::Removed { structure: structure.0, occupancy },
            Event::Breakthrough { plunge_um, .. } => Kind::Breakthrough { plunge_um },
            Event::BiteRefused { reason, .. } => Kind::BiteRefused { reason: reason as u8 },
            Event::Kick { structure, way_um, .. } => Kind::Kick { structure: structure.0, way_um },
            Event::Overheated { tenth_celsius, ticks, .. } => Kind::Overheated { tenth_celsius, ticks },
            Event::DryDrilling { ticks, tenth_celsius, .. } => Kind::DryDrilling { ticks, tenth_celsius },
            Event::Blow { advance_um, .. } => Kind::Blow { advance_um },
            Event::DepthMark { structure, depth_um, .. } => Kind::DepthMark { structure: structure.0, depth_um },
            Event::DiscBreached { structure, depth_um, .. } => Kind::DiscBreached { structure: structure.0, depth_um },
            Event::Retraction { structure, ticks, peak_millinewton, impulse_millinewton_seconds, .. } => {
                Kind::Retraction { structure: structure.0, ticks, peak_millinewton, impulse_millinewton_seconds }
            }
            Event::RetractionHigh { structure, load_millinewton, .. } => {
                Kind::RetractionHigh { structure: structure.0, load_millinewton }
            }
            Event::Passage { structure, diameter_tenth_mm, way_um, .. } => {
                Kind::Passage { structure: structure.0, diameter_tenth_mm, way_um }
            }
            Event::ThinBone { structure, left_um, distance_um, .. } => {
                Kind::ThinBone { structure: structure.0, left_um, distance_um }
            }
            Event::Detached { structure, fragment, occupancy, .. } => {
                Kind::Detached { structure: structure.0, fragment, occupancy }
            }
            Event::FragmentTaken { structure, fragment, .. } => Kind::FragmentTaken { structure: structure.0, fragment },
            Event::ParsFracture { structure, left, area_centi_mm2, .. } => {
                Kind::ParsFracture { structure: structure.0, left, area_centi_mm2 }
            }
            Event::NeuralTear { structure, length_um, size, .. } => {
                Kind::NeuralTear { structure: structure.0, length_um, size: size as u8 }
            }
            Event::CsfLeak { structure, .. } => Kind::CsfLeak { structure: structure.0 },
            Event::AnnulusClosed { structure, .. } => Kind::AnnulusClosed { structure: structure.0 },
            Event::FieldVeiled { .. } => Kind::FieldVeiled,
            Event::FieldCleared { ticks, .. } => Kind::FieldCleared { ticks },
        };
        Self { user: by.user.0, hand: by.hand as u8, tool: by.tool as u8, kind }
    }
}

impl TryFrom<WireEvent> for Event {
    type Error = WireError;

    fn try_from(event: WireEvent) -> Result<Self, WireError> {
        use WireEventKind as Kind;
        let by = Holder { user: UserId(event.user), hand: hand_from_number(event.hand)?, tool: tool_from_number(event.tool)? };
        let level = |n| AlarmLevel::from_number(n).ok_or(WireError::Level(n));
        Ok(match event.kind {
            Kind::Alarm { was, structure, level: n, distance_um, threshold_um, widened_um, sounding } => {
                let warning = Warning { structure: Label(structure), level: level(n)?, distance_um, threshold_um, widened_um };
                Self::Alarm { by, was: level(was)?, warning, sounding }
            }
            Kind::NeuralTouch { structure, active, depth_um } => {
                Self::NeuralTouch { by, structure: Label(structure), active, depth_um }
            }
            Kind::NeuralLeave { structure, ticks, deepest_um, active_ticks } => {
                Self::NeuralLeave { by, structure: Label(structure), ticks, deepest_um, active_ticks }
            }
            Kind::NeuralPinch { structure, depth_um } => Self::NeuralPinch { by, structure: Label(structure), depth_um },
            Kind::BoneTouch { load_millinewton } => Self::BoneTouch { by, load_millinewton },
            Kind::BoneLeave { ticks, peak_millinewton } => Self::BoneLeave { by, ticks, peak_millinewton },
            Kind::Removed { structure, occupancy } => Self::Removed { by, structure: Label(structure), occupancy },
            Kind::Breakthrough { plunge_um } => Self::Breakthrough { by, plunge_um },
            Kind::BiteRefused { reason } => {
                let reason = BiteRefusal::from_number(reason).ok_or(WireError::Bite(reason))?;
                Self::BiteRefused { by, reason }
            }
            Kind::Kick { structure, way_um } => Self::Kick { by, structure: Label(structure), way_um },
            Kind::Overheated { tenth_celsius, ticks } => Self::Overheated { by, tenth_celsius, ticks },
            Kind::DryDrilling { ticks, tenth_celsius } => Self::DryDrilling { by, ticks, tenth_celsius },
            Kind::Blow { advance_um } => Self::Blow { by, advance_um },
            Kind::DepthMark { structure, depth_um } => Self::DepthMark { by, structure: Label(structure), depth_um },
            Kind::DiscBreached { structure, depth_um } => Self::DiscBreached { by, structure: Label(structure), depth_um },
            Kind::Retraction { structure, ticks, peak_millinewton, impulse_millinewton_seconds } => {
                Self::Retraction { by, structure: Label(structure), ticks, peak_millinewton, impulse_millinewton_seconds }
            }
            Kind::RetractionHigh { structure, load_millinewton } => {
                Self::RetractionHigh { by, structure: Label(structure), load_millinewton }
            }
            Kind::Passage { structure, diameter_tenth_mm, way_um } => {
                Self::Passage { by, structure: Label(structure), diameter_tenth_mm, way_um }
            }
            Kind::ThinBone { structure, left_um, distance_um } => {
                Self::ThinBone { by, structure: Label(structure), left_um, distance_um }
            }
            Kind::Detached { structure, fragment, occupancy } => {
                Self::Detached { by, structure: Label(structure), fragment, occupancy }
            }
            Kind::FragmentTaken { structure, fragment } => Self::FragmentTaken { by, structure: Label(structure), fragment },
            Kind::ParsFracture { structure, left, area_centi_mm2 } => {
                Self::ParsFracture { by, structure: Label(structure), left, area_centi_mm2 }
            }
            Kind::NeuralTear { structure, length_um, size } => {
                let size = TearSize::from_number(size).ok_or(WireError::Tear(size))?;
                Self::NeuralTear { by, structure: Label(structure), length_um, size }
            }
            Kind::CsfLeak { structure } => Self::CsfLeak { by, structure: Label(structure) },
            Kind::AnnulusClosed { structure } => Self::AnnulusClosed { by, structure: Label(structure) },
            Kind::FieldVeiled => Self::FieldVeiled { by },
            Kind::FieldCleared { ticks } => Self::FieldCleared { by, ticks },
        })
    }
}

/// One brick of a cut field with its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireBrick {
    /// Number of the tissue class.
    pub class: u8,
    /// Brick of the case's grid.
    pub brick: u32,
    /// Counts the changes of this brick.
    pub version: u32,
    /// Samples, x fastest, as their two's complement bytes.
    #[serde(with = "serde_bytes")]
    pub samples: Vec<u8>,
}

impl WireBrick {
    /// A brick's wire form.
    pub fn new(class: TissueClass, brick: BrickIndex, version: u32, samples: &BrickSamples) -> Self {
        Self { class: class as u8, brick: brick.0, version, samples: samples.iter().map(|s| s.cast_unsigned()).collect() }
    }

    /// Class and samples.
    ///
    /// # Errors
    /// When the class does not exist or samples are missing.
    pub fn open(&self) -> Result<(TissueClass, Box<BrickSamples>), WireError> {
        let signed: Vec<i8> = self.samples.iter().map(|s| s.cast_signed()).collect();
        let samples = signed.into_boxed_slice().try_into().map_err(|s: Box<[i8]>| WireError::Samples(s.len()))?;
        Ok((class_from_number(self.class)?, samples))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_hands_and_tools_come_back() {
        for tool in ToolKind::ALL {
            assert_eq!(tool_from_number(tool as u8), Ok(tool));
        }
        for hand in [Hand::Left, Hand::Right] {
            assert_eq!(hand_from_number(hand as u8), Ok(hand));
        }
        assert_eq!(tool_from_number(13), Ok(ToolKind::Osteotome));
        assert_eq!(tool_from_number(14), Err(WireError::Tool(14)));
        assert_eq!(hand_from_number(2), Err(WireError::Hand(2)));
    }

    #[test]
    fn events_come_back() {
        let by = Holder { user: UserId(7), hand: Hand::Left, tool: ToolKind::Kerrison };
        let warning = Warning {
            structure: Label::DURAL_SAC,
            level: AlarmLevel::Danger,
            distance_um: -120,
            threshold_um: 2_700,
            widened_um: 700,
        };
        let events = [
            Event::Alarm { by, was: AlarmLevel::Caution, warning, sounding: true },
            Event::NeuralLeave { by, structure: Label::root(5, true), ticks: 9, deepest_um: 40, active_ticks: 2 },
            Event::Removed { by, structure: Label::lumbar(4), occupancy: 1 << 40 },
            Event::BiteRefused { by, reason: BiteRefusal::NoRoom },
            Event::Detached { by, structure: Label::lumbar(4), fragment: 3, occupancy: 9_000 },
            Event::ParsFracture { by, structure: Label::lumbar(4), left: true, area_centi_mm2: 1_234 },
            Event::NeuralTear { by, structure: Label::DURAL_SAC, length_um: 2_500, size: TearSize::Short },
            Event::FieldVeiled { by },
            Event::BiteRefused { by, reason: BiteRefusal::NotOuter },
            Event::Kick { by, structure: Label::flavum_below(3), way_um: 900 },
            Event::Overheated { by, tenth_celsius: 520, ticks: 600 },
            Event::DryDrilling { by, ticks: 77, tenth_celsius: 499 },
            Event::Blow { by, advance_um: 3_100 },
            Event::DepthMark { by, structure: Label::disc_below(4), depth_um: 25_100 },
            Event::DiscBreached { by, structure: Label::disc_below(4), depth_um: 33_000 },
            Event::Retraction {
                by,
                structure: Label::root(5, false),
                ticks: 60,
                peak_millinewton: 3_000,
                impulse_millinewton_seconds: 2_500,
            },
            Event::RetractionHigh { by, structure: Label::root(5, false), load_millinewton: 3_600 },
            Event::Passage { by, structure: Label::root(5, false), diameter_tenth_mm: 35, way_um: 9_000 },
            Event::ThinBone { by, structure: Label::DURAL_SAC, left_um: 1_200, distance_um: 3_400 },
        ];
        for event in events {
            assert_eq!(Event::try_from(WireEvent::from(&event)), Ok(event));
        }
        let nonsense = WireEvent { user: 0, hand: 0, tool: 2, kind: WireEventKind::BiteRefused { reason: 9 } };
        assert_eq!(Event::try_from(nonsense), Err(WireError::Bite(9)));
    }

    #[test]
    fn a_cut_of_unknown_classes_is_refused() {
        let cut = WireCut { classes: 16, shape: WireShape::Capsule { a: [0; 3], b: [0; 3], radius: 1 } };
        assert_eq!(CutOp::try_from(cut), Err(WireError::Mask(16)));
    }
}
