//! Vertebrae made of parts, on a spine of cylinders whose truth is known: names, borders, what is dropped, and what is said.

use super::*;
use crate::segment::{Modality, Scan};
use crate::volume3d::Geometry;

/// Distance between two vertebrae, mm.
const APART_MM: f64 = 34.0;

/// What stands at a position (LPS, mm): five vertebrae from z = 0 (L5) upwards, half of a sixth, a sacrum below; the part, and which
/// vertebra (0 = L5, -1 = sacrum).
fn truth(p: [f64; 3]) -> (Part, i32) {
    let [x, y, z] = p;
    if x.hypot(y - 28.0) < 8.0 {
        return (Part::Canal, 0);
    }
    for k in 0..6 {
        let middle = APART_MM * f64::from(k);
        let above = z - middle;
        if x.hypot(y) < 20.0 && above.abs() <= 13.0 {
            return (Part::Body, k);
        }
        if x.hypot(y) < 19.0 && (above + 0.5 * APART_MM).abs() < 4.0 {
            return (Part::Disc, k);
        }
        let ring = x.hypot(y - 28.0) < 12.5 && (above + 4.0).abs() <= 9.0;
        let spinous = x.abs() < 4.0 && (38.0..65.0).contains(&y) && (above + 8.0).abs() < 8.0;
        if ring || spinous {
            return (Part::Arch, k);
        }
    }
    if x.hypot(y) < 22.0 && (-60.0..-21.0).contains(&z) {
        return (Part::Sacrum, -1);
    }
    (Part::Background, 0)
}

fn hu(part: Part) -> i16 {
    match part {
        Part::Body | Part::Arch | Part::Sacrum => 400,
        Part::Disc => 80,
        Part::Canal => 20,
        Part::Background => 40,
    }
}

/// The scene on voxels of 2 mm, up to `top` mm; `change` may spoil what the model says, not the CT.
fn scene(top: f64, change: impl Fn([f64; 3], Part) -> Part) -> (Image<u16>, Image<i16>) {
    let size = [40, 52, ((top + 60.0) / 2.0) as usize];
    let geometry = Geometry::axis_aligned(size, [2.0; 3], [-39.0, -30.0, -60.0]).unwrap();
    let at = |n: usize| geometry.patient_from_index(geometry.index_of(n).map(|v| v as f64));
    let parts = (0..geometry.voxel_count()).map(|n| change(at(n), truth(at(n)).0) as u16).collect();
    let ct = (0..geometry.voxel_count()).map(|n| hu(truth(at(n)).0)).collect();
    (Image::new(geometry, parts).unwrap(), Image::new(geometry, ct).unwrap())
}

fn unchanged(_: [f64; 3], part: Part) -> Part {
    part
}

/// Share of the voxels of true vertebra `k` (0 = L5) that carry `label`, and share of the label's voxels that lie there.
fn agreement(labels: &Image<u16>, k: i32, label: Label) -> f64 {
    let (mut a, mut b, mut both) = (0, 0, 0);
    for (n, found) in labels.voxels.iter().enumerate() {
        let (part, of) = truth(labels.geometry.patient_from_index(labels.geometry.index_of(n).map(|v| v as f64)));
        let wanted = part.is_bone() && of == k;
        a += usize::from(wanted);
        b += usize::from(*found == label.0);
        both += usize::from(wanted && *found == label.0);
    }
    2.0 * f64::from(both as u32) / f64::from((a + b) as u32)
}

fn count(labels: &Image<u16>, label: Label) -> usize {
    labels.voxels.iter().filter(|v| **v == label.0).count()
}

/// Every vertebra has its own arch, its name counted from the sacrum, its disc, and the border of the truth; a vertebra that is cut off
/// at the top keeps its own name where enough of it is in view.
#[test]
fn vertebrae_are_named_from_the_sacrum() {
    let (parts, ct) = scene(172.0, unchanged);
    let spine = spine_from_parts(&parts, Guide::Ct(&ct), None).unwrap();
    for (k, label) in [(0, 45), (1, 44), (2, 43), (3, 42), (4, 41), (5, 32), (-1, 50)] {
        let dice = agreement(&spine.labels, k, Label(label));
        assert!(dice > 0.9, "{}: {dice}", Label(label));
        assert!(spine.confidence[&label] > 0.9, "{}: {:?}", Label(label), spine.confidence);
    }
    for disc in [100, 95, 94, 93, 92, 91] {
        assert!(count(&spine.labels, Label(disc)) > 600, "{}", Label(disc));
    }
    assert!(count(&spine.labels, Label::DURAL_SAC) > 4_000);
    assert!(spine.notes[0].contains("from the sacrum"), "{:?}", spine.notes);
}

