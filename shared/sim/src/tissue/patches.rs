//! Dura and roots that give way: control nodes moved by extended position-based dynamics (Macklin et al. 2016).
//!
//! Every tick, constraints are solved in turn, in a fixed order: springs that hold each node in its place and neighbours together, with the
//! compliance of their stiffness, and contacts, which no compliance has: the surface yields to the tool. What a contact needs for that is
//! its load, in newton. Inertia is left out (soft tissue is damped far beyond it): a node resists being moved by a drag instead. After
//! every tick offsets are rounded to whole micrometres, and those integers are the whole state; a patch back at rest sleeps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use spinor_volume::{Grid, Label};

use super::HandTool;
use super::facets::{Facets, Stand, Stands, groups_of};
use super::nodes::{Nodes, Offset, offsets_of};
use super::output::PatchNodes;
use crate::alarm::{NeuralField, NeuralFields};
use crate::pose::{place, um_from_mm};
use crate::settings::TissueSettings;
use crate::vector::{Vec3, add, dot, mix, norm, scale, sub, unit};

/// Rounds over all constraints in a tick.
const ROUNDS: usize = 8;
/// A patch whose nodes are all nearer than this to their rest, untouched, sleeps, µm.
const REST_UM: i32 = 20;
/// Offset from which a node wakes the patches beside its own, µm.
const WAKE_UM: i32 = 100;
/// Tools farther than this from every neural surface press none, µm.
const FAR_UM: i32 = 1_500;
/// Most contacts of one tool with one structure.
const MOST_CONTACTS: usize = 10;
/// Distance between places along a tool's part that are looked at, mm.
const LOOK_MM: f64 = 1.0;
/// How near a tool's surface must be to be a contact, mm: it may come to press within the tick's rounds.
const NEAR_MM: f64 = 0.2;
/// By how much two distances may differ by more than the way between their places is long, mm: what measuring them is off.
const UNEVEN_MM: f64 = 0.25;
/// Longest offset of a node, mm: beyond it the tissue would have torn long ago.
const LIMIT_MM: f64 = 15.0;
/// Most steps from a position to where what is there now is at rest, and the step under which it is found, mm.
const MOST_STEPS: usize = 12;
const STEP_MM: f64 = 0.005;
/// Share of the first step that is gone, and the least of any.
const FIRST_SHARE: f64 = 0.75;
const LEAST_SHARE: f64 = 0.3;

/// A structure's nodes and where they are.
#[derive(Clone, Debug)]
struct Soft {
    nodes: Arc<Nodes>,
    facets: Arc<Facets>,
    offsets_um: Vec<[i32; 3]>,
    /// The same, as numbers to reckon with between ticks.
    offsets: Vec<Offset>,
    awake: BTreeSet<u16>,
    /// The box outside of which nothing is displaced, none while all is at rest, and the longest displacement, mm.
    moved: Option<[Vec3; 2]>,
    most_mm: f64,
    /// Where the nodes of the patches that are awake stand, and their offsets, mm.
    stand: Standing,
    /// Of each node: see [`Stand::balls`]; and of some together: see [`Stand::groups`].
    balls: Vec<(Vec3, f64, bool)>,
    groups: Vec<(Vec3, f64)>,
    /// Of each node: see [`Stand::known`].
    known: Vec<Stands>,
    newton_per_mm: f64,
    sheet_newton_per_mm: f64,
}

/// How many places are compared at once.
const EIGHT: usize = 8;

/// Places with something to each of them.
#[derive(Clone, Debug, Default)]
struct Standing {
    /// Places by axis in eights, the last ones filled with what is nowhere near; and what belongs to each.
    places: Vec<[[f64; EIGHT]; 3]>,
    all: Vec<Vec3>,
}

impl Standing {
    fn clear(&mut self) {
        self.places.clear();
        self.all.clear();
    }

    fn push(&mut self, place: Vec3, what: Vec3) {
        let n = self.all.len() % EIGHT;
        if n == 0 {
            self.places.push([[f64::INFINITY; EIGHT]; 3]);
        }
        if let Some(last) = self.places.last_mut() {
            (0..3).for_each(|k| last[k][n] = place[k]);
        }
        self.all.push(what);
    }

