//! What tissues did in a tick, in integers: recorded, sent and compared like operations and events.

use std::sync::Arc;

use spinor_volume::{BrickIndex, BrickSamples, Label, Stamp};

use crate::events::Holder;
use crate::input::{Hand, UserId};

/// A fragment of a room, counted from 1 in the order of detachment within an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FragmentId(pub u32);

/// Tissue that left the cut fields' solid: a fragment that came loose, dust, or the gap of a fracture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detached {
    /// The fragment it became, none for dust and gaps.
    pub fragment: Option<FragmentId>,
    /// The tool whose cut or load it was.
    pub by: Holder,
    /// What it was part of.
    pub structure: Label,
    /// How much, 1/32 voxel of occupancy.
    pub occupancy: i64,
    /// Its middle where it was, micrometres.
    pub centre_um: [i32; 3],
    /// What it takes from the cut fields' solid, resolved.
    pub stamp: Arc<Stamp>,
    /// A fragment's own samples where it came loose, 1/32 voxel, negative inside, by rising brick; none for dust and gaps.
    pub shape: Shape,
}

/// A fragment's samples by brick of the patient's grid.
pub type Shape = Arc<Vec<(BrickIndex, Box<BrickSamples>)>>;

/// Where a fragment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentState {
    /// Which one.
    pub id: FragmentId,
    /// What it was part of.
    pub structure: Label,
    /// Its volume, 1/32 voxel of occupancy.
    pub occupancy: i64,
    /// Its middle where it came loose, micrometres.
    pub rest_um: [i32; 3],
    /// Its middle now, micrometres.
    pub at_um: [i32; 3],
    /// How it is turned about its middle since: a quaternion x, y, z, w in 1/32,767.
    pub turn: [i16; 4],
    /// The hand whose tool holds it.
    pub held: Option<(UserId, Hand)>,
    /// Whether it was carried out of the wound: it is gone.
    pub taken: bool,
}

/// The offsets of a patch's control nodes after a tick in which one of them moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchNodes {
    /// The neural structure.
    pub structure: Label,
    /// Which of its patches.
    pub patch: u16,
    /// Offset of each node from its place at rest, micrometres; at most [`MAX_NODES`](super::MAX_NODES).
    pub offsets_um: Vec<[i32; 3]>,
}

/// How much dust and blood veil one brick's place, in sixteenths of a field that nobody sees through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VeilCell {
    /// The brick of the patient's grid.
    pub brick: BrickIndex,
    /// Dust, 0-16.
    pub dust: u8,
    /// Blood, 0-16.
    pub blood: u8,
}

/// A tear of dura or root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TearState {
    /// Its number, from 0 in the order of tearing.
    pub number: u32,
    /// What tore.
    pub structure: Label,
    /// Where it began, patient LPS at rest, micrometres.
    pub at_um: [i32; 3],
    /// Its length, micrometres.
    pub length_um: u32,
    /// Whether it leaks CSF.
    pub leaks: bool,
}

/// Everything that tissues did in one tick.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TissueOutput {
    /// What came loose, in the order in which it was lifted out of the cut fields.
    pub detached: Vec<Detached>,
    /// Fragments that are new, moved, or were taken, by number.
    pub fragments: Vec<FragmentState>,
    /// Patches whose nodes moved, by structure and number.
    pub nodes: Vec<PatchNodes>,
    /// Tears that are new or grew, by number.
    pub tears: Vec<TearState>,
    /// Places whose veil changed by a sixteenth, by brick.
    pub veil: Vec<VeilCell>,
}

impl TissueOutput {
    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        let Self { detached, fragments, nodes, tears, veil } = self;
        detached.is_empty() && fragments.is_empty() && nodes.is_empty() && tears.is_empty() && veil.is_empty()
    }
}
