//! Frames on a stream: `u32` length (little-endian, of what follows), a kind byte, the payload.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

/// Why no frame could be read or written.
#[derive(Debug, Error)]
pub enum FrameError {
    /// The peer announces more than this stream may carry.
    #[error("a frame of {0} bytes on a stream that carries at most {1}")]
    TooLong(usize, usize),
    /// A frame without a kind.
    #[error("an empty frame")]
    Empty,
    /// The stream ended inside a frame, or the connection died.
    #[error("the stream broke off: {0}")]
    Broken(String),
    /// A frame of another kind than this stream carries.
    #[error("a frame of kind {0} where {1} was expected")]
    Kind(u8, u8),
    /// The payload is not what the kind says.
    #[error(transparent)]
    Codec(#[from] crate::codec::CodecError),
}

/// A frame's bytes.
pub fn frame(kind: u8, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(payload.len() + 5);
    out.put_u32_le(payload.len() as u32 + 1);
    out.put_u8(kind);
    out.put_slice(payload);
    out.freeze()
}

/// The next frame of a stream, or none where the stream ends in order. The length is checked against `most` before memory is taken.
///
/// # Errors
/// When the frame is longer than `most`, empty, or breaks off.
pub async fn read_frame(stream: &mut quinn::RecvStream, most: usize) -> Result<Option<(u8, Vec<u8>)>, FrameError> {
    let mut head = [0; 4];
    let mut got = 0;
    while got < head.len() {
        match stream.read(&mut head[got..]).await {
            Ok(Some(n)) => got += n,
            Ok(None) if got == 0 => return Ok(None),
            Ok(None) => return Err(FrameError::Broken("inside a length".to_owned())),
            Err(e) => return Err(FrameError::Broken(e.to_string())),
        }
    }
    let length = u32::from_le_bytes(head) as usize;
    if length == 0 {
        return Err(FrameError::Empty);
    }
    if length > most {
        return Err(FrameError::TooLong(length, most));
    }
    let mut kind = [0; 1];
    let broken = |e: quinn::ReadExactError| FrameError::Broken(e.to_string());
    stream.read_exact(&mut kind).await.map_err(broken)?;
    let mut payload = vec![0; length - 1];
    stream.read_exact(&mut payload).await.map_err(broken)?;
    Ok(Some((kind[0], payload)))
}

/// Reads one frame of `kind` and decodes its payload.
///
/// # Errors
/// When the stream ends, the frame is of another kind, too long, or not a `T`.
pub async fn read_message<T: serde::de::DeserializeOwned>(
    stream: &mut quinn::RecvStream,
    kind: u8,
    most: usize,
) -> Result<T, FrameError> {
    match read_frame(stream, most).await? {
        None => Err(FrameError::Broken("the stream ended".to_owned())),
        Some((k, _)) if k != kind => Err(FrameError::Kind(k, kind)),
        Some((_, payload)) => Ok(crate::codec::decode(&payload)?),
    }
}

/// Kinds of frames. A number is never used for something else.
pub mod kind {
    /// A client's first frame.
    pub const HELLO: u8 = 1;
    /// The server's answer to a hello.
    pub const ANSWER: u8 = 2;
    /// A client's request on the control stream.
    pub const REQUEST: u8 = 3;
    /// The server's message on the control stream.
    pub const NOTICE: u8 = 4;
    /// Brick deltas of one tick on one lane.
    pub const LANE: u8 = 5;
    /// A piece of the case's patient section.
    pub const PATIENT: u8 = 6;
    /// Bricks of the cut snapshot.
    pub const SNAPSHOT: u8 = 7;
    /// The end of a snapshot.
    pub const SNAPSHOT_END: u8 = 8;
    /// An image's header: a byte (0 CT, 1 MR), then `ImageBricks::header`.
    pub const IMAGE: u8 = 9;
    /// An image's brick: a byte (0 CT, 1 MR), the brick's number as `u32`, then its packed voxels.
    pub const IMAGE_BRICK: u8 = 10;
    /// The case's meta section (JSON).
    pub const META: u8 = 11;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_holds_length_kind_and_payload() {
        assert_eq!(&frame(7, b"ab")[..], &[3, 0, 0, 0, 7, b'a', b'b']);
    }
}
