//! Taking tissue bite by bite: where the next bite goes follows from what is left.

use std::collections::BTreeMap;

use spinor_sim::ToolKind;
use spinor_sim::procedure::{Site, Zone, ZonePoints};
use spinor_volume::Patient;

use super::lane::lane;
use super::{APPROACH, CAREFUL, Feedback, HOVER_MM, TRANSIT};
use crate::hand::Hand;
use crate::scene::Scene;
use crate::task::{Grip, Task};
use crate::vector::{V3, add, cross, dot, norm, scale, sub, unit};

/// How often the same place is tried.
const TRIES: u8 = 2;
/// Distance that a punch's upper face keeps to nerves, mm: first so far that its footplate does not touch them, then only as far as it
/// must, since a footplate of 1.4 mm has to go under what lies on the dura.
const NERVE_MM: [f64; 2] = [1.55, 0.5];
/// How far around a refused jaw nothing more is tried, mm.
const REFUSED_MM: f64 = 2.2;
/// How far a tool is lifted between neighbouring bites, mm.
const LIFT_MM: f64 = 9.0;

/// What is bitten, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BitePlan {
    pub(crate) name: &'static str,
    pub(crate) zones: &'static [Zone],
    pub(crate) tool: ToolKind,
    pub(crate) size_tenth_mm: u8,
    /// How the tool is held; of a punch, where its footplate's back and tip point.
    pub(crate) grip: Grip,
    /// Whether a punch may also point the other way.
    pub(crate) both_ways: bool,
    /// Share of the zones at which the phase is over, percent.
    pub(crate) left_pct: u8,
    /// Most bites.
    pub(crate) bites: u32,
}

/// Biting of some zones.
#[derive(Clone, Debug)]
pub(crate) struct Bite {
    plan: BitePlan,
    points: Vec<V3>,
    structures: Vec<usize>,
    tried: BTreeMap<[i32; 3], u8>,
    bites: u32,
    last: Option<V3>,
    /// Middle of the last bite's jaw.
    middle: Option<V3>,
    over: bool,
}

/// Cosine and sine of the lean of a 40° punch's footplate.
const LEAN_40: (f64, f64) = (0.766_044, 0.642_788);

/// A bite: where the tip goes, how the tool is held, and which way it slides under the edge.
#[derive(Clone, Copy, Debug)]
struct Aim {
    tip: V3,
    grip: Grip,
    slide: V3,
}

/// The jaw of a tool: half its width, its reach ahead of the tip, and how far it takes along the shaft from the tip, mm.
#[derive(Clone, Copy)]
struct Jaw {
    half_width: f64,
    behind: f64,
    ahead: f64,
    below: f64,
    above: f64,
}

impl Bite {
    pub(crate) fn new(patient: &Patient, site: &Site, plan: BitePlan) -> Self {
        let uncut = spinor_volume::CutState::new(patient.grid());
        let (mut points, mut structures) = (Vec::new(), Vec::new());
        for zone in plan.zones {
            let zone = ZonePoints::new(patient, site, *zone);
            for (structure, at_mm) in zone.remaining(patient, &uncut) {
                points.push(site.site_from_patient(at_mm));
                structures.push(structure);
            }
        }
        Self { plan, points, structures, tried: BTreeMap::new(), bites: 0, last: None, middle: None, over: false }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.plan.name
    }

    fn jaw(&self) -> Jaw {
        let width = f64::from(self.plan.size_tenth_mm) / 10.0;
        match self.plan.tool {
            ToolKind::Leksell => Jaw { half_width: width / 2.0, behind: 3.0, ahead: 3.0, below: 0.0, above: 4.0 },
            ToolKind::Pituitary => Jaw { half_width: width / 2.0, behind: 1.2, ahead: 1.2, below: width / 2.0, above: 6.0 },
            _ => Jaw { half_width: width / 2.0, behind: 0.0, ahead: width + 1.0, below: 0.0, above: 3.5 },
        }
    }

