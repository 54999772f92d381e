//! The environment of a node: its threads, its clock and its random numbers.
//!
//! | what | where |
//! |---|---|
//! | the threads of a node, and the maximum number of blocked ones | `threads/executor.rs` |
//! | detection of processes that block their thread | `threads/watchdog.rs` |
//! | the executors, clock and threads of one node | `threads/runner.rs` |
//! | the clock and the random numbers, which a simulation replaces | `threads/environment.rs` |

pub(crate) mod environment;
pub(crate) mod executor;
pub(crate) mod runner;
pub(crate) mod watchdog;
