//! Labels on the CT's own voxels, with bone moved to the edge that the CT shows.
//!
//! The network works on 2 mm voxels and is least sure at the border. In a band on both sides of it a voxel is bone when the CT, lightly
//! smoothed, is denser than half-way between the soft tissue around and the bone next to it, for a dense cortex is blurred farther beyond
//! its surface than a thin one; inside the band the network is believed, since marrow can be as dark as muscle. Otsu's threshold there
//! would split cortex from marrow, and a wider band loses fatty marrow.

use std::collections::BTreeMap;

use rayon::prelude::*;
use spinor_volume::{Label, TissueClass};

use super::Part;
use super::lattice::Lattice;
use crate::edt::nearest_features;
use crate::volume3d::{Geometry, Image};

/// Half the width of the band, mm.
const BAND_MM: f64 = 2.2;
/// A rim of soft tissue around the bone, mm from it.
const RIM_MM: (f64, f64) = (3.0, 8.0);
/// Soft tissue lies between these, HU.
const SOFT_HU: (i32, i32) = (-150, 150);
/// Where the edge may be, HU: never in muscle, never within the densest cortex.
const EDGE_HU: (f64, f64) = (90.0, 450.0);
/// Bone within this of a voxel, along each axis, says how dense bone is there, mm. The mean of it: noise would raise a maximum.
const BONE_NEAR_MM: f64 = 2.0;
/// Smoothing of the CT before it is compared, mm (one standard deviation).
const SMOOTH_MM: f64 = 0.45;
/// How far inside disc and canal nothing becomes bone, mm.
const BLOCK_MM: f64 = 1.2;
/// Farther than this from what the lattice knows, a label of the network's is noise, mm.
const NEAR_MM: f64 = 3.0;
/// Along an axis of thicker voxels no speckle is looked for, mm: three of them would be thicker than a lamina.
const THICK_MM: f64 = 1.5;
/// Least piece of bone, mm³.
const LEAST_PIECE_MM3: f64 = 1_200.0;

/// The result on the CT's voxels.
pub(super) struct Refined {
    pub(super) labels: Image<u16>,
    /// Dice of every bone before and after, by label number.
    pub(super) confidence: BTreeMap<u16, f64>,
}

/// Brings the lattice's labels (`coarse`) to the voxels of `parts` and `ct`, and bone to the CT's edge.
pub(super) fn refine(parts: &Image<u16>, ct: &Image<i16>, lattice: &Lattice, coarse: &[u16]) -> Refined {
    let mut labels = native(parts, lattice, coarse);
    let mut confidence = BTreeMap::new();
    let Some(mut cut) = Cut::around_bone(&labels) else { return Refined { labels, confidence } };
    let before = cut.labels.clone();
    cut.move_border(&ct.voxels, &labels.geometry);
    let mut counts: BTreeMap<u16, [usize; 3]> = BTreeMap::new();
    for (a, b) in before.iter().zip(&cut.labels) {
        if is_bone(*a) {
            counts.entry(*a).or_default()[0] += 1;
        }
        if is_bone(*b) {
            counts.entry(*b).or_default()[1] += 1;
            if a == b {
                counts.entry(*b).or_default()[2] += 1;
            }
        }
    }
    for (label, [a, b, both]) in counts.into_iter().filter(|(_, [_, b, _])| *b > 0) {
        confidence.insert(label, (200.0 * both as f64 / (a + b) as f64).round() / 100.0);
    }
    cut.paste(&mut labels);
    Refined { labels, confidence }
}

fn is_bone(label: u16) -> bool {
    Label(label).class() == Some(TissueClass::Bone)
}

