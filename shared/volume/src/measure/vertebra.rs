//! One vertebra's landmarks, from its own distance field and the canal's axis.

use super::axis::{CanalAxis, longest_run};
use super::frame::{LocalFrame, Side};
use super::ray::{enter, leave};
use super::vector::{Vec3, add, mean, quantile, scale, sub};
use crate::field::{BrickState, SparseField};
use crate::grid::{BRICK, Grid, VoxelIndex};
use crate::label::Label;
use crate::patient::Structure;
use crate::query::sdf_mm;

/// Distance between the voxels that stand for the bone while its frame is sought, mm.
const LATTICE_MM: f64 = 0.8;
/// Where a bone's two sides are compared, local mm: beside the canal, not as far as the tips of the transverse processes.
const SIDE_X_MM: [f64; 2] = [8.0, 24.0];
const SIDE_Y_MM: [f64; 2] = [-4.0, 30.0];
const SIDE_Z_MM: f64 = 16.0;
/// How far in front of the canal's middle bone counts as the body, mm.
const BODY_MM: f64 = 10.0;
/// How much of the sacrum from its top is looked at, mm.
const SACRUM_MM: f64 = 30.0;
/// How far behind the body's back wall the pedicles are measured, mm: behind the rim's curve, in front of the processes.
const PEDICLE_DEPTH_MM: [f64; 2] = [3.0, 6.0];
/// Widest distance from the midline to a pedicle's lateral wall, mm.
const PEDICLE_REACH_MM: f64 = 34.0;
/// How far behind the canal's middle a lamina may begin, mm.
const ROOF_REACH_MM: f64 = 28.0;
/// Where beside the midline a lamina is looked for, mm: beside the root of the spinous process.
const LAMINA_X_MM: f64 = 5.0;
/// Heights at which a lamina is looked for, mm from the body's middle.
const LAMINA_Z_MM: [i32; 2] = [-36, 20];

/// One pedicle, in its vertebra's frame. All values are of the uncut bone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pedicle {
    /// Distance from the midline to its medial wall, mm.
    pub medial_mm: f64,
    /// Distance from the midline to its lateral wall, mm.
    pub lateral_mm: f64,
    /// Height of its lower edge, mm.
    pub low_mm: f64,
    /// Height of its upper edge, mm.
    pub high_mm: f64,
    /// y of the depth it was measured at, mm.
    pub depth_mm: f64,
}

/// The lamina, in its vertebra's frame. All values are of the uncut bone.
#[derive(Clone, Debug, PartialEq)]
pub struct Lamina {
    /// Height of its lower edge 5 mm beside the midline, mm.
    pub low_mm: f64,
    /// Height of its upper edge there, mm.
    pub high_mm: f64,
    /// y of its deep surface (the canal's roof) there, for every millimetre from `low_mm` up, the mean of both sides.
    pub roof_mm: Vec<f64>,
    /// Its thickness along y there, half-way up, mm.
    pub thickness_mm: f64,
    /// y at which the spinous process begins: the lamina's outer surface half-way up, mm.
    pub back_mm: f64,
}

impl Lamina {
    /// y of the deep surface at a height, 5 mm beside the midline, in the vertebra's frame, mm; that of the nearest height where the lamina
    /// ends.
    pub fn roof_at(&self, z_mm: f64) -> f64 {
        let last = self.roof_mm.len().saturating_sub(1);
        let k = (z_mm - self.low_mm).round().clamp(0.0, last as f64) as usize;
        self.roof_mm.get(k).copied().unwrap_or(0.0)
    }
}

/// The isthmus between the two joints of one side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pars {
    /// Heights between which the narrowest place is looked for, mm in the vertebra's frame: from the upper end of the joint below to the
    /// lower edge of the pedicle.
    pub low_mm: f64,
    /// The upper of the two heights.
    pub high_mm: f64,
}

/// A vertebra's landmarks. Everything but the frame is missing where the bone does not show it: half a vertebra at the image's edge.
#[derive(Clone, Debug, PartialEq)]
pub struct Vertebra {
    /// Which one.
    pub label: Label,
    /// Its place in the patient's structures.
    pub structure: usize,
    /// Its own frame: origin on its midline plane, where the plane across the canal through the middle of the body meets the canal's
    /// axis; for the sacrum that of its first segment.
    pub frame: LocalFrame,
    /// Place of the origin on the canal's axis, mm from the lower end.
    pub along_mm: f64,
    /// y of the body's back wall, mm (negative: in front of the axis).
    pub wall_mm: Option<f64>,
    /// Left, then right.
    pub pedicles: [Option<Pedicle>; 2],
    /// The lamina.
    pub lamina: Option<Lamina>,
    /// Left, then right; needs the joint below.
    pub pars: [Option<Pars>; 2],
}

