//! Identifiers, wire types, codec, case and session formats, and the network protocol of Spinor.

pub mod room;
