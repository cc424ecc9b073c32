//! A recording made by a scripted session, measured, and checked against sums taken while it was made.

use std::sync::Arc;

use spinor_shared::case::Case;
use spinor_shared::room::Role;
use spinor_shared::session::{Record, SessionHead, SessionWriter, TickRecord};
use spinor_shared::tissue::TissueRecord;
use spinor_sim::{Event, Hand, Pose, Settings, Simulation, Tick, ToolInput, ToolKind, UserId};
use spinor_volume::{BRICK_VOXELS, BrickIndex, DensityField, Grid, Label, Patient, Source, SparseField, Structure};

use crate::{csv, gather, html, measure};

/// A structure that is an upright slab: all points with low <= y <= high, |x| <= half.
fn slab(grid: &Grid, label: Label, low: f64, high: f64, half: f64) -> Structure {
    let mut sdf = SparseField::outside(grid);
    for n in 0..grid.brick_count() as u32 {
        let corner = grid.brick_coords(BrickIndex(n)).map(|v| v * 16);
        let mut samples = [0_i8; BRICK_VOXELS];
        for (k, sample) in samples.iter_mut().enumerate() {
            let voxel = [corner[0] + (k % 16) as i32, corner[1] + (k / 16 % 16) as i32, corner[2] + (k / 256) as i32];
            let [x, y, _] = grid.patient_from_index(voxel.map(f64::from));
            let mm = (low - y).max(y - high).max(x.abs() - half);
            *sample = (mm / grid.spacing_mm() * 32.0).floor().clamp(-127.0, 127.0) as i8;
        }
        *sdf.brick_mut(BrickIndex(n)).unwrap() = samples;
    }
    let volume_mm3 = spinor_volume::query::volume_mm3(grid, &sdf);
    Structure { label, class: label.class().unwrap(), source: Source::Phantom, uncertainty_mm: 0.0, volume_mm3, sdf }
}

/// Bone from y = 10 to 16 over a sac whose back wall is at y = 5.
fn case() -> Case {
    let grid = Grid::covering([-12.0, -2.0, -6.0], [12.0, 20.0, 6.0], 0.5).unwrap();
    let structures = vec![slab(&grid, Label::lumbar(4), 10.0, 16.0, 8.0), slab(&grid, Label::DURAL_SAC, 0.0, 5.0, 10.0)];
    let patient = Patient::new(grid, structures, DensityField::default()).unwrap();
    Case { patient, ct: None, mr: None, meta: Default::default() }
}

fn input(user: u32, seq: u32, tool: ToolKind, tip_mm: [f64; 3], trigger: u8) -> ToolInput {
    let pose = Pose { tip_um: tip_mm.map(|mm| (mm * 1_000.0).round() as i32), turn: [-23_170, 0, 0, 23_170] };
    ToolInput { user: UserId(user), hand: Hand::Right, seq, tool, size_tenth_mm: 30, pose, trigger }
}

/// 200 ticks: one person drills for the first half, another lets a probe down beside the bone until it touches the sac, and lifts it.
fn script(tick: u32) -> Vec<ToolInput> {
    let t = f64::from(tick);
    let depth = if tick < 100 { t } else { 200.0 - t };
    let probe = input(2, tick + 1, ToolKind::Probe, [9.6, 12.0 - 0.06 * depth, 0.0], 0);
    let burr = input(1, tick + 1, ToolKind::FlutedBurr, [0.02 * t, 17.6 - 0.02 * t, 0.0], if tick < 100 { 230 } else { 0 });
    vec![burr, probe]
}

/// What was summed while the session ran.
#[derive(Default)]
struct Sums {
    occupancy: i64,
    removing: u32,
    strokes: u32,
    least_um: i32,
    danger: u32,
    probe_path_mm: f64,
}

