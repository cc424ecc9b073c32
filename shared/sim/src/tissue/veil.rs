//! Dust and blood that veil the field: a scalar each for the place of every brick, in integers.
//!
//! Cutting bone makes dust; bone and flavum bleed when cut and ooze on until they clot. Suction and irrigation clear what is near.

use std::collections::BTreeMap;

use spinor_volume::cut::OCCUPANCY_PER_VOXEL;
use spinor_volume::{BRICK, BrickIndex, Grid, TissueClass};

use super::output::VeilCell;
use super::standing::Standing;
use super::{Cut, HandTool, ToolOfHand};
use crate::events::Event;
use crate::input::{TICKS_PER_SECOND, ToolKind};
use crate::settings::{Settings, TissueSettings};
use crate::vector::{norm, sub};

/// Parts of a thousandth in which amounts are counted.
const PARTS: u32 = 1 << 12;
/// A field that nobody sees through.
const FULL: u32 = 1_000 * PARTS;
/// Steps in which a change is told.
const STEPS: u32 = 16;

/// One brick's place, in 1/[`PARTS`] of a thousandth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cell {
    dust: u32,
    blood: u32,
    /// Blood that comes in a second.
    ooze: u32,
    /// What was told last.
    told: (u8, u8),
}

/// The veil over the whole field.
#[derive(Clone, Debug, Default)]
pub(crate) struct Veil {
    cells: BTreeMap<BrickIndex, Cell>,
    /// Ticks for which each hand's tool has worked unseen.
    unseen: BTreeMap<ToolOfHand, (crate::events::Holder, u32)>,
}

impl Veil {
    /// The veil as it was told last; nothing bleeds on.
    pub(crate) fn standing(standing: &Standing) -> Self {
        let amount = |told: u8| u32::from(told).min(STEPS) * (FULL / STEPS);
        let cell = |at: &VeilCell| Cell { dust: amount(at.dust), blood: amount(at.blood), ooze: 0, told: (at.dust, at.blood) };
        Self { cells: standing.veil.iter().map(|(brick, at)| (*brick, cell(at))).collect(), unseen: BTreeMap::new() }
    }

    /// The cells that are not clear.
    pub(crate) fn iter(&self) -> impl Iterator<Item = VeilCell> {
        self.cells.iter().map(|(brick, cell)| cell.told(*brick))
    }

    /// Veil at a position, 1/1000: dust and blood of the eight places around it together, at most 1,000.
    pub(crate) fn permille(&self, grid: &Grid, at_mm: [f64; 3]) -> u32 {
        let low = grid.index_from_patient(at_mm).map(|v| (v / BRICK as f64 - 0.5).floor() as i32);
        let around = (0..8).map(|n| [low[0] + (n & 1), low[1] + (n >> 1 & 1), low[2] + (n >> 2)]);
        let cells = around.filter_map(|at| self.cells.get(&grid.brick_at(at)?));
        cells.fold(0, |sum: u32, cell| (sum + cell.dust + cell.blood).min(FULL)) / PARTS
    }

    /// Digest of the cells.
    pub(crate) fn fold(&self, mut add: impl FnMut(i64)) {
        for (brick, cell) in &self.cells {
            [brick.0, cell.dust, cell.blood, cell.ooze].into_iter().for_each(|v| add(i64::from(v)));
        }
    }

