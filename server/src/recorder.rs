//! The recording of a room, written before anything of a tick is shown, and synced to the disk every second.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spinor_shared::case::CaseHash;
use spinor_shared::room::is_room_name;
use spinor_shared::session::{
    MAGIC, Reached, Record, ReplayError, SessionError, SessionHead, SessionReader, SessionWriter, Tail, VERSION, reach,
};
use spinor_volume::Patient;
use thiserror::Error;

use crate::syncing::Syncing;

/// Operations after which a keyframe is due.
pub(crate) const KEYFRAME_OPS: u64 = 2_000;

/// Why a session cannot be recorded or resumed.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The operating system refused.
    #[error("{what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Another server writes it.
    #[error("{0} is being written by another server: end that one first, or it would be destroyed")]
    InUse(PathBuf),
    /// The recording cannot be read or written.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The recording belongs to another case.
    #[error("the recording belongs to case {recorded}, not to {given}")]
    OtherCase {
        /// As recorded.
        recorded: CaseHash,
        /// As given.
        given: CaseHash,
    },
    /// What was recorded cannot be applied to the case.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The room that the recording names cannot be served.
    #[error("the recording is of a room {0:?}, which is no name of a room: it was altered, or not written by a server")]
    Room(String),
    /// No session gets that far: a year at 60 ticks a second.
    #[error("the recording counts {ticks} ticks and {epochs} epochs, which leaves no numbers to go on with")]
    Spent {
        /// Ticks.
        ticks: u32,
        /// Epochs.
        epochs: u32,
    },
}

/// A recording that is being written.
pub(crate) struct Recorder {
    path: PathBuf,
    file: Arc<File>,
    writer: SessionWriter<Arc<File>>,
    /// Bytes that are whole records.
    whole: u64,
    syncing: Syncing,
    last_keyframe: u64,
}

/// Where a resumed session stands.
pub(crate) struct Resumed {
    pub(crate) room: String,
    pub(crate) reached: Reached,
}

/// Takes a recording for this process alone, for as long as its file is open: two writers would destroy it.
fn own(path: &Path, file: &File) -> Result<(), RecordError> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => RecordError::InUse(path.to_owned()),
        TryLockError::Error(source) => RecordError::Io { what: "cannot lock", path: path.to_owned(), source },
    })
}

