//! Supervision of background tasks: a task that is lost breaks no promise of Obit.
//!
//! Obit's promises rest on tasks: one reads a session, one dials, one accepts connections. Such a task may panic, its
//! executor may be dropped, and code of the user that it calls may panic or block. This crate has the three tools that
//! keep the promises all the same. In this crate a task *owes* what others rely on it to do, such as to answer a dial; when the
//! task is lost, the code that *settles* this runs in its place:
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
