//! What each metric means, in which unit, which way is better, and where it comes from: the register of `metrics.json`.
//!
//! Every number in `metrics.json` has an entry here, found by its path; a test walks the file and looks each one up.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::figures::FIGURES;

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Lower is better.
    Lower,
    /// Higher is better.
    Higher,
    /// Neither: it describes, or its best value lies between.
    Neither,
}

impl Better {
    /// As written in files.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Higher => "higher",
            Self::Neither => "neither",
        }
    }
}

/// The definition of one metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Category: outcome, safety, efficiency, motion, team or process.
    pub category: &'static str,
    /// Where it stands in `metrics.json`: keys joined by dots, `*` for any name or place in a list, `a|b` for several of one meaning.
    pub path: &'static str,
    /// Its unit; empty for counts, shares and words.
    pub unit: &'static str,
    /// Which way is better.
    pub better: Better,
    /// What it means.
    pub definition: &'static str,
    /// Where it comes from.
    pub source: &'static str,
}

impl Definition {
    /// Its key: the last part of its path that is a name.
    pub fn name(&self) -> &'static str {
        self.path.rsplit('.').find(|part| *part != "*").unwrap_or(self.path)
    }

    /// Whether it defines what stands at a path of `metrics.json`.
    pub fn covers(&self, path: &[String]) -> bool {
        let parts: Vec<&str> = self.path.split('.').collect();
        let fits = |(part, key): (&&str, &String)| *part == "*" || part.split('|').any(|p| p == key);
        parts.len() == path.len() && parts.iter().zip(path).all(fits)
    }
}

impl Serialize for Definition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Definition", 7)?;
        out.serialize_field("category", self.category)?;
        out.serialize_field("name", self.name())?;
        out.serialize_field("path", self.path)?;
        out.serialize_field("unit", self.unit)?;
        out.serialize_field("better", self.better.word())?;
        out.serialize_field("definition", self.definition)?;
        out.serialize_field("source", self.source)?;
        out.end()
    }
}

pub(crate) const fn of(
    category: &'static str,
    path: &'static str,
    unit: &'static str,
    better: Better,
    definition: &'static str,
    source: &'static str,
) -> Definition {
    Definition { category, path, unit, better, definition, source }
}

/// All definitions: of the figures that a report puts first, and of everything behind them.
pub fn all() -> Vec<Definition> {
    FIGURES.iter().map(|f| f.definition).chain(DETAILS.iter().copied()).collect()
}

use Better::{Higher, Lower, Neither};

pub(crate) const THRESHOLDS: &str =
    "thresholds of an open laminectomy simulator (4 and 2 mm); widened by the case's own uncertainty";
pub(crate) const EVENTS: &str = "recorded events";
const LOADS: &str = "simulated load on dura and roots that give way, with constants that no surgeon has set yet (K)";
pub(crate) const AGAIN: &str = "run again from the recorded inputs";
pub(crate) const SMOOTHED: &str = "recorded poses of the hand at 60 Hz of its own count of inputs, smoothed by a cubic over 13 ticks (Savitzky and Golay 1964; half amplitude at about 8 Hz)";
pub(crate) const TREMOR: &str = "recorded poses of the hand at 60 Hz of its own count of inputs; spectrum of half seconds in which the hand's mean speed was at most 10 mm/s (K); physiological tremor peaks between 6 and 12 Hz (Lakie 2015)";
pub(crate) const TISSUE: &str = "Bissonnette 2019 and Mirchi 2020 count removed tissue by structure";
pub(crate) const MEASURES: &str = "live measures at the end of the recording; docs/MEASURES.md";
pub(crate) const DELPHI: &str = "steps and sentinel errors as in Melcher 2020 (Delphi for unilateral laminotomy)";

