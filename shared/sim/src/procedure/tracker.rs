//! Following a session tick by tick: which step is current or done, and which sentinel errors happened.

use spinor_volume::cut::OCCUPANCY_PER_VOXEL;
use spinor_volume::measure::{LevelMeasures, Side};
use spinor_volume::query::class_sdf;
use spinor_volume::{CutState, Label, Patient, TissueClass};

use super::kind::{Procedure, Target};
use super::sentinel::{Sentinel, SentinelRecord};
use super::site::{Site, SiteError};
use super::steps::{CANAL_TARGET_MM2, Rule, Step, steps};
use super::zone::{Zone, ZonePoints};
use crate::events::Event;
use crate::input::ToolKind;
use crate::state::ToolState;

/// Ticks between two looks at what is left of the zones.
const SURVEY_EVERY: u32 = 15;
/// Bone that may go before the level check without counting, mm³ (K): a scratch.
const SCRATCH_MM3: f64 = 5.0;
/// Bone of another level that counts as operating there, mm³ (K).
const OTHER_LEVEL_MM3: f64 = 20.0;
/// How far below the middle of the disc the lower vertebra belongs to the next level, mm (K): its lamina's upper edge and its superior
/// articular processes end above that, the lamina that its own level is opened through begins there.
const BENEATH_MM: f64 = 20.0;
/// Share of the far lamina that must stay in a one-sided procedure, percent (K).
const FAR_LAMINA_PCT: u8 = 80;
/// Share of the spinous process that must stay where it is kept, percent (K).
const SPINOUS_KEPT_PCT: u8 = 60;
/// How far a burr may go on after a breakthrough, µm (K).
const PLUNGE_UM: i32 = 2_000;
/// Share of the flavum under the burr that still counts as a shield, percent (K).
const SHIELD_PCT: u8 = 50;
/// Share of a facet that must be kept, percent. Source: keep ≥ 50 %.
const FACET_PCT: u8 = 50;
/// Least width of the pars, µm (K).
const PARS_UM: u32 = 3_000;
/// How near a probe's surface must come to a root to have found it, µm (K).
const ROOT_NEAR_UM: i32 = 1_500;
/// How notes begin in a recording.
const STEP_DONE: &str = "step done: ";
const STEP_EARLY: &str = "step out of order: ";
const BEFORE: &str = " before ";
const ERROR: &str = "sentinel error: ";
const BACK: &str = "went back to tick ";
/// What stands before the structure that an error happened to.
const AT: &str = ", at ";
/// Trigger under which a burr stands still.
const SPINS: u32 = 1;

/// What the live measures say, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Least free area of the canal over the site's slices, 1/100 mm².
    pub canal_mm2_100: Option<u32>,
    /// Share of each facet joint that is kept, left and right, percent.
    pub facet_kept_pct: [Option<u8>; 2],
    /// Least width of each pars that was cut into, left and right, µm; none of one that is as it was, however narrow that is.
    pub pars_um: [Option<u32>; 2],
}

impl Measured {
    /// What the live measures of the procedure's level say.
    pub fn of(level: &LevelMeasures) -> Self {
        // µm² to 1/100 mm².
        let canal = level.least_free_um2().and_then(|um2| u32::try_from(um2 / 10_000).ok());
        let facet = |side: usize| level.sides[side].facet.map(|f| (f.left_per_mille() / 10).clamp(0, 100) as u8);
        let pars = |side: usize| level.sides[side].pars.filter(|p| p.now_um < p.before_um).map(|p| p.now_um.max(0) as u32);
        Self { canal_mm2_100: canal, facet_kept_pct: [facet(0), facet(1)], pars_um: [pars(0), pars(1)] }
    }
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepStatus {
    /// Not done yet.
    Open,
    /// Nothing to be done: the patient has no tissue in any of the step's zones, as where no flavum was segmented or proposed.
    Lacking,
    /// Done in its turn.
    Done {
        /// When.
        tick: u32,
    },
    /// Done while an earlier step was still open.
    OutOfOrder {
        /// When.
        tick: u32,
        /// The earliest step that was open then, by its place in the list.
        before: usize,
    },
}

impl StepStatus {
    /// Whether the step is still to be done.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open)
    }

    /// Whether it was done, in its turn or not. A step with nothing to do is neither open nor done.
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Done { .. } | Self::OutOfOrder { .. })
    }
}

