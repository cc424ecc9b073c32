//! The curette, straight or angled: a cup that strips soft tissue off bone along their boundary.

use crate::settings::Settings;
use crate::tool::{Part, Shape, shaft};

/// The shape of a curette.
pub(crate) fn shape(cup_mm: f64, angled: bool, settings: &Settings) -> Shape {
    let radius_mm = cup_mm / 2.0;
    let shaft_radius = settings.hand_shaft_radius_mm.min(0.7 * radius_mm);
    if !angled {
        return Shape::round(radius_mm, shaft_radius, settings);
    }
    let neck = settings.curette_neck_mm;
    Shape::plain(vec![
        Part { a_mm: [0.0; 3], b_mm: [0.0; 3], radius_mm },
        Part { a_mm: [0.0; 3], b_mm: [0.0, -neck, neck], radius_mm: shaft_radius },
        shaft(-neck, neck, shaft_radius, settings),
    ])
}
