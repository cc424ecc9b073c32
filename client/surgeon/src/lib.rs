//! Scripted surgeons: they work through a procedure on a patient, as a person would, by tool inputs alone. On the small
//! analytic spine of `spinor_sim` a steady one finishes a foraminotomy, a microdiscectomy, and a laminectomy but for its measure of the
//! canal (that spine has no stenosis).
//!
//! A [`Surgeon`] is given a patient, a procedure and a place. It finds its way from the patient's own structures, looks at what is left
//! of the bone and ligament that it means to take, moves both hands, and watches its tools: it waits for a burr that lags behind, draws
//! back from a nerve, and tries elsewhere when a bite is refused. It never touches the simulation: what it does is [`ToolInput`]s.
//!
//! [`Skill`] changes how a surgeon works and never what it aims at: tremor of the hand, speed, and how late it reacts to what it sees.
//! The target path is computed from the anatomy alone.
//!
//! They are scripts: what a metric says about them says nothing about people.
//!
//! [`ToolInput`]: spinor_sim::ToolInput

mod hand;
mod phase;
mod random;
#[cfg(feature = "record")]
pub mod rehearsal;
mod scene;
mod script;
mod skill;
mod surgeon;
mod task;
#[cfg(test)]
mod tests;
mod turn;
mod vector;

pub use skill::{Habits, Skill};
pub use surgeon::{PhaseReport, Surgeon, View};
