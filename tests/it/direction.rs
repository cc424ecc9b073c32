//! What the attending directs beyond freezing: going back to an earlier moment, and tools that go from hand to hand.

use std::time::Duration;

use spinor_client_core::testing::Stroke;
use spinor_client_core::{Happening, Refusal, Request};
use spinor_shared::room::Role;
use spinor_shared::session::{Part, Replay, SessionReader, reach, replay};
use spinor_sim::{Hand, ToolKind};

use crate::harness::{PATIENCE, Running, agree, burr, patient, together};

/// The patient goes back to an earlier moment for everybody at once, the recording proves it, and a resumption goes on from there.
#[test]
fn a_rewound_room_shows_the_earlier_moment() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(Some(directory.path().to_owned()));
    let (mut ann, mut ben) = (server.join("Ann", Role::Attending), server.join("Ben", Role::Resident));
    let strokes = [Stroke::over_lamina(&patient(), 0, 1.5).unwrap(), Stroke::over_lamina(&patient(), 1, 1.5).unwrap()];
    together(&mut [&mut ann, &mut ben], Duration::from_secs(2), |n, session, t| burr(session, &strokes[n], t));
    let (then, _) = agree(&mut ann);
    assert_eq!(agree(&mut ben).0, then);
    let moment = ann.session().mirror().tick().max(ben.session().mirror().tick());
    together(&mut [&mut ann, &mut ben], Duration::from_secs(2), |n, session, t| burr(session, &strokes[n], t + 3.0));
    assert_ne!(agree(&mut ann).0, then, "more was cut");

    ben.session().request(Request::Rewind { to_tick: moment });
    ann.session().request(Request::Rewind { to_tick: u32::MAX });
    for (bot, wanted) in [(&mut ben, Refusal::Role(Role::Resident)), (&mut ann, Refusal::Nothing)] {
        let mut told = None;
        assert!(bot.run_until(PATIENCE, |session| {
            told = told.take().or_else(|| {
                session.take_happenings().into_iter().find_map(|happening| match happening {
                    Happening::Refused { request, reason } if request == "rewind" => Some(reason),
                    _ => None,
                })
            });
            told.is_some()
        }));
        assert_eq!(told, Some(wanted));
    }

    ann.session().request(Request::Rewind { to_tick: moment });
    for bot in [&mut ann, &mut ben] {
        let mut rewound = false;
        assert!(bot.run_until(PATIENCE, |session| {
            rewound |= session.take_happenings().iter().any(|h| matches!(h, Happening::Rewound { epoch: 1 }));
            rewound && session.mirror().is_complete()
        }));
        assert_eq!(agree(bot).0, then, "the earlier moment");
    }
    together(&mut [&mut ann, &mut ben], Duration::from_secs(1), |n, session, t| burr(session, &strokes[n], t + 6.0));
    let (now, _) = agree(&mut ann);
    assert_eq!(agree(&mut ben).0, now);
    assert_ne!(now, then);
    let recording = server.recording.clone().unwrap();
    server.stop();

    let open = || std::io::BufReader::new(std::fs::File::open(&recording).unwrap());
    let (_, summary) = replay(&mut Replay::open(open()).unwrap(), Part::WHOLE, None).unwrap();
    assert_eq!((summary.digest, summary.mismatches()), (now, 0));
    let reached = reach(&mut SessionReader::open(open()).unwrap(), &patient(), None).unwrap();
    assert_eq!((reached.cut.digest(), reached.epoch), (now, 1));
    let reached = reach(&mut SessionReader::open(open()).unwrap(), &patient(), Some(moment)).unwrap();
    assert_eq!(reached.cut.digest(), then);
}

/// A room that is not recorded has nothing to go back to, and says so.
#[test]
fn a_room_without_a_recording_cannot_go_back() {
    let server = Running::start(None);
    let mut ann = server.join("Ann", Role::Attending);
    ann.session().request(Request::Rewind { to_tick: 0 });
    let mut refused = false;
    assert!(ann.run_until(PATIENCE, |session| {
        refused |= session.take_happenings().iter().any(|h| matches!(h, Happening::Refused { reason: Refusal::NotRecorded, .. }));
        refused
    }));
}

/// Nobody switches the alarm off: thresholds of nothing are refused, and those in force stay.
#[test]
fn the_alarm_cannot_be_set_to_nothing() {
    let server = Running::start(None);
    let mut ann = server.join("Ann", Role::Attending);
    let before = ann.session().view().map(|view| view.alarm_um);
    ann.session().request(Request::Alarm { caution_um: 4_000, danger_um: 0 });
    let mut refused = false;
    assert!(ann.run_until(PATIENCE, |session| {
        refused |= session.take_happenings().iter().any(|h| matches!(h, Happening::Refused { reason: Refusal::Thresholds, .. }));
        refused
    }));
    assert_eq!(ann.session().view().map(|view| view.alarm_um), before);
}

/// An attending hands a burr to a resident without the right to operate: the right goes with it, and the giver's late inputs do not
/// take the tool back. A mentor cannot be handed one.
#[test]
fn tools_go_from_hand_to_hand() {
    let server = Running::start(None);
    let (mut ann, mut ben) = (server.join("Ann", Role::Attending), server.join("Ben", Role::Resident));
    let mut kim = server.join("Kim", Role::Mentor);
    let stroke = Stroke::over_lamina(&patient(), 0, 1.5).unwrap();
    let (to, mentor) = (ben.session().me().unwrap().user, kim.session().me().unwrap().user);
    ann.session().request(Request::Tool { user: to, give: false });
    assert!(ben.run_until(PATIENCE, |session| !session.has_tool()));
    let holds = |session: &mut spinor_client_core::Session| {
        session.send_input(Hand::Left, ToolKind::Kerrison, 30, stroke.rest(), 0);
    };
    together(&mut [&mut ann], Duration::from_millis(300), |_, session, _| holds(session));
    ann.session().request(Request::Pass { hand: Hand::Left as u8, to: mentor });
    ann.session().request(Request::Pass { hand: Hand::Left as u8, to });
    let (mut passed, mut refused) = (None, false);
    together(&mut [&mut ann, &mut ben, &mut kim], Duration::from_millis(600), |n, session, _| {
        for happening in session.take_happenings() {
            match happening {
                Happening::Passed { to, tool, size_tenth_mm, .. } if n == 1 => passed = Some((to, tool, size_tenth_mm)),
                Happening::Refused { request, reason: Refusal::Role(Role::Mentor) } if request == "pass" => refused = true,
                _ => {}
            }
        }
        if n == 0 {
            holds(session);
        }
    });
    assert!(refused, "a mentor cannot be handed a tool");
    assert_eq!(passed, Some((to, ToolKind::Kerrison as u8, 30)));
    assert!(ben.session().has_tool());
    let giver = ann.session().me().unwrap().user;
    assert!(ben.run_until(PATIENCE, |session| session.tool(giver, Hand::Left).is_none()), "the giver's hand is empty");
}
