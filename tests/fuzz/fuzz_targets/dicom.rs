//! Any bytes as a DICOM file: pixels or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = spinor_prepare::ingest::probe_dicom(bytes);
});
