//! The nerve-root retractor: a foot that holds the root aside, and the load on what it holds.

use spinor_volume::Label;

use crate::events::{Event, Holder};
use crate::input::{TICKS_PER_SECOND, ToolKind};
use crate::settings::Settings;
use crate::tool::{AXES, Shape, plate_rods, shaft};

/// The shape of a nerve-root retractor.
pub(crate) fn shape(width_mm: f64, settings: &Settings) -> Shape {
    let (thick, radius) = (settings.retractor_thick_mm, settings.hand_shaft_radius_mm);
    let mut parts = plate_rods(width_mm, settings.retractor_foot_mm, thick, AXES);
    parts.push(shaft(-radius, radius - thick, radius, settings));
    Shape { ball_mm: [0.0, 0.0, -thick / 2.0], ..Shape::plain(parts) }
}

/// A nerve that is held.
#[derive(Clone, Debug)]
struct Hold {
    structure: Label,
    ticks: u32,
    peak: u32,
    /// Load summed over the ticks, mN.
    sum: u64,
    high: bool,
}

/// The nerves that a tool holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holds(Vec<Hold>);

impl Holds {
    /// One tick: load on each nerve, of a simulated patch where there is one, else of a spring over the tool's depth in it. A retractor's
    /// holds are told when they end or get too strong. Returns the greatest load, mN.
    pub(crate) fn observe(
        &mut self,
        settings: &Settings,
        by: Holder,
        distances: &[(Label, Option<i32>)],
        loads: &[(Label, u32)],
        events: &mut Vec<Event>,
    ) -> u32 {
        let mut greatest = 0;
        for (structure, distance) in distances {
            let depth_um = distance.map_or(0, |d| d.saturating_neg().max(0));
            let spring = f64::from(depth_um) * settings.tools.neural_newton_per_mm;
            let patch = loads.iter().find(|(label, _)| label == structure);
            let load = patch.map_or((spring + 0.5) as u32, |(_, load)| *load);
            greatest = greatest.max(load);
            if by.tool == ToolKind::Retractor {
                self.follow(settings, by, *structure, load, events);
            }
        }
        greatest
    }

    fn follow(&mut self, settings: &Settings, by: Holder, structure: Label, load: u32, events: &mut Vec<Event>) {
        let held = self.0.iter().position(|h| h.structure == structure);
        let hold = match held {
            None if load == 0 => return,
            Some(k) if load == 0 => return end(by, &self.0.remove(k), events),
            Some(k) => &mut self.0[k],
            None => {
                self.0.push(Hold { structure, ticks: 0, peak: 0, sum: 0, high: false });
                let Some(new) = self.0.last_mut() else { return };
                new
            }
        };
        hold.ticks = hold.ticks.saturating_add(1);
        hold.peak = hold.peak.max(load);
        hold.sum = hold.sum.saturating_add(u64::from(load));
        let high = f64::from(load) > settings.tools.retraction_limit_newton * 1_000.0;
        if high && !hold.high {
            events.push(Event::RetractionHigh { by, structure, load_millinewton: load });
        }
        hold.high = high;
    }

    /// Ends all holds.
    pub(crate) fn put_down(&mut self, by: Holder, events: &mut Vec<Event>) {
        for hold in self.0.drain(..) {
            end(by, &hold, events);
        }
    }
}

fn end(by: Holder, hold: &Hold, events: &mut Vec<Event>) {
    let impulse = hold.sum / u64::from(TICKS_PER_SECOND);
    events.push(Event::Retraction {
        by,
        structure: hold.structure,
        ticks: hold.ticks,
        peak_millinewton: hold.peak,
        impulse_millinewton_seconds: u32::try_from(impulse).unwrap_or(u32::MAX),
    });
}