    /// One tick.
    pub(crate) fn step(
        &mut self,
        grid: &Grid,
        settings: &Settings,
        tools: &[HandTool<'_>],
        cuts: &[Cut],
        told: &mut Vec<VeilCell>,
        events: &mut Vec<Event>,
    ) {
        let tissue = &settings.tissue;
        for cut in cuts {
            self.cut(grid, tissue, cut);
        }
        let clot = tissue.clotting_ticks;
        for cell in self.cells.values_mut() {
            cell.blood = (cell.blood + cell.ooze / TICKS_PER_SECOND).min(FULL);
            cell.ooze -= fading(cell.ooze, clot);
        }
        for tool in tools {
            let input = &tool.state.input;
            let (reach, dust, blood) = match input.tool {
                ToolKind::Suction => (tissue.suction_reach_mm, tissue.suction_ticks, tissue.suction_ticks),
                ToolKind::Irrigation => (tissue.irrigation_reach_mm, tissue.irrigation_ticks, 2 * tissue.irrigation_ticks),
                _ => continue,
            };
            if tool.trigger < settings.trigger_dead_zone {
                continue;
            }
            for (brick, cell) in &mut self.cells {
                let middle = grid.brick_coords(*brick).map(|v| f64::from(v) * BRICK as f64 + 7.5);
                if norm(sub(grid.patient_from_index(middle), tool.tip_mm())) <= reach {
                    cell.dust -= fading(cell.dust, dust);
                    cell.blood -= fading(cell.blood, blood);
                }
            }
        }
        for (brick, cell) in &mut self.cells {
            let now = cell.told(*brick);
            if (now.dust, now.blood) != cell.told {
                cell.told = (now.dust, now.blood);
                told.push(now);
            }
        }
        self.cells.retain(|_, cell| *cell != Cell::default());
        self.judge(grid, tissue, tools, events);
    }

    fn cut(&mut self, grid: &Grid, settings: &TissueSettings, cut: &Cut) {
        if cut.occupancy <= 0 || cut.bricks.is_empty() || !matches!(cut.class, TissueClass::Bone | TissueClass::Flavum) {
            return;
        }
        let mm3 = cut.occupancy as f64 / OCCUPANCY_PER_VOXEL as f64 * grid.voxel_mm3() / cut.bricks.len() as f64;
        let amount = |permille_per_mm3: f64| (mm3 * permille_per_mm3 * f64::from(PARTS)).min(f64::from(FULL)) as u32;
        for brick in &cut.bricks {
            let cell = self.cells.entry(*brick).or_default();
            if cut.class == TissueClass::Bone {
                cell.dust = (cell.dust + amount(settings.dust_per_mm3)).min(FULL);
            }
            cell.blood = (cell.blood + amount(settings.blood_per_mm3)).min(FULL);
            cell.ooze = (cell.ooze + amount(settings.ooze_per_mm3)).min(FULL);
        }
    }

    /// Tools that work where nobody sees them.
    fn judge(&mut self, grid: &Grid, settings: &TissueSettings, tools: &[HandTool<'_>], events: &mut Vec<Event>) {
        let mut veiled = BTreeMap::new();
        for tool in tools.iter().filter(|t| !matches!(t.state.input.tool, ToolKind::Suction | ToolKind::Irrigation)) {
            if self.permille(grid, tool.tip_mm()) >= settings.veiled_permille {
                veiled.insert(tool.key(), tool.state.holder());
            }
        }
        let cleared: Vec<ToolOfHand> =
            self.unseen.iter().filter(|(hand, (by, _))| veiled.get(hand) != Some(by)).map(|(hand, _)| *hand).collect();
        for hand in cleared {
            if let Some((by, ticks)) = self.unseen.remove(&hand) {
                events.push(Event::FieldCleared { by, ticks });
            }
        }
        for (hand, by) in veiled {
            let (_, ticks) = self.unseen.entry(hand).or_insert_with(|| {
                events.push(Event::FieldVeiled { by });
                (by, 0)
            });
            *ticks = ticks.saturating_add(1);
        }
    }
}

/// What an amount loses in a tick when it falls to 1/e in `ticks`; at least one part, so that it ends.
fn fading(amount: u32, ticks: u32) -> u32 {
    amount.div_ceil(ticks.max(1)).min(amount)
}

impl Cell {
    fn told(&self, brick: BrickIndex) -> VeilCell {
        let steps = |amount: u32| ((u64::from(amount) * u64::from(STEPS) + u64::from(FULL / 2)) / u64::from(FULL)) as u8;
        VeilCell { brick, dust: steps(self.dust), blood: steps(self.blood) }
    }
}
