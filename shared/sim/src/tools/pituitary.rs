//! The pituitary rongeur: grasps disc and loose pieces.
//!
//! What is left of a disc stops it, so that it works its way in bite by bite: annulus before nucleus.

use spinor_volume::TissueClass;

use crate::events::{BiteRefusal, Event};
use crate::settings::Settings;
use crate::tool::{AXES, JawBox, Part, Shape, shaft};
use crate::tools::kerrison;
use crate::tools::work::{Bench, Work};

/// The shape of a pituitary rongeur, its jaws closed as it goes in; they open by the height of the grasp.
pub(crate) fn shape(width_mm: f64, settings: &Settings) -> Shape {
    let length = settings.pituitary_jaw_mm;
    let jaws = Part { a_mm: [0.0; 3], b_mm: [0.0, 0.0, length], radius_mm: width_mm / 2.0 };
    // Open jaws sink into what they are pressed on.
    let sunk = width_mm / 2.0 + settings.tools.pituitary_sink_mm;
    let grasp = JawBox {
        centre_mm: [0.0, 0.0, (length - sunk) / 2.0],
        half_mm: [width_mm / 2.0, settings.pituitary_opening_mm / 2.0, (length + sunk) / 2.0],
        axes: AXES,
    };
    let parts = vec![jaws, shaft(0.0, length, settings.hand_shaft_radius_mm, settings)];
    Shape { jaw: Some(grasp), ..Shape::plain(parts) }
}

/// Closes the jaws on the disc between them.
pub(crate) fn close(bench: &Bench<'_>, events: &mut Vec<Event>) -> Work {
    kerrison::pinch(bench, events);
    let Some(jaw) = bench.shape.jaw else { return Work::default() };
    if !kerrison::fills_more(bench, &jaw, TissueClass::Disc, 0.0) {
        events.push(Event::BiteRefused { by: bench.by, reason: BiteRefusal::Empty });
        return Work::default();
    }
    kerrison::bite(bench, &jaw)
}
