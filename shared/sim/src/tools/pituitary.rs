//! The pituitary rongeur: grasps disc and loose pieces.

use crate::settings::Settings;
use crate::tool::{AXES, JawBox, Part, Shape, shaft};

/// The shape of a pituitary rongeur, its jaws closed as it goes in; they open by the height of the grasp.
pub(crate) fn shape(width_mm: f64, settings: &Settings) -> Shape {
    let length = settings.pituitary_jaw_mm;
    let jaws = Part { a_mm: [0.0; 3], b_mm: [0.0, 0.0, length], radius_mm: width_mm / 2.0 };
    let grasp = JawBox {
        centre_mm: [0.0, 0.0, (length - width_mm / 2.0) / 2.0],
        half_mm: [width_mm / 2.0, settings.pituitary_opening_mm / 2.0, (length + width_mm / 2.0) / 2.0],
        axes: AXES,
    };
    let parts = vec![jaws, shaft(0.0, length, settings.hand_shaft_radius_mm, settings)];
    Shape { jaw: Some(grasp), ..Shape::plain(parts) }
}
