//! Preparation from files: what it makes, what it says, and what it refuses.

use std::path::{Path, PathBuf};

use super::*;
use crate::nifti_io::write_nifti;
use crate::volume3d::Geometry;

/// Two vertebrae: a body, and a ring around a canal behind it.
fn exact(at: [f64; 3], centre_z: f64) -> f64 {
    let z = (at[2] - centre_z).abs();
    let body = (at[0].hypot(at[1]) - 18.0).max(z - 12.0);
    let ring = ((at[0].hypot(at[1] - 25.0) - 12.0).abs() - 3.5).max(z - 9.0);
    body.min(ring)
}

fn files(dir: &Path) -> (PathBuf, PathBuf) {
    let geometry = Geometry::axis_aligned([64, 72, 45], [1.0, 1.0, 2.0], [-32.0, -26.0, 400.0]).unwrap();
    let (mut hu, mut labels) = (Vec::new(), Vec::new());
    for at in 0..geometry.voxel_count() {
        let p = geometry.patient_from_index(geometry.index_of(at).map(|v| v as f64));
        let d = [exact(p, 426.0), exact(p, 462.0)];
        labels.push(if d[0] < 0.0 {
            23_u16
        } else if d[1] < 0.0 {
            22
        } else {
            0
        });
        hu.push(if d[0].min(d[1]) < 0.0 { 400_i16 } else { 30 });
    }
    // A corner of air, as in every scan.
    hu[0] = -1000;
    let (ct, label) = (dir.join("ct.nii.gz"), dir.join("labels.nii.gz"));
    write_nifti(&ct, &Image::new(geometry, hu).unwrap()).unwrap();
    write_nifti(&label, &Image::new(geometry, labels).unwrap()).unwrap();
    (ct, label)
}

fn quietly(options: &PrepareOptions) -> Result<Prepared, PrepareError> {
    prepare(options, &mut |_, _| {})
}

/// CT and labels become a case that decodes to itself, with density, CT slices, a proposed sac in the canal, and no trace of a path.
#[test]
fn a_case_is_made_and_says_what_is_proposed() {
    let dir = tempfile::tempdir().unwrap();
    let (ct, labels) = files(dir.path());
    let options =
        PrepareOptions { ct: Some(ct), labels: Some((labels, Scheme::Verse)), threads: Some(2), ..PrepareOptions::default() };
    let made = quietly(&options).unwrap();
    assert_eq!(Case::decode(&made.bytes).unwrap(), made.case);
    assert_eq!(made.case.hash(), made.hash);
    assert_eq!(quietly(&options).unwrap().hash, made.hash, "the same input gives the same case");

    let sac = made.case.patient.structure(Label::DURAL_SAC).unwrap();
    assert_eq!(sac.source, Source::Proposed);
    let slab = sac.volume_mm3 / (std::f64::consts::PI * 7.5 * 7.5);
    assert!((30.0..=70.0).contains(&slab), "a sac of 15 mm would be {slab} mm long");
    let [silent, empty, proposed, ..] = made.case.meta.warnings.as_slice() else { panic!("{:?}", made.case.meta.warnings) };
    assert!(silent.contains("NO ALARM") && silent.contains("L4 roots left + right") && !silent.contains("canal"), "{silent}");
    assert!(empty.contains("L4 disc L4/L5, flavum L4/L5"), "{empty}");
    assert!(proposed.contains("The dural sac is proposed"), "{proposed}");
    assert!(!made.case.meta.warnings.iter().any(|w| w == NO_NEURAL));

    let json = made.json("x.spinor");
    assert_eq!(json["levels"], serde_json::json!(["L3", "L4"]));
    assert_eq!(json["structures"]["vertebrae_L4"]["source"], "labelled");
    assert_eq!(json["structures"]["dural_sac"]["source"], "proposed");
    let l4 = &json["coverage"][1];
    assert_eq!(
        (&l4["level"], &l4["given"], &l4["proposed"][0]),
        (&"L4".into(), &serde_json::json!(["vertebra"]), &"canal".into())
    );
    assert_eq!(l4["no_alarm"], serde_json::json!(["root left", "root right"]));
    for key in ["total", "ingest", "register", "segment", "fuse", "bake"] {
        assert!(json["seconds"][key].is_number(), "{key}");
    }
    let hu = made.case.ct.as_ref().unwrap().sample_hu([0.0, 0.0, 426.0]).unwrap();
    assert_eq!(hu, 400.0);
    let grid = made.case.patient.grid();
    let voxel = spinor_volume::VoxelIndex(grid.index_from_patient([0.0, 0.0, 426.0]).map(|v| v.round() as i32));
    assert_eq!(made.case.patient.density().hu(grid, voxel), 400);

    let folder = dir.path().file_name().unwrap().to_str().unwrap().as_bytes().to_vec();
    let meta = serde_json::to_vec(&made.case.meta).unwrap();
    assert!(!meta.windows(folder.len()).any(|w| w == folder), "the case names a folder");
    let text = CaseSummary::of(&made.case, made.hash).to_string();
    assert!(text.contains("! The dural sac is proposed") && text.contains("vertebrae_L3"), "{text}");
}

