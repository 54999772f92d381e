//! The counters and log events of a node.
//!
//! | what | where |
//! |---|---|
//! | counters of drops, refusals and `Down`s | `records/counters.rs` |
//! | every event that this crate logs | `records/log.rs` |
//! | the fields of a logged `Down` | `records/down_log.rs` |

pub(crate) mod counters;
pub(crate) mod down_log;
pub(crate) mod log;
