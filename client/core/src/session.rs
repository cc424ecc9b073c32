//! One person's presence in a room, as a renderer or a bot sees it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bevy_ecs::resource::Resource;
use quinn::Connection;
use spinor_shared::following::Following;
use spinor_shared::mark::Mark;
use spinor_shared::net::control::{MAX_REPAIR, Notice, Person, Request, RoomView, Stats};
use spinor_shared::net::handshake::{Accept, Refusal};
use spinor_shared::net::link::Waker;
use spinor_shared::net::protocol::{BodyPose, InputMsg, PeerPoseMsg, PoseMsg, ToolView, ToolsMsg};
use spinor_shared::room::MAX_PEOPLE;
use spinor_shared::tissue_view::TissueMirror;
use spinor_shared::wire::{WireEvent, WireInput, WirePose};
use spinor_sim::{Hand, Pose, ToolKind};
use spinor_volume::measure::LiveMeasures;
use tokio::sync::mpsc::{Receiver, UnboundedSender, unbounded_channel};

use crate::dial::{self, Heard, JoinError, JoinOptions, Out};
use crate::mirror::{Mirror, MirrorError};
use crate::poses::PoseBuffer;

/// Inputs sent with the newest one, in case those were lost.
const REPEATED: usize = 3;
/// Happenings kept for somebody who does not ask for them.
const KEPT: usize = 4096;
/// A tool of which nothing was heard for so long has been put down.
const TOOL_GONE: Duration = Duration::from_millis(1500);

/// How it stands with the connection.
#[derive(Clone, Debug)]
pub enum Status {
    /// On the way in; after a loss, what ended the last connection.
    Connecting {
        /// Attempts since the last connection, from 0.
        attempt: u32,
        /// Why the last one failed or ended.
        reason: Option<String>,
    },
    /// In, but patient or cuts are still on their way.
    Loading,
    /// In.
    Joined,
    /// Out for good.
    Refused(JoinError),
}

/// Something that happened, in the order in which it was told.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// The simulation's events of a tick: alarms, contacts.
    Events {
        /// The tick.
        tick: u32,
        /// The events.
        events: Vec<WireEvent>,
    },
    /// The room changed: people, rights, freeze, pause, alarm. [`Session::view`] has it already.
    Room,
    /// A request or input of ours was refused.
    Refused {
        /// Which.
        request: String,
        /// Why.
        reason: Refusal,
    },
    /// Somebody pointed, drew or spoke.
    Said {
        /// Who.
        user: u32,
        /// What.
        mark: Mark,
    },
    /// The server's figures, asked for with [`Request::Stats`].
    Stats(Box<Stats>),
    /// The server's digest, asked for with [`Request::Digest`].
    Digest {
        /// After which tick.
        tick: u32,
        /// Digest of all cut fields.
        digest: u64,
        /// Operations since the room opened.
        ops: u64,
    },
    /// A tool was handed over: the giver's hand is empty, the receiver's holds it.
    Passed {
        /// Who gave it.
        from: u32,
        /// Out of which hand.
        from_hand: u8,
        /// Who has it now.
        to: u32,
        /// In which hand.
        hand: u8,
        /// The tool.
        tool: u8,
        /// Size of its head, 1/10 mm.
        size_tenth_mm: u8,
    },
    /// The room went back to an earlier moment. Hands are empty; the mirror follows as soon as the state of then is here.
    Rewound {
        /// The epoch that began.
        epoch: u32,
    },
    /// What was measured, asked for with [`Request::Measures`].
    Measures {
        /// At the end of which tick.
        tick: u32,
        /// The measures.
        measures: Box<LiveMeasures>,
    },
    /// Where the room stands in its procedure, or that it follows none. [`Session::following`] has it already.
    Procedure,
    /// The connection was lost; the session reconnects by itself.
    Lost(String),
    /// The connection is there (again).
    Joined,
}

