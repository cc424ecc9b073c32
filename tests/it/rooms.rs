//! Rooms over real QUIC: cutting together, joining late, roles, reconnecting, bad networks.

use std::time::Duration;

use spinor_client_core::testing::{Conditions, Relay, Stroke};
use spinor_client_core::{Happening, Mark, Refusal, Request};
use spinor_shared::room::Role;
use spinor_shared::session::{Part, Record, Replay, SessionReader, replay};

use crate::harness::{PATIENCE, Running, agree, burr, join, patient, together};

/// Two people cut at the same time, a third comes while they do: all copies end with the server's digest, the late one too.
#[test]
fn late_joiner_sees_what_two_cut() {
    let server = Running::start(None);
    let (mut ann, mut ben) = (server.join("Ann", Role::Attending), server.join("Ben", Role::Resident));
    let patient = patient();
    let strokes = [Stroke::over_lamina(&patient, 0, 1.5).unwrap(), Stroke::over_lamina(&patient, 1, 1.5).unwrap()];
    together(&mut [&mut ann, &mut ben], Duration::from_secs(2), |n, session, t| burr(session, &strokes[n], t));
    let mut eve = spinor_client_core::Bot::join(server.options("Eve", Role::Observer)).unwrap();
    together(&mut [&mut ann, &mut ben, &mut eve], Duration::from_secs(3), |n, session, t| {
        if let Some(stroke) = strokes.get(n) {
            burr(session, stroke, t + 2.0);
        }
    });
    assert!(eve.run_until(PATIENCE, |session| session.is_joined()));
    let mut digests = Vec::new();
    for bot in [&mut ann, &mut ben, &mut eve] {
        let (digest, ops) = agree(bot);
        assert!(ops > 30, "{ops} operations");
        digests.push(digest);
    }
    assert!(digests[0] != 0 && digests.iter().all(|d| *d == digests[0]), "{digests:x?}");
    assert_eq!(eve.session().mirror().repairs(), 0, "a clean network needs no repairs");
    assert_eq!(eve.session().people().len(), 3);
}

/// A mentor's tool inputs change nothing; the server says so, counts them, and logs them in the recording.
#[test]
fn a_mentor_cannot_cut() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(Some(directory.path().to_owned()));
    let mut mentor = server.join("Mentor", Role::Mentor);
    let stroke = Stroke::over_lamina(&patient(), 0, 1.5).unwrap();
    let mut refusals = Vec::new();
    together(&mut [&mut mentor], Duration::from_secs(1), |_, session, t| {
        burr(session, &stroke, t);
        session.request(Request::Freeze(false));
        refusals.extend(session.take_happenings().into_iter().filter_map(|happening| match happening {
            Happening::Refused { request, reason } => Some((request, reason)),
            _ => None,
        }));
    });
    assert!(refusals.contains(&("input".to_owned(), Refusal::Role(Role::Mentor))), "{refusals:?}");
    assert!(refusals.contains(&("freeze".to_owned(), Refusal::Role(Role::Mentor))), "{refusals:?}");
    assert_eq!(agree(&mut mentor), (0, 0));
    mentor.session().request(Request::Stats);
    let mut counted = 0;
    assert!(mentor.run_until(PATIENCE, |session| {
        for happening in session.take_happenings() {
            if let Happening::Stats(stats) = happening {
                counted = stats.refused.iter().find(|(word, _)| word == "role").map_or(0, |(_, n)| *n);
            }
        }
        counted > 0
    }));
    assert!(counted > 20, "{counted} refusals counted");
    let recording = server.recording.clone().unwrap();
    server.stop();
    let records = SessionReader::open(std::fs::File::open(recording).unwrap()).unwrap();
    let logged = records.filter(|r| matches!(r, Ok(Record::Refused { reason, .. }) if reason == "input: role")).count();
    assert!(logged >= 1);
}

/// What a mentor points at, draws and writes is shown to the others and stands in the recording in the same order.
#[test]
fn what_a_mentor_draws_is_shown_and_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(Some(directory.path().to_owned()));
    let (mut mentor, mut ben) = (server.join("Mentor", Role::Mentor), server.join("Ben", Role::Resident));
    let drawn = [
        Mark::Line(vec![[1_000, -2_000, 3_000], [2_000, -2_000, 3_000]]),
        Mark::Line(vec![[1_500, -2_500, 3_000]]),
        Mark::Text("undercut here".to_owned()),
        Mark::Clear,
    ];
    for mark in &drawn {
        mentor.session().request(Request::Say(mark.clone()));
    }
    let by = mentor.session().me().unwrap().user;
    let mut seen = Vec::new();
    let all_seen = ben.run_until(PATIENCE, |session| {
        seen.extend(session.take_happenings().into_iter().filter_map(|happening| match happening {
            Happening::Said { user, mark } if user == by => Some(mark),
            _ => None,
        }));
        seen.len() >= drawn.len()
    });
    assert!(all_seen, "{seen:?}");
    assert_eq!(seen, drawn);
    assert!(mentor.run_until(PATIENCE, |session| session.is_joined()));
    let recording = server.recording.clone().unwrap();
    server.stop();
    let records = SessionReader::open(std::fs::File::open(recording).unwrap()).unwrap();
    let recorded = records.filter_map(|record| match record {
        Ok(Record::Said { user, mark, .. }) if user == by => Some(mark),
        _ => None,
    });
    assert_eq!(recorded.collect::<Vec<_>>(), drawn);
}

