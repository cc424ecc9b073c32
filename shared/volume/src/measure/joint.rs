//! What lies between two neighbouring vertebrae: disc, flavum and the two facet joints.

use super::axis::CanalAxis;
use super::frame::{LocalFrame, Side};
use super::vector::{Vec3, add, mean, norm, quantile, sub, unit};
use super::vertebra::Vertebra;
use crate::field::SparseField;
use crate::grid::{Grid, VoxelIndex};
use crate::label::{Label, TissueClass};
use crate::patient::Patient;
use crate::query::sdf_gradient;

/// Step of the lattice on which the joints are sought, mm.
const STEP_MM: f64 = 0.7;
/// The lattice: half its width, its depth before and behind the canal's middle, half its height, mm.
const HALF_X_MM: f64 = 32.0;
const FRONT_MM: f64 = -6.0;
const BEHIND_MM: f64 = 30.0;
const HALF_Z_MM: f64 = 24.0;
/// Steps of a chamfer distance per lattice step (weights 3, 4, 5: Borgefors 1986).
const CHAMFER: i32 = 3;
/// Joints lie at least this far from the midline, mm: laminae and spinous processes that touch are no joint.
const LEAST_X_MM: f64 = 6.0;
/// Widest gap between the bones of a joint, mm.
const WIDEST_GAP_MM: f64 = 5.0;
/// How much wider than its narrowest place a joint's gap may be, mm.
const SLACK_MM: f64 = 1.5;
/// How far in front of the joint its bone is counted, and how far behind, mm: the processes are 7-9 mm thick (K).
const BONE_FRONT_MM: f64 = 4.0;
const BONE_BEHIND_MM: f64 = 7.0;

/// One facet joint in its level's frame, from the uncut bones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FacetJoint {
    /// Which side.
    pub side: Side,
    /// The middle of its gap, mm in the level's frame.
    pub centre_mm: [f64; 3],
    /// Unit vector across the gap, from the superior process of the lower bone to the inferior process of the upper one, level's frame.
    pub normal: [f64; 3],
    /// Distance from the midline to its medial border, mm.
    pub medial_mm: f64,
    /// Distance from the midline to its lateral border, mm.
    pub lateral_mm: f64,
    /// y of its front and back end, mm.
    pub front_mm: f64,
    /// y of its back end, mm.
    pub back_mm: f64,
    /// Height of its lower end, mm.
    pub low_mm: f64,
    /// Height of its upper end, mm.
    pub high_mm: f64,
}

impl FacetJoint {
    /// Whether a position in the level's frame lies in the region whose bone counts as the joint's: lateral to the medial border, between
    /// its ends, from 4 mm in front of the gap to 7 mm behind it, not farther than 2 mm lateral of it.
    pub fn holds(&self, local_mm: [f64; 3]) -> bool {
        let x = local_mm[0] * self.side.sign();
        (self.medial_mm..self.lateral_mm + 2.0).contains(&x)
            && (self.front_mm - BONE_FRONT_MM..self.back_mm + BONE_BEHIND_MM).contains(&local_mm[1])
            && (self.low_mm..self.high_mm).contains(&local_mm[2])
    }

    /// The two corners of that region in the level's frame: lowest, highest coordinates.
    pub fn region_mm(&self) -> [[f64; 3]; 2] {
        let (a, b) = (self.side.sign() * self.medial_mm, self.side.sign() * (self.lateral_mm + 2.0));
        [[a.min(b), self.front_mm - BONE_FRONT_MM, self.low_mm], [a.max(b), self.back_mm + BONE_BEHIND_MM, self.high_mm]]
    }
}

/// What lies between a vertebra and the one below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Joint {
    /// Frame at the height of the disc: origin on the canal's axis, moved to the midline plane between the two bones'.
    pub frame: LocalFrame,
    /// Place of the origin on the canal's axis, mm from the lower end.
    pub along_mm: f64,
    /// Place of the disc in the patient's structures.
    pub disc: Option<usize>,
    /// Place of the flavum in the patient's structures.
    pub flavum: Option<usize>,
    /// Left, then right; none where the bones do not come near each other.
    pub facets: [Option<FacetJoint>; 2],
}