/// Without a sacrum in view the names are a guess and called so; told the lowest vertebra's name, they follow it.
#[test]
fn levels_without_a_sacrum_are_said_to_be_assumed() {
    let no_sacrum = |p: [f64; 3], part| if p[2] < -21.0 { Part::Background } else { part };
    let (parts, ct) = scene(172.0, no_sacrum);
    let assumed = spine_from_parts(&parts, Guide::Ct(&ct), None).unwrap();
    assert!(assumed.notes[0].starts_with("LEVELS ARE ASSUMED"), "{:?}", assumed.notes);
    assert!(agreement(&assumed.labels, 0, Label::lumbar(5)) > 0.9);
    let told = spine_from_parts(&parts, Guide::Ct(&ct), Some(Label::lumbar(2))).unwrap();
    assert!(told.notes[0].contains("L2"), "{:?}", told.notes);
    for (k, label) in [(0, 42), (1, 41), (2, 32), (3, 31), (4, 30)] {
        assert!(agreement(&told.labels, k, Label(label)) > 0.9, "{}", Label(label));
    }
    let error = spine_from_parts(&parts, Guide::Ct(&ct), Some(Label(12))).unwrap_err();
    assert!(matches!(error, SpineError::TooMany { found: 6, .. }), "{error}");
}

/// A disc that the model took for bone does not make one vertebra of two: the CT is darkest there, and the notes say that it was guessed.
#[test]
fn a_missed_disc_is_found_in_the_ct() {
    let missed = |p: [f64; 3], part| if part == Part::Disc && (p[2] - 1.5 * APART_MM).abs() < 6.0 { Part::Body } else { part };
    let (parts, ct) = scene(172.0, missed);
    let spine = spine_from_parts(&parts, Guide::Ct(&ct), None).unwrap();
    for (k, label) in [(0, 45), (1, 44), (2, 43), (3, 42), (4, 41)] {
        assert!(agreement(&spine.labels, k, Label(label)) > 0.85, "{}", Label(label));
    }
    assert!(spine.notes.iter().any(|n| n.contains("No disc was found below L3")), "{:?}", spine.notes);
}

/// Bone far from the canal is no spine; islands of disc in a body are marrow; bone that the model drew too fat follows the CT.
#[test]
fn what_is_wrong_is_dropped_or_moved() {
    let spoiled = |p: [f64; 3], part| {
        let near_body = p[0].hypot(p[1]) < 22.0 && (p[2] - APART_MM).abs() <= 13.0;
        if part == Part::Body && p[0].hypot(p[1]) < 5.0 && (p[2] - APART_MM).abs() < 4.0 {
            Part::Disc
        } else if part == Part::Background && (near_body || (p[1] < -22.0 && p[0].abs() < 12.0)) {
            Part::Body
        } else {
            part
        }
    };
    let (parts, ct) = scene(172.0, spoiled);
    let spine = spine_from_parts(&parts, Guide::Ct(&ct), None).unwrap();
    assert!(agreement(&spine.labels, 1, Label::lumbar(4)) > 0.9, "{}", agreement(&spine.labels, 1, Label::lumbar(4)));
    assert!(spine.confidence[&44] < spine.confidence[&43], "{:?}", spine.confidence);
}

/// An image without a canal, or without bodies beside it, is refused.
#[test]
fn no_spine_is_an_error() {
    let (nothing, ct) = scene(60.0, |_, _| Part::Background);
    assert!(matches!(spine_from_parts(&nothing, Guide::Ct(&ct), None), Err(SpineError::NoCanal { .. })));
    let (bones, ct) = scene(60.0, |_, part| if part == Part::Canal { Part::Background } else { part });
    assert!(matches!(spine_from_parts(&bones, Guide::Ct(&ct), None), Err(SpineError::NoCanal { .. })));
    let (canal, ct) = scene(60.0, |_, part| if part == Part::Canal { part } else { Part::Background });
    assert_eq!(spine_from_parts(&canal, Guide::Ct(&ct), None), Err(SpineError::NoBody));
}

