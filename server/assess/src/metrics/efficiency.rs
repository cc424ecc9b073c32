//! How time was spent.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use spinor_sim::{Event, Hand, ToolKind, UserId};

use super::volume_mm3;
use crate::again::Sample;
use crate::gather::Session;

/// Speed of a tip below which a tool is idle, mm/s (K).
const IDLE_MM_PER_S: f64 = 2.0;
/// Longest pause within one stroke of a burr, or within one catch in soft tissue, ticks: a quarter of a second (K).
const PAUSE_TICKS: u32 = 15;

/// How time was spent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Times {
    pub removing_s: f64,
    pub share_removing: f64,
    pub idle_s: f64,
    pub unseen_s: f64,
    pub running_s: f64,
    pub removed_per_s_mm3: Option<f64>,
    pub tool_changes: u32,
    pub strokes: u32,
    pub bites: u32,
    pub bites_refused: u32,
}

/// Each hand's tool through time, as long as it is the same tool.
pub(crate) fn tracks(session: &Session) -> BTreeMap<(UserId, Hand, u8), Vec<&Sample>> {
    let mut tracks: BTreeMap<(UserId, Hand, u8), Vec<&Sample>> = BTreeMap::new();
    for sample in &session.samples {
        tracks.entry((sample.by.user, sample.by.hand, sample.by.tool as u8)).or_default().push(sample);
    }
    tracks
}

/// The tip's way from one sample to the next, mm.
pub(crate) fn step_mm(a: &Sample, b: &Sample) -> f64 {
    let (a, b) = (a.tip_mm(), b.tip_mm());
    (0..3).map(|k| (b[k] - a[k]).powi(2)).sum::<f64>().sqrt()
}

/// Ticks in which somebody (or one person) took tissue.
pub(crate) fn removing_ticks(session: &Session, user: Option<UserId>) -> BTreeSet<u32> {
    let of = |event: &Event| matches!(event, Event::Removed { .. }) && user.is_none_or(|u| event.by().user == u);
    session.events.iter().filter(|(_, event)| of(event)).map(|(tick, _)| *tick).collect()
}

pub(crate) fn times(session: &Session, absent: &mut BTreeMap<String, String>) -> Times {
    let hz = f64::from(session.tick_hz.max(1));
    let removing = removing_ticks(session, None);
    let mut busy = removing.clone();
    for way in tracks(session).values() {
        let fast = |pair: &&[&Sample]| step_mm(pair[0], pair[1]) * hz > IDLE_MM_PER_S;
        let known = |pair: &&[&Sample]| pair[1].tick == pair[0].tick + 1 && !pair[1].gap;
        busy.extend(way.windows(2).filter(known).filter(fast).map(|pair| pair[1].tick));
    }
    let unseen = unseen(session, &busy);
    let ticks = session.ticks[1].saturating_sub(session.ticks[0]);
    let share = if ticks == 0 { 0.0 } else { removing.len() as f64 / f64::from(ticks) };
    let running: BTreeSet<u32> = session.samples.iter().filter(|s| s.by.tool.is_burr() && s.active).map(|s| s.tick).collect();
    let taken = session.events.iter().filter_map(|(_, e)| match e {
        Event::Removed { occupancy, .. } => Some(volume_mm3(session, *occupancy)),
        _ => None,
    });
    let taken: f64 = taken.sum();
    let removing_s = removing.len() as f64 / hz;
    if removing.is_empty() {
        absent.insert("time.removed_per_s_mm3".to_owned(), "nothing was taken".to_owned());
    }
    let refused = session.events.iter().filter(|(_, e)| matches!(e, Event::BiteRefused { .. })).count() as u32;
    Times {
        removing_s,
        share_removing: share,
        idle_s: f64::from(ticks.saturating_sub((busy.len() + unseen) as u32)) / hz,
        unseen_s: unseen as f64 / hz,
        running_s: running.len() as f64 / hz,
        removed_per_s_mm3: (!removing.is_empty()).then(|| taken / removing_s),
        tool_changes: tool_changes(session),
        strokes: strokes(session),
        bites: bites(session),
        bites_refused: refused,
    }
}

/// Ticks in which tools were held, but no hand's input was new: what the hands did is not known.
fn unseen(session: &Session, busy: &BTreeSet<u32>) -> usize {
    let mut stale: BTreeMap<u32, bool> = BTreeMap::new();
    for sample in &session.samples {
        *stale.entry(sample.tick).or_insert(true) &= sample.stale;
    }
    stale.into_iter().filter(|(tick, stale)| *stale && !busy.contains(tick)).count()
}

/// Times a hand took up a tool other than, or of another size than, the one it held last.
fn tool_changes(session: &Session) -> u32 {
    let mut held: BTreeMap<(UserId, Hand), (ToolKind, u8)> = BTreeMap::new();
    let mut changes = 0;
    for sample in &session.samples {
        let tool = (sample.by.tool, sample.size_tenth_mm);
        let before = held.insert((sample.by.user, sample.by.hand), tool);
        changes += u32::from(before.is_some_and(|before| before != tool));
    }
    changes
}

/// Ticks in which each tool took tissue.
fn taking(session: &Session, which: impl Fn(ToolKind) -> bool) -> BTreeMap<(UserId, Hand, u8), BTreeSet<u32>> {
    let mut all: BTreeMap<(UserId, Hand, u8), BTreeSet<u32>> = BTreeMap::new();
    for (tick, event) in &session.events {
        let by = event.by();
        if matches!(event, Event::Removed { .. }) && which(by.tool) {
            all.entry((by.user, by.hand, by.tool as u8)).or_default().insert(*tick);
        }
    }
    all
}

/// Runs of ticks in which a burr took tissue, ended by a quarter of a second without.
fn strokes(session: &Session) -> u32 {
    taking(session, ToolKind::is_burr).values().map(|ticks| spells(&ticks.iter().copied().collect::<Vec<_>>())).sum()
}

/// How often something happened that goes on over ticks, in their order: what comes a quarter of a second later or less is the same.
pub(crate) fn spells(ticks: &[u32]) -> u32 {
    let gaps = ticks.windows(2).filter(|pair| pair[1].saturating_sub(pair[0]) > PAUSE_TICKS).count();
    gaps as u32 + u32::from(!ticks.is_empty())
}

/// Closings of a tool other than a burr that took tissue.
fn bites(session: &Session) -> u32 {
    taking(session, |tool| !tool.is_burr()).values().map(|ticks| ticks.len() as u32).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks that follow each other closely are one stroke or catch, however many they are.
    #[test]
    fn what_goes_on_counts_once() {
        assert_eq!(spells(&[]), 0);
        assert_eq!(spells(&(100..356).collect::<Vec<_>>()), 1);
        assert_eq!(spells(&[100, 115, 131, 400]), 3);
    }
}
