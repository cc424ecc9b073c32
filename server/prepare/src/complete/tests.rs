//! What is proposed from a phantom's vertebrae alone lies where the phantom has it; the whole measure over unseen phantoms is the example
//! `completion`.

use spinor_volume::{DensityField, Patient};

use super::*;
use crate::bake::{BakeOptions, Baked, bake};
use crate::evaluate::{Frame, evaluate};
use crate::phantom::{Options, Phantom, generate};
use crate::schemes::Scheme;
use spinor_shared::case::{Case, CaseMeta};

/// A phantom of L4 to S1, and what is baked of those of its labels that are kept.
fn phantom_of(kept: impl Fn(Label) -> bool) -> (Phantom, Baked) {
    let options = Options {
        seed: 77,
        levels: "L4-S1".parse().unwrap(),
        spacing_mm: [1.0, 1.0, 1.2],
        mr_spacing_mm: [4.0; 3],
        ..Options::default()
    };
    let phantom = generate(&options).unwrap();
    let mut labels = phantom.labels.clone();
    labels.voxels.iter_mut().filter(|n| !kept(Label(**n))).for_each(|n| *n = 0);
    let baked = bake(&labels, None, &BakeOptions { spacing_mm: 0.8, ..BakeOptions::default() }).unwrap();
    (phantom, baked)
}

/// Every kind of structure is proposed at its place, marked as proposed and as less sure than the bones it follows, and no two of them share
/// a voxel.
#[test]
fn a_phantoms_soft_parts_are_proposed_from_its_bones() {
    let (phantom, mut baked) = phantom_of(|label| label.class() == Some(TissueClass::Bone));
    baked.structures.iter_mut().for_each(|s| s.uncertainty_mm = 3.0);
    let made = complete(&baked.grid, &baked.structures, Some(&phantom.ct));
    let names: Vec<u16> = made.structures.iter().map(|s| s.label.0).collect();
    assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len());
    assert!(made.structures.iter().all(|s| s.source == Source::Proposed && s.uncertainty_mm > 3.0));
    let sac = made.structures.iter().find(|s| s.label == Label::DURAL_SAC).unwrap();
    assert_eq!(sac.uncertainty_mm, 3.6, "3.0 mm of the bones and 2.0 mm beside them");
    for label in [2, 95, 100, 114, 115, 128, 129, 130, 131, 132, 133] {
        assert!(names.contains(&label), "{} is missing: {:?}", Label(label).name(), made.warnings);
    }
    // Left is left: x rises to the patient's left.
    for level in 4..=6_u16 {
        let end = |left| made.root_lines[&Label::root(level, left)].last().unwrap()[0];
        assert!(end(true) > end(false) + 20.0, "{level}: {} {}", end(true), end(false));
    }

    let mut structures = baked.structures.clone();
    structures.extend(made.structures);
    structures.sort_by_key(|s| s.label);
    let patient = Patient::new(baked.grid, structures, DensityField::default()).unwrap();
    let case = Case { patient, ct: None, mr: None, meta: CaseMeta::default() };
    let mut truth = phantom.labels.clone();
    truth.voxels.iter_mut().filter(|n| **n == Label::SPINAL_CORD.0).for_each(|n| *n = Label::DURAL_SAC.0);
    let scores = evaluate(&case, truth, Scheme::TotalSpineSeg, Frame::Ct).unwrap();
    let score = |name: &str| scores.structures[name].1;
    for (name, (_, score)) in &scores.structures {
        println!("{name}: DSC {:.3}, mean {:.2} mm, p95 {:.2} mm", score.dsc, score.assd_mm, score.hd95_mm);
    }
    assert!(score("dural_sac").dsc > 0.8, "{:?}", score("dural_sac"));
    for name in ["intervertebral_disc_L4_L5", "intervertebral_disc_L5_S1"] {
        assert!(score(name).dsc > 0.8, "{name}: {:?}", score(name));
    }
    for name in ["ligamentum_flavum_L4_L5", "ligamentum_flavum_L5_S1"] {
        assert!(score(name).assd_mm < 2.0, "{name}: {:?}", score(name));
    }
    let mut means = Vec::new();
    for (label, line) in &made.root_lines {
        let name = label.name();
        let truth = phantom.landmarks.ct.iter().zip(&phantom.landmarks.structure).filter(|(_, s)| **s == name);
        // In front of the sacrum the phantom's S1 goes on where the proposal has ended.
        let counted = if label.level().as_deref() == Some("S1") { 6 } else { usize::MAX };
        let off: Vec<f64> =
            truth.take(counted).map(|(p, _)| line.iter().map(|q| distance(*p, *q)).fold(f64::INFINITY, f64::min)).collect();
        let mean = off.iter().sum::<f64>() / off.len() as f64;
        println!("{name}: centre line {mean:.2} mm");
        assert!(mean < 4.0, "{name}: {mean:.2} mm from {off:.1?}");
        means.push(mean);
    }
    let mean = means.iter().sum::<f64>() / means.len() as f64;
    assert!(mean < 2.5, "{mean:.2} mm over all roots");
}

