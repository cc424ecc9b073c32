//! Bringing a recording onto the disk once a second, on a thread of its own.
//!
//! What could not be synced counts as not recorded: the room waits, as it does when a write fails. A system that failed to write a page
//! may call it clean afterwards, and a second sync would succeed without it; so what was not synced yet is written again before that.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Least time between two syncs to the disk.
const EVERY: Duration = Duration::from_secs(1);
/// Bytes that are written again at a time.
const PIECE: usize = 1 << 20;

/// What syncing needs of a file.
trait Disk {
    /// Puts everything written so far on the disk.
    fn sync(&self) -> std::io::Result<()>;
    /// Writes the bytes `from..to` again as they are.
    fn rewrite(&self, from: u64, to: u64) -> std::io::Result<()>;
}

impl Disk for File {
    fn sync(&self) -> std::io::Result<()> {
        self.sync_data()
    }

    fn rewrite(&self, mut from: u64, to: u64) -> std::io::Result<()> {
        let mut piece = vec![0; PIECE];
        while from < to {
            let length = (to - from).min(PIECE as u64) as usize;
            self.read_exact_at(&mut piece[..length], from)?;
            self.write_all_at(&piece[..length], from)?;
            from += length as u64;
        }
        Ok(())
    }
}

/// What the recorder and the thread that syncs know of each other.
#[derive(Debug)]
struct Shared {
    /// Bytes that are whole records in the file.
    written: AtomicU64,
    failing: AtomicBool,
    alive: AtomicBool,
    /// A test says that it fails.
    #[cfg(test)]
    pretended: AtomicBool,
}

impl Shared {
    fn new(written: u64) -> Self {
        Self {
            written: AtomicU64::new(written),
            failing: AtomicBool::new(false),
            alive: AtomicBool::new(true),
            #[cfg(test)]
            pretended: AtomicBool::new(false),
        }
    }
}

/// Syncs a file until it is dropped.
#[derive(Debug)]
pub(crate) struct Syncing {
    shared: Arc<Shared>,
    /// None once it is being waited for.
    thread: Option<JoinHandle<()>>,
}

impl Syncing {
    /// Begins with a file whose first `synced` bytes are on the disk.
    pub(crate) fn start(file: Arc<File>, synced: u64) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::new(synced));
        let theirs = shared.clone();
        let thread = std::thread::Builder::new().name("record-sync".to_owned()).spawn(move || {
            let mut synced = synced;
            while theirs.alive.load(Ordering::Relaxed) {
                std::thread::park_timeout(EVERY);
                round(&*file, &theirs, &mut synced);
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Notes that the file holds `bytes` bytes of whole records now.
    pub(crate) fn reach(&self, bytes: u64) {
        self.shared.written.store(bytes, Ordering::Release);
    }

    /// Whether the last sync failed.
    pub(crate) fn is_failing(&self) -> bool {
        #[cfg(test)]
        if self.shared.pretended.load(Ordering::Acquire) {
            return true;
        }
        self.shared.failing.load(Ordering::Acquire)
    }

    #[cfg(test)]
    pub(crate) fn pretend(&self, failing: bool) {
        self.shared.pretended.store(failing, Ordering::Release);
    }
}

impl Drop for Syncing {
    fn drop(&mut self) {
        self.shared.alive.store(false, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It holds the file, and with it the lock: once a recorder is gone, somebody else may write on. A thread that panicked said so.
            let _ = thread.join();
        }
    }
}

/// One attempt to sync what is new. What is not on the disk afterwards is tried again in the next one.
fn round(disk: &impl Disk, shared: &Shared, synced: &mut u64) {
    let written = shared.written.load(Ordering::Acquire);
    if written == *synced {
        return;
    }
    let was_failing = shared.failing.load(Ordering::Acquire);
    let again = || if was_failing { disk.rewrite(*synced, written) } else { Ok(()) };
    match again().and_then(|()| disk.sync()) {
        Ok(()) => {
            *synced = written;
            shared.failing.store(false, Ordering::Release);
            if was_failing {
                tracing::info!("the recording is on the disk again");
            }
        }
        Err(error) => {
            shared.failing.store(true, Ordering::Release);
            if !was_failing {
                tracing::error!(%error, "cannot sync the recording to the disk: it is tried again every second");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    /// A disk that keeps nothing while it is broken.
    #[derive(Default)]
    struct Faulty {
        broken: Cell<bool>,
        syncs: Cell<u32>,
        rewritten: RefCell<Vec<(u64, u64)>>,
    }

    impl Disk for Faulty {
        fn sync(&self) -> std::io::Result<()> {
            self.syncs.set(self.syncs.get() + 1);
            if self.broken.get() { Err(std::io::Error::other("broken")) } else { Ok(()) }
        }

        fn rewrite(&self, from: u64, to: u64) -> std::io::Result<()> {
            self.rewritten.borrow_mut().push((from, to));
            Ok(())
        }
    }

    /// A sync that fails is known, tried again without anything new, and what it did not keep is written again before.
    #[test]
    fn a_failed_sync_is_tried_again() {
        let disk = Faulty::default();
        let shared = Shared::new(100);
        let mut synced = 100;
        let mut sync = |written: u64, broken: bool| {
            shared.written.store(written, Ordering::Release);
            disk.broken.set(broken);
            round(&disk, &shared, &mut synced);
            (shared.failing.load(Ordering::Acquire), disk.syncs.get())
        };
        assert_eq!(sync(100, false), (false, 0), "nothing new");
        assert_eq!(sync(150, false), (false, 1));
        assert_eq!(sync(170, true), (true, 2));
        assert_eq!(sync(180, true), (true, 3));
        assert_eq!(sync(180, false), (false, 4), "nothing new, and still tried again");
        assert_eq!(sync(180, false), (false, 4));
        assert_eq!(*disk.rewritten.borrow(), [(150, 180), (150, 180)]);
    }

    /// Writing a range again leaves every byte as it is, pieces and their borders included.
    #[test]
    fn writing_again_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let bytes: Vec<u8> = (0..PIECE * 2 + 77).map(|n| (n % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        file.rewrite(5, bytes.len() as u64).unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes);
        assert!(file.rewrite(5, bytes.len() as u64 + 1).is_err(), "a file that lost its end");
    }
}
