//! What tissues do: pieces come loose, a pars breaks, dura and roots give way and tear, cut bone bleeds and makes dust.
//!
//! All tools act first; then the tissues answer, once a tick, in a fixed order. Like all of the core this is a function of state and inputs
//! alone. Its results are integers: [`TissueOutput`] is recorded with the tick, so that a replay needs none of the models.

mod disc;
mod facets;
mod fragments;
mod load;
mod nodes;
mod output;
mod pars;
mod patches;
mod standing;
mod veil;
mod view;

use spinor_volume::{BrickIndex, Connectivity, CutOutcome, CutState, Dirty, Grid, Label, Loose, Patient, TissueClass};
use std::sync::Arc;

use crate::alarm::NeuralFields;
use crate::events::{Event, Holder};
use crate::input::{Hand, UserId};
use crate::pose::{Rotation, turn, um_from_mm};
use crate::settings::Settings;
use crate::state::ToolState;
use crate::tool::Shape as ToolShape;
use crate::vector::Vec3;

use disc::Discs;
pub use disc::{DiscShape, DiscZone};
pub(crate) use facets::{Facets, Stand};
pub use fragments::Fragment;
use fragments::Fragments;
use load::Loads;
pub use nodes::Nodes;
pub use output::{Detached, FragmentId, FragmentState, PatchNodes, Shape, TearState, TissueOutput, VeilCell};
use pars::Partes;
use patches::Patches;
pub use standing::Standing;
use veil::Veil;

/// Most control nodes of a patch.
pub const MAX_NODES: usize = 64;

/// A hand of a person.
pub(crate) type ToolOfHand = (UserId, Hand);

/// A tool as tissues meet it.
pub(crate) struct HandTool<'a> {
    pub(crate) state: &'a ToolState,
    pub(crate) shape: &'a ToolShape,
    pub(crate) rotation: &'a Rotation,
    /// The trigger in force: let go when the hand fell silent.
    pub(crate) trigger: u8,
    /// Whether a burr spins or a jaw closes.
    pub(crate) active: bool,
    /// Distance of its surface to each neural structure, µm.
    pub(crate) distances: &'a [(Label, Option<i32>)],
}

impl HandTool<'_> {
    fn key(&self) -> ToolOfHand {
        (self.state.input.user, self.state.input.hand)
    }

    fn tip_mm(&self) -> Vec3 {
        self.state.proxy.tip_mm()
    }
}

/// What one operation took from one class.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    by: Holder,
    class: TissueClass,
    bricks: Vec<BrickIndex>,
    /// 1/32 voxel.
    occupancy: i64,
}

/// Where a tick's results go.
pub(crate) struct Results<'a> {
    pub(crate) tissue: &'a mut TissueOutput,
    pub(crate) events: &'a mut Vec<Event>,
    pub(crate) touched: &'a mut Vec<(TissueClass, BrickIndex)>,
    pub(crate) dirty: &'a mut Vec<Dirty>,
}

/// The tissues of one room.
#[derive(Clone, Debug)]
pub(crate) struct Tissues {
    pieces: Connectivity,
    fragments: Fragments,
    partes: Partes,
    patches: Patches,
    loads: Loads,
    discs: Discs,
    veil: Veil,
    cuts: Vec<Cut>,
}

impl Tissues {
    /// Tissues that nobody has touched.
    pub(crate) fn new(fields: &NeuralFields) -> Self {
        Self::standing(fields, &Standing::default())
    }

    /// Tissues that go on from where others were.
    pub(crate) fn standing(fields: &NeuralFields, standing: &Standing) -> Self {
        Self {
            pieces: Connectivity::with_uncut(Arc::clone(fields.uncut())),
            fragments: Fragments::standing(standing),
            partes: Partes::default(),
            patches: Patches::default(),
            loads: Loads::with_tears(standing.tears.values().copied().collect()),
            discs: Discs::default(),
            veil: Veil::standing(standing),
            cuts: Vec::new(),
        }
    }

