//! Writing a recording.

use std::io::Write;

use super::{MAGIC, MAX_FRAME, Record, SessionError, VERSION};
use crate::codec;

/// Appends records to a recording. Every record is one `write_all`, so that what was written before a kill stays.
#[derive(Debug)]
pub struct SessionWriter<W: Write> {
    out: W,
    bytes: u64,
}

impl<W: Write> SessionWriter<W> {
    /// A new recording: writes the file's first bytes.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn create(mut out: W) -> Result<Self, SessionError> {
        let mut start = MAGIC.to_vec();
        start.extend_from_slice(&VERSION.to_le_bytes());
        start.extend_from_slice(&[0; 2]);
        out.write_all(&start).map_err(|source| SessionError::Io { what: "cannot start the recording", source })?;
        Ok(Self { out, bytes: start.len() as u64 })
    }

    /// Goes on with a recording whose end `out` stands at; `bytes` is its length (where [`super::Tail`] says it is whole).
    pub fn resume(out: W, bytes: u64) -> Self {
        Self { out, bytes }
    }

    /// Appends one record.
    ///
    /// # Errors
    /// When the record has no encoding or the operating system refuses (a full disk).
    pub fn append(&mut self, record: &Record) -> Result<(), SessionError> {
        let frame = frame(record)?;
        self.out.write_all(&frame).map_err(|source| SessionError::Io { what: "cannot write to the recording", source })?;
        self.bytes += frame.len() as u64;
        Ok(())
    }

    /// Bytes written so far, the file's first bytes included.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.out
    }
}

/// A record's frame: length, sum, payload.
fn frame(record: &Record) -> Result<Vec<u8>, SessionError> {
    let payload = codec::encode(record)?;
    let length = u32::try_from(payload.len()).ok().filter(|n| *n <= MAX_FRAME);
    let length = length.ok_or(SessionError::TooLong(payload.len()))?;
    let mut frame = Vec::with_capacity(payload.len() + 8);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
    frame.extend_from_slice(&payload);
    Ok(frame)
}