fn record() -> (Vec<u8>, Sums) {
    let case = case();
    let bytes = case.encode();
    let mut sim = Simulation::new(Arc::new(case.patient.clone()), Settings::default());
    let mut writer = SessionWriter::create(Vec::new()).unwrap();
    let head =
        SessionHead { case_hash: case.hash().0, room: "theatre".into(), software: "test".into(), started_unix_s: 1, tick_hz: 60 };
    writer.append(&Record::Head(head)).unwrap();
    writer.append(&Record::Case(bytes)).unwrap();
    writer.append(&Record::of_models(0, sim.settings().tissues())).unwrap();
    for (user, name, role) in [(1, "Ada", Role::Attending), (2, "<b>Bo</b>", Role::Resident)] {
        writer.append(&Record::Joined { tick: 0, user, name: name.into(), role }).unwrap();
    }
    let mut sums = Sums { least_um: i32::MAX, ..Sums::default() };
    let mut before: Option<[f64; 3]> = None;
    let mut taken = None;
    for tick in 0..200 {
        let inputs = script(tick);
        let output = sim.step(Tick(tick), &inputs);
        let removed: i64 =
            output.events.iter().map(|e| if let Event::Removed { occupancy, .. } = e { *occupancy } else { 0 }).sum();
        sums.occupancy += removed;
        sums.removing += u32::from(removed > 0);
        if removed > 0 {
            sums.strokes += u32::from(taken.is_none_or(|before: u32| tick - before > 15));
            taken = Some(tick);
        }
        let near = sim.tools().filter_map(|t| t.nearest).map(|n| n.distance_um).min().unwrap_or(i32::MAX);
        sums.least_um = sums.least_um.min(near);
        sums.danger += u32::from(near < 2_000);
        let tip = sim.tool(UserId(2), Hand::Right).unwrap().proxy.tip_mm();
        if let Some(b) = before {
            sums.probe_path_mm += (0..3).map(|k| (tip[k] - b[k]).powi(2)).sum::<f64>().sqrt();
        }
        before = Some(tip);
        let record = TickRecord::new(tick, &inputs, &output);
        writer.append(&Record::Tick(record)).unwrap();
        if !output.tissue.is_empty() {
            writer.append(&Record::Tissue(TissueRecord::new(tick, &output.tissue).unwrap())).unwrap();
        }
    }
    writer.append(&Record::Closed { tick: 199 }).unwrap();
    (writer.into_inner(), sums)
}

