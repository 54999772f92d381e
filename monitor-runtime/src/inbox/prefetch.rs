//! `Down`s that were taken out of the core and wait for nothing but their receiver.
//!
//! To take one is to enter the node, which is worth more than one: whoever receives takes the next
//! few along. They are the receiver's from then on, and it must look here, too, when it flushes.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use monitor_core::{Core, Down, ExitReason, LocalPid, MonitorId};
use parking_lot::Mutex;

use crate::inbox::fired_queue::{FiredQueue, Popped};

/// How many are taken at once: a flush that looks through them still takes a moment.
const RUN: usize = 128;

/// No more are taken once the reasons of those that were take this many bytes: beside the core they
/// are in no account.
const RUN_BYTES: usize = 64 * 1024;

/// See the [module](self). In the order in which they fired.
#[derive(Debug, Default)]
pub(crate) struct Prefetch {
    downs: Mutex<VecDeque<Down>>,
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
    /// Returns the next one.
    pub(crate) fn pop(&mut self) -> Option<Down> {
        let downs = self.downs.get_mut();
        let down = downs.pop_front()?;
        if let Some(count) = &self.count {
            count.set(downs.len());
        }
        Some(down)
    }

    /// Drops all of them, because their receiver ends. Returns true if the node has a count of this
    /// receiver, which the caller must remove.
    pub(crate) fn clear(&mut self) -> bool {
        self.downs.get_mut().clear();
        self.count.take().is_some()
    }

    /// Takes the `Down` of `first`, which the receiver has popped from `fired`, and keeps the run
    /// that follows it there. `None` if the first was flushed; the run may hold some all the same.
    pub(crate) fn open(
        &mut self,
        core: &mut Core,
        counts: &mut PrefetchCounts,
        receiver: LocalPid,
        first: MonitorId,
        fired: &dyn FiredQueue,
    ) -> Option<Down> {
        let kept = self.downs.get_mut();
        let down = core.take(first);
        if down.is_none() {
            fired.skipped();
        }
        let mut bytes = down.as_ref().map_or(0, reason_bytes);
        if bytes < RUN_BYTES {
            fired.pop_run(RUN - 1, &mut |id| {
                let Some(down) = core.take(id) else { return Popped::Flushed };
                kept.push_back(down);
                // Read where it is kept: a second copy of the `Down` would cost more.
                bytes += kept.back().map_or(0, reason_bytes);
                if bytes < RUN_BYTES { Popped::Taken } else { Popped::TakenLast }
            });
        }
        if !kept.is_empty() {
            // In one step with the core, so that the sum of both counts each once.
            self.count.get_or_insert_with(|| counts.entry(receiver).or_default().clone()).set(kept.len());
        }
        down
    }

    /// Whether the `Down` of that monitor is here.
    pub(crate) fn has(&self, id: MonitorId) -> bool {
        self.downs.lock().iter().any(|down| down.monitor.serial() == id.0)
    }

    /// Drops one, if it is here.
    pub(crate) fn flush(&self, id: MonitorId) -> bool {
        let mut downs = self.downs.lock();
        let place = downs.iter().position(|down| down.monitor.serial() == id.0);
        let found = place.and_then(|place| downs.remove(place)).is_some();
        if let Some(count) = &self.count {
            count.set(downs.len());
        }
        found
    }

    /// Looks at all of them, in order.
    pub(crate) fn each(&self, look: impl FnMut(&Down)) {
        self.downs.lock().iter().for_each(look);
    }
}

fn reason_bytes(down: &Down) -> usize {
    match down.reason.exit() {
        Some(ExitReason::Panicked(text)) => text.len(),
        Some(ExitReason::Other(bytes)) => bytes.len(),
        _ => 0,
    }
}
