//! Completion: what nobody labelled, segmented or drew is proposed from the bones, so that tools meet it and the alarm has something
//! to guard.
//!
//! Nothing here was seen in an image. Bodies, canal and pedicles are measured on the vertebrae; discs fill the space between the
//! endplates, the dural sac the canal, roots go from the sac below their pedicles through the foramina, flava span the laminae: by the
//! sizes of healthy adults in `settings`, which leave out what a scan without contrast does not show, stenosis by soft tissue above
//! all. Every structure is marked [`Source::Proposed`] and carries an uncertainty that widens the alarm.
//!
//! What a level's bone does not show clearly is left out and named, not guessed. Bone that the CT shows and nobody labelled is in nobody's way
//! but the roots': they end at it, or are left out.

mod canal;
mod discs;
mod flavum;
mod levels;
mod roots;
mod settings;
mod space;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use rayon::prelude::*;
use spinor_volume::{Grid, Label, Source, SparseField, Structure, TissueClass};

use crate::bake::canal::union;
use crate::volume3d::Image;
use canal::Section;
use levels::Vertebra;
use roots::{Refused, Root};
use space::Bones;
pub(crate) use space::{V3, add, distance, dot, sub, unit};

/// How far a proposed sac or root may be off the bones around it, mm: sac and canal differ by fat and veins, and roots vary.
pub const NEURAL_UNCERTAINTY_MM: f32 = 2.0;
/// How far a proposed flavum or disc may be off the bones around it, mm.
pub const SOFT_UNCERTAINTY_MM: f32 = 1.5;

/// What was proposed.
#[derive(Clone, Debug, Default)]
pub struct Completion {
    /// The structures, none of which was there before.
    pub structures: Vec<Structure>,
    /// Centre lines of the proposed roots from the sac outwards, LPS mm.
    pub root_lines: BTreeMap<Label, Vec<[f64; 3]>>,
    /// What could not be proposed, in full sentences.
    pub warnings: Vec<String>,
}

