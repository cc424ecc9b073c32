//! Following a room without a picture.

use std::time::Duration;

use bevy::app::{AppExit, ScheduleRunnerPlugin};
use bevy::prelude::*;
use bevy::state::app::StatesPlugin;
use spinor_client_core::{Happening, JoinOptions, Mark, Session, SpinorClientPlugin, Status, no_waker};

/// Joins, prints who comes and goes and what is said, and leaves after `seconds`; an error where it never came in by then.
pub(crate) fn follow(options: JoinOptions, seconds: Option<f32>) -> AppExit {
    println!("{}", crate::hud::NOT_A_DEVICE);
    let session = match Session::join(options, no_waker()) {
        Ok(session) => session,
        Err(wrong) => {
            eprintln!("cannot join: {wrong}");
            return AppExit::error();
        }
    };
    App::new()
        .add_plugins((MinimalPlugins.set(ScheduleRunnerPlugin::run_loop(Duration::from_millis(4))), StatesPlugin))
        .add_plugins(SpinorClientPlugin)
        .insert_resource(session)
        .insert_resource(Ends(seconds))
        .add_systems(Update, (tell, end).chain())
        .run()
}

/// Seconds after which to leave.
#[derive(Resource)]
struct Ends(Option<f32>);

fn tell(mut session: ResMut<Session>, ends: Res<Ends>, mut said: Local<String>, mut exit: MessageWriter<AppExit>) {
    let status = match session.status() {
        Status::Connecting { attempt, reason } => connecting(*attempt, reason.as_deref(), ends.0.is_none()),
        Status::Loading => "loading the patient".to_owned(),
        Status::Joined => {
            let names: Vec<&str> = session.people().iter().filter(|p| p.online).map(|p| p.name.as_str()).collect();
            format!("in the room: {}", names.join(", "))
        }
        Status::Refused(why) => {
            eprintln!("not let in: {why}");
            exit.write(AppExit::error());
            return;
        }
    };
    if *said != status {
        println!("{status}");
        *said = status;
    }
    // What changed in the patient is taken, so that it does not pile up.
    session.mirror_mut().take_dirty();
    for happening in session.take_happenings() {
        match happening {
            Happening::Refused { request, reason } => println!("{request}: {reason}"),
            Happening::Said { user, mark: Mark::Text(words) } => println!("{user}: {words}"),
            Happening::Lost(why) => println!("connection lost: {why}"),
            _ => {}
        }
    }
}

/// How the way in goes. Attempts beyond the first few are told at every power of two, so that somebody who waits sees that it goes on.
fn connecting(attempt: u32, reason: Option<&str>, for_ever: bool) -> String {
    let because = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    match attempt {
        0 => format!("connecting{because}"),
        n => {
            let told = 1_u32 << n.ilog2();
            let until = if for_ever { " (it goes on until Ctrl-C, or give --seconds)" } else { "" };
            format!("connecting, attempt {told}{because}{until}")
        }
    }
}

fn end(time: Res<Time<Real>>, ends: Res<Ends>, session: Res<Session>, mut exit: MessageWriter<AppExit>) {
    if !ends.0.is_some_and(|seconds| time.elapsed_secs() > seconds) {
        return;
    }
    let outside = outside(session.status());
    if let Some(why) = &outside {
        eprintln!("{why}");
    }
    session.leave();
    exit.write(if outside.is_none() { AppExit::Success } else { AppExit::error() });
}

/// Why somebody who leaves now was never in the room; none where they were.
fn outside(status: &Status) -> Option<String> {
    match status {
        Status::Joined => None,
        Status::Loading => Some("left before the whole patient had come".to_owned()),
        Status::Connecting { reason, .. } => {
            let reason = reason.as_deref().unwrap_or("nobody has answered yet");
            Some(format!(
                "not in the room: {reason}. Does the server still run? Whoever invited you can tell, or send a new link"
            ))
        }
        Status::Refused(why) => Some(format!("not let in: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use spinor_client_core::JoinError;

    use super::*;

    /// A closed server is not tried in silence, nor with a line for every attempt.
    #[test]
    fn attempts_are_told_at_powers_of_two() {
        let told: std::collections::BTreeSet<String> = (1..=100).map(|n| connecting(n, Some("no answer"), true)).collect();
        assert_eq!(told.len(), 7, "{told:?}");
        assert!(told.iter().all(|line| line.contains("no answer") && line.contains("Ctrl-C")), "{told:?}");
        assert_eq!(connecting(0, None, false), "connecting");
    }

    /// A script that waits for `join --headless --seconds` learns from its exit whether it was in the room.
    #[test]
    fn only_who_was_in_the_room_leaves_it_well() {
        assert_eq!(outside(&Status::Joined), None);
        let connecting = Status::Connecting { attempt: 3, reason: Some("refused by the host".to_owned()) };
        assert!(outside(&connecting).is_some_and(|why| why.contains("refused by the host")));
        assert!(
            outside(&Status::Loading).is_some() && outside(&Status::Refused(JoinError::Local("no socket".to_owned()))).is_some()
        );
    }
}
