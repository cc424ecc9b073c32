//! The parts of a site that a procedure removes or keeps, and how much is left of them.

use spinor_volume::measure::Side;
use spinor_volume::query::{effective_sdf_mm, sdf_mm};
use spinor_volume::{CutState, Label, Patient};

use super::site::Site;

/// Thickness of bone behind the canal's wall that counts as lamina; what lies farther back is spinous process, mm (K).
const LAMINA_MM: f64 = 8.0;
/// Half the spinous process's width, mm (K).
const SPINOUS_HALF_MM: f64 = 5.0;
/// Thickness of the layer that is undercut on the far side, mm (K).
const UNDERCUT_MM: f64 = 3.0;
/// How far beyond the unroofed width the medial part of a facet reaches, mm (K): about a quarter of the joint.
const RECESS_MM: f64 = 3.0;
/// Thickness of the annulus that a window goes through, mm. Source: posterior annulus 15.6 % of a disc of 30-33 mm.
const ANNULUS_MM: f64 = 5.0;
/// How deep into the disc loose nucleus is looked for, mm behind the annulus (K).
const NUCLEUS_MM: f64 = 14.0;
/// Distance of the points that stand for a zone, mm.
const LATTICE_MM: f64 = 1.0;

/// A part of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Zone {
    /// The upper vertebra's spinous process where it covers the interlaminar window.
    SpinousProcess,
    /// The lower half of the upper lamina on a side, up to where the flavum's attachment ends.
    Lamina(Side),
    /// The deep layer of the lamina on a side, as undercut from the other.
    Undercut(Side),
    /// The flavum on a side, within the canal.
    Flavum(Side),
    /// The medial part of the facet joint on a side: what roofs the lateral recess.
    Recess(Side),
    /// The tip and inner surface of the lower vertebra's superior articular process on a side: what roofs the foramen.
    SuperiorTip(Side),
    /// The back of the annulus beside the sac on a side.
    Annulus(Side),
    /// Nucleus that is reached through the annulus on a side.
    Nucleus(Side),
}

impl Zone {
    /// Whether the zone is of bone.
    pub const fn is_bone(self) -> bool {
        !matches!(self, Self::Flavum(_) | Self::Annulus(_) | Self::Nucleus(_))
    }

    /// The side that it lies on; none for what is in the midline.
    pub const fn side(self) -> Option<Side> {
        match self {
            Self::SpinousProcess => None,
            Self::Lamina(side)
            | Self::Undercut(side)
            | Self::Flavum(side)
            | Self::Recess(side)
            | Self::SuperiorTip(side)
            | Self::Annulus(side)
            | Self::Nucleus(side) => Some(side),
        }
    }

    /// A few words for a person.
    pub fn words(self) -> String {
        match self {
            Self::SpinousProcess => "spinous process".to_owned(),
            Self::Lamina(side) => format!("{} lamina", side.word()),
            Self::Undercut(side) => format!("deep layer of the {} lamina", side.word()),
            Self::Flavum(side) => format!("{} half of the flavum", side.word()),
            Self::Recess(side) => format!("medial part of the {} facet joint", side.word()),
            Self::SuperiorTip(side) => format!("tip of the {} superior articular process", side.word()),
            Self::Annulus(side) => format!("annulus on the {}", side.word()),
            Self::Nucleus(side) => format!("nucleus on the {}", side.word()),
        }
    }

    /// The labels that the zone is made of.
    pub(crate) fn labels(self, site: &Site) -> Vec<Label> {
        match self {
            Self::SpinousProcess | Self::Lamina(_) | Self::Undercut(_) => vec![site.upper],
            Self::Recess(_) => vec![site.upper, site.lower],
            Self::SuperiorTip(_) => vec![site.lower],
            Self::Flavum(_) => site.flavum.into_iter().collect(),
            Self::Annulus(_) | Self::Nucleus(_) => site.disc.into_iter().collect(),
        }
    }
}

