//! The figures that a report puts first: one number each, with a target where the literature or teaching has one.

use spinor_sim::ToolKind;
use spinor_sim::procedure::Procedure;
use spinor_volume::measure::Side;

use crate::again::is_blunt;
use crate::definitions::Better::{Higher, Lower, Neither};
use crate::definitions::{AGAIN, DELPHI, Definition, EVENTS, MEASURES, SMOOTHED, THRESHOLDS, TISSUE, TREMOR, of};
use crate::metrics::{Metrics, Motion, SideOutcome};

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// The bound.
    pub value: f64,
    /// Where it comes from.
    pub source: &'static str,
}

/// One figure.
#[derive(Clone, Copy)]
pub struct Figure {
    /// Its key in `figures`.
    pub key: &'static str,
    /// Its name in a report.
    pub label: &'static str,
    /// Digits after the point in a report.
    pub digits: usize,
    /// What it must reach, in the direction that is better.
    pub target: Option<Target>,
    /// Its definition.
    pub definition: Definition,
    /// Its value; none where the recording lacks what it takes.
    pub value: fn(&Metrics) -> Option<f64>,
    /// Why it may be none.
    pub absent: &'static str,
}

impl Figure {
    /// Whether a value meets the target; none without one.
    pub fn met(&self, value: f64) -> Option<bool> {
        let target = self.target?.value;
        Some(match self.definition.better {
            Lower => value <= target,
            Higher => value >= target,
            Neither => return None,
        })
    }
}

/// The figure of a key.
pub fn by_key(key: &str) -> Option<&'static Figure> {
    FIGURES.iter().find(|f| f.key == key)
}

/// Puts the figures of a session in place, and why some are missing.
pub(crate) fn fill(metrics: &mut Metrics) {
    for figure in FIGURES {
        // A sum of nothing is -0 in the standard library; adding 0 takes the sign away.
        let value = (figure.value)(metrics).filter(|v| v.is_finite()).map(|v| v + 0.0);
        if value.is_none() {
            metrics.absent.insert(figure.definition.path.to_owned(), figure.absent.to_owned());
        }
        metrics.figures.insert(figure.key, value);
    }
}

const fn none_at_all(source: &'static str) -> Option<Target> {
    Some(Target { value: 0.0, source })
}

/// Sum of a class over the levels.
fn removed(m: &Metrics, class: &str) -> Option<f64> {
    Some(m.levels.values().filter_map(|classes| classes.get(class)).sum())
}

/// The worst value over all tools held long enough.
fn worst(m: &Metrics, of: fn(&Motion) -> Option<f64>) -> Option<f64> {
    m.motion.values().flat_map(|tools| tools.values()).filter_map(of).reduce(f64::max)
}

/// The mean over all tools, weighted by the time each was held.
fn mean(m: &Metrics, of: fn(&Motion) -> Option<f64>) -> Option<f64> {
    let tools = || m.motion.values().flat_map(|tools| tools.values()).filter_map(|t| Some((t.held_s, of(t)?)));
    let time: f64 = tools().map(|(s, _)| s).sum();
    (time > 0.0).then(|| tools().map(|(s, v)| s * v).sum::<f64>() / time)
}

/// Whether anybody held a tool of a kind.
fn held(m: &Metrics, which: fn(ToolKind) -> bool) -> bool {
    let words: Vec<&str> = ToolKind::ALL.into_iter().filter(|tool| which(*tool)).map(ToolKind::word).collect();
    m.motion.values().flat_map(|tools| tools.keys()).any(|tool| words.contains(&tool.as_str()))
}

/// Whether a tool takes tissue otherwise than by spinning.
fn bites(tool: ToolKind) -> bool {
    !tool.is_burr() && !is_blunt(tool)
}

/// The lower of both sides of the operated level; of the one that is known where the other is not.
fn least(m: &Metrics, of: fn(&SideOutcome) -> Option<f64>) -> Option<f64> {
    let level = m.outcome.target()?;
    [of(&level.left), of(&level.right)].into_iter().flatten().reduce(f64::min)
}

/// The foramen that the procedure is about, or the tighter one.
fn foramen_probe_mm(m: &Metrics) -> Option<f64> {
    let one = m.process.target.filter(|t| matches!(t.procedure, Procedure::Foraminotomy | Procedure::Microdiscectomy));
    let level = m.outcome.target()?;
    match one.map(|target| target.side) {
        Some(Side::Left) => level.left.foramen_probe_mm,
        Some(Side::Right) => level.right.foramen_probe_mm,
        None => least(m, |side| side.foramen_probe_mm),
    }
}

