//! Files that commands write: never over what they are made from, and whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Error, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::dicom_guard::is_dicom;
use crate::dicom_scan::walk;

/// An output that would take the place of a file that is read.
#[derive(Debug, Error)]
#[error("{out} would be written over {input}, which is needed: give the output another name")]
pub struct OverInput {
    /// What was to be written.
    pub out: PathBuf,
    /// The file that lies there, as the command was given it or as it was found below a folder.
    pub input: PathBuf,
}

/// Refuses an output that is one of the inputs, by whatever name or link, or a DICOM file below one of them that is a folder.
///
/// # Errors
/// Which input lies there.
pub fn spare(out: &Path, inputs: &[&Path]) -> Result<(), OverInput> {
    let refused = |input: PathBuf| Err(OverInput { out: out.to_owned(), input });
    if let Some(input) = inputs.iter().find(|input| is_same(out, input)) {
        return refused(input.to_path_buf());
    }
    let mut start = [0; 132];
    let is_image =
        fs::metadata(out).is_ok_and(|m| m.is_file()) && File::open(out).and_then(|mut f| f.read_exact(&mut start)).is_ok();
    if !is_image || !is_dicom(&start) {
        return Ok(());
    }
    for folder in inputs.iter().filter(|input| input.is_dir()) {
        let mut files = Vec::new();
        // A folder that cannot be looked through is told by whoever reads it.
        let _ = walk(folder, 0, &mut files);
        if let Some(file) = files.into_iter().find(|file| is_same(out, file)) {
            return refused(file);
        }
    }
    Ok(())
}

/// Whether two paths lead to one file, or would.
fn is_same(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    if let (Ok(a), Ok(b)) = (fs::metadata(a), fs::metadata(b)) {
        use std::os::unix::fs::MetadataExt;
        return (a.dev(), a.ino()) == (b.dev(), b.ino());
    }
    place(a).zip(place(b)).is_some_and(|(a, b)| a == b)
}

/// The full path of a file that may not exist yet, in a folder that does.
fn place(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().or_else(|| Some(folder_of(path).canonicalize().ok()?.join(path.file_name()?)))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a file can be written here, asked before the work that it will hold; nothing is left behind.
///
/// # Errors
/// As [`write_with`], of all that can be known now.
pub fn can_write(path: &Path) -> std::io::Result<()> {
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    refuse_target(&target)?;
    match fs::metadata(&target) {
        Ok(about) if !about.is_file() => Ok(()),
        _ => draft_beside(&target).map(|_| ()),
    }
}

/// Writes a file, whole or not at all.
///
/// # Errors
/// See [`write_with`].
pub fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    write_with(path, |out| out.write_all(bytes))
}

/// Writes a file by `fill`, whole or not at all: into a draft in the same folder, which is brought onto the disk and takes the file's
/// place at the end. An earlier file stays until then, and for good when something fails; its mode, and where possible its owner, go
/// over to the new one. Symbolic links are followed. What is no file (a terminal, a pipe) is written into.
///
/// # Errors
/// What `fill` says, or which step the operating system refused. Nothing is left of the draft then.
pub fn write_with<E: From<Error>>(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<(), E>) -> Result<(), E> {
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    refuse_target(&target)?;
    let before = fs::metadata(&target).ok();
    if before.as_ref().is_some_and(|before| !before.is_file()) {
        let mut out = BufWriter::new(OpenOptions::new().write(true).open(&target)?);
        fill(&mut out)?;
        return Ok(out.flush()?);
    }
    let draft = draft_beside(&target)?;
    let mut out = BufWriter::with_capacity(1 << 18, draft);
    fill(&mut out)?;
    let draft = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    if let Some(before) = before {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            // Only root can give a file away, and for everybody else it is their own already.
            let _ = std::os::unix::fs::fchown(draft.as_file(), Some(before.uid()), Some(before.gid()));
        }
        draft.as_file().set_permissions(before.permissions())?;
    }
    draft.as_file().sync_all()?;
    draft
        .persist(&target)
        .map_err(|failed| Error::new(failed.error.kind(), format!("what was written cannot take its place: {}", failed.error)))?;
    Ok(())
}

/// Refuses a folder, and a file that may not be written.
fn refuse_target(target: &Path) -> std::io::Result<()> {
    match fs::metadata(target) {
        Ok(about) if about.is_dir() => Err(Error::new(ErrorKind::IsADirectory, "it is a folder")),
        Ok(about) if about.is_file() && about.permissions().readonly() => {
            Err(Error::new(ErrorKind::PermissionDenied, "it is read-only"))
        }
        _ => Ok(()),
    }
}

