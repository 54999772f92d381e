//! Detects bodies of processes that block their thread.
//!
//! A thread that runs bodies counts a step when it begins to poll a body and another one when the
//! poll returns. One thread per program samples these counts. If a count is odd and the same in two
//! samples, a body blocks. Then the watchdog relieves the thread, if it belongs to a node, and
//! after [`WARN_AFTER`] it logs a warning that names the process.
//!
//! No clock is read per poll, and the watchdog sleeps while no body runs.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, LazyLock, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use refs::{NodeId, Pid, Serial};

use crate::records::log;

/// Time between two samples.
const SAMPLE: Duration = Duration::from_millis(10);

/// Time between two samples after a thread was relieved. It is short because the next body may
/// block, too.
const QUICK_SAMPLE: Duration = Duration::from_micros(200);

/// Time for which samples stay quick after a thread was relieved.
const QUICK_FOR: Duration = Duration::from_millis(200);

/// Number of samples without any step until the watchdog sleeps.
const QUIET_SAMPLES: u32 = 10;

/// A body that blocks for this long is logged as a warning, and again each time the duration has
/// quadrupled.
const WARN_AFTER: Duration = Duration::from_secs(1);

/// Minimum time between two attempts to start the thread.
const RETRY_AFTER: Duration = Duration::from_secs(1);

static WATCHDOG: LazyLock<Watchdog> = LazyLock::new(Watchdog::new);

/// Number of the next node. A slot refers to its node by number, so that a warning can name the
/// process.
static NEXT_NODE: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static SLOT: OnceLock<Arc<Slot>> = const { OnceLock::new() };
}

struct Watchdog {
    slots: Mutex<Vec<Weak<Slot>>>,
    nodes: Mutex<HashMap<u64, NodeId>>,
    /// The thread waits to be woken by a poll, or does not run yet.
    asleep: AtomicBool,
    /// Set once the thread runs.
    thread: OnceLock<Thread>,
    /// Earliest time of the next attempt to start the thread. `None` before the first one.
    retry_at: Mutex<Option<Instant>>,
}

/// Puts another thread on duty in place of a blocked one. Returns false if the system refuses the
/// thread.
pub(crate) type Relief = Box<dyn Fn() -> bool + Send + Sync>;

/// The progress of one thread that runs bodies, as the watchdog reads it.
#[derive(Default)]
struct Slot {
    /// Odd while a body is polled.
    steps: AtomicU64,
    /// The node and the number of the polled process.
    node: AtomicU64,
    process: AtomicU64,
    relief: Option<Relief>,
}

/// Registers the calling thread as one that can be relieved, because it belongs to a crew.
pub(crate) fn attach(relief: Relief) {
    SLOT.with(|slot| _ = slot.get_or_init(|| Slot::register(Some(relief))));
}

/// Assigns a number to a node, by which [`poll`] refers to it.
pub(crate) fn number_of(node: &NodeId) -> u64 {
    let number = NEXT_NODE.fetch_add(1, Ordering::Relaxed);
    WATCHDOG.nodes.lock().insert(number, node.clone());
    number
}

/// Forgets a node that no longer exists.
pub(crate) fn forget(node: u64) {
    WATCHDOG.nodes.lock().remove(&node);
}

/// Polls the body of a process and counts the steps that the watchdog samples.
pub(crate) fn poll<R>(node: u64, process: u64, body: impl FnOnce() -> R) -> R {
    let mut body = Some(body);
    // The slot is used in place: a clone of it would cost two atomic operations a poll.
    let polled = SLOT.try_with(|slot| {
        let _step = slot.get_or_init(|| Slot::register(None)).begin(node, process);
        body.take().map(|body| body())
    });
    match (polled, body) {
        (Ok(Some(result)), _) => result,
        // The thread ends, and its slot is gone.
        (_, Some(body)) => body(),
        (_, None) => unreachable!("a taken body has returned"),
    }
}

/// A running poll of a body. The poll ends on drop, also after a panic.
struct Step<'a>(&'a Slot);