/// What somebody gave is neither proposed again nor touched, and bones without arches give nothing but a warning.
#[test]
fn what_is_there_stays_and_what_cannot_be_seen_is_named() {
    use crate::volume3d::{Geometry, Image};
    let geometry = Geometry::axis_aligned([60, 60, 90], [1.0; 3], [-30.0, -30.0, 0.0]).unwrap();
    let mut labels = Image::filled(geometry, 0_u16);
    for at in 0..labels.voxels.len() {
        let p = geometry.patient_from_index(geometry.index_of(at).map(|v| v as f64));
        let body = p[0].hypot(p[1]) < 18.0;
        labels.voxels[at] = match p[2] as i32 {
            10..=35 if body => 44,
            36..=45 if body => 94,
            46..=71 if body => 43,
            _ => 0,
        };
    }
    let baked = bake(&labels, None, &BakeOptions { spacing_mm: 0.8, ..BakeOptions::default() }).unwrap();
    let made = complete(&baked.grid, &baked.structures, None);
    assert!(made.structures.is_empty(), "{:?}", made.structures.iter().map(|s| s.label.name()).collect::<Vec<_>>());
    assert!(made.warnings.iter().any(|w| w.contains("No dural sac")), "{:?}", made.warnings);
    assert!(made.warnings.iter().any(|w| w.contains("No nerve root") && w.contains("L4 left")), "{:?}", made.warnings);
    assert!(!made.warnings.iter().any(|w| w.contains("No disc")), "a disc that was given is not missing: {:?}", made.warnings);
}

/// Without the sacrum's label nothing is lost of the roots that go past it. A wall of bone without a label across the way of a root ends it
/// behind the foramen and keeps it away before it; both are told by name. Without the CT, which shows that bone, the roots run through.
#[test]
fn roots_end_at_bone_that_nobody_labelled() {
    let (phantom, baked) = phantom_of(|label| [Label::lumbar(4), Label::lumbar(5)].contains(&label));
    let [left, right] = [true, false].map(|left| Label::root(5, left));
    let blind = complete(&baked.grid, &baked.structures, None);
    let made = complete(&baked.grid, &baked.structures, Some(&phantom.ct));
    check_roots(&baked.grid, &made, &phantom.ct);
    assert_eq!(made.root_lines.keys().collect::<Vec<_>>(), blind.root_lines.keys().collect::<Vec<_>>(), "{:?}", made.warnings);

    // Across the left root near its end, and across the right one where it turns into the foramen.
    let mut ct = phantom.ct.clone();
    for (label, share, wide) in [(left, 0.8, 14.0), (right, 0.35, 9.0)] {
        let line = &blind.root_lines[&label];
        let n = (share * line.len() as f64) as usize;
        let along = unit(sub(line[n + 2], line[n - 2])).unwrap();
        for at in 0..ct.voxels.len() {
            let d = sub(ct.geometry.patient_from_index(ct.geometry.index_of(at).map(|v| v as f64)), line[n]);
            let through = dot(d, along);
            if through.abs() < 2.5 && dot(d, d) - through * through < wide * wide {
                ct.voxels[at] = 800;
            }
        }
    }
    let share = |made: &Completion, label: Label| {
        let root = made.structures.iter().find(|s| s.label == label).unwrap();
        roots::share_of_bone(&baked.grid, &root.sdf, &ct)
    };
    assert!(share(&blind, left) > 0.05 && share(&blind, right) > 0.05, "the walls stand in nobody's way");
    let made = complete(&baked.grid, &baked.structures, Some(&ct));
    check_roots(&baked.grid, &made, &ct);
    assert!(made.root_lines[&left].len() < blind.root_lines[&left].len() && !made.root_lines.contains_key(&right));
    let told = |label: Label, what: &str| made.warnings.iter().any(|w| w.contains(&place_of(&label.name())) && w.contains(what));
    assert!(told(left, "end where they meet dense bone that nobody labelled"), "{:?}", made.warnings);
    // Squeezed along the wall or stopped by it: either way it is left out, and said to be.
    assert!(told(right, "No nerve root is proposed for"), "{:?}", made.warnings);
}

