//! What a room does at every tick.

use spinor_shared::delta::Cause;
use spinor_shared::net::control::Notice;
use spinor_shared::net::handshake::Refusal;
use spinor_shared::net::protocol::{TOOLS_PER_MESSAGE, ToolView, ToolsMsg};
use spinor_shared::session::{HeadPose, Record, TickRecord};
use spinor_shared::wire::WireEvent;
use spinor_sim::{Tick, ToolInput};

use crate::recorder::Recorder;
use crate::room::{Held, Room};

/// Tool states go out every so many ticks.
const TOOLS_EVERY: u32 = 2;
/// Tissues go out every so many ticks.
const TISSUES_EVERY: u32 = 3;
/// Heads are recorded every so many ticks.
const HEADS_EVERY: u32 = 6;
/// A digest is recorded every so many ticks with operations between.
const DIGEST_EVERY: u32 = 60;
/// While the recording cannot be written it is tried again every so many ticks.
pub(crate) const RETRY_EVERY: u32 = 30;
/// Nobody has cut for so many ticks: what a digest is asked for.
const QUIET: u32 = 20;

impl Room {
    /// One tick. Returns the tools' states to send.
    pub(crate) fn tick(&mut self) -> Vec<ToolsMsg> {
        if !self.disk_full && self.recorder.as_ref().is_some_and(Recorder::is_failing) {
            self.stop_for_recording();
        }
        if self.disk_full {
            self.retry += 1;
            if !self.retry.is_multiple_of(RETRY_EVERY) || !self.catch_up_recording() {
                return Vec::new();
            }
            if let Some(held) = self.held.take() {
                // The tick that the room stopped in ends here: it has been simulated and recorded.
                return self.finish(&held);
            }
        }
        if self.is_rewinding() {
            return Vec::new();
        }
        self.take_widening();
        self.take_procedure();
        if self.paused {
            let stamp = (self.epoch, self.tick);
            for peer in self.members.values_mut().filter_map(|m| m.peer.as_mut()).filter(|p| p.ready) {
                peer.catch_up(&mut self.sender, stamp);
                peer.tell_tissues(&self.sim, stamp);
            }
            self.answer_digests();
            return Vec::new();
        }
        let inputs = self.inputs();
        let out = self.sim.step(Tick(self.tick), &inputs);
        let events: Vec<WireEvent> = out.events.iter().map(WireEvent::from).collect();
        if !out.touched.is_empty() {
            self.last_op_tick = self.tick;
            self.ops += out.ops.len() as u64;
        }
        self.feed_procedure(&out.events);
        let mut causes = Vec::new();
        for op in &out.ops {
            let cause = Cause { user: op.user.0, hand: op.hand as u8, first: op.input_seq, last: op.input_seq };
            Cause::merge(&mut causes, cause);
        }
        if !inputs.is_empty() || !out.ops.is_empty() || !events.is_empty() || !out.tissue.is_empty() {
            self.record(Record::Tick(TickRecord::new(self.tick, &inputs, &out)));
        }
        if !out.tissue.is_empty() {
            self.record_tissue(self.tick, out.tissue.clone());
        }
        let held = Held { touched: out.touched, causes, events, tissue: out.tissue };
        if self.disk_full {
            self.held = Some(held);
            return Vec::new();
        }
        self.finish(&held)
    }

    /// Ends a tick that is recorded: shows it, counts on, and returns the tools' states to send.
    fn finish(&mut self, held: &Held) -> Vec<ToolsMsg> {
        self.show(held);
        self.record_heads();
        self.tick += 1;
        if self.recorder.as_ref().is_some_and(|r| r.keyframe_due(self.ops)) {
            self.keyframe();
            self.last_digest = self.tick;
        } else if self.recorder.is_some() && self.tick >= self.last_digest + DIGEST_EVERY && self.last_op_tick >= self.last_digest
        {
            self.record(Record::Digest { tick: self.tick - 1, digest: self.sim.cut().digest() });
            self.last_digest = self.tick;
        }
        self.answer_digests();
        if self.tick.is_multiple_of(TOOLS_EVERY) { self.tools() } else { Vec::new() }
    }

