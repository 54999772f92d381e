//! The pause of the listener after errors such as too many open files: it grows with repeated
//! errors, and warnings are limited in rate.
//!
//! A pure state machine: the time is passed in.

use std::time::{Duration, Instant};

use peer_service::log_limit::LogLimit;

/// The pause after the first error; doubles up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct AcceptErrors {
    pause: Duration,
    warnings: LogLimit,
}

/// Advice after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    /// Accept nothing for this duration.
    pub(crate) pause: Duration,
    /// Log a warning with this number of errors since the last warning.
    pub(crate) warn: Option<u64>,
}

impl AcceptErrors {
    pub(crate) fn new() -> Self {
        AcceptErrors { pause: FIRST_PAUSE, warnings: LogLimit::default() }
    }

    /// A connection was accepted.
    pub(crate) fn over(&mut self) {
        self.pause = FIRST_PAUSE;
    }

    /// Accepting has failed.
    pub(crate) fn another(&mut self, now: Instant) -> Advice {
        let pause = self.pause;
        self.pause = (pause * 2).min(MAX_PAUSE);
        Advice { pause, warn: self.warnings.another(now) }
    }
}

#[cfg(test)]
mod tests {
    use peer_service::log_limit::BETWEEN_WARNINGS;

    use super::*;

    #[test]
    fn pauses_grow_until_a_connection_was_accepted() {
        let (mut errors, now) = (AcceptErrors::new(), Instant::now());
        let mut pauses = || (0..9).map(|_| errors.another(now).pause.as_millis()).collect::<Vec<_>>();
        assert_eq!(pauses(), [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        errors.over();
        assert_eq!(errors.another(now).pause, FIRST_PAUSE);
    }

    #[test]
    fn a_warning_tells_of_the_errors_since_the_last_one_however_many_connections_came_between() {
        let (mut errors, now) = (AcceptErrors::new(), Instant::now());
        assert_eq!(errors.another(now).warn, Some(1));
        for _ in 0..1000 {
            errors.over();
            assert_eq!(errors.another(now + BETWEEN_WARNINGS / 2).warn, None);
        }
        assert_eq!(errors.another(now + BETWEEN_WARNINGS).warn, Some(1001));
        assert_eq!(errors.another(now + BETWEEN_WARNINGS).warn, None);
    }
}
