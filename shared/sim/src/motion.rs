//! One tool's way through one tick: the contact code that the server runs for every tool and a client for its own.

use spinor_volume::{ClassMask, CutState, Label, Patient, TissueClass};

use crate::contact::rigid::{Rigid, Stand, Turn, chord, integers_from, turn_from};
use crate::contact::{Seen, Tissue, settle};
use crate::input::{Pose, ToolInput, ToolKind};
use crate::pose::{IDENTITY, Rotation, place, turn, um, um_from_mm};
use crate::settings::Settings;
use crate::sweep::Sweep;
use crate::through::{Stroke, Through};
use crate::tool::Shape;
use crate::tools::burr::{self, BURR_TAKES, Charge};
use crate::vector::{Vec3, add, cross, mix, norm, scale, sub, unit};

const BONE: ClassMask = ClassMask::of(&[TissueClass::Bone]);
const SOFT: ClassMask = ClassMask::of(&[TissueClass::Flavum, TissueClass::Disc, TissueClass::Neural]);
/// A flavum that a burr rests on is this near to it at most, mm.
const RESTS_MM: f64 = 0.15;
/// How far outside the grid a hand still counts, mm: anything beyond is put on the rim.
const AROUND_GRID_MM: f64 = 150.0;

/// A tool's rigid body: its shape, what bone stops of it, where it is and how it is turned.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) shape: Shape,
    rigid: Rigid,
    pub(crate) proxy: Pose,
    pub(crate) rotation: Rotation,
    /// Cutting energy saved up, J; negative after an operation that took more than was paid for.
    saved_joule: f64,
    /// The most that may be saved up or owed, J.
    carry_joule: f64,
    /// What was charged for this tick's sweep.
    charged: Charge,
    through: Through,
    /// How the hand last wanted the tool turned.
    wanted: [i16; 4],
    /// What stops the tool while it takes nothing.
    stops: ClassMask,
    /// Ticks until soft tissue can grab the burr again.
    kick_pause: u32,
}

/// What a tick's motion brought.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Motion {
    /// What a spinning burr took.
    pub(crate) swept: Option<Sweep>,
    /// Whether bone stopped the tool, or it cut.
    pub(crate) touched: bool,
    /// Load between hand and tool at the end, N.
    pub(crate) load_newton: f64,
    /// Share of the spindle's speed that is left under the load.
    pub(crate) rpm: f64,
    /// How deep a loaded burr went on freely after it came through bone, mm; 0 for none.
    pub(crate) plunge_mm: f64,
    /// Force on the hand, N.
    pub(crate) force_newton: Vec3,
    /// How far the tool went in the tick, mm.
    pub(crate) slid_mm: f64,
    /// Hardness of what a burr cut: 0 the softest, 1 the densest bone.
    pub(crate) hardness: f64,
    /// The soft tissue that grabbed a spinning burr, and how far it jumped, µm.
    pub(crate) kick: Option<(Label, i32)>,
}

/// What stops a tool that takes nothing: bone; a pituitary rongeur also what is left of a disc.
const fn stops(tool: ToolKind) -> ClassMask {
    match tool {
        ToolKind::Pituitary => ClassMask::of(&[TissueClass::Bone, TissueClass::Disc]),
        _ => BONE,
    }
}

impl Body {
    /// A tool taken up where the hand is, or, inside bone, where its shaft leaves the bone.
    pub(crate) fn new(patient: &Patient, cut: &CutState, pending: &[Sweep], settings: &Settings, input: &ToolInput) -> Self {
        let shape = Shape::new(input.tool, input.size_tenth_mm, settings);
        let rigid = Rigid::new(&shape, patient.grid().spacing_mm());
        let rotation = input.pose.rotation().unwrap_or(IDENTITY);
        let turned = if input.pose.rotation().is_some() { input.pose.turn } else { [0, 0, 0, i16::MAX] };
        let shape_radius = shape.ball_radius_mm;
        let mut body = Self {
            shape,
            rigid,
            proxy: Pose { tip_um: [0; 3], turn: turned },
            rotation,
            saved_joule: 0.0,
            carry_joule: 0.0,
            charged: Charge::default(),
            through: Through::new(shape_radius, patient.grid().spacing_mm()),
            wanted: turned,
            stops: stops(input.tool),
            kick_pause: 0,
        };
        let tissue = Tissue { patient, cut, pending };
        body.take_up(&tissue, hand_mm(patient, &input.pose));
        body
    }

