//! The shape of one lumbar vertebra in its own frame.

use super::math::*;
use super::params::*;
use super::random::Random;

/// A facet joint seen from one of its two bones: where its middle lies on the left side, and which way it faces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facet {
    /// Middle of the gap.
    pub centre: V3,
    /// Unit vector from the superior process of the lower bone to the inferior process of the upper one (back and to the middle).
    pub normal: V3,
    /// Unit vector along the joint, downwards to upwards.
    pub up: V3,
}

impl Facet {
    /// The joint below level `k` in the frame of the bone below it, whose upper endplate lies at `top`, with its back rim at `back`.
    pub(super) fn on_lower(k: usize, top: f64, back: f64) -> Self {
        let [half, angle] = JOINTS[k].facet;
        let (s, c) = sin_cos_deg(angle);
        Self { centre: [half, back + 13.0, top + 2.0], normal: [-c, s, 0.0], up: [0.0, 0.0, 1.0] }
    }

    /// The same joint in another frame.
    pub(super) fn through(&self, from: &Frame, to: &Frame) -> Self {
        let turn = |d| to.turn_back(from.turn(d));
        Self { centre: to.local(from.outer(self.centre)), normal: turn(self.normal), up: turn(self.up) }
    }

    /// How far `p` lies behind the joint's curved middle surface (towards the inferior process), mm.
    pub(super) fn behind(&self, p: V3) -> f64 {
        let q = sub(p, add(self.centre, scale(self.normal, FACET_RADIUS)));
        FACET_RADIUS - length(sub(q, scale(self.up, dot(q, self.up))))
    }

    /// Unit vector along the joint, to the side.
    pub(super) fn across(&self) -> V3 {
        cross(self.normal, self.up)
    }
}

/// A lumbar vertebra, L1 = 0 to L5 = 4.
#[derive(Clone, Debug)]
pub(super) struct Vertebra {
    pub level: Level,
    index: usize,
    /// The joint it forms with the bone above, if there is one; always shaped.
    pub upper: Facet,
    /// The joint with the bone below.
    pub lower: Facet,
    /// How much stouter than normal the facets are (1 = normal).
    hypertrophy: [f64; 2],
    warp: Random,
}

impl Vertebra {
    /// The vertebra `index` whose joint with the bone below is `lower` (in this vertebra's frame).
    pub(super) fn new(index: usize, lower: Facet, hypertrophy: [f64; 2], warp: Random) -> Self {
        let level = LEVELS[index];
        let upper = Facet::on_lower(index.saturating_sub(1), level.height / 2.0, level.half_depth[0]);
        Self { level, index, upper, lower, hypertrophy, warp }
    }

    /// Half the mean depth: y of the body's back rim.
    pub(super) fn back(&self) -> f64 {
        (self.level.half_depth[0] + self.level.half_depth[1]) / 2.0
    }

    /// y of the lamina's deep surface, and the factor from its thickness to its extent along y.
    pub(super) fn roof(&self, x: f64, z: f64) -> (f64, f64) {
        let l = &self.level;
        let y = self.back() + l.canal_depth - l.roof * (soft_abs(x, 2.0) - 2.0) - LAMINA_SLOPE * (z - LAMINA_Z);
        (y, (1.0 + l.roof * l.roof * x * x / (x * x + 4.0) + LAMINA_SLOPE * LAMINA_SLOPE).sqrt())
    }

    /// Lower and upper edge of the lamina at `x`.
    pub(super) fn lamina_edges(&self, x: f64) -> [f64; 2] {
        let half = self.level.lamina_height / 2.0;
        [LAMINA_Z - half - 0.006 * x * x, LAMINA_Z + half + 0.012 * x * x]
    }

    /// Signed distance to the whole bone in its own frame.
    pub(super) fn distance(&self, p: V3) -> f64 {
        let cell = scale(p, 1.0 / 15.0);
        let key = f64::from(self.index as u32) * 64.0;
        let shift = |k: f64| 0.55 * self.warp.smooth([cell[0] + key + k * 17.0, cell[1] + 31.0, cell[2] + 57.0]);
        let p = [p[0] + shift(0.0), p[1] + shift(1.0), p[2] + shift(2.0)];
        // Each half of the bone is left out where the other is nearer by more than their seam.
        let back = self.back();
        if p[1] < back - 13.0 {
            return self.body(p);
        }
        // The rest is the same on both sides: reflect to the left.
        let q = [soft_abs(p[0], 0.02), p[1], p[2]];
        let arch = self.arch(q);
        let pedicle = self.pedicle(q);
        let arch = smooth_min(arch, pedicle, 4.0);
        let arch = smooth_max(arch, -self.canal(q), 1.5);
        if p[1] > back + 9.0 { arch } else { smooth_min(self.body(p), arch, 3.0) }
    }

