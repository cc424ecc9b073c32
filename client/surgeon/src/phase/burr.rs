//! Burring: passes over a zone, each a layer deeper, down to a shell of bone over what lies in front.

use std::collections::BTreeMap;

use spinor_sim::ToolKind;
use spinor_sim::procedure::{Zone, ZonePoints};
use spinor_volume::Patient;
use spinor_volume::query::sdf_mm;

use super::{APPROACH, HOVER_MM, TRANSIT};
use crate::hand::Hand;
use crate::scene::Scene;
use crate::task::{Grip, Task};
use crate::vector::V3;

/// How deep one pass goes, mm.
const LAYER_MM: f64 = 0.9;
/// Bone above the floor that is worth another pass, mm.
const WORTH_MM: f64 = 0.45;
/// Speed of a stroke, mm/s.
const STROKE: f64 = 11.0;
/// Pedal.
const PEDAL: u8 = 225;
/// Share of a zone's columns that may stay unfinished.
const FEW: usize = 30;
/// Distance that the ball keeps to nerves, mm.
const NERVE_MM: f64 = 1.0;

/// What is burred, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BurrPlan {
    pub(crate) name: &'static str,
    pub(crate) zones: &'static [Zone],
    pub(crate) size_tenth_mm: u8,
    /// Bone left standing at the inner surface, mm.
    pub(crate) shell_mm: f64,
    pub(crate) grip: Grip,
    /// Most passes.
    pub(crate) passes: u32,
}

/// A column of bone behind one square millimetre.
#[derive(Clone, Copy, Debug)]
struct Column {
    /// Where burring ends, mm back.
    floor: f64,
    /// The highest that bone of the zone ever reached.
    high: f64,
}

/// A place of the map: left + ½ and up, mm.
type Place = (i32, i32);

/// Burring of some zones.
#[derive(Clone, Debug)]
pub(crate) struct Burr {
    plan: BurrPlan,
    columns: BTreeMap<Place, Column>,
    pass: u32,
    started: bool,
}

impl Burr {
    pub(crate) fn new(patient: &Patient, site: &spinor_sim::procedure::Site, plan: BurrPlan) -> Self {
        let uncut = spinor_volume::CutState::new(patient.grid());
        let mut columns: BTreeMap<Place, (f64, f64)> = BTreeMap::new();
        let bones: Vec<usize> = (0..patient.structures().len())
            .filter(|k| [site.upper, site.lower].contains(&patient.structures()[*k].label))
            .collect();
        for zone in plan.zones {
            let points = ZonePoints::new(patient, site, *zone);
            for (_, at_mm) in points.remaining(patient, &uncut) {
                let at = site.site_from_patient(at_mm);
                let place = ((at[0] - 0.5).round() as i32, at[2].round() as i32);
                let column = columns.entry(place).or_insert((at[1], at[1]));
                (column.0, column.1) = (column.0.min(at[1]), column.1.max(at[1]));
            }
        }
        let bone = |at: V3| {
            let at_mm = site.patient_from_site(at);
            bones.iter().any(|k| sdf_mm(patient.grid(), &patient.structures()[*k].sdf, at_mm) < 0.0)
        };
        let columns = columns
            .into_iter()
            .map(|((l, u), (low, high))| {
                let (left, up) = (f64::from(l) + 0.5, f64::from(u));
                // The lattice is a millimetre wide: find the inner surface itself.
                let inner = (0..16).map(|k| low - 1.5 + 0.1 * f64::from(k)).find(|b| bone([left, *b, up])).unwrap_or(low);
                ((l, u), Column { floor: inner + plan.shell_mm, high: high + 0.5 })
            })
            .filter(|(_, column)| column.high - column.floor > WORTH_MM)
            .collect();
        Self { plan, columns, pass: 0, started: false }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.plan.name
    }

    pub(crate) fn plan(&mut self, scene: &Scene<'_>, right: &mut Hand, left: &mut Hand) -> bool {
        let radius = f64::from(self.plan.size_tenth_mm) / 20.0;
        let tops: BTreeMap<Place, f64> = self
            .columns
            .iter()
            .filter_map(|(place, column)| self.top(scene, *place, column).map(|top| (*place, top)))
            .filter(|(place, top)| top - self.columns[place].floor > WORTH_MM)
            .collect();
        if tops.len() <= self.columns.len() / FEW || self.pass >= self.plan.passes {
            if self.started {
                let (l, u) = (right.at[0], right.at[2]);
                right.then(Task::Go { to: [l, HOVER_MM, u], grip: self.plan.grip, speed: TRANSIT, trigger: 0 });
                left.drop_tasks();
            }
            return false;
        }
        let runs = self.runs(scene, &tops, radius);
        self.pass += 1;
        let grip = self.plan.grip;
        let Some(first) = runs.first().and_then(|run| run.first().copied()) else { return false };
        if !self.started {
            self.started = true;
            right.then(Task::Go { to: [right.at[0], HOVER_MM, right.at[2]], grip, speed: TRANSIT, trigger: 0 });
            right.then(Task::Take { tool: ToolKind::FlutedBurr, size_tenth_mm: self.plan.size_tenth_mm });
            right.then(Task::Go { to: above(first, grip, HOVER_MM), grip, speed: TRANSIT, trigger: 0 });
            wash(left, first);
        }
        for run in runs {
            let (Some(from), Some(to)) = (run.first().copied(), run.last().copied()) else { continue };
            right.then(Task::Go { to: lifted(from, grip, 5.0), grip, speed: TRANSIT, trigger: 0 });
            right.then(Task::Go { to: lifted(from, grip, 1.5), grip, speed: APPROACH, trigger: PEDAL });
            right.then(Task::Follow { path: run, grip, speed: STROKE, trigger: PEDAL, done: 0 });
            right.then(Task::Go { to: lifted(to, grip, 5.0), grip, speed: APPROACH, trigger: PEDAL });
        }
        true
    }

