//! ONNX Runtime: where its shared library lies, and the one environment of the process.
//!
//! Spinor does not link the library, it loads it when a network is first run. It looks at the environment variable
//! `ORT_DYLIB_PATH`, then in the user's cache (`$XDG_CACHE_HOME` or `~/.cache`, below it `spinor/onnxruntime`), where
//! `scripts/fetch-onnxruntime.sh` puts it.

use ort::environment::Environment;
use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Mutex,
};

/// Why ONNX Runtime is not there.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// Nothing was found.
    #[error(
        "ONNX Runtime is not installed: there is no libonnxruntime.so in {}; `./run` or `scripts/fetch-onnxruntime.sh` fetches it, \
         or set ORT_DYLIB_PATH to the shared library of ONNX Runtime 1.24 or newer",
        folder.display()
    )]
    Missing {
        /// The folder that was searched.
        folder: PathBuf,
    },
    /// Neither a cache folder nor the variable is known.
    #[error(
        "ONNX Runtime cannot be looked for: neither ORT_DYLIB_PATH, XDG_CACHE_HOME nor HOME is set; set ORT_DYLIB_PATH to libonnxruntime.so"
    )]
    NoFolder,
    /// The variable names no file.
    #[error("ORT_DYLIB_PATH names {}, which is not a file; set it to libonnxruntime.so of ONNX Runtime 1.24 or newer", path.display())]
    NotAFile {
        /// What the variable says.
        path: PathBuf,
    },
    /// The file was found and is no usable ONNX Runtime.
    #[error("{} cannot be loaded as ONNX Runtime: {message}; `scripts/fetch-onnxruntime.sh` fetches one that works", path.display())]
    Load {
        /// The library.
        path: PathBuf,
        /// What the loader said.
        message: String,
    },
}

/// Where the user's copy of the library lies: `spinor/onnxruntime` in the cache folder.
///
/// # Errors
/// When neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn cache_folder() -> Result<PathBuf, RuntimeError> {
    user_cache().map(|cache| cache.join("onnxruntime")).ok_or(RuntimeError::NoFolder)
}

/// Spinor's part of the user's cache folder; none when neither `XDG_CACHE_HOME` nor `HOME` is set.
pub(crate) fn user_cache() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|v: &OsString| !v.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    cache.map(|cache| cache.join("spinor"))
}

/// The library that [`environment`] would load.
///
/// # Errors
/// When there is none; the message says what to do.
pub fn library() -> Result<PathBuf, RuntimeError> {
    if let Some(path) = env::var_os("ORT_DYLIB_PATH").filter(|v| !v.is_empty()).map(PathBuf::from) {
        return if path.is_file() { Ok(path) } else { Err(RuntimeError::NotAFile { path }) };
    }
    let folder = cache_folder()?;
    newest_in(&folder).ok_or(RuntimeError::Missing { folder })
}

/// The process's ONNX Runtime environment; the first call loads the library. Nothing is ever sent anywhere.
///
/// # Errors
/// When the library is missing or does not load.
pub fn environment() -> Result<Environment, RuntimeError> {
    static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);
    let mut slot = ENVIRONMENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(environment) = slot.as_ref() {
        return Ok(environment.clone());
    }
    let path = library()?;
    let load = |message: String| RuntimeError::Load { path: path.clone(), message };
    let builder = ort::init_from(&path).map_err(|e| load(e.to_string()))?;
    let environment = builder.with_name("spinor").with_telemetry(false).build().map_err(|e| load(e.to_string()))?;
    environment.set_log_level(ort::logging::LogLevel::Error);
    Ok(slot.insert(environment).clone())
}

/// The library with the highest version in `folder`.
fn newest_in(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file());
    files.filter_map(|path| Some((version(path.file_name()?.to_str()?)?, path))).max().map(|(_, path)| path)
}

/// Version of a library's name; empty for a bare name, none for other files.
fn version(name: &str) -> Option<Vec<u64>> {
    let middle = name.strip_prefix("libonnxruntime")?;
    let digits = match middle.strip_prefix(".so") {
        Some(rest) => rest,
        None => middle.strip_suffix(".dylib")?,
    };
    let Some(digits) = digits.strip_prefix('.') else { return digits.is_empty().then(Vec::new) };
    digits.split('.').map(|d| d.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    //! The newest library is taken, other files are not, and every error says what to do.

    use super::*;

    #[test]
    fn the_newest_library_is_found_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(newest_in(folder.path()), None);
        for name in [
            "libonnxruntime_providers_shared.so",
            "libonnxruntime.so.txt",
            "notes",
            "libonnxruntime.so.1.9.2",
            "libonnxruntime.so.1.31.1",
        ] {
            std::fs::write(folder.path().join(name), b"").expect("written");
        }
        assert_eq!(newest_in(folder.path()), Some(folder.path().join("libonnxruntime.so.1.31.1")));
        assert_eq!(version("libonnxruntime.so"), Some(vec![]));
        assert_eq!(version("libonnxruntime.1.31.1.dylib"), Some(vec![1, 31, 1]));
    }

    #[test]
    fn a_missing_library_is_explained() {
        let text = RuntimeError::Missing { folder: PathBuf::from("cache") }.to_string();
        assert!(text.contains("./run") && text.contains("ORT_DYLIB_PATH") && text.contains("cache"), "{text}");
    }
}