impl Joint {
    /// Finds what lies between two bones.
    pub(super) fn find(patient: &Patient, axis: &CanalAxis, upper: &Vertebra, lower: &Vertebra) -> Option<Self> {
        let place = |label: Label| patient.structures().iter().position(|s| s.label == label);
        let level = upper.label.0.checked_sub(40).filter(|n| (1..=6).contains(n));
        let disc = level.and_then(|n| place(Label::disc_below(n)).filter(|_| n < 6 || lower.label != Label::SACRUM));
        let flavum = level.filter(|n| *n < 6).and_then(|n| place(Label::flavum_below(n)));
        let middle = disc.and_then(|k| centroid(patient.grid(), &patient.structures().get(k)?.sdf));
        let along_mm = middle.map_or((upper.along_mm + lower.along_mm) / 2.0, |at| axis.along(at));
        let left = add(upper.frame.left, lower.frame.left);
        let on_axis = LocalFrame::with_up(axis.at(along_mm), axis.chord(along_mm, 10.0), left)?;
        // Where the two bones' midline planes pass this height.
        let shift = |v: &Vertebra| -v.frame.local(on_axis.origin_mm)[0];
        let frame = on_axis.moved([(shift(upper) + shift(lower)) / 2.0, 0.0, 0.0]);
        let facets = facets(patient, &frame, upper, lower);
        Some(Self { frame, along_mm, disc, flavum, facets })
    }

    /// One side's facet joint.
    pub fn facet(&self, side: Side) -> Option<&FacetJoint> {
        self.facets[side as usize].as_ref()
    }
}

/// The middle of a structure, from every fourth voxel along each axis of its bricks.
fn centroid(grid: &Grid, field: &SparseField) -> Option<Vec3> {
    let [nx, ny, nz] = grid.bricks().map(|n| n as i32 * 4);
    let voxel = |n: i32| VoxelIndex([n % nx * 4, n / nx % ny * 4, n / (nx * ny) * 4]);
    mean((0..nx * ny * nz).map(voxel).filter(|v| field.sample(grid, *v) < 0).map(|v| grid.patient_from_index(v.0.map(f64::from))))
}

/// The lattice on which joints are sought.
struct Lattice {
    counts: [usize; 3],
}

impl Lattice {
    fn new() -> Self {
        let count = |mm: f64| (mm / STEP_MM).ceil() as usize + 1;
        Self { counts: [count(2.0 * HALF_X_MM), count(BEHIND_MM - FRONT_MM), count(2.0 * HALF_Z_MM)] }
    }

    fn len(&self) -> usize {
        self.counts.iter().product()
    }

    fn local(&self, at: usize) -> Vec3 {
        let [nx, ny, _] = self.counts;
        let [x, y, z] = [at % nx, at / nx % ny, at / (nx * ny)].map(|v| v as f64 * STEP_MM);
        [x - HALF_X_MM, y + FRONT_MM, z - HALF_Z_MM]
    }

    /// Chamfer distance to the inside of a field from every node, in thirds of a step.
    fn distances(&self, grid: &Grid, frame: &LocalFrame, field: &SparseField) -> Vec<i32> {
        const FAR: i32 = 1 << 20;
        let inside = |at: usize| {
            let index = grid.index_from_patient(frame.patient(self.local(at)));
            field.sample(grid, VoxelIndex(index.map(|v| v.round() as i32))) < 0
        };
        let mut d: Vec<i32> = (0..self.len()).map(|at| if inside(at) { 0 } else { FAR }).collect();
        for backward in [false, true] {
            self.sweep(&mut d, backward);
        }
        d
    }

