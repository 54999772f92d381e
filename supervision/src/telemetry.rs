//! A queue for events on their way to the program's subscriber and recorder.
//!
//! A `tracing` subscriber and a `metrics` recorder are code of the program. They may block, as in a
//! write to a terminal that was stopped by Ctrl-S, or panic, as in a write to a pipe whose reader
//! is gone. So no task of a node calls them. A task puts a closure that calls them into a bounded
//! queue, and one thread per program runs the closures in order. If the queue is full, the event is
//! dropped and counted.
//!
//! The first event starts the thread. If the system refuses the thread, that event is dropped and
//! counted, and an event that comes at least one second later tries again.

use std::{
    io,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, channel, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use tracing::{Dispatch, Level, dispatcher, level_filters::LevelFilter};

use crate::unwind;

/// Maximum number of queued events.
const CAPACITY: usize = 4096;

/// Minimum time between two attempts to start the thread.
const RETRY_AFTER: Duration = Duration::from_secs(1);

static QUEUE: Queue = Queue::new();

struct Event {
    /// The subscriber that was current where the event happened.
    subscriber: Dispatch,
    tell: Box<dyn FnOnce() + Send>,
}

/// Whether any subscriber takes events of that level. Reads one atomic; calls no code of the
/// program.
#[inline]
pub fn is_enabled(level: Level) -> bool {
    level <= LevelFilter::current()
}

/// Queues `tell` for the telemetry thread, which calls it with the caller's current subscriber.
/// Never waits for the subscriber.
///
/// The events of one thread keep their order. A panic of `tell` is caught and counted in
/// [`dropped`].
///
/// ```
/// use tracing::Level;
///
/// let peer = String::from("b@10.0.0.8:7001");
/// supervision::telemetry::event(Level::WARN, move || tracing::warn!(%peer, "the dial failed"));
/// ```
pub fn event(level: Level, tell: impl FnOnce() + Send + 'static) {
    if is_enabled(level) {
        send(tell);
    }
}

/// Like [`event`], for closures that have no level, such as the figures for a metrics recorder.
pub fn send(tell: impl FnOnce() + Send + 'static) {
    QUEUE.push(Box::new(tell), Instant::now, start_thread);
}

/// Blocks until every event that is queued now has been handled, or until the timeout. Returns
/// false if it timed out, or if the queue is full.
///
/// A program that ends by `std::process::exit`, or by a return from `main`, loses the queued
/// events.
pub fn flush(timeout: Duration) -> bool {
    if QUEUE.sender.get().is_none() {
        return true;
    }
    let (done, is_done) = channel();
    send(move || {
        // The send fails if the caller has timed out.
        let _ = done.send(());
    });
    is_done.recv_timeout(timeout).is_ok()
}

/// Number of events that were lost: the queue was full, the subscriber panicked, or the thread
/// could not be started.
pub fn dropped() -> u64 {
    QUEUE.dropped.load(Ordering::Relaxed)
}

/// The queue and its thread.
struct Queue {
    /// Set once the thread runs.
    sender: OnceLock<SyncSender<Event>>,
    /// Earliest time of the next attempt to start the thread. `None` before the first one.
    retry_at: Mutex<Option<Instant>>,
    dropped: AtomicU64,
}

impl Queue {
    const fn new() -> Self {
        Queue { sender: OnceLock::new(), retry_at: Mutex::new(None), dropped: AtomicU64::new(0) }
    }

    /// Queues an event. Calls `start` with the other end of the queue if the thread has to be
    /// started, and `now` only for that.
    fn push(
        &'static self,
        tell: Box<dyn FnOnce() + Send>,
        now: impl FnOnce() -> Instant,
        start: impl FnOnce(&'static Self, Receiver<Event>) -> io::Result<()>,
    ) {
        let event = Event { subscriber: dispatcher::get_default(Dispatch::clone), tell };
        let sender = self.sender.get().or_else(|| self.start(now, start));
        if sender.is_none_or(|sender| sender.try_send(event).is_err()) {
            self.count_dropped();
        }
    }

    /// Starts the thread. Returns `None` if the system refuses it, now or less than [`RETRY_AFTER`]
    /// ago.
    #[cold]
    fn start(
        &'static self,
        now: impl FnOnce() -> Instant,
        start: impl FnOnce(&'static Self, Receiver<Event>) -> io::Result<()>,
    ) -> Option<&'static SyncSender<Event>> {
        let mut retry_at = self.retry_at.lock().unwrap_or_else(PoisonError::into_inner);
        // Another caller may have started the thread while this one waited for the lock.
        if let Some(sender) = self.sender.get() {
            return Some(sender);
        }
        let now = now();
        if retry_at.is_some_and(|at| now < at) {
            return None;
        }
        *retry_at = Some(now + RETRY_AFTER);
        let (sender, events) = sync_channel(CAPACITY);
        start(self, events).ok()?;
        Some(self.sender.get_or_init(|| sender))
    }

    fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// Starts the thread of a queue.
fn start_thread(queue: &'static Queue, events: Receiver<Event>) -> io::Result<()> {
    let thread = thread::Builder::new().name("obit-telemetry".to_owned());
    thread.spawn(move || handle_all(queue, &events)).map(drop)
}

fn handle_all(queue: &Queue, events: &Receiver<Event>) {
    for Event { subscriber, tell } in events {
        if unwind::catch(|| dispatcher::with_default(&subscriber, tell)).is_err() {
            queue.count_dropped();
        }
        // This may drop the last handle of a subscriber, and its destructor is code of the program
        // as well.
        let _ = unwind::catch(|| drop(subscriber));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn events_keep_their_order_and_survive_a_panic_and_a_full_queue() {
        let (handled, results) = channel();
        for number in 0..3 {
            let handled = handled.clone();
            send(move || handled.send(number).expect("the test holds the receiver"));
        }
        assert_eq!([results.recv(), results.recv(), results.recv()], [Ok(0), Ok(1), Ok(2)]);

        send(|| panic!("a subscriber that panics"));
        let after = handled.clone();
        send(move || after.send(3).expect("the test holds the receiver"));
        assert_eq!(results.recv(), Ok(3));
        assert_eq!(dropped(), 1);

        // A subscriber that blocks: senders continue, and events that exceed the queue are counted.
        let (unblock, blocked) = channel::<()>();
        send(move || {
            let _ = blocked.recv();
        });
        for _ in 0..CAPACITY + 10 {
            send(|| {});
        }
        assert!(dropped() >= 10);
        drop(unblock);
        let (last, results) = channel();
        while results.try_recv().is_err() {
            let last = last.clone();
            send(move || last.send(()).expect("the test holds the receiver"));
            thread::yield_now();
        }
    }

    #[test]
    fn a_thread_that_the_system_refused_is_tried_again_once_a_second() {
        let queue: &'static Queue = Box::leak(Box::new(Queue::new()));
        let begin = Instant::now();
        let refuse = |_: &'static Queue, _| Err(io::ErrorKind::WouldBlock.into());
        let never = |_: &'static Queue, _| panic!("an attempt that nothing allows");
        let dropped = || queue.dropped.load(Ordering::Relaxed);

        queue.push(Box::new(|| {}), || begin, refuse);
        assert_eq!(dropped(), 1, "the system refused the thread");
        queue.push(Box::new(|| {}), || begin + RETRY_AFTER - Duration::from_nanos(1), never);
        assert_eq!(dropped(), 2, "it is too early for another attempt");
        queue.push(Box::new(|| {}), || begin + RETRY_AFTER, refuse);
        queue.push(Box::new(|| {}), || begin + RETRY_AFTER, never);
        assert_eq!(dropped(), 4, "a second attempt failed, and delays the third");

        let (handled, results) = channel();
        for number in 0..2 {
            let handled = handled.clone();
            let tell = Box::new(move || handled.send(number).expect("the test holds the receiver"));
            match number {
                0 => queue.push(tell, || begin + 2 * RETRY_AFTER, start_thread),
                _ => queue.push(tell, || panic!("no clock is needed"), never),
            }
        }
        assert_eq!([results.recv(), results.recv()], [Ok(0), Ok(1)]);
        assert_eq!(dropped(), 4);
    }
}