    /// What belongs to the nearest place whose squared distance is less than `most`, of equally near ones the first.
    fn nearest(&self, at: Vec3, most: f64) -> Option<Vec3> {
        let (mut least, mut nearest) = (most, None);
        for (eight, [x, y, z]) in self.places.iter().enumerate() {
            let mut long = [0.0; EIGHT];
            for n in 0..EIGHT {
                let way = [at[0] - x[n], at[1] - y[n], at[2] - z[n]];
                long[n] = dot(way, way);
            }
            let mut four = [0.0; EIGHT / 2];
            for n in 0..EIGHT / 2 {
                four[n] = if long[n] < long[n + 4] { long[n] } else { long[n + 4] };
            }
            if four.iter().all(|long| *long >= least) {
                continue;
            }
            for (n, long) in long.into_iter().enumerate() {
                if long < least {
                    (least, nearest) = (long, Some(eight * EIGHT + n));
                }
            }
        }
        nearest.and_then(|n| self.all.get(n)).copied()
    }
}

/// A tool's surface against a neural one.
struct Contact {
    tool: usize,
    /// Out of the tissue.
    normal: Vec3,
    /// How far the surface may stand out along the normal, mm.
    room: f64,
    weights: Vec<(u32, f64)>,
    /// How far a newton moves the surface there in a tick, mm/N.
    share: f64,
    /// Load so far, N.
    load: f64,
    at: Vec3,
    radius_mm: f64,
}

/// A spring between two nodes.
struct Spring {
    nodes: [usize; 2],
    /// How far a newton moves each in a tick, mm/N: 0 for one that is asleep.
    give: [f64; 2],
    /// Newton per millimetre that it is off.
    per: f64,
    drawn: Offset,
}

/// What one tool does to one structure in a tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Press {
    /// Place of the tool among the tick's.
    pub(crate) tool: usize,
    pub(crate) structure: Label,
    pub(crate) load_newton: f64,
    /// Where it presses most, mm, and the tool's radius there.
    pub(crate) at: Vec3,
    pub(crate) radius_mm: f64,
}

/// All neural structures that anything has touched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patches {
    soft: BTreeMap<Label, Soft>,
}

impl Patches {
    /// The displacement of a structure's surface at a position, mm; nothing for one that nobody touched.
    pub(crate) fn displacement_mm(&self, structure: Label, at_mm: Vec3) -> Vec3 {
        match self.soft.get(&structure) {
            Some(soft) if !soft.awake.is_empty() => soft.nodes.displacement_mm(&soft.offsets_um, at_mm),
            _ => [0.0; 3],
        }
    }

    /// Whether any patch of a structure is away from its rest.
    fn is_awake(&self, structure: Label) -> bool {
        self.soft.get(&structure).is_some_and(|soft| !soft.awake.is_empty())
    }

    /// How a structure that has given way stands, and the box outside of which nothing is displaced; none where it has not.
    pub(crate) fn stand(&self, structure: Label) -> Option<(Stand<'_>, [Vec3; 2])> {
        let soft = self.soft.get(&structure)?;
        let Soft { facets, offsets, balls, groups, known, .. } = soft;
        Some((Stand { facets, offsets, balls, groups, known }, soft.moved?))
    }

    /// The patches that are awake.
    pub(crate) fn awake(&self) -> impl Iterator<Item = PatchNodes> {
        self.soft.iter().flat_map(|(structure, soft)| soft.awake.iter().map(|patch| soft.state(*structure, *patch)))
    }

