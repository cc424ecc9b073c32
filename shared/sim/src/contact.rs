//! Contact of a rigid ball with what is left of the tissue, and the way a stopped ball slides along it. The whole tool is in [`rigid`].
//!
//! A tracked hand is not stopped by bone, so the tool that counts is a proxy: it follows the hand in steps of at most half a voxel
//! wherever tissue is near, is pushed out of what it would enter, and so neither tunnels through a thin lamina nor sinks in.
//!
//! Stored distances end at four voxels, and near the middle of a carved hollow they have a kink, so the distance of a large ball is
//! not read at its centre: smaller balls just under its surface stand for it.

pub(crate) mod rigid;

use spinor_volume::grid::{ceil, floor};
use spinor_volume::patient::MAX_STRUCTURES;
use spinor_volume::query::{clamp_mm, in_class};
use spinor_volume::spot::Spot;
use spinor_volume::{BRICK, BrickIndex, ClassMask, CutState, Patient, TissueClass};

use crate::sweep::Sweep;
use crate::vector::{Vec3, add, norm, scale, sub, unit};

/// How far a ball may overlap tissue and still count as free, voxels: the rounding of fields and cuts.
const TOLERANCE_VOXELS: f64 = 1.0 / 16.0;
/// Overlap from which a ball counts as sitting where it cannot be, voxels.
const SUNK_VOXELS: f64 = 1.0;
/// Most steps in one tick; a tool that has farther to go arrives a tick later.
pub(crate) const MAX_STEPS: usize = 512;
/// How much farther than its radius tissue must be from a ball's centre for the ball to be free without a closer look, voxels: rounding.
const SURE_VOXELS: f64 = 0.2;
/// Balls up to this radius are read at their centre, voxels.
const SMALL_VOXELS: f64 = 2.0;

/// The patient as it is now: immutable anatomy, what was cut from it, and cuts that are not in the fields yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tissue<'a> {
    pub(crate) patient: &'a Patient,
    pub(crate) cut: &'a CutState,
    /// Sweeps taken from bone and flavum that the cut fields do not hold yet.
    pub(crate) pending: &'a [Sweep],
}

