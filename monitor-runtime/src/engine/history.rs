//! The last `Down`s of a node, kept to explain them later.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use monitor_core::{Core, Down, DownReason, LocalPid, MonitorId};
use refs::Pid;
use serde::Serialize;

use crate::threads::environment::Environment;

/// A `Down` that was delivered. See [`Node::history`](crate::Node::history).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PastDown {
    /// The delivered `Down`. A reason of more than 1 KiB is cut to its beginning, and
    /// `reason_was_cut` is set. Its [`elapsed`](Down::elapsed) is zero.
    pub down: Down,
    /// The process that received the `Down`. `None` if the receiver was a
    /// [`Monitor`](crate::Monitor) or a [`MonitorSet`](crate::MonitorSet), or if the process has
    /// exited.
    pub watcher: Option<Pid>,
    /// Time since the monitor fired.
    pub ago: Duration,
}

/// The last `Down`s of a node.
#[derive(Debug)]
pub(crate) struct History {
    limit: usize,
    records: VecDeque<Record>,
}

#[derive(Debug)]
struct Record {
    at: Instant,
    watcher: LocalPid,
    down: Down,
}

/// Maximum length of a stored reason in bytes. Peers write the reasons, so without a maximum they
/// could fill the memory.
const MAX_REASON: usize = 1024;

impl History {
    pub(crate) fn new(limit: usize) -> Self {
        History { limit, records: VecDeque::new() }
    }

    /// Records the `Down` of a monitor that fired.
    pub(crate) fn fired(&mut self, watcher: LocalPid, id: MonitorId, core: &Core, clock: &Environment) {
        if self.limit == 0 {
            return;
        }
        // If it was flushed within the same input, the `Down` is not delivered.
        let Some(mut down) = core.fired(id) else { return };
        cut_reason(&mut down);
        if self.records.len() == self.limit {
            self.records.pop_front();
        }
        self.records.push_back(Record { at: clock.now(), watcher, down });
    }

    /// Returns at most `limit` of them, newest first. `watcher` maps a number to the pid of a live
    /// process.
    pub(crate) fn list(
        &self,
        limit: usize,
        now: Instant,
        watcher: impl Fn(LocalPid) -> Option<Pid>,
    ) -> Vec<PastDown> {
        let past_down = |record: &Record| PastDown {
            down: record.down.clone(),
            watcher: watcher(record.watcher),
            ago: now.saturating_duration_since(record.at),
        };
        self.records.iter().rev().take(limit).map(past_down).collect()
    }
}

fn cut_reason(down: &mut Down) {
    if let Some(cut) = down.reason.exit().and_then(|exit| exit.cut(MAX_REASON)) {
        down.reason = DownReason::Exit(cut);
        down.reason_was_cut = true;
    }
}
