//! The handle of a session.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures::{future::AbortHandle, task::AtomicWaker};
use peer_service::{Outbox, PeerInfo};
use refs::{ChannelId, EndKind};
use supervision::unwind;

use crate::{envelope::SendOptions, session::flush_policy::FlushPolicy, threads::environment::Environment};

/// The shared part of a session, for all senders. One task reads its frames, and only that task
/// reports its end.
pub(crate) struct SessionHandle {
    pub(crate) peer: PeerInfo,
    pub(crate) outbox: Arc<dyn Outbox>,
    /// Wakes the session's task, which waits for the admission.
    pub(crate) waker: AtomicWaker,
    /// Ends the session's task without waiting for the peer.
    pub(crate) abort: AbortHandle,
    admitted: AtomicBool,
    /// Flush policies of the channels, by place.
    flush_policies: Box<[FlushPolicy]>,
}

impl SessionHandle {
    pub(crate) fn new(
        peer: PeerInfo,
        outbox: Arc<dyn Outbox>,
        abort: AbortHandle,
        environment: &Environment,
    ) -> Self {
        let places = 1 + peer.channels.iter().map(ChannelId::place).max().unwrap_or(0);
        let flush_policies = (0..places).map(|_| FlushPolicy::new(environment.clone())).collect();
        SessionHandle {
            peer,
            outbox,
            waker: AtomicWaker::new(),
            abort,
            admitted: AtomicBool::new(false),
            flush_policies,
        }
    }

    /// Admits the session: every event before it has been delivered, so its frames may be.
    pub(crate) fn admit(&self) {
        self.admitted.store(true, Ordering::Release);
    }

    pub(crate) fn is_admitted(&self) -> bool {
        self.admitted.load(Ordering::Acquire)
    }

    /// Returns true if the session can send a message with these options.
    pub(crate) fn supports(&self, options: SendOptions) -> bool {
        options.or_default_channel || self.peer.channels.has(options.channel)
    }

    /// Returns the flush policy of a channel, or that of the default channel if the session does
    /// not have the channel.
    pub(crate) fn flush_policy(&self, channel: ChannelId) -> &FlushPolicy {
        &self.flush_policies[if self.peer.channels.has(channel) { channel.place() } else { 0 }]
    }

    /// Writes the frames that were pushed on that channel. If the write panics, the session ends,
    /// because a frame may be lost.
    pub(crate) fn flush(&self, channel: ChannelId) {
        let write = || {
            if unwind::catch(|| self.outbox.flush_channel(channel)).is_err() {
                self.close(EndKind::Internal);
            }
        };
        self.flush_policy(channel).flush(write);
    }

    /// Closes the session. If that panics, aborts the task of the session, which then reports the
    /// end.
    pub(crate) fn close(&self, kind: EndKind) {
        if unwind::catch(|| self.outbox.close(kind)).is_err() {
            self.abort.abort();
        }
    }

    /// Flushes the channel now, or leaves it to the flusher task. Called after
    /// [`FlushPolicy::record_push`] returned true, with no lock held. Never blocks.
    pub(crate) fn flush_soon(&self, channel: ChannelId) {
        let policy = self.flush_policy(channel);
        if policy.may_flush_inline() { self.flush(channel) } else { policy.flusher.notify() }
    }

    /// Ends the flusher tasks, because the session has ended.
    pub(crate) fn close_flushers(&self) {
        self.flush_policies.iter().for_each(|policy| policy.flusher.close());
    }
}
