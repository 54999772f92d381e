//! Things that are handed to a task, which sleeps while there are none.

use std::{
    mem,
    task::{Context, Poll},
};

use crate::sync::{AtomicWaker, Mutex};

/// See the [module](self). Any number may give; one task takes.
#[derive(Debug)]
pub(crate) struct Handover<T> {
    given: Mutex<Vec<T>>,
    waker: AtomicWaker,
}

impl<T> Default for Handover<T> {
    fn default() -> Self {
        Handover { given: Mutex::new(Vec::new()), waker: AtomicWaker::new() }
    }
}

impl<T> Handover<T> {
    /// Hands it to the task. Never waits; no lock may be held.
    pub(crate) fn give(&self, thing: T) {
        self.given.lock().push(thing);
        self.waker.wake();
    }

    /// The task is to look whether it is over.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Puts what was given into `taken`, which is empty. Waits while that is nothing, unless all is over.
    pub(crate) fn poll_take(
        &self,
        cx: &Context<'_>,
        taken: &mut Vec<T>,
        is_over: impl FnOnce() -> bool,
    ) -> Poll<()> {
        // Before the look: who gives something after it finds the waker.
        self.waker.register(cx.waker());
        mem::swap(taken, &mut *self.given.lock());
        if taken.is_empty() && !is_over() { Poll::Pending } else { Poll::Ready(()) }
    }
}
