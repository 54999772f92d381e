//! Node-ups and node-downs alternate, and all messages and Downs of a node come between them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Homes, Life, accuracy::SESSION_ENDS, node_of};
use crate::cluster::{
    protocol::{Command, CommandAnswer, NodeKind, Output, Reason, Subscription},
    transcript::Said,
};

/// For every process that has subscribed to node events:
/// - of each node it is told up, down, up, down, and both events of a pair name the same session;
/// - no session ends without a recorded fault of one of the two nodes;
/// - if it is subscribed to all nodes: every message, and every Down that came over a session,
///   stands between the up and the down of that incarnation of its node.
///
/// And no process is told of more ends than it has asked for with `monitor_node`.
pub(super) fn violations(life: &Life, homes: &Homes<'_>, hurt: &BTreeSet<String>) -> Vec<String> {
    let mut order =
        Order { life, homes, hurt, views: BTreeMap::new(), armed: BTreeMap::new(), found: Vec::new() };
    let mut asked = BTreeMap::new();
    for entry in &life.entries {
        match &entry.said {
            Said::Asked(request) => drop(asked.insert(request.id, &request.command)),
            Said::Told(Output::Reply { id, answer }) => {
                if let Some(command) = asked.remove(id) {
                    order.answered(command, answer);
                }
            }
            Said::Told(event) => order.told(event),
            Said::Garbled(_) => {}
        }
    }
    order.found
}

struct Order<'a> {
    life: &'a Life,
    homes: &'a Homes<'a>,
    hurt: &'a BTreeSet<String>,
    /// By process and subscription: the nodes that it must take for up.
    views: BTreeMap<(&'a str, Subscription), View<'a>>,
    /// By process and node: how many ends it may still be told of.
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
                // Asked for twice it is one subscription, and goes on as it was.
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

    fn told(&mut self, event: &'a Output) {
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
                    self.found(to, format!("node-up of {}, which {of:?} does not ask for", node.name));
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
                if !self.hurt.contains(name) && !self.hurt.contains(&self.life.name) {
                    self.found(to, format!("node-down of {name}, but nothing was done to either node"));
                }
            }
            Output::NodeDown { to, name, of: None, .. } => {
                let armed = self.armed.entry((to, name)).or_default();
                match armed.checked_sub(1) {
                    Some(fewer) => *armed = fewer,
                    None => self.found(to, format!("one more node-down of {name} than it has asked for")),
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
                    // These two may also end a wait for a session that never was.
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

    /// What came from `node` must come while the process takes it for up, in that incarnation if it
    /// is known.
    fn between(&mut self, to: &'a str, node: &str, incarnation: Option<&str>, what: &str) {
        if node == self.life.name {
            return;
        }
        let all = |reasons| Subscription { nodes: NodeKind::All, reasons };
        let view = [true, false].into_iter().find_map(|reasons| self.views.get(&(to, all(reasons))));
        let Some(view) = view else { return };
        let up = view.get(node).map(|(_, incarnation)| *incarnation);
        if up.is_none() || incarnation.is_some() && up != incarnation {
            self.found(
                to,
                format!("{what} from {node} (life {incarnation:?}), but up at that time was {up:?}"),
            );
        }
    }

    fn found(&mut self, process: &str, what: String) {
        self.found.push(format!("{}: {process} was told of {what}", self.life.name));
    }
}
