//! An anatomical phantom of the lumbar spine: images, labels and landmarks whose truth is known.
//!
//! The anatomy is analytic: smooth bodies in each bone's own frame, stacked along a curve, with discs, flava, dural sac, cord and
//! roots between them, sized by the tables of `params`. From it come a CT and an MRI in another frame and posture, their label
//! maps, corresponding landmarks, and a [`spinor_volume::Patient`] without any image between. Everything follows from the seed;
//! only `+ - * / sqrt` are used, so the same seed gives the same bytes on any machine and any number of threads.
//!
//! It makes a plausible spine, not a mean one, and no pathology but the narrowing asked for: results on it say nothing about
//! results on patients.

mod anatomy;
mod images;
mod landmarks;
mod math;
mod options;
mod params;
mod patient;
mod random;
mod sacrum;
mod sample;
mod series;
mod soft;
#[cfg(test)]
mod tests;
mod tissue;
mod vertebra;
mod write;

pub use anatomy::{Anatomy, Near, Posture};
pub use landmarks::Landmarks;
pub use math::Frame;
pub use options::{Levels, Motion, OptionError, Options, Stenosis};
pub use patient::{PhantomPatientError, patient};
pub use write::{PhantomError, write};

use crate::volume3d::Image;
use anatomy::Plan;
use random::Random;

/// A phantom: its images and what is true about them.
#[derive(Clone, Debug)]
pub struct Phantom {
    /// The seed it was made from.
    pub seed: u64,
    options: Options,
    /// CT, HU.
    pub ct: Image<i16>,
    /// Labels on the CT's lattice (numbers of docs/FORMATS.md).
    pub labels: Image<u16>,
    /// T2-like MRI in its own frame and posture.
    pub mr: Image<f32>,
    /// Labels on the MRI's lattice.
    pub mr_labels: Image<u16>,
    /// The same places in both.
    pub landmarks: Landmarks,
}

impl Phantom {
    /// Distinguishes phantoms of one seed with other options, for UIDs.
    fn key(&self) -> u64 {
        let o = &self.options;
        let stenosis = match o.stenosis {
            None => 0,
            Some(Stenosis::Mild) => 1,
            Some(Stenosis::Severe) => 2,
        };
        let spacing = o.spacing_mm.iter().fold(0, |key: u64, s| key.wrapping_mul(31).wrapping_add((s * 1e4) as u64));
        let bend = (o.scoliosis_deg * 100.0) as i64 as u64;
        stenosis ^ (o.levels.first as u64) << 4 ^ (o.levels.last as u64) << 8 ^ bend << 12 ^ spacing << 32
    }
}

/// The anatomy that the CT shows.
///
/// # Errors
/// When an option is out of range.
pub fn anatomy(options: &Options) -> Result<Anatomy, OptionError> {
    options.check()?;
    let draw = Random::new(options.seed, 3);
    // The patient lies a little askew on the table, some way from the scanner's middle.
    let place = [6.0 * draw.uniform(0), -150.0 + 8.0 * draw.uniform(1), -420.0 + 40.0 * draw.uniform(2)];
    let frame = Frame::turned(1.2 * draw.uniform(3), 1.5 * draw.uniform(4), 1.5 * draw.uniform(5), place);
    Ok(Anatomy::new(&plan(options), &Posture::default(), frame))
}

/// The same patient on another day: the anatomy that the MRI shows, in that scanner's frame and with every joint moved.
///
/// # Errors
/// When an option is out of range.
pub fn mr_anatomy(options: &Options) -> Result<Anatomy, OptionError> {
    options.check()?;
    let draw = Random::new(options.seed, 4);
    let place = [9.0 * draw.uniform(0), 12.0 * draw.uniform(1), -60.0 + 20.0 * draw.uniform(2)];
    let frame = Frame::turned(4.0 * draw.uniform(3), 3.0 * draw.uniform(4), 3.0 * draw.uniform(5), place);
    let mut posture = Posture::default();
    for (k, joint) in posture.joints.iter_mut().enumerate() {
        let n = 10 + 3 * k as u64;
        let [a, b, c] = [draw.uniform(n), draw.uniform(n + 1), draw.uniform(n + 2)];
        *joint = match options.motion {
            Motion::Slight => [2.5 * a, 1.2 * b, 0.8 * c],
            // All joints bend the same way, forwards or back: that adds up.
            Motion::Bent => [if draw.uniform(1) < 0.0 { -1.0 } else { 1.0 } * (2.4 + 0.35 * a), 0.8 * b, 0.5 * c],
        };
    }
    Ok(Anatomy::new(&plan(options), &posture, frame))
}

fn plan(options: &Options) -> Plan {
    Plan::new(options.seed, options.levels, options.stenosis, options.scoliosis_deg)
}

/// Makes a phantom. About 8 million voxels of CT take some seconds on two cores.
///
/// ```no_run
/// # use spinor_prepare::phantom::{Options, generate, write};
/// let phantom = generate(&Options { seed: 7, stenosis: Some("severe".parse()?), ..Options::default() })?;
/// write(&phantom, std::path::Path::new("phantom7"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When an option is out of range or the images would be too large.
pub fn generate(options: &Options) -> Result<Phantom, PhantomError> {
    let (in_ct, in_mr) = (anatomy(options)?, mr_anatomy(options)?);
    let (ct, labels) = images::ct(&in_ct, options.levels, options.seed, options.spacing_mm)?;
    let (mr, mr_labels) = images::mr(&in_mr, options.levels, options.seed, options.mr_spacing_mm)?;
    let landmarks = landmarks::landmarks(&in_ct, &in_mr, options.levels);
    Ok(Phantom { seed: options.seed, options: *options, ct, labels, mr, mr_labels, landmarks })
}
