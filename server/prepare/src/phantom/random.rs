//! The phantom's own random numbers: counters hashed by SplitMix64's finaliser (Steele, Lea, Flood 2014, doi:10.1145/2714064.2660195).
//!
//! Every number depends on the seed and on what it is for, never on the order in which threads ask.

/// A stream of random numbers; streams with different keys are independent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Random {
    state: u64,
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn finalise(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Random {
    /// The stream for purpose `key` of a phantom with `seed`.
    pub(super) fn new(seed: u64, key: u64) -> Self {
        Self { state: finalise(seed ^ finalise(key.wrapping_add(GOLDEN))) }
    }

    /// The number at place `n` of this stream.
    pub(super) fn at(&self, n: u64) -> u64 {
        finalise(self.state.wrapping_add(n.wrapping_add(1).wrapping_mul(GOLDEN)))
    }

    /// Uniform in −1..1 at place `n`.
    pub(super) fn uniform(&self, n: u64) -> f64 {
        (self.at(n) >> 11) as f64 * (2.0 / (1u64 << 53) as f64) - 1.0
    }

    /// About normal with mean 0 and sd 1 at place `n` (the sum of four uniform numbers: range ±3.5).
    pub(super) fn normal(&self, n: u64) -> f64 {
        let bits = self.at(n);
        let sum: u64 = (0..4).map(|k| bits >> (16 * k) & 0xFFFF).sum();
        (sum as f64 / 65_535.0 - 2.0) * 1.732_050_807_568_877_2
    }

    /// Smooth noise in about −1..1 at a position in cells: trilinear between the numbers of the lattice, eased.
    pub(super) fn smooth(&self, p: [f64; 3]) -> f64 {
        let cell = p.map(f64::floor);
        let t = [p[0] - cell[0], p[1] - cell[1], p[2] - cell[2]].map(|t| t * t * (3.0 - 2.0 * t));
        let place = cell.map(|c| c as i64 as u64 & 0xF_FFFF);
        let corner = |dx: u64, dy: u64, dz: u64| self.uniform((place[0] + dx) ^ (place[1] + dy) << 21 ^ (place[2] + dz) << 42);
        let line = |dy, dz| corner(0, dy, dz) * (1.0 - t[0]) + corner(1, dy, dz) * t[0];
        let plane = |dz| line(0, dz) * (1.0 - t[1]) + line(1, dz) * t[1];
        plane(0) * (1.0 - t[2]) + plane(1) * t[2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moments of the numbers are those asked for, and streams differ.
    #[test]
    fn moments() {
        let r = Random::new(7, 1);
        let n = 40_000;
        let (mut sum, mut square) = (0.0, 0.0);
        for k in 0..n {
            let v = r.normal(k);
            sum += v;
            square += v * v;
        }
        assert!((sum / n as f64).abs() < 0.02 && (square / n as f64 - 1.0).abs() < 0.03);
        assert_ne!(r.at(0), Random::new(7, 2).at(0));
        assert_ne!(r.at(0), Random::new(8, 1).at(0));
    }
}
