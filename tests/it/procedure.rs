//! The procedure that a room follows: chosen by who directs, told to everybody, recorded, and taken up again.

use spinor_client_core::{Bot, Happening, Refusal, Request, Session};
use spinor_shared::following::{Following, Stand, WireSentinel, WireStatus};
use spinor_shared::room::Role;
use spinor_shared::session::{SessionReader, reach};
use spinor_sim::procedure::{Procedure, Sentinel, Side, Target};
use spinor_sim::{Hand, Pose, ToolKind, small_spine};

use crate::harness::{PATIENCE, Running, case_of, patient};

const TARGET: Target = Target { procedure: Procedure::Laminectomy, level: 4, side: Side::Left };
/// Upright behind the lamina of L4 on the left, pointing at it.
const POINTING: [i16; 4] = [-23_170, 0, 0, 23_170];
/// Height and distance to the left of a place on that lamina, mm.
const PLACE: [f64; 2] = [6.0, 12.0];

/// Waits until somebody is told that the room stands where `there` says.
fn told(bot: &mut Bot, what: &str, there: impl Fn(&Following) -> bool, mut act: impl FnMut(&mut Session)) {
    let reached = bot.run_until(PATIENCE, |session| {
        act(session);
        session.following().is_some_and(&there)
    });
    assert!(reached, "{what}: {:?}", bot.session().following());
}

fn status(following: &Following) -> &[WireStatus] {
    if let Stand::Steps { status, .. } = &following.stand { status } else { &[] }
}

fn errors(following: &Following) -> &[WireSentinel] {
    if let Stand::Steps { errors, .. } = &following.stand { errors } else { &[] }
}

fn level_is_checked(following: &Following) -> bool {
    matches!(status(following).first(), Some(WireStatus::Done { .. }))
}

/// Presses a tool onto the lamina from behind, deeper by `mm`.
fn press(session: &mut Session, tool: ToolKind, mm: f64, trigger: u8) {
    let top = small_spine::LAMINA_DEEP_MM + small_spine::LAMINA_THICK_MM;
    let tip_mm = [PLACE[0], top - mm, PLACE[1]];
    let pose = Pose { tip_um: tip_mm.map(|v| (v * 1_000.0) as i32), turn: POINTING };
    session.send_input(Hand::Right, tool, 30, pose, trigger);
}

/// Who directs chooses, everybody is told; a touch with the probe is the level check. A server that is started again on the recording knows
/// the procedure and the step that was done.
#[test]
fn a_room_follows_its_procedure() {
    let case = || case_of(small_spine::patient(0.8).unwrap());
    let directory = tempfile::tempdir().unwrap();
    let server = Running::of(case(), Some(directory.path().to_owned()), None);
    let (mut ann, mut max) = (server.join("Ann", Role::Attending), server.join("Max", Role::Mentor));
    assert!(ann.session().following().is_none());

    max.session().request(Request::Procedure(Some(TARGET.into())));
    let mut refused = None;
    assert!(max.run_until(PATIENCE, |session| {
        refused = refused.take().or_else(|| {
            session.take_happenings().into_iter().find_map(|happening| match happening {
                Happening::Refused { request, reason } if request == "procedure" => Some(reason),
                _ => None,
            })
        });
        refused.is_some()
    }));
    assert_eq!(refused, Some(Refusal::Role(Role::Mentor)));

    ann.session().request(Request::Procedure(Some(TARGET.into())));
    for bot in [&mut ann, &mut max] {
        told(bot, "the steps", |f| f.target.target() == Some(TARGET) && status(f).first() == Some(&WireStatus::Open), |_| {});
    }
    let mut deep = -3.0;
    told(&mut ann, "the level check", level_is_checked, |session| {
        deep = (deep + 0.02_f64).min(1.5);
        press(session, ToolKind::Probe, deep, 0);
    });
    told(&mut max, "the level check, to others", level_is_checked, |_| {});
    assert!(errors(ann.session().following().unwrap()).is_empty());
    // Whoever comes later is told as well.
    let mut eve = server.join("Eve", Role::Observer);
    told(&mut eve, "the steps, to a newcomer", level_is_checked, |_| {});
    let recording = server.recording.clone().unwrap();
    drop((ann, max, eve));
    server.stop();

    let open = || SessionReader::open(std::io::BufReader::new(std::fs::File::open(&recording).unwrap())).unwrap();
    let reached = reach(&mut open(), &small_spine::patient(0.8).unwrap(), None).unwrap();
    let (target, noted) = reached.procedure.unwrap();
    assert_eq!((target, noted.len()), (TARGET, 1), "{noted:?}");
    assert_eq!(noted[0].1, "step done: level_check");

    let server = Running::of(case(), None, Some(recording));
    let mut ann = server.join("Ann", Role::Attending);
    told(&mut ann, "the step that was done before", level_is_checked, |_| {});
    ann.session().request(Request::Procedure(None));
    assert!(ann.run_until(PATIENCE, |session| session.following().is_none()), "it is followed no longer");
}

