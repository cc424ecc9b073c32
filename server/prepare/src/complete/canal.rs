//! The canal from foot to head, as wide as the bone leaves it, and the dural sac that is proposed in it.

use rayon::prelude::*;
use spinor_volume::query::volume_mm3;
use spinor_volume::{Grid, Label, Source, SparseField, Structure, TissueClass};

use super::space::{Bones, Frame, V3, add, distance, dot, sub, unit};
use super::{NEURAL_UNCERTAINTY_MM, settings::*};
use crate::bake::block::Block;
use crate::bake::canal::{
    STEP_MM, bridge, canal_at, keep_off_bone, longest_run, smooth, spine_curve, without_side_spaces, without_strays,
};
use crate::bake::pieces::keep_large_pieces;
use crate::bake::quantise::sparse_field;
use crate::bake::redistance::redistance;

/// Shortest canal worth anything, mm.
const LEAST_LENGTH_MM: f64 = 15.0;
/// How far down from the last lumbar ring the sacral canal is looked for, and over how much of it the spine bends, mm.
const SACRAL_MM: f64 = 78.0;
const BEND_MM: f64 = 35.0;
/// How far a sacral ring may lie off the way to it, mm.
const SACRAL_OFF_MM: f64 = 7.0;
/// Least share of the width and depth that are common around.
const LEAST_SHARE: f64 = 0.8;
/// How far the canal is continued above the last ring, mm: no farther than the bone goes.
const ABOVE_MM: f64 = 25.0;

/// A place in the canal: origin on its front wall at the midline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section {
    pub(super) frame: Frame,
    /// Half its width and its depth between the bones, mm.
    pub(super) half: f64,
    pub(super) depth: f64,
    /// Half-axes of the sac, mm.
    pub(super) sac: [f64; 2],
}

impl Section {
    /// The middle of the sac.
    pub(super) fn centre(&self) -> V3 {
        self.frame.outer([0.0, SAC_FRONT_GAP_MM + self.sac[1], 0.0])
    }
}

/// The canal's sections, a millimetre apart, from foot to head; none where the arches do not close around one.
pub(super) fn canal(grid: &Grid, union: &SparseField, bones: &Bones, structures: &[&Structure]) -> Option<Vec<Section>> {
    let curve = spine_curve(grid, structures)?;
    let rings: Vec<Option<(V3, f64)>> = curve.par_iter().map(|(at, up)| canal_at(grid, union, *at, *up)).collect();
    let rings = without_strays(&without_side_spaces(&rings));
    let mut all: Vec<(Option<(V3, f64)>, V3)> = rings.into_iter().zip(curve.iter().map(|(_, up)| *up)).collect();
    let lowest = all.iter().position(|(ring, _)| ring.is_some())?;
    all.drain(..lowest);
    let (Some((start, _)), up) = *all.first()? else { return None };
    if structures.iter().any(|s| s.label == Label::SACRUM) {
        let mut below = sacral(grid, union, bones, start, up);
        below.reverse();
        below.append(&mut all);
        all = below;
    }
    let measured: Vec<Option<[f64; 5]>> = all.iter().map(|(ring, up)| ring.and_then(|(at, _)| measure(bones, at, *up))).collect();
    let joined = bridge(&as_wide_as_around(&measured));
    let run = longest_run(&joined);
    let flat = smooth(&joined[run].iter().copied().flatten().collect::<Vec<[f64; 5]>>());
    if (flat.len() as f64) * STEP_MM < LEAST_LENGTH_MM {
        return None;
    }
    Some(sections(bones, structures, &flat))
}

/// Widths and depths of at least [`LEAST_SHARE`] of what is common within a level's height: where a joint or a spur stands in the way of one
/// ray the sac is not pinched as a whole; what is bone is taken off it afterwards.
fn as_wide_as_around(measured: &[Option<[f64; 5]>]) -> Vec<Option<[f64; 5]>> {
    let reach = (18.0 / STEP_MM) as usize;
    let median = |n: usize, k: usize| {
        let near = &measured[n.saturating_sub(reach)..(n + reach + 1).min(measured.len())];
        let mut values: Vec<f64> = near.iter().flatten().map(|m| m[k]).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    };
    let each = |n: usize, m: &Option<[f64; 5]>| {
        m.map(|[x, y, z, half, depth]| [x, y, z, half.max(LEAST_SHARE * median(n, 3)), depth.max(LEAST_SHARE * median(n, 4))])
    };
    measured.iter().enumerate().map(|(n, m)| each(n, m)).collect()
}

