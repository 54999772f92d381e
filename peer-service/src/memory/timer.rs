//! Timers on the network's clock.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::world::Shared;

/// The sleeping tasks, by the time at which they wake; those of equal times in the order of their
/// calls.
#[derive(Default)]
pub(super) struct Timers {
    sleepers: BTreeMap<Key, Waker>,
    last: u64,
}

type Key = (Duration, u64);

impl Timers {
    fn insert(&mut self, at: Duration, waker: Waker) -> Key {
        self.last += 1;
        self.sleepers.insert((at, self.last), waker);
        (at, self.last)
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.sleepers.first_key_value().map(|((at, _), _)| *at)
    }

    /// Removes the timers that are due, and appends the tasks to wake.
    pub(super) fn expire(&mut self, now: Duration, wakers: &mut Vec<Waker>) {
        while let Some(due) = self.sleepers.first_entry().filter(|first| first.key().0 <= now) {
            wakers.push(due.remove());
        }
    }
}

/// The future of [`Network::sleep_until`](super::Network::sleep_until). Dropping it cancels it.
#[must_use = "a future does nothing unless it is polled"]
pub struct Sleep {
    shared: Arc<Shared>,
    at: Duration,
    key: Option<Key>,
}

impl Sleep {
    pub(super) const fn new(shared: Arc<Shared>, at: Duration) -> Self {
        Sleep { shared, at, key: None }
    }
}

/// Takes no lock, so it can be printed anywhere.
impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (at, key) = (self.at, self.key);
        let shared = self.shared.clone();
        shared.edit(|world| {
            if world.now >= at {
                return Poll::Ready(());
            }
            match key.and_then(|key| world.timers.sleepers.get_mut(&key)) {
                Some(waker) => waker.clone_from(cx.waker()),
                None => self.key = Some(world.timers.insert(at, cx.waker().clone())),
            }
            Poll::Pending
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        // Dropped after the lock is released: a waker may run code of its owner.
        let waker = self.shared.edit(|world| world.timers.sleepers.remove(&key));
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use smol::future::{block_on, poll_once};

    use super::*;
    use crate::memory::Network;

    fn is_over(sleep: &mut Sleep) -> bool {
        block_on(poll_once(sleep)).is_some()
    }

    #[test]
    fn a_sleep_ends_when_the_network_has_reached_its_time() {
        let network = Network::new();
        let mut sleep = network.sleep_until(Duration::from_secs(2));
        network.advance(Duration::from_millis(1_999));
        assert!(!is_over(&mut sleep));
        assert!(!is_over(&mut sleep));
        network.advance(Duration::from_millis(1));
        assert!(is_over(&mut sleep));
        assert!(is_over(&mut network.sleep_until(Duration::ZERO)));
    }

    #[test]
    fn sleepers_wake_in_the_order_of_their_times_and_then_of_their_calls() {
        let (network, executor) = (Network::new(), smol::LocalExecutor::new());
        let woken = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        for (name, seconds) in [("third", 3), ("first", 1), ("fourth", 3), ("second", 2), ("late", 9)] {
            let (sleep, woken) = (network.sleep_until(Duration::from_secs(seconds)), woken.clone());
            executor
                .spawn(async move {
                    sleep.await;
                    woken.borrow_mut().push(name)
                })
                .detach();
        }
        while executor.try_tick() {}
        network.advance(Duration::from_secs(8));
        while executor.try_tick() {}
        assert_eq!(*woken.borrow(), ["first", "second", "third", "fourth"]);
    }

    #[test]
    fn a_dropped_sleep_leaves_nothing() {
        let network = Network::new();
        let mut sleep = network.sleep_until(Duration::from_secs(1));
        assert!(!is_over(&mut sleep));
        drop(sleep);
        assert_eq!(network.shared.look(|world| world.timers.next()), None);
    }
}
