//! Proves that the room in what was cut away is all there is, never more, and the same whichever way the cuts came about.
#![allow(clippy::unwrap_used, reason = "a test stops at the first thing that is not as expected")]
#![allow(clippy::disallowed_methods, reason = "tests compare with analytic truth")]

mod common;

use common::*;
use spinor_volume::{
    BRICK, BrickIndex, BrickState, ClassMask, CutOp, CutState, DensityField, Grid, Label, Patient, TissueClass, VoxelIndex,
    query, sample::carve,
};

const BONE: ClassMask = ClassMask::of(&[TissueClass::Bone]);
const AXES: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
const TURNED: [[f64; 3]; 3] = [[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]];
const SPACING: f64 = 0.4;

/// Two vertebrae that touch at z = 10.1: a block of 18 mm.
fn block() -> Patient {
    let grid = Grid::covering([-1.0; 3], [21.0; 3], SPACING).unwrap();
    let half = |level, z: f64| structure(&grid, Label::lumbar(level), move |p| to_box(p, [10.1, 10.1, z], [9.0, 9.0, 4.5]));
    Patient::new(grid, vec![half(4, 14.6), half(5, 5.6)], DensityField::default()).unwrap()
}

fn bite(patient: &Patient, centre: [f64; 3], half: [f64; 3], axes: [[f64; 3]; 3]) -> CutOp {
    CutOp::box_mm(patient.grid(), centre, half, axes, 0.2, BONE).unwrap()
}

/// Room among all bone at a position, and the same by the cuts' distances alone, mm.
fn rooms(patient: &Patient, cut: &CutState, at: [f64; 3]) -> (f64, f64) {
    let least = |of: &dyn Fn(usize) -> f64| (0..2).map(of).fold(f64::INFINITY, f64::min);
    (least(&|k| query::room_mm(patient, cut, k, at)), least(&|k| query::effective_sdf_mm(patient, cut, k, at)))
}

/// Cuts of all kinds, near each other.
fn cuts(patient: &Patient) -> Vec<CutOp> {
    let mut cuts = vec![
        bite(patient, [7.0, 10.0, 12.0], [2.8, 2.3, 2.8], AXES),
        bite(patient, [12.9, 10.0, 12.0], [2.8, 2.3, 2.8], AXES),
        bite(patient, [9.9, 9.0, 6.2], [3.0, 3.3, 2.9], TURNED),
        bite(patient, [10.0, 18.0, 10.0], [4.0, 3.0, 1.5], AXES),
    ];
    for k in 0..24 {
        let at = |k: i32| [4.0 + 0.33 * f64::from(k), 13.2, 9.0 + 0.11 * f64::from(k)];
        cuts.push(CutOp::capsule_mm(patient.grid(), at(k), at(k + 1), 1.5, BONE).unwrap());
    }
    cuts
}

/// The room in all voxels of the block, in steps.
fn all(patient: &Patient, cut: &CutState) -> Vec<[i32; 2]> {
    let grid = patient.grid();
    let steps = |mm: f64| (mm / SPACING * 32.0 - 0.5).round() as i32;
    let read = |k: usize, voxel: [i32; 3]| query::room_mm(patient, cut, k, grid.patient_from_index(voxel.map(f64::from)));
    let [nx, ny, nz] = grid.voxels();
    (0..nx * ny * nz).map(|n| [n % nx, n / nx % ny, n / nx / ny]).map(|at| [steps(read(0, at)), steps(read(1, at))]).collect()
}

/// Where two bites meet a cut's distance is about nothing; the room is that of the hole, to a seventh.
#[test]
fn a_seam_of_bites_has_the_holes_room() {
    let patient = block();
    let mut cut = CutState::new(patient.grid());
    // Along x they abut, along z they overlap by more than their edges are round: four round edges leave a splinter between them.
    for z in [7.25, 12.75] {
        for x in [7.05, 13.05] {
            cut.apply(&patient, &bite(&patient, [x, 10.0, z], [2.8, 2.3, 2.8], AXES));
        }
    }
    for at in [[10.05, 10.0, 9.0], [10.05, 10.4, 8.0], [8.2, 10.0, 10.0], [10.1, 9.7, 12.9], [10.05, 10.0, 10.0]] {
        let hole = -to_box(at, [10.05, 10.0, 10.0], [6.0, 2.5, 5.75]);
        let (room, distance) = rooms(&patient, &cut, at);
        let all_mm = hole.min(query::clamp_mm(patient.grid()));
        assert!(distance < 0.3, "{at:?}: {distance}");
        assert!(room > 0.85 * all_mm - 0.1 && room < all_mm + 0.05, "{at:?}: {room} of {all_mm}");
    }
}

