//! Every reason, boolean and count that a caller gets, on each path on which it is produced, and the test that holds it.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;

mod after_the_end;
mod closing;
mod ends;
mod stopped;
