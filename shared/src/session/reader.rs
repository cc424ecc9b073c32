//! Reading a recording, its torn tail included.

use std::io::{ErrorKind, Read};

use super::{MAGIC, MAX_FRAME, Record, SessionError, VERSION};
use crate::codec::{self, CodecError};

/// How a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// More may follow: the end has not been reached.
    Unread,
    /// The last record is whole.
    Whole {
        /// Length of the recording in bytes.
        bytes: u64,
    },
    /// The writer died in the middle of a record, which is dropped.
    Torn {
        /// Where the torn record starts: the length of what is whole.
        bytes: u64,
    },
}

/// Reads records one after another, in constant memory but for the record in hand.
#[derive(Debug)]
pub struct SessionReader<R: Read> {
    input: R,
    at: u64,
    tail: Tail,
}

impl<R: Read> SessionReader<R> {
    /// Opens a recording.
    ///
    /// # Errors
    /// When it is none, or was written by a newer program.
    pub fn open(mut input: R) -> Result<Self, SessionError> {
        let mut start = [0; 12];
        let got = read_up_to(&mut input, &mut start)?;
        if got < 12 || start[..8] != MAGIC {
            return Err(SessionError::Magic);
        }
        let version = u16::from_le_bytes([start[8], start[9]]);
        if version == 0 || version > VERSION {
            return Err(SessionError::Version(version));
        }
        Ok(Self { input, at: 12, tail: Tail::Unread })
    }

    /// Goes on in a recording that was opened before: `input` stands at the start of a record, at the offset that [`Self::at`] gave.
    pub fn resume(input: R, at: u64) -> Self {
        Self { input, at, tail: Tail::Unread }
    }

    /// The next record, or none at the end.
    ///
    /// # Errors
    /// When a record in the middle is damaged. A damaged last record is a torn tail, not an error.
    pub fn next_record(&mut self) -> Result<Option<Record>, SessionError> {
        if self.tail != Tail::Unread {
            return Ok(None);
        }
        let mut head = [0; 8];
        let got = read_up_to(&mut self.input, &mut head)?;
        if got == 0 {
            self.tail = Tail::Whole { bytes: self.at };
            return Ok(None);
        }
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let sum = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        if got < 8 {
            return self.torn();
        }
        // No record is empty. What a power failure leaves of a file that was being written may be zeros to its end.
        if length == 0 && sum == 0 && self.is_zero_to_the_end()? {
            return self.torn();
        }
        if length > MAX_FRAME {
            return Err(SessionError::Damaged { at: self.at, reason: format!("a record claims {length} bytes") });
        }
        let mut payload = Vec::new();
        let read = (&mut self.input).take(u64::from(length)).read_to_end(&mut payload);
        read.map_err(|source| SessionError::Io { what: "cannot read the recording", source })?;
        if payload.len() < length as usize {
            // A writer that dies leaves a part of its last record. What holds whole records was not its last: the length is what is wrong.
            let reason = match look_for_a_record(&payload) {
                Search::Nothing => return self.torn(),
                Search::Found => "its length is wrong: whole records follow",
                Search::GivenUp => {
                    "its length is wrong, and what follows is no end that a writer leaves: whole records may be among it"
                }
            };
            return Err(SessionError::Damaged { at: self.at, reason: reason.to_owned() });
        }
        if crc32fast::hash(&payload) != sum {
            // Nothing behind it, or nothing but the zeros of a power failure, which began in this record.
            let mut more = [0; 1];
            let last = read_up_to(&mut self.input, &mut more)? == 0;
            if last || (payload.last() == Some(&0) && more == [0] && self.is_zero_to_the_end()?) {
                return self.torn();
            }
            return Err(SessionError::Damaged { at: self.at, reason: "its checksum is wrong".to_owned() });
        }
        let record = codec::decode(&payload).map_err(|e| self.damaged(&e))?;
        self.at += 8 + u64::from(length);
        Ok(Some(record))
    }

    /// How the recording ends, known once [`Self::next_record`] has returned none.
    pub fn tail(&self) -> Tail {
        self.tail
    }

    /// Offset of the next record.
    pub fn at(&self) -> u64 {
        self.at
    }

    fn is_zero_to_the_end(&mut self) -> Result<bool, SessionError> {
        let mut piece = [0; 4096];
        loop {
            match read_up_to(&mut self.input, &mut piece)? {
                0 => return Ok(true),
                got if piece[..got].iter().any(|byte| *byte != 0) => return Ok(false),
                _ => {}
            }
        }
    }

    fn torn(&mut self) -> Result<Option<Record>, SessionError> {
        self.tail = Tail::Torn { bytes: self.at };
        Ok(None)
    }

    fn damaged(&self, e: &CodecError) -> SessionError {
        SessionError::Damaged { at: self.at, reason: e.to_string() }
    }
}

impl<R: Read> Iterator for SessionReader<R> {
    type Item = Result<Record, SessionError>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.next_record().transpose();
        if matches!(record, Some(Err(_))) {
            self.tail = Tail::Torn { bytes: self.at };
        }
        record
    }
}

/// Frames in a row that a chance length hardly ever makes: of packed bytes one in a hundred is a length that fits into 43 MB.
const IN_A_ROW: usize = 4;

/// How much of the work of sums is done, in times the bytes: behind lengths that lead on, and behind others.
const SUMS: [usize; 2] = [256, 8];

/// What a search through the bytes of a record that ends too early came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// A whole record starts among them.
    Found,
    /// None was found.
    Nothing,
    /// So many lengths lead from frame to frame that not all were looked into: no writer leaves that.
    GivenUp,
}

/// Looks for a whole record among bytes. Where a length leads from frame to frame, four times or up to the very end, there probably is one:
/// behind chance lengths there is no frame. What is spent on sums is bounded ([`SUMS`]), so that no bytes, crafted ones included, take long.
pub(super) fn look_for_a_record(bytes: &[u8]) -> Search {
    let [mut likely, mut other] = SUMS.map(|times| bytes.len().saturating_mul(times));
    let mut given_up = false;
    for at in 0..bytes.len().saturating_sub(8) {
        let Some((payload, sum)) = frame(bytes, at) else { continue };
        let is_likely = leads_on(bytes, at);
        let left = if is_likely { &mut likely } else { &mut other };
        let Some(rest) = left.checked_sub(payload.len()) else {
            given_up |= is_likely;
            continue;
        };
        *left = rest;
        if crc32fast::hash(payload) == sum && codec::decode::<Record>(payload).is_ok() {
            return Search::Found;
        }
    }
    if given_up { Search::GivenUp } else { Search::Nothing }
}

/// The payload and the sum of a frame that would start here; none where its length does not fit.
fn frame(bytes: &[u8], at: usize) -> Option<(&[u8], u32)> {
    let (head, rest) = bytes.get(at..)?.split_at_checked(8)?;
    let word = |n: usize| u32::from_le_bytes([head[n], head[n + 1], head[n + 2], head[n + 3]]);
    let payload = rest.get(..word(0) as usize).filter(|payload| !payload.is_empty())?;
    Some((payload, word(4)))
}

/// Whether frames follow one another from here.
fn leads_on(bytes: &[u8], mut at: usize) -> bool {
    for _ in 0..IN_A_ROW {
        if at == bytes.len() {
            return true;
        }
        let Some((payload, _)) = frame(bytes, at) else { return false };
        at += 8 + payload.len();
    }
    true
}

/// Fills `buffer` as far as the input goes.
fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> Result<usize, SessionError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(source) => return Err(SessionError::Io { what: "cannot read the recording", source }),
        }
    }
    Ok(filled)
}
