//! The nerve-root retractor: a foot that holds the root aside.

use crate::settings::Settings;
use crate::tool::{AXES, Shape, plate_rods, shaft};

/// The shape of a nerve-root retractor.
pub(crate) fn shape(width_mm: f64, settings: &Settings) -> Shape {
    let (thick, radius) = (settings.retractor_thick_mm, settings.hand_shaft_radius_mm);
    let mut parts = plate_rods(width_mm, settings.retractor_foot_mm, thick, AXES);
    parts.push(shaft(-radius, radius - thick, radius, settings));
    Shape { ball_mm: [0.0, 0.0, -thick / 2.0], ..Shape::plain(parts) }
}
