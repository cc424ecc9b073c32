//! What this crate's tests share: the smallest case there is.

use std::sync::Arc;

use spinor_shared::case::{Case, CaseMeta};
use spinor_volume::{BRICK_VOXELS, BrickIndex, DensityField, Grid, Label, Patient, Source, SparseField, Structure};

use crate::bulk::CaseData;

/// One brick of bone.
pub(crate) fn case() -> Arc<CaseData> {
    let grid = Grid::new([0.0; 3], 0.5, [1, 1, 1]).unwrap();
    let mut sdf = SparseField::outside(&grid);
    sdf.set_inside(BrickIndex(0));
    let label = Label::lumbar(4);
    let class = label.class().unwrap();
    let bone = Structure { label, class, source: Source::Phantom, uncertainty_mm: 0.0, volume_mm3: 512.0, sdf };
    let mut density = DensityField::default();
    density.insert(BrickIndex(0), Box::new([40; BRICK_VOXELS]));
    let patient = Patient::new(grid, vec![bone], density).unwrap();
    let meta = CaseMeta { created_with: "test".to_owned(), ..CaseMeta::default() };
    Arc::new(CaseData::new(Case { patient, ct: None, mr: None, meta }.encode()).unwrap())
}
