//! The MR's sac comes to lie where the CT's patient has it, stays out of bone, and is not believed where it should not be.

use std::sync::OnceLock;

use spinor_shared::case::{Case, CaseMeta};
use spinor_volume::{DensityField, Patient};

use super::*;
use crate::evaluate::{Frame, evaluate};
use crate::phantom::{Motion, Options, Phantom, generate};
use crate::register::register;
use crate::schemes::Scheme;

/// A bent phantom, its CT's bones and a canal around them baked from its labels, and its registration.
struct Made {
    phantom: Phantom,
    bones: Baked,
    registration: Registration,
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let options = Options {
            seed: 23,
            levels: "L2-S1".parse().unwrap(),
            motion: Motion::Bent,
            spacing_mm: [1.0; 3],
            mr_spacing_mm: [1.0, 1.0, 2.5],
            ..Options::default()
        };
        let phantom = generate(&options).unwrap();
        let registration = register(&phantom.ct, &phantom.labels, &phantom.mr, None).unwrap();
        let bone = |n| if Label(n).class() == Some(TissueClass::Bone) { n } else { 0 };
        let bones = bake(&phantom.labels.map(bone), None, &BakeOptions { spacing_mm: 0.8, ..BakeOptions::default() }).unwrap();
        Made { phantom, bones, registration }
    })
}

fn found(labels: Image<u16>) -> Found {
    let by = "a test".to_owned();
    Found { labels, source: Source::Segmented, confidence: Some(0.9), uncertainty_mm: 3.0, by, quality: None }
}

fn placed(labels: Image<u16>, before: Option<&Structure>) -> Result<Placed, NotTaken> {
    let made = made();
    let mr = made.phantom.mr.geometry;
    place(&made.bones.grid, &made.bones.structures, &found(labels), &mr, &made.registration, before)
}

/// Dice of a case's sac and cord with the phantom's.
fn dice(structures: Vec<Structure>) -> f64 {
    let made = made();
    let patient = Patient::new(made.bones.grid, structures, DensityField::default()).unwrap();
    let case = Case { patient, ct: None, mr: None, meta: CaseMeta::default() };
    let found = evaluate(&case, made.phantom.labels.clone(), Scheme::TotalSpineSeg, Frame::Ct).unwrap();
    found.sac_with_cord.unwrap().dsc
}

fn overlap(a: &SparseField, b: &SparseField, grid: &Grid) -> usize {
    let deep = |field: &SparseField, at| field.sample(grid, at) < -8;
    let [nx, ny, nz] = grid.voxels();
    let each = (0..nz).flat_map(|z| (0..ny).flat_map(move |y| (0..nx).map(move |x| spinor_volume::VoxelIndex([x, y, z]))));
    each.filter(|at| deep(a, *at) && deep(b, *at)).count()
}