/// A person's presence in a room.
#[derive(Resource)]
pub struct Session {
    status: Status,
    mirror: Mirror,
    tissues: TissueMirror,
    me: Option<Accept>,
    view: Option<RoomView>,
    following: Option<Following>,
    poses: BTreeMap<u32, PoseBuffer>,
    tools: BTreeMap<(u32, u8), (ToolView, u32, Instant)>,
    happenings: VecDeque<Happening>,
    connection: Option<Connection>,
    fresh_connection: bool,
    want_images: bool,
    asked: UnboundedSender<Request>,
    heard: Receiver<Heard>,
    runtime: tokio::runtime::Handle,
    waker: Waker,
    began: Instant,
    loaded_after: Option<Duration>,
    pose_seq: u32,
    pose: Option<PoseMsg>,
    input_seq: [u32; 2],
    inputs: [VecDeque<WireInput>; 2],
    input_due: bool,
    pose_log: Option<Vec<(u32, u32, Instant)>>,
}

/// For loops that run all the time and need not be woken.
pub fn no_waker() -> Waker {
    Arc::new(|| {})
}

impl Session {
    /// Begins to join; the session goes on by itself from here. `waker` is called whenever something arrived.
    ///
    /// # Errors
    /// When no threads can be started.
    pub fn join(options: JoinOptions, waker: Waker) -> Result<Self, JoinError> {
        let runtime = dial::runtime()?;
        let (sender, heard) = dial::queue();
        let (asked, requests) = unbounded_channel();
        let want_images = options.want_images;
        let out = Out { sender, waker: waker.clone() };
        runtime.spawn(dial::run(options, requests, out));
        let mirror = Mirror::new().map_err(|e| JoinError::Local(e.to_string()))?;
        Ok(Self {
            status: Status::Connecting { attempt: 0, reason: None },
            mirror,
            tissues: TissueMirror::default(),
            me: None,
            view: None,
            following: None,
            poses: BTreeMap::new(),
            tools: BTreeMap::new(),
            happenings: VecDeque::new(),
            connection: None,
            fresh_connection: false,
            want_images,
            asked,
            heard,
            runtime,
            waker,
            began: Instant::now(),
            loaded_after: None,
            pose_seq: 0,
            pose: None,
            input_seq: [0; 2],
            inputs: Default::default(),
            input_due: false,
            pose_log: None,
        })
    }

    /// Takes in what arrived. The plugin calls it once a frame; without an engine, call it yourself.
    pub fn poll(&mut self) {
        while let Ok(heard) = self.heard.try_recv() {
            match heard {
                Heard::Connecting(attempt, reason) => {
                    if self.connection.take().is_some() {
                        self.note(Happening::Lost(reason.clone().unwrap_or_default()));
                        self.tools.clear();
                        self.poses.clear();
                    }
                    self.status = Status::Connecting { attempt, reason };
                }
                Heard::Joined(connection, accept) => self.joined(connection, *accept),
                Heard::Frame(kind, payload) => {
                    if let Err(error) = self.mirror.take(kind, &payload) {
                        self.start_anew(&error);
                    }
                }
                Heard::Notice(notice) => self.noticed(notice),
                Heard::Over(error) => {
                    self.connection = None;
                    self.status = Status::Refused(error);
                }
            }
        }
        if matches!(self.status, Status::Loading) && self.mirror.is_complete() {
            self.status = Status::Joined;
            self.loaded_after.get_or_insert(self.began.elapsed());
            self.note(Happening::Joined);
        }
        let wanted = self.mirror.take_wanted();
        for names in wanted.chunks(MAX_REPAIR) {
            self.request(Request::Repair(names.to_vec()));
        }
        self.tools.retain(|_, (_, _, seen)| seen.elapsed() < TOOL_GONE);
    }

    fn joined(&mut self, connection: Connection, accept: Accept) {
        match self.mirror.begin(accept.patient_hash, accept.patient_bytes, accept.view.epoch) {
            Ok(have_patient) => self.request(Request::Ready { have_patient, want_images: self.want_images }),
            Err(error) => return self.start_anew(&error),
        }
        self.view = Some(accept.view.clone());
        self.me = Some(accept);
        self.connection = Some(connection);
        self.fresh_connection = true;
        self.status = Status::Loading;
        self.note(Happening::Room);
    }

