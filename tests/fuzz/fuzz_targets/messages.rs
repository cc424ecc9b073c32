//! Any bytes as a control message, a hello, an answer, an invitation's token or link. Needs the network's types.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../entries/messages.rs"]
mod entry;

fuzz_target!(|bytes: &[u8]| entry::run(bytes));
