//! The room file: what somebody needs to invite people, written once the server listens (mode 600).
//!
//! It holds the owner's key, which signs invitations. Invitations are made where the file is, without asking the server: the key never
//! travels, and people can be invited before the server starts again. Whoever may read the file may invite.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use spinor_shared::file::read_bounded;
use spinor_shared::net::invite::{Claims, Invite, InviteError};
use spinor_shared::room::Role;
use thiserror::Error;

use crate::state::{StateError, hex, put, unhex, write_draft};

/// Most bytes that are read of a room file.
const MOST: u64 = 1 << 16;

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
    /// Most rooms of the server; none in files of before.
    #[serde(default)]
    pub rooms: Option<u32>,
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
    /// A running server has it.
    #[error("the room file {0} belongs to a server that is running: stop that server, or choose another file (--room)")]
    InUse(PathBuf),
    /// What lies there is something else, which somebody may need.
    #[error("{0} is there and is no room file: it is not written over. Choose another file (--room)")]
    Other(PathBuf),
    /// It cannot be locked.
    #[error("cannot lock the room file {0}: {1}")]
    Lock(PathBuf, std::io::Error),
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
        Self { address, certificate: hex(&digest), room: room.to_owned(), owner_key: hex(&owner), rooms: None }
    }

    /// The same file, which says how many rooms the server has at most.
    #[must_use]
    pub fn with_rooms(mut self, rooms: usize) -> Self {
        self.rooms = Some(u32::try_from(rooms.max(1)).unwrap_or(u32::MAX));
        self
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(path: &Path) -> Result<Self, RoomFileError> {
        let name = path.display().to_string();
        let read = File::open(path).and_then(|file| read_bounded(file, 0, MOST));
        let bytes = read.map_err(|e| RoomFileError::Read(name.clone(), e))?;
        serde_json::from_slice(&bytes).map_err(|e| RoomFileError::Parse(name, e.to_string()))
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

/// The place of a room file, which no other server takes while this lives: the file is locked, the old one until the new one is there, and
/// that one until the server ends.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    held: Option<File>,
}

impl Place {
    /// Takes a place: free, or with the room file of a server that has ended, which stays until another one is written.
    ///
    /// # Errors
    /// When the room file of a running server lies there, or something that is none.
    pub fn take(path: &Path) -> Result<Self, RoomFileError> {
        // A server that is just starting may put its own file there between two looks.
        for _ in 0..100 {
            let file = match File::open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Ok(Self { path: path.to_owned(), held: None });
                }
                Err(error) => return Err(RoomFileError::Read(path.display().to_string(), error)),
            };
            if !file.metadata().is_ok_and(|m| m.is_file()) {
                return Err(RoomFileError::Other(path.to_owned()));
            }
            lock(&file, path)?;
            if is_at(&file, path) {
                RoomFile::read(path).map_err(|error| match error {
                    RoomFileError::Parse(..) => RoomFileError::Other(path.to_owned()),
                    error => error,
                })?;
                return Ok(Self { path: path.to_owned(), held: Some(file) });
            }
        }
        Err(RoomFileError::InUse(path.to_owned()))
    }

    /// Writes a room file here, readable by its owner only, whole or not at all.
    ///
    /// # Errors
    /// When the operating system refuses, or another server was quicker.
    pub fn write(&mut self, file: &RoomFile) -> Result<(), RoomFileError> {
        let path = &self.path;
        let mut text =
            serde_json::to_string_pretty(file).map_err(|e| RoomFileError::Parse(path.display().to_string(), e.to_string()))?;
        text.push('\n');
        // A draft of its own: another server may be about to write here as well.
        let mut own = path.as_os_str().to_owned();
        own.push(format!(".{}", std::process::id()));
        let (draft, new) = write_draft(Path::new(&own), text.as_bytes()).map_err(|error| match error {
            StateError::Io { what, source, .. } => StateError::Io { what, path: path.clone(), source },
            error => error,
        })?;
        let placed = lock(&new, path).and_then(|()| match &self.held {
            Some(_) => Ok(put(&draft, path)?),
            // A free place is taken by whoever links first; a rename would go over the file of the other.
            None => std::fs::hard_link(&draft, path).or_else(|error| match error.kind() {
                std::io::ErrorKind::AlreadyExists => Err(RoomFileError::InUse(path.clone())),
                // A file system without links.
                _ => Ok(put(&draft, path)?),
            }),
        });
        let _ = std::fs::remove_file(&draft);
        placed?;
        self.held = Some(new);
        Ok(())
    }
}

fn lock(file: &File, path: &Path) -> Result<(), RoomFileError> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => RoomFileError::InUse(path.to_owned()),
        TryLockError::Error(error) => RoomFileError::Lock(path.to_owned(), error),
    })
}

/// Whether a path still leads to an open file.
fn is_at(file: &File, path: &Path) -> bool {
    let number = |of: std::io::Result<std::fs::Metadata>| of.ok().map(|m| (m.dev(), m.ino()));
    number(file.metadata()).is_some_and(|own| Some(own) == number(std::fs::metadata(path)))
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
        let file = RoomFile::new("127.0.0.1:5".to_owned(), [3; 32], "theatre", owner.to_bytes());
        Place::take(&path).unwrap().write(&file).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let invite = RoomFile::read(&path).unwrap().invite("theatre", "Ann", Role::Attending, 7).unwrap();
        let claims = Claims::verify(&invite.token, &owner.verifying_key()).unwrap();
        assert_eq!((claims.role, claims.name.as_str(), claims.expires_unix_s), (Role::Attending, "Ann", 7));
        assert_eq!(invite.digest, [3; 32]);
    }

    /// The room file of a running server is not taken over, before and after a second one of its own; that of a server which ended is, and
    /// what is no room file stays. Invitations are made while the server runs.
    #[test]
    fn a_room_file_belongs_to_one_server() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("room.json");
        let file = |n: u8| RoomFile::new(format!("127.0.0.1:{n}"), [n; 32], "theatre", [n; 32]);
        let mut first = Place::take(&path).unwrap();
        let mut quicker = Place::take(&path).unwrap();
        quicker.write(&file(1)).unwrap();
        assert!(matches!(first.write(&file(2)), Err(RoomFileError::InUse(at)) if at == path));
        let refused = Place::take(&path).unwrap_err();
        assert!(matches!(&refused, RoomFileError::InUse(at) if *at == path));
        assert!(refused.to_string().contains("a server that is running"), "{refused}");
        assert_eq!(RoomFile::read(&path).unwrap().address, "127.0.0.1:1");
        drop(quicker);
        let mut next = Place::take(&path).unwrap();
        // Taken is taken, before the new file is there.
        assert!(matches!(Place::take(&path), Err(RoomFileError::InUse(_))));
        next.write(&file(3)).unwrap();
        assert!(matches!(Place::take(&path), Err(RoomFileError::InUse(_))));
        assert_eq!(RoomFile::read(&path).unwrap().address, "127.0.0.1:3");
        drop(next);
        std::fs::write(&path, b"my thesis").unwrap();
        assert!(matches!(Place::take(&path), Err(RoomFileError::Other(at)) if at == path));
        assert_eq!(std::fs::read(&path).unwrap(), b"my thesis");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "no draft is left");
    }
}
