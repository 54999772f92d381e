//! The queue of a watcher that is no process.

use std::mem;

use futures::task::AtomicWaker;
use monitor_core::MonitorId;
use parking_lot::Mutex;

use crate::inbox::{
    chunked_queue::ChunkedQueue,
    fired_queue::{FiredQueue, Popped, is_mostly_stale},
};

/// Where the `Down`s of a [`Monitor`](crate::Monitor) or a [`MonitorSet`](crate::MonitorSet) go.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    fired: Mutex<Fired>,
    pub(crate) waker: AtomicWaker,
}

#[derive(Debug, Default)]
struct Fired {
    monitors: ChunkedQueue<MonitorId>,
    /// How many of them were flushed.
    stale: usize,
}

impl Inbox {
    /// Monitors have fired. Wake the receiver afterwards.
    pub(crate) fn push(&self, ids: &[MonitorId]) {
        self.fired.lock().monitors.extend(ids.iter().copied());
    }

    /// The first that fired, flushed or not.
    pub(crate) fn pop(&self) -> Option<MonitorId> {
        self.fired.lock().monitors.pop_front()
    }

    /// One that waits here was flushed. Drops those once they are most of what waits.
    pub(crate) fn flushed(&self, is_fired: impl Fn(MonitorId) -> bool) {
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
    fn pop_run(&self, most: usize, take: &mut dyn FnMut(MonitorId) -> Popped) {
        let mut fired = self.fired.lock();
        for _ in 0..most {
            let Some(id) = fired.monitors.pop_front() else { return };
            match take(id) {
                Popped::Taken => {}
                Popped::TakenLast => return,
                Popped::Flushed => fired.stale = fired.stale.saturating_sub(1),
            }
        }
    }

    fn skipped(&self) {
        let mut fired = self.fired.lock();
        fired.stale = fired.stale.saturating_sub(1);
    }
}
