//! The procedure that a room follows: which step is current, and which errors happened.
//!
//! Finding the place takes a second and looking through the zones a millisecond, so all of it happens on a thread of its own, from what
//! each tick brought. What it notes is recorded in words before anybody is told, and taken up again when a session is resumed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use spinor_shared::following::{Following, Stand, WireTarget};
use spinor_shared::net::control::Notice;
use spinor_shared::net::handshake::Refusal;
use spinor_shared::session::{Control, Record};
use spinor_sim::procedure::{Measured, Note, Target, Tracker};
use spinor_sim::{Event, ToolState};
use spinor_volume::CutState;
use spinor_volume::measure::Reference;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::bulk::CaseData;
use crate::room::Room;

/// Ticks between two copies of the cut fields: what the zones are looked through by.
const LOOK_EVERY: u32 = 15;
/// Ticks between two measurements of canal, facets and pars.
const MEASURE_EVERY: u32 = 300;

/// What a tick brought.
struct Moment {
    tick: u32,
    tools: Vec<ToolState>,
    events: Vec<Event>,
    cut: Option<Box<CutState>>,
}

/// What the thread found.
struct News {
    stand: Stand,
    notes: Vec<String>,
}

/// A procedure that is followed.
pub(crate) struct Follower {
    /// As it is told.
    pub(crate) view: Following,
    /// Who chose it; 0 where the server was started with it.
    by: u32,
    moments: Sender<Moment>,
    news: UnboundedReceiver<News>,
    /// A copy of the cut fields waits to be looked at: one at a time.
    looking: Arc<AtomicBool>,
    /// The tick of the last copy.
    copied: u32,
    /// The number of operations in it; none before the first.
    ops: Option<u64>,
}

impl Follower {
    /// Begins to follow a procedure; `noted` is what was noted of it before.
    fn begin(case: &Arc<CaseData>, target: Target, by: u32, noted: Vec<(u32, String)>) -> Result<Self, Refusal> {
        let (moments, heard) = channel();
        let (told, news) = unbounded_channel();
        let looking = Arc::new(AtomicBool::new(false));
        let (case, done) = (case.clone(), looking.clone());
        let follow = move || follow(&case, target, &noted, &heard, &told, &done);
        std::thread::Builder::new().name("procedure".to_owned()).spawn(follow).map_err(|error| {
            tracing::error!(%error, "no thread to follow a procedure on");
            Refusal::Busy
        })?;
        let view = Following { target: target.into(), stand: Stand::Looking };
        Ok(Self { view, by, moments, news, looking, copied: 0, ops: None })
    }
}

impl Room {
    /// Chooses the procedure that the room follows from now on, or none.
    pub(crate) fn choose_procedure(&mut self, user: u32, target: Option<Target>) -> Result<(), Refusal> {
        if self.disk_full {
            return Err(Refusal::Disk);
        }
        let follower = target.map(|target| Follower::begin(&self.case, target, user, Vec::new())).transpose()?;
        let words = target.map_or_else(|| "procedure=none".to_owned(), |target| target.words());
        self.decide(user, Control::Note(words))?;
        self.following = follower;
        self.tell_all(&Notice::Procedure(self.followed()));
        Ok(())
    }

    /// Goes on following a procedure that a recording names, with what was noted of it.
    pub(crate) fn go_on_following(&mut self, target: Target, noted: Vec<(u32, String)>) {
        self.following = Follower::begin(&self.case, target, 0, noted).ok();
    }

    /// The patient went back: zones are looked at anew as soon as may be.
    pub(crate) fn look_anew(&mut self) {
        if let Some(follower) = &mut self.following {
            (follower.copied, follower.ops) = (0, None);
        }
    }

    /// What everybody knows about the procedure.
    pub(crate) fn followed(&self) -> Option<Following> {
        self.following.as_ref().map(|follower| follower.view.clone())
    }

