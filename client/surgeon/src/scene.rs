//! What a surgeon sees: the site, and what is left of its tissues.

use spinor_sim::procedure::{Side, Site};
use spinor_volume::query::clamp_mm;
use spinor_volume::spot::Spot;
use spinor_volume::{CutState, Label, Patient, TissueClass};

use crate::vector::{V3, norm, unit};

/// How far apart distances are read for their slope, mm.
const SLOPE_MM: f64 = 0.4;

/// The patient as it lies open, seen in the site's frame (left, back, up; mm).
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) patient: &'a Patient,
    pub(crate) cut: &'a CutState,
    pub(crate) site: &'a Site,
    pub(crate) parts: &'a Parts,
}

/// Places in the patient of the structures that matter at a site.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    /// Both vertebrae of the site.
    pub(crate) bones: Vec<usize>,
    /// All bone: what a tool meets on its way.
    pub(crate) all_bones: Vec<usize>,
    /// The flavum between the two vertebrae.
    pub(crate) flavum: Vec<usize>,
    /// The disc between them.
    pub(crate) disc: Vec<usize>,
    /// Dural sac, cord, and the roots that pass the site.
    pub(crate) neural: Vec<usize>,
}

impl Parts {
    pub(crate) fn of(patient: &Patient, site: &Site) -> Self {
        let place = |label: Label| patient.structures().iter().position(|s| s.label == label);
        let roots = Side::BOTH.into_iter().flat_map(|side| [site.traversing_root(side), site.exiting_root(side)]);
        let neural = [Label::DURAL_SAC, Label::SPINAL_CORD].into_iter().chain(roots);
        let of = |class: TissueClass| (0..patient.structures().len()).filter(move |k| patient.structures()[*k].class == class);
        Self {
            all_bones: of(TissueClass::Bone).collect(),
            flavum: site.flavum.into_iter().filter_map(place).collect(),
            disc: site.disc.into_iter().filter_map(place).collect(),
            bones: [site.upper, site.lower].into_iter().filter_map(place).collect(),
            neural: neural.filter_map(place).collect(),
        }
    }
}

impl Scene<'_> {
    /// Distance to what is left of some structures, mm; about four voxels where none is near.
    pub(crate) fn distance(&self, structures: &[usize], at: V3) -> f64 {
        let spot = Spot::new(self.patient.grid(), self.site.patient_from_site(at));
        let left = structures.iter().filter_map(|s| spot.left_mm(self.patient, self.cut, *s));
        left.fold(clamp_mm(self.patient.grid()), f64::min)
    }

    /// Room around a place among some structures, where cuts met too, mm; about four voxels where none is near.
    pub(crate) fn room(&self, structures: &[usize], at: V3) -> f64 {
        let spot = Spot::new(self.patient.grid(), self.site.patient_from_site(at));
        let rooms = structures.iter().filter_map(|s| spot.room_mm(self.patient, self.cut, *s));
        rooms.fold(clamp_mm(self.patient.grid()), f64::min)
    }

    /// Distance to the nearest nerve tissue, mm.
    pub(crate) fn nerve(&self, at: V3) -> f64 {
        self.distance(&self.parts.neural, at)
    }

    /// The direction away from the nearest nerve tissue; to the back where none is near.
    pub(crate) fn off_nerves(&self, at: V3) -> V3 {
        let slope: V3 = std::array::from_fn(|k| {
            let (mut low, mut high) = (at, at);
            (low[k], high[k]) = (low[k] - SLOPE_MM, high[k] + SLOPE_MM);
            self.nerve(high) - self.nerve(low)
        });
        if norm(slope) > 1e-3 { unit(slope) } else { [0.0, 1.0, 0.0] }
    }
}
