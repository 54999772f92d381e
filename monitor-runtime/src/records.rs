//! What a node counts and logs.
//!
//! | what | where |
//! |---|---|
//! | counters of drops, refusals and `Down`s | `records/counters.rs` |
//! | every event that this crate logs | `records/log.rs` |
//! | the fields of a logged `Down` | `records/evidence.rs` |

pub(crate) mod counters;
pub(crate) mod evidence;
pub(crate) mod log;
