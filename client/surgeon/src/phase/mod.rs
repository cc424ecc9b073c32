//! Phases of an operation: each looks at what is left, plans the next few motions, and ends when its part is done.

mod bite;
mod burr;
mod dura;
mod edge;
mod lane;
mod place;
mod probe;
mod retract;
mod terrain;

use spinor_sim::BiteRefusal;

use crate::hand::Hand;
use crate::scene::Scene;

pub(crate) use bite::{Bite, BitePlan};
pub(crate) use burr::{Burr, BurrPlan};
pub(crate) use probe::{Probe, ProbeAim};
pub(crate) use retract::Retract;

/// Speed through air, mm/s.
pub(crate) const TRANSIT: f64 = 150.0;
/// Speed towards tissue, mm/s.
pub(crate) const APPROACH: f64 = 45.0;
/// Speed on tissue, mm/s.
pub(crate) const CAREFUL: f64 = 18.0;

/// What came of the last plan.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Feedback {
    /// Tissue taken, 1/32 voxel of occupancy.
    pub(crate) occupancy: i64,
    /// Why a bite was refused.
    pub(crate) refused: Option<BiteRefusal>,
}

/// One phase of an operation.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// Burring bone away down to a shell.
    Burr(Box<Burr>),
    /// Taking tissue bite by bite: punch, rongeur, grasper.
    Bite(Box<Bite>),
    /// Palpating with a probe.
    Probe(Probe),
    /// Holding the root aside, or letting it go.
    Retract(Retract),
}

impl Phase {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Burr(burr) => burr.name(),
            Self::Bite(bite) => bite.name(),
            Self::Probe(probe) => probe.name(),
            Self::Retract(retract) => retract.name(),
        }
    }

    pub(crate) fn bites(&self) -> bool {
        matches!(self, Self::Bite(_))
    }

    /// Gives the hands their next tasks; false when the phase is over.
    pub(crate) fn plan(&mut self, scene: &Scene<'_>, feedback: &Feedback, right: &mut Hand, left: &mut Hand) -> bool {
        match self {
            Self::Burr(burr) => burr.plan(scene, feedback, right, left),
            Self::Bite(bite) => bite.plan(scene, feedback, right),
            Self::Probe(probe) => probe.plan(scene, right),
            Self::Retract(retract) => retract.plan(scene, right, left),
        }
    }
}

/// How far behind the canal a tool is above everything, mm.
pub(crate) const HOVER_MM: f64 = 66.0;
