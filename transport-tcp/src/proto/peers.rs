//! The peers of one node.
//!
//! | what | where |
//! |---|---|
//! | all peers of a node, and the calls by which the driver reports events | `table` |
//! | decisions of the table, which its driver carries out | `action` |
//! | one peer: its sessions, demand, and when to dial it | `peer` |
//! | which connection becomes the session | `pairing` |
//! | the delay before the next dial | `backoff` |
//! | the peers that are dialed without a request, and their addresses | `address_book` |

pub mod action;
pub(crate) mod address_book;
pub(crate) mod backoff;
pub mod pairing;
pub mod peer;
pub mod table;
