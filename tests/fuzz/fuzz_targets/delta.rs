//! Any bytes as what a server sends about cuts: brick deltas, snapshots, causes. What decodes is applied, as a mirror would.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../entries/delta.rs"]
mod entry;

fuzz_target!(|bytes: &[u8]| entry::run(bytes));