impl Tissue<'_> {
    /// Places of the structures of some classes that come near the box around a segment, `around_mm` wide.
    pub(crate) fn near(&self, classes: ClassMask, a: Vec3, b: Vec3, around_mm: f64) -> Vec<usize> {
        // A bit for each structure.
        let mut found = [0_u64; MAX_STRUCTURES.div_ceil(64)];
        for structure in self.rows_near(a, b, around_mm).flatten() {
            found[usize::from(structure / 64)] |= 1 << (structure % 64);
        }
        if found == [0; MAX_STRUCTURES.div_ceil(64)] {
            return Vec::new();
        }
        let here = |structure: &usize| found[structure / 64] >> (structure % 64) & 1 == 1;
        let structures = self.patient.structures();
        (0..structures.len()).filter(here).filter(|k| classes.contains(structures[*k].class)).collect()
    }

    /// Whether [`Self::near`] finds any.
    pub(crate) fn is_near(&self, classes: ClassMask, a: Vec3, b: Vec3, around_mm: f64) -> bool {
        let structures = self.patient.structures();
        self.rows_near(a, b, around_mm).any(|row| row.iter().any(|k| classes.contains(structures[usize::from(*k)].class)))
    }

    /// Who lives in the bricks that come near the box around a segment, row by row of bricks.
    #[inline]
    fn rows_near(&self, a: Vec3, b: Vec3, around_mm: f64) -> impl Iterator<Item = &[u16]> {
        let grid = self.patient.grid();
        let (edge, bricks) = (BRICK as i32, grid.bricks());
        let (mut low, mut high) = ([0; 3], [0; 3]);
        let (a, b) = (grid.index_from_patient(a), grid.index_from_patient(b));
        let around = around_mm / grid.spacing_mm() + 2.0;
        for k in 0..3 {
            let last = bricks[k] as i32 - 1;
            low[k] = floor(a[k].min(b[k]) - around).div_euclid(edge).clamp(0, last + 1);
            high[k] = ceil(a[k].max(b[k]) + around).div_euclid(edge).clamp(-1, last);
        }
        // Numbers follow each other along x, and are all within the grid.
        let [_, ny, _] = bricks.map(|n| n as i32);
        let first = move |y: i32, z: i32| BrickIndex((low[0] + bricks[0] as i32 * (y + ny * z)) as u32);
        let count = (high[0] - low[0] + 1).max(0) as u32;
        let rows = (low[2]..=high[2]).flat_map(move |z| (low[1]..=high[1]).map(move |y| first(y, z)));
        rows.map(move |first| self.patient.residents_of(first, count))
    }

    /// Distance to the surface of what is left of some structures, mm, negative inside, clamped at about four voxels.
    #[inline]
    pub(crate) fn sdf_mm(&self, structures: &[usize], at: Vec3) -> f64 {
        let mut distance = clamp_mm(self.patient.grid());
        if let Some(spot) = Spot::unless_far(self.patient, structures, at) {
            for &structure in structures {
                distance = spot.room_mm(self.patient, self.cut, structure).map_or(distance, |d| distance.min(d));
            }
        }
        self.pending.iter().fold(distance, |d, sweep| d.max(-sweep.distance_mm(at)))
    }

    /// Whether a position lies in what is left of a class.
    pub(crate) fn holds(&self, class: TissueClass, at: Vec3) -> bool {
        in_class(self.patient, self.cut, class, at) && self.pending.iter().all(|sweep| sweep.distance_mm(at) > 0.0)
    }

    /// Direction out of what is left of some structures; none where nothing is near.
    fn gradient(&self, structures: &[usize], at: Vec3) -> Option<Vec3> {
        if !self.pending.is_empty() {
            let h = 0.5 * self.patient.grid().spacing_mm();
            let mut slope = [0.0; 3];
            for k in 0..3 {
                let (mut low, mut high) = (at, at);
                low[k] -= h;
                high[k] += h;
                slope[k] = self.sdf_mm(structures, high) - self.sdf_mm(structures, low);
            }
            return unit(slope);
        }
        let spot = Spot::new(self.patient.grid(), at);
        let (mut nearest, mut slope) = (f64::INFINITY, [0.0; 3]);
        for &structure in structures {
            if let Some((distance, gradient)) = spot.room_slope(self.patient, self.cut, structure)
                && distance < nearest
            {
                (nearest, slope) = (distance, gradient);
            }
        }
        unit(slope)
    }
}

/// A rigid ball and the smaller balls that stand for its surface.
#[derive(Clone, Debug)]
pub(crate) struct Ball {
    pub(crate) radius_mm: f64,
    /// Radius of the smaller balls.
    grain_mm: f64,
    /// Their centres' offsets from the ball's centre; none for a small ball.
    offsets: Vec<Vec3>,
}

impl Ball {
    /// A ball for fields of a voxel size.
    pub(crate) fn new(radius_mm: f64, spacing_mm: f64) -> Self {
        if radius_mm <= SMALL_VOXELS * spacing_mm {
            return Self { radius_mm, grain_mm: radius_mm, offsets: Vec::new() };
        }
        let grain_mm = (radius_mm / 2.0).min(3.5 * spacing_mm);
        let offsets = directions().into_iter().map(|d| scale(d, radius_mm - grain_mm)).collect();
        Self { radius_mm, grain_mm, offsets }
    }

    /// Free distance around the ball at a position, mm, negative where it overlaps; and the direction out of the overlap.
    pub(crate) fn probe(&self, tissue: &Tissue<'_>, structures: &[usize], at: Vec3) -> (f64, Option<Vec3>) {
        self.look(tissue, structures, at, |_, _, _| {})
    }

