//! Whether the numbers of a label map can mean what its scheme says: a wrong scheme names wrong levels, and nothing else shows it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;

use spinor_volume::{Label, TissueClass};

use super::PrepareError;
use crate::schemes::Scheme;
use crate::volume3d::Image;

/// Numbers that the scheme does not know are crumbs below this volume, all together, mm³; so is a bone.
const CRUMB_MM3: f64 = 2_000.0;
/// Parts of the spine with the numbers of their levels and more than their vertebrae have on average, mm³. (K: about 8,000-20,000 in the
/// neck, 12,000-26,000 from T1 to T6, up to 45,000 below and 75,000 in the loin; T9 of the large man of VerSe's `sub-verse004` has 28,200.)
const PARTS: [(&str, RangeInclusive<u16>, f64); 4] = [
    ("the neck", 11..=17, 28_000.0),
    ("the upper chest", 21..=26, 32_000.0),
    ("the lower chest", 27..=32, 65_000.0),
    ("the loin", 41..=45, 120_000.0),
];
/// Unknown numbers that an error names; the others are counted.
const NAMED: usize = 8;
/// Less than the middles of L3 and of the sacrum can lie apart, mm (K: two vertebrae with their discs lie between).
const ABOVE_SACRUM_MM: f64 = 65.0;

/// Lumbar vertebrae reach far back with little bone: the skewness of where their voxels lie from front to back is 0.36-0.47 in the labelled CTs
/// that were looked at (VerSe's 004 and 014), and about 0 of bodies alone. One below the negative of this has its processes in front.
const LEAST_BACK_SKEW: f64 = 0.25;

/// What a label map holds under one number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Seen {
    volume_mm3: f64,
    /// Mean place, LPS mm.
    middle_mm: [f64; 3],
    /// Skewness of the places from front to back: more than nothing where the thin end is at the back.
    back_skew: f64,
}

/// Sums over the voxels of one number.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    count: u64,
    index: [f64; 3],
    /// How far back of the image's middle voxels are, and the second and third power of that.
    back: [f64; 3],
}

/// What a label map holds, by number.
pub(super) fn seen(labels: &Image<u16>) -> BTreeMap<u16, Seen> {
    let geometry = &labels.geometry;
    let mut sums: BTreeMap<u16, Sums> = BTreeMap::new();
    let row = geometry.size[0].max(1);
    let origin = geometry.patient_from_index(geometry.size.map(|n| n as f64 / 2.0));
    for (n, voxels) in labels.voxels.chunks(row).enumerate() {
        let [_, y, z] = geometry.index_of(n * row).map(|v| v as f64);
        let mut x = 0.0;
        for run in voxels.chunk_by(|a, b| a == b) {
            let (number, length) = (run[0], run.len() as f64);
            if number != 0 {
                let sums = sums.entry(number).or_default();
                sums.count += run.len() as u64;
                let middle = [x + (length - 1.0) / 2.0, y, z];
                (0..3).for_each(|k| sums.index[k] += length * middle[k]);
                for along in 0..run.len() {
                    let back = geometry.patient_from_index([x + along as f64, y, z])[1] - origin[1];
                    (0..3).for_each(|k| sums.back[k] += back.powi(k as i32 + 1));
                }
            }
            x += length;
        }
    }
    let voxel_mm3: f64 = geometry.spacing_mm.iter().product();
    let of = |sums: Sums| Seen {
        volume_mm3: sums.count as f64 * voxel_mm3,
        middle_mm: geometry.patient_from_index(sums.index.map(|v| v / sums.count as f64)),
        back_skew: skew(sums.back.map(|v| v / sums.count as f64)),
    };
    sums.into_iter().map(|(number, sums)| (number, of(sums))).collect()
}

/// Skewness by the means of the first three powers; 0 of what has no spread.
fn skew([mean, square, cube]: [f64; 3]) -> f64 {
    let variance = square - mean * mean;
    if variance < 1e-6 { 0.0 } else { (cube - 3.0 * mean * variance - mean.powi(3)) / variance.powf(1.5) }
}

