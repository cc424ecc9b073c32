//! The left hand holds the root aside, gently, or lets it go.

use spinor_sim::ToolKind;
use spinor_sim::procedure::Side;
use spinor_volume::query::sdf_mm;

use super::{APPROACH, HOVER_MM, TRANSIT};
use crate::hand::Hand;
use crate::scene::Scene;
use crate::task::{Grip, Task};
use crate::vector::V3;

/// How far the root is drawn to the middle, mm.
const DRAW_MM: f64 = 1.5;
/// Width of the retractor's foot, 1/10 mm.
const FOOT_TENTH_MM: u8 = 60;

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
        let grip = Grip { shaft: [0.0, 1.0, 0.0], ahead: [medial, 0.0, 0.0] };
        left.drop_tasks();
        if !self.hold {
            left.then(Task::Go {
                to: [left.at[0] - medial * 2.0, left.at[1] + 6.0, left.at[2]],
                grip,
                speed: APPROACH,
                trigger: 0,
            });
            left.then(Task::Go { to: [left.at[0], HOVER_MM, left.at[2]], grip, speed: TRANSIT, trigger: 0 });
            right.then(Task::Hold { ticks: 60, trigger: 0 });
            return true;
        }
        let Some(at) = self.beside(scene) else { return false };
        left.then(Task::Go { to: [left.at[0], HOVER_MM, left.at[2]], grip, speed: TRANSIT, trigger: 0 });
        left.then(Task::Take { tool: ToolKind::Retractor, size_tenth_mm: FOOT_TENTH_MM });
        left.then(Task::Go { to: [at[0], HOVER_MM, at[2]], grip, speed: TRANSIT, trigger: 0 });
        left.then(Task::Go { to: at, grip, speed: APPROACH, trigger: 0 });
        left.then(Task::Go { to: [at[0] + medial * DRAW_MM, at[1], at[2]], grip, speed: 6.0, trigger: 0 });
        left.then(Task::Hold { ticks: u32::MAX, trigger: 0 });
        right.then(Task::Hold { ticks: 150, trigger: 0 });
        true
    }

    /// A place at the root's outer side, at the height of the disc.
    fn beside(&self, scene: &Scene<'_>) -> Option<V3> {
        let root = scene.patient.structure(scene.site.traversing_root(self.side));
        let Some(root) = root else {
            let side = self.side.sign();
            return Some([side * (scene.site.sac_mm[self.side as usize] + 1.5), 1.0, 0.0]);
        };
        let inside = |l: f64, b: f64, u: f64| {
            sdf_mm(scene.patient.grid(), &root.sdf, scene.site.patient_from_site([l * self.side.sign(), b, u])) < 0.0
        };
        [0.0, -2.0, -4.0, 2.0, -6.0].into_iter().find_map(|up| {
            let mut outer: Option<(f64, f64)> = None;
            for l in 6..=32 {
                for b in -16..=16 {
                    let (l, b) = (f64::from(l) * 0.5, f64::from(b) * 0.5);
                    if inside(l, b, up) && outer.is_none_or(|(best, _)| l > best) {
                        outer = Some((l, b));
                    }
                }
            }
            outer.map(|(l, b)| [self.side.sign() * (l + 1.0), b + 1.0, up])
        })
    }
}