/// The attending freezes all tools, takes the tool from a resident, and gives it back; the resident's copy follows.
#[test]
fn the_attending_directs() {
    let server = Running::start(None);
    let (mut ann, mut ben) = (server.join("Ann", Role::Attending), server.join("Ben", Role::Resident));
    let stroke = Stroke::over_lamina(&patient(), 0, 1.5).unwrap();
    let user = ben.session().me().unwrap().user;
    ann.session().request(Request::Freeze(true));
    assert!(ben.run_until(PATIENCE, |session| session.view().is_some_and(|v| v.frozen)));
    together(&mut [&mut ben, &mut ann], Duration::from_millis(700), |n, session, t| {
        if n == 0 {
            burr(session, &stroke, t);
        }
    });
    assert_eq!(agree(&mut ben).1, 0, "nobody cuts while frozen");
    ann.session().request(Request::Freeze(false));
    ann.session().request(Request::Tool { user, give: false });
    assert!(ann.run_until(PATIENCE, |session| session.people().iter().any(|p| p.user == user && !p.has_tool)));
    together(&mut [&mut ben, &mut ann], Duration::from_millis(700), |n, session, t| {
        if n == 0 {
            burr(session, &stroke, t);
        }
    });
    assert_eq!(agree(&mut ben).1, 0, "nobody cuts without the tool");
    ann.session().request(Request::Tool { user, give: true });
    assert!(ben.run_until(PATIENCE, |session| session.has_tool()));
    together(&mut [&mut ben, &mut ann], Duration::from_secs(2), |n, session, t| {
        if n == 0 {
            burr(session, &stroke, t);
        }
    });
    assert!(agree(&mut ben).1 > 10);
    ben.session().request(Request::Tool { user, give: true });
    let mut refused = false;
    assert!(ben.run_until(PATIENCE, |session| {
        refused |= session
            .take_happenings()
            .iter()
            .any(|h| matches!(h, Happening::Refused { request, reason: Refusal::Role(Role::Resident) } if request == "tool"));
        refused
    }));
}

/// Somebody whose connection breaks comes back by itself as the same person, and sees what was cut meanwhile.
#[test]
fn a_broken_connection_comes_back() {
    let server = Running::start(None);
    let (mut ann, mut ben) = (server.join("Ann", Role::Attending), server.join("Ben", Role::Resident));
    let stroke = Stroke::over_lamina(&patient(), 0, 1.5).unwrap();
    let user = ben.session().me().unwrap().user;
    ben.session().connection().unwrap().close(0u32.into(), b"cable pulled");
    together(&mut [&mut ann], Duration::from_secs(1), |_, session, t| burr(session, &stroke, t));
    let mut lost = false;
    assert!(ben.run_until(PATIENCE, |session| {
        lost |= session.take_happenings().iter().any(|h| matches!(h, Happening::Lost(_)));
        lost && session.is_joined()
    }));
    assert_eq!(ben.session().me().unwrap().user, user);
    let (digest, ops) = agree(&mut ben);
    assert!(digest != 0 && ops > 10, "{ops} operations");
    assert_eq!(agree(&mut ann).0, digest);
    assert_eq!(ann.session().people().len(), 2, "nobody stands twice in the room");
}

/// 20 ms each way, 1 % loss, packets above 1280 bytes dropped, 2 % overtaken: copies end equal.
#[test]
fn bad_networks_only_delay() {
    let server = Running::start(None);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let conditions = Conditions { delay: Duration::from_millis(20), loss: 0.01, mtu: 1280, reorder: 0.02 };
    let relay = runtime.block_on(Relay::start(server.address, conditions, 7)).unwrap();
    let far = |name, role| {
        let mut options = server.options(name, role);
        options.via = Some(relay.address);
        join(options)
    };
    let (mut ann, mut ben) = (far("Ann", Role::Attending), far("Ben", Role::Mentor));
    let stroke = Stroke::over_lamina(&patient(), 0, 1.5).unwrap();
    together(&mut [&mut ann, &mut ben], Duration::from_secs(4), |n, session, t| {
        if n == 0 {
            burr(session, &stroke, t);
        }
    });
    let (digest, ops) = agree(&mut ann);
    assert_eq!(agree(&mut ben).0, digest);
    assert!(ops > 30, "{ops} operations");
    assert!(relay.counts.lost.load(std::sync::atomic::Ordering::Relaxed) > 0, "the relay lost nothing");
}

/// Two rooms of one server do not hear each other.
#[test]
fn rooms_are_apart() {
    let server = Running::start(None);
    let mut ann = server.join("Ann", Role::Attending);
    let mut zoe = join(server.options_in("theatre.2", "Zoe", Role::Attending));
    let stroke = Stroke::over_lamina(&patient(), 0, 1.5).unwrap();
    together(&mut [&mut ann, &mut zoe], Duration::from_secs(2), |n, session, t| {
        if n == 0 {
            burr(session, &stroke, t);
        }
    });
    assert!(agree(&mut ann).1 > 10);
    assert_eq!(agree(&mut zoe), (0, 0));
    assert_eq!(zoe.session().people().len(), 1);
    assert_eq!(zoe.session().tools().count(), 0);
}

/// What was recorded replays to the digest that clients saw.
#[test]
fn the_recording_replays_to_the_same_digest() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(Some(directory.path().to_owned()));
    let mut ann = server.join("Ann", Role::Attending);
    let stroke = Stroke::over_lamina(&patient(), 0, 1.5).unwrap();
    together(&mut [&mut ann], Duration::from_secs(2), |_, session, t| burr(session, &stroke, t));
    let (digest, ops) = agree(&mut ann);
    let recording = server.recording.clone().unwrap();
    server.stop();
    let mut opened = Replay::open(std::io::BufReader::new(std::fs::File::open(recording).unwrap())).unwrap();
    let (_, summary) = replay(&mut opened, Part::WHOLE, None).unwrap();
    assert_eq!((summary.digest, summary.ops), (digest, ops));
    assert_eq!(summary.mismatches(), 0);
}
