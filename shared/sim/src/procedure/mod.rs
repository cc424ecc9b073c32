//! Procedures as lists of steps: what a trainee is asked to do, when a step counts as done, and which errors must never happen.
//!
//! A [`Site`] is the place of an operation in one patient: two vertebrae, the canal between them, and a frame of its own. [`Zone`]s are
//! the parts of it that a procedure removes or keeps. A [`Tracker`] follows a session's ticks and says which step is current, done or
//! done out of order, and which sentinel errors happened. A [`Plan`] is the bone that a procedure means to remove, to compare with.
//!
//! Steps are judged by what happened to the patient (events, what is left of a zone, measures), never by the time that passed. All of it
//! is deterministic: the same ticks give the same notes.
//!
//! Steps and errors follow the descriptions in the literature (for the unilateral approach the Delphi list of Melcher 2020: 6 phases,
//! 42 steps, 21 errors, 17 sentinel errors), reduced to what a simulator without skin and muscle can show. They are an educational
//! outline, not a standard of care.

mod kind;
mod plan;
mod roof;
mod sentinel;
mod site;
mod steps;
#[cfg(test)]
mod tests;
mod tracker;
mod zone;

pub use kind::{Procedure, Target};
pub use plan::{Plan, PlanComparison};
pub use roof::Roof;
pub use sentinel::{Sentinel, SentinelRecord};
pub use site::{Site, SiteError};
pub use spinor_volume::measure::Side;
pub use steps::{Rule, Step, steps};
pub use tracker::{Measured, Note, StepStatus, Tracker};
pub use zone::{Zone, ZonePoints};
