//! The sending side of a session with another node.
//!
//! | what | where |
//! |---|---|
//! | the handle that every sender uses | `session/handle.rs` |
//! | when a channel is flushed, and by which task | `session/flush_policy.rs` |
//! | the task that flushes for fast senders | `session/flusher.rs` |
//! | sessions by node name, which senders find without the lock of the node | `session/routes.rs` |
//! | the frame of a message | `session/message_frame.rs` |

pub(crate) mod flush_policy;
pub(crate) mod flusher;
pub(crate) mod handle;
pub(crate) mod message_frame;
pub(crate) mod routes;
