//! Small analytic patients for this crate's tests: a bone plate (and flavum) over a neural cylinder.
//!
//! +y is posterior, where tools come from. The sac is a cylinder along z of radius 6 mm about the origin. The plate's upper face lies
//! at [`PLATE_TOP_MM`].

use spinor_volume::query::volume_mm3;
use spinor_volume::{BRICK_VOXELS, DensityField, Grid, Label, Patient, Source, SparseField, Structure, VoxelIndex};

/// Upper face of the plate, mm.
pub(crate) const PLATE_TOP_MM: f64 = 16.0;
/// Radius of the dural sac, mm.
pub(crate) const SAC_RADIUS_MM: f64 = 6.0;

/// A structure from a function of position.
pub(crate) fn structure(grid: &Grid, label: Label, uncertainty_mm: f32, sdf_mm: impl Fn([f64; 3]) -> f64) -> Structure {
    let sdf = SparseField::sampled(grid, sdf_mm);
    let volume_mm3 = volume_mm3(grid, &sdf);
    Structure { label, class: label.class().unwrap(), source: Source::Phantom, uncertainty_mm, volume_mm3, sdf }
}

/// Signed distance to a box.
pub(crate) fn box_mm(at: [f64; 3], centre: [f64; 3], half: [f64; 3]) -> f64 {
    let q: Vec<f64> = (0..3).map(|k| (at[k] - centre[k]).abs() - half[k]).collect();
    let outside = q.iter().map(|v| v.max(0.0) * v.max(0.0)).sum::<f64>().sqrt();
    outside + q[0].max(q[1]).max(q[2]).min(0.0)
}

/// Signed distance to a cylinder along z.
pub(crate) fn cylinder_mm(at: [f64; 3], x: f64, y: f64, radius: f64) -> f64 {
    ((at[0] - x) * (at[0] - x) + (at[1] - y) * (at[1] - y)).sqrt() - radius
}

/// The grid of the patients here: 50 x 50 x 25 mm.
pub(crate) fn grid(spacing_mm: f64) -> Grid {
    Grid::covering([-25.0, -15.0, -12.5], [25.0, 35.0, 12.5], spacing_mm).unwrap()
}

/// A plate of `thick_mm` over the sac, 36 mm wide and as long as the grid, of one density.
pub(crate) fn plate_of(spacing_mm: f64, thick_mm: f64, hu: i32, uncertainty_mm: f32) -> Patient {
    let grid = grid(spacing_mm);
    let centre = [0.0, PLATE_TOP_MM - thick_mm / 2.0, 0.0];
    let plate = structure(&grid, Label::lumbar(4), 0.0, |at| box_mm(at, centre, [18.0, thick_mm / 2.0, 40.0]));
    let sac = structure(&grid, Label::DURAL_SAC, uncertainty_mm, |at| cylinder_mm(at, 0.0, 0.0, SAC_RADIUS_MM));
    let mut density = DensityField::default();
    for (brick, _) in plate.sdf.stored() {
        density.insert(brick, Box::new([(hu / 8) as u8; BRICK_VOXELS]));
    }
    Patient::new(grid, vec![plate, sac], density).unwrap()
}

/// A plate of cortical bone over the sac.
pub(crate) fn plate_over_sac(spacing_mm: f64, thick_mm: f64) -> Patient {
    plate_of(spacing_mm, thick_mm, 1_200, 0.0)
}

/// The plate with flavum under it, between bone and sac.
pub(crate) fn plate_with_flavum(thick_mm: f64) -> Patient {
    let plain = plate_over_sac(0.4, thick_mm);
    let grid = *plain.grid();
    let top = PLATE_TOP_MM - thick_mm + 0.2;
    let mut structures = plain.structures().to_vec();
    structures.push(structure(&grid, Label::flavum_below(4), 0.0, |at| box_mm(at, [0.0, top - 1.5, 0.0], [10.0, 1.5, 40.0])));
    let density = plain.density().clone();
    Patient::new(grid, structures, density).unwrap()
}

/// Volume of neural tissue's voxels that a cut state has marked, for tests that none may be.
pub(crate) fn voxels_of(grid: &Grid) -> impl Iterator<Item = VoxelIndex> {
    let [nx, ny, nz] = grid.voxels();
    (0..nz).flat_map(move |z| (0..ny).flat_map(move |y| (0..nx).map(move |x| VoxelIndex([x, y, z]))))
}
