//! Mesh deltas: the brick samples that generate the mesh, as the difference to the version a receiver has.
//!
//! Sender and receiver run the same mesher on the same integers, so samples are all that has to travel. A delta names the version it
//! starts from; a receiver that has another one asks for the whole brick. Packed bytes are a zstd frame without its magic number.

use serde::{Deserialize, Serialize};
use spinor_volume::{BRICK_VOXELS, BrickIndex, BrickSamples, TissueClass};
use thiserror::Error;

use crate::wire::{WireError, class_from_number};

/// A brick that nothing has cut.
pub const UNTOUCHED: BrickSamples = [127; BRICK_VOXELS];
/// First bytes of every zstd frame, which are not sent.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// zstd's level: differences are mostly zeros, higher levels find nothing more.
const LEVEL: i32 = 3;
/// Most bricks in one frame.
pub const MAX_BRICKS: usize = 4096;

/// Why a delta cannot be packed or applied.
#[derive(Debug, Error)]
pub enum DeltaError {
    /// zstd failed.
    #[error("cannot compress a brick: {0}")]
    Pack(std::io::Error),
    /// The bytes are no brick.
    #[error("the samples of a brick cannot be unpacked: {0}")]
    Unpack(String),
    /// The receiver has another version than the one the delta starts from.
    #[error("a delta from version {base} met version {have}")]
    Base {
        /// What the delta starts from.
        base: u32,
        /// What the receiver has.
        have: u32,
    },
    /// The result is not what the sender has.
    #[error("the digest of a brick is {got:#010x} instead of {want:#010x}")]
    Digest {
        /// What the sender has.
        want: u32,
        /// What came out.
        got: u32,
    },
    /// A class that does not exist.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// Inputs whose effect a frame shows: those of one hand from `first` to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Whose hand.
    pub user: u32,
    /// Which hand.
    pub hand: u8,
    /// First input shown.
    pub first: u32,
    /// Last input shown.
    pub last: u32,
}

impl Cause {
    /// Adds a cause to a list, widening the one of the same hand.
    pub fn merge(list: &mut Vec<Self>, cause: Self) {
        match list.iter_mut().find(|c| c.user == cause.user && c.hand == cause.hand) {
            Some(c) => {
                c.first = c.first.min(cause.first);
                c.last = c.last.max(cause.last);
            }
            None => list.push(cause),
        }
    }
}

/// One brick's change, or the whole brick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrickDelta {
    /// Number of the tissue class.
    pub class: u8,
    /// Brick of the case's grid.
    pub brick: u32,
    /// The version that the difference starts from; none where the samples are whole.
    pub base: Option<u32>,
    /// The version that results.
    pub version: u32,
    /// [`digest`] of the result, little-endian.
    pub digest: [u8; 4],
    /// Packed samples or differences.
    #[serde(with = "serde_bytes")]
    pub packed: Vec<u8>,
}

/// What one tick changed in the bricks of one lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneFrame {
    /// The epoch that the versions belong to.
    pub epoch: u32,
    /// The tick.
    pub tick: u32,
    /// The inputs whose effect this shows.
    pub causes: Vec<Cause>,
    /// The bricks.
    pub bricks: Vec<BrickDelta>,
}

/// A piece of a cut snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotFrame {
    /// The epoch that the versions belong to.
    pub epoch: u32,
    /// Whole bricks.
    pub bricks: Vec<BrickDelta>,
}

/// The end of a cut snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotEnd {
    /// The epoch that the versions belong to.
    pub epoch: u32,
    /// The tick that the snapshot shows.
    pub tick: u32,
    /// Bricks sent before.
    pub bricks: u32,
}

/// The lane that a brick's deltas take, always the same one so that they arrive in order.
pub fn lane_of(class: u8, brick: u32, lanes: usize) -> usize {
    let mixed = (brick ^ u32::from(class) << 28).wrapping_mul(0x9E37_79B1);
    (mixed >> 16) as usize % lanes.max(1)
}