    fn noticed(&mut self, notice: Notice) {
        let happening = match notice {
            Notice::Room(view) => {
                let epoch = view.epoch;
                self.poses.retain(|user, _| view.people.iter().any(|person| person.user == *user && person.online));
                self.view = Some(view);
                self.follow_epoch(epoch);
                Happening::Room
            }
            Notice::Events { tick, events } => Happening::Events { tick, events },
            Notice::Refused { request, reason } => Happening::Refused { request, reason },
            Notice::Stats(stats) => Happening::Stats(stats),
            Notice::Digest { tick, digest, ops, .. } => Happening::Digest { tick, digest, ops },
            Notice::Said { user, mark } => Happening::Said { user, mark },
            Notice::Passed { from, from_hand, to, hand, tool, size_tenth_mm } => {
                Happening::Passed { from, from_hand, to, hand, tool, size_tenth_mm }
            }
            Notice::Measures(measures) => Happening::Measures { tick: measures.tick, measures: Box::new((&*measures).into()) },
            Notice::Tissues(view) => {
                if let Err(error) = self.tissues.take(&view) {
                    tracing::error!(%error, "what tissues did cannot be shown");
                }
                return;
            }
            Notice::Procedure(following) => {
                self.following = following;
                Happening::Procedure
            }
            Notice::Closing(_) => return,
        };
        self.note(happening);
    }

    /// The room went back to an earlier moment: what is cut now has to be had anew. What was cut stays to be seen until it is here.
    fn follow_epoch(&mut self, epoch: u32) {
        let Some(me) = self.me.as_ref().filter(|_| epoch > self.mirror.epoch()) else { return };
        match self.mirror.begin(me.patient_hash, me.patient_bytes, epoch) {
            Ok(have_patient) => {
                self.request(Request::Ready { have_patient, want_images: self.want_images && !have_patient });
                self.tools.clear();
                self.note(Happening::Rewound { epoch });
            }
            Err(error) => self.start_anew(&error),
        }
    }

    /// Damaged frames: this connection cannot be trusted any more, the next one starts with a snapshot.
    fn start_anew(&mut self, error: &MirrorError) {
        tracing::error!(%error, "the mirror cannot follow; joining anew");
        if let Some(connection) = &self.connection {
            connection.close(0u32.into(), b"the mirror cannot follow");
        }
    }

    fn note(&mut self, happening: Happening) {
        if self.happenings.len() >= KEPT {
            self.happenings.pop_front();
        }
        self.happenings.push_back(happening);
    }

    /// How it stands with the connection.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Whether everything is here.
    pub fn is_joined(&self) -> bool {
        matches!(self.status, Status::Joined)
    }

    /// Time from [`Self::join`] until patient and cuts were here for the first time.
    pub fn loaded_after(&self) -> Option<Duration> {
        self.loaded_after
    }

    /// The copy of patient and cuts.
    pub fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// The copy, to take out what changed.
    pub fn mirror_mut(&mut self) -> &mut Mirror {
        &mut self.mirror
    }

    /// Where the room stands in its procedure as last told; none where it follows none.
    pub fn following(&self) -> Option<&Following> {
        self.following.as_ref()
    }

    /// Fragments, dents, tears and veil as last told.
    pub fn tissues(&self) -> &TissueMirror {
        &self.tissues
    }

    /// The same, to take out what moved.
    pub fn tissues_mut(&mut self) -> &mut TissueMirror {
        &mut self.tissues
    }

    /// Who this is, and what the server said on entering; none before.
    pub fn me(&self) -> Option<&Accept> {
        self.me.as_ref()
    }

    /// The room as last told.
    pub fn view(&self) -> Option<&RoomView> {
        self.view.as_ref()
    }

    /// Everybody in the room, this person included.
    pub fn people(&self) -> &[Person] {
        self.view.as_ref().map_or(&[], |view| &view.people)
    }

    /// Whether this person may operate now.
    pub fn has_tool(&self) -> bool {
        let me = self.me.as_ref().map(|me| me.user);
        self.people().iter().any(|person| Some(person.user) == me && person.has_tool)
    }

    /// Somebody's head and hands at `now`, interpolated; none before the first pose came.
    pub fn pose_of(&self, user: u32, now: Instant) -> Option<BodyPose> {
        self.poses.get(&user)?.at(now)
    }

