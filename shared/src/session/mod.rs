//! A recorded session: an append-only log that survives the death of its writer.
//!
//! ```text
//! "SPINREC\0"  u16 version  u16 reserved (0)
//! frame*       u32 length   u32 CRC-32 of the payload   payload = codec(Record)     all numbers little-endian
//! ```
//!
//! The first record is [`Record::Head`], the second [`Record::Case`], so that a recording can be replayed, scored and exported alone.
//! A record is written before any delta of its tick is sent. A frame that ends early, or whose sum is wrong at the end of the file, is
//! a torn tail: [`SessionReader`] drops it and says so, and `serve --resume` cuts the file there.
//!
//! **A new version**: raise [`VERSION`], keep the old record enum in a module named after its version, convert it into the new one
//! in `SessionReader`, and add a recording of the old version to `tests/recordings/` that a test opens. Where
//! kinds of records, tools and events only come behind the last ones, as from 1 to 3, the old enum reads both: raising [`VERSION`] then makes
//! older programs say that they are too old, and `tests/recordings/` proves that nothing else is needed.

mod physics;
mod reach;
mod reader;
mod record;
mod replay;
mod writer;

pub use physics::{Physics, PhysicsError, simulate_again};
pub use reach::{Reached, reach};
pub use reader::{SessionReader, Tail};
pub use record::{Control, HeadPose, Keyframe, OpRecord, Record, SessionHead, TickRecord, keyframe_of, restore_keyframe};
pub use replay::{Check, Part, Replay, ReplayError, ReplayState, ReplaySummary, replay};
pub use writer::SessionWriter;

use thiserror::Error;

use crate::codec::CodecError;
use crate::wire::WireError;

/// First bytes of a recording.
pub const MAGIC: [u8; 8] = *b"SPINREC\0";
/// Version that is written, and the newest that is read. 2 has more tools and events than 1, 3 also what people pointed at, drew and
/// wrote; all are read in the same way.
pub const VERSION: u16 = 3;
/// Longest frame: a case with its images must fit.
pub const MAX_FRAME: u32 = 1 << 30;

/// Why a recording cannot be read or written.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Not a recording at all.
    #[error("this is not a recording of Spinor (a .spinrec file starts with SPINREC)")]
    Magic,
    /// Written by a newer program.
    #[error("the recording has format version {0}; this program reads up to {VERSION}: use a newer one")]
    Version(u16),
    /// A damaged frame with more frames behind it.
    #[error("the recording is damaged at byte {at}: {reason}")]
    Damaged {
        /// Offset of the frame.
        at: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A record that does not encode.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A value that the core refuses.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The recording lacks its first two records.
    #[error("the recording lacks its {0}: it was cut off while it was being created")]
    Incomplete(&'static str),
    /// Another number of ticks a second than the core has.
    #[error("the recording claims {0} ticks a second; every room has 60: it is damaged")]
    TickRate(u32),
    /// A frame longer than [`MAX_FRAME`].
    #[error("a record of {0} bytes is too long to be stored")]
    TooLong(usize),
}

#[cfg(test)]
mod old_versions;
#[cfg(test)]
mod tests;
