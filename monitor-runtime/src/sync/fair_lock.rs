//! The node's lock, and how whoever uses it much gives way to who needs it once.
//!
//! Who works in batches takes the lock again as soon as it has given it back. Another thread then
//! finds it free by luck alone; and where both share a processor, only when the system lets them
//! take turns, which it does every few milliseconds. So those who wait are counted, and between two
//! batches they go first.
//!
//! A batch takes some ten microseconds, to fall asleep and be woken again takes longer, and whoever
//! holds the lock pays for the wake. So who waits for a batch looks again now and then before it
//! sleeps; not all the time, for each look takes the lock's memory away from the processor that
//! works under it. Who waits for a single call does not: threads that call all the time would take
//! turns at waiting, and the processors are wanted for what the calls have the node do.
//!
//! The fair unlock of `parking_lot` at the end of each batch was tried instead. It hands the lock
//! to a waiter each time, so every batch of a flood costs a park and a wake: W4a took three times
//! as long (32.7 ms against 10.8 ms for 100,000 `Down`s), W4b 7 % longer, and the other rows were
//! equal.

use std::{
    hint,
    ops::{Deref, DerefMut},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use parking_lot::{Mutex, MutexGuard};

/// How often who waits looks again before it sleeps.
const LOOKS: usize = 20;

/// How long it pauses before each look, in the processor's own pauses: on most about a microsecond.
const PAUSE: usize = 40;

/// How often a batch's end yields the processor to those who wait. Each takes a few microseconds if
/// nobody else wants the processor; and who was asleep and is still waking up is not waited for.
const YIELDS: usize = 4;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct FairLock<T> {
    value: Mutex<T>,
    waiting: AtomicUsize,
    /// Whoever holds it does more than one thing. Like `waiting` only ever a hint.
    batch: AtomicBool,
    /// How often who waits looks again: not at all where nobody else can be at work meanwhile.
    looks: usize,
}

impl<T> FairLock<T> {
    pub(crate) fn new(value: T) -> Self {
        let alone = thread::available_parallelism().is_ok_and(|processors| processors.get() == 1);
        FairLock {
            value: Mutex::new(value),
            waiting: AtomicUsize::new(0),
            batch: AtomicBool::new(false),
            looks: if alone { 0 } else { LOOKS },
        }
    }

    /// Waits for it if need be.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.value.try_lock().unwrap_or_else(|| {
            // Only ever a hint: nothing follows from it but who goes first.
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let guard = self.look_again().unwrap_or_else(|| self.value.lock());
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            guard
        })
    }

    /// The same for who does more than one thing under it.
    pub(crate) fn lock_for_batch(&self) -> BatchGuard<'_, T> {
        let guard = self.lock();
        self.batch.store(true, Ordering::Relaxed);
        BatchGuard { guard, batch: &self.batch }
    }

    /// While there is a batch under way.
    fn look_again(&self) -> Option<MutexGuard<'_, T>> {
        for _ in 0..self.looks {
            if !self.batch.load(Ordering::Relaxed) {
                break;
            }
            pause(1);
            if let Some(guard) = self.value.try_lock() {
                return Some(guard);
            }
        }
        None
    }

    /// Between two batches: lets others have it. The caller does not hold it.
    pub(crate) fn yield_to_waiters(&self) {
        for _ in 0..YIELDS {
            if !self.is_waited_for() {
                return;
            }
            // Who is awake has it by then.
            pause(2);
            if self.is_waited_for() {
                thread::yield_now();
            }
        }
    }

    fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

/// The lock, held by who does more than one thing.
pub(crate) struct BatchGuard<'a, T> {
    guard: MutexGuard<'a, T>,
    batch: &'a AtomicBool,
}

impl<T> Deref for BatchGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for BatchGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T> Drop for BatchGuard<'_, T> {
    fn drop(&mut self) {
        self.batch.store(false, Ordering::Relaxed);
    }
}

fn pause(times: usize) {
    (0..times * PAUSE).for_each(|_| hint::spin_loop());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_let_in_between_two_batches() {
        let lock = FairLock::new(0);
        thread::scope(|scope| {
            let held = lock.lock_for_batch();
            scope.spawn(|| *lock.lock() += 1);
            while !lock.is_waited_for() {
                thread::yield_now();
            }
            drop(held);
            while lock.is_waited_for() {
                drop(lock.lock_for_batch());
                lock.yield_to_waiters();
            }
        });
        assert_eq!(*lock.lock(), 1);
    }
}
