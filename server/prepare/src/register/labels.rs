//! What the CT's label map must be before an MR is registered on it: the error that must never pass is a bone under another's name.

use spinor_volume::Label;

use super::RegisterError;
use super::bones::Bone;
use super::lattice::{Box3, even};
use super::rigid::{length, sub};
use crate::edt::nearest_features;
use crate::volume3d::Image;

/// Lattice on which labels are laid over the CT, mm.
const SPACING_MM: f64 = 2.0;
/// Depth of the rim inside the labels, and where around them soft tissue is looked for, mm.
const RIM_MM: f64 = 3.0;
const AROUND_MM: [f64; 2] = [2.5, 6.0];
/// In how many of 100 pairs of a place in the labels' rim and one around them the one in the rim must be the denser; by chance it is 50. A
/// phantom's labels pass, shifted by 15 mm they do not (see the tests); nothing else was measured.
const ON_BONE_PERCENT: f64 = 75.0;
/// Middles of neighbouring vertebrae lie at most this much farther apart than those of the others.
const MOST_STRETCH: f64 = 1.6;

/// Refuses a label map that cannot be this CT's; what it leaves in doubt is returned in full sentences.
pub(super) fn check(bones: &[Bone], labels: &Image<u16>, ct: &Image<i16>) -> Result<Vec<String>, RegisterError> {
    order(bones)?;
    sides(labels)?;
    let percent = on_bone(bones, labels, ct)?;
    if percent < ON_BONE_PERCENT {
        return Err(RegisterError::OffBone { percent });
    }
    Ok(gaps(bones))
}

/// The names run from head to foot: so must the bones.
fn order(bones: &[Bone]) -> Result<(), RegisterError> {
    match bones.windows(2).find(|pair| pair[0].centre[2] <= pair[1].centre[2]) {
        Some(pair) => Err(RegisterError::Order { upper: pair[0].label.name(), lower: pair[1].label.name() }),
        None => Ok(()),
    }
}

/// What is named left lies left of what is named right.
pub(super) fn sides(labels: &Image<u16>) -> Result<(), RegisterError> {
    let mut sums = [(0.0, 0_u64); 12];
    for (at, number) in labels.voxels.iter().enumerate() {
        if let Some((sum, count)) = number.checked_sub(Label::root(1, true).0).and_then(|n| sums.get_mut(usize::from(n))) {
            *sum += labels.geometry.patient_from_index(labels.geometry.index_of(at).map(|v| v as f64))[0];
            *count += 1;
        }
    }
    for (level, pair) in sums.chunks_exact(2).enumerate() {
        let [(left, n), (right, m)] = [pair[0], pair[1]];
        // LPS: x grows to the left.
        if n > 0 && m > 0 && left / n as f64 <= right / m as f64 {
            return Err(RegisterError::Mirrored { structure: Label::root(level as u16 + 1, true).name() });
        }
    }
    Ok(())
}

/// Levels that are missing between others, by their names or by the distance.
fn gaps(bones: &[Bone]) -> Vec<String> {
    let mut out = Vec::new();
    let steps: Vec<f64> = bones
        .windows(2)
        .filter(|pair| pair[1].label != Label::SACRUM && follows(pair[0].label, pair[1].label))
        .map(|pair| length(sub(pair[0].centre, pair[1].centre)))
        .collect();
    for pair in bones.windows(2) {
        let (upper, lower) = (pair[0].label, pair[1].label);
        let names = format!("{} and {}", upper.name(), lower.name());
        let step = length(sub(pair[0].centre, pair[1].centre));
        // Against the others, not against a mean that the gap itself is part of; a spine's levels grow by a few percent each.
        let others: Vec<f64> = steps.iter().copied().filter(|s| (s - step).abs() > 1e-9).collect();
        let mean = others.iter().sum::<f64>() / others.len().max(1) as f64;
        if !follows(upper, lower) {
            out.push(format!(
                "The CT's labels have {names} but no vertebra between them: check its levels by counting from the sacrum."
            ));
        } else if lower != Label::SACRUM && !others.is_empty() && step > MOST_STRETCH * mean {
            out.push(format!(
                "In the CT {names} lie {step:.0} mm apart, their neighbours {mean:.0} mm: a vertebra between them seems to have no label, \
                 and the levels would be misnamed from there on."
            ));
        }
    }
    out
}

/// Whether one bone is the next below the other; some spines have an L6, some no T12 or L5.
fn follows(upper: Label, lower: Label) -> bool {
    match (upper.0, lower.0) {
        (17, 21) | (32, 41) | (31, 41) | (44..=47, 50) => true,
        (a, b) => b == a + 1,
    }
}

