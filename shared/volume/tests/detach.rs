//! Proves that the pieces found brick by brick are those that a flood fill over every voxel finds, that lifting them out leaves exactly
//! what hangs, and that it does so on any division of the bricks.
#![allow(clippy::unwrap_used, reason = "a test stops at the first thing that is not as expected")]
#![allow(clippy::disallowed_methods, reason = "tests compare with analytic truth")]

mod common;

use std::collections::BTreeSet;

use common::*;
use spinor_volume::cut::OCCUPANCY_PER_VOXEL;
use spinor_volume::sample::carve;
use spinor_volume::{
    ClassMask, Connectivity, CutOp, CutState, DensityField, Grid, Label, Loose, Patient, Stamp, TissueClass, VoxelIndex, query,
};

type Voxels = BTreeSet<[i32; 3]>;

fn left(patient: &Patient, cut: &CutState, structure: usize, at: [i32; 3]) -> i8 {
    let s = &patient.structures()[structure];
    let voxel = VoxelIndex(at);
    carve(s.sdf.sample(patient.grid(), voxel), cut.field(s.class).sample(patient.grid(), voxel))
}

fn all_voxels(grid: &Grid) -> impl Iterator<Item = [i32; 3]> {
    let [nx, ny, nz] = grid.voxels();
    (0..nz).flat_map(move |z| (0..ny).flat_map(move |y| (0..nx).map(move |x| [x, y, z])))
}

/// The 6-connected components of what is left of a structure, by flood fill over a dense array; in the order of their first voxels.
fn brute_force(patient: &Patient, cut: &CutState, structure: usize) -> Vec<Voxels> {
    let mut open: Voxels = all_voxels(patient.grid()).filter(|at| left(patient, cut, structure, *at) < 0).collect();
    let mut components = Vec::new();
    while let Some(first) = open.pop_first() {
        let (mut component, mut front) = (Voxels::from([first]), vec![first]);
        while let Some(at) = front.pop() {
            for k in 0..3 {
                for d in [-1, 1] {
                    let mut next = at;
                    next[k] += d;
                    if open.remove(&next) {
                        component.insert(next);
                        front.push(next);
                    }
                }
            }
        }
        components.push(component);
    }
    components
}

fn voxels_of(grid: &Grid, loose: &Loose) -> Voxels {
    let place = |brick, at: [i32; 3]| {
        let first = grid.brick_coords(brick);
        [0, 1, 2].map(|k| first[k] * 16 + at[k])
    };
    loose.masks.iter().flat_map(|(brick, mask)| mask.voxels().map(|at| place(*brick, at)).collect::<Vec<_>>()).collect()
}

/// A thin, twisted bone that random cuts take apart, with a second one beside it and a disc.
fn brittle() -> Patient {
    let grid = Grid::new([-3.0; 3], 0.4, [3, 3, 3]).unwrap();
    let wave = |p: [f64; 3]| (p[0] * 0.9).sin() * 1.2 + (p[2] * 0.7).cos() * 1.1;
    let bone = structure(&grid, Label::lumbar(4), |p| (p[1] - 6.0 - wave(p)).abs().max((p[0] - 6.5).abs() - 7.0) - 0.7);
    let other = structure(&grid, Label::lumbar(5), |p| to_segment(p, [1.0, 1.0, 0.0], [12.0, 2.5, 12.0]) - 1.1);
    let disc = structure(&grid, Label::disc_below(4), |p| to_box(p, [6.5, 12.5, 6.5], [5.0, 0.6, 5.0]));
    Patient::new(grid, vec![bone, other, disc], DensityField::default()).unwrap()
}

/// Now a burr's sweep, now a saw's slab along an axis that comes through everything.
fn random_cut(patient: &Patient, random: &mut Random) -> CutOp {
    let grid = patient.grid();
    let sawing = random.below(3) > 0;
    let mut at = || f64::from(random.below(1_600)) / 100.0 - 1.5;
    let a = [at(), at(), at()];
    if sawing {
        let mut half = [9.0; 3];
        half[random.below(3) as usize] = 0.35;
        let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        return CutOp::box_mm(grid, a, half, axes, 0.0, ClassMask(0b0111)).unwrap();
    }
    let b = [a[0] + at() * 0.2 - 1.0, a[1] + at() * 0.2 - 1.0, a[2] + at() * 0.2 - 1.0];
    CutOp::capsule_mm(grid, a, b, 0.5 + f64::from(random.below(80)) / 100.0, ClassMask(0b0111)).unwrap()
}