/// Without a sac, given or proposed, the first thing a case says is that the alarm guards nothing.
#[test]
fn a_case_without_nerves_says_so_first() {
    let dir = tempfile::tempdir().unwrap();
    let (ct, labels) = files(dir.path());
    let labels = Some((labels, Scheme::Verse));
    let made = quietly(&PrepareOptions { ct: Some(ct), labels, no_proposals: true, ..PrepareOptions::default() }).unwrap();
    assert_eq!(made.case.meta.warnings[0], NO_NEURAL);
    assert!(made.case.meta.warnings[1].starts_with("NO ALARM"), "{:?}", made.case.meta.warnings);
    assert_eq!(made.json("x")["warnings"][0], NO_NEURAL);
}

/// A cord that ends below the upper vertebra, and no root, without proposals: the case says first what the alarm does not guard.
#[test]
fn levels_and_roots_without_a_guard_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (ct, labels) = files(dir.path());
    let mut map = read_nifti_u16(&labels).unwrap();
    for at in 0..map.voxels.len() {
        let p = map.geometry.patient_from_index(map.geometry.index_of(at).map(|v| v as f64));
        let in_cord = p[0].hypot(p[1] - 25.0) < 5.0 && (410.0..442.0).contains(&p[2]);
        map.voxels[at] = match map.voxels[at] {
            23 => 44,
            22 => 43,
            _ if in_cord => Label::SPINAL_CORD.0,
            other => other,
        };
    }
    let path = dir.path().join("cord.nii.gz");
    write_nifti(&path, &map).unwrap();
    let labels = Some((path, Scheme::TotalSpineSeg));
    let made = quietly(&PrepareOptions { ct: Some(ct), labels, no_proposals: true, ..PrepareOptions::default() }).unwrap();
    assert!(made.case.patient.structures().iter().all(|s| s.source == Source::Labelled));
    let [silent, ..] = made.case.meta.warnings.as_slice() else { panic!("{:?}", made.case.meta.warnings) };
    assert!(silent.contains("L3 canal, roots left + right; L4 roots left + right."), "{silent}");
}

/// An MR in which nothing looks like the CT's bones stays where its headers put it, and the case says so and never calls it verified.
#[test]
fn an_mr_without_the_bones_is_packed_and_marked_unverified() {
    let dir = tempfile::tempdir().unwrap();
    let (ct, labels) = files(dir.path());
    let labels = Some((labels, Scheme::Verse));
    let geometry = Geometry::axis_aligned([64, 72, 45], [1.0, 1.0, 2.0], [-32.0, -26.0, 400.0]).unwrap();
    let flat = dir.path().join("flat.nii.gz");
    write_nifti(&flat, &Image::filled(geometry, 300.0_f32)).unwrap();
    let made = quietly(&PrepareOptions { mr: Some(flat), ct: Some(ct), labels, ..PrepareOptions::default() }).unwrap();
    let value = made.case.mr.as_ref().unwrap().sample_hu([0.0, 0.0, 426.0]).unwrap();
    assert!((value - 300.0).abs() < 0.1, "{value}");
    let json = made.json("x");
    assert_eq!((&json["registration"]["method"], &json["registration"]["verified"]), (&"headers".into(), &false.into()));
    assert!(made.case.meta.warnings[0].contains("not registered"), "{:?}", made.case.meta.warnings);
    let kept = made.case.meta.warnings.iter().any(|w| w.contains("not taken from the MR: the MR is not registered"));
    assert!(kept && made.case.patient.structure(Label::DURAL_SAC).unwrap().source == Source::Proposed);
}

