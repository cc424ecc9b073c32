//! The simulation run again on the recorded inputs: where each tool was at every tick, and how near to what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use spinor_shared::session::{OpRecord, TickRecord};
use spinor_shared::wire::{WireCut, WireError};
use spinor_sim::input::TICKS_PER_SECOND;
use spinor_sim::procedure::{Measured, Plan, PlanComparison, Target, Tracker};
use spinor_sim::tool::Shape;
use spinor_sim::{
    AlarmLevel, Event, Hand, Holder, Nearest, NeuralFields, Settings, Simulation, Standing, Tick, TissueModels, ToolInput,
    ToolKind, ToolState, UserId,
};
use spinor_volume::cut::CutState;
use spinor_volume::measure::{LiveMeasures, Reference};
use spinor_volume::query::{clamp_mm, class_sdf_mm};
use spinor_volume::{Label, Patient, Source, TissueClass};

/// Every how many ticks what takes longer is looked at: the bone's surface about a burr, and whether bone covers it.
const LOOK_TICKS: u32 = 6;
/// Ticks between two measurements of the canal for a step that waits for them, as in a room.
const MEASURE_TICKS: u32 = 300;
/// Most ticks without a record that are run with tools in hand: ten minutes.
const MOST_IDLE_TICKS: u32 = 600 * TICKS_PER_SECOND;
/// How far behind a tool bone may lie to cover it, mm (K): a lamina's thickness and the room under it.
const COVER_MM: f64 = 14.0;

/// One tool at one tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The tick.
    pub tick: u32,
    /// The tool and its holder.
    pub by: Holder,
    /// Size of the tool's head, 1/10 mm.
    pub size_tenth_mm: u8,
    /// Its tip where bone let it be, patient LPS, µm.
    pub tip_um: [i32; 3],
    /// Its tip where the hand wanted it, patient LPS, µm.
    pub hand_um: [i32; 3],
    /// The direction in which the tool points: from the shaft to the tip and on, a unit vector in patient LPS; zero where the pose has none.
    pub forward: [f32; 3],
    /// Whether a burr spun or a punch was closing.
    pub active: bool,
    /// Load between the hand and the stopped tool, mN.
    pub load_millinewton: u32,
    /// Whether it was stopped by bone, or cutting it.
    pub in_bone: bool,
    /// The nearest neural structure.
    pub nearest: Option<Nearest>,
    /// The gravest alarm level as the alarm told it: one that is up lasts until the tool is 0.3 mm beyond its threshold.
    pub level: AlarmLevel,
    /// The gravest level by the tool's own distance in this tick, without that delay: what times in caution and danger are counted by.
    pub within: AlarmLevel,
    /// The same of the structures that were seen, proposed ones left out.
    pub within_seen: AlarmLevel,
    /// Whether the alarm was heard.
    pub sounding: bool,
    /// Tissue taken in this tick, 1/32 voxel of occupancy.
    pub taken: i64,
    /// Angle between the shaft and the bone's outward normal where a burr's head touches it, degrees; looked at ten times a second.
    pub surface_degrees: Option<f32>,
    /// Number of the input that the tool follows: a client counts one a frame.
    pub seq: u32,
    /// Whether that input was new in this tick.
    pub fresh: bool,
    /// Whether the hand's way from the sample before is unknown: the server stood still, inputs were lost, or the tool was just taken up.
    pub gap: bool,
    /// Whether no new input had come for some ticks: nobody knows what the hand did.
    pub stale: bool,
    /// When the hand was here by its own count of inputs, in ticks.
    pub hand_ticks: f64,
    /// Whether intact bone lay behind the tip (towards the back) while it took tissue; looked at for every bite, else ten times a second.
    pub covered: Option<bool>,
}

