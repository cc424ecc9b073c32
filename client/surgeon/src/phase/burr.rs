//! Burring: passes over a zone, each a layer deeper, down to a shell of bone over what lies in front.

use std::collections::{BTreeMap, BTreeSet};

use spinor_sim::ToolKind;
use spinor_sim::procedure::{Zone, ZonePoints};
use spinor_volume::Patient;
use spinor_volume::cut::OCCUPANCY_PER_VOXEL;
use spinor_volume::query::{clamp_mm, sdf_mm};

use super::terrain::{Place, Terrain, Turned};
use super::{APPROACH, Feedback, HOVER_MM, TRANSIT};
use crate::hand::Hand;
use crate::scene::Scene;
use crate::task::{Grip, Task};
use crate::vector::{V3, add, norm, scale, unit};

/// How deep one pass goes, mm (K).
const LAYER_MM: f64 = 1.5;
/// How deep the ball may graze bone that is not meant to go, mm: the wall beside a row is taken down along with it.
const GRAZE_MM: f64 = 2.4;
/// Distance of two rows of strokes in radii of the ball: neighbouring strokes overlap by 30-50 % of the ball's width (K).
const ROW: f64 = 1.1;
/// Distance that a ball whose shaft leans keeps to nerves beside its way, mm.
const OFF_NERVES_MM: f64 = 1.0;
/// How far below the highest place strokes go in one pass, mm: what stands out is taken down first, so that the shaft finds room.
const BAND_MM: f64 = 6.0;
/// Neighbouring places of a row that differ more than this in height are different strokes, mm.
const CLIFF_MM: f64 = 3.0;
/// Room that the shaft needs around its axis, mm.
const SHAFT_MM: f64 = 1.5;
/// How far over bone the ball is carried from one stroke to the next, mm.
const OVER_MM: f64 = 2.0;
/// Bone above the floor that is worth another pass, mm.
const WORTH_MM: f64 = 0.45;
/// How deep the ball must go for a place to be worth going to, mm.
const LEAST_MM: f64 = 0.1;
/// A pass that takes less is in vain, mm³.
const VAIN_MM3: f64 = 4.0;
/// Passes in vain, one after the other, after which a surgeon leaves what is left: rows lie differently in each.
const VAIN: u32 = 3;
/// Times that a spinning burr had to be drawn back from a nerve after which a surgeon puts it down: no bone shields what lies there.
const SCARES: u32 = 2;
/// Speed of a stroke, mm/s (K): with layer and rows some 20 mm³/s of bone that does not slow it down. Averages of 9-22 mm³/s are reported
/// over 107 runs of a drilling study.
const STROKE: f64 = 11.0;
/// How far the tool may lag behind the hand on a stroke before the hand slows down, and where it stops, mm: 0.9 and 2.1 N on the spring
/// between them. Peak forces of robotic laminectomy are 1.2-2.4 N.
const LAG_MM: [f64; 2] = [1.5, 3.5];
/// Speed at which a spinning ball is led in where bone stands in its way, mm/s, and how far it may lag behind the hand there before the hand
/// slows down, and where it stops, mm: once through, the ball goes on by as much, and from 2 mm on that is a plunge. At the speed of a free way
/// a hand that sees it 0.2 s late is 9 mm farther.
const SINK: f64 = STROKE;
const SINK_LAG_MM: [f64; 2] = [0.4, 1.0];
/// How deep bone may stand in a ball's way for it to be led in at full speed, mm: walls that earlier strokes left are grazed.
const BRUSH_MM: f64 = 0.2;
/// How far around a ball's middle is looked, in parts of how far from there nothing is told, so that the balls looked into cover it.
const AROUND: f64 = 1.4;
/// How far short of a stroke, or of what stands in its way, a ball is led slowly, mm.
const NEAR_MM: f64 = 1.5;
/// Distance of the places on the way in that are looked at for bone, mm.
const WAY_IN_MM: f64 = 0.5;
/// Pedal.
const PEDAL: u8 = 225;
/// One in so many of a zone's columns may stay unfinished: the last of them, along walls, are the punch's.
const FEW: usize = 5;
/// The same where the last of what another pass left is burred.
const FEW_AT_LAST: usize = 40;
/// Distance that the ball keeps to nerves, mm.
const NERVE_MM: f64 = 1.0;

