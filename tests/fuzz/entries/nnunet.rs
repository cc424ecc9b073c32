//! Any bytes as the JSON files of an nnU-Net export: a plan or an error.

use spinor_prepare::segment::{Dataset, Plan};

/// Reads `bytes` as plans and as dataset.
pub(crate) fn run(bytes: &[u8]) {
    for configuration in [None, Some("3d_fullres"), Some("2d")] {
        let _ = Plan::parse("plans.json", bytes, configuration);
    }
    if let Ok(dataset) = Dataset::parse("dataset.json", bytes) {
        assert!(dataset.outputs.heads() > 0 && !dataset.channels.is_empty());
    }
}
