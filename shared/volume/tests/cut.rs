//! Proves that cuts remove what geometry says, commute, repeat without effect, split by bricks, and reach mirrors unchanged.
#![allow(clippy::unwrap_used, reason = "a test stops at the first thing that is not as expected")]
#![allow(clippy::disallowed_methods, reason = "tests compare with analytic truth")]

mod common;

use common::*;
use proptest::prelude::*;
use spinor_volume::cut::OCCUPANCY_PER_VOXEL;
use spinor_volume::{
    BrickIndex, ClassMask, CutError, CutOp, CutShape, CutState, DensityField, Grid, Label, Patient, TissueClass, query,
};

const BONE: ClassMask = ClassMask::of(&[TissueClass::Bone]);
const PI: f64 = std::f64::consts::PI;

/// A block of bone of about 20 mm on a grid of a given spacing.
fn block(spacing_mm: f64) -> Patient {
    let grid = Grid::covering([-1.0; 3], [21.0; 3], spacing_mm).unwrap();
    let bone = structure(&grid, Label::lumbar(4), |p| to_box(p, [10.1; 3], [9.0; 3]));
    Patient::new(grid, vec![bone], DensityField::default()).unwrap()
}

fn removed_mm3(patient: &Patient, op: &CutOp) -> f64 {
    let mut cut = CutState::new(patient.grid());
    let outcome = cut.apply(patient, op);
    let before = patient.structures()[0].volume_mm3;
    let counted = outcome.removed[0].1 as f64 / OCCUPANCY_PER_VOXEL as f64 * patient.grid().voxel_mm3();
    let left = query::remaining_volume_mm3(patient, &cut, 0);
    assert!((before - left - counted).abs() < 1e-6, "what was removed and what is left make the whole");
    counted
}

/// Sphere, capsule and turned box inside bone remove their analytic volumes, the better the finer the grid.
#[test]
fn removed_volume_converges_to_the_analytic_one() {
    let axes = [[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]];
    type Make = fn(&Grid, [[f64; 3]; 3]) -> CutOp;
    let shapes: [(&str, f64, Make); 3] = [
        ("sphere", 4.0 / 3.0 * PI * 2.5_f64.powi(3), |grid, _| {
            CutOp::capsule_mm(grid, [10.03, 9.91, 10.2], [10.03, 9.91, 10.2], 2.5, BONE).unwrap()
        }),
        ("capsule", 4.0 / 3.0 * PI * 8.0 + PI * 4.0 * 1.5, |grid, _| {
            CutOp::capsule_mm(grid, [9.3, 9.9, 10.2], [10.5, 9.9, 11.1], 2.0, BONE).unwrap()
        }),
        ("box", 6.0 * 3.0 * 4.4, |grid, axes| CutOp::box_mm(grid, [10.0, 10.1, 9.9], [3.0, 1.5, 2.2], axes, 0.0, BONE).unwrap()),
    ];
    for (name, wanted, make) in shapes {
        let errors: Vec<f64> = [0.8, 0.4, 0.2]
            .into_iter()
            .map(|spacing_mm| {
                let patient = block(spacing_mm);
                (removed_mm3(&patient, &make(patient.grid(), axes)) / wanted - 1.0).abs()
            })
            .collect();
        // The occupancy rounds a box's edges: its error falls with the square of the spacing.
        let bounds = if name == "box" { [0.08, 0.025, 0.01] } else { [0.03, 0.008, 0.0025] };
        assert!(errors.iter().zip(bounds).all(|(error, bound)| *error < bound), "{name}: {errors:?}");
        assert!(errors[2] < errors[0], "{name}: {errors:?}");
    }
}

/// Tissue of a class that the operation does not take is spared, and an operation in air touches nothing.
#[test]
fn other_classes_and_air_are_spared() {
    let patient = spine();
    let mut cut = CutState::new(patient.grid());
    let at = [0.0, 0.5, 112.0];
    let op = CutOp::capsule_mm(patient.grid(), at, at, 2.0, BONE).unwrap();
    let outcome = cut.apply(patient, &op);
    assert!(outcome.removed.iter().all(|(label, _)| label.class() == Some(TissueClass::Bone)));
    assert!(cut.field(TissueClass::Flavum).is_outside());
    let air = [-10.0, 11.0, 122.0];
    let before = cut.clone();
    let outcome = cut.apply(patient, &CutOp::capsule_mm(patient.grid(), air, air, 1.0, ClassMask(15)).unwrap());
    assert_eq!(outcome, Default::default());
    assert_eq!(cut, before);
}

