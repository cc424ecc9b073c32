//! What a mirror shows of tissues: fragments, dents, tears and veil, as state that replaces what was told before.
//!
//! The server keeps for everybody what they have not been told yet ([`Untold`]) and tells it when there is room ([`TissueView`]); a mirror
//! folds it ([`TissueMirror`]). Somebody who comes late has been told nothing, and so is told everything; somebody whose line is slow is
//! told the newest state only, however much happened meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use spinor_sim::tissue::{MAX_NODES, Shape};
use spinor_sim::{FragmentState, Simulation, TissueOutput};
use spinor_volume::{BrickIndex, Label};

use crate::tissue::{WireFragment, WireTear, WireVeil, pack, unpack};
use crate::wire::WireError;

/// Steps of an offset as it is sent, µm: a quarter of what a screen shows at arm's length.
pub const OFFSET_STEP_UM: i32 = 10;
/// Most fragments, patches, tears or cells of the veil in one view; the rest waits for the next.
pub const MOST_AT_ONCE: usize = 1_024;
/// Most bytes of fragments' forms in one view, before the last; one form more is always told.
const FORM_BYTES: usize = 64 * 1024;

/// The form of a fragment where it came loose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireForm {
    /// The fragment.
    pub fragment: u32,
    /// Bricks of the case's grid that hold it, rising.
    pub bricks: Vec<u32>,
    /// Their samples one after the other, as two's complement bytes: zstd.
    #[serde(with = "serde_bytes")]
    pub samples: Vec<u8>,
}

/// A patch of dura or root as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireDent {
    /// The neural structure.
    pub structure: u16,
    /// Which of its patches.
    pub patch: u16,
    /// Offset of each node from its rest in steps of [`OFFSET_STEP_UM`]; none where the patch is at rest.
    pub offsets: Vec<[i16; 3]>,
}

/// A part of what tissues have come to. Each value replaces what was told of the same thing before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TissueView {
    /// The epoch.
    pub epoch: u32,
    /// The tick after which this holds.
    pub tick: u32,
    /// Whether everything that was told before is to be forgotten first.
    pub anew: bool,
    /// Forms of fragments that were not told of before.
    pub forms: Vec<WireForm>,
    /// Fragments that are new or moved, or were taken.
    pub fragments: Vec<WireFragment>,
    /// Patches that moved.
    pub dents: Vec<WireDent>,
    /// Tears that are new or grew.
    pub tears: Vec<WireTear>,
    /// Places whose veil changed; clear where both are 0.
    pub veil: Vec<WireVeil>,
}

/// What somebody has not been told yet.
#[derive(Clone, Debug)]
pub struct Untold {
    anew: bool,
    forms: BTreeSet<u32>,
    fragments: BTreeMap<u32, Option<WireFragment>>,
    dents: BTreeSet<(Label, u16)>,
    tears: BTreeSet<u32>,
    veil: BTreeSet<BrickIndex>,
}

impl Untold {
    /// Somebody who has been told nothing, and is to be told everything.
    pub fn everything(simulation: &Simulation) -> Self {
        let fragments = || simulation.fragments().map(|fragment| fragment.state.id.0);
        Self {
            anew: true,
            forms: fragments().collect(),
            fragments: fragments().map(|id| (id, None)).collect(),
            dents: simulation.awake_patches().map(|patch| (patch.structure, patch.patch)).collect(),
            tears: simulation.tears().iter().map(|tear| tear.number).collect(),
            veil: simulation.veil().map(|cell| cell.brick).collect(),
        }
    }

    /// Takes in what tissues did in a tick.
    pub fn note(&mut self, output: &TissueOutput) {
        self.forms.extend(output.detached.iter().filter_map(|detached| Some(detached.fragment?.0)));
        for state in &output.fragments {
            // What was taken is no longer in the simulation, so that is kept here.
            let gone = state.taken.then(|| WireFragment::from(*state));
            if gone.is_some() {
                self.forms.remove(&state.id.0);
            }
            self.fragments.insert(state.id.0, gone);
        }
        self.dents.extend(output.nodes.iter().map(|patch| (patch.structure, patch.patch)));
        self.tears.extend(output.tears.iter().map(|tear| tear.number));
        self.veil.extend(output.veil.iter().map(|cell| cell.brick));
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        let Self { anew, forms, fragments, dents, tears, veil } = self;
        !anew && forms.is_empty() && fragments.is_empty() && dents.is_empty() && tears.is_empty() && veil.is_empty()
    }

