//! Discs: what lies between two endplates, where both neighbours show one.
//!
//! Rays find the endplates, and rays are ragged where an endplate ends. So the outline is closed and opened, and the whole is smoothed
//! as labelled structures are, with its volume given back, before bone and nerves are taken off it.

use spinor_volume::query::volume_mm3;
use spinor_volume::{Grid, Label, Source, SparseField, Structure, TissueClass};

use super::SOFT_UNCERTAINTY_MM;
use super::settings::*;
use super::space::{Bones, Frame, V3, add, dot, sub, unit};
use crate::bake::block::Block;
use crate::bake::canal::keep_off_bone;
use crate::bake::pieces::keep_large_pieces;
use crate::bake::quantise::sparse_field;
use crate::bake::redistance::redistance;
use crate::bake::smooth::{twice, volume_offset};
use crate::edt::{NearestFeatures, nearest_features};

/// Pixel of the maps of both endplates and half their width, mm.
const PIXEL_MM: f64 = 0.8;
const HALF_PIXELS: i32 = 44;
/// Notches and teeth of the outline up to twice this wide are filled and cut off, mm.
const NOTCH_MM: f64 = 2.4;
/// Smoothing of the disc, mm: as for labels on slices 2 mm apart.
const SMOOTH_MM: f64 = 1.6;

/// Both endplates over a plane between them.
pub(super) struct Space {
    frame: Frame,
    /// Height of the upper and the lower endplate over the plane, mm.
    heights: [Vec<f32>; 2],
    /// Signed distance to the outline, mm, negative inside.
    outline: Vec<f32>,
}

const SIDE: usize = (2 * HALF_PIXELS + 1) as usize;

/// The space between the bone `upper` with its middle and the bone `lower`; `back` points to the canal. None where the endplates do not
/// face each other.
pub(super) fn space(bones: &Bones, upper: (Label, V3, V3), lower: Label, back: V3, back_wall: V3) -> Option<Space> {
    let (upper, centre, up) = upper;
    // From the upper body down: where it ends, and where the next bone begins.
    let down = up.map(|v| -v);
    let leaves = bones.exit(centre, down, 28.0)?;
    let under = add(centre, down, leaves + 0.4);
    let (gap, met) = bones.hit(under, down, DISC_TALL_MM)?;
    if met != lower {
        return None;
    }
    let middle = add(under, down, gap / 2.0);
    // The plane half-way, tilted as the lower endplate is against the upper one.
    let frame = Frame::new(middle, up, back)?;
    let gap_at = |x: f64, y: f64| {
        let p = frame.outer([x, y, 0.0]);
        let (above, below) = (bones.hit(p, frame.up, DISC_TALL_MM)?.0, bones.hit(p, frame.up.map(|v| -v), DISC_TALL_MM)?.0);
        Some((above - below) / 2.0)
    };
    let slope = |a: Option<f64>, b: Option<f64>| a.zip(b).map_or(0.0, |(a, b)| ((a - b) / 20.0).clamp(-0.3, 0.3));
    let (across, deep) = (slope(gap_at(10.0, 0.0), gap_at(-10.0, 0.0)), slope(gap_at(0.0, 10.0), gap_at(0.0, -10.0)));
    let frame = Frame::new(middle, add(add(frame.up, frame.left, -across), frame.back, -deep), back)?;
    let wall = frame.local(back_wall)[1] + 1.5;
    let place = |n: usize| {
        [f64::from((n % SIDE) as i32 - HALF_PIXELS) * PIXEL_MM, f64::from((n / SIDE) as i32 - HALF_PIXELS) * PIXEL_MM, 0.0]
    };
    let look = |n: usize, up: bool| {
        let at = place(n);
        let (along, bone) = if up { (frame.up, upper) } else { (frame.up.map(|v| -v), lower) };
        let p = frame.outer(at);
        let (t, label) = bones.hit(p, along, 0.75 * DISC_TALL_MM)?;
        (at[1] < wall && label == bone && bones.mm(p) > 0.0).then_some(if up { t as f32 } else { -t as f32 })
    };
    let maps: Vec<Option<[f32; 2]>> = (0..SIDE * SIDE).map(|n| Some([look(n, true)?, look(n, false)?])).collect();
    let inside = connected(&maps);
    if inside.iter().filter(|v| **v).count() < 200 {
        return None;
    }
    let to = pixels(|n| inside[n]);
    let even = without_notches(&inside);
    let (near, out) = (pixels(|n| even[n]), pixels(|n| !even[n]));
    let outline = (0..SIDE * SIDE)
        .map(|n| (if even[n] { 0.5 * PIXEL_MM - out.distance_mm(n) } else { near.distance_mm(n) - 0.5 * PIXEL_MM }) as f32)
        .collect();
    // Beyond the outline the nearest height goes on.
    let height =
        |k: usize| -> Vec<f32> { (0..SIDE * SIDE).map(|n| to.nearest(n).and_then(|m| maps[m]).map_or(0.0, |h| h[k])).collect() };
    Some(Space { frame, heights: [height(0), height(1)], outline })
}

fn pixels(is_feature: impl Fn(usize) -> bool + Sync) -> NearestFeatures {
    nearest_features([SIDE, SIDE, 1], [PIXEL_MM, PIXEL_MM, 1.0], is_feature)
}

/// Closes notches of an outline, then cuts off what stands out.
fn without_notches(inside: &[bool]) -> Vec<bool> {
    let grown = |inside: &[bool], value: bool| -> Vec<bool> {
        let to = pixels(|n| inside[n] == value);
        (0..inside.len()).map(|n| (to.distance_mm(n) <= NOTCH_MM) == value).collect()
    };
    [true, false, false, true].into_iter().fold(inside.to_vec(), |inside, value| grown(&inside, value))
}

