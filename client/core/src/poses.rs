//! Other people's heads and hands between the moments they were sent.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use spinor_shared::net::protocol::{BodyPose, PoseMsg};
use spinor_shared::wire::WirePose;

/// Poses kept: a third of a second at 90 a second.
const KEPT: usize = 30;
/// How far behind the newest possible moment poses are shown: what jitter and one lost pose take.
const DELAY: Duration = Duration::from_millis(35);
/// How far a movement is carried on beyond the newest pose.
const BEYOND: Duration = Duration::from_millis(50);

/// One person's newest poses.
#[derive(Clone, Debug, Default)]
pub struct PoseBuffer {
    /// By the sender's clock, rising.
    poses: VecDeque<(u32, BodyPose)>,
    newest_seq: Option<u32>,
    /// Least difference seen lately between our clock and the sender's: the fastest way here.
    start: Option<Instant>,
    offset_ms: Option<f64>,
}

impl PoseBuffer {
    /// Takes a pose that just arrived. Poses older than the newest one are dropped.
    pub fn push(&mut self, message: &PoseMsg, now: Instant) {
        if self.newest_seq.is_some_and(|newest| message.seq.wrapping_sub(newest) as i32 <= 0) {
            return;
        }
        self.newest_seq = Some(message.seq);
        let start = *self.start.get_or_insert(now);
        let offset = now.duration_since(start).as_secs_f64() * 1e3 - f64::from(message.at_ms);
        // Follows a faster way at once and a slower one (or a drifting clock) slowly.
        self.offset_ms = Some(match self.offset_ms {
            Some(best) if offset > best && offset < best + 1000.0 => best + (offset - best) * 0.01,
            _ => offset,
        });
        if self.poses.back().is_some_and(|(at, _)| message.at_ms <= *at) {
            self.poses.clear();
        }
        self.poses.push_back((message.at_ms, message.body));
        while self.poses.len() > KEPT {
            self.poses.pop_front();
        }
    }

    /// The pose to show at `now`; none before the first one came.
    pub fn at(&self, now: Instant) -> Option<BodyPose> {
        let (start, offset) = (self.start?, self.offset_ms?);
        let shown = now.duration_since(start).as_secs_f64() * 1e3 - offset - DELAY.as_secs_f64() * 1e3;
        let next = self.poses.iter().position(|(at, _)| f64::from(*at) > shown);
        let (from, to) = match next {
            Some(0) => return self.poses.front().map(|(_, pose)| *pose),
            Some(n) => (self.poses.get(n - 1)?, self.poses.get(n)?),
            None if self.poses.len() < 2 => return self.poses.back().map(|(_, pose)| *pose),
            None => (self.poses.get(self.poses.len() - 2)?, self.poses.back()?),
        };
        let span = f64::from(to.0) - f64::from(from.0);
        let most = 1.0 + BEYOND.as_secs_f64() * 1e3 / span.max(1.0);
        let t = ((shown - f64::from(from.0)) / span.max(1.0)).clamp(0.0, most);
        Some(between(&from.1, &to.1, t))
    }

    /// The newest pose as it was sent.
    pub fn newest(&self) -> Option<&BodyPose> {
        self.poses.back().map(|(_, pose)| pose)
    }
}

fn between(a: &BodyPose, b: &BodyPose, t: f64) -> BodyPose {
    let hand = |n: usize| match (&a.hands[n], &b.hands[n]) {
        (Some(a), Some(b)) => Some(pose_between(a, b, t)),
        (_, b) => *b,
    };
    BodyPose { head: pose_between(&a.head, &b.head, t), hands: [hand(0), hand(1)] }
}

/// Positions in a straight line; orientations along the shorter way, normalised.
pub fn pose_between(a: &WirePose, b: &WirePose, t: f64) -> WirePose {
    let mut tip_um = [0; 3];
    for (k, value) in tip_um.iter_mut().enumerate() {
        *value = (f64::from(a.tip_um[k]) + (f64::from(b.tip_um[k]) - f64::from(a.tip_um[k])) * t).round() as i32;
    }
    let dot: f64 = (0..4).map(|k| f64::from(a.turn[k]) * f64::from(b.turn[k])).sum();
    let sign = if dot < 0.0 { -1.0 } else { 1.0 };
    let mut turn = [0.0; 4];
    for (k, value) in turn.iter_mut().enumerate() {
        *value = f64::from(a.turn[k]) * (1.0 - t) + f64::from(b.turn[k]) * sign * t;
    }
    let norm = turn.iter().map(|v| v * v).sum::<f64>().sqrt();
    if norm < 1.0 {
        return WirePose { tip_um, turn: b.turn };
    }
    WirePose { tip_um, turn: turn.map(|v| (v / norm * 32_767.0).round() as i16) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pose(seq: u32, at_ms: u32, x: i32) -> PoseMsg {
        let head = WirePose { tip_um: [x, 0, 0], turn: [0, 0, 0, 32_767] };
        PoseMsg { seq, at_ms, body: BodyPose { head, hands: [None, None] } }
    }

    /// Poses that arrive with jitter are shown on the line that they were sent on; older ones change nothing.
    #[test]
    fn movement_is_smooth_under_jitter() {
        let mut buffer = PoseBuffer::default();
        let start = Instant::now();
        for n in 0..40u32 {
            let jitter = [0, 7, 3, 12][n as usize % 4];
            let now = start + Duration::from_millis(u64::from(n * 11 + jitter));
            buffer.push(&pose(n + 1, 5_000 + n * 11, n as i32 * 1_100), now);
            buffer.push(&pose(n / 2, 5_000 + n * 11, -1), now);
            if n > 10 {
                let shown = buffer.at(now).unwrap().head.tip_um[0];
                let ideal = f64::from(n * 11 + jitter) * 100.0 - 3_500.0;
                assert!((f64::from(shown) - ideal).abs() < 900.0, "{n}: {shown} {ideal}");
            }
        }
    }

    #[test]
    fn orientations_take_the_shorter_way() {
        let a = WirePose { tip_um: [0; 3], turn: [0, 0, 0, 32_767] };
        let b = WirePose { tip_um: [10, 20, 30], turn: [0, 0, 0, -32_767] };
        assert_eq!(pose_between(&a, &b, 0.5), WirePose { tip_um: [5, 10, 15], turn: [0, 0, 0, 32_767] });
    }
}
