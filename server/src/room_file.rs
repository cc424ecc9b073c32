//! The room file: what somebody needs to invite people, written once the server listens (mode 600).
//!
//! It holds the owner's key, which signs invitations. Invitations are made where the file is, without asking the server: the key never
//! travels, and people can be invited before the server starts again. Whoever may read the file may invite.

use std::path::Path;

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use spinor_shared::net::invite::{Claims, Invite, InviteError};
use spinor_shared::room::Role;
use thiserror::Error;

use crate::state::{StateError, hex, unhex, write_new};

/// A room file's content.
#[derive(Clone, Serialize, Deserialize)]
pub struct RoomFile {
    /// Host and port that people connect to.
    pub address: String,
    /// Digest of the server's certificate, hexadecimal.
    pub certificate: String,
    /// The room.
    pub room: String,
    /// The owner's key, hexadecimal. A secret.
    pub owner_key: String,
}

/// Why a room file cannot be used.
#[derive(Debug, Error)]
pub enum RoomFileError {
    /// It cannot be read.
    #[error("cannot read the room file {0}: {1}")]
    Read(String, std::io::Error),
    /// It is not a room file.
    #[error("{0} is not a room file: {1}")]
    Parse(String, String),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] StateError),
    /// The invitation cannot be made.
    #[error(transparent)]
    Invite(#[from] InviteError),
}

impl RoomFile {
    /// The file for a server.
    pub fn new(address: String, digest: [u8; 32], room: &str, owner: [u8; 32]) -> Self {
        Self { address, certificate: hex(&digest), room: room.to_owned(), owner_key: hex(&owner) }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(path: &Path) -> Result<Self, RoomFileError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| RoomFileError::Read(name.clone(), e))?;
        serde_json::from_str(&text).map_err(|e| RoomFileError::Parse(name, e.to_string()))
    }

    /// Writes it, readable by its owner only, whole or not at all.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn write(&self, path: &Path) -> Result<(), RoomFileError> {
        let mut text =
            serde_json::to_string_pretty(self).map_err(|e| RoomFileError::Parse(path.display().to_string(), e.to_string()))?;
        text.push('\n');
        Ok(write_new(path, text.as_bytes())?)
    }

    /// An invitation to `room` (this file's, or one numbered after it).
    ///
    /// # Errors
    /// When the keys in the file are damaged, or room or name cannot be shown.
    pub fn invite(&self, room: &str, name: &str, role: Role, expires_unix_s: u64) -> Result<Invite, RoomFileError> {
        let damaged = |what: &str| RoomFileError::Parse(self.room.clone(), format!("its {what} is damaged"));
        let digest = unhex(&self.certificate).ok_or_else(|| damaged("certificate digest"))?;
        let owner = SigningKey::from_bytes(&unhex(&self.owner_key).ok_or_else(|| damaged("owner key"))?);
        let token = Claims::new(room, name, role, expires_unix_s)?.sign(&owner)?;
        Ok(Invite { address: self.address.clone(), room: room.to_owned(), digest, token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A room file comes back, is readable by its owner only, and its invitations carry what it says.
    #[test]
    fn a_room_file_invites() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("room.json");
        let owner = SigningKey::from_bytes(&[9; 32]);
        RoomFile::new("127.0.0.1:5".to_owned(), [3; 32], "theatre", owner.to_bytes()).write(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let invite = RoomFile::read(&path).unwrap().invite("theatre", "Ann", Role::Attending, 7).unwrap();
        let claims = Claims::verify(&invite.token, &owner.verifying_key()).unwrap();
        assert_eq!((claims.role, claims.name.as_str(), claims.expires_unix_s), (Role::Attending, "Ann", 7));
        assert_eq!(invite.digest, [3; 32]);
    }
}
