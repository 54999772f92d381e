//! Durations as text.

use std::time::Duration;

/// Formats a duration in its two largest units.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..172_800 => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Maximum time on a command line, in seconds: some thirty years, so that adding it to the current
/// time never overflows.
const MAX_SECONDS: f64 = 1e9;

/// Parses seconds from a command line, whole or not, from 0 to [`MAX_SECONDS`].
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
        let texts =
            [0, 59, 61, 3599, 3660, 90_000, 200_000].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(texts, ["0s", "59s", "1m 01s", "59m 59s", "1h 01m", "25h 00m", "2d 07h"]);
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
    fn a_time_beyond_the_clock_is_refused_with_the_allowed_range() {
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
