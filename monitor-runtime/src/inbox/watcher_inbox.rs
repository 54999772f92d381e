//! The queue of a watcher that is not a process.

use std::mem;

use futures::task::AtomicWaker;
use monitor_core::MonitorId;
use parking_lot::Mutex;

use crate::inbox::{
    chunked_queue::ChunkedQueue,
    fired_queue::{FiredQueue, Popped, is_mostly_stale},
};

/// The queue of `Down`s of a [`Monitor`](crate::Monitor) or a [`MonitorSet`](crate::MonitorSet).
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    fired: Mutex<Fired>,
    pub(crate) waker: AtomicWaker,
}

#[derive(Debug, Default)]
struct Fired {
    monitors: ChunkedQueue<MonitorId>,
    /// Number of queued monitors that were flushed.
    stale: usize,
}

impl Inbox {
    /// Appends monitors that have fired. The caller must then wake the receiver.
    pub(crate) fn push(&self, ids: &[MonitorId]) {
        self.fired.lock().monitors.extend(ids.iter().copied());
    }

    /// Pops the first monitor, which may have been flushed.
    pub(crate) fn pop(&self) -> Option<MonitorId> {
        self.fired.lock().monitors.pop_front()
    }

    /// Records that a queued monitor was flushed. Drops all flushed monitors once they are most of
    /// the queue.
    pub(crate) fn record_flushed(&self, is_fired: impl Fn(MonitorId) -> bool) {
        let mut fired = self.fired.lock();
        fired.stale += 1;
        if is_mostly_stale(fired.stale, fired.monitors.len()) {
            let monitors = mem::take(&mut fired.monitors);
            fired.monitors = monitors.into_iter().filter(|&id| is_fired(id)).collect();
            fired.stale = 0;
        }
    }
}

impl FiredQueue for Inbox {
    fn pop_run(&self, max: usize, take: &mut dyn FnMut(MonitorId) -> Popped) {
        let mut fired = self.fired.lock();
        for _ in 0..max {
            let Some(id) = fired.monitors.pop_front() else { return };
            match take(id) {
                Popped::Taken => {}
                Popped::TakenLast => return,
                Popped::Flushed => fired.stale = fired.stale.saturating_sub(1),
            }
        }
    }

    fn record_skipped(&self) {
        let mut fired = self.fired.lock();
        fired.stale = fired.stale.saturating_sub(1);
    }
}
