//! From a CT to a case: read, label, bake, write.

mod align;
mod checks;
mod corrected;
mod coverage;
mod drawn;
mod from_mr;
#[cfg(test)]
mod identity;
mod images;
mod input;
mod kept;
mod levels;
mod summary;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::ThreadPoolBuilder;
use spinor_shared::case::{BakeMeta, Case, CaseError, CaseHash, CaseMeta, IDENTITY, StructureMeta, case_hash};
use spinor_volume::{Label, Patient, PatientError, Source, Structure, TissueClass};
use thiserror::Error;

use from_mr::NotTaken;
use input::{check_labels, read_images};
use kept::segment_once;

pub use coverage::{LevelCoverage, coverage};
pub use summary::{CaseSummary, peak_rss_mb};

use crate::bake::{BakeError, BakeOptions, Baked, Layer, StructureReport, bake_layers};
use crate::complete::{complete, place_of, proposed_sac};
use crate::contours::{ContourFileError, ContourOptions};
use crate::ingest::{IngestError, UNORIENTED};
use crate::models;
use crate::nifti_io::{NiftiError, is_oriented, read_nifti_u16};
use crate::register::Registration;
use crate::schemes::Scheme;
use crate::segment::{
    self, BUILT_IN, BUILT_IN_MR, ModelFolder, Progress, Scan, SegmentError, Segmented, built_in, built_in_named,
};
use crate::stages::Stages;
use crate::volume3d::{Geometry, Image};

/// What a case without nerves is told to everybody: it stands first among the warnings.
pub const NO_NEURAL: &str = "No neural structure in the case: the proximity alarm has nothing to guard.";
/// What a case without a CT is told to everybody.
pub const NO_CT: &str = "There is no CT: how dense the bone is, is not known, and every tool meets bone of one middling density everywhere. The bones' \
     surfaces are as good as their labels; thin cortex and joint spaces are less clear in an MR than in a CT.";
/// What is said of a map that looks like an exported one and comes without the case it was exported from.
const EXPORTED: &str = "The label map holds ligamenta flava or nerve roots: label files as `spinor export` and `spinor phantom` write them count as \
     labelled. If an earlier case only proposed them, give that case with --corrects.";

/// What to prepare.
#[derive(Clone, Debug, Default)]
pub struct PrepareOptions {
    /// The CT: a DICOM folder or file, or NIfTI in HU. Without it the MR is what the case is made from.
    pub ct: Option<PathBuf>,
    /// The MR, likewise.
    pub mr: Option<PathBuf>,
    /// A label map (NIfTI) in the CT's frame, without a CT in the MR's, on its lattice or another, and whose numbers it uses.
    pub labels: Option<(PathBuf, Scheme)>,
    /// The case that `labels` was exported from before somebody corrected it: structures that were not changed keep their source.
    pub corrects: Option<PathBuf>,
    /// Contours of the user's own (label maps, DICOM RTSTRUCT, DICOM SEG): each structure in them takes the place of the labelled, segmented
    /// or proposed one.
    pub contours: Vec<PathBuf>,
    /// What numbers and names in them mean.
    pub contour_options: ContourOptions,
    /// A label map (NIfTI) in the MR's frame, and whose numbers it uses: tells where to look and checks the levels. Not needed.
    pub mr_labels: Option<(PathBuf, Scheme)>,
    /// Segmentation models (folders, or names they were added under), used where no label map is given; later ones fill what earlier
    /// ones left empty. Empty for the best model for the image that was added on this machine, or else Spinor's own ([`BUILT_IN`],
    /// [`BUILT_IN_MR`]).
    pub models: Vec<PathBuf>,
    /// The lowest vertebra in view, from which a model that knows no levels counts them; without it the one above the sacrum is L5.
    pub lowest: Option<Label>,
    /// Where added models are; the user's own folder when none.
    pub registry: Option<PathBuf>,
    /// The CT series, where the folder holds several.
    pub series: Option<String>,
    /// Threads; all cores when none.
    pub threads: Option<usize>,
    /// Moves bone to the CT's edge, at this fraction of its contrast.
    pub follow_ct_fraction: Option<f64>,
    /// Leaves out what is not labelled, segmented or drawn, instead of proposing sac, roots, flava and discs from the bones.
    pub no_proposals: bool,
    /// A folder in which the result of segmenting is kept for another run ([`Stages`]); none to keep nothing.
    pub stages: Option<PathBuf>,
}