    pub(crate) fn plan(&mut self, scene: &Scene<'_>, feedback: &Feedback, right: &mut Hand) -> bool {
        if let (Some(middle), true) = (self.middle, feedback.refused.is_some() && feedback.occupancy == 0) {
            // What lay in a refused jaw is not to be had this way.
            for at in self.points.iter().filter(|at| norm(sub(**at, middle)) < REFUSED_MM) {
                self.tried.insert(cell(*at), TRIES);
            }
        }
        let left: Vec<V3> = self
            .points
            .iter()
            .zip(&self.structures)
            .filter(|(at, structure)| scene.distance(&[**structure], **at) < 0.0)
            .map(|(at, _)| *at)
            .collect();
        let enough = left.len() * 100 <= self.points.len() * usize::from(self.plan.left_pct);
        let next = if self.over || enough || self.bites >= self.plan.bites { None } else { self.next(scene, &left) };
        let Some(Aim { tip, grip, slide }) = next else {
            if !self.over && self.bites > 0 {
                self.over = true;
                right.then(Task::Go {
                    to: lifted(right.at, self.plan.grip, 12.0),
                    grip: self.plan.grip,
                    speed: APPROACH,
                    trigger: 0,
                });
                right.then(Task::Go {
                    to: [right.at[0], HOVER_MM, right.at[2]],
                    grip: self.plan.grip,
                    speed: TRANSIT,
                    trigger: 0,
                });
                return true;
            }
            return false;
        };
        if self.bites == 0 {
            right.then(Task::Go { to: [right.at[0], HOVER_MM, right.at[2]], grip, speed: TRANSIT, trigger: 0 });
            right.then(Task::Take { tool: self.plan.tool, size_tenth_mm: self.plan.size_tenth_mm });
        }
        // In along the shaft, a footplate's length short of the edge, then under it.
        let before = sub(tip, slide);
        let far = self.last.is_none_or(|last| norm(sub(last, tip)) > 9.0);
        let lift = if far { (HOVER_MM - before[1]) / grip.shaft[1].max(0.3) } else { LIFT_MM };
        if let Some(last) = self.last {
            right.then(Task::Go { to: lifted(last, grip, lift.min(LIFT_MM)), grip, speed: APPROACH, trigger: 0 });
            if far {
                right.then(Task::Go { to: lifted(last, grip, lift), grip, speed: TRANSIT, trigger: 0 });
            }
        }
        right.then(Task::Go { to: lifted(before, grip, lift), grip, speed: TRANSIT, trigger: 0 });
        right.then(Task::Go { to: lifted(before, grip, 2.0), grip, speed: TRANSIT, trigger: 0 });
        right.then(Task::Go { to: before, grip, speed: APPROACH, trigger: 0 });
        right.then(Task::Go { to: tip, grip, speed: CAREFUL, trigger: 0 });
        right.then(Task::Hold { ticks: 6, trigger: 0 });
        right.then(Task::Squeeze { ticks: 0 });
        right.then(Task::Go { to: before, grip, speed: APPROACH, trigger: 0 });
        self.last = Some(before);
        let jaw = self.jaw();
        self.middle = Some(add(tip, add(scale(grip.ahead, (jaw.ahead - jaw.behind) / 2.0), scale(grip.shaft, jaw.above / 2.0))));
        self.bites += 1;
        true
    }

    /// Where the next bite goes.
    fn next(&mut self, scene: &Scene<'_>, left: &[V3]) -> Option<Aim> {
        let jaw = self.jaw();
        let mut order: Vec<V3> =
            left.iter().copied().filter(|at| self.tried.get(&cell(*at)).is_none_or(|n| *n < TRIES)).collect();
        let grip = self.plan.grip;
        let rank = |at: &V3| match self.plan.tool {
            // From the outer surface inwards.
            ToolKind::Leksell | ToolKind::Pituitary => -at[1],
            // From the free edge on, the nearer side first.
            _ => dot(*at, grip.ahead) + 0.12 * at[0].abs() - 0.05 * dot(*at, grip.shaft),
        };
        order.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
        for at in order {
            *self.tried.entry(cell(at)).or_insert(0) += 1;
            if let Some(found) = self.aim(scene, left, at, jaw) {
                return Some(found);
            }
            // Nothing to be had there now.
            self.tried.insert(cell(at), TRIES);
        }
        None
    }

    fn aim(&self, scene: &Scene<'_>, left: &[V3], at: V3, jaw: Jaw) -> Option<Aim> {
        let grip = self.plan.grip;
        match self.plan.tool {
            ToolKind::Leksell => {
                // Astride of the ridge, pressed on it.
                Some(Aim { tip: [0.0, at[1] - jaw.above + 1.0, at[2]], grip, slide: [0.0; 3] })
            }
            ToolKind::Pituitary => {
                let out = [at[0].signum(), 0.0, 0.0];
                let ways = [0.0, 0.15, 0.3, 0.45, 0.6].map(|tilt| add([0.0, 1.0, 0.0], scale(out, -tilt)));
                let wide = [-0.15, -0.3].map(|tilt| add([0.0, 1.0, 0.0], scale(out, -tilt)));
                let ways: Vec<V3> = ways.into_iter().chain(wide).collect();
                let (way, room) = lane(scene, at, &ways, 1.3)?;
                let grip = Grip { shaft: way, ahead: [0.0, 0.0, 1.0] };
                (room > -0.1).then(|| Aim { tip: add(at, scale(way, -0.5)), grip, slide: [0.0; 3] })
            }
            _ => self.aim_punch(scene, left, at, jaw, grip).or_else(|| {
                let back = Grip { ahead: scale(grip.ahead, -1.0), ..grip };
                if self.plan.both_ways { self.aim_punch(scene, left, at, jaw, back) } else { None }
            }),
        }
    }

