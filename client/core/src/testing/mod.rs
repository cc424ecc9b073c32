//! For tests and load runs: a network that misbehaves as told, hands that do what they are told, and a small patient.

mod balls;
mod relay;
mod strokes;

pub use balls::two_balls;
pub use relay::{Conditions, Relay, RelayCounts};
pub use strokes::Stroke;
