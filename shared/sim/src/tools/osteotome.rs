//! The osteotome: a blade that a mallet drives into bone.

use crate::settings::Settings;
use crate::tool::{Part, Shape, blade_rods, shaft};

/// Length over which the edge widens to the blade, mm.
const BEVEL_MM: f64 = 4.0;

/// The shape of an osteotome: the edge at the origin along x.
pub(crate) fn shape(width_mm: f64, settings: &Settings) -> Shape {
    let (edge, thick) = (settings.osteotome_edge_mm / 2.0, settings.osteotome_thick_mm / 2.0);
    let rods = (BEVEL_MM / edge.max(0.2)).ceil().max(1.0) as usize;
    let mut parts: Vec<Part> = (0..rods)
        .map(|k| {
            let part = k as f64 / rods as f64;
            let radius_mm = edge + (thick - edge).max(0.0) * part;
            let (x, z) = (width_mm / 2.0 - radius_mm, BEVEL_MM * part);
            Part { a_mm: [-x, 0.0, z], b_mm: [x, 0.0, z], radius_mm }
        })
        .collect();
    let blade = settings.osteotome_blade_mm.max(BEVEL_MM + 1.0);
    parts.extend(blade_rods(width_mm, 0.0, BEVEL_MM, blade, thick));
    let radius = settings.heavy_shaft_radius_mm;
    parts.push(shaft(0.0, blade, radius, settings));
    Shape { ball_mm: [0.0; 3], ..Shape::plain(parts) }
}
