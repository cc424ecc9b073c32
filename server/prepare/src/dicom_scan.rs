//! Finding DICOM images in files and folders, and sorting them into series.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use spinor_shared::file::read_bounded;

use crate::dicom_guard::is_dicom;
use crate::dicom_header::{FileFacts, Frame, facts};
use crate::dicom_pixels::{MAX_HEADER_BYTES, read_header};
use crate::dicom_series::{SeriesError, axes};

/// Most files looked at in one folder.
const MAX_FILES: usize = 200_000;
/// Deepest folder looked into.
const MAX_DEPTH: usize = 16;
/// Largest DICOM file that is read.
const MAX_FILE_BYTES: u64 = 2 << 30;

/// A file that could not be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, below the folder that was scanned.
    pub file: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// One plane of a group: its file and its place among that file's frames.
pub(crate) type Source = (usize, usize);

/// Images that may form one volume.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) series: String,
    pub(crate) planes: Vec<Source>,
    /// Why the series was divided, when it was.
    pub(crate) divided: Option<&'static str>,
}

/// Headers of all images found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) files: Vec<(PathBuf, FileFacts)>,
    pub(crate) groups: Vec<Group>,
    pub(crate) problems: Vec<Problem>,
    /// DICOM objects that are no images (reports, presentation states, structure sets).
    pub(crate) others: usize,
}

impl Found {
    pub(crate) fn frame(&self, (file, frame): Source) -> Option<&Frame> {
        self.files.get(file)?.1.frames.get(frame)
    }
}

/// Reads a whole file, unless it is larger than any image.
pub(crate) fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    read_up_to(path, MAX_FILE_BYTES)
}

/// Reads a whole image file, unless it is much larger than its header says.
pub(crate) fn read_image(path: &Path, facts: &FileFacts) -> std::io::Result<Vec<u8>> {
    let sample = u64::from(facts.pixels.bits_allocated).div_ceil(8).max(1);
    let numbers = [facts.rows as u64, facts.columns as u64, facts.frames.len() as u64, facts.samples.unsigned_abs(), sample];
    // Noise can be longer compressed than as it is.
    let pixels = numbers.into_iter().fold(2, u64::saturating_mul);
    read_up_to(path, MAX_HEADER_BYTES.saturating_add(pixels).min(MAX_FILE_BYTES))
}

fn read_up_to(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    read_bounded(file, length, most)
}

/// Looks at a file or at everything below a folder.
pub(crate) fn find(path: &Path) -> std::io::Result<Found> {
    let mut paths = Vec::new();
    let root = if fs::metadata(path)?.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    walk(path, 0, &mut paths)?;
    paths.sort();
    let read: Vec<(PathBuf, Looked)> = paths
        .into_par_iter()
        .map(|p| {
            let found = look(&p);
            (p, found)
        })
        .collect();
    let mut found = Found::default();
    for (path, looked) in read {
        let problem = |why: String| Problem { file: path.strip_prefix(root).unwrap_or(&path).to_path_buf(), why };
        match looked {
            Looked::Nothing => {}
            Looked::Other => found.others += 1,
            Looked::Bad(why) => found.problems.push(problem(why)),
            Looked::Image(facts) => found.files.push((path, *facts)),
        }
    }
    drop_copies(&mut found);
    found.groups = groups(&found.files);
    Ok(found)
}

enum Looked {
    Nothing,
    Other,
    Bad(String),
    Image(Box<FileFacts>),
}

fn look(path: &Path) -> Looked {
    let mut start = [0; 132];
    let is_dicom = File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && is_dicom(&start);
    if !is_dicom {
        return Looked::Nothing;
    }
    match read_header(path) {
        Err(error) => Looked::Bad(error.to_string()),
        Ok(object) => match facts(&object) {
            Ok(facts) => Looked::Image(Box::new(facts)),
            Err(SeriesError::NoPixels) => Looked::Other,
            Err(error) => Looked::Bad(error.to_string()),
        },
    }
}

/// All files below a folder, or the file that `path` is.
pub(crate) fn walk(path: &Path, depth: usize, out: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        out.push(path.to_path_buf());
        return Ok(());
    }
    if depth > MAX_DEPTH {
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if out.len() >= MAX_FILES {
            return Err(std::io::Error::other(format!("more than {MAX_FILES} files; name the series' own folder")));
        }
        if kind.is_dir() {
            walk(&entry.path(), depth + 1, out)?;
        } else if kind.is_file() || (kind.is_symlink() && fs::metadata(entry.path()).is_ok_and(|m| m.is_file())) {
            out.push(entry.path());
        }
    }
    Ok(())
}

