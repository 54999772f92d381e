//! The gate of a process: open while the process may send, closed before its exit is reported.

use crate::sync::primitives::{AtomicBool, Ordering, RwLock};

/// The gate of one process.
///
/// A sender holds the gate from the check that its process is alive to the end of the push, and
/// never across a flush, a wake-up or an await: each of these may run code that ends the same
/// process, which would deadlock. So once [`Gate::close`] has returned, everything that the process
/// has sent is in its queues, before the `Down`s that follow.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Senders hold it shared. It is a lock and not a counter because an uncontended read costs the
    /// same two atomic operations, and a waiting writer blocks further readers.
    senders: RwLock<()>,
    closed: AtomicBool,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Gate { senders: RwLock::new(()), closed: AtomicBool::new(false) }
    }

    /// Runs `push` while it holds the gate. Returns `None` if the gate is closed.
    pub(crate) fn pass<R>(&self, push: impl FnOnce() -> R) -> Option<R> {
        let _held = self.senders.read();
        if self.is_closed() { None } else { Some(push()) }
    }

    /// Closes the gate for good, and blocks until every push in progress has returned. The caller
    /// must hold no lock.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        drop(self.senders.write());
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}