/// Volume, times, distances, contacts, paths and people agree with the sums; the report names them, and a name is not markup.
#[test]
fn figures_of_a_scripted_session_agree_with_sums_taken_meanwhile() {
    let (bytes, sums) = record();
    let session = gather(&bytes[..]).unwrap();
    let metrics = measure(&session);
    assert_eq!((session.simulated, session.differing, session.torn), (200, 0, false));
    assert!((metrics.duration_s - 200.0 / 60.0).abs() < 1e-9);

    let expected = sums.occupancy as f64 / 32.0 * 0.125;
    assert!(expected > 5.0, "the burr took {expected} mm3");
    assert!((metrics.removed_mm3["vertebrae_L4"] - expected).abs() < 1e-6, "{} {expected}", metrics.removed_mm3["vertebrae_L4"]);
    assert_eq!(metrics.removed_mm3["dural_sac"], 0.0);
    assert!((metrics.levels["L4"]["bone"] - expected).abs() < 1e-6);
    assert!((metrics.users["Ada (#1)"].removed_mm3["vertebrae_L4"] - expected).abs() < 1e-6);
    assert!(metrics.users["<b>Bo</b> (#2)"].removed_mm3.is_empty());
    assert!((metrics.time.removing_s - f64::from(sums.removing) / 60.0).abs() < 1e-9);

    assert_eq!((metrics.time.strokes, metrics.time.bites, metrics.time.tool_changes), (sums.strokes, 0, 0));
    assert!(
        sums.strokes > 0 && (metrics.time.removed_per_s_mm3.unwrap() - expected * 60.0 / f64::from(sums.removing)).abs() < 1e-6
    );
    assert_eq!((metrics.team.turns, metrics.team.hand_overs, metrics.team.interventions.len()), (0, 0, 0));

    let sac = &metrics.safety.structures["dural_sac"];
    assert!((sac.least_distance_mm.unwrap() - f64::from(sums.least_um) / 1_000.0).abs() < 1e-9);
    assert!((sac.danger_s - f64::from(sums.danger) / 60.0).abs() < 1e-9);
    // The probe's ball of 1.5 mm goes down to 6.0 - 1.5 = 4.5: half a millimetre into the sac, once.
    assert_eq!((sac.contacts, metrics.safety.contacts.len()), (1, 1));
    assert!((sac.greatest_depth_mm - 0.5).abs() < 0.1, "{}", sac.greatest_depth_mm);
    assert!(!metrics.safety.contacts[0].open && metrics.safety.contacts[0].user.contains("Bo"));

    let probe = metrics.motion["<b>Bo</b> (#2)"]["ball probe"];
    assert!((probe.path_mm - sums.probe_path_mm).abs() < 1e-6 && probe.path_mm > 10.0);
    // 0.06 mm a tick.
    assert!((probe.peak_mm_per_s - 3.6).abs() < 0.1 && probe.mean_mm_per_s <= probe.peak_mm_per_s, "{probe:?}");

    let json = serde_json::to_value(&metrics).unwrap();
    every_number_is_defined(&json);
    for key in ["session", "duration_s", "removed_mm3", "levels", "users", "safety", "motion", "definitions"] {
        assert!(json.get(key).is_some(), "metrics.json lacks {key}");
    }
    let report = html(&session, &metrics, &[("before.spinrec".into(), metrics.clone())]);
    assert!(report.contains("Not a medical device") && report.contains("What is not measured") && report.contains("<svg"));
    assert!(!report.contains("<b>Bo</b>") && report.contains("&lt;b&gt;Bo"));
    let sources: Vec<&str> = report.split("src=\"").skip(1).collect();
    assert_eq!(sources.len(), 4, "two pictures before and two after");
    assert!(
        sources.iter().all(|s| s.starts_with("data:image/png;base64,")) && !report.contains("<script"),
        "it needs nothing else"
    );
    assert!(sources[0].split('"').next() != sources[1].split('"').next(), "what was cut shows");
    let lines = csv::events(&session);
    assert_eq!(lines.lines().count(), session.events.len() + 1);
    assert!(lines.starts_with(csv::HEADER) && lines.contains("neural_touch"));
}

/// The figures put first: the contact is the worst finding, the score is below 100, and a burr that touched nothing neural has no part in it.
#[test]
fn the_worst_comes_first_and_lowers_the_score() {
    let session = gather(&record().0[..]).unwrap();
    let mut metrics = measure(&session);
    let findings = crate::report::findings(&metrics);
    assert!(findings[0].text.contains("touched the dural sac once") && findings[0].text.contains("<b>Bo</b>"), "{findings:?}");
    assert!(findings.windows(2).all(|pair| pair[0].gravity >= pair[1].gravity));
    assert_eq!((metrics.figures["neural_contacts"], metrics.figures["active_contacts"]), (Some(1.0), Some(0.0)));
    let score = metrics.score.safety.unwrap();
    assert!((50.0..100.0).contains(&score), "{score}");
    // The probe came down at 3.6 mm/s, straight: no tremor but the rounding to micrometres, and its speed is known.
    let probe = metrics.motion["<b>Bo</b> (#2)"]["ball probe"];
    assert!(probe.tremor_mm.unwrap() < 0.03 && (probe.hand_mean_mm_per_s.unwrap() - 3.6).abs() < 0.2, "{probe:?}");
    // What no recording of this kind can say is missing and says why.
    assert_eq!(metrics.figures["sentinel_errors"], None);
    assert!(metrics.absent["process.procedure"].contains("no procedure"));
    assert!(metrics.absent["safety.harm.retraction_s"].contains("no retractor"));
    assert_eq!(metrics.figures["osats_total"], None);
    let mut form: serde_json::Value = serde_json::from_str(&crate::osats::template()).unwrap();
    crate::osats::ITEMS.iter().for_each(|item| form["items"][item.key] = 3.into());
    metrics.rate(crate::osats::parse(form.to_string().as_bytes()).unwrap());
    assert_eq!(metrics.figures["osats_total"], Some(21.0));
    assert!(!metrics.absent.contains_key("figures.osats_total"));
    every_number_is_defined(&serde_json::to_value(&metrics).unwrap());
    assert!(html(&session, &metrics, &[]).contains("21 of 35"));
}

