//! What registration makes of inputs that do not fit: a refusal or a warning each time, never a bone in another's place without a word.

use super::tests::{distance, phantom};
use super::*;
use crate::phantom::Phantom;
use crate::volume3d::Geometry;

/// Mean error of each bone at its landmarks, mm.
fn errors(made: &Phantom, found: &Registration) -> Vec<(Label, f64)> {
    let l = &made.landmarks;
    let of = |bone: &BoneMotion| {
        let own = l.ct.iter().zip(&l.mr).zip(&l.structure).filter(|(_, name)| bone.label.name() == **name);
        let all: Vec<f64> = own.map(|((ct, mr), _)| distance(rigid::moved(&bone.mr_from_ct, *ct), *mr)).collect();
        all.iter().sum::<f64>() / all.len() as f64
    };
    found.bones.iter().map(|b| (b.label, of(b))).collect()
}

/// Where the bones of one label map carry another's names: each a level lower.
fn a_level_off(labels: &Image<u16>) -> Image<u16> {
    labels.map(|n| match n {
        41..=44 => n + 1,
        45 => Label::SACRUM.0,
        _ => 0,
    })
}

/// Both scans' headers put the MR a level too low and its labels bear the names of the levels below: the images are believed, every bone
/// is found in its own place, and the names are said to be wrong. Right names pass.
#[test]
fn a_start_on_the_wrong_level_is_found_out() {
    let made = phantom();
    let truth = bones::bones(&made.labels);
    let there = bones::bones(&made.mr_labels);
    let centre = |list: &[Bone], label| list.iter().find(|b| b.label == label).unwrap().centre;
    let shift = sub(centre(&truth, Label::lumbar(3)), centre(&there, Label::lumbar(4)));
    let mut mr = made.mr.clone();
    let mut misnamed = a_level_off(&made.mr_labels);
    for k in 0..3 {
        mr.geometry.origin_mm[k] += shift[k];
        misnamed.geometry.origin_mm[k] += shift[k];
    }
    let found = register(&made.ct, &made.labels, &mr, Some(&misnamed)).unwrap();
    assert!(!found.verified && found.warnings.iter().any(|w| w.contains("misnamed")), "{:?}", found.warnings);
    for (bone, (label, centre)) in found.bones.iter().zip(truth.iter().map(|b| (b.label, b.centre))) {
        let at = there.iter().find(|b| b.label == label).unwrap().centre;
        let at = [0, 1, 2].map(|k| at[k] + shift[k]);
        // The middles of the two label maps' voxels agree to a few mm: the sacrum is cut off differently.
        assert!(distance(rigid::moved(&bone.mr_from_ct, centre), at) < 10.0, "{label}");
    }
    let right = register(&made.ct, &made.labels, &made.mr, Some(&made.mr_labels)).unwrap();
    assert!(right.verified, "{:?}", right.warnings);
}

/// An MR that ends above L4 leaves the bones below unseen: they are named, and what is seen lies right.
#[test]
fn levels_that_the_mr_lacks_are_named() {
    let made = phantom();
    // Everything below the middle of L4 is cut away, whichever way the MR's slices lie.
    let end = bones::bones(&made.mr_labels).iter().find(|b| b.label == Label::lumbar(4)).unwrap().centre[2];
    let g = made.mr.geometry;
    let axis = (0..3).max_by(|a, b| g.direction[2][*a].abs().total_cmp(&g.direction[2][*b].abs())).unwrap();
    let height = |v: usize| g.patient_from_index([0, 1, 2].map(|k| if k == axis { v as f64 } else { 0.0 }))[2];
    let kept: Vec<usize> = (0..g.size[axis]).filter(|v| height(*v) > end).collect();
    let (mut first, mut size) = ([0; 3], g.size);
    (first[axis], size[axis]) = (kept[0], kept.len());
    let origin = g.patient_from_index(first.map(|v| v as f64));
    let geometry = Geometry::new(size, g.spacing_mm, origin, g.direction).unwrap();
    let voxels = (0..geometry.voxel_count())
        .map(|n| {
            let index = geometry.index_of(n);
            made.mr.voxels[g.offset([0, 1, 2].map(|k| first[k] + index[k]))]
        })
        .collect();
    let found = register(&made.ct, &made.labels, &Image::new(geometry, voxels).unwrap(), None).unwrap();
    let lost: Vec<Label> = found.bones.iter().filter(|b| !b.found).map(|b| b.label).collect();
    assert!(lost.contains(&Label::lumbar(5)) && lost.contains(&Label::SACRUM) && !lost.contains(&Label::lumbar(2)), "{lost:?}");
    assert!(!found.verified && found.warnings.iter().any(|w| w.contains("vertebrae_L5, sacrum")), "{:?}", found.warnings);
    for (label, mm) in errors(made, &found).into_iter().filter(|(label, _)| !lost.contains(label)) {
        assert!(mm < 2.0, "{label}: {mm:.1} mm");
    }
    assert!(found.bones.iter().filter(|b| !b.found).all(|b| b.uncertainty_mm >= 8.0));
}

/// A CT of which two vertebrae are labelled, in an MR of five: they lie on their own level, or the levels are said to be in doubt. A map
/// that jumps over a level says so.
#[test]
fn few_labels_never_lie_silently_on_another_level() {
    let made = phantom();
    let only = |keep: &[u16]| made.labels.map(|n| if keep.contains(&n) { n } else { 0 });
    let found = register(&made.ct, &only(&[43, 44]), &made.mr, None).unwrap();
    let off = errors(made, &found).iter().any(|(_, mm)| *mm > 3.0);
    assert!(!found.verified || !off, "{found:?}");
    let found = register(&made.ct, &only(&[42, 44, 45, 50]), &made.mr, None).unwrap();
    let said = found.warnings.iter().any(|w| w.contains("vertebrae_L2 and vertebrae_L4 but no vertebra between"));
    assert!(said && !found.verified, "{:?}", found.warnings);
}

/// Label maps that are mirrored, turned over or shifted are refused before anything is looked for.
#[test]
fn labels_that_are_not_this_cts_are_refused() {
    let made = phantom();
    let g = made.labels.geometry;
    let from = |source: &dyn Fn([usize; 3]) -> [usize; 3]| {
        let voxels = (0..g.voxel_count()).map(|n| made.labels.voxels[g.offset(source(g.index_of(n)))]).collect();
        Image::new(g, voxels).unwrap()
    };
    let refused = |labels: &Image<u16>| register(&made.ct, labels, &made.mr, None).unwrap_err();
    let mirrored = from(&|[i, j, k]| [g.size[0] - 1 - i, j, k]);
    assert!(matches!(refused(&mirrored), RegisterError::Mirrored { .. }));
    let turned = from(&|[i, j, k]| [i, j, g.size[2] - 1 - k]);
    assert!(matches!(refused(&turned), RegisterError::Order { .. }));
    let bones = made.labels.map(|n| if Label(n).class() == Some(spinor_volume::TissueClass::Bone) { n } else { 0 });
    for shift in [[15, 0], [0, 15]] {
        let mut shifted = bones.clone();
        (0..2).for_each(|k| shifted.geometry.origin_mm[k] += f64::from(shift[k]));
        let why = refused(&shifted);
        assert!(matches!(why, RegisterError::OffBone { percent } if percent < 75.0), "{why}");
    }
}