/// An MR from another frame is registered: its slices show the bones where the CT has them, every vertebra has its uncertainty, and
/// landmarks measured through the case file agree with the known motion.
#[test]
fn an_mr_of_another_frame_is_registered() {
    let options = crate::phantom::Options {
        seed: 31,
        levels: "L3-L5".parse().unwrap(),
        spacing_mm: [1.0; 3],
        mr_spacing_mm: [1.0, 1.0, 2.5],
        ..Default::default()
    };
    let phantom = crate::phantom::generate(&options).unwrap();
    let dir = tempfile::tempdir().unwrap();
    crate::phantom::write(&phantom, dir.path()).unwrap();
    let at = |name: &str| dir.path().join(name);
    let labels = Some((at("labels.nii.gz"), Scheme::TotalSpineSeg));
    let mr_labels = Some((at("mr_labels.nii.gz"), Scheme::TotalSpineSeg));
    let made = quietly(&PrepareOptions {
        ct: Some(at("ct.nii.gz")),
        mr: Some(at("mr.nii.gz")),
        labels,
        mr_labels,
        ..Default::default()
    });
    let made = made.unwrap();
    let json = made.json("x");
    let registration = &json["registration"];
    assert!(registration["method"].as_str().unwrap().contains("per vertebra"), "{registration}");
    for name in ["vertebrae_L3", "vertebrae_L4", "vertebrae_L5"] {
        let mm = registration["per_vertebra"][name]["uncertainty_mm"].as_f64().unwrap();
        assert!((0.1..=8.0).contains(&mm), "{name}: {mm}");
    }
    let l = &phantom.landmarks;
    let landmarks = crate::evaluate::Landmarks { ct: l.ct.clone(), mr: l.mr.clone(), structure: l.structure.clone() };
    let case = Case::decode(&made.bytes).unwrap();
    let error = crate::evaluate::target_error(&case, &landmarks).unwrap();
    assert!(error.before_mm.mean > 100.0 && error.tre_mm.mean < 2.0, "{error:?}");
    // The slices: dark cortex or bright marrow, whatever it is, stands where the motion says.
    let (mr, warped) = (&phantom.mr, case.mr.as_ref().unwrap());
    let mut apart = Vec::new();
    for (ct, there) in l.ct.iter().zip(&l.mr) {
        if let (Some(a), Some(b)) = (mr.trilinear_at_mm(*there), warped.sample_hu(*ct)) {
            apart.push((a - f64::from(b)).abs());
        }
    }
    apart.sort_by(f64::total_cmp);
    let median = apart[apart.len() / 2];
    assert!(apart.len() > 60 && median < 90.0, "{} values, half differ by more than {median:.0}", apart.len());
}

