//! A notification that wakes one task.

use std::task::{Context, Poll};

use crate::sync::primitives::{AtomicBool, AtomicWaker, Ordering};

/// See the [module](self). Any number of threads may notify; one task waits.
#[derive(Debug)]
pub(crate) struct Notify {
    notified: AtomicBool,
    closed: AtomicBool,
    waker: AtomicWaker,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Notify { notified: AtomicBool::new(false), closed: AtomicBool::new(false), waker: AtomicWaker::new() }
    }

    /// Notifies the task. Never blocks. The caller must hold no lock.
    pub(crate) fn notify(&self) {
        self.notified.swap(true, Ordering::AcqRel);
        self.waker.wake();
    }

    /// Ends the task after it has received the earlier notifications.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Returns true if there was a notification since the last return, and false once the
    /// notification is closed.
    pub(crate) fn poll_notified(&self, cx: &Context<'_>) -> Poll<bool> {
        // Registered before the flag is read, so that a later notification wakes this task.
        self.waker.register(cx.waker());
        // Read before the flag, so that a notification before the close is not lost.
        let is_closed = self.closed.load(Ordering::Acquire);
        if self.notified.swap(false, Ordering::AcqRel) {
            Poll::Ready(true)
        } else if is_closed {
            Poll::Ready(false)
        } else {
            Poll::Pending
        }
    }
}