impl Sample {
    /// A tool at rest in the air, for tests to build on.
    #[cfg(test)]
    pub(crate) fn at_rest(tick: u32, by: Holder) -> Self {
        Self {
            tick,
            by,
            size_tenth_mm: 30,
            tip_um: [0; 3],
            hand_um: [0; 3],
            forward: [0.0, -1.0, 0.0],
            active: false,
            load_millinewton: 0,
            in_bone: false,
            nearest: None,
            level: AlarmLevel::Clear,
            within: AlarmLevel::Clear,
            within_seen: AlarmLevel::Clear,
            sounding: false,
            taken: 0,
            surface_degrees: None,
            seq: tick,
            fresh: true,
            gap: false,
            stale: false,
            hand_ticks: f64::from(tick),
            covered: None,
        }
    }

    /// The tip, patient LPS, mm.
    pub fn tip_mm(&self) -> [f64; 3] {
        self.tip_um.map(|um| f64::from(um) / 1_000.0)
    }

    /// Where the hand wanted the tip, patient LPS, mm.
    pub fn hand_mm(&self) -> [f64; 3] {
        self.hand_um.map(|um| f64::from(um) / 1_000.0)
    }

    /// Distance to the nearest neural structure, mm; none beyond the reach of the measurement.
    pub fn nearest_mm(&self) -> Option<f64> {
        self.nearest.map(|n| f64::from(n.distance_um) / 1_000.0)
    }
}

/// A neural structure through the session.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Proximity {
    /// Least distance of any tool, mm.
    pub least_mm: Option<f64>,
    /// Ticks with a tool within caution, none within danger.
    pub caution_ticks: u32,
    /// Ticks with a tool within danger.
    pub danger_ticks: u32,
}

/// A procedure followed through a recording.
#[derive(Clone, Debug)]
pub struct Followed {
    /// Its steps and sentinel errors.
    pub tracker: Tracker,
    /// The bone taken, against the plan.
    pub plan: PlanComparison,
}

/// The simulation run again.
pub(crate) struct Again {
    simulation: Simulation,
    next: Option<u32>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) proximity: BTreeMap<Label, Proximity>,
    pub(crate) kinds: BTreeSet<String>,
    tracker: Option<Result<Tracker, String>>,
    /// The procedure that was chosen and not taken up yet.
    chosen: Option<Target>,
    /// The anatomy that measures go by, once it was asked for; none where it was not found.
    reference: Option<Option<Box<Reference>>>,
    /// The tick at which a procedure was last taken up.
    taken_up: Option<u32>,
    /// The tick of the last measurement, and the cut state's digest then.
    measured: Option<(u32, u64)>,
    pub(crate) simulated: u32,
    pub(crate) differing: u32,
}

impl Again {
    pub(crate) fn new(patient: Arc<Patient>) -> Self {
        let simulation = Simulation::new(patient, Settings::with_tissues(TissueModels::STILL));
        Self {
            simulation,
            next: None,
            samples: Vec::new(),
            proximity: BTreeMap::new(),
            kinds: BTreeSet::new(),
            tracker: None,
            chosen: None,
            reference: None,
            taken_up: None,
            measured: None,
            simulated: 0,
            differing: 0,
        }
    }

    /// Follows a procedure from here on; of several the last one counts. One that is followed goes on.
    pub(crate) fn follow(&mut self, target: Target) {
        let followed = matches!(&self.tracker, Some(Ok(tracker)) if *tracker.target() == target);
        if self.chosen.is_some() || !followed {
            self.chosen = Some(target);
        }
    }

    /// Follows no procedure from here on.
    pub(crate) fn follow_none(&mut self) {
        (self.chosen, self.tracker) = (None, None);
    }

    /// Takes up the procedure that was chosen last. Its place is looked for only when something happens in it: a recording may choose many.
    fn take_up(&mut self) {
        if let Some(target) = self.chosen.take() {
            self.taken_up = self.next;
            let tracker = Tracker::new(self.simulation.patient(), target);
            self.tracker = Some(tracker.map_err(|e| format!("the procedure cannot be followed in this patient: {e}")));
        }
    }

