//! How the process fares: durations of ticks, processor time, memory.

use std::time::Duration;

/// Durations of ticks in a histogram of 1/50 ms, so that any number of ticks takes the same memory.
#[derive(Clone, Debug)]
pub struct TickTimes {
    counts: Vec<u32>,
    ticks: u64,
    longest: Duration,
}

const STEP_US: u64 = 20;
const STEPS: usize = 10_000;

impl Default for TickTimes {
    fn default() -> Self {
        Self { counts: vec![0; STEPS + 1], ticks: 0, longest: Duration::ZERO }
    }
}

impl TickTimes {
    /// Counts a tick.
    pub fn add(&mut self, duration: Duration) {
        let step = (duration.as_micros() as u64 / STEP_US).min(STEPS as u64) as usize;
        self.counts[step] += 1;
        self.ticks += 1;
        self.longest = self.longest.max(duration);
    }

    /// Ticks counted.
    pub fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Median, 99th percentile and maximum, milliseconds.
    pub fn summary_ms(&self) -> [f32; 3] {
        let at = |share: f64| {
            let rank = (self.ticks as f64 * share).ceil() as u64;
            let mut seen = 0;
            let step = self.counts.iter().position(|n| {
                seen += u64::from(*n);
                seen >= rank && seen > 0
            });
            ((step.unwrap_or(0) as u64 + 1) * STEP_US) as f32 / 1000.0
        };
        let longest = self.longest.as_secs_f32() * 1000.0;
        [at(0.5).min(longest), at(0.99).min(longest), longest]
    }
}

/// Processor time of this process so far, seconds (Linux; 0 elsewhere).
pub fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold spaces: the fields are counted from behind it. 14 and 15 are user and system time in 1/100 s.
    let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = after.split_whitespace().collect();
    let jiffies = |n: usize| fields.get(n).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (jiffies(11) + jiffies(12)) / 100.0
}

/// Most memory this process held, MiB (Linux; 0 elsewhere).
pub fn peak_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_ticks() {
        let mut times = TickTimes::default();
        (1..=100).for_each(|n| times.add(Duration::from_micros(n * 100)));
        let [median, p99, longest] = times.summary_ms();
        assert!((4.9..=5.1).contains(&median) && (9.8..=10.0).contains(&p99), "{median} {p99}");
        assert_eq!(longest, 10.0);
    }

    #[test]
    fn this_process_has_memory_and_uses_time() {
        if cfg!(target_os = "linux") {
            assert!(peak_rss_mb() > 0.5);
            let start = std::time::Instant::now();
            while cpu_seconds() == 0.0 && start.elapsed() < Duration::from_secs(20) {
                std::hint::spin_loop();
            }
            assert!(cpu_seconds() > 0.0);
        }
    }
}