    /// As [`Self::probe`]; shows what each of the smaller balls saw, where they were asked: its number, its place, and the room around it.
    fn look(
        &self,
        tissue: &Tissue<'_>,
        structures: &[usize],
        at: Vec3,
        mut show: impl FnMut(usize, Vec3, f64),
    ) -> (f64, Option<Vec3>) {
        let centre = tissue.sdf_mm(structures, at);
        if self.offsets.is_empty() {
            let free = centre - self.radius_mm;
            return (free, if free < 0.0 { tissue.gradient(structures, at) } else { None });
        }
        // A stored distance is never more than the true one: a cut's is that to the nearest of its strokes.
        if centre > self.radius_mm + SURE_VOXELS * tissue.patient.grid().spacing_mm() {
            return (centre - self.radius_mm, None);
        }
        let mut free = f64::INFINITY;
        let mut out = [0.0; 3];
        for (n, offset) in self.offsets.iter().enumerate() {
            let place = add(at, *offset);
            let d = tissue.sdf_mm(structures, place) - self.grain_mm;
            show(n, place, d);
            free = free.min(d);
            if d < 0.0 {
                out = add(out, scale(*offset, d));
            }
        }
        (free, unit(out))
    }

    /// What the ball sees at a position.
    pub(crate) fn see(&self, tissue: &Tissue<'_>, classes: ClassMask, structures: Vec<usize>, at: Vec3) -> Seen {
        let mut rooms = Vec::with_capacity(self.offsets.len());
        let free_mm = self.look(tissue, &structures, at, |_, place, room| rooms.push((place, room))).0;
        Seen { classes, structures, at, free_mm, rooms }
    }

    /// Free distance around the ball, mm; negative where it overlaps.
    pub(crate) fn free_mm(&self, tissue: &Tissue<'_>, structures: &[usize], at: Vec3) -> f64 {
        self.probe(tissue, structures, at).0
    }

    /// Whether the ball fits at a position or, pushed out of what it overlaps there, at most `aside_mm` from it.
    pub(crate) fn finds_room(&self, tissue: &Tissue<'_>, structures: &[usize], wanted: Vec3, aside_mm: f64) -> bool {
        let mut at = wanted;
        for _ in 0..8 {
            let (room, out) = self.probe(tissue, structures, at);
            if room >= -tolerance(tissue) {
                return true;
            }
            let Some(direction) = out else { return false };
            at = add(at, scale(direction, -room));
            if norm(sub(at, wanted)) > aside_mm {
                return false;
            }
        }
        false
    }

    /// Whether the ball fits at a position.
    pub(crate) fn fits(&self, tissue: &Tissue<'_>, structures: &[usize], at: Vec3) -> bool {
        self.probe(tissue, structures, at).0 >= -tolerance(tissue)
    }
}

/// What a ball saw of some classes at a place.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    classes: ClassMask,
    /// The structures of these classes that come near it there.
    structures: Vec<usize>,
    at: Vec3,
    free_mm: f64,
    /// The places of the smaller balls and the room around each; none where they were not asked.
    rooms: Vec<(Vec3, f64)>,
}

impl Seen {
    /// Whether some structures of some classes would show the same at a place: those that come nearer to a way from there are too far
    /// away there to be seen.
    fn holds_for(&self, classes: ClassMask, structures: &[usize], at: Vec3) -> bool {
        self.at == at && (self.classes == classes || self.structures == structures)
    }

    /// Whether the ball is deeper in bone than cutting and rounding leave it.
    pub(crate) fn is_sunk(&self, tissue: &Tissue<'_>) -> bool {
        self.free_mm < -SUNK_VOXELS * tissue.patient.grid().spacing_mm()
    }
}

fn tolerance(tissue: &Tissue<'_>) -> f64 {
    TOLERANCE_VOXELS * tissue.patient.grid().spacing_mm()
}

/// How many smaller balls stand for a ball's surface.
const BALL_GRAINS: usize = 62;