/// The sac of an MR in which every vertebra lies otherwise comes to lie on the CT's, in one piece with the cord, in no bone and with what model and
/// registration leave unsure; a disc that a model found gives way to it, one that somebody drew does not.
#[test]
fn the_sac_of_the_mr_comes_to_lie_in_the_ct() {
    let made = made();
    assert!(made.registration.verified);
    let sac = placed(made.phantom.mr_labels.clone(), None).unwrap();
    let s = &sac.structure;
    assert_eq!((s.label, s.source, sac.joined), (Label::DURAL_SAC, Source::Segmented, None));
    assert_eq!(sac.seen.len(), made.bones.structures.len(), "{:?} {:?}", sac.seen, sac.unseen);
    let worst = made.registration.bones.iter().map(|b| b.uncertainty_mm).fold(0.0, f64::max);
    assert!((f64::from(s.uncertainty_mm) - 3.0_f64.hypot(worst)).abs() < 0.06, "{} {worst}", s.uncertainty_mm);
    let bone = union(&made.bones.grid, &made.bones.structures.iter().collect::<Vec<_>>());
    assert_eq!(overlap(&s.sdf, &bone, &made.bones.grid), 0);

    let mut baked = made.bones.clone();
    put(&mut baked, &sac);
    let share = dice(baked.structures.clone());
    assert!(share > 0.9, "Dice {share:.3}");
    // As one stiff body it would not lie there: the test would prove nothing.
    let stiff = Registration {
        bones: made
            .registration
            .bones
            .iter()
            .map(|b| crate::register::BoneMotion { mr_from_ct: made.registration.mr_from_ct, ..b.clone() })
            .collect(),
        ..made.registration.clone()
    };
    let mr = made.phantom.mr.geometry;
    let stiff = place(&made.bones.grid, &made.bones.structures, &found(made.phantom.mr_labels.clone()), &mr, &stiff, None);
    let below = stiff.map(|placed| {
        let mut baked = made.bones.clone();
        put(&mut baked, &placed);
        dice(baked.structures)
    });
    assert!(below.as_ref().map_or(true, |d| *d < share - 0.1), "{below:?}");

    // A disc that reaches into the sac.
    let mut baked = made.bones.clone();
    let reaching = |source| {
        let volume_mm3 = s.volume_mm3;
        Structure {
            label: Label::disc_below(4),
            class: TissueClass::Disc,
            source,
            uncertainty_mm: 1.0,
            volume_mm3,
            sdf: s.sdf.clone(),
        }
    };
    baked.structures.push(reaching(Source::Segmented));
    put(&mut baked, &sac);
    let disc = baked.structures.iter().find(|s| s.class == TissueClass::Disc).unwrap();
    assert_eq!(overlap(&disc.sdf, &s.sdf, &made.bones.grid), 0);
    assert!(disc.volume_mm3 < 0.1 * s.volume_mm3, "{} of {}", disc.volume_mm3, s.volume_mm3);
    let mut drawn = made.bones.structures.clone();
    drawn.push(reaching(Source::Contoured));
    let refused = place(&made.bones.grid, &drawn, &found(made.phantom.mr_labels.clone()), &mr, &made.registration, None);
    assert_eq!(refused.err(), Some(NotTaken::NotFound));
}

/// Where the MR ends the case keeps what it had, and says which levels that are.
#[test]
fn beyond_the_mr_the_sac_is_what_it_was() {
    let made = made();
    let whole = placed(made.phantom.mr_labels.clone(), None).unwrap().structure;
    // A sac as the CT gives it, known by its source and its uncertainty.
    let before = Structure { source: Source::Proposed, uncertainty_mm: 5.0, ..whole.clone() };
    // The MR's axis along the spine, cut: what is kept are its lower two thirds.
    let g = made.phantom.mr_labels.geometry;
    let along = (0..3).max_by(|a, b| g.axis(*a)[2].abs().total_cmp(&g.axis(*b)[2].abs())).unwrap();
    let upwards = g.axis(along)[2] > 0.0;
    let mut size = g.size;
    size[along] = 2 * size[along] / 3;
    let mut first = [0; 3];
    first[along] = if upwards { 0 } else { g.size[along] - size[along] };
    let cut = Geometry { size, origin_mm: g.patient_from_index(first.map(|v| v as f64)), ..g };
    let voxels = (0..cut.voxel_count()).map(|at| {
        let own = cut.index_of(at);
        made.phantom.mr_labels.voxels[g.offset([0, 1, 2].map(|k| own[k] + first[k]))]
    });
    let part = Image::new(cut, voxels.collect()).unwrap();
    let at = |before: Option<&Structure>| {
        place(&made.bones.grid, &made.bones.structures, &found(part.clone()), &cut, &made.registration, before).unwrap()
    };
    let joined = at(Some(&before));
    assert_eq!((joined.structure.source, joined.joined), (Source::Proposed, Some(Source::Proposed)));
    assert_eq!(joined.structure.uncertainty_mm, 5.0);
    assert!(!joined.seen.is_empty() && joined.unseen.contains(&Label::lumbar(2)), "{:?} {:?}", joined.seen, joined.unseen);
    let says = joined.says(&found(part.clone()));
    assert!(says.contains("beside L2") && says.contains("proposed from the bones") && says.contains("5.0 mm"), "{says}");
    assert!((joined.structure.volume_mm3 / whole.volume_mm3 - 1.0).abs() < 0.05, "joined it is whole");
    let alone = at(None);
    assert!(
        alone.structure.volume_mm3 < 0.9 * whole.volume_mm3 && alone.says(&found(part.clone())).contains("there is none there")
    );
}

