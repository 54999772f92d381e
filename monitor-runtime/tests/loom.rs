//! Concurrent data structures without one lock around them, in many interleavings: files of this
//! crate, built upon loom's locks and atomics. A lost wake-up is a deadlock, which loom finds.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{future::poll_fn, sync::Arc, task::Poll};

use loom::{future::block_on, model::Builder, thread};

#[path = "../src/sync/flush_claim.rs"]
mod flush_claim;
#[path = "../src/sync/gate.rs"]
mod gate;
#[path = "../src/sync/notify.rs"]
mod notify;
#[path = "../src/sync/waker_set.rs"]
mod waker_set;

/// Replaces `src/sync/primitives.rs`.
mod sync {
    pub(crate) mod primitives {
        use std::task::Waker;

        pub(crate) use supervision::unwind::wake;

        pub(crate) use loom::sync::{
            MutexGuard, RwLockReadGuard, RwLockWriteGuard,
            atomic::{AtomicBool, Ordering},
        };

        /// Ignores poisoning.
        #[derive(Debug, Default)]
        pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

        impl<T> Mutex<T> {
            pub(crate) fn new(value: T) -> Self {
                Mutex(loom::sync::Mutex::new(value))
            }

            pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
                self.0.lock().unwrap()
            }
        }

        /// Ignores poisoning.
        #[derive(Debug)]
        pub(crate) struct RwLock<T>(loom::sync::RwLock<T>);

        impl<T> RwLock<T> {
            pub(crate) fn new(value: T) -> Self {
                RwLock(loom::sync::RwLock::new(value))
            }

            pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
                self.0.read().unwrap()
            }

            pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
                self.0.write().unwrap()
            }
        }

        #[derive(Debug)]
        pub(crate) struct AtomicWaker(loom::future::AtomicWaker);

        impl AtomicWaker {
            pub(crate) fn new() -> Self {
                AtomicWaker(loom::future::AtomicWaker::new())
            }

            pub(crate) fn register(&self, waker: &Waker) {
                self.0.register_by_ref(waker);
            }

            pub(crate) fn wake(&self) {
                self.0.wake();
            }
        }
    }
}

use flush_claim::FlushClaim;
use gate::Gate;
use notify::Notify;
use sync::primitives::{AtomicBool, Mutex, Ordering};
use waker_set::WakerSet;

/// Tries every interleaving with at most two preemptions: a lost wake-up needs one or two.
fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(run);
}

/// A lane, as far as flushing is concerned.
struct Lane {
    claim: FlushClaim,
    flusher: Notify,
    /// The number of items pushed but not written, and the number of items written.
    outbox: Mutex<(u32, u32)>,
}

impl Lane {
    fn new() -> Self {
        Lane { claim: FlushClaim::new(), flusher: Notify::new(), outbox: Mutex::new((0, 0)) }
    }

    /// Returns whether the caller must flush.
    fn push(&self) -> bool {
        self.outbox.lock().0 += 1;
        self.claim.acquire()
    }

    fn flush(&self) {
        self.claim.flush(|| {
            let mut outbox = self.outbox.lock();
            outbox.1 += std::mem::take(&mut outbox.0);
        });
    }

    fn written(&self) -> u32 {
        self.outbox.lock().1
    }

    /// The task that flushes, until all frames are written and no sender pushes any more.
    fn flush_until(&self, all: u32) {
        while self.written() < all && block_on(poll_fn(|cx| self.flusher.poll_notified(cx))) {
            self.flush();
        }
    }
}

#[test]
fn whatever_is_pushed_is_flushed_by_the_task() {
    model(|| {
        let lane = Arc::new(Lane::new());
        for _ in 0..2 {
            let lane = lane.clone();
            thread::spawn(move || {
                if lane.push() {
                    lane.flusher.notify();
                }
            });
        }
        lane.flush_until(2);
        assert_eq!(lane.written(), 2);
    });
}

#[test]
fn whatever_is_pushed_is_flushed_when_some_write_themselves() {
    model(|| {
        let lane = Arc::new(Lane::new());
        let other = lane.clone();
        thread::spawn(move || {
            if other.push() {
                other.flush();
                // The task has no other way to learn that nothing is left.
                other.flusher.notify();
            }
        });
        if lane.push() {
            lane.flusher.notify();
        }
        lane.flush_until(2);
        assert_eq!(lane.written(), 2);
    });
}

#[test]
fn a_task_that_is_over_is_told_and_has_heard_what_was_rung_before() {
    model(|| {
        let lane = Arc::new(Lane::new());
        let other = lane.clone();
        thread::spawn(move || {
            assert!(other.push());
            other.flusher.notify();
            other.flusher.close();
        });
        // More than the test pushes.
        lane.flush_until(2);
        assert_eq!(lane.written(), 1);
    });
}

#[test]
fn everybody_who_waits_is_woken() {
    model(|| {
        let (open, waiters) = (Arc::new(AtomicBool::new(false)), Arc::new(WakerSet::default()));
        let wait = |open: Arc<AtomicBool>, waiters: Arc<WakerSet>| {
            block_on(poll_fn(|cx| {
                waiters.register(cx);
                if open.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
            }));
        };
        let other = (open.clone(), waiters.clone());
        thread::spawn(move || wait(other.0, other.1));
        let opener = (open.clone(), waiters.clone());
        thread::spawn(move || {
            opener.0.store(true, Ordering::Release);
            opener.1.wake_all();
        });
        wait(open, waiters);
    });
}

/// The entries that a watcher's mailbox has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Received {
    Message,
    Down,
}

#[test]
fn nothing_of_a_process_comes_after_its_down() {
    model(|| {
        let gate = Arc::new(Gate::new());
        let mailbox = Arc::new(Mutex::new(Vec::new()));
        let senders: Vec<_> = (0..2)
            .map(|_| {
                let (gate, mailbox) = (gate.clone(), mailbox.clone());
                thread::spawn(move || gate.pass(|| mailbox.lock().push(Received::Message)).is_some())
            })
            .collect();
        // The exit.
        gate.close();
        mailbox.lock().push(Received::Down);
        let sent = senders.into_iter().filter_map(|sender| sender.join().unwrap().then_some(())).count();
        let mailbox = mailbox.lock();
        assert_eq!(mailbox.last(), Some(&Received::Down));
        // Exactly the accepted messages have arrived.
        assert_eq!(mailbox.len(), sent + 1);
        assert!(gate.pass(|| ()).is_none());
    });
}