/// Random cuts, one after another: the loose pieces are the components of a dense flood fill without the largest of their structure (for
/// the disc also without those at bone), and lifting them leaves the rest, voxel by voxel.
#[test]
fn pieces_are_those_of_a_flood_fill_over_every_voxel() {
    let patient = brittle();
    let grid = *patient.grid();
    let mut random = Random(11);
    let (mut found, mut bricks) = (0, 0);
    let mut cut = CutState::new(&grid);
    let mut pieces = Connectivity::new(&patient);
    for _ in 0..20 {
        let outcome = cut.apply(&patient, &random_cut(&patient, &mut random));
        pieces.update(&patient, &cut, &outcome.touched);
        let loose = pieces.loose(&patient, &cut);
        for structure in 0..patient.structures().len() {
            let components = brute_force(&patient, &cut, structure);
            let largest = components.iter().map(Voxels::len).max().unwrap_or(0);
            let mut held = components.iter().position(|c| c.len() == largest);
            let mut expected: Vec<Voxels> =
                components.into_iter().enumerate().filter(|(n, _)| held.take_if(|k| k == n).is_none()).map(|(_, c)| c).collect();
            if patient.structures()[structure].class != TissueClass::Bone {
                let at_bone = |at: &[i32; 3]| (0..2).any(|bone| left(&patient, &cut, bone, *at) <= 64);
                expected.retain(|c| !c.iter().any(at_bone));
            }
            let mut got: Vec<Voxels> = loose.iter().filter(|l| l.structure == structure).map(|l| voxels_of(&grid, l)).collect();
            expected.sort();
            got.sort();
            assert_eq!(got, expected, "structure {structure}");
            assert!(loose.iter().all(|l| l.voxels == l.masks.iter().map(|(_, m)| u64::from(m.count())).sum::<u64>()));
        }
        for piece in &loose {
            found += 1;
            bricks = bricks.max(piece.masks.len());
            let stays: Vec<Voxels> =
                (0..3).map(|s| all_voxels(&grid).filter(|at| left(&patient, &cut, s, *at) < 0).collect::<Voxels>()).collect();
            let stamp = piece.stamp(&patient, &cut);
            stamp.check(&patient).unwrap();
            let outcome = cut.stamp(&patient, &stamp);
            pieces.update(&patient, &cut, &outcome.touched);
            let own = voxels_of(&grid, piece);
            let touches_other = |s: usize| s != piece.structure && patient.structures()[s].class == stamp.class;
            for s in 0..3 {
                let after: Voxels = all_voxels(&grid).filter(|at| left(&patient, &cut, s, *at) < 0).collect();
                let expected: Voxels = stays[s].iter().filter(|at| s != piece.structure || !own.contains(*at)).copied().collect();
                assert!(after == expected || touches_other(s) && after.is_subset(&expected), "structure {s}");
            }
        }
        assert!(pieces.loose(&patient, &cut).is_empty(), "nothing is loose twice");
    }
    assert!(found >= 10 && bricks >= 3, "{found} pieces, the largest in {bricks} bricks");
}

/// A block sawn off: where it was, the distance is that to what stays, as if it had never been there; what it takes is its volume.
#[test]
fn a_lifted_block_leaves_no_ghost() {
    let grid = Grid::covering([-1.0; 3], [21.0; 3], 0.4).unwrap();
    let whole = structure(&grid, Label::lumbar(4), |p| to_box(p, [10.0; 3], [8.0, 6.0, 5.0]));
    let patient = Patient::new(grid, vec![whole], DensityField::default()).unwrap();
    let mut cut = CutState::new(&grid);
    let mut pieces = Connectivity::new(&patient);
    let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let saw = CutOp::box_mm(&grid, [13.5, 10.0, 10.0], [0.5, 8.0, 8.0], axes, 0.0, ClassMask(1)).unwrap();
    let sawn = cut.apply(&patient, &saw);
    pieces.update(&patient, &cut, &sawn.touched);
    let loose = pieces.loose(&patient, &cut);
    assert_eq!(loose.len(), 1);
    let centre = loose[0].centre_mm(&grid);
    assert!((centre[0] - 16.0).abs() < 0.25 && (centre[1] - 10.0).abs() < 0.25, "{centre:?}");
    let stamp = loose[0].stamp(&patient, &cut);
    let shape = loose[0].shape(&patient, &cut, &stamp);
    let inside: usize = shape.iter().map(|(_, samples)| samples.iter().filter(|v| **v < 0).count()).sum();
    assert_eq!(inside as u64, loose[0].voxels);
    let before = query::remaining_volume_mm3(&patient, &cut, 0);
    let outcome = cut.stamp(&patient, &stamp);
    let taken = outcome.removed[0].1 as f64 / OCCUPANCY_PER_VOXEL as f64 * grid.voxel_mm3();
    assert!((before - query::remaining_volume_mm3(&patient, &cut, 0) - taken).abs() < 1e-6);
    assert!((taken / (4.0 * 12.0 * 10.0) - 1.0).abs() < 0.03, "{taken} mm3");
    // What stays ends at x = 13: distances beyond grow as from there, clamped, wherever the block was.
    for x in 0..70 {
        let at = 13.2 + f64::from(x) * 0.1;
        let distance = query::effective_sdf_mm(&patient, &cut, 0, [at, 10.0, 10.0]);
        let wanted = (at - 13.0).min(query::clamp_mm(&grid));
        assert!((distance - wanted).abs() < 0.25, "{distance} instead of {wanted} at {at}");
    }
    // And what stays keeps its surface to the sample.
    let mut only_sawn = CutState::new(&grid);
    only_sawn.apply(&patient, &saw);
    for at in all_voxels(&grid).filter(|at| grid.patient_from_index(at.map(f64::from))[0] < 13.3) {
        assert_eq!(left(&patient, &cut, 0, at), left(&patient, &only_sawn, 0, at), "{at:?}");
    }
    // Applied twice, or in parts whose digests add up, it is the same.
    assert!(cut.stamp(&patient, &stamp).touched.is_empty());
    let digest = cut.digest();
    for parts in [2, 3] {
        let sum = (0..parts).fold(0_u64, |sum, part| {
            let mut share = CutState::new(&grid);
            let keep = |brick: spinor_volume::BrickIndex| brick.0 % parts == part;
            share.stamp_where(&patient, &stamp, &keep);
            share.apply_where(&patient, &saw, &keep);
            sum.wrapping_add(share.digest())
        });
        assert_eq!(sum, digest, "{parts} parts, in the other order");
    }
}