    /// All tools as the server moved them, one's own included.
    pub fn tools(&self) -> impl Iterator<Item = &ToolView> {
        self.tools.values().map(|(tool, ..)| tool)
    }

    /// One hand's tool.
    pub fn tool(&self, user: u32, hand: Hand) -> Option<&ToolView> {
        self.tools.get(&(user, hand as u8)).map(|(tool, ..)| tool)
    }

    /// What happened since this was asked last.
    pub fn take_happenings(&mut self) -> Vec<Happening> {
        self.happenings.drain(..).collect()
    }

    /// Asks the server for something; a refusal comes back as a happening.
    pub fn request(&self, request: Request) {
        // Fails only when the session is over, and then there is nobody to ask.
        let _ = self.asked.send(request);
    }

    /// Sends where head and hands are, with the next frame. Returns the pose's number.
    pub fn send_pose(&mut self, body: BodyPose) -> u32 {
        self.pose_seq = self.pose_seq.wrapping_add(1);
        let at_ms = self.began.elapsed().as_millis() as u32;
        self.pose = Some(PoseMsg { seq: self.pose_seq, at_ms, body });
        self.pose_seq
    }

    /// Sends what a hand with a tool does, with the next frame. Returns the input's number.
    pub fn send_input(&mut self, hand: Hand, tool: ToolKind, size_tenth_mm: u8, pose: Pose, trigger: u8) -> u32 {
        let n = hand as usize;
        self.input_seq[n] = self.input_seq[n].wrapping_add(1);
        let seq = self.input_seq[n];
        let input = WireInput { hand: hand as u8, seq, tool: tool as u8, size_tenth_mm, pose: WirePose::from(pose), trigger };
        self.inputs[n].push_back(input);
        while self.inputs[n].len() > REPEATED {
            self.inputs[n].pop_front();
        }
        self.input_due = true;
        seq
    }

    /// Leaves in order.
    pub fn leave(&self) {
        self.request(Request::Leave);
    }

    /// The connection, for figures about it.
    pub fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    /// Notes when each pose of somebody else arrived, from now on: for measurements.
    pub fn log_poses(&mut self) {
        self.pose_log.get_or_insert_default();
    }

    /// The noted poses: whose, which, when.
    pub fn take_pose_log(&mut self) -> Vec<(u32, u32, Instant)> {
        self.pose_log.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(crate) fn take_fresh_connection(&mut self) -> Option<(Connection, u32)> {
        if !std::mem::take(&mut self.fresh_connection) {
            return None;
        }
        Some((self.connection.clone()?, self.me.as_ref()?.user))
    }

    pub(crate) fn network(&self) -> (&tokio::runtime::Handle, Waker) {
        (&self.runtime, self.waker.clone())
    }

    pub(crate) fn take_pose(&mut self) -> Option<PoseMsg> {
        self.pose.take()
    }

    pub(crate) fn take_inputs(&mut self) -> Option<InputMsg> {
        if !std::mem::take(&mut self.input_due) {
            return None;
        }
        Some(InputMsg { inputs: self.inputs.iter().flatten().copied().collect() })
    }

    pub(crate) fn hear_pose(&mut self, message: PeerPoseMsg, now: Instant) {
        if let Some(log) = &mut self.pose_log {
            log.push((message.user, message.pose.seq, now));
        }
        if self.poses.contains_key(&message.user) || self.poses.len() < 2 * MAX_PEOPLE {
            self.poses.entry(message.user).or_default().push(&message.pose, now);
        }
    }

    pub(crate) fn hear_tools(&mut self, message: ToolsMsg, now: Instant) {
        for tool in message.tools {
            if self.tools.len() >= 2 * MAX_PEOPLE && !self.tools.contains_key(&(tool.user, tool.hand)) {
                continue;
            }
            let slot = self.tools.entry((tool.user, tool.hand)).or_insert((tool, message.tick, now));
            if message.tick >= slot.1 {
                *slot = (tool, message.tick, now);
            }
        }
        if message.part[1] <= 1 {
            self.tools.retain(|_, (_, tick, _)| *tick >= message.tick);
        }
    }
}