/// The same instance in two files is one image.
fn drop_copies(found: &mut Found) {
    let mut seen = std::collections::BTreeSet::new();
    found.files.retain(|(_, facts)| facts.instance.is_empty() || seen.insert((facts.series.clone(), facts.instance.clone())));
}

fn groups(files: &[(PathBuf, FileFacts)]) -> Vec<Group> {
    let mut series: BTreeMap<&str, Vec<Source>> = BTreeMap::new();
    for (n, (_, facts)) in files.iter().enumerate() {
        series.entry(&facts.series).or_default().extend((0..facts.frames.len()).map(|frame| (n, frame)));
    }
    let mut out = Vec::new();
    for (uid, planes) in series {
        let mut parts = vec![(planes, None)];
        divide(&mut parts, "localizers", &|s| String::from(if files[s.0].1.localizer { "localizer" } else { "" }));
        parts = parts.into_iter().flat_map(|(planes, why)| by_orientation(files, planes, why)).collect();
        divide(&mut parts, "kind of image", &|s| kind(files, s));
        parts = parts.into_iter().flat_map(|(planes, why)| by_part(files, planes, why)).collect();
        out.extend(parts.into_iter().map(|(planes, divided)| Group { series: uid.to_owned(), planes, divided }));
    }
    out
}

type Part = (Vec<Source>, Option<&'static str>);

fn divide(parts: &mut Vec<Part>, why: &'static str, key: &dyn Fn(Source) -> String) {
    *parts = parts
        .drain(..)
        .flat_map(|(planes, before)| {
            let mut map: BTreeMap<String, Vec<Source>> = BTreeMap::new();
            for plane in planes {
                map.entry(key(plane)).or_default().push(plane);
            }
            let divided = if map.len() > 1 { Some(why) } else { before };
            map.into_values().map(move |planes| (planes, divided)).collect::<Vec<_>>()
        })
        .collect();
}

/// What all images of a volume have in common.
fn kind(files: &[(PathBuf, FileFacts)], (file, frame): Source) -> String {
    let facts = &files[file].1;
    let spacing = facts.frames[frame].pixel_spacing_mm.unwrap_or_default().map(|v| (v * 1e3).round());
    format!("{} {}x{} {} {} {spacing:?}", facts.modality, facts.rows, facts.columns, facts.samples, facts.photometric)
}

/// Divides planes whose orientations differ by more than a degree; smaller differences are an error of the stack.
fn by_orientation(files: &[(PathBuf, FileFacts)], planes: Vec<Source>, why: Option<&'static str>) -> Vec<Part> {
    type Axes = [[f64; 3]; 3];
    let mut clusters: Vec<(Option<Axes>, Vec<Source>)> = Vec::new();
    for plane in planes {
        let own = files[plane.0].1.frames[plane.1].orientation.and_then(|o| axes(o).ok());
        let near = |other: &Option<[[f64; 3]; 3]>| match (own, other) {
            (Some(a), Some(b)) => (0..3).all(|k| (0..3).map(|axis| a[k][axis] * b[k][axis]).sum::<f64>() > 0.999_85),
            (None, None) => true,
            _ => false,
        };
        match clusters.iter_mut().find(|(axes, _)| near(axes)) {
            Some(cluster) => cluster.1.push(plane),
            None => clusters.push((own, vec![plane])),
        }
    }
    let divided = if clusters.len() > 1 { Some("orientations") } else { why };
    clusters.into_iter().map(|(_, planes)| (planes, divided)).collect()
}

/// Divides planes that lie at the same places by what tells them apart, when that leaves every place with one image.
fn by_part(files: &[(PathBuf, FileFacts)], planes: Vec<Source>, why: Option<&'static str>) -> Vec<Part> {
    if !has_doubles(files, &planes) {
        return vec![(planes, why)];
    }
    for (n, what) in [(0, "image types"), (1, "acquisitions"), (2, "echo times"), (3, "time points")] {
        let mut parts = vec![(planes.clone(), why)];
        divide(&mut parts, what, &|(file, frame)| files[file].1.frames[frame].part[n].clone());
        let good = |part: &Part| part.0.len() >= crate::dicom_series::MIN_SLICES && !has_doubles(files, &part.0);
        if parts.len() > 1 && parts.iter().all(good) {
            return parts;
        }
    }
    vec![(planes, why)]
}

fn has_doubles(files: &[(PathBuf, FileFacts)], planes: &[Source]) -> bool {
    let mut places: Vec<[i64; 3]> = planes
        .iter()
        .filter_map(|(file, frame)| files[*file].1.frames[*frame].position_mm)
        .map(|p| p.map(|v| (v * 100.0).round() as i64))
        .collect();
    places.sort_unstable();
    places.windows(2).any(|pair| pair[0] == pair[1])
}