/// How much of the way of a leaning burr is looked along for nerves, mm.
const WAY_MM: i32 = 20;

/// Where a lamina's lower edge is looked for, mm beside the midline.
const EDGE_AT_MM: f64 = 5.0;

/// What is burred, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BurrPlan {
    pub(crate) name: &'static str,
    pub(crate) zones: &'static [Zone],
    pub(crate) size_tenth_mm: u8,
    /// Bone left standing at the inner surface, mm.
    pub(crate) shell_mm: f64,
    /// Bone that reaches this much farther back than the zone ever did is something else that covers it, mm: there it is left alone.
    pub(crate) cover_mm: f64,
    /// How far the shaft leans to the other side, in parts of its length to the back: to undercut what stands over a zone.
    pub(crate) lean: f64,
    /// Whether to stay under the lower edge of the lamina: above it, beside the window, lies the pars.
    pub(crate) spares_pars: bool,
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

/// Burring of some zones. All its places are in a frame turned with the shaft: left, back along the shaft, up.
#[derive(Clone, Debug)]
pub(crate) struct Burr {
    plan: BurrPlan,
    turned: Turned,
    /// Where burring would end in columns of the zones that are left alone.
    spared: BTreeMap<Place, f64>,
    columns: BTreeMap<Place, Column>,
    /// What the surgeon sees of the bone, from the first pass on.
    terrain: Option<Terrain>,
    pass: u32,
    vain: u32,
    /// How often the hand had drawn back from a nerve before the first pass.
    scares: u32,
    /// One in so many columns may stay unfinished.
    few: usize,
}

impl Burr {
    pub(crate) fn new(patient: &Patient, site: &spinor_sim::procedure::Site, plan: BurrPlan) -> Self {
        let uncut = spinor_volume::CutState::new(patient.grid());
        let side = plan.zones.iter().find_map(|zone| zone.side()).map_or(1.0, |side| side.sign());
        let turned = Turned::leaning(-side * plan.lean);
        let mut columns: BTreeMap<Place, (f64, f64)> = BTreeMap::new();
        let bones: Vec<usize> = (0..patient.structures().len())
            .filter(|k| [site.upper, site.lower].contains(&patient.structures()[*k].label))
            .collect();
        for zone in plan.zones {
            let points = ZonePoints::new(patient, site, *zone);
            for (_, at_mm) in points.remaining(patient, &uncut) {
                let at = turned.turn_in(site.site_from_patient(at_mm));
                let place = ((at[0] - 0.5).round() as i32, at[2].round() as i32);
                let column = columns.entry(place).or_insert((at[1], at[1]));
                (column.0, column.1) = (column.0.min(at[1]), column.1.max(at[1]));
            }
        }
        let bone = |at: V3| {
            let at_mm = site.patient_from_site(turned.turn_out(at));
            bones.iter().any(|k| sdf_mm(patient.grid(), &patient.structures()[*k].sdf, at_mm) < 0.0)
        };
        let edge = |l: i32| site.roof.upper_edge_mm(if l < 0 { -EDGE_AT_MM } else { EDGE_AT_MM }).unwrap_or(f64::INFINITY);
        let mut spared = BTreeMap::new();
        let columns = columns
            .into_iter()
            .map(|((l, u), (low, high))| {
                let (left, up) = (f64::from(l) + 0.5, f64::from(u));
                // The lattice is a millimetre wide: find the inner surface itself.
                let inner = (0..16).map(|k| low - 1.5 + 0.1 * f64::from(k)).find(|b| bone([left, *b, up])).unwrap_or(low);
                ((l, u), Column { floor: inner + plan.shell_mm, high: high + 0.5 })
            })
            .filter(|((l, u), column)| {
                let spare = plan.spares_pars && f64::from(*u) >= edge(*l);
                if spare {
                    spared.insert((*l, *u), column.floor);
                }
                !spare && column.high - column.floor > WORTH_MM
            })
            .collect();
        Self { plan, turned, spared, columns, terrain: None, pass: 0, vain: 0, scares: 0, few: FEW }
    }

