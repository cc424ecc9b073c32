//! Palpating: the lamina for the level check, the roots in the recesses, the foramen.

use spinor_sim::ToolKind;
use spinor_sim::procedure::Side;
use spinor_volume::query::sdf_mm;

use super::lane::lane;
use super::{APPROACH, CAREFUL, HOVER_MM, TRANSIT};
use crate::hand::Hand;
use crate::scene::Scene;
use crate::task::{Grip, Task};
use crate::vector::{V3, add, norm, scale, sub, unit};

/// Radius of the probe's ball, mm.
const BALL_MM: f64 = 1.0;
/// How far the ball stays off a root, mm.
const OFF_MM: f64 = 0.4;
/// How much farther than the root the sac must be, mm: what a hand's tremor takes of it, twice.
const FELT_MM: f64 = 0.15;
/// How far outside the canal's wall the probe is led in a foramen, the most wanted first, mm; and the least room it must have there.
const OUTSIDE_MM: [f64; 3] = [2.0, 1.6, 1.3];
const FREE_MM: f64 = 0.05;
/// How closely the way through a foramen is looked along, mm: as the gauge does.
const GAUGED_MM: f64 = 0.4;
/// How much of the shaft is looked at, mm, and its radius. One that leans may meet a spinous process far behind.
const SHAFT_MM: f64 = 60.0;
const SHAFT_RADIUS_MM: f64 = 0.6;

/// What is palpated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProbeAim {
    /// The upper lamina, before anything is cut.
    Lamina(Side),
    /// The root in the lateral recess.
    Root(Side),
    /// The same from the other side, under what stands of the lamina.
    RootAcross(Side),
    /// The foramen, along the exiting root.
    Foramen(Side),
}

/// One thing to palpate.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    aim: ProbeAim,
    started: bool,
}

impl Probe {
    pub(crate) fn new(aim: ProbeAim) -> Self {
        Self { aim, started: false }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.aim {
            ProbeAim::Lamina(_) => "level check",
            ProbeAim::Root(_) | ProbeAim::RootAcross(_) => "root",
            ProbeAim::Foramen(_) => "foramen",
        }
    }

    pub(crate) fn plan(&mut self, scene: &Scene<'_>, right: &mut Hand) -> bool {
        if std::mem::replace(&mut self.started, true) {
            return false;
        }
        let route = match self.aim {
            ProbeAim::Lamina(side) => self.lamina(scene, side),
            ProbeAim::Root(side) => self.root(scene, side, &[0.0, 0.2, 0.4, -0.2, -0.4, 0.6]),
            ProbeAim::RootAcross(side) => self.root(scene, side, &[0.4, 0.6, 0.8, 1.0, 1.2]),
            ProbeAim::Foramen(side) => self.foramen(scene, side),
        };
        let Some((path, grip)) = route else { return false };
        let Some(first) = path.first().copied() else { return false };
        let lift = |at: V3, by: f64| add(at, scale(grip.shaft, by));
        let up = (HOVER_MM - first[1]) / grip.shaft[1].max(0.3);
        right.then(Task::Go { to: [right.at[0], HOVER_MM, right.at[2]], grip: Grip::STRAIGHT, speed: TRANSIT, trigger: 0 });
        right.then(Task::Take { tool: ToolKind::Probe, size_tenth_mm: (BALL_MM * 20.0) as u8 });
        right.then(Task::Go { to: lift(first, up), grip, speed: TRANSIT, trigger: 0 });
        right.then(Task::Go { to: lift(first, 4.0), grip, speed: TRANSIT, trigger: 0 });
        // With its trigger pressed the probe gauges the foramen.
        let gauge = if matches!(self.aim, ProbeAim::Foramen(_)) { 200 } else { 0 };
        for (k, at) in path.iter().enumerate() {
            right.then(Task::Go { to: *at, grip, speed: CAREFUL, trigger: if k + 1 == path.len() { gauge } else { 0 } });
        }
        right.then(Task::Hold { ticks: 20, trigger: 0 });
        for at in path.iter().rev() {
            right.then(Task::Go { to: *at, grip, speed: APPROACH, trigger: 0 });
        }
        right.then(Task::Go { to: lift(first, up), grip, speed: TRANSIT, trigger: 0 });
        true
    }

    /// Down on the lamina beside the spinous process, pressed a little.
    fn lamina(&self, scene: &Scene<'_>, side: Side) -> Option<(Vec<V3>, Grip)> {
        let roof = &scene.site.roof;
        let place = [7.0, 8.0, 6.0, 9.0].into_iter().find_map(|l| {
            let left = l * side.sign();
            let (low, high) = (roof.upper_edge_mm(left)?, roof.upper_top_mm(left)?);
            let up = ((low + high.min(low + 20.0)) / 2.0).round();
            Some((left, up, roof.upper(left, up)?.outer_mm))
        });
        let (left, up, outer) = place?;
        Some((vec![[left, outer + BALL_MM + 1.0, up], [left, outer + BALL_MM - 1.2, up]], Grip::STRAIGHT))
    }