    /// What is to be told now, as the simulation has it; the rest waits. None where there is nothing to tell.
    ///
    /// # Errors
    /// When a fragment's samples do not compress. It is not told of again.
    pub fn take(&mut self, simulation: &Simulation, epoch: u32, tick: u32) -> Result<Option<TissueView>, WireError> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut view = TissueView { epoch, tick, anew: std::mem::take(&mut self.anew), ..TissueView::default() };
        let mut bytes = 0;
        while let Some(id) = (bytes < FORM_BYTES).then(|| self.forms.pop_first()).flatten() {
            let Some(fragment) = simulation.fragments().find(|fragment| fragment.state.id.0 == id) else { continue };
            let (bricks, samples) = pack(&fragment.shape)?;
            bytes += samples.len();
            view.forms.push(WireForm { fragment: id, bricks, samples });
        }
        let now: BTreeMap<u32, FragmentState> = simulation.fragments().map(|f| (f.state.id.0, f.state)).collect();
        for (id, gone) in first(&mut self.fragments) {
            view.fragments.extend(gone.or_else(|| now.get(&id).map(|state| WireFragment::from(*state))));
        }
        let awake: BTreeMap<(Label, u16), Vec<[i16; 3]>> =
            simulation.awake_patches().map(|patch| ((patch.structure, patch.patch), steps(&patch.offsets_um))).collect();
        for ((structure, patch), ()) in first_of(&mut self.dents) {
            let offsets = awake.get(&(structure, patch)).cloned().unwrap_or_default();
            view.dents.push(WireDent { structure: structure.0, patch, offsets });
        }
        let tears: BTreeSet<u32> = first_of(&mut self.tears).map(|(number, ())| number).collect();
        view.tears
            .extend(simulation.tears().iter().filter(|tear| tears.contains(&tear.number)).map(|tear| WireTear::from(*tear)));
        let cells: BTreeMap<BrickIndex, WireVeil> = simulation.veil().map(|cell| (cell.brick, WireVeil::from(cell))).collect();
        for (brick, ()) in first_of(&mut self.veil) {
            view.veil.push(cells.get(&brick).copied().unwrap_or(WireVeil { brick: brick.0, dust: 0, blood: 0 }));
        }
        Ok(Some(view))
    }
}

/// Takes the first [`MOST_AT_ONCE`] out of a map.
fn first<K: Ord + Copy, V>(map: &mut BTreeMap<K, V>) -> impl Iterator<Item = (K, V)> + use<K, V> {
    let rest = map.keys().nth(MOST_AT_ONCE).copied().map(|key| map.split_off(&key)).unwrap_or_default();
    std::mem::replace(map, rest).into_iter()
}

/// Takes the first [`MOST_AT_ONCE`] out of a set.
fn first_of<K: Ord + Copy>(set: &mut BTreeSet<K>) -> impl Iterator<Item = (K, ())> + use<K> {
    let rest = set.iter().nth(MOST_AT_ONCE).copied().map(|key| set.split_off(&key)).unwrap_or_default();
    std::mem::replace(set, rest).into_iter().map(|key| (key, ()))
}

fn steps(offsets_um: &[[i32; 3]]) -> Vec<[i16; 3]> {
    let step = |um: i32| (um + OFFSET_STEP_UM / 2).div_euclid(OFFSET_STEP_UM).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    offsets_um.iter().map(|offset| offset.map(step)).collect()
}

/// A fragment as a mirror knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirroredFragment {
    /// Where it is.
    pub state: FragmentState,
    /// Its form where it came loose; none until that is here.
    pub shape: Option<Shape>,
}

