//! What endangered the patient.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use spinor_sim::{AlarmLevel, Event, Hand, UserId};
use spinor_volume::{Label, Source, Structure, TissueClass};

use super::contacts::{Contact, ToolContacts, by_tool};
use super::efficiency::tracks;
use super::harm::{Harm, harm};
use super::motion::{runs, smoothed};
use super::tissue::{Tissues, tissues};
use crate::again::Sample;
use crate::filter::quantile;
use crate::gather::Session;

/// How far a tool must go back from its nearest place for an alarm to count as answered, and from its deepest for a plunge to be over, mm (K).
const RETREAT_MM: f64 = 0.3;
/// How much wider than its head the way of a burr that goes on through its hole may become, mm (K).
const WIDENS_MM: f64 = 3.0;
/// Cosine of the angle by which a burr that goes on through its hole may turn (K: 25°).
const SWUNG_COS: f64 = 0.9;
/// How long a tool must stay back, or let go, for that to be an answer: a quarter of a second (K).
const LASTING_TICKS: usize = 15;
/// How long an answer to an alarm is waited for, s (K).
const REACTION_S: f64 = 10.0;
/// What comes sooner after an alarm than this answers nothing that was heard, s: it was under way before. Source: the usual bound of
/// reaction times, below which responses count as anticipated (Luce 1986, Response Times).
const FASTEST_S: f64 = 0.1;
/// Load from which bone holds a burr that came through again, mN: that from which a stopped tool counts as touching bone (K).
const HELD_MILLINEWTON: u32 = 30;
/// How long after a breakthrough the tool's way counts as plunge, s (K).
const PLUNGE_S: f64 = 0.5;

/// What endangered the patient.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Safety {
    pub thresholds_mm: BTreeMap<&'static str, f64>,
    pub structures: BTreeMap<String, StructureSafety>,
    pub contacts: Vec<Contact>,
    pub contacts_by_tool: BTreeMap<String, BTreeMap<String, ToolContacts>>,
    pub breakthroughs: u32,
    pub greatest_plunge_mm: Option<f64>,
    pub plunges: Vec<Plunge>,
    pub alarms: Alarms,
    pub danger_s: f64,
    pub running_in_danger_s: f64,
    pub danger_speed_p95_mm_per_s: Option<f64>,
    pub peak_load_newton: Option<f64>,
    pub harm: Harm,
    pub tissues: Tissues,
}

/// One neural structure.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct StructureSafety {
    pub least_distance_mm: Option<f64>,
    pub caution_s: f64,
    pub danger_s: f64,
    pub contacts: u32,
    pub active_contacts: u32,
    pub contact_s: f64,
    pub active_s: f64,
    pub greatest_depth_mm: f64,
    pub pinches: u32,
    pub uncertainty_mm: f64,
    pub caution_mm: f64,
    pub danger_mm: f64,
    pub source: &'static str,
}

/// A burr that came through bone.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Plunge {
    pub at_s: f64,
    pub user: String,
    pub tool: &'static str,
    pub first_mm: f64,
    pub reach_mm: Option<f64>,
    pub least_distance_mm: Option<f64>,
}

/// The alarm through the session.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Alarms {
    pub to_caution: u32,
    pub to_danger: u32,
    pub heard_s: f64,
    pub share_heard: f64,
    pub median_reaction_s: Option<f64>,
    pub longest_reaction_s: Option<f64>,
    pub unanswered: u32,
    pub rises: Vec<AlarmRise>,
}

/// A level that rose to danger.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct AlarmRise {
    pub at_s: f64,
    pub user: String,
    pub tool: &'static str,
    pub structure: String,
    pub distance_mm: Option<f64>,
    pub threshold_mm: f64,
    pub heard: bool,
    pub stalled: bool,
    pub under_way: bool,
    pub reaction_s: Option<f64>,
}

/// Of which neural structures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// All.
    All,
    /// Those that were seen: all but the proposed ones.
    Seen,
}

impl Of {
    /// Whether a structure is one of them.
    pub(crate) fn holds(self, session: &Session, label: Label) -> bool {
        self == Self::All || session.patient.structure(label).is_none_or(|s| s.source != Source::Proposed)
    }

    /// The gravest threshold of theirs that a tool was within.
    fn within(self, sample: &Sample) -> AlarmLevel {
        match self {
            Self::All => sample.within,
            Self::Seen => sample.within_seen,
        }
    }
}

