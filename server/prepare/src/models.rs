//! The registry of models that preparation can use: a folder with one folder a model.
//!
//! It lies in `$SPINOR_MODELS`, or in the user's data folder (`$XDG_DATA_HOME` or `~/.local/share`, below it `spinor/models`).
//! A model that nnU-Net trained is converted once, by `scripts/export_nnunet.py` (which needs torch and nnunetv2); afterwards
//! only ONNX Runtime is needed.

use crate::segment::{Modality, Model, ModelFolder, SegmentError};
use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// The conversion of a trained nnU-Net, carried along so that an installed `spinor` has it.
const EXPORT_SCRIPT: &str = include_str!("../../../scripts/export_nnunet.py");

/// Why the registry cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// No folder is known.
    #[error("there is no place for models: neither SPINOR_MODELS, XDG_DATA_HOME nor HOME is set; set SPINOR_MODELS to a folder")]
    NoFolder,
    /// Reading or writing failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// A name that is no plain folder name.
    #[error(
        "{name:?} cannot name a model: use 1-64 letters, digits, '-', '_' and '.', not starting with '.'; --name gives another one"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The name is taken.
    #[error("there is already a model {name:?} in {}; choose another --name, or remove that folder first", registry.display())]
    Taken {
        /// The name.
        name: String,
        /// The registry.
        registry: PathBuf,
    },
    /// Neither an exported nor a trained model.
    #[error(
        "{} is neither an exported model (plans.json, dataset.json, model.onnx) nor a trained nnU-Net \
         (plans.json, dataset.json, fold_0/checkpoint_final.pth); give the folder named like nnUNetTrainer__nnUNetPlans__3d_fullres",
        path.display()
    )]
    NoModel {
        /// The folder.
        path: PathBuf,
    },
    /// The conversion did not work.
    #[error(
        "converting {} failed: {message}; it needs Python with torch and nnunetv2 (`python3 -m pip install torch nnunetv2 onnx`), \
         SPINOR_PYTHON names another Python",
        path.display()
    )]
    Export {
        /// The trained model's folder.
        path: PathBuf,
        /// The last lines the script printed.
        message: String,
    },
    /// The conversion worked, and what came of it cannot be run.
    #[error("{} was converted, but the result cannot be run: {message}", path.display())]
    Converted {
        /// The trained model's folder.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The model cannot be run.
    #[error(transparent)]
    Segment(#[from] SegmentError),
}

/// A folder of the registry: what it holds, or why it cannot be used.
pub struct Entry {
    /// The model's name.
    pub name: String,
    /// What stands in it.
    pub folder: Result<ModelFolder, SegmentError>,
}

/// The folder that holds the models; it may not exist yet.
///
/// # Errors
/// When none of the environment variables is set.
pub fn registry() -> Result<PathBuf, ModelsError> {
    let set = |name| env::var_os(name).filter(|v: &OsString| !v.is_empty()).map(PathBuf::from);
    if let Some(folder) = set("SPINOR_MODELS") {
        return Ok(folder);
    }
    let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local").join("share")));
    data.map(|data| data.join("spinor").join("models")).ok_or(ModelsError::NoFolder)
}

/// All models in a registry by name, usable or not; none when the folder does not exist.
///
/// # Errors
/// When the folder cannot be read.
pub fn list(registry: &Path) -> Result<Vec<Entry>, ModelsError> {
    let entries = match fs::read_dir(registry) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(ModelsError::Io { path: registry.to_owned(), source }),
    };
    let mut out = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| ModelsError::Io { path: registry.to_owned(), source })?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && entry.path().is_dir() {
            out.push(Entry { name, folder: ModelFolder::open(&entry.path()) });
        }
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(out)
}

/// Whether preparation can use a model by itself: one image in, structures of the spine with their level out.
pub fn serves(folder: &ModelFolder, modality: Modality) -> bool {
    folder.modality() == modality
        && folder.dataset.channels.len() == 1
        && (!folder.labels().is_empty() || folder.parts().is_some())
}

/// The model of a registry that serves a kind of image and knows most structures; the first by name among equals.
///
/// # Errors
/// When the registry cannot be read. Models that cannot be used are passed over.
pub fn best_for(registry: &Path, modality: Modality) -> Result<Option<ModelFolder>, ModelsError> {
    let usable = list(registry)?.into_iter().filter_map(|entry| entry.folder.ok()).filter(|folder| serves(folder, modality));
    let mut best: Option<ModelFolder> = None;
    for folder in usable {
        if best.as_ref().is_none_or(|b| folder.labels().len() > b.labels().len()) {
            best = Some(folder);
        }
    }
    Ok(best)
}

