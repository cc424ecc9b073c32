//! What rests on structures that nobody saw.
//!
//! A proposed structure is made from the bones about it. What is measured against one says so, and is judged by nothing: to have kept away
//! from where a nerve may lie is no merit, and to have come near it no fault. Where some structures were seen and others proposed, a figure
//! is judged by those that were seen.

use std::collections::BTreeMap;

use crate::figures::{FIGURES, Figure};
use crate::metrics::{Metrics, Safety};

/// What stands in the place of a verdict on proposed anatomy.
pub const NOT_JUDGED: &str = "proposed anatomy: not judged";
/// What stands in the place of a score of a session in which nothing was done.
pub const NOTHING_DONE: &str = "no tool took anything or came near dura or a root: nothing to judge";
/// What stands in the place of a verdict on what nobody changed.
pub const UNCHANGED: &str = "unchanged by the operation: not judged";
/// What stands in the place of a verdict on a figure that the procedure does not aim at.
pub const NO_AIM: &str = "not what this procedure aims at: not judged";
/// Change of an area below which it counts as unchanged, mm².
const LEAST_CHANGE_MM2: f64 = 1.0;

/// Figures of dura and roots.
const NEURAL: [&str; 16] = [
    "neural_contacts",
    "active_contacts",
    "pinches",
    "greatest_depth_mm",
    "contact_s",
    "least_distance_mm",
    "danger_s",
    "running_in_danger_s",
    "danger_speed_p95_mm_per_s",
    "reaction_s",
    "unanswered_alarms",
    "alarm_share_heard",
    "retraction_peak_newton",
    "tears",
    "sentinel_errors",
    "steps_share",
];

/// The figures' judged values, why some are not judged, and which proposed structures stand behind what.
pub(crate) struct Judged {
    pub(crate) values: BTreeMap<&'static str, Option<f64>>,
    pub(crate) why_not: BTreeMap<String, String>,
    pub(crate) proposed: BTreeMap<String, Vec<String>>,
}

/// Judges each figure by what was seen. `seen` is the safety of the structures that were seen alone.
pub(crate) fn judged(metrics: &Metrics, seen: &Safety) -> Judged {
    let mut judged = Judged { values: BTreeMap::new(), why_not: BTreeMap::new(), proposed: BTreeMap::new() };
    for (name, _) in metrics.safety.structures.iter().filter(|(name, _)| metrics.is_proposed(name)) {
        judged.proposed.insert(format!("safety.structures.{name}"), vec![name.clone()]);
    }
    for (level, outcome) in &metrics.outcome.levels {
        if outcome.canal_source == Some("proposed") {
            judged.proposed.insert(format!("outcome.levels.{level}.canal_mm2"), vec!["dural_sac".to_owned()]);
        }
    }
    let of_seen = Metrics { safety: seen.clone(), ..metrics.clone() };
    for figure in FIGURES {
        let value = metrics.figures.get(figure.key).copied().flatten();
        let behind = behind(metrics, figure);
        let path = figure.definition.path.to_owned();
        let (mut own, mut why) = (value, None);
        if !behind.is_empty() {
            judged.proposed.insert(path.clone(), behind.clone());
            let others = NEURAL.contains(&figure.key) && !seen.structures.is_empty();
            own = if others { by_seen(&of_seen, figure) } else { None };
            // An error at bone or at a nerve that was seen is one, whatever else was proposed; to have made none is no merit then.
            if figure.key == "sentinel_errors" && own.is_none() {
                own = by_seen(&of_seen, figure).filter(|errors| *errors > 0.0);
            }
            why = own.is_none().then_some(NOT_JUDGED);
        }
        if figure.key == "canal_mm2" && own.is_some() {
            let before = metrics.figures.get("canal_before_mm2").copied().flatten();
            if own.zip(before).is_some_and(|(now, before)| now < before + LEAST_CHANGE_MM2) {
                (own, why) = (None, Some(UNCHANGED));
            } else if metrics.process.target.is_some_and(|target| !target.procedure.widens_canal()) {
                (own, why) = (None, Some(NO_AIM));
            }
        }
        judged.values.insert(figure.key, own);
        if let Some(why) = why.filter(|_| value.is_some()) {
            judged.why_not.insert(path, why.to_owned());
        }
    }
    judged
}

