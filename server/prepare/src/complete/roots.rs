//! Nerve roots: out of the sac, along the pedicle's inner side, below it and through the foramen; S1 through the sacrum's first foramen.
//!
//! A root keeps off bone, labelled or not. Where its way enters dense bone that nobody labelled (mostly a sacrum without a label) it ends; one
//! that does not come through its foramen before that is not proposed at all: half a root would promise an alarm that does not come.

use std::collections::BinaryHeap;

use spinor_volume::query::volume_mm3;
use spinor_volume::{BRICK, BRICK_VOXELS, BrickIndex, Grid, Label, Source, SparseField, Structure, TissueClass};

use super::NEURAL_UNCERTAINTY_MM;
use super::canal::Section;
use super::levels::{Pedicle, Vertebra};
use super::settings::*;
use super::space::{Bones, Frame, V3, add, distance, dot, sub, unit};
use crate::bake::block::Block;
use crate::bake::canal::keep_off_bone;
use crate::bake::pieces::keep_piece;
use crate::bake::quantise::sparse_field;
use crate::bake::redistance::redistance;
use crate::volume3d::Image;

/// Points of a centre line are this far apart, mm.
const STEP_MM: f64 = 1.0;
/// Rounds in which a line is moved off the bone and smoothed.
const ROUNDS: usize = 30;
/// How far a line may be moved off the bone, mm.
const MOVED_MM: f64 = 5.0;
/// The place in the sacral canal from which S1's way is looked for, below the sacrum's upper edge, and how far in front of the canal's
/// front wall it has left the bone, mm.
const S1_LEAVES_MM: f64 = 8.0;
const S1_AHEAD_MM: f64 = 30.0;
/// How far it goes on from there, mm.
const S1_ONWARDS_MM: f64 = 8.0;
/// Least room on that way to bone, mm: a foramen is wider than the root in it.
const S1_ROOM_MM: f64 = 1.2;
/// A root ends where its middle comes as near as this to dense bone that nobody labelled, mm.
const DENSE_MM: f64 = 0.5;
/// What is over so many HU is bone, and the largest share of a proposed root that may be: partial volume beside the foramen's wall.
const BONE_HU: f64 = 300.0;
const BONE_SHARE: f64 = 0.1;

/// Why a root is not proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Refused {
    /// Canal, pedicle or foramen cannot be made out.
    NotSeen,
    /// Its way runs into dense bone that nobody labelled before it has come through its foramen.
    Dense,
    /// Bone, or what was given, leaves it no room before it has come through its foramen.
    NoRoom,
}

/// A centre line from the sac outwards.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) points: Vec<V3>,
    /// The point at which it has come through the foramen.
    through: usize,
}

impl Line {
    /// Cuts the line where it enters dense bone that nobody labelled; what lies in the sac does not count. Whether anything was cut.
    fn end_at_dense(&mut self, bones: &Bones, within_sac: impl Fn(V3) -> bool) -> Result<bool, Refused> {
        let from = self.points.iter().position(|p| !within_sac(*p)).unwrap_or(0);
        let entry = self.points.iter().skip(from).position(|p| bones.dense_mm(*p) < DENSE_MM);
        let Some(end) = entry.map(|n| n + from) else { return Ok(false) };
        if end <= self.through {
            return Err(Refused::Dense);
        }
        self.points.truncate(end);
        Ok(true)
    }
}

/// A proposed root.
pub(super) struct Root {
    pub(super) structure: Structure,
    pub(super) line: Vec<V3>,
    /// Why it ends early, where it does: [`Refused::Dense`] or [`Refused::NoRoom`].
    pub(super) ends: Option<Refused>,
}

