//! A recording made by a scripted session, measured, and checked against sums taken while it was made.

use std::sync::Arc;

use spinor_shared::case::Case;
use spinor_shared::room::Role;
use spinor_shared::session::{Record, SessionHead, SessionWriter, TickRecord};
use spinor_shared::tissue::TissueRecord;
use spinor_sim::{AlarmLevel, Event, Hand, Pose, Settings, Simulation, Tick, ToolInput, ToolKind, UserId};
use spinor_volume::{BRICK_VOXELS, BrickIndex, DensityField, Grid, Label, Patient, Source, SparseField, Structure};

use crate::proposed::Verdict;
use crate::{csv, gather, html, measure};

/// A structure that is an upright slab: all points with low <= y <= high, |x| <= half.
fn slab(grid: &Grid, label: Label, source: Source, low: f64, high: f64, half: f64) -> Structure {
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
    // As far as completion says that a proposed surface may be off.
    let uncertainty_mm = if source == Source::Proposed { 2.0 } else { 0.0 };
    Structure { label, class: label.class().unwrap(), source, uncertainty_mm, volume_mm3, sdf }
}

/// Bone from y = 10 to 16 over a sac whose back wall is at y = 5.
fn case() -> Case {
    case_with(Source::Phantom)
}

/// The same with a sac from somewhere.
fn case_with(sac: Source) -> Case {
    let grid = Grid::covering([-12.0, -2.0, -6.0], [12.0, 20.0, 6.0], 0.5).unwrap();
    let structures =
        vec![slab(&grid, Label::lumbar(4), Source::Phantom, 10.0, 16.0, 8.0), slab(&grid, Label::DURAL_SAC, sac, 0.0, 5.0, 10.0)];
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
    record_of(&case(), 200, &script)
}

/// So many ticks of a script in a room of a case. Its person 2 holds a probe, if anything.
fn record_of(case: &Case, ticks: u32, script: &dyn Fn(u32) -> Vec<ToolInput>) -> (Vec<u8>, Sums) {
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
    for tick in 0..ticks {
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
        let tip = sim.tool(UserId(2), Hand::Right).map(|tool| tool.proxy.tip_mm());
        if let (Some(b), Some(tip)) = (before, tip) {
            sums.probe_path_mm += (0..3).map(|k| (tip[k] - b[k]).powi(2)).sum::<f64>().sqrt();
        }
        before = tip;
        let record = TickRecord::new(tick, &inputs, &output);
        writer.append(&Record::Tick(record)).unwrap();
        if !output.tissue.is_empty() {
            writer.append(&Record::Tissue(TissueRecord::new(tick, &output.tissue).unwrap())).unwrap();
        }
    }
    writer.append(&Record::Closed { tick: ticks - 1 }).unwrap();
    (writer.into_inner(), sums)
}

/// A recording whose operations do not lead to the states that it names is said to be damaged; one in which nothing was done has no score.
#[test]
fn what_is_damaged_or_empty_is_said() {
    let (bytes, _) = record();
    let sound = measure(&gather(&bytes[..]).unwrap());
    assert!(sound.score.safety.is_some() && sound.session.digests_differing == 0);
    let mut reader = spinor_shared::session::SessionReader::open(&bytes[..]).unwrap();
    let mut writer = SessionWriter::create(Vec::new()).unwrap();
    while let Some(record) = reader.next_record().unwrap() {
        if let Record::Closed { tick } = record {
            writer.append(&Record::Digest { tick, digest: 1 }).unwrap();
        }
        writer.append(&record).unwrap();
    }
    let session = gather(&writer.into_inner()[..]).unwrap();
    let damaged = measure(&session);
    assert_eq!((damaged.session.digests, damaged.session.digests_differing), (sound.session.digests + 1, 1));
    assert!(html(&session, &damaged, &[]).contains("The recording is damaged"));

    let idle = |tick: u32| vec![input(1, tick + 1, ToolKind::FlutedBurr, [0.0, 60.0, 0.0], 0)];
    let metrics = measure(&gather(&record_of(&case(), 60, &idle).0[..]).unwrap());
    assert_eq!(metrics.score.safety, None);
    assert!(metrics.absent["score.safety"].contains("nothing to judge"));
}

