//! Ligamenta flava: sheets from the deep surface of the upper lamina's lower half to the upper edge of the lower lamina.

use spinor_volume::query::volume_mm3;
use spinor_volume::{Grid, Label, Source, SparseField, Structure, TissueClass};

use super::SOFT_UNCERTAINTY_MM;
use super::levels::Vertebra;
use super::settings::*;
use super::space::{Bones, Frame, V3};
use crate::bake::block::Block;
use crate::bake::canal::keep_off_bone;
use crate::bake::pieces::keep_large_pieces;
use crate::bake::quantise::sparse_field;
use crate::bake::redistance::redistance;

/// How far from the midline laminae are measured, mm: farther out the joints stand before them.
const MEASURED_MM: i32 = 8;
/// How far the deep surface may step from one millimetre to the next and still be the lamina's, mm.
const STEP_MM: f64 = 1.6;

/// The sheet at one distance from the midline, in the upper vertebra's frame: (y of its outer surface, z) where it begins, where it
/// leaves the upper lamina, and where it ends.
#[derive(Clone, Copy, Debug, Default)]
struct Strip {
    top: [f64; 2],
    edge: [f64; 2],
    end: [f64; 2],
}

/// One number of a strip.
type Measure = fn(&Strip) -> f64;

/// A flavum as it was measured: strips from the midline to each side, a millimetre apart.
pub(super) struct Sheet {
    frame: Frame,
    middle: f64,
    half_width: f64,
    thickness: f64,
    strips: Vec<Strip>,
}

/// Measures the flavum between `upper` and the bone `lower`; none where the laminae cannot be seen from the canal.
pub(super) fn sheet(bones: &Bones, upper: &Vertebra, lower: Label, half_width: f64, thickness: f64) -> Option<Sheet> {
    let found: Vec<(i32, Strip)> =
        (-MEASURED_MM..=MEASURED_MM).filter_map(|x| Some((x, strip(bones, upper, lower, f64::from(x))?))).collect();
    if found.len() < 7 {
        return None;
    }
    // Both sides together, by a line in |x| or a parabola: the laminae's shape is symmetric, their roughness is not.
    let fit = |value: Measure, basis: fn(f64) -> f64| {
        let mut points: Vec<(f64, f64)> = found.iter().map(|(x, s)| (basis(f64::from(*x)), value(s))).collect();
        let mut line = least_squares(&points);
        // Once more without what lies off.
        points.retain(|(x, y)| (y - line.0 - line.1 * x).abs() < 2.5);
        if points.len() >= 5 {
            line = least_squares(&points);
        }
        line
    };
    let ridge: fn(f64) -> f64 = |x| (x * x + 4.0).sqrt() - 2.0;
    let square: fn(f64) -> f64 = |x| x * x;
    let get: [(Measure, bool); 6] = [
        (|s| s.top[0], true),
        (|s| s.top[1], false),
        (|s| s.edge[0], true),
        (|s| s.edge[1], false),
        (|s| s.end[0], true),
        (|s| s.end[1], false),
    ];
    let lines = get.map(|(value, ridged)| fit(value, if ridged { ridge } else { square }));
    let strips = (0..=(half_width + 4.0) as usize)
        .map(|x| {
            let x = x as f64;
            let at = |n: usize| lines[n].0 + lines[n].1 * if n.is_multiple_of(2) { ridge(x) } else { square(x) };
            Strip { top: [at(0), at(1)], edge: [at(2), at(3)], end: [at(4), at(5)] }
        })
        .collect();
    Some(Sheet { frame: upper.frame, middle: upper.middle, half_width, thickness, strips })
}

fn least_squares(points: &[(f64, f64)]) -> (f64, f64) {
    let n = points.len().max(1) as f64;
    let (mx, my) = points.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x / n, b + y / n));
    let (mut xx, mut xy) = (0.0, 0.0);
    for (x, y) in points {
        xx += (x - mx) * (x - mx);
        xy += (x - mx) * (y - my);
    }
    let slope = if xx > 1e-9 { xy / xx } else { 0.0 };
    (my - slope * mx, slope)
}

