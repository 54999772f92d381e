//! The conditions that must hold whenever nothing more happens by itself.

use std::collections::VecDeque;

use crate::{
    observer::{Course, Found, Monitor},
    world::{Link, Node, Side, World},
};

impl World {
    /// Nothing is on its way, nothing waits, and all notices were received.
    pub(crate) fn is_at_rest(&self) -> bool {
        let settled =
            |node: &Node| node.dials.is_empty() && node.mailbox.is_empty() && !node.core.has_backlog();
        let still = |link: &Link| {
            link.to.iter().all(VecDeque::is_empty) && (link.is_up() || link.ends == [Side::Over; 2])
        };
        self.nodes.iter().all(settled) && self.links.iter().all(still)
    }

    /// At rest, every open monitor has a live target, and a session that is up.
    pub(crate) fn all_ended_that_must(&self) -> bool {
        let holds = |course: &Course| match (course.sent, course.found) {
            (Some(link), Found::Process(process)) => {
                let node = &self.nodes[process.node];
                self.links[link].is_up() && node.alive && node.process == process && !course.cut
            }
            _ => false,
        };
        self.monitors.iter().filter_map(Monitor::course).all(holds)
    }

    /// At rest, the tables of every node contain the open monitors, and nothing more.
    pub(crate) fn nothing_is_left(&self) -> bool {
        (0..self.nodes.len()).all(|at| {
            let node = &self.nodes[at];
            let open = |mine: &dyn Fn(&Monitor) -> bool| {
                self.monitors.iter().filter(|monitor| monitor.course().is_some() && mine(monitor)).count()
            };
            let up = self.links.iter().filter(|link| link.nodes.contains(&at) && link.is_up()).count();
            let stats = node.core.stats();
            stats.outgoing_active == open(&|monitor| monitor.watcher.node == at)
                && stats.incoming == open(&|monitor| monitor.wish.to == at)
                && [stats.outgoing_fired, stats.waiting, stats.backlog, stats.node_monitors] == [0; 4]
                && [stats.sessions, stats.peers] == [up; 2]
                && stats.nodes_subscriptions == usize::from(node.subscribed)
                && (!node.subscribed || node.up.len() == up)
        })
    }
}