    /// The same for the last of what another pass left.
    pub(crate) fn thorough(self) -> Self {
        Self { few: FEW_AT_LAST, ..self }
    }

    /// The same for the part of the zones that is nearest to where the shaft leans, so much of them: what is undercut from the other side
    /// takes the more of the outer table the farther it goes.
    pub(crate) fn nearest(mut self, share: f64) -> Self {
        let mut all: Vec<(Place, Column)> = self.columns.iter().map(|(place, column)| (*place, *column)).collect();
        let towards = if self.turned.grip().shaft[0] < 0.0 { 1 } else { -1 };
        all.sort_by_key(|((l, u), _)| (*l * towards, *u));
        let deep = |column: &Column| column.high - column.floor;
        let whole: f64 = all.iter().map(|(_, column)| deep(column)).sum();
        let mut so_far = 0.0;
        for (place, column) in all {
            so_far += deep(&column);
            if so_far > share * whole {
                self.columns.remove(&place);
                self.spared.insert(place, column.floor);
            }
        }
        self
    }

    pub(crate) fn name(&self) -> &'static str {
        self.plan.name
    }

    pub(crate) fn plan(&mut self, scene: &Scene<'_>, feedback: &Feedback, right: &mut Hand, left: &mut Hand) -> bool {
        let radius = f64::from(self.plan.size_tenth_mm) / 20.0;
        let known = self.terrain.take();
        let first = known.is_none();
        let mut terrain = known.unwrap_or_else(|| Terrain::around(self.columns.keys(), 5, self.turned));
        terrain.look(scene);
        if first {
            let cover_mm = self.plan.cover_mm;
            self.columns.retain(|place, column| terrain.top(*place) <= column.high + cover_mm);
        }
        let taken_mm3 = feedback.occupancy as f64 / OCCUPANCY_PER_VOXEL as f64 * scene.patient.grid().voxel_mm3();
        self.vain = if self.pass == 0 || taken_mm3 > VAIN_MM3 { 0 } else { self.vain + 1 };
        if self.pass == 0 {
            self.scares = right.scares;
        }
        let open = self.open(&terrain);
        let scared = right.scares >= self.scares + SCARES;
        let enough = scared || open.len() <= self.columns.len() / self.few || self.vain >= VAIN || self.pass >= self.plan.passes;
        let runs = if enough { Vec::new() } else { self.runs(scene, &terrain, &open, radius) };
        if runs.is_empty() {
            if self.pass > 0 {
                let [l, _, u] = self.turned.turn_in(right.at);
                let to = self.turned.turn_out([l, HOVER_MM, u]);
                right.then(Task::Go { to, grip: self.turned.grip(), speed: TRANSIT, trigger: 0 });
                left.drop_tasks();
            }
            return false;
        }
        self.stroke(scene, &terrain, runs, radius, right, left);
        self.terrain = Some(terrain);
        self.pass += 1;
        true
    }

    /// The columns that are still to be taken down, with their heights.
    fn open(&self, terrain: &Terrain) -> BTreeMap<Place, f64> {
        let each = self.columns.iter().map(|(place, column)| (*place, column, terrain.top(*place)));
        each.filter(|(_, column, top)| top - column.floor > WORTH_MM).map(|(place, _, top)| (place, top)).collect()
    }

    /// The hand's motions along strokes, lifted from one to the next over what stands between.
    fn stroke(&self, scene: &Scene<'_>, terrain: &Terrain, runs: Vec<Vec<V3>>, radius: f64, right: &mut Hand, left: &mut Hand) {
        let turned = self.turned;
        let grip = turned.grip();
        let go = |to: V3, speed: f64, trigger: u8| Task::Go { to: turned.turn_out(to), grip, speed, trigger };
        let mut at = turned.turn_in(right.at);
        let middle = turned.turn_out(middle(&runs));
        for (n, run) in runs.into_iter().enumerate() {
            let (Some(from), Some(to)) = (run.first().copied(), run.last().copied()) else { continue };
            let mut over = HOVER_MM;
            if self.pass == 0 && n == 0 {
                right.then(Task::Go {
                    to: [right.at[0], HOVER_MM, right.at[2]],
                    grip: Grip::STRAIGHT,
                    speed: TRANSIT,
                    trigger: 0,
                });
                right.then(Task::Take { tool: ToolKind::FlutedBurr, size_tenth_mm: self.plan.size_tenth_mm });
                right.then(go([from[0], HOVER_MM, from[2]], TRANSIT, 0));
                wash(left, middle);
            } else {
                if n == 0 {
                    rinse(left, middle);
                }
                over = terrain.highest(at, from, radius + 1.0) + radius + OVER_MM;
                over = over.max(at[1] + OVER_MM).max(from[1] + OVER_MM);
                right.then(Task::Rise { back: over, speed: APPROACH, trigger: PEDAL });
                right.then(go([from[0], over, from[2]], TRANSIT, PEDAL));
            }
            let way = self.way_in(scene, [from[0], over, from[2]], from[1] + NEAR_MM, radius);
            self.lead_in(right, &way, [from[0], from[2]]);
            let path = run.into_iter().map(|at| turned.turn_out(at)).collect();
            right.then(Task::Follow { path, grip, speed: STROKE, trigger: PEDAL, lag_mm: LAG_MM, done: 0 });
            at = to;
        }
        right.then(Task::Rise { back: at[1] + OVER_MM, speed: APPROACH, trigger: PEDAL });
    }

    /// Leads the spinning ball along a [`Self::way_in`] at a place, left and up: slowly where bone stands in its way.
    fn lead_in(&self, right: &mut Hand, way: &[(Vec<f64>, bool)], [left, up]: [f64; 2]) {
        let (grip, trigger) = (self.turned.grip(), PEDAL);
        for (backs, free) in way {
            let path: Vec<V3> = backs.iter().map(|back| self.turned.turn_out([left, *back, up])).collect();
            match path.last() {
                Some(end) if *free => right.then(Task::Go { to: *end, grip, speed: APPROACH, trigger }),
                _ => right.then(Task::Follow { path, grip, speed: SINK, trigger, lag_mm: SINK_LAG_MM, done: 0 }),
            }
        }
    }

    /// The way of a ball from a place along the shaft down to a height, in pieces, each with whether bone leaves it free.
    fn way_in(&self, scene: &Scene<'_>, [left, from, up]: V3, to: f64, radius: f64) -> Vec<(Vec<f64>, bool)> {
        // Farther than that distances are not told, in fine cases: then what the ball's middle does not tell is looked for around it.
        let told_mm = (radius - BRUSH_MM).min(0.9 * clamp_mm(scene.patient.grid()));
        let off_mm = AROUND * (radius - BRUSH_MM - told_mm);
        let free = |at: V3| scene.room(&scene.parts.all_bones, self.turned.turn_out(at)) >= told_mm;
        let is_free = |back: f64| {
            let ways = (0..27).map(|n| [n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1].map(f64::from)).filter(|way| norm(*way) > 0.0);
            let mut each = ways.map(|way| add([left, back, up], scale(unit(way), off_mm)));
            free([left, back, up]) && (off_mm <= 0.0 || each.all(free))
        };
        let steps = ((from - to) / WAY_IN_MM).ceil().max(0.0) as usize;
        let backs: Vec<f64> = (0..=steps).map(|k| (from - WAY_IN_MM * k as f64).max(to)).collect();
        let frees: Vec<bool> = backs.iter().map(|back| is_free(*back)).collect();
        let reach = (NEAR_MM / WAY_IN_MM).ceil() as usize;
        let mut pieces: Vec<(Vec<f64>, bool)> = Vec::new();
        for (k, back) in backs.iter().enumerate() {
            let around = &frees[k.saturating_sub(reach)..(k + reach + 1).min(frees.len())];
            let free = around.iter().all(|free| *free);
            match pieces.last_mut().filter(|piece| piece.1 == free) {
                Some((piece, _)) => piece.push(*back),
                None => pieces.push((vec![*back], free)),
            }
        }
        pieces
    }

    /// Strokes of one layer: rows along the longer way of what is left, the lowest first, each from one end to the other and the next one
    /// back.
    fn runs(&self, scene: &Scene<'_>, terrain: &Terrain, open: &BTreeMap<Place, f64>, radius: f64) -> Vec<Vec<V3>> {
        let spacing = ((ROW * radius).round() as i32).max(1);
        let highest = open.values().copied().fold(f64::NEG_INFINITY, f64::max);
        // Where what stands out is not to be had, the rest is worked on.
        let bands = if self.vain == 0 { [BAND_MM, f64::INFINITY].as_slice() } else { &[f64::INFINITY] };
        let tries = bands.iter().flat_map(|band| (0..spacing).map(move |shift| (band, shift)));
        let mut runs = Vec::new();
        // Rows lie between those of the pass before; where no row is left there, they lie elsewhere.
        for (band, shift) in tries {
            let now: BTreeSet<Place> = open.iter().filter(|(_, top)| **top > highest - band).map(|(place, _)| *place).collect();
            let along = |axis: usize| now.iter().map(move |place| [place.0, place.1][axis]);
            let width = |axis: usize| along(axis).max().zip(along(axis).min()).map_or(0, |(high, low)| high - low);
            let across = if width(0) >= width(1) { 1 } else { 0 };
            let rows: BTreeSet<i32> = along(across).collect();
            let shift = self.pass as i32 + shift;
            for (n, row) in rows.iter().filter(|u| (**u + 1_000 + shift) % spacing == 0).enumerate() {
                let mut line: Vec<Place> = now.iter().filter(|place| [place.0, place.1][across] == *row).copied().collect();
                if (n as u32 + self.pass / 2) % 2 == 1 {
                    line.reverse();
                }
                let mut run: Vec<V3> = Vec::new();
                for place in line {
                    let next = self.centre(scene, terrain, open, place, radius);
                    let apart = |last: &V3, at: &V3| {
                        (last[0] - at[0]).abs().max((last[2] - at[2]).abs()) > 1.5 || (last[1] - at[1]).abs() > CLIFF_MM
                    };
                    if next.is_none_or(|at| run.last().is_some_and(|last| apart(last, &at))) && !run.is_empty() {
                        runs.push(std::mem::take(&mut run));
                    }
                    run.extend(next);
                }
                if !run.is_empty() {
                    runs.push(run);
                }
            }
            if !runs.is_empty() {
                break;
            }
        }
        runs
    }

    /// Where the ball's middle goes at a place: a layer into what lies under it, never under the floor, and off nerves. None where bone
    /// that is to stay leaves the shaft no room.
    fn centre(
        &self,
        scene: &Scene<'_>,
        terrain: &Terrain,
        open: &BTreeMap<Place, f64>,
        (l, u): Place,
        radius: f64,
    ) -> Option<V3> {
        let (left, up) = (f64::from(l) + 0.5, f64::from(u));
        let top = open.get(&(l, u))?;
        let mut back = (top - LAYER_MM).max(self.floor(scene, terrain, (l, u), radius)) + radius;
        let reach = radius.ceil() as i32;
        let (mut walls, mut met) = (f64::NEG_INFINITY, top + radius);
        for dl in -reach..=reach {
            for du in -reach..=reach {
                let d2 = f64::from(dl * dl + du * du);
                let near = (l + dl, u + du);
                if d2 > 0.0 && d2 < radius * radius {
                    let over = terrain.top(near) + (radius * radius - d2).sqrt();
                    if open.contains_key(&near) {
                        (back, met) = (back.max(over - LAYER_MM), met.max(over));
                    } else if d2 <= SHAFT_MM * SHAFT_MM {
                        walls = walls.max(over - GRAZE_MM);
                    }
                }
            }
        }
        // Bone that stays leaves the shaft no room, or the floor holds the ball off all that is to go.
        if walls > back + CLIFF_MM || back.max(walls) > met - LEAST_MM {
            return None;
        }
        back = back.max(walls);
        if self.plan.lean != 0.0 {
            return self.comes_past_nerves(scene, [left, back, up], radius).then_some([left, back, up]);
        }
        for _ in 0..12 {
            if scene.nerve(self.turned.turn_out([left, back - radius - NERVE_MM, up])) > 0.0 {
                break;
            }
            back += 0.5;
        }
        Some([left, back, up])
    }

    /// Whether a ball that comes in along the shaft keeps off nerves all the way to a place: one that leans passes beside them.
    fn comes_past_nerves(&self, scene: &Scene<'_>, [left, back, up]: V3, radius: f64) -> bool {
        // Farther than that distances are not told, in fine cases.
        let beside_mm = OFF_NERVES_MM.min(0.9 * clamp_mm(scene.patient.grid()));
        let around = [[radius, 0.0, 0.0], [-radius, 0.0, 0.0], [0.0, 0.0, radius], [0.0, 0.0, -radius], [0.0, -radius, 0.0]];
        (0..WAY_MM).all(|k| {
            let at = [left, back + f64::from(k), up];
            around.iter().all(|off| scene.nerve(self.turned.turn_out(add(at, *off))) > beside_mm)
        })
    }

    /// How low the lowest point of a ball may come at a place, so that nowhere around it goes below a floor.
    fn floor(&self, scene: &Scene<'_>, terrain: &Terrain, (l, u): Place, radius: f64) -> f64 {
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
                // Beyond the zone the lamina's inner surface is not to be opened either, where the lamina still stands.
                let inner = || scene.site.roof.upper(f64::from(near.0) + 0.5, f64::from(near.1)).map(|w| w.inner_mm);
                let wall = || inner().filter(|inner| terrain.top(near) > *inner).map(|inner| inner + 0.5);
                // A shaft that leans comes from beside the lamina: there the rest of the zone alone bounds it.
                let other = || if self.plan.lean == 0.0 { wall() } else { self.spared.get(&near).copied() };
                if let Some(height) = own.or_else(other) {
                    floor = floor.max(height + (radius * radius - d2).sqrt() - radius);
                }
            }
        }
        floor
    }
}

