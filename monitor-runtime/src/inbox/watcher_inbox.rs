//! The queue of a watcher that is not a process.

use std::mem;

use futures::task::AtomicWaker;
use monitor_core::MonitorId;
use parking_lot::Mutex;

use crate::{
    inbox::{
        fired_queue::{Fired, FiredQueue, Popped, is_mostly_stale},
        fired_runs::FiredRuns,
    },
    threads::environment::CoarseTime,
};

/// The queue of `Down`s of a [`Monitor`](crate::Monitor) or a [`MonitorSet`](crate::MonitorSet).
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<InboxState>,
    pub(crate) waker: AtomicWaker,
}

#[derive(Debug, Default)]
struct InboxState {
    fired: FiredRuns,
    /// Number of queued monitors that were flushed.
    stale: usize,
}

impl Inbox {
    /// Appends monitors that have fired at that time. The caller must then wake the receiver.
    pub(crate) fn push(&self, ids: &[MonitorId], at: CoarseTime) {
        self.state.lock().fired.push(ids, at);
    }

    /// Pops the first monitor, which may have been flushed.
    pub(crate) fn pop(&self) -> Option<Fired> {
        self.state.lock().fired.pop()
    }

    /// Records that a queued monitor was flushed. Drops all flushed monitors once they are most of
    /// the queue.
    pub(crate) fn record_flushed(&self, is_fired: impl Fn(MonitorId) -> bool) {
        let mut state = self.state.lock();
        state.stale += 1;
        if is_mostly_stale(state.stale, state.fired.len()) {
            let old = mem::take(&mut state.fired);
            state.fired = old.into_fired().filter(|fired| is_fired(fired.id)).collect();
            state.stale = 0;
        }
    }
}

impl FiredQueue for Inbox {
    fn pop_run(&self, max: usize, take: &mut dyn FnMut(Fired) -> Popped) {
        let mut state = self.state.lock();
        for _ in 0..max {
            let Some(fired) = state.fired.pop() else { return };
            match take(fired) {
                Popped::Taken => {}
                Popped::TakenLast => return,
                Popped::Flushed => state.stale = state.stale.saturating_sub(1),
            }
        }
    }

    fn record_skipped(&self) {
        let mut state = self.state.lock();
        state.stale = state.stale.saturating_sub(1);
    }
}
