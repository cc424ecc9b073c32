//! Advance of a spinning burr into bone, limited by the energy that the spindle turns into chips.
//!
//! Load on the burr times its surface speed gives the cutting power, power times a tick the energy; each cubic millimetre of bone costs
//! energy that rises with its density, flavum a fixed one. The burr goes straight towards the hand as far as that pays for. Removal thus
//! rises with load and trigger and falls with HU. Neural tissue is never in the account, nor in what is taken.

use spinor_volume::grid::{ceil, floor};
use spinor_volume::{
    BRICK, BRICK_VOXELS, BrickIndex, BrickState, ClassMask, HU_PER_STEP, Patient, SDF_PER_VOXEL, TissueClass, VoxelIndex,
};

use crate::contact::{MAX_STEPS, Tissue};
use crate::input::{TICKS_PER_SECOND, ToolKind};
use crate::settings::Settings;
use crate::sweep::Sweep;
use crate::tool::Shape;
use crate::tools::rules::taken_by;
use crate::vector::{Vec3, add, mix, norm, scale, sub};

/// What a burr takes: bone, and the flavum that it grazes. Both kinds take the same.
pub(crate) const BURR_TAKES: ClassMask = taken_by(ToolKind::FlutedBurr);

/// How far into tissue, in 1/32 voxel, a burr that stands still may reach before it grinds: the rounding of fields and contact.
const OVERLAP_STEPS: f64 = 4.0;

/// The shape of a burr.
pub(crate) fn shape(size_mm: f64, settings: &Settings) -> Shape {
    Shape::round(size_mm / 2.0, settings.burr_shaft_radius_mm.min(0.3 * size_mm), settings)
}

/// Spindle speed for a trigger, 1/min.
pub(crate) fn rpm(settings: &Settings, trigger: u8) -> f64 {
    if trigger < settings.trigger_dead_zone { 0.0 } else { settings.spindle_rpm * f64::from(trigger) / 255.0 }
}

/// Cutting energy of one tick, J: load on the burr, its diameter and its spindle's speed.
pub(crate) fn tick_energy_joule(settings: &Settings, tool: ToolKind, radius_mm: f64, load_newton: f64, rpm: f64) -> f64 {
    let surface_m_per_s = std::f64::consts::PI * 2.0 * radius_mm / 1_000.0 * rpm / 60.0;
    let power_watt = load_newton / settings.normal_over_tangential * surface_m_per_s;
    let slowness = if tool == ToolKind::DiamondBurr { settings.diamond_slowness } else { 1.0 };
    power_watt / slowness / f64::from(TICKS_PER_SECOND)
}

/// How far a burr came in a tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Drive {
    /// Where its centre is now.
    pub(crate) at: Vec3,
    /// What it took on the way.
    pub(crate) swept: Option<Sweep>,
    /// Energy left of its budget, J; 0 when there was nothing to spend it on.
    pub(crate) left_joule: f64,
    /// Energy charged for what it took, J, and the volume that was charged, mm³.
    pub(crate) charged: Charge,
    /// Whether tissue stopped it.
    pub(crate) stopped: bool,
    /// How far it went on through nothing after the last tissue, mm.
    pub(crate) free_mm: f64,
}

/// Energy and the volume that it pays for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Charge {
    pub(crate) joule: f64,
    pub(crate) mm3: f64,
}

/// A voxel that still holds tissue of one structure.
struct Cell {
    at: Vec3,
    /// What is left, 1/32 voxel.
    sdf: f64,
    /// Energy of the whole voxel, J.
    joule: f64,
}

