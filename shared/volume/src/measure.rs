//! Live measures of an operation: what is left of canal, facets, pars, flavum and lamina, and what was taken.
//!
//! [`anatomy`] finds, once per case and from the uncut structures alone, where the canal's axis, each vertebra's pedicles, lamina and pars
//! and each level's facet joints lie. The measures are then functions of the patient, that anatomy and the cut state: they hold no
//! state, change nothing, and can be computed beside the room on a copy of the cut state. Definitions, sources and limits of each stand in
//! docs/MEASURES.md.
//!
//! Lengths leave this module as micrometres, areas as square micrometres, volumes as whole occupancy steps of 1/32 voxel.

pub mod amount;
pub mod anatomy;
pub mod axis;
pub mod between;
pub mod canal;
#[cfg(test)]
mod fixture;
pub mod foramen;
pub mod frame;
pub mod isthmus;
mod joint;
pub mod live;
pub mod plan;
mod raster;
pub mod ray;
#[cfg(test)]
mod tests;
mod tissue;
mod vector;
mod vertebra;

pub use amount::Amount;
pub use anatomy::{Anatomy, AnatomyError, Level};
pub use axis::CanalAxis;
pub use between::thickness_mm;
pub use canal::CanalSlice;
pub use foramen::{ForamenProbe, ForamenWay};
pub use frame::{LocalFrame, Side};
pub use isthmus::ParsWidth;
pub use joint::{FacetJoint, Joint};
pub use live::{LevelMeasures, LiveMeasures, Reference, SideMeasures};
pub use plan::{Deviation, Plan, PlanError};
pub use vertebra::{Lamina, Pars, Pedicle, Vertebra};

/// Whole micrometres nearest to a length in mm; what an `i32` cannot hold goes to its end, not-a-number to 0.
fn um(mm: f64) -> i32 {
    (mm * 1_000.0 + 0.5).floor() as i32
}

/// Whole square micrometres nearest to an area in mm².
fn um2(mm2: f64) -> i64 {
    (mm2 * 1_000_000.0 + 0.5).floor() as i64
}
