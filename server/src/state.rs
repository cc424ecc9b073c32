//! A room's state directory (mode 700): its keys, and which device each invitation is bound to.
//!
//! It outlives the process, so that links, pins and devices are still good after a restart. Without a directory everything lives
//! in memory and ends with the process.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
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
    /// A file that is missing beside the others, a key of another length, or a binding that cannot be read.
    #[error("{0} is missing or damaged: restore it, or delete the state directory and make new invitations")]
    Damaged(PathBuf),
    /// A file that is longer than is read of one. Nothing of it is changed.
    #[error("{path} is longer than {MOST} bytes: begin with a new state directory and make new invitations")]
    Long {
        /// Which file.
        path: PathBuf,
    },
    /// Another server has it.
    #[error(
        "{0} is in use by another server, and shared by two an invitation would let in two devices: stop that server, or choose another \
         directory (--state)"
    )]
    InUse(PathBuf),
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

/// Most bytes that are read of a file: 150,000 invitations that were used.
const MOST: u64 = 16 << 20;
/// The file that a server holds locked for as long as it lives. It may be missing: the lock says who serves, not the file.
const LOCK: &str = "lock";
/// The files that a state directory holds from its first use on, `bindings` last.
const FILES: [&str; 4] = ["key.der", "certificate.der", "owner.key", "bindings"];

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
    /// Held until the state is dropped, or the process dies.
    _lock: Option<File>,
}