/// Bone that is left between two holes stops: a wall of two voxels is tissue, one of one voxel leaves no room for any tool, and within
/// either nothing is changed, straight or aslant.
#[test]
fn a_thin_wall_stays_a_wall() {
    let patient = block();
    for axes in [AXES, TURNED] {
        for (wall, most) in [(0.4, 0.1), (0.8, -0.03)] {
            let mut cut = CutState::new(patient.grid());
            for side in [-1.0, 1.0] {
                let middle: [f64; 3] = std::array::from_fn(|k| 10.03 + side * (2.0 + wall / 2.0) * axes[0][k]);
                cut.apply(&patient, &bite(&patient, middle, [1.8, 2.8, 2.8], axes));
            }
            for n in 0..15 * 15 {
                let (v, w) = (f64::from(n % 15) * 0.25 - 1.75, f64::from(n / 15) * 0.25 - 1.75);
                let across = (-24..=24).map(|k| {
                    let u = f64::from(k) * 0.05;
                    let at: [f64; 3] = std::array::from_fn(|k| 10.03 + u * axes[0][k] + v * axes[1][k] + w * axes[2][k]);
                    let (room, distance) = rooms(&patient, &cut, at);
                    // As far as the wall's own thickness nothing has changed.
                    assert!(u.abs() > wall / 2.0 || (room - distance).abs() < 1e-9, "{at:?}: {room} is not {distance}");
                    room
                });
                let least = across.fold(f64::INFINITY, f64::min);
                assert!(least < most, "a wall of {wall} mm leaves {least} mm at {v}, {w}");
            }
        }
    }
}

/// The room is what the definition says, sample by sample: the least of what a sample next to tissue has and the steps from it, or what
/// the cut's distance gives if that is more; and never more than to the nearest sample in tissue.
#[test]
fn the_room_is_what_its_definition_says() {
    let patient = block();
    let mut cut = CutState::new(patient.grid());
    for op in cuts(&patient) {
        cut.apply(&patient, &op);
    }
    let grid = patient.grid();
    let [nx, ny, nz] = grid.voxels();
    let structures = patient.structures();
    let left = |k: usize, at: [i32; 3]| {
        let (tissue, cut) =
            (structures[k].sdf.sample(grid, VoxelIndex(at)), cut.field(TissueClass::Bone).sample(grid, VoxelIndex(at)));
        i32::from(carve(tissue, cut))
    };
    let place = |at: [i32; 3]| (at[0] + nx * (at[1] + ny * at[2])) as usize;
    let voxels: Vec<[i32; 3]> = (0..nx * ny * nz).map(|n| [n % nx, n / nx % ny, n / nx / ny]).collect();
    let class: Vec<i32> = voxels.iter().map(|at| left(0, *at).min(left(1, *at))).collect();
    let around = |at: [i32; 3], far: i32| {
        let span = move |k: usize| (at[k] - far).max(0)..=(at[k] + far).min([nx, ny, nz][k] - 1);
        span(2).flat_map(move |z| span(1).flat_map(move |y| span(0).map(move |x| [x, y, z])))
    };
    let next: Vec<bool> = voxels.iter().map(|at| class[place(*at)] >= 0 && around(*at, 1).any(|n| class[place(n)] < 0)).collect();
    let read = all(&patient, &cut);
    let (mut deepened, mut far) = (0, 0);
    for at in &voxels {
        let own = class[place(*at)];
        if own < 0 {
            continue;
        }
        let (mut measured, mut nearest) = (127, f64::INFINITY);
        for n in around(*at, 4) {
            let mut d: [i32; 3] = std::array::from_fn(|k| (at[k] - n[k]).abs());
            if class[place(n)] < 0 {
                nearest = nearest.min(length(d.map(f64::from)));
            }
            d.sort_unstable();
            if next[place(n)] {
                measured = measured.min(class[place(n)].min(56) + 29 * d[2] + 10 * d[1] + 9 * d[0]);
            }
        }
        for k in 0..2 {
            // Where no cut is near at all the tissue's own distance is as it was.
            let wanted = left(k, *at).max(if next[place(*at)] { own } else { measured });
            let got = read[place(*at)][k];
            assert!(got == wanted || got == left(k, *at) && wanted - got < 8, "{at:?}: {got}, not {wanted} steps");
            deepened += u32::from(got > left(k, *at) + 16);
        }
        let room = f64::from(read[place(*at)][0].min(read[place(*at)][1])) / 32.0;
        assert!(room < nearest + 0.1 || room > 3.9, "{at:?}: {room} voxels, but {nearest} to tissue");
        far += u32::from(room > 3.9);
    }
    assert!(deepened > 500 && far > 500, "{deepened} samples have more room, {far} are far off");
}

