//! The authority's step: a tick's inputs become operations, events and tool states.

use std::collections::BTreeMap;
use std::sync::Arc;

use spinor_volume::cut::OCCUPANCY_PER_VOXEL;
use spinor_volume::{BrickIndex, CutError, CutOp, CutState, Dirty, Label, Patient, TissueClass};

use crate::alarm::{AlarmMemory, NeuralFields, ThinMemory, bone_left};
use crate::contact::Tissue;
use crate::events::{BiteRefusal, Event, Holder};
use crate::feel::Feel;
use crate::input::{Hand, Tick, ToolInput, ToolKind, UserId};
use crate::motion::{Body, Motion};
use crate::pose::{Rotation, um};
use crate::settings::{Settings, TissueModels};
use crate::state::ToolState;
use crate::sweep::Sweep;
use crate::tissue::{HandTool, Results, Standing, TissueOutput, Tissues};
use crate::tools::burr::BURR_TAKES;
use crate::tools::work::{Bench, Memory};
use crate::touch::TouchMemory;
use crate::vector::{Vec3, mix, norm, sub};

/// Longest piece of a sweep that is one operation, voxels: a little less than a capsule may be long.
const PIECE_VOXELS: f64 = 7.5;

/// A cut with where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolvedOp {
    /// Whose hand.
    pub user: UserId,
    /// Which hand.
    pub hand: Hand,
    /// The tool in it.
    pub tool: ToolKind,
    /// The input that was in force.
    pub input_seq: u32,
    /// What it cut. It has passed [`CutOp::check`].
    pub op: CutOp,
}

/// All that a tick brought about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepOutput {
    /// Operations in the order in which they were applied.
    pub ops: Vec<ResolvedOp>,
    /// What happened.
    pub events: Vec<Event>,
    /// Bricks of the cut fields that changed, each once, in rising order.
    pub touched: Vec<(TissueClass, BrickIndex)>,
    /// Bricks to mesh again, each once, in rising order.
    pub dirty: Vec<Dirty>,
    /// What tissues did: fragments, deformation, veil.
    pub tissue: TissueOutput,
}

/// A tool that somebody holds.
#[derive(Clone, Debug)]
struct Held {
    state: ToolState,
    body: Body,
    alarm: AlarmMemory,
    thin: ThinMemory,
    touch: TouchMemory,
    /// Ticks since its last input.
    age: u32,
    model: Memory,
    /// Whether a burr spun or a jaw closed in the last tick.
    active: bool,
    /// Distances to the neural structures in the last tick, µm.
    distances: Vec<(Label, Option<i32>)>,
}

impl Held {
    /// The tool as tissues meet it.
    fn tool(&self, stale_ticks: u32) -> HandTool<'_> {
        let trigger = if self.age > stale_ticks { 0 } else { self.state.input.trigger };
        let (state, shape, rotation) = (&self.state, &self.body.shape, &self.body.rotation);
        HandTool { state, shape, rotation, trigger, active: self.active, distances: &self.distances }
    }
}

/// The simulation of one room: the patient, what was cut, and the tools.
#[derive(Clone, Debug)]
pub struct Simulation {
    patient: Arc<Patient>,
    fields: Arc<NeuralFields>,
    settings: Settings,
    cut: CutState,
    tools: BTreeMap<(UserId, Hand), Held>,
    tissue: Tissues,
    /// Events of tools put down between ticks.
    late: Vec<Event>,
    /// Tips of the irrigations that flow in this tick.
    flows: Vec<Vec3>,
}

impl Simulation {
    /// A room with an uncut patient and no tools. Builds the distances to all neural structures, which takes a while: rooms of one case
    /// share them through [`Self::with_fields`].
    pub fn new(patient: Arc<Patient>, settings: Settings) -> Self {
        let fields = NeuralFields::build(&patient, &settings);
        Self::with_fields(patient, fields, settings)
    }

    /// As [`Self::new`] with distances that were built for the same patient, for thresholds at least as wide, and for the same
    /// [`TissueSettings::node_cell_mm`](crate::settings::TissueSettings::node_cell_mm).
    pub fn with_fields(patient: Arc<Patient>, fields: Arc<NeuralFields>, settings: Settings) -> Self {
        let (cut, tissue) = (CutState::new(patient.grid()), Tissues::new(&fields));
        let (settings, tools) = (settings.checked(), BTreeMap::new());
        Self { patient, fields, settings, cut, tools, tissue, late: Vec::new(), flows: Vec::new() }
    }

