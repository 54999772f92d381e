//! The whole state of a network, under one lock, and the rules by which it changes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    sync::Arc,
    task::Waker,
    time::Duration,
};

use parking_lot::Mutex;
use refs::{ChannelId, ChannelName, DialId, EndKind, Incarnation, NodeId, NodeName, SessionEnd, SessionId};
use supervision::unwind;

use super::{
    Join, Settings,
    link::{End, Link, Packet, Routes},
    seen_by_peer,
    service::MemorySession,
    timer::Timers,
};
use crate::{events::Events, frame::Channels, service::PeerInfo};

/// The world behind its lock.
pub(super) struct Shared {
    world: Mutex<World>,
}

pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) now: Duration,
    nodes: BTreeMap<u64, Node>,
    /// The node that has each name now.
    by_name: BTreeMap<NodeName, u64>,
    paths: BTreeMap<(NodeName, NodeName), Path>,
    pub(super) links: BTreeMap<u64, Link>,
    dials: Vec<Dial>,
    last: u64,
    wakers: Vec<Waker>,
    pub(super) timers: Timers,
    announcements: VecDeque<(Arc<Events>, Announcement)>,
    /// Whether a caller is handing out announcements; it continues until there are none.
    announcing: bool,
}

struct Node {
    id: NodeId,
    hidden: bool,
    view: Option<BTreeSet<NodeName>>,
    channels: Vec<ChannelName>,
    frozen: bool,
    shut: bool,
    events: Arc<Events>,
    last_session: u64,
}

/// The state of the path from one node to another.
#[derive(Clone, Copy, Default)]
pub(super) struct Path {
    pub(super) cut: bool,
    pub(super) delay: Duration,
}

/// A dial without a result.
struct Dial {
    from: u64,
    to: NodeName,
    dial: DialId,
    /// `None`: without limit.
    deadline: Option<Duration>,
}

enum Announcement {
    /// The link, and which end of it.
    Session(u64, usize, PeerInfo),
    Failed(NodeName, DialId, SessionEnd),
    Closed,
}

impl Shared {
    pub(super) fn new(settings: Settings) -> Arc<Self> {
        let world = World {
            settings,
            now: Duration::ZERO,
            nodes: BTreeMap::new(),
            by_name: BTreeMap::new(),
            paths: BTreeMap::new(),
            links: BTreeMap::new(),
            dials: Vec::new(),
            last: 0,
            wakers: Vec::new(),
            timers: Timers::default(),
            announcements: VecDeque::new(),
            announcing: false,
        };
        Arc::new(Shared { world: Mutex::new(world) })
    }

    pub(super) fn look<R>(&self, look: impl FnOnce(&World) -> R) -> R {
        look(&self.world.lock())
    }

    /// Makes a change that wakes no task, as a push must not.
    pub(super) fn edit<R>(&self, edit: impl FnOnce(&mut World) -> R) -> R {
        edit(&mut self.world.lock())
    }

    /// Makes a change and everything that follows from it; then, without the lock, hands out the
    /// announcements and wakes the tasks.
    pub(super) fn act<R>(self: &Arc<Self>, act: impl FnOnce(&mut World) -> R) -> R {
        let mut world = self.world.lock();
        world.note_received();
        let result = act(&mut world);
        world.settle();
        let wakers = mem::take(&mut world.wakers);
        drop(world);
        self.announce();
        wakers.into_iter().for_each(unwind::wake);
        result
    }

    /// Hands out the announcements, one caller at a time, so that they keep their order.
    fn announce(self: &Arc<Self>) {
        if mem::replace(&mut self.world.lock().announcing, true) {
            return;
        }
        while let Some((events, announcement)) = self.next_announcement() {
            match announcement {
                Announcement::Session(link, end, info) => {
                    events.session(Box::new(MemorySession::new(self.clone(), link, end, info)));
                }
                Announcement::Failed(node, dial, end) => events.failed(node, dial, end),
                Announcement::Closed => events.close(),
            }
        }
    }

    fn next_announcement(&self) -> Option<(Arc<Events>, Announcement)> {
        let mut world = self.world.lock();
        let next = world.announcements.pop_front();
        world.announcing = next.is_some();
        next
    }
}

