//! The task that flushes a channel for fast senders.
//!
//! A call writes its frame itself while its channel is quiet, or shortly after a frame of the peer:
//! nothing is faster for a single request and its reply. But a write costs far more than a push. So
//! after a few consecutive writes a task of the channel takes over. One write of the task sends all
//! frames that were pushed until the task runs.

use std::{future::poll_fn, mem, sync::Arc, thread, time::Duration};

use refs::ChannelId;

use crate::session::{flush_policy::FlushPolicy, handle::SessionHandle};

/// Minimum time between two writes of the task while frames are pushed continuously, so that each
/// write is large enough for its cost and for the cost of waking the reader.
const PACE: Duration = Duration::from_micros(50);

/// More than this number of frames within a [`PACE`] is a flood.
const FLOOD: u32 = 64;

/// Time for which the frames of a flood are collected before they are written.
const REST: Duration = Duration::from_micros(200);

/// Runs until the session has ended.
pub(crate) async fn run(handle: Arc<SessionHandle>, channel: ChannelId) {
    let policy = handle.flush_policy(channel);
    // Only the default channel spins. Frames on other channels are not urgent, and urgent frames
    // would wait while the processor spins for them.
    let spins = channel == ChannelId::DEFAULT;
    let mut flooded = false;
    while poll_fn(|cx| policy.flusher.poll_notified(cx)).await {
        flooded = gather_frames(policy, spins, flooded).await;
        // On the default channel urgent frames within a flood are still flushed inline.
        policy.set_flooded(flooded && !spins);
        handle.flush(channel);
    }
}

/// Waits for [`PACE`], unless a flood goes on. If `spins` is set, it yields to other tasks in place
/// of sleeping, and returns early once no more frames are pushed. In a flood it then sleeps for
/// [`REST`], which leaves the processor to the senders and to the peer. Returns true if there was a
/// flood.
async fn gather_frames(policy: &FlushPolicy, spins: bool, flooded: bool) -> bool {
    let first = policy.push_count();
    let many = || policy.push_count().wrapping_sub(first) > FLOOD;
    if !flooded {
        if spins {
            spin_while_pushed(policy, many).await;
        } else {
            policy.environment.pause(PACE).await;
        }
        if !many() {
            return false;
        }
    }
    policy.environment.pause(REST).await;
    many()
}

/// Yields to other tasks until no more frames are pushed, [`PACE`] is over, or `many` returns true.
async fn spin_while_pushed(policy: &FlushPolicy, many: impl Fn() -> bool) {
    let mut count = policy.push_count();
    while !many() && !policy.is_quiet(PACE) {
        // A sender may need this processor.
        thread::yield_now();
        smol::future::yield_now().await;
        let previous = mem::replace(&mut count, policy.push_count());
        if previous == count {
            return;
        }
    }
}
