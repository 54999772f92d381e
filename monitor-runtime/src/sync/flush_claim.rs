//! Who of all that push something sees to it that it is flushed.

use crate::sync::primitives::{AtomicBool, Ordering};

/// A mark: somebody is about to flush. While it stands nobody else need.
#[derive(Debug)]
pub(crate) struct FlushClaim(AtomicBool);

impl FlushClaim {
    pub(crate) fn new() -> Self {
        FlushClaim(AtomicBool::new(false))
    }

    /// Something was pushed; returns whether the caller is the one who must flush.
    pub(crate) fn acquire(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// Flushes by `write`, which writes whatever was pushed before. What is pushed from here on
    /// needs another flush: the mark is taken away first.
    pub(crate) fn flush(&self, write: impl FnOnce()) {
        self.0.swap(false, Ordering::AcqRel);
        write();
    }
}
