//! What monitors have told, kept for whoever asks later why.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use monitor_core::{Core, Down, DownReason, ExitReason, LocalPid, MonitorId};
use refs::{Incarnation, NodeId, NodeName, Pid};

use crate::state::Inner;

/// A `Down` that was told, and on what evidence. See [`Node::history`](crate::Node::history).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PastDown {
    /// What was told. Of a reason of more than 1 KiB, the beginning.
    pub down: Down,
    /// The process that was told; none if it was a [`Monitor`](crate::Monitor) or a
    /// [`MonitorSet`](crate::MonitorSet), or if the process is gone.
    pub watcher: Option<Pid>,
    /// How long ago the monitor fired.
    pub ago: Duration,
    /// Who decided it.
    pub source: DownSource,
    /// The life of the target's node that said so, or with which the session was; none if there was no session,
    /// or if it is not known any more.
    pub incarnation: Option<Incarnation>,
}

/// Who decided that a monitor ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DownSource {
    /// The node of the target, which alone can know: it is true.
    TargetNode,
    /// The node of the watcher, when its session with the target's node ended. The target may live on.
    SessionEnd,
    /// Either node: there was no session and none could be made, or a limit was reached. The target may live on.
    NoSession,
}

impl DownSource {
    const fn of(reason: &DownReason) -> Self {
        match reason {
            DownReason::NoConnection(end) if end.kind.was_session() => DownSource::SessionEnd,
            DownReason::NoConnection(_) => DownSource::NoSession,
            _ => DownSource::TargetNode,
        }
    }
}

/// The last `Down`s of a node.
#[derive(Debug)]
pub(crate) struct History {
    limit: usize,
    records: VecDeque<Record>,
    /// The life of each node with which a session was admitted last: all that is told of a session is told before the
    /// next one with that node is admitted.
    lives: HashMap<NodeName, Incarnation>,
}

#[derive(Debug)]
struct Record {
    at: Instant,
    watcher: LocalPid,
    down: Down,
    incarnation: Option<Incarnation>,
}

/// Nodes come and go; no more of them are remembered, by and large.
const MAX_LIVES: usize = 4096;
/// What a peer writes into a reason must not fill the memory that many times over.
const MAX_REASON: usize = 1024;

impl History {
    pub(crate) fn new(limit: usize) -> Self {
        History { limit, records: VecDeque::new(), lives: HashMap::new() }
    }

    /// A session with a node, in this life of it, may deliver from now on.
    pub(crate) fn admitted(&mut self, node: &NodeId) {
        if self.limit == 0 {
            return;
        }
        if self.lives.len() >= MAX_LIVES {
            // Only what has not been told yet of their sessions is told without their lives.
            self.lives.clear();
        }
        self.lives.insert(node.name.clone(), node.incarnation);
    }

    /// A monitor has fired.
    pub(crate) fn fired(&mut self, watcher: LocalPid, id: MonitorId, core: &Core) {
        if self.limit == 0 {
            return;
        }
        // Flushed in the same breath, it was told to nobody.
        let Some(mut down) = core.fired(id) else { return };
        shorten(&mut down.reason);
        let incarnation = self.life(&down, &core.config().local);
        if self.records.len() == self.limit {
            self.records.pop_front();
        }
        self.records.push_back(Record { at: Instant::now(), watcher, down, incarnation });
    }

    fn life(&self, down: &Down, own: &NodeId) -> Option<Incarnation> {
        let node = down.target.node();
        match DownSource::of(&down.reason) {
            DownSource::NoSession => None,
            _ if *node == own.name => Some(own.incarnation),
            _ => self.lives.get(node).copied(),
        }
    }

    /// All of them, newest first.
    pub(crate) fn list(&self, node: &Inner) -> Vec<PastDown> {
        let now = Instant::now();
        let directory = node.directory.read();
        let told = |record: &Record| PastDown {
            down: record.down.clone(),
            watcher: directory.process(record.watcher).map(|_| node.pid(record.watcher.0)),
            ago: now.saturating_duration_since(record.at),
            source: DownSource::of(&record.down.reason),
            incarnation: record.incarnation,
        };
        self.records.iter().rev().map(told).collect()
    }
}

fn shorten(reason: &mut DownReason) {
    let DownReason::Exit(exit) = reason else { return };
    match exit {
        ExitReason::Other(bytes) if bytes.len() > MAX_REASON => {
            let head = ExitReason::other(&bytes[..MAX_REASON]);
            *exit = head.expect("it is shorter than a reason may be");
        }
        ExitReason::Panicked(text) if text.len() > MAX_REASON => {
            let mut head = text.to_string();
            while head.len() > MAX_REASON {
                head.pop();
            }
            *exit = ExitReason::panicked(head);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_reasons_are_cut_at_a_character() {
        let cut = |exit| {
            let mut reason = DownReason::Exit(exit);
            shorten(&mut reason);
            reason
        };
        let other = |len| ExitReason::other(vec![7; len]).unwrap();
        assert_eq!(cut(other(MAX_REASON)), DownReason::Exit(other(MAX_REASON)));
        assert_eq!(cut(other(MAX_REASON + 1)), DownReason::Exit(other(MAX_REASON)));
        let panic = |letters: usize| ExitReason::panicked("é".repeat(letters) + "x");
        let whole = ExitReason::panicked("é".repeat(MAX_REASON / 2));
        assert_eq!(cut(panic(MAX_REASON / 2)), DownReason::Exit(whole));
    }
}