/// How often, of 100 pairs, a place in the labels' rim is denser than one around them.
fn on_bone(bones: &[Bone], labels: &Image<u16>, ct: &Image<i16>) -> Result<f64, RegisterError> {
    let mut region = Box3::NONE;
    for b in bones {
        region.add(b.reach.low);
        region.add(b.reach.high);
    }
    let region = region.grown(AROUND_MM[1] + SPACING_MM).meet(&Box3::around(ct));
    if region.is_empty() {
        return Ok(0.0);
    }
    let laid = even(ct, &region, SPACING_MM, [0.5 * SPACING_MM; 3])?;
    let g = laid.geometry;
    let number = |at: usize| labels.nearest(g.patient_from_index(g.index_of(at).map(|v| v as f64))).unwrap_or(0);
    let numbers: Vec<u16> = (0..g.voxel_count()).map(number).collect();
    let is_bone = |n: u16| bones.iter().any(|b| b.label.0 == n);
    let inside: Vec<bool> = numbers.iter().map(|n| is_bone(*n)).collect();
    let to_bone = nearest_features(g.size, g.spacing_mm, |at| inside[at]);
    let to_rest = nearest_features(g.size, g.spacing_mm, |at| !inside[at]);
    // Histograms of whole HU between fat and dense cortex.
    let mut counts = [vec![0_u64; 1251], vec![0_u64; 1251]];
    for at in 0..numbers.len() {
        if !laid.inside[at] {
            continue;
        }
        let rim = inside[at] && to_rest.distance_mm(at) <= RIM_MM;
        let around = numbers[at] == 0 && (AROUND_MM[0]..=AROUND_MM[1]).contains(&to_bone.distance_mm(at));
        let bin = (laid.values[at].clamp(-250.0, 1000.0) + 250.0) as usize;
        if rim || around {
            counts[usize::from(around)][bin] += 1;
        }
    }
    let [rim, around] = &counts;
    let (mut wins, mut below) = (0.0, 0.0);
    for (r, a) in rim.iter().zip(around) {
        wins += *r as f64 * (below + 0.5 * *a as f64);
        below += *a as f64;
    }
    let pairs = below * rim.iter().sum::<u64>() as f64;
    // Labels that fill the whole image have nothing around them: nothing speaks against them.
    Ok(if pairs > 0.0 { 100.0 * wins / pairs } else { 100.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume3d::Geometry;

    fn bone(label: u16, z: f64) -> Bone {
        Bone { label: Label(label), centre: [0.0, 0.0, z], reach: Box3 { low: [0.0; 3], high: [0.0; 3] } }
    }

    /// Names against the order of the bones are refused; a level that is missing by name or by distance is pointed out, and a spine that
    /// runs into the sacrum from L4, L5 or L6 is not.
    #[test]
    fn names_follow_the_spine() {
        let row = |labels: &[u16]| -> Vec<Bone> { labels.iter().enumerate().map(|(n, l)| bone(*l, -35.0 * n as f64)).collect() };
        assert!(order(&row(&[41, 42, 43])).is_ok());
        let mixed = [bone(41, 0.0), bone(42, -70.0), bone(43, -35.0)];
        assert!(matches!(order(&mixed), Err(RegisterError::Order { upper, .. }) if upper == "vertebrae_L2"));
        for whole in [&[32, 41, 42][..], &[43, 44, 50], &[44, 45, 50], &[45, 46, 50], &[17, 21, 22]] {
            assert!(gaps(&row(whole)).is_empty(), "{whole:?}");
        }
        assert!(gaps(&row(&[41, 42, 44, 45]))[0].contains("vertebrae_L2 and vertebrae_L4"));
        let apart = [bone(41, 0.0), bone(42, -35.0), bone(43, -107.0), bone(44, -143.0), bone(50, -205.0)];
        let said = gaps(&apart);
        assert!(said.len() == 1 && said[0].contains("vertebrae_L2 and vertebrae_L3"), "{said:?}");
    }

    /// A left root on the right is refused, with the levels' other roots in place or not.
    #[test]
    fn sides_are_where_their_names_say() {
        let g = Geometry::axis_aligned([9, 1, 1], [1.0; 3], [0.0; 3]).unwrap();
        let (left, right) = (Label::root(4, true).0, Label::root(4, false).0);
        let with = |a, b| Image::new(g, vec![0, a, a, 0, 0, 0, b, b, 0]).unwrap();
        assert_eq!(sides(&with(right, left)), Ok(()));
        assert!(
            matches!(sides(&with(left, right)), Err(RegisterError::Mirrored { structure }) if structure == Label(left).name())
        );
        assert_eq!(sides(&with(left, 0)), Ok(()));
    }
}
