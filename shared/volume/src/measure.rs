//! Live measures of an operation: what is left of canal, facets, pars, flavum and lamina, and what was taken.
//!
//! [`anatomy`] finds, once per case and from the uncut structures alone, where the canal's axis, each vertebra's pedicles, lamina and pars
//! and each level's facet joints lie. The measures are then functions of the patient, that anatomy and the cut state: they hold no
//! state, change nothing, and can be computed beside the room on a copy of the cut state. Definitions, sources and limits of each stand in
//! docs/MEASURES.md.
//!
//! Lengths leave this module as micrometres, areas as square micrometres, volumes as whole occupancy steps of 1/32 voxel.

pub mod anatomy;
pub mod axis;
#[cfg(test)]
mod fixture;
pub mod frame;
mod joint;
pub mod ray;
mod vector;
mod vertebra;

pub use anatomy::{Anatomy, AnatomyError, Level};
pub use axis::CanalAxis;
pub use frame::{LocalFrame, Side};
pub use joint::{FacetJoint, Joint};
pub use vertebra::{Lamina, Pars, Pedicle, Vertebra};
