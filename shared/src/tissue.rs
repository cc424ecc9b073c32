//! What tissues did in a tick, as recorded and sent: pieces that came loose, fragments, deformation, veil.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use spinor_sim::{Detached, FragmentId, FragmentState, Holder, PatchNodes, TearState, TissueOutput, UserId, VeilCell};
use spinor_volume::cut::Stamp;
use spinor_volume::{BRICK_VOXELS, BrickIndex, BrickSamples, Label};

use crate::wire::{WireError, class_from_number, hand_from_number, tool_from_number};

/// Most bricks that one loose piece reaches: a whole vertebra at 0.25 mm.
pub const MAX_STAMP_BRICKS: usize = 4_096;
/// Most bricks of all pieces of one record, their own forms included: 64 MiB of samples, whatever the bytes unpack to.
pub const MAX_RECORD_BRICKS: usize = 4 * MAX_STAMP_BRICKS;
/// zstd's level for samples.
const LEVEL: i32 = 3;

/// Tissue that left the cut fields' solid, with the resolved samples: replay needs no search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireDetached {
    /// The fragment it became, 0 for dust and the gap of a fracture.
    pub fragment: u32,
    /// Whose hand.
    pub user: u32,
    /// Which hand.
    pub hand: u8,
    /// The tool in it.
    pub tool: u8,
    /// What it was part of.
    pub structure: u16,
    /// How much, 1/32 voxel of occupancy.
    pub occupancy: i64,
    /// Its middle where it was, micrometres.
    pub centre_um: [i32; 3],
    /// Number of the tissue class.
    pub class: u8,
    /// Bricks of the case's grid, rising.
    pub bricks: Vec<u32>,
    /// Their samples one after the other, as two's complement bytes: zstd.
    #[serde(with = "serde_bytes")]
    pub samples: Vec<u8>,
    /// Bricks that hold a fragment's own form, rising; none for dust and gaps.
    pub shape_bricks: Vec<u32>,
    /// Their samples, as `samples`.
    #[serde(with = "serde_bytes")]
    pub shape_samples: Vec<u8>,
}

/// Bricks and their samples as they are recorded.
pub(crate) fn pack(bricks: &[(BrickIndex, Box<BrickSamples>)]) -> Result<(Vec<u32>, Vec<u8>), WireError> {
    if bricks.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    if bricks.len() > MAX_STAMP_BRICKS {
        return Err(WireError::Bricks(bricks.len()));
    }
    let raw: Vec<u8> = bricks.iter().flat_map(|(_, samples)| samples.iter().map(|s| s.cast_unsigned())).collect();
    let packed = zstd::bulk::compress(&raw, LEVEL).map_err(|_| WireError::Packing(raw.len()))?;
    Ok((bricks.iter().map(|(brick, _)| brick.0).collect(), packed))
}

/// The way back from [`pack`]; no more is unpacked than [`MAX_STAMP_BRICKS`] need.
pub(crate) fn unpack(bricks: &[u32], packed: &[u8]) -> Result<Vec<(BrickIndex, Box<BrickSamples>)>, WireError> {
    if bricks.len() > MAX_STAMP_BRICKS {
        return Err(WireError::Bricks(bricks.len()));
    }
    if bricks.is_empty() {
        return if packed.is_empty() { Ok(Vec::new()) } else { Err(WireError::Samples(packed.len())) };
    }
    let wanted = bricks.len() * BRICK_VOXELS;
    let raw = zstd::bulk::decompress(packed, wanted).map_err(|_| WireError::Packing(packed.len()))?;
    if raw.len() != wanted {
        return Err(WireError::Samples(raw.len()));
    }
    let samples = raw.as_chunks::<BRICK_VOXELS>().0;
    Ok(bricks.iter().zip(samples).map(|(brick, s)| (BrickIndex(*brick), Box::new(s.map(u8::cast_signed)))).collect())
}