impl Recorder {
    /// Starts a recording in `directory`, named after the room and the time.
    pub(crate) fn create(directory: &Path, head: SessionHead, case: Vec<u8>) -> Result<Self, RecordError> {
        let io = |what, path: &Path| {
            let path = path.to_owned();
            move |source| RecordError::Io { what, path, source }
        };
        std::fs::create_dir_all(directory).map_err(io("cannot make", directory))?;
        let name = |n: u32| match n {
            0 => format!("{}-{}.spinrec", head.room, head.started_unix_s),
            n => format!("{}-{}-{n}.spinrec", head.room, head.started_unix_s),
        };
        let mut n = 0;
        let (path, file) = loop {
            let path = directory.join(name(n));
            match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
                Ok(file) => break (path, file),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && n < 1000 => n += 1,
                Err(e) => return Err(io("cannot make", &path)(e)),
            }
        };
        own(&path, &file)?;
        let file = Arc::new(file);
        let begin = || {
            let mut writer = SessionWriter::create(file.clone())?;
            writer.append(&Record::Head(head))?;
            writer.append(&Record::Case(case))?;
            file.sync_all().map_err(io("cannot sync", &path))?;
            Ok(writer)
        };
        let writer = begin().inspect_err(|_: &RecordError| {
            // A recording without its patient is worth nothing, and on a full disk it takes the room of the next attempt.
            let _ = std::fs::remove_file(&path);
        })?;
        Self::new(path, file, writer)
    }

    /// Goes on with a recording: drops its torn tail and restores the cut fields from its last keyframe and the operations after it.
    pub(crate) fn resume(path: &Path, patient: &Patient, case: CaseHash) -> Result<(Self, Resumed), RecordError> {
        let io = |what| {
            let path = path.to_owned();
            move |source| RecordError::Io { what, path, source }
        };
        let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(io("cannot open"))?;
        own(path, &file)?;
        let mut reader = SessionReader::open(BufReader::new(&file))?;
        let Some(Record::Head(head)) = reader.next_record()? else { return Err(SessionError::Incomplete("head").into()) };
        if head.case_hash != case.0 {
            return Err(RecordError::OtherCase { recorded: CaseHash(head.case_hash), given: case });
        }
        if !is_room_name(&head.room) {
            return Err(RecordError::Room(head.room));
        }
        // Without its case a recording can be neither replayed nor measured: nothing may be appended to it, nor cut off.
        let Some(Record::Case(_)) = reader.next_record()? else { return Err(SessionError::Incomplete("case").into()) };
        let reached = reach(&mut reader, patient, None)?;
        if reached.tick >= u32::MAX / 2 || reached.epoch >= u32::MAX / 2 {
            return Err(RecordError::Spent { ticks: reached.tick, epochs: reached.epoch });
        }
        let whole = match reader.tail() {
            Tail::Whole { bytes } => bytes,
            Tail::Torn { bytes } => {
                let kept = keep_torn_end(path, bytes)?;
                tracing::warn!(path = %path.display(), bytes, kept = %kept.display(), "the recording's last record is torn: cut off and kept apart");
                bytes
            }
            Tail::Unread => reader.at(),
        };
        drop(reader);
        file.set_len(whole).map_err(io("cannot cut the torn end of"))?;
        // What is appended has today's version, whichever the recording began with.
        let versioned = file.seek(SeekFrom::Start(MAGIC.len() as u64)).and_then(|_| file.write_all(&VERSION.to_le_bytes()));
        versioned.map_err(io("cannot write the version of"))?;
        file.seek(SeekFrom::Start(whole)).map_err(io("cannot go to the end of"))?;
        let file = Arc::new(file);
        file.sync_all().map_err(io("cannot sync"))?;
        let mut recorder = Self::new(path.to_owned(), file.clone(), SessionWriter::resume(file, whole))?;
        recorder.last_keyframe = reached.keyframe_ops;
        Ok((recorder, Resumed { room: head.room, reached }))
    }

    /// A recorder whose file is on the disk up to where the writer stands.
    fn new(path: PathBuf, file: Arc<File>, writer: SessionWriter<Arc<File>>) -> Result<Self, RecordError> {
        let whole = writer.bytes();
        let io = |source| RecordError::Io { what: "no thread to sync", path: path.clone(), source };
        let syncing = Syncing::start(file.clone(), whole).map_err(io)?;
        Ok(Self { path, file, writer, whole, syncing, last_keyframe: 0 })
    }

    /// Where the recording is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a record. A record of which only a part could be written is taken back, so that it can be tried again.
    pub(crate) fn append(&mut self, record: &Record) -> Result<(), SessionError> {
        match self.writer.append(record) {
            Ok(()) => {
                self.whole = self.writer.bytes();
                self.syncing.reach(self.whole);
                Ok(())
            }
            Err(error) => {
                let back = self.file.set_len(self.whole).and_then(|()| (&*self.file).seek(SeekFrom::Start(self.whole)));
                if let Err(error) = back {
                    tracing::error!(%error, "cannot take back half a record");
                }
                Err(error)
            }
        }
    }

    /// Whether what was written cannot be brought onto the disk. It is tried again by itself.
    pub(crate) fn is_failing(&self) -> bool {
        self.syncing.is_failing()
    }

    /// Whether a keyframe is due after `ops` operations.
    pub(crate) fn keyframe_due(&self, ops: u64) -> bool {
        ops >= self.last_keyframe + KEYFRAME_OPS
    }

    /// Notes that a keyframe was written after `ops` operations.
    pub(crate) fn keyframe_written(&mut self, ops: u64) {
        self.last_keyframe = ops;
    }

    /// Puts everything on the disk.
    pub(crate) fn sync(&self) {
        if let Err(error) = self.file.sync_all() {
            tracing::error!(%error, "cannot sync the recording to the disk");
        }
    }
}

