//! What registration promises: vertebrae found apart from each other, levels that are in doubt said to be, the same on any number of
//! threads.

use std::sync::OnceLock;

use super::*;
use crate::phantom::{Motion, Options, Phantom, anatomy, generate, patient};
use crate::volume3d::Geometry;

fn options() -> Options {
    Options {
        seed: 12,
        levels: "L2-S1".parse().unwrap(),
        motion: Motion::Bent,
        spacing_mm: [1.0; 3],
        mr_spacing_mm: [1.0, 1.0, 2.5],
        ..Options::default()
    }
}

pub(super) fn phantom() -> &'static Phantom {
    static MADE: OnceLock<Phantom> = OnceLock::new();
    MADE.get_or_init(|| generate(&options()).unwrap())
}

fn registered() -> &'static Registration {
    static FOUND: OnceLock<Registration> = OnceLock::new();
    FOUND.get_or_init(|| register(&phantom().ct, &phantom().labels, &phantom().mr, None).unwrap())
}

pub(super) fn distance(a: V3, b: V3) -> f64 {
    length(sub(a, b))
}

/// Bones that moved against each other by several degrees are found each for itself, without any label in the MR and with headers that
/// are hundreds of mm off; a single rigid body would not do.
#[test]
fn a_bent_spine_is_found_bone_by_bone() {
    let (made, found) = (phantom(), registered());
    assert!(found.verified && found.level_margin > CLEAR, "{found:?}");
    let (mut own, mut whole, mut count) = (0.0, 0.0, 0.0);
    for ((ct, mr), name) in made.landmarks.ct.iter().zip(&made.landmarks.mr).zip(&made.landmarks.structure) {
        if let Some(bone) = found.bones.iter().find(|b| b.label.name() == *name) {
            own += distance(rigid::moved(&bone.mr_from_ct, *ct), *mr);
            whole += distance(rigid::moved(&found.mr_from_ct, *ct), *mr);
            count += 1.0;
        }
    }
    let (own, whole) = (own / count, whole / count);
    assert!(own < 1.5 && whole > 1.5 * own, "{own:.2} mm bone by bone, {whole:.2} mm as one body");
}

/// In a bone the blend is the bone's own motion, and on its surface nearly so, however near a facet joint's other side lies; its undoing is its
/// inverse; a straightened MR shows at a CT landmark what the MR shows
/// where that landmark went.
#[test]
fn the_blend_is_rigid_in_bone_and_can_be_undone() {
    let found = registered();
    let body = patient(&anatomy(&options()).unwrap(), options().levels, 1.5).unwrap();
    let warp = Warp::new(&body, &found.motions(), found.mr_from_ct);
    let (mut inside, mut beside, mut between) = (0, 0, 0);
    for (ct, name) in phantom().landmarks.ct.iter().zip(&phantom().landmarks.structure) {
        let there = warp.mr_from_ct(*ct);
        if let Some(bone) = found.bones.iter().find(|b| b.label.name() == *name) {
            let s = body.structure(bone.label).unwrap();
            let (off, own) = (spinor_volume::query::sdf_mm(body.grid(), &s.sdf, *ct), rigid::moved(&bone.mr_from_ct, *ct));
            if off < 0.0 {
                assert_eq!(there, own, "{name}");
                inside += 1;
            } else if off < 0.3 {
                assert!(distance(there, own) < 0.5, "{name}, {off} mm beside it: {} mm", distance(there, own));
                beside += 1;
            }
        } else if name.contains("disc") {
            assert!(distance(warp.ct_from_mr(there), *ct) < 0.1, "{name} at {ct:?}");
            between += 1;
        }
    }
    assert!(inside > 30 && beside > 0 && between > 20, "{inside} {beside} {between}");
    let nothing = Warp::new(&body, &[], found.mr_from_ct);
    assert_eq!(nothing.mr_from_ct([1.0, 2.0, 3.0]), rigid::moved(&found.mr_from_ct, [1.0, 2.0, 3.0]));
}

/// One thread and two give the same registration to the last bit.
#[test]
fn threads_do_not_matter() {
    let options = Options {
        seed: 15,
        levels: "L4-L5".parse().unwrap(),
        spacing_mm: [1.5; 3],
        mr_spacing_mm: [1.5, 1.5, 3.0],
        ..Options::default()
    };
    let made = generate(&options).unwrap();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| register(&made.ct, &made.labels, &made.mr, None).unwrap())
    };
    let alone = run(1);
    assert!(alone.bones.iter().all(|b| b.found), "{alone:?}");
    assert_eq!(alone, run(2));
}

/// A row of equal vertebrae: nothing tells one level from the next.
fn row(count: i32, invert: bool) -> (Image<f32>, Image<u16>) {
    let geometry = Geometry::axis_aligned([50, 60, 30 * count as usize], [1.2; 3], [-30.0, -30.0, -18.0]).unwrap();
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for n in 0..geometry.voxel_count() {
        let p = geometry.patient_from_index(geometry.index_of(n).map(|v| v as f64));
        let level = (p[2] / 36.0).round().clamp(0.0, f64::from(count - 1));
        let z = (p[2] - 36.0 * level).abs();
        let body = ((p[0] / 1.3).hypot(p[1]) - 15.0).max(z - 13.0);
        let arch = ((p[0].hypot(p[1] - 22.0) - 10.0).abs() - 3.0).max(z - 8.0);
        let d = body.min(arch);
        let value = if d < -1.5 {
            200.0
        } else if d < 0.0 {
            700.0
        } else {
            40.0
        };
        values.push(if invert { 900.0 - value } else { value });
        labels.push(if d < 0.0 { 45 - level as u16 } else { 0 });
    }
    (Image::new(geometry, values).unwrap(), Image::new(geometry, labels).unwrap())
}

/// Where the neighbouring level fits as well, no level is claimed: the first thing said is that the levels are in doubt.
#[test]
fn levels_that_cannot_be_told_apart_are_in_doubt() {
    let (ct, labels) = row(2, false);
    let (mr, _) = row(5, true);
    let found = register(&ct.map(|v| v as i16), &labels, &mr, None).unwrap();
    assert!(!found.verified && found.level_margin < CLEAR, "{found:?}");
    assert!(found.warnings[0].contains("levels are in doubt"), "{:?}", found.warnings);
}

/// An MR without anything like the bones is refused, and so is a CT without bones.
#[test]
fn nothing_alike_is_refused() {
    let (ct, labels) = row(2, false);
    let ct = ct.map(|v| v as i16);
    let flat = Image::filled(ct.geometry, 100.0_f32);
    assert!(matches!(register(&ct, &labels, &flat, None), Err(RegisterError::NotFound { .. })));
    let none = Image::filled(ct.geometry, 0_u16);
    assert_eq!(register(&ct, &none, &flat, None), Err(RegisterError::NoBone));
}

/// Images that are aligned already stay where they are.
#[test]
fn aligned_images_stay() {
    let (ct, labels) = row(3, false);
    let mr = ct.map(|v| 900.0 - v);
    let found = register(&ct.map(|v| v as i16), &labels, &mr, None).unwrap();
    for bone in &found.bones {
        let p = [0.0, 0.0, 36.0];
        assert!(distance(rigid::moved(&bone.mr_from_ct, p), p) < 0.3, "{bone:?}");
    }
}
