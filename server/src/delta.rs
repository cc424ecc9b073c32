//! What a tick changed, packed once for everybody.

use std::collections::BTreeMap;

use bytes::Bytes;
use spinor_shared::delta::{BrickDelta, Cause, DeltaError, LaneFrame, Packer, SnapshotEnd, SnapshotFrame, UNTOUCHED, lane_of};
use spinor_shared::net::LANES;
use spinor_shared::net::frame::kind;
use spinor_volume::cut::CutState;
use spinor_volume::{BrickIndex, BrickSamples, BrickState, TissueClass};

use crate::peer::framed;

/// A brick of a cut field.
pub(crate) type BrickKey = (TissueClass, BrickIndex);

/// Bytes of packed bricks in one snapshot frame, about.
const SNAPSHOT_CHUNK: usize = 32 * 1024;

/// A lane's share of a tick.
pub(crate) struct LaneShare {
    /// The frame, the same for all who are up to date.
    pub(crate) frame: Bytes,
    /// Its bricks, for those who are behind.
    pub(crate) bricks: Vec<BrickKey>,
}

/// Packs changes against what was sent last.
pub(crate) struct Sender {
    packer: Packer,
    sent: BTreeMap<BrickKey, (u32, Box<BrickSamples>)>,
}

/// The samples of a brick of a cut field, whatever state it is in.
pub(crate) fn samples_of(cut: &CutState, (class, brick): BrickKey) -> Box<BrickSamples> {
    match cut.field(class).brick(brick) {
        BrickState::Outside => Box::new(UNTOUCHED),
        BrickState::Inside => Box::new([-127; spinor_volume::BRICK_VOXELS]),
        BrickState::Samples(samples) => Box::new(*samples),
    }
}

impl Sender {
    pub(crate) fn new() -> Result<Self, DeltaError> {
        Ok(Self { packer: Packer::new()?, sent: BTreeMap::new() })
    }

    /// Takes a state as sent: what a room resumes with goes out in snapshots.
    pub(crate) fn begin_from(&mut self, cut: &CutState) {
        self.sent = cut.cut_bricks().map(|(class, brick, version, s)| ((class, brick), (version, Box::new(*s)))).collect();
    }

    /// The frames of a tick by lane.
    pub(crate) fn tick(
        &mut self,
        cut: &CutState,
        touched: &[BrickKey],
        (epoch, tick): (u32, u32),
        causes: &[Cause],
    ) -> Result<[Option<LaneShare>; LANES], DeltaError> {
        let mut bricks: [Vec<BrickDelta>; LANES] = Default::default();
        let mut keys: [Vec<BrickKey>; LANES] = Default::default();
        let mut once = touched.to_vec();
        once.sort_unstable();
        once.dedup();
        for key in once {
            let (class, brick) = key;
            let version = cut.version(class, brick);
            let new = samples_of(cut, key);
            let (base, old) = self.sent.entry(key).or_insert_with(|| (0, Box::new(UNTOUCHED)));
            if let Some(delta) = self.packer.difference(class, brick, (*base, old), (version, &new))? {
                let lane = lane_of(class as u8, brick.0, LANES);
                bricks[lane].push(delta);
                keys[lane].push(key);
                (*base, *old) = (version, new);
            }
        }
        let mut shares: [Option<LaneShare>; LANES] = Default::default();
        for (share, (bricks, keys)) in shares.iter_mut().zip(bricks.into_iter().zip(keys)) {
            if !bricks.is_empty() {
                *share = Some(LaneShare { frame: lane_frame(epoch, tick, causes.to_vec(), bricks), bricks: keys });
            }
        }
        Ok(shares)
    }

    /// A frame of whole bricks, as last sent.
    pub(crate) fn whole(
        &mut self,
        keys: impl Iterator<Item = BrickKey>,
        (epoch, tick): (u32, u32),
        causes: Vec<Cause>,
    ) -> Result<Bytes, DeltaError> {
        let mut bricks = Vec::new();
        for key in keys {
            let untouched = (0, Box::new(UNTOUCHED));
            let (version, samples) = self.sent.get(&key).unwrap_or(&untouched);
            bricks.push(self.packer.whole(key.0, key.1, *version, samples)?);
        }
        Ok(lane_frame(epoch, tick, causes, bricks))
    }

    /// A copy of all bricks as last sent, to be packed on another thread.
    pub(crate) fn snapshot(&self) -> Vec<(BrickKey, u32, Box<BrickSamples>)> {
        self.sent.iter().map(|(key, (version, samples))| (*key, *version, samples.clone())).collect()
    }
}

fn lane_frame(epoch: u32, tick: u32, causes: Vec<Cause>, bricks: Vec<BrickDelta>) -> Bytes {
    framed(kind::LANE, &LaneFrame { epoch, tick, causes, bricks })
}

/// The frames of a cut snapshot, the end included.
pub(crate) fn snapshot_frames(
    bricks: &[(BrickKey, u32, Box<BrickSamples>)],
    (epoch, tick): (u32, u32),
) -> Result<Vec<Bytes>, DeltaError> {
    let mut packer = Packer::new()?;
    let mut frames = Vec::new();
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    let flush = |chunk: &mut Vec<BrickDelta>, frames: &mut Vec<Bytes>| {
        let piece = SnapshotFrame { epoch, bricks: std::mem::take(chunk) };
        frames.push(framed(kind::SNAPSHOT, &piece));
    };
    for ((class, brick), version, samples) in bricks {
        let whole = packer.whole(*class, *brick, *version, samples)?;
        bytes += whole.packed.len() + 16;
        chunk.push(whole);
        if bytes >= SNAPSHOT_CHUNK {
            flush(&mut chunk, &mut frames);
            bytes = 0;
        }
    }
    if !chunk.is_empty() {
        flush(&mut chunk, &mut frames);
    }
    let end = SnapshotEnd { epoch, tick, bricks: bricks.len() as u32 };
    frames.push(framed(kind::SNAPSHOT_END, &end));
    Ok(frames)
}
