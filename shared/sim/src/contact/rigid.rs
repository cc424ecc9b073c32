//! Contact of a whole tool: its tip, jaws, blade, neck and shaft as one rigid body.
//!
//! A body is the ball at its tip and grains, small balls that stand for all its other parts. It follows the hand in steps so short that no
//! point of it that is near bone moves by more than half a voxel or the room around it, turning and moving at once; out of what it would
//! enter it is pushed. What a grain saw stays true as long as it has not moved that far, so that it looks again only then. Where the turn is blocked it goes on moving, and the other way round. So neither a tip nor a shaft goes through bone.

use spinor_volume::ClassMask;

use super::{BALL_GRAINS, Ball, Tissue, approach, tolerance};
use crate::pose::{Rotation, place, rotation_from, turn};
use crate::tool::{Part, Shape};
use crate::vector::{Vec3, add, cross, norm, scale, sub, unit};

/// A unit quaternion x, y, z, w: `patient_from_tool`.
pub(crate) type Turn = [f64; 4];

/// How far from the tip a hand's turning counts as its moving, mm: a hand that cannot turn its tool feels it there.
pub(crate) const LEVER_MM: f64 = 40.0;
/// Most places along a straight way at which a body is tried.
const MAX_STEPS: usize = 256;
/// Most places at which a body that follows a hand is tried in one tick: what has farther to go arrives a tick later.
const MAX_TRIES: u32 = 100;
/// Parts up to this radius are read on their axis, voxels.
const THIN_VOXELS: f64 = 3.0;
/// Distance between grains along a part, in their radii: the waist between two is then 8 % of a radius deep.
const SPACING: f64 = 0.8;
/// A push goes this much farther than it must, mm, and room lacks nothing while it lacks less: rounding.
const ROUNDING_MM: f64 = 1e-6;
/// How much nearer than a grain's own way bone must be for the grain to be watched, mm: pushes move it off its way.
const WATCH_MM: f64 = 0.6;

/// Parts longer than this are shafts, whose grains are looked at closely, mm.
const SHAFT_MM: f64 = 20.0;
/// Grains nearer to each other than this, in their radii, are one.
const SAME: f64 = 0.55;
/// How many grains are looked for bone near them at once.
const BLOCK: usize = 12;
/// How many of these blocks are passed over together where there is none.
const BLOCKS: usize = 8;
/// A product that is less than this share of another is less, whatever was rounded.
const NO_LESS: f64 = 1.0 - 1e-12;
/// Share of what a grain saw that must be left after its way for it not to look again.
const STALE: f64 = 0.4;

/// A small ball that stands for a part of a tool's surface.
#[derive(Clone, Copy, Debug)]
struct Grain {
    /// Its centre in the tool's frame, from the tip ball's centre, mm.
    from_ball: Vec3,
    radius_mm: f64,
    /// For a grain on the axis of a thin part: two directions across the axis, and the axis. Seen closely it is a stack of two rings.
    axes: Option<[Vec3; 3]>,
}

impl Grain {
    /// Free distance around it, mm. A stored distance is never more than the true one, but near the rim of a hole it can be much less: what
    /// has less than `least` at first sight is looked at closely, by smaller balls just under its surface. With the direction out of the
    /// overlap where it has less than `least` then too.
    fn room(&self, tissue: &Tissue<'_>, structures: &[usize], at: Vec3, rotation: &Rotation, least: f64) -> (f64, Vec3) {
        let first = tissue.sdf_mm(structures, at) - self.radius_mm;
        if first >= least {
            return (first, [0.0; 3]);
        }
        let Some(axes) = self.axes else { return (first, tissue.gradient(structures, at).unwrap_or([0.0; 3])) };
        let [across, other, axis] = axes.map(|v| turn(rotation, v));
        let half = self.radius_mm / 2.0;
        let (mut room, mut nearest) = (f64::INFINITY, at);
        for along in [-0.5 * half, 0.5 * half] {
            for [c, s] in AROUND.into_iter().step_by(2) {
                let small = add(add(at, scale(axis, along)), add(scale(across, c * half), scale(other, s * half)));
                let d = tissue.sdf_mm(structures, small) - half;
                if d < room {
                    (room, nearest) = (d, small);
                }
            }
        }
        let out = if room < least { tissue.gradient(structures, nearest) } else { None };
        (room, out.unwrap_or([0.0; 3]))
    }
}

