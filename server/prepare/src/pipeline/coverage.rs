//! What a case holds of each level, what of it was only proposed, and what is missing, where no alarm can sound.

use serde::Serialize;
use spinor_volume::{BRICK, Grid, Label, Patient, Source, Structure, TissueClass};

use crate::complete::disc_between;

/// One vertebra (or the sacrum, `S1`) with what belongs to it: canal beside it, roots below its pedicles, disc and flavum below it.
///
/// Parts are named `vertebra`, `sacrum`, `canal` (dural sac or cord), `root left`, `root right`, `disc L4/L5`, `flavum L4/L5`. A case can hold roots
/// of L1 to S1 and flava of L1/L2 to L5/S1; at other levels they are always missing, and said to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LevelCoverage {
    /// `T12`, `L4`, `S1`.
    pub level: String,
    /// Labelled, segmented or drawn.
    pub given: Vec<String>,
    /// Proposed from the bones, seen in no image.
    pub proposed: Vec<String>,
    /// Not in the case: tools meet nothing there.
    pub missing: Vec<String>,
    /// Those of the missing that the alarm would guard: it does not sound for them.
    pub no_alarm: Vec<String>,
}

/// What a patient's structures hold of each level, from head to foot: of every bone, and of the sacrum wherever the lowest lumbar
/// vertebra is there.
pub fn coverage(patient: &Patient) -> Vec<LevelCoverage> {
    of(patient.grid(), patient.structures())
}

/// As [`coverage`], of structures that are no patient yet.
pub(super) fn of(grid: &Grid, structures: &[Structure]) -> Vec<LevelCoverage> {
    let mut bones: Vec<Label> = structures.iter().filter(|s| s.class == TissueClass::Bone).map(|s| s.label).collect();
    bones.sort_unstable();
    if bones.last().is_some_and(|lowest| (Label::lumbar(5)..=Label::lumbar(7)).contains(lowest)) {
        bones.push(Label::SACRUM);
    }
    bones.iter().enumerate().map(|(n, bone)| level(grid, structures, *bone, bones.get(n + 1).copied())).collect()
}

fn level(grid: &Grid, structures: &[Structure], bone: Label, below: Option<Label>) -> LevelCoverage {
    let source = |label: Label| structures.iter().find(|s| s.label == label).map(|s| s.source);
    let name = bone.level().unwrap_or_default();
    let next = below.and_then(Label::level).unwrap_or_else(|| next_level(&name));
    let mut out = LevelCoverage { level: name.clone(), given: vec![], proposed: vec![], missing: vec![], no_alarm: vec![] };
    let mut add = |part: String, source: Option<Source>, guarded: bool| match source {
        Some(Source::Proposed) => out.proposed.push(part),
        Some(_) => out.given.push(part),
        None => {
            if guarded {
                out.no_alarm.push(part.clone());
            }
            out.missing.push(part);
        }
    };
    add(if bone == Label::SACRUM { "sacrum" } else { "vertebra" }.to_owned(), source(bone), false);
    add("canal".to_owned(), canal(grid, structures, bone), true);
    let lumbar = (1..=5_u16).find(|n| Label::lumbar(*n) == bone);
    let roots = lumbar.or((bone == Label::SACRUM).then_some(6));
    for (left, side) in [(true, "left"), (false, "right")] {
        add(format!("root {side}"), roots.and_then(|n| source(Label::root(n, left))), true);
    }
    if bone != Label::SACRUM {
        // Where the bone below is not in the case, the disc has the name that it has without a sixth lumbar vertebra.
        let disc = below.and_then(|below| disc_between(bone, below)).or_else(|| disc_between(bone, Label(bone.0 + 1)));
        if let Some(disc) = disc.or(lumbar.map(Label::disc_below)) {
            add(format!("disc {name}/{next}"), source(disc), false);
        }
        add(format!("flavum {name}/{next}"), lumbar.and_then(|n| source(Label::flavum_below(n))), false);
    }
    out
}