    /// A punch whose jaw starts just before `at` and lies below all that is left there, as far as the nerves allow.
    fn aim_punch(&self, scene: &Scene<'_>, left: &[V3], at: V3, jaw: Jaw, grip: Grip) -> Option<Aim> {
        NERVE_MM.into_iter().find_map(|off| self.aim_off(scene, left, at, jaw, grip, off))
    }

    /// As [`Self::aim_punch`], some way off the nerves.
    fn aim_off(&self, scene: &Scene<'_>, left: &[V3], at: V3, jaw: Jaw, grip: Grip, off_mm: f64) -> Option<Aim> {
        let (ahead, shaft) = (unit(grip.ahead), unit(grip.shaft));
        let across = cross(ahead, shaft);
        let mut best: Option<(usize, V3)> = None;
        for shift in [0.0, 0.8, -0.8] {
            let base = add(sub(at, scale(ahead, 0.5)), scale(across, shift * jaw.half_width));
            let offset = |p: &V3| {
                let d = sub(*p, base);
                [dot(d, across), dot(d, ahead), dot(d, shaft)]
            };
            let over = |p: &[f64; 3]| p[0].abs() <= jaw.half_width && (jaw.behind..=jaw.ahead).contains(&p[1]);
            let heights: Vec<f64> = left.iter().map(offset).filter(over).map(|p| p[2]).collect();
            let Some(lowest) = heights.iter().copied().reduce(f64::min) else { continue };
            let mut tip = add(base, scale(shaft, lowest - 0.6));
            let mut raised = 0.0;
            while raised < 4.0 && !clear(scene, tip, [across, ahead, shaft], jaw, off_mm) {
                tip = add(tip, scale(shaft, 0.4));
                raised += 0.4;
            }
            let floor = dot(sub(tip, base), shaft) + jaw.below;
            let caught = heights.iter().filter(|h| (floor..=floor + jaw.above).contains(*h)).count();
            if caught > best.map_or(0, |(n, _)| n) {
                best = Some((caught, tip));
            }
        }
        // A leaning footplate is laid flat by leaning the shaft.
        let grip = if self.plan.tool == ToolKind::Kerrison40 {
            let (c, s) = LEAN_40;
            Grip { shaft: sub(scale(shaft, c), scale(ahead, s)), ahead: add(scale(ahead, c), scale(shaft, s)) }
        } else {
            grip
        };
        let (_, tip) = best?;
        // In along the shaft where both it and the footplate find no bone, then under the edge.
        let enters = |short: f64| {
            let before = sub(tip, scale(ahead, short));
            (0..=14).all(|k| {
                let at = add(before, scale(grip.shaft, 1.0 + 1.5 * f64::from(k)));
                let plate = |along: f64| !scene.bone(add(at, scale(grip.ahead, along)));
                scene.distance(&scene.parts.bones, sub(at, scale(grip.ahead, 1.5))) > 1.2 && plate(0.0) && plate(jaw.ahead)
            })
        };
        let short = [1.15, 0.9, 0.65, 0.4, 0.15, 0.0].map(|part| part * jaw.ahead).into_iter().find(|short| enters(*short))?;
        Some(Aim { tip, grip, slide: scale(ahead, short) })
    }
}

/// Whether the jaw keeps off the nerves: its lower face by a distance, what lies above that by less.
fn clear(scene: &Scene<'_>, tip: V3, [across, ahead, shaft]: [V3; 3], jaw: Jaw, off_mm: f64) -> bool {
    [(0.0, off_mm), (1.5, 0.4)].iter().all(|(height, off)| {
        [0.0, -1.0, 1.0].iter().all(|side| {
            [0.5, 0.0, 1.0].iter().all(|along| {
                let at = add(add(tip, scale(across, side * jaw.half_width)), scale(ahead, along * jaw.ahead));
                scene.nerve(add(at, scale(shaft, *height))) > *off
            })
        })
    })
}

/// A cell of two millimetres that counts as one place.
fn cell(at: V3) -> [i32; 3] {
    at.map(|v| (v / 2.0).floor() as i32)
}

fn lifted(at: V3, grip: Grip, by: f64) -> V3 {
    add(at, scale(grip.shaft, by))
}