/// Every voxel's label: that of the nearest voxel of the lattice that has one.
pub(super) fn native(parts: &Image<u16>, lattice: &Lattice, coarse: &[u16]) -> Image<u16> {
    let known = lattice.nearest(|at| coarse[at] != 0);
    let geometry = parts.geometry;
    let size = lattice.size();
    let plane = geometry.size[0] * geometry.size[1];
    let mut labels = Image::filled(geometry, 0_u16);
    labels.voxels.par_chunks_mut(plane).enumerate().for_each(|(k, out)| {
        for (n, label) in out.iter_mut().enumerate() {
            let part = Part::of(parts.voxels[k * plane + n]);
            if part == Part::Background {
                continue;
            }
            let p = geometry.patient_from_index(geometry.index_of(k * plane + n).map(|v| v as f64));
            let index = lattice.geometry.index_from_patient(p).map(|v| v.round());
            if (0..3).any(|d| index[d] < 0.0 || index[d] >= size[d] as f64) {
                continue;
            }
            let at = lattice.geometry.offset(index.map(|v| v as usize));
            if known.distance_mm(at) <= NEAR_MM
                && let Some(nearest) = known.nearest(at)
            {
                *label = coarse[nearest];
            }
        }
    });
    labels
}

/// The box around all bone, with the band's room.
struct Cut {
    low: [usize; 3],
    size: [usize; 3],
    spacing_mm: [f64; 3],
    labels: Vec<u16>,
}

impl Cut {
    fn around_bone(labels: &Image<u16>) -> Option<Self> {
        let geometry = &labels.geometry;
        let (mut low, mut high) = ([usize::MAX; 3], [0; 3]);
        for (at, _) in labels.voxels.iter().enumerate().filter(|(_, v)| is_bone(**v)) {
            let index = geometry.index_of(at);
            for k in 0..3 {
                low[k] = low[k].min(index[k]);
                high[k] = high[k].max(index[k] + 1);
            }
        }
        if low[0] == usize::MAX {
            return None;
        }
        for k in 0..3 {
            let room = (RIM_MM.1 / geometry.spacing_mm[k]).ceil() as usize;
            low[k] = low[k].saturating_sub(room);
            high[k] = (high[k] + room).min(geometry.size[k]);
        }
        let size = [0, 1, 2].map(|k| high[k] - low[k]);
        let mut cut = Self { low, size, spacing_mm: geometry.spacing_mm, labels: vec![0; size.iter().product()] };
        for (own, whole) in cut.rows(geometry) {
            cut.labels[own..own + size[0]].copy_from_slice(&labels.voxels[whole..whole + size[0]]);
        }
        Some(cut)
    }

    /// Where each row of the box begins in it, and in the whole image.
    fn rows(&self, geometry: &Geometry) -> Vec<(usize, usize)> {
        let mut out = Vec::with_capacity(self.size[1] * self.size[2]);
        for k in 0..self.size[2] {
            for j in 0..self.size[1] {
                let own = self.size[0] * (j + self.size[1] * k);
                out.push((own, geometry.offset([self.low[0], self.low[1] + j, self.low[2] + k])));
            }
        }
        out
    }

    fn paste(self, labels: &mut Image<u16>) {
        for (own, whole) in self.rows(&labels.geometry) {
            labels.voxels[whole..whole + self.size[0]].copy_from_slice(&self.labels[own..own + self.size[0]]);
        }
    }

    fn index_of(&self, at: usize) -> [usize; 3] {
        let [nx, ny, _] = self.size;
        [at % nx, at / nx % ny, at / (nx * ny)]
    }

