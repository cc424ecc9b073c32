//! Dura and roots that give way: control nodes moved by extended position-based dynamics (Macklin et al. 2016).
//!
//! Every tick, constraints are solved in turn, in a fixed order: springs that hold each node in its place and neighbours together, with the
//! compliance of their stiffness, and contacts, which no compliance has: the surface yields to the tool. What a contact needs for that is
//! its load, in newton. Inertia is left out (soft tissue is damped far beyond it): a node resists being moved by a drag instead. After
//! every tick offsets are rounded to whole micrometres, and those integers are the whole state; a patch back at rest sleeps.

use std::collections::{BTreeMap, BTreeSet};

use spinor_volume::{Label, Patient, TissueClass};

use super::HandTool;
use super::nodes::Nodes;
use super::output::PatchNodes;
use crate::alarm::NeuralFields;
use crate::pose::{place, um_from_mm};
use crate::settings::TissueSettings;
use crate::vector::{Vec3, add, dot, mix, norm, scale, sub, unit};

/// Rounds over all constraints in a tick.
const ROUNDS: usize = 12;
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
/// Longest offset of a node, mm: beyond it the tissue would have torn long ago.
const LIMIT_MM: f64 = 15.0;

/// A structure's nodes and where they are.
#[derive(Clone, Debug)]
struct Soft {
    nodes: std::sync::Arc<Nodes>,
    offsets_um: Vec<[i32; 3]>,
    awake: BTreeSet<u16>,
    newton_per_mm: f64,
    sheet_newton_per_mm: f64,
}

/// A tool's surface against a neural one.
struct Contact {
    tool: usize,
    /// Out of the tissue.
    normal: Vec3,
    /// How far the surface may stand out along the normal, mm.
    room: f64,
    weights: Vec<(u32, f64)>,
    /// Load so far, N.
    load: f64,
    at: Vec3,
    radius_mm: f64,
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

    /// The place at rest of what is now at a position, mm.
    pub(crate) fn rest_mm(&self, structure: Label, at_mm: Vec3) -> Vec3 {
        match self.soft.get(&structure) {
            Some(soft) if !soft.awake.is_empty() => soft.rest_mm(at_mm),
            _ => at_mm,
        }
    }

    /// Whether any patch of a structure is away from its rest.
    pub(crate) fn is_awake(&self, structure: Label) -> bool {
        self.soft.get(&structure).is_some_and(|soft| !soft.awake.is_empty())
    }

    /// The patches that are awake.
    pub(crate) fn awake(&self) -> impl Iterator<Item = PatchNodes> {
        self.soft.iter().flat_map(|(structure, soft)| soft.awake.iter().map(|patch| soft.state(*structure, *patch)))
    }

