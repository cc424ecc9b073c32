//! The left hand holds the root aside, gently, or lets it go.

use spinor_sim::ToolKind;
use spinor_sim::procedure::Side;
use spinor_volume::query::sdf_mm;

use super::{APPROACH, HOVER_MM, TRANSIT};
use crate::hand::Hand;
use crate::scene::Scene;
use crate::task::{Grip, Task};
use crate::vector::{V3, add, scale, unit};

/// How far the root is drawn to the middle, mm.
const DRAW_MM: f64 = 1.5;
/// Width of the retractor's foot, 1/10 mm. It lies along the root: one that points to the middle would have to go through root and sac.
const FOOT_TENTH_MM: u8 = 40;
/// Half that width, and the foot's length, mm.
const HALF_FOOT_MM: f64 = 2.0;
const FOOT_MM: f64 = 8.0;
/// Room between foot and root before it is drawn, mm.
const OFF_MM: f64 = 0.3;
/// How far the retractor may lean to the middle, in parts of its length to the back, the most wanted first.
const LEANS: [f64; 7] = [0.0, 0.2, -0.2, 0.4, -0.4, 0.6, 0.8];
/// Where the foot's lower end may lie, mm up, the most wanted first.
const LOWER_ENDS: [f64; 11] = [-4.0, -6.0, -2.0, -5.0, -3.0, -8.0, 0.0, -7.0, -1.0, 1.0, -10.0];

/// Retraction of the traversing root, or its end.
#[derive(Clone, Debug)]
pub(crate) struct Retract {
    side: Side,
    hold: bool,
    started: bool,
}

impl Retract {
    pub(crate) fn new(side: Side, hold: bool) -> Self {
        Self { side, hold, started: false }
    }

    pub(crate) fn name(&self) -> &'static str {
        if self.hold { "retract the root" } else { "let the root go" }
    }

    pub(crate) fn plan(&mut self, scene: &Scene<'_>, right: &mut Hand, left: &mut Hand) -> bool {
        if std::mem::replace(&mut self.started, true) {
            return false;
        }
        let medial = -self.side.sign();
        left.drop_tasks();
        if !self.hold {
            let grip = left.grip;
            let beside = left.at[0] - medial * (DRAW_MM + OFF_MM);
            left.then(Task::Go { to: [beside, left.at[1], left.at[2]], grip, speed: 6.0, trigger: 0 });
            left.then(Task::Go { to: [beside, HOVER_MM, left.at[2]], grip, speed: TRANSIT, trigger: 0 });
            right.then(Task::Hold { ticks: 60, trigger: 0 });
            return true;
        }
        let Some((at, grip)) = self.beside(scene) else { return false };
        let above = (HOVER_MM - at[1]) / grip.shaft[1];
        let over = add(at, scale(grip.shaft, above));
        left.then(Task::Go { to: [left.at[0], HOVER_MM, left.at[2]], grip, speed: TRANSIT, trigger: 0 });
        left.then(Task::Take { tool: ToolKind::Retractor, size_tenth_mm: FOOT_TENTH_MM });
        left.then(Task::Go { to: over, grip, speed: TRANSIT, trigger: 0 });
        left.then(Task::Go { to: at, grip, speed: APPROACH, trigger: 0 });
        left.then(Task::Go { to: [at[0] + medial * (DRAW_MM + OFF_MM), at[1], at[2]], grip, speed: 6.0, trigger: 0 });
        left.then(Task::Hold { ticks: u32::MAX, trigger: 0 });
        right.then(Task::Hold { ticks: 150, trigger: 0 });
        true
    }

    /// A place for the foot at the root's outer side, about the height of the disc, that is reached from behind, and how the retractor is held
    /// there: upright, or leaning to the middle or away from it where a wall of the window stands in the way.
    fn beside(&self, scene: &Scene<'_>) -> Option<(V3, Grip)> {
        let places: Vec<V3> = LOWER_ENDS.into_iter().filter_map(|up| self.outside(scene, up)).collect();
        let leans = LEANS.map(|lean| Grip { shaft: unit([-lean * self.side.sign(), 1.0, 0.0]), ..Grip::STRAIGHT });
        let ways = || leans.iter().flat_map(|grip| places.iter().map(move |at| (*at, *grip)));
        // Beside the root, and where it is drawn to.
        let drawn = |at: V3| [at[0] - self.side.sign() * (DRAW_MM + OFF_MM), at[1], at[2]];
        let room = |(at, grip): &(V3, Grip)| room(scene, *at, grip.shaft).min(room(scene, drawn(*at), grip.shaft));
        ways().find(|way| room(way) > 0.0).or_else(|| ways().max_by(|a, b| room(a).total_cmp(&room(b))))
    }

    /// Where a foot whose lower end is at a height lies outside the root; none where the root does not pass.
    fn outside(&self, scene: &Scene<'_>, up: f64) -> Option<V3> {
        let side = self.side.sign();
        let root = scene.patient.structure(scene.site.traversing_root(self.side));
        let Some(root) = root else {
            return Some([side * (scene.site.sac_mm[self.side as usize] + HALF_FOOT_MM + OFF_MM), 1.0, up]);
        };
        let inside = |l: f64, b: f64, u: f64| {
            sdf_mm(scene.patient.grid(), &root.sdf, scene.site.patient_from_site([l * side, b, u])) < 0.0
        };
        let mut outer: Option<(f64, f64)> = None;
        for u in 0..=(FOOT_MM as i32) {
            for l in 6..=32 {
                for b in -16..=16 {
                    let (l, b) = (f64::from(l) * 0.5, f64::from(b) * 0.5);
                    if inside(l, b, up + f64::from(u)) && outer.is_none_or(|(best, _)| l > best) {
                        outer = Some((l, b));
                    }
                }
            }
        }
        outer.map(|(l, b)| [side * (l + HALF_FOOT_MM + OFF_MM), b + 0.8, up])
    }
}

/// Room among bone for a foot and its shaft on the way along the shaft to a place, mm.
fn room(scene: &Scene<'_>, at: V3, shaft: V3) -> f64 {
    let mut least = f64::INFINITY;
    for up in -3..=(FOOT_MM as i32) {
        for back in (0..=34).step_by(2) {
            let [x, y, z] = add(at, scale(shaft, f64::from(back)));
            let place = [x, y, z + f64::from(up)];
            least = least.min(scene.room(&scene.parts.all_bones, place) - HALF_FOOT_MM);
        }
    }
    least
}
