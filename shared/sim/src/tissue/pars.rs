//! The pars interarticularis: how much bone still joins each inferior articular process to its vertebra, and when it breaks.
//!
//! A case names no pars, so it is found from the vertebra and the dural sac. The sac's middle in an axial slice divides left from right,
//! and what lies behind it from the body. A pedicle is bone beside the sac's middle; its lowest slice is where the pars begins. Below it a
//! side's inferior process hangs on whatever bone crosses the slices of the upper part of its height, so the least of these slices'
//! cross-sections (of all bone behind the canal's middle on that side, the lamina included) is what carries it.

use spinor_volume::{BRICK, BrickIndex, CutState, Grid, Label, Loose, Patient, TissueClass, VoxelIndex};

use super::HandTool;
use crate::events::Event;
use crate::settings::TissueSettings;

/// Share of the way from the pedicle's lower edge to the process's tip in which the pars is looked for (K).
const PARS_SHARE: f64 = 0.6;
/// Bone beside the sac's middle that makes a slice one of the pedicle, voxels in a row.
const PEDICLE_VOXELS: usize = 3;
/// Farthest from the sac's middle that a pedicle is looked for, mm.
const PEDICLE_MM: f64 = 30.0;
/// How far from the pars a loaded tool still loads it, mm (K).
const LOAD_MM: f64 = 20.0;

/// One side of one vertebra.
#[derive(Clone, Debug)]
struct Side {
    structure: usize,
    label: Label,
    left: bool,
    /// First and last slice of the pars, and the process's lowest slice.
    from: i32,
    to: i32,
    lowest: i32,
    /// Bricks that hold its bone, with the voxels left in each of their slices.
    bricks: Vec<(BrickIndex, [u16; BRICK])>,
    /// Its thinnest slice as it is now.
    least: Option<Thinnest>,
    broken: bool,
}

/// The slice of the pars with the least bone.
#[derive(Clone, Copy, Debug)]
struct Thinnest {
    slice: i32,
    /// Voxels in it, and below it.
    voxels: u32,
    below: u32,
}

/// A pars that is about to break.
pub(crate) struct Fracture {
    pub(crate) event: Event,
    pub(crate) by: crate::events::Holder,
    /// The layer of bone that gives way.
    pub(crate) gap: Loose,
}

/// The partes of all lumbar vertebrae that were cut.
#[derive(Clone, Debug, Default)]
pub(crate) struct Partes {
    /// The sac's middle by slice: x and y, in voxels; none without a sac.
    middle: Option<Vec<Option<[i32; 2]>>>,
    sides: Vec<Side>,
    known: Vec<usize>,
}

