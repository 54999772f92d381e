//! The node's end of a session.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
};
use std::time::{Duration, Instant};

use futures::{future::AbortHandle, task::AtomicWaker};
use peer_service::{Outbox, PeerInfo};
use refs::ChannelId;

use crate::{send_options::SendOptions, touch::Touch};

/// A link that was written to less than this ago is not quiet. About what a write and the wake of its reader take.
const QUIET: Duration = Duration::from_micros(20);

/// No channel.
const NONE: u8 = u8::MAX;

const _: () = assert!(ChannelId::LIMIT < NONE as usize);

/// How many calls in a row write themselves: a monitor, a message and what belongs to them.
const BURST: u32 = 4;

/// What everybody needs of a session; its frames are read by one task, which alone reports its end.
pub(crate) struct Link {
    pub(crate) peer: PeerInfo,
    pub(crate) outbox: Arc<dyn Outbox>,
    /// The session's task, which waits to be admitted.
    pub(crate) waker: AtomicWaker,
    /// Ends the session's task without waiting for the peer.
    pub(crate) abort: AbortHandle,
    admitted: AtomicBool,
    /// Somebody is about to flush.
    touched: Touch,
    /// How often something was pushed, and over again.
    pushed: AtomicU32,
    /// When it was last flushed, in nanoseconds since `made`. With `burst` only a guess at what is cheaper: whether
    /// something is flushed does not depend on it.
    flushed: AtomicU64,
    /// How many more calls may write at once before the link has been quiet, or the peer was heard, again.
    burst: AtomicU32,
    /// Much was pushed when it was last looked at: likewise a guess.
    flooded: AtomicBool,
    /// The channel on which something was pushed last; and that of a flood which is left to gather, or [`NONE`].
    channel: AtomicU8,
    gathering: AtomicU8,
    made: Instant,
}

impl Link {
    pub(crate) fn new(peer: PeerInfo, outbox: Arc<dyn Outbox>, abort: AbortHandle) -> Self {
        Link {
            peer,
            outbox,
            waker: AtomicWaker::new(),
            abort,
            admitted: AtomicBool::new(false),
            touched: Touch::new(),
            pushed: AtomicU32::new(0),
            flushed: AtomicU64::new(0),
            burst: AtomicU32::new(0),
            flooded: AtomicBool::new(false),
            channel: AtomicU8::new(NONE),
            gathering: AtomicU8::new(NONE),
            made: Instant::now(),
        }
    }

    /// Everything before this session has been told: its frames may be delivered.
    pub(crate) fn admit(&self) {
        self.admitted.store(true, Ordering::Release);
    }

    pub(crate) fn is_admitted(&self) -> bool {
        self.admitted.load(Ordering::Acquire)
    }

    /// Whether a message with these options can go this way.
    pub(crate) fn takes(&self, options: SendOptions) -> bool {
        options.or_default_channel || self.peer.channels.has(options.channel)
    }

    /// Something was pushed; returns whether the caller is the one who must flush: the first, or one who would else wait for
    /// a flood on another channel.
    pub(crate) fn touch(&self, channel: ChannelId) -> bool {
        let place = channel.place() as u8;
        self.pushed.fetch_add(1, Ordering::Relaxed);
        self.channel.store(place, Ordering::Relaxed);
        let gathering = self.gathering.load(Ordering::Relaxed);
        self.touched.touch() || (gathering != NONE && gathering != place)
    }

    /// Whoever flushes lets a flood gather from now on, or does not any more. It is of the channel that was pushed to last.
    pub(crate) fn gather(&self, gathers: bool) {
        let channel = if gathers { self.channel.load(Ordering::Relaxed) } else { NONE };
        self.gathering.store(channel, Ordering::Relaxed);
    }

    /// A number that is another one after something was pushed.
    pub(crate) fn pushed(&self) -> u32 {
        self.pushed.load(Ordering::Relaxed)
    }

    /// Whether it was not flushed for so long.
    pub(crate) fn is_quiet(&self, quiet: Duration) -> bool {
        let since = Duration::from_nanos(self.flushed.load(Ordering::Relaxed));
        self.made.elapsed() >= quiet + since
    }

    /// Whether the caller may write itself: the first few may after the link was quiet, or the peer was heard.
    pub(crate) fn may_write(&self) -> bool {
        if self.is_quiet(QUIET) {
            self.burst.store(BURST - 1, Ordering::Relaxed);
            return true;
        }
        let one_less = |left: u32| left.checked_sub(1);
        self.burst.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }

    /// The peer has said something: whoever answers, or asks the next question, may write at once.
    pub(crate) fn heard(&self) {
        self.burst.store(BURST, Ordering::Relaxed);
    }

    /// Whether much was pushed at last, as whoever flushes has found.
    pub(crate) fn is_flooded(&self) -> bool {
        self.flooded.load(Ordering::Relaxed)
    }

    pub(crate) fn set_flooded(&self, flooded: bool) {
        self.flooded.store(flooded, Ordering::Relaxed);
    }

    /// Flushes. What is pushed from here on needs another flush.
    pub(crate) fn flush(&self) {
        self.touched.flush(|| self.outbox.flush());
        self.flushed.store(self.made.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }
}
