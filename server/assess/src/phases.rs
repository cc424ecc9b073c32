//! Phases of the operation, found in the recording by what was taken, with what, and where.
//!
//! The session is cut into seconds. A second's activity is decided by what was taken within two seconds before and after it, if that was
//! more than 0.05 mm³:
//! - **bone removal**: most of it bone, with nothing left behind the tool;
//! - **undercutting**: most of it bone, with intact bone behind the tool (towards the back) most of the time;
//! - **flavum**: most of it ligamentum flavum;
//! - **disc**: most of it disc;
//! - **probing**: nothing was taken, and a probe, dissector or retractor was within the caution threshold of neural tissue;
//! - **approach**: none of these, and nothing has been taken in the session so far;
//! - **handling**: none of these, and a tool's tip moved faster than 2 mm/s;
//! - **idle**: none of these.
//!
//! Then pauses (handling or idle) of up to 5 s within one activity are counted to it, runs shorter than 3 s to the run before, and equal
//! neighbours become one phase. Work on another level is another phase. All lengths of time are common practice (K).

use std::collections::BTreeMap;

use serde::Serialize;
use spinor_sim::{Event, Hand, ToolKind, UserId};
use spinor_volume::TissueClass;

use crate::again::Sample;
use crate::gather::Session;
use crate::metrics::volume_mm3;
use crate::place::{Places, Side};

/// Seconds before and after one that decide its activity too.
const AROUND_S: usize = 2;
/// Longest pause that belongs to the activity around it, s.
const PAUSE_S: usize = 5;
/// Shortest phase, s.
const SHORTEST_S: usize = 3;
/// Speed of a tip from which a tool is moved, mm/s.
const MOVED_MM_PER_S: f64 = 2.0;

/// Volume from which something counts as taken, mm³ (K): less is the dust of a touch.
const LEAST_MM3: f64 = 0.05;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// Until something is taken for the first time.
    Approach,
    /// Bone from behind.
    BoneRemoval,
    /// Bone from beneath.
    Undercutting,
    /// Ligamentum flavum.
    Flavum,
    /// Disc.
    Disc,
    /// A blunt tool beside neural tissue.
    Probing,
    /// Tools moved, nothing taken.
    Handling,
    /// Nothing.
    Idle,
}

impl Activity {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Approach,
        Self::BoneRemoval,
        Self::Undercutting,
        Self::Flavum,
        Self::Disc,
        Self::Probing,
        Self::Handling,
        Self::Idle,
    ];

    /// One or two words for reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Approach => "approach",
            Self::BoneRemoval => "bone removal",
            Self::Undercutting => "undercutting",
            Self::Flavum => "flavum",
            Self::Disc => "disc",
            Self::Probing => "probing",
            Self::Handling => "handling",
            Self::Idle => "idle",
        }
    }

    /// The key in `phase_s`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::BoneRemoval => "bone_removal",
            other => other.word(),
        }
    }

    /// Whether it may be a pause within another activity.
    const fn is_pause(self) -> bool {
        matches!(self, Self::Handling | Self::Idle)
    }
}

/// One phase.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Phase {
    pub activity: Activity,
    pub level: Option<String>,
    pub side: Option<Side>,
    pub start_s: f64,
    pub seconds: f64,
    pub removed_mm3: BTreeMap<&'static str, f64>,
}

/// What one second held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Second {
    /// Volume taken by tissue class, mm³.
    pub taken_mm3: [f64; 4],
    /// How often a tool was looked at while it took tissue, and how often bone covered it.
    pub looks: [u32; 2],
    /// Whether a blunt tool was within the caution threshold.
    pub blunt_near: bool,
    /// Whether a tool's tip moved.
    pub moved: bool,
    /// Level and side of what was done, if anything was.
    pub at: Option<(String, Side)>,
}

/// The phases of a session.
pub fn find(session: &Session) -> Vec<Phase> {
    segment(&seconds_of(session), session.duration_s())
}

