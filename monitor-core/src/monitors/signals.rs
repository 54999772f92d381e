//! What peers ask for and tell.

use alloc::vec::Vec;

use refs::{ChannelId, EndKind, SessionEnd, SessionId};

use super::{Core, backlog::Exit, watch};
use crate::{
    config::{LocalTarget, Processes},
    effect::Effect,
    ids::{LocalPid, MonitorId},
    reason::DownReason,
    signal::{RemoteTarget, Signal, Violation},
    tables::{MonitorState, OutgoingIndex, PeerIndex, ProcessEntry},
};

impl Core {
    /// A signal of a peer has arrived, on that channel: what follows of it goes back on the same. O(1), unless it monitors a
    /// process that is gone while messages wait for the session that has begun: they go first.
    ///
    /// One of a session that is over, or that does not concern this session, is ignored.
    ///
    /// # Errors
    /// A [`Violation`] of the protocol: nothing has changed, and the session must end.
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
            _ if row.incoming_count >= self.config.max_incoming => {
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
        // A process that is gone may have sent messages that are still on their way: they come first.
        let from = numbered.or(found).unwrap_or(LocalPid::NONE);
        out.push(Effect::Send { session, from, channel, signal: Signal::Down { id, reason: refusal } });
        Ok(())
    }

    /// There is no such process, but what it has sent may wait for the session still, and goes first: as if it had
    /// been there and exited now.
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
        self.tell_exit(Exit::new(gone, lists, DownReason::NoProc), out);
    }

    fn is_bound_to(&self, at: OutgoingIndex, peer: PeerIndex) -> bool {
        let row = self.outgoing_monitors.row(at);
        matches!(row.state, MonitorState::Remote(_))
            && self.target_nodes.get(row.target_node).peer == Some(peer)
    }
}