/// Refuses a label map whose numbers cannot be the scheme's, and returns what else is to be said of the levels.
///
/// Refused are more than crumbs of a number that the scheme does not know at all (an organ of TotalSegmentator's is known), levels upside
/// down, and levels whose bones cannot have those names where another scheme makes a spine of them.
pub(super) fn check(path: &Path, scheme: Scheme, seen: &BTreeMap<u16, Seen>) -> Result<Vec<String>, PrepareError> {
    let mut unknown: Vec<(u16, f64)> =
        seen.iter().filter(|(number, _)| !scheme.knows(**number)).map(|(number, s)| (*number, s.volume_mm3)).collect();
    if unknown.iter().map(|(_, volume)| volume).sum::<f64>() > CRUMB_MM3 {
        unknown.sort_by(|a, b| b.1.total_cmp(&a.1));
        let hint = match others(scheme, seen) {
            names if names.is_empty() => "no scheme knows all of them: take out of the map what is not of the spine".to_owned(),
            names => format!("it looks like --scheme {}", names.join(" or ")),
        };
        let mut numbers: Vec<String> =
            unknown.iter().take(NAMED).map(|(number, volume)| format!("{number} ({:.1} cm3)", volume / 1000.0)).collect();
        if unknown.len() > NAMED {
            numbers.push(format!("and {} more", unknown.len() - NAMED));
        }
        let numbers = numbers.join(", ");
        return Err(PrepareError::UnknownNumbers { path: path.to_owned(), scheme: scheme.name(), numbers, hint });
    }
    let bones = bones(scheme, seen);
    let (upside_down, doubts) = (upside_down(&bones), doubts(&bones));
    let others = if upside_down.is_some() || !doubts.is_empty() { others(scheme, seen) } else { Vec::new() };
    if upside_down.is_some() || !others.is_empty() {
        let doubts = upside_down.into_iter().chain(doubts).collect::<Vec<_>>().join("; ");
        let hint = match others.as_slice() {
            [] => "Are the numbers in the order of another scheme, or is the map turned upside down?".to_owned(),
            names => format!("It looks like --scheme {}.", names.join(" or ")),
        };
        return Err(PrepareError::NoSpine { path: path.to_owned(), scheme: scheme.name(), doubts, hint });
    }
    let name = scheme.name();
    let front = back_to_front(&bones).map(str::to_owned);
    Ok(front
        .into_iter()
        .chain(doubts.into_iter().map(|d| format!("THE LEVELS' NAMES ARE IN DOUBT: {d}. Is --scheme {name} right?")))
        .collect())
}

/// Bones by level, from the neck down, as a scheme names them; parts of one bone together.
fn bones(scheme: Scheme, seen: &BTreeMap<u16, Seen>) -> BTreeMap<Label, Seen> {
    let mut out: BTreeMap<Label, Seen> = BTreeMap::new();
    for (number, s) in seen {
        let Some(label) = scheme.map(*number).filter(|l| l.class() == Some(TissueClass::Bone)) else { continue };
        let bone = out.entry(label).or_default();
        let volume_mm3 = bone.volume_mm3 + s.volume_mm3;
        // Of a bone in several parts nobody knows it.
        bone.back_skew = if bone.volume_mm3 > 0.0 { 0.0 } else { s.back_skew };
        for k in 0..3 {
            bone.middle_mm[k] += (s.middle_mm[k] - bone.middle_mm[k]) * s.volume_mm3 / volume_mm3;
        }
        bone.volume_mm3 = volume_mm3;
    }
    out.retain(|_, s| s.volume_mm3 > CRUMB_MM3);
    out
}

/// Every bone lies below the one that should be under it.
fn upside_down(bones: &BTreeMap<Label, Seen>) -> Option<String> {
    let heights: Vec<f64> = bones.values().map(|s| s.middle_mm[2]).collect();
    let (first, last) = (bones.keys().next()?, bones.keys().next_back()?);
    let turned = first != last && heights.windows(2).all(|pair| pair[0] < pair[1]);
    turned.then(|| format!("the bones from {} to {} lie upside down", first.name(), last.name()))
}

