//! What stops a body in one tick, and how far it can go before it does.

use spinor_volume::ClassMask;

use super::blocks::Way;
use super::lanes::{Group, Lanes};
use super::stand::{Stand, angle};
use super::{ROUNDING_MM, Rigid, WATCH_MM};
use crate::contact::{BALL_GRAINS, Ball, Seen, Tissue, tolerance};
use crate::pose::{Rotation, rotation_from};
use crate::vector::{Vec3, add, norm, scale, sub, unit};

/// A product that is less than this share of another is less, whatever was rounded.
const NO_LESS: f64 = 1.0 - 1e-12;
/// Share of what a grain saw that must be left after its way for it not to look again.
const STALE: f64 = 0.4;

/// What stops a body in one tick.
pub(super) struct Obstacles<'a> {
    tissue: &'a Tissue<'a>,
    ball: &'a Ball,
    /// Structures that stop the ball.
    pub(super) ball_structures: Vec<usize>,
    ball_least: f64,
    /// The ball's own grains.
    ball_grains: Lanes<BALL_GRAINS>,
    /// The rest, in groups of neighbours.
    pub(super) groups: Vec<Group>,
    /// At how many places the body was tried.
    pub(super) tries: u32,
}

/// A body tried at a place.
pub(super) struct Probe {
    /// Least room beyond what each part must have; negative where it cannot be.
    pub(super) room: f64,
    /// Share of what is left of the way to the goal that no part can come to harm in: half a voxel, or nearly the room around it.
    pub(super) share: f64,
    /// Which way it is pushed out.
    out: Option<Vec3>,
}

impl<'a> Obstacles<'a> {
    /// What can stop a body on its way: tissue of `ball_classes` the ball at its tip, of `classes` the rest. `seen` is what the ball saw, if it
    /// has just looked.
    pub(super) fn between(
        body: &'a Rigid,
        tissue: &'a Tissue<'a>,
        (ball_classes, classes): (ClassMask, ClassMask),
        from: &Stand,
        to: &Stand,
        seen: Option<&Seen>,
    ) -> Self {
        let ball_structures = tissue.near(ball_classes, from.centre, to.centre, body.ball.radius_mm + WATCH_MM);
        let mut ball_grains = Lanes::new();
        body.ball.offsets.iter().take(BALL_GRAINS).enumerate().for_each(|(n, offset)| ball_grains.set(n, *offset));
        let seen = seen.filter(|seen| seen.holds_for(ball_classes, &ball_structures, from.centre));
        let free = if ball_structures.is_empty() {
            f64::INFINITY
        } else if let Some(seen) = seen {
            seen.rooms.iter().enumerate().for_each(|(n, (at, room))| ball_grains.note(n, *at, *room));
            seen.free_mm
        } else {
            body.ball.look(tissue, &ball_structures, from.centre, |n, at, room| ball_grains.note(n, at, room)).0
        };
        let mut obstacles = Self {
            tissue,
            ball: &body.ball,
            ball_structures,
            // In a hollow of its own making a burr overlaps the fields a little: no place has to be better than the start.
            ball_least: free.min(-tolerance(tissue)),
            ball_grains,
            groups: Vec::new(),
            tries: 0,
        };
        let Some(way) = Way::of(from, to) else { return obstacles };
        let near = body.spans.iter().filter(|span| span.is_near(tissue, classes, &way));
        for block in near.flat_map(|span| &span.blocks) {
            let course = block.course(&way);
            let structures = tissue.near(classes, course.low, course.high, course.around_mm);
            if structures.is_empty() {
                continue;
            }
            let mut group = Group::new(structures, from);
            for (n, grain) in block.grains.iter().enumerate() {
                let (at, long) = course.of(n);
                let (room, _) = grain.room(tissue, &group.structures, at, &way.from.0, -tolerance(tissue));
                if room <= 1.6 * long + WATCH_MM {
                    group.watch(grain, at, room, room.min(-tolerance(tissue)));
                }
            }
            if !group.grains.is_empty() {
                obstacles.groups.push(group);
            }
        }
        obstacles
    }

    /// A step towards a goal, pushed out of tissue where it must be, and the next step's share; none when there is no place for it that
    /// is nearer.
    pub(super) fn attempt(&mut self, stand: &Stand, goal: &Stand, share: f64, touched: &mut bool) -> Option<(Stand, f64)> {
        let spacing = self.tissue.patient.grid().spacing_mm();
        let straight = stand.towards(goal, share);
        let mut next = straight;
        let mut probe = self.probe(&next, goal)?;
        if probe.room >= -ROUNDING_MM {
            return Some((next, probe.share));
        }
        *touched = true;
        for _ in 0..5 {
            next.centre = add(next.centre, scale(probe.out?, ROUNDING_MM - probe.room));
            probe = self.probe(&next, goal)?;
            if probe.room >= -ROUNDING_MM {
                break;
            }
        }
        let step = norm(sub(straight.centre, stand.centre)).max(0.5 * spacing);
        let close = norm(sub(next.centre, straight.centre)) <= 2.0 * step;
        let nearer = next.lag_mm(goal) < stand.lag_mm(goal) - 0.01 * spacing;
        (probe.room >= -ROUNDING_MM && close && nearer).then_some((next, probe.share))
    }

