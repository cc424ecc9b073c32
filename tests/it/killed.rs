//! A server that is killed in the middle of a cut, and started again on its recording.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use spinor_client_core::testing::Stroke;
use spinor_client_core::{Happening, JoinOptions, Request};
use spinor_server::room_file::RoomFile;
use spinor_shared::room::Role;

use crate::harness::{PATIENCE, agree, burr, case_file, join, now, patient, together};

/// The program that was built beside this test, if it was.
fn program() -> Option<PathBuf> {
    let mut path = std::env::current_exe().ok()?;
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    Some(path.join("spinor")).filter(|path| path.exists())
}

/// Ends the process when a test fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(program: &Path, directory: &Path, more: &[&str]) -> Killed {
    let room = directory.join("room.json");
    let _ = std::fs::remove_file(&room);
    let child = Command::new(program)
        .args(["serve", "--case"])
        .arg(directory.join("case.spinor"))
        .arg("--room")
        .arg(&room)
        .args(more)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !room.exists() {
        assert!(start.elapsed() < PATIENCE, "no room file");
        std::thread::sleep(Duration::from_millis(20));
    }
    Killed(child)
}

/// Killed with SIGKILL while somebody cuts, the server resumes with everything that a client was shown: the client, which reconnects by
/// itself with the same link, has no cut that the server lacks, the alarm has the thresholds that were set, and the cutting goes on in the
/// same recording.
#[test]
fn nothing_shown_is_lost_when_the_server_is_killed() {
    let Some(program) = program() else {
        println!("skipped: nothing_shown_is_lost_when_the_server_is_killed: the program `spinor` is not built beside the tests");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    std::fs::write(at.join("case.spinor"), case_file()).unwrap();
    let records = at.join("records").display().to_string();
    let mut first = serve(&program, at, &["--listen", "127.0.0.1:0", "--record", &records]);
    let file = RoomFile::read(&at.join("room.json")).unwrap();
    let invite = file.invite(&file.room, "Ann", Role::Attending, now() + 600).unwrap();
    let mut ann = join(JoinOptions::new_device(invite).unwrap());
    let alarm_um = [5_000, 2_500];
    ann.session().request(Request::Alarm { caution_um: alarm_um[0], danger_um: alarm_um[1] });
    assert!(ann.run_until(PATIENCE, |session| session.view().is_some_and(|view| view.alarm_um == alarm_um)));
    let stroke = Stroke::over_lamina(&patient(), 0, 1.5).unwrap();
    together(&mut [&mut ann], Duration::from_secs(3), |_, session, t| burr(session, &stroke, t));
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    // Whatever was still on its way has arrived by now.
    ann.run_until(Duration::from_millis(200), |_| false);
    let shown: Vec<(u8, u32, Vec<i8>)> = ann
        .session()
        .mirror()
        .cut()
        .unwrap()
        .cut_bricks()
        .map(|(class, brick, _, samples)| (class as u8, brick.0, samples.to_vec()))
        .collect();
    assert!(!shown.is_empty(), "nothing was cut before the kill");

    let recording = std::fs::read_dir(at.join("records")).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        path.extension().is_some_and(|e| e == "spinrec").then_some(path)
    });
    let recording = recording.unwrap();
    let start = Instant::now();
    let _second = serve(&program, at, &["--resume", &recording.display().to_string()]);
    let up = start.elapsed();
    let mut lost = false;
    let back = ann.run_until(PATIENCE, |session| {
        lost |= session.take_happenings().iter().any(|h| matches!(h, Happening::Lost(_)));
        lost && session.is_joined()
    });
    assert!(back, "the client did not come back: {:?}", ann.session().status());
    assert!(up < Duration::from_secs(5), "the room took {up:?} to resume");
    assert_eq!(ann.session().view().unwrap().alarm_um, alarm_um, "the alarm's thresholds are those that were set");
    let (_, ops) = agree(&mut ann);
    assert!(ops > 30);
    let cut = ann.session().mirror().cut().unwrap();
    for (class, brick, samples) in shown {
        let class = spinor_volume::TissueClass::from_number(class).unwrap();
        let spinor_volume::BrickState::Samples(kept) = cut.field(class).brick(spinor_volume::BrickIndex(brick)) else {
            panic!("brick {brick} that was shown is whole again");
        };
        // A cut only ever lowers samples: what was shown is there if no sample is higher now.
        assert!(kept.iter().zip(&samples).all(|(now, then)| now <= then), "brick {brick} lost a cut");
    }
    together(&mut [&mut ann], Duration::from_secs(1), |_, session, t| burr(session, &stroke, t + 3.0));
    assert!(agree(&mut ann).1 > ops, "the cutting goes on");
}