/// With a CT and an MR the dural sac is the MR's where nobody gave one: of its label map, or found by the model for MR. Case, report and warnings
/// say so, a second run takes what the first one found, and a sac of the user's own stays.
#[test]
fn the_dural_sac_is_taken_from_the_mr() {
    let options = crate::phantom::Options {
        seed: 31,
        levels: "L3-S1".parse().unwrap(),
        spacing_mm: [1.0; 3],
        mr_spacing_mm: [1.0, 1.0, 2.5],
        ..Default::default()
    };
    let phantom = crate::phantom::generate(&options).unwrap();
    let dir = tempfile::tempdir().unwrap();
    crate::phantom::write(&phantom, dir.path()).unwrap();
    let at = |name: &str| dir.path().join(name);
    let bones = phantom.labels.map(|n| if Label(n).class() == Some(TissueClass::Bone) { n } else { 0 });
    write_nifti(&at("bones.nii.gz"), &bones).unwrap();
    let given = |labels: &str| PrepareOptions {
        ct: Some(at("ct.nii.gz")),
        mr: Some(at("mr.nii.gz")),
        labels: Some((at(labels), Scheme::TotalSpineSeg)),
        mr_labels: Some((at("mr_labels.nii.gz"), Scheme::TotalSpineSeg)),
        registry: Some(PathBuf::from("no such folder")),
        ..Default::default()
    };
    let dice = |made: &Prepared| {
        let found =
            crate::evaluate::evaluate(&made.case, phantom.labels.clone(), Scheme::TotalSpineSeg, crate::evaluate::Frame::Ct);
        found.unwrap().sac_with_cord.unwrap().dsc
    };
    let sac = |made: &Prepared| made.case.patient.structure(Label::DURAL_SAC).unwrap().source;

    let labelled = quietly(&given("bones.nii.gz")).unwrap();
    assert_eq!(labelled.json("x")["structures"]["dural_sac"]["image"], "mr");
    assert!(sac(&labelled) == Source::Labelled && dice(&labelled) > 0.9, "{}", dice(&labelled));
    let warnings = &labelled.case.meta.warnings;
    assert!(warnings.iter().any(|w| w.contains("found in the MR by the MR's label map")), "{warnings:?}");
    assert!(!warnings.iter().any(|w| w.contains("The dural sac is proposed")), "{warnings:?}");
    // Roots come out of it.
    assert!(labelled.case.patient.structure(Label::root(4, true)).is_some_and(|root| root.source == Source::Proposed));
    let folder = dir.path().join("report");
    crate::report::write_report(&folder, &labelled.case, labelled.ct.as_ref(), labelled.mr.as_ref(), "x").unwrap();
    assert!(std::fs::read_to_string(folder.join("report.html")).unwrap().contains("labelled in the MR"));

    let own = quietly(&given("labels.nii.gz")).unwrap();
    assert!(own.json("x")["structures"]["dural_sac"].get("image").is_none());
    assert!(!own.case.meta.warnings.iter().any(|w| w.contains("found in the MR")), "{:?}", own.case.meta.warnings);

    if crate::runtime::library().is_err() {
        println!("skipped: the_dural_sac_is_taken_from_the_mr, its second half: no ONNX Runtime");
        return;
    }
    let stages = Some(at("stages"));
    let modelled = PrepareOptions { mr_labels: None, stages, ..given("bones.nii.gz") };
    let mut steps = Vec::new();
    let made = prepare(&modelled, &mut |stage, _| steps.push(stage)).unwrap();
    steps.dedup();
    assert_eq!(
        steps,
        [Stage::Ingest, Stage::Bake, Stage::Register, Stage::SegmentMr, Stage::Fuse, Stage::Pack],
        "the MR is looked at once it is registered"
    );
    assert!(sac(&made) == Source::Segmented && dice(&made) > 0.85, "{}", dice(&made));
    let json = made.json("x");
    let said = &json["structures"]["dural_sac"];
    let off_mm = built_in(segment::Modality::Mr).unwrap().settings.uncertainty_mm.unwrap();
    assert!(said["uncertainty_mm"].as_f64().unwrap() > off_mm && said["confidence"].as_f64().unwrap() > 0.5, "{said}");
    assert!(made.case.meta.warnings.iter().any(|w| w.contains("in real MR nobody")), "{:?}", made.case.meta.warnings);
    let again = quietly(&modelled).unwrap();
    assert_eq!((made.reused, again.reused), (false, true));
    assert_eq!(made.hash, again.hash);
}