/// A tool's body.
#[derive(Clone, Debug)]
pub(crate) struct Rigid {
    /// The ball at its tip.
    pub(crate) ball: Ball,
    grains: Vec<Grain>,
    /// For each [`BLOCKS`] blocks of grains a ball that holds them: its centre, from the tip ball's centre, and its radius, mm.
    spans: Vec<(Vec3, f64)>,
}

/// Where a body is: its tip ball's centre and its turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stand {
    pub(crate) centre: Vec3,
    pub(crate) turn: Turn,
}

/// What stops a body in one tick.
struct Obstacles<'a> {
    tissue: &'a Tissue<'a>,
    ball: &'a Ball,
    /// Structures that stop the ball.
    ball_structures: Vec<usize>,
    ball_least: f64,
    /// The ball's own grains.
    ball_grains: Lanes<BALL_GRAINS>,
    /// The rest, in groups of neighbours.
    groups: Vec<Group>,
    /// At how many places the body was tried.
    tries: u32,
}

/// Some grains side by side, so that what they can tell without looking is worked out for all of them at once.
struct Lanes<const N: usize> {
    /// Their centres in the tool's frame, from the tip ball's centre, mm, by axis.
    from_ball: [[f64; N]; 3],
    /// Where each looked last, by axis, and the room that it saw there.
    looked: [[f64; N]; 3],
    saw: [f64; N],
}

impl<const N: usize> Lanes<N> {
    /// Grains at the tip ball's centre that have not looked yet.
    const fn new() -> Self {
        Self { from_ball: [[0.0; N]; 3], looked: [[0.0; N]; 3], saw: [f64::NEG_INFINITY; N] }
    }

    fn set(&mut self, n: usize, from_ball: Vec3) {
        (0..3).for_each(|k| self.from_ball[k][n] = from_ball[k]);
    }

    fn note(&mut self, n: usize, at: Vec3, room: f64) {
        (0..3).for_each(|k| self.looked[k][n] = at[k]);
        self.saw[n] = room;
    }

    /// Where all of them are, by axis, for a body that is turned like this or (none) not at all; and the room that is left of what they saw:
    /// it shrinks by no more than the way that they went since.
    fn left(&self, rotation: Option<&Rotation>, centre: Vec3) -> ([[f64; N]; 3], [f64; N]) {
        let mut at = self.from_ball;
        if let Some(rotation) = rotation {
            for n in 0..N {
                let v = [0, 1, 2].map(|k| self.from_ball[k][n]);
                let v = turn(rotation, v);
                (0..3).for_each(|k| at[k][n] = v[k]);
            }
        }
        let mut left = [0.0; N];
        for n in 0..N {
            let mut way = [0.0; 3];
            for k in 0..3 {
                at[k][n] += centre[k];
                way[k] = at[k][n] - self.looked[k][n];
            }
            left[n] = self.saw[n] - norm(way);
        }
        (at, left)
    }
}

/// Neighbouring grains that are watched together: those of a block that are near bone in this tick.
struct Group {
    /// Structures that can come near them.
    structures: Vec<usize>,
    grains: Vec<Grain>,
    lanes: Lanes<BLOCK>,
    /// Their distances from the tip ball's centre, mm, and the greatest of these.
    arms: [f64; BLOCK],
    arm: f64,
    /// How near each may come: it need be no better off than it was.
    least: [f64; BLOCK],
    /// Where the body was when they were looked through last; and of them all the least room, and the least beyond what each must have.
    seen: (Stand, f64, f64),
}