/// The built-in model on a real scan that it never saw: every lumbar vertebra is found under its name and overlaps the expert's at least
/// this much. The scan holds half of T12 and the top of S1, and no ribs; L5 is told, as a user would.
#[test]
fn a_real_scan_is_segmented() {
    let Some(data) = crate::test_data::folder_for_models("a_real_scan_is_segmented", "ct") else { return };
    let ct = crate::nifti_io::read_nifti_i16(&data.join("sub-verse014_ct.nii.gz")).unwrap();
    let mut expert = crate::nifti_io::read_nifti_u16(&data.join("sub-verse014_seg-vert_msk.nii.gz")).unwrap();
    crate::schemes::Scheme::Verse.relabel(&mut expert.voxels);
    let model = crate::segment::built_in(Modality::Ct).unwrap();
    let found = crate::segment::segment_for_case(model, Scan::Ct(&ct), None, 2, &mut |_| {}).unwrap();
    assert_eq!(found.labels.geometry, ct.geometry);
    for label in 41..=45_u16 {
        let (mut sum, mut both) = (0_u32, 0_u32);
        for (a, b) in found.labels.voxels.iter().zip(&expert.voxels) {
            sum += u32::from(*a == label) + u32::from(*b == label);
            both += u32::from(*a == label && *b == label);
        }
        let dice = 2.0 * f64::from(both) / f64::from(sum);
        println!("{}: {dice:.3}, confidence {:?}", Label(label), found.confidence.get(&label));
        assert!(dice >= LEAST_DICE, "{}: {dice:.3}", Label(label));
    }
}

/// What every lumbar vertebra of the expert's scan must reach; the measured values stand in the model's card.
const LEAST_DICE: f64 = 0.72;

/// The built-in model for CT on a phantom that it never saw: vertebrae, sacrum and discs under their names. Synthetic.
#[test]
fn a_ct_of_a_phantom_is_segmented() {
    if let Err(error) = crate::runtime::library() {
        println!("skipped: a_ct_of_a_phantom_is_segmented: {error}");
        return;
    }
    let options = crate::phantom::Options { seed: 1000, spacing_mm: [0.9, 0.9, 1.25], ..crate::phantom::Options::default() };
    let made = crate::phantom::generate(&options).unwrap();
    let model = crate::segment::built_in(Modality::Ct).unwrap();
    let found = crate::segment::segment_for_case(model, Scan::Ct(&made.ct), None, 2, &mut |_| {}).unwrap();
    for (labels, least) in [(vec![41, 42, 43, 44, 45, 50], LEAST_PHANTOM_BONE), (vec![92, 93, 94, 95, 100], LEAST_PHANTOM_DISC)] {
        for label in labels {
            let own = dice(&found.labels, &made.labels, |v| v == label);
            println!("{}: {own:.3}", Label(label));
            assert!(own >= least, "{}: {own:.3}", Label(label));
        }
    }
}

/// What the test of a phantom's CT must reach; the measured values stand in the model's card.
const LEAST_PHANTOM_BONE: f64 = 0.915;
const LEAST_PHANTOM_DISC: f64 = 0.88;

/// In an MR nothing is dark or dense: vertebrae, names and discs are those of the parts, and the border stays where the network drew it.
#[test]
fn an_mr_needs_no_density() {
    let (parts, _) = scene(172.0, unchanged);
    let spine = spine_from_parts(&parts, Guide::Mr, None).unwrap();
    for (k, label) in [(0, 45), (1, 44), (2, 43), (3, 42), (4, 41), (5, 32), (-1, 50)] {
        let dice = agreement(&spine.labels, k, Label(label));
        assert!(dice > 0.9, "{}: {dice}", Label(label));
    }
    for disc in [100, 95, 94, 93, 92, 91] {
        assert!(count(&spine.labels, Label(disc)) > 600, "{}", Label(disc));
    }
    assert!(spine.confidence.is_empty() && spine.notes[0].contains("from the sacrum"), "{:?}", spine.notes);
    assert!(spine.notes.iter().all(|n| !n.contains("CT")), "{:?}", spine.notes);

    // A disc that was taken for bone, by which the body is a little thinner, and one that leaves no trace at all.
    let missed = |p: [f64; 3], part| {
        let place = (p[2] - 1.5 * APART_MM).abs() < 6.0;
        if place && (part == Part::Disc || p[0].hypot(p[1]) < 17.0) { Part::Body } else { part }
    };
    let whole = |p: [f64; 3], part| {
        let place = (p[2] - 1.5 * APART_MM).abs() < 6.0;
        if place && p[0].hypot(p[1]) < 20.0 { Part::Body } else { part }
    };
    for (parts, _) in [scene(172.0, missed), scene(172.0, whole)] {
        let spine = spine_from_parts(&parts, Guide::Mr, None).unwrap();
        for (k, label) in [(0, 45), (1, 44), (2, 43), (3, 42), (4, 41)] {
            let dice = agreement(&spine.labels, k, Label(label));
            assert!(dice > 0.8, "{}: {dice}", Label(label));
        }
        let said = spine.notes.iter().any(|n| n.contains("No disc was found below L3") && n.contains("half-way"));
        assert!(said, "{:?}", spine.notes);
    }
}

