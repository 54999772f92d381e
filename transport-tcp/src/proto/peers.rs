//! The peers of one node.
//!
//! | what | where |
//! |---|---|
//! | all peers of a node, and the calls that its driver makes | `table` |
//! | what the table has decided, for its driver to carry out | `action` |
//! | one peer: its sessions, demand, and when to dial it | `peer` |
//! | which connection becomes the session | `pairing` |
//! | how long to wait before the next dial | `backoff` |
//! | which peers to dial without being asked, and where | `address_book` |

pub mod action;
pub(crate) mod address_book;
pub(crate) mod backoff;
pub mod pairing;
pub mod peer;
pub mod table;
