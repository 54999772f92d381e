//! Queues of monitors that have fired, as their receiver reads them.

use monitor_core::MonitorId;

use crate::threads::environment::CoarseTime;

/// A monitor that has fired. It may have been flushed since; then the core has no `Down` of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fired {
    pub(crate) id: MonitorId,
    /// The time at which it fired.
    pub(crate) at: CoarseTime,
}

/// A queue of monitors that have fired, in order.
pub(crate) trait FiredQueue {
    /// Pops at most `max` monitors from the front, up to the first entry of another kind, and
    /// passes each to `take`.
    fn pop_run(&self, max: usize, take: &mut dyn FnMut(Fired) -> Popped);

    /// Records that a popped monitor was flushed.
    fn record_skipped(&self);
}

/// The outcome of a popped monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Popped {
    Taken,
    /// It was taken, and no further monitor may be popped.
    TakenLast,
    Flushed,
}

/// Returns true if compacting a queue pays: not for a few stale entries, and seldom enough to cost
/// O(1) for each.
pub(crate) const fn is_mostly_stale(stale: usize, len: usize) -> bool {
    stale > 32 && stale > len / 2
}
