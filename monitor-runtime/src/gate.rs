//! The gate of a process: open while the process may send, closed before its exit is reported.

use crate::sync::{AtomicBool, Ordering, RwLock};

/// See the [module](self).
///
/// A sender holds the gate from the check that its process is alive to the end of the push, and never across a flush, a
/// wake-up or an await: each of these may run code that ends the same process, which would wait for itself. So once
/// [`Gate::close`] has returned, everything that the process has sent is in its queues, in front of the `Down`s that follow.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Held shared by senders. A lock and not a counter: an uncontended read costs the same two atomic operations, and a writer
    /// that waits lets no further reader in.
    senders: RwLock<()>,
    closed: AtomicBool,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Gate { senders: RwLock::new(()), closed: AtomicBool::new(false) }
    }

    /// Runs `push` while the gate is open; `None` if it is closed.
    pub(crate) fn pass<R>(&self, push: impl FnOnce() -> R) -> Option<R> {
        let _held = self.senders.read();
        if self.is_closed() { None } else { Some(push()) }
    }

    /// Closes the gate for good, and waits until every push that has begun is over. No lock may be held.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        drop(self.senders.write());
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}
