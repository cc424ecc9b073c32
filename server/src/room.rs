//! A room: one patient, the people around it, and the authority over both.
//!
//! A room knows nothing of the engine: it is told what arrived and ticked by whoever owns it. Only a room writes the cut fields.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use bytes::Bytes;
use spinor_shared::delta::{Cause, DeltaError};
use spinor_shared::net::control::{Notice, Person, RoomView};
use spinor_shared::net::handshake::{Accept, Refusal};
use spinor_shared::net::invite::Claims;
use spinor_shared::net::limit;
use spinor_shared::net::protocol::BodyPose;
use spinor_shared::net::rate::Rate;
use spinor_shared::room::{MAX_PEOPLE, Role};
use spinor_shared::session::{Record, SessionError};
use spinor_shared::tissue::TissueRecord;
use spinor_shared::wire::{WireError, WireEvent, WireInput, WirePose};
use spinor_sim::procedure::Target;
use spinor_sim::{Hand, Settings, Simulation, TissueModels, TissueOutput, ToolInput, UserId};
use thiserror::Error;

use crate::bulk::CaseData;
use crate::delta::{BrickKey, Sender};
use crate::following::Follower;
use crate::gate::Refusals;
use crate::measuring::Queue;
use crate::pass::Given;
use crate::peer::{Peer, notice_bytes};
use crate::recorder::{Recorder, Resumed};
use crate::rewind::Rewinding;
use crate::thresholds::Widening;

/// Somebody who was let in, whether a connection is there or not.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) has_tool: bool,
    pub(crate) peer: Option<Peer>,
    pub(crate) body: Option<BodyPose>,
    pub(crate) body_recorded: Option<BodyPose>,
    /// When a refused input was last logged and answered.
    pub(crate) refused_at: Option<Instant>,
    /// How much of what costs others something is left to this person.
    pub(crate) budgets: Budgets,
}

/// What one person may use of what all share, whatever the number of connections it takes.
pub(crate) struct Budgets {
    pub(crate) said: Rate,
    pub(crate) repaired: Rate,
    pub(crate) poses: Rate,
    pub(crate) entries: Rate,
    pub(crate) noted: Rate,
    pub(crate) chosen: Rate,
}

impl Budgets {
    fn new() -> Self {
        let rate = |(per_second, burst)| Rate::new(per_second, burst);
        Self {
            said: rate(limit::SAID),
            repaired: rate(limit::REPAIRED),
            poses: rate(limit::POSES),
            entries: rate(limit::ENTRIES),
            noted: rate(limit::NOTED),
            chosen: rate(limit::CHOSEN),
        }
    }
}

/// The newest input of a hand.
pub(crate) struct HandInput {
    pub(crate) input: ToolInput,
    /// The simulation has not had it yet.
    pub(crate) fresh: bool,
    /// The simulation was last told that the trigger is pressed.
    pub(crate) pressed: bool,
}

/// What waits until the recording can be written.
pub(crate) enum Waiting {
    Record(Record),
    /// A record, and what everybody is told once it is written.
    Told(Record, Box<Notice>),
    /// What tissues did in a tick, which had no record yet.
    Tissue(u32, Box<TissueOutput>),
}

/// A tick's outcome that waits for the recording.
pub(crate) struct Held {
    pub(crate) touched: Vec<BrickKey>,
    pub(crate) causes: Vec<Cause>,
    pub(crate) events: Vec<WireEvent>,
    pub(crate) tissue: TissueOutput,
}

