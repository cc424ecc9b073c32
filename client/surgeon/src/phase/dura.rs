//! How a punch is held so that its footplate lies flat on the dura, between it and what hugs it.

use spinor_sim::ToolKind;

use crate::scene::Scene;
use crate::task::Grip;
use crate::vector::{V3, dot, norm, scale, sub, unit};

/// How far a shaft leans at most, to the left or right and up or down, in parts of its length to the back: the wound is no wider.
const LEANS: [f64; 2] = [1.1, 0.45];
/// Shafts lean in steps, so that neighbouring bites are made without taking the tool out.
const LEAN_STEP: f64 = 0.15;
/// How far off the dura what hugs it lies at most, mm: less than where stored distances end in fine cases, at four voxels of 0.4 mm.
pub(super) const HUGS_MM: f64 = 1.4;
/// Cosine and sine of the angle by which a punch's plate leans forward: none, or 40°.
const UPRIGHT: (f64, f64) = (1.0, 0.0);
const FORWARD: (f64, f64) = (0.766, 0.643);
/// Where plates point: to the head, to the feet, to either side.
const WAYS: [V3; 4] = [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]];

/// Grips of a punch whose plate lies flat on the dura in front of a place, each with a number of its own; none where no dura is near, or
/// where it faces away from the wound.
pub(super) fn flat_on_dura(scene: &Scene<'_>, tool: ToolKind, at: V3) -> Vec<(usize, Grip)> {
    if scene.nerve(at) > HUGS_MM {
        return Vec::new();
    }
    let out = scene.off_nerves(at);
    let each = WAYS.into_iter().enumerate();
    each.filter_map(|(k, way)| flat(tool, out, way).map(|grip| (number(k, grip), grip))).collect()
}

/// The grip of a punch whose plate lies at a right angle to a direction and points as nearly as that allows another way; none where the
/// shaft would not come out of the wound.
fn flat(tool: ToolKind, out: V3, way: V3) -> Option<Grip> {
    let along = sub(way, scale(out, dot(way, out)));
    if norm(along) < 0.5 {
        return None;
    }
    let (cos, sin) = if tool == ToolKind::Kerrison40 { FORWARD } else { UPRIGHT };
    let shaft = sub(scale(out, cos), scale(unit(along), sin));
    if shaft[1] < 0.3 {
        return None;
    }
    let lean = |k: usize, most: f64| ((shaft[k] / shaft[1]).clamp(-most, most) / LEAN_STEP).round() * LEAN_STEP;
    Some(Grip { shaft: [lean(0, LEANS[0]), 1.0, lean(2, LEANS[1])], ahead: way })
}

/// A number for a grip that no other has.
fn number(way: usize, grip: Grip) -> usize {
    let step = |v: f64| ((v / LEAN_STEP).round() as i32 + 10) as usize;
    (step(grip.shaft[0]) * 21 + step(grip.shaft[2])) * WAYS.len() + way
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinor_sim::Settings;
    use spinor_sim::tool::Shape;

    use crate::phase::place::Held;

    /// Both punches' plates lie flat on a dura that faces the wound or its side, to the steps that shafts lean in.
    #[test]
    fn plates_lie_flat() {
        let mut flat_ones = 0;
        for tool in [ToolKind::Kerrison, ToolKind::Kerrison40] {
            let shape = Shape::new(tool, 30, &Settings::default());
            let axes = shape.jaw.unwrap().axes;
            for out in [[0.0, 1.0, 0.0], [0.5, 1.0, 0.0], [-0.3, 1.0, 0.2]].map(unit) {
                for way in WAYS {
                    let Some(grip) = flat(tool, out, way) else { continue };
                    let held = Held::new([0.0; 3], grip);
                    let up = held.at(axes[2]);
                    let leans = (grip.shaft[0].abs(), grip.shaft[2].abs());
                    // A lean that the wound bounds leaves the plate askew.
                    if leans.0 < LEANS[0] - 0.1 && leans.1 < LEANS[1] - 0.1 {
                        assert!(dot(up, out) > 0.98, "{tool:?} {out:?} {way:?}: {up:?}");
                        flat_ones += 1;
                    }
                    assert!(dot(held.at(axes[1]), way) > 0.6, "{tool:?} {out:?} {way:?}");
                }
            }
        }
        assert!(flat_ones >= 12, "{flat_ones}");
    }
}