    /// The body: a kidney in section, with a waist and hollow endplates.
    pub(super) fn body(&self, p: V3) -> f64 {
        let l = &self.level;
        let up = (p[2] / (l.height / 2.0)).clamp(-1.0, 1.0);
        let waist = 1.0 - up * up;
        let half_width = lerp(l.half_width[1], l.half_width[0], (up + 1.0) / 2.0) * (1.0 - 0.12 * waist);
        let half_depth = lerp(l.half_depth[1], l.half_depth[0], (up + 1.0) / 2.0);
        let (rho, side) = kidney(p[0], p[1], half_width, half_depth, [0.13 * waist, 0.05 * waist], l.back_hollow);
        let bowl = (1.0 - rho * rho).max(0.0);
        let tilt = sin_cos_deg(l.wedge_deg / 2.0).0 * p[1];
        let upper = p[2] - (l.height / 2.0 - tilt - 1.9 * bowl);
        let lower = -p[2] - (l.height / 2.0 - tilt - 2.6 * bowl);
        smooth_max(smooth_max(side, upper, 3.0), lower, 3.0)
    }

    fn pedicle(&self, q: V3) -> f64 {
        let l = &self.level;
        let [w, h] = l.pedicle;
        let middle = l.half_canal + w / 2.0;
        let back = self.back();
        limb(
            q,
            [middle - 1.5, back - 7.0, PEDICLE_Z],
            [middle, back + 8.0, PEDICLE_Z - 0.5],
            [1.0, 0.0, 0.0],
            [w / 2.0; 2],
            [h / 2.0, h / 2.1],
        )
    }

    /// Positive outside the canal's space between pedicles, in front of the lamina.
    fn canal(&self, q: V3) -> f64 {
        let (roof, n) = self.roof(q[0], q[2]);
        let h = self.level.height / 2.0;
        let ends = (q[2] - h - 7.0).max(-h - 12.0 - q[2]);
        smooth_max(q[0] - self.level.half_canal, (q[1] - roof) / n, 5.0).max(ends)
    }

    /// Laminae, processes and what joins them, for a point on the left.
    fn arch(&self, q: V3) -> f64 {
        let l = &self.level;
        let back = self.back();
        let lamina = self.lamina(q);
        let sap = self.superior_process(q);
        let iap = self.inferior_process(q);
        let transverse = self.transverse(q);
        let spinous = self.spinous(q);
        // The isthmus joins the upper process, the lamina and the lower process.
        let middle = l.half_canal + l.pedicle[0] / 2.0;
        let high = [middle, back + 9.5, PEDICLE_Z - 1.0];
        let waist_x = l.lamina_half_width - 2.6;
        let (y, n) = self.roof(waist_x, LAMINA_Z);
        let waist = [waist_x, y + LAMINA * n * 0.55, LAMINA_Z];
        let isthmus = limb(q, high, waist, [1.0, 0.3, 0.0], [5.0, 2.6], [4.4, 2.6]);
        let low = add(self.lower.centre, add(scale(self.lower.normal, 5.0), scale(self.lower.up, 2.0)));
        let pillar = limb(q, waist, low, [1.0, 0.0, 0.0], [2.6, 4.5], [2.6, 4.2]);
        let joined = smooth_min(smooth_min(isthmus, pillar, 3.0), lamina, 2.5);
        // The joint surfaces are cut clean only after everything that could fill them has been joined.
        let up = smooth_min(smooth_min(joined, sap, 4.0), transverse, 5.0);
        let all = smooth_min(smooth_min(up, iap, 3.0), spinous, 3.0);
        let near_lower = length(sub(q, self.lower.centre)) - 17.0;
        smooth_max(all, (self.lower.behind_gap(q)).min(-near_lower), 0.8)
    }

    /// Two plates 6 mm thick that meet at the midline.
    fn lamina(&self, q: V3) -> f64 {
        let (roof, n) = self.roof(q[0], q[2]);
        let plate = (q[1] - roof - LAMINA * n / 2.0).abs() / n - LAMINA / 2.0;
        let [low, high] = self.lamina_edges(q[0]);
        let up = ((q[2] - LAMINA_Z) / (self.level.lamina_height / 2.0)).clamp(-1.2, 1.2);
        let side = q[0] - self.level.lamina_half_width * (1.0 + 0.14 * up * up);
        smooth_max(smooth_max(plate, side, 3.0), smooth_max(q[2] - high, low - q[2], 1.0), 3.5)
    }

    fn superior_process(&self, q: V3) -> f64 {
        let l = &self.level;
        let f = &self.upper;
        let size = self.hypertrophy[0];
        let base = [l.half_canal + l.pedicle[0] / 2.0 + 0.5, self.back() + 9.0, PEDICLE_Z - 1.0];
        let tip = add(f.centre, add(scale(f.normal, -4.4 * size), scale(f.up, 4.6)));
        let process = limb(q, base, tip, f.across(), [7.0, 6.0 * size], [4.4, 3.6 * size]);
        let knob = add(f.centre, add(scale(f.normal, -3.5), add(scale(f.across(), 6.5 * size), scale(f.up, -3.0))));
        let process = smooth_min(process, taper(q, knob, add(knob, [0.6, 2.4, -1.0]), 3.2, 2.6), 4.0);
        smooth_max(process, f.behind(q) + FACET_GAP / 2.0, 1.0)
    }

