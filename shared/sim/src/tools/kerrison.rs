//! The Kerrison punch: one oriented bite of bone and flavum each time its jaw closes.
//!
//! The footplate reaches along +y, at a right angle to the shaft or leaning 40° forward; the jaw comes down on its upper face.

use spinor_volume::query::class_sdf_mm;
use spinor_volume::{ClassMask, CutError, CutOp, Label, TissueClass};

use crate::alarm::NeuralFields;
use crate::contact::Tissue;
use crate::events::BiteRefusal;
use crate::pose::{Rotation, place, turn, um};
use crate::settings::Settings;
use crate::tool::{JawBox, Shape, plate_rods, shaft};
use crate::vector::{Vec3, add, scale};

/// What a punch takes.
const TAKES: ClassMask = ClassMask::of(&[TissueClass::Bone, TissueClass::Flavum]);
/// Radius of a bite's edges, mm.
const ROUNDING_MM: f64 = 0.2;
/// Share of the jaw's or footplate's face that bone may cover before it does not go in.
const FACE_SHARE: f64 = 0.4;

/// Cosine and sine of the 40° by which a forward-leaning footplate departs from the right angle.
const LEAN_40: (f64, f64) = (0.766_044_443_118_978, 0.642_787_609_686_539_3);

/// The shape of a Kerrison punch, upright (90°) or leaning forward (40°).
pub(crate) fn shape(width_mm: f64, leaning: bool, settings: &Settings) -> Shape {
    let (c, s) = if leaning { LEAN_40 } else { (1.0, 0.0) };
    // The plate's own axes in the tool's frame: width, reach, and out of its upper face.
    let axes = [[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]];
    let thick = settings.kerrison_footplate_mm;
    // The jaw slides along the shaft: seen across a leaning plate it opens less.
    let (length, opening) = (width_mm + settings.kerrison_plate_extra_mm, settings.kerrison_opening_mm * c);
    let radius_mm = (thick / 2.0).min(width_mm / 2.0);
    let mut parts = plate_rods(width_mm, length, thick, axes);
    let shaft_radius = settings.kerrison_shaft_radius_mm;
    // The shaft's lower end is flush with the footplate's lower face, which hangs on it.
    parts.push(shaft(-shaft_radius, shaft_radius - thick, shaft_radius, settings));
    let at = |y: f64, z: f64| [0.0, c * y + s * z, c * z - s * y];
    let plate_box = |low: f64, high: f64| JawBox {
        centre_mm: at(length / 2.0, (low + high) / 2.0),
        half_mm: [width_mm / 2.0, length / 2.0, (high - low) / 2.0],
        axes,
    };
    Shape {
        ball_mm: at(0.0, -thick / 2.0),
        ball_radius_mm: radius_mm,
        parts,
        jaw: Some(plate_box(0.0, opening)),
        footplate: Some(plate_box(-thick, 0.0)),
    }
}

/// Whether the jaw takes something where it is, and if not, why.
pub(crate) fn judge(tissue: &Tissue<'_>, shape: &Shape, rotation: &Rotation, tip: Vec3) -> Result<(), BiteRefusal> {
    let (Some(jaw), Some(footplate)) = (shape.jaw, shape.footplate) else { return Err(BiteRefusal::Empty) };
    let step = 0.75 * tissue.patient.grid().spacing_mm();
    let share = |jaw: JawBox, class: TissueClass| {
        let (mut inside, mut all) = (0_u32, 0_u32);
        for at in jaw.lattice(step) {
            inside += u32::from(tissue.holds(class, place(rotation, tip, at)));
            all += 1;
        }
        f64::from(inside) / f64::from(all.max(1))
    };
    if share(jaw, TissueClass::Bone) == 0.0 && share(jaw, TissueClass::Flavum) == 0.0 {
        return Err(BiteRefusal::Empty);
    }
    if share(footplate, TissueClass::Bone) > FACE_SHARE {
        return Err(BiteRefusal::NoRoom);
    }
    let mut face = jaw;
    face.centre_mm = add(face.centre_mm, scale(face.axes[2], face.half_mm[2]));
    face.half_mm[2] = 0.0;
    if share(face, TissueClass::Bone) > FACE_SHARE {
        return Err(BiteRefusal::TooThick);
    }
    Ok(())
}

/// The operation of a bite.
pub(crate) fn bite(tissue: &Tissue<'_>, shape: &Shape, rotation: &Rotation, tip: Vec3) -> Option<Result<CutOp, CutError>> {
    let jaw = shape.jaw?;
    let axes = jaw.axes.map(|axis| turn(rotation, axis));
    let rounding = ROUNDING_MM.min(jaw.half_mm[0] / 2.0);
    let half = jaw.half_mm.map(|h| h - rounding);
    Some(CutOp::box_mm(tissue.patient.grid(), place(rotation, tip, jaw.centre_mm), half, axes, rounding, TAKES))
}

/// Neural structures that reach into the closing jaw, with the depth of the deepest point, µm.
pub(crate) fn pinched(
    tissue: &Tissue<'_>,
    fields: &NeuralFields,
    shape: &Shape,
    rotation: &Rotation,
    tip: Vec3,
) -> Vec<(Label, i32)> {
    let Some(jaw) = shape.jaw else { return Vec::new() };
    // Most jaws are nowhere near: ask the stored fields first.
    let grid = tissue.patient.grid();
    let reach = jaw.half_mm[0] + jaw.half_mm[1] + jaw.half_mm[2];
    let centre = place(rotation, tip, jaw.centre_mm);
    if tissue.near(ClassMask::of(&[TissueClass::Neural]), centre, centre, reach).is_empty() {
        return Vec::new();
    }
    let points: Vec<Vec3> = jaw
        .lattice(0.75 * grid.spacing_mm())
        .map(|at| place(rotation, tip, at))
        .filter(|at| class_sdf_mm(tissue.patient, tissue.cut, TissueClass::Neural, *at) < 0.0)
        .collect();
    let mut found = Vec::new();
    for neural in fields.iter() {
        let deepest = points.iter().filter_map(|at| neural.distance_mm(grid, *at)).fold(0.0, f64::min);
        if deepest < 0.0 {
            found.push((neural.label, um(-deepest)));
        }
    }
    found
}