pub(crate) fn safety(session: &Session, contacts: &[Contact], of: Of, absent: &mut BTreeMap<String, String>) -> Safety {
    let contacts: Vec<Contact> = contacts.iter().filter(|c| of.holds(session, c.label)).cloned().collect();
    let hz = f64::from(session.tick_hz.max(1));
    let hands = hands(session);
    let plunges = plunges(session, &hands);
    // By the same distances and thresholds as each structure's own time, so that a part is never more than the whole.
    let danger = |s: &&Sample| of.within(s) == AlarmLevel::Danger;
    let near: BTreeSet<u32> = session.samples.iter().filter(danger).map(|s| s.tick).collect();
    let running: BTreeSet<u32> = session.samples.iter().filter(danger).filter(|s| s.active).map(|s| s.tick).collect();
    let speed = danger_speed(session, of);
    if speed.is_none() {
        absent.insert("safety.danger_speed_p95_mm_per_s".to_owned(), "no tool moved within the danger threshold".to_owned());
    }
    let peak = session.samples.iter().filter(|s| s.in_bone).map(|s| s.load_millinewton).max();
    if peak.is_none() {
        absent.insert("safety.peak_load_newton".to_owned(), "no tool touched bone".to_owned());
    }
    if plunges.is_empty() {
        absent.insert("safety.greatest_plunge_mm".to_owned(), "no loaded burr came through bone".to_owned());
    }
    Safety {
        thresholds_mm: BTreeMap::from([("caution", session.thresholds_mm[0]), ("danger", session.thresholds_mm[1])]),
        structures: structures(session, &contacts, of, absent),
        contacts_by_tool: by_tool(&contacts),
        contacts,
        breakthroughs: plunges.len() as u32,
        greatest_plunge_mm: plunges.iter().map(|p| p.first_mm).max_by(f64::total_cmp),
        plunges,
        alarms: alarms(session, &hands, of, absent),
        danger_s: near.len() as f64 / hz,
        running_in_danger_s: running.len() as f64 / hz,
        danger_speed_p95_mm_per_s: speed,
        harm: harm(session, of, absent),
        tissues: tissues(session, of, absent),
        peak_load_newton: peak.map(|mn| f64::from(mn) / 1_000.0),
    }
}

fn structures(
    session: &Session,
    contacts: &[Contact],
    of: Of,
    absent: &mut BTreeMap<String, String>,
) -> BTreeMap<String, StructureSafety> {
    let hz = f64::from(session.tick_hz.max(1));
    let mut all = BTreeMap::new();
    let neural = |s: &&Structure| s.class == TissueClass::Neural && of.holds(session, s.label);
    for structure in session.patient.structures().iter().filter(neural) {
        let near = session.proximity.get(&structure.label).copied().unwrap_or_default();
        let name = structure.label.name();
        let own = || contacts.iter().filter(|c| c.structure == name);
        let pinched = |e: &Event| matches!(e, Event::NeuralPinch { structure: s, .. } if *s == structure.label);
        if near.least_mm.is_none() {
            let key = format!("safety.structures.{name}.least_distance_mm");
            absent.insert(key, "no tool came within reach of the measurement".to_owned());
        }
        let [caution_mm, danger_mm] = session.thresholds_of(structure.label, session.ticks[1]);
        let entry = StructureSafety {
            least_distance_mm: near.least_mm,
            caution_s: f64::from(near.caution_ticks) / hz,
            danger_s: f64::from(near.danger_ticks) / hz,
            contacts: own().count() as u32,
            active_contacts: own().filter(|c| c.active).count() as u32,
            contact_s: own().map(|c| c.seconds).sum::<f64>() + 0.0,
            active_s: own().map(|c| c.active_s).sum::<f64>() + 0.0,
            greatest_depth_mm: own().map(|c| c.deepest_mm).fold(0.0, f64::max),
            pinches: session.events.iter().filter(|(_, e)| pinched(e)).count() as u32,
            uncertainty_mm: f64::from(structure.uncertainty_mm),
            caution_mm,
            danger_mm,
            source: structure.source.word(),
        };
        all.insert(name, entry);
    }
    all
}

/// What each hand did, whatever tool it held.
type Hands<'a> = BTreeMap<(UserId, Hand), Vec<&'a Sample>>;