/// Front wall at the midline, half the width and the depth of the canal around a ring's middle.
fn measure(bones: &Bones, at: V3, up: V3) -> Option<[f64; 5]> {
    let left = unit(add([1.0, 0.0, 0.0], up, -up[0]))?;
    let back = super::space::cross(up, left);
    let ahead = |x: f64| bones.hit(add(at, left, x), back.map(|v| -v), 25.0).map(|h| h.0);
    let front = [-4.0, 0.0, 4.0].into_iter().filter_map(ahead).fold(f64::INFINITY, f64::min);
    let behind = bones.hit(at, back, 25.0)?.0;
    if !front.is_finite() {
        return None;
    }
    let near = add(at, back, 6.0 - front);
    let sides = [1.0, -1.0].map(|s| bones.hit(near, left.map(|v| s * v), 22.0).map(|h| h.0));
    let (l, r) = (sides[0]?, sides[1]?);
    let wall = add(add(at, back, -front), left, (l - r) / 2.0);
    Some([wall[0], wall[1], wall[2], (l + r) / 2.0, front + behind])
}

/// Rings of the sacral canal below `start`, a step apart: along the bend on which most planes close around one.
fn sacral(grid: &Grid, union: &SparseField, bones: &Bones, start: V3, up: V3) -> Vec<(Option<(V3, f64)>, V3)> {
    let Some(left) = unit(add([1.0, 0.0, 0.0], up, -up[0])) else { return Vec::new() };
    let back = super::space::cross(up, left);
    let way = |bend_deg: f64| -> Vec<(V3, V3)> {
        let mut p = start;
        (1..=(SACRAL_MM / STEP_MM) as usize)
            .map(|n| {
                let angle = (bend_deg * (n as f64 * STEP_MM / BEND_MM).min(1.0)).to_radians();
                // Downwards the canal bends back.
                let here = add(up.map(|v| v * angle.cos()), back, -angle.sin());
                p = add(p, here, -STEP_MM);
                (p, here)
            })
            .collect()
    };
    let ring = |(at, up): &(V3, V3)| {
        let found = canal_at(grid, union, *at, *up).filter(|(p, _)| distance(*p, *at) < SACRAL_OFF_MM)?;
        (bones.near(add(found.0, super::space::cross(*up, left), found.1 + 1.5), 4.0) == Some(Label::SACRUM)).then_some(found)
    };
    let rate = |bend: f64| {
        let off: Vec<f64> = way(bend).iter().step_by(3).filter_map(|plane| Some(distance(ring(plane)?.0, plane.0))).collect();
        off.len() as f64 - 0.5 * off.iter().sum::<f64>() / off.len().max(1) as f64
    };
    let rated: Vec<(f64, f64)> = (0..=10).into_par_iter().map(|n| 5.0 * f64::from(n)).map(|bend| (rate(bend), bend)).collect();
    let best = rated.into_iter().max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let Some((_, bend)) = best.filter(|(rate, _)| *rate > 1.0) else { return Vec::new() };
    way(bend).iter().map(|plane| (ring(plane), plane.1)).collect()
}

fn sections(bones: &Bones, structures: &[&Structure], flat: &[[f64; 5]]) -> Vec<Section> {
    let wall = |n: usize| [flat[n][0], flat[n][1], flat[n][2]];
    let reach = (6.0 / STEP_MM) as usize;
    let mut out: Vec<Section> = (0..flat.len())
        .filter_map(|n| {
            let up = sub(wall((n + reach).min(flat.len() - 1)), wall(n.saturating_sub(reach)));
            let left = unit(add([1.0, 0.0, 0.0], unit(up)?, -unit(up)?[0]))?;
            let frame = Frame::new(wall(n), up, super::space::cross(unit(up)?, left))?;
            Some(Section { frame, half: flat[n][3], depth: flat[n][4], sac: [0.0; 2] })
        })
        .collect();
    // On to where the bones end.
    if let (Some(last), Some(highest)) = (out.last().copied(), structures.first()) {
        let top = bones.places(highest.label).map(|(p, _)| dot(sub(p, last.frame.origin), last.frame.up)).fold(0.0, f64::max);
        for n in 1..=(top.min(ABOVE_MM) / STEP_MM) as usize {
            let frame = Frame { origin: add(last.frame.origin, last.frame.up, n as f64 * STEP_MM), ..last.frame };
            out.push(Section { frame, ..last });
        }
    }
    // The sac narrows from the upper edge of the sacrum on, and ends in S2.
    let behind_sacrum = |s: &Section| bones.near(s.frame.outer([0.0, -3.0, 0.0]), 4.0) == Some(Label::SACRUM);
    let edge = out.iter().rposition(behind_sacrum);
    for (n, section) in out.iter_mut().enumerate() {
        let below = edge.map_or(-100.0, |edge| (edge as f64 - n as f64) * STEP_MM);
        let share = (1.0 - below.max(0.0) / SAC_END_MM).max(0.0);
        let area =
            SAC_MM2 * if below > 0.0 { SAC_AT_S1 * share } else { 1.0 - (1.0 - SAC_AT_S1) * (1.0 + below / 30.0).max(0.0) };
        let deep = (area / (std::f64::consts::PI * SAC_FLAT)).sqrt();
        let room = ((section.depth - SAC_FRONT_GAP_MM - SAC_BACK_GAP_MM) / 2.0).max(1.5);
        section.sac = [(SAC_FLAT * deep).min((section.half - SAC_SIDE_GAP_MM).max(2.0)), deep.min(room)];
    }
    // Where it has come to nothing the canal goes on without it.
    out.retain(|s| s.sac[1] > 0.8);
    out
}

