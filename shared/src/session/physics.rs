//! Running the simulation again from a recording's inputs, and comparing what it does with what was recorded.
//!
//! Tissues follow the models that the recording names, and stand still until it names some: recordings made before tissues answered go on
//! agreeing. A new epoch starts with empty hands, as the server starts it, and with the cut fields that the recorded operations give.

use std::io::Read;
use std::sync::Arc;

use spinor_sim::{Settings, Simulation, Tick, TissueModels, ToolInput, UserId};
use thiserror::Error;

use super::{Control, Part, Record, Replay, ReplayError, ReplayState, SessionError, TickRecord};
use crate::tissue::TissueRecord;
use crate::wire::WireError;

/// Longest stretch without a record that is simulated, ticks: a day at 60 Hz.
const MOST_IDLE: u32 = 24 * 3_600 * 60;

/// Why a recording cannot be simulated again.
#[derive(Debug, Error)]
pub enum PhysicsError {
    /// The recording cannot be read.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Its operations cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// An input, or what tissues did, has no form on either side.
    #[error("tick {tick}: {source}")]
    Wire {
        /// The tick.
        tick: u32,
        /// What is wrong.
        source: WireError,
    },
    /// A gap that no session has.
    #[error("the recording jumps from tick {from} to {tick}, more than a day: it is damaged")]
    Gap {
        /// The last tick before.
        from: u32,
        /// The first tick after.
        tick: u32,
    },
}

/// What a simulated replay found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Physics {
    /// Ticks simulated.
    pub ticks: u32,
    /// Ticks whose operations, events or tissues differ from the recorded ones.
    pub differing_ticks: usize,
}

/// Simulates a recording again up to tick `to`, or to its end.
///
/// # Errors
/// When the recording is damaged before its end, or holds what the core refuses. A torn tail is not an error.
pub fn simulate_again<R: Read>(recording: &mut Replay<R>, to: Option<u32>) -> Result<Physics, PhysicsError> {
    let mut recorded = ReplayState::new(Arc::clone(recording.case()), Part::WHOLE);
    let settings = Settings::with_tissues(TissueModels::STILL);
    let simulation = Simulation::new(Arc::new(recording.case().patient.clone()), settings);
    let mut again = Again { simulation, next: None, found: Physics::default() };
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
            again.found.differing_ticks += 1;
        }
        let emptied = record.emptied_hands();
        if !emptied.is_empty() {
            again.catch_up(tick)?;
            emptied.into_iter().for_each(|(user, hand)| again.simulation.remove_tool(user, hand));
        }
        match record {
            Record::Tissue(record) => again.found.differing_ticks += usize::from(due.take() != Some(record)),
            Record::Tick(record) => {
                again.catch_up(tick)?;
                due = again.compare(&record)?;
                again.next = Some(tick.saturating_add(1));
            }
            Record::Control { control: Control::Alarm { caution_um, danger_um }, .. } => {
                again.catch_up(tick)?;
                again.simulation.set_thresholds(f64::from(caution_um) / 1_000.0, f64::from(danger_um) / 1_000.0);
            }
            Record::TissueModels { answers, yields, .. } => again.simulation.set_tissues(TissueModels { answers, yields }),
            Record::Epoch { .. } => again.restart(&recorded),
            _ => {}
        }
    }
    Ok(again.found)
}

/// The simulation that runs again.
struct Again {
    simulation: Simulation,
    next: Option<u32>,
    found: Physics,
}

impl Again {
    /// Empty hands, and what the recorded operations and tissues have come to.
    fn restart(&mut self, recorded: &ReplayState) {
        let (patient, fields) = (Arc::clone(self.simulation.patient()), Arc::clone(self.simulation.fields()));
        self.simulation = Simulation::with_fields(patient, fields, *self.simulation.settings());
        self.simulation.restore_with(recorded.cut().clone(), recorded.standing());
        self.next = None;
    }

    /// Steps the ticks before `tick` in which nothing was recorded, up to which the room had gone when it recorded something of that tick.
    fn catch_up(&mut self, tick: u32) -> Result<(), PhysicsError> {
        let from = self.next.unwrap_or(tick);
        if tick.saturating_sub(from) > MOST_IDLE {
            return Err(PhysicsError::Gap { from, tick });
        }
        for idle in from..tick {
            if self.compare(&TickRecord { tick: idle, ..TickRecord::default() })?.is_some() {
                self.found.differing_ticks += 1;
            }
        }
        self.next = Some(from.max(tick));
        Ok(())
    }

