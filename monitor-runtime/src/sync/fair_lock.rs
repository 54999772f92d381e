//! The lock of the node. A caller that works in batches yields it to other callers between two
//! batches.
//!
//! A caller that works in batches acquires the lock again as soon as it has released it. Another
//! thread then finds the lock free only by chance. If both threads share a processor, that is only
//! when the system switches between them, every few milliseconds. So the lock counts its waiters,
//! and they go first between two batches.
//!
//! A batch takes about ten microseconds. Parking and unparking a thread takes longer, and the
//! holder of the lock pays for the unpark. So a waiter retries a few times before it parks, if a
//! batch holds the lock. It pauses between two attempts, because each attempt takes the cache line
//! of the lock away from the processor that works under it. A waiter for a single call parks at
//! once: threads that call continuously would otherwise spin in turns, and their processors are
//! needed for the work that the calls cause.
//!
//! The fair unlock of `parking_lot` at the end of each batch was measured as an alternative. It
//! hands the lock to a waiter each time, so every batch of a flood costs a park and an unpark: W4a
//! took three times as long (32.7 ms against 10.8 ms for 100,000 `Down`s), W4b 7 % longer, and the
//! other rows were equal.

use std::{
    hint,
    ops::{Deref, DerefMut},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use parking_lot::{Mutex, MutexGuard};

/// Maximum number of attempts of a waiter before it parks.
const ATTEMPTS: usize = 20;

/// Length of the pause before each attempt, in spin-loop hints: about a microsecond on most
/// processors.
const PAUSE: usize = 40;

/// Maximum number of yields to waiters after a batch. A yield takes a few microseconds if no other
/// thread needs the processor. The limit also means that the batch does not wait for a thread that
/// is still waking up.
const YIELDS: usize = 4;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct FairLock<T> {
    value: Mutex<T>,
    waiting: AtomicUsize,
    /// True while a batch holds the lock. Like `waiting` only a hint.
    batch: AtomicBool,
    /// Number of attempts before a waiter parks. Zero on a single processor, where no other thread
    /// can release the lock meanwhile.
    attempts: usize,
}

impl<T> FairLock<T> {
    pub(crate) fn new(value: T) -> Self {
        let single_processor = thread::available_parallelism().is_ok_and(|processors| processors.get() == 1);
        FairLock {
            value: Mutex::new(value),
            waiting: AtomicUsize::new(0),
            batch: AtomicBool::new(false),
            attempts: if single_processor { 0 } else { ATTEMPTS },
        }
    }

    /// Acquires the lock; blocks while another thread holds it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.value.try_lock().unwrap_or_else(|| {
            // Only a hint: it decides which thread goes first, and nothing else.
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let guard = self.retry().unwrap_or_else(|| self.value.lock());
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            guard
        })
    }

    /// Acquires the lock for a batch of inputs.
    pub(crate) fn lock_for_batch(&self) -> BatchGuard<'_, T> {
        let guard = self.lock();
        self.batch.store(true, Ordering::Relaxed);
        BatchGuard { guard, batch: &self.batch }
    }

    /// Retries while a batch holds the lock.
    fn retry(&self) -> Option<MutexGuard<'_, T>> {
        for _ in 0..self.attempts {
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

    /// Lets waiters acquire the lock between two batches. The caller does not hold the lock.
    pub(crate) fn yield_to_waiters(&self) {
        for _ in 0..YIELDS {
            if !self.has_waiters() {
                return;
            }
            // A waiter that is awake has acquired the lock by then.
            pause(2);
            if self.has_waiters() {
                thread::yield_now();
            }
        }
    }

    fn has_waiters(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

/// The lock, held for a batch.
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
    fn a_waiter_acquires_the_lock_between_two_batches() {
        let lock = FairLock::new(0);
        thread::scope(|scope| {
            let held = lock.lock_for_batch();
            scope.spawn(|| *lock.lock() += 1);
            while !lock.has_waiters() {
                thread::yield_now();
            }
            drop(held);
            while lock.has_waiters() {
                drop(lock.lock_for_batch());
                lock.yield_to_waiters();
            }
        });
        assert_eq!(*lock.lock(), 1);
    }
}
