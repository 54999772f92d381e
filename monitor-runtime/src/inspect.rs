//! What goes on in a node, for people and programs to look at.

use refs::{NodeId, Pid, RegName};
use serde::Serialize;

use monitor_core::LocalPid;

use crate::state::Inner;

/// How much there is of everything. See [`Node::stats`](crate::Node::stats).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Live processes.
    pub processes: usize,
    /// [`Monitor`](crate::Monitor)s and [`MonitorSet`](crate::MonitorSet)s that live.
    pub watchers: usize,
    /// Sessions that are up.
    pub sessions: usize,
    /// Monitors of this node's watchers that wait for a connection, or are active.
    pub monitors: usize,
    /// Monitors of this node's watchers that have fired, and whose `Down` was not received yet.
    pub fired: usize,
    /// Monitors that other nodes hold on this node's processes.
    pub incoming_monitors: usize,
    /// `monitor_node` subscriptions.
    pub node_monitors: usize,
    /// `monitor_nodes` subscriptions.
    pub nodes_subscriptions: usize,
    /// Nodes that something here refers to, connected or not.
    pub peers: usize,
    /// Monitors and messages that wait for a connection.
    pub waiting: usize,
    /// Bytes of messages that wait for a connection.
    pub waiting_bytes: usize,
    /// Pieces of work that wait for their turn.
    pub backlog: usize,
    /// Everything that was dropped or refused since the start, by name.
    pub drops: Vec<Count>,
    /// What the peer service counts, by name.
    pub service: Vec<Count>,
}

/// A count of something, since the start of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Count {
    /// Of what.
    pub name: &'static str,
    /// How many.
    pub count: u64,
}

/// Every process and session of a node. See [`Node::inspect`](crate::Node::inspect).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Inspect {
    /// The node.
    pub node: NodeId,
    /// Its processes, by number.
    pub processes: Vec<ProcessInfo>,
    /// Its sessions, in the order in which they began.
    pub sessions: Vec<SessionInfo>,
    /// How much there is of everything.
    pub stats: Stats,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProcessInfo {
    /// Its pid.
    pub pid: Pid,
    /// Its names, in the order in which it got them.
    pub names: Vec<RegName>,
    /// How many monitors it holds: those included whose `Down` it has not received.
    pub monitors: usize,
    /// How many monitors there are on it.
    pub monitored_by: usize,
    /// How many entries wait in its mailbox.
    pub waiting: usize,
    /// How many bytes the messages among them take.
    pub waiting_bytes: usize,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its number.
    pub session: u64,
    /// The node at its other end.
    pub peer: NodeId,
    /// Whether either end is hidden.
    pub hidden: bool,
    /// Whether it is up: false while the end of the session before it is still being told.
    pub admitted: bool,
    /// How many bytes wait to be sent.
    pub queued_bytes: usize,
}

impl Stats {
    pub(crate) fn of(node: &Inner) -> Self {
        let (core, waiting_bytes) = node.look(|state| (state.core.stats(), state.parked.bytes()));
        let (processes, watchers) = node.directory.read().counts();
        Stats {
            processes,
            watchers,
            sessions: core.sessions,
            monitors: core.outgoing_active,
            fired: core.outgoing_fired,
            incoming_monitors: core.incoming,
            node_monitors: core.node_monitors,
            nodes_subscriptions: core.nodes_subscriptions,
            peers: core.peers,
            waiting: core.waiting,
            waiting_bytes,
            backlog: core.backlog,
            drops: counts(node.counters.list()),
            service: counts(node.service.counters()),
        }
    }

    /// One of the [`drops`](Stats::drops), or of what the [`service`](Stats::service) counts; none if there
    /// is no such name.
    pub fn count(&self, name: &str) -> Option<u64> {
        let found = self.drops.iter().chain(&self.service).find(|count| count.name == name);
        found.map(|count| count.count)
    }
}

fn counts(list: Vec<(&'static str, u64)>) -> Vec<Count> {
    list.into_iter().map(|(name, count)| Count { name, count }).collect()
}

impl Inspect {
    pub(crate) fn of(node: &Inner) -> Self {
        let (processes, sessions) = node.look(|state| {
            let directory = node.directory.read();
            let of_process = |pid: LocalPid, (waiting, waiting_bytes)| ProcessInfo {
                pid: node.pid(pid.0),
                names: directory.names.names_of(pid).to_vec(),
                monitors: state.core.monitors_of(pid).count(),
                monitored_by: state.core.watchers_of(pid).count(),
                waiting,
                waiting_bytes,
            };
            let processes = directory.processes().map(|(pid, process)| of_process(pid, process.queue.size()));
            let sessions = state.links.values().map(|link| SessionInfo {
                session: link.peer.session.0,
                peer: link.peer.node.clone(),
                hidden: link.peer.hidden,
                admitted: link.is_admitted(),
                queued_bytes: link.outbox.queued(),
            });
            (processes.collect(), sessions.collect())
        });
        Inspect { node: node.id.clone(), processes, sessions, stats: Stats::of(node) }
    }
}
