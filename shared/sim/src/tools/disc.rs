//! How deep a tool is in a disc: the mark on its jaw, and the far side.

use spinor_volume::query::sdf_mm;
use spinor_volume::{ClassMask, Label, TissueClass};

use crate::contact::Tissue;
use crate::events::Event;
use crate::pose::{Rotation, turn, um};
use crate::tools::work::Bench;
use crate::vector::{Vec3, add, scale};

/// Longest way from a disc's one side to the other that is looked along, mm.
const LOOK_MM: f64 = 48.0;
/// Step of that look, mm.
const STEP_MM: f64 = 0.5;

/// Where a tool's tip is in a disc's outline, as it was before anything was cut.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Depth {
    disc: Label,
    /// From the tip back along the shaft to where it enters the disc, mm.
    to_entry_mm: f64,
    /// Whether the tip has come out on the far side.
    beyond: bool,
}

/// Looks from the tip back along the shaft for the disc that it is in or has gone through.
fn depth(tissue: &Tissue<'_>, rotation: &Rotation, tip: Vec3) -> Option<Depth> {
    let (patient, grid) = (tissue.patient, tissue.patient.grid());
    let back = turn(rotation, [0.0, 0.0, 1.0]);
    let discs = tissue.near(ClassMask::of(&[TissueClass::Disc]), tip, add(tip, scale(back, LOOK_MM)), 0.0);
    let steps = (LOOK_MM / STEP_MM) as u32;
    let mut found: Option<Depth> = None;
    for disc in discs {
        let Some(structure) = patient.structures().get(disc) else { continue };
        let inside = |k: u32| sdf_mm(grid, &structure.sdf, add(tip, scale(back, STEP_MM * f64::from(k)))) < 0.0;
        let Some(first) = (0..=steps).find(|k| inside(*k)) else { continue };
        let entry = (first..=steps).find(|k| !inside(*k)).unwrap_or(steps);
        let here = Depth { disc: structure.label, to_entry_mm: STEP_MM * f64::from(entry), beyond: first > 0 };
        if found.is_none_or(|f| here.to_entry_mm < f.to_entry_mm) {
            found = Some(here);
        }
    }
    found
}

/// What was told about a tool in a disc.
#[derive(Clone, Debug, Default)]
pub(crate) struct DiscMemory {
    marked: bool,
    beyond: bool,
}

impl DiscMemory {
    /// One tick: the mark and the far side are told once until the tool is drawn back.
    pub(crate) fn advance(&mut self, bench: &Bench<'_>, events: &mut Vec<Event>) {
        let by = bench.by;
        let Some(here) = depth(&bench.tissue, bench.rotation, bench.tip) else {
            *self = Self::default();
            return;
        };
        let depth_um = um(here.to_entry_mm);
        let marked = here.to_entry_mm >= bench.settings.tools.pituitary_mark_mm;
        if marked && !self.marked {
            events.push(Event::DepthMark { by, structure: here.disc, depth_um });
        }
        if here.beyond && !self.beyond {
            events.push(Event::DiscBreached { by, structure: here.disc, depth_um });
        }
        (self.marked, self.beyond) = (marked, here.beyond);
    }
}