/// A sac through the sections: an ellipse that keeps off the bone.
pub(super) fn sac(grid: &Grid, union: &SparseField, sections: &[Section]) -> Option<Structure> {
    let mut block = paint(grid, sections)?;
    keep_off_bone(grid, union, &mut block, CLEARANCE_MM);
    keep_large_pieces(&mut block, false);
    if !block.values.iter().any(|v| *v < 0.0) {
        return None;
    }
    redistance(&mut block);
    let sdf = sparse_field(grid, &block);
    Some(Structure {
        label: Label::DURAL_SAC,
        class: TissueClass::Neural,
        source: Source::Proposed,
        uncertainty_mm: NEURAL_UNCERTAINTY_MM,
        volume_mm3: volume_mm3(grid, &sdf),
        sdf,
    })
}

fn paint(grid: &Grid, sections: &[Section]) -> Option<Block> {
    let h = grid.spacing_mm();
    let reach = 13.0;
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for at in sections.iter().map(Section::centre) {
        for k in 0..3 {
            low[k] = low[k].min(at[k] - reach);
            high[k] = high[k].max(at[k] + reach);
        }
    }
    if low[0] > high[0] {
        return None;
    }
    let mut block = Block::covering(low, high, h);
    block.values.fill(6.0);
    let [sx, sy, sz] = block.strides();
    for section in sections {
        let (c, frame) = (section.centre(), section.frame);
        let range = [0, 1, 2].map(|k| {
            let from = ((c[k] - reach) / h).floor() as i32 - block.first[k];
            let to = ((c[k] + reach) / h).ceil() as i32 - block.first[k];
            from.max(0) as usize..(to.max(0) as usize + 1).min(block.size[k])
        });
        let [wide, deep] = section.sac;
        // Each section speaks for its own slab only; the slabs overlap a little. In a column that is this stretch of z.
        let slab = 1.2 * STEP_MM;
        for y in range[1].clone() {
            for x in range[0].clone() {
                let [px, py] = [(0, x), (1, y)].map(|(k, n)| f64::from(block.first[k] + n as i32) * h - c[k]);
                let middle = (-(px * frame.up[0] + py * frame.up[1]) / frame.up[2] + c[2]) / h - f64::from(block.first[2]);
                let half = slab / frame.up[2].abs() / h + 1.0;
                let (from, to) = ((middle - half).floor(), (middle + half).ceil());
                if !(from.is_finite() && to.is_finite()) {
                    continue;
                }
                for z in range[2].start.max(from.max(0.0) as usize)..range[2].end.min(to.max(0.0) as usize + 1) {
                    let place = [x, y, z];
                    let p = [0, 1, 2].map(|k| f64::from(block.first[k] + place[k] as i32) * h);
                    let d = sub(p, c);
                    if dot(d, frame.up).abs() > slab {
                        continue;
                    }
                    let q = [dot(d, frame.left), dot(d, frame.back)];
                    let k0 = (q[0] / wide).hypot(q[1] / deep);
                    let k1 = (q[0] / (wide * wide)).hypot(q[1] / (deep * deep));
                    let value = if k0 < 1e-6 { -wide.min(deep) } else { k0 * (k0 - 1.0) / k1 };
                    let at = &mut block.values[x * sx + y * sy + z * sz];
                    *at = at.min(value as f32);
                }
            }
        }
    }
    Some(block)
}