/// Order, repeats, looking in between, splitting by bricks and taking bricks over from elsewhere: the room is the same.
#[test]
fn the_room_follows_from_the_cut_alone() {
    let patient = block();
    let cuts = cuts(&patient);
    let mut watched = CutState::new(patient.grid());
    let mut kinds = 0;
    for (n, op) in cuts.iter().enumerate() {
        watched.apply(&patient, op);
        if n % 3 != 1 {
            kinds += all(&patient, &watched).iter().filter(|v| v[0] > 100).count();
        }
    }
    let wanted = all(&patient, &watched);
    assert!(kinds > 0);
    let mut reversed = CutState::new(patient.grid());
    for op in cuts.iter().rev().chain(&cuts[..5]) {
        reversed.apply(&patient, op);
    }
    assert!(all(&patient, &reversed) == wanted, "the order matters");
    let mut mirror = CutState::new(patient.grid());
    all(&patient, &mirror);
    for (n, (class, brick, version, samples)) in watched.cut_bricks().enumerate() {
        mirror.replace(&patient, class, brick, version, samples).unwrap();
        if n % 2 == 0 {
            all(&patient, &mirror);
        }
    }
    assert!(all(&patient, &mirror) == wanted, "a mirror has another room");
    let mut parts = [0, 1].map(|part| {
        let mut state = CutState::new(patient.grid());
        for op in &cuts {
            state.apply_where(&patient, op, &|brick| brick.0 % 2 == part);
        }
        all(&patient, &state);
        state
    });
    let [whole, other] = &mut parts;
    whole.absorb(other);
    assert!(all(&patient, whole) == wanted, "the parts of a split have another room");
    // Back to an earlier state, brick by brick: the cut grows smaller.
    let mut earlier = CutState::new(patient.grid());
    for op in &cuts[..3] {
        earlier.apply(&patient, op);
    }
    for (class, brick, version, _) in watched.cut_bricks() {
        let before = match earlier.field(class).brick(brick) {
            BrickState::Samples(samples) => *samples,
            _ => [127; BRICK * BRICK * BRICK],
        };
        mirror.replace(&patient, class, brick, version, &before).unwrap();
    }
    let (back, then) = (all(&patient, &mirror), all(&patient, &earlier));
    let off = back.iter().zip(&then).filter(|(a, b)| (0..2).any(|k| (a[k] - b[k]).abs() > 8)).count();
    assert_eq!(off, 0, "going back leaves {off} samples");
}

/// Whether a position is in a class is what its distance says, through the cuts and on both sides of every brick's border; and the
/// structures that live in a brick are those whose field comes into it.
#[test]
fn being_in_a_class_is_having_a_negative_distance() {
    let patient = block();
    let grid = patient.grid();
    let mut cut = CutState::new(grid);
    for op in cuts(&patient) {
        cut.apply(&patient, &op);
    }
    let mut inside = 0;
    for n in 0..40_000_u32 {
        let spread = |k: u32| f64::from(n.wrapping_mul(k) % 9_973) / 9_973.0 * 24.0 - 2.0;
        let at = [spread(7_919), spread(6_101), spread(3_571)];
        let is_in = query::in_class(&patient, &cut, TissueClass::Bone, at);
        assert_eq!(is_in, query::class_sdf_mm(&patient, &cut, TissueClass::Bone, at) < 0.0, "{at:?}");
        assert!(!query::in_class(&patient, &cut, TissueClass::Disc, at));
        inside += u32::from(is_in);
    }
    assert!((5_000..35_000).contains(&inside), "{inside}");
    for brick in (0..grid.brick_count() as u32).map(BrickIndex) {
        let lives = |k: &u16| patient.structures()[usize::from(*k)].sdf.brick(brick) != BrickState::Outside;
        assert_eq!(patient.residents(brick), (0..2).filter(lives).collect::<Vec<u16>>(), "{brick:?}");
    }
    assert!(patient.residents(BrickIndex(u32::MAX)).is_empty());
}
