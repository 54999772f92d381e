//! Linux.

use rustix::time::{ClockId, clock_gettime};

/// A clock that never goes back and is cheap to read, in nanoseconds. It advances in steps of 1 to
/// 4 ms.
pub(crate) fn coarse_nanos() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    // The time since the boot is not negative.
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