impl WireDetached {
    /// A piece's wire form.
    ///
    /// # Errors
    /// When it reaches too many bricks, or its samples do not compress.
    pub fn new(detached: &Detached) -> Result<Self, WireError> {
        let (bricks, samples) = pack(&detached.stamp.bricks)?;
        let (shape_bricks, shape_samples) = pack(&detached.shape)?;
        let by = detached.by;
        Ok(Self {
            fragment: detached.fragment.map_or(0, |id| id.0),
            user: by.user.0,
            hand: by.hand as u8,
            tool: by.tool as u8,
            structure: detached.structure.0,
            occupancy: detached.occupancy,
            centre_um: detached.centre_um,
            class: detached.stamp.class as u8,
            bricks,
            samples,
            shape_bricks,
            shape_samples,
        })
    }

    /// What it takes from the cut fields. [`Stamp::check`] tells whether a patient admits it.
    ///
    /// # Errors
    /// When there are too many bricks, no such class, samples that do not unpack, or not as many samples as the bricks need.
    pub fn stamp(&self) -> Result<Stamp, WireError> {
        Ok(Stamp { class: class_from_number(self.class)?, bricks: unpack(&self.bricks, &self.samples)? })
    }

    /// The core's form.
    ///
    /// # Errors
    /// As [`Self::stamp`], or when hand or tool do not exist.
    pub fn open(&self) -> Result<Detached, WireError> {
        let by = Holder { user: UserId(self.user), hand: hand_from_number(self.hand)?, tool: tool_from_number(self.tool)? };
        Ok(Detached {
            fragment: (self.fragment > 0).then_some(FragmentId(self.fragment)),
            by,
            structure: Label(self.structure),
            occupancy: self.occupancy,
            centre_um: self.centre_um,
            stamp: Arc::new(self.stamp()?),
            shape: Arc::new(unpack(&self.shape_bricks, &self.shape_samples)?),
        })
    }
}

/// Where a fragment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireFragment {
    /// Its number.
    pub id: u32,
    /// What it was part of.
    pub structure: u16,
    /// Its volume, 1/32 voxel of occupancy.
    pub occupancy: i64,
    /// Its middle where it came loose, micrometres.
    pub rest_um: [i32; 3],
    /// Its middle now, micrometres.
    pub at_um: [i32; 3],
    /// How it is turned since: a quaternion in 1/32,767.
    pub turn: [i16; 4],
    /// User and hand whose tool holds it.
    pub held: Option<(u32, u8)>,
    /// Whether it was carried out of the wound.
    pub taken: bool,
}

impl From<FragmentState> for WireFragment {
    fn from(state: FragmentState) -> Self {
        let FragmentState { id, structure, occupancy, rest_um, at_um, turn, held, taken } = state;
        let held = held.map(|(user, hand)| (user.0, hand as u8));
        Self { id: id.0, structure: structure.0, occupancy, rest_um, at_um, turn, held, taken }
    }
}

impl TryFrom<WireFragment> for FragmentState {
    type Error = WireError;

    fn try_from(wire: WireFragment) -> Result<Self, WireError> {
        let WireFragment { id, structure, occupancy, rest_um, at_um, turn, held, taken } = wire;
        let held = held.map(|(user, hand)| hand_from_number(hand).map(|hand| (UserId(user), hand))).transpose()?;
        Ok(Self { id: FragmentId(id), structure: Label(structure), occupancy, rest_um, at_um, turn, held, taken })
    }
}

/// The control nodes of a patch of dura or root that moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WirePatch {
    /// The neural structure.
    pub structure: u16,
    /// Which of its patches.
    pub patch: u16,
    /// Offset of each node from its rest, micrometres; at most [`spinor_sim::tissue::MAX_NODES`].
    pub offsets_um: Vec<[i32; 3]>,
}

impl From<&PatchNodes> for WirePatch {
    fn from(nodes: &PatchNodes) -> Self {
        Self { structure: nodes.structure.0, patch: nodes.patch, offsets_um: nodes.offsets_um.clone() }
    }
}

impl TryFrom<&WirePatch> for PatchNodes {
    type Error = WireError;