    fn move_border(&mut self, hu: &[i16], geometry: &Geometry) {
        let mut own_hu = vec![0_i16; self.labels.len()];
        for (own, whole) in self.rows(geometry) {
            own_hu[own..own + self.size[0]].copy_from_slice(&hu[whole..whole + self.size[0]]);
        }
        let network: Vec<bool> = self.labels.iter().map(|l| is_bone(*l)).collect();
        let to_bone = nearest_features(self.size, self.spacing_mm, |at| network[at]);
        let outside = to_bone.distances_mm();
        let inside = nearest_features(self.size, self.spacing_mm, |at| !network[at]).distances_mm();
        let soft = soft_hu(&own_hu, &outside);
        let hard = self.bone_near(&own_hu, &network);
        let other: Vec<bool> = self.labels.iter().map(|l| *l != 0 && !is_bone(*l)).collect();
        let blocked: Vec<bool> = {
            let depth = nearest_features(self.size, self.spacing_mm, |at| !other[at]).distances_mm();
            depth.into_iter().map(|d| f64::from(d) > BLOCK_MM && d.is_finite()).collect()
        };
        let deep = |at: usize| f64::from(inside[at]) > BAND_MM;
        let mut bone: Vec<bool> = (0..network.len())
            .into_par_iter()
            .with_min_len(1 << 12)
            .map(|at| {
                let near = !deep(at) && f64::from(outside[at]) <= BAND_MM;
                let edge = (0.5 * (soft + f64::from(hard[at]))).clamp(EDGE_HU.0, EDGE_HU.1);
                !blocked[at] && (deep(at) || (near && self.smoothed(&own_hu, at) > edge))
            })
            .collect();
        self.close_marrow(&mut bone, &network);
        for (at, blocked) in blocked.iter().enumerate() {
            bone[at] &= !blocked;
        }
        let opened = self.opened(&bone);
        for at in 0..bone.len() {
            bone[at] = opened[at] || (bone[at] && deep(at));
        }
        self.drop_small(&mut bone);
        // What was not bone looks up the bone next to it, so nothing is taken away before that is done.
        for at in (0..bone.len()).filter(|at| bone[*at] && !network[*at]) {
            if let Some(nearest) = to_bone.nearest(at) {
                self.labels[at] = self.labels[nearest];
            }
        }
        for at in (0..bone.len()).filter(|at| network[*at] && !bone[*at]) {
            self.labels[at] = 0;
        }
    }

    /// The CT at a voxel, averaged with its six neighbours.
    fn smoothed(&self, hu: &[i16], at: usize) -> f64 {
        let index = self.index_of(at);
        let steps = [1, self.size[0], self.size[0] * self.size[1]];
        let (mut sum, mut weight) = (f64::from(hu[at]), 1.0);
        for k in 0..3 {
            let w = (-0.5 * (self.spacing_mm[k] / SMOOTH_MM) * (self.spacing_mm[k] / SMOOTH_MM)).exp();
            if index[k] > 0 {
                sum += w * f64::from(hu[at - steps[k]]);
                weight += w;
            }
            if index[k] + 1 < self.size[k] {
                sum += w * f64::from(hu[at + steps[k]]);
                weight += w;
            }
        }
        sum / weight
    }

    /// Mean HU of the bone in the box of `BONE_NEAR_MM` around every voxel; 0 where there is none.
    fn bone_near(&self, hu: &[i16], bone: &[bool]) -> Vec<f32> {
        let of = |value: &dyn Fn(usize) -> f32| -> Vec<f32> {
            let mut sums: Vec<f32> = (0..bone.len()).map(|at| if bone[at] { value(at) } else { 0.0 }).collect();
            for axis in 0..3 {
                sums = self.summed(&sums, axis);
            }
            sums
        };
        let (sums, counts) = (of(&|at| f32::from(hu[at])), of(&|_| 1.0));
        sums.iter().zip(counts).map(|(sum, count)| if count > 0.0 { sum / count } else { 0.0 }).collect()
    }

    /// Sums along an axis over all voxels within `BONE_NEAR_MM`.
    fn summed(&self, values: &[f32], axis: usize) -> Vec<f32> {
        let step = [1, self.size[0], self.size[0] * self.size[1]][axis];
        let reach = (BONE_NEAR_MM / self.spacing_mm[axis]).round() as usize;
        let sum = |at: usize| {
            let here = self.index_of(at)[axis];
            let (below, above) = (here.min(reach), (self.size[axis] - 1 - here).min(reach));
            (0..=below + above).map(|n| values[at - below * step + n * step]).sum()
        };
        (0..values.len()).into_par_iter().with_min_len(1 << 12).map(sum).collect()
    }