// Nodes.

impl World {
    pub(super) fn join(&mut self, join: Join, events: Arc<Events>) -> (u64, NodeId) {
        self.last += 1;
        let node_key = self.last;
        // Not random, so that runs repeat; scattered, so that tests do not rely on an order of
        // incarnations.
        let incarnation =
            Incarnation::new(node_key.wrapping_mul(0x9e37_79b9_7f4a_7c15)).expect("odd times non-zero");
        let id = NodeId::new(join.name.clone(), incarnation);
        let view = join.view.map(|members| members.into_iter().collect());
        let node = Node {
            id: id.clone(),
            hidden: join.hidden,
            view,
            channels: join.channels,
            frozen: false,
            shut: false,
            events,
            last_session: 0,
        };
        self.nodes.insert(node_key, node);
        self.by_name.entry(join.name).or_insert(node_key);
        (node_key, id)
    }

    pub(super) fn population(&self) -> (usize, usize) {
        (self.nodes.len(), self.links.len())
    }

    pub(super) fn path(&mut self, from: &NodeName, to: &NodeName) -> &mut Path {
        self.paths.entry((from.clone(), to.clone())).or_default()
    }

    fn path_of(&self, from: &NodeName, to: &NodeName) -> Path {
        self.paths.get(&(from.clone(), to.clone())).copied().unwrap_or_default()
    }

    fn node_named(&self, name: &NodeName) -> Option<(u64, &Node)> {
        let node_key = *self.by_name.get(name)?;
        Some((node_key, self.nodes.get(&node_key)?))
    }

    pub(super) fn is_frozen(&self, node_key: u64) -> bool {
        self.nodes.get(&node_key).is_some_and(|node| node.frozen)
    }

    pub(super) fn set_frozen(&mut self, name: &NodeName, frozen: bool) {
        let Some(node) = self.by_name.get(name).and_then(|node_key| self.nodes.get_mut(node_key)) else {
            return;
        };
        node.frozen = frozen;
        for link in self.links.values_mut() {
            for end in &mut link.ends {
                self.wakers.extend(end.wakers());
            }
        }
    }

    pub(super) fn members(&self, at: &NodeName) -> BTreeSet<NodeName> {
        let view = self.node_named(at).and_then(|(_, node)| node.view.clone());
        view.unwrap_or_else(|| self.by_name.keys().filter(|name| *name != at).cloned().collect())
    }

    pub(super) fn view_of(&self, node_key: u64) -> Option<Vec<NodeName>> {
        let view = self.nodes.get(&node_key)?.view.as_ref()?;
        Some(view.iter().cloned().collect())
    }

    pub(super) fn set_view(&mut self, at: &NodeName, members: BTreeSet<NodeName>) {
        let Some(&node_key) = self.by_name.get(at) else { return };
        let evicted = self.ends_of(node_key).into_iter().filter(|&(link, end)| {
            let peer = &self.links[&link].ends[1 - end].node;
            !members.contains(peer)
        });
        for (link, end) in evicted.collect::<Vec<_>>() {
            self.close(link, end, EndKind::Evicted);
        }
        if let Some(node) = self.nodes.get_mut(&node_key) {
            node.view = Some(members);
        }
    }

    /// The open ends of one node.
    fn ends_of(&self, node_key: u64) -> Vec<(u64, usize)> {
        let all = self.links.iter().flat_map(|(&id, link)| [(id, 0, &link.ends[0]), (id, 1, &link.ends[1])]);
        all.filter(|(_, _, end)| end.node_key == node_key && end.is_open())
            .map(|(id, at, _)| (id, at))
            .collect()
    }

    /// Starts no further session; existing ones continue.
    pub(super) fn shut(&mut self, node_key: u64) {
        let Some(node) = self.nodes.get_mut(&node_key) else { return };
        if mem::replace(&mut node.shut, true) {
            return;
        }
        let (name, events) = (node.id.name.clone(), node.events.clone());
        if self.by_name.get(&name) == Some(&node_key) {
            self.by_name.remove(&name);
        }
        let (mine, others) = mem::take(&mut self.dials).into_iter().partition(|dial| dial.from == node_key);
        self.dials = others;
        for dial in mine {
            self.fail(&events, dial.to, dial.dial, EndKind::LocalShutdown);
        }
        self.announcements.push_back((events, Announcement::Closed));
    }

