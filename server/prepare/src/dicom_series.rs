//! From loose image planes to one lattice: sorted along their normal, checked for gaps, tilt and doubles.

use thiserror::Error;

use crate::dicom_header::Frame;
use crate::vector::{V3, cross, dot};
use crate::volume3d::{Geometry, GeometryError};

/// Fewest slices of a volume.
pub(crate) const MIN_SLICES: usize = 3;
/// Slices are at the same place when they are closer than this, mm.
const SAME_PLACE_MM: f64 = 0.005;
/// How far a slice may be from its even place: a share of the increment, and rounding of the header, mm.
const UNEVEN_SHARE: f64 = 0.05;
const UNEVEN_MM: f64 = 0.015;
/// In-plane drift of the stack over its whole length that counts as rounding, mm.
const DRIFT_MM: f64 = 0.1;
/// Largest gantry tilt that is corrected.
const MAX_TILT_DEGREES: f64 = 35.0;
/// Cosine of the largest angle between planes of one stack.
const PARALLEL: f64 = 1.0 - 1e-6;

/// Why a series makes no volume.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum SeriesError {
    /// The object holds no image.
    #[error("the DICOM object holds no image")]
    NoPixels,
    /// A number of frames that no image has.
    #[error("the DICOM object claims {0} frames")]
    FrameCount(i64),
    /// A multi-frame object without functional groups.
    #[error("the DICOM object has {0} frames but no positions for them")]
    FramesWithoutPlace(usize),
    /// As many functional groups as there are no frames.
    #[error("the DICOM object has {frames} frames and functional groups for {groups}")]
    FrameGroups {
        /// Frames stated.
        frames: usize,
        /// Groups given.
        groups: usize,
    },
    /// Neither CT nor MR.
    #[error("modality {0} is neither CT nor MR")]
    Modality(String),
    /// Colour or palette images.
    #[error("the images are colour ({photometric}, {samples} samples a pixel), not intensities")]
    Colour {
        /// Photometric interpretation.
        photometric: String,
        /// Samples per pixel.
        samples: i64,
    },
    /// A modality lookup table instead of slope and intercept.
    #[error("the images use a modality lookup table; only rescale slope and intercept are supported")]
    LookupTable,
    /// Bits that are not supported.
    #[error("pixels of {allocated} bits allocated, {stored} stored, high bit {high} are not supported")]
    Bits {
        /// Bits allocated.
        allocated: u16,
        /// Bits stored.
        stored: u16,
        /// High bit.
        high: u16,
    },
    /// A localizer.
    #[error("the series is a localizer (scout)")]
    Localizer,
    /// Without position, orientation or pixel spacing.
    #[error("{count} images have no {what}")]
    NoPlace {
        /// Images concerned.
        count: usize,
        /// What is missing.
        what: &'static str,
    },
    /// An orientation whose vectors are no perpendicular unit vectors.
    #[error("image orientation {0:?} is not two perpendicular unit vectors")]
    Orientation([f64; 6]),
    /// Slices that are not parallel.
    #[error("the slices are not parallel: they differ by up to {degrees:.2}°")]
    NotParallel {
        /// Largest angle to the first slice.
        degrees: f64,
    },
    /// Too few slices.
    #[error("{0} slices are too few for a volume (at least {MIN_SLICES})")]
    TooFew(usize),
    /// All images at one place.
    #[error("all {0} images lie at the same position: a time series or monitoring scan, not a volume")]
    SamePosition(usize),
    /// The same number of different images at every place.
    #[error(
        "{volumes} images lie at each of {positions} positions: several volumes (time points, echoes or directions) in one series"
    )]
    SeveralVolumes {
        /// Images at a place.
        volumes: usize,
        /// Places.
        positions: usize,
    },
    /// Different images at some places.
    #[error("{places} positions hold more than one image and the images differ; the first is at {at_mm:.3} mm along the stack")]
    Doubles {
        /// Places concerned.
        places: usize,
        /// The first of them.
        at_mm: f64,
    },
    /// Gaps.
    #[error(
        "slices are missing: {missing} between {from_mm:.3} and {to_mm:.3} mm along the stack, where the increment is {step_mm:.3} mm{}",
        also_tilted(*.tilt_degrees)
    )]
    Missing {
        /// Slices that are missing in all.
        missing: usize,
        /// Slice before the first gap.
        from_mm: f64,
        /// Slice behind the first gap.
        to_mm: f64,
        /// Usual increment.
        step_mm: f64,
        /// Tilt, when the stack has one.
        tilt_degrees: Option<f64>,
    },
    /// Uneven increments.
    #[error("the slice increment is uneven: {low_mm:.3} to {high_mm:.3} mm{}", also_tilted(*.tilt_degrees))]
    Uneven {
        /// Smallest increment.
        low_mm: f64,
        /// Largest increment.
        high_mm: f64,
        /// Tilt, when the stack has one.
        tilt_degrees: Option<f64>,
    },
    /// A stack tilted too far.
    #[error("the stack is sheared by {0:.1}° (gantry tilt); more than {MAX_TILT_DEGREES}° is not corrected")]
    Tilt(f64),
    /// A stack that is not straight.
    #[error("the slices do not lie on a line: one is {0:.2} mm beside it")]
    NotStraight(f64),
    /// The lattice cannot exist.
    #[error("{0}")]
    Geometry(#[from] GeometryError),
}

