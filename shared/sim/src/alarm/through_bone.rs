//! The pre-alarm: how much bone is left between a tool and the nearest neural structure, while it is still bone that the tool is in.
//!
//! A burr on a lamina is some millimetres from the dura all the time; what the hand cannot see is how thin the lamina has become. The
//! bone is measured along the straight way from the tool's ball to the nearest place of the structure.

use spinor_volume::measure::thickness_mm;
use spinor_volume::{CutState, Label, Patient, TissueClass};

use super::NeuralFields;
use crate::pose::{Rotation, place, um};
use crate::settings::Settings;
use crate::tool::Shape;
use crate::vector::{Vec3, add, scale, unit};

/// Half the distance over which the way to the nearest place is felt for, mm: a quarter of a voxel of 0.4 mm.
const FEEL_MM: f64 = 0.1;
/// Less bone than this is none, µm.
const NO_BONE_UM: i32 = 50;

/// Bone left between a tool and a neural structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BoneLeft {
    /// The structure behind the bone.
    pub structure: Label,
    /// Length of the way through bone from the tool's ball to the structure's nearest place, µm.
    pub left_um: i32,
}

/// Bone left between a tool's ball and one structure; none where the structure is out of reach, or no bone lies between.
pub(crate) fn bone_left(
    patient: &Patient,
    cut: &CutState,
    fields: &NeuralFields,
    structure: Label,
    shape: &Shape,
    rotation: &Rotation,
    tip: Vec3,
) -> Option<BoneLeft> {
    let grid = patient.grid();
    let field = fields.iter().find(|field| field.label == structure)?;
    let from = place(rotation, tip, shape.ball_mm);
    let distance = field.distance_mm(grid, from).filter(|d| *d > 0.0)?;
    let direction = towards(|p| field.distance_mm(grid, p), from)?;
    // From the ball's lower side: what it is buried in above that is not between.
    let start = add(from, scale(direction, shape.ball_radius_mm.min(distance)));
    let left_um = um(thickness_mm(patient, cut, TissueClass::Bone, start, add(from, scale(direction, distance))));
    (left_um >= NO_BONE_UM).then_some(BoneLeft { structure, left_um })
}

/// The direction in which a distance falls fastest; none where it has none.
fn towards(distance: impl Fn(Vec3) -> Option<f64>, at: Vec3) -> Option<Vec3> {
    let mut slope = [0.0; 3];
    for (k, slope) in slope.iter_mut().enumerate() {
        let (mut low, mut high) = (at, at);
        low[k] -= FEEL_MM;
        high[k] += FEEL_MM;
        *slope = distance(low)? - distance(high)?;
    }
    unit(slope)
}

/// What a tool's pre-alarm remembers: whether bone was thin in the tick before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ThinMemory {
    thin: Option<Label>,
}

impl ThinMemory {
    /// Whether this is the tick in which the bone over a structure has become thin; it has to grow thicker by the alarm's hysteresis, or
    /// to be another structure's, before it is told again.
    pub(crate) fn judge(&mut self, settings: &Settings, left: Option<BoneLeft>) -> Option<BoneLeft> {
        let Some(bone) = left else {
            self.thin = None;
            return None;
        };
        let was = self.thin == Some(bone.structure);
        let limit = um(settings.thin_bone_mm) + if was { um(settings.alarm_hysteresis_mm) } else { 0 };
        let thin = bone.left_um < limit;
        self.thin = thin.then_some(bone.structure);
        (thin && !was).then_some(bone)
    }
}
