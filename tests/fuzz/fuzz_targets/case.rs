//! Any bytes as a case file, and as the content of each section: a case or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../entries/case.rs"]
mod entry;

fuzz_target!(|bytes: &[u8]| entry::run(bytes));
