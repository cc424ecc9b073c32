//! The proximity alarm: every tool of every user at every tick, cutting or not, from the tool's whole surface to every neural structure.
//!
//! Four faults seen elsewhere are ruled out by construction. The distance is measured where the tool is, whatever it does, so an
//! approach without cutting is not silent. A negative distance, inside the structure, is less than every threshold, so it is danger. The
//! minimum over a tool's parts and structures is taken of values that do not depend on each other, so no order changes it. And a warning
//! carries the threshold that made it, so a banner cannot name another.

mod bounds;
mod search;
mod share;
mod through_bone;
mod yielding;

use std::sync::Arc;

pub use share::AlarmShare;
pub use through_bone::BoneLeft;
pub(crate) use through_bone::{ThinMemory, bone_left};

use search::{Known, PlacedSheet, SEARCH_ERROR_MM, Search};
use spinor_volume::proximity::ProximityField;
use spinor_volume::{BRICK, Grid, Label, Patient, SparseField, TissueClass, UncutPieces};

use crate::events::{AlarmLevel, Warning};
use crate::input::TICKS_PER_SECOND;
use crate::pose::{Rotation, place, um};
use crate::settings::Settings;
use crate::state::Nearest;
use crate::tissue::{Facets, Nodes};
use crate::tool::Shape;
use crate::vector::Vec3;

/// By how much a distance is told too small, mm: the most by which the least along a part, and the surface's triangles, can be too large.
/// What is told is never more than the true distance, so that no threshold is crossed in silence.
const GUARD_MM: f64 = SEARCH_ERROR_MM + 0.03;
/// Depth inside a structure over which the guard fades out, µm.
const FADES_UM: i32 = 1_000;
/// Steps of an approach in a µm a tick: smoothing is by whole numbers, and 1 mm/s is 17 µm a tick.
const APPROACH_STEPS: i32 = 256;
/// Slower approaches make no time to contact, µm/s.
const SLOW_UM_PER_S: i32 = 1_000;
/// Longest time to contact that is told, ms: hands turn round within it.
const SOON_MS: u16 = 1_000;
/// Largest radius of any tool's part, mm: how much farther than the thresholds the fields must reach.
const LARGEST_PART_MM: f64 = 4.0;
/// How far beyond the widest threshold a tool's distance is still told, mm: a number to read before any colour comes.
const BEYOND_MM: f64 = 3.0;

/// Distances to one neural structure.
#[derive(Clone, Debug)]
pub(crate) struct NeuralField {
    pub(crate) label: Label,
    uncertainty_mm: f64,
    /// Corners of a box that holds the structure, patient LPS; none when it is nowhere.
    box_mm: Option<[Vec3; 2]>,
    field: ProximityField,
    /// Its control nodes, for the time that it gives way.
    pub(crate) nodes: Arc<Nodes>,
    /// Its surface as it moves with them.
    pub(crate) facets: Arc<Facets>,
}

impl NeuralField {
    /// Signed distance from a position to the structure's surface; none beyond the reach.
    pub(crate) fn distance_mm(&self, grid: &Grid, at: Vec3) -> Option<f64> {
        self.field.distance_mm(grid, at)
    }

    /// Whether [`Self::distance_mm`] may be negative somewhere within `around_mm` of a position. It may where it cannot be told.
    pub(crate) fn may_reach(&self, grid: &Grid, at: Vec3, around_mm: f64) -> bool {
        // Distances, and which side of the surface is within, are known to less than two voxels.
        let sure_mm = around_mm + 2.0 * grid.spacing_mm();
        self.distance_mm(grid, at).map_or(self.field.reach_mm() < sure_mm, |distance_mm| distance_mm <= sure_mm)
    }
}

/// Distances to all neural structures of a patient, in the order of their labels, and the pieces that its other tissues come with. They do
/// not change, so rooms of one case share them.
#[derive(Clone, Debug)]
pub struct NeuralFields {
    fields: Vec<NeuralField>,
    reach: Reach,
    uncut: Arc<UncutPieces>,
}