/// An empty draft in the folder of a file; gone when it is dropped.
fn draft_beside(target: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let folder = folder_of(target);
    let mut draft = tempfile::Builder::new();
    draft.prefix(".spinor-").suffix(".part");
    #[cfg(unix)]
    draft.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    draft.tempfile_in(folder).map_err(|error| {
        // The draft's own name would only confuse.
        let why =
            if error.kind() == ErrorKind::NotFound { "there is no such folder".to_owned() } else { error.kind().to_string() };
        Error::new(error.kind(), format!("no file can be made in {}: {why}", folder.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A disk that is full in the middle of the new file leaves the old one as it was, and no draft.
    #[test]
    fn a_failed_write_keeps_the_file_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("case.spinor");
        write_whole(&path, b"an hour of work").unwrap();
        let failed = write_with(&path, |out| {
            out.write_all(&vec![7; 1 << 20])?;
            Err(Error::from(ErrorKind::StorageFull))
        });
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).unwrap(), b"an hour of work");
        assert_eq!(names(folder.path()), ["case.spinor"]);
        write_whole(&path, b"another").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"another");
        assert_eq!(names(folder.path()), ["case.spinor"]);
    }

    /// Hours of work are not begun for a file that cannot be written, and asking leaves nothing behind.
    #[test]
    fn what_cannot_be_written_is_told_beforehand() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("case.spinor");
        can_write(&path).unwrap();
        assert!(names(folder.path()).is_empty());
        assert_eq!(can_write(folder.path()).unwrap_err().kind(), ErrorKind::IsADirectory);
        let nowhere = can_write(&folder.path().join("nowhere/case.spinor")).unwrap_err();
        assert!(nowhere.to_string().contains("there is no such folder"), "{nowhere}");
        write_whole(&path, b"case").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        assert_eq!(can_write(&path).unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(fs::read(&path).unwrap(), b"case");
    }

    /// While the new file is being written, whoever opens the path finds the old one.
    #[test]
    fn nobody_sees_half_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.nii");
        write_whole(&path, b"before").unwrap();
        write_with(&path, |out| {
            out.write_all(&vec![1; 1 << 20])?;
            out.flush()?;
            assert_eq!(fs::read(&path)?, b"before");
            Ok::<(), Error>(())
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap().len(), 1 << 20);
    }

    /// A new file has the mode that any new file gets, one that was there keeps its own, and a read-only one is left alone.
    #[test]
    fn modes_are_those_that_a_file_has() {
        let folder = tempfile::tempdir().unwrap();
        let (usual, path) = (folder.path().join("usual"), folder.path().join("case.spinor"));
        fs::write(&usual, b"").unwrap();
        write_whole(&path, b"1").unwrap();
        assert_eq!(mode(&path), mode(&usual));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write_whole(&path, b"2").unwrap();
        assert_eq!((mode(&path), fs::read(&path).unwrap()), (0o640, b"2".to_vec()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
        assert_eq!(write_whole(&path, b"3").unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(fs::read(&path).unwrap(), b"2");
    }

    /// A link stays a link, to the new content; a folder and a missing folder are named as what they are, without the draft's name.
    #[test]
    fn links_are_followed_and_folders_named() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, b"1").unwrap();
        symlink(&real, &link).unwrap();
        write_whole(&link, b"2").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"2");
        assert_eq!(write_whole(folder.path(), b"3").unwrap_err().to_string(), "it is a folder");
        let nowhere = folder.path().join("nowhere").join("case.spinor");
        let words = write_whole(&nowhere, b"3").unwrap_err().to_string();
        assert!(words.contains("nowhere: there is no such folder") && !words.contains(".part"), "{words}");
        write_whole(Path::new("/dev/null"), b"4").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    /// An output that is an input is refused, whether by its name, another spelling of it, a symbolic or a hard link, or an image of a
    /// folder that is read; both are named. A new file, or one beside the images, is not.
    #[test]
    fn an_input_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (input, study) = (at("ct.nii.gz"), at("study"));
        fs::write(&input, b"image").unwrap();
        fs::create_dir_all(study.join("a")).unwrap();
        let mut image = vec![0; 128];
        image.extend_from_slice(b"DICM");
        fs::write(study.join("a").join("1.dcm"), &image).unwrap();
        fs::write(study.join("notes.txt"), b"x").unwrap();
        symlink(&input, at("link")).unwrap();
        fs::hard_link(&input, at("hard")).unwrap();
        fs::hard_link(study.join("a").join("1.dcm"), at("slice")).unwrap();
        let inputs = [study.as_path(), input.as_path()];
        for out in ["ct.nii.gz", "study/../ct.nii.gz", "link", "hard"] {
            let refused = spare(&at(out), &inputs).unwrap_err();
            assert_eq!((&refused.out, &refused.input), (&at(out), &input));
            let words = refused.to_string();
            assert!(words.contains(&*at(out).to_string_lossy()) && words.contains(&*input.to_string_lossy()), "{words}");
        }
        for out in ["study/a/1.dcm", "slice"] {
            assert_eq!(spare(&at(out), &inputs).unwrap_err().input, study.join("a").join("1.dcm"));
        }
        for out in ["new.nii.gz", "study/new.dcm", "study/notes.txt", "nowhere/ct.nii.gz"] {
            spare(&at(out), &inputs).unwrap();
        }
        // Two outputs that do not exist yet are one as well.
        assert!(spare(&at("study/../new"), &[&at("new")]).is_err());
    }
}