fn also_tilted(tilt: Option<f64>) -> String {
    tilt.map(|degrees| format!("; the gantry is tilted by {degrees:.1}° as well")).unwrap_or_default()
}

/// Where one slice of the volume comes from.
#[derive(Clone, Debug)]
pub(crate) struct Place<S> {
    /// The image, or several that must prove equal.
    pub(crate) sources: Vec<S>,
    /// Continuous coordinates in the image of the volume's pixel (0, 0); whole numbers unless the stack is sheared.
    pub(crate) shift: [f64; 2],
}

/// How to build a volume.
#[derive(Clone, Debug)]
pub(crate) struct Plan<S> {
    pub(crate) geometry: Geometry,
    pub(crate) places: Vec<Place<S>>,
    pub(crate) tilt_degrees: Option<f64>,
}

/// The axes of an image plane: along a row, along a column, normal; exactly orthonormal.
pub(crate) fn axes(orientation: [f64; 6]) -> Result<[V3; 3], SeriesError> {
    let bad = SeriesError::Orientation(orientation);
    let [a, b, c, d, e, f] = orientation;
    let (row, column) = ([a, b, c], [d, e, f]);
    let (row_length, column_length) = (dot(row, row).sqrt(), dot(column, column).sqrt());
    if (row_length - 1.0).abs() > 0.01 || (column_length - 1.0).abs() > 0.01 {
        return Err(bad);
    }
    let row = row.map(|v| v / row_length);
    let skew = dot(row, column) / column_length;
    if skew.abs() > 1e-3 {
        return Err(bad);
    }
    let column = [0, 1, 2].map(|k| column[k] / column_length - skew * row[k]);
    let length = dot(column, column).sqrt();
    let column = column.map(|v| v / length);
    Ok([row, column, cross(row, column)])
}

