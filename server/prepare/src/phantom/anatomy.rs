//! A whole lumbar spine in one posture: bones, what lies between them, and the distance to each.

use spinor_volume::{Label, TissueClass};

use super::math::*;
use super::options::{Levels, Stenosis};
use super::params::*;
use super::random::Random;
use super::sacrum::{self, Sacrum};
use super::soft::{Below, Disc, Flavum, Knot, Root, Sac};
use super::vertebra::{Facet, Vertebra};

/// How the joints stand, L1/L2 to L5/S1, in degrees beyond the neutral posture: extension, bend to the left, turn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Posture {
    /// Extra angles by joint: extension (opens the disc in front), bend to the side, axial turn.
    pub joints: [[f64; 3]; 5],
}

/// What is drawn from the seed and the options before any posture.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub seed: u64,
    pub levels: Levels,
    pub stenosis: Option<Stenosis>,
    /// Everything is this much larger than the tables.
    pub size: f64,
    /// Joints of the neutral posture: disc height, opening to the front, bend, turn.
    joints: [[f64; 4]; 5],
    slope_deg: f64,
}

/// What stenosis does at each joint: factor on the flavum, area of the sac, disc bulge, facet size.
fn narrowing(stenosis: Option<Stenosis>, joint: usize) -> (f64, f64, f64, f64) {
    let normal = (1.0, JOINTS[joint].sac_mm2, 0.3, 1.0);
    match (stenosis, joint) {
        (Some(Stenosis::Mild), 3) => (1.30, 102.0, 2.0, 1.12),
        (Some(Stenosis::Mild), 2) => (1.15, 122.0, 1.3, 1.06),
        (Some(Stenosis::Severe), 3) => (1.60, 58.0, 3.2, 1.25),
        (Some(Stenosis::Severe), 2) => (1.50, 74.0, 2.6, 1.18),
        (Some(Stenosis::Severe), 1 | 4) => (1.15, 118.0, 1.2, 1.08),
        _ => normal,
    }
}

impl Plan {
    pub(super) fn new(seed: u64, levels: Levels, stenosis: Option<Stenosis>, scoliosis_deg: f64) -> Self {
        let draw = Random::new(seed, 1);
        // Tilt to the side and turn of L1 to S1 as shares of the Cobb angle, which lies between L1 and L4.
        let tilt = [0.5, 0.22, -0.2, -0.5, -0.32, 0.0];
        let turn = [0.10, 0.24, 0.24, 0.12, 0.03, 0.0];
        let mut joints = [[0.0; 4]; 5];
        for (k, j) in joints.iter_mut().enumerate() {
            let [height, wedge] = JOINTS[k].disc;
            let n = k as u64 * 4;
            *j = [
                height * (1.0 + 0.04 * draw.uniform(n)),
                wedge + 0.8 * draw.uniform(n + 1),
                (tilt[k] - tilt[k + 1]) * scoliosis_deg + 0.4 * draw.uniform(n + 2),
                (turn[k] - turn[k + 1]) * scoliosis_deg + 0.3 * draw.uniform(n + 3),
            ];
        }
        Self {
            seed,
            levels,
            stenosis,
            size: 1.0 + 0.025 * draw.uniform(90),
            joints,
            slope_deg: SACRAL_SLOPE_DEG + 2.0 * draw.uniform(91),
        }
    }
}

/// Frames of all bones and discs.
struct Column {
    bones: [Frame; 6],
    discs: [(Frame, f64); 5],
}