    /// New inputs of this tick, as far as they are allowed: the trigger of a hand that may not operate is let go.
    ///
    /// A hand that has sent nothing new keeps doing what it did (the simulation lets go of its trigger after a while). When operating is
    /// forbidden in between, an input of the server's own lets go at once; it is recorded like any other.
    fn inputs(&mut self) -> Vec<ToolInput> {
        let mut inputs = Vec::with_capacity(self.hands.len());
        let mut refused = Vec::new();
        for ((user, _), hand) in &mut self.hands {
            let has_tool = self.members.get(&user.0).is_some_and(|m| m.has_tool);
            let refusal = match (self.frozen, has_tool) {
                (true, _) => Some(Refusal::Frozen),
                (false, false) => Some(Refusal::NoTool),
                (false, true) => None,
            };
            let mut input = hand.input;
            if let Some(refusal) = refusal {
                if input.trigger > 0 && hand.fresh {
                    refused.push((user.0, refusal));
                }
                if !hand.fresh && hand.pressed {
                    input.seq = input.seq.saturating_add(1);
                    hand.fresh = true;
                }
                input.trigger = 0;
            }
            if std::mem::take(&mut hand.fresh) {
                hand.pressed = input.trigger > 0;
                inputs.push(input);
            }
        }
        for (user, refusal) in refused {
            self.refuse(user, "input", refusal);
        }
        inputs
    }

    /// Sends what a tick brought about. Nothing is shown before it is recorded.
    fn show(&mut self, held: &Held) {
        if !held.events.is_empty() {
            self.tell_all(&Notice::Events { tick: self.tick, events: held.events.clone() });
        }
        let stamp = (self.epoch, self.tick);
        match self.sender.tick(self.sim.cut(), &held.touched, stamp, &held.causes) {
            Ok(shares) => {
                for peer in self.members.values_mut().filter_map(|m| m.peer.as_mut()).filter(|p| p.ready) {
                    self.coalesced += peer.send_changes(&shares, &held.causes, &mut self.sender, stamp);
                }
            }
            Err(error) => tracing::error!(room = %self.name, %error, "changes cannot be packed"),
        }
        for peer in self.members.values_mut().filter_map(|m| m.peer.as_mut()) {
            if let Some(untold) = &mut peer.untold {
                untold.note(&held.tissue);
            }
            if self.tick.is_multiple_of(TISSUES_EVERY) {
                peer.tell_tissues(&self.sim, stamp);
            }
        }
    }

    fn record_heads(&mut self) {
        if self.recorder.is_none() || !self.tick.is_multiple_of(HEADS_EVERY) {
            return;
        }
        let mut heads = Vec::new();
        for (user, member) in &mut self.members {
            if let Some(body) = member.body.filter(|body| member.body_recorded != Some(*body)) {
                member.body_recorded = Some(body);
                heads.push(HeadPose { user: *user, at_um: body.head.tip_um, turn: body.head.turn });
            }
        }
        if !heads.is_empty() {
            self.record(Record::Heads { tick: self.tick, heads });
        }
    }

    fn answer_digests(&mut self) {
        if self.tick.saturating_sub(self.last_op_tick) < QUIET && self.last_op_tick > 0 && !self.paused {
            return;
        }
        let mut digest = None;
        for peer in self.members.values_mut().filter_map(|m| m.peer.as_mut()) {
            if peer.wants_digest && !peer.is_behind() {
                peer.wants_digest = false;
                let digest = *digest.get_or_insert_with(|| self.sim.cut().digest());
                peer.tell(&Notice::Digest { tick: self.tick, epoch: self.epoch, digest, ops: self.ops });
            }
        }
    }

