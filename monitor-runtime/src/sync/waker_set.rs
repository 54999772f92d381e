//! The wakers of tasks that wait for a change.

use std::{
    mem,
    task::{Context, Waker},
};

use crate::sync::primitives::{Mutex, wake};

/// Any number of tasks that are woken together. A task registers first, then checks its condition,
/// then waits.
#[derive(Debug, Default)]
pub(crate) struct WakerSet(Mutex<Vec<Waker>>);

impl WakerSet {
    /// Registers the task, which the next `wake_all` wakes.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        let mut wakers = self.0.lock();
        if !wakers.iter().any(|other| other.will_wake(&waker)) {
            wakers.push(waker);
        }
    }

    /// Wakes all registered tasks.
    pub(crate) fn wake_all(&self) {
        // Wakers are code of the program, so the lock is released first.
        let wakers = mem::take(&mut *self.0.lock());
        wakers.into_iter().for_each(wake);
    }
}