/// Labels of another scan are refused, and labels beside the bones are pointed out.
#[test]
fn labels_elsewhere_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (ct, labels) = files(dir.path());
    let mut moved = read_nifti_u16(&labels).unwrap();
    moved.geometry.origin_mm[2] += 60.0;
    let other = dir.path().join("other.nii.gz");
    write_nifti(&other, &moved).unwrap();
    let options =
        |path| PrepareOptions { ct: Some(ct.clone()), labels: Some((path, Scheme::Verse)), ..PrepareOptions::default() };
    let error = quietly(&options(other)).unwrap_err();
    assert!(matches!(error, PrepareError::Outside { percent, .. } if percent > 20.0), "{error}");
    assert!(error.to_string().contains("another scan"), "{error}");

    let missing = quietly(&options(dir.path().join("none.nii.gz"))).unwrap_err();
    assert!(matches!(missing, PrepareError::Labels { .. }) && missing.to_string().contains("none.nii.gz"), "{missing}");

    // Numbers that another scheme gives to cord and canal: no patient has those without a vertebra.
    let mut canal = read_nifti_u16(&labels).unwrap();
    canal.voxels.iter_mut().for_each(|v| *v = u16::from(*v > 0));
    let wrong = dir.path().join("wrong.nii.gz");
    write_nifti(&wrong, &canal).unwrap();
    let given =
        PrepareOptions { ct: Some(ct.clone()), labels: Some((wrong, Scheme::TotalSpineSeg)), ..PrepareOptions::default() };
    let error = quietly(&given).unwrap_err();
    assert!(matches!(&error, PrepareError::NoVertebra { numbers, .. } if numbers == "1"), "{error}");

    // Numbers that another scheme gives to other vertebrae: L3 and L4 would be C4 and C3.
    let wrong = Scheme::TotalSegmentatorVertebraeMr;
    let given = PrepareOptions { ct: Some(ct.clone()), labels: Some((labels.clone(), wrong)), ..PrepareOptions::default() };
    let error = quietly(&given).unwrap_err();
    assert!(matches!(&error, PrepareError::NoSpine { .. }), "{error}");
    assert!(error.to_string().contains("upside down") && error.to_string().contains("--scheme verse"), "{error}");
    let mr = dir.path().join("mr.nii.gz");
    write_nifti(&mr, &Image::filled(read_nifti_u16(&labels).unwrap().geometry, 300.0_f32)).unwrap();
    let error = quietly(&PrepareOptions { mr: Some(mr), mr_labels: Some((labels.clone(), wrong)), ..options(labels.clone()) });
    assert!(matches!(error.unwrap_err(), PrepareError::NoSpine { scheme: "totalsegmentator-vertebrae-mr", .. }));

    let mut shifted = read_nifti_u16(&labels).unwrap();
    shifted.voxels.fill(0);
    shifted.voxels[..64 * 10 * 3].fill(23);
    let air = dir.path().join("air.nii.gz");
    write_nifti(&air, &shifted).unwrap();
    let made = quietly(&options(air)).unwrap();
    assert!(made.case.meta.warnings.iter().any(|w| w.contains("does not seem to lie on")), "{:?}", made.case.meta.warnings);
}

/// An MR given as CT has nothing as low as fat: that is said before all else.
#[test]
fn an_mr_given_as_ct_is_doubted_first() {
    let dir = tempfile::tempdir().unwrap();
    let (ct, labels) = files(dir.path());
    let mr = dir.path().join("mr.nii.gz");
    write_nifti(&mr, &crate::nifti_io::read_nifti_i16(&ct).unwrap().map(|v| v.max(0))).unwrap();
    let made =
        quietly(&PrepareOptions { ct: Some(mr), labels: Some((labels, Scheme::Verse)), ..PrepareOptions::default() }).unwrap();
    assert!(made.case.meta.warnings[0].starts_with("IS THIS A CT IN HU?"), "{:?}", made.case.meta.warnings);
}

/// An MR alone makes a case where a label map in its frame says where the bones are: it lies where the MR does, says that no density is known,
/// and shows the MR. Without any image there is no case.
#[test]
fn an_mr_alone_makes_a_case_with_labels() {
    let dir = tempfile::tempdir().unwrap();
    let (ct, labels) = files(dir.path());
    let mr = dir.path().join("mr.nii.gz");
    write_nifti(&mr, &crate::nifti_io::read_nifti_f32(&ct).unwrap().map(|v| (v + 1000.0) / 3.0)).unwrap();
    let alone = PrepareOptions { mr: Some(mr), ..PrepareOptions::default() };
    let made = quietly(&PrepareOptions { labels: Some((labels, Scheme::Verse)), ..alone.clone() }).unwrap();
    let case = Case::decode(&made.bytes).unwrap();
    assert!(case.ct.is_none() && made.ct.is_none() && case.patient.density().stored().next().is_none());
    assert_eq!(case.meta.warnings[0], NO_CT, "{:?}", case.meta.warnings);
    // The body of L4, where the files put it.
    let l4 = case.patient.structure(Label::lumbar(4)).unwrap();
    assert!(spinor_volume::query::sdf_mm(case.patient.grid(), &l4.sdf, [0.0, 0.0, 426.0]) < -1.0);
    let shown = case.mr.as_ref().unwrap().sample_hu([0.0, 0.0, 426.0]).unwrap();
    assert!((shown - 1_400.0 / 3.0).abs() < 1.0, "{shown}");
    let folder = dir.path().join("report");
    crate::report::write_report(&folder, &case, None, made.mr.as_ref(), "x").unwrap();
    assert!(std::fs::read_to_string(folder.join("report.html")).unwrap().contains("There is no CT"));
    assert!(matches!(quietly(&PrepareOptions::default()).unwrap_err(), PrepareError::NoImage));
}