impl Drop for Step<'_> {
    fn drop(&mut self) {
        // No other thread writes the steps.
        let steps = self.0.steps.load(Ordering::Relaxed);
        self.0.steps.store(steps + 1, Ordering::Release);
    }
}

impl Slot {
    fn register(relief: Option<Relief>) -> Arc<Self> {
        let slot = Arc::new(Slot { relief, ..Slot::default() });
        WATCHDOG.slots.lock().push(Arc::downgrade(&slot));
        slot
    }

    /// Records that the thread polls a body, until the returned step is dropped. Returns `None`
    /// within the poll of another body; a warning then names the outer body.
    fn begin(&self, node: u64, process: u64) -> Option<Step<'_>> {
        let steps = self.steps.load(Ordering::Relaxed);
        if steps % 2 == 1 {
            return None;
        }
        self.node.store(node, Ordering::Relaxed);
        self.process.store(process, Ordering::Relaxed);
        // Must come before the load of `asleep`: the watchdog sets `asleep` before it reads the
        // steps.
        self.steps.store(steps + 1, Ordering::SeqCst);
        if WATCHDOG.asleep.load(Ordering::SeqCst) {
            WATCHDOG.wake();
        }
        Some(Step(self))
    }
}

impl Watchdog {
    fn new() -> Self {
        Watchdog {
            slots: Mutex::default(),
            nodes: Mutex::default(),
            asleep: AtomicBool::new(true),
            thread: OnceLock::new(),
            retry_at: Mutex::default(),
        }
    }

    /// Wakes the thread, or starts it if it does not run yet.
    #[cold]
    fn wake(&self) {
        if self.asleep.swap(false, Ordering::AcqRel) {
            let run = || {
                let thread = thread::Builder::new().name("obit-watchdog".to_owned());
                Ok(thread.spawn(|| WATCHDOG.run())?.thread().clone())
            };
            match self.thread.get() {
                Some(thread) => thread.unpark(),
                None => self.start(Instant::now(), run),
            }
        }
    }

    /// Starts the thread. If the system refuses it, a poll tries again after [`RETRY_AFTER`].
    fn start(&self, now: Instant, run: impl FnOnce() -> io::Result<Thread>) {
        let mut retry_at = self.retry_at.lock();
        if self.thread.get().is_some() {
            return;
        }
        if retry_at.is_none_or(|at| now >= at) {
            *retry_at = Some(now + RETRY_AFTER);
            if let Ok(thread) = run() {
                let _ = self.thread.set(thread);
                return;
            }
        }
        self.asleep.store(true, Ordering::SeqCst);
    }

    fn run(&self) {
        let mut samples = Samples::default();
        loop {
            let pause = samples.take(&self.slots(), Instant::now());
            match pause {
                Pause::Sample(pause) => thread::sleep(pause),
                Pause::Sleep(until) => {
                    self.asleep.store(true, Ordering::SeqCst);
                    // A thread that took a step before this store has not seen it and wakes
                    // nothing.
                    if samples.are_current(&self.slots()) {
                        until.map_or_else(thread::park, thread::park_timeout);
                    }
                    self.asleep.store(false, Ordering::SeqCst);
                }
            }
        }
    }

    fn slots(&self) -> Vec<Arc<Slot>> {
        let mut slots = self.slots.lock();
        slots.retain(|slot| slot.strong_count() > 0);
        slots.iter().filter_map(Weak::upgrade).collect()
    }

    fn warn(&self, slot: &Slot, blocked_for: Duration) {
        let node = self.nodes.lock().get(&slot.node.load(Ordering::Relaxed)).cloned();
        if let Some(node) = node {
            let process = Serial::from_u64(slot.process.load(Ordering::Relaxed));
            log::process_blocks(&Pid::new(node, process), blocked_for);
        }
    }
}

/// The action of the watchdog until the next sample.
enum Pause {
    Sample(Duration),
    /// Sleep until a body runs, but at most for that long.
    Sleep(Option<Duration>),
}

/// The last sample of each thread.
#[derive(Default)]
struct Samples {
    threads: Vec<(Weak<Slot>, ThreadSample)>,
    quiet: u32,
    quick_until: Option<Instant>,
}