    fn take_up(&mut self, tissue: &Tissue<'_>, hand: Vec3) {
        let back = turn(&self.rotation, [0.0, 0.0, 1.0]);
        let wanted = place(&self.rotation, hand, self.shape.ball_mm);
        let near = settle(tissue, &self.rigid.ball, self.stops, wanted, back);
        let centre = self.rigid.withdraw(tissue, self.stops, &Stand { centre: near, turn: self.turn() }, back);
        self.put(centre);
        self.saved_joule = 0.0;
        self.through.forget();
    }

    /// How the tool is turned.
    fn turn(&self) -> Turn {
        turn_from(self.proxy.turn).unwrap_or([0.0, 0.0, 0.0, 1.0])
    }

    /// Where the body stands.
    fn stand(&self) -> Stand {
        Stand { centre: self.centre(), turn: self.turn() }
    }

    /// Puts the body somewhere. A turn that arrived where the hand wanted it keeps the hand's own integers.
    fn stand_at(&mut self, stand: &Stand, wanted: [i16; 4]) {
        let arrived = turn_from(wanted).is_some_and(|goal| chord(&goal, &stand.turn) < 1e-9);
        self.proxy.turn = if arrived { wanted } else { integers_from(&stand.turn) };
        self.rotation = self.proxy.rotation().unwrap_or(self.rotation);
        self.put(stand.centre);
    }

    /// Puts the ball's centre somewhere; the tip's place is what is kept, in whole micrometres.
    fn put(&mut self, centre: Vec3) {
        self.proxy.tip_um = um_from_mm(sub(centre, turn(&self.rotation, self.shape.ball_mm)));
    }

    /// The ball's centre.
    fn centre(&self) -> Vec3 {
        place(&self.rotation, self.proxy.tip_mm(), self.shape.ball_mm)
    }

    /// Follows the hand for one tick.
    pub(crate) fn advance(
        &mut self,
        patient: &Patient,
        cut: &CutState,
        pending: &[Sweep],
        settings: &Settings,
        input: &ToolInput,
        trigger: u8,
    ) -> Motion {
        let tissue = Tissue { patient, cut, pending };
        let hand = hand_mm(patient, &input.pose);
        if input.pose.rotation().is_some() {
            self.wanted = input.pose.turn;
        }
        let wanted = self.wanted;
        let wanted_rotation = Pose { turn: wanted, ..self.proxy }.rotation().unwrap_or(self.rotation);
        let goal = Stand {
            centre: place(&wanted_rotation, hand, self.shape.ball_mm),
            turn: turn_from(wanted).unwrap_or_else(|| self.turn()),
        };
        let near = tissue.near(self.stops, self.centre(), self.centre(), self.rigid.ball.radius_mm);
        let see = |near| self.rigid.ball.see(&tissue, self.stops, near, self.centre());
        let seen = Some(near).filter(|near| !near.is_empty()).map(see);
        if norm(sub(goal.centre, self.centre())) > settings.release_mm {
            (self.proxy.turn, self.rotation) = (wanted, wanted_rotation);
            self.take_up(&tissue, hand);
        } else if seen.as_ref().is_some_and(|seen| seen.is_sunk(&tissue)) {
            // Bone is where none was, after a rewind: out of it the short way.
            let back = turn(&self.rotation, [0.0, 0.0, 1.0]);
            self.put(settle(&tissue, &self.rigid.ball, self.stops, self.centre(), back));
        }
        let rpm = if input.tool.is_burr() { burr::rpm(settings, trigger) } else { 0.0 };
        let start = self.centre();
        let mut motion = if rpm > 0.0 {
            self.drill(&tissue, settings, input.tool, (&goal, wanted), rpm, seen.as_ref())
        } else {
            self.follow(&tissue, settings, &goal, wanted, seen.as_ref())
        };
        motion.slid_mm = norm(sub(self.centre(), start));
        if let Some(back) = unit(sub(goal.centre, self.centre())) {
            motion.force_newton = scale(back, -motion.load_newton);
        }
        motion
    }