/// Proposes discs, dural sac, roots and flava where `given` lacks them. Fields share `grid`.
///
/// `ct`, in HU and in the same frame, shows bone that nobody labelled, at which roots end; without it they may run through such bone. Work
/// runs on rayon's current pool and takes some seconds for a lumbar spine; nothing depends on the number of threads.
pub fn complete(grid: &Grid, given: &[Structure], ct: Option<&Image<i16>>) -> Completion {
    let mut out = Completion::default();
    let bones: Vec<&Structure> = given.iter().filter(|s| s.class == TissueClass::Bone).collect();
    let Some(field) = Bones::new(grid, &bones, ct) else { return out };
    let union = union(grid, &bones);
    let has = |label: Label| given.iter().any(|s| s.label == label);
    let given_soft: Vec<&SparseField> = given.iter().filter(|s| s.class != TissueClass::Bone).map(|s| &s.sdf).collect();

    let sections = canal::canal(grid, &union, &field, &bones);
    if !has(Label::DURAL_SAC) && !has(Label::SPINAL_CORD) {
        match sections.as_ref().and_then(|sections| canal::sac(grid, &union, sections)) {
            Some(sac) => out.structures.push(sac),
            None => out
                .warnings
                .push("No dural sac could be proposed: the arches of the vertebrae do not close around a canal.".to_owned()),
        }
    }
    let scene = Scene { grid, union: &union, bones: &field, ct, vertebrae: measure(grid, &union, &field, &bones) };

    let wanted: Vec<(u16, bool)> = (1..=6)
        .flat_map(|level| [(level, true), (level, false)])
        .filter(|(level, left)| !has(Label::root(*level, *left)) && has(bone_of_root(*level)))
        .collect();
    // Roots begin in the sac, whoever found it.
    let sac = out.structures.iter().chain(given).find(|s| s.label == Label::DURAL_SAC).map(|sac| &sac.sdf);
    let made: Vec<Result<Root, Refused>> = wanted
        .par_iter()
        .map(|(level, left)| scene.root(sections.as_deref().ok_or(Refused::NotSeen)?, *level, *left, sac, &given_soft))
        .collect();
    let mut missing: BTreeMap<(&'static str, Refused), Vec<String>> = BTreeMap::new();
    let mut ending: BTreeMap<Refused, Vec<String>> = BTreeMap::new();
    for ((level, left), made) in wanted.iter().zip(made) {
        let label = Label::root(*level, *left);
        match made {
            Ok(root) => {
                if let Some(why) = root.ends {
                    ending.entry(why).or_default().push(label.name());
                }
                out.root_lines.insert(label, root.line);
                out.structures.push(root.structure);
            }
            Err(why) => missing.entry(("nerve root", why)).or_default().push(label.name()),
        }
    }
    for (why, names) in ending {
        let (names, beyond) = (places_of(&names), "The alarm guards nothing beyond.");
        out.warnings.push(match why {
            Refused::Dense => {
                format!("Proposed roots end where they meet dense bone that nobody labelled: {names}. {beyond} {LABEL_IT}")
            }
            _ => format!("Proposed roots end where bone leaves them no room: {names}. {beyond} Draw them (--contours) to have an alarm there."),
        });
    }

    let keep_off: Vec<&SparseField> = out.structures.iter().map(|s| &s.sdf).chain(given_soft.iter().copied()).collect();
    let wanted: Vec<(Label, [Label; 2])> = neighbours(&bones)
        .into_iter()
        .flat_map(|pair| [disc_between(pair[0], pair[1]), flavum_under(pair[0])].map(|label| label.map(|label| (label, pair))))
        .flatten()
        .filter(|(label, _)| !has(*label))
        .collect();
    let made: Vec<Option<Structure>> =
        wanted.par_iter().map(|(label, [upper, lower])| scene.between(*label, *upper, *lower, &keep_off)).collect();
    for ((label, _), made) in wanted.iter().zip(made) {
        let what = if label.class() == Some(TissueClass::Disc) { "disc" } else { "ligamentum flavum" };
        match made {
            Some(structure) => out.structures.push(structure),
            None => missing.entry((what, Refused::NotSeen)).or_default().push(label.name()),
        }
    }
    for ((what, why), names) in missing {
        let names = places_of(&names);
        out.warnings.push(match why {
            Refused::NotSeen => format!("No {what} could be proposed for {names}: the bone there does not show where it lies."),
            Refused::Dense => {
                format!("No {what} is proposed for {names}: the way of it runs into dense bone that nobody labelled. {LABEL_IT}")
            }
            Refused::NoRoom => format!(
                "No {what} is proposed for {names}: the bone leaves it no room on its way out (a narrow foramen, or a label that is too \
                 large). Draw it (--contours) to have an alarm there."
            ),
        });
    }
    // What follows bone that may itself be off is less sure than that bone.
    for structure in &mut out.structures {
        structure.uncertainty_mm = beside(structure.uncertainty_mm, &bones);
    }
    debug_assert!(out.structures.iter().all(|s| s.source == Source::Proposed), "nothing here was seen");
    out
}

/// The dural sac alone, as [`complete`] proposes it where none is given.
pub(crate) fn proposed_sac(grid: &Grid, given: &[Structure]) -> Option<Structure> {
    let bones: Vec<&Structure> = given.iter().filter(|s| s.class == TissueClass::Bone).collect();
    let field = Bones::new(grid, &bones, None)?;
    let union = union(grid, &bones);
    let mut sac = canal::sac(grid, &union, &canal::canal(grid, &union, &field, &bones)?)?;
    sac.uncertainty_mm = beside(sac.uncertainty_mm, &bones);
    Some(sac)
}

/// The uncertainty of what follows bones that may themselves be off, mm to tenths.
fn beside(own_mm: f32, bones: &[&Structure]) -> f32 {
    let bones_mm = bones.iter().map(|bone| bone.uncertainty_mm).fold(0.0, f32::max);
    (own_mm.hypot(bones_mm) * 10.0).round() / 10.0
}

/// What to do about dense bone without a label.
const LABEL_IT: &str = "Label that bone (the sacrum?) and prepare again, or draw the root (--contours).";

/// What is known while structures are proposed.
struct Scene<'a> {
    grid: &'a Grid,
    union: &'a SparseField,
    bones: &'a Bones,
    ct: Option<&'a Image<i16>>,
    vertebrae: Vec<Vertebra>,
}