/// Where what the canal holds beside a bone comes from; none where neither sac nor cord reaches the bone's middle. Beside a sacrum that
/// is not there it must reach below the bone above.
fn canal(grid: &Grid, structures: &[Structure], bone: Label) -> Option<Source> {
    let central = structures.iter().filter(|s| matches!(s.label, Label::DURAL_SAC | Label::SPINAL_CORD));
    let own = structures.iter().find(|s| s.label == bone).and_then(|s| extent_z_mm(grid, s));
    let spans = central.filter_map(|s| Some((extent_z_mm(grid, s)?, s.source)));
    let wanted = match own {
        // A sac ends in the sacrum: beside its upper part is enough.
        Some((low, high)) if bone == Label::SACRUM => low + 0.75 * (high - low),
        Some((low, high)) => 0.5 * (low + high),
        None => {
            let bones = structures.iter().filter(|s| s.class == TissueClass::Bone);
            bones.filter_map(|s| extent_z_mm(grid, s)).map(|(low, _)| low).fold(f64::INFINITY, f64::min) - 1.0
        }
    };
    spans
        .filter(|((low, high), _)| (*low..=*high).contains(&wanted))
        .map(|(_, source)| source)
        .min_by_key(|s| *s == Source::Proposed)
}

/// The name of the level below the one with this name, as it is without variants.
fn next_level(name: &str) -> String {
    match name {
        "C7" => "T1".to_owned(),
        "T12" => "L1".to_owned(),
        "L5" | "L6" | "L7" => "S1".to_owned(),
        _ => {
            let (region, number) = name.split_at(name.len().min(1));
            format!("{region}{}", number.parse::<u32>().map_or(0, |n| n + 1))
        }
    }
}

/// Lowest and highest brick that holds tissue of a structure, along z, mm.
pub(super) fn extent_z_mm(grid: &Grid, structure: &Structure) -> Option<(f64, f64)> {
    let stored = structure.sdf.stored().filter(|(_, samples)| samples.iter().any(|s| *s < 0)).map(|(brick, _)| brick);
    let z = |brick| f64::from(grid.brick_coords(brick)[2]);
    let (low, high) = stored
        .chain(structure.sdf.inside())
        .map(z)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), z| (low.min(z), high.max(z + 1.0)));
    let mm = |z: f64| grid.patient_from_index([0.0, 0.0, z * BRICK as f64])[2];
    (low <= high).then(|| (mm(low), mm(high)))
}

/// The warnings that say where nothing guards, and where tools meet nothing.
pub(super) fn warnings(levels: &[LevelCoverage]) -> Vec<String> {
    let told = |parts: fn(&LevelCoverage) -> Vec<String>| {
        let each: Vec<(&str, Vec<String>)> = levels.iter().map(|l| (l.level.as_str(), parts(l))).collect();
        let runs = each.chunk_by(|(_, a), (_, b)| bare(a) == bare(b)).filter(|run| !run[0].1.is_empty());
        let said = runs.map(|run| match run {
            [(level, parts)] => format!("{level} {}", joined(parts)),
            [(first, parts), .., (last, _)] => format!("{first} to {last} {}", joined(&bare(parts))),
            [] => String::new(),
        });
        said.collect::<Vec<_>>().join("; ")
    };
    let silent = told(|l| l.no_alarm.clone());
    let empty = told(|l| l.missing.iter().filter(|part| !l.no_alarm.contains(part)).cloned().collect());
    let mut out = Vec::new();
    if !silent.is_empty() {
        out.push(format!("NO ALARM, for it is not in the case: {silent}."));
    }
    if !empty.is_empty() {
        let sacrum = levels.iter().any(|l| l.missing.iter().any(|part| part == "sacrum"));
        let remedy = if sacrum { " Label the sacrum and prepare again: what hangs on it is proposed then." } else { "" };
        out.push(format!("Tools meet nothing here, for it is not in the case: {empty}.{remedy}"));
    }
    out
}

/// Parts without the level in their names.
fn bare(parts: &[String]) -> Vec<String> {
    parts.iter().map(|part| part.split(' ').filter(|word| !word.contains('/')).collect::<Vec<_>>().join(" ")).collect()
}

/// Parts as one says them: `roots left + right` for both roots.
fn joined(parts: &[String]) -> String {
    let both = ["root left", "root right"].iter().all(|root| parts.iter().any(|part| part == root));
    let words = parts.iter().filter(|part| !both || *part != "root right");
    words.map(|part| if both && part == "root left" { "roots left + right" } else { part }).collect::<Vec<_>>().join(", ")
}