    /// The highest bone left in a column, mm back; none when nothing is left above the floor.
    fn top(&self, scene: &Scene<'_>, (l, u): Place, column: &Column) -> Option<f64> {
        let (left, up) = (f64::from(l) + 0.5, f64::from(u));
        let steps = ((column.high + 0.8 - column.floor) / 0.25).ceil().max(0.0) as i32;
        (0..=steps).map(|k| column.high + 0.8 - 0.25 * f64::from(k)).find(|b| scene.bone([left, *b, up]))
    }

    /// Strokes of one layer: rows from the lower edge up, each from one side to the other and the next one back.
    fn runs(&self, scene: &Scene<'_>, tops: &BTreeMap<Place, f64>, radius: f64) -> Vec<Vec<V3>> {
        let spacing = ((0.8 * radius).round() as i32).max(1);
        let rows: Vec<i32> = {
            let mut rows: Vec<i32> = tops.keys().map(|(_, u)| *u).collect();
            rows.sort_unstable();
            rows.dedup();
            let shift = self.pass as i32 % spacing;
            rows.into_iter().filter(|u| (u + 1_000 + shift) % spacing == 0).collect()
        };
        let mut runs = Vec::new();
        for (n, row) in rows.into_iter().enumerate() {
            let mut line: Vec<(i32, f64)> = tops.iter().filter(|((_, u), _)| *u == row).map(|((l, _), top)| (*l, *top)).collect();
            if n % 2 == 1 {
                line.reverse();
            }
            let mut run: Vec<V3> = Vec::new();
            for (l, top) in line {
                let left = f64::from(l) + 0.5;
                let floor = self.floor(scene, (l, row), radius);
                let mut back = floor.max(top - LAYER_MM) + radius;
                for _ in 0..12 {
                    if scene.nerve([left, back - radius - NERVE_MM, f64::from(row)]) > 0.0 {
                        break;
                    }
                    back += 0.5;
                }
                if run.last().is_some_and(|last| (last[0] - left).abs() > 1.5) {
                    runs.push(std::mem::take(&mut run));
                }
                run.push([left, back, f64::from(row)]);
            }
            if !run.is_empty() {
                runs.push(run);
            }
        }
        runs
    }

    /// How low the lowest point of a ball may come at a place, so that nowhere around it goes below a floor.
    fn floor(&self, scene: &Scene<'_>, (l, u): Place, radius: f64) -> f64 {
        let reach = radius.floor() as i32;
        let mut floor = f64::NEG_INFINITY;
        for dl in -reach..=reach {
            for du in -reach..=reach {
                let d2 = f64::from(dl * dl + du * du);
                if d2 >= radius * radius {
                    continue;
                }
                let near = (l + dl, u + du);
                let own = self.columns.get(&near).map(|c| c.floor);
                // Beyond the zone the lamina's inner surface is not to be opened either.
                let wall = || scene.site.roof.upper(f64::from(near.0) + 0.5, f64::from(near.1)).map(|w| w.inner_mm + 0.5);
                if let Some(height) = own.or_else(wall) {
                    floor = floor.max(height + (radius * radius - d2).sqrt() - radius);
                }
            }
        }
        floor
    }
}

/// A place some way back along the shaft.
fn lifted(at: V3, grip: Grip, by: f64) -> V3 {
    crate::vector::add(at, crate::vector::scale(grip.shaft, by))
}

/// The place on the line of the shaft at a height, mm back.
fn above(at: V3, grip: Grip, back: f64) -> V3 {
    lifted(at, grip, (back - at[1]) / grip.shaft[1].max(0.3))
}

/// The left hand rinses beside the burr.
fn wash(left: &mut Hand, at: V3) {
    left.drop_tasks();
    let beside = [at[0], at[1] + 14.0, at[2] - 9.0];
    left.then(Task::Go { to: [beside[0], HOVER_MM, beside[2]], grip: Grip::STRAIGHT, speed: TRANSIT, trigger: 0 });
    left.then(Task::Take { tool: ToolKind::Irrigation, size_tenth_mm: 30 });
    left.then(Task::Go { to: beside, grip: Grip::STRAIGHT, speed: APPROACH, trigger: 0 });
    left.then(Task::Hold { ticks: u32::MAX, trigger: 200 });
}