/// Statements have the shape that a learning record store asks for, the same identifiers every time, and nobody's name.
#[test]
fn statements_name_nobody_and_keep_their_identifiers() {
    let session = gather(&record().0[..]).unwrap();
    let metrics = measure(&session);
    let statements = crate::xapi::statements(&session, &metrics);
    assert_eq!(statements, crate::xapi::statements(&session, &metrics));
    let list = statements.as_array().unwrap();
    let mut ids = std::collections::BTreeSet::new();
    for s in list {
        let allowed = ["id", "actor", "verb", "object", "result", "context", "timestamp", "version"];
        assert!(s.as_object().unwrap().keys().all(|key| allowed.contains(&key.as_str())), "{s}");
        assert!(ids.insert(s["id"].as_str().unwrap().to_owned()), "an identifier stands twice");
        assert_eq!(s["version"], "1.0.3");
        assert!(["Agent", "Group"].contains(&s["actor"]["objectType"].as_str().unwrap()));
        assert!(s["actor"].get("name").is_none() && s["actor"].get("mbox").is_none());
        let account = &s["actor"]["account"];
        assert!(account["homePage"].as_str().unwrap().starts_with("https://") && account["name"].is_string());
        assert!(s["verb"]["id"].as_str().unwrap().starts_with("http://adlnet.gov/expapi/verbs/"));
        assert!(
            s["object"]["id"].as_str().unwrap().starts_with("https://") && s["object"]["definition"]["name"]["en"].is_string()
        );
        assert!(s["timestamp"].as_str().unwrap().ends_with('Z'));
        if let Some(scaled) = s["result"]["score"].get("scaled") {
            assert!((-1.0..=1.0).contains(&scaled.as_f64().unwrap()));
        }
    }
    assert!(list.iter().any(|s| s["verb"]["display"]["en"] == "touched" && s["actor"]["account"]["name"] == "user-2"));
    let text = statements.to_string();
    assert!(!text.contains("Ada") && !text.contains("Bo<"), "a name left the house");
}

/// Walks `metrics.json`: what stands there has a definition, or is the register itself.
fn every_number_is_defined(json: &serde_json::Value) {
    fn walk(value: &serde_json::Value, path: &mut Vec<String>, leaves: &mut Vec<Vec<String>>) {
        match value {
            serde_json::Value::Object(map) => map.iter().for_each(|(key, value)| {
                path.push(key.clone());
                walk(value, path, leaves);
                path.pop();
            }),
            serde_json::Value::Array(list) => list.iter().enumerate().for_each(|(k, value)| {
                path.push(k.to_string());
                walk(value, path, leaves);
                path.pop();
            }),
            _ => leaves.push(path.clone()),
        }
    }
    let mut leaves = Vec::new();
    walk(json, &mut Vec::new(), &mut leaves);
    let register = ["session", "absent", "definitions", "not_measured"];
    let definitions = crate::definitions::all();
    for path in leaves.iter().filter(|path| !register.contains(&path[0].as_str()) && path.join(".") != "osats") {
        let found = definitions.iter().filter(|d| d.covers(path)).count();
        assert_eq!(found, 1, "{} has {found} definitions", path.join("."));
    }
    // A figure without a value says why.
    for path in leaves.iter().filter(|path| path[0] == "figures") {
        let null = json["figures"][&path[1]].is_null();
        assert_eq!(null, json["absent"].get(path.join(".")).is_some(), "{}", path.join("."));
    }
}

/// A recording cut off anywhere after its case is measured up to there; garbage is refused.
#[test]
fn torn_recordings_are_measured_and_garbage_is_refused() {
    let (bytes, _) = record();
    let session = gather(&bytes[..bytes.len() - 7]).unwrap();
    assert!(session.torn && session.ticks[1] == 200);
    assert!(measure(&session).session.torn_tail);
    assert!(gather(&bytes[..100]).is_err());
    assert!(gather(&b"nothing"[..]).is_err());
}
