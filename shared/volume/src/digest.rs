//! Digests of cut bricks: what server, mirrors and recordings compare.

use crate::field::BrickSamples;
use crate::grid::BrickIndex;
use crate::label::TissueClass;

/// Multiplier of the mixing step (the 64-bit golden ratio, odd).
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// One mixing step: xor, multiply, rotate. Fast and well spread; a guard against accidents, not against forgers, who are held off
/// by the connection's own encryption.
fn mix(state: u64, word: u64) -> u64 {
    ((state ^ word).wrapping_mul(MIX)).rotate_left(29)
}

/// The digest of a brick's class, place and samples. Never 0, which stands for a brick that was never cut.
pub fn brick(class: TissueClass, brick: BrickIndex, samples: &BrickSamples) -> u64 {
    let mut state = mix(u64::from(brick.0), class as u64 + 1);
    for part in samples.as_chunks::<8>().0 {
        state = mix(state, u64::from_le_bytes(part.map(i8::cast_unsigned)));
    }
    mix(state, state >> 32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every sample, the class and the place count.
    #[test]
    fn each_part_counts() {
        let samples = [127; 4096];
        let first = brick(TissueClass::Bone, BrickIndex(7), &samples);
        assert_ne!(first, brick(TissueClass::Flavum, BrickIndex(7), &samples));
        assert_ne!(first, brick(TissueClass::Bone, BrickIndex(8), &samples));
        for at in [0, 7, 8, 4095] {
            let mut other = samples;
            other[at] = 126;
            assert_ne!(first, brick(TissueClass::Bone, BrickIndex(7), &other), "sample {at}");
        }
    }
}