/// An operation that the check refuses changes nothing when applied all the same, in a debug build too.
#[test]
fn refused_operations_change_nothing() {
    let patient = spine();
    let mut cut = CutState::new(patient.grid());
    let shapes = [
        CutShape::Capsule { a: [i32::MIN; 3], b: [i32::MAX; 3], radius: i32::MAX },
        CutShape::Capsule { a: [2000; 3], b: [2600; 3], radius: 300 },
        CutShape::Box { centre: [2000; 3], half: [i32::MAX; 3], rows_q14: [[i32::MIN; 3]; 3], rounding: -5 },
    ];
    for shape in shapes {
        let op = CutOp { classes: ClassMask(15), shape };
        assert!(op.check(patient.grid()).is_err());
        assert_eq!(cut.apply(patient, &op), Default::default());
    }
    assert_eq!(cut.digest(), 0);
}

/// A mirror refuses bricks that cannot be, and keeps its state.
#[test]
fn a_mirror_refuses_wrong_bricks() {
    let patient = spine();
    let mut mirror = CutState::new(patient.grid());
    let samples = [5; 4096];
    let lacking = BrickIndex(patient.grid().brick_count() as u32);
    let refused = |brick| Err(CutError::Brick(TissueClass::Bone, brick));
    for brick in [lacking, BrickIndex(u32::MAX)] {
        assert_eq!(mirror.replace(patient, TissueClass::Bone, brick, 1, &samples), refused(brick));
    }
    let empty = (0..64).map(BrickIndex).find(|b| !patient.structures().iter().any(|s| stored(&s.sdf, *b))).unwrap();
    assert_eq!(mirror.replace(patient, TissueClass::Bone, empty, 1, &samples), refused(empty));
    assert!(matches!(mirror.replace(patient, TissueClass::Disc, BrickIndex(5), 1, &samples), Err(CutError::Brick(..))));
    let bone = (0..64).map(BrickIndex).find(|b| stored(&patient.structure(Label::lumbar(4)).unwrap().sdf, *b)).unwrap();
    let mut hostile = samples;
    hostile[9] = i8::MIN;
    assert_eq!(mirror.replace(patient, TissueClass::Bone, bone, 1, &hostile), Err(CutError::Sample(bone)));
    assert_eq!(mirror, CutState::new(patient.grid()));
    assert!(!mirror.replace(patient, TissueClass::Bone, bone, 7, &samples).unwrap().is_empty());
    assert_eq!(mirror.version(TissueClass::Bone, bone), 7);
    // Made whole again, a brick counts as never cut.
    mirror.replace(patient, TissueClass::Bone, bone, 8, &[127; 4096]).unwrap();
    assert_eq!((mirror.digest(), mirror.brick_digest(TissueClass::Bone, bone)), (0, 0));
}

/// 600 mixed operations give the same digest on every machine and in every build.
#[test]
fn a_script_has_its_digest() {
    let patient = spine();
    let mut cut = CutState::new(patient.grid());
    let mut removed = 0;
    for op in script(2026, 600) {
        op.check(patient.grid()).unwrap();
        removed += cut.apply(patient, &op).removed.iter().map(|(_, n)| n).sum::<i64>();
    }
    assert_eq!(format!("{:016x} {removed} {}", cut.digest(), cut.cut_bricks().count()), SCRIPT);
}