/// How far distances are known from a structure's surface, and how far a tool's surface is measured, mm.
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
        let widest = neural().map(|s| settings.widening_mm(s.uncertainty_mm)).fold(0.0, f64::max);
        let look_mm = settings.caution_mm + widest + settings.alarm_hysteresis_mm + BEYOND_MM;
        let reach = Reach { fields_mm: look_mm + LARGEST_PART_MM, look_mm };
        let build = |s: &spinor_volume::Structure| {
            let nodes = Nodes::of(patient.grid(), s, settings.tissue.node_cell_mm);
            NeuralField {
                label: s.label,
                uncertainty_mm: f64::from(s.uncertainty_mm),
                box_mm: box_mm(patient.grid(), &s.sdf),
                field: ProximityField::build(patient.grid(), &s.sdf, reach.fields_mm),
                facets: Arc::new(Facets::of(patient.grid(), s, &nodes)),
                nodes: Arc::new(nodes),
            }
        };
        Arc::new(Self { fields: neural().map(build).collect(), reach, uncut: UncutPieces::of(patient) })
    }

    /// The pieces that bones, discs and flava come with.
    pub(crate) fn uncut(&self) -> &Arc<UncutPieces> {
        &self.uncut
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &NeuralField> {
        self.fields.iter()
    }

    /// Distance from a tool's surface to a structure beyond which the tool counts as far away, mm.
    pub fn look_mm(&self) -> f64 {
        self.reach.look_mm
    }

    /// The distance that the alarm, and [`crate::ToolState::nearest`], tell for one of [`Self::distances_um`], µm: smaller by its greatest
    /// error, so that no threshold is crossed in silence. Thresholds end at contact, so inside a structure that guard fades out over a
    /// millimetre: a depth is told as it is.
    pub fn told_um(distance_um: i32) -> i32 {
        let left = distance_um.clamp(-FADES_UM, 0) + FADES_UM;
        distance_um.saturating_sub(um(GUARD_MM) * left / FADES_UM)
    }

    /// Signed distance from a tool's surface to each neural structure at rest, µm, in the order of the labels; none beyond the reach.
    pub fn distances_um(&self, grid: &Grid, shape: &Shape, rotation: &Rotation, tip_mm: [f64; 3]) -> Vec<(Label, Option<i32>)> {
        let sheets = PlacedSheet::all(shape, rotation, tip_mm);
        let mut search = Search::of(&sheets);
        let mut distance = |field: &NeuralField| {
            let nearest = |at: Vec3, limit_mm: f64| field.field.nearest_mm(grid, at, limit_mm);
            let known = Known { nearest: &nearest, reach_mm: self.reach.fields_mm, box_mm: field.box_mm };
            search.least_mm(&known, self.reach.look_mm).map(um)
        };
        self.fields.iter().map(|field| (field.label, distance(field))).collect()
    }
}

/// Least distance from a tool's surface, none when that is `look_mm` or more; at most [`SEARCH_ERROR_MM`] too large. `least_between` gives the least
/// between two places that is under a limit, or the limit.
fn shape_distance_mm(
    reach: Reach,
    shape: &Shape,
    rotation: &Rotation,
    tip: Vec3,
    least_between: &dyn Fn(Vec3, Vec3, f64) -> f64,
) -> Option<f64> {
    let mut least = reach.look_mm;
    for part in &shape.parts {
        // A part whose axis is farther than the nearest surface found and its own radius changes nothing.
        let limit = least + part.radius_mm;
        let axis = least_between(place(rotation, tip, part.a_mm), place(rotation, tip, part.b_mm), limit);
        if axis < limit {
            least = axis - part.radius_mm;
        }
    }
    (least < reach.look_mm).then_some(least)
}