/// Orders planes into a lattice.
pub(crate) fn plan<S: Clone>(planes: &[(S, &Frame)], columns: usize, rows: usize) -> Result<Plan<S>, SeriesError> {
    let lacking = |what, lacks: &dyn Fn(&Frame) -> bool| match planes.iter().filter(|(_, f)| lacks(f)).count() {
        0 => Ok(()),
        count => Err(SeriesError::NoPlace { count, what }),
    };
    lacking("position", &|f| f.position_mm.is_none())?;
    lacking("orientation", &|f| f.orientation.is_none())?;
    lacking("pixel spacing", &|f| f.pixel_spacing_mm.is_none())?;
    let first = planes.first().ok_or(SeriesError::TooFew(0))?.1;
    let (Some(orientation), Some([row_step, column_step])) = (first.orientation, first.pixel_spacing_mm) else {
        return Err(SeriesError::NoPlace { count: planes.len(), what: "orientation" });
    };
    let [row, column, normal] = axes(orientation)?;
    let mut least = 1.0_f64;
    for (_, plane) in planes {
        let [r, c, _] = axes(plane.orientation.unwrap_or_default())?;
        least = least.min(dot(r, row)).min(dot(c, column));
    }
    if least < PARALLEL {
        return Err(SeriesError::NotParallel { degrees: least.clamp(-1.0, 1.0).acos().to_degrees() });
    }

    let mut stack: Vec<(f64, V3, &S)> =
        planes.iter().filter_map(|(source, f)| f.position_mm.map(|p| (dot(p, normal), p, source))).collect();
    stack.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut places: Vec<(f64, V3, Vec<S>)> = Vec::new();
    for (along, position, source) in stack {
        match places.last_mut() {
            Some(last) if along - last.0 < SAME_PLACE_MM => last.2.push(source.clone()),
            _ => places.push((along, position, vec![source.clone()])),
        }
    }
    check_doubles(&places, planes.len())?;
    let n = places.len();
    if n < MIN_SLICES {
        return Err(SeriesError::TooFew(n));
    }
    let step = (places[n - 1].0 - places[0].0) / (n - 1) as f64;
    let drift = |k: usize, axis: V3| dot(places[k].1, axis) - dot(places[0].1, axis);
    let total = [drift(n - 1, row), drift(n - 1, column)];
    let sheared = total[0].hypot(total[1]) > DRIFT_MM;
    let degrees = (total[0].hypot(total[1]) / (places[n - 1].0 - places[0].0)).atan().to_degrees();
    let tilt_degrees = sheared.then_some(degrees);
    check_increments(&places.iter().map(|p| p.0).collect::<Vec<_>>(), step, tilt_degrees)?;
    if degrees > MAX_TILT_DEGREES && sheared {
        return Err(SeriesError::Tilt(degrees));
    }

    // In-plane offsets of every slice in pixels: nothing but rounding, or a shear that is undone slice by slice.
    let offsets: Vec<[f64; 2]> = (0..n).map(|k| [drift(k, row) / column_step, drift(k, column) / row_step]).collect();
    for (k, offset) in offsets.iter().enumerate() {
        let share = k as f64 / (n - 1) as f64;
        let beside =
            ((offset[0] * column_step - total[0] * share).powi(2) + (offset[1] * row_step - total[1] * share).powi(2)).sqrt();
        if beside > 2.0 * DRIFT_MM {
            return Err(SeriesError::NotStraight(beside));
        }
    }
    let (mut low, mut high) = ([0.0_f64; 2], [0.0_f64; 2]);
    if sheared {
        for offset in &offsets {
            for axis in 0..2 {
                low[axis] = low[axis].min(offset[axis].floor());
                high[axis] = high[axis].max(offset[axis].ceil());
            }
        }
    }
    let size = [columns + (high[0] - low[0]) as usize, rows + (high[1] - low[1]) as usize, n];
    let mut origin_mm = places[0].1;
    for axis in 0..3 {
        origin_mm[axis] += row[axis] * low[0] * column_step + column[axis] * low[1] * row_step;
    }
    let direction = [0, 1, 2].map(|k| [row[k], column[k], normal[k]]);
    let geometry = Geometry::new(size, [column_step, row_step, step], origin_mm, direction)?;
    let shift = |k: usize| if sheared { [low[0] - offsets[k][0], low[1] - offsets[k][1]] } else { [0.0; 2] };
    let places = places.into_iter().enumerate().map(|(k, p)| Place { sources: p.2, shift: shift(k) }).collect();
    Ok(Plan { geometry, places, tilt_degrees })
}

fn check_doubles<S>(places: &[(f64, V3, Vec<S>)], images: usize) -> Result<(), SeriesError> {
    let most = places.iter().map(|p| p.2.len()).max().unwrap_or(0);
    if images >= MIN_SLICES && places.len() == 1 {
        return Err(SeriesError::SamePosition(images));
    }
    if most > 1 && places.len() >= MIN_SLICES && places.iter().all(|p| p.2.len() == most) {
        return Err(SeriesError::SeveralVolumes { volumes: most, positions: places.len() });
    }
    Ok(())
}

