//! Points that are the same piece of anatomy in CT and MRI.

use serde::Serialize;
use spinor_volume::Label;

use super::anatomy::Anatomy;
use super::math::{V3, add, scale};
use super::options::Levels;
use super::params::*;
use super::sacrum;

/// Corresponding points in patient LPS, mm: `ct[k]` and `mr[k]` are the same point of `structure[k]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Landmarks {
    /// In the CT's frame.
    pub ct: Vec<[f64; 3]>,
    /// In the MRI's frame.
    pub mr: Vec<[f64; 3]>,
    /// Name of the structure, as TotalSegmentator writes names.
    pub structure: Vec<String>,
}

/// Landmarks of the chosen levels, and where they lie in both postures.
pub(super) fn landmarks(ct: &Anatomy, mr: &Anatomy, levels: Levels) -> Landmarks {
    let (in_ct, in_mr) = (places(ct, levels), places(mr, levels));
    Landmarks {
        ct: in_ct.iter().map(|(_, p)| *p).collect(),
        mr: in_mr.iter().map(|(_, p)| *p).collect(),
        structure: in_ct.iter().map(|(label, _)| label.name()).collect(),
    }
}

fn places(anatomy: &Anatomy, levels: Levels) -> Vec<(Label, V3)> {
    let shapes = anatomy.shapes();
    let mut out = Vec::new();
    let has = |k: usize| (levels.first..=levels.last).contains(&k);
    for k in (0..6).filter(|k| has(*k)) {
        let (label, local) = match shapes.vertebrae.get(k) {
            Some(v) => (Label::lumbar(k as u16 + 1), vertebra(&v.level, v.roof(0.0, LAMINA_Z).0, v.upper.centre, v.lower.centre)),
            None => (Label::SACRUM, sacral(shapes.sacrum.upper.centre)),
        };
        out.extend(local.into_iter().map(|p| (label, anatomy.on_bone(k, p))));
    }
    for k in (0..5).filter(|k| has(*k) && has(k + 1)) {
        let label = Label::disc_below(k as u16 + 1);
        for n in 0..12 {
            let up = if n % 2 == 0 { 0.35 } else { -0.35 };
            out.push((label, anatomy.patient_from_model(shapes.discs[k].rim(f64::from(n) * 30.0, up))));
        }
    }
    for k in (0..5).filter(|k| has(*k)) {
        // The sac at the disc below and at the middle of the body: its wall on four sides, and between them at the disc.
        let first = 4 + 3 * (4 - k);
        for (knot, turns) in [(first, 8), (first + 1, 4)] {
            let Some(station) = shapes.sac.knots.get(knot).and_then(|s| shapes.sac.stations.get(*s)) else { continue };
            for n in 0..turns {
                let (s, c) = super::math::sin_cos_deg(360.0 * f64::from(n) / f64::from(turns));
                let wall = add(scale(station.left, c * station.sac[0]), scale(station.back, s * station.sac[1]));
                out.push((Label::DURAL_SAC, anatomy.patient_from_model(add(station.centre, wall))));
            }
        }
    }
    for (n, root) in shapes.roots.iter().enumerate().filter(|(n, _)| has(n / 2)) {
        let label = Label::root(n as u16 / 2 + 1, n % 2 == 0);
        out.extend(root.points.iter().skip(5).step_by(2).map(|p| (label, anatomy.patient_from_model(*p))));
    }
    out
}

/// Points of a lumbar vertebra in its own frame: rims and middles of the body, pedicles, laminae, processes.
fn vertebra(l: &Level, roof: f64, upper: V3, lower: V3) -> Vec<V3> {
    let h = l.height / 2.0;
    let back = (l.half_depth[0] + l.half_depth[1]) / 2.0;
    let mut points = vec![
        [0.0, -l.half_depth[0], h - 1.0],
        [0.0, l.half_depth[0] - l.back_hollow, h - 1.0],
        [0.0, -l.half_depth[1], 1.0 - h],
        [0.0, l.half_depth[1] - l.back_hollow, 1.0 - h],
        [0.0, 0.0, h - 1.9],
        [0.0, 0.0, 2.6 - h],
        [0.0, -0.87 * back, 0.0],
        [0.0, roof + LAMINA / 2.0, LAMINA_Z],
        [0.0, roof + 5.0 + l.spinous[0], LAMINA_Z - l.spinous[2]],
    ];
    let lamina_x = l.lamina_half_width * 0.55;
    for side in [1.0, -1.0] {
        points.extend([
            [side * l.half_width[0], 0.0, h - 1.0],
            [side * l.half_width[1], 0.0, 1.0 - h],
            [side * 0.88 * l.half_width[0], 0.0, 0.0],
            [side * l.half_canal, back + 3.0, PEDICLE_Z],
            [side * (l.half_canal + l.pedicle[0] / 2.0), back + 4.0, PEDICLE_Z + l.pedicle[1] / 2.0 - 0.5],
            [side * (l.half_canal + l.pedicle[0] / 2.0), back + 4.0, PEDICLE_Z - l.pedicle[1] / 2.0],
            [side * lamina_x, roof - l.roof * lamina_x + LAMINA, LAMINA_Z],
            [side * l.transverse[0], back + 9.0 + 0.05 * l.transverse[0], PEDICLE_Z + l.transverse[1]],
            [side * upper[0], upper[1], upper[2] + 4.0],
            [side * lower[0], lower[1], lower[2] - 4.0],
        ]);
    }
    points
}

fn sacral(facet: V3) -> Vec<V3> {
    let b = sacrum::BACK;
    let mut points = vec![
        [0.0, -b, -1.5],
        [0.0, b, -1.5],
        [0.0, 0.0, -1.4],
        [0.0, b + 25.0, -19.0],
        [0.0, b + 20.0, -30.0],
        [0.0, -b + 4.0, -18.0],
    ];
    for side in [1.0, -1.0] {
        points.extend([
            [side * SACRUM_TOP[0], 0.0, -2.0],
            [side * facet[0], facet[1], facet[2] + 4.0],
            [side * 35.0, -3.0, -20.0],
            [side * 45.0, 8.0, -14.0],
            [side * 50.0, 9.0, -26.0],
            [side * 15.5, b + 3.0, -10.0],
            [side * 24.0, b + 3.0, -20.0],
            [side * 24.0, b + 8.0, -38.0],
        ]);
    }
    points
}