    fn sweep(&self, d: &mut [i32], backward: bool) {
        let [nx, ny, nz] = self.counts.map(|n| n as i32);
        let all = nx * ny * nz;
        for n in 0..all {
            let at = if backward { all - 1 - n } else { n };
            let [x, y, z] = [at % nx, at / nx % ny, at / (nx * ny)];
            let mut best = d[at as usize];
            for back in 1..=13 {
                // The 13 neighbours before a node in raster order, or after it.
                let k = 13 - back;
                let sign = if backward { -1 } else { 1 };
                let [dx, dy, dz] = [k % 3 - 1, k / 3 % 3 - 1, k / 9 - 1].map(|v| v * sign);
                let (px, py, pz) = (x + dx, y + dy, z + dz);
                if (0..nx).contains(&px) && (0..ny).contains(&py) && (0..nz).contains(&pz) {
                    let weight = 2 + dx.abs() + dy.abs() + dz.abs();
                    best = best.min(d[(px + nx * (py + ny * pz)) as usize] + weight);
                }
            }
            d[at as usize] = best;
        }
    }
}

/// The facet joints: where the two bones face each other across a narrow gap, beside and behind the canal.
fn facets(patient: &Patient, frame: &LocalFrame, upper: &Vertebra, lower: &Vertebra) -> [Option<FacetJoint>; 2] {
    let grid = patient.grid();
    let field = |v: &Vertebra| patient.structures().get(v.structure).map(|s| &s.sdf);
    let (Some(above), Some(below)) = (field(upper), field(lower)) else { return [None; 2] };
    let lattice = Lattice::new();
    let (to_upper, to_lower) = (lattice.distances(grid, frame, above), lattice.distances(grid, frame, below));
    let thirds = |mm: f64| (mm / STEP_MM * f64::from(CHAMFER)) as i32;
    let gap = |at: usize| to_upper[at] + to_lower[at];
    // Half-way between the bones, where the gap is narrow enough.
    let between = |at: usize, widest: i32| gap(at) <= widest && (to_upper[at] - to_lower[at]).abs() <= CHAMFER + 1;
    Side::BOTH.map(|side| {
        let candidates: Vec<(usize, Vec3)> = (0..lattice.len())
            .filter(|at| between(*at, thirds(WIDEST_GAP_MM)))
            .map(|at| (at, lattice.local(at)))
            .filter(|(_, p)| p[0] * side.sign() >= LEAST_X_MM)
            .collect();
        // The narrowest gap that is no speck: a twentieth of the places are narrower.
        let mut gaps: Vec<f64> = candidates.iter().map(|(at, _)| f64::from(gap(*at))).collect();
        let narrow = quantile(&mut gaps, 0.05)? as i32 + thirds(SLACK_MM);
        let places: Vec<Vec3> = candidates.iter().filter(|(at, _)| gap(*at) <= narrow).map(|(_, p)| *p).collect();
        if places.len() < 12 {
            return None;
        }
        let range = |of: &dyn Fn(&Vec3) -> f64| -> Option<[f64; 2]> {
            let mut values: Vec<f64> = places.iter().map(of).collect();
            Some([quantile(&mut values, 0.03)?, quantile(&mut values, 0.97)?])
        };
        let centre_mm = mean(places.iter().copied())?;
        let [medial_mm, lateral_mm] = range(&|p| p[0] * side.sign())?;
        let [front_mm, back_mm] = range(&|p| p[1])?;
        let [low_mm, high_mm] = range(&|p| p[2])?;
        let normal = normal(grid, frame, above, below, &places);
        Some(FacetJoint { side, centre_mm, normal, medial_mm, lateral_mm, front_mm, back_mm, low_mm, high_mm })
    })
}

/// The mean direction out of the lower bone and into the upper one.
fn normal(grid: &Grid, frame: &LocalFrame, above: &SparseField, below: &SparseField, places: &[Vec3]) -> Vec3 {
    let sum = places.iter().fold([0.0; 3], |sum, p| {
        let at = frame.patient(*p);
        let d = sub(sdf_gradient(grid, below, at), sdf_gradient(grid, above, at));
        // A place where both are clamped has no direction.
        if norm(d).is_finite() { add(sum, d) } else { sum }
    });
    let local = |d: Vec3| frame.local(add(frame.origin_mm, d));
    unit(sum).map_or([0.0, 1.0, 0.0], local)
}

/// The class that tells a joint's bones from the rest.
pub(super) const BONE: TissueClass = TissueClass::Bone;
