//! The text format of Prometheus.

use std::fmt::Write;

use crate::{node::Node, observe::metric_families::Family};

/// All metrics of a node, by name.
pub(super) fn of(node: &Node) -> String {
    let mut text = String::new();
    let id = node.id();
    head(&mut text, "obit_node_info", "gauge", "The name and incarnation of the node.");
    let name = label(id.name.as_str());
    line(&mut text, &format!("obit_node_info{{node=\"{name}\",incarnation=\"{}\"}}", id.incarnation), 1);
    head(&mut text, "obit_build_info", "gauge", "The version of the node.");
    line(&mut text, concat!("obit_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1);
    head(&mut text, "obit_uptime_seconds", "gauge", "Time since the start of the node.");
    line(&mut text, "obit_uptime_seconds", node.inner.uptime().as_secs());
    for family in Family::all(&node.stats()) {
        head(&mut text, family.name, if family.counts { "counter" } else { "gauge" }, family.help);
        for (value, figure) in family.figures {
            let series = match family.label {
                Some(of) => format!("{}{{{of}=\"{}\"}}", family.name, label(value)),
                None => family.name.to_owned(),
            };
            line(&mut text, &series, figure);
        }
    }
    text
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
}

fn line(text: &mut String, series: &str, value: u64) {
    writeln!(text, "{series} {value}").expect("writing to a string does not fail");
}

/// Escapes the value of a label.
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