/// Something that a tracker noticed in a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// A step was done in its turn.
    StepDone(usize),
    /// A step was done while an earlier one was open.
    StepOutOfOrder {
        /// The step.
        step: usize,
        /// The earliest open one.
        before: usize,
    },
    /// A sentinel error happened for the first time.
    Sentinel(SentinelRecord),
    /// All steps are done.
    Completed,
    /// The patient went back to the end of a tick: what was done after it is open again.
    WentBack(u32),
}

/// Follows one procedure in one room.
#[derive(Clone, Debug)]
pub struct Tracker {
    target: Target,
    site: Site,
    steps: Vec<Step>,
    status: Vec<StepStatus>,
    zones: Vec<Watched>,
    sentinels: Vec<SentinelRecord>,
    met: Met,
    scratched_mm3: f64,
    other_mm3: Vec<(Label, f64)>,
    dirty: bool,
    tick: u32,
}

/// A zone and what is left of it.
#[derive(Clone, Debug)]
struct Watched {
    zone: Zone,
    points: ZonePoints,
    left_pct: u8,
}

/// Rules that an event met.
#[derive(Clone, Copy, Debug, Default)]
struct Met {
    level: bool,
    root: [bool; 2],
    retracted: [bool; 2],
    /// The largest ball that passed, 1/10 mm.
    foramen: [Option<u32>; 2],
    canal: bool,
}

impl Tracker {
    /// A tracker for a procedure that has not begun. Takes some 100 ms: it casts rays through the anatomy.
    ///
    /// # Errors
    /// When the patient has no such site.
    pub fn new(patient: &Patient, target: Target) -> Result<Self, SiteError> {
        Ok(Self::at(patient, target, Site::find(patient, target.level)?))
    }

    /// As [`Self::new`] at a site that was found before.
    pub fn at(patient: &Patient, target: Target, site: Site) -> Self {
        let steps = steps(&target);
        let mut zones: Vec<Watched> = Vec::new();
        let mut watch = |zone: Zone| {
            if zones.iter().all(|w| w.zone != zone) {
                let points = ZonePoints::new(patient, &site, zone);
                zones.push(Watched { zone, left_pct: if points.is_empty() { 0 } else { 100 }, points });
            }
        };
        for rule in steps.iter().flat_map(|step| step.rules.iter()) {
            if let Rule::Taken { zone, .. } = rule {
                watch(*zone);
            }
        }
        for side in Side::BOTH {
            watch(Zone::Flavum(side));
            watch(Zone::Lamina(side));
        }
        watch(Zone::SpinousProcess);
        let is_empty = |rule: &Rule| match rule {
            Rule::Taken { zone, .. } => zones.iter().any(|w| w.zone == *zone && w.points.is_empty()),
            _ => false,
        };
        let status = |step: &Step| if step.rules.iter().all(is_empty) { StepStatus::Lacking } else { StepStatus::Open };
        let status = steps.iter().map(status).collect();
        Self {
            target,
            site,
            steps,
            status,
            zones,
            sentinels: Vec::new(),
            met: Met::default(),
            scratched_mm3: 0.0,
            other_mm3: Vec::new(),
            dirty: true,
            tick: 0,
        }
    }

    /// The procedure followed.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Its place.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// The steps in their order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Where each step stands.
    pub fn status(&self) -> &[StepStatus] {
        &self.status
    }

    /// The first open step, by its place in the list; none when there is none left.
    pub fn current(&self) -> Option<usize> {
        self.status.iter().position(|s| s.is_open())
    }

    /// Whether all steps are done.
    pub fn is_complete(&self) -> bool {
        self.current().is_none()
    }

    /// Whether all that the current step lacks is that the canal be measured and found free.
    pub fn awaits_measures(&self) -> bool {
        let rules = self.current().map_or(&[][..], |k| &self.steps[k].rules);
        rules.contains(&Rule::CanalFree) && rules.iter().all(|rule| *rule == Rule::CanalFree || self.holds(*rule))
    }