/// One room.
pub(crate) struct Room {
    pub(crate) name: Arc<str>,
    pub(crate) case: Arc<CaseData>,
    pub(crate) sim: Simulation,
    pub(crate) settings: Settings,
    pub(crate) members: BTreeMap<u32, Member>,
    pub(crate) hands: BTreeMap<(UserId, Hand), HandInput>,
    /// Tools that were just handed over, by the hand that gave them.
    pub(crate) given: BTreeMap<(UserId, Hand), Given>,
    pub(crate) rewinding: Option<Rewinding>,
    pub(crate) widening: Option<Widening>,
    pub(crate) measuring: Queue,
    /// The procedure that the room follows.
    pub(crate) following: Option<Follower>,
    pub(crate) sender: Sender,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) backlog: VecDeque<Waiting>,
    pub(crate) held: Option<Held>,
    pub(crate) tick: u32,
    pub(crate) epoch: u32,
    pub(crate) ops: u64,
    pub(crate) last_op_tick: u32,
    pub(crate) last_digest: u32,
    pub(crate) frozen: bool,
    /// People who had lost the right to operate when the session was resumed.
    pub(crate) withdrawn: BTreeSet<u32>,
    pub(crate) paused: bool,
    pub(crate) disk_full: bool,
    pub(crate) retry: u32,
    pub(crate) refusals: Refusals,
    pub(crate) repairs: u64,
    pub(crate) coalesced: u64,
    pub(crate) snapshot_size: Arc<AtomicU64>,
    pub(crate) runtime: tokio::runtime::Handle,
}