    pub(super) fn probe(&mut self, stand: &Stand, goal: &Stand) -> Option<Probe> {
        let rotation = rotation_from(stand.turn)?;
        self.tries += 1;
        let (left, angle) = (norm(sub(goal.centre, stand.centre)), angle(&stand.turn, &goal.turn));
        let half = 0.5 * self.tissue.patient.grid().spacing_mm();
        let (mut room, mut pace, mut push) = (f64::INFINITY, 1.0, [0.0; 3]);
        if !self.ball_structures.is_empty() {
            let (free, out) = self.ball_room(stand.centre);
            pace = (left / half.max(0.9 * free)).max(pace);
            room = free - self.ball_least;
            if let Some(out) = out.filter(|_| free < self.ball_least) {
                push = scale(out, self.ball_least - free);
            }
        }
        let (rest, pace, aside) = self.rest(stand, &rotation, left, angle, pace);
        (room, push) = (room.min(rest), add(push, aside));
        Some(Probe { room, share: 1.0 / pace, out: unit(push) })
    }

    /// As [`Ball::probe`], with what its grains saw before.
    fn ball_room(&mut self, centre: Vec3) -> (f64, Option<Vec3>) {
        if self.ball.offsets.is_empty() {
            return self.ball.probe(self.tissue, &self.ball_structures, centre);
        }
        let (mut free, mut push) = (f64::INFINITY, [0.0; 3]);
        let (at, left) = self.ball_grains.left(None, centre);
        for (n, offset) in self.ball.offsets.iter().take(BALL_GRAINS).enumerate() {
            let (mut d, saw) = (left[n], self.ball_grains.saw[n]);
            if d < self.ball_least || d < STALE * saw || saw == f64::NEG_INFINITY {
                let at = [0, 1, 2].map(|k| at[k][n]);
                d = self.tissue.sdf_mm(&self.ball_structures, at) - self.ball.grain_mm;
                self.ball_grains.note(n, at, d);
            }
            free = free.min(d);
            if d < 0.0 {
                push = add(push, scale(*offset, d));
            }
        }
        (free, unit(push))
    }

    /// The body beside its tip: least room beyond what each grain must have; into how many steps what is left to go and to turn must be
    /// divided, at least `pace`; push out of the overlap. A group that surely neither overlaps nor asks for shorter steps is passed over,
    /// so where all have room the room is only more than none.
    pub(super) fn rest(&mut self, stand: &Stand, rotation: &Rotation, left: f64, angle: f64, pace: f64) -> (f64, f64, Vec3) {
        let half = 0.5 * self.tissue.patient.grid().spacing_mm();
        let (mut room, mut pace, mut push) = (f64::INFINITY, pace, [0.0; 3]);
        for group in &mut self.groups {
            let (free, beyond) = group.at_least(stand);
            if beyond >= 0.0 && left + angle * group.arm <= pace * half.max(0.9 * free) {
                continue;
            }
            let (mut least_room, mut least_beyond) = (f64::INFINITY, f64::INFINITY);
            let (at, still_left) = group.lanes.left(Some(rotation), stand.centre);
            for (n, grain) in group.grains.iter().enumerate() {
                let (mut d, least) = (still_left[n], group.least[n]);
                // A grain looks again only when that could matter.
                if d < least || d < STALE * group.lanes.saw[n] {
                    let at = [0, 1, 2].map(|k| at[k][n]);
                    let out;
                    (d, out) = grain.room(self.tissue, &group.structures, at, rotation, least);
                    group.lanes.note(n, at, d);
                    if d < least {
                        push = add(push, scale(out, least - d));
                    }
                }
                let (asks, most) = (left + angle * group.arms[n], half.max(0.9 * d));
                // Where it surely asks for no shorter steps it is not worth a division.
                if asks >= pace * most * NO_LESS {
                    pace = pace.max(asks / most);
                }
                (least_room, least_beyond) = (least_room.min(d), least_beyond.min(d - least));
            }
            group.seen = (*stand, least_room, least_beyond);
            room = room.min(least_beyond);
        }
        (room, pace, push)
    }
}
