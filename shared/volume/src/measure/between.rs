//! How much bone is left between two places: what stands between a burr and the dura.

use super::vector::{add, norm, scale, sub};
use crate::cut::CutState;
use crate::label::TissueClass;
use crate::patient::Patient;
use crate::query::class_sdf_mm;

/// Step of the walk, mm: between two steps the surface is found by linear interpolation.
const STEP_MM: f64 = 0.2;
/// Longest walk, mm.
const LONGEST_MM: f64 = 60.0;

/// Length of the straight way from one place to another that lies in what is left of a class, mm. A way of more than 60 mm is walked for
/// 60; not-a-number is no way. Error: under 0.1 mm for a layer thicker than 0.2 mm crossed squarely. Cost: about 0.3 µs a step of 0.2 mm.
pub fn thickness_mm(patient: &Patient, cut: &CutState, class: TissueClass, from_mm: [f64; 3], to_mm: [f64; 3]) -> f64 {
    let way = sub(to_mm, from_mm);
    let long = norm(way).min(LONGEST_MM);
    if long.is_nan() || long <= 1e-6 {
        return 0.0;
    }
    let direction = scale(way, 1.0 / norm(way));
    let steps = (long / STEP_MM).ceil() as u32;
    let step = long / f64::from(steps);
    let at = |k: u32| class_sdf_mm(patient, cut, class, add(from_mm, scale(direction, f64::from(k) * step)));
    let (mut sum, mut last) = (0.0, at(0));
    for k in 1..=steps {
        let here = at(k);
        sum += step
            * match (last < 0.0, here < 0.0) {
                (true, true) => 1.0,
                (false, false) => 0.0,
                (true, false) => last / (last - here),
                (false, true) => here / (here - last),
            };
        last = here;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::super::fixture::plate;
    use super::*;
    use crate::{ClassMask, CutOp};

    /// Proves that a plate's thickness is found along the way, square and oblique, whole and burred.
    #[test]
    fn a_plate_is_as_thick_as_it_is_and_as_was_left() {
        let patient = plate(16.0, 4.0);
        let mut cut = CutState::new(patient.grid());
        let thick = |cut: &CutState, from, to| thickness_mm(&patient, cut, TissueClass::Bone, from, to);
        assert!((thick(&cut, [0.0, 20.0, 0.0], [0.0, 6.0, 0.0]) - 4.0).abs() < 0.05);
        // 3-4-5: the way through is 5/4 of the thickness.
        assert!((thick(&cut, [9.0, 22.0, 0.0], [0.0, 10.0, 0.0]) - 5.0).abs() < 0.08);
        assert_eq!(thick(&cut, [0.0, 20.0, 0.0], [0.0, 17.0, 0.0]), 0.0);
        assert_eq!(thick(&cut, [f64::NAN; 3], [0.0; 3]), 0.0);
        // A ball of 1.5 mm whose lowest point is 13.2 mm leaves 1.2 mm.
        let bone = ClassMask::of(&[TissueClass::Bone]);
        cut.apply(&patient, &CutOp::capsule_mm(patient.grid(), [0.0, 14.7, 0.0], [0.0, 17.0, 0.0], 1.5, bone).unwrap());
        let left = thick(&cut, [0.0, 14.7, 0.0], [0.0, 6.0, 0.0]);
        assert!((left - 1.2).abs() < 0.08, "{left}");
    }
}
