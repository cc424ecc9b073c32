//! What each metric means, in which unit, and where it comes from.

use serde::Serialize;

/// The definition of one metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Definition {
    /// Category: outcome, safety, efficiency, motion or team.
    pub category: &'static str,
    /// The metric's key.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// What it means.
    pub definition: &'static str,
    /// Where it comes from.
    pub source: &'static str,
}

const fn of(
    category: &'static str,
    name: &'static str,
    unit: &'static str,
    definition: &'static str,
    source: &'static str,
) -> Definition {
    Definition { category, name, unit, definition, source }
}

const SIMULATOR: &str = "thresholds of an open laminectomy simulator; widened by the case's own uncertainty";

/// All metrics of a report.
pub const DEFINITIONS: &[Definition] = &[
    of(
        "outcome",
        "removed_mm3",
        "mm³",
        "Volume of a structure that is gone at the end, by sub-voxel occupancy (a linear step one voxel wide).",
        "Bissonnette 2019 and Mirchi 2020 count removed tissue by structure",
    ),
    of("outcome", "left_mm3", "mm³", "Volume of the structure that is left.", "the same occupancy"),
    of(
        "outcome",
        "levels",
        "mm³",
        "Removed volume of bone, flavum and disc, summed by the vertebra that names the level.",
        "as above",
    ),
    of(
        "safety",
        "least_distance_mm",
        "mm",
        "Least distance at any tick from the surface of any tool, stopped by bone, to the structure's surface; negative inside. None: never \
         within reach of the measurement.",
        "run again from the inputs",
    ),
    of("safety", "caution_s", "s", "Time in which a tool was within the caution threshold and none within danger.", SIMULATOR),
    of("safety", "danger_s", "s", "Time in which a tool was within the danger threshold, touching or inside.", SIMULATOR),
    of(
        "safety",
        "contacts",
        "",
        "Times a tool's surface entered the structure, with time, depth, and the share with a running tool.",
        "events",
    ),
    of(
        "safety",
        "pinches",
        "",
        "Times a punch closed with the structure in its jaw.",
        "events; 41 % of durotomies are the Kerrison's (Adv Spine J 2015)",
    ),
    of(
        "safety",
        "breakthroughs",
        "",
        "Times a loaded burr came through bone and went on freely, with the way it went.",
        "events",
    ),
    of("efficiency", "duration_s", "s", "From the first to the last record of the session.", "record"),
    of(
        "efficiency",
        "removing_s",
        "s",
        "Time of the ticks in which tissue was taken.",
        "Sim-Ortho: 61.8 % surgeons, 53 % residents, 30 % students",
    ),
    of("efficiency", "share_removing", "", "removing_s by duration_s.", "as above"),
    of(
        "efficiency",
        "idle_s",
        "s",
        "Time in which nothing was taken and no tool's tip moved faster than 2 mm/s.",
        "threshold: common practice (K)",
    ),
    of(
        "motion",
        "path_mm",
        "mm",
        "Length of the way of the tool's tip, stopped by bone, tick by tick while the tool is held.",
        "run again from the inputs",
    ),
    of("motion", "mean_mm_per_s", "mm/s", "Path by the time the tool was held.", "as above"),
    of(
        "motion",
        "peak_mm_per_s",
        "mm/s",
        "Greatest speed over three ticks (1/20 s), so that one jitter of tracking does not make it.",
        "as above",
    ),
    of(
        "team",
        "users.removed_mm3",
        "mm³",
        "Who removed what: volume at the time it was taken. Work that a rewind took back is included.",
        "events",
    ),
];

/// What this report does not measure; it must not be read into it.
pub const NOT_MEASURED: &[&str] = &[
    "Free canal or dural-sac area per slice, its change, and facet or pars left: the report counts removed volume only.",
    "Deformation: dura, roots and flavum do not move, so retraction, its force and time, and re-expansion of the sac are absent.",
    "Heat, irrigation and dry drilling.",
    "Tears of the dura: a contact with its depth is reported, its consequence is not.",
    "Force at the hand: load is that of a spring between the tracked hand and the stopped tool, with constants that no surgeon has set yet.",
    "Wrong level, the steps of the procedure and their order, and ratings by a mentor.",
    "Skill: no figure here has been validated against surgeons' performance.",
];
