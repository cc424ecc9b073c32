//! Identifiers, wire types, codec, case and session formats, and the network protocol of Spinor.
//!
//! Without the feature `net` this crate holds formats only: what assessment and preparation need.

pub mod case;
pub mod codec;
pub mod delta;
#[cfg(feature = "net")]
pub mod net;
pub mod room;
pub mod session;
pub mod wire;