    /// To the back of the root, wherever the way there is freest, its shaft leaning to the other side by some parts of its length.
    fn root(&self, scene: &Scene<'_>, side: Side, leans: &[f64]) -> Option<(Vec<V3>, Grip)> {
        let mut best: Option<(f64, V3, V3)> = None;
        let ways: Vec<V3> = leans.iter().map(|lean| [-lean * side.sign(), 1.0, 0.0]).collect();
        let roots = [scene.site.traversing_root(side), scene.site.exiting_root(side)];
        let is_other = |n: &usize| scene.patient.structures().get(*n).is_some_and(|s| !roots.contains(&s.label));
        let others: Vec<usize> = scene.parts.neural.iter().copied().filter(is_other).collect();
        for label in roots {
            let Some(root) = scene.patient.structure(label) else { continue };
            for up in -14..=10 {
                for l in 4..=15 {
                    let (left, up) = (f64::from(l) * side.sign(), f64::from(up));
                    // The root's back surface there.
                    let on = |b: f64| sdf_mm(scene.patient.grid(), &root.sdf, scene.site.patient_from_site([left, b, up]));
                    let Some(back) = (-20..=16).rev().map(|b| f64::from(b) * 0.5).find(|b| on(*b) < 0.0) else { continue };
                    let at = [left, back + BALL_MM + OFF_MM + 0.25, up];
                    // The root is felt where the sac is farther.
                    if scene.distance(&others, at) < BALL_MM + OFF_MM + 0.25 + FELT_MM {
                        continue;
                    }
                    if let Some((way, room)) = lane(scene, at, &ways, 0.7)
                        && best.is_none_or(|(r, _, _)| room > r)
                    {
                        best = Some((room, at, way));
                    }
                }
            }
        }
        if best.is_none() {
            // No root is known: beside the sac.
            let at = [side.sign() * (scene.site.sac_mm[side as usize] + 3.0), 1.0, -2.0];
            best = lane(scene, at, &ways, 0.7).map(|(way, room)| (room, at, way));
        }
        let (_, at, way) = best?;
        let grip = Grip { shaft: way, ahead: [0.0, 0.0, 1.0] };
        Some((vec![add(at, scale(way, 6.0)), at], grip))
    }

    /// From the recess outwards through the foramen, beside the root and not through it, wherever there is most room.
    fn foramen(&self, scene: &Scene<'_>, side: Side) -> Option<(Vec<V3>, Grip)> {
        // Beside what is left of the flavum, or, where that leaves no way, through it: it gives way.
        let beside = [&scene.parts.disc[..], &scene.parts.flavum].concat();
        let mut free = OUTSIDE_MM.iter().filter_map(|out_mm| self.through(scene, side, *out_mm, &beside));
        free.next().or_else(|| self.through(scene, side, OUTSIDE_MM[0], &scene.parts.disc))
    }

    /// The way to so far outside the canal's wall with most room off bones, nerves and what is to be `kept` off.
    fn through(&self, scene: &Scene<'_>, side: Side, out_mm: f64, kept: &[usize]) -> Option<(Vec<V3>, Grip)> {
        let half = scene.site.half_canal_mm[side as usize];
        let mut best: Option<(f64, [V3; 3], V3)> = None;
        for up in -1..=17 {
            for back in -12..=5 {
                let out = [side.sign() * (half + out_mm), f64::from(back), f64::from(up)];
                for (tilt, from_back) in [(0.0, 1.0), (0.25, 1.0), (0.5, 2.0), (0.8, 3.0), (1.1, 4.0)] {
                    let way = unit([-tilt * side.sign(), 1.0, 0.0]);
                    // Straight in along its shaft, or first into the recess and then outwards.
                    for inner in [scale(way, 6.0), [-side.sign() * 5.0, from_back, 0.0]] {
                        let inner = add(out, inner);
                        let path = [add(inner, scale(way, 4.0)), inner, out];
                        let least = best.map_or(FREE_MM, |(room, ..)| room);
                        if let Some(room) = passes(scene, kept, &path, way, least) {
                            best = Some((room, path, way));
                        }
                    }
                }
            }
        }
        let (_, path, way) = best?;
        Some((path.to_vec(), Grip { shaft: way, ahead: [0.0, 0.0, 1.0] }))
    }
}

/// The least room that a probe has along a path, from where it comes in along its shaft on, mm: ball among bone and off nerves, disc and, on
/// the last leg, what is `kept` off; shaft among bone and off nerves. None where that is no more than `least`.
fn passes(scene: &Scene<'_>, kept: &[usize], path: &[V3], way: V3, least: f64) -> Option<f64> {
    let first = *path.first()?;
    let mut room = f64::INFINITY;
    let mut held = |tip: V3, kept: &[usize]| {
        // From the tip on: nerves first, they are what most places are too near to.
        let ball = scene.nerve(tip).min(scene.room(&scene.parts.bones, tip)).min(scene.distance(kept, tip));
        room = room.min(ball - BALL_MM - OFF_MM / 4.0);
        let mut along = 1.0;
        while along < SHAFT_MM && room > least {
            let at = add(tip, scale(way, along));
            room = room.min(scene.nerve(at).min(scene.room(&scene.parts.all_bones, at)) - SHAFT_RADIUS_MM - OFF_MM / 4.0);
            along += 1.0;
        }
        room > least
    };
    let mut legs = vec![(add(first, scale(way, 8.0)), first)];
    legs.extend(path.windows(2).map(|leg| (leg[0], leg[1])));
    // The far end is where most ways fail, and what is gauged: it is looked along more closely.
    for (k, (from, to)) in legs.into_iter().rev().enumerate() {
        let (step_mm, kept) = if k == 0 { (GAUGED_MM, kept) } else { (1.0, &scene.parts.disc[..]) };
        let steps = (norm(sub(to, from)) / step_mm).ceil().max(1.0) as u32;
        for k in (0..=steps).rev() {
            let share = f64::from(k) / f64::from(steps);
            if !held(add(scale(from, 1.0 - share), scale(to, share)), kept) {
                return None;
            }
        }
    }
    Some(room)
}
