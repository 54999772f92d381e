//! Virtual time: the queue of events, and the clock of each node.

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

/// The scheduled events in the order of their times; events of the same time are in the order in
/// which they were scheduled.
pub struct EventQueue<E> {
    heap: BinaryHeap<Reverse<(Time, u64, ScheduledEvent<E>)>>,
    scheduled: u64,
}

impl<E> Default for EventQueue<E> {
    fn default() -> Self {
        EventQueue { heap: BinaryHeap::new(), scheduled: 0 }
    }
}

/// An event without an order: the numbers before it in the tuple are unique.
struct ScheduledEvent<E>(E);

impl<E> PartialEq for ScheduledEvent<E> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl<E> Eq for ScheduledEvent<E> {}
impl<E> PartialOrd for ScheduledEvent<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<E> Ord for ScheduledEvent<E> {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl<E> EventQueue<E> {
    pub fn schedule(&mut self, at: Time, event: E) {
        self.scheduled += 1;
        self.heap.push(Reverse((at, self.scheduled, ScheduledEvent(event))));
    }

    pub fn next(&mut self) -> Option<(Time, E)> {
        self.heap.pop().map(|Reverse((at, _, ScheduledEvent(event)))| (at, event))
    }

    /// Number of events that were ever scheduled.
    pub const fn scheduled(&self) -> u64 {
        self.scheduled
    }
}

/// The clock of one node. Its rate is off by `skew` millionths.
#[derive(Clone, Copy)]
pub struct Clock {
    pub skew: i64,
    zero: Instant,
}

impl Clock {
    pub const fn new(skew: i64, zero: Instant) -> Self {
        Clock { skew, zero }
    }

    /// The time on this clock since the simulation began.
    pub fn shows(&self, now: Time) -> Duration {
        Duration::from_micros(now.saturating_add_signed(now as i64 / 1_000_000 * self.skew))
    }

    /// The same as an `Instant` for the transport: only differences between instants count.
    pub fn instant(&self, now: Time) -> Instant {
        self.zero + self.shows(now)
    }

    /// The virtual time at which the clock shows at least `shows`.
    pub fn when(&self, shows: Duration, now: Time) -> Time {
        let left = shows.saturating_sub(self.shows(now)).as_micros() as i64;
        // This is an approximation: clocks are off by a few percent at most, and a task that wakes
        // early or late checks the time again.
        now + (left - left / 1_000_000 * self.skew) as u64 + 1
    }

    pub fn when_instant(&self, at: Instant, now: Time) -> Time {
        self.when(at.saturating_duration_since(self.zero), now)
    }
}

/// The clock of one node, as its runtime reads it.
pub struct NodeClock {
    pub clock: Clock,
    /// The virtual time of the world.
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
