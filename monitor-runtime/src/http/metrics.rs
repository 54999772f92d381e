//! The text form of Prometheus.

use std::fmt::Write;

use crate::{inspect::Count, node::Node};

/// All metrics of a node, by name.
pub(super) fn of(node: &Node) -> String {
    let stats = node.stats();
    let mut text = String::new();
    let id = node.id();
    head(&mut text, "obit_node_info", "gauge", "The node, in its present life.");
    let node = label(id.name.as_str());
    line(&mut text, &format!("obit_node_info{{node=\"{node}\",incarnation=\"{}\"}}", id.incarnation), 1);

    let gauges = [
        ("obit_processes", "Processes that live on this node.", stats.processes),
        ("obit_watchers", "Monitor and MonitorSet handles that live.", stats.watchers),
        ("obit_sessions", "Sessions with other nodes that are up.", stats.sessions),
        ("obit_monitors", "Monitors held here that wait for a connection or are active.", stats.monitors),
        ("obit_monitors_fired", "Monitors held here whose Down was not received yet.", stats.fired),
        (
            "obit_monitored_by",
            "Monitors that other nodes hold on processes of this one.",
            stats.incoming_monitors,
        ),
        ("obit_node_monitors", "Subscriptions by monitor_node.", stats.node_monitors),
        ("obit_nodes_subscriptions", "Subscriptions by monitor_nodes.", stats.nodes_subscriptions),
        ("obit_peers", "Nodes that something here refers to, connected or not.", stats.peers),
        ("obit_waiting", "Monitors and messages that wait for a connection.", stats.waiting),
        ("obit_waiting_bytes", "Bytes of messages that wait for a connection.", stats.waiting_bytes),
        ("obit_backlog", "Pieces of work that wait for their turn.", stats.backlog),
    ];
    for (name, help, value) in gauges {
        head(&mut text, name, "gauge", help);
        line(&mut text, name, value as u64);
    }
    let drops = "What was dropped or refused since the start of the node, by what.";
    counts(&mut text, "obit_drops_total", drops, &stats.drops);
    let service = "What the network of the node has met since its start, by what.";
    counts(&mut text, "obit_network_total", service, &stats.service);
    text
}

fn counts(text: &mut String, name: &str, help: &str, counts: &[Count]) {
    head(text, name, "counter", help);
    for count in counts {
        line(text, &format!("{name}{{what=\"{}\"}}", label(count.name)), count.count);
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
}

fn line(text: &mut String, series: &str, value: u64) {
    writeln!(text, "{series} {value}").expect("a string takes all that is written to it");
}

/// What stands between the quotes of a label.
fn label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        assert_eq!(label("a\\b\"c\nd"), "a\\\\b\\\"c\\nd");
    }
}
