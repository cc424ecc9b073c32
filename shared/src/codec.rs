//! Bytes of wire types: the only module that names the serializer.
//!
//! bincode 2.0.1 is feature complete and no longer maintained; replacing it means changing this file and raising the versions of
//! protocol and session.

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// Most bytes that one decoded value may claim, whatever its length fields say.
pub const LIMIT: usize = 1 << 30;

/// Why bytes are not a value, or a value does not become bytes.
#[derive(Debug, Error)]
pub enum CodecError {
    /// The value holds more than [`LIMIT`] bytes or something that has no encoding.
    #[error("cannot encode {what}: {reason}")]
    Encode {
        /// The Rust type.
        what: &'static str,
        /// The serializer's reason.
        reason: String,
    },
    /// The bytes end early, claim too much, or hold no such variant.
    #[error("{length} bytes are not a {what}: {reason}")]
    Decode {
        /// The Rust type.
        what: &'static str,
        /// Length of the input.
        length: usize,
        /// The serializer's reason.
        reason: String,
    },
    /// Bytes are left over after the value.
    #[error("{left} bytes follow after a {what}")]
    Trailing {
        /// The Rust type.
        what: &'static str,
        /// Bytes that were not used.
        left: usize,
    },
}

/// The bytes of a value.
///
/// # Errors
/// When the value has no encoding.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    bincode::serde::encode_to_vec(value, bincode::config::standard())
        .map_err(|e| CodecError::Encode { what: std::any::type_name::<T>(), reason: e.to_string() })
}

/// The value that all of `bytes` hold. Lengths are checked against [`LIMIT`], and memory grows with the bytes that are there, not with what they claim.
///
/// # Errors
/// When the bytes end early, hold something else, or more.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let what = std::any::type_name::<T>();
    let (value, used) = bincode::serde::decode_from_slice(bytes, bincode::config::standard().with_limit::<LIMIT>())
        .map_err(|e| CodecError::Decode { what, length: bytes.len(), reason: e.to_string() })?;
    if used == bytes.len() { Ok(value) } else { Err(CodecError::Trailing { what, left: bytes.len() - used }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A length field of 2^60 elements in nine bytes is an error, not an allocation.
    #[test]
    fn a_lying_length_is_refused() {
        let lie = [253, 0, 0, 0, 0, 0, 0, 0, 16];
        assert!(matches!(decode::<Vec<u8>>(&lie), Err(CodecError::Decode { .. })));
        assert!(matches!(decode::<Vec<[u64; 4]>>(&lie), Err(CodecError::Decode { .. })));
    }

    #[test]
    fn values_come_back_and_rest_is_named() {
        let value = (7u32, String::from("L4"), vec![1i8, -1]);
        let mut bytes = encode(&value).unwrap();
        assert_eq!(decode::<(u32, String, Vec<i8>)>(&bytes).unwrap(), value);
        bytes.push(0);
        assert!(matches!(decode::<(u32, String, Vec<i8>)>(&bytes), Err(CodecError::Trailing { left: 1, .. })));
    }
}
