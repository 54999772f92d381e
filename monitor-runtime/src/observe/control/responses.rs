//! The contents of a response. JSON and Rust have the same field names.

use std::collections::BTreeMap;

use refs::{NodeName, SessionId};
use serde::{Deserialize, Serialize};

use monitor_core::{Down, DownSource, NodeType};

use crate::{
    engine::{history::PastDown, state::Inner},
    event::NodeInfo,
    node::Node,
    observe::inspect::{Count, HeldMonitor, Monitors, MonitorsOn},
    records::down_log::{kind, milliseconds},
};

/// A node, and the nodes that are connected to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NodeList {
    /// The name of the node.
    pub name: String,
    /// Its incarnation.
    pub incarnation: String,
    /// The address on which it listens, if it does.
    pub address: Option<String>,
    /// Whether it is configured to be hidden. If so, every session of it is hidden.
    #[serde(default)]
    pub hidden: bool,
    /// The version of this crate at the node; empty if the node is too old to report it.
    #[serde(default)]
    pub version: String,
    /// Milliseconds since its start.
    #[serde(default)]
    pub uptime_ms: u64,
    /// Number of its processes.
    pub processes: usize,
    /// Number of its monitors that have not fired.
    pub monitors: usize,
    /// Number of monitors that other nodes hold on its processes.
    pub monitored_by: usize,
    /// The nodes that are up, sorted by name: the first 10,000, or over HTTP 1,000.
    pub peers: Vec<PeerLine>,
    /// Number of nodes that are up and not listed.
    #[serde(default)]
    pub more_peers: usize,
}

/// A node that is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PeerLine {
    /// Its name.
    pub name: String,
    /// Its incarnation.
    pub incarnation: String,
    /// The number of the session with it.
    pub session: u64,
    /// Whether either end is hidden.
    pub hidden: bool,
    /// Number of bytes that wait to be sent to it.
    #[serde(default)]
    pub queued_bytes: usize,
    /// Number of monitors that this node holds on its processes, including fired ones whose `Down`
    /// was not received yet.
    #[serde(default)]
    pub monitors: usize,
    /// Number of monitors that it holds on processes of this node.
    #[serde(default)]
    pub monitored_by: usize,
}

/// The monitors of a node, and the monitors on its processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MonitorList {
    /// The monitors that the node holds.
    pub held: Vec<MonitorLine>,
    /// Its processes that other nodes monitor.
    pub on: Vec<WatchedLine>,
    /// Whether there are more than the limit of a response.
    pub more: bool,
}

/// A monitor that the node holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MonitorLine {
    /// Its reference.
    pub monitor: String,
    /// The pid of the process that holds it; `None` if its holder is no process.
    pub watcher: Option<String>,
    /// The target.
    pub target: String,
    /// Whether it has fired, and its `Down` was not received yet.
    pub fired: bool,
}

/// A process that other nodes monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WatchedLine {
    /// Its pid.
    pub process: String,
    /// Its names.
    pub names: Vec<String>,
    /// The monitors on it: each names the node that holds it.
    pub by: Vec<String>,
}

/// A past `Down` and its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PastDownLine {
    /// The monitor that fired.
    pub monitor: String,
    /// The target.
    pub target: String,
    /// `exit`, `noproc` or `noconnection`.
    pub reason: String,
    /// The reason as text for people.
    pub text: String,
    /// Whether `text` has only the beginning of the reason: see `Down::reason_was_cut` and
    /// `PastDown::down`.
    #[serde(default)]
    pub reason_was_cut: bool,
    /// For `noconnection`: how the session ended.
    pub cause: Option<String>,
    /// For `noconnection` by silence: milliseconds since the last received byte.
    pub silent_ms: Option<u64>,
    /// The source of the evidence: `target-node`, `session-end` or `no-session`.
    pub source: String,
    /// The node of the target.
    pub node: String,
    /// The incarnation of that node that reported the end, or that had the session; `None` if there
    /// was none or it is not known.
    pub incarnation: Option<String>,
    /// The pid of the watcher; `None` if it is no process or has exited.
    pub watcher: Option<String>,
    /// Milliseconds since the monitor fired.
    pub ago_ms: u64,
}

/// The state of a node in one response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// The node and its peers.
    pub node: NodeList,
    /// The monitors of the node, and the monitors on its processes.
    pub monitors: MonitorList,
    /// The last `Down`s, newest first.
    pub downs: Vec<PastDownLine>,
    /// Counts of drops, refusals and network events since the start of the node.
    pub counts: Vec<CountLine>,
    /// Counts of `Down`s of this node's monitors since its start, by reason.
    #[serde(default)]
    pub told: Vec<CountLine>,
    /// The current gauges, by the names of [`Stats`](crate::Stats).
    #[serde(default)]
    pub gauges: Vec<CountLine>,
}

/// A named number: a gauge, or a count since the start of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CountLine {
    /// The name: a field of [`Stats`](crate::Stats), or a name in one of its lists.
    pub name: String,
    /// The value.
    pub count: u64,
}

/// Maximum lengths of the lists in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Monitors of each kind.
    pub(crate) monitors: usize,
    /// Past `Down`s.
    pub(crate) downs: usize,
    /// Nodes that are up.
    pub(crate) peers: usize,
}

