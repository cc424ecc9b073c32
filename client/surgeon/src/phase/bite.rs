//! Taking tissue bite by bite: where the next bite goes follows from what is left, and from where the tool finds room to bite.

use std::collections::BTreeMap;

use spinor_sim::ToolKind;
use spinor_sim::procedure::{Site, Zone, ZonePoints};
use spinor_volume::Patient;
use spinor_volume::cut::OCCUPANCY_PER_VOXEL;
use spinor_volume::query::sdf_mm;

use super::dura::{HUGS_MM, flat_on_dura};
use super::edge;
use super::place::{Held, Jaws, Left};
use super::{APPROACH, CAREFUL, Feedback, HOVER_MM, TRANSIT};
use crate::hand::Hand;
use crate::scene::{Parts, Scene};
use crate::task::{Astray, Grip, Task};
use crate::vector::{V3, add, norm, scale, sub, unit};

/// What a bite must bring to be worth it and how near nerves may be, from the most wanted on: least tissue, mm³; how far the jaws and the
/// rest of the tip keep off nerves, mm. A footplate of 1.4 mm has to go under what lies on the dura and presses it aside: Lin 2019.
const WORTH: [(u32, f64, f64); 6] =
    [(22, 0.8, 0.3), (12, 0.8, 0.3), (16, 0.6, -0.6), (10, 0.6, -1.2), (5, 0.7, 0.2), (5, 0.6, -1.2)];
/// The same of a jaw whose footplate lies on the dura and parts what hugs it from it: the plate presses the sac aside by its own thickness.
const ON_DURA: [(u32, f64, f64); 3] = [(10, DURA_MM, -PRESS_MM), (5, DURA_MM, -PRESS_MM), (2, DURA_MM, -PRESS_MM)];
/// How far the jaw's edge keeps off the dura that its footplate lies on, mm: five times a quiet hand's tremor. With four a
/// jaw closed on it by six micrometres (laminectomy, phantom 1).
const DURA_MM: f64 = 0.3;
/// How far a footplate of 1.4 mm presses the sac aside at most, mm. No more than 1.4-1.5 (Lin 2019), and less than where stored distances end
/// in fine cases, at four voxels of 0.4 mm.
const PRESS_MM: f64 = 1.3;
/// Places that are looked at closely before a surgeon settles for less; where that is nowhere either, the next ones are looked at.
const LOOKS: usize = 60;
/// Bites after which a place that was not to be had is looked at again: its surroundings have changed.
const AGAIN: u32 = 8;
/// How far around the last bite places that were not to be had are looked at again before others are, mm: what a bite opens lies about it.
const AROUND_MM: f64 = 5.0;
/// Stands for every worth: a place that bone or room forbid is not to be had at any.
const ANY_WORTH: usize = usize::MAX;
/// How often a place is tried in vain before it is left.
const REFUSALS: u8 = 2;
/// Times that a grasper had to be opened again on a nerve after which a surgeon puts it down: what is left lies too near to one.
const SCARES: u32 = 3;
/// A grasper that comes out with less has not got hold of anything there, mm³.
const SHRED_MM3: f64 = 1.0;
/// How far off its place a jaw that something holds up is closed at most, mm; and by how much less than nerves keep off that place: what is
/// left is for the hand's tremor.
const ASTRAY_MM: f64 = 1.5;
const QUIET_MM: f64 = 0.2;
/// How much farther it may be held aside of nerves, or off them, mm.
const ASIDE_MM: f64 = 0.4;
/// How far a tool is lifted between neighbouring bites, mm.
const LIFT_MM: f64 = 9.0;
/// How far from the edge a tool is put down, in parts of its jaw's length, before it slides under the edge.
const SLIDES: [f64; 4] = [0.0, 0.5, 0.85, 1.2];
/// How far off the canal it slides besides, in parts of how far it slides: over a round sac a plate comes in from farther back.
const RISES: [f64; 5] = [0.0, 0.3, 0.6, 1.0, 1.5];