/// Stacks the spine on the sacrum; `joints` holds height, opening, bend and turn.
fn stack(joints: &[[f64; 4]; 5], slope_deg: f64) -> Column {
    let sacrum = Frame::turned(slope_deg, 0.0, 0.0, [0.0; 3]);
    let mut bones = [sacrum; 6];
    let mut discs = [(sacrum, 0.0); 5];
    let mut top = sacrum;
    for k in (0..5).rev() {
        let [height, wedge, bend, turn] = joints[k];
        let level = &LEVELS[k];
        let half = Frame::turned(-wedge / 2.0, bend / 2.0, turn / 2.0, [0.0, 0.0, height / 2.0]);
        let disc = half.within(&top);
        discs[k] = (disc, wedge);
        let end =
            Frame::turned(0.0, 0.0, 0.0, [0.0, 0.0, height / 2.0]).within(&Frame { origin: [0.0; 3], ..half }).within(&disc);
        let body = Frame::turned(-level.wedge_deg / 2.0, 0.0, 0.0, [0.0, 0.0, level.height / 2.0]);
        bones[k] = body.within(&end);
        top = Frame::turned(-level.wedge_deg / 2.0, 0.0, 0.0, [0.0, 0.0, level.height / 2.0]).within(&bones[k]);
    }
    Column { bones, discs }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Bone(usize),
    Disc(usize),
    Flavum(usize),
    Cord,
    Sac,
    Root(usize),
}

#[derive(Clone, Debug)]
struct Part {
    label: Label,
    shape: Shape,
    /// Box around it in model space.
    low: V3,
    high: V3,
}

/// The spine of a phantom in one posture, in patient LPS mm.
///
/// All distances are first order: exact at the surface, within some tenths of a mm nearby. Structures never overlap.
#[derive(Clone, Debug)]
pub struct Anatomy {
    size: f64,
    /// `patient_from_model`, before the model's size.
    patient: Frame,
    vertebrae: Vec<Vertebra>,
    sacrum: Sacrum,
    bones: [Frame; 6],
    discs: Vec<Disc>,
    flava: Vec<Flavum>,
    sac: Sac,
    roots: Vec<Root>,
    parts: Vec<Part>,
}

/// Structures that matter near a place, so that the others need not be evaluated there.
pub struct Near(Vec<usize>);

impl Near {
    /// Whether nothing is near.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Room left between the sac or a root and what surrounds it, mm.
const NEURAL_GAP: f64 = 0.35;

impl Anatomy {
    pub(super) fn new(plan: &Plan, posture: &Posture, patient: Frame) -> Self {
        let neutral = stack(&plan.joints.map(|j| [j[0], j[1], 0.0, 0.0]), plan.slope_deg);
        let mut joints = plan.joints;
        for (j, extra) in joints.iter_mut().zip(&posture.joints) {
            j[1] += extra[0];
            j[2] += extra[1];
            j[3] += extra[2];
        }
        let column = stack(&joints, plan.slope_deg);
        let warp = Random::new(plan.seed, 2);
        let grown = |k: Option<usize>| k.map_or(1.0, |k| narrowing(plan.stenosis, k).3);
        let vertebrae: Vec<Vertebra> = (0..5)
            .map(|k| {
                let (top, back) = LEVELS.get(k + 1).map_or((0.0, sacrum::BACK), |l| (l.height / 2.0, l.half_depth[0]));
                let lower = Facet::on_lower(k, top, back).through(&neutral.bones[k + 1], &neutral.bones[k]);
                Vertebra::new(k, lower, [grown(k.checked_sub(1)), grown(Some(k))], warp)
            })
            .collect();
        let sacrum = Sacrum::new(grown(Some(4)), warp);
        let discs: Vec<Disc> = (0..5)
            .map(|k| {
                let below = LEVELS.get(k + 1).map_or(SACRUM_TOP, |l| [l.half_width[0], l.half_depth[0]]);
                let (frame, wedge_deg) = column.discs[k];
                Disc {
                    frame,
                    half_width: (LEVELS[k].half_width[1] + below[0]) / 2.0,
                    half_depth: (LEVELS[k].half_depth[1] + below[1]) / 2.0,
                    height: joints[k][0],
                    wedge_deg,
                    bulge_mm: narrowing(plan.stenosis, k).2,
                }
            })
            .collect();
        let flava = (0..5)
            .map(|k| {
                let below = vertebrae.get(k + 1).map_or(Below::Sacrum(&sacrum), Below::Vertebra);
                let thickness = (JOINTS[k].flavum, narrowing(plan.stenosis, k).0);
                Flavum::new(&vertebrae[k], column.bones[k], &below, &column.bones[k + 1], thickness)
            })
            .collect();
        let sac = Sac::through(&knots(plan, &column, &discs));
        let roots = (0..12).map(|n| Root::new(n / 2, n % 2 == 0, &column.bones[n / 2], &sac)).collect();
        let mut anatomy = Self {
            size: plan.size,
            patient,
            vertebrae,
            sacrum,
            bones: column.bones,
            discs,
            flava,
            sac,
            roots,
            parts: Vec::new(),
        };
        anatomy.parts = anatomy.list(plan.levels);
        anatomy
    }

