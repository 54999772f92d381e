//! Drives the rules of [`proto`](crate::proto) over sockets: tasks, timers and locks.
//!
//! | what | where |
//! |---|---|
//! | the table of peers behind a lock; carries out its decisions | `endpoint` |
//! | dialing a peer | `dialer` |
//! | inbound connections | `listener` |
//! | the bytes of handshakes, and further connections of a session | `handshake_io`, `channel_join` |
//! | sessions | `session` |
//! | finding peers in a file and in DNS | `discovery` |
//! | background tasks, and the handling of a lost one | `tasks` |
//! | why a connection did not become a session, and its counter | `failure` |

pub(crate) mod channel_join;
pub(crate) mod dialer;
pub(crate) mod discovery;
pub(crate) mod endpoint;
pub(crate) mod failure;
pub(crate) mod handshake_io;
pub(crate) mod listener;
pub(crate) mod session;
pub(crate) mod tasks;