    /// One tick: tools press, nodes yield or go back.
    pub(crate) fn step(
        &mut self,
        grid: &Grid,
        fields: &NeuralFields,
        settings: &TissueSettings,
        tools: &[HandTool<'_>],
        moved: &mut Vec<PatchNodes>,
    ) -> Vec<Press> {
        let mut presses = Vec::new();
        if !settings.yields {
            return presses;
        }
        for field in fields.iter() {
            let touching: Vec<usize> = (0..tools.len())
                .filter(|k| tools[*k].distances.iter().any(|(s, d)| *s == field.label && d.is_some_and(|d| d < FAR_UM)))
                .collect();
            if touching.is_empty() && !self.is_awake(field.label) {
                continue;
            }
            let soft = self.soft.entry(field.label).or_insert_with(|| Soft::new(field, settings));
            let mut contacts = Vec::new();
            for tool in touching {
                let distance = |at: Vec3| field.distance_mm(grid, at);
                soft.contacts(tool, &tools[tool], &distance, fields.look_mm(), &mut contacts);
            }
            soft.step(settings, &mut contacts);
            soft.settle(field.label, &contacts, moved);
            soft.bound();
            for contact in contacts.iter().filter(|c| c.load > 0.0) {
                let same = |p: &&mut Press| p.tool == contact.tool && p.structure == field.label;
                match presses.iter_mut().find(same) {
                    Some(press) => {
                        let largest = contact.load > press.load_newton;
                        press.load_newton += contact.load;
                        if largest {
                            (press.at, press.radius_mm) = (contact.at, contact.radius_mm);
                        }
                    }
                    None => presses.push(Press {
                        tool: contact.tool,
                        structure: field.label,
                        load_newton: contact.load,
                        at: contact.at,
                        radius_mm: contact.radius_mm,
                    }),
                }
            }
        }
        presses
    }
}

impl Soft {
    fn new(field: &NeuralField, settings: &TissueSettings) -> Self {
        let root = field.label.level().is_some();
        let (newton_per_mm, sheet_newton_per_mm) = if root {
            (settings.root_newton_per_mm, settings.root_sheet_newton_per_mm)
        } else {
            (settings.dura_newton_per_mm, settings.sheet_newton_per_mm)
        };
        let (nodes, awake) = (Arc::clone(&field.nodes), BTreeSet::new());
        let offsets_um = vec![[0; 3]; nodes.count()];
        Self {
            nodes,
            facets: Arc::clone(&field.facets),
            offsets: offsets_of(&offsets_um),
            offsets_um,
            awake,
            moved: None,
            most_mm: 0.0,
            stand: Standing::default(),
            balls: Vec::new(),
            groups: Vec::new(),
            known: Vec::new(),
            newton_per_mm,
            sheet_newton_per_mm,
        }
    }

    fn state(&self, structure: Label, patch: u16) -> PatchNodes {
        PatchNodes { structure, patch, offsets_um: self.offsets_um[self.nodes.of_patch(patch)].to_vec() }
    }

    fn rest_mm(&self, at_mm: Vec3) -> Vec3 {
        let outside = |[low, high]: [Vec3; 2]| (0..3).any(|k| at_mm[k] < low[k] || at_mm[k] > high[k]);
        if self.moved.is_none_or(outside) {
            return at_mm;
        }
        // Part of the way to the next guess each time, since where a dent is steep whole steps would overshoot for ever; how much of it
        // is learnt from how the last step turned out (Aitken's relaxation).
        let mut rest = sub(at_mm, self.offset_near(at_mm));
        let mut share = FIRST_SHARE;
        let mut last: Option<Vec3> = None;
        for _ in 0..MOST_STEPS {
            let way = sub(sub(at_mm, self.nodes.moved_mm(&self.offsets, rest)), rest);
            if let Some(last) = last {
                let turn = sub(way, last);
                let long = dot(turn, turn);
                if long > 0.0 {
                    share = (-share * dot(last, turn) / long).clamp(LEAST_SHARE, 1.0);
                }
            }
            rest = add(rest, scale(way, share));
            if dot(way, way) < STEP_MM * STEP_MM {
                break;
            }
            last = Some(way);
        }
        rest
    }

    /// The offset of the node that stands nearest to a position: what lies there now has moved about as much. Without it a surface that
    /// has moved farther than a node's weight reaches would not be found again.
    fn offset_near(&self, at_mm: Vec3) -> Vec3 {
        let reach = self.nodes.reach_mm();
        self.stand.nearest(at_mm, reach * reach).unwrap_or_default()
    }

    /// Where a tool's surface is at, or within, the structure's as it stands now. Distances are known up to `known_mm`.
    fn contacts(
        &self,
        number: usize,
        tool: &HandTool<'_>,
        distance: &dyn Fn(Vec3) -> Option<f64>,
        known_mm: f64,
        out: &mut Vec<Contact>,
    ) {
        let mut found = 0;
        let mut seen: Option<(Vec3, f64)> = None;
        for part in &tool.shape.parts {
            let (a, b) = (place(tool.rotation, tool.tip_mm(), part.a_mm), place(tool.rotation, tool.tip_mm(), part.b_mm));
            let length = norm(sub(b, a));
            // The surface is nowhere farther from its rest than the longest displacement: so far there is nothing to look for.
            let reach = part.radius_mm + self.most_mm + NEAR_MM;
            // What a part beside this one saw can tell as much.
            if seen.is_some_and(|(place, far)| far - norm(sub(a, place)) - length - UNEVEN_MM >= reach) {
                continue;
            }
            let mut along = 0.0;
            while found < MOST_CONTACTS {
                let at = if length > 0.0 { mix(a, b, (along / length).min(1.0)) } else { a };
                let far = distance(at).unwrap_or(known_mm);
                seen = Some((at, far));
                let free = far - part.radius_mm - self.most_mm - NEAR_MM;
                if free < 0.0
                    && let Some(contact) = self.contact(number, at, part.radius_mm, distance)
                {
                    out.push(contact);
                    found += 1;
                }
                if along >= length {
                    break;
                }
                along += LOOK_MM.max(free);
            }
        }
    }

