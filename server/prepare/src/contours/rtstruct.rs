//! DICOM RT structure sets: closed planar contours on the CT's slices (PS3.3, C.8.8.5 and C.8.8.6).

use std::collections::BTreeMap;

use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use spinor_volume::Label;

use super::names::{Names, shown, structure_of_name};
use super::paint::{Canvas, Named, understand};
use super::plane::{Closed, cover};
use super::stack::{Stack, stack};
use super::{Contours, ContoursError, Target, UNCHECKED};
use crate::dicom_header::{int, items, text};
use crate::edt::nearest_features;
use crate::volume3d::{Geometry, check_size};

/// Most points of all contours together: drawn ones have some ten thousand.
const MAX_POINTS: usize = 5_000_000;
/// How far a contour may leave its plane, mm.
const FLAT_MM: f64 = 0.1;
/// How far from a slice's middle a contour may lie to belong to that slice, slices.
const ON_SLICE: f64 = 0.1;
/// How far outside the CT points may lie, pixels.
const MARGIN: f64 = 2.0;
/// Planes without contours between two with are filled up to this many steps.
const BRIDGED_STEPS: usize = 4;

/// One closed contour: the CT's continuous pixel coordinates, and its place along the CT's slices, mm from the first.
struct Outline {
    label: Label,
    along_mm: f64,
    /// Whether it is exclusive with the others of its plane.
    xor: bool,
    points: Vec<[f64; 2]>,
}

pub(super) fn read(object: &InMemDicomObject, target: Target<'_>, names: &Names) -> Result<Contours, ContoursError> {
    let mut warnings = Vec::new();
    let (mut rois, mut all) = (BTreeMap::new(), Vec::new());
    for item in items(object, tags::STRUCTURE_SET_ROI_SEQUENCE) {
        let number = int(item, tags::ROI_NUMBER).and_then(|n| u32::try_from(n).ok());
        let Some(number) = number else { return Err(ContoursError::Malformed("a ROI has no number".to_owned())) };
        let name = text(item, tags::ROI_NAME).unwrap_or_default();
        let shown = shown("ROI", number, &name);
        let frame = text(item, tags::REFERENCED_FRAME_OF_REFERENCE_UID);
        if rois.insert(number, (shown.clone(), frame)).is_some() {
            return Err(ContoursError::Malformed(format!("two ROIs have number {number}")));
        }
        all.push(Named { number, shown, given: names.find(number, &name), name: structure_of_name(&name), code: None });
    }
    let found = understand(all)?;
    warnings.extend(found.left_out());

    let mut unchecked = false;
    let mut outlines = Vec::new();
    let mut left = MAX_POINTS;
    for item in items(object, tags::ROI_CONTOUR_SEQUENCE) {
        let number = int(item, tags::REFERENCED_ROI_NUMBER).and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::MAX);
        let (Some(label), Some((shown, frame))) = (found.labels.get(&number), rois.get(&number)) else { continue };
        let wrong = |why: String| ContoursError::Structure { what: shown.clone(), why };
        let (same, compared) = target.same_frame(frame.as_deref());
        if !same {
            return Err(ContoursError::Frame { what: shown.clone() });
        }
        unchecked |= !compared;
        let mut open = 0;
        for contour in items(item, tags::CONTOUR_SEQUENCE) {
            let kind = text(contour, tags::CONTOUR_GEOMETRIC_TYPE).unwrap_or_default();
            if !matches!(kind.as_str(), "CLOSED_PLANAR" | "CLOSEDPLANAR_XOR") {
                open += 1;
                continue;
            }
            let made = outline(contour, *label, target.geometry, &mut left).map_err(wrong)?;
            outlines.push(Outline { xor: kind == "CLOSEDPLANAR_XOR", ..made });
        }
        if open > 0 {
            warnings
                .push(format!("Contours: {open} drawings of {shown} are no closed contours (points, lines) and were left out."));
        }
    }
    for (number, label) in &found.labels {
        if !outlines.iter().any(|o| o.label == *label) {
            let what = rois.get(number).map_or_else(String::new, |(shown, _)| shown.clone());
            return Err(ContoursError::Structure { what, why: "nothing closed is drawn; draw it, or delete it".to_owned() });
        }
    }
    if unchecked {
        warnings.push(UNCHECKED.to_owned());
    }
    paint(&outlines, target.geometry, warnings)
}