    pub(super) fn crash(&mut self, name: &NodeName) {
        if let Some(&node_key) = self.by_name.get(name) {
            self.dials.retain(|dial| dial.from != node_key);
            self.shut(node_key);
            for (link, end) in self.ends_of(node_key) {
                self.links.get_mut(&link).expect("just listed").ends[end].lose();
                self.close(link, end, EndKind::Closed);
            }
        }
    }
}

// Dials.

impl World {
    pub(super) fn connect(&mut self, from: u64, to: &NodeName, dial: DialId) {
        let Some(node) = self.nodes.get(&from) else { return };
        let events = node.events.clone();
        let bears_name = self.by_name.get(&node.id.name) == Some(&from);
        let refusal = if node.shut {
            Some(EndKind::LocalShutdown)
        } else if !bears_name || node.id.name == *to {
            Some(EndKind::DuplicateName)
        } else if node.view.as_ref().is_some_and(|view| !view.contains(to)) {
            Some(EndKind::NotMember)
        } else {
            None
        };
        match refusal {
            Some(kind) => self.fail(&events, to.clone(), dial, kind),
            None => {
                let deadline = after(self.now, self.settings.setup_timeout);
                self.dials.push(Dial { from, to: to.clone(), dial, deadline });
            }
        }
    }

    fn fail(&mut self, events: &Arc<Events>, node: NodeName, dial: DialId, kind: EndKind) {
        self.announcements.push_back((events.clone(), Announcement::Failed(node, dial, kind.into())));
    }

    /// Gives every dial its result that can have one now.
    fn answer_dials(&mut self) {
        for dial in mem::take(&mut self.dials) {
            let Some(from) = self.nodes.get(&dial.from) else { continue };
            let (name, events) = (from.id.name.clone(), from.events.clone());
            if self
                .ends_of(dial.from)
                .iter()
                .any(|&(link, end)| self.links[&link].ends[1 - end].node == dial.to)
            {
                // The existing session is the result.
                continue;
            }
            let cut = self.path_of(&name, &dial.to).cut || self.path_of(&dial.to, &name).cut;
            let failure = match self.node_named(&dial.to) {
                _ if from.frozen || cut => None,
                None => Some(EndKind::Unreachable),
                Some((_, to)) if to.view.as_ref().is_some_and(|view| !view.contains(&name)) => {
                    Some(EndKind::NotMember)
                }
                Some((_, to)) if to.frozen => None,
                Some((node_key, _)) => {
                    self.establish(dial.from, node_key);
                    continue;
                }
            };
            match failure {
                Some(kind) => self.fail(&events, dial.to, dial.dial, kind),
                None if dial.deadline.is_some_and(|deadline| self.now >= deadline) => {
                    self.fail(&events, dial.to, dial.dial, EndKind::SetupTimeout)
                }
                None => self.dials.push(dial),
            }
        }
    }

    /// Begins a session. If the other node still has an earlier session with this node, this node
    /// has lost it.
    fn establish(&mut self, from: u64, to: u64) {
        let name = self.nodes[&from].id.name.clone();
        for (link, end) in self.ends_of(to) {
            if self.links[&link].ends[1 - end].node == name {
                self.close(link, end, EndKind::Replaced);
            }
        }
        let hidden = self.nodes[&from].hidden || self.nodes[&to].hidden;
        self.last += 1;
        let id = self.last;
        // The session is announced first to the dialed node.
        for (own, peer, end) in [(to, from, 1), (from, to, 0)] {
            let other = peer;
            let peer = self.nodes[&other].id.clone();
            let channels = self.routes(own, other).1;
            let node = self.nodes.get_mut(&own).expect("both nodes are there");
            node.last_session += 1;
            let mut info = PeerInfo::new(peer, SessionId(node.last_session));
            info.hidden = hidden;
            info.channels = channels;
            self.announcements.push_back((node.events.clone(), Announcement::Session(id, end, info)));
        }
        let ends = [(from, to), (to, from)].map(|(own, peer)| {
            End::new(self.nodes[&own].id.name.clone(), own, self.routes(own, peer).0, self.now)
        });
        self.links.insert(id, Link { ends });
    }

