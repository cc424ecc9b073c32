//! Congestion control: cubic by default, or a window for a configured rate on networks that somebody manages.
//!
//! Random loss of 1 % makes cubic fall to a fraction of the link and delays deltas by seconds; on a hospital's own network, where the
//! rate is known, a window for that rate ignores random loss and backs off only when the network persistently loses.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::congestion::{Controller, ControllerFactory, CubicConfig};

/// How a connection decides what may be in flight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Congestion {
    /// Loss-based, fair to others: for the Internet.
    Cubic,
    /// A window for `mbit` Mbit/s at a round trip of `rtt`: for managed networks.
    Rate {
        /// Rate in Mbit/s.
        mbit: f64,
        /// Round trip that the window is made for.
        rtt: Duration,
    },
}

impl Congestion {
    /// quinn's factory.
    pub fn factory(self) -> Arc<dyn ControllerFactory + Send + Sync> {
        match self {
            Self::Cubic => {
                let mut cubic = CubicConfig::default();
                cubic.initial_window(32 * 1200);
                Arc::new(cubic)
            }
            Self::Rate { mbit, rtt } => {
                let bytes = (mbit.clamp(1.0, 100_000.0) * 125_000.0 * rtt.as_secs_f64().clamp(0.001, 1.0)) as u64;
                Arc::new(FixedWindow::new(bytes.max(LEAST)))
            }
        }
    }
}

/// Least window, bytes.
const LEAST: u64 = 24_000;

/// A constant window. Random loss does not shrink it; persistent congestion, or losing more than a tenth of a window within a round
/// of acknowledgements, halves it, and it grows back by 2 % a round.
#[derive(Clone, Debug)]
pub struct FixedWindow {
    window: u64,
    target: u64,
    lost: u64,
    since: Option<Instant>,
}

impl FixedWindow {
    fn new(target: u64) -> Self {
        Self { window: target, target, lost: 0, since: None }
    }
}

impl ControllerFactory for FixedWindow {
    fn build(self: Arc<Self>, _now: Instant, _mtu: u16) -> Box<dyn Controller> {
        Box::new((*self).clone())
    }
}

impl Controller for FixedWindow {
    fn on_congestion_event(&mut self, now: Instant, _sent: Instant, persistent: bool, lost_bytes: u64) {
        if self.since.is_none_or(|since| now.duration_since(since) > Duration::from_millis(200)) {
            self.since = Some(now);
            self.lost = 0;
        }
        self.lost += lost_bytes;
        if persistent || self.lost > self.window / 10 {
            self.window = (self.window / 2).max(LEAST);
            self.lost = 0;
        }
    }

    fn on_end_acks(&mut self, _now: Instant, _in_flight: u64, _app_limited: bool, _largest: Option<u64>) {
        self.window = (self.window + self.target / 50).min(self.target);
    }

    fn on_mtu_update(&mut self, _new_mtu: u16) {}

    fn window(&self) -> u64 {
        self.window
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.target
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One lost packet in a hundred leaves the window alone; losing a tenth of it at once halves it, and it grows back.
    #[test]
    fn only_heavy_loss_shrinks_the_window() {
        let mut window = FixedWindow::new(300_000);
        let now = Instant::now();
        for n in 0..100u64 {
            window.on_congestion_event(now + Duration::from_millis(300 * n), now, false, 1200);
        }
        assert_eq!(window.window(), 300_000);
        for _ in 0..26 {
            window.on_congestion_event(now + Duration::from_secs(60), now, false, 1200);
        }
        assert_eq!(window.window(), 150_000);
        for _ in 0..50 {
            window.on_end_acks(now, 0, false, None);
        }
        assert_eq!(window.window(), 300_000);
    }
}
