//! The place of an operation: two vertebrae with the canal between them, in a frame that follows the spine.

use spinor_volume::measure::Side;
use spinor_volume::query::sdf_mm;
use spinor_volume::{BRICK, BrickState, Grid, Label, Patient, Structure, VoxelIndex};
use thiserror::Error;

use super::roof::Roof;
use crate::vector::{Vec3, add, cross, dot, norm, scale, sub, unit};

/// Half the length of sac from which its direction is taken, mm.
const AXIS_MM: f64 = 12.0;
/// How far to the side pedicles are looked for, mm.
const PEDICLE_MM: f64 = 22.0;
/// How far to the side, and to the front and back, of its place at the disc the sac is looked for a vertebra's height below, mm: over 28 mm
/// a bend of 25° leads it 12 mm aside.
const SAC_ASIDE_MM: i32 = 16;
const SAC_ASTRAY_MM: i32 = 20;
/// Half the canal's width where no pedicle was found, mm (K).
const HALF_CANAL_MM: f64 = 11.5;

/// Why a patient has no such place.
#[derive(Debug, Error, PartialEq)]
pub enum SiteError {
    /// The vertebra above the disc is missing.
    #[error("the patient has no {0}")]
    Upper(Label),
    /// The vertebra below the disc is missing.
    #[error("the patient has nothing below {0}: neither the next vertebra nor the sacrum")]
    Lower(Label),
    /// No dural sac.
    #[error("the patient has no dural sac: what is to be decompressed is not known")]
    Sac,
    /// The sac does not reach from one vertebra to the other, or the vertebrae lie apart from it.
    #[error("the dural sac does not pass behind {0}")]
    Axis(Label),
}

/// The frame of a site: left, back, up, with the dural sac's middle at the disc as origin. All lengths mm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) origin_mm: Vec3,
    /// Unit vectors to the left, to the back and up along the sac, in patient LPS.
    pub(crate) axes: [Vec3; 3],
}

impl Frame {
    pub(crate) fn patient_from_site(&self, at: Vec3) -> Vec3 {
        let mut out = self.origin_mm;
        for k in 0..3 {
            out = add(out, scale(self.axes[k], at[k]));
        }
        out
    }

    pub(crate) fn site_from_patient(&self, at_mm: Vec3) -> Vec3 {
        let d = sub(at_mm, self.origin_mm);
        [dot(d, self.axes[0]), dot(d, self.axes[1]), dot(d, self.axes[2])]
    }
}

/// The place of an operation in one patient.
///
/// Its frame has the middle of the dural sac at the height of the disc as origin; its axes point to the patient's left, to the back, and
/// up along the sac. It turns with the spine, so it differs from patient LPS where the spine is bent.
#[derive(Clone, Debug)]
pub struct Site {
    /// The vertebra above the disc, 1 = L1 to 5 = L5.
    pub level: u16,
    /// Label of the vertebra above.
    pub upper: Label,
    /// Label of the vertebra below, or of the sacrum.
    pub lower: Label,
    /// Label of the flavum between them, where the patient has one.
    pub flavum: Option<Label>,
    /// Label of the disc, where the patient has one.
    pub disc: Option<Label>,
    /// Half the canal's width to the left and to the right: from the sac's middle to the lower vertebra's pedicles, mm.
    pub half_canal_mm: [f64; 2],
    /// Half the sac's width to the left and right at the disc, and how far it reaches to the front and back, mm.
    pub sac_mm: [f64; 4],
    /// How high the flavum reaches under the upper lamina, mm up.
    pub attach_mm: f64,
    /// How far in front of the origin the disc's back surface lies in the midline, mm (a positive number).
    pub disc_front_mm: f64,
    /// The disc's depth from back to front, mm.
    pub disc_depth_mm: f64,
    /// The canal's back wall.
    pub roof: Roof,
    frame: Frame,
}

