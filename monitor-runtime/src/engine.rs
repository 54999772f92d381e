//! The engine of a node: its state, the lock around it, and everything that happens under that
//! lock.
//!
//! | what | where |
//! |---|---|
//! | the state of a node, and the functions that enter it | `engine/state.rs` |
//! | work that is postponed until the lock is released | `engine/after_unlock.rs` |
//! | execution of the effects of the core | `engine/effects.rs` |
//! | local processes and watchers by number | `engine/directory.rs` |
//! | registered names | `engine/registry.rs` |
//! | registration and exit of processes and watchers | `engine/exits.rs` |
//! | monitors, and the receipt of `Down`s | `engine/monitors.rs` |
//! | failed dials | `engine/dials.rs` |
//! | monitor references that take messages | `engine/aliases.rs` |
//! | addresses of nodes that callers have given | `engine/address_cache.rs` |
//! | messages that wait for a connection | `engine/pending_sends.rs` |
//! | sending messages, and delivering received ones | `engine/messaging.rs` |
//! | the last `Down`s of the node | `engine/history.rs` |
//! | shutdown of a node whose tables a panic left half changed | `engine/failure.rs` |

pub(crate) mod address_cache;
pub(crate) mod after_unlock;
pub(crate) mod aliases;
mod dials;
pub(crate) mod directory;
pub(crate) mod effects;
mod exits;
mod failure;
pub(crate) mod history;
pub(crate) mod messaging;
pub(crate) mod monitors;
pub(crate) mod pending_sends;
pub(crate) mod registry;
pub(crate) mod state;