/// Time by activity, s.
pub fn seconds(phases: &[Phase]) -> BTreeMap<&'static str, f64> {
    let of = |activity: Activity| phases.iter().filter(|p| p.activity == activity).map(|p| p.seconds).sum::<f64>() + 0.0;
    Activity::ALL.into_iter().map(|activity| (activity.key(), of(activity))).collect()
}

/// Phases of a timeline of seconds; the last one ends with the session.
pub fn segment(timeline: &[Second], duration_s: f64) -> Vec<Phase> {
    let first = timeline.iter().position(|s| s.taken_mm3.iter().sum::<f64>() > LEAST_MM3).unwrap_or(timeline.len());
    let mut runs: Vec<Run> = Vec::new();
    for k in 0..timeline.len() {
        let activity = activity(timeline, k, first);
        join(&mut runs, Run { activity, level: level(timeline, k, activity), from: k, to: k + 1 });
    }
    let runs = absorb_short(absorb_pauses(runs));
    runs.into_iter().map(|run| phase(timeline, &run, duration_s)).collect()
}

/// Seconds of one activity at one level.
#[derive(Clone, Debug, PartialEq)]
struct Run {
    activity: Activity,
    level: Option<String>,
    from: usize,
    to: usize,
}

impl Run {
    fn len(&self) -> usize {
        self.to - self.from
    }
}

/// Adds a run, to the last one where it is the same.
fn join(runs: &mut Vec<Run>, run: Run) {
    match runs.last_mut() {
        Some(last) if last.activity == run.activity && last.level == run.level => last.to = run.to,
        _ => runs.push(run),
    }
}

fn absorb_pauses(runs: Vec<Run>) -> Vec<Run> {
    let mut out: Vec<Run> = Vec::new();
    for (k, run) in runs.iter().enumerate() {
        let before = out.last();
        let same = before.zip(runs.get(k + 1)).is_some_and(|(a, b)| a.activity == b.activity && a.level == b.level);
        let pause = run.activity.is_pause() && run.len() <= PAUSE_S && same;
        match out.last_mut() {
            Some(last) if pause => last.to = run.to,
            _ => join(&mut out, run.clone()),
        }
    }
    out
}

fn absorb_short(runs: Vec<Run>) -> Vec<Run> {
    let mut out: Vec<Run> = Vec::new();
    for run in runs {
        match out.last_mut() {
            Some(last) if run.len() < SHORTEST_S => last.to = run.to,
            // What came before was too short to stand, and had nothing before it to belong to.
            Some(last) if last.len() < SHORTEST_S => *last = Run { from: last.from, ..run },
            _ => join(&mut out, run),
        }
    }
    out
}

/// The seconds that decide about one.
fn around(timeline: &[Second], k: usize) -> &[Second] {
    &timeline[k.saturating_sub(AROUND_S)..(k + AROUND_S + 1).min(timeline.len())]
}

/// A second's activity; `first` is the second in which something was taken for the first time.
fn activity(timeline: &[Second], k: usize, first: usize) -> Activity {
    let around = around(timeline, k);
    let taken: [f64; 4] = std::array::from_fn(|class| around.iter().map(|s| s.taken_mm3[class]).sum());
    let most = TissueClass::ALL.into_iter().max_by(|a, b| taken[*a as usize].total_cmp(&taken[*b as usize]));
    if k >= first && taken.iter().sum::<f64>() > LEAST_MM3 {
        let [looks, covered] = [0, 1].map(|n| around.iter().map(|s| s.looks[n]).sum::<u32>());
        return match most {
            Some(TissueClass::Flavum) => Activity::Flavum,
            Some(TissueClass::Disc) => Activity::Disc,
            _ if 2 * covered > looks => Activity::Undercutting,
            _ => Activity::BoneRemoval,
        };
    }
    let Some(second) = timeline.get(k) else { return Activity::Idle };
    if second.blunt_near {
        Activity::Probing
    } else if k < first {
        Activity::Approach
    } else if second.moved {
        Activity::Handling
    } else {
        Activity::Idle
    }
}

/// The level worked on most around a second; none for pauses and the approach.
fn level(timeline: &[Second], k: usize, activity: Activity) -> Option<String> {
    if matches!(activity, Activity::Approach | Activity::Handling | Activity::Idle) {
        return None;
    }
    most(around(timeline, k).iter().filter_map(|s| s.at.as_ref().map(|(level, _)| level.clone())))
}

