//! The cases of `docs/CONFORMANCE.md`: each is an `async fn` whose name begins with its id, and
//! runs on every fixture that the table at the head of its chapter names. `cargo test -p
//! monitor-runtime --test conformance p01` runs one of them. Cases about bytes before any session
//! are in `transport-tcp/tests/hostile.rs`; some races run on the core alone.
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