impl Site {
    /// Whether a place of the site's frame (left, back, up; mm) lies in a zone, were it of the zone's tissue.
    pub fn in_zone(&self, zone: Zone, at: [f64; 3]) -> bool {
        let [left, back, up] = at;
        let within = |value: f64, low: f64, high: f64| (low..=high).contains(&value);
        let lateral = |side: Side| left * side.sign();
        let wall = || self.roof.upper(left, up).map(|wall| wall.inner_mm);
        // Over the interlaminar window the wall's depth is that of the nearest lamina above.
        let roof =
            || wall().or_else(|| self.roof.upper_edge_mm(left).and_then(|edge| self.roof.upper(left, edge)).map(|w| w.inner_mm));
        match zone {
            Zone::SpinousProcess => {
                left.abs() <= SPINOUS_HALF_MM
                    && within(up, -18.0, self.attach_mm + 1.0)
                    && roof().is_some_and(|inner| back > inner + LAMINA_MM)
            }
            Zone::Lamina(side) => {
                within(lateral(side), 0.0, self.unroofed_mm(side))
                    && within(up, -18.0, self.attach_mm)
                    && wall().is_some_and(|inner| within(back, inner - 1.0, inner + LAMINA_MM))
            }
            Zone::Undercut(side) => {
                within(lateral(side), 1.0, self.unroofed_mm(side) - 1.0)
                    && within(up, -18.0, self.attach_mm - 1.0)
                    && wall().is_some_and(|inner| within(back, inner - 1.0, inner + UNDERCUT_MM))
            }
            Zone::Flavum(side) => within(lateral(side), 0.0, self.unroofed_mm(side)) && within(up, -20.0, self.attach_mm + 2.0),
            Zone::Recess(side) => {
                let inner = self.unroofed_mm(side);
                within(lateral(side), inner, inner + RECESS_MM) && within(up, -9.0, 6.0) && within(back, -3.0, 20.0)
            }
            Zone::SuperiorTip(side) => {
                let inner = self.half_canal_mm[side as usize] - 1.0;
                within(lateral(side), inner, inner + 8.0) && within(up, -6.0, 14.0) && within(back, -10.0, 9.0)
            }
            Zone::Annulus(side) => {
                within(lateral(side), 3.0, 15.0) && within(up, -5.0, 5.0) && within(back, -self.disc_front_mm - ANNULUS_MM, 0.0)
            }
            Zone::Nucleus(side) => {
                let front = -self.disc_front_mm - ANNULUS_MM;
                within(lateral(side), -2.0, 15.0) && within(up, -5.0, 5.0) && within(back, front - NUCLEUS_MM, front)
            }
        }
    }
}

/// Points that stand for a zone's tissue.
#[derive(Clone, Debug)]
pub struct ZonePoints {
    points: Vec<(usize, [f64; 3])>,
}

impl ZonePoints {
    /// The points of a zone that lie in its tissue before any cut, one a cubic millimetre: what steps are judged by.
    pub fn new(patient: &Patient, site: &Site, zone: Zone) -> Self {
        Self::every(patient, site, zone, 1)
    }

    /// The same `per_mm` a millimetre along each axis, at least one: slivers lie between points a millimetre apart.
    pub fn every(patient: &Patient, site: &Site, zone: Zone, per_mm: u8) -> Self {
        let per_mm = i32::from(per_mm.max(1));
        let step_mm = LATTICE_MM / f64::from(per_mm);
        let mut points = Vec::new();
        for label in zone.labels(site) {
            let Some(place) = patient.structures().iter().position(|s| s.label == label) else { continue };
            let structure = &patient.structures()[place];
            let each = |low: i32, high: i32| (low * per_mm..=high * per_mm).map(|k| f64::from(k) * step_mm);
            for up in each(-26, 24) {
                for left in each(-24, 24) {
                    for back in each(-46, 46) {
                        let at = [left + 0.5, back, up];
                        if !site.in_zone(zone, at) {
                            continue;
                        }
                        let at_mm = site.patient_from_site(at);
                        if sdf_mm(patient.grid(), &structure.sdf, at_mm) < 0.0 {
                            points.push((place, at_mm));
                        }
                    }
                }
            }
        }
        Self { points }
    }

    /// Number of points, which is the zone's volume in mm³ where they are a millimetre apart.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether the patient has no tissue of this zone.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The points that are still tissue, in patient LPS, mm, with the place of their structure in the patient.
    pub fn remaining<'a>(&'a self, patient: &'a Patient, cut: &'a CutState) -> impl Iterator<Item = (usize, [f64; 3])> + 'a {
        self.points.iter().copied().filter(|(structure, at)| effective_sdf_mm(patient, cut, *structure, *at) < 0.0)
    }

    /// How much of the zone is left, percent, rounded down; 0 for a zone without tissue.
    pub fn left_pct(&self, patient: &Patient, cut: &CutState) -> u8 {
        if self.points.is_empty() {
            return 0;
        }
        let left = self.remaining(patient, cut).count();
        (100 * left / self.points.len()) as u8
    }
}