/// Everything behind the figures.
const DETAILS: &[Definition] = &[
    of(
        "outcome",
        "removed_mm3.*",
        "mm³",
        Neither,
        "Volume of a structure that is gone at the end, by sub-voxel occupancy (a linear step one voxel wide).",
        TISSUE,
    ),
    of("outcome", "left_mm3.*", "mm³", Neither, "Volume of the structure that is left.", "the same occupancy"),
    of(
        "outcome",
        "levels.*.*",
        "mm³",
        Neither,
        "Removed volume of bone, flavum and disc, summed by the vertebra that names the level.",
        TISSUE,
    ),
    of("outcome", "outcome.flavum_left_share.*", "", Neither, "Share of a flavum's volume that is left.", TISSUE),
    of("outcome", "outcome.disc_left_share.*", "", Neither, "Share of a disc's volume that is left.", TISSUE),
    of(
        "outcome",
        "outcome.target_level",
        "",
        Neither,
        "The procedure's level, else that from which most was taken (at least 1 mm³).",
        "removed volumes",
    ),
    of(
        "outcome",
        "outcome.levels.*.canal_before_mm2",
        "mm²",
        Neither,
        "Least area of the dural sac as imaged over the level's slices.",
        MEASURES,
    ),
    of(
        "outcome",
        "outcome.levels.*.canal_mm2",
        "mm²",
        Higher,
        "Least area that the sac has now: as imaged, and re-expanded into room that was opened, up to its unstenosed outline.",
        MEASURES,
    ),
    of("outcome", "outcome.levels.*.canal_source", "", Neither, "Where the sac's surface comes from.", "case"),
    of("outcome", "outcome.levels.*.canal_slices.*.along_mm", "mm", Neither, "Place of a slice on the canal's axis.", MEASURES),
    of(
        "outcome",
        "outcome.levels.*.canal_slices.*.before_mm2|free_mm2",
        "mm²",
        Neither,
        "Area of the sac in the slice before and now.",
        MEASURES,
    ),
    of(
        "outcome",
        "outcome.levels.*.left|right.facet_kept_share",
        "",
        Higher,
        "Share of the facet joint's bone that is left.",
        MEASURES,
    ),
    of(
        "outcome",
        "outcome.levels.*.left|right.lamina_left_share|flavum_left_share|disc_left_share",
        "",
        Neither,
        "Share of the upper lamina, the flavum, or the disc that is left on the side.",
        MEASURES,
    ),
    of(
        "outcome",
        "outcome.levels.*.left|right.pars_before_mm|pars_mm",
        "mm",
        Higher,
        "Least width of the upper vertebra's pars, before and now.",
        MEASURES,
    ),
    of(
        "outcome",
        "outcome.levels.*.left|right.foramen_probe_before_mm|foramen_probe_mm",
        "mm",
        Higher,
        "Diameter of the widest probe that passes the foramen, in steps of 0.5 mm, before and now.",
        MEASURES,
    ),
    of(
        "outcome",
        "judged.*",
        "",
        Neither,
        "The figure as targets and score judge it, in its own unit: of structures that were seen. Null: it has no value, or rests on proposed \
         anatomy alone, or nobody changed it, or the procedure does not aim at it; `unjudged` says which.",
        "case",
    ),
    of("outcome", "sources.*", "", Neither, "Where a structure's surface comes from; proposed: no image shows it.", "case"),
    of("efficiency", "duration_s", "s", Neither, "From the first to the last tick in which a hand held a tool.", "record"),
    of("efficiency", "time.removing_s", "s", Neither, "Time of the ticks in which tissue was taken.", EVENTS),
    of(
        "efficiency",
        "time.share_removing",
        "",
        Higher,
        "removing_s by duration_s.",
        "Sim-Ortho: 61.8 % surgeons, 53 % residents, 30 % students",
    ),
    of(
        "efficiency",
        "time.idle_s",
        "s",
        Lower,
        "Time in which nothing was taken and no tool's tip moved faster than 2 mm/s; unseen_s is left out.",
        "threshold: common practice (K)",
    ),
    of(
        "efficiency",
        "time.unseen_s",
        "s",
        Neither,
        "Time in which tools were held, nothing was taken, and no new input of any hand had come for three ticks: what the hands did is not \
         known, and it counts neither as idle nor as moved. Time in which the server itself stood still is in no tick: `session.stalled_s`.",
        "recorded inputs",
    ),
    of("efficiency", "time.running_s", "s", Neither, "Time in which a burr spun.", AGAIN),
    of(
        "efficiency",
        "time.removed_per_s_mm3",
        "mm³/s",
        Neither,
        "Volume taken by removing_s.",
        "9-22 mm³/s in a public drilling study (107 runs)",
    ),
    of(
        "efficiency",
        "time.tool_changes",
        "",
        Neither,
        "Times a hand took up a tool other than, or of another size than, the one it held last.",
        "recorded inputs",
    ),
    of(
        "efficiency",
        "time.strokes",
        "",
        Neither,
        "Runs of ticks in which a burr took tissue, ended by a quarter of a second without.",
        "68 strokes in a median run of 206 s in a public drilling study; pause (K)",
    ),
    of("efficiency", "time.bites", "", Neither, "Ticks in which a tool other than a burr took tissue.", EVENTS),
    of("efficiency", "time.bites_refused", "", Lower, "Times a punch closed without taking anything.", EVENTS),
    of("team", "users.*.role", "", Neither, "The role on the person's invitation.", "record"),
    of(
        "team",
        "users.*.removed_mm3.*",
        "mm³",
        Neither,
        "Who removed what: volume at the time it was taken. Work that a rewind took back is included.",
        EVENTS,
    ),
    of("team", "users.*.removing_s", "s", Neither, "Time of the ticks in which the person took tissue.", EVENTS),
    of("team", "users.*.neural_contacts", "", Lower, "The person's contacts with neural tissue.", EVENTS),
    of("team", "users.*.pinches", "", Lower, "Times the person closed a punch on neural tissue.", EVENTS),
    of("team", "users.*.bites_refused", "", Lower, "Times the person's punch closed without taking anything.", EVENTS),
    of(
        "team",
        "users.*.both_hands_loaded_s",
        "s",
        Neither,
        "Time in which both of the person's tools worked at once: took tissue, were inside neural tissue, or pressed on bone with 0.03 N or more.",
        AGAIN,
    ),
    of(
        "team",
        "team.two_people_loaded_s",
        "s",
        Neither,
        "Time in which tools of two people or more worked at once, as above.",
        AGAIN,
    ),
    of("team", "team.hand_overs", "", Neither, "Times a tool went from one person's hand into another's.", "record"),
    of("team", "team.rights_given", "", Neither, "Times somebody was given the right to operate.", "record"),
    of(
        "team",
        "team.turns",
        "",
        Neither,
        "Times the person who took most in a second was another than in the last second in which anything was taken.",
        EVENTS,
    ),
    of("team", "team.rewinds", "", Neither, "Times the session went back to an earlier moment.", "record"),
    of(
        "team",
        "team.interventions.*.at_tick|user|role|what",
        "",
        Neither,
        "Each time somebody froze all tools, paused, took a person's tools away, or went back.",
        "record",
    ),
    of(
        "safety",
        "safety.thresholds_mm.*",
        "mm",
        Neither,
        "The room's thresholds at the end, for a surface that is certain; each structure's own are in force.",
        THRESHOLDS,
    ),
    of(
        "safety",
        "safety.structures.*.caution_mm|danger_mm",
        "mm",
        Neither,
        "Thresholds in force for the structure at the end: the room's, wider by uncertainty_mm (at most 4 mm).",
        THRESHOLDS,
    ),
    of(
        "safety",
        "safety.structures.*.least_distance_mm",
        "mm",
        Higher,
        "Least distance at any tick from the surface of any tool, stopped by bone, to the structure's surface; negative inside. Null: never \
         within reach of the measurement.",
        AGAIN,
    ),
    of(
        "safety",
        "safety.structures.*.caution_s",
        "s",
        Lower,
        "Time in which a tool was within the caution threshold and none within danger.",
        THRESHOLDS,
    ),
    of(
        "safety",
        "safety.structures.*.danger_s",
        "s",
        Lower,
        "Time in which a tool was within the structure's danger threshold, touching or inside. By distance: the alarm's level lasts up \
         to 0.3 mm longer on the way out.",
        THRESHOLDS,
    ),
    of("safety", "safety.structures.*.contacts", "", Lower, "Times a tool's surface entered the structure.", EVENTS),
    of("safety", "safety.structures.*.active_contacts", "", Lower, "Of these with a running or closing tool.", EVENTS),
    of("safety", "safety.structures.*.contact_s", "s", Lower, "Time of the contacts, summed.", EVENTS),
    of("safety", "safety.structures.*.active_s", "s", Lower, "Of this with a running or closing tool.", EVENTS),
    of(
        "safety",
        "safety.structures.*.greatest_depth_mm",
        "mm",
        Lower,
        "Deepest that a tool's surface was inside the structure.",
        EVENTS,
    ),
    of(
        "safety",
        "safety.structures.*.pinches",
        "",
        Lower,
        "Times a punch closed with the structure in its jaw.",
        "events; 41 % of durotomies are the Kerrison's (Adv Spine J 2015)",
    ),
    of(
        "safety",
        "safety.structures.*.uncertainty_mm",
        "mm",
        Neither,
        "How far the structure's surface may be off; widens the thresholds.",
        "case",
    ),
    of("safety", "safety.structures.*.source", "", Neither, "Where the structure's surface comes from.", "case"),
    of("safety", "safety.contacts.*.structure|user|tool", "", Neither, "One contact: with what, whose, by which tool.", EVENTS),
    of("safety", "safety.contacts.*.start_s", "s", Neither, "When the contact began.", EVENTS),
    of("safety", "safety.contacts.*.seconds", "s", Lower, "How long it lasted.", EVENTS),
    of("safety", "safety.contacts.*.deepest_mm", "mm", Lower, "How deep it went.", EVENTS),
    of("safety", "safety.contacts.*.active_s", "s", Lower, "How long the tool ran or closed meanwhile.", EVENTS),
    of("safety", "safety.contacts.*.active", "", Lower, "Whether the tool ran or closed at any moment of it.", EVENTS),
    of(
        "safety",
        "safety.contacts.*.open",
        "",
        Neither,
        "Whether the session ended before the contact; its figures are then lower bounds.",
        EVENTS,
    ),
    of("safety", "safety.contacts_by_tool.*.*.contacts", "", Lower, "Contacts with a structure by a kind of tool.", EVENTS),
    of("safety", "safety.contacts_by_tool.*.*.active_contacts", "", Lower, "Of these while it ran or closed.", EVENTS),
    of("safety", "safety.contacts_by_tool.*.*.contact_s", "s", Lower, "Their time, summed.", EVENTS),
    of("safety", "safety.contacts_by_tool.*.*.greatest_depth_mm", "mm", Lower, "The deepest of them.", EVENTS),
    of("safety", "safety.breakthroughs", "", Neither, "Times a loaded burr came through bone and went on freely.", EVENTS),
    of(
        "safety",
        "safety.greatest_plunge_mm",
        "mm",
        Lower,
        "Farthest that a burr went on freely in the tick in which it came through.",
        EVENTS,
    ),
    of("safety", "safety.plunges.*.user|tool", "", Neither, "Whose burr came through bone.", EVENTS),
    of("safety", "safety.plunges.*.at_s", "s", Neither, "When.", EVENTS),
    of("safety", "safety.plunges.*.first_mm", "mm", Lower, "How far it went on freely in that tick.", EVENTS),
    of(
        "safety",
        "safety.plunges.*.reach_mm",
        "mm",
        Lower,
        "How far its tip went deeper, in the direction in which the tool pointed, within half a second of coming through (K), until bone \
         held it again, it was drawn back by 0.3 mm, or had gone aside by more than its head's radius beyond 45°.",
        AGAIN,
    ),
    of("safety", "safety.plunges.*.least_distance_mm", "mm", Higher, "How near to neural tissue it came in that time.", AGAIN),
    of("safety", "safety.alarms.to_caution", "", Lower, "Times a tool's level for a structure rose to caution.", THRESHOLDS),
    of("safety", "safety.alarms.to_danger", "", Lower, "Times it rose to danger.", THRESHOLDS),
    of("safety", "safety.alarms.heard_s", "s", Lower, "Time in which the alarm sounded for any tool.", AGAIN),
    of("safety", "safety.alarms.share_heard", "", Lower, "heard_s by duration_s.", AGAIN),
    of(
        "safety",
        "safety.alarms.median_reaction_s|longest_reaction_s",
        "s",
        Lower,
        "From a rise to danger that was heard until the trigger was let go or the tool taken back by 0.3 mm from its nearest place, for a quarter of a second at least, or put down (K). What came within 0.1 s was under way before, and is no reaction.",
        AGAIN,
    ),
    of(
        "safety",
        "safety.alarms.unanswered",
        "",
        Lower,
        "Rises to danger that were heard, with none of these within 10 s.",
        AGAIN,
    ),
    of(
        "safety",
        "safety.alarms.rises.*.user|tool|structure|heard|stalled|under_way",
        "",
        Neither,
        "A rise to danger: whose, by what, to what, whether heard, whether the server stood still before it was answered, and whether the answer was under way before.",
        EVENTS,
    ),
    of("safety", "safety.alarms.rises.*.at_s", "s", Neither, "When.", EVENTS),
    of(
        "safety",
        "safety.alarms.rises.*.distance_mm|threshold_mm",
        "mm",
        Neither,
        "Distance then, and the threshold in force.",
        EVENTS,
    ),
    of(
        "safety",
        "safety.alarms.rises.*.reaction_s",
        "s",
        Lower,
        "Time until it was answered; null: not heard, not within 10 s, under way before, or the server stood still meanwhile.",
        AGAIN,
    ),
    of(
        "safety",
        "safety.danger_s",
        "s",
        Lower,
        "Time in which any tool was within danger of any structure, by the tool's distance in that tick. Between the longest of the \
         structures' own danger_s and their sum.",
        THRESHOLDS,
    ),
    of(
        "safety",
        "safety.running_in_danger_s",
        "s",
        Lower,
        "Part of danger_s in which a tool that ran or closed was itself within danger.",
        THRESHOLDS,
    ),
    of(
        "safety",
        "safety.danger_speed_p95_mm_per_s",
        "mm/s",
        Lower,
        "Speed below which hands within danger stayed for 95 % of that time.",
        SMOOTHED,
    ),
    of(
        "safety",
        "safety.peak_load_newton",
        "N",
        Lower,
        "Greatest load of any tool on bone, by a spring between hand and stopped tool whose stiffness is tuned (K).",
        "peak force of 1.2-2.4 N in robotic laminectomy",
    ),
    of(
        "safety",
        "safety.harm.kicks",
        "",
        Lower,
        "Times a spinning burr grabbed soft tissue and jumped; jumps of one hand within a quarter of a second are one catch.",
        "events; pause (K)",
    ),
    of("safety", "safety.harm.greatest_kick_mm", "mm", Lower, "The farthest of these jumps.", EVENTS),
    of(
        "safety",
        "safety.harm.dry_drilling_s",
        "s",
        Lower,
        "Time of drilling without irrigation.",
        "events; 47 °C are reached in 10 s dry at 45,000 rpm",
    ),
    of(
        "safety",
        "safety.harm.overheated_s",
        "s",
        Lower,
        "Longest time in which bone under a burr was above the harmful temperature.",
        EVENTS,
    ),
    of(
        "safety",
        "safety.harm.peak_celsius",
        "°C",
        Lower,
        "Highest temperature of bone that was recorded with dry drilling or heat.",
        EVENTS,
    ),
    of("safety", "safety.harm.retraction.*.times", "", Lower, "Times a retractor held the nerve.", EVENTS),
    of("safety", "safety.harm.retraction.*.seconds", "s", Lower, "How long in all.", EVENTS),
    of("safety", "safety.harm.retraction.*.peak_newton", "N", Lower, "Greatest load.", EVENTS),
    of("safety", "safety.harm.retraction.*.impulse_newton_s", "N·s", Lower, "Load summed over the time.", EVENTS),
    of(
        "safety",
        "safety.harm.retraction_peak_newton",
        "N",
        Lower,
        "Greatest load of a retractor on any nerve.",
        "radiculitis 18 to 7 % when limited to 3.5 N",
    ),
    of("safety", "safety.harm.retraction_s", "s", Lower, "Time in which nerves were held, summed.", EVENTS),
    of("safety", "safety.harm.retraction_impulse_newton_s", "N·s", Lower, "Load summed over the time, over all nerves.", EVENTS),
    of("safety", "safety.harm.retraction_over_limit", "", Lower, "Times a load went above the limit.", "3.5 N, as above"),
    of(
        "safety",
        "safety.harm.disc_depth_marks",
        "",
        Neither,
        "Times a rongeur's tip reached its depth mark in a disc.",
        "jaw marked at 25-30 mm (K)",
    ),
    of("safety", "safety.harm.disc_breaches", "", Lower, "Times a tip came out of a disc on its far side.", EVENTS),
    of("safety", "safety.tissues.tears", "", Lower, "Tears of dura and roots that there are at the end.", LOADS),
    of("safety", "safety.tissues.longest_tear_mm", "mm", Lower, "Length of the longest tear.", LOADS),
    of("safety", "safety.tissues.csf_leaks", "", Lower, "Tears of the sac that leak CSF at the end.", "leaks from 1 mm on (K)"),
    of(
        "safety",
        "safety.tissues.pars_fractures",
        "",
        Lower,
        "Times that a pars broke under a tool's load.",
        "breaks with less than 15 mm² left (K); unroofing the whole canal leaves about 1 mm each side at L1-L2 (OHSU)",
    ),
    of("safety", "safety.tissues.fragments", "", Neither, "Pieces that came loose and were larger than dust.", EVENTS),
    of("safety", "safety.tissues.fragments_left", "", Lower, "Of these, pieces that lie in the wound at the end.", EVENTS),
    of("safety", "safety.tissues.fragments_left_mm3", "mm³", Lower, "Their volume.", EVENTS),
    of(
        "safety",
        "safety.tissues.veiled_s",
        "s",
        Lower,
        "Time in which tools worked where blood and dust hid them, over all tools, as far as the field was cleared again.",
        EVENTS,
    ),
    of("motion", "motion.*.*.held_s", "s", Neither, "Time the tool was held.", AGAIN),
    of(
        "motion",
        "motion.*.*.path_mm",
        "mm",
        Lower,
        "Length of the way of the tool's tip, stopped by bone, tick by tick while the tool is held.",
        AGAIN,
    ),
    of("motion", "motion.*.*.mean_mm_per_s", "mm/s", Neither, "path_mm by held_s.", AGAIN),
    of(
        "motion",
        "motion.*.*.peak_mm_per_s",
        "mm/s",
        Lower,
        "Greatest speed of the tip over three ticks (1/20 s), so that one jitter of tracking does not make it; not over pauses of the server.",
        AGAIN,
    ),
    of(
        "motion",
        "motion.*.*.hand_path_mm",
        "mm",
        Lower,
        "Length of the hand's recorded way; jumps of tracking, and over pauses of the server, left out.",
        "recorded poses",
    ),
    of("motion", "motion.*.*.hand_mean_mm_per_s|hand_peak_mm_per_s", "mm/s", Neither, "Speed of the hand.", SMOOTHED),
    of(
        "motion",
        "motion.*.*.mean_acceleration_mm_per_s2|peak_acceleration_mm_per_s2",
        "mm/s²",
        Lower,
        "Size of the hand's acceleration.",
        SMOOTHED,
    ),
    of("motion", "motion.*.*.mean_jerk_mm_per_s3|peak_jerk_mm_per_s3", "mm/s³", Lower, "Size of the hand's jerk.", SMOOTHED),
    of(
        "motion",
        "motion.*.*.tremor_mm",
        "mm",
        Lower,
        "Root mean square of the hand's shaking between 6 and 12 Hz while it was held still or led slowly: the median of half seconds, seven at least.",
        TREMOR,
    ),
    of(
        "motion",
        "motion.*.*.surface_degrees",
        "°",
        Neither,
        "Mean angle between a burr's shaft and the bone's outward normal where its head touches, looked at ten times a second.",
        AGAIN,
    ),
    of(
        "process",
        "phases.*.activity|level|side",
        "",
        Neither,
        "A phase: what was done, at which level, on which side (middle: within 3 mm of the sac's).",
        "found from what was taken, with what and where; docs/ASSESSMENT.md",
    ),
    of("process", "phases.*.start_s", "s", Neither, "When the phase began.", "as above"),
    of("process", "phases.*.seconds", "s", Neither, "How long it lasted.", "as above"),
    of("process", "phases.*.removed_mm3.*", "mm³", Neither, "What was taken in it, by class.", EVENTS),
    of("process", "phase_s.*", "s", Neither, "Time by kind of phase.", "as above"),
    of("process", "process.procedure", "", Neither, "The procedure that a note in the recording names.", DELPHI),
    of("process", "process.completed", "", Higher, "Whether all its steps were done.", DELPHI),
    of("process", "process.steps_done", "", Higher, "Steps that were done, in order or not.", DELPHI),
    of("process", "process.steps_share", "", Higher, "Of all steps for which the patient has tissue.", DELPHI),
    of("process", "process.steps_in_order", "", Higher, "Whether no step was done while an earlier one was open.", DELPHI),
    of(
        "process",
        "process.steps.*.id|title|status",
        "",
        Neither,
        "One step, and whether it was done, done out of order, is open, or lacks its tissue in this patient (lacking).",
        DELPHI,
    ),
    of("process", "process.steps.*.at_s", "s", Neither, "When it was done.", DELPHI),
    of("process", "process.sentinel_errors", "", Lower, "Kinds of errors that must never happen and did.", DELPHI),
    of("process", "process.sentinels.*.what|structure", "", Lower, "One of them, and to what it happened.", DELPHI),
    of("process", "process.sentinels.*.at_s", "s", Neither, "When it happened first.", DELPHI),
    of("process", "process.sentinels.*.times", "", Lower, "How often.", DELPHI),
    of(
        "process",
        "process.wrong_level",
        "",
        Lower,
        "Whether more than 20 mm³ of bone were taken from a vertebra that has no part in the procedure.",
        "Groff 2013: about half of 569 surgeons had once; volume (K)",
    ),
    of(
        "process",
        "process.planned_mm3",
        "mm³",
        Neither,
        "Bone in the zones that the procedure's steps take, before any cut.",
        "the procedure's plan",
    ),
    of(
        "process",
        "process.within_plan_mm3",
        "mm³",
        Higher,
        "Bone removed within them, a margin of 1.5 mm included.",
        "the procedure's plan; margin (K)",
    ),
    of("process", "process.outside_plan_mm3", "mm³", Lower, "Bone removed elsewhere.", "the procedure's plan; margin (K)"),
    of("process", "osats.rater_role|comment", "", Neither, "Who rated, and their words.", "the mentor's form"),
    of("process", "osats.rated_user", "", Neither, "Number of the person who was rated; null: the team.", "the mentor's form"),
    of("process", "osats.items.*", "", Higher, "One item of the OSATS global rating scale, 1-5.", "Martin 1997; Reznick 1997"),
    of("process", "osats.total", "", Higher, "Their sum, 7-35.", "Martin 1997; Reznick 1997"),
    of(
        "safety",
        "score.safety",
        "",
        Higher,
        "Points by the rule of docs/ASSESSMENT.md, 0-100, of the items that the recording has, and no more than the findings allow.",
        "rule by teaching and literature, trained on nothing (K)",
    ),
    of("safety", "score.points", "", Higher, "The same before what the findings allow.", "as above"),
    of(
        "safety",
        "score.most",
        "",
        Higher,
        "Most that the gravest finding allows: 75 with a danger, 50 with a harm; null: neither was found.",
        "no score may speak against the findings (K)",
    ),
    of("safety", "score.of_weight", "", Neither, "Weight of the items that the recording has, of all.", "as above"),
    of("safety", "score.items.*.figure", "", Neither, "The figure that an item judges.", "as above"),
    of(
        "safety",
        "score.items.*.weight|good|bad|value|points",
        "",
        Neither,
        "The item's weight, where it has full points and none, its value and points.",
        "as above",
    ),
];

