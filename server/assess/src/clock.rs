//! When a hand was where.
//!
//! A recording counts the server's ticks, and it holds no clock. A server that stands still (a machine that is too slow, a disk that does not
//! answer) skips time: its next tick finds the hand farther on than any hand gets in a sixtieth of a second. What it lost is nevertheless
//! known, for a client numbers its inputs, one a frame, whatever the server does. Here each input gets its own time by these numbers, so that
//! a jump over a pause of the server is no speed of the hand, and a tick without a new input is no standing still.

use std::collections::BTreeMap;

use spinor_sim::{Hand, UserId};

use crate::again::Sample;

/// Ticks by which an input's number must be ahead of the ticks for the server to have stood still: less is the jitter of a network.
const STALL_TICKS: f64 = 3.0;
/// Longest way from one input to the next that a hand is followed over, ticks; a longer one is a gap.
const GAP_TICKS: f64 = 3.5;
/// Ticks without a new input after which nobody knows what a hand does.
const STALE_TICKS: u32 = 3;
/// Most ticks that late inputs are held against the ones that come in a bundle behind them.
const MOST_DEBT_TICKS: f64 = 12.0;
/// Within so many ticks, what the server catches up belongs to the time it had stood still.
const CATCH_UP_TICKS: u32 = 12;
/// Steps before and after one that its rate of inputs is taken over: half a second each.
const AROUND: usize = 30;

/// The server stood still.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stall {
    /// The tick after it.
    pub tick: u32,
    /// How long, in ticks.
    pub ticks: f64,
}

/// From one input to the next of a hand that goes on holding a tool.
#[derive(Clone, Copy)]
struct Step {
    /// Place of its end in the samples.
    to: usize,
    ticks: f64,
    inputs: f64,
}

impl Step {
    /// By how many ticks the hand is ahead of the server, at so many inputs a tick.
    fn ahead(&self, rate: f64) -> f64 {
        self.inputs / rate - self.ticks
    }

    fn is_regular(&self, rate: f64) -> bool {
        self.ahead(rate).abs() < STALL_TICKS
    }
}

/// Gives each sample its hand's own time, marks gaps and samples without news, and returns when the server stood still. `excused` are ticks
/// at which time was let stand still: after a pause, say.
pub(crate) fn mark(samples: &mut [Sample], excused: &dyn Fn(u32) -> bool) -> Vec<Stall> {
    let mut hands: BTreeMap<(UserId, Hand), Vec<usize>> = BTreeMap::new();
    for (k, sample) in samples.iter().enumerate() {
        hands.entry((sample.by.user, sample.by.hand)).or_default().push(k);
    }
    let mut all: Vec<Stall> = Vec::new();
    for places in hands.into_values() {
        let stretches = fresh(samples, &places);
        let steps: Vec<Step> = stretches.iter().flatten().copied().collect();
        let rate = rate(&steps);
        let mut at = 0;
        for stretch in &stretches {
            let around = steps.get(at.max(AROUND) - AROUND..(at + stretch.len() + AROUND).min(steps.len())).unwrap_or_default();
            time(samples, stretch, around, at.min(AROUND), rate);
            at += stretch.len();
        }
        spread(samples, &places);
        all.extend(stalls(samples, &steps, rate).into_iter().filter(|stall| !excused(stall.tick)));
    }
    merged(all)
}

/// Marks which samples came with a new input, and returns the steps between those, divided where a tool was put down or numbers began anew.
fn fresh(samples: &mut [Sample], places: &[usize]) -> Vec<Vec<Step>> {
    let mut stretches: Vec<Vec<Step>> = vec![Vec::new()];
    let mut before: Option<(u32, u32)> = None;
    let mut last: Option<(u32, u32)> = None;
    for place in places {
        let Some(sample) = samples.get_mut(*place) else { continue };
        let now = (sample.tick, sample.seq);
        let held = before.is_some_and(|(tick, _)| tick + 1 == sample.tick);
        sample.fresh = !held || before.is_some_and(|(_, seq)| seq != sample.seq);
        sample.stale = last.is_some_and(|(tick, _)| !sample.fresh && sample.tick - tick >= STALE_TICKS);
        sample.hand_ticks = f64::from(sample.tick);
        before = Some(now);
        if !sample.fresh {
            continue;
        }
        match last.filter(|(_, seq)| held && sample.seq > *seq) {
            Some((tick, seq)) => {
                let step = Step { to: *place, ticks: f64::from(now.0 - tick), inputs: f64::from(now.1 - seq) };
                stretches.last_mut().into_iter().for_each(|stretch| stretch.push(step));
            }
            None => {
                sample.gap = true;
                stretches.push(Vec::new());
            }
        }
        last = Some(now);
    }
    stretches
}