    /// The procedure at the end of the session.
    pub(crate) fn finish(&mut self, cut: &CutState, live: Option<&LiveMeasures>) -> Option<Result<Followed, String>> {
        self.take_up();
        let patient = self.simulation.patient();
        let last = self.next.map_or(0, |next| next.saturating_sub(1));
        Some(self.tracker.take()?.map(|mut tracker| {
            let upper = tracker.target().upper();
            if let Some(level) = live.and_then(|live| live.levels.iter().find(|level| level.upper == upper)) {
                tracker.update(patient, cut, last, &[], &[], Some(&Measured::of(level)));
            }
            tracker.finish(patient, cut);
            let plan = Plan::of(tracker.target()).compare(patient, tracker.site(), cut);
            Followed { tracker, plan }
        }))
    }

    /// Thresholds in force, mm: caution, danger.
    pub(crate) fn thresholds_mm(&self) -> [f64; 2] {
        let settings = self.simulation.settings();
        [settings.caution_mm, settings.danger_mm]
    }

    /// By how much each neural structure's uncertainty widens its thresholds, mm.
    pub(crate) fn widened_mm(&self) -> BTreeMap<Label, f64> {
        let patient = self.simulation.patient();
        let neural = patient.structures().iter().filter(|s| s.class == TissueClass::Neural);
        neural.map(|s| (s.label, widened_mm(patient, self.simulation.settings(), s.label))).collect()
    }

    /// Thresholds from a tick on.
    pub(crate) fn set_thresholds(&mut self, tick: u32, caution_mm: f64, danger_mm: f64) {
        self.catch_up(tick);
        self.simulation.set_thresholds(caution_mm, danger_mm);
    }

    /// Tissues follow other models from here on; until a recording names some, they stand still.
    pub(crate) fn set_tissues(&mut self, models: TissueModels) {
        self.simulation.set_tissues(models);
    }

    /// The models that tissues follow.
    pub(crate) fn tissues(&self) -> TissueModels {
        self.simulation.settings().tissues()
    }

    /// A new epoch starts with empty hands, as the server starts it; `back` is the tick that was gone back to, if it was.
    pub(crate) fn restart(&mut self, cut: CutState, standing: &Standing, back: Option<u32>) {
        if let (Some(Ok(tracker)), Some(back)) = (&mut self.tracker, back) {
            tracker.go_back(self.simulation.patient(), &cut, back);
        }
        let (patient, fields) = (Arc::clone(self.simulation.patient()), Arc::clone(self.simulation.fields()));
        self.simulation = Simulation::with_fields(patient, fields, *self.simulation.settings());
        self.simulation.restore_with(cut, standing);
        self.next = None;
    }

    /// Takes the tools out of hands that a record of a tick emptied.
    pub(crate) fn put_down(&mut self, tick: u32, hands: &[(UserId, Hand)]) {
        self.catch_up(tick);
        for (user, hand) in hands {
            self.simulation.remove_tool(*user, *hand);
        }
    }

    /// Steps the ticks before `tick` in which nothing was recorded.
    fn catch_up(&mut self, tick: u32) {
        let mut from = self.next.unwrap_or(tick);
        // A held tool's inputs come at every frame, and without any for so long its hand is gone: a recording that says otherwise would
        // only take time and memory.
        if tick.saturating_sub(from) > MOST_IDLE_TICKS {
            let hands: Vec<(UserId, Hand)> = self.simulation.tools().map(|tool| (tool.input.user, tool.input.hand)).collect();
            hands.into_iter().for_each(|(user, hand)| self.simulation.remove_tool(user, hand));
            from = tick - MOST_IDLE_TICKS;
        }
        for idle in from..tick {
            self.step(idle, &[], &[], &[]);
        }
        self.next = Some(from.max(tick));
    }