    fn list(&self, levels: Levels) -> Vec<Part> {
        let mut parts = Vec::new();
        let boxed = |frame: &Frame, low: V3, high: V3| {
            let corners = (0..8).map(|k| frame.outer([0, 1, 2].map(|a| if k >> a & 1 == 0 { low[a] } else { high[a] })));
            around(corners, 0.0)
        };
        let has = |k: usize| (levels.first..=levels.last).contains(&k);
        for k in (0..6).filter(|k| has(*k)) {
            let (label, (low, high)) = match LEVELS.get(k) {
                Some(l) => {
                    let back = self.vertebrae[k].roof(0.0, LAMINA_Z).0 + l.spinous[0] + 8.0;
                    let side = l.transverse[0] + 4.0;
                    (Label::lumbar(k as u16 + 1), ([-side, -20.0, -38.0], [side, back, 28.0]))
                }
                None => (Label::SACRUM, ([-56.0, -20.0, -60.0], [56.0, 52.0, 20.0])),
            };
            let (low, high) = boxed(&self.bones[k], low, high);
            parts.push(Part { label, shape: Shape::Bone(k), low, high });
        }
        for k in (0..5).filter(|k| has(*k) && has(k + 1)) {
            let d = &self.discs[k];
            let (w, b, h) = (d.half_width + 3.0, d.half_depth + 6.0, d.height / 2.0 + 7.0);
            let (low, high) = boxed(&d.frame, [-w, -b, -h], [w, b, h]);
            parts.push(Part { label: Label::disc_below(k as u16 + 1), shape: Shape::Disc(k), low, high });
        }
        for k in (0..5).filter(|k| has(*k) && has(k + 1)) {
            let back = LEVELS[k].half_depth[1];
            let (low, high) = boxed(&self.bones[k], [-20.0, back - 4.0, -48.0], [20.0, back + 30.0, LAMINA_Z + 1.0]);
            parts.push(Part { label: Label::flavum_below(k as u16 + 1), shape: Shape::Flavum(k), low, high });
        }
        let (low, high) = around(self.sac.stations.iter().map(|s| s.centre), 14.0);
        let (low, high) =
            ([low[0], low[1], low[2].max(self.floor(levels) - 6.0)], [high[0], high[1], high[2].min(self.ceiling(levels) + 6.0)]);
        if levels.first == 0 {
            parts.push(Part { label: Label::SPINAL_CORD, shape: Shape::Cord, low, high });
        }
        parts.push(Part { label: Label::DURAL_SAC, shape: Shape::Sac, low, high });
        for (n, root) in self.roots.iter().enumerate().filter(|(n, _)| has(n / 2)) {
            let (low, high) = around(root.points.iter().copied(), 4.0);
            parts.push(Part { label: Label::root(n as u16 / 2 + 1, n % 2 == 0), shape: Shape::Root(n), low, high });
        }
        parts
    }

    /// z in model space above which the chosen levels end.
    fn ceiling(&self, levels: Levels) -> f64 {
        match LEVELS.get(levels.first) {
            Some(l) => self.bones[levels.first].outer([0.0, 10.0, l.height / 2.0 + 12.0])[2],
            None => 20.0,
        }
    }

