//! Queues of received events, between the node and one receiver.
//!
//! | what | where |
//! |---|---|
//! | the queue of a mailbox, with its limits and gaps | `inbox/queue.rs` |
//! | the growable queue below it | `inbox/chunked_queue.rs` |
//! | the queue of a watcher that is not a process | `inbox/watcher_inbox.rs` |
//! | monitors that have fired, each with its time | `inbox/fired_runs.rs` |
//! | the trait that both queues implement | `inbox/fired_queue.rs` |
//! | `Down`s that a receiver has taken out of the core before it receives them | `inbox/prefetch.rs` |

pub(crate) mod chunked_queue;
pub(crate) mod fired_queue;
pub(crate) mod fired_runs;
pub(crate) mod prefetch;
pub(crate) mod queue;
pub(crate) mod watcher_inbox;

#[cfg(test)]
mod tests;