    /// Notes what an operation took.
    pub(crate) fn note(&mut self, by: Holder, outcome: &CutOutcome) {
        for part in outcome.touched.chunk_by(|a, b| a.0 == b.0) {
            let class = part[0].0;
            let of_class = outcome.removed.iter().filter(|(label, _)| label.class() == Some(class));
            let occupancy = of_class.map(|(_, n)| n).sum();
            self.cuts.push(Cut { by, class, bricks: part.iter().map(|(_, brick)| *brick).collect(), occupancy });
        }
    }

    /// The tissues' tick, after all tools have acted.
    pub(crate) fn step(
        &mut self,
        patient: &Patient,
        fields: &NeuralFields,
        settings: &Settings,
        cut: &mut CutState,
        tools: &[HandTool<'_>],
        out: &mut Results<'_>,
    ) {
        let cuts = std::mem::take(&mut self.cuts);
        if !settings.tissue.answers {
            return;
        }
        let touched: Vec<(TissueClass, BrickIndex)> =
            cuts.iter().flat_map(|cut| cut.bricks.iter().map(|brick| (cut.class, *brick))).collect();
        self.pieces.update(patient, cut, &touched);
        self.come_loose(patient, settings, cut, &cuts, out);
        let fractures = self.partes.step(patient, cut, &settings.tissue, &touched, tools);
        for fracture in fractures {
            out.events.push(fracture.event);
            self.lift(patient, settings, cut, &fracture.gap, (fracture.by, true), out);
            let whole = [Cut { by: fracture.by, class: TissueClass::Bone, bricks: Vec::new(), occupancy: 0 }];
            self.come_loose(patient, settings, cut, &whole, out);
        }
        self.fragments.follow(patient.grid(), settings, tools, &mut out.tissue.fragments, out.events);
        let presses = self.patches.step(patient.grid(), fields, &settings.tissue, tools, &mut out.tissue.nodes);
        self.loads.follow(&settings.tissue, tools, &presses, &mut out.tissue.tears, out.events);
        self.veil.step(patient.grid(), settings, tools, &cuts, &mut out.tissue.veil, out.events);
        out.tissue.fragments.sort_by_key(|state| state.id);
    }

    /// Lifts everything that came loose.
    fn come_loose(&mut self, patient: &Patient, settings: &Settings, cut: &mut CutState, cuts: &[Cut], out: &mut Results<'_>) {
        for loose in self.pieces.loose(patient, cut) {
            let class = patient.structures()[loose.structure].class;
            let here = |cut: &&Cut| cut.class == class && loose.masks.iter().any(|(brick, _)| cut.bricks.contains(brick));
            let cause = cuts.iter().rev().find(here).or_else(|| cuts.iter().rev().find(|cut| cut.class == class));
            // A piece comes loose by a cut of its class; without one, after a restored state, it waits for the next.
            let Some(by) = cause.or_else(|| cuts.last()).map(|cut| cut.by) else { continue };
            self.lift(patient, settings, cut, &loose, (by, false), out);
        }
    }

    /// Takes a piece out of the cut fields' solid; as a fragment unless it is dust, or (`gap`) the layer of a fracture.
    fn lift(
        &mut self,
        patient: &Patient,
        settings: &Settings,
        cut: &mut CutState,
        loose: &Loose,
        (by, gap): (Holder, bool),
        out: &mut Results<'_>,
    ) {
        let structure = patient.structures()[loose.structure].label;
        let stamp = loose.stamp(patient, cut);
        let samples = loose.shape(patient, cut, &stamp);
        let outcome = cut.stamp(patient, &stamp);
        self.pieces.update(patient, cut, &outcome.touched);
        let occupancy = outcome.removed.iter().find(|(label, _)| *label == structure).map_or(0, |(_, n)| *n);
        let centre_um = um_from_mm(loose.centre_mm(patient.grid()));
        let mm3 = occupancy as f64 / spinor_volume::cut::OCCUPANCY_PER_VOXEL as f64 * patient.grid().voxel_mm3();
        let mut shape = Shape::default();
        let fragment = (!gap && mm3 >= settings.tissue.dust_mm3).then(|| {
            shape = Arc::new(samples);
            let turn = [0, 0, 0, i16::MAX];
            let id = FragmentId(0);
            let rest =
                FragmentState { id, structure, occupancy, rest_um: centre_um, at_um: centre_um, turn, held: None, taken: false };
            let state = self.fragments.add(rest, Arc::clone(&shape));
            out.tissue.fragments.push(state);
            out.events.push(Event::Detached { by, structure, fragment: state.id.0, occupancy });
            state.id
        });
        out.touched.extend(outcome.touched);
        out.dirty.extend(outcome.dirty);
        let stamp = Arc::new(stamp);
        out.tissue.detached.push(Detached { fragment, by, structure, occupancy, centre_um, stamp, shape });
    }

    /// What a tool may take of the disc at its bite: see [`Discs::access`].
    pub(crate) fn disc_access(
        &mut self,
        patient: &Patient,
        cut: &CutState,
        settings: &Settings,
        at: Vec3,
        rotation: &Rotation,
    ) -> Option<Label> {
        self.discs.access(patient, cut, &settings.tissue, at, turn(rotation, [0.0, 0.0, 1.0]))
    }

    pub(crate) fn fragments(&self) -> impl Iterator<Item = &Fragment> {
        self.fragments.iter()
    }

    pub(crate) fn grasp_at(&self, grid: &Grid, settings: &Settings, at_mm: Vec3) -> Option<FragmentId> {
        self.fragments.grasp_at(grid, at_mm, settings.tissue.grasp_reach_mm)
    }

    pub(crate) fn displacement_mm(&self, structure: Label, at_mm: Vec3) -> Vec3 {
        self.patches.displacement_mm(structure, at_mm)
    }

    /// How a structure stands now, and the box outside of which nothing is displaced; none while it is at rest.
    pub(crate) fn stand(&self, structure: Label) -> Option<(Stand<'_>, [Vec3; 2])> {
        self.patches.stand(structure)
    }

    pub(crate) fn awake(&self) -> impl Iterator<Item = PatchNodes> {
        self.patches.awake()
    }

    pub(crate) fn tears(&self) -> &[TearState] {
        self.loads.tears()
    }

    /// Loads of a hand's tool on the neural structures in the last tick, mN; none where these stand still.
    pub(crate) fn loads(&self, settings: &Settings, fields: &NeuralFields, hand: ToolOfHand) -> Vec<(Label, u32)> {
        if !(settings.tissue.answers && settings.tissue.yields) {
            return Vec::new();
        }
        fields.iter().map(|field| (field.label, self.loads.of(hand, field.label))).collect()
    }

    pub(crate) fn pars_mm2(&self, grid: &Grid, structure: Label, left: bool) -> Option<f64> {
        self.partes.area_mm2(grid, structure, left)
    }

    pub(crate) fn veil(&self) -> impl Iterator<Item = VeilCell> {
        self.veil.iter()
    }

    pub(crate) fn veil_permille(&self, grid: &Grid, at_mm: Vec3) -> u32 {
        self.veil.permille(grid, at_mm)
    }

    /// Digest of fragments, patches, tears and veil (FNV-1a over their integers).
    pub(crate) fn digest(&self) -> u64 {
        let mut digest = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |value: i64| {
            for byte in value.to_le_bytes() {
                digest = (digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        };
        for fragment in self.fragments.iter() {
            let state = &fragment.state;
            [i64::from(state.id.0), i64::from(state.structure.0), state.occupancy].into_iter().for_each(&mut add);
            state.rest_um.iter().chain(&state.at_um).for_each(|v| add(i64::from(*v)));
            state.turn.iter().for_each(|v| add(i64::from(*v)));
            add(state.held.map_or(-1, |(user, hand)| i64::from(user.0) << 1 | hand as i64));
        }
        for patch in self.awake() {
            add(i64::from(patch.structure.0) << 16 | i64::from(patch.patch));
            patch.offsets_um.iter().flatten().for_each(|v| add(i64::from(*v)));
        }
        for tear in self.loads.tears() {
            add(i64::from(tear.structure.0));
            tear.at_um.iter().for_each(|v| add(i64::from(*v)));
            add(i64::from(tear.length_um));
        }
        self.veil.fold(add);
        digest
    }
}