impl Snapshot {
    /// Takes a snapshot with lists of at most these lengths.
    pub(crate) fn take(node: &Node, max: &Extent) -> Self {
        let stats = node.stats();
        let line = |(name, count): (&str, u64)| CountLine { name: name.to_owned(), count };
        let lines = |counts: &[Count]| counts.iter().map(|count| line((count.name, count.count))).collect();
        let past = node.inner.read_state(|state| node.inner.past_downs(max.downs, state));
        Snapshot {
            node: NodeList::of(node, max.peers),
            monitors: node.monitors(max.monitors).into(),
            downs: past.into_iter().map(PastDownLine::from).collect(),
            counts: lines(&[&stats.drops[..], &stats.service].concat()),
            told: lines(&stats.downs),
            gauges: stats.gauges().map(line).into(),
        }
    }
}

impl NodeList {
    pub(super) fn of(node: &Node, max_peers: usize) -> Self {
        let stats = node.stats();
        let queued = queued_bytes(&node.inner);
        let monitors = node.inner.read_state(|state| state.core.by_peer()).into_iter();
        let monitors: BTreeMap<_, _> = monitors.map(|peer| (peer.node, (peer.held, peer.incoming))).collect();
        let between = |name: &NodeName| monitors.get(name).copied().unwrap_or_default();
        let peer = |info: NodeInfo| PeerLine {
            monitors: between(&info.node.name).0,
            monitored_by: between(&info.node.name).1,
            name: info.node.name.to_string(),
            incarnation: info.node.incarnation.to_string(),
            session: info.session.0,
            hidden: info.hidden,
            queued_bytes: queued.get(&info.session).copied().unwrap_or_default(),
        };
        let mut up = node.nodes(NodeType::All);
        let more_peers = up.len().saturating_sub(max_peers);
        up.truncate(max_peers);
        NodeList {
            name: node.name().to_string(),
            incarnation: node.id().incarnation.to_string(),
            address: node.local_addr().map(|address| address.to_string()),
            hidden: node.inner.hidden,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: milliseconds(node.inner.uptime()),
            processes: stats.processes,
            monitors: stats.monitors,
            monitored_by: stats.incoming_monitors,
            peers: up.into_iter().map(peer).collect(),
            more_peers,
        }
    }
}

/// Number of bytes that wait to be sent, by session.
fn queued_bytes(node: &Inner) -> BTreeMap<SessionId, usize> {
    node.read_state(|state| {
        state.sessions.iter().map(|(session, handle)| (*session, handle.outbox.queued())).collect()
    })
}

impl From<Monitors> for MonitorList {
    fn from(monitors: Monitors) -> Self {
        let held = |held: HeldMonitor| MonitorLine {
            monitor: held.monitor.to_string(),
            watcher: held.watcher.map(|pid| pid.to_string()),
            target: held.target.to_string(),
            fired: held.fired,
        };
        let on = |on: MonitorsOn| WatchedLine {
            process: on.process.to_string(),
            names: on.names.iter().map(ToString::to_string).collect(),
            by: on.by.iter().map(ToString::to_string).collect(),
        };
        MonitorList {
            held: monitors.held.into_iter().map(held).collect(),
            on: monitors.on.into_iter().map(on).collect(),
            more: monitors.more,
        }
    }
}

impl PastDownLine {
    /// Whether its monitor or its target has this text.
    pub(super) fn is_of(&self, what: &str) -> bool {
        self.monitor == what || self.target == what
    }
}

impl From<PastDown> for PastDownLine {
    fn from(past: PastDown) -> Self {
        let Down { monitor, target, reason, .. } = &past.down;
        let end = reason.session_end();
        PastDownLine {
            monitor: monitor.to_string(),
            target: target.to_string(),
            reason: kind(reason).to_owned(),
            text: reason.to_string(),
            reason_was_cut: past.down.reason_was_cut,
            cause: end.map(|end| format!("{:?}", end.kind)),
            silent_ms: reason.silent_for().map(milliseconds),
            source: source(past.down.source()).to_owned(),
            node: target.node().to_string(),
            incarnation: past.down.incarnation.map(|life| life.to_string()),
            watcher: past.watcher.map(|pid| pid.to_string()),
            ago_ms: milliseconds(past.ago),
        }
    }
}

const fn source(source: DownSource) -> &'static str {
    match source {
        DownSource::TargetNode => "target-node",
        DownSource::SessionEnd => "session-end",
        _ => "no-session",
    }
}

#[cfg(test)]
mod tests {
    use peer_service::memory::Network;

    use super::*;
    use crate::config::Config;

    #[test]
    fn nodes_beyond_the_limit_are_counted() {
        smol::block_on(async {
            let network = Network::new();
            let mut nodes = Vec::new();
            for name in ["a@local", "b@local", "c@local", "d@local"] {
                let name: NodeName = name.parse().unwrap();
                let service = network.join(name.clone());
                nodes.push(Node::with_service(Config::new(name), service).unwrap());
            }
            let mut subscriber = nodes[0].process().unwrap();
            subscriber.monitor_nodes(crate::NodesOptions::new()).unwrap();
            for peer in &nodes[1..] {
                nodes[0].connect(peer.name()).unwrap();
                while !matches!(subscriber.recv().await, Some(crate::Event::NodeUp(_))) {}
            }
            let names = |list: &NodeList| list.peers.iter().map(|peer| peer.name.clone()).collect::<Vec<_>>();
            let some = NodeList::of(&nodes[0], 2);
            assert_eq!(
                (names(&some), some.more_peers),
                (vec!["b@local".to_owned(), "c@local".to_owned()], 1)
            );
            let all = NodeList::of(&nodes[0], 3);
            assert_eq!((all.peers.len(), all.more_peers), (3, 0));
        });
    }
}