/// Moves a spinning burr from `start` straight towards `goal` as far as `budget_joule` pays for.
pub(crate) fn drive(
    tissue: &Tissue<'_>,
    settings: &Settings,
    radius_mm: f64,
    start: Vec3,
    goal: Vec3,
    budget_joule: f64,
) -> Drive {
    let structures = tissue.near(BURR_TAKES, start, goal, radius_mm);
    if structures.is_empty() {
        let free_mm = norm(sub(goal, start));
        return Drive { at: goal, swept: None, left_joule: 0.0, charged: Charge::default(), stopped: false, free_mm };
    }
    let half = 0.5 * tissue.patient.grid().spacing_mm();
    let mut account = Account { tissue, settings, structures: &structures, radius_mm, swept: None, charged: Charge::default() };
    let mut budget = budget_joule;
    // What the burr's place overlaps already is ground away first; it is rounding, or flavum that the still burr was put into.
    let around = account.cells(start, start);
    if around.iter().any(|cell| account.after(cell, start, start) > cell.sdf + OVERLAP_STEPS) {
        let cost = account.cost(&around, start, start);
        account.take(cost, start, start);
        budget = (budget - cost.joule).max(budget.min(0.0));
    }
    let mut drive = Drive { at: start, swept: None, left_joule: 0.0, charged: Charge::default(), stopped: false, free_mm: 0.0 };
    for _ in 0..MAX_STEPS {
        let to = sub(goal, drive.at);
        let left = norm(to);
        if left < 1e-6 {
            break;
        }
        let step = left.min(half);
        let next = add(drive.at, scale(to, step / left));
        let cells = account.cells(drive.at, next);
        let cost = account.cost(&cells, drive.at, next);
        if cost.joule <= 0.0 {
            drive.at = next;
            drive.free_mm += step;
            continue;
        }
        if cost.joule <= budget {
            budget -= cost.joule;
            account.take(cost, drive.at, next);
            drive.at = next;
            drive.free_mm = 0.0;
            continue;
        }
        let (mut paid, mut unpaid) = (0.0, 1.0);
        for _ in 0..8 {
            let middle = (paid + unpaid) / 2.0;
            let cost = account.cost(&cells, drive.at, mix(drive.at, next, middle));
            if cost.joule <= budget { paid = middle } else { unpaid = middle }
        }
        let last = mix(drive.at, next, paid);
        let cost = account.cost(&cells, drive.at, last);
        if cost.joule > 0.0 && paid > 0.0 {
            account.take(cost, drive.at, last);
            budget -= cost.joule;
        }
        drive.at = last;
        drive.free_mm = 0.0;
        drive.stopped = true;
        break;
    }
    drive.swept = account.swept;
    drive.charged = account.charged;
    drive.left_joule = if drive.stopped { budget } else { 0.0 };
    drive
}

/// What a brick holds of the structures around a burr's way.
struct Known<'a> {
    brick: BrickIndex,
    /// For each its class, its samples, and those of what was cut from its class.
    around: Vec<(TissueClass, BrickState<'a>, BrickState<'a>)>,
    density: Option<&'a [u8; BRICK_VOXELS]>,
}

/// The tissue around a burr's way, and what the burr has taken of it in this tick.
struct Account<'a> {
    tissue: &'a Tissue<'a>,
    settings: &'a Settings,
    structures: &'a [usize],
    radius_mm: f64,
    swept: Option<Sweep>,
    charged: Charge,
}

