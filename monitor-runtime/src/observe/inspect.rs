//! Views of a node as values: statistics, processes, sessions, monitors and history.

use refs::{MonitorRef, NodeId, Pid, RegName, Target};
use serde::Serialize;

use monitor_core::LocalPid;
use supervision::telemetry;

use crate::{
    engine::{history::PastDown, state::Inner},
    node::Node,
};

impl Node {
    /// The last `Down`s of this node's monitors, newest first, with their evidence: at most
    /// [`Config::max_history`](crate::Config::max_history) of them. Includes `Down`s that were
    /// flushed and `Down`s not yet received.
    ///
    /// O(n) for n `Down`s; it holds the node's lock meanwhile, so use it for diagnosis only.
    pub fn history(&self) -> Vec<PastDown> {
        self.inner.read_state(|state| self.inner.past_downs(usize::MAX, state))
    }

    /// The monitors of this node, and those that other nodes hold on its processes: at most `limit`
    /// of each. Takes time in proportion to the number of processes and to `limit`, and holds the
    /// node's lock meanwhile.
    pub fn monitors(&self, limit: usize) -> Monitors {
        Monitors::of(&self.inner, limit)
    }

    /// All gauges and counters of the node, including everything that was dropped or refused.
    /// Cheap.
    pub fn stats(&self) -> Stats {
        Stats::of(&self.inner)
    }

    /// Every process and every session. Takes time in proportion to the number of processes and
    /// their monitors, and holds the node's lock meanwhile, so use it for diagnosis only.
    #[doc(alias = "observer")]
    #[doc(alias = "process_info")]
    #[doc(alias = "processes")]
    pub fn inspect(&self) -> Inspect {
        Inspect::of(&self.inner)
    }
}

/// The gauges and counters of a node. See [`Node::stats`](crate::Node::stats).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Live processes.
    pub processes: usize,
    /// Live [`Monitor`](crate::Monitor)s and [`MonitorSet`](crate::MonitorSet)s.
    pub watchers: usize,
    /// Sessions that are up.
    pub sessions: usize,
    /// Monitors of this node's watchers that wait for a connection, or are active.
    pub monitors: usize,
    /// Monitors of this node's watchers that have fired, and whose `Down` was not received yet.
    pub fired: usize,
    /// Monitors that other nodes hold on this node's processes.
    pub incoming_monitors: usize,
    /// Monitor references that are aliases: from
    /// [`MonitorOptions::alias`](crate::MonitorOptions::alias), and of calls under way.
    pub aliases: usize,
    /// `monitor_node` subscriptions.
    pub node_monitors: usize,
    /// `monitor_nodes` subscriptions.
    pub nodes_subscriptions: usize,
    /// Nodes that a table of this node refers to, connected or not.
    pub peers: usize,
    /// Monitors and messages that wait for a connection.
    pub waiting: usize,
    /// Bytes of messages that wait for a connection.
    pub waiting_bytes: usize,
    /// Nodes whose addresses are remembered from calls.
    pub addresses: usize,
    /// Pieces of fan-out work that wait in the backlog.
    pub backlog: usize,
    /// `Down`s of this node's monitors since the start, by reason: `exit`, `noproc` and
    /// `noconnection`.
    pub downs: Vec<Count>,
    /// Everything that was dropped or refused since the start, by name.
    pub drops: Vec<Count>,
    /// The counters of the peer service, by name.
    pub service: Vec<Count>,
}

/// A count of something, since the start of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Count {
    /// The name of the counter.
    pub name: &'static str,
    /// The count.
    pub count: u64,
}

/// Every process and session of a node. See [`Node::inspect`](crate::Node::inspect).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Inspect {
    /// The node.
    pub node: NodeId,
    /// Its processes, sorted by number.
    pub processes: Vec<ProcessInfo>,
    /// Its sessions, in the order in which they began.
    pub sessions: Vec<SessionInfo>,
    /// The gauges and counters.
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
    /// Number of monitors that it holds, including those whose `Down` it has not received. Up to
    /// 127 `Down`s that were fetched together with the last one received are not counted.
    pub monitors: usize,
    /// Number of monitors on it.
    pub monitored_by: usize,
    /// Number of unread entries in its mailbox, without those `Down`s.
    pub waiting: usize,
    /// Number of bytes in the bodies of its unread messages.
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
    /// Whether it is up. False while the end of the previous session is still being reported.
    pub admitted: bool,
    /// Number of bytes that wait to be sent.
    pub queued_bytes: usize,
}

/// The monitors of a node and on its processes. See [`Node::monitors`](crate::Node::monitors).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Monitors {
    /// The monitors of this node. Up to 127 `Down`s that a receiver has fetched together with the
    /// last one received are not listed, but count in [`Stats::fired`].
    pub held: Vec<HeldMonitor>,
    /// The processes of this node that other nodes monitor.
    pub on: Vec<MonitorsOn>,
    /// Whether there are more than the limit.
    pub more: bool,
}

