//! Which pieces of a structure no longer hang on it, kept up to date brick by brick.
//!
//! A voxel is tissue where its carved sample is negative; voxels join over their six faces, as the mesher's surfaces divide them. Each
//! brick knows its own connected pieces and which of them meet pieces of the next brick, so that a cut costs the bricks it touched, and
//! the graph over the bricks is walked only when that changed. All of it is integers and a function of the cut fields alone: it needs no
//! history, and a rewind only has to start anew.
//!
//! A piece of bone hangs on the structure while it is part of the largest piece, the vertebra's body. A piece of flavum or disc also hangs
//! where bone is within [`TOUCH_STEPS`]: both halves of a divided flavum stay on their laminae. Pieces that the case came with apart from the
//! largest, such as a segmentation's islands, stay what they are.

mod bands;
mod body;
mod brick;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cut::{CutState, Stamp};
use crate::field::{BrickSamples, BrickState, SparseField};
use crate::grid::{BRICK, BRICK_VOXELS, BrickIndex, Grid, VoxelIndex};
use crate::label::TissueClass;
use crate::patient::Patient;
use crate::sample::carve;
use body::{Body, Pieces};
pub use brick::BrickMask;
use brick::{Bits, inside};

/// How near bone must be to a voxel of flavum or disc to hold it, 1/32 voxel: two voxels, the gap that labels leave between structures.
pub const TOUCH_STEPS: i8 = 64;

/// A piece of a structure that no longer hangs on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loose {
    /// Place of the structure in the patient.
    pub structure: usize,
    /// How many voxels are inside it.
    pub voxels: u64,
    /// Its voxels by brick, in rising order of the bricks.
    pub masks: Vec<(BrickIndex, BrickMask)>,
}

impl Loose {
    /// Some voxels of a structure as a piece: the layer of a fracture. Voxels outside the grid are left out.
    pub fn of_voxels(grid: &Grid, structure: usize, voxels: impl IntoIterator<Item = [i32; 3]>) -> Self {
        let mut masks: BTreeMap<BrickIndex, BrickMask> = BTreeMap::new();
        for (brick, at) in voxels.into_iter().filter_map(|at| grid.locate(VoxelIndex(at))) {
            masks.entry(brick).or_default().insert(at);
        }
        let voxels = masks.values().map(|mask| u64::from(mask.count())).sum();
        Self { structure, voxels, masks: masks.into_iter().collect() }
    }

    /// The piece's middle, the mean of its voxels' centres, in patient LPS, mm.
    pub fn centre_mm(&self, grid: &Grid) -> [f64; 3] {
        let mut sum = [0_i64; 3];
        for (brick, mask) in &self.masks {
            let first = grid.brick_coords(*brick).map(|v| v * BRICK as i32);
            for at in mask.voxels() {
                for k in 0..3 {
                    sum[k] += i64::from(first[k] + at[k]);
                }
            }
        }
        grid.patient_from_index(sum.map(|v| v as f64 / self.voxels.max(1) as f64))
    }

    /// What takes this piece out of the cut fields: see [`Stamp`]. The distances around it become those to what stays, so that nothing
    /// is felt or drawn where it was; what stays keeps its surface.
    pub fn stamp(&self, patient: &Patient, cut: &CutState) -> Stamp {
        bands::lift(patient, cut, self)
    }

    /// The piece's own samples before it is taken out: signed distance where `stamp` takes something, +127 elsewhere.
    pub fn shape(&self, patient: &Patient, cut: &CutState, stamp: &Stamp) -> Vec<(BrickIndex, Box<BrickSamples>)> {
        shape_of(patient, cut, self.structure, stamp)
    }
}

/// What `stamp` is about to take from a structure, as that piece's own samples: a replay's way to a fragment's form. Bricks in which it
/// takes nothing of the structure are left out.
pub fn shape_of(patient: &Patient, cut: &CutState, structure: usize, stamp: &Stamp) -> Vec<(BrickIndex, Box<BrickSamples>)> {
    let Some(s) = patient.structures().get(structure) else { return Vec::new() };
    let mut shape = Vec::new();
    for (brick, taken) in &stamp.bricks {
        let mut samples = Box::new([127_i8; BRICK_VOXELS]);
        for (at, sample) in samples.iter_mut().enumerate() {
            if taken[at] < 127 {
                *sample = carve(at_in(s.sdf.brick(*brick), at), at_in(cut.field(s.class).brick(*brick), at));
            }
        }
        if samples.iter().any(|v| *v < 0) {
            shape.push((*brick, samples));
        }
    }
    shape
}

/// The voxels of a brick that are left of a structure under a cut brick, or all of it.
pub fn mask_of(tissue: BrickState<'_>, cut: Option<BrickState<'_>>) -> BrickMask {
    BrickMask(Box::new(inside(tissue, cut.unwrap_or(BrickState::Outside))))
}

/// A state's sample at a place in its brick.
fn at_in(state: BrickState<'_>, at: usize) -> i8 {
    match state {
        BrickState::Outside => 127,
        BrickState::Inside => -127,
        BrickState::Samples(samples) => samples[at],
    }
}

/// The pieces that a patient's bones, discs and flava come with, before any cut. They do not change, so rooms of one case share them.
#[derive(Clone, Debug)]
pub struct UncutPieces {
    /// By place in the patient; none of what is never followed.
    all: Vec<Option<(Body, Pieces)>>,
}

