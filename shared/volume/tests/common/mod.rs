//! Small patients made of formulas, for the integration tests.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::sync::LazyLock;

use spinor_volume::{
    BrickIndex, BrickState, ClassMask, CutOp, CutShape, DensityField, Grid, Label, Patient, Source, SparseField, Structure, query,
};

pub(crate) fn structure(grid: &Grid, label: Label, sdf_mm: impl Fn([f64; 3]) -> f64) -> Structure {
    let sdf = SparseField::sampled(grid, sdf_mm);
    let volume_mm3 = query::volume_mm3(grid, &sdf);
    Structure { label, class: label.class().unwrap(), source: Source::Phantom, uncertainty_mm: 0.0, volume_mm3, sdf }
}

pub(crate) fn length(v: [f64; 3]) -> f64 {
    (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt()
}

pub(crate) fn minus(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// Distance to a segment.
pub(crate) fn to_segment(p: [f64; 3], a: [f64; 3], b: [f64; 3]) -> f64 {
    let (ab, ap) = (minus(b, a), minus(p, a));
    let dot = |u: [f64; 3], v: [f64; 3]| u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
    let t = (dot(ap, ab) / dot(ab, ab)).clamp(0.0, 1.0);
    length([ap[0] - ab[0] * t, ap[1] - ab[1] * t, ap[2] - ab[2] * t])
}

/// Distance to an axis-aligned box.
pub(crate) fn to_box(p: [f64; 3], centre: [f64; 3], half: [f64; 3]) -> f64 {
    let q: [f64; 3] = std::array::from_fn(|k| (p[k] - centre[k]).abs() - half[k]);
    length(q.map(|v| v.max(0.0))) + q[0].max(q[1]).max(q[2]).min(0.0)
}

/// Two vertebrae that touch the grid's border, a flavum between them and a dural sac before them, in 4 × 4 × 4 bricks of 0.4 mm.
pub(crate) fn spine() -> &'static Patient {
    static SPINE: LazyLock<Patient> = LazyLock::new(make_spine);
    &SPINE
}

fn make_spine() -> Patient {
    let grid = Grid::new([-12.0, -12.0, 100.0], 0.4, [4, 4, 4]).unwrap();
    let upper = structure(&grid, Label::lumbar(4), |p| to_box(p, [0.0, 2.0, 120.0], [9.0, 4.0, 6.0]) - 0.5);
    let lower = structure(&grid, Label::lumbar(5), |p| to_segment(p, [-20.0, 2.0, 104.0], [20.0, 3.0, 105.0]) - 4.0);
    let flavum = structure(&grid, Label::flavum_below(4), |p| to_box(p, [0.0, 0.0, 111.5], [6.0, 1.5, 3.5]) - 0.2);
    let sac = structure(&grid, Label::DURAL_SAC, |p| to_segment(p, [0.0, -7.0, 90.0], [1.0, -6.0, 140.0]) - 3.5);
    Patient::new(grid, vec![upper, lower, flavum, sac], DensityField::default()).unwrap()
}

/// A small deterministic generator (xorshift64*), so that scripts of cuts are the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: i32) -> i32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n as u64) as i32
    }
}

/// A scripted mixture of sweeps and bites all over a 64³ grid, most of them near its middle.
pub(crate) fn script(seed: u64, count: usize) -> Vec<CutOp> {
    // Rotations by rational numbers, so that no library function enters the script.
    const ROTATIONS: [[[i32; 3]; 3]; 3] = [
        [[16_384, 0, 0], [0, 16_384, 0], [0, 0, 16_384]],
        [[13_107, 9_830, 0], [-9_830, 13_107, 0], [0, 0, 16_384]],
        [[10_923, 10_923, 5_461], [-10_923, 5_461, 10_923], [5_461, -10_923, 10_923]],
    ];
    let mut random = Random(seed);
    let mut at = [2048, 2300, 2100];
    (0..count)
        .map(|_| {
            let from = at;
            for v in &mut at {
                *v = (*v + random.below(401) - 200).clamp(-100, 4200);
            }
            let classes = ClassMask(1 + random.below(15) as u8);
            let shape = if random.below(3) == 0 {
                CutShape::Box {
                    centre: at,
                    half: [0; 3].map(|_: i32| 20 + random.below(200)),
                    rows_q14: ROTATIONS[random.below(3) as usize],
                    rounding: random.below(40),
                }
            } else {
                CutShape::Capsule { a: from, b: at, radius: 40 + random.below(300) }
            };
            CutOp { classes, shape }
        })
        .collect()
}

/// Whether a brick holds anything of a field.
pub(crate) fn stored(field: &SparseField, brick: BrickIndex) -> bool {
    matches!(field.brick(brick), BrickState::Samples(_))
}
