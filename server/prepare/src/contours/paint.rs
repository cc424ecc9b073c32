//! Structures of one file on one lattice: where two overlap, one of them has the voxel, and the overlap is told.

use std::collections::BTreeMap;

use spinor_volume::{Label, TissueClass};

use super::{Contours, ContoursError, shown_list};
use crate::volume3d::{Geometry, Image};

/// Overlaps below this are the rim that neighbours share, mm³.
const RIM_MM3: f64 = 30.0;

/// A lattice that structures are painted on.
pub(super) struct Canvas {
    image: Image<u16>,
    /// Voxels that the first structure took from the second.
    overlaps: BTreeMap<(u16, u16), u64>,
}

impl Canvas {
    pub(super) fn new(geometry: Geometry) -> Self {
        Self { image: Image::filled(geometry, 0), overlaps: BTreeMap::new() }
    }

    /// Gives a voxel to a structure, unless one that goes before it has it.
    pub(super) fn paint(&mut self, at: usize, label: Label) {
        let Some(voxel) = self.image.voxels.get_mut(at) else { return };
        let before = Label(*voxel);
        if before == Label::BACKGROUND {
            *voxel = label.0;
        } else if before != label {
            let wins = rank(label) >= rank(before);
            let pair = if wins { (label.0, before.0) } else { (before.0, label.0) };
            *self.overlaps.entry(pair).or_insert(0) += 1;
            if wins {
                *voxel = label.0;
            }
        }
    }

    pub(super) fn finish(self, mut warnings: Vec<String>) -> Contours {
        let mm3 = self.image.geometry.voxel_mm3();
        for ((taker, giver), count) in self.overlaps {
            let volume = count as f64 * mm3;
            // A cord drawn within its canal is what everybody draws.
            if volume >= RIM_MM3 && (taker, giver) != (Label::SPINAL_CORD.0, Label::DURAL_SAC.0) {
                warnings.push(format!(
                    "Contours: {} and {} overlap by {volume:.0} mm³, which went to {0}.",
                    Label(taker).name(),
                    Label(giver).name()
                ));
            }
        }
        Contours { labels: self.image, warnings }
    }
}

/// What goes before what: nerves before bone, so that nothing that must be guarded is lost; the cord before its sac.
fn rank(label: Label) -> u8 {
    match (label, label.class()) {
        (Label::SPINAL_CORD, _) => 5,
        (Label::DURAL_SAC, _) => 3,
        (_, Some(TissueClass::Neural)) => 4,
        (_, Some(TissueClass::Bone)) => 2,
        (_, Some(TissueClass::Flavum)) => 1,
        _ => 0,
    }
}

/// What was found of a file's structures before anything is painted.
pub(super) struct Found {
    /// Structure of each number that is understood.
    pub(super) labels: BTreeMap<u32, Label>,
    unknown: Vec<String>,
    count: usize,
}

/// One structure as a file names it.
pub(super) struct Named {
    pub(super) number: u32,
    /// How it may be called.
    pub(super) shown: String,
    /// What the user's table says.
    pub(super) given: Option<Label>,
    /// What its name says.
    pub(super) name: Option<Label>,
    /// What its codes say.
    pub(super) code: Option<Label>,
}

/// Decides what each structure is.
///
/// # Errors
/// When name and code disagree, two structures claim to be the same one, or none is understood.
pub(super) fn understand(all: Vec<Named>) -> Result<Found, ContoursError> {
    let mut found = Found { labels: BTreeMap::new(), unknown: Vec::new(), count: all.len() };
    let mut by_label: BTreeMap<u16, (String, bool)> = BTreeMap::new();
    for named in all {
        let shown = named.shown;
        let label = match (named.given, named.name, named.code) {
            (Some(label), ..) => label,
            (None, Some(name), Some(code)) if name != code => {
                return Err(ContoursError::Structure {
                    what: shown,
                    why: format!(
                        "its name says {}, its code says {}; correct one of them, or say which it is with --contours-names",
                        name.name(),
                        code.name()
                    ),
                });
            }
            (None, Some(label), _) | (None, None, Some(label)) => label,
            (None, None, None) => {
                found.unknown.push(shown);
                continue;
            }
        };
        // Both halves of a flavum are one structure, and so is what the user's table calls one.
        let joins = named.given.is_some() || label.class() == Some(TissueClass::Flavum);
        if let Some((other, other_joins)) = by_label.insert(label.0, (shown.clone(), joins))
            && !(joins && other_joins)
        {
            return Err(ContoursError::Structure {
                what: format!("{other} and {shown}"),
                why: format!("both are {}; rename the one that does not count, or join them with --contours-names", label.name()),
            });
        }
        found.labels.insert(named.number, label);
    }
    if found.labels.is_empty() {
        return Err(ContoursError::NoStructure { count: found.count, shown: found.unknown });
    }
    Ok(found)
}

impl Found {
    /// A warning that names what was left out.
    pub(super) fn left_out(&self) -> Option<String> {
        (!self.unknown.is_empty()).then(|| {
            format!(
                "Contours: {} of {} structures of the file name none of a case and were left out: {}.",
                self.unknown.len(),
                self.count,
                shown_list(&self.unknown)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    //! Who gets a voxel, and what is refused before any is painted.

    use super::*;

    fn named(number: u32, given: u16, name: u16, code: u16) -> Named {
        let label = |n: u16| (n > 0).then_some(Label(n));
        Named { number, shown: format!("ROI {number}"), given: label(given), name: label(name), code: label(code) }
    }

    /// Nerves keep their voxels whatever is drawn after them; the overlap is told.
    #[test]
    fn nerves_go_before_bone() {
        let geometry = Geometry::axis_aligned([10, 10, 10], [1.0; 3], [0.0; 3]).unwrap();
        let mut canvas = Canvas::new(geometry);
        for (label, to) in [(Label(2), 100), (Label(44), 200), (Label(1), 50)] {
            (0..to).for_each(|at| canvas.paint(at, label));
        }
        let made = canvas.finish(Vec::new());
        let count = |n: u16| made.labels.voxels.iter().filter(|v| **v == n).count();
        assert_eq!([1, 2, 44].map(count), [50, 50, 100]);
        assert_eq!(made.warnings.len(), 1, "{:?}", made.warnings);
        assert!(made.warnings[0].contains("dural_sac and vertebrae_L4 overlap by 100 mm³"), "{:?}", made.warnings);
    }

    /// A level that name and code tell differently is the error that must not pass.
    #[test]
    fn disagreement_and_doubles_are_refused() {
        let text = |all| understand(all).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(text(vec![named(3, 0, 44, 45)]).contains("ROI 3: its name says vertebrae_L4, its code says vertebrae_L5"));
        assert!(text(vec![named(1, 0, 44, 0), named(2, 0, 0, 44)]).contains("ROI 1 and ROI 2: both are vertebrae_L4"));
        assert!(text(vec![named(1, 0, 0, 0)]).contains("none of its 1 structures is one of a case: ROI 1"));
        let joined =
            understand(vec![named(1, 44, 0, 0), named(2, 44, 43, 45), named(3, 0, 114, 0), named(4, 0, 114, 0)]).unwrap();
        assert_eq!(joined.labels.values().map(|l| l.0).collect::<Vec<_>>(), [44, 44, 114, 114]);
    }
}