impl UncutPieces {
    /// Looks at all bricks of all of them: some 5 ms for a vertebra at 0.4 mm.
    pub fn of(patient: &Patient) -> Arc<Self> {
        let of = |structure: usize| {
            let body = Body::of(patient, structure);
            let pieces = body.pieces();
            (body, pieces)
        };
        let follows = |class: TissueClass| class != TissueClass::Neural;
        let all = patient.structures().iter().enumerate().map(|(n, s)| follows(s.class).then(|| of(n)));
        Arc::new(Self { all: all.collect() })
    }
}

/// One structure's pieces now.
#[derive(Clone, Debug)]
struct Followed {
    now: Body,
    /// Whether pieces joined or parted since they were last looked at.
    changed: bool,
}

/// The pieces of all bones, discs and flava of a patient under a cut state.
///
/// Cost: a cut looks at the bricks it touched, a structure's first one at all that are cut.
#[derive(Clone, Debug)]
pub struct Connectivity {
    uncut: Arc<UncutPieces>,
    followed: Vec<Option<Box<Followed>>>,
}

impl Connectivity {
    /// Follows no structure yet: each from its first cut on.
    pub fn new(patient: &Patient) -> Self {
        Self::with_uncut(UncutPieces::of(patient))
    }

    /// As [`Self::new`], with the pieces that the same patient comes with.
    pub fn with_uncut(uncut: Arc<UncutPieces>) -> Self {
        let followed = vec![None; uncut.all.len()];
        Self { uncut, followed }
    }

    /// Takes in which bricks a cut touched. `cut` is the state after it.
    pub fn update(&mut self, patient: &Patient, cut: &CutState, touched: &[(TissueClass, BrickIndex)]) {
        let uncut = Arc::clone(&self.uncut);
        for (structure, s) in patient.structures().iter().enumerate().filter(|(_, s)| s.class != TissueClass::Neural) {
            let mut bricks = touched.iter().filter(|(class, brick)| *class == s.class && lives(&s.sdf, *brick)).peekable();
            if bricks.peek().is_none() {
                continue;
            }
            let Some(slot) = self.followed.get_mut(structure) else { continue };
            match slot {
                None => {
                    let Some(Some((body, _))) = uncut.all.get(structure) else { continue };
                    let mut now = body.clone();
                    for (brick, _) in cut.field(s.class).stored() {
                        now.refresh(patient, cut, structure, brick);
                    }
                    *slot = Some(Box::new(Followed { now, changed: true }));
                }
                Some(followed) => {
                    for (_, brick) in bricks {
                        followed.changed |= followed.now.refresh(patient, cut, structure, *brick);
                    }
                }
            }
        }
    }

    /// The pieces that have come loose, by structure and first brick. Structures whose pieces neither joined nor parted since the last
    /// call are not looked at again.
    pub fn loose(&mut self, patient: &Patient, cut: &CutState) -> Vec<Loose> {
        let mut all = Vec::new();
        for structure in 0..self.followed.len() {
            let Some(followed) = self.followed.get_mut(structure).and_then(Option::as_mut) else { continue };
            let Some(Some(uncut)) = self.uncut.all.get(structure) else { continue };
            if std::mem::take(&mut followed.changed) {
                followed.loose(patient, cut, (structure, uncut), &mut all);
            }
        }
        all
    }

    /// The voxels that are left of a structure in a brick; none for a structure that no cut has touched yet.
    pub fn mask(&self, structure: usize, brick: BrickIndex) -> Option<BrickMask> {
        self.followed.get(structure)?.as_ref()?.now.brick(brick).map(|pieces| pieces.mask(|_| true))
    }

    /// Whether a cut has touched a structure.
    pub fn follows(&self, structure: usize) -> bool {
        self.followed.get(structure).is_some_and(Option::is_some)
    }
}

impl Followed {
    fn loose(
        &mut self,
        patient: &Patient,
        cut: &CutState,
        (structure, (uncut, before)): (usize, &(Body, Pieces)),
        out: &mut Vec<Loose>,
    ) {
        let pieces = self.now.pieces();
        let Some(largest) = pieces.largest() else { return };
        let class = patient.structures()[structure].class;
        for piece in (0..pieces.count()).filter(|piece| *piece != largest) {
            let masks = self.now.masks(&pieces, piece);
            if class != TissueClass::Bone && touches_bone(patient, cut, &masks) {
                continue;
            }
            let came_apart = masks.first().and_then(|(brick, mask)| mask.voxels().next().map(|at| (*brick, at)));
            if came_apart.and_then(|(brick, at)| uncut.piece_at(before, brick, at)) == before.largest() {
                out.push(Loose { structure, voxels: pieces.voxels(piece), masks });
            }
        }
    }
}

fn lives(field: &SparseField, brick: BrickIndex) -> bool {
    field.brick(brick) != BrickState::Outside
}

/// Whether any voxel of some masks has bone within [`TOUCH_STEPS`].
fn touches_bone(patient: &Patient, cut: &CutState, masks: &[(BrickIndex, BrickMask)]) -> bool {
    let grid = patient.grid();
    let bones = || patient.structures().iter().filter(|s| s.class == TissueClass::Bone);
    masks.iter().any(|(brick, mask)| {
        let first = grid.brick_coords(*brick).map(|v| v * BRICK as i32);
        bones().filter(|s| lives(&s.sdf, *brick)).any(|s| {
            mask.voxels().any(|at| {
                let voxel = VoxelIndex([first[0] + at[0], first[1] + at[1], first[2] + at[2]]);
                let bone = carve(s.sdf.sample(grid, voxel), cut.field(TissueClass::Bone).sample(grid, voxel));
                bone <= TOUCH_STEPS
            })
        })
    })
}