impl Site {
    /// Finds the place of an operation below lumbar vertebra `level` (1 = L1 to 5 = L5) from the patient's structures alone.
    ///
    /// # Errors
    /// When one of the vertebrae or the sac is missing.
    pub fn find(patient: &Patient, level: u16) -> Result<Self, SiteError> {
        let upper = Label::lumbar(level);
        let above = patient.structure(upper).ok_or(SiteError::Upper(upper))?;
        let below = patient.structure(Label::lumbar(level + 1)).or_else(|| patient.structure(Label::SACRUM));
        let below = below.ok_or(SiteError::Lower(upper))?;
        let sac = patient.structure(Label::DURAL_SAC).ok_or(SiteError::Sac)?;
        let grid = patient.grid();
        let disc = patient.structure(Label::disc_below(level));
        let middle = match disc.and_then(|disc| centroid(grid, disc)) {
            Some(at) => at,
            None => {
                let (a, b) = (centroid(grid, above), centroid(grid, below));
                let (a, b) = (a.ok_or(SiteError::Upper(upper))?, b.ok_or(SiteError::Lower(upper))?);
                scale(add(a, b), 0.5)
            }
        };
        let frame = frame(grid, sac, middle).ok_or(SiteError::Axis(upper))?;
        let roof = Roof::build(patient, &frame, above);
        let flavum = patient.structure(Label::flavum_below(level));
        let reach = |structure: &Structure, way: Vec3, most: f64| {
            let steps = (most / 0.25) as i32;
            let inside = |k: &i32| sdf_mm(grid, &structure.sdf, frame.patient_from_site(scale(way, f64::from(*k) * 0.25))) < 0.0;
            (0..=steps).take_while(inside).last().map_or(0.0, |k| f64::from(k) * 0.25)
        };
        let sac_mm = [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 1.0, 0.0]].map(|way| reach(sac, way, 20.0));
        let half_canal_mm = Side::BOTH.map(|side| half_canal(grid, &frame, sac, below, side));
        let attach_mm = attachment(grid, &frame, &roof, flavum);
        let (disc_front_mm, disc_depth_mm) = disc_extent(grid, &frame, disc, sac_mm[2]);
        Ok(Self {
            level,
            upper,
            lower: below.label,
            flavum: flavum.map(|s| s.label),
            disc: disc.map(|s| s.label),
            half_canal_mm,
            sac_mm,
            attach_mm,
            disc_front_mm,
            disc_depth_mm,
            roof,
            frame,
        })
    }

    /// A place of the site's frame (left, back, up; mm) in patient LPS, mm.
    pub fn patient_from_site(&self, at: [f64; 3]) -> [f64; 3] {
        self.frame.patient_from_site(at)
    }

    /// A place in patient LPS, mm, in the site's frame.
    pub fn site_from_patient(&self, at_mm: [f64; 3]) -> [f64; 3] {
        self.frame.site_from_patient(at_mm)
    }

    /// A direction of the site's frame in patient LPS.
    pub fn turn_out(&self, way: [f64; 3]) -> [f64; 3] {
        sub(self.frame.patient_from_site(way), self.frame.origin_mm)
    }

    /// How far to a side the canal is unroofed, mm from the midline: short of the pedicle, so that the pars stays.
    pub fn unroofed_mm(&self, side: Side) -> f64 {
        (self.half_canal_mm[side as usize] - 1.5).clamp(7.0, 12.5)
    }

    /// The traversing root's label on a side: that of the level below.
    pub fn traversing_root(&self, side: Side) -> Label {
        Label::root(self.level + 1, matches!(side, Side::Left))
    }

    /// The exiting root's label on a side: that of the level itself.
    pub fn exiting_root(&self, side: Side) -> Label {
        Label::root(self.level, matches!(side, Side::Left))
    }
}

/// Middle of a structure's voxels, mm.
fn centroid(grid: &Grid, structure: &Structure) -> Option<Vec3> {
    let (mut sum, mut count) = ([0_i64; 3], 0_i64);
    voxels(grid, structure, |voxel| {
        for k in 0..3 {
            sum[k] += i64::from(voxel.0[k]);
        }
        count += 1;
    });
    (count > 0).then(|| grid.patient_from_index(sum.map(|s| s as f64 / count as f64)))
}

/// Calls `each` with every voxel of a structure whose centre is inside.
pub(crate) fn voxels(grid: &Grid, structure: &Structure, mut each: impl FnMut(VoxelIndex)) {
    let edge = BRICK as i32;
    for brick in 0..grid.brick_count() as u32 {
        let brick = spinor_volume::BrickIndex(brick);
        let state = structure.sdf.brick(brick);
        if state == BrickState::Outside {
            continue;
        }
        let first = grid.brick_coords(brick).map(|c| c * edge);
        for k in 0..spinor_volume::BRICK_VOXELS {
            let inside = match state {
                BrickState::Inside => true,
                BrickState::Samples(samples) => samples[k] < 0,
                BrickState::Outside => false,
            };
            if inside {
                let k = k as i32;
                each(VoxelIndex([first[0] + k % edge, first[1] + k / edge % edge, first[2] + k / (edge * edge)]));
            }
        }
    }
}