    /// What a step still lacks, in words, rule by rule; of probing only what was met since the step before was done.
    pub fn lacks(&self, step: usize) -> Vec<String> {
        let rules = self.steps.get(step).map_or(&[][..], |step| &step.rules);
        let lacking = rules.iter().filter(|rule| !self.holds(**rule));
        let words = |rule: &Rule| match *rule {
            Rule::LevelChecked => "no probe touched the level's upper vertebra".to_owned(),
            Rule::Taken { zone, left_pct } => {
                format!("{}: {} % left, {left_pct} at most", zone.words(), self.left_pct(zone).unwrap_or(0))
            }
            Rule::RootFound(side) => format!("the {} root was not found", side.word()),
            Rule::RootRetracted(side) => format!("the {} root was not retracted", side.word()),
            Rule::ForamenProbed { side, least_tenth_mm } => match self.met.foramen[side as usize] {
                None => format!("the {} foramen was not probed", side.word()),
                Some(widest) => format!(
                    "a ball of {:.1} mm passes the {} foramen, not {:.1}",
                    f64::from(widest) / 10.0,
                    side.word(),
                    f64::from(least_tenth_mm) / 10.0
                ),
            },
            Rule::CanalFree => format!("the canal was not measured to be {CANAL_TARGET_MM2:.0} mm² everywhere"),
        };
        lacking.map(words).collect()
    }

    /// The sentinel errors so far, in the order in which they first happened.
    pub fn sentinels(&self) -> &[SentinelRecord] {
        &self.sentinels
    }

    /// How much of a zone is left as of the last survey, percent; none for a zone that this procedure does not watch.
    pub fn left_pct(&self, zone: Zone) -> Option<u8> {
        self.zones.iter().find(|w| w.zone == zone).map(|w| w.left_pct)
    }

    /// A note in the words of a recording, which [`Self::recall`] understands.
    pub fn words(&self, note: &Note) -> String {
        let id = |k: usize| self.steps.get(k).map_or("", |s| s.id);
        match note {
            Note::StepDone(k) => format!("{STEP_DONE}{}", id(*k)),
            Note::StepOutOfOrder { step, before } => format!("{STEP_EARLY}{}{BEFORE}{}", id(*step), id(*before)),
            Note::Sentinel(SentinelRecord { sentinel, structure, .. }) => {
                let at = structure.map_or_else(String::new, |label| format!("{AT}{label}"));
                format!("{ERROR}{}{at}", sentinel.words())
            }
            Note::Completed => "procedure completed".to_owned(),
            Note::WentBack(tick) => format!("{BACK}{tick}"),
        }
    }

    /// Takes up what was noted at a tick before a session was broken off: steps stay done, and errors happened. Other words say nothing.
    pub fn recall(&mut self, tick: u32, words: &str) {
        let place = |id: &str| self.steps.iter().position(|s| s.id == id);
        let (step, status) = if let Some(id) = words.strip_prefix(STEP_DONE) {
            (place(id), StepStatus::Done { tick })
        } else if let Some((id, before)) = words.strip_prefix(STEP_EARLY).and_then(|rest| rest.split_once(BEFORE)) {
            (place(id), StepStatus::OutOfOrder { tick, before: place(before).unwrap_or(0) })
        } else {
            if let Some(error) = words.strip_prefix(ERROR) {
                self.recall_error(tick, error);
            } else if let Some(Ok(back)) = words.strip_prefix(BACK).map(str::parse) {
                self.reopen(back);
            }
            return;
        };
        let Some(step) = step.filter(|k| self.status[*k].is_open()) else { return };
        self.met.level |= self.steps[step].rules.contains(&Rule::LevelChecked);
        self.status[step] = status;
    }

    fn recall_error(&mut self, tick: u32, words: &str) {
        let (words, structure) = match words.split_once(AT) {
            Some((words, name)) => (words, Label::named(name)),
            None => (words, None),
        };
        if let Some(sentinel) = Sentinel::ALL.into_iter().find(|s| s.words() == words) {
            self.tick = tick;
            self.note(sentinel, structure, &mut Vec::new());
        }
    }

    /// Takes in one tick: its events, the tools after it, what is cut, and the measures as far as they are known.
    pub fn update(
        &mut self,
        patient: &Patient,
        cut: &CutState,
        tick: u32,
        tools: &[ToolState],
        events: &[Event],
        measured: Option<&Measured>,
    ) -> Vec<Note> {
        let mut notes = Vec::new();
        self.tick = tick;
        for event in events {
            self.event(patient, tools, event, &mut notes);
        }
        for tool in tools {
            self.tool(patient, tool, &mut notes);
        }
        if let Some(measured) = measured {
            self.measured(measured, &mut notes);
        }
        if self.dirty && tick.is_multiple_of(SURVEY_EVERY) {
            self.survey(patient, cut, &mut notes);
        }
        self.judge(&mut notes);
        notes
    }