/// The most frequent value; of several the lowest.
fn most<T: Ord>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: BTreeMap<T, u32> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let highest = counts.values().copied().max()?;
    counts.into_iter().find(|(_, n)| *n == highest).map(|(value, _)| value)
}

fn phase(timeline: &[Second], run: &Run, duration_s: f64) -> Phase {
    let own = &timeline[run.from..run.to];
    let mut removed_mm3 = BTreeMap::new();
    for class in TissueClass::ALL {
        let sum: f64 = own.iter().map(|s| s.taken_mm3[class as usize]).sum();
        if sum > 0.0 {
            removed_mm3.insert(crate::metrics::class_word(class), sum);
        }
    }
    let start_s = run.from as f64;
    let end_s = if run.to == timeline.len() { duration_s } else { run.to as f64 };
    let side = run.level.as_ref().and_then(|_| most(own.iter().filter_map(|s| s.at.as_ref().map(|(_, side)| *side))));
    Phase { activity: run.activity, level: run.level.clone(), side, start_s, seconds: (end_s - start_s).max(0.0), removed_mm3 }
}

/// Whether a tool feels its way, or holds a nerve aside.
const fn is_probe(tool: ToolKind) -> bool {
    matches!(tool, ToolKind::Probe | ToolKind::Penfield | ToolKind::Retractor)
}