/// Copies what lies behind the last whole record beside the recording, before it is cut off: if it was more than the record that was
/// being written when the writer died, somebody may want it back. What was kept before stays.
fn keep_torn_end(path: &Path, from: u64) -> Result<PathBuf, RecordError> {
    let name = |n: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(if n == 0 { format!(".torn-{from}") } else { format!(".torn-{from}-{n}") });
        PathBuf::from(name)
    };
    let mut n = 0;
    let (kept, mut file) = loop {
        let kept = name(n);
        match OpenOptions::new().write(true).create_new(true).open(&kept) {
            Ok(file) => break (kept, file),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && n < 1000 => n += 1,
            Err(source) => return Err(RecordError::Io { what: "cannot keep the torn end in", path: kept, source }),
        }
    };
    let mut copy = || {
        let mut end = File::open(path)?;
        end.seek(SeekFrom::Start(from))?;
        std::io::copy(&mut end, &mut file)?;
        file.sync_all()
    };
    copy().map_err(|source| RecordError::Io { what: "cannot keep the torn end in", path: kept.clone(), source })?;
    Ok(kept)
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.sync();
    }
}

#[cfg(test)]
impl Recorder {
    /// Writes on into another file, which stands for the same disk with or without room.
    pub(crate) fn turn_to(&mut self, mut file: File) {
        file.seek(SeekFrom::Start(self.whole)).unwrap();
        self.file = Arc::new(file);
        self.writer = SessionWriter::resume(self.file.clone(), self.whole);
    }

    /// Stands for a disk that takes writes and does not keep them.
    pub(crate) fn fail_to_sync(&self, failing: bool) {
        self.syncing.pretend(failing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recording that is being written is not resumed by anybody else, and not a byte of it changes; once its writer ended it is.
    #[test]
    fn a_recording_in_use_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let head =
            SessionHead { case_hash: [7; 32], room: "theatre".into(), software: "test".into(), started_unix_s: 0, tick_hz: 60 };
        let mut writing = Recorder::create(directory.path(), head, vec![1, 2, 3]).unwrap();
        let (path, patient) = (writing.path().to_owned(), spinor_sim::small_spine::patient(1.6).unwrap());
        let before = std::fs::read(&path).unwrap();
        let refused = Recorder::resume(&path, &patient, CaseHash([7; 32])).err();
        assert!(matches!(&refused, Some(RecordError::InUse(named)) if *named == path), "{refused:?}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
        writing.append(&Record::Closed { tick: 1 }).unwrap();
        drop(writing);
        assert!(!matches!(Recorder::resume(&path, &patient, CaseHash([7; 32])), Err(RecordError::InUse(_))));
    }

    /// A recording that was cut off inside its case is refused as it is by all who read it, and not a byte of it changes.
    #[test]
    fn a_recording_without_its_case_is_not_resumed() {
        let directory = tempfile::tempdir().unwrap();
        let head =
            SessionHead { case_hash: [7; 32], room: "theatre".into(), software: "test".into(), started_unix_s: 0, tick_hz: 60 };
        let path = Recorder::create(directory.path(), head, vec![5; 4_000]).unwrap().path().to_owned();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1_000]).unwrap();
        let patient = spinor_sim::small_spine::patient(1.6).unwrap();
        let refused = Recorder::resume(&path, &patient, CaseHash([7; 32])).err();
        assert!(refused.as_ref().is_some_and(|e| e.to_string().contains("lacks its case")), "{refused:?}");
        assert_eq!(std::fs::read(&path).unwrap(), whole[..whole.len() - 1_000]);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
