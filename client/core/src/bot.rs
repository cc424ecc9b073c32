//! A whole headless client: session, engine, and a loop that sleeps until something arrives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bevy_app::{App, TaskPoolPlugin};
use bevy_ecs::schedule::{Schedules, SingleThreadedExecutor};
use spinor_shared::net::bell::Bell;

use crate::dial::{JoinError, JoinOptions};
use crate::plugin::SpinorClientPlugin;
use crate::session::Session;

/// A headless client. Whoever owns it runs it, on any one thread.
pub struct Bot {
    app: App,
    bell: Arc<Bell>,
}

impl Bot {
    /// Begins to join.
    ///
    /// # Errors
    /// When no threads can be started.
    pub fn join(options: JoinOptions) -> Result<Self, JoinError> {
        let bell = Arc::new(Bell::default());
        let session = Session::join(options, bell.waker())?;
        let mut app = App::new();
        app.add_plugins(TaskPoolPlugin::default())
            .add_plugins(bevy_state::app::StatesPlugin)
            .add_plugins(SpinorClientPlugin)
            .insert_resource(session);
        for (_, schedule) in app.world_mut().resource_mut::<Schedules>().iter_mut() {
            schedule.set_executor(SingleThreadedExecutor::new());
        }
        app.finish();
        app.cleanup();
        Ok(Self { app, bell })
    }

    /// One frame of the engine: takes in what arrived, sends what is to be sent.
    pub fn step(&mut self) {
        self.app.update();
    }

    /// Sleeps until something arrives or `until` has come.
    pub fn wait(&self, until: Instant) {
        self.bell.wait(until);
    }

    /// The session.
    pub fn session(&self) -> &Session {
        self.app.world().resource::<Session>()
    }

    /// The session, to send and to take out what changed.
    pub fn session_mut(&mut self) -> &mut Session {
        self.app.world_mut().resource_mut::<Session>().into_inner()
    }

    /// Steps until `done` says so, at least every 10 ms; false when `patience` ran out before.
    pub fn run_until(&mut self, patience: Duration, mut done: impl FnMut(&mut Session) -> bool) -> bool {
        let end = Instant::now() + patience;
        loop {
            self.step();
            if done(self.session_mut()) {
                return true;
            }
            let now = Instant::now();
            if now >= end {
                return false;
            }
            self.wait(end.min(now + Duration::from_millis(10)));
        }
    }

    /// Leaves in order.
    pub fn leave(mut self) {
        self.session().leave();
        self.run_until(Duration::from_millis(500), |session| session.connection().is_none_or(|c| c.close_reason().is_some()));
    }
}
