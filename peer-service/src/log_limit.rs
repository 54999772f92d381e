//! A rate limit for warnings that an unauthenticated peer can cause, so that they do not fill the
//! log.
//!
//! A pure state machine: the time is passed in.
//!
//! ```
//! use std::time::Instant;
//!
//! use peer_service::log_limit::{BETWEEN_WARNINGS, LogLimit};
//!
//! let (mut limit, now) = (LogLimit::default(), Instant::now());
//! assert_eq!(limit.another(now), Some(1)); // warn
//! assert_eq!(limit.another(now), None); // too soon
//! assert_eq!(limit.another(now + BETWEEN_WARNINGS), Some(2)); // warn about both
//! ```

use std::time::{Duration, Instant};

/// Minimum time between two warnings of one [`LogLimit`].
pub const BETWEEN_WARNINGS: Duration = Duration::from_secs(10);

/// Decides which events of one kind are logged as a warning: at most one in [`BETWEEN_WARNINGS`].
#[derive(Debug, Default)]
pub struct LogLimit {
    last: Option<Instant>,
    /// Number of events since the last warning.
    unreported: u64,
}

impl LogLimit {
    /// Counts an event. Returns the number of events since the last warning, this one included, if
    /// a warning is due; `None` if the last one is too recent.
    pub fn another(&mut self, now: Instant) -> Option<u64> {
        self.unreported += 1;
        let quiet = self.last.is_some_and(|last| now.duration_since(last) < BETWEEN_WARNINGS);
        (!quiet).then(|| {
            self.last = Some(now);
            std::mem::take(&mut self.unreported)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_tells_of_what_has_happened_since_the_last_one() {
        let (mut limit, now) = (LogLimit::default(), Instant::now());
        assert_eq!(limit.another(now), Some(1));
        for _ in 0..1000 {
            assert_eq!(limit.another(now + BETWEEN_WARNINGS / 2), None);
        }
        assert_eq!(limit.another(now + BETWEEN_WARNINGS), Some(1001));
        assert_eq!(limit.another(now + BETWEEN_WARNINGS), None);
    }
}
