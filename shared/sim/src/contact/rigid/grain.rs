//! Grains: small balls that stand for all of a tool but its tip.

use super::super::Tissue;
use crate::pose::{Rotation, turn};
use crate::tool::{Part, Shape};
use crate::vector::{Vec3, add, cross, norm, scale, sub, unit};

/// Parts up to this radius are read on their axis, voxels.
const THIN_VOXELS: f64 = 3.0;
/// Distance between grains along a part, in their radii: the waist between two is then 8 % of a radius deep.
const SPACING: f64 = 0.8;
/// Parts longer than this are shafts, whose grains are looked at closely, mm.
const SHAFT_MM: f64 = 20.0;
/// Grains nearer to each other than this, in their radii, are one.
const SAME: f64 = 0.55;

/// A small ball that stands for a part of a tool's surface.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grain {
    /// Its centre in the tool's frame, from the tip ball's centre, mm.
    pub(super) from_ball: Vec3,
    pub(super) radius_mm: f64,
    /// For a grain on the axis of a thin part: two directions across the axis, and the axis. Seen closely it is a stack of two rings.
    axes: Option<[Vec3; 3]>,
}

impl Grain {
    /// Free distance around it, mm. A stored distance is never more than the true one, but near the rim of a hole it can be much less: what
    /// has less than `least` at first sight is looked at closely, by smaller balls just under its surface. With the direction out of the
    /// overlap where it has less than `least` then too.
    pub(super) fn room(
        &self,
        tissue: &Tissue<'_>,
        structures: &[usize],
        at: Vec3,
        rotation: &Rotation,
        least: f64,
    ) -> (f64, Vec3) {
        let first = tissue.sdf_mm(structures, at) - self.radius_mm;
        if first >= least {
            return (first, [0.0; 3]);
        }
        let Some(axes) = self.axes else { return (first, tissue.gradient(structures, at).unwrap_or([0.0; 3])) };
        let [across, other, axis] = axes.map(|v| turn(rotation, v));
        let half = self.radius_mm / 2.0;
        let (mut room, mut nearest) = (f64::INFINITY, at);
        for along in [-0.5 * half, 0.5 * half] {
            for [c, s] in AROUND.into_iter().step_by(2) {
                let small = add(add(at, scale(axis, along)), add(scale(across, c * half), scale(other, s * half)));
                let d = tissue.sdf_mm(structures, small) - half;
                if d < room {
                    (room, nearest) = (d, small);
                }
            }
        }
        let out = if room < least { tissue.gradient(structures, nearest) } else { None };
        (room, out.unwrap_or([0.0; 3]))
    }
}

/// The grains of all parts of a shape but its tip's ball, in fields of a voxel size.
pub(super) fn grains_of(shape: &Shape, spacing_mm: f64) -> Vec<Grain> {
    let mut grains = Vec::new();
    for part in &shape.parts {
        // The tip ball stands for itself.
        let tip = part.a_mm == shape.ball_mm && part.b_mm == shape.ball_mm && part.radius_mm == shape.ball_radius_mm;
        if !tip {
            grains_of_part(part, shape.ball_mm, spacing_mm, &mut grains);
        }
    }
    let mut kept: Vec<Grain> = Vec::with_capacity(grains.len());
    for grain in grains {
        let same = |other: &Grain| {
            other.radius_mm == grain.radius_mm && norm(sub(other.from_ball, grain.from_ball)) < SAME * grain.radius_mm
        };
        if !kept.iter().rev().take(64).any(same) {
            kept.push(grain);
        }
    }
    let mut grains = kept;
    // What lies within the tip ball is the ball's.
    grains.retain(|g| norm(g.from_ball) + g.radius_mm > shape.ball_radius_mm + 1e-9);
    grains
}

/// Twelve directions around, 30° apart: cosine and sine.
const AROUND: [[f64; 2]; 12] = {
    let (h, s) = (0.5, 0.866_025_403_784_438_6);
    [[1.0, 0.0], [s, h], [h, s], [0.0, 1.0], [-h, s], [-s, h], [-1.0, 0.0], [-s, -h], [-h, -s], [0.0, -1.0], [h, -s], [s, -h]]
};

/// The grains that stand for a part: along its axis where it is thin, in rings just under its surface where it is thick.
fn grains_of_part(part: &Part, ball_mm: Vec3, spacing_mm: f64, grains: &mut Vec<Grain>) {
    let way = sub(part.b_mm, part.a_mm);
    let length = norm(way);
    let thin = part.radius_mm <= THIN_VOXELS * spacing_mm;
    let radius_mm = if thin { part.radius_mm } else { (part.radius_mm / 2.0).min(2.5 * spacing_mm) };
    let steps = (length / (SPACING * radius_mm)).ceil().max(1.0) as u32;
    let axis = unit(way).unwrap_or([0.0, 0.0, 1.0]);
    // Two directions across the axis.
    let aside = if axis[0].abs() < 0.7 { [1.0, 0.0, 0.0] } else { [0.0, 1.0, 0.0] };
    let across = unit(cross(axis, aside)).unwrap_or(aside);
    let other = cross(axis, across);
    let ring = part.radius_mm - radius_mm;
    for k in 0..=steps {
        let middle = sub(add(part.a_mm, scale(way, f64::from(k) / f64::from(steps))), ball_mm);
        if thin {
            grains.push(Grain { from_ball: middle, radius_mm, axes: (length > SHAFT_MM).then_some([across, other, axis]) });
        } else {
            let every = if ring <= 1.2 * radius_mm { 2 } else { 1 };
            for [c, s] in AROUND.into_iter().step_by(every) {
                let out = add(scale(across, c * ring), scale(other, s * ring));
                grains.push(Grain { from_ball: add(middle, out), radius_mm, axes: None });
            }
        }
        if length < 1e-9 {
            break;
        }
    }
    // The round ends of a thick part reach beyond its first and last ring.
    if !thin {
        for (end, out) in [(part.a_mm, -ring), (part.b_mm, ring)] {
            grains.push(Grain { from_ball: add(sub(end, ball_mm), scale(axis, out)), radius_mm, axes: None });
        }
    }
}
