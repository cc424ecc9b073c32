//! Where this crate's tests find the shared test data.

use std::path::{Path, PathBuf};

/// A folder of the shared test data: in `SPINOR_DATA`, else in `shared/data` beside the checkout. None where it is missing, with the line
/// that says that the test is skipped.
pub(crate) fn folder(test: &str, part: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("SPINOR_DATA").map_or_else(beside, PathBuf::from).join(part);
    if !folder.is_dir() {
        println!("skipped: {test}: SPINOR_DATA not found");
        return None;
    }
    Some(folder)
}

/// As [`folder`], for a test that runs models: none, and the line says why, where ONNX Runtime is missing too.
pub(crate) fn folder_for_models(test: &str, part: &str) -> Option<PathBuf> {
    let folder = folder(test, part)?;
    match crate::runtime::library() {
        Ok(_) => Some(folder),
        Err(error) => {
            println!("skipped: {test}: {error}");
            None
        }
    }
}
