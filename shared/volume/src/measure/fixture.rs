//! A patient of boxes whose every length is known: two vertebrae, a disc, a flavum, a sac and a root, about the z axis.
//!
//! L4's middle lies at z = +17 mm and L5's at −17 mm; the sac is a cylinder of 6 mm about the z axis. See [`vertebra`] for the bones.

use crate::query::volume_mm3;
use crate::{BRICK_VOXELS, BrickIndex, DensityField, Grid, Label, Patient, Source, SparseField, Structure};

/// Half the distance between the middles of the two vertebrae, mm.
pub(super) const MIDDLE_MM: f64 = 17.0;
/// Radius of the sac, mm.
pub(super) const SAC_MM: f64 = 6.0;

/// A field sampled from a function of position, mm.
pub(super) fn field(grid: &Grid, sdf_mm: impl Fn([f64; 3]) -> f64) -> SparseField {
    let mut field = SparseField::outside(grid);
    for n in 0..grid.brick_count() as u32 {
        let corner = grid.brick_coords(BrickIndex(n)).map(|v| v * 16);
        let middle = sdf_mm(grid.patient_from_index(corner.map(|v| f64::from(v) + 7.5))) / grid.spacing_mm();
        if middle.abs() > 18.0 {
            if middle < 0.0 {
                field.set_inside(BrickIndex(n));
            }
            continue;
        }
        let sample = |k: usize| {
            let voxel = [corner[0] + (k % 16) as i32, corner[1] + (k / 16 % 16) as i32, corner[2] + (k / 256) as i32];
            crate::sample::encode(sdf_mm(grid.patient_from_index(voxel.map(f64::from))) / grid.spacing_mm())
        };
        let samples: [i8; BRICK_VOXELS] = std::array::from_fn(sample);
        if samples.iter().all(|s| *s == -127) {
            field.set_inside(BrickIndex(n));
        } else if samples.iter().any(|s| *s < 127) {
            *field.brick_mut(BrickIndex(n)).unwrap() = samples;
        }
    }
    field
}

/// A structure from a function of position.
pub(super) fn structure(grid: &Grid, label: Label, sdf_mm: impl Fn([f64; 3]) -> f64) -> Structure {
    let sdf = field(grid, sdf_mm);
    let volume_mm3 = volume_mm3(grid, &sdf);
    Structure { label, class: label.class().unwrap(), source: Source::Phantom, uncertainty_mm: 0.0, volume_mm3, sdf }
}

/// Signed distance to the box between two corners.
pub(super) fn block(at: [f64; 3], low: [f64; 3], high: [f64; 3]) -> f64 {
    let q: [f64; 3] = std::array::from_fn(|k| (at[k] - (low[k] + high[k]) / 2.0).abs() - (high[k] - low[k]) / 2.0);
    let outside: f64 = q.iter().map(|v| v.max(0.0) * v.max(0.0)).sum();
    outside.sqrt() + q[0].max(q[1]).max(q[2]).min(0.0)
}

/// Signed distance to a vertebra whose middle lies at z = 0, the same on both sides:
/// body 40 × 27 × 24 with its back wall at y = −9; pedicles x 12-20, z −2 to 9; lamina y 9-15, x ±16, z −12 to 2; spinous process; a
/// piece that joins pedicle and lamina; inferior process x 12-17.2 down to z = −25; superior process x 18.8-23 up to z = +25.
pub(super) fn vertebra(at: [f64; 3]) -> f64 {
    let q = [at[0].abs(), at[1], at[2]];
    [
        block(q, [-20.0, -36.0, -12.0], [20.0, -9.0, 12.0]),
        block(q, [12.0, -10.0, -2.0], [20.0, 4.0, 9.0]),
        block(q, [-16.0, 9.0, -12.0], [16.0, 15.0, 2.0]),
        block(q, [-2.5, 14.0, -14.0], [2.5, 35.0, -2.0]),
        block(q, [10.0, 3.0, -2.0], [16.0, 10.0, 2.0]),
        block(q, [12.0, 5.0, -25.0], [17.2, 14.0, -10.0]),
        block(q, [18.8, 0.0, -2.0], [23.0, 12.0, 25.0]),
    ]
    .into_iter()
    .fold(f64::INFINITY, f64::min)
}

