//! Wakes one task, which sleeps while nobody has rung.

use std::task::{Context, Poll};

use crate::sync::primitives::{AtomicBool, AtomicWaker, Ordering};

/// See the [module](self). Any number may ring; one task listens.
#[derive(Debug)]
pub(crate) struct Notify {
    rung: AtomicBool,
    over: AtomicBool,
    waker: AtomicWaker,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Notify { rung: AtomicBool::new(false), over: AtomicBool::new(false), waker: AtomicWaker::new() }
    }

    /// The task has something to do. Never waits; no lock may be held.
    pub(crate) fn ring(&self) {
        self.rung.swap(true, Ordering::AcqRel);
        self.waker.wake();
    }

    /// The task is over once it has heard what was rung before.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Waits until somebody has rung since it last returned; false if nobody will.
    pub(crate) fn poll_heard(&self, cx: &Context<'_>) -> Poll<bool> {
        // Before the look: who rings after it finds the waker.
        self.waker.register(cx.waker());
        // Before the other look: what was rung before the end is heard.
        let is_over = self.over.load(Ordering::Acquire);
        if self.rung.swap(false, Ordering::AcqRel) {
            Poll::Ready(true)
        } else if is_over {
            Poll::Ready(false)
        } else {
            Poll::Pending
        }
    }
}
