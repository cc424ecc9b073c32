//! Completion: what nobody labelled, segmented or drew is proposed from the bones, so that tools meet it and the alarm has something
//! to guard.
//!
//! Nothing here was seen in an image. Bodies, canal and pedicles are measured on the vertebrae; discs fill the space between the
//! endplates, the dural sac the canal, roots go from the sac below their pedicles through the foramina, flava span the laminae: by the
//! sizes of healthy adults in `settings`, which leave out what a scan without contrast does not show, stenosis by soft tissue above
//! all. Every structure is marked [`Source::Proposed`] and carries an uncertainty that widens the alarm.
//!
//! What a level's bone does not show clearly is left out and named, not guessed.

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

use spinor_volume::{Grid, Label, Source, SparseField, Structure, TissueClass};

use crate::bake::canal::union;
use levels::Vertebra;
use space::Bones;
pub(crate) use space::{V3, add, distance, dot, sub, unit};

/// How far a proposed sac or root may be off, mm: sac and canal differ by fat and veins, and roots vary.
pub const NEURAL_UNCERTAINTY_MM: f32 = 2.0;
/// How far a proposed flavum or disc may be off, mm.
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
/// Work takes some seconds for a lumbar spine on one core; nothing depends on the number of threads.
pub fn complete(grid: &Grid, given: &[Structure]) -> Completion {
    let mut out = Completion::default();
    let bones: Vec<&Structure> = given.iter().filter(|s| s.class == TissueClass::Bone).collect();
    let Some(field) = Bones::new(grid, &bones) else { return out };
    let bone = union(grid, &bones);
    let has = |label: Label| given.iter().any(|s| s.label == label);
    let given_soft: Vec<&SparseField> = given.iter().filter(|s| s.class != TissueClass::Bone).map(|s| &s.sdf).collect();

    let sections = canal::canal(grid, &bone, &field, &bones);
    if !has(Label::DURAL_SAC) && !has(Label::SPINAL_CORD) {
        match sections.as_ref().and_then(|sections| canal::sac(grid, &bone, sections)) {
            Some(sac) => out.structures.push(sac),
            None => out
                .warnings
                .push("No dural sac could be proposed: the arches of the vertebrae do not close around a canal.".to_owned()),
        }
    }
    let vertebrae = measure(grid, &bone, &field, &bones);

    let mut missing: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    let mut roots: Vec<Structure> = Vec::new();
    for (level, left) in (1..=6_u16).flat_map(|level| [(level, true), (level, false)]) {
        let label = Label::root(level, left);
        let own = if level == 6 { Label::SACRUM } else { Label::lumbar(level) };
        if has(label) || !has(own) {
            continue;
        }
        let line = sections.as_ref().and_then(|sections| {
            if level == 6 {
                return roots::first_sacral(&field, sections, left);
            }
            let vertebra = vertebrae.iter().find(|v| v.label == own)?;
            let pedicle = vertebra.pedicles[usize::from(!left)]?;
            roots::lumbar(&field, sections, vertebra, pedicle, left, usize::from(level))
        });
        let diameter = settings::ROOTS[usize::from(level) - 1][0];
        let made = line.and_then(|line| {
            let sac = out.structures.iter().filter(|s| s.label == Label::DURAL_SAC).map(|s| &s.sdf);
            let outside: Vec<&SparseField> = sac.chain(given_soft.iter().copied()).collect();
            Some((roots::tube(grid, &bone, label, &line, diameter, &outside)?, line))
        });
        match made {
            Some((root, line)) => {
                out.root_lines.insert(label, line);
                roots.push(root);
            }
            None => missing.entry("nerve root").or_default().push(label.name()),
        }
    }
    out.structures.append(&mut roots);

    let nerves: Vec<SparseField> = out.structures.iter().map(|s| s.sdf.clone()).collect();
    let keep_off: Vec<&SparseField> = nerves.iter().chain(given_soft.iter().copied()).collect();
    for pair in neighbours(&bones) {
        let [upper, lower] = pair;
        let vertebra = vertebrae.iter().find(|v| v.label == upper);
        if let Some(label) = disc_between(upper, lower).filter(|label| !has(*label)) {
            let made = vertebra.and_then(|v| {
                let back_wall = v.frame.outer([v.middle, v.wall, v.bottom]);
                let space = discs::space(&field, (upper, v.frame.origin, v.frame.up), lower, v.frame.back, back_wall)?;
                space.structure(grid, &bone, label, &keep_off)
            });
            match made {
                Some(disc) => out.structures.push(disc),
                None => missing.entry("disc").or_default().push(label.name()),
            }
        }
        if let Some(level) = (1..=5_u16).find(|n| Label::lumbar(*n) == upper)
            && !has(Label::flavum_below(level))
        {
            let label = Label::flavum_below(level);
            let made = vertebra.and_then(|v| {
                let inner = v.pedicles.iter().flatten().map(|p| p.inner).fold(f64::INFINITY, f64::min);
                let half_width = if inner.is_finite() { inner + 0.5 } else { 12.0 };
                let thickness = settings::FLAVUM[usize::from(level) - 1];
                flavum::sheet(&field, v, lower, half_width, thickness)?.structure(grid, &bone, label, &keep_off)
            });
            match made {
                Some(flavum) => out.structures.push(flavum),
                None => missing.entry("ligamentum flavum").or_default().push(label.name()),
            }
        }
    }
    for (what, names) in missing {
        out.warnings
            .push(format!("No {what} could be proposed for {}: the bone there does not show where it lies.", names.join(", ")));
    }
    debug_assert!(out.structures.iter().all(|s| s.source == Source::Proposed), "nothing here was seen");
    out
}

/// Pairs of bones that follow each other down the spine.
fn neighbours(bones: &[&Structure]) -> Vec<[Label; 2]> {
    let mut labels: Vec<Label> = bones.iter().map(|s| s.label).collect();
    labels.sort_unstable();
    labels.windows(2).map(|pair| [pair[0], pair[1]]).filter(|[a, b]| disc_between(*a, *b).is_some()).collect()
}

/// The disc between two bones that follow each other; none where one is missing between them.
fn disc_between(upper: Label, lower: Label) -> Option<Label> {
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
    let centres: Vec<Option<V3>> = labels.iter().map(|label| levels::body_centre(field, *label)).collect();
    let beside = |n: Option<usize>| n.and_then(|n| centres.get(n).copied().flatten());
    labels
        .iter()
        .enumerate()
        .filter_map(|(n, label)| {
            let centre = centres[n]?;
            let column = discs::column(beside(n.checked_sub(1)), centre, beside(Some(n + 1)));
            levels::measure(grid, bone, field, *label, centre, column)
        })
        .collect()
}