fn hands(session: &Session) -> Hands<'_> {
    let mut hands: Hands<'_> = BTreeMap::new();
    for sample in &session.samples {
        hands.entry((sample.by.user, sample.by.hand)).or_default().push(sample);
    }
    hands
}

/// A hand's samples from one tick on, for a while.
fn after<'a>(hands: &Hands<'a>, hand: (UserId, Hand), from: u32, ticks: u32) -> Vec<&'a Sample> {
    let Some(way) = hands.get(&hand) else { return Vec::new() };
    let start = way.partition_point(|s| s.tick < from);
    way[start..].iter().take_while(|s| s.tick <= from.saturating_add(ticks)).copied().collect()
}

fn plunges(session: &Session, hands: &Hands<'_>) -> Vec<Plunge> {
    let ticks = (PLUNGE_S * f64::from(session.tick_hz)) as u32;
    let mut all = Vec::new();
    for (tick, event) in &session.events {
        let Event::Breakthrough { by, plunge_um } = event else { continue };
        let way = after(hands, (by.user, by.hand), tick.saturating_sub(1), ticks + 1);
        all.push(Plunge {
            at_s: session.seconds(*tick),
            user: session.name(by.user),
            tool: by.tool.word(),
            first_mm: f64::from(*plunge_um) / 1_000.0,
            // Over a pause of the server the hand went on without seeing or hearing that it was through.
            reach_mm: reach_mm(&way).filter(|_| way.iter().skip(1).all(|s| !s.gap)),
            least_distance_mm: way.iter().filter_map(|s| s.nearest_mm()).reduce(f64::min),
        });
    }
    all
}

/// How far the tip went deeper, along the direction in which the tool pointed, from where it was a tick before it came through, until bone
/// held it again, it was drawn back, had turned, or had gone aside by more than the radius of its head beyond 45° or by 3 mm more than that
/// radius: what comes after that is drilling, or the way to another place. None without such a tick.
fn reach_mm(way: &[&Sample]) -> Option<f64> {
    let from = way.first()?;
    let hole_mm = f64::from(from.size_tenth_mm) / 20.0;
    let mut reach = 0.0_f64;
    for (k, sample) in way.iter().enumerate() {
        let by: [f64; 3] = std::array::from_fn(|k| sample.tip_mm()[k] - from.tip_mm()[k]);
        let on: f64 = (0..3).map(|k| by[k] * f64::from(from.forward[k])).sum();
        let aside = (by.iter().map(|v| v * v).sum::<f64>() - on * on).max(0.0).sqrt();
        let held = k > 0 && sample.in_bone && sample.load_millinewton >= HELD_MILLINEWTON;
        let swung = (0..3).map(|k| f64::from(sample.forward[k]) * f64::from(from.forward[k])).sum::<f64>() < SWUNG_COS;
        if held || on < reach - RETREAT_MM || aside > hole_mm + on.clamp(0.0, WIDENS_MM) || swung {
            break;
        }
        reach = reach.max(on);
    }
    (way.len() > 1).then_some(reach)
}

