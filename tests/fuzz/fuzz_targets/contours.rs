//! Any bytes as a DICOM RTSTRUCT or SEG: structures on a lattice or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../entries/contours.rs"]
mod entry;

fuzz_target!(|bytes: &[u8]| {
    entry::run(bytes);
});