    /// The patient.
    pub fn patient(&self) -> &Arc<Patient> {
        &self.patient
    }

    /// The numbers in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The tissues' own state.
    pub(crate) fn tissues(&self) -> &Tissues {
        &self.tissue
    }

    /// Distances to the neural structures.
    pub fn fields(&self) -> &Arc<NeuralFields> {
        &self.fields
    }

    /// Sets the alarm's thresholds, mm. They hold from the next tick on. Wider ones than the fields were built for rebuild those.
    /// Building takes seconds: a room that must not stand still asks [`Self::widened`] first, builds elsewhere, and then calls
    /// [`Self::set_thresholds_with`].
    pub fn set_thresholds(&mut self, caution_mm: f64, danger_mm: f64) {
        let wider = self.widened(caution_mm, danger_mm);
        let fields = wider.map_or_else(|| Arc::clone(&self.fields), |settings| NeuralFields::build(&self.patient, &settings));
        self.set_thresholds_with(caution_mm, danger_mm, fields);
    }

    /// The settings that distances have to be built for before these thresholds, mm, can be set; none where those that are here reach.
    pub fn widened(&self, caution_mm: f64, danger_mm: f64) -> Option<Settings> {
        let settings = Settings { caution_mm, danger_mm, ..self.settings }.checked();
        (settings.caution_mm > self.settings.caution_mm).then_some(settings)
    }

    /// As [`Self::set_thresholds`], with distances that were built for these thresholds, or for wider ones.
    pub fn set_thresholds_with(&mut self, caution_mm: f64, danger_mm: f64, fields: Arc<NeuralFields>) {
        self.settings = Settings { caution_mm, danger_mm, ..self.settings }.checked();
        self.fields = fields;
    }

    /// Sets which models tissues follow from the next tick on, as a recording names them. Those that are switched off stop where they are.
    pub fn set_tissues(&mut self, models: TissueModels) {
        self.settings.set_tissues(models);
    }

    /// What was cut.
    pub fn cut(&self) -> &CutState {
        &self.cut
    }

    /// Goes on from another state of the cut fields. Tools stay in their hands; fragments that lay about are gone, dura and roots are
    /// whole and at rest, and the field is clear.
    pub fn restore(&mut self, cut: CutState) {
        self.restore_with(cut, &Standing::default());
    }

    /// As [`Self::restore`], with the fragments, tears and veil that there were then: a resumption or a rewind.
    pub fn restore_with(&mut self, cut: CutState, standing: &Standing) {
        self.cut = cut;
        self.tissue = Tissues::standing(&self.fields, standing);
    }

    /// The tools by user and hand, as they were after the last tick.
    pub fn tools(&self) -> impl Iterator<Item = &ToolState> {
        self.tools.values().map(|held| &held.state)
    }

    /// The tool in a hand.
    pub fn tool(&self, user: UserId, hand: Hand) -> Option<&ToolState> {
        self.tools.get(&(user, hand)).map(|held| &held.state)
    }

    /// Puts a tool down: its owner left, lost the right to it, or handed it on. Its contacts and alarms end in the next tick's events.
    pub fn remove_tool(&mut self, user: UserId, hand: Hand) {
        if let Some(held) = self.tools.remove(&(user, hand)) {
            let events = self.put_down(held);
            self.late.extend(events);
        }
    }

    /// What ends when a tool is put down: its contacts, what its model follows, its alarms.
    fn put_down(&self, mut held: Held) -> Vec<Event> {
        let (by, mut events) = (held.state.holder(), Vec::new());
        held.touch.put_down(by, &mut events);
        held.model.put_down(by, &mut events);
        let ended = held.alarm.put_down(&self.settings, &self.fields);
        events.extend(ended.into_iter().map(|(was, warning)| Event::Alarm { by, was, warning, sounding: false }));
        events
    }