/// Most of the lumbar vertebrae's processes lie in front of their bodies: at least half of their volume is of bones that do, and more than of
/// bones that do not. A bone in several parts, or of which the scan shows the body alone, tells nothing.
fn back_to_front(bones: &BTreeMap<Label, Seen>) -> Option<&'static str> {
    let lumbar = || bones.iter().filter(|(label, _)| (41..=45).contains(&label.0)).map(|(_, seen)| seen);
    let volume = |of: fn(&Seen) -> bool| lumbar().filter(|seen| of(seen)).map(|seen| seen.volume_mm3).sum::<f64>();
    let turned = volume(|seen| seen.back_skew < -LEAST_BACK_SKEW);
    let right = volume(|seen| seen.back_skew > LEAST_BACK_SKEW);
    let is_turned = turned > right && 2.0 * turned >= volume(|_| true);
    is_turned.then_some(
        "WHICH SIDE IS FRONT? The thin ends of the vertebrae point forwards: the label map seems to be turned back to front, or mirrored. Look at \
         the pictures, and write the map again with the orientation that it has.",
    )
}

/// What speaks against the bones' names.
fn doubts(bones: &BTreeMap<Label, Seen>) -> Vec<String> {
    let mut out = Vec::new();
    for (what, numbers, most) in PARTS {
        let own: Vec<(&Label, f64)> =
            bones.iter().filter(|(l, _)| numbers.contains(&l.0)).map(|(l, s)| (l, s.volume_mm3)).collect();
        let mean = own.iter().map(|(_, volume)| volume).sum::<f64>() / own.len().max(1) as f64;
        if mean > most {
            let names: Vec<String> = own.iter().map(|(l, _)| l.name()).collect();
            let names = names.join(", ");
            out.push(format!("{names}: {:.0} cm3 on average, which no vertebra of {what} has", mean / 1000.0));
        }
    }
    let upwards = |(upper, lower): (&(&Label, &Seen), &(&Label, &Seen))| upper.1.middle_mm[2] < lower.1.middle_mm[2];
    let in_order: Vec<(&Label, &Seen)> = bones.iter().collect();
    for (upper, lower) in in_order.iter().zip(in_order.iter().skip(1)).filter(|pair| upwards(*pair)) {
        out.push(format!("{} lies below {}", upper.0.name(), lower.0.name()));
    }
    let lowest = bones.iter().rfind(|(label, _)| **label < Label::SACRUM);
    if let (Some((label, bone)), Some(sacrum)) = (lowest, bones.get(&Label::SACRUM)) {
        let apart = (0..3).map(|k| (bone.middle_mm[k] - sacrum.middle_mm[k]).powi(2)).sum::<f64>().sqrt();
        if *label < Label::lumbar(4) && apart < ABOVE_SACRUM_MM {
            out.push(format!("{} lies right above the sacrum", label.name()));
        }
    }
    out
}

/// Other schemes that know every number and make a spine of them: those in which all are structures of the spine, if there are any.
fn others(scheme: Scheme, seen: &BTreeMap<u16, Seen>) -> Vec<&'static str> {
    let numbers: Vec<u16> = seen.iter().filter(|(_, s)| s.volume_mm3 > CRUMB_MM3).map(|(number, _)| *number).collect();
    let fits = |other: &Scheme| {
        let bones = bones(*other, seen);
        let known = numbers.iter().all(|n| other.knows(*n));
        *other != scheme && known && !bones.is_empty() && upside_down(&bones).is_none() && doubts(&bones).is_empty()
    };
    let fitting: Vec<Scheme> = Scheme::ALL.into_iter().filter(fits).collect();
    let whole = |other: &Scheme| numbers.iter().all(|n| other.map(*n).is_some());
    let any_whole = fitting.iter().any(whole);
    fitting.iter().filter(|other| !any_whole || whole(other)).map(|other| other.name()).collect()
}

#[cfg(test)]
mod tests {
    //! A wrong scheme is refused by what it makes of the bones, and the right one is named; right ones pass.

    use super::*;

