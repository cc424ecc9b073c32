//! The upper sacrum (S1 and most of S2) in its own frame: origin in the middle of the upper endplate, z along its normal.

use super::math::*;
use super::params::*;
use super::random::Random;
use super::vertebra::{Facet, kidney};

/// y of the back rim of the upper endplate.
pub(super) const BACK: f64 = SACRUM_TOP[1];
/// Where the block ends below the upper endplate.
const END: f64 = -58.0;

/// The sacral block.
#[derive(Clone, Debug)]
pub(super) struct Sacrum {
    /// The joint with L5.
    pub upper: Facet,
    hypertrophy: f64,
    warp: Random,
    /// Path of root S1 on the left, which must stay free.
    tunnel: [V3; 5],
}

/// Way of root S1 on the left side through the lateral recess and the first anterior foramen.
pub(super) const ROOT_PATH: [V3; 5] =
    [[11.3, BACK + 4.4, -8.0], [15.0, BACK + 3.0, -21.0], [19.0, -2.0, -31.0], [22.5, -17.0, -40.0], [25.0, -27.0, -50.0]];

impl Sacrum {
    pub(super) fn new(hypertrophy: f64, warp: Random) -> Self {
        Self { upper: Facet::on_lower(4, 0.0, BACK), hypertrophy, warp, tunnel: ROOT_PATH }
    }

    /// y of the back roof's deep surface and the factor from its thickness to its extent along y.
    pub(super) fn roof(&self, x: f64, z: f64) -> (f64, f64) {
        let y = BACK + SACRUM_CANAL[1] - 0.36 * (soft_abs(x, 2.0) - 2.0) + 0.10 * (z + 14.0);
        (y, (1.0f64 + 0.36 * 0.36 * x * x / (x * x + 4.0) + 0.01).sqrt())
    }

    /// Upper edge of the roof at `x`.
    pub(super) fn roof_top(&self, x: f64) -> f64 {
        -12.0 + 0.014 * x * x
    }

    /// Signed distance in the sacrum's frame.
    pub(super) fn distance(&self, p: V3) -> f64 {
        let cell = scale(p, 1.0 / 16.0);
        let shift = |k: f64| 0.6 * self.warp.smooth([cell[0] + 500.0 + k * 17.0, cell[1] + 31.0, cell[2] + 57.0]);
        let p = [p[0] + shift(0.0), p[1] + shift(1.0), p[2] + shift(2.0)];
        let q = [soft_abs(p[0], 0.02), p[1], p[2]];
        let body = self.body(p);
        let back = smooth_max(self.back(q), -self.canal(q), 1.5);
        let ala = self.ala(q);
        let all = smooth_min(smooth_min(body, ala, 7.0), back, 4.0);
        let holes = self.holes(q);
        smooth_max(smooth_max(all, 1.4 - holes, 2.0), END - p[2], 1.0)
    }

    fn body(&self, p: V3) -> f64 {
        let down = (-p[2] / 58.0).clamp(0.0, 1.0);
        let half_width = lerp(SACRUM_TOP[0], 14.0, down);
        let half_depth = lerp(SACRUM_TOP[1], 8.0, down);
        let y = p[1] - (SACRUM_TOP[1] - half_depth) + 0.05 * p[2];
        let (rho, side) = kidney(p[0], y, half_width, half_depth, [0.0, 0.0], 0.0);
        let bowl = (1.0 - rho * rho).max(0.0);
        smooth_max(side, p[2] + 1.4 * bowl, 3.0)
    }

    fn ala(&self, q: V3) -> f64 {
        let wing = limb(q, [15.0, 4.0, -15.0], [44.0, 9.0, -25.0], [0.0, 1.0, 0.0], [11.0, 15.0], [12.0, 19.0]);
        let low = limb(q, [13.0, 8.0, -38.0], [40.0, 13.0, -42.0], [0.0, 1.0, 0.0], [9.0, 13.0], [11.0, 14.0]);
        let top = q[2] + 4.0 + 0.22 * (q[0] - 20.0);
        let side = (q[0] - 52.0) + 0.18 * (q[2] + 25.0).abs();
        smooth_max(smooth_max(smooth_min(wing, low, 6.0), top, 6.0), side, 5.0)
    }

    fn back(&self, q: V3) -> f64 {
        let (roof, n) = self.roof(q[0], q[2]);
        let plate = (q[1] - roof - LAMINA * n / 2.0).abs() / n - LAMINA / 2.0;
        let plate = smooth_max(smooth_max(plate, q[0] - 21.0, 3.0), q[2] - self.roof_top(q[0]), 3.5);
        let crest = taper(q, [0.0, BACK + 25.0, -19.0], [0.0, BACK + 21.5, -27.0], 4.0, 3.0);
        let crest = smooth_min(crest, taper(q, [0.0, BACK + 20.0, -42.0], [0.0, BACK + 18.0, -48.0], 3.6, 3.0), 5.0);
        let crest = smooth_min(crest, taper(q, [0.0, BACK + 18.5, -18.0], [0.0, BACK + 14.0, -56.0], 3.4, 3.0), 6.0);
        let mass = limb(q, [22.5, BACK - 1.0, -13.0], [24.0, BACK + 3.0, -48.0], [1.0, 0.0, 0.0], [8.5, 8.0], [11.0, 9.0]);
        let f = &self.upper;
        let size = self.hypertrophy;
        let tip = add(f.centre, add(scale(f.normal, -4.6 * size), scale(f.up, 4.0)));
        let process = limb(q, [21.5, BACK + 7.0, -8.0], tip, f.across(), [8.0, 6.4 * size], [6.0, 3.8 * size]);
        let process = smooth_max(process, f.behind(q) + FACET_GAP / 2.0, 1.0);
        smooth_min(smooth_min(smooth_min(plate, crest, 5.0), mass, 5.0), process, 6.0)
    }

    fn canal(&self, q: V3) -> f64 {
        let (roof, n) = self.roof(q[0], q[2]);
        let side = q[0] - (SACRUM_CANAL[0] + 0.09 * q[2]);
        let floor = BACK - 6.0 - q[1] + 0.05 * q[2];
        smooth_max(smooth_max(side, (q[1] - roof) / n, 5.0), floor, 3.0)
    }

    /// Distance to the way of root S1, to the second foramen and to the dorsal foramina, which all stay open.
    fn holes(&self, q: V3) -> f64 {
        let mut way = f64::INFINITY;
        for (k, pair) in self.tunnel.windows(2).enumerate() {
            let wide = [3.6, 4.2, 4.8, 5.2, 5.5];
            way = smooth_min(way, taper(q, pair[0], pair[1], wide[k], wide[k + 1]), 2.0);
        }
        let second = taper(q, [12.5, BACK - 1.0, -46.0], [16.5, -14.0, -56.0], 2.6, 4.2);
        let dorsal = taper(q, [15.5, BACK + 4.0, -29.0], [19.0, BACK + 26.0, -30.0], 1.6, 2.6);
        way.min(second).min(dorsal)
    }
}