/// Looks backwards out of the canal at every height: what lamina stands there, and where it begins and ends.
fn strip(bones: &Bones, upper: &Vertebra, lower: Label, x: f64) -> Option<Strip> {
    let look = |z: f64| {
        let from = upper.frame.outer([upper.middle + x, upper.wall + 5.0, z]);
        bones.hit(from, upper.frame.back, 24.0).filter(|(t, _)| *t > 0.0).map(|(t, label)| (upper.wall + 5.0 + t, label))
    };
    let heights = |from: f64, down_to: f64| (0..=((from - down_to) as usize)).map(move |n| from - n as f64);
    let own: Vec<(f64, f64)> = heights(12.0, upper.bottom - 22.0)
        .filter_map(|z| look(z).filter(|(_, label)| *label == upper.label).map(|(y, _)| (z, y)))
        .collect();
    // The lamina: from the place that lies nearest to the canal on, as long as the surface does not step away.
    let (mut at, _) = own.iter().enumerate().min_by(|a, b| a.1.1.total_cmp(&b.1.1))?;
    let start = at;
    while own.get(at + 1).is_some_and(|next| own[at].0 - next.0 < 1.5 && next.1 - own[at].1 < STEP_MM) {
        at += 1;
    }
    let (edge_z, edge_y) = own[at];
    let mut high = start;
    while high > 0 && own[high - 1].0 - own[high].0 < 1.5 && (own[high - 1].1 - own[high].1).abs() < STEP_MM {
        high -= 1;
    }
    let top_z = (own[high].0 + edge_z) / 2.0;
    let top_y = own.iter().min_by(|a, b| (a.0 - top_z).abs().total_cmp(&(b.0 - top_z).abs()))?.1;
    let mut below =
        heights(edge_z - 1.0, edge_z - 34.0).filter_map(|z| look(z).filter(|(_, label)| *label == lower).map(|(y, _)| (z, y)));
    let (end_z, _) = below.next()?;
    let end_y = below.next()?.1;
    if edge_z - end_z > 30.0 || top_z - edge_z < 1.0 {
        return None;
    }
    Some(Strip { top: [top_y, top_z], edge: [edge_y, edge_z + 1.0], end: [end_y + FLAVUM_CLIMBS_MM, end_z - 0.7] })
}

impl Sheet {
    fn strip(&self, x: f64) -> Strip {
        let last = self.strips.len() - 1;
        let low = (x as usize).min(last.saturating_sub(1));
        let t = (x - low as f64).clamp(0.0, 1.0);
        let (a, b) = (self.strips[low], self.strips[(low + 1).min(last)]);
        let mix = |a: [f64; 2], b: [f64; 2]| [0, 1].map(|k| a[k] + t * (b[k] - a[k]));
        Strip { top: mix(a.top, b.top), edge: mix(a.edge, b.edge), end: mix(a.end, b.end) }
    }

    /// Signed distance (first order), mm.
    fn distance(&self, p: V3) -> f64 {
        let mut q = self.frame.local(p);
        q[0] -= self.middle;
        let x = q[0].abs();
        let s = self.strip(x);
        let (from, to) = if q[2] > s.edge[1] { (s.top, s.edge) } else { (s.edge, s.end) };
        let slope = (from[0] - to[0]) / (from[1] - to[1]).max(1.0);
        let outer = to[0] + slope * (q[2] - to[1]);
        // How fast the outer surface comes forwards to the side.
        let across = if self.strips.len() > 9 { (self.strips[8].edge[0] - self.strips[4].edge[0]) / 4.0 } else { 0.0 };
        let across = across * x / (x * x + 4.0).sqrt();
        let n = (1.0 + slope * slope + across * across).sqrt();
        // Thinner where it begins on the lamina.
        let thick = self.thickness * (0.3 + 0.14 * (s.top[1] - q[2])).clamp(0.3, 1.0);
        let depth = (outer - q[1]) / n;
        let sheet = (depth - thick / 2.0).abs() - thick / 2.0;
        sheet.max(x - self.half_width).max(q[2] - s.top[1]).max(s.end[1] - q[2])
    }

    /// The sheet as a structure: off the bone's inside and away from nerves.
    pub(super) fn structure(&self, grid: &Grid, union: &SparseField, label: Label, nerves: &[&SparseField]) -> Option<Structure> {
        let h = grid.spacing_mm();
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for (n, strip) in self.strips.iter().enumerate() {
            for side in [1.0, -1.0] {
                for [y, z] in [strip.top, strip.edge, strip.end] {
                    for front in [0.0, -6.0] {
                        let p = self.frame.outer([self.middle + side * n as f64, y + front, z]);
                        for k in 0..3 {
                            low[k] = low[k].min(p[k] - 2.0);
                            high[k] = high[k].max(p[k] + 2.0);
                        }
                    }
                }
            }
        }
        let mut block = Block::covering(low, high, h);
        let [nx, ny, _] = block.size;
        for at in 0..block.values.len() {
            let place = [at % nx, at / nx % ny, at / (nx * ny)];
            let p = [0, 1, 2].map(|k| f64::from(block.first[k] + place[k] as i32) * h);
            block.values[at] = self.distance(p).clamp(-6.0, 6.0) as f32;
        }
        keep_off_bone(grid, union, &mut block, 0.0);
        nerves.iter().for_each(|field| keep_off_bone(grid, field, &mut block, NEURAL_GAP_MM));
        keep_large_pieces(&mut block, false);
        if !block.values.iter().any(|v| *v < 0.0) {
            return None;
        }
        redistance(&mut block);
        let sdf = sparse_field(grid, &block);
        Some(Structure {
            label,
            class: TissueClass::Flavum,
            source: Source::Proposed,
            uncertainty_mm: SOFT_UNCERTAINTY_MM,
            volume_mm3: volume_mm3(grid, &sdf),
            sdf,
        })
    }
}
