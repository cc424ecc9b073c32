//! Where a vertebra's body, canal and pedicles lie, measured from its bone.

use spinor_volume::{Grid, Label, SparseField};

use super::space::{Bones, Frame, V3, add, dot, sub, unit};
use crate::bake::canal::canal_at;

/// A vertebra's own frame and what was measured in it, mm. Origin in the middle of the body.
#[derive(Clone, Debug)]
pub(super) struct Vertebra {
    pub(super) label: Label,
    pub(super) frame: Frame,
    /// z of the lower endplate at the body's middle.
    pub(super) bottom: f64,
    /// y of the body's back wall at the pedicles' height.
    pub(super) wall: f64,
    /// x of the canal's middle there.
    pub(super) middle: f64,
    /// Left and right.
    pub(super) pedicles: [Option<Pedicle>; 2],
}

/// A pedicle; x counts from the canal's middle to its own side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pedicle {
    /// x of its inner and outer wall.
    pub(super) inner: f64,
    pub(super) outer: f64,
    /// z of its lower edge.
    pub(super) lower: f64,
}

/// Share of the deepest place's depth that belongs to the body's core: pedicles and arch are thinner.
const CORE: f64 = 0.72;
/// How far from its middle an endplate is looked at, mm.
const PLATE_MM: f64 = 10.0;
/// Narrowest and widest pedicle that is believed, mm.
const PEDICLE_MM: [f64; 2] = [3.0, 22.0];
/// Half of the widest canal, mm.
const HALF_CANAL_MM: f64 = 20.0;

/// Middle of a bone's body: of the places that lie deepest.
pub(super) fn body_centre(bones: &Bones, label: Label) -> Option<V3> {
    let deepest = bones.places(label).map(|(_, depth)| depth).fold(0.0, f64::max);
    let (mut sum, mut n) = ([0.0; 3], 0.0);
    for (p, _) in bones.places(label).filter(|(_, depth)| *depth >= CORE * deepest) {
        sum = add(sum, p, 1.0);
        n += 1.0;
    }
    (n > 0.0).then(|| sum.map(|v| v / n))
}

/// Measures the vertebra `label`. `column` points up the spine there.
pub(super) fn measure(grid: &Grid, union: &SparseField, bones: &Bones, label: Label, centre: V3, column: V3) -> Option<Vertebra> {
    let mut up = unit(column)?;
    let mut centre = centre;
    let (mut top, mut bottom) = (0.0, 0.0);
    for _ in 0..2 {
        let frame = Frame::new(centre, up, [0.0, 1.0, 0.0])?;
        let (above, slope_above) = endplate(bones, &frame, 1.0)?;
        let (below, slope_below) = endplate(bones, &frame, -1.0)?;
        // The mean of both endplates' normals.
        let tilt = [0, 1].map(|k| -(slope_above[k] + slope_below[k]) / 2.0);
        up = unit(add(add(frame.up, frame.left, tilt[0]), frame.back, tilt[1]))?;
        centre = add(centre, frame.up, (above + below) / 2.0);
        (top, bottom) = ((above - below) / 2.0, (below - above) / 2.0);
    }
    // The foramen is closed where pedicles and lamina meet, about the middle of the body; lower behind than in front, the more so the
    // lower the level.
    let forward = Frame::new(centre, up, [0.0, 1.0, 0.0])?.back;
    let rings = [0.0_f64, 12.0, 24.0].iter().map(|tilt| {
        let across = add(up.map(|v| v * tilt.to_radians().cos()), forward, tilt.to_radians().sin());
        let at = |n: i32| add(centre, up, top * 0.12 * f64::from(n));
        (-4..=5).filter_map(|n| canal_at(grid, union, at(n), across)).collect::<Vec<(V3, f64)>>()
    });
    let rings = rings.max_by(|a, b| a.len().cmp(&b.len()))?;
    let widest = rings.iter().map(|(_, r)| *r).fold(0.0, f64::max);
    let good: Vec<V3> = rings.iter().filter(|(_, r)| *r > 0.75 * widest).map(|(p, _)| *p).collect();
    let mean = good.iter().fold([0.0; 3], |sum, p| add(sum, *p, 1.0 / good.len().max(1) as f64));
    if good.is_empty() {
        return None;
    }
    let frame = Frame::new(centre, up, sub(mean, centre))?;
    let hole = frame.local(mean);
    // The pedicles leave from the upper half of the body.
    let hole = [hole[0], hole[1], 0.38 * top];
    let walls =
        [-4.0, 0.0, 4.0].map(|x| bones.hit(frame.outer([x, hole[1], hole[2]]), frame.back.map(|v| -v), 25.0).map(|h| h.0));
    let wall = hole[1] - walls.into_iter().flatten().fold(f64::INFINITY, f64::min);
    if !wall.is_finite() {
        return None;
    }
    let inner = |side: f64, z: f64| {
        bones.hit(frame.outer([0.0, wall + 3.0, z]), frame.left.map(|v| v * side), HALF_CANAL_MM).map(|h| h.0)
    };
    let narrowest = |side: f64| (0..=12).filter_map(|n| inner(side, hole[2] - 6.0 + f64::from(n))).fold(f64::INFINITY, f64::min);
    let (left, right) = (narrowest(1.0), narrowest(-1.0));
    let middle = if left.is_finite() && right.is_finite() { (left - right) / 2.0 } else { 0.0 };
    let pedicles = [1.0, -1.0].map(|side| {
        let inner = if side > 0.0 { left - middle } else { right + middle };
        pedicle(bones, &frame, side, inner, [middle, wall + 3.0, hole[2]])
    });
    // What is beside a pedicle may make it look wider on one side: the narrower one tells how wide both are.
    let width = pedicles.iter().flatten().map(|p| p.outer - p.inner).fold(f64::INFINITY, f64::min);
    let pedicles = pedicles.map(|p| p.map(|p| Pedicle { outer: p.inner + width, ..p }));
    Some(Vertebra { label, frame, bottom, wall, middle, pedicles })
}

