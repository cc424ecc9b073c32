//! How wide the neural canal is at each slice across the spine.

use serde::Serialize;
use spinor_volume::query::sdf_mm;
use spinor_volume::{Grid, Label, Patient, Source, Structure};

use super::facts::Cross;

/// Half the side of the square that is looked at, and its pixels, mm.
const HALF_MM: f64 = 45.0;
const PIXEL_MM: f64 = 0.5;
/// Area of the dural sac below which stenosis is likely, mm² (cut-off of Medicine 2017; healthy 152, stenotic 80).
pub(super) const NARROW_MM2: f64 = 111.0;

/// How far apart the slices are between which the narrowest is looked for, mm.
const STEP_MM: f64 = 1.0;
/// A slice nearby is told where it is narrower than the shown one by more than this share: less is the staircase of pixels.
const NARROWER: f64 = 0.97;

/// The area of sac and cord in one slice, and in the narrowest one nearer to it than to its neighbours.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CanalFacts {
    /// Where.
    pub place: String,
    /// Area of the dural sac with the cord, mm².
    pub area_mm2: f64,
    /// The least area on the way halfway to the neighbouring slices, every millimetre, mm².
    pub narrowest_mm2: f64,
    /// How far from this slice it is, mm: to the head, or less than nothing to the feet.
    pub narrowest_at_mm: f64,
    /// `labelled`, `proposed` ...
    pub source: &'static str,
    /// Whether it was seen in an MR, which shows the sac.
    pub in_mr: bool,
}

impl CanalFacts {
    /// The narrowest place nearby, where it is another than the slice.
    pub(super) fn nearby(&self) -> Option<String> {
        (self.narrowest_mm2 < NARROWER * self.area_mm2).then(|| {
            let whither = if self.narrowest_at_mm > 0.0 { "to the head" } else { "to the feet" };
            format!("{:.0}, {:.0} mm {whither}", self.narrowest_mm2, self.narrowest_at_mm.abs())
        })
    }

    /// What a reader is told beside the number.
    pub(super) fn remark(&self) -> &'static str {
        if self.source == Source::Proposed.word() {
            "proposed from the bones: says nothing of stenosis by soft tissue"
        } else if self.source == Source::Segmented.word() && !self.in_mr && self.narrowest_mm2 >= NARROW_MM2 {
            "as a model found it in the CT, often the canal to its walls: wider than the sac"
        } else if self.narrowest_mm2 < NARROW_MM2 {
            "narrow: below 111 mm²"
        } else {
            ""
        }
    }
}

/// The areas at `planes`, which are given from head to foot; those that sac and cord do not reach are left out. `in_mr` says whether the sac was
/// seen in an MR.
pub(super) fn areas(patient: &Patient, planes: &[Cross], in_mr: bool) -> Vec<CanalFacts> {
    let central = |s: &&Structure| matches!(s.label, Label::DURAL_SAC | Label::SPINAL_CORD);
    let structures: Vec<&Structure> = patient.structures().iter().filter(central).collect();
    let Some(source) = structures.iter().find(|s| s.label == Label::DURAL_SAC).or(structures.first()).map(|s| s.source) else {
        return Vec::new();
    };
    let area = |centre, up| area_mm2(patient.grid(), &structures, centre, up);
    let each = |(k, plane): (usize, &Cross)| {
        let area_mm2 = area(plane.centre, plane.up).round();
        if area_mm2 == 0.0 {
            return None;
        }
        let (mut narrowest_mm2, mut narrowest_at_mm) = (area_mm2, 0.0);
        let above = k.checked_sub(1).and_then(|k| planes.get(k));
        for (neighbour, sign) in [(above, 1.0), (planes.get(k + 1), -1.0)] {
            let Some(other) = neighbour else { continue };
            let way_mm = norm([0, 1, 2].map(|a| other.centre[a] - plane.centre[a]));
            for n in 1..=(way_mm / 2.0 / STEP_MM) as usize {
                let share = n as f64 * STEP_MM / way_mm;
                let between = |a: [f64; 3], b: [f64; 3]| [0, 1, 2].map(|k| a[k] + share * (b[k] - a[k]));
                let here = area(between(plane.centre, other.centre), unit(between(plane.up, other.up))).round();
                // Where the sac ends there is no narrow place.
                if here > 0.0 && here < narrowest_mm2 {
                    (narrowest_mm2, narrowest_at_mm) = (here, sign * n as f64 * STEP_MM);
                }
            }
        }
        Some(CanalFacts { place: plane.caption.clone(), area_mm2, narrowest_mm2, narrowest_at_mm, source: source.word(), in_mr })
    };
    planes.iter().enumerate().filter_map(each).collect()
}

