//! Dura and roots that give way: levels that follow the surface.

use std::sync::Arc;

use spinor_volume::Patient;

use super::alarm::nerves;
use super::input;
use crate::fixture::SAC_RADIUS_MM;
use crate::{AlarmLevel, Hand, Settings, Simulation, Tick, TissueModels, ToolInput, ToolKind, UserId};

fn yielding(patient: Patient) -> Simulation {
    Simulation::new(Arc::new(patient), Settings::with_tissues(TissueModels::ALL))
}

/// A tool that follows the sac as it is dented by another gets its level from where the sac is: over the dent, at a place that was caution at
/// rest, it is clear of danger, and when the sac comes back it is danger without the tool moving.
#[test]
fn levels_follow_the_surface() {
    let mut sim = yielding(nerves(0.0));
    let watch = SAC_RADIUS_MM + 1.5 + 1.2;
    let mut levels = Vec::new();
    for tick in 1..=300_u32 {
        // A broad dissector presses 4 mm beside the place, and lets go.
        let depth = if tick < 120 { (f64::from(tick) * 0.05).min(5.0) } else { -8.0 };
        let pressing = input(tick, ToolKind::Penfield, [0.0, SAC_RADIUS_MM + 0.6 - depth, 3.5], 0);
        let watching = ToolInput { hand: Hand::Left, ..input(tick, ToolKind::Probe, [0.0, watch, -1.0], 0) };
        sim.step(Tick(tick), &[pressing, watching]);
        levels.push(sim.tool(UserId(1), Hand::Left).unwrap().level);
    }
    assert_eq!((levels[1], levels[118], levels[299]), (AlarmLevel::Danger, AlarmLevel::Caution, AlarmLevel::Danger));
}