/// Which step runs, for progress bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading the images.
    Ingest,
    /// Running models.
    Segment,
    /// Making surfaces.
    Bake,
    /// Finding the CT's bones in the MR.
    Register,
    /// Running a model on the MR, for the dural sac.
    SegmentMr,
    /// Joining what CT and MR show, and proposing the rest.
    Fuse,
    /// Packing the case.
    Pack,
}

impl Stage {
    /// What the user reads while it runs.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ingest => "reading images",
            Self::Segment => "segmenting",
            Self::Bake => "making surfaces",
            Self::Register => "registering the MR",
            Self::SegmentMr => "finding the dural sac in the MR",
            Self::Fuse => "joining structures",
            Self::Pack => "packing the case",
        }
    }
}

/// Seconds that the steps took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seconds {
    /// All of it.
    pub total: f64,
    /// Reading the images.
    pub ingest: f64,
    /// Registration of MR to CT.
    pub register: f64,
    /// Models.
    pub segment: f64,
    /// Joining CT and MR structures, and proposals.
    pub fuse: f64,
    /// Making surfaces.
    pub bake: f64,
    /// Packing the case.
    pub pack: f64,
}

/// A prepared case and what its report needs.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The case.
    pub case: Case,
    /// The case file's bytes.
    pub bytes: Vec<u8>,
    /// The case's hash.
    pub hash: CaseHash,
    /// The whole CT, where there is one.
    pub ct: Option<Image<i16>>,
    /// The MR as it was read, where there is one.
    pub mr: Option<Image<f32>>,
    /// The label map the case was made from, in the case's numbers.
    pub labels: Image<u16>,
    /// What the steps took.
    pub seconds: Seconds,
    /// Whether the label maps that models made are ones that an earlier run had made of the same scans by the same models and program.
    pub reused: bool,
}

