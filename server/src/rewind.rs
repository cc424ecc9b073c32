//! Going back to an earlier moment: the patient's state is read from the room's own recording, and a new epoch begins with it.
//!
//! Reading takes longer than a tick may, so it happens on another thread while the room stands still. Other rooms do not notice.

use std::fs::File;
use std::io::BufReader;

use spinor_shared::net::handshake::Refusal;
use spinor_shared::session::{Reached, Record, ReplayError, SessionError, SessionReader, reach};
use spinor_sim::Simulation;
use tokio::sync::oneshot::{Receiver, channel, error::TryRecvError};

use crate::room::Room;

/// A rewind that is being read.
pub(crate) struct Rewinding {
    by: u32,
    to_tick: u32,
    result: Receiver<Result<Reached, ReplayError>>,
}

impl Room {
    /// Begins to go back to the end of a tick, or says why not.
    pub(crate) fn begin_rewind(&mut self, by: u32, to_tick: u32) -> Result<(), Refusal> {
        let Some(recorder) = &self.recorder else { return Err(Refusal::NotRecorded) };
        if self.rewinding.is_some() {
            return Err(Refusal::Busy);
        }
        if to_tick >= self.tick {
            return Err(Refusal::Nothing);
        }
        if self.disk_full {
            return Err(Refusal::Disk);
        }
        let (path, patient) = (recorder.path().to_owned(), self.case.patient.clone());
        let (done, result) = channel();
        self.runtime.spawn_blocking(move || {
            let read = || {
                let io = |source| SessionError::Io { what: "cannot read the room's recording", source };
                let mut reader = SessionReader::open(BufReader::new(File::open(&path).map_err(io)?))?;
                reach(&mut reader, &patient, Some(to_tick))
            };
            let _ = done.send(read());
        });
        self.rewinding = Some(Rewinding { by, to_tick, result });
        Ok(())
    }

    /// Whether the room stands still because it is going back. Once the earlier state is there, the new epoch begins.
    pub(crate) fn is_rewinding(&mut self) -> bool {
        let Some(rewinding) = &mut self.rewinding else { return false };
        let (by, to_tick) = (rewinding.by, rewinding.to_tick);
        match rewinding.result.try_recv() {
            Err(TryRecvError::Empty) => return true,
            Ok(Ok(reached)) => self.rewound(by, to_tick, reached),
            Ok(Err(error)) => {
                tracing::error!(room = %self.name, %error, "the room stays where it is: its recording cannot be read back");
                self.refuse(by, "rewind", Refusal::Disk);
            }
            Err(TryRecvError::Closed) => self.refuse(by, "rewind", Refusal::Closing),
        }
        self.rewinding = None;
        false
    }

    fn rewound(&mut self, by: u32, to_tick: u32, reached: Reached) {
        let before = self.tick.saturating_sub(1);
        let reason = format!("rewound by {by}");
        // As all that somebody decides, it is recorded before it holds: on a disk that has filled up meanwhile the room stays where it is.
        let epoch = Record::Epoch { tick: before, epoch: self.epoch + 1, from_tick: to_tick, reason };
        let written =
            if self.disk_full { false } else { self.recorder.as_mut().is_none_or(|recorder| recorder.append(&epoch).is_ok()) };
        if !written {
            tracing::error!(room = %self.name, user = by, to_tick, "the room stays where it is: its recording cannot be written");
            self.stop_for_recording();
            self.refuse(by, "rewind", Refusal::Disk);
            return;
        }
        self.epoch += 1;
        tracing::info!(room = %self.name, user = by, to_tick, epoch = self.epoch, "rewound");
        // Hands are empty in a new epoch, here as in every replay.
        let settings = *self.sim.settings();
        self.sim = Simulation::with_fields(self.case.patient.clone(), self.sim.fields().clone(), settings);
        self.sim.restore_with(reached.cut, &reached.standing);
        self.hands.clear();
        self.go_back_in_procedure(to_tick);
        self.sender.begin_from(self.sim.cut());
        (self.last_op_tick, self.last_digest) = (self.tick, self.tick);
        self.keyframe();
        for peer in self.members.values_mut().filter_map(|member| member.peer.as_mut()) {
            peer.start_again();
        }
        // The view names the new epoch: whoever reads it asks for the new state.
        self.tell_view();
    }
}
