//! Monitors that have fired, each with the time at which it did.
//!
//! The time is stored once for each run of monitors that fired at the same time of the coarse
//! clock, so that a million of them take eight bytes each.

use std::iter;

use monitor_core::MonitorId;

use crate::{
    inbox::{chunked_queue::ChunkedQueue, fired_queue::Fired},
    threads::environment::CoarseTime,
};

/// See the [module](self). A queue.
#[derive(Debug, Default)]
pub(crate) struct FiredRuns {
    ids: ChunkedQueue<MonitorId>,
    /// The time of the first run. Has no meaning while the queue is empty.
    first: CoarseTime,
    /// `None` while the queue is a single run, as nearly all are: then a queue has eight bytes for
    /// it, and no allocation.
    later: Option<Box<LaterRuns>>,
}

#[derive(Debug, Default)]
struct LaterRuns {
    /// Number of monitors of the first run. Not zero.
    first_len: usize,
    /// The runs after the first one. Not empty.
    runs: ChunkedQueue<Run>,
}

#[derive(Debug)]
struct Run {
    at: CoarseTime,
    len: usize,
}

impl FiredRuns {
    /// Number of monitors.
    pub(crate) const fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Appends monitors that have fired at that time.
    pub(crate) fn push(&mut self, ids: &[MonitorId], at: CoarseTime) {
        if !ids.is_empty() {
            self.extend_runs(at, ids.len());
            self.ids.extend(ids.iter().copied());
        }
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Fired> {
        let fired = Fired { id: self.ids.pop_front()?, at: self.first };
        if self.later.is_some() {
            self.shorten_first_run();
        }
        Some(fired)
    }

    /// Returns all monitors, in order.
    pub(crate) fn into_fired(mut self) -> impl Iterator<Item = Fired> {
        iter::from_fn(move || self.pop())
    }

    /// Records the time of so many monitors that are pushed next.
    fn extend_runs(&mut self, at: CoarseTime, len: usize) {
        let first_len = self.len();
        if first_len == 0 {
            self.first = at;
        } else if self.first != at || self.later.is_some() {
            let later =
                self.later.get_or_insert_with(|| Box::new(LaterRuns { first_len, ..LaterRuns::default() }));
            match later.runs.back_mut() {
                Some(last) if last.at == at => last.len += len,
                _ => later.runs.push_back(Run { at, len }),
            }
        }
    }

    /// Records that a monitor of the first run was popped.
    fn shorten_first_run(&mut self) {
        let Some(later) = &mut self.later else { return };
        later.first_len -= 1;
        if later.first_len > 0 {
            return;
        }
        if let Some(next) = later.runs.pop_front() {
            (self.first, later.first_len) = (next.at, next.len);
        }
        if later.runs.is_empty() {
            self.later = None;
        }
    }
}

impl FromIterator<Fired> for FiredRuns {
    fn from_iter<I: IntoIterator<Item = Fired>>(fired: I) -> Self {
        let mut runs = FiredRuns::default();
        fired.into_iter().for_each(|Fired { id, at }| runs.push(&[id], at));
        runs
    }
}