/// Dice of a label, or several, in two maps on the same voxels.
fn dice(found: &Image<u16>, truth: &Image<u16>, label: impl Fn(u16) -> bool) -> f64 {
    let (mut sum, mut both) = (0_u32, 0_u32);
    for (a, b) in found.voxels.iter().zip(&truth.voxels) {
        sum += u32::from(label(*a)) + u32::from(label(*b));
        both += u32::from(label(*a) && label(*b));
    }
    2.0 * f64::from(both) / f64::from(sum.max(1))
}

/// The built-in model for MR on a phantom that it never saw: vertebrae, discs and sac under their names, counted from the sacrum. Synthetic.
#[test]
fn an_mr_of_a_phantom_is_segmented() {
    if let Err(error) = crate::runtime::library() {
        println!("skipped: an_mr_of_a_phantom_is_segmented: {error}");
        return;
    }
    let made = crate::phantom::generate(&crate::phantom::Options { seed: 1000, ..crate::phantom::Options::default() }).unwrap();
    let model = crate::segment::built_in(Modality::Mr).unwrap();
    let found = crate::segment::segment_for_case(model, Scan::Mr(&made.mr), None, 2, &mut |_| {}).unwrap();
    assert!(found.notes[0].contains("from the sacrum"), "{:?}", found.notes);
    let cord = |v| v == Label::DURAL_SAC.0 || v == Label::SPINAL_CORD.0;
    let sac = dice(&found.labels, &made.mr_labels, cord);
    println!("sac {sac:.3}, confidence {:?}", found.confidence);
    assert!(sac >= LEAST_PHANTOM_SAC, "sac {sac:.3}");
    for label in (41..=45).chain([92, 93, 94, 95, 100]) {
        let own = dice(&found.labels, &made.mr_labels, |v| v == label);
        println!("{}: {own:.3}", Label(label));
        assert!(own >= LEAST_PHANTOM_MR, "{}: {own:.3}", Label(label));
        assert!(found.confidence[&label] > 0.8, "{}: {:?}", Label(label), found.confidence);
    }
}

/// The built-in model for MR on real scans that it never saw: the vertebral bodies of L1 to L5, and in another scan the discs, under their
/// right names, overlap the manual ones at least this much.
#[test]
fn real_mr_is_segmented() {
    let Some(data) = crate::test_data::folder_for_models("real_mr_is_segmented", "mr") else { return };
    for (name, bodies) in [("vb3_16", true), ("vb3_20", true), ("ivd_11", false)] {
        let mr = crate::nifti_io::read_nifti_f32(&data.join(format!("{name}_img.nii.gz"))).unwrap();
        let mut manual = crate::nifti_io::read_nifti_u16(&data.join(format!("{name}_seg.nii.gz"))).unwrap();
        for voxel in manual.voxels.iter_mut().filter(|v| **v != 0) {
            *voxel = match *voxel {
                n if bodies => 40 + n,
                1 => 100,
                n => 97 - n,
            };
        }
        let model = crate::segment::built_in(Modality::Mr).unwrap();
        let called = crate::segment::Model::from_folder(model.clone(), 2)
            .and_then(|mut model| model.segment(std::slice::from_ref(&mr), &crate::segment::Options::default(), &mut |_| {}))
            .unwrap();
        let found = crate::segment::segment_for_case(model, Scan::Mr(&mr), None, 2, &mut |_| {}).unwrap();
        // Arches are not in a map of bodies.
        let mut own = found.labels.clone();
        for (at, voxel) in own.voxels.iter_mut().enumerate().filter(|_| bodies) {
            if called.voxels[at] != Part::Body as u16 {
                *voxel = 0;
            }
        }
        let wanted = if bodies { [41, 42, 43, 44, 45] } else { [92, 93, 94, 95, 100] };
        for label in wanted {
            let dice = dice(&own, &manual, |v| v == label);
            println!("{name} {}: {dice:.3}, confidence {:?}", Label(label), found.confidence.get(&label));
            assert!(dice >= if bodies { LEAST_REAL_BODY } else { LEAST_REAL_DISC }, "{name} {}: {dice:.3}", Label(label));
        }
    }
}

/// What the tests of MR must reach; the measured values stand in the model's card.
const LEAST_PHANTOM_SAC: f64 = 0.88;
const LEAST_PHANTOM_MR: f64 = 0.76;
const LEAST_REAL_BODY: f64 = 0.82;
const LEAST_REAL_DISC: f64 = 0.7;