impl Account<'_> {
    /// Voxels with tissue that a sweep can reach.
    fn cells(&self, a: Vec3, b: Vec3) -> Vec<Cell> {
        let grid = self.tissue.patient.grid();
        let spacing = grid.spacing_mm();
        let around = self.radius_mm / spacing + 0.5;
        let (from, to) = (grid.index_from_patient(a), grid.index_from_patient(b));
        let (mut low, mut high) = ([0; 3], [0; 3]);
        for k in 0..3 {
            low[k] = ceil(from[k].min(to[k]) - around).max(0);
            high[k] = floor(from[k].max(to[k]) + around).min(grid.voxels()[k] - 1);
        }
        let mut cells = Vec::new();
        let mut known: Vec<Known<'_>> = Vec::new();
        let edge = BRICK as i32;
        for z in low[2]..=high[2] {
            for y in low[1]..=high[1] {
                // Along a row brick by brick: what a brick holds is looked up once.
                let mut x = low[0];
                while x <= high[0] {
                    let end = high[0].min(x | (edge - 1));
                    if let Some((brick, start)) = grid.locate(VoxelIndex([x, y, z])) {
                        let n = known.iter().position(|known| known.brick == brick).unwrap_or_else(|| {
                            known.push(self.look(brick));
                            known.len() - 1
                        });
                        self.row(&known[n], start, ([x, y, z], end), (a, b), &mut cells);
                    }
                    x = end + 1;
                }
            }
        }
        cells
    }

    /// What a brick holds.
    fn look(&self, brick: BrickIndex) -> Known<'_> {
        let patient = self.tissue.patient;
        let around = self.structures.iter().filter_map(|&k| {
            let structure = patient.structures().get(k)?;
            let sdf = structure.sdf.brick(brick);
            (!matches!(sdf, BrickState::Outside))
                .then(|| (structure.class, sdf, self.tissue.cut.field(structure.class).brick(brick)))
        });
        Known { brick, around: around.collect(), density: patient.density().brick(brick) }
    }

    /// Adds the voxels with tissue from `first` to `last_x` of its row, all in one brick, the first at `start`.
    fn row(
        &self,
        Known { around, density, .. }: &Known<'_>,
        start: usize,
        (first, last_x): ([i32; 3], i32),
        (a, b): (Vec3, Vec3),
        cells: &mut Vec<Cell>,
    ) {
        if around.is_empty() {
            return;
        }
        let grid = self.tissue.patient.grid();
        let spacing = grid.spacing_mm();
        let sample = |state: BrickState<'_>, place: usize| match state {
            BrickState::Outside => 127,
            BrickState::Inside => -127,
            BrickState::Samples(samples) => i32::from(samples[place]),
        };
        let way = Sweep { a_mm: a, b_mm: b, radius_mm: self.radius_mm };
        for (place, x) in (start..).zip(first[0]..=last_x) {
            let voxel = VoxelIndex([x, first[1], first[2]]);
            let at = grid.patient_from_index(voxel.0.map(f64::from));
            let mut tried = false;
            for (class, sdf, cut) in around {
                let sdf = sample(*sdf, place);
                if sdf >= 16 {
                    continue;
                }
                let cut = sample(*cut, place);
                // What is gone already costs nothing.
                if sdf.max(-cut) >= 16 {
                    continue;
                }
                if !tried && way.distance_mm(at) >= 0.5 * spacing {
                    break;
                }
                tried = true;
                let mut left = f64::from(sdf.max(-cut));
                for sweep in self.tissue.pending.iter().chain(&self.swept) {
                    left = left.max(-sweep.distance_mm(at) / spacing * f64::from(SDF_PER_VOXEL));
                }
                if left < 16.0 {
                    let hu = density.map_or(self.settings.hu_when_unknown, |steps| i32::from(steps[place]) * HU_PER_STEP);
                    cells.push(Cell { at, sdf: left, joule: self.joule_per_mm3(*class, hu) * grid.voxel_mm3() });
                }
            }
        }
    }

    /// Energy that takes a volume of a class, with bone of a density, J/mm³.
    fn joule_per_mm3(&self, class: TissueClass, hu: i32) -> f64 {
        if class == TissueClass::Flavum {
            return self.settings.flavum_joule_per_mm3;
        }
        self.settings.bone_joule_per_mm3 + self.settings.bone_joule_per_mm3_per_hu * f64::from(hu)
    }

    /// Energy that a sweep needs, and the volume that it takes.
    fn cost(&self, cells: &[Cell], a: Vec3, b: Vec3) -> Charge {
        let voxel_mm3 = self.tissue.patient.grid().voxel_mm3();
        let occupancy = |sdf: f64| ((16.0 - sdf) / 32.0).clamp(0.0, 1.0);
        cells.iter().fold(Charge::default(), |sum, cell| {
            let part = occupancy(cell.sdf) - occupancy(self.after(cell, a, b));
            Charge { joule: sum.joule + part * cell.joule, mm3: sum.mm3 + part * voxel_mm3 }
        })
    }

    /// What a sweep leaves of a cell, 1/32 voxel.
    fn after(&self, cell: &Cell, a: Vec3, b: Vec3) -> f64 {
        let sweep = Sweep { a_mm: a, b_mm: b, radius_mm: self.radius_mm };
        cell.sdf.max(-sweep.distance_mm(cell.at) / self.tissue.patient.grid().spacing_mm() * f64::from(SDF_PER_VOXEL))
    }

    /// Adds a part of the straight way to what was taken.
    fn take(&mut self, cost: Charge, a: Vec3, b: Vec3) {
        self.charged = Charge { joule: self.charged.joule + cost.joule, mm3: self.charged.mm3 + cost.mm3 };
        let first = self.swept.map_or(a, |sweep| sweep.a_mm);
        self.swept = Some(Sweep { a_mm: first, b_mm: b, radius_mm: self.radius_mm });
    }
}

