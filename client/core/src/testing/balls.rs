//! A small patient for tests: two balls.

#![expect(clippy::unwrap_used, reason = "everything is made of constants that fit")]

use spinor_volume::{BRICK, BrickIndex, DensityField, Grid, Label, Patient, SDF_PER_VOXEL, Source, SparseField, Structure};

/// A ball's field of signed distances.
fn ball(grid: &Grid, centre_mm: [f64; 3], radius_mm: f64) -> SparseField {
    let mut field = SparseField::outside(grid);
    for n in 0..grid.brick_count() as u32 {
        let first = grid.brick_coords(BrickIndex(n)).map(|v| v * BRICK as i32);
        let samples = std::array::from_fn::<i8, { BRICK * BRICK * BRICK }, _>(|k| {
            let voxel = [k % BRICK, k / BRICK % BRICK, k / (BRICK * BRICK)];
            let at = grid.patient_from_index([0, 1, 2].map(|a| f64::from(first[a] + voxel[a] as i32)));
            let squared: f64 = (0..3).map(|a| (at[a] - centre_mm[a]).powi(2)).sum();
            ((squared.sqrt() - radius_mm) / grid.spacing_mm() * f64::from(SDF_PER_VOXEL)).round().clamp(-127.0, 127.0) as i8
        });
        if samples.iter().all(|v| *v == -127) {
            field.set_inside(BrickIndex(n));
        } else if samples.iter().any(|v| *v != 127) {
            *field.brick_mut(BrickIndex(n)).unwrap() = samples;
        }
    }
    field
}

/// L4 as a ball of 9 mm radius around the origin's left, and the dural sac as a smaller one beside it.
pub fn two_balls() -> Patient {
    let grid = Grid::covering([-16.0; 3], [16.0; 3], 0.5).unwrap();
    let structure = |label: Label, centre, radius: f64| Structure {
        label,
        class: label.class().unwrap(),
        source: Source::Phantom,
        uncertainty_mm: 0.0,
        volume_mm3: 4.0 / 3.0 * std::f64::consts::PI * radius.powi(3),
        sdf: ball(&grid, centre, radius),
    };
    let structures =
        vec![structure(Label::DURAL_SAC, [0.0, -11.0, 0.0], 3.0), structure(Label::lumbar(4), [-2.0, 0.0, 0.0], 9.0)];
    Patient::new(grid, structures, DensityField::default()).unwrap()
}