    /// Advances by one tick. Of each hand the input with the highest `seq` counts, unless the hand has gone beyond it already; a hand
    /// without a new one keeps its last. The order of `inputs` does not matter: tools act in the order of user and hand.
    /// The tick's number is for whoever records; nothing that happens depends on it.
    pub fn step(&mut self, _tick: Tick, inputs: &[ToolInput]) -> StepOutput {
        let mut output = StepOutput { events: std::mem::take(&mut self.late), ..StepOutput::default() };
        let mut newest: BTreeMap<(UserId, Hand), ToolInput> = BTreeMap::new();
        for input in inputs {
            let kept = newest.entry((input.user, input.hand)).or_insert(*input);
            if order(input) > order(kept) {
                *kept = *input;
            }
        }
        for held in self.tools.values_mut() {
            held.age = held.age.saturating_add(1);
        }
        for (hand, input) in newest {
            self.accept(hand, input, &mut output);
        }
        self.flows = self.tools.values().filter(|held| self.flows_from(held)).map(|held| held.state.proxy.tip_mm()).collect();
        let hands: Vec<(UserId, Hand)> = self.tools.keys().copied().collect();
        for hand in hands {
            let Some(mut held) = self.tools.remove(&hand) else { continue };
            self.act(&mut held, &mut output);
            self.tools.insert(hand, held);
        }
        self.answer(&mut output);
        output.touched.sort_unstable();
        output.touched.dedup();
        output.dirty.sort_unstable();
        output.dirty.dedup();
        output
    }

    /// The tissues' answer to what the tools did.
    fn answer(&mut self, output: &mut StepOutput) {
        let stale = self.settings.stale_input_ticks;
        let tools: Vec<HandTool<'_>> = self.tools.values().map(|held| held.tool(stale)).collect();
        let StepOutput { tissue, events, touched, dirty, .. } = output;
        let mut results = Results { tissue, events, touched, dirty };
        self.tissue.step(&self.patient, &self.fields, &self.settings, &mut self.cut, &tools, &mut results);
    }

    /// Applies operations that were resolved elsewhere, as replay does.
    ///
    /// # Errors
    /// When an operation is out of bounds for this patient. Those before it have been applied.
    pub fn apply_ops(&mut self, ops: &[ResolvedOp]) -> Result<StepOutput, CutError> {
        let mut output = StepOutput::default();
        for resolved in ops {
            resolved.op.check(self.patient.grid())?;
            let by = Holder { user: resolved.user, hand: resolved.hand, tool: resolved.tool };
            let removed = self.apply(*resolved, &mut output);
            output.events.extend(removed.into_iter().map(|(structure, occupancy)| Event::Removed { by, structure, occupancy }));
        }
        output.touched.sort_unstable();
        output.touched.dedup();
        output.dirty.sort_unstable();
        output.dirty.dedup();
        Ok(output)
    }

    /// Takes in a hand's newest input: a tool taken up, moved, or exchanged for another.
    fn accept(&mut self, hand: (UserId, Hand), input: ToolInput, output: &mut StepOutput) {
        if let Some(held) = self.tools.get_mut(&hand) {
            if input.seq <= held.state.input.seq {
                return;
            }
            if (held.state.input.tool, held.state.input.size_tenth_mm) == (input.tool, input.size_tenth_mm) {
                held.state.input = input;
                held.age = 0;
                return;
            }
        }
        if let Some(held) = self.tools.remove(&hand) {
            output.events.extend(self.put_down(held));
        }
        let body = Body::new(&self.patient, &self.cut, &[], &self.settings, &input);
        let state = ToolState::new(input, body.proxy);
        let (alarm, thin, touch) = (AlarmMemory::default(), ThinMemory::default(), TouchMemory::default());
        let model = Memory::new(&self.settings, &input);
        self.tools.insert(hand, Held { state, body, alarm, thin, touch, age: 0, model, active: false, distances: Vec::new() });
    }