    /// A recorded tick with its events, after the ticks before it.
    pub(crate) fn tick(&mut self, record: &TickRecord, events: &[(u32, Event)]) -> Result<(), WireError> {
        self.catch_up(record.tick);
        let inputs = record.inputs.iter().map(|(user, input)| input.of(UserId(*user))).collect::<Result<Vec<_>, _>>()?;
        let events: Vec<Event> = events.iter().map(|(_, event)| *event).collect();
        self.step(record.tick, &inputs, &record.ops, &events);
        self.next = Some(record.tick.saturating_add(1));
        Ok(())
    }

    /// Measures the procedure's level for a step that waits for it, unless nothing was cut since the last time.
    fn measure(&mut self, tick: u32) {
        let (patient, cut) = (Arc::clone(self.simulation.patient()), self.simulation.cut());
        let digest = cut.digest();
        let known = self.measured.replace((tick, digest)).is_some_and(|(_, last)| last == digest);
        let Some(Ok(tracker)) = self.tracker.as_mut().filter(|_| !known) else { return };
        let reference = self.reference.get_or_insert_with(|| Reference::build(&patient).ok().map(Box::new));
        let upper = tracker.target().upper();
        let level = reference.as_ref().and_then(|reference| {
            let anatomy = reference.anatomy();
            let level = anatomy.levels().iter().position(|level| anatomy.upper(level).label == upper)?;
            reference.measure_level(&patient, cut, level)
        });
        if let Some(level) = level {
            tracker.update(&patient, cut, tick, &[], &[], Some(&Measured::of(&level)));
        }
    }

    fn step(&mut self, tick: u32, inputs: &[ToolInput], recorded: &[OpRecord], events: &[Event]) {
        // Finding a place takes a while, and no room takes more than one choice a second.
        if self.taken_up.is_none_or(|last| tick >= last.saturating_add(TICKS_PER_SECOND)) {
            self.take_up();
        }
        let output = self.simulation.step(Tick(tick), inputs);
        let same =
            output.ops.len() == recorded.len() && output.ops.iter().zip(recorded).all(|(a, b)| WireCut::from(&a.op) == b.cut);
        self.simulated += 1;
        self.differing += u32::from(!same);
        for event in &output.events {
            let kind = crate::metrics::kind(event);
            self.kinds.insert(kind);
        }
        if let Some(Ok(tracker)) = &mut self.tracker {
            let tools: Vec<ToolState> = self.simulation.tools().copied().collect();
            tracker.update(self.simulation.patient(), self.simulation.cut(), tick, &tools, events, None);
            if tracker.awaits_measures() && self.measured.is_none_or(|(last, _)| tick >= last.saturating_add(MEASURE_TICKS)) {
                self.measure(tick);
            }
        }
        let simulation = &self.simulation;
        let settings = simulation.settings();
        let mut least: BTreeMap<Label, i32> = BTreeMap::new();
        for state in simulation.tools() {
            let mut sample = sample(simulation, tick, state);
            if let Some(rotation) = state.proxy.rotation() {
                let shape = Shape::new(state.input.tool, state.input.size_tenth_mm, settings);
                let grid = simulation.patient().grid();
                for (label, distance) in simulation.fields().distances_um(grid, &shape, &rotation, state.proxy.tip_mm()) {
                    // As the alarm tells a distance, so that report and alarm agree. Where dura yields, the alarm goes by surfaces that moved,
                    // and this by those at rest: the report says so.
                    let Some(um) = distance.map(NeuralFields::told_um) else { continue };
                    least.entry(label).and_modify(|l| *l = (*l).min(um)).or_insert(um);
                    let level = within(um, thresholds_mm(simulation, label));
                    sample.within = sample.within.max(level);
                    let proposed = simulation.patient().structure(label).is_some_and(|s| s.source == Source::Proposed);
                    if !proposed {
                        sample.within_seen = sample.within_seen.max(level);
                    }
                }
            }
            self.samples.push(sample);
        }
        for (label, um) in least {
            let distance = f64::from(um) / 1_000.0;
            let level = within(um, thresholds_mm(simulation, label));
            let entry = self.proximity.entry(label).or_default();
            entry.least_mm = Some(entry.least_mm.map_or(distance, |l| l.min(distance)));
            entry.danger_ticks += u32::from(level == AlarmLevel::Danger);
            entry.caution_ticks += u32::from(level == AlarmLevel::Caution);
        }
    }
}

