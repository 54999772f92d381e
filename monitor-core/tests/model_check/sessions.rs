//! The events of sessions, and of the signals on their way.

use std::collections::VecDeque;

use monitor_core::{
    Signal,
    refs::{ChannelId, EndKind, SessionEnd},
};

use crate::{
    bounds::Bounds,
    observer::{Found, Monitor, Promise},
    world::{B, Link, LinkIx, NodeIx, Side, World, session},
};

impl World {
    pub(crate) fn connect(&mut self, with: NodeIx) {
        let nodes = [with, B];
        let to = [VecDeque::new(), VecDeque::new()];
        self.links.push(Link { nodes, broken: false, ends: [Side::Ahead; 2], to });
    }

    pub(crate) fn announce(&mut self, bounds: &Bounds, link: LinkIx, end: usize) {
        self.links[link].ends[end] = Side::Up;
        let [at, peer] = [end, 1 - end].map(|end| self.links[link].nodes[end]);
        let peer = self.nodes[peer].id.clone();
        self.nodes[at].dials.retain(|(name, _)| *name != peer.name);
        self.input(bounds, at, |core, out| core.peer_up(session(link), peer, false, out));
    }

    /// Whether the signals on their way to this end may be passed to its core.
    pub(crate) fn may_arrive(&self, link: LinkIx, end: usize) -> bool {
        let state = &self.links[link];
        let admitted = self.nodes[state.nodes[end]].admitted.contains(&session(link));
        admitted && state.ends[end] != Side::Ahead && !state.to[end].is_empty()
    }

    pub(crate) fn arrive(&mut self, bounds: &Bounds, link: LinkIx, end: usize) {
        let [at, from] = [end, 1 - end].map(|end| self.links[link].nodes[end]);
        let signal = self.links[link].to[end].pop_front().expect("only signals on their way arrive");
        if self.links[link].ends[end] == Side::Up {
            self.note_arrival(link, from, &signal);
        }
        let (node, mut out) = (&mut self.nodes[at], Vec::new());
        let here = node.here();
        let kept = node.core.handle_signal(&here, session(link), ChannelId::DEFAULT, signal, &mut out);
        self.expect(kept.is_ok(), Promise::Rules);
        self.run(bounds, at, out);
    }

    /// Records which process existed when the request for a monitor arrived.
    fn note_arrival(&mut self, link: LinkIx, from: NodeIx, signal: &Signal) {
        let Signal::Monitor { id, .. } = signal else { return };
        let Some(wish) = self.monitor_of(from, *id).map(|monitor| monitor.wish) else { return };
        let found = self.holder(wish).map_or(Found::NoProcess, Found::Process);
        let course = self.monitor_of(from, *id).and_then(Monitor::course_mut);
        if let Some(course) = course.filter(|course| course.sent == Some(link)) {
            course.found = found;
        }
    }

    pub(crate) fn notice_end(&mut self, bounds: &Bounds, link: LinkIx, end: usize) {
        let [at, peer] = [end, 1 - end].map(|end| self.links[link].nodes[end]);
        let was = std::mem::replace(&mut self.links[link].ends[end], Side::Over);
        if !bounds.stale_signals || !self.nodes[at].admitted.contains(&session(link)) {
            self.links[link].to[end].clear();
        }
        if was == Side::Up {
            self.cut(at, peer, Some(link));
            let end = SessionEnd::new(EndKind::Closed);
            self.input(bounds, at, |core, out| core.peer_down(session(link), end, out));
        }
    }

    pub(crate) fn fail_dial(&mut self, bounds: &Bounds, at: NodeIx) {
        let (name, dial) = self.nodes[at].dials.pop_front().expect("only a dial that waits");
        let peer = (0..self.nodes.len()).find(|&peer| self.nodes[peer].id.name == name);
        self.cut(at, peer.expect("the name of a node"), None);
        let end = SessionEnd::new(EndKind::Refused);
        self.input(bounds, at, |core, out| core.peer_unreachable(&name, dial, end, out));
    }

    /// A session or an attempt has ended: the monitors sent on it, or waiting for it, may end as
    /// `NoConnection`.
    fn cut(&mut self, at: NodeIx, peer: NodeIx, link: Option<LinkIx>) {
        let between = |monitor: &&mut Monitor| monitor.watcher.node == at && monitor.wish.to == peer;
        let courses = self.monitors.iter_mut().filter(between).filter_map(Monitor::course_mut);
        for course in courses.filter(|course| course.sent.is_none() || course.sent == link) {
            course.cut = true;
        }
    }
}
