//! Queues of received events, between the node and one receiver.
//!
//! | what | where |
//! |---|---|
//! | the queue of a mailbox, its limits and its gaps | `inbox/queue.rs` |
//! | the growable queue below it | `inbox/chunked_queue.rs` |
//! | the queue of a watcher that is no process | `inbox/watcher_inbox.rs` |
//! | what both queues have in common | `inbox/fired_queue.rs` |
//! | `Down`s that a receiver has taken out of the core ahead of their receipt | `inbox/prefetch.rs` |

pub(crate) mod chunked_queue;
pub(crate) mod fired_queue;
pub(crate) mod prefetch;
pub(crate) mod queue;
pub(crate) mod watcher_inbox;