/// The seconds of a session.
pub(crate) fn seconds_of(session: &Session) -> Vec<Second> {
    let places = Places::of(&session.patient);
    let count = session.duration_s().ceil() as usize;
    let mut timeline = vec![Second::default(); count];
    let second = |tick: u32| session.seconds(tick) as usize;
    // Where the tool was that a removal belongs to.
    let mut tips: BTreeMap<(u32, UserId, Hand), [f64; 3]> = BTreeMap::new();
    let mut before: BTreeMap<(UserId, Hand), &Sample> = BTreeMap::new();
    for sample in &session.samples {
        let hand = (sample.by.user, sample.by.hand);
        let last = before.insert(hand, sample);
        let Some(entry) = timeline.get_mut(second(sample.tick)) else { continue };
        if sample.taken > 0 {
            tips.insert((sample.tick, hand.0, hand.1), sample.tip_mm());
        }
        if let Some(covered) = sample.covered {
            entry.looks[0] += 1;
            entry.looks[1] += u32::from(covered);
        }
        if let Some(last) = last.filter(|last| last.tick + 1 == sample.tick && !sample.gap) {
            let speed = crate::metrics::step_mm(last, sample) * f64::from(session.tick_hz);
            entry.moved |= speed > MOVED_MM_PER_S;
        }
        let near = sample.level > spinor_sim::AlarmLevel::Clear;
        if near && is_probe(sample.by.tool) && !entry.blunt_near {
            entry.blunt_near = true;
            // Not the nerve's own level: it passes two of them.
            let level = places.level_at(sample.tip_mm()[2]).map(str::to_owned);
            entry.at = level.map(|level| (level, places.side(sample.tip_mm())));
        }
    }
    let mut largest: Vec<f64> = vec![0.0; count];
    for (tick, event) in &session.events {
        let Event::Removed { by, structure, occupancy } = event else { continue };
        let k = second(*tick);
        let Some(entry) = timeline.get_mut(k) else { continue };
        let mm3 = volume_mm3(session, *occupancy);
        if let Some(class) = structure.class() {
            entry.taken_mm3[class as usize] += mm3;
        }
        if mm3 > largest[k] {
            largest[k] = mm3;
            let side = tips.get(&(*tick, by.user, by.hand)).map_or(Side::Middle, |tip| places.side(*tip));
            entry.at = structure.level().map(|level| (level, side));
        }
    }
    timeline
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bone(mm3: f64, covered: bool, level: &str) -> Second {
        let taken_mm3 = [mm3, 0.0, 0.0, 0.0];
        Second {
            taken_mm3,
            looks: [10, if covered { 10 } else { 0 }],
            moved: true,
            at: Some((level.into(), Side::Left)),
            ..Second::default()
        }
    }

    fn flavum() -> Second {
        Second {
            taken_mm3: [0.5, 4.0, 0.0, 0.0],
            looks: [1, 0],
            moved: true,
            at: Some(("L4".into(), Side::Right)),
            ..Second::default()
        }
    }

    fn probing() -> Second {
        Second { blunt_near: true, moved: true, at: Some(("L5".into(), Side::Right)), ..Second::default() }
    }

    fn moving() -> Second {
        Second { moved: true, ..Second::default() }
    }

    fn named(phases: &[Phase]) -> Vec<(&'static str, f64, f64)> {
        phases.iter().map(|p| (p.activity.word(), p.start_s, p.seconds)).collect()
    }

    /// An operation in its usual order is found phase by phase; the seconds around a change belong to what took more.
    #[test]
    fn a_whole_operation_is_found_in_order() {
        let mut timeline = vec![moving(); 10];
        timeline.extend(vec![bone(3.0, false, "L4"); 20]);
        timeline.extend(vec![bone(3.0, true, "L4"); 15]);
        timeline.extend(vec![flavum(); 12]);
        timeline.extend(vec![Second::default(); 10]);
        timeline.extend(vec![probing(); 8]);
        let phases = segment(&timeline, 74.5);
        let words: Vec<&str> = phases.iter().map(|p| p.activity.word()).collect();
        assert_eq!(words, ["approach", "bone removal", "undercutting", "flavum", "idle", "probing"], "{:?}", named(&phases));
        // Two seconds of looking ahead move a change by at most two seconds.
        for (phase, start) in phases.iter().zip([0.0, 10.0, 30.0, 45.0, 57.0, 67.0]) {
            assert!((phase.start_s - start).abs() <= 2.0, "{:?}", named(&phases));
        }
        assert!((phases.iter().map(|p| p.seconds).sum::<f64>() - 74.5).abs() < 1e-9, "phases cover the session");
        assert_eq!(phases[1].level.as_deref(), Some("L4"));
        assert_eq!((phases[1].side, phases[5].side), (Some(Side::Left), Some(Side::Right)));
        assert_eq!(phases[5].level.as_deref(), Some("L5"));
        let flavum = &phases[3].removed_mm3;
        assert!(flavum["flavum"] > 8.0 * flavum["bone"] * 0.9, "{flavum:?}");
        assert_eq!(phases[0].level, None);
    }

    /// Short pauses do not divide an activity, long ones do; and another level is another phase.
    #[test]
    fn pauses_and_levels_divide_as_they_should() {
        let work = |n: usize| vec![bone(1.0, false, "L4"); n];
        let mut short = work(10);
        short.extend(vec![moving(); 8]);
        short.extend(work(10));
        // Of eight seconds two on each side are still within reach of the work: four are left.
        assert_eq!(segment(&short, 28.0).len(), 1, "{:?}", named(&segment(&short, 28.0)));
        let mut long = work(10);
        long.extend(vec![moving(); 14]);
        long.extend(work(10));
        let phases = segment(&long, 34.0);
        assert_eq!(phases.iter().map(|p| p.activity.word()).collect::<Vec<_>>(), ["bone removal", "handling", "bone removal"]);
        let mut levels = work(10);
        levels.extend(vec![bone(1.0, false, "L5"); 10]);
        let phases = segment(&levels, 20.0);
        assert_eq!(phases.iter().map(|p| p.level.as_deref()).collect::<Vec<_>>(), [Some("L4"), Some("L5")]);
    }

    /// One bite of flavum among bone is no phase, and nothing at all is none either.
    #[test]
    fn single_bites_make_no_phase() {
        let mut timeline = vec![bone(3.0, false, "L4"); 12];
        timeline[6] = flavum();
        assert_eq!(segment(&timeline, 12.0).len(), 1);
        assert!(segment(&[], 0.0).is_empty());
        let still = segment(&[Second::default(), Second::default()], 1.5);
        assert_eq!(named(&still), [("approach", 0.0, 1.5)]);
    }
}