impl Group {
    fn new(structures: Vec<usize>, stand: &Stand) -> Self {
        let seen = (*stand, f64::INFINITY, f64::INFINITY);
        let (lanes, arms, least) = (Lanes::new(), [0.0; BLOCK], [0.0; BLOCK]);
        Self { structures, grains: Vec::new(), lanes, arms, arm: 0.0, least, seen }
    }

    /// Adds a grain that sees some room where it is; a group has place for [`BLOCK`].
    fn watch(&mut self, grain: &Grain, at: Vec3, room: f64, least: f64) {
        let n = self.grains.len();
        self.grains.push(*grain);
        self.lanes.set(n, grain.from_ball);
        self.lanes.note(n, at, room);
        (self.arms[n], self.least[n]) = (norm(grain.from_ball), least);
        self.arm = self.arm.max(self.arms[n]);
        (self.seen.1, self.seen.2) = (self.seen.1.min(room), self.seen.2.min(room - least));
    }

    /// No less room than this is around any of them, and beyond what each must have, when the body is somewhere: room shrinks by no more
    /// than the way that they went.
    fn at_least(&self, stand: &Stand) -> (f64, f64) {
        let (last, room, beyond) = &self.seen;
        let way = norm(sub(stand.centre, last.centre)) + self.arm * angle(&last.turn, &stand.turn);
        (room - way, beyond - way)
    }
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
        let mut grains = Vec::new();
        for part in &shape.parts {
            // The tip ball stands for itself.
            let tip = part.a_mm == shape.ball_mm && part.b_mm == shape.ball_mm && part.radius_mm == shape.ball_radius_mm;
            if !tip {
                grains_of(part, shape.ball_mm, spacing_mm, &mut grains);
            }
        }
        let mut kept: Vec<Grain> = Vec::with_capacity(grains.len());
        for grain in grains {
            let same = |other: &Grain| {
                other.radius_mm == grain.radius_mm && norm(sub(other.from_ball, grain.from_ball)) < SAME * grain.radius_mm
            };
            if !kept.iter().rev().take(64).any(same) {
                kept.push(grain);
            }
        }
        let mut grains = kept;
        // What lies within the tip ball is the ball's.
        grains.retain(|g| norm(g.from_ball) + g.radius_mm > shape.ball_radius_mm + 1e-9);
        let spans = grains.chunks(BLOCKS * BLOCK).map(span_of).collect();
        Self { ball, grains, spans }
    }

    /// Whether the body beside its tip ball is free at a place, but for rounding.
    fn rest_fits(&self, tissue: &Tissue<'_>, classes: ClassMask, stand: &Stand) -> bool {
        let least = -tolerance(tissue);
        let Some(rotation) = rotation_from(stand.turn) else { return true };
        let at = |grain: &Grain| place(&rotation, stand.centre, grain.from_ball);
        self.grains.iter().all(|grain| {
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
        let mut obstacles = self.obstacles(tissue, ClassMask::NONE, classes, from, &goal);
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

    fn obstacles<'a>(
        &'a self,
        tissue: &'a Tissue<'a>,
        ball_classes: ClassMask,
        classes: ClassMask,
        from: &Stand,
        to: &Stand,
    ) -> Obstacles<'a> {
        let ball_structures = tissue.near(ball_classes, from.centre, to.centre, self.ball.radius_mm + WATCH_MM);
        let mut ball_grains = Lanes::new();
        self.ball.offsets.iter().take(BALL_GRAINS).enumerate().for_each(|(n, offset)| ball_grains.set(n, *offset));
        let free = if ball_structures.is_empty() {
            f64::INFINITY
        } else {
            self.ball.look(tissue, &ball_structures, from.centre, |n, at, room| ball_grains.note(n, at, room)).0
        };
        let mut obstacles = Obstacles {
            tissue,
            ball: &self.ball,
            ball_structures,
            // In a hollow of its own making a burr overlaps the fields a little: no place has to be better than the start.
            ball_least: free.min(-tolerance(tissue)),
            ball_grains,
            groups: Vec::new(),
            tries: 0,
        };
        let (Some(start), Some(end)) = (rotation_from(from.turn), rotation_from(to.turn)) else { return obstacles };
        let ends = |grain: &Grain| (place(&start, from.centre, grain.from_ball), place(&end, to.centre, grain.from_ball));
        let blocks = self.grains.chunks(BLOCKS * BLOCK).zip(&self.spans).filter(|(_, (middle, radius))| {
            let (a, b) = (place(&start, from.centre, *middle), place(&end, to.centre, *middle));
            // As for a block below, with the longest way that any of its grains can have.
            let way = norm(sub(b, a)) + 2.0 * radius;
            tissue.is_near(classes, a, b, radius + WATCH_MM + 0.25 * way + ROUNDING_MM)
        });
        for block in blocks.flat_map(|(grains, _)| grains.chunks(BLOCK)) {
            let (mut low, mut high, mut around) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3], 0.0_f64);
            let mut places = [([0.0; 3], 0.0); BLOCK];
            for (grain, place) in block.iter().zip(&mut places) {
                let (a, b) = ends(grain);
                for k in 0..3 {
                    (low[k], high[k]) = (low[k].min(a[k]).min(b[k]), high[k].max(a[k]).max(b[k]));
                }
                *place = (a, norm(sub(b, a)));
                // A turning point's way is an arc: for every turn up to a right angle it leaves its chord by less than a quarter of it.
                around = around.max(grain.radius_mm + WATCH_MM + 0.25 * place.1);
            }
            let structures = tissue.near(classes, low, high, around);
            if structures.is_empty() {
                continue;
            }
            let mut group = Group::new(structures, from);
            for (grain, (at, way)) in block.iter().zip(&places) {
                let (room, _) = grain.room(tissue, &group.structures, *at, &start, -tolerance(tissue));
                if room <= 1.6 * way + WATCH_MM {
                    group.watch(grain, *at, room, room.min(-tolerance(tissue)));
                }
            }
            if !group.grains.is_empty() {
                obstacles.groups.push(group);
            }
        }
        obstacles
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
        let mut obstacles = self.obstacles(tissue, ball_classes, classes, start, goal);
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