/// A real MR alone, without labels, makes a case: levels counted from the sacrum, structures marked as segmented with what the model was
/// measured to be off by, and what is not known stands first.
#[test]
fn an_mr_alone_is_segmented() {
    let Some(data) = crate::test_data::folder_for_models("an_mr_alone_is_segmented", "mr") else { return };
    let registry = Some(PathBuf::from("no such folder"));
    let stages = tempfile::tempdir().unwrap();
    let (mr, stages) = (Some(data.join("vb3_17_img.nii.gz")), Some(stages.path().to_owned()));
    let options = PrepareOptions { mr, registry, stages, ..PrepareOptions::default() };
    let made = quietly(&options).unwrap();
    // A second run takes what the first one segmented, and makes the same case of it.
    let again = quietly(&options).unwrap();
    assert_eq!((made.reused, again.reused), (false, true));
    assert_eq!(made.hash, again.hash);
    let case = Case::decode(&made.bytes).unwrap();
    let warnings = &case.meta.warnings;
    assert!(case.ct.is_none() && case.mr.is_some());
    assert_eq!(warnings[0], NO_CT, "{warnings:?}");
    let place = |text: &str| warnings.iter().position(|w| w.contains(text)).unwrap_or(usize::MAX);
    assert!(place("counted upwards from the sacrum") < place("spine-mr") && place("spine-mr") < usize::MAX, "{warnings:?}");
    let off_mm = built_in(segment::Modality::Mr).unwrap().settings.uncertainty_mm.unwrap() as f32;
    for label in [2, 41, 42, 43, 44, 45, 50, 92, 93, 94, 95, 100].map(Label) {
        let structure = case.patient.structure(label).unwrap_or_else(|| panic!("{label} is missing"));
        assert!(structure.source == Source::Segmented && structure.uncertainty_mm >= off_mm, "{label}");
        let known = case.meta.structures.iter().find(|m| m.label == label.0).unwrap();
        assert!(known.confidence.is_some_and(|c| c > 0.5), "{label}: {:?}", known.confidence);
    }
    let folder = tempfile::tempdir().unwrap();
    crate::report::write_report(folder.path(), &case, None, made.mr.as_ref(), "x").unwrap();
    assert!(std::fs::read_to_string(folder.path().join("report.html")).unwrap().contains("spine-mr"));
}

/// A label map on a coarser lattice in the same frame does as well.
#[test]
fn labels_may_lie_on_another_lattice() {
    let dir = tempfile::tempdir().unwrap();
    let (ct, _) = files(dir.path());
    let geometry = Geometry::axis_aligned([40, 44, 60], [1.5; 3], [-29.0, -20.0, 402.0]).unwrap();
    let voxels = (0..geometry.voxel_count()).map(|at| {
        let p = geometry.patient_from_index(geometry.index_of(at).map(|v| v as f64));
        if exact(p, 426.0) < 0.0 { 44_u16 } else { 0 }
    });
    let path = dir.path().join("coarse.nii.gz");
    write_nifti(&path, &Image::new(geometry, voxels.collect()).unwrap()).unwrap();
    let made =
        quietly(&PrepareOptions { ct: Some(ct), labels: Some((path, Scheme::TotalSpineSeg)), ..PrepareOptions::default() })
            .unwrap();
    assert_eq!(made.json("x")["levels"], serde_json::json!(["L4"]));
}

