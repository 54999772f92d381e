//! The node's end of a session.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures::{future::AbortHandle, task::AtomicWaker};
use peer_service::{Outbox, PeerInfo};

/// What everybody needs of a session; its frames are read by one task, which alone reports its end.
pub(crate) struct Link {
    pub(crate) peer: PeerInfo,
    pub(crate) outbox: Arc<dyn Outbox>,
    /// The session's task, which waits to be admitted.
    pub(crate) waker: AtomicWaker,
    /// Ends the session's task without waiting for the peer.
    pub(crate) abort: AbortHandle,
    admitted: AtomicBool,
    /// Somebody is about to flush.
    touched: AtomicBool,
}

impl Link {
    pub(crate) fn new(peer: PeerInfo, outbox: Arc<dyn Outbox>, abort: AbortHandle) -> Self {
        Link {
            peer,
            outbox,
            waker: AtomicWaker::new(),
            abort,
            admitted: AtomicBool::new(false),
            touched: AtomicBool::new(false),
        }
    }

    /// Everything before this session has been told: its frames may be delivered.
    pub(crate) fn admit(&self) {
        self.admitted.store(true, Ordering::Release);
    }

    pub(crate) fn is_admitted(&self) -> bool {
        self.admitted.load(Ordering::Acquire)
    }

    /// Something was pushed; returns whether the caller is the one who must flush.
    pub(crate) fn touch(&self) -> bool {
        !self.touched.swap(true, Ordering::AcqRel)
    }

    /// Flushes. What is pushed from here on needs another flush: the mark is taken away first.
    pub(crate) fn flush(&self) {
        self.touched.swap(false, Ordering::AcqRel);
        self.outbox.flush();
    }
}
