//! The figures of a session: `metrics.json`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use spinor_sim::{Event, Hand, UserId};
use spinor_volume::TissueClass;
use spinor_volume::cut::OCCUPANCY_PER_VOXEL;
use spinor_volume::query::remaining_volume_mm3;

use crate::definitions::{DEFINITIONS, Definition, NOT_MEASURED};
use crate::gather::{Sample, Session};

/// Speed of a tip below which a tool is idle, mm/s (K).
const IDLE_MM_PER_S: f64 = 2.0;
/// Ticks over which a peak speed is taken.
const PEAK_TICKS: u32 = 3;

/// All figures. Field names are the keys of `metrics.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "every figure is defined in `definitions`, which travels with it")]
pub struct Metrics {
    pub session: SessionInfo,
    pub duration_s: f64,
    pub removed_mm3: BTreeMap<String, f64>,
    pub left_mm3: BTreeMap<String, f64>,
    pub levels: BTreeMap<String, BTreeMap<String, f64>>,
    pub time: Times,
    pub users: BTreeMap<String, User>,
    pub safety: Safety,
    pub motion: BTreeMap<String, BTreeMap<String, Motion>>,
    pub definitions: Vec<Definition>,
    pub not_measured: Vec<&'static str>,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct SessionInfo {
    pub case: String,
    pub room: String,
    pub software: String,
    pub started_unix_s: u64,
    pub ticks: u32,
    pub torn_tail: bool,
    /// Ticks whose operations the simulation, run again, did not make as recorded: 0 means that distances and paths are exact.
    pub simulated_again_differing_ticks: u32,
    pub simulated_again_ticks: u32,
}

/// How time was spent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Times {
    pub removing_s: f64,
    pub share_removing: f64,
    pub idle_s: f64,
}

/// One person's part.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct User {
    pub role: String,
    pub removed_mm3: BTreeMap<String, f64>,
    pub removing_s: f64,
    pub neural_contacts: u32,
    pub pinches: u32,
    pub bites_refused: u32,
}

/// What endangered the patient.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Safety {
    pub thresholds_mm: BTreeMap<&'static str, f64>,
    pub structures: BTreeMap<String, StructureSafety>,
    pub contacts: Vec<Contact>,
    pub breakthroughs: u32,
    pub greatest_plunge_mm: f64,
}

/// One neural structure.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct StructureSafety {
    pub least_distance_mm: Option<f64>,
    pub caution_s: f64,
    pub danger_s: f64,
    pub contacts: u32,
    pub contact_s: f64,
    pub greatest_depth_mm: f64,
    pub pinches: u32,
    pub uncertainty_mm: f64,
    pub source: &'static str,
}

/// One contact with neural tissue.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Contact {
    pub structure: String,
    pub user: String,
    pub tool: &'static str,
    pub start_s: f64,
    pub seconds: f64,
    pub deepest_mm: f64,
    pub active_s: f64,
    /// Whether the session ended before the contact did; its time and depth are then lower bounds.
    pub open: bool,
}

/// How a tool moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Motion {
    pub held_s: f64,
    pub path_mm: f64,
    pub mean_mm_per_s: f64,
    pub peak_mm_per_s: f64,
}

/// Measures a session.
pub fn measure(session: &Session) -> Metrics {
    let patient = &session.patient;
    let (mut removed_mm3, mut left_mm3) = (BTreeMap::new(), BTreeMap::new());
    let mut levels: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for (k, structure) in patient.structures().iter().enumerate() {
        let left = remaining_volume_mm3(patient, &session.cut, k);
        let whole = spinor_volume::query::volume_mm3(patient.grid(), &structure.sdf);
        let (name, removed) = (structure.label.name(), whole - left);
        left_mm3.insert(name.clone(), left);
        let class = match structure.class {
            TissueClass::Bone => "bone",
            TissueClass::Flavum => "flavum",
            TissueClass::Disc => "disc",
            TissueClass::Neural => "neural",
        };
        if let Some(level) = structure.label.level() {
            *levels.entry(level).or_default().entry(class.to_owned()).or_default() += removed;
        }
        removed_mm3.insert(name, removed);
    }
    Metrics {
        session: SessionInfo {
            case: session.case.clone(),
            room: session.room.clone(),
            software: session.software.clone(),
            started_unix_s: session.started_unix_s,
            ticks: session.ticks[1].saturating_sub(session.ticks[0]),
            torn_tail: session.torn,
            simulated_again_differing_ticks: session.differing,
            simulated_again_ticks: session.simulated,
        },
        duration_s: session.duration_s(),
        removed_mm3,
        left_mm3,
        levels,
        time: times(session),
        users: users(session),
        safety: safety(session),
        motion: motion(session),
        definitions: DEFINITIONS.to_vec(),
        not_measured: NOT_MEASURED.to_vec(),
    }
}

