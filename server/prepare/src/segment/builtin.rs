//! Spinor's own models, which are part of the program, so that a CT or an MR alone makes a case.

use super::{Modality, ModelFolder, SegmentError};

/// The name that the model for CT is called by.
pub const BUILT_IN: &str = "spine-ct";
/// The name that the model for MR is called by.
pub const BUILT_IN_MR: &str = "spine-mr";

/// Spinor's own model for a kind of image: parts of the spine at 2 mm ([`super::spine`] makes vertebrae of them). What it was trained on and
/// measured to do stands in its card, `assets/models/spine-ct/CARD.md` and `assets/models/spine-mr/CARD.md`.
///
/// # Errors
/// Only when the program was built with files that do not fit together.
pub fn built_in(modality: Modality) -> Result<ModelFolder, SegmentError> {
    match modality {
        Modality::Ct => ModelFolder::from_parts(
            BUILT_IN,
            include_str!("../../../../assets/models/spine-ct/plans.json"),
            include_str!("../../../../assets/models/spine-ct/dataset.json"),
            include_str!("../../../../assets/models/spine-ct/spinor.json"),
            include_bytes!("../../../../assets/models/spine-ct/model.onnx"),
        ),
        Modality::Mr => ModelFolder::from_parts(
            BUILT_IN_MR,
            include_str!("../../../../assets/models/spine-mr/plans.json"),
            include_str!("../../../../assets/models/spine-mr/dataset.json"),
            include_str!("../../../../assets/models/spine-mr/spinor.json"),
            include_bytes!("../../../../assets/models/spine-mr/model.onnx"),
        ),
    }
}

/// The model of Spinor's own that has this name.
pub fn built_in_named(name: &str) -> Option<Result<ModelFolder, SegmentError>> {
    match name {
        BUILT_IN => Some(built_in(Modality::Ct)),
        BUILT_IN_MR => Some(built_in(Modality::Mr)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    //! The files in the program fit together, and say how good the models are.

    use super::*;

    #[test]
    fn the_built_in_models_are_whole() {
        for (modality, name) in [(Modality::Ct, BUILT_IN), (Modality::Mr, BUILT_IN_MR)] {
            let folder = built_in(modality).expect("the files fit");
            assert_eq!(built_in_named(name).expect("it has a name").expect("the files fit"), folder);
            assert_eq!(folder.parts().map(|parts| parts.len()), Some(6), "{name}");
            assert_eq!(folder.modality(), modality);
            assert!(folder.reorients() && folder.mirror_axes().is_empty());
            let quality = folder.settings.quality.expect("its quality is said");
            assert!(quality.contains("Dice") && folder.settings.uncertainty_mm.is_some_and(|mm| mm >= 1.0), "{quality}");
            assert!(folder.embedded.is_some_and(|bytes| bytes.len() < 6_000_000));
        }
        assert!(built_in_named("spine").is_none());
    }
}
