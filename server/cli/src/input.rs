//! What several commands read.

use std::fs::File;
use std::path::Path;

use anyhow::Context;
use spinor_shared::file::{MAX_CASE_BYTES, read_bounded};

/// A whole file of at most `most` bytes.
pub(crate) fn file(path: &Path, most: u64) -> anyhow::Result<Vec<u8>> {
    let read = || {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        read_bounded(file, length, most)
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

/// The bytes of a case file, which is refused where no case is so long.
pub(crate) fn case(path: &Path) -> anyhow::Result<Vec<u8>> {
    file(path, MAX_CASE_BYTES)
}