impl LevelCoverage {
    /// One line for people.
    pub(super) fn line(&self) -> String {
        let say = |parts: &[String]| if parts.is_empty() { "-".to_owned() } else { joined(parts) };
        let mut line = format!("  {:<4} given: {}; proposed: {}", self.level, say(&self.given), say(&self.proposed));
        if !self.missing.is_empty() {
            line += &format!("; MISSING: {}", joined(&self.missing));
        }
        if !self.no_alarm.is_empty() {
            line += &format!(" (NO ALARM: {})", joined(&self.no_alarm));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinor_volume::SparseField;

    /// Structures one after the other down the spine, a brick each: at L5 the sac, one root, disc and flavum are wanting, and nothing was given of S1.
    #[test]
    fn what_a_level_lacks_is_told() {
        let grid = Grid::new([0.0; 3], 1.0, [1, 1, 4]).unwrap();
        let at = |label: Label, source, layers: std::ops::Range<i32>| {
            let mut sdf = SparseField::outside(&grid);
            layers.for_each(|z| sdf.set_inside(grid.brick_at([0, 0, z]).unwrap()));
            let class = label.class().unwrap();
            Structure { label, class, source, uncertainty_mm: 0.0, volume_mm3: 1.0, sdf }
        };
        let structures = [
            at(Label::DURAL_SAC, Source::Proposed, 2..4),
            at(Label::lumbar(4), Source::Labelled, 2..3),
            at(Label::lumbar(5), Source::Labelled, 1..2),
            at(Label::disc_below(4), Source::Contoured, 1..2),
            at(Label::flavum_below(4), Source::Proposed, 1..2),
            at(Label::root(4, true), Source::Proposed, 2..3),
            at(Label::root(4, false), Source::Proposed, 2..3),
            at(Label::root(5, true), Source::Proposed, 2..3),
        ];
        let [l4, l5, s1] = &of(&grid, &structures)[..] else { panic!("three levels") };
        assert_eq!((l4.level.as_str(), &l4.given[..]), ("L4", &["vertebra".to_owned(), "disc L4/L5".to_owned()][..]));
        assert_eq!(l4.proposed, ["canal", "root left", "root right", "flavum L4/L5"]);
        assert!(l4.missing.is_empty() && l4.no_alarm.is_empty());
        assert_eq!(l5.missing, ["canal", "root right", "disc L5/S1", "flavum L5/S1"]);
        assert_eq!(l5.no_alarm, ["canal", "root right"]);
        assert_eq!((s1.level.as_str(), s1.given.len() + s1.proposed.len()), ("S1", 0));
        assert_eq!(s1.missing, ["sacrum", "canal", "root left", "root right"]);
        let all = of(&grid, &structures);
        let [silent, empty] = &warnings(&all)[..] else { panic!("two sentences") };
        assert_eq!(silent, "NO ALARM, for it is not in the case: L5 canal, root right; S1 canal, roots left + right.");
        assert!(empty.contains("L5 disc L5/S1, flavum L5/S1; S1 sacrum") && empty.contains("Label the sacrum"), "{empty}");
        assert!(
            s1.line().ends_with("MISSING: sacrum, canal, roots left + right (NO ALARM: canal, roots left + right)"),
            "{}",
            s1.line()
        );
    }

    /// A case has no names for roots and flava of the chest: no alarm guards them, and it says so, once for levels that lack the same.
    #[test]
    fn levels_that_the_alarm_cannot_know_are_told() {
        let grid = Grid::new([0.0; 3], 1.0, [1, 1, 2]).unwrap();
        let mut sdf = SparseField::outside(&grid);
        sdf.set_inside(grid.brick_at([0, 0, 0]).unwrap());
        let at = |label: Label| {
            let class = label.class().unwrap();
            Structure { label, class, source: Source::Labelled, uncertainty_mm: 0.0, volume_mm3: 1.0, sdf: sdf.clone() }
        };
        let all = of(&grid, &[at(Label::SPINAL_CORD), at(Label(31)), at(Label(32)), at(Label(82)), at(Label(91))]);
        let [t11, t12] = &all[..] else { panic!("two levels: {all:?}") };
        assert_eq!((t11.level.as_str(), &t11.given[..]), ("T11", &["vertebra", "canal", "disc T11/T12"].map(str::to_owned)[..]));
        assert_eq!(
            (&t12.no_alarm[..], &t12.missing[2..]),
            (&["root left", "root right"].map(str::to_owned)[..], &["flavum T12/L1".to_owned()][..])
        );
        let [silent, empty] = &warnings(&all)[..] else { panic!("two sentences") };
        assert_eq!(silent, "NO ALARM, for it is not in the case: T11 to T12 roots left + right.");
        assert_eq!(empty, "Tools meet nothing here, for it is not in the case: T11 to T12 flavum.");
    }

    /// Nothing is said where nothing is missing.
    #[test]
    fn a_whole_level_is_silent() {
        let whole = LevelCoverage {
            level: "L3".to_owned(),
            given: vec!["vertebra".to_owned()],
            proposed: vec![],
            missing: vec![],
            no_alarm: vec![],
        };
        assert!(warnings(&[whole]).is_empty());
    }
}
