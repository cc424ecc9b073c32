//! A client's prediction of its own tool against the server's simulation.

use super::{input, room};
use crate::fixture::{PLATE_TOP_MM, plate_over_sac};
use crate::{Hand, OwnTool, Settings, Tick, ToolInput, ToolKind, UserId};

fn stroke(seq: u32) -> ToolInput {
    let t = f64::from(seq);
    input(seq, ToolKind::FlutedBurr, [0.05 * t, PLATE_TOP_MM + 2.0 - 0.04 * t, 0.02 * t], 220)
}

/// With the server's cuts in the mirror at once, prediction and server agree but for what the server's operations are corrected by.
#[test]
fn without_delay_the_prediction_is_the_servers() {
    let mut sim = room(plate_over_sac(0.4, 4.0));
    let mut own = OwnTool::new(Settings::default());
    for seq in 1..=120 {
        let patient = sim.patient().clone();
        let predicted = own.advance(&patient, sim.cut(), &stroke(seq));
        sim.step(Tick(seq), &[stroke(seq)]);
        let state = sim.tool(UserId(1), Hand::Right).unwrap();
        let off = (0..3).map(|k| (predicted.proxy.tip_um[k] - state.proxy.tip_um[k]).abs()).max().unwrap();
        assert!(off <= 60, "input {seq}: {off} µm");
        own.acknowledge(&patient, sim.cut(), seq, state.proxy);
        assert_eq!(own.predicted_cuts().count(), 0);
    }
}

/// With the mirror 8 ticks behind, the predicted tool neither sinks into bone nor lags: it stays within 0.15 mm of the server's.
#[test]
fn with_delay_the_prediction_stays_close() {
    let mut sim = room(plate_over_sac(0.4, 4.0));
    let patient = sim.patient().clone();
    let mut own = OwnTool::new(Settings::default());
    let mut past = std::collections::VecDeque::new();
    let mut worst = 0;
    for seq in 1..=150 {
        let mirror = past.front().map_or_else(|| sim.cut().clone(), |(_, _, cut)| Clone::clone(cut));
        if past.len() >= 8 {
            let (seq, proxy, cut) = past.pop_front().unwrap();
            own.acknowledge(&patient, &cut, seq, proxy);
        }
        let predicted = own.advance(&patient, &mirror, &stroke(seq)).proxy;
        sim.step(Tick(seq), &[stroke(seq)]);
        let real = sim.tool(UserId(1), Hand::Right).unwrap().proxy;
        worst = worst.max((0..3).map(|k| (predicted.tip_um[k] - real.tip_um[k]).abs()).max().unwrap());
        past.push_back((seq, real, sim.cut().clone()));
    }
    assert!(worst < 150, "{worst} µm");
}
