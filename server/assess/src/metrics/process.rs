//! Whether the procedure's steps were done, and in order.

use std::collections::BTreeMap;

use serde::Serialize;
use spinor_sim::procedure::{Sentinel, StepStatus, Target};

use crate::gather::Session;

/// The procedure as followed through the recording.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Process {
    pub procedure: Option<String>,
    pub completed: Option<bool>,
    pub steps_done: Option<u32>,
    pub steps_share: Option<f64>,
    pub steps_in_order: Option<bool>,
    pub steps: Vec<Step>,
    pub sentinel_errors: Option<u32>,
    pub sentinels: Vec<SentinelError>,
    pub wrong_level: Option<bool>,
    pub planned_mm3: Option<f64>,
    pub within_plan_mm3: Option<f64>,
    pub outside_plan_mm3: Option<f64>,
    /// What was to be done where; told in words by `procedure`.
    #[serde(skip)]
    pub(crate) target: Option<Target>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Step {
    pub id: String,
    pub title: String,
    pub status: &'static str,
    pub at_s: Option<f64>,
}

/// Status of a step whose tissue the patient lacks: there is nothing to be done.
pub(crate) const LACKING: &str = "lacking";

/// A sentinel error that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct SentinelError {
    pub what: &'static str,
    pub structure: Option<String>,
    pub at_s: f64,
    pub times: u32,
}

pub(crate) fn process(session: &Session, absent: &mut BTreeMap<String, String>) -> Process {
    let followed = match &session.procedure {
        Some(Ok(followed)) => followed,
        other => {
            let why = match other {
                Some(Err(why)) => why.as_str(),
                _ => "no procedure was chosen in this session",
            };
            let keys =
                ["procedure", "completed", "steps_done", "steps_share", "steps_in_order", "sentinel_errors", "wrong_level"];
            for key in keys.into_iter().chain(["planned_mm3", "within_plan_mm3", "outside_plan_mm3"]) {
                absent.insert(format!("process.{key}"), why.to_owned());
            }
            return Process::default();
        }
    };
    let tracker = &followed.tracker;
    let target = tracker.target();
    let step = |(step, status): (&spinor_sim::procedure::Step, &StepStatus)| {
        let (status, tick) = match *status {
            StepStatus::Open => ("open", None),
            StepStatus::Lacking => (LACKING, None),
            StepStatus::Done { tick } => ("done", Some(tick)),
            StepStatus::OutOfOrder { tick, .. } => ("out of order", Some(tick)),
        };
        Step { id: step.id.to_owned(), title: step.title.clone(), status, at_s: tick.map(|t| session.seconds(t)) }
    };
    let steps: Vec<Step> = tracker.steps().iter().zip(tracker.status()).map(step).collect();
    let lacking = steps.iter().filter(|s| s.status == LACKING).count();
    let done = steps.iter().filter(|s| s.status != "open").count() - lacking;
    let sentinels = tracker.sentinels();
    let plan = followed.plan;
    Process {
        procedure: Some(format!("{} at L{}, {}", target.procedure.name(), target.level, target.side.word())),
        completed: Some(tracker.is_complete()),
        steps_done: Some(done as u32),
        steps_share: Some(done as f64 / ((steps.len() - lacking) as f64).max(1.0)),
        steps_in_order: Some(steps.iter().all(|s| s.status != "out of order")),
        steps,
        sentinel_errors: Some(sentinels.len() as u32),
        sentinels: sentinels
            .iter()
            .map(|s| SentinelError {
                what: s.sentinel.words(),
                structure: s.structure.map(|label| label.name()),
                at_s: session.seconds(s.tick),
                times: s.times,
            })
            .collect(),
        wrong_level: Some(sentinels.iter().any(|s| s.sentinel == Sentinel::WrongLevel)),
        planned_mm3: Some(plan.planned_mm3),
        within_plan_mm3: Some(plan.within_mm3),
        outside_plan_mm3: Some(plan.outside_mm3),
        target: Some(*target),
    }
}