    /// A tool that takes nothing: bone stops it.
    fn follow(
        &mut self,
        tissue: &Tissue<'_>,
        settings: &Settings,
        goal: &Stand,
        wanted: [i16; 4],
        seen: Option<&Seen>,
    ) -> Motion {
        self.saved_joule = 0.0;
        self.through.forget();
        let end = self.rigid.follow_seen(tissue, (self.stops, self.stops), &self.stand(), goal, seen);
        self.stand_at(&end.stand, wanted);
        let load_newton = if end.touched { load(settings, end.stand.lag_mm(goal)) } else { 0.0 };
        Motion { touched: end.touched, load_newton, ..Motion::default() }
    }

    /// A spinning burr: it turns as far as bone lets its shaft, goes straight on as far as its energy pays and its shaft finds room, then
    /// along what is left.
    fn drill(
        &mut self,
        tissue: &Tissue<'_>,
        settings: &Settings,
        tool: ToolKind,
        (goal, wanted): (&Stand, [i16; 4]),
        rpm: f64,
        seen: Option<&Seen>,
    ) -> Motion {
        let turning = Stand { centre: self.centre(), ..*goal };
        let turned = self.rigid.follow_seen(tissue, (BURR_TAKES, BONE), &self.stand(), &turning, seen);
        self.stand_at(&turned.stand, wanted);
        let (from, radius) = (self.stand(), self.rigid.ball.radius_mm);
        let start = from.centre;
        let pushed = load(settings, norm(sub(goal.centre, start)));
        let energy = burr::tick_energy_joule(settings, tool, radius, pushed, rpm);
        let drive = |to: Vec3| burr::drive(tissue, settings, radius, start, to, energy + self.saved_joule);
        let mut driven = drive(goal.centre);
        let mut taken = tissue.pending.to_vec();
        taken.extend(driven.swept);
        let share = self.rigid.free_share(&Tissue { pending: &taken, ..*tissue }, BONE, &from, driven.at);
        if share < 1.0 {
            driven = drive(mix(start, driven.at, share));
            driven.stopped = true;
            taken.truncate(tissue.pending.len());
            taken.extend(driven.swept);
        }
        self.carry_joule = energy * settings.energy_carry_ticks;
        self.saved_joule = driven.left_joule.clamp(-self.carry_joule, self.carry_joule);
        self.charged = driven.charged;
        let mut at = driven.at;
        let mut touched = driven.stopped || driven.swept.is_some() || turned.touched;
        if driven.stopped {
            let after = Tissue { pending: &taken, ..*tissue };
            let along = Stand { centre: goal.centre, ..from };
            at = self.rigid.follow(&after, BURR_TAKES, BONE, &Stand { centre: at, ..from }, &along).stand.centre;
        }
        self.put(at);
        let load_newton = if touched { load(settings, norm(sub(goal.centre, at))) } else { 0.0 };
        touched |= load_newton > 0.0;
        let droop = settings.spindle_droop * load_newton / settings.load_limit_newton;
        let plunge_mm = {
            let after = Tissue { pending: &taken, ..*tissue };
            let deep = turn(&self.rotation, [0.0, 0.0, -1.0]);
            let (free_mm, stopped) = (driven.free_mm, driven.stopped);
            let stroke = Stroke { from: start, to: at, goal: goal.centre, deep, free_mm, stopped };
            self.through.judge(&after, settings, &self.rigid.ball, &stroke)
        };
        let hardness = self.hardness(settings);
        let kick = self.kick(tissue, settings, tool, goal.centre, rpm);
        let rpm = rpm * (1.0 - droop);
        Motion { swept: driven.swept, touched, load_newton, rpm, plunge_mm, hardness, kick, ..Motion::default() }
    }

