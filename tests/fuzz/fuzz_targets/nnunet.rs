//! Any bytes as the JSON files of an nnU-Net export: a plan or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../entries/nnunet.rs"]
mod entry;

fuzz_target!(|bytes: &[u8]| entry::run(bytes));