/// The centre line of root `level` (1 = L1 ... 5 = L5) on one side of its vertebra.
pub(super) fn lumbar(
    bones: &Bones,
    sections: &[Section],
    vertebra: &Vertebra,
    pedicle: Pedicle,
    left: bool,
    level: usize,
) -> Option<Line> {
    let [diameter, angle] = *ROOTS.get(level.checked_sub(1)?)?;
    let r = diameter / 2.0;
    let Pedicle { inner, outer, lower } = pedicle;
    let wall = vertebra.wall;
    let side = if left { 1.0 } else { -1.0 };
    let place = |x: f64, y: f64, z: f64| vertebra.frame.outer([vertebra.middle + side * x, y, z]);
    let below = lower - ROOT_BELOW_PEDICLE_MM - r;
    // The root of L5 meets the sacral ala and turns down in front of it.
    let last = if level == 5 { [outer + 1.0, wall - 11.0, below - 13.0] } else { [outer + 7.0, wall - 7.0, below - 14.0] };
    let end = if level == 5 { [outer + 2.0, wall - 20.0, below - 21.0] } else { [outer + 11.0, wall - 10.0, below - 24.0] };
    let mut knots = vec![
        place(inner - ROOT_BESIDE_PEDICLE_MM - r, wall + 1.2 + r, lower + 1.0),
        place(inner + 0.12 * (outer - inner), wall + r - 0.2, below - 0.8),
        place(inner + 0.8 * (outer - inner) + 1.5, wall - 1.5, below - 4.5),
        place(last[0], last[1], last[2]),
        place(end[0], end[1], end[2]),
    ];
    knots.insert(0, leaves(sections, knots[0], side, angle)?);
    Some(settled(bones, &knots, 3, r))
}

/// Where a root that runs through `at` leaves the sac, higher up.
fn leaves(sections: &[Section], at: V3, side: f64, angle_deg: f64) -> Option<V3> {
    let (n, section) = nearest(sections, at)?;
    let off = dot(sub(at, section.centre()), section.frame.left).abs();
    let start = (section.sac[0] - 3.2).max(1.0);
    let rise = ((off - start) / angle_deg.to_radians().tan()).max(4.0);
    let from = sections.get((n + rise as usize).min(sections.len().checked_sub(1)?))?;
    let behind = dot(sub(at, section.centre()), section.frame.back);
    Some(add(add(from.centre(), from.frame.left, side * start), from.frame.back, 0.75 * behind))
}

/// The section nearest to a place along the canal.
pub(super) fn nearest(sections: &[Section], at: V3) -> Option<(usize, &Section)> {
    let off = |s: &Section| distance(s.centre(), at);
    sections.iter().enumerate().min_by(|a, b| off(a.1).total_cmp(&off(b.1)))
}

/// The centre line of root S1 on one side: the way of most room from the canal's side through the sacrum to its front.
pub(super) fn first_sacral(bones: &Bones, sections: &[Section], left: bool) -> Option<Line> {
    let [diameter, angle] = ROOTS[5];
    let r = diameter / 2.0;
    let side = if left { 1.0 } else { -1.0 };
    let behind_sacrum = |s: &Section| bones.near(s.frame.outer([0.0, -3.0, 0.0]), 4.0) == Some(Label::SACRUM);
    let edge = sections.iter().rposition(behind_sacrum)?;
    let section = sections.get(edge.checked_sub(S1_LEAVES_MM as usize)?)?;
    let frame = Frame { left: section.frame.left.map(|v| side * v), ..section.frame };
    let way = through(bones, &frame, section)?;
    let mut knots: Vec<V3> = way.iter().step_by(6).copied().collect();
    knots.extend(way.last().copied());
    // On as it came, in front of the sacrum.
    let (end, before) = (*way.last()?, *way.get(way.len().saturating_sub(12))?);
    knots.extend(unit(sub(end, before)).map(|along| add(end, along, S1_ONWARDS_MM)));
    knots.insert(0, leaves(sections, *way.first()?, side, angle)?);
    // Half-way it is in the foramen's mouth.
    let through = knots.len() / 2;
    Some(settled(bones, &knots, through, r))
}

/// The line through knots, off the bone; at knot `through` it has come through the foramen.
fn settled(bones: &Bones, knots: &[V3], through: usize, r: f64) -> Line {
    let ahead = curve(&knots[..(through + 1).min(knots.len())]).len() - 1;
    Line { points: settle(bones, &curve(knots), r + CLEARANCE_MM), through: ahead }
}