    /// Fills the holes of every slice in every direction, but only where the network said bone.
    fn close_marrow(&self, bone: &mut [bool], network: &[bool]) {
        let steps = [1, self.size[0], self.size[0] * self.size[1]];
        let first = bone.to_vec();
        for axis in 0..3 {
            let (a, b) = ((axis + 1) % 3, (axis + 2) % 3);
            let holes: Vec<Vec<usize>> = (0..self.size[axis])
                .into_par_iter()
                .map(|n| {
                    let place = |i: usize, j: usize| n * steps[axis] + i * steps[a] + j * steps[b];
                    holes(self.size[a], self.size[b], |i, j| first[place(i, j)]).into_iter().map(|(i, j)| place(i, j)).collect()
                })
                .collect();
            holes.into_iter().flatten().filter(|at| network[*at]).for_each(|at| bone[at] = true);
        }
    }

    /// What is left of a mask when a cross of seven voxels must fit; its arms along axes of thick voxels are left out.
    fn opened(&self, mask: &[bool]) -> Vec<bool> {
        let steps = [1, self.size[0], self.size[0] * self.size[1]];
        let cross = |at: usize, test: &dyn Fn(Option<usize>) -> bool| -> bool {
            let index = self.index_of(at);
            (0..3).filter(|k| self.spacing_mm[*k] <= THICK_MM).all(|k| {
                test((index[k] > 0).then(|| at - steps[k])) && test((index[k] + 1 < self.size[k]).then(|| at + steps[k]))
            })
        };
        let eroded: Vec<bool> = (0..mask.len())
            .into_par_iter()
            .with_min_len(1 << 12)
            .map(|at| mask[at] && cross(at, &|to| to.is_none_or(|to| mask[to])))
            .collect();
        (0..mask.len())
            .into_par_iter()
            .with_min_len(1 << 12)
            .map(|at| eroded[at] || !cross(at, &|to| to.is_none_or(|to| !eroded[to])))
            .collect()
    }

    fn drop_small(&self, bone: &mut [bool]) {
        let steps = [1, self.size[0], self.size[0] * self.size[1]];
        let least = LEAST_PIECE_MM3 / self.spacing_mm.iter().product::<f64>();
        let mut seen = vec![false; bone.len()];
        for start in 0..bone.len() {
            if seen[start] || !bone[start] {
                continue;
            }
            seen[start] = true;
            let mut piece = vec![start];
            let mut next = 0;
            while let Some(at) = piece.get(next).copied() {
                next += 1;
                let index = self.index_of(at);
                for k in 0..3 {
                    let back = (index[k] > 0).then(|| at - steps[k]);
                    let on = (index[k] + 1 < self.size[k]).then(|| at + steps[k]);
                    for to in [back, on].into_iter().flatten() {
                        if bone[to] && !seen[to] {
                            seen[to] = true;
                            piece.push(to);
                        }
                    }
                }
            }
            if (piece.len() as f64) < least {
                piece.into_iter().for_each(|at| bone[at] = false);
            }
        }
    }
}

/// The median of the soft tissue around bone, HU.
fn soft_hu(hu: &[i16], outside: &[f32]) -> f64 {
    let rim = |at: &usize| {
        let far = f64::from(outside[*at]);
        far > RIM_MM.0 && far < RIM_MM.1 && (SOFT_HU.0..SOFT_HU.1).contains(&i32::from(hu[*at]))
    };
    let mut soft: Vec<i16> = (0..hu.len()).filter(rim).map(|at| hu[at]).collect();
    if soft.is_empty() {
        return 40.0;
    }
    let middle = (soft.len() - 1) / 2;
    f64::from(*soft.select_nth_unstable(middle).1)
}

