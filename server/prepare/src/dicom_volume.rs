//! The volume of one group of images: planned, decoded, resampled where the gantry was tilted.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::dicom_pixels::decode;
use crate::dicom_scan::{Found, Group, Problem, Source, read_image};
use crate::dicom_series::{Plan, SeriesError, axes, plan};
use crate::ingest::{Modality, SeriesSummary, Volume};
use crate::volume3d::Image;

/// HU where a CT has no pixel: air, as outside the scanner's field of view.
pub(crate) const AIR_HU: f32 = -1024.0;
/// Files decoded at a time, so that only their pixels are held twice.
const FILES_AT_A_TIME: usize = 32;

pub(crate) struct Built {
    pub(crate) volume: Volume,
    pub(crate) warnings: Vec<String>,
    pub(crate) doubts: Vec<String>,
}

pub(crate) enum BuildError {
    Series(SeriesError),
    /// Files by full path.
    Images(Vec<Problem>),
}

impl From<SeriesError> for BuildError {
    fn from(error: SeriesError) -> Self {
        Self::Series(error)
    }
}

/// What is known of a group without its pixels.
pub(crate) fn summary(found: &Found, group: &Group, id: String) -> SeriesSummary {
    let planned = prepare(found, group);
    let first = group.planes.first().and_then(|plane| found.files.get(plane.0)).map(|(_, facts)| facts);
    let normal = group.planes.first().and_then(|p| found.frame(*p)).and_then(|f| f.orientation).and_then(|o| axes(o).ok());
    let plane = normal.map(|[_, _, n]| match n.map(f64::abs) {
        [x, _, _] if x > 0.9 => "sagittal",
        [_, y, _] if y > 0.9 => "coronal",
        [_, _, z] if z > 0.9 => "axial",
        _ => "oblique",
    });
    let images = group.planes.len();
    let size = planned.as_ref().map_or(first.map_or([0, 0, images], |f| [f.columns, f.rows, images]), |(_, p)| p.geometry.size);
    let part = group.divided.map(|what| format!("; its series is divided by {what}")).unwrap_or_default();
    SeriesSummary {
        id,
        modality: first.map_or(String::new(), |f| f.modality.clone()),
        description: first.map_or(String::new(), |f| f.description.clone()),
        kernel: first.and_then(|f| f.kernel.clone()),
        images,
        size,
        spacing_mm: planned.as_ref().ok().map(|(_, p)| p.geometry.spacing_mm),
        plane,
        divided_by: group.divided,
        problem: planned.err().map(|error| format!("{error}{part}")),
    }
}

/// Checks everything that headers can tell.
fn prepare(found: &Found, group: &Group) -> Result<(Modality, Plan<Source>), SeriesError> {
    let files = group.planes.iter().filter_map(|plane| found.files.get(plane.0).map(|f| &f.1));
    let (mut modality, mut size) = (None, [0; 2]);
    for facts in files {
        let kind = Modality::from_code(&facts.modality).ok_or_else(|| SeriesError::Modality(facts.modality.clone()))?;
        (modality, size) = (Some(kind), [facts.columns, facts.rows]);
        let p = facts.pixels;
        if facts.samples != 1 || !facts.photometric.starts_with("MONOCHROME") {
            return Err(SeriesError::Colour { photometric: facts.photometric.clone(), samples: facts.samples });
        }
        if facts.lookup_table {
            return Err(SeriesError::LookupTable);
        }
        if !p.supported() {
            return Err(SeriesError::Bits { allocated: p.bits_allocated, stored: p.bits_stored, high: p.high_bit });
        }
        if facts.localizer {
            return Err(SeriesError::Localizer);
        }
    }
    let modality = modality.ok_or(SeriesError::TooFew(0))?;
    let planes: Vec<_> = group.planes.iter().filter_map(|plane| found.frame(*plane).map(|frame| (*plane, frame))).collect();
    Ok((modality, plan(&planes, size[0], size[1])?))
}

