//! From parts to a spine: a model that tells bodies, arches, sacrum, discs and canal apart, but no level, becomes vertebrae with names.
//!
//! A small network sees 13 cm at a time and cannot know whether a body is L3 or L4, so it is not asked. Everything hangs on the canal:
//! its largest piece says where the spine is, and what lies farther than a vertebra's reach from it is dropped (`clean`). The line
//! through bodies and discs is cut at the discs (`column`), arches go to the body they grow from along the bone (`arches`), levels are
//! counted from the sacrum (`levels`), and on the scan's own voxels the border is moved to the edge that a CT shows (`refine`). An MR tells
//! nothing of density: there the network's border stays.

mod arches;
mod clean;
mod column;
mod lattice;
mod levels;
mod refine;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use spinor_volume::Label;

use crate::volume3d::Image;
use lattice::Lattice;

pub use levels::{NotALevel, vertebra};

/// What a voxel is to a model of parts; the numbers are those of [`Image`]s given to [`spine_from_parts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Part {
    /// None of the others.
    Background = 0,
    /// A vertebral body.
    Body = 1,
    /// Pedicles, laminae and processes of a vertebra.
    Arch = 2,
    /// Sacrum.
    Sacrum = 3,
    /// Intervertebral disc.
    Disc = 4,
    /// Spinal canal.
    Canal = 5,
}

impl Part {
    /// The part of a number in an image of parts; other numbers are background.
    pub const fn of(number: u16) -> Self {
        match number {
            1 => Self::Body,
            2 => Self::Arch,
            3 => Self::Sacrum,
            4 => Self::Disc,
            5 => Self::Canal,
            _ => Self::Background,
        }
    }

    /// The part of a label's name in a model's `dataset.json`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "background" => Self::Background,
            "vertebral_body" => Self::Body,
            "vertebral_arch" => Self::Arch,
            "sacrum" => Self::Sacrum,
            "disc" => Self::Disc,
            "canal" => Self::Canal,
            _ => return None,
        })
    }

    /// Whether it is bone.
    pub const fn is_bone(self) -> bool {
        matches!(self, Self::Body | Self::Arch | Self::Sacrum)
    }
}

/// Why parts make no spine.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SpineError {
    /// The model found hardly any canal.
    #[error(
        "the model found no spinal canal ({found_cm3:.1} cm³ of it): is this a CT of the spine in HU, or an MR of it? Otherwise \
         give labels made by hand, or another model"
    )]
    NoCanal {
        /// What it found, cm³.
        found_cm3: f64,
    },
    /// The model found no vertebral body along the canal.
    #[error("the model found a canal, but no vertebral body beside it: give labels made by hand, or another model")]
    NoBody,
    /// More vertebrae than a person has above the lowest one.
    #[error("{found} vertebrae were found, more than there are above {lowest}: is the lowest vertebra's name right?")]
    TooMany {
        /// How many were found.
        found: usize,
        /// What the lowest one is called.
        lowest: String,
    },
}

/// The image that parts were found in, as far as it helps to make a spine of them.
#[derive(Clone, Copy, Debug)]
pub enum Guide<'a> {
    /// A CT, in HU: joint spaces are dark, bone ends at an edge.
    Ct(&'a Image<i16>),
    /// An MR, in which brightness is of no tissue in particular.
    Mr,
}

/// A spine with names.
#[derive(Clone, Debug, PartialEq)]
pub struct Spine {
    /// In our label numbers, on the scan's voxels.
    pub labels: Image<u16>,
    /// How well the network's border and the edge in the CT agree, by label number: Dice of a bone before and after its border was moved
    /// to the edge, 0-1. It says nothing about the level's name. Nothing without a CT.
    pub confidence: BTreeMap<u16, f64>,
    /// What a reader must know, most important first.
    pub notes: Vec<String>,
}

/// Names the vertebrae of an image of parts ([`Part`] as numbers) that lies on the voxels of the scan that they were found in.
///
/// `lowest` names the lowest vertebra in view; without it the one above the sacrum is called L5, and where no sacrum is in view the
/// lowest is assumed to be L5, which the notes say.
///
/// # Errors
/// When there is no canal or no body in it, or there are more vertebrae than names.
pub fn spine_from_parts(parts: &Image<u16>, guide: Guide<'_>, lowest: Option<Label>) -> Result<Spine, SpineError> {
    let Some(mut lattice) = Lattice::around(parts, guide) else { return Err(SpineError::NoCanal { found_cm3: 0.0 }) };
    clean::clean(&mut lattice)?;
    let column = column::Column::find(&lattice).ok_or(SpineError::NoBody)?;
    let mut bones = column.bodies(&mut lattice);
    arches::assign(&lattice, &column, &mut bones);
    let named = levels::name(&column, lowest, guide)?;
    let coarse: Vec<u16> = column.labels(&lattice, &bones, &named);
    let mut notes = named.notes.clone();
    let ct = match guide {
        Guide::Ct(ct) => ct,
        Guide::Mr => {
            notes.push(SAC_NOTE.to_owned());
            return Ok(Spine { labels: refine::native(parts, &lattice, &coarse), confidence: BTreeMap::new(), notes });
        }
    };
    let refined = refine::refine(parts, ct, &lattice, &coarse);
    notes.push(CANAL_NOTE.to_owned());
    for (number, share) in &refined.confidence {
        if *share < POOR_AGREEMENT {
            notes.push(format!(
                "{}: only {:.0} % of what the model called bone lies on bone in the CT; draw it by hand.",
                Label(*number).name(),
                100.0 * share
            ));
        }
    }
    Ok(Spine { labels: refined.labels, confidence: refined.confidence, notes })
}

/// Below this agreement of network and CT a bone is pointed out: the expert's scan had 0.85 and more for every vertebra in full view.
const POOR_AGREEMENT: f64 = 0.7;

/// What the model calls canal is guarded as if all of it were sac.
pub(crate) const CANAL_NOTE: &str = "The dural sac is the spinal canal as the model found it: it reaches to the canal's walls, where fat and veins lie \
     around the sac, and no nerve root was looked for.";
/// What the model calls canal in an MR.
const SAC_NOTE: &str = "The dural sac is the one that the model found in the MR; cord and cauda equina are not told apart in it, and no nerve root was \
     looked for.";
