//! A patient of boxes whose every length is known: two vertebrae, a disc, a flavum, a sac and a root, about the z axis.
//!
//! L4's middle lies at z = +17 mm and L5's at −17 mm; the sac is a cylinder of 6 mm about the z axis. See [`vertebra`] for the bones.

use crate::query::volume_mm3;
use crate::{DensityField, Grid, Label, Patient, Source, SparseField, Structure};

/// Half the distance between the middles of the two vertebrae, mm.
pub(super) const MIDDLE_MM: f64 = 17.0;
/// Radius of the sac, mm.
pub(super) const SAC_MM: f64 = 6.0;

/// A structure from a function of position.
pub(super) fn structure(grid: &Grid, label: Label, sdf_mm: impl Fn([f64; 3]) -> f64) -> Structure {
    let sdf = SparseField::sampled(grid, sdf_mm);
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
        block(q, [18.8, -3.0, -2.0], [23.0, 12.0, 25.0]),
    ]
    .into_iter()
    .fold(f64::INFINITY, f64::min)
}

/// The disc between the two.
pub(super) fn disc(at: [f64; 3]) -> f64 {
    block(at, [-19.0, -35.0, -5.0], [19.0, -8.0, 5.0])
}

/// The flavum between the two.
pub(super) fn flavum(at: [f64; 3]) -> f64 {
    block(at, [-11.0, 8.0, -15.0], [11.0, 12.0, 6.0])
}

/// Where the left root of L4 begins and ends.
pub(super) const ROOT_MM: [[f64; 3]; 2] = [[5.0, -2.0, 12.0], [30.0, -6.0, 2.0]];

/// Half-axes of a sac that is narrow at the disc: 5.5 and 3.4 mm there, 8 and 5.5 mm beside the pedicles. Its front lies at y = −5.5.
pub(super) fn narrow_half_axes(z: f64) -> [f64; 2] {
    let t = ((z.abs() - 4.0) / 8.0).clamp(0.0, 1.0);
    [5.5 + 2.5 * t, 3.4 + 2.1 * t]
}

/// About the distance to that sac; exact at its surface.
pub(super) fn narrow_sac(at: [f64; 3]) -> f64 {
    let [a, b] = narrow_half_axes(at[2]);
    let (u, v) = (at[0] / a, (at[1] + 5.5 - b) / b);
    let k = (u * u + v * v).sqrt();
    // First order: the value over its slope.
    let slope = (u / a * (u / a) + v / b * (v / b)).sqrt() / k.max(1e-3);
    (k - 1.0) / slope.max(1.0 / a)
}

/// The patient with a round sac, on a grid of `spacing_mm`, turned about the patient's axes (`outer = turn * local`).
pub(super) fn boxes(spacing_mm: f64, turn: [[f64; 3]; 3]) -> Patient {
    boxes_with(spacing_mm, turn, |p| (p[0] * p[0] + p[1] * p[1]).sqrt() - SAC_MM)
}

/// As [`boxes`] with another sac.
pub(super) fn boxes_with(spacing_mm: f64, turn: [[f64; 3]; 3], sac: impl Fn([f64; 3]) -> f64) -> Patient {
    let grid = Grid::covering([-32.0, -44.0, -48.0], [32.0, 44.0, 48.0], spacing_mm).unwrap();
    // The transpose takes a position back.
    let local =
        move |p: [f64; 3]| -> [f64; 3] { std::array::from_fn(|k| turn[0][k] * p[0] + turn[1][k] * p[1] + turn[2][k] * p[2]) };
    let raised = |p: [f64; 3], z: f64| [p[0], p[1], p[2] - z];
    let structures = vec![
        structure(&grid, Label::DURAL_SAC, |p| sac(local(p))),
        structure(&grid, Label::lumbar(4), |p| vertebra(raised(local(p), MIDDLE_MM))),
        structure(&grid, Label::lumbar(5), |p| vertebra(raised(local(p), -MIDDLE_MM))),
        structure(&grid, Label::disc_below(4), |p| disc(local(p))),
        structure(&grid, Label::flavum_below(4), |p| flavum(local(p))),
        structure(&grid, Label::root(4, true), |p| {
            let p = local(p);
            // From the sac outwards and down under the pedicle of L4.
            let [a, b] = ROOT_MM;
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
