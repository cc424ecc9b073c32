//! What is proposed from a phantom's vertebrae alone lies where the phantom has it; the whole measure over unseen phantoms is the example
//! `completion`.

use spinor_volume::{DensityField, Patient};

use super::*;
use crate::bake::{BakeOptions, bake};
use crate::evaluate::{Frame, evaluate};
use crate::phantom::{Options, generate};
use crate::schemes::Scheme;
use spinor_shared::case::{Case, CaseMeta};

/// Every kind of structure is proposed at its place, marked as proposed, and no two of them share a voxel.
#[test]
fn a_phantoms_soft_parts_are_proposed_from_its_bones() {
    let options = Options {
        seed: 77,
        levels: "L4-S1".parse().unwrap(),
        spacing_mm: [1.0, 1.0, 1.2],
        mr_spacing_mm: [4.0; 3],
        ..Options::default()
    };
    let phantom = generate(&options).unwrap();
    let mut bones = phantom.labels.clone();
    bones.voxels.iter_mut().filter(|n| Label(**n).class() != Some(TissueClass::Bone)).for_each(|n| *n = 0);
    let baked = bake(&bones, None, &BakeOptions { spacing_mm: 0.8, ..BakeOptions::default() }).unwrap();
    let made = complete(&baked.grid, &baked.structures);
    let names: Vec<u16> = made.structures.iter().map(|s| s.label.0).collect();
    assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len());
    assert!(made.structures.iter().all(|s| s.source == Source::Proposed && s.uncertainty_mm > 1.0));
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
    let made = complete(&baked.grid, &baked.structures);
    assert!(made.structures.is_empty(), "{:?}", made.structures.iter().map(|s| s.label.name()).collect::<Vec<_>>());
    assert!(made.warnings.iter().any(|w| w.contains("No dural sac")), "{:?}", made.warnings);
    assert!(made.warnings.iter().any(|w| w.contains("nerve_root_L4_left")), "{:?}", made.warnings);
    assert!(
        !made.warnings.iter().any(|w| w.contains("intervertebral")),
        "a disc that was given is not missing: {:?}",
        made.warnings
    );
}
