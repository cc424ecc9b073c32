//! When a loaded burr comes through bone: it was pressed deep into bone that lay ahead, and in the next tick nothing holds it.
//!
//! Deep is where the tool points. A burr that is lifted off, runs along a surface or falls from one ridge of it into the next hollow has not
//! come through: the first two do not go deep, and the third has bone ahead of it again.

use spinor_volume::{ClassMask, TissueClass};

use crate::contact::{Ball, Tissue};
use crate::settings::Settings;
use crate::vector::{Vec3, add, dot, norm, scale, sub, unit};

const BONE: ClassMask = ClassMask::of(&[TissueClass::Bone]);
/// How near bone must lie in the direction of the load for it to be what holds the burr, mm.
const AHEAD_MM: f64 = 0.5;
/// How far ahead no bone may lie for the burr to be through, mm: more than the hollows between strokes are deep.
const BEYOND_MM: f64 = 1.6;
/// Radius of the middle of a burr's front, in the burr's.
const CORE: f64 = 0.6;
/// Cosine of the widest angle between the load, the way and the tool's own direction: 60°.
const ALONG: f64 = 0.5;

/// One tick of a burr.
pub(crate) struct Stroke {
    /// Where its centre was and is, mm.
    pub(crate) from: Vec3,
    pub(crate) to: Vec3,
    /// Where the hand wants it.
    pub(crate) goal: Vec3,
    /// Where the tool points: away from its shaft.
    pub(crate) deep: Vec3,
    /// How far it went on through nothing after the last tissue, mm.
    pub(crate) free_mm: f64,
    /// Whether tissue stopped it.
    pub(crate) stopped: bool,
}

/// What a burr's breakthrough is judged by.
#[derive(Clone, Debug)]
pub(crate) struct Through {
    /// The middle of the burr's front: what lies before it is ahead, and not the walls of the hole that the burr made.
    core: Ball,
    /// Whether a load pressed it on bone ahead at the end of the tick before.
    pressed: bool,
}

impl Through {
    /// For a burr of a radius, in fields of a voxel size.
    pub(crate) fn new(radius_mm: f64, spacing_mm: f64) -> Self {
        Self { core: Ball::new(CORE * radius_mm, spacing_mm), pressed: false }
    }

    /// One tick; how deep the burr went on after it came through, mm, 0 when it did not.
    pub(crate) fn judge(&mut self, tissue: &Tissue<'_>, settings: &Settings, ball: &Ball, stroke: &Stroke) -> f64 {
        let was_pressed = self.pressed;
        let load = sub(stroke.goal, stroke.to);
        let newton = settings.spring_newton_per_mm * norm(load);
        self.pressed = newton >= settings.breakthrough_newton
            && along(load, stroke.deep)
            && unit(load).is_some_and(|way| bone_within(tissue, ball, stroke.to, way, AHEAD_MM));
        let way = sub(stroke.to, stroke.from);
        if !was_pressed || stroke.stopped || !along(way, stroke.deep) {
            return 0.0;
        }
        let Some(way) = unit(way) else { return 0.0 };
        let front = add(stroke.to, scale(way, ball.radius_mm - self.core.radius_mm));
        if bone_within(tissue, &self.core, front, way, BEYOND_MM) { 0.0 } else { stroke.free_mm * dot(way, stroke.deep) }
    }

    /// Forgets: the tool does not turn, or was taken up elsewhere.
    pub(crate) fn forget(&mut self) {
        self.pressed = false;
    }
}

fn along(way: Vec3, deep: Vec3) -> bool {
    dot(way, deep) > ALONG * norm(way)
}

/// Whether bone lies in a ball's way within a distance.
fn bone_within(tissue: &Tissue<'_>, ball: &Ball, from: Vec3, way: Vec3, most_mm: f64) -> bool {
    let bones = tissue.near(BONE, from, add(from, scale(way, most_mm)), ball.radius_mm);
    let steps = (most_mm / (0.5 * tissue.patient.grid().spacing_mm())).ceil().max(1.0) as u32;
    !bones.is_empty()
        && (1..=steps).any(|k| !ball.fits(tissue, &bones, add(from, scale(way, most_mm * f64::from(k) / f64::from(steps)))))
}
