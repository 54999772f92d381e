//! What goes on in a node, for people and programs to look at.

use refs::{MonitorRef, NodeId, Pid, RegName, Target};
use serde::Serialize;

use monitor_core::LocalPid;
use supervision::telemetry;

use crate::{
    engine::{history::PastDown, state::Inner},
    node::Node,
};

impl Node {
    /// What the monitors made here have told last, newest first, and on what evidence: at most
    /// [`Config::max_history`](crate::Config::max_history) of them. Includes `Down`s that were
    /// flushed and `Down`s not yet received.
    ///
    /// Takes time in proportion to their number, during which the node does nothing else: for
    /// people to look at.
    pub fn history(&self) -> Vec<PastDown> {
        self.inner.read_state(|state| self.inner.past_downs(usize::MAX, state))
    }

    /// The monitors that are held here, and those that other nodes hold on processes of this one:
    /// at most `limit` of each. Takes time in proportion to processes and `limit`, during which the
    /// node does nothing else.
    pub fn monitors(&self, limit: usize) -> Monitors {
        Monitors::of(&self.inner, limit)
    }

    /// How much there is of everything, and everything that was dropped or refused. Cheap.
    pub fn stats(&self) -> Stats {
        Stats::of(&self.inner)
    }

    /// Every process and every session. Takes time in proportion to processes and their monitors,
    /// during which the node does nothing else: for people to look at.
    #[doc(alias = "observer")]
    #[doc(alias = "process_info")]
    #[doc(alias = "processes")]
    pub fn inspect(&self) -> Inspect {
        Inspect::of(&self.inner)
    }
}

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
    /// Monitor references at which messages are taken:
    /// [`MonitorOptions::alias`](crate::MonitorOptions::alias), and calls under way.
    pub aliases: usize,
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
    /// Nodes whose addresses are kept because a call has given them.
    pub addresses: usize,
    /// Pieces of work that wait for their turn.
    pub backlog: usize,
    /// What monitors of this node have told since the start, by reason: `exit`, `noproc` and
    /// `noconnection`.
    pub downs: Vec<Count>,
    /// Everything that was dropped or refused since the start, by name.
    pub drops: Vec<Count>,
    /// What the peer service counts, by name.
    pub service: Vec<Count>,
}

/// A count of something, since the start of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Count {
    /// What is counted.
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
    /// How many monitors it holds: those included whose `Down` it has not received. Not counted are
    /// up to 127 `Down`s that it has taken along with the last one that it received.
    pub monitors: usize,
    /// How many monitors there are on it.
    pub monitored_by: usize,
    /// How many entries wait in its mailbox, but for those `Down`s.
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

/// Who watches whom. See [`Node::monitors`](crate::Node::monitors).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Monitors {
    /// Those that are held on this node. A receiver takes up to 127 `Down`s along with the one that
    /// it receives: those are not listed, and count in [`Stats::fired`].
    pub held: Vec<HeldMonitor>,
    /// The processes of this node that other nodes monitor.
    pub on: Vec<MonitorsOn>,
    /// Whether there are more than were asked for.
    pub more: bool,
}

/// A monitor that is held on this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HeldMonitor {
    /// The monitor.
    pub monitor: MonitorRef,
    /// The process that holds it; none if it is a [`Monitor`](crate::Monitor) or in a
    /// [`MonitorSet`](crate::MonitorSet).
    pub watcher: Option<Pid>,
    /// What is monitored.
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
        // One more than is shown says whether there are more.
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

    /// How much there is of everything, by name.
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

    /// One of the [`drops`](Stats::drops), or of what the [`service`](Stats::service) counts; none
    /// if there is no such name.
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
