//! The rules of the transport, without sockets, clocks, locks or tasks: they take bytes, events and
//! the current time, and return bytes, events and deadlines. `io` drives them; a simulation can
//! drive them in virtual time.
//!
//! | what | where |
//! |---|---|
//! | frames on the wire | `wire` |
//! | one connection of a session: queues, fragments, reading, heartbeats | `connection` |
//! | a session of several connections | `channels` |
//! | the handshake | `handshake` |
//! | the peers of a node: which connection becomes the session, when to dial | `peers` |
//! | limits on unauthenticated inbound connections; the pace of accepting after errors | `admission`, `accept_errors` |
//! | the negotiated limits of a session | `limits` |

#![cfg_attr(
    not(feature = "simulation"),
    allow(dead_code, unreachable_pub, reason = "public with that feature only")
)]

pub(crate) mod accept_errors;
pub(crate) mod admission;
pub(crate) mod channels;
pub mod connection;
pub mod handshake;
mod limits;
pub mod peers;
pub(crate) mod wire;
