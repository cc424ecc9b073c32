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
use tokio::sync::mpsc::error::TryRecvError;
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
    /// The patient went back to the end of this tick, and `cut` is how it was.
    back: Option<u32>,
}

/// What the thread found.
struct News {
    stand: Stand,
    notes: Vec<String>,
}

/// A procedure that is followed.
pub(crate) struct Follower {
    /// As everybody was told: never more than the recording holds.
    pub(crate) told: Following,
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
        Ok(Self { told: view, by, moments, news, looking, copied: 0, ops: None })
    }

    /// What its thread found next, if it found something. A thread that has ended without a word is an error of this program, and said.
    fn next(&mut self) -> Option<News> {
        match self.news.try_recv() {
            Ok(news) => Some(news),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) if matches!(self.told.stand, Stand::Impossible(_)) => None,
            Err(TryRecvError::Disconnected) => {
                tracing::error!("the thread that follows the procedure has ended");
                let why = "an error in the server ended it: choose it again, and report the server's log";
                Some(News { stand: Stand::Impossible(why.to_owned()), notes: Vec::new() })
            }
        }
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

    /// The patient went back to the end of a tick: steps that were done after it are open again.
    pub(crate) fn go_back_in_procedure(&mut self, to_tick: u32) {
        let Some(follower) = &mut self.following else { return };
        (follower.copied, follower.ops) = (self.tick, Some(self.ops));
        let cut = Some(Box::new(self.sim.cut().clone()));
        let _ =
            follower.moments.send(Moment { tick: self.tick, tools: Vec::new(), events: Vec::new(), cut, back: Some(to_tick) });
    }

    /// What everybody knows about the procedure.
    pub(crate) fn followed(&self) -> Option<Following> {
        self.following.as_ref().map(|follower| follower.told.clone())
    }

    /// Sends a notice whose record is written, if it has one; what it says of the procedure is told from now on to whoever asks.
    pub(crate) fn tell_written(&mut self, notice: &Notice) {
        if let (Notice::Procedure(Some(said)), Some(follower)) = (notice, &mut self.following)
            && follower.told.target == said.target
        {
            follower.told = said.clone();
        }
        self.tell_all(notice);
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
            let _ = follower.moments.send(Moment { tick: self.tick, tools, events: events.to_vec(), cut, back: None });
        }
    }

    /// Records and tells what the procedure's thread found. While the recording cannot be written, it waits in the thread's channel.
    pub(crate) fn take_procedure(&mut self) {
        while self.backlog.is_empty() {
            let Some(follower) = &mut self.following else { return };
            let (by, target) = (follower.by, follower.told.target);
            let Some(News { stand, notes }) = follower.next() else { return };
            let notice = Notice::Procedure(Some(Following { target, stand }));
            let record = |words| Record::Control { tick: self.tick, user: by, control: Control::Note(words) };
            let mut records: Vec<Record> = notes.into_iter().map(record).collect();
            let last = records.pop();
            records.into_iter().for_each(|record| self.record(record));
            match last {
                Some(record) => self.record_and_tell(record, notice),
                None => self.tell_written(&notice),
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
        let Moment { tick, tools, events, cut: copy, back } = moment;
        let mut notes: Vec<Note> = tracker.update(&case.patient, &cut, tick, &tools, &events, None);
        if let Some(copy) = copy {
            cut = *copy;
            changed = true;
            if let Some(to_tick) = back {
                notes.extend(tracker.go_back(&case.patient, &cut, to_tick));
                measured = None;
            } else {
                looking.store(false, Ordering::Relaxed);
                notes.extend(tracker.finish(&case.patient, &cut));
            }
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

#[cfg(test)]
mod tests {
    use std::fs::File;

    use spinor_shared::following::WireStatus;
    use spinor_sim::procedure::{Procedure, Side};

    use super::*;
    use crate::testing::Theatre;
    use crate::tick::RETRY_EVERY;

    /// What is found while the recording cannot be written is told to nobody, whoever asks, until it can. A thread that ends without a word
    /// is said to have failed.
    #[test]
    fn what_is_found_is_told_once_it_is_recorded() {
        let mut theatre = Theatre::open();
        let target = Target { procedure: Procedure::Laminectomy, level: 4, side: Side::Left };
        let (told, news) = unbounded_channel();
        theatre.room.following = Some(Follower { news, ..Follower::begin(&theatre.room.case, target, 7, Vec::new()).unwrap() });
        let stand = |tick| Stand::Steps { status: vec![WireStatus::Done { tick }], errors: Vec::new() };
        let notes = vec!["step done: level_check".to_owned(), "step done: lamina".to_owned()];
        told.send(News { stand: stand(1), notes }).unwrap();
        told.send(News { stand: stand(2), notes: Vec::new() }).unwrap();
        let known = |theatre: &Theatre| theatre.room.followed().unwrap().stand;

        theatre.turn_to(File::open(&theatre.path).unwrap());
        for _ in 0..2 * RETRY_EVERY {
            theatre.busy_tick();
            assert_eq!(known(&theatre), Stand::Looking);
        }
        theatre.turn_to(File::options().write(true).open(&theatre.path).unwrap());
        (0..=RETRY_EVERY).for_each(|_| _ = theatre.busy_tick());
        assert_eq!(known(&theatre), stand(2));

        drop(told);
        theatre.busy_tick();
        assert!(matches!(known(&theatre), Stand::Impossible(why) if why.contains("error in the server")));
        let notes = theatre.records().into_iter().filter_map(|record| match record {
            Record::Control { user: 7, control: Control::Note(words), .. } => Some(words),
            _ => None,
        });
        assert_eq!(notes.collect::<Vec<_>>(), ["step done: level_check", "step done: lamina"]);
    }
}