/// The frame around the sac's middle at the height of a disc.
fn frame(grid: &Grid, sac: &Structure, disc_mm: Vec3) -> Option<Frame> {
    // The sac's middle slice by slice.
    let nz = grid.voxels()[2] as usize;
    let mut sums = vec![([0_i64; 2], 0_i64); nz];
    voxels(grid, sac, |voxel| {
        if let Some((sum, count)) = sums.get_mut(voxel.0[2] as usize) {
            sum[0] += i64::from(voxel.0[0]);
            sum[1] += i64::from(voxel.0[1]);
            *count += 1;
        }
    });
    let slices: Vec<Vec3> = sums
        .iter()
        .enumerate()
        .filter(|(_, (_, count))| *count > 0)
        .map(|(z, (sum, count))| {
            let n = *count as f64;
            grid.patient_from_index([sum[0] as f64 / n, sum[1] as f64 / n, z as f64])
        })
        .collect();
    let mut up = [0.0, 0.0, 1.0];
    let mut origin = None;
    // Height and direction depend on each other: three rounds settle both.
    for _ in 0..3 {
        let height = |at: &Vec3| dot(sub(*at, disc_mm), up);
        let at = slices.iter().copied().min_by(|a, b| height(a).abs().total_cmp(&height(b).abs()))?;
        let along = |way: f64| {
            let off = |p: &Vec3| (dot(sub(*p, at), up) - way).abs();
            slices.iter().copied().min_by(|a, b| off(a).total_cmp(&off(b)))
        };
        let (high, low) = (along(AXIS_MM)?, along(-AXIS_MM)?);
        if norm(sub(high, low)) < AXIS_MM {
            return None;
        }
        up = unit(sub(high, low))?;
        origin = Some(at);
    }
    let origin_mm = origin?;
    let from_disc = sub(origin_mm, disc_mm);
    let rough = if norm(from_disc) > 8.0 { from_disc } else { [0.0, 1.0, 0.0] };
    let back = unit(sub(rough, scale(up, dot(rough, up))))?;
    let left = unit(cross(back, up))?;
    Some(Frame { origin_mm, axes: [left, back, up] })
}

/// Half the canal's width to a side: from the sac's middle to the nearest pedicle of the lower bone within a vertebra's height below the
/// disc. It is looked for from within the sac at each height: the spine bends, and straight down from the sac's middle at the disc lies
/// the body of the lower bone before its pedicles are reached.
fn half_canal(grid: &Grid, frame: &Frame, sac: &Structure, lower: &Structure, side: Side) -> f64 {
    let inside = |structure: &Structure, at: Vec3| sdf_mm(grid, &structure.sdf, frame.patient_from_site(at)) < 0.0;
    let mut nearest: Option<f64> = None;
    for up in (-28..=-6).step_by(2).map(f64::from) {
        // The sac across: its middle, and how far it reaches to the front.
        let (mut sum, mut count, mut front) = ([0.0; 2], 0.0, f64::INFINITY);
        for left in -SAC_ASIDE_MM..=SAC_ASIDE_MM {
            for back in -SAC_ASTRAY_MM..=SAC_ASTRAY_MM {
                let (left, back) = (f64::from(left), f64::from(back));
                if inside(sac, [left, back, up]) {
                    (sum, count, front) = ([sum[0] + left, sum[1] + back], count + 1.0, back.min(front));
                }
            }
        }
        if count == 0.0 {
            continue;
        }
        let [middle, back] = sum.map(|s| s / count);
        for back in [back, (back + front) / 2.0] {
            let steps = (PEDICLE_MM / 0.5) as i32;
            let hit = (8..=steps).map(|k| f64::from(k) * 0.5).find(|l| inside(lower, [middle + side.sign() * l, back, up]));
            nearest = hit.map(|l| nearest.map_or(l, |n: f64| n.min(l))).or(nearest);
        }
    }
    nearest.unwrap_or(HALF_CANAL_MM)
}

/// How high the flavum reaches under the upper lamina: its own height, or half the lamina's where no flavum is known.
fn attachment(grid: &Grid, frame: &Frame, roof: &Roof, flavum: Option<&Structure>) -> f64 {
    let half = [-5.0, 5.0].map(|l| match (roof.upper_edge_mm(l), roof.upper_top_mm(l)) {
        (Some(low), Some(high)) => (low + high.min(low + 24.0)) / 2.0,
        _ => 8.0,
    });
    let half = (half[0] + half[1]) / 2.0;
    let Some(flavum) = flavum else { return half };
    let mut top: Option<f64> = None;
    voxels(grid, flavum, |voxel| {
        let at = frame.site_from_patient(grid.patient_from_index(voxel.0.map(f64::from)));
        if at[0].abs() < 8.0 {
            top = Some(top.map_or(at[2], |t| t.max(at[2])));
        }
    });
    top.map_or(half, |top| top.clamp(half - 6.0, half + 6.0))
}

/// Where the disc's back surface lies in front of the origin, and how deep the disc is.
fn disc_extent(grid: &Grid, frame: &Frame, disc: Option<&Structure>, sac_front_mm: f64) -> (f64, f64) {
    let Some(disc) = disc else { return (sac_front_mm + 0.5, 32.0) };
    let inside = |k: &i32| sdf_mm(grid, &disc.sdf, frame.patient_from_site([0.0, -f64::from(*k) * 0.5, 0.0])) < 0.0;
    let first = (0..60).find(inside);
    let last = (0..140).rfind(inside);
    match (first, last) {
        (Some(first), Some(last)) => (f64::from(first) * 0.5, f64::from(last - first) * 0.5),
        _ => (sac_front_mm + 0.5, 32.0),
    }
}
