//! Messages on the control stream.

use serde::{Deserialize, Serialize};

use super::handshake::Refusal;
use crate::following::{Following, WireTarget};
use crate::mark::Mark;
use crate::measures::WireMeasures;
use crate::room::Role;
use crate::tissue_view::TissueView;
use crate::wire::WireEvent;

/// What a client asks for. The server answers every request that it refuses with [`Notice::Refused`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// The first request after entering: start sending.
    Ready {
        /// Whether the client has the patient section of that hash already.
        have_patient: bool,
        /// Whether it wants CT and MR bricks.
        want_images: bool,
    },
    /// All tools stop taking tissue, or may again (directs).
    Freeze(bool),
    /// The room's time stands still, or goes on (directs).
    Pause(bool),
    /// Gives `user` the right to operate, or takes it (directs).
    Tool {
        /// Whose right.
        user: u32,
        /// Whether to give it.
        give: bool,
    },
    /// Sets the alarm's thresholds, micrometres (directs).
    Alarm {
        /// Caution.
        caution_um: u32,
        /// Danger; at most `caution_um`, and at least [`spinor_sim::settings::LEAST_DANGER_MM`].
        danger_um: u32,
    },
    /// Asks for bricks whose version or digest is not what it should be.
    Repair(Vec<BrickName>),
    /// Asks for [`Notice::Stats`].
    Stats,
    /// Asks for [`Notice::Digest`] as soon as nobody's tool has cut for a moment.
    Digest,
    /// A mark or a word for everybody; a mentor points and draws with it.
    Say(Mark),
    /// Leaves in order.
    Leave,
    /// Takes the patient back to the end of a tick (directs). The room has to be recorded; a new epoch begins there.
    Rewind {
        /// The tick.
        to_tick: u32,
    },
    /// Hands the tool in a hand over to somebody. Whoever directs gives the right to operate with it.
    Pass {
        /// Number of the hand.
        hand: u8,
        /// To whom.
        to: u32,
    },
    /// Asks for [`Notice::Measures`].
    Measures,
    /// Chooses the procedure that the room follows, or none (directs).
    Procedure(Option<WireTarget>),
}

impl Request {
    /// Its name in logs.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Ready { .. } => "ready",
            Self::Freeze(_) => "freeze",
            Self::Pause(_) => "pause",
            Self::Tool { .. } => "tool",
            Self::Alarm { .. } => "alarm",
            Self::Repair(_) => "repair",
            Self::Stats => "stats",
            Self::Digest => "digest",
            Self::Say(_) => "say",
            Self::Leave => "leave",
            Self::Rewind { .. } => "rewind",
            Self::Pass { .. } => "pass",
            Self::Measures => "measures",
            Self::Procedure(_) => "procedure",
        }
    }
}

/// Most bricks in one [`Request::Repair`].
pub const MAX_REPAIR: usize = 256;

/// A brick of a cut field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BrickName {
    /// Number of the tissue class.
    pub class: u8,
    /// Brick of the case's grid.
    pub brick: u32,
}

/// What everybody in a room knows about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoomView {
    /// All tools are frozen.
    pub frozen: bool,
    /// Time stands still.
    pub paused: bool,
    /// The room waits because its recording cannot be written.
    pub disk_full: bool,
    /// Whether the session is recorded.
    pub recorded: bool,
    /// Alarm thresholds, micrometres: caution, danger.
    pub alarm_um: [u32; 2],
    /// Versions of bricks count anew in every epoch.
    pub epoch: u32,
    /// Who is here, the person asked included.
    pub people: Vec<Person>,
}

/// Somebody in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Number.
    pub user: u32,
    /// Name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Whether the person may operate now.
    pub has_tool: bool,
    /// Whether a connection is there. Whoever was in the room once stays listed until it closes.
    pub online: bool,
}

/// What the server tells a client on the control stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Notice {
    /// The room changed: somebody came or went, froze, paused, gave or took the tool, set the alarm.
    Room(RoomView),
    /// Things happened at a tick, in order. Reliable: the alarm's changes come this way.
    Events {
        /// The tick.
        tick: u32,
        /// What happened.
        events: Vec<WireEvent>,
    },
    /// A request or an input was refused.
    Refused {
        /// Name of the request, or `input`.
        request: String,
        /// Why.
        reason: Refusal,
    },
    /// Answer to [`Request::Stats`].
    Stats(Box<Stats>),
    /// Answer to [`Request::Digest`].
    Digest {
        /// The tick after which it holds.
        tick: u32,
        /// The epoch.
        epoch: u32,
        /// `CutState::digest` of the room.
        digest: u64,
        /// Operations applied since the room opened.
        ops: u64,
    },
    /// Somebody pointed, drew or spoke.
    Said {
        /// Who.
        user: u32,
        /// What.
        mark: Mark,
    },
    /// The connection ends, and why.
    Closing(Refusal),
    /// A tool was handed over. The giver's hand is empty; the receiver holds it in a hand that was.
    Passed {
        /// Who gave it.
        from: u32,
        /// Out of which hand.
        from_hand: u8,
        /// Who has it now.
        to: u32,
        /// In which hand.
        hand: u8,
        /// The tool.
        tool: u8,
        /// Size of its head, 1/10 mm.
        size_tenth_mm: u8,
    },
    /// Answer to [`Request::Measures`]; a case without a recognisable spine is refused as [`Refusal::Nothing`].
    Measures(Box<WireMeasures>),
    /// Fragments, dents, tears and veil that changed, or all of them behind [`Request::Ready`].
    Tissues(Box<TissueView>),
    /// Where the room stands in its procedure, whenever that changes and behind [`Request::Ready`]; none where it follows none.
    Procedure(Option<Following>),
}

/// How the server fares. Counted since it started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Ticks run.
    pub ticks: u64,
    /// Duration of a tick of all rooms, milliseconds: median, 99th percentile, maximum.
    pub tick_ms: [f32; 3],
    /// Processor time of the process, seconds.
    pub cpu_s: f64,
    /// Most memory the process held, MiB.
    pub rss_mb: f64,
    /// Operations applied in this room.
    pub ops: u64,
    /// Bytes of cut snapshots sent in this room, the newest one.
    pub snapshot_bytes: u64,
    /// Refusals in this room by reason.
    pub refused: Vec<(String, u64)>,
    /// Bricks sent again on request in this room.
    pub repairs: u64,
    /// Times that a slow lane made pending deltas of bricks into one.
    pub coalesced: u64,
    /// Rooms open.
    pub rooms: u32,
    /// People connected in all rooms.
    pub people: u32,
    /// Refusals by reason at the door, which all rooms share.
    pub refused_at_door: Vec<(String, u64)>,
}
