//! The lattice that shapes are reasoned about on: even voxels along left, back and up, around what the model found.

use super::{Guide, Part};
use crate::edt::{NearestFeatures, nearest_features};
use crate::volume3d::{Geometry, Image};

/// Voxel edge, mm: below the network's 2 mm, so that nothing thin is lost.
pub(super) const STEP_MM: f64 = 1.5;
/// Room around what was found, mm.
const MARGIN_MM: f64 = 6.0;
/// Most voxels: a whole body of 600 × 400 × 900 mm.
const MOST_VOXELS: usize = 64_000_000;

/// Parts and HU on even voxels; x left, y back, z up, x fastest.
pub(super) struct Lattice {
    /// Where the voxels lie.
    pub(super) geometry: Geometry,
    /// What each voxel is.
    pub(super) parts: Vec<Part>,
    /// The CT there, HU; only where there is a part, else 0.
    pub(super) hu: Vec<f32>,
    /// Whether there is a CT.
    pub(super) dense: bool,
}

/// The neighbours of a voxel: offsets along x, y, z.
pub(super) fn neighbours(all: bool) -> Vec<[i64; 3]> {
    let mut out = Vec::with_capacity(26);
    for z in -1..=1_i64 {
        for y in -1..=1_i64 {
            for x in -1..=1_i64 {
                let apart = x.abs() + y.abs() + z.abs();
                if apart > 0 && (all || apart == 1) {
                    out.push([x, y, z]);
                }
            }
        }
    }
    out
}

impl Lattice {
    /// The lattice around all parts; none when there are none.
    pub(super) fn around(parts: &Image<u16>, guide: Guide<'_>) -> Option<Self> {
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        let found = parts.voxels.iter().enumerate().filter(|(_, v)| Part::of(**v) != Part::Background);
        for (at, _) in found {
            let p = parts.geometry.patient_from_index(parts.geometry.index_of(at).map(|v| v as f64));
            for k in 0..3 {
                low[k] = low[k].min(p[k]);
                high[k] = high[k].max(p[k]);
            }
        }
        if low[0] > high[0] {
            return None;
        }
        let size = [0, 1, 2].map(|k| ((high[k] - low[k] + 2.0 * MARGIN_MM) / STEP_MM).ceil() as usize + 1);
        if size.iter().product::<usize>() > MOST_VOXELS {
            return None;
        }
        let geometry = Geometry::axis_aligned(size, [STEP_MM; 3], low.map(|v| v - MARGIN_MM)).ok()?;
        let count = geometry.voxel_count();
        let (mut here, mut hu) = (vec![Part::Background; count], vec![0.0; count]);
        for at in 0..count {
            let p = geometry.patient_from_index(geometry.index_of(at).map(|v| v as f64));
            here[at] = parts.nearest(p).map_or(Part::Background, Part::of);
            if let Guide::Ct(ct) = guide
                && here[at] != Part::Background
            {
                hu[at] = mean_hu(ct, p);
            }
        }
        Some(Self { geometry, parts: here, hu, dense: matches!(guide, Guide::Ct(_)) })
    }

    /// Voxels along the axes.
    pub(super) fn size(&self) -> [usize; 3] {
        self.geometry.size
    }

    /// Position of a voxel, mm.
    pub(super) fn position(&self, at: usize) -> [f64; 3] {
        self.geometry.patient_from_index(self.geometry.index_of(at).map(|v| v as f64))
    }

    /// A neighbour's place, if it lies inside.
    pub(super) fn step(&self, at: usize, by: [i64; 3]) -> Option<usize> {
        let index = self.geometry.index_of(at);
        let mut to = [0; 3];
        for k in 0..3 {
            to[k] = usize::try_from(index[k] as i64 + by[k]).ok().filter(|n| *n < self.geometry.size[k])?;
        }
        Some(self.geometry.offset(to))
    }

    /// Volume of `count` voxels, mm³.
    pub(super) fn mm3(count: usize) -> f64 {
        count as f64 * STEP_MM * STEP_MM * STEP_MM
    }

    /// The nearest voxel of a kind, from everywhere.
    pub(super) fn nearest(&self, is: impl Fn(usize) -> bool + Sync) -> NearestFeatures {
        nearest_features(self.geometry.size, self.geometry.spacing_mm, is)
    }

    /// Connected pieces of a kind: the number of each voxel's piece (0 for none) and the voxels of each piece.
    pub(super) fn pieces(&self, all_neighbours: bool, is: impl Fn(usize) -> bool) -> (Vec<u32>, Vec<Vec<usize>>) {
        let around = neighbours(all_neighbours);
        let mut number = vec![0_u32; self.parts.len()];
        let mut pieces: Vec<Vec<usize>> = Vec::new();
        for start in 0..number.len() {
            if number[start] != 0 || !is(start) {
                continue;
            }
            let own = pieces.len() as u32 + 1;
            number[start] = own;
            let mut piece = vec![start];
            let mut next = 0;
            while let Some(at) = piece.get(next).copied() {
                next += 1;
                for by in &around {
                    if let Some(to) = self.step(at, *by)
                        && number[to] == 0
                        && is(to)
                    {
                        number[to] = own;
                        piece.push(to);
                    }
                }
            }
            pieces.push(piece);
        }
        (number, pieces)
    }
}

/// Mean of the CT at the corners of a small cube around a position: noise counts for less. Background where the CT ends.
fn mean_hu(ct: &Image<i16>, p: [f64; 3]) -> f32 {
    let reach = STEP_MM / 4.0;
    let (mut sum, mut count) = (0.0, 0);
    for corner in 0..8_usize {
        let at = [0, 1, 2].map(|k| p[k] + if corner >> k & 1 == 1 { reach } else { -reach });
        if let Some(hu) = ct.trilinear_at_mm(at) {
            sum += hu;
            count += 1;
        }
    }
    if count == 0 { 0.0 } else { (sum / f64::from(count)) as f32 }
}
