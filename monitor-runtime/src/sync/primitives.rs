//! The types that the concurrent code of this folder shares.
//!
//! `flush_claim`, `gate`, `notify` and `waker_set` use no other shared type and no other part of
//! this crate. So `tests/loom.rs` builds the same files with loom's locks and atomics, and tries
//! their interleavings.

pub(crate) use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use futures::task::AtomicWaker;
pub(crate) use parking_lot::{Mutex, RwLock};
pub(crate) use supervision::unwind::wake;
