//! Work that may take more steps than one input may do: the exit of a process with many watchers,
//! and the beginning and the end of a session. Each is a job. It starts at once; if it is not
//! finished, it continues in turn with the other jobs.

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

/// A job in the backlog.
#[derive(Clone, Debug, Hash)]
pub(super) enum Job {
    /// The notifications about a peer.
    Peer(PeerIndex),
    /// The consequences of the exit of a process.
    Exit(ExitNotification),
}

/// The exit of a process, while it is told to the watchers and the peers that it concerns.
#[derive(Clone, Debug, Hash)]
pub(super) struct ExitNotification {
    pid: LocalPid,
    lists: ProcessEntry,
    reason: DownReason,
}

impl ExitNotification {
    pub(super) const fn new(pid: LocalPid, lists: ProcessEntry, reason: DownReason) -> Self {
        ExitNotification { pid, lists, reason }
    }
}

/// The result of one step of a job.
#[derive(PartialEq, Eq)]
enum Step {
    More,
    Done,
}

impl Core {
    /// Continues the job at the front of the backlog, for at most
    /// [`max_batch`](crate::CoreLimits::max_batch) steps. Returns whether there is more work.
    ///
    /// Jobs take turns, so a large exit does not delay the end of a session. Other inputs may come
    /// between two calls.
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

    /// Delivers the notifications about a peer. If steps are left over, the peer joins the end of
    /// the backlog.
    pub(super) fn tell_peer(&mut self, peer: PeerIndex, out: &mut Vec<Effect>) {
        if self.peers.get(peer).queued {
            return;
        }
        let mut steps = self.config.limits.max_batch;
        while steps > 0 {
            if self.continue_peer(peer, &mut steps, out) == Step::Done {
                return;
            }
        }
        self.peers.get_mut(peer).queued = true;
        self.backlog.push_back(Job::Peer(peer));
    }

    /// Delivers the notifications of an exit. If steps are left over, the exit joins the end of the
    /// backlog.
    pub(super) fn tell_exit(&mut self, mut exit: ExitNotification, out: &mut Vec<Effect>) {
        for _ in 0..self.config.limits.max_batch {
            if self.step_exit(&mut exit, out) == Step::Done {
                return;
            }
        }
        self.backlog.push_back(Job::Exit(exit));
    }

    /// One step of an exit. The order is: watchers on other nodes, local watchers, the monitors
    /// that the process has made, its node monitors, its subscriptions.
    fn step_exit(&mut self, exit: &mut ExitNotification, out: &mut Vec<Effect>) -> Step {
        let ExitNotification { pid, lists, reason } = exit;
        let from = *pid;
        if let Some(list) = lists.remote_watchers {
            let Some(at) = self.incoming_monitors.first_of_target(list) else {
                lists.remote_watchers = None;
                self.incoming_monitors.destroy_target_list(list);
                return Step::More;
            };
            let IncomingMonitor { peer, id, channel } = self.incoming_monitors.get(at);
            let reason = reason.clone();
            // Messages of the process may still wait for the session. They go out before the
            // `Down`.
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

    /// Up to `steps` steps of the beginning of a session, or else of the end of one.
    fn continue_peer(&mut self, peer: PeerIndex, steps: &mut usize, out: &mut Vec<Effect>) -> Step {
        let row = self.peers.get_mut(peer);
        // Taken out of the row and put back, so that the tables can be borrowed meanwhile.
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

    /// One step. The order is: subscribers are told, then the session may deliver, then the waiting
    /// calls go out.
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
            // There is no session if it has ended meanwhile. Another session cannot be up before
            // that end was told.
            if let (None, Some(session)) = (up.next, self.peers.get(peer).session()) {
                out.push(Effect::Admit { session });
            }
            return Some(up);
        }
        self.flush_one(peer, out).then_some(up)
    }

    /// One step. The order is: waiting calls, monitors on the session, monitors of the peer, node
    /// monitors, subscribers. The rows of the peer's monitors are removed without a notice.
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

    /// Delivers an event to the subscription at a cell of the table, if there is one and it asked
    /// for the event; returns the next cell.
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

    /// All notifications of the end are delivered. Continues with the next session, if it is up
    /// already or if calls wait for one.
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
