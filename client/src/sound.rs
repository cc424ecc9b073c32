//! What is heard: the spindle by its load, the alarm, contact with bone. Synthesised; no files.
//!
//! Hardness can be felt without a force arm: the pitch of a spindle falls and its loudness rises with load (Kiyofuji 2022). Without a sound
//! device the client says so once and goes on in silence.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bevy::prelude::*;
use rodio::{OutputStream, OutputStreamBuilder, Source};
use spinor_sim::AlarmLevel;

use crate::Draw;
use crate::room::{Room, ShownTool};

/// Spindle at full speed without load, Hz: 60,000 rpm are 1,000 turns a second; the handpiece is heard at half of it and above.
const FULL_HZ: f32 = 520.0;
/// Turns per minute of a burr at full speed.
const FULL_RPM: f32 = 60_000.0;
/// Load at which a spindle is as loud as it gets, N.
const LOUD_NEWTON: f32 = 2.4;
const RATE: u32 = 44_100;

/// The tone of a spindle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tone {
    /// Fundamental, Hz.
    pub(crate) hz: f32,
    /// Loudness, 0-1.
    pub(crate) gain: f32,
    /// Share of rattle from the cut, 0-1.
    pub(crate) rattle: f32,
}

/// The tone of a spindle that turns at `rpm` under `load_newton`, in bone or free.
pub(crate) fn spindle_tone(rpm: f32, load_newton: f32, cutting: bool) -> Tone {
    let speed = (rpm / FULL_RPM).clamp(0.0, 1.2);
    let load = (load_newton / LOUD_NEWTON).clamp(0.0, 1.0);
    Tone {
        // The spindle's own droop is in its speed; load pulls the tone down further, as the ear expects of a strained motor.
        hz: FULL_HZ * speed * (1.0 - 0.22 * load),
        gain: if speed < 0.02 { 0.0 } else { 0.10 + 0.30 * load + if cutting { 0.08 } else { 0.0 } },
        rattle: if cutting { 0.35 + 0.45 * load } else { 0.15 * load },
    }
}

/// Beeps of an alarm: fundamental in Hz and beeps per second; none when silent.
pub(crate) const fn alarm_beep(level: AlarmLevel, sounding: bool) -> Option<(f32, f32)> {
    match (level, sounding) {
        (AlarmLevel::Danger, true) => Some((1_180.0, 7.0)),
        (AlarmLevel::Caution, true) => Some((740.0, 2.5)),
        _ => None,
    }
}

/// What the synthesiser plays now, written once a frame and read by the sound thread: floats as bits.
#[derive(Default)]
struct Playing {
    hz: AtomicU32,
    gain: AtomicU32,
    rattle: AtomicU32,
    alarm_hz: AtomicU32,
    alarm_rate: AtomicU32,
    knocks: AtomicU32,
}

fn put(to: &AtomicU32, value: f32) {
    to.store(value.to_bits(), Ordering::Relaxed);
}

fn get(from: &AtomicU32) -> f32 {
    f32::from_bits(from.load(Ordering::Relaxed))
}

/// An endless source.
struct Synth {
    playing: Arc<Playing>,
    tone: Tone,
    phase: f32,
    alarm_phase: f32,
    beat: f32,
    alarm_gain: f32,
    noise: u32,
    knocks: u32,
    knock: f32,
    low: f32,
}

impl Synth {
    fn new(playing: Arc<Playing>) -> Self {
        let tone = Tone { hz: 0.0, gain: 0.0, rattle: 0.0 };
        Self {
            playing,
            tone,
            phase: 0.0,
            alarm_phase: 0.0,
            beat: 0.0,
            alarm_gain: 0.0,
            noise: 1,
            knocks: 0,
            knock: 0.0,
            low: 0.0,
        }
    }

    fn white(&mut self) -> f32 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 17;
        self.noise ^= self.noise << 5;
        self.noise as f32 / (u32::MAX / 2) as f32 - 1.0
    }
}

impl Iterator for Synth {
    type Item = f32;

    fn next(&mut self) -> Option<f32> {
        use std::f32::consts::TAU;
        // Everything glides: a step would click.
        let glide = |now: &mut f32, to: f32, share: f32| *now += (to - *now) * share;
        glide(&mut self.tone.hz, get(&self.playing.hz), 0.0006);
        glide(&mut self.tone.gain, get(&self.playing.gain), 0.0012);
        glide(&mut self.tone.rattle, get(&self.playing.rattle), 0.0012);
        self.phase = (self.phase + self.tone.hz / RATE as f32).fract();
        let turn = self.phase * TAU;
        let whine = 0.55 * turn.sin() + 0.28 * (2.0 * turn).sin() + 0.17 * (5.0 * turn).sin() + 0.10 * (8.0 * turn).sin();
        let white = self.white();
        self.low += (white - self.low) * 0.22;
        // The blades strike eight times a turn: noise in their rhythm.
        let rattle = self.low * 2.2 * (0.5 + 0.5 * (turn * 0.5).sin());
        let mut out = self.tone.gain * (whine * (1.0 - 0.5 * self.tone.rattle) + rattle * self.tone.rattle);

        let rate = get(&self.playing.alarm_rate);
        self.beat = (self.beat + rate / RATE as f32).fract();
        let on = if rate > 0.0 && self.beat < 0.55 { 0.34 } else { 0.0 };
        glide(&mut self.alarm_gain, on, 0.004);
        self.alarm_phase = (self.alarm_phase + get(&self.playing.alarm_hz) / RATE as f32).fract();
        out += self.alarm_gain * ((self.alarm_phase * TAU).sin() + 0.3 * (self.alarm_phase * 2.0 * TAU).sin());

        let knocks = self.playing.knocks.load(Ordering::Relaxed);
        if knocks != self.knocks {
            (self.knocks, self.knock) = (knocks, 0.5);
        }
        self.knock *= 0.9985;
        out += self.knock * self.low * 2.0;
        Some(out.clamp(-0.95, 0.95))
    }
}