impl State {
    /// State that ends with the process.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn in_memory() -> Result<Self, StateError> {
        Ok(Self {
            identity: Identity::generate()?,
            owner: new_key()?,
            directory: None,
            bindings: HashMap::new(),
            log: None,
            _lock: None,
        })
    }

    /// The state in `directory`, made on first use and held against other servers until it is dropped.
    ///
    /// # Errors
    /// When it cannot be read or written, is damaged, open to others, or in use.
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
        // Before anything is made or read: two servers that begin at once would each make keys of their own.
        let lock_path = directory.join(LOCK);
        let lock =
            OpenOptions::new().create(true).append(true).mode(0o600).open(&lock_path).map_err(io("cannot open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::InUse(directory.to_owned())),
            Err(TryLockError::Error(error)) => return Err(io("cannot lock", &lock_path)(error)),
        }
        let [key, certificate, owner_path, path] = FILES.map(|name| directory.join(name));
        if FILES.iter().all(|name| !directory.join(name).exists()) {
            let identity = Identity::generate()?;
            write_new(&key, &identity.key)?;
            write_new(&certificate, &identity.certificate)?;
            write_new(&owner_path, &new_key()?.to_bytes())?;
            write_new(&path, &[])?;
        }
        // A key made anew would end every invitation without a word, and without bindings used ones could be bound again: one that is
        // missing beside the others is no new beginning.
        if let Some(missing) = [&key, &certificate, &owner_path, &path].into_iter().find(|path| !path.exists()) {
            return Err(StateError::Damaged(missing.clone()));
        }
        let identity = Identity { certificate: read(&certificate)?, key: read(&key)? };
        let owner: [u8; 32] = read(&owner_path)?.try_into().map_err(|_| StateError::Damaged(owner_path.clone()))?;
        let owner = SigningKey::from_bytes(&owner);
        let bytes = read(&path)?;
        let bindings = parse_bindings(&bytes, &path)?;
        let log = OpenOptions::new().append(true).open(&path).map_err(io("cannot open", &path))?;
        // What is torn at the end goes, or the next line would be written onto it and the whole file be damaged.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if whole < bytes.len() {
            log.set_len(whole as u64).map_err(io("cannot cut the torn end of", &path))?;
        }
        Ok(Self { identity, owner, directory: Some(directory.to_owned()), bindings, log: Some(log), _lock: Some(lock) })
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
            return Err(Refusal::NumberTaken);
        }
        let binding = Binding { device, user: claims.user };
        if let Some(log) = &mut self.log {
            let line = format!("{} {} {}\n", hex(&claims.nonce), hex(&device), claims.user);
            let before = log.metadata().map(|m| m.len());
            if before.as_ref().is_ok_and(|length| length + line.len() as u64 > MOST) {
                tracing::error!("so many invitations were used that no more can be noted: a new state directory is needed");
                return Err(Refusal::Disk);
            }
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

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The way back from [`hex`], none where the text is not exactly `N` bytes.
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

/// A whole file, or an error: what is read of `bindings` decides what is cut off.
fn read(path: &Path) -> Result<Vec<u8>, StateError> {
    let io = |source| StateError::Io { what: "cannot read", path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(io)?.take(MOST + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MOST {
        return Err(StateError::Long { path: path.to_owned() });
    }
    Ok(bytes)
}

/// Writes a secret file: readable by its owner only, whole or not at all.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let (draft, _) = write_draft(path, bytes)?;
    put(&draft, path)
}

/// Lets a draft take its file's place.
pub(crate) fn put(draft: &Path, path: &Path) -> Result<(), StateError> {
    std::fs::rename(draft, path).map_err(|source| {
        let _ = std::fs::remove_file(draft);
        StateError::Io { what: "cannot write", path: path.to_owned(), source }
    })
}

/// Writes a secret beside the file that it is to become, readable by its owner only. On failure nothing is left of it.
pub(crate) fn write_draft(path: &Path, bytes: &[u8]) -> Result<(PathBuf, File), StateError> {
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
    if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_all()) {
        let _ = std::fs::remove_file(&draft);
        return Err(io(error));
    }
    Ok((draft, file))
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

    /// Two servers on one directory would each bind an invitation to a device of its own: the second is refused and says why, changes
    /// nothing, and may go on where the first one ended, however that ended.
    #[test]
    fn a_directory_belongs_to_one_server() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let claims = Claims::new("r", "Ann", Role::Resident, 1000).unwrap();
        let mut first = State::open(&path).unwrap();
        let refused = State::open(&path).err().unwrap();
        assert!(matches!(&refused, StateError::InUse(at) if *at == path));
        let words = refused.to_string();
        assert!(words.contains("another server") && words.contains(&*path.to_string_lossy()), "{words}");
        first.admit(&claims, [1; 32], 5).unwrap();
        drop(first);
        let mut second = State::open(&path).unwrap();
        assert_eq!(second.admit(&claims, [2; 32], 5), Err(Refusal::OtherDevice));
        assert_eq!(std::fs::metadata(path.join(LOCK)).unwrap().permissions().mode() & 0o777, 0o600);
    }

    /// More bindings than are read are an error: cut off as torn, they would let used invitations be bound again. Not a byte changes.
    #[test]
    fn too_many_bindings_are_not_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        State::open(&path).unwrap();
        let line = |n: u32| format!("{} {} {n}\n", hex(&u128::from(n).to_le_bytes()), hex(&[2; 32]));
        let many: String = (0..=MOST as u32 / line(1_000_000).len() as u32).map(|n| line(1_000_000 + n)).collect();
        let bindings = path.join("bindings");
        std::fs::write(&bindings, &many).unwrap();
        assert!(matches!(State::open(&path), Err(StateError::Long { path }) if path == bindings));
        assert_eq!(std::fs::read(&bindings).unwrap().len(), many.len());
        // One fewer is read, and nobody is bound whom the next start could not read.
        std::fs::write(&bindings, &many[..many.len() - line(1_000_000).len()]).unwrap();
        let claims = Claims::new("r", "Ann", Role::Resident, 1000).unwrap();
        assert_eq!(State::open(&path).unwrap().admit(&claims, [1; 32], 5), Err(Refusal::Disk));
        State::open(&path).unwrap();
    }

    /// A directory that lacks one of its files is an error and stays as it is: a new identity would end every pin, new bindings would
    /// let used invitations be bound again.
    #[test]
    fn a_missing_file_is_no_new_beginning() {
        for name in FILES {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("state");
            State::open(&path).unwrap();
            std::fs::remove_file(path.join(name)).unwrap();
            assert!(matches!(State::open(&path), Err(StateError::Damaged(at)) if at == path.join(name)), "{name}");
            assert!(!path.join(name).exists());
        }
    }

    /// Two invitations that drew one number: the second is refused for what it is, not as altered.
    #[test]
    fn a_number_belongs_to_one_person() {
        let mut state = State::in_memory().unwrap();
        let ann = Claims::new("r", "Ann", Role::Resident, 1000).unwrap();
        let ben = Claims { user: ann.user, ..Claims::new("r", "Ben", Role::Resident, 1000).unwrap() };
        assert_eq!(state.admit(&ann, [1; 32], 5), Ok(()));
        assert_eq!(state.admit(&ben, [2; 32], 5), Err(Refusal::NumberTaken));
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
