//! Setting the alarm's thresholds.
//!
//! Wider ones need distances that reach further, which takes seconds to build: that happens on another thread, and the old thresholds
//! stay in force until it is done, here, in what people are told, and in the recording. Neither this room nor another one stands still.

use std::sync::Arc;

use spinor_shared::net::handshake::Refusal;
use spinor_shared::session::Control;
use spinor_sim::NeuralFields;
use spinor_sim::settings::{LEAST_DANGER_MM, MOST_CAUTION_MM};
use tokio::sync::oneshot::{Receiver, channel, error::TryRecvError};

use crate::room::Room;

/// Thresholds whose distances are being built.
pub(crate) struct Widening {
    by: u32,
    caution_um: u32,
    danger_um: u32,
    fields: Receiver<Arc<NeuralFields>>,
}

/// Micrometres as millimetres.
fn mm(um: u32) -> f64 {
    f64::from(um) / 1000.0
}

impl Room {
    /// Sets the thresholds, at once or as soon as the distances for them are there; or says why not.
    pub(crate) fn set_alarm(&mut self, by: u32, caution_um: u32, danger_um: u32) -> Result<(), Refusal> {
        if danger_um > caution_um || mm(danger_um) < LEAST_DANGER_MM || mm(caution_um) > MOST_CAUTION_MM {
            return Err(Refusal::Thresholds);
        }
        if self.widening.is_some() {
            return Err(Refusal::Busy);
        }
        let Some(settings) = self.sim.widened(mm(caution_um), mm(danger_um)) else {
            self.decide(by, Control::Alarm { caution_um, danger_um })?;
            self.sim.set_thresholds(mm(caution_um), mm(danger_um));
            self.tell_alarm();
            return Ok(());
        };
        let (done, fields) = channel();
        let patient = self.case.patient.clone();
        self.runtime.spawn_blocking(move || {
            let _ = done.send(NeuralFields::build(&patient, &settings));
        });
        self.widening = Some(Widening { by, caution_um, danger_um, fields });
        Ok(())
    }

    /// Puts thresholds in force whose distances have been built meanwhile. Called before a tick.
    pub(crate) fn take_widening(&mut self) {
        let Some(widening) = &mut self.widening else { return };
        let (by, caution_um, danger_um) = (widening.by, widening.caution_um, widening.danger_um);
        match widening.fields.try_recv() {
            Err(TryRecvError::Empty) => return,
            Ok(fields) => match self.decide(by, Control::Alarm { caution_um, danger_um }) {
                Ok(()) => {
                    self.sim.set_thresholds_with(mm(caution_um), mm(danger_um), fields);
                    self.tell_alarm();
                }
                Err(refusal) => self.refuse(by, "alarm", refusal),
            },
            Err(TryRecvError::Closed) => self.refuse(by, "alarm", Refusal::Closing),
        }
        self.widening = None;
    }

    /// People are told what is in force.
    fn tell_alarm(&mut self) {
        self.settings = *self.sim.settings();
        self.tell_view();
    }
}
