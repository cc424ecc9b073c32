//! The script: what head, hands and buttons do, and what happens to the session.
//!
//! One key a line, `<seconds> <channel> <values...>`, `#` starts a comment:
//!
//! ```text
//! 0   head 0 1.6 0                                     position, then optionally a quaternion x y z w
//! 0   /user/hand/right/input/grip/pose 0.2 1.4 -0.5    any OpenXR input path; poses and floats are interpolated
//! 1   /user/hand/right/input/trigger/value 0
//! 2   /user/hand/right/input/trigger/value 1
//! 0   /user/hand/left/hand -0.2 1.4 -0.5               a tracked hand's palm
//! 0   /user/hand/left/curl 0.3                         how far its fingers are bent, 0-1
//! 2   capture out/frame                                out/frame-eye0.png and -eye1.png
//! 3   state SYNCHRONIZED                               or VISIBLE, FOCUSED, LOSS_PENDING
//! 9   exit                                             the runtime asks the application to end
//! ```
//!
//! A channel has no value before its first key and keeps that of its last.

use std::collections::BTreeMap;

use openxr_sys as xr;

use crate::math::{at, between};

/// Without a script: a still head with a hand on either side.
const STILL: &str = "
0 head 0 1.6 0
0 /user/hand/left/input/grip/pose -0.2 1.2 -0.4
0 /user/hand/right/input/grip/pose 0.2 1.2 -0.4
0 /user/hand/left/input/aim/pose -0.2 1.2 -0.4
0 /user/hand/right/input/aim/pose 0.2 1.2 -0.4
";

/// What happens once, at its time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cue {
    /// Write the submitted eyes to `<name>-eye<k>.png`.
    Capture(String),
    /// Put the session in a state.
    State(xr::SessionState),
    /// Ask the application to end its session.
    Exit,
}

/// A parsed script.
#[derive(Debug, Default)]
pub(crate) struct Script {
    channels: BTreeMap<String, Vec<(f64, Vec<f32>)>>,
    cues: Vec<(f64, Cue)>,
}

impl Script {
    /// The script for an application nobody steers.
    pub(crate) fn still() -> Self {
        Self::parse(STILL).unwrap_or_default()
    }

    /// Reads a script.
    ///
    /// # Errors
    /// A line that cannot be read, with its number.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut script = Self::default();
        for (n, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or("").trim();
            if line.is_empty() {
                continue;
            }
            let wrong = |what: &str| format!("script line {}: {what}: {line}", n + 1);
            let mut words = line.split_whitespace();
            let seconds: f64 =
                words.next().and_then(|w| w.parse().ok()).filter(|s: &f64| s.is_finite()).ok_or_else(|| wrong("no time"))?;
            let channel = words.next().ok_or_else(|| wrong("no channel"))?;
            match channel {
                "exit" => script.cues.push((seconds, Cue::Exit)),
                "capture" => {
                    let name = words.next().ok_or_else(|| wrong("no name to capture to"))?;
                    script.cues.push((seconds, Cue::Capture(name.to_owned())));
                }
                "state" => {
                    let state = match words.next() {
                        Some("SYNCHRONIZED") => xr::SessionState::SYNCHRONIZED,
                        Some("VISIBLE") => xr::SessionState::VISIBLE,
                        Some("FOCUSED") => xr::SessionState::FOCUSED,
                        Some("LOSS_PENDING") => xr::SessionState::LOSS_PENDING,
                        _ => return Err(wrong("no such state")),
                    };
                    script.cues.push((seconds, Cue::State(state)));
                }
                _ if channel == "head" || channel.starts_with('/') => {
                    let values: Vec<f32> = words.map_while(|w| w.parse().ok()).collect();
                    if values.is_empty() {
                        return Err(wrong("no value"));
                    }
                    script.channels.entry(channel.to_owned()).or_default().push((seconds, values));
                }
                _ => return Err(wrong("no such channel")),
            }
        }
        for keys in script.channels.values_mut() {
            keys.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        script.cues.sort_by(|a, b| a.0.total_cmp(&b.0));
        Ok(script)
    }

