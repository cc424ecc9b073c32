//! The first exchange on the control stream: who is there, and may they enter.
//!
//! The client shows its invitation and proves that it holds the device key by signing a value that only the two ends of this TLS
//! connection know (RFC 8446 §7.5 exporter). So a proof is worth nothing on any other connection, and a copied link nothing
//! without the device.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use spinor_sim::settings::{LEAST_DANGER_MM, MOST_CAUTION_MM};
use thiserror::Error;

use super::control::RoomView;
use crate::room::Role;

/// Label of the TLS exporter.
const LABEL: &[u8] = b"spinor device proof 1";

/// A client's first frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`super::PROTOCOL_VERSION`] of the client.
    pub protocol: u32,
    /// The invitation's token.
    pub token: Vec<u8>,
    /// The device's public key.
    pub device: [u8; 32],
    /// The device key's signature over the connection's exported value: two halves of 32 bytes.
    pub proof: [[u8; 32]; 2],
}

/// The server's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// Come in.
    Accept(Box<Accept>),
    /// Stay out, and why.
    Refused(Refusal),
}

/// What a client learns on entering.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accept {
    /// The person's number.
    pub user: u32,
    /// The person's name.
    pub name: String,
    /// The person's role.
    pub role: Role,
    /// The room.
    pub room: String,
    /// The room's tick.
    pub tick: u32,
    /// Ticks per second.
    pub tick_hz: u32,
    /// Hash of the case file: names the case.
    pub case_hash: [u8; 32],
    /// BLAKE3 of the case's patient section, which is sent to clients that lack it.
    pub patient_hash: [u8; 32],
    /// Length of that section.
    pub patient_bytes: u64,
    /// What else there is to know.
    pub view: RoomView,
}

/// Why a connection or a request is refused. The words are shown to people; the names are counted.
#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// Another version of the protocol.
    #[error("the server speaks protocol {server}, this program {client}: install the same version")]
    Version {
        /// The server's.
        server: u32,
        /// The client's.
        client: u32,
    },
    /// The token was altered or signed by another owner.
    #[error("the invitation was altered or is not from this room's owner")]
    BadToken,
    /// The invitation expired before its first use.
    #[error("the invitation has expired: ask for a new one")]
    Expired,
    /// The invitation is bound to another device.
    #[error("the invitation was already used on another device: ask for one of your own")]
    OtherDevice,
    /// The device key's proof is wrong.
    #[error("this device could not prove its key")]
    BadProof,
    /// The room is not here.
    #[error("there is no such room on this server")]
    NoRoom,
    /// The room is full.
    #[error("the room is full")]
    Full,
    /// The role does not allow it.
    #[error("a {0} may not do that")]
    Role(Role),
    /// The person does not hold the right to operate.
    #[error("the attending has not given you the tool")]
    NoTool,
    /// The room is frozen.
    #[error("the attending has frozen all tools")]
    Frozen,
    /// Too many messages.
    #[error("too many messages")]
    Rate,
    /// Bytes that are no message, or a message with impossible values.
    #[error("a message that cannot be read")]
    Garbage,
    /// The room stands still because its recording cannot be written.
    #[error("the recording cannot be written (is the disk full?): the room waits")]
    Disk,
    /// The server is stopping.
    #[error("the room has closed")]
    Closing,
    /// The same person connected from another place.
    #[error("you have connected again from elsewhere")]
    Replaced,
    /// The client does not read what is sent to it.
    #[error("this client does not keep up")]
    Slow,
    /// Only a recorded room can go back.
    #[error("the room is not recorded, so that it cannot go back to an earlier moment")]
    NotRecorded,
    /// There is no such moment, person or thing.
    #[error("there is no such person, tool or moment here")]
    Nothing,
    /// Two invitations drew the same number: the second cannot be used.
    #[error("this invitation drew another person's number: ask for a new one")]
    NumberTaken,
    /// Thresholds that no alarm can have.
    #[error(
        "no such thresholds: danger may not exceed caution nor fall below {LEAST_DANGER_MM} mm, and caution not exceed {MOST_CAUTION_MM} mm"
    )]
    Thresholds,
    /// What was asked for before is not done yet.
    #[error("what was asked for before is still being done: wait a moment")]
    Busy,
}

impl Refusal {
    /// The name it is counted under.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Version { .. } => "version",
            Self::BadToken => "bad_token",
            Self::Expired => "expired",
            Self::OtherDevice => "other_device",
            Self::BadProof => "bad_proof",
            Self::NoRoom => "no_room",
            Self::Full => "full",
            Self::Role(_) => "role",
            Self::NoTool => "no_tool",
            Self::Frozen => "frozen",
            Self::Rate => "rate",
            Self::Garbage => "garbage",
            Self::Disk => "disk",
            Self::Closing => "closing",
            Self::Replaced => "replaced",
            Self::NotRecorded => "not_recorded",
            Self::Nothing => "nothing",
            Self::Slow => "slow",
            Self::NumberTaken => "number_taken",
            Self::Thresholds => "thresholds",
            Self::Busy => "busy",
        }
    }

    /// Whether trying again by itself can help.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Full | Self::Rate | Self::Disk | Self::Closing | Self::Slow | Self::NoRoom)
    }

    /// The number a connection is closed with, so that the other side learns why.
    pub fn close_code(&self) -> quinn::VarInt {
        let n = match self {
            Self::Version { .. } => 1,
            Self::BadToken => 2,
            Self::Expired => 3,
            Self::OtherDevice => 4,
            Self::BadProof => 5,
            Self::NoRoom => 6,
            Self::Full => 7,
            Self::Role(_) => 8,
            Self::NoTool => 9,
            Self::Frozen => 10,
            Self::Rate => 11,
            Self::Garbage => 12,
            Self::Disk => 13,
            Self::Closing => 14,
            Self::Replaced => 15,
            Self::Slow => 16,
            Self::NotRecorded => 17,
            Self::Nothing => 18,
            Self::NumberTaken => 19,
            Self::Thresholds => 20,
            Self::Busy => 21,
        };
        quinn::VarInt::from_u32(n)
    }
}

/// The value that both ends of a TLS connection derive and nobody else can.
fn exported(connection: &quinn::Connection, token: &[u8]) -> Option<[u8; 32]> {
    let mut value = [0; 32];
    connection.export_keying_material(&mut value, LABEL, blake3::hash(token).as_bytes()).ok()?;
    Some(value)
}

impl Hello {
    /// The hello of a device with `key` on `connection`; none while the connection's handshake is not finished.
    pub fn new(connection: &quinn::Connection, token: &[u8], key: &SigningKey) -> Option<Self> {
        let signature = key.sign(&exported(connection, token)?).to_bytes();
        let (mut first, mut second) = ([0; 32], [0; 32]);
        first.copy_from_slice(&signature[..32]);
        second.copy_from_slice(&signature[32..]);
        Some(Self {
            protocol: super::PROTOCOL_VERSION,
            token: token.to_vec(),
            device: key.verifying_key().to_bytes(),
            proof: [first, second],
        })
    }

    /// Whether the device key signed for this very connection.
    pub fn is_proven(&self, connection: &quinn::Connection) -> bool {
        let Ok(device) = VerifyingKey::from_bytes(&self.device) else { return false };
        let Some(value) = exported(connection, &self.token) else { return false };
        device.verify_strict(&value, &Signature::from_components(self.proof[0], self.proof[1])).is_ok()
    }
}