/// The small CT and masks that other programs drew (`scripts/make_contour_fixtures.py`).
fn drawn(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/contours").join(name)
}

fn with_contours(labels: Option<PathBuf>, contours: &[PathBuf]) -> PrepareOptions {
    PrepareOptions {
        ct: Some(drawn("ct")),
        labels: labels.map(|path| (path, Scheme::TotalSpineSeg)),
        contours: contours.to_vec(),
        contour_options: ContourOptions { scheme: Some(Scheme::TotalSpineSeg), ..ContourOptions::default() },
        registry: Some(PathBuf::from("no such folder")),
        no_proposals: true,
        ..PrepareOptions::default()
    }
}

/// Contours take the place of what was labelled and of what would be proposed; the case says which is which, and what was there before.
#[test]
fn contours_replace_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    // Labels without sac and root, and with an L4 that reaches a voxel too far to the side, into the root's place as well.
    let mut labels = read_nifti_u16(&drawn("labels.nii.gz")).unwrap();
    let right = labels.voxels.clone();
    for at in 1..labels.voxels.len() {
        labels.voxels[at] = match (right[at], right[at - 1]) {
            (44, _) | (0 | 128, 44) => 44,
            (43, _) => 43,
            _ => 0,
        };
    }
    let path = dir.path().join("labels.nii.gz");
    write_nifti(&path, &labels).unwrap();
    let made = quietly(&with_contours(Some(path), &[drawn("seg_binary.dcm")])).unwrap();
    for number in [2, 43, 44, 128] {
        assert_eq!(made.case.patient.structure(Label(number)).unwrap().source, Source::Contoured, "{number}");
    }
    let json = made.json("x");
    assert_eq!(json["structures"]["vertebrae_L4"]["source"], "contoured");
    assert_eq!(json["structures"]["vertebrae_L4"]["corrects"], "labelled");
    assert!(json["structures"]["dural_sac"].get("corrects").is_none());
    assert!(CaseSummary::of(&made.case, made.hash).to_string().contains("drawn by hand instead of labelled"));
    assert!(Case::decode(&made.bytes).unwrap().patient == made.case.patient, "the mark survives the file");

    // The same structures without any label map: whoever drew the bones needs none.
    let alone = quietly(&with_contours(None, &[drawn("rtstruct.dcm")])).unwrap();
    assert_eq!(alone.json("x")["levels"], serde_json::json!(["L3", "L4"]));
    let surfaces = |case: &Case| case.patient.structures().iter().map(|s| (s.label, s.sdf.clone())).collect::<Vec<_>>();
    assert_eq!(surfaces(&alone.case).len(), 4);
    let volumes = |case: &Case| case.patient.structures().iter().map(|s| s.volume_mm3).collect::<Vec<_>>();
    for (a, b) in volumes(&alone.case).into_iter().zip(volumes(&made.case)) {
        assert!((a - b).abs() < 1e-6 * a, "{a} {b}");
    }
}

/// Structures that are drawn twice, and contours of another CT, are refused with the names of their files.
#[test]
fn contours_that_do_not_belong_are_refused() {
    let twice = quietly(&with_contours(None, &[drawn("rtstruct.dcm"), drawn("seg_binary.dcm")])).unwrap_err();
    let text = twice.to_string();
    assert!(
        matches!(twice, PrepareError::DrawnTwice { .. }) && text.contains("rtstruct.dcm") && text.contains("both hold"),
        "{text}"
    );
    let dir = tempfile::tempdir().unwrap();
    let (ct, labels) = files(dir.path());
    let options =
        PrepareOptions { ct: Some(ct), labels: Some((labels, Scheme::Verse)), ..with_contours(None, &[drawn("seg_binary.dcm")]) };
    let error = quietly(&options).unwrap_err();
    assert!(matches!(error, PrepareError::Outside { .. }), "{error}");
}