/// Why there is no case.
#[derive(Debug, Error)]
pub enum PrepareError {
    /// Neither CT nor MR.
    #[error("there is no image to make a case from: give a CT, or an MR")]
    NoImage,
    /// The CT cannot be had.
    #[error("the CT: {0}")]
    Ct(IngestError),
    /// The MR cannot be had.
    #[error("the MR: {0}")]
    Mr(IngestError),
    /// The label map cannot be read.
    #[error("the label map {path}: {source}")]
    Labels {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<NiftiError>,
    },
    /// Labels in which nothing is a vertebra.
    #[error(
        "the label map {path} holds no vertebra: it has the numbers {numbers}, which in scheme {scheme} name none. Is it the label map of \
         this CT, and is --scheme right (verse, totalspineseg, totalsegmentator, spineps)?"
    )]
    NoVertebra {
        /// The file.
        path: PathBuf,
        /// The scheme.
        scheme: &'static str,
        /// The first numbers in it.
        numbers: String,
    },
    /// More than crumbs of numbers that the scheme does not know.
    #[error(
        "the label map {path} holds numbers that scheme {scheme} does not know: {numbers}. A wrong scheme gives wrong levels; {hint}"
    )]
    UnknownNumbers {
        /// The file.
        path: PathBuf,
        /// The scheme.
        scheme: &'static str,
        /// The numbers and their volumes.
        numbers: String,
        /// The scheme that it looks like, or what else to do.
        hint: String,
    },
    /// Bones that cannot have the names that the scheme gives them.
    #[error("the label map {path} makes no spine in scheme {scheme}: {doubts}. {hint}")]
    NoSpine {
        /// The file.
        path: PathBuf,
        /// The scheme.
        scheme: &'static str,
        /// What speaks against it.
        doubts: String,
        /// The scheme that it looks like, or what else to look at.
        hint: String,
    },
    /// Labelled voxels outside the image that the case is made from.
    #[error(
        "{percent:.1} % of the labelled voxels lie outside the {image} (the labels span {labels_mm:?} mm, the {image} {image_mm:?} mm, LPS): \
         the label map belongs to another scan or frame"
    )]
    Outside {
        /// Share of the labelled voxels.
        percent: f64,
        /// Lowest and highest corner of the labels.
        labels_mm: [[i64; 3]; 2],
        /// Which image that is.
        image: &'static str,
        /// Its lowest and highest corner.
        image_mm: [[i64; 3]; 2],
    },
    /// A model failed.
    #[error("the model in {model}: {source}")]
    Segment {
        /// Its folder.
        model: PathBuf,
        /// Why.
        source: Box<SegmentError>,
    },
    /// The case that was corrected cannot be read.
    #[error("the case that the labels correct, {path}: {why}")]
    Corrects {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file of contours cannot be used.
    #[error(transparent)]
    Contours(#[from] ContourFileError),
    /// A structure that two files of contours hold.
    #[error("{} and {} both hold {structure}: take it out of one of them", .first.display(), .second.display())]
    DrawnTwice {
        /// The structure's name.
        structure: String,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Surfaces cannot be made.
    #[error("making surfaces")]
    Bake(#[from] BakeError),
    /// The structures make no patient.
    #[error("putting the structures together")]
    Patient(#[from] PatientError),
    /// The case cannot be packed.
    #[error("packing the case")]
    Case(#[from] CaseError),
    /// Threads could not be started.
    #[error("threads could not be started: {0}")]
    Threads(String),
}

/// Prepares a case. `progress` is told each step as it begins, and for models the share done.
///
/// MR is registered to the CT bone by bone ([`crate::register`]) and packed as it would look had the patient lain as in the CT. Where no
/// bone is found in it, it is packed where its own headers put it, and the case says so. Where nobody gave a dural sac, a model looks for it
/// in the MR, and the registration brings it into the case. Without a CT the case lies in the MR's frame, labels,
/// contours or a model for MR say where the bones are, their density is unknown, and the case says so.
///
/// # Errors
/// What is wrong with which input.
pub fn prepare(options: &PrepareOptions, progress: &mut dyn FnMut(Stage, f32)) -> Result<Prepared, PrepareError> {
    let start = Instant::now();
    let threads = options.threads.unwrap_or(0);
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().map_err(|e| PrepareError::Threads(e.to_string()))?;
    let mut seconds = Seconds::default();
    let mut warnings = Vec::new();

    progress(Stage::Ingest, 0.0);
    let mut images = read_images(options, &mut warnings)?;
    // What may turn left into right, or is no CT, stands before doubts about names.
    let mut doubts = std::mem::take(&mut images.doubts);
    doubts.extend(images.ct.is_none().then(|| NO_CT.to_owned()));
    let base = images.base().ok_or(PrepareError::NoImage)?;
    let drawn = drawn::read(options, base, images.frame.as_deref(), &mut warnings)?;
    seconds.ingest = start.elapsed().as_secs_f64();

    let since = Instant::now();
    let (mut segmented, mut reused) = (None, None);
    let (mut labels, source) = match &options.labels {
        Some((path, scheme)) => {
            let labelled = |source| PrepareError::Labels { path: path.clone(), source: Box::new(source) };
            let mut labels = read_nifti_u16(path).map_err(labelled)?;
            if !is_oriented(path).map_err(labelled)? {
                doubts.push(UNORIENTED.to_owned());
            }
            let seen = levels::seen(&labels);
            let numbers: BTreeSet<u16> = seen.keys().copied().collect();
            doubts.extend(levels::check(path, *scheme, &seen)?);
            for (number, count) in scheme.relabel(&mut labels.voxels) {
                warnings
                    .push(format!("{count} voxels carry number {number}, which scheme {} has no structure for.", scheme.name()));
            }
            if options.corrects.is_none() && *scheme == Scheme::TotalSpineSeg && numbers.iter().any(|n| corrected::is_own(*n)) {
                warnings.push(EXPORTED.to_owned());
            }
            let bone = |n: &u16| Label(*n).class() == Some(TissueClass::Bone);
            if !labels.voxels.iter().any(bone) && !drawn.iter().any(|d| d.holds_bone()) {
                let first: Vec<String> = numbers.iter().take(12).map(u16::to_string).collect();
                let more = if numbers.len() > 12 { " ..." } else { "" };
                let numbers = if first.is_empty() { "none".to_owned() } else { first.join(", ") + more };
                return Err(PrepareError::NoVertebra { path: path.clone(), scheme: scheme.name(), numbers });
            }
            (labels, Source::Labelled)
        }
        // Whoever drew the bones needs no model.
        None if options.models.is_empty()
            && drawn.iter().any(|d| d.holds_bone())
            && added_for(options, modality(base.scan)).is_none() =>
        {
            (Image::filled(*base.geometry, 0), Source::Segmented)
        }
        None => {
            let (found, before) = segment(options, base.scan, pool.current_num_threads(), progress)?;
            reused = Some(before);
            let labels = found.labels.clone();
            segmented = Some(found);
            (labels, Source::Segmented)
        }
    };
    seconds.segment = if options.labels.is_some() { 0.0 } else { since.elapsed().as_secs_f64() };
    seconds.ingest += if options.labels.is_some() { since.elapsed().as_secs_f64() } else { 0.0 };
    check_labels(&labels, base, &mut warnings)?;
    let earlier = match &options.corrects {
        Some(path) if options.labels.is_some() => Some(corrected::since(path, &labels, &mut warnings)?),
        _ => None,
    };
    let corrected = drawn::make_room(&mut labels, &drawn, &mut warnings);

    progress(Stage::Bake, 0.0);
    let since = Instant::now();
    let bake_options = BakeOptions { follow_ct_fraction: options.follow_ct_fraction, source, ..BakeOptions::default() };
    let given = Layer { labels: &labels, source };
    let layers: Vec<Layer<'_>> =
        std::iter::once(given).chain(drawn.iter().map(|d| Layer { labels: &d.labels, source: Source::Contoured })).collect();
    let mut baked = pool.install(|| bake_layers(&layers, base.ct, &bake_options))?;
    seconds.bake = since.elapsed().as_secs_f64();
    warnings.append(&mut baked.warnings);
    if let Some(found) = &segmented {
        warnings.splice(0..0, found.notes.iter().cloned());
        for structure in baked.structures.iter_mut().filter(|s| s.source == Source::Segmented) {
            structure.uncertainty_mm = structure.uncertainty_mm.max(found.uncertainty_mm as f32);
        }
    }
    if let Some(earlier) = &earlier {
        earlier.mark(&mut baked);
    }

    let since = Instant::now();
    let mr_labels = if images.ct.is_some() && images.mr.is_some() { align::read_labels(options)? } else { None };
    let aligned = match (&images.ct, &images.mr) {
        (Some(ct), Some(mr)) => {
            progress(Stage::Register, 0.0);
            let labels = drawn::with_bones(&labels, &drawn, &ct.geometry);
            Some(pool.install(|| align::align(ct, &labels, mr, mr_labels.as_ref())))
        }
        _ => None,
    };
    seconds.register = since.elapsed().as_secs_f64();

    let mut from_mr = None;
    let given = options.labels.as_ref().map(|_| &labels);
    if let (Some(mr), Some((aligned, _))) = (&images.mr, &aligned)
        && from_mr::wanted(given, &drawn)
    {
        let since = Instant::now();
        let found = match aligned.registration() {
            None => Err(NotTaken::Unregistered),
            Some(registration) if !registration.verified => Err(NotTaken::Unverified),
            Some(registration) => {
                let looked = look_in_mr(options, mr, mr_labels, pool.current_num_threads(), &mut reused, progress);
                looked.map(|found| (found, registration))
            }
        };
        seconds.segment += since.elapsed().as_secs_f64();
        progress(Stage::Fuse, 0.0);
        let since = Instant::now();
        from_mr = Some(pool.install(|| take_sac(found, &mut baked, &mr.geometry, options, &mut warnings)));
        seconds.fuse = since.elapsed().as_secs_f64();
    }

    progress(Stage::Fuse, 0.0);
    let since = Instant::now();
    if !options.no_proposals {
        pool.install(|| propose(&mut baked, base.ct, &mut warnings));
    }
    let taken = from_mr.and_then(|(said, taken)| {
        warnings.insert(0, said);
        taken
    });
    warnings.splice(0..0, checks::check(&baked.grid, &baked.structures));
    warnings.splice(0..0, coverage::warnings(&coverage::of(&baked.grid, &baked.structures)));
    let (aligned, mut said) = aligned.map_or((None, Vec::new()), |(aligned, said)| (Some(aligned), said));
    if !baked.structures.iter().any(|s| s.class == TissueClass::Neural) {
        said.insert(0, NO_NEURAL.to_owned());
    }
    warnings.splice(0..0, said);
    seconds.fuse += since.elapsed().as_secs_f64();

    progress(Stage::Pack, 0.0);
    let since = Instant::now();
    let mut meta = meta(&baked, &bake_options, options);
    meta.registration = aligned.as_ref().map(align::Aligned::meta);
    for structure in &mut meta.structures {
        let edited = earlier.as_ref().and_then(|earlier| earlier.corrects(structure.label));
        let drawn = corrected.contains(&Label(structure.label)).then_some(source.word());
        structure.corrects = edited.or(drawn).map(str::to_owned);
        let drawn = structure.corrects.is_some();
        structure.confidence = segmented.as_ref().filter(|_| !drawn).and_then(|s| s.confidence.get(&structure.label).copied());
        if let Some(confidence) = taken.filter(|_| structure.label == Label::DURAL_SAC.0) {
            structure.image = Some("mr".to_owned());
            structure.confidence = confidence;
        }
    }
    let Baked { grid, structures, density, .. } = baked;
    let patient = Patient::new(grid, structures, density)?;
    let packed_ct = images.ct.as_ref().map(|ct| images::pack_ct(ct, patient.grid())).transpose()?;
    let packed_mr = match (&images.mr, &aligned) {
        (Some(mr), Some(aligned)) => Some(pool.install(|| aligned.pack(mr, &patient, &mut warnings))?),
        (Some(mr), None) => Some(images::pack_mr(mr, patient.grid(), IDENTITY, &mut warnings)?),
        (None, _) => None,
    };
    let mut case = Case { patient, ct: packed_ct, mr: packed_mr, meta };
    let head = usize::from(warnings.first().is_some_and(|w| w == NO_NEURAL));
    let mut told = BTreeSet::new();
    doubts.retain(|doubt| told.insert(doubt.clone()));
    warnings.splice(head..head, doubts);
    case.meta.warnings = warnings;
    let bytes = case.encode();
    let hash = case_hash(&bytes)?;
    seconds.pack = since.elapsed().as_secs_f64();
    seconds.total = start.elapsed().as_secs_f64();
    Ok(Prepared { case, bytes, hash, ct: images.ct, mr: images.mr, labels, seconds, reused: reused == Some(true) })
}

/// The dural sac in the MR: of its own label map where that has one, else by the best model for MR.
fn look_in_mr(
    options: &PrepareOptions,
    mr: &Image<f32>,
    mr_labels: Option<Image<u16>>,
    threads: usize,
    reused: &mut Option<bool>,
    progress: &mut dyn FnMut(Stage, f32),
) -> Result<from_mr::Found, NotTaken> {
    if let Some(labels) = mr_labels.filter(|labels| labels.voxels.contains(&Label::DURAL_SAC.0)) {
        let by = "the MR's label map".to_owned();
        return Ok(from_mr::Found { labels, source: Source::Labelled, confidence: None, uncertainty_mm: 0.0, by, quality: None });
    }
    progress(Stage::SegmentMr, 0.0);
    let failed = |why: SegmentError| NotTaken::Model(why.to_string());
    let folder = added_for(options, segment::Modality::Mr).map_or_else(|| built_in(segment::Modality::Mr), Ok).map_err(failed)?;
    // What the built-in model's card says of its sacs; its sentence for cases is about what an MR without a CT is made into.
    let own = folder.embedded.is_some();
    let quality = if own { Some(SAC_QUALITY.to_owned()) } else { folder.settings.quality.clone() };
    let by = if own { BUILT_IN_MR.to_owned() } else { "the model for MR that was added".to_owned() };
    let stages = options.stages.as_deref().and_then(|folder| Stages::open(folder).ok());
    let mut report = |p: Progress| progress(Stage::SegmentMr, p.done as f32 / p.total.max(1) as f32);
    let (found, before) = segment_once(stages.as_ref(), folder, Scan::Mr(mr), None, threads, &mut report).map_err(failed)?;
    *reused = Some(reused.unwrap_or(true) && before);
    if !found.labels.voxels.contains(&Label::DURAL_SAC.0) {
        return Err(NotTaken::NotFound);
    }
    Ok(from_mr::Found {
        confidence: found.confidence.get(&Label::DURAL_SAC.0).copied(),
        labels: found.labels,
        source: Source::Segmented,
        uncertainty_mm: found.uncertainty_mm,
        by,
        quality,
    })
}

/// Puts the MR's sac in the place of the case's own, or leaves that. What is to be said of it, and the confidence of one that was taken.
fn take_sac(
    found: Result<(from_mr::Found, &Registration), NotTaken>,
    baked: &mut Baked,
    mr: &Geometry,
    options: &PrepareOptions,
    warnings: &mut Vec<String>,
) -> (String, Option<Option<f64>>) {
    let own = baked.structures.iter().find(|s| s.label == Label::DURAL_SAC);
    let has_cord = baked.structures.iter().any(|s| s.label == Label::SPINAL_CORD);
    let placed = found.and_then(|(found, registration)| {
        let proposed = match own {
            None if !options.no_proposals && !has_cord => proposed_sac(&baked.grid, &baked.structures),
            _ => None,
        };
        let before = own.or(proposed.as_ref());
        let placed = from_mr::place(&baked.grid, &baked.structures, &found, mr, registration, before)?;
        Ok((placed, found))
    });
    let own = own.map(|s| s.source);
    match placed {
        Ok((placed, found)) => {
            from_mr::put(baked, &placed);
            // It is said of a sac that is all canal.
            warnings.retain(|w| w != segment::spine::CANAL_NOTE);
            let seen = placed.structure.source != Source::Proposed;
            (placed.says(&found), seen.then_some(found.confidence))
        }
        Err(why) => {
            let stays = match own {
                Some(_) => "It is the one that was found in the CT, where a sac hardly shows.",
                None if has_cord => "The case has the cord alone.",
                None if options.no_proposals => "The case has none.",
                None => "It is proposed from the bones, where they show a canal.",
            };
            (format!("The dural sac is not taken from the MR: {why}. {stays}"), None)
        }
    }
}

/// What was measured of the built-in model's sacs, by its card.
const SAC_QUALITY: &str = "On phantoms its sacs had a Dice of 0.92 in the MR; in real MR nobody has measured them.";

/// The label map of all models, the first one winning; without any, of the best model for the image that was added on this machine, or
/// Spinor's own. And whether an earlier run had made all of it.
fn segment(
    options: &PrepareOptions,
    scan: Scan<'_>,
    threads: usize,
    progress: &mut dyn FnMut(Stage, f32),
) -> Result<(Segmented, bool), PrepareError> {
    let failed = |model: &Path| {
        let model = model.to_owned();
        move |source: SegmentError| PrepareError::Segment { model, source: Box::new(source) }
    };
    let folders = models_for(options, modality(scan))?;
    let count = folders.len() as f32;
    // Without a folder that can be written, everything is made anew.
    let stages = options.stages.as_deref().and_then(|folder| Stages::open(folder).ok());
    let mut all: Option<Segmented> = None;
    let mut reused = true;
    for (n, folder) in folders.into_iter().enumerate() {
        let path = folder.path.clone();
        let mut report = |p: Progress| progress(Stage::Segment, (n as f32 + p.done as f32 / p.total.max(1) as f32) / count);
        let (one, before) =
            segment_once(stages.as_ref(), folder, scan, options.lowest, threads, &mut report).map_err(failed(&path))?;
        reused &= before;
        all = Some(match all {
            None => one,
            Some(mut all) => {
                for (voxel, more) in all.labels.voxels.iter_mut().zip(one.labels.voxels).filter(|(voxel, _)| **voxel == 0) {
                    *voxel = more;
                }
                // A structure of two models is no better than what the less sure one says.
                for (label, confidence) in one.confidence {
                    let least = all.confidence.entry(label).or_insert(confidence);
                    *least = least.min(confidence);
                }
                all.uncertainty_mm = all.uncertainty_mm.max(one.uncertainty_mm);
                all.notes.extend(one.notes);
                all
            }
        });
    }
    all.map(|all| (all, reused)).ok_or_else(|| failed(Path::new(BUILT_IN))(SegmentError::Empty))
}

/// The models to run, in their order; at least one.
fn models_for(options: &PrepareOptions, modality: segment::Modality) -> Result<Vec<ModelFolder>, PrepareError> {
    let failed = |model: &Path, source| PrepareError::Segment { model: model.to_owned(), source: Box::new(source) };
    if options.models.is_empty() {
        let name = match modality {
            segment::Modality::Ct => BUILT_IN,
            segment::Modality::Mr => BUILT_IN_MR,
        };
        let own = || built_in(modality).map_err(|source| failed(Path::new(name), source));
        return Ok(vec![added_for(options, modality).map_or_else(own, Ok)?]);
    }
    let registry = options.registry.clone().or_else(|| models::registry().ok());
    let open = |model: &PathBuf| {
        let path = added(model, registry.as_deref());
        let own = model.to_str().filter(|_| !path.is_dir()).and_then(built_in_named);
        own.unwrap_or_else(|| ModelFolder::open(&path)).map_err(|source| failed(model, source))
    };
    options.models.iter().map(open).collect()
}

/// The best model for a kind of image that the user added.
fn added_for(options: &PrepareOptions, modality: segment::Modality) -> Option<ModelFolder> {
    let registry = options.registry.clone().or_else(|| models::registry().ok())?;
    models::best_for(&registry, modality).ok().flatten()
}

fn modality(scan: Scan<'_>) -> segment::Modality {
    match scan {
        Scan::Ct(_) => segment::Modality::Ct,
        Scan::Mr(_) => segment::Modality::Mr,
    }
}

/// A model's folder, which may be given by the name it was added under.
fn added(model: &Path, registry: Option<&Path>) -> PathBuf {
    match registry {
        Some(registry) if !model.is_dir() && model.components().count() == 1 => registry.join(model),
        _ => model.to_owned(),
    }
}

/// Adds what the bones allow to be proposed and nobody gave.
fn propose(baked: &mut Baked, ct: Option<&Image<i16>>, warnings: &mut Vec<String>) {
    let made = complete(&baked.grid, &baked.structures, ct);
    warnings.extend(made.warnings);
    if made.structures.is_empty() {
        return;
    }
    let sac = made.structures.iter().find(|s| s.label == Label::DURAL_SAC);
    let nerves: Vec<&Structure> = made.structures.iter().filter(|s| s.class == TissueClass::Neural).collect();
    let uncertainty_mm = nerves.iter().map(|s| s.uncertainty_mm).fold(0.0, f32::max);
    let roots: Vec<String> = nerves.iter().filter(|s| s.label != Label::DURAL_SAC).map(|s| place_of(&s.label.name())).collect();
    let of = |class: TissueClass, what: &str| {
        let own = made.structures.iter().filter(|s| s.class == class).map(|s| place_of(&s.label.name()));
        let places = own.collect::<Vec<_>>().join(", ");
        (!places.is_empty()).then(|| format!("{what} {places}"))
    };
    let rest: Vec<String> =
        [of(TissueClass::Disc, "discs"), of(TissueClass::Flavum, "ligamenta flava")].into_iter().flatten().collect();
    let mut said = Vec::new();
    if sac.is_some() {
        said.push(format!(
            "The dural sac is proposed from the vertebral foramina, nobody saw it in an image: stenosis by soft tissue is not in it. The \
             alarm guards it with {uncertainty_mm:.1} mm of uncertainty."
        ));
    }
    if !roots.is_empty() {
        said.push(format!(
            "Nerve roots proposed from the pedicles, seen in no image: {}. The alarm guards them with {uncertainty_mm:.1} mm of uncertainty.",
            roots.join(", ")
        ));
    }
    if !rest.is_empty() {
        said.push(format!("Also proposed by the sizes of healthy adults, seen in no image: {}.", rest.join("; ")));
    }
    warnings.splice(0..0, said);
    for structure in made.structures {
        let at = baked.structures.partition_point(|s| s.label < structure.label);
        let report = StructureReport {
            label: structure.label,
            label_volume_mm3: 0.0,
            pieces: 1,
            dropped_mm3: 0.0,
            mean_edge_shift_mm: None,
            at_border: false,
        };
        baked.structures.insert(at, structure);
        baked.reports.insert(at, report);
    }
}

fn meta(baked: &Baked, bake: &BakeOptions, options: &PrepareOptions) -> CaseMeta {
    let structure = |report: &StructureReport| StructureMeta {
        label: report.label.0,
        confidence: None,
        label_volume_mm3: (report.label_volume_mm3 > 0.0).then_some(report.label_volume_mm3),
        mean_edge_shift_mm: report.mean_edge_shift_mm,
        corrects: None,
        image: None,
    };
    CaseMeta {
        created_with: concat!("spinor ", env!("CARGO_PKG_VERSION")).to_owned(),
        scheme: options.labels.as_ref().map_or(String::new(), |(_, scheme)| scheme.name().to_owned()),
        bake: BakeMeta {
            spacing_mm: bake.spacing_mm,
            sigma_mm: baked.sigma_mm,
            gap_mm: bake.gap_mm,
            follow_ct_fraction: bake.follow_ct_fraction,
        },
        structures: baked.reports.iter().map(structure).collect(),
        registration: None,
        warnings: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
