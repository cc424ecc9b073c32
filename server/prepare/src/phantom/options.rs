//! What a phantom is asked to be.

use std::str::FromStr;

use thiserror::Error;

/// How narrow the spinal canal is, most at L4/L5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stenosis {
    /// Sac below the cut-off of 111 mm² at L4/L5.
    Mild,
    /// Sac below 80 mm² at L3/L4 and L4/L5, thick flavum, stout facets, bulging discs.
    Severe,
}

impl FromStr for Stenosis {
    type Err = OptionError;

    fn from_str(s: &str) -> Result<Self, OptionError> {
        match s {
            "mild" => Ok(Self::Mild),
            "severe" => Ok(Self::Severe),
            _ => Err(OptionError::Stenosis(s.to_owned())),
        }
    }
}

/// How differently the patient lies in the MRI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Motion {
    /// Up to 2.5 degrees in each joint, as from one careful positioning to another.
    #[default]
    Slight,
    /// Bent on the whole: every vertebra turns by 2 to 15 degrees against the sacrum, and moves by up to 15 mm against the middle one.
    Bent,
}

impl FromStr for Motion {
    type Err = OptionError;

    fn from_str(s: &str) -> Result<Self, OptionError> {
        match s {
            "slight" => Ok(Self::Slight),
            "bent" => Ok(Self::Bent),
            _ => Err(OptionError::Motion(s.to_owned())),
        }
    }
}

/// A range of vertebrae, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// The uppermost: 0 = L1 to 5 = S1.
    pub(super) first: usize,
    /// The lowest.
    pub(super) last: usize,
}

impl Levels {
    /// L1 to S1.
    pub const ALL: Self = Self { first: 0, last: 5 };
}

impl Default for Levels {
    fn default() -> Self {
        Self::ALL
    }
}

impl FromStr for Levels {
    type Err = OptionError;

    /// Reads `L1-S1`, `L4-L5` and the like.
    fn from_str(s: &str) -> Result<Self, OptionError> {
        let wrong = || OptionError::Levels(s.to_owned());
        let number = |name: &str| ["L1", "L2", "L3", "L4", "L5", "S1"].iter().position(|n| n.eq_ignore_ascii_case(name.trim()));
        let (first, last) = s.split_once('-').ok_or_else(wrong)?;
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(wrong()),
        }
    }
}

/// Why options cannot be read or used.
#[derive(Debug, Error, PartialEq)]
pub enum OptionError {
    /// Not `mild` or `severe`.
    #[error("stenosis \"{0}\" is neither mild nor severe")]
    Stenosis(String),
    /// Not `slight` or `bent`.
    #[error("motion \"{0}\" is neither slight nor bent")]
    Motion(String),
    /// Not a range of levels from L1 to S1.
    #[error("levels \"{0}\" are not a range like L1-S1 or L3-L5")]
    Levels(String),
    /// A Cobb angle beyond what the model can bend to.
    #[error("a scoliosis of {0} degrees is outside -40 to 40")]
    Scoliosis(f64),
    /// A voxel size that makes an image too coarse or too large.
    #[error("a voxel of {0:?} mm is outside 0.3 to 5 mm")]
    Spacing([f64; 3]),
}

/// What a phantom is asked to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Everything random follows from it.
    pub seed: u64,
    /// Which vertebrae to make.
    pub levels: Levels,
    /// Cobb angle between L1 and L4, degrees; positive bends L1 to the left.
    pub scoliosis_deg: f64,
    /// How narrow the canal is.
    pub stenosis: Option<Stenosis>,
    /// How differently the patient lies in the MRI.
    pub motion: Motion,
    /// Voxel of the CT, mm along x, y, z.
    pub spacing_mm: [f64; 3],
    /// Voxel of the MRI, mm: in the sagittal plane backwards and downwards, then from slice to slice.
    pub mr_spacing_mm: [f64; 3],
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            levels: Levels::ALL,
            scoliosis_deg: 0.0,
            stenosis: None,
            motion: Motion::Slight,
            spacing_mm: [0.6, 0.6, 1.0],
            mr_spacing_mm: [0.8, 0.8, 2.5],
        }
    }
}

impl Options {
    /// # Errors
    /// When a number is outside what the model can make.
    pub fn check(&self) -> Result<(), OptionError> {
        if !(-40.0..=40.0).contains(&self.scoliosis_deg) {
            return Err(OptionError::Scoliosis(self.scoliosis_deg));
        }
        for spacing in [self.spacing_mm, self.mr_spacing_mm] {
            if spacing.iter().any(|s| !(0.3..=5.0).contains(s)) {
                return Err(OptionError::Spacing(spacing));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ranges are read as the command line documents them, and nonsense is refused.
    #[test]
    fn ranges() {
        assert_eq!("L1-S1".parse(), Ok(Levels::ALL));
        assert_eq!("l4-l5".parse(), Ok(Levels { first: 3, last: 4 }));
        assert!("L5-L4".parse::<Levels>().is_err() && "L4".parse::<Levels>().is_err() && "T1-L2".parse::<Levels>().is_err());
        assert!(Options { scoliosis_deg: f64::NAN, ..Options::default() }.check().is_err());
        assert!(Options { spacing_mm: [0.01, 1.0, 1.0], ..Options::default() }.check().is_err());
    }
}
