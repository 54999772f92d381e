//! Tasks that wait for something to change.

use std::{
    mem,
    task::{Context, Waker},
};

use crate::sync::primitives::{Mutex, wake};

/// Any number of tasks that are woken together. Register, then look whether to wait, then wait.
#[derive(Debug, Default)]
pub(crate) struct WakerSet(Mutex<Vec<Waker>>);

impl WakerSet {
    /// The task is woken by the next `wake_all`.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        let mut waiting = self.0.lock();
        if !waiting.iter().any(|other| other.will_wake(&waker)) {
            waiting.push(waker);
        }
    }

    /// Wakes all that wait now.
    pub(crate) fn wake_all(&self) {
        // Wakers are somebody else's code: not under the lock.
        let waiting = mem::take(&mut *self.0.lock());
        waiting.into_iter().for_each(wake);
    }
}
