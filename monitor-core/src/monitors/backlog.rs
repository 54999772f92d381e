//! What takes more steps than one input may do: the exit of a process that many watch, the beginning and the end of
//! a session. Each is a job that is begun at once and, if it is not finished, goes on in turn with the others.

use alloc::vec::Vec;

use super::Core;
use crate::{
    effect::{Effect, NodeNotice, Notice},
    ids::LocalPid,
    reason::DownReason,
    signal::Signal,
    tables::{
        Cursor, DownNotification, IncomingMonitor, List, NodeMonitorsByPeer, NodeSubscriptionIndex,
        PeerIndex, PeerState, ProcessEntry, UpNotification, Waiter,
    },
};

/// A piece of work.
#[derive(Clone, Debug, Hash)]
pub(super) enum Job {
    /// What is to be told about a peer.
    Peer(PeerIndex),
    /// What follows from the exit of a process.
    Exit(Exit),
}

/// The exit of a process on its way to everybody it concerns.
#[derive(Clone, Debug, Hash)]
pub(super) struct Exit {
    pid: LocalPid,
    lists: ProcessEntry,
    reason: DownReason,
}

impl Exit {
    pub(super) const fn new(pid: LocalPid, lists: ProcessEntry, reason: DownReason) -> Self {
        Exit { pid, lists, reason }
    }
}

/// What one step of a job found.
#[derive(PartialEq, Eq)]
enum Step {
    More,
    Done,
}

impl Core {
    /// Continues the backlog: at most [`max_batch`](crate::CoreConfig::max_batch) steps of the job whose turn it is.
    /// Returns whether anything is left.
    pub fn resume(&mut self, out: &mut Vec<Effect>) -> bool {
        match self.backlog.pop_front() {
            Some(Job::Peer(peer)) => {
                self.peers.get_mut(peer).queued = false;
                self.tell_peer(peer, out);
            }
            Some(Job::Exit(exit)) => self.tell_exit(exit, out),
            None => {}
        }
        self.has_backlog()
    }

    /// Whether there is unfinished work for [`Core::resume`].
    pub fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Tells what there is to tell about a peer; what is left of it takes its place at the end of the backlog.
    pub(super) fn tell_peer(&mut self, peer: PeerIndex, out: &mut Vec<Effect>) {
        if self.peers.get(peer).queued {
            return;
        }
        let mut steps = self.config.max_batch;
        while steps > 0 {
            if self.go_on_with_peer(peer, &mut steps, out) == Step::Done {
                return;
            }
        }
        self.peers.get_mut(peer).queued = true;
        self.backlog.push_back(Job::Peer(peer));
    }

    /// Tells of an exit; what is left of it takes its place at the end of the backlog.
    pub(super) fn tell_exit(&mut self, mut exit: Exit, out: &mut Vec<Effect>) {
        for _ in 0..self.config.max_batch {
            if self.step_exit(&mut exit, out) == Step::Done {
                return;
            }
        }
        self.backlog.push_back(Job::Exit(exit));
    }

    /// Tells one more of those that an exit concerns: watchers elsewhere, watchers here, then the peers on whose processes
    /// it had monitors.
    fn step_exit(&mut self, exit: &mut Exit, out: &mut Vec<Effect>) -> Step {
        let Exit { pid, lists, reason } = exit;
        let from = *pid;
        if let Some(list) = lists.remote_watchers {
            let Some(at) = self.incoming_monitors.first_of_target(list) else {
                lists.remote_watchers = None;
                self.incoming_monitors.destroy_target_list(list);
                return Step::More;
            };
            let IncomingMonitor { peer, id, channel } = self.incoming_monitors.get(at);
            let reason = reason.clone();
            // What it has sent may wait for the session still, and goes before the news of its end.
            if self.flush_one(peer, out) {
                return Step::More;
            }
            self.remove_incoming(at);
            if let Some(session) = self.peers.get(peer).session() {
                out.push(Effect::Send { session, from, channel, signal: Signal::Down { id, reason } });
            }
        } else if let Some(list) = lists.local_watchers {
            let Some(at) = self.outgoing_monitors.first_bound(list) else {
                lists.local_watchers = None;
                self.outgoing_monitors.destroy_bound_list(list);
                return Step::More;
            };
            let reason = reason.clone();
            self.fire(at, reason, out);
        } else if let Some(list) = lists.made_monitors {
            let Some(at) = self.outgoing_monitors.first_of_watcher(list) else {
                lists.made_monitors = None;
                self.outgoing_monitors.destroy_watcher_list(list);
                return Step::More;
            };
            self.cancel(at, out);
        } else if let Some(list) = lists.node_monitors {
            let Some(peer) = self.node_monitors.pop_of_watcher(list) else {
                lists.node_monitors = None;
                self.node_monitors.destroy_watcher_list(list);
                return Step::More;
            };
            self.forget_unused_peer(peer);
        } else if let Some(list) = lists.node_subscriptions {
            if !self.node_subscriptions.pop_of_watcher(list) {
                lists.node_subscriptions = None;
                self.node_subscriptions.destroy_watcher_list(list);
            }
        } else {
            return Step::Done;
        }
        Step::More
    }

