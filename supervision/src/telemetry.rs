//! Events on their way to the program's subscriber and recorder.
//!
//! A `tracing` subscriber and a `metrics` recorder are code of the user. They may block, as in the write to a terminal that
//! was stopped by Ctrl-S, or panic, as in the write to a pipe whose reader is gone. So no task of a node calls them. A task
//! puts a closure that does into a bounded queue, and one thread per program runs the closures in order. If the queue is
//! full, the event is dropped and counted.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, channel, sync_channel},
    },
    thread,
    time::Duration,
};

use tracing::{Dispatch, Level, dispatcher, level_filters::LevelFilter};

use crate::unwind;

/// Maximum number of events that wait.
const CAPACITY: usize = 4096;

static SENDER: OnceLock<Option<SyncSender<Event>>> = OnceLock::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);

struct Event {
    /// The subscriber that was current where the event happened.
    subscriber: Dispatch,
    tell: Box<dyn FnOnce() + Send>,
}

/// Whether any subscriber takes events of that level. Reads one atomic; calls no code of the user.
#[inline]
pub fn is_enabled(level: Level) -> bool {
    level <= LevelFilter::current()
}

/// Queues `tell` for the telemetry thread, which calls it with the caller's current subscriber. Never blocks.
///
/// Events of one thread are told in their order. A panic of `tell` is caught and counted in [`dropped`].
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

/// [`event`] for what has no level, such as the figures for a metrics recorder.
pub fn send(tell: impl FnOnce() + Send + 'static) {
    let event = Event { subscriber: dispatcher::get_default(Dispatch::clone), tell: Box::new(tell) };
    let sent = SENDER.get_or_init(start).as_ref().map(|sender| sender.try_send(event));
    if !matches!(sent, Some(Ok(()))) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits until all events so far have been told, but at most for that long. Returns whether they have.
///
/// A program that ends by `std::process::exit`, or from `main`, loses the events that wait.
pub fn flush(timeout: Duration) -> bool {
    if SENDER.get().is_none() {
        return true;
    }
    let (done, is_done) = channel();
    send(move || {
        // The send fails if the caller has timed out.
        let _ = done.send(());
    });
    is_done.recv_timeout(timeout).is_ok()
}

/// Number of events that were lost: the queue was full, the subscriber panicked, or the thread could not be started.
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Starts the thread; `None` if the system does not allow another one.
fn start() -> Option<SyncSender<Event>> {
    let (sender, events) = sync_channel(CAPACITY);
    let thread = thread::Builder::new().name("obit-telemetry".to_owned());
    thread.spawn(move || tell_all(&events)).ok().map(|_| sender)
}

fn tell_all(events: &Receiver<Event>) {
    for Event { subscriber, tell } in events {
        if unwind::catch(|| dispatcher::with_default(&subscriber, tell)).is_err() {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        // The last handle of a subscriber is dropped here; its destructor is code of the user as well.
        let _ = unwind::catch(|| drop(subscriber));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn events_are_told_in_order_and_survive_a_panic_and_a_full_queue() {
        let (told, heard) = channel();
        for number in 0..3 {
            let told = told.clone();
            send(move || told.send(number).expect("the test listens"));
        }
        assert_eq!([heard.recv(), heard.recv(), heard.recv()], [Ok(0), Ok(1), Ok(2)]);

        send(|| panic!("a subscriber that panics"));
        let after = told.clone();
        send(move || after.send(3).expect("the test listens"));
        assert_eq!(heard.recv(), Ok(3));
        assert_eq!(dropped(), 1);

        // A subscriber that blocks: senders go on, and what does not fit is counted.
        let (unblock, blocked) = channel::<()>();
        send(move || {
            let _ = blocked.recv();
        });
        for _ in 0..CAPACITY + 10 {
            send(|| {});
        }
        assert!(dropped() >= 10);
        drop(unblock);
        let (last, heard) = channel();
        while heard.try_recv().is_err() {
            let last = last.clone();
            send(move || last.send(()).expect("the test listens"));
            thread::yield_now();
        }
    }
}
