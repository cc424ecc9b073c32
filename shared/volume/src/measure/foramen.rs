//! The widest ball that passes a foramen along its root.
//!
//! A ball's centre may go wherever no bone, disc or flavum is nearer than its radius and the root's own middle line is within
//! `CORRIDOR_MM`; the root itself gives way. The ball passes when it gets from the canal, medial to the pedicle's medial wall, to beyond
//! its lateral wall. Graded probes come in steps of 0.5 mm.

use std::collections::VecDeque;

use super::frame::Side;
use super::tissue::Tissue;
use super::vector::{Vec3, add, norm, scale, sub};
use super::vertebra::Vertebra;
use crate::cut::CutState;
use crate::field::BrickState;
use crate::grid::{BRICK, BRICK_VOXELS};
use crate::label::{Label, TissueClass};
use crate::patient::Patient;

/// How far from the root's middle line a probe may stray, mm (K): above it under the pedicle and below it over the disc.
const CORRIDOR_MM: f64 = 4.0;
/// Distance between places that a probe's centre is tried at, mm.
const STEP_MM: f64 = 0.5;
/// Distance between places where tissue is looked for, mm.
const TISSUE_STEP_MM: f64 = 0.4;
/// Probes: step and most, 1/10 mm of diameter.
const PROBE_STEP: u32 = 5;
const PROBE_MOST: u32 = 80;
/// Thickness of the slabs across the way out whose middles are the root's line, mm.
const SLAB_MM: f64 = 1.5;
/// How far past the pedicle's walls the way begins and ends, mm.
const BEYOND_MM: f64 = 1.0;

/// The widest probe that passes a foramen, 1/10 mm in steps of 5; 0 when not even 0.5 mm passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForamenProbe {
    /// Before any cut.
    pub before_tenth_mm: u32,
    /// Now.
    pub now_tenth_mm: u32,
}

/// The way of one root through its foramen.
#[derive(Clone, Debug, PartialEq)]
pub struct ForamenWay {
    /// Places along the root's middle line from the canal outwards, mm in patient LPS.
    pub line_mm: Vec<[f64; 3]>,
}

impl ForamenWay {
    /// The way of a vertebra's root on one side; none where the case lacks root or pedicle, or the root ends before the foramen does.
    pub fn find(patient: &Patient, vertebra: &Vertebra, side: Side) -> Option<Self> {
        let level = vertebra.label.0.checked_sub(40).filter(|n| (1..=5).contains(n))?;
        let root = patient.structure(Label::root(level, side == Side::Left))?;
        let pedicle = vertebra.pedicle(side)?;
        let (from, to) = (pedicle.medial_mm - BEYOND_MM, pedicle.lateral_mm + BEYOND_MM);
        let grid = patient.grid();
        let mut slabs: Vec<(u32, Vec3)> = vec![(0, [0.0; 3]); 64];
        for brick in (0..grid.brick_count() as u32).map(crate::grid::BrickIndex) {
            let state = root.sdf.brick(brick);
            if state == BrickState::Outside {
                continue;
            }
            let first = grid.brick_coords(brick).map(|v| v * BRICK as i32);
            for at in 0..BRICK_VOXELS {
                let inside = match state {
                    BrickState::Samples(samples) => samples[at] < 0,
                    _ => true,
                };
                if inside {
                    let place = [at % BRICK, at / BRICK % BRICK, at / (BRICK * BRICK)];
                    let p = grid.patient_from_index([0, 1, 2].map(|k| f64::from(first[k]) + place[k] as f64));
                    let x = vertebra.frame.local(p)[0] * side.sign();
                    let slab = ((x - from) / SLAB_MM).floor();
                    if x < to + SLAB_MM
                        && slab >= -1.0
                        && let Some((count, sum)) = slabs.get_mut((slab + 1.0) as usize)
                    {
                        *count += 1;
                        *sum = add(*sum, p);
                    }
                }
            }
        }
        // A slab outside the first and one beyond the last close the way.
        let needed = ((to - from) / SLAB_MM).ceil() as usize;
        let reaches = slabs.iter().take(needed + 2).rposition(|(count, _)| *count > 0)? >= needed;
        let line_mm: Vec<Vec3> = slabs
            .iter()
            .take(needed + 2)
            .filter(|(count, _)| *count > 0)
            .map(|(n, sum)| scale(*sum, 1.0 / f64::from(*n)))
            .collect();
        (reaches && line_mm.len() >= 4).then_some(Self { line_mm })
    }

