//! What people ask a room for over the control stream, and who may.

use std::time::Instant;

use spinor_shared::net::control::{BrickName, MAX_REPAIR, Notice, Request};
use spinor_shared::net::handshake::Refusal;
use spinor_shared::session::{Control, Record};
use spinor_shared::tissue_view::Untold;
use spinor_shared::wire::class_from_number;
use spinor_volume::BrickIndex;

use crate::bulk;
use crate::delta::{BrickKey, snapshot_frames};
use crate::following::target_of;
use crate::room::{Member, Room};

/// What a request comes to beyond the room itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing more.
    Done,
    /// The person wants the server's statistics.
    Stats,
    /// The connection is to be closed.
    Close(Refusal),
}

impl Room {
    /// Carries out a request, or refuses it.
    pub(crate) fn request(&mut self, user: u32, request: Request, bytes_per_second: f64) -> Outcome {
        let Some(member) = self.members.get_mut(&user) else { return Outcome::Done };
        let role = member.role;
        let Some(peer) = &mut member.peer else { return Outcome::Done };
        let directs = matches!(
            request,
            Request::Freeze(_)
                | Request::Pause(_)
                | Request::Tool { .. }
                | Request::Alarm { .. }
                | Request::Rewind { .. }
                | Request::Procedure(_)
        );
        if directs && !role.may_direct() {
            self.refuse(user, request.word(), Refusal::Role(role));
            return Outcome::Done;
        }
        match request {
            Request::Ready { have_patient, want_images } => {
                // Who comes while the room goes back asks twice: for the state that it was told of on entering, and for the one that is.
                if peer.ready && !member.budgets.entries.take(Instant::now()) {
                    return Outcome::Close(Refusal::Rate);
                }
                peer.ready = true;
                peer.untold = Some(Untold::everything(&self.sim));
                peer.tell(&Notice::Procedure(self.following.as_ref().map(|follower| follower.told.clone())));
                let connection = peer.connection.clone();
                self.send_snapshot(connection, (have_patient, want_images), bytes_per_second);
            }
            Request::Freeze(frozen) => self.direct(user, "freeze", Control::Freeze(frozen), |room| room.frozen = frozen),
            Request::Pause(paused) => self.direct(user, "pause", Control::Pause(paused), |room| room.paused = paused),
            Request::Tool { user: whose, give } => {
                let Some(other) = self.members.get(&whose) else {
                    self.refuse(user, "tool", Refusal::Nothing);
                    return Outcome::Done;
                };
                if give && !other.role.may_operate() {
                    let refusal = Refusal::Role(other.role);
                    self.refuse(user, "tool", refusal);
                    return Outcome::Done;
                }
                self.direct(user, "tool", Control::Tool { user: whose, given: give }, |room| {
                    if let Some(other) = room.members.get_mut(&whose) {
                        other.has_tool = give;
                    }
                });
            }
            Request::Alarm { caution_um, danger_um } => {
                if let Err(refusal) = self.set_alarm(user, caution_um, danger_um) {
                    self.refuse(user, "alarm", refusal);
                }
            }
            Request::Repair(names) => return self.repair(user, &names),
            Request::Stats => return Outcome::Stats,
            Request::Digest => peer.wants_digest = true,
            Request::Say(_) if self.disk_full => self.refuse(user, "say", Refusal::Disk),
            Request::Say(mark) => {
                if !mark.is_fine() {
                    return Outcome::Close(Refusal::Garbage);
                }
                // It goes to everybody: somebody who draws without end must not fill the others' queues.
                if !member.budgets.said.take_many(mark.size() as u32, Instant::now()) {
                    self.refuse(user, "say", Refusal::Rate);
                    return Outcome::Done;
                }
                self.record_and_tell(Record::Said { tick: self.tick, user, mark: mark.clone() }, Notice::Said { user, mark });
            }
            Request::Rewind { to_tick } => {
                // Each one reads the recording and sends everybody the patient anew.
                if !member.budgets.chosen.take(Instant::now()) {
                    self.refuse(user, "rewind", Refusal::Rate);
                    return Outcome::Done;
                }
                if let Err(refusal) = self.begin_rewind(user, to_tick) {
                    self.refuse(user, "rewind", refusal);
                }
            }
            Request::Pass { hand, to } => {
                if let Err(refusal) = self.pass(user, hand, to) {
                    self.refuse(user, "pass", refusal);
                }
            }
            Request::Measures => self.measure(user),
            Request::Procedure(wire) => {
                let chosen = target_of(wire);
                if matches!(chosen, Err(Refusal::Garbage)) {
                    return Outcome::Close(Refusal::Garbage);
                }
                // Each choice starts a thread that looks for the place.
                if !member.budgets.chosen.take(Instant::now()) {
                    self.refuse(user, "procedure", Refusal::Rate);
                    return Outcome::Done;
                }
                if let Err(refusal) = chosen.and_then(|target| self.choose_procedure(user, target)) {
                    self.refuse(user, "procedure", refusal);
                }
            }
            Request::Leave => return Outcome::Close(Refusal::Closing),
        }
        Outcome::Done
    }