    /// Takes the first cue that is due.
    pub(crate) fn due(&mut self, seconds: f64) -> Option<Cue> {
        (self.cues.first()?.0 <= seconds).then(|| self.cues.remove(0).1)
    }

    /// Puts a cue back that could not be played yet.
    pub(crate) fn again(&mut self, seconds: f64, cue: Cue) {
        self.cues.insert(0, (seconds, cue));
    }

    /// The keys before and after a time, and how far it lies between them.
    fn around(&self, channel: &str, seconds: f64) -> Option<(&[f32], &[f32], f32)> {
        let keys = self.channels.get(channel)?;
        let next = keys.partition_point(|key| key.0 <= seconds);
        let before = keys.get(next.checked_sub(1)?)?;
        Some(match keys.get(next) {
            None => (&before.1, &before.1, 0.0),
            Some(after) => (&before.1, &after.1, ((seconds - before.0) / (after.0 - before.0).max(1e-9)) as f32),
        })
    }

    /// A pose channel's value.
    pub(crate) fn pose(&self, channel: &str, seconds: f64) -> Option<xr::Posef> {
        let pose = |values: &[f32]| match *values {
            [x, y, z] => Some(at(x, y, z)),
            [x, y, z, qx, qy, qz, qw, ..] => {
                Some(xr::Posef { orientation: xr::Quaternionf { x: qx, y: qy, z: qz, w: qw }, ..at(x, y, z) })
            }
            _ => None,
        };
        let (before, after, share) = self.around(channel, seconds)?;
        Some(between(pose(before)?, pose(after)?, share))
    }

    /// A number channel's value, interpolated.
    pub(crate) fn number(&self, channel: &str, seconds: f64) -> Option<f32> {
        let (before, after, share) = self.around(channel, seconds)?;
        let (before, after) = (*before.first()?, *after.first()?);
        Some(before + (after - before) * share)
    }

    /// A button's value: that of the last key.
    pub(crate) fn button(&self, channel: &str, seconds: f64) -> Option<bool> {
        Some(*self.around(channel, seconds)?.0.first()? > 0.5)
    }

    /// A stick's value: that of the last key.
    pub(crate) fn stick(&self, channel: &str, seconds: f64) -> Option<xr::Vector2f> {
        match *self.around(channel, seconds)?.0 {
            [x, y, ..] => Some(xr::Vector2f { x, y }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_interpolated_and_held() {
        let script = Script::parse("0 head 0 1 0\n2 head 0 2 0 # up\n1 /a/b 0\n2 /a/b 1\n").unwrap();
        assert_eq!(script.pose("head", 1.0).unwrap().position.y, 1.5);
        assert_eq!(script.pose("head", 9.0).unwrap().position.y, 2.0);
        assert_eq!(script.number("/a/b", 0.5), None);
        assert_eq!(script.number("/a/b", 1.25), Some(0.25));
        assert_eq!(script.button("/a/b", 1.9), Some(false));
    }

    #[test]
    fn cues_come_once_and_in_order() {
        let mut script = Script::parse("5 exit\n1 capture a\n2 state LOSS_PENDING\n").unwrap();
        assert_eq!(script.due(0.5), None);
        assert_eq!(script.due(3.0), Some(Cue::Capture("a".to_owned())));
        assert_eq!(script.due(3.0), Some(Cue::State(xr::SessionState::LOSS_PENDING)));
        assert_eq!(script.due(3.0), None);
        assert_eq!(script.due(5.0), Some(Cue::Exit));
    }

    #[test]
    fn a_bad_line_is_named() {
        assert!(Script::parse("0 head 0 1 0\nx head 0 1 0").unwrap_err().starts_with("script line 2"));
        assert!(Script::parse("0 state SLEEPING").unwrap_err().contains("no such state"));
        assert!(Script::parse("0 haed 0 1 0").unwrap_err().contains("no such channel"));
    }
}
