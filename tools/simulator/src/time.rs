//! Virtual time: what happens next, and what each node's own clock shows.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use monitor_runtime::test_util;

/// Microseconds since the simulation began.
pub type Time = u64;

pub const MS: Time = 1_000;
pub const SECOND: Time = 1_000_000;

/// What will happen, by time; what is due at the same time happens in the order in which it was
/// planned.
pub struct Agenda<E> {
    heap: BinaryHeap<Reverse<(Time, u64, Entry<E>)>>,
    planned: u64,
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Agenda { heap: BinaryHeap::new(), planned: 0 }
    }
}

/// Never compared: no two entries have the same number.
struct Entry<E>(E);

impl<E> PartialEq for Entry<E> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl<E> Eq for Entry<E> {}
impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<E> Ord for Entry<E> {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl<E> Agenda<E> {
    pub fn plan(&mut self, at: Time, event: E) {
        self.planned += 1;
        self.heap.push(Reverse((at, self.planned, Entry(event))));
    }

    pub fn next(&mut self) -> Option<(Time, E)> {
        self.heap.pop().map(|Reverse((at, _, Entry(event)))| (at, event))
    }

    /// How much was ever planned.
    pub const fn planned(&self) -> u64 {
        self.planned
    }
}

/// The clock of one node: it runs fast or slow by that many millionths.
#[derive(Clone, Copy)]
pub struct Clock {
    pub skew: i64,
    zero: Instant,
}

impl Clock {
    pub const fn new(skew: i64, zero: Instant) -> Self {
        Clock { skew, zero }
    }

    /// What it shows, since the simulation began.
    pub fn shows(&self, now: Time) -> Duration {
        Duration::from_micros(now.saturating_add_signed(now as i64 / 1_000_000 * self.skew))
    }

    /// The same as the transport's rules take it: only differences between instants count.
    pub fn instant(&self, now: Time) -> Instant {
        self.zero + self.shows(now)
    }

    /// When it will show at least that.
    pub fn when(&self, shows: Duration, now: Time) -> Time {
        let left = shows.saturating_sub(self.shows(now)).as_micros() as i64;
        // A clock is off by a few per cent at most: whoever comes a little early or late looks
        // again.
        now + (left - left / 1_000_000 * self.skew) as u64 + 1
    }

    pub fn when_instant(&self, at: Instant, now: Time) -> Time {
        self.when(at.saturating_duration_since(self.zero), now)
    }
}

/// The clock of one node, as its runtime reads it.
pub struct NodeClock {
    pub clock: Clock,
    /// The world's time.
    pub now: Arc<AtomicU64>,
}

impl test_util::Clock for NodeClock {
    fn now(&self) -> Duration {
        self.clock.shows(self.now.load(Ordering::Relaxed))
    }

    fn sleep_until(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        unreachable!("no simulated process makes a call, and no simulated node is stopped")
    }
}