    /// One tick: tools press, nodes yield or go back.
    pub(crate) fn step(
        &mut self,
        patient: &Patient,
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
            let Some(structure) = patient.structure(field.label) else { continue };
            let soft = self.soft.entry(field.label).or_insert_with(|| Soft::new(patient, structure, settings));
            let mut contacts = Vec::new();
            for tool in touching {
                let distance = |at: Vec3| field.distance_mm(patient.grid(), at);
                soft.contacts(tool, &tools[tool], &distance, &mut contacts);
            }
            soft.step(settings, &mut contacts);
            soft.settle(field.label, &contacts, moved);
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
    fn new(patient: &Patient, structure: &spinor_volume::Structure, settings: &TissueSettings) -> Self {
        debug_assert_eq!(structure.class, TissueClass::Neural);
        let nodes = Nodes::of(patient.grid(), structure, settings.node_cell_mm);
        let root = structure.label.level().is_some();
        let (newton_per_mm, sheet_newton_per_mm) = if root {
            (settings.root_newton_per_mm, settings.root_sheet_newton_per_mm)
        } else {
            (settings.dura_newton_per_mm, settings.sheet_newton_per_mm)
        };
        let offsets_um = vec![[0; 3]; nodes.count()];
        Self { nodes: std::sync::Arc::new(nodes), offsets_um, awake: BTreeSet::new(), newton_per_mm, sheet_newton_per_mm }
    }

    fn state(&self, structure: Label, patch: u16) -> PatchNodes {
        PatchNodes { structure, patch, offsets_um: self.offsets_um[self.nodes.of_patch(patch)].to_vec() }
    }

    fn rest_mm(&self, at_mm: Vec3) -> Vec3 {
        // Halfway to the next guess each time: where a dent is steep, whole steps would overshoot for ever.
        let mut rest = at_mm;
        for _ in 0..10 {
            let guess = sub(at_mm, self.nodes.displacement_mm(&self.offsets_um, rest));
            rest = mix(rest, guess, 0.6);
        }
        rest
    }

    /// Where a tool's surface is at, or within, the structure's as it stands now.
    fn contacts(&self, number: usize, tool: &HandTool<'_>, distance: &dyn Fn(Vec3) -> Option<f64>, out: &mut Vec<Contact>) {
        let mut found = 0;
        for part in &tool.shape.parts {
            let (a, b) = (place(tool.rotation, tool.tip_mm(), part.a_mm), place(tool.rotation, tool.tip_mm(), part.b_mm));
            let length = norm(sub(b, a));
            let mut along = 0.0;
            loop {
                let at = if length > 0.0 { mix(a, b, (along / length).min(1.0)) } else { a };
                let rest = self.rest_mm(at);
                let free = distance(rest).map_or(f64::INFINITY, |d| d - part.radius_mm);
                if free < NEAR_MM
                    && found < MOST_CONTACTS
                    && let Some(normal) = slope(distance, rest)
                {
                    let surface = sub(rest, scale(normal, free + part.radius_mm));
                    let room = dot(normal, sub(at, surface)) - part.radius_mm;
                    let weights = self.nodes.weights(surface);
                    if !weights.is_empty() {
                        let (load, radius_mm) = (0.0, part.radius_mm);
                        out.push(Contact { tool: number, normal, room, weights, load, at: surface, radius_mm });
                        found += 1;
                    }
                }
                if along >= length {
                    break;
                }
                // Distances are known up to some millimetres; beyond, the shaft is walked in steps of two.
                along += LOOK_MM + (free - NEAR_MM).clamp(0.0, 2.0);
            }
        }
    }

    /// Solves the constraints of the patches that are awake, or wake now.
    fn step(&mut self, settings: &TissueSettings, contacts: &mut [Contact]) {
        for contact in contacts.iter() {
            self.awake.extend(contact.weights.iter().map(|(node, _)| self.nodes.patch_of(*node as usize)));
        }
        let moved = |offset: &[i32; 3]| offset.iter().any(|v| v.abs() > WAKE_UM);
        let mut beside = BTreeSet::new();
        for (a, b) in self.nodes.edges() {
            for (near, far) in [(*a as usize, *b as usize), (*b as usize, *a as usize)] {
                if moved(&self.offsets_um[near]) {
                    beside.insert(self.nodes.patch_of(far));
                }
            }
        }
        self.awake.extend(beside);
        let free: Vec<bool> = (0..self.nodes.count()).map(|n| self.awake.contains(&self.nodes.patch_of(n))).collect();
        let mut x: Vec<Vec3> = self.offsets_um.iter().map(|o| o.map(|v| f64::from(v) / 1_000.0)).collect();
        // How far a newton moves a node in a tick, and the springs' compliances, mm/N.
        let give = 1.0 / settings.drag_newton_per_mm;
        let place = 1.0 / self.newton_per_mm;
        let sheet = if self.sheet_newton_per_mm > 0.0 { 1.0 / self.sheet_newton_per_mm } else { f64::INFINITY };
        let mut held = vec![[0.0; 3]; x.len()];
        let edges: Vec<(usize, usize)> =
            self.nodes.edges().iter().map(|(a, b)| (*a as usize, *b as usize)).filter(|(a, b)| free[*a] || free[*b]).collect();
        let mut drawn = vec![[0.0; 3]; edges.len()];
        for _ in 0..ROUNDS {
            for n in (0..x.len()).filter(|n| free[*n]) {
                for k in 0..3 {
                    let force = (-x[n][k] - place * held[n][k]) / (give + place);
                    held[n][k] += force;
                    x[n][k] += give * force;
                }
            }
            for (edge, (a, b)) in edges.iter().enumerate() {
                if !sheet.is_finite() {
                    break;
                }
                let (wa, wb) = (if free[*a] { give } else { 0.0 }, if free[*b] { give } else { 0.0 });
                for k in 0..3 {
                    let force = (-(x[*a][k] - x[*b][k]) - sheet * drawn[edge][k]) / (wa + wb + sheet);
                    drawn[edge][k] += force;
                    x[*a][k] += wa * force;
                    x[*b][k] -= wb * force;
                }
            }
            for contact in contacts.iter_mut() {
                let mut stands = -contact.room;
                let mut share = 0.0;
                for (node, weight) in &contact.weights {
                    stands += weight * dot(contact.normal, x[*node as usize]);
                    share += weight * weight * give;
                }
                // The tool pushes and never pulls.
                let force = (stands / share).max(-contact.load);
                contact.load += force;
                for (node, weight) in &contact.weights {
                    x[*node as usize] = add(x[*node as usize], scale(contact.normal, -force * weight * give));
                }
            }
        }
        for (offset, x) in self.offsets_um.iter_mut().zip(x) {
            *offset = um_from_mm(x.map(|v| v.clamp(-LIMIT_MM, LIMIT_MM)));
        }
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

/// Direction in which a distance grows, out of the tissue.
fn slope(distance: &dyn Fn(Vec3) -> Option<f64>, at: Vec3) -> Option<Vec3> {
    const H: f64 = 0.4;
    let here = distance(at)?;
    let mut slope = [0.0; 3];
    for k in 0..3 {
        let (mut low, mut high) = (at, at);
        low[k] -= H;
        high[k] += H;
        slope[k] = distance(high).unwrap_or(here) - distance(low).unwrap_or(here);
    }
    unit(slope)
}
