//! Annulus and nucleus of a disc, from the disc's own outline.
//!
//! A case holds a disc as one structure. Its nucleus is taken as the ellipse, through the disc's whole height, that leaves the measured
//! shares of annulus: 15.6 % of the AP length behind, 20.5 % in front (L4-5 series), the mean of both at the sides. AP and width are the
//! outline's extents along the patient's axes; a tilt in the sagittal plane shortens both ends alike and leaves the shares as they are.

use std::collections::BTreeMap;

use spinor_volume::query::effective_sdf_mm;
use spinor_volume::{BRICK, BrickState, CutState, Label, Patient, TissueClass};

use crate::settings::TissueSettings;
use crate::vector::{Vec3, add, scale};

/// What part of a disc a position lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscZone {
    /// The nucleus.
    Nucleus,
    /// Annulus towards the canal.
    Posterior,
    /// Annulus at the sides.
    Lateral,
    /// Annulus towards the great vessels.
    Anterior,
}

/// The outline of one disc.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiscShape {
    /// Place of the disc in the patient.
    pub structure: usize,
    /// Its extents in patient LPS, mm.
    pub low_mm: [f64; 3],
    /// The other corner.
    pub high_mm: [f64; 3],
}

impl DiscShape {
    /// The outline of a disc before any cut; none for another structure or an empty one.
    pub fn of(patient: &Patient, structure: usize) -> Option<Self> {
        let s = patient.structures().get(structure).filter(|s| s.class == TissueClass::Disc)?;
        let grid = patient.grid();
        let (mut low, mut high) = ([i32::MAX; 3], [i32::MIN; 3]);
        for brick in s.sdf.stored().map(|(brick, _)| brick).chain(s.sdf.inside()) {
            let first = grid.brick_coords(brick).map(|v| v * BRICK as i32);
            for at in spinor_volume::detach::mask_of(s.sdf.brick(brick), None).voxels() {
                for k in 0..3 {
                    low[k] = low[k].min(first[k] + at[k]);
                    high[k] = high[k].max(first[k] + at[k]);
                }
            }
        }
        let corner = |v: [i32; 3], half: f64| grid.patient_from_index(v.map(|v| f64::from(v) + half));
        (low[0] <= high[0]).then(|| Self { structure, low_mm: corner(low, -0.5), high_mm: corner(high, 0.5) })
    }

    /// The zone of a position by its place across the disc; its height does not matter. Beyond the outline: the annulus there.
    pub fn zone(&self, settings: &TissueSettings, at_mm: [f64; 3]) -> DiscZone {
        let (width, length) = (self.high_mm[0] - self.low_mm[0], self.high_mm[1] - self.low_mm[1]);
        let front = self.low_mm[1] + settings.anterior_annulus * length;
        let back = self.high_mm[1] - settings.posterior_annulus * length;
        let half = [(0.5 - settings.lateral_annulus) * width, (back - front) / 2.0];
        let d = [at_mm[0] - (self.low_mm[0] + self.high_mm[0]) / 2.0, at_mm[1] - (front + back) / 2.0];
        let (x, y) = (d[0] / half[0].max(0.1), d[1] / half[1].max(0.1));
        if x * x + y * y <= 1.0 {
            DiscZone::Nucleus
        } else if x * x > y * y {
            DiscZone::Lateral
        } else if y > 0.0 {
            DiscZone::Posterior
        } else {
            DiscZone::Anterior
        }
    }

    /// Whether a position lies within the disc's extents, `around_mm` wider.
    fn holds(&self, at: Vec3, around_mm: f64) -> bool {
        (0..3).all(|k| at[k] >= self.low_mm[k] - around_mm && at[k] <= self.high_mm[k] + around_mm)
    }
}

/// The discs that tools have come to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Discs {
    shapes: BTreeMap<usize, Option<DiscShape>>,
}

impl Discs {
    fn near(&mut self, patient: &Patient, at: Vec3, around_mm: f64) -> Option<DiscShape> {
        let grid = patient.grid();
        let index = grid.index_from_patient(at).map(|v| (v / BRICK as f64).floor() as i32);
        for (n, s) in patient.structures().iter().enumerate().filter(|(_, s)| s.class == TissueClass::Disc) {
            let comes_near = (0..27).any(|k| {
                let at = [index[0] + k % 3 - 1, index[1] + k / 3 % 3 - 1, index[2] + k / 9 - 1];
                grid.brick_at(at).is_some_and(|brick| s.sdf.brick(brick) != BrickState::Outside)
            });
            if comes_near || self.shapes.get(&n).copied().flatten().is_some_and(|shape| shape.holds(at, around_mm)) {
                let shape = *self.shapes.entry(n).or_insert_with(|| DiscShape::of(patient, n));
                if shape.is_some_and(|shape| shape.holds(at, around_mm)) {
                    return shape;
                }
            }
        }
        None
    }

    /// The disc of which a tool whose bite is at `at`, its shaft leading away along `back`, may not take nucleus there, because annulus is
    /// left between the bite and the outside on the shaft's way.
    pub(crate) fn access(
        &mut self,
        patient: &Patient,
        cut: &CutState,
        settings: &TissueSettings,
        at: Vec3,
        back: Vec3,
    ) -> Option<Label> {
        let shape = self.near(patient, at, 1.0)?;
        if shape.zone(settings, at) != DiscZone::Nucleus {
            return None;
        }
        let step = 0.5 * patient.grid().spacing_mm();
        let mut here = at;
        while shape.holds(here, 1.0) {
            let annulus = shape.zone(settings, here) != DiscZone::Nucleus;
            if annulus && effective_sdf_mm(patient, cut, shape.structure, here) < 0.0 {
                return Some(patient.structures()[shape.structure].label);
            }
            here = add(here, scale(back, step));
        }
        None
    }
}
