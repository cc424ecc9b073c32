//! A room's state directory (mode 700): its keys, and which device each invitation is bound to.
//!
//! It outlives the process, so that links, pins and devices are still good after a restart. Without a directory everything lives
//! in memory and ends with the process.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use spinor_shared::net::handshake::Refusal;
use spinor_shared::net::invite::{Claims, InviteError, RETURN_SECONDS, new_key};
use spinor_shared::net::tls::{Identity, TlsError};
use thiserror::Error;

/// Why a state directory cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
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
    /// A key file of another length, or a binding that cannot be read.
    #[error("{0} is damaged: restore it, or delete the state directory and make new invitations")]
    Damaged(PathBuf),
    /// Others can read the directory.
    #[error("{0} can be read by others: run chmod 700 on it")]
    Open(PathBuf),
    /// No certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No key.
    #[error(transparent)]
    Key(#[from] InviteError),
}

/// What an invitation is bound to since its first use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Binding {
    device: [u8; 32],
    user: u32,
}

/// Keys and bindings.
pub struct State {
    /// TLS certificate and key.
    pub identity: Identity,
    /// Signs invitations.
    pub owner: SigningKey,
    directory: Option<PathBuf>,
    bindings: HashMap<[u8; 16], Binding>,
    log: Option<File>,
}

impl State {
    /// State that ends with the process.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn in_memory() -> Result<Self, StateError> {
        Ok(Self { identity: Identity::generate()?, owner: new_key()?, directory: None, bindings: HashMap::new(), log: None })
    }

    /// The state in `directory`, made on first use.
    ///
    /// # Errors
    /// When it cannot be read or written, is damaged, or open to others.
    pub fn open(directory: &Path) -> Result<Self, StateError> {
        let io = |what, path: &Path| {
            let path = path.to_owned();
            move |source| StateError::Io { what, path, source }
        };
        if !directory.exists() {
            DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(io("cannot make", directory))?;
        }
        let mode = std::fs::metadata(directory).map_err(io("cannot read", directory))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(StateError::Open(directory.to_owned()));
        }
        let (certificate, key) = (directory.join("certificate.der"), directory.join("key.der"));
        let identity = if certificate.exists() && key.exists() {
            Identity { certificate: read(&certificate)?, key: read(&key)? }
        } else {
            let identity = Identity::generate()?;
            write_new(&key, &identity.key)?;
            write_new(&certificate, &identity.certificate)?;
            identity
        };
        let owner_path = directory.join("owner.key");
        let owner = if owner_path.exists() {
            let bytes: [u8; 32] = read(&owner_path)?.try_into().map_err(|_| StateError::Damaged(owner_path.clone()))?;
            SigningKey::from_bytes(&bytes)
        } else {
            let owner = new_key()?;
            write_new(&owner_path, &owner.to_bytes())?;
            owner
        };
        let path = directory.join("bindings");
        let bytes = if path.exists() { read(&path)? } else { Vec::new() };
        let bindings = parse_bindings(&bytes, &path)?;
        let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(io("cannot open", &path))?;
        // What is torn at the end goes, or the next line would be written onto it and the whole file be damaged.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if whole < bytes.len() {
            log.set_len(whole as u64).map_err(io("cannot cut the torn end of", &path))?;
        }
        Ok(Self { identity, owner, directory: Some(directory.to_owned()), bindings, log: Some(log) })
    }

    /// Where the state lives, if it outlives the process.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// Whether a device may use an invitation now. The first device binds it, on disk before anybody is let in.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&mut self, claims: &Claims, device: [u8; 32], now_unix_s: u64) -> Result<(), Refusal> {
        if let Some(binding) = self.bindings.get(&claims.nonce) {
            if binding.device != device {
                return Err(Refusal::OtherDevice);
            }
            let until = claims.expires_unix_s.saturating_add(RETURN_SECONDS);
            return if now_unix_s <= until { Ok(()) } else { Err(Refusal::Expired) };
        }
        if now_unix_s > claims.expires_unix_s {
            return Err(Refusal::Expired);
        }
        if self.bindings.values().any(|b| b.user == claims.user) {
            // Two invitations drew the same number for two people: one in four thousand million. The second has to be made anew.
            return Err(Refusal::BadToken);
        }
        let binding = Binding { device, user: claims.user };
        if let Some(log) = &mut self.log {
            let line = format!("{} {} {}\n", hex(&claims.nonce), hex(&device), claims.user);
            let before = log.metadata().map(|m| m.len());
            if let Err(error) = log.write_all(line.as_bytes()).and_then(|()| log.sync_data()) {
                // A full disk may have taken a part of the line.
                let _ = before.and_then(|length| log.set_len(length));
                tracing::error!(%error, "cannot write a binding: nobody new can enter");
                return Err(Refusal::Disk);
            }
        }
        self.bindings.insert(claims.nonce, binding);
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * n..2 * n + 2], 16).ok()?;
    }
    Some(bytes)
}

