//! Cases with known shapes against references with known differences.

use spinor_shared::case::{CaseMeta, ImageBricks, ImageGeometry};
use spinor_volume::{BRICK, BrickIndex, DensityField, Patient, Source, SparseField};

use super::*;

/// A field of a ball.
fn ball(grid: &Grid, centre: [f64; 3], radius_mm: f64) -> SparseField {
    let mut field = SparseField::outside(grid);
    for brick in 0..grid.brick_count() as u32 {
        let first = grid.brick_coords(BrickIndex(brick));
        let samples = field.brick_mut(BrickIndex(brick)).unwrap();
        for (n, sample) in samples.iter_mut().enumerate() {
            let at = [n % BRICK, n / BRICK % BRICK, n / (BRICK * BRICK)];
            let at = grid.patient_from_index([0, 1, 2].map(|k| f64::from(first[k] * BRICK as i32) + at[k] as f64));
            let distance = (0..3).map(|k| (at[k] - centre[k]).powi(2)).sum::<f64>().sqrt() - radius_mm;
            *sample = (distance / grid.spacing_mm() * 32.0).round().clamp(-127.0, 127.0) as i8;
        }
    }
    field
}

fn case(mr_moved_by: Option<[f64; 3]>) -> Case {
    let grid = Grid::new([-20.0, -20.0, -20.0], 0.8, [3, 3, 3]).unwrap();
    let structure = |label: Label, centre, radius| Structure {
        label,
        class: label.class().unwrap(),
        source: Source::Phantom,
        uncertainty_mm: 0.0,
        volume_mm3: 0.0,
        sdf: ball(&grid, centre, radius),
    };
    let structures = vec![structure(Label::lumbar(4), [-8.0, 0.0, 0.0], 6.0), structure(Label::lumbar(5), [6.0, 0.0, 0.0], 5.0)];
    let mr = mr_moved_by.map(|t| {
        let geometry = ImageGeometry {
            size: [2; 3],
            spacing_mm: [1.0; 3],
            origin_mm: [0.0; 3],
            direction: crate::volume3d::IDENTITY,
            patient_from_image: [[1.0, 0.0, 0.0, t[0]], [0.0, 1.0, 0.0, t[1]], [0.0, 0.0, 1.0, t[2]]],
            slope: 1.0,
            intercept: 0.0,
        };
        ImageBricks::empty(geometry).unwrap()
    });
    Case { patient: Patient::new(grid, structures, DensityField::default()).unwrap(), ct: None, mr, meta: CaseMeta::default() }
}

/// A label map of balls on an oblique lattice.
fn reference(balls: &[(u16, [f64; 3], f64)]) -> Image<u16> {
    let (s, c) = 0.4_f64.sin_cos();
    let direction = [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]];
    let geometry = Geometry::new([70, 60, 40], [0.7, 0.7, 1.0], [-10.0, -28.0, -20.0], direction).unwrap();
    let label = |offset| {
        let at = geometry.patient_from_index(geometry.index_of(offset).map(|v| v as f64));
        let inside = |(_, centre, radius): &&(u16, [f64; 3], f64)| {
            (0..3).map(|k| (at[k] - centre[k]).powi(2)).sum::<f64>().sqrt() < *radius
        };
        balls.iter().find(inside).map_or(0, |(number, _, _)| *number)
    };
    Image::new(geometry, (0..geometry.voxel_count()).map(label).collect()).unwrap()
}

fn evaluated(case: &Case, reference: Image<u16>, frame: Frame) -> Evaluation {
    evaluate(case, reference, Scheme::Verse, frame).unwrap()
}

#[test]
fn the_same_shapes_agree_on_an_oblique_lattice() {
    let result = evaluated(&case(None), reference(&[(23, [-8.0, 0.0, 0.0], 6.0), (24, [6.0, 0.0, 0.0], 5.0)]), Frame::Ct);
    for name in ["vertebrae_L4", "vertebrae_L5"] {
        let (_, score) = result.structures[name];
        assert!(score.dsc > 0.98 && score.assd_mm < 0.1 && score.hd95_mm < 1.0, "{name}: {score:?}");
        assert!((score.volume_ratio - 1.0).abs() < 0.03 && score.surface_dice > 0.999, "{name}: {score:?}");
    }
    assert!(result.mean_dsc("vertebra").unwrap() > 0.98);
    assert_eq!(result.mean_dsc("disc"), None);
}

