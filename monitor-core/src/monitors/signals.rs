//! Signals from peers.

use alloc::vec::Vec;

use refs::{ChannelId, EndKind, SessionEnd, SessionId};

use super::{Core, backlog::ExitNotification, watch};
use crate::{
    config::{LocalTarget, Processes},
    effect::Effect,
    ids::{LocalPid, MonitorId},
    reason::DownReason,
    signal::{RemoteTarget, Signal, Violation},
    tables::{MonitorState, OutgoingIndex, PeerIndex, ProcessEntry},
};

impl Core {
    /// Handles a signal of a peer that arrived on that channel; the answer goes back on the same
    /// channel. O(1), with one exception: a monitor on a process that has exited, while calls wait
    /// for the session that has begun. The waiting calls then go out first.
    ///
    /// A signal is ignored if its session has ended, or if it does not concern the session.
    ///
    /// # Errors
    /// Returns a [`Violation`] if the signal breaks the protocol. Nothing has changed then, and the
    /// session must end.
    pub fn handle_signal(
        &mut self,
        processes: &dyn Processes,
        session: SessionId,
        channel: ChannelId,
        signal: Signal,
        out: &mut Vec<Effect>,
    ) -> Result<(), Violation> {
        let peer = self.peers.of_session(session);
        let Some(peer) = peer.filter(|&peer| self.peers.get(peer).session() == Some(session)) else {
            return Ok(());
        };
        match signal {
            Signal::Monitor { id, target } => {
                return self.handle_monitor(processes, peer, (session, channel), id, &target, out);
            }
            Signal::Demonitor { id } => {
                if let Some(at) = self.incoming_monitors.find(peer, id) {
                    self.remove_incoming(at);
                }
            }
            Signal::Down { id, reason } => {
                let at = self.outgoing_monitors.find(id).filter(|&at| self.is_bound_to(at, peer));
                if let Some(at) = at {
                    self.fire(at, reason, out);
                }
            }
        }
        Ok(())
    }

    fn handle_monitor(
        &mut self,
        processes: &dyn Processes,
        peer: PeerIndex,
        (session, channel): (SessionId, ChannelId),
        id: MonitorId,
        target: &RemoteTarget,
        out: &mut Vec<Effect>,
    ) -> Result<(), Violation> {
        if self.incoming_monitors.find(peer, id).is_some() {
            return Err(Violation::SerialInUse);
        }
        let numbered = match target {
            RemoteTarget::Pid(serial) => Some(LocalPid(*serial)),
            RemoteTarget::PidOf(incarnation, serial) if *incarnation == self.config.local.incarnation => {
                Some(LocalPid(*serial))
            }
            RemoteTarget::PidOf(..) | RemoteTarget::Name(_) => None,
        };
        let found = match (numbered, target) {
            (Some(pid), _) => processes.resolve(&LocalTarget::Pid(pid)),
            (None, RemoteTarget::Name(name)) => processes.resolve(&LocalTarget::Name(name)),
            (None, _) => None,
        };
        let row = self.peers.get_mut(peer);
        let refusal = match (found, numbered) {
            _ if row.incoming_count >= self.config.limits.max_incoming => {
                DownReason::NoConnection(SessionEnd::new(EndKind::Quota))
            }
            (Some(pid), _) => {
                row.incoming_count += 1;
                let entry = self.processes.enter(pid);
                self.incoming_monitors.insert(
                    peer,
                    channel,
                    id,
                    row.incoming_monitors,
                    &mut entry.remote_watchers,
                );
                watch(pid, entry, out);
                return Ok(());
            }
            (None, Some(gone)) if row.waiter_count > 0 => {
                self.refuse_after_its_messages(peer, channel, id, gone, out);
                return Ok(());
            }
            (None, _) => DownReason::NoProc,
        };
        // A process that has exited may have sent messages that are on their way. They come first.
        let from = numbered.or(found).unwrap_or(LocalPid::NONE);
        out.push(Effect::Send { session, from, channel, signal: Signal::Down { id, reason: refusal } });
        Ok(())
    }

    /// The process has exited, but its messages may still wait for the session, and go out first.
    /// So this is handled as if the process had been there and exited now.
    fn refuse_after_its_messages(
        &mut self,
        peer: PeerIndex,
        channel: ChannelId,
        id: MonitorId,
        gone: LocalPid,
        out: &mut Vec<Effect>,
    ) {
        let row = self.peers.get_mut(peer);
        row.incoming_count += 1;
        let mut lists = ProcessEntry::new(gone);
        self.incoming_monitors.insert(peer, channel, id, row.incoming_monitors, &mut lists.remote_watchers);
        self.tell_exit(ExitNotification::new(gone, lists, DownReason::NoProc), out);
    }

    fn is_bound_to(&self, at: OutgoingIndex, peer: PeerIndex) -> bool {
        let row = self.outgoing_monitors.row(at);
        matches!(row.state, MonitorState::Remote(_))
            && self.target_nodes.get(row.target_node).peer == Some(peer)
    }
}