    /// For each channel of one node the channel of the other, and the set of common channels.
    fn routes(&self, own: u64, peer: u64) -> (Routes, Channels) {
        let (own, peer) = (&self.nodes[&own].channels, &self.nodes[&peer].channels);
        let mut routes = Routes::default();
        let mut common = Channels::DEFAULT;
        for (name, here) in own.iter().zip(ChannelId::all().skip(1)) {
            let there = peer.iter().position(|other| other == name);
            if let Some(there) = there.and_then(|at| ChannelId::new(at + 1)) {
                routes[here.place()] = there;
                common = common.with(here);
            }
        }
        (routes, common)
    }
}

// Links.

impl World {
    /// Ends one end of a link: with `kind` here, and at the other end with the corresponding kind
    /// once that end receives it.
    pub(super) fn close(&mut self, link: u64, end: usize, kind: EndKind) {
        let due = self.due(link, end);
        let Some(own) = self.links.get_mut(&link).map(|link| &mut link.ends[end]).filter(|end| end.is_open())
        else {
            return;
        };
        let good = matches!(kind, EndKind::Left | EndKind::Disconnected | EndKind::Evicted);
        if good {
            own.flush(due)
        } else {
            own.lose()
        }
        own.finish(due, seen_by_peer(kind));
        own.end = Some(kind.into());
        self.wakers.extend(own.wakers());
    }

    pub(super) fn flush(&mut self, link: u64, end: usize) {
        let due = self.due(link, end);
        if let Some(link) = self.links.get_mut(&link) {
            link.ends[end].flush(due);
        }
    }

    pub(super) fn flush_channel(&mut self, link: u64, end: usize, channel: ChannelId) {
        let due = self.due(link, end);
        if let Some(link) = self.links.get_mut(&link) {
            link.ends[end].flush_channel(channel, due);
        }
    }

    /// Time at which a frame sent now arrives.
    fn due(&self, link: u64, end: usize) -> Duration {
        let delay = self
            .links
            .get(&link)
            .map(|link| self.path_of(&link.ends[end].node, &link.ends[1 - end].node).delay);
        self.now.saturating_add(delay.unwrap_or_default())
    }

    pub(super) fn disconnect(&mut self, node_key: u64, peer: &NodeName) {
        for (link, end) in self.ends_of(node_key) {
            if self.links[&link].ends[1 - end].node == *peer {
                self.close(link, end, EndKind::Disconnected);
            }
        }
    }

    pub(super) fn sever(&mut self, a: &NodeName, b: &NodeName) {
        for link in self.links.values_mut() {
            let [x, y] = &mut link.ends;
            if (x.node == *a && y.node == *b) || (x.node == *b && y.node == *a) {
                for end in [x, y] {
                    end.lose();
                    end.end.get_or_insert(EndKind::Closed.into());
                    self.wakers.extend(end.wakers());
                }
            }
        }
    }

    /// Whether frames of this end can arrive now.
    fn carries(&self, link: &Link, end: usize) -> bool {
        let [from, to] = [&link.ends[end], &link.ends[1 - end]];
        !self.is_frozen(from.node_key) && !self.path_of(&from.node, &to.node).cut
    }

    /// Updates the time of the last reception of every end whose peer is reachable. Called before
    /// anything changes.
    fn note_received(&mut self) {
        for (id, end) in self.all_ends() {
            if self.carries(&self.links[&id], end) {
                let now = self.now;
                self.links.get_mut(&id).expect("just listed").ends[1 - end].last_received = now;
            }
        }
    }

    fn all_ends(&self) -> Vec<(u64, usize)> {
        self.links.keys().flat_map(|&id| [(id, 0), (id, 1)]).collect()
    }