    /// The contact of a tool at a place of its axis, if its surface is there.
    fn contact(&self, tool: usize, at: Vec3, radius_mm: f64, distance: &dyn Fn(Vec3) -> Option<f64>) -> Option<Contact> {
        let rest = self.rest_mm(at);
        let depth = distance(rest).filter(|d| d - radius_mm < NEAR_MM)?;
        let normal = slope(distance, rest, depth)?;
        let surface = sub(rest, scale(normal, depth));
        let room = dot(normal, sub(at, surface)) - radius_mm;
        let weights = self.nodes.weights(surface);
        (!weights.is_empty()).then_some(Contact { tool, normal, room, weights, share: 1.0, load: 0.0, at: surface, radius_mm })
    }

    /// Wakes the patches that tools touch, and those beside ones that have moved.
    fn wake(&mut self, contacts: &[Contact]) {
        for contact in contacts {
            self.awake.extend(contact.weights.iter().map(|(node, _)| self.nodes.patch_of(*node as usize)));
        }
        let moved = |node: u32| self.offsets_um[node as usize].iter().any(|v| v.abs() > WAKE_UM);
        let mut beside = BTreeSet::new();
        for patch in &self.awake {
            for edge in self.nodes.seams(*patch) {
                let (a, b) = self.nodes.edges()[*edge as usize];
                for (near, far) in [(a, b), (b, a)] {
                    if moved(near) {
                        beside.insert(self.nodes.patch_of(far as usize));
                    }
                }
            }
        }
        self.awake.extend(beside);
    }

    /// Solves the constraints of the patches that are awake, or wake now.
    fn step(&mut self, settings: &TissueSettings, contacts: &mut [Contact]) {
        self.wake(contacts);
        let free: Vec<usize> = self.awake.iter().flat_map(|patch| self.nodes.of_patch(*patch)).collect();
        let mm = |um: i32| f64::from(um) / 1_000.0;
        let mut x: Vec<Offset> = self.offsets_um.iter().map(|[x, y, z]| [mm(*x), mm(*y), mm(*z), 0.0]).collect();
        // How far a newton moves a node in a tick, and the springs' compliances, mm/N.
        let give = 1.0 / settings.drag_newton_per_mm;
        let place = 1.0 / self.newton_per_mm;
        let per_place = 1.0 / (give + place);
        let mut held: Vec<Offset> = vec![[0.0; 4]; free.len()];
        let mut sheet = if self.sheet_newton_per_mm > 0.0 { self.sheet(give) } else { Vec::new() };
        let compliance = 1.0 / self.sheet_newton_per_mm;
        for contact in contacts.iter_mut() {
            contact.share = contact.weights.iter().map(|(_, weight)| weight * weight * give).sum();
        }
        for _ in 0..ROUNDS {
            for (n, held) in free.iter().zip(&mut held) {
                let x = &mut x[*n];
                for (x, held) in x.iter_mut().zip(held) {
                    let force = (-*x - place * *held) * per_place;
                    *held += force;
                    *x += give * force;
                }
            }
            for spring in &mut sheet {
                let [a, b] = spring.nodes;
                let (mut from, mut to) = (x[a], x[b]);
                for ((from, to), drawn) in from.iter_mut().zip(&mut to).zip(&mut spring.drawn) {
                    let force = (*to - *from - compliance * *drawn) * spring.per;
                    *drawn += force;
                    *from += spring.give[0] * force;
                    *to -= spring.give[1] * force;
                }
                (x[a], x[b]) = (from, to);
            }
            for contact in contacts.iter_mut() {
                let mut stands = -contact.room;
                for (node, weight) in &contact.weights {
                    let [x, y, z, _] = x[*node as usize];
                    stands += weight * dot(contact.normal, [x, y, z]);
                }
                // The tool pushes and never pulls.
                let force = (stands / contact.share).max(-contact.load);
                contact.load += force;
                for (node, weight) in &contact.weights {
                    let [along_x, along_y, along_z] = scale(contact.normal, -force * weight * give);
                    let [x, y, z, _] = &mut x[*node as usize];
                    (*x, *y, *z) = (*x + along_x, *y + along_y, *z + along_z);
                }
            }
        }
        for n in free {
            let [x, y, z, _] = x[n].map(|v| v.clamp(-LIMIT_MM, LIMIT_MM));
            self.offsets_um[n] = um_from_mm([x, y, z]);
        }
    }

