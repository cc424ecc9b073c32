//! Running the simulation again from a recording's inputs, and comparing what it does with what was recorded.

use std::path::Path;

use anyhow::Context;
use spinor_shared::session::{Physics, simulate_again};

use crate::commands::replay;

/// Simulates a recording again up to tick `to`, or to its end.
pub(crate) fn replay(path: &Path, to: Option<u32>) -> anyhow::Result<Physics> {
    let mut recording = replay::open(path)?;
    simulate_again(&mut recording, to).with_context(|| format!("cannot simulate {} again", path.display()))
}