impl Room {
    pub(crate) fn new(
        name: &str,
        case: Arc<CaseData>,
        recorder: Option<Recorder>,
        resumed: Option<Resumed>,
        refusals: Refusals,
        (tissues, procedure): (TissueModels, Option<Target>),
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, DeltaError> {
        // A session that goes on keeps dura that yields.
        let yielded = resumed.as_ref().and_then(|resumed| resumed.reached.models).is_some_and(|models| models.yields);
        let mut settings = Settings::with_tissues(TissueModels { yields: tissues.yields || yielded, ..tissues });
        let mut sim = Simulation::with_fields(case.patient.clone(), case.fields.clone(), settings);
        let mut sender = Sender::new()?;
        let (mut tick, mut epoch, mut ops) = (0, 0, 0);
        let mut before = 0;
        let (mut frozen, mut withdrawn) = (false, BTreeSet::new());
        let mut is_resumed = false;
        let mut noted = None;
        if let Some(Resumed { reached, .. }) = resumed {
            sim.restore_with(reached.cut, &reached.standing);
            sender.begin_from(sim.cut());
            (before, tick, epoch, ops) = (reached.tick, reached.tick + 1, reached.epoch + 1, reached.ops);
            if let Some([caution_um, danger_um]) = reached.alarm_um {
                sim.set_thresholds(f64::from(caution_um) / 1000.0, f64::from(danger_um) / 1000.0);
                settings = *sim.settings();
            }
            (frozen, withdrawn) = (reached.frozen, reached.withdrawn);
            noted = reached.procedure;
            is_resumed = true;
        }
        let mut room = Self {
            name: name.into(),
            case,
            sim,
            settings,
            members: BTreeMap::new(),
            hands: BTreeMap::new(),
            given: BTreeMap::new(),
            rewinding: None,
            widening: None,
            measuring: Queue::default(),
            following: None,
            sender,
            recorder,
            backlog: VecDeque::new(),
            held: None,
            tick,
            epoch,
            ops,
            last_op_tick: 0,
            last_digest: tick,
            frozen,
            withdrawn,
            paused: false,
            disk_full: false,
            retry: 0,
            refusals,
            repairs: 0,
            coalesced: 0,
            snapshot_size: Arc::default(),
            runtime,
        };
        if is_resumed {
            room.record(Record::Epoch { tick: before, epoch, from_tick: before, reason: "resumed".to_owned() });
        }
        // A recording that another program began goes on with the models of this one.
        room.record(Record::of_models(tick, settings.tissues()));
        if is_resumed {
            room.keyframe();
        }
        match (noted, procedure) {
            (Some((target, noted)), chosen) if chosen.is_none_or(|chosen| chosen == target) => {
                room.go_on_following(target, noted);
            }
            (_, Some(target)) if room.choose_procedure(0, Some(target)).is_err() => {
                tracing::error!(room = %room.name, "the room opens without its procedure");
            }
            _ => {}
        }
        Ok(room)
    }

    /// Whether somebody may enter, and what they are told if so.
    pub(crate) fn admit(&mut self, claims: &Claims) -> Result<Accept, Refusal> {
        if self.members.get_mut(&claims.user).is_some_and(|m| !m.budgets.entries.take(Instant::now())) {
            return Err(Refusal::Rate);
        }
        let online = self.members.values().filter(|m| m.peer.is_some()).count();
        let back = self.members.get(&claims.user).is_some_and(|m| m.peer.is_some());
        if online >= MAX_PEOPLE && !back {
            return Err(Refusal::Full);
        }
        Ok(Accept {
            user: claims.user,
            name: claims.name.clone(),
            role: claims.role,
            room: self.name.to_string(),
            tick: self.tick,
            tick_hz: spinor_sim::input::TICKS_PER_SECOND,
            case_hash: self.case.hash,
            patient_hash: self.case.patient_hash,
            patient_bytes: self.case.patient_bytes,
            view: self.view(),
        })
    }

    /// Takes in a connection whose person was admitted. The person's earlier connection must have been closed before.
    pub(crate) fn enter(&mut self, claims: &Claims, peer: Peer) {
        let member = self.members.entry(claims.user).or_insert_with(|| Member {
            name: claims.name.clone(),
            role: claims.role,
            has_tool: claims.role.may_operate() && !self.withdrawn.contains(&claims.user),
            peer: None,
            body: None,
            body_recorded: None,
            refused_at: None,
            budgets: Budgets::new(),
        });
        member.peer = Some(peer);
        self.record(Record::Joined { tick: self.tick, user: claims.user, name: claims.name.clone(), role: claims.role });
        self.tell_view();
    }

    /// Forgets a connection; the person keeps name and right to operate, the tools are put down.
    pub(crate) fn leave(&mut self, user: u32) -> Option<Peer> {
        let peer = self.members.get_mut(&user)?.peer.take()?;
        for hand in [Hand::Left, Hand::Right] {
            self.hands.remove(&(UserId(user), hand));
            self.sim.remove_tool(UserId(user), hand);
        }
        self.record(Record::Left { tick: self.tick, user });
        self.tell_view();
        Some(peer)
    }

    /// What everybody knows about the room.
    pub(crate) fn view(&self) -> RoomView {
        let um = |mm: f64| (mm * 1000.0).round().clamp(0.0, 1e6) as u32;
        RoomView {
            frozen: self.frozen,
            paused: self.paused,
            disk_full: self.disk_full,
            recorded: self.recorder.is_some(),
            alarm_um: [um(self.settings.caution_mm), um(self.settings.danger_mm)],
            epoch: self.epoch,
            people: self
                .members
                .iter()
                .map(|(user, m)| Person {
                    user: *user,
                    name: m.name.clone(),
                    role: m.role,
                    has_tool: m.has_tool,
                    online: m.peer.is_some(),
                })
                .collect(),
        }
    }

    pub(crate) fn tell_view(&self) {
        self.tell_all(&Notice::Room(self.view()));
    }

    /// Sends a notice to everybody who is connected.
    pub(crate) fn tell_all(&self, notice: &Notice) {
        let bytes: Bytes = notice_bytes(notice);
        for peer in self.members.values().filter_map(|m| m.peer.as_ref()) {
            peer.tell_bytes(bytes.clone());
        }
    }

    /// Takes an input; it counts from the next tick on. Refusals are counted and, once a second, logged and told.
    pub(crate) fn input(&mut self, user: u32, wire: WireInput) -> Result<(), Refusal> {
        let Some(member) = self.members.get(&user) else { return Err(Refusal::Garbage) };
        if !member.role.may_operate() {
            let refusal = Refusal::Role(member.role);
            self.refuse(user, "input", refusal);
            return Ok(());
        }
        let input = wire.of(UserId(user)).map_err(|_| Refusal::Garbage)?;
        if !is_possible(&input) {
            return Err(Refusal::Garbage);
        }
        if self.is_late(&input) {
            return Ok(());
        }
        match self.hands.get_mut(&(input.user, input.hand)) {
            Some(hand) if input.seq > hand.input.seq => (hand.input, hand.fresh) = (input, true),
            Some(_) => {}
            None => {
                self.hands.insert((input.user, input.hand), HandInput { input, fresh: true, pressed: false });
            }
        }
        Ok(())
    }

    /// Counts a refusal, and tells it: refused inputs at most once a second. It is logged and recorded as far as the person's budget goes,
    /// so that nobody fills the disk with being refused.
    pub(crate) fn refuse(&mut self, user: u32, request: &str, refusal: Refusal) {
        self.refusals.count(&refusal);
        let now = Instant::now();
        let Some(member) = self.members.get_mut(&user) else { return };
        let quiet = request == "input" && member.refused_at.is_some_and(|at| now.duration_since(at).as_secs_f32() < 1.0);
        if quiet {
            return;
        }
        if request == "input" {
            member.refused_at = Some(now);
        }
        if let Some(peer) = &member.peer {
            peer.tell(&Notice::Refused { request: request.to_owned(), reason: refusal.clone() });
        }
        if !member.budgets.noted.take(now) {
            return;
        }
        tracing::warn!(room = %self.name, user, name = member.name, role = %member.role, request, reason = refusal.word(), "refused");
        self.record(Record::Refused { tick: self.tick, user, reason: format!("{request}: {}", refusal.word()) });
    }

    /// Appends to the recording. When that fails the room stops, and the record waits with those that follow.
    pub(crate) fn record(&mut self, record: Record) {
        self.write(Waiting::Record(record));
    }

    /// Appends to the recording, and tells everybody once it is written: nobody is shown what a crash could take back.
    pub(crate) fn record_and_tell(&mut self, record: Record, notice: Notice) {
        if self.recorder.is_none() {
            self.tell_written(&notice);
        } else {
            self.write(Waiting::Told(record, Box::new(notice)));
        }
    }

    /// Appends what tissues did in a tick. When that cannot be packed the room stops as well: nothing is shown that is not recorded.
    pub(crate) fn record_tissue(&mut self, tick: u32, output: TissueOutput) {
        self.write(Waiting::Tissue(tick, Box::new(output)));
    }

    fn write(&mut self, waiting: Waiting) {
        let Some(recorder) = &mut self.recorder else { return };
        if !self.backlog.is_empty() {
            self.backlog.push_back(waiting);
            return;
        }
        if let Err(error) = waiting.append(recorder) {
            tracing::error!(room = %self.name, path = %recorder.path().display(), %error, "the room waits: its recording cannot be written");
            self.backlog.push_back(waiting);
            self.stop_for_recording();
        } else if let Waiting::Told(_, notice) = waiting {
            self.tell_written(&notice);
        }
    }

    /// The room waits for its recording, and everybody is told.
    pub(crate) fn stop_for_recording(&mut self) {
        self.disk_full = true;
        self.tell_view();
    }

    /// Tries to write what waits; true once nothing does and all of it can be brought onto the disk.
    pub(crate) fn catch_up_recording(&mut self) -> bool {
        let Some(recorder) = &mut self.recorder else { return true };
        let mut told = Vec::new();
        while let Some(waiting) = self.backlog.pop_front() {
            if waiting.append(recorder).is_err() {
                self.backlog.push_front(waiting);
                break;
            }
            if let Waiting::Told(_, notice) = waiting {
                told.push(notice);
            }
        }
        let failing = recorder.is_failing();
        told.iter().for_each(|notice| self.tell_written(notice));
        if failing || !self.backlog.is_empty() {
            return false;
        }
        if self.disk_full {
            self.disk_full = false;
            tracing::info!(room = %self.name, "the recording can be written again: the room goes on");
            self.tell_view();
        }
        true
    }

    /// Writes a keyframe.
    pub(crate) fn keyframe(&mut self) {
        if self.recorder.is_none() {
            return;
        }
        let tick = self.tick.saturating_sub(1);
        match spinor_shared::session::keyframe_of(self.sim.cut(), tick, self.epoch, self.ops) {
            Ok(keyframe) => self.record(Record::Keyframe(keyframe)),
            // The next tick tries again.
            Err(error) => return tracing::error!(room = %self.name, %error, "no keyframe"),
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.keyframe_written(self.ops);
        }
    }

    /// Ends the session in order.
    pub(crate) fn close(&mut self) {
        self.record(Record::Closed { tick: self.tick });
        if let Some(recorder) = &self.recorder {
            recorder.sync();
        }
        for peer in self.members.values().filter_map(|m| m.peer.as_ref()) {
            peer.close(&self.runtime, Refusal::Closing);
        }
    }
}

impl Waiting {
    fn append(&self, recorder: &mut Recorder) -> Result<(), WriteError> {
        match self {
            Self::Record(record) | Self::Told(record, _) => recorder.append(record)?,
            Self::Tissue(tick, output) => recorder.append(&Record::Tissue(TissueRecord::new(*tick, output)?))?,
        }
        Ok(())
    }
}

/// Why something waits.
#[derive(Debug, Error)]
enum WriteError {
    /// It cannot be written.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// It cannot be packed.
    #[error("what tissues did: {0}")]
    Tissue(#[from] WireError),
}

/// Whether an input can come from a hand. The last number is the server's own, to let go of a trigger after any input.
fn is_possible(input: &ToolInput) -> bool {
    input.seq < u32::MAX && is_somewhere(&input.pose.into())
}

/// Whether head and hands can be where a pose says.
pub(crate) fn is_possible_body(body: &BodyPose) -> bool {
    std::iter::once(&body.head).chain(body.hands.iter().flatten()).all(is_somewhere)
}

/// Whether a pose is within 12 m of the frame's origin (a grid may lie 10 m away) and has an orientation.
fn is_somewhere(pose: &WirePose) -> bool {
    let near = pose.tip_um.iter().all(|v| v.unsigned_abs() <= 12_000_000);
    let norm: i64 = pose.turn.iter().map(|v| i64::from(*v) * i64::from(*v)).sum();
    // A unit quaternion in 1/32,767, within a tenth of its length.
    near && (869_000_000..=1_300_000_000).contains(&norm)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pose without an orientation would become a camera or a head at no number, at everybody else's and in the recording.
    #[test]
    fn a_head_without_orientation_is_refused() {
        let pose = |tip_um, turn| WirePose { tip_um, turn };
        let upright = pose([600_000, 0, -1_200_000], [0, 0, 0, 32_767]);
        let body = |head, hand| BodyPose { head, hands: [None, hand] };
        assert!(is_possible_body(&body(upright, Some(upright))) && is_possible_body(&body(upright, None)));
        for wrong in [pose([0; 3], [0; 4]), pose([0; 3], [i16::MIN; 4]), pose([i32::MIN, 0, 0], [0, 0, 0, 32_767])] {
            assert!(!is_possible_body(&body(wrong, None)) && !is_possible_body(&body(upright, Some(wrong))), "{wrong:?}");
        }
    }

    /// After an input with the greatest number no other could follow, and so a frozen hand could not be made to let go.
    #[test]
    fn the_greatest_number_is_left_to_the_server() {
        let wire = WireInput {
            hand: 1,
            seq: u32::MAX,
            tool: 0,
            size_tenth_mm: 30,
            pose: WirePose { tip_um: [0; 3], turn: [0, 0, 0, 32_767] },
            trigger: 255,
        };
        assert!(!is_possible(&wire.of(UserId(1)).unwrap()));
        assert!(is_possible(&WireInput { seq: u32::MAX - 1, ..wire }.of(UserId(1)).unwrap()));
    }
}
