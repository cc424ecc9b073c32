//! The curette, straight or angled: a cup that strips soft tissue off bone along their boundary.
//!
//! Worked firmly (trigger pressed) and moved, it takes flavum and disc within its cup while bone is just beside the cup; in the middle of
//! soft tissue it only pushes.

use spinor_volume::{ClassMask, CutOp, TissueClass};

use crate::contact::Ball;
use crate::settings::Settings;
use crate::tool::{Part, Shape, shaft};
use crate::tools::rules::taken_by;
use crate::tools::work::Bench;
use crate::vector::{norm, sub};

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

/// What a stroke of the cup strips.
pub(crate) fn strip(bench: &Bench<'_>) -> Vec<CutOp> {
    let (tissue, numbers, radius) = (&bench.tissue, &bench.settings.tools, bench.shape.ball_radius_mm);
    let way = norm(sub(bench.tip, bench.before));
    if way < numbers.curette_stroke_mm {
        return Vec::new();
    }
    let bones = tissue.near(ClassMask::of(&[TissueClass::Bone]), bench.tip, bench.tip, radius + numbers.curette_boundary_mm);
    let cup = Ball::new(radius + numbers.curette_boundary_mm, tissue.patient.grid().spacing_mm());
    if bones.is_empty() || cup.free_mm(tissue, &bones, bench.tip) >= 0.0 {
        return Vec::new();
    }
    CutOp::sweep_mm(tissue.patient.grid(), bench.before, bench.tip, radius, taken_by(bench.by.tool)).unwrap_or_default()
}