/// Corners of the box around a field's inside, a voxel wider; none of nothing.
fn box_mm(grid: &Grid, field: &SparseField) -> Option<[Vec3; 2]> {
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    let mut add = |voxel: [i32; 3]| {
        let at = grid.patient_from_index(voxel.map(f64::from));
        for k in 0..3 {
            low[k] = low[k].min(at[k] - grid.spacing_mm());
            high[k] = high[k].max(at[k] + grid.spacing_mm());
        }
    };
    let edge = BRICK as i32;
    for (brick, samples) in field.stored() {
        let first = grid.brick_coords(brick).map(|v| v * edge);
        for n in (0..edge * edge * edge).filter(|n| samples[*n as usize] < 0) {
            add([first[0] + n % edge, first[1] + n / edge % edge, first[2] + n / (edge * edge)]);
        }
    }
    for brick in field.inside() {
        let first = grid.brick_coords(brick).map(|v| v * edge);
        add(first);
        add(first.map(|v| v + edge - 1));
    }
    (low[0] <= high[0]).then_some([low, high])
}

/// What one tool's alarm remembers from tick to tick.
#[derive(Clone, Debug, Default)]
pub(crate) struct AlarmMemory {
    /// Level per neural structure.
    levels: Vec<AlarmLevel>,
    /// Distance per neural structure in the tick before, µm.
    before: Vec<Option<i32>>,
    /// Approach per neural structure, 1/256 µm a tick, smoothed over some ticks; negative when it goes away.
    approach: Vec<i32>,
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
    /// Time until the first contact at the present approach, ms.
    pub(crate) contact_ms: Option<u16>,
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
        self.approach.resize(distances.len(), 0);
        let level = AlarmLevel::Clear;
        let mut alarm = Alarm { nearest: None, level, warning: None, sounding: false, contact_ms: None, changes: Vec::new() };
        let (mut fast, mut gravest) = (false, None);
        for (k, (field, (structure, distance))) in fields.iter().zip(distances).enumerate() {
            let was = self.levels[k];
            let distance = distance.map(NeuralFields::told_um);
            let warning = warning(settings, field.uncertainty_mm as f32, *structure, distance, was);
            self.levels[k] = warning.level;
            if let Some(distance_um) = distance {
                if alarm.nearest.is_none_or(|n| distance_um < n.distance_um) {
                    alarm.nearest = Some(Nearest { structure: *structure, distance_um });
                }
                let nearer = self.before[k].map_or(0, |before| before.saturating_sub(distance_um));
                let speed = f64::from(nearer) / 1_000.0 * f64::from(TICKS_PER_SECOND);
                fast |= warning.level > AlarmLevel::Clear && speed >= settings.fast_approach_mm_per_s;
                let smooth = (self.approach[k] / 4).saturating_mul(3).saturating_add(nearer.saturating_mul(APPROACH_STEPS) / 4);
                self.approach[k] = if self.before[k].is_some() { smooth } else { 0 };
                if let Some(ms) = contact_ms(distance_um, self.approach[k]) {
                    alarm.contact_ms = Some(alarm.contact_ms.map_or(ms, |least| least.min(ms)));
                }
            } else {
                self.approach[k] = 0;
            }
            self.before[k] = distance;
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

/// Time until a distance is used up at an approach (1/256 µm a tick), ms; 0 in contact. None for a tool that does not come nearer by at least
/// 1 mm/s, or that takes longer than a second.
fn contact_ms(distance_um: i32, approach: i32) -> Option<u16> {
    if distance_um <= 0 {
        return Some(0);
    }
    let steps = i64::from(APPROACH_STEPS);
    let per_second = i64::from(approach) * i64::from(TICKS_PER_SECOND);
    if per_second < i64::from(SLOW_UM_PER_S) * steps {
        return None;
    }
    let ms = i64::from(distance_um) * 1_000 * steps / per_second;
    u16::try_from(ms).ok().filter(|ms| *ms <= SOON_MS)
}

/// The level of a distance, with hysteresis on the way out, and the threshold in force.
fn warning(settings: &Settings, uncertainty_mm: f32, structure: Label, distance_um: Option<i32>, was: AlarmLevel) -> Warning {
    let widened_um = um(settings.widening_mm(uncertainty_mm));
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
