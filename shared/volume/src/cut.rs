//! Cuts: integer geometry that carves the fields of what surgery has removed.
//!
//! A cut field holds, per tissue class, the signed distance to what was taken from that class; tissue that is left is
//! [`sample::carve`](crate::sample::carve) of the patient's sample and the cut's. An operation lowers the cut field to its own distance
//! wherever that takes something from a structure, so operations commute and repeat without effect: a duplicated or reordered cut
//! converges. All arithmetic is in integers of 1/64 voxel, but for one square root whose input is an exact `f32`.

mod change;
mod kernel;
mod op;
mod room;
mod stamp;
mod state;

pub use op::{CutError, CutOp, CutShape, MAX_HALF, MAX_LENGTH_SQUARED, MAX_MARGIN, MAX_RADIUS};
pub use stamp::Stamp;
pub use state::{CutOutcome, CutState, Dirty};

/// Occupancy of a whole voxel in [`CutOutcome::removed`].
pub const OCCUPANCY_PER_VOXEL: i64 = crate::sample::OCCUPANCY_PER_VOXEL as i64;