/// Decodes a group into its volume.
pub(crate) fn build(found: &Found, group: &Group) -> Result<Built, BuildError> {
    let (modality, plan) = prepare(found, group)?;
    let background = if modality == Modality::Ct { AIR_HU } else { 0.0 };
    let mut warnings = header_doubts(found, group, modality, &plan);

    // Which slice every plane of a file goes to.
    let mut by_file: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
    for (k, place) in plan.places.iter().enumerate() {
        for (file, frame) in &place.sources {
            by_file.entry(*file).or_default().push((*frame, k));
        }
    }
    let files: Vec<(usize, Vec<(usize, usize)>)> = by_file.into_iter().collect();
    let [nx, ny, _] = plan.geometry.size;
    let mut canvas = Canvas::new(modality, &plan);
    let mut filled = vec![false; plan.places.len()];
    let (mut problems, mut doubles, mut dropped) = (Vec::new(), Vec::new(), 0);
    for some in files.chunks(FILES_AT_A_TIME) {
        let decoded: Vec<_> = some.par_iter().map(|(file, wanted)| slices(found, *file, wanted, background)).collect();
        for ((_, wanted), decoded) in some.iter().zip(decoded) {
            let slices = match decoded {
                Ok(slices) => slices,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            for ((_, k), pixels) in wanted.iter().zip(slices) {
                let slice = resample(&pixels, source_size(found, group), plan.places[*k].shift, [nx, ny], background);
                if !filled[*k] {
                    canvas.put(*k, &slice);
                    filled[*k] = true;
                } else if canvas.equals(*k, &slice) {
                    dropped += 1;
                } else {
                    doubles.push(*k);
                }
            }
        }
    }
    if !problems.is_empty() {
        return Err(BuildError::Images(problems));
    }
    if let Some(first) = doubles.first() {
        let at_mm = *first as f64 * plan.geometry.spacing_mm[2];
        return Err(SeriesError::Doubles { places: doubles.len(), at_mm }.into());
    }
    if dropped > 0 {
        warnings.push(format!("{dropped} images stand twice with equal pixels; one of each was used"));
    }
    let volume = canvas.finish(&plan)?;
    let doubts = if let Volume::Ct(image) = &volume { doubt_units(image).into_iter().collect() } else { Vec::new() };
    Ok(Built { volume, warnings, doubts })
}

fn source_size(found: &Found, group: &Group) -> [usize; 2] {
    group.planes.first().and_then(|plane| found.files.get(plane.0)).map_or([0; 2], |(_, f)| [f.columns, f.rows])
}

fn slices(found: &Found, file: usize, wanted: &[(usize, usize)], background: f32) -> Result<Vec<Vec<f32>>, Problem> {
    let (path, facts) = &found.files[file];
    let problem = |why: String| Problem { file: path.clone(), why };
    let bytes = read_image(path, facts).map_err(|error| problem(error.to_string()))?;
    let frames: Vec<_> = wanted.iter().filter_map(|(frame, _)| facts.frames.get(*frame)).collect();
    decode(&bytes, facts, &frames, background).map_err(|error| problem(error.to_string()))
}

/// A slice on the volume's own pixels: moved within its plane, linearly between its pixels.
fn resample(pixels: &[f32], [columns, rows]: [usize; 2], shift: [f64; 2], [nx, ny]: [usize; 2], background: f32) -> Vec<f32> {
    if shift == [0.0; 2] && [columns, rows] == [nx, ny] {
        return pixels.to_vec();
    }
    // The share of the right-hand neighbour is the same for the whole slice.
    let whole = shift.map(f64::floor);
    let part = [shift[0] - whole[0], shift[1] - whole[1]];
    let at = |x: i64, y: i64| {
        let inside = (0..columns as i64).contains(&x) && (0..rows as i64).contains(&y);
        if inside { pixels.get(x as usize + columns * y as usize).copied() } else { None }
    };
    let mut out = Vec::with_capacity(nx * ny);
    for j in 0..ny as i64 {
        for i in 0..nx as i64 {
            let (x, y) = (i + whole[0] as i64, j + whole[1] as i64);
            let mut value = Some(0.0);
            for (dx, dy, weight) in [
                (0, 0, (1.0 - part[0]) * (1.0 - part[1])),
                (1, 0, part[0] * (1.0 - part[1])),
                (0, 1, (1.0 - part[0]) * part[1]),
                (1, 1, part[0] * part[1]),
            ] {
                if weight > 1e-9 {
                    value = value.zip(at(x + dx, y + dy)).map(|(sum, pixel)| sum + weight * f64::from(pixel));
                }
            }
            out.push(value.map_or(background, |v: f64| v as f32));
        }
    }
    out
}

enum Canvas {
    Ct(Vec<i16>, usize),
    Mr(Vec<f32>, usize),
}

impl Canvas {
    fn new(modality: Modality, plan: &Plan<Source>) -> Self {
        let (count, slice) = (plan.geometry.voxel_count(), plan.geometry.size[0] * plan.geometry.size[1]);
        match modality {
            Modality::Ct => Self::Ct(vec![0; count], slice),
            Modality::Mr => Self::Mr(vec![0.0; count], slice),
        }
    }

    fn put(&mut self, k: usize, values: &[f32]) {
        match self {
            Self::Ct(voxels, n) => voxels[k * *n..].iter_mut().zip(values).for_each(|(to, from)| *to = from.round() as i16),
            Self::Mr(voxels, n) => voxels[k * *n..].iter_mut().zip(values).for_each(|(to, from)| *to = *from),
        }
    }

    fn equals(&self, k: usize, values: &[f32]) -> bool {
        match self {
            Self::Ct(voxels, n) => voxels[k * n..].iter().zip(values).all(|(a, b)| *a == b.round() as i16),
            Self::Mr(voxels, n) => voxels[k * n..].iter().zip(values).all(|(a, b)| a == b),
        }
    }

    fn finish(self, plan: &Plan<Source>) -> Result<Volume, SeriesError> {
        Ok(match self {
            Self::Ct(voxels, _) => Volume::Ct(Image::new(plan.geometry, voxels)?),
            Self::Mr(voxels, _) => Volume::Mr(Image::new(plan.geometry, voxels)?),
        })
    }
}

fn header_doubts(found: &Found, group: &Group, modality: Modality, plan: &Plan<Source>) -> Vec<String> {
    let mut warnings = Vec::new();
    let slices = plan.places.len();
    if slices < 10 {
        warnings.push(format!("the volume has only {slices} slices"));
    }
    let stated = group.planes.iter().filter_map(|p| found.files.get(p.0)?.1.tilt_degrees).map(f64::abs).fold(0.0, f64::max);
    match plan.tilt_degrees {
        Some(degrees) => warnings.push(format!(
            "gantry tilt of {degrees:.1}°: the slices were moved within their planes onto a rectangular grid (linear interpolation)"
        )),
        None if stated > 0.5 => warnings.push(format!(
            "the header states a gantry tilt of {stated:.1}° but the slices stand at right angles to the stack: check the anatomy for shear"
        )),
        None => {}
    }
    let unread = group.planes.iter().filter(|p| found.files.get(p.0).is_some_and(|(_, facts)| facts.unknown_characters)).count();
    if unread > 0 {
        // The name of the set is not repeated: whatever stands there may be somebody's.
        warnings.push(format!(
            "{unread} images name a character set that is not known here: known words of their description may be missing"
        ));
    }
    let step = plan.geometry.spacing_mm[2];
    if step > 3.0 {
        warnings.push(format!("the slices are {step:.2} mm apart: thin structures may be missing between them"));
    }
    if modality == Modality::Ct {
        let frames = || group.planes.iter().filter_map(|p| found.frame(*p));
        if frames().any(|f| f.slope.is_none() || f.intercept.is_none()) {
            warnings.push("some images state no rescale to HU; their stored values were taken for HU".to_owned());
        }
        let other = frames().filter_map(|f| f.rescale_type.as_deref()).any(|kind| !matches!(kind, "HU" | "US"));
        if other {
            warnings.push("some images state a unit other than HU".to_owned());
        }
    }
    warnings
}

/// A CT of a patient holds some voxels of at most this: fat has about -100 HU.
const HIGHEST_FAT_HU: i16 = -30;
/// And some of at least this: cortical bone.
const LEAST_CORTEX_HU: i16 = 300;

/// What speaks against an image's being a CT in HU: it has no voxel as low as fat, or none as high as bone.
pub(crate) fn doubt_units(image: &Image<i16>) -> Option<String> {
    let low = image.voxels.iter().copied().min()?;
    let high = image.voxels.iter().copied().max()?;
    (low > HIGHEST_FAT_HU || high < LEAST_CORTEX_HU).then(|| {
        format!(
            "IS THIS A CT IN HU? Its values run from {low} to {high}, where air has -1000 HU, fat -100 and bone more than {LEAST_CORTEX_HU}. An \
             MR given as CT, or a CT stored without its offset of -1024, makes bones of a wrong density, and wrong bones if they are segmented."
        )
    })
}
