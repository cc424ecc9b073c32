//! Rooms that are being opened.
//!
//! A recording begins with the whole case, synced to the disk, which takes longer than a tick may: that happens on another thread, and
//! whoever comes to such a room waits until it is done. Rooms that are open do not notice.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use spinor_shared::net::handshake::Refusal;
use spinor_shared::net::link::Waker;
use spinor_shared::room::MAX_PEOPLE;
use tokio::sync::oneshot::{Receiver, channel, error::TryRecvError};

use crate::bulk::CaseData;
use crate::hall::session_head;
use crate::recorder::{RecordError, Recorder};

/// A room whose recording is being begun, and who waits for it.
struct Opening<A> {
    recorder: Receiver<Result<Recorder, RecordError>>,
    waiting: Vec<A>,
}

/// Rooms that are being opened, with those who wait for them.
pub(crate) struct Openings<A>(BTreeMap<Arc<str>, Opening<A>>);

/// A room whose recording has begun, or cannot; and those who waited.
pub(crate) struct Opened<A> {
    pub(crate) name: Arc<str>,
    pub(crate) recorder: Result<Recorder, Refusal>,
    pub(crate) waiting: Vec<A>,
}

impl<A> Default for Openings<A> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<A> Openings<A> {
    /// Lets somebody wait for a room, whose recording is begun in `directory` if it is not yet. Returns who finds no place to wait.
    pub(crate) fn wait_for(
        &mut self,
        name: &Arc<str>,
        who: A,
        (case, directory): (&Arc<CaseData>, &Path),
        (runtime, waker): (&tokio::runtime::Handle, &Waker),
    ) -> Option<A> {
        let opening = self.0.entry(name.clone()).or_insert_with(|| {
            let (done, recorder) = channel();
            let (name, case, directory, waker) = (name.clone(), case.clone(), directory.to_owned(), waker.clone());
            runtime.spawn_blocking(move || {
                let _ = done.send(Recorder::create(&directory, session_head(&name, &case), case.file.clone()));
                waker();
            });
            Opening { recorder, waiting: Vec::new() }
        });
        if opening.waiting.len() >= MAX_PEOPLE {
            return Some(who);
        }
        opening.waiting.push(who);
        None
    }

    /// The rooms that are ready now, or never will be.
    pub(crate) fn take_ready(&mut self) -> Vec<Opened<A>> {
        let mut ready = Vec::new();
        self.0.retain(|name, opening| {
            let recorder = match opening.recorder.try_recv() {
                Err(TryRecvError::Empty) => return true,
                Ok(Ok(recorder)) => Ok(recorder),
                Ok(Err(error)) => {
                    tracing::error!(room = %name, %error, "no recording: the room stays closed");
                    Err(Refusal::Disk)
                }
                Err(TryRecvError::Closed) => Err(Refusal::Closing),
            };
            ready.push(Opened { name: name.clone(), recorder, waiting: std::mem::take(&mut opening.waiting) });
            false
        });
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// The recording of a new room is begun on another thread: while that one is kept busy nothing is ready, nobody is turned away, and
    /// the caller goes on. One recording serves all who waited; a directory that cannot be written refuses them for what it is.
    #[test]
    fn a_room_opens_beside_the_engine() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        let (busy, free) = std::sync::mpsc::channel::<()>();
        runtime.spawn_blocking(move || free.recv());
        let (case, waker): (_, Waker) = (crate::testing::case(), Arc::new(|| {}));
        let mut openings = Openings::default();
        let (second, third): (Arc<str>, Arc<str>) = ("theatre.2".into(), "theatre.3".into());
        let nowhere = directory.path().join("file");
        std::fs::write(&nowhere, b"").unwrap();
        let nowhere = nowhere.as_path();
        for (name, who, into) in
            [(&second, "Ann", directory.path()), (&second, "Ben", directory.path()), (&third, "Eve", nowhere)]
        {
            assert!(openings.wait_for(name, who, (&case, into), (runtime.handle(), &waker)).is_none());
        }
        assert!(openings.take_ready().is_empty());
        busy.send(()).unwrap();
        let (mut ready, end) = (Vec::new(), Instant::now() + Duration::from_secs(30));
        while ready.len() < 2 && Instant::now() < end {
            ready.extend(openings.take_ready());
            std::thread::sleep(Duration::from_millis(1));
        }
        ready.sort_by_key(|opened| opened.name.clone());
        let [two, three] = ready.as_slice() else { panic!("{} rooms", ready.len()) };
        assert_eq!((two.waiting.as_slice(), three.waiting.as_slice()), (&["Ann", "Ben"][..], &["Eve"][..]));
        assert!(two.recorder.as_ref().is_ok_and(|recorder| recorder.path().exists()));
        assert_eq!(three.recorder.as_ref().err(), Some(&Refusal::Disk));
        assert!(openings.take_ready().is_empty());
    }

    /// Nobody waits without end: who comes when all places are taken gets an answer.
    #[test]
    fn only_so_many_wait() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (case, waker): (_, Waker) = (crate::testing::case(), Arc::new(|| {}));
        let mut openings = Openings::default();
        let mut wait = |n| openings.wait_for(&"theatre.2".into(), n, (&case, directory.path()), (runtime.handle(), &waker));
        assert!((0..MAX_PEOPLE).all(|n| wait(n).is_none()));
        assert_eq!(wait(MAX_PEOPLE), Some(MAX_PEOPLE));
    }
}
