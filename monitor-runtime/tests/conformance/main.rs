//! The cases of `docs/CONFORMANCE.md`: each is an `async fn` that bears its id, and is played at
//! every place that the table at the head of its chapter names. `cargo test -p monitor-runtime
//! --test conformance p01` plays one of them.
//!
//! Cases that are about bytes before any session are in `transport-tcp/tests/hostile.rs`, some
//! races are on the core alone.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "tests")]

#[macro_use]
mod fixture;
mod wire;

#[path = "../common/mod.rs"]
mod common;

mod aliases;
mod calls;
mod demonitor;
mod faults;
mod hostile;
mod misuse;
mod monitor_node;
mod monitor_nodes;
mod names;
mod options;
mod ordering;
mod processes;
mod races;
