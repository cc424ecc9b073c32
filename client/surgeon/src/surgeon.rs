//! The surgeon: a procedure's phases, two hands, and what they see.

use spinor_sim::procedure::{Site, SiteError, Target};
use spinor_sim::{Event, Hand as Which, ToolInput, ToolState, UserId};
use spinor_volume::{CutState, Patient};

use crate::hand::Hand;
use crate::phase::{Feedback, Phase};
use crate::random::Random;
use crate::scene::{Parts, Scene};
use crate::script;
use crate::skill::{Habits, Skill};

/// What a surgeon sees at a tick: the tools and events after the tick before, and the patient as it lies open.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// All tools.
    pub tools: &'a [ToolState],
    /// What happened in the tick before.
    pub events: &'a [Event],
    /// What is cut.
    pub cut: &'a CutState,
    /// The tick that the inputs are for.
    pub tick: u32,
}

/// What one phase of a procedure came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseReport {
    /// Its name.
    pub name: &'static str,
    /// The tick that it began at.
    pub from_tick: u32,
    /// Plans made: passes of a burr, bites, places probed.
    pub plans: u32,
    /// Bites that took something.
    pub bites: u32,
    /// Bites that were refused.
    pub refused: u32,
    /// Tissue taken, 1/32 voxel of occupancy.
    pub occupancy: i64,
}

/// A scripted surgeon.
#[derive(Clone, Debug)]
pub struct Surgeon {
    user: UserId,
    site: Site,
    parts: Parts,
    habits: Habits,
    random: Random,
    right: Hand,
    left: Hand,
    phases: Vec<Phase>,
    phase: usize,
    feedback: Feedback,
    reports: Vec<PhaseReport>,
    done: bool,
}

impl Surgeon {
    /// A surgeon who will perform a procedure as user 1. What is aimed at follows from patient and target alone; skill and seed change how
    /// steadily, how fast and how attentively it is done.
    ///
    /// # Errors
    /// When the patient lacks the vertebrae or the dural sac.
    pub fn new(patient: &Patient, target: Target, skill: Skill, seed: u64) -> Result<Self, SiteError> {
        let site = Site::find(patient, target.level)?;
        Ok(Self::at(patient, target, site, skill, seed))
    }

    /// As [`Self::new`] at a site that was found before.
    pub fn at(patient: &Patient, target: Target, site: Site, skill: Skill, seed: u64) -> Self {
        let user = UserId(1);
        let phases = script::phases(patient, &site, &target);
        let rest = script::rest(&site);
        Self {
            user,
            parts: Parts::of(patient, &site),
            habits: skill.habits(),
            random: Random::new(seed),
            right: Hand::new(user, Which::Right, rest),
            left: Hand::new(user, Which::Left, [rest[0] + 30.0, rest[1] + 20.0, rest[2]]),
            site,
            phases,
            phase: 0,
            feedback: Feedback::default(),
            reports: Vec::new(),
            done: false,
        }
    }

    /// The same surgeon as another user of a room.
    #[must_use]
    pub fn as_user(mut self, user: UserId) -> Self {
        self.user = user;
        self.right.user = user;
        self.left.user = user;
        self
    }

    /// The same with other phases.
    #[cfg(test)]
    pub(crate) fn with_phases(self, phases: Vec<Phase>) -> Self {
        Self { phases, ..self }
    }

    /// Whose inputs these are.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// Where the surgeon operates.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Whether the procedure is over, as far as the surgeon could bring it.
    pub fn done(&self) -> bool {
        self.done
    }

    /// The phases so far.
    pub fn reports(&self) -> &[PhaseReport] {
        &self.reports
    }

    /// How often the surgeon drew back from a nerve.
    pub fn scares(&self) -> u32 {
        self.right.scares + self.left.scares
    }

    /// How often the surgeon answered an alarm.
    pub fn answers(&self) -> u32 {
        self.right.starts + self.left.starts
    }

    /// What both hands do at the next tick; nothing more once [`Self::done`].
    pub fn next(&mut self, patient: &Patient, view: &View<'_>) -> Vec<ToolInput> {
        self.watch(view);
        let mut guard = 0;
        while self.right.is_idle() && !self.done && guard < 64 {
            guard += 1;
            self.plan(patient, view);
        }
        if self.done {
            return Vec::new();
        }
        let state = |hand: Which| view.tools.iter().find(|t| t.input.user == self.user && t.input.hand == hand).copied();
        let (left, right) = (state(Which::Left), state(Which::Right));
        let right = self.right.tick(&self.site, &self.habits, right, &mut self.random);
        let left = self.left.tick(&self.site, &self.habits, left, &mut self.random);
        vec![left, right]
    }

    /// Takes in what the own tools did.
    fn watch(&mut self, view: &View<'_>) {
        for event in view.events.iter().filter(|e| e.by().user == self.user) {
            match event {
                Event::Removed { occupancy, .. } => self.feedback.occupancy += occupancy,
                Event::BiteRefused { reason, .. } => self.feedback.refused = Some(*reason),
                _ => {}
            }
        }
    }

    /// Asks the current phase for the next tasks, or goes on to the next phase.
    fn plan(&mut self, patient: &Patient, view: &View<'_>) {
        let Some(phase) = self.phases.get_mut(self.phase) else {
            self.done = true;
            return;
        };
        if self.reports.len() <= self.phase {
            let name = phase.name();
            self.reports.push(PhaseReport { name, from_tick: view.tick, plans: 0, bites: 0, refused: 0, occupancy: 0 });
            self.feedback = Feedback::default();
        }
        let feedback = std::mem::take(&mut self.feedback);
        if let Some(report) = self.reports.last_mut() {
            report.occupancy += feedback.occupancy;
            report.bites += u32::from(phase.bites() && feedback.occupancy > 0);
            report.refused += u32::from(feedback.refused.is_some());
            report.plans += 1;
        }
        let scene = Scene { patient, cut: view.cut, site: &self.site, parts: &self.parts };
        if !phase.plan(&scene, &feedback, &mut self.right, &mut self.left) {
            self.phase += 1;
            self.done = self.phase >= self.phases.len();
        }
    }
}
