//! How each tool moved.

use std::collections::BTreeMap;

use serde::Serialize;

use super::efficiency::{step_mm, tracks};
use crate::again::Sample;
use crate::clock::even;
use crate::filter::{self, WINDOW, derivatives, quantile, shaking};
use crate::gather::Session;

/// Ticks over which a peak speed of the tip is taken.
const PEAK_TICKS: usize = 3;
/// A hand that goes farther than this in one tick was lost by its tracking and found again: 3 m/s, mm.
const JUMP_MM: f64 = 50.0;

/// Half seconds of a slow hand that its tremor takes at least: two seconds, as they overlap by half (K).
const LEAST_STRETCHES: usize = 7;

/// How a tool moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Motion {
    pub held_s: f64,
    pub path_mm: f64,
    pub mean_mm_per_s: f64,
    pub peak_mm_per_s: f64,
    pub hand_path_mm: f64,
    pub hand_mean_mm_per_s: Option<f64>,
    pub hand_peak_mm_per_s: Option<f64>,
    pub mean_acceleration_mm_per_s2: Option<f64>,
    pub peak_acceleration_mm_per_s2: Option<f64>,
    pub mean_jerk_mm_per_s3: Option<f64>,
    pub peak_jerk_mm_per_s3: Option<f64>,
    pub tremor_mm: Option<f64>,
    pub surface_degrees: Option<f64>,
}

/// A hand's way without gaps or jumps: where the server stood still, or inputs were lost, another run begins.
pub(crate) fn runs<'a>(way: &'a [&'a Sample]) -> impl Iterator<Item = &'a [&'a Sample]> {
    way.chunk_by(|a, b| b.tick == a.tick + 1 && !b.gap && hand_step_mm(a, b) < JUMP_MM)
}

fn hand_step_mm(a: &Sample, b: &Sample) -> f64 {
    let (a, b) = (a.hand_mm(), b.hand_mm());
    (0..3).map(|k| (b[k] - a[k]).powi(2)).sum::<f64>().sqrt()
}

/// Smoothed derivatives of a hand's run by the hand's own time, with the sample each belongs to.
pub(crate) fn smoothed<'a>(run: &'a [&'a Sample], hz: f64) -> Vec<(&'a Sample, filter::Derivatives)> {
    let even = even(run);
    let way: Vec<[f64; 3]> = even.iter().map(|(_, at)| *at).collect();
    derivatives(&way, hz).into_iter().filter_map(|d| Some((even.get(d.at)?.0, d))).collect()
}

/// Sums of a tool's motion over all its runs.
#[derive(Default)]
struct Sums {
    n: f64,
    speed: [f64; 2],
    acceleration: [f64; 2],
    jerk: [f64; 2],
    shaking: Vec<f64>,
    degrees: f64,
    looks: f64,
}

fn grow(sum: &mut [f64; 2], value: f64) {
    sum[0] += value;
    sum[1] = sum[1].max(value);
}

pub(crate) fn motion(session: &Session, absent: &mut BTreeMap<String, String>) -> BTreeMap<String, BTreeMap<String, Motion>> {
    let hz = f64::from(session.tick_hz.max(1));
    let mut all: BTreeMap<String, BTreeMap<String, (Motion, Sums)>> = BTreeMap::new();
    for ((user, _, _), way) in tracks(session) {
        let Some(first) = way.first() else { continue };
        let tools = all.entry(session.name(user)).or_default();
        let (motion, sums) = tools.entry(first.by.tool.word().to_owned()).or_default();
        motion.held_s += way.len() as f64 / hz;
        // A gap in the ticks is a tool put down and taken up again elsewhere: no way was gone.
        motion.path_mm += way.windows(2).filter(|p| p[1].tick == p[0].tick + 1).map(|p| step_mm(p[0], p[1])).sum::<f64>();
        for window in way.windows(PEAK_TICKS + 1) {
            let known = window[1..].iter().all(|s| !s.gap);
            if known && window[PEAK_TICKS].tick == window[0].tick + PEAK_TICKS as u32 {
                // Inputs that came late make a step longer than its tick; the hand's own time is longer as well.
                let ticks = (window[PEAK_TICKS].hand_ticks - window[0].hand_ticks).max(PEAK_TICKS as f64);
                let speed = window.windows(2).map(|p| step_mm(p[0], p[1])).sum::<f64>() * hz / ticks;
                motion.peak_mm_per_s = motion.peak_mm_per_s.max(speed);
            }
        }
        for run in runs(&way) {
            motion.hand_path_mm += run.windows(2).map(|p| hand_step_mm(p[0], p[1])).sum::<f64>();
            for (_, d) in smoothed(run, hz) {
                sums.n += 1.0;
                grow(&mut sums.speed, d.speed);
                grow(&mut sums.acceleration, d.acceleration);
                grow(&mut sums.jerk, d.jerk);
            }
            let way: Vec<[f64; 3]> = even(run).into_iter().map(|(_, at)| at).collect();
            sums.shaking.extend(shaking(&way, hz));
        }
        for degrees in way.iter().filter_map(|s| s.surface_degrees) {
            sums.degrees += f64::from(degrees);
            sums.looks += 1.0;
        }
    }
    let mut done: BTreeMap<String, BTreeMap<String, Motion>> = BTreeMap::new();
    for (user, tools) in all {
        for (tool, (motion, mut sums)) in tools {
            let why = |key: &str| format!("motion.{user}.{tool}.{key}");
            if sums.n == 0.0 {
                absent.insert(
                    why("*"),
                    format!("the tool was never held for {WINDOW} ticks without a gap, or its inputs came too seldom"),
                );
            } else if sums.shaking.len() < LEAST_STRETCHES {
                absent.insert(why("tremor_mm"), "the hand was not slow enough for long enough with this tool".to_owned());
            }
            if sums.looks == 0.0 {
                absent
                    .insert(why("surface_degrees"), "no burr's head of this tool touched bone when it was looked at".to_owned());
            }
            let motion = finish(motion, &mut sums);
            done.entry(user.clone()).or_default().insert(tool, motion);
        }
    }
    done
}

fn finish(motion: Motion, sums: &mut Sums) -> Motion {
    let tremor = if sums.shaking.len() < LEAST_STRETCHES { None } else { quantile(&mut sums.shaking, 0.5) };
    let mean = |sum: [f64; 2]| (sums.n > 0.0).then(|| sum[0] / sums.n);
    let peak = |sum: [f64; 2]| (sums.n > 0.0).then_some(sum[1]);
    Motion {
        mean_mm_per_s: if motion.held_s > 0.0 { motion.path_mm / motion.held_s } else { 0.0 },
        hand_mean_mm_per_s: mean(sums.speed),
        hand_peak_mm_per_s: peak(sums.speed),
        mean_acceleration_mm_per_s2: mean(sums.acceleration),
        peak_acceleration_mm_per_s2: peak(sums.acceleration),
        mean_jerk_mm_per_s3: mean(sums.jerk),
        peak_jerk_mm_per_s3: peak(sums.jerk),
        tremor_mm: tremor,
        surface_degrees: (sums.looks > 0.0).then(|| sums.degrees / sums.looks),
        ..motion
    }
}
