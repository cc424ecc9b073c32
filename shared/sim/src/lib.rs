//! Tools, contact, removal, alarm and the simulation step of Spinor.
//!
//! Like `spinor-volume`, this crate does no IO, reads no clock, spawns no thread and owns no random number: `step` turns a tick's
//! inputs into operations and events, and does so identically everywhere.

pub mod input;

pub use input::{Hand, Pose, Tick, ToolInput, ToolKind, UserId};