/// Volume of an occupancy, mm³.
pub(crate) fn volume_mm3(session: &Session, occupancy: i64) -> f64 {
    occupancy as f64 / OCCUPANCY_PER_VOXEL as f64 * session.patient.grid().voxel_mm3()
}

fn removing_ticks(session: &Session, user: Option<UserId>) -> BTreeSet<u32> {
    let of = |event: &Event| matches!(event, Event::Removed { .. }) && user.is_none_or(|u| event.by().user == u);
    session.events.iter().filter(|(_, event)| of(event)).map(|(tick, _)| *tick).collect()
}

fn times(session: &Session) -> Times {
    let hz = f64::from(session.tick_hz.max(1));
    let removing = removing_ticks(session, None);
    let mut busy = removing.clone();
    for way in tracks(session).values() {
        let fast = |pair: &&[Sample]| step_mm(pair) * hz > IDLE_MM_PER_S;
        busy.extend(way.windows(2).filter(|pair| pair[1].tick == pair[0].tick + 1).filter(fast).map(|pair| pair[1].tick));
    }
    let ticks = session.ticks[1].saturating_sub(session.ticks[0]);
    let share = if ticks == 0 { 0.0 } else { removing.len() as f64 / f64::from(ticks) };
    let idle_s = f64::from(ticks.saturating_sub(busy.len() as u32)) / hz;
    Times { removing_s: removing.len() as f64 / hz, share_removing: share, idle_s }
}

fn users(session: &Session) -> BTreeMap<String, User> {
    let mut users = BTreeMap::new();
    let seen = session.people.keys().copied().chain(session.events.iter().map(|(_, e)| e.by().user.0));
    for number in seen.collect::<BTreeSet<u32>>() {
        let id = UserId(number);
        let mut user = User { role: session.people.get(&number).map_or_else(String::new, |p| p.role.clone()), ..User::default() };
        user.removing_s = removing_ticks(session, Some(id)).len() as f64 / f64::from(session.tick_hz.max(1));
        for (_, event) in session.events.iter().filter(|(_, e)| e.by().user == id) {
            match event {
                Event::Removed { structure, occupancy, .. } => {
                    *user.removed_mm3.entry(structure.name()).or_default() += volume_mm3(session, *occupancy);
                }
                Event::NeuralPinch { .. } => user.pinches += 1,
                Event::BiteRefused { .. } => user.bites_refused += 1,
                _ => {}
            }
        }
        user.neural_contacts = contacts(session).iter().filter(|c| c.user == session.name(id)).count() as u32;
        users.insert(session.name(id), user);
    }
    users
}

/// Contacts from their start and end events. A contact that becomes active has a second start event, which opens no second contact.
fn contacts(session: &Session) -> Vec<Contact> {
    let hz = f64::from(session.tick_hz.max(1));
    let mut open = BTreeMap::new();
    let mut done = Vec::new();
    for (tick, event) in &session.events {
        let by = event.by();
        let start = |structure: String, tick: u32, depth_um: i32| Contact {
            structure,
            user: session.name(by.user),
            tool: by.tool.word(),
            start_s: session.seconds(tick),
            seconds: f64::from(session.ticks[1].saturating_sub(tick)) / hz,
            deepest_mm: f64::from(depth_um) / 1_000.0,
            active_s: 0.0,
            open: true,
        };
        match event {
            Event::NeuralTouch { structure, depth_um, .. } => {
                let contact = open.entry((by, *structure)).or_insert_with(|| start(structure.name(), *tick, *depth_um));
                contact.deepest_mm = contact.deepest_mm.max(f64::from(*depth_um) / 1_000.0);
            }
            Event::NeuralLeave { structure, ticks, deepest_um, active_ticks, .. } => {
                let begun = open.remove(&(by, *structure));
                let contact = begun.unwrap_or_else(|| start(structure.name(), tick.saturating_sub(*ticks), *deepest_um));
                let (seconds, active_s) = (f64::from(*ticks) / hz, f64::from(*active_ticks) / hz);
                done.push(Contact { seconds, active_s, deepest_mm: f64::from(*deepest_um) / 1_000.0, open: false, ..contact });
            }
            _ => {}
        }
    }
    done.extend(open.into_values());
    done.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
    done
}