/// 62 directions all around: corners, edges' and faces' middles of an icosahedron, by `+ * / sqrt` alone.
fn directions() -> Vec<Vec3> {
    let golden = (1.0 + 5.0_f64.sqrt()) / 2.0;
    let mut corners = Vec::new();
    for (a, b) in [(1.0, golden), (1.0, -golden), (-1.0, golden), (-1.0, -golden)] {
        corners.extend([[0.0, a, b], [a, b, 0.0], [b, 0.0, a]]);
    }
    // Neighbouring corners are 2 apart.
    let joined = |a: Vec3, b: Vec3| (norm(sub(a, b)) - 2.0).abs() < 1e-6;
    let mut all = corners.clone();
    for i in 0..corners.len() {
        for j in i + 1..corners.len() {
            if !joined(corners[i], corners[j]) {
                continue;
            }
            all.push(add(corners[i], corners[j]));
            for k in j + 1..corners.len() {
                if joined(corners[i], corners[k]) && joined(corners[j], corners[k]) {
                    all.push(add(add(corners[i], corners[j]), corners[k]));
                }
            }
        }
    }
    all.into_iter().filter_map(unit).collect()
}

/// The farthest free place on a short straight way that ends in tissue.
fn approach(at: Vec3, way: Vec3, mut is_free: impl FnMut(Vec3) -> bool) -> Vec3 {
    let (mut free, mut stopped) = (0.0, 1.0);
    for _ in 0..5 {
        let middle = (free + stopped) / 2.0;
        if is_free(add(at, scale(way, middle))) { free = middle } else { stopped = middle }
    }
    add(at, scale(way, free))
}