    /// z in model space below which the chosen levels end.
    fn floor(&self, levels: Levels) -> f64 {
        match LEVELS.get(levels.last) {
            Some(_) => {
                self.bones[levels.last].outer([0.0, 30.0, -34.0])[2].min(self.bones[levels.last].outer([0.0, 0.0, -20.0])[2])
            }
            None => self.bones[5].outer([0.0, 20.0, -42.0])[2],
        }
    }

    fn model(&self, p: V3) -> V3 {
        scale(self.patient.local(p), 1.0 / self.size)
    }

    /// `patient_from_model`.
    pub(super) fn patient_from_model(&self, p: V3) -> V3 {
        self.patient.outer(scale(p, self.size))
    }

    /// A position in the frame of a bone (5 = sacrum) in patient LPS.
    pub(super) fn on_bone(&self, bone: usize, local: V3) -> V3 {
        self.patient_from_model(self.bones[bone].outer(local))
    }

    /// Labels of the structures in this anatomy.
    pub fn labels(&self) -> impl Iterator<Item = Label> {
        self.parts.iter().map(|p| p.label)
    }

    /// Box around the chosen levels in patient LPS: their spine from the upper facets of the first to the lower of the last.
    pub(super) fn region(&self, levels: Levels) -> (V3, V3) {
        let (mut low, mut high) =
            around(self.parts.iter().filter(|p| matches!(p.shape, Shape::Bone(_))).flat_map(|p| [p.low, p.high]), 0.0);
        low[2] = self.floor(levels);
        high[2] = self.ceiling(levels);
        low[0] = low[0].max(-56.0);
        high[0] = high[0].min(56.0);
        let corners = (0..8).map(|k| self.patient_from_model([0, 1, 2].map(|a| if k >> a & 1 == 0 { low[a] } else { high[a] })));
        around(corners, 0.0)
    }

    /// Structures that come within `reach` mm of the ball of `radius` mm about `centre`.
    pub fn near(&self, centre: [f64; 3], radius: f64, reach: f64) -> Near {
        self.filter((0..self.parts.len()).collect::<Vec<_>>().iter(), centre, radius, reach)
    }

    /// As [`Self::near`], among structures that are near a larger place around it.
    pub fn nearer(&self, near: &Near, centre: [f64; 3], radius: f64, reach: f64) -> Near {
        self.filter(near.0.iter(), centre, radius, reach)
    }

    /// The one structure that the whole ball of `radius` mm about `centre` lies inside, deeper than `reach` mm, if there is one.
    pub fn deep(&self, near: &Near, centre: [f64; 3], radius: f64, reach: f64) -> Option<Label> {
        let [only] = near.0[..] else { return None };
        let part = &self.parts[only];
        let wide = 1.4 * (radius + reach) / self.size + 0.8;
        (self.raw(part.shape, self.model(centre)) < -wide).then_some(part.label)
    }

    fn filter<'k>(&self, among: impl Iterator<Item = &'k usize>, centre: V3, radius: f64, reach: f64) -> Near {
        let p = self.model(centre);
        let margin = (radius + reach) / self.size;
        let wide = 1.4 * margin + 0.8;
        Near(
            among
                .copied()
                .filter(|k| {
                    let part = &self.parts[*k];
                    (0..3).all(|a| p[a] > part.low[a] - margin && p[a] < part.high[a] + margin) && self.raw(part.shape, p) < wide
                })
                .collect(),
        )
    }

    fn raw(&self, shape: Shape, p: V3) -> f64 {
        match shape {
            Shape::Bone(5) => self.sacrum.distance(self.bones[5].local(p)),
            Shape::Bone(k) => self.vertebrae[k].distance(self.bones[k].local(p)),
            Shape::Disc(k) => self.discs[k].distance(p).0,
            Shape::Flavum(k) => {
                let below = self.vertebrae.get(k + 1).map_or(Below::Sacrum(&self.sacrum), Below::Vertebra);
                self.flava[k].distance(&self.vertebrae[k], &below, p)
            }
            Shape::Cord => self.sac.distances(p).1,
            Shape::Sac => self.sac.distances(p).0,
            Shape::Root(n) => self.roots[n].distance(p),
        }
    }