    /// One tool's tick: motion, cut, contacts, alarm.
    fn act(&mut self, held: &mut Held, output: &mut StepOutput) {
        let input = held.state.input;
        let by = held.state.holder();
        let trigger = if held.age > self.settings.stale_input_ticks { 0 } else { input.trigger };
        let before = held.body.proxy.tip_mm();
        let motion = held.body.advance(&self.patient, &self.cut, &[], &self.settings, &input, trigger);
        let mut removed = Vec::new();
        if let Some(sweep) = motion.swept {
            removed = self.sweep(&held.state, &sweep, output);
            let occupancy: i64 = removed.iter().map(|(_, n)| n).sum();
            held.body.settle_account(occupancy as f64 / OCCUPANCY_PER_VOXEL as f64 * self.patient.grid().voxel_mm3());
        }
        let tip = held.body.proxy.tip_mm();
        let work = held.model.work(
            &Bench {
                tissue: Tissue { patient: &self.patient, cut: &self.cut, pending: &[] },
                fields: &self.fields,
                settings: &self.settings,
                by,
                shape: &held.body.shape,
                rotation: &held.body.rotation,
                tip,
                before,
                trigger,
                motion: &motion,
                wet: self.flows.iter().any(|flow| norm(sub(*flow, tip)) <= self.settings.tools.irrigation_reach_mm),
            },
            &mut output.events,
        );
        if !work.ops.is_empty() {
            let ops = self.guarded(by, &held.body.rotation, work.ops, &mut output.events);
            removed = self.apply_all(&held.state, ops, output);
        }
        if work.bite && removed.is_empty() {
            output.events.push(Event::BiteRefused { by, reason: BiteRefusal::Empty });
        }
        if let Some(driven) = work.driven {
            held.body.drive_to(driven);
        }
        held.state.removed = removed.iter().map(|(_, n)| n).sum();
        for (structure, occupancy) in removed {
            output.events.push(Event::Removed { by, structure, occupancy });
        }
        let plunge_mm = motion.plunge_mm.max(work.plunge_mm);
        if plunge_mm >= self.settings.breakthrough_mm {
            output.events.push(Event::Breakthrough { by, plunge_um: um(plunge_mm) });
        }
        self.report(held, &motion, work.active, output);
    }

    /// Contacts and alarm of a tool where it is now.
    fn report(&self, held: &mut Held, motion: &Motion, active: bool, output: &mut StepOutput) {
        let by = held.state.holder();
        let (body, state) = (&held.body, &mut held.state);
        state.proxy = body.proxy;
        state.load_millinewton = (motion.load_newton * 1_000.0 + 0.5) as u32;
        state.spindle_rpm = (motion.rpm + 0.5) as u32;
        state.in_bone = motion.touched;
        // Contacts and their depths are told against surfaces at rest, the alarm against those that have given way.
        let at_rest = self.fields.distances_um(self.patient.grid(), &body.shape, &body.rotation, body.proxy.tip_mm());
        held.touch.bone(&self.settings, by, motion, &mut output.events);
        held.touch.neural(&self.settings, by, &at_rest, active, &mut output.events);
        let loads = self.tissue.loads(&self.settings, &self.fields, (by.user, by.hand));
        state.neural_millinewton = held.model.observe(&self.settings, by, &at_rest, &loads, &mut output.events);
        state.tenth_celsius = held.model.tenth_celsius();
        state.feel = Feel::of(&self.settings, by.tool, motion);
        let distances = self.distances_um(body, at_rest);
        let alarm = held.alarm.judge(&self.settings, &self.fields, &distances, active);
        (held.active, held.distances) = (active, distances);
        (state.nearest, state.level, state.warning, state.sounding) = (alarm.nearest, alarm.level, alarm.warning, alarm.sounding);
        state.contact_ms = alarm.contact_ms;
        state.bone_left = alarm.nearest.filter(|_| active || motion.touched).and_then(|nearest| {
            let (shape, rotation, tip) = (&body.shape, &body.rotation, body.proxy.tip_mm());
            bone_left(&self.patient, &self.cut, &self.fields, nearest.structure, shape, rotation, tip)
        });
        if let Some(bone) = held.thin.judge(&self.settings, state.bone_left.filter(|_| active)) {
            let distance_um = alarm.nearest.map_or(i32::MAX, |nearest| nearest.distance_um);
            output.events.push(Event::ThinBone { by, structure: bone.structure, left_um: bone.left_um, distance_um });
        }
        let sounding = alarm.sounding;
        output.events.extend(alarm.changes.into_iter().map(|(was, warning)| Event::Alarm { by, was, warning, sounding }));
    }