/// What is bitten, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BitePlan {
    pub(crate) name: &'static str,
    pub(crate) zones: &'static [Zone],
    pub(crate) tool: ToolKind,
    pub(crate) size_tenth_mm: u8,
    /// How the tool may be held, the most natural first; of a punch, where its footplate's back and tip point.
    pub(crate) grips: &'static [Grip],
    /// Whether bone is what is wanted: else bone in the jaws is a pity.
    pub(crate) bone: bool,
    /// How far to the side of the first bite that took something others may go into the disc, mm: the opening of an annulus is to stay small.
    pub(crate) aside_mm: f64,
    /// Share of the zones at which the phase is over, percent.
    pub(crate) left_pct: u8,
    /// Most bites.
    pub(crate) bites: u32,
}

/// A grip and a place: of one and a half millimetres where bites count as the same, of a quarter of one where looks do.
type Key = (usize, [i32; 3]);

/// Biting of some zones.
#[derive(Clone, Debug)]
pub(crate) struct Bite {
    plan: BitePlan,
    /// What a bite must bring, as [`WORTH`].
    worth: &'static [(u32, f64, f64)],
    points: Vec<V3>,
    structures: Vec<usize>,
    jaws: Option<Jaws>,
    /// Whether the footplate goes between the dura and what hugs it, and settles on the dura.
    on_dura: bool,
    /// Places that were looked at in vain, with the bites before that.
    seen: BTreeMap<(usize, Key), u32>,
    /// Places that refused: how often, and the bites before the last time.
    refused: BTreeMap<Key, (u8, u32)>,
    bites: u32,
    last: Option<(Key, Held)>,
    /// Where the first bite that took something went into the disc, mm to the left.
    first: Option<f64>,
    /// How often the hand had drawn back from a nerve before the first bite.
    scares: u32,
    over: bool,
}

/// A bite: where the tip goes, and which way it slides under the edge.
#[derive(Clone, Copy, Debug)]
struct Aim {
    key: Key,
    held: Held,
    slide: V3,
    /// How far off its place the jaw may be held and still be closed.
    astray: Astray,
}

/// What came of looking through places.
enum Search {
    Found(Box<Aim>),
    /// There are places that were not looked at yet.
    LooksOn,
    /// None of them will do.
    Nowhere,
}

/// Why a place will not do.
enum Unfit {
    /// Nerves are too near for what it brings, or it brings too little for how near they are.
    Now,
    /// There is no room for the tool, or nothing that it can bite.
    Here,
}

impl Bite {
    pub(crate) fn new(patient: &Patient, site: &Site, plan: BitePlan) -> Self {
        Self::of(patient, site, plan, &WORTH, 1)
    }

    /// Trimming of what burr and punch left along the edges of zones of bone.
    pub(crate) fn trim(patient: &Patient, site: &Site, plan: BitePlan) -> Self {
        Self::of(patient, site, plan, &edge::WORTH, edge::PER_MM)
    }

    fn of(patient: &Patient, site: &Site, plan: BitePlan, worth: &'static [(u32, f64, f64)], per_mm: u8) -> Self {
        let uncut = spinor_volume::CutState::new(patient.grid());
        let (mut points, mut structures) = (Vec::new(), Vec::new());
        for zone in plan.zones {
            for (structure, at_mm) in ZonePoints::every(patient, site, *zone, per_mm).remaining(patient, &uncut) {
                points.push(site.site_from_patient(at_mm));
                structures.push(structure);
            }
        }
        let jaws = Jaws::new(plan.tool, plan.size_tenth_mm);
        let (seen, refused) = (BTreeMap::new(), BTreeMap::new());
        Self {
            plan,
            worth,
            points,
            structures,
            jaws,
            on_dura: false,
            seen,
            refused,
            bites: 0,
            last: None,
            first: None,
            scares: 0,
            over: false,
        }
    }

    /// As [`Self::new`] for what hugs the dura: the footplate parts it from the dura first and lies flat on it.
    pub(crate) fn on_dura(patient: &Patient, site: &Site, plan: BitePlan) -> Self {
        Self { on_dura: true, worth: &ON_DURA, ..Self::new(patient, site, plan) }
    }

