//! Vectors, frames and the distance to bone, as completion needs them.

use rayon::prelude::*;
use spinor_volume::{BRICK, BRICK_VOXELS, Grid, Label, Structure};

use crate::edt::nearest_features;
pub(crate) use crate::vector::{V3, cross, dot, sub};
use crate::volume3d::{Geometry, Image};

/// `a` and some times `b`.
pub(crate) fn add(a: V3, b: V3, times: f64) -> V3 {
    [a[0] + times * b[0], a[1] + times * b[1], a[2] + times * b[2]]
}

pub(crate) fn distance(a: V3, b: V3) -> f64 {
    let d = sub(a, b);
    dot(d, d).sqrt()
}

pub(crate) fn unit(v: V3) -> Option<V3> {
    let length = dot(v, v).sqrt();
    (length > 1e-6).then(|| v.map(|x| x / length))
}

/// A right-handed frame of the spine: x to the patient's left, y back, z up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) origin: V3,
    pub(super) left: V3,
    pub(super) back: V3,
    pub(super) up: V3,
}

impl Frame {
    /// The frame at `origin` with `up` and a `back` made perpendicular to it; none where they are parallel.
    pub(super) fn new(origin: V3, up: V3, back: V3) -> Option<Self> {
        let up = unit(up)?;
        let back = unit(add(back, up, -dot(back, up)))?;
        Some(Self { origin, left: cross(back, up), back, up })
    }

    pub(super) fn outer(&self, local: V3) -> V3 {
        add(add(add(self.origin, self.left, local[0]), self.back, local[1]), self.up, local[2])
    }

    pub(super) fn local(&self, p: V3) -> V3 {
        let d = sub(p, self.origin);
        [dot(d, self.left), dot(d, self.back), dot(d, self.up)]
    }
}

/// How far beyond the bones their distance is known, mm.
const AROUND_MM: f64 = 14.0;
/// About the edge of the lattice of distances, mm: a whole number of the case's voxels.
const LATTICE_MM: f64 = 0.8;
/// Step of a ray, mm.
const RAY_MM: f64 = 0.4;
/// Outside all labels the CT shows bone from here on, HU (K: soft tissue and vessels, with contrast agent too, stay below; cortical bone with a
/// part of soft tissue in its voxel lies above).
const DENSE_HU: i16 = 250;
/// What is as near as this to labelled bone is that bone's rim, mm.
const RIM_MM: f32 = 1.0;
/// Smaller pieces of dense tissue are noise or specks of calcium, mm³.
const LEAST_DENSE_MM3: f64 = 100.0;

/// All bones on a lattice of about 0.8 mm: whose a place is, how far it is from any bone, and how far from dense bone that nobody labelled.
pub(super) struct Bones {
    own: Image<u16>,
    distance: Image<f32>,
    /// None where there is no CT, or all dense bone in it is labelled.
    dense: Option<Image<f32>>,
}