/// Adds a model: an exported folder is checked and copied, a trained nnU-Net folder is converted first.
///
/// The conversion reads PyTorch checkpoints, which can hold code: add only what you trust. Nothing stays behind on failure.
///
/// # Errors
/// When the source is no model, the conversion fails, the model cannot be run faithfully, or the name is bad or taken.
pub fn add(registry: &Path, source: &Path, name: Option<&str>) -> Result<ModelFolder, ModelsError> {
    let name = match name {
        Some(name) => name.to_owned(),
        None => default_name(source),
    };
    check_name(&name)?;
    let target = registry.join(&name);
    if target.exists() {
        return Err(ModelsError::Taken { name, registry: registry.to_owned() });
    }
    let exported = is_exported(source);
    if exported {
        // Where it lies, so that what is wrong with it is said of its own files.
        Model::load(source, 1)?;
    }
    fs::create_dir_all(registry).map_err(|e| ModelsError::Io { path: registry.to_owned(), source: e })?;
    let work = registry.join(format!(".adding-{}-{name}", std::process::id()));
    let filled = fill(&work, source).and_then(|()| {
        if exported {
            ModelFolder::open(&work)?;
        } else {
            Model::load(&work, 1).map_err(|error| ModelsError::Converted {
                path: source.to_owned(),
                message: without(&work, &error.to_string()),
            })?;
        }
        fs::rename(&work, &target).map_err(|e| ModelsError::Io { path: target.clone(), source: e })
    });
    if let Err(error) = filled {
        // The reason for the failure matters more than what is left of the attempt.
        let _ = fs::remove_dir_all(&work);
        return Err(error);
    }
    Ok(ModelFolder::open(&target)?)
}

/// Words without the path of a folder that will not be there when they are read.
fn without(work: &Path, words: &str) -> String {
    words.replace(&format!("{}/", work.display()), "").replace(&work.display().to_string(), "the converted model")
}

fn is_exported(source: &Path) -> bool {
    ["model.onnx", "model_fold0.onnx"].iter().any(|name| source.join(name).is_file())
}

/// Puts a model's files into a new folder.
fn fill(work: &Path, source: &Path) -> Result<(), ModelsError> {
    fs::create_dir(work).map_err(|e| ModelsError::Io { path: work.to_owned(), source: e })?;
    if is_exported(source) {
        return copy(source, work);
    }
    let trained = trained_in(source).ok_or_else(|| ModelsError::NoModel { path: source.to_owned() })?;
    export(&trained, work)
}

/// Copies what belongs to a model, and its card or licence.
fn copy(source: &Path, work: &Path) -> Result<(), ModelsError> {
    let wrong = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| ModelsError::Io { path, source }
    };
    for entry in fs::read_dir(source).map_err(wrong(source))? {
        let path = entry.map_err(wrong(source))?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        let wanted = matches!(name, "plans.json" | "dataset.json" | "mirroring.json" | "spinor.json")
            || (name.starts_with("model") && name.contains(".onnx"))
            || name.ends_with(".md")
            || name.starts_with("LICENSE");
        if wanted && path.is_file() {
            let to = work.join(name);
            let copied = fs::copy(&path, &to).and_then(|_| fs::OpenOptions::new().append(true).open(&to)?.sync_all());
            copied.map_err(wrong(&path))?;
        }
    }
    Ok(())
}

/// The folder with the folds: the given one, or the only one below it that has some.
fn trained_in(source: &Path) -> Option<PathBuf> {
    let has_fold = |folder: &Path| {
        let folds = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let is_fold = |p: &Path| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("fold_"));
        folds.filter(|p| is_fold(p)).any(|p| p.join("checkpoint_final.pth").is_file())
    };
    if has_fold(source) {
        return Some(source.to_owned());
    }
    let below: Vec<PathBuf> = fs::read_dir(source).ok()?.flatten().map(|e| e.path()).filter(|p| has_fold(p)).collect();
    if let [one] = below.as_slice() { Some(one.clone()) } else { None }
}

