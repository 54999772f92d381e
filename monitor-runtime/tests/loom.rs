//! What is shared between threads without a lock around all of it, in interleaving after interleaving: files of this crate,
//! built upon loom's locks and atomics. A wake-up that gets lost is a deadlock, which loom finds.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{future::poll_fn, sync::Arc, task::Poll};

use loom::{future::block_on, model::Builder, thread};

#[path = "../src/handover.rs"]
mod handover;
#[path = "../src/touch.rs"]
mod touch;
#[path = "../src/waiters.rs"]
mod waiters;

/// In the place of `src/sync.rs`.
mod sync {
    use std::task::Waker;

    pub(crate) use loom::sync::{
        MutexGuard,
        atomic::{AtomicBool, Ordering},
    };

    /// Is not poisoned.
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

use handover::Handover;
use sync::{AtomicBool, Mutex, Ordering};
use touch::Touch;
use waiters::Waiters;

/// Tries every interleaving in which no more than two switches are forced upon the threads, beside those where one waits:
/// lost wake-ups need one or two.
fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(run);
}

/// A link, as far as flushing is concerned.
struct Link {
    touched: Touch,
    /// What was pushed and not written, and what was written.
    outbox: Mutex<(u32, u32)>,
}

impl Link {
    fn new() -> Self {
        Link { touched: Touch::new(), outbox: Mutex::new((0, 0)) }
    }

    /// Returns whether the caller must flush.
    fn push(&self) -> bool {
        self.outbox.lock().0 += 1;
        self.touched.touch()
    }

    fn flush(&self) {
        self.touched.flush(|| {
            let mut outbox = self.outbox.lock();
            outbox.1 += std::mem::take(&mut outbox.0);
        });
    }

    fn written(&self) -> u32 {
        self.outbox.lock().1
    }
}

/// The task that flushes, until all was written.
fn flush_all(flusher: &Handover<Arc<Link>>, link: &Link, all: u32) {
    let mut links = Vec::new();
    while link.written() < all {
        block_on(poll_fn(|cx| flusher.poll_take(cx, &mut links, || link.written() == all)));
        links.drain(..).for_each(|link| link.flush());
    }
}

#[test]
fn whatever_is_pushed_is_flushed_by_the_task() {
    model(|| {
        let (link, flusher) = (Arc::new(Link::new()), Arc::new(Handover::default()));
        for _ in 0..2 {
            let (link, flusher) = (link.clone(), flusher.clone());
            thread::spawn(move || {
                if link.push() {
                    flusher.give(link);
                }
            });
        }
        flush_all(&flusher, &link, 2);
    });
}

#[test]
fn whatever_is_pushed_is_flushed_when_some_write_themselves() {
    model(|| {
        let (link, flusher) = (Arc::new(Link::new()), Arc::new(Handover::default()));
        let other = (link.clone(), flusher.clone());
        thread::spawn(move || {
            let (link, flusher) = other;
            if link.push() {
                link.flush();
                // The task has no other way to learn that nothing is left.
                flusher.wake();
            }
        });
        if link.push() {
            flusher.give(link.clone());
        }
        flush_all(&flusher, &link, 2);
    });
}

#[test]
fn a_task_that_is_over_is_told() {
    model(|| {
        let (over, flusher) = (Arc::new(AtomicBool::new(false)), Arc::new(Handover::<()>::default()));
        let other = (over.clone(), flusher.clone());
        thread::spawn(move || {
            other.0.store(true, Ordering::Release);
            other.1.wake();
        });
        block_on(poll_fn(|cx| flusher.poll_take(cx, &mut Vec::new(), || over.load(Ordering::Acquire))));
    });
}

#[test]
fn everybody_who_waits_is_woken() {
    model(|| {
        let (open, waiters) = (Arc::new(AtomicBool::new(false)), Arc::new(Waiters::default()));
        let wait = |open: Arc<AtomicBool>, waiters: Arc<Waiters>| {
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
