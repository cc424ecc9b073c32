//! The tools, each a small model in its own file: its shape, and what it takes.

pub(crate) mod burr;
pub(crate) mod curette;
pub(crate) mod disc;
pub(crate) mod flow;
pub(crate) mod heat;
pub(crate) mod kerrison;
pub(crate) mod leksell;
pub(crate) mod osteotome;
pub(crate) mod penfield;
pub(crate) mod pituitary;
pub(crate) mod probe;
pub(crate) mod retractor;
pub(crate) mod rules;
pub(crate) mod work;
