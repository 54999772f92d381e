//! Sessions and dials, routes for calls, and calls about nodes.

use alloc::{sync::Arc, vec::Vec};
use core::mem;

use refs::{DialId, EndKind, NodeId, NodeName, SessionEnd, SessionId};

use super::Core;
use crate::{
    config::{Connect, Route},
    effect::{Effect, NodeEvent, NodeNotice, NodeType, NodesOptions, Notice},
    ids::{LocalPid, MonitorId, Ticket},
    tables::{
        Cursor, DownNotification, MonitorState, Peer, PeerIndex, PeerState, UpNotification, Waiter,
        WaiterIndex,
    },
};

impl Core {
    /// Reports a session with a peer. [`Effect::Admit`] follows once everything before the session
    /// was told: at once, or from a `resume`.
    ///
    /// `session` is a new number. `node` is the peer with its incarnation, as the transport has
    /// proved it. `hidden` if either end is hidden. Answers an open dial of that node.
    ///
    /// If the previous session with the node has not ended, or its end was not told completely, the
    /// new one waits for that. A node has at most one session that waits: a third one takes its
    /// place, and nothing is told about the second one. A session with a node that has the local
    /// node's name is ignored and never admitted. Bounded like [`Core::process_exited`].
    pub fn peer_up(&mut self, session: SessionId, node: NodeId, hidden: bool, out: &mut Vec<Effect>) {
        if node.name == self.config.local.name {
            return;
        }
        let peer = self.peer(&node.name);
        self.peers.add_session(session, peer);
        let name = node.name.clone();
        let event = Arc::new(NodeEvent { name, session: Some((session, node)), hidden, end: None });
        match self.peers.get(peer).state {
            PeerState::Idle | PeerState::Connecting(_) => self.promote(peer, event),
            PeerState::Up(_) | PeerState::Draining => {
                let unseen = self.peers.get_mut(peer).next.replace(event);
                if let Some((session, _)) = unseen.and_then(|event| event.session.clone()) {
                    self.peers.remove_session(session);
                }
            }
        }
        self.tell_peer(peer, out);
    }

    /// Reports the end of a session, after all its signals were handled. Its monitors get
    /// `NoConnection(end)`; then the node monitors and subscribers are told. The monitors of the
    /// peer on local processes end without a notice.
    ///
    /// A session that is unknown or has already ended is ignored. Bounded like
    /// [`Core::process_exited`].
    pub fn peer_down(&mut self, session: SessionId, end: SessionEnd, out: &mut Vec<Effect>) {
        let Some(peer) = self.peers.remove_session(session) else { return };
        let row = self.peers.get_mut(peer);
        if row.session() != Some(session) {
            // The session was waiting for the end of the previous one to be told, so its beginning
            // was not told.
            row.next = None;
            return;
        }
        self.begin_down_notification(peer, end);
        self.tell_peer(peer, out);
    }

    /// Reports that the session takes no more frames. [`peer_down`](Core::peer_down) follows after
    /// all signals that have arrived on the session.
    ///
    /// From now on, calls that connect on demand wait for the next session, and so do the calls
    /// that wait for this one. Signals of the session are still handled. A session that is not up
    /// is ignored. O(1).
    pub fn session_closing(&mut self, session: SessionId) {
        let peer = self.peers.of_session(session);
        if let Some(peer) = peer.filter(|&peer| self.peers.get(peer).session() == Some(session)) {
            self.peers.get_mut(peer).closing = true;
        }
    }