/// Both halves of a divided flavum stay on their bones; a strip of it cut free all around does not.
#[test]
fn flavum_hangs_on_bone() {
    let grid = Grid::covering([-12.0, -3.0, -12.0], [12.0, 6.0, 12.0], 0.4).unwrap();
    let bone = structure(&grid, Label::lumbar(4), |p| {
        to_box(p, [-8.0, 0.0, 0.0], [2.0, 2.0, 10.0]).min(to_box(p, [8.0, 0.0, 0.0], [2.0, 2.0, 10.0])).min(to_box(
            p,
            [0.0, 0.0, 9.0],
            [9.0, 2.0, 2.0],
        ))
    });
    let flavum = structure(&grid, Label::flavum_below(4), |p| to_box(p, [0.0, 0.0, -2.0], [6.2, 1.5, 6.0]));
    let patient = Patient::new(grid, vec![bone, flavum], DensityField::default()).unwrap();
    let mut cut = CutState::new(&grid);
    let mut pieces = Connectivity::new(&patient);
    let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let mut divide = |x: f64| {
        let saw = CutOp::box_mm(&grid, [x, 0.0, -2.0], [0.4, 4.0, 12.0], axes, 0.0, ClassMask(0b0010)).unwrap();
        let outcome = cut.apply(&patient, &saw);
        pieces.update(&patient, &cut, &outcome.touched);
        pieces.loose(&patient, &cut)
    };
    assert!(divide(2.0).is_empty());
    let strip = divide(-2.0);
    assert_eq!(strip.len(), 1);
    assert!(strip[0].centre_mm(&grid)[0].abs() < 0.3);
}

/// An island that the segmentation left is no fragment, whatever is cut beside it.
#[test]
fn islands_of_the_case_stay() {
    let grid = Grid::covering([-1.0; 3], [21.0; 3], 0.4).unwrap();
    let shape = |p: [f64; 3]| to_box(p, [8.0, 10.0, 10.0], [7.0, 3.0, 3.0]).min(to_box(p, [18.0; 3], [1.0; 3]));
    let patient = Patient::new(grid, vec![structure(&grid, Label::lumbar(4), shape)], DensityField::default()).unwrap();
    let mut cut = CutState::new(&grid);
    let mut pieces = Connectivity::new(&patient);
    let mut go = |at: [f64; 3]| {
        let outcome = cut.apply(&patient, &CutOp::capsule_mm(&grid, at, at, 1.2, ClassMask(1)).unwrap());
        pieces.update(&patient, &cut, &outcome.touched);
        pieces.loose(&patient, &cut)
    };
    assert!(go([8.0, 13.0, 10.0]).is_empty());
    assert!(go([18.0, 19.0, 18.0]).is_empty());
}

/// Stamps from elsewhere that cannot be are refused and change nothing.
#[test]
fn impossible_stamps_are_refused() {
    let patient = spine();
    let mut cut = CutState::new(patient.grid());
    let brick = patient.structures()[0].sdf.stored().next().unwrap().0;
    let samples = |v: i8| Box::new([v; 4096]);
    let stamp = |bricks: Vec<_>| Stamp { class: TissueClass::Bone, bricks };
    for refused in [
        stamp(vec![(brick, samples(i8::MIN))]),
        stamp(vec![(brick, samples(0)), (brick, samples(0))]),
        stamp(vec![(spinor_volume::BrickIndex(u32::MAX), samples(0))]),
    ] {
        assert!(refused.check(patient).is_err());
        assert_eq!(cut.stamp(patient, &refused), Default::default());
    }
    assert_eq!(cut.digest(), 0);
}