    /// Distances at `p` (patient LPS) to the structures of `near`, mm, negative inside, handed to `each` with their labels.
    ///
    /// Bones keep the gap of a facet joint between each other; then each structure yields to those before it: disc, flavum, dural
    /// sac (around the cord), roots.
    pub fn distances(&self, p: [f64; 3], near: &Near, mut each: impl FnMut(Label, f64)) {
        let p = self.model(p);
        let mut bones: [(usize, f64); 6] = [(0, f64::INFINITY); 6];
        let mut bone_count = 0;
        let (mut bone, mut hard, mut sac) = (f64::INFINITY, f64::INFINITY, f64::INFINITY);
        for k in &near.0 {
            let part = &self.parts[*k];
            match part.shape {
                Shape::Bone(_) => {
                    bones[bone_count] = (*k, self.raw(part.shape, p));
                    bone_count += 1;
                }
                shape => {
                    if bone_count > 0 {
                        bone = self.part_bones(&bones[..bone_count], &mut each);
                        hard = bone;
                        bone_count = 0;
                    }
                    let raw = self.raw(shape, p);
                    let d = match shape {
                        Shape::Disc(_) => {
                            let d = raw.max(-bone);
                            hard = hard.min(d);
                            d
                        }
                        Shape::Flavum(_) => {
                            let d = raw.max(-hard);
                            hard = hard.min(d);
                            d
                        }
                        Shape::Cord => {
                            let whole = self.sac.distances(p).0.max(NEURAL_GAP - hard);
                            let d = raw.max(whole + 0.8);
                            sac = sac.min(d);
                            d
                        }
                        Shape::Sac => {
                            let whole = raw.max(NEURAL_GAP - hard);
                            let d = whole.max(-sac);
                            sac = whole.min(sac);
                            d
                        }
                        _ => raw.max(-sac).max(NEURAL_GAP - hard),
                    };
                    each(part.label, d * self.size);
                }
            }
        }
        if bone_count > 0 {
            self.part_bones(&bones[..bone_count], &mut each);
        }
    }

    /// Moves the surfaces of bones that come too near to each other back from their bisector; gives the distance to any bone.
    fn part_bones(&self, bones: &[(usize, f64)], each: &mut impl FnMut(Label, f64)) -> f64 {
        let mut any = f64::INFINITY;
        for (k, raw) in bones {
            let other = bones.iter().filter(|(j, _)| j != k).map(|(_, d)| *d).fold(f64::INFINITY, f64::min);
            let d = raw.max((raw - other + FACET_GAP) / 2.0);
            any = any.min(d);
            each(self.parts[*k].label, d * self.size);
        }
        any
    }

    /// Signed distance at `p` (patient LPS) to one structure, mm; infinite for one that this phantom lacks.
    pub fn distance_mm(&self, label: Label, p: [f64; 3]) -> f64 {
        let mut found = f64::INFINITY;
        let all = Near((0..self.parts.len()).collect());
        self.distances(p, &all, |l, d| {
            if l == label {
                found = d;
            }
        });
        found
    }

    /// Where `p` lies across the dural sac's curve: mm to the left of and behind its middle, and the half-axes of the sac there.
    pub(super) fn across(&self, p: V3) -> ([f64; 2], [f64; 2]) {
        let (uv, station, _) = self.sac.across(self.model(p));
        (uv.map(|v| v * self.size), station.sac.map(|v| v * self.size))
    }

    /// How far out in a disc `p` lies (0 middle, 1 rim), for the disc that it is nearest to among `label`'s.
    pub(super) fn out_in_disc(&self, label: Label, p: V3) -> f64 {
        (0..5).find(|k| Label::disc_below(*k as u16 + 1) == label).map_or(0.0, |k| self.discs[k].distance(self.model(p)).1)
    }