/// Dijkstra's shortest way on the lattice of distances, narrow places costing more, in a box beside and in front of the canal.
fn through(bones: &Bones, frame: &Frame, section: &Section) -> Option<Vec<V3>> {
    let h = bones.spacing_mm();
    let (low, high) = ([2.0, -S1_AHEAD_MM - 4.0, -48.0], [34.0, section.depth, 1.0]);
    let size = [0, 1, 2].map(|k| ((high[k] - low[k]) / h) as usize + 1);
    let index = |p: [usize; 3]| p[0] + size[0] * (p[1] + size[1] * p[2]);
    let local = |p: [usize; 3]| [0, 1, 2].map(|k| low[k] + h * p[k] as f64);
    let room: Vec<f64> = (0..size.iter().product())
        .map(|n| bones.mm(frame.outer(local([n % size[0], n / size[0] % size[1], n / (size[0] * size[1])]))))
        .collect();
    let start_at = [section.half - 3.5, 0.45 * section.depth, 0.0];
    let start = [0, 1, 2].map(|k| (((start_at[k] - low[k]) / h).round().max(0.0) as usize).min(size[k] - 1));
    let mut best = vec![f64::INFINITY; room.len()];
    let mut from = vec![usize::MAX; room.len()];
    // Costs in whole micrometres order as they are.
    let mut open = BinaryHeap::new();
    best[index(start)] = 0.0;
    open.push((std::cmp::Reverse(0_u64), index(start)));
    while let Some((std::cmp::Reverse(cost), at)) = open.pop() {
        let cost = cost as f64 / 1000.0;
        if cost > best[at] + 1e-3 {
            continue;
        }
        let p = [at % size[0], at / size[0] % size[1], at / (size[0] * size[1])];
        if local(p)[1] <= -S1_AHEAD_MM {
            let mut way = vec![at];
            while let Some(before) = way.last().map(|at| from[*at]).filter(|b| *b != usize::MAX) {
                way.push(before);
            }
            way.reverse();
            let place = |at: usize| frame.outer(local([at % size[0], at / size[0] % size[1], at / (size[0] * size[1])]));
            return Some(way.into_iter().map(place).collect());
        }
        for k in 0..3 {
            for up in [false, true] {
                let mut q = p;
                if up && p[k] + 1 < size[k] {
                    q[k] += 1;
                } else if !up && p[k] > 0 {
                    q[k] -= 1;
                } else {
                    continue;
                }
                let next = index(q);
                if room[next] < S1_ROOM_MM {
                    continue;
                }
                let step = h * (1.0 + 12.0 / (room[next] * room[next]));
                if cost + step < best[next] - 1e-3 {
                    best[next] = cost + step;
                    from[next] = at;
                    open.push((std::cmp::Reverse((best[next] * 1000.0) as u64), next));
                }
            }
        }
    }
    None
}

/// A Catmull-Rom curve through knots, about a millimetre apart.
fn curve(knots: &[V3]) -> Vec<V3> {
    let at = |k: isize| knots[k.clamp(0, knots.len() as isize - 1) as usize];
    let mut out = Vec::new();
    for k in 0..knots.len() as isize - 1 {
        let (a, b, c, d) = (at(k - 1), at(k), at(k + 1), at(k + 2));
        let steps = (distance(b, c) / STEP_MM).ceil().max(1.0);
        for n in 0..steps as usize {
            let t = n as f64 / steps;
            let spline = |p: f64, q: f64, r: f64, s: f64| {
                let (linear, square) = (r - p, 2.0 * p - 5.0 * q + 4.0 * r - s);
                0.5 * (2.0 * q + linear * t + square * t * t + (3.0 * q - p - 3.0 * r + s) * t * t * t)
            };
            out.push([0, 1, 2].map(|k| spline(a[k], b[k], c[k], d[k])));
        }
    }
    out.extend(knots.last());
    out
}

