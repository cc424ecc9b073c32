//! Where a scripted hand cuts: back and forth over the laminae of a real or synthetic spine.

use spinor_sim::Pose;
use spinor_volume::cut::CutState;
use spinor_volume::query::class_sdf_mm;
use spinor_volume::{BRICK, Label, Patient, Structure, TissueClass};

/// Speed of the tip, mm/s.
const SPEED: f64 = 20.0;
/// How much deeper every pass goes, mm.
const DEEPER: f64 = 0.35;
/// Lateral distance of the laminae from the midline, mm.
const SIDE: f64 = 9.0;
/// Length of a pass, mm.
const LENGTH: f64 = 12.0;
/// Passes on one spot before the hand moves on.
const PASSES: usize = 8;

/// Shaft towards the back: `patient_from_tool` turns +z to +y.
const TURN: [i16; 4] = [-23_170, 0, 0, 23_170];

/// A scripted hand: a tip that follows a polyline at a steady speed, over and over.
#[derive(Clone, Debug)]
pub struct Stroke {
    points_mm: Vec<[f64; 3]>,
    lengths: Vec<f64>,
}

impl Stroke {
    /// The `n`-th hand's stroke on a patient, each on another lamina; none where the patient has no bone.
    ///
    /// `radius_mm` is the burr's. The tip starts on the surface of the bone that faces the back.
    pub fn over_lamina(patient: &Patient, n: usize, radius_mm: f64) -> Option<Self> {
        let bones: Vec<&Structure> = patient.structures().iter().filter(|s| s.class == TissueClass::Bone).collect();
        let lumbar: Vec<&Structure> = bones.iter().copied().filter(|s| (41..=45).contains(&s.label.0)).collect::<Vec<_>>();
        let choice = if lumbar.is_empty() { &bones } else { &lumbar };
        let count = choice.len();
        // Whoever has no bone of the row finds the next one's.
        (0..2 * count.max(1)).find_map(|k| {
            let structure = choice.get((n / 2 + k) % count.max(1))?;
            let side = if (n + k / count.max(1)).is_multiple_of(2) { SIDE } else { -SIDE };
            Self::over(patient, structure, side, radius_mm)
        })
    }

    fn over(patient: &Patient, structure: &Structure, side: f64, radius_mm: f64) -> Option<Self> {
        let (low, high) = bounds(patient, structure)?;
        let cut = CutState::new(patient.grid());
        let sac = patient.structure(Label::DURAL_SAC).and_then(|sac| bounds(patient, sac));
        let middle = sac.map_or((low[0] + high[0]) / 2.0, |(l, h)| (l[0] + h[0]) / 2.0);
        let x = middle + side;
        let half = (high[2] - low[2]) / 2.0;
        let centre = low[2] + half;
        let length = LENGTH.min(half);
        let surface = |x: f64, z: f64| {
            let steps = ((high[1] - low[1]) / 0.4) as usize;
            (0..steps)
                .map(|k| high[1] - k as f64 * 0.4)
                .find(|y| class_sdf_mm(patient, &cut, TissueClass::Bone, [x, *y, z]) < 0.0)
        };
        let mut points_mm = Vec::new();
        for pass in 0..PASSES {
            let depth = pass as f64 * DEEPER;
            let x = x + if pass.is_multiple_of(2) { 0.0 } else { 0.8 };
            let along = (0..=24).map(|k| centre - length / 2.0 + length * f64::from(k) / 24.0);
            let mut line: Vec<[f64; 3]> =
                along.filter_map(|z| surface(x, z).map(|y| [x, y + radius_mm * 0.6 - depth, z])).collect();
            if pass % 2 == 1 {
                line.reverse();
            }
            points_mm.extend(line);
        }
        if points_mm.len() < 4 {
            return None;
        }
        let mut lengths = vec![0.0];
        for pair in points_mm.windows(2) {
            let step: f64 = (0..3).map(|k| (pair[1][k] - pair[0][k]).powi(2)).sum::<f64>().sqrt();
            lengths.push(lengths.last().copied().unwrap_or(0.0) + step);
        }
        Some(Self { points_mm, lengths })
    }

    /// The hand's pose after `seconds`.
    pub fn pose(&self, seconds: f64) -> Pose {
        let total = self.lengths.last().copied().unwrap_or(1.0).max(0.1);
        let at = (seconds.max(0.0) * SPEED) % total;
        let n = self.lengths.partition_point(|length| *length <= at).clamp(1, self.points_mm.len() - 1);
        let (from, to) = (self.points_mm[n - 1], self.points_mm[n]);
        let span = (self.lengths[n] - self.lengths[n - 1]).max(1e-9);
        let t = ((at - self.lengths[n - 1]) / span).clamp(0.0, 1.0);
        let mut tip_um = [0; 3];
        for k in 0..3 {
            tip_um[k] = ((from[k] + (to[k] - from[k]) * t) * 1000.0).round() as i32;
        }
        Pose { tip_um, turn: TURN }
    }

    /// A pose well behind the patient's back, where a tool touches nothing.
    pub fn rest(&self) -> Pose {
        let mut pose = self.pose(0.0);
        pose.tip_um[1] += 60_000;
        pose
    }
}

/// The box around a structure's surface, mm.
fn bounds(patient: &Patient, structure: &Structure) -> Option<([f64; 3], [f64; 3])> {
    let grid = patient.grid();
    let (mut low, mut high) = ([i32::MAX; 3], [i32::MIN; 3]);
    for (brick, _) in structure.sdf.stored() {
        let at = grid.brick_coords(brick);
        for k in 0..3 {
            low[k] = low[k].min(at[k]);
            high[k] = high[k].max(at[k]);
        }
    }
    (low[0] <= high[0]).then(|| {
        let edge = BRICK as f64;
        let low = grid.patient_from_index(low.map(|v| f64::from(v) * edge));
        let high = grid.patient_from_index(high.map(|v| f64::from(v + 1) * edge));
        (low, high)
    })
}
