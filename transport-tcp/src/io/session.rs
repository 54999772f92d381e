//! The sessions of a node, as their users see them, and the tasks that drive their connections.
//!
//! | what | where |
//! |---|---|
//! | a session of one connection, or of several | `single`, `channels` |
//! | the shared state of one connection | `connection` |
//! | pushing and flushing | `outbox` |
//! | reading | `reader` |
//! | the task of a connection | `driver` |
//! | reports of ends and probes | `owner` |

pub(crate) mod channels;
pub(crate) mod connection;
pub(crate) mod driver;
pub(crate) mod outbox;
pub(crate) mod owner;
pub(crate) mod reader;
pub(crate) mod single;
