//! Wakes one task, which sleeps while nobody has notified.

use std::task::{Context, Poll};

use crate::sync::primitives::{AtomicBool, AtomicWaker, Ordering};

/// See the [module](self). Any number may ring; one task listens.
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

    /// The task has something to do. Never waits; no lock may be held.
    pub(crate) fn notify(&self) {
        self.notified.swap(true, Ordering::AcqRel);
        self.waker.wake();
    }

    /// The task is over once it has heard what was rung before.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Waits until somebody has rung since it last returned; false if nobody will.
    pub(crate) fn poll_notified(&self, cx: &Context<'_>) -> Poll<bool> {
        // Before the look: who rings after it finds the waker.
        self.waker.register(cx.waker());
        // Before the other look: what was rung before the end is heard.
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