/// Inputs a tick: the weighted median, then the mean of the steps that agree with it.
fn rate(steps: &[Step]) -> f64 {
    let mut sorted: Vec<(f64, f64)> = steps.iter().map(|s| (s.inputs / s.ticks, s.ticks)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half: f64 = steps.iter().map(|s| s.ticks).sum::<f64>() / 2.0;
    let mut sum = 0.0;
    let median = sorted.iter().find(|(_, ticks)| {
        sum += ticks;
        sum >= half
    });
    median.map_or(1.0, |(median, _)| mean(steps, *median))
}

/// Inputs a tick of the steps that agree with a rate; that rate, where none does.
fn mean(steps: &[Step], rate: f64) -> f64 {
    let regular = || steps.iter().filter(|s| s.is_regular(rate));
    let ticks: f64 = regular().map(|s| s.ticks).sum();
    if ticks > 0.0 { regular().map(|s| s.inputs).sum::<f64>() / ticks } else { rate }
}

/// The hand's own time along a stretch, by the rate about each step; `around` holds the stretch from `first` on.
fn time(samples: &mut [Sample], stretch: &[Step], around: &[Step], first: usize, rate: f64) {
    let Some(start) = stretch.first() else { return };
    let mut now = samples.get(start.to).map_or(0.0, |s| f64::from(s.tick)) - start.ticks;
    for (k, step) in stretch.iter().enumerate() {
        let at = first + k;
        let near = around.get(at.max(AROUND) - AROUND..(at + AROUND + 1).min(around.len())).unwrap_or_default();
        let long = step.inputs / mean(near, rate);
        now += long;
        if let Some(sample) = samples.get_mut(step.to) {
            (sample.hand_ticks, sample.gap) = (now, long > GAP_TICKS);
        }
    }
}

/// Samples without news have the time of the input that they show.
fn spread(samples: &mut [Sample], places: &[usize]) {
    let mut last = None;
    for place in places {
        if let Some(sample) = samples.get_mut(*place) {
            if sample.fresh {
                last = Some(sample.hand_ticks);
            }
            sample.hand_ticks = last.unwrap_or(sample.hand_ticks);
        }
    }
}

/// Where a hand went ahead of the server by more than inputs that came late explain.
fn stalls(samples: &[Sample], steps: &[Step], rate: f64) -> Vec<Stall> {
    let mut all: Vec<Stall> = Vec::new();
    let mut debt = 0.0_f64;
    for step in steps {
        let Some(tick) = samples.get(step.to).map(|s| s.tick) else { continue };
        let ahead = step.ahead(rate);
        if ahead < 0.0 {
            // Ticks that the server ran in a bundle, to catch up: they end the pause sooner than the jump says.
            let mut late = -ahead;
            if let Some(stall) = all.last_mut().filter(|stall| tick - stall.tick <= CATCH_UP_TICKS) {
                let back = late.min(stall.ticks);
                stall.ticks -= back;
                late -= back;
            }
            debt = (debt + late).min(MOST_DEBT_TICKS);
            continue;
        }
        let paid = ahead.min(debt);
        debt -= paid;
        if ahead - paid >= STALL_TICKS {
            all.push(Stall { tick, ticks: ahead - paid });
        }
    }
    all.retain(|stall| stall.ticks >= STALL_TICKS);
    all
}

/// What several hands saw of the same pause, once and at its longest.
fn merged(mut all: Vec<Stall>) -> Vec<Stall> {
    all.sort_by_key(|stall| stall.tick);
    let mut out: Vec<Stall> = Vec::new();
    for stall in all {
        match out.last_mut().filter(|last| stall.tick - last.tick < CATCH_UP_TICKS / 2) {
            Some(last) => last.ticks = last.ticks.max(stall.ticks),
            None => out.push(stall),
        }
    }
    out
}

/// A hand's positions, one a tick of its own time without gaps, each with the sample at or before it. `run` is without gaps.
pub(crate) fn even<'a>(run: &[&'a Sample]) -> Vec<(&'a Sample, [f64; 3])> {
    let known: Vec<&Sample> = run.iter().copied().filter(|s| s.fresh).collect();
    let mut out = Vec::new();
    let Some(first) = known.first() else { return out };
    for pair in known.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        // The next whole tick since the first that has not been given.
        let mut at = first.hand_ticks + out.len() as f64;
        while at < b.hand_ticks - 1e-6 {
            let part = ((at - a.hand_ticks) / (b.hand_ticks - a.hand_ticks)).clamp(0.0, 1.0);
            let (from, to) = (a.hand_mm(), b.hand_mm());
            out.push((a, [0, 1, 2].map(|k| from[k] + (to[k] - from[k]) * part)));
            at += 1.0;
        }
    }
    if let Some(last) = known.last() {
        out.push((*last, last.hand_mm()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinor_sim::{Holder, ToolKind};

    /// A hand at 0.5 mm a tick of its own, seen by the ticks of a server: which tick saw which input.
    fn seen(ticks: &[(u32, u32)], per_input_um: i32) -> Vec<Sample> {
        let by = Holder { user: UserId(1), hand: Hand::Right, tool: ToolKind::Probe };
        let sample = |(tick, seq): &(u32, u32)| Sample {
            seq: *seq,
            hand_um: [*seq as i32 * per_input_um, 0, 0],
            ..Sample::at_rest(*tick, by)
        };
        ticks.iter().map(sample).collect()
    }

    fn steps(samples: &[Sample]) -> Vec<f64> {
        let all: Vec<&Sample> = samples.iter().collect();
        all.chunk_by(|_, b| !b.gap)
            .flat_map(|run| even(run).windows(2).map(|p| p[1].1[0] - p[0].1[0]).collect::<Vec<_>>())
            .collect()
    }

    /// A steady stream keeps its ticks exactly, at any frame rate of the client.
    #[test]
    fn a_steady_hand_keeps_its_time() {
        let mut samples = seen(&(0..100).map(|t| (t, t + 1)).collect::<Vec<_>>(), 500);
        assert!(mark(&mut samples, &|_| false).is_empty());
        assert!(samples.iter().all(|s| s.hand_ticks == f64::from(s.tick) && s.fresh && !s.stale));
        assert!(samples.iter().skip(1).all(|s| !s.gap));
        assert_eq!(even(&samples.iter().collect::<Vec<_>>()).len(), 100);
        // 90 frames a second, and 30.
        for (num, den) in [(3, 2), (1, 2)] {
            let mut samples = seen(&(0..200).map(|t| (t, t * num / den + 1)).collect::<Vec<_>>(), 500);
            assert!(mark(&mut samples, &|_| false).is_empty());
            let expected = 0.5 * f64::from(num) / f64::from(den);
            let steps = steps(&samples);
            assert!(steps[5..180].iter().all(|mm| (mm - expected).abs() < 0.3 * expected), "{steps:?}");
            assert!((steps[5..180].iter().sum::<f64>() / 175.0 - expected).abs() < 0.02 * expected);
        }
    }

    /// A server that stands still for a third of a second and runs six ticks at once shows one gap, no speed, and its own loss of time;
    /// what is excused is not told, and inputs that come late in a bundle are no standing still.
    #[test]
    fn a_pause_of_the_server_is_no_motion_of_the_hand() {
        let mut ticks: Vec<(u32, u32)> = (0..60).map(|t| (t, t + 1)).collect();
        // 21 inputs later the server runs ticks 60 to 65 in one go, and goes on.
        ticks.extend((60..66).map(|t| (t, 81)));
        ticks.extend((66..160).map(|t| (t, t + 16)));
        let mut samples = seen(&ticks, 500);
        let found = mark(&mut samples, &|_| false);
        assert!(matches!(found[..], [Stall { tick: 60, ticks }] if (ticks - 15.0).abs() < 1e-9), "{found:?}");
        assert!(steps(&samples).iter().all(|mm| (mm - 0.5).abs() < 1e-9), "no step is longer than the hand's own");
        assert_eq!(samples.iter().filter(|s| s.gap).map(|s| s.tick).collect::<Vec<_>>(), [0, 60]);
        assert_eq!(samples.iter().filter(|s| s.stale).map(|s| s.tick).collect::<Vec<_>>(), [63, 64, 65]);
        assert!(mark(&mut samples, &|tick| tick == 60).is_empty());

        let mut late: Vec<(u32, u32)> = (0..60).map(|t| (t, t + 1)).collect();
        late.extend((60..65).map(|t| (t, 60)));
        late.extend((65..160).map(|t| (t, t + 1)));
        assert!(mark(&mut seen(&late, 500), &|_| false).is_empty());
    }

    /// A hand that really jumps, from one input to the next, keeps its jump.
    #[test]
    fn a_jump_of_the_hand_stays_its_own() {
        let mut samples = seen(&(0..100).map(|t| (t, t + 1)).collect::<Vec<_>>(), 500);
        samples[50..].iter_mut().for_each(|s| s.hand_um[0] += 10_000);
        assert!(mark(&mut samples, &|_| false).is_empty());
        assert!(steps(&samples).iter().any(|mm| (mm - 10.5).abs() < 1e-9));
    }
}
