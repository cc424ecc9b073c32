//! Wakes a loop that sleeps until something arrives or a moment has come.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use super::link::Waker;

/// A bell that any thread may ring and one waits for. A ring while nobody waits is kept for the next wait.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    /// Wakes whoever waits.
    pub fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }

    /// Returns once the bell was rung or `until` has come.
    pub fn wait(&self, until: Instant) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        while !*rung {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            rung = self.changed.wait_timeout(rung, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *rung = false;
    }

    /// What the network calls.
    pub fn waker(self: &Arc<Self>) -> Waker {
        let bell = self.clone();
        Arc::new(move || bell.ring())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_ring_before_the_wait_is_not_lost() {
        let bell = Arc::new(Bell::default());
        bell.waker()();
        let start = Instant::now();
        bell.wait(start + Duration::from_secs(5));
        assert!(start.elapsed() < Duration::from_secs(4));
        bell.wait(Instant::now() + Duration::from_millis(5));
    }
}
