//! Sockets, TLS and addresses. Nothing here depends on Obit's protocol, so another transport can
//! use it.
//!
//! | what | where |
//! |---|---|
//! | a byte stream, plain or through TLS | `stream` |
//! | options of sockets | `socket` |
//! | the protection of connections: none or TLS | `security`, `tls` |
//! | the addresses of a node, and the race between them | `addresses`, `lookup`, `race` |
//! | errors of connecting | `error` |

pub(crate) mod addresses;
pub(crate) mod error;
pub(crate) mod lookup;
pub(crate) mod race;
pub(crate) mod security;
pub(crate) mod socket;
pub(crate) mod stream;
#[cfg(feature = "tls")]
pub(crate) mod tls;
