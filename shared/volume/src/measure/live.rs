//! All live measures of a patient together.

use super::amount::{self, Amount};
use super::anatomy::{Anatomy, AnatomyError, Level};
use super::canal::{Canal, CanalSlice};
use super::foramen::{ForamenProbe, ForamenWay};
use super::frame::{LocalFrame, Side};
use super::isthmus::{self, ParsWidth};
use super::vertebra::Vertebra;
use crate::cut::CutState;
use crate::label::Label;
use crate::patient::Patient;

/// How far beside the midline a lamina reaches where neither joint nor pedicle bounds it, mm.
const LAMINA_REACH_MM: f64 = 12.0;
/// Half the width of the spinous process's root, mm (K): within it, bone behind the lamina's outer surface is the process.
const SPINOUS_MM: f64 = 8.0;
/// How far above and below the edges seen 5 mm beside the midline a lamina's bone counts, mm.
const LAMINA_EDGE_MM: f64 = 4.0;
/// How far a structure may reach from a level's origin, mm.
const LEVEL_REACH_MM: f64 = 60.0;

/// One side of a level. What the case does not show is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SideMeasures {
    /// Bone of the facet joint lateral to its medial border, of both vertebrae.
    pub facet: Option<Amount>,
    /// Bone of the upper vertebra's lamina from the midline to the joint's medial border.
    pub lamina: Option<Amount>,
    /// Flavum.
    pub flavum: Option<Amount>,
    /// Disc.
    pub disc: Option<Amount>,
    /// The upper vertebra's pars at its narrowest.
    pub pars: Option<ParsWidth>,
    /// The widest probe that passes the foramen of the upper vertebra's root.
    pub foramen: Option<ForamenProbe>,
}

/// One level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelMeasures {
    /// The upper vertebra.
    pub upper: Label,
    /// The lower one.
    pub lower: Label,
    /// Slices across the canal from the lower pedicles to the upper ones, a millimetre apart, the lowest first.
    pub canal: Vec<CanalSlice>,
    /// Left, then right.
    pub sides: [SideMeasures; 2],
}

impl LevelMeasures {
    /// Least area of the sac as imaged, µm²; none without slices.
    pub fn least_before_um2(&self) -> Option<i64> {
        self.canal.iter().map(|s| s.imaged_um2).min()
    }

    /// Least area of the sac now, µm².
    pub fn least_free_um2(&self) -> Option<i64> {
        self.canal.iter().map(|s| s.free_um2).min()
    }
}

/// All levels of a patient at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveMeasures {
    /// The levels from the highest to the lowest.
    pub levels: Vec<LevelMeasures>,
}

/// What does not change with cuts: a patient's anatomy and the uncut state of each level. Built once per case.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    anatomy: Anatomy,
    levels: Vec<Uncut>,
}

#[derive(Clone, Debug, PartialEq)]
struct Uncut {
    canal: Canal,
    ways: [Option<(ForamenWay, u32)>; 2],
}

impl Reference {
    /// Finds the anatomy and measures the uncut patient. It takes long: not on the tick's thread.
    ///
    /// # Errors
    /// As [`Anatomy::find`].
    pub fn build(patient: &Patient) -> Result<Self, AnatomyError> {
        Ok(Self::of(patient, Anatomy::find(patient)?))
    }

    /// As [`Self::build`] for an anatomy that was found already.
    pub fn of(patient: &Patient, anatomy: Anatomy) -> Self {
        let none = CutState::new(patient.grid());
        let uncut = |level: &Level| {
            let way = |side: Side| {
                let way = ForamenWay::find(patient, anatomy.upper(level), side)?;
                let widest = way.probe_tenth_mm(patient, &none);
                Some((way, widest))
            };
            Uncut { canal: Canal::find(patient, &anatomy, level), ways: Side::BOTH.map(way) }
        };
        let levels = anatomy.levels().iter().map(uncut).collect();
        Self { anatomy, levels }
    }

