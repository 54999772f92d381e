//! Elects one of several concurrent senders to flush.

use crate::sync::primitives::{AtomicBool, Ordering};

/// A flag that is set while a sender is about to flush. Until it is cleared, no other sender needs
/// to flush.
#[derive(Debug)]
pub(crate) struct FlushClaim(AtomicBool);

impl FlushClaim {
    pub(crate) fn new() -> Self {
        FlushClaim(AtomicBool::new(false))
    }

    /// Called after a push. Returns true if the caller must flush.
    pub(crate) fn acquire(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// Flushes by `write`, which writes every frame that was pushed before. Clears the flag first,
    /// so that later frames need another flush.
    pub(crate) fn flush(&self, write: impl FnOnce()) {
        self.0.swap(false, Ordering::AcqRel);
        write();
    }
}