impl Vertebra {
    /// Finds a vertebra's frame and its landmarks but the pars. None for a bone without voxels.
    pub(super) fn find(grid: &Grid, structure: usize, bone: &Structure, axis: &CanalAxis) -> Option<Self> {
        let mut points = lattice(grid, &bone.sdf);
        if bone.label == Label::SACRUM {
            let top = points.iter().map(|p| p[2]).fold(f64::NEG_INFINITY, f64::max);
            points.retain(|p| p[2] > top - SACRUM_MM);
        }
        let (frame, along_mm) = own_frame(axis, &points)?;
        let distance = |p: Vec3| sdf_mm(grid, &bone.sdf, p);
        let wall_mm = wall(&frame, distance);
        let pedicles = match wall_mm {
            Some(wall) => Side::BOTH.map(|side| pedicle(&frame, wall, side, distance)),
            None => [None; 2],
        };
        let lamina = lamina(&frame, distance);
        Some(Self { label: bone.label, structure, frame, along_mm, wall_mm, pedicles, lamina, pars: [None; 2] })
    }

    /// One side's pedicle.
    pub fn pedicle(&self, side: Side) -> Option<&Pedicle> {
        self.pedicles[side as usize].as_ref()
    }

    /// One side's pars.
    pub fn pars(&self, side: Side) -> Option<&Pars> {
        self.pars[side as usize].as_ref()
    }

    /// The middle of one side's pedicle in patient LPS, mm.
    pub fn pedicle_mm(&self, side: Side) -> Option<[f64; 3]> {
        let p = self.pedicle(side)?;
        let x = side.sign() * (p.medial_mm + p.lateral_mm) / 2.0;
        Some(self.frame.patient([x, p.depth_mm, (p.low_mm + p.high_mm) / 2.0]))
    }
}

/// Voxels inside a bone about 0.8 mm apart, in patient LPS.
fn lattice(grid: &Grid, field: &SparseField) -> Vec<Vec3> {
    let step = ((LATTICE_MM / grid.spacing_mm()).round() as usize).clamp(1, BRICK);
    let mut points = Vec::new();
    for brick in (0..grid.brick_count() as u32).map(crate::grid::BrickIndex) {
        let state = field.brick(brick);
        if state == BrickState::Outside {
            continue;
        }
        let first = grid.brick_coords(brick).map(|v| v * BRICK as i32);
        for z in (0..BRICK).step_by(step) {
            for y in (0..BRICK).step_by(step) {
                for x in (0..BRICK).step_by(step) {
                    let inside = match state {
                        BrickState::Samples(samples) => samples[x + BRICK * (y + BRICK * z)] < 0,
                        _ => true,
                    };
                    if inside {
                        let voxel = VoxelIndex([first[0] + x as i32, first[1] + y as i32, first[2] + z as i32]);
                        points.push(grid.patient_from_index(voxel.0.map(f64::from)));
                    }
                }
            }
        }
    }
    points
}

/// A bone's own frame, and where its origin lies on the axis.
///
/// Up is the axis's direction over ±12 mm, so that a stenosis does not tilt it; left is the line between the middles of the bone's two
/// halves beside the canal, through whose middle the midline plane goes.
fn own_frame(axis: &CanalAxis, points: &[Vec3]) -> Option<(LocalFrame, f64)> {
    const PATIENT_LEFT: Vec3 = [1.0, 0.0, 0.0];
    let middle = mean(points.iter().copied())?;
    let along = axis.along(middle);
    let first = LocalFrame::with_up(axis.at(along), axis.chord(along, 12.0), PATIENT_LEFT)?;
    let body = mean(points.iter().copied().filter(|p| first.local(*p)[1] < -BODY_MM));
    let along = body.map_or(along, |body| axis.along(body));
    let (origin, up) = (axis.at(along), axis.chord(along, 12.0));
    let mut frame = LocalFrame::with_up(origin, up, PATIENT_LEFT)?;
    for _ in 0..3 {
        let half = |side: Side| {
            mean(points.iter().copied().filter(|p| {
                let [x, y, z] = frame.local(*p);
                let x = x * side.sign();
                (SIDE_X_MM[0]..SIDE_X_MM[1]).contains(&x) && (SIDE_Y_MM[0]..SIDE_Y_MM[1]).contains(&y) && z.abs() < SIDE_Z_MM
            }))
        };
        let (Some(left), Some(right)) = (half(Side::Left), half(Side::Right)) else { break };
        let Some(turned) = LocalFrame::with_up(origin, up, sub(left, right)) else { break };
        let middle = turned.local(scale(add(left, right), 0.5));
        frame = turned.moved([middle[0], 0.0, 0.0]);
    }
    Some((frame, along))
}

/// y of the body's back wall: the median over lines forwards from the canal's middle.
fn wall(frame: &LocalFrame, distance: impl Fn(Vec3) -> f64) -> Option<f64> {
    let mut walls = Vec::new();
    for z in [-6.0, -3.0, 0.0, 3.0, 6.0] {
        for x in [-3.0, 0.0, 3.0] {
            let way = enter(&distance, frame.patient([x, 0.0, z]), scale(frame.back, -1.0), 25.0);
            walls.extend(way.filter(|way| *way > 0.5).map(|way| -way));
        }
    }
    if walls.len() < 5 {
        return None;
    }
    quantile(&mut walls, 0.5)
}

