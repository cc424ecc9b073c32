//! The MR over the CT before and after registration: a checkerboard of both, and the MR under the outlines of the CT's bones.

use spinor_shared::case::{Case, ImageBricks};
use spinor_volume::{Structure, TissueClass};

use super::facts::Facts;
use super::slice::{self, Axes, Plane};
use super::{Picture, ReportError, png};
use crate::register::Rigid;
use crate::register::rigid::{inverse, moved};
use crate::volume3d::Image;

/// Edge of a checkerboard's field, mm.
const FIELD_MM: f64 = 15.0;
/// Share of a picture that the MR must fill for its headers to have put it there.
const SHOWN: f64 = 0.25;
/// Shares of the MR's values below which all is black and above which all is white.
const WINDOW: [f64; 2] = [0.01, 0.99];

/// What the pictures show, for the page.
pub(super) const LEGEND: &str = "Checkerboards show CT and MRI in turn: edges of bone must run on from one field to the next. Beside them the MRI \
     alone under the outlines of the CT's bones, which must follow its dark edges. Before: the MRI where both scans' own headers put it, or, where \
     they put it elsewhere, laid on as one stiff body. After: as the case holds it.";

/// One way in which the MR can lie: what it is called, and its value at each pixel, row by row; none where it does not reach.
type Stage = (&'static str, Vec<Option<f64>>);

/// Pairs of pictures of each stage and slice; none without both images in the case. `before` is the MR as it was read.
pub(super) fn pictures(
    case: &Case,
    ct: Option<&Image<i16>>,
    before: Option<&Image<f32>>,
    facts: &Facts,
) -> Result<Vec<Picture>, ReportError> {
    let (Some(mr), true) = (&case.mr, ct.is_some() || case.ct.is_some()) else { return Ok(Vec::new()) };
    let mut out = Vec::new();
    for (from, plane) in planes(facts) {
        let stages = stages(case, mr, before, &plane);
        // One window for all stages, so that they look alike.
        let ends = window(stages.iter().flat_map(|(_, values)| values).flatten().copied());
        let [width, _] = plane.pixels();
        let mr_grey = |values: &[Option<f64>], [x, y]: [u32; 2]| {
            let value = values.get((x + width * y) as usize).copied().flatten();
            value.map_or(0.0, |v| grey(v, ends))
        };
        let ct_grey = |at: [f64; 3]| {
            let hu = match ct {
                Some(ct) => ct.trilinear_at_mm(at),
                None => case.ct.as_ref().and_then(|ct| ct.sample_hu(at)).map(f64::from),
            };
            hu.map_or(0.0, slice::grey)
        };
        let field = FIELD_MM / plane.mm_per_pixel;
        let is_mr = |pixel: [u32; 2]| pixel.iter().map(|v| (f64::from(*v) / field) as u32).sum::<u32>() % 2 == 1;
        let is_bone = |s: &Structure| s.class == TissueClass::Bone;
        let mut add = |what: &str, stage: &str, drawn: image::RgbImage| -> Result<(), ReportError> {
            out.push(Picture { caption: format!("{from}, {what}, {stage}"), png: png(&drawn)?, width: drawn.width() });
            Ok(())
        };
        for (stage, values) in &stages {
            let grey = |pixel, at| if is_mr(pixel) { mr_grey(values, pixel) } else { ct_grey(at) };
            add("checkerboard", stage, slice::draw(&case.patient, &plane, |_| false, grey))?;
        }
        for (stage, values) in &stages {
            let grey = |pixel, _| mr_grey(values, pixel);
            add("CT's bones on MRI", stage, slice::draw(&case.patient, &plane, is_bone, grey))?;
        }
    }
    Ok(out)
}

/// The MR before and after; only as it is where nothing moved it, or where what was read is not at hand.
fn stages(case: &Case, mr: &ImageBricks, before: Option<&Image<f32>>, plane: &Plane) -> Vec<Stage> {
    let held = sampled(plane, |p| mr.sample_hu(p).map(f64::from));
    if case.meta.registration.as_ref().is_none_or(|r| r.mr_from_ct.is_empty()) {
        return vec![("by the headers, not registered", held)];
    }
    let Some(before) = before else { return vec![("after", held)] };
    let by_headers = sampled(plane, |p| before.trilinear_at_mm(p));
    let reached = by_headers.iter().flatten().count() as f64;
    let first = if reached > SHOWN * by_headers.len() as f64 {
        ("before (headers)", by_headers)
    } else {
        // The case's MR lies on its own lattice, moved as the bones move together.
        let mr_from_ct: Rigid = inverse(&mr.geometry().patient_from_image);
        ("before (one body)", sampled(plane, |p| before.trilinear_at_mm(moved(&mr_from_ct, p))))
    };
    vec![first, ("after", held)]
}

fn sampled(plane: &Plane, value: impl Fn([f64; 3]) -> Option<f64>) -> Vec<Option<f64>> {
    let [w, h] = plane.pixels();
    (0..h).flat_map(|y| (0..w).map(move |x| [x, y])).map(|pixel| value(plane.at(pixel))).collect()
}

/// A sagittal slice through the middle and a coronal one through the bodies.
fn planes(facts: &Facts) -> [(&'static str, Plane); 2] {
    let (low, high) = (facts.low_mm, facts.high_mm);
    let centre = [0, 1, 2].map(|k| (low[k] + high[k]) / 2.0);
    let tall = high[2] - low[2] + 16.0;
    let sagittal = Plane {
        centre: [facts.middle_mm[0], centre[1], centre[2]],
        axes: Axes::SAGITTAL,
        size_mm: [high[1] - low[1] + 24.0, tall],
        mm_per_pixel: 0.5,
    };
    let coronal = Plane {
        centre: [centre[0], facts.middle_mm[1] - 16.0, centre[2]],
        axes: Axes::CORONAL,
        size_mm: [high[0] - low[0] + 16.0, tall],
        mm_per_pixel: 0.5,
    };
    [("Sagittal", sagittal), ("Coronal", coronal)]
}

/// How bright a value of an MR is drawn between those that are black and white, 0-255.
pub(super) fn grey(value: f64, [black, white]: [f64; 2]) -> f64 {
    10.0 + 240.0 * ((value - black) / (white - black)).clamp(0.0, 1.0)
}

/// Values of an MR all over it, some ten thousand.
pub(super) fn values(mr: &ImageBricks) -> impl Iterator<Item = f64> + '_ {
    let size = mr.geometry().size;
    let axis = move |k: usize| (0..size[k]).step_by((size[k] / 24).max(1) as usize);
    let all = axis(2).flat_map(move |z| axis(1).flat_map(move |y| axis(0).map(move |x| [x, y, z])));
    all.filter_map(|voxel| mr.sample_hu(mr.geometry().patient_from_index(voxel.map(f64::from)))).map(f64::from)
}

/// The values that are drawn black and white. Nothing, and the zeros around a moved image, do not count.
pub(super) fn window(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let mut all: Vec<f64> = values.filter(|v| v.is_finite() && *v != 0.0).collect();
    all.sort_by(f64::total_cmp);
    let at = |share: f64| all.get(((all.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(0.0);
    let [low, high] = WINDOW.map(at);
    [low, high.max(low + 1e-6)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom;
    use crate::volume3d::Geometry;
    use spinor_shared::case::{CaseMeta, ImageGeometry, RegistrationMeta};
    use spinor_volume::Label;

    /// How far up the case's MR was moved by its registration, mm.
    const SHIFT_MM: f64 = 10.0;

    /// An MR that grows by one per mm upwards and was registered by a shift of 10 mm up, in a case of a phantom.
    fn ramp() -> (Case, phantom::Phantom, Image<f32>) {
        let (made, patient) = super::super::tests::small_phantom();
        let (low, high) = made.ct.geometry.bounds_mm();
        let low = low.map(|v| v - SHIFT_MM - 2.0);
        let size = [0, 1, 2].map(|k| ((high[k] - low[k] + SHIFT_MM) / 4.0).ceil() as usize + 1);
        let geometry = Geometry::axis_aligned(size, [4.0; 3], low).unwrap();
        let heights = (0..geometry.voxel_count()).map(|n| 1000.0 + 4.0 * geometry.index_of(n)[2] as f32);
        let read = Image::new(geometry, heights.collect()).unwrap();
        let motion = |mm: f64| [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, mm]];
        let packed = ImageGeometry {
            size: size.map(|n| n as u32),
            spacing_mm: [4.0; 3],
            origin_mm: low,
            direction: geometry.direction,
            patient_from_image: motion(-SHIFT_MM),
            slope: 1.0,
            intercept: 0.0,
        };
        let mr = ImageBricks::pack(packed, |v| 1000 + 4 * v[2] as i16).unwrap();
        let mr_from_ct = [Label::lumbar(4), Label::lumbar(5)].map(|l| (l.name(), motion(SHIFT_MM))).to_vec();
        let registration = RegistrationMeta { method: "a shift".to_owned(), mr_from_ct, ..RegistrationMeta::default() };
        let meta = CaseMeta { registration: Some(registration), ..CaseMeta::default() };
        (Case { patient, ct: None, mr: Some(mr), meta }, made, read)
    }

    /// Before, a place shows what the MR's headers put there, after what the registration put there; where the headers put the MR elsewhere,
    /// the picture before is that of one stiff body, which for bones that all moved alike is the picture after.
    #[test]
    fn before_is_what_was_read() {
        let (case, made, read) = ramp();
        let mr = case.mr.as_ref().unwrap();
        let [(_, plane), _] = planes(&Facts::of(&case, Some(&made.ct), "x"));
        let middle = |stage: &Stage| stage.1[stage.1.len() / 2].unwrap();
        let drawn = stages(&case, mr, Some(&read), &plane);
        assert_eq!(drawn.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["before (headers)", "after"]);
        assert!((middle(&drawn[1]) - middle(&drawn[0]) - SHIFT_MM).abs() < 1e-3);

        let mut far = case.clone();
        let mut elsewhere = read.clone();
        elsewhere.geometry.origin_mm[0] += 900.0;
        let mut geometry = *mr.geometry();
        geometry.origin_mm[0] += 900.0;
        geometry.patient_from_image[0][3] = -900.0;
        far.mr = Some(ImageBricks::pack(geometry, |v| 1000 + 4 * v[2] as i16).unwrap());
        let drawn = stages(&far, far.mr.as_ref().unwrap(), Some(&elsewhere), &plane);
        assert_eq!(drawn[0].0, "before (one body)");
        assert!((middle(&drawn[1]) - middle(&drawn[0])).abs() < 1e-3);

        assert_eq!(stages(&case, mr, None, &plane).len(), 1);
        far.meta.registration = Some(RegistrationMeta::default());
        assert_eq!(stages(&far, mr, Some(&read), &plane)[0].0, "by the headers, not registered");
    }

    /// Fields of the board show the CT and the MR in turn; there are two slices before and after, and none without an MR.
    #[test]
    fn a_board_shows_both_in_turn() {
        let (mut case, made, read) = ramp();
        let facts = Facts::of(&case, Some(&made.ct), "x");
        let drawn = pictures(&case, Some(&made.ct), Some(&read), &facts).unwrap();
        let captions: Vec<&str> = drawn.iter().map(|p| p.caption.as_str()).collect();
        assert!(drawn.len() == 8 && captions[1] == "Sagittal, checkerboard, after", "{captions:?}");
        let board = image::load_from_memory(&drawn[1].png).unwrap().to_rgb8();
        let [(_, plane), _] = planes(&facts);
        // Along a row the MR's fields are even, for it changes only from head to foot; the CT's are what the CT shows there. Letters stand
        // at the edges.
        let y = board.height() / 3;
        let field = (FIELD_MM / plane.mm_per_pixel) as u32;
        let of_mr = |x: u32| (x / field + y / field) % 2 == 1;
        let row = || 40..board.width() - 40;
        let expected = board.get_pixel(row().find(|x| of_mr(*x)).unwrap(), y)[0];
        let (mut even, mut as_ct) = (0, 0);
        for x in row() {
            let grey = board.get_pixel(x, y)[0];
            if of_mr(x) {
                assert_eq!(grey, expected, "pixel {x}");
                even += 1;
            } else {
                let ct = made.ct.trilinear_at_mm(plane.at([x, y])).map_or(0.0, slice::grey);
                assert!((f64::from(grey) - ct).abs() <= 1.0, "pixel {x}: {grey} for {ct}");
                as_ct += 1;
            }
        }
        assert!(even > 40 && as_ct > 40, "{even} and {as_ct} pixels");
        case.mr = None;
        assert!(pictures(&case, Some(&made.ct), None, &facts).unwrap().is_empty());
    }
}
