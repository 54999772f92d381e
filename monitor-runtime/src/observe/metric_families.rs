//! The figures of a node under their names in monitoring systems: the only list of these names.
//!
//! `docs/METRICS.md` explains each; a test compares the two.

use crate::observe::inspect::{Count, Stats};

/// All figures of one name.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    /// Whether it is a counter, which never decreases.
    pub(crate) counts: bool,
    pub(crate) help: &'static str,
    /// The label that distinguishes the figures, if there are several.
    pub(crate) label: Option<&'static str>,
    /// The value of the label, and the figure.
    pub(crate) figures: Vec<(&'static str, u64)>,
}

/// In the order of [`Stats::gauges`].
const GAUGES: [(&str, &str); 14] = [
    ("obit_processes", "Processes that live on this node."),
    ("obit_watchers", "Monitor and MonitorSet handles that live."),
    ("obit_sessions", "Sessions with other nodes that are up."),
    ("obit_monitors", "Monitors of this node that wait for a connection or are active."),
    ("obit_monitors_fired", "Monitors of this node whose Down was not received yet."),
    ("obit_monitored_by", "Monitors that other nodes hold on processes of this one."),
    ("obit_aliases", "Aliases, including those of calls under way."),
    ("obit_node_monitors", "Subscriptions by monitor_node."),
    ("obit_nodes_subscriptions", "Subscriptions by monitor_nodes."),
    ("obit_peers", "Nodes that a table of this node refers to, connected or not."),
    ("obit_waiting", "Monitors and messages that wait for a connection."),
    ("obit_waiting_bytes", "Bytes of messages that wait for a connection."),
    ("obit_addresses", "Nodes whose addresses are remembered from calls."),
    ("obit_backlog", "Pieces of fan-out work that wait in the backlog."),
];

impl Family {
    /// All families of a node.
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
                "Downs of this node's monitors since its start, by reason.",
                "reason",
                &stats.downs,
            ),
            counts(
                "obit_drops_total",
                "Drops and refusals since the start of the node, by kind.",
                "what",
                &stats.drops,
            ),
            counts(
                "obit_network_total",
                "Events of the node's network since its start, by kind.",
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
