//! Who is in the theatre and what they hold, as everything that draws or sounds reads it.

use std::collections::{BTreeMap, BTreeSet};

use bevy::prelude::*;
use spinor_shared::room::Role;
use spinor_sim::{AlarmLevel, Hand, Settings, ToolKind, ToolState, UserId};
use spinor_volume::measure::LiveMeasures;
use spinor_volume::{Label, Patient, Source, TissueClass};

use crate::frames::WorldFrame;
use crate::guide::Followed;

/// A person.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Person {
    /// Who.
    pub(crate) user: UserId,
    /// The name on the invitation.
    pub(crate) name: String,
    /// The role on the invitation.
    pub(crate) role: Role,
    /// Whether an attending lets this person operate.
    pub(crate) has_tool: bool,
    /// Whether the person is connected.
    pub(crate) online: bool,
    /// Head in the theatre, looking along its −Z; none while unknown.
    pub(crate) head: Option<Transform>,
}

/// A tool in a hand, where it really is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ShownTool {
    /// Which tool.
    pub(crate) kind: ToolKind,
    /// Its size, 1/10 mm.
    pub(crate) size_tenth_mm: u8,
    /// `world_from_tool`, without scale.
    pub(crate) at: Transform,
    /// How far the trigger is pressed, 0-1.
    pub(crate) trigger: f32,
    /// Force at the tip, N.
    pub(crate) load_newton: f32,
    /// From the tool's surface to the nearest dura or root and its name, mm; none beyond the field's reach.
    pub(crate) nearest: Option<(f32, Label)>,
    /// The alarm's level.
    pub(crate) level: AlarmLevel,
    /// What makes the level: the structure, and the threshold in force for it, mm. It may differ from the nearest structure, because
    /// an uncertain one has wider thresholds.
    pub(crate) warning: Option<(Label, f32)>,
    /// Whether the alarm sounds.
    pub(crate) sounding: bool,
    /// Time until contact with something neural if the tool goes on as it does, s; none beyond a second.
    pub(crate) contact_s: Option<f32>,
    /// Bone left between the tool and the nearest dura or root while it is in bone or runs, mm.
    pub(crate) bone_left_mm: Option<f32>,
    /// Speed of a burr's spindle, 1/min.
    pub(crate) spindle_rpm: f32,
    /// Whether bone stops the tool or is being cut.
    pub(crate) in_bone: bool,
    /// Whether tissue is being taken.
    pub(crate) cutting: bool,
}

impl ShownTool {
    /// A tool as the simulation left it.
    pub(crate) fn of(state: &ToolState, frame: &WorldFrame) -> Self {
        Self {
            kind: state.input.tool,
            size_tenth_mm: state.input.size_tenth_mm,
            at: frame.world_from_pose(&state.proxy),
            trigger: f32::from(state.input.trigger) / 255.0,
            load_newton: state.load_millinewton as f32 * 1e-3,
            nearest: state.nearest.map(|n| (n.distance_um as f32 * 1e-3, n.structure)),
            level: state.level,
            warning: state.warning.map(|w| (w.structure, w.threshold_um as f32 * 1e-3)),
            sounding: state.sounding,
            contact_s: state.contact_ms.map(|ms| f32::from(ms) * 1e-3),
            bone_left_mm: state.bone_left.map(|bone| bone.left_um as f32 * 1e-3),
            spindle_rpm: state.spindle_rpm as f32,
            in_bone: state.in_bone,
            cutting: state.removed > 0,
        }
    }
}

/// Where the picture comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A case on one's own.
    Practice,
    /// A room on a server.
    #[default]
    Shared,
    /// A recording.
    Film,
}

/// The room.
#[derive(Resource, Debug, Default)]
pub(crate) struct Room {
    /// Where it comes from.
    pub(crate) mode: Mode,
    /// Everybody, by user.
    pub(crate) people: BTreeMap<UserId, Person>,
    /// All tools, by user and hand.
    pub(crate) tools: BTreeMap<(UserId, Hand), ShownTool>,
    /// Oneself; none in a replay.
    pub(crate) me: Option<UserId>,
    /// One line about the connection or the file.
    pub(crate) status: String,
    /// All tools are stopped by the attending.
    pub(crate) frozen: bool,
    /// The room's time stands still.
    pub(crate) paused: bool,
    /// Thresholds of the alarm for a structure that is where the case says, mm: caution and danger. [`Room::in_force_mm`] has those of an
    /// uncertain one.
    pub(crate) thresholds_mm: [f32; 2],
    /// Seconds since the session began.
    pub(crate) clock_secs: Option<f64>,
    /// The last thing everybody should read, with the time it was said (seconds of this program).
    pub(crate) message: Option<(String, f64)>,
    /// Whether the session is recorded.
    pub(crate) recorded: bool,
    /// The room waits because its recording cannot be written.
    pub(crate) disk_full: bool,
    /// There is no sound device: alarms are seen and not heard.
    pub(crate) silent: bool,
    /// What the case says that everybody must know.
    pub(crate) warnings: Vec<String>,
    /// Whether the case holds dura, cord or roots at all: where it holds none, no alarm can come.
    pub(crate) guards: bool,
    /// Structures that were proposed from the anatomy around them: nobody saw them in an image.
    pub(crate) proposed: BTreeSet<Label>,
    /// The procedure that the room follows.
    pub(crate) procedure: Option<Followed>,
    /// What was measured last.
    pub(crate) measures: Option<Box<LiveMeasures>>,
    /// By how much the uncertainty of each neural structure widens the alarm's thresholds for it, mm.
    pub(crate) widened_mm: BTreeMap<Label, f32>,
}