    pub(super) fn shapes(&self) -> Shapes<'_> {
        Shapes {
            vertebrae: &self.vertebrae,
            sacrum: &self.sacrum,
            discs: &self.discs,
            sac: &self.sac,
            roots: &self.roots,
            #[cfg(test)]
            flava: &self.flava,
        }
    }

    /// Whether a structure is among this phantom's.
    pub fn has(&self, label: Label) -> bool {
        self.parts.iter().any(|p| p.label == label)
    }
}

/// The parts' own shapes, for landmarks and tests.
pub(super) struct Shapes<'a> {
    pub vertebrae: &'a [Vertebra],
    pub sacrum: &'a Sacrum,
    pub discs: &'a [Disc],
    pub sac: &'a Sac,
    pub roots: &'a [Root],
    #[cfg(test)]
    pub flava: &'a [Flavum],
}

/// The class of a label; background and unknown numbers count as neural (they never occur here).
pub(super) fn class(label: Label) -> TissueClass {
    label.class().unwrap_or(TissueClass::Neural)
}

fn around(points: impl Iterator<Item = V3>, margin: f64) -> (V3, V3) {
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for p in points {
        for a in 0..3 {
            low[a] = low[a].min(p[a] - margin);
            high[a] = high[a].max(p[a] + margin);
        }
    }
    (low, high)
}

/// The middle of the dural sac from S2 up to above L1, with its area at each place.
fn knots(plan: &Plan, column: &Column, discs: &[Disc]) -> Vec<Knot> {
    let mut knots = Vec::new();
    let depth = |area: f64, flat: f64| (area / (std::f64::consts::PI * flat)).sqrt();
    let mut push = |frame: &Frame, back: f64, z: f64, area: f64, flat: f64, cord: f64| {
        let centre = frame.outer([0.0, back + depth(area, flat), z]);
        knots.push(Knot { centre, left: frame.turn([1.0, 0.0, 0.0]), area, flat, cord });
    };
    let s1 = &column.bones[5];
    let back = sacrum::BACK;
    push(s1, back + 3.4, -47.0, 5.0, 1.3, 0.0);
    push(s1, back + 3.0, -42.0, 34.0, 1.35, 0.0);
    push(s1, back + 2.4, -30.0, 75.0, 1.4, 0.0);
    push(s1, back + 1.8, -12.0, 108.0, 1.4, 0.0);
    for k in (0..5).rev() {
        let (_, area, bulge, _) = narrowing(plan.stenosis, k);
        let normal = JOINTS[k].sac_mm2;
        let flat = 1.45 + 0.35 * (1.0 - area / normal);
        let disc = &discs[k];
        push(&disc.frame, disc.half_depth + 1.6 + 0.75 * bulge, 0.0, area, flat, if k == 0 { 0.6 } else { 0.0 });
        let (upper, back) = (&column.bones[k], (LEVELS[k].half_depth[0] + LEVELS[k].half_depth[1]) / 2.0);
        let above = k.checked_sub(1).map_or(165.0, |j| JOINTS[j].sac_mm2);
        let healthy = (normal + above) / 2.0;
        let cord = if k == 0 { [2.6, 3.6] } else { [0.0, 0.0] };
        push(upper, back + 1.2, -5.5, healthy, 1.45, cord[0]);
        push(upper, back + 1.2, 5.5, healthy, 1.45, cord[1]);
    }
    let (l1, back) = (&column.bones[0], (LEVELS[0].half_depth[0] + LEVELS[0].half_depth[1]) / 2.0);
    push(l1, back + 1.5, 17.0, 165.0, 1.45, 3.9);
    push(l1, back + 1.5, 32.0, 168.0, 1.4, 4.1);
    push(l1, back + 1.5, 44.0, 168.0, 1.4, 4.1);
    knots
}