    /// Reports that the session did not take the request of this monitor, because it is
    /// [closing](Core::session_closing). The monitor waits for the next session, like a new one. To
    /// be called at most once, within the call that made the monitor. O(1).
    ///
    /// A monitor that has ended, or that is not bound to a session, is not changed.
    pub fn monitor_not_sent(&mut self, id: MonitorId, connect: Connect, out: &mut Vec<Effect>) {
        let Some(at) = self.outgoing_monitors.find(id) else { return };
        let row = self.outgoing_monitors.row(at);
        let peer = self.target_nodes.get(row.target_node).peer;
        let Some(peer) = peer.filter(|_| matches!(row.state, MonitorState::Remote(_))) else { return };
        if self.peers.get(peer).session().is_some() {
            self.peers.get_mut(peer).closing = true;
            self.outgoing_monitors.unbind(at);
            self.bind_remote(at, peer, connect, out);
        }
    }

    /// Reports that an attempt to connect has failed. The monitors that wait for exactly that dial
    /// get `NoConnection(end)`, tickets get [`Effect::Discard`], and each `monitor_node` its
    /// notice. Subscribers of `monitor_nodes` are told nothing, because there was no session.
    ///
    /// A dial that is not the open one of its node is ignored. Bounded like
    /// [`Core::process_exited`].
    pub fn peer_unreachable(
        &mut self,
        node: &NodeName,
        dial: DialId,
        end: SessionEnd,
        out: &mut Vec<Effect>,
    ) {
        let Some(peer) = self.peers.find(node) else { return };
        if matches!(self.peers.get(peer).state, PeerState::Connecting(waited_for) if waited_for == dial) {
            self.begin_down_notification(peer, end);
            self.tell_peer(peer, out);
        }
    }

    /// Returns where to send something for another node, such as a message, in one order with the
    /// monitors. O(1).
    ///
    /// After [`Route::Now`] the message is sent after the effects of this input. After
    /// [`Route::Later`] the caller keeps the message under `ticket`; exactly one
    /// [`Effect::Forward`] or [`Effect::Discard`] with that ticket follows. The local node is never
    /// connected to itself: its route is [`EndKind::NotConnected`].
    pub fn route(
        &mut self,
        node: &NodeName,
        ticket: Ticket,
        connect: Connect,
        out: &mut Vec<Effect>,
    ) -> Route {
        if *node == self.config.local.name {
            return Route::No(EndKind::NotConnected.into());
        }
        let peer = self.peer(node);
        match self.route_to(peer, connect, out) {
            Route::Now(session) => Route::Now(session),
            Route::Later => {
                self.wait(peer, Waiter::Ticket(ticket));
                Route::Later
            }
            Route::No(end) => {
                self.forget_unused_peer(peer);
                Route::No(end)
            }
        }
    }

    /// Tells `watcher` once that the node has gone down: when the session that is up ends, when the
    /// session that is made for this call ends, or when no session can be made. O(1).
    ///
    /// A second call before that notice changes nothing. The local node never goes down. Source:
    /// `erlang:monitor_node/2`, which counts calls and does not specify the order; here there is
    /// one notice, after all `Down`s of the session.
    pub fn monitor_node(
        &mut self,
        watcher: LocalPid,
        node: &NodeName,
        connect: Connect,
        out: &mut Vec<Effect>,
    ) {
        if *node == self.config.local.name {
            return;
        }
        let peer = self.peer(node);
        let row = self.peers.get(peer);
        if connect == Connect::Never && row.up().is_none() {
            let end = Some(EndKind::NotConnected.into());
            let event = Arc::new(NodeEvent { name: node.clone(), session: None, hidden: false, end });
            out.push(Effect::Deliver { to: watcher, notice: Notice::Node(NodeNotice::MonitoredDown(event)) });
            return self.forget_unused_peer(peer);
        }
        let (epoch, node_monitors) = (row.epoch, row.node_monitors);
        let of_watcher = &mut self.processes.enter(watcher).node_monitors;
        self.node_monitors.insert(watcher, of_watcher, peer, epoch, node_monitors);
        if matches!(self.peers.get(peer).state, PeerState::Idle) {
            self.dial(peer, out);
        }
    }