    /// Distances of a tool's surface to the neural structures as they stand now; `at_rest` where none has given way.
    fn distances_um(&self, body: &Body, at_rest: Vec<(Label, Option<i32>)>) -> Vec<(Label, Option<i32>)> {
        let stand = |structure| self.tissue.stand(structure);
        self.fields.yielding_um(&body.shape, &body.rotation, body.proxy.tip_mm(), at_rest, &stand)
    }

    /// Takes the disc out of what operations may take where it is nucleus behind closed annulus.
    fn guarded(&mut self, by: Holder, rotation: &Rotation, mut ops: Vec<CutOp>, events: &mut Vec<Event>) -> Vec<CutOp> {
        if !self.settings.tissue.answers {
            return ops;
        }
        let mut closed = None;
        for op in ops.iter_mut().filter(|op| op.classes.contains(TissueClass::Disc)) {
            let at = op.shape.middle_mm(self.patient.grid());
            if let Some(structure) = self.disc_access(at, rotation) {
                op.classes.0 &= !(1 << TissueClass::Disc as u8);
                closed = Some(structure);
            }
        }
        ops.retain(|op| op.classes.0 != 0);
        events.extend(closed.map(|structure| Event::AnnulusClosed { by, structure }));
        ops
    }

    /// See [`Self::nucleus_is_closed`].
    pub(crate) fn disc_access(&mut self, at_mm: [f64; 3], rotation: &Rotation) -> Option<Label> {
        self.tissue.disc_access(&self.patient, &self.cut, &self.settings, at_mm, rotation)
    }

    /// Applies what a burr took, in pieces that an operation can hold.
    fn sweep(&mut self, state: &ToolState, sweep: &Sweep, output: &mut StepOutput) -> Vec<(Label, i64)> {
        let grid = *self.patient.grid();
        let pieces = (norm(sub(sweep.b_mm, sweep.a_mm)) / (PIECE_VOXELS * grid.spacing_mm())).ceil().max(1.0) as u32;
        let at = |k: u32| mix(sweep.a_mm, sweep.b_mm, f64::from(k) / f64::from(pieces));
        // A burr far outside the grid takes nothing there.
        let op = |k: u32| CutOp::capsule_mm(&grid, at(k), at(k + 1), sweep.radius_mm, BURR_TAKES).ok();
        self.apply_all(state, (0..pieces).filter_map(op), output)
    }

    /// Applies a tool's operations of one tick; what they took, by structure.
    fn apply_all(
        &mut self,
        state: &ToolState,
        ops: impl IntoIterator<Item = CutOp>,
        output: &mut StepOutput,
    ) -> Vec<(Label, i64)> {
        let mut removed = BTreeMap::new();
        for op in ops {
            for (label, n) in self.apply(resolved(state, op), output) {
                *removed.entry(label).or_insert(0) += n;
            }
        }
        removed.into_iter().collect()
    }

    /// Whether a tool is an irrigation that flows.
    fn flows_from(&self, held: &Held) -> bool {
        let flowing = held.state.input.trigger >= self.settings.trigger_dead_zone && held.age <= self.settings.stale_input_ticks;
        held.state.input.tool == ToolKind::Irrigation && flowing
    }

    /// Applies an operation and notes it, unless it changes nothing.
    fn apply(&mut self, resolved: ResolvedOp, output: &mut StepOutput) -> Vec<(Label, i64)> {
        let outcome = self.cut.apply(&self.patient, &resolved.op);
        if outcome.touched.is_empty() {
            return Vec::new();
        }
        let by = Holder { user: resolved.user, hand: resolved.hand, tool: resolved.tool };
        self.tissue.note(by, &outcome);
        output.ops.push(resolved);
        output.touched.extend(outcome.touched);
        output.dirty.extend(outcome.dirty);
        outcome.removed
    }
}

/// Which of two inputs of one hand is the newer; of two with one number, always the same one.
fn order(input: &ToolInput) -> (u32, u8, u8, u8, [i32; 3], [i16; 4]) {
    (input.seq, input.tool as u8, input.size_tenth_mm, input.trigger, input.pose.tip_um, input.pose.turn)
}

fn resolved(state: &ToolState, op: CutOp) -> ResolvedOp {
    let input = &state.input;
    ResolvedOp { user: input.user, hand: input.hand, tool: input.tool, input_seq: input.seq, op }
}
