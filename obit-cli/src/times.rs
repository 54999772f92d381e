//! Spans of time, as people say them.

use std::time::Duration;

/// How long ago something was, or how long it has lasted, in its two largest units.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..172_800 => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// The longest time that can be given, in seconds: some thirty years, so that a moment that far off
/// is one of every clock.
const MAX_SECONDS: f64 = 1e9;

/// Seconds on a command line, whole or not, from 0 to [`MAX_SECONDS`].
pub(crate) fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..=MAX_SECONDS).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or("write a number of seconds from 0 to 1000000000, as in 60 or 0.5")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn times_have_two_units_at_most() {
        let said = [0, 59, 61, 3599, 3660, 90_000, 200_000].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(said, ["0s", "59s", "1m 01s", "59m 59s", "1h 01m", "25h 00m", "2d 07h"]);
    }

    #[test]
    fn seconds_need_not_be_whole() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(seconds("0"), Ok(Duration::ZERO));
        for wrong in ["", "1m", "NaN", "inf"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_time_is_one_that_clocks_reach_or_is_refused_with_what_is_allowed() {
        for within in ["0", "-0", "1e-12", "1", "1000000000", "999999999.999"] {
            let time = seconds(within).unwrap_or_else(|error| panic!("{within}: {error}"));
            assert!(Instant::now().checked_add(time).is_some(), "{within}");
        }
        let u64_max = u64::MAX.to_string();
        for beyond in ["-1", "-1e-12", "1000000000.1", "1e10", "1e308", "1e400", u64_max.as_str()] {
            let refused = seconds(beyond).expect_err(beyond);
            assert!(refused.contains("from 0 to 1000000000"), "{beyond}: {refused}");
        }
    }
}
