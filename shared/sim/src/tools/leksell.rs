//! The Leksell rongeur: a large bite from an outer surface.

use crate::settings::Settings;
use crate::tool::{AXES, JawBox, Shape, blade_rods, shaft};

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
    Shape { ball_mm: [0.0, -beside, JAW_RADIUS_MM], ball_radius_mm: JAW_RADIUS_MM, parts, jaw: Some(jaw), footplate: None }
}
