//! The tools' shapes, modelled here: no files.
//!
//! A tool's own frame: the tip at the origin, the shaft along +z, what points sideways along +y; here in metres. Measures of the working
//! ends come from the simulation's settings, so that what is seen is what touches.

mod blades;
mod builder;
mod jaws;
mod rods;

use bevy::prelude::*;
use spinor_sim::{Settings, ToolKind};

/// What a part of a tool is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Finish {
    /// Polished steel.
    Steel,
    /// Tungsten carbide or diamond grit.
    Head,
    /// Dark anodised or rubber grip.
    Grip,
    /// Clear plastic.
    Plastic,
}

/// How a part moves with the trigger.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Motion {
    /// Not at all.
    Still,
    /// Turns with the spindle.
    Spins,
    /// Slides from where it is modelled, by so much when the trigger is fully pressed, m.
    Slides(Vec3),
    /// Turns about an axis through a point: modelled closed, open by an angle while the trigger is free.
    Opens {
        /// A point of the axis, m.
        about: Vec3,
        /// Its direction.
        axis: Vec3,
        /// How far it opens, radians.
        angle: f32,
    },
}

impl Motion {
    /// `tool_from_part` for a trigger pressed by a share; a spindle's turn is somebody else's business.
    pub(crate) fn at(self, trigger: f32) -> Transform {
        match self {
            Self::Still | Self::Spins => Transform::IDENTITY,
            Self::Slides(by) => Transform::from_translation(by * trigger),
            Self::Opens { about, axis, angle } => {
                let turn = Quat::from_axis_angle(axis, angle * (1.0 - trigger));
                Transform::from_translation(about - turn * about).with_rotation(turn)
            }
        }
    }
}

/// A part of a tool.
pub(crate) struct Part {
    /// Its shape in the tool's frame, m.
    pub(crate) mesh: Mesh,
    /// What it is made of.
    pub(crate) finish: Finish,
    /// How it moves.
    pub(crate) motion: Motion,
}

/// Millimetres of the settings as metres of the picture.
fn metres(mm: f64) -> f32 {
    (mm * 1e-3) as f32
}