impl Stand {
    /// Some share of the way to another stand.
    fn towards(&self, goal: &Self, share: f64) -> Self {
        let centre = add(self.centre, scale(sub(goal.centre, self.centre), share));
        let sign = if dot4(&self.turn, &goal.turn) < 0.0 { -1.0 } else { 1.0 };
        let mixed: Turn = std::array::from_fn(|k| self.turn[k] + (sign * goal.turn[k] - self.turn[k]) * share);
        let length = dot4(&mixed, &mixed).sqrt();
        let turn = if share >= 1.0 || length < 1e-9 { goal.turn } else { mixed.map(|v| v / length) };
        Self { centre, turn }
    }

    /// How far it is from where the hand wants it, turning counted at the lever, mm.
    pub(crate) fn lag_mm(&self, goal: &Self) -> f64 {
        norm(sub(goal.centre, self.centre)) + LEVER_MM * angle(&self.turn, &goal.turn)
    }
}

fn dot4(a: &Turn, b: &Turn) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]
}

/// Distance of two turns as quaternions, whichever their signs.
pub(crate) fn chord(a: &Turn, b: &Turn) -> f64 {
    let sign = if dot4(a, b) < 0.0 { -1.0 } else { 1.0 };
    let off: Turn = std::array::from_fn(|k| sign * b[k] - a[k]);
    dot4(&off, &off).sqrt()
}

/// Angle between two turns, radians, at most a tenth too large (exact for small ones).
fn angle(a: &Turn, b: &Turn) -> f64 {
    let chord = chord(a, b);
    chord * (2.0 + 0.11 * chord * chord)
}

/// A body tried at a place.
struct Probe {
    /// Least room beyond what each part must have; negative where it cannot be.
    room: f64,
    /// Share of what is left of the way to the goal that no part can come to harm in: half a voxel, or nearly the room around it.
    share: f64,
    /// Which way it is pushed out.
    out: Option<Vec3>,
}