    /// The anatomy.
    pub fn anatomy(&self) -> &Anatomy {
        &self.anatomy
    }

    /// Measures all levels in a state of the cut fields of the same patient. It reads nothing else: a copy of the state may be measured
    /// while the room goes on.
    pub fn measure(&self, patient: &Patient, cut: &CutState) -> LiveMeasures {
        LiveMeasures { levels: (0..self.levels.len()).filter_map(|k| self.measure_level(patient, cut, k)).collect() }
    }

    /// Measures one of the anatomy's levels by its place; none for one that it lacks.
    pub fn measure_level(&self, patient: &Patient, cut: &CutState, level: usize) -> Option<LevelMeasures> {
        let (uncut, level) = (self.levels.get(level)?, self.anatomy.levels().get(level)?);
        let (upper, lower) = (self.anatomy.upper(level), self.anatomy.lower(level));
        let halves = |structure: Option<usize>| structure.map(|k| halves(patient, cut, k, &level.joint.frame));
        let (flavum, disc) = (halves(level.joint.flavum), halves(level.joint.disc));
        let lamina = lamina(patient, cut, upper, level);
        let sides = Side::BOTH.map(|side| SideMeasures {
            facet: facet(patient, cut, level, side, [upper.structure, lower.structure]),
            lamina: lamina.map(|sides| sides[side as usize]),
            flavum: flavum.map(|sides| sides[side as usize]),
            disc: disc.map(|sides| sides[side as usize]),
            pars: isthmus::width(patient, cut, upper, side),
            foramen: uncut.ways[side as usize]
                .as_ref()
                .map(|(way, before)| ForamenProbe { before_tenth_mm: *before, now_tenth_mm: way.probe_tenth_mm(patient, cut) }),
        });
        Some(LevelMeasures { upper: upper.label, lower: lower.label, canal: uncut.canal.measure(patient, level, cut), sides })
    }
}

/// A structure's left and right half.
fn halves(patient: &Patient, cut: &CutState, structure: usize, frame: &LocalFrame) -> [Amount; 2] {
    let corners = [[-LEVEL_REACH_MM; 3], [LEVEL_REACH_MM; 3]];
    amount::sum(patient, cut, structure, frame, corners, |local| Some(amount::side(local)))
}

/// The bone of one facet joint.
fn facet(patient: &Patient, cut: &CutState, level: &Level, side: Side, bones: [usize; 2]) -> Option<Amount> {
    let facet = level.joint.facet(side)?;
    let of = |bone: usize| -> [Amount; 1] {
        amount::sum(patient, cut, bone, &level.joint.frame, facet.region_mm(), |local| facet.holds(local).then_some(0))
    };
    Some(of(bones[0])[0].plus(of(bones[1])[0]))
}

/// The bone of a lamina's two sides.
fn lamina(patient: &Patient, cut: &CutState, vertebra: &Vertebra, level: &Level) -> Option<[Amount; 2]> {
    let lamina = vertebra.lamina.as_ref()?;
    let reach = Side::BOTH.map(|side| {
        let joint = level.joint.facet(side).map(|f| f.medial_mm);
        joint.or(vertebra.pedicle(side).map(|p| p.medial_mm)).unwrap_or(LAMINA_REACH_MM)
    });
    let (low, high) = (lamina.low_mm - LAMINA_EDGE_MM, lamina.high_mm + LAMINA_EDGE_MM);
    let (widest, behind) = (reach[0].max(reach[1]), lamina.back_mm + 2.0);
    let corners = [[-widest, 0.0, low], [widest, behind, high]];
    Some(amount::sum(patient, cut, vertebra.structure, &vertebra.frame, corners, |[x, y, z]| {
        let side = amount::side([x, y, z]);
        let process = x.abs() < SPINOUS_MM && y > lamina.back_mm;
        ((low..high).contains(&z) && (0.0..behind).contains(&y) && x.abs() < reach[side] && !process).then_some(side)
    }))
}
