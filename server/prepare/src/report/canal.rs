//! How wide the neural canal is at each slice across the spine.

use serde::Serialize;
use spinor_volume::query::sdf_mm;
use spinor_volume::{Label, Patient, Source, Structure};

use super::facts::Cross;

/// Half the side of the square that is looked at, and its pixels, mm.
const HALF_MM: f64 = 45.0;
const PIXEL_MM: f64 = 0.5;
/// Area of the dural sac below which stenosis is likely, mm² (cut-off of Medicine 2017; healthy 152, stenotic 80).
pub(super) const NARROW_MM2: f64 = 111.0;

/// The area of sac and cord in one slice.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CanalFacts {
    /// Where.
    pub place: String,
    /// Area of the dural sac with the cord, mm².
    pub area_mm2: f64,
    /// `labelled`, `proposed` ...
    pub source: &'static str,
}

impl CanalFacts {
    /// What a reader is told beside the number.
    pub(super) fn remark(&self) -> &'static str {
        if self.source == Source::Proposed.word() {
            "proposed from the bones: says nothing of stenosis by soft tissue"
        } else if self.area_mm2 < NARROW_MM2 {
            "narrow: below 111 mm²"
        } else {
            ""
        }
    }
}

/// The areas at `planes`; those that sac and cord do not reach are left out.
pub(super) fn areas(patient: &Patient, planes: &[Cross]) -> Vec<CanalFacts> {
    let central = |s: &&Structure| matches!(s.label, Label::DURAL_SAC | Label::SPINAL_CORD);
    let structures: Vec<&Structure> = patient.structures().iter().filter(central).collect();
    let Some(source) = structures.iter().find(|s| s.label == Label::DURAL_SAC).or(structures.first()).map(|s| s.source) else {
        return Vec::new();
    };
    let grid = patient.grid();
    let steps = (HALF_MM / PIXEL_MM) as i32;
    let each = |plane: &Cross| {
        let up = plane.up;
        // Any two directions across `up` do.
        let left = unit([1.0 - up[0] * up[0], -up[0] * up[1], -up[0] * up[2]]);
        let back = [up[1] * left[2] - up[2] * left[1], up[2] * left[0] - up[0] * left[2], up[0] * left[1] - up[1] * left[0]];
        let mut inside = 0_u32;
        for i in -steps..=steps {
            for j in -steps..=steps {
                let (x, y) = (f64::from(i) * PIXEL_MM, f64::from(j) * PIXEL_MM);
                let at = [0, 1, 2].map(|k| plane.centre[k] + left[k] * x + back[k] * y);
                inside += u32::from(structures.iter().any(|s| sdf_mm(grid, &s.sdf, at) < 0.0));
            }
        }
        let area_mm2 = (f64::from(inside) * PIXEL_MM * PIXEL_MM).round();
        (inside > 0).then(|| CanalFacts { place: plane.caption.clone(), area_mm2, source: source.word() })
    };
    planes.iter().filter_map(each).collect()
}

fn unit(a: [f64; 3]) -> [f64; 3] {
    let n = (a[0] * a[0] + a[1] * a[1] + a[2] * a[2]).sqrt().max(1e-12);
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
            let at = |centre| areas(&patient, &[Cross { caption: "disc".to_owned(), centre, up }]);
            assert!(at([centre[0], centre[1], centre[2] + 400.0]).is_empty());
            let found = at(centre);
            assert_eq!(found[0].source, "phantom");
            found[0].area_mm2
        };
        let (healthy, severe) = (narrowest(None), narrowest(Some("severe")));
        assert!((120.0..200.0).contains(&healthy), "{healthy}");
        assert!(severe < 0.7 * healthy && severe < NARROW_MM2, "{severe} of {healthy}");
    }
}