/// Thresholds in force for a structure, mm: caution and danger, widened by how far its surface may be off.
fn thresholds_mm(simulation: &Simulation, label: Label) -> [f64; 2] {
    let settings = simulation.settings();
    let widened = widened_mm(simulation.patient(), settings, label);
    [settings.caution_mm + widened, settings.danger_mm + widened]
}

/// By how much a structure's uncertainty widens its thresholds, mm.
fn widened_mm(patient: &Patient, settings: &Settings, label: Label) -> f64 {
    let uncertainty = patient.structure(label).map_or(0.0, |s| f64::from(s.uncertainty_mm));
    // What is not a number widens by the limit, as in the alarm.
    if uncertainty.is_nan() { settings.widening_limit_mm } else { uncertainty.clamp(0.0, settings.widening_limit_mm) }
}

/// The level of a distance by the thresholds in force.
fn within(um: i32, [caution, danger]: [f64; 2]) -> AlarmLevel {
    match f64::from(um) / 1_000.0 {
        mm if mm < danger => AlarmLevel::Danger,
        mm if mm < caution => AlarmLevel::Caution,
        _ => AlarmLevel::Clear,
    }
}

fn sample(simulation: &Simulation, tick: u32, state: &ToolState) -> Sample {
    let input = &state.input;
    let look = tick.is_multiple_of(LOOK_TICKS);
    let burr = input.tool.is_burr();
    let taken = state.removed > 0;
    Sample {
        tick,
        by: state.holder(),
        size_tenth_mm: input.size_tenth_mm,
        tip_um: state.proxy.tip_um,
        hand_um: input.pose.tip_um,
        forward: state.proxy.rotation().map_or([0.0; 3], |r| [0, 1, 2].map(|k| -r[k][2] as f32)),
        active: if burr { state.spindle_rpm > 0 } else { taken || closing(simulation, state) },
        load_millinewton: state.load_millinewton,
        in_bone: state.in_bone,
        nearest: state.nearest,
        level: state.level,
        within: AlarmLevel::Clear,
        within_seen: AlarmLevel::Clear,
        sounding: state.sounding,
        taken: state.removed,
        surface_degrees: (look && burr && state.in_bone).then(|| surface_degrees(simulation, state)).flatten(),
        seq: input.seq,
        fresh: true,
        gap: false,
        stale: false,
        hand_ticks: f64::from(tick),
        covered: (taken && (look || !burr)).then(|| covered(simulation, state.proxy.tip_mm())),
    }
}

/// Whether a tool with a jaw or an edge is pressed.
fn closing(simulation: &Simulation, state: &ToolState) -> bool {
    !is_blunt(state.input.tool) && state.input.trigger >= simulation.settings().trigger_dead_zone
}

/// Whether a tool takes no tissue.
pub(crate) const fn is_blunt(tool: ToolKind) -> bool {
    matches!(tool, ToolKind::Probe | ToolKind::Suction | ToolKind::Penfield | ToolKind::Retractor | ToolKind::Irrigation)
}