    /// Bones of one size (cm³), one under the other, by number from above; crumbs of other numbers beside them.
    fn map(numbers: &[u16], cm3: f64) -> BTreeMap<u16, Seen> {
        let at = |n: usize| Seen { volume_mm3: 1000.0 * cm3, middle_mm: [0.0, 0.0, -30.0 * n as f64], back_skew: 0.4 };
        numbers.iter().enumerate().map(|(n, number)| (*number, at(n))).collect()
    }

    fn told(numbers: &[u16], cm3: f64, scheme: Scheme) -> Result<Vec<String>, String> {
        check(Path::new("map.nii.gz"), scheme, &map(numbers, cm3)).map_err(|e| e.to_string())
    }

    #[test]
    fn right_schemes_pass() {
        for scheme in Scheme::ALL {
            let lumbar = (1..=u16::MAX).filter(|n| scheme.map(*n).is_some_and(|l| (41..=45).contains(&l.0)));
            let mut numbers: Vec<u16> = lumbar.filter(|n| *n < 200).collect();
            numbers.sort_by_key(|n| scheme.map(*n));
            if !numbers.is_empty() {
                assert_eq!(told(&numbers, 60.0, scheme), Ok(Vec::new()), "{scheme}");
            }
        }
        let neck_and_chest: Vec<u16> = (11..=17).chain(21..=32).collect();
        assert_eq!(told(&neck_and_chest, 20.0, Scheme::TotalSpineSeg), Ok(Vec::new()));
        // Liver, a rib and a hip bone have numbers of their own; T13 and the coccyx have none in our map, and are nobody else's.
        assert_eq!(told(&[5, 92, 77, 29, 28, 27, 25], 50.0, Scheme::TotalSegmentator), Ok(Vec::new()));
        assert_eq!(told(&[28, 20, 21, 22, 23, 24, 26, 27], 40.0, Scheme::Verse), Ok(Vec::new()));
    }

    /// VerSe's L1-L5 read by TotalSpineSeg's numbers would lose L1 and make T1-T4 of the rest.
    #[test]
    fn numbers_that_the_scheme_does_not_know_are_refused() {
        let error = told(&[20, 21, 22, 23, 24], 45.0, Scheme::TotalSpineSeg).unwrap_err();
        assert!(error.contains("20 (45.0 cm3)") && error.contains("--scheme verse"), "{error}");
        assert!(!error.contains("21 (") && !error.contains("totalsegmentator"), "{error}");
        let error = told(&[41, 42, 43, 44, 45, 50], 45.0, Scheme::Verse).unwrap_err();
        assert!(error.ends_with("it looks like --scheme totalspineseg"), "{error}");
        let error = told(&[31, 30, 29, 28, 27, 25, 5], 45.0, Scheme::Verse).unwrap_err();
        assert!(error.ends_with("it looks like --scheme totalsegmentator"), "{error}");
        let error = told(&[44, 900], 45.0, Scheme::TotalSpineSeg).unwrap_err();
        assert!(error.contains("900 (45.0 cm3)") && error.contains("take out"), "{error}");
        let mut crumbs = map(&[44, 45], 45.0);
        crumbs.insert(900, Seen { volume_mm3: 1_900.0, ..Seen::default() });
        assert!(check(Path::new("map"), Scheme::TotalSpineSeg, &crumbs).unwrap().is_empty());
        // Noise of many numbers, each a crumb, is no crumb.
        let noise = (900..3_900).map(|number| (number, Seen { volume_mm3: 100.0, ..Seen::default() }));
        crumbs.extend(noise);
        let error = check(Path::new("map"), Scheme::TotalSpineSeg, &crumbs).unwrap_err().to_string();
        assert!(error.contains("900 (0.1 cm3)") && error.contains("and 2992 more"), "{error}");
    }