/// Moves a line off the bone as far as the root is thick, and keeps it smooth.
fn settle(bones: &Bones, line: &[V3], room_mm: f64) -> Vec<V3> {
    let mut now = line.to_vec();
    for _ in 0..ROUNDS {
        let before = now.clone();
        for n in 1..now.len().saturating_sub(1) {
            let mean = [0, 1, 2].map(|k| (before[n - 1][k] + before[n + 1][k]) / 2.0);
            let mut p = add(before[n], sub(mean, before[n]), 0.3);
            let missing = room_mm - bones.room_mm(p);
            if missing > 0.0
                && let Some(away) = bones.away_from_all(p)
            {
                p = add(p, away, 0.4 * missing);
            }
            let moved = sub(p, line[n]);
            let far = dot(moved, moved).sqrt();
            now[n] = if far > MOVED_MM { add(line[n], moved, MOVED_MM / far) } else { p };
        }
    }
    now
}

/// What a root must keep off: bones, sac and whatever else was given.
pub(super) struct Around<'a> {
    pub(super) bones: &'a Bones,
    pub(super) union: &'a SparseField,
    /// The sac, in which roots begin.
    pub(super) sac: Option<&'a SparseField>,
    pub(super) given: &'a [&'a SparseField],
    pub(super) ct: Option<&'a Image<i16>>,
}

/// A root along its line: a tube in one piece that stays out of the sac and off the bone.
pub(super) fn root(grid: &Grid, label: Label, mut line: Line, diameter: f64, around: &Around<'_>) -> Result<Root, Refused> {
    let within_sac = |p: V3| around.sac.is_some_and(|sac| spinor_volume::query::sdf_mm(grid, sac, p) < 0.0);
    let mut ends = line.end_at_dense(around.bones, within_sac)?.then_some(Refused::Dense);
    let mut block = tube(grid, &line.points, diameter).ok_or(Refused::NotSeen)?;
    keep_off_bone(grid, around.union, &mut block, CLEARANCE_MM);
    keep_off_dense(around.bones, &mut block);
    around.sac.iter().chain(around.given).for_each(|field| keep_off_bone(grid, field, &mut block, 0.0));
    // The piece that comes out of the sac; what bone cuts off from it hangs in the air.
    let voxel = |p: &V3| block.place(*p).filter(|at| block.values[*at] < 0.0);
    let places: Vec<Option<usize>> = line.points.iter().map(voxel).collect();
    let start = places.iter().copied().flatten().next().ok_or(Refused::NoRoom)?;
    keep_piece(&mut block, start);
    let reached = places.iter().rposition(|at| at.is_some_and(|at| block.values[at] < 0.0)).unwrap_or(0);
    if let Some(beyond) = line.points.get(reached + 1) {
        let dense = around.bones.dense_mm(*beyond) < around.bones.mm(*beyond);
        ends = Some(if dense { Refused::Dense } else { Refused::NoRoom });
    }
    if let Some(why) = ends.filter(|_| reached < line.through) {
        return Err(why);
    }
    line.points.truncate(reached + 1);
    redistance(&mut block);
    let sdf = sparse_field(grid, &block);
    if around.ct.is_some_and(|ct| share_of_bone(grid, &sdf, ct) > BONE_SHARE) {
        return Err(Refused::Dense);
    }
    let structure = Structure {
        label,
        class: TissueClass::Neural,
        source: Source::Proposed,
        uncertainty_mm: NEURAL_UNCERTAINTY_MM,
        volume_mm3: volume_mm3(grid, &sdf),
        sdf,
    };
    Ok(Root { structure, line: line.points, ends })
}