/// Reads a contour and checks that it lies in a plane of the CT's slices, within the CT.
fn outline(contour: &InMemDicomObject, label: Label, ct: &Geometry, left: &mut usize) -> Result<Outline, String> {
    let values = contour.get(tags::CONTOUR_DATA).and_then(|element| element.to_multi_float64().ok()).unwrap_or_default();
    if values.is_empty() || !values.len().is_multiple_of(3) || values.iter().any(|v| !v.is_finite()) {
        return Err(format!("a contour holds {} coordinates, which are no points in space; the file is damaged", values.len()));
    }
    let count = values.len() / 3;
    if int(contour, tags::NUMBER_OF_CONTOUR_POINTS).is_some_and(|stated| usize::try_from(stated) != Ok(count)) {
        return Err(format!("a contour holds {count} points and states another number; the file is damaged"));
    }
    *left = left.checked_sub(count).ok_or_else(|| format!("the contours have more than {MAX_POINTS} points"))?;
    let points: Vec<[f64; 3]> = values.chunks_exact(3).map(|p| ct.index_from_patient([p[0], p[1], p[2]])).collect();
    let range =
        |k: usize| points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), p| (low.min(p[k]), high.max(p[k])));
    let (low, high) = range(2);
    let spread_mm = (high - low) * ct.spacing_mm[2];
    if spread_mm > FLAT_MM {
        return Err(format!(
            "a contour leaves its slice of the CT by {spread_mm:.1} mm: it was drawn on slices of another orientation (or of a tilted \
             series). Draw on the CT's own slices, or export a label map or DICOM SEG instead"
        ));
    }
    let inside = |k: usize, margin: f64| {
        let (low, high) = range(k);
        low >= -margin && high <= ct.size[k] as f64 - 1.0 + margin
    };
    if !(inside(0, MARGIN) && inside(1, MARGIN) && inside(2, 0.6)) {
        return Err("a contour lies outside the CT: it belongs to another scan or frame".to_owned());
    }
    let along_mm = 0.5 * (low + high) * ct.spacing_mm[2];
    Ok(Outline { label, along_mm, xor: false, points: points.iter().map(|p| [p[0], p[1]]).collect() })
}