/// What lies beside the canal, or in bone, or was carried by a registration that nothing confirms, is not taken.
#[test]
fn a_sac_beside_the_canal_is_not_taken() {
    let made = made();
    let none = made.phantom.mr_labels.map(|n| if n == 2 || n == 1 { 0 } else { n });
    assert_eq!(placed(none, None).err(), Some(NotTaken::NotFound));
    let moved = |mm: f64| {
        let mut labels = made.phantom.mr_labels.clone();
        for k in 0..3 {
            // To the patient's left, in the MR's frame.
            labels.geometry.origin_mm[k] += if k == 0 { mm } else { 0.0 };
        }
        placed(labels, None)
    };
    assert!(matches!(moved(20.0).err(), Some(NotTaken::OutsideCanal { percent }) if percent < 50.0), "20 mm");
    assert!(matches!(moved(9.0).err(), Some(NotTaken::OutsideCanal { .. } | NotTaken::InBone { .. })), "9 mm");
    // A model that takes a vertebra for the sac as well.
    let with_l4 = made.phantom.mr_labels.map(|n| if n == Label::lumbar(4).0 { Label::DURAL_SAC.0 } else { n });
    assert!(matches!(placed(with_l4, None).err(), Some(NotTaken::InBone { percent }) if percent > 30.0), "with L4");
    let doubtful = Registration { verified: false, ..made.registration.clone() };
    let refused = place(
        &made.bones.grid,
        &made.bones.structures,
        &found(made.phantom.mr_labels.clone()),
        &made.phantom.mr.geometry,
        &doubtful,
        None,
    );
    assert_eq!(refused.err(), Some(NotTaken::Unverified));
}

/// A few places without a sac are holes beside the canal, more of them end it; what the MR hides speaks neither for nor against it.
#[test]
fn the_longest_stretch_counts() {
    use Place::{Hidden, Met, Missed};
    let row = |parts: &[(Place, usize)]| parts.iter().flat_map(|(place, n)| vec![*place; *n]).collect::<Vec<_>>();
    assert_eq!(longest(&row(&[(Missed, 2), (Met, 20), (Missed, 3), (Met, 30), (Missed, 1)])), Ok([2, 54]));
    assert_eq!(longest(&row(&[(Met, 20), (Missed, 6), (Met, 30), (Hidden, 40)])), Ok([26, 55]));
    assert_eq!(longest(&row(&[(Met, 30), (Missed, 10)])), Err(NotTaken::OutsideCanal { percent: 75.0 }));
    assert_eq!(longest(&row(&[(Hidden, 90), (Met, 7)])), Err(NotTaken::NotShown));
    assert_eq!(longest(&row(&[(Met, 8), (Hidden, 9), (Met, 8)])), Err(NotTaken::NotShown));
}

/// Places between those that are carried are interpolated: by less than what is seen.
#[test]
fn what_is_interpolated_lies_where_it_is_carried() {
    let made = made();
    let warp = Warp::of(&made.bones.grid, &made.bones.structures, &made.registration.motions(), made.registration.mr_from_ct);
    let sac = placed(made.phantom.mr_labels.clone(), None).unwrap().structure;
    let block = extent(&made.bones.grid, &sac, |p| p).block(&made.bones.grid).unwrap();
    let there = There::new(&block, &warp).unwrap();
    let [nx, ny, _] = block.size;
    let mut most = 0.0_f64;
    for at in (0..block.values.len()).step_by(97) {
        let p = [at % nx, at / nx % ny, at / (nx * ny)];
        let p = [0, 1, 2].map(|k| f64::from(block.first[k] + p[k] as i32) * block.h);
        if sdf_mm(&made.bones.grid, &sac.sdf, p).abs() < 1.0 {
            let d = sub(there.at(p), warp.mr_from_ct(p));
            most = most.max(dot(d, d).sqrt());
        }
    }
    assert!(most > 0.0 && most < 0.3, "{most:.3} mm");
}
