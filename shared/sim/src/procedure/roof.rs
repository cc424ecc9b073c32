//! The back wall of the canal seen from inside: where bone begins and ends behind each place of the dural sac.

use spinor_volume::query::sdf_mm;
use spinor_volume::{Patient, Structure};

use super::site::Frame;

/// Half the width of the map, mm.
const HALF_WIDTH: i32 = 24;
/// Half its height, mm.
const HALF_HEIGHT: i32 = 32;
/// How far behind the sac's middle bone is looked for, mm.
const DEPTH_MM: f64 = 48.0;
/// Step along a ray, mm.
const STEP_MM: f64 = 0.5;
/// Bone that starts farther behind than this is no wall of the canal but what lies behind the wound, mm.
const WALL_MM: f64 = 22.0;

/// Where a ray from the canal to the back goes through one vertebra's bone: the first bone it meets, up to the first gap of a
/// millimetre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wall {
    /// How far behind the origin's plane the bone begins, mm.
    pub inner_mm: f64,
    /// How far behind it ends.
    pub outer_mm: f64,
}

/// The upper vertebra's part of the canal's back wall, one ray a square millimetre.
#[derive(Clone, Debug)]
pub struct Roof {
    upper: Vec<Option<Wall>>,
}

impl Roof {
    /// Casts the rays.
    pub(super) fn build(patient: &Patient, frame: &Frame, upper: &Structure) -> Self {
        let mut walls = Vec::with_capacity(((2 * HALF_WIDTH + 1) * (2 * HALF_HEIGHT + 1)) as usize);
        for u in -HALF_HEIGHT..=HALF_HEIGHT {
            for l in -HALF_WIDTH..=HALF_WIDTH {
                walls.push(wall(patient, frame, upper, f64::from(l), f64::from(u)));
            }
        }
        Self { upper: walls }
    }

    /// The upper vertebra's wall behind a place, by its left and up coordinate in the site's frame, mm.
    pub fn upper(&self, left_mm: f64, up_mm: f64) -> Option<Wall> {
        *self.upper.get(place(left_mm, up_mm)?)?
    }

    /// The lower edge of the upper vertebra's wall at a distance from the midline, mm up; none where it has no wall.
    pub fn upper_edge_mm(&self, left_mm: f64) -> Option<f64> {
        (-HALF_HEIGHT..=HALF_HEIGHT).map(f64::from).find(|u| self.upper(left_mm, *u).is_some())
    }

    /// The upper edge of the upper vertebra's wall, followed from its lower edge up to the first gap.
    pub fn upper_top_mm(&self, left_mm: f64) -> Option<f64> {
        let mut top = self.upper_edge_mm(left_mm)?;
        while top < f64::from(HALF_HEIGHT) && self.upper(left_mm, top + 1.0).is_some() {
            top += 1.0;
        }
        Some(top)
    }
}

fn place(left_mm: f64, up_mm: f64) -> Option<usize> {
    let (l, u) = ((left_mm + 0.5).floor() as i32 + HALF_WIDTH, (up_mm + 0.5).floor() as i32 + HALF_HEIGHT);
    let inside = (0..=2 * HALF_WIDTH).contains(&l) && (0..=2 * HALF_HEIGHT).contains(&u);
    inside.then_some((l + (2 * HALF_WIDTH + 1) * u) as usize)
}

fn wall(patient: &Patient, frame: &Frame, structure: &Structure, left: f64, up: f64) -> Option<Wall> {
    let grid = patient.grid();
    let bone = |back: f64| sdf_mm(grid, &structure.sdf, frame.patient_from_site([left, back, up])) < 0.0;
    let steps = (DEPTH_MM / STEP_MM) as i32;
    let (mut inner, mut outer, mut gap) = (None, 0.0, 0.0);
    for k in 0..=steps {
        let back = f64::from(k) * STEP_MM;
        if bone(back) {
            inner.get_or_insert(back);
            (outer, gap) = (back, 0.0);
        } else if inner.is_some() {
            gap += STEP_MM;
            if gap >= 1.0 {
                break;
            }
        }
    }
    let inner_mm = inner.filter(|inner| *inner <= WALL_MM)?;
    Some(Wall { inner_mm, outer_mm: outer })
}