/// Without labels Spinor's own model is run, by its name as well; a folder that is none is an error that names it.
#[test]
fn without_labels_the_built_in_model_is_run() {
    let registry = Some(PathBuf::from("no such folder"));
    let options = PrepareOptions { registry, ..PrepareOptions::default() };
    let name = |options: &PrepareOptions, modality| {
        models_for(options, modality).map(|m| m.into_iter().map(|m| m.path).collect::<Vec<_>>())
    };
    let (ct, mr) = (segment::Modality::Ct, segment::Modality::Mr);
    assert_eq!(name(&options, ct).unwrap(), [PathBuf::from(BUILT_IN)]);
    assert_eq!(name(&options, mr).unwrap(), [PathBuf::from(BUILT_IN_MR)]);
    for own in [BUILT_IN, BUILT_IN_MR] {
        let named = PrepareOptions { models: vec![PathBuf::from(own)], ..options.clone() };
        assert_eq!(name(&named, ct).unwrap(), [PathBuf::from(own)]);
    }
    let error = name(&PrepareOptions { models: vec![PathBuf::from("elsewhere")], ..options }, mr).unwrap_err();
    assert!(matches!(&error, PrepareError::Segment { model, .. } if model == Path::new("elsewhere")), "{error}");
}

/// Exported, one structure edited, given back: that one is marked as corrected by hand, a proposed sac stays proposed.
#[test]
fn corrections_go_round() {
    let dir = tempfile::tempdir().unwrap();
    let (ct, labels) = files(dir.path());
    let options = PrepareOptions { ct: Some(ct.clone()), labels: Some((labels, Scheme::Verse)), ..PrepareOptions::default() };
    let first = quietly(&options).unwrap();
    let (case, map) = (dir.path().join("first.spinor"), dir.path().join("edited.nii.gz"));
    std::fs::write(&case, &first.bytes).unwrap();
    let format = crate::export::Format::Nifti(crate::export::LabelGrid::Ct);
    crate::export::export(&first.case, None, &format, &map).unwrap();
    let again = |case: &Path| {
        quietly(&PrepareOptions {
            ct: Some(ct.clone()),
            labels: Some((map.clone(), Scheme::TotalSpineSeg)),
            corrects: Some(case.to_owned()),
            ..PrepareOptions::default()
        })
    };
    let sources = |made: &Prepared| {
        let json = made.json("x");
        ["vertebrae_L3", "vertebrae_L4", "dural_sac"].map(|n| json["structures"][n]["source"].as_str().unwrap().to_owned())
    };
    assert_eq!(sources(&again(&case).unwrap()), ["labelled", "labelled", "proposed"]);

    // Somebody draws a little more on the body of L4.
    let mut edited = read_nifti_u16(&map).unwrap();
    for at in 0..edited.voxels.len() {
        let p = edited.geometry.patient_from_index(edited.geometry.index_of(at).map(|v| v as f64));
        if (p[0] - 19.0).hypot(p[1]) < 3.0 && (p[2] - 426.0).abs() < 4.0 {
            edited.voxels[at] = 44;
        }
    }
    write_nifti(&map, &edited).unwrap();
    let made = again(&case).unwrap();
    assert_eq!(sources(&made), ["labelled", "contoured", "proposed"]);
    assert_eq!(made.json("x")["structures"]["vertebrae_L4"]["corrects"], "labelled");
    let sac = made.case.patient.structure(Label::DURAL_SAC).unwrap();
    assert!(sac.uncertainty_mm >= crate::complete::NEURAL_UNCERTAINTY_MM, "{}", sac.uncertainty_mm);
    let says = |made: &Prepared| made.case.meta.warnings.iter().any(|w| w.contains("--corrects"));
    assert!(!says(&made));

    // Without the earlier case nobody can tell what was only proposed: numbers that only an exported map holds are pointed out.
    edited.voxels.iter_mut().filter(|v| **v == Label::DURAL_SAC.0).take(400).for_each(|v| *v = Label::root(4, true).0);
    write_nifti(&map, &edited).unwrap();
    let labels = Some((map.clone(), Scheme::TotalSpineSeg));
    assert!(says(&quietly(&PrepareOptions { ct: Some(ct.clone()), labels, ..PrepareOptions::default() }).unwrap()));
    let missing = again(&dir.path().join("none.spinor")).unwrap_err();
    assert!(matches!(&missing, PrepareError::Corrects { .. }) && missing.to_string().contains("none.spinor"), "{missing}");
}