    fn tools(&self) -> Vec<ToolsMsg> {
        let views: Vec<ToolView> = self.sim.tools().map(crate::view::tool_view).collect();
        let parts = views.len().div_ceil(TOOLS_PER_MESSAGE).clamp(1, 255);
        if views.is_empty() {
            // An empty message tells that the last tool was put down; once a second is enough for that.
            let due = self.tick.is_multiple_of(60);
            return if due { vec![ToolsMsg { tick: self.tick, part: [0, 1], tools: Vec::new() }] } else { Vec::new() };
        }
        let chunks = views.chunks(TOOLS_PER_MESSAGE).take(parts).enumerate();
        chunks.map(|(n, tools)| ToolsMsg { tick: self.tick, part: [n as u8, parts as u8], tools: tools.to_vec() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::Arc;

    use spinor_shared::mark::Mark;
    use spinor_shared::net::handshake::Refusal;
    use spinor_shared::session::Control;
    use spinor_sim::{Detached, Hand, Holder, TissueOutput, ToolKind, UserId};
    use spinor_volume::cut::Stamp;
    use spinor_volume::{BRICK_VOXELS, BrickIndex, Label, TissueClass};

    use super::*;
    use crate::room::Waiting;
    use crate::testing::Theatre;

    /// While the disk is full time stands still. The tick that could not be recorded is simulated once, recorded once, and the next one
    /// has the next number.
    #[test]
    fn a_full_disk_holds_a_tick_and_counts_it_once() {
        let mut theatre = Theatre::open();
        assert_eq!(theatre.busy_tick(), 1);
        theatre.turn_to(File::open(&theatre.path).unwrap());
        for _ in 0..2 * RETRY_EVERY {
            assert_eq!(theatre.busy_tick(), 1);
            assert!(theatre.room.disk_full);
        }
        theatre.turn_to(File::options().write(true).open(&theatre.path).unwrap());
        let waited = (1..=RETRY_EVERY).find(|_| theatre.busy_tick() > 1);
        assert!(waited.is_some() && !theatre.room.disk_full);
        assert_eq!((theatre.room.tick, theatre.busy_tick()), (2, 3));
        let ticks: Vec<u32> =
            theatre.records().iter().filter_map(|r| if let Record::Tick(tick) = r { Some(tick.tick) } else { None }).collect();
        assert_eq!(ticks, [0, 1, 2]);
    }

    /// What somebody says while the recording cannot be written waits with its record, in its place, and is in the recording afterwards.
    #[test]
    fn what_is_said_waits_for_the_recording() {
        let mut theatre = Theatre::open();
        theatre.turn_to(File::open(&theatre.path).unwrap());
        theatre.busy_tick();
        let mark = Mark::Text("undercut here".to_owned());
        let tick = theatre.room.tick;
        theatre.room.record_and_tell(Record::Said { tick, user: 7, mark: mark.clone() }, Notice::Said { user: 7, mark });
        assert!(
            matches!(theatre.room.backlog.back(), Some(Waiting::Told(Record::Said { .. }, notice)) if matches!(**notice, Notice::Said { .. }))
        );
        theatre.turn_to(File::options().write(true).open(&theatre.path).unwrap());
        for _ in 0..RETRY_EVERY {
            theatre.room.tick();
        }
        assert!(theatre.room.backlog.is_empty());
        assert!(theatre.records().iter().any(|record| matches!(record, Record::Said { user: 7, .. })));
    }

    /// What somebody decides while the recording cannot be written is refused, from the very first that fails: people would be shown what a
    /// crash takes back.
    #[test]
    fn nothing_is_decided_on_a_full_disk() {
        let mut theatre = Theatre::open();
        assert_eq!(theatre.room.decide(7, Control::Freeze(true)), Ok(()));
        theatre.turn_to(File::open(&theatre.path).unwrap());
        for _ in 0..2 {
            assert_eq!(theatre.room.decide(7, Control::Freeze(false)), Err(Refusal::Disk));
            assert!(theatre.room.disk_full && theatre.room.backlog.is_empty());
        }
        theatre.turn_to(File::options().write(true).open(&theatre.path).unwrap());
        for _ in 0..RETRY_EVERY {
            theatre.room.tick();
        }
        assert_eq!(theatre.room.decide(7, Control::Pause(true)), Ok(()));
        let decided = |record: &Record| if let Record::Control { control, .. } = record { Some(control.clone()) } else { None };
        let decided: Vec<Control> = theatre.records().iter().filter_map(decided).collect();
        assert_eq!(decided, [Control::Freeze(true), Control::Pause(true)]);
    }

    /// A disk that takes writes and cannot keep them stops the room as a full one does, until it can.
    #[test]
    fn what_cannot_be_synced_stops_the_room() {
        let mut theatre = Theatre::open();
        theatre.room.recorder.as_ref().unwrap().fail_to_sync(true);
        for _ in 0..2 * RETRY_EVERY {
            theatre.room.tick();
            assert_eq!((theatre.room.tick, theatre.room.disk_full), (0, true));
        }
        theatre.room.recorder.as_ref().unwrap().fail_to_sync(false);
        for _ in 0..RETRY_EVERY {
            theatre.room.tick();
        }
        assert!(theatre.room.tick > 0 && !theatre.room.disk_full);
    }

    /// What tissues did and cannot be packed stops the room, and what is recorded meanwhile waits behind it.
    #[test]
    fn what_cannot_be_packed_stops_the_room() {
        let mut theatre = Theatre::open();
        let bricks = (0..5_000).map(|n| (BrickIndex(n), Box::new([0; BRICK_VOXELS]))).collect();
        let piece = Detached {
            fragment: None,
            by: Holder { user: UserId(7), hand: Hand::Right, tool: ToolKind::FlutedBurr },
            structure: Label::lumbar(4),
            occupancy: 1,
            centre_um: [0; 3],
            stamp: Arc::new(Stamp { class: TissueClass::Bone, bricks }),
            shape: Arc::default(),
        };
        theatre.room.record_tissue(0, TissueOutput { detached: vec![piece], ..TissueOutput::default() });
        assert!(theatre.room.disk_full);
        for _ in 0..RETRY_EVERY {
            assert_eq!(theatre.busy_tick(), 0);
        }
        theatre.room.record(Record::Left { tick: 0, user: 7 });
        let late =
            |record: &Record| matches!(record, Record::Tick(_) | Record::Tissue(_) | Record::Left { .. } | Record::Closed { .. });
        assert!(!theatre.records().iter().any(late));
    }
}
