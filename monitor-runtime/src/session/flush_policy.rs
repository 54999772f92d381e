//! A channel of a session: who writes what was pushed on it, and when.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::{
    sync::{flush_claim::FlushClaim, notify::Notify},
    threads::environment::Environment,
};

/// A channel that was written to less than this ago is not quiet. About what a write and the wake
/// of its reader take.
const QUIET: Duration = Duration::from_micros(20);

/// How many calls in a row write themselves: a monitor, a message and what belongs to them.
const BURST: u32 = 4;

/// See the [module](self). Channels have nothing in common here: what is urgent on one never waits
/// for a flood on another.
pub(crate) struct FlushPolicy {
    /// Somebody is about to flush.
    claim: FlushClaim,
    /// Wakes the task that writes for those who push faster than a write each is worth.
    pub(crate) flusher: Notify,
    /// How often something was pushed, and over again.
    pushed: AtomicU32,
    /// When it was last flushed, in nanoseconds since `made`. With `burst` only a guess at what is
    /// cheaper: whether something is flushed does not depend on it.
    flushed: AtomicU64,
    /// How many more calls may write at once before the channel has been quiet, or the peer was
    /// heard, again.
    burst: AtomicU32,
    /// A flood goes on: likewise a guess.
    flooded: AtomicBool,
    made: Instant,
    pub(crate) environment: Environment,
}

impl FlushPolicy {
    pub(crate) fn new(environment: Environment) -> Self {
        FlushPolicy {
            claim: FlushClaim::new(),
            flusher: Notify::new(),
            pushed: AtomicU32::new(0),
            flushed: AtomicU64::new(0),
            burst: AtomicU32::new(0),
            flooded: AtomicBool::new(false),
            made: environment.now(),
            environment,
        }
    }

    /// Something was pushed; returns whether the caller is the one who must flush.
    pub(crate) fn record_push(&self) -> bool {
        self.pushed.fetch_add(1, Ordering::Relaxed);
        self.claim.acquire()
    }

    /// A number that is another one after something was pushed.
    pub(crate) fn pushed(&self) -> u32 {
        self.pushed.load(Ordering::Relaxed)
    }

    /// Whether it was not flushed for so long.
    pub(crate) fn is_quiet(&self, quiet: Duration) -> bool {
        let since = Duration::from_nanos(self.flushed.load(Ordering::Relaxed));
        self.age() >= quiet + since
    }

    /// Whether the caller may write itself: the first few may after the channel was quiet, or the
    /// peer was heard. Not in a flood, whose next wave would begin with a write for each of the
    /// first.
    pub(crate) fn may_flush_inline(&self) -> bool {
        if self.flooded.load(Ordering::Relaxed) {
            return false;
        }
        if self.is_quiet(QUIET) {
            self.burst.store(BURST - 1, Ordering::Relaxed);
            return true;
        }
        let one_less = |left: u32| left.checked_sub(1);
        self.burst.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }

    /// All is left to the task, until that says that the flood is over.
    pub(crate) fn set_flooded(&self, flooded: bool) {
        self.flooded.store(flooded, Ordering::Relaxed);
    }

    /// The peer has said something: whoever answers, or asks the next question, may write at once.
    pub(crate) fn allow_burst(&self) {
        self.burst.store(BURST, Ordering::Relaxed);
    }

    /// Flushes by `write`. What is pushed from here on needs another flush.
    pub(crate) fn flush(&self, write: impl FnOnce()) {
        self.claim.flush(write);
        self.flushed.store(self.age().as_nanos() as u64, Ordering::Relaxed);
    }

    /// Since it was made.
    fn age(&self) -> Duration {
        self.environment.now() - self.made
    }
}