/// A figure of the structures that were seen; none where it cannot be told apart.
fn by_seen(of_seen: &Metrics, figure: &Figure) -> Option<f64> {
    match figure.key {
        // A step is done by what was found and freed, and the tone sounds, whichever structure that was.
        "steps_share" | "alarm_share_heard" => None,
        "sentinel_errors" => {
            of_seen.process.sentinel_errors?;
            let proposed = |name: &Option<String>| name.as_ref().is_some_and(|name| of_seen.is_proposed(name));
            Some(of_seen.process.sentinels.iter().filter(|s| !proposed(&s.structure)).count() as f64)
        }
        _ => (figure.value)(of_seen).filter(|v| v.is_finite()).map(|v| v + 0.0),
    }
}

/// The proposed structures that a figure is measured against.
fn behind(metrics: &Metrics, figure: &Figure) -> Vec<String> {
    let proposed = |which: &dyn Fn(&str) -> bool| -> Vec<String> {
        metrics
            .sources
            .iter()
            .filter(|(name, source)| **source == "proposed" && which(name))
            .map(|(name, _)| name.clone())
            .collect()
    };
    let level = metrics.outcome.target_level.as_deref().unwrap_or("none");
    let between = |name: &str, kind: &str| name.strip_prefix(kind).is_some_and(|rest| rest.split('_').nth(1) == Some(level));
    let flavum = |name: &str| between(name, "ligamentum_flavum");
    let disc = |name: &str| between(name, "intervertebral_disc");
    match figure.key {
        "canal_mm2" | "canal_before_mm2" => proposed(&|name| name == "dural_sac"),
        "flavum_left_share" => proposed(&flavum),
        "foramen_probe_mm" => proposed(&|name| flavum(name) || disc(name)),
        "removed_flavum_mm3" => proposed(&|name| name.starts_with("ligamentum_flavum") && metrics.was_taken(name)),
        "removed_disc_mm3" => proposed(&|name| name.starts_with("intervertebral_disc") && metrics.was_taken(name)),
        "disc_breaches" => proposed(&|name| name.starts_with("intervertebral_disc")),
        "steps_share" => proposed(&|name| metrics.safety.structures.contains_key(name) || flavum(name) || disc(name)),
        key if NEURAL.contains(&key) => proposed(&|name| metrics.safety.structures.contains_key(name)),
        _ => Vec::new(),
    }
}

/// What becomes of a figure beside its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has no target, or no value.
    None,
    /// The target is met.
    Met,
    /// It is missed.
    Missed,
    /// It rests on proposed anatomy.
    Proposed,
    /// It is as it was before.
    Unchanged,
    /// The procedure does not aim at it.
    NoAim,
}

impl Verdict {
    /// As a report shows it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Met => "met",
            Self::Missed => "missed",
            Self::Proposed | Self::Unchanged | Self::NoAim => "not judged",
        }
    }
}

impl Metrics {
    /// Whether a structure is proposed: no image shows it.
    pub fn is_proposed(&self, structure: &str) -> bool {
        self.sources.get(structure) == Some(&"proposed")
    }

    /// Whether anything was taken from a structure.
    fn was_taken(&self, structure: &str) -> bool {
        self.removed_mm3.get(structure).is_some_and(|mm3| *mm3 > 0.0)
    }

    /// Whether what stands at a path of `metrics.json` was measured against proposed anatomy.
    pub fn rests_on_proposed(&self, path: &str) -> bool {
        self.proposed.contains_key(path)
    }

    /// The verdict on a figure.
    pub fn verdict(&self, figure: &Figure) -> Verdict {
        if figure.target.is_none() || self.figures.get(figure.key).copied().flatten().is_none() {
            return Verdict::None;
        }
        match self.judged.get(figure.key).copied().flatten().and_then(|value| figure.met(value)) {
            Some(true) => Verdict::Met,
            Some(false) => Verdict::Missed,
            None => match self.unjudged.get(figure.definition.path).map(String::as_str) {
                Some(UNCHANGED) => Verdict::Unchanged,
                Some(NO_AIM) => Verdict::NoAim,
                _ => Verdict::Proposed,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every figure named here exists; one that is renamed elsewhere must not slip out of the rule.
    #[test]
    fn the_figures_of_nerves_exist() {
        for key in NEURAL {
            assert!(crate::figures::by_key(key).is_some(), "{key}");
        }
        // What the score judges near nerves is among them.
        for key in
            ["neural_contacts", "active_contacts", "greatest_depth_mm", "pinches", "danger_speed_p95_mm_per_s", "reaction_s"]
        {
            assert!(NEURAL.contains(&key) && crate::score::RULES.iter().any(|rule| rule.figure == key), "{key}");
        }
    }
}