/// What a mirror knows of tissues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TissueMirror {
    fragments: BTreeMap<u32, MirroredFragment>,
    forms: BTreeMap<u32, Shape>,
    dents: BTreeMap<(Label, u16), Vec<[i32; 3]>>,
    tears: BTreeMap<u32, WireTear>,
    veil: BTreeMap<BrickIndex, [u8; 2]>,
    moved: BTreeSet<Label>,
    changed: bool,
}

impl TissueMirror {
    /// Takes in what was told.
    ///
    /// # Errors
    /// Names the first value that is out of bounds; what came before it has been taken in.
    pub fn take(&mut self, view: &TissueView) -> Result<(), WireError> {
        self.changed = true;
        if view.anew {
            self.moved.extend(self.dents.keys().map(|(structure, _)| *structure));
            *self = Self { moved: std::mem::take(&mut self.moved), changed: true, ..Self::default() };
        }
        for form in &view.forms {
            let shape: Shape = Arc::new(unpack(&form.bricks, &form.samples)?);
            match self.fragments.get_mut(&form.fragment) {
                Some(fragment) => fragment.shape = Some(shape),
                None => drop(self.forms.insert(form.fragment, shape)),
            }
        }
        for wire in &view.fragments {
            let state = FragmentState::try_from(*wire)?;
            if state.taken {
                self.fragments.remove(&wire.id);
                self.forms.remove(&wire.id);
                continue;
            }
            let form = self.forms.remove(&wire.id);
            let known = self.fragments.entry(wire.id).or_insert(MirroredFragment { state, shape: None });
            known.state = state;
            known.shape = form.or_else(|| known.shape.take());
        }
        for dent in &view.dents {
            if dent.offsets.len() > MAX_NODES {
                return Err(WireError::Nodes(dent.offsets.len()));
            }
            let key = (Label(dent.structure), dent.patch);
            self.moved.insert(key.0);
            if dent.offsets.is_empty() {
                self.dents.remove(&key);
            } else {
                self.dents.insert(key, dent.offsets.iter().map(|o| o.map(|v| i32::from(v) * OFFSET_STEP_UM)).collect());
            }
        }
        self.tears.extend(view.tears.iter().map(|tear| (tear.number, *tear)));
        for cell in &view.veil {
            if cell.dust == 0 && cell.blood == 0 {
                self.veil.remove(&BrickIndex(cell.brick));
            } else {
                self.veil.insert(BrickIndex(cell.brick), [cell.dust.min(16), cell.blood.min(16)]);
            }
        }
        Ok(())
    }

    /// The fragments in the wound, by number.
    pub fn fragments(&self) -> impl Iterator<Item = &MirroredFragment> {
        self.fragments.values()
    }

    /// The patches of a structure that are away from their rest: number and the offsets of their nodes, µm.
    pub fn dents(&self, structure: Label) -> impl Iterator<Item = (u16, &[[i32; 3]])> {
        let all = (structure, 0)..=(structure, u16::MAX);
        self.dents.range(all).map(|((_, patch), offsets)| (*patch, offsets.as_slice()))
    }

    /// Whether anything was told since this was asked last.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The structures whose patches were told of since this was asked last.
    pub fn take_moved(&mut self) -> BTreeSet<Label> {
        std::mem::take(&mut self.moved)
    }

    /// The tears, oldest first.
    pub fn tears(&self) -> impl Iterator<Item = &WireTear> {
        self.tears.values()
    }