impl Scene<'_> {
    fn vertebra(&self, label: Label) -> Option<&Vertebra> {
        self.vertebrae.iter().find(|v| v.label == label)
    }

    /// A root (level 1 = L1 ... 6 = S1).
    fn root(
        &self,
        sections: &[Section],
        level: u16,
        left: bool,
        sac: Option<&SparseField>,
        given: &[&SparseField],
    ) -> Result<Root, Refused> {
        let number = usize::from(level);
        let line = if level == 6 {
            roots::first_sacral(self.bones, sections, left)
        } else {
            self.vertebra(bone_of_root(level)).and_then(|vertebra| {
                let pedicle = vertebra.pedicles[usize::from(!left)]?;
                roots::lumbar(self.bones, sections, vertebra, pedicle, left, number)
            })
        };
        let around = roots::Around { bones: self.bones, union: self.union, sac, given, ct: self.ct };
        roots::root(self.grid, Label::root(level, left), line.ok_or(Refused::NotSeen)?, settings::ROOTS[number - 1][0], &around)
    }

    /// The disc or flavum between two bones.
    fn between(&self, label: Label, upper: Label, lower: Label, keep_off: &[&SparseField]) -> Option<Structure> {
        let v = self.vertebra(upper)?;
        if label.class() == Some(TissueClass::Disc) {
            let back_wall = v.frame.outer([v.middle, v.wall, v.bottom]);
            let space = discs::space(self.bones, (upper, v.frame.origin, v.frame.up), lower, v.frame.back, back_wall)?;
            return space.structure(self.grid, self.union, label, keep_off);
        }
        let inner = v.pedicles.iter().flatten().map(|p| p.inner).fold(f64::INFINITY, f64::min);
        let half_width = if inner.is_finite() { inner + 0.5 } else { 12.0 };
        let thickness = *settings::FLAVUM.get(usize::from(upper.0.checked_sub(Label::lumbar(1).0)?))?;
        flavum::sheet(self.bones, v, lower, half_width, thickness)?.structure(self.grid, self.union, label, keep_off)
    }
}

/// The bone below whose pedicle a root leaves (level 1 = L1 ... 6 = S1).
fn bone_of_root(level: u16) -> Label {
    if level == 6 { Label::SACRUM } else { Label::lumbar(level) }
}

/// The flavum below a bone; none but at lumbar levels.
fn flavum_under(upper: Label) -> Option<Label> {
    (1..=5_u16).find(|n| Label::lumbar(*n) == upper).map(Label::flavum_below)
}

/// Pairs of bones that follow each other down the spine.
fn neighbours(bones: &[&Structure]) -> Vec<[Label; 2]> {
    let mut labels: Vec<Label> = bones.iter().map(|s| s.label).collect();
    labels.sort_unstable();
    labels.windows(2).map(|pair| [pair[0], pair[1]]).filter(|[a, b]| disc_between(*a, *b).is_some()).collect()
}

/// The disc between two bones that follow each other; none where one is missing between them.
pub(crate) fn disc_between(upper: Label, lower: Label) -> Option<Label> {
    let next = match upper.0 {
        17 => 21,
        32 => 41,
        45 if lower == Label::SACRUM => 50,
        46 => 50,
        n => n + 1,
    };
    if lower.0 != next {
        return None;
    }
    match upper.0 {
        n @ 12..=16 => Some(Label(n + 51)),
        17 => Some(Label(71)),
        n @ 21..=31 => Some(Label(n + 51)),
        32 => Some(Label(91)),
        n @ 41..=44 => Some(Label(n + 51)),
        45 if lower == Label::SACRUM => Some(Label(100)),
        45 => Some(Label(96)),
        46 => Some(Label(100)),
        _ => None,
    }
}

/// All vertebrae that can be measured.
fn measure(grid: &Grid, bone: &SparseField, field: &Bones, bones: &[&Structure]) -> Vec<Vertebra> {
    let mut labels: Vec<Label> = bones.iter().map(|s| s.label).filter(|l| *l != Label::SACRUM).collect();
    labels.sort_unstable();
    let centres: Vec<Option<V3>> = labels.par_iter().map(|label| levels::body_centre(field, *label)).collect();
    let beside = |n: Option<usize>| n.and_then(|n| centres.get(n).copied().flatten());
    labels
        .par_iter()
        .enumerate()
        .filter_map(|(n, label)| {
            let centre = centres[n]?;
            let column = discs::column(beside(n.checked_sub(1)), centre, beside(Some(n + 1)));
            levels::measure(grid, bone, field, *label, centre, column)
        })
        .collect()
}

/// The places of several structures as one says them.
fn places_of(names: &[String]) -> String {
    names.iter().map(|name| place_of(name)).collect::<Vec<_>>().join(", ")
}

/// Where a structure lies, by its name: `L4/L5` of `ligamentum_flavum_L4_L5`, `L4 left` of `nerve_root_L4_left`; the words of others.
pub(crate) fn place_of(name: &str) -> String {
    let rest = ["intervertebral_disc_", "ligamentum_flavum_"].into_iter().find_map(|kind| name.strip_prefix(kind));
    match rest {
        Some(levels) => levels.replace('_', "/"),
        None => name.strip_prefix("nerve_root_").unwrap_or(name).replace('_', " "),
    }
}
