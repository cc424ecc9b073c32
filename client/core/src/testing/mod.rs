//! For tests and load runs: a network that misbehaves as told, and hands that do what they are told.

mod relay;
mod strokes;

pub use relay::{Conditions, Relay, RelayCounts};
pub use strokes::Stroke;
