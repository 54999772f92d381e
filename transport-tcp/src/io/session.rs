//! The sessions of a node, as their users see them, and the tasks that keep their connections.

pub(crate) mod channels;
pub(crate) mod connection;
pub(crate) mod driver;
pub(crate) mod outbox;
pub(crate) mod reader;
pub(crate) mod single;