/// What this report does not measure; it must not be read into it.
pub const NOT_MEASURED: &[&str] = &[
    "Load on nerves by tools other than a retractor: no figure counts it.",
    "Deformation: least distances, times near nerves and contacts are to the surfaces of dura and roots at rest, also where they gave way.",
    "Force at the hand: load is that of a spring between the tracked hand and the stopped tool, with constants that no surgeon has set yet.",
    "Skill: no figure here has been validated against surgeons' performance, and the safety score is a rule, not a finding.",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every entry is whole, and no path stands twice.
    #[test]
    fn entries_are_whole_and_unique() {
        let all = all();
        let paths: BTreeSet<&str> = all.iter().map(|d| d.path).collect();
        assert_eq!(paths.len(), all.len());
        for d in &all {
            assert!(["outcome", "safety", "efficiency", "motion", "team", "process"].contains(&d.category), "{}", d.path);
            assert!(d.definition.ends_with('.') && !d.source.is_empty(), "{}", d.path);
            let plain = !d.path.contains("_per_") && !d.path.ends_with("newton_s");
            let ends = |suffix: &str| plain && d.path.ends_with(suffix);
            assert!(!ends("_mm3") || d.unit == "mm³", "{}", d.path);
            assert!(!ends("_s") || d.unit == "s", "{}", d.path);
        }
    }

    #[test]
    fn paths_are_told_apart() {
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        let d = of("safety", "a.*.x|y", "", Lower, "", "");
        assert!(d.covers(&path("a.7.x")) && d.covers(&path("a.b.y")));
        assert!(!d.covers(&path("a.7.z")) && !d.covers(&path("a.7")) && !d.covers(&path("b.7.x")));
        assert_eq!(of("safety", "motion.*.*", "", Lower, "", "").name(), "motion");
    }
}
