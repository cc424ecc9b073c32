//! The 64-bit digest of bricks that server, mirrors and recordings compare.
//!
//! Words of eight samples (little endian) are folded by `h = rotl(h ^ word, 29) * K`, then finished by MurmurHash3's 64-bit mixer
//! (Appleby, public domain). Every step is a bijection of `h` for a given word and of the word for a given `h`, so bricks that differ
//! in a single word never collide. It finds disagreement; it does not withstand somebody who builds collisions on purpose.

use crate::field::BrickSamples;
use crate::grid::BrickIndex;
use crate::label::TissueClass;

const K: u64 = 0x9e37_79b9_7f4a_7c15;

/// MurmurHash3's finaliser: a bijection in which every input bit reaches every output bit.
const fn mix(mut h: u64) -> u64 {
    h ^= h >> 33;
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 33;
    h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ h >> 33
}

/// Digest of a class's brick; 0 for a brick in which nothing is cut, so that an untouched brick and one made whole again are equal.
///
/// Digests of several bricks are combined by wrapping addition, in any order.
pub fn brick(class: TissueClass, brick: BrickIndex, samples: &BrickSamples) -> u64 {
    if samples.iter().all(|v| *v == i8::MAX) {
        return 0;
    }
    let mut h = mix((u64::from(brick.0) << 8 | class as u64) ^ K);
    let (words, _) = samples.as_chunks::<8>();
    for word in words {
        h = (h ^ u64::from_le_bytes(word.map(|v| v as u8))).rotate_left(29).wrapping_mul(K);
    }
    mix(h)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::BRICK_VOXELS;

    /// Proves that every sample, the class and the brick count, and pins the algorithm.
    #[test]
    fn one_step_in_any_sample_changes_the_digest() {
        let mut samples = [127; BRICK_VOXELS];
        assert_eq!(brick(TissueClass::Bone, BrickIndex(3), &samples), 0);
        samples[77] = 12;
        let first = brick(TissueClass::Bone, BrickIndex(3), &samples);
        assert_eq!(first, PINNED);
        assert_ne!(first, brick(TissueClass::Disc, BrickIndex(3), &samples));
        assert_ne!(first, brick(TissueClass::Bone, BrickIndex(4), &samples));
        for at in 0..BRICK_VOXELS {
            let mut other = samples;
            other[at] ^= 1;
            assert_ne!(first, brick(TissueClass::Bone, BrickIndex(3), &other));
        }
    }

    const PINNED: u64 = 4_464_256_801_577_121_391;
}