    fn try_from(wire: &WirePatch) -> Result<Self, WireError> {
        if wire.offsets_um.len() > spinor_sim::tissue::MAX_NODES {
            return Err(WireError::Nodes(wire.offsets_um.len()));
        }
        Ok(Self { structure: Label(wire.structure), patch: wire.patch, offsets_um: wire.offsets_um.clone() })
    }
}

/// A tear of dura or root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireTear {
    /// Its number.
    pub number: u32,
    /// What tore.
    pub structure: u16,
    /// Where it began, at rest, micrometres.
    pub at_um: [i32; 3],
    /// Its length, micrometres.
    pub length_um: u32,
    /// Whether it leaks CSF.
    pub leaks: bool,
}

impl From<TearState> for WireTear {
    fn from(state: TearState) -> Self {
        let TearState { number, structure, at_um, length_um, leaks } = state;
        Self { number, structure: structure.0, at_um, length_um, leaks }
    }
}

impl From<WireTear> for TearState {
    fn from(wire: WireTear) -> Self {
        let WireTear { number, structure, at_um, length_um, leaks } = wire;
        Self { number, structure: Label(structure), at_um, length_um, leaks }
    }
}

/// How much dust and blood veil a brick's place, in sixteenths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireVeil {
    /// The brick.
    pub brick: u32,
    /// Dust, 0-16.
    pub dust: u8,
    /// Blood, 0-16.
    pub blood: u8,
}

impl From<VeilCell> for WireVeil {
    fn from(cell: VeilCell) -> Self {
        Self { brick: cell.brick.0, dust: cell.dust, blood: cell.blood }
    }
}

impl From<WireVeil> for VeilCell {
    fn from(cell: WireVeil) -> Self {
        Self { brick: BrickIndex(cell.brick), dust: cell.dust.min(16), blood: cell.blood.min(16) }
    }
}

/// Everything that tissues did in one tick.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TissueRecord {
    /// The tick.
    pub tick: u32,
    /// What came loose.
    pub detached: Vec<WireDetached>,
    /// Fragments that are new, moved or were taken.
    pub fragments: Vec<WireFragment>,
    /// Patches whose nodes moved.
    pub nodes: Vec<WirePatch>,
    /// Tears that are new or grew.
    pub tears: Vec<WireTear>,
    /// Places whose veil changed.
    pub veil: Vec<WireVeil>,
}

/// Refuses pieces that together have more bricks than a record may, before any of them is packed or unpacked.
fn check_total(bricks: impl Iterator<Item = usize>) -> Result<(), WireError> {
    let total = bricks.fold(0, usize::saturating_add);
    if total > MAX_RECORD_BRICKS { Err(WireError::Bricks(total)) } else { Ok(()) }
}

impl TissueRecord {
    /// The record of a tick's output.
    ///
    /// # Errors
    /// When a piece, or all together, reach too many bricks, or a piece's samples do not compress.
    pub fn new(tick: u32, output: &TissueOutput) -> Result<Self, WireError> {
        check_total(output.detached.iter().map(|piece| piece.stamp.bricks.len() + piece.shape.len()))?;
        Ok(Self {
            tick,
            detached: output.detached.iter().map(WireDetached::new).collect::<Result<_, _>>()?,
            fragments: output.fragments.iter().map(|state| (*state).into()).collect(),
            nodes: output.nodes.iter().map(WirePatch::from).collect(),
            tears: output.tears.iter().map(|tear| (*tear).into()).collect(),
            veil: output.veil.iter().map(|cell| (*cell).into()).collect(),
        })
    }

