//! Sockets, TLS and addresses. Nothing here knows the protocol of Obit, so another transport can use it, too.

pub(crate) mod addresses;
pub(crate) mod error;
pub(crate) mod lookup;
pub(crate) mod race;
pub(crate) mod security;
pub(crate) mod socket;
pub(crate) mod stream;
#[cfg(feature = "tls")]
pub(crate) mod tls;
