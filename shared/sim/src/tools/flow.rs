//! Suction and irrigation: tubes that take no tissue; they clear the field and cool what a burr heats.

use crate::settings::Settings;
use crate::tool::Shape;

/// The shape of a tube.
pub(crate) fn shape(size_mm: f64, settings: &Settings) -> Shape {
    Shape::round(size_mm / 2.0, size_mm / 2.0, settings)
}
