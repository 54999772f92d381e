//! `Down`s that a receiver has taken out of the core and not yet received.
//!
//! Taking a `Down` out of the core enters the node, which is too expensive for each `Down`. So a
//! receiver also takes the `Down`s that follow. From then on they belong to the receiver, which
//! must search them, too, when it flushes.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use monitor_core::{Core, Down, ExitReason, LocalPid, MonitorId};
use parking_lot::Mutex;

use crate::{
    inbox::fired_queue::{Fired, FiredQueue, Popped},
    threads::environment::{CoarseTime, Environment},
};

/// Maximum number of `Down`s of a run, so that a flush still searches them quickly.
const RUN: usize = 128;

/// Maximum number of bytes of the reasons of a run; the last reason may exceed it. Outside of the
/// core no account includes these bytes.
const RUN_BYTES: usize = 64 * 1024;

/// See the [module](self). The `Down`s are in the order in which their monitors fired.
#[derive(Debug, Default)]
pub(crate) struct Prefetch {
    downs: Mutex<VecDeque<Down>>,
    /// The time at which the run was taken, up to which [`Down::elapsed`] of its `Down`s counts.
    taken_at: CoarseTime,
    count: Option<Arc<PrefetchCount>>,
}

/// Number of `Down`s that one receiver has taken out of the core and not yet received. Only the
/// receiver writes it, so that a receipt costs a store and no atomic addition. The state of the
/// node has the counts of all receivers that took a run.
#[derive(Debug, Default)]
pub(crate) struct PrefetchCount(AtomicUsize);

/// The counts of all receivers that took a run.
pub(crate) type PrefetchCounts = BTreeMap<LocalPid, Arc<PrefetchCount>>;

impl PrefetchCount {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, count: usize) {
        self.0.store(count, Ordering::Relaxed);
    }
}

impl Prefetch {
    /// Returns the next `Down`, with the time that it has waited here.
    #[inline]
    pub(crate) fn pop(&mut self, clock: &Environment) -> Option<Down> {
        // Most receivers have taken no run.
        if self.downs.get_mut().is_empty() { None } else { self.pop_first(clock.coarse_now()) }
    }

    fn pop_first(&mut self, now: CoarseTime) -> Option<Down> {
        let downs = self.downs.get_mut();
        if now != self.taken_at
            && let Some(first) = downs.front_mut()
        {
            let waited = Down::elapsed(first).saturating_add(now.since(self.taken_at));
            first.set_elapsed(waited);
        }
        if let Some(count) = &self.count {
            count.set(downs.len().saturating_sub(1));
        }
        downs.pop_front()
    }

    /// Drops all `Down`s, because their receiver ends. Returns true if the node has a count of this
    /// receiver, which the caller must remove.
    pub(crate) fn clear(&mut self) -> bool {
        self.downs.get_mut().clear();
        self.count.take().is_some()
    }

    /// Takes the `Down` of `first`, which the receiver has popped from `fired`, and stores the run
    /// that follows it there. Returns `None` if the first was flushed; the run may contain `Down`s
    /// nevertheless.
    pub(crate) fn take_run(
        &mut self,
        core: &mut Core,
        counts: &mut PrefetchCounts,
        receiver: LocalPid,
        first: Fired,
        fired: &dyn FiredQueue,
        now: CoarseTime,
    ) -> Option<Down> {
        let run = self.downs.get_mut();
        self.taken_at = now;
        let mut down = core.take(first.id);
        match &mut down {
            Some(down) => down.set_elapsed(now.since(first.at)),
            None => fired.record_skipped(),
        }
        let mut bytes = down.as_ref().map_or(0, reason_bytes);
        if bytes < RUN_BYTES {
            fired.pop_run(RUN - 1, &mut |Fired { id, at }| {
                let Some(down) = core.take(id) else { return Popped::Flushed };
                run.push_back(down);
                // Changed and read after the push, because another copy of the `Down` would cost
                // more.
                if let Some(down) = run.back_mut() {
                    down.set_elapsed(now.since(at));
                    bytes += reason_bytes(down);
                }
                if bytes < RUN_BYTES { Popped::Taken } else { Popped::TakenLast }
            });
        }
        if !run.is_empty() {
            // Set in one step with the core, so that the sum of both counts includes each `Down`
            // once.
            self.count.get_or_insert_with(|| counts.entry(receiver).or_default().clone()).set(run.len());
        }
        down
    }

    /// Whether the `Down` of that monitor is in the run.
    pub(crate) fn has(&self, id: MonitorId) -> bool {
        self.downs.lock().iter().any(|down| down.monitor.serial() == id.0)
    }

    /// Drops the `Down` of that monitor. Returns false if it is not in the run.
    pub(crate) fn flush(&self, id: MonitorId) -> bool {
        let mut downs = self.downs.lock();
        let index = downs.iter().position(|down| down.monitor.serial() == id.0);
        let found = index.and_then(|index| downs.remove(index)).is_some();
        if let Some(count) = &self.count {
            count.set(downs.len());
        }
        found
    }

    /// Calls `visit` for each `Down`, in order.
    pub(crate) fn for_each(&self, visit: impl FnMut(&Down)) {
        self.downs.lock().iter().for_each(visit);
    }
}

fn reason_bytes(down: &Down) -> usize {
    match down.reason.exit() {
        Some(ExitReason::Panicked(text)) => text.len(),
        Some(ExitReason::Other(bytes)) => bytes.len(),
        _ => 0,
    }
}
