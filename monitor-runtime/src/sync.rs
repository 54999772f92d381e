//! Synchronization: locks, wakers and flags that do not depend on the node.
//!
//! | what | where |
//! |---|---|
//! | the lock of a node, which batches yield to other callers | `sync/fair_lock.rs` |
//! | a notification that wakes one task | `sync/notify.rs` |
//! | a set of wakers, all woken together | `sync/waker_set.rs` |
//! | elects one of several concurrent senders to flush | `sync/flush_claim.rs` |
//! | closes a process for sending before its exit is reported | `sync/gate.rs` |
//! | the types that these files share, which a test with loom replaces | `sync/primitives.rs` |

pub(crate) mod fair_lock;
pub(crate) mod flush_claim;
pub(crate) mod gate;
pub(crate) mod notify;
pub(crate) mod primitives;
pub(crate) mod waker_set;
