//! The Leksell rongeur: a large bite from an outer surface.

use spinor_volume::TissueClass;

use crate::events::{BiteRefusal, Event};
use crate::settings::Settings;
use crate::tool::{AXES, JawBox, Shape, blade_rods, shaft};
use crate::tools::kerrison;
use crate::tools::work::{Bench, Work};
use crate::vector::{add, scale};

/// Half the thickness of a jaw, mm.
const JAW_RADIUS_MM: f64 = 1.0;

/// The shape of a Leksell rongeur: two open jaws, their ends at the height of the origin.
pub(crate) fn shape(width_mm: f64, settings: &Settings) -> Shape {
    let (opening, cup, dig) = (settings.leksell_opening_mm, settings.leksell_cup_mm, settings.leksell_dig_mm);
    let beside = opening / 2.0 + JAW_RADIUS_MM;
    let mut parts = blade_rods(width_mm, -beside, JAW_RADIUS_MM, cup, JAW_RADIUS_MM);
    parts.extend(blade_rods(width_mm, beside, JAW_RADIUS_MM, cup, JAW_RADIUS_MM));
    // The jaws meet above the cup.
    let radius = settings.heavy_shaft_radius_mm;
    parts.push(shaft(0.0, cup + radius, radius, settings));
    let jaw = JawBox {
        centre_mm: [0.0, 0.0, (cup - dig) / 2.0],
        half_mm: [width_mm / 2.0, opening / 2.0, (cup + dig) / 2.0],
        axes: AXES,
    };
    Shape { ball_mm: [0.0, -beside, JAW_RADIUS_MM], ball_radius_mm: JAW_RADIUS_MM, jaw: Some(jaw), ..Shape::plain(parts) }
}

/// Closes the jaws on the bone between them. They bite only from an outer surface: no bone above them, nothing deep between them.
pub(crate) fn close(bench: &Bench<'_>, events: &mut Vec<Event>) -> Work {
    kerrison::pinch(bench, events);
    let Some(jaw) = bench.shape.jaw else { return Work::default() };
    let numbers = &bench.settings.tools;
    let face = |above_mm: f64| {
        let centre_mm = add(jaw.centre_mm, scale(jaw.axes[2], jaw.half_mm[2] + above_mm));
        JawBox { centre_mm, half_mm: [jaw.half_mm[0], jaw.half_mm[1], 0.0], ..jaw }
    };
    let is_between = |class| kerrison::fills_more(bench, &jaw, class, 0.0);
    let is_covered = |above_mm| kerrison::fills_more(bench, &face(above_mm), TissueClass::Bone, numbers.bite_face_share);
    let reason = if !is_between(TissueClass::Bone) {
        BiteRefusal::Empty
    } else if is_covered(numbers.edge_depth_mm) || is_between(TissueClass::Flavum) || is_between(TissueClass::Neural) {
        BiteRefusal::NotOuter
    } else if is_covered(0.0) {
        BiteRefusal::TooThick
    } else {
        return kerrison::bite(bench, &jaw);
    };
    events.push(Event::BiteRefused { by: bench.by, reason });
    Work::default()
}