    /// Hardness of what was charged for: 0 the softest, 1 bone of 1,800 HU.
    fn hardness(&self, settings: &Settings) -> f64 {
        let span = settings.bone_joule_per_mm3_per_hu * 1_800.0;
        if self.charged.mm3 <= 0.0 || span <= 0.0 {
            return 0.0;
        }
        ((self.charged.joule / self.charged.mm3 - settings.bone_joule_per_mm3) / span).clamp(0.0, 1.0)
    }

    /// A spinning burr that sinks into soft tissue, or is pressed on flavum, is grabbed: it jumps across its shaft, as far as bone lets it.
    fn kick(&mut self, tissue: &Tissue<'_>, settings: &Settings, tool: ToolKind, goal: Vec3, rpm: f64) -> Option<(Label, i32)> {
        self.kick_pause = self.kick_pause.saturating_sub(1);
        let (at, numbers) = (self.centre(), &settings.tools);
        let full = if tool == ToolKind::DiamondBurr { numbers.diamond_kick_mm } else { numbers.fluted_kick_mm };
        let way = full * rpm / settings.spindle_rpm.max(1.0);
        if self.kick_pause > 0 || way <= 0.0 {
            return None;
        }
        let pressed = norm(sub(goal, at));
        let (structure, out) = tissue.near(SOFT, at, at, self.rigid.ball.radius_mm).into_iter().find_map(|k| {
            let structure = tissue.patient.structures().get(k)?;
            let (free, out) = self.rigid.ball.probe(tissue, &[k], at);
            let rests = structure.class == TissueClass::Flavum && free < RESTS_MM && pressed >= numbers.kick_depth_mm;
            (free <= -numbers.kick_depth_mm || rests).then_some((structure.label, out))
        })?;
        let shaft = turn(&self.rotation, [0.0, 0.0, 1.0]);
        let across = out.and_then(|out| unit(cross(shaft, out))).unwrap_or_else(|| turn(&self.rotation, [1.0, 0.0, 0.0]));
        let from = self.stand();
        let to = Stand { centre: add(at, scale(across, way)), ..from };
        let end = self.rigid.follow(tissue, BURR_TAKES, BONE, &from, &to).stand.centre;
        self.put(end);
        self.kick_pause = numbers.kick_pause_ticks;
        Some((structure, um(norm(sub(end, at)))))
    }

    /// Puts the tool where a mallet drove it.
    pub(crate) fn drive_to(&mut self, tip: Vec3) {
        self.proxy.tip_um = um_from_mm(tip);
    }

    /// Corrects what this tick's sweep was charged to what its operation truly took: integers of 1/64 voxel take a little more or less
    /// than the exact sweep, which at a slow advance would be a good part of all that is removed.
    pub(crate) fn settle_account(&mut self, removed_mm3: f64) {
        if self.charged.mm3 > 0.0 {
            let per_mm3 = self.charged.joule / self.charged.mm3;
            let saved = self.saved_joule + (self.charged.mm3 - removed_mm3) * per_mm3;
            self.saved_joule = saved.clamp(-self.carry_joule, self.carry_joule);
        }
    }

    /// Moves the proxy to where an authority says it is.
    pub(crate) fn correct(&mut self, proxy: Pose) {
        self.proxy = proxy;
        self.rotation = proxy.rotation().unwrap_or(self.rotation);
    }
}

/// Load of the spring between hand and tool, N.
fn load(settings: &Settings, way_mm: f64) -> f64 {
    (settings.spring_newton_per_mm * way_mm).min(settings.load_limit_newton)
}

/// The hand's tip, put on the rim of the room around the grid when it claims to be farther: an absurd position is far away, not huge.
fn hand_mm(patient: &Patient, pose: &Pose) -> Vec3 {
    let grid = patient.grid();
    let mut at = pose.tip_mm();
    let low = sub(grid.origin_mm(), [AROUND_GRID_MM; 3]);
    let high = add(grid.origin_mm(), add(scale(grid.voxels().map(f64::from), grid.spacing_mm()), [AROUND_GRID_MM; 3]));
    for k in 0..3 {
        at[k] = at[k].clamp(low[k], high[k]);
    }
    at
}
