//! The proximity alarm: every tool of every user at every tick, cutting or not, from the tool's whole surface to every neural structure.
//!
//! Four faults seen elsewhere are ruled out by construction. The distance is measured where the tool is, whatever it does, so an
//! approach without cutting is not silent. A negative distance, inside the structure, is less than every threshold, so it is danger. The
//! minimum over a tool's parts and structures is taken of values that do not depend on each other, so no order changes it. And a warning
//! carries the threshold that made it, so a banner cannot name another.

use std::sync::Arc;

use spinor_volume::proximity::ProximityField;
use spinor_volume::{Grid, Label, Patient, TissueClass};

use crate::events::{AlarmLevel, Warning};
use crate::input::TICKS_PER_SECOND;
use crate::pose::{Rotation, place, um};
use crate::settings::Settings;
use crate::state::Nearest;
use crate::tool::{Part, Shape};
use crate::vector::{Vec3, mix, norm, sub};

/// By how much the least distance found along a tool's shaft may exceed the true one, mm.
const SHAFT_ERROR_MM: f64 = 0.05;
/// Largest radius of any tool's part, mm: how much farther than the thresholds the fields must reach.
const LARGEST_PART_MM: f64 = 4.0;
/// How much farther still, mm: the steps along a shaft that is far away.
const LONG_STEP_MM: f64 = 3.0;

/// Distances to one neural structure.
#[derive(Clone, Debug)]
pub(crate) struct NeuralField {
    pub(crate) label: Label,
    uncertainty_mm: f64,
    field: ProximityField,
}

impl NeuralField {
    /// Signed distance from a position to the structure's surface; none beyond the reach.
    pub(crate) fn distance_mm(&self, grid: &Grid, at: Vec3) -> Option<f64> {
        self.field.distance_mm(grid, at)
    }
}

/// Distances to all neural structures of a patient, in the order of their labels. They do not change, so rooms of one case share them.
#[derive(Clone, Debug)]
pub struct NeuralFields {
    fields: Vec<NeuralField>,
    reach: Reach,
}

/// How far distances are known, and how far tools are measured, mm from a part's axis.
#[derive(Clone, Copy, Debug)]
struct Reach {
    fields_mm: f64,
    look_mm: f64,
}

impl NeuralFields {
    /// Builds the distances. Takes some 10-100 ms per structure: keep it beside the case.
    pub fn build(patient: &Patient, settings: &Settings) -> Arc<Self> {
        let settings = settings.checked();
        let neural = || patient.structures().iter().filter(|s| s.class == TissueClass::Neural);
        let widest = neural().map(|s| widening_mm(&settings, s.uncertainty_mm)).fold(0.0, f64::max);
        let look_mm = settings.caution_mm + widest + settings.alarm_hysteresis_mm + LARGEST_PART_MM;
        let reach = Reach { fields_mm: look_mm + LONG_STEP_MM, look_mm };
        let build = |s: &spinor_volume::Structure| NeuralField {
            label: s.label,
            uncertainty_mm: f64::from(s.uncertainty_mm),
            field: ProximityField::build(patient.grid(), &s.sdf, reach.fields_mm),
        };
        Arc::new(Self { fields: neural().map(build).collect(), reach })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &NeuralField> {
        self.fields.iter()
    }

    /// Distance from a part's axis beyond which a tool counts as far away, mm.
    pub fn look_mm(&self) -> f64 {
        self.reach.look_mm
    }

    /// Signed distance from a tool's surface to each neural structure, µm, in the order of the labels; none beyond the reach.
    pub fn distances_um(&self, grid: &Grid, shape: &Shape, rotation: &Rotation, tip_mm: [f64; 3]) -> Vec<(Label, Option<i32>)> {
        let distance = |field: &NeuralField| {
            let parts = shape.parts.iter().filter_map(|part| part_distance_mm(field, grid, self.reach, part, rotation, tip_mm));
            parts.reduce(f64::min).map(um)
        };
        self.fields.iter().map(|field| (field.label, distance(field))).collect()
    }
}

/// By how much an uncertainty widens the thresholds; what is not a number widens by the limit.
fn widening_mm(settings: &Settings, uncertainty_mm: f32) -> f64 {
    let uncertainty = f64::from(uncertainty_mm);
    if uncertainty.is_nan() { settings.widening_limit_mm } else { uncertainty.clamp(0.0, settings.widening_limit_mm) }
}

/// Least distance from a rounded part's surface, if its axis comes within `look_mm` of the structure. The way along the axis is walked in
/// steps as long as the distance allows: between two places, a distance cannot fall faster than the way is long, so the result is at
/// most [`SHAFT_ERROR_MM`] too large. Distances are known up to `reach_mm`, farther than `look_mm`, so that steps far away are long.
fn part_distance_mm(field: &NeuralField, grid: &Grid, reach: Reach, part: &Part, rotation: &Rotation, tip: Vec3) -> Option<f64> {
    let (a, b) = (place(rotation, tip, part.a_mm), place(rotation, tip, part.b_mm));
    let length = norm(sub(b, a));
    let mut best = reach.look_mm;
    let mut along = 0.0;
    loop {
        let t = if length > 0.0 { (along / length).min(1.0) } else { 0.0 };
        let here = field.distance_mm(grid, mix(a, b, t)).unwrap_or(reach.fields_mm);
        best = best.min(here);
        if along >= length {
            break;
        }
        along += 2.0 * SHAFT_ERROR_MM + (here - best).max(0.0);
    }
    (best < reach.look_mm).then_some(best - part.radius_mm)
}

/// What one tool's alarm remembers from tick to tick.
#[derive(Clone, Debug, Default)]
pub(crate) struct AlarmMemory {
    /// Level per neural structure.
    levels: Vec<AlarmLevel>,
    /// Distance per neural structure in the tick before, µm.
    before: Vec<Option<i32>>,
    /// Ticks for which the tone goes on.
    held: u32,
}

/// A tool's alarm in one tick.
#[derive(Clone, Debug)]
pub(crate) struct Alarm {
    pub(crate) nearest: Option<Nearest>,
    pub(crate) level: AlarmLevel,
    pub(crate) warning: Option<Warning>,
    pub(crate) sounding: bool,
    /// Levels that changed, with the level before.
    pub(crate) changes: Vec<(AlarmLevel, Warning)>,
}

impl AlarmMemory {
    /// Ends all levels: the tool is put down. Levels that were up are told as clear.
    pub(crate) fn put_down(&mut self, settings: &Settings, fields: &NeuralFields) -> Vec<(AlarmLevel, Warning)> {
        let nowhere: Vec<(Label, Option<i32>)> = fields.iter().map(|field| (field.label, None)).collect();
        self.judge(settings, fields, &nowhere, false).changes
    }

