//! Metrics and reports from a recorded session.
//!
//! A recording holds inputs, operations and events. Volumes, contacts and alarms are taken from what was recorded; distances and
//! paths, which no recording holds for every tick, come from running the simulation again on the recorded inputs. Where that differs
//! from the record, the report says in how many ticks.
//!
//! For education and rehearsal: nothing here rates a surgeon, and nothing is a medical device.

mod again;
mod clock;
pub mod csv;
pub mod definitions;
pub mod figures;
pub mod filter;
pub mod gather;
pub mod metrics;
mod number;
pub mod osats;
pub mod phases;
mod picture;
pub mod place;
mod plot;
pub mod proposed;
pub mod report;
pub mod score;
#[cfg(test)]
mod tests;
pub mod xapi;

pub use gather::{AssessError, Options, Session, gather, gather_with};
pub use metrics::{Metrics, measure};
pub use osats::Osats;
pub use report::html;
