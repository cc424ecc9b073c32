//! The surgeon's own random numbers: integers from a seed, the same on every machine.

use crate::vector::V3;

/// A generator of 64 bits (SplitMix64, public domain; Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed ^ 0x5EED_0F5C_A1BE_1501 }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in −1 to 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    /// About normal with a deviation of 1: the sum of three uniform numbers has exactly that.
    pub(crate) fn normal(&mut self) -> f64 {
        self.uniform() + self.uniform() + self.uniform()
    }
}

/// A hand's tremor: noise around 9 Hz and a slow drift, per axis.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tremor {
    /// The last two values per axis of the resonance.
    shake: [[f64; 2]; 3],
    drift: V3,
}

/// Poles of the resonance at 60 ticks a second: a damping of 0.93 a tick at 9 Hz, whose cosine (2π · 9/60) is 0.5878.
const DAMPING: f64 = 0.93;
const COSINE_9_HZ: f64 = 0.587_785;
/// What brings the resonance to a deviation of 1: the inverse root of (1 + d²) / ((1 − d²) ((1 + d²)² − 4 d² c²)).
const SHAKE_GAIN: f64 = 0.406_6;
/// How slowly the drift forgets, a tick: half a second.
const DRIFT_KEEP: f64 = 0.967;
/// What brings the drift to a deviation of 1: √(1 − 0.967²).
const DRIFT_GAIN: f64 = 0.255;

impl Tremor {
    /// The next offset, with a deviation of 1 along each axis: two thirds of its power tremor, one third drift.
    pub(crate) fn next(&mut self, random: &mut Random) -> V3 {
        let mut offset = [0.0; 3];
        for k in 0..3 {
            let [a, b] = self.shake[k];
            let shake = 2.0 * DAMPING * COSINE_9_HZ * a - DAMPING * DAMPING * b + SHAKE_GAIN * random.normal();
            self.shake[k] = [shake, a];
            self.drift[k] = DRIFT_KEEP * self.drift[k] + DRIFT_GAIN * random.normal();
            offset[k] = 0.816 * shake + 0.577 * self.drift[k];
        }
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tremor has the deviation it claims, no bias, and the same numbers for the same seed.
    #[test]
    fn tremor_has_a_deviation_of_one() {
        let (mut random, mut tremor) = (Random::new(4), Tremor::default());
        let (mut sum, mut square) = (0.0, 0.0);
        let n = 200_000;
        for _ in 0..n {
            let x = tremor.next(&mut random)[1];
            sum += x;
            square += x * x;
        }
        let (mean, deviation) = (sum / f64::from(n), (square / f64::from(n)).sqrt());
        assert!(mean.abs() < 0.05 && (deviation - 1.0).abs() < 0.05, "mean {mean}, deviation {deviation}");
        let first = |seed| Tremor::default().next(&mut Random::new(seed));
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }
}
