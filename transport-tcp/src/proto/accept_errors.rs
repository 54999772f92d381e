//! The pause of the listener after errors such as too many open files: it grows with repeated
//! errors, and warnings are limited in rate.
//!
//! A pure state machine: the time is passed in.

use std::time::{Duration, Instant};

use peer_service::log_limit::LogLimit;

/// The pause after the first error; doubles up to [`LONGEST_REST`].
const FIRST_REST: Duration = Duration::from_millis(10);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct AcceptErrors {
    rest: Duration,
    warnings: LogLimit,
}

/// Advice after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    /// Accept nothing for this duration.
    pub(crate) rest: Duration,
    /// Log a warning with this number of errors since the last warning.
    pub(crate) warn: Option<u64>,
}

impl AcceptErrors {
    pub(crate) fn new() -> Self {
        AcceptErrors { rest: FIRST_REST, warnings: LogLimit::default() }
    }

    /// A connection was accepted.
    pub(crate) fn over(&mut self) {
        self.rest = FIRST_REST;
    }

    /// Accepting has failed.
    pub(crate) fn another(&mut self, now: Instant) -> Advice {
        let rest = self.rest;
        self.rest = (rest * 2).min(LONGEST_REST);
        Advice { rest, warn: self.warnings.another(now) }
    }
}

#[cfg(test)]
mod tests {
    use peer_service::log_limit::BETWEEN_WARNINGS;

    use super::*;

    #[test]
    fn rests_grow_until_a_connection_was_accepted() {
        let (mut errors, now) = (AcceptErrors::new(), Instant::now());
        let mut rests = || (0..9).map(|_| errors.another(now).rest.as_millis()).collect::<Vec<_>>();
        assert_eq!(rests(), [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        errors.over();
        assert_eq!(errors.another(now).rest, FIRST_REST);
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
