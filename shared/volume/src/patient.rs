//! The immutable patient: one signed distance field per structure, and the density of bone.

use thiserror::Error;

use crate::far;
use crate::field::{BrickState, SparseField};
use crate::grid::{BRICK_VOXELS, BrickIndex, Grid, VoxelIndex};
use crate::label::{Label, TissueClass};

/// Most structures in one case: all vertebrae, discs, flava and roots of a spine leave room.
pub const MAX_STRUCTURES: usize = 256;

/// Where a structure's surface comes from, shown wherever the structure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Source {
    /// A label map given by the user.
    Labelled = 0,
    /// A segmentation model.
    Segmented = 1,
    /// Proposed from the anatomy around it; nobody saw it in an image.
    Proposed = 2,
    /// A generated phantom's own definition.
    Phantom = 3,
    /// Drawn or corrected by hand: the user's contours, in place of what was labelled, segmented or proposed.
    Contoured = 4,
}

impl Source {
    /// The source of a number, as stored.
    pub fn from_number(n: u8) -> Option<Self> {
        [Self::Labelled, Self::Segmented, Self::Proposed, Self::Phantom, Self::Contoured].get(n as usize).copied()
    }

    /// One word for reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Labelled => "labelled",
            Self::Segmented => "segmented",
            Self::Proposed => "proposed",
            Self::Phantom => "phantom",
            Self::Contoured => "contoured",
        }
    }
}

/// One structure of a patient.
#[derive(Clone, Debug, PartialEq)]
pub struct Structure {
    /// Its number and with it its name.
    pub label: Label,
    /// The class whose cut field carves it.
    pub class: TissueClass,
    /// Where its surface comes from.
    pub source: Source,
    /// How far its surface may be off, mm (segmentation and registration together): widens the alarm. 0 where unknown.
    pub uncertainty_mm: f32,
    /// Its volume before any cut, mm³, by sub-voxel occupancy.
    pub volume_mm3: f64,
    /// Signed distance, 1/32 voxel, negative inside.
    pub sdf: SparseField,
}

/// Density of bone, one byte a voxel: `hu = 8 * byte`, clamped to 0-2,040 HU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DensityField {
    bricks: std::collections::BTreeMap<BrickIndex, Box<[u8; BRICK_VOXELS]>>,
}

/// Hounsfield units per step of a stored density.
pub const HU_PER_STEP: i32 = 8;

impl DensityField {
    /// Stores a brick's densities, x fastest.
    pub fn insert(&mut self, brick: BrickIndex, densities: Box<[u8; BRICK_VOXELS]>) {
        self.bricks.insert(brick, densities);
    }

    /// A brick's densities, if any are stored.
    pub fn brick(&self, brick: BrickIndex) -> Option<&[u8; BRICK_VOXELS]> {
        self.bricks.get(&brick).map(|densities| &**densities)
    }

    /// Stored bricks in rising order.
    pub fn stored(&self) -> impl Iterator<Item = (BrickIndex, &[u8; BRICK_VOXELS])> {
        self.bricks.iter().map(|(brick, densities)| (*brick, &**densities))
    }

    /// Density at a voxel in HU; 0 where none is stored.
    pub fn hu(&self, grid: &Grid, voxel: VoxelIndex) -> i32 {
        grid.locate(voxel)
            .and_then(|(brick, at)| self.brick(brick).map(|densities| i32::from(densities[at]) * HU_PER_STEP))
            .unwrap_or(0)
    }
}

/// Why structures do not make a patient.
#[derive(Debug, Error, PartialEq)]
pub enum PatientError {
    /// No structure at all.
    #[error("a patient needs at least one structure")]
    Empty,
    /// More structures than [`MAX_STRUCTURES`].
    #[error("{0} structures are more than {MAX_STRUCTURES}")]
    TooMany(usize),
    /// Two structures with one label.
    #[error("structure {0} stands twice")]
    Twice(Label),
    /// A label that names no structure, or one of another class.
    #[error("label {0:?} does not belong to class {1:?}")]
    Class(Label, TissueClass),
    /// A field made for another grid.
    #[error("the field of {0} has {1} bricks, the grid {2}")]
    Grid(Label, usize, usize),
}

/// A patient's anatomy on one grid. It never changes: what surgery removes is a cut field beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Patient {
    grid: Grid,
    structures: Vec<Structure>,
    density: DensityField,
    residents: Residents,
}

