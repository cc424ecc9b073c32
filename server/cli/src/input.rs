//! What several commands read.

use std::fs::File;
use std::io::{BufReader, Read, Seek, Take};
use std::path::{Path, PathBuf};

use anyhow::Context;
use spinor_shared::case::{self, CaseError, Section};
use spinor_shared::file::{MAX_CASE_BYTES, read_bounded};
use spinor_shared::session::{MAX_FRAME, SessionError};

/// Bytes of a case file before its table, and of each row of the table (see `spinor_shared::case`).
const HEAD: usize = 16;
const ROW: usize = 48;
/// Kinds of sections, in the order of a file.
const SECTIONS: [Section; 4] = [Section::Meta, Section::Patient, Section::Ct, Section::Mr];
/// Length from which on a case is proved before memory is taken for it. No case of one spine is so long.
const PROVED: u64 = 256 << 20;
/// Where the first frame of a recording begins, and from which length on one is proved.
const FIRST_FRAME: u64 = 12;
const LONG_FRAME: u32 = 64 << 20;

/// A whole file of at most `most` bytes.
pub(crate) fn file(path: &Path, most: u64) -> anyhow::Result<Vec<u8>> {
    let read = || {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        read_bounded(file, length, most)
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

/// The bytes of a case file. It is refused before memory is taken for it where no case is so long, where it is not as long as its table says,
/// and, if it is longer than cases are, where its sections are not what the table promises.
pub(crate) fn case(path: &Path) -> anyhow::Result<Vec<u8>> {
    prove(path).with_context(|| format!("cannot read {}", path.display()))?;
    file(path, MAX_CASE_BYTES)
}

fn prove(path: &Path) -> anyhow::Result<()> {
    let mut input = BufReader::with_capacity(1 << 16, File::open(path)?);
    let about = input.get_ref().metadata()?;
    if !about.is_file() {
        return Ok(());
    }
    let mut head = vec![0; HEAD];
    input.by_ref().read_exact(&mut head).map_err(|_| CaseError::NotACase)?;
    let count = usize::from(u16::from_le_bytes([head[10], head[11]]));
    if !head.starts_with(&case::MAGIC) || head[8..10] != case::VERSION.to_le_bytes() || count > SECTIONS.len() {
        // The format's own words for what is no case.
        return Ok(case::read_table(&head).map(|_| ())?);
    }
    let mut table = vec![0; ROW * count];
    input.read_exact(&mut table).map_err(|_| CaseError::Truncated("table of sections"))?;
    let mut left = about.len().saturating_sub((HEAD + table.len()) as u64);
    let rows = || {
        table.chunks_exact(ROW).map(|row| {
            let kind = u16::from_le_bytes([row[0], row[1]]);
            let name = SECTIONS.iter().find(|s| **s as u16 == kind).map_or("section of unknown kind", |s| s.name());
            let length = row[8..16].iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
            (name, length, &row[16..])
        })
    };
    for (name, length, _) in rows() {
        left = left.checked_sub(length).ok_or(CaseError::Truncated(name))?;
    }
    if left > 0 {
        return Err(CaseError::Trailing("last section").into());
    }
    if about.len() > PROVED && about.len() <= MAX_CASE_BYTES {
        for (name, length, hash) in rows() {
            let mut hasher = blake3::Hasher::new();
            std::io::copy(&mut input.by_ref().take(length), &mut hasher)?;
            if hasher.finalize().as_bytes() != hash {
                return Err(CaseError::HashMismatch(name).into());
            }
        }
    }
    Ok(())
}

/// A recording to read, without what a torn end claims to be.
pub(crate) type Recording = BufReader<Take<File>>;

/// Opens a recording. In one that is longer than cases are, a record as long as that is proved before a reader takes memory for it.
pub(crate) fn recording(path: &Path) -> anyhow::Result<Recording> {
    let open = || -> anyhow::Result<Recording> {
        let mut file = File::open(path)?;
        let about = file.metadata()?;
        let mut end = u64::MAX;
        if about.is_file() && about.len() > PROVED {
            end = readable(&file, about.len())?;
            file.rewind()?;
        }
        Ok(BufReader::with_capacity(1 << 20, file.take(end)))
    };
    open().with_context(|| format!("cannot open {}", path.display()))
}

/// How much of a recording of `length` bytes a reader may see: all, or up to within the head of a long last record that is torn. Frames are
/// a length, a sum and as many bytes (see `spinor_shared::session`).
fn readable(file: &File, length: u64) -> anyhow::Result<u64> {
    let mut input = BufReader::with_capacity(1 << 16, file);
    let mut at = FIRST_FRAME;
    input.seek_relative(at as i64)?;
    while at + 8 <= length {
        let mut head = [0; 8];
        input.read_exact(&mut head)?;
        let [frame, sum] = [0, 4].map(|k| u32::from_le_bytes([head[k], head[k + 1], head[k + 2], head[k + 3]]));
        // The reader knows what to say of these before it takes memory.
        if frame > MAX_FRAME || (frame, sum) == (0, 0) {
            break;
        }
        let end = at + 8 + u64::from(frame);
        if frame < LONG_FRAME {
            input.seek_relative(i64::from(frame))?;
        } else if end > length || crc(&mut input, frame)? != sum {
            if end < length {
                return Err(SessionError::Damaged { at, reason: "its checksum is wrong".to_owned() }.into());
            }
            return Ok(at + 4);
        }
        at = end;
    }
    Ok(u64::MAX)
}

fn crc(input: &mut impl Read, length: u32) -> std::io::Result<u32> {
    let mut hasher = crc32fast::Hasher::new();
    let mut left = u64::from(length);
    let mut piece = vec![0; 1 << 16];
    while left > 0 {
        let n = left.min(piece.len() as u64) as usize;
        input.read_exact(&mut piece[..n])?;
        hasher.update(&piece[..n]);
        left -= n as u64;
    }
    Ok(hasher.finalize())
}

/// The files that lie in some folders; of a path that is no folder, the path itself.
pub(crate) fn below(folders: &[PathBuf]) -> Vec<PathBuf> {
    let files = |folder: &PathBuf| match std::fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => vec![folder.clone()],
    };
    folders.iter().flat_map(files).collect()
}
