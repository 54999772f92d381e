//! Sockets, TLS and addresses. Nothing here knows the protocol of Obit, so another transport can
//! use it, too.
//!
//! | what | where |
//! |---|---|
//! | a connection as bytes in and bytes out, plain or through a layer | `stream` |
//! | options of sockets | `socket` |
//! | protecting connections: not at all, or with TLS | `security`, `tls` |
//! | where a node is, and which address answers first | `addresses`, `lookup`, `race` |
//! | why there is no connection | `error` |

pub(crate) mod addresses;
pub(crate) mod error;
pub(crate) mod lookup;
pub(crate) mod race;
pub(crate) mod security;
pub(crate) mod socket;
pub(crate) mod stream;
#[cfg(feature = "tls")]
pub(crate) mod tls;