impl Bones {
    /// None where there is no bone. Without a CT nothing is known of bone that nobody labelled.
    pub(super) fn new(grid: &Grid, bones: &[&Structure], ct: Option<&Image<i16>>) -> Option<Self> {
        let (mut low, mut high) = ([i32::MAX; 3], [i32::MIN; 3]);
        for brick in bones.iter().flat_map(|s| s.sdf.stored().map(|(brick, _)| brick).chain(s.sdf.inside())) {
            let at = grid.brick_coords(brick);
            for k in 0..3 {
                low[k] = low[k].min(at[k]);
                high[k] = high[k].max(at[k] + 1);
            }
        }
        if low[0] > high[0] {
            return None;
        }
        // One or two voxels, which divide a brick.
        let every = if 1.5 * grid.spacing_mm() > LATTICE_MM { 1 } else { 2 };
        let h = grid.spacing_mm() * every as f64;
        let pad = (AROUND_MM / h).ceil() as usize;
        let per_brick = BRICK / every;
        let size = [0, 1, 2].map(|k| (high[k] - low[k]) as usize * per_brick + 2 * pad);
        let first = low.map(|v| f64::from(v) * BRICK as f64 - (pad * every) as f64);
        let geometry = Geometry::axis_aligned(size, [h; 3], grid.patient_from_index(first)).ok()?;
        let mut own = Image::filled(geometry, 0_u16);
        for bone in bones {
            let mut put = |brick, inside: &dyn Fn(usize) -> bool| {
                let at = grid.brick_coords(brick);
                for n in 0..per_brick * per_brick * per_brick {
                    let p = [n % per_brick, n / per_brick % per_brick, n / (per_brick * per_brick)];
                    if inside(every * (p[0] + BRICK * (p[1] + BRICK * p[2]))) {
                        let place = [0, 1, 2].map(|k| (at[k] - low[k]) as usize * per_brick + pad + p[k]);
                        own.voxels[geometry.offset(place)] = bone.label.0;
                    }
                }
            };
            bone.sdf.inside().for_each(|brick| put(brick, &|_| true));
            bone.sdf.stored().for_each(|(brick, samples)| put(brick, &|at| at < BRICK_VOXELS && samples[at] < 0));
        }
        let distance = signed(&geometry, |at| own.voxels[at] != 0);
        let dense = ct.and_then(|ct| {
            let mut is_dense: Vec<bool> = distance
                .voxels
                .par_iter()
                .with_min_len(1 << 14)
                .enumerate()
                .map(|(at, to_bone)| {
                    let place = || geometry.patient_from_index(geometry.index_of(at).map(|v| v as f64));
                    *to_bone > RIM_MM && ct.nearest(place()).is_some_and(|hu| hu >= DENSE_HU)
                })
                .collect();
            without_specks(&mut is_dense, size, (LEAST_DENSE_MM3 / geometry.voxel_mm3()) as usize);
            is_dense.contains(&true).then(|| signed(&geometry, |at| is_dense[at]))
        });
        Some(Self { own, distance, dense })
    }

    /// Signed distance to the nearest bone, mm, negative inside; far beyond the lattice.
    pub(super) fn mm(&self, p: V3) -> f64 {
        self.distance.trilinear_at_mm(p).unwrap_or(AROUND_MM)
    }

    /// Signed distance to the nearest dense bone that nobody labelled, mm, negative inside; far where there is none.
    pub(super) fn dense_mm(&self, p: V3) -> f64 {
        self.dense.as_ref().and_then(|dense| dense.trilinear_at_mm(p)).unwrap_or(AROUND_MM)
    }

    /// Signed distance to the nearest bone, labelled or not, mm.
    pub(super) fn room_mm(&self, p: V3) -> f64 {
        self.mm(p).min(self.dense_mm(p))
    }

    /// The bone at a place, or the nearest one within `within_mm`.
    pub(super) fn near(&self, p: V3, within_mm: f64) -> Option<Label> {
        let look = |p| self.own.nearest(p).filter(|n| *n != 0).map(Label);
        look(p).or_else(|| look(add(p, self.away(p)?, -(self.mm(p) + 0.5)))).filter(|_| self.mm(p) <= within_mm)
    }

    /// Unit direction away from the nearest labelled bone.
    pub(super) fn away(&self, p: V3) -> Option<V3> {
        uphill(p, |p| self.mm(p))
    }

    /// Unit direction away from the nearest bone, labelled or not.
    pub(super) fn away_from_all(&self, p: V3) -> Option<V3> {
        uphill(p, |p| self.room_mm(p))
    }

    /// How far along a unit direction bone begins, mm, and which bone; none within `far_mm`.
    pub(super) fn hit(&self, from: V3, along: V3, far_mm: f64) -> Option<(f64, Label)> {
        let t = self.crossing(from, along, far_mm, |d| d < 0.0)?;
        let label = self.near(add(from, along, t + 0.6), 1.5)?;
        Some((t, label))
    }

    /// How far along a unit direction bone ends, mm; none within `far_mm`.
    pub(super) fn exit(&self, from: V3, along: V3, far_mm: f64) -> Option<f64> {
        self.crossing(from, along, far_mm, |d| d > 0.0)
    }

