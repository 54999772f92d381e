//! The flush policy of a channel: which task writes the pushed frames, and when.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::{
    sync::{flush_claim::FlushClaim, notify::Notify},
    threads::environment::Environment,
};

/// A channel is quiet if its last flush was at least this long ago. About the duration of a write
/// and of waking its reader.
const QUIET: Duration = Duration::from_micros(20);

/// Maximum number of consecutive calls that flush inline: enough for a monitor, a message and their
/// further frames.
const BURST: u32 = 4;

/// See the [module](self). Each channel has its own policy, so that an urgent frame on one channel
/// never waits for a flood on another.
pub(crate) struct FlushPolicy {
    /// Held by the sender that is about to flush.
    claim: FlushClaim,
    /// Wakes the task that flushes for fast senders.
    pub(crate) flusher: Notify,
    /// Number of pushed frames; it wraps around.
    push_count: AtomicU32,
    /// Time of the last flush, in nanoseconds since `created`. Like `burst` it only estimates which
    /// way to flush is cheaper; every frame is flushed in any case.
    flushed: AtomicU64,
    /// Number of calls that may still flush inline before the channel must be quiet again or the
    /// peer must send a frame.
    burst: AtomicU32,
    /// True during a flood. Also an estimate.
    flooded: AtomicBool,
    created: Instant,
    pub(crate) environment: Environment,
}

impl FlushPolicy {
    pub(crate) fn new(environment: Environment) -> Self {
        FlushPolicy {
            claim: FlushClaim::new(),
            flusher: Notify::new(),
            push_count: AtomicU32::new(0),
            flushed: AtomicU64::new(0),
            burst: AtomicU32::new(0),
            flooded: AtomicBool::new(false),
            created: environment.now(),
            environment,
        }
    }

    /// Records that a frame was pushed. Returns true if the caller must flush.
    pub(crate) fn record_push(&self) -> bool {
        self.push_count.fetch_add(1, Ordering::Relaxed);
        self.claim.acquire()
    }

    /// Number of pushed frames; it wraps around.
    pub(crate) fn push_count(&self) -> u32 {
        self.push_count.load(Ordering::Relaxed)
    }

    /// Returns true if the last flush was at least that long ago.
    pub(crate) fn is_quiet(&self, quiet: Duration) -> bool {
        let since = Duration::from_nanos(self.flushed.load(Ordering::Relaxed));
        self.age() >= quiet + since
    }

    /// Returns true if the caller may flush inline. The first few calls may after the channel was
    /// quiet or the peer has sent a frame. None may during a flood, because each wave of it would
    /// begin with one write a frame.
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

    /// Leaves every flush to the task until the flood has ended.
    pub(crate) fn set_flooded(&self, flooded: bool) {
        self.flooded.store(flooded, Ordering::Relaxed);
    }

    /// The peer has sent a frame, so the next calls may flush inline: they answer it, or send the
    /// next request.
    pub(crate) fn allow_burst(&self) {
        self.burst.store(BURST, Ordering::Relaxed);
    }

    /// Flushes by `write`. Frames that are pushed from now on need another flush.
    pub(crate) fn flush(&self, write: impl FnOnce()) {
        self.claim.flush(write);
        self.flushed.store(self.age().as_nanos() as u64, Ordering::Relaxed);
    }

    /// Time since its creation.
    fn age(&self) -> Duration {
        self.environment.now() - self.created
    }
}