    /// Hands a tick on to the procedure.
    pub(crate) fn feed_procedure(&mut self, events: &[Event]) {
        let Some(follower) = &mut self.following else { return };
        let tools: Vec<ToolState> = self.sim.tools().copied().collect();
        let due = follower.ops != Some(self.ops) && self.tick.saturating_sub(follower.copied) >= LOOK_EVERY;
        let cut = (due && !follower.looking.swap(true, Ordering::Relaxed)).then(|| Box::new(self.sim.cut().clone()));
        if cut.is_some() {
            (follower.copied, follower.ops) = (self.tick, Some(self.ops));
        }
        if !tools.is_empty() || !events.is_empty() || cut.is_some() {
            // Where the thread has ended, the patient has no such place: that was told.
            let _ = follower.moments.send(Moment { tick: self.tick, tools, events: events.to_vec(), cut });
        }
    }

    /// Records and tells what the procedure's thread found.
    pub(crate) fn take_procedure(&mut self) {
        let Some(follower) = &mut self.following else { return };
        let by = follower.by;
        let news: Vec<News> = std::iter::from_fn(|| follower.news.try_recv().ok()).collect();
        for News { stand, notes } in news {
            if let Some(follower) = &mut self.following {
                follower.view.stand = stand;
            }
            let notice = Notice::Procedure(self.followed());
            let mut records =
                notes.into_iter().map(|words| Record::Control { tick: self.tick, user: by, control: Control::Note(words) });
            let last = records.next_back();
            records.collect::<Vec<_>>().into_iter().for_each(|record| self.record(record));
            match last {
                Some(record) => self.record_and_tell(record, notice),
                // What waits for the recording is told with it; the next news tell the rest.
                None if !self.backlog.is_empty() => {}
                None => self.tell_all(&notice),
            }
        }
    }
}

/// Follows a procedure until the room has gone on to another one, or closed.
fn follow(
    case: &CaseData,
    target: Target,
    noted: &[(u32, String)],
    heard: &Receiver<Moment>,
    told: &UnboundedSender<News>,
    looking: &AtomicBool,
) {
    let mut tracker = match Tracker::new(&case.patient, target) {
        Ok(tracker) => tracker,
        Err(error) => {
            let _ = told.send(News { stand: Stand::Impossible(error.to_string()), notes: Vec::new() });
            return;
        }
    };
    for (tick, words) in noted {
        tracker.recall(*tick, words);
    }
    let mut stand = stand_of(&tracker);
    if told.send(News { stand: stand.clone(), notes: Vec::new() }).is_err() {
        return;
    }
    // The tick of the last measurement, and whether anything was cut since.
    let (mut measured, mut changed) = (None::<u32>, false);
    let mut cut = CutState::new(case.patient.grid());
    while let Ok(moment) = heard.recv() {
        let Moment { tick, tools, events, cut: copy } = moment;
        let mut notes: Vec<Note> = tracker.update(&case.patient, &cut, tick, &tools, &events, None);
        if let Some(copy) = copy {
            cut = *copy;
            looking.store(false, Ordering::Relaxed);
            notes.extend(tracker.finish(&case.patient, &cut));
            changed = true;
        }
        if changed && measured.is_none_or(|last| tick >= last.saturating_add(MEASURE_EVERY)) {
            (measured, changed) = (Some(tick), false);
            let live = case.reference().ok().and_then(|reference| measure(reference, case, &cut, &target));
            notes.extend(tracker.update(&case.patient, &cut, tick, &[], &[], live.as_ref()));
        }
        let now = stand_of(&tracker);
        if now == stand && notes.is_empty() {
            continue;
        }
        stand = now.clone();
        let notes = notes.iter().map(|note| tracker.words(note)).collect();
        if told.send(News { stand: now, notes }).is_err() {
            return;
        }
    }
}

/// What the procedure's rules ask of the live measures of its level.
fn measure(reference: &Reference, case: &CaseData, cut: &CutState, target: &Target) -> Option<Measured> {
    let anatomy = reference.anatomy();
    let level = anatomy.levels().iter().position(|level| anatomy.upper(level).label == target.upper())?;
    reference.measure_level(&case.patient, cut, level).map(|level| Measured::of(&level))
}

fn stand_of(tracker: &Tracker) -> Stand {
    Stand::Steps {
        status: tracker.status().iter().map(|status| (*status).into()).collect(),
        errors: tracker.sentinels().iter().map(Into::into).collect(),
    }
}

/// The target of the wire, or why a request for it is garbage.
pub(crate) fn target_of(wire: Option<WireTarget>) -> Result<Option<Target>, Refusal> {
    wire.map(|wire| wire.target().ok_or(Refusal::Garbage)).transpose()
}