/// Going back to a moment before a step opens it again, for those who are there and for a server that goes on with the recording, though
/// that is started with the same procedure. Going on without going back, such a server keeps what was done.
#[test]
fn going_back_opens_what_was_done_since() {
    let case = || case_of(small_spine::patient(0.8).unwrap());
    let directory = tempfile::tempdir().unwrap();
    let server = Running::following(case(), Some(directory.path().to_owned()), None, Some(TARGET));
    let recording = server.recording.clone().unwrap();
    let mut ann = server.join("Ann", Role::Attending);
    told(&mut ann, "the steps", |f| !status(f).is_empty(), |_| {});
    let before = ann.session().mirror().tick();
    let check = |ann: &mut Bot| {
        let mut deep = -3.0;
        told(ann, "the level check", level_is_checked, |session| {
            deep = (deep + 0.02_f64).min(1.5);
            press(session, ToolKind::Probe, deep, 0);
        });
    };
    check(&mut ann);
    drop(ann);
    server.stop();

    let server = Running::following(case(), None, Some(recording.clone()), Some(TARGET));
    let mut ann = server.join("Ann", Role::Attending);
    told(&mut ann, "the step that was done before", level_is_checked, |_| {});
    ann.session().request(Request::Rewind { to_tick: before });
    told(&mut ann, "an open step", |f| status(f).first() == Some(&WireStatus::Open), |_| {});
    drop(ann);
    server.stop();

    let server = Running::following(case(), None, Some(recording), Some(TARGET));
    let mut ann = server.join("Ann", Role::Attending);
    told(&mut ann, "the step, still open", |f| status(f).first() == Some(&WireStatus::Open), |_| {});
    check(&mut ann);
}

/// Bone that goes before the level was checked is told as the error it is.
#[test]
fn an_unchecked_level_is_told() {
    let server = Running::of(case_of(small_spine::patient(0.8).unwrap()), None, None);
    let mut ann = server.join("Ann", Role::Attending);
    ann.session().request(Request::Procedure(Some(TARGET.into())));
    told(&mut ann, "the steps", |f| !status(f).is_empty(), |_| {});
    let mut deep = -2.0;
    let unchecked = |f: &Following| errors(f).iter().any(|e| e.sentinel == Sentinel::NoLevelCheck as u8);
    told(&mut ann, "the error", unchecked, |session| {
        deep = (deep + 0.02_f64).min(4.0);
        press(session, ToolKind::FlutedBurr, deep, 255);
    });
    assert_eq!(status(ann.session().following().unwrap()).first(), Some(&WireStatus::Open));
}

/// A patient without such a place: everybody is told why nothing is followed. What names no procedure ends its sender's connection.
#[test]
fn a_place_that_is_not_there_is_told() {
    let server = Running::of(case_of(patient()), None, None);
    let mut ann = server.join("Ann", Role::Attending);
    ann.session().request(Request::Procedure(Some(TARGET.into())));
    told(&mut ann, "why not", |f| matches!(&f.stand, Stand::Impossible(why) if why.contains("L4")), |_| {});
    // Each choice starts a thread: who chooses without end is refused.
    (0..40).for_each(|_| ann.session().request(Request::Procedure(Some(TARGET.into()))));
    let mut refused = false;
    assert!(ann.run_until(PATIENCE, |session| {
        refused |= session.take_happenings().iter().any(|h| matches!(h, Happening::Refused { reason: Refusal::Rate, .. }));
        refused
    }));
    let mut wrong = spinor_shared::following::WireTarget::from(TARGET);
    wrong.level = 40;
    ann.session().request(Request::Procedure(Some(wrong)));
    assert!(ann.run_until(PATIENCE, |session| !session.is_joined()), "garbage is not answered");
}
