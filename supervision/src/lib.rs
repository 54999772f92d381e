//! Supervision of background tasks: Obit keeps its promises when a task is lost.
//!
//! Obit's promises rest on tasks: one reads a session, one dials, one accepts connections. Such a
//! task may panic, its executor may be dropped, and code of the program that it calls may panic or
//! block. This crate has three tools that keep the promises all the same. A task *owes* the work on
//! which other code relies, such as to answer a dial. When the task is lost, code that *settles*
//! this work runs in its place:
//!
//! | module | what | used for |
//! |---|---|---|
//! | [`unwind`] | calls code and returns its panic as a value | wakers, spawners, subscribers, process bodies |
//! | [`task`] | settles what a task owes when it panics or is dropped | every background task of a node |
//! | [`telemetry`] | a bounded queue to one thread per program | `tracing` events and metrics |
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_debug_implementations)]

#[cfg(feature = "faults")]
pub mod faults;
pub mod task;
pub mod telemetry;
pub mod unwind;

pub use task::{Loss, TaskKind, TaskOwner, restarting, supervise};
pub use unwind::{Panic, catch};
