//! Identifiers, wire types, codec, case and session formats, and the network protocol of Spinor.
//!
//! Without the feature `net` this crate holds formats only: what assessment and preparation need.

pub mod case;
pub mod codec;
pub mod delta;
pub mod file;
pub mod following;
pub mod mark;
pub mod measures;
#[cfg(feature = "net")]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "a link keeps time; what the core may not do, it may")]
pub mod net;
pub mod room;
pub mod session;
pub mod sides;
pub mod tissue;
pub mod tissue_view;
pub mod wire;
