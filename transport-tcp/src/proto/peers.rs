//! The peers of one node.

pub(crate) mod address_book;
pub(crate) mod backoff;
pub mod pairing;
pub mod peer;