/// A monitor that is held on this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HeldMonitor {
    /// The monitor.
    pub monitor: MonitorRef,
    /// The process that holds it; `None` if it is a [`Monitor`](crate::Monitor) or in a
    /// [`MonitorSet`](crate::MonitorSet).
    pub watcher: Option<Pid>,
    /// The target.
    pub target: Target,
    /// Whether it has fired, and its `Down` was not received yet.
    pub fired: bool,
}

/// The monitors that other nodes hold on a process of this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MonitorsOn {
    /// The process.
    pub process: Pid,
    /// Its names, in the order in which it got them.
    pub names: Vec<RegName>,
    /// The monitors: each names the node that holds it.
    pub by: Vec<MonitorRef>,
}

impl Monitors {
    pub(crate) fn of(node: &Inner, limit: usize) -> Self {
        // One more than the limit shows whether there are more.
        let some = limit.saturating_add(1);
        let (mut held, mut on) = node.read_state(|state| {
            let directory = node.directory.read();
            let held = directory.endpoints().flat_map(|(pid, is_process)| {
                let watcher = is_process.then(|| node.pid(pid.0));
                state.core.monitors_of(pid).map(move |(id, target)| (id, target, watcher.clone()))
            });
            let held = held.take(some).map(|(id, target, watcher)| HeldMonitor {
                monitor: node.reference(id),
                watcher,
                target,
                fired: state.core.is_fired(id),
            });
            let others = |pid| state.core.watchers_of(pid).filter(|by| *by.node() != node.id);
            let on = directory.processes().flat_map(|(pid, _)| others(pid).map(move |by| (pid, by)));
            let mut processes: Vec<(LocalPid, Vec<MonitorRef>)> = Vec::new();
            for (pid, by) in on.take(some) {
                match processes.last_mut() {
                    Some((last, all)) if *last == pid => all.push(by),
                    _ => processes.push((pid, vec![by])),
                }
            }
            let on = processes.into_iter().map(|(pid, by)| MonitorsOn {
                process: node.pid(pid.0),
                names: directory.names.names_of(pid).to_vec(),
                by,
            });
            (held.collect::<Vec<_>>(), on.collect::<Vec<_>>())
        });
        let incoming: usize = on.iter().map(|on| on.by.len()).sum();
        let more = held.len() > limit || incoming > limit;
        held.truncate(limit);
        if let Some(last) = on.last_mut().filter(|_| incoming > limit) {
            last.by.pop();
        }
        on.retain(|on| !on.by.is_empty());
        Monitors { held, on, more }
    }
}

impl Stats {
    pub(crate) fn of(node: &Inner) -> Self {
        let (core, taken, aliases, waiting_bytes, addresses) = node.read_state(|state| {
            let taken: usize = state.prefetch_counts.values().map(|count| count.get()).sum();
            (
                state.core.stats(),
                taken,
                state.aliases.len(),
                state.pending_sends.bytes(),
                state.address_cache.len(),
            )
        });
        let (processes, watchers) = node.directory.read().counts();
        let mut drops = node.counters.list();
        drops.push(("events_dropped", telemetry::dropped()));
        Stats {
            processes,
            watchers,
            sessions: core.sessions,
            monitors: core.outgoing_active,
            fired: core.outgoing_fired + taken,
            incoming_monitors: core.incoming,
            aliases,
            node_monitors: core.node_monitors,
            nodes_subscriptions: core.nodes_subscriptions,
            peers: core.peers,
            waiting: core.waiting,
            waiting_bytes,
            addresses,
            backlog: core.backlog,
            downs: counts(node.down_counters.list()),
            drops: counts(drops),
            service: counts(node.service.counters()),
        }
    }

    /// The gauges, by name.
    #[cfg(any(all(feature = "control", unix), feature = "metrics"))]
    pub(crate) const fn gauges(&self) -> [(&'static str, u64); 14] {
        [
            ("processes", self.processes as u64),
            ("watchers", self.watchers as u64),
            ("sessions", self.sessions as u64),
            ("monitors", self.monitors as u64),
            ("fired", self.fired as u64),
            ("incoming_monitors", self.incoming_monitors as u64),
            ("aliases", self.aliases as u64),
            ("node_monitors", self.node_monitors as u64),
            ("nodes_subscriptions", self.nodes_subscriptions as u64),
            ("peers", self.peers as u64),
            ("waiting", self.waiting as u64),
            ("waiting_bytes", self.waiting_bytes as u64),
            ("addresses", self.addresses as u64),
            ("backlog", self.backlog as u64),
        ]
    }

    /// The counter of that name among the [`drops`](Stats::drops) and those of the
    /// [`service`](Stats::service); `None` if there is none.
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
        let (processes, sessions) = node.read_state(|state| {
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
            let sessions = state.sessions.values().map(|handle| SessionInfo {
                session: handle.peer.session.0,
                peer: handle.peer.node.clone(),
                hidden: handle.peer.hidden,
                admitted: handle.is_admitted(),
                queued_bytes: handle.outbox.queued(),
            });
            (processes.collect(), sessions.collect())
        });
        Inspect { node: node.id.clone(), processes, sessions, stats: Stats::of(node) }
    }
}