/// The bone's outward normal about a burr's head: against the mean direction in which bone comes nearest to the head's surface.
fn surface_degrees(simulation: &Simulation, state: &ToolState) -> Option<f32> {
    let rotation = state.proxy.rotation()?;
    let shape = Shape::new(state.input.tool, state.input.size_tenth_mm, simulation.settings());
    let (tip, radius) = (state.proxy.tip_mm(), shape.ball_radius_mm);
    let near = 0.5 * clamp_mm(simulation.patient().grid());
    let mut inward = [0.0; 3];
    for n in 0..27 {
        let step = [n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1].map(f64::from);
        let long = (step[0] * step[0] + step[1] * step[1] + step[2] * step[2]).sqrt();
        if long == 0.0 {
            continue;
        }
        let direction = step.map(|v| v / long);
        let at: [f64; 3] = std::array::from_fn(|k| tip[k] + radius * direction[k]);
        let weight = (near - class_sdf_mm(simulation.patient(), simulation.cut(), TissueClass::Bone, at)).max(0.0);
        for k in 0..3 {
            inward[k] += weight * direction[k];
        }
    }
    let long = (inward[0] * inward[0] + inward[1] * inward[1] + inward[2] * inward[2]).sqrt();
    let along: f64 = (0..3).map(|k| -inward[k] * rotation[k][2]).sum();
    (long > 1e-6).then(|| (along / long).clamp(-1.0, 1.0).acos().to_degrees() as f32)
}

/// Whether bone that is left lies behind a position, towards the back (+y).
fn covered(simulation: &Simulation, at: [f64; 3]) -> bool {
    (2..=COVER_MM as i32).any(|mm| {
        let behind = [at[0], at[1] + f64::from(mm), at[2]];
        class_sdf_mm(simulation.patient(), simulation.cut(), TissueClass::Bone, behind) < 0.0
    })
}

#[cfg(test)]
mod tests {
    use spinor_sim::procedure::{Procedure, Side};
    use spinor_sim::{Pose, small_spine};

    use super::*;

    /// Upright behind the left lamina of L4, pointing at it, the tip `mm` deep in it.
    fn probe(seq: u32, mm: f64) -> ToolInput {
        let tip_mm = [6.0, small_spine::LAMINA_DEEP_MM + small_spine::LAMINA_THICK_MM - mm, 12.0];
        let pose = Pose { tip_um: tip_mm.map(|v| (v * 1_000.0) as i32), turn: [-23_170, 0, 0, 23_170] };
        let (user, hand, tool) = (UserId(1), Hand::Right, ToolKind::Probe);
        ToolInput { user, hand, seq, tool, size_tenth_mm: 30, pose, trigger: 0 }
    }

    /// A resumption takes no step back; going back opens what was done since; where no procedure is followed any longer, none is judged.
    #[test]
    fn steps_follow_the_patient() {
        let patient = Arc::new(small_spine::patient(0.8).unwrap());
        let mut again = Again::new(Arc::clone(&patient));
        again.follow(Target { procedure: Procedure::Laminectomy, level: 4, side: Side::Left });
        let mut live = Simulation::new(Arc::clone(&patient), Settings::with_tissues(TissueModels::STILL));
        for tick in 0..120 {
            let inputs = [probe(tick + 1, 0.05 * f64::from(tick) - 3.0)];
            let output = live.step(Tick(tick), &inputs);
            let events: Vec<(u32, Event)> = output.events.iter().map(|event| (tick, *event)).collect();
            again.tick(&TickRecord::new(tick, &inputs, &output), &events).unwrap();
        }
        let uncut = || CutState::new(patient.grid());
        let is_checked = |again: &Again| matches!(&again.tracker, Some(Ok(tracker)) if tracker.status()[0].is_done());
        assert!(is_checked(&again));
        again.restart(uncut(), &Standing::default(), None);
        assert!(is_checked(&again));
        again.restart(uncut(), &Standing::default(), Some(119));
        assert!(is_checked(&again));
        again.restart(uncut(), &Standing::default(), Some(0));
        assert!(!is_checked(&again));
        again.follow_none();
        assert!(again.finish(&uncut(), None).is_none());
    }
}