/// What a receiver checks: the first 32 bits of the samples' BLAKE3.
pub fn digest(samples: &BrickSamples) -> u32 {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = [0; BRICK_VOXELS];
    for (byte, sample) in bytes.iter_mut().zip(samples) {
        *byte = sample.cast_unsigned();
    }
    hasher.update(&bytes);
    let hash = hasher.finalize();
    let [a, b, c, d, ..] = *hash.as_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Packs bricks. Keeps zstd's state between bricks, which costs more to make than a brick to pack.
pub struct Packer {
    zstd: zstd::bulk::Compressor<'static>,
}

impl Packer {
    /// A packer.
    ///
    /// # Errors
    /// When zstd has no memory.
    pub fn new() -> Result<Self, DeltaError> {
        let mut zstd = zstd::bulk::Compressor::new(LEVEL).map_err(DeltaError::Pack)?;
        zstd.include_contentsize(false).map_err(DeltaError::Pack)?;
        zstd.include_checksum(false).map_err(DeltaError::Pack)?;
        Ok(Self { zstd })
    }

    /// The difference from `old` to `new`, or none where there is none.
    ///
    /// # Errors
    /// When zstd fails.
    pub fn difference(
        &mut self,
        class: TissueClass,
        brick: BrickIndex,
        (base, old): (u32, &BrickSamples),
        (version, new): (u32, &BrickSamples),
    ) -> Result<Option<BrickDelta>, DeltaError> {
        if old == new {
            return Ok(None);
        }
        let mut bytes = [0; BRICK_VOXELS];
        for (byte, (o, n)) in bytes.iter_mut().zip(old.iter().zip(new)) {
            *byte = o.cast_unsigned().wrapping_sub(n.cast_unsigned());
        }
        let packed = self.pack(&bytes)?;
        Ok(Some(BrickDelta {
            class: class as u8,
            brick: brick.0,
            base: Some(base),
            version,
            digest: digest(new).to_le_bytes(),
            packed,
        }))
    }

    /// A whole brick.
    ///
    /// # Errors
    /// When zstd fails.
    pub fn whole(
        &mut self,
        class: TissueClass,
        brick: BrickIndex,
        version: u32,
        samples: &BrickSamples,
    ) -> Result<BrickDelta, DeltaError> {
        let mut bytes = [0; BRICK_VOXELS];
        for (byte, sample) in bytes.iter_mut().zip(samples) {
            *byte = sample.cast_unsigned();
        }
        let packed = self.pack(&bytes)?;
        Ok(BrickDelta { class: class as u8, brick: brick.0, base: None, version, digest: digest(samples).to_le_bytes(), packed })
    }

    fn pack(&mut self, bytes: &[u8; BRICK_VOXELS]) -> Result<Vec<u8>, DeltaError> {
        let mut packed = self.zstd.compress(bytes).map_err(DeltaError::Pack)?;
        packed.drain(..ZSTD_MAGIC.len().min(packed.len()));
        Ok(packed)
    }
}

/// Unpacks bricks.
pub struct Unpacker {
    zstd: zstd::bulk::Decompressor<'static>,
    frame: Vec<u8>,
}

impl Unpacker {
    /// An unpacker.
    ///
    /// # Errors
    /// When zstd has no memory.
    pub fn new() -> Result<Self, DeltaError> {
        let zstd = zstd::bulk::Decompressor::new().map_err(|e| DeltaError::Unpack(e.to_string()))?;
        Ok(Self { zstd, frame: Vec::new() })
    }

    /// The samples after a delta, from the version and the samples that the receiver has.
    ///
    /// # Errors
    /// When the delta starts from another version, is damaged, or its result has another digest.
    pub fn apply(&mut self, delta: &BrickDelta, have: u32, old: &BrickSamples) -> Result<Box<BrickSamples>, DeltaError> {
        class_from_number(delta.class)?;
        if let Some(base) = delta.base
            && base != have
        {
            return Err(DeltaError::Base { base, have });
        }
        let bytes = self.unpack(&delta.packed)?;
        let mut samples = Box::new(UNTOUCHED);
        for (n, sample) in samples.iter_mut().enumerate() {
            *sample = match delta.base {
                Some(_) => old[n].cast_unsigned().wrapping_sub(bytes[n]).cast_signed(),
                None => bytes[n].cast_signed(),
            };
        }
        let (want, got) = (u32::from_le_bytes(delta.digest), digest(&samples));
        if want == got { Ok(samples) } else { Err(DeltaError::Digest { want, got }) }
    }

    fn unpack(&mut self, packed: &[u8]) -> Result<[u8; BRICK_VOXELS], DeltaError> {
        self.frame.clear();
        self.frame.extend_from_slice(&ZSTD_MAGIC);
        self.frame.extend_from_slice(packed);
        let mut bytes = [0; BRICK_VOXELS];
        let got = self.zstd.decompress_to_buffer(&self.frame, &mut bytes[..]).map_err(|e| DeltaError::Unpack(e.to_string()))?;
        if got == BRICK_VOXELS { Ok(bytes) } else { Err(DeltaError::Unpack(format!("{got} samples"))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn brick(seed: &[(u16, i8)]) -> Box<BrickSamples> {
        let mut samples = Box::new(UNTOUCHED);
        for (at, value) in seed {
            samples[*at as usize % BRICK_VOXELS] = *value;
        }
        samples
    }

    proptest! {
        /// Whole bricks and differences come back exactly, whatever the samples are.
        #[test]
        fn bricks_come_back(
            a in proptest::collection::vec((any::<u16>(), any::<i8>()), 0..400),
            b in proptest::collection::vec((any::<u16>(), any::<i8>()), 0..400),
            version in any::<u32>(),
        ) {
            let (old, new) = (brick(&a), brick(&b));
            let (mut packer, mut unpacker) = (Packer::new().unwrap(), Unpacker::new().unwrap());
            let whole = packer.whole(TissueClass::Disc, BrickIndex(7), version, &new).unwrap();
            prop_assert_eq!(&unpacker.apply(&whole, 99, &old).unwrap(), &new);
            let difference = packer.difference(TissueClass::Bone, BrickIndex(7), (3, &old), (version, &new)).unwrap();
            prop_assert_eq!(difference.is_none(), old == new);
            if let Some(delta) = difference {
                prop_assert_eq!(&unpacker.apply(&delta, 3, &old).unwrap(), &new);
                let wrong_base = matches!(unpacker.apply(&delta, 4, &old), Err(DeltaError::Base { base: 3, have: 4 }));
                prop_assert!(wrong_base);
            }
        }

        /// Damaged bytes are an error or the same samples, never other samples and never a panic.
        #[test]
        fn damage_is_noticed(seed in proptest::collection::vec((any::<u16>(), any::<i8>()), 1..200), at in any::<usize>(), with in 1u8..) {
            let new = brick(&seed);
            let mut whole = Packer::new().unwrap().whole(TissueClass::Bone, BrickIndex(0), 1, &new).unwrap();
            let at = at % whole.packed.len();
            whole.packed[at] ^= with;
            if let Ok(samples) = Unpacker::new().unwrap().apply(&whole, 0, &UNTOUCHED) {
                prop_assert_eq!(samples, new);
            }
        }
    }

    /// A frame that would unpack to more than a brick is refused without taking the memory.
    #[test]
    fn a_bomb_is_refused() {
        let bomb = zstd::bulk::compress(&vec![0; 1 << 24], 3).unwrap();
        let delta = BrickDelta { class: 0, brick: 0, base: None, version: 1, digest: [0; 4], packed: bomb[4..].to_vec() };
        assert!(matches!(Unpacker::new().unwrap().apply(&delta, 0, &UNTOUCHED), Err(DeltaError::Unpack(_))));
    }

    #[test]
    fn every_lane_is_used() {
        let mut counts = [0; 4];
        for n in 0..400 {
            counts[lane_of(0, n, 4)] += 1;
        }
        assert!(counts.iter().all(|n| *n > 50), "{counts:?}");
    }
}
