//! What a person's hands do at a tick: the only thing a client sends that can change the patient.

/// Ticks of the simulation per second.
pub const TICKS_PER_SECOND: u32 = 60;

/// A tick of the simulation, counted from the room's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u32);

/// A person in a room, the same after a reconnect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub u32);

/// One of a person's hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Hand {
    /// The left hand.
    Left = 0,
    /// The right hand.
    Right = 1,
}

/// A tool that a hand can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ToolKind {
    /// Fluted burr.
    FlutedBurr = 0,
    /// Diamond burr.
    DiamondBurr = 1,
    /// Kerrison punch whose footplate stands at a right angle to the shaft.
    Kerrison = 2,
    /// Ball probe; takes nothing.
    Probe = 3,
    /// Suction; takes nothing.
    Suction = 4,
    /// Kerrison punch whose footplate leans 40° forward from the right angle (130° to the shaft).
    Kerrison40 = 5,
    /// Leksell rongeur.
    Leksell = 6,
    /// Pituitary rongeur.
    Pituitary = 7,
    /// Straight curette.
    Curette = 8,
    /// Curette with an angled neck.
    AngledCurette = 9,
    /// Penfield dissector; takes nothing.
    Penfield = 10,
    /// Nerve-root retractor; takes nothing.
    Retractor = 11,
    /// Irrigation; takes nothing.
    Irrigation = 12,
    /// Osteotome, driven by a mallet.
    Osteotome = 13,
}

/// A tool's pose as it is sent, stored and simulated: integers, so that everybody starts from the same numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pose {
    /// Position of the tool's tip (a burr's centre) in patient LPS, micrometres.
    pub tip_um: [i32; 3],
    /// Orientation `patient_from_tool` as a quaternion x, y, z, w in 1/32,767. The tool's own frame: tip at the origin, shaft along +z.
    pub turn: [i16; 4],
}

/// What one hand does at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ToolInput {
    /// Whose hand.
    pub user: UserId,
    /// Which hand.
    pub hand: Hand,
    /// Counts this hand's inputs; the newest one of a tick counts.
    pub seq: u32,
    /// The tool held.
    pub tool: ToolKind,
    /// Diameter of a burr's, ball's or cup's head or width of a jaw, blade or bite, 1/10 mm.
    pub size_tenth_mm: u8,
    /// Where the hand wants the tool.
    pub pose: Pose,
    /// How far the trigger or pedal is pressed, 0-255: spindle speed of a burr, closing of a punch or rongeur, flow of suction and
    /// irrigation, firmness of a curette; an osteotome takes a blow of the mallet when it is pressed.
    pub trigger: u8,
}