/// The patient, on a grid of `spacing_mm`, turned by `turn` about the patient's axes first (`outer = turn * local`).
pub(super) fn boxes(spacing_mm: f64, turn: [[f64; 3]; 3]) -> Patient {
    let grid = Grid::covering([-32.0, -44.0, -48.0], [32.0, 44.0, 48.0], spacing_mm).unwrap();
    // The transpose takes a position back.
    let local =
        move |p: [f64; 3]| -> [f64; 3] { std::array::from_fn(|k| turn[0][k] * p[0] + turn[1][k] * p[1] + turn[2][k] * p[2]) };
    let raised = |p: [f64; 3], z: f64| [p[0], p[1], p[2] - z];
    let structures = vec![
        structure(&grid, Label::DURAL_SAC, |p| {
            let p = local(p);
            (p[0] * p[0] + p[1] * p[1]).sqrt() - SAC_MM
        }),
        structure(&grid, Label::lumbar(4), |p| vertebra(raised(local(p), MIDDLE_MM))),
        structure(&grid, Label::lumbar(5), |p| vertebra(raised(local(p), -MIDDLE_MM))),
        structure(&grid, Label::disc_below(4), |p| block(local(p), [-19.0, -35.0, -5.0], [19.0, -8.0, 5.0])),
        structure(&grid, Label::flavum_below(4), |p| block(local(p), [-11.0, 8.0, -15.0], [11.0, 12.0, 6.0])),
        structure(&grid, Label::root(4, true), |p| {
            let p = local(p);
            // From the sac outwards and down under the pedicle of L4.
            let (a, b) = ([5.0, -2.0, 12.0], [30.0, -6.0, 2.0]);
            let ab: [f64; 3] = std::array::from_fn(|k| b[k] - a[k]);
            let ap: [f64; 3] = std::array::from_fn(|k| p[k] - a[k]);
            let dot = |u: [f64; 3], v: [f64; 3]| u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
            let t = (dot(ap, ab) / dot(ab, ab)).clamp(0.0, 1.0);
            let d: [f64; 3] = std::array::from_fn(|k| ap[k] - ab[k] * t);
            dot(d, d).sqrt() - 2.0
        }),
    ];
    Patient::new(grid, structures, DensityField::default()).unwrap()
}

/// Neither turned nor mirrored.
pub(super) const UPRIGHT: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
/// Turned by about 10° about x and 8° about z: rational, so orthonormal to the last bits.
pub(super) const ASKEW: [[f64; 3]; 3] = {
    // Half-angle tangents 1/11 and 1/14: cos = (1 - t²) / (1 + t²), sin = 2 t / (1 + t²).
    let (cx, sx) = (120.0 / 122.0, 22.0 / 122.0);
    let (cz, sz) = (195.0 / 197.0, 28.0 / 197.0);
    [[cz, -sz * cx, sz * sx], [sz, cz * cx, -cz * sx], [0.0, sx, cx]]
};

/// A plate of 36 mm over a sac of 6 mm along z, as the simulation's tests have it: a lamina without a vertebra.
pub(super) fn plate(top_mm: f64, thick_mm: f64) -> Patient {
    let grid = Grid::covering([-25.0, -15.0, -12.5], [25.0, 35.0, 12.5], 0.4).unwrap();
    let structures = vec![
        structure(&grid, Label::DURAL_SAC, |p| (p[0] * p[0] + p[1] * p[1]).sqrt() - SAC_MM),
        structure(&grid, Label::lumbar(4), |p| block(p, [-18.0, top_mm - thick_mm, -40.0], [18.0, top_mm, 40.0])),
    ];
    Patient::new(grid, structures, DensityField::default()).unwrap()
}
