//! CT and MR as they are read, the one in whose frame the case lies, and whether labels lie there.

use std::path::PathBuf;

use spinor_volume::{Label, TissueClass};

use super::{PrepareError, PrepareOptions};
use crate::ingest::{IngestError, Modality, Problem, Request, ingest};
use crate::segment::Scan;
use crate::volume3d::{Geometry, Image};

/// Share of the labelled voxels that may lie outside the CT: a rim from rounding, not a displacement.
const OUTSIDE_TOLERANCE: f64 = 0.002;
/// Labelled bone of a lower mean than this lies somewhere else in the CT, HU; cancellous bone of the oldest has about 90.
const LEAST_BONE_HU: f64 = 60.0;

/// CT and MR, and the frame of reference of the one that the case is made from.
pub(super) struct Images {
    pub(super) ct: Option<Image<i16>>,
    pub(super) mr: Option<Image<f32>>,
    pub(super) frame: Option<String>,
    /// What speaks against using them, as [`Ingested::doubts`](crate::ingest::Ingested::doubts).
    pub(super) doubts: Vec<String>,
}

impl Images {
    /// The lattice of the image that the case is made from: the CT's, or without one the MR's.
    pub(super) fn base(&self) -> Option<Base<'_>> {
        let of_mr = || self.mr.as_ref().map(|mr| Base { geometry: &mr.geometry, ct: None, scan: Scan::Mr(mr) });
        self.ct.as_ref().map(|ct| Base { geometry: &ct.geometry, ct: Some(ct), scan: Scan::Ct(ct) }).or_else(of_mr)
    }
}

/// The image in whose frame the case lies.
#[derive(Clone, Copy)]
pub(super) struct Base<'a> {
    pub(super) geometry: &'a Geometry,
    /// Itself, if it is a CT.
    pub(super) ct: Option<&'a Image<i16>>,
    /// Itself, as models take it.
    pub(super) scan: Scan<'a>,
}

impl Base<'_> {
    const fn word(&self) -> &'static str {
        if self.ct.is_some() { "CT" } else { "MR" }
    }
}

/// Reads what there is of CT and MR.
pub(super) fn read_images(options: &PrepareOptions, warnings: &mut Vec<String>) -> Result<Images, PrepareError> {
    let other = |path: &PathBuf, wanted| IngestError::NoVolume {
        wanted: if wanted == Modality::Ct { "CT" } else { "MR" },
        series: Vec::new(),
        problems: vec![Problem { file: path.clone(), why: "it is of another modality".to_owned() }],
    };
    let mut images = Images { ct: None, mr: None, frame: None, doubts: Vec::new() };
    if let Some(path) = &options.ct {
        let request = Request { modality: Some(Modality::Ct), series: options.series.clone() };
        let found = ingest(path, &request).map_err(PrepareError::Ct)?;
        warnings.extend(found.warnings);
        images.doubts.extend(found.doubts);
        images.frame = found.frame_of_reference;
        images.ct = Some(found.volume.into_ct().ok_or_else(|| PrepareError::Ct(other(path, Modality::Ct)))?);
    }
    if let Some(path) = &options.mr {
        // The series that is asked for is one of the image that the case is made from.
        let series = options.series.clone().filter(|_| images.ct.is_none());
        let found = ingest(path, &Request { modality: Some(Modality::Mr), series }).map_err(PrepareError::Mr)?;
        warnings.extend(found.warnings);
        images.doubts.extend(found.doubts);
        if images.ct.is_none() {
            images.frame = found.frame_of_reference;
        }
        images.mr = Some(found.volume.into_mr().ok_or_else(|| PrepareError::Mr(other(path, Modality::Mr)))?);
    }
    Ok(images)
}

/// Whether the labels lie in the image that the case is made from, and in a CT on bone.
pub(super) fn check_labels(labels: &Image<u16>, base: Base<'_>, warnings: &mut Vec<String>) -> Result<(), PrepareError> {
    let (mut count, mut outside, mut bone, mut bone_hu) = (0_u64, 0_u64, 0_u64, 0.0);
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for (at, number) in labels.voxels.iter().enumerate().filter(|(_, number)| **number != 0) {
        let at_mm = labels.geometry.patient_from_index(labels.geometry.index_of(at).map(|v| v as f64));
        for k in 0..3 {
            low[k] = low[k].min(at_mm[k]);
            high[k] = high[k].max(at_mm[k]);
        }
        count += 1;
        if !base.geometry.holds(at_mm) {
            outside += 1;
        } else if let Some(ct) = base.ct.filter(|_| Label(*number).class() == Some(TissueClass::Bone))
            && let Some(hu) = ct.nearest(at_mm)
        {
            bone += 1;
            bone_hu += f64::from(hu);
        }
    }
    if outside as f64 > OUTSIDE_TOLERANCE * count as f64 {
        let (own_low, own_high) = base.geometry.bounds_mm();
        let whole = |v: [f64; 3]| v.map(|v| v.round() as i64);
        return Err(PrepareError::Outside {
            percent: 100.0 * outside as f64 / count as f64,
            labels_mm: [whole(low), whole(high)],
            image: base.word(),
            image_mm: [whole(own_low), whole(own_high)],
        });
    }
    if bone > 0 && bone_hu / (bone as f64) < LEAST_BONE_HU {
        warnings.push(format!(
            "The voxels labelled bone have a mean of {:.0} HU: the label map does not seem to lie on this CT's bones.",
            bone_hu / bone as f64
        ));
    }
    Ok(())
}
