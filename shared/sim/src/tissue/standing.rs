//! What tissues have come to, folded from what they did: enough to go on from after a rewind or a resumption.

use std::collections::BTreeMap;

use spinor_volume::BrickIndex;

use super::fragments::Fragment;
use super::output::{FragmentId, TearState, TissueOutput, VeilCell};

/// The fragments that lie about, the tears, and the veil, after some ticks' [`TissueOutput`]s in their order.
///
/// It holds what outlasts the hands: a room that goes on from it starts with empty ones, so fragments that were held lie where they were
/// let go, dura and roots are back at rest, and bleeding has stopped; the veil is known to a sixteenth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub(super) fragments: BTreeMap<FragmentId, Fragment>,
    /// The highest number that any fragment has had.
    pub(super) last: u32,
    pub(super) tears: BTreeMap<u32, TearState>,
    pub(super) veil: BTreeMap<BrickIndex, VeilCell>,
}

impl Standing {
    /// Takes in what tissues did in the next tick.
    pub fn take(&mut self, output: &TissueOutput) {
        for detached in &output.detached {
            let Some(id) = detached.fragment else { continue };
            self.last = self.last.max(id.0);
            if let Some(state) = output.fragments.iter().find(|state| state.id == id && !state.taken) {
                self.fragments.insert(id, Fragment { state: *state, shape: detached.shape.clone() });
            }
        }
        for state in &output.fragments {
            if state.taken {
                self.fragments.remove(&state.id);
            } else if let Some(fragment) = self.fragments.get_mut(&state.id) {
                fragment.state = *state;
            }
        }
        self.tears.extend(output.tears.iter().map(|tear| (tear.number, *tear)));
        for cell in &output.veil {
            if cell.dust == 0 && cell.blood == 0 {
                self.veil.remove(&cell.brick);
            } else {
                self.veil.insert(cell.brick, *cell);
            }
        }
    }

    /// The fragments that are in the wound, by number.
    pub fn fragments(&self) -> impl Iterator<Item = &Fragment> {
        self.fragments.values()
    }

    /// The places whose veil is not clear, by brick.
    pub fn veil(&self) -> impl Iterator<Item = &VeilCell> {
        self.veil.values()
    }

    /// The tears of dura and roots, oldest first.
    pub fn tears(&self) -> impl Iterator<Item = &TearState> {
        self.tears.values()
    }
}
