//! Writes on behalf of those who push faster than a write each is worth.
//!
//! A call writes its frame itself while its channel is quiet, or answers what was just heard:
//! nothing is faster for one question and its answer. A write costs far more than what is pushed,
//! though; so after a few of them in a row the writing is left to a task of the channel, and
//! everything that is pushed until the task runs goes out together.

use std::{future::poll_fn, mem, sync::Arc, thread, time::Duration};

use refs::ChannelId;

use crate::session::{flush_policy::FlushPolicy, handle::SessionHandle};

/// The least that lies between two writes of the task while more and more is pushed: a burst goes
/// out in pieces that are worth a write and a wake of the reader.
const PACE: Duration = Duration::from_micros(50);

/// Who pushes more than that within a [`PACE`] pushes a flood.
const FLOOD: u32 = 64;

/// How long a flood is gathered before it is written.
const REST: Duration = Duration::from_micros(200);

/// The task: until the session is over.
pub(crate) async fn run(handle: Arc<SessionHandle>, channel: ChannelId) {
    let policy = handle.flush_policy(channel);
    // A channel beside the default one is for what is not urgent: what is would wait for a
    // processor that spins for it.
    let spins = channel == ChannelId::DEFAULT;
    let mut flooded = false;
    while poll_fn(|cx| policy.flusher.poll_notified(cx)).await {
        flooded = wait_while_more_comes(policy, spins, flooded).await;
        // What is urgent among a flood on the default channel is not left to it.
        policy.set_flooded(flooded && !spins);
        handle.flush(channel);
    }
}

/// Waits for the [`PACE`], or, if it `spins`, no longer than that and until nothing more is pushed
/// while others have their turn. In a flood it rests, and leaves the processor to those who push
/// and to the peer. Returns whether it was a flood.
async fn wait_while_more_comes(policy: &FlushPolicy, spins: bool, flooded: bool) -> bool {
    let first = policy.pushed();
    let many = || policy.pushed().wrapping_sub(first) > FLOOD;
    if !flooded {
        if spins {
            spin_while_more_comes(policy, many).await;
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

/// Lets others have their turn until nothing more is pushed, or for the [`PACE`], or until that are
/// `many`.
async fn spin_while_more_comes(policy: &FlushPolicy, many: impl Fn() -> bool) {
    let mut pushed = policy.pushed();
    while !many() && !policy.is_quiet(PACE) {
        // Whoever pushes may want this processor.
        thread::yield_now();
        smol::future::yield_now().await;
        let before = mem::replace(&mut pushed, policy.pushed());
        if before == pushed {
            return;
        }
    }
}