/// Places of a slice that are not filled and cannot be reached from its border.
fn holes(width: usize, height: usize, filled: impl Fn(usize, usize) -> bool) -> Vec<(usize, usize)> {
    let mut open = vec![false; width * height];
    let mut queue = Vec::new();
    let mut visit = |i: usize, j: usize, queue: &mut Vec<(usize, usize)>| {
        if !open[i + width * j] && !filled(i, j) {
            open[i + width * j] = true;
            queue.push((i, j));
        }
    };
    for i in 0..width {
        visit(i, 0, &mut queue);
        visit(i, height - 1, &mut queue);
    }
    for j in 0..height {
        visit(0, j, &mut queue);
        visit(width - 1, j, &mut queue);
    }
    while let Some((i, j)) = queue.pop() {
        if i > 0 {
            visit(i - 1, j, &mut queue);
        }
        if j > 0 {
            visit(i, j - 1, &mut queue);
        }
        if i + 1 < width {
            visit(i + 1, j, &mut queue);
        }
        if j + 1 < height {
            visit(i, j + 1, &mut queue);
        }
    }
    let places = (0..height).flat_map(|j| (0..width).map(move |i| (i, j)));
    places.filter(|(i, j)| !open[i + width * j] && !filled(*i, *j)).collect()
}

#[cfg(test)]
mod tests {
    //! Speckle goes, thin bone on thick slices stays.

    use super::*;
    use crate::volume3d::IDENTITY;

    /// A plate one voxel thick across an axis, beside a lone voxel.
    fn plate(axis: usize, spacing_mm: [f64; 3]) -> (Cut, Vec<bool>) {
        let cut = Cut { low: [0; 3], size: [9; 3], spacing_mm, labels: vec![0; 729] };
        let mask = (0..729).map(|at| cut.index_of(at)[axis] == 4 || cut.index_of(at) == [7; 3]).collect();
        (cut, mask)
    }

    /// A lamina that one sagittal slice of 2 mm shows is bone, and one voxel of 0.5 mm is not; a lone voxel never is.
    #[test]
    fn thin_bone_on_thick_slices_stays() {
        for axis in 0..3 {
            let mut spacing_mm = [0.5; 3];
            let (fine, mask) = plate(axis, spacing_mm);
            assert!(fine.opened(&mask).iter().all(|v| !v), "axis {axis}");
            spacing_mm[axis] = 2.0;
            let (thick, mask) = plate(axis, spacing_mm);
            let opened = thick.opened(&mask);
            for at in 0..opened.len() {
                assert_eq!(opened[at], thick.index_of(at)[axis] == 4, "axis {axis}, voxel {:?}", thick.index_of(at));
            }
        }
    }

    /// A wall of cortex that is blurred by the scanner: the border lies at its true surface however dense it is, and though the network
    /// drew it a millimetre too far out or in.
    #[test]
    fn the_border_is_where_the_cortex_begins() {
        let geometry = Geometry { size: [60, 40, 40], spacing_mm: [0.5; 3], origin_mm: [0.0; 3], direction: IDENTITY };
        let surface = 30.0;
        for (cortex, off) in [(400.0, 0.0), (1000.0, 0.0), (1000.0, 2.0), (700.0, -2.0)] {
            // Along x: marrow up to 4 voxels below the surface, cortex, then muscle; blurred over 2 mm.
            let density = |x: f64| {
                if x < surface - 4.0 {
                    200.0
                } else if x < surface {
                    cortex
                } else {
                    50.0
                }
            };
            let blurred = |x: usize| (-20..=20).map(|n| density(x as f64 + 0.5 + f64::from(n) / 10.0)).sum::<f64>() / 41.0;
            let voxels: Vec<i16> = (0..geometry.voxel_count()).map(|at| blurred(geometry.index_of(at)[0]) as i16).collect();
            let drawn = surface + off;
            let label = |at: usize| if (geometry.index_of(at)[0] as f64) < drawn { Label::lumbar(3).0 } else { 0 };
            let labels = Image { geometry, voxels: (0..geometry.voxel_count()).map(label).collect::<Vec<u16>>() };
            let mut cut = Cut::around_bone(&labels).unwrap();
            cut.move_border(&voxels, &geometry);
            let row = cut.size[0] * (20 + cut.size[1] * 20);
            let reached = (0..cut.size[0]).filter(|x| cut.labels[row + x] != 0).count() as f64;
            assert!(
                (reached - surface).abs() <= 1.0,
                "cortex {cortex} HU, drawn {off} voxels off: {reached} instead of {surface}"
            );
        }
    }
}
