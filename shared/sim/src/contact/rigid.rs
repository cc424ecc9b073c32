//! Contact of a whole tool: its tip, jaws, blade, neck and shaft as one rigid body.
//!
//! A body is the ball at its tip and grains, small balls that stand for all its other parts. It follows the hand in steps so short that no
//! point of it that is near bone moves by more than half a voxel or the room around it, turning and moving at once; out of what it would
//! enter it is pushed. What a grain saw stays true as long as it has not moved that far, so that it looks again only then. Where the turn is blocked it goes on moving, and the other way round. So neither a tip nor a shaft goes through bone.

mod blocks;
mod grain;
mod lanes;
mod obstacles;
mod stand;

use spinor_volume::ClassMask;

use super::{Ball, Seen, Tissue, approach, tolerance};
use crate::pose::{place, rotation_from};
use crate::tool::Shape;
use crate::vector::{Vec3, add, norm, scale, sub};
use blocks::Span;
use grain::{Grain, grains_of};
use obstacles::Obstacles;
pub(crate) use stand::{Stand, Turn, chord, integers_from, turn_from};

/// Most places along a straight way at which a body is tried.
const MAX_STEPS: usize = 256;
/// Most places at which a body that follows a hand is tried in one tick: what has farther to go arrives a tick later.
const MAX_TRIES: u32 = 100;
/// A push goes this much farther than it must, mm, and room lacks nothing while it lacks less: rounding.
const ROUNDING_MM: f64 = 1e-6;
/// How much nearer than a grain's own way bone must be for the grain to be watched, mm: pushes move it off its way.
const WATCH_MM: f64 = 0.6;

/// A tool's body.
#[derive(Clone, Debug)]
pub(crate) struct Rigid {
    /// The ball at its tip.
    pub(crate) ball: Ball,
    spans: Vec<Span>,
}

/// Where a body ended up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moved {
    pub(crate) stand: Stand,
    /// Whether tissue stopped or deflected it.
    pub(crate) touched: bool,
}

impl Rigid {
    /// The body of a shape in fields of a voxel size.
    pub(crate) fn new(shape: &Shape, spacing_mm: f64) -> Self {
        let ball = Ball::new(shape.ball_radius_mm, spacing_mm);
        let spans = Span::all(&grains_of(shape, spacing_mm));
        Self { ball, spans }
    }

    /// Whether the body beside its tip ball is free at a place, but for rounding.
    fn rest_fits(&self, tissue: &Tissue<'_>, classes: ClassMask, stand: &Stand) -> bool {
        let least = -tolerance(tissue);
        let Some(rotation) = rotation_from(stand.turn) else { return true };
        let at = |grain: &Grain| place(&rotation, stand.centre, grain.from_ball);
        self.spans.iter().flat_map(|span| &span.blocks).flat_map(|block| &block.grains).all(|grain| {
            let structures = tissue.near(classes, at(grain), at(grain), grain.radius_mm);
            structures.is_empty() || grain.room(tissue, &structures, at(grain), &rotation, least).0 >= least
        })
    }

    /// Where a body that is taken up finds room for all of it: where it stands, or the first free place back along `back`. Where it stands
    /// when there is none.
    pub(crate) fn withdraw(&self, tissue: &Tissue<'_>, classes: ClassMask, stand: &Stand, back: Vec3) -> Vec3 {
        if self.rest_fits(tissue, classes, stand) {
            return stand.centre;
        }
        let step = 2.0 * tissue.patient.grid().spacing_mm();
        let places = (1..=MAX_STEPS).map(|k| add(stand.centre, scale(back, step * k as f64)));
        let fits = |centre: &Vec3| {
            let structures = tissue.near(classes, *centre, *centre, self.ball.radius_mm);
            let ball = structures.is_empty() || self.ball.fits(tissue, &structures, *centre);
            ball && self.rest_fits(tissue, classes, &Stand { centre: *centre, ..*stand })
        };
        places.into_iter().find(fits).unwrap_or(stand.centre)
    }