fn check_increments(along: &[f64], step: f64, tilt_degrees: Option<f64>) -> Result<(), SeriesError> {
    let increments: Vec<f64> = along.windows(2).map(|w| w[1] - w[0]).collect();
    let mut sorted = increments.clone();
    sorted.sort_by(f64::total_cmp);
    let (low_mm, high_mm) = (sorted[0], sorted[sorted.len() - 1]);
    // The lower quartile stands for the usual increment: gaps only ever lengthen one.
    let usual = sorted[(sorted.len() - 1) / 4];
    let tolerance = |increment: f64| UNEVEN_SHARE * increment + UNEVEN_MM;
    let uneven = increments.iter().any(|d| (d - step).abs() > tolerance(step))
        || along.iter().enumerate().any(|(k, at)| (at - along[0] - k as f64 * step).abs() > tolerance(step));
    if !uneven {
        return Ok(());
    }
    let multiple = |d: f64| (d / usual).round();
    if increments.iter().all(|d| (d - multiple(*d) * usual).abs() <= tolerance(usual)) {
        let missing: f64 = increments.iter().map(|d| multiple(*d) - 1.0).sum();
        if let Some(k) = increments.iter().position(|d| multiple(*d) > 1.0) {
            return Err(SeriesError::Missing {
                missing: missing as usize,
                from_mm: along[k],
                to_mm: along[k + 1],
                step_mm: usual,
                tilt_degrees,
            });
        }
    }
    Err(SeriesError::Uneven { low_mm, high_mm, tilt_degrees })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(position: V3, orientation: [f64; 6]) -> Frame {
        Frame {
            index: 0,
            position_mm: Some(position),
            orientation: Some(orientation),
            pixel_spacing_mm: Some([0.5, 0.25]),
            slope: None,
            intercept: None,
            rescale_type: None,
            part: Default::default(),
        }
    }

    const AXIAL: [f64; 6] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];

    fn planned(positions: &[V3], orientation: [f64; 6]) -> Result<Plan<usize>, SeriesError> {
        let frames: Vec<Frame> = positions.iter().map(|p| frame(*p, orientation)).collect();
        let planes: Vec<(usize, &Frame)> = frames.iter().enumerate().collect();
        plan(&planes, 8, 6)
    }

    fn axial(along: &[f64]) -> Result<Plan<usize>, SeriesError> {
        planned(&along.iter().map(|z| [-10.0, -20.0, *z]).collect::<Vec<_>>(), AXIAL)
    }

    #[test]
    fn slices_are_sorted_by_position_whatever_their_number() {
        let plan = axial(&[4.0, 0.0, 6.0, 2.0]).unwrap();
        assert_eq!(plan.places.iter().map(|p| p.sources[0]).collect::<Vec<_>>(), [1, 3, 0, 2]);
        assert_eq!(plan.geometry.spacing_mm, [0.25, 0.5, 2.0]);
        assert_eq!(plan.geometry.origin_mm, [-10.0, -20.0, 0.0]);
        assert_eq!(plan.tilt_degrees, None);
    }

    #[test]
    fn gaps_unevenness_and_rounding_are_told_apart() {
        assert!(matches!(axial(&[0.0, 2.0, 4.0, 10.0]), Err(SeriesError::Missing { missing: 2, .. })));
        assert!(matches!(axial(&[0.0, 2.0, 4.0, 4.9]), Err(SeriesError::Uneven { .. })));
        assert!(axial(&[0.0, 2.01, 3.99, 6.0]).is_ok());
        // Two halves of different increments.
        assert!(matches!(axial(&[0.0, 1.0, 2.0, 4.5, 7.0]), Err(SeriesError::Uneven { .. })));
    }

    #[test]
    fn doubles_and_time_series_are_named() {
        assert_eq!(axial(&[3.0; 4]).unwrap_err(), SeriesError::SamePosition(4));
        assert_eq!(axial(&[0.0, 0.0, 1.0, 1.0, 2.0, 2.0]).unwrap_err(), SeriesError::SeveralVolumes { volumes: 2, positions: 3 });
        assert_eq!(axial(&[0.0, 1.0, 1.0, 2.0]).unwrap().places[1].sources, [1, 2]);
        assert_eq!(axial(&[0.0, 1.0]).unwrap_err(), SeriesError::TooFew(2));
    }

    /// A stack that moves along the table while its planes stand at 14°: the lattice is rectangular and every slice is shifted.
    #[test]
    fn a_tilted_stack_becomes_rectangular() {
        let (s, c) = 14_f64.to_radians().sin_cos();
        let tilted = [1.0, 0.0, 0.0, 0.0, c, -s];
        let positions: Vec<V3> = (0..5).map(|k| [0.0, 0.0, 5.0 * f64::from(k)]).collect();
        let plan = planned(&positions, tilted).unwrap();
        assert!((plan.tilt_degrees.unwrap() - 14.0).abs() < 1e-9);
        assert!((plan.geometry.spacing_mm[2] - 5.0 * c).abs() < 1e-9);
        // Pixel (0, 0) of slice k keeps its place in space.
        for (k, place) in plan.places.iter().enumerate() {
            let at = plan.geometry.patient_from_index([-place.shift[0], -place.shift[1], k as f64]);
            assert!((0..3).all(|axis| (at[axis] - positions[k][axis]).abs() < 1e-9), "{k} {at:?}");
        }
    }

    #[test]
    fn bad_orientations_are_refused() {
        let positions = [[0.0; 3], [0.0, 0.0, 1.0], [0.0, 0.0, 2.0]];
        assert!(matches!(planned(&positions, [1.0, 0.0, 0.0, 0.5, 0.8, 0.0]), Err(SeriesError::Orientation(_))));
        assert!(matches!(planned(&positions, [0.0; 6]), Err(SeriesError::Orientation(_))));
        let frames =
            [frame(positions[0], AXIAL), frame(positions[1], [0.0, 1.0, 0.0, 0.0, 0.0, -1.0]), frame(positions[2], AXIAL)];
        let planes: Vec<(usize, &Frame)> = frames.iter().enumerate().collect();
        assert!(matches!(plan(&planes, 8, 6), Err(SeriesError::NotParallel { .. })));
    }
}