/// The parts of a tool of a size in 1/10 mm; the working end first.
pub(crate) fn parts(kind: ToolKind, size_tenth_mm: u8) -> Vec<Part> {
    let size = f32::from(size_tenth_mm.max(5)) * 1e-4;
    let settings = Settings::default();
    match kind {
        ToolKind::FlutedBurr => rods::burr(size * 0.5, true),
        ToolKind::DiamondBurr => rods::burr(size * 0.5, false),
        ToolKind::Probe => rods::probe(size * 0.5),
        ToolKind::Suction => rods::tube(size * 0.5, false),
        ToolKind::Irrigation => rods::tube(size * 0.5, true),
        ToolKind::Kerrison => jaws::kerrison(size, false, &settings),
        ToolKind::Kerrison40 => jaws::kerrison(size, true, &settings),
        ToolKind::Leksell => jaws::leksell(size, &settings),
        ToolKind::Pituitary => jaws::pituitary(size, &settings),
        ToolKind::Curette => blades::curette(size, false, &settings),
        ToolKind::AngledCurette => blades::curette(size, true, &settings),
        ToolKind::Penfield => blades::penfield(size, &settings),
        ToolKind::Retractor => blades::retractor(size, &settings),
        ToolKind::Osteotome => blades::osteotome(size, &settings),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy::mesh::VertexAttributeValues;
    use spinor_sim::tool::{Shape, size_range};

    fn points(part: &Part) -> Vec<Vec3> {
        let Some(VertexAttributeValues::Float32x3(points)) = part.mesh.attribute(Mesh::ATTRIBUTE_POSITION) else { panic!() };
        points.iter().map(|p| Vec3::from(*p)).collect()
    }

    /// Points all over a part's faces below a height, about a millimetre apart, where the part is while the trigger is free.
    fn surface(part: &Part, below_m: f32) -> Vec<Vec3> {
        let corners: Vec<Vec3> = points(part).into_iter().map(|p| part.motion.at(0.0).transform_point(p)).collect();
        let indices: Vec<usize> = part.mesh.indices().unwrap().iter().collect();
        let mut all = Vec::new();
        for face in indices.chunks_exact(3) {
            let [a, b, c] = [corners[face[0]], corners[face[1]], corners[face[2]]];
            if a.z.min(b.z).min(c.z) > below_m {
                continue;
            }
            let longest = a.distance(b).max(b.distance(c)).max(c.distance(a));
            let steps = ((longest / 0.001).ceil() as usize).clamp(1, 200);
            for i in 0..=steps {
                for j in 0..=steps - i {
                    let (u, v) = (i as f32 / steps as f32, j as f32 / steps as f32);
                    all.push(a + (b - a) * u + (c - a) * v);
                }
            }
        }
        all.retain(|p| p.z < below_m);
        all
    }

    /// A drawn burr is as large as the one that cuts, reaches outward along +z, and its faces look outward.
    #[test]
    fn a_burrs_head_has_its_size() {
        for (kind, size) in [(ToolKind::FlutedBurr, 40), (ToolKind::DiamondBurr, 30), (ToolKind::Probe, 20)] {
            let parts = parts(kind, size);
            let head = points(&parts[0]);
            let Some(VertexAttributeValues::Float32x3(normals)) = parts[0].mesh.attribute(Mesh::ATTRIBUTE_NORMAL) else {
                panic!()
            };
            let radius = f32::from(size) * 0.5e-4;
            let largest = head.iter().map(|p| p.length()).fold(0.0, f32::max);
            assert!((largest / radius - 1.0).abs() < 0.03, "{kind:?}: {largest} for {radius}");
            let outward = head.iter().zip(normals).filter(|(p, n)| p.dot(Vec3::from(**n)) > 0.0).count();
            assert!(outward * 100 > head.len() * 95, "{kind:?}: {outward} of {}", head.len());
            assert_eq!(parts[0].motion == Motion::Spins, kind != ToolKind::Probe);
        }
    }

    /// What is drawn near the tip is what the simulation moves: the drawn tool covers every rounded part's ends, and nothing of it lies
    /// far from all of them.
    #[test]
    fn what_is_drawn_is_what_touches() {
        const NEAR_M: f32 = 0.012;
        for kind in ToolKind::ALL {
            let (low, high) = size_range(kind);
            for size in [low, u8::midpoint(low, high), high] {
                let shape = Shape::new(kind, size, &Settings::default());
                let drawn: Vec<Vec3> = parts(kind, size).iter().flat_map(|part| surface(part, NEAR_M)).collect();
                let end = |mm: [f64; 3]| Vec3::from(mm.map(metres));
                // Distance from the surface of what the simulation moves; negative inside.
                let outside = |p: Vec3| {
                    let to = |part: &spinor_sim::tool::Part| {
                        let (a, b) = (end(part.a_mm), end(part.b_mm));
                        let t = ((p - a).dot(b - a) / (b - a).length_squared().max(1e-12)).clamp(0.0, 1.0);
                        p.distance(a.lerp(b, t)) - metres(part.radius_mm)
                    };
                    shape.parts.iter().map(to).fold(f32::INFINITY, f32::min)
                };
                let ends = shape.parts.iter().flat_map(|part| [end(part.a_mm), end(part.b_mm)]);
                for at in ends.filter(|p| p.z < NEAR_M * 0.8) {
                    let gap = drawn.iter().map(|p| p.distance(at)).fold(f32::INFINITY, f32::min) + outside(at);
                    assert!(gap < 0.0016, "{kind:?} {size}: nothing is drawn at {at}, {gap}");
                }
                let farthest = drawn.iter().map(|p| outside(*p)).fold(0.0, f32::max);
                assert!(farthest < 0.006, "{kind:?} {size}: {farthest} m from anything that touches");
            }
        }
    }

    /// Jaws are apart while the trigger is free and meet when it is pressed.
    #[test]
    fn jaws_close() {
        let hinge = Motion::Opens { about: Vec3::new(0.0, 0.0, 0.02), axis: Vec3::X, angle: 0.3 };
        assert!((hinge.at(1.0).transform_point(Vec3::ZERO)).length() < 1e-7);
        assert!((hinge.at(0.0).transform_point(Vec3::ZERO)).length() > 0.004);
        assert!((hinge.at(0.0).transform_point(Vec3::Z * 0.02) - Vec3::Z * 0.02).length() < 1e-7, "the hinge stays");
        for kind in ToolKind::ALL.into_iter().filter(|kind| kind.has_jaws()) {
            let parts = parts(kind, 40);
            let moving = parts.iter().any(|part| part.motion.at(0.0) != part.motion.at(1.0));
            assert!(moving, "{kind:?}");
        }
    }
}