/// Hours without a record cost neither time nor memory, whatever a recording says is held meanwhile.
#[test]
fn hours_without_a_record_are_not_run() {
    let mut again = crate::again::Again::new(Arc::new(case().patient));
    let mut sim = Simulation::new(Arc::new(case().patient), Settings::with_tissues(spinor_sim::TissueModels::STILL));
    for tick in [0, 24 * 3_600 * 60] {
        let inputs = [input(1, tick + 1, ToolKind::Probe, [0.0, 30.0, 0.0], 0)];
        let output = sim.step(Tick(tick), &inputs);
        again.tick(&TickRecord::new(tick, &inputs, &output), &[]).unwrap();
    }
    assert_eq!(again.samples.len(), 2);
}

/// What a closing jaw tore is in the figures though dura stands still by default: it is what the score's tears are.
#[test]
fn tears_count_where_dura_stands_still() {
    // Past the bone, down into the sac, and then it closes.
    let script = |tick: u32| {
        let tip_mm = [9.6, (12.0 - 0.1 * f64::from(tick)).max(2.0), 0.0];
        vec![input(1, tick + 1, ToolKind::Kerrison, tip_mm, if tick < 120 { 0 } else { 255 })]
    };
    let (bytes, _) = record_of(&case(), 150, &script);
    let session = gather(&bytes[..]).unwrap();
    assert!(session.tissues.answers && !session.tissues.yields);
    assert!(session.events.iter().any(|(_, event)| matches!(event, Event::NeuralTear { .. })), "{:?}", session.events);
    let metrics = measure(&session);
    let tissues = &metrics.safety.tissues;
    assert!(tissues.tears.is_some_and(|n| n > 0) && tissues.longest_tear_mm.is_some_and(|mm| mm > 0.1), "{tissues:?}");
    assert!(!metrics.absent.keys().any(|key| key.contains("tears")), "{:?}", metrics.absent);
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
    // Three to four digits of a fraction, as text too.
    let long = |text: &str| {
        text.split(|c: char| !c.is_ascii_digit() && c != '.').any(|n| n.rsplit_once('.').is_some_and(|(_, d)| d.len() > 6))
    };
    assert!(long("[0.1234567]") && !long(&json["figures"].to_string()) && !long(&json["motion"].to_string()));
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
    // It rose to danger without a sound, which asks for no answer.
    assert!(!metrics.safety.alarms.rises.is_empty() && metrics.safety.alarms.rises.iter().all(|r| !r.heard));
    assert_eq!((metrics.figures["reaction_s"], metrics.safety.alarms.unanswered), (None, 0));
    assert!(metrics.absent["safety.alarms.median_reaction_s"].contains("heard"));
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

/// A reaction answers an alarm that was heard: the time to letting go is told as it was; a hand that lets go within a tenth of a second had
/// begun before, and one that goes on has not answered.
#[test]
fn a_reaction_answers_what_was_heard() {
    let assessed = |let_go: u32| {
        let script = move |tick: u32| -> Vec<ToolInput> {
            let depth = 0.1 * f64::from(tick.min(90));
            vec![input(1, tick + 1, ToolKind::FlutedBurr, [9.7, 15.0 - depth, 0.0], if tick < let_go { 230 } else { 0 })]
        };
        measure(&gather(&record_of(&case(), 200, &script).0[..]).unwrap()).safety.alarms
    };
    let unheeded = assessed(200);
    assert_eq!((unheeded.rises.len(), unheeded.unanswered, unheeded.median_reaction_s), (1, 1, None), "{unheeded:?}");
    assert!(unheeded.rises[0].heard);
    let rise = (unheeded.rises[0].at_s * 60.0).round() as u32;
    let answered = assessed(rise + 18);
    assert!((answered.median_reaction_s.unwrap() - 0.3).abs() < 0.02 && answered.unanswered == 0, "{answered:?}");
    let begun = assessed(rise + 3);
    assert!(begun.rises[0].under_way && begun.median_reaction_s.is_none() && begun.unanswered == 0, "{begun:?}");
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
    let register = ["session", "absent", "unjudged", "proposed", "definitions", "not_measured"];
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

/// Time in danger is counted by one rule: that of running tools is part of it, though the alarm's level hangs on when a tool goes back, and
/// it is never less than one structure's own, nor more than the sum of all.
#[test]
fn times_in_danger_are_parts_of_one_whole() {
    // A running burr beside the bone comes to 1 mm of the sac and goes back slowly, 0.01 mm a tick, through the band in which the level hangs on.
    let approach = |tick: u32| {
        let t = f64::from(tick);
        let y = if tick < 100 { 12.0 - 0.045 * t } else { 7.5 + 0.01 * (t - 100.0) };
        vec![input(1, tick + 1, ToolKind::FlutedBurr, [10.2, y, 0.0], 230)]
    };
    let (bytes, sums) = record_of(&case(), 300, &approach);
    let session = gather(&bytes[..]).unwrap();
    let safety = measure(&session).safety;
    let hangs_on = session.samples.iter().filter(|s| s.level == AlarmLevel::Danger).count();
    assert!(hangs_on > sums.danger as usize + 10, "the alarm's level lasts longer: {hangs_on} ticks, {}", sums.danger);
    assert!((safety.danger_s - f64::from(sums.danger) / 60.0).abs() < 1e-9);
    assert!(safety.running_in_danger_s > 0.0 && safety.running_in_danger_s <= safety.danger_s, "{safety:?}");
    let own: Vec<f64> = safety.structures.values().map(|s| s.danger_s).collect();
    assert!(own.iter().all(|s| *s <= safety.danger_s) && safety.danger_s <= own.iter().sum::<f64>() + 1e-9, "{own:?}");
}

/// What is measured against a sac that nobody saw says so everywhere and gets no verdict; the same work beside a sac that was seen does.
#[test]
fn proposed_anatomy_is_named_and_judged_by_nothing() {
    let figure = |key: &str| crate::figures::by_key(key).unwrap();
    for (source, proposed) in [(Source::Proposed, true), (Source::Segmented, false)] {
        let session = gather(&record_of(&case_with(source), 200, &script).0[..]).unwrap();
        let metrics = measure(&session);
        let json = serde_json::to_value(&metrics).unwrap();
        every_number_is_defined(&json);
        let report = html(&session, &metrics, &[]);
        let findings = crate::report::findings(&metrics);
        let contact = findings.iter().find(|f| f.text.contains("touched the dural sac")).unwrap();
        let lines = csv::events(&session);
        let touch = lines.lines().find(|line| line.contains("neural_touch")).unwrap();
        // The contact stays a fact.
        assert_eq!(metrics.figures["neural_contacts"], Some(1.0));
        assert_eq!(metrics.proposed.contains_key("figures.neural_contacts"), proposed);
        assert_eq!(json["proposed"]["safety.structures.dural_sac"].is_array(), proposed);
        assert_eq!(touch.ends_with(",proposed"), proposed, "{touch}");
        assert_eq!(contact.text.contains("(proposed)") && contact.text.ends_with("proposed anatomy: not judged."), proposed);
        assert_eq!(contact.gravity == crate::report::Gravity::Unjudged, proposed);
        assert_eq!(report.contains("dural sac (proposed)"), proposed);
        let verdict = metrics.verdict(figure("neural_contacts"));
        if proposed {
            assert_eq!((metrics.judged["neural_contacts"], verdict), (None, Verdict::Proposed));
            assert_eq!(metrics.score.safety, None);
            // No figure of dura and roots is met or missed, whatever its value, and nothing about them is good.
            for key in ["active_contacts", "greatest_depth_mm", "reaction_s", "danger_speed_p95_mm_per_s", "pinches"] {
                assert!(!matches!(metrics.verdict(figure(key)), Verdict::Met | Verdict::Missed), "{key}");
            }
            assert!(findings.iter().all(|f| f.gravity != crate::report::Gravity::Good || !f.text.contains("dura")));
            assert!(report.contains("proposed anatomy: not judged"));
        } else {
            assert_eq!((metrics.judged["neural_contacts"], verdict), (Some(1.0), Verdict::Missed));
            assert!(metrics.score.safety.is_some() && metrics.unjudged.is_empty());
        }
    }
}

/// An area of the canal is judged where it was seen, where it changed, and where the procedure aims at it: neither a proposed nor an untouched
/// one meets its target, and a narrow one is no fault of an operation that frees one root.
#[test]
fn an_unchanged_or_proposed_area_meets_no_target() {
    use spinor_sim::procedure::Procedure::{self, Foraminotomy, Laminectomy, Microdiscectomy, Ulbd};
    use spinor_sim::procedure::Target;
    use spinor_volume::measure::Side;
    let session = gather(&record().0[..]).unwrap();
    let canal = crate::figures::by_key("canal_mm2").unwrap();
    let verdict_of = |procedure: Option<Procedure>, before: f64, now: f64, source: &'static str| {
        let mut metrics = measure(&session);
        metrics.process.target = procedure.map(|procedure| Target { procedure, level: 4, side: Side::Left });
        for (key, mm2) in [("canal_before_mm2", before), ("canal_mm2", now)] {
            metrics.figures.insert(key, Some(mm2));
        }
        metrics.sources.insert("dural_sac".to_owned(), source);
        let judged = crate::proposed::judged(&metrics, &metrics.safety);
        (metrics.judged, metrics.unjudged, metrics.proposed) = (judged.values, judged.why_not, judged.proposed);
        let told = crate::report::findings(&metrics).into_iter().find(|f| f.text.contains("narrowest")).unwrap();
        (metrics.verdict(canal), told.gravity)
    };
    use crate::report::Gravity::{Good, Notice, Unjudged};
    for (procedure, told) in [
        (Laminectomy, (Verdict::Missed, Notice)),
        (Ulbd, (Verdict::Missed, Notice)),
        (Foraminotomy, (Verdict::NoAim, Unjudged)),
        (Microdiscectomy, (Verdict::NoAim, Unjudged)),
    ] {
        assert_eq!(verdict_of(Some(procedure), 60.0, 90.0, "segmented"), told, "{procedure:?}");
    }
    let verdict = |before, now, source| verdict_of(None, before, now, source);
    assert_eq!(verdict(80.0, 130.0, "segmented"), (Verdict::Met, Good));
    assert_eq!(verdict(60.0, 90.0, "segmented"), (Verdict::Missed, Notice));
    assert_eq!(verdict(127.0, 127.4, "segmented"), (Verdict::Unchanged, Notice));
    assert_eq!(verdict(80.0, 130.0, "proposed"), (Verdict::Proposed, Unjudged));
    assert_eq!(verdict(127.0, 127.0, "proposed"), (Verdict::Proposed, Unjudged));
}

/// A contact deeper than its surface may be off would have done harm; one within that could have, and the report says so.
#[test]
fn a_contact_within_the_surfaces_uncertainty_is_no_harm() {
    use crate::report::Gravity::{Danger, Harm};
    let mut metrics = measure(&gather(&record().0[..]).unwrap());
    metrics.safety.contacts[0].active = true;
    let deepest = metrics.safety.contacts[0].deepest_mm;
    let mut told = |uncertainty_mm: f64| {
        metrics.safety.structures.get_mut("dural_sac").unwrap().uncertainty_mm = uncertainty_mm;
        let found = crate::report::findings(&metrics);
        let of_sac = found.into_iter().find(|f| f.text.starts_with("A running or closing tool touched")).unwrap();
        (of_sac.gravity, of_sac.text.contains("no more than its surface may be off"))
    };
    assert_eq!(told(0.0), (Harm, false));
    assert_eq!(told(deepest / 2.0), (Harm, false));
    assert_eq!(told(deepest + 0.1), (Danger, true));
}

/// The chart of distances stands on the thresholds that the alarm used: 4 and 2 mm for a sac that was seen, 6 and 4 for one that may lie 2 mm
/// nearer than drawn; and the report says which, and why.
#[test]
fn thresholds_in_the_chart_are_those_in_force() {
    for (source, expected) in [(Source::Phantom, [4.0, 2.0]), (Source::Proposed, [6.0, 4.0])] {
        let session = gather(&record_of(&case_with(source), 200, &script).0[..]).unwrap();
        let metrics = measure(&session);
        let bands = crate::plot::bands(&session);
        assert!(matches!(bands[..], [band] if band.thresholds_mm == expected), "{bands:?}");
        assert!(bands[0].from_s == 0.0 && (bands[0].to_s - session.duration_s()).abs() < 1e-9);
        let told = session.events.iter().filter_map(|(_, event)| match event {
            Event::Alarm { warning, .. } if warning.level == AlarmLevel::Danger => {
                Some(f64::from(warning.threshold_um) / 1_000.0)
            }
            _ => None,
        });
        let told: Vec<f64> = told.collect();
        assert!(!told.is_empty() && told.iter().all(|mm| *mm == expected[1]), "{told:?}");
        let sac = &metrics.safety.structures["dural_sac"];
        assert_eq!([sac.caution_mm, sac.danger_mm], expected);
        let report = html(&session, &metrics, &[]);
        assert!(
            report.contains(&format!("danger {} mm", expected[1])) && report.contains(&format!("caution {} mm", expected[0]))
        );
        assert_eq!(report.contains("danger within 4 mm, wider by 2 mm, because no image shows"), source == Source::Proposed);
    }
}

/// A server that stands still for a quarter of a second, and then runs some ticks at once, is told of and charged to nobody: the hand moved
/// on at 30 mm/s all the time. The same way made in as few inputs is the hand's own jerk.
#[test]
fn pauses_of_the_server_are_charged_to_nobody() {
    // Which input of its own the hand shows in a tick; none where the tick came without one.
    let shown = |tick: u32| match tick {
        0..60 => Some(tick),
        60 => Some(80),
        61..66 => None,
        _ => Some(tick + 15),
    };
    let way = |numbered: bool| {
        move |tick: u32| -> Vec<ToolInput> {
            let Some(at) = shown(tick) else { return Vec::new() };
            let seq = if numbered { at + 1 } else { tick + 1 };
            vec![input(2, seq, ToolKind::Probe, [-50.0 + 0.5 * f64::from(at), 40.0, 0.0], 0)]
        }
    };
    let assessed = |numbered: bool| {
        let session = gather(&record_of(&case(), 200, &way(numbered)).0[..]).unwrap();
        let metrics = measure(&session);
        let report = html(&session, &metrics, &[]);
        (metrics.session.clone(), metrics.time.clone(), metrics.motion["<b>Bo</b> (#2)"]["ball probe"], report)
    };
    let (info, time, probe, report) = assessed(true);
    assert_eq!(info.stalls, 1);
    assert!((info.stalled_s - 0.25).abs() < 1e-6, "{info:?}");
    assert!(report.contains("The server stood still 1 time"));
    assert!((probe.peak_mm_per_s - 30.0).abs() < 0.5 && (probe.hand_peak_mm_per_s.unwrap() - 30.0).abs() < 0.5, "{probe:?}");
    assert!(
        probe.tremor_mm.is_none() && probe.peak_jerk_mm_per_s3.unwrap() < 500.0,
        "a hand that is never slow shows no tremor: {probe:?}"
    );
    // Ticks 61 and 62 are too soon to tell, 63 to 65 are unseen; the first tick and the one behind the pause show no way.
    assert!((time.unseen_s - 3.0 / 60.0).abs() < 1e-9 && time.idle_s < 5.0 / 60.0, "{time:?}");

    let (info, _, probe, report) = assessed(false);
    assert_eq!((info.stalls, report.contains("The server stood still")), (0, false));
    assert!(probe.peak_mm_per_s > 150.0 && probe.peak_jerk_mm_per_s3.unwrap() > 10_000.0, "{probe:?}");
}

/// A room that stood empty first is no one's time: shares, durations and score are those of the same work in a room that did not.
#[test]
fn an_empty_room_is_nobodys_time() {
    let late = |tick: u32| if tick < 120 { Vec::new() } else { script(tick - 120) };
    let of = |bytes: &[u8]| measure(&gather(bytes).unwrap());
    let (at_once, after) = (of(&record().0), of(&record_of(&case(), 320, &late).0));
    assert!((after.session.empty_before_s - 2.0).abs() < 0.05 && at_once.session.empty_before_s < 0.05, "{:?}", after.session);
    assert!((after.duration_s - at_once.duration_s).abs() < 0.05, "{} {}", after.duration_s, at_once.duration_s);
    assert!((after.time.share_removing - at_once.time.share_removing).abs() < 0.01, "{:?}", after.time);
    assert_eq!(after.score.safety, at_once.score.safety);
}
