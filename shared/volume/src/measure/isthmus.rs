//! The narrowest width of the pars interarticularis on one side.
//!
//! Seen from behind, square to the canal: at each height between the joint below and the pedicle, the width of the widest run of bone at
//! least `LEAST_MM` thick from front to back that reaches into the lateral half of what stood there, up to the midline. Uncut it is half
//! the lamina's width at its waist.

use super::frame::Side;
use super::tissue::{Distances, Tissue};
use super::um;
use super::vertebra::{Pars, Vertebra};
use crate::cut::CutState;
use crate::patient::Patient;

/// Bone thinner than this from front to back does not count as bridging, mm (K).
const LEAST_MM: f64 = 1.0;
/// Wider than any isthmus is uncut from its outer edge to the midline, mm (K; widest at L5): something else was measured then, as where the
/// joints were not found in coarse labels.
const WIDEST_MM: f64 = 22.0;
/// How far from the midline bone is looked for, mm.
const REACH_MM: f64 = 32.0;
/// Distances between heights, columns and depths, mm.
const HEIGHT_STEP_MM: f64 = 0.5;
const COLUMN_MM: f64 = 0.2;
const DEPTH_STEP_MM: f64 = 0.3;
/// How far behind the body's back wall bone counts, and how far behind the lamina's outer surface, mm.
const FRONT_MM: f64 = 3.0;
const BEHIND_MM: f64 = 12.0;

/// A pars at its narrowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsWidth {
    /// Least width before any cut, µm.
    pub before_um: i32,
    /// Least width now, µm; 0 when it is cut through.
    pub now_um: i32,
    /// Height of the narrowest place now, µm in the vertebra's frame.
    pub height_um: i32,
}

/// Measures one side; none where the vertebra lacks what it takes, or what was found is too wide for an isthmus.
pub(super) fn width(patient: &Patient, cut: &CutState, vertebra: &Vertebra, side: Side) -> Option<ParsWidth> {
    let Pars { low_mm, high_mm } = *vertebra.pars(side)?;
    let (wall, lamina) = (vertebra.wall_mm?, vertebra.lamina.as_ref()?);
    let bone = Tissue::new(patient, cut, [vertebra.structure]);
    let depths = [wall + FRONT_MM, lamina.back_mm + BEHIND_MM];
    let heights = ((high_mm - low_mm) / HEIGHT_STEP_MM).ceil().max(1.0) as u32;
    let columns = (REACH_MM / COLUMN_MM) as usize + 1;
    let mut least: Option<(f64, f64)> = None;
    let mut uncut = f64::INFINITY;
    for k in 0..=heights {
        let z = low_mm + (high_mm - low_mm) * f64::from(k) / f64::from(heights);
        let thick: Vec<[f64; 2]> = (0..columns)
            .map(|n| thickness(depths, |y| bone.distances(vertebra.frame.patient([side.sign() * n as f64 * COLUMN_MM, y, z]))))
            .collect();
        let whole: Vec<f64> = thick.iter().map(|t| t[0]).collect();
        let left: Vec<f64> = thick.iter().map(|t| t[1]).collect();
        let Some([edge, inner]) = widest_run(&whole, 0.0) else { continue };
        uncut = uncut.min(edge - inner);
        // What is left only in the medial half is lamina: the isthmus itself is gone.
        let now = widest_run(&left, edge / 2.0).map_or(0.0, |[outer, inner]| outer - inner);
        if least.is_none_or(|(width, _)| now < width) {
            least = Some((now, z));
        }
    }
    let (now, z) = least.filter(|_| uncut <= WIDEST_MM)?;
    Some(ParsWidth { before_um: um(uncut), now_um: um(now), height_um: um(z) })
}

/// How much of a line from front to back is bone, mm: before any cut and now.
fn thickness(depths: [f64; 2], distances: impl Fn(f64) -> Distances) -> [f64; 2] {
    let steps = ((depths[1] - depths[0]) / DEPTH_STEP_MM).ceil().max(1.0) as u32;
    let step = (depths[1] - depths[0]) / f64::from(steps);
    let mut sum = [0.0; 2];
    let mut last = distances(depths[0]);
    for k in 1..=steps {
        let here = distances(depths[0] + f64::from(k) * step);
        sum[0] += step * negative_share(last.before, here.before);
        sum[1] += step * negative_share(last.after, here.after);
        last = here;
    }
    sum
}

/// Share of a step where the line between two values is negative.
fn negative_share(a: f64, b: f64) -> f64 {
    match (a < 0.0, b < 0.0) {
        (true, true) => 1.0,
        (false, false) => 0.0,
        (true, false) => a / (a - b),
        (false, true) => b / (b - a),
    }
}

/// The widest run of columns thick enough that reaches farther out than `beyond_mm`: its lateral and medial end, mm from the midline.
fn widest_run(thick: &[f64], beyond_mm: f64) -> Option<[f64; 2]> {
    let crossing = |inside: usize, outside: usize| {
        let t = (thick[inside] - LEAST_MM) / (thick[inside] - thick[outside]);
        (inside as f64 + t * (outside as f64 - inside as f64)) * COLUMN_MM
    };
    let mut best: Option<[f64; 2]> = None;
    let mut first = None;
    for k in 0..=thick.len() {
        let bone = thick.get(k).is_some_and(|t| *t >= LEAST_MM);
        match (first, bone) {
            (None, true) => first = Some(k),
            (Some(start), false) => {
                let outer = if k < thick.len() { crossing(k - 1, k) } else { (k - 1) as f64 * COLUMN_MM };
                let inner = if start > 0 { crossing(start, start - 1) } else { 0.0 };
                if outer > beyond_mm && best.is_none_or(|[o, i]| outer - inner > o - i) {
                    best = Some([outer, inner]);
                }
                first = None;
            }
            _ => {}
        }
    }
    best
}