    /// Share of a straight way, without turning, that the body beside its tip can go before bone stops it; tissue taken on the way by the
    /// tip counts as gone.
    pub(crate) fn free_share(&self, tissue: &Tissue<'_>, classes: ClassMask, from: &Stand, to: Vec3) -> f64 {
        let goal = Stand { centre: to, ..*from };
        let mut obstacles = Obstacles::between(self, tissue, (ClassMask::NONE, classes), from, &goal, None);
        let Some(rotation) = rotation_from(from.turn) else { return 1.0 };
        let way = sub(to, from.centre);
        let ahead = |share: f64| Stand { centre: add(from.centre, scale(way, share)), ..*from };
        if obstacles.groups.is_empty() {
            return 1.0;
        }
        let mut fits = |share: f64| obstacles.rest(&ahead(share), &rotation, 0.0, 0.0, 1.0).0 >= -ROUNDING_MM;
        let steps = (norm(way) / (0.5 * tissue.patient.grid().spacing_mm())).ceil().clamp(1.0, MAX_STEPS as f64) as u32;
        let Some(hit) = (1..=steps).find(|k| !fits(f64::from(*k) / f64::from(steps))) else { return 1.0 };
        let (mut free, mut stopped) = (f64::from(hit - 1) / f64::from(steps), f64::from(hit) / f64::from(steps));
        for _ in 0..4 {
            let middle = (free + stopped) / 2.0;
            if fits(middle) { free = middle } else { stopped = middle }
        }
        free
    }

    /// Moves a body from where it stands towards where the hand wants it; tissue of `ball_classes` stops the ball at its tip, of `classes`
    /// the rest.
    pub(crate) fn follow(
        &self,
        tissue: &Tissue<'_>,
        ball_classes: ClassMask,
        classes: ClassMask,
        start: &Stand,
        goal: &Stand,
    ) -> Moved {
        self.follow_seen(tissue, (ball_classes, classes), start, goal, None)
    }

    /// As [`Self::follow`] for a body whose ball has just looked at what is around it.
    pub(crate) fn follow_seen(
        &self,
        tissue: &Tissue<'_>,
        classes: (ClassMask, ClassMask),
        start: &Stand,
        goal: &Stand,
        seen: Option<&Seen>,
    ) -> Moved {
        let mut obstacles = Obstacles::between(self, tissue, classes, start, goal, seen);
        if obstacles.ball_structures.is_empty() && obstacles.groups.is_empty() {
            return Moved { stand: *goal, touched: false };
        }
        let mut goal = *goal;
        let mut stand = *start;
        let mut touched = false;
        let Some(mut share) = obstacles.probe(&stand, &goal).map(|p| p.share) else { return Moved { stand, touched } };
        while obstacles.tries < MAX_TRIES {
            let left = norm(sub(goal.centre, stand.centre));
            let still_to_turn = chord(&stand.turn, &goal.turn) > 1e-9;
            if left < 1e-6 && !still_to_turn {
                break;
            }
            if let Some(next) = obstacles.attempt(&stand, &goal, share, &mut touched) {
                (stand, share) = next;
                continue;
            }
            if still_to_turn && left > 1e-6 {
                // Blocked together: by itself each may go on.
                let moving = Stand { turn: stand.turn, ..goal };
                let turning = Stand { centre: stand.centre, ..goal };
                let alone = [moving, turning].into_iter().find_map(|alone| {
                    let share = obstacles.probe(&stand, &alone)?.share;
                    obstacles.attempt(&stand, &alone, share, &mut touched).map(|next| (alone, next))
                });
                if let Some((alone, next)) = alone {
                    goal = alone;
                    (stand, share) = next;
                    continue;
                }
            }
            let ahead = |part: f64| stand.towards(&goal, share * part);
            let mut free = |part: f64| obstacles.probe(&ahead(part), &goal).is_none_or(|p| p.room >= -ROUNDING_MM);
            let part = approach([0.0; 3], [1.0, 0.0, 0.0], |at| free(at[0]))[0];
            stand = ahead(part);
            break;
        }
        Moved { stand, touched }
    }
}