    /// Distance of a position from the line, and how far along the line its nearest place lies (0 start, 1 end).
    fn near(&self, p: Vec3) -> (f64, f64) {
        let mut best = (f64::INFINITY, 0.0);
        let segments = self.line_mm.len().saturating_sub(1).max(1) as f64;
        for (k, pair) in self.line_mm.windows(2).enumerate() {
            let (ab, ap) = (sub(pair[1], pair[0]), sub(p, pair[0]));
            let long = super::vector::dot(ab, ab).max(1e-12);
            let t = (super::vector::dot(ap, ab) / long).clamp(0.0, 1.0);
            let d = norm(sub(ap, scale(ab, t)));
            if d < best.0 {
                best = (d, (k as f64 + t) / segments);
            }
        }
        best
    }

    /// The widest probe that passes, 1/10 mm.
    pub fn probe_tenth_mm(&self, patient: &Patient, cut: &CutState) -> u32 {
        let places = Places::new(self, patient, cut);
        let mut widest = 0;
        for probe in (1..=PROBE_MOST / PROBE_STEP).map(|n| n * PROBE_STEP) {
            if !places.passes(f64::from(probe) / 20.0) {
                break;
            }
            widest = probe;
        }
        widest
    }
}

/// Places a probe's centre may be at, with the room around each.
struct Places {
    counts: [usize; 3],
    /// Distance to the nearest tissue, mm; negative where the corridor does not reach.
    room: Vec<f64>,
    /// Nodes at the way's beginning and end.
    ends: [Vec<usize>; 2],
}

impl Places {
    fn new(way: &ForamenWay, patient: &Patient, cut: &CutState) -> Self {
        let margin = CORRIDOR_MM + STEP_MM;
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for p in &way.line_mm {
            for k in 0..3 {
                low[k] = low[k].min(p[k] - margin);
                high[k] = high[k].max(p[k] + margin);
            }
        }
        let counts = [0, 1, 2].map(|k| ((high[k] - low[k]) / STEP_MM).ceil().clamp(1.0, 400.0) as usize + 1);
        let tissue = Surface::new(patient, cut, low, high);
        let mut places = Self { counts, room: Vec::new(), ends: [Vec::new(), Vec::new()] };
        for at in 0..counts.iter().product() {
            let node = [at % counts[0], at / counts[0] % counts[1], at / (counts[0] * counts[1])];
            let p = [0, 1, 2].map(|k| low[k] + node[k] as f64 * STEP_MM);
            let (off, along) = way.near(p);
            if off > CORRIDOR_MM {
                places.room.push(-1.0);
                continue;
            }
            let segments = way.line_mm.len().saturating_sub(1).max(1) as f64;
            if along * segments <= 1.0 {
                places.ends[0].push(at);
            } else if along * segments >= segments - 1.0 {
                places.ends[1].push(at);
            }
            places.room.push(tissue.room(p));
        }
        places
    }

    /// Whether a ball gets from the beginning to the end.
    fn passes(&self, radius_mm: f64) -> bool {
        let mut seen = vec![false; self.room.len()];
        let mut waiting: VecDeque<usize> = self.ends[0].iter().copied().filter(|k| self.room[*k] >= radius_mm).collect();
        for k in &waiting {
            seen[*k] = true;
        }
        let mut end = vec![false; self.room.len()];
        for k in &self.ends[1] {
            end[*k] = true;
        }
        let [nx, ny, nz] = self.counts.map(|n| n as i32);
        while let Some(at) = waiting.pop_front() {
            if end[at] {
                return true;
            }
            let n = at as i32;
            let [x, y, z] = [n % nx, n / nx % ny, n / (nx * ny)];
            for k in 0..27 {
                let [u, v, w] = [x + k % 3 - 1, y + k / 3 % 3 - 1, z + k / 9 - 1];
                if (0..nx).contains(&u) && (0..ny).contains(&v) && (0..nz).contains(&w) {
                    let next = (u + nx * (v + ny * w)) as usize;
                    if !seen[next] && self.room[next] >= radius_mm {
                        seen[next] = true;
                        waiting.push_back(next);
                    }
                }
            }
        }
        false
    }
}