/// Runs the conversion script.
fn export(trained: &Path, work: &Path) -> Result<(), ModelsError> {
    let script = work.join(".export_nnunet.py");
    fs::write(&script, EXPORT_SCRIPT).map_err(|source| ModelsError::Io { path: script.clone(), source })?;
    let python = env::var_os("SPINOR_PYTHON").filter(|v| !v.is_empty()).unwrap_or_else(|| "python3".into());
    let failed = |message: String| ModelsError::Export { path: trained.to_owned(), message };
    let output = Command::new(&python).arg(&script).arg(trained).arg(work).output();
    let output = output.map_err(|e| failed(format!("{} does not start: {e}", python.to_string_lossy())))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        return Err(failed(without(work, &lines[lines.len().saturating_sub(4)..].join("; "))));
    }
    fs::remove_file(&script).map_err(|source| ModelsError::Io { path: script, source })
}

/// The dataset's folder name where nnU-Net's layout shows one, else the folder's own.
fn default_name(source: &Path) -> String {
    let full = source.canonicalize().unwrap_or_else(|_| source.to_owned());
    let parts = full.ancestors().take(2).filter_map(|p| p.file_name()?.to_str().map(str::to_owned));
    let parts: Vec<String> = parts.collect();
    let dataset = parts.iter().find(|p| p.starts_with("Dataset"));
    dataset.or(parts.first()).cloned().unwrap_or_default()
}

fn check_name(name: &str) -> Result<(), ModelsError> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if plain && (1..=64).contains(&name.len()) && !name.starts_with('.') {
        Ok(())
    } else {
        Err(ModelsError::Name { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    //! Models are added once and found again; what is no model, or cannot be run, is refused and leaves nothing behind.

    use super::*;

    /// The toy model, or none (with a line that says why) where data or ONNX Runtime are missing.
    fn toy(test: &str) -> Option<PathBuf> {
        crate::test_data::folder_for_models(test, "nnunet_reference/Dataset500_toyct")
    }

    #[test]
    fn models_are_added_and_found() {
        let Some(source) = toy("models_are_added_and_found") else { return };
        let folder = tempfile::tempdir().expect("a folder");
        let registry = folder.path().join("models");
        assert!(list(&registry).expect("an empty list").is_empty());
        let added = add(&registry, &source, None).expect("it is added");
        assert_eq!(added.path, registry.join("Dataset500_toyct"));
        assert!(matches!(add(&registry, &source, None), Err(ModelsError::Taken { .. })));
        add(&registry, &source, Some("second")).expect("it is added again");
        fs::write(registry.join("second").join("plans.json"), b"{}").expect("written");
        let entries = list(&registry).expect("a list");
        assert_eq!(entries.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["Dataset500_toyct", "second"]);
        assert!(entries[0].folder.is_ok() && entries[1].folder.is_err());
        let best = best_for(&registry, Modality::Ct).expect("a registry").expect("a model");
        assert_eq!(best.path, added.path);
        assert_eq!(best_for(&registry, Modality::Mr).expect("a registry"), None);
    }

    #[test]
    fn what_is_no_model_is_refused_and_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let (registry, source) = (folder.path().join("models"), folder.path().join("source"));
        fs::create_dir(&source).expect("made");
        assert!(matches!(add(&registry, &source, None), Err(ModelsError::NoModel { .. })));
        for name in ["../out", "", ".hidden", "a/b", "ü"] {
            assert!(matches!(add(&registry, &source, Some(name)), Err(ModelsError::Name { .. })), "{name}");
        }
        fs::write(source.join("model.onnx"), b"none").expect("written");
        let refused = add(&registry, &source, None).map(|_| ()).expect_err("it is no network");
        assert!(matches!(refused, ModelsError::Segment(_)));
        // It names what the user has, not a folder that is gone by then.
        let words = refused.to_string();
        assert!(words.contains(&source.display().to_string()) && !words.contains(".adding"), "{words}");
        assert_eq!(fs::read_dir(&registry).map_or(0, Iterator::count), 0);
        let work = registry.join(".adding-7-x");
        assert_eq!(
            without(&work, &format!("{}: bad; see {}", work.join("plans.json").display(), work.display())),
            "plans.json: bad; see the converted model"
        );
    }

    #[test]
    fn trained_folders_are_recognised() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(trained_in(folder.path()), None);
        let trained = folder.path().join("Dataset7_x").join("nnUNetTrainer__nnUNetPlans__3d_fullres");
        fs::create_dir_all(trained.join("fold_0")).expect("made");
        fs::write(trained.join("fold_0").join("checkpoint_final.pth"), b"").expect("written");
        assert_eq!(trained_in(&trained), Some(trained.clone()));
        assert_eq!(trained_in(&folder.path().join("Dataset7_x")), Some(trained.clone()));
        assert_eq!(default_name(&trained), "Dataset7_x");
    }
}