    /// As [`Self::on_dura`] for the strands that bites beside each other left on the dura.
    pub(crate) fn strands(patient: &Patient, site: &Site, plan: BitePlan) -> Self {
        let mut bite = Self { on_dura: true, ..Self::of(patient, site, plan, &ON_DURA, edge::PER_MM) };
        let neural = Parts::of(patient, site).neural;
        let hugs = |at: &V3| {
            let at_mm = site.patient_from_site(*at);
            neural.iter().any(|k| sdf_mm(patient.grid(), &patient.structures()[*k].sdf, at_mm) < HUGS_MM)
        };
        let each = bite.points.into_iter().zip(bite.structures);
        (bite.points, bite.structures) = each.filter(|(at, _)| hugs(at)).unzip();
        bite
    }

    pub(crate) fn name(&self) -> &'static str {
        self.plan.name
    }

    pub(crate) fn plan(&mut self, scene: &Scene<'_>, feedback: &Feedback, right: &mut Hand) -> bool {
        let taken_mm3 = feedback.occupancy as f64 / OCCUPANCY_PER_VOXEL as f64 * scene.patient.grid().voxel_mm3();
        let vain = feedback.occupancy == 0 || (self.plan.tool == ToolKind::Pituitary && taken_mm3 < SHRED_MM3);
        match self.last {
            Some((key, _)) if vain => {
                let (times, last) = self.refused.entry(key).or_insert((0, 0));
                (*times, *last) = (times.saturating_add(1), self.bites);
            }
            Some((_, held)) => _ = self.first.get_or_insert(entry(scene, &held)),
            None => {}
        }
        if self.bites == 0 {
            self.scares = right.scares;
        }
        let scared = self.plan.tool == ToolKind::Pituitary && right.scares >= self.scares + SCARES;
        let left = self.remaining(scene);
        let enough = left.len() * 100 <= self.points.len() * usize::from(self.plan.left_pct);
        let next =
            if self.over || enough || scared || self.bites >= self.plan.bites { None } else { self.next(scene, Left::new(left)) };
        let Some(aim) = next else {
            if let (Some((_, last)), false) = (self.last, self.over) {
                self.over = true;
                let up = (HOVER_MM - last.tip[1]) / last.grip.shaft[1].max(0.3);
                right.then(Task::Go { to: lifted(&last, 12.0), grip: last.grip, speed: APPROACH, trigger: 0 });
                right.then(Task::Go { to: lifted(&last, up), grip: last.grip, speed: TRANSIT, trigger: 0 });
                return true;
            }
            return false;
        };
        self.give(scene, &aim, right);
        true
    }

    /// The points of the zones that are still tissue.
    fn remaining(&self, scene: &Scene<'_>) -> Vec<V3> {
        let each = self.points.iter().zip(&self.structures);
        each.filter(|(at, structure)| scene.distance(&[**structure], **at) < 0.0).map(|(at, _)| *at).collect()
    }

    /// The motions of one bite.
    fn give(&mut self, scene: &Scene<'_>, aim: &Aim, right: &mut Hand) {
        let (tip, grip) = (aim.held.tip, aim.held.grip);
        let before = aim.held.moved(scale(aim.slide, -1.0));
        if self.bites == 0 {
            right.then(Task::Go { to: [right.at[0], HOVER_MM, right.at[2]], grip, speed: TRANSIT, trigger: 0 });
            right.then(Task::Take { tool: self.plan.tool, size_tenth_mm: self.plan.size_tenth_mm });
        }
        let up = |held: &Held| (HOVER_MM - held.tip[1]) / held.grip.shaft[1].max(0.3);
        // Straight over to the next bite where that meets nothing, else out of the wound and in again.
        let near = self.last.filter(|(_, last)| last.grip == grip && self.passes(scene, last, &before));
        let lift = if near.is_some() { LIFT_MM } else { up(&before) };
        if let Some((_, last)) = self.last {
            right.then(Task::Go { to: lifted(&last, LIFT_MM), grip: last.grip, speed: APPROACH, trigger: 0 });
            if near.is_none() {
                right.then(Task::Go { to: lifted(&last, up(&last)), grip: last.grip, speed: TRANSIT, trigger: 0 });
            }
        }
        right.then(Task::Go { to: lifted(&before, lift), grip, speed: TRANSIT, trigger: 0 });
        right.then(Task::Go { to: lifted(&before, 2.0), grip, speed: TRANSIT, trigger: 0 });
        right.then(Task::Go { to: before.tip, grip, speed: APPROACH, trigger: 0 });
        right.then(Task::Go { to: tip, grip, speed: CAREFUL, trigger: 0 });
        right.then(Task::Hold { ticks: 6, trigger: 0 });
        right.then(Task::Squeeze { ticks: 0, astray: aim.astray });
        right.then(Task::Go { to: before.tip, grip, speed: APPROACH, trigger: 0 });
        self.last = Some((aim.key, before));
        self.bites += 1;
    }

    /// Whether the lifted tool meets nothing from one place to another.
    fn passes(&self, scene: &Scene<'_>, from: &Held, to: &Held) -> bool {
        let Some(jaws) = &self.jaws else { return false };
        let (a, b) = (lifted(from, LIFT_MM), lifted(to, LIFT_MM));
        let (a, b) = (Held::new(a, to.grip), Held::new(b, to.grip));
        let fits = |k: i32| {
            let share = f64::from(k) / 6.0;
            jaws.fits(scene, &Held::new(add(scale(a.tip, 1.0 - share), scale(b.tip, share)), to.grip))
        };
        (0..=6).all(fits) && (self.plan.tool == ToolKind::Pituitary || jaws.spares_between(scene, &a, &b, 0.0))
    }

    /// Where the next bite goes.
    fn next(&mut self, scene: &Scene<'_>, left: Left) -> Option<Aim> {
        let jaws = self.jaws.take()?;
        // Every place whose jaw holds something, the best first.
        let mut places: Vec<(u32, Key, Held)> = Vec::new();
        let every = self.every();
        let fewest = self.worth.iter().map(|(least, ..)| *least).fold(4, u32::min);
        let lies_on =
            |at: &V3| [at[0].floor(), at[1].round(), at[2].round()].into_iter().zip(every).all(|(v, n)| v as i32 % n == 0);
        for at in left.points.iter().filter(|at| lies_on(at)) {
            let parallel = if self.on_dura { flat_on_dura(scene, self.plan.tool, *at) } else { Vec::new() };
            let fixed = self.plan.grips.iter().copied().enumerate();
            for (k, grip) in fixed.chain(parallel.into_iter().map(|(k, grip)| (self.plan.grips.len() + k, grip))) {
                let grip = &grip;
                for part in self.parts() {
                    let jaw = &jaws.jaw;
                    let in_jaw = (0..3).fold(jaw.centre_mm, |p, j| add(p, scale(jaw.axes[j], part[j] * jaw.half_mm[j])));
                    let middle = Held::new([0.0; 3], *grip).at(in_jaw);
                    let held = Held::new(sub(*at, middle), *grip);
                    let key = (k, held.tip.map(|v| (v / self.apart_mm()).round() as i32));
                    let caught = left.caught(&held, jaw);
                    let aside = self.first.map_or(0.0, |first| (entry(scene, &held) - first).abs());
                    if caught >= fewest && aside <= self.plan.aside_mm && !self.is_left(&key) {
                        places.push((caught, key, held));
                    }
                }
            }
        }
        places.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut found = self.choose(scene, &jaws, &left, &places);
        // What was looked at in vain before the last bites may be had now: each leaves an edge, or a hole to go on through.
        for around_mm in [AROUND_MM, f64::INFINITY] {
            if found.is_none() {
                self.forget(around_mm);
                found = self.choose(scene, &jaws, &left, &places);
            }
        }
        self.jaws = Some(jaws);
        found
    }

    /// Forgets what was looked at in vain before the last bite, as far as it lies around that.
    fn forget(&mut self, around_mm: f64) {
        let (bites, last) = (self.bites, self.last.map(|(_, held)| held.tip));
        let near = |at: &[i32; 3]| last.is_none_or(|tip| norm(sub(at.map(|v| f64::from(v) / 4.0), tip)) < around_mm);
        self.seen.retain(|(_, (_, at)), seen| *seen >= bites || !near(at));
    }

    /// The best place that will do.
    fn choose(&mut self, scene: &Scene<'_>, jaws: &Jaws, left: &Left, places: &[(u32, Key, Held)]) -> Option<Aim> {
        // Some at each worth, then some more: a surgeon who settles for less before having looked everywhere looks on before giving up.
        let (mut found, mut looks_on) = (None, true);
        while found.is_none() && looks_on {
            looks_on = false;
            for level in self.worth.iter().copied().enumerate() {
                match self.find(scene, jaws, left, places, level) {
                    Search::Found(aim) => found = Some(*aim),
                    Search::Nowhere => continue,
                    Search::LooksOn => {
                        looks_on = true;
                        continue;
                    }
                }
                break;
            }
        }
        found
    }

    /// Whether a place has refused so often that it is left. A grasper comes back to it later: the hole has grown meanwhile.
    fn is_left(&self, key: &Key) -> bool {
        let again = self.plan.tool == ToolKind::Pituitary;
        self.refused.get(key).is_some_and(|(times, last)| *times >= REFUSALS && !(again && self.bites >= last + AGAIN))
    }

    /// Distances of the places that are tried, to the side, to the back and up, mm: such that two bites overlap or leave enough for one
    /// between them. Bites edge to edge would leave slivers where their round corners meet.
    fn every(&self) -> [i32; 3] {
        match self.plan.tool {
            _ if self.on_dura => [2, 1, 2],
            ToolKind::Leksell => [2, 2, 3],
            ToolKind::Pituitary => [1, 2, 2],
            ToolKind::Kerrison40 => [1, 1, 3],
            _ => [3, 1, 3],
        }
    }

    /// How far apart two places are that are not the same, mm.
    fn apart_mm(&self) -> f64 {
        if self.on_dura { 1.0 } else { 1.5 }
    }

    /// Which parts of a jaw a place is put into, in halves of its length.
    fn parts(&self) -> &'static [V3] {
        match self.plan.tool {
            // What hugs the dura lies at the jaw's lower edge.
            _ if self.on_dura => &[[0.0, -0.5, -0.8], [0.0, 0.5, -0.8], [0.7, 0.0, -0.5], [-0.7, 0.0, -0.5]],
            ToolKind::Leksell => &[[0.0, 0.0, 0.3], [0.0, -0.3, 0.7], [0.0, 0.3, 0.7]],
            ToolKind::Pituitary => &[[0.0, 0.0, -0.9]],
            // An edge thicker than the jaw opens is nibbled away.
            ToolKind::Kerrison40 => {
                &[[0.0, -0.5, -0.7], [0.0, 0.2, 0.0], [0.0, -0.5, 0.6], [0.0, 0.8, -0.7], [0.0, 0.8, 0.0], [0.0, 0.8, 0.7]]
            }
            _ => &[[0.0, -0.5, -0.7], [0.0, 0.2, 0.0], [0.0, -0.5, 0.6]],
        }
    }

    fn find(
        &mut self,
        scene: &Scene<'_>,
        jaws: &Jaws,
        left: &Left,
        places: &[(u32, Key, Held)],
        (level, (least, jaw_mm, body_mm)): (usize, (u32, f64, f64)),
    ) -> Search {
        let mut looks = 0;
        for (caught, key, held) in places.iter().take_while(|(caught, ..)| *caught >= least) {
            let place = exactly(key, held);
            let seen = |level| self.seen.get(&(level, place)).is_some_and(|bites| self.bites < bites + AGAIN);
            if seen(level) || seen(ANY_WORTH) {
                continue;
            }
            if looks >= LOOKS {
                return Search::LooksOn;
            }
            match self.look(scene, jaws, left, (*caught, held), (least, jaw_mm, body_mm), &mut looks) {
                Ok((held, slide)) => {
                    let astray = astray(scene, jaws, &held);
                    return Search::Found(Box::new(Aim { key: *key, held, slide, astray }));
                }
                Err(Unfit::Here) => _ = self.seen.insert((ANY_WORTH, place), self.bites),
                Err(Unfit::Now) => _ = self.seen.insert((level, place), self.bites),
            }
        }
        Search::Nowhere
    }

    /// Looks at one place: the tool as it bites there, and how it slides to it.
    fn look(
        &self,
        scene: &Scene<'_>,
        jaws: &Jaws,
        left: &Left,
        (caught, held): (u32, &Held),
        (least, jaw_mm, body_mm): (u32, f64, f64),
        looks: &mut usize,
    ) -> Result<(Held, V3), Unfit> {
        let grasps = self.plan.tool == ToolKind::Pituitary;
        let or = |good: bool, unfit| if good { Ok(()) } else { Err(unfit) };
        let on_dura = if self.on_dura { jaws.settled_on(scene, held, jaw_mm).ok_or(Unfit::Now)? } else { *held };
        // What a jaw that was drawn off the dura holds is not what it held before.
        let caught = if self.on_dura { left.caught(&on_dura, &jaws.jaw) } else { caught };
        or(caught >= least, Unfit::Now)?;
        or(jaws.closes(scene, &on_dura), Unfit::Here)?;
        // A place too near a nerve is soon seen and does not count as looked at: over a narrow canal most are, the best first.
        or(grasps || jaws.spares(scene, &on_dura, jaw_mm, body_mm), Unfit::Now)?;
        let held = self.settled(scene, jaws, &on_dura).ok_or(Unfit::Here)?;
        *looks += 1;
        let spoils = if self.plan.bone { 0.0 } else { jaws.bone_mm3(scene, &held) };
        or(f64::from(caught) - spoils >= f64::from(least), Unfit::Now)?;
        or(jaws.holds(scene, &held) && jaws.fits(scene, &held), Unfit::Here)?;
        if grasps {
            let spares = jaws.spares(scene, &held, jaw_mm, body_mm) && jaws.spares_on_the_way(scene, &held, jaw_mm);
            or(spares && left.caught(&held, &jaws.jaw) >= least, Unfit::Now)?;
        }
        self.slide(scene, jaws, &held, body_mm).map(|slide| (held, slide))
    }

    /// A tool that tissue stops, drawn back to where it finds room.
    fn settled(&self, scene: &Scene<'_>, jaws: &Jaws, held: &Held) -> Option<Held> {
        if self.plan.tool != ToolKind::Pituitary {
            return Some(*held);
        }
        (0..=12).map(|k| held.moved(scale(held.grip.shaft, 0.5 * f64::from(k)))).find(|held| jaws.fits(scene, held))
    }

    /// How the tool slides to its place from where it comes in along its shaft, past bone, and past nerves as the place itself spares them.
    fn slide(&self, scene: &Scene<'_>, jaws: &Jaws, held: &Held, body_mm: f64) -> Result<V3, Unfit> {
        let length = 2.0 * jaws.jaw.half_mm[1];
        let [_, ahead, out] = jaws.jaw.axes.map(|axis| Held::new([0.0; 3], held.grip).at(axis));
        let (most, rises) = if self.plan.tool.is_kerrison() { (SLIDES.len(), RISES.len()) } else { (1, 1) };
        let past_nerves = self.plan.tool != ToolKind::Pituitary;
        // The roof of a foramen is reached past the root, whose sleeve gives way to a plate as the sac does.
        let way_mm =
            if self.plan.zones.iter().any(|zone| matches!(zone, Zone::SuperiorTip(_))) { body_mm.min(-1.2) } else { body_mm };
        let mut unfit = Unfit::Here;
        for part in SLIDES.iter().take(most) {
            // What stays where it is does not rise.
            for rise in RISES.iter().take(if *part > 0.0 { rises } else { 1 }) {
                let slide = scale(sub(ahead, scale(out, *rise)), part * length);
                let before = held.moved(scale(slide, -1.0));
                if !(jaws.fits(scene, &before) && jaws.slides(scene, held, &before) && jaws.comes_in(scene, &before)) {
                    continue;
                }
                let spares = || jaws.spares_between(scene, held, &before, way_mm) && jaws.spares_out(scene, &before, way_mm);
                if !past_nerves || spares() {
                    return Ok(slide);
                }
                unfit = Unfit::Now;
            }
        }
        Err(unfit)
    }
}

