//! A scripted surgeon in a room: a client like any other, over the network.

#![expect(clippy::unwrap_used, reason = "a test's own helpers may fail where they stand")]

mod common;

use common::{errors, serve, spinor};
use serde_json::{Value, json};
use spinor_shared::case::{Case, CaseMeta};

/// What a surgeon does in a room is what the server recorded: the level is checked first, bone is cut, every mirror is equal, and the recording
/// replays, its simulation included.
#[test]
fn a_scripted_surgeon_operates_in_a_room() {
    let folder = tempfile::tempdir().unwrap();
    let patient = spinor_sim::small_spine::patient(0.8).unwrap();
    let case = Case { patient, ct: None, mr: None, meta: CaseMeta::default() }.encode();
    std::fs::write(folder.path().join("a.spinor"), case).unwrap();
    let room = ["--room", "r.json", "--record", "sessions", "--procedure", "foraminotomy", "--side", "right"];
    let (mut server, start) = serve(folder.path(), &room);
    let words = "bots --room r.json --clients 2 --cutting 1 --seconds 30 --procedure foraminotomy --skill hurried --side right --still --json";
    let run = spinor(folder.path(), &words.split(' ').collect::<Vec<_>>());
    assert!(run.status.success(), "{}", errors(&run));
    let told: Value = serde_json::from_slice(&run.stdout).unwrap();
    let surgeon = &told["procedures"][0];
    assert_eq!(
        (&surgeon["procedure"], &surgeon["side"], &surgeon["level"]),
        (&json!("foraminotomy"), &json!("right"), &json!("L4"))
    );
    assert!(surgeon["phases"].as_array().unwrap().len() >= 2, "{surgeon}");
    assert!(told["ops"].as_u64().unwrap() > 50 && told["mirrors_equal"] == true, "{told}");
    server.0.kill().unwrap();
    server.0.wait().unwrap();
    let recording = start["recording"].as_str().unwrap();
    let verified = spinor(folder.path(), &["replay", recording, "--verify", "--physics"]);
    assert!(verified.status.success(), "{}", errors(&verified));
    // The recording names the procedure that the room followed, and the report finds what people were told.
    let assessed = spinor(folder.path(), &["assess", recording, "--out", "report", "--json"]);
    let metrics: Value = serde_json::from_slice(&assessed.stdout).unwrap_or_default();
    let steps = metrics["process"]["steps"].as_array().unwrap();
    assert_eq!((&steps[0]["status"], steps.len()), (&json!("done"), 6));
    assert_eq!(surgeon["steps"]["level_check"], "done", "{surgeon}");
    for step in steps {
        let was_told = &surgeon["steps"][step["id"].as_str().unwrap()];
        // What was done in the last moments may not have been told any more.
        assert!(*was_told == step["status"] || *was_told == "open", "{step}, told {was_told}");
    }
}

/// What belongs to a surgeon is refused without one, and so is a surgeon whose hands are not among those that cut.
#[test]
fn options_of_a_surgeon_belong_to_a_procedure() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = spinor(folder.path(), &["serve", "--case", "a.spinor", "--level", "L4"]);
    assert!(!nowhere.status.success() && errors(&nowhere).contains("give --procedure as well"), "{}", errors(&nowhere));
    for (more, words) in
        [("--skill steady", "--skill is for a scripted surgeon"), ("--procedure ulbd", "needs a client that cuts")]
    {
        let words_given = format!("bots --room r.json --clients 2 --seconds 1 {more}");
        let output = spinor(folder.path(), &words_given.split(' ').collect::<Vec<_>>());
        assert!(!output.status.success() && errors(&output).contains(words), "{}", errors(&output));
    }
}
