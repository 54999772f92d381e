//! The bounds for the detection of a lost node.

use std::time::{Duration, Instant};

use anyhow::Result;
use harness::conditions::ensure;

/// The heartbeat interval of a node, and the timeout after which it reports a silent peer as down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heartbeat {
    /// As the program `test-node` takes it on its command line.
    pub(crate) option: &'static str,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

impl Heartbeat {
    /// The default preset of a node.
    pub(crate) const DEFAULT: Self = Self::of("default", 1_000, 5_000);
    /// The preset for one rack.
    pub(crate) const FAST: Self = Self::of("fast", 100, 500);
    /// The preset for links between sites.
    pub(crate) const WAN: Self = Self::of("wan", 2_500, 15_000);
    /// For tests: short, but long enough for a busy machine on which a node waits for a processor.
    pub(crate) const BRISK: Self = Self::of("200/2000", 200, 2_000);

    /// Maximum delay of a report on a busy machine.
    const SLACK: Duration = Duration::from_secs(4);

    const fn of(option: &'static str, interval: u64, timeout: u64) -> Self {
        let (interval, timeout) = (Duration::from_millis(interval), Duration::from_millis(timeout));
        Heartbeat { option, interval, timeout }
    }

    /// The time in which a node detected a silent peer. Returns an error if that time is shorter
    /// than the timeout, counted from the last frame of the peer, or much longer.
    pub(crate) fn silence(&self, fault: Instant, told: Instant) -> Result<Duration> {
        self.within(self.timeout - self.interval, fault, told)
    }

    /// The time in which a node detected a fault that the network reports, at the latest at the
    /// next heartbeat. Returns an error if that is longer than a timeout would have taken.
    pub(crate) fn sign(&self, fault: Instant, told: Instant) -> Result<Duration> {
        self.within(Duration::ZERO, fault, told)
    }

    /// After this time and a round trip, every reachable node has reported the fault.
    pub(crate) fn latest(&self) -> Duration {
        self.timeout + self.interval
    }

    fn within(&self, earliest: Duration, fault: Instant, told: Instant) -> Result<Duration> {
        let took = told.saturating_duration_since(fault);
        let latest = self.latest() + Self::SLACK;
        ensure((earliest..=latest).contains(&took), || {
            format!("a fault was detected after {took:?}, expected between {earliest:?} and {latest:?}")
        })?;
        Ok(took)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_hasty_verdict_nor_a_late_one_is_accepted() {
        let fault = Instant::now();
        let after = |millis| Heartbeat::FAST.silence(fault, fault + Duration::from_millis(millis));
        assert!(after(399).is_err());
        assert_eq!(after(400).unwrap(), Duration::from_millis(400));
        assert!(after(4_600).is_ok() && after(4_601).is_err());
        assert!(Heartbeat::FAST.sign(fault, fault).is_ok());
    }
}