/// How far off its place a jaw may be held and still be closed: towards a nerve not by what that keeps off the place, aside not much more, since
/// nerves are round.
fn astray(scene: &Scene<'_>, jaws: &Jaws, held: &Held) -> Astray {
    let (near_mm, off) = jaws.nearest_nerve(scene, held);
    let towards_mm = (near_mm - QUIET_MM).clamp(0.0, ASTRAY_MM);
    Astray { off, towards_mm, most_mm: (towards_mm + ASIDE_MM).min(ASTRAY_MM) }
}

/// A grip and a place of a quarter of a millimetre.
fn exactly((grip, _): &Key, held: &Held) -> Key {
    (*grip, held.tip.map(|v| (4.0 * v).round() as i32))
}

/// How far to the left a tool passes the level of the disc's back, mm.
fn entry(scene: &Scene<'_>, held: &Held) -> f64 {
    let way = (-scene.site.disc_front_mm - held.tip[1]) / held.grip.shaft[1];
    held.tip[0] + way * held.grip.shaft[0]
}

/// A place some way back along the shaft.
fn lifted(held: &Held, by: f64) -> V3 {
    add(held.tip, scale(unit(held.grip.shaft), by))
}

#[cfg(test)]
mod tests {
    use spinor_sim::procedure::Side;
    use spinor_sim::small_spine;
    use spinor_volume::{ClassMask, CutOp, CutState, TissueClass};

