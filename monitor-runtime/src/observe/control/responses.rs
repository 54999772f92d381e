//! What a node answers, in words that are the same in JSON and in Rust.

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

/// A node, and those that are connected to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NodeList {
    /// The name of the node that answers.
    pub name: String,
    /// Which life of it.
    pub incarnation: String,
    /// Where it listens, if it does.
    pub address: Option<String>,
    /// Whether it is configured to be hidden: every session of it counts as hidden then.
    #[serde(default)]
    pub hidden: bool,
    /// Of which version of this crate it is; empty if it is too old to say.
    #[serde(default)]
    pub version: String,
    /// For how many milliseconds it runs.
    #[serde(default)]
    pub uptime_ms: u64,
    /// How many processes live on it.
    pub processes: usize,
    /// How many monitors it holds that have not fired.
    pub monitors: usize,
    /// How many monitors other nodes hold on its processes.
    pub monitored_by: usize,
    /// The nodes that are up, sorted by name: the first 10,000, or over HTTP 1,000.
    pub peers: Vec<PeerLine>,
    /// How many more are up than are listed.
    #[serde(default)]
    pub more_peers: usize,
}

/// A node that is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PeerLine {
    /// Its name.
    pub name: String,
    /// Which life of it.
    pub incarnation: String,
    /// The number of the session with it.
    pub session: u64,
    /// Whether either end is hidden.
    pub hidden: bool,
    /// How many bytes wait to be sent to it.
    #[serde(default)]
    pub queued_bytes: usize,
    /// How many monitors this node holds on processes there; those that have fired and were not
    /// received yet included.
    #[serde(default)]
    pub monitors: usize,
    /// How many monitors it holds on processes of this node.
    #[serde(default)]
    pub monitored_by: usize,
}

/// Who watches whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MonitorList {
    /// The monitors that the node holds.
    pub held: Vec<MonitorLine>,
    /// Its processes that other nodes monitor.
    pub on: Vec<WatchedLine>,
    /// Whether there are more than an answer has room for.
    pub more: bool,
}

/// A monitor that the node holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MonitorLine {
    /// Its reference.
    pub monitor: String,
    /// The pid of the process that holds it, if it is one.
    pub watcher: Option<String>,
    /// What is monitored.
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

/// A `Down` that was told, and on what evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PastDownLine {
    /// The monitor that fired.
    pub monitor: String,
    /// What was monitored.
    pub target: String,
    /// `exit`, `noproc` or `noconnection`.
    pub reason: String,
    /// The reason for a person.
    pub text: String,
    /// Whether `text` has only the beginning of the reason: see `Down::reason_was_cut` and
    /// `PastDown::down`.
    #[serde(default)]
    pub reason_was_cut: bool,
    /// Of `noconnection`: the kind of end.
    pub cause: Option<String>,
    /// Of `noconnection`: for how many milliseconds nothing had been heard, if that is why.
    pub silent_ms: Option<u64>,
    /// Who decided: `target-node`, `session-end` or `no-session`.
    pub source: String,
    /// The node of the target.
    pub node: String,
    /// The life of that node that said so, or with which the session was, if there was one and it
    /// is known.
    pub incarnation: Option<String>,
    /// The pid of the process that was told, if it was one and lives.
    pub watcher: Option<String>,
    /// How many milliseconds ago the monitor fired.
    pub ago_ms: u64,
}

/// All that can be seen of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// The node and its peers.
    pub node: NodeList,
    /// Who watches whom.
    pub monitors: MonitorList,
    /// What was told last, newest first.
    pub downs: Vec<PastDownLine>,
    /// What was dropped or refused here, and what the network has met, since the start of the node.
    pub counts: Vec<CountLine>,
    /// What monitors of this node have told since its start, by reason.
    #[serde(default)]
    pub told: Vec<CountLine>,
    /// How much there is of everything now, by the names of [`Stats`](crate::Stats).
    #[serde(default)]
    pub gauges: Vec<CountLine>,
}

/// A count of something, now or since the start of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CountLine {
    /// What is counted: a field of [`Stats`](crate::Stats), or a name in one of its lists.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// How much of a node is shown at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Monitors of each kind.
    pub(crate) monitors: usize,
    /// `Down`s that were told.
    pub(crate) downs: usize,
    /// Nodes that are up.
    pub(crate) peers: usize,
}

impl Snapshot {
    /// A look that shows no more than that.
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

/// How many bytes wait to be sent, by session.
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
    /// Whether it is of this monitor, or of this target.
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
                nodes.push(Node::with_service(Config::new(name), service).await.unwrap());
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
