//! The frame loop: waiting, beginning, ending, and what a submitted frame sets off.

use std::time::{Duration, Instant};

use openxr_sys as xr;
use xr::Result as R;
use xr::SessionState as S;

use crate::runtime::{Runtime, runtime};
use crate::script::Cue;

/// Frames between two log lines about the submitted layers.
const NOTE_EVERY: u64 = 30;

/// The clock and the order of the frame calls.
pub(crate) struct FrameLoop {
    period: Duration,
    /// Whether script time advances with frames instead of real time.
    by_frames: bool,
    started: Option<Instant>,
    deadline: Option<Instant>,
    /// All frames ever waited for.
    waited: u64,
    /// Frames waited for and not begun.
    pending: u32,
    begun: bool,
    ended: u64,
}

impl FrameLoop {
    pub(crate) fn new(period: Duration, by_frames: bool) -> Self {
        Self { period, by_frames, started: None, deadline: None, waited: 0, pending: 0, begun: false, ended: 0 }
    }

    /// Starts the clock with the first session.
    pub(crate) fn start(&mut self) {
        self.started.get_or_insert_with(Instant::now);
    }

    /// Forgets frames under way.
    pub(crate) fn reset(&mut self) {
        (self.pending, self.begun, self.deadline) = (0, false, None);
    }

    /// The script's time.
    pub(crate) fn now(&self) -> Duration {
        if self.by_frames {
            self.period * u32::try_from(self.waited).unwrap_or(u32::MAX)
        } else {
            self.started.map_or(Duration::ZERO, |start| start.elapsed())
        }
    }
}

/// An OpenXR time: never 0, which means invalid.
pub(crate) fn time(at: Duration) -> xr::Time {
    xr::Time::from_nanos(at.as_nanos() as i64 + 1)
}

/// Seconds of an OpenXR time.
pub(crate) fn seconds(time: xr::Time) -> f64 {
    time.as_nanos() as f64 * 1e-9
}

pub(crate) unsafe extern "system" fn wait(_: xr::Session, _: *const xr::FrameWaitInfo, state: *mut xr::FrameState) -> R {
    let deadline = {
        let mut runtime = runtime();
        if !runtime.running {
            return runtime.fault("xrWaitFrame", R::ERROR_SESSION_NOT_RUNNING);
        }
        let (now, frames) = (Instant::now(), &mut runtime.frames);
        let deadline = match frames.deadline {
            Some(last) if last + frames.period >= now => last + frames.period,
            _ => now,
        };
        frames.deadline = Some(deadline);
        deadline
    };
    std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
    let mut runtime = runtime();
    runtime.frames.waited += 1;
    runtime.frames.pending += 1;
    let (period, shown) = (runtime.frames.period, runtime.frames.now() + runtime.frames.period);
    // SAFETY: the application hands over a frame state to fill.
    let state = unsafe { &mut *state };
    state.predicted_display_time = time(shown);
    state.predicted_display_period = xr::Duration::from_nanos(period.as_nanos() as i64);
    state.should_render = matches!(runtime.state, S::VISIBLE | S::FOCUSED).into();
    R::SUCCESS
}

pub(crate) unsafe extern "system" fn begin(_: xr::Session, _: *const xr::FrameBeginInfo) -> R {
    let mut runtime = runtime();
    if !runtime.running {
        return runtime.fault("xrBeginFrame", R::ERROR_SESSION_NOT_RUNNING);
    }
    let Some(pending) = runtime.frames.pending.checked_sub(1) else {
        return runtime.fault("xrBeginFrame", R::ERROR_CALL_ORDER_INVALID);
    };
    runtime.frames.pending = pending;
    if std::mem::replace(&mut runtime.frames.begun, true) { R::FRAME_DISCARDED } else { R::SUCCESS }
}

pub(crate) unsafe extern "system" fn end(_: xr::Session, info: *const xr::FrameEndInfo) -> R {
    let mut runtime = runtime();
    if !runtime.running {
        return runtime.fault("xrEndFrame", R::ERROR_SESSION_NOT_RUNNING);
    }
    if !std::mem::replace(&mut runtime.frames.begun, false) {
        return runtime.fault("xrEndFrame", R::ERROR_CALL_ORDER_INVALID);
    }
    runtime.frames.ended += 1;
    // SAFETY: the application hands over a valid description with `layer_count` layers.
    let layers: Vec<*const xr::CompositionLayerBaseHeader> = unsafe {
        let info = &*info;
        (0..info.layer_count as usize).map(|k| (*info.layers.add(k)).cast()).collect()
    };
    let ended = runtime.frames.ended;
    if ended == 1 || ended.is_multiple_of(NOTE_EVERY) {
        let described: Vec<String> = layers.iter().map(|layer| describe(*layer)).collect();
        runtime.note(&format!("frame {ended} layers [{}]", described.join(", ")));
    }
    let now = runtime.seconds();
    // A frame without layers shows nothing worth a picture: its captures wait for the next.
    let mut held = Vec::new();
    while let Some(cue) = runtime.script.due(now) {
        match cue {
            Cue::Capture(name) if layers.is_empty() => held.push(name),
            Cue::Capture(name) => capture(&mut runtime, &layers, &name),
            Cue::State(state) => runtime.enter(state),
            Cue::Exit => runtime.ask_exit(),
        }
    }
    held.into_iter().for_each(|name| runtime.script.again(now, Cue::Capture(name)));
    R::SUCCESS
}

/// A projection layer's views, empty for any other layer.
fn views(layer: *const xr::CompositionLayerBaseHeader) -> &'static [xr::CompositionLayerProjectionView] {
    // SAFETY: the layer is valid until `xrEndFrame` returns, and its type says what it is. The slice is not kept beyond the call.
    unsafe {
        if (*layer).ty != xr::StructureType::COMPOSITION_LAYER_PROJECTION {
            return &[];
        }
        let projection = &*layer.cast::<xr::CompositionLayerProjection>();
        std::slice::from_raw_parts(projection.views, projection.view_count as usize)
    }
}

fn describe(layer: *const xr::CompositionLayerBaseHeader) -> String {
    match views(layer).len() {
        // SAFETY: as in `views`.
        0 => format!("{:?}", unsafe { (*layer).ty }),
        n => format!("projection x{n}"),
    }
}

/// Writes every view of every projection layer to a file of its own.
fn capture(runtime: &mut Runtime, layers: &[*const xr::CompositionLayerBaseHeader], name: &str) {
    let mut eye = 0;
    for layer in layers {
        for view in views(*layer) {
            let path = format!("{name}-eye{eye}.png");
            let line = match runtime.swapchains.capture(view.sub_image.swapchain, view.sub_image.image_array_index, &path) {
                Ok(()) => format!("capture {path}"),
                Err(wrong) => format!("fault capture {path}: {wrong}"),
            };
            runtime.note(&line);
            eye += 1;
        }
    }
}
