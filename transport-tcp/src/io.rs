//! Drives the rules of [`proto`](crate::proto) over sockets: tasks, timers and locks.

pub(crate) mod channel_join;
pub(crate) mod dialer;
pub(crate) mod discovery;
pub(crate) mod endpoint;
pub(crate) mod failure;
pub(crate) mod handshake_io;
pub(crate) mod listener;
pub(crate) mod session;
pub(crate) mod tasks;
