//! The canal's own axis: the curve through the middle of the dural sac.

use super::frame::LocalFrame;
use super::vector::{Vec3, add, dot, mix, norm, scale, sub, unit};
use crate::field::BrickState;
use crate::grid::{BRICK, BRICK_VOXELS, Grid};
use crate::label::Label;
use crate::patient::Patient;

/// Smallest section that counts as sac, mm²: its last tip has no direction.
const LEAST_SECTION_MM2: f64 = 12.0;
/// Shortest axis, mm.
const LEAST_LENGTH_MM: f64 = 8.0;
/// Half the width of the window that smooths the layers' centres, mm.
const SMOOTH_MM: f64 = 5.0;
/// Half the chord whose direction is the axis's, mm.
const CHORD_MM: f64 = 4.0;

/// A curve from the lower end of the dural sac upwards, one point a millimetre.
#[derive(Clone, Debug, PartialEq)]
pub struct CanalAxis {
    points: Vec<[f64; 3]>,
}

impl CanalAxis {
    /// The axis of a patient's dural sac and cord: the centres of their layers along z, smoothed over ±5 mm. None when the patient has no
    /// sac or less than 8 mm of it.
    pub fn find(patient: &Patient) -> Option<Self> {
        let grid = patient.grid();
        let mut layers = vec![[0_i64; 3]; grid.voxels()[2] as usize];
        for label in [Label::SPINAL_CORD, Label::DURAL_SAC] {
            if let Some(structure) = patient.structure(label) {
                gather(grid, &structure.sdf, &mut layers);
            }
        }
        let least = (LEAST_SECTION_MM2 / (grid.spacing_mm() * grid.spacing_mm())).ceil() as i64;
        let run = longest_run(layers.iter().map(|layer| layer[0] >= least));
        let centres: Vec<Vec3> = run
            .filter_map(|z| {
                let [count, x, y] = *layers.get(z)?;
                let mean = |sum: i64| sum as f64 / count as f64;
                Some(grid.patient_from_index([mean(x), mean(y), z as f64]))
            })
            .collect();
        let window = (SMOOTH_MM / grid.spacing_mm()).round() as usize;
        let points = resampled(&smoothed(&centres, window));
        (points.len() as f64 > LEAST_LENGTH_MM).then_some(Self { points })
    }

    /// Length of the axis, mm.
    pub fn length_mm(&self) -> f64 {
        self.points.len().saturating_sub(1) as f64
    }

    /// The place `along_mm` from the lower end, patient LPS, mm; beyond the ends, the ends.
    pub fn at(&self, along_mm: f64) -> [f64; 3] {
        let last = self.points.len().saturating_sub(1);
        let along = if along_mm.is_nan() { 0.0 } else { along_mm.clamp(0.0, last as f64) };
        let k = (along as usize).min(last.saturating_sub(1));
        let (a, b) = (self.points[k], self.points[(k + 1).min(last)]);
        mix(a, b, along - k as f64)
    }

    /// The axis's direction upwards at a place, as that of a chord of ±`half_mm`: a unit vector in patient LPS.
    pub fn chord(&self, along_mm: f64, half_mm: f64) -> [f64; 3] {
        // Short of room at an end the chord stays as long as it can be.
        let along = along_mm.clamp(half_mm.min(self.length_mm() / 2.0), (self.length_mm() - half_mm).max(self.length_mm() / 2.0));
        unit(sub(self.at(along + half_mm), self.at(along - half_mm))).unwrap_or([0.0, 0.0, 1.0])
    }

    /// The axis's direction upwards at a place: a unit vector in patient LPS.
    pub fn up(&self, along_mm: f64) -> [f64; 3] {
        self.chord(along_mm, CHORD_MM)
    }

    /// The plane across the axis at a place: up along the axis, x as near to `left` as that allows.
    pub fn section(&self, along_mm: f64, left: [f64; 3]) -> Option<LocalFrame> {
        LocalFrame::with_up(self.at(along_mm), self.up(along_mm), left)
    }

    /// The place on the axis whose section holds a position, mm from the lower end; positions beyond the ends get the ends.
    pub fn along(&self, at_mm: [f64; 3]) -> f64 {
        let distance = |p: &Vec3| norm(sub(at_mm, *p));
        let nearest = (0..self.points.len()).min_by(|a, b| distance(&self.points[*a]).total_cmp(&distance(&self.points[*b])));
        let mut along = nearest.unwrap_or(0) as f64;
        for _ in 0..24 {
            let off = dot(sub(at_mm, self.at(along)), self.up(along));
            along = (along + 0.7 * off).clamp(0.0, self.length_mm());
        }
        along
    }
}

/// Adds the voxels inside a field to their layers: count, sum of x, sum of y.
fn gather(grid: &Grid, field: &crate::field::SparseField, layers: &mut [[i64; 3]]) {
    for brick in (0..grid.brick_count() as u32).map(crate::grid::BrickIndex) {
        let state = field.brick(brick);
        if state == BrickState::Outside {
            continue;
        }
        let first = grid.brick_coords(brick).map(|v| v * BRICK as i32);
        for at in 0..BRICK_VOXELS {
            let inside = match state {
                BrickState::Samples(samples) => samples[at] < 0,
                _ => true,
            };
            if inside && let Some(layer) = layers.get_mut(first[2] as usize + at / (BRICK * BRICK)) {
                layer[0] += 1;
                layer[1] += i64::from(first[0]) + (at % BRICK) as i64;
                layer[2] += i64::from(first[1]) + (at / BRICK % BRICK) as i64;
            }
        }
    }
}

/// The longest run of true; of several the first.
pub(super) fn longest_run(flags: impl Iterator<Item = bool>) -> std::ops::Range<usize> {
    let (mut best, mut start, mut end) = (0..0, 0, 0);
    for (k, flag) in flags.enumerate() {
        if !flag {
            start = k + 1;
        }
        end = k + 1;
        if end - start.min(end) > best.len() {
            best = start..end;
        }
    }
    debug_assert!(best.end <= end);
    best
}

/// Means over windows that are symmetric about each point, and shorter near the ends.
fn smoothed(points: &[Vec3], window: usize) -> Vec<Vec3> {
    let last = points.len().saturating_sub(1);
    (0..points.len())
        .map(|k| {
            let half = window.min(k).min(last - k);
            let part = &points[k - half..=k + half];
            scale(part.iter().fold([0.0; 3], |sum, p| add(sum, *p)), 1.0 / part.len() as f64)
        })
        .collect()
}

/// Points a millimetre of way apart.
fn resampled(points: &[Vec3]) -> Vec<Vec3> {
    let Some(first) = points.first() else { return Vec::new() };
    let mut out = vec![*first];
    let mut left = 1.0;
    for pair in points.windows(2) {
        let long = norm(sub(pair[1], pair[0]));
        let mut done = 0.0;
        while long - done >= left && long > 0.0 {
            done += left;
            left = 1.0;
            out.push(mix(pair[0], pair[1], done / long));
        }
        left -= long - done;
    }
    out
}
