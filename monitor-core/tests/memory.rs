//! What a monitor costs in memory.
//!
//! On its own, because everything that is allocated meanwhile is counted.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use allocation_counter::measure;

use self::bare::Bare;

#[path = "../benches/bare/mod.rs"]
mod bare;

/// The most bytes that a monitor may take on either side.
const BUDGET: u64 = 64;

/// Just below a power of two, to which the tables grow: no room stands empty, and the figure is what a row takes.
const FULL: u32 = (1 << 18) - 64;

/// What is kept of what was allocated, for each monitor.
fn bytes_each(make: impl FnOnce() -> Bare) -> u64 {
    let mut kept = None;
    let allocated = measure(|| kept = Some(make()));
    drop(kept);
    u64::try_from(allocated.bytes_current).unwrap() / u64::from(FULL)
}

#[test]
fn a_monitor_takes_no_more_than_its_budget_at_the_watcher() {
    let bytes = bytes_each(|| Bare::watching(FULL));
    assert!(bytes <= BUDGET, "{bytes} bytes");
}

#[test]
fn a_monitor_takes_no_more_than_its_budget_at_the_target() {
    let bytes = bytes_each(|| Bare::watched(FULL));
    assert!(bytes <= BUDGET, "{bytes} bytes");
}

#[test]
fn the_end_of_a_session_with_many_monitors_needs_no_memory_to_speak_of() {
    let mut bare = Bare::watching(FULL);
    let allocated = measure(|| bare.lose_peer()).bytes_max;
    assert!(allocated < 64 * 1024, "{allocated} bytes for {FULL} monitors");
}
