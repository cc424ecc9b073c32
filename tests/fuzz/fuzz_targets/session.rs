//! Any bytes as a recording: records, a replay, a keyframe, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../entries/session.rs"]
mod entry;

fuzz_target!(|bytes: &[u8]| entry::run(bytes));