const SCRIPT: &str = "d2cc8f842e64ce32 213851 32";

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Order and repetition do not matter; more cuts never leave more tissue; a repeated cut does nothing.
    #[test]
    fn cuts_commute_repeat_and_only_remove(seed in 1_u64.., count in 1_usize..20) {
        let patient = spine();
        let ops = script(seed, count);
        let (mut forward, mut backward) = (CutState::new(patient.grid()), CutState::new(patient.grid()));
        for op in &ops {
            let outcome = forward.apply(patient, op);
            prop_assert!(outcome.removed.iter().all(|(_, n)| *n > 0));
            prop_assert!(outcome.dirty.windows(2).all(|w| w[0] < w[1]) && outcome.touched.windows(2).all(|w| w[0] < w[1]));
            prop_assert_eq!(forward.apply(patient, op), Default::default());
        }
        for op in ops.iter().rev().chain(&ops) {
            backward.apply(patient, op);
        }
        prop_assert_eq!(forward.digest(), backward.digest());
        for class in TissueClass::ALL {
            prop_assert!(forward.field(class).stored().eq(backward.field(class).stored()));
        }
    }

    /// A mirror that is given each touched brick equals the authority, and is told to mesh the same bricks.
    #[test]
    fn a_mirror_follows_by_bricks(seed in 1_u64.., count in 1_usize..12) {
        let patient = spine();
        let (mut authority, mut mirror) = (CutState::new(patient.grid()), CutState::new(patient.grid()));
        for op in script(seed, count) {
            let outcome = authority.apply(patient, &op);
            let mut dirty = Vec::new();
            for (class, brick) in &outcome.touched {
                let spinor_volume::BrickState::Samples(samples) = authority.field(*class).brick(*brick) else { panic!() };
                dirty.extend(mirror.replace(patient, *class, *brick, authority.version(*class, *brick), samples).unwrap());
            }
            dirty.sort_unstable();
            dirty.dedup();
            prop_assert_eq!(dirty, outcome.dirty);
        }
        prop_assert_eq!(mirror.digest(), authority.digest());
        prop_assert_eq!(mirror, authority);
    }

    /// Work split by bricks adds up to the whole: state, digest, removed volume and bricks to mesh.
    #[test]
    fn a_partition_of_bricks_equals_the_whole(seed in 1_u64.., count in 1_usize..12, parts in 2_u32..5) {
        let patient = spine();
        let ops = script(seed, count);
        let mut whole = CutState::new(patient.grid());
        let mut split: Vec<CutState> = (0..parts).map(|_| CutState::new(patient.grid())).collect();
        for op in &ops {
            let outcome = whole.apply(patient, op);
            let (mut removed, mut dirty) = (0, Vec::new());
            for (n, part) in split.iter_mut().enumerate() {
                let outcome = part.apply_where(patient, op, &|brick| brick.0 % parts == n as u32);
                removed += outcome.removed.iter().map(|(_, n)| n).sum::<i64>();
                dirty.extend(outcome.dirty);
            }
            dirty.sort_unstable();
            dirty.dedup();
            prop_assert_eq!(removed, outcome.removed.iter().map(|(_, n)| n).sum::<i64>());
            prop_assert_eq!(dirty, outcome.dirty);
        }
        prop_assert_eq!(split.iter().map(CutState::digest).fold(0, u64::wrapping_add), whole.digest());
        let mut joined = CutState::new(patient.grid());
        split.iter().for_each(|part| joined.absorb(part));
        prop_assert_eq!(joined, whole);
    }

    /// Any integers whatever are refused or applied, never a panic (this runs with overflow checks).
    #[test]
    fn any_operation_is_refused_or_applied(
        a in any::<[i32; 3]>(), near in any::<[i16; 3]>(), step in any::<[i16; 3]>(), size in any::<[i32; 3]>(),
        turn in any::<[[i32; 3]; 3]>(), scale in 0..12_u32, classes in any::<u8>(), swept in any::<bool>(),
    ) {
        let patient = spine();
        let mut cut = CutState::new(patient.grid());
        let a = if scale < 2 { a } else { near.map(|v| i32::from(v) / 4) };
        let b: [i32; 3] = std::array::from_fn(|k| a[k].wrapping_add(i32::from(step[k]) / 64));
        let size = size.map(|v| if scale < 4 { v } else { v.unsigned_abs().wrapping_rem(2100) as i32 });
        let rows_q14 = if scale < 6 { turn } else { [[0, -16_384, 0], [16_384, 0, 0], [0, 0, 16_384]] };
        let shape = if swept {
            CutShape::Capsule { a, b, radius: size[0] }
        } else {
            CutShape::Box { centre: a, half: size, rows_q14, rounding: size[0] / 3 }
        };
        let op = CutOp { classes: ClassMask(classes), shape };
        let refused = op.check(patient.grid()).is_err();
        let outcome = cut.apply(patient, &op);
        prop_assert!(!refused || outcome == Default::default());
    }
}
