//! How often something may happen: a token bucket.

use std::time::Instant;

/// A bucket that fills at a steady rate.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    per_second: f64,
    burst: f64,
    level: f64,
    at: Option<Instant>,
}

impl Rate {
    /// `per_second` on average, `burst` at once.
    pub fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second: f64::from(per_second), burst: f64::from(burst), level: f64::from(burst), at: None }
    }

    /// Whether it may happen now; counts it if so.
    pub fn take(&mut self, now: Instant) -> bool {
        self.take_many(1, now)
    }

    /// Whether `n` may happen now; counts them if so.
    pub fn take_many(&mut self, n: u32, now: Instant) -> bool {
        if let Some(at) = self.at {
            self.level = (self.level + now.saturating_duration_since(at).as_secs_f64() * self.per_second).min(self.burst);
        }
        self.at = Some(now);
        let allowed = self.level >= f64::from(n);
        if allowed {
            self.level -= f64::from(n);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_passes_and_then_the_average() {
        let mut rate = Rate::new(10, 5);
        let start = Instant::now();
        assert_eq!((0..20).filter(|_| rate.take(start)).count(), 5);
        let later = (1..=100).filter(|n| rate.take(start + Duration::from_millis(n * 10))).count();
        assert!((9..=11).contains(&later), "{later}");
    }

    /// What is too much at once is refused whole and costs nothing.
    #[test]
    fn many_at_once_pass_together_or_not_at_all() {
        let mut rate = Rate::new(10, 8);
        let now = Instant::now();
        assert!(rate.take_many(6, now) && !rate.take_many(3, now) && rate.take_many(2, now) && !rate.take(now));
    }
}