impl Obstacles<'_> {
    /// A step towards a goal, pushed out of tissue where it must be, and the next step's share; none when there is no place for it that
    /// is nearer.
    fn attempt(&mut self, stand: &Stand, goal: &Stand, share: f64, touched: &mut bool) -> Option<(Stand, f64)> {
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

    fn probe(&mut self, stand: &Stand, goal: &Stand) -> Option<Probe> {
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
    fn rest(&mut self, stand: &Stand, rotation: &Rotation, left: f64, angle: f64, pace: f64) -> (f64, f64, Vec3) {
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

/// A ball that holds some grains.
fn span_of(grains: &[Grain]) -> (Vec3, f64) {
    let middle = scale(grains.iter().fold([0.0; 3], |sum, grain| add(sum, grain.from_ball)), 1.0 / grains.len() as f64);
    let radius = grains.iter().map(|grain| norm(sub(grain.from_ball, middle)) + grain.radius_mm).fold(0.0, f64::max);
    (middle, radius)
}

/// Twelve directions around, 30° apart: cosine and sine.
const AROUND: [[f64; 2]; 12] = {
    let (h, s) = (0.5, 0.866_025_403_784_438_6);
    [[1.0, 0.0], [s, h], [h, s], [0.0, 1.0], [-h, s], [-s, h], [-1.0, 0.0], [-s, -h], [-h, -s], [0.0, -1.0], [h, -s], [s, -h]]
};

/// The grains that stand for a part: along its axis where it is thin, in rings just under its surface where it is thick.
fn grains_of(part: &Part, ball_mm: Vec3, spacing_mm: f64, grains: &mut Vec<Grain>) {
    let way = sub(part.b_mm, part.a_mm);
    let length = norm(way);
    let thin = part.radius_mm <= THIN_VOXELS * spacing_mm;
    let radius_mm = if thin { part.radius_mm } else { (part.radius_mm / 2.0).min(2.5 * spacing_mm) };
    let steps = (length / (SPACING * radius_mm)).ceil().max(1.0) as u32;
    let axis = unit(way).unwrap_or([0.0, 0.0, 1.0]);
    // Two directions across the axis.
    let aside = if axis[0].abs() < 0.7 { [1.0, 0.0, 0.0] } else { [0.0, 1.0, 0.0] };
    let across = unit(cross(axis, aside)).unwrap_or(aside);
    let other = cross(axis, across);
    let ring = part.radius_mm - radius_mm;
    for k in 0..=steps {
        let middle = sub(add(part.a_mm, scale(way, f64::from(k) / f64::from(steps))), ball_mm);
        if thin {
            grains.push(Grain { from_ball: middle, radius_mm, axes: (length > SHAFT_MM).then_some([across, other, axis]) });
        } else {
            let every = if ring <= 1.2 * radius_mm { 2 } else { 1 };
            for [c, s] in AROUND.into_iter().step_by(every) {
                let out = add(scale(across, c * ring), scale(other, s * ring));
                grains.push(Grain { from_ball: add(middle, out), radius_mm, axes: None });
            }
        }
        if length < 1e-9 {
            break;
        }
    }
    // The round ends of a thick part reach beyond its first and last ring.
    if !thin {
        for (end, out) in [(part.a_mm, -ring), (part.b_mm, ring)] {
            grains.push(Grain { from_ball: add(sub(end, ball_mm), scale(axis, out)), radius_mm, axes: None });
        }
    }
}

/// A turn from the integers of a pose, of length 1.
pub(crate) fn turn_from(turn: [i16; 4]) -> Option<Turn> {
    let turn = turn.map(f64::from);
    let length = dot4(&turn, &turn).sqrt();
    (length > 0.0).then(|| turn.map(|v| v / length))
}

/// The integers of a pose nearest to a turn.
pub(crate) fn integers_from(turn: &Turn) -> [i16; 4] {
    turn.map(|v| (v * f64::from(i16::MAX) + 0.5).floor() as i16)
}
