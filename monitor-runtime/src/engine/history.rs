//! What monitors have told, kept for whoever asks later why.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use monitor_core::{Core, Down, DownReason, LocalPid, MonitorId};
use refs::Pid;
use serde::Serialize;

use crate::threads::environment::Environment;

/// A `Down` that was told. See [`Node::history`](crate::Node::history).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PastDown {
    /// What was told. Of a reason of more than 1 KiB only the beginning is kept, and
    /// `reason_was_cut` is set.
    pub down: Down,
    /// The process that was told; none if it was a [`Monitor`](crate::Monitor) or a
    /// [`MonitorSet`](crate::MonitorSet), or if the process is gone.
    pub watcher: Option<Pid>,
    /// How long ago the monitor fired.
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

/// What a peer writes into a reason must not fill the memory that many times over.
const MAX_REASON: usize = 1024;

impl History {
    pub(crate) fn new(limit: usize) -> Self {
        History { limit, records: VecDeque::new() }
    }

    /// A monitor has fired.
    pub(crate) fn fired(&mut self, watcher: LocalPid, id: MonitorId, core: &Core, clock: &Environment) {
        if self.limit == 0 {
            return;
        }
        // Flushed in the same breath, it was told to nobody.
        let Some(mut down) = core.fired(id) else { return };
        shorten(&mut down);
        if self.records.len() == self.limit {
            self.records.pop_front();
        }
        self.records.push_back(Record { at: clock.now(), watcher, down });
    }

    /// Returns at most `limit` of them, newest first. `watcher` maps a number to the pid of a
    /// process that lives.
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

fn shorten(down: &mut Down) {
    if let Some(cut) = down.reason.exit().and_then(|exit| exit.cut(MAX_REASON)) {
        down.reason = DownReason::Exit(cut);
        down.reason_was_cut = true;
    }
}