impl Partes {
    /// Takes in which bricks of bone were cut, and breaks what is too thin under a tool's load.
    pub(crate) fn step(
        &mut self,
        patient: &Patient,
        cut: &CutState,
        settings: &TissueSettings,
        touched: &[(TissueClass, BrickIndex)],
        tools: &[HandTool<'_>],
    ) -> Vec<Fracture> {
        let bones = touched.iter().filter(|(class, _)| *class == TissueClass::Bone);
        for (_, brick) in bones {
            for (structure, s) in patient.structures().iter().enumerate() {
                let lumbar = (Label::lumbar(1)..=Label::lumbar(6)).contains(&s.label);
                if lumbar && s.sdf.brick(*brick) != spinor_volume::BrickState::Outside && !self.known.contains(&structure) {
                    self.known.push(structure);
                    self.find(patient, structure);
                }
            }
            self.count(patient, cut, *brick);
        }
        let loads: Vec<&HandTool<'_>> = tools
            .iter()
            .filter(|tool| tool.state.in_bone && f64::from(tool.state.load_millinewton) >= settings.pars_load_newton * 1_000.0)
            .collect();
        if loads.is_empty() {
            return Vec::new();
        }
        (0..self.sides.len()).filter_map(|n| self.judge(patient, cut, settings, &loads, n)).collect()
    }

    /// Cross-section that carries the inferior process of a side, mm²; none where no pars was found, or it was not cut yet.
    pub(crate) fn area_mm2(&self, grid: &Grid, structure: Label, left: bool) -> Option<f64> {
        let side = self.sides.iter().find(|side| side.label == structure && side.left == left)?;
        Some(f64::from(side.least?.voxels) * grid.spacing_mm() * grid.spacing_mm())
    }

    fn find(&mut self, patient: &Patient, structure: usize) {
        let middle = self.middle.get_or_insert_with(|| middles(patient));
        for left in [false, true] {
            self.sides.extend(Side::find(patient, middle, structure, left));
        }
    }

    fn count(&mut self, patient: &Patient, cut: &CutState, brick: BrickIndex) {
        let Some(middle) = &self.middle else { return };
        for side in &mut self.sides {
            if let Ok(n) = side.bricks.binary_search_by_key(&brick, |(brick, _)| *brick) {
                let mut counts = [0; BRICK];
                for at in side_voxels(patient, Some(cut), middle, side.structure, side.left, brick) {
                    counts[at[2].rem_euclid(BRICK as i32) as usize] += 1;
                }
                side.bricks[n].1 = counts;
                side.weigh(patient.grid());
            }
        }
    }

    fn judge(
        &mut self,
        patient: &Patient,
        cut: &CutState,
        settings: &TissueSettings,
        loads: &[&HandTool<'_>],
        n: usize,
    ) -> Option<Fracture> {
        let grid = patient.grid();
        let side = &self.sides[n];
        if side.broken {
            return None;
        }
        let Thinnest { slice, voxels, below } = side.least?;
        let area_mm2 = f64::from(voxels) * grid.spacing_mm() * grid.spacing_mm();
        let hangs = f64::from(below) * grid.voxel_mm3();
        if voxels == 0 || area_mm2 >= settings.pars_area_mm2 || hangs < settings.pars_process_mm3 {
            return None;
        }
        let middle = self.middle.as_ref()?;
        let layer: Vec<(BrickIndex, Vec<[i32; 3]>)> = side
            .bricks
            .iter()
            .map(|(brick, _)| {
                let voxels = side_voxels(patient, Some(cut), middle, side.structure, side.left, *brick);
                (*brick, voxels.into_iter().filter(|at| at[2] == slice).collect())
            })
            .collect();
        let near = |tool: &&&HandTool<'_>| {
            layer.iter().flat_map(|(_, voxels)| voxels).any(|at| {
                let way = crate::vector::sub(grid.patient_from_index(at.map(f64::from)), tool.tip_mm());
                crate::vector::norm(way) <= LOAD_MM
            })
        };
        let by = loads.iter().find(near)?.state.holder();
        let side = &mut self.sides[n];
        side.broken = true;
        let area_centi_mm2 = (area_mm2 * 100.0 + 0.5) as u32;
        let event = Event::ParsFracture { by, structure: side.label, left: side.left, area_centi_mm2 };
        Some(Fracture { event, by, gap: Loose::of_voxels(grid, side.structure, layer.into_iter().flat_map(|(_, v)| v)) })
    }
}

impl Side {
    fn find(patient: &Patient, middle: &[Option<[i32; 2]>], structure: usize, left: bool) -> Option<Self> {
        let grid = patient.grid();
        let s = &patient.structures()[structure];
        let way = if left { 1 } else { -1 };
        let inside = |at: [i32; 3]| s.sdf.sample(grid, VoxelIndex(at)) < 0;
        let reach = (PEDICLE_MM / grid.spacing_mm()) as i32;
        let pedicle = |z: i32| {
            let Some([x, y]) = middle.get(z as usize).copied().flatten() else { return false };
            let mut row = 0;
            (1..reach).any(|d| {
                row = if inside([x + way * d, y, z]) { row + 1 } else { 0 };
                row >= PEDICLE_VOXELS
            })
        };
        let to = (0..middle.len() as i32).find(|z| pedicle(*z))? - 1;
        let mut bricks = Vec::new();
        let mut lowest = i32::MAX;
        let living = s.sdf.stored().map(|(brick, _)| brick).chain(s.sdf.inside());
        for brick in living {
            let first = grid.brick_coords(brick)[2] * BRICK as i32;
            if first > to {
                continue;
            }
            let mut counts = [0; BRICK];
            for at in side_voxels(patient, None, middle, structure, left, brick).into_iter().filter(|at| at[2] <= to) {
                counts[(at[2] - first) as usize] += 1;
                lowest = lowest.min(at[2]);
            }
            if counts.iter().any(|n| *n > 0) {
                bricks.push((brick, counts));
            }
        }
        bricks.sort_unstable_by_key(|(brick, _)| *brick);
        let from = to - ((f64::from(to) - f64::from(lowest.min(to))) * PARS_SHARE) as i32;
        let (label, least) = (s.label, None);
        let mut side = Self { structure, label, left, from, to, lowest, bricks, least, broken: false };
        side.weigh(grid);
        (lowest < from).then_some(side)
    }