    /// The patient went back to how it was at the end of a tick, which `cut` is: steps that were done after it are open again, as far as the
    /// patient does not show them done. Errors happened.
    pub fn go_back(&mut self, patient: &Patient, cut: &CutState, tick: u32) -> Vec<Note> {
        self.reopen(tick);
        let mut notes = vec![Note::WentBack(tick)];
        notes.extend(self.finish(patient, cut));
        notes
    }

    fn reopen(&mut self, back: u32) {
        for status in &mut self.status {
            if matches!(status, StepStatus::Done { tick } | StepStatus::OutOfOrder { tick, .. } if *tick > back) {
                *status = StepStatus::Open;
            }
        }
        let mut steps = self.steps.iter().zip(&self.status);
        let level = steps.any(|(step, status)| status.is_done() && step.rules.contains(&Rule::LevelChecked));
        self.met = Met { level, ..Met::default() };
        // The bone is there again.
        self.scratched_mm3 = 0.0;
        self.other_mm3.clear();
    }

    /// Looks at the zones and judges all steps now, whatever the tick: at the end of a session.
    pub fn finish(&mut self, patient: &Patient, cut: &CutState) -> Vec<Note> {
        let mut notes = Vec::new();
        self.survey(patient, cut, &mut notes);
        self.judge(&mut notes);
        notes
    }

    fn event(&mut self, patient: &Patient, tools: &[ToolState], event: &Event, notes: &mut Vec<Note>) {
        let by = event.by();
        match *event {
            Event::BoneTouch { .. } if is_blunt(by.tool) => {
                let touched = tools.iter().find(|t| t.holder() == by).and_then(|tool| bone_at(patient, tool));
                self.met.level |= touched == Some(self.site.upper);
            }
            Event::NeuralTouch { structure, .. } if is_retractor(by.tool) => {
                for side in Side::BOTH {
                    self.met.retracted[side as usize] |= structure == self.site.traversing_root(side);
                }
            }
            Event::Passage { diameter_tenth_mm, .. } => {
                let tip = tools.iter().find(|t| t.holder() == by).map(|t| self.site.site_from_patient(t.proxy.tip_mm()));
                for side in Side::BOTH {
                    if tip.is_some_and(|at| self.is_in_foramen(side, at)) {
                        let widest = &mut self.met.foramen[side as usize];
                        *widest = (*widest).max(Some(diameter_tenth_mm));
                    }
                }
            }
            Event::Removed { structure, occupancy, .. } if occupancy > 0 => {
                self.dirty = true;
                let mm3 = occupancy as f64 / OCCUPANCY_PER_VOXEL as f64 * patient.grid().voxel_mm3();
                let tip = tools.iter().find(|t| t.holder() == by).map(|t| self.site.site_from_patient(t.proxy.tip_mm()));
                self.removed(structure, mm3, tip, notes);
            }
            Event::Breakthrough { plunge_um, .. } if plunge_um >= PLUNGE_UM => self.note(Sentinel::Plunge, None, notes),
            Event::NeuralTouch { structure, active: true, .. } if by.tool.is_burr() => {
                self.note(Sentinel::BurrOnNerve, Some(structure), notes);
            }
            Event::RetractionHigh { structure, .. } => self.note(Sentinel::RootOverload, Some(structure), notes),
            Event::DiscBreached { structure, .. } => self.note(Sentinel::AnteriorAnnulus, Some(structure), notes),
            Event::NeuralPinch { structure, .. } => self.note(Sentinel::PinchedNerve, Some(structure), notes),
            Event::NeuralTear { structure, .. } => self.note(Sentinel::Tear, Some(structure), notes),
            Event::CsfLeak { structure, .. } => self.note(Sentinel::Leak, Some(structure), notes),
            Event::ParsFracture { structure, .. } => self.note(Sentinel::ParsLost, Some(structure), notes),
            _ => {}
        }
    }

    /// Bone was taken by a tool whose tip was at a place in the site's frame.
    fn removed(&mut self, structure: Label, mm3: f64, tip: Option<[f64; 3]>, notes: &mut Vec<Note>) {
        if structure.class() != Some(TissueClass::Bone) {
            return;
        }
        if !self.met.level {
            self.scratched_mm3 += mm3;
            if self.scratched_mm3 > SCRATCH_MM3 {
                self.note_once(Sentinel::NoLevelCheck, Some(structure), notes);
            }
        }
        // The far end of the lower vertebra is the level below: nobody who is at the right one works there.
        let beneath = structure == self.site.lower && tip.is_some_and(|at| at[2] < -BENEATH_MM);
        if structure != self.site.upper && structure != self.site.lower || beneath {
            let slot = match self.other_mm3.iter().position(|(label, _)| *label == structure) {
                Some(slot) => slot,
                None => {
                    self.other_mm3.push((structure, 0.0));
                    self.other_mm3.len() - 1
                }
            };
            self.other_mm3[slot].1 += mm3;
            if self.other_mm3[slot].1 > OTHER_LEVEL_MM3 {
                self.note_once(Sentinel::WrongLevel, Some(structure), notes);
            }
        }
    }

