//! Tools, contact, removal, alarm and the simulation step of Spinor.
//!
//! Like `spinor-volume`, this crate does no IO, reads no clock, spawns no thread and owns no random number: `step` turns a tick's
//! inputs into operations and events, and does so identically everywhere.

pub mod events;
pub mod input;
pub mod pose;
pub mod settings;
pub mod state;
pub mod tool;
mod vector;

pub use events::{AlarmLevel, BiteRefusal, Event, Holder, Warning};
pub use input::{Hand, Pose, Tick, ToolInput, ToolKind, UserId};
pub use settings::Settings;
pub use state::{Nearest, ToolState};
