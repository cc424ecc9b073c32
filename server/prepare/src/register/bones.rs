//! The bones of a CT's label map, and the places on and around each of them by which it is found in the MR.

use spinor_volume::{Label, TissueClass};

use super::lattice::Box3;
use super::mind::{CHANNELS, Descriptors};
use super::rigid::{V3, add, scale};
use crate::edt::nearest_features;
use crate::volume3d::Image;

/// How far beyond a bone's surface, and how deep below it, places are taken, mm: its cortex and what touches it move with it.
const OUTSIDE_MM: f64 = 3.0;
const INSIDE_MM: f64 = 5.0;
/// Fewest labelled voxels that make a bone.
const LEAST_VOXELS: usize = 50;

/// One bone of a label map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bone {
    pub label: Label,
    /// Middle of its voxels, LPS mm.
    pub centre: V3,
    pub reach: Box3,
}

/// All vertebrae and the sacrum of a label map, from head to foot.
pub(super) fn bones(labels: &Image<u16>) -> Vec<Bone> {
    let mut found: std::collections::BTreeMap<u16, (usize, V3, Box3)> = std::collections::BTreeMap::new();
    for (at, number) in labels.voxels.iter().enumerate().filter(|(_, n)| **n != 0) {
        if Label(*number).class() != Some(TissueClass::Bone) {
            continue;
        }
        let p = labels.geometry.patient_from_index(labels.geometry.index_of(at).map(|v| v as f64));
        let (count, sum, reach) = found.entry(*number).or_insert((0, [0.0; 3], Box3::NONE));
        *count += 1;
        *sum = add(*sum, p);
        reach.add(p);
    }
    // Numbers rise from C1 to the sacrum: the order of the map is the order of the spine.
    found
        .into_iter()
        .filter(|(_, (count, ..))| *count >= LEAST_VOXELS)
        .map(|(number, (count, sum, reach))| Bone { label: Label(number), centre: scale(sum, 1.0 / count as f64), reach })
        .collect()
}

/// A place by which a bone is found: where it lies in the CT and what it looks like there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub at: V3,
    /// 0-1: how much the CT shows there.
    pub weight: f32,
    pub values: [u8; CHANNELS],
}

/// At most `most` places of every bone, in the order of `bones`, spread evenly over its rim.
///
/// A place belongs to the bone that is nearest; where two bones are nearly as near, to none.
pub(super) fn points(bones: &[Bone], labels: &Image<u16>, ct: &Descriptors, most: usize) -> Vec<Vec<Point>> {
    let g = &ct.geometry;
    let own: Vec<u8> = (0..g.voxel_count())
        .map(|at| {
            let number = labels.nearest(g.patient_from_index(g.index_of(at).map(|v| v as f64))).unwrap_or(0);
            bones.iter().position(|b| b.label.0 == number).map_or(0, |n| n as u8 + 1)
        })
        .collect();
    let to_bone = nearest_features(g.size, g.spacing_mm, |at| own[at] != 0);
    let to_rest = nearest_features(g.size, g.spacing_mm, |at| own[at] == 0);
    let margin = g.spacing_mm[0];
    let mut candidates: Vec<Vec<usize>> = vec![Vec::new(); bones.len()];
    for at in 0..own.len() {
        if !ct.inside[at] {
            continue;
        }
        let Some(owner) = to_bone.nearest(at).map(|feature| own[feature]) else { continue };
        let near = match own[at] {
            0 => to_bone.distance_mm(at) <= OUTSIDE_MM.max(1.5 * margin),
            _ => to_rest.distance_mm(at) <= INSIDE_MM.max(2.0 * margin),
        };
        if near && alone(&own, g.size, at, owner) {
            candidates[usize::from(owner) - 1].push(at);
        }
    }
    candidates
        .into_iter()
        .map(|all| {
            let count = all.len().min(most);
            let pick = |n: usize| all[n * all.len() / count];
            (0..count)
                .map(|n| {
                    let at = pick(n);
                    let position = g.patient_from_index(g.index_of(at).map(|v| v as f64));
                    Point { at: position, weight: ct.strength[at].min(1.0), values: ct.values[at] }
                })
                .collect()
        })
        .collect()
}

/// Whether no other bone lies within two voxels along the axes.
fn alone(own: &[u8], size: [usize; 3], at: usize, owner: u8) -> bool {
    let [nx, ny, nz] = size;
    let place = [at % nx, at / nx % ny, at / (nx * ny)];
    let strides = [1, nx, nx * ny];
    (0..3).all(|k| {
        let n = [nx, ny, nz][k];
        (1..=2).all(|step| {
            let low = place[k] < step || matches!(own[at - step * strides[k]], o if o == 0 || o == owner);
            let high = place[k] + step >= n || matches!(own[at + step * strides[k]], o if o == 0 || o == owner);
            low && high
        })
    })
}
