//! The delay before the next dial.

use std::time::Duration;

/// Exponential backoff with jitter: doubles with every failure, up to a cap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    /// Delay after the first failure, before jitter.
    first: Duration,
    /// Maximum delay, before jitter.
    cap: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(first: Duration, cap: Duration) -> Self {
        Backoff { first, cap, failures: 0 }
    }

    /// Counts a failure and returns the delay. `random` is uniform over the range of its type.
    pub(crate) fn failed(&mut self, random: u64) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(self.failures.min(31)));
        self.failures = self.failures.saturating_add(1);
        jitter(doubled.min(self.cap), random)
    }

    /// Starts again at the first delay.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A random time between half of `max` and `max`, so that two nodes that failed together do not
/// retry together.
pub(crate) fn jitter(max: Duration, random: u64) -> Duration {
    max / 2 + (max / 2).mul_f64(random as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_the_cap_and_starts_over_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(30));
        let waits: Vec<Duration> = (0..20).map(|_| backoff.failed(u64::MAX)).collect();
        assert_eq!(waits[..3], [50, 100, 200].map(Duration::from_millis));
        assert_eq!(waits[19], Duration::from_secs(30));
        backoff.reset();
        assert_eq!(backoff.failed(0), Duration::from_millis(25));
    }
}
