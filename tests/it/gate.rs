//! The door: invitations that are no good, and bytes that are no messages.

use std::time::{Duration, Instant};

use spinor_client_core::{Bot, Happening, JoinError, JoinOptions, Refusal, Request, Status};
use spinor_shared::net::congestion::Congestion;
use spinor_shared::net::endpoint::client_endpoint;
use spinor_shared::net::frame::{frame, kind};
use spinor_shared::room::Role;
use spinor_shared::session::{Record, SessionReader};

use crate::harness::{PATIENCE, Running, agree, join, now, together};

/// Why a client is kept out.
fn kept_out(options: JoinOptions) -> JoinError {
    let mut bot = Bot::join(options).unwrap();
    let mut why = None;
    bot.run_until(PATIENCE, |session| {
        if let Status::Refused(error) = session.status() {
            why = Some(error.clone());
        }
        assert!(!session.is_joined(), "somebody got in who may not");
        why.is_some()
    });
    why.unwrap_or_else(|| panic!("no refusal but {:?}", bot.session().status()))
}

/// An expired link, an altered one, one of another owner, one already used on another device, one to a room that is not there, and a
/// server with another certificate: each is refused with its reason. The device that used its link may come back.
#[test]
fn bad_invitations_are_refused_with_their_reason() {
    let server = Running::start(None);
    let refused = |options| match kept_out(options) {
        JoinError::Refused(refusal) => refusal,
        other => panic!("{other}"),
    };
    let expired = server.file.invite("theatre", "Late", Role::Resident, now() - 5).unwrap();
    assert_eq!(refused(JoinOptions::new_device(expired).unwrap()), Refusal::Expired);

    let mut altered = server.options("Mallory", Role::Observer);
    altered.invite.token[3] ^= 1;
    assert_eq!(refused(altered), Refusal::BadToken);

    let mut stranger = server.file.clone();
    stranger.owner_key = "11".repeat(32);
    let foreign = stranger.invite("theatre", "Mallory", Role::Attending, now() + 60).unwrap();
    assert_eq!(refused(JoinOptions::new_device(foreign).unwrap()), Refusal::BadToken);

    let mut nowhere = server.options_in("theatre.9", "Lost", Role::Observer);
    nowhere.via = Some(server.address);
    // A room that may open later is worth waiting for: the client goes on trying, and never gets in.
    let mut lost = Bot::join(nowhere).unwrap();
    let mut why = None;
    lost.run_until(PATIENCE, |session| {
        assert!(!session.is_joined(), "somebody got into a room that is not there");
        if let Status::Connecting { reason: Some(reason), .. } = session.status() {
            why = Some(reason.clone());
        }
        why.is_some()
    });
    assert_eq!(why, Some(Refusal::NoRoom.to_string()));

    let mut other_server = server.options("Ann", Role::Observer);
    other_server.invite.digest[0] ^= 1;
    assert!(matches!(kept_out(other_server), JoinError::OtherServer(_)));

    let mine = server.options("Ann", Role::Resident);
    join(mine.clone()).leave();
    let copied = JoinOptions::new_device(mine.invite.clone()).unwrap();
    assert_eq!(refused(copied), Refusal::OtherDevice);
    join(mine).leave();
}

/// Noise instead of a hello, a hello that is too long, noise after the hello, and datagrams that are no packets: each closes that
/// connection and nobody else's.
#[test]
fn garbage_closes_its_own_connection_only() {
    let server = Running::start(None);
    let mut ann = server.join("Ann", Role::Attending);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let digest = server.options("x", Role::Observer).invite.digest;
    let noise: Vec<u8> = (0..600u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let too_long = [&[0xFF, 0xFF, 0xFF, 0x7F, kind::HELLO][..], &noise].concat();
    let not_a_hello = frame(kind::HELLO, &noise).to_vec();
    let wrong_kind = frame(kind::REQUEST, &[]).to_vec();
    for bytes in [noise.clone(), too_long, not_a_hello, wrong_kind, vec![0; 4]] {
        let closed = runtime.block_on(async {
            let endpoint = client_endpoint(server.address, digest, Congestion::Cubic).unwrap();
            let connection = endpoint.connect(server.address, "spinor.invalid").unwrap().await.unwrap();
            let (mut send, _receive) = connection.open_bi().await.unwrap();
            send.write_all(&bytes).await.unwrap();
            tokio::time::timeout(Duration::from_secs(8), connection.closed()).await
        });
        assert!(matches!(closed, Ok(quinn::ConnectionError::ApplicationClosed(_))), "{closed:?}");
    }
    // Raw UDP noise at the socket.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    (0..50).for_each(|n| drop(socket.send_to(&noise[n..], server.address)));

    // Inside: bad datagrams close the connection, which then comes back by no means by itself.
    let mut eve = server.join("Eve", Role::Observer);
    for n in 0..20 {
        let _ = eve.session().connection().unwrap().send_datagram(noise[n * 7..n * 7 + 90].to_vec().into());
    }
    let mut out = false;
    assert!(eve.run_until(PATIENCE, |session| {
        out |= matches!(session.status(), Status::Refused(JoinError::Refused(Refusal::Garbage)));
        out
    }));

    // Ann noticed nothing: her connection is the one she came with, and she is served.
    let start = Instant::now();
    assert_eq!(agree(&mut ann).1, 0);
    assert!(start.elapsed() < PATIENCE);
    assert!(ann.session().connection().unwrap().close_reason().is_none());
}

/// Somebody who asks without end is told so now and then. Neither log nor recording grows with it, which one observer could fill the disk
/// with, and the others are served meanwhile.
#[test]
fn a_flood_of_requests_does_not_fill_the_recording() {
    let directory = tempfile::tempdir().unwrap();
    let server = Running::start(Some(directory.path().to_owned()));
    let (mut ann, mut eve) = (server.join("Ann", Role::Attending), server.join("Eve", Role::Observer));
    let start = Instant::now();
    (0..20_000).for_each(|_| eve.session().request(Request::Freeze(true)));
    let mut told = 0;
    together(&mut [&mut eve, &mut ann], Duration::from_secs(3), |n, session, _| {
        let refused = |h: &&Happening| matches!(h, Happening::Refused { .. });
        told += if n == 0 { session.take_happenings().iter().filter(refused).count() } else { 0 };
    });
    assert_eq!(agree(&mut ann).1, 0);
    let seconds = start.elapsed().as_secs() as usize + 1;
    drop(eve);
    let recording = server.recording.clone().unwrap();
    server.stop();
    let records = SessionReader::open(std::fs::File::open(recording).unwrap()).unwrap();
    let logged = records.filter(|r| matches!(r, Ok(Record::Refused { .. }))).count();
    assert!(told > 20, "{told} refusals told");
    assert!((1..=21 + 2 * seconds).contains(&logged), "{logged} refusals recorded in {seconds} s");
}

/// A second `Ready`, which a client sends that enters while the room goes back to an earlier moment, brings the state once more; it cost
/// the client its place for good.
#[test]
fn asking_for_the_state_twice_is_no_garbage() {
    let server = Running::start(None);
    let mut ann = server.join("Ann", Role::Attending);
    ann.session().request(Request::Ready { have_patient: true, want_images: false });
    assert_eq!(agree(&mut ann).1, 0);
    assert!(ann.session().connection().unwrap().close_reason().is_none());
}
