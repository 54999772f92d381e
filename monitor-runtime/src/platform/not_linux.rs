//! Systems other than Linux.

use std::{sync::LazyLock, time::Instant};

/// A clock that never goes back, in nanoseconds. It advances in steps of 1 ms, so that readings
/// that are close together are equal, as on Linux.
pub(crate) fn coarse_nanos() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let millis = Instant::now().duration_since(*START).as_millis();
    u64::try_from(millis).unwrap_or(u64::MAX).saturating_mul(1_000_000)
}