/// The share of a structure's voxels that the CT shows as bone.
pub(super) fn share_of_bone(grid: &Grid, sdf: &SparseField, ct: &Image<i16>) -> f64 {
    let (mut bone, mut all) = (0_u64, 0_u64);
    let mut look = |brick: BrickIndex, inside: &dyn Fn(usize) -> bool| {
        let first = grid.brick_coords(brick).map(|v| v * BRICK as i32);
        for at in (0..BRICK_VOXELS).filter(|at| inside(*at)) {
            let place = [at % BRICK, at / BRICK % BRICK, at / (BRICK * BRICK)];
            let p = grid.patient_from_index([0, 1, 2].map(|k| f64::from(first[k] + place[k] as i32)));
            all += 1;
            bone += u64::from(ct.trilinear_at_mm(p).is_some_and(|hu| hu > BONE_HU));
        }
    };
    sdf.inside().for_each(|brick| look(brick, &|_| true));
    sdf.stored().for_each(|(brick, samples)| look(brick, &|at| samples[at] < 0));
    bone as f64 / all.max(1) as f64
}

/// Takes off what is nearer than the clearance to dense bone that nobody labelled.
fn keep_off_dense(bones: &Bones, block: &mut Block) {
    let [nx, ny, _] = block.size;
    for at in 0..block.values.len() {
        let value = block.values[at];
        if value > 2.0 {
            continue;
        }
        let place = [at % nx, at / nx % ny, at / (nx * ny)];
        let p = [0, 1, 2].map(|k| f64::from(block.first[k] + place[k] as i32) * block.h);
        block.values[at] = value.max((CLEARANCE_MM - bones.dense_mm(p)) as f32);
    }
}

/// Signed distances to a tube along a line, near it; none where there is no line.
fn tube(grid: &Grid, line: &[V3], diameter: f64) -> Option<Block> {
    let h = grid.spacing_mm();
    let r = diameter / 2.0;
    // As far as distances are kept, and a little more.
    let around = 5.0 * h + 0.5;
    let reach = r + around;
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for p in line {
        for k in 0..3 {
            low[k] = low[k].min(p[k] - reach);
            high[k] = high[k].max(p[k] + reach);
        }
    }
    if low[0] > high[0] {
        return None;
    }
    let mut block = Block::covering(low, high, h);
    block.values.fill(around as f32);
    let strides = block.strides();
    for pair in line.windows(2) {
        let (a, axis) = (pair[0], sub(pair[1], pair[0]));
        let squared = dot(axis, axis).max(1e-9);
        let range = [0, 1, 2].map(|k| {
            let from = ((a[k].min(pair[1][k]) - reach) / h).floor() as i32 - block.first[k];
            let to = ((a[k].max(pair[1][k]) + reach) / h).ceil() as i32 - block.first[k];
            from.max(0) as usize..(to.max(0) as usize + 1).min(block.size[k])
        });
        for z in range[2].clone() {
            for y in range[1].clone() {
                for x in range[0].clone() {
                    let place = [x, y, z];
                    let p = [0, 1, 2].map(|k| f64::from(block.first[k] + place[k] as i32) * h);
                    let t = (dot(sub(p, a), axis) / squared).clamp(0.0, 1.0);
                    let d = (distance(p, add(a, axis, t)) - r) as f32;
                    let value = &mut block.values[x * strides[0] + y * strides[1] + z * strides[2]];
                    *value = value.min(d);
                }
            }
        }
    }
    Some(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume3d::Geometry;

    /// The share of bone is counted where the root is, and nowhere else.
    #[test]
    fn bone_within_a_root_is_counted() {
        let grid = Grid::new([0.0; 3], 1.0, [1; 3]).unwrap();
        let mut block = Block::covering([0.0; 3], [15.0; 3], 1.0);
        let n = block.size[0];
        for at in 0..block.values.len() {
            block.values[at] = if (4..8).contains(&(at % n)) { -1.0 } else { 1.0 };
        }
        let sdf = sparse_field(&grid, &block);
        let mut ct = Image::filled(Geometry::axis_aligned([16; 3], [1.0; 3], [0.0; 3]).unwrap(), 40_i16);
        for at in 0..ct.voxels.len() {
            if at % 16 >= 7 {
                ct.voxels[at] = 900;
            }
        }
        assert_eq!(share_of_bone(&grid, &sdf, &ct), 0.25);
    }
}
