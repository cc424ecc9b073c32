//! The commands, one a file.

pub(crate) mod assess;
pub(crate) mod bots;
pub(crate) mod branch;
pub(crate) mod evaluate;
pub(crate) mod export;
pub(crate) mod info;
pub(crate) mod ingest;
pub(crate) mod invite;
pub(crate) mod models;
pub(crate) mod phantom;
pub(crate) mod prepare;
pub(crate) mod rehearse;
pub(crate) mod replay;
pub(crate) mod script;
pub(crate) mod segment;
pub(crate) mod serve;

use spinor_sim::{Settings, TissueModels};

/// The usual models of tissues, with dura and roots that give way or that do not.
fn tissues(yielding: bool) -> TissueModels {
    TissueModels { yields: yielding, ..Settings::default().tissues() }
}