/// A place for a ball that is to start at `wanted`: there if it fits, just outside the surface if it overlaps a little, else the
/// first free place back along `back` (a tool comes the way its shaft points). `wanted` itself when there is none.
pub(crate) fn settle(tissue: &Tissue<'_>, ball: &Ball, classes: ClassMask, wanted: Vec3, back: Vec3) -> Vec3 {
    let spacing = tissue.patient.grid().spacing_mm();
    let structures = tissue.near(classes, wanted, wanted, ball.radius_mm + 2.0 * spacing);
    let mut at = wanted;
    for _ in 0..6 {
        let (room, out) = ball.probe(tissue, &structures, at);
        if room >= -tolerance(tissue) {
            return at;
        }
        match out {
            Some(direction) if norm(sub(at, wanted)) < 2.0 * spacing => at = add(at, scale(direction, -room)),
            _ => break,
        }
    }
    let far = add(wanted, scale(back, spacing * MAX_STEPS as f64));
    let structures = tissue.near(classes, wanted, far, ball.radius_mm);
    (1..=MAX_STEPS)
        .map(|k| add(wanted, scale(back, spacing * k as f64)))
        .find(|at| ball.fits(tissue, &structures, *at))
        .unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    use super::rigid::{Moved, Rigid, Stand};
    use super::*;
    use crate::fixture::{PLATE_TOP_MM, plate_over_sac};
    use crate::tool::{Part, Shape};
    use crate::vector::dot;

    const BONE: ClassMask = ClassMask::of(&[TissueClass::Bone]);

    /// A ball alone that follows a way.
    fn slide(tissue: &Tissue<'_>, radius_mm: f64, start: Vec3, goal: Vec3) -> (Vec3, bool) {
        let ball = Shape::plain(vec![Part { a_mm: [0.0; 3], b_mm: [0.0; 3], radius_mm }]);
        let stand = |centre: Vec3| Stand { centre, turn: [0.0, 0.0, 0.0, 1.0] };
        let Moved { stand, touched } = Rigid::new(&ball, 0.4).follow(tissue, BONE, BONE, &stand(start), &stand(goal));
        (stand.centre, touched)
    }

    /// No direction is farther than 20° from one of the 62.
    #[test]
    fn directions_cover_the_sphere() {
        let all = directions();
        assert_eq!(all.len(), BALL_GRAINS);
        for k in 0..2_000 {
            let (z, turn) = (f64::from(k) / 999.5 - 1.0, f64::from(k) * 2.4);
            let rim = (1.0 - z * z).max(0.0).sqrt();
            let probe = [rim * turn.cos(), rim * turn.sin(), z];
            let nearest = all.iter().map(|d| dot(*d, probe)).fold(-1.0, f64::max);
            assert!(nearest > 20.0_f64.to_radians().cos(), "a gap of {nearest} at {probe:?}");
        }
    }

    /// Balls from a small probe to the largest burr rest on a flat plate at their radius, to half a voxel.
    #[test]
    fn a_ball_rests_on_a_plate_at_its_radius() {
        let patient = plate_over_sac(0.4, 6.0);
        let cut = CutState::new(patient.grid());
        let tissue = Tissue { patient: &patient, cut: &cut, pending: &[] };
        for radius in [0.5, 1.0, 1.5, 2.0, 3.0] {
            let (at, touched) = slide(&tissue, radius, [0.3, PLATE_TOP_MM + 10.0, 0.2], [0.3, PLATE_TOP_MM - 2.0, 0.2]);
            let height = at[1] - PLATE_TOP_MM - radius;
            assert!(touched && (-0.2..0.1).contains(&height), "radius {radius}: {height}");
        }
    }

    /// A hand that moves sideways under the surface drags its tool along the surface.
    #[test]
    fn a_stopped_tool_slides() {
        let patient = plate_over_sac(0.4, 6.0);
        let cut = CutState::new(patient.grid());
        let tissue = Tissue { patient: &patient, cut: &cut, pending: &[] };
        let (at, touched) = slide(&tissue, 1.5, [-3.0, PLATE_TOP_MM + 1.6, 0.0], [3.0, PLATE_TOP_MM - 1.0, 0.0]);
        assert!(touched && at[0] > 2.5 && (at[1] - PLATE_TOP_MM - 1.5).abs() < 0.25, "{at:?}");
    }

    /// At 1 m/s a tip moves 17 mm a tick: a lamina of 1 mm still stops it, small or large, straight or slanting.
    #[test]
    fn a_thrown_tip_stops_at_a_lamina_of_one_millimetre() {
        let patient = plate_over_sac(0.4, 1.0);
        let cut = CutState::new(patient.grid());
        let tissue = Tissue { patient: &patient, cut: &cut, pending: &[] };
        for radius in [0.3, 0.5, 1.5, 3.0] {
            for slant in [0.0, 4.0, 9.0] {
                let mut at = [-slant, PLATE_TOP_MM + 12.0, 0.1];
                for tick in 1..=3 {
                    let goal = [-slant + slant * f64::from(tick) / 3.0, PLATE_TOP_MM + 12.0 - 16.7 * f64::from(tick), 0.1];
                    at = slide(&tissue, radius, at, goal).0;
                }
                assert!(at[1] > PLATE_TOP_MM + radius - 0.25, "radius {radius}, slant {slant}: {at:?}");
            }
        }
    }

    /// A tool taken up inside bone appears where its shaft leaves it; one a little inside is pushed out.
    #[test]
    fn a_tool_taken_up_in_bone_comes_out_along_its_shaft() {
        let patient = plate_over_sac(0.4, 6.0);
        let cut = CutState::new(patient.grid());
        let tissue = Tissue { patient: &patient, cut: &cut, pending: &[] };
        let ball = Ball::new(1.5, 0.4);
        let deep = settle(&tissue, &ball, BONE, [0.0, PLATE_TOP_MM - 3.0, 0.0], [0.0, 1.0, 0.0]);
        assert!(deep[1] >= PLATE_TOP_MM + 1.3 && deep[1] < PLATE_TOP_MM + 2.5, "{deep:?}");
        let shallow = settle(&tissue, &ball, BONE, [0.0, PLATE_TOP_MM + 1.2, 0.0], [1.0, 0.0, 0.0]);
        assert!((shallow[1] - PLATE_TOP_MM - 1.5).abs() < 0.2 && shallow[0].abs() < 0.2, "{shallow:?}");
    }
}
