//! Warnings of what strangers can bring about as often as they like: they must not fill the log.
//!
//! A pure state machine: the time is passed in.

use std::time::{Duration, Instant};

/// What happens within that time of a warning is told with the next one.
pub(crate) const BETWEEN_WARNINGS: Duration = Duration::from_secs(10);

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    last: Option<Instant>,
    untold: u64,
}

impl Seldom {
    /// It has happened again: to warn, of that many times since the last warning?
    pub(crate) fn another(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        let quiet = self.last.is_some_and(|last| now.duration_since(last) < BETWEEN_WARNINGS);
        (!quiet).then(|| {
            self.last = Some(now);
            std::mem::take(&mut self.untold)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_tells_of_what_has_happened_since_the_last_one() {
        let (mut seldom, now) = (Seldom::default(), Instant::now());
        assert_eq!(seldom.another(now), Some(1));
        for _ in 0..1000 {
            assert_eq!(seldom.another(now + BETWEEN_WARNINGS / 2), None);
        }
        assert_eq!(seldom.another(now + BETWEEN_WARNINGS), Some(1001));
        assert_eq!(seldom.another(now + BETWEEN_WARNINGS), None);
    }
}
