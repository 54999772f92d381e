//! What a node measures, under the names by which monitoring systems know it: the one list for all
//! of them.
//!
//! `docs/METRICS.md` explains each; a test holds the two together.

use crate::observe::inspect::{Count, Stats};

/// All figures of one name.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    /// Whether it only ever goes up.
    pub(crate) counts: bool,
    pub(crate) help: &'static str,
    /// What tells the figures from each other, if there are several.
    pub(crate) label: Option<&'static str>,
    /// The value of the label, and the figure.
    pub(crate) figures: Vec<(&'static str, u64)>,
}

/// In the order of [`Stats::gauges`].
const GAUGES: [(&str, &str); 14] = [
    ("obit_processes", "Processes that live on this node."),
    ("obit_watchers", "Monitor and MonitorSet handles that live."),
    ("obit_sessions", "Sessions with other nodes that are up."),
    ("obit_monitors", "Monitors held here that wait for a connection or are active."),
    ("obit_monitors_fired", "Monitors held here whose Down was not received yet."),
    ("obit_monitored_by", "Monitors that other nodes hold on processes of this one."),
    ("obit_aliases", "Monitor references at which messages are taken, and calls under way."),
    ("obit_node_monitors", "Subscriptions by monitor_node."),
    ("obit_nodes_subscriptions", "Subscriptions by monitor_nodes."),
    ("obit_peers", "Nodes that something here refers to, connected or not."),
    ("obit_waiting", "Monitors and messages that wait for a connection."),
    ("obit_waiting_bytes", "Bytes of messages that wait for a connection."),
    ("obit_addresses", "Nodes whose addresses are kept because a call has given them."),
    ("obit_backlog", "Pieces of work that wait for their turn."),
];

impl Family {
    /// All of a node.
    pub(crate) fn all(stats: &Stats) -> Vec<Self> {
        let gauge = |((name, help), (_, value))| Family {
            name,
            counts: false,
            help,
            label: None,
            figures: vec![("", value)],
        };
        let mut families: Vec<_> = GAUGES.into_iter().zip(stats.gauges()).map(gauge).collect();
        families.extend([
            counts(
                "obit_downs_total",
                "What monitors of this node have told since its start, by reason.",
                "reason",
                &stats.downs,
            ),
            counts(
                "obit_drops_total",
                "What was dropped or refused since the start of the node, by what.",
                "what",
                &stats.drops,
            ),
            counts(
                "obit_network_total",
                "What the network of the node has met since its start, by what.",
                "what",
                &stats.service,
            ),
        ]);
        families
    }
}

fn counts(name: &'static str, help: &'static str, label: &'static str, counts: &[Count]) -> Family {
    let figures = counts.iter().map(|count| (count.name, count.count)).collect();
    Family { name, counts: true, help, label: Some(label), figures }
}