/// The area of some structures together in a plane, mm², counted in pixels.
fn area_mm2(grid: &Grid, structures: &[&Structure], centre: [f64; 3], up: [f64; 3]) -> f64 {
    // Any two directions across `up` do.
    let left = unit([1.0 - up[0] * up[0], -up[0] * up[1], -up[0] * up[2]]);
    let back = [up[1] * left[2] - up[2] * left[1], up[2] * left[0] - up[0] * left[2], up[0] * left[1] - up[1] * left[0]];
    let steps = (HALF_MM / PIXEL_MM) as i32;
    let mut inside = 0_u32;
    for i in -steps..=steps {
        let mut j = -steps;
        while j <= steps {
            let (x, y) = (f64::from(i) * PIXEL_MM, f64::from(j) * PIXEL_MM);
            let at = [0, 1, 2].map(|k| centre[k] + left[k] * x + back[k] * y);
            let distance = structures.iter().map(|s| sdf_mm(grid, &s.sdf, at)).fold(f64::INFINITY, f64::min);
            inside += u32::from(distance < 0.0);
            // Nothing is nearer than the field says, give or take a voxel.
            j += (((distance - grid.spacing_mm()) / PIXEL_MM) as i32).max(1);
        }
    }
    f64::from(inside) * PIXEL_MM * PIXEL_MM
}

fn norm(a: [f64; 3]) -> f64 {
    (a[0] * a[0] + a[1] * a[1] + a[2] * a[2]).sqrt()
}

fn unit(a: [f64; 3]) -> [f64; 3] {
    let n = norm(a).max(1e-12);
    a.map(|v| v / n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom;

    /// The area of a phantom's sac is that of its tables: about 150 mm² in health, less where it is stenosed; far away there is none.
    #[test]
    fn areas_are_those_of_the_anatomy() {
        let narrowest = |stenosis: Option<&str>| {
            let options = phantom::Options {
                levels: "L4-L5".parse().unwrap(),
                stenosis: stenosis.map(|s| s.parse().unwrap()),
                ..Default::default()
            };
            let patient = phantom::patient(&phantom::anatomy(&options).unwrap(), options.levels, 0.8).unwrap();
            let disc = patient.structure(Label::disc_below(4)).unwrap();
            let (mut sum, mut n) = ([0.0; 3], 0.0);
            for (brick, samples) in disc.sdf.stored().filter(|(_, s)| s.iter().any(|v| *v < 0)) {
                let first = patient.grid().brick_coords(brick).map(|v| f64::from(v) * 16.0);
                for at in (0..4096).filter(|at| samples[*at] < 0) {
                    let p = patient.grid().patient_from_index([
                        first[0] + (at % 16) as f64,
                        first[1] + (at / 16 % 16) as f64,
                        first[2] + (at / 256) as f64,
                    ]);
                    sum = [0, 1, 2].map(|k| sum[k] + p[k]);
                    n += 1.0;
                }
            }
            let centre = sum.map(|v| v / n);
            let (sin, cos) = 0.25_f64.sin_cos();
            let up = [0.0, -sin, cos];
            let at = |centre| areas(&patient, &[Cross { caption: "disc".to_owned(), centre, up }], false);
            assert!(at([centre[0], centre[1], centre[2] + 400.0]).is_empty());
            let found = at(centre);
            assert_eq!(found[0].source, "phantom");
            assert_eq!((found[0].narrowest_mm2, found[0].narrowest_at_mm), (found[0].area_mm2, 0.0));
            // Two slices to either side of the disc: what is between them counts.
            let beside = |by: f64| {
                let centre = [0, 1, 2].map(|k| centre[k] + by * up[k]);
                Cross { caption: "beside".to_owned(), centre, up }
            };
            let around = areas(&patient, &[beside(24.0), beside(-8.0)], false);
            let [above, below] = around.as_slice() else { panic!("{around:?}") };
            if stenosis.is_some() {
                assert!(
                    below.narrowest_mm2 <= found[0].area_mm2 + 4.0 && below.narrowest_mm2 < 0.9 * below.area_mm2,
                    "{below:?}"
                );
                assert!(
                    below.narrowest_at_mm > 0.0 && below.nearby().is_some_and(|text| text.contains("to the head")),
                    "{below:?}"
                );
                assert!(above.narrowest_at_mm <= 0.0, "{above:?}");
            }
            found[0].area_mm2
        };
        let (healthy, severe) = (narrowest(None), narrowest(Some("severe")));
        assert!((120.0..200.0).contains(&healthy), "{healthy}");
        assert!(severe < 0.7 * healthy && severe < NARROW_MM2, "{severe} of {healthy}");
    }
}