    /// Ends a [`Core::monitor_node`], if there is one. Never connects. A notice that was delivered
    /// already stays in the mailbox. O(1).
    pub fn demonitor_node(&mut self, watcher: LocalPid, node: &NodeName) {
        if let Some(peer) = self.peers.find(node) {
            self.node_monitors.remove(watcher, peer);
            self.forget_unused_peer(peer);
        }
    }

    /// Subscribes `watcher` to the ups and downs of all nodes that the options select. Returns the
    /// up events of the selected nodes that are up, sorted by name. The notices begin exactly where
    /// this list ends. O(nodes log nodes).
    ///
    /// A second subscription with equal options changes nothing. Source:
    /// `net_kernel:monitor_nodes/2`, which counts calls.
    pub fn monitor_nodes(&mut self, watcher: LocalPid, options: NodesOptions) -> Vec<Arc<NodeEvent>> {
        let of_watcher = &mut self.processes.enter(watcher).node_subscriptions;
        self.node_subscriptions.insert(watcher, of_watcher, options, self.last_event);
        self.nodes(options.node_type)
    }

    /// Ends the subscription with exactly these options, if there is one. Notices that were
    /// delivered already stay in the mailbox. O(1).
    pub fn demonitor_nodes(&mut self, watcher: LocalPid, options: NodesOptions) {
        if let Some(list) = self.processes.get(watcher).and_then(|entry| entry.node_subscriptions) {
            self.node_subscriptions.remove(list, options);
        }
    }

    /// The up events of the nodes that are up, sorted by name, without the local node. O(nodes log
    /// nodes).
    pub fn nodes(&self, filter: NodeType) -> Vec<Arc<NodeEvent>> {
        let up = self.peers.iter().filter_map(Peer::up).filter(|up| filter.matches(up.hidden));
        let mut up: Vec<_> = up.cloned().collect();
        up.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        up
    }

    /// The route of a call to a peer: directly only if no call waits, so that no call overtakes
    /// another.
    pub(super) fn route_to(&mut self, peer: PeerIndex, connect: Connect, out: &mut Vec<Effect>) -> Route {
        // Calls that still wait after the session came up go first. Two go out for each new call,
        // so the list becomes empty.
        for _ in 0..self.peers.get(peer).waiter_count.min(2) {
            self.flush_one(peer, out);
        }
        let row = self.peers.get(peer);
        match (&row.state, row.open_session()) {
            (_, Some(session)) if row.waiter_count == 0 => return Route::Now(session),
            (_, Some(_)) => return Route::Later,
            _ if connect == Connect::Never => return Route::No(EndKind::NotConnected.into()),
            _ if row.waiter_count >= self.config.limits.max_waiting => {
                return Route::No(EndKind::Quota.into());
            }
            (PeerState::Idle, None) => self.dial(peer, out),
            (PeerState::Connecting(_) | PeerState::Draining | PeerState::Up(_), None) => {}
        }
        Route::Later
    }

    pub(super) fn wait(&mut self, peer: PeerIndex, waiter: Waiter) -> WaiterIndex {
        let row = self.peers.get_mut(peer);
        row.waiter_count += 1;
        self.waiters.push(row.waiters, waiter)
    }

    /// Sends the first call that waits for the session that is up; returns whether there was one.
    /// The monitor of a process that has exited is dropped instead.
    pub(super) fn flush_one(&mut self, peer: PeerIndex, out: &mut Vec<Effect>) -> bool {
        let row = self.peers.get_mut(peer);
        // Checked first, because this is nearly always so, and each step of an exit comes here.
        if row.waiter_count == 0 {
            return false;
        }
        let Some(session) = row.open_session() else { return false };
        let Some(waiter) = self.waiters.pop(row.waiters) else { return false };
        row.waiter_count -= 1;
        match waiter {
            Waiter::Monitor(at) if self.processes.get(self.outgoing_monitors.row(at).watcher).is_none() => {
                self.outgoing_monitors.unbind(at);
                self.forget(at);
            }
            Waiter::Monitor(at) => self.send_monitor(at, peer, out),
            Waiter::Ticket(ticket) => out.push(Effect::Forward { ticket, session }),
        }
        true
    }