/// Which structures live in each brick, so that nobody has to ask all of them.
#[derive(Clone, Debug, PartialEq)]
struct Residents {
    /// Where each brick's begin in `all`, and where the last brick's end.
    starts: Vec<u32>,
    /// Places of structures, rising in each brick.
    all: Vec<u16>,
    /// Of each of these a bit for each block of the brick that it comes near: see [`far`].
    near: Vec<u64>,
}

impl Residents {
    fn of(grid: &Grid, structures: &[Structure]) -> Self {
        let (mut starts, mut all, mut near) = (Vec::with_capacity(grid.brick_count() + 1), Vec::new(), Vec::new());
        starts.push(0);
        for brick in (0..grid.brick_count() as u32).map(BrickIndex) {
            for (k, structure) in structures.iter().enumerate() {
                let state = structure.sdf.brick(brick);
                if state != BrickState::Outside {
                    all.push(k as u16);
                    near.push(far::near_blocks(state));
                }
            }
            starts.push(all.len() as u32);
        }
        Self { starts, all, near }
    }
}

impl Patient {
    /// A patient from structures, which are put in the order of their labels.
    ///
    /// # Errors
    /// When there is none, a label stands twice or has no such class, or a field belongs to another grid.
    pub fn new(grid: Grid, mut structures: Vec<Structure>, density: DensityField) -> Result<Self, PatientError> {
        if structures.is_empty() {
            return Err(PatientError::Empty);
        }
        if structures.len() > MAX_STRUCTURES {
            return Err(PatientError::TooMany(structures.len()));
        }
        structures.sort_by_key(|s| s.label);
        for (k, s) in structures.iter().enumerate() {
            if k > 0 && structures[k - 1].label == s.label {
                return Err(PatientError::Twice(s.label));
            }
            if s.label.class() != Some(s.class) {
                return Err(PatientError::Class(s.label, s.class));
            }
            if s.sdf.brick_count() != grid.brick_count() {
                return Err(PatientError::Grid(s.label, s.sdf.brick_count(), grid.brick_count()));
            }
        }
        let residents = Residents::of(&grid, &structures);
        Ok(Self { grid, structures, density, residents })
    }

    /// The grid of all fields.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The structures in the order of their labels. Their place in this slice is their number in meshes and deltas.
    pub fn structures(&self) -> &[Structure] {
        &self.structures
    }

    /// The structure with a label.
    pub fn structure(&self, label: Label) -> Option<&Structure> {
        self.structures.binary_search_by_key(&label, |s| s.label).ok().map(|k| &self.structures[k])
    }

    /// Places of the structures whose field comes into a brick, rising; none for a brick that the grid lacks.
    #[inline]
    pub fn residents(&self, brick: BrickIndex) -> &[u16] {
        let Residents { starts, all, .. } = &self.residents;
        let range = starts.get(brick.0 as usize).zip(starts.get(brick.0 as usize + 1));
        range.and_then(|(from, to)| all.get(*from as usize..*to as usize)).unwrap_or_default()
    }

    /// As [`Self::residents`] of some bricks that follow each other, a row of the grid for example: one that lives in several stands as
    /// often.
    #[inline]
    pub fn residents_of(&self, first: BrickIndex, count: u32) -> &[u16] {
        let Residents { starts, all, .. } = &self.residents;
        let end = (first.0 as usize).saturating_add(count as usize).min(starts.len() - 1);
        let range = starts.get(first.0 as usize).zip(starts.get(end));
        range.and_then(|(from, to)| all.get(*from as usize..*to as usize)).unwrap_or_default()
    }

    /// As [`Self::residents`], and of each the blocks of the brick that it comes near: see [`far`].
    #[inline]
    pub(crate) fn residents_near(&self, brick: BrickIndex) -> impl Iterator<Item = (u16, u64)> {
        let Residents { starts, all, near } = &self.residents;
        let range = starts.get(brick.0 as usize).zip(starts.get(brick.0 as usize + 1));
        let range = range.map_or(0..0, |(from, to)| *from as usize..*to as usize);
        let (all, near) = (all.get(range.clone()).unwrap_or_default(), near.get(range).unwrap_or_default());
        all.iter().copied().zip(near.iter().copied())
    }

    /// Density of bone.
    pub fn density(&self) -> &DensityField {
        &self.density
    }
}