/// On a real CT whose sacrum has no label (VerSe014) no proposed root runs through bone, and every root is one piece.
#[test]
fn a_real_patients_roots_keep_off_bone() {
    let Some(data) = crate::test_data::folder("a_real_patients_roots_keep_off_bone", "ct") else { return };
    let ct = crate::nifti_io::read_nifti_i16(&data.join("sub-verse014_ct.nii.gz")).unwrap();
    let mut labels = crate::nifti_io::read_nifti_u16(&data.join("sub-verse014_seg-vert_msk.nii.gz")).unwrap();
    Scheme::Verse.relabel(&mut labels.voxels);
    let baked = bake(&labels, None, &BakeOptions { spacing_mm: 0.8, ..BakeOptions::default() }).unwrap();
    let made = complete(&baked.grid, &baked.structures, Some(&ct));
    check_roots(&baked.grid, &made, &ct);
    println!("{:?}", made.warnings);
    for level in 1..=4 {
        for left in [true, false] {
            assert!(made.root_lines.contains_key(&Label::root(level, left)), "L{level}: {:?}", made.warnings);
        }
    }
    for left in [true, false] {
        let label = place_of(&Label::root(5, left).name());
        let told = made
            .warnings
            .iter()
            .any(|w| w.contains(&label) && (w.contains("guards nothing beyond") || w.contains("No nerve root")));
        assert!(told, "{:?}", made.warnings);
    }
}

/// Every proposed root hangs together, and at most a tenth of it looks like bone.
fn check_roots(grid: &Grid, made: &Completion, ct: &Image<i16>) {
    for root in made.structures.iter().filter(|s| made.root_lines.contains_key(&s.label)) {
        let share = roots::share_of_bone(grid, &root.sdf, ct);
        let mut rest: std::collections::BTreeSet<[i32; 3]> = voxels(grid, &root.sdf).into_iter().collect();
        let all = rest.len();
        let mut queue: Vec<[i32; 3]> = rest.pop_first().into_iter().collect();
        while let Some(at) = queue.pop() {
            for k in 0..3 {
                for step in [-1, 1] {
                    let mut next = at;
                    next[k] += step;
                    if rest.remove(&next) {
                        queue.push(next);
                    }
                }
            }
        }
        println!("{}: {:.1} % of {all} voxels over 300 HU", root.label, 100.0 * share);
        assert!(share <= 0.1, "{}: {share}", root.label);
        assert!(rest.is_empty(), "{} of {all} voxels of {} hang apart", rest.len(), root.label);
    }
}

/// The voxels inside a field.
fn voxels(grid: &Grid, sdf: &SparseField) -> Vec<[i32; 3]> {
    use spinor_volume::{BRICK, BRICK_VOXELS};
    let inside = sdf.inside().flat_map(|brick| (0..BRICK_VOXELS).map(move |at| (brick, at)));
    let stored =
        sdf.stored().flat_map(|(brick, samples)| (0..BRICK_VOXELS).filter(|at| samples[*at] < 0).map(move |at| (brick, at)));
    inside
        .chain(stored)
        .map(|(brick, at)| {
            let first = grid.brick_coords(brick).map(|v| v * BRICK as i32);
            let place = [at % BRICK, at / BRICK % BRICK, at / (BRICK * BRICK)];
            [0, 1, 2].map(|k| first[k] + place[k] as i32)
        })
        .collect()
}