impl Source for Synth {
    fn current_span_len(&self) -> Option<usize> {
        None
    }

    fn channels(&self) -> rodio::ChannelCount {
        1
    }

    fn sample_rate(&self) -> rodio::SampleRate {
        RATE
    }

    fn total_duration(&self) -> Option<Duration> {
        None
    }
}

/// The open sound device; absent without one.
struct Speaker {
    _stream: OutputStream,
    playing: Arc<Playing>,
}

/// Plays [`Room`].
pub(crate) struct SoundPlugin;

impl Plugin for SoundPlugin {
    fn build(&self, app: &mut App) {
        match OutputStreamBuilder::open_default_stream() {
            Ok(mut stream) => {
                stream.log_on_drop(false);
                let playing = Arc::new(Playing::default());
                stream.mixer().add(Synth::new(Arc::clone(&playing)));
                app.insert_non_send(Speaker { _stream: stream, playing }).add_systems(Update, play.in_set(Draw));
            }
            Err(wrong) => {
                eprintln!("no sound: {wrong}");
                app.add_systems(Startup, |mut room: ResMut<Room>| room.silent = true);
            }
        }
    }
}

/// The loudest burr is heard: one's own by preference, because that is the one a hand has to feel.
fn loudest(room: &Room) -> Option<&ShownTool> {
    let turning = |tool: &&ShownTool| tool.kind.is_burr() && tool.spindle_rpm > 0.0;
    let mine = room.tools.iter().filter(|((user, _), _)| Some(*user) == room.me).map(|(_, tool)| tool).find(turning);
    mine.or_else(|| room.tools.values().filter(turning).max_by(|a, b| a.load_newton.total_cmp(&b.load_newton)))
}

fn play(room: Res<Room>, speaker: NonSend<Speaker>, mut touching: Local<bool>) {
    let tone = loudest(&room)
        .map_or(Tone { hz: 0.0, gain: 0.0, rattle: 0.0 }, |tool| spindle_tone(tool.spindle_rpm, tool.load_newton, tool.cutting));
    put(&speaker.playing.hz, tone.hz);
    put(&speaker.playing.gain, tone.gain);
    put(&speaker.playing.rattle, tone.rattle);
    let alarm = room.tools.values().filter(|tool| tool.sounding).max_by_key(|tool| tool.level);
    let (hz, rate) = alarm.and_then(|tool| alarm_beep(tool.level, true)).unwrap_or((0.0, 0.0));
    if hz > 0.0 {
        put(&speaker.playing.alarm_hz, hz);
    }
    put(&speaker.playing.alarm_rate, rate);
    let touches = room.my_tool().is_some_and(|tool| tool.in_bone);
    if touches && !std::mem::replace(&mut *touching, touches) {
        speaker.playing.knocks.fetch_add(1, Ordering::Relaxed);
    }
    *touching = touches;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Load is heard: the pitch falls and the loudness rises, all the way and without a step.
    #[test]
    fn pitch_falls_and_loudness_rises_with_load() {
        let tones: Vec<Tone> = (0..=24).map(|n| spindle_tone(60_000.0, n as f32 * 0.1, true)).collect();
        assert!(tones.windows(2).all(|pair| pair[1].hz < pair[0].hz && pair[1].gain > pair[0].gain));
        assert!(tones[24].hz < 0.85 * tones[0].hz && tones[24].gain > 2.0 * tones[0].gain);
        assert!(spindle_tone(30_000.0, 0.0, false).hz < spindle_tone(60_000.0, 0.0, false).hz);
        assert_eq!(spindle_tone(0.0, 2.0, false).gain, 0.0, "a spindle that stands still is silent");
    }

    #[test]
    fn only_a_sounding_alarm_is_heard() {
        assert_eq!(alarm_beep(AlarmLevel::Danger, false), None);
        assert_eq!(alarm_beep(AlarmLevel::Clear, true), None);
        let (danger, caution) = (alarm_beep(AlarmLevel::Danger, true).unwrap(), alarm_beep(AlarmLevel::Caution, true).unwrap());
        assert!(danger.0 > caution.0 && danger.1 > caution.1);
    }

    /// The samples stay in range and glide: no step that would click.
    #[test]
    fn samples_are_bounded_and_smooth() {
        let playing = Arc::new(Playing::default());
        let mut synth = Synth::new(Arc::clone(&playing));
        put(&playing.hz, 500.0);
        put(&playing.gain, 0.5);
        let samples: Vec<f32> = synth.by_ref().take(RATE as usize).collect();
        assert!(samples.iter().all(|s| s.abs() <= 0.95));
        assert!(samples.windows(2).all(|pair| (pair[1] - pair[0]).abs() < 0.35));
        let loud = samples[RATE as usize / 2..].iter().map(|s| s * s).sum::<f32>();
        assert!(loud > 100.0, "something is heard: {loud}");
    }
}