    /// The core's form.
    ///
    /// # Errors
    /// When all pieces together reach too many bricks; names the first value that no core type can hold.
    pub fn open(&self) -> Result<TissueOutput, WireError> {
        check_total(self.detached.iter().map(|piece| piece.bricks.len() + piece.shape_bricks.len()))?;
        Ok(TissueOutput {
            detached: self.detached.iter().map(WireDetached::open).collect::<Result<_, _>>()?,
            fragments: self.fragments.iter().map(|wire| (*wire).try_into()).collect::<Result<_, _>>()?,
            nodes: self.nodes.iter().map(PatchNodes::try_from).collect::<Result<_, _>>()?,
            tears: self.tears.iter().map(|tear| (*tear).into()).collect(),
            veil: self.veil.iter().map(|cell| (*cell).into()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinor_sim::{Hand, ToolKind};
    use spinor_volume::TissueClass;

    /// What tissues did comes back from its wire form, and a stamp whose samples are missing, or too many, is refused.
    #[test]
    fn tissue_records_come_back() {
        let by = Holder { user: UserId(3), hand: Hand::Right, tool: ToolKind::FlutedBurr };
        let mut samples = Box::new([127_i8; BRICK_VOXELS]);
        samples[17] = -90;
        let shape = Arc::new(vec![(BrickIndex(9), samples.clone())]);
        let stamp = Stamp { class: TissueClass::Bone, bricks: vec![(BrickIndex(4), samples.clone()), (BrickIndex(9), samples)] };
        let structure = Label::lumbar(4);
        let fragment = FragmentState {
            id: FragmentId(2),
            structure,
            occupancy: 4_000,
            rest_um: [1, 2, 3],
            at_um: [4, 5, -6],
            turn: [0, 0, 0, 32_767],
            held: Some((UserId(3), Hand::Left)),
            taken: true,
        };
        let output = TissueOutput {
            detached: vec![Detached {
                fragment: Some(FragmentId(2)),
                by,
                structure,
                occupancy: 4_000,
                centre_um: [-7, 8, 9],
                stamp: Arc::new(stamp),
                shape,
            }],
            fragments: vec![fragment],
            nodes: vec![PatchNodes { structure: Label::DURAL_SAC, patch: 3, offsets_um: vec![[1, -2, 3]; 64] }],
            tears: vec![TearState { number: 1, structure: Label::DURAL_SAC, at_um: [5, -6, 7], length_um: 900, leaks: false }],
            veil: vec![VeilCell { brick: BrickIndex(7), dust: 16, blood: 2 }],
        };
        let record = TissueRecord::new(5, &output).unwrap();
        assert_eq!(record.open().unwrap(), output);
        let mut short = record.clone();
        short.detached[0].bricks.push(10);
        assert!(matches!(short.open(), Err(WireError::Samples(_))));
        let mut long = record.clone();
        long.detached[0].bricks.pop();
        assert!(matches!(long.open(), Err(WireError::Packing(_))));
        let mut formless = record.clone();
        formless.detached[0].shape_bricks.clear();
        assert!(matches!(formless.open(), Err(WireError::Samples(_))));
        let mut torn = record.clone();
        torn.detached[0].samples.truncate(9);
        assert!(matches!(torn.open(), Err(WireError::Packing(9))));
        let mut many = record;
        many.nodes[0].offsets_um.push([0; 3]);
        assert_eq!(many.open(), Err(WireError::Nodes(65)));
    }

    /// Many pieces that each keep their limit are refused for what they would unpack to together, and none is written either.
    #[test]
    fn pieces_share_one_budget() {
        let by = Holder { user: UserId(3), hand: Hand::Right, tool: ToolKind::FlutedBurr };
        let bricks = (0..MAX_STAMP_BRICKS as u32).map(|n| (BrickIndex(n), Box::new([0; BRICK_VOXELS]))).collect();
        let stamp = Arc::new(Stamp { class: TissueClass::Bone, bricks });
        let piece =
            Detached { fragment: None, by, structure: Label(1), occupancy: 0, centre_um: [0; 3], stamp, shape: Arc::default() };
        let output = |pieces| TissueOutput { detached: vec![piece.clone(); pieces], ..TissueOutput::default() };
        let too_many = WireError::Bricks(5 * MAX_STAMP_BRICKS);
        assert_eq!(TissueRecord::new(1, &output(5)).unwrap_err(), too_many);
        let mut record = TissueRecord::new(1, &output(1)).unwrap();
        assert_eq!(record.open().unwrap(), output(1));
        record.detached = vec![record.detached[0].clone(); 5];
        assert_eq!(record.open().unwrap_err(), too_many);
    }
}