    /// Steps one tick and compares its operations and events with the recorded ones; returns what tissues did, if anything.
    fn compare(&mut self, record: &TickRecord) -> Result<Option<TissueRecord>, PhysicsError> {
        let wire = |source| PhysicsError::Wire { tick: record.tick, source };
        let inputs = record.inputs.iter().map(|(user, input)| input.of(UserId(*user)));
        let inputs: Vec<ToolInput> = inputs.collect::<Result<_, _>>().map_err(wire)?;
        let output = self.simulation.step(Tick(record.tick), &inputs);
        let again = TickRecord::new(record.tick, &inputs, &output);
        self.found.ticks += 1;
        if again.ops != record.ops || again.events != record.events {
            self.found.differing_ticks += 1;
        }
        let tissue = (!output.tissue.is_empty()).then(|| TissueRecord::new(record.tick, &output.tissue));
        tissue.transpose().map_err(wire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Case, CaseMeta};
    use crate::session::{SessionHead, SessionWriter};
    use spinor_sim::{Hand, Pose, ToolKind, small_spine};

    /// A probe that goes into the sac of the small spine between the laminae, and a burr on the lamina, under some models of tissues.
    /// The recording names what `names` says.
    fn record(models: TissueModels, names: Option<TissueModels>, resumed: bool) -> Vec<u8> {
        let case = Case { patient: small_spine::patient(0.8).unwrap(), ct: None, mr: None, meta: CaseMeta::default() };
        let mut sim = Simulation::new(Arc::new(case.patient.clone()), Settings::with_tissues(models));
        let mut out = SessionWriter::create(Vec::new()).unwrap();
        let head = SessionHead {
            case_hash: case.hash().0,
            room: "theatre".into(),
            software: "test".into(),
            started_unix_s: 0,
            tick_hz: 60,
        };
        out.append(&Record::Head(head)).unwrap();
        out.append(&Record::Case(case.encode())).unwrap();
        names.iter().for_each(|models| out.append(&Record::of_models(0, *models)).unwrap());
        let mut state = ReplayState::new(Arc::new(case), Part::WHOLE);
        for tick in 0..150 {
            let t = f64::from(tick);
            let place = |tip_mm: [f64; 3]| Pose { tip_um: tip_mm.map(|v| (v * 1_000.0) as i32), turn: [-23_170, 0, 0, 23_170] };
            let top = small_spine::LAMINA_DEEP_MM + small_spine::LAMINA_THICK_MM;
            let burr = ToolInput {
                user: UserId(1),
                hand: Hand::Right,
                seq: tick + 1,
                tool: ToolKind::FlutedBurr,
                size_tenth_mm: 40,
                pose: place([8.0 + 0.02 * t, top + 2.0 - 0.05 * t, 14.0]),
                trigger: 255,
            };
            let sac = small_spine::CANAL_Y_MM + small_spine::SAC_RADIUS_MM;
            let pose = place([0.0, sac + 5.0 - (0.1 * t).min(7.0), 0.0]);
            let probe = ToolInput { hand: Hand::Left, tool: ToolKind::Probe, size_tenth_mm: 20, pose, trigger: 0, ..burr };
            let inputs = [probe, burr];
            let step = sim.step(Tick(tick), &inputs);
            let record = Record::Tick(TickRecord::new(tick, &inputs, &step));
            let tissue = (!step.tissue.is_empty()).then(|| Record::Tissue(TissueRecord::new(tick, &step.tissue).unwrap()));
            for record in [Some(record), tissue].into_iter().flatten() {
                state.advance(&record).unwrap();
                out.append(&record).unwrap();
            }
            if resumed && tick == 99 {
                // A server of today goes on with a recording that another one began.
                out.append(&Record::Epoch { tick, epoch: 1, from_tick: tick, reason: "resumed".into() }).unwrap();
                out.append(&Record::of_models(tick + 1, TissueModels::ALL)).unwrap();
                let settings = Settings::with_tissues(TissueModels::ALL);
                sim = Simulation::with_fields(Arc::clone(sim.patient()), Arc::clone(sim.fields()), settings);
                sim.restore_with(state.cut().clone(), state.standing());
            }
        }
        out.into_inner()
    }

    /// Proves that a recording is simulated with the tissues it was made with: one that names none with still ones, one that a later
    /// program went on with in each part with its own; and that other models are found out.
    #[test]
    fn a_recording_says_which_tissues_it_was_made_with() {
        let differing = |models, names, resumed| {
            let bytes = record(models, names, resumed);
            let found = simulate_again(&mut Replay::open(&bytes[..]).unwrap(), None).unwrap();
            assert_eq!(found.ticks, 150);
            found.differing_ticks
        };
        assert_eq!(differing(TissueModels::STILL, None, false), 0);
        assert_eq!(differing(TissueModels::ALL, Some(TissueModels::ALL), false), 0);
        assert_eq!(differing(TissueModels::STILL, None, true), 0);
        assert!(differing(TissueModels::ALL, None, false) > 10);
        assert!(differing(TissueModels::STILL, Some(TissueModels::ALL), false) > 10);
    }
}