/// Density of bone at a voxel, HU: assumed where the case carries none.
fn hu_of(patient: &Patient, settings: &Settings, voxel: VoxelIndex) -> i32 {
    let grid = patient.grid();
    let known = grid.locate(voxel).is_some_and(|(brick, _)| patient.density().brick(brick).is_some());
    if known { patient.density().hu(grid, voxel) } else { settings.hu_when_unknown }
}

/// The same at a position.
pub(crate) fn hu_at(patient: &Patient, settings: &Settings, at: Vec3) -> i32 {
    let index = patient.grid().index_from_patient(at);
    hu_of(patient, settings, VoxelIndex(index.map(|v| (v + 0.5).floor() as i32)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{PLATE_TOP_MM, plate_of};
    use spinor_volume::CutState;

    /// Presses a burr by 2 mm for a tick with a budget on a plate of one density; how deep it comes.
    fn depth_mm(hu: i32, joule: f64) -> f64 {
        let patient = plate_of(0.4, 6.0, hu, 0.0);
        let cut = CutState::new(patient.grid());
        let tissue = Tissue { patient: &patient, cut: &cut, pending: &[] };
        let start = [0.1, PLATE_TOP_MM + 1.5, 0.2];
        let goal = [0.1, PLATE_TOP_MM - 0.5, 0.2];
        let end = drive(&tissue, &Settings::default(), 1.5, start, goal, joule);
        assert!(end.left_joule >= 0.0 && end.at[0] == 0.1);
        start[1] - end.at[1]
    }

    /// A ball sunk by h into a half space displaces π h² (r − h/3): the energy spent is that volume's, to 10 %.
    #[test]
    fn the_budget_pays_for_the_volume_of_the_cap() {
        let settings = Settings::default();
        let per_mm3 = settings.bone_joule_per_mm3 + settings.bone_joule_per_mm3_per_hu * 1_200.0;
        for joule in [0.2, 0.5, 1.0] {
            let h = depth_mm(1_200, joule);
            let volume = std::f64::consts::PI * h * h * (1.5 - h / 3.0);
            assert!((volume * per_mm3 / joule - 1.0).abs() < 0.1, "{joule} J: {h} mm, {volume} mm3");
        }
    }

    #[test]
    fn denser_bone_lets_it_less_deep() {
        assert!(depth_mm(200, 0.3) > 1.3 * depth_mm(1_800, 0.3));
        assert_eq!(depth_mm(1_200, 0.0), 0.0_f64.max(depth_mm(1_200, 0.0)));
        assert!(depth_mm(1_200, 0.0) < 0.05);
    }

    #[test]
    fn energy_follows_load_speed_and_burr() {
        let settings = Settings::default();
        let fluted = tick_energy_joule(&settings, ToolKind::FlutedBurr, 1.5, 2.0, 60_000.0);
        let diamond = tick_energy_joule(&settings, ToolKind::DiamondBurr, 1.5, 2.0, 60_000.0);
        assert!((fluted / diamond - 2.6).abs() < 1e-9);
        // 2 N on a 3 mm burr at 60,000/min: 15 mm³/s of bone of 1,200 HU.
        let rate = fluted * 60.0 / (settings.bone_joule_per_mm3 + settings.bone_joule_per_mm3_per_hu * 1_200.0);
        assert!((9.0..22.0).contains(&rate), "{rate} mm3/s");
        assert_eq!(rpm(&settings, 5), 0.0);
        assert_eq!(rpm(&settings, 255), 60_000.0);
    }
}