/// A pedicle: bone beside the canal just behind the body. Its edges are where a millimetre's share of it falls under half its greatest.
fn pedicle(frame: &LocalFrame, wall: f64, side: Side, distance: impl Fn(Vec3) -> f64) -> Option<Pedicle> {
    const BINS: usize = 60;
    let filled = |z: usize| -> u32 {
        let z = z as f64 + 0.5 - BINS as f64 / 2.0;
        let depth = |n: u32| wall + PEDICLE_DEPTH_MM[0] + f64::from(n);
        let at = |x: u32, n: u32| frame.patient([side.sign() * f64::from(x), depth(n), z]);
        (0..=3)
            .flat_map(|n| (5..PEDICLE_REACH_MM as u32).map(move |x| (x, n)))
            .filter(|(x, n)| distance(at(*x, *n)) < 0.0)
            .count() as u32
    };
    let heights: [u32; BINS] = std::array::from_fn(filled);
    let most = heights.iter().copied().max().filter(|most| *most > 4)?;
    let run = longest_run(heights.iter().map(|n| 2 * n >= most));
    let edge = |inner: usize, outer: Option<usize>, at: f64, outwards: f64| {
        // Between the last bin above half and the first below it, in proportion.
        let (a, b) = (f64::from(heights[inner]), outer.and_then(|k| heights.get(k)).map_or(0.0, |n| f64::from(*n)));
        let share = if a > b { (a - f64::from(most) / 2.0) / (a - b) } else { 0.5 };
        at + outwards * (share.clamp(0.0, 1.0) - 0.5)
    };
    let low_mm = edge(run.start, run.start.checked_sub(1), run.start as f64 - BINS as f64 / 2.0, -1.0);
    let high_mm = edge(run.end - 1, Some(run.end), run.end as f64 - BINS as f64 / 2.0, 1.0);
    if high_mm - low_mm < 3.0 {
        return None;
    }
    let depth_mm = wall + (PEDICLE_DEPTH_MM[0] + PEDICLE_DEPTH_MM[1]) / 2.0;
    let (middle, outwards) = ((low_mm + high_mm) / 2.0, scale(frame.left, side.sign()));
    let (mut medial, mut lateral) = (Vec::new(), Vec::new());
    for dz in [-2.0, -1.0, 0.0, 1.0, 2.0] {
        let from = frame.patient([0.0, depth_mm, middle + dz]);
        let Some(near) = enter(&distance, from, outwards, PEDICLE_REACH_MM).filter(|x| *x > 3.0) else { continue };
        let inside = add(from, scale(outwards, near + 0.3));
        let wide = leave(&distance, inside, outwards, PEDICLE_REACH_MM).unwrap_or(PEDICLE_REACH_MM);
        medial.push(near);
        lateral.push((near + 0.3 + wide).min(PEDICLE_REACH_MM));
    }
    let (medial_mm, lateral_mm) = (quantile(&mut medial, 0.5)?, quantile(&mut lateral, 0.5)?);
    Some(Pedicle { medial_mm, lateral_mm, low_mm, high_mm, depth_mm })
}

/// The lamina: bone behind the canal, beside the midline.
fn lamina(frame: &LocalFrame, distance: impl Fn(Vec3) -> f64) -> Option<Lamina> {
    let roof = |z: f64| -> Option<f64> {
        let mut sum = 0.0;
        for side in Side::BOTH {
            let from = frame.patient([side.sign() * LAMINA_X_MM, 0.0, z]);
            sum += enter(&distance, from, frame.back, ROOF_REACH_MM).filter(|y| *y > 0.5)?;
        }
        Some(sum / 2.0)
    };
    let [first, last] = LAMINA_Z_MM;
    let roofs: Vec<Option<f64>> = (first..=last).map(|z| roof(f64::from(z))).collect();
    let run = longest_run(roofs.iter().map(Option::is_some));
    if run.len() < 3 {
        return None;
    }
    let roof_mm: Vec<f64> = roofs[run.clone()].iter().flatten().copied().collect();
    let low_mm = f64::from(first + run.start as i32);
    let high_mm = f64::from(first + run.end as i32 - 1);
    let (middle, k) = ((low_mm + high_mm) / 2.0, roof_mm.len() / 2);
    let deep = *roof_mm.get(k)?;
    let mut thick = Vec::new();
    for side in Side::BOTH {
        let from = frame.patient([side.sign() * LAMINA_X_MM, deep + 0.8, middle]);
        thick.extend(leave(&distance, from, frame.back, 15.0).map(|way| way + 0.8));
    }
    let thickness_mm = thick.iter().sum::<f64>() / thick.len().max(1) as f64;
    Some(Lamina { low_mm, high_mm, roof_mm, thickness_mm, back_mm: deep + thickness_mm })
}
