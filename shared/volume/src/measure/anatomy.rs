//! Where things are in this patient: the canal's axis, each vertebra's landmarks and each level's joints, from the uncut structures alone.
//!
//! It is found once per case and kept beside it. What a case does not show is `None`: without a dural sac there is no axis, and without an
//! axis nothing at all. Every length is measured in a frame that the bone itself has, so that a patient who lies askew, a scoliosis or a
//! steep sacrum changes nothing.

use thiserror::Error;

use super::axis::CanalAxis;
use super::frame::Side;
use super::joint::{BONE, Joint};
use super::vertebra::{Pars, Vertebra};
use crate::label::Label;
use crate::patient::Patient;

/// Least height in which a pars is looked for, mm.
const PARS_LEAST_MM: f64 = 3.0;

/// Why a patient's anatomy cannot be found.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AnatomyError {
    /// The case has no dural sac, or less than 8 mm of one.
    #[error("the case has no dural sac to take the canal's axis from")]
    NoAxis,
    /// The case has no lumbar vertebra beside the sac.
    #[error("the case has no lumbar vertebra")]
    NoVertebra,
}

/// A level: a vertebra, the one below it and what lies between.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// Place of the upper vertebra in [`Anatomy::vertebrae`].
    pub upper: usize,
    /// Place of the lower one.
    pub lower: usize,
    /// What lies between them.
    pub joint: Joint,
}

/// A patient's landmarks.
#[derive(Clone, Debug, PartialEq)]
pub struct Anatomy {
    axis: CanalAxis,
    vertebrae: Vec<Vertebra>,
    levels: Vec<Level>,
}

impl Anatomy {
    /// Finds everything. It takes long enough to keep the result beside the case, and off the tick.
    ///
    /// # Errors
    /// When the case has no dural sac or no lumbar vertebra.
    pub fn find(patient: &Patient) -> Result<Self, AnatomyError> {
        let axis = CanalAxis::find(patient).ok_or(AnatomyError::NoAxis)?;
        // Downwards: L1 to L6, then the sacrum.
        let bone = |(k, s): (usize, &crate::patient::Structure)| {
            let wanted = s.class == BONE && ((41..=46).contains(&s.label.0) || s.label == Label::SACRUM);
            if wanted { Vertebra::find(patient.grid(), k, s, &axis) } else { None }
        };
        let mut vertebrae: Vec<Vertebra> = patient.structures().iter().enumerate().filter_map(bone).collect();
        if vertebrae.is_empty() {
            return Err(AnatomyError::NoVertebra);
        }
        let levels: Vec<Level> = (1..vertebrae.len())
            .filter(|k| neighbours(vertebrae[k - 1].label, vertebrae[*k].label))
            .filter_map(|k| {
                let joint = Joint::find(patient, &axis, &vertebrae[k - 1], &vertebrae[k])?;
                Some(Level { upper: k - 1, lower: k, joint })
            })
            .collect();
        for level in &levels {
            let vertebra = &mut vertebrae[level.upper];
            vertebra.pars = Side::BOTH.map(|side| pars(vertebra, &level.joint, side));
        }
        Ok(Self { axis, vertebrae, levels })
    }

    /// The canal's axis.
    pub fn axis(&self) -> &CanalAxis {
        &self.axis
    }

    /// The vertebrae from the highest to the lowest.
    pub fn vertebrae(&self) -> &[Vertebra] {
        &self.vertebrae
    }

    /// The levels from the highest to the lowest.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// A vertebra by its label.
    pub fn vertebra(&self, label: Label) -> Option<&Vertebra> {
        self.vertebrae.iter().find(|v| v.label == label)
    }

    /// The level below lumbar vertebra `n` (4 = L4/L5).
    pub fn level_below(&self, n: u16) -> Option<&Level> {
        self.levels.iter().find(|level| self.upper(level).label == Label::lumbar(n))
    }

    /// The upper vertebra of one of this anatomy's levels.
    pub fn upper(&self, level: &Level) -> &Vertebra {
        &self.vertebrae[level.upper]
    }

    /// The lower vertebra of one of this anatomy's levels.
    pub fn lower(&self, level: &Level) -> &Vertebra {
        &self.vertebrae[level.lower]
    }

    /// A level's name, like `L4/L5`.
    pub fn name(&self, level: &Level) -> String {
        let word = |v: &Vertebra| v.label.level().unwrap_or_else(|| v.label.name());
        format!("{}/{}", word(self.upper(level)), word(self.lower(level)))
    }
}

/// Whether the second bone follows the first downwards without one missing between them.
fn neighbours(upper: Label, lower: Label) -> bool {
    lower.0 == upper.0 + 1 || lower == Label::SACRUM && upper.0 >= 45
}