    pub(super) fn dial(&mut self, peer: PeerIndex, out: &mut Vec<Effect>) {
        self.last_dial += 1;
        let dial = DialId(self.last_dial);
        let row = self.peers.get_mut(peer);
        row.state = PeerState::Connecting(dial);
        out.push(Effect::Connect { node: row.name.clone(), dial });
    }

    /// Makes the session the one that is up, and starts to tell its beginning.
    pub(super) fn promote(&mut self, peer: PeerIndex, event: Arc<NodeEvent>) {
        self.last_event += 1;
        let row = self.peers.get_mut(peer);
        row.state = PeerState::Up(event.clone());
        row.up_notification =
            Some(UpNotification { event, number: self.last_event, next: Some(Cursor::start()) });
    }

    /// Ends the session or the attempt, and starts to tell its end to all watchers that depend on
    /// it. New calls belong to the next session.
    fn begin_down_notification(&mut self, peer: PeerIndex, end: SessionEnd) {
        self.forget_spare_target_node(peer);
        self.last_event += 1;
        let row = self.peers.get_mut(peer);
        let up = row.up().cloned();
        let session = up.as_ref().and_then(|up| up.session.clone());
        let hidden = up.as_ref().is_some_and(|up| up.hidden);
        // Calls that wait while a session closes belong to the next session.
        let closing = mem::take(&mut row.closing);
        let created = self.waiters.create_list();
        row.state = PeerState::Draining;
        row.epoch = row.epoch.wrapping_add(1);
        row.down_notification = Some(DownNotification {
            end,
            waiters: if closing { created } else { mem::replace(&mut row.waiters, created) },
            monitors: mem::replace(&mut row.monitors, self.outgoing_monitors.create_bound_list()),
            incoming_monitors: mem::replace(
                &mut row.incoming_monitors,
                self.incoming_monitors.create_session_list(),
            ),
            node_monitors: mem::replace(&mut row.node_monitors, self.node_monitors.create_peer_list()),
            event: Arc::new(NodeEvent { name: row.name.clone(), session, hidden, end: Some(end) }),
            number: self.last_event,
            next: up.map(|_| Cursor::start()),
        });
    }

    /// The row of a peer, made if there is none.
    pub(super) fn peer(&mut self, name: &NodeName) -> PeerIndex {
        if let Some(peer) = self.peers.find(name) {
            return peer;
        }
        self.peers.insert(Peer {
            name: name.clone(),
            state: PeerState::Idle,
            closing: false,
            epoch: 0,
            waiters: self.waiters.create_list(),
            waiter_count: 0,
            monitors: self.outgoing_monitors.create_bound_list(),
            incoming_monitors: self.incoming_monitors.create_session_list(),
            incoming_count: 0,
            node_monitors: self.node_monitors.create_peer_list(),
            next: None,
            up_notification: None,
            down_notification: None,
            queued: false,
            target_node_count: 0,
        })
    }

    /// Removes a peer that is not connected and that nothing refers to.
    pub(super) fn forget_unused_peer(&mut self, peer: PeerIndex) {
        let row = self.peers.get(peer);
        let unused = matches!(row.state, PeerState::Idle)
            && !row.queued
            && row.target_node_count == 0
            && row.waiter_count == 0
            && self.node_monitors.is_empty_list(row.node_monitors);
        if unused {
            let row = self.peers.remove(peer);
            self.waiters.destroy_list(row.waiters);
            self.outgoing_monitors.destroy_bound_list(row.monitors);
            self.incoming_monitors.destroy_session_list(row.incoming_monitors);
            self.node_monitors.destroy_peer_list(row.node_monitors);
        }
    }
}
