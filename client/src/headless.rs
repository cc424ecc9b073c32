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

fn tell(mut session: ResMut<Session>, mut said: Local<String>, mut exit: MessageWriter<AppExit>) {
    let status = match session.status() {
        Status::Connecting { reason: Some(reason), .. } => format!("connecting: {reason}"),
        Status::Connecting { .. } => "connecting".to_owned(),
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
            Some(format!("not in the room: {}", reason.as_deref().unwrap_or("nobody has answered yet")))
        }
        Status::Refused(why) => Some(format!("not let in: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use spinor_client_core::JoinError;

    use super::*;

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