fn alarms(session: &Session, hands: &Hands<'_>, of: Of, absent: &mut BTreeMap<String, String>) -> Alarms {
    let hz = f64::from(session.tick_hz.max(1));
    let heard: BTreeSet<u32> = session.samples.iter().filter(|s| s.sounding).map(|s| s.tick).collect();
    let ticks = session.ticks[1].saturating_sub(session.ticks[0]);
    let mut alarms = Alarms {
        heard_s: heard.len() as f64 / hz,
        share_heard: if ticks == 0 { 0.0 } else { heard.len() as f64 / f64::from(ticks) },
        ..Alarms::default()
    };
    for (tick, event) in &session.events {
        let Event::Alarm { by, was, warning, sounding } = event else { continue };
        if warning.level <= *was || !of.holds(session, warning.structure) {
            continue;
        }
        if warning.level != AlarmLevel::Danger {
            alarms.to_caution += 1;
            continue;
        }
        alarms.to_danger += 1;
        let until = tick.saturating_add((REACTION_S * hz) as u32);
        let way = after(hands, (by.user, by.hand), *tick, (REACTION_S * hz) as u32);
        let reaction = reaction_ticks(&way, (REACTION_S * hz) as u32, session.recorded[1]);
        let answered = reaction.map_or(until, |ticks| tick + ticks);
        let stalled = session.stalls.iter().any(|stall| (*tick + 1..=answered).contains(&stall.tick));
        // The hand already drew back or let go when the level rose.
        let under_way = reaction.is_some_and(|ticks| f64::from(ticks) < FASTEST_S * hz);
        let distance = (warning.distance_um != i32::MAX).then(|| f64::from(warning.distance_um) / 1_000.0);
        alarms.rises.push(AlarmRise {
            at_s: session.seconds(*tick),
            user: session.name(by.user),
            tool: by.tool.word(),
            structure: warning.structure.name(),
            distance_mm: distance,
            threshold_mm: f64::from(warning.threshold_um) / 1_000.0,
            heard: *sounding,
            stalled,
            under_way,
            // What was not heard asked for nothing. Ticks do not tell how long an answer took while the server stood still.
            reaction_s: reaction.filter(|_| *sounding && !stalled && !under_way).map(|ticks| f64::from(ticks) / hz),
        });
    }
    let mut reactions: Vec<f64> = alarms.rises.iter().filter_map(|r| r.reaction_s).collect();
    alarms.unanswered =
        alarms.rises.iter().filter(|r| r.heard && r.reaction_s.is_none() && !r.stalled && !r.under_way).count() as u32;
    alarms.longest_reaction_s = reactions.iter().copied().reduce(f64::max);
    alarms.median_reaction_s = quantile(&mut reactions, 0.5);
    if reactions.is_empty() {
        let why = match alarms.to_danger {
            0 => "no level rose to danger",
            _ if alarms.rises.iter().all(|r| !r.heard) => "no alarm was heard when it rose to danger",
            _ if alarms.rises.iter().any(|r| r.stalled) => {
                "no rise to danger that was heard was answered after 0.1 s and within 10 s, or the server stood still meanwhile"
            }
            _ => "no rise to danger that was heard was answered after 0.1 s and within 10 s",
        };
        for key in ["median_reaction_s", "longest_reaction_s"] {
            absent.insert(format!("safety.alarms.{key}"), why.to_owned());
        }
    }
    alarms
}

/// Ticks until a rise to danger was answered: the trigger let go, the tool put down, or taken back from its nearest place. None when
/// nothing of it came in time, or the session ended first (`end` is the tick after its last).
fn reaction_ticks(way: &[&Sample], most: u32, end: u32) -> Option<u32> {
    let first = way.first()?;
    let distance = |s: &Sample| s.nearest_mm().unwrap_or(f64::INFINITY);
    let mut least = f64::INFINITY;
    for (k, sample) in way.iter().enumerate() {
        least = least.min(distance(sample));
        let answers = |s: &&Sample| distance(s) > least + RETREAT_MM || (first.active && !s.active) || s.by.tool != first.by.tool;
        // A tremor or a spindle that stutters is no answer: it has to last.
        if way.get(k..k + LASTING_TICKS).is_some_and(|lasting| lasting.iter().all(answers)) {
            return Some(sample.tick - first.tick);
        }
    }
    let last = way.last()?.tick;
    let put_down = last - first.tick < most && last + 1 < end;
    put_down.then_some(last + 1 - first.tick)
}