    /// The springs between neighbours of which one at least is in a patch that is awake.
    fn sheet(&self, give: f64) -> Vec<Spring> {
        let compliance = 1.0 / self.sheet_newton_per_mm;
        let mut awake = vec![false; usize::from(self.nodes.patches())];
        self.awake.iter().for_each(|patch| awake[usize::from(*patch)] = true);
        let gives = |node: u32| if awake[usize::from(self.nodes.patch_of(node as usize))] { give } else { 0.0 };
        let spring = |edge: u32| {
            let (a, b) = self.nodes.edges()[edge as usize];
            let give = [gives(a), gives(b)];
            let per = 1.0 / (give[0] + give[1] + compliance);
            Spring { nodes: [a as usize, b as usize], give, per, drawn: [0.0; 4] }
        };
        self.nodes.edges_of(self.awake.iter().copied()).into_iter().map(spring).collect()
    }

    /// Notes where anything is displaced, and by how much at most.
    fn bound(&mut self) {
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        let mut most = 0.0_f64;
        self.stand.clear();
        self.offsets = offsets_of(&self.offsets_um);
        for n in self.awake.iter().flat_map(|patch| self.nodes.of_patch(*patch)) {
            let offset = self.offsets_um[n].map(|v| f64::from(v) / 1_000.0);
            let (long, Some(rest)) = (dot(offset, offset), self.nodes.rest_mm(n)) else { continue };
            self.stand.push(add(rest, offset), offset);
            if long > 0.0 {
                most = most.max(long);
                low = std::array::from_fn(|k| low[k].min(rest[k]));
                high = std::array::from_fn(|k| high[k].max(rest[k]));
            }
        }
        self.most_mm = most.sqrt();
        // A surface's place is a mean of the offsets around it, so it is off its node's by no more than those differ.
        let offset = |n: usize| self.offsets_um[n].map(|v| f64::from(v) / 1_000.0);
        let mut differ = vec![0.0_f64; self.nodes.count()];
        let edges = self.nodes.edges();
        for (a, b) in self.nodes.edges_of(self.awake.iter().copied()).into_iter().map(|edge| edges[edge as usize]) {
            let long = norm(sub(offset(a as usize), offset(b as usize)));
            for node in [a, b] {
                differ[node as usize] = differ[node as usize].max(long);
            }
        }
        let ball = |n: usize| {
            let (own, rest) = (offset(n), self.nodes.rest_mm(n).unwrap_or_default());
            (add(rest, own), self.facets.reach_mm(n) + differ[n], own != [0.0; 3] || differ[n] > 0.0)
        };
        self.balls = (0..self.nodes.count()).map(ball).collect();
        self.groups = groups_of(&self.balls);
        self.known.clear();
        self.known.resize(self.nodes.count(), Stands::default());
        let around = self.nodes.reach_mm() + self.most_mm;
        self.moved = (most > 0.0).then(|| [low.map(|v| v - around), high.map(|v| v + around)]);
    }

    /// Puts patches that are back at rest to sleep, and notes those that are not, or have just gone to sleep.
    fn settle(&mut self, structure: Label, contacts: &[Contact], moved: &mut Vec<PatchNodes>) {
        let pressed: BTreeSet<u16> = contacts
            .iter()
            .filter(|c| c.load > 0.0)
            .flat_map(|c| c.weights.iter().map(|(node, _)| self.nodes.patch_of(*node as usize)))
            .collect();
        for patch in self.awake.clone() {
            let range = self.nodes.of_patch(patch);
            let still = self.offsets_um[range.clone()].iter().flatten().all(|v| v.abs() <= REST_UM);
            if still && !pressed.contains(&patch) {
                self.offsets_um[range].fill([0; 3]);
                self.awake.remove(&patch);
            }
            moved.push(self.state(structure, patch));
        }
    }
}

/// Direction in which a distance grows, out of the tissue, at a place where it is `here`.
fn slope(distance: &dyn Fn(Vec3) -> Option<f64>, at: Vec3, here: f64) -> Option<Vec3> {
    const H: f64 = 0.4;
    let mut slope = [0.0; 3];
    for k in 0..3 {
        let (mut low, mut high) = (at, at);
        low[k] -= H;
        high[k] += H;
        slope[k] = distance(high).unwrap_or(here) - distance(low).unwrap_or(here);
    }
    unit(slope)
}