    fn crossing(&self, from: V3, along: V3, far_mm: f64, beyond: impl Fn(f64) -> bool) -> Option<f64> {
        let mut before = self.mm(from);
        if beyond(before) {
            return Some(0.0);
        }
        for n in 1..=(far_mm / RAY_MM) as usize {
            let here = self.mm(add(from, along, n as f64 * RAY_MM));
            if beyond(here) {
                let part = if (here - before).abs() > 1e-9 { (before / (before - here)).clamp(0.0, 1.0) } else { 0.5 };
                return Some((n as f64 - 1.0 + part) * RAY_MM);
            }
            before = here;
        }
        None
    }

    /// Places of a bone's voxels.
    pub(super) fn places(&self, label: Label) -> impl Iterator<Item = (V3, f64)> {
        let geometry = &self.own.geometry;
        self.own.voxels.iter().enumerate().filter(move |(_, n)| **n == label.0).map(move |(at, _)| {
            let depth = self.distance.voxels.get(at).map_or(0.0, |d| -f64::from(*d));
            (geometry.patient_from_index(geometry.index_of(at).map(|v| v as f64)), depth)
        })
    }

    /// Edge of the lattice's voxels, mm.
    pub(super) fn spacing_mm(&self) -> f64 {
        self.own.geometry.spacing_mm[0]
    }
}

fn uphill(p: V3, height: impl Fn(V3) -> f64) -> Option<V3> {
    let slope = |k: usize| {
        let mut e = [0.0; 3];
        e[k] = 1.0;
        height(add(p, e, 0.8)) - height(add(p, e, -0.8))
    };
    unit([slope(0), slope(1), slope(2)])
}

/// Signed distances to some voxels, mm, negative inside.
fn signed(geometry: &Geometry, is_inside: impl Fn(usize) -> bool + Sync) -> Image<f32> {
    let half = (0.5 * geometry.spacing_mm[0]) as f32;
    let out = nearest_features(geometry.size, geometry.spacing_mm, &is_inside).distances_mm();
    let within = nearest_features(geometry.size, geometry.spacing_mm, |at| !is_inside(at)).distances_mm();
    let voxels = out.iter().zip(within).map(|(out, within)| if *out > 0.0 { out - half } else { half - within }).collect();
    Image { geometry: *geometry, voxels }
}

/// Takes out pieces (6-connected) of fewer than `least` voxels.
fn without_specks(inside: &mut [bool], [nx, ny, nz]: [usize; 3], least: usize) {
    let strides = [1, nx, nx * ny];
    let mut seen = vec![false; inside.len()];
    let mut piece = Vec::new();
    for start in 0..inside.len() {
        if seen[start] || !inside[start] {
            continue;
        }
        piece.clear();
        piece.push(start);
        seen[start] = true;
        let mut next = 0;
        while let Some(at) = piece.get(next).copied() {
            next += 1;
            let place = [at % nx, at / nx % ny, at / (nx * ny)];
            for (k, last) in [nx, ny, nz].map(|n| n - 1).into_iter().enumerate() {
                let around = [(place[k] > 0).then(|| at - strides[k]), (place[k] < last).then(|| at + strides[k])];
                for other in around.into_iter().flatten().filter(|other| inside[*other]) {
                    if !std::mem::replace(&mut seen[other], true) {
                        piece.push(other);
                    }
                }
            }
        }
        if piece.len() < least {
            piece.iter().for_each(|at| inside[*at] = false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A speck goes, a piece of the wanted size stays.
    #[test]
    fn specks_are_taken_out() {
        let mut inside = vec![false; 6 * 5 * 4];
        let at = |x: usize, y: usize, z: usize| x + 6 * (y + 5 * z);
        let piece = [at(0, 0, 0), at(1, 0, 0), at(1, 1, 0), at(1, 1, 1)];
        piece.iter().chain(&[at(4, 4, 3), at(5, 4, 3)]).for_each(|n| inside[*n] = true);
        without_specks(&mut inside, [6, 5, 4], 4);
        assert_eq!((0..inside.len()).filter(|n| inside[*n]).collect::<Vec<_>>(), piece);
    }
}
