//! Spinor's own model, which is part of the program, so that a CT alone makes a case.

use super::{ModelFolder, SegmentError};

/// The name it is called by.
pub const BUILT_IN: &str = "spine-ct";

/// Spinor's own model for CT: parts of the spine at 2 mm ([`super::spine`] makes vertebrae of them). What it was trained on and measured to
/// do stands in its card, `assets/models/spine-ct/CARD.md`.
///
/// # Errors
/// Only when the program was built with files that do not fit together.
pub fn built_in() -> Result<ModelFolder, SegmentError> {
    ModelFolder::from_parts(
        BUILT_IN,
        include_str!("../../../../assets/models/spine-ct/plans.json"),
        include_str!("../../../../assets/models/spine-ct/dataset.json"),
        include_str!("../../../../assets/models/spine-ct/spinor.json"),
        include_bytes!("../../../../assets/models/spine-ct/model.onnx"),
    )
}

#[cfg(test)]
mod tests {
    //! The files in the program fit together, and say how good the model is.

    use super::*;
    use crate::segment::Modality;

    #[test]
    fn the_built_in_model_is_whole() {
        let folder = built_in().expect("the files fit");
        assert_eq!(folder.parts().map(|parts| parts.len()), Some(6));
        assert_eq!(folder.modality(), Modality::Ct);
        assert!(folder.reorients() && folder.mirror_axes().is_empty());
        let quality = folder.settings.quality.expect("its quality is said");
        assert!(quality.contains("Dice") && folder.settings.uncertainty_mm.is_some_and(|mm| mm >= 1.0), "{quality}");
        assert!(folder.embedded.is_some_and(|bytes| bytes.len() < 6_000_000));
    }
}