/// The isthmus of one side: between the joint below and the pedicle.
fn pars(vertebra: &Vertebra, joint: &Joint, side: Side) -> Option<Pars> {
    let (pedicle, facet) = (vertebra.pedicle(side)?, joint.facet(side)?);
    let top = joint.frame.patient([facet.centre_mm[0], facet.centre_mm[1], facet.high_mm]);
    let (low, high) = (vertebra.frame.local(top)[2], pedicle.low_mm);
    // Where joint and pedicle overlap in height, the isthmus is what lies about their middle.
    let middle = (low + high) / 2.0;
    let half = ((high - low) / 2.0).max(PARS_LEAST_MM / 2.0);
    Some(Pars { low_mm: middle - half, high_mm: middle + half })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{ASKEW, MIDDLE_MM, UPRIGHT, boxes, plate};
    use super::*;
    use crate::{DensityField, Patient};

    fn near(what: &str, value: f64, wanted: f64, tolerance: f64) {
        assert!((value - wanted).abs() <= tolerance, "{what}: {value:.2}, not {wanted}");
    }

    /// Proves that every landmark of a patient of known boxes is found within the voxels' reach, upright and lying askew.
    #[test]
    fn landmarks_of_a_known_patient_are_found() {
        for turn in [UPRIGHT, ASKEW] {
            let patient = boxes(0.5, turn);
            let anatomy = Anatomy::find(&patient).unwrap();
            assert_eq!((anatomy.vertebrae().len(), anatomy.levels().len()), (2, 1));
            let v = anatomy.vertebra(Label::lumbar(4)).unwrap();
            for (k, axis) in [v.frame.left, v.frame.back, v.frame.up].into_iter().enumerate() {
                let cos = (0..3).map(|row| turn[row][k] * axis[row]).sum::<f64>();
                assert!(cos > 0.998, "axis {k}: {axis:?}");
            }
            let middle: [f64; 3] = std::array::from_fn(|row| turn[row][2] * MIDDLE_MM);
            let local = v.frame.local(middle);
            assert!(local[0].abs() < 0.4 && local[1].abs() < 0.5 && local[2].abs() < 1.5, "{local:?}");
            near("wall", v.wall_mm.unwrap(), -9.0, 0.4);
            let lamina = v.lamina.as_ref().unwrap();
            near("roof", lamina.roof_at(-6.0), 9.0, 0.5);
            near("thickness", lamina.thickness_mm, 6.0, 0.5);
            near("lamina low", lamina.low_mm, -12.0, 2.0);
            near("lamina high", lamina.high_mm, 2.0, 2.0);
            let level = anatomy.level_below(4).unwrap();
            assert_eq!(anatomy.name(level), "L4/L5");
            for side in Side::BOTH {
                let pedicle = v.pedicle(side).unwrap();
                near("pedicle medial", pedicle.medial_mm, 12.0, 0.5);
                near("pedicle lateral", pedicle.lateral_mm, 20.0, 0.8);
                near("pedicle low", pedicle.low_mm, -2.0, 1.2);
                near("pedicle high", pedicle.high_mm, 9.0, 1.2);
                let facet = level.joint.facet(side).unwrap();
                near("facet x", facet.centre_mm[0], side.sign() * 18.0, 0.6);
                near("facet y", facet.centre_mm[1], 8.5, 1.0);
                near("facet low", facet.low_mm, -8.0, 1.5);
                near("facet high", facet.high_mm, 8.0, 1.5);
                near("facet normal", facet.normal[0], -side.sign(), 0.1);
                let pars = v.pars(side).unwrap();
                near("pars low", pars.low_mm, 8.0 - MIDDLE_MM, 1.5);
                near("pars high", pars.high_mm, -2.0, 1.5);
            }
            assert_eq!(anatomy, Anatomy::find(&patient).unwrap());
        }
    }

    /// Proves that a lamina without a body has a frame, a roof and a thickness, and nothing that it does not show.
    #[test]
    fn a_plate_is_a_lamina_and_no_more() {
        let anatomy = Anatomy::find(&plate(16.0, 4.0)).unwrap();
        let v = anatomy.vertebra(Label::lumbar(4)).unwrap();
        assert!(v.wall_mm.is_none() && v.pedicles == [None; 2] && v.pars == [None; 2] && anatomy.levels().is_empty());
        let lamina = v.lamina.as_ref().unwrap();
        near("roof", lamina.roof_at(0.0), 12.0, 0.2);
        near("thickness", lamina.thickness_mm, 4.0, 0.2);
        assert!(v.frame.left[0] > 0.999 && v.frame.back[1] > 0.999);
    }

    /// Proves that a case without a sac, or without a vertebra, says so.
    #[test]
    fn a_case_without_sac_or_bone_is_refused() {
        let whole = plate(16.0, 4.0);
        let only = |k: usize| Patient::new(*whole.grid(), vec![whole.structures()[k].clone()], DensityField::default()).unwrap();
        assert_eq!(Anatomy::find(&only(0)), Err(AnatomyError::NoVertebra));
        assert_eq!(Anatomy::find(&only(1)), Err(AnatomyError::NoAxis));
    }
}
