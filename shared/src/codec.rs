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
    /// The value holds something that has no encoding.
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

/// The value that all of `bytes` hold. What they may claim is bounded by what is there, to 128 times as much where 512 bytes are, and to
/// 4 KiB where fewer are: a text or a run of bytes takes its memory before it is read, so a limit that suits the largest recording would
/// let nine bytes off the network ask for a gibibyte.
///
/// # Errors
/// When the bytes end early, hold something else, or more.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let what = std::any::type_name::<T>();
    // The limit is part of a type. A byte of input is at most a number of eight bytes, so eight times the input is always enough.
    let decoded = match bytes.len() {
        0..512 => decode_within::<T, { 1 << 12 }>(bytes),
        512..8_192 => decode_within::<T, { 1 << 16 }>(bytes),
        8_192..131_072 => decode_within::<T, { 1 << 20 }>(bytes),
        131_072..2_097_152 => decode_within::<T, { 1 << 24 }>(bytes),
        2_097_152..16_777_216 => decode_within::<T, { 1 << 27 }>(bytes),
        _ => decode_within::<T, LIMIT>(bytes),
    };
    let (value, used) = decoded.map_err(|e| CodecError::Decode { what, length: bytes.len(), reason: e.to_string() })?;
    if used == bytes.len() { Ok(value) } else { Err(CodecError::Trailing { what, left: bytes.len() - used }) }
}

fn decode_within<T: DeserializeOwned, const MOST: usize>(bytes: &[u8]) -> Result<(T, usize), bincode::error::DecodeError> {
    bincode::serde::decode_from_slice(bytes, bincode::config::standard().with_limit::<MOST>())
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

    /// Five bytes that claim a text of almost a gibibyte are refused for what they claim, before memory is taken for it.
    #[test]
    fn a_long_lie_in_few_bytes_takes_no_memory() {
        let lie = [252, 0, 0, 0, 63];
        for error in [decode::<String>(&lie).unwrap_err(), decode::<serde_bytes::ByteBuf>(&lie).unwrap_err()] {
            let CodecError::Decode { reason, .. } = error else { panic!("{error}") };
            assert!(reason.contains("LimitExceeded"), "{reason}");
        }
    }

    /// Two mebibytes that claim almost a gibibyte are refused for it as well.
    #[test]
    fn a_long_lie_in_many_bytes_takes_no_memory() {
        for length in [512, 8_192, 131_072, 2_097_152] {
            let mut lie = vec![0; length];
            lie[..5].copy_from_slice(&[252, 0, 0, 0, 63]);
            let CodecError::Decode { reason, .. } = decode::<String>(&lie).unwrap_err() else { panic!("{length}") };
            assert!(reason.contains("LimitExceeded"), "{length}: {reason}");
        }
    }

    /// The numbers that take most memory for their bytes, just below and at every bound of the limit, still come back.
    #[test]
    fn no_honest_value_meets_the_limit() {
        for length in [0, 509, 512, 8_189, 8_192, 131_067, 131_072, 2_097_147, 2_097_152, 16_777_211, 16_777_216] {
            let value = vec![7_u64; length];
            assert!(decode::<Vec<u64>>(&encode(&value).unwrap()).unwrap() == value, "{length} numbers");
        }
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