    fn tool(&mut self, patient: &Patient, tool: &ToolState, notes: &mut Vec<Note>) {
        let kind = tool.input.tool;
        let at = self.site.site_from_patient(tool.proxy.tip_mm());
        if is_blunt(kind) {
            let side = Side::of_x(at[0]);
            let root = [self.site.traversing_root(side), self.site.exiting_root(side)];
            let found = tool.nearest.is_some_and(|n| n.distance_um <= ROOT_NEAR_UM && root.contains(&n.structure));
            // In front of the roof, beside the sac: that is the recess, whether or not the patient's roots are known.
            let in_recess = at[0].abs() > 3.0 && at[0].abs() < 20.0 && at[1] < 9.0 && at[1] > -12.0 && at[2].abs() < 22.0;
            let known = root.iter().any(|label| patient.structure(*label).is_some());
            self.met.root[side as usize] |= in_recess && (found || !known);
        }
        if is_retractor(kind) {
            for side in Side::BOTH {
                let root = self.site.traversing_root(side);
                self.met.retracted[side as usize] |= tool.nearest.is_some_and(|n| n.structure == root && n.distance_um <= 0);
            }
        }
        if kind.is_burr()
            && tool.spindle_rpm >= SPINS
            && tool.in_bone
            && at[0].abs() < self.site.sac_mm[0].max(self.site.sac_mm[1])
        {
            let side = if at[0] >= 0.0 { Side::Left } else { Side::Right };
            let flavum = Zone::Flavum(side);
            let shielded =
                self.zones.iter().find(|w| w.zone == flavum).is_none_or(|w| w.points.is_empty() || w.left_pct >= SHIELD_PCT);
            let over = self.site.in_zone(Zone::Lamina(side), at) && at[2] < self.site.attach_mm;
            if !shielded && over {
                self.note_once(Sentinel::DrilledUnshielded, Some(Label::DURAL_SAC), notes);
            }
        }
    }

    /// Whether a place in the site's frame lies in the entrance of a side's foramen: beyond the canal's wall, under the upper pedicle, above
    /// the disc's lower edge, in front of the joint.
    fn is_in_foramen(&self, side: Side, at: [f64; 3]) -> bool {
        at[0] * side.sign() > self.site.half_canal_mm[side as usize] + 1.0
            && (-14.0..6.0).contains(&at[1])
            && (-2.0..=18.0).contains(&at[2])
    }

    fn measured(&mut self, measured: &Measured, notes: &mut Vec<Note>) {
        self.met.canal = measured.canal_mm2_100.is_some_and(|area| f64::from(area) / 100.0 >= CANAL_TARGET_MM2);
        if measured.facet_kept_pct.iter().flatten().any(|kept| *kept < FACET_PCT) {
            self.note_once(Sentinel::FacetLost, Some(self.site.upper), notes);
        }
        if measured.pars_um.iter().flatten().any(|width| *width < PARS_UM) {
            self.note_once(Sentinel::ParsLost, Some(self.site.upper), notes);
        }
    }

    fn survey(&mut self, patient: &Patient, cut: &CutState, notes: &mut Vec<Note>) {
        self.dirty = false;
        for watched in &mut self.zones {
            watched.left_pct = watched.points.left_pct(patient, cut);
        }
        let left = |zone: Zone| self.left_pct(zone).unwrap_or(0);
        let far = self.target.side.other();
        let has = |zone: Zone| self.zones.iter().any(|w| w.zone == zone && !w.points.is_empty());
        let far_kept = match self.target.procedure {
            Procedure::Foraminotomy | Procedure::Microdiscectomy => FAR_LAMINA_PCT,
            // The far lamina is undercut, its outer table stays.
            Procedure::Ulbd => FAR_LAMINA_PCT / 2,
            Procedure::Laminectomy => 0,
        };
        let wrong_side = has(Zone::Lamina(far)) && left(Zone::Lamina(far)) < far_kept;
        let spinous =
            self.target.procedure.is_one_sided() && has(Zone::SpinousProcess) && left(Zone::SpinousProcess) < SPINOUS_KEPT_PCT;
        if wrong_side {
            self.note_once(Sentinel::WrongSide, Some(self.site.upper), notes);
        }
        if spinous {
            self.note_once(Sentinel::SpinousProcessLost, Some(self.site.upper), notes);
        }
    }

