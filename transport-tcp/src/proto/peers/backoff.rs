//! How long to wait before dialling again.

use std::time::Duration;

/// Exponential backoff with jitter: doubles with every failure, up to a cap.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Before the jitter, after the first failure.
    const FIRST: Duration = Duration::from_millis(50);
    /// Before the jitter, in the end.
    const CAP: Duration = Duration::from_secs(30);

    /// One more failure: how long to wait. `random` is spread over the whole range of its type.
    pub(crate) fn failed(&mut self, random: u64) -> Duration {
        let doubled = Self::FIRST * 2_u32.saturating_pow(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        jitter(doubled.min(Self::CAP), random)
    }

    /// The peer was reached.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Between half of `most` and `most`, so that two who failed together do not try again together.
pub(crate) fn jitter(most: Duration, random: u64) -> Duration {
    most / 2 + (most / 2).mul_f64(random as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_the_cap_and_starts_over_after_a_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = (0..20).map(|_| backoff.failed(u64::MAX)).collect();
        assert_eq!(waits[..3], [50, 100, 200].map(Duration::from_millis));
        assert_eq!(waits[19], Duration::from_secs(30));
        backoff.reset();
        assert_eq!(backoff.failed(0), Duration::from_millis(25));
    }
}