/// The piece of the maps that holds their middle.
fn connected(maps: &[Option<[f32; 2]>]) -> Vec<bool> {
    let mut inside = vec![false; maps.len()];
    let middle = SIDE * HALF_PIXELS as usize + HALF_PIXELS as usize;
    let mut queue = vec![middle];
    while let Some(n) = queue.pop() {
        if inside[n] || maps[n].is_none() {
            continue;
        }
        inside[n] = true;
        let (x, y) = (n % SIDE, n / SIDE);
        let next =
            [(x > 0).then(|| n - 1), (x + 1 < SIDE).then(|| n + 1), (y > 0).then(|| n - SIDE), (y + 1 < SIDE).then(|| n + SIDE)];
        queue.extend(next.into_iter().flatten());
    }
    inside
}

impl Space {
    /// Signed distance (first order), mm.
    fn distance(&self, p: V3) -> f64 {
        let q = self.frame.local(p);
        let at = [0, 1].map(|k| (q[k] / PIXEL_MM + f64::from(HALF_PIXELS)).clamp(0.0, (SIDE - 2) as f64 + 0.999));
        let (x, y) = (at[0] as usize, at[1] as usize);
        let (s, t) = (at[0] - x as f64, at[1] - y as f64);
        let sample = |map: &[f32]| {
            let v = |dx: usize, dy: usize| f64::from(map[(x + dx) + SIDE * (y + dy)]);
            let (low, high) = (v(0, 0) + s * (v(1, 0) - v(0, 0)), v(0, 1) + s * (v(1, 1) - v(0, 1)));
            low + t * (high - low)
        };
        let side = sample(&self.outline) - DISC_RIM_MM;
        // Into the bone on both sides: what is bone is taken off afterwards.
        let (above, below) = (q[2] - sample(&self.heights[0]) - 0.8, sample(&self.heights[1]) - 0.8 - q[2]);
        side.max(above).max(below)
    }

    /// The disc as a structure, without what is bone or nerve.
    pub(super) fn structure(&self, grid: &Grid, union: &SparseField, label: Label, nerves: &[&SparseField]) -> Option<Structure> {
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for n in (0..SIDE * SIDE).filter(|n| self.outline[*n] < 2.0) {
            let at = [n % SIDE, n / SIDE].map(|v| (v as f64 - f64::from(HALF_PIXELS)) * PIXEL_MM);
            for map in &self.heights {
                let p = self.frame.outer([at[0], at[1], f64::from(map[n])]);
                for k in 0..3 {
                    low[k] = low[k].min(p[k] - 2.0);
                    high[k] = high[k].max(p[k] + 2.0);
                }
            }
        }
        let mut block = Block::covering(low, high, grid.spacing_mm());
        let [nx, ny, _] = block.size;
        for at in 0..block.values.len() {
            let place = [at % nx, at / nx % ny, at / (nx * ny)];
            let p = [0, 1, 2].map(|k| f64::from(block.first[k] + place[k] as i32) * block.h);
            block.values[at] = self.distance(p).clamp(-6.0, 6.0) as f32;
        }
        let keep_off = |block: &mut Block| {
            keep_off_bone(grid, union, block, 0.0);
            nerves.iter().for_each(|field| keep_off_bone(grid, field, block, NEURAL_GAP_MM));
            keep_large_pieces(block, false);
        };
        keep_off(&mut block);
        if !block.values.iter().any(|v| *v < 0.0) {
            return None;
        }
        redistance(&mut block);
        let volume = block.volume_mm3();
        twice(&mut block, SMOOTH_MM);
        let shift = volume_offset(&block, volume);
        block.values.iter_mut().for_each(|v| *v += shift);
        keep_off(&mut block);
        redistance(&mut block);
        let sdf = sparse_field(grid, &block);
        Some(Structure {
            label,
            class: TissueClass::Disc,
            source: Source::Proposed,
            uncertainty_mm: SOFT_UNCERTAINTY_MM,
            volume_mm3: volume_mm3(grid, &sdf),
            sdf,
        })
    }
}

/// The direction from a bone's middle up the column between its neighbours.
pub(super) fn column(above: Option<V3>, own: V3, below: Option<V3>) -> V3 {
    let from_to = |from: V3, to: V3| unit(sub(to, from)).filter(|d| dot(*d, [0.0, 0.0, 1.0]) > 0.3);
    match (above, below) {
        (Some(a), Some(b)) => from_to(b, a),
        (Some(a), None) => from_to(own, a),
        (None, Some(b)) => from_to(b, own),
        (None, None) => None,
    }
    .unwrap_or([0.0, 0.0, 1.0])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A notch and a tooth of a pixel's width in a disc's outline go; what is round stays as it is, to a pixel.
    #[test]
    fn notches_and_teeth_go() {
        let place = |n: usize| [(n % SIDE) as i32 - HALF_PIXELS, (n / SIDE) as i32 - HALF_PIXELS];
        let radius = |n: usize| f64::from(place(n)[0]).hypot(f64::from(place(n)[1]));
        let round: Vec<bool> = (0..SIDE * SIDE).map(|n| radius(n) < 22.0).collect();
        let mut ragged = round.clone();
        for n in 0..ragged.len() {
            let [x, y] = place(n);
            ragged[n] = (ragged[n] && !(y == 3 && x > 12)) || (y == -4 && (0..30).contains(&x));
        }
        let even = without_notches(&ragged);
        let differs = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|(a, b)| a != b).count();
        assert!(differs(&ragged, &round) >= 15, "the outline is not ragged");
        assert!(differs(&even, &round) <= 6, "{}", differs(&even, &round));
        assert!((0..even.len()).all(|n| even[n] == round[n] || (radius(n) - 22.0).abs() < 1.5));
    }
}
