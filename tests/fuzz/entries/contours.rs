//! Any bytes as a DICOM RTSTRUCT or SEG: structures on a lattice or an error.

use spinor_prepare::contours::{ContourOptions, Target, read_dicom};
use spinor_prepare::volume3d::Geometry;
use spinor_volume::Label;

/// Reads `bytes` as contours on a small CT; tells whether that went well.
pub(crate) fn run(bytes: &[u8]) -> bool {
    let Ok(geometry) = Geometry::axis_aligned([24, 24, 12], [1.0; 3], [-12.0, -12.0, 0.0]) else { return false };
    let target = Target { geometry: &geometry, frame: Some("1.2.3") };
    let Ok(made) = read_dicom(bytes, target, &ContourOptions::default()) else { return false };
    assert_eq!(made.labels.voxels.len(), made.labels.geometry.voxel_count());
    assert!(made.labels.voxels.iter().all(|n| *n == 0 || Label(*n).class().is_some()));
    true
}
