//! The osteotome: a blade that a mallet drives into bone.
//!
//! A blow is an energy; the edge goes straight on along the shaft's line while the energy pays for the bone that it meets, and on through
//! nothing with what is left when the bone ends: that is a plunge. The blade's own thickness is taken, a planar split; whether it parts a
//! block is for the tissue to find out.

use spinor_volume::{ClassMask, CutOp, TissueClass};

use crate::events::{BiteRefusal, Event};
use crate::pose::{place, turn, um};
use crate::settings::Settings;
use crate::tool::{AXES, Part, Shape, blade_rods, shaft};
use crate::tools::burr::hu_at;
use crate::tools::rules::taken_by;
use crate::tools::work::{Bench, Work};
use crate::vector::{Vec3, add, scale};

/// Length over which the edge widens to the blade, mm.
const BEVEL_MM: f64 = 4.0;

/// The shape of an osteotome: the edge at the origin along x.
pub(crate) fn shape(width_mm: f64, settings: &Settings) -> Shape {
    let (edge, thick) = (settings.osteotome_edge_mm / 2.0, settings.osteotome_thick_mm / 2.0);
    let rods = (BEVEL_MM / edge.max(0.2)).ceil().max(1.0) as usize;
    let mut parts: Vec<Part> = (0..rods)
        .map(|k| {
            let part = k as f64 / rods as f64;
            let radius_mm = edge + (thick - edge).max(0.0) * part;
            let (x, z) = (width_mm / 2.0 - radius_mm, BEVEL_MM * part);
            Part { a_mm: [-x, 0.0, z], b_mm: [x, 0.0, z], radius_mm }
        })
        .collect();
    let blade = settings.osteotome_blade_mm.max(BEVEL_MM + 1.0);
    parts.extend(blade_rods(width_mm, 0.0, BEVEL_MM, blade, thick));
    let radius = settings.heavy_shaft_radius_mm;
    parts.push(shaft(0.0, blade, radius, settings));
    Shape { ball_mm: [0.0; 3], ..Shape::plain(parts) }
}

/// One blow of the mallet.
pub(crate) fn blow(bench: &Bench<'_>, events: &mut Vec<Event>) -> Work {
    let (settings, numbers) = (bench.settings, &bench.settings.tools);
    let grid = bench.tissue.patient.grid();
    let Some(edge) = bench.shape.parts.first() else { return Work::default() };
    let half_width = edge.b_mm[0] + edge.radius_mm;
    let ahead = turn(bench.rotation, [0.0, 0.0, -1.0]);
    let step = 0.5 * grid.spacing_mm();
    let (mut energy, mut way, mut last_bone, mut met) = (numbers.mallet_joule, 0.0, 0.0, false);
    while way + step <= numbers.osteotome_advance_mm {
        let force = resistance_newton(bench, half_width, add(bench.tip, scale(ahead, way + step + edge.radius_mm)));
        let cost = force * step / 1_000.0;
        if cost > energy {
            break;
        }
        energy -= cost;
        way += step;
        if force > 0.0 {
            (last_bone, met) = (way, true);
        } else if !met {
            // A blow on nothing drives nothing.
            break;
        }
    }
    if !met {
        events.push(Event::BiteRefused { by: bench.by, reason: BiteRefusal::Empty });
        return Work { active: true, ..Work::default() };
    }
    events.push(Event::Blow { by: bench.by, advance_um: um(way) });
    let thick = settings.osteotome_thick_mm / 2.0;
    // From a bevel's length behind the edge to its new place.
    let half = [half_width, thick, (way + BEVEL_MM + edge.radius_mm) / 2.0];
    let centre = place(bench.rotation, bench.tip, [0.0, 0.0, BEVEL_MM - half[2]]);
    let op = CutOp::box_mm(grid, centre, half, AXES.map(|axis| turn(bench.rotation, axis)), 0.0, taken_by(bench.by.tool));
    Work {
        ops: op.into_iter().collect(),
        active: true,
        driven: Some(add(bench.tip, scale(ahead, way))),
        plunge_mm: way - last_bone,
        ..Work::default()
    }
}

/// Force that holds the edge back at a place, N: of each stretch of it that meets bone, by the bone's density.
fn resistance_newton(bench: &Bench<'_>, half_width: f64, middle: Vec3) -> f64 {
    let (tissue, settings, numbers) = (&bench.tissue, bench.settings, &bench.settings.tools);
    if tissue.near(ClassMask::of(&[TissueClass::Bone]), middle, middle, half_width).is_empty() {
        return 0.0;
    }
    let across = turn(bench.rotation, [1.0, 0.0, 0.0]);
    let stretches = (2.0 * half_width / tissue.patient.grid().spacing_mm()).ceil().max(1.0) as u32;
    let stretch = 2.0 * half_width / f64::from(stretches);
    let places = (0..stretches).map(|k| add(middle, scale(across, (f64::from(k) + 0.5) * stretch - half_width)));
    places
        .filter(|at| tissue.holds(TissueClass::Bone, *at))
        .map(|at| {
            let hu = f64::from(hu_at(tissue.patient, settings, at));
            stretch * (numbers.osteotome_newton_per_mm + numbers.osteotome_newton_per_mm_per_hu * hu)
        })
        .sum()
}
