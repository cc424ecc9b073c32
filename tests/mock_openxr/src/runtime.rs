//! The runtime's state behind its C interface: one instance, one system, one session.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Write;
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use openxr_sys as xr;
use xr::SessionState as S;

use crate::actions::Actions;
use crate::frame::FrameLoop;
use crate::hands::Hands;
use crate::math::at;
use crate::script::Script;
use crate::spaces::Spaces;
use crate::swapchain::Swapchains;
use crate::vulkan::Loader;

/// Where the head is when the script says nothing about it.
const STANDING_M: f32 = 1.6;

/// What the application learns by polling.
pub(crate) enum Event {
    /// The session changed its state.
    State(S),
    /// The controllers in use changed.
    Profile,
}

/// Everything the runtime knows.
pub(crate) struct Runtime {
    pub(crate) script: Script,
    pub(crate) frames: FrameLoop,
    pub(crate) events: VecDeque<Event>,
    pub(crate) state: S,
    /// Between `xrBeginSession` and `xrEndSession`.
    pub(crate) running: bool,
    exit_asked: bool,
    pub(crate) actions: Actions,
    pub(crate) spaces: Spaces,
    pub(crate) hands: Hands,
    pub(crate) loader: Option<Loader>,
    pub(crate) swapchains: Swapchains,
    /// Pixels along an eye's edge.
    pub(crate) eye_px: u32,
    last_handle: u64,
    log: Option<File>,
}

static RUNTIME: LazyLock<Mutex<Runtime>> = LazyLock::new(|| Mutex::new(Runtime::from_environment()));

/// The runtime, for the length of one call.
pub(crate) fn runtime() -> MutexGuard<'static, Runtime> {
    RUNTIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Whether a switch is set in the environment.
pub(crate) fn switch(name: &str) -> bool {
    std::env::var_os(name).is_some()
}

impl Runtime {
    fn from_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let number = |name: &str| variable(name).and_then(|v| v.parse::<f64>().ok()).filter(|v| *v > 0.0);
        let script = match variable("MOCKXR_SCRIPT") {
            None => Ok(Script::still()),
            Some(path) => {
                std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}")).and_then(|text| Script::parse(&text))
            }
        };
        let mut runtime = Self {
            script: Script::default(),
            frames: FrameLoop::new(
                Duration::from_secs_f64(1.0 / number("MOCKXR_HZ").unwrap_or(72.0)),
                variable("MOCKXR_CLOCK").as_deref() == Some("frames"),
            ),
            events: VecDeque::new(),
            state: S::UNKNOWN,
            running: false,
            exit_asked: false,
            actions: Actions::default(),
            spaces: Spaces::default(),
            hands: Hands::default(),
            loader: None,
            swapchains: Swapchains::default(),
            eye_px: number("MOCKXR_SIZE").unwrap_or(512.0).clamp(16.0, 4096.0) as u32,
            last_handle: 0,
            log: variable("MOCKXR_LOG").and_then(|path| File::create(path).ok()),
        };
        match script {
            Ok(script) => runtime.script = script,
            Err(wrong) => {
                runtime.note(&format!("fault {wrong}"));
                eprintln!("mockxr: {wrong}");
            }
        }
        runtime
    }

    /// A handle nobody has yet.
    pub(crate) fn handle(&mut self) -> u64 {
        self.last_handle += 1;
        self.last_handle
    }

    /// The script's time.
    pub(crate) fn seconds(&self) -> f64 {
        self.frames.now().as_secs_f64()
    }

    /// Writes a line to the log.
    pub(crate) fn note(&mut self, line: &str) {
        let seconds = self.seconds();
        if let Some(log) = &mut self.log {
            // A test that misses its log fails by itself; there is nobody else to tell.
            let _ = writeln!(log, "{seconds:.3} {line}");
        }
    }

    /// Notes that the application broke the order of calls, and says so to it.
    pub(crate) fn fault(&mut self, call: &str, result: xr::Result) -> xr::Result {
        self.note(&format!("fault {call}: {result:?}"));
        result
    }

    /// Puts the session in a state and tells the application.
    pub(crate) fn enter(&mut self, state: S) {
        self.note(&format!("state {state:?}"));
        self.state = state;
        self.events.push_back(Event::State(state));
    }

    /// Leads the application to `STOPPING`, once.
    pub(crate) fn ask_exit(&mut self) {
        if !std::mem::replace(&mut self.exit_asked, true) {
            [S::VISIBLE, S::SYNCHRONIZED, S::STOPPING].into_iter().for_each(|state| self.enter(state));
        }
    }

    /// Starts over for a new session; script and clock go on.
    pub(crate) fn reset_session(&mut self) {
        self.running = false;
        self.exit_asked = false;
        self.events.clear();
        self.spaces.clear();
        self.actions.detach();
        self.frames.reset();
    }

    /// Where the head is, in the stage.
    pub(crate) fn head(&self, seconds: f64) -> xr::Posef {
        self.script.pose("head", seconds).unwrap_or(at(0.0, STANDING_M, 0.0))
    }

    /// Where the local space's origin is, in the stage.
    pub(crate) fn local(&self) -> xr::Posef {
        at(0.0, STANDING_M, 0.0)
    }
}

/// A map by handle whose order is that of creation.
pub(crate) type ByHandle<T> = BTreeMap<u64, T>;