fn parse_bindings(bytes: &[u8], path: &Path) -> Result<HashMap<[u8; 16], Binding>, StateError> {
    let text = std::str::from_utf8(bytes).map_err(|_| StateError::Damaged(path.to_owned()))?;
    let mut bindings = HashMap::new();
    // A last line without its end was being written when the process died: nobody was let in on it.
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        let mut words = line.split(' ');
        let parsed = (|| Some((unhex(words.next()?)?, unhex(words.next()?)?, words.next()?.parse().ok()?)))();
        let (nonce, device, user) = parsed.ok_or_else(|| StateError::Damaged(path.to_owned()))?;
        bindings.insert(nonce, Binding { device, user });
    }
    Ok(bindings)
}

fn read(path: &Path) -> Result<Vec<u8>, StateError> {
    let io = |source| StateError::Io { what: "cannot read", path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(io)?.take(16 << 20).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

/// Writes a secret file: readable by its owner only, whole or not at all.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let io = |source| StateError::Io { what: "cannot write", path: path.to_owned(), source };
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    // What an earlier attempt, or somebody else in a folder that all may write to, left under that name is not written into.
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.sync_all().map_err(io)?;
    std::fs::rename(&draft, path).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinor_shared::room::Role;

    /// An invitation works for the first device, again for that device after a restart, and for no other one; late is late.
    #[test]
    fn an_invitation_belongs_to_its_first_device() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let claims = Claims::new("r", "Ann", Role::Resident, 1000).unwrap();
        let digest = {
            let mut state = State::open(&path).unwrap();
            assert_eq!(state.admit(&claims, [1; 32], 1001), Err(Refusal::Expired));
            assert_eq!(state.admit(&claims, [1; 32], 999), Ok(()));
            assert_eq!(state.admit(&claims, [2; 32], 999), Err(Refusal::OtherDevice));
            state.identity.digest()
        };
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(std::fs::metadata(path.join("owner.key")).unwrap().permissions().mode() & 0o777, 0o600);
        let mut state = State::open(&path).unwrap();
        assert_eq!(state.identity.digest(), digest);
        assert_eq!(state.admit(&claims, [1; 32], 1001), Ok(()));
        assert_eq!(state.admit(&claims, [2; 32], 999), Err(Refusal::OtherDevice));
        assert_eq!(state.admit(&claims, [1; 32], 1001 + RETURN_SECONDS), Err(Refusal::Expired));
    }

    /// A line that was being written when the power failed does not damage the one that follows.
    #[test]
    fn a_torn_binding_does_not_spoil_the_next_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let claims = Claims::new("r", "Ann", Role::Resident, 1000).unwrap();
        State::open(&path).unwrap().admit(&claims, [1; 32], 5).unwrap();
        let bindings = path.join("bindings");
        let whole = std::fs::read(&bindings).unwrap();
        std::fs::write(&bindings, [&whole[..], &whole[..40]].concat()).unwrap();
        let other = Claims::new("r", "Ben", Role::Resident, 1000).unwrap();
        State::open(&path).unwrap().admit(&other, [2; 32], 5).unwrap();
        let mut state = State::open(&path).unwrap();
        assert_eq!(state.admit(&claims, [2; 32], 5), Err(Refusal::OtherDevice));
        assert_eq!(state.admit(&other, [1; 32], 5), Err(Refusal::OtherDevice));
    }

    /// A secret is not written into a file or through a link that somebody laid in its way.
    #[test]
    fn a_secret_is_not_written_where_somebody_else_waits() {
        let directory = tempfile::tempdir().unwrap();
        let (path, trap) = (directory.path().join("key"), directory.path().join("trap"));
        std::fs::write(&trap, b"mine").unwrap();
        std::os::unix::fs::symlink(&trap, directory.path().join("key.new")).unwrap();
        write_new(&path, b"secret").unwrap();
        assert_eq!((std::fs::read(&trap).unwrap(), std::fs::read(&path).unwrap()), (b"mine".to_vec(), b"secret".to_vec()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    /// A torn last line is not a binding; a damaged one in the middle is an error.
    #[test]
    fn torn_bindings_are_dropped() {
        let path = Path::new("bindings");
        let whole = format!("{} {} 7\n", hex(&[1; 16]), hex(&[2; 32]));
        assert_eq!(parse_bindings(format!("{whole}{}", &whole[..20]).as_bytes(), path).unwrap().len(), 1);
        assert!(parse_bindings(format!("xx\n{whole}").as_bytes(), path).is_err());
    }
}