    pub(super) fn holds(&self, rule: Rule) -> bool {
        match rule {
            Rule::LevelChecked => self.met.level,
            Rule::Taken { zone, left_pct } => self.left_pct(zone).is_none_or(|left| left <= left_pct),
            Rule::RootFound(side) => self.met.root[side as usize],
            Rule::RootRetracted(side) => self.met.retracted[side as usize],
            Rule::ForamenProbed { side, least_tenth_mm } => self.met.foramen[side as usize].is_some_and(|d| d >= least_tenth_mm),
            Rule::CanalFree => self.met.canal,
        }
    }

    /// Marks what is done now. A probe's step counts only in its turn: its tip is in many places on the way.
    fn judge(&mut self, notes: &mut Vec<Note>) {
        let complete = self.is_complete();
        let mut open = None;
        for k in 0..self.steps.len() {
            if !self.status[k].is_open() {
                continue;
            }
            let explores = self.steps[k].rules.iter().any(|r| !matches!(r, Rule::LevelChecked | Rule::Taken { .. }));
            let holds = self.steps[k].rules.iter().all(|rule| self.holds(*rule));
            match (holds, open) {
                (true, None) => {
                    self.status[k] = StepStatus::Done { tick: self.tick };
                    notes.push(Note::StepDone(k));
                    // What a probe met before a step's turn does not count for the steps after it.
                    self.forget();
                }
                (true, Some(before)) if !explores => {
                    self.status[k] = StepStatus::OutOfOrder { tick: self.tick, before };
                    notes.push(Note::StepOutOfOrder { step: k, before });
                }
                _ => {
                    open.get_or_insert(k);
                }
            }
        }
        if !complete && self.is_complete() {
            notes.push(Note::Completed);
        }
    }

    fn forget(&mut self) {
        (self.met.root, self.met.retracted, self.met.foramen) = Default::default();
    }

    fn note_once(&mut self, sentinel: Sentinel, structure: Option<Label>, notes: &mut Vec<Note>) {
        if self.sentinels.iter().all(|s| s.sentinel != sentinel) {
            self.note(sentinel, structure, notes);
        }
    }

    fn note(&mut self, sentinel: Sentinel, structure: Option<Label>, notes: &mut Vec<Note>) {
        if let Some(known) = self.sentinels.iter_mut().find(|s| s.sentinel == sentinel && s.structure == structure) {
            known.times = known.times.saturating_add(1);
            return;
        }
        let record = SentinelRecord { sentinel, structure, tick: self.tick, times: 1 };
        self.sentinels.push(record);
        notes.push(Note::Sentinel(record));
    }
}

/// Whether a tool is one that palpates: ball probe or Penfield.
fn is_blunt(tool: ToolKind) -> bool {
    matches!(tool, ToolKind::Probe | ToolKind::Penfield)
}

/// Whether a tool is the root retractor.
fn is_retractor(tool: ToolKind) -> bool {
    tool == ToolKind::Retractor
}

/// The bone that a touching tool lies on, by the uncut patient: the nearest to the surface of its ball, which is looked at in 26 directions.
fn bone_at(patient: &Patient, tool: &ToolState) -> Option<Label> {
    let uncut = CutState::new(patient.grid());
    let (tip, radius) = (tool.proxy.tip_mm(), f64::from(tool.input.size_tenth_mm) / 20.0);
    let mut nearest: Option<(f64, usize)> = None;
    for n in 0..27 {
        let step = [n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1].map(f64::from);
        let long = step.iter().map(|v| v * v).sum::<f64>().sqrt().max(1.0);
        let at: [f64; 3] = std::array::from_fn(|k| tip[k] + radius * step[k] / long);
        if let Some(near) = class_sdf(patient, &uncut, TissueClass::Bone, at)
            && nearest.is_none_or(|(least, _)| near.distance_mm < least)
        {
            nearest = Some((near.distance_mm, near.structure));
        }
    }
    patient.structures().get(nearest?.1).map(|s| s.label)
}
