//! What concurrent code is made of here.
//!
//! `flush_claim`, `gate`, `notify` and `waker_set` use nothing else that is shared between threads,
//! and nothing else of this crate: so `tests/loom.rs` builds the same files upon loom's locks and
//! atomics, and tries their interleavings.

pub(crate) use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use futures::task::AtomicWaker;
pub(crate) use parking_lot::{Mutex, RwLock};
pub(crate) use supervision::unwind::wake;
