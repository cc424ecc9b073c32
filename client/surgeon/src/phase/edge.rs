//! What burr and punch leave along the edges of a window: thin shells and slivers.
//!
//! A zone is counted on points one a cubic millimetre. A sliver half a millimetre thick lies between them: it counts for nothing and still
//! holds the shaft of whatever is to go past it. It is looked for by the half millimetre.

use spinor_sim::procedure::{Site, Zone};
use spinor_volume::Patient;
use spinor_volume::query::sdf_mm;

use crate::vector::V3;

/// What a bite along an edge must bring to be worth it and how near nerves may be, as of other bites: least tissue, places of a
/// millimetre that hold some; how far the jaws and the rest of the tip keep off nerves, mm.
pub(super) const WORTH: [(u32, f64, f64); 6] =
    [(12, 0.8, 0.3), (6, 0.8, 0.3), (6, 0.6, -0.6), (6, 0.6, -1.2), (3, 0.7, 0.2), (3, 0.6, -1.2)];
/// Distance of the points that stand for an edge, mm.
const STEP_MM: f64 = 0.5;
/// Where a window's bone lies in the site's frame: how far to either side, from the back to the front, and up, mm.
const ASIDE_MM: f64 = 24.0;
const BACK_MM: [f64; 2] = [-12.0, 28.0];
const UP_MM: [f64; 2] = [-20.0, 24.0];

/// The uncut bone of a zone of the lamina or the facet joint: its structure's place in the patient, and where it lies.
pub(super) fn points(patient: &Patient, site: &Site, zone: Zone) -> Vec<(usize, V3)> {
    let labels = match zone {
        Zone::Recess(_) => [site.upper, site.lower],
        Zone::SuperiorTip(_) => [site.lower; 2],
        _ => [site.upper; 2],
    };
    let each = |[low, high]: [f64; 2]| (0..=((high - low) / STEP_MM) as i32).map(move |k| low + f64::from(k) * STEP_MM);
    let mut found = Vec::new();
    for (structure, bone) in patient.structures().iter().enumerate().filter(|(_, s)| labels.contains(&s.label)) {
        for up in each(UP_MM) {
            for left in each([-ASIDE_MM, ASIDE_MM]) {
                for back in each(BACK_MM) {
                    let at = [left, back, up];
                    if site.in_zone(zone, at) && sdf_mm(patient.grid(), &bone.sdf, site.patient_from_site(at)) < 0.0 {
                        found.push((structure, at));
                    }
                }
            }
        }
    }
    found
}