/// The speed that hands within the danger threshold stayed below for 95 % of the time.
fn danger_speed(session: &Session, of: Of) -> Option<f64> {
    let hz = f64::from(session.tick_hz.max(1));
    let mut speeds = Vec::new();
    for way in tracks(session).values() {
        for run in runs(way) {
            let near = smoothed(run, hz).into_iter().filter(|(sample, _)| of.within(sample) == AlarmLevel::Danger);
            speeds.extend(near.map(|(_, d)| d.speed));
        }
    }
    quantile(&mut speeds, 0.95)
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinor_sim::{Holder, Nearest, ToolKind};

    fn holder(tool: ToolKind) -> Holder {
        Holder { user: UserId(1), hand: Hand::Right, tool }
    }

    /// A burr from tick 100 on, at so many micrometres from the sac, running or not.
    fn way(of: &[(i32, bool)]) -> Vec<Sample> {
        let sample = |(k, (um, active)): (usize, &(i32, bool))| Sample {
            nearest: Some(Nearest { structure: Label::DURAL_SAC, distance_um: *um }),
            active: *active,
            ..Sample::at_rest(100 + k as u32, holder(ToolKind::FlutedBurr))
        };
        of.iter().enumerate().map(sample).collect()
    }

    fn ticks(way: &[Sample], end: u32) -> Option<u32> {
        reaction_ticks(&way.iter().collect::<Vec<_>>(), 600, end)
    }

    /// An alarm is answered by letting go, by going back from the nearest place, by another tool or none; not by the end of the session.
    #[test]
    fn reactions_are_told_from_none() {
        let deeper: Vec<(i32, bool)> = (0..20).map(|k| (2_000 - 50 * k, true)).collect();
        assert_eq!(ticks(&way(&deeper), 120), None, "the session ended");
        assert_eq!(ticks(&way(&deeper), 500), Some(20), "put down");
        let mut let_go = deeper.clone();
        let_go.extend(vec![(900, false); 30]);
        assert_eq!(ticks(&way(&let_go), 150), Some(20));
        // 1,050 µm was the nearest; 0.3 mm back from there is beyond 1,350.
        let mut back = deeper.clone();
        back.extend([(1_200, true), (1_340, true)]);
        back.extend(vec![(1_360, true); 30]);
        assert_eq!(ticks(&way(&back), 152), Some(22));
        let mut changed = way(&back[..40]);
        changed[12..].iter_mut().for_each(|s| s.by = holder(ToolKind::Probe));
        assert_eq!(ticks(&changed, 140), Some(12));
        // Shaking by a millimetre ten times a second is no answer.
        let shaking: Vec<(i32, bool)> = (0..601).map(|k| (1_500 + if k / 3 % 2 == 0 { 500 } else { -500 }, true)).collect();
        assert_eq!(ticks(&way(&shaking), 5_000), None);
        assert_eq!(ticks(&[], 120), None);
        let long = way(&vec![(1_000, true); 601]);
        assert_eq!(ticks(&long, 5_000), None, "nothing came in ten seconds");
    }

    /// A plunge counts in the direction in which the tool points, through the hole that was made, and until the tool comes back: neither what
    /// it wanders aside nor where it is taken next.
    #[test]
    fn plunges_reach_as_far_as_the_burr_went_on() {
        let at = |tip_um: [i32; 3]| Sample { tip_um, ..Sample::at_rest(0, holder(ToolKind::FlutedBurr)) };
        // The head has a radius of 1.5 mm.
        let reach = |of: &[[i32; 3]]| {
            let way: Vec<Sample> = of.iter().copied().map(at).collect();
            reach_mm(&way.iter().collect::<Vec<_>>())
        };
        assert_eq!(reach(&[[0, 0, 0], [0, -800, 0], [1_000, -2_500, 0], [1_200, -2_400, 0]]), Some(2.5), "down and askew");
        assert_eq!(reach(&[[0, 0, 0], [0, -800, 0], [5_000, -2_500, 0]]), Some(0.8), "beside the hole");
        assert_eq!(reach(&[[0, 0, 0], [0, -800, 0], [0, -400, 0], [0, -9_000, 0]]), Some(0.8), "drawn back, and down again");
        assert_eq!(reach(&[[0, 0, 0], [0, 4_000, 0]]), Some(0.0), "lifted");
        let mut bone = [[0, 0, 0], [0, -1_500, 0], [0, -1_700, 0], [0, -8_000, 0]].map(at);
        bone[0] = Sample { in_bone: true, load_millinewton: 900, ..bone[0] };
        bone[2] = Sample { in_bone: true, load_millinewton: 400, ..bone[2] };
        assert_eq!(reach_mm(&bone.iter().collect::<Vec<_>>()), Some(1.5), "drills on in other bone");
        assert_eq!(reach(&[[0, 0, 0]]), None);
        assert_eq!(
            reach(&[[0, 0, 0], [0, -1_000, 0], [8_000, -12_000, 0]]),
            Some(1.0),
            "far aside on the way down to another place"
        );
        let mut swung = [[0, 0, 0], [0, -1_000, 0], [0, -9_000, 0]].map(at);
        swung[2] = Sample { forward: [0.8, -0.6, 0.0], ..swung[2] };
        assert_eq!(reach_mm(&swung.iter().collect::<Vec<_>>()), Some(1.0), "turned to another place");
    }
}