/// Tissue that stops a probe, as nodes just inside its surface with their depth.
struct Surface {
    low: Vec3,
    counts: [usize; 3],
    /// How deep each node lies inside tissue, mm; negative outside.
    depth: Vec<f64>,
    /// Offsets to nodes around one, nearest first, with their lengths, mm.
    offsets: Vec<([i32; 3], f64)>,
}

impl Surface {
    fn new(patient: &Patient, cut: &CutState, low: Vec3, high: Vec3) -> Self {
        let most = f64::from(PROBE_MOST) / 20.0 + 1.0;
        let low = low.map(|v| v - most);
        let counts = [0, 1, 2].map(|k| ((high[k] + most - low[k]) / TISSUE_STEP_MM).ceil().clamp(1.0, 600.0) as usize + 1);
        let solid = patient.structures().iter().enumerate().filter(|(_, s)| s.class != TissueClass::Neural).map(|(k, _)| k);
        let tissue = Tissue::new(patient, cut, solid.filter(|k| reaches(patient, *k, low, high.map(|v| v + most))));
        let depth = (0..counts.iter().product())
            .map(|at: usize| {
                let node = [at % counts[0], at / counts[0] % counts[1], at / (counts[0] * counts[1])];
                -tissue.after([0, 1, 2].map(|k| low[k] + node[k] as f64 * TISSUE_STEP_MM))
            })
            .collect();
        let reach = (most / TISSUE_STEP_MM).ceil() as i32;
        let mut offsets: Vec<([i32; 3], f64)> = Vec::new();
        for z in -reach..=reach {
            for y in -reach..=reach {
                for x in -reach..=reach {
                    let long = f64::from(x * x + y * y + z * z).sqrt() * TISSUE_STEP_MM;
                    if long <= most {
                        offsets.push(([x, y, z], long));
                    }
                }
            }
        }
        offsets.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        Self { low, counts, depth, offsets }
    }

    /// Distance from a place to the nearest tissue, mm, up to the widest probe's radius and a little; negative inside. A node inside tissue
    /// at depth d has a ball of that radius around it inside too, so tissue is no farther than the way to the node less d.
    fn room(&self, p: Vec3) -> f64 {
        let near: [i32; 3] = std::array::from_fn(|k| ((p[k] - self.low[k]) / TISSUE_STEP_MM).round() as i32);
        let most = f64::from(PROBE_MOST) / 20.0 + 0.5;
        let mut best = most;
        for (offset, long) in &self.offsets {
            // Deeper than two steps a node does not touch the surface's side of the tissue, and the place lies within half a cell of `near`.
            if long - 0.9 * TISSUE_STEP_MM - 2.0 * TISSUE_STEP_MM > best {
                break;
            }
            let node: [i32; 3] = std::array::from_fn(|k| near[k] + offset[k]);
            if (0..3).any(|k| node[k] < 0 || node[k] >= self.counts[k] as i32) {
                continue;
            }
            let [x, y, z] = node.map(|v| v as usize);
            let depth = self.depth[x + self.counts[0] * (y + self.counts[1] * z)];
            if depth >= 0.0 {
                let at: Vec3 = std::array::from_fn(|k| self.low[k] + f64::from(node[k]) * TISSUE_STEP_MM);
                best = best.min(norm(sub(at, p)) - depth.min(2.0 * TISSUE_STEP_MM));
            }
        }
        best
    }
}

/// Whether a structure has a brick in the box between two corners.
fn reaches(patient: &Patient, structure: usize, low: Vec3, high: Vec3) -> bool {
    let grid = patient.grid();
    let Some(s) = patient.structures().get(structure) else { return false };
    let brick = |p: Vec3| grid.index_from_patient(p).map(|v| (v.floor() as i32).div_euclid(BRICK as i32));
    let (first, last) = (brick(low), brick(high));
    (first[2]..=last[2]).any(|z| {
        (first[1]..=last[1]).any(|y| {
            (first[0]..=last[0]).any(|x| grid.brick_at([x, y, z]).is_some_and(|b| s.sdf.brick(b) != BrickState::Outside))
        })
    })
}