/// Fills all contours on a lattice of the CT's pixels and of the planes drawn on.
fn paint(outlines: &[Outline], ct: &Geometry, mut warnings: Vec<String>) -> Result<Contours, ContoursError> {
    let slices = planes(outlines, ct)?;
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for point in outlines.iter().flat_map(|o| &o.points) {
        for k in 0..2 {
            low[k] = low[k].min(point[k]);
            high[k] = high[k].max(point[k]);
        }
    }
    let first = low.map(|v| v.floor() - 1.0);
    let plane = [0, 1].map(|k| (high[k].ceil() + 1.0 - first[k]) as usize + 1);
    let size = [plane[0], plane[1], slices.count];
    check_size(size)?;
    let origin = ct.patient_from_index([first[0], first[1], slices.first_mm / ct.spacing_mm[2]]);
    let geometry = Geometry::new(size, [ct.spacing_mm[0], ct.spacing_mm[1], slices.step_mm], origin, ct.direction)?;
    let mut canvas = Canvas::new(geometry);

    let mut by_label: BTreeMap<u16, BTreeMap<usize, Vec<Closed>>> = BTreeMap::new();
    for outline in outlines {
        let points = outline.points.iter().map(|p| [p[0] - first[0], p[1] - first[1]]).collect();
        let moved = Closed { xor: outline.xor, points };
        by_label.entry(outline.label.0).or_default().entry(slices.plane(outline.along_mm)).or_default().push(moved);
    }
    for (number, planes) in by_label {
        let label = Label(number);
        let mut put = |k: usize, mask: &[bool]| {
            let start = k * plane[0] * plane[1];
            mask.iter().enumerate().filter(|(_, inside)| **inside).for_each(|(at, _)| canvas.paint(start + at, label));
        };
        let (mut before, mut bridged, mut open_mm): (Option<(usize, Vec<bool>)>, _, _) = (None, 0, 0.0_f64);
        let mut joined = 0_usize;
        for (k, contours) in planes {
            let covered = cover(&contours, plane).ok_or_else(|| ContoursError::Structure {
                what: label.name(),
                why: "its contours cross more pixels than any drawing; the file is damaged".to_owned(),
            })?;
            joined += usize::from(covered.joined);
            let mask = covered.mask;
            put(k, &mask);
            if let Some((last, other)) = before.filter(|(last, _)| k - last > 1) {
                if k - last <= BRIDGED_STEPS {
                    let between = (last + 1..k).map(|n| (n, (n - last) as f64 / (k - last) as f64));
                    between.for_each(|(n, t)| put(n, &blend(&other, &mask, plane, ct.spacing_mm, t)));
                    bridged += k - last - 1;
                } else {
                    open_mm = open_mm.max((k - last) as f64 * slices.step_mm);
                }
            }
            before = Some((k, mask));
        }
        let name = label.name();
        if bridged > 0 {
            warnings.push(format!(
                "Contours: {bridged} slices of {name} between drawn ones carry no contour; its shape was blended there."
            ));
        }
        if joined > 0 {
            warnings.push(format!(
                "Contours: on {joined} slices contours of {name} overlap in part, or one is there twice: they were joined. Only contours \
                 within others, and those of the type CLOSEDPLANAR_XOR, cut holes."
            ));
        }
        if open_mm > 0.0 {
            warnings.push(format!(
                "Contours: {name} is not drawn on for {open_mm:.0} mm between drawn slices: it is left open there."
            ));
        }
    }
    Ok(canvas.finish(warnings))
}

/// The CT's slices from the first to the last that is drawn on, or the planes of the contours where those are not the CT's.
fn planes(outlines: &[Outline], ct: &Geometry) -> Result<Stack, ContoursError> {
    let step_mm = ct.spacing_mm[2];
    let along: Vec<f64> = outlines.iter().map(|o| o.along_mm).collect();
    if along.iter().all(|at| (at / step_mm - (at / step_mm).round()).abs() <= ON_SLICE) {
        let low = along.iter().copied().fold(f64::INFINITY, f64::min) / step_mm;
        let high = along.iter().copied().fold(f64::NEG_INFINITY, f64::max) / step_mm;
        let count = (high.round() - low.round()) as usize + 1;
        return Ok(Stack { first_mm: low.round() * step_mm, step_mm, count });
    }
    stack(&along, Some(step_mm)).map_err(|why| {
        ContoursError::Malformed(format!("the contours lie between the CT's slices, and {why}; draw on the CT's slices"))
    })
}

/// The shape a share `t` of the way from one mask to another: where the blend of their signed distances is inside.
fn blend(from: &[bool], to: &[bool], [nx, ny]: [usize; 2], spacing_mm: [f64; 3], t: f64) -> Vec<bool> {
    let signed = |mask: &[bool]| -> Vec<f64> {
        let size = [nx, ny, 1];
        let (inside, outside) =
            (nearest_features(size, spacing_mm, |at| mask[at]), nearest_features(size, spacing_mm, |at| !mask[at]));
        (0..mask.len()).map(|at| if mask[at] { -outside.distance_mm(at) } else { inside.distance_mm(at) }).collect()
    };
    signed(from).iter().zip(signed(to)).map(|(a, b)| (1.0 - t) * a + t * b < 0.0).collect()
}