    /// Judges a tool by its distances. `active` is a spinning burr or a closing punch.
    pub(crate) fn judge(
        &mut self,
        settings: &Settings,
        fields: &NeuralFields,
        distances: &[(Label, Option<i32>)],
        active: bool,
    ) -> Alarm {
        self.levels.resize(distances.len(), AlarmLevel::Clear);
        self.before.resize(distances.len(), None);
        let mut alarm = Alarm { nearest: None, level: AlarmLevel::Clear, warning: None, sounding: false, changes: Vec::new() };
        let (mut fast, mut gravest) = (false, None);
        for (k, (field, (structure, distance))) in fields.iter().zip(distances).enumerate() {
            let was = self.levels[k];
            let warning = warning(settings, field.uncertainty_mm as f32, *structure, *distance, was);
            self.levels[k] = warning.level;
            if let Some(distance_um) = *distance {
                if alarm.nearest.is_none_or(|n| distance_um < n.distance_um) {
                    alarm.nearest = Some(Nearest { structure: *structure, distance_um });
                }
                let nearer = self.before[k].map_or(0, |before| before.saturating_sub(distance_um));
                let speed = f64::from(nearer) / 1_000.0 * f64::from(TICKS_PER_SECOND);
                fast |= warning.level > AlarmLevel::Clear && speed >= settings.fast_approach_mm_per_s;
            }
            self.before[k] = *distance;
            if warning.level != was {
                alarm.changes.push((was, warning));
            }
            // The gravest level; of several at it the one farthest inside its threshold; of several as far the lowest label.
            let rank = (warning.level, i64::from(warning.threshold_um) - i64::from(warning.distance_um));
            if warning.level > AlarmLevel::Clear && gravest.is_none_or(|g| rank > g) {
                (gravest, alarm.warning, alarm.level) = (Some(rank), Some(warning), warning.level);
            }
        }
        let reason = alarm.level > AlarmLevel::Clear && (active || fast);
        self.held = if reason { settings.sound_hold_ticks } else { self.held.saturating_sub(1) };
        alarm.sounding = alarm.level > AlarmLevel::Clear && self.held > 0;
        alarm
    }
}

/// The level of a distance, with hysteresis on the way out, and the threshold in force.
fn warning(settings: &Settings, uncertainty_mm: f32, structure: Label, distance_um: Option<i32>, was: AlarmLevel) -> Warning {
    let widened_um = um(widening_mm(settings, uncertainty_mm));
    let caution = um(settings.caution_mm) + widened_um;
    let danger = um(settings.danger_mm) + widened_um;
    let distance_um = distance_um.unwrap_or(i32::MAX);
    let out = um(settings.alarm_hysteresis_mm);
    let within = |threshold: i32, level: AlarmLevel| distance_um < threshold + if was >= level { out } else { 0 };
    let level = if within(danger, AlarmLevel::Danger) {
        AlarmLevel::Danger
    } else if within(caution, AlarmLevel::Caution) {
        AlarmLevel::Caution
    } else {
        AlarmLevel::Clear
    };
    let threshold_um = if level == AlarmLevel::Danger { danger } else { caution };
    Warning { structure, level, distance_um, threshold_um, widened_um }
}
