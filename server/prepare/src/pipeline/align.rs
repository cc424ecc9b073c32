//! The MR's place in a case: registered where the CT's bones are found in it, by its headers where they are not, and never silently.

use spinor_shared::case::{CaseError, IDENTITY, ImageBricks, RegistrationMeta};
use spinor_volume::Patient;

use super::images::pack_mr;
use super::{PrepareError, PrepareOptions, levels};
use crate::nifti_io::read_nifti_u16;
use crate::register::{Registration, Warp, register};
use crate::volume3d::Image;

/// How an MR came to lie in the CT's frame; nothing for the headers' own positions.
pub(super) struct Aligned(Option<Registration>);

/// The MR's own label map in the case's numbers, where one is given.
pub(super) fn read_labels(options: &PrepareOptions) -> Result<Option<Image<u16>>, PrepareError> {
    let Some((path, scheme)) = &options.mr_labels else { return Ok(None) };
    let labelled = |source| PrepareError::Labels { path: path.clone(), source: Box::new(source) };
    let mut labels = read_nifti_u16(path).map_err(labelled)?;
    levels::check(path, *scheme, &levels::seen(&labels))?;
    scheme.relabel(&mut labels.voxels);
    Ok(Some(labels))
}

/// Registers the MR. What failed or is in doubt is for the head of the warnings.
pub(super) fn align(
    ct: &Image<i16>,
    labels: &Image<u16>,
    mr: &Image<f32>,
    mr_labels: Option<&Image<u16>>,
) -> (Aligned, Vec<String>) {
    match register(ct, labels, mr, mr_labels) {
        Ok(found) => {
            let worst = found.bones.iter().map(|b| b.uncertainty_mm).fold(0.0, f64::max);
            let mut said = found.warnings.clone();
            said.push(format!(
                "The MR is registered to the CT vertebra by vertebra, with up to {worst:.1} mm of uncertainty; how sure that number is was \
                 measured on phantoms, not on patients. Whether both scans are the same patient's is not checked. Look at the slices before \
                 planning on them."
            ));
            (Aligned(Some(found)), said)
        }
        Err(why) => {
            let said = format!(
                "MR lies where its own headers put it: it is not registered to the CT ({why}), and nothing verified its position. \
                 Do not plan on it."
            );
            (Aligned(None), vec![said])
        }
    }
}

impl Aligned {
    /// How the MR was registered; none where its headers put it.
    pub(super) const fn registration(&self) -> Option<&Registration> {
        self.0.as_ref()
    }

    /// What the case says of it.
    pub(super) fn meta(&self) -> RegistrationMeta {
        match &self.0 {
            None => RegistrationMeta { method: "headers".to_owned(), ..RegistrationMeta::default() },
            Some(found) => RegistrationMeta {
                method: found.method.clone(),
                verified: found.verified,
                per_vertebra: found.bones.iter().map(|b| (b.label.name(), b.uncertainty_mm)).collect(),
                mr_from_ct: found.motions(),
            },
        }
    }

    /// The MR for the case's slices, straightened to lie as the patient does in the CT.
    pub(super) fn pack(&self, mr: &Image<f32>, patient: &Patient, warnings: &mut Vec<String>) -> Result<ImageBricks, CaseError> {
        match &self.0 {
            None => pack_mr(mr, patient.grid(), IDENTITY, warnings),
            Some(found) => {
                let warp = Warp::new(patient, &found.motions(), found.mr_from_ct);
                let (straight, ct_from_image) = warp.straightened(mr);
                pack_mr(&straight, patient.grid(), ct_from_image, warnings)
            }
        }
    }
}