/// A ball half the volume inside another: the overlap and the distance follow from the radii.
#[test]
fn a_smaller_shape_scores_what_its_radius_says() {
    let result = evaluated(&case(None), reference(&[(23, [-8.0, 0.0, 0.0], 8.0)]), Frame::Ct);
    let (_, score) = result.structures["vertebrae_L4"];
    let ratio = (6.0_f64 / 8.0).powi(3);
    assert!((score.volume_ratio - ratio).abs() < 0.02, "{score:?}");
    assert!((score.dsc - 2.0 * ratio / (1.0 + ratio)).abs() < 0.02, "{score:?}");
    // Elements fill a layer of about a voxel, and the nearest of them counts: distances come out up to half a voxel short.
    assert!((1.5..2.05).contains(&score.assd_mm) && (score.hd95_mm - 2.0).abs() < 0.6, "{score:?}");
    assert_eq!(result.not_scored, ["vertebrae_L5"]);
}

#[test]
fn what_the_case_lacks_scores_nothing() {
    let result = evaluated(&case(None), reference(&[(22, [0.0, 0.0, 0.0], 4.0), (99, [12.0, 0.0, 0.0], 3.0)]), Frame::Ct);
    let (_, score) = result.structures["vertebrae_L3"];
    assert_eq!((score.dsc, score.volume_ratio), (0.0, 0.0));
    assert!(score.hd95_mm.is_infinite());
    assert_eq!(result.structures.len(), 1);
    assert!(result.unmapped[&99] > 10);
    let json = result.json();
    assert!(json["structures"]["vertebrae_L3"]["hd95_mm"].is_null());
    assert_eq!(json["structures"]["vertebrae_L3"]["dsc"], 0.0);
    assert_eq!(json["mean"]["vertebra"], 0.0);
    assert!(json["mean"]["neural"].is_null());
}

/// A cord that the reference holds in the sac's place is part of what the dura encloses: a sac that fills both agrees with the two together.
#[test]
fn sac_and_cord_are_one_space() {
    let patient = case(None).patient;
    let mut structures: Vec<_> = patient.structures().to_vec();
    structures[0].label = Label::DURAL_SAC;
    structures[0].class = TissueClass::Neural;
    structures.truncate(1);
    let patient = Patient::new(*patient.grid(), structures, DensityField::default()).unwrap();
    let whole = Case { patient, ..case(None) };
    let map = reference(&[(1, [-8.0, 0.0, 0.0], 3.0), (2, [-8.0, 0.0, 0.0], 6.0)]);
    let found = evaluate(&whole, map, Scheme::TotalSpineSeg, Frame::Ct).unwrap();
    assert!(found.sac_with_cord.unwrap().dsc > 0.98 && found.structures["dural_sac"].1.dsc < 0.96, "{found:?}");
    assert_eq!(found.structures["spinal_cord"].1.dsc, 0.0);
    assert_eq!(found.json()["dural_sac_with_cord"]["dsc"], found.sac_with_cord.unwrap().dsc);
    assert!(evaluated(&whole, reference(&[(23, [-8.0, 0.0, 0.0], 6.0)]), Frame::Ct).sac_with_cord.is_none());
}

#[test]
fn a_reference_in_the_mr_is_placed_by_the_registration() {
    let t = [3.0, -2.0, 1.5];
    let moved = reference(&[(23, [-8.0 - t[0], -t[1], -t[2]], 6.0)]);
    let right = evaluated(&case(Some(t)), moved.clone(), Frame::Mr);
    assert!(right.structures["vertebrae_L4"].1.dsc > 0.98);
    let wrong = evaluated(&case(Some(t)), moved.clone(), Frame::Ct);
    assert!(wrong.structures["vertebrae_L4"].1.dsc < 0.75);
    assert_eq!(evaluate(&case(None), moved, Scheme::Verse, Frame::Mr), Err(EvaluateError::NoMr));
}

#[test]
fn a_reference_without_structures_is_an_error() {
    let error = evaluate(&case(None), reference(&[(99, [0.0; 3], 4.0)]), Scheme::Verse, Frame::Ct).unwrap_err();
    assert_eq!(error, EvaluateError::Nothing { scheme: Scheme::Verse, numbers: vec![99] });
}

#[test]
fn target_error_is_the_distance_left() {
    let t = [3.0, 0.0, 0.0];
    let landmarks = Landmarks {
        ct: vec![[0.0; 3], [10.0, 0.0, 0.0]],
        mr: vec![[-3.0, 0.0, 0.0], [7.0, 0.0, 1.0]],
        structure: vec!["vertebrae_L4".into(), "vertebrae_L5".into()],
    };
    let found = target_error(&case(Some(t)), &landmarks).unwrap();
    assert_eq!((found.tre_mm.mean, found.tre_mm.max), (0.5, 1.0));
    assert_eq!(found.tre_mm.per_structure["vertebrae_L5"], 1.0);
    assert!((found.before_mm.mean - (3.0 + 10_f64.sqrt()) / 2.0).abs() < 1e-12);
    assert!(target_error(&case(Some(t)), &Landmarks::default()).is_err());
}