const NO_LEVEL: &str = "no level was operated, or its anatomy was not found";
const NO_FLAVUM: &str = "no level was operated, or the case holds no flavum there";
const NO_PARS: &str = "no level was operated, or no isthmus was found there: what is wider than 22 mm is none";
const NO_JAW: &str = "no punch or rongeur was held";
const NO_BURR: &str = "no burr was held";
const NO_BITER: &str = "no tool that bites was held";
const NEVER_NEAR: &str = "no tool came within reach of the measurement";
const NO_BREAKTHROUGH: &str = "no burr came through bone, or the server stood still when one did";
const NO_DANGER: &str = "no tool was within the danger threshold";
const NO_RISE: &str = "no alarm was heard when it rose to danger, or none was answered after 0.1 s and within 10 s of ticks without a pause of the server";
const NOT_HELD: &str = "no tool was held long enough without a gap in its inputs";
const NOT_SLOW: &str = "with no tool was a hand slow for two seconds without a gap in its inputs";
const NO_PROCEDURE: &str = "no procedure was chosen in this session, or it cannot be followed in this patient";
const NO_TISSUES: &str = "tissues stood still in this session";
const ALWAYS: &str = "never absent";

/// All figures, by category, what matters most first.
pub const FIGURES: &[Figure] = &[
    Figure {
        key: "neural_contacts",
        label: "Contacts with dura and roots",
        digits: 0,
        target: none_at_all("no tool's surface should enter neural tissue (K)"),
        definition: of("safety", "figures.neural_contacts", "", Lower, "Times a tool's surface entered neural tissue.", EVENTS),
        value: |m| Some(m.safety.contacts.len() as f64),
        absent: ALWAYS,
    },
    Figure {
        key: "active_contacts",
        label: "of these with a running or closing tool",
        digits: 0,
        target: none_at_all("a running burr or closing punch tears dura (K)"),
        definition: of("safety", "figures.active_contacts", "", Lower, "Of these with a running or closing tool.", EVENTS),
        value: |m| Some(m.safety.contacts.iter().filter(|c| c.active).count() as f64),
        absent: ALWAYS,
    },
    Figure {
        key: "pinches",
        label: "Nerve between a punch's closing jaws",
        digits: 0,
        target: none_at_all("41 % of durotomies are the Kerrison's (Adv Spine J 2015)"),
        definition: of("safety", "figures.pinches", "", Lower, "Times a punch closed with neural tissue in its jaw.", EVENTS),
        value: |m| held(m, ToolKind::has_jaws).then(|| m.safety.structures.values().map(|s| f64::from(s.pinches)).sum()),
        absent: NO_JAW,
    },
    Figure {
        key: "greatest_depth_mm",
        label: "Deepest contact",
        digits: 2,
        target: Some(Target { value: 0.31, source: "wall of the dural sac 0.31 ± 0.12 mm (Spine J 2011)" }),
        definition: of(
            "safety",
            "figures.greatest_depth_mm",
            "mm",
            Lower,
            "Deepest that any tool's surface was in neural tissue; 0 without a contact.",
            EVENTS,
        ),
        value: |m| Some(m.safety.contacts.iter().map(|c| c.deepest_mm).fold(0.0, f64::max)),
        absent: ALWAYS,
    },
    Figure {
        key: "contact_s",
        label: "Time in contact (summed over tools and structures)",
        digits: 1,
        target: None,
        definition: of("safety", "figures.contact_s", "s", Lower, "Time of the contacts, summed.", EVENTS),
        value: |m| Some(m.safety.contacts.iter().map(|c| c.seconds).sum()),
        absent: ALWAYS,
    },
    Figure {
        key: "least_distance_mm",
        label: "Least distance to neural tissue",
        digits: 2,
        target: None,
        definition: of(
            "safety",
            "figures.least_distance_mm",
            "mm",
            Higher,
            "Least distance of any tool to any neural structure; negative inside.",
            AGAIN,
        ),
        value: |m| m.safety.structures.values().filter_map(|s| s.least_distance_mm).reduce(f64::min),
        absent: NEVER_NEAR,
    },
    Figure {
        key: "danger_s",
        label: "Time within danger of any structure",
        digits: 1,
        target: None,
        definition: of(
            "safety",
            "figures.danger_s",
            "s",
            Lower,
            "Time in which any tool was within danger of any structure; a moment within danger of several counts once.",
            THRESHOLDS,
        ),
        value: |m| Some(m.safety.danger_s),
        absent: ALWAYS,
    },
    Figure {
        key: "running_in_danger_s",
        label: "of this with a running or closing tool",
        digits: 1,
        target: None,
        definition: of(
            "safety",
            "figures.running_in_danger_s",
            "s",
            Lower,
            "Part of danger_s in which a tool that ran or closed was itself within danger of any structure.",
            THRESHOLDS,
        ),
        value: |m| Some(m.safety.running_in_danger_s),
        absent: ALWAYS,
    },
    Figure {
        key: "danger_speed_p95_mm_per_s",
        label: "Speed within danger (95 %)",
        digits: 1,
        target: Some(Target { value: 20.0, source: "slow near nerves (K)" }),
        definition: of(
            "safety",
            "figures.danger_speed_p95_mm_per_s",
            "mm/s",
            Lower,
            "Speed below which hands within danger stayed for 95 % of that time.",
            SMOOTHED,
        ),
        value: |m| m.safety.danger_speed_p95_mm_per_s,
        absent: NO_DANGER,
    },
    Figure {
        key: "reaction_s",
        label: "Reaction to a danger alarm (median)",
        digits: 2,
        target: Some(Target { value: 1.0, source: "simple reaction to a tone and the hand's way back (K)" }),
        definition: of(
            "safety",
            "figures.reaction_s",
            "s",
            Lower,
            "Median time from a rise to danger that was heard until it was answered; what came within 0.1 s was under way before.",
            AGAIN,
        ),
        value: |m| m.safety.alarms.median_reaction_s,
        absent: NO_RISE,
    },
    Figure {
        key: "unanswered_alarms",
        label: "Danger alarms unanswered for 10 s",
        digits: 0,
        target: None,
        definition: of(
            "safety",
            "figures.unanswered_alarms",
            "",
            Lower,
            "Rises to danger that were heard and not answered within 10 s.",
            AGAIN,
        ),
        value: |m| Some(f64::from(m.safety.alarms.unanswered)),
        absent: ALWAYS,
    },
    Figure {
        key: "plunge_mm",
        label: "Greatest plunge after a breakthrough",
        digits: 1,
        target: Some(Target { value: 2.0, source: "less than the danger threshold (K)" }),
        definition: of(
            "safety",
            "figures.plunge_mm",
            "mm",
            Lower,
            "Farthest that a burr's tip went deeper along its shaft within half a second of coming through bone, until bone held it again, it \
             was drawn back or went aside.",
            AGAIN,
        ),
        value: |m| m.safety.plunges.iter().filter_map(|p| p.reach_mm).reduce(f64::max),
        absent: NO_BREAKTHROUGH,
    },
    Figure {
        key: "alarm_share_heard",
        label: "Share of time with the alarm sounding",
        digits: 3,
        target: None,
        definition: of(
            "safety",
            "figures.alarm_share_heard",
            "",
            Lower,
            "Time in which the alarm sounded by the session's.",
            AGAIN,
        ),
        value: |m| Some(m.safety.alarms.share_heard),
        absent: ALWAYS,
    },
    Figure {
        key: "dry_drilling_s",
        label: "Dry drilling",
        digits: 1,
        target: Some(Target { value: 10.0, source: "47 °C are reached in 10 s dry at 45,000 rpm" }),
        definition: of("safety", "figures.dry_drilling_s", "s", Lower, "Time of drilling without irrigation.", EVENTS),
        value: |m| m.safety.harm.dry_drilling_s,
        absent: "no burr was used, or the program that recorded did not model heat",
    },
    Figure {
        key: "retraction_peak_newton",
        label: "Greatest load of a retractor on a nerve",
        digits: 2,
        target: Some(Target { value: 3.5, source: "radiculitis 18 to 7 % when limited to 3.5 N" }),
        definition: of(
            "safety",
            "figures.retraction_peak_newton",
            "N",
            Lower,
            "Greatest load of a retractor on any nerve.",
            EVENTS,
        ),
        value: |m| m.safety.harm.retraction_peak_newton,
        absent: "no retractor was used, or the program that recorded did not model it",
    },
    Figure {
        key: "tears",
        label: "Tears of dura and roots",
        digits: 0,
        target: none_at_all("durotomy happens in 6 % of operations (Adv Spine J 2015)"),
        definition: of("safety", "figures.tears", "", Lower, "Tears of dura and roots that there are at the end.", EVENTS),
        value: |m| m.safety.tissues.tears.map(f64::from),
        absent: NO_TISSUES,
    },
    Figure {
        key: "pars_fractures",
        label: "Broken pars",
        digits: 0,
        target: none_at_all("a broken pars makes the level unstable (K)"),
        definition: of("safety", "figures.pars_fractures", "", Lower, "Times that a pars broke under a tool's load.", EVENTS),
        value: |m| m.safety.tissues.pars_fractures.map(f64::from),
        absent: NO_TISSUES,
    },
    Figure {
        key: "disc_breaches",
        label: "Tip out of a disc on its far side",
        digits: 0,
        target: none_at_all("vessels lie before it"),
        definition: of("safety", "figures.disc_breaches", "", Lower, "Times a tip came out of a disc on its far side.", EVENTS),
        value: |m| m.safety.harm.disc_breaches.map(f64::from),
        absent: "nothing that goes into a disc was used, or the program that recorded did not model it",
    },
    Figure {
        key: "sentinel_errors",
        label: "Sentinel errors",
        digits: 0,
        target: none_at_all("they must never happen"),
        definition: of(
            "process",
            "figures.sentinel_errors",
            "",
            Lower,
            "Kinds of errors that must never happen and did.",
            DELPHI,
        ),
        value: |m| m.process.sentinel_errors.map(f64::from),
        absent: NO_PROCEDURE,
    },
    Figure {
        key: "steps_share",
        label: "Share of the procedure's steps done",
        digits: 2,
        target: Some(Target { value: 1.0, source: "all steps" }),
        definition: of(
            "process",
            "figures.steps_share",
            "",
            Higher,
            "Steps done, in order or not, of all for which the patient has tissue.",
            DELPHI,
        ),
        value: |m| m.process.steps_share,
        absent: NO_PROCEDURE,
    },
    Figure {
        key: "canal_mm2",
        label: "Least area of the sac at the level, now",
        digits: 0,
        target: Some(Target { value: 100.0, source: "80 mm² stenotic, 111 mm² the cut-off, 152 mm² normal (Medicine 2017)" }),
        definition: of(
            "outcome",
            "figures.canal_mm2",
            "mm²",
            Higher,
            "Least area of the dural sac over the operated level's slices, re-expanded.",
            MEASURES,
        ),
        value: |m| m.outcome.target()?.canal_mm2,
        absent: NO_LEVEL,
    },
    Figure {
        key: "canal_before_mm2",
        label: "Least area of the sac at the level, before",
        digits: 0,
        target: None,
        definition: of("outcome", "figures.canal_before_mm2", "mm²", Neither, "The same as imaged.", MEASURES),
        value: |m| m.outcome.target()?.canal_before_mm2,
        absent: NO_LEVEL,
    },
    Figure {
        key: "facet_kept_share",
        label: "Facet kept (share, worse side)",
        digits: 2,
        target: Some(Target { value: 0.5, source: "keep half or more; ULBD keeps 70 %, a medialised approach 88 %" }),
        definition: of(
            "outcome",
            "figures.facet_kept_share",
            "",
            Higher,
            "Share of the facet joint's bone that is left at the operated level, of the worse side.",
            MEASURES,
        ),
        value: |m| least(m, |side| side.facet_kept_share),
        absent: NO_LEVEL,
    },
    Figure {
        key: "pars_mm",
        label: "Narrowest pars",
        digits: 1,
        target: Some(Target { value: 3.0, source: "what holds (K)" }),
        definition: of(
            "outcome",
            "figures.pars_mm",
            "mm",
            Higher,
            "Least width of the upper vertebra's pars at the operated level, of the worse side.",
            MEASURES,
        ),
        value: |m| least(m, |side| side.pars_mm),
        absent: NO_PARS,
    },
    Figure {
        key: "foramen_probe_mm",
        label: "Probe that passes the foramen (operated or tighter side; 8 mm: that and more)",
        digits: 1,
        target: None,
        definition: of(
            "outcome",
            "figures.foramen_probe_mm",
            "mm",
            Higher,
            "Widest probe that passes the operated level's foramen on the side that was operated in a foraminotomy or microdiscectomy, otherwise on \
             the tighter side. 8 mm is the widest that is tried.",
            MEASURES,
        ),
        value: foramen_probe_mm,
        absent: NO_LEVEL,
    },
    Figure {
        key: "flavum_left_share",
        label: "Flavum left at the level (share)",
        digits: 2,
        target: None,
        definition: of(
            "outcome",
            "figures.flavum_left_share",
            "",
            Neither,
            "Share of the operated level's flavum that is left.",
            MEASURES,
        ),
        value: |m| {
            let level = m.outcome.target()?;
            Some((level.left.flavum_left_share? + level.right.flavum_left_share?) / 2.0)
        },
        absent: NO_FLAVUM,
    },
    Figure {
        key: "outside_plan_mm3",
        label: "Bone removed outside the plan",
        digits: 0,
        target: None,
        definition: of(
            "outcome",
            "figures.outside_plan_mm3",
            "mm³",
            Lower,
            "Bone removed outside the zones that the procedure's steps take.",
            "the procedure's plan",
        ),
        value: |m| m.process.outside_plan_mm3,
        absent: NO_PROCEDURE,
    },
    Figure {
        key: "removed_bone_mm3",
        label: "Bone removed",
        digits: 0,
        target: None,
        definition: of("outcome", "figures.removed_bone_mm3", "mm³", Neither, "Bone that is gone at the end.", TISSUE),
        value: |m| removed(m, "bone"),
        absent: ALWAYS,
    },
    Figure {
        key: "removed_flavum_mm3",
        label: "Flavum removed",
        digits: 0,
        target: None,
        definition: of(
            "outcome",
            "figures.removed_flavum_mm3",
            "mm³",
            Neither,
            "Ligamentum flavum that is gone at the end.",
            TISSUE,
        ),
        value: |m| removed(m, "flavum"),
        absent: ALWAYS,
    },
    Figure {
        key: "removed_disc_mm3",
        label: "Disc removed",
        digits: 0,
        target: None,
        definition: of("outcome", "figures.removed_disc_mm3", "mm³", Neither, "Disc that is gone at the end.", TISSUE),
        value: |m| removed(m, "disc"),
        absent: ALWAYS,
    },
    Figure {
        key: "duration_s",
        label: "Duration",
        digits: 0,
        target: None,
        definition: of(
            "efficiency",
            "figures.duration_s",
            "s",
            Neither,
            "From the first to the last tick in which a hand held a tool.",
            "record",
        ),
        value: |m| Some(m.duration_s),
        absent: ALWAYS,
    },
    Figure {
        key: "share_removing",
        label: "Share of time removing tissue",
        digits: 3,
        target: Some(Target { value: 0.53, source: "Sim-Ortho: 61.8 % surgeons, 53 % residents, 30 % students" }),
        definition: of(
            "efficiency",
            "figures.share_removing",
            "",
            Higher,
            "Time of the ticks in which tissue was taken by the session's.",
            EVENTS,
        ),
        value: |m| Some(m.time.share_removing),
        absent: ALWAYS,
    },
    Figure {
        key: "idle_s",
        label: "Idle time",
        digits: 1,
        target: None,
        definition: of(
            "efficiency",
            "figures.idle_s",
            "s",
            Lower,
            "Time in which nothing was taken and no tip moved faster than 2 mm/s; time without news of any hand is left out.",
            AGAIN,
        ),
        value: |m| Some(m.time.idle_s),
        absent: ALWAYS,
    },
    Figure {
        key: "removed_per_s_mm3",
        label: "Removed per second of removing",
        digits: 1,
        target: None,
        definition: of(
            "efficiency",
            "figures.removed_per_s_mm3",
            "mm³/s",
            Neither,
            "Volume taken by the time of taking.",
            "9-22 mm³/s in a public drilling study (107 runs)",
        ),
        value: |m| m.time.removed_per_s_mm3,
        absent: "nothing was taken",
    },
    Figure {
        key: "strokes",
        label: "Strokes of a burr",
        digits: 0,
        target: None,
        definition: of(
            "efficiency",
            "figures.strokes",
            "",
            Neither,
            "Runs of ticks in which a burr took tissue, a quarter of a second apart.",
            EVENTS,
        ),
        value: |m| held(m, ToolKind::is_burr).then(|| f64::from(m.time.strokes)),
        absent: NO_BURR,
    },
    Figure {
        key: "bites",
        label: "Bites",
        digits: 0,
        target: None,
        definition: of(
            "efficiency",
            "figures.bites",
            "",
            Neither,
            "Ticks in which a tool other than a burr took tissue.",
            EVENTS,
        ),
        value: |m| held(m, bites).then(|| f64::from(m.time.bites)),
        absent: NO_BITER,
    },
    Figure {
        key: "bites_refused",
        label: "Bites that took nothing",
        digits: 0,
        target: None,
        definition: of("efficiency", "figures.bites_refused", "", Lower, "Times a punch closed without taking anything.", EVENTS),
        value: |m| held(m, bites).then(|| f64::from(m.time.bites_refused)),
        absent: NO_BITER,
    },
    Figure {
        key: "tool_changes",
        label: "Tool changes",
        digits: 0,
        target: None,
        definition: of("efficiency", "figures.tool_changes", "", Neither, "Times a hand took up another tool.", AGAIN),
        value: |m| Some(f64::from(m.time.tool_changes)),
        absent: ALWAYS,
    },
    Figure {
        key: "tremor_mm",
        label: "Tremor of the hand (worst tool)",
        digits: 3,
        target: Some(Target { value: 0.2, source: "hands at rest shake by about 0.1 mm (K)" }),
        definition: of(
            "motion",
            "figures.tremor_mm",
            "mm",
            Lower,
            "Root mean square of the hand's shaking between 6 and 12 Hz while it was held still or led slowly (the median of half seconds), of the tool in which it is greatest.",
            TREMOR,
        ),
        value: |m| worst(m, |t| t.tremor_mm),
        absent: NOT_SLOW,
    },
    Figure {
        key: "hand_mean_mm_per_s",
        label: "Mean speed of the hand",
        digits: 1,
        target: None,
        definition: of(
            "motion",
            "figures.hand_mean_mm_per_s",
            "mm/s",
            Neither,
            "Mean over all tools, weighted by time held.",
            SMOOTHED,
        ),
        value: |m| mean(m, |t| t.hand_mean_mm_per_s),
        absent: NOT_HELD,
    },
    Figure {
        key: "mean_jerk_mm_per_s3",
        label: "Mean jerk of the hand",
        digits: 0,
        target: None,
        definition: of(
            "motion",
            "figures.mean_jerk_mm_per_s3",
            "mm/s³",
            Lower,
            "Mean over all tools, weighted by time held.",
            SMOOTHED,
        ),
        value: |m| mean(m, |t| t.mean_jerk_mm_per_s3),
        absent: NOT_HELD,
    },
    Figure {
        key: "hand_path_mm",
        label: "Way of all hands",
        digits: 0,
        target: None,
        definition: of(
            "motion",
            "figures.hand_path_mm",
            "mm",
            Lower,
            "Length of the hands' recorded ways, summed.",
            "recorded poses",
        ),
        value: |m| Some(m.motion.values().flat_map(|tools| tools.values()).map(|t| t.hand_path_mm).sum()),
        absent: ALWAYS,
    },
    Figure {
        key: "two_people_loaded_s",
        label: "Two people working at once",
        digits: 1,
        target: None,
        definition: of(
            "team",
            "figures.two_people_loaded_s",
            "s",
            Neither,
            "Time in which tools of two people or more worked at once.",
            AGAIN,
        ),
        value: |m| Some(m.team.two_people_loaded_s),
        absent: ALWAYS,
    },
    Figure {
        key: "hand_overs",
        label: "Tools handed over",
        digits: 0,
        target: None,
        definition: of(
            "team",
            "figures.hand_overs",
            "",
            Neither,
            "Times a tool went from one person's hand into another's.",
            "record",
        ),
        value: |m| Some(f64::from(m.team.hand_overs)),
        absent: ALWAYS,
    },
    Figure {
        key: "interventions",
        label: "Interventions",
        digits: 0,
        target: None,
        definition: of(
            "team",
            "figures.interventions",
            "",
            Neither,
            "Times somebody froze all tools, paused, took a person's tools away, or went back.",
            "record",
        ),
        value: |m| Some(m.team.interventions.len() as f64),
        absent: ALWAYS,
    },
    Figure {
        key: "turns",
        label: "Turns between people who remove",
        digits: 0,
        target: None,
        definition: of(
            "team",
            "figures.turns",
            "",
            Neither,
            "Times the person who took most in a second was another than in the last second of taking.",
            EVENTS,
        ),
        value: |m| Some(f64::from(m.team.turns)),
        absent: ALWAYS,
    },
    Figure {
        key: "osats_total",
        label: "OSATS global rating (7-35)",
        digits: 0,
        target: None,
        definition: of(
            "process",
            "figures.osats_total",
            "",
            Higher,
            "Sum of the seven items that a mentor rated from 1 to 5.",
            "Martin 1997; Reznick 1997",
        ),
        value: |m| m.osats.as_ref().map(|o| f64::from(o.total)),
        absent: "no mentor's form was merged in (--osats)",
    },
];