/// The middle of all places of some strokes; where there are none, the middle of the site.
fn middle(runs: &[Vec<V3>]) -> V3 {
    let all = || runs.iter().flatten();
    let sum = all().fold([0.0; 3], |sum, at| add(sum, *at));
    scale(sum, 1.0 / all().count().max(1) as f64)
}

/// How far beside the burr the water comes from, to the back and to the feet, mm.
const BESIDE_MM: [f64; 2] = [11.0, -6.0];

/// The left hand, which holds the irrigation already, comes along to where the next pass begins.
fn rinse(left: &mut Hand, at: V3) {
    left.drop_tasks();
    let beside = [at[0], at[1] + BESIDE_MM[0], at[2] + BESIDE_MM[1]];
    left.then(Task::Go { to: beside, grip: Grip::STRAIGHT, speed: APPROACH, trigger: 200 });
    left.then(Task::Hold { ticks: u32::MAX, trigger: 200 });
}

/// The left hand rinses beside the burr.
fn wash(left: &mut Hand, at: V3) {
    left.drop_tasks();
    let beside = [at[0], at[1] + BESIDE_MM[0], at[2] + BESIDE_MM[1]];
    left.then(Task::Go { to: [beside[0], HOVER_MM, beside[2]], grip: Grip::STRAIGHT, speed: TRANSIT, trigger: 0 });
    left.then(Task::Take { tool: ToolKind::Irrigation, size_tenth_mm: 30 });
    left.then(Task::Go { to: beside, grip: Grip::STRAIGHT, speed: APPROACH, trigger: 0 });
    left.then(Task::Hold { ticks: u32::MAX, trigger: 200 });
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use spinor_sim::procedure::{Side, Site};
    use spinor_sim::{Event, Hand as Which, NeuralFields, Settings, Simulation, Tick, UserId, small_spine};
    use spinor_volume::{ClassMask, CutOp, CutState, TissueClass};

    use super::*;
    use crate::random::Random;
    use crate::scene::Parts;
    use crate::skill::Skill;

    const ZONES: &[Zone] = &[Zone::Lamina(Side::Left)];

    /// The way down a shaft through the spinous process is free but for a shelf 1.5 mm thick that stands into it from one side. There a steady hand
    /// leads the spinning ball slowly and does not plunge; as fast as through the free part it does.
    #[test]
    fn a_shelf_in_the_way_is_gone_through_slowly() {
        let patient = Arc::new(small_spine::patient(0.4).unwrap());
        let site = Site::find(&patient, 4).unwrap();
        let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|way| site.turn_out(way));
        let (left, up, radius) = (0.0, 12.0, 2.0);
        let (low, shelf, high) = (16.0, 24.0, 34.0);
        let mut cut = CutState::new(patient.grid());
        let mut take = |centre: V3, half: V3| {
            let at = site.patient_from_site(centre);
            let op = CutOp::box_mm(patient.grid(), at, half, axes, 0.0, ClassMask::of(&[TissueClass::Bone])).unwrap();
            cut.apply(&patient, &op);
        };
        let mut to = |low: f64, high: f64| take([left, (low + high) / 2.0, up], [2.5, (high - low) / 2.0, 2.5]);
        to(low, shelf);
        (0..4).for_each(|k| to(shelf + 1.5 + 8.0 * f64::from(k), shelf + 9.5 + 8.0 * f64::from(k)));
        take([left - 1.5, shelf, up], [2.5, 4.0, 2.5]);
        let parts = Parts::of(&patient, &site);
        let scene = Scene { patient: &patient, cut: &cut, site: &site, parts: &parts };
        let plan = BurrPlan {
            name: "shaft",
            zones: ZONES,
            size_tenth_mm: 40,
            shell_mm: 0.8,
            cover_mm: 8.0,
            lean: 0.0,
            spares_pars: false,
            passes: 1,
        };
        let burr = Burr::new(&patient, &site, plan);
        let way = burr.way_in(&scene, [left, high, up], low + radius + 1.0, radius);
        assert_eq!(way.iter().map(|(_, free)| *free).collect::<Vec<_>>(), [true, false, true], "{way:?}");
        let slow = &way[1].0;
        assert!(slow[0] > shelf + 1.5 + radius && slow[0] < shelf + 4.5 + radius, "{way:?}");

        let fields = NeuralFields::build(&patient, &Settings::default());
        let plunges = |pieces: &[(Vec<f64>, bool)]| {
            let mut simulation = Simulation::with_fields(Arc::clone(&patient), Arc::clone(&fields), Settings::default());
            simulation.restore(cut.clone());
            let mut hand = Hand::new(UserId(1), Which::Right, [left, HOVER_MM, up]);
            hand.then(Task::Take { tool: ToolKind::FlutedBurr, size_tenth_mm: 40 });
            hand.then(Task::Go { to: [left, high, up], grip: Grip::STRAIGHT, speed: TRANSIT, trigger: 0 });
            burr.lead_in(&mut hand, pieces, [left, up]);
            let (mut random, mut tick, mut deepest) = (Random::new(3), 0, 0);
            while !hand.is_idle() && tick < 3_000 {
                tick += 1;
                let state = simulation.tool(UserId(1), Which::Right).copied();
                let input = hand.tick(&site, &Skill::Steady.habits(), state, &mut random);
                for event in simulation.step(Tick(tick), &[input]).events {
                    if let Event::Breakthrough { plunge_um, .. } = event {
                        deepest = deepest.max(plunge_um);
                    }
                }
            }
            assert!(hand.is_idle());
            deepest
        };
        let fast: Vec<(Vec<f64>, bool)> = way.iter().map(|(backs, _)| (backs.clone(), true)).collect();
        let (with_care, without) = (plunges(&way), plunges(&fast));
        assert!(with_care < 600 && without >= 600, "{with_care} and {without} µm");
    }
}