fn pedicle(bones: &Bones, frame: &Frame, side: f64, inner: f64, [middle, y, z]: V3) -> Option<Pedicle> {
    if !inner.is_finite() {
        return None;
    }
    let at = |x: f64, z: f64| frame.outer([middle + side * x, y, z]);
    let outward = frame.left.map(|v| v * side);
    // The height at which it is there: from the foramen's middle, or some mm above or below.
    let inside = |z: &f64| bones.mm(at(inner + 2.5, *z)) < 0.0;
    let z = [0.0, 2.0, -2.0, 4.0, -4.0, 6.0].map(|d| z + d).into_iter().find(inside)?;
    let width = bones.exit(at(inner + 2.5, z), outward, 25.0).map_or(12.0, |t| t + 2.5).clamp(PEDICLE_MM[0], PEDICLE_MM[1]);
    let core = at(inner + (0.5 * width).min(5.0), z);
    let lower = z - bones.exit(core, frame.up.map(|v| -v), 20.0)?;
    Some(Pedicle { inner, outer: inner + width, lower })
}

/// Where the body ends along the frame's axis, `sign` up or down: at its middle, and its slopes along x and y.
fn endplate(bones: &Bones, frame: &Frame, sign: f64) -> Option<(f64, [f64; 2])> {
    let mut found: Vec<V3> = Vec::new();
    let steps = (PLATE_MM / 2.0) as i32;
    for i in -steps..=steps {
        for j in -steps..=steps {
            let (x, y) = (2.0 * f64::from(i), 2.0 * f64::from(j));
            if x.hypot(y) <= PLATE_MM
                && let Some(t) = bones.exit(frame.outer([x, y, 0.0]), frame.up.map(|v| v * sign), 28.0)
            {
                found.push([x, y, sign * t]);
            }
        }
    }
    let mut heights: Vec<f64> = found.iter().map(|p| p[2]).collect();
    heights.sort_by(f64::total_cmp);
    let median = *heights.get(heights.len() / 2)?;
    found.retain(|p| (p[2] - median).abs() < 6.0 && p[2].abs() > 3.0);
    plane(&found)
}

/// The plane `z = c + a x + b y` nearest to some points: `(c, [a, b])`.
fn plane(points: &[V3]) -> Option<(f64, [f64; 2])> {
    if points.len() < 12 {
        return None;
    }
    let n = points.len() as f64;
    let mean = points.iter().fold([0.0; 3], |sum, p| add(sum, *p, 1.0 / n));
    let (mut xx, mut xy, mut yy, mut xz, mut yz) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for p in points {
        let d = sub(*p, mean);
        xx += d[0] * d[0];
        xy += d[0] * d[1];
        yy += d[1] * d[1];
        xz += d[0] * d[2];
        yz += d[1] * d[2];
    }
    let det = xx * yy - xy * xy;
    if det.abs() < 1e-6 {
        return None;
    }
    let slope = [(xz * yy - yz * xy) / det, (yz * xx - xz * xy) / det];
    Some((mean[2] - dot([slope[0], slope[1], 0.0], mean), slope))
}