impl Room {
    /// Whether there is anybody else whose eyes one could look through.
    pub(crate) fn has_others(&self) -> bool {
        self.people.values().any(|p| p.head.is_some() && Some(p.user) != self.me)
    }

    /// Thresholds in force for a structure, mm: caution and danger.
    pub(crate) fn in_force_mm(&self, structure: Label) -> [f32; 2] {
        let widened = self.widened_mm.get(&structure).copied().unwrap_or(0.0);
        self.thresholds_mm.map(|mm| mm + widened)
    }

    /// The widest thresholds in force for any structure, mm: caution and danger.
    pub(crate) fn widest_mm(&self) -> [f32; 2] {
        let widest = self.widened_mm.values().copied().fold(0.0, f32::max);
        self.thresholds_mm.map(|mm| mm + widest)
    }

    /// Takes over what is to be known about a patient and its case.
    pub(crate) fn know(&mut self, patient: &Patient, warnings: &[String]) {
        let proposed = patient.structures().iter().filter(|s| s.source == Source::Proposed);
        self.proposed = proposed.map(|s| s.label).collect();
        let neural = || patient.structures().iter().filter(|s| s.class == TissueClass::Neural);
        self.guards = neural().next().is_some();
        let settings = Settings::default();
        self.widened_mm = neural().map(|s| (s.label, settings.widening_mm(s.uncertainty_mm) as f32)).collect();
        self.warnings = warnings.to_vec();
    }

    /// Whether one's own trigger may run now, and why not.
    pub(crate) fn trigger_refusal(&self) -> Option<&'static str> {
        match self.myself() {
            _ if self.frozen => Some("the attending has frozen all tools"),
            Some(me) if !me.has_tool => Some("the attending has not given you the tool"),
            _ => None,
        }
    }

    /// Oneself.
    pub(crate) fn myself(&self) -> Option<&Person> {
        self.people.get(&self.me?)
    }

    /// One's own tool nearest to something neural; any of them when none is near.
    pub(crate) fn my_tool(&self) -> Option<&ShownTool> {
        let me = self.me?;
        self.tools
            .iter()
            .filter(|((user, _), _)| *user == me)
            .map(|(_, tool)| tool)
            .min_by(|a, b| distance(a).total_cmp(&distance(b)))
    }

    /// The tool that the alarm is about: the worst level, then the nearest, whoever holds it.
    pub(crate) fn worst_tool(&self) -> Option<(UserId, &ShownTool)> {
        let worst = |tool: &ShownTool| (tool.level as u8, -distance(tool));
        self.tools
            .iter()
            .max_by(|(_, a), (_, b)| worst(a).0.cmp(&worst(b).0).then(worst(a).1.total_cmp(&worst(b).1)))
            .map(|((user, _), tool)| (*user, tool))
    }
}

fn distance(tool: &ShownTool) -> f32 {
    tool.nearest.map_or(f32::INFINITY, |(mm, _)| mm)
}

/// What one of one's own hands wants, written by mouse or controllers and read by whatever drives the session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grasp {
    /// Which tool.
    pub(crate) kind: ToolKind,
    /// Its size, 1/10 mm.
    pub(crate) size_tenth_mm: u8,
    /// `world_from_tool` as the hand wants it.
    pub(crate) at: Transform,
    /// How far the trigger is pressed, 0-1.
    pub(crate) trigger: f32,
}

/// One's own hands and head.
#[derive(Resource, Debug, Default)]
pub(crate) struct OwnBody {
    /// Hands that hold a tool.
    pub(crate) hands: BTreeMap<Hand, Grasp>,
    /// Head in the theatre.
    pub(crate) head: Option<Transform>,
}