    /// L2-L5 of VerSe's are all known as T1-T4 elsewhere: their size tells. Numbers that count upwards tell by their order.
    #[test]
    fn names_that_the_bones_cannot_have_are_refused() {
        let error = told(&[21, 22, 23, 24], 45.0, Scheme::TotalSpineSeg).unwrap_err();
        assert!(error.contains("vertebrae_T1, vertebrae_T2") && error.contains("--scheme verse"), "{error}");
        let error = told(&[6, 5, 4, 3, 2, 1], 45.0, Scheme::Verse).unwrap_err();
        assert!(error.contains("upside down") && error.contains("--scheme totalsegmentator-vertebrae-mr"), "{error}");
        let error = told(&[45, 44, 43], 45.0, Scheme::TotalSpineSeg).unwrap_err();
        assert!(error.contains("upside down") && error.contains("another scheme"), "{error}");
    }

    /// Where no scheme is better, the case is made and says so first.
    #[test]
    fn doubts_that_no_scheme_resolves_are_told() {
        let [one] = &told(&[42, 43, 50], 45.0, Scheme::TotalSpineSeg).unwrap()[..] else { panic!("one doubt") };
        assert!(one.contains("IN DOUBT: vertebrae_L3 lies right above the sacrum"), "{one}");
        let [one] = &told(&[41, 43, 42, 44, 45], 45.0, Scheme::TotalSpineSeg).unwrap()[..] else { panic!("one doubt") };
        assert!(one.contains("IN DOUBT: vertebrae_L2 lies below vertebrae_L3"), "{one}");
        let [one] = &told(&[44, 45], 130.0, Scheme::TotalSpineSeg).unwrap()[..] else { panic!("one doubt") };
        assert!(one.contains("130 cm3 on average, which no vertebra of the loin has"), "{one}");
    }

    /// Volumes and middles are those of the voxels, in patient space.
    #[test]
    fn numbers_are_measured_in_patient_space() {
        let mut map =
            Image::filled(crate::volume3d::Geometry::axis_aligned([5, 4, 6], [1.0, 2.0, 3.0], [10.0, 20.0, -30.0]).unwrap(), 0);
        for at in 0..map.voxels.len() {
            let [x, y, z] = map.geometry.index_of(at);
            map.voxels[at] = if (1..=3).contains(&x) && y == 2 && z >= 4 { 7 } else { 0 };
        }
        let seen = seen(&map);
        assert_eq!(seen, BTreeMap::from([(7, Seen { volume_mm3: 36.0, middle_mm: [12.0, 24.0, -16.5], back_skew: 0.0 })]));
    }

    /// A body with a process behind it passes, and so does a body alone; the same mirrored from front to back is doubted.
    #[test]
    fn vertebrae_back_to_front_are_told() {
        let geometry = crate::volume3d::Geometry::axis_aligned([40, 90, 30], [1.0; 3], [-20.0, -30.0, 0.0]).unwrap();
        let told = |mirrored: bool, process: bool| {
            let mut map = Image::filled(geometry, 0);
            for at in 0..map.voxels.len() {
                let [x, y, z] = map.geometry.index_of(at);
                let y = if mirrored { 89 - y } else { y };
                let body = (5..36).contains(&y);
                let lamina = process && (36..80).contains(&y) && (14..26).contains(&x) && (8..22).contains(&z);
                map.voxels[at] = if body || lamina { 44 } else { 0 };
            }
            check(Path::new("map"), Scheme::TotalSpineSeg, &seen(&map)).unwrap()
        };
        assert!(told(false, true).is_empty() && told(false, false).is_empty() && told(true, false).is_empty());
        let doubts = told(true, true);
        assert!(matches!(&doubts[..], [one] if one.starts_with("WHICH SIDE IS FRONT?")), "{doubts:?}");
        // Among turned ones a bone that tells nothing changes nothing; as much that lies right does.
        let spine = |skews: [f64; 3]| {
            let at = |n: usize| Seen { volume_mm3: 45_000.0, middle_mm: [0.0, 0.0, -30.0 * n as f64], back_skew: skews[n] };
            let bones: BTreeMap<u16, Seen> = (0..3).map(|n| (43 + n as u16, at(n))).collect();
            check(Path::new("map"), Scheme::TotalSpineSeg, &bones).unwrap().len()
        };
        assert_eq!((spine([-0.4, 0.0, -0.4]), spine([-0.4, 0.0, 0.0]), spine([-0.4, 0.4, 0.0])), (1, 0, 0));
    }
}