    /// Finds the slice with the least bone again; of several the highest.
    fn weigh(&mut self, grid: &Grid) {
        // All slices at once: the counts of a brick are read where it lies.
        let mut slices = vec![0_u32; usize::try_from(self.to - self.lowest.min(self.to) + 1).unwrap_or(0)];
        for (brick, counts) in &self.bricks {
            let first = grid.brick_coords(*brick)[2] * BRICK as i32 - self.lowest;
            for (z, count) in (first..).zip(counts) {
                if let Some(slice) = usize::try_from(z).ok().and_then(|z| slices.get_mut(z)) {
                    *slice += u32::from(*count);
                }
            }
        }
        let at = |z: i32| usize::try_from(z - self.lowest).ok().and_then(|z| slices.get(z)).copied().unwrap_or(0);
        let thinnest = (self.from..=self.to).rev().map(|z| (z, at(z))).min_by_key(|(_, voxels)| *voxels);
        self.least = thinnest.map(|(slice, voxels)| Thinnest { slice, voxels, below: (self.lowest..slice).map(at).sum() });
    }
}

/// Bone of one side behind the sac's middle in a brick, as voxels of the grid.
fn side_voxels(
    patient: &Patient,
    cut: Option<&CutState>,
    middle: &[Option<[i32; 2]>],
    structure: usize,
    left: bool,
    brick: BrickIndex,
) -> Vec<[i32; 3]> {
    let grid = patient.grid();
    let first = grid.brick_coords(brick).map(|v| v * BRICK as i32);
    let s = &patient.structures()[structure];
    let mask = spinor_volume::detach::mask_of(s.sdf.brick(brick), cut.map(|cut| cut.field(s.class).brick(brick)));
    mask.voxels()
        .map(|at| [first[0] + at[0], first[1] + at[1], first[2] + at[2]])
        .filter(|at| {
            let Some([x, y]) = middle.get(at[2] as usize).copied().flatten() else { return false };
            at[1] > y && if left { at[0] > x } else { at[0] <= x }
        })
        .collect()
}

/// The middle of the dural sac (without one of the cord) in each slice of the grid, in voxels.
fn middles(patient: &Patient) -> Vec<Option<[i32; 2]>> {
    let grid = patient.grid();
    let mut sums = vec![([0_i64; 2], 0_i64); grid.voxels()[2] as usize];
    let canal = patient.structure(Label::DURAL_SAC).or_else(|| patient.structure(Label::SPINAL_CORD));
    let Some(canal) = canal else { return Vec::new() };
    for brick in canal.sdf.stored().map(|(brick, _)| brick).chain(canal.sdf.inside()) {
        let first = grid.brick_coords(brick).map(|v| v * BRICK as i32);
        for at in spinor_volume::detach::mask_of(canal.sdf.brick(brick), None).voxels() {
            let Some((sum, count)) = sums.get_mut((first[2] + at[2]) as usize) else { continue };
            sum[0] += i64::from(first[0] + at[0]);
            sum[1] += i64::from(first[1] + at[1]);
            *count += 1;
        }
    }
    sums.into_iter().map(|(sum, count)| (count > 0).then(|| sum.map(|v| v.div_euclid(count) as i32))).collect()
}
