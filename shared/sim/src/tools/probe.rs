//! The ball probe: takes nothing; measures distance and force, and which ball passes.

use crate::settings::Settings;
use crate::tool::Shape;

/// The shape of a ball probe.
pub(crate) fn shape(size_mm: f64, settings: &Settings) -> Shape {
    Shape::round(size_mm / 2.0, settings.probe_shaft_radius_mm.min(0.4 * size_mm), settings)
}
