//! What others read of the tissues: the simulation's side of fragments, deformation, tears and veil.

use spinor_volume::Label;

use super::{Fragment, FragmentId, PatchNodes, TearState, VeilCell};
use crate::pose::Rotation;
use crate::simulation::Simulation;

impl Simulation {
    /// The fragments that are in the wound, by number.
    pub fn fragments(&self) -> impl Iterator<Item = &Fragment> {
        self.tissues().fragments()
    }

    /// The fragment that a jaw closing at a position (patient LPS, mm) gets hold of.
    pub fn grasp_at(&self, at_mm: [f64; 3]) -> Option<FragmentId> {
        self.tissues().grasp_at(self.patient().grid(), self.settings(), at_mm)
    }

    /// How far a neural structure's surface near a position at rest (patient LPS, mm) has given way, mm; nothing for what is at rest.
    pub fn displacement_at(&self, structure: Label, at_mm: [f64; 3]) -> [f64; 3] {
        self.tissues().displacement_mm(structure, at_mm)
    }

    /// The patches of dura and roots that are away from their rest, by structure and number.
    pub fn awake_patches(&self) -> impl Iterator<Item = PatchNodes> {
        self.tissues().awake()
    }

    /// The tears of dura and roots, oldest first.
    pub fn tears(&self) -> &[TearState] {
        self.tissues().tears()
    }

    /// Cross-section of bone that still carries a side's inferior articular process, mm²; none before the vertebra's first cut, or where
    /// the case does not show a pars (no dural sac beside it, no pedicle).
    pub fn pars_mm2(&self, vertebra: Label, left: bool) -> Option<f64> {
        self.tissues().pars_mm2(self.patient().grid(), vertebra, left)
    }

    /// The places that dust and blood veil, by brick.
    pub fn veil(&self) -> impl Iterator<Item = VeilCell> {
        self.tissues().veil()
    }

    /// Veil at a position, 1/1000 of a field that nobody sees through.
    pub fn veil_permille(&self, at_mm: [f64; 3]) -> u32 {
        self.tissues().veil_permille(self.patient().grid(), at_mm)
    }

    /// The disc whose nucleus a bite at a position may not take, because annulus on the shaft's way is closed; none where it may.
    pub fn nucleus_is_closed(&mut self, at_mm: [f64; 3], rotation: &Rotation) -> Option<Label> {
        self.disc_access(at_mm, rotation)
    }

    /// Digest of everything that the simulation decides over time: cut fields, fragments, patches, tears, veil.
    pub fn digest(&self) -> u64 {
        self.cut().digest().wrapping_add(self.tissues().digest().rotate_left(1))
    }
}
