//! The Penfield dissector: a blunt blade that takes nothing.

use crate::settings::Settings;
use crate::tool::{Shape, blade_rods, shaft};

/// The shape of a Penfield dissector.
pub(crate) fn shape(width_mm: f64, settings: &Settings) -> Shape {
    let blade = settings.penfield_blade_mm;
    let mut parts = blade_rods(width_mm, 0.0, 0.0, blade, settings.penfield_thick_mm / 2.0);
    parts.push(shaft(0.0, blade, settings.hand_shaft_radius_mm, settings));
    Shape { ball_mm: [0.0; 3], ..Shape::plain(parts) }
}