    /// Performs everything that is due at this time.
    fn settle(&mut self) {
        self.note_received();
        for (id, end) in self.all_ends() {
            self.transfer(id, end);
        }
        self.end_timed_out();
        self.answer_dials();
        self.timers.expire(self.now, &mut self.wakers);
        self.remove_unobservable();
    }

    /// Removes links and nodes that no handle can observe any more.
    fn remove_unobservable(&mut self) {
        self.links.retain(|_, link| !link.ends.iter().all(|end| end.dropped && !end.is_open()));
        let linked: BTreeSet<u64> =
            self.links.values().flat_map(|link| link.ends.each_ref().map(|end| end.node_key)).collect();
        self.nodes.retain(|node_key, node| !node.shut || linked.contains(node_key));
    }

    /// Delivers due packets, as far as the receiver's buffer has space.
    fn transfer(&mut self, id: u64, end: usize) {
        if !self.carries(&self.links[&id], end) {
            return;
        }
        let (room, now) = (self.settings.receive_buffer, self.now);
        let Some(link) = self.links.get_mut(&id) else { return };
        let [a, b] = &mut link.ends;
        let (from, to) = if end == 0 { (a, b) } else { (b, a) };
        if !to.is_open() {
            // The receiving end has ended.
            from.lose();
            return;
        }
        let before = from.waiting;
        while let Some(packet) = from.due(now) {
            if matches!(packet, Packet::Frame(..)) && to.arrived_bytes >= room {
                from.stalled.get_or_insert(now);
                break;
            }
            match from.take() {
                Some(Packet::Frame(frame)) => {
                    to.arrived_bytes += frame.bytes.len();
                    to.arrived.push_back(frame);
                }
                Some(Packet::Fin(kind)) => to.end = Some(kind.into()),
                None => break,
            }
            self.wakers.extend(to.wakers());
        }
        if from.waiting < before || from.waiting == 0 {
            from.stalled = None;
            self.wakers.append(&mut from.senders);
        }
    }

    /// Ends sessions that were silent for too long, or whose peer does not accept signals.
    fn end_timed_out(&mut self) {
        for (id, end) in self.all_ends() {
            let own = &self.links[&id].ends[end];
            if !own.is_open() || self.is_frozen(own.node_key) {
                continue;
            }
            let is_due = |since| after(since, self.settings.timeout).is_some_and(|at| self.now >= at);
            let silent = self.now.saturating_sub(own.last_received);
            if is_due(own.last_received) {
                self.close(id, end, EndKind::Timeout);
                let own = self.links.get_mut(&id).map(|link| &mut link.ends[end]);
                own.expect("the end was just closed").end = Some(SessionEnd::timeout(silent));
            } else if own.stalled.filter(|_| own.has_signals()).is_some_and(is_due) {
                self.close(id, end, EndKind::Overloaded);
            } else {
                continue;
            }
            self.transfer(id, end);
        }
    }

    pub(super) fn advance(&mut self, time: Duration) {
        let target = self.now.saturating_add(time);
        while let Some(next) = self.next_deadline().filter(|&next| next <= target) {
            self.now = next;
            self.settle();
        }
        self.now = target;
    }

    /// Time of the next event that needs no call.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let timeout = self.settings.timeout;
        let ends = self.links.values().flat_map(|link| {
            [0, 1].into_iter().flat_map(move |end| {
                let own = &link.ends[end];
                let is_receiving = self.carries(link, 1 - end);
                let silence = (own.is_open() && !is_receiving && !self.is_frozen(own.node_key))
                    .then(|| after(own.last_received, timeout));
                let stall = own.stalled.filter(|_| own.is_open()).map(|since| after(since, timeout));
                let arrival = own.next_due().filter(|_| self.carries(link, end));
                [silence.flatten(), stall.flatten(), arrival].into_iter().flatten()
            })
        });
        let dials = self.dials.iter().filter_map(|dial| dial.deadline);
        ends.chain(dials).chain(self.timers.next()).filter(|&at| at > self.now).min()
    }
}

/// The time `time` after `moment`; `None` if it never comes, because there is no limit or the clock
/// does not reach it.
fn after(moment: Duration, time: Duration) -> Option<Duration> {
    if time == Duration::MAX { None } else { moment.checked_add(time) }
}