    /// Tells those that the beginning, or then the end, of a session concerns, one a step.
    fn go_on_with_peer(&mut self, peer: PeerIndex, steps: &mut usize, out: &mut Vec<Effect>) -> Step {
        let row = self.peers.get_mut(peer);
        // Taken out and put back, so that the tables are free while it is told.
        if let Some(up) = row.up_notification.take() {
            let mut left = Some(up);
            while let Some(up) = left.take_if(|_| *steps > 0) {
                *steps -= 1;
                left = self.step_up_notification(peer, up, out);
            }
            self.peers.get_mut(peer).up_notification = left;
        } else if let Some(mut down) = row.down_notification.take() {
            while *steps > 0 {
                *steps -= 1;
                if self.step_down_notification(peer, &mut down, out) == Step::Done {
                    self.finish_down_notification(peer, out);
                    return Step::More;
                }
            }
            self.peers.get_mut(peer).down_notification = Some(down);
        } else {
            self.forget_unused_peer(peer);
            return Step::Done;
        }
        Step::More
    }

    /// Subscribers first; then the session may deliver; then what waits for it goes out.
    fn step_up_notification(
        &mut self,
        peer: PeerIndex,
        mut up: UpNotification,
        out: &mut Vec<Effect>,
    ) -> Option<UpNotification> {
        if let Some(next) = up.next {
            up.next = self.tell_subscriber(next, up.number, out, |options| {
                options.node_type.matches(up.event.hidden).then(|| NodeNotice::Up(options, up.event.clone()))
            });
            // None if it has ended meanwhile; another one cannot be up before that end was told.
            if let (None, Some(session)) = (up.next, self.peers.get(peer).session()) {
                out.push(Effect::Admit { session });
            }
            return Some(up);
        }
        self.flush_one(peer, out).then_some(up)
    }

    /// What waited, the monitors, then the node: each step one of them. What the peer held here goes in silence.
    fn step_down_notification(
        &mut self,
        peer: PeerIndex,
        down: &mut DownNotification,
        out: &mut Vec<Effect>,
    ) -> Step {
        let noconnection = DownReason::NoConnection(down.end);
        if let Some(waiter) = self.waiters.pop(down.waiters) {
            self.peers.get_mut(peer).waiter_count -= 1;
            match waiter {
                Waiter::Monitor(at) => {
                    self.outgoing_monitors.unbind(at);
                    self.bind_incarnation(at, down.event.session.as_ref().map(|(_, node)| node.incarnation));
                    self.fire(at, noconnection, out);
                }
                Waiter::Ticket(ticket) => out.push(Effect::Discard { ticket, end: down.end }),
            }
        } else if let Some(at) = self.outgoing_monitors.first_bound(down.monitors) {
            self.fire(at, noconnection, out);
        } else if let Some(at) = self.incoming_monitors.first_of_session(down.incoming_monitors) {
            self.remove_incoming(at);
        } else if let Some(to) = self.pop_node_monitor(peer, down.node_monitors) {
            if self.processes.get(to).is_some() {
                let notice = Notice::Node(NodeNotice::MonitoredDown(down.event.clone()));
                out.push(Effect::Deliver { to, notice });
            }
        } else if let Some(next) = down.next {
            down.next = self.tell_subscriber(next, down.number, out, |options| {
                let matches = options.node_type.matches(down.event.hidden);
                matches.then(|| NodeNotice::Down(options, down.event.clone()))
            });
        } else {
            self.waiters.destroy_list(down.waiters);
            self.outgoing_monitors.destroy_bound_list(down.monitors);
            self.incoming_monitors.destroy_session_list(down.incoming_monitors);
            self.node_monitors.destroy_peer_list(down.node_monitors);
            return Step::Done;
        }
        Step::More
    }

    fn pop_node_monitor(&mut self, peer: PeerIndex, list: List<NodeMonitorsByPeer>) -> Option<LocalPid> {
        let row = self.peers.get(peer);
        self.node_monitors.pop(list, row.epoch, row.node_monitors)
    }

    /// Tells an event to the subscriber at a place of the table, if one is there that is to know; returns the next place.
    fn tell_subscriber(
        &self,
        at: Cursor<NodeSubscriptionIndex>,
        number: u64,
        out: &mut Vec<Effect>,
        notice: impl FnOnce(crate::NodesOptions) -> Option<NodeNotice>,
    ) -> Option<Cursor<NodeSubscriptionIndex>> {
        let (row, next) = self.node_subscriptions.scan(at)?;
        let row = row.filter(|row| row.since < number && self.processes.get(row.watcher).is_some());
        if let Some((to, notice)) = row.and_then(|row| Some((row.watcher, notice(row.options)?))) {
            out.push(Effect::Deliver { to, notice: Notice::Node(notice) });
        }
        Some(next)
    }

    /// Everybody knows of the end: on to the next session, if one stands already or is asked for.
    fn finish_down_notification(&mut self, peer: PeerIndex, out: &mut Vec<Effect>) {
        let row = self.peers.get_mut(peer);
        let wanted = row.waiter_count > 0 || !self.node_monitors.is_empty_list(row.node_monitors);
        if let Some(event) = row.next.take() {
            self.promote(peer, event);
        } else if wanted {
            self.dial(peer, out);
        } else {
            row.state = PeerState::Idle;
        }
    }
}
