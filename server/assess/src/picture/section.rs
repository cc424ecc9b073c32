//! An axial section through the structures.

use spinor_volume::cut::CutState;
use spinor_volume::query::class_sdf;
use spinor_volume::{Label, Patient, Source, TissueClass};

use super::canvas::Canvas;
use super::{colour, is_stripe};

const PIXELS_PER_MM: f64 = 6.0;
const WIDE_MM: f64 = 76.0;
const HIGH_MM: f64 = 66.0;
/// What was taken: the tissue's place, tinted.
const TAKEN: [f32; 3] = [232.0, 120.0, 112.0];

/// The section at a height, with what a cut took tinted red. Its middle lies on the patient's own middle.
pub(super) fn axial(patient: &Patient, cut: &CutState, centre: [f64; 3]) -> Canvas {
    axial_about(patient, cut, centre[2], middle(patient, centre))
}

/// The section at a height about a middle (x and y), patient LPS mm.
pub(super) fn axial_about(patient: &Patient, cut: &CutState, height_mm: f64, middle: [f64; 2]) -> Canvas {
    let (width, height) = ((WIDE_MM * PIXELS_PER_MM) as usize, (HIGH_MM * PIXELS_PER_MM) as usize);
    let mut canvas = Canvas::new(width, height, [250, 249, 246]);
    let untouched = CutState::new(patient.grid());
    let order = [TissueClass::Disc, TissueClass::Bone, TissueClass::Flavum, TissueClass::Neural];
    for y in 0..height {
        for x in 0..width {
            let at = [
                middle[0] + (x as f64 + 0.5) / PIXELS_PER_MM - WIDE_MM / 2.0,
                middle[1] + (y as f64 + 0.5) / PIXELS_PER_MM - HIGH_MM / 2.0,
                height_mm,
            ];
            for class in order {
                let fill = |mm: f64| (0.5 - mm * PIXELS_PER_MM) as f32;
                if let Some(whole) = class_sdf(patient, &untouched, class, at) {
                    let left = class_sdf(patient, cut, class, at).map_or(f64::INFINITY, |d| d.distance_mm);
                    if left > whole.distance_mm + 1e-9 {
                        canvas.blend(x, y, TAKEN, 0.75 * fill(whole.distance_mm).clamp(0.0, 1.0));
                    }
                    let structure = patient.structures().get(whole.structure);
                    let label = structure.map_or(Label::BACKGROUND, |s| s.label);
                    let stripe = structure.is_some_and(|s| s.source == Source::Proposed) && is_stripe(at[0] + at[1]);
                    // A dark rim, half a millimetre wide, inside the surface.
                    let rim = (1.0 - (left + 0.25).abs() / 0.25).clamp(0.0, 1.0) as f32;
                    let shade = 1.0 - 0.35 * rim;
                    // A hatch, which breaks the rim as well: nobody saw this surface.
                    let own = colour(label).map(|v| f32::from(v) * shade);
                    let own = if stripe { colour(label).map(|v| 255.0 - 0.45 * (255.0 - f32::from(v))) } else { own };
                    canvas.blend(x, y, own, fill(left));
                }
            }
        }
    }
    canvas.scale_bar(PIXELS_PER_MM);
    canvas.sides([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]);
    canvas
}

/// The middle of the picture: that of the dural sac at this height, a little to the back; the centre of the work without a sac.
fn middle(patient: &Patient, centre: [f64; 3]) -> [f64; 2] {
    let grid = patient.grid();
    let Some(sac) = patient.structure(Label::DURAL_SAC) else { return [centre[0], centre[1]] };
    let z = grid.index_from_patient(centre)[2].round() as i32;
    let [nx, ny, _] = grid.voxels();
    let (mut n, mut sum) = (0.0, [0.0; 2]);
    for (x, y) in (0..ny).flat_map(|y| (0..nx).map(move |x| (x, y))) {
        if sac.sdf.sample(grid, spinor_volume::VoxelIndex([x, y, z])) < 0 {
            n += 1.0;
            sum[0] += f64::from(x);
            sum[1] += f64::from(y);
        }
    }
    if n == 0.0 {
        return [centre[0], centre[1]];
    }
    let at = grid.patient_from_index([sum[0] / n, sum[1] / n, 0.0]);
    [at[0], at[1] + 3.0]
}