#[derive(Clone, Copy)]
struct ThreadSample {
    steps: u64,
    since: Instant,
    /// The thread was relieved or cannot be relieved, so only warnings remain.
    relieved: bool,
    warn_at: Duration,
}

impl ThreadSample {
    fn new(steps: u64, since: Instant) -> Self {
        ThreadSample { steps, since, relieved: false, warn_at: WARN_AFTER }
    }

    const fn is_blocked(&self) -> bool {
        self.steps % 2 == 1
    }
}

impl Samples {
    /// Takes a sample, and relieves the threads that are blocked.
    fn take(&mut self, slots: &[Arc<Slot>], now: Instant) -> Pause {
        self.threads.retain(|(slot, _)| slot.strong_count() > 0);
        let mut quiet = true;
        for slot in slots {
            let steps = slot.steps.load(Ordering::Acquire);
            let sample = self.sample_of(slot);
            if sample.steps != steps {
                *sample = ThreadSample::new(steps, now);
                quiet = false;
            } else if sample.is_blocked() {
                let blocked_for = now.saturating_duration_since(sample.since);
                if !sample.relieved {
                    sample.relieved = slot.relief.as_ref().is_none_or(|relieve| relieve());
                    quiet = false;
                    // A body that only computes for as long as a quick sample does not prolong
                    // quick sampling.
                    if blocked_for >= SAMPLE / 2 {
                        self.quick_until = Some(now + QUICK_FOR);
                    }
                } else if blocked_for >= sample.warn_at {
                    sample.warn_at = sample.warn_at.saturating_mul(4);
                    WATCHDOG.warn(slot, blocked_for);
                }
            }
        }
        self.quiet = if quiet { self.quiet + 1 } else { 0 };
        let is_quick = self.quick_until.is_some_and(|until| now < until);
        if is_quick || self.quiet < QUIET_SAMPLES {
            return Pause::Sample(if is_quick { QUICK_SAMPLE } else { SAMPLE });
        }
        Pause::Sleep(self.next_warning(now))
    }

    /// The last sample of that thread. A new thread starts with zero steps.
    fn sample_of(&mut self, slot: &Arc<Slot>) -> &mut ThreadSample {
        let at = self.threads.iter().position(|(other, _)| std::ptr::eq(other.as_ptr(), Arc::as_ptr(slot)));
        let at = at.unwrap_or_else(|| {
            self.threads.push((Arc::downgrade(slot), ThreadSample::new(0, Instant::now())));
            self.threads.len() - 1
        });
        &mut self.threads[at].1
    }

    /// Whether no thread has taken a step since the last sample.
    fn are_current(&mut self, slots: &[Arc<Slot>]) -> bool {
        slots.iter().all(|slot| self.sample_of(slot).steps == slot.steps.load(Ordering::SeqCst))
    }

    fn next_warning(&self, now: Instant) -> Option<Duration> {
        let blocked = self.threads.iter().map(|(_, sample)| sample).filter(|sample| sample.is_blocked());
        blocked.map(|sample| (sample.since + sample.warn_at).saturating_duration_since(now)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_the_system_refused_is_tried_again_once_a_second() {
        let (watchdog, begin) = (Watchdog::new(), Instant::now());
        let refused = || Err(io::ErrorKind::WouldBlock.into());
        watchdog.asleep.store(false, Ordering::SeqCst);
        watchdog.start(begin, refused);
        assert!(watchdog.asleep.load(Ordering::SeqCst), "the next poll tries again");
        watchdog.start(begin + RETRY_AFTER / 2, || panic!("too early"));
        assert!(watchdog.asleep.load(Ordering::SeqCst));
        watchdog.asleep.store(false, Ordering::SeqCst);
        watchdog.start(begin + RETRY_AFTER, || Ok(thread::current()));
        assert!(watchdog.thread.get().is_some() && !watchdog.asleep.load(Ordering::SeqCst));
        watchdog.start(begin + 3 * RETRY_AFTER, || panic!("the thread runs already"));
    }
}
