//! The commands, one a file.

pub(crate) mod branch;
pub(crate) mod models;
pub(crate) mod phantom;
pub(crate) mod replay;
pub(crate) mod segment;
