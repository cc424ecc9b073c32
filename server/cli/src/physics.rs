//! Running the simulation again from a recording's inputs, and comparing what it does with what was recorded.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use spinor_shared::session::{Control, OpRecord, Part, Record, ReplayState, TickRecord};
use spinor_shared::tissue::TissueRecord;
use spinor_shared::wire::{WireCut, WireEvent};
use spinor_sim::{Hand, ResolvedOp, Settings, Simulation, Tick, ToolInput, UserId};

use crate::commands::replay;

/// Longest stretch without a record that is simulated, ticks: a day at 60 Hz.
const MOST_IDLE: u32 = 24 * 3_600 * 60;

/// What a simulated replay found.
pub(crate) struct Physics {
    /// Ticks simulated.
    pub(crate) ticks: u32,
    /// Ticks whose operations or events differ from the recorded ones.
    pub(crate) differing_ticks: usize,
}

/// Simulates a recording again up to tick `to`, or to its end.
///
/// A new epoch starts with empty hands, as the server starts it, and with the cut fields that the recorded operations give.
pub(crate) fn replay(path: &Path, to: Option<u32>) -> anyhow::Result<Physics> {
    let mut recording = replay::open(path)?;
    let mut recorded = ReplayState::new(Arc::clone(recording.case()), Part::WHOLE);
    let mut simulation = Simulation::new(Arc::new(recording.case().patient.clone()), Settings::default());
    let mut found = Physics { ticks: 0, differing_ticks: 0 };
    let mut next = None;
    // What tissues did in the last simulated tick, until its record comes.
    let mut due: Option<TissueRecord> = None;
    while let Some(record) = recording.next_record()? {
        let tick = record.tick().unwrap_or(0);
        if to.is_some_and(|to| tick > to) {
            break;
        }
        recorded.advance(&record)?;
        // A server that was cut off between a tick's two records goes on from the first, in a new epoch.
        if !matches!(record, Record::Tissue(_)) && due.take().is_some() && !matches!(record, Record::Epoch { .. }) {
            found.differing_ticks += 1;
        }
        match record {
            Record::Tissue(record) => found.differing_ticks += usize::from(due.take() != Some(record)),
            Record::Tick(record) => {
                catch_up(&mut simulation, &mut next, tick, &mut found)?;
                due = compare(&mut simulation, &record, &mut found)?;
                next = Some(tick.saturating_add(1));
            }
            // Who loses the right to operate keeps the tool: its trigger is let go by the inputs that are recorded.
            Record::Left { user, .. } => {
                catch_up(&mut simulation, &mut next, tick, &mut found)?;
                for hand in [Hand::Left, Hand::Right] {
                    simulation.remove_tool(UserId(user), hand);
                }
            }
            Record::Control { user, control: Control::Pass { from_hand, .. }, .. } => {
                catch_up(&mut simulation, &mut next, tick, &mut found)?;
                if let Ok(hand) = spinor_shared::wire::hand_from_number(from_hand) {
                    simulation.remove_tool(UserId(user), hand);
                }
            }
            Record::Control { control: Control::Alarm { caution_um, danger_um }, .. } => {
                catch_up(&mut simulation, &mut next, tick, &mut found)?;
                simulation.set_thresholds(f64::from(caution_um) / 1_000.0, f64::from(danger_um) / 1_000.0);
            }
            Record::Epoch { .. } => {
                let (patient, fields) = (Arc::clone(simulation.patient()), Arc::clone(simulation.fields()));
                simulation = Simulation::with_fields(patient, fields, *simulation.settings());
                simulation.restore_with(recorded.cut().clone(), recorded.standing());
                next = None;
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Steps the ticks before `tick` in which nothing was recorded, up to which the room had gone when it recorded something of that tick.
fn catch_up(simulation: &mut Simulation, next: &mut Option<u32>, tick: u32, found: &mut Physics) -> anyhow::Result<()> {
    let from = next.unwrap_or(tick);
    ensure!(
        tick.saturating_sub(from) <= MOST_IDLE,
        "the recording jumps from tick {from} to {tick}, more than a day: it is damaged"
    );
    for idle in from..tick {
        if compare(simulation, &TickRecord { tick: idle, ..TickRecord::default() }, found)?.is_some() {
            found.differing_ticks += 1;
        }
    }
    *next = Some(from.max(tick));
    Ok(())
}

/// Steps one tick and compares its operations and events with the recorded ones; returns what tissues did, if anything.
fn compare(simulation: &mut Simulation, record: &TickRecord, found: &mut Physics) -> anyhow::Result<Option<TissueRecord>> {
    let inputs: Vec<ToolInput> = record
        .inputs
        .iter()
        .map(|(user, input)| input.of(UserId(*user)))
        .collect::<Result<_, _>>()
        .with_context(|| format!("inputs of tick {}", record.tick))?;
    let output = simulation.step(Tick(record.tick), &inputs);
    let ops: Vec<OpRecord> = output.ops.iter().map(op_record).collect();
    let events: Vec<WireEvent> = output.events.iter().map(WireEvent::from).collect();
    found.ticks += 1;
    if ops != record.ops || events != record.events {
        found.differing_ticks += 1;
    }
    let tissue = (!output.tissue.is_empty()).then(|| TissueRecord::new(record.tick, &output.tissue));
    tissue.transpose().with_context(|| format!("tissues at tick {}", record.tick))
}

/// An operation as a recording holds it.
fn op_record(op: &ResolvedOp) -> OpRecord {
    OpRecord { user: op.user.0, hand: op.hand as u8, tool: op.tool as u8, input_seq: op.input_seq, cut: WireCut::from(&op.op) }
}
