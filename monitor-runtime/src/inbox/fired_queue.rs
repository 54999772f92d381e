//! Queues of monitors that have fired, as a receiver takes from them.

use monitor_core::MonitorId;

/// Where the numbers of monitors that have fired wait, in order.
pub(crate) trait FiredQueue {
    /// Takes at most `most` numbers off the front, as far as nothing else is between them, and
    /// hands each to `take`.
    fn pop_run(&self, most: usize, take: &mut dyn FnMut(MonitorId) -> Popped);

    /// One that was popped was flushed.
    fn skipped(&self);
}

/// What became of a number that was popped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Popped {
    Taken,
    /// It was taken, and nothing more is to be popped.
    TakenLast,
    Flushed,
}

/// Whether a queue is worth walking to drop what is stale: not for a few, and then seldom enough to
/// cost O(1) each.
pub(crate) const fn is_mostly_stale(stale: usize, len: usize) -> bool {
    stale > 32 && stale > len / 2
}
