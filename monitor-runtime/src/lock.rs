//! The node's lock, and how whoever uses it much gives way to who needs it once.
//!
//! Who works in batches takes the lock again as soon as it has given it back. Another thread then finds it free by luck
//! alone; and where both share a processor, only when the system lets them take turns, which it does every few
//! milliseconds. So those who wait are counted, and between two batches they go first.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use parking_lot::{Mutex, MutexGuard};

/// How often a batch's end yields the processor to those who wait. Each takes less than a microsecond if nobody else wants
/// the processor; and who was asleep and is still waking up is not waited for.
const YIELDS: usize = 4;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Lock<T> {
    value: Mutex<T>,
    waiting: AtomicUsize,
}

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Lock { value: Mutex::new(value), waiting: AtomicUsize::new(0) }
    }

    /// Waits for it if need be.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.value.try_lock().unwrap_or_else(|| {
            // Only ever a hint: nothing follows from it but who goes first.
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let guard = self.value.lock();
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            guard
        })
    }

    /// Between two batches: lets others have it. The caller does not hold it.
    pub(crate) fn give_way(&self) {
        for _ in 0..YIELDS {
            if self.waiting.load(Ordering::Relaxed) == 0 {
                return;
            }
            thread::yield_now();
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_let_in_between_two_batches() {
        let lock = Lock::new(0);
        thread::scope(|scope| {
            let held = lock.lock();
            scope.spawn(|| *lock.lock() += 1);
            while lock.waiting.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
            }
            drop(held);
            while lock.waiting.load(Ordering::Relaxed) > 0 {
                drop(lock.lock());
                lock.give_way();
            }
        });
        assert_eq!(*lock.lock(), 1);
    }
}