    fn inferior_process(&self, q: V3) -> f64 {
        let f = &self.lower;
        let size = self.hypertrophy[1];
        let high = add(f.centre, add(scale(f.normal, 5.5), scale(f.up, 8.0)));
        let tip = add(f.centre, add(scale(f.normal, 4.8 * size), scale(f.up, -5.5)));
        let process = limb(q, high, tip, f.across(), [5.2, 6.3 * size], [4.0, 4.2 * size]);
        smooth_max(process, FACET_GAP / 2.0 - f.behind(q), 1.0)
    }

    fn transverse(&self, q: V3) -> f64 {
        let l = &self.level;
        let [reach, rise] = l.transverse;
        let [thick, tall] = l.transverse_root;
        let root_x = l.half_canal + l.pedicle[0] * 0.6;
        let root = [root_x, self.back() + 6.0, PEDICLE_Z - 1.0];
        let middle = [lerp(root_x, reach, 0.55), self.back() + 8.5, PEDICLE_Z - 0.5 + rise * 0.4];
        let tip = [reach - 3.0, self.back() + 9.0 + 0.05 * reach, PEDICLE_Z + rise];
        let inner = limb(q, root, middle, [0.0, 1.0, 0.0], [thick, thick * 0.72], [tall, tall * 0.78]);
        let outer = limb(q, middle, tip, [0.0, 1.0, 0.0], [thick * 0.72, thick * 0.62], [tall * 0.78, tall * 0.74]);
        smooth_min(inner, outer, 3.0)
    }

    fn spinous(&self, q: V3) -> f64 {
        let [long, tall, drop] = self.level.spinous;
        let front = self.roof(0.0, LAMINA_Z).0 + 2.0;
        let end = front + 5.0 + long;
        let root = [LAMINA_Z - self.level.lamina_height / 2.0 + 1.5, LAMINA_Z + self.level.lamina_height / 2.0 - 1.5];
        let middle = LAMINA_Z - drop;
        let r = 3.0;
        let corners = [
            [front, root[1] - r],
            [front + 0.45 * long, lerp(root[1], middle + tall / 2.0, 0.6) - r - 0.8],
            [end - 6.5, middle + tall / 2.0 - r],
            [end - r - 1.2, middle + tall * 0.30],
            [end - r, middle - tall * 0.08],
            [end - r - 1.0, middle - tall * 0.34],
            [end - 6.0, middle - tall / 2.0 + r],
            [front + 0.5 * long, lerp(root[0], middle - tall / 2.0, 0.45) + r + 1.2],
            [front, root[0] + r],
        ];
        let flat = polygon([q[1], q[2]], &corners) - r;
        // Thin in the middle, stouter at its end and along its lower edge.
        let t = ((q[1] - front) / (end - front)).clamp(0.0, 1.0);
        let low = smoothstep(middle + tall * 0.2, middle - tall * 0.5, q[2]);
        let half = 2.3 + 1.7 * t * t + 1.6 * low * t + 1.0 * (1.0 - t) * (1.0 - t);
        smooth_max(flat, q[0] - half, 4.6)
    }
}

impl Facet {
    /// Positive in the space that the upper bone must leave to the joint and to the superior process beside it.
    fn behind_gap(&self, q: V3) -> f64 {
        FACET_GAP / 2.0 - self.behind(q)
    }
}

/// A kidney-shaped section: how far out `(x, y)` lies (1 = rim) and the signed distance (first order).
///
/// `slim` narrows the depth in front and behind as shares of it, `hollow` moves the back wall forwards at the midline.
pub(super) fn kidney(x: f64, y: f64, half_width: f64, half_depth: f64, slim: [f64; 2], hollow: f64) -> (f64, f64) {
    let t = x / 9.0;
    let bend = 1.0 / ((1.0 + t * t) * (1.0 + t * t));
    let y = y + hollow * bend * smoothstep(0.0, half_depth, y);
    let front = smoothstep(3.0, -3.0, y);
    let b = half_depth * (1.0 - slim[0] * front - slim[1] * (1.0 - front));
    let (u, v) = (x / half_width, y / b);
    let (u2, v2) = (u * u, v * v);
    let n2 = (u2 + v2).sqrt();
    let n4 = (u2 * u2 + v2 * v2).sqrt().sqrt();
    let rho = 0.45 * n2 + 0.55 * n4;
    if rho < 1e-6 {
        return (0.0, -half_depth.min(half_width));
    }
    let (n2, n43) = (n2.max(1e-9), (n4 * n4 * n4).max(1e-9));
    let gx = (0.45 * u / n2 + 0.55 * u2 * u / n43) / half_width;
    let gy = (0.45 * v / n2 + 0.55 * v2 * v / n43) / b;
    let slope = (gx * gx + gy * gy).sqrt().max(1e-6);
    (rho, (rho - 1.0) / slope)
}