    /// Does what somebody decided for the room once it is recorded, and tells everybody; or refuses it.
    fn direct(&mut self, user: u32, request: &str, control: Control, apply: impl FnOnce(&mut Self)) {
        match self.decide(user, control) {
            Ok(()) => {
                apply(self);
                self.tell_view();
            }
            Err(refusal) => self.refuse(user, request, refusal),
        }
    }

    /// Records what somebody decides for the room, before it holds. While the recording cannot be written nothing is decided: nobody is shown
    /// what a crash could take back.
    pub(crate) fn decide(&mut self, user: u32, control: Control) -> Result<(), Refusal> {
        if self.disk_full {
            return Err(Refusal::Disk);
        }
        let record = Record::Control { tick: self.tick, user, control };
        if let Some(recorder) = &mut self.recorder
            && let Err(error) = recorder.append(&record)
        {
            tracing::error!(room = %self.name, path = %recorder.path().display(), %error, "the room waits: its recording cannot be written");
            self.stop_for_recording();
            return Err(Refusal::Disk);
        }
        tracing::info!(room = %self.name, user, ?record, "decided");
        Ok(())
    }

    /// Starts sending the room's state. The copy is taken here, between two ticks; packing and sending happen elsewhere.
    fn send_snapshot(&mut self, connection: quinn::Connection, what: (bool, bool), bytes_per_second: f64) {
        let stamp = (self.epoch, self.tick);
        let bricks = self.sender.snapshot();
        let case = self.case.clone();
        let size = self.snapshot_size.clone();
        self.runtime.spawn(async move {
            let packed = tokio::task::spawn_blocking(move || snapshot_frames(&bricks, stamp)).await;
            match packed {
                Ok(Ok(frames)) => {
                    let bytes = frames.iter().map(|f| f.len() as u64).sum();
                    size.store(bytes, std::sync::atomic::Ordering::Relaxed);
                    bulk::send_all(connection, case, what, frames, bytes_per_second).await;
                }
                Ok(Err(error)) => tracing::error!(%error, "a snapshot cannot be packed"),
                Err(error) => tracing::error!(%error, "a snapshot was not packed"),
            }
        });
    }

    fn repair(&mut self, user: u32, names: &[BrickName]) -> Outcome {
        let count = self.case.patient.grid().brick_count();
        let keys: Option<Vec<BrickKey>> = names
            .iter()
            .map(|name| {
                let class = class_from_number(name.class).ok()?;
                ((name.brick as usize) < count).then_some((class, BrickIndex(name.brick)))
            })
            .collect();
        let Some(keys) = keys.filter(|keys| keys.len() <= MAX_REPAIR) else { return Outcome::Close(Refusal::Garbage) };
        let allowed = |member: &mut Member| member.budgets.repaired.take_many(keys.len() as u32, Instant::now());
        if !self.members.get_mut(&user).is_some_and(allowed) {
            self.refuse(user, "repair", Refusal::Rate);
            return Outcome::Done;
        }
        self.repairs += keys.len() as u64;
        tracing::info!(room = %self.name, user, bricks = keys.len(), "bricks sent again");
        let stamp = (self.epoch, self.tick);
        if let Some(peer) = self.members.get_mut(&user).and_then(|m| m.peer.as_mut()) {
            peer.repair(&keys, &mut self.sender, stamp);
        }
        Outcome::Done
    }
}