    /// The veil by brick: dust and blood, sixteenths.
    pub fn veil(&self) -> impl Iterator<Item = (BrickIndex, [u8; 2])> {
        self.veil.iter().map(|(brick, veil)| (*brick, *veil))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;
    use spinor_sim::{Hand, Pose, Settings, Tick, TissueModels, ToolInput, ToolKind, UserId, small_spine};

    /// A burr on the lamina and a probe in the sac of the small spine.
    fn step(simulation: &mut Simulation, tick: u32) -> TissueOutput {
        let t = f64::from(tick);
        let top = small_spine::LAMINA_DEEP_MM + small_spine::LAMINA_THICK_MM;
        let sac = small_spine::CANAL_Y_MM + small_spine::SAC_RADIUS_MM;
        let input = |hand, tool, tip_mm: [f64; 3], trigger| {
            let pose = Pose { tip_um: tip_mm.map(|v| (v * 1_000.0) as i32), turn: [-23_170, 0, 0, 23_170] };
            ToolInput { user: UserId(1), hand, seq: tick + 1, tool, size_tenth_mm: 30, pose, trigger }
        };
        let probe = input(Hand::Left, ToolKind::Probe, [0.0, sac + 4.0 - (0.1 * t).min(5.0), 0.0], 0);
        let burr = input(Hand::Right, ToolKind::FlutedBurr, [8.0, top + 1.0 - (0.05 * t).min(3.0), 14.0], 255);
        simulation.step(Tick(tick), &[probe, burr]).tissue
    }

    /// What the simulation has, as a mirror that was told everything must know it.
    fn expected(simulation: &Simulation) -> TissueMirror {
        let mut mirror = TissueMirror::default();
        let mut untold = Untold::everything(simulation);
        while let Some(view) = untold.take(simulation, 0, 0).unwrap() {
            mirror.take(&view).unwrap();
        }
        mirror.take_moved();
        assert!(mirror.take_changed());
        mirror
    }

    /// Proves that somebody who is told every few ticks, somebody who is told seldom, and somebody who comes at the end know the same, and
    /// that it is what the simulation has, to the step of an offset.
    #[test]
    fn who_is_told_late_knows_the_same() {
        let patient = Arc::new(small_spine::patient(0.8).unwrap());
        let mut simulation = Simulation::new(patient, Settings::with_tissues(TissueModels::ALL));
        let mut people = [3, 40].map(|every| (every, Untold::everything(&simulation), TissueMirror::default()));
        let mut bytes = 0;
        for tick in 0..120 {
            let output = step(&mut simulation, tick);
            for (every, untold, mirror) in &mut people {
                untold.note(&output);
                if tick % *every == *every - 1
                    && let Some(view) = untold.take(&simulation, 0, tick).unwrap()
                {
                    let wire = codec::encode(&view).unwrap();
                    bytes += wire.len();
                    mirror.take(&codec::decode(&wire).unwrap()).unwrap();
                }
            }
        }
        assert!(bytes < 120 * 2_000, "{bytes} bytes in two seconds");
        let late = expected(&simulation);
        assert!(late.veil().count() > 0 && late.dents(Label::DURAL_SAC).count() > 0, "{late:?}");
        for (_, untold, mirror) in &mut people {
            if let Some(view) = untold.take(&simulation, 0, 120).unwrap() {
                mirror.take(&view).unwrap();
            }
            assert!(mirror.take_moved().contains(&Label::DURAL_SAC) && mirror.take_changed());
            assert_eq!(*mirror, late);
        }
        for patch in simulation.awake_patches() {
            let (_, told) = late.dents(patch.structure).find(|(n, _)| *n == patch.patch).unwrap();
            let off = told.iter().flatten().zip(patch.offsets_um.iter().flatten()).map(|(a, b)| (a - b).abs()).max();
            assert!(off.unwrap() <= OFFSET_STEP_UM / 2 && told.len() == patch.offsets_um.len());
        }
    }

    /// Proves that a mirror takes no more nodes than a patch has, no form whose samples are missing, and forgets what it was told to.
    #[test]
    fn a_mirror_takes_nothing_out_of_bounds() {
        let mut mirror = TissueMirror::default();
        let dent = |count| WireDent { structure: 2, patch: 0, offsets: vec![[1, 0, 0]; count] };
        let view = |dents| TissueView { dents, ..TissueView::default() };
        assert_eq!(mirror.take(&view(vec![dent(65)])), Err(WireError::Nodes(65)));
        let form = WireForm { fragment: 1, bricks: vec![4], samples: Vec::new() };
        assert!(mirror.take(&TissueView { forms: vec![form], ..TissueView::default() }).is_err());
        mirror.take(&view(vec![dent(3)])).unwrap();
        mirror.take_moved();
        mirror.take(&TissueView { anew: true, ..TissueView::default() }).unwrap();
        assert_eq!(mirror.dents(Label(2)).count(), 0);
        assert!(mirror.take_moved().contains(&Label(2)), "it is to be drawn again");
    }
}
