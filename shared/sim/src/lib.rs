//! Tools, contact, removal, alarm and the simulation step of Spinor.
//!
//! Like `spinor-volume`, this crate does no IO, reads no clock, spawns no thread and owns no random number: `step` turns a tick's
//! inputs into operations and events, and does so identically everywhere. It computes in scalar `f64` with `+ - * / sqrt` and rounding
//! to integers only; what leaves it is integers.
//!
//! [`Simulation`] is the authority. [`OwnTool`] is a client's prediction of the tool in its own hand, by the same contact code.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests compare with analytic truth"))]

mod alarm;
mod contact;
pub mod events;
mod feel;
#[cfg(test)]
mod fixture;
pub mod input;
mod motion;
pub mod own_tool;
pub mod pose;
pub mod procedure;
pub mod settings;
pub mod simulation;
pub mod small_spine;
pub mod state;
mod sweep;
#[cfg(test)]
mod tests;
mod through;
pub mod tissue;
pub mod tool;
mod tools;
mod touch;
mod vector;

pub use alarm::{AlarmShare, BoneLeft, NeuralFields};
pub use events::{AlarmLevel, BiteRefusal, Event, Holder, TearSize, Warning};
pub use feel::Feel;
pub use input::{Hand, Pose, Tick, ToolInput, ToolKind, UserId};
pub use own_tool::{OwnPose, OwnTool};
pub use settings::{Settings, TissueModels, ToolSettings};
pub use simulation::{ResolvedOp, Simulation, StepOutput};
pub use state::{Nearest, ToolState};
pub use sweep::Sweep;
pub use tissue::{Detached, Fragment, FragmentId, FragmentState, PatchNodes, Standing, TearState, TissueOutput, VeilCell};
pub use tools::rules::{Rule, rule, taken_by};
