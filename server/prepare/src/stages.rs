//! What preparation made before, kept by the hash of all that it was made from: a run that was broken off, or that changes a later step,
//! does not begin anew.
//!
//! A hash covers the running program itself, so that no other version's result is ever taken for this one's. What is kept is checked when it
//! is read; whatever is wrong with it, it is made again. It holds shapes of a patient's anatomy and no identity, in a folder that only its
//! owner can read.

use std::fs::{self, DirBuilder, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::{Serialize, de::DeserializeOwned};
use spinor_shared::codec;

use crate::files::write_whole;
use crate::runtime::user_cache;

/// Most bytes that are kept; what was used longest ago goes first.
const MOST_BYTES: u64 = 1 << 30;
/// Most bytes that one result may unpack to.
const MOST_UNPACKED: u64 = 1 << 30;
/// How the files end.
const ENDING: &str = "stage";

/// A folder of results.
#[derive(Clone, Debug)]
pub struct Stages {
    folder: PathBuf,
    program: blake3::Hash,
}

/// The hash of what a result is made from, while it is put together.
#[derive(Clone, Debug)]
pub struct Key(blake3::Hasher);

impl Key {
    /// Adds bytes; their length counts, so that no two parts run into each other.
    pub fn add(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        self
    }

    /// Adds numbers by their bits.
    pub fn add_all(&mut self, numbers: impl IntoIterator<Item = f64>) -> &mut Self {
        let bytes: Vec<u8> = numbers.into_iter().flat_map(|n| n.to_bits().to_le_bytes()).collect();
        self.add(&bytes)
    }

    /// The name of its file.
    pub(crate) fn name(&self) -> String {
        format!("{}.{ENDING}", self.0.finalize().to_hex())
    }
}

impl Stages {
    /// The results in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made, belongs to somebody else, or the program cannot read itself.
    pub fn open(folder: &Path) -> std::io::Result<Self> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
        // One that was there before: only its owner may say who looks in, so that what another put there is never taken.
        #[cfg(unix)]
        fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(std::env::current_exe()?)?)?;
        Ok(Self { folder: folder.to_owned(), program: hasher.finalize() })
    }

    /// Where the user's are: `spinor/stages` in the cache folder; none where there is no such folder.
    pub fn folder() -> Option<PathBuf> {
        user_cache().map(|cache| cache.join("stages"))
    }

    /// The beginning of a key for a step.
    pub fn key(&self, step: &str) -> Key {
        let mut key = Key(blake3::Hasher::new());
        key.add(step.as_bytes()).add(self.program.as_bytes());
        key
    }

    /// What was kept under a key; none where nothing is, or it is damaged.
    pub fn take<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        let path = self.folder.join(key.name());
        let mut bytes = Vec::new();
        let file = File::open(&path).ok()?;
        (&file).take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
        let (hash, packed) = bytes.split_at_checked(32)?;
        if blake3::hash(packed).as_bytes() != hash {
            return None;
        }
        let mut whole = Vec::new();
        ZlibDecoder::new(packed).take(MOST_UNPACKED).read_to_end(&mut whole).ok()?;
        let value = codec::decode(&whole).ok()?;
        // Used now: it goes last. A folder that cannot be written only forgets earlier.
        let _ = file.set_modified(SystemTime::now());
        Some(value)
    }

    /// Keeps a result under a key, whole or not at all; where that cannot be, it is made again another time.
    pub fn keep<T: Serialize>(&self, key: &Key, value: &T) {
        let pack = || -> std::io::Result<()> {
            let whole = codec::encode(value).map_err(std::io::Error::other)?;
            let mut packed = ZlibEncoder::new(vec![0; 32], Compression::fast());
            packed.write_all(&whole)?;
            let mut bytes = packed.finish()?;
            let hash = blake3::hash(&bytes[32..]);
            bytes[..32].copy_from_slice(hash.as_bytes());
            self.make_room(bytes.len() as u64)?;
            write_whole(&self.folder.join(key.name()), &bytes)
        };
        let _ = pack();
    }

    /// Takes away what was used longest ago until some bytes fit.
    fn make_room(&self, bytes: u64) -> std::io::Result<()> {
        let mut kept: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == ENDING)
                && let Ok(about) = fs::metadata(&path)
            {
                kept.push((about.modified().unwrap_or(SystemTime::UNIX_EPOCH), about.len(), path));
            }
        }
        kept.sort();
        let mut all: u64 = bytes + kept.iter().map(|(_, size, _)| size).sum::<u64>();
        for (_, size, path) in kept {
            if all <= MOST_BYTES {
                break;
            }
            fs::remove_file(path)?;
            all -= size;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(stages: &Stages, bytes: &[u8]) -> Key {
        let mut key = stages.key("test");
        key.add(bytes).add_all([0.5, -1.0]);
        key
    }

    /// What is kept comes back under the same key and no other, is lost when a byte of it changes, and can be made again.
    #[test]
    fn results_come_back_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("stages");
        let stages = Stages::open(&folder).unwrap();
        let value: (Vec<u16>, String) = ((0..5_000).map(|n| n % 7).collect(), "said".to_owned());
        let one = key(&stages, b"one");
        assert_eq!(stages.take::<(Vec<u16>, String)>(&one), None);
        stages.keep(&one, &value);
        assert_eq!(Stages::open(&folder).unwrap().take(&one).as_ref(), Some(&value));
        assert_eq!(stages.take::<(Vec<u16>, String)>(&key(&stages, b"two")), None);
        let mut apart = stages.key("test");
        apart.add(b"on").add(b"e").add_all([0.5, -1.0]);
        assert_eq!(stages.take::<(Vec<u16>, String)>(&apart), None, "parts do not run together");

        let path = folder.join(one.name());
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(stages.take::<(Vec<u16>, String)>(&one), None);
        for short in [0, 7, 32, 40] {
            fs::write(&path, &bytes[..short]).unwrap();
            assert_eq!(stages.take::<(Vec<u16>, String)>(&one), None, "{short} bytes");
        }
        stages.keep(&one, &value);
        assert_eq!(stages.take(&one).as_ref(), Some(&value));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = || fs::metadata(&folder).unwrap().permissions().mode() & 0o077;
            assert_eq!(mode(), 0, "nobody else looks in");
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
            Stages::open(&folder).unwrap();
            assert_eq!(mode(), 0, "nor into a folder that stood open");
        }
    }

    /// What was used longest ago goes first when there is no room, and other files stay.
    #[test]
    fn the_oldest_goes_first() {
        let directory = tempfile::tempdir().unwrap();
        let stages = Stages::open(directory.path()).unwrap();
        let keys = [key(&stages, b"a"), key(&stages, b"b")];
        keys.iter().for_each(|key| stages.keep(key, &7_u32));
        fs::write(directory.path().join("mine.txt"), b"not a result").unwrap();
        let old = File::options().write(true).open(directory.path().join(keys[0].name())).unwrap();
        old.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let size = fs::metadata(directory.path().join(keys[1].name())).unwrap().len();
        stages.make_room(MOST_BYTES - size).unwrap();
        assert_eq!((stages.take::<u32>(&keys[0]), stages.take(&keys[1])), (None, Some(7_u32)));
        assert!(directory.path().join("mine.txt").exists());
    }
}
