//! Node-ups and node-downs alternate, and all messages and Downs of a node come between them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Homes, NodeRun, accuracy::SESSION_ENDS, node_of};
use crate::cluster::{
    protocol::{Command, CommandAnswer, NodeKind, Output, Reason, Subscription},
    transcript::LineContent,
};

/// For every process that has subscribed to node events:
/// - of each node it receives up, down, up, down, and both events of a pair name the same session;
/// - no session ends without a recorded fault of one of the two nodes;
/// - if it is subscribed to all nodes: every message, and every Down that came over a session,
///   stands between the up and the down of that incarnation of its node.
///
/// And no process receives more ends than it requested with `monitor_node`.
pub(super) fn violations(run: &NodeRun, homes: &Homes<'_>, hurt: &BTreeSet<String>) -> Vec<String> {
    let mut order =
        Order { run, homes, hurt, views: BTreeMap::new(), armed: BTreeMap::new(), found: Vec::new() };
    let mut asked = BTreeMap::new();
    for entry in &run.entries {
        match &entry.content {
            LineContent::Request(request) => drop(asked.insert(request.id, &request.command)),
            LineContent::Output(Output::Reply { id, answer }) => {
                if let Some(command) = asked.remove(id) {
                    order.answered(command, answer);
                }
            }
            LineContent::Output(event) => order.event(event),
            LineContent::Invalid(_) => {}
        }
    }
    order.found
}

struct Order<'a> {
    run: &'a NodeRun,
    homes: &'a Homes<'a>,
    hurt: &'a BTreeSet<String>,
    /// The nodes that are up according to the events, by process and subscription.
    views: BTreeMap<(&'a str, Subscription), View<'a>>,
    /// Number of ends that it may still receive, by process and node.
    armed: BTreeMap<(&'a str, &'a str), u64>,
    found: Vec<String>,
}

/// Session and incarnation, by node.
type View<'a> = BTreeMap<&'a str, (u64, &'a str)>;

impl<'a> Order<'a> {
    fn answered(&mut self, command: &'a Command, answer: &'a CommandAnswer) {
        match (command, answer) {
            (Command::MonitorNodes { process, of }, CommandAnswer::Nodes(nodes)) => {
                let up =
                    nodes.iter().map(|node| (node.name.as_str(), (node.session, node.incarnation.as_str())));
                // A second subscription with the same options changes nothing.
                self.views.entry((process, *of)).or_insert_with(|| up.collect());
            }
            (Command::DemonitorNodes { process, of }, CommandAnswer::Done) => {
                self.views.remove(&(process.as_str(), *of));
            }
            (Command::MonitorNode { process, node, .. }, CommandAnswer::Done) => {
                *self.armed.entry((process, node)).or_default() += 1;
            }
            _ => {}
        }
    }

    fn event(&mut self, event: &'a Output) {
        match event {
            Output::NodeUp { to, node, of, .. } => {
                let wanted = match of.nodes {
                    NodeKind::All => true,
                    NodeKind::Visible => !node.hidden,
                    NodeKind::Hidden => node.hidden,
                };
                // Events that were in the mailbox when the subscription ended may still arrive.
                let Some(view) = self.views.get_mut(&(to.as_str(), *of)) else { return };
                let before = view.insert(&node.name, (node.session, &node.incarnation));
                if before.is_some() {
                    self.found(to, format!("node-up of {} {of:?}, which was up", node.name));
                }
                if !wanted {
                    self.found(
                        to,
                        format!("node-up of {}, which is not in the subscription {of:?}", node.name),
                    );
                }
            }
            Output::NodeDown { to, name, session, of: Some(of), missed, .. } => {
                let Some(view) = self.views.get_mut(&(to.as_str(), *of)) else { return };
                let before = view.remove(name.as_str()).map(|(session, _)| session);
                // If a down and an up were left out, this is the end of the session after.
                if before.is_none() || before != *session && !missed {
                    self.found(
                        to,
                        format!("node-down of {name} {of:?} with session {session:?}, up was {before:?}"),
                    );
                }
                if !self.hurt.contains(name) && !self.hurt.contains(&self.run.name) {
                    self.found(to, format!("node-down of {name}, but no fault was injected at either node"));
                }
            }
            Output::NodeDown { to, name, of: None, .. } => {
                let armed = self.armed.entry((to, name)).or_default();
                match armed.checked_sub(1) {
                    Some(fewer) => *armed = fewer,
                    None => self.found(to, format!("one more node-down of {name} than it requested")),
                }
            }
            Output::Message { to, from: Some(from), .. } => {
                if let Some(home) = self.homes.get(from.as_str()) {
                    self.between(to, home.name, Some(home.incarnation), "a message");
                }
            }
            Output::Down { to, target, reason, .. } => {
                let home = self.homes.get(target.as_str());
                let Some(node) = node_of(target, self.homes) else { return };
                match reason {
                    Reason::Exit(_) => {
                        self.between(to, node, home.map(|home| home.incarnation), "a Down for an exit")
                    }
                    Reason::NoProc => self.between(to, node, None, "a Down for no process"),
                    // These two may also end the wait for a session that was never established.
                    Reason::NoConnection(end)
                        if ["LocalShutdown", "Disconnected"].contains(&end.kind.as_str()) => {}
                    Reason::NoConnection(end) if SESSION_ENDS.contains(&end.kind.as_str()) => {
                        self.between(to, node, None, "a Down for the end of a session");
                    }
                    Reason::NoConnection(_) => {}
                }
            }
            _ => {}
        }
    }

    /// Checks that an event from `node` arrives while the node is up for the process, in that
    /// incarnation if the incarnation is known.
    fn between(&mut self, to: &'a str, node: &str, incarnation: Option<&str>, what: &str) {
        if node == self.run.name {
            return;
        }
        let all = |reasons| Subscription { nodes: NodeKind::All, reasons };
        let view = [true, false].into_iter().find_map(|reasons| self.views.get(&(to, all(reasons))));
        let Some(view) = view else { return };
        let up = view.get(node).map(|(_, incarnation)| *incarnation);
        if up.is_none() || incarnation.is_some() && up != incarnation {
            self.found(
                to,
                format!("{what} from {node} (incarnation {incarnation:?}), but up at that time was {up:?}"),
            );
        }
    }

    fn found(&mut self, process: &str, what: String) {
        self.found.push(format!("{}: {process} received {what}", self.run.name));
    }
}