fn safety(session: &Session) -> Safety {
    let hz = f64::from(session.tick_hz.max(1));
    let mut safety = Safety { contacts: contacts(session), ..Safety::default() };
    safety.thresholds_mm = BTreeMap::from([("caution", session.thresholds_mm[0]), ("danger", session.thresholds_mm[1])]);
    for structure in session.patient.structures().iter().filter(|s| s.class == TissueClass::Neural) {
        let near = session.proximity.get(&structure.label).copied().unwrap_or_default();
        let name = structure.label.name();
        let own = || safety.contacts.iter().filter(|c| c.structure == name);
        let pinched = |e: &Event| matches!(e, Event::NeuralPinch { structure: s, .. } if *s == structure.label);
        let entry = StructureSafety {
            least_distance_mm: near.least_mm,
            caution_s: f64::from(near.caution_ticks) / hz,
            danger_s: f64::from(near.danger_ticks) / hz,
            contacts: own().count() as u32,
            contact_s: own().map(|c| c.seconds).sum(),
            greatest_depth_mm: own().map(|c| c.deepest_mm).fold(0.0, f64::max),
            pinches: session.events.iter().filter(|(_, e)| pinched(e)).count() as u32,
            uncertainty_mm: f64::from(structure.uncertainty_mm),
            source: structure.source.word(),
        };
        safety.structures.insert(name, entry);
    }
    for (_, event) in &session.events {
        if let Event::Breakthrough { plunge_um, .. } = event {
            safety.breakthroughs += 1;
            safety.greatest_plunge_mm = safety.greatest_plunge_mm.max(f64::from(*plunge_um) / 1_000.0);
        }
    }
    safety
}

/// Each hand's tool through time, as long as it is the same tool.
fn tracks(session: &Session) -> BTreeMap<(UserId, Hand, u8), Vec<Sample>> {
    let mut tracks: BTreeMap<(UserId, Hand, u8), Vec<Sample>> = BTreeMap::new();
    for sample in &session.samples {
        tracks.entry((sample.by.user, sample.by.hand, sample.by.tool as u8)).or_default().push(*sample);
    }
    tracks
}

fn step_mm(pair: &[Sample]) -> f64 {
    (0..3).map(|k| (pair[1].tip_mm[k] - pair[0].tip_mm[k]).powi(2)).sum::<f64>().sqrt()
}

fn motion(session: &Session) -> BTreeMap<String, BTreeMap<String, Motion>> {
    let hz = f64::from(session.tick_hz.max(1));
    let mut all: BTreeMap<String, BTreeMap<String, Motion>> = BTreeMap::new();
    for ((user, _, _), way) in tracks(session) {
        let Some(first) = way.first() else { continue };
        let motion = all.entry(session.name(user)).or_default().entry(first.by.tool.word().to_owned()).or_default();
        motion.held_s += way.len() as f64 / hz;
        // A gap in the ticks is a tool put down and taken up again elsewhere: no way was gone.
        let joined = |pair: &&[Sample]| pair[1].tick == pair[0].tick + 1;
        motion.path_mm += way.windows(2).filter(joined).map(step_mm).sum::<f64>();
        for window in way.windows(PEAK_TICKS as usize + 1) {
            let (a, b) = (window[0], window[PEAK_TICKS as usize]);
            if b.tick == a.tick + PEAK_TICKS {
                let speed = window.windows(2).map(step_mm).sum::<f64>() * hz / f64::from(PEAK_TICKS);
                motion.peak_mm_per_s = motion.peak_mm_per_s.max(speed);
            }
        }
        motion.mean_mm_per_s = if motion.held_s > 0.0 { motion.path_mm / motion.held_s } else { 0.0 };
    }
    all
}
