//! A scripted surgeon in a room: it sees what any client is told, and acts by tool inputs alone.

use serde_json::{Map, Value, json};
use spinor_client_core::{Session, ToolView};
use spinor_shared::following::{Stand, WireStatus};
use spinor_shared::wire::{WireEvent, hand_from_number};
use spinor_sim::procedure::{SiteError, Target, steps as procedure_steps};
use spinor_sim::{AlarmLevel, Event, Feel, Hand, Nearest, Pose, ToolInput, ToolKind, ToolState, UserId};
use spinor_surgeon::{Skill, Surgeon, View};
use spinor_volume::{Label, Patient};

/// A surgeon and what it heard since it acted last.
pub(super) struct Operator {
    surgeon: Surgeon,
    target: Target,
    skill: Skill,
    events: Vec<Event>,
    tick: u32,
    last: Vec<ToolInput>,
}

impl Operator {
    /// A surgeon who acts as `user`.
    pub(super) fn new(patient: &Patient, target: Target, skill: Skill, seed: u64, user: u32) -> Result<Self, SiteError> {
        let surgeon = Surgeon::new(patient, target, skill, seed)?.as_user(UserId(user));
        Ok(Self { surgeon, target, skill, events: Vec::new(), tick: 0, last: Vec::new() })
    }

    /// Takes in what happened in the room.
    pub(super) fn hear(&mut self, events: &[WireEvent]) {
        self.events.extend(events.iter().filter_map(|event| Event::try_from(*event).ok()));
    }

    /// What both hands do next, which is sent. Returns the number of the right hand's input; none where the patient has gone or all is done.
    pub(super) fn act(&mut self, session: &mut Session) -> Option<u32> {
        // Without a server nothing comes of what is done: the surgeon waits.
        if !session.is_joined() {
            return None;
        }
        let (patient, cut) = (session.mirror().patient()?, session.mirror().cut()?);
        let tools: Vec<ToolState> = session.tools().filter_map(tool_state).collect();
        self.tick += 1;
        let view = View { tools: &tools, events: &self.events, cut, tick: self.tick };
        let inputs = self.surgeon.next(patient, &view);
        self.events.clear();
        if inputs.is_empty() {
            self.rest(session);
            return None;
        }
        let sent = send(session, &inputs);
        self.last = inputs;
        sent
    }

    /// Lets go of both triggers, the hands where they are.
    pub(super) fn rest(&mut self, session: &mut Session) {
        self.last.iter_mut().for_each(|input| input.trigger = 0);
        send(session, &self.last);
    }

    /// Whether the surgeon has come to an end, as far as it could bring the procedure.
    pub(super) fn is_done(&self) -> bool {
        self.surgeon.done()
    }

    /// What was done, phase by phase, and which steps the room says are done: null where it follows another procedure, or none.
    pub(super) fn report(&self, name: &str, session: &Session) -> Value {
        let followed = session.following().filter(|following| following.target.target() == Some(self.target));
        let steps = followed.and_then(|following| match &following.stand {
            Stand::Steps { status, .. } => Some(status),
            Stand::Looking | Stand::Impossible(_) => None,
        });
        let steps = steps.map(|status| {
            let told = |status: &WireStatus| match status {
                WireStatus::Open => "open",
                WireStatus::Lacking => "lacking",
                WireStatus::Done { .. } => "done",
                WireStatus::OutOfOrder { .. } => "out of order",
            };
            let steps = procedure_steps(&self.target);
            steps.iter().zip(status).map(|(step, status)| (step.id.to_owned(), json!(told(status)))).collect::<Map<_, _>>()
        });
        let phases: Vec<Value> = self
            .surgeon
            .reports()
            .iter()
            .map(
                |phase| json!({"phase": phase.name, "bites": phase.bites, "refused": phase.refused, "took": phase.occupancy > 0}),
            )
            .collect();
        let other = session.following().filter(|_| followed.is_none()).and_then(|following| following.target.target());
        json!({
            "room_follows": other.map(|target| target.words()),
            "name": name, "procedure": self.target.procedure.name(), "level": format!("L{}", self.target.level),
            "side": self.target.side.word(), "skill": self.skill.name(), "to_the_end": self.is_done(), "phases": phases,
            "steps": steps,
        })
    }
}

/// Prints a report for people.
pub(super) fn print(report: &Value) {
    let word = |key: &str| report[key].as_str().unwrap_or_default();
    let end = if report["to_the_end"] == json!(true) { "came to the end of the script" } else { "was still at it" };
    println!("{}: {} at {}, {}, {}; {end}", word("name"), word("procedure"), word("level"), word("side"), word("skill"));
    match report["steps"].as_object() {
        Some(status) => {
            // In the order in which they are done, which an object does not keep.
            let words = format!("procedure={} level={} side={}", word("procedure"), word("level"), word("side"));
            for step in Target::from_words(&words).iter().flat_map(procedure_steps) {
                println!("  {:18} {}", step.id, status.get(step.id).and_then(Value::as_str).unwrap_or_default());
            }
        }
        None if report["room_follows"].is_string() => {
            println!("  which steps are done is not known: the room follows another procedure ({})", word("room_follows"));
        }
        None => println!(
            "  which steps are done is not known: the room follows no such procedure (an attending chooses one, or serve --procedure)"
        ),
    }
}

/// Sends inputs; the number of the right hand's.
fn send(session: &mut Session, inputs: &[ToolInput]) -> Option<u32> {
    let mut right = None;
    for input in inputs {
        let seq = session.send_input(input.hand, input.tool, input.size_tenth_mm, input.pose, input.trigger);
        right = if input.hand == Hand::Right { Some(seq) } else { right };
    }
    right
}

/// A tool as the server told of it. Where its hand is, its heat, its load on nerves and the alarm's threshold are not in here, since no scripted
/// surgeon looks at them.
fn tool_state(view: &ToolView) -> Option<ToolState> {
    let level = [AlarmLevel::Clear, AlarmLevel::Caution, AlarmLevel::Danger].into_iter().find(|l| *l as u8 == view.alarm)?;
    let proxy = Pose::from(view.proxy);
    let input = ToolInput {
        user: UserId(view.user),
        hand: hand_from_number(view.hand).ok()?,
        seq: view.input_seq,
        tool: ToolKind::from_number(view.tool)?,
        size_tenth_mm: view.size_tenth_mm,
        pose: proxy,
        trigger: view.trigger,
    };
    Some(ToolState {
        input,
        proxy,
        load_millinewton: view.load_millinewton,
        spindle_rpm: view.spindle_rpm,
        in_bone: view.in_bone,
        neural_millinewton: 0,
        tenth_celsius: 0,
        feel: Feel::default(),
        removed: i64::from(view.removed),
        nearest: view.nearest.map(|(distance_um, label)| Nearest { structure: Label(label), distance_um }),
        level,
        warning: None,
        sounding: view.sounding,
        contact_ms: view.contact_ms,
        bone_left: None,
    })
}
