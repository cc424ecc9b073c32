//! Where in the spine something happened: its level and side.

use serde::Serialize;
use spinor_volume::{BRICK, BrickState, Grid, Label, Patient, SparseField, TissueClass};

/// Half-width of what counts as the middle, mm (K).
const MIDDLE_MM: f64 = 3.0;

/// A side of the patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The patient's left.
    Left,
    /// Within 3 mm of the middle of the dural sac.
    Middle,
    /// The patient's right.
    Right,
}

impl Side {
    /// One word for reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Middle => "middle",
            Self::Right => "right",
        }
    }
}

/// Levels by height and the middle of the canal.
#[derive(Clone, Debug)]
pub struct Places {
    /// Vertebrae and sacrum with the height of their middle, mm.
    levels: Vec<(String, f64)>,
    /// Height and x of the sac's middle, by layer of bricks, mm.
    middle: Vec<[f64; 2]>,
}

impl Places {
    /// The places of a patient.
    pub fn of(patient: &Patient) -> Self {
        let grid = patient.grid();
        let bones = patient.structures().iter().filter(|s| s.class == TissueClass::Bone);
        let levels = bones.filter_map(|s| Some((s.label.level()?, middle_z(grid, &s.sdf)?))).collect();
        let middle = patient.structure(Label::DURAL_SAC).map(|s| middles(grid, &s.sdf)).unwrap_or_default();
        Self { levels, middle }
    }

    /// The level whose vertebra's middle lies nearest in height.
    pub fn level(&self, z_mm: f64) -> Option<&str> {
        self.levels.iter().min_by(|a, b| (a.1 - z_mm).abs().total_cmp(&(b.1 - z_mm).abs())).map(|(name, _)| name.as_str())
    }

    /// The level that a height belongs to, from the middle of its vertebra to that of the one below: what lies between L4's middle and L5's is
    /// L4, as its disc, flavum and joints are. The nearest one above all.
    pub fn level_at(&self, z_mm: f64) -> Option<&str> {
        let above = self.levels.iter().filter(|(_, middle)| *middle >= z_mm).min_by(|a, b| a.1.total_cmp(&b.1));
        above.map(|(name, _)| name.as_str()).or_else(|| self.level(z_mm))
    }

    /// The side of a position; the middle where there is no dural sac to measure from.
    pub fn side(&self, at_mm: [f64; 3]) -> Side {
        let nearest = self.middle.iter().min_by(|a, b| (a[0] - at_mm[2]).abs().total_cmp(&(b[0] - at_mm[2]).abs()));
        match nearest.map_or(0.0, |[_, x]| at_mm[0] - x) {
            off if off > MIDDLE_MM => Side::Left,
            off if off < -MIDDLE_MM => Side::Right,
            _ => Side::Middle,
        }
    }
}

/// Mean height of the bricks that a structure's surface passes through.
fn middle_z(grid: &Grid, sdf: &SparseField) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0.0);
    for (brick, _) in sdf.stored() {
        let z = grid.brick_coords(brick)[2] * BRICK as i32 + BRICK as i32 / 2;
        sum += grid.patient_from_index([0.0, 0.0, f64::from(z)])[2];
        n += 1.0;
    }
    (n > 0.0).then(|| sum / n)
}

/// The mean x of what is inside, by layer of bricks.
fn middles(grid: &Grid, sdf: &SparseField) -> Vec<[f64; 2]> {
    let [nx, ny, nz] = grid.bricks().map(|n| n as i32);
    let edge = BRICK as i32;
    let mut out = Vec::new();
    for bz in 0..nz {
        let (mut sum, mut n) = (0.0, 0.0);
        for (bx, by) in (0..ny).flat_map(|by| (0..nx).map(move |bx| (bx, by))) {
            let Some(brick) = grid.brick_at([bx, by, bz]) else { continue };
            let mut count = |k: usize| {
                sum += f64::from(bx * edge + (k % BRICK) as i32);
                n += 1.0;
            };
            match sdf.brick(brick) {
                BrickState::Outside => {}
                BrickState::Inside => (0..BRICK * BRICK * BRICK).for_each(&mut count),
                BrickState::Samples(samples) => samples.iter().enumerate().filter(|(_, s)| **s < 0).for_each(|(k, _)| count(k)),
            }
        }
        if n > 0.0 {
            let at = grid.patient_from_index([sum / n, 0.0, f64::from(bz * edge + edge / 2)]);
            out.push([at[2], at[0]]);
        }
    }
    out
}