    use super::*;

    /// A sliver 0.7 mm thick, between two planes of the points that a zone is counted on: the look at the zone has nothing left there, the
    /// look at its edges sees it.
    #[test]
    fn trimming_sees_slivers_that_the_count_of_a_zone_does_not() {
        let patient = small_spine::patient(0.5).unwrap();
        let site = Site::find(&patient, 4).unwrap();
        let zones: &[Zone] = const { &[Zone::Lamina(Side::Left)] };
        let plan = BitePlan {
            name: "test",
            zones,
            tool: ToolKind::Kerrison,
            size_tenth_mm: 20,
            grips: &[Grip::STRAIGHT],
            bone: true,
            aside_mm: f64::INFINITY,
            left_pct: 0,
            bites: 1,
        };
        let [coarse, fine] = [Bite::new(&patient, &site, plan), Bite::trim(&patient, &site, plan)];
        let sees = |cut: &CutState| {
            let parts = Parts::of(&patient, &site);
            let scene = Scene { patient: &patient, cut, site: &site, parts: &parts };
            [coarse.remaining(&scene).len(), fine.remaining(&scene).len()]
        };
        let mut cut = CutState::new(patient.grid());
        let [before, finer] = sees(&cut);
        assert!(before > 300 && finer > 6 * before, "{before} and {finer}");
        // All of the lamina but a layer across it, from 0.15 to 0.85 mm above a whole millimetre.
        let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|way| site.turn_out(way));
        let half = 14.0;
        for up in [8.15 - half, 8.85 + half] {
            let centre = site.patient_from_site([6.0, 12.0, up]);
            let op = CutOp::box_mm(patient.grid(), centre, [half; 3], axes, 0.0, ClassMask::of(&[TissueClass::Bone])).unwrap();
            cut.apply(&patient, &op);
        }
        let [coarse, fine] = sees(&cut);
        assert!(coarse == 0 && fine > 20, "{coarse} and {fine}");
    }

    /// A lamina too thick for a jaw: nowhere can it be bitten. Once it is thinned the places that were looked at in vain are looked at again
    /// before the punch is put down, and one that will not do hides none a millimetre beside it.
    #[test]
    fn a_punch_is_put_down_only_after_every_place_was_looked_at_again() {
        let patient = small_spine::patient(0.8).unwrap();
        let site = Site::find(&patient, 4).unwrap();
        let parts = Parts::of(&patient, &site);
        let zones: &[Zone] = const { &[Zone::Lamina(Side::Left)] };
        let plan = BitePlan {
            name: "test",
            zones,
            tool: ToolKind::Kerrison,
            size_tenth_mm: 30,
            grips: &[Grip::STRAIGHT],
            bone: true,
            aside_mm: f64::INFINITY,
            left_pct: 0,
            bites: 9,
        };
        let mut bite = Bite::new(&patient, &site, plan);
        let mut cut = CutState::new(patient.grid());
        let find = |bite: &mut Bite, cut: &CutState| {
            let scene = Scene { patient: &patient, cut, site: &site, parts: &parts };
            let left = Left::new(bite.remaining(&scene));
            bite.next(&scene, left)
        };
        assert!(find(&mut bite, &cut).is_none(), "the lamina is thin enough");
        // All of it but the inner millimetre and a half.
        let (left, up) = (6.0, 8.0);
        let wall = site.roof.upper(left, up).unwrap();
        let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|way| site.turn_out(way));
        let centre = site.patient_from_site([left, wall.inner_mm + 1.5 + 20.0, up]);
        let op =
            CutOp::box_mm(patient.grid(), centre, [14.0, 20.0, 24.0], axes, 0.0, ClassMask::of(&[TissueClass::Bone])).unwrap();
        cut.apply(&patient, &op);
        bite.bites = 1;
        let best = find(&mut bite, &cut).expect("a place to bite the thinned lamina");
        bite.seen.insert((ANY_WORTH, exactly(&best.key, &best.held)), bite.bites);
        let next = find(&mut bite, &cut).expect("another place");
        assert_eq!(next.key, best.key, "{:?} and {:?}", next.held, best.held);
        assert!(next.held.tip != best.held.tip);
    }

    /// A strand of flavum on the dura, 0.7 mm thick between two planes of the points that a zone is counted on: a look at the zone has
    /// nothing left there, a look for strands sees it. It sees nothing of flavum that lies off the dura.
    #[test]
    fn strands_on_the_dura_are_seen() {
        let patient = small_spine::stenosed(0.5).unwrap();
        let site = Site::find(&patient, 4).unwrap();
        let zones: &[Zone] = const { &[Zone::Flavum(Side::Left)] };
        let plan = crate::script::layer_plan(zones, ToolKind::Kerrison, &[Grip::STRAIGHT]);
        let [coarse, fine] = [Bite::on_dura(&patient, &site, plan), Bite::strands(&patient, &site, plan)];
        let parts = Parts::of(&patient, &site);
        let sees = |cut: &CutState| {
            let scene = Scene { patient: &patient, cut, site: &site, parts: &parts };
            assert!(fine.points.iter().all(|at| scene.nerve(*at) < HUGS_MM));
            [coarse.remaining(&scene).len(), fine.remaining(&scene).len()]
        };
        let mut cut = CutState::new(patient.grid());
        assert!(sees(&cut).iter().all(|seen| *seen > 100), "{:?}", sees(&cut));
        let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|way| site.turn_out(way));
        let half = 14.0;
        for up in [3.15 - half, 3.85 + half] {
            let centre = site.patient_from_site([6.0, 6.0, up]);
            let classes = ClassMask::of(&[TissueClass::Flavum]);
            let op = CutOp::box_mm(patient.grid(), centre, [half; 3], axes, 0.0, classes).unwrap();
            cut.apply(&patient, &op);
        }
        let [coarse, fine] = sees(&cut);
        assert!(coarse == 0 && fine > 5, "{coarse} and {fine}");
    }
}
