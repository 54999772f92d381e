//! The node's end of a session.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures::{future::AbortHandle, task::AtomicWaker};
use peer_service::{Outbox, PeerInfo};
use refs::{ChannelId, EndKind};
use supervision::unwind;

use crate::{envelope::SendOptions, session::flush_policy::FlushPolicy, threads::environment::Environment};

/// What everybody needs of a session; its frames are read by one task, which alone reports its end.
pub(crate) struct SessionHandle {
    pub(crate) peer: PeerInfo,
    pub(crate) outbox: Arc<dyn Outbox>,
    /// The session's task, which waits to be admitted.
    pub(crate) waker: AtomicWaker,
    /// Ends the session's task without waiting for the peer.
    pub(crate) abort: AbortHandle,
    admitted: AtomicBool,
    /// By place, as far as the session has channels.
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

    /// Everything before this session has been told: its frames may be delivered.
    pub(crate) fn admit(&self) {
        self.admitted.store(true, Ordering::Release);
    }

    pub(crate) fn is_admitted(&self) -> bool {
        self.admitted.load(Ordering::Acquire)
    }

    /// Whether a message with these options can go this way.
    pub(crate) fn takes(&self, options: SendOptions) -> bool {
        options.or_default_channel || self.peer.channels.has(options.channel)
    }

    /// What goes out on that channel: if the session has none of it, on the default one.
    pub(crate) fn flush_policy(&self, channel: ChannelId) -> &FlushPolicy {
        &self.flush_policies[if self.peer.channels.has(channel) { channel.place() } else { 0 }]
    }

    /// Writes what was pushed on that channel. If that panics, the session ends: it must not go on
    /// without a frame.
    pub(crate) fn flush(&self, channel: ChannelId) {
        let write = || {
            if unwind::catch(|| self.outbox.flush_channel(channel)).is_err() {
                self.close(EndKind::Internal);
            }
        };
        self.flush_policy(channel).flush(write);
    }

    /// Ends the session. If that panics, the task of the session is aborted, and reports the end by
    /// itself.
    pub(crate) fn close(&self, kind: EndKind) {
        if unwind::catch(|| self.outbox.close(kind)).is_err() {
            self.abort.abort();
        }
    }

    /// Writes what the caller has pushed and [touched](FlushPolicy::record_push), now or soon.
    /// Never waits; no lock may be held.
    pub(crate) fn flush_soon(&self, channel: ChannelId) {
        let policy = self.flush_policy(channel);
        if policy.may_flush_inline() { self.flush(channel) } else { policy.flusher.notify() }
    }

    /// The session is over: nobody writes any more.
    pub(crate) fn over(&self) {
        self.flush_policies.iter().for_each(|policy| policy.flusher.close());
    }
}
